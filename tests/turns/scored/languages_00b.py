"""Answers to the turns of lesson 00b, written from its text alone; checks changed after."""

import torch
from turn_answers import right, wrong

# --- 00b.cross_entropy


@right("00b.cross_entropy")
class MeasuredFromTheRightOne:
    """Counts all logits from the right letter's, so the loss is simply their logsumexp."""

    def cross_entropy(logits, targets):
        ahead = logits - torch.take_along_dim(logits, targets[:, None], dim=1)
        return torch.logsumexp(ahead, dim=1).mean()


@right("00b.cross_entropy")
class AsADistribution:
    """Asks torch.distributions for the log probability of what came."""

    def cross_entropy(logits, targets):
        guess = torch.distributions.Categorical(logits=logits)
        return guess.log_prob(targets).mean().neg()


# --- 00b.backward


@wrong("00b.backward", "The way back to h goes through W2 as it is after its step.")
class ThroughTheNewW2:
    """Walks back to h through W2 after its step, w2 - d_w2, not through the W2 that made the logits."""

    def backward(x, h, w2, d_logits):
        d_w2 = h.T @ d_logits
        d_b2 = d_logits.sum(dim=0)
        w2 = w2 - d_w2  # the last layer is done first
        d_h = d_logits @ w2.T
        d_z = d_h * (1 - h**2)
        d_w1 = x.T @ d_z
        d_b1 = d_z.sum(dim=0)
        return d_w1, d_b1, d_w2, d_b2


@right("00b.backward")
class BiasAsAColumn:
    """Treats each bias as one more row of its matrix, whose input is always 1, and cuts it off at the end."""

    def backward(x, h, w2, d_logits):
        one = torch.ones(len(x), 1, dtype=h.dtype, device=h.device)
        second = torch.cat([h, one], dim=1).T @ d_logits
        d_z = (1 - h) * (1 + h) * torch.einsum("bv,fv->bf", d_logits, w2)
        first = torch.cat([x.to(h.dtype), one], dim=1).T @ d_z
        return first[:-1], first[-1], second[:-1], second[-1]


@right("00b.backward")
class RowByRow:
    """One guess at a time, in loops with outer products that add up."""

    def backward(x, h, w2, d_logits):
        d_w1, d_b1 = h.new_zeros(x.shape[1], h.shape[1]), h.new_zeros(h.shape[1])
        d_w2, d_b2 = torch.zeros_like(w2), torch.zeros_like(d_logits[0])
        for x_row, h_row, d_row in zip(x, h, d_logits):
            d_w2 = d_w2 + torch.outer(h_row, d_row)
            d_b2 = d_b2 + d_row
            d_z = (w2 * d_row).sum(dim=1) * (1 - h_row.square())
            d_w1 = d_w1 + torch.outer(x_row, d_z)
            d_b1 = d_b1 + d_z
        return [d_w1, d_b1, d_w2, d_b2]


# --- 00b.sgd_step


@right("00b.sgd_step")
class CloneThenSubtract:
    """Clones every tensor first, and then subtracts in place from the clones."""

    def sgd_step(weights, gradients, rate):
        new = [w.clone() for w in weights]
        for own, gradient in zip(new, gradients, strict=True):
            own.sub_(rate * gradient)
        return new


@right("00b.sgd_step")
class HeadAndTail:
    """Recursion over head and tail of the two lists, as in Lisp or Haskell."""

    def sgd_step(weights, gradients, rate):
        def step(ws, gs):
            if not ws:
                return []
            (w, *more_w), (g, *more_g) = ws, gs
            return [torch.add(w, -rate * g), *step(more_w, more_g)]

        return step(list(weights), list(gradients))
