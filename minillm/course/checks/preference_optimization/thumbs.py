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
from minillm.course.checks.plain import apart, as_tensor
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
) -> Both:
    """Losses and pushes with one thing done differently."""
    x = log_ratios.clone().requires_grad_()
    middle = zero(log_ratios if own else strangers)
    points = beta * x - (middle if bare_zero else beta * middle)
    losses = weigh(liked) * loss(points if one_sided else torch.where(liked, points, -points))
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
        for name, due, gave in zip(("losses", "pushes"), wanted, map(as_tensor, found), strict=True):
            if gave is None or gave.shape != due.shape:
                return None
            wrong = apart(due, gave)
            if wrong.any():
                kinds = [word for word, some in (("liked", liked), ("not liked", ~liked)) if (wrong & some).any()]
                hint = "A push is minus the slope of the mean loss. You can let torch find it: `torch.autograd.grad`."
                if name == "losses":
                    hint = "By hand for one answer: its lead over z in points, the sigmoid, 1 less that, its weight."
                return f"The {name} of answers that were {' and '.join(kinds)} are wrong.", hint
    return None


question = Question("11.4", "Thumbs instead of pairs", thumbs, forbidden=("minillm", "trl"))

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

both_signs = question.probe("strangers on both sides of zero", _around_zero, _which)
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

unbalanced = question.probe(
    "more of one kind, or nothing else", lambda rng: _draw(rng, (1, 2, 5, 4), (3, 6, 6, 4), _never_negative), _which
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
