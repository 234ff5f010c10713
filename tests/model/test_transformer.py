import itertools
import math

import pytest
import torch
from helpers import lively, small_config
from torch.utils.flop_counter import FlopCounterMode

from minillm.config import ModelConfig
from minillm.losses import next_token_loss
from minillm.model.transformer import Transformer, count_flops, count_parameters

VARIANTS = [
    dict(norm=norm, activation=activation, position=position, tie_embeddings=tie, bias=bias, qk_norm=qk_norm)
    for norm, activation, position, (tie, bias, qk_norm) in itertools.product(
        ("rmsnorm", "layernorm"),
        ("swiglu", "gelu", "relu2"),
        ("rotary", "learned", "sinusoidal", "none"),
        ((True, False, False), (False, True, True)),
    )
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))
def test_every_variant_counts_caches_and_hides_the_future(variant, device):
    config = small_config(**variant)
    model = lively(Transformer(config)).to(device)
    assert sum(p.numel() for p in model.parameters()) == count_parameters(config)
    ids = torch.randint(0, 50, (2, 9), device=device)
    with torch.no_grad():
        logits = model(ids)
        cache = model.new_cache(batch=2)
        pieces = [model(piece, cache) for piece in ids.split([4, 1, 3, 1], dim=1)]
        torch.testing.assert_close(torch.cat(pieces, dim=1), logits, atol=1e-4, rtol=1e-4)
        changed = ids.clone()
        changed[:, 5] = (changed[:, 5] + 1) % 50
        torch.testing.assert_close(model(changed)[:, :5], logits[:, :5])
        assert not torch.allclose(model(changed)[:, 5:], logits[:, 5:], atol=1e-3)


def test_without_a_mask_the_future_is_seen():
    model = lively(Transformer(small_config(causal=False)))
    ids = torch.randint(0, 50, (1, 6))
    changed = ids.clone()
    changed[0, 5] = (changed[0, 5] + 1) % 50
    with torch.no_grad():
        assert not torch.allclose(model(changed)[:, 0], model(ids)[:, 0], atol=1e-3)
        cache = model.new_cache()
        model(ids, cache)
        with pytest.raises(ValueError, match="causal=False cannot use a KV cache"):
            model(ids, cache)


def test_without_positions_or_mask_the_order_is_invisible():
    """A set of tokens goes in, and the same set of vectors comes out, shuffled the same way."""
    model = lively(Transformer(small_config(causal=False, position="none")))
    ids, order = torch.randint(0, 50, (1, 7)), torch.randperm(7)
    with torch.no_grad():
        torch.testing.assert_close(model(ids[:, order]), model(ids)[:, order], atol=1e-5, rtol=1e-4)


def test_the_first_loss_is_ln_v():
    model = Transformer(ModelConfig.preset("tiny"))
    ids = torch.randint(0, 1024, (4, 65))
    loss = next_token_loss(model(ids[:, :-1]), ids[:, 1:])
    assert loss.item() == pytest.approx(math.log(1024), abs=0.1)


def test_tied_head_shares_the_table():
    model = Transformer(small_config(tie_embeddings=True))
    assert model.head.weight is model.embedding.weight


@pytest.mark.parametrize("variant", [{}, {"activation": "gelu", "tie_embeddings": False}, {"causal": False}])
def test_flops_equal_torchs_count(variant):
    config = small_config(**variant)
    model, T = Transformer(config), 24
    # torch's counter knows plain matmuls; the readable attention computes all T x T pairs.
    with FlopCounterMode(display=False) as counter, torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        from minillm.model import attention

        patch.setattr(
            attention, "attention_by_sdpa", lambda q, k, v, mask, _: attention.attention_by_matmul(q, k, v, mask)
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


def test_bad_input_gets_a_sentence(small_model):
    with pytest.raises(ValueError, match="the sequence is empty"):
        small_model(torch.zeros(1, 0, dtype=torch.long))
    with pytest.raises(ValueError, match=r"has 25 tokens, this model was built for 24 \(max_seq_len\)"):
        small_model(torch.zeros(1, 25, dtype=torch.long))
    with pytest.raises(IndexError, match="token id 50 is outside"):
        small_model(torch.tensor([[50]]))
    cache = small_model.new_cache(max_seq_len=4)
    with torch.no_grad(), pytest.raises(ValueError, match="room for 4; 5 more"):
        small_model(torch.zeros(1, 5, dtype=torch.long), cache)
