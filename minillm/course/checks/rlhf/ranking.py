"""10.1: the loss of a reward model on whole rankings: all pairs of each (Ouyang et al. 2022, eq. 1)."""

import random
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.question import Question


def ranking_loss(rewards: Float[Tensor, "B K"]) -> Float[Tensor, ""]:
    """The right answer: nats a pair; in each row the rewards of K answers, the preferred ones first.

    >>> ranking_loss(torch.tensor([[2.0, 1.0, 1.0]]))                        # log(1 + 1/e) twice, and log 2
    tensor(0.4399)
    """
    return F.softplus(-_leads(rewards)).mean()


def _leads(rewards: Tensor) -> Tensor:
    """By how much each answer leads over each that stands behind it, (B, pairs)."""
    above, below = torch.triu_indices(rewards.shape[1], rewards.shape[1], offset=1)
    return rewards[:, above] - rewards[:, below]


def _of_leads(loss: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda rewards: loss(_leads(rewards))


def _rankings(rng: random.Random, apart: float) -> list[Call]:
    """Rankings; a model has all of one the right way round or the wrong one where neighbours are far apart."""
    calls = []
    for B, K in ((1, 3), (2, 4), (3, 9)):
        slope = rng.choice([-apart, apart])
        calls.append((numbers(rng, B, K, scale=1.5) + slope * torch.arange(K),))
    return calls


def hopeless(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Whether a hopeless pair costs infinitely much, or too little since its chance is kept away from 0."""
    for loss, answer in zip(right, got, strict=True):
        found = as_tensor(answer)
        if found is None or found.shape != loss.shape:
            return None
        if not found.isfinite():
            return "The loss is not finite: a chance was rounded to 0 or to 1, or a power has overflowed.", (
                "`F.logsigmoid` goes from the lead to the logarithm in one step; the other chance has the lead -lead."
            )
        if loss > 100 and 0 < found < loss / 2:
            return "A hopeless chance costs the same, however small it is.", (
                "A small number within the logarithm keeps it finite and makes it wrong. `F.logsigmoid` needs none."
            )
    return None


question = Question("10.1", "A whole ranking at once", ranking_loss)

near = question.probe("rewards near each other", lambda rng: _rankings(rng, 0.0))
near.mistake(
    "The sign is turned: the answers at the end are pushed up.",
    "The preferred answer comes first: its reward stands in front of the minus.",
    _of_leads(lambda leads: F.softplus(leads).mean()),
)
near.mistake(
    "Only neighbours in the ranking are compared.",
    "The first is preferred to the third as well: K answers make K (K - 1) / 2 pairs.",
    lambda rewards: F.softplus(rewards[:, 1:] - rewards[:, :-1]).mean(),
)
near.mistake(
    "Only the best answer is compared with the others.",
    "The second is preferred to the third: K answers make K (K - 1) / 2 pairs.",
    lambda rewards: F.softplus(rewards[:, 1:] - rewards[:, :1]).mean(),
)
near.mistake(
    "Answers are also compared with themselves, and with those above them.",
    "Of two answers a pair is made once: the one in front is the chosen one.",
    lambda rewards: F.softplus(rewards[:, None] - rewards[:, :, None]).mean(),
)
near.mistake(
    "The losses of a ranking are added up, so a long ranking weighs more.",
    "Divide by the number of pairs: the mean, in nats per pair.",
    _of_leads(lambda leads: F.softplus(-leads).sum(1).mean()),
)
near.mistake(
    "It is the surprise 1 - P, the slope of the loss and not the loss.",
    "Minus the logarithm of P.",
    _of_leads(lambda leads: (-leads).sigmoid().mean()),
)
near.mistake(
    "The logarithm is taken of the mean chance.",
    "Each pair has its own chance and its own logarithm; the mean comes last.",
    _of_leads(lambda leads: -leads.sigmoid().mean().log()),
)

far_apart = question.probe("rewards far apart", lambda rng: _rankings(rng, 800.0), hopeless)
far_apart.mistake(
    "The chance of a hopeless pair is rounded to 0, and its logarithm is minus infinity.",
    "Never take the logarithm of a sigmoid: `torch.nn.functional.logsigmoid` does both in one step.",
    _of_leads(lambda leads: -leads.sigmoid().log().mean()),
)
