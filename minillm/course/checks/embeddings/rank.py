"""02.1: which neighbour a row is, by the cosine, with the mean row taken away (Mu and Viswanath 2018, first step)."""

import random
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from minillm.analysis.geometry import nearest
from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.facts import fact
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.question import Question


def rank(table: Float[Tensor, "V C"], one: int, other: int) -> int:
    """The right answer, by the package: the place of `other` in the list of all neighbours of `one`.

    >>> rank(torch.tensor([[2.0, 1.0], [6.0, 1.0], [3.0, 1.0], [1.0, 5.0]]), 0, 1)
    3
    """
    centred = table - table.mean(0)
    neighbours = nearest(centred, centred[one], len(table) - 1, exclude=[one])
    return [row for row, _ in neighbours].index(other) + 1


def _cosine(rows: Tensor, vector: Tensor) -> Tensor:
    return F.cosine_similarity(rows, vector, dim=1)


def _rank(table, one, other, *, likeness=_cosine, centre=lambda table: table - table.mean(0), first=1) -> int:
    """The rank by counting who is nearer, with one thing done differently."""
    rows = centre(table)
    scores = likeness(rows, rows[one])
    nearer = scores > scores[other]
    nearer[one] = False
    return int(nearer.sum()) + first


def _tables(rng: random.Random, leaning: bool) -> list[Call]:
    """Tables with short and long rows, whose mean is zero or, leaning, far from it."""

    def table(V: int, C: int, forwards: bool, scale: float = 1.0) -> Call:
        while True:
            rows = numbers(rng, V, C)
            rows[::3] *= 3
            rows[-1] = -rows[:-1].sum(0)
            rows += 4 * numbers(rng, C) if leaning else 0
            rows = rows.round(decimals=1) + 0.0  # sums leave dust behind the decimal, and minus zeros
            one, other = sorted(rng.sample(range(V), 2), reverse=not forwards)
            centred = rows - rows.mean(0)
            cosines = _cosine(centred, centred[one]).sort().values
            wide = rows.amax(1) - rows.amin(1)
            # No ties, no row of zeros, and none that becomes one where its own mean is taken from it.
            if cosines.diff().min() > 0.01 and cosines[-1] > 0.999 and wide.min() > 0.05:
                return scale * rows, one, other

    sizes = (4, 3), (4, 3), (5, 3), (5, 3), (6, 3), (8, 3), *[(10, 4)] * 8
    calls = [table(*size, forwards=index % 2 == 0) for index, size in enumerate(sizes)]
    return [*calls, table(2, 3, True), table(6, 3, True, 0.01), table(6, 3, False, 1000.0)]


KINDS = (
    *["`one` in front of `other`", "`other` in front of `one`"] * 7,
    "two rows",
    "small numbers",
    "large numbers",
)


def _off(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """What kind of a number the rank is."""
    whole = [type(gave) is int or (as_tensor(gave) is not None and float(gave) % 1 == 0) for gave in got]
    if not all(whole):
        return "A rank is a whole number, how many rows are nearer, and one more.", "Count rows, and return `int(...)`."
    ranks = [int(gave) for gave in got]
    if len(set(ranks)) == 1:
        return f"The rank is {ranks[0]} for every table.", "Count the rows whose cosine with `one` is larger."
    if any(rank < 1 or rank > len(table) - 1 for rank, (table, *_) in zip(ranks, calls, strict=True)):
        return "A rank is below 1, or above V - 1.", "Leave out `one` itself, and count from 1."
    if told := fact(["table", "one", "other"], calls, right, got):
        return told, "Work out the example of the text on paper."
    return None


question = Question("02.1", "Which neighbour is it?", rank)

centered = question.probe("a table whose mean is zero", lambda rng: _tables(rng, leaning=False), _off, kinds=KINDS)
centered.mistake(
    "The dot product decides, so long rows come first.",
    "Divide by the lengths of both rows. The cosine asks for the direction alone.",
    partial(_rank, likeness=lambda rows, vector: rows @ vector),
)
centered.mistake(
    "The distance decides, so short rows come first.",
    "Two rows may be far apart and point the same way. Take the cosine.",
    partial(_rank, likeness=lambda rows, vector: -(rows - vector).norm(dim=1)),
)
centered.mistake(
    "The row is counted as its own nearest neighbour.",
    "A row has the cosine 1 with itself, so it always leads. Leave it out before you count.",
    partial(_rank, first=2),
)
centered.mistake(
    "The nearest neighbour has the number 0.",
    "Count from 1: the rank is how many are nearer, and one more.",
    partial(_rank, first=0),
)
centered.mistake(
    "The list begins with the furthest.",
    "The largest cosine comes first: sort downwards, or count the cosines that are larger.",
    partial(_rank, likeness=lambda rows, vector: -_cosine(rows, vector)),
)
centered.mistake(
    "The opposite direction counts as near.",
    "A cosine of -1 is as far as one can be. Take no absolute value, and no square.",
    partial(_rank, likeness=lambda rows, vector: _cosine(rows, vector).abs()),
)
centered.mistake(
    "It is the rank of the first among the neighbours of the second.",
    "A cosine is the same both ways, a rank is not. Stand at `one` and look for `other`.",
    lambda table, one, other: rank(table, other, one),
)
centered.mistake(
    "Each row's own mean is taken away.",
    "The mean row is the mean over the tokens, (C,): `table.mean(0)`.",
    partial(_rank, centre=lambda table: table - table.mean(1, keepdim=True)),
)
centered.mistake(
    "The rows are divided by their lengths before the mean is taken away.",
    "First the mean of the rows as they are, then the cosines of what is left.",
    partial(_rank, centre=lambda table: F.normalize(table, dim=1) - F.normalize(table, dim=1).mean(0)),
)


@centered.mistake(
    "`argsort` is read the wrong way round: it says which row is at a place, not at which place a row is.",
    "Look for `other` in the list: `order.tolist().index(other)`. Or count the larger cosines.",
)
def _argsort_at_other(table, one, other):
    rows = table - table.mean(0)
    cosines = _cosine(rows, rows[one])
    cosines[one] = -torch.inf
    return int(cosines.argsort(descending=True)[other]) + 1


@centered.mistake(
    "`argsort` is read the wrong way round, and `one` itself is in the list.",
    "It says which row is at a place. Leave `one` out, then look for `other`: `order.tolist().index(other)`.",
)
def _argsort_with_one(table, one, other):
    rows = table - table.mean(0)
    return int(_cosine(rows, rows[one]).argsort(descending=True)[other])


@centered.mistake(
    "`one` was deleted from the rows, and the rows behind it have moved up: `other` is another row there.",
    "Behind the deleted row every number is smaller by one. Or keep all rows and set the cosine of `one` to -inf.",
)
def _other_not_moved(table, one, other):
    rows = table - table.mean(0)
    cosines = _cosine(torch.cat([rows[:one], rows[one + 1 :]]), rows[one])
    return int((cosines > cosines[min(other, len(cosines) - 1)]).sum()) + 1


centered.mistake(
    "The dot product is divided by the squared norms.",
    "The cosine divides by the norm of each row once.",
    partial(_rank, likeness=lambda rows, vector: rows @ vector / rows.square().sum(1)),
)
off_center = question.probe(
    "a table whose rows all lean one way", lambda rng: _tables(rng, leaning=True), _off, kinds=KINDS
)
off_center.mistake(
    "The mean row is not taken away.",
    "Subtract `table.mean(0)` from every row first; what all rows share tells none from another.",
    partial(_rank, centre=lambda table: table),
)
off_center.mistake(
    "One number, the mean of the whole table, is taken away.",
    "The mean row is the mean over the tokens, (C,): `table.mean(0)`.",
    partial(_rank, centre=lambda table: table - table.mean()),
)


@off_center.mistake(
    "The mean is taken away from the one row only.", "All others lean too. Subtract it from the whole table."
)
def _row_of_one_only(table, one, other):
    scores = _cosine(table, table[one] - table.mean(0))
    scores[one] = -torch.inf
    return int((scores > scores[other]).sum()) + 1


@off_center.mistake(
    "The mean is taken away from the table, and not from the row that asks.",
    "Take `one` from the centered rows: `rows[one]`, not `table[one]`.",
)
def _query_not_centered(table, one, other):
    scores = _cosine(table - table.mean(0), table[one])
    scores[one] = -torch.inf
    return int((scores > scores[other]).sum()) + 1
