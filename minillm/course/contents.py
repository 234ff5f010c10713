"""What the course asks, without the code that checks it, so that a list of it needs no torch.

`contents.json` holds the questions and turns. `tools/build_contents.py` writes it from the checks and turns themselves.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from minillm.errors import UserError

FILE = Path(__file__).with_name("contents.json")
ASSIGNMENTS = {  # number: topic, and package in `minillm.course.checks`
    "00a": "tensors",
    "00b": "learning",
    "01": "tokenizer",
    "02": "embeddings",
    "03": "positional_encoding",
    "04": "attention",
    "05": "feed_forward",
    "06": "transformer",
    "07": "sampling",
    "08": "pretraining",
    "09": "sft",
    "10": "rlhf",
    "10b": "ppo",
    "11": "preference_optimization",
    "11a": "reasoning",
    "12": "inference_engine",
    "13": "scaling",
    "14": "your_assistant",
}
TOPICS = {
    "00": "the_map",
    "00a": "tensors",
    "00b": "learning",
    "01": "tokenizer",
    "02": "embeddings",
    "03": "positional_encoding",
    "04": "attention",
    "05": "feed_forward",
    "06": "transformer",
    "07": "sampling",
    "08": "pretraining",
    "09": "sft",
    "10": "reward_models",
    "10b": "ppo",
    "11": "preference_optimization",
    "11a": "reasoning",
    "12": "inference_engine",
    "13": "scaling",
    "14": "your_assistant",
}  # number of a lesson: package in `minillm.course.turns`
CHECK_CELL = re.compile(r'^check\("([\w.]+)", (\w+)\)\.points$')  # in a notebook: what it checks, and which function


@dataclass(frozen=True)
class ListedQuestion:
    """A graded question of an exercise; `minillm.course.checks.find` gives the question itself."""

    id: str
    title: str
    function: str  # the name of the learner's function
    points: int


@dataclass(frozen=True)
class ListedTurn:
    """A turn of a lesson; `minillm.course.turns.find` gives the turn itself."""

    id: str
    title: str
    name: str  # of the learner's function or class
    topic: str


def listed_questions(number: str) -> tuple[ListedQuestion, ...]:
    """The questions of an assignment in their order; none for a number that has no assignment.

    >>> [(question.id, question.points) for question in listed_questions("04")]
    [('04.1', 2), ('04.2', 2), ('04.3', 3), ('04.4', 3)]
    """
    return tuple(ListedQuestion(**row) for row in _contents()["questions"] if _number(row) == number)


def listed_turns(number: str | None = None) -> tuple[ListedTurn, ...]:
    """The turns of a lesson in their order, or of all lessons.

    >>> [turn.name for turn in listed_turns("04")]
    ['causal_mask', 'attention', 'MultiHead', 'grouped_attention']
    """
    return tuple(ListedTurn(**row) for row in _contents()["turns"] if number in (None, _number(row)))


def find_turn(id: str) -> ListedTurn:
    """The turn with this id; raises `UserError` with those that there are."""
    turns = listed_turns()
    if found := [turn for turn in turns if turn.id == id]:
        return found[0]
    raise UserError(f"no turn is called {id!r}; there are {', '.join(turn.id for turn in turns)}")


@cache
def _contents() -> dict[str, list[dict[str, Any]]]:
    return json.loads(FILE.read_text(encoding="utf-8"))


def _number(row: dict[str, Any]) -> str:
    return row["id"].partition(".")[0]
