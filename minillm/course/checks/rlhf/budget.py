"""10.3: the best policy for a budget of nats, not for a beta: the beta has to be found.

The same question with the other variable given, as in REPS (Peters et al. 2010) and TRPO (Schulman et al. 2015).
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
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.question import Question

HALVINGS = 80


def best_within(reference: Float[Tensor, "K"], rewards: Float[Tensor, "K"], budget: float) -> Float[Tensor, "K"]:
    """The right answer: the policy with the highest mean reward at most `budget` nats from the reference.

    >>> best_within(torch.tensor([0.5, 0.5]).double(), torch.tensor([1.0, 0.0]).double(), budget=0.1)
    tensor([0.7198, 0.2802], dtype=torch.float64)
    """
    return _furthest(
        partial(_tilted, reference=reference, rewards=rewards), lambda policy: _kl(policy, reference), budget
    )


def _furthest(path: Callable[[float], Tensor], distance: Callable[[Tensor], float], budget: float) -> Tensor:
    """Of the policies on a path from 0 to 1, along which the distance grows, the furthest within the budget."""
    near, far = 0.0, 1.0
    if distance(path(far)) <= budget:
        return path(far)
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        near, far = (middle, far) if distance(path(middle)) <= budget else (near, middle)
    return path(near)


def _tilted(share: float, *, reference: Tensor, rewards: Tensor) -> Tensor:
    """From the reference, at 0, to the favourites alone, at 1: all best policies for some beta."""
    lag = rewards.double() - rewards.max()
    spread = -lag.min().item() or 1.0
    factors = (lag == 0).double() if share == 1 else (lag / spread * share / (1 - share)).exp()
    return reference * factors / (reference * factors).sum()


def _kl(policy: Tensor, other: Tensor) -> float:
    return torch.special.xlogy(policy, policy / other).sum().item()


def _answers(rng: random.Random, K: int, favourites: int = 1, unit: float = 1.0) -> tuple[Tensor, Tensor]:
    """Probabilities of K answers, in steps of 0.04, and rewards at least half a unit apart, but for the favourites."""
    cuts = [0, *sorted(rng.sample(range(1, 25), K - 1)), 25]
    reference = torch.tensor(cuts).diff().double() / 25
    rewards = torch.tensor(rng.sample(range(-6, 7), K)).double()
    best = rewards.topk(favourites).indices
    rewards[best] = rewards.max()
    return reference, rewards * unit / 2


def _all_in(reference: Tensor, rewards: Tensor) -> float:
    """The nats at which only the favourites are left."""
    return -reference[rewards == rewards.max()].sum().log().item()


def _binding(rng: random.Random) -> list[Call]:
    calls = []
    for K in (2, 3, 4, 5, 8):
        answers = _answers(rng, K)
        calls.append((*answers, round(rng.uniform(0.2, 0.8) * _all_in(*answers), 3)))
    return calls


def _at_the_ends(rng: random.Random) -> list[Call]:
    answers = [_answers(rng, K) for K in (2, 3, 4, 6)]
    ends = [(*each, budget) for each in answers for budget in (0.0, round(_all_in(*each) + 0.5, 1))]
    return [*ends, (torch.ones(1).double(), torch.tensor([rng.randint(-6, 6) / 2]).double(), 0.2)]


ODD = (
    "several best answers, as far as the budget goes",
    "several best answers and a budget beyond the largest KL",
    "rewards of thousands of points",
    "rewards of thousandths",
    "equal rewards",
    *["rewards far from 0"] * 4,
    *["two rewards that nearly tie"] * 2,
    "two rewards that nearly tie, and a budget beyond the largest KL",
)


def _odd_rewards(rng: random.Random) -> list[Call]:
    """Several favourites; rewards of thousands of points, of thousandths, near 5,000, equal, and nearly equal."""
    tied, large, small = (_answers(rng, K, favourites=2, unit=unit) for K, unit in ((3, 1.0), (4, 2000.0), (6, 0.002)))
    same = _answers(rng, 3, favourites=3)
    far = [(reference, rewards + 5000) for reference, rewards in (_answers(rng, 3), _answers(rng, 5, unit=0.2))]
    bounds = [(tied, 0.5), (tied, 1.5), (large, 0.5), (small, 0.5)]
    calls = [(*each, round(part * _all_in(*each), 4)) for each, part in bounds]
    calls += [(*same, 0.3), *((*each, round(part * _all_in(*each), 4)) for each in far for part in (0.3, 0.7))]
    calls += [_nearly_tied(rng, _answers(rng, K, favourites=2)) for K in (3, 5)]
    reference, rewards, _ = _nearly_tied(rng, _answers(rng, 3, favourites=2))
    rewards = rewards + 30
    return [*calls, (reference, rewards, round(_all_in(reference, rewards) + 0.5, 1))]


def _nearly_tied(rng: random.Random, answers: tuple[Tensor, Tensor]) -> Call:
    """Of two favourites one gets a hundred-thousandth of the spread less; the budget tells them apart."""
    reference, rewards = answers
    both = _all_in(reference, rewards)
    rewards[rewards.argmax()] -= (rewards.max() - rewards.min()) * 1e-5
    alone = _all_in(reference, rewards)
    return reference, rewards, round(both + rng.uniform(0.3, 0.7) * (alone - both), 4)


def _spent(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """How far the policy of the first wrong answer goes, and what it was allowed."""
    for (reference, rewards, budget), policy, answer in zip(calls, right, got, strict=True):
        found = as_tensor(answer)
        if found is None or found.shape != policy.shape:
            return None
        if found.isnan().any() and rewards.min() == rewards.max():
            hint = "The spread of equal rewards is 0, and 0 / 0 is NaN. All are the best ones: the reference stays."
            return "The policy is not a number where all rewards are equal: their spread is 0.", hint
        if found.isnan().any():
            return "The policy is not a number: `exp` overflows, or 0 is divided by 0.", (
                "Subtract the largest reward before `exp`; and 0 log 0 counts as 0."
            )
        if found.min() < -1e-4:
            return f"A probability is negative: {found.min().item():.4g}.", "The shares p_ref e^(r/beta) never are."
        if abs(found.sum().item() - 1) > 1e-4:
            return f"The probabilities add up to {found.sum().item():.4g}.", "Divide all of them by their sum."
        if (found.double() - policy).abs().max() > 1e-4:
            return _of_one_policy(found.double().clamp_min(0), reference, rewards, budget)
    return None


def _affine(y: Tensor, x: Tensor) -> bool:
    """Whether three points or more lie on a rising line."""
    dx, dy = x - x.mean(), y - y.mean()
    slope = (dx @ dy) / (dx @ dx).clamp_min(1e-12)
    return len(set(x.tolist())) > 2 and bool(slope > 0) and bool((dy - slope * dx).abs().max() < 1e-3 * dy.abs().max())


def _of_one_policy(found: Tensor, reference: Tensor, rewards: Tensor, budget: float) -> tuple[str, str]:
    """What is wrong with the probabilities of one answer, which add up to 1."""
    far, favourites = _kl(found, reference), _tilted(1.0, reference=reference, rewards=rewards)
    distance = f"The policy is {far:.4g} nats from the reference, with a budget of {budget:.4g}."
    rounded = best_within(reference, rewards.float().double(), budget)
    if (found - rounded).abs().max() < 1e-4:
        return "The rewards are rounded to float32 first: where they are far from 0 their differences are lost.", (
            "Work in float64, or subtract the largest reward before you convert."
        )
    if (found - reference).abs().max() < 1e-4:
        return (
            f"{distance} It is the reference itself: the KL is 0.",
            "A smaller beta moves it.",
        )
    if far > budget + 1e-3 and (found - favourites).abs().max() < 1e-3:
        return f"{distance} Only the best answers are left. Was the KL NaN in your search?", (
            "0 log 0 makes the KL NaN, and no comparison with NaN is true. `torch.special.xlogy` counts 0 log 0 as 0."
        )
    for factor, unit in ((math.log(2), "bits in place of nats"), (0.5, "half"), (2.0, "twice as much")):
        if abs(far - factor * budget) < 1e-3 * far:
            return f"{distance} That is {unit}.", "The KL is the sum of p log(p / p_ref), with the natural logarithm."
    if found.min() > 1e-6 and _affine(found.log(), rewards):
        hint = "Which policies are the best ones for some beta? p_ref belongs to each of them."
        return f"{distance} It is a softmax of the rewards alone, without p_ref.", hint
    if abs(far - budget) < 1e-3 * budget:
        hint = "Which policies are the best ones for some beta? p_ref belongs to each of them."
        return "The KL is the budget, and another policy with the same KL has a higher mean reward.", hint
    if far < budget:
        first, second = found.topk(2).indices.tolist()
        shift = (found / reference).log()
        inverse = ((shift[first] - shift[second]) / (rewards[first] - rewards[second])).item()
        best = (reference.log() + inverse * rewards).softmax(0)
        ends = f" It is the best one for 1 / beta = {inverse:.3g}: does your search end there?"
        return f"{distance} Some of it is left.{ends if (best - found).abs().max() < 1e-4 else ''}", (
            "Does your search end too early? Where two rewards nearly tie beta is very small: bring the rewards "
            "to one unit first, and search for 1 / beta up to a billion."
        )
    return distance, "Among the best policies for all beta, find the one whose KL is the budget."


question = Question("10.3", "The best policy for a budget", best_within)

binding = question.probe("a budget that binds", _binding, _spent)
binding.mistake(
    "The budget is used as if it were 1 / beta.",
    "The formula wants a beta. Try some until the KL of its policy is the budget.",
    lambda reference, rewards, budget: (reference.log() + rewards * budget).softmax(0),
)
binding.mistake(
    "The budget is used as if it were beta.",
    "The formula wants a beta. Try some until the KL of its policy is the budget.",
    lambda reference, rewards, budget: (reference.log() + rewards / budget).softmax(0),
)


@binding.mistake(
    "The KL is measured the other way round: a mean under the reference, not under the policy.",
    "KL(policy, reference) is the mean under the policy: sum of p log(p / p_ref).",
)
def _other_way_round(reference, rewards, budget):
    return _furthest(
        partial(_tilted, reference=reference, rewards=rewards), lambda policy: _kl(reference, policy), budget
    )


@binding.mistake(
    "The reference is forgotten: every answer begins with the same probability.", "The shares are p_ref e^(r/beta)."
)
def _from_nowhere(reference, rewards, budget):
    even = torch.ones_like(reference) / len(reference)
    return _furthest(partial(_tilted, reference=even, rewards=rewards), lambda policy: _kl(policy, even), budget)


binding.mistake(
    "The distance is measured from equal probabilities, not from the reference.",
    "KL(policy, reference) is the sum of p log(p / p_ref).",
    lambda reference, rewards, budget: _furthest(
        partial(_tilted, reference=reference, rewards=rewards),
        lambda policy: _kl(policy, torch.ones_like(reference) / len(reference)),
        budget,
    ),
)


@binding.mistake(
    "Reference and best answer are mixed, which moves towards the best answer alone.",
    "For the same KL, p_ref e^(r/beta) / Z has a higher mean reward: a good second answer keeps more than a bad one.",
)
def _mixed(reference, rewards, budget):
    favourite = _tilted(1.0, reference=reference, rewards=rewards)
    return _furthest(lambda t: (1 - t) * reference + t * favourite, lambda policy: _kl(policy, reference), budget)


extremes = question.probe(
    "no budget, and one beyond the largest KL",
    _at_the_ends,
    _spent,
    kinds=[*["a budget of 0", "a budget beyond the largest KL"] * 4, "one answer"],
)

odd_rewards = question.probe("several best answers, and rewards of any size", _odd_rewards, _spent, kinds=ODD)


@odd_rewards.mistake(
    "Only one of several best answers is left.",
    "Equal rewards have equal factors: the best answers keep their ratios to each other.",
)
def _one_favourite(reference, rewards, budget):
    chosen = torch.zeros_like(reference)
    chosen[rewards.argmax()] = 1.0
    return chosen if -reference[rewards.argmax()].log() <= budget else best_within(reference, rewards, budget)


@odd_rewards.mistake(
    "Rewards that are nearly equal are taken for equal ones.",
    "Only answers with the largest reward itself are left at last: `rewards == rewards.max()`.",
)
def _nearly_equal(reference, rewards, budget):
    best = torch.isclose(rewards, rewards.max()).double()
    within = -(reference * best).sum().log() <= budget
    return reference * best / (reference * best).sum() if within else best_within(reference, rewards, budget)


@odd_rewards.mistake(
    "All best answers are equally likely.",
    "Equal rewards have equal factors: the best answers keep their ratios to each other.",
)
def _favourites_alike(reference, rewards, budget):
    best = (rewards == rewards.max()).double()
    within = -(reference * best).sum().log() <= budget
    return best / best.sum() if within else best_within(reference, rewards, budget)
