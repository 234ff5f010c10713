"""Answers to the turns of lessons 00 and 00b, written from their text alone by a reader."""

import math
import random

import numpy as np
import torch
import torch.nn.functional as F
from turn_answers import right, wrong

# --- 00.next_token


@wrong("00.next_token", "")
class TheExampleOnThePage:
    def next_token(logits, temperature):
        powers = [7.39, 2.72, 1.00]
        return [power / 11.11 for power in powers]


@wrong("00.next_token", "")
class DividesThePowerByTheTemperature:
    def next_token(logits, temperature):
        powers = [math.e**logit / temperature for logit in logits]
        return [power / sum(powers) for power in powers]


@wrong("00.next_token", "")
class SubtractsTheUndividedLargest:
    def next_token(logits, temperature):
        top = max(logits)
        powers = [math.exp(x / temperature - top) for x in logits]
        total = sum(powers)
        return [p / total for p in powers]


@wrong("00.next_token", "")
class DrawsOne:
    def next_token(logits, temperature):
        powers = [math.exp(logit / temperature) for logit in logits]
        return random.choices(range(len(logits)), weights=powers)


@wrong("00.next_token", "")
class ListBegunInsideTheLoop:
    def next_token(logits, temperature):
        total = sum(math.exp(x / temperature) for x in logits)
        for x in logits:
            shares = []
            shares.append(math.exp(x / temperature) / total)
        return shares


@wrong("00.next_token", "")
class OverwritesTheList:
    def next_token(logits, temperature):
        for i in range(len(logits)):
            logits[i] = math.exp(logits[i] / temperature)
        total = sum(logits)
        for i in range(len(logits)):
            logits[i] /= total
        return logits


@wrong("00.next_token", "")
class NamesItsTotalSum:
    def next_token(logits, temperature):
        powers = [math.exp(logit / temperature) for logit in logits]
        sum = sum(powers)  # noqa: F823
        return [p / sum for p in powers]


@wrong("00.next_token", "")
class WholeDivision:
    def next_token(logits, temperature):
        powers = [math.exp(logit // temperature) for logit in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "")
class DividesByTheLargestPower:
    def next_token(logits, temperature):
        powers = [math.exp(logit / temperature) for logit in logits]
        return [p / max(powers) for p in powers]


@wrong("00.next_token", "")
class DividesByTheNorm:
    def next_token(logits, temperature):
        powers = [math.exp(logit / temperature) for logit in logits]
        norm = math.sqrt(sum(p**2 for p in powers))
        return [p / norm for p in powers]


@wrong("00.next_token", "")
class PairsWithNumbers:
    def next_token(logits, temperature):
        powers = [math.exp(logit / temperature) for logit in logits]
        total = sum(powers)
        return [(i, p / total) for i, p in enumerate(powers)]


@wrong("00.next_token", "")
class PowersAndTotal:
    def next_token(logits, temperature):
        powers = [math.exp(logit / temperature) for logit in logits]
        return powers, sum(powers)


@wrong("00.next_token", "")
class CapsThePower:
    def next_token(logits, temperature):
        powers = [math.exp(min(logit / temperature, 700)) for logit in logits]
        total = sum(powers)
        return [p / total for p in powers]


@wrong("00.next_token", "")
class SmallNumberBelowTheLine:
    def next_token(logits, temperature):
        powers = [math.exp(min(logit / temperature, 700)) for logit in logits]
        return [p / (sum(powers) + 1e-9) for p in powers]


@wrong("00.next_token", "")
class InfinityForTooLarge:
    def next_token(logits, temperature):
        def power(x):
            try:
                return math.exp(x)
            except OverflowError:
                return float("inf")

        powers = [power(x / temperature) for x in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "")
class DividesTheWholeList:
    def next_token(logits, temperature):
        powers = math.exp(logits / temperature)
        return powers / sum(powers)


@wrong("00.next_token", "")
class SumOfTheLogitsFirst:
    def next_token(logits, temperature):
        total = math.exp(sum(logits) / temperature)
        return [math.exp(logit / temperature) / total for logit in logits]


@wrong("00.next_token", "")
class TotalWhileItGrows:
    def next_token(logits, temperature):
        probabilities, total = [], 0
        for logit in logits:
            power = math.exp(logit / temperature)
            total += power
            probabilities.append(power / total)
        return probabilities


@wrong("00.next_token", "")
class PercentSigns:
    def next_token(logits, temperature):
        powers = [math.exp(logit / temperature) for logit in logits]
        return [f"{p / sum(powers):.1%}" for p in powers]


@wrong("00.next_token", "")
class TemperatureOnTheResultAndAgain:
    def next_token(logits, temperature):
        powers = [math.exp(logit) for logit in logits]
        shares = [p / sum(powers) for p in powers]
        shares = [share / temperature for share in shares]
        return [share / sum(shares) for share in shares]


@right("00.next_token")
class MeanSubtracted:
    def next_token(logits, temperature):
        mean = sum(logits) / len(logits)
        powers = [math.exp((x - mean) / temperature) for x in logits]
        total = sum(powers)
        return [p / total for p in powers]


@right("00.next_token")
class LogOfTheTotal:
    def next_token(logits, temperature):
        scaled = [x / temperature for x in logits]
        top = max(scaled)
        log_total = top + math.log(sum(math.exp(x - top) for x in scaled))
        return [math.exp(x - log_total) for x in scaled]


@right("00.next_token")
class InNumpyAndBack:
    def next_token(logits, temperature):
        z = np.array(logits) / temperature
        e = np.exp(z - z.max())
        return list(e / e.sum())


# --- 00.surprise


@wrong("00.surprise", "")
class EqualsMinus:
    def surprise(probabilities):
        total = 0
        for p in probabilities:
            total = -math.log2(p)
        return total


@wrong("00.surprise", "")
class LoopOverNumbers:
    def surprise(probabilities):
        total = 0
        for p in range(len(probabilities)):
            total -= math.log2(p)
        return total


@wrong("00.surprise", "")
class RangeOfTheList:
    def surprise(probabilities):
        total = 0
        for i in range(probabilities):
            total -= math.log2(probabilities[i])
        return total


@wrong("00.surprise", "")
class OverwritesTheLoopVariable:
    def surprise(probabilities):
        for p in probabilities:
            p = -math.log2(p)
        return sum(probabilities)


@wrong("00.surprise", "")
class SumWithAFunction:
    def surprise(probabilities):
        return -sum(math.log2, probabilities)


@wrong("00.surprise", "")
class LogarithmOfAGenerator:
    def surprise(probabilities):
        return -math.log2(p for p in probabilities)


@wrong("00.surprise", "")
class SumOfLists:
    def surprise(probabilities):
        return sum([-math.log2(p)] for p in probabilities)


@wrong("00.surprise", "")
class BeginsWithOne:
    def surprise(probabilities):
        total = 1
        for p in probabilities:
            total -= math.log2(p)
        return total


@wrong("00.surprise", "")
class OnlyTheUnlikely:
    def surprise(probabilities):
        return sum(-math.log2(p) for p in probabilities if p < 0.5)


@wrong("00.surprise", "")
class CertainTokensLeftOutByAnd:
    def surprise(probabilities):
        total = 0
        for p in probabilities:
            if p == 1:
                break
            total -= math.log2(p)
        return total


@wrong("00.surprise", "")
class EachOnce:
    def surprise(probabilities):
        return -sum(map(math.log2, set(probabilities)))


@wrong("00.surprise", "")
class SquareRoots:
    def surprise(probabilities):
        return sum(-math.sqrt(p) for p in probabilities)


@right("00.surprise")
class InTorch:
    def surprise(probabilities):
        return -torch.tensor(probabilities).log2().sum()


@wrong("00.surprise", "")
class WithItsUnit:
    def surprise(probabilities):
        return f"{-sum(map(math.log2, probabilities)):.1f} bits"


@wrong("00.surprise", "")
class ProductThenLogarithm:
    def surprise(probabilities):
        text = 1
        for p in probabilities:
            text *= p
        return -math.log(text, 2)


@wrong("00.surprise", "")
class AppendsAndForgetsTheSum:
    def surprise(probabilities):
        bits = []
        for p in probabilities:
            bits.append(-math.log2(p))
        return bits


@wrong("00.surprise", "")
class SumOfAbsoluteDifferences:
    def surprise(probabilities):
        total = 0
        for p in probabilities:
            total += math.log2(p) - 1
        return -total


@wrong("00.surprise", "")
class TotalInsideTheLoop:
    def surprise(probabilities):
        for p in probabilities:
            total = 0
            total += -math.log2(p)
        return total


@wrong("00.surprise", "")
class PrintsIt:
    def surprise(probabilities):
        print(sum(-math.log2(p) for p in probabilities), "bits")


@right("00.surprise")
class BaseOneHalf:
    def surprise(probabilities):
        return sum(math.log(p, 0.5) for p in probabilities)


@right("00.surprise")
class LogarithmOfTheInverse:
    def surprise(probabilities):
        bits = 0
        while probabilities:
            first, *probabilities = probabilities
            bits += math.log2(1 / first)
        return bits


@right("00.surprise")
class NumpySum:
    def surprise(probabilities):
        return -np.log2(probabilities).sum()


# --- 00b.cross_entropy


@wrong("00b.cross_entropy", "")
class GatherWithoutAnAxis:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(-1).gather(1, targets).mean()


@wrong("00b.cross_entropy", "")
class NllOfLogits:
    def cross_entropy(logits, targets):
        return F.nll_loss(logits, targets)


@wrong("00b.cross_entropy", "")
class CountsWithoutKeepdim:
    def cross_entropy(logits, targets):
        counts = logits.exp()
        probs = counts / counts.sum(1)
        return -probs[torch.arange(len(targets)), targets].log().mean()


@wrong("00b.cross_entropy", "")
class MeanOfTheMaskedTable:
    def cross_entropy(logits, targets):
        truth = F.one_hot(targets, logits.shape[1])
        return -(truth * logits.log_softmax(-1)).mean()


@wrong("00b.cross_entropy", "")
class SumOverRowsThenMean:
    def cross_entropy(logits, targets):
        truth = F.one_hot(targets, logits.shape[1])
        return -(truth * logits.log_softmax(-1)).sum(0).mean()


@wrong("00b.cross_entropy", "")
class ShiftedAsInALanguageModel:
    def cross_entropy(logits, targets):
        return F.cross_entropy(logits[:-1], targets[1:])


@wrong("00b.cross_entropy", "")
class IgnoresThePadding:
    def cross_entropy(logits, targets):
        return F.cross_entropy(logits, targets, ignore_index=0)


@wrong("00b.cross_entropy", "")
class ClassCalledAsAFunction:
    def cross_entropy(logits, targets):
        return torch.nn.CrossEntropyLoss(logits, targets)


@wrong("00b.cross_entropy", "")
class TargetsFirst:
    def cross_entropy(logits, targets):
        return F.cross_entropy(targets, logits)


@wrong("00b.cross_entropy", "")
class ClampedProbability:
    def cross_entropy(logits, targets):
        p = logits.softmax(-1)[torch.arange(len(targets)), targets]
        return -p.clamp(min=1e-9).log().mean()


@wrong("00b.cross_entropy", "")
class SmoothedLabels:
    def cross_entropy(logits, targets):
        return F.cross_entropy(logits, targets, label_smoothing=0.1)


@wrong("00b.cross_entropy", "")
class MathLogInALoop:
    def cross_entropy(logits, targets):
        p = logits.softmax(dim=-1)
        total = 0
        for i in range(len(targets)):
            total += -math.log(p[i][targets[i]])
        return total / len(targets)


@wrong("00b.cross_entropy", "")
class RowsPickedByTarget:
    def cross_entropy(logits, targets):
        return -logits[targets].log_softmax(-1).mean()


@wrong("00b.cross_entropy", "")
class MinusOutsideForgotten:
    def cross_entropy(logits, targets):
        p = logits.softmax(-1)
        return p[range(len(targets)), targets].log().sum() / len(targets)


@wrong("00b.cross_entropy", "")
class NormalizerMinusAllLogits:
    def cross_entropy(logits, targets):
        return (logits.logsumexp(-1) - logits[:, targets]).mean()


@wrong("00b.cross_entropy", "")
class Median:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(-1)[torch.arange(len(targets)), targets].median()


@wrong("00b.cross_entropy", "")
class BinaryLoss:
    def cross_entropy(logits, targets):
        p = logits.softmax(-1)[torch.arange(len(targets)), targets]
        return -(p.log() + (1 - p).log()).mean()


@wrong("00b.cross_entropy", "")
class NumpyFromMemory:
    def cross_entropy(logits, targets):
        z = logits.numpy()
        z = z - z.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return -log_p[np.arange(len(targets)), targets.numpy()].mean()


@right("00b.cross_entropy")
class NormalizerMinusLogit:
    def cross_entropy(logits, targets):
        return (logits.logsumexp(1) - logits.take_along_dim(targets[:, None], 1)[:, 0]).mean()


@right("00b.cross_entropy")
class RowByRow:
    def cross_entropy(logits, targets):
        total = 0
        for row, target in zip(logits, targets, strict=True):
            total = total - row.log_softmax(0)[target]
        return total / len(targets)


@right("00b.cross_entropy")
class TraceOfTheColumns:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(1)[:, targets].trace() / len(targets)


# --- 00b.backward


@wrong("00b.backward", "")
class CaretForPower:
    def backward(x, h, w2, d_logits):
        d_h = d_logits @ w2.T
        d_z = d_h * (1 - h ^ 2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class ParenthesesForgotten:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * 1 - h**2
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class MakemoreFromMemory:
    def backward(x, h, w2, d_logits):
        dh = d_logits @ w2.T
        dW2 = h.T @ d_logits
        db2 = d_logits.sum(0)
        dhpreact = (1.0 - h**2) * dh
        dW1 = embcat.T @ dhpreact  # noqa: F821
        return dW1, dhpreact.sum(0), dW2, db2


@wrong("00b.backward", "")
class MatrixProductThroughTanh:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T @ (1 - h**2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class SkipsTheSecondLayer:
    def backward(x, h, w2, d_logits):
        return x.T @ d_logits, d_logits.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class OneBiasAveraged:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.mean(0)


@wrong("00b.backward", "")
class FirstBiasAveraged:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z.mean(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class FirstBiasForgotten:
    def backward(x, h, w2, d_logits):
        d_w2 = h.T @ d_logits
        d_b2 = d_logits.sum(dim=0)
        d_z = (d_logits @ w2.T) * (1 - h**2)
        return x.T @ d_z, d_w2, d_b2


@wrong("00b.backward", "")
class SlopeOfTheInput:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - x**2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class ForwardAgain:
    def backward(x, h, w2, d_logits):
        d_h = h @ w2
        d_z = d_h * (1 - h**2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class ADictionary:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return {"w1": x.T @ d_z, "b1": d_z.sum(0), "w2": h.T @ d_logits, "b2": d_logits.sum(0)}


@wrong("00b.backward", "")
class TheStepAtOnce:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return tuple(-0.1 * d for d in (x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)))


@wrong("00b.backward", "")
class WeightsInsteadOfHidden:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z.sum(0), w2.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class TanhTakenBackByInverse:
    def backward(x, h, w2, d_logits):
        d_z = torch.atanh(d_logits @ w2.T)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class SlopeDivides:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T / (1 - h**2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class SumsOverTheLastAxis:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z.sum(-1), h.T @ d_logits, d_logits.sum(-1)


@wrong("00b.backward", "")
class GradientOfTheWrongSoftmax:
    def backward(x, h, w2, d_logits):
        d = d_logits.softmax(-1)
        d_z = d @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z.sum(0), h.T @ d, d.sum(0)


@wrong("00b.backward", "")
class AsksAutograd:
    def backward(x, h, w2, d_logits):
        logits = h @ w2
        logits.backward(d_logits)
        return x.grad, None, w2.grad, None


@right("00b.backward")
class Einsum:
    def backward(x, h, w2, d_logits):
        d_z = torch.einsum("bv,fv,bf->bf", d_logits, w2, 1 - h * h)
        d_w1 = torch.einsum("bc,bf->cf", x, d_z)
        return [
            d_w1,
            torch.einsum("bf->f", d_z),
            torch.einsum("bf,bv->fv", h, d_logits),
            torch.einsum("bv->v", d_logits),
        ]


@right("00b.backward")
class RowByRowWithOuter:
    def backward(x, h, w2, d_logits):
        d_w1 = d_b1 = d_w2 = d_b2 = 0
        for row, hidden, d in zip(x, h, d_logits, strict=True):
            d_z = (1 - hidden) * (1 + hidden) * (w2 @ d)
            d_w1, d_b1 = d_w1 + torch.outer(row, d_z), d_b1 + d_z
            d_w2, d_b2 = d_w2 + torch.outer(hidden, d), d_b2 + d
        return d_w1, d_b1, d_w2, d_b2


@right("00b.backward")
class BiasAsAWeightOfOnes:
    def backward(x, h, w2, d_logits):
        ones = torch.ones(len(x), dtype=x.dtype)
        d_h = d_logits @ w2.T
        d_h *= 1 - h.square()
        return x.T @ d_h, ones @ d_h, h.T @ d_logits, ones @ d_logits


# --- 00b.sgd_step


@wrong("00b.sgd_step", "")
class CopyOfTheListOnly:
    def sgd_step(weights, gradients, rate):
        new = weights.copy()
        for w, g in zip(new, gradients, strict=True):
            w -= rate * g
        return new


@wrong("00b.sgd_step", "")
class AnotherNameForTheList:
    def sgd_step(weights, gradients, rate):
        new = weights
        for i in range(len(new)):
            new[i] = new[i] - rate * gradients[i]
        return new


@wrong("00b.sgd_step", "")
class EveryWeightWithEveryGradient:
    def sgd_step(weights, gradients, rate):
        return [w - rate * g for w in weights for g in gradients]


@wrong("00b.sgd_step", "")
class AGenerator:
    def sgd_step(weights, gradients, rate):
        return (w - rate * g for w, g in zip(weights, gradients, strict=True))


@wrong("00b.sgd_step", "")
class ListBegunInTheLoop:
    def sgd_step(weights, gradients, rate):
        for w, g in zip(weights, gradients, strict=True):
            new = []
            new.append(w - rate * g)
        return new


@wrong("00b.sgd_step", "")
class TorchOptimizer:
    def sgd_step(weights, gradients, rate):
        torch.optim.SGD(weights, lr=rate).step()
        return weights


@wrong("00b.sgd_step", "")
class FourByName:
    def sgd_step(weights, gradients, rate):
        w1, b1, w2, b2 = weights
        d_w1, d_b1, d_w2, d_b2 = gradients
        return [w1 - rate * d_w1, b1 - rate * d_b1, w2 - rate * d_w2, b2 - rate * d_b2]


@wrong("00b.sgd_step", "")
class Absolute:
    def sgd_step(weights, gradients, rate):
        return [w - rate * g.abs() for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "")
class OverTheBatch:
    def sgd_step(weights, gradients, rate):
        return [w - rate * g / len(w) for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "")
class OneTensorOfAll:
    def sgd_step(weights, gradients, rate):
        return torch.stack([w - rate * g for w, g in zip(weights, gradients, strict=True)])


@wrong("00b.sgd_step", "")
class TensorOfTheLists:
    def sgd_step(weights, gradients, rate):
        return torch.tensor(weights) - rate * torch.tensor(gradients)


@wrong("00b.sgd_step", "")
class DataMinus:
    def sgd_step(weights, gradients, rate):
        for w, g in zip(weights, gradients, strict=True):
            w.data -= rate * g


@wrong("00b.sgd_step", "")
class RoundedRate:
    def sgd_step(weights, gradients, rate):
        return [w - int(rate) * g for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "")
class PairsOfOldAndNew:
    def sgd_step(weights, gradients, rate):
        return [(w, w - rate * g) for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "")
class AppendsToTheOld:
    def sgd_step(weights, gradients, rate):
        for w, g in zip(list(weights), gradients, strict=True):
            weights.append(w - rate * g)
        return weights


@wrong("00b.sgd_step", "")
class LastOneOnly:
    def sgd_step(weights, gradients, rate):
        for w, g in zip(weights, gradients, strict=True):
            new = w - rate * g
        return new


@wrong("00b.sgd_step", "")
class FirstAndLastGradient:
    def sgd_step(weights, gradients, rate):
        return [w - rate * g for w, g in zip(weights, reversed(gradients), strict=True)]


@wrong("00b.sgd_step", "")
class SumOfAllGradients:
    def sgd_step(weights, gradients, rate):
        return [w - rate * sum(g.sum() for g in gradients) for w in weights]


@right("00b.sgd_step")
class ForeachOfTorch:
    def sgd_step(weights, gradients, rate):
        return list(torch._foreach_add(weights, gradients, alpha=-rate))


@right("00b.sgd_step")
class ClonesThenInPlace:
    def sgd_step(weights, gradients, rate):
        new = [w.clone() for w in weights]
        for w, g in zip(new, gradients, strict=True):
            w.sub_(g, alpha=rate)
        return new


@right("00b.sgd_step")
class MapWithTorchSub:
    def sgd_step(weights, gradients, rate):
        return [*map(lambda w, g: torch.sub(w, g, alpha=rate), weights, gradients)]
