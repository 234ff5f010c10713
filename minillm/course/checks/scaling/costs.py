"""What a model costs that reaches a loss, and what a wrong cost stands for; for 13.3."""

import math
from collections.abc import Callable
from itertools import permutations

from minillm.course.checks.asking import Call

Law = tuple[float, float, float, float, float]  # E, A, alpha, B, beta; N and D in billions


def cheapest(law: Law, loss: float, served: float) -> float:
    """The least cost: where the slope of the cost is 0, by halving an interval of ln N.

    >>> round(cheapest((1.0, 1.0, 1.0, 1.0, 1.0), loss=2.0, served=0.0), 4)  # N = D = 2
    24.0
    """
    return cost_of(law, loss, served, best_size(law, loss, served))


def tokens_for(law: Law, loss: float, size: float) -> float:
    """How much a model of this size must read to reach the loss; more than can be said where it never does."""
    E, A, alpha, B, beta = law
    left = loss - E - A / size**alpha
    return math.inf if left <= 0 else (B / left) ** (1 / beta)


def cost_of(law: Law, loss: float, served: float, size: float) -> float:
    """What a model of this size costs, training and use, in 10^18 operations."""
    return 6 * size * tokens_for(law, loss, size) + 2 * size * served


def best_size(law: Law, loss: float, served: float) -> float:
    """Where another per cent of N saves as much in tokens as it costs: the slope of `cost_of` over ln N is 0."""
    E, A, alpha, _, beta = law
    low = math.log(A / (loss - E)) / alpha  # so small a model reaches the loss only after tokens without end
    high = low + 50
    for _ in range(200):
        middle = (low + high) / 2
        tokens, price = tokens_for(law, loss, math.exp(middle)), A / math.exp(alpha * middle)
        too_small = tokens == math.inf or tokens * alpha * price > (tokens + served / 3) * beta * (loss - E - price)
        low, high = (middle, high) if too_small else (low, middle)
    return math.exp(high)


def alike(number: float, other: float) -> bool:
    """Whether two costs are equal but for a coarse search."""
    return math.isclose(number, other, rel_tol=3e-3)


def what_it_is(calls: list[Call], right: list[float], got: list[float]) -> tuple[str, str] | None:
    """What exactly was searched for."""
    for explain in (_one_thing_else, _another_law, _another_size, _in_parts):
        if found := explain(calls, right, got):
            return found
    return None


def _explains(costs: list[float], right: list[float], got: list[float]) -> bool:
    """Whether these costs are those that were given, and not only near the least ones."""
    far = [not math.isclose(cost, due, rel_tol=0.01) for cost, due in zip(costs, right, strict=True)]
    near = all(math.isclose(reply, cost, rel_tol=1e-3) for reply, cost in zip(got, costs, strict=True))
    return near and sum(far) > 2


def _another_law(calls: list[Call], right: list[float], got: list[float]) -> tuple[str, str] | None:
    """The five numbers of the law unpacked in another order."""
    for order in permutations(range(5)):
        try:
            costs = [cheapest(tuple(law[place] for place in order), loss, used) for law, loss, used in calls]  # pyright: ignore[reportArgumentType]
        except (ValueError, OverflowError, ZeroDivisionError):
            continue
        if _explains(costs, right, got):
            if order == (0, 3, 4, 1, 2):
                sentence = "N and D have changed places: the use is counted with D, or A and alpha belong to D here."
                return sentence, "The cost is 6 N D + 2 N served, and the law is E + A / N^alpha + B / D^beta."
            names = ", ".join(("E", "A", "alpha", "B", "beta")[order.index(place)] for place in range(5))
            return f"The law is unpacked as {names}.", "It is (E, A, alpha, B, beta), in this order."
    return None


def _one_thing_else(calls: list[Call], right: list[float], got: list[float]) -> tuple[str, str] | None:
    """The right search for another law or another amount of use."""
    changes: dict[str, Callable[[Law, float, float], float]] = {
        "Both terms of the law have the power alpha.": lambda law, *rest: cheapest((*law[:4], law[2]), *rest),
        "Both terms of the law have the power beta.": lambda law, *rest: cheapest((*law[:2], law[4], *law[3:]), *rest),
        "Both terms of the law have the factor A.": lambda law, *rest: cheapest((*law[:3], law[1], law[4]), *rest),
        "Both terms of the law have the factor B.": lambda law, *rest: cheapest((law[0], law[3], *law[2:]), *rest),
        "The power of N is 1 / alpha.": lambda law, *rest: cheapest((*law[:2], 1 / law[2], *law[3:]), *rest),
        "What is served costs 2 for each token, without N.": lambda law, loss, used: (
            cheapest(law, loss, 0.0) + 2 * used
        ),
        "The result is the logarithm of the cost.": lambda *call: math.log(cheapest(*call)),
        "The result is the logarithm of the cost to base 10.": lambda *call: math.log10(cheapest(*call)),
    }
    for times in (1e-12, 1e-9, 1e-6, 1e-3, 1e3, 1e6, 1e9, 1e12):
        changes[f"The tokens that are served are counted {times:g} times: all numbers are in billions."] = (
            lambda law, loss, used, times=times: cheapest(law, loss, times * used)
        )
    for sentence, change in changes.items():
        if _explains([change(*call) for call in calls], right, got):
            return sentence, "Loss = E + A / N^alpha + B / D^beta; cost = 6 N D + 2 N served, with billions of each."
    return None


def _another_size(calls: list[Call], right: list[float], got: list[float]) -> tuple[str, str] | None:
    """What is right for the N that would be best if the use cost another amount."""
    for factor, words in ((1 / 3, "a third"), (1 / 2, "half"), (3.0, "three times"), (2.0, "twice")):
        costs = [cost_of(law, loss, used, best_size(law, loss, factor * used)) for law, loss, used in calls]
        if _explains(costs, right, got):
            sentence = f"The cost is that of the N which is best if the use costs {words} as much."
            return sentence, "Look for the N at which the very sum that you return is least: 6 N D + 2 N served."
    return None


def _in_parts(calls: list[Call], right: list[float], got: list[float]) -> tuple[str, str] | None:
    """Other amounts for training and use in the whole search, or all costs a multiple of the least ones."""
    factor = got[0] / right[0]
    if abs(factor - 1) > 0.02 and all(alike(reply, factor * cost) for reply, cost in zip(got, right, strict=True)):
        return f"Every cost is {factor:.4g} times the least one.", "It is 6 N D + 2 N served."
    for training in (1.0, 2.0, 3.0, 4.0, 6.0, 8.0):
        for use in (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0):
            costs = [training / 6 * cheapest(law, loss, 3 * use / training * served) for law, loss, served in calls]
            if _explains(costs, right, got):
                sentence = f"The cost that you make least is {training:g} N D + {use:g} N served."
                return sentence, "A token costs 6 operations per parameter in training and 2 in use."
    return None
