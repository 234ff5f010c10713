"""A small training run whose gradients are kept, for 09.2, and runs that go about it differently."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from minillm.losses import IGNORE

Conversation = tuple[Float[Tensor, "_T C"], Int[Tensor, "_T"]]
Weigh = Callable[[Tensor], Tensor]  # from the labels of a conversation to the weight of each in its loss


@dataclass
class Trace:
    """A run of K updates on n conversations; all gradients include those after the last update."""

    all_own: Tensor  # (K + 1, n, V, C)
    all_goals: Tensor  # (K + 1, V, C), of the test loss
    test_losses: list[float]  # K + 1
    own_gain: float  # of the training loss
    losses: Tensor  # (n,), of the training conversations at first
    last_losses: Tensor  # (n,)
    weights: Tensor  # (K, V, C), right before each update
    n_tests: int

    @property
    def own(self) -> Tensor:
        """The training gradients right before each update."""
        return self.all_own[:-1]

    @property
    def goals(self) -> Tensor:
        """The test gradients right before each update."""
        return self.all_goals[:-1]

    @property
    def gain(self) -> float:
        """By how much the test loss falls."""
        return self.test_losses[0] - self.test_losses[-1]


def mean_where(kept: Tensor, labels: Tensor) -> Tensor:
    """Equal weights for the labels that are kept and count.

    >>> mean_where(torch.tensor([True, True, False]), torch.tensor([4, IGNORE, 5]))
    tensor([1., 0., 0.], dtype=torch.float64)
    """
    kept = kept & (labels != IGNORE)
    return kept.double() / kept.sum()


def _counted(labels: Tensor) -> Tensor:
    return mean_where(labels != IGNORE, labels)


def _present(labels: Tensor) -> Tensor:
    return (labels != IGNORE).double()


@dataclass
class _Rows:
    """Conversations, filled up to one length with tokens of weight 0: all of their gradients at once."""

    x: Tensor  # (n, T, C)
    labels: Tensor  # (n, T)
    weights: Tensor  # (n, T)

    @classmethod
    def of(cls, conversations: list[Conversation], weigh: Weigh = _counted) -> "_Rows":
        parts = [(x.double(), labels.clamp(min=0), weigh(labels).double()) for x, labels in conversations]
        return cls(*(pad_sequence(list(each), batch_first=True) for each in zip(*parts, strict=True)))

    def measure(self, weight: Tensor, twice: bool = False) -> tuple[Tensor, Tensor]:
        """The loss of each conversation, (n,), and its gradient, (n, V, C)."""
        logits = self.x @ weight.T
        q = logits.softmax(-1)
        log_p = q.log_softmax(-1) if twice else logits.log_softmax(-1)
        slopes = log_p.exp() - F.one_hot(self.labels, len(weight))
        if twice:
            slopes = q * (slopes - (slopes * q).sum(-1, keepdim=True))
        losses = -log_p.gather(-1, self.labels[..., None]).squeeze(-1)
        return (losses * self.weights).sum(-1), (slopes * self.weights[..., None]).mT @ self.x


def _move(weight: Tensor, own: Tensor, rate: float) -> Tensor:
    return weight - rate * own.mean(0)


def trace(
    weight: Tensor,
    train: list[Conversation],
    test: list[Conversation],
    rate: float,
    steps: int,
    *,
    weigh: Weigh = _counted,
    move: Callable[[Tensor, Tensor, float], Tensor] = _move,
    pooled: bool | tuple[bool, bool] = False,
    summed: tuple[bool, bool] = (False, False),
    twice: bool = False,
) -> Trace:
    """A run with one thing done differently.

    `pooled` and `summed` say of the training and of the test loss whether long conversations weigh more, and whether
    the loss of a conversation is a sum.
    """
    weight = weight.double()
    pools = pooled if isinstance(pooled, tuple) else (pooled, pooled)
    shares = [_shares(some, pool) for some, pool in zip((train, test), pools, strict=True)]
    seen = []
    sums = ((train, summed[0]), (test, summed[1]))
    rows, history = [_Rows.of(some, _present if sum_up else weigh) for some, sum_up in sums], []
    for step in range(steps + 1):
        (own_losses, own), (test_losses, goals) = (each.measure(weight, twice) for each in rows)
        own = own * shares[0][:, None, None]
        history.append((own, (goals * shares[1][:, None, None]).mean(0), own_losses, (test_losses * shares[1]).mean()))
        if step < steps:
            seen.append(weight)
            weight = move(weight, own, rate)
    all_own, all_goals, own_losses, tests = (torch.stack(each) for each in zip(*history, strict=True))
    own_means = (own_losses * shares[0]).mean(1)
    own_gain = (own_means[0] - own_means[-1]).item()
    weights = torch.stack(seen)
    return Trace(all_own, all_goals, tests.tolist(), own_gain, own_losses[0], own_losses[-1], weights, len(test))


def _shares(conversations: list[Conversation], pooled: bool) -> Tensor:
    """The weight of each conversation in a loss, 1 on average."""
    counts = torch.tensor([float((labels != IGNORE).sum()) if pooled else 1.0 for _, labels in conversations])
    return counts.double() / counts.mean()


def dots(own: Tensor, goals: Tensor) -> Tensor:
    """The dot products of gradients (K, n, V, C) and (K, V, C), for each update: (K, n)."""
    return (own * goals[:, None]).sum((2, 3))


def cosines(run: Trace, factor: float) -> Tensor:
    """The sum of the cosines over the updates, times a factor."""
    sizes = run.own.flatten(2).norm(dim=-1) * run.goals.flatten(1).norm(dim=-1)[:, None]
    return factor * (dots(run.own, run.goals) / sizes.clamp(min=1e-12)).sum(0)


def directions(gradients: Tensor) -> Tensor:
    """Gradients (..., V, C) divided by their norms."""
    return gradients / gradients.flatten(-2).norm(dim=-1)[..., None, None].clamp(min=1e-12)


def piled_up(run: Trace) -> Tensor:
    """Dot products of gradients that nobody cleared."""
    return dots(run.own.cumsum(0), run.goals.cumsum(0))


def _result(weight: Tensor, after: Tensor, goals: _Rows, total: Tensor) -> tuple[Tensor, float]:
    before, end = (goals.measure(each)[0].mean() for each in (weight, after))
    return total, (total.sum() - (before - end)).item()


def one_by_one(weight, train, test, rate, steps, *, whole_rate: bool = False) -> Any:
    """An update for each conversation, with its part of the rate or the whole."""
    weight = now = weight.double()
    goals = _Rows.of(test)
    total = torch.zeros(len(train), dtype=torch.float64)
    part = rate if whole_rate else rate / len(train)
    for _ in range(steps):
        for index, one in enumerate(train):
            own = _Rows.of([one]).measure(now)[1][0]
            total[index] += part * (own * goals.measure(now)[1].mean(0)).sum()
            now = now - part * own
    return _result(weight, now, goals, total)


def left_out(weight, train, test, rate, steps) -> Any:
    """The test loss without each conversation minus the one with all."""
    rows, goals = _Rows.of(train), _Rows.of(test)

    def after(kept: Tensor) -> Tensor:
        now = weight.double()
        for _ in range(steps):
            now = now - rate / len(train) * (rows.measure(now)[1] * kept[:, None, None]).sum(0)
        return now

    full = after(torch.ones(len(train)))
    losses = torch.stack([goals.measure(after(kept))[0].mean() for kept in 1 - torch.eye(len(train))])
    return _result(weight.double(), full, goals, losses - goals.measure(full)[0].mean())


def tried_out(weight, train, test, rate, steps) -> Any:
    """The change of the test loss by each conversation's part of an update alone."""
    weight = now = weight.double()
    rows, goals = _Rows.of(train), _Rows.of(test)
    total = torch.zeros(len(train), dtype=torch.float64)
    for _ in range(steps):
        own = rate / len(train) * rows.measure(now)[1]
        before = goals.measure(now)[0].mean()
        total = total + torch.stack([before - goals.measure(now - each)[0].mean() for each in own])
        now = now - own.sum(0)
    return _result(weight, now, goals, total)


def frozen(weight, train, test, rate, steps) -> Any:
    """All updates with the gradients of the untrained model."""
    weight, goals = weight.double(), _Rows.of(test)
    own = _Rows.of(train).measure(weight)[1]
    total = steps * rate / len(train) * (own * goals.measure(weight)[1].mean(0)).sum((1, 2))
    return _result(weight, weight - steps * rate * own.mean(0), goals, total)


def accumulated(weight, train, test, rate, steps) -> Any:
    """All gradients add up, and the sums train the model."""
    weight = now = weight.double()
    rows, goals = _Rows.of(train), _Rows.of(test)
    total, own, goal = (torch.zeros(1, dtype=torch.float64) for _ in range(3))
    for _ in range(steps):
        own = own + rows.measure(now)[1]
        goal = goal + goals.measure(now)[1].mean(0)
        total = total + rate / len(train) * (own * goal).sum((1, 2))
        now = now - rate * own.mean(0)
    return _result(weight, now, goals, total)


def shifted(conversations: list[Conversation], by: int) -> list[Conversation]:
    """Conversations whose labels are moved against their rows, where they have more than one."""
    return [
        one if len(one[1]) == 1 else (one[0][:-1], one[1][1:]) if by < 0 else (one[0][1:], one[1][:-1])
        for one in conversations
    ]
