"""Directories that transformers wrote: the same logits and the same greedy texts here, and again after `save`."""

import json
import re

import pytest
import test_sentencepiece
import torch
from hypothesis import given
from hypothesis import strategies as st
from pretrained.parity import FAMILIES, GPT2, IDS, LLAMA3, TOKENIZER, WINDOWED, difference, parity, theirs
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, MistralForCausalLM

from minillm import from_transformers
from minillm.errors import UserError
from minillm.inference.engine import Engine, Request
from minillm.inference.generate import generate
from minillm.inference.sampling import Sampling
from minillm.inference.speculative import PromptLookup, speculate
from minillm.pretrained import families, load, save
from minillm.pretrained.family_config import read_family
from minillm.tokenizer.sentencepiece import SentencePieceBPE

LARGEST_DIFFERENCE = 1e-4  # of a logit; logits here are of the order of 1 to 10


@pytest.mark.parametrize("tie_word_embeddings", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_and_greedy_texts_are_theirs_and_again_when_saved(tmp_path, family, tie_word_embeddings):
    found = parity(family, tmp_path, tie_word_embeddings=tie_word_embeddings)
    assert max(found.read, found.written) < LARGEST_DIFFERENCE
    assert found.greedy_read
    assert found.greedy_written
    assert found.tokens > 8  # no text of one token
    ours, tokenizer = load(tmp_path / "theirs")
    assert tokenizer.vocab == TOKENIZER.vocab
    assert ours.config.tie_embeddings == tie_word_embeddings
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "theirs")
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in model.parameters())
    again, _ = load(tmp_path / "ours")
    assert again.config == ours.config
    assert torch.equal(again(IDS), ours(IDS))


def test_the_table_of_families_is_the_truth():
    rows = dict(re.findall(r"^    (\w+)  .*  (\w+)$", families.__doc__, re.MULTILINE))
    assert rows == families.ARCHITECTURES
    assert {(type(config()).model_type) for config in FAMILIES.values()} == rows.keys()  # and all of it is tested


def test_a_directory_with_the_tokenizer_of_llama_2(tmp_path):
    file = test_sentencepiece.written(legacy=True)
    theirs("llama2", tmp_path, vocab_size=340)
    test_sentencepiece.store(tmp_path, file)
    ours, tokenizer = load(tmp_path)
    assert isinstance(tokenizer.model, SentencePieceBPE)
    save(ours, tokenizer, tmp_path / "again")
    again, twin = load(tmp_path / "again")
    ids = tokenizer.encode("the cat</s>")
    assert twin.encode("the cat</s>") == ids
    assert torch.equal(again(torch.tensor([ids])), ours(torch.tensor([ids])))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("family", ["gpt2", "llama3"])
def test_shards_in_half_precision(tmp_path, family, dtype):
    theirs(family, tmp_path, dtype, max_shard_size="12KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    model = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)  # its rotary table in float32, too
    assert difference(load(tmp_path)[0], model) < LARGEST_DIFFERENCE


def test_gpt2_as_it_was_published_without_a_prefix_and_with_its_masks(tmp_path):
    model = theirs("gpt2", tmp_path)
    tensors = {name.removeprefix("transformer."): part for name, part in stored(tmp_path).items()}
    tensors |= {f"h.{layer}.attn.bias": torch.ones(1, 1, 128, 128).tril() for layer in (0, 1)}
    save_file(tensors, tmp_path / "model.safetensors")
    config = {"bos_token_id": TOKENIZER.bos_id, "eos_token_id": TOKENIZER.eos_id, "activation_function": "gelu_new"}
    config = {"model_type": "gpt2", "n_ctx": 128, **GPT2, **config}  # nothing but the sizes, as in 2019
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 1024}', encoding="utf-8")
    ours, tokenizer = load(tmp_path)
    assert difference(ours, model) < LARGEST_DIFFERENCE
    assert (tokenizer.bos_id, tokenizer.eos_id) == (TOKENIZER.bos_id, TOKENIZER.eos_id)


def test_llama_as_older_files_have_it(tmp_path):
    """The scaling and the base in two places, and the frequencies as tensors."""
    model = theirs("llama3", tmp_path)
    extra = {f"model.layers.{layer}.self_attn.rotary_emb.inv_freq": torch.ones(4) for layer in (0, 1)}
    save_file(stored(tmp_path) | extra, tmp_path / "model.safetensors")
    change(tmp_path, rope_parameters=None, rope_theta=500, rope_scaling=LLAMA3)
    assert difference(load(tmp_path)[0], model) < LARGEST_DIFFERENCE


def test_a_tied_head_that_is_stored_too(tmp_path):
    model = theirs("qwen2", tmp_path, tie_word_embeddings=True)
    tensors = stored(tmp_path)
    save_file(
        tensors | {"lm_head.weight": tensors["model.embed_tokens.weight"].clone()}, tmp_path / "model.safetensors"
    )
    assert difference(load(tmp_path)[0], model) < LARGEST_DIFFERENCE
    save_file(tensors | {"lm_head.weight": torch.ones(TOKENIZER.vocab_size, 32)}, tmp_path / "model.safetensors")
    with pytest.raises(
        ValueError, match="is True, but tensor 'lm_head.weight' differs from 'model.embed_tokens.weight'"
    ):
        load(tmp_path)


@pytest.mark.parametrize("family", WINDOWED)
def test_a_sliding_window_is_computed(tmp_path, family):
    """Texts of 72 tokens, eight and 64 greedy ones, read through a window of 8: a prompt at once, then by the cache."""
    found = parity(family, tmp_path)
    assert max(found.read, found.written) < LARGEST_DIFFERENCE
    assert found.greedy_read
    assert found.greedy_written
    assert found.tokens > 8
    ours, _ = load(tmp_path / "ours")
    assert (ours.config.sliding_window, ours.config.max_seq_len) == (8, 128)
    ours.config = ours.config.replace(sliding_window=None)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "theirs", attn_implementation="eager")
    assert difference(ours, model) > 0.1  # without its window it is another model


def test_every_way_to_generate_keeps_the_window(tmp_path):
    theirs("mistral with a window", tmp_path)
    model, tokenizer = load(tmp_path)
    prompts = [[3, 14, 15, 92, 65, 35, 89, 79, 32, 38, 46], [26, 43]]
    expected = [generate(model, prompt, 40, temperature=0, use_cache=False) for prompt in prompts]
    assert generate(model, prompts, 40, temperature=0) == expected
    engine = Engine(model, tokenizer)
    greedy = Sampling(temperature=0)
    answers = [engine.submit(Request(prompt, 40, greedy)) for prompt in prompts]
    assert [[event.token for event in answer] for answer in answers] == [
        text[len(prompt) :] for text, prompt in zip(expected, prompts, strict=True)
    ]
    drafted = speculate(model, prompts[0], 40, PromptLookup(2), temperature=0)
    assert list(drafted) == expected[0][len(prompts[0]) :]


@pytest.mark.parametrize(
    ("family", "changes", "sentence"),
    [
        ("mistral", {"sliding_window": -1}, "sliding_window is -1"),
        ("qwen2", {"max_window_layers": 1}, "sliding_window is 20 in some layers and not in others; only one for all"),
        ("qwen3", {"layer_types": ["full_attention", "sliding_attention"]}, "sliding_window is 20 in some layers"),
        ("qwen3", {"layer_types": ["full_attention", ["x"]]}, "expected 'full_attention' or 'sliding_attention' each"),
    ],
)
def test_a_window_that_is_not_the_same_in_all_layers_is_refused(tmp_path, family, changes, sentence):
    theirs(family, tmp_path)
    change(tmp_path, **{"layer_types": None, "use_sliding_window": True, "sliding_window": 20} | changes)
    with pytest.raises(UserError, match=sentence):
        load(tmp_path)
    if "sliding_window" not in changes:  # one that is longer than any text hides nothing
        change(tmp_path, sliding_window=128)
        if ["x"] not in changes.get("layer_types", []):
            assert load(tmp_path)[0].config.sliding_window is None


@pytest.mark.parametrize("kind", ["full_attention", "sliding_attention"])
def test_a_mistral_with_kinds_of_layers(tmp_path, kind):
    """AutoModel goes by them, and takes another class; Mistral's own has its window in all layers."""
    theirs("mistral with a window", tmp_path)
    change(tmp_path, layer_types=[kind] * 2)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    ours, _ = load(tmp_path)
    assert difference(ours, model) < LARGEST_DIFFERENCE
    assert ours.config.sliding_window == (8 if kind == "sliding_attention" else None)
    model = MistralForCausalLM.from_pretrained(tmp_path)
    assert difference(from_transformers(model), model) < LARGEST_DIFFERENCE


FULL, SLIDING = "full_attention", "sliding_attention"
CONTRADICTIONS = {
    "more layers": ("qwen3", {"layer_types": [FULL] * 3}, "num_hidden_layers is 2 and layer_types has 3; they must be"),
    "fewer layers": ("llama3", {"layer_types": [FULL]}, "num_hidden_layers is 2 and layer_types has 1; they must be"),
    "no layers": ("qwen2", {"layer_types": []}, "num_hidden_layers is 2 and layer_types has 0; they must be"),
    "switched off": (
        "qwen2",
        {"layer_types": [SLIDING] * 2, "use_sliding_window": False, "sliding_window": 8},
        "layer_types has 'sliding_attention', but use_sliding_window is False",
    ),
    "no window": (
        "mistral",
        {"layer_types": [SLIDING] * 2, "sliding_window": None},
        "layer_types has 'sliding_attention', but sliding_window is None",
    ),
    "no window at all": (
        "llama3",
        {"layer_types": [SLIDING] * 2},
        "has 'sliding_attention', but sliding_window is None",
    ),
    "two contexts": (
        "gpt2",
        {"max_position_embeddings": 64},
        "n_positions is 128 and max_position_embeddings 64, two names of one size; remove the wrong one",
    ),
    "two widths": ("gpt2", {"hidden_size": 64}, "n_embd is 32 and hidden_size 64, two names"),
    "two depths": ("gpt2", {"num_hidden_layers": 3}, "n_layer is 2 and num_hidden_layers 3, two names"),
    "two counts of heads": ("gpt2", {"num_attention_heads": 2}, "n_head is 4 and num_attention_heads 2, two names"),
}


@pytest.mark.parametrize(("family", "changes", "sentence"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_config_that_contradicts_itself_is_refused_with_both_values(tmp_path, family, changes, sentence):
    theirs(family, tmp_path)
    before = AutoModelForCausalLM.from_pretrained(tmp_path)
    change(tmp_path, **changes)
    with pytest.raises(UserError, match=sentence):
        load(tmp_path)
    try:
        found = AutoModelForCausalLM.from_pretrained(tmp_path)(IDS).logits
    except Exception:  # transformers raises this and that, or takes the other value
        return
    assert not torch.equal(found, before(IDS).logits)


# As published: what bears on the length of a text, and the sizes.
MISTRAL_7B = dict(
    model_type="mistral", vocab_size=32_000, hidden_size=4096, intermediate_size=14_336, num_hidden_layers=32,
    num_attention_heads=32, num_key_value_heads=8, max_position_embeddings=32_768, rms_norm_eps=1e-5,
)  # fmt: skip
QWEN2_7B = dict(
    model_type="qwen2", vocab_size=152_064, hidden_size=3584, intermediate_size=18_944, num_hidden_layers=28,
    num_attention_heads=28, num_key_value_heads=4, max_position_embeddings=131_072, rms_norm_eps=1e-6, rope_theta=1e6,
    use_sliding_window=False, sliding_window=131_072, max_window_layers=28,
)  # fmt: skip


@pytest.mark.parametrize(
    ("values", "window"),
    [
        (MISTRAL_7B | {"rope_theta": 10_000.0, "sliding_window": 4096}, 4096),  # version 0.1
        (MISTRAL_7B | {"rope_theta": 10_000.0}, 4096),  # what the class of transformers takes where none is named
        (MISTRAL_7B | {"rope_theta": 1e6, "sliding_window": None}, None),  # version 0.2
        (QWEN2_7B, None),
        (QWEN2_7B | {"use_sliding_window": True}, None),  # no layer is behind the last of those that see all
        (QWEN2_7B | {"use_sliding_window": True, "max_window_layers": 0, "sliding_window": 32_768}, 32_768),
    ],
)
def test_published_windows(values, window):
    config = read_family(values)
    assert (config.max_seq_len, config.sliding_window) == (values["max_position_embeddings"], window)


@pytest.mark.parametrize(
    ("family", "values", "sentence"),
    [
        ("llama3", {"model_type": "mixtral"}, "model_type is 'mixtral'; the families that can be run are gpt2, llama"),
        ("llama3", {"model_type": ["llama"]}, r"model_type is \['llama'\]"),
        ("llama3", {"architectures": ["LlamaForSequenceClassification"]}, "only LlamaForCausalLM can be run"),
        ("llama3", {"hidden_act": "gelu"}, "hidden_act is 'gelu'; only 'silu' can be run. Open it with transformers"),
        ("llama3", {"quantization_config": {"bits": 4}}, "quantization_config is {'bits': 4}; only None"),
        ("llama3", {"num_local_experts": 8}, "num_local_experts is 8; only None can be run"),
        ("llama3", {"mlp_bias": True}, "mlp_bias is True and attention_bias False"),
        ("llama3", {"attention_bias": "yes"}, "attention_bias is 'yes'; expected bool"),
        ("llama3", {"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5; only 1 can be run"),
        (
            "llama3",
            {"rope_parameters": LLAMA3 | {"partial_rotary_factor": 0.5}},
            "partial_rotary_factor is 0.5; only 1",
        ),
        (
            "llama3",
            {"rope_parameters": {"rope_type": "yarn", "beta_fast": 32}},
            "rope_type is 'yarn'; only 'default', 'linear' and",
        ),
        ("llama3", {"rope_scaling": {"type": "dynamic", "factor": 2}}, "rope_type is 'dynamic'"),
        ("llama3", {"rope_parameters": {"full_attention": {}}}, "of the type 'default' have 'full_attention'"),
        ("llama3", {"rope_parameters": [1]}, r"rope_parameters is \[1\]; expected an object"),
        ("llama3", {"rope_parameters": {"rope_type": "linear"}}, "factor is None; expected a positive number"),
        (
            "llama3",
            {"rope_parameters": LLAMA3 | {"low_freq_factor": 4}},
            "low_freq_factor is 4.0 and high_freq_factor 4",
        ),
        ("llama3", {"rope_parameters": None, "rope_theta": float("inf")}, "rope_theta is inf; expected a positive"),
        ("llama3", {"rms_norm_eps": 10**400}, "rms_norm_eps is 10+; expected a positive number"),
        ("llama3", {"rms_norm_eps": "1e-5"}, "rms_norm_eps is '1e-5'; expected a positive number"),
        ("llama3", {"hidden_size": 32.0}, "hidden_size is 32.0; expected int"),
        ("llama3", {"num_hidden_layers": 0}, "num_hidden_layers is 0; it must be a whole number from 1 to"),
        ("llama3", {"intermediate_size": 10**30}, "intermediate_size is 10+; it must be a whole number from 1 to"),
        ("llama3", {"max_position_embeddings": 10**12}, "max_position_embeddings is 10+; it must be"),
        (
            "llama3",
            {"vocab_size": 10**9, "hidden_size": 10**9},
            "asks for .* parameters, but the file holds 21 tensors",
        ),
        ("llama3", {"num_hidden_layers": 10**9}, "asks for 1,000,000,000 layers .* but the file holds 21 tensors"),
        ("llama3", {"num_hidden_layers": 1}, "no place for: 'model.layers.1.input_layernorm.weight'"),
        ("llama3", {"num_key_value_heads": 3}, "must be a multiple of n_kv_heads"),
        ("llama3", {"num_key_value_heads": 4}, r"'model.layers.0.self_attn.k_proj.weight' has the shape \(16, 32\)"),
        ("llama3", {"vocab_size": 263}, "the tokenizer has 264 tokens, the model only 263"),
        ("llama3", {"model_type": "qwen2", "architectures": []}, "missing: 'model.layers.0.self_attn.k_proj.bias'"),
        ("qwen3", {"layer_types": ["linear_attention"]}, "layer_types is .* expected 'full_attention' or"),
        ("qwen3", {"model_type": "llama", "architectures": None}, "no place for: 'model.layers.0.self_attn.k_norm"),
        ("gpt2", {"activation_function": "relu"}, "activation_function is 'relu'; only 'gelu_new' can be run"),
        ("gpt2", {"scale_attn_weights": False}, "scale_attn_weights is False"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
        ("gpt2", {"add_cross_attention": True}, "add_cross_attention is True"),
        ("gpt2", {"n_positions": 64}, r"'transformer.wpe.weight' has the shape \(128, 32\), .* \(64, 32\)"),
        ("gpt2", {"n_inner": 64}, r"'transformer.h.0.mlp.c_fc.weight' has the shape \(32, 128\), .* \(32, 64\)"),
        ("gpt2", {"n_embd": 64}, r"has the shape"),
        ("gpt2", {"n_embd": None}, "n_embd is None; expected int"),
    ],
)
def test_what_would_be_another_model_is_refused_by_name(directories, family, values, sentence):
    directory = directories[family]
    before = (directory / "config.json").read_bytes()
    try:
        change(directory, **values)
        with pytest.raises(ValueError, match=sentence) as caught:
            load(directory)
    finally:
        (directory / "config.json").write_bytes(before)
    assert str(caught.value).startswith(str(directory))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.parametrize("family", ["llama3", "gpt2", "qwen3"])
@given(data=st.data())
def test_whatever_a_config_holds_it_loads_or_a_sentence_names_it(directories, family, data):
    directory = directories[family]
    before = (directory / "config.json").read_bytes()
    values = json.loads(before)
    place = data.draw(st.sampled_from([values, *(value for value in values.values() if isinstance(value, dict))]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(json_values)
    try:
        (directory / "config.json").write_text(json.dumps(values), encoding="utf-8")
        sentence = None
        load(directory)
    except ValueError as error:
        sentence = str(error)
    finally:
        (directory / "config.json").write_bytes(before)
    assert sentence is None or sentence.startswith(str(directory))


def test_a_fused_tensor_that_is_missing_is_named(tmp_path):
    theirs("gpt2", tmp_path)
    tensors = stored(tmp_path)
    del tensors["transformer.h.1.attn.c_attn.weight"]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="tensors are missing: 'transformer.h.1.attn.c_attn.weight'$"):
        load(tmp_path)


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
    torch.manual_seed(0)
    made = {family: tmp_path_factory.mktemp(family) for family in ("llama3", "gpt2", "qwen3")}
    for family, directory in made.items():
        theirs(family, directory)
    return made


def stored(directory):
    return load_file(directory / "model.safetensors")


def change(directory, **values):
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")
