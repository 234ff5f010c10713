"""02.1: recall at k of a compressed table, the metric of approximate nearest-neighbor search (ANN-Benchmarks, 2018)."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.question import Question


def recall(table: Float[Tensor, "V C"], compressed: Float[Tensor, "V c"], k: int) -> float:
    """The right answer, row by row with sets.

    >>> table = torch.tensor([[1.0, 0.0], [1.0, 0.5], [0.2, 1.0], [0.0, 1.0]])
    >>> recall(table, torch.tensor([[1.0, 0.0], [1.0, 0.5], [0.7, 1.0], [-0.2, 1.0]]), k=1)
    0.75
    """
    true, near = _cosines(table).argsort(1)[:, -k:].tolist(), _cosines(compressed).argsort(1)[:, -k:].tolist()
    return sum(len(set(one) & set(other)) for one, other in zip(true, near, strict=True)) / (k * len(true))


def _cosines(rows: Tensor) -> Tensor:
    """The cosine of each row with all others, minus infinity for the row itself."""
    rows = rows.double() / rows.double().norm(dim=1, keepdim=True)
    return (rows @ rows.T).fill_diagonal_(-torch.inf)


def _dots(rows: Tensor) -> Tensor:
    return (rows.double() @ rows.double().T).fill_diagonal_(-torch.inf)


def _distances(rows: Tensor) -> Tensor:
    return (-torch.cdist(rows.double(), rows.double())).fill_diagonal_(-torch.inf)


def _recall(
    table: Tensor,
    compressed: Tensor,
    k: int,
    *,
    scores: Callable[[Tensor], Tensor] = _cosines,
    itself: bool = False,
    more: int = 0,
    largest: bool = True,
    share: Callable[[Tensor, int], Tensor] = lambda hits, k: hits.sum(1) / k,
) -> float:
    """The mean share, with one thing done differently; `hits` (V, k) marks the true neighbors that are found."""
    lists = []
    for rows in (table, compressed):
        values = scores(rows)
        values = (
            values.fill_diagonal_(torch.inf) if itself else values if largest else -values.fill_diagonal_(torch.inf)
        )
        lists.append(values.topk(min(k + more, len(rows))).indices)
    true, near = lists
    return float(share((true[:, :, None] == near[:, None]).any(-1), k).mean())


def _order(table: Tensor, compressed: Tensor, k: int) -> float:
    true, near = (_cosines(rows).topk(k).indices for rows in (table, compressed))
    return float((true == near).double().mean())


def _noisy(rng: random.Random, V: int, C: int, noise: float) -> tuple[Tensor, Tensor]:
    """Rows of very different norms around a common mean, and the same rows with noise, at other norms."""
    scales, others = (torch.tensor([[rng.choice([0.5, 1.0, 3.0, 8.0])] for _ in range(V)]) for _ in range(2))
    rows = numbers(rng, V, C) + 0.5
    return (scales * rows).round(decimals=2), (others * (rows + noise * numbers(rng, V, C))).round(decimals=2)


def _fine(table: Tensor, compressed: Tensor) -> bool:
    """Whether no cosine is near another one of its row, so that rounding decides nothing."""
    for rows in (table, compressed):
        if (rows.norm(dim=1) < 0.1).any():
            return False
        ordered = _cosines(rows).sort(1).values[:, 1:]
        if (ordered.diff(dim=1) < 1e-4).any():
            return False
    return True


def _call(rng: random.Random, V: int, C: int, k: int, noise: float, keep: int | None = None) -> Call:
    while True:
        table, compressed = _noisy(rng, V, C, noise)
        compressed = compressed[:, :keep] if keep else compressed
        if _fine(table, compressed):
            return table, compressed, k


def _alone(rng: random.Random) -> Call:
    """Tables with a row whose cosines with all others are below 0, and which finds its nearest neighbor."""
    while True:
        table, compressed, k = _call(rng, 6, 3, 1, 0.1)
        table[0], compressed[0] = -table[1:].mean(0), -compressed[1:].mean(0)
        far = all(_cosines(rows)[0].max() < -0.05 for rows in (table, compressed))
        if (
            far
            and _fine(table, compressed)
            and _recall(table, compressed, k, scores=_with_zeros) != recall(table, compressed, k)
        ):
            return table, compressed, k


def _with_zeros(rows: Tensor) -> Tensor:
    return _cosines(rows).fill_diagonal_(0.0)


def _nearest(rng: random.Random) -> list[Call]:
    example = torch.tensor([[1.0, 0.0], [1.0, 0.5], [0.2, 1.0], [0.0, 1.0]])
    other = torch.tensor([[1.0, 0.0], [1.0, 0.5], [0.7, 1.0], [-0.2, 1.0]])
    same = _call(rng, 5, 3, 1, 0.0)
    return [
        (example, other, 1),
        (same[0], same[0].clone(), 1),
        _alone(rng),
        *(_call(rng, V, 3, 1, 0.3) for V in (5, 8, 9, 12)),
    ]


def _several(rng: random.Random) -> list[Call]:
    calls = [_call(rng, V, C, k, noise) for V, C, k, noise in ((6, 3, 2, 0.5), (9, 4, 3, 0.5), (12, 4, 4, 0.8))]
    fewer = [_call(rng, V, C, k, 0.0, keep) for V, C, k, keep in ((6, 4, 2, 2), (9, 5, 3, 3), (12, 6, 5, 2))]
    return [*calls, *fewer, _call(rng, 6, 3, 5, 0.5)]


NEAREST = ("the example", "the table itself", "a row far from all others", *["tables with noise"] * 4)
SEVERAL = (*["tables with noise"] * 3, *["fewer columns"] * 3, "k = V - 1")


def _in_hits(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The number of neighbors that are taken for found, if the result is such a share."""
    for (table, _, k), wanted, answer in zip(calls, right, got, strict=True):
        value = as_tensor(answer)
        if value is None or not difference(wanted, answer):
            continue
        if value.numel() > 1:
            return f"The result has {value.numel()} numbers, and one is asked for.", "Take the mean over all rows."
        hits, n = float(value) * k * len(table), k * len(table)
        if float(value) > 1.0001:
            return f"The result is {float(value):.4g}, and no share is above 1.", "Each row has k true neighbors."
        if abs(hits - round(hits)) < 1e-3:
            words = f"{round(hits)} of {n} true neighbors are taken for found, and {round(wanted * n)} are (k = {k})."
            return words, "Print both lists of neighbors, (V, k) each, and mark the common ones of each row by hand."
    return None


question = Question("02.1", "Recall at k of a compressed table", recall)

nearest = question.probe("the nearest neighbor", _nearest, kinds=NEAREST, at_last=_in_hits)
nearest.mistake(
    "Each row is its own nearest neighbor, and always found.",
    "The cosine of a row with itself is 1. Put minus infinity on the diagonal before `topk`.",
    partial(_recall, itself=True),
)
nearest.mistake(
    "Dot products are compared, not cosines.",
    "Divide each row by its norm first. Long rows would be everybody's neighbors.",
    partial(_recall, scores=_dots),
)
nearest.mistake(
    "The columns are divided by their norms, not the rows.",
    "A cosine needs rows of norm 1: `rows / rows.norm(dim=-1, keepdim=True)`.",
    partial(_recall, scores=lambda rows: _dots(rows / rows.norm(dim=0, keepdim=True))),
)
nearest.mistake(
    "Distances are compared, not cosines.",
    "Divide each row by its norm first.",
    partial(_recall, scores=_distances),
)
nearest.mistake(
    "The furthest rows are taken, not the nearest.",
    "The nearest rows have the largest cosines.",
    partial(_recall, largest=False),
)
nearest.mistake(
    "The lists have k + 1 rows.",
    "If you leave the row itself out, ask `topk` for k.",
    partial(_recall, more=1, share=lambda hits, k: hits.sum(1) / (k + 1)),
)
nearest.mistake(
    "The diagonal is set to 0, so a row that is far from all others is its own neighbor.",
    "Cosines may all be below 0. Put minus infinity on the diagonal.",
    partial(_recall, scores=_with_zeros),
)
nearest.mistake(
    "Cosines are compared without their sign.",
    "A cosine of -0.9 is far away. Take no absolute value.",
    partial(_recall, scores=lambda rows: _cosines(rows).abs().fill_diagonal_(-torch.inf)),
)
nearest.mistake(
    "It is the share that is lost.",
    "Recall is the share of true neighbors that are found.",
    lambda table, compressed, k: 1 - recall(table, compressed, k),
)
nearest.mistake(
    "It is a number of neighbors, not a share.",
    "Divide by k and by the number of rows.",
    lambda table, compressed, k: recall(table, compressed, k) * k * len(table),
)
nearest.mistake(
    "The result is in percent.",
    "A share lies between 0 and 1.",
    lambda table, compressed, k: 100 * recall(table, compressed, k),
)
nearest.mistake(
    "The mean row is subtracted first.",
    "Centering is another measurement. Here the cosines of the rows as they are decide.",
    lambda table, compressed, k: recall(table - table.mean(0), compressed - compressed.mean(0), k),
)

several = question.probe("k neighbors", _several, kinds=SEVERAL, same=nearest.mistakes[:2], at_last=_in_hits)
several.mistake(
    "The lists are compared position by position.",
    "The order doesn't count: a true second neighbor may be the third in the other table. Compare sets.",
    _order,
)
several.mistake(
    "A row counts in full if one of its neighbors is found.",
    "Each row gives the share of its k neighbors that are found.",
    partial(_recall, share=lambda hits, k: hits.any(1).double()),
)
several.mistake(
    "A row counts only if all of its neighbors are found.",
    "Each row gives the share of its k neighbors that are found.",
    partial(_recall, share=lambda hits, k: hits.all(1).double()),
)
several.mistake(
    "The common neighbors are divided by those in either list (Jaccard).",
    "Recall divides by the number of true neighbors, k.",
    partial(_recall, share=lambda hits, k: hits.sum(1) / (2 * k - hits.sum(1))),
)
several.mistake(
    "Only the nearest neighbor is compared, whatever k is.",
    "Take the k nearest of each row: `topk(k)`.",
    lambda table, compressed, k: recall(table, compressed, 1),
)
several.mistake(
    "It is the share of rows whose nearest neighbor is among the k of the compressed table.",
    "Look for all k true neighbors, not only for the first.",
    partial(_recall, share=lambda hits, k: hits[:, 0].double()),
)
