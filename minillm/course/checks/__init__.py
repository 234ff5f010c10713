"""The checks of the exercises: what a learner's answer is held against, and what it is told.

A question (`question`) is a ladder of probes. A probe draws inputs from a seed; the answer is asked (`asking`), and
what it replies is copied into plain data (`plain`) before anybody looks at it. Then trusted code compares. A grader
uses the same three steps, with the middle one in a sandbox:

    question = find("04.1")
    replies = [ask(answer, calls, question.forbidden, question.fresh) for calls in question.calls(seed)]
    result = question.grade(seed, replies)

Each assignment has a package of its own, and in it a module for each question, which it holds as `question`.
"""

import pkgutil
from importlib import import_module
from typing import Any

from minillm.course.checks.asking import OutOfTime, Reply, ask
from minillm.course.checks.question import Question, Result
from minillm.course.checks.time_limit import SECONDS, time_limit
from minillm.course.contents import ASSIGNMENTS
from minillm.course.learner.box import Box, Code, Fold, show
from minillm.errors import UserError


def check(id: str, answer: Any, seed: int = 0) -> Result:
    """Hold an answer against its question; shows points, what was seen and the next hint, and returns all of that.

    `answer` is the function itself. Another `seed` draws other inputs. `.points` of the result, as the last line of a
    notebook's cell, is what nbgrader takes for partial credit. An answer that takes longer than 30 seconds for a
    probe is stopped, where that is possible (`time_limit`). Raises `UserError` for a question that there is not.

    >>> check("01.4", len).points  # which is no answer
    01.4 Stream text without broken characters: 0 of 3 points
      FAILED     pieces of whole characters
      not tried  a character in two pieces
      not tried  byte by byte, and an end that never comes
    <BLANKLINE>
    The result is 0 in place of [].
    Seen: show([]) gave 0; right is [].
    Hint: Open the next hint of the question, and try your function on this very input.
    0
    """
    question = find(id)
    result = question.grade(seed, _replies(question, answer, seed))
    show(_box(result))
    return result


def _box(result: Result) -> Box:
    """What a notebook shows of a result: the mistake and a hint, with the numbers folded."""
    title, failure = str(result).partition("\n")[0], result.failure
    ladder = {name: word for word, name in result.ladder()}
    if failure is None:
        return Box(title, "right", (ladder,), str(result))
    state = "not written yet" if failure.sentence.endswith("is not written yet.") else "not right yet"
    body = (failure.sentence, ladder, Fold("What was seen", (Code(failure.seen),)), f"Hint: {failure.hint}")
    return Box(title, state, body, str(result))


def _replies(question: Question, answer: Any, seed: int) -> list[list[Reply]]:
    """What an answer replies, probe by probe; once it was stopped, it is not asked any more."""
    probes, replies = question.calls(seed), []
    try:
        for calls in probes:
            with time_limit(SECONDS):
                replies.append(ask(answer, calls, question.forbidden, question.fresh))
    except OutOfTime:
        pass
    return replies + [[stopped()] * len(calls) for calls in probes[len(replies) :]]


def stopped() -> Reply:
    """The reply of an answer that took too long.

    >>> stopped().trouble
    'took longer than 30 seconds; does a loop in it never end, or does it try too many ways?'
    """
    ways = "does a loop in it never end, or does it try too many ways?"
    return Reply(trouble=f"took longer than {SECONDS:.0f} seconds; {ways}")


def find(id: str) -> Question:
    """The question with this id; raises `UserError` with those that there are.

    >>> find("01.2").function
    'merge'
    """
    for question in questions(id.split(".")[0]):
        if question.id == id:
            return question
    known = ", ".join(question.id for number in ASSIGNMENTS for question in questions(number))
    raise UserError(f"no question is called {id!r}; there are {known}")


def questions(number: str) -> tuple[Question, ...]:
    """The questions of an assignment in their order; none for a number that has no assignment."""
    if number not in ASSIGNMENTS:
        return ()
    package = import_module(f"{__name__}.{ASSIGNMENTS[number]}")
    modules = [import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__)]
    found = [module.question for module in modules if hasattr(module, "question")]
    return tuple(sorted(found, key=lambda question: question.id))
