"""LoRA against its equation and against PEFT's own: what either saves, the other opens with equal logits."""

import json

import pytest
import torch
from counting import new_model, settings, text_data
from helpers import lively, small_config
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model
from pretrained.gguf_files import small_tokenizer
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM

from minillm.model.transformer import Transformer
from minillm.posttraining.lora import (
    ADAPTER,
    ADAPTER_CONFIG,
    TARGETS,
    LoRALinear,
    add_lora,
    load_adapter,
    lora_layers,
    merge_lora,
    save_adapter,
)
from minillm.pretrained import load, save
from minillm.training.loop import text_loss, train

# peft 0.21 asks transformers 5 in words that version 6 will no longer know.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
TOKENIZER = small_tokenizer()
IDS = torch.arange(40).reshape(2, 20)
THEIR_TARGETS = dict(query="q_proj", value="v_proj", up="up_proj", head="lm_head", gate="gate_proj", down="down_proj")


def small(**changes) -> Transformer:
    return lively(Transformer(small_config(vocab_size=TOKENIZER.vocab_size, **changes)))


def stirred(model: nn.Module) -> nn.Module:
    """With corrections that are not zero."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.2)
    return model


@given(st.integers(2, 9), st.integers(2, 9), st.data())
def test_the_equation(rows, columns, data):
    rank = data.draw(st.integers(1, min(rows, columns)))
    layer = stirred(LoRALinear(nn.Linear(columns, rows), rank, alpha=3))
    W, bias, A, B = layer.base.weight, layer.base.bias, layer.lora_A, layer.lora_B
    x = torch.randn(5, columns)
    by_hand = torch.stack([W @ one + bias + 3 / rank * (B @ (A @ one)) for one in x])
    torch.testing.assert_close(layer(x), by_hand, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(x @ layer.weight.T + bias, by_hand, rtol=1e-4, atol=1e-5)
    assert A.shape == (rank, columns)


@pytest.mark.parametrize("changes", [{}, {"bias": True}, {"activation": "gelu", "norm": "layernorm"}])
def test_the_start_is_the_base_and_the_end_is_a_plain_model(changes):
    model = small(tie_embeddings=False, **changes)
    before, names = model(IDS), [name for name, _ in model.named_parameters()]
    targets = [*(target for target in TARGETS if changes.get("activation") != "gelu" or target != "gate"), "head"]
    add_lora(model, rank=3, targets=targets)
    assert torch.equal(model(IDS), before)
    assert {name.rsplit(".", 1)[-1] for name in lora_layers(model)} == set(targets)
    after = stirred(model)(IDS)
    assert (after - before).abs().max() > 0.1
    merge_lora(model)
    torch.testing.assert_close(model(IDS), after, rtol=1e-3, atol=1e-3)
    assert [name for name, _ in model.named_parameters()] == names
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_only_the_corrections_learn(optimizer):
    """The head too, whose weight the loss takes without calling the layer."""
    model = add_lora(new_model(tie_embeddings=False), rank=4, targets=[*TARGETS, "head"])
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    lines = list(train(model, text_data().train, text_loss, settings(steps=40, optimizer=optimizer)))
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.1
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == {name for name in before if "lora_" in name}


def theirs_of(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.mark.parametrize(
    ("changes", "targets"),
    [
        ({}, ["query", "value"]),
        ({"qk_norm": True, "n_kv_heads": 1}, list(TARGETS)),
        ({"tie_embeddings": False, "bias": True}, ["up", "head"]),
        ({}, ["blocks.1.attention.query", "blocks.0.feedforward.down"]),
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
    ("changes", "targets"),
    [
        ({}, ["q_proj", "v_proj"]),
        ({"qk_norm": True}, "all-linear"),
        ({"tie_embeddings": False}, ["lm_head", "model.layers.1.mlp.up_proj"]),
    ],
)
def test_we_open_what_peft_saves(tmp_path, changes, targets):
    save(small(**changes), TOKENIZER, tmp_path / "base")
    config = LoraConfig(task_type="CAUSAL_LM", r=3, lora_alpha=7, target_modules=targets)
    theirs = stirred(get_peft_model(theirs_of(tmp_path / "base"), config)).eval()
    theirs.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    model = load_adapter(load(tmp_path / "base")[0], tmp_path / "adapter")
    with torch.no_grad():
        torch.testing.assert_close(model(IDS), theirs(IDS).logits, rtol=1e-4, atol=1e-4)
    save_adapter(model, tmp_path / "ours")
    written, read = load_file(tmp_path / "ours" / ADAPTER), load_file(tmp_path / "adapter" / ADAPTER)
    assert written.keys() == read.keys()
    assert all(torch.equal(written[name], read[name]) for name in read)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"targets": ["querry"]}, "no linear layer 'querry'; its linear layers are query, key, value, output, gate"),
        ({"targets": "query"}, "targets is 'query'; give a list of names"),
        ({"targets": []}, r"targets is \[\]"),
        ({"targets": ["head"]}, "head shares its matrix with another layer"),
        ({"rank": 0}, "rank is 0; for blocks.0.attention.query, a matrix of 32 x 32, it must be from 1 to 31"),
        ({"rank": 16, "targets": ["query", "key"]}, "rank is 16; for blocks.0.attention.key, a matrix of 16 x 32"),
        ({"alpha": 0.0}, "alpha is 0.0; it must be positive"),
        ({"alpha": float("nan")}, "alpha is nan"),
    ],
)
def test_what_cannot_be_added_is_refused_and_changes_nothing(as_users_call_it, settings, said):
    model = small()
    with pytest.raises(ValueError, match=said):
        add_lora(model, **settings)
    assert not lora_layers(model)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_corrections_are_added_once_and_saved_only_where_there_are_some(tmp_path):
    model = small()
    with pytest.raises(ValueError, match="no LoRA layers to save"):
        save_adapter(model, tmp_path)
    add_lora(model)
    with pytest.raises(ValueError, match="has LoRA layers already"):
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
        with pytest.raises(FileNotFoundError, match=f"it has no {file}"):
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


def refused(adapter, said):
    model = small()
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
        ({"r": 10**9}, "rank is 1000000000; for blocks.0.attention.query"),
        ({"r": "8"}, "r is '8'; the rank is a whole number"),
        ({"r": True}, "r is 'True'"),
        ({"r": 1}, "has the shape"),
        ({"lora_alpha": None}, "lora_alpha is 'None'"),
        ({"lora_alpha": -1}, "alpha is -1"),
        ({"target_modules": "q_proj"}, "target_modules is 'q_proj'; it must be a list"),
        ({"target_modules": ["c_attn"]}, "no linear layer 'c_attn'; its linear layers are q_proj, k_proj"),
        ({"target_modules": ["q_proj", "v_proj"]}, r"tensors are missing: .*v_proj"),
        ({"peft_type": "IA3"}, "peft_type is 'IA3'; only LORA"),
        ({"use_dora": True}, "use_dora is 'True'; only plain LoRA"),
        ({"use_rslora": True}, "use_rslora"),
        ({"rank_pattern": {"q_proj": 4}}, "rank_pattern"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "all"}, "bias is 'all'"),
    ],
)
def test_settings_that_mean_nothing_here_are_refused(adapter, changes, said):
    path = adapter / ADAPTER_CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    refused(adapter, said)


@pytest.mark.parametrize(
    ("text", "said"),
    [("[]", "holds a list"), ("{", "Expecting"), ("[" * 100_000, "recursion"), (" " * 2_000_000, "bytes")],
)
def test_a_config_that_is_no_object_is_refused(adapter, text, said):
    (adapter / ADAPTER_CONFIG).write_text(text)
    refused(adapter, said)


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
