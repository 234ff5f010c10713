"""Answers to the turns of lesson 00b, written from its text alone. The checks were changed after they were scored."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from turn_answers import right, wrong

# --- 00b.cross_entropy


@wrong("00b.cross_entropy", "")
class LogOfSoftmax:
    def cross_entropy(logits, targets):
        p = logits.softmax(-1)
        return -p[torch.arange(len(targets)), targets].log().mean()


@wrong("00b.cross_entropy", "")
class ExpWithoutShift:
    def cross_entropy(logits, targets):
        counts = logits.exp()
        probs = counts / counts.sum(1, keepdim=True)
        return -probs[range(len(targets)), targets].log().mean()


@wrong("00b.cross_entropy", "")
class ForgotMinus:
    def cross_entropy(logits, targets):
        return logits.log_softmax(dim=-1)[range(len(targets)), targets].mean()


@wrong("00b.cross_entropy", "")
class AllTargetColumns:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(dim=-1)[:, targets].mean()


@wrong("00b.cross_entropy", "")
class PicksRows:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(dim=-1)[targets].mean()


@wrong("00b.cross_entropy", "")
class ColumnsAddUpToOne:
    def cross_entropy(logits, targets):
        return -F.log_softmax(logits, dim=0)[range(len(targets)), targets].mean()


@wrong("00b.cross_entropy", "")
class NoReduction:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(-1)[torch.arange(len(targets)), targets]


@wrong("00b.cross_entropy", "")
class Bits:
    def cross_entropy(logits, targets):
        p = logits.softmax(-1)[torch.arange(len(targets)), targets]
        return -torch.log2(p).mean()


@wrong("00b.cross_entropy", "")
class SumNotMean:
    def cross_entropy(logits, targets):
        return F.cross_entropy(logits, targets, reduction="sum")


@wrong("00b.cross_entropy", "")
class OneHotMean:
    def cross_entropy(logits, targets):
        truth = F.one_hot(targets, logits.shape[1])
        return -(truth * logits.log_softmax(1)).mean()


@wrong("00b.cross_entropy", "")
class SoftmaxTwice:
    def cross_entropy(logits, targets):
        return F.cross_entropy(logits.softmax(dim=-1), targets)


@wrong("00b.cross_entropy", "")
class NllOfRawLogits:
    def cross_entropy(logits, targets):
        return F.nll_loss(logits, targets)


@wrong("00b.cross_entropy", "")
class ReturnInLoop:
    def cross_entropy(logits, targets):
        total = 0
        for row, target in zip(logits, targets):
            total = total - row.log_softmax(0)[target]
            return total / len(targets)


@wrong("00b.cross_entropy", "")
class OverwritesTheSum:
    def cross_entropy(logits, targets):
        for row, target in zip(logits, targets):
            loss = -row.log_softmax(0)[target]
        return loss


@wrong("00b.cross_entropy", "")
class LogOfTheMean:
    def cross_entropy(logits, targets):
        return -logits.softmax(-1)[torch.arange(len(targets)), targets].mean().log()


@wrong("00b.cross_entropy", "")
class OneMinusP:
    def cross_entropy(logits, targets):
        return (1 - logits.softmax(-1)[torch.arange(len(targets)), targets]).mean()


@wrong("00b.cross_entropy", "")
class SquaredError:
    def cross_entropy(logits, targets):
        return ((F.one_hot(targets, logits.shape[-1]) - logits.softmax(-1)) ** 2).mean()


@wrong("00b.cross_entropy", "")
class EpsilonInTheLog:
    def cross_entropy(logits, targets):
        p = torch.softmax(logits, -1)
        return -torch.log(p[torch.arange(len(targets)), targets] + 1e-8).mean()


@wrong("00b.cross_entropy", "")
class NumpyThroughout:
    def cross_entropy(logits, targets):
        z = logits.numpy()
        z = z - z.max(1, keepdims=True)
        logp = z - np.log(np.exp(z).sum(1, keepdims=True))
        return -logp[np.arange(len(z)), targets.numpy()].mean()


@wrong("00b.cross_entropy", "")
class PlainPythonNumber:
    def cross_entropy(logits, targets):
        total = 0.0
        for row, target in zip(logits.tolist(), targets.tolist()):
            m = max(row)
            total += m + math.log(sum(math.exp(z - m) for z in row)) - row[target]
        return total / len(targets)


@wrong("00b.cross_entropy", "")
class PrintsIt:
    def cross_entropy(logits, targets):
        print(-logits.log_softmax(-1)[torch.arange(len(targets)), targets].mean())


@wrong("00b.cross_entropy", "")
class TwentySevenRows:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(-1)[torch.arange(27), targets].mean()


@wrong("00b.cross_entropy", "")
class NanoGPTsView:
    def cross_entropy(logits, targets):
        B, T, C = logits.shape
        return F.cross_entropy(logits.view(B * T, C), targets.view(B * T))


@wrong("00b.cross_entropy", "")
class MathLog:
    def cross_entropy(logits, targets):
        p = logits.softmax(-1)[torch.arange(len(targets)), targets]
        return -math.log(p) / len(targets)


@wrong("00b.cross_entropy", "")
class GathersWithoutColumn:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(-1).gather(1, targets).mean()


@wrong("00b.cross_entropy", "")
class SizeOfThePage:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(-1)[range(len(targets)), targets].sum() / 3


@wrong("00b.cross_entropy", "")
class NoDim:
    def cross_entropy(logits, targets):
        return -logits.log_softmax()[range(len(targets)), targets].mean()


@wrong("00b.cross_entropy", "")
class ProbabilityOfTheTruth:
    def cross_entropy(logits, targets):
        return logits.softmax(dim=-1)[torch.arange(len(targets)), targets].mean()


@wrong("00b.cross_entropy", "")
class KeepsTheLargest:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(dim=-1).max(dim=-1).values.mean()


@wrong("00b.cross_entropy", "")
class DividesByTheWrongSum:
    def cross_entropy(logits, targets):
        powers = (logits - logits.max()).exp()
        p = powers / powers.sum()
        return -p[torch.arange(len(targets)), targets].log().mean()


@wrong("00b.cross_entropy", "")
class Base10:
    def cross_entropy(logits, targets):
        return -torch.log10(logits.softmax(-1)[torch.arange(len(targets)), targets]).mean()


@wrong("00b.cross_entropy", "")
class OffByOneLetter:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(-1)[torch.arange(len(targets)), targets - 1].mean()


@wrong("00b.cross_entropy", "")
class Detached:
    def cross_entropy(logits, targets):
        return -logits.detach().log_softmax(-1)[torch.arange(len(targets)), targets].mean()


@wrong("00b.cross_entropy", "")
class ReturnsProbabilitiesToo:
    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(-1)
        return -log_p[torch.arange(len(targets)), targets].mean(), log_p.exp()


@wrong("00b.cross_entropy", "")
class SmoothedLabels:
    def cross_entropy(logits, targets):
        return F.cross_entropy(logits, targets, label_smoothing=0.1)


# --- 00b.backward


@wrong("00b.backward", "")
class SigmoidsSlope:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * h * (1 - h)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class NoTanh:
    def backward(x, h, w2, d_logits):
        d_h = d_logits @ w2.T
        return x.T @ d_h, d_h.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class Transposed:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return d_z.T @ x, d_z.sum(0), d_logits.T @ h, d_logits.sum(0)


@wrong("00b.backward", "")
class BiasNotSummed:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z, h.T @ d_logits, d_logits


@wrong("00b.backward", "")
class BiasMeans:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z.mean(0), h.T @ d_logits, d_logits.mean(0)


@wrong("00b.backward", "")
class BiasAcrossColumns:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z.sum(1), h.T @ d_logits, d_logits.sum(1)


@wrong("00b.backward", "")
class BiasKeepsDim:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z.sum(0, keepdim=True), h.T @ d_logits, d_logits.sum(0, keepdim=True)


@wrong("00b.backward", "")
class BiasOneNumber:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z.sum(), h.T @ d_logits, d_logits.sum()


@wrong("00b.backward", "")
class NoTransposeOfW2:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2 * (1 - h**2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class ReluSlope:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T
        d_z[h <= 0] = 0
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class TanhAgain:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - torch.tanh(h) ** 2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class NeedsW1:
    def backward(x, h, w2, d_logits):
        d_h = d_logits @ w2.T
        z = x @ w1 + b1  # noqa: F821
        d_z = d_h * (1 - torch.tanh(z) ** 2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class OneMinusH:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class BiasBeforeTanh:
    def backward(x, h, w2, d_logits):
        d_w2 = h.T @ d_logits
        d_b2 = d_logits.sum(0)
        d_h = d_logits @ w2.T
        d_z = d_h * (1 - h**2)
        return x.T @ d_z, d_h.sum(0), d_w2, d_b2


@wrong("00b.backward", "")
class OrderOfTheWalk:
    def backward(x, h, w2, d_logits):
        d_w2 = h.T @ d_logits
        d_b2 = d_logits.sum(0)
        d_z = d_logits @ w2.T * (1 - h**2)
        return d_w2, d_b2, x.T @ d_z, d_z.sum(0)


@wrong("00b.backward", "")
class WeightsOnly:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z, h.T @ d_logits


@wrong("00b.backward", "")
class DividesByBAgain:
    def backward(x, h, w2, d_logits):
        n = len(x)
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z / n, d_z.sum(0) / n, h.T @ d_logits / n, d_logits.sum(0) / n


@wrong("00b.backward", "")
class WeightsDividedByB:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z / len(x), d_z.sum(0), h.T @ d_logits / len(x), d_logits.sum(0)


@wrong("00b.backward", "")
class StarForAt:
    def backward(x, h, w2, d_logits):
        d_z = (d_logits * w2.T) * (1 - h**2)
        return x.T * d_z, d_z.sum(0), h.T * d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class WrongSign:
    def backward(x, h, w2, d_logits):
        d_z = -d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z.sum(0), -h.T @ d_logits, -d_logits.sum(0)


@wrong("00b.backward", "")
class SignOnTheWayBackOnly:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (h**2 - 1)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class XForH:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z.sum(0), x.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class HForX:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return h.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class SlopeTimesW2First:
    def backward(x, h, w2, d_logits):
        d_h = d_logits @ w2.T
        d_z = d_h @ (1 - h**2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "")
class StepsAlready:
    def backward(x, h, w2, d_logits):
        d_w2 = h.T @ d_logits
        w2 -= 4 * d_w2
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z.sum(0), d_w2, d_logits.sum(0)


@wrong("00b.backward", "")
class ThroughTheNewW2:
    def backward(x, h, w2, d_logits):
        d_w2 = h.T @ d_logits
        w2 = w2 - d_w2
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z.sum(0), d_w2, d_logits.sum(0)


@wrong("00b.backward", "")
class SoftmaxBackwardOnceMore:
    def backward(x, h, w2, d_logits):
        d = d_logits * d_logits.softmax(-1)
        d_z = d @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z.sum(0), h.T @ d, d.sum(0)


@wrong("00b.backward", "")
class UsesAutogradOnNothing:
    def backward(x, h, w2, d_logits):
        return torch.autograd.grad(d_logits.sum(), [x, h, w2])


@wrong("00b.backward", "")
class ADictionary:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return {"w1": x.T @ d_z, "b1": d_z.sum(0), "w2": h.T @ d_logits, "b2": d_logits.sum(0)}


@wrong("00b.backward", "")
class InNumpy:
    def backward(x, h, w2, d_logits):
        x, h, w2, d = (part.numpy() for part in (x, h, w2, d_logits))
        d_z = d @ w2.T * (1 - h)
        return x.T @ d_z, d_z.sum(0), h.T @ d, d.sum(0)


# --- 00b.sgd_step


@wrong("00b.sgd_step", "")
class Uphill:
    def sgd_step(weights, gradients, rate):
        return [w + rate * g for w, g in zip(weights, gradients)]


@wrong("00b.sgd_step", "")
class InPlace:
    def sgd_step(weights, gradients, rate):
        for w, g in zip(weights, gradients):
            w -= rate * g
        return weights


@wrong("00b.sgd_step", "")
class NothingKept:
    def sgd_step(weights, gradients, rate):
        for w, g in zip(weights, gradients):
            w = w - rate * g
        return weights


@wrong("00b.sgd_step", "")
class NoReturn:
    def sgd_step(weights, gradients, rate):
        new = [w - rate * g for w, g in zip(weights, gradients)]


@wrong("00b.sgd_step", "")
class ReturnInTheLoop:
    def sgd_step(weights, gradients, rate):
        new = []
        for w, g in zip(weights, gradients):
            new.append(w - rate * g)
            return new


@wrong("00b.sgd_step", "")
class WholeLists:
    def sgd_step(weights, gradients, rate):
        return weights - rate * gradients


@wrong("00b.sgd_step", "")
class NoRate:
    def sgd_step(weights, gradients, rate):
        return [w - g for w, g in zip(weights, gradients)]


@wrong("00b.sgd_step", "")
class FourTensors:
    def sgd_step(weights, gradients, rate):
        w1, b1, w2, b2 = weights
        d_w1, d_b1, d_w2, d_b2 = gradients
        return [w1 - rate * d_w1, b1 - rate * d_b1, w2 - rate * d_w2, b2 - rate * d_b2]


@wrong("00b.sgd_step", "")
class GlobalLr:
    def sgd_step(weights, gradients, rate):
        return [w - lr * g for w, g in zip(weights, gradients)]  # noqa: F821


@wrong("00b.sgd_step", "")
class LooksForGrad:
    def sgd_step(weights, gradients, rate):
        return [w - rate * w.grad for w in weights]


@wrong("00b.sgd_step", "")
class MissingParentheses:
    def sgd_step(weights, gradients, rate):
        return [(w - g) * rate for w, g in zip(weights, gradients)]


@wrong("00b.sgd_step", "")
class OneTensorOnly:
    def sgd_step(weights, gradients, rate):
        for w, g in zip(weights, gradients):
            new = w - rate * g
        return new


@wrong("00b.sgd_step", "")
class AGenerator:
    def sgd_step(weights, gradients, rate):
        return (w - rate * g for w, g in zip(weights, gradients))


@wrong("00b.sgd_step", "")
class EveryPair:
    def sgd_step(weights, gradients, rate):
        return [w - rate * g for w in weights for g in gradients]


@wrong("00b.sgd_step", "")
class DividedByTheNumberOfWeights:
    def sgd_step(weights, gradients, rate):
        return [w - rate * g / len(weights) for w, g in zip(weights, gradients)]


@wrong("00b.sgd_step", "")
class Signs:
    def sgd_step(weights, gradients, rate):
        return [w - rate * torch.sign(g) for w, g in zip(weights, gradients)]


@wrong("00b.sgd_step", "")
class SkipsTheFirst:
    def sgd_step(weights, gradients, rate):
        return [weights[i] - rate * gradients[i] for i in range(1, len(weights))]


@wrong("00b.sgd_step", "")
class ADictOfNames:
    def sgd_step(weights, gradients, rate):
        return {name: weights[name] - rate * gradients[name] for name in ("w1", "b1", "w2", "b2")}


@wrong("00b.sgd_step", "")
class StepsOnly:
    def sgd_step(weights, gradients, rate):
        return [-rate * g for g in gradients]


@wrong("00b.sgd_step", "")
class Momentum:
    def sgd_step(weights, gradients, rate):
        velocity = [torch.zeros_like(w) for w in weights]
        new = []
        for w, g, v in zip(weights, gradients, velocity):
            v = 0.9 * v + 0.1 * g
            new.append(w - rate * v)
        return new


@wrong("00b.sgd_step", "")
class Normalized:
    def sgd_step(weights, gradients, rate):
        return [w - rate * g / g.norm() for w, g in zip(weights, gradients)]


@wrong("00b.sgd_step", "")
class Concatenated:
    def sgd_step(weights, gradients, rate):
        flat = torch.cat([w.flatten() for w in weights])
        slopes = torch.cat([g.flatten() for g in gradients])
        return flat - rate * slopes


# --- right


@right("00b.cross_entropy")
class SubtractsTheMeanOfTheLogit:
    def cross_entropy(logits, targets):
        right_logit = torch.stack([row[t] for row, t in zip(logits, targets)])
        return logits.logsumexp(-1).mean() - right_logit.mean()


@right("00b.cross_entropy")
class Diagonal:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(-1)[:, targets].diagonal().mean()


@right("00b.cross_entropy")
class TakeAlongDim:
    def cross_entropy(logits, targets):
        return torch.take_along_dim(logits.log_softmax(-1), targets.unsqueeze(-1), dim=-1).mean().neg()


@right("00b.cross_entropy")
class ShiftedByTheLargestOfAll:
    def cross_entropy(logits, targets):
        z = logits.double()
        z = z - z.max(dim=1, keepdim=True)[0]
        total = sum(torch.log(torch.exp(z[i]).sum()) - z[i, targets[i]] for i in range(len(z)))
        return (total / len(z)).float()


@right("00b.backward")
class TransposesEarly:
    def backward(x, h, w2, d_logits):
        back = (w2 @ d_logits.T).T
        z = back.mul(1 - h.square())
        return (z.T @ x).T, torch.ones(len(x)) @ z, (d_logits.T @ h).T, torch.ones(len(x)) @ d_logits


@right("00b.backward")
class OnesColumn:
    def backward(x, h, w2, d_logits):
        ones = torch.ones(x.shape[0], 1)
        d_z = (d_logits @ w2.T) * (1 + h) * (1 - h)
        first = torch.cat([x, ones], 1).T @ d_z
        second = torch.cat([h, ones], 1).T @ d_logits
        return first[:-1], first[-1], second[:-1], second[-1]


@right("00b.backward")
class SumOverRows:
    def backward(x, h, w2, d_logits):
        parts = []
        for xb, hb, db in zip(x, h, d_logits):
            dz = (1 - hb**2) * (w2 @ db)
            parts.append((xb[:, None] * dz, dz, hb[:, None] * db, db))
        return tuple(sum(each) for each in zip(*parts))


@right("00b.backward")
class SlopeByOneOverCosh:
    def backward(x, h, w2, d_logits):
        d_z = d_logits.matmul(w2.t()) / torch.cosh(torch.atanh(h)) ** 2
        return [x.t().mm(d_z), d_z.sum(dim=0), h.t().mm(d_logits), d_logits.sum(dim=0)]


@right("00b.sgd_step")
class Foreach:
    def sgd_step(weights, gradients, rate):
        return list(torch._foreach_sub(weights, torch._foreach_mul(gradients, rate)))


@right("00b.sgd_step")
class SubWithAlpha:
    def sgd_step(weights, gradients, rate):
        return [torch.sub(w, g, alpha=rate) for w, g in zip(weights, gradients)]


@right("00b.sgd_step")
class NoGradAndDetach:
    def sgd_step(weights, gradients, rate):
        with torch.no_grad():
            return [(w.detach() - g.detach() * rate).clone() for w, g in zip(weights, gradients)]


@right("00b.sgd_step")
class PopsFromACopy:
    def sgd_step(weights, gradients, rate):
        left, new = list(gradients), []
        for w in weights:
            new += [w + (-rate) * left.pop(0)]
        return new
