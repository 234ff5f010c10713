"""11a.4: the training of the lesson without its noise: a policy over ways to answer, and the exact policy gradient."""

import random
from collections.abc import Sequence
from functools import partial

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.question import Question

Curve = tuple[list[float], list[float]]


def train(success: Sequence[float], shares: Sequence[float], learning_rate: float, updates: int, scale: bool) -> Curve:
    """The right answer: accuracies before each update and after the last, and the final shares.

    >>> accuracies, shares = train([0.1, 0.6], [0.5, 0.5], learning_rate=2.0, updates=1, scale=False)
    >>> [round(accuracy, 4) for accuracy in accuracies], [round(share, 4) for share in shares]
    ([0.35, 0.4112], [0.3775, 0.6225])
    """
    return _train(success, shares, learning_rate, updates, scale)


def _train(
    success: Sequence[float],
    shares: Sequence[float],
    learning_rate: float,
    updates: int,
    scale: bool,
    *,
    baseline: bool = True,
    weighted: bool = True,
    spread: float = 0.5,
    sign: float = 1.0,
    start: str = "log",
    of_log: bool = False,
    frozen: bool = False,
) -> Curve:
    """The training with one thing done differently."""
    right, policy = torch.tensor(success).double(), torch.tensor(shares).double()
    logits = policy.log() if start == "log" else policy if start == "shares" else torch.zeros_like(policy)
    first = policy
    accuracies = []
    for _ in range(updates):
        policy = logits.softmax(0)
        accuracy = (policy * right).sum()
        accuracies.append(accuracy.item())
        weights = first if frozen else policy
        gradient = (right - accuracy) if baseline else right
        gradient = gradient * weights if weighted else gradient
        if scale:
            gradient = gradient / ((accuracy * (1 - accuracy)) ** spread + 1e-6)
        gradient = gradient / accuracy if of_log else gradient
        logits = logits + sign * learning_rate * gradient
    policy = logits.softmax(0)
    return [*accuracies, (policy * right).sum().item()], policy.tolist()


def _ways(rng: random.Random, n: int) -> tuple[list[float], list[float]]:
    """Chances of success at least 0.05 apart, and shares that add up to 1, all in steps of 0.01."""
    success = [round(0.05 * step, 2) for step in rng.sample(range(1, 19), n)]
    cuts = sorted(rng.sample(range(5, 95), n - 1))
    parts = [after - before for before, after in zip([0, *cuts], [*cuts, 100], strict=True)]
    return success, [round(part / 100, 2) for part in parts]


def _one_update(rng: random.Random) -> list[Call]:
    return [([0.1, 0.6], [0.75, 0.25], 2.0, 1, False), *((*_ways(rng, n), 1.5, 1, False) for n in (2, 3, 4))]


def _many_updates(rng: random.Random) -> list[Call]:
    return [(*_ways(rng, n), rate, updates, False) for n, rate, updates in ((2, 1.0, 2), (2, 2.0, 40), (4, 3.0, 60))]


def _scaled(rng: random.Random) -> list[Call]:
    none_or_all = [([0.0, 0.0], [0.5, 0.5], 1.0, 2, True), ([1.0, 1.0], [0.25, 0.75], 1.0, 2, True)]
    return [
        (*_ways(rng, 2), 0.5, 1, True),
        (*_ways(rng, 3), 0.2, 30, True),
        *none_or_all,
        (*_ways(rng, 2), 0.5, 0, True),
    ]


question = Question("11a.4", "The curve of the lesson, without its noise", train)

one = question.probe("one update", _one_update)
one.mistake(
    "The rewards have no baseline: the gradient of a logit is share x (success - accuracy).",
    "Differentiate the softmax, too: raising one logit lowers all other shares.",
    partial(_train, baseline=False),
)
one.mistake(
    "The gradient lacks the factor `share`: a way that is rarely sampled teaches rarely.",
    "The derivative of the accuracy by logit m is share_m x (success_m - accuracy).",
    partial(_train, weighted=False),
)
one.mistake(
    "The step goes down: the accuracy falls.",
    "Accuracy is to be maximized: add the gradient, or use minus the accuracy as the loss.",
    partial(_train, sign=-1.0),
)
one.mistake(
    "The logits begin at 0, so all ways begin with the same share.",
    "Begin with the logarithms of the given shares: softmax gives the shares back.",
    partial(_train, start="even"),
)
one.mistake(
    "The given shares are used as logits.",
    "Begin with the logarithms of the given shares: softmax gives the shares back.",
    partial(_train, start="shares"),
)
one.mistake(
    "This climbs the logarithm of the accuracy, whose gradient is divided by the accuracy.",
    "Take the gradient of the accuracy itself.",
    partial(_train, of_log=True),
)
one.mistake(
    "The advantages are divided by the standard deviation although `scale` is False.",
    "Divide only if `scale` is True.",
    lambda success, shares, rate, updates, scale: _train(success, shares, rate, updates, True),
)


@one.mistake(
    "The accuracy after the last update is missing.",
    "There is one accuracy more than there are updates.",
)
def _one_too_few(*call):
    accuracies, shares = train(*call)
    return accuracies[:-1], shares


@one.mistake(
    "The accuracy before the first update is missing.",
    "There is one accuracy more than there are updates, and the first belongs to the given shares.",
)
def _without_the_start(*call):
    accuracies, shares = train(*call)
    return accuracies[1:], shares


@one.mistake(
    "The step is taken on the shares, not on their logits.",
    "A share that is changed directly may leave 0 to 1. Add the gradient to the logits, then take softmax.",
)
def _on_shares(success, shares, learning_rate, updates, scale):
    right, policy = torch.tensor(success).double(), torch.tensor(shares).double()
    accuracies = [(policy * right).sum().item()]
    for _ in range(updates):
        policy = policy + learning_rate * policy * (right - (policy * right).sum())
        policy = policy / policy.sum()
        accuracies.append((policy * right).sum().item())
    return accuracies, policy.tolist()


many = question.probe("many updates", _many_updates)
many.mistake(
    "The shares in the gradient are those of the start.",
    "Every update samples from the policy as it is then. Compute the shares anew.",
    partial(_train, frozen=True),
)


@many.mistake(
    "The accuracy in the gradient is that of the start.",
    "The baseline moves with the policy. Compute the accuracy anew in every update.",
)
def _old_baseline(success, shares, learning_rate, updates, scale):
    right, logits = torch.tensor(success).double(), torch.tensor(shares).double().log()
    first, accuracies = (logits.softmax(0) * right).sum(), []
    for _ in range(updates + 1):
        policy = logits.softmax(0)
        accuracies.append((policy * right).sum().item())
        logits = logits + learning_rate * policy * (right - first)
    return accuracies, policy.tolist()


scaled = question.probe("with GRPO's division", _scaled)
scaled.mistake(
    "The division by the standard deviation is missing.",
    "Rewards of 0 and 1 with the mean a have the standard deviation √(a (1 - a)). Add 1e-6 to it and divide.",
    lambda success, shares, rate, updates, scale: _train(success, shares, rate, updates, False),
)
scaled.mistake(
    "The gradient is divided by the variance of the rewards.",
    "Rewards of 0 and 1 with the mean a have the variance a (1 - a). Take its root.",
    partial(_train, spread=1.0),
)


@scaled.mistake(
    "This divides by the spread of the ways' success. The rewards themselves are 0 or 1 and spread more.",
    "Rewards of 0 and 1 with the mean a have the standard deviation √(a (1 - a)).",
)
def _between_ways(success, shares, learning_rate, updates, scale):
    right, logits = torch.tensor(success).double(), torch.tensor(shares).double().log()
    accuracies = []
    for _ in range(updates + 1):
        policy = logits.softmax(0)
        accuracy = (policy * right).sum()
        accuracies.append(accuracy.item())
        spread = (policy * (right - accuracy) ** 2).sum().sqrt()
        logits = logits + learning_rate * policy * (right - accuracy) / (spread + 1e-6)
    return accuracies, policy.tolist()
