"""Attention in several heads, computed with one thing done differently: the mistakes of the turn `04.heads`."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def columns(x: Tensor, H: int) -> Tensor:
    """Cut the columns into heads: (T, C) -> (H, T, D)."""
    return x.unflatten(-1, (H, -1)).transpose(0, 1)


def side_by_side(heads: Tensor) -> Tensor:
    """Join heads by their columns: (H, T, D) -> (T, C)."""
    return heads.transpose(0, 1).flatten(1)


def cut_tokens(x: Tensor, H: int) -> Tensor:
    """Give each head some of the tokens."""
    return x.reshape(H, len(x), -1)


def join_tokens(heads: Tensor) -> Tensor:
    """Join heads by their tokens."""
    return heads.reshape(heads.shape[1], -1)


def cut_cards(x: Tensor, H: int) -> Tensor:
    """Deal out the columns in turn."""
    return x.unflatten(-1, (-1, H)).permute(2, 0, 1)


def multi_head(
    sizes: tuple[int, int],
    weights: dict[str, Tensor],
    x: Tensor,
    visible: Tensor,
    *,
    cut: Callable[[Tensor, int], Tensor] = columns,
    join: Callable[[Tensor], Tensor] = side_by_side,
    scale: float | None = None,
    names: tuple[str | None, ...] = ("query", "key", "value", "output"),  # of the projections; None for the input
) -> Tensor:
    """Attention in several heads with one thing done differently."""
    parts = [x if name is None else x @ weights[f"{name}.weight"].T for name in names[:3]]
    query, key, value = (cut(part, sizes[1]) for part in parts)
    heads = join(F.scaled_dot_product_attention(query, key, value, visible, scale=scale))
    return heads if names[3] is None else heads @ weights[f"{names[3]}.weight"].T


def one_projection_per_slice(sizes: tuple[int, int], weights: dict[str, Tensor], x: Tensor, visible: Tensor) -> Tensor:
    """Head h reads only its own columns of the input."""
    head = torch.arange(sizes[0]) // (sizes[0] // sizes[1])
    own = {
        name: matrix if name == "output.weight" else matrix * (head[:, None] == head)
        for name, matrix in weights.items()
    }
    return multi_head(sizes, own, x, visible)


def first_head_only(sizes: tuple[int, int], weights: dict[str, Tensor], x: Tensor, visible: Tensor) -> Tensor:
    """Every head computes what head 0 computes."""

    def cut(part: Tensor, H: int) -> Tensor:
        return columns(part, H)[:1].expand(H, -1, -1)

    return multi_head(sizes, weights, x, visible, cut=cut)


def inverted(sizes: tuple[int, int], weights: dict[str, Tensor], x: Tensor, visible: Tensor) -> Tensor:
    """Each query reads only what is hidden from it, and one from which nothing is hidden divides 0 by 0."""
    heads = multi_head(sizes, weights, x, ~visible)
    return heads.masked_fill(visible.all(-1, keepdim=True), math.nan)


def first_two(sizes: tuple[int, int], weights: dict[str, Tensor], x: Tensor, visible: Tensor) -> Tensor:
    """Two heads, the first of which has two columns, however many there are."""
    parts = [(x @ weights[f"{name}.weight"].T).split([2, sizes[0] - 2], -1) for name in ("query", "key", "value")]
    heads = [F.scaled_dot_product_attention(q, k, v, visible) for q, k, v in zip(*parts, strict=True)]
    return torch.cat(heads, -1) @ weights["output.weight"].T
