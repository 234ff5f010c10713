"""A turn: a function or a small module that a lesson asks its learner to write.

A turn is a question (`checks.question`), so it has probes and known mistakes, and `asking` calls the answer. It adds
hints and the course's own version, which is the right answer of the probes, stands in until the learner's passes, and
is the solution that the lesson folds away:

>>> def double(number):
...     return 2 * number
>>> turn = Turn("99.double", "Twice as much", double, hints=("Twice is a sum.", "Of two.", "number + number"))
>>> positive = turn.probe("positive numbers", lambda rng: [(1,), (rng.randint(3, 9),)])
>>> turn.name, turn.answer(double)(4)
('double', 8)

A class of `nn.Module` is probed with calls of the form (sizes, weights, *inputs): it is made with the sizes, gets the
weights by their names, and is called with the inputs.
"""

import ast
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from minillm.course.checks import plain
from minillm.course.checks.asking import Call
from minillm.course.checks.question import Answer, Question
from minillm.course.learner.fingerprint import fingerprint


@dataclass(frozen=True)
class Debrief:
    """What a learner reads after a right answer, below the course's version."""

    production: str  # what production code does instead, in a sentence or two
    why: str  # a question about the answer that nobody checks


@dataclass(eq=False)
class Turn(Question):
    """A question that is asked in a lesson; `right` is the course's version, a function or a class of `nn.Module`."""

    forbidden: tuple[str, ...] = ()  # a turn may call anything, such as the turns before it
    minutes: int = 10  # that it takes somebody who has read the page
    difficulty: int = 2  # 1 to 5
    hints: tuple[str, ...] = ()  # a question first, and never the solution
    ready_made: tuple[str, ...] = ()  # functions of a library that would do all of it: accepted, but not as written
    debrief: Debrief | None = None
    errors: dict[str, str] = field(default_factory=dict)  # advice, by a pattern that an error matches
    given: tuple[str, ...] = ()  # packages whose objects are handed over: calling them isn't borrowing
    constants: tuple[str, ...] = ()  # arguments through which nothing is learned; an answer may detach them
    long_call: Call | None = None  # begins with a long list, whose items an answer may not take up once per item
    slow: tuple[str, str] | None = None  # what is said then, and the advice, where the usual sentences do not fit
    called: Callable[[Any], Answer] | None = None  # how probes call it, where an argument is not plain: a function

    def __post_init__(self) -> None:
        self.course: Any = self.right  # what stands in for the learner's
        self.right = self.answer(self.course)

    @property
    def name(self) -> str:
        """The name of the function or class."""
        return self.course.__name__

    @property
    def topic(self) -> str:
        """The name of the package that the turn stands in, and of the file that keeps the learner's version."""
        return self.course.__module__.split(".")[-2]

    @property
    def decorator(self) -> str:
        """The line above the stub in the lesson."""
        return f'@your_turn("{self.id}", minutes={self.minutes}, difficulty={self.difficulty})'

    @property
    def is_module(self) -> bool:
        """Whether the turn asks for a class of `nn.Module`."""
        return isinstance(self.course, type)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the arguments; of a class, those that its `forward` takes."""
        function = self.course.forward if self.is_module else self.course
        return tuple(name for name in inspect.signature(function).parameters if name != "self")

    @property
    def sizes(self) -> tuple[str, ...]:
        """The names of what a class is made with; none for a function."""
        return tuple(inspect.signature(self.course).parameters) if self.is_module else ()

    def advice(self, trouble: str) -> str:
        """What helps against an error that the learner's code raised; empty if nothing is known of it."""
        return next((advice for pattern, advice in self.errors.items() if re.search(pattern, trouble)), "")

    def answer(self, thing: Any) -> Answer:
        """A function or class, as the function that the probes call."""
        if self.called is not None:
            return self.called(thing)
        return _module_answer(thing) if isinstance(thing, type) else thing

    @cached_property
    def solution(self) -> str:
        """The source of the course's version, for the folded block of the lesson."""
        return inspect.getsource(self.course)

    @cached_property
    def stub(self) -> str:
        """The solution with `...` as the body to be written: all of a function, or `forward` of a class."""
        lines, tree = self.solution.splitlines(), ast.parse(self.solution)
        wanted = "forward" if self.is_module else self.name
        (function,) = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == wanted)
        first = function.body[0]
        last = first.end_lineno if ast.get_docstring(function) else first.lineno - 1
        return "\n".join([*lines[:last], " " * first.col_offset + "...", *lines[function.end_lineno :]]) + "\n"

    def fingerprint(self, source: str) -> str:
        """A hash of this source and of the check: if it is the same, what passed once still passes."""
        return fingerprint(Path(inspect.getfile(self.course)).parent, source)


def _module_answer(make: Callable[..., nn.Module]) -> Answer:
    """A class of `nn.Module` as a function of its sizes, its weights by name, and its inputs."""

    def answer(sizes: tuple, weights: dict[str, Tensor], *inputs: Any) -> Any:
        return functional_call(make(*sizes), weights, inputs, strict=True)

    answer.__name__ = make.__name__
    return answer


def gradients(answer: Answer, constants: Sequence[int] = ()) -> Answer:
    """The gradients of an answer's squared sum, by the path of the input: (0,), or (1, "query.weight").

    The arguments at the positions in `constants` get none: an answer may take them out of torch.

    >>> gradients(lambda x, y: x * 3)(torch.ones(1), torch.ones(1))
    {(0,): tensor([18.]), (1,): None}
    """

    def differentiate(*call: Any) -> dict[tuple, Tensor | None]:
        call = plain.plain(call)
        leaves = {path: tensor for path, tensor in _floats(call, ()) if path[0] not in constants}
        with torch.enable_grad():
            for tensor in leaves.values():
                tensor.requires_grad_()
            out = answer(*call)
            if type(out) is Tensor and out.requires_grad:
                out.square().sum().backward()
        return {path: tensor.grad for path, tensor in leaves.items()}

    return differentiate


def _floats(value: Any, path: tuple) -> list[tuple[tuple, Tensor]]:
    if type(value) is Tensor:
        return [(path, value)] if value.is_floating_point() else []
    items = value.items() if type(value) is dict else enumerate(value) if type(value) in (list, tuple) else ()
    return [found for key, item in items for found in _floats(item, (*path, key))]
