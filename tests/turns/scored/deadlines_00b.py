"""Answers to the turns of lesson 00b, written from its text alone; checks changed after."""

import torch
from turn_answers import right

# --- 00b.cross_entropy


@right("00b.cross_entropy")
class FromDistributions:
    """A Categorical distribution knows the log-probability of a sample."""

    def cross_entropy(logits, targets):
        letters = torch.distributions.Categorical(logits=logits)
        return letters.log_prob(targets).mean().neg()


@right("00b.cross_entropy")
class HowFarTheOthersAreAhead:
    """Measures all logits from the right one; the loss is the logsumexp of these differences."""

    def cross_entropy(logits, targets):
        ahead = logits - logits.take_along_dim(targets[:, None], dim=1)
        return ahead.logsumexp(dim=1).sum() / len(targets)


# --- 00b.backward


@right("00b.backward")
class ColumnOfOnes:
    """Treats a bias as the weight of a column of ones, so each layer's two gradients come from one product."""

    def backward(x, h, w2, d_logits):
        one = x.new_ones(len(x), 1)
        second = torch.cat([h, one], dim=1).T @ d_logits
        d_z = torch.einsum("bv,fv,bf->bf", d_logits, w2, 1 - h * h)
        first = torch.cat([x, one], dim=1).T @ d_z
        return first[:-1], first[-1], second[:-1], second[-1]


@right("00b.backward")
class TwoVjps:
    """Lets torch.func.vjp walk back through each linear layer. W1 isn't known, but a linear layer's gradient
    doesn't need it, so zeros stand in."""

    def backward(x, h, w2, d_logits):
        def linear(a, w, b):
            return a @ w + b

        b2 = w2.new_zeros(w2.shape[1])
        d_h, d_w2, d_b2 = torch.func.vjp(linear, h, w2, b2)[1](d_logits)
        d_z = d_h - d_h * h * h
        w1, b1 = w2.new_zeros(x.shape[1], h.shape[1]), w2.new_zeros(h.shape[1])
        _, d_w1, d_b1 = torch.func.vjp(linear, x, w1, b1)[1](d_z)
        return d_w1, d_b1, d_w2, d_b2


# --- 00b.sgd_step


@right("00b.sgd_step")
class OptimizerOnClones:
    """Gives clones and their gradients to torch.optim.SGD for one step."""

    def sgd_step(weights, gradients, rate):
        if not weights:
            return []
        clones = [w.detach().clone().requires_grad_() for w in weights]
        for clone, g in zip(clones, gradients, strict=True):
            clone.grad = g.detach().clone()
        torch.optim.SGD(clones, lr=rate).step()
        return [clone.detach() for clone in clones]


@right("00b.sgd_step")
class OneLongVector:
    """Lays all weights end to end, takes the step once, and cuts the vector up again."""

    def sgd_step(weights, gradients, rate):
        if not weights:
            return []
        flat = torch.cat([w.reshape(-1) for w in weights])
        flat = flat - rate * torch.cat([g.reshape(-1) for g in gradients])
        pieces = flat.split([w.numel() for w in weights])
        return [piece.reshape(w.shape).clone() for piece, w in zip(pieces, weights)]
