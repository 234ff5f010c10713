"""Accuracy and calibration of a reward model, on pairs for which the raters' true probabilities are known.

There are two accuracies. The counted accuracy includes the noise in the labels, so it can exceed the Bayes ceiling by
chance. The expected accuracy is the mean probability that a rater agrees with the model, which never exceeds it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from minillm.data.preferences import Preference
from minillm.errors import UserError
from minillm.world.raters import bayes_ceiling, probabilities


@dataclass(frozen=True)
class Bin:
    """Pairs with similar confidence: the mean probability of the preferred answer, predicted and true."""

    count: int  # pairs
    predicted: float
    true: float


@dataclass(frozen=True)
class PairScore:
    """The scores of a reward model on pairs with known probabilities."""

    n: int  # pairs
    accuracy: float  # counted: how often the chosen answer has the higher reward
    expected: float  # the mean probability that a rater prefers what the model prefers
    ceiling: float  # Bayes ceiling: the same for a model that knows the probabilities
    stderr: float  # of the counted accuracy
    calibration_error: float  # mean distance between predicted and true probability over the bins
    bins: tuple[Bin, ...]


def score_pairs(margins: Sequence[float], preferences: Sequence[Preference], bins: int = 10) -> PairScore:
    """Score a reward model's margins (r_chosen - r_rejected, one per pair) against the raters' probabilities.

    Calibration asks: if the model gives its preferred answer a probability of about 80 %, do raters prefer it in 80 %
    of the pairs? The error is the expected calibration error of Guo et al. (2017, eq. 3), over bins of equal width from
    1/2 to 1, with the known probability instead of a count. Raises `UserError` for lists of unequal length, for pairs
    without a probability, and for empty lists.

    >>> hello = ({"role": "user", "content": "Hello"},)
    >>> pairs = [Preference(hello, "Good morning.", "What?", "simulated", 0.8)] * 2
    >>> score = score_pairs([1.0, 2.0], pairs)                           # sigmoid: 0.73 and 0.88
    >>> score.accuracy, score.expected, round(score.calibration_error, 3)
    (1.0, 0.8, 0.075)
    """
    if len(margins) != len(preferences):
        raise UserError(f"{len(margins)} margins for {len(preferences)} pairs; give one margin per pair")
    ceiling = bayes_ceiling(preferences)
    n = len(margins)
    right = [(margin > 0) + (margin == 0) / 2 for margin in margins]

    # the true probability of what the model prefers
    pairs = zip(margins, probabilities(preferences), strict=True)
    true = [p if margin >= 0 else 1 - p for margin, p in pairs]
    agreed = [0.5 if margin == 0 else p for margin, p in zip(margins, true, strict=True)]

    # sort the pairs into bins by the model's confidence
    binned: list[list[tuple[float, float]]] = [[] for _ in range(bins)]
    for margin, p in zip(margins, agreed, strict=True):
        confidence = 0.5 * (1 + math.tanh(abs(margin) / 2))  # a sigmoid that cannot overflow
        binned[min(int((confidence - 0.5) * 2 * bins), bins - 1)].append((confidence, p))
    table = tuple(
        Bin(len(rows), *(math.fsum(column) / len(rows) for column in zip(*rows, strict=True)))
        for rows in binned
        if rows
    )
    return PairScore(
        n=n,
        accuracy=math.fsum(right) / n,
        expected=math.fsum(agreed) / n,
        ceiling=ceiling.accuracy,
        stderr=ceiling.stderr,
        calibration_error=math.fsum(row.count * abs(row.predicted - row.true) for row in table) / n,
        bins=table,
    )
