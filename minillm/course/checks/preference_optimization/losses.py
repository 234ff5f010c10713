"""What a message says of a loss of preferences that fits no known mistake, for 11.1: which other loss it is."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor, difference

HINT = "(1 - slips) of -log sigmoid(margin) and slips of -log sigmoid(-margin), for each pair; then the mean."
Loss = Callable[[Tensor, float, float], Tensor]  # of the margins, beta and the slips


def _both(margins: Tensor, slips: float) -> Tensor:
    return (1 - slips) * F.softplus(-margins) + slips * F.softplus(margins)


def _guessed(margins: Tensor, slips: float, weighed: bool) -> Tensor:
    """A slip is seen where the policy ranks a pair the other way."""
    stands, turned = (1 - slips, slips) if weighed else (1.0, 1.0)
    return torch.where(margins > 0, stands * F.softplus(-margins), turned * F.softplus(margins))


def _odds(slips: float) -> float:
    return math.log((1 - slips) / max(slips, 1e-6))


GUESSED = (
    "A pair counts one way only, by where the policy ranks it: not both ways with the weights 1 - slips and slips."
)
LOSSES: dict[str, Loss] = {
    "This is the square around a target margin (as in IPO), not a loss with log sigmoid.": lambda m, beta, slips: (
        (m - _odds(slips)).square().mean()
    ),
    "This is IPO's square (margin - 1 / (2 beta))^2, not a loss with log sigmoid.": lambda m, beta, slips: (
        (m / beta - 1 / (2 * beta)).square().mean()
    ),
    "This is the square (margin - 1)^2, not a loss with log sigmoid.": lambda m, beta, slips: (m - 1).square().mean(),
    "This is the square of sigmoid(margin) around 1 - slips, not a cross-entropy.": lambda m, beta, slips: (
        (m.sigmoid() - (1 - slips)).square().mean()
    ),
    "This is a hinge, max(0, 1 - margin), not a loss with log sigmoid.": lambda m, beta, slips: (1 - m).relu().mean(),
    "This is a hinge both ways, not a loss with log sigmoid.": lambda m, beta, slips: (
        (1 - slips) * (1 - m).relu() + slips * (1 + m).relu()
    ).mean(),
    GUESSED: lambda m, beta, slips: _guessed(m, slips, True).mean(),
    "A pair counts as a slip where the policy ranks it the other way; `slips` is not used.": lambda m, beta, slips: (
        _guessed(m, slips, False).mean()
    ),
    "The margin is shifted by log((1 - slips) / slips) before log sigmoid.": lambda m, beta, slips: F.softplus(
        -(m - _odds(slips))
    ).mean(),
    "`slips` is taken off the margin before log sigmoid.": lambda m, beta, slips: F.softplus(-(m - slips)).mean(),
    "`slips` is taken off the loss of DPO.": lambda m, beta, slips: F.softplus(-m).mean() - slips,
    "The loss of DPO is divided by 1 - slips.": lambda m, beta, slips: F.softplus(-m).mean() / (1 - slips),
    "Twice the slips are counted.": lambda m, beta, slips: _both(m, 2 * slips).mean(),
    "The square of the slips is counted.": lambda m, beta, slips: _both(m, slips**2).mean(),
    "beta is used twice.": lambda m, beta, slips: _both(beta * m, slips).mean(),
    "Half of the margin is used.": lambda m, beta, slips: _both(m / 2, slips).mean(),
    "The loss of the largest margin is returned, not the mean.": lambda m, beta, slips: _both(m, slips).min(),
    "The worst loss of a pair is returned, not the mean.": lambda m, beta, slips: _both(m, slips).max(),
    "The median of the pairs' losses is returned, not the mean.": lambda m, beta, slips: _both(m, slips).median(),
    "The loss is in bits: its logarithm has base 2.": lambda m, beta, slips: _both(m, slips).mean() / math.log(2),
    "The loss is half of the mean: it is divided by 2.": lambda m, beta, slips: _both(m, slips).mean() / 2,
    "These are probabilities, not losses: 1 - sigmoid in place of -log sigmoid.": lambda m, beta, slips: (
        (1 - slips) * (-m).sigmoid() + slips * m.sigmoid()
    ).mean(),
}


def explain(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Another loss of the same margins, another pairing, or a loss for each pair."""
    margins, crossed = [], []
    for chosen, rejected, old_chosen, old_rejected, beta, _ in calls:
        good, bad = beta * (chosen - old_chosen).double(), beta * (rejected - old_rejected).double()
        margins.append(good - bad)
        crossed.append(good[:, None] - bad)
    for sentence, loss in LOSSES.items():
        if difference([loss(m, *call[4:]) for m, call in zip(margins, calls, strict=True)], got) is None:
            return sentence, HINT
    if difference([_both(m, call[5]).mean() for m, call in zip(crossed, calls, strict=True)], got) is None:
        return "Each chosen answer is compared with every rejected one of the batch, not only with its own.", (
            "Pair i is chosen[i] and rejected[i]: the margins have the shape (B,), not (B, B)."
        )
    if difference([_both(m, call[5]) for m, call in zip(margins, calls, strict=True)], got) is None:
        return "The result has a loss for each pair; one number is asked for.", "Take the mean over the pairs."
    means = [as_tensor(reply) for reply in got]
    if any(mean is not None and mean.numel() > 1 for mean in means):
        return "The result is several numbers; one is asked for.", "Take the mean over the pairs."
    return None
