"""What the learner wrote and what passed, ready to use; the course's version of everything else.

>>> from minillm.course import mine
>>> mine.attention.__name__
'attention'

What a lesson's turns asked for is saved in the workbook (`learner.saved`). A part is checked again when its source or
its check has changed. One that is damaged or fails is replaced by the course's version, with a sentence on stderr.

    report()    print which parts are whose
    write()     let a real model write with your parts, or with functions of the page, and say whose code ran
    smollm2()   the real model and its tokenizer, loaded once
    map()       draw the whole model, with the parts that are yours and the lesson where you are
"""

from typing import Any

from minillm.course.own_model import smollm2, write
from minillm.course.strip import show_map as map
from minillm.course.turns import all_turns
from minillm.course.versions import report, turn_of, version

__all__ = ["map", "report", "smollm2", "write"]


def __getattr__(name: str) -> Any:
    """The learner's version of a turn's function or class, or the course's."""
    if (turn := turn_of(name)) is None:
        raise AttributeError(f"mine has no {name!r}; it has {', '.join(turn.name for turn in all_turns())}")
    return version(turn)


def __dir__() -> list[str]:
    return [*__all__, *(turn.name for turn in all_turns())]
