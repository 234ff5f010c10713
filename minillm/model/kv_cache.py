"""What generation remembers: the keys and values of the past, so that each new token costs one column, not all."""

import copy
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.errors import UserError


class KVCache:
    """Room for `max_seq_len` keys and values of every layer, allocated once.

    A forward pass with a cache appends its T positions in every layer and then moves `length` on by T. `segments` says
    which text of its row each position belongs to (see `model/segments.py`), once there was a row of more than one.
    Raises `ValueError` when a pass would not fit.

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
        self.length = 0  # positions filled, the same in every layer and row
        self.segments: Tensor | None = None  # Int "B S"; None: each row is one text

    @property
    def max_seq_len(self) -> int:
        """Positions that there is room for, filled or not."""
        return self.keys.shape[3]

    def check_room(self, new: int) -> None:
        """Raise `ValueError` if `new` more positions do not fit."""
        if self.length + new > self.max_seq_len:
            raise UserError(
                f"the KV cache holds {self.length} positions and has room for {self.max_seq_len}; {new} more do not "
                "fit. Start a new cache, shorten the prompt, or make the cache longer"
            )

    def append(
        self, layer: int, key: Float[Tensor, "B K T D"], value: Float[Tensor, "B K T D"]
    ) -> tuple[Float[Tensor, "B K S D"], Float[Tensor, "B K S D"]]:
        """Store T new positions of one layer and return all S = length + T of them (views, not copies)."""
        new = key.shape[2]
        self.check_room(new)
        end = self.length + new
        self.keys[layer, :, :, self.length : end] = key
        self.values[layer, :, :, self.length : end] = value
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def all_segments(self, new: Int[Tensor, "B T"] | None, T: int) -> Int[Tensor, "B S"] | None:
        """The segments of the past and of T new positions; if `new` is None these go on with the last text of a row.

        None where all of it is one text. What was stored without segments counts as segment 1.
        """
        if self.segments is None:
            return None if new is None else torch.cat((new.new_ones(len(new), self.length), new), dim=1)
        new = self.segments[:, -1:].expand(-1, T) if new is None else new
        return torch.cat((self.segments, new), dim=1)

    def advance(self, new: int, segments: Int[Tensor, "B S"] | None = None) -> None:
        """Count `new` positions as filled, after every layer has appended them; `segments` are those of all."""
        self.length += new
        self.segments = segments

    def rows(self, picked: Int[Tensor, "_B"]) -> "KVCache":
        """A cache of its own that remembers some rows, in any order and as often as they are picked."""
        cache = copy.copy(self)
        cache.keys, cache.values = self.keys[:, picked], self.values[:, picked]
        cache.segments = None if self.segments is None else self.segments[picked]
        return cache

    def row(self, index: int, length: int | None = None) -> "KVCache":
        """One row without the padding in front of it, or the first `length` tokens of that: a view, full as it is.

        Raises `ValueError` where there are fewer.
        """
        start = 0 if self.segments is None else int((self.segments[index] != 0).int().argmax())
        end = self.length if length is None else start + length
        if end > self.length:
            raise UserError(f"row {index} of the cache holds {self.length - start} tokens, not {length}")
        cache = copy.copy(self)
        cache.keys, cache.values = (past[:, index : index + 1, :, start:end] for past in (self.keys, self.values))
        cache.length, cache.segments = end - start, None
        return cache

    @classmethod
    def aligned(cls, rows: Sequence["KVCache"], room: int) -> "KVCache":
        """Copies of caches of one row each, one below the other: they end at one column, with `room` behind it.

        Positions are inside the keys, so a row can move as long as its tokens stay together.

        >>> cache = KVCache(n_layers=1, batch=1, n_kv_heads=1, max_seq_len=4, d_head=2)
        >>> cache.advance(3)
        >>> both = KVCache.aligned([cache, cache.row(0, length=1)], room=2)
        >>> both.segments.tolist(), both.max_seq_len
        ([[1, 1, 1], [0, 0, 1]], 5)
        """
        (n_layers, _, n_kv_heads, _, d_head), keys = rows[0].keys.shape, rows[0].keys
        width = max(row.length for row in rows)
        cache = cls(n_layers, len(rows), n_kv_heads, width + room, d_head, keys.dtype, keys.device)
        segments = torch.zeros(len(rows), width, dtype=torch.long, device=keys.device)
        for number, row in enumerate(rows):
            place = slice(width - row.length, width)
            cache.keys[:, number, :, place] = row.keys[:, 0, :, : row.length]
            cache.values[:, number, :, place] = row.values[:, 0, :, : row.length]
            segments[number, place] = 1
        cache.advance(width, None if all(row.length == width for row in rows) else segments)
        return cache

    def truncate(self, length: int) -> None:
        """Forget everything after the first `length` positions."""
        if not 0 <= length <= self.length:
            raise UserError(f"cannot cut a cache of {self.length} positions to {length}")
        self.length = length
        if self.segments is not None:
            self.segments = self.segments[:, :length] if length else None


class SharedPast(KVCache):
    """A past that several continuations share, and that gradients flow through: read once, learnt from by all.

    It grows by joining tensors instead of writing into one, which autograd would refuse, and has no limit of its own.
    So of a cache's methods it has those that a pass needs, `truncate` and `rows`; the others speak of room that is not
    there.

    >>> past = SharedPast()
    >>> keys, _ = past.append(0, torch.ones(2, 1, 3, 2), torch.ones(2, 1, 3, 2))       # two prompts of 3 tokens
    >>> past.advance(3)
    >>> three = past.rows(torch.tensor([0, 0, 1]))                                     # three answers, two to the first
    >>> keys, _ = three.append(0, torch.zeros(3, 1, 1, 2), torch.zeros(3, 1, 1, 2))
    >>> keys.shape
    torch.Size([3, 1, 4, 2])
    """

    def __init__(self) -> None:
        self.layers: dict[int, tuple[Tensor, Tensor]] = {}
        self.length, self.segments = 0, None

    def append(
        self, layer: int, key: Float[Tensor, "B K T D"], value: Float[Tensor, "B K T D"]
    ) -> tuple[Float[Tensor, "B K S D"], Float[Tensor, "B K S D"]]:
        """As in any cache."""
        if layer in self.layers:
            key, value = (torch.cat(both, dim=2) for both in zip(self.layers[layer], (key, value), strict=True))
        self.layers[layer] = key, value
        return key, value

    def truncate(self, length: int) -> None:
        """As in any cache."""
        super().truncate(length)
        self.layers = {layer: (key[:, :, :length], value[:, :, :length]) for layer, (key, value) in self.layers.items()}

    def rows(self, picked: Int[Tensor, "_B"]) -> "SharedPast":
        """As in any cache. Gradients of rows picked twice add up in one order: by indexing, threads would race."""
        past = copy.copy(self)
        past.layers = {
            layer: (key.index_select(0, picked), value.index_select(0, picked))
            for layer, (key, value) in self.layers.items()
        }
        past.segments = None if self.segments is None else self.segments[picked]
        return past
