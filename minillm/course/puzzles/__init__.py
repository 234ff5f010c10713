"""The ten one-line puzzles of lesson 00a; `learner.puzzle` judges them.

>>> solve(outer=lambda a, b: a[:, None] * b)    # doctest: +ELLIPSIS
Puzzle outer: right
Right, on all 15 checks. Solved so far: ...
"""

from collections.abc import Callable
from typing import Any

from minillm.course.learner.puzzle import judge
from minillm.course.puzzles import indexing, rows, summing
from minillm.course.puzzles.making import PUZZLES

MINUTES = 2  # that one takes

__all__ = ["MINUTES", "PUZZLES", "cell", "indexing", "rows", "solve", "summing"]


def solve(**answers: Callable[..., Any]) -> None:
    """Judge the answers to these puzzles, one box each; one that is still `...` is not written yet."""
    judge(PUZZLES, answers)


def cell(*names: str, solved: bool = False) -> str:
    """The code cell that asks for these puzzles, or its solution.

    >>> print(cell("outer"))
    puzzles.solve(
        outer=lambda a, b: ...,
    )
    """
    lines = [PUZZLES[name].solution if solved else PUZZLES[name].stub for name in names]
    return "\n".join(["puzzles.solve(", *(f"    {line}" for line in lines), ")"])
