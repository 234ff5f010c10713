"""Answers to the turns and questions of lesson 00b; `tools/choose_answers.py` chose them."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@right("00b.cross_entropy")
class TorchsOwn:
    def cross_entropy(logits, targets):
        return F.cross_entropy(logits, targets)


@right("00b.cross_entropy")
class RowByRow:
    """A Python loop over the rows, stacked so that autograd still works."""

    def cross_entropy(logits, targets):
        losses = []
        for row, target in zip(logits, targets.tolist(), strict=True):
            shifted = row - row.max()
            losses.append(shifted.exp().sum().log() - shifted[target])
        return torch.stack(losses).mean()


@wrong("00b.cross_entropy", "index 2 is out of bounds")
class TargetsAsRows:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(-1)[targets].mean()


@wrong("00b.cross_entropy", "raised IndexError")
class AThirdAxis:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(dim=2)[:, :, targets].mean()


@wrong("00b.cross_entropy", "name 'y' is not defined")
class CallsThemY:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(-1)[range(len(y)), y].mean()  # noqa: F821


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


@wrong("00b.cross_entropy", "`cross_entropy` raised RuntimeError")
class GatherWithoutAnAxis:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(-1).gather(1, targets).mean()


@wrong("00b.cross_entropy", "`cross_entropy` raised RuntimeError")
class ClassCalledAsAFunction:
    def cross_entropy(logits, targets):
        return torch.nn.CrossEntropyLoss(logits, targets)


@wrong("00b.cross_entropy", "`cross_entropy` raised NotImplementedError")
class TargetsFirst:
    def cross_entropy(logits, targets):
        return F.cross_entropy(targets, logits)


@wrong("00b.cross_entropy", "The losses of the rows are right, but there must be one number: their mean. End")
class NoReduction:
    def cross_entropy(logits, targets):
        return -logits.log_softmax(-1)[torch.arange(len(targets)), targets]


@wrong("00b.cross_entropy", "`cross_entropy` raised TypeError")
class NoDim:
    def cross_entropy(logits, targets):
        return -logits.log_softmax()[range(len(targets)), targets].mean()


@wrong("00b.cross_entropy", "The result is right, but no model could learn through it: `logits` gets no")
class Detached:
    def cross_entropy(logits, targets):
        return -logits.detach().log_softmax(-1)[torch.arange(len(targets)), targets].mean()


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


@wrong("00b.cross_entropy", "converted to Python scalars")
class OneIndexForAll:
    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(-1)
        return -sum(log_p[b].tolist()[int(targets)] for b in range(len(log_p))) / len(log_p)


@wrong("00b.cross_entropy", "'float' object has no attribute 'mean'")
class FloatsHaveNoMean:
    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(-1)
        return -sum(log_p[i, t].item() for i, t in enumerate(targets)).mean()


@wrong("00b.cross_entropy", "`cross_entropy` raised ValueError")
class NanoGPTsView:
    def cross_entropy(logits, targets):
        B, T, C = logits.shape
        return F.cross_entropy(logits.view(B * T, C), targets.view(B * T))


@wrong("00b.cross_entropy", "The result has ")
class GathersFromTheFirstRow:
    """The index for gather is a row (1, B), not a column (B, 1), so all are read from the first guess."""

    def cross_entropy(logits, targets):
        log_p = F.log_softmax(logits, dim=1)
        return -log_p.gather(1, targets[None]).mean()


@wrong("00b.cross_entropy", "math range error")
class PlainExponentials:
    def cross_entropy(logits, targets):
        losses = []
        for row, target in zip(logits, targets):
            powers = [math.exp(z) for z in row.tolist()]
            losses.append(torch.tensor(sum(powers)).log() - row[target])
        return sum(losses) / len(losses)


@right("00b.backward")
class BiasAsOneMoreInput:
    """A column of ones is put beside the inputs, so one product gives a weight's gradient and the bias's below it."""

    def backward(x, h, w2, d_logits):
        def both(inputs, d_out):
            d_all = torch.cat([inputs, inputs.new_ones(len(inputs), 1)], dim=1).T @ d_out
            return d_all[:-1], d_all[-1]

        d_z = torch.einsum("bv,fv->bf", d_logits, w2) * (1 + h) * (1 - h)
        return *both(x, d_z), *both(h, d_logits)


@right("00b.backward")
class SumOverRows:
    def backward(x, h, w2, d_logits):
        parts = []
        for xb, hb, db in zip(x, h, d_logits):
            dz = (1 - hb**2) * (w2 @ db)
            parts.append((xb[:, None] * dz, dz, hb[:, None] * db, db))
        return tuple(sum(each) for each in zip(*parts))


@right("00b.backward")
class AutogradOfTheLastSteps:
    def backward(x, h, w2, d_logits):
        z = torch.atanh(h.double()).float()
        w1, b1 = torch.zeros(x.shape[1], h.shape[1]), torch.zeros(h.shape[1])
        parts = [part.clone().requires_grad_() for part in (w1, b1, w2, torch.zeros(w2.shape[1]))]
        with torch.enable_grad():
            out = torch.tanh(z + x @ parts[0] + parts[1]) @ parts[2] + parts[3]
            return torch.autograd.grad((out * d_logits).sum(), parts)


@wrong("00b.backward", "has no attribute 'T'")
class Lists:
    def backward(x, h, w2, d_logits):
        return x.tolist().T @ d_logits, d_logits.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "`d_w")
class SkipsTheSecondLayer:
    def backward(x, h, w2, d_logits):
        return x.T @ d_logits, d_logits.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "`backward` raised RuntimeError")
class UsesAutogradOnNothing:
    def backward(x, h, w2, d_logits):
        return torch.autograd.grad(d_logits.sum(), [x, h, w2])


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


@wrong("00b.backward", "`backward` raised RuntimeError")
class MatrixProductThroughTanh:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T @ (1 - h**2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "The biases take the mean over the rows instead of the sum.")
class OneBiasAveraged:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.mean(0)


@wrong("00b.backward", "`backward` raised RuntimeError")
class SlopeOfTheInput:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - x**2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "`d_w")
class Transposed:
    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        return d_z.T @ x, d_z.sum(0), d_logits.T @ h, d_logits.sum(0)


@wrong("00b.backward", "`backward` raised UnboundLocalError")
class InTheOrderOfTheResult:
    def backward(x, h, w2, d_logits):
        d_w1 = x.T @ (d_h * (1 - h**2))  # noqa: F821
        d_h = d_logits @ w2.T
        return d_w1, d_h.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "`backward` raised NameError")
class NeedsW1:
    def backward(x, h, w2, d_logits):
        d_h = d_logits @ w2.T
        z = x @ w1 + b1  # noqa: F821
        d_z = d_h * (1 - torch.tanh(z) ** 2)
        return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@wrong("00b.backward", "`backward` raised NameError")
class MakemoreFromMemory:
    def backward(x, h, w2, d_logits):
        dh = d_logits @ w2.T
        dW2 = h.T @ d_logits
        db2 = d_logits.sum(0)
        dhpreact = (1.0 - h**2) * dh
        dW1 = embcat.T @ dhpreact  # noqa: F821
        return dW1, dhpreact.sum(0), dW2, db2


@wrong("00b.backward", "`backward` raised RuntimeError")
class SixtyFourHidden:
    """The sizes 64 and 27 of the dinosaur network are written into the code."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        d_b1, d_b2 = torch.zeros(64), torch.zeros(27)
        for b in range(len(x)):
            d_b1 += d_z[b]
            d_b2 += d_logits[b]
        return x.T @ d_z, d_b1, h.T @ d_logits, d_b2


@right("00b.sgd_step")
class RecursiveStep:
    """The first tensor takes its step by torch.sub's alpha, and the rest follow by recursion on the lists' tails."""

    def sgd_step(weights, gradients, rate):
        def step(ws, gs):
            return [torch.sub(ws[0], gs[0], alpha=rate), *step(ws[1:], gs[1:])] if len(ws) else []

        return step(weights, gradients)


@right("00b.sgd_step")
class ByTheOptimizer:
    """torch.optim.SGD steps on clones whose grad is set by hand."""

    def sgd_step(weights, gradients, rate):
        clones = [weight.detach().clone().requires_grad_() for weight in weights]
        for clone, gradient in zip(clones, gradients):
            clone.grad = gradient.detach().clone()
        torch.optim.SGD(clones, lr=rate).step()
        return [clone.detach() for clone in clones]


@wrong("00b.sgd_step", "is not defined")
class ThePagesNames:
    def sgd_step(weights, gradients, rate):
        return [w - rate * g for w, g in zip(params, grads)]  # noqa: F821


# Once taken for another mistake: Each gradient is scaled to norm 1 first
@wrong("00b.sgd_step", "Each gradient is scaled to norm 1 first.")
class UnitSteps:
    """Brings each gradient to length 1 first, so only its direction counts and a flat place is no rest."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g / (g.norm() + 1e-8) for w, g in zip(weights, gradients, strict=True)]


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


@wrong("00b.sgd_step", "`sgd_step` raised RuntimeError")
class EveryWeightWithEveryGradient:
    def sgd_step(weights, gradients, rate):
        return [w - rate * g for w in weights for g in gradients]


@wrong("00b.sgd_step", "`sgd_step` raised RuntimeError")
class OneTensorOfAll:
    def sgd_step(weights, gradients, rate):
        return torch.stack([w - rate * g for w, g in zip(weights, gradients, strict=True)])


@wrong("00b.sgd_step", "The items of the list aren't tensors. Return only the new weights, one tensor")
class PairsOfOldAndNew:
    def sgd_step(weights, gradients, rate):
        return [(w, w - rate * g) for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "`sgd_step` raised TypeError")
class WholeLists:
    def sgd_step(weights, gradients, rate):
        return weights - rate * gradients


@wrong("00b.sgd_step", "`sgd_step` raised NameError")
class GlobalLr:
    def sgd_step(weights, gradients, rate):
        return [w - lr * g for w, g in zip(weights, gradients)]  # noqa: F821


@wrong("00b.sgd_step", "`sgd_step` raised TypeError")
class LooksForGrad:
    def sgd_step(weights, gradients, rate):
        return [w - rate * w.grad for w in weights]


@wrong("00b.sgd_step", "`sgd_step` changed the input that it was given; work on a copy. `-=`, `*=` and")
class DataMinus:
    def sgd_step(weights, gradients, rate):
        for w, g in zip(weights, gradients, strict=True):
            w.data -= rate * g


@wrong("00b.sgd_step", "The result has ")
class RateFromTheWeight:
    """(w - rate) * g: the brackets are around the wrong two."""

    def sgd_step(weights, gradients, rate):
        return [(w - rate) * g for w, g in zip(weights, gradients, strict=True)]


# Once accepted
@wrong("00b.sgd_step", "A weight whose gradient is 0 is left out.")
class DropsRestingWeights:
    """Leaves out tensors whose gradient is 0; they don't move, but they belong in the list."""

    def sgd_step(weights, gradients, rate):
        return [w - rate * g for w, g in zip(weights, gradients, strict=True) if g.any()]


@wrong("00b.sgd_step", "`sgd_step` raised ValueError")
class FourByName:
    def sgd_step(weights, gradients, rate):
        w1, b1, w2, b2 = weights
        d_w1, d_b1, d_w2, d_b2 = gradients
        return [w1 - rate * d_w1, b1 - rate * d_b1, w2 - rate * d_w2, b2 - rate * d_b2]


# Once taken for another mistake: The weight is multiplied by 1 - rate, too
@wrong("00b.sgd_step", "The weight moves toward its gradient, as an average of both.")
class LerpToTheGradient:
    """Mixes weight and gradient, so the weight shrinks."""

    def sgd_step(weights, gradients, rate):
        return [torch.lerp(w, g, rate) for w, g in zip(weights, gradients, strict=True)]


@wrong("00b.sgd_step", "All weights are in one long vector.")
class OneLongVector:
    """The weights come back as a list with one long vector of all parameters, without their shapes."""

    def sgd_step(weights, gradients, rate):
        theta, score = (torch.cat([t.flatten() for t in tensors]) for tensors in (weights, gradients))
        return [theta - rate * score]


@right("00b.1")
def kl_numpy_logaddexp(truth, guess):
    t, g = truth.double().numpy(), guess.double().numpy()
    possible, offered = t > -np.inf, g > -np.inf
    both = possible & offered
    log_p = np.where(both, t - np.logaddexp.reduce(t, axis=1, keepdims=True), 0.0)
    log_q = np.where(both, g - np.logaddexp.reduce(g, axis=1, keepdims=True), 0.0)
    price = (np.where(both, np.exp(log_p), 0.0) * (log_p - log_q)).sum(axis=1)
    price[(possible & ~offered).any(axis=1)] = np.inf
    return torch.from_numpy(price).to(truth.dtype)


@right("00b.1")
def kl_by_loops(truth, guess):
    def log_softmax(row):
        top = max(row)
        total = top + math.log(sum(math.exp(z - top) for z in row))
        return [z - total for z in row]

    terms = []
    for one, other in zip(truth.tolist(), guess.tolist(), strict=True):
        pairs = zip(log_softmax(one), log_softmax(other), strict=True)
        terms.append(sum(math.exp(p) * (p - q) for p, q in pairs if p > -math.inf))
    return terms


@right("00b.1")
def mean_gap_of_the_logits_and_two_logsumexp(truth, guess):
    # sum p (log p - log q) = sum p (t - g) - logsumexp(t) + logsumexp(g)
    t, g = truth.double(), guess.double()
    dead = t.isneginf()
    gap = (t - g).masked_fill(dead, 0.0)
    hopeless = gap.isposinf().any(1)
    gap = gap.masked_fill(gap.isposinf(), 0.0)
    price = torch.einsum("bv,bv->b", t.softmax(1), gap) - t.logsumexp(1) + g.logsumexp(1)
    price[hopeless] = float("inf")
    return price.to(truth.dtype)


@wrong("00b.1", "called torch.nn.functional.kl_div")
def ready_made(truth, guess):
    return F.kl_div(guess.log_softmax(-1), truth.softmax(-1), reduction="none").sum(-1)


@wrong("00b.1", "Infinity was made a large, finite number.")
def kl_nan_to_num(truth, guess):
    log_p, log_q = truth.double().log_softmax(-1), guess.double().log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).nan_to_num().sum(-1)


@wrong("00b.1", "rules out what can happen, and yet the result is")
def never_infinite(truth, guess):
    log_p, log_q = truth.log_softmax(-1), guess.log_softmax(-1).clamp_min(-1000)
    return (log_p.exp() * (log_p.clamp_min(-1000) - log_q)).sum(-1)


@wrong("00b.1", "The result has ")
def kl_terms_clamped(truth, guess):
    lp, lq = truth.double().log_softmax(-1), guess.double().log_softmax(-1)
    terms = torch.where(truth == -math.inf, 0.0, lp.exp() * (lp - lq))
    return terms.clamp(min=0).sum(-1)


@right("00b.2")
def bias_as_one_more_row_in_numpy(layers, x, y, rate):
    def with_ones(h):
        return np.concatenate([h, np.ones((len(h), 1))], axis=1)

    mats = [np.vstack([w.numpy(), b.numpy()[None]]).astype(np.float64) for w, b in layers]
    ins = [with_ones(x.numpy().astype(np.float64))]
    for m in mats[:-1]:
        ins.append(with_ones(np.tanh(ins[-1] @ m)))
    z = ins[-1] @ mats[-1]
    e = np.exp(z - z.max(1, keepdims=True))
    truth = y.numpy().astype(np.float64)
    d = e / e.sum(1, keepdims=True) * truth.sum(1, keepdims=True) - truth
    stepped = []
    for m, h in zip(mats[::-1], ins[::-1]):
        stepped.append(m - rate * np.einsum("bi,bo->io", h, d))
        d = (d @ m.T * (1 - h**2))[:, :-1]
    dtype = layers[0][0].dtype
    return [(torch.tensor(m[:-1], dtype=dtype), torch.tensor(m[-1], dtype=dtype)) for m in stepped[::-1]]


@right("00b.2")
def step_row_by_row(layers, x, y, rate):
    new = [[w.clone(), b.clone()] for w, b in layers]
    for row, target in zip(x, y):
        hs = [row]
        for w, b in layers[:-1]:
            hs.append(torch.tanh(hs[-1] @ w + b))
        d = (hs[-1] @ layers[-1][0] + layers[-1][1]).softmax(0) * target.sum() - target
        for i in range(len(layers) - 1, -1, -1):
            new[i][0] -= rate * torch.outer(hs[i], d)
            new[i][1] -= rate * d
            d = layers[i][0] @ d * (1 - hs[i] * hs[i])
    return [tuple(pair) for pair in new]


@wrong("00b.2", "called torch")
def by_autograd(layers, x, y, rate):
    layers = [(w.clone().requires_grad_(), b.clone().requires_grad_()) for w, b in layers]
    h = x
    for w, b in layers[:-1]:
        h = torch.tanh(h @ w + b)
    (-(y * (h @ layers[-1][0] + layers[-1][1]).log_softmax(-1)).sum()).backward()
    return [(w - rate * w.grad, b - rate * b.grad) for w, b in layers]


@wrong("00b.2", "On the way back through a tanh, ")
def step_tanh_twice(layers, x, y, rate):
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    slope = (outputs[-1] @ weight + bias).softmax(-1) * y.sum(1, keepdim=True) - y
    stepped = []
    for (weight, bias), h in zip(reversed(layers), reversed(outputs)):
        stepped.insert(0, (weight - rate * h.T @ slope, bias - rate * slope.sum(0)))
        slope = slope @ weight.T * (1 - torch.tanh(h) ** 2)
    return stepped


@wrong("00b.2", "The result has its two parts in the wrong order. Open the next hint of the")
def list_in_the_order_of_the_walk(layers, x, y, rate):
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    slope = (outputs[-1] @ weight + bias).softmax(-1) * y.sum(1, keepdim=True) - y
    stepped = []
    while outputs:
        h = outputs.pop()
        weight, bias = layers[len(outputs)]
        stepped.append((weight - rate * h.T @ slope, bias - rate * slope.sum(0)))
        slope = slope @ weight.T * (1 - h**2)
    return stepped


@right("00b.3")
def by_index_in_numpy(slopes, shape):
    out = np.zeros(shape)
    for index, slope in np.ndenumerate(slopes.double().numpy()):
        tail = index[len(index) - len(shape) :]
        out[tuple(0 if size == 1 else i for i, size in zip(tail, shape, strict=True))] += slope
    return torch.from_numpy(np.asarray(out)).float()


@right("00b.3")
def unbroadcast_einsum(slopes, shape):
    letters = "abcdefgh"[: slopes.dim()]
    extra = slopes.dim() - len(shape)
    kept = "".join(letter for letter, size in zip(letters[extra:], shape) if size != 1)
    return torch.einsum(f"{letters}->{kept}", slopes).reshape(shape)


@right("00b.3")
def recursion_over_the_first_axis(slopes, shape):
    def fold(part, below):
        if part.dim() == 0:
            return part.clone()
        if part.dim() > len(below):
            return fold(part.sum(dim=0), below)
        if below[0] == 1:
            return fold(part.sum(dim=0), below[1:])[None]
        if below[0] == 0:
            return part.new_zeros(below)
        return torch.stack([fold(inner, below[1:]) for inner in part])

    return fold(slopes, tuple(shape))


@wrong("00b.3", "called torch.Tensor.sum_to_size")
def what_torch_has(slopes, shape):
    return torch.Tensor.sum_to_size(slopes, shape)


@wrong("00b.3", "The summed axis is lost")
def ones_dropped(slopes, shape):
    extra = slopes.dim() - len(shape)
    axes = list(range(extra)) + [extra + axis for axis, size in enumerate(shape) if size == 1]
    return slopes.sum(axes) if axes else slopes.clone()


@wrong("00b.3", "The result has shape (")
def unbroadcast_empty_axes(slopes, shape):
    extra = slopes.dim() - len(shape)
    slopes = slopes.sum(tuple(range(extra))) if extra else slopes
    axes = tuple(i for i, size in enumerate(shape) if size == 1 and slopes.shape[i] != 1)
    return slopes.sum(dim=axes, keepdim=True)


# Once accepted
@wrong("00b.3", "An axis of 1 that became one of 0 keeps the size 0.")
def unbroadcast_zero_size(slopes, shape):
    extra = slopes.dim() - len(shape)
    if extra:
        slopes = slopes.sum(tuple(range(extra)))
    for axis, size in enumerate(shape):
        if size == 1 and slopes.shape[axis] > 1:
            slopes = slopes.sum(axis, keepdim=True)
    return slopes


@right("00b.4")
def forwards_once_for_each_name(values, steps):
    """Dual numbers: (number, slope by one chosen name), carried forwards once per name."""

    def last_slope_by(chosen):
        duals = {n: (v, 1.0 if n == chosen else 0.0) for n, v in values.items()}
        for name, op, inputs in steps:
            a, da = duals[inputs[0]]
            b, db = duals[inputs[-1]]
            if op == "+":
                dual = a + b, da + db
            elif op == "*":
                dual = a * b, da * b + a * db
            elif op == "tanh":
                dual = math.tanh(a), da * (1 - math.tanh(a) ** 2)
            else:
                dual = math.exp(a), da * math.exp(a)
            # The chosen name is what we wiggle, whatever it was computed from.
            duals[name] = (dual[0], 1.0) if name == chosen else dual
        return duals[steps[-1][0]][1]

    return {n: last_slope_by(n) for n in [*values, *(name for name, _, _ in steps)]}


@right("00b.4")
def one_triangular_system(values, steps):
    names = [*values, *(s[0] for s in steps)]
    at = {n: i for i, n in enumerate(names)}
    v = np.zeros(len(names))
    v[: len(values)] = list(values.values())
    local = np.zeros((len(names), len(names)))  # local[i, j]: number j by number i
    for name, op, inputs in steps:
        j = at[name]
        a, b = at[inputs[0]], at[inputs[-1]]
        if op == "+":
            v[j] = v[a] + v[b]
            local[a, j] += 1
            local[b, j] += 1
        elif op == "*":
            v[j] = v[a] * v[b]
            local[a, j] += v[b]
            local[b, j] += v[a]
        elif op == "tanh":
            v[j] = np.tanh(v[a])
            local[a, j] += 1 - v[j] ** 2
        elif op == "exp":
            v[j] = np.exp(v[a])
            local[a, j] += v[j]
    last = np.zeros((len(names), 1))
    last[at[steps[-1][0]]] = 1
    # slope = local @ slope + last, and local is zero on and below the diagonal
    system = torch.from_numpy(np.eye(len(names)) - local)
    slope = torch.linalg.solve_triangular(system, torch.from_numpy(last), upper=True, unitriangular=True)
    return dict(zip(names, slope[:, 0].tolist()))


def numbers_of(values, steps):
    found = dict(values)
    for name, operation, inputs in steps:
        a, b = found[inputs[0]], found[inputs[-1]]
        found[name] = {"+": a + b, "*": a * b, "tanh": math.tanh(a), "exp": math.exp(min(a, 700))}[operation]
    return found


@wrong("00b.4", "begins with 0")
def nothing_sent_back(values, steps):
    return {name: 0.0 for name in numbers_of(values, steps)}


@wrong("00b.4", "called torch")
def what_wrote_the_tape(values, steps):
    found = {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}
    for name, operation, inputs in steps:
        a, b = found[inputs[0]], found[inputs[-1]]
        found[name] = (
            {"+": torch.add, "*": torch.mul}[operation](a, b) if operation in "+*" else getattr(a, operation)()
        )
    for one in found.values():
        one.retain_grad()
    found[steps[-1][0]].backward()
    return {name: 0.0 if one.grad is None else one.grad.item() for name, one in found.items()}


def _run(values, steps):
    numbers = dict(values)
    for name, operation, inputs in steps:
        given = [numbers[i] for i in inputs]
        if operation == "+":
            numbers[name] = given[0] + given[1]
        elif operation == "*":
            numbers[name] = given[0] * given[1]
        elif operation == "tanh":
            numbers[name] = math.tanh(given[0])
        else:
            numbers[name] = math.exp(given[0])
    return numbers


@wrong("00b.4", "The result has the key 'loss' too many. Open the next hint of the question, and")
def slopes_from_loss(values, steps):
    numbers = _run(values, steps)
    slope = {name: 0.0 for name in numbers}
    slope["loss"] = 1.0
    for name, operation, inputs in reversed(steps):
        if operation == "+":
            slope[inputs[0]] += slope[name]
            slope[inputs[1]] += slope[name]
        elif operation == "*":
            slope[inputs[0]] += numbers[inputs[1]] * slope[name]
            slope[inputs[1]] += numbers[inputs[0]] * slope[name]
        elif operation == "tanh":
            slope[inputs[0]] += (1 - numbers[name] ** 2) * slope[name]
        elif operation == "exp":
            slope[inputs[0]] += numbers[name] * slope[name]
    return slope
