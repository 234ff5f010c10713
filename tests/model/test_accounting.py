"""The formulas against the model itself, and against torch's own counters."""

import itertools

import pytest
import torch
from helpers import small_config
from torch.utils.flop_counter import FlopCounterMode

from minillm.config import ModelConfig
from minillm.model import attention
from minillm.model.accounting import count_flops, count_parameters
from minillm.model.transformer import Transformer

VARIANTS = [
    small_config(norm=norm, activation=activation, position=position, tie_embeddings=tie, bias=bias, qk_norm=qk_norm)
    for norm, activation, position, (tie, bias, qk_norm) in itertools.product(
        ("rmsnorm", "layernorm"),
        ("swiglu", "gelu", "relu2"),
        ("rotary", "learned", "sinusoidal", "alibi", "none"),
        ((True, False, False), (False, True, True)),
    )
]


@pytest.mark.parametrize("config", VARIANTS)
def test_parameters_are_those_of_the_model(config):
    assert sum(p.numel() for p in Transformer(config).parameters()) == count_parameters(config)


@pytest.mark.parametrize(
    "variant", [{}, {"activation": "gelu", "tie_embeddings": False}, {"causal": False}, {"position": "alibi"}]
)
def test_flops_equal_torchs_count(variant):
    config = small_config(**variant)
    model, T = Transformer(config), 24
    # torch's counter knows plain matmuls; the readable attention computes all T x T pairs.
    with FlopCounterMode(display=False) as counter, torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            attention,
            "attention_by_sdpa",
            lambda q, k, v, mask, _, bias: attention.attention_by_matmul(q, k, v, mask, bias),
        )
        model(torch.zeros(1, T, dtype=torch.long))
    pairs_not_needed = T * (T - 1) // 2 if config.causal else 0
    unused = 4 * config.n_layers * config.n_heads * config.d_head * pairs_not_needed
    assert counter.get_total_flops() == count_flops(config, T) + unused


def test_published_sizes():
    """GPT-2 small has 124M parameters, SmolLM2-135M 134.5M, GPT-3 175B (their papers and model cards)."""
    assert round(count_parameters(ModelConfig.preset("gpt2")) / 1e6) == 124
    assert round(count_parameters(ModelConfig.preset("smollm2-135m")) / 1e6, 1) == 134.5
    assert round(count_parameters(ModelConfig.preset("gpt3")) / 1e9) == 175
