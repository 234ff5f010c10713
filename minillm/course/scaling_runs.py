"""What lesson 13 predicts: losses of counted tables and of trained models, each with what it cost.

table_losses   losses of a bigram or trigram table, counted on more and more tokens
Point          something that was measured: its cost, and its loss
tables         what `benchmarks/scaling_laws.py` counted, as points over tokens
own_run        lesson 08's run, as a point
sweep_points   the course's runs of several widths, and its base model, as points over FLOPs
law_of         a power law as a function
best_floor     the floor with which a power law fits best
left_out_of    each point predicted from the others, as an error of the excess over the floor
choices        ten ways to choose the runs that a law is fitted to
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minillm.config import ModelConfig
from minillm.course.choices import stored
from minillm.course.shipped import shipped_recipe
from minillm.course.sweep import sweep
from minillm.errors import UserError
from minillm.model.accounting import count_parameters

Fit = Callable[[Sequence[float], Sequence[float], float], tuple[float, float]]  # x, y, floor: factor, power
SIZES = tuple(2**n for n in range(12, 21))  # tokens that are counted


class Point(NamedTuple):
    """Something that was measured."""

    name: str
    cost: float  # tokens or FLOPs
    loss: float  # nats per token


def table_losses(
    train: Sequence[int], validation: Sequence[int], vocab_size: int, order: int, sizes: Sequence[int] = SIZES
) -> list[float]:
    """The losses, in nats per token, of a table that counted the first so many tokens; `order` 2 or 3.

    Witten-Bell interpolation, as in `minillm.data.floor.bigram_loss`: from a context of n tokens,
    p_n = (count + kinds * p_(n - 1)) / (total + kinds), where `kinds` is the number of different followers.
    `validation` is scored from its third token on. Raises `UserError` for sizes beyond the tokens.

    >>> [round(loss, 3) for loss in table_losses([0, 1] * 50, [0, 1, 0, 1], 2, 2, [10, 100])]
    [0.097, 0.01]
    """
    stream, held_out = np.asarray(train, dtype=np.int64), np.asarray(validation, dtype=np.int64)
    if max(sizes) > len(stream):
        raise UserError(f"there are {len(stream):,} tokens to count, not {max(sizes):,}; make more documents")
    found = []
    for size in sizes:
        seen = stream[:size]
        kinds = np.bincount(seen[1:], minlength=vocab_size)
        used = np.count_nonzero(kinds)
        p = ((kinds + used / vocab_size) / (kinds.sum() + used))[held_out[2:]]
        for n in range(1, order):
            p = _interpolated(seen, held_out, vocab_size, n, p)
        found.append(float(-np.log(p).mean()))
    return found


def _interpolated(seen: np.ndarray, held_out: np.ndarray, vocab_size: int, n: int, p: np.ndarray) -> np.ndarray:
    """The probabilities of the held-out tokens from n tokens of context, given those from n - 1."""

    def contexts(ids: np.ndarray) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(ids, n)[:-1]  # the last one has no token after it
        return windows @ vocab_size ** np.arange(n)[::-1]

    def counts(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        known, how_many = np.unique(keys, return_counts=True)
        at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        return np.where(known[at] == wanted, how_many[at], 0)

    before, grams = contexts(seen), contexts(seen) * vocab_size + seen[n:]
    asked = contexts(held_out)[2 - n :]
    total, kinds = counts(before, asked), counts(np.unique(grams) // vocab_size, asked)
    count = counts(grams, asked * vocab_size + held_out[2:])
    return np.where(total > 0, (count + kinds * p) / np.maximum(total + kinds, 1), p)


def tables(name: str = "bigram", seed: int = 0) -> list[Point]:
    """The stored losses of a table over tokens counted.

    >>> [point.cost for point in tables()[:2]]
    [4096, 8192]
    """
    found = stored("scaling_laws")
    losses = found["tables"][name]["losses"][seed]
    return [Point(name, tokens, loss) for tokens, loss in zip(found["sizes"], losses, strict=True)]


def base_floor() -> float:
    """The floor of the sweep's held-out documents, in nats per token: what nobody can get below.

    >>> 0.3 < base_floor() < 0.4
    True
    """
    result = _base_result()
    return result["val_loss"] - result["above_floor"]


def base_point() -> Point:
    """The course's base model. Its batch was twice as large as that of the sweep's runs.

    >>> base_point().name
    'base model'
    """
    result = _base_result()
    return Point("base model", 6 * count_parameters(ModelConfig.preset("tiny")) * result["tokens"], result["val_loss"])


def own_run() -> Point:
    """Lesson 08's run: 120 updates of the base model's recipe on 16 rows of 256 tokens (one stored seed).

    >>> 1.0 < own_run().loss < 1.1
    True
    """
    loss = stored("own_training")["validation loss after 120 updates of the package"]["package"]
    return Point("lesson 08", 6.0 * count_parameters(ModelConfig.preset("tiny")) * 120 * 16 * 256, loss)


def _base_result() -> dict[str, Any]:
    recipe = shipped_recipe("base")
    if recipe is None:
        raise UserError("the course's base model isn't there; install the package again")
    return recipe["metrics"]


def sweep_points() -> list[Point]:
    """The sweep's thirteen runs, the cheapest first; their cost is 6 N D.

    >>> len(sweep_points())
    13
    """
    fitted, held_out = sweep()
    points = [
        Point(f"{run.d_model} wide, {run.steps} steps", 6.0 * run.parameters * run.tokens, run.loss)
        for run in (*fitted, *held_out)
    ]
    return sorted(points, key=lambda point: point.cost)


def law_of(points: Sequence[Point], fit: Fit, floor: float | None) -> Callable[[float], float]:
    """The power law that fits points, as a function from cost to loss; with floor None, the floor is fitted as well."""
    x, y = [point.cost for point in points], [point.loss for point in points]
    told = best_floor(x, y, fit) if floor is None else floor
    factor, power = (float(number) for number in fit(x, y, told))
    return lambda cost: told + factor * cost**power


def predict_loss(points: Sequence[Point], cost: float, fit: Fit, floor: float | None) -> float:
    """The loss that `law_of` the points predicts at a cost."""
    return law_of(points, fit, floor)(cost)


def best_floor(x: Sequence[float], y: Sequence[float], fit: Fit, steps: int = 40) -> float:
    """The floor between 0 and the lowest loss with which a power law is nearest to the losses' logarithms.

    Searched on a grid, and four times more around its best value. Raises `UserError` for fewer than three points.

    >>> from minillm.course.turns.scaling import fit_power
    >>> round(best_floor([1, 10, 100, 1000], [0.5 + 2 * x**-0.5 for x in (1, 10, 100, 1000)], fit_power), 3)
    0.5
    """
    if len(x) < 3:
        raise UserError(f"a floor, a factor and a power need at least 3 points, not {len(x)}")

    def error(floor: float) -> float:
        factor, power = fit(x, y, floor)
        lines = [math.log(floor + float(factor) * a ** float(power)) - math.log(b) for a, b in zip(x, y, strict=True)]
        return sum(each * each for each in lines)

    low, high = 0.0, min(y) * (1 - 1e-6)
    for _ in range(5):
        width = (high - low) / steps
        best = min((low + width * n for n in range(steps + 1)), key=error)
        low, high = max(low, best - width), min(high, best + width)
    return best


def left_out_of(points: Sequence[Point], fit: Fit, floor: float | None, known: float) -> list[float]:
    """Predict each point from all others: the errors, as shares of its excess over the `known` floor.

    >>> from minillm.course.turns.scaling import fit_power
    >>> points = [Point("", x, 0.5 + 2 * x**-0.5) for x in (1.0, 10.0, 100.0, 1000.0)]
    >>> [abs(round(error, 6)) for error in left_out_of(points, fit_power, 0.5, 0.5)]
    [0.0, 0.0, 0.0, 0.0]
    """
    errors = []
    for point in points:
        others = [other for other in points if other is not point]
        predicted = predict_loss(others, point.cost, fit, floor)
        errors.append((predicted - point.loss) / (point.loss - known))
    return errors


CUTS = (math.inf, 2.56, 1.3, 1.2, 0.8)  # nats above the floor


def choices(points: Sequence[Point], floor: float) -> dict[str, list[Point]]:
    """Ten ways to choose runs: five limits on the excess, with the dearer 48-wide run and without it.

    >>> [len(chosen) for chosen in choices(sweep_points(), base_floor()).values()]
    [12, 13, 9, 10, 5, 6, 4, 5, 3, 4]
    """
    pools = {"the twelve": [point for point in points if not point.name.startswith("48")], "all thirteen": list(points)}
    return {
        name if cut == math.inf else f"{name}, less than {cut:g} above the floor": [
            point for point in pool if point.loss - floor < cut
        ]
        for cut in CUTS
        for name, pool in pools.items()
    }
