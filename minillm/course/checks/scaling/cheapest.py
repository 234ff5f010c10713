"""13.3: the cheapest model for a loss when it will also be used (Sardana et al. 2024, "Beyond Chinchilla-Optimal")."""

import math
import random
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.question import Question

Law = tuple[float, float, float, float, float]  # E, A, alpha, B, beta; N and D in billions


def cheapest(law: Law, loss: float, served: float) -> float:
    """The right answer: where the slope of the cost is 0, by halving an interval of ln N.

    >>> round(cheapest((1.0, 1.0, 1.0, 1.0, 1.0), loss=2.0, served=0.0), 4)  # N = D = 2
    24.0
    """
    return _cost(law, loss, served, _best_size(law, loss, served))


def _tokens(law: Law, loss: float, size: float) -> float:
    """How much a model of this size must read to reach the loss; more than can be said where it never does."""
    E, A, alpha, B, beta = law
    left = loss - E - A / size**alpha
    return math.inf if left <= 0 else (B / left) ** (1 / beta)


def _cost(law: Law, loss: float, served: float, size: float) -> float:
    return 6 * size * _tokens(law, loss, size) + 2 * size * served


def _best_size(law: Law, loss: float, served: float) -> float:
    """Where another per cent of N saves as much in tokens as it costs: the slope of `_cost` over ln N is 0."""
    E, A, alpha, _, beta = law
    low = math.log(A / (loss - E)) / alpha  # so small a model reaches the loss only after tokens without end
    high = low + 50
    for _ in range(200):
        middle = (low + high) / 2
        tokens, price = _tokens(law, loss, math.exp(middle)), A / math.exp(alpha * middle)
        too_small = tokens == math.inf or tokens * alpha * price > (tokens + served / 3) * beta * (loss - E - price)
        low, high = (middle, high) if too_small else (low, middle)
    return math.exp(high)


def _laws(rng: random.Random, used: bool) -> list[Call]:
    calls = []
    for above in ((0.3, 0.9), (0.3, 0.9), (0.3, 0.9), (0.3, 0.9), (0.02, 0.04), (4.0, 8.0)):
        E, A, B = (round(rng.uniform(*ends), 2) for ends in ((1.5, 1.9), (0.2, 0.6), (0.8, 2.0)))
        law = (E, A, round(rng.uniform(0.28, 0.5), 2), B, round(rng.uniform(0.28, 0.5), 2))
        loss = round(E + rng.uniform(*above), 2)
        read = _tokens(law, loss, _best_size(law, loss, 0.0))
        calls.append((law, loss, float(f"{read * rng.uniform(1, 30):.1e}") if used else 0.0))
    return calls


def _how_far(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """A cost that is too high by little was searched too coarsely; one that is too low reaches another loss."""
    for cost, reply in zip(right, got, strict=True):
        if type(reply) not in (int, float) or not math.isfinite(reply):
            return None
        if abs(reply / cost - 1) > 1e-4:
            if 1 < reply / cost < 1.02:
                sentence = f"The cost is {reply / cost - 1:.2%} above the least one."
                return sentence, "You are near it. Search again around the best N that you have found, more finely."
            if reply < cost:
                return "So low a cost does not reach the loss.", "Put your N and D into the law. What loss comes out?"
            return f"The cost is {reply / cost:.3g} times the least one.", "Compare a few sizes by hand, N and its D."
    return None


question = Question("13.3", "A model that will be used", cheapest, forbidden=("minillm", "scipy"))

training = question.probe("training alone", lambda rng: _laws(rng, used=False), _how_far)
training.mistake(
    "The floor E is left out.",
    "What the two terms must share is `loss - E`.",
    lambda law, loss, served: cheapest((0.0, *law[1:]), loss, served),
)


@training.mistake(
    "Size and text are given half of the distance to the floor each.",
    "That is best only for alpha = beta. Try sizes, compute the D that each needs, and compare costs.",
)
def _half_each(law, loss, served):
    E, A, alpha, _, _ = law
    return _cost(law, loss, served, (2 * A / (loss - E)) ** (1 / alpha))


@training.mistake(
    "Twenty tokens for each parameter are taken for granted.",
    "Twenty came out for Chinchilla's law and budgets. Yours is another law: search.",
)
def _twenty(law, loss, served):
    low, high = -30.0, 60.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if _tokens(law, loss, math.exp(middle)) < 20 * math.exp(middle) else (middle, high)
    return _cost(law, loss, served, math.exp(high))


training.mistake(
    "Training is counted like use, at 2 operations for each parameter and token.",
    "Backward costs twice as much as forward (lesson 13): 6 in training.",
    lambda law, loss, served: cheapest(law, loss, served) / 3,
)

with_use = question.probe("training and use", lambda rng: _laws(rng, used=True), _how_far)
with_use.mistake(
    "The use is not counted.",
    "Every token that is served costs 2 operations for each parameter.",
    lambda law, loss, served: cheapest(law, loss, 0.0),
)
with_use.mistake(
    "The model is the cheapest to train, and use is paid for on top.",
    "Look for the N at which the *sum* is least: a smaller model is cheaper every time it is used.",
    lambda law, loss, served: _cost(law, loss, served, _best_size(law, loss, 0.0)),
)
with_use.mistake(
    "A token that is served is counted with 6 operations for each parameter.",
    "Nobody computes gradients for it: 2.",
    lambda law, loss, served: cheapest(law, loss, 3 * served),
)
with_use.mistake(
    "The right model is found, but only its training is paid for.",
    "Return the whole cost, training and use.",
    lambda law, loss, served: _cost(law, loss, 0.0, _best_size(law, loss, served)),
)
