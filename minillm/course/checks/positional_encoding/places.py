"""03.1: the place of each token in a batch with padding.

GPT-2 in a padded batch took the columns for places and went on differently from GPT-2 alone (issues 3021 and 3167 of
huggingface/transformers). With a cache it happened again: one count of columns served all rows (pull request 3795 of
unslothai/unsloth).
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import whole_numbers
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.question import Question


def places(real: Bool[Tensor, "B T"], past: Int[Tensor, "B"]) -> Int[Tensor, "B T"]:
    """The right answer, counted one by one.

    >>> places(torch.tensor([[False, True, True]]), torch.tensor([5])).tolist()
    [[0, 5, 6]]
    """
    rows = []
    for row, place in zip(real.tolist(), past.tolist(), strict=True):
        rows.append([])
        for is_token in row:
            rows[-1].append(place if is_token else 0)
            place += is_token
    return torch.tensor(rows)


NEW = (
    "padding in front",
    "padding behind",
    "padding in between",
    "a text of padding alone",
    "no padding",
    "a single text",
    "more than 255 tokens in a text",
)
ON = ("one new token each", *NEW[:4], "a single text", "100,000 tokens in the cache")


def _row(rng: random.Random, kind: str, T: int) -> list[bool]:
    """Which columns of a text hold tokens."""
    if kind == "padding in front":
        padding = rng.randint(0, T - 1)
        return [column >= padding for column in range(T)]
    if kind == "padding behind":
        return _row(rng, "padding in front", T)[::-1]
    if kind == "no padding" or T == 1:
        return [True] * T
    scattered = [rng.random() < 0.6 for _ in range(T)]
    return [True, False, *scattered[2:-1], True] if T > 2 else [False, True]


def _batch(rng: random.Random, kind: str, B: int, T: int) -> Tensor:
    rows = [_row(rng, kind, T) for _ in range(B)]
    if kind == "padding in front":
        rows[0] = [False] + [True] * (T - 1)
    if kind == "padding behind":
        rows[0] = [True] * (T - 1) + [False]
    if kind == "a text of padding alone":
        rows[0] = [False] * T
    return torch.tensor(rows)


def _new(rng: random.Random) -> list[Call]:
    """As many texts as columns, or a single one: then a past that is added to the columns raises nothing."""
    sizes = (3, 3), (3, 3), (5, 5), (4, 4), (3, 3), (1, 7), (1, 600)
    return [(_batch(rng, kind, *size), torch.zeros(size[0]).long()) for kind, size in zip(NEW, sizes, strict=True)]


def _going_on(rng: random.Random) -> list[Call]:
    sizes = (2, 1), (3, 3), (3, 3), (5, 5), (4, 4), (1, 7), (4, 4)
    calls = []
    for kind, (B, T) in zip(ON, sizes, strict=True):
        past = torch.tensor([rng.randint(0, 9) for _ in range(B)])
        if kind.startswith("100,000"):
            past[rng.randrange(B)] = 100_000
        calls.append((_batch(rng, kind, B, T), past))
    return calls


def _how_wrong(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """What all wrong places have in common, or the first of them."""
    given = [tensor for answer in got if (tensor := as_tensor(answer)) is not None]
    if [answer.shape for answer in given] != [wanted.shape for wanted in right]:
        return None
    if all(answer.dtype == torch.bool for answer in given):
        hint = "`zeros_like` of a mask is a mask, in which every number but 0 is True. Ask for `dtype=torch.long`."
        return "The result is made of True and False, and places are whole numbers.", hint
    triples = [(real, past, answer - wanted) for (real, past), answer, wanted in zip(calls, given, right, strict=True)]
    if not any(offset[real].any() for real, _, offset in triples):
        return _at_padding(calls, given)
    for sentence, hint, holds in COMMON:
        if all(holds(*triple) for triple in triples):
            return sentence, hint
    offs = {off for real, _, offset in triples for off in offset[real].tolist()}
    if len(offs) == 1 and (off := offs.pop()):
        words = f"Every token's place is {abs(off):g} too {'high' if off > 0 else 'low'}"
        return f"{words}.", "The first token has the place `past`: that many tokens came before it."
    offs = {off for real, past, offset in triples for off in offset[real & (past > 0)[:, None]].tolist()}
    none = not any(offset[real & (past == 0)[:, None]].any() for real, past, offset in triples)
    if len(offs) == 1 and none and (off := offs.pop()):
        words = f"Where `past` is not 0, every token's place is {abs(off):g} too {'high' if off > 0 else 'low'}"
        hint = "`past` tokens have the places 0 to past - 1, so the first new one has the place `past`."
        return f"{words}; where it is 0, tokens are right.", hint
    return _first_wrong_place(calls, right, given)


def _at_padding(calls: list[Call], got: list[Any]) -> tuple[str, str] | None:
    for (real, _), given in zip(calls, got, strict=True):
        for row, column in (~real & (given != 0)).nonzero().tolist():
            words = (
                f"The tokens' places are right, but padding gets {given[row, column]:g} in row {row}, column {column}"
            )
            return f"{words}; right is 0.", "Use `real` to write 0 wherever there is padding, as the last step."
    return None


def _first_wrong_place(calls: list[Call], right: list[Tensor], got: list[Any]) -> tuple[str, str] | None:
    hint = "Walk along this row and count its tokens. Padding takes no place of its own; it is given 0."
    for (real, _), wanted, given in zip(calls, right, got, strict=True):
        for row in (given != wanted).any(1).nonzero().flatten().tolist():
            due, gave = (one[row, real[row]] for one in (wanted, given))
            columns = real[row].nonzero().flatten().tolist()
            steps = gave.diff()
            if (due != gave).any() and (steps == 1).all():
                words = f"In row {row} places go up by 1 as they should, but the first token's is {gave[0]:g}"
                return f"{words}; right is {due[0]:g}, the row's `past`.", "Look at what this row's count begins with."
            if (wrong := (steps != 1).nonzero().flatten().tolist()) and gave[0] == due[0]:
                at = wrong[0]
                words = (
                    f"In row {row}, two tokens that follow each other, in columns {columns[at]} and {columns[at + 1]},"
                )
                return f"{words} get the places {gave[at]:g} and {gave[at + 1]:g}; it goes up by 1 per token.", hint
        if wrong := (given != wanted).nonzero().tolist():
            row, column = wrong[0]
            what = "token" if real[row, column] else "padding"
            sentence = f"The {what} in row {row}, column {column} gets place {given[row, column]:g}"
            return f"{sentence}; right is {wanted[row, column]}.", hint
    return None


Holds = Callable[[Tensor, Tensor, Tensor], Any]  # of `real`, `past` and what the places are too large by
COMMON: list[tuple[str, str, Holds]] = [
    (
        "The past is added twice.",
        "A token's place is `past` plus the number of tokens before it in its row. Add `past` once.",
        lambda real, past, off: not (off - past[:, None])[real].any() and past.any(),
    ),
    (
        "The past is subtracted.",
        "The tokens in the cache came before: add `past`.",
        lambda real, past, off: not (off + 2 * past[:, None])[real].any() and past.any(),
    ),
    (
        "Places wrap around: they are off by multiples of 256, as numbers of 8 bits are.",
        "Count in `torch.long`; 8 bits end at 127 or 255.",
        lambda real, past, off: not (off[real] % 256).any(),
    ),
    (
        "Every token gets the same place within its row, the row's number of tokens.",
        "Count only the tokens *before* each one: `cumsum` along the row, not `sum`.",
        lambda real, past, off: not (off - real.sum(1, keepdim=True) + real.cumsum(1) - 1)[real].any(),
    ),
]


def _to_the_left(real: Tensor, past: Tensor, *, width: Callable[[Tensor], int]) -> Tensor:
    """The places of the tokens without gaps between them, then padding."""
    columns = torch.arange(width(real))
    return torch.where(columns < real.sum(1, keepdim=True), columns + past[:, None], 0)


def _along_the_columns(real: Tensor, past: Tensor) -> Tensor:
    B, T = real.shape
    return torch.where(real, real.cumsum(1) - 1 + past, 0) if T in (1, B) or B == 1 else torch.zeros(0)


question = Question("03.1", "Padding takes no place", places)

from_start = question.probe("texts that begin", _new, kinds=NEW, otherwise=_how_wrong, demand=whole_numbers)
from_start.mistake(
    "Padding is counted: a token gets the number of its column.",
    "A token's place is the number of *tokens* before it in its row.",
    lambda real, past: (past[:, None] + torch.arange(real.shape[1])) * real,
)
from_start.mistake(
    "Only the padding in front of a text is left out; padding between tokens is counted.",
    "A token's place is the number of *tokens* before it in its row, wherever the padding stands.",
    lambda real, past: (past[:, None] + torch.arange(real.shape[1]) - real.int().argmax(1, keepdim=True)) * real,
)
from_start.mistake(
    "It is the padding before a token that is counted.",
    "Count where `real` is True, not where it is False.",
    lambda real, past: (past[:, None] + (~real).cumsum(1)) * real,
)
from_start.mistake(
    "The first token has place 1.",
    "Places count from 0: it is the tokens before it that are counted, not the token itself.",
    lambda real, past: places(real, past + 1),
)
from_start.mistake(
    "The first token has place -1.",
    "`past` tokens came before it, with the places 0 to `past` - 1. So its place is `past`.",
    lambda real, past: places(real, past - 1),
)
for _padding_gets in (
    lambda real, past: past[:, None] + real.cumsum(1) - 1,
    lambda real, past: torch.where(real, places(real, past), -1),
):
    from_start.mistake(
        "Padding does not get 0.",
        "In front of a text the count less 1 is -1, which a table takes for its last row. Write 0 there.",
        _padding_gets,
    )
from_start.mistake(
    "Only padding in front of a text gets 0; behind a token it gets that token's place.",
    "Cut off at 0 is not enough. Use `real` itself to write 0 wherever there is padding.",
    lambda real, past: (past[:, None] + real.cumsum(1) - 1).clamp(min=0),
)
from_start.mistake(
    "The tokens are counted down the batch, from text to text.",
    "Each row is a text of its own. Count along the last axis, T.",
    lambda real, past: (past[:, None] + real.cumsum(0) - 1) * real,
)
from_start.mistake(
    "The count goes on from one text to the next.",
    "Each row is a text of its own and begins at its own past. Count along the last axis, T.",
    lambda real, past: (past[:, None] + real.flatten().cumsum(0).view_as(real) - 1) * real,
)
from_start.mistake(
    "The tokens are counted from the end of the row.",
    "A place is the number of tokens *before* it, in columns further left.",
    lambda real, past: (past[:, None] + real.flip(1).cumsum(1).flip(1) - 1) * real,
)
for _width in (lambda real: int(real.sum(1).max()), lambda real: real.shape[1]):
    from_start.mistake(
        "The padding is cut out, and the places have moved to the left.",
        "Column t of the result belongs to column t of `real`. Leave each place where its token stands.",
        partial(_to_the_left, width=_width),
    )

continued = question.probe("texts that go on", _going_on, kinds=ON, otherwise=_how_wrong, demand=whole_numbers)
continued.mistake(
    "Each text begins at 0 again, though a part of it lies in the cache.",
    "`past` says how many tokens of each row have been read. The first new one has that place.",
    lambda real, past: places(real, torch.zeros_like(past)),
)
for _one_past in (Tensor.max, Tensor.min, Tensor.sum, lambda past: past[0], lambda past: past[-1]):
    continued.mistake(
        "All rows go on from the same place.",
        "Each row has its own past. Give it a second axis, and it is added row by row.",
        lambda real, past, one_past=_one_past: places(real, one_past(past).expand(len(past))),
    )
continued.mistake(
    "The past is added along the columns: each column gets the past of another text.",
    "`past` has one number per row. `past[:, None]` is (B, 1) and is added row by row.",
    _along_the_columns,
)
continued.mistake(
    "The past is added to padding, too.",
    "Padding is to get 0. Clear it last.",
    lambda real, past: past[:, None] + places(real, torch.zeros_like(past)),
)
