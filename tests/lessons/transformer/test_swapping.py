"""A learner's component in a whole model: the first tensor that differs from the reference is named."""

import math
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from minillm import ModelConfig, Transformer
from minillm.course import swap_in
from minillm.model.feedforward import FeedForward


def feedforward(x, gate, up, down):
    return (F.silu(x @ gate.T) * (x @ up.T)) @ down.T


def attention(x, query, key, value, output, n_heads, scale=True):
    B, T, C = x.shape
    query, key, value = ((x @ weight.T).view(B, T, n_heads, -1).transpose(1, 2) for weight in (query, key, value))
    scores = query @ key.mT / (math.sqrt(C // n_heads) if scale else 1)
    visible = torch.ones(T, T, dtype=torch.bool).tril()
    return (scores.masked_fill(~visible, -math.inf).softmax(-1) @ value).transpose(1, 2).reshape(B, T, C) @ output.T


@pytest.mark.parametrize(
    ("mine", "at"),
    [
        (feedforward, "feedforward"),
        (attention, "attention"),
        (lambda x, weight, norm_eps: F.rms_norm(x, x.shape[-1:], weight, norm_eps), "attention_norm"),
        (lambda x, weight: F.rms_norm(x, x.shape[-1:], weight, 1e-5), "blocks.1.feedforward_norm"),
        (lambda ids, weight: F.one_hot(ids, len(weight)).float() @ weight, "embedding"),
        (lambda x, **everything: x @ everything["weight"].T, "head"),
    ],
)
def test_a_right_component_changes_no_tensor(mine, at, capsys):
    swap = swap_in(mine, at)
    assert swap.agrees, str(swap)
    assert "logits" in swap.compared
    assert f"{at}: all {len(swap.compared)} tensors agree" in capsys.readouterr().out


def test_the_first_tensor_that_differs_is_named():
    def unscaled(x, query, key, value, output, n_heads):
        return attention(x, query, key, value, output, n_heads, scale=False)

    assert swap_in(unscaled, "attention").first == "blocks.0.attention"
    later = swap_in(lambda x, gate, up, down: feedforward(x, up, gate, down), "blocks.1.feedforward")
    assert later.first == "blocks.1.feedforward"
    before = later.compared.index(later.first)
    assert str(later).startswith(f"{later.first}: {before} tensors agree, then {later.first} has ")


def test_the_innermost_module_that_differs_is_named():
    class Swapped(FeedForward):
        def forward(self, x):
            return self.down(F.silu(self.up(x)) * self.gate(x))

    class Shifted(FeedForward):
        def forward(self, x):
            return self.down(F.silu(self.gate(x)) * self.up(x + 1))

    sizes = dict(d_model=32, d_ff=85, activation="swiglu")
    assert swap_in(FeedForward(**sizes), "feedforward").agrees
    assert swap_in(Swapped(**sizes), "feedforward").first == "blocks.0.feedforward.down"
    assert swap_in(Shifted(**sizes), "feedforward").first == "blocks.0.feedforward.up"


def test_a_given_model_is_the_reference():
    model = Transformer(ModelConfig(vocab_size=9, d_model=8, n_layers=1, n_heads=2, max_seq_len=4, norm="layernorm"))
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    assert swap_in(lambda x, weight: F.layer_norm(x, x.shape[-1:], weight), "final_norm", model).agrees
    assert all(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())


@pytest.mark.parametrize(
    ("mine", "at", "words"),
    [
        (feedforward, "ffn", "the model has no 'ffn'; use one of embedding, attention_norm, attention,"),
        (lambda x, foo: x, "head", "your function asks for 'foo'; use some of vocab_size"),
        (
            nn.Linear(3, 3),
            "feedforward",
            "your parameters are {'weight': (3, 3), 'bias': (3,)}; use",
        ),
    ],
)
def test_invalid_swaps_are_rejected(mine, at, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        swap_in(mine, at)
