"""13.left_out: how well a fit predicts what it hasn't seen (Stone 1974)."""

import random
from typing import Any

import numpy as np

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.probe import Answer, Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.scaling.fitting import fit_power


def left_out(x, y, floor):
    """Predict each point from all others: the errors, as shares of the point's excess over the floor."""
    errors = []
    for i in range(len(x)):
        a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
        predicted = floor + a * x[i] ** b
        errors.append((predicted - y[i]) / (y[i] - floor))
    return errors


turn = Turn(
    "13.left_out",
    "Leave one out",
    left_out,
    minutes=8,
    difficulty=3,
    hints=(
        "A point that helped to make the law can't test it. What is left of `x` and `y` without point i?",
        "For each i: fit `fit_power` to the others, predict at `x[i]`, and compare with `y[i]`. Lists without item i "
        "are two slices, joined.",
        "The prediction is the floor plus a * x**b. Its error is predicted minus measured, over measured minus floor.",
    ),
    errors={
        "name '(np|numpy)' is not defined": "Import it in your cell: `import numpy as np`.",
        "same length": "Leave point i out of both lists, `x` and `y`.",
        "argument: 'floor'": "`fit_power(x, y, floor)` needs all three.",
        r"unsupported operand type\(s\)|can't multiply sequence": "`x` and `y` are lists, and `x[i]` is one number.",
        "out of range": "Does an item go missing from the list that you loop over? Make new lists of the others.",
        "changed the input": "`pop`, `remove` and `del` change the lists that you were given. Make new ones: "
        "`x[:i] + x[i + 1:]`.",
        "not enough values|too many values|unpack": "`fit_power` returns two numbers: `a, b = fit_power(...)`.",
    },
    debrief=Debrief(
        "scikit-learn calls this `LeaveOneOut`. With many points, people leave out a tenth at a time, which is "
        "cheaper. Neither tests what lies *beyond* all points: for that, leave out the most expensive ones.",
        "Which of the points do you expect to be predicted worst?",
    ),
)


def _draw(rng: random.Random, noise: float, floors: tuple[float, ...]) -> list[Call]:
    calls = []
    for floor in floors:
        a, b = rng.uniform(3, 30), -rng.uniform(0.2, 0.6)
        x = sorted(float(round(10 ** rng.uniform(0.2, 2.5), 1)) for _ in range(rng.randint(4, 6)))
        y = [float(floor + a * each**b * np.exp(noise * rng.gauss(0, 1))) for each in x]
        calls.append((x, y, floor))
    return calls


def _some(rng: random.Random) -> list[Call]:
    return [([1.0, 2.0, 4.0, 8.0], [9.0, 5.0, 3.5, 2.0], 1.0), *_draw(rng, 0.15, (0.4, 1.3, 2.0))]


def _no_floor(rng: random.Random) -> list[Call]:
    return _draw(rng, 0.1, (0.0, 0.0))


def _errors(
    left: Answer = lambda xs, i: xs[:i] + xs[i + 1 :],
    fit_floor: Answer = lambda floor: floor,
    predict: Answer = lambda floor, a, b, x: floor + a * x**b,
    error: Answer = lambda predicted, y, floor: (predicted - y) / (y - floor),
) -> Answer:
    """The errors with one thing done differently."""

    def _answer(x: list[float], y: list[float], floor: float) -> list[float]:
        errors = []
        for i in range(len(x)):
            a, b = fit_power(left(x, i), left(y, i), fit_floor(floor))
            errors.append(error(predict(floor, a, b, x[i]), y[i], floor))
        return errors

    return _answer


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not one number per point."""
    for index, ((x, *_), answer) in enumerate(zip(calls, got, strict=True)):
        tensor = as_tensor(answer)
        if tensor is None:
            return "The result isn't a list of numbers.", "Return one error per point.", index
        if tensor.dim() == 0:
            sentence = "One number is returned."
            return sentence, "Return one error per point. Is `return` inside the loop, or is a mean taken?", index
        if len(tensor) != len(x):
            how_many = f"There are {len(tensor)} errors" if len(tensor) != 1 else "There is one error"
            hint = "Return one error per point."
            hint += " Is `return` inside the loop, or `append` after it?" if len(tensor) == 1 else ""
            return f"{how_many} for {len(x)} points.", hint, index
        if not tensor.double().isfinite().all():
            return (
                "An error isn't finite.",
                "Is something divided by 0, or a logarithm taken of what is below 0?",
                index,
            )
    return None


some = turn.probe("points near a law", _some, _form)
no_floor = turn.probe("no floor", _no_floor, _form)
MISTAKES = (
    (
        "No point is left out: the law has seen what it predicts.",
        "Fit it to the others only.",
        _errors(lambda xs, i: xs),
    ),
    (
        "These are shares of the loss, not of the excess.",
        "Divide by y[i] - floor.",
        _errors(error=lambda p, y, floor: (p - y) / y),
    ),
    (
        "These are errors in nats, not shares.",
        "Divide by the excess, y[i] - floor.",
        _errors(error=lambda p, y, floor: p - y),
    ),
    (
        "The errors have lost their sign.",
        "Too high is positive, too low is negative: no `abs`.",
        _errors(error=lambda p, y, floor: abs(p - y) / (y - floor)),
    ),
    (
        "The sign is the other way round.",
        "Predicted minus measured.",
        _errors(error=lambda p, y, floor: (y - p) / (y - floor)),
    ),
    (
        "The floor isn't added to the prediction.",
        "The law is floor + a * x**b.",
        _errors(predict=lambda floor, a, b, x: a * x**b),
    ),
    ("The law is fitted without the floor.", "`fit_power(..., floor)`.", _errors(fit_floor=lambda floor: 0.0)),
    (
        "The floor is left out everywhere.",
        "The law is floor + a * x**b, and errors are shares of y - floor.",
        _errors(fit_floor=lambda floor: 0.0, predict=lambda floor, a, b, x: a * x**b),
    ),
    (
        "The errors are shares of what was predicted.",
        "Divide by the measured excess, y[i] - floor.",
        _errors(error=lambda p, y, floor: (p - y) / (p - floor)),
    ),
    (
        "The errors are shares of the predicted loss.",
        "Divide by the measured excess, y[i] - floor.",
        _errors(error=lambda p, y, floor: (p - y) / p),
    ),
    (
        "The errors are in percent.",
        "Shares are asked for: 0.1 is a tenth.",
        _errors(error=lambda p, y, floor: 100 * (p - y) / (y - floor)),
    ),
    (
        "These are ratios, 1 for a perfect prediction.",
        "The error is the ratio of excesses, less 1.",
        _errors(error=lambda p, y, floor: (p - floor) / (y - floor)),
    ),
    (
        "The errors are logarithms.",
        "(predicted - measured) / (measured - floor).",
        _errors(error=lambda p, y, floor: float(np.log((p - floor) / (y - floor)))),
    ),
    (
        "Brackets are missing: the difference is divided by y[i], and the floor is subtracted at the end.",
        "(predicted - y[i]) / (y[i] - floor).",
        _errors(error=lambda p, y, floor: (p - y) / y - floor),
    ),
    (
        "Brackets are missing: only y[i] is divided.",
        "(predicted - y[i]) / (y[i] - floor).",
        _errors(error=lambda p, y, floor: p - y / (y - floor)),
    ),
    (
        "The errors are shares of the floor.",
        "Divide by the excess, y[i] - floor.",
        _errors(error=lambda p, y, floor: (p - y) / floor if floor else p - y),
    ),
    (
        "The errors are squared.",
        "Their signs matter here: leave them as they are.",
        _errors(error=lambda p, y, floor: ((p - y) / (y - floor)) ** 2),
    ),
    (
        "The factor is inside the power: (a * x)**b.",
        "The law is floor + a * x**b.",
        _errors(predict=lambda floor, a, b, x: floor + (a * x) ** b),
    ),
    (
        "x is multiplied by b.",
        "The law is floor + a * x**b.",
        _errors(predict=lambda floor, a, b, x: floor + a * x * b),
    ),
    (
        "`fit_power`'s a is taken for a logarithm.",
        "It's the factor itself: floor + a * x**b.",
        _errors(predict=lambda floor, a, b, x: floor + float(np.exp(min(a, 300) + b * np.log(x)))),
    ),
    (
        "The power has the wrong sign in the prediction.",
        "`fit_power` gives a negative b: a * x**b.",
        _errors(predict=lambda floor, a, b, x: floor + a * x**-b),
    ),
    (
        "Factor and power are swapped.",
        "`a, b = fit_power(...)`: the factor comes first.",
        _errors(predict=lambda floor, a, b, x: floor + b * x**a),
    ),
    (
        "All points before i are used, and none after it.",
        "The others are `x[:i] + x[i + 1:]`.",
        lambda x, y, floor: _before(x, y, floor),
    ),
    ("The wrong point is left out: always the last one.", "Leave out point i.", _errors(lambda xs, i: xs[:-1])),
    ("The wrong point is left out: always the first one.", "Leave out point i.", _errors(lambda xs, i: xs[1:])),
    (
        "Point i stays in, and the one after it is left out.",
        "The others are `x[:i] + x[i + 1:]`.",
        _errors(lambda xs, i: xs[: i + 1] + xs[i + 2 :]),
    ),
    (
        "The point before i is left out, too.",
        "The others are `x[:i] + x[i + 1:]`.",
        _errors(lambda xs, i: xs[: i - 1] + xs[i + 1 :]),
    ),
)


def _before(x: list[float], y: list[float], floor: float) -> list[float]:
    errors = []
    for i in range(len(x)):
        xs, ys = (x[:i], y[:i]) if i > 1 else (x[:i] + x[i + 1 :], y[:i] + y[i + 1 :])
        a, b = fit_power(xs, ys, floor)
        errors.append((floor + a * x[i] ** b - y[i]) / (y[i] - floor))
    return errors


for sentence, hint, _wrong in MISTAKES:
    some.mistake(sentence, hint, _wrong)
