"""Answers to the turns of lesson 00b, written from its text alone; checks changed after."""

import torch
from turn_answers import right, wrong


def _crossproduct(a, d):
    """The gradients of a layer's weights and bias."""
    both = torch.hstack((a, a.new_ones(len(a), 1))).T @ d
    return both[:-1], both[-1]


# --- 00b.cross_entropy


@right("00b.cross_entropy")
class LogOddsAgainstTheTruth:
    """The right letter's logit is subtracted from its row, whose log-sum-exp is then the loss."""

    def cross_entropy(logits, targets):
        return (logits - logits.take_along_dim(targets[:, None], dim=1)).logsumexp(dim=1).mean()


@right("00b.cross_entropy")
class MainDiagonal:
    """Every target's column is taken from every row, and only the diagonal of that table is averaged."""

    def cross_entropy(logits, targets):
        table = logits.log_softmax(dim=1).index_select(1, targets)
        return -table.diagonal().mean()


# --- 00b.backward


@wrong("00b.backward", "Only the last row counts in the gradients of the weights.")
class LastGuessOnly:
    """The loop over the guesses assigns the weights' gradients in place of adding, so only the last guess counts."""

    def backward(x, h, w2, d_logits):
        d_z = d_logits @ w2.T * (1 - h**2)
        for b in range(len(x)):
            d_w1 = x[b][:, None] * d_z[b]
            d_w2 = h[b][:, None] * d_logits[b]
        return d_w1, d_z.sum(dim=0), d_w2, d_logits.sum(dim=0)


@right("00b.backward")
class ColumnOfOnes:
    """A column of ones is bound to the inputs of each layer, so one product gives its weights and its bias."""

    def backward(x, h, w2, d_logits):
        d_z = (w2 @ d_logits.T).T * (1 - h) * (1 + h)
        return (*_crossproduct(x, d_z), *_crossproduct(h, d_logits))


@right("00b.backward")
class SpelledOutByEinsum:
    """All products and sums are written as index formulas, and the slope of tanh comes from torch's own backward."""

    def backward(x, h, w2, d_logits):
        d_w2 = torch.einsum("bf,bv->fv", h, d_logits)
        d_b2 = torch.einsum("bv->v", d_logits)
        d_h = torch.einsum("bv,fv->bf", d_logits, w2)
        d_z = torch.ops.aten.tanh_backward(d_h, h)
        return [torch.einsum("bc,bf->cf", x, d_z), torch.einsum("bf->f", d_z), d_w2, d_b2]


# --- 00b.sgd_step


@wrong("00b.sgd_step", "The first weight doesn't move.")
class FirstStaysPut:
    """The indices run from 1, as in Julia, so the first tensor never moves."""

    def sgd_step(weights, gradients, rate):
        new = [weight.clone() for weight in weights]
        for i in range(1, len(weights)):
            new[i] = weights[i] - rate * gradients[i]
        return new


@wrong("00b.sgd_step", "All weights are in one long vector.")
class OneLongVector:
    """The weights come back as a list with one long vector of all parameters, without their shapes."""

    def sgd_step(weights, gradients, rate):
        theta, score = (torch.cat([t.flatten() for t in tensors]) for tensors in (weights, gradients))
        return [theta - rate * score]


@right("00b.sgd_step")
class SplitAgain:
    """All weights make one long vector, which takes the step and is split and shaped again."""

    def sgd_step(weights, gradients, rate):
        theta, score = (torch.cat([t.reshape(-1) for t in tensors]) for tensors in (weights, gradients))
        parts = (theta - rate * score).split([w.numel() for w in weights])
        return [part.reshape(w.shape) for part, w in zip(parts, weights, strict=True)]


@right("00b.sgd_step")
class MapWithAlpha:
    """The subtraction is torch.sub, which takes the rate as its alpha, mapped over both lists."""

    def sgd_step(weights, gradients, rate):
        return list(map(lambda weight, gradient: torch.sub(weight, gradient, alpha=rate), weights, gradients))
