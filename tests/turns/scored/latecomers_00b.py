"""Answers to the turns of lesson 00b, written from its text alone; checks changed after."""

import torch
from turn_answers import right, wrong


def _with_ones(a):
    return torch.cat([a, a.new_ones(len(a), 1)], dim=1)


def _layer(a, w, b):
    return a @ w + b


_velocity = {}


# --- 00b.cross_entropy


@wrong(
    "00b.cross_entropy",
    "The largest logit of the whole table is subtracted. A row far below it has nothing but zeros: n",
)
class OneMaximumForAllGuesses:
    """The largest logit of all guesses is subtracted, so a row 200 below it has a sum of 0 and no finite loss."""

    def cross_entropy(logits, targets):
        shifted = logits - logits.max()
        log_sums = shifted.exp().sum(dim=-1).log()
        return (log_sums - shifted[torch.arange(len(targets)), targets]).mean()


@right("00b.cross_entropy")
class BehindTheRightLetter:
    """Each row is shifted by the right letter's logit, so its loss is just the log of the sum of the powers."""

    def cross_entropy(logits, targets):
        ahead = logits - logits.gather(1, targets[:, None])
        return ahead.logsumexp(dim=1).mean()


@right("00b.cross_entropy")
class DiagonalOfTheTable:
    """All targets are picked in each row, and the diagonal of that (B, B) table is averaged."""

    def cross_entropy(logits, targets):
        return logits.log_softmax(dim=-1).index_select(1, targets).diagonal().mean().neg()


# --- 00b.backward


@wrong("00b.backward", "`w2` is reshaped, not transposed, so what comes back to h is mixed up.")
class ReshapesTheWeights:
    """W₂ is reshaped to (V, F) instead of transposed, so the slopes that come back to h are mixed up."""

    def backward(x, h, w2, d_logits):
        F, V = w2.shape
        d_z = (d_logits @ w2.reshape(V, F)) * (1 - h**2)
        return x.T @ d_z, d_z.sum(dim=0), h.T @ d_logits, d_logits.sum(dim=0)


@wrong("00b.backward", "`d_b1` takes the slope of tanh at the mean of h.")
class SlopeOfTheMeanRow:
    """b₁'s gradient is carried back from b₂'s sum, with the tanh slope at the mean h instead of row by row."""

    def backward(x, h, w2, d_logits):
        d_b2 = d_logits.sum(dim=0)
        d_b1 = (w2 @ d_b2) * (1 - h.mean(dim=0) ** 2)
        d_w1 = x.T @ ((d_logits @ w2.T) * (1 - h**2))
        return d_w1, d_b1, h.T @ d_logits, d_b2


@right("00b.backward")
class BiasesAsLastRows:
    """A column of ones is joined to x and h, so each bias gradient is the last row of one product."""

    def backward(x, h, w2, d_logits):
        second = _with_ones(h).T @ d_logits
        first = _with_ones(x).T @ ((1 - h) * (1 + h) * (d_logits @ w2.T))
        return first[:-1], first[-1], second[:-1], second[-1]


@right("00b.backward")
class PulledBackByTorch:
    """torch.func pulls the slopes back through both linear layers, and only the tanh is done by hand."""

    def backward(x, h, w2, d_logits):
        _, pull = torch.func.vjp(_layer, h, w2, w2.new_zeros(w2.shape[1]))
        d_h, d_w2, d_b2 = pull(d_logits)
        F = h.shape[1]
        _, pull = torch.func.vjp(_layer, x, x.new_zeros(x.shape[1], F), x.new_zeros(F))
        _, d_w1, d_b1 = pull(d_h - d_h * h * h)
        return d_w1, d_b1, d_w2, d_b2


# --- 00b.sgd_step


@wrong("00b.sgd_step", "`_velocity` still holds what earlier calls have put into it, and that changes the result.")
class RollsOn:
    """A momentum of 0.9 is kept between calls, so only the first step for tensors of these shapes is right."""

    def sgd_step(weights, gradients, rate):
        stepped = []
        for i, (w, g) in enumerate(zip(weights, gradients, strict=True)):
            _velocity[i, w.shape] = 0.9 * _velocity.get((i, w.shape), 0) + g
            stepped.append(w - rate * _velocity[i, w.shape])
        return stepped


@right("00b.sgd_step")
class OneLongVector:
    """All weights are joined to one vector that takes one step, and are then cut apart again."""

    def sgd_step(weights, gradients, rate):
        w, g = (torch.cat([t.flatten() for t in ts]) for ts in (weights, gradients))
        parts = (w - rate * g).split([t.numel() for t in weights])
        return [part.clone().view(t.shape) for part, t in zip(parts, weights, strict=True)]


@right("00b.sgd_step")
class RecursiveStep:
    """The first tensor takes its step by torch.sub's alpha, and the rest follow by recursion on the lists' tails."""

    def sgd_step(weights, gradients, rate):
        def step(ws, gs):
            return [torch.sub(ws[0], gs[0], alpha=rate), *step(ws[1:], gs[1:])] if len(ws) else []

        return step(weights, gradients)
