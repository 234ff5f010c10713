"""00a.join_heads: what the heads found, side by side again."""

import random

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.learner.turn import Debrief, Turn


def join_heads(heads):
    """Each token's heads side by side: (H, T, D) -> (T, H * D)."""
    H, T, D = heads.shape
    return heads.transpose(0, 1).reshape(T, H * D)


turn = Turn(
    "00a.join_heads",
    "Heads side by side",
    join_heads,
    minutes=4,
    difficulty=2,
    hints=(
        "A row of the result belongs to one token. Which axis of `heads` counts tokens, and where must it stand?",
        "Swap two axes first, so that the D numbers of head 0, of head 1, ... of one token follow each other.",
        "After the swap, the last two axes are neighbors: join them with `reshape`.",
    ),
    errors={
        "view size is not compatible": "After a swap of axes, the numbers lie in memory in another order, and `view` "
        "never copies. `reshape` copies where it must.",
        "values to unpack": "`heads` has three axes, (H, T, D), and no batch.",
        "name '[BTCHD]' is not defined": "Take the sizes from the argument: `H, T, D = heads.shape`.",
        "expanded size": "A head takes D columns, the numbers of one token in it. H and T differ from D.",
        "is invalid for input of size": "The sizes differ from case to case: take them from `heads.shape`.",
        "0-d tensor": "`squeeze()` takes every axis of 1 away, and H, T or D may be 1.",
    },
    debrief=Debrief(
        "`heads.transpose(1, 2).flatten(2)`, with a batch in front, is what `minillm/model/attention.py` does. Fused "
        "kernels write each head into its own columns, so that nothing is ever copied.",
        "Why does `reshape` have to copy here, and not when one row is cut into heads?",
    ),
)


def _draw(rng: random.Random, *sizes: tuple[int, int, int]) -> list[Call]:
    return [(numbers(rng, *size),) for size in sizes]


def _of_views(rng: random.Random) -> list[Call]:
    """Heads as they come out of a cut: a view, whose tokens lie in memory one after the other."""
    return [(numbers(rng, T, H, D).transpose(0, 1),) for H, T, D in ((2, 3, 2), (3, 3, 3), (3, 2, 4))]


def _overlapping(heads: Tensor) -> Tensor:
    H, T, D = heads.shape
    out = torch.zeros(T, H * D)
    for h in range(H):
        out[:, h : h + D] = heads[h]
    return out


several = turn.probe("two and three heads", lambda rng: _draw(rng, (2, 3, 2), (3, 2, 2), (3, 3, 3), (2, 4, 3)))
several.mistake(
    "The numbers are read in the order of `heads`, so a row mixes tokens.",
    "`reshape` only joins neighbors. First the axis of the tokens must come to the front.",
    lambda heads: heads.reshape(heads.shape[1], -1),
)
several.mistake(
    "The columns come in turn: first one number of each head.",
    "All D numbers of head 0 come first, then those of head 1. Which axis must be the last one?",
    lambda heads: heads.permute(1, 2, 0).flatten(1),
)
several.mistake(
    "The last two axes are swapped, so a row mixes tokens.",
    "The axes to swap are those of the heads and of the tokens, 0 and 1.",
    lambda heads: heads.transpose(1, 2).reshape(heads.shape[1], -1),
)
several.mistake(
    "The numbers are read and written by columns, as in MATLAB, where the first axis goes fastest.",
    "In torch, the last axis does. The axes to swap are those of the heads and of the tokens, 0 and 1.",
    lambda heads: heads.permute(2, 1, 0).reshape(-1, heads.shape[1]).T,
)
several.mistake(
    "All three axes are turned around, (D, T, H), so a row mixes what it should keep apart.",
    "Swap two axes only: those of the heads and of the tokens.",
    lambda heads: heads.permute(2, 1, 0).reshape(heads.shape[1], -1),
)
several.mistake(
    "The heads are one below the other, (H * T, D).",
    "They belong side by side: a row for each token.",
    lambda heads: heads.flatten(0, 1),
)
several.mistake(
    "The axes are swapped, but there are still three of them, (T, H, D).",
    "Now join the last two.",
    lambda heads: heads.transpose(0, 1),
)
several.mistake(
    "The heads are stacked along a new last axis, (T, D, H).",
    "No axis may be added: a row of the result holds H * D numbers.",
    lambda heads: heads.permute(1, 2, 0),
)
several.mistake(
    "There is a row for each head, (H, T * D).",
    "There is a row for each token: the axis of the tokens must come first.",
    lambda heads: heads.flatten(1),
)
several.mistake(
    "Tokens and heads are joined: a row for each pair, (T * H, D).",
    "A row holds all heads of one token: after the swap, join the last two axes.",
    lambda heads: heads.transpose(0, 1).flatten(0, 1),
)
several.mistake(
    "The result is on its side, (H * D, T).",
    "There is a row for each token.",
    lambda heads: heads.transpose(1, 2).flatten(0, 1),
)
several.mistake(
    "The heads are added up.",
    "They belong side by side: H * D numbers for each token.",
    lambda heads: heads.sum(0),
)
several.mistake(
    "The heads are averaged.",
    "They belong side by side: H * D numbers for each token.",
    lambda heads: heads.mean(0),
)
several.mistake(
    "Only the first head is returned.",
    "Is `return` inside a loop? All heads belong side by side.",
    lambda heads: heads[0],
)
several.mistake(
    "Only the last head is returned.",
    "Does each round of a loop overwrite the one before?",
    lambda heads: heads[-1],
)
several.mistake(
    "Only the first two heads are joined.",
    "The number of heads differs from case to case: take all of them, not `heads[0]` and `heads[1]`.",
    lambda heads: heads[:2].transpose(0, 1).flatten(1),
)
several.mistake(
    "The last head is left out.",
    "`range(H)` takes all heads, and `range(1, H)` all but the first.",
    lambda heads: heads[:-1].transpose(0, 1).flatten(1),
)
several.mistake(
    "The heads come from the last to the first.",
    "Head 0 has the first D columns.",
    lambda heads: heads.flip(0).transpose(0, 1).flatten(1),
)
several.mistake(
    "The columns of the heads overlap: head h begins at column h.",
    "Each head takes D columns, so head h begins at column h * D.",
    _overlapping,
)
several.mistake(
    "Every row is that of the first token.",
    "Each token has a row of its own.",
    lambda heads: heads[:, 0].flatten().expand(heads.shape[1], -1),
)
turn.probe("heads that are views", _of_views)
turn.probe("one head, one token", lambda rng: _draw(rng, (1, 3, 2), (3, 1, 2), (1, 1, 1)))
