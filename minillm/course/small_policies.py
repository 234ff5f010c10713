"""Policies that lesson 11 trains in a second: answers on a table, and answers that share weights.

on_table   the policy over a table of answers that a loss of pairs leads to
one_pair   the probabilities of answers that share weights, while one pair trains them
"""

from collections.abc import Callable

import torch
from torch import Tensor

from minillm.course.own_model import with_its_name
from minillm.course.turns import preference_optimization

Loss = Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]


def on_table(loss: Loss, wins: Tensor, reference: Tensor, beta: float, updates: int = 1000) -> Tensor:
    """The policy over n answers that gradient descent on a loss of pairs leads to, from the reference (n,).

    `wins[a, b]` is how often answer a is preferred to b (n, n); every such pair counts so often.

    >>> from minillm.course.turns.preference_optimization import dpo_loss
    >>> reference, r = torch.tensor([0.5, 0.5]).double(), torch.tensor([1.0, 0.0]).double()
    >>> on_table(dpo_loss, torch.sigmoid(r[:, None] - r), reference, beta=1.0)          # e / (e + 1)
    tensor([0.7311, 0.2689], dtype=torch.float64)
    """
    loss, x, ref = with_its_name(loss), reference.log(), reference.log()
    kinds = [(wins == share).nonzero().T for share in wins.unique() if share > 0]  # pairs that count equally
    shares = [wins[tuple(pairs[:, 0])] * pairs.shape[1] for pairs in kinds]
    for _ in range(updates):
        x.requires_grad_()
        log_p = x.log_softmax(0)
        losses = [loss(log_p[w], log_p[lost], ref[w], ref[lost], beta) for w, lost in kinds]
        total = torch.stack([share * each for share, each in zip(shares, losses, strict=True)]).sum()
        (gradient,) = torch.autograd.grad(total, x)
        x = x.detach() - 0.25 / beta**2 * gradient  # 4 / beta^2 is the most that the loss curves per pair
    return x.softmax(0)


def one_pair(
    features: Tensor, loss: Loss | None = None, nll: float = 0.0, beta: float = 0.5, updates: int = 200
) -> tuple[Tensor, Tensor]:
    """Train a policy over n answers with shared weights on one pair: answer 0 is preferred to answer 1.

    The logit of an answer is the sum of its features (n, F) times the weights (F,), which begin at 0. `nll` adds that
    much of -log p of the preferred answer. Returns the probabilities before each update (updates, n), and the losses.
    Without a `loss`, the course's is taken.

    >>> path, losses = one_pair(torch.eye(2), updates=2)
    >>> path[0].tolist(), round(losses[0].item(), 4)
    ([0.5, 0.5], 0.6931)
    """
    compute: Loss = with_its_name(loss or preference_optimization.dpo_loss)
    weights, path, losses = torch.zeros(features.shape[1]), [], []
    ref = (features @ weights).log_softmax(0)
    for _ in range(updates):
        weights.requires_grad_()
        log_p = (features @ weights).log_softmax(0)
        of_pair = compute(log_p[:1], log_p[1:2], ref[:1], ref[1:2], beta)
        (gradient,) = torch.autograd.grad(of_pair - nll * log_p[0], weights)
        path.append(log_p.detach().exp())
        losses.append(of_pair.detach())
        weights = weights.detach() - 0.5 * gradient
    return torch.stack(path), torch.stack(losses)
