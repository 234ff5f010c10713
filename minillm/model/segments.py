"""Padding and packing: several texts in one rectangle of tokens, none of which sees another.

Texts of unequal length share a batch by padding, and short texts share a row by packing. Both are described by one
number per token, its segment: 1, 2, 3, ... for the texts of a row from left to right, and 0 for padding.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor

from minillm.errors import UserError
from minillm.model.attention import causal_mask


def segment_mask(
    segments: Int[Tensor, "B S"], T: int, causal: bool = True, window: int | None = None
) -> Bool[Tensor, "B 1 T S"]:
    """True where one of the last T tokens may see another: in its own text and, if `causal`, not in the future.

    `window` is that of `causal_mask`; within a text, columns are as far apart as positions. Padding sees itself, since
    a softmax over nothing would be NaN.

    >>> segment_mask(torch.tensor([[0, 1, 1, 2]]), T=4).int().squeeze()
    tensor([[1, 0, 0, 0],
            [0, 1, 0, 0],
            [0, 1, 1, 0],
            [0, 0, 0, 1]], dtype=torch.int32)
    """
    queries, keys = segments[:, -T:, None], segments[:, None, :]
    visible = (queries == keys) & (queries != 0)
    if causal:
        visible = visible & causal_mask(T, segments.shape[1], segments.device, window)
    columns = torch.arange(segments.shape[1], device=segments.device)
    return (visible | (columns[-T:, None] == columns)).unsqueeze(1)


def segment_positions(segments: Int[Tensor, "B S"]) -> Int[Tensor, "B S"]:
    """How many tokens of its own text precede each token; 0 for padding.

    >>> segment_positions(torch.tensor([[0, 0, 1, 1, 1], [1, 1, 2, 2, 0]])).tolist()
    [[0, 0, 0, 1, 2], [0, 1, 0, 1, 0]]
    """
    columns = torch.arange(segments.shape[1], device=segments.device)
    first = (segments != _left_neighbour(segments)) * columns
    return (columns - first.cummax(1).values).where(segments != 0, 0)


def check_segments(segments: Int[Tensor, "B S"]) -> None:
    """Raise `UserError` where a text is in two pieces, or the numbers do not increase from left to right.

    >>> check_segments(torch.tensor([[1, 0, 1]]))
    Traceback (most recent call last):
    minillm.errors.UserError: row 0 has a piece of segment 1 after segment 1; number its texts 1, 2, ...
    """
    left, highest = _left_neighbour(segments), _left_neighbour(segments.cummax(1).values)
    wrong = (segments != 0) & (segments != left) & (segments <= highest)
    if wrong.any():
        row, column = wrong.nonzero()[0].tolist()
        raise UserError(
            f"row {row} has a piece of segment {segments[row, column]} after segment {highest[row, column]}; "
            "number its texts 1, 2, 3, ... from left to right"
        )


def _left_neighbour(values: Int[Tensor, "B S"]) -> Int[Tensor, "B S"]:
    return F.pad(values[:, :-1], (1, 0))  # left of the first column: 0
