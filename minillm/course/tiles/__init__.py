"""Attention on a memory that counts (lab of lesson 12): what a kernel with tiles loads and stores, in numpy.

    Memory    a matrix in the large, slow memory; `load` and `store` move rows of it and count the numbers
    hide      the scores of a tile, with minus infinity where a key comes after its query
    start     the state of an online softmax before its first tile
    asked     a decorator: judge what the page asks for, and let the course's version stand in until it passes
    moved     how much a kernel with tiles moves, in megabytes, and how far its result is from `plain`
    megabytes_of_plain   how much attention moves that writes its table
    by_triton  the same kernel as a GPU would run it, where Triton is installed

The slow memory is a GPU's main memory. Everything that isn't in a `Memory` is in the small, fast one of a processor,
and costs nothing here (Dao et al. 2022, "FlashAttention"; Milakov & Gimelshein 2018 for the online softmax).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minillm.course.learner.box import show
from minillm.course.learner.puzzle import Puzzle, box_of
from minillm.course.learner.source import source_of
from minillm.course.learner.trial import try_out
from minillm.course.tiles import attending, merging
from minillm.course.tiles.in_triton import by_triton, triton_source, why_no_triton
from minillm.course.tiles.memory import BYTES, Memory, hide, megabytes_of_plain, plain, start, texts

ASKED: dict[str, Puzzle] = {"merge": merging.merging, "attend": attending.attending}

__all__ = [
    "Memory",
    "asked",
    "by_triton",
    "hide",
    "megabytes_of_plain",
    "moved",
    "start",
    "triton_source",
    "why_no_triton",
]


def moved(attend: Callable[..., Any], T: int, rows: int, cols: int, scale: float = 1.0) -> tuple[float, float]:
    """Megabytes that a kernel with tiles moves for T tokens, and the largest error of its result.

    >>> from minillm.course.tiles.attending import attend
    >>> megabytes, error = moved(attend, 128, 64, 64)
    >>> round(megabytes, 3), error < 1e-5
    (0.164, True)
    """
    given, reference = texts(T, scale=scale), texts(T, scale=scale)
    with np.errstate(all="ignore"):
        attend(*given, rows, cols)
    plain(*reference)
    apart = np.abs(given[3].array - reference[3].array).max()
    return sum(each.moved for each in given) * BYTES / 1e6, float(apart)


def asked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Show what is found of a function of the page; returns it if it is right, else the course's version."""
    turn = ASKED[function.__name__]
    source = source_of(function)
    show(box_of(turn, function, len(ASKED), source))
    return function if try_out(turn, function, source).state == "right" else turn.course
