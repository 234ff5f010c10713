"""13.3: the cheapest model for a loss when it will also be used (Sardana et al. 2024, "Beyond Chinchilla-Optimal")."""

import math
import random
from collections.abc import Callable
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.question import Question
from minillm.course.checks.scaling import costs
from minillm.course.checks.scaling.costs import Law, alike, best_size, cost_of, tokens_for, what_it_is


def cheapest(law: Law, loss: float, served: float) -> float:
    """The right answer: where the slope of the cost is 0, by halving an interval of ln N.

    >>> round(cheapest((1.0, 1.0, 1.0, 1.0, 1.0), loss=2.0, served=0.0), 4)  # N = D = 2
    24.0
    """
    return costs.cheapest(law, loss, served)


def _laws(rng: random.Random, used: bool) -> list[Call]:
    calls = []
    for above in ((0.3, 0.9), (0.3, 0.9), (0.3, 0.9), (0.3, 0.9), (0.02, 0.04), (4.0, 8.0)):
        E, A, B = (round(rng.uniform(*ends), 2) for ends in ((1.5, 1.9), (0.2, 0.6), (0.8, 2.0)))
        law = (E, A, round(rng.uniform(0.28, 0.5), 2), B, round(rng.uniform(0.28, 0.5), 2))
        loss = round(E + rng.uniform(*above), 2)
        read = tokens_for(law, loss, best_size(law, loss, 0.0))
        calls.append((law, loss, float(f"{read * rng.uniform(1, 30):.1e}") if used else 0.0))
    return [((1.0, 1.0, 1.0, 1.0, 1.0), 2.0, 24.0 if used else 0.0), *calls]


LOSSES = ("an easy law", *["an ordinary loss"] * 4, "a loss just above E", "a loss far above E")


def _how_far(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """A cost that is too high by little was searched too coarsely; one that is too low reaches another loss."""
    replies = [as_tensor(reply) for reply in got]
    if any(reply is None or reply.numel() != 1 for reply in replies):
        several = [reply for reply in got if type(reply) in (list, tuple) and len(reply) > 1]
        kind = f"The result is {len(several[0])} values, and one is asked for: the cost." if several else None
        return None if kind is None else (kind, "Return 6 N D + 2 N served for the best N.")
    got = [float(reply.item()) for reply in replies if reply is not None]
    if any(math.isnan(reply) for reply in got):
        return "The cost is not a number.", (
            "Below the smallest N the bracket is negative, and a power of it is NaN: begin above, or skip such sizes."
        )
    wrong = [place for place, reply in enumerate(got) if not math.isclose(reply, right[place], rel_tol=1e-4)]
    sizes = [best_size(*call) for call in calls]
    tokens = [tokens_for(call[0], call[1], size) for call, size in zip(calls, sizes, strict=True)]
    for name, values in (("number of parameters N", sizes), ("number of tokens D", tokens)):
        if all(alike(reply, value) for reply, value in zip(got, values, strict=True)):
            return f"The result is the best {name}, not its cost.", "Return 6 N D + 2 N served."
    for name, factor in (("10^9 times", 1e9), ("10^18 times", 1e18), ("10^9 times less, not", 1e-9)):
        if all(alike(reply, factor * cost) for reply, cost in zip(got, right, strict=True)):
            sentence = f"The cost is {name} the least one: N and D stay in billions."
            return sentence, "With billions of both, the unit is 10^18 operations."
    for probe in question.probes:
        for mistake in probe.mistakes:
            others = [mistake.answer(*calls[place]) for place in wrong]
            apart = [
                not math.isclose(other, right[place], rel_tol=0.02) for other, place in zip(others, wrong, strict=True)
            ]
            if sum(apart) > 1 and all(alike(got[place], other) for place, other in zip(wrong, others, strict=True)):
                return mistake.sentence, mistake.hint
    ordinary = [place for place, size in enumerate(sizes) if 0.01 < size < 100]
    if ordinary and not set(ordinary) & set(wrong):
        size = sizes[wrong[0]]
        sentence = (
            f"The cost is right but where the best N is far away, as {size:.3g} billion. Does your search reach it?"
        )
        return sentence, "Begin just above the smallest N, (A / (loss - E))^(1 / alpha), and search over ln N."
    if found := what_it_is(calls, right, got):
        return found
    if not all(math.isfinite(reply) for reply in got):
        return "The cost is infinite.", "Too small an N never reaches the loss. Begin above the smallest one."
    for cost, reply in zip(right, got, strict=True):
        if abs(reply / cost - 1) > 1e-4:
            if 1 < reply / cost < 1.02:
                sentence = f"The cost is {reply / cost - 1:.2%} above the least one."
                return sentence, "You are near it. Search again around the best N that you have found, more finely."
            if reply < cost:
                return "So low a cost does not reach the loss.", "Put your N and D into the law. What loss comes out?"
            return f"The cost is {reply / cost:.3g} times the least one.", "Compare a few sizes by hand, N and its D."
    return None


question = Question("13.3", "A model that will be used", cheapest, forbidden=("minillm", "scipy"))

training = question.probe("training alone", lambda rng: _laws(rng, used=False), _how_far, kinds=LOSSES)
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
    return cost_of(law, loss, served, (2 * A / (loss - E)) ** (1 / alpha))


@training.mistake(
    "Twenty tokens for each parameter are taken for granted.",
    "Twenty came out for Chinchilla's law and budgets. Yours is another law: search.",
)
def _twenty(law, loss, served):
    low, high = -30.0, 60.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if tokens_for(law, loss, math.exp(middle)) < 20 * math.exp(middle) else (middle, high)
    return cost_of(law, loss, served, math.exp(high))


training.mistake(
    "Training is counted like use, at 2 operations for each parameter and token.",
    "Backward costs twice as much as forward (lesson 13): 6 in training.",
    lambda law, loss, served: cheapest(law, loss, served) / 3,
)


def _least(tokens: Callable[[Law, float, float, float], float]) -> Callable[[Law, float, float], float]:
    """The least cost over sizes where another number of tokens is thought to reach the loss."""

    def answer(law: Law, loss: float, served: float) -> float:
        E, A, alpha, *_ = law
        start = math.log(A / (loss - E)) / alpha

        def cost(above: float) -> float:
            size = math.exp(start + above)
            return 6 * size * tokens(law, loss, served, size) + 2 * size * served

        best, width = 15.0, 15.0
        for _ in range(4):  # finer and finer grids
            grid = [best + width * step / 200 for step in range(-199, 200)]
            best, width = min((above for above in grid if above > 1e-9), key=cost), width / 50
        return cost(best)

    return answer


def _power(law: Law, loss: float, served: float, size: float) -> float:
    E, A, alpha, B, beta = law
    return (B / (loss - E - A / size**alpha)) ** beta


training.mistake(
    "D is the bracket to the power beta, not 1 / beta.",
    "Solve B / D^beta = bracket for D: D = (B / bracket)^(1 / beta).",
    _least(_power),
)
training.mistake(
    "D is (B / bracket) without the power 1 / beta.",
    "Solve B / D^beta = bracket for D: D = (B / bracket)^(1 / beta).",
    _least(lambda law, loss, served, size: law[3] / (loss - law[0] - law[1] / size ** law[2])),
)
training.mistake(
    "The cost of training is N D: the 6 operations are missing.",
    "Each parameter takes 6 operations for each token in training.",
    lambda law, loss, served: cheapest(law, loss, 3 * served) / 6,
)

with_use = question.probe("training and use", lambda rng: _laws(rng, used=True), _how_far, kinds=LOSSES)
with_use.mistake(
    "The use is not counted.",
    "Every token that is served costs 2 operations for each parameter.",
    lambda law, loss, served: cheapest(law, loss, 0.0),
)
with_use.mistake(
    "The model is the cheapest to train, and use is paid for on top.",
    "Look for the N at which the *sum* is least: a smaller model is cheaper every time it is used.",
    lambda law, loss, served: cost_of(law, loss, served, best_size(law, loss, 0.0)),
)
with_use.mistake(
    "A token that is served is counted with 6 operations for each parameter.",
    "Nobody computes gradients for it: 2.",
    lambda law, loss, served: cheapest(law, loss, 3 * served),
)
with_use.mistake(
    "The right model is found, but only its training is paid for.",
    "Return the whole cost, training and use.",
    lambda law, loss, served: cost_of(law, loss, 0.0, best_size(law, loss, served)),
)
with_use.mistake(
    "The tokens that are served count among those that the model must read.",
    "Nobody learns from what is served. D is read in training, whatever is served.",
    _least(lambda law, loss, served, size: max(tokens_for(law, loss, size) - served, 0.0)),
)
with_use.mistake(
    "A token that is served costs 1 operation for each parameter, not 2.",
    "A forward pass multiplies and adds: 2 N.",
    lambda law, loss, served: cheapest(law, loss, served / 2),
)
