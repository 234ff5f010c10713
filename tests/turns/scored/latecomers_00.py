"""Answers to the turns of lesson 00, written from its text alone; checks changed after."""

import math
from decimal import MAX_EMAX, MIN_EMIN, Decimal, localcontext
from fractions import Fraction
from functools import reduce

from turn_answers import right, wrong


def _take(state, z):
    top, total = state
    if z <= top:
        return top, total + math.exp(z - top)
    return z, total * math.exp(top - z) + 1.0


# --- 00.next_token


@wrong("00.next_token", "Equal scores count once in the sum.")
class CountsTiesOnce:
    """The total is summed over a set of powers, so equal logits count only once and the shares exceed 1."""

    def next_token(logits, temperature):
        top = max(logits)
        total = sum({math.exp((z - top) / temperature) for z in logits})
        return [math.exp((z - top) / temperature) / total for z in logits]


@wrong("00.next_token", "raised ZeroDivisionError")
class SubtractsTheLargestSize:
    """The largest absolute value is subtracted, so when all logits are far below 0 every power vanishes."""

    def next_token(logits, temperature):
        size = max(map(abs, logits))
        powers = [math.exp((z - size) / temperature) for z in logits]
        total = sum(powers)
        return [p / total for p in powers]


@right("00.next_token")
class OnePassTotal:
    """A fold keeps the largest logit so far and the total relative to it, rescaled whenever a larger one comes."""

    def next_token(logits, temperature):
        cooled = [z / temperature for z in logits]
        top, total = reduce(_take, cooled, (-math.inf, 0.0))
        return [math.exp(z - top) / total for z in cooled]


@right("00.next_token")
class DecimalPowers:
    """Decimals take the powers of e unshifted, since their exponents are too wide to overflow."""

    def next_token(logits, temperature):
        with localcontext(Emax=MAX_EMAX, Emin=MIN_EMIN):
            powers = [(Decimal(z) / Decimal(temperature)).exp() for z in logits]
            total = sum(powers)
            return [float(p / total) for p in powers]


# --- 00.surprise


@wrong("00.surprise", "The first probability itself is added, in place of its surprise.")
class ReducesWithoutAStart:
    """reduce gets no starting value, so the first probability itself stands in for the first token's surprise."""

    def surprise(probabilities):
        return reduce(lambda bits, p: bits - math.log2(p), probabilities)


@right("00.surprise")
class MantissasAndExponents:
    """The product is kept as a mantissa and a whole exponent by frexp, and one logarithm is taken at the end."""

    def surprise(probabilities):
        mantissa, exponent = 1.0, 0
        for p in probabilities:
            mantissa, more = math.frexp(mantissa * math.frexp(p)[0])
            exponent += more + math.frexp(p)[1]
        return -math.log2(mantissa) - exponent


@right("00.surprise")
class OneExactFraction:
    """The text's probability is an exact fraction, and its surprise is the difference of two integers' logarithms."""

    def surprise(probabilities):
        whole = math.prod(map(Fraction, probabilities), start=Fraction(1))
        return math.log2(whole.denominator) - math.log2(whole.numerator)
