"""A question of an assignment: the right answer, probes with inputs from a seed, and mistakes with their names.

A mistake is a function, too: what would come out if one forgot to divide by sqrt(D)? So a wrong answer is not only
rejected, it is recognized. A question is put together from top to bottom, each mistake's code beside its sentence:

>>> def double(number):
...     return 2 * number
>>> question = Question("99.1", "Twice as much", double)
>>> positive = question.probe("positive numbers", lambda rng: [(1,), (rng.randint(3, 9),)])
>>> @positive.mistake("The number is squared.", "Twice is a sum of two, and not a product of two.")
... def _squared(number):
...     return number**2
>>> [(mistake.sentence, mistake.answer(3)) for probe in question.probes for mistake in probe.mistakes]
[('The number is squared.', 9)]

All code here is trusted and sees nothing of an answer but its replies (`asking`).
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

from torch import Tensor

from minillm.course.checks.asking import Call, Reply
from minillm.course.checks.plain import SHAPE, WIDEST, difference, plain, show

DRAWS = 1000  # attempts at inputs on which no two mistakes look alike
LOOK_UP = "Open the next hint of the question, and try your function on this very input."

Answer = Callable[..., Any]  # a function like the one that a learner writes
Draw = Callable[[random.Random], list[Call]]
Explain = Callable[[list[Call], list[Any], list[Any]], tuple[str, str] | None]  # a sentence and a hint, if it has any


@dataclass(frozen=True)
class Mistake:
    """A misconception: the sentence that names it, the next hint, and an answer that has it."""

    sentence: str
    hint: str
    answer: Answer


@dataclass(frozen=True)
class Failure:
    """Why a probe was not passed: the misconception, what was seen for which input, the next hint."""

    sentence: str
    seen: str
    hint: str
    example: Call  # the arguments, to try the function on


@dataclass(eq=False)
class Probe:
    """One thing that is tried, worth one point.

    `draw` makes the arguments of several calls, the smallest input first, because that one is shown to the learner.
    `right` is the right answer. `otherwise(calls, right, got)` may name what no mistake explains; None if it cannot.
    What went wrong in a `private` probe is for the teacher alone.
    """

    name: str
    draw: Draw
    right: Answer
    mistakes: list[Mistake] = field(default_factory=list)
    otherwise: Explain | None = None
    private: bool = False
    dtypes: bool = False  # whether tensors must have the dtype of the right ones, too

    def mistake(self, sentence: str, hint: str, answer: Answer | None = None) -> Callable[[Answer], Answer]:
        """Add a mistake: as the decorator of a function that makes it, or with a short function as `answer`."""

        def add(answer: Answer) -> Answer:
            self.mistakes.append(Mistake(sentence, hint, answer))
            return answer

        return add if answer is None else add(answer)

    def calls(self, rng: random.Random) -> list[Call]:
        """Inputs on which the right answer and all mistakes differ from each other, so that each is recognized."""
        answers = [self.right, *(mistake.answer for mistake in self.mistakes)]
        for _ in range(DRAWS):
            calls = self.draw(rng)
            results = [_results(answer, calls) for answer in answers]
            if all(_differs(found, other) for place, found in enumerate(results) for other in results[:place]):
                return calls
        raise AssertionError(f"probe {self.name!r} draws no input that tells its mistakes apart; draw larger ones")

    def judge(self, function: str, calls: list[Call], replies: Sequence[Reply]) -> Failure | None:
        """The verdict on the replies to these calls; None if all are right. `function` is the name to show."""
        troubled = [pair for pair in zip(calls, replies, strict=True) if pair[1].trouble is not None]
        for call, reply in troubled:
            if reply.value is None:  # otherwise there is a value to be judged first
                return _troubled(function, call, reply)
        got = [reply.value for reply in replies]
        right = _results(self.right, calls)
        found = [difference(wanted, gave) for wanted, gave in zip(right, got, strict=True)]
        if self.dtypes and not any(found):
            found = [_other_dtype(wanted, gave) for wanted, gave in zip(right, got, strict=True)]
        wrong = [place for place, words in enumerate(found) if words]
        if not wrong:
            return _troubled(function, *troubled[0]) if troubled else None
        place = wrong[0]
        gave, wanted, call = show(got[place]), show(right[place]), _typed_call(function, calls[place])
        seen = f"{call} gave {gave}; right is {wanted}."
        if SHAPE in wanted or len(gave) + len(wanted) > WIDEST:
            seen = f"in {call} the result {found[place]}."
        for mistake in self.mistakes:
            if not _differs(_results(mistake.answer, calls), got):
                return Failure(mistake.sentence, seen, mistake.hint, plain(calls[place]))
        sentence, hint = self._explanation(calls, right, got) or (f"The result {found[place]}.", LOOK_UP)
        return Failure(sentence, seen, hint, plain(calls[place]))

    def _explanation(self, calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
        try:
            return self.otherwise(calls, right, got) if self.otherwise else None
        except Exception:  # an answer may be too odd for it, such as one that is NaN; it is wrong all the same
            return None


@dataclass(frozen=True)
class Result:
    """What a check found, for a person (`print`) and for a program (`to_dict`)."""

    question: str
    title: str
    points: int
    possible: int
    probes: tuple[str, ...]  # the names of all; the first `points` of them are passed
    failure: Failure | None

    @property
    def passed(self) -> bool:
        """Whether every probe was passed."""
        return self.failure is None

    def to_dict(self) -> dict[str, Any]:
        """Everything but the example's arguments, ready for JSON."""
        found = asdict(self) | {"probes": list(self.probes), "passed": self.passed}
        if self.failure is not None:
            del found["failure"]["example"]
        return found

    def __str__(self) -> str:
        lines = [f"{self.question} {self.title}: {self.points} of {self.possible} points"]
        for place, name in enumerate(self.probes):
            word = "passed" if place < self.points else "FAILED" if place == self.points else "not tried"
            lines.append(f"  {word:10} {name}")
        if self.failure is not None:
            lines += ["", self.failure.sentence, f"Seen: {self.failure.seen}", f"Hint: {self.failure.hint}"]
        return "\n".join(lines)


@dataclass(eq=False)
class Question:
    """A graded question. Its probes are a ladder: points are those of the rungs before the first that fails."""

    id: str  # "04.2": assignment and place in it
    title: str
    right: Answer  # the right answer; a learner's function has the same name
    forbidden: tuple[str, ...] = ("minillm",)  # what the answer may not call; see `asking.watched_call`
    fresh: bool = False  # whether its result must be new, and not an argument itself, even where nothing changes
    probes: list[Probe] = field(default_factory=list)

    @property
    def function(self) -> str:
        """What the learner's function is called in the exercise."""
        return self.right.__name__

    def probe(
        self,
        name: str,
        draw: Draw,
        otherwise: Explain | None = None,
        same: Iterable[Mistake] = (),
        dtypes: bool = False,
    ) -> Probe:
        """Add the next rung, whose right answer is the question's; it begins with the mistakes in `same`."""
        self.probes.append(Probe(name, draw, self.right, list(same), otherwise, dtypes=dtypes))
        return self.probes[-1]

    @lru_cache(maxsize=64)  # noqa: B019 (the judge needs them again; questions live as long as the program)
    def calls(self, seed: int) -> list[list[Call]]:
        """The inputs of every probe, made from a seed: the same wherever and whenever they are made."""
        return [probe.calls(random.Random(f"{self.id}/{probe.name}/{seed}")) for probe in self.probes]

    def judge(self, seed: int, replies: Sequence[Sequence[Reply]]) -> Result:
        """The result for the replies to `calls(seed)`, probe by probe. Runs nothing of the learner's."""
        failure = None
        points = 0
        for probe, calls, answers in zip(self.probes, self.calls(seed), replies, strict=True):
            failure = probe.judge(self.function, calls, answers)
            if failure is not None:
                break
            points += 1
        names = tuple(probe.name for probe in self.probes)
        return Result(self.id, self.title, points, len(self.probes), names, failure)


def _troubled(function: str, call: Call, reply: Reply) -> Failure:
    sentence = f"{function} {reply.trouble}" + ("" if str(reply.trouble).endswith("?") else ".")
    return Failure(sentence, f"{_typed_call(function, call)}.", LOOK_UP, plain(call))


def _other_dtype(right: Any, got: Any) -> str | None:
    """Which tensor of a dictionary (of one that has the right values) has another dtype."""
    for name, tensor in right.items():
        if type(got[name]) is not Tensor or got[name].dtype != tensor.dtype:
            return f"has no tensor of {tensor.dtype} at [{name!r}]"
    return None


def _results(answer: Answer, calls: Sequence[Call]) -> list[Any]:
    return [answer(*call) for call in calls]


def _differs(results: list[Any], others: list[Any]) -> bool:
    return any(difference(result, other) is not None for result, other in zip(results, others, strict=True))


def _typed_call(function: str, call: Call) -> str:
    """A call as one would type it; large tensors, or all in a long call, as their shapes."""
    typed = ", ".join(map(show, call))
    if len(typed) > 2 * WIDEST:
        typed = ", ".join(show(argument, numbers=0) for argument in call)
    return f"{function}({typed})"
