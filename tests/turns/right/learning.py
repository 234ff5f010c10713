"""Unusual right answers to the turns of lesson 00b, as learners write them."""

import torch
import torch.nn.functional as F
from turn_answers import right


@right("00b.cross_entropy")
class LogSumExp:
    def cross_entropy(logits, targets):
        return (torch.logsumexp(logits, 1) - logits.gather(1, targets[:, None]).squeeze(1)).mean()


@right("00b.cross_entropy")
class LoopOverRows:
    def cross_entropy(logits, targets):
        losses = []
        for row, target in zip(logits, targets):
            shifted = row - row.max()
            losses.append(shifted.exp().sum().log() - shifted[target])
        return torch.stack(losses).mean()


@right("00b.cross_entropy")
class OneHotTimesLog:
    def cross_entropy(logits, targets):
        truth = F.one_hot(targets, logits.shape[-1]).float()
        return -(truth * logits.log_softmax(1)).sum() / len(targets)


@right("00b.cross_entropy")
class MakemoreByHand:
    def cross_entropy(logits, targets):
        n = logits.shape[0]
        norm_logits = logits - logits.max(1, keepdim=True).values
        counts = norm_logits.exp()
        logprobs = norm_logits - counts.sum(1, keepdim=True).log()
        return -logprobs[range(n), targets].mean()


@right("00b.cross_entropy")
class NllOfLogSoftmax:
    def cross_entropy(logits, targets):
        return F.nll_loss(F.log_softmax(logits, dim=-1), targets)


@right("00b.cross_entropy")
class TorchsOwn:
    def cross_entropy(logits, targets):
        return F.cross_entropy(logits, targets)


@right("00b.backward")
class OuterProductsRowByRow:
    def backward(x, h, w2, d_logits):
        d_w1, d_w2 = torch.zeros(x.shape[1], h.shape[1]), torch.zeros_like(w2)
        d_b1, d_b2 = torch.zeros(h.shape[1]), torch.zeros(w2.shape[1])
        for b in range(len(x)):
            d_w2 = d_w2 + torch.outer(h[b], d_logits[b])
            d_b2 = d_b2 + d_logits[b]
            d_z = (w2 @ d_logits[b]) * (1 - h[b] * h[b])
            d_w1 = d_w1 + torch.outer(x[b], d_z)
            d_b1 = d_b1 + d_z
        return d_w1, d_b1, d_w2, d_b2


@right("00b.backward")
class Einsums:
    def backward(x, h, w2, d_logits):
        d_z = torch.einsum("bv,fv->bf", d_logits, w2) * (1 - h.pow(2))
        return [
            torch.einsum("bc,bf->cf", x, d_z),
            torch.einsum("bf->f", d_z),
            torch.einsum("bf,bv->fv", h, d_logits),
            torch.einsum("bv->v", d_logits),
        ]


@right("00b.backward")
class AutogradOfTheLastSteps:
    def backward(x, h, w2, d_logits):
        z = torch.atanh(h.double()).float()
        w1, b1 = torch.zeros(x.shape[1], h.shape[1]), torch.zeros(h.shape[1])
        parts = [part.clone().requires_grad_() for part in (w1, b1, w2, torch.zeros(w2.shape[1]))]
        with torch.enable_grad():
            out = torch.tanh(z + x @ parts[0] + parts[1]) @ parts[2] + parts[3]
            return torch.autograd.grad((out * d_logits).sum(), parts)


@right("00b.backward")
class BroadcastAndSum:
    def backward(x, h, w2, d_logits):
        d_h = (d_logits[:, None, :] * w2[None]).sum(-1)
        d_z = d_h - d_h * h * h
        return (
            (x[:, :, None] * d_z[:, None, :]).sum(0),
            d_z.sum(axis=0),
            (h[:, :, None] * d_logits[:, None, :]).sum(0),
            d_logits.sum(axis=0),
        )


@right("00b.backward")
class KarpathysOrder:
    def backward(x, h, w2, d_logits):
        dh = d_logits @ w2.T
        dW2 = h.T @ d_logits
        db2 = d_logits.sum(0)
        dhpreact = (1.0 - h**2) * dh
        dW1 = x.T @ dhpreact
        db1 = dhpreact.sum(0)
        return (dW1, db1, dW2, db2)


@right("00b.sgd_step")
class LoopAndAppend:
    def sgd_step(weights, gradients, rate):
        new = []
        for i in range(len(weights)):
            new.append(weights[i] - rate * gradients[i])
        return new


@right("00b.sgd_step")
class MapAndTuple:
    def sgd_step(weights, gradients, rate):
        return tuple(map(lambda w, g: torch.add(w, g, alpha=-rate), weights, gradients))


@right("00b.sgd_step")
class CloneThenInPlace:
    def sgd_step(weights, gradients, rate):
        stepped = [weight.clone() for weight in weights]
        for weight, gradient in zip(stepped, gradients):
            weight -= rate * gradient
        return stepped


@right("00b.sgd_step")
class TorchsOptimizer:
    def sgd_step(weights, gradients, rate):
        new = [torch.nn.Parameter(w.clone()) for w in weights]
        for w, g in zip(new, gradients):
            w.grad = g.clone()
        torch.optim.SGD(new, lr=rate).step()
        return [w.detach() for w in new]


@right("00b.sgd_step")
class BackwardsAndTurned:
    def sgd_step(weights, gradients, rate):
        result = []
        for w, g in reversed(list(zip(weights, gradients))):
            result.insert(0, torch.lerp(w, w - g, rate))
        return result
