"""Answers to the turns of lesson 00b, written from its text alone; checks changed after."""

import torch
from turn_answers import right, wrong

# --- 00b.cross_entropy


@right("00b.cross_entropy")
class GapsToTheRightLetter:
    """The loss of a row is the logsumexp of all logits after the right letter's is subtracted."""

    def cross_entropy(logits, targets):
        gaps = logits - logits.take_along_dim(targets[:, None], dim=1)
        return gaps.logsumexp(dim=1).mean()


@right("00b.cross_entropy")
class ByCategorical:
    """A Categorical distribution made of the logits tells the logarithm of each right letter's probability."""

    def cross_entropy(logits, targets):
        return torch.distributions.Categorical(logits=logits).log_prob(targets).neg().mean()


# --- 00b.backward


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
class PulledBackByVjp:
    """torch.func.vjp pulls the slopes back through both linear layers, and only the tanh is done by hand."""

    def backward(x, h, w2, d_logits):
        def linear(inputs, weight, bias):
            return torch.addmm(bias, inputs, weight)

        _, pull = torch.func.vjp(linear, h, w2, w2.new_zeros(w2.shape[1]))
        d_h, d_w2, d_b2 = pull(d_logits)
        any_w1, any_b1 = x.new_zeros(x.shape[1], h.shape[1]), x.new_zeros(h.shape[1])
        _, pull = torch.func.vjp(linear, x, any_w1, any_b1)
        _, d_w1, d_b1 = pull(d_h - d_h * h * h)
        return d_w1, d_b1, d_w2, d_b2


# --- 00b.sgd_step


@wrong("00b.sgd_step", "returned its input itself")
class OldTensorWhereNothingMoves:
    """Where a gradient is all zeros, the old tensor itself is returned and not a new one."""

    def sgd_step(weights, gradients, rate):
        new = []
        for weight, gradient in zip(weights, gradients, strict=True):
            if gradient.any():
                weight = weight - rate * gradient
            new.append(weight)
        return new


@right("00b.sgd_step")
class ByTorchOptim:
    """torch.optim.SGD takes the step on copies of the weights, to which the gradients were attached."""

    def sgd_step(weights, gradients, rate):
        copies = [weight.detach().clone().requires_grad_() for weight in weights]
        for copy, gradient in zip(copies, gradients, strict=True):
            copy.grad = gradient.detach().clone()
        torch.optim.SGD(copies, lr=rate).step()
        return [copy.detach() for copy in copies]


@right("00b.sgd_step")
class OneLongVector:
    """All weights are joined to one vector for a single subtraction, which is then cut into the old shapes."""

    def sgd_step(weights, gradients, rate):
        flat = torch.cat([w.flatten() for w in weights]) - rate * torch.cat([g.flatten() for g in gradients])
        pieces = flat.split([w.numel() for w in weights])
        return [piece.clone().view(w.shape) for piece, w in zip(pieces, weights, strict=True)]
