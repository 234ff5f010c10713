"""02.2, a bug-hunt: `rows[ids] += slopes` writes a row that is named twice only once.

It happens wherever the gradient of a lookup is written by hand: gensim's word2vec did it (issue 242), solutions of
CS224n do (issue 5 of ZacBi/CS224n-2019-solutions). Indexing reads all rows first, adds, and writes them back, and of
several copies of one row the last one stays.
"""

import math
import random
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.facts import fact
from minillm.course.checks.plain import apart, as_tensor, difference, show
from minillm.course.checks.question import Question

Gradient = tuple[Tensor, Tensor]  # (n,) ids, (n, C) their slopes


def gradient(ids: Int[Tensor, "B T"], upstream: Float[Tensor, "B T C"], pad: int) -> Gradient:
    """The right answer: the sum of what comes back to each row that was looked up.

    >>> gradient(torch.tensor([[5, 2, 5, 0]]), torch.tensor([[[1.0], [2.0], [3.0], [4.0]]]), pad=0)
    (tensor([2, 5]), tensor([[2.],
            [4.]]))
    """
    rows = ids[ids != pad].unique()
    return rows, torch.cat([upstream[:0, 0], *(upstream[ids == row].sum(0, keepdim=True) for row in rows)])


def _row_by_row(ids, upstream, pad, *, join, in_order=True, keep_pad=False) -> Gradient:
    """The slopes of each id collected, then joined in another way."""
    collected: dict[int, list[Tensor]] = {}
    for id, slope in zip(ids.flatten().tolist(), upstream.flatten(0, 1), strict=True):
        if id != pad or keep_pad:
            collected.setdefault(id, []).append(slope)
    rows = sorted(collected) if in_order else list(collected)
    return torch.tensor(rows), torch.stack([join(collected[row]) for row in rows])


def _one_text(rng: random.Random) -> list[Call]:
    """Texts in which ids repeat, side by side and apart; the padding does not occur."""
    calls = []
    for T, C in ((4, 1), (6, 2), (9, 3)):
        few = rng.sample(range(1, 30), T // 2)
        ids = [*few, *rng.choices(few, k=T - len(few))]
        rng.shuffle(ids)
        calls.append((torch.tensor([ids]), numbers(rng, 1, T, C), 0))
    return calls


BATCH = (
    "padding at the end",
    "padding before the text",
    "padding within the text",
    "no padding",
    "a text that is all padding",
    "padding with the largest id",
    "padding with the smallest id",
    "a single position",
    "ids of a large vocabulary",
    "slopes that add up to 0",
    "infinity and NaN at the padding",
)


def _batch(rng: random.Random) -> list[Call]:
    """One batch for each kind in BATCH."""
    rank_of_pad = {"padding with the largest id": -1, "padding with the smallest id": 0}
    positions = {
        "padding at the end": lambda T: slice(rng.randint(1, T - 1), None),
        "padding before the text": lambda T: slice(rng.randint(1, T - 1)),
        "no padding": lambda T: slice(0),
        "a text that is all padding": lambda T: slice(None),
        "a single position": lambda T: slice(0),
    }
    calls = []
    for kind in BATCH:
        B, T = (1, 1) if kind == "a single position" else (2, 3) if len(calls) < 4 else (4, 5)
        C = 1 if len(calls) < 2 else 2
        few = sorted(rng.sample(range(49_152 if "vocabulary" in kind else 30), 5))
        pad = few.pop(rank_of_pad.get(kind, 2))
        ids = torch.tensor([rng.choices(few, k=T) for _ in range(B)])
        for row in range(1, B):
            ids[row, positions.get(kind, lambda T: rng.sample(range(T), 1))(T)] = pad
            if kind == "a text that is all padding":
                break
        upstream = numbers(rng, B, T, C)
        if kind == "slopes that add up to 0":
            ids[0, 1] = ids[0, 0]
            alike = (ids == ids[0, 0]).nonzero().tolist()
            upstream[tuple(alike[-1])] = -sum(upstream[row, column] for row, column in alike[:-1])
        if kind == "infinity and NaN at the padding":
            upstream[ids == pad] = torch.tensor([math.inf, math.nan])
        calls.append((ids, upstream, pad))
    return calls


def _which_row(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    wrong = [index for index, (wanted, gave) in enumerate(zip(right, got, strict=True)) if difference(wanted, gave)]
    if len(got) == len(BATCH) and wrong == [BATCH.index("infinity and NaN at the padding")]:
        hint = (
            "0 times infinity is NaN. Leave the positions of padding out before you add: `ids[real]`, `upstream[real]`."
        )
        return "Infinity or NaN at the padding reaches the slopes; what is there does not count.", hint
    for part in range(2):
        parts = [[answer[part] for answer in both] for both in (right, got)]
        told = fact(["ids", "upstream", "pad"], calls, *parts)
        if told and "right but for" not in told:
            return None  # `fact_of_parts` tells it
    for (ids, _, pad), (rows, slopes), answer in zip(calls, right, got, strict=True):
        pair = answer if type(answer) in (list, tuple) and len(answer) == 2 else [None]
        parts: list[Any] = [as_tensor(part) for part in pair]
        if any(part is None for part in parts) or len(parts) != 2 or parts[0].dim() != 1:
            return None
        if named := _other_rows(rows.tolist(), parts[0].tolist(), pad):
            return named
        if parts[1].shape != slopes.shape:
            shapes = f"{tuple(parts[1].shape)} instead of {tuple(slopes.shape)}"
            return (
                f"The ids are right, and the slopes have the shape {shapes}.",
                "One row of slopes for each of the ids.",
            )
        wrong = apart(slopes, parts[1]).any(-1).nonzero().flatten().tolist()
        if wrong:
            id = int(rows[wrong[0]])
            times = int((ids == id).sum())
            gave, wanted = show(parts[1][wrong[0]]), show(slopes[wrong[0]])
            sentence = f"Id {id}, which is looked up {times}×, gets {gave} instead of {wanted}."
            return sentence, "List the positions of this id, and add up their slopes by hand."
    return None


def _other_rows(due: list[int], gave: list[int], pad: int) -> tuple[str, str] | None:
    for id in gave:
        if id == pad:
            return f"The padding, {pad}, has a row.", "Leave out all positions where `ids` is `pad`."
        if id not in due:
            return f"Id {id} has a row, and it occurs nowhere.", "Take the rows from `ids`."
    for id in due:
        if id not in gave:
            side = "smaller" if id < pad else "larger"
            return f"Id {id} has no row; it is {side} than the padding, {pad}.", "Leave out the padding alone."
    return None if due == gave else ("The ids are not in order, or not each once.", "The smallest first: `unique`.")


question = Question(
    "02.2",
    "Three occurrences, one gradient",
    gradient,
    forbidden=("minillm", "torch.nn.functional.embedding", "torch.autograd", "torch.Tensor.backward"),
    parts=("ids", "slopes"),
)

one_text = question.probe("one text with repeated ids", _one_text, _which_row)
one_text.mistake(
    "Of an id that occurs several times only the last position counts.",
    "`slopes[positions] += ...` writes each row once. `index_add` adds for every position.",
    partial(_row_by_row, join=lambda slopes: slopes[-1]),
)
one_text.mistake(
    "Of an id that occurs several times only the first position counts.",
    "Every position was used, so every position sends something back: add it up.",
    partial(_row_by_row, join=lambda slopes: slopes[0]),
)
one_text.mistake(
    "The slopes of an id are averaged.",
    "What arrives from several positions adds up. If the loss is a mean, `upstream` knows it already.",
    partial(_row_by_row, join=lambda slopes: torch.stack(slopes).mean(0)),
)


@one_text.mistake("An id that occurs several times has several rows.", "Join them: one row for each different id.")
def _not_joined(ids, upstream, pad):
    rows, order = ids[ids != pad].sort(stable=True)
    return rows, upstream[ids != pad][order]


@one_text.mistake(
    "Only repeats side by side are joined.",
    "`unique_consecutive` compares neighbors. `unique` sorts first, and finds them all.",
)
def _neighbors_joined(ids, upstream, pad):
    rows, positions = ids[ids != pad].unique_consecutive(return_inverse=True)
    return rows, torch.zeros(len(rows), upstream.shape[-1]).index_add(0, positions, upstream[ids != pad])


one_text.mistake(
    "The rows are in the order of the text.",
    "Sort them, the smallest id first, and the slopes along with them.",
    partial(_row_by_row, join=lambda slopes: torch.stack(slopes).sum(0), in_order=False),
)


@one_text.mistake(
    "The first row is left out, as if it were always the padding.",
    "The padding may be missing, and it may be any id. Leave out the positions where `ids` is `pad`.",
)
def _without_the_first(ids, upstream, pad):
    rows, slopes = gradient(ids, upstream, pad=-1)
    return rows[1:], slopes[1:]


@one_text.mistake(
    "The slopes are a table with a row for every id, also for ids that were not looked up.",
    "Keep only the rows of the ids that were looked up: `table[rows]`.",
)
def _whole_table(ids, upstream, pad):
    rows = ids[ids != pad].unique()
    table = torch.zeros(int(ids.max()) + 1, upstream.shape[-1])
    return rows, table.index_add(0, ids[ids != pad], upstream[ids != pad])


one_text.mistake(
    "The slope at an id's last position is multiplied by how often it occurs there.",
    "Each position has a slope of its own. Add them up.",
    partial(_row_by_row, join=lambda slopes: slopes[-1] * len(slopes)),
)
one_text.mistake(
    "The slope at an id's first position is multiplied by how often it occurs there.",
    "Each position has a slope of its own. Add them up.",
    partial(_row_by_row, join=lambda slopes: slopes[0] * len(slopes)),
)

padded_batch = question.probe("a padded batch", _batch, _which_row, kinds=BATCH)
padded_batch.mistake(
    "The padding gets a gradient, too.",
    "Leave out all positions where `ids` is `pad`.",
    partial(_row_by_row, join=lambda slopes: torch.stack(slopes).sum(0), keep_pad=True),
)
for _zeroed in (
    lambda ids, upstream, pad: upstream.masked_fill((ids == pad)[..., None], 0.0),
    lambda ids, upstream, pad: upstream * (ids != pad)[..., None],
):
    padded_batch.mistake(
        "The padding still has a row, if only of zeros.",
        "Leave its id out of the rows, too.",
        lambda ids, upstream, pad, zeroed=_zeroed: gradient(ids, zeroed(ids, upstream, pad), pad=-1),
    )
for _slopes in (
    lambda upstream: upstream.transpose(0, 1).reshape(upstream.shape),
    lambda upstream: upstream.reshape(upstream.shape[1], upstream.shape[0], -1).transpose(0, 1),
):
    padded_batch.mistake(
        "Ids and slopes are read in different orders: one row by row, the other column by column.",
        "Flatten both alike: `ids.flatten()` and `upstream.flatten(0, 1)`, with no transpose in between.",
        lambda ids, upstream, pad, slopes=_slopes: gradient(ids, slopes(upstream), pad),
    )


@padded_batch.mistake(
    "Padding at the end is left out; before a token it gets a gradient.",
    "Padding may be anywhere. `ids != pad` finds it wherever it is.",
)
def _padding_at_the_end(ids, upstream, pad):
    keep = (ids != pad).flip(1).cummax(1).values.flip(1)  # up to the last token of each text
    return gradient(ids[keep][None], upstream[keep][None], pad=-1)


@padded_batch.mistake(
    "Of a text with n tokens the first n positions are read, as if its padding were always at the end.",
    "Padding may be anywhere. `ids != pad` finds it wherever it is.",
)
def _first_positions(ids, upstream, pad):
    keep = torch.arange(ids.shape[1]) < (ids != pad).sum(1, keepdim=True)
    return gradient(ids[keep][None], upstream[keep][None], pad=-1)


@padded_batch.mistake(
    "An id whose slopes add up to 0 has no row.",
    "Take the rows from `ids`, not from the slopes: the row is there, and holds zeros.",
)
def _rows_that_moved(ids, upstream, pad):
    rows, slopes = gradient(ids, upstream, pad)
    moved = (slopes.abs() > 1e-4).any(1)
    return rows[moved], slopes[moved]


padded_batch.mistake(
    "All ids smaller than the padding are left out, too.",
    "The padding may be any id: `ids != pad`, not `ids > pad`.",
    lambda ids, upstream, pad: gradient(ids.where(ids > pad, pad), upstream, pad),
)
padded_batch.mistake(
    "The gradient is divided by the number of texts.",
    "`upstream` is the slope of the loss already, with every mean that is in it. Only add.",
    lambda ids, upstream, pad: gradient(ids, upstream / len(ids), pad),
)
padded_batch.mistake(
    "Only the first text counts.",
    "Join (B, T) to one axis first: `ids.flatten()` and `upstream.flatten(0, 1)`.",
    lambda ids, upstream, pad: gradient(ids[:1], upstream[:1], pad),
)
