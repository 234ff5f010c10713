"""What a message says of a curve that fits no known mistake, for 11a.4."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference

Curve = tuple[list[float], list[float]]


def _curve(
    success: Sequence[float],
    shares: Sequence[float],
    rate: float,
    updates: int,
    scale: bool,
    *,
    through: bool = False,
    once: bool = False,
    momentum: bool = False,
    deviation: Callable[[Tensor, Tensor], Tensor] = lambda policy, right: (
        (policy * right).sum() * (1 - (policy * right).sum())
    ).sqrt(),
    per: Callable[[int], float] = lambda n: 1.0,
) -> Curve:
    """The training by autograd, with one thing done differently."""
    right, logits = torch.tensor(success).double(), torch.tensor(shares).double().log()
    accuracies, first, total = [], None, torch.zeros(len(success)).double()
    for update in range(updates + 1):
        logits = logits.detach().requires_grad_()
        policy = logits.softmax(0)
        accuracy = (policy * right).sum()
        accuracies.append(accuracy.item())
        if update == updates:
            break
        spread = deviation(policy, right) + 1e-6
        first = spread if first is None else first
        divisor = (first if once else spread) if scale else torch.tensor(1.0)
        goal = accuracy / (divisor if through else divisor.detach())
        gradient = torch.autograd.grad(goal, logits)[0].nan_to_num()
        total = total + gradient if momentum else gradient
        logits = logits + rate * per(len(success)) * total
    return accuracies, policy.tolist()


def _updates(call: Call, more: int) -> Any:
    """The same call with more or fewer updates."""
    return (*call[:3], max(call[3] + more, 0), call[4])


VARIANTS: dict[str, Callable[..., Curve]] = {
    "The gradients of all updates add up: each step is taken with the old ones, too.": partial(_curve, momentum=True),
    "The standard deviation is that before the first update, in all updates.": partial(_curve, once=True),
    "The gradient is that of accuracy / deviation: it flows through the deviation, too.": partial(_curve, through=True),
    "This divides by the standard deviation of the list `success`, not by that of the rewards.": partial(
        _curve, deviation=lambda policy, right: right.std()
    ),
    "This divides by the standard deviation of `success` (without n - 1), not by that of the rewards.": partial(
        _curve, deviation=lambda policy, right: right.std(correction=0)
    ),
    "This divides by the standard deviation of the shares, not by that of the rewards.": partial(
        _curve, deviation=lambda policy, right: policy.std()
    ),
    "This divides by the standard deviation of share x success, not by that of the rewards.": partial(
        _curve, deviation=lambda policy, right: (policy * right).std()
    ),
    "This divides by the root of the accuracy, not by that of a (1 - a).": partial(
        _curve, deviation=lambda policy, right: (policy * right).sum().sqrt()
    ),
    "This divides by the accuracy, not by the standard deviation.": partial(
        _curve, deviation=lambda policy, right: (policy * right).sum()
    ),
    "This multiplies by the standard deviation in place of dividing by it.": partial(
        _curve, deviation=lambda policy, right: 1 / ((policy * right).sum() * (1 - (policy * right).sum())).sqrt()
    ),
    "The gradient is divided by the number of ways.": partial(_curve, per=lambda n: 1 / n),
    "The gradient is multiplied by the number of ways.": partial(_curve, per=lambda n: float(n)),
    "The steps are twice as long as they should be.": partial(_curve, per=lambda n: 2.0),
    "The steps are half as long as they should be.": partial(_curve, per=lambda n: 0.5),
    "There is one update too many.": lambda *call: _curve(*_updates(call, 1)),
    "There is one update too few.": lambda *call: _curve(*_updates(call, -1)),
    "The shares are those before the last update; the accuracies are right.": lambda *call: (
        _curve(*call)[0],
        _curve(*_updates(call, -1))[1],
    ),
    "The second part is the shares of the start.": lambda *call: (_curve(*call)[0], list(call[1])),
    "The accuracies lag by one: the last update is not in them; the shares are right.": lambda *call: (
        [_curve(*call)[0][0], *_curve(*call)[0][:-1]],
        _curve(*call)[1],
    ),
    "Only the last accuracy is returned, not all of them.": lambda *call: (_curve(*call)[0][-1:], _curve(*call)[1]),
}


def explain(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """A training with something else; numbers that are rounded; or logits in place of shares."""
    hint = "Each update: shares = softmax(logits), a, append a, then add learning_rate x share x (success - a)."
    for sentence, variant in VARIANTS.items():
        if difference([variant(*call) for call in calls], got) is None:
            return sentence, hint
    for digits in range(6):
        rounded = [([round(x, digits) for x in a], [round(x, digits) for x in s]) for a, s in right]
        if all(list(map(list, made)) == list(map(list, gave)) for made, gave in zip(rounded, got, strict=True)):
            return f"The numbers are rounded to {digits} digits after the point.", "Return them as they are."
    as_shares = [(a, torch.tensor(logits).double().softmax(0).tolist()) for a, logits in got]
    if difference(right, as_shares) is None:
        return "The second part is the logits, not the shares.", "Return softmax(logits)."
    return None
