"""Puzzles: a spec in loops, an answer in one expression, in the spirit of Sasha Rush's Tensor Puzzles.

A puzzle is a small turn, so it is judged at once, on many inputs, and a wrong answer is told its mistake and the
smallest case. What passes is counted while the kernel runs, and saved nowhere. `minillm.course.puzzles` holds them.
"""

import dis
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from minillm.course.learner.box import Box, Fold, Hints, Part, show
from minillm.course.learner.trial import UNKNOWN, UNWRITTEN, Verdict, try_out
from minillm.course.learner.turn import Turn
from minillm.errors import UserError

_solved: set[str] = set()  # since the kernel started
_tried: dict[str, tuple] = {}  # by puzzle, the code that was tried last
_hints: dict[str, int] = {}  # by puzzle, how many were asked for by running its cell again


@dataclass(eq=False)
class Puzzle(Turn):
    """A turn whose answer is one expression; `spec` fills `out` in loops with what it must give."""

    spec: Callable[..., None] = lambda out: None

    @property
    def loops(self) -> str:
        """The body of the spec."""
        return inspect.cleandoc("\n" + inspect.getsource(self.spec).partition("\n")[2])

    @property
    def told(self) -> str:
        """The spec as the page shows it, with the call as a comment above."""
        return f"# {self.name}({', '.join(self.parameters)})\n{self.loops}"

    @property
    def stub(self) -> str:
        """The line in the lesson's cell that the answer goes into."""
        return f"{self.name}=lambda {', '.join(self.parameters)}: ...,"

    @property
    def solution(self) -> str:
        """The same line with the course's answer."""
        expression = inspect.getsource(self.course).partition("return ")[2]
        return self.stub.replace("...", re.sub(r"\s+", " ", expression).strip())


def judge(puzzles: dict[str, Puzzle], answers: dict[str, Any]) -> None:
    """Judge answers by the names of their puzzles, one box each. Raises `UserError` for a puzzle that there is not."""
    for name, answer in answers.items():
        if name not in puzzles:
            raise UserError(f"{name!r} names none of the puzzles: {', '.join(puzzles)}")
        show(box_of(puzzles[name], answer, len(puzzles)))


def box_of(puzzle: Puzzle, answer: Any, n: int, source: str | None = None) -> Box:
    """What is said of an answer to one of n puzzles; a hint more if the same was tried before.

    `source`, if given, tells a function that is not written yet.
    """
    answer = _under(puzzle.name, answer)
    verdict = UNWRITTEN if _is_unwritten(answer) else try_out(puzzle, answer, source)
    code = getattr(answer, "__code__", None)
    tried = (code.co_code, code.co_names, repr(code.co_consts)) if code else (repr(answer),)
    if verdict.state != "right" and _tried.get(puzzle.name) == tried:
        _hints[puzzle.name] = _hints.get(puzzle.name, 0) + 1
    _tried[puzzle.name] = tried
    return Box(f"Puzzle {puzzle.name}: {verdict.state}", verdict.state, tuple(_body(puzzle, verdict, n)))


def _body(puzzle: Puzzle, verdict: Verdict, n: int) -> list[Part]:
    hints = Hints(puzzle.hints, _hints.get(puzzle.name, 0))
    if verdict.state == "right":
        passed = f"Right, on all {verdict.checks} checks"
        if verdict.ready_made:
            return [f"{passed}, by torch's own `{verdict.ready_made.rpartition('.')[2]}`. And without it?"]
        _solved.add(puzzle.name)
        return [f"{passed}. Solved so far: {len(_solved)} of {n}."]
    if verdict.state == "not written yet":
        return [hints]
    advice = "" if verdict.advice == UNKNOWN else verdict.advice
    body: list[Part] = [" ".join(filter(None, [verdict.sentence, advice]))]
    return [*body, *([Fold("The smallest case", (verdict.case,), is_open=True)] if verdict.case else []), hints]


def _under(name: str, answer: Any) -> Any:
    """A function under another name; anything else stays as it is."""
    if isinstance(answer, FunctionType):
        return FunctionType(answer.__code__, answer.__globals__, name, answer.__defaults__, answer.__closure__)
    if isinstance(answer, type) or not callable(answer):
        return answer

    def call(*arguments: Any) -> Any:  # one of torch, which does not tell its parameters
        return answer(*arguments)

    call.__name__ = name
    return call


def _is_unwritten(answer: Any) -> bool:
    """Whether a lambda returns `...` and does nothing else."""
    code = getattr(answer, "__code__", None)
    steps = [*dis.get_instructions(code)] if code else []
    plain = {step.opname for step in steps} <= {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
    return bool(steps) and plain and ... in [step.argval for step in steps]
