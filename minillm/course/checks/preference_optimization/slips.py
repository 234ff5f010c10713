"""11.1: DPO for raters who sometimes press the wrong button (Mitchell 2023, "conservative DPO")."""

import random
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.question import Question
from minillm.course.checks.rlhf.ranking import hopeless


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


def _pairs(rng: random.Random, apart: float) -> list[Call]:
    calls = []
    for B in (1, 3, 6):
        tables = [numbers(rng, B, scale=3.0) - 20 for _ in range(4)]
        tables[rng.randrange(2)] -= apart
        calls.append((*tables, rng.choice([0.2, 0.3, 0.5]), rng.choice([0.05, 0.1, 0.2])))
    return calls


question = Question("11.1", "Raters who slip", careful_loss, forbidden=("minillm", "trl"))

ordinary = question.probe("margins of ordinary size", lambda rng: _pairs(rng, 0.0))
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
    "The sign is turned: the rejected answer is pushed up.",
    "The margin is beta log(p / p_ref) of the chosen answer, less that of the rejected one.",
    partial(_of_margins, loss=_both_ways, sign=-1.0),
)
ordinary.mistake(
    "The reference is forgotten.",
    "A reward is measured from the reference: beta (log p - log p_ref).",
    partial(_of_margins, loss=_both_ways, reference=0.0),
)
ordinary.mistake(
    "The reference is added, not taken off.",
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


large_margins = question.probe("margins of hundreds of points", lambda rng: _pairs(rng, 2000.0), hopeless)


def _by_logarithm(margins: Tensor, slips: float) -> Tensor:
    return -((1 - slips) * margins.sigmoid().log() + slips * (-margins).sigmoid().log()).mean()


large_margins.mistake(
    "A chance is rounded to 0, and its logarithm is minus infinity.",
    "Never take the logarithm of a sigmoid: `torch.nn.functional.logsigmoid` does both in one step.",
    partial(_of_margins, loss=_by_logarithm),
)
