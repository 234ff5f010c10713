"""The answers on file for the turns: unusual right ones and strangers' wrong ones, each in a class of its own.

The name of the class says what is unusual; the answer inside has the name that the turn asks for. Those in scored/ were
written from the lessons' text alone, and no check was changed for them.
"""

import functools
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minillm.course.learner.source import source_of
from minillm.course.learner.trial import Verdict, try_out
from minillm.course.turns import find

FOLDER = Path(__file__).parent / "turns"


@dataclass(frozen=True)
class Filed:
    turn: str
    holder: type
    sentence: str | None  # a part of what must be said; None for a right answer, "" where no mistake is known

    @property
    def thing(self) -> Any:
        return vars(self.holder)[find(self.turn).name]

    def __str__(self) -> str:
        return f"{self.turn} {self.holder.__name__}"

    @functools.cached_property
    def verdict(self) -> Verdict:
        """What a learner is told, without a box."""
        return try_out(find(self.turn), self.thing, source_of(self.thing))


FILED: list[Filed] = []


def wrong(turn: str, sentence: str) -> Callable[[type], type]:
    return _file(turn, sentence)


def right(turn: str) -> Callable[[type], type]:
    return _file(turn, None)


def _file(turn: str, sentence: str | None) -> Callable[[type], type]:
    def decorate(holder: type) -> type:
        FILED.append(Filed(turn, holder, sentence))
        return holder

    return decorate


@functools.cache
def load_all() -> tuple[Filed, ...]:
    """Every answer on file."""
    FILED.clear()  # pytest imports some of them by itself
    for path in sorted(FOLDER.glob("*/*.py")):
        specification = importlib.util.spec_from_file_location(f"turns_{path.parent.name}_{path.stem}", path)
        module = importlib.util.module_from_spec(specification)
        sys.modules[specification.name] = module
        specification.loader.exec_module(module)
    return tuple(FILED)
