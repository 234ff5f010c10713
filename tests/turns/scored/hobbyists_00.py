"""Answers to the turns of lesson 00, written from its text alone; checks changed after."""

import math

import numpy as np
from turn_answers import right

# --- 00.next_token


@right("00.next_token")
class OnePassOverTheLogits:
    """One pass keeps the largest logit so far and a sum that shrinks whenever a larger one turns up."""

    def next_token(logits, temperature):
        top, total = -math.inf, 0.0
        for logit in logits:
            z = logit / temperature
            if z > top:
                total = total * math.exp(top - z) + 1.0
                top = z
            else:
                total += math.exp(z - top)
        return [math.exp(logit / temperature - top) / total for logit in logits]


@right("00.next_token")
class InLogarithms:
    """NumPy takes the logarithm of the sum with logaddexp, subtracts it from the logits, and only then takes exp."""

    def next_token(logits, temperature):
        z = np.array(logits, dtype=np.float64) / temperature
        return np.exp(z - np.logaddexp.reduce(z)).tolist()


# --- 00.surprise


@right("00.surprise")
class MantissaAndExponent:
    """The probabilities are multiplied, but frexp moves the powers of two to a counter, so nothing underflows."""

    def surprise(probabilities):
        mantissa, exponent = 1.0, 0
        for p in probabilities:
            mantissa, shift = math.frexp(mantissa * p)
            exponent += shift
        return -(exponent + math.log2(mantissa))


@right("00.surprise")
class HalfAndHalf:
    """Recursion: a text's surprise is that of its first half plus that of its second."""

    def surprise(probabilities):
        def bits(start, stop):
            if stop - start == 0:
                return 0.0
            if stop - start == 1:
                return -math.log2(probabilities[start])
            middle = (start + stop) // 2
            return bits(start, middle) + bits(middle, stop)

        return bits(0, len(probabilities))
