"""Multiple-choice questions for language models (probes), and experiments made of them.

A probe is a prefix and several continuations, one of which is right; an experiment is a list of probes. A scorer is any
function that returns the log-probability of each continuation: a trained model, a table of counts, or the world itself.
One experiment therefore measures them all on the same scale, from chance level to the score of a perfect model.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from minillm.errors import UserError

Question = tuple[str, tuple[str, ...]]  # (prefix, choices)
Scorer = Callable[[Sequence[Question]], Sequence[Sequence[float]]]  # log-probability of each choice after its prefix


@dataclass(frozen=True)
class Probe:
    """One question: each choice starts with its space, so prefix + choice is the start of a document."""

    prefix: str
    choices: tuple[str, ...]
    answer: int  # index of the right choice
    group: str  # probes of one group are averaged together
    amount: float | None = None  # a quantity to plot against: how often a fact is told, how far back a gift was

    @property
    def question(self) -> Question:
        """The (prefix, choices) pair that a scorer receives."""
        return self.prefix, self.choices

    @property
    def chance(self) -> float:
        """The probability that a uniform guess is right."""
        return 1 / len(self.choices)


@dataclass(frozen=True)
class Score:
    """How often the right choice was the most probable; a k-way tie counts as 1/k."""

    accuracy: float
    stderr: float  # standard error of the accuracy over the probes
    chance: float  # accuracy of uniform guessing
    perfect: float  # accuracy of a model that knows the world exactly
    n: int
    groups: dict[str, float]  # accuracy per group


@dataclass(frozen=True)
class Experiment:
    """Probes of one kind and one split. The world itself scores 1 (tests check this)."""

    name: str
    split: str
    probes: tuple[Probe, ...]
    perfect: float = 1.0

    @property
    def chance(self) -> float:
        """The accuracy of uniform guessing."""
        return sum(probe.chance for probe in self.probes) / len(self.probes)

    def score(self, scorer: Scorer) -> Score:
        """Score all questions; raises `UserError` for NaN or a wrong number of log-probabilities.

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
        accuracies = {group: sum(members) / len(members) for group, members in groups.items()}
        return Score(accuracy, stderr, self.chance, self.perfect, n, accuracies)


def _hit(probe: Probe, log_probs: Sequence[float]) -> float:
    if len(log_probs) != len(probe.choices) or any(math.isnan(value) for value in log_probs):
        raise UserError(
            f"{len(probe.choices)} log-probabilities are needed for {probe.prefix!r}, not {list(log_probs)}"
        )
    best = [index for index, value in enumerate(log_probs) if value == max(log_probs)]
    return (probe.answer in best) / len(best)
