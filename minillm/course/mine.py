"""What the learner wrote and what passed, ready to use; the course's version of everything else.

>>> from minillm.course import mine
>>> mine.attention.__name__
'attention'

What a lesson's turns asked for is saved in the workbook (`learner.saved`). A part is checked again when its source or
its check has changed. One that is damaged or fails is replaced by the course's version, with a sentence on stderr.
"""

import sys
from typing import Any

from minillm.course.learner.loading import load
from minillm.course.learner.turn import Turn
from minillm.course.turns import TOPICS, all_turns, turns

_said: set[str] = set()  # each sentence is said once


def __getattr__(name: str) -> Any:
    """The learner's version of a turn's function or class, or the course's."""
    for turn in all_turns():
        if turn.name == name:
            return _version(turn)
    raise AttributeError(f"mine has no {name!r}; it has {', '.join(turn.name for turn in all_turns())}")


def __dir__() -> list[str]:
    return ["report", *(turn.name for turn in all_turns())]


def _version(turn: Turn) -> Any:
    loaded = load(turn.topic)
    if turn.id in loaded.troubles:
        sentence = f"Your `{turn.name}` {loaded.troubles[turn.id]}. The course's version is used instead."
        if sentence not in _said:
            print(sentence, file=sys.stderr)
            _said.add(sentence)
    return loaded.yours.get(turn.id, turn.course)


def report() -> None:
    """Print which parts are the learner's and which are the course's, lesson by lesson."""
    for number, topic in TOPICS.items():
        loaded, asked = load(topic), turns(number)
        print(f"Lesson {number}: {len(loaded.yours)} of {len(asked)} parts are yours.")
        for turn in asked:
            whose = "yours" if turn.id in loaded.yours else "the course's"
            trouble = f"; yours {loaded.troubles[turn.id]}" if turn.id in loaded.troubles else ""
            print(f"  {turn.name:20} {whose}{trouble}")
