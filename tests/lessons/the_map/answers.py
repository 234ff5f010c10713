"""Answers to the turns and questions of lesson 00; `tools/choose_answers.py` chose them."""

import itertools
import math

import numpy as np
import torch
from answers import right, wrong


@right("00.next_token")
class ByNumpy:
    def next_token(logits, temperature):
        x = np.array(logits) / temperature
        p = np.exp(x - x.max())
        return (p / p.sum()).tolist()


@right("00.next_token")
class HelperInside:
    """A helper function inside, and the sum kept in the loop."""

    def next_token(logits, temperature):
        def warmed(logit):
            return logit / temperature

        hottest = warmed(sorted(logits)[-1])
        shares = []
        total = 0
        for logit in logits:
            shares.append(math.exp(warmed(logit) - hottest))
            total += shares[-1]
        for i in range(len(shares)):
            shares[i] /= total
        return shares


@right("00.next_token")
class ByTorch:
    def next_token(logits, temperature):
        return torch.softmax(torch.tensor(logits, dtype=torch.float64) / temperature, dim=-1).tolist()


@wrong("00.next_token", "`next_token` raised TypeError")
class TorchOfAList:
    def next_token(logits, temperature):
        return torch.softmax(logits, dim=-1)


@wrong("00.next_token", "That's a tensor or an array, and a list")
class AsTheWebHasIt:
    def next_token(logits, temperature):
        return np.exp(logits) / np.sum(np.exp(logits))


@wrong("00.next_token", "float division by zero")
class LinearShares:
    def next_token(logits, temperature):
        return [x / sum(logits) for x in logits]


@wrong("00.next_token", "That's the number of a token.")
class ReturnsTheIndex:
    def next_token(logits, temperature):
        return logits.index(max(logits))


@wrong("00.next_token", "'list' object has no attribute 'softmax'")
class ListMethod:
    def next_token(logits, temperature):
        return logits.softmax(-1)


@wrong("00.next_token", "'float' object is not iterable")
class SumOfOneNumber:
    def next_token(logits, temperature):
        return [math.exp(x / temperature) / sum(math.exp(x / temperature)) for x in logits]


@wrong("00.next_token", "list indices must be integers or slices,")
class NanoGPTsLine:
    def next_token(logits, temperature):
        logits = logits[:, -1, :] / temperature
        return torch.softmax(torch.tensor(logits), -1)


@wrong("00.next_token", "unsupported operand type")
class DividesTheList:
    def next_token(logits, temperature):
        scaled = logits / temperature
        return [math.exp(s) / sum(math.exp(t) for t in scaled) for s in scaled]


@wrong("00.next_token", "`next_token` raised OverflowError")
class MathE:
    def next_token(logits, temperature):
        powers = [math.e ** (x / temperature) for x in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "name 'exp' is not defined")
class ExpNotImported:
    def next_token(logits, temperature):
        powers = [exp(x / temperature) for x in logits]  # noqa: F821
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "name 'T' is not defined")
class CapitalT:
    def next_token(logits, temperature):
        powers = [math.exp(x / T) for x in logits]  # noqa: F821
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "list indices must be integers or slices,")
class IndexesByLogit:
    def next_token(logits, temperature):
        powers = [math.exp(logits[x] / temperature) for x in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "not enough values to unpack")
class ThreeTokens:
    def next_token(logits, temperature):
        a, b, c = logits
        total = math.exp(a / temperature) + math.exp(b / temperature) + math.exp(c / temperature)
        return [math.exp(a / temperature) / total, math.exp(b / temperature) / total, math.exp(c / temperature) / total]


@wrong("00.next_token", "list assignment index out of range")
class FillsAnEmptyList:
    def next_token(logits, temperature):
        out = []
        for i in range(len(logits)):
            out[i] = math.exp(logits[i] / temperature)
        return [p / sum(out) for p in out]


@wrong("00.next_token", "raised ZeroDivisionError")
class SubtractsTheLargestSize:
    """The largest absolute value is subtracted, so when all logits are far below 0 every power vanishes."""

    def next_token(logits, temperature):
        size = max(map(abs, logits))
        powers = [math.exp((z - size) / temperature) for z in logits]
        total = sum(powers)
        return [p / total for p in powers]


@wrong("00.next_token", "The result has ")
class ZeroIsFalsy:
    """`if logit` takes a logit of 0 for a missing one and gives it no probability."""

    def next_token(logits, temperature):
        largest = max(logits)
        powers = [math.exp((logit - largest) / temperature) if logit else 0.0 for logit in logits]
        total = sum(powers) or 1.0
        return [power / total for power in powers]


# Once accepted
@wrong("00.next_token", "Only the ten likeliest tokens get something.")
class TopTenOnly:
    """Keeps the ten best tokens and gives the others 0, as the bars on the page suggest."""

    def next_token(logits, temperature):
        cut = sorted(logits, reverse=True)[:10][-1]
        m = max(logits)
        powers = [math.exp((logit - m) / temperature) if logit >= cut else 0.0 for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


@right("00.surprise")
class SurpriseByNumpy:
    def surprise(probabilities):
        return float(-np.log2(np.array(probabilities)).sum())


@right("00.surprise")
class SurpriseByLoop:
    def surprise(probabilities):
        bits = 0.0
        for p in probabilities:
            bits -= math.log2(p)
        return bits


@right("00.surprise")
class LastOfTheRunningSums:
    """Keeps all running sums and returns the last."""

    def surprise(probabilities):
        *_, total = itertools.accumulate(map(math.log2, probabilities))
        return abs(total)


@right("00.surprise")
class SurpriseByItself:
    def surprise(probabilities):
        if not probabilities:
            return 0.0
        half = (len(probabilities) + 1) // 2
        if len(probabilities) == 1:
            return -math.log2(probabilities[0])
        return surprise(probabilities[:half]) + surprise(probabilities[half:])  # noqa: F821


@wrong("00.surprise", "math domain error")
class SurpriseLogOfTheProduct:
    def surprise(probabilities):
        return -math.log2(math.prod(probabilities))


@wrong("00.surprise", "That's a surprise for each token.")
class SurpriseEachToken:
    def surprise(probabilities):
        return [-math.log2(p) for p in probabilities]


@wrong("00.surprise", "That's text.")
class SurpriseAsText:
    def surprise(probabilities):
        return f"{-sum(math.log2(p) for p in probabilities):.1f} bits"


@wrong("00.surprise", "must be real number, not list")
class SurpriseLogOfTheList:
    def surprise(probabilities):
        return -math.log2(probabilities)


@wrong("00.surprise", "name 'log2' is not defined")
class SurpriseLog2NotImported:
    def surprise(probabilities):
        return -sum(log2(p) for p in probabilities)  # noqa: F821


@wrong("00.surprise", "`surprise` raised TypeError")
class SurpriseTorchOfAList:
    def surprise(probabilities):
        return -torch.log2(probabilities).sum()


@wrong("00.surprise", "'list' object has no attribute 'log2'")
class SurpriseListMethod:
    def surprise(probabilities):
        return -probabilities.log2().sum()


@wrong("00.surprise", "list index out of range")
class SurpriseOneTooFar:
    def surprise(probabilities):
        return -sum(math.log2(probabilities[i + 1]) for i in range(len(probabilities)))


@wrong("00.surprise", "Each surprise is 1 over")
class SurpriseLogWithBaseFirst:
    def surprise(probabilities):
        return -sum(math.log(2, p) for p in probabilities)


@wrong("00.surprise", "The result has ")
class SurpriseSkipsSmallOnes:
    def surprise(probabilities):
        return -sum(math.log2(p) for p in probabilities if p > 0.1)


@wrong("00.surprise", "`surprise` raised TypeError")
class SumWithAFunction:
    def surprise(probabilities):
        return -sum(math.log2, probabilities)


@wrong("00.surprise", "`surprise` raised TypeError")
class SumOfLists:
    def surprise(probabilities):
        return sum([-math.log2(p)] for p in probabilities)


@wrong("00.surprise", "not enough values to unpack")
class SurpriseTwoTokens:
    def surprise(probabilities):
        p, q = probabilities
        return -math.log2(p) - math.log2(q)


@wrong("00.surprise", "`surprise` raised UnboundLocalError")
class SurpriseNoBeginning:
    def surprise(probabilities):
        for p in probabilities:
            total -= math.log2(p)
        return total


# Once accepted
@wrong("00.surprise", "No token carries more than 20 bits: 1e-06 is added to p, or p can't fall")
class SafeLog:
    """Adds 0.000001 to each probability 'against log of 0', which caps the surprise of rare tokens at 20 bits."""

    def surprise(probabilities):
        eps = 1e-6
        return sum(-math.log2(q + eps) for q in probabilities)


@wrong("00.surprise", "'float' object is not iterable")
class SurpriseSumOfANumber:
    def surprise(probabilities):
        total = 0
        for p in probabilities:
            total += sum(-math.log2(p))
        return total


@wrong("00.surprise", "`surprise` raised TypeError")
class RangeOfTheList:
    def surprise(probabilities):
        total = 0
        for i in range(probabilities):
            total -= math.log2(probabilities[i])
        return total
