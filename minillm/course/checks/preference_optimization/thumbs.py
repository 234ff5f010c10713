"""11.4: single answers with a thumb up or down in place of pairs (KTO: Ethayarajh et al. 2024)."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import apart, as_tensor, difference
from minillm.course.checks.question import Question

Both = tuple[Tensor, Tensor]  # losses and pushes, (B,) each


def thumbs(
    log_ratios: Float[Tensor, "B"], liked: Bool[Tensor, "B"], strangers: Float[Tensor, "B"], beta: float
) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
    """The right answer, its pushes by autograd.

    >>> thumbs(torch.tensor([1.0, -1.0]), torch.tensor([True, False]), torch.tensor([-1.0, 0.5]), beta=1.0)
    (tensor([0.2689, 0.2689]), tensor([ 0.0983, -0.0983]))
    """
    return _thumbs(log_ratios, liked, strangers, beta)


def _shared_equally(liked: Tensor) -> Tensor:
    """Weights with which those with a thumb up and those with a thumb down count for a half each."""
    return len(liked) / 2 / torch.where(liked, liked.sum(), (~liked).sum())


@torch.enable_grad()  # whatever the notebook has switched off
def _thumbs(
    log_ratios: Tensor,
    liked: Tensor,
    strangers: Tensor,
    beta: float,
    *,
    zero: Callable[[Tensor], Tensor] = lambda strangers: strangers.mean().clamp_min(0),
    loss: Callable[[Tensor], Tensor] = lambda lead: 1 - lead.sigmoid(),
    weigh: Callable[[Tensor], Tensor] = _shared_equally,
    push: Callable[[Tensor], Tensor] = lambda slopes: -slopes / len(slopes),
    one_sided: bool = False,
    bare_zero: bool = False,
    own: bool = False,
    turned_zero: bool = False,
) -> Both:
    """Losses and pushes with one thing done differently."""
    x = log_ratios.clone().requires_grad_()
    middle = zero(log_ratios if own else strangers)
    points = beta * x - (middle if bare_zero else beta * middle)
    turned = -(beta * x + beta * middle) if turned_zero else -points
    losses = weigh(liked) * loss(points if one_sided else torch.where(liked, points, turned))
    (slopes,) = torch.autograd.grad(losses.sum(), x)
    return losses.detach(), push(slopes)


def _draw(
    rng: random.Random, n_liked: tuple[int, ...], sizes: tuple[int, ...], level: Callable[[Tensor], Tensor]
) -> list[Call]:
    """Batches of these sizes with so many thumbs up; `level` says where the strangers' log-ratios lie."""
    calls = []
    for up, B in zip(n_liked, sizes, strict=True):
        liked = torch.tensor(rng.sample([True] * up + [False] * (B - up), B))
        calls.append((numbers(rng, B, scale=2.0), liked, level(numbers(rng, B, scale=2.0))))
    return [(*call, rng.choice([0.3, 0.5, 0.8])) for call in calls]


def _never_negative(strangers: Tensor) -> Tensor:
    return strangers.abs() + 0.3


def _around_zero(rng: random.Random) -> list[Call]:
    """The mean of the strangers lies below zero in every other batch."""
    calls = _draw(rng, (1, 2, 2, 3), (2, 4, 4, 6), lambda strangers: strangers)
    moved = [-0.5 - call[2].mean() if n % 2 else 0.5 - call[2].mean() for n, call in enumerate(calls)]
    return [(*a, (c + by).round(decimals=1), b) for (*a, c, b), by in zip(calls, moved, strict=True)]


def _which(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Whether losses or pushes are wrong, of answers that were liked or not."""
    for (_, liked, *_), wanted, found in zip(calls, right, got, strict=True):
        if type(found) not in (list, tuple) or len(found) != 2:
            return "The result is no pair of losses and pushes.", "Return both: `return losses, pushes`."
        if difference(list(wanted), list(found)[::-1]) is None:
            return "Losses and pushes are in the wrong order.", "Return both: `return losses, pushes`."
        for name, due, gave in zip(("losses", "pushes"), wanted, map(as_tensor, found), strict=True):
            if gave is None or gave.shape != due.shape:
                return None
            wrong = apart(due, gave)
            if gave.isnan().any() and (liked.all() or not liked.any()):
                sentence = f"The {name} are NaN where there is one kind only: the weight of the other kind is infinite."
                return (
                    sentence,
                    "0 times infinity is NaN. Choose each weight with `torch.where`, or count one at least.",
                )
            if gave.isnan().any():
                return f"The {name} are not numbers.", "0 / 0, or a power overflows: `torch.sigmoid` never does."
            if wrong.any():
                kinds = [word for word, some in (("liked", liked), ("not liked", ~liked)) if (wrong & some).any()]
                hint = "A push is minus the slope of the mean loss. You can let torch find it: `torch.autograd.grad`."
                if name == "losses":
                    hint = "By hand for one answer: its lead over z in points, the sigmoid, 1 less that, its weight."
                return f"The {name} of answers that were {' and '.join(kinds)} are wrong.", hint
    return None


question = Question("11.4", "Thumbs instead of pairs", thumbs, forbidden=("minillm", "trl"), parts=("losses", "pushes"))

balanced = question.probe("as many up as down", lambda rng: _draw(rng, (1, 2, 3), (2, 4, 6), _never_negative), _which)
balanced.mistake(
    "Likes and dislikes are mixed up: what was liked is pushed down.",
    "A liked answer costs little when it is far above z: 1 - sigmoid(beta (log-ratio - z)).",
    partial(_thumbs, loss=lambda lead: lead.sigmoid()),
)
balanced.mistake(
    "Answers that were not liked are pushed up like the others.",
    "For them turn the lead round: beta (z - log-ratio).",
    partial(_thumbs, one_sided=True),
)
balanced.mistake(
    "z is forgotten: answers are measured from the reference.",
    "z is how far the policy has gone on the whole, from the answers of `strangers`.",
    partial(_thumbs, zero=lambda strangers: torch.zeros(())),
)
balanced.mistake(
    "z is taken from the batch's own answers.",
    "An answer would be compared with itself. z is the mean of `strangers`.",
    partial(_thumbs, own=True),
)
balanced.mistake(
    "z is in nats, and is taken off points.",
    "beta makes points of nats, of z as well.",
    partial(_thumbs, bare_zero=True),
)
balanced.mistake(
    "It is minus the logarithm of the sigmoid, DPO's loss.",
    "Here it is 1 less the sigmoid: a hopeless answer is let go, and not pushed with all force.",
    partial(_thumbs, loss=lambda lead: torch.nn.functional.softplus(-lead)),
)
balanced.mistake(
    "The pushes are the slopes of the loss; one goes the other way.",
    "A push goes downhill: minus the slope.",
    partial(_thumbs, push=lambda slopes: slopes / len(slopes)),
)
balanced.mistake(
    "The pushes are those of the summed loss.",
    "The training takes the mean loss, so each push is divided by the size of the batch.",
    partial(_thumbs, push=lambda slopes: -slopes),
)
balanced.mistake(
    "Each kind counts as a whole one, so all weights are twice as large.",
    "Each kind shall count for half of the batch: as many of both have the weight 1.",
    partial(_thumbs, weigh=lambda liked: 2 * _shared_equally(liked)),
)

balanced.mistake(
    "All weights are half as large as they should be.",
    "Each kind shall count for half of the batch: as many of both have the weight 1.",
    partial(_thumbs, weigh=lambda liked: _shared_equally(liked) / 2),
)

SLOPE = "The slope of the mean loss: weight * beta * s * (1 - s) / B, up for what was liked, down for what was not."
PUSHES = {  # of the right pushes, the right losses, beta and the weights
    "The pushes lack beta, which the chain rule brings in.": lambda pushes, losses, beta, weights: pushes / beta,
    "The pushes have beta twice.": lambda pushes, losses, beta, weights: pushes * beta,
    "The pushes are all upwards.": lambda pushes, losses, beta, weights: pushes.abs(),
    "The pushes are those of DPO's loss: the factor sigmoid(lead) is missing.": (
        lambda pushes, losses, beta, weights: pushes / (1 - losses / weights)
    ),
    "The pushes lack the factor 1 - sigmoid(lead).": lambda pushes, losses, beta, weights: pushes * weights / losses,
}
for sentence, _change in PUSHES.items():
    balanced.mistake(
        sentence,
        SLOPE,
        lambda log_ratios, liked, strangers, beta, change=_change: (
            (both := _thumbs(log_ratios, liked, strangers, beta))[0],
            change(both[1], both[0], beta, _shared_equally(liked)),
        ),
    )
balanced.mistake(
    "For what was not liked z keeps its sign: -beta (log-ratio + z).",
    "Turn all of it round: beta (z - log-ratio).",
    partial(_thumbs, turned_zero=True),
)
balanced.mistake(
    "beta is not used.",
    "A lead is beta times a difference of nats, and a push has the factor beta.",
    lambda log_ratios, liked, strangers, beta: _thumbs(log_ratios, liked, strangers, 1.0),
)
balanced.mistake(
    "Losses and pushes of one kind only are computed; the others are 0.",
    "Both kinds have losses and pushes, what was not liked as well.",
    lambda *call: tuple(part.where(call[1], 0.0) for part in _thumbs(*call)),
)

both_signs = question.probe(
    "strangers on both sides of zero", _around_zero, _which, kinds=("z above 0", "strangers below 0") * 2
)
both_signs.mistake(
    "z has lost its sign: where the mean of `strangers` is negative, z is 0.",
    "Where the mean of `strangers` comes out below 0, z is 0.",
    partial(_thumbs, zero=lambda strangers: strangers.mean().abs()),
)
both_signs.mistake(
    "z is negative; it stands for a KL, which never is.",
    "Where the mean of `strangers` comes out below 0, z is 0.",
    partial(_thumbs, zero=lambda strangers: strangers.mean()),
)
both_signs.mistake(
    "Each stranger is kept above 0, and not their mean.",
    "First the mean, then the larger of it and 0; otherwise z is too large.",
    partial(_thumbs, zero=lambda strangers: strangers.clamp_min(0).mean()),
)

UNBALANCED = ("more of one kind",) * 3 + ("only liked answers", "only answers that were not liked", "far answers")


def _unbalanced(rng: random.Random) -> list[Call]:
    calls = _draw(rng, (1, 2, 5, 4, 0, 2), (3, 6, 6, 4, 2, 3), _never_negative)
    far, *others = calls[-1]
    return [*calls[:-1], (far * 20, *others)]


unbalanced = question.probe("more of one kind, or nothing else", _unbalanced, _which, kinds=UNBALANCED)
unbalanced.mistake(
    "Where there is one kind only, its weight is 1.",
    "The weight is B / 2 over the number of this kind, a half where all are of it.",
    partial(_thumbs, weigh=lambda liked: _shared_equally(liked) * (1 if 0 < liked.sum() < len(liked) else 2)),
)
unbalanced.mistake(
    "The weights are swapped: each kind has that of the other.",
    "A kind that is rare needs a large weight: divide by its own number.",
    partial(
        _thumbs,
        weigh=lambda liked: len(liked) / 2 / torch.where(liked, (~liked).sum(), liked.sum()).clamp_min(1),
    ),
)
unbalanced.mistake(
    "Each answer counts the same, so the more frequent thumb has its way.",
    "The weights: B / 2 over the number of answers of this kind.",
    partial(_thumbs, weigh=torch.ones_like),
)
unbalanced.mistake(
    "The weights are swapped: the frequent kind weighs even more.",
    "A kind that is rare needs a large weight: divide by its own number.",
    partial(_thumbs, weigh=lambda liked: torch.where(liked, liked.sum(), (~liked).sum()) * 2 / len(liked)),
)
