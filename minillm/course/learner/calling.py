"""Call what a learner wrote in the learner's own process: for a limited time, and so that no later cell notices."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import torch

from minillm.course.checks.asking import Call, OutOfTime, Reply, ask
from minillm.course.checks.probe import Answer
from minillm.course.checks.time_limit import time_limit
from minillm.course.learner.source import globals_of
from minillm.course.learner.turn import Turn

SECONDS = 5.0  # of computing, for all calls together; a right answer takes a hundredth of that


class Late(Exception):
    """The learner's function has used up its time."""

    def __init__(self, call: Call):
        super().__init__()
        self.call = call


class Asked:
    """Asks the learner's function, for `SECONDS` of computing in all."""

    def __init__(self, file: str | None):
        self.file = file  # which holds the function, for messages
        self.left = SECONDS
        self.returned: Any = None  # by the last call; a reply holds a copy in plain types

    def __call__(self, answer: Answer, call: Call, turn: Turn | None = None) -> Reply:
        """The reply to one call; raises `Late`. What the turn forbids is only looked for if it is given."""

        values: list[Any] = []  # the first one counts: `ask` may call again, with what is kept made new

        def noted(*arguments: Any) -> Any:
            values.append(answer(*arguments))
            return values[-1]

        forbidden, fresh = (turn.forbidden, turn.fresh) if turn else ((), False)
        with self.limit(call):
            reply = ask(noted, [call], forbidden, fresh, self.file, behind=answer)[0]
        self.returned = values[0] if values else None
        return reply

    @contextmanager
    def limit(self, call: Call) -> Iterator[None]:
        """Let the body compute for as long as is left; raises `Late`."""
        began = time.thread_time()
        try:
            with time_limit(max(self.left, 0.001)):
                yield
        except OutOfTime:
            raise Late(call) from None
        finally:
            self.left -= time.thread_time() - began


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """Leave the generators of torch and Python as they were, so that a trial changes no later cell."""
    state = random.getstate()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(state)


@contextmanager
def bound(turn: Turn, thing: Any) -> Iterator[None]:
    """Let the turn's name mean what was written, as it will below the cell: the stand-in must not do its work."""
    names = globals_of(thing) if isinstance(thing, FunctionType | type) else {}
    missing = object()
    before = names.get(turn.name, missing)
    names[turn.name] = thing
    try:
        yield
    finally:
        if before is missing:
            del names[turn.name]
        else:
            names[turn.name] = before
