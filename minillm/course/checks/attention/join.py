"""04.4: two parts of one softmax, computed apart and put together.

FlashAttention (Dao et al. 2022) makes this step between blocks of keys, ring attention (Liu et al. 2023) between
machines.
"""

import math
import random
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.attention.common import READY_MADE
from minillm.course.checks.drawing import numbers
from minillm.course.checks.question import Question

Part = tuple[Tensor, Tensor]  # (T, D) output, (T,) logarithm of the sum of the exponentials


def join(
    out_a: Float[Tensor, "T D"], total_a: Float[Tensor, "T"], out_b: Float[Tensor, "T D"], total_b: Float[Tensor, "T"]
) -> tuple[Float[Tensor, "T D"], Float[Tensor, "T"]]:
    """The right answer: the outputs weighted by their sums, and the logarithm of the common sum.

    >>> join(torch.tensor([[0.0]]), torch.tensor([0.0]), torch.tensor([[1.0]]), torch.tensor([0.0]))
    (tensor([[0.5000]]), tensor([0.6931]))
    """
    share = (total_b - total_a).sigmoid()[:, None]
    mixture = torch.where(share == 0, out_a, torch.where(share == 1, out_b, (1 - share) * out_a + share * out_b))
    return mixture, torch.logaddexp(total_a, total_b)


def _mixed(
    out_a: Tensor, total_a: Tensor, out_b: Tensor, total_b: Tensor, *, weigh: Callable[[Tensor, Tensor], Tensor]
) -> Part:
    """Joining with other shares for b."""
    share = weigh(total_a, total_b)[:, None]
    return (1 - share) * out_a + share * out_b, torch.logaddexp(total_a, total_b)


def _with_total(total: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Part]:
    return lambda out_a, a, out_b, b: (join(out_a, a, out_b, b)[0], total(a, b))


def _part(query: Tensor, key: Tensor, value: Tensor) -> Part:
    scores = query @ key.T / query.shape[1] ** 0.5
    return scores.softmax(-1) @ value, scores.logsumexp(-1)


def _parts(rng: random.Random, scale: float, *sizes: tuple[int, int, int, int]) -> list[Call]:
    """Attention of T queries to S and to Z other keys, D wide: (T, S, Z, D)."""
    calls = []
    for T, S, Z, D in sizes:
        query = numbers(rng, T, D, scale=scale)
        calls.append((*_part(query, numbers(rng, S, D), numbers(rng, S, D)),))
        calls[-1] += _part(query, numbers(rng, Z, D), numbers(rng, Z, D))
    return calls


def _large_scores(rng: random.Random) -> list[Call]:
    """Totals of up to 200 in size: near each other, so that both parts count, equal, and far apart."""
    far = torch.tensor([200.0, -200.0, 0.0])
    calls = []
    for T in (1, 3, 6):
        totals = numbers(rng, T) + 150 * torch.tensor([1.0, -1.0] * 3)[:T]
        calls.append((numbers(rng, T, 2), totals, numbers(rng, T, 2), totals + numbers(rng, T)))
    for totals in ((far, far), (far, -far), (far[:1], far[1:2])):
        T = len(totals[0])
        calls.append((numbers(rng, T, 3), totals[0].clone(), numbers(rng, T, 3), totals[1].clone()))
    return calls


def _hidden_parts(rng: random.Random) -> list[Call]:
    """Rows in which one part, a or b, has no visible key."""
    calls = _parts(rng, 1.0, (1, 3, 2, 2), (4, 3, 5, 4), (5, 4, 2, 2))
    for out_a, total_a, out_b, total_b in calls:
        out_b[0], total_b[0] = torch.nan, -torch.inf
        out_a[3:], total_a[3:] = torch.nan, -torch.inf
    return [*calls, *(call[2:] + call[:2] for call in calls)]


question = Question("04.4", "One softmax on two machines", join, forbidden=READY_MADE, parts=("output", "total"))

ordinary = question.probe(
    "two parts of ordinary size", lambda rng: _parts(rng, 1.0, (1, 2, 3, 2), (4, 3, 6, 4), (5, 8, 1, 8))
)
ordinary.mistake(
    "Both parts count the same.",
    "A part with many or large scores must count more: in proportion to its sum of powers.",
    partial(_mixed, weigh=lambda a, b: torch.full_like(a, 0.5)),
)
ordinary.mistake(
    "The parts are weighted by the logarithms of their sums.",
    "`total` is a logarithm; the sum itself is e to that power.",
    partial(_mixed, weigh=lambda a, b: b / (a + b)),
)
ordinary.mistake(
    "The weights are swapped: a gets that of b.",
    "The share of b grows with `total_b`.",
    partial(_mixed, weigh=lambda a, b: (a - b).sigmoid()),
)
ordinary.mistake(
    "Only the part with the larger total counts.",
    "Both parts count, each in proportion to its sum of powers.",
    partial(_mixed, weigh=lambda a, b: (b > a).float()),
)
ordinary.mistake(
    "The logarithms are added, which multiplies the sums.",
    "The common sum is e^total_a + e^total_b; return the logarithm of that.",
    _with_total(lambda a, b: a + b),
)
ordinary.mistake(
    "The larger total is returned in place of the common one.",
    "The maximum is only the number that one subtracts. Add the logarithm of what is left.",
    _with_total(torch.maximum),
)
ordinary.mistake(
    "The maximum that was subtracted is missing in the total.",
    "The logarithm of the smaller powers is too small by what was subtracted: add it back.",
    _with_total(lambda a, b: torch.logaddexp(a, b) - torch.maximum(a, b)),
)
ordinary.mistake(
    "The common total is the sum itself, not its logarithm.",
    "Return it as it came in, as a logarithm, so that a third part can be joined.",
    _with_total(lambda a, b: a.exp() + b.exp()),
)

large_scores = question.probe("scores too large for exp", _large_scores)


@large_scores.mistake(
    "The powers overflow: e to the 150 is too large for 32 bits, and e to the -150 too small.",
    "Subtract the larger of the two totals from both first; their ratio does not change.",
)
def _powers(out_a, total_a, out_b, total_b):
    a, b = total_a.exp(), total_b.exp()
    return (a[:, None] * out_a + b[:, None] * out_b) / (a + b)[:, None], (a + b).log()


def _clamped(out_a, total_a, out_b, total_b, *, most, least):
    a, b = (total.double().clamp(least, most) for total in (total_a, total_b))
    return join(out_a, a.float(), out_b, b.float())


for _most in (50.0, 80.0, 88.0, 100.0):
    for _least in (-math.inf, -_most):
        large_scores.mistake(
            "The totals are cut before the powers are taken, so that larger ones count alike.",
            "Subtract the larger of the two totals from both instead; their ratio does not change.",
            partial(_clamped, most=_most, least=_least),
        )


@large_scores.mistake(
    "For the weights the totals are cut, so that larger ones count alike; the common total is right.",
    "Subtract the larger of the two totals from both instead; their ratio does not change.",
)
def _cut_weights(out_a, total_a, out_b, total_b):
    a, b = (total.clamp(max=80.0).exp()[:, None] for total in (total_a, total_b))
    return (a * out_a + b * out_b) / (a + b), join(out_a, total_a, out_b, total_b)[1]


nothing_visible = question.probe("a part in which nothing is visible", _hidden_parts)


@nothing_visible.mistake(
    "0 times NaN is NaN.",
    "A part without a visible key has no output. Leave it out (`torch.where`) instead of multiplying.",
)
def _zero_times_nan(out_a, total_a, out_b, total_b):
    return _mixed(out_a, total_a, out_b, total_b, weigh=lambda a, b: (b - a).sigmoid())


@nothing_visible.mistake(
    "The whole row becomes 0 where one part is NaN.",
    "Mend the part that is NaN before you mix; the other one is the answer.",
)
def _nan_as_zero_everywhere(out_a, total_a, out_b, total_b):
    out, total = _zero_times_nan(out_a, total_a, out_b, total_b)
    return out.nan_to_num(), total


for _side, _name in enumerate("ab"):
    nothing_visible.mistake(
        f"NaN is mended in the part of machine {_name} only.",
        "Either machine may see no key: mend both, each in its own part.",
        lambda *parts, side=_side: _zero_times_nan(
            *(p.nan_to_num() if at == 2 * side else p for at, p in enumerate(parts))
        ),
    )


@large_scores.mistake(
    "One maximum is subtracted for all queries, and what is far below it becomes 0.",
    "Subtract for each query the larger of its own two totals: `torch.maximum(total_a, total_b)`.",
)
def _one_maximum(out_a, total_a, out_b, total_b):
    most = torch.maximum(total_a, total_b).max()
    out, total = _powers(out_a, total_a - most, out_b, total_b - most)
    return out, total + most
