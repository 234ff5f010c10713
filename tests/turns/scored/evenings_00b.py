"""Answers to the turns of lesson 00b, written from its text alone; checks changed after."""

import torch
from turn_answers import right

# --- 00b.cross_entropy


# --- 00b.backward


@right("00b.backward")
class ColumnOfOnes:
    """Treats a bias as the weight of an input that is always 1: appends a column of ones, one product per layer, and
    cuts off its last row."""

    def backward(x, h, w2, d_logits):
        def with_ones(a):
            return torch.cat([a, torch.ones_like(a[:, :1])], dim=1)

        second = with_ones(h).T @ d_logits
        first = with_ones(x).T @ torch.addcmul(d_logits @ w2.T, (d_logits @ w2.T) * h, h, value=-1)
        return first[:-1], first[-1], second[:-1], second[-1]


@right("00b.backward")
class RowByRow:
    """One table of slopes per guess, (B, C, F) and (B, F, V), added up at the end; 1 - h**2 as (1 - h)(1 + h)."""

    def backward(x, h, w2, d_logits):
        d_z = torch.einsum("bv,fv->bf", d_logits, w2) * (1 - h) * (1 + h)
        each_w2 = h[:, :, None] * d_logits[:, None, :]
        each_w1 = x[:, :, None] * d_z[:, None, :]
        return each_w1.sum(0), torch.einsum("bf->f", d_z), each_w2.sum(0), torch.einsum("bv->v", d_logits)


# --- 00b.sgd_step


@right("00b.sgd_step")
class AddsWithAlpha:
    """torch.add with a negative alpha, in one call per tensor."""

    def sgd_step(weights, gradients, rate):
        return [torch.add(w, g, alpha=-rate) for w, g in zip(weights, gradients, strict=True)]


@right("00b.sgd_step")
class OneLongVector:
    """Lays all weights end to end in one vector, makes one step, and cuts it up again."""

    def sgd_step(weights, gradients, rate):
        flat_weights = torch.cat([w.reshape(-1) for w in weights])
        flat_gradients = torch.cat([g.reshape(-1) for g in gradients])
        moved = (flat_weights - rate * flat_gradients).split([w.numel() for w in weights])
        return [new.clone().view(w.shape) for new, w in zip(moved, weights)]
