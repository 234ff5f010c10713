"""11.1: DPO for raters who sometimes press the wrong button (Mitchell 2023, "conservative DPO")."""

import random
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.preference_optimization.losses import explain
from minillm.course.checks.question import Question
from minillm.course.checks.underflow import hopeless


def careful_loss(
    chosen: Float[Tensor, "B"],
    rejected: Float[Tensor, "B"],
    reference_chosen: Float[Tensor, "B"],
    reference_rejected: Float[Tensor, "B"],
    beta: float,
    slips: float,
) -> Float[Tensor, ""]:
    """The right answer, as a cross-entropy: a share of `slips` of the choices is taken to be the other way round.

    >>> careful_loss(*(torch.tensor([x]) for x in (-3.0, -5.0, -4.0, -4.0)), beta=0.5, slips=0.1)     # margin 1
    tensor(0.4133)
    """
    margins = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    return F.binary_cross_entropy_with_logits(margins, torch.full_like(margins, 1 - slips))


def _of_margins(chosen, rejected, reference_chosen, reference_rejected, beta, slips, *, loss, sign=1.0, reference=1.0):
    """A loss of the margins and the slips; the margins with another sign or without the reference."""
    leads = chosen - rejected - reference * (reference_chosen - reference_rejected)
    return loss(sign * beta * leads, slips)


def _both_ways(margins: Tensor, slips: float) -> Tensor:
    return ((1 - slips) * F.softplus(-margins) + slips * F.softplus(margins)).mean()


def _pair(rng: random.Random, B: int, lead: float, slips: float) -> Call:
    """Pairs of which the chosen answer leads by about so many nats."""
    tables = [numbers(rng, B, scale=3.0) - 20 for _ in range(4)]
    tables[0 if lead < 0 else 1] -= abs(lead)
    return (*tables, rng.choice([0.2, 0.3, 0.5]), slips)


ORDINARY = ("one pair", "three pairs", "six pairs", "slips of nearly one half")
LARGE = ("the chosen answer far behind", "the chosen answer far ahead", "a margin of 30", "no slips")


def _ordinary(rng: random.Random) -> list[Call]:
    return [_pair(rng, B, 0.0, rng.choice([0.05, 0.1, 0.2])) for B in (1, 3, 6)] + [_pair(rng, 2, 0.0, 0.45)]


def _large(rng: random.Random) -> list[Call]:
    calls = [_pair(rng, B, lead, 0.1) for B, lead in ((1, -2000.0), (1, 2000.0), (3, -100.0))]
    return [*calls, _pair(rng, 2, 2000.0, 0.0)]


question = Question("11.1", "Raters who slip", careful_loss, forbidden=("minillm", "trl"))

ordinary = question.probe("margins of ordinary size", _ordinary, explain, kinds=ORDINARY)
ordinary.mistake(
    "The slips are not used: it is the plain loss of DPO.",
    "A share of `slips` of the choices was meant the other way round: log sigmoid(-margin).",
    partial(_of_margins, loss=lambda margins, slips: F.softplus(-margins).mean()),
)
ordinary.mistake(
    "The slips are taken off the pair as it stands, but not counted for the pair turned round.",
    "Two terms: (1 - slips) of the pair as it stands, and slips of the pair turned round.",
    partial(_of_margins, loss=lambda margins, slips: (1 - slips) * F.softplus(-margins).mean()),
)
ordinary.mistake(
    "The chances are mixed before the logarithm is taken.",
    "Mix the two losses. (The other one is a loss, too, but it forgives a pair that is far off.)",
    partial(_of_margins, loss=lambda m, slips: -((1 - slips) * m.sigmoid() + slips * (-m).sigmoid()).log().mean()),
)
ordinary.mistake(
    "The sign is turned, or the two weights are exchanged: the rejected answer is pushed up.",
    "The margin is beta log(p / p_ref) of the chosen answer, less that of the rejected one.",
    partial(_of_margins, loss=_both_ways, sign=-1.0),
)
ordinary.mistake(
    "The reference is forgotten.",
    "A reward is measured from the reference: beta (log p - log p_ref).",
    partial(_of_margins, loss=_both_ways, reference=0.0),
)
ordinary.mistake(
    "The reference is added, or that of the other answer taken off.",
    "A reward is measured from the reference: beta (log p - log p_ref).",
    partial(_of_margins, loss=_both_ways, reference=-1.0),
)
ordinary.mistake(
    "The losses of the pairs are added up.",
    "The mean: a large batch must not push harder than a small one.",
    lambda *tables: len(tables[0]) * careful_loss(*tables),
)


@ordinary.mistake(
    "beta multiplies the loss, not the margin.",
    "beta is points a nat: it makes rewards of log-probabilities, inside of the sigmoid.",
)
def _beta_outside(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    return beta * careful_loss(chosen, rejected, reference_chosen, reference_rejected, 1.0, slips)


LOSSES = {  # of margins and slips
    "The two margins are mixed before the one logarithm is taken.": lambda m, slips: F.softplus(
        -(1 - 2 * slips) * m
    ).mean(),
    "Only half of the slips is counted, as label smoothing would share them.": lambda m, slips: _both_ways(
        m, slips / 2
    ),
    "The pair as it stands counts in full, and the slips are added to it.": lambda m, slips: (
        F.softplus(-m) + slips * F.softplus(m)
    ).mean(),
    "The second term has the wrong sign: the slips are taken off.": lambda m, slips: (
        (1 - slips) * F.softplus(-m) - slips * F.softplus(m)
    ).mean(),
    "The loss is divided by 1 - 2 slips and its second term taken off: that is robust DPO, another loss.": (
        lambda m, slips: ((1 - slips) * F.softplus(-m) - slips * F.softplus(m)).mean() / (1 - 2 * slips)
    ),
    "The margins are averaged before the logarithm.": lambda m, slips: _both_ways(m.mean(), slips),
    "Both ways count the same; the weights are missing.": lambda m, slips: (F.softplus(-m) + F.softplus(m)).mean(),
}
for sentence, _loss in LOSSES.items():
    ordinary.mistake(
        sentence,
        "Two terms, each with its own logarithm: (1 - slips) of the pair as it stands, slips of the pair turned round.",
        partial(_of_margins, loss=_loss),
    )

MARGINS = {  # of both answers under the policy, both under the reference, and beta
    "beta multiplies the policy's part of the margin only.": lambda c, r, old_c, old_r, beta: (
        beta * (c - r) - (old_c - old_r)
    ),
    "beta multiplies the reference's part of the margin only.": lambda c, r, old_c, old_r, beta: (
        (c - r) - beta * (old_c - old_r)
    ),
    "beta is not used.": lambda c, r, old_c, old_r, beta: (c - r) - (old_c - old_r),
    "The margin is divided by beta.": lambda c, r, old_c, old_r, beta: ((c - r) - (old_c - old_r)) / beta,
    "beta multiplies the chosen answer's reward only.": lambda c, r, old_c, old_r, beta: (
        beta * (c - old_c) - (r - old_r)
    ),
    "Only the chosen answer is looked at.": lambda c, r, old_c, old_r, beta: beta * (c - old_c),
    "Only the rejected answer is looked at.": lambda c, r, old_c, old_r, beta: -beta * (r - old_r),
    "The rewards of both answers are added, not subtracted.": lambda c, r, old_c, old_r, beta: (
        beta * (c - old_c + r - old_r)
    ),
    "Log-probabilities are divided by each other, not subtracted.": lambda c, r, old_c, old_r, beta: (
        beta * (c / old_c - r / old_r)
    ),
}
for sentence, _margin in MARGINS.items():
    ordinary.mistake(
        sentence,
        "The margin is beta log(p / p_ref) of the chosen answer, less that of the rejected one.",
        lambda *call, margin=_margin: _both_ways(margin(*call[:5]), call[5]),
    )

large_margins = question.probe("margins of hundreds of points", _large, hopeless, kinds=LARGE)


def _by_logarithm(margins: Tensor, slips: float) -> Tensor:
    return -((1 - slips) * margins.sigmoid().log() + slips * (-margins).sigmoid().log()).mean()


large_margins.mistake(
    "A chance is rounded to 0, and its logarithm is minus infinity.",
    "Never take the logarithm of a sigmoid: `torch.nn.functional.logsigmoid` does both in one step.",
    partial(_of_margins, loss=_by_logarithm),
)
