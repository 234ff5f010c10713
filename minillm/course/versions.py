"""Whose version of a part is used: the learner's, if it is saved and passes, or else the course's."""

import sys
from types import BuiltinFunctionType
from typing import Any

from minillm.course.contents import TOPICS
from minillm.course.learner.loading import load
from minillm.course.learner.turn import Turn
from minillm.course.turns import all_turns, turns

_said: set[str] = set()  # each sentence is said once


def turn_of(name: str) -> Turn | None:
    """The turn that asks for a function or class of this name; None if none does."""
    return next((turn for turn in all_turns() if turn.name == name), None)


def version(turn: Turn) -> Any:
    """The learner's version of what a turn asks for, or the course's; one that is damaged is told on stderr."""
    loaded = load(turn.topic)
    if turn.id in loaded.troubles:
        sentence = f"Your `{turn.name}` {loaded.troubles[turn.id]}. The course's version is used instead."
        if sentence not in _said:
            print(sentence, file=sys.stderr)
            _said.add(sentence)
    return loaded.yours.get(turn.id, turn.course)


def is_yours(turn: Turn) -> bool:
    """Whether the workbook keeps a version of the learner's that passes."""
    return turn.id in load(turn.topic).yours


def origin(function: Any) -> str:
    """Where a function comes from: "yours" (saved in the workbook), "this page", "the course's", or another package's.

    >>> import torch
    >>> from minillm.course.turns.attention import attention
    >>> origin(attention), origin(torch.nn.functional.scaled_dot_product_attention)
    ("the course's", "torch's")
    """
    package, _, topic = (getattr(function, "__module__", None) or "").partition(".")
    if package == "mine" and topic in TOPICS.values():
        return "yours"
    if package == "minillm":
        return "the course's"
    return "torch's" if package == "torch" or isinstance(function, BuiltinFunctionType) else "this page"


def report() -> None:
    """Print which parts are the learner's and which are the course's, lesson by lesson."""
    for number, topic in TOPICS.items():
        loaded, asked = load(topic), turns(number)
        print(f"Lesson {number}: {len(loaded.yours)} of {len(asked)} parts are yours.")
        for turn in asked:
            whose = "yours" if turn.id in loaded.yours else "the course's"
            trouble = f"; yours {loaded.troubles[turn.id]}" if turn.id in loaded.troubles else ""
            print(f"  {turn.name:20} {whose}{trouble}")
