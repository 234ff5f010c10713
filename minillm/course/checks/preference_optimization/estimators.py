"""11.1: three estimators of the KL, measured exactly, and what each does as a term of the loss (Schulman 2020).

As a loss on given samples, k1 has an expected gradient of 0, k2 that of KL(policy, reference), and k3 that of
KL(reference, policy).
"""

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.question import Question

Found = tuple[Tensor, Tensor, Tensor]
Estimate = Callable[[Tensor], Tensor]  # of x = log p - log p_ref

ESTIMATES: list[Estimate] = [lambda x: x, lambda x: x.square() / 2, lambda x: (-x).exp() - 1 + x]


def kl_estimators(logits: Float[Tensor, "K"], ref_logits: Float[Tensor, "K"], rate: float, updates: int) -> Found:
    """The right answer: means and standard deviations of k1, k2 and k3, and the KL after a training with each.

    >>> policy, reference = torch.tensor([0.25, 0.75]).double().log(), torch.zeros(2).double()
    >>> for each in kl_estimators(policy, reference, rate=1.0, updates=2):
    ...     print(*(f"{x:.4f}" for x in each.tolist()))
    0.1308 0.1217 0.1308
    0.4757 0.0684 0.1016
    0.1308 0.0178 0.0117
    """
    return _measured(logits, ref_logits, rate, updates)


def _values(x: Tensor) -> Tensor:
    """The three estimates of each answer (3, K)."""
    return torch.stack([estimate(x) for estimate in ESTIMATES])


def _slopes(p: Tensor, x: Tensor) -> Tensor:
    """What a loss of given samples does: p times the derivative by log p, (3, K)."""
    return p * torch.stack([torch.ones_like(x), x, 1 - (-x).exp()])


def _as_a_reward(p: Tensor, x: Tensor) -> Tensor:
    return p * _values(x)


def _mean(p: Tensor, q: Tensor, values: Tensor) -> Tensor:
    return values @ p


def _deviation(p: Tensor, values: Tensor) -> Tensor:
    return ((values - (values @ p)[:, None]).square() @ p).sqrt()


def _kl(log_p: Tensor, log_q: Tensor, own: Tensor) -> Tensor:
    return (log_p.exp() * (log_p - log_q)).sum()


def _measured(
    logits: Tensor,
    ref_logits: Tensor,
    rate: float,
    updates: int,
    *,
    values: Callable[[Tensor], Tensor] = _values,
    mean: Callable[[Tensor, Tensor, Tensor], Tensor] = _mean,
    deviation: Callable[[Tensor, Tensor], Tensor] = _deviation,
    slopes: Callable[[Tensor, Tensor], Tensor] = _slopes,
    left: Callable[[Tensor, Tensor, Tensor], Tensor] = _kl,
    frozen: bool = False,
    goes_on: bool = False,
    made: Callable[[Tensor, Tensor, Tensor], Any] = lambda *parts: parts,
) -> Any:
    """The right answer, with one thing done differently."""
    start, log_q = logits.double(), ref_logits.double().log_softmax(0)
    p, q = start.softmax(0), log_q.exp()
    x = start.log_softmax(0) - log_q
    ends, now = [], start
    for which in range(3):
        now = now if goes_on else start
        for _ in range(updates):
            weights = p if frozen else now.softmax(0)
            pull = slopes(weights, now.log_softmax(0) - log_q)[which]
            now = now - rate * (pull - now.softmax(0) * pull.sum())
        log_p = now.log_softmax(0)
        ends.append(left(log_p, log_q, _values(log_p - log_q)[which] @ log_p.exp()))
    return made(mean(p, q, values(x)), deviation(p, values(x)), torch.stack(ends))


def _policies(rng: random.Random, K: int) -> tuple[Tensor, Tensor]:
    """Two policies that differ, and no answer that is nearly impossible."""
    while True:
        tables = numbers(rng, K).double(), numbers(rng, K).double()
        x = tables[0].log_softmax(0) - tables[1].log_softmax(0)
        if 0.3 < x.abs().max() < 3 and tables[0].softmax(0).min() > 0.01:
            return tables


def _untrained(rng: random.Random) -> list[Call]:
    first: Call = (torch.tensor([0.25, 0.75]).double().log(), torch.zeros(2).double(), 1.0, 0)
    return [first, *((*_policies(rng, K), rng.choice([0.1, 0.5]), 0) for K in (2, 3, 5))]


def _trained(rng: random.Random) -> list[Call]:
    return [(*_policies(rng, K), rng.choice([0.3, 0.6]), updates) for K, updates in ((2, 1), (3, 4), (4, 9), (6, 16))]


UNTRAINED = ("the example's two answers", "two answers", "three answers", "five answers")
TRAINED = ("one update", "4 updates", "9 updates", "16 updates")


def _explain(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str, int] | None:
    """No three tensors of three numbers, or not finite."""
    for index, answer in enumerate(got):
        if type(answer) not in (tuple, list) or len(answer) != 3:
            return "Three results are asked for: means, deviations, and what is left.", PARTS, index
        found = [as_tensor(part) for part in answer]
        if any(part is None or part.shape != (3,) for part in found):
            return "Each of the three results has three numbers, for k1, k2 and k3.", PARTS, index
        if not all(part.isfinite().all() for part in found if part is not None):
            return "A result is NaN or infinite.", "Is a root taken of a negative number, or too large a step?", index
    return None


PARTS = "`return means, deviations, left`, each of the three a tensor (3,), in the order k1, k2, k3."
X = "x = log p - log p_ref of an answer; k1 = x, k2 = x² / 2, k3 = exp(-x) - 1 + x."
SAMPLES = "Samples come from the policy: an answer counts by its probability p."
SPREAD = "The standard deviation of one sample: the root of Σ p (k - mean)²."
GRADIENT = "Σ p · ∂k/∂logits, where p only weighs, as sampling would. With autograd: `(p.detach() * k).sum()`."

question = Question(
    "11.1",
    "Three estimators of the KL",
    kl_estimators,
    forbidden=("minillm", "trl"),
    parts=("means", "deviations", "left"),
)

untrained = question.probe("means and deviations", _untrained, _explain, kinds=UNTRAINED)


def _estimates(*own: Estimate) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.stack([estimate(x) for estimate in own])


_K1, _K2, _K3 = ESTIMATES
for _sentence, _own in (
    ("k2 has no factor ½.", (_K1, torch.square, _K3)),
    (
        "k3 is upside down: exp(x) - 1 - x would do for samples from the reference.",
        (_K1, _K2, lambda x: x.exp() - 1 - x),
    ),
    ("k3 lacks the -1, so it isn't 0 where both policies agree.", (_K1, _K2, lambda x: (-x).exp() + x)),
    ("k3 is exp(x) - 1 + x: the ratio is p_ref / p.", (_K1, _K2, lambda x: x.exp() - 1 + x)),
    (
        "k3 is exp(-x) - 1 - x: log p_ref - log p is subtracted, so x is added.",
        (_K1, _K2, lambda x: (-x).exp() - 1 - x),
    ),
    ("k1 has the wrong sign: it's log p_ref - log p.", (torch.neg, _K2, _K3)),
    ("k1 has lost its sign.", (torch.abs, _K2, _K3)),
    ("k2 and k3 are exchanged.", (_K1, _K3, _K2)),
    ("x has the wrong sign, in all three.", tuple(lambda x, k=k: k(-x) for k in ESTIMATES)),
):
    untrained.mistake(_sentence, X, partial(_measured, values=_estimates(*_own)))
for _sentence, _average in (
    ("The mean is over samples from the reference.", lambda p, q, values: values @ q),
    ("Every answer counts the same, whatever its probability.", lambda p, q, values: values.mean(1)),
    ("The probabilities are summed with the estimates, but their mean is taken again.", lambda p, q, values: (
        (values * p).mean(1)
    )),
):  # fmt: skip
    untrained.mistake(_sentence, SAMPLES, partial(_measured, mean=_average))
for _sentence, _spread in (
    ("The root is missing: these are variances.", lambda p, values: _deviation(p, values).square()),
    ("The mean isn't subtracted before squaring.", lambda p, values: (values.square() @ p).sqrt()),
    ("Every answer counts the same in the deviation, whatever its probability.", lambda p, values: values.std(1)),
    ("Every answer counts the same in the deviation (without n - 1).", lambda p, values: values.std(1, correction=0)),
    ("This is the mean distance from the mean, without squares.", lambda p, values: (
        (values - (values @ p)[:, None]).abs() @ p
    )),
):  # fmt: skip
    untrained.mistake(_sentence, SPREAD, partial(_measured, deviation=_spread))
for _sentence, _end in (
    ("`left` is KL(reference, policy).", lambda log_p, log_q, own: _kl(log_q, log_p, own)),
    ("`left` is the estimator's own mean; the KL is asked for.", lambda log_p, log_q, own: own),
    ("`left` is in bits.", lambda log_p, log_q, own: _kl(log_p, log_q, own) / math.log(2)),
):
    untrained.mistake(
        _sentence, "KL(policy, reference) = Σ p (log p - log p_ref), in nats.", partial(_measured, left=_end)
    )
untrained.mistake(
    "The deviations come first.", PARTS, partial(_measured, made=lambda means, spread, left: (spread, means, left))
)

trained = question.probe("a training with each", _trained, _explain, kinds=TRAINED)
trained.mistake(
    "The gradient also flows through the probabilities that weigh the answers, so k1 trains as well.",
    GRADIENT,
    partial(_measured, slopes=lambda p, x: _slopes(p, x) + _as_a_reward(p, x)),
)
trained.mistake(
    "The estimate is treated as a reward: its value times the gradient of log p. Here it's a term of the loss.",
    GRADIENT,
    partial(_measured, slopes=_as_a_reward),
)
trained.mistake(
    "The answers are weighed by the policy of the start, in all updates.",
    "Each update samples from the policy that it finds.",
    partial(_measured, frozen=True),
)
trained.mistake(
    "Each estimator goes on from where the one before has ended.",
    "Begin all three with the logits that are given.",
    partial(_measured, goes_on=True),
)
for _sentence, _factor in (
    ("The updates go uphill.", -1.0),
    ("The steps are twice as long.", 2.0),
    ("The steps are half as long.", 0.5),
):
    trained.mistake(
        _sentence,
        "One update: `logits - rate * gradient`.",
        lambda logits, ref, rate, updates, factor=_factor: kl_estimators(logits, ref, factor * rate, updates),
    )
for _sentence, _more in (("There is one update too many.", 1), ("There is one update too few.", -1)):
    trained.mistake(
        _sentence,
        "Count them: with `updates` = 0 nothing changes.",
        lambda logits, ref, rate, updates, more=_more: kl_estimators(logits, ref, rate, updates + more),
    )
trained.mistake(
    "The gradient is a mean over the answers: it's divided by their number.",
    GRADIENT,
    lambda logits, ref, rate, updates: kl_estimators(logits, ref, rate / len(logits), updates),
)
trained.mistake(
    "No update has an effect: `left` is the KL of the start.",
    "k1 leaves it as it is; k2 and k3 don't.",
    lambda logits, ref, rate, updates: kl_estimators(logits, ref, rate, 0),
)
