"""The answers on file, right ones and wrong ones, and what each of them is told.

Those of a lesson are in `tests/lessons/<topic>/answers.py`, chosen by `tools/choose_answers.py`; all others are in the
archive (`archive`). An answer to a turn ("04.attention") stands in a class, since its own name is the one that the turn
asks for; an answer to a question of an exercise ("04.2") is a function. The name of the class or function says what is
odd about it.
"""

import functools
import linecache
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from minillm.course.checks import SECONDS, ask, stopped
from minillm.course.checks import find as find_question
from minillm.course.checks.asking import OutOfTime
from minillm.course.checks.probe import DEFAULT_HINT
from minillm.course.checks.question import Question
from minillm.course.checks.time_limit import time_limit
from minillm.course.learner.source import source_of
from minillm.course.learner.trial import UNKNOWN, Verdict, try_out
from minillm.course.turns import find as find_turn

LESSONS = Path(__file__).resolve().parents[1] / "lessons"
SEEDS = (0, 7)  # of several draws each; learners see the first
SILENT = "The result "  # how a reply begins that names nothing and explains nothing


@dataclass(frozen=True)
class Told:
    """What an answer is told; a right one nothing, but for the name of a library's function that does all its work."""

    right: bool
    sentence: str = ""
    advice: str = ""
    ready_made: str = ""

    def __str__(self) -> str:
        return f"ready-made: {self.ready_made}" if self.ready_made else f"{self.sentence} {self.advice}".strip()


@dataclass(frozen=True)
class Answer:
    """An answer on file; `sentence` is a part of what it must be told, None for a right one."""

    id: str
    holder: Any
    sentence: str | None

    @property
    def name(self) -> str:
        return self.holder.__name__

    @property
    def lesson(self) -> str:
        return self.id.partition(".")[0]

    @property
    def thing(self) -> Any:
        """The function or class that a learner would have written."""
        return vars(self.holder)[find_turn(self.id).name] if is_turn(self.id) else self.holder

    @property
    def is_right(self) -> bool:
        return self.sentence is None

    @functools.cached_property
    def verdict(self) -> Verdict:
        """What a learner is told by a turn, without a box."""
        return try_out(find_turn(self.id), self.thing, source_of(self.thing))

    @functools.cached_property
    def told(self) -> tuple[Told, ...]:
        """What a learner is told: by a turn, or by a question with each seed."""
        if is_turn(self.id):
            said = self.verdict
            return (Told(said.state == "right", said.sentence, said.advice, said.ready_made),)
        failures = [judged(self.id, self.thing, seed).failure for seed in SEEDS]
        return tuple(Told(True) if found is None else Told(False, found.sentence, found.hint) for found in failures)

    def __str__(self) -> str:
        return f"{self.id} {self.name}"


def is_turn(id: str) -> bool:
    """Whether this is the id of a turn: "04.attention", where a question's is "04.2"."""
    return not id.partition(".")[2].isdigit()


def find(id: str) -> Question:
    """The turn or the question."""
    return find_turn(id) if is_turn(id) else find_question(id)


@functools.cache
def judged(id: str, function: object, seed: int) -> Any:
    """What a grader would find."""
    question = find_question(id)

    def in_time(calls: list) -> list:
        try:
            with time_limit(SECONDS):
                return ask(function, calls, question.forbidden, question.fresh)
        except OutOfTime:
            return [stopped()] * len(calls)

    return question.grade(seed, map(in_time, question.calls(seed)))  # asks no more than it looks at


def kind(id: str, told: Told) -> str:
    """How a reply says what it says.

    "named" is a known mistake's own sentence, "in part" holds one, "error" tells one that Python raised, "explained"
    says something else of the result, and "place" only where it differs.
    """
    if told.right:
        return "ready-made" if told.ready_made else "right"
    known = mistakes_of(id)
    if told.sentence in known:
        return "named"
    if any(sentence in told.sentence for sentence in known):
        return "in part"
    if told.sentence.lstrip("`").startswith(find(id).right.__name__) or "raised" in told.sentence:
        return "error"
    silent = told.sentence.startswith(SILENT) and told.advice in (UNKNOWN, DEFAULT_HINT)
    return "place" if silent else "explained"


@functools.cache
def mistakes_of(id: str) -> frozenset[str]:
    """The sentences of all known mistakes of a turn or a question."""
    return frozenset(mistake.sentence for probe in find(id).probes for mistake in probe.mistakes)


FILED: list[Answer] = []


def wrong(id: str, sentence: str) -> Callable[[Any], Any]:
    """Put an answer on file that must be rejected and told a sentence that holds these words."""
    return _file(id, sentence)


def right(id: str) -> Callable[[Any], Any]:
    """Put a right answer on file, written in an unusual way."""
    return _file(id, None)


def _file(id: str, sentence: str | None) -> Callable[[Any], Any]:
    def decorate(holder: Any) -> Any:
        FILED.append(Answer(id, holder, sentence))
        return holder

    return decorate


def load(source: str, file: str) -> tuple[Answer, ...]:
    """The answers that a program puts on file; `file` is where its lines are found for messages."""
    FILED.clear()  # pytest may have imported some of them by itself
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module = sys.modules[file] = ModuleType(file)
    vars(module)["__file__"] = file
    exec(compile(source, file, "exec"), vars(module))
    return tuple(FILED)


@functools.cache
def on_file() -> tuple[Answer, ...]:
    """The answers on file of all lessons."""
    paths = sorted(LESSONS.glob("*/answers.py"))
    return tuple(answer for path in paths for answer in load(path.read_text(encoding="utf-8"), str(path)))
