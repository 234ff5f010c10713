"""The answers on file: wrong ones that a check must reject by name, and unusual right ones that it must accept.

They are in tests/exercises/wrong/NN_topic.py, one file an assignment, each under `@wrong` or `@right`. As a script this
prints the kill rate, for exercises/README.md:

    python tests/answers.py
"""

import functools
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from minillm.course.checks import ask, find
from minillm.course.checks.question import Result

FOLDER = Path(__file__).parent / "exercises" / "wrong"
SEEDS = (0, 1, 7, 123)


@dataclass(frozen=True)
class Answer:
    question: str
    function: Callable
    mistake: str | None  # a part of the sentence that names it; None for a right answer

    def __str__(self) -> str:
        return f"{self.question} {self.function.__name__}"


ANSWERS: list[Answer] = []


def wrong(question: str, mistake: str) -> Callable[[Callable], Callable]:
    """Put a function on file as a wrong answer, to be rejected with a sentence that holds `mistake`."""
    return _file(question, mistake)


def right(question: str) -> Callable[[Callable], Callable]:
    """Put a function on file as a right answer, written in an unusual way."""
    return _file(question, None)


def _file(question: str, mistake: str | None) -> Callable[[Callable], Callable]:
    def decorate(function: Callable) -> Callable:
        ANSWERS.append(Answer(question, function, mistake))
        return function

    return decorate


@functools.cache
def judged(id: str, function: object, seed: int) -> Result:
    """What a grader would find."""
    question = find(id)
    replies = [ask(function, calls, question.forbidden, question.fresh) for calls in question.calls(seed)]
    return question.grade(seed, replies)


@functools.cache
def load_all() -> tuple[Answer, ...]:
    """Every answer on file."""
    sys.modules.setdefault("answers", sys.modules[__name__])  # so that they file here when this is the script
    ANSWERS.clear()  # pytest imports some of them by itself
    for path in sorted(FOLDER.glob("*.py")):
        specification = importlib.util.spec_from_file_location(f"wrong_{path.stem}", path)
        specification.loader.exec_module(importlib.util.module_from_spec(specification))
    return tuple(ANSWERS)


def kill_rate() -> str:
    """How many of the answers on file the checks judge rightly, as a sentence."""
    answers = load_all()
    rejected = [answer for answer in answers if answer.mistake]
    accepted = [answer for answer in answers if not answer.mistake]
    killed = sum(_named(answer) for answer in rejected)
    passed = sum(all(judged(a.question, a.function, seed).passed for seed in SEEDS) for a in accepted)
    questions = {answer.question for answer in answers}
    return (
        f"{len(questions)} questions: {killed} of {len(rejected)} wrong answers are rejected and their mistake named, "
        f"{passed} of {len(accepted)} unusual right ones accepted, each with {len(SEEDS)} seeds"
    )


def _named(answer: Answer) -> bool:
    results = [judged(answer.question, answer.function, seed) for seed in SEEDS]
    return all(result.failure is not None and answer.mistake in result.failure.sentence for result in results)


if __name__ == "__main__":
    print(kill_rate())
