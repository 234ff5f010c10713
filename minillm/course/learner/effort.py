"""How much work a function does: what is instant with 8 numbers may take hours with 50,000. Counted, not timed."""

import math
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

WHOLE = (sum, max, min, sorted, math.fsum)  # built-in functions that go through all of a list
METHODS = ("count", "index")  # of a list, which go through all of it
LINEAR = 50  # steps per item; an answer that goes through a list five times takes twenty


def starts_over(function: Callable[..., Any], arguments: tuple) -> bool:
    """Whether a function goes through its first argument, a long list, again for each of its items."""
    size = len(arguments[0])
    return steps(function, arguments, size) > LINEAR * size


def steps(function: Callable[..., Any], arguments: tuple, size: int) -> int:
    """The lines that a function runs and the calls that it makes; `sum`, `list.count` and the like count `size`.

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
            whole = target in WHOLE or (type(getattr(target, "__self__", None)) is list and target.__name__ in METHODS)
            done += size if whole else 1

    tracing, profiling = sys.gettrace(), sys.getprofile()
    sys.setprofile(see_call)
    sys.settrace(see_line)
    try:
        function(*arguments)
    finally:
        sys.settrace(tracing)
        sys.setprofile(profiling)
    return done
