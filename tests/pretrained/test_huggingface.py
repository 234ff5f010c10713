"""Saved directories: equal when they come back, equal in transformers, and never half written."""

import json
import os
import subprocess
import sys
import textwrap

import pytest
import torch
from helpers import lively, small_config
from hypothesis import given
from hypothesis import strategies as st
from pretrained.gguf_files import small_tokenizer
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from minillm.config import ModelConfig, RopeScaling
from minillm.model.transformer import Transformer
from minillm.pretrained import from_transformers, huggingface, load, save
from minillm.pretrained.families import LLAMA
from minillm.pretrained.weights import rename

TOKENIZER = small_tokenizer()
IDS = torch.arange(40).reshape(2, 20)
GPT2_LIKE = {"norm": "layernorm", "activation": "gelu", "position": "learned", "bias": True}
FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


def small(**changes) -> Transformer:
    return lively(
        Transformer(small_config(vocab_size=TOKENIZER.vocab_size, rope_theta=500.0, norm_eps=1e-3, **changes))
    )


@pytest.fixture
def saved(tmp_path):
    save(small(), TOKENIZER, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tie_embeddings": False, "qk_norm": True},
        GPT2_LIKE,
        {**GPT2_LIKE, "n_kv_heads": 4},
        {"rope_scaling": RopeScaling(2.0, original_max_seq_len=12), "bias": "qkv"},
        {"activation": "relu2", "position": "sinusoidal", "causal": False},
        {"position": "none", "d_head": 12},
        {"position": "alibi", "n_heads": 6, "d_model": 36},
    ],
)
def test_what_is_saved_comes_back(tmp_path, changes):
    model = small(**changes)
    save(model, TOKENIZER, tmp_path / "a" / "new place")
    loaded, tokenizer = load(tmp_path / "a" / "new place")
    assert loaded.config == model.config
    assert not loaded.training
    assert torch.equal(loaded(IDS), model(IDS))
    assert (loaded.head.weight is loaded.embedding.weight) == model.config.tie_embeddings
    assert tokenizer.encode("<|im_end|> low 12", allow_special=True) == TOKENIZER.encode(
        "<|im_end|> low 12", allow_special=True
    )
    assert tokenizer.chat_template == TOKENIZER.chat_template


@pytest.mark.parametrize("tie_embeddings", [False, True])
@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ("LlamaForCausalLM", {}),
        ("LlamaForCausalLM", {"n_kv_heads": 1}),
        ("LlamaForCausalLM", {"n_kv_heads": 4, "d_head": 12}),
        ("LlamaForCausalLM", {"bias": True}),
        ("MistralForCausalLM", {"d_model": 30, "d_head": 8}),
        ("Qwen3ForCausalLM", {"qk_norm": True}),
        ("Qwen3ForCausalLM", {"qk_norm": True, "n_kv_heads": 1}),
        ("Qwen3ForCausalLM", {"qk_norm": True, "n_kv_heads": 4, "d_head": 12}),
        ("Qwen3ForCausalLM", {"qk_norm": True, "bias": "attention"}),
        ("Qwen2ForCausalLM", {"bias": "qkv", "d_model": 30, "d_head": 8, "n_kv_heads": 4}),
        ("GPT2LMHeadModel", {**GPT2_LIKE, "n_kv_heads": 4}),
    ],
)
def test_transformers_opens_it_with_equal_logits(tmp_path, architecture, changes, tie_embeddings):
    model = small(tie_embeddings=tie_embeddings, **changes)
    for parameter in model.parameters():
        if parameter.dim() == 1:  # norms and biases: left at one and zero, they could be exchanged unseen
            torch.nn.init.normal_(parameter)
    save(model, TOKENIZER, tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(theirs).__name__ == architecture
    assert theirs.dtype == torch.float32
    assert theirs.config.eos_token_id == TOKENIZER.eos_id
    with torch.no_grad():
        # Their rotary frequencies are 1 / theta^x, ours theta^-x: the last bit differs in some of them.
        torch.testing.assert_close(theirs(IDS).logits, model(IDS), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"activation": "gelu"},
        {"activation": "relu2"},
        {"norm": "layernorm"},
        {"position": "learned"},
        {"position": "none"},
        {"position": "alibi"},
        {"causal": False},
        {"qk_norm": True, "bias": True},
        {"qk_norm": True, "bias": "qkv"},
        {"d_model": 30, "d_head": 8, "bias": True},
        GPT2_LIKE,  # grouped
        {**GPT2_LIKE, "n_kv_heads": 4, "d_head": 12},
        {**GPT2_LIKE, "n_kv_heads": 4, "qk_norm": True},
        {**GPT2_LIKE, "n_kv_heads": 4, "bias": "attention"},
        {**GPT2_LIKE, "n_kv_heads": 4, "causal": False},
    ],
)
def test_transformers_refuses_what_it_would_misread(tmp_path, changes):
    save(small(**changes), TOKENIZER, tmp_path)
    assert "architectures" not in json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    with pytest.raises(ValueError, match="minillm"):
        AutoConfig.from_pretrained(tmp_path)


def test_transformers_opens_the_tokenizer(saved):
    theirs = AutoTokenizer.from_pretrained(saved)
    text = "lower <|im_end|> newest 2, é"
    assert theirs(text)["input_ids"] == TOKENIZER.encode(text, allow_special=True)
    assert (theirs.bos_token, theirs.eos_token) == (TOKENIZER.bos_token, TOKENIZER.eos_token)
    assert theirs.chat_template == TOKENIZER.chat_template


def test_what_transformers_saves_again_is_read(saved, tmp_path):
    theirs = AutoModelForCausalLM.from_pretrained(saved)
    again = tmp_path / "again"
    theirs.save_pretrained(again)
    TOKENIZER.save(again)
    assert torch.equal(load(again)[0](IDS), load(saved)[0](IDS))


def test_half_precision_is_kept_on_disk_and_loaded_in_float32(tmp_path):
    save(small().bfloat16(), TOKENIZER, tmp_path)
    assert {tensor.dtype for tensor in load_file(tmp_path / "model.safetensors").values()} == {torch.bfloat16}
    assert AutoModelForCausalLM.from_pretrained(tmp_path).dtype == torch.bfloat16
    assert {parameter.dtype for parameter in load(tmp_path)[0].parameters()} == {torch.float32}


def test_a_loaded_model_no_longer_needs_its_file(saved):
    loaded, _ = load(saved)
    before = loaded(IDS)
    weights = saved / "model.safetensors"
    with weights.open("r+b") as file:
        file.write(bytes(weights.stat().st_size))
    assert torch.equal(loaded(IDS), before)


def test_saving_again_replaces_and_leaves_other_files(saved):
    (saved / "metrics.jsonl").write_text("{}", encoding="utf-8")
    (saved / ".saving").mkdir()  # what a killed save left
    (saved / ".saving" / "model.safetensors").write_bytes(b"half")
    model = small(n_layers=1)
    save(model, TOKENIZER, saved)
    assert torch.equal(load(saved)[0](IDS), model(IDS))
    assert sorted(os.listdir(saved)) == sorted([*FILES, "metrics.jsonl"])


@pytest.mark.parametrize("step", ["save_file", "describe", "json.dumps", "Tokenizer.save"])
def test_a_save_that_breaks_loses_nothing(saved, monkeypatch, step):
    before = {name: (saved / name).read_bytes() for name in FILES}

    def disk_full(*_, **__):
        raise OSError(28, "No space left on device")

    target = (
        "minillm.tokenizer.Tokenizer.save" if step == "Tokenizer.save" else f"minillm.pretrained.huggingface.{step}"
    )
    monkeypatch.setattr(target, disk_full)
    with pytest.raises(OSError, match=r"cannot save to .*No space left.*What was there before is unchanged"):
        save(small(), TOKENIZER, saved)
    assert {name: (saved / name).read_bytes() for name in sorted(os.listdir(saved))} == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes to fill a disk with")
def test_a_disk_that_is_full_in_earnest(saved):
    before = {name: (saved / name).read_bytes() for name in FILES}
    script = """
        import resource, signal, sys
        from minillm.pretrained import load, save
        model, tokenizer = load(sys.argv[1])
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))  # the weights are larger
        try:
            save(model, tokenizer, sys.argv[1])
        except OSError as error:
            print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), saved]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "What was there before is unchanged" in run.stdout
    assert {name: (saved / name).read_bytes() for name in sorted(os.listdir(saved))} == before


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_a_save_that_is_killed_loses_nothing(saved):
    before = load(saved)[0](IDS)
    script = """
        import os, signal, sys
        from minillm.pretrained import huggingface, load
        model, tokenizer = load(sys.argv[1])
        model.embedding.weight.data.zero_()
        tokenizer.save = lambda directory: os.kill(os.getpid(), signal.SIGKILL)  # the weights are written by now
        huggingface.save(model, tokenizer, sys.argv[1])
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(script), saved])
    assert run.returncode == -9
    assert torch.equal(load(saved)[0](IDS), before)


def test_a_place_that_is_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="cannot save to .*file"):
        save(small(), TOKENIZER, tmp_path / "file")


def test_a_tokenizer_too_large_for_the_model(tmp_path, saved):
    model = lively(Transformer(small_config(vocab_size=100)))
    with pytest.raises(ValueError, match=r"the tokenizer has 264 tokens, the model only 100 .vocab_size."):
        save(model, TOKENIZER, tmp_path / "new")
    change(saved, vocab_size=100)
    with pytest.raises(ValueError, match=r"the tokenizer has 264 tokens, the model only 100"):
        load(saved)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("config.json", "$"),
        ("model.safetensors", "$"),
        ("tokenizer.json", r"\. Save a tokenizer into it .Tokenizer.save, .* alone: minillm.from_transformers\(Auto"),
    ],
)
def test_a_missing_file_is_named(saved, name, remedy):
    (saved / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"is not a saved model: it has no {name}{remedy}"):
        load(saved)


def test_a_model_alone_in_a_directory_comes_by_way_of_transformers(saved):
    (saved / "tokenizer.json").unlink()
    model = from_transformers(AutoModelForCausalLM.from_pretrained(saved))
    TOKENIZER.save(saved)
    assert torch.equal(model(IDS), load(saved)[0](IDS))


@pytest.mark.parametrize(
    ("old", "sentence"),
    [
        (
            "pytorch_model.bin",
            "it has no model.safetensors. Its pytorch_model.bin is not read, since such a file may run",
        ),
        ("tokenizer.model", "it has no tokenizer.json. Its tokenizer.model is not read; transformers' AutoTokenizer"),
        ("merges.txt", "it has no tokenizer.json. Tokenizer.from_gpt2_files reads its vocab.json and merges.txt"),
    ],
)
def test_an_older_file_in_place_of_a_missing_one_gets_a_remedy(saved, old, sentence):
    (saved / old).write_bytes(b"")
    (saved / {"pytorch_model.bin": "model.safetensors"}.get(old, "tokenizer.json")).unlink()
    with pytest.raises(FileNotFoundError, match=sentence):
        load(saved)


def test_what_was_saved_under_llamas_names_still_opens(saved):
    """A model of GPT-2's shape, as it was written when its directory named no architecture."""
    model = small(**GPT2_LIKE, n_kv_heads=4)
    save_file({rename(name, LLAMA): part.detach() for name, part in model.named_parameters()}, saved / FILES[1])
    (saved / FILES[0]).write_text(json.dumps({"model_type": "minillm", "minillm": model.config.to_dict()}))
    assert torch.equal(load(saved)[0](IDS), model(IDS))


def test_all_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no config.json and no model.safetensors and no tokenizer.json"):
        load(tmp_path)


def change(directory, **settings):
    """Let config.json say something else about the model."""
    path = directory / "config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["minillm"] |= settings
    path.write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.usefixtures("as_users_call_it")
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"d_model": 64},
            r"'model.embed_tokens.weight' has the shape \(264, 32\), .* \(264, 64\): this is a",
        ),
        ({"n_layers": 3}, r"tensors are missing: 'model.layers.2.input_layernorm.weight', .* and 6 more"),
        ({"n_layers": 1}, r"no place for: 'model.layers.1.input_layernorm.weight'"),
        ({"n_layers": 10**9}, "one of the two is damaged"),
        ({"d_ff": 10**12}, "one of the two is damaged"),
        ({"n_heads": 10**9, "n_kv_heads": 10**9, "d_head": 2}, r"has the shape \(32, 32\), .* \(2000000000, 32\)"),
        ({"tie_embeddings": False}, "tensors are missing: 'lm_head.weight'"),
        ({"qk_norm": True}, "tensors are missing: 'model.layers.0.self_attn.k_norm.weight'"),
        ({"bias": "qkv"}, "tensors are missing: 'model.layers.0.self_attn.k_proj.bias'"),
        ({"position": "learned"}, "tensors are missing: 'model.embed_positions.weight'"),
        ({"activation": "relu2"}, "no place for: 'model.layers.0.mlp.gate_proj.weight'"),
        ({"activation": "sin"}, "activation is 'sin'; choose one of"),
        ({"n_layers": "two"}, "n_layers is 'two'"),
        ({"n_layers": -1}, "n_layers is -1"),
        ({"norm_eps": "small"}, "norm_eps is 'small'; it must be a number"),
        ({"colour": "red"}, "unknown model settings: colour"),
    ],
)
def test_a_config_that_lies(saved, settings, sentence):
    change(saved, **settings)
    with pytest.raises(ValueError, match=sentence) as caught:
        load(saved)
    assert str(saved) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "Expecting value"),
        ('{"minillm": {"vocab', "Unterminated string"),
        ("[]", "the file holds a list"),
        ("{}", "model_type is None; the families that can be run are gpt2, llama, mistral, qwen2, qwen3"),
        ('{"minillm": [1]}', 'its entry "minillm" is a list, not an object'),
        ('{"minillm": {}, "minillm": {}}', "'minillm' stands in it twice"),
        ('{"minillm": {}}', "incomplete"),
        ("[" * 100_000, "recursion"),
        (" " * 1_000_001, "the file has 1,000,001 bytes"),
        ("\udcff", "utf-8"),
    ],
)
def test_a_config_that_is_none(saved, content, sentence):
    (saved / "config.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ValueError, match=sentence) as caught:
        load(saved)
    assert str(caught.value).startswith(str(saved / "config.json"))


def weights_changed(directory, **changes):
    tensors = load_file(directory / "model.safetensors")
    for name, tensor in changes.items():
        tensors[f"model.{name}.weight"] = tensor
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, directory / "model.safetensors")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"norm": None}, "tensors are missing: 'model.norm.weight'$"),
        ({"extra": torch.ones(1)}, "no place for: 'model.extra.weight'$"),
        ({"norm": torch.ones(31)}, r"'model.norm.weight' has the shape \(31,\), its configuration asks for \(32,\)"),
        ({"norm": torch.ones(32, dtype=torch.int64)}, "'model.norm.weight' holds torch.int64, not floating-point"),
    ],
)
def test_tensors_that_do_not_fit(saved, changes, sentence):
    weights_changed(saved, **changes)
    with pytest.raises(ValueError, match=sentence):
        load(saved)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 7,
        b"\xff" * 8 + b"{}",  # a header of 16 million terabytes
        (99_000_000).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (4).to_bytes(8, "little") + b"{{{{",
        (100_000).to_bytes(8, "little") + b'{"a":' * 20_000,
    ],
)
def test_weights_that_are_none(saved, content):
    (saved / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"model.safetensors is damaged"):
        load(saved)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    torch.manual_seed(0)
    directory = tmp_path_factory.mktemp("damaged")
    save(small(), TOKENIZER, directory)
    return directory, (directory / "model.safetensors").read_bytes()


def test_weights_cut_off_anywhere_are_refused(scratch):
    directory, whole = scratch
    for end in [*range(0, 2_000, 61), *range(2_000, len(whole), 4_001), len(whole) - 1]:
        (directory / "model.safetensors").write_bytes(whole[:end])
        with pytest.raises(ValueError, match="damaged"):
            load(directory)


@given(flips=st.lists(st.tuples(st.integers(0, 2_500), st.integers(1, 255)), min_size=1, max_size=3))
def test_flipped_bytes_are_refused_or_do_no_harm(scratch, flips):
    directory, whole = scratch
    content = bytearray(whole)
    for place, bits in flips:
        content[place] ^= bits
    (directory / "model.safetensors").write_bytes(content)
    try:
        load(directory)
    except ValueError as error:
        assert str(error).startswith(str(directory))  # noqa: PT017 - it need not raise


def test_the_config_is_written_in_both_languages(saved):
    values = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    config = ModelConfig.from_dict(values["minillm"])
    assert values["architectures"] == ["LlamaForCausalLM"]
    assert (values["hidden_size"], values["num_key_value_heads"]) == (config.d_model, config.n_kv_heads)
    assert huggingface.read_config(saved / "config.json") == config
