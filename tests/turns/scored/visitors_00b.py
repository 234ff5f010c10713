"""Answers to the turns of lesson 00b, written from its text alone; checks changed after."""

import torch
from turn_answers import right, wrong

_PING_PONG = {"turn": 0, "buffers": [{}, {}]}


# --- 00b.cross_entropy


@right("00b.cross_entropy")
class RelativeToTheTarget:
    """The right logit is subtracted from its whole row, and the loss is the logsumexp of what remains."""

    def cross_entropy(logits, targets):
        of_target = torch.gather(logits, 1, targets.unsqueeze(1))
        return torch.logsumexp(logits - of_target, dim=1).sum() / logits.shape[0]


@right("00b.cross_entropy")
class FlatIndex:
    """torch.take reads the log-probabilities of the targets from the flat table at row * V + column."""

    def cross_entropy(logits, targets):
        B, V = logits.shape
        flat = torch.arange(B) * V + targets
        return -torch.take(torch.log_softmax(logits, dim=1), flat).mean()


# --- 00b.backward


@wrong("00b.backward", "Only the last row counts in the gradients of the weights.")
class LastRowWins:
    """The loop over rows assigns each row's weight gradients instead of adding them, so only the last row counts."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h * h)
        d_w1 = x.new_zeros((x.shape[1], h.shape[1]))
        d_w2 = torch.zeros_like(w2)
        for b in range(x.shape[0]):
            d_w1[:] = x[b][:, None] * d_z[b][None, :]
            d_w2[:] = h[b][:, None] * d_logits[b][None, :]
        return d_w1, d_z.sum(dim=0), d_w2, d_logits.sum(dim=0)


@wrong("00b.backward", "Gradients beyond 1 and -1 are cut off there.")
class ClampedSlopes:
    """All gradients are clamped to -1 to 1 to keep the training stable, so larger slopes are cut."""

    def backward(x, h, w2, d_logits):
        d_z = (d_logits @ w2.T) * (1 - h**2)
        found = [x.T @ d_z, d_z.sum(dim=0), h.T @ d_logits, d_logits.sum(dim=0)]
        return [torch.clamp(gradient, -1.0, 1.0) for gradient in found]


@right("00b.backward")
class ColumnOfOnes:
    """A column of ones is put beside x and h, so each bias is the last row of its weight and needs no rule."""

    def backward(x, h, w2, d_logits):
        ones = x.new_ones((x.shape[0], 1))
        layer_2 = torch.cat([h, ones], dim=1).T @ d_logits
        d_z = (d_logits @ w2.T) * (1 + h) * (1 - h)
        layer_1 = torch.cat([x, ones], dim=1).T @ d_z
        return layer_1[:-1], layer_1[-1], layer_2[:-1], layer_2[-1]


@right("00b.backward")
class RowByRow:
    """A loop over the guesses adds up each one's outer products and slopes in four fresh buffers."""

    def backward(x, h, w2, d_logits):
        d_w1, d_b1 = x.new_zeros((x.shape[1], h.shape[1])), h.new_zeros(h.shape[1])
        d_w2, d_b2 = torch.zeros_like(w2), w2.new_zeros(w2.shape[1])
        for b in range(x.shape[0]):
            d_w2 += torch.outer(h[b], d_logits[b])
            d_b2 += d_logits[b]
            d_z = torch.mv(w2, d_logits[b]) * (1 - h[b] * h[b])
            d_w1 += torch.outer(x[b], d_z)
            d_b1 += d_z
        return [d_w1, d_b1, d_w2, d_b2]


# --- 00b.sgd_step


@wrong("00b.sgd_step", "The result is right, but a later call changes it: it writes into what an earlier one return")
class PingPongBuffers:
    """Results go to two sets of buffers in turn, so each call overwrites the weights returned by the last but one."""

    def sgd_step(weights, gradients, rate):
        _PING_PONG["turn"] = 1 - _PING_PONG["turn"]
        buffers = _PING_PONG["buffers"][_PING_PONG["turn"]]
        result = []
        with torch.no_grad():
            for i in range(len(weights)):
                key = (i, weights[i].shape, weights[i].dtype)
                if key not in buffers:
                    buffers[key] = torch.empty(weights[i].shape, dtype=weights[i].dtype)
                buffers[key].copy_(weights[i] - rate * gradients[i])
                result.append(buffers[key])
        return result


@wrong("00b.sgd_step", "")
class SleepsBelowThreshold:
    """Numbers whose slope is below a thousandth are left where they are, like a body at rest in a physics engine."""

    def sgd_step(weights, gradients, rate):
        result = []
        for w, g in zip(weights, gradients):
            awake = g.abs() >= 1e-3
            result.append(torch.where(awake, w - rate * g, w))
        return result


@right("00b.sgd_step")
class OneFlatBuffer:
    """All tensors are laid out in one flat one, moved in one subtraction, and split to their shapes again."""

    def sgd_step(weights, gradients, rate):
        flat = torch.cat([weight.reshape(-1) for weight in weights])
        slope = torch.cat([gradient.reshape(-1) for gradient in gradients])
        parts = (flat - rate * slope).split([weight.numel() for weight in weights])
        return [part.view(weight.shape) for part, weight in zip(parts, weights)]


@right("00b.sgd_step")
class ByTheOptimizer:
    """torch.optim.SGD steps on clones whose grad is set by hand."""

    def sgd_step(weights, gradients, rate):
        clones = [weight.detach().clone().requires_grad_() for weight in weights]
        for clone, gradient in zip(clones, gradients):
            clone.grad = gradient.detach().clone()
        torch.optim.SGD(clones, lr=rate).step()
        return [clone.detach() for clone in clones]
