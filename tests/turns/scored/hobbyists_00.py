"""Answers to the turns of lesson 00, written from its text alone; checks changed after."""

import math

import numpy as np
from turn_answers import right

# --- 00.next_token


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
