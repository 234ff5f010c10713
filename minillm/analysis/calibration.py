"""A reward model against the best that is possible, which is known where the raters' probabilities are.

Two figures of accuracy. The one that is counted is a sum of coin tosses, the raters', and may by luck lie above the
ceiling. The one that is expected is the mean probability with which raters agree with the model: nobody's can be above.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from minillm.data.preferences import bayes_ceiling, probabilities
from minillm.data.rankings import Preference
from minillm.errors import UserError


@dataclass(frozen=True)
class Bin:
    """Pairs of like confidence: the chance that the model gives the answer it prefers, and the true one, on average."""

    count: int
    predicted: float
    true: float


@dataclass(frozen=True)
class PairScore:
    """A reward model on pairs with known probabilities."""

    n: int
    accuracy: float  # counted: how often the chosen answer is ahead
    expected: float  # the probability that the raters prefer what the model prefers
    ceiling: float  # the same for a reader who knows the probabilities
    stderr: float  # of the counted accuracy
    calibration_error: float  # the mean distance of predicted and true chance, bin by bin
    bins: tuple[Bin, ...]


def score_pairs(margins: Sequence[float], preferences: Sequence[Preference], bins: int = 10) -> PairScore:
    """Hold a reward model's margins (r_chosen - r_rejected, one a pair) against what the raters' probabilities allow.

    Calibration: of all pairs in which the model gives the answer it prefers a chance of about 80 %, do raters prefer
    that one in 80 %? The error is that of Guo et al. (2017, eq. 3), over bins of equal width from 1/2 to 1, with the
    known probability in the place of a count. Raises `ValueError` for numbers that do not match, for pairs without a
    probability, and for no pairs.

    >>> hello = ({"role": "user", "content": "Hello"},)
    >>> pairs = [Preference(hello, "Good morning.", "What?", "simulated", 0.8)] * 2
    >>> score = score_pairs([1.0, 2.0], pairs)                           # sigmoid: 0.73 and 0.88
    >>> score.accuracy, score.expected, round(score.calibration_error, 3)
    (1.0, 0.8, 0.075)
    """
    if len(margins) != len(preferences):
        raise UserError(f"{len(margins)} margins for {len(preferences)} pairs; each pair needs its own")
    ceiling = bayes_ceiling(preferences)
    n = len(margins)
    right = [(margin > 0) + (margin == 0) / 2 for margin in margins]
    chances = zip(margins, probabilities(preferences), strict=True)
    true = [p if margin >= 0 else 1 - p for margin, p in chances]
    agreed = [0.5 if margin == 0 else p for margin, p in zip(margins, true, strict=True)]
    places: list[list[tuple[float, float]]] = [[] for _ in range(bins)]
    for margin, p in zip(margins, agreed, strict=True):
        confidence = 0.5 * (1 + math.tanh(abs(margin) / 2))  # sigmoid, safe where its exponential overflows
        places[min(int((confidence - 0.5) * 2 * bins), bins - 1)].append((confidence, p))
    table = tuple(
        Bin(len(pairs), *(math.fsum(column) / len(pairs) for column in zip(*pairs, strict=True)))
        for pairs in places
        if pairs
    )
    return PairScore(
        n=n,
        accuracy=math.fsum(right) / n,
        expected=math.fsum(agreed) / n,
        ceiling=ceiling.accuracy,
        stderr=ceiling.stderr,
        calibration_error=math.fsum(one.count * abs(one.predicted - one.true) for one in table) / n,
        bins=table,
    )
