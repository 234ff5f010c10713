"""How much work a function does: what is instant with 8 numbers may take hours with 50,000. Counted, not timed."""

import builtins
import sys
from collections.abc import Callable
from contextlib import ExitStack
from operator import length_hint
from types import FrameType, GeneratorType
from typing import Any
from unittest.mock import patch

WHOLE = (sum, max, min, sorted)  # built-in functions that go through all that they are given
METHODS = ("count", "index")  # of a list, which go through all of it
LINEAR = 130  # steps per item; going through a list five times takes twenty, adding up halves of it a hundred


def starts_over(function: Callable[..., Any], arguments: tuple) -> bool:
    """Whether a function goes through its first argument, a long list, again for each of its items."""
    size = len(arguments[0])
    return steps(function, arguments, size) > LINEAR * size


def steps(function: Callable[..., Any], arguments: tuple, size: int) -> int:
    """The lines that a function runs and the calls that it makes; `sum`, `list.count` and the like count each item.

    `size` stands for the length of what doesn't tell its own, such as a `map`.

    >>> def shares(numbers):
    ...     return [number / sum(numbers) for number in numbers]
    >>> steps(shares, ([1.0] * 100,), size=100) > 100 * 100
    True
    """
    done = 0

    def see_line(frame: FrameType, event: str, target: Any) -> Any:
        nonlocal done
        done += 1
        return see_line

    def see_call(frame: FrameType, event: str, target: Any) -> None:
        nonlocal done
        if event == "c_call":
            owner = getattr(target, "__self__", None)
            done += len(owner) if type(owner) is list and target.__name__ in METHODS else 1

    def counted(whole: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **options: Any) -> Any:
            nonlocal done
            items = given[0] if len(given) == 1 or whole.__name__ == "sum" else given  # max(1, 2), but sum([1, 2], 0)
            if not isinstance(items, GeneratorType):  # whose lines count themselves
                done += length_hint(items, size)
            return whole(*given, **options)

        return call

    tracing, profiling = sys.gettrace(), sys.getprofile()
    with ExitStack() as replaced:
        for whole in WHOLE:
            replaced.enter_context(patch.object(builtins, whole.__name__, counted(whole)))
        sys.setprofile(see_call)
        sys.settrace(see_line)
        try:
            function(*arguments)
        finally:
            sys.settrace(tracing)
            sys.setprofile(profiling)
    return done
