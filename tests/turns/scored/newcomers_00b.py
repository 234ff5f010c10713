"""Answers to the turns of lesson 00b, written from its text alone; checks changed after."""

import torch
from turn_answers import right, wrong

_velocity = {}


# --- 00b.cross_entropy


@wrong(
    "00b.cross_entropy", "The losses are averaged per letter first, so a rare letter counts as much as a frequent one."
)
class MeanOfTheLettersMeans:
    """The losses are averaged per letter, then over the letters, so rare letters count as much as frequent ones."""

    def cross_entropy(logits, targets):
        log_p = logits.log_softmax(dim=-1)
        groups = [-log_p[targets == letter, letter].mean() for letter in targets.unique()]
        return torch.stack(groups).mean()


@right("00b.cross_entropy")
class DiagonalOfAllPairs:
    """All targets are picked in all rows, and the diagonal keeps each row's own."""

    def cross_entropy(logits, targets):
        return logits.log_softmax(dim=1)[:, targets].diagonal().mean().neg()


# --- 00b.backward


@wrong("00b.backward", "`w2` is reshaped, not transposed, so what comes back to h is mixed up.")
class ReshapesW2:
    """W₂ is brought to (V, F) by reshape instead of a transpose, so the shapes fit and the numbers are misplaced."""

    def backward(x, h, w2, d_logits):
        F, V = w2.shape
        d_w2 = h.T @ d_logits
        d_b2 = d_logits.sum(dim=0)
        d_z = d_logits @ w2.reshape(V, F) * (1 - h**2)
        return x.T @ d_z, d_z.sum(dim=0), d_w2, d_b2


@right("00b.backward")
class BiasAsOneMoreInput:
    """A column of ones is added to x and h, so each product gives a matrix with its bias as the last row."""

    def backward(x, h, w2, d_logits):
        one = torch.ones_like(h[:, :1])
        second = torch.cat([h, one], dim=1).T @ d_logits
        first = torch.cat([x, one], dim=1).T @ (d_logits @ w2.T * (1 - h) * (1 + h))
        return first[:-1], first[-1], second[:-1], second[-1]


@right("00b.backward")
class AllByEinsum:
    """Every product and sum is written as an einsum, with no transpose and no sum."""

    def backward(x, h, w2, d_logits):
        d_h = torch.einsum("bv,fv->bf", d_logits, w2)
        d_z = torch.addcmul(d_h, d_h * h, h, value=-1)
        return (
            torch.einsum("bc,bf->cf", x, d_z),
            torch.einsum("bf->f", d_z),
            torch.einsum("bf,bv->fv", h, d_logits),
            torch.einsum("bv->v", d_logits),
        )


# --- 00b.sgd_step


@wrong("00b.sgd_step", "`_velocity` still holds what earlier calls have put into it, and that changes the result.")
class WithMomentum:
    """A velocity from earlier calls is kept and added as momentum, so only the first step is plain."""

    def sgd_step(weights, gradients, rate):
        new = []
        for i, (w, g) in enumerate(zip(weights, gradients, strict=True)):
            old = _velocity.get((i, w.shape), torch.zeros_like(w))
            _velocity[i, w.shape] = 0.9 * old + g
            new.append(w - rate * _velocity[i, w.shape])
        return new


@right("00b.sgd_step")
class OneLongVector:
    """All weights are laid end to end, moved by one subtraction, and cut into their shapes again."""

    def sgd_step(weights, gradients, rate):
        flat = torch.cat([w.flatten() for w in weights])
        flat = flat - rate * torch.cat([g.flatten() for g in gradients])
        parts = flat.split([w.numel() for w in weights])
        return [part.reshape(w.shape) for part, w in zip(parts, weights, strict=True)]


@right("00b.sgd_step")
class ByRecursion:
    """The first tensor takes its step by torch.sub with alpha, and the function calls itself for the rest."""

    def sgd_step(weights, gradients, rate):
        def step(weights, gradients):
            if not weights:
                return []
            moved = torch.sub(weights[0], gradients[0], alpha=rate)
            return [moved, *step(weights[1:], gradients[1:])]

        return step(weights, gradients)
