"""Answers to the turns of lesson 00b, written from its text alone; checks changed after."""

import torch
from turn_answers import right

# --- 00b.cross_entropy


@right("00b.cross_entropy")
class BehindTheTarget:
    """Each row is measured from its target's logit, and the loss is the logsumexp of these differences."""

    def cross_entropy(logits, targets):
        lead = logits - logits.gather(1, targets.unsqueeze(1))
        return lead.logsumexp(dim=1).mean()


@right("00b.cross_entropy")
class OnTheDiagonal:
    """All targets' letters are selected from all rows, and the mean runs along the diagonal of that (B, B) table."""

    def cross_entropy(logits, targets):
        return logits.log_softmax(dim=1).index_select(1, targets).diagonal().mean().neg()


# --- 00b.backward


@right("00b.backward")
class BiasAsOneMoreInput:
    """A column of ones is put next to x and h, so one product per layer gives the weight's and the bias's gradient."""

    def backward(x, h, w2, d_logits):
        ones = torch.ones(len(x), 1)
        layer2 = torch.cat([h, ones], dim=1).T @ d_logits
        layer1 = torch.cat([x, ones], dim=1).T @ (torch.mm(d_logits, w2.T) * (1 - h) * (1 + h))
        return layer1[:-1], layer1[-1], layer2[:-1], layer2[-1]


@right("00b.backward")
class AllByEinsum:
    """Each of the four rules is an einsum, the sums over the rows too, and the result is a list."""

    def backward(x, h, w2, d_logits):
        d_h = torch.einsum("bv,fv->bf", d_logits, w2)
        d_z = d_h - d_h * h.pow(2)
        return [
            torch.einsum("bc,bf->cf", x, d_z),
            torch.einsum("bf->f", d_z),
            torch.einsum("bf,bv->fv", h, d_logits),
            torch.einsum("bv->v", d_logits),
        ]


# --- 00b.sgd_step


@right("00b.sgd_step")
class OneLongVector:
    """All weights and all gradients become one long vector each, which is cut into the old shapes after the step."""

    def sgd_step(weights, gradients, rate):
        flat = torch.cat([w.flatten() for w in weights]) - rate * torch.cat([g.flatten() for g in gradients])
        pieces = flat.split([w.numel() for w in weights])
        return [piece.view(w.shape) for piece, w in zip(pieces, weights, strict=True)]
