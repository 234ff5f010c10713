"""How the parts of a model are called: text by text and head by head, as the parts of a lesson are written.

A part sees one text, so `norm` and `feed_forward` get (T, C), and `attention` one head of it, (T, D). `rotation` treats
each row by itself, so it gets those of all heads and texts in one call, with their positions.
What a part returns is checked at once, since the error that it causes later, inside torch, would name something else.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from minillm.errors import UserError

Function = Callable[..., Any]
_NOTHING = object()


def call(
    part: str, function: Function, arguments: tuple[Any, ...], shape: tuple[int, ...], dtype: torch.dtype
) -> Tensor:
    """The result of a part, which must be a tensor of this shape and dtype.

    >>> call("norm", lambda x: x.sum(), (torch.ones(2, 3),), (2, 3), torch.float32)
    Traceback (most recent call last):
    minillm.errors.UserError: `norm` returned a tensor of shape () (float32); it must return one of (2, 3) (float32)
    """
    result = function(*arguments)
    if not isinstance(result, Tensor) or result.shape != shape or result.dtype != dtype:
        raise UserError(f"`{part}` returned {_described(result)}; it must return one of {_kind(shape, dtype)}")
    return result


def _described(result: Any) -> str:
    if not isinstance(result, Tensor):
        return "nothing (None)" if result is None else f"something of type {type(result).__name__} and no tensor"
    return f"a tensor of shape {_kind(tuple(result.shape), result.dtype)}"


def _kind(shape: tuple[int, ...], dtype: torch.dtype) -> str:
    return f"{shape} ({str(dtype).removeprefix('torch.')})"


def by_text(part: str, function: Function, x: Tensor, *more: Any) -> Tensor:
    """A part that keeps the shape of its input, (B, T, C), called with the (T, C) of one text after the other."""
    return torch.stack([call(part, function, (text, *more), tuple(text.shape), x.dtype) for text in x])


def by_head(function: Function, query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> Tensor:
    """`attention(query, key, value, visible)` of one head of one text after the other: (B, H, T, D).

    `visible` is (B, T, S). Head h reads key/value head h // (H / K).
    """
    (B, H, T, D), K = query.shape, key.shape[1]
    heads = [
        call(
            "attention",
            function,
            (query[b, h], key[b, h // (H // K)], value[b, h // (H // K)], visible[b]),
            (T, D),
            value.dtype,
        )
        for b in range(B)
        for h in range(H)
    ]
    return torch.stack(heads).unflatten(0, (B, H))


def rotated(function: Function, x: Tensor, positions: Tensor, base: float) -> Tensor:
    """`rotation(x, positions, base)` of all heads of all texts in one call, a row per token and head: (B, H, T, D).

    `positions` is (T,), or (B, T) where the texts differ.
    """
    B, H, T, _D = x.shape
    rows, where = x.flatten(0, 2), positions.expand(B, T)[:, None].expand(B, H, T).flatten()
    return call("rotation", function, (rows, where, base), tuple(rows.shape), x.dtype).view_as(x)


class MaskRows:
    """The last T rows of a function's mask of S positions; a mask is made for twice as many as were asked for."""

    def __init__(self, function: Function):
        self.function = function
        self.table = torch.empty(0, 0, dtype=torch.bool)

    def __call__(self, T: int, S: int, device: torch.device) -> Tensor:
        """True where a query may see a key: (T, S)."""
        if len(self.table) < S:
            self.table = call("causal_mask", self.function, (2 * S,), (2 * S, 2 * S), torch.bool)
        return self.table[S - T : S, :S].to(device)


def set_until(undo: ExitStack, thing: nn.Module, name: str, value: Any) -> None:
    """Set an attribute of this one module, until it is undone; what its class defines stays below it."""
    before = vars(thing).get(name, _NOTHING)

    def restore() -> None:
        vars(thing).pop(name, None)
        if before is not _NOTHING:
            vars(thing)[name] = before

    undo.callback(restore)
    vars(thing)[name] = value
