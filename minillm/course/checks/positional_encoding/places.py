"""03.1: the place of each token in a batch with padding.

GPT-2 in a padded batch took the columns for places and went on differently from GPT-2 alone (issues 3021 and 3167 of
huggingface/transformers). With a cache it happened again: one count of columns served all rows (pull request 3795 of
unslothai/unsloth).
"""

import random
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from minillm.course.checks.asking import Call
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


def _batch(rng: random.Random, B: int, T: int, longest_past: int) -> Call:
    """Rows with padding in front, behind, or in between; the last is padding alone."""
    real = torch.tensor([[rng.random() < 0.6 for _ in range(T)] for _ in range(B)])
    for row in real[:-1]:
        row[rng.randrange(T)] = True
    real[-1] = False
    return real, torch.tensor([rng.randint(0, longest_past) for _ in range(B)])


def _new(rng: random.Random) -> list[Call]:
    padded = torch.tensor([[False, True, True], [True, True, False]])
    return [(padded, torch.zeros(2, dtype=torch.long)), *(_batch(rng, 4, T, 0) for T in (5, 6, 8, 600))]


def _going_on(rng: random.Random) -> list[Call]:
    one = torch.tensor([[True], [True]])
    return [(one, torch.tensor([4, 2])), *(_batch(rng, 4, T, most) for T, most in ((3, 9), (5, 9), (8, 100_000)))]


def _first_wrong_place(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    for (real, _), wanted, answer in zip(calls, right, got, strict=True):
        given = as_tensor(answer)
        if given is None or given.shape != wanted.shape:
            return None
        if wrong := (given != wanted).nonzero().tolist():
            row, column = wrong[0]
            what = "token" if real[row, column] else "padding"
            sentence = f"The {what} in row {row}, column {column} gets place {given[row, column]:g}"
            hint = "Walk along this row and count its tokens. Padding takes no place of its own; it is given 0."
            return f"{sentence}; right is {wanted[row, column]}.", hint
    return None


question = Question("03.1", "Padding takes no place", places)

from_start = question.probe("texts that begin", _new, _first_wrong_place)
from_start.mistake(
    "Padding is counted: a token gets the number of its column.",
    "A token's place is the number of *tokens* before it in its row.",
    lambda real, past: (past[:, None] + torch.arange(real.shape[1])) * real,
)
from_start.mistake(
    "The first token has place 1.",
    "Places count from 0: it is the tokens before it that are counted, not the token itself.",
    lambda real, past: places(real, past + 1),
)
from_start.mistake(
    "Padding does not get 0.",
    "In front of a text the count less 1 is -1, which a table takes for its last row. Write 0 there.",
    lambda real, past: past[:, None] + real.cumsum(1) - 1,
)
from_start.mistake(
    "The tokens are counted down the batch, from text to text.",
    "Each row is a text of its own. Count along the last axis, T.",
    lambda real, past: (past[:, None] + real.cumsum(0) - 1) * real,
)

continued = question.probe("texts that go on", _going_on, _first_wrong_place)
continued.mistake(
    "Each text begins at 0 again, though a part of it lies in the cache.",
    "`past` says how many tokens of each row have been read. The first new one has that place.",
    lambda real, past: places(real, torch.zeros_like(past)),
)
continued.mistake(
    "All rows go on from the same place.",
    "Each row has its own past. Give it a second axis, and it is added row by row.",
    lambda real, past: places(real, past.max().expand(len(past))),
)
continued.mistake(
    "The past is added to padding, too.",
    "Padding is to get 0. Clear it last.",
    lambda real, past: past[:, None] + places(real, torch.zeros_like(past)),
)
