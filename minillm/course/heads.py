"""All heads of a layer from the parts of lessons 03 and 04, yours where they passed: what lesson 06 gives to a block.

`heads(x, weights, layer, settings)` is a function of plain tensors. `weights` are those of a model by name, as
`model.state_dict()` has them, and layers count from 0. `settings` holds what the weights don't say:

    "layers"  how many blocks there are
    "d_head"  D, the width of one head
    "base"    of the rotation (lesson 03)
    "cache"   only while a text is being written: a dictionary, empty at its beginning
    "parts"   what `parts()` returned, so that it is asked once per text and not in every layer; may be left out
    "remember"  what keeps the cache, where it is not that of `parts`

With a cache, x holds the new tokens only. `heads` gives their keys and values, rotated already, to
`remember(cache, layer, key, value)`, each (K, T, D). That appends them to what `cache[layer]` holds, a pair (keys,
values) of shape (K, S, D), and returns all keys and values. The number of keys in `cache[layer]` is also the position
of the first new token. `block` and `transformer` pass `settings` on and know nothing of a cache.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.model.transformer import Transformer

Settings = dict[str, Any]
Weights = dict[str, Tensor]


def heads(x: Tensor, weights: Weights, layer: int, settings: Settings) -> Tensor:
    """What each token reads in all heads of a layer, with rotation and shared keys: (T, C) -> (T, C).

    >>> weights = {f"blocks.0.attention.{name}.weight": torch.eye(4) for name in ("query", "key", "value", "output")}
    >>> heads(torch.ones(3, 4), weights, 0, {"layers": 1, "d_head": 2, "base": 100.0}).shape
    torch.Size([3, 4])
    """
    rotate, causal_mask, attention, remember = (settings.get("parts") or parts()).values()
    name, cache = f"blocks.{layer}.attention", settings.get("cache")
    query, key, value = (
        (x @ weights[f"{name}.{part}.weight"].T).unflatten(1, (-1, settings["d_head"])).transpose(0, 1)
        for part in ("query", "key", "value")
    )  # (H, T, D), 2 x (K, T, D)
    positions = _n_past(cache, layer) + torch.arange(len(x))
    query, key = (_all_heads(rotate, part, positions, settings["base"]) for part in (query, key))
    if cache is not None:
        remember = settings.get("remember", remember)
        key, value = remember(cache, layer, key, value)  # 2 x (K, S, D)
    visible = causal_mask(key.shape[1])[-len(x) :]  # (T, S)
    shared = len(query) // len(key)  # neighbors read the same key head
    read = [attention(query[h], key[h // shared], value[h // shared], visible) for h in range(len(query))]
    return torch.cat(read, dim=-1) @ weights[f"{name}.output.weight"].T


def _all_heads(rotate: Callable[..., Tensor], x: Tensor, positions: Tensor, base: float) -> Tensor:
    """Every head's rows in one call, since `rotate` treats each row by itself: (H, T, D)."""
    return rotate(x.flatten(0, 1), positions.repeat(len(x)), base).view_as(x)


def _n_past(cache: dict[int, Any] | None, layer: int) -> int:
    return cache[layer][0].shape[1] if cache and layer in cache else 0


def parts() -> dict[str, Callable[..., Any]]:
    """What `heads` calls, by name: yours where it passed, else the course's.

    >>> list(parts())
    ['rotate', 'causal_mask', 'attention', 'remember']
    """
    from minillm.course.versions import turn_of, version  # which loads the turns, and they call `heads`

    turns = [turn_of(name) for name in ("rotate", "causal_mask", "attention", "remember")]
    return {turn.name: version(turn) for turn in turns if turn is not None}


def settings_of(model: Transformer) -> Settings:
    """The settings of a model, without a cache.

    >>> from minillm import ModelConfig
    >>> settings_of(Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=3, n_heads=2, max_seq_len=16)))
    {'layers': 3, 'd_head': 4, 'base': 10000.0}
    """
    c = model.config
    return {"layers": c.n_layers, "d_head": c.d_head, "base": float(c.rope_theta)}
