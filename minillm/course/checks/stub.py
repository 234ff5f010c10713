"""What stands in for `minillm.course.checks` in the sandbox, so that a notebook's first cell can import it."""

from typing import Any


class Nothing:
    """A result of no points."""

    points = 0
    failure = None

    def __getattr__(self, name: str) -> None:
        return None


def check(id: str, answer: Any, seed: int = 0) -> Nothing:
    """Do nothing: a notebook's own checks are not what it is graded by.

    >>> check("04.1", len).points
    0
    """
    return Nothing()
