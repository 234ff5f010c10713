"""Adapter files against PEFT: what either saves, the other opens with equal logits."""

import copy
import json
from dataclasses import replace
from types import MappingProxyType

import pytest
import torch
from helpers import lively, small_config, stirred
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model
from pretrained.gguf_files import small_tokenizer
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModel, AutoModelForCausalLM

from minillm.model.transformer import Transformer
from minillm.posttraining.adapter import ADAPTER, ADAPTER_CONFIG, join, load_adapter, save_adapter, split
from minillm.posttraining.adapter_config import AdapterConfig
from minillm.posttraining.lora import LoRALinear, add_corrections, add_lora, lora_layers, merge_lora
from minillm.pretrained import load, save

# peft 0.21 asks transformers 5 in words that version 6 will no longer know.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
TOKENIZER = small_tokenizer()
IDS = torch.arange(40).reshape(2, 20)
GPT2_LIKE = {"norm": "layernorm", "activation": "gelu", "position": "learned", "bias": True, "n_kv_heads": 4}


def small(**changes) -> Transformer:
    return lively(Transformer(small_config(vocab_size=TOKENIZER.vocab_size, **changes)))


def theirs_of(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.mark.parametrize(
    ("changes", "targets"),
    [
        ({}, ["query", "value"]),
        ({"qk_norm": True, "n_kv_heads": 1}, None),
        ({"tie_embeddings": False, "bias": True}, ["up", "head"]),
        ({}, ["blocks.1.attention.query", "blocks.0.feedforward.down"]),
        (GPT2_LIKE, None),
        (GPT2_LIKE, ["query", "key", "value"]),
        (GPT2_LIKE, ["query", "value", "up"]),
        (GPT2_LIKE, ["blocks.1.attention.key", "blocks.0.feedforward.down"]),
    ],
)
def test_peft_opens_what_we_save(tmp_path, changes, targets):
    model = small(**changes)
    save(model, TOKENIZER, tmp_path / "base")
    stirred(add_lora(model, rank=3, alpha=5, targets=targets))
    save_adapter(model, tmp_path / "adapter", "somebody/base")
    theirs = PeftModel.from_pretrained(theirs_of(tmp_path / "base"), tmp_path / "adapter")
    assert theirs.peft_config["default"].base_model_name_or_path == "somebody/base"
    with torch.no_grad():
        torch.testing.assert_close(model(IDS), theirs(IDS).logits, rtol=1e-4, atol=1e-4)
    again = load_adapter(load(tmp_path / "base")[0], tmp_path / "adapter")
    assert torch.equal(again(IDS), model(IDS))


@pytest.mark.parametrize(
    ("changes", "targets", "exceptions"),
    [
        ({}, ["q_proj", "v_proj"], {}),
        ({}, ["q_proj", "v_proj"], {"rank_pattern": {"layers.1.self_attn.q_proj": 5}, "alpha_pattern": {"v_proj": 2}}),
        ({"qk_norm": True}, "all-linear", {}),
        ({"tie_embeddings": False}, ["lm_head", "model.layers.1.mlp.up_proj"], {}),
        (GPT2_LIKE, ["c_attn"], {}),
        (GPT2_LIKE, "all-linear", {"rank_pattern": {"c_attn": 2}, "alpha_pattern": {"h.1.mlp.c_fc": 9}}),
        (GPT2_LIKE | {"tie_embeddings": False}, ["lm_head"], {}),
    ],
)
def test_we_open_what_peft_saves(tmp_path, changes, targets, exceptions):
    save(small(**changes), TOKENIZER, tmp_path / "base")
    sizes = dict(r=3, lora_alpha=7, fan_in_fan_out=changes == GPT2_LIKE) | exceptions
    config = LoraConfig(task_type="CAUSAL_LM", target_modules=targets, **sizes)
    theirs = stirred(get_peft_model(theirs_of(tmp_path / "base"), config)).eval()
    theirs.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    model = load_adapter(load(tmp_path / "base")[0], tmp_path / "adapter")
    with torch.no_grad():
        torch.testing.assert_close(model(IDS), theirs(IDS).logits, rtol=1e-4, atol=1e-4)
    save_adapter(model, tmp_path / "ours")
    again = PeftModel.from_pretrained(theirs_of(tmp_path / "base"), tmp_path / "ours")
    with torch.no_grad():
        torch.testing.assert_close(model(IDS), again(IDS).logits, rtol=1e-4, atol=1e-4)
    written, read = load_file(tmp_path / "ours" / ADAPTER), load_file(tmp_path / "adapter" / ADAPTER)
    assert written.keys() == read.keys()
    for name in read:  # a correction that three matrices shared is now three, each with all of A
        assert ("c_attn" in name) or torch.equal(written[name], read[name])


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({}, {"target_modules": r".*layers\.1\..*(q_proj|up_proj)"}),
        (
            {},
            {"target_modules": ["q_proj", "up_proj"], "exclude_modules": ["layers.0.self_attn.q_proj", "mlp.up_proj"]},
        ),
        ({}, {"target_modules": "all-linear", "exclude_modules": r".*\.mlp\..*"}),
        ({}, {"target_modules": ["q_proj", "down_proj"], "layers_to_transform": 1}),
        ({}, {"target_modules": ["q_proj"], "layers_to_transform": [0], "layers_pattern": "layers"}),
        (GPT2_LIKE, {"target_modules": ["c_attn", "c_fc"], "layers_to_transform": [1], "layers_pattern": ["h"]}),
        ({}, {"target_modules": ["k_proj"], "r": 16}),  # of a matrix with 16 rows
        ({}, {"target_modules": ["q_proj"], "r": 40}),
        (GPT2_LIKE, {"target_modules": ["c_attn"], "r": 64}),
        ({}, {"target_modules": ["lm_head", "q_proj"]}),  # tied to the embedding, which PEFT leaves as it is
        ({"tie_embeddings": False}, {"target_modules": ["lm_head"]}),
        (GPT2_LIKE, {"target_modules": ["lm_head"]}),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_we_open_what_peft_selects_by_patterns(tmp_path, changes, options):
    save(small(**changes), TOKENIZER, tmp_path / "base")
    options = {"r": 2, "lora_alpha": 3, "fan_in_fan_out": "c_attn" in options["target_modules"]} | options
    config = LoraConfig(task_type="CAUSAL_LM", **options)
    theirs = stirred(get_peft_model(theirs_of(tmp_path / "base"), config)).eval()
    theirs.save_pretrained(tmp_path / "adapter")  # with copies of the base's tables where lm_head is a target
    model = load_adapter(load(tmp_path / "base")[0], tmp_path / "adapter")
    table = model.embedding.weight.clone()
    with torch.no_grad():
        expected = model(IDS)
        torch.testing.assert_close(expected, theirs(IDS).logits, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(merge_lora(model)(IDS), expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(model.embedding.weight, table)
    save(model, TOKENIZER, tmp_path / "merged")
    assert torch.equal(load(tmp_path / "merged")[0](IDS), model(IDS))


RANKS = {
    r".*\.1\..*": {},
    "^model.layers.0.self_attn.q_proj": {"exclude_modules": ["layers.0.mlp.up_proj"]},
    r"q_proj|model\.layers\.\d+\.mlp\.up_proj$": {"use_rslora": True},
    "layers.1.mlp.up_proj": {"use_rslora": True, "alpha_pattern": {"layers.1.mlp.up_proj": 2}},
}


@pytest.mark.parametrize(("pattern", "options"), RANKS.items(), ids=RANKS)
@pytest.mark.filterwarnings("ignore:.*rslora:UserWarning")
def test_ranks_by_names_and_regular_expressions(tmp_path, pattern, options):
    options |= {"target_modules": ["q_proj", "up_proj"], "rank_pattern": {pattern: 5}}
    same_as_peft(tmp_path, {}, AutoModelForCausalLM, options)


@pytest.mark.parametrize("changes", [{}, GPT2_LIKE])
def test_rank_stabilized_lora_is_a_larger_alpha(tmp_path, changes):
    targets = ["c_attn", "c_fc"] if changes else ["q_proj", "up_proj"]
    options = {"target_modules": targets, "use_rslora": True, "fan_in_fan_out": bool(changes)}
    same_as_peft(tmp_path, changes, AutoModelForCausalLM, options)


@pytest.mark.parametrize("tables", [False, True], ids=["", "with its tables"])
@pytest.mark.parametrize("kind", [AutoModelForCausalLM, AutoModel])
@pytest.mark.parametrize("changes", [{}, {"tie_embeddings": False}, GPT2_LIKE], ids=["tied", "untied", "gpt2"])
def test_with_a_head_and_without_and_with_copies_of_the_tables(tmp_path, changes, kind, tables):
    gpt2 = changes == GPT2_LIKE
    layer = "h.1.attn.c_attn" if gpt2 else "layers.1.self_attn.q_proj"
    options = {
        "target_modules": ["c_attn", "c_fc"] if gpt2 else ["q_proj", "up_proj"],
        "rank_pattern": {f"^{layer}" if kind is AutoModel else layer: 5},
        "fan_in_fan_out": gpt2,
    }
    model = same_as_peft(tmp_path, changes, kind, options, save_embedding_layers=tables)
    head = f"base_model.model.{'lm_head.weight' if kind is AutoModelForCausalLM else 'embed_tokens.weight'}"
    tensors = load_file(tmp_path / "adapter" / ADAPTER)
    if head in tensors:
        save_file(tensors | {head: tensors[head] + 1}, tmp_path / "adapter" / ADAPTER)
        refused(tmp_path / "adapter", f"it holds '{head}', which differs from the base model's: only plain", changes)
    save_adapter(model, tmp_path / "ours")  # under the names of the model with its head
    again = load_adapter(load(tmp_path / "base")[0], tmp_path / "ours")
    torch.testing.assert_close(again(IDS), model(IDS), rtol=1e-4, atol=1e-4)


def same_as_peft(tmp_path, changes, kind, options, **saved) -> Transformer:
    """Our model with an adapter that PEFT made and saved; it gives the same vectors, and not those of the base."""
    save(small(**changes), TOKENIZER, tmp_path / "base")
    base = kind.from_pretrained(tmp_path / "base", dtype=torch.float32).eval()
    task = "CAUSAL_LM" if kind is AutoModelForCausalLM else None
    theirs = stirred(get_peft_model(base, LoraConfig(task_type=task, **{"r": 3, "lora_alpha": 7} | options))).eval()
    theirs.save_pretrained(tmp_path / "adapter", **saved)
    plain = load(tmp_path / "base")[0]
    ours = load_adapter(copy.deepcopy(plain), tmp_path / "adapter")
    with torch.no_grad():
        expected = theirs(IDS)
        read = (lambda m: m.hidden(IDS)) if kind is AutoModel else (lambda m: m(IDS))
        expected = expected.last_hidden_state if kind is AutoModel else expected.logits
        torch.testing.assert_close(read(ours), expected, rtol=1e-4, atol=1e-4)
        assert (read(plain) - expected).abs().max() > 0.01
    return ours


def test_all_linear_and_patterns_as_they_are_written_by_hand():
    """PEFT writes "all-linear" as a list of names; a person may not."""
    names = ["model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj", "lm_head"]
    plain = AdapterConfig(1, 1.0, {}, {}, "all-linear", [], None, [])
    assert plain.select(names, []) == names[:2]
    assert replace(plain, targets=".*").select(names, names[1:]) == names[1:]
    assert replace(plain, targets=["up_proj", "lm_head"], layers=[1]).select(names, []) == names[1:]  # a whole name


def test_a_table_of_the_base_that_was_trained_is_more_than_lora(adapter):
    tensors = load_file(adapter / ADAPTER)
    save_file(tensors | {"base_model.model.model.embed_tokens.weight": torch.ones(40, 32)}, adapter / ADAPTER)
    refused(adapter, "embed_tokens.weight', which differs from the base model's: only plain LoRA")


def test_three_corrections_come_back_from_one_file_as_they_were(tmp_path):
    model = stirred(add_lora(small(**GPT2_LIKE), rank=3, alpha=5, targets=["query", "value"]))
    save_adapter(model, tmp_path)
    tensors = load_file(tmp_path / ADAPTER)
    name = "base_model.model.transformer.h.0.attn.c_attn"
    assert tensors.keys() == {f"{name.replace('0', layer)}.lora_{part}.weight" for layer in "01" for part in "AB"}
    assert tensors[f"{name}.lora_B.weight"].shape == (96, 6)
    again = load_adapter(small(**GPT2_LIKE), tmp_path)
    ours, theirs = lora_layers(model), lora_layers(again)
    assert ours.keys() == theirs.keys()
    for name, layer in ours.items():
        assert (layer.rank, layer.alpha) == (theirs[name].rank, theirs[name].alpha)
        assert torch.equal(layer.lora_A, theirs[name].lora_A)
        assert torch.equal(layer.lora_B, theirs[name].lora_B)


@given(st.lists(st.tuples(st.integers(2, 5), st.booleans()), min_size=2, max_size=4))
def test_one_correction_to_stacked_matrices_is_each_ones_own(shape):
    layers = [nn.Linear(6, rows) for rows, _ in shape]
    layers = [LoRALinear(layer, 1, 1) if learns else layer for layer, (_, learns) in zip(layers, shape, strict=True)]
    layers[0] = stirred(LoRALinear(nn.Linear(6, shape[0][0]), 1, 1))
    for layer in layers:
        stirred(layer)
    A, B = join(layers)
    by_hand = [
        layer.lora_B @ layer.lora_A if isinstance(layer, LoRALinear) else torch.zeros_like(layer.weight)
        for layer in layers
    ]
    torch.testing.assert_close(B @ A, torch.cat(by_hand).detach())
    for (own_A, own_B), layer, product in zip(split(A, B, [rows for rows, _ in shape]), layers, by_hand, strict=True):
        assert len(own_A) == isinstance(layer, LoRALinear)
        torch.testing.assert_close(own_B @ own_A, product.detach())


def test_corrections_of_different_strength_keep_it_in_one_matrix(tmp_path):
    base = small(**GPT2_LIKE)
    model = copy.deepcopy(base)
    names = "blocks.0.attention.query", "blocks.0.attention.key", "blocks.1.attention.value"
    add_corrections(model, dict(zip(names, [(2, 4.0), (4, 4.0), (3, 1.0)], strict=True)))
    stirred(model)
    save_adapter(model, tmp_path)
    again, ids = load_adapter(base, tmp_path), torch.arange(20).unsqueeze(0)
    with torch.no_grad():
        torch.testing.assert_close(again(ids), model(ids))
    with pytest.raises(ValueError, match="the model has LoRA layers already; merge_lora makes them part of it"):
        load_adapter(again, tmp_path)


def test_corrections_that_have_not_begun_come_back_all(tmp_path):
    save_adapter(add_lora(small(**GPT2_LIKE), rank=2, targets=["query", "key", "value"]), tmp_path)
    again = load_adapter(small(**GPT2_LIKE), tmp_path)
    assert [layer.rank for layer in lora_layers(again).values()] == [6] * 6  # whose is whose cannot be told yet


def test_only_corrections_are_saved_here(tmp_path):
    model = small()
    with pytest.raises(ValueError, match="no LoRA layers to save"):
        save_adapter(model, tmp_path)
    add_lora(model)
    with pytest.raises(ValueError, match="merge corrections"):
        save(model, TOKENIZER, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot save to"):
        save_adapter(model, tmp_path / "file")


@pytest.fixture
def adapter(tmp_path):
    save_adapter(add_lora(small(), rank=2, targets=["query"]), tmp_path)
    return tmp_path


def test_an_adapter_that_lacks_a_file_is_no_adapter(adapter):
    for file in (ADAPTER, ADAPTER_CONFIG):
        (adapter / file).unlink()
        with pytest.raises(FileNotFoundError, match=f"it has no {file}$"):
            load_adapter(small(), adapter)


def test_an_adapter_in_an_older_form_is_refused_with_the_way_out(adapter):
    (adapter / ADAPTER).rename(adapter / "adapter_model.bin")
    with pytest.raises(
        FileNotFoundError, match=r"it has no adapter_model.safetensors. Its adapter_model.bin is not re"
    ):
        load_adapter(small(), adapter)


FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda tensors: tensors.pop(FIRST), f"tensors are missing: '{FIRST}'"),
        (lambda tensors: tensors.update(extra=torch.ones(1)), "no place for: 'extra'"),
        (lambda tensors: tensors.update({FIRST: torch.ones(32, 2)}), rf"'{FIRST}' has the shape \(32, 2\)"),
        (lambda tensors: tensors.update({FIRST: torch.ones(2, 32).int()}), "holds torch.int32"),
    ],
)
def test_tensors_that_do_not_fit_are_named(adapter, spoil, said):
    tensors = load_file(adapter / ADAPTER)
    spoil(tensors)
    save_file(tensors, adapter / ADAPTER)
    refused(adapter, said)


def refused(adapter, said, changes=MappingProxyType({})):
    model = small(**changes)
    with pytest.raises(ValueError, match=said):
        load_adapter(model, adapter)
    assert not lora_layers(model)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_file_that_is_no_safetensors_is_damaged(adapter):
    (adapter / ADAPTER).write_bytes(b"\xff" * 100)
    refused(adapter, f"{ADAPTER}: ")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"r": 10**9}, r"has the shape \(2, 32\), its configuration asks for \(1000000000, 32\)"),
        ({"r": "8"}, "r is '8'; the rank is a whole number"),
        ({"r": True}, "r is 'True'"),
        ({"r": 0}, "r is '0'"),
        ({"r": 1}, "has the shape"),
        ({"lora_alpha": None}, "lora_alpha is 'None'"),
        ({"lora_alpha": -1}, "lora_alpha is '-1'; it must be a positive number"),
        ({"lora_alpha": float("nan")}, "lora_alpha is 'nan'"),
        ({"target_modules": 3}, "target_modules is '3'; it must be a list of names or a string"),
        ({"target_modules": []}, r"target_modules is '\[\]'; it must be a list"),
        ({"target_modules": "all-linear"}, r"tensors are missing: .*down_proj"),
        ({"exclude_modules": ["q_proj"]}, "means no linear layer of this model"),
        ({"layers_to_transform": [0]}, "no place for: .*layers.1"),
        ({"layers_to_transform": ["0"]}, "layers_to_transform is .*; it must be whole numbers"),
        ({"layers_to_transform": 0, "layers_pattern": "(a+)+"}, r"layers_pattern has an entry '\(a\+\)\+'; only plain"),
        ({"target_modules": ["c_attn"]}, "no linear layer 'c_attn'; its linear layers are q_proj, k_proj"),
        ({"target_modules": ["q_proj", "v_proj"]}, r"tensors are missing: .*v_proj"),
        ({"peft_type": "IA3"}, "peft_type is 'IA3'; only LORA"),
        ({"use_dora": True}, "use_dora is 'True'; only plain LoRA"),
        ({"use_rslora": 1}, "use_rslora is 1; expected bool"),
        ({"rank_pattern": {"q_proj": 4}}, r"has the shape \(2, 32\), its configuration asks for \(4, 32\)"),
        ({"rank_pattern": {"q_proj": "4"}}, "rank_pattern of q_proj is '4'; the rank is a whole number"),
        ({"rank_pattern": ["q_proj"]}, "rank_pattern is .*; it must be an object"),
        ({"alpha_pattern": {"(a+)+": 4}}, r"alpha_pattern has an entry '\(a\+\)\+'; only plain names of layers"),
        ({"alpha_pattern": {"": 4}}, "alpha_pattern has an entry ''; only plain names of layers"),
        ({"alpha_pattern": {"q_proj": None}}, "alpha_pattern of q_proj is 'None'; it must be a positive number"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "all"}, "bias is 'all'"),
        ({"init_lora_weights": "corda"}, "init_lora_weights is 'corda', which changes the base model's weights"),
        ({"init_lora_weights": ["pissa"]}, "init_lora_weights is"),
        ({"of_a_later_peft": 1}, "of_a_later_peft is '1'; only plain LoRA"),
    ],
)
def test_settings_that_mean_nothing_here_are_refused(adapter, changes, said):
    path = adapter / ADAPTER_CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    refused(adapter, said)


@pytest.mark.parametrize("ranks", [{}, {"q_.*": 2}])
@pytest.mark.parametrize("shape", [(), (0, 32), (2,)])
def test_a_tensor_without_a_rank_is_refused(adapter, ranks, shape):
    path = adapter / ADAPTER_CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | {"rank_pattern": ranks}))
    B = FIRST.replace("lora_A", "lora_B")
    tensors = load_file(adapter / ADAPTER)
    tensors |= {FIRST: torch.zeros(shape), B: tensors[B][:, : shape[0] if shape else 0].contiguous()}
    save_file(tensors, adapter / ADAPTER)
    refused(adapter, "has the shape")


@pytest.mark.parametrize(
    ("option", "value", "opens"),
    [
        ("init_lora_weights", "gaussian", True),
        ("init_lora_weights", "orthogonal", True),
        ("init_lora_weights", "mica", True),
        ("init_lora_weights", "pissa", False),
        ("init_lora_weights", "pissa_niter_2", False),
        ("init_lora_weights", "olora", False),
        ("alora_invocation_tokens", [1, 2], False),
        ("use_dora", True, False),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_peft_makes_of_the_base_decides_whether_we_open_its_adapter(tmp_path, option, value, opens):
    """`opens`: whether base + (alpha / r) B A, which is all that we compute, gives what PEFT computes."""
    save(small(), TOKENIZER, tmp_path / "base")
    base = theirs_of(tmp_path / "base").state_dict()
    config = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["q_proj"], **{option: value})
    theirs = stirred(get_peft_model(theirs_of(tmp_path / "base"), config)).eval()
    theirs.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    kept = theirs.base_model.model.model.layers[0].self_attn.q_proj.base_layer.weight
    if option == "init_lora_weights":  # the premise of `STARTS`
        assert torch.equal(kept, base["model.layers.0.self_attn.q_proj.weight"]) == opens
    if not opens:
        return refused(tmp_path / "adapter", f"{option} is '{str(value)[:3]}".replace("[", r"\["))
    model = load_adapter(load(tmp_path / "base")[0], tmp_path / "adapter")
    with torch.no_grad():
        torch.testing.assert_close(model(IDS), theirs(IDS).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "said"),
    [("[]", "holds a list"), ("{", "Expecting"), ("[" * 100_000, "recursion"), (" " * 2_000_000, "bytes")],
)
def test_a_config_that_is_no_object_is_refused(adapter, text, said):
    (adapter / ADAPTER_CONFIG).write_text(text)
    refused(adapter, said)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    torch.manual_seed(0)
    directory = tmp_path_factory.mktemp("damaged")
    save_adapter(stirred(add_lora(small(**GPT2_LIKE), rank=2)), directory)
    return {directory / file: (directory / file).read_bytes() for file in (ADAPTER, ADAPTER_CONFIG)}


@pytest.mark.parametrize("file", [ADAPTER, ADAPTER_CONFIG])
@given(flips=st.lists(st.tuples(st.integers(0, 2_000), st.integers(1, 255)), min_size=1, max_size=3))
def test_flipped_bytes_are_refused_or_do_no_harm(scratch, file, flips):
    path, whole = next((path, whole) for path, whole in scratch.items() if path.name == file)
    content = bytearray(whole)
    for place, bits in flips:
        content[place % len(whole)] ^= bits
    model = small(**GPT2_LIKE)
    path.write_bytes(content)
    try:
        load_adapter(model, path.parent)
    except ValueError as error:
        assert str(error).startswith(str(path.parent))  # noqa: PT017 - it need not raise
        assert not lora_layers(model)
    finally:
        path.write_bytes(whole)


@pytest.mark.slow
@pytest.mark.real
def test_the_real_model_too(real_weights, tmp_path):
    model, _tokenizer = load("smollm2-135m-instruct")
    model = stirred(add_lora(model, rank=4, targets=["query", "down"]))
    save_adapter(model, tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(real_weights.parent, gguf_file=real_weights.name, dtype=torch.float32)
    theirs = PeftModel.from_pretrained(theirs.eval(), tmp_path)
    ids = torch.tensor([[1, 504, 3575, 282, 4649, 314]])
    with torch.no_grad():
        torch.testing.assert_close(model(ids), theirs(ids).logits, rtol=1e-3, atol=1e-2)
