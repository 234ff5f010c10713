"""A whole model computed by one function of ids and weights, as lesson 06 writes it."""

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from minillm.analysis.surgery.calls import Function, call, set_until
from minillm.errors import UserError
from minillm.model.kv_cache import Cache, KVCache
from minillm.model.transformer import Transformer

EPS = 1e-5  # that a norm of lesson 06 adds, unless it is told otherwise


def reason_against(model: Transformer) -> str | None:
    """What of a model `transformer(ids, weights, settings)` knows nothing of; None if it can compute the whole.

    >>> from minillm import ModelConfig
    >>> config = ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16, norm="layernorm")
    >>> reason_against(Transformer(config))
    "norm='layernorm'"
    """
    c = model.config
    if c.position != "rotary" or c.rope_scaling is not None:
        return f"position={c.position!r}" if c.position != "rotary" else "scaled frequencies"
    for name, usual in (
        ("norm", "rmsnorm"), ("activation", "swiglu"), ("bias", False), ("qk_norm", False), ("causal", True),
        ("sliding_window", None), ("norm_eps", EPS),
    ):  # fmt: skip
        if getattr(c, name) != usual:
            return f"{name}={getattr(c, name)!r}"
    names = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return None if {"embedding.weight", "blocks.0.attention.query.weight"} <= names else "quantized weights"


def compute(undo: ExitStack, model: Transformer, function: Function) -> None:
    """Let `function(ids, weights, settings)` compute the logits, until it is undone.

    The settings are {"layers", "d_head", "base"}, and with a cache "cache": a dictionary of what it holds, (keys,
    values) by layer. Padded or packed rows, and caches that are no `KVCache`, go through the model's own blocks. Raises
    `UserError` for a model that needs more.
    """
    if (needed := reason_against(model)) is not None:
        raise UserError(f"this model has {needed}, which transformer(ids, weights, settings) knows nothing of")
    hidden, head = model.hidden, model.head.forward

    def logits(ids: Tensor, cache: Cache | None = None, segments: Tensor | None = None) -> Tensor:
        padded = segments is not None or (cache is not None and cache.segments is not None)
        if padded or not (cache is None or isinstance(cache, KVCache)):
            return head(hidden(ids, cache, segments))
        model.context(ids, cache, segments)  # which refuses what no model can read
        return _by_row(model, function, ids, cache)

    def same(x: Tensor) -> Tensor:
        return x

    for part, name, value in ((model, "hidden", logits), (model.head, "forward", same)):
        set_until(undo, part, name, value)


def _by_row(model: Transformer, function: Function, ids: Tensor, cache: KVCache | None) -> Tensor:
    """The logits of each row, (B, T, V); a cache gets the new keys and values."""
    c, weights = model.config, dict(model.named_parameters(remove_duplicate=False))
    settings = {"layers": len(model.blocks), "d_head": c.d_head, "base": float(c.rope_theta)}
    rows, kept = [], []
    for number, row in enumerate(ids):
        past: dict[int, Any] = {}
        if cache is not None and cache.length:
            filled = (part[:, number, :, : cache.length] for part in (cache.keys, cache.values))
            past = dict(enumerate(zip(*filled, strict=True)))
        given = settings if cache is None else settings | {"cache": past}
        shape = (len(row), c.vocab_size)
        rows.append(call("transformer", function, (row, weights, given), shape, weights["embedding.weight"].dtype))
        kept.append(past)
    if cache is not None:
        _append(cache, kept, ids.shape[1])
    return torch.stack(rows)


def _append(cache: KVCache, kept: list[dict[int, Any]], T: int) -> None:
    """Store what each row's dictionary holds beyond the cache; zeros for a layer that did not run."""
    shape = (cache.keys.shape[2], T, cache.keys.shape[4])
    for layer in range(len(cache.keys)):
        new = [
            [part[:, cache.length :] for part in past[layer]]
            if layer in past and past[layer][0].shape[1] == cache.length + T
            else [cache.keys.new_zeros(shape)] * 2
            for past in kept
        ]
        cache.append(layer, *(torch.stack(part) for part in zip(*new, strict=True)))
    cache.advance(T)
