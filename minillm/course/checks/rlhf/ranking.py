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


NEAR = ("one pair", "three answers", "equal rewards", "several rankings", "nine answers")
FAR = ("all pairs wrong", "all pairs right", "leads of 40", "leads of thousands", "pairs right and wrong")


def _near(rng: random.Random) -> list[Call]:
    pair, three, ties, several, nine = (
        numbers(rng, B, K, scale=1.5) for B, K in ((1, 2), (1, 3), (1, 3), (3, 4), (2, 9))
    )
    ties[:, 1] = ties[:, rng.choice((0, 2))]
    return [(rewards,) for rewards in (pair, three, ties, several, nine)]


def _far(rng: random.Random) -> list[Call]:
    """Rankings of a model that has all of one the right way round or the wrong one, by much."""
    slopes = ((800.0,), (-800.0,), (40.0,), (4000.0,), (-900.0, 900.0))  # upwards is wrong
    sizes = ((1, 2), (1, 3), (1, 3), (1, 4), (2, 9))
    return [
        (numbers(rng, B, K, scale=1.5) + torch.tensor(slope)[:, None] * torch.arange(K),)
        for (B, K), slope in zip(sizes, slopes, strict=True)
    ]


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

near = question.probe("rewards near each other", _near, kinds=NEAR)
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


def _by_place(weigh: Callable[[Tensor, int], Tensor]) -> Callable[[Tensor], Tensor]:
    """The mean over some pairs of columns; `weigh` says from i - j and K how often each counts."""

    def answer(rewards: Tensor) -> Tensor:
        K = rewards.shape[1]
        often = weigh(torch.arange(K) - torch.arange(K)[:, None], K).double()  # row: in front, column: behind
        losses = F.softplus(rewards[:, None].double() - rewards[:, :, None]).mean(0)
        return (losses * often).sum() / often.sum()

    return answer


near.mistake(
    "Each pair counts in both orders, so the ranking has no say.",
    "Of two answers a pair is made once: the one in front is the chosen one.",
    _by_place(lambda behind, K: behind != 0),
)
near.mistake(
    "Each answer is also compared with itself.",
    "A pair is two different answers: `offset=1` leaves out the diagonal.",
    _by_place(lambda behind, K: behind >= 0),
)
near.mistake(
    "The rewards are put in the model's own order, so a wrong ranking is praised like a right one.",
    "The columns already stand in the rater's order. Do not sort, and do not take absolute values.",
    _of_leads(lambda leads: F.softplus(-leads.abs()).mean()),
)
near.mistake(
    "The leads are averaged before the logarithm.",
    "Each pair has its own logarithm; the mean comes last.",
    _of_leads(lambda leads: F.softplus(-leads.mean())),
)
near.mistake(
    "The last answer of a ranking is left out.",
    "Does a loop end one too early? The last answer is behind all others.",
    lambda rewards: ranking_loss(rewards[:, :-1] if rewards.shape[1] > 2 else rewards),
)
near.mistake(
    "The best answer of a ranking is left out.",
    "The first column counts from 0.",
    lambda rewards: ranking_loss(rewards[:, 1:] if rewards.shape[1] > 2 else rewards),
)
near.mistake(
    "Only the worst answer is compared with the others.",
    "K answers make K (K - 1) / 2 pairs, the one of the first and the second among them.",
    lambda rewards: F.softplus(rewards[:, -1:] - rewards[:, :-1]).mean(),
)
near.mistake(
    "Only the best answer is compared with the worst.",
    "K answers make K (K - 1) / 2 pairs.",
    lambda rewards: F.softplus(rewards[:, -1] - rewards[:, 0]).mean(),
)
near.mistake(
    "Only the first ranking of the batch counts.",
    "`rewards` has a row for each question. The mean is over the pairs of all rows.",
    lambda rewards: ranking_loss(rewards[:1]),
)
near.mistake(
    "Answers to different questions are compared.",
    "Pairs are made within a row: rewards for different questions were never ranked.",
    lambda rewards: ranking_loss(rewards.reshape(1, -1)),
)
near.mistake(
    "The losses are added up, not averaged.",
    "Divide by the number of all pairs: the rows times K (K - 1) / 2.",
    _of_leads(lambda leads: F.softplus(-leads).sum()),
)
near.mistake(
    "The sum is divided by K * K or K (K - 1), not by the number of pairs.",
    "K answers make K (K - 1) / 2 pairs.",
    lambda rewards: ranking_loss(rewards) * (rewards.shape[1] - 1) / rewards.shape[1] / 2,
)
near.mistake(
    "The sum is divided by K * K or K (K - 1), not by the number of pairs.",
    "K answers make K (K - 1) / 2 pairs.",
    lambda rewards: ranking_loss(rewards) / 2,
)
near.mistake(
    "The losses are divided by the number of answers, not of pairs.",
    "K answers make K (K - 1) / 2 pairs.",
    lambda rewards: ranking_loss(rewards) * (rewards.shape[1] - 1) / 2,
)
near.mistake(
    "It is a hinge, which stops at a lead of 1, and not a logarithm.",
    "Minus the logarithm of P, where P is the sigmoid of the lead.",
    _of_leads(lambda leads: F.relu(1 - leads).mean()),
)


def _by_choice(rewards: Tensor) -> Tensor:
    """Plackett and Luce: the surprise at each choice among those that are left, (B, K - 1)."""
    left = rewards.flip(1).logcumsumexp(1).flip(1)
    return (left - rewards)[:, :-1]


for _mean in (torch.mean, lambda losses: losses.sum(1).mean()):
    near.mistake(
        "Each answer is compared with all behind it at once (Plackett and Luce), not pair by pair.",
        "Bradley and Terry's P is about two answers: the sigmoid of the difference of their rewards.",
        lambda rewards, mean=_mean: mean(_by_choice(rewards)),
    )

far_apart = question.probe("rewards far apart", _far, hopeless, kinds=FAR)
far_apart.mistake(
    "The chance of a hopeless pair is rounded to 0, and its logarithm is minus infinity.",
    "Never take the logarithm of a sigmoid: `torch.nn.functional.logsigmoid` does both in one step.",
    _of_leads(lambda leads: -leads.sigmoid().log().mean()),
)
