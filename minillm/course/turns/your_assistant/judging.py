"""14.wilson: the interval of a share (Wilson 1927)."""

import math
import random
from collections.abc import Callable
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.probe import Answer, Explanation
from minillm.course.learner.turn import Debrief, Turn


def wilson(hits, n, z=1.96):
    """The lowest and the highest true share for which so many hits of n aren't unusual."""
    share = hits / n
    middle = share + z**2 / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return (middle - reach) / (1 + z**2 / n), (middle + reach) / (1 + z**2 / n)


turn = Turn(
    "14.wilson",
    "How sure can 60 questions make you?",
    wilson,
    minutes=6,
    difficulty=2,
    hints=(
        "Where in the formula is what you counted, and where is how many you asked?",
        "Compute the middle and the reach in lines of their own. Both are divided by the same number.",
        "Return two numbers: middle minus reach, and middle plus reach.",
    ),
    errors={
        "name 'math' is not defined|name 'sqrt' is not defined": "Import it in your cell: `import math`.",
        r"name '(p|share|np|k|total|hits_n|accuracy|s|x)' is not defined": "There are `hits`, `n` and `z`. The share "
        "is `hits / n`.",
        "math domain error|expected a nonnegative": "Under the root stands a number below 0. Is the share `hits / n`?",
        "division by zero|ZeroDivision": "n is never 0 here, but hits may be. Divide by n.",
        "not callable": "Python takes `p(1 - p)` for a call. Write `p * (1 - p)`.",
        "must be Tensor": "`torch.sqrt` takes a tensor. `math.sqrt` takes a plain number.",
        "unsupported operand|cannot be interpreted|has no attribute": "All three are plain numbers, and "
        "powers are written `z**2`.",
    },
    debrief=Debrief(
        "`statsmodels.stats.proportion.proportion_confint(hits, n, method='wilson')` is the same. The textbook's "
        "interval, share plus or minus 1.96 standard errors, has no width at 0 of 12.",
        "0 of 12 were right. Is the true share 0?",
    ),
)


def _some(rng: random.Random) -> list[Call]:
    return [(18, 24, 1.96), (rng.randrange(30, 50), 60, 1.96), (rng.randrange(5, 9), 20, 1.96), (50, 200, 1.96)]


def _ends(rng: random.Random) -> list[Call]:
    """All or none are right, and few questions."""
    return [(0, 12, 1.96), (20, 20, 1.96), (1, 60, 1.96), (59, 60, 1.96), (0, 1, 1.96)]


def _other_z(rng: random.Random) -> list[Call]:
    return [(18, 24, 1.645), (rng.randrange(30, 50), 60, 1.0), (3, 12, 2.576)]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    for index, answer in enumerate(got):
        tensor = as_tensor(answer)
        if type(answer) is dict or tensor is None:
            return "That's not two numbers.", "Return two: the lower end and the upper one.", index
        if tensor.numel() == 1:
            return "That's one number.", "Return two: the lower end and the upper one.", index
        if tensor.numel() != 2:
            return f"These are {tensor.numel()} numbers.", "Return two: the lower end and the upper one.", index
        low, high = tensor.flatten().tolist()
        if math.isclose(low, right[index][1], rel_tol=1e-6) and math.isclose(high, right[index][0], abs_tol=1e-6):
            return "The two ends have changed places.", "First the lower one.", index
    return None


def _nearly(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    for index, (due, answer) in enumerate(zip(right, got, strict=True)):
        if (tensor := as_tensor(answer)) is None:
            return None
        low, high = tensor.flatten().tolist()
        wrong = [name for name, x, y in (("lower", due[0], low), ("upper", due[1], high)) if abs(x - y) > 1e-6]
        if len(wrong) == 1:
            hint = "Compare the two lines of your code: only one sign differs."
            return f"Only the {wrong[0]} end is wrong.", hint, index
        if wrong and abs(low + high - due[0] - due[1]) < 1e-6:
            wider = "wide" if high - low > due[1] - due[0] else "narrow"
            return f"The middle is right, but the interval is too {wider}.", "Look at the root.", index
        if wrong and abs(high - low - due[1] + due[0]) < 1e-6:
            return "The interval has the right width, but the middle is wrong.", "Look at its first part.", index
    return None


def _made(ends: Callable[[float, float, float], tuple[float, ...]]) -> Answer:
    """Two ends from the share, n and z."""
    return lambda hits, n, z=1.96: ends(hits / n, n, z)


def _interval(
    share: float, n: float, z: float, *, top: float | None = None, root: float | None = None, under: float | None = None
) -> tuple[float, float]:
    """Wilson's, with another middle, another root, or another divisor."""
    middle = share + z**2 / (2 * n) if top is None else top
    reach = z * (math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) if root is None else root)
    divisor = 1 + z**2 / n if under is None else under
    return (middle - reach) / divisor, (middle + reach) / divisor


def _wald(share: float, n: float, z: float) -> tuple[float, float]:
    reach = z * math.sqrt(share * (1 - share) / n)
    return share - reach, share + reach


def _agresti(share: float, n: float, z: float) -> tuple[float, float]:
    more = n + z * z
    return _wald((share * n + z * z / 2) / more, more, z)


some = turn.probe("some of many", _some, _form)
some.at_last = _nearly
some.mistake(
    "This is the textbook's interval, share plus or minus z standard errors.",
    "At 0 of 12 it has no width. Use all three parts of the formula.",
    _made(_wald),
)
some.mistake(
    "This is the interval of Agresti and Coull, which is close.",
    "Wilson's has z²/4n² under the root.",
    _made(_agresti),
)
some.mistake(
    "The ends aren't divided by 1 + z²/n.",
    "Divide both, after adding and subtracting.",
    _made(lambda p, n, z: _interval(p, n, z, under=1.0)),
)
some.mistake(
    "Only the middle is divided by 1 + z²/n.",
    "Put the whole sum in brackets: (middle - reach) / (1 + z²/n).",
    _made(
        lambda p, n, z: tuple(
            _interval(p, n, z, root=0.0)[0] + sign * (_interval(p, n, z, under=1.0)[1] - p - z * z / (2 * n))
            for sign in (-1, 1)
        )
    ),
)
some.mistake(
    "Only the reach is divided by 1 + z²/n.",
    "Put the whole sum in brackets: (middle - reach) / (1 + z²/n).",
    _made(
        lambda p, n, z: tuple(
            p + z * z / (2 * n) + sign * (_interval(p, n, z)[1] - _interval(p, n, z)[0]) / 2 for sign in (-1, 1)
        )
    ),
)
some.mistake(
    "z²/2n is missing in the middle.",
    "The middle is the share plus z²/2n.",
    _made(lambda p, n, z: _interval(p, n, z, top=p)),
)
some.mistake(
    "z²/4n² is missing under the root.",
    "Under the root stand two parts: share (1 - share) / n, and z²/4n².",
    _made(lambda p, n, z: _interval(p, n, z, root=math.sqrt(p * (1 - p) / n))),
)
some.mistake(
    "Under the root stands z²/4n, not z²/4n².",
    "n is squared there.",
    _made(lambda p, n, z: _interval(p, n, z, root=math.sqrt(p * (1 - p) / n + z * z / (4 * n)))),
)
some.mistake(
    "The part z²/4n² stands outside of the root.",
    "Both parts are under the root.",
    _made(lambda p, n, z: _interval(p, n, z, root=math.sqrt(p * (1 - p) / n) + z * z / (4 * n * n))),
)
some.mistake(
    "The root is missing.",
    "Take `math.sqrt` of the two parts.",
    _made(lambda p, n, z: _interval(p, n, z, root=p * (1 - p) / n + z * z / (4 * n * n))),
)
some.mistake(
    "The root isn't multiplied by z.",
    "The reach is z times the root.",
    _made(
        lambda p, n, z: _interval(p, n, z, root=math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / z),
    ),
)
some.mistake(
    "The divisor 1 + z²/n was written without brackets: only 1 divides, and z²/n is added.",
    "Write `/ (1 + z**2 / n)`.",
    _made(lambda p, n, z: tuple(each + z * z / n for each in _interval(p, n, z, under=1.0))),
)
some.mistake(
    "The ends are divided by 1 - z²/n.",
    "It's 1 + z²/n.",
    _made(lambda p, n, z: _interval(p, n, z, under=1 - z * z / n)),
)
some.mistake(
    "z is doubled, not squared.",
    "`z**2` is the square, `z * 2` twice as much.",
    _made(
        lambda p, n, z: _interval(
            p, n, z, top=p + z / n, root=math.sqrt(p * (1 - p) / n + z / (2 * n * n)), under=1 + 2 * z / n
        )
    ),
)
some.mistake(
    "The share is cut to a whole number.",
    "`hits / n`: `//` cuts.",
    lambda hits, n, z=1.96: _interval(hits // n, n, z),
)
some.mistake(
    "z isn't squared.",
    "In the middle, under the root and in the divisor stands z².",
    _made(
        lambda p, n, z: _interval(
            p, n, z, top=p + z / (2 * n), root=math.sqrt(p * (1 - p) / n + z / (4 * n * n)), under=1 + z / n
        )
    ),
)
some.mistake(
    "The share isn't divided by n under the root.",
    "It's share (1 - share) / n.",
    _made(lambda p, n, z: _interval(p, n, z, root=math.sqrt(p * (1 - p) + z * z / (4 * n * n)))),
)
some.mistake(
    "n - 1 stands in place of n.",
    "Wilson's interval has n.",
    lambda hits, n, z=1.96: _interval(hits / n, n - 1, z) if n > 1 else (0.0, 1.0),
)
some.mistake(
    "The ends are in percent.",
    "Return shares, from 0 to 1.",
    _made(lambda p, n, z: tuple(100 * each for each in _interval(p, n, z))),
)
some.mistake(
    "The ends are counts.",
    "Return shares, from 0 to 1: don't multiply by n.",
    _made(lambda p, n, z: tuple(n * each for each in _interval(p, n, z))),
)
some.mistake(
    "The middle and the reach are returned.",
    "Return the two ends: middle minus reach, middle plus reach.",
    _made(
        lambda p, n, z: (
            sum(_interval(p, n, z)) / 2,
            (_interval(p, n, z)[1] - _interval(p, n, z)[0]) / 2,
        )
    ),
)
some.mistake(
    "Twice the reach: the whole width goes to each side.",
    "z is there once.",
    _made(lambda p, n, z: _interval(p, n, z, root=2 * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)))),
)
some.mistake(
    "z²/2n is z²/n.",
    "In the middle, z² is divided by 2n.",
    _made(lambda p, n, z: _interval(p, n, z, top=p + z * z / n)),
)
some.mistake(
    "z² / 2n was written without brackets: it's divided by 2, then multiplied by n.",
    "`z**2 / 2 * n` multiplies by n: write `z**2 / (2 * n)`.",
    _made(lambda p, n, z: _interval(p, n, z, top=p + z * z / 2 * n)),
)
some.mistake(
    "Both fractions with z² were written without brackets: n multiplies in place of dividing.",
    "`z**2 / 2 * n` multiplies by n: write `z**2 / (2 * n)`, and likewise under the root.",
    _made(
        lambda p, n, z: _interval(p, n, z, top=p + z * z / 2 * n, root=math.sqrt(p * (1 - p) / n + z * z / 4 * n * n))
    ),
)

ends = turn.probe("all or none", _ends, _form)
ends.at_last = _nearly
ends.mistake(
    "This is the textbook's interval, cut at 0 and 1.",
    "At 0 of 12 it has no width. Use all three parts of the formula.",
    _made(lambda p, n, z: (max(0.0, _wald(p, n, z)[0]), min(1.0, _wald(p, n, z)[1]))),
)
ends.mistake(
    "Where none or all are right, the interval has no width.",
    "The formula needs no exception there.",
    lambda hits, n, z=1.96: (hits / n, hits / n) if hits in (0, n) else _interval(hits / n, n, z),
)

other = turn.probe("another z", _other_z, _form)
other.at_last = _nearly
other.mistake(
    "z is always 1.96.",
    "Use the argument `z`.",
    lambda hits, n, z=1.96: _interval(hits / n, n, 1.96),
)
other.mistake(
    "z is always 2.",
    "Use the argument `z`.",
    lambda hits, n, z=1.96: _interval(hits / n, n, 2.0),
)
