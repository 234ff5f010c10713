"""Answers to the turns of lesson 00, written from its text alone; checks changed after."""

import math
from collections import Counter
from functools import reduce

from turn_answers import right, wrong


def _log_add(a, b):
    """The logarithm of e^a + e^b."""
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))


def _halved(probabilities):
    if len(probabilities) < 2:
        return sum(-math.log2(p) for p in probabilities)
    middle = len(probabilities) // 2
    return _halved(probabilities[:middle]) + _halved(probabilities[middle:])


# --- 00.next_token


@wrong("00.next_token", "The first power isn't in the sum.")
class FromOneToTheEnd:
    """The sum runs over powers[1:], all of them in Julia, which here leaves out the first token."""

    def next_token(logits, temperature):
        powers = [math.exp(z / temperature) for z in logits]
        total = sum(powers[1 : len(powers)])
        return [power / total for power in powers]


@right("00.next_token")
class ReducedByLogAdd:
    """The logarithm of the sum is folded up two terms at a time, and each share is e to a difference."""

    def next_token(logits, temperature):
        scaled = [z / temperature for z in logits]
        lse = reduce(_log_add, scaled)
        return [math.exp(z - lse) for z in scaled]


@right("00.next_token")
class CountsTheTies:
    """Each different logit gets one power, relative to the largest, and a Counter weighs it in the sum."""

    def next_token(logits, temperature):
        count = Counter(logits)
        top = max(count)
        power = {logit: math.exp((logit - top) / temperature) for logit in count}
        total = math.fsum(count[logit] * power[logit] for logit in count)
        return [power[logit] / total for logit in logits]


# --- 00.surprise


@right("00.surprise")
class MantissaAndExponent:
    """The probabilities are multiplied, but the powers of 2 are split off into an exponent after each factor."""

    def surprise(probabilities):
        mantissa, exponent = 1.0, 0
        for p in probabilities:
            mantissa, shift = math.frexp(mantissa * p)
            exponent += shift
        return -exponent - math.log2(mantissa)


@right("00.surprise")
class HalfAndHalf:
    """The text is cut in halves by recursion, down to one token, and the surprises of the halves are added."""

    def surprise(probabilities):
        return _halved(probabilities)
