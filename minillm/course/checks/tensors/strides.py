"""00a.3: what a view reads: element (i, j) is storage[offset + i * strides[0] + j * strides[1]].

In torch it is `torch.as_strided`, in numpy `numpy.lib.stride_tricks.as_strided`; transposes, slices, `expand` and
`unfold` are all made of it.
"""

import random
from functools import partial
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_kind
from minillm.course.checks.plain import apart, as_tensor, show
from minillm.course.checks.question import Question

Sizes = tuple[int, ...]


def read(storage: Tensor, shape: Sizes, strides: Sizes, offset: int) -> Tensor:
    """The right answer, by torch's own function.

    >>> read(torch.arange(6), shape=(3, 2), strides=(1, 3), offset=0)
    tensor([[0, 3],
            [1, 4],
            [2, 5]])
    """
    return torch.as_strided(storage, shape, strides, offset).clone()


def _read(storage, shape, strides, offset, *, order=lambda strides: strides, start=lambda offset, strides: offset):
    """The positions in the storage added up axis by axis, with one thing done differently; they wrap around."""
    at = torch.tensor(start(offset, strides))
    for size, stride in zip(shape, order(strides), strict=True):
        at = at[..., None] + torch.arange(size) * stride
    return storage[at % len(storage)]


def _packed(shape: Sizes, rows_first: bool = True) -> Sizes:
    """The strides of a tensor of this shape that is contiguous, by rows or by columns."""
    strides, step = [], 1
    for size in reversed(shape) if rows_first else shape:
        strides.append(step)
        step *= size
    return tuple(strides[::-1] if rows_first else strides)


Case = tuple[str, Sizes, Sizes, int]  # the kind, shape, strides, offset

VIEWS: list[Case] = [
    ("rows of a table", (2, 3), (3, 1), 0),
    ("a transposed table", (3, 2), (1, 3), 0),
    ("one axis", (4,), (1,), 0),
    ("three axes", (2, 3, 4), (12, 4, 1), 0),
    ("three axes in another order", (3, 4, 2), (4, 1, 12), 0),
    ("split heads, (H, T, D)", (2, 4, 3), (3, 6, 1), 0),
]
SLICES: list[Case] = [
    ("one row of a table", (3,), (1,), 6),
    ("one column of a table", (4,), (3,), 1),
    ("every second number", (5,), (2,), 1),
    ("a corner of a table", (2, 3), (5, 1), 7),
    ("every second row and column", (3, 2), (12, 2), 1),
    ("one head of several", (4, 3), (12, 1), 6),
]
OVERLAPS: list[Case] = [
    ("windows that overlap", (4, 3), (1, 1), 0),
    ("windows two apart", (4, 4), (2, 1), 3),
    ("windows, transposed", (3, 5), (1, 1), 2),
    ("a broadcast row", (3, 4), (0, 1), 5),
    ("a broadcast column", (3, 4), (1, 0), 2),
    ("a diagonal", (4,), (6,), 0),
    ("the empty shape ()", (), (), 4),
    ("a broadcast batch of windows", (2, 3, 4), (0, 2, 1), 1),
]


def _calls(rng: random.Random, cases: list[Case]) -> list[Call]:
    calls = []
    for index, (_, shape, strides, offset) in enumerate(cases):
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        n = max(last, 0) + 1 + (rng.randint(0, 4) if index else 0)
        calls.append((torch.tensor(rng.sample(range(10, 100), n)), shape, strides, offset))
    return calls


def _element(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The first element that is wrong, and where in the storage it was read."""
    for (storage, shape, strides, offset), wanted, answer in zip(calls, right, got, strict=True):
        gave = as_tensor(answer)
        if gave is None or gave.shape != wanted.shape:
            return None
        if not (wrong := apart(wanted, gave)).any():
            continue
        index = tuple(wrong.nonzero()[0].tolist())
        at = offset + sum(i * stride for i, stride in zip(index, strides, strict=True))
        terms = " + ".join([str(offset), *(f"{i} · {stride}" for i, stride in zip(index, strides, strict=True))])
        found = (storage == gave[index]).nonzero().flatten().tolist()
        where = f"storage[{found[0]}]" if found else show(gave[index])
        sentence = f"With the shape {shape}, strides {strides} and offset {offset}, element {index} is {where}"
        return f"{sentence}, and storage[{at}] is right.", f"It is number {terms} of the storage."
    return None


question = Question(
    "00a.3",
    "What does a view read?",
    read,
    forbidden=("minillm", "torch.as_strided", "torch.Tensor.as_strided", "numpy.lib"),
)

SHOWN = "Element (i, j) is storage[offset + i · strides[0] + j · strides[1]]."

views = question.probe(
    "rows, columns and heads",
    partial(_calls, cases=VIEWS),
    demand=same_kind,
    kinds=[kind for kind, *_ in VIEWS],
    at_last=_element,
)
views.mistake(
    "The strides are ignored: the storage is read in its own order.",
    f"`reshape` gives this only for a contiguous tensor. {SHOWN}",
    lambda storage, shape, strides, offset: _read(storage, shape, _packed(shape), offset),
)
views.mistake(
    "The strides are taken in reverse order.",
    f"strides[0] belongs to the first axis. {SHOWN}",
    partial(_read, order=lambda strides: strides[::-1]),
)
views.mistake(
    "The axes are built in reverse order, and then reshaped.",
    f"A reshape moves numbers to other places; `permute` turns the axes round. {SHOWN}",
    lambda storage, shape, strides, offset: (
        read(storage, shape, strides, offset).permute(*reversed(range(len(shape)))).reshape(shape)
    ),
)
views.mistake(
    "The strides are ignored: the storage is read column by column.",
    SHOWN,
    lambda storage, shape, strides, offset: _read(storage, shape, _packed(shape, rows_first=False), offset),
)
views.mistake(
    "Only the last axis moves the position; the axes before it are forgotten.",
    "The axes add up: `positions = positions + ...` for each of them, not only for the last.",
    lambda storage, shape, strides, offset: _read(storage, shape, (*[0] * len(strides[1:]), *strides[-1:]), offset),
)
views.mistake(
    "Only the first axis moves the position; the axes after it are forgotten.",
    "The axes add up: `positions = positions + ...` for each of them.",
    lambda storage, shape, strides, offset: _read(storage, shape, (*strides[:1], *[0] * len(strides[1:])), offset),
)
views.mistake(
    "The strides are counted from 1: index i adds (i + 1) · stride.",
    "Element (0, 0) is storage[offset].",
    partial(_read, start=lambda offset, strides: offset + sum(strides)),
)

slices = question.probe(
    "slices that start anywhere",
    partial(_calls, cases=SLICES),
    demand=same_kind,
    kinds=[kind for kind, *_ in SLICES],
    same=views.mistakes[:2],
    at_last=_element,
)
slices.mistake(
    "The offset is ignored.",
    "A slice starts in the middle of the storage: element (0, 0) is storage[offset].",
    partial(_read, start=lambda offset, strides: 0),
)
slices.mistake(
    "The offset is multiplied by the first stride.",
    "The offset is counted in numbers of the storage, not in rows.",
    partial(_read, start=lambda offset, strides: offset * strides[0]),
)
slices.mistake(
    "The offset is added once per axis.",
    "Add the offset once, before the loop over the axes.",
    partial(_read, start=lambda offset, strides: offset * len(strides)),
)

overlaps = question.probe(
    "windows, broadcasts and a single number",
    partial(_calls, cases=OVERLAPS),
    demand=same_kind,
    kinds=[kind for kind, *_ in OVERLAPS],
    same=[*views.mistakes[:2], slices.mistakes[2]],
    at_last=_element,
)
overlaps.mistake(
    "A stride of 0 is treated as 1.",
    "A stride of 0 reads the same number again: this is how `expand` broadcasts without a copy.",
    lambda storage, shape, strides, offset: _read(storage, shape, tuple(max(1, s) for s in strides), offset),
)


@overlaps.mistake(
    "Windows that overlap are laid side by side.",
    "With strides (1, 1), row i starts at storage[offset + i], so rows share numbers.",
)
def _side_by_side(storage, shape, strides, offset):
    if len(shape) > 1 and 0 < strides[-2] < shape[-1] * strides[-1]:
        strides = *strides[:-2], shape[-1] * strides[-1], strides[-1]
    return _read(storage, shape, strides, offset)
