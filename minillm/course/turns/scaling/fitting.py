"""13.fit_power: a power law above a floor, by a straight line through logarithms."""

import random
from typing import Any

import numpy as np

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def fit_power(x, y, floor):
    """The factor a and the power b for which floor + a * x**b is closest to y, in logarithms."""
    b, log_a = np.polyfit(np.log(x), np.log(np.subtract(y, floor)), 1)
    return float(np.exp(log_a)), float(b)


turn = Turn(
    "13.fit_power",
    "A law that works",
    fit_power,
    minutes=8,
    difficulty=3,
    hints=(
        "If y - floor = a * x**b, what are log(y - floor) and log(x) to each other?",
        "A straight line: log(y - floor) = log(a) + b * log(x). `np.polyfit(X, Y, 1)` gives slope and intercept of the "
        "line through points.",
        "Subtract the floor first, then take the logarithms of both. The slope is b. The intercept is log(a), so take "
        "`np.exp` of it.",
    ),
    errors={
        r"unsupported operand type\(s\) for (-|\*|/|\*\*)|can't multiply sequence": "`x` and `y` are lists. "
        "`np.array(y) - floor` subtracts from each of their numbers.",
        "name '(np|numpy)' is not defined": "Import it in your cell: `import numpy as np`.",
        "name '(math|torch|scipy|curve_fit|linregress|optimize)' is not defined": "Import it at the top of your cell.",
        "argument: 'deg'": "`np.polyfit(X, Y, 1)`: the 1 asks for a straight line.",
        "must be real number|only (length-1|0-dim)|only integer scalar": "`math.log` takes one number. `np.log` takes "
        "a list.",
        "math domain|Array must not contain|infs or NaNs|SVD did not": "Is there the logarithm of something below 0? "
        "`y - floor` is positive, and so is `x`.",
        "changed the input": "Make something new: `np.subtract(y, floor)`.",
        "not enough values|too many values|unpack": "`np.polyfit(X, Y, 1)` gives two numbers: slope, then intercept.",
    },
    ready_made=("scipy.optimize.curve_fit", "scipy.stats.linregress"),
    debrief=Debrief(
        "Hoffmann et al. fit the logarithm of the loss itself, with all numbers at once and with a loss that forgives "
        "outliers (Huber). Near the floor, logarithms of the excess are mostly noise.",
        "What does a straight line in these logarithms say about doubling x?",
    ),
)


def _draw(rng: random.Random, floors: tuple[float, ...], noise: float) -> list[Call]:
    calls = []
    for floor in floors:
        a, b = rng.uniform(3, 40), -rng.uniform(0.2, 0.8)
        x = sorted(float(round(10 ** rng.uniform(0.3, 3.5), 1)) for _ in range(rng.randint(4, 6)))
        y = [floor + a * each**b * np.exp(noise * rng.gauss(0, 1)) for each in x]
        calls.append((x, [float(each) for each in y], floor))
    return calls


def _exact(rng: random.Random) -> list[Call]:
    return [([1.0, 4.0, 16.0], [9.0, 5.0, 3.0], 1.0), *_draw(rng, (0.5, 2.0), 0.0)]


def _noisy(rng: random.Random) -> list[Call]:
    return _draw(rng, (0.36, 1.5, 0.7), 0.1)


def _no_floor(rng: random.Random) -> list[Call]:
    return _draw(rng, (0.0, 0.0), 0.05)


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not two numbers, or not finite."""
    for index, answer in enumerate(got):
        tensor = as_tensor(answer)
        if tensor is None:
            return "The result isn't two numbers.", "Return the factor and the power: `return a, b`.", index
        if tensor.numel() == 1:
            return "One number is returned.", "Return both, the factor and the power: `return a, b`.", index
        if tensor.numel() > 2:
            return f"{tensor.numel()} numbers are returned.", "Return the factor and the power: `return a, b`.", index
        if not tensor.double().isfinite().all():
            return "The result isn't finite.", "Is there the logarithm of 0, or of something below it?", index
    return None


def _line(X: Any, Y: Any) -> tuple[float, float]:
    slope, intercept = np.polyfit(X, Y, 1)
    return float(slope), float(intercept)


def _logs(x: list[float], y: list[float], floor: float) -> tuple[float, float]:
    """Slope and intercept of the right line."""
    return _line(np.log(x), np.log(np.subtract(y, floor)))


def _other(x: list[float], y: list[float], base: Any = np.log) -> tuple[float, float]:
    return _line(base(x), base(y))


def _nearly(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Which of the two numbers is right, or that both nearly are."""
    tensors = [tensor for answer in got if (tensor := as_tensor(answer)) is not None]
    pairs = [tensor.double().flatten().tolist() for tensor in tensors]
    factors = [abs(a / due - 1) for (a, _), (due, _) in zip(pairs, right, strict=True)]
    powers = [abs(b / due - 1) for (_, b), (_, due) in zip(pairs, right, strict=True)]
    if max(powers) < 1e-6:
        return "The power is right, the factor isn't.", "The line's intercept is log(a): take `np.exp` of it."
    if max(factors) < 1e-6:
        return "The factor is right, the power isn't.", "The power is the line's slope."
    if max(factors + powers) < 0.3:
        hint = "Least squares over all points, of both logarithms: a search, a median or a mean only comes close."
        return "Both numbers are nearly right.", hint
    return None


exact = turn.probe("points on a law", _exact, _form)
noisy = turn.probe("points near a law", _noisy, _form)
no_floor = turn.probe("no floor", _no_floor, _form)
for probe in (exact, noisy, no_floor):
    probe.at_last = _nearly


def _by_ends(x: list[float], y: list[float], floor: float) -> tuple[float, float]:
    b = np.log((y[-1] - floor) / (y[0] - floor)) / np.log(x[-1] / x[0])
    return float((y[0] - floor) / x[0] ** b), float(b)


def _through_origin(x: list[float], y: list[float], floor: float) -> tuple[float, float]:
    X, Y = np.log(x), np.log(np.subtract(y, floor))
    return 1.0, float((X @ Y) / (X @ X))


def _mixed(x: list[float], y: list[float], floor: float) -> tuple[float, float]:
    slope, intercept = _line(np.log10(x), np.log10(np.subtract(y, floor)))
    return float(np.exp(intercept)), slope


def _swapped(x: list[float], y: list[float], floor: float) -> tuple[float, float]:
    slope, intercept = _line(np.log(np.subtract(y, floor)), np.log(x))
    return float(np.exp(intercept)), slope


def _two_kinds(x: list[float], y: list[float], floor: float) -> tuple[float, float]:
    X, Y = np.log(x), np.log(np.subtract(y, floor))
    b = np.cov(X, Y)[0, 1] / X.var()
    return float(np.exp(Y.mean() - b * X.mean())), float(b)


MISTAKES = (
    (
        "The floor isn't subtracted: this fits y itself.",
        "Fit a line to the logarithm of y - floor.",
        lambda x, y, floor: (float(np.exp(_other(x, y)[1])), _other(x, y)[0]),
    ),
    (
        "The floor is subtracted after the logarithm.",
        "Subtract first, then take the logarithm of what is left.",
        lambda x, y, floor: (float(np.exp(_line(np.log(x), np.log(y) - floor)[1])), _line(np.log(x), np.log(y))[0]),
    ),
    (
        "The logarithm of the floor is subtracted from the logarithm of y.",
        "log(y) - log(floor) is log(y / floor). Subtract first.",
        lambda x, y, floor: (
            float(np.exp(_line(np.log(x), np.log(np.divide(y, floor or 1)))[1])),
            _line(np.log(x), np.log(y))[0],
        ),
    ),
    (
        "The intercept is returned, which is log(a).",
        "The factor is `np.exp` of it.",
        lambda *call: (_logs(*call)[1], _logs(*call)[0]),
    ),
    (
        "Slope and intercept are returned as they came: b, then log(a).",
        "Return a, which is `np.exp(intercept)`, then b.",
        lambda *call: _logs(*call),
    ),
    (
        "The power comes first.",
        "Return the factor, then the power.",
        lambda *call: (_logs(*call)[0], float(np.exp(_logs(*call)[1]))),
    ),
    (
        "The power has the wrong sign.",
        "floor + a * x**b falls with x, so b is negative: the slope as it is.",
        lambda *call: (float(np.exp(_logs(*call)[1])), -_logs(*call)[0]),
    ),
    (
        "Logarithms to base 10 go in, and `np.exp` comes out.",
        "Use `np.log` with `np.exp`, or `np.log10` with 10**.",
        _mixed,
    ),
    ("x and y are swapped in the fit.", "`np.polyfit(X, Y, 1)`: first the logarithms of x.", _swapped),
    (
        "The line goes through x itself, not its logarithm.",
        "Take the logarithm of both.",
        lambda x, y, floor: (
            float(np.exp(_line(x, np.log(np.subtract(y, floor)))[1])),
            _line(x, np.log(np.subtract(y, floor)))[0],
        ),
    ),
    (
        "The line goes through y - floor itself, not its logarithm.",
        "Take the logarithm of both.",
        lambda x, y, floor: (
            float(np.exp(_line(np.log(x), np.subtract(y, floor))[1])),
            _line(np.log(x), np.subtract(y, floor))[0],
        ),
    ),
    (
        "No logarithms are taken: this is a straight line through x and y.",
        "Fit the line to logarithms of both.",
        lambda x, y, floor: _line(x, np.subtract(y, floor))[::-1],
    ),
    (
        "The floor is added.",
        "What is above the floor is y - floor.",
        lambda x, y, floor: (
            float(np.exp(_line(np.log(x), np.log(np.add(y, floor)))[1])),
            _line(np.log(x), np.log(np.add(y, floor)))[0],
        ),
    ),
    (
        "The floor is added to the factor.",
        "The factor is `np.exp(intercept)` alone.",
        lambda *call: (float(np.exp(_logs(*call)[1])) + call[2], _logs(*call)[0]),
    ),
    (
        "Logarithms to base 2 go in, and `np.exp` comes out.",
        "Use `np.log` with `np.exp`, or `np.log2` with 2**.",
        lambda x, y, floor: (
            float(np.exp(_other(x, np.subtract(y, floor), np.log2)[1])),
            _other(x, np.subtract(y, floor), np.log2)[0],
        ),
    ),
    (
        "Two kinds of variance are mixed: `np.cov` divides by n - 1, and `.var()` by n.",
        "Sums without a divisor do, or `np.polyfit`.",
        _two_kinds,
    ),
    (
        "Only the first and the last point are used.",
        "All points count: `np.polyfit`, or least squares by hand.",
        _by_ends,
    ),
    (
        "Only the first two points are used.",
        "All points count: `np.polyfit`, or least squares by hand.",
        lambda x, y, floor: _by_ends(x[:2], y[:2], floor),
    ),
    (
        "The line is forced through the origin, so the factor is 1.",
        "A line has a slope and an intercept.",
        _through_origin,
    ),
    (
        "Both numbers are taken as powers of e.",
        "`np.exp` makes the factor of the intercept. The power is the slope itself.",
        lambda *call: (float(np.exp(_logs(*call)[1])), float(np.exp(_logs(*call)[0]))),
    ),
    (
        "The factor is 10 to the intercept, of natural logarithms.",
        "Use `np.exp` with `np.log`.",
        lambda *call: (10 ** _logs(*call)[1], _logs(*call)[0]),
    ),
)
for sentence, hint, _wrong in MISTAKES:
    (noisy if "point" in sentence else exact).mistake(sentence, hint, _wrong)
