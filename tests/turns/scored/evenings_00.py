"""Answers to the turns of lesson 00, written from its text alone; checks changed after."""

import math
from collections import Counter

from turn_answers import right, wrong

# --- 00.next_token


@wrong("00.next_token", "Negative scores count as 0 before `math.exp`.")
class NegativesToZero:
    """Reads "probabilities are positive" as a rule for the logits: negative ones are set to 0 first."""

    def next_token(logits, temperature):
        positive = [max(0, x) / temperature for x in logits]
        exps = [math.exp(x) for x in positive]
        return [e / sum(exps) for e in exps]


@right("00.next_token")
class OneSweep:
    """Largest logit and sum in a single sweep, the sum being rescaled whenever a new largest comes; then one
    exponential of logit - largest - log(sum)."""

    def next_token(logits, temperature):
        top, total = -math.inf, 0.0
        for logit in logits:
            z = logit / temperature
            if z > top:
                total = total * math.exp(top - z) + 1.0
                top = z
            else:
                total += math.exp(z - top)
        log_total = top + math.log(total) if total else 0.0
        return [math.exp(logit / temperature - log_total) for logit in logits]


@right("00.next_token")
class CountsEqualLogits:
    """One exponential per distinct logit: counts equal ones and multiplies each power by its count in the sum."""

    def next_token(logits, temperature):
        times = Counter(logits)
        top = max(times, default=0)
        power = {z: math.exp((z - top) / temperature) for z in times}
        total = math.fsum(n * power[z] for z, n in times.items())
        return [power[z] / total for z in logits]


# --- 00.surprise


@wrong("00.surprise", "No token carries more than 10 bits: p can't fall below 0.001.")
class AtMostTenBits:
    """Keeps the logarithm from getting a 0 by lifting every probability to 0.001. No token can surprise by more than
    10 bits."""

    def surprise(probabilities):
        s = 0
        for p in probabilities:
            s -= math.log2(max(p, 0.001))
        return s


@right("00.surprise")
class WholeNumbers:
    """The product as an exact fraction of two whole numbers, of any length; log2 takes those."""

    def surprise(probabilities):
        above = below = 1
        for p in probabilities:
            n, d = p.as_integer_ratio()
            above, below = above * n, below * d
        return math.log2(below) - math.log2(above)
