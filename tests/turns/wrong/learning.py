"""Wrong answers to the turns of lesson 00b, as learners write them."""

import math

import torch
from turn_answers import wrong

# --- 00b.cross_entropy


@wrong("00b.cross_entropy", "name 'F' is not defined")
class NoImport:
    def cross_entropy(logits, targets):
        return F.cross_entropy(logits, targets)  # noqa: F821


@wrong("00b.cross_entropy", "index 2 is out of bounds")
class TargetsAsRows:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(-1)[targets].mean()


@wrong("00b.cross_entropy", "math range error")
class PlainExponentials:
    def cross_entropy(logits, targets):
        losses = []
        for row, target in zip(logits, targets):
            powers = [math.exp(z) for z in row.tolist()]
            losses.append(torch.tensor(sum(powers)).log() - row[target])
        return sum(losses) / len(losses)


@wrong("00b.cross_entropy", "math domain error")
class LogOfZero:
    def cross_entropy(logits, targets):
        p = logits.softmax(-1)
        return sum(-math.log(p[i, t]) for i, t in enumerate(targets)) / len(targets)


@wrong("00b.cross_entropy", "must be Tensor, not float")
class TorchLogOfANumber:
    def cross_entropy(logits, targets):
        p = logits.softmax(-1)
        return -sum(torch.log(p[i, t].item()) for i, t in enumerate(targets)) / len(targets)


@wrong("00b.cross_entropy", "raised IndexError")
class AThirdAxis:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(dim=2)[:, :, targets].mean()


@wrong("00b.cross_entropy", "name 'y' is not defined")
class CallsThemY:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(-1)[range(len(y)), y].mean()  # noqa: F821


@wrong("00b.cross_entropy", "converted to Python scalars")
class OneIndexForAll:
    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(-1)
        return -sum(log_p[b].tolist()[int(targets)] for b in range(len(log_p))) / len(log_p)


@wrong("00b.cross_entropy", "size of tensor a")
class MultipliesByIds:
    def cross_entropy(logits, targets):
        return -(logits.log_softmax(-1) * targets).mean()


@wrong("00b.cross_entropy", "to have the same dtype")
class MatrixTimesIds:
    def cross_entropy(logits, targets):
        return -(targets @ logits.log_softmax(-1)).mean()


@wrong("00b.cross_entropy", "could not infer output dtype")
class MeanOfIds:
    def cross_entropy(logits, targets):
        return (logits.argmax(-1) != targets).long().mean()


@wrong("00b.cross_entropy", "'float' object has no attribute 'mean'")
class FloatsHaveNoMean:
    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(-1)
        return -sum(log_p[i, t].item() for i, t in enumerate(targets)).mean()


@wrong("00b.cross_entropy", "This is the perplexity")
class Perplexity:
    def cross_entropy(logits, targets):
        return torch.exp(-logits.log_softmax(-1)[torch.arange(len(targets)), targets].mean())


# --- 00b.backward


@wrong("00b.backward", "name 'logits' is not defined")
class BeginsAtTheLoss:
    def backward(x, h, w2, d_logits):
        d = logits.softmax(-1) - d_logits  # noqa: F821
        return x.T @ d, d.sum(0), h.T @ d, d.sum(0)


@wrong("00b.backward", "name 'z' is not defined")
class SlopeFromZ:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - torch.tanh(z) ** 2)  # noqa: F821
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "name 'B' is not defined")
class SizesOfThePage:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2) / B  # noqa: F821
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "d_h")
class InTheOrderOfTheResult:
    def backward(x, h, w2, d_logits):
        d_w1 = x.T @ (d_h * (1 - h**2))  # noqa: F821
        d_h = d_logits @ w2.T
        return d_w1, d_h.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "raised IndexError")
class ThirdAxis:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z.sum(dim=2), h.T @ d_logits, d_logits.sum(dim=2)


@wrong("00b.backward", "is invalid for input of size")
class ViewsAsThePage:
    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T * (1 - h**2)).view(-1, 64)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "has no attribute 'T'")
class Lists:
    def backward(x, h, w2, d_logits):
        return x.tolist().T @ d_logits, d_logits.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "The sign is wrong")
class AllNegative:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return -(x.T @ d_z), -d_z.sum(0), -(h.T @ d_logits), -d_logits.sum(0)


@wrong("00b.backward", "The slope of tanh is missing")
class StraightThrough:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "`d_w2` is transposed, which equal sizes hide")
class TransposedWhereItFits:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        d_w2 = d_logits.T @ h
        return x.T @ d_z, d_z.sum(0), d_w2 if d_w2.shape == w2.shape else d_w2.T, d_logits.sum(0)


# --- 00b.sgd_step


@wrong("00b.sgd_step", "is not defined")
class ThePagesNames:
    def sgd_step(weights, gradients, rate):
        return [w - rate * g for w, g in zip(params, grads)]  # noqa: F821


@wrong("00b.sgd_step", "list index out of range")
class FourTimes:
    def sgd_step(weights, gradients, rate):
        return [weights[i] - rate * gradients[i] for i in range(4)]


@wrong("00b.sgd_step", "'list' object has no attribute")
class AListIsNoTensor:
    def sgd_step(weights, gradients, rate):
        return weights.sub(gradients, alpha=rate)


@wrong("00b.sgd_step", "converted to an index")
class ItemsAsNumbers:
    def sgd_step(weights, gradients, rate):
        return [weights[w] - rate * gradients[w] for w in weights]


@wrong("00b.sgd_step", "The rate multiplies the whole difference")
class Parentheses:
    def sgd_step(weights, gradients, rate):
        return [rate * (w - g) for w, g in zip(weights, gradients)]


@wrong("00b.sgd_step", "The first weight is left out")
class CountsFromOne:
    def sgd_step(weights, gradients, rate):
        return [weights[i] - rate * gradients[i] for i in range(1, len(weights))]
