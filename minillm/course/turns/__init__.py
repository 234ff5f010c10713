"""The turns of the lessons: what a learner writes, and what it is held against.

One package per topic, one module per turn. A module holds the course's version, which is also the solution, and `turn`
with its probes and known mistakes. The package exports the versions, and `turns` in the order of the lesson.
"""

from importlib import import_module

from minillm.course.contents import TOPICS
from minillm.course.learner.turn import Turn
from minillm.errors import UserError


def turns(number: str) -> tuple[Turn, ...]:
    """The turns of a lesson in their order; none for a lesson that has none.

    >>> [turn.id for turn in turns("04")]
    ['04.causal_mask', '04.attention', '04.heads', '04.grouped']
    """
    return import_module(f"{__name__}.{TOPICS[number]}").turns if number in TOPICS else ()


def all_turns() -> tuple[Turn, ...]:
    """The turns of all lessons."""
    return tuple(turn for number in TOPICS for turn in turns(number))


def find(id: str) -> Turn:
    """The turn with this id; raises `UserError` with those that there are.

    >>> find("04.heads").name
    'MultiHead'
    """
    for turn in turns(id.partition(".")[0]):
        if turn.id == id:
            return turn
    raise UserError(f"no turn is called {id!r}; there are {', '.join(turn.id for turn in all_turns())}")
