"""Questions of an assignment: the right answer, probes, and known mistakes.

A mistake is a function, too: it computes what an answer returns that, for example, forgets to divide by sqrt(D). So a
wrong answer is not only rejected but recognized. A question is defined from top to bottom, with each mistake's function
below its sentence:

>>> def double(number):
...     return 2 * number
>>> question = Question("99.1", "Twice as much", double)
>>> positive = question.probe("positive numbers", lambda rng: [(1,), (rng.randint(3, 9),)])
>>> @positive.mistake("The number is squared.", "Twice is a sum of two, and not a product of two.")
... def _squared(number):
...     return number**2
>>> [(mistake.sentence, mistake.answer(3)) for probe in question.probes for mistake in probe.mistakes]
[('The number is squared.', 9)]

All code here is trusted; it sees only the replies of an answer (`asking`).
"""

import inspect
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

from torch import Tensor

from minillm.course.checks.asking import Call, Reply
from minillm.course.checks.facts import fact
from minillm.course.checks.plain import MAX_WIDTH, SHAPE, as_tensor, difference, plain, show

MAX_DRAWS = 1000  # attempts to draw inputs on which all mistakes differ
DEFAULT_HINT = "Open the next hint of the question, and try your function on this very input."

Answer = Callable[..., Any]  # a function like the one that a learner writes
Draw = Callable[[random.Random], list[Call]]
Explain = Callable[[list[Call], list[Any], list[Any]], tuple[str, str] | None]  # a sentence and a hint, or None


@dataclass(frozen=True)
class Mistake:
    """A misconception: a sentence that names it, a hint, and an answer that makes it."""

    sentence: str
    hint: str
    answer: Answer


@dataclass(frozen=True)
class Failure:
    """Why a probe failed: the misconception, the input and output, and the next hint."""

    sentence: str
    seen: str
    hint: str
    example: Call  # the arguments, to try the function on


@dataclass(eq=False)
class Probe:
    """One test of an answer, for one point.

    `draw` makes the arguments of several calls, the smallest input first, because the learner sees it if it fails.
    `right` is the right answer. `otherwise(calls, right, got)` may explain a wrong answer that matches no mistake, and
    returns None if it cannot. The failure of a `private` probe is shown only to the teacher.
    """

    name: str
    draw: Draw
    right: Answer
    mistakes: list[Mistake] = field(default_factory=list)
    otherwise: Explain | None = None
    private: bool = False
    dtypes: bool = False  # whether tensors must also have the right dtype
    kinds: Sequence[str] = ()  # of input, one for each call that `draw` makes: "padding in front"

    def mistake(self, sentence: str, hint: str, answer: Answer | None = None) -> Callable[[Answer], Answer]:
        """Add a mistake, as a decorator of its function or with the function as `answer`."""

        def add(answer: Answer) -> Answer:
            self.mistakes.append(Mistake(sentence, hint, answer))
            return answer

        return add if answer is None else add(answer)

    def calls(self, rng: random.Random) -> list[Call]:
        """Draw inputs on which the right answer and all mistakes give different results."""
        answers = [self.right, *(mistake.answer for mistake in self.mistakes)]
        for _ in range(MAX_DRAWS):
            calls = self.draw(rng)
            results = [_outputs(answer, calls) for answer in answers]
            if all(_differs(result, other) for index, result in enumerate(results) for other in results[:index]):
                if self.kinds and len(self.kinds) != len(calls):
                    raise AssertionError(f"probe {self.name!r} draws {len(calls)} calls of {len(self.kinds)} kinds")
                return calls
        raise AssertionError(f"probe {self.name!r} draws no input that tells its mistakes apart; draw larger ones")

    def grade(self, function: str, calls: list[Call], replies: Sequence[Reply]) -> Failure | None:
        """Compare the replies to these calls with the right ones; None if all are right.

        `function` is the name of the learner's function, for the message.
        """
        troubled = [pair for pair in zip(calls, replies, strict=True) if pair[1].trouble is not None]
        for call, reply in troubled:
            if reply.value is None:  # otherwise grade the value first
                return _call_failure(function, call, reply)
        got = [reply.value for reply in replies]
        right = _outputs(self.right, calls)
        differences = [difference(wanted, gave) for wanted, gave in zip(right, got, strict=True)]
        if self.dtypes and not any(differences):
            differences = [_other_dtype(wanted, gave) for wanted, gave in zip(right, got, strict=True)]
        wrong = [index for index, text in enumerate(differences) if text]
        if not wrong:
            return _call_failure(function, *troubled[0]) if troubled else None
        first = wrong[0]
        gave, wanted, call = show(got[first]), show(right[first]), _typed_call(function, calls[first])
        seen = f"{call} gave {gave}; right is {wanted}."
        if SHAPE in wanted or len(gave) + len(wanted) > MAX_WIDTH:
            seen = f"in {call} the result {differences[first]}."
        for mistake in self.mistakes:
            if not _differs(_outputs(mistake.answer, calls), got):
                return Failure(mistake.sentence, seen, mistake.hint, plain(calls[first]))
        sentence, hint = (
            self._explanation(calls, right, got)
            or self._likeness(calls, right, got)
            or (f"The result {differences[first]}.", DEFAULT_HINT)
        )
        return Failure(sentence + self._which(wrong), seen, hint, plain(calls[first]))

    def _explanation(self, calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
        try:
            return self.otherwise(calls, right, got) if self.otherwise else None
        except Exception:  # unusual values, such as NaN, may break it; the answer is still wrong
            return None

    def _likeness(self, calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
        """What the wrong results have to do with the right ones, and the known mistake that explains most of them."""
        names = list(inspect.signature(self.right).parameters)
        found = fact(names, calls, right, got)
        closest = self._closest(calls, right, got)
        if closest is None:
            return None if found is None else (found, DEFAULT_HINT)
        sentence = f"In some cases, this is what happens: {closest.sentence}"
        return (sentence if found is None else f"{found} {sentence}"), closest.hint

    def _closest(self, calls: list[Call], right: list[Any], got: list[Any]) -> Mistake | None:
        """The known mistake that gives the same wrong results in the most cases, if it does so in any.

        A single number agrees by chance, so one such result does not count.
        """
        most, closest = 0, None
        for mistake in self.mistakes:
            agreeing = [
                wanted
                for result, wanted, gave in zip(_outputs(mistake.answer, calls), right, got, strict=True)
                if difference(result, gave) is None and difference(wanted, gave) is not None
            ]
            if len(agreeing) > most and (len(agreeing) > 1 or _has_several(agreeing[0])):
                most, closest = len(agreeing), mistake
        return closest

    def _which(self, wrong: list[int]) -> str:
        """For which kinds of input the result is wrong, and that it is right for the others."""
        failing = list(dict.fromkeys(self.kinds[index] for index in wrong)) if self.kinds else []
        fine = [kind for kind in dict.fromkeys(self.kinds) if kind not in failing]
        return f" It is wrong with {', '.join(failing)}; right with {', '.join(fine)}." if failing and fine else ""


@dataclass(frozen=True)
class Result:
    """The result of a check, as text (`print`) and as data (`to_dict`)."""

    question: str
    title: str
    points: int
    possible: int
    probes: tuple[str, ...]  # names of all probes; the first `points` passed
    failure: Failure | None

    @property
    def passed(self) -> bool:
        """Whether every probe was passed."""
        return self.failure is None

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON types, without the arguments of the example."""
        fields = asdict(self) | {"probes": list(self.probes), "passed": self.passed}
        if self.failure is not None:
            del fields["failure"]["example"]
        return fields

    def __str__(self) -> str:
        lines = [f"{self.question} {self.title}: {self.points} of {self.possible} points"]
        for index, name in enumerate(self.probes):
            word = "passed" if index < self.points else "FAILED" if index == self.points else "not tried"
            lines.append(f"  {word:10} {name}")
        if self.failure is not None:
            lines += ["", self.failure.sentence, f"Seen: {self.failure.seen}", f"Hint: {self.failure.hint}"]
        return "\n".join(lines)


@dataclass(eq=False)
class Question:
    """A graded question; its points are the probes before the first that fails."""

    id: str  # "04.2": assignment and number in it
    title: str
    right: Answer  # the right answer; the learner's function has the same name
    forbidden: tuple[str, ...] = ("minillm",)  # names that the answer must not call; see `asking.watched_call`
    fresh: bool = False  # whether the result must be a new object, even if it equals an argument
    probes: list[Probe] = field(default_factory=list)

    @property
    def function(self) -> str:
        """The name of the learner's function in the exercise."""
        return self.right.__name__

    def probe(
        self,
        name: str,
        draw: Draw,
        otherwise: Explain | None = None,
        same: Iterable[Mistake] = (),
        dtypes: bool = False,
        kinds: Sequence[str] = (),
    ) -> Probe:
        """Add a probe with the question's right answer and the mistakes in `same`."""
        self.probes.append(Probe(name, draw, self.right, list(same), otherwise, dtypes=dtypes, kinds=kinds))
        return self.probes[-1]

    @lru_cache(maxsize=64)  # noqa: B019 (grading needs them again; questions live as long as the program)
    def calls(self, seed: int) -> list[list[Call]]:
        """The inputs of every probe; they depend only on the seed."""
        return [probe.calls(random.Random(f"{self.id}/{probe.name}/{seed}")) for probe in self.probes]

    def grade(self, seed: int, replies: Sequence[Sequence[Reply]]) -> Result:
        """Grade the replies to `calls(seed)`, one sequence per probe.

        No code of the learner runs.
        """
        failure = None
        points = 0
        for probe, calls, answers in zip(self.probes, self.calls(seed), replies, strict=True):
            failure = probe.grade(self.function, calls, answers)
            if failure is not None:
                break
            points += 1
        names = tuple(probe.name for probe in self.probes)
        return Result(self.id, self.title, points, len(self.probes), names, failure)


def _call_failure(function: str, call: Call, reply: Reply) -> Failure:
    sentence = f"{function} {reply.trouble}" + ("" if str(reply.trouble).endswith("?") else ".")
    return Failure(sentence, f"{_typed_call(function, call)}.", DEFAULT_HINT, plain(call))


def _other_dtype(right: Any, got: Any) -> str | None:
    """A wrong dtype in a result that has the right values: of a tensor, or of the first one in a dictionary."""
    if type(right) is Tensor:
        kind = f"a tensor of {got.dtype}" if type(got) is Tensor else f"of type {type(got).__name__}"
        return None if kind == f"a tensor of {right.dtype}" else f"is {kind} in place of {right.dtype}"
    for name, tensor in right.items():
        if type(got[name]) is not Tensor or got[name].dtype != tensor.dtype:
            return f"has no tensor of {tensor.dtype} at [{name!r}]"
    return None


def _outputs(answer: Answer, calls: Sequence[Call]) -> list[Any]:
    return [answer(*call) for call in calls]


def _has_several(result: Any) -> bool:
    tensor = as_tensor(result)
    return tensor is not None and tensor.numel() > 1


def _differs(results: list[Any], others: list[Any]) -> bool:
    return any(difference(result, other) is not None for result, other in zip(results, others, strict=True))


def _typed_call(function: str, call: Call) -> str:
    """Format a call as you would type it, with large tensors as their shapes.

    In a long call, all tensors are shown as their shapes.
    """
    typed = ", ".join(map(show, call))
    if len(typed) > 2 * MAX_WIDTH:
        typed = ", ".join(show(argument, numbers=0) for argument in call)
    return f"{function}({typed})"
