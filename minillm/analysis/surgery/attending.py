"""An attention layer computed by other functions: whole heads, or the steps that a head is made of."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from minillm.analysis.surgery.calls import Function, by_head, call
from minillm.errors import UserError
from minillm.model.attention import MultiHeadAttention, attention_by_sdpa
from minillm.model.kv_cache import Cache
from minillm.model.linear import Linear

STEPS = ("batched_product", "softmax")  # of attention, which computes them itself where it is replaced as a whole
IN_A_LAYER = ("attention", *STEPS, "join_heads")


def forward_pass(theirs: MultiHeadAttention, given: Mapping[str, Function], rows: Function) -> Callable[..., Tensor]:
    """The forward pass of a layer with its arguments, with the functions that are given, by the part that they are.

    `rows(T, S, device)` is the mask. Raises `UserError` where attention and a step of it are both given.
    """
    steps = [name for name in STEPS if name in given]
    if "attention" in given and steps:
        raise UserError(f"attention computes its own {steps[0].replace('_', ' ')}; give one of the two")

    def forward(
        x: Tensor,
        mask: Tensor | None = None,
        is_causal: bool = False,
        angles: Any = None,
        bias: Tensor | None = None,
        cache: Cache | None = None,
        layer: int = 0,
    ) -> Tensor:
        query, key, value = theirs.project(x, angles)
        if cache is not None:
            key, value = cache.append(layer, key, value)
        (B, _H, T, _D), S = query.shape, key.shape[2]
        visible = rows(T, S, x.device)
        if mask is not None:  # texts side by side in a row, or a sliding window
            visible = visible & (mask.squeeze(1) if mask.dim() == 4 else mask)
        if "attention" in given:
            heads = by_head(given["attention"], query, key, value, visible.expand(B, T, S))
        elif steps:
            heads = _by_steps(given, query, key, value, visible.expand(B, T, S))
        else:  # all heads at once
            heads = attention_by_sdpa(query, key, value, visible, bias=bias)
        return theirs.output(_joined(given, heads))

    return forward


def _by_steps(given: Mapping[str, Function], query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> Tensor:
    """All heads of one text after the other, by `batched_product` and `softmax`: (B, H, T, D)."""
    H, D = query.shape[1], query.shape[-1]
    key, value = (part.repeat_interleave(H // part.shape[1], dim=1) for part in (key, value))
    product, softmax = given.get("batched_product", torch.matmul), given.get("softmax", _softmax)
    heads = []
    for q, k, v, seen in zip(query, key, value, visible, strict=True):
        shape = (H, *seen.shape)
        scores = call("batched_product", product, (q, k.transpose(1, 2)), shape, q.dtype) / math.sqrt(D)
        weights = call("softmax", softmax, (scores.masked_fill(~seen, -math.inf),), shape, q.dtype)
        heads.append(call("batched_product", product, (weights, v), tuple(q.shape), q.dtype))
    return torch.stack(heads)


def _softmax(scores: Tensor) -> Tensor:
    return scores.softmax(dim=-1)


def _joined(given: Mapping[str, Function], heads: Tensor) -> Tensor:
    """The heads side by side: (B, H, T, D) -> (B, T, H * D)."""
    if "join_heads" not in given:
        return heads.transpose(1, 2).flatten(2)
    H, T, D = heads.shape[1:]
    return torch.stack([call("join_heads", given["join_heads"], (text,), (T, H * D), heads.dtype) for text in heads])


def splitting(theirs: MultiHeadAttention, function: Function) -> Callable[[Tensor], Tensor]:
    """How a layer cuts its queries, keys and values into heads, by `split_heads(x, n_heads)` of one text at a time."""
    D = theirs.d_head

    def heads(x: Tensor) -> Tensor:
        H = x.shape[-1] // D
        shape = (H, x.shape[1], D)
        return torch.stack([call("split_heads", function, (text, H), shape, x.dtype) for text in x])

    return heads


def linear(layer: Linear, function: Function) -> Callable[[Tensor], Tensor]:
    """The forward pass of a linear layer by `linear(x, weight)` of one text at a time."""

    def forward(x: Tensor) -> Tensor:
        weight, bias = layer.weight, layer.bias
        texts = [call("linear", function, (text, weight), (len(text), len(weight)), x.dtype) for text in x]
        return torch.stack(texts) if bias is None else torch.stack(texts) + bias

    return forward
