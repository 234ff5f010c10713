"""A function of the course with the learner's versions of the turns that it calls, and whose code is inside one.

`mine.transformer` is the learner's as they wrote it. Where only `block` is theirs, the course's `transformer` must call
that, and where only `rms_norm` is theirs, the course's `block` must call that: `assembled` sees to it.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from types import FunctionType
from typing import Any

from minillm.course import heads as given
from minillm.course.versions import is_yours, origin, turn_of, version

WHOLE = ("transformer", "block", "rms_norm", "feed_forward")  # turns that the whole model is made of, but for `heads`
OWNER = {"yours": "your"}


def assembled(name: str) -> Callable[..., Any]:
    """The learner's version of a turn, or the course's, which then calls the learner's versions of other turns.

    >>> assembled("transformer").__name__
    'transformer'
    """
    turn = turn_of(name)
    assert turn is not None, name
    if is_yours(turn):
        return version(turn)
    course = turn.course
    called = {other: assembled(other) for other in course.__code__.co_names if other in WHOLE and other != name}
    return FunctionType(course.__code__, course.__globals__ | called, name, course.__defaults__)


def once_per_text(transformer: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, with the parts of `heads` looked up once per call and not in every layer."""

    @wraps(transformer)
    def run(ids: Any, weights: Any, settings: given.Settings) -> Any:
        return transformer(ids, weights, settings | {"parts": given.parts()})

    return run


def inside(function: Any) -> dict[str, str]:
    """Where each function comes from that a whole model runs, by its name: "this page", "yours" or "the course's".

    >>> inside(assembled("transformer"))["rms_norm"]
    "the course's"
    """
    return {name: origin(each) for name, each in _called(function)} | {
        name: origin(each) for name, each in given.parts().items()
    }


def _called(function: Any, seen: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """A function and those of `WHOLE` that it calls, each once."""
    yield function.__name__, function
    code, names = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    for name in code.co_names if code is not None else ():
        if name in WHOLE and name not in (*seen, function.__name__) and callable(names.get(name)):
            yield from _called(names[name], (*seen, function.__name__))


def by_owner(origins: dict[str, str]) -> str:
    """Names, grouped by where they come from.

    >>> by_owner({"transformer": "this page", "block": "this page", "rotate": "yours", "attention": "the course's"})
    "transformer and block from this page, your rotate, the course's attention"
    """
    groups: dict[str, list[str]] = {}
    for name, where in origins.items():
        groups.setdefault(where, []).append(name)
    return ", ".join(
        f"{listed(names)} from this page"
        if where == "this page"
        else f"{where.replace('yours', 'your')} {listed(names)}"
        for where, names in groups.items()
    )


def listed(names: Sequence[str]) -> str:
    """Names as a list in a sentence.

    >>> listed(["block", "rotate", "attention"])
    'block, rotate and attention'
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
