"""The formulas against the model itself, and against torch's own counters."""

import itertools
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from helpers import small_config
from torch.utils.flop_counter import FlopCounterMode

from minillm.config import ModelConfig
from minillm.losses import next_token_loss
from minillm.model import attention
from minillm.model.accounting import count_flops, count_parameters, inference_memory, training_memory
from minillm.model.transformer import Transformer
from minillm.training.optim import adamw

VARIANTS = [
    small_config(norm=norm, activation=activation, position=position, tie_embeddings=tie, bias=bias, qk_norm=qk_norm)
    for norm, activation, position, (tie, bias, qk_norm) in itertools.product(
        ("rmsnorm", "layernorm"),
        ("swiglu", "gelu", "relu2"),
        ("rotary", "learned", "sinusoidal", "alibi", "none"),
        ((True, False, False), (False, True, True)),
    )
]


PARTLY_BIASED = [small_config(bias="qkv"), small_config(bias="attention", norm="layernorm", qk_norm=True)]


@pytest.mark.parametrize("config", VARIANTS + PARTLY_BIASED)
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


@pytest.mark.parametrize("window", [None, 1, 5, 24, 30])
def test_flops_of_a_window_are_those_of_the_pairs_that_its_mask_shows(window):
    config, T = small_config(sliding_window=window), 24
    pairs = int(attention.causal_mask(T, T, window=window).sum())
    without = count_flops(config, T) - 4 * config.n_layers * config.n_heads * config.d_head * pairs
    assert without == T * (count_flops(config, 1) - 4 * config.n_layers * config.n_heads * config.d_head)


def test_published_sizes():
    """GPT-2 small has 124M parameters, SmolLM2-135M 134.5M, GPT-3 175B (their papers and model cards)."""
    assert round(count_parameters(ModelConfig.preset("gpt2")) / 1e6) == 124
    assert round(count_parameters(ModelConfig.preset("smollm2-135m")) / 1e6, 1) == 134.5
    assert round(count_parameters(ModelConfig.preset("gpt3")) / 1e9) == 175


def kept_for_backward(model: Transformer, ids: torch.Tensor) -> int:
    """Bytes that autograd holds after a forward pass: parameters, ids and the loss's own count aside."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.is_floating_point() and tensor.dim() and tensor.untyped_storage().data_ptr() not in parameters:
            kept[tensor.untyped_storage().data_ptr()] = tensor  # views share their storage, and count once
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = next_token_loss(model(ids[:, :-1]), ids[:, 1:])
    assert loss.requires_grad
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def fused_with_shared_keys() -> bool:
    """False in PyTorch 2.6."""
    query, key = torch.ones(1, 2, 4, 8, requires_grad=True), torch.ones(1, 1, 4, 8)
    mixed = F.scaled_dot_product_attention(query, key, key, enable_gqa=True)
    return "Flash" in mixed.grad_fn.name()


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("config", VARIANTS)
def test_activations_are_what_autograd_keeps(config, causal):
    config = replace(config, causal=causal)
    if config.n_kv_heads < config.n_heads and not fused_with_shared_keys():
        pytest.skip("this PyTorch has no fused attention for shared keys, so it keeps the T x T weights")
    kept = kept_for_backward(Transformer(config), torch.randint(0, 50, (3, 17)))
    predicted = training_memory(config, batch_size=3, n_tokens=16)["activations"]
    assert predicted == pytest.approx(kept, rel=0.05)  # equal with torch 2.13; one copied tensor more or less is 4 %


@pytest.mark.parametrize("config", VARIANTS[::7])
def test_weights_gradients_and_optimizer_take_what_was_predicted(config):
    model = Transformer(config)
    optimizer = adamw(model, lr=0.1, weight_decay=0.1)
    ids = torch.randint(0, 50, (2, 9))
    next_token_loss(model(ids[:, :-1]), ids[:, 1:]).backward()
    optimizer.step()
    state = [tensor for values in optimizer.state.values() for tensor in values.values() if tensor.dim()]
    predicted = training_memory(config, batch_size=2, n_tokens=8)
    assert predicted["weights"] == sum(p.nbytes for p in model.parameters())
    assert predicted["gradients"] == sum(p.grad.nbytes for p in model.parameters())
    assert predicted["optimizer"] == sum(tensor.nbytes for tensor in state)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_cache_takes_what_was_predicted(dtype):
    config = small_config(d_head=6)
    model = Transformer(config).to(dtype)
    cache = model.new_cache(batch=3, max_seq_len=20)
    predicted = inference_memory(config, 3, 20, bytes_per_weight=dtype.itemsize, bytes_per_cached=dtype.itemsize)
    assert predicted["weights"] == sum(p.nbytes for p in model.parameters())
    assert predicted["kv_cache"] == cache.keys.nbytes + cache.values.nbytes


def test_an_empty_batch_is_refused():
    for price in (training_memory, inference_memory):
        with pytest.raises(ValueError, match="batch_size is 0 and n_tokens 8; both must be at least 1"):
            price(small_config(), 0, 8)
