"""LoRA against its equation: what is added, what learns, what is merged, and what is refused."""

import pytest
import torch
from counting import new_model, settings, text_data
from helpers import lively, small_config, stirred
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from minillm.model.transformer import Transformer
from minillm.posttraining.lora import LoRALinear, add_lora, lora_layers, merge_lora
from minillm.pretrained import quantize
from minillm.training.loop import Task, train
from minillm.training.pretraining import text_loss

INSIDE = ["query", "key", "value", "output", "gate", "up", "down"]  # the linear layers of a block
IDS = torch.arange(40).reshape(2, 20)


def small(**changes) -> Transformer:
    return lively(Transformer(small_config(**changes)))


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
    targets = [*(target for target in INSIDE if changes.get("activation") != "gelu" or target != "gate"), "head"]
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
    model = add_lora(new_model(tie_embeddings=False), rank=4, targets=[*INSIDE, "head"])
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    lines = list(train(Task(model, text_data().train, text_loss), settings(steps=40, optimizer=optimizer)))
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.1
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == {name for name in before if "lora_" in name}


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


def test_corrections_are_added_once():
    model = add_lora(small())
    with pytest.raises(ValueError, match="has LoRA layers already"):
        add_lora(model)


def test_a_layer_by_itself_is_not_merged():
    with pytest.raises(ValueError, match="this is one layer and not a model that holds it"):
        merge_lora(LoRALinear(torch.nn.Linear(6, 4), rank=2, alpha=4))


def test_without_targets_all_layers_of_the_blocks_are_meant():
    for changes, kinds in (({}, INSIDE), ({"activation": "gelu", "norm": "layernorm"}, [*INSIDE[:4], *INSIDE[5:]])):
        layers = lora_layers(add_lora(small(tie_embeddings=False, **changes)))
        assert [name.rsplit(".", 1)[-1] for name in layers] == 2 * kinds


def test_a_quantised_model_has_nothing_to_correct():
    with pytest.raises(ValueError, match="no linear layer to correct; a quantised one cannot be trained"):
        add_lora(quantize(small(d_ff=64), "int8"))
