"""What a question is made of: probes with inputs from a seed, the right answer to them, and mistakes with their names.

A mistake is a function, too: what would come out if one forgot to divide by sqrt(D)? So a wrong answer is not only
rejected, it is recognised. All code here is trusted and sees nothing of an answer but its replies (`asking`).
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from torch import Tensor

from minillm.course.checks.asking import Call, Reply
from minillm.course.checks.plain import SHAPE, WIDEST, difference, plain, show

DRAWS = 1000  # attempts at inputs on which no two mistakes look alike
LOOK_UP = "Open the next hint of the question, and try your function on this very input."


@dataclass(frozen=True)
class Mistake:
    """A misconception: the sentence that names it, the next hint, and what a function with it would return."""

    sentence: str
    hint: str
    model: Callable[..., Any]


@dataclass(frozen=True)
class Failure:
    """Why a probe was not passed: the misconception, what was seen for which input, the next hint."""

    sentence: str
    seen: str
    hint: str
    example: Call  # the arguments, to try the function on


@dataclass(frozen=True)
class Probe:
    """One thing that is tried, worth one point.

    `draw` makes the arguments of several calls, the smallest input first, because that one is shown to the learner.
    `right` is the right answer. `otherwise(calls, right, got)` may name what no mistake explains; None if it cannot.
    What went wrong in a `private` probe is for the teacher alone.
    """

    name: str
    draw: Callable[[random.Random], list[Call]]
    right: Callable[..., Any]
    mistakes: tuple[Mistake, ...]
    otherwise: Callable[[list[Call], list[Any], list[Any]], tuple[str, str] | None] = lambda calls, right, got: None
    private: bool = False
    dtypes: bool = False  # whether tensors must have the dtype of the right ones, too

    def calls(self, chance: random.Random) -> list[Call]:
        """Inputs on which the right answer and all mistakes differ from each other, so that each is recognised."""
        models = [self.right, *(mistake.model for mistake in self.mistakes)]
        for _ in range(DRAWS):
            calls = self.draw(chance)
            results = [_results(model, calls) for model in models]
            if all(_differs(one, other) for place, one in enumerate(results) for other in results[:place]):
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
        found = [difference(one, other) for one, other in zip(right, got, strict=True)]
        if self.dtypes and not any(found):
            found = [_other_dtype(one, other) for one, other in zip(right, got, strict=True)]
        wrong = [place for place, words in enumerate(found) if words]
        if not wrong:
            return _troubled(function, *troubled[0]) if troubled else None
        place = wrong[0]
        gave, wanted, call = show(got[place]), show(right[place]), _typed_call(function, calls[place])
        seen = f"{call} gave {gave}; right is {wanted}."
        if SHAPE in wanted or len(gave) + len(wanted) > WIDEST:
            seen = f"in {call} the result {found[place]}."
        for mistake in self.mistakes:
            if not _differs(_results(mistake.model, calls), got):
                return Failure(mistake.sentence, seen, mistake.hint, plain(calls[place]))
        sentence, hint = self._explanation(calls, right, got) or (f"The result {found[place]}.", LOOK_UP)
        return Failure(sentence, seen, hint, plain(calls[place]))

    def _explanation(self, calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
        try:
            return self.otherwise(calls, right, got)
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


@dataclass(frozen=True, eq=False)
class Question:
    """A graded question. Its probes are a ladder: points are those of the rungs before the first that fails."""

    id: str  # "04.2": assignment and place in it
    title: str
    function: str  # what the learner's function is called in the exercise
    probes: tuple[Probe, ...]
    forbidden: tuple[str, ...]  # what the answer may not call; see `asking.watched_call`
    fresh: bool = False  # whether its result must be new, and not an argument itself, even where nothing changes

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
    for name, one in right.items():
        if type(got[name]) is not Tensor or got[name].dtype != one.dtype:
            return f"has no tensor of {one.dtype} at [{name!r}]"
    return None


def _results(model: Callable[..., Any], calls: Sequence[Call]) -> list[Any]:
    return [model(*call) for call in calls]


def _differs(results: list[Any], others: list[Any]) -> bool:
    return any(difference(one, other) is not None for one, other in zip(results, others, strict=True))


def _typed_call(function: str, call: Call) -> str:
    """A call as one would type it; large tensors, or all in a long call, as their shapes."""
    typed = ", ".join(map(show, call))
    if len(typed) > 2 * WIDEST:
        typed = ", ".join(show(argument, numbers=0) for argument in call)
    return f"{function}({typed})"
