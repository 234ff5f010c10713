"""00a.batched_product: a matrix product per head, as attention needs it twice."""

import math
import random
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def batched_product(a, b):
    """The matrix product of a[h] and b[h] for every h: (H, T, D), (H, D, S) -> (H, T, S)."""
    products = a[:, :, :, None] * b[:, None, :, :]  # (H, T, D, S)
    return products.sum(dim=2)


turn = Turn(
    "00a.batched_product",
    "A product per head",
    batched_product,
    minutes=7,
    difficulty=3,
    hints=(
        "The result counts h, t and s, and it sums over d. So which four axes must the products have before the sum?",
        "a has no s, and b has no t. Give each the axis that it lacks, with size 1: `None` in an index does that.",
        "Both are (H, T, D, S) after broadcasting. Multiply, and sum over the axis of d.",
    ),
    ready_made=(
        "@",
        "torch.matmul",
        "torch.bmm",
        "torch.functional.einsum",
        "torch.Tensor.matmul",
        "torch.Tensor.bmm",
    ),
    errors={
        "size of tensor a|must match the size": "Write both shapes flush right, one below the other: where they "
        "differ, one must be 1 or missing.",
        "batch1|batch2|mat1 and mat2|must match except|Expected size|vec1|inconsistent tensor size": "In a product, "
        "the rows of `a[h]` and the columns of `b[h]` both have D numbers. `b` comes as (H, D, S).",
        "Dimension out of range|too many indices": "Both have three axes, (H, T, D) and (H, D, S). "
        "`None` in an index adds one.",
        "values to unpack": "`H, T, D = a.shape`, without a batch, and S is `b.shape[2]`.",
        "name '[BTCHDS]' is not defined": "Take the sizes from the arguments: `H, T, D = a.shape`.",
        "out of bounds": "H, T, D and S differ from case to case. Which axis of which argument counts them?",
    },
    debrief=Debrief(
        "It's `a @ b`, or `torch.bmm`. These never store the (H, T, D, S) products: they add up small tiles, in the "
        "processor's fastest memory.",
        "Your four-axis products hold H * T * D * S numbers. How many is that for 9 heads, 1,000 tokens and D = 64?",
    ),
    long_call=(torch.ones(50, 2, 100), torch.ones(50, 100, 2)),
    slow=(
        "The result is right, but a loop runs over every single number: the model would take minutes per word.",
        "Loop over the heads at most. Rows and columns can be multiplied and summed as a whole.",
    ),
)


def _draw(rng: random.Random, *sizes: tuple[int, int, int, int]) -> list[Call]:
    return [(numbers(rng, H, T, D), numbers(rng, H, D, S)) for H, T, D, S in sizes]


def _of_views(rng: random.Random) -> list[Call]:
    """Keys as attention hands them over: on their side, a view."""
    return [
        (numbers(rng, H, T, D), numbers(rng, H, S, D).transpose(1, 2)) for H, T, D, S in ((2, 2, 3, 4), (3, 1, 2, 5))
    ]


def _same(answer: Tensor, other: Tensor) -> bool:
    return difference(other, answer) is None


def _other_form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Four axes, or two."""
    if any(type(answer) is not Tensor for answer in got):
        return None
    pairs = [[torch.einsum(f"gtd,hds->{axes}", a, b) for axes in ("ghts", "gths")] for a, b in calls]
    if all(any(_same(answer, each) for each in both) for answer, both in zip(got, pairs, strict=True)):
        return "Every head of `a` meets every head of `b`.", "Head h of `a` meets head h of `b` alone."
    if all(_same(answer, a[..., None] * b[:, None]) for answer, (a, b) in zip(got, calls, strict=True)):
        return "There are four axes: nothing is summed.", "An entry of the result is a sum of D products."
    if all(answer.dim() == 4 for answer in got):
        return "There are four axes.", "The result has three: the sum leaves d out, without `keepdim`."
    if all(_same(answer, (a @ b).movedim(0, -1)) for answer, (a, b) in zip(got, calls, strict=True)):
        return "The axis of the heads comes last, (T, S, H).", "It comes first: (H, T, S). `movedim(-1, 0)` moves it."
    if all(answer.dim() == 2 for answer in got):
        return "The result has two axes.", "There is a table for each head, (H, T, S), and only d is summed."
    return None


square = turn.probe("all sizes equal", lambda rng: _draw(rng, (2, 2, 2, 2), (3, 3, 3, 3)), _other_form)
square.mistake(
    "Rows of `a` meet rows of `b`. With equal sizes, no error says so.",
    "Row t of `a[h]` meets *column* s of `b[h]`: `b` is (H, D, S), and the sum runs over its axis 1. "
    "`reshape` swaps no axes.",
    lambda a, b: a @ b.transpose(1, 2),
)
square.mistake(
    "Columns of `a` meet columns of `b`. With equal sizes, no error says so.",
    "*Row* t of `a[h]` meets column s of `b[h]`: the sum runs over the last axis of `a`.",
    lambda a, b: a.transpose(1, 2) @ b,
)
square.mistake(
    "The factors are swapped: this is b times a.",
    "Row t of `a[h]` meets column s of `b[h]`.",
    lambda a, b: b @ a,
)
square.mistake(
    "Each table of the result is on its side.",
    "Its rows belong to `a`, its columns to `b`: (H, T, S).",
    lambda a, b: (a @ b).transpose(1, 2),
)
square.mistake(
    "The numbers are multiplied entry by entry, and nothing is summed.",
    "An entry of the result is a sum of D products. Give both an axis that they lack.",
    lambda a, b: a * b,
)
square.mistake(
    "The numbers are multiplied entry by entry, then summed: row t of `a` meets row t of `b` alone.",
    "Each row of `a[h]` meets every column of `b[h]`. Give both an axis that they lack.",
    lambda a, b: (a * b).sum(-1),
)
square.mistake(
    "Row t of `a` meets column t of `b` alone.",
    "It meets every column: the result is (H, T, S). Give both an axis that they lack.",
    lambda a, b: (a * b.transpose(1, 2)).sum(-1),
)
square.mistake(
    "All three axes of `b` are turned around, so heads meet rows of other heads.",
    "`b` comes as (H, D, S), ready to be multiplied: leave its axes as they are.",
    lambda a, b: a @ b.permute(2, 1, 0),
)
square.mistake(
    "The axes of `b` come in another order, so heads meet rows of other heads.",
    "`.T` reverses all three axes. To swap two, name them: `transpose(1, 2)`.",
    lambda a, b: a @ b.permute(2, 0, 1),
)
square.mistake(
    "Row t of `a` meets column t of `b` alone: (H, T, 1).",
    "`a` needs an axis for s, `b` one for t. These are two different places for a new axis.",
    lambda a, b: (a * b.transpose(1, 2)).sum(-1, keepdim=True),
)
square.mistake(
    "Heads of `b` meet rows of `a`.",
    "`a` needs an axis for s, its last, and `b` one for t, its second: `None` in an index adds it, and `repeat` goes "
    "round through the heads.",
    lambda a, b: (a[..., None] * b).sum(2),
)
square.mistake(
    "Only the first product of each sum is there.",
    "Is `return` inside the loop over d? It ends the function in the first round.",
    lambda a, b: a[..., :1] @ b[:, :1],
)
square.mistake(
    "The sum runs over s.",
    "Write down the axes of the products, in order. Over which does a dot product sum?",
    lambda a, b: a * b.sum(-1)[:, None],
)
square.mistake(
    "The sum runs over t.",
    "Write down the axes of the products, in order. Over which does a dot product sum?",
    lambda a, b: a.sum(1)[..., None] * b,
)
square.mistake(
    "The sum runs over the heads.",
    "Each head keeps a table of its own. Sum over d.",
    lambda a, b: torch.einsum("htd,hds->tds", a, b),
)
square.mistake(
    "The products of all heads are added up.",
    "Each head keeps a table of its own: (H, T, S).",
    lambda a, b: (a @ b).sum(0),
)
square.mistake(
    "The mean is taken in place of the sum.",
    "A dot product adds up, without a division.",
    lambda a, b: a @ b / a.shape[-1],
)
square.mistake(
    "The result is divided by the root of D.",
    "That belongs to attention, not to the product: return the sums as they are.",
    lambda a, b: a @ b / math.sqrt(a.shape[-1]),
)
square.mistake(
    "Only the first head is computed.",
    "Is `return` inside a loop? There is a table for each head: (H, T, S).",
    lambda a, b: a[0] @ b[0],
)
square.mistake(
    "Only the first head is computed: (1, T, S).",
    "Is `return` inside a loop? There is a table for each head.",
    lambda a, b: a[:1] @ b[:1],
)
square.mistake(
    "Every head of `a` meets the first head of `b`.",
    "Head h of `a` meets head h of `b`.",
    lambda a, b: a @ b[0],
)
square.mistake(
    "The largest product is taken in place of the sum.",
    "A dot product adds up.",
    lambda a, b: (a[..., None] * b[:, None]).amax(2),
)
square.mistake(
    "Numbers are added, then summed.",
    "A dot product multiplies, then adds up.",
    lambda a, b: (a[..., None] + b[:, None]).sum(2),
)
square.mistake(
    "Only the last head is computed.",
    "Does each round of a loop overwrite the one before? `torch.stack` puts tables on top of each other.",
    lambda a, b: a[-1] @ b[-1],
)
square.mistake(
    "Every head of `a` meets every head of `b`.",
    "Head h of `a` meets head h of `b` alone: in a formula, h is one letter.",
    lambda a, b: a @ b.sum(0),
)
square.mistake(
    "The tables of the heads are one below the other.",
    "`torch.stack` gives them an axis of their own, (H, T, S).",
    lambda a, b: (a @ b).flatten(0, 1),
)
square.mistake(
    "Only the last product of each sum is kept.",
    "In the innermost loop, add: `+=` in place of `=`.",
    lambda a, b: a[:, :, -1:] * b[:, -1:],
)
square.mistake(
    "The first product of each sum is left out.",
    "Python counts from 0: `range(D)`.",
    lambda a, b: a[:, :, 1:] @ b[:, 1:],
)
square.mistake(
    "The last product of each sum is left out.",
    "`range(D - 1)` ends before it, and so does `[:-1]`: `range(D)`.",
    lambda a, b: a[:, :, :-1] @ b[:, :-1],
)
square.mistake(
    "The axis of the heads stands in the middle, (T, H, S).",
    "It comes first, (H, T, S): `torch.stack(tables)` puts it there.",
    lambda a, b: (a @ b).transpose(0, 1),
)
square.mistake(
    "Every table is that of the last head.",
    "Is one table filled again and again? Or a function made in a loop, which looks its variable up later?",
    lambda a, b: (a[-1] @ b[-1]).expand(len(a), -1, -1),
)
square.mistake(
    "Rows and columns are summed first, and the sums multiplied.",
    "Multiply the pairs first, then add the D products up.",
    lambda a, b: a.sum(-1, keepdim=True) * b.sum(1, keepdim=True),
)
square.mistake(
    "These are cosines: rows and columns are divided by their norms.",
    "Return the sums of products as they are.",
    lambda a, b: (a / a.norm(dim=-1, keepdim=True)) @ (b / b.norm(dim=1, keepdim=True)),
)
square.mistake(
    "What is above the diagonal is 0.",
    "No mask is asked for here: every row meets every column.",
    lambda a, b: (a @ b).tril(),
)
square.mistake(
    "Differences are squared and summed.",
    "A dot product multiplies the numbers of a pair, then adds up.",
    lambda a, b: (a[..., None] - b[:, None]).square().sum(2),
)
square.mistake(
    "The total runs on from column to column.",
    "It begins at 0 for every entry: set it there, inside the loop over columns.",
    lambda a, b: (a @ b).cumsum(-1),
)
square.mistake(
    "The total runs on over all entries of a head.",
    "It begins at 0 for every entry: set it there, inside the loop over columns.",
    lambda a, b: (a @ b).flatten(1).cumsum(1).view(len(a), a.shape[1], -1),
)
square.mistake(
    "The total runs on from head to head.",
    "It begins at 0 in every head: make a new one there, inside the loop.",
    lambda a, b: (a @ b).cumsum(0),
)
square.mistake(
    "There is a softmax too.",
    "That's the next turn: return the sums as they are.",
    lambda a, b: (a @ b).softmax(-1),
)
different = turn.probe("sizes that all differ", lambda rng: _draw(rng, (2, 3, 4, 5), (3, 2, 5, 4)), _other_form)
different.mistake(
    "The result has T columns, whatever S is.",
    "It's (H, T, S): S is `b.shape[2]`.",
    lambda a, b: (a @ b)[..., : a.shape[1]],
)
different.mistake(
    "The sums have T terms, whatever D is.",
    "A row has D numbers: `a.shape[2]`. `len(a[h])` counts the rows.",
    lambda a, b: a[..., : a.shape[1]] @ b[:, : a.shape[1]],
)
different.mistake(
    "Only T columns are filled, whatever S is; the others are 0.",
    "It's (H, T, S): S is `b.shape[2]`.",
    lambda a, b: (a @ b) * (torch.arange(b.shape[2]) < a.shape[1]),
)
turn.probe("keys on their side, and a single token", _of_views, _other_form)
turn.probe("one head, one number", lambda rng: _draw(rng, (1, 2, 3, 4), (3, 2, 1, 2), (1, 1, 1, 1)), _other_form)
