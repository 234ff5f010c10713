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

import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from itertools import chain, islice
from typing import Any

from minillm.course.checks.asking import Call, Reply
from minillm.course.checks.demands import Demand
from minillm.course.checks.probe import Answer, Draw, Explain, Failure, Judge, Mistake, Probe

DRAWS = 3  # of every probe's inputs in one check


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

    def ladder(self) -> list[tuple[str, str]]:
        """What became of each probe, and its name."""
        words = [
            "passed" if n < self.points else "FAILED" if n == self.points else "not tried" for n in range(self.possible)
        ]
        return [*zip(words, self.probes, strict=True)] if self.probes else []

    def __str__(self) -> str:
        lines = [f"{self.question} {self.title}: {self.points} of {self.possible} points"]
        lines += [f"  {word:10} {name}" for word, name in self.ladder()]
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
    parts: Sequence[str] = ()  # names of the results, if there are several
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
        kinds: Sequence[str] = (),
        demand: Demand | None = None,
        at_last: Explain | None = None,
        judge: Judge | None = None,
    ) -> Probe:
        """Add a probe with the question's right answer and the mistakes in `same`."""
        probe = Probe(name, draw, self.right, list(same), otherwise, kinds=kinds, demand=demand, at_last=at_last)
        probe.parts, probe.judge = self.parts, judge
        self.probes.append(probe)
        return probe

    @lru_cache(maxsize=512)  # noqa: B019 (grading needs them again, 40 KB each; questions live as long as the program)
    def draws(self, seed: int) -> list[list[list[Call]]]:
        """The inputs of every probe, drawn several times, so that no draw is special; they depend only on the seed."""
        seeds = [str(seed), *(f"{seed}/{draw}" for draw in range(1, DRAWS))]
        return [[probe.calls(random.Random(f"{self.id}/{probe.name}/{one}")) for one in seeds] for probe in self.probes]

    def calls(self, seed: int) -> list[list[Call]]:
        """The inputs of every probe, one draw after the other."""
        return [[*chain.from_iterable(draws)] for draws in self.draws(seed)]

    def grade(self, seed: int, replies: Iterable[Sequence[Reply]]) -> Result:
        """Grade the replies to `calls(seed)`, one sequence per probe.

        No code of the learner runs.
        """
        failure = None
        points = 0
        for probe, draws, answers in zip(self.probes, self.draws(seed), replies, strict=True):
            failure = self._first_failure(probe, draws, answers)
            if failure is not None:
                break
            points += 1
        names = tuple(probe.name for probe in self.probes)
        return Result(self.id, self.title, points, len(self.probes), names, failure)

    def _first_failure(self, probe: Probe, draws: list[list[Call]], replies: Sequence[Reply]) -> Failure | None:
        """What is wrong in the first draw in which anything is."""
        left = iter(replies)
        answered = [(calls, [*islice(left, len(calls))]) for calls in draws]
        graded = (probe.grade(self.function, calls, given, answered) for calls, given in answered)
        return next(filter(None, graded), None)
