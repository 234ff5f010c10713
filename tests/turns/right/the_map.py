"""Right answers to the turns of lesson 00, as nobody expects them."""

import math

import numpy as np
import torch
from turn_answers import right


@right("00.next_token")
class ByLoops:
    def next_token(logits, temperature):
        largest = max(logits)
        powers = []
        for logit in logits:
            powers.append(math.exp((logit - largest) / temperature))
        total = 0
        for power in powers:
            total += power
        for i in range(len(powers)):
            powers[i] /= total
        return powers


@right("00.next_token")
class ByTorch:
    def next_token(logits, temperature):
        return torch.softmax(torch.tensor(logits, dtype=torch.float64) / temperature, dim=-1).tolist()


@right("00.next_token")
class ByNumpy:
    def next_token(logits, temperature):
        x = np.array(logits) / temperature
        p = np.exp(x - x.max())
        return (p / p.sum()).tolist()


@right("00.next_token")
class ByLogSumExp:
    def next_token(logits, temperature):
        x = [logit / temperature for logit in logits]
        m = max(x)
        total = m + math.log(sum(math.exp(v - m) for v in x))
        return [math.exp(v - total) for v in x]


@right("00.next_token")
class ScalesFirst:
    def next_token(logits, temperature):
        logits = [logit / temperature for logit in logits]
        largest, total = max(logits), 0.0
        logits = [logit - largest for logit in logits]
        for power in map(math.exp, logits):
            total += power
        return [math.exp(logit) / total for logit in logits]


@right("00.next_token")
class ByMap:
    def next_token(logits, temperature):
        m = max(logits)
        powers = list(map(lambda x: math.e ** ((x - m) / temperature), logits))
        total = math.fsum(powers)
        return list(map(lambda p: p / total, powers))


@right("00.next_token")
class SubtractsTheMean:
    def next_token(logits, temperature):
        mean = sum(logits) / len(logits)
        powers = [math.exp((x - mean) / temperature) for x in logits]
        factor = 1 / sum(powers)
        return [p * factor for p in powers]


@right("00.surprise")
class SurpriseByLoop:
    def surprise(probabilities):
        bits = 0.0
        for p in probabilities:
            bits -= math.log2(p)
        return bits


@right("00.surprise")
class SurpriseByIndex:
    def surprise(probabilities):
        return -sum(math.log2(probabilities[i]) for i in range(len(probabilities)))


@right("00.surprise")
class SurpriseByOneOverP:
    def surprise(probabilities):
        return sum(math.log2(1 / p) for p in probabilities)


@right("00.surprise")
class SurpriseByLogWithBase:
    def surprise(probabilities):
        return -sum(math.log(p, 2) for p in probabilities)


@right("00.surprise")
class SurpriseByNats:
    def surprise(probabilities):
        return -sum(math.log(p) for p in probabilities) / math.log(2)


@right("00.surprise")
class SurpriseByTorch:
    def surprise(probabilities):
        return -torch.tensor(probabilities, dtype=torch.float64).log2().sum().item()


@right("00.surprise")
class SurpriseByNumpy:
    def surprise(probabilities):
        return float(-np.log2(np.array(probabilities)).sum())


@right("00.surprise")
class SurpriseByItself:
    def surprise(probabilities):
        if not probabilities:
            return 0.0
        half = (len(probabilities) + 1) // 2
        if len(probabilities) == 1:
            return -math.log2(probabilities[0])
        return surprise(probabilities[:half]) + surprise(probabilities[half:])  # noqa: F821


@right("00.surprise")
class SurpriseByNumpyAlone:
    def surprise(probabilities):
        return -np.log2(probabilities).sum()
