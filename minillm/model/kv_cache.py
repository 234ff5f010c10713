"""The keys and values of earlier tokens, kept so that each new token costs one column of attention and not all."""

import copy
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.errors import UserError


@runtime_checkable
class Cache(Protocol):
    """What a forward pass asks of a cache: `KVCache` for generation, `PrefixCache` where gradients must flow.

    Attention calls `append` in each layer; the pass ends with one `advance`.
    """

    length: int  # positions filled, the same in every layer and row
    segments: Tensor | None  # Int "B S", the text of its row that each position belongs to; None: each row is one text

    def append(
        self, layer: int, key: Float[Tensor, "B K T D"], value: Float[Tensor, "B K T D"]
    ) -> tuple[Float[Tensor, "B K S D"], Float[Tensor, "B K S D"]]:
        """Store T new positions of one layer and return all S = length + T of them."""
        ...

    def advance(self, n_new: int, segments: Int[Tensor, "B S"] | None = None) -> None:
        """Count `n_new` positions as filled, after every layer has appended them; `segments` are those of all."""
        ...


class KVCache:
    """Memory for `max_seq_len` keys and values of every layer, allocated once.

    A forward pass appends its T positions in every layer, then moves `length` on by T. Raises `UserError` when a pass
    would not fit.

    >>> cache = KVCache(n_layers=1, batch=1, n_kv_heads=1, max_seq_len=4, d_head=2)
    >>> new = torch.ones(1, 1, 3, 2)
    >>> keys, values = cache.append(0, new, new)
    >>> cache.advance(3)
    >>> keys.shape, cache.length
    (torch.Size([1, 1, 3, 2]), 3)
    """

    def __init__(
        self,
        n_layers: int,
        batch: int,
        n_kv_heads: int,
        max_seq_len: int,
        d_head: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ):
        shape = (n_layers, batch, n_kv_heads, max_seq_len, d_head)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.length = 0
        self.segments: Tensor | None = None

    @property
    def max_seq_len(self) -> int:
        """The capacity: how many positions fit, filled or not."""
        return self.keys.shape[3]

    def check_capacity(self, n_new: int) -> None:
        """Raise `UserError` if `n_new` more positions do not fit."""
        if self.length + n_new > self.max_seq_len:
            raise UserError(
                f"the KV cache holds {self.length} of at most {self.max_seq_len} positions; {n_new} more do not fit. "
                "Start a new cache, shorten the prompt, or make the cache longer"
            )

    def append(
        self, layer: int, key: Float[Tensor, "B K T D"], value: Float[Tensor, "B K T D"]
    ) -> tuple[Float[Tensor, "B K S D"], Float[Tensor, "B K S D"]]:
        """Store T new positions of one layer and return all S = length + T of them (views, not copies)."""
        new = key.shape[2]
        self.check_capacity(new)
        end = self.length + new
        self.keys[layer, :, :, self.length : end] = key
        self.values[layer, :, :, self.length : end] = value
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def advance(self, n_new: int, segments: Int[Tensor, "B S"] | None = None) -> None:
        """Count `n_new` positions as filled, after every layer has appended them; `segments` are those of all."""
        self.length += n_new
        self.segments = segments

    def truncate(self, length: int) -> None:
        """Forget everything after the first `length` positions."""
        if not 0 <= length <= self.length:
            raise UserError(f"cannot cut a cache of {self.length} positions to {length}")
        self.length = length
        if self.segments is not None:
            self.segments = self.segments[:, :length] if length else None

    @torch.no_grad()
    def rows(self, picked: Int[Tensor, "_B"]) -> "KVCache":
        """A copy of the picked rows, in any order and as often as they are picked."""
        cache = copy.copy(self)
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_empty(len(old), len(picked), *old.shape[2:])
            filled = slice(self.length)
            torch.index_select(old[:, :, :, filled], 1, picked, out=new[:, :, :, filled])
            setattr(cache, name, new)
        cache.segments = None if self.segments is None else self.segments[picked]
        return cache

    @torch.no_grad()
    def keep(self, picked: Int[Tensor, "_B"]) -> Int[Tensor, "_B"]:
        """Forget all rows but the picked ones; returns which row each of the cache's rows is now.

        The last of them move to the places of forgotten ones, and the others stay where they are.

        >>> cache = KVCache(n_layers=1, batch=5, n_kv_heads=1, max_seq_len=4, d_head=2)
        >>> cache.keep(torch.tensor([0, 2, 4]))
        tensor([0, 4, 2])
        """
        n = len(picked)
        order = torch.arange(n, device=picked.device)
        free = order[~torch.isin(order, picked)]
        order[free] = picked[picked >= n]
        for name in ("keys", "values"):
            part = getattr(self, name)
            part[:, free, :, : self.length] = part[:, order[free], :, : self.length]
            setattr(self, name, part[:, :n])
        self.segments = None if self.segments is None else self.segments[order]
        return order

    def row(self, index: int, length: int | None = None) -> "KVCache":
        """One row without the padding in front of it, or the first `length` tokens of that: a view, full as it is.

        Raises `UserError` where there are fewer.
        """
        start = 0 if self.segments is None else int((self.segments[index] != 0).int().argmax())
        end = self.length if length is None else start + length
        if end > self.length:
            raise UserError(f"row {index} of the cache holds {self.length - start} tokens, not {length}")
        cache = copy.copy(self)
        cache.keys, cache.values = (part[:, index : index + 1, :, start:end] for part in (self.keys, self.values))
        cache.length, cache.segments = end - start, None
        return cache

    @classmethod
    def aligned(cls, rows: Sequence["KVCache"], n_new: int) -> "KVCache":
        """Copies of caches of one row each, one below the other: they end at one column, and `n_new` positions follow.

        Rotary positions are already inside the keys, so a row can move as long as its tokens stay together.

        >>> cache = KVCache(n_layers=1, batch=1, n_kv_heads=1, max_seq_len=4, d_head=2)
        >>> cache.advance(3)
        >>> both = KVCache.aligned([cache, cache.row(0, length=1)], n_new=2)
        >>> both.segments.tolist(), both.max_seq_len
        ([[1, 1, 1], [0, 0, 1]], 5)
        """
        (n_layers, _, n_kv_heads, _, d_head), keys = rows[0].keys.shape, rows[0].keys
        width = max(row.length for row in rows)
        cache = cls(n_layers, len(rows), n_kv_heads, width + n_new, d_head, keys.dtype, keys.device)
        segments = torch.zeros(len(rows), width, dtype=torch.long, device=keys.device)
        for number, row in enumerate(rows):
            columns = slice(width - row.length, width)
            cache.keys[:, number, :, columns] = row.keys[:, 0, :, : row.length]
            cache.values[:, number, :, columns] = row.values[:, 0, :, : row.length]
            segments[number, columns] = 1
        cache.advance(width, None if all(row.length == width for row in rows) else segments)
        return cache
