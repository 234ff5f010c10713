"""Answers to the turns of lesson 00, written from its text alone; checks changed after."""

import math

import numpy as np
from turn_answers import right, wrong

# --- 00.next_token


@wrong("00.next_token", "Above 1, the probabilities are mixed with equal ones.")
class CloserAboveOne:
    """Overreads "above 1, the shares move closer together": divides up to 1, but above it mixes with equal
    shares."""

    def next_token(logits, temperature):
        t = min(temperature, 1.0)
        powers = [math.exp(x / t) for x in logits]
        total = sum(powers)
        shares = [p / total for p in powers]
        if temperature > 1:
            equal = 1 / len(logits)
            shares = [equal + (s - equal) / temperature for s in shares]
        return shares


@right("00.next_token")
class OnePassSum:
    """Keeps the largest logit and the sum in one pass and rescales the sum when a larger one comes."""

    def next_token(logits, temperature):
        top, total = -math.inf, 0.0
        for logit in logits:
            scaled = logit / temperature
            if scaled > top:
                total = total * math.exp(top - scaled) + 1.0
                top = scaled
            else:
                total += math.exp(scaled - top)
        return [math.exp(logit / temperature - top) / total for logit in logits]


@right("00.next_token")
class LogOfTheSum:
    """Numpy's logaddexp.reduce gives the logarithm of the sum; its difference is raised, and nothing is
    divided."""

    def next_token(logits, temperature):
        scaled = np.array(logits, dtype=float) / temperature
        log_total = float(np.logaddexp.reduce(scaled))
        return [math.exp(s - log_total) for s in scaled.tolist()]


# --- 00.surprise


@right("00.surprise")
class MantissaAndExponent:
    """Multiplies, but takes the powers of two out of the product with frexp, so it can't underflow; one
    logarithm at the end."""

    def surprise(probabilities):
        mantissa, exponent = 1.0, 0
        for p in probabilities:
            fraction, power = math.frexp(p)
            mantissa, shift = math.frexp(mantissa * fraction)
            exponent += power + shift
        return 0.0 - exponent - math.log2(mantissa)


@right("00.surprise")
class Halves:
    """Divide and conquer: the surprise of both halves, added; nothing carries nothing."""

    def surprise(probabilities):
        def between(low, high):
            if high - low == 0:
                return 0.0
            if high - low == 1:
                return math.log2(1.0) - math.log2(probabilities[low])
            middle = (low + high) // 2
            return between(low, middle) + between(middle, high)

        return between(0, len(probabilities))
