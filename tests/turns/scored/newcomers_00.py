"""Answers to the turns of lesson 00, written from its text alone; checks changed after."""

import math

import numpy as np
from turn_answers import right, wrong

_bits = []


# --- 00.next_token


@wrong("00.next_token", "Scores far from 0 are cut off, so they become equal.")
class ClipsBeforeTheOverflow:
    """Scaled logits are clipped to -700 to 700 to avoid the overflow, so different large logits become a tie."""

    def next_token(logits, temperature):
        scaled = [min(max(logit / temperature, -700), 700) for logit in logits]
        powers = [math.exp(value) for value in scaled]
        total = math.fsum(power / len(powers) for power in powers)
        return [power / len(powers) / total for power in powers]


@right("00.next_token")
class ByLogAddExp:
    """NumPy takes the logarithm of the sum by logaddexp.reduce, subtracts it, and only then takes powers."""

    def next_token(logits, temperature):
        scaled = np.asarray(logits, dtype=np.float64) / temperature
        return np.exp(scaled - np.logaddexp.reduce(scaled)).tolist()


@right("00.next_token")
class InOnePass:
    """One pass keeps the largest logit so far and the sum relative to it, and rescales when a larger one comes."""

    def next_token(logits, temperature):
        top, total = logits[0], 0.0
        for logit in logits:
            if logit > top:
                total *= math.exp((top - logit) / temperature)
                top = logit
            total += math.exp((logit - top) / temperature)
        return [math.exp((logit - top) / temperature) / total for logit in logits]


# --- 00.surprise


@wrong("00.surprise", "`_bits` still holds what earlier calls have put into it, and that changes the result.")
class KeepsAddingToTheNotebooksList:
    """The bits go to a list outside of the function that is never emptied, so each call adds all earlier texts."""

    def surprise(probabilities):
        for p in probabilities:
            _bits.append(-math.log2(p))
        return sum(_bits)


@right("00.surprise")
class ProductWithAnExponent:
    """The probabilities are multiplied, but powers of two are moved to an integer after each, so nothing underflows."""

    def surprise(probabilities):
        product, halvings = 1.0, 0
        for p in probabilities:
            product, exponent = math.frexp(product * p)
            halvings -= exponent
        return halvings - math.log2(product)


@right("00.surprise")
class ByNumPy:
    """One NumPy logarithm of the whole array and its sum, turned back into a Python number."""

    def surprise(probabilities):
        return float(np.negative(np.log2(probabilities)).sum())
