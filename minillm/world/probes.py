"""A probe is a beginning and several ways to go on, of which one is right; an experiment is a list of probes.

A scorer is any function that says how probable each way is: a trained model, a table of counts, the world itself. So
the same experiment measures them all, and its two ends are known: what guessing gets, and what a perfect reader gets.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from minillm.errors import UserError

Question = tuple[str, tuple[str, ...]]  # the beginning, and the ways to go on
Scorer = Callable[[Sequence[Question]], Sequence[Sequence[float]]]  # ln P of each way after its beginning


@dataclass(frozen=True)
class Probe:
    """One question. A way to go on starts with its space, so beginning + way is a beginning of a document."""

    prefix: str
    ways: tuple[str, ...]
    answer: int  # the place of the right way
    group: str  # what this probe is counted with
    amount: float | None = None  # what the group is plotted against: how often a fact is told, how far back a gift lies

    @property
    def question(self) -> Question:
        """What a scorer is asked: the beginning, and the ways to go on."""
        return self.prefix, self.ways

    @property
    def chance(self) -> float:
        """The probability of guessing right."""
        return 1 / len(self.ways)


@dataclass(frozen=True)
class Score:
    """How often the right way was the most probable one; a tie counts as its share."""

    accuracy: float
    stderr: float  # of the accuracy, over the draw of probes
    chance: float  # what guessing gets
    perfect: float  # what a reader gets who knows Ottermere by heart
    n: int
    groups: dict[str, float]  # accuracy of each group


@dataclass(frozen=True)
class Experiment:
    """Probes of one kind and one split. A perfect reader, who knows Ottermere by heart, gets 1; a test holds that."""

    name: str
    split: str
    probes: tuple[Probe, ...]
    perfect: float = 1.0

    @property
    def chance(self) -> float:
        """The share of right answers that guessing gets."""
        return sum(probe.chance for probe in self.probes) / len(self.probes)

    def score(self, scorer: Scorer) -> Score:
        """Ask a scorer all the questions. Raises `ValueError` for a NaN, or a wrong number of answers.

        >>> probes = Probe("The dog bit ", ("Bram.", "the dog."), 0, "bite"), Probe("2 + 2 =", (" 4.", " 5."), 0, "sum")
        >>> Experiment("two", "training", probes).score(lambda questions: [[-1.0, -2.0], [-3.0, -0.5]]).groups
        {'bite': 1.0, 'sum': 0.0}
        """
        answers = scorer([probe.question for probe in self.probes])
        hits = [_hit(probe, log_probs) for probe, log_probs in zip(self.probes, answers, strict=True)]
        n, accuracy = len(hits), sum(hits) / len(hits)
        groups: dict[str, list[float]] = {}
        for probe, hit in zip(self.probes, hits, strict=True):
            groups.setdefault(probe.group, []).append(hit)
        stderr = math.sqrt(sum((hit - accuracy) ** 2 for hit in hits) / max(n - 1, 1) / n)
        shares = {group: sum(members) / len(members) for group, members in groups.items()}
        return Score(accuracy, stderr, self.chance, self.perfect, n, shares)


def _hit(probe: Probe, log_probs: Sequence[float]) -> float:
    if len(log_probs) != len(probe.ways) or any(math.isnan(value) for value in log_probs):
        raise UserError(f"{len(probe.ways)} log-probabilities are needed for {probe.prefix!r}, not {list(log_probs)}")
    best = [place for place, value in enumerate(log_probs) if value == max(log_probs)]
    return (probe.answer in best) / len(best)
