"""14.paired_test: McNemar's exact test of two ways that answered the same questions (McNemar 1947)."""

import math
import random
from collections.abc import Callable
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.probe import Answer, Explanation
from minillm.course.learner.turn import Debrief, Turn


def paired_test(a, b):
    """The probability of a split at least as uneven, if each differing question were a fair coin."""
    only_a = sum(x and not y for x, y in zip(a, b, strict=True))
    only_b = sum(y and not x for x, y in zip(a, b, strict=True))
    n, k = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(n, i) for i in range(k + 1)) / 2**n
    return min(1.0, 2 * tail)


turn = Turn(
    "14.paired_test",
    "Better, or lucky?",
    paired_test,
    minutes=9,
    difficulty=3,
    hints=(
        "Both ways get a question right. What does it tell you about which one is better?",
        "Count the questions that only a has right, and those that only b has. If the two are equally good, each of "
        "these is a fair coin: heads for a, tails for b.",
        "n coins show exactly i heads with probability `math.comb(n, i)` divided by 2 to the n. Add those up to the "
        "smaller count, take it twice, and never return more than 1.",
    ),
    ready_made=("scipy.stats.binomtest", "scipy.stats.binom_test", "statsmodels.stats.contingency_tables.mcnemar"),
    errors={
        "has not finished": "Hundreds of coins fall in 2 to the n ways, too many to list. `math.comb(n, i)` counts "
        "those with i heads.",
        "numpy boolean subtract": "Arrays of True and False have `a & ~b`: where a is right and b isn't.",
        "ZeroDivisionError|division by zero|divide by zero": "There may be no question on which the two differ. Then "
        "nothing speaks for either: p is 1.",
        "name 'math' is not defined": "Import it in your cell: `import math`.",
        r"name '(comb|n|k|scipy|stats|binom|np|only_a|only_b|hits|questions)' is not defined": "There are `a` and `b`, "
        "two lists of True and False. `math.comb(n, k)` counts.",
        "non-negative|negative shift|cannot be interpreted as an integer|must be an integer": "`math.comb(n, k)` takes "
        "two whole numbers that aren't negative.",
        "unsupported operand|not iterable|has no attribute|bad operand": "`a` and `b` are plain lists of True and "
        "False: go along both with `zip`.",
        "index out of range": "Both lists have one item per question, and there may be few of them.",
    },
    debrief=Debrief(
        "`scipy.stats.binomtest(only_a, n)` gives the same p. With hundreds of differing questions, people use the "
        "chi-squared form; with few, as here, only the exact one is right.",
        "Two ways have 45 of 60 right each. Can they still be very different?",
    ),
)


def _counts(a: list[bool], b: list[bool]) -> tuple[int, int]:
    return sum(x and not y for x, y in zip(a, b, strict=True)), sum(y and not x for x, y in zip(a, b, strict=True))


def _lists(rng: random.Random, only_a: int, only_b: int, both: int, neither: int) -> Call:
    pairs = [(True, False)] * only_a + [(False, True)] * only_b + [(True, True)] * both + [(False, False)] * neither
    rng.shuffle(pairs)
    return [a for a, _ in pairs], [b for _, b in pairs]


def _some(rng: random.Random) -> list[Call]:
    """Some questions differ, more of them for one of the two."""
    sizes = [(3, 0, 1, 1), (1, 5, 4, 2), (6, 2, 3, 5), (2, 9, 7, 3), (12, 5, 9, 4), (0, 7, 20, 3)]
    return [_lists(rng, *(n + rng.randrange(2) * (n > 2) for n in size)) for size in sizes]


def _even(rng: random.Random) -> list[Call]:
    """As many for one as for the other, or nearly; none at all."""
    return [
        _lists(rng, 2, 2, 1, 1),
        _lists(rng, 3, 4, 2, 2),
        _lists(rng, 5, 5, 0, 3),
        _lists(rng, 0, 0, 3, 2),
        _lists(rng, 1, 0, 2, 1),
    ]


def _many(rng: random.Random) -> list[Call]:
    """Hundreds of questions, as in a large benchmark."""
    return [_lists(rng, 100 + rng.randrange(9), 140, 300, 200), _lists(rng, 40, 2 + rng.randrange(3), 500, 90)]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    for index, ((a, b), due, answer) in enumerate(zip(calls, right, got, strict=True)):
        tensor = as_tensor(answer)
        if tensor is None or tensor.numel() != 1 or type(answer) is bool:
            kind = {bool: "True or False", type(None): "None", tuple: "a tuple", dict: "a dictionary"}
            what = kind.get(type(answer), "not one number")
            return f"The result is {what}.", "Return the probability p alone.", index
        value = float(tensor)
        if value in _counts(a, b) and due not in (value,) and value > 1:
            return "The result is a count.", "Those are the differing questions. How unusual is their split?", index
        if value < 0 or value > 1.0000001:
            hint = "With an even split, twice the tail is more than 1: `min(1.0, ...)`."
            return f"The probability is {value:.3g}.", hint if value > 0 else "It's between 0 and 1.", index
    return None


def _exact(form: Callable[[int, int, int], float]) -> Answer:
    """A probability from the counts: only a, only b, and all questions."""
    return lambda a, b: form(*_counts(a, b), len(a))


def _tail(n: int, k: int) -> float:
    """The probability of at most k heads of n."""
    return sum(math.comb(n, i) for i in range(k + 1)) / 2**n


def _chi(square: float) -> float:
    """The probability of a larger chi-squared with one degree of freedom."""
    return math.erfc(math.sqrt(square / 2))


def _chi_of(a: int, b: int, correction: float) -> float:
    return _chi(max(0, abs(a - b) - correction) ** 2 / (a + b)) if a + b else 1.0


def _two_shares(a: list[bool], b: list[bool]) -> float:
    """The test of two shares that forgets the pairs."""
    n, pooled = len(a), (sum(a) + sum(b)) / (2 * len(a))
    spread = math.sqrt(2 * pooled * (1 - pooled) / n)
    return _chi(((sum(a) - sum(b)) / n / spread) ** 2) if spread else 1.0


def _fisher(a: list[bool], b: list[bool]) -> float:
    """Fisher's exact test, which forgets the pairs."""
    n, hits = len(a), sum(a) + sum(b)
    ways = [math.comb(n, k) * math.comb(n, hits - k) if 0 <= hits - k <= n else 0 for k in range(n + 1)]
    least = ways[sum(a)]
    return sum(each for each in ways if 0 < each <= least) / sum(ways)


def _nearly(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    if all(abs(float(gave) - due) < 0.05 for due, gave in zip(right, got, strict=True)):
        return "This is nearly p.", "A simulation, or a curve, only comes close. `math.comb` counts exactly."
    return None


some = turn.probe("questions that differ", _some, _form)
some.at_last = _nearly
some.mistake(
    "One side only: the tail is counted once.",
    "Before looking, you didn't know which of the two would be ahead. Take the tail twice.",
    _exact(lambda a, b, n: _tail(a + b, min(a, b))),
)
some.mistake(
    "Only this very split is counted, not those that are more uneven.",
    "Add up from 0 to the smaller count.",
    _exact(lambda a, b, n: min(1.0, 2 * math.comb(a + b, min(a, b)) / 2 ** (a + b))),
)
some.mistake(
    "Only this very split is counted, once.",
    "Add up from 0 to the smaller count, and take it twice.",
    _exact(lambda a, b, n: math.comb(a + b, min(a, b)) / 2 ** (a + b)),
)
some.mistake(
    "The sum ends one too early: the split that was seen isn't in it.",
    "`range(k + 1)` holds k, `range(k)` doesn't.",
    _exact(lambda a, b, n: min(1.0, 2 * (_tail(a + b, min(a, b) - 1) if min(a, b) else 0.0))),
)
some.mistake(
    "p is 1, however uneven the split.",
    "Does the sum end at the smaller count? Are only differing questions counted? Is it divided by `2**n`, and is "
    "`min` what cuts it?",
    _exact(lambda a, b, n: min(1.0, 2 * _tail(a + b, max(a, b)))),
)
some.mistake(
    "The sum begins at 1.",
    "The most uneven split has no heads at all: begin at 0.",
    _exact(lambda a, b, n: min(1.0, 2 * (_tail(a + b, min(a, b)) - 1 / 2 ** (a + b)))),
)
some.mistake(
    "The same term is added k + 1 times.",
    "Each i has its own: `math.comb(n, i)`.",
    _exact(lambda a, b, n: min(1.0, 2 * (min(a, b) + 1) * math.comb(a + b, min(a, b)) / 2 ** (a + b))),
)
some.mistake(
    "p is 0 everywhere.",
    "`math.comb(n, i)` takes n first. Or is there nothing to add up?",
    lambda a, b: 0.0,
)
some.mistake(
    "The ways are divided by n squared.",
    "n coins fall in 2 to the n ways: `2**n`.",
    _exact(lambda a, b, n: min(1.0, 2 * _tail(a + b, min(a, b)) * 2 ** (a + b) / (a + b) ** 2)),
)
some.mistake(
    "All questions are coins, also those on which both agree.",
    "Where both are right, or both wrong, nothing speaks for either. Count the others alone.",
    _exact(lambda a, b, n: min(1.0, 2 * _tail(n, min(a, b)))),
)
some.mistake(
    "The numbers of right answers are taken, not the questions that only one has right.",
    "What both have right tells nothing. Count where a is right and b isn't, and the reverse.",
    lambda a, b: min(1.0, 2 * _tail(sum(a) + sum(b), min(sum(a), sum(b)))),
)
some.mistake(
    "Ties are shared out: half to each.",
    "This is the sign test with ties. Leave them out.",
    _exact(lambda a, b, n: min(1.0, 2 * _tail(n, min(a, b) + (n - a - b) // 2))),
)
some.mistake(
    "This is the chi-squared form, which isn't exact.",
    "With few differing questions it's off. Count the coins with `math.comb`.",
    _exact(lambda a, b, n: _chi_of(a, b, 0)),
)
some.mistake(
    "This is the chi-squared form with a correction, which isn't exact.",
    "With few differing questions it's off. Count the coins with `math.comb`.",
    _exact(lambda a, b, n: _chi_of(a, b, 1)),
)
some.mistake(
    "Two shares are compared as if they came from different questions.",
    "Both answered the same ones: count those on which they differ.",
    _two_shares,
)
some.mistake(
    "This is Fisher's test, as if the two had answered different questions.",
    "Both answered the same ones: count those on which they differ.",
    _fisher,
)
some.mistake(
    "The result is 1 - p.",
    "Return p itself: small if luck hardly explains the split.",
    _exact(lambda a, b, n: 1 - min(1.0, 2 * _tail(a + b, min(a, b)))),
)
some.mistake(
    "The split that was seen is counted half.",
    "That's the mid-p value. The exact test counts all of it.",
    _exact(lambda a, b, n: min(1.0, 2 * _tail(a + b, min(a, b)) - math.comb(a + b, min(a, b)) / 2 ** (a + b))),
)
some.mistake(
    "The ways are counted, and never divided by 2 to the n.",
    "n coins can fall in 2 to the n ways: divide by that.",
    _exact(lambda a, b, n: 2.0 * sum(math.comb(a + b, i) for i in range(min(a, b) + 1))),
)
some.mistake(
    "It's divided by 2 to the number of all questions.",
    "Only the differing ones are coins.",
    _exact(lambda a, b, n: min(1.0, 2 * _tail(a + b, min(a, b)) * 2 ** (a + b) / 2**n)),
)
some.mistake(
    "The difference of the two shares is returned.",
    "How probable is such a split, or a more uneven one, with fair coins?",
    lambda a, b: abs(sum(a) - sum(b)) / len(a),
)
some.mistake(
    "The share of the differing questions that one has right is returned.",
    "How probable is such a split, or a more uneven one, with fair coins?",
    _exact(lambda a, b, n: min(a, b) / (a + b) if a + b else 1.0),
)
some.mistake(
    "The tail is taken for `a` alone, so p depends on which way comes first.",
    "Take the smaller of the two counts.",
    _exact(lambda a, b, n: min(1.0, 2 * _tail(a + b, a))),
)
some.mistake(
    "The tail is taken for `b` alone, so p depends on which way comes first.",
    "Take the smaller of the two counts.",
    _exact(lambda a, b, n: min(1.0, 2 * _tail(a + b, b))),
)
some.mistake(
    "The coins are the questions that both have right, or both wrong.",
    "Those tell nothing. Count where only one of the two is right.",
    lambda a, b: min(
        1.0,
        2
        * _tail(
            sum(x == y for x, y in zip(a, b, strict=True)),
            min(
                sum(x and y for x, y in zip(a, b, strict=True)),
                sum(not x and not y for x, y in zip(a, b, strict=True)),
            ),
        ),
    ),
)

even = turn.probe("an even split", _even, _form)
even.mistake(
    "p is above 1 where the split is even.",
    "Then the middle is in both tails: `min(1.0, ...)`.",
    _exact(lambda a, b, n: 2 * _tail(a + b, min(a, b))),
)
even.mistake(
    "Where no question differs, p is 0.",
    "Nothing speaks for either: p is 1.",
    _exact(lambda a, b, n: min(1.0, 2 * _tail(a + b, min(a, b))) if a + b else 0.0),
)
even.mistake(
    "Where no question differs, p is 0.5.",
    "Nothing speaks for either: p is 1.",
    _exact(lambda a, b, n: min(1.0, 2 * _tail(a + b, min(a, b))) if a + b else 0.5),
)

many = turn.probe("hundreds of questions", _many, _form)
many.mistake(
    "The normal approximation is taken.",
    "Python's whole numbers have no limit: `math.comb` and `2**n` are exact for hundreds, too.",
    _exact(lambda a, b, n: _chi_of(a, b, 0)),
)
many.mistake(
    "The normal approximation is taken, with a correction.",
    "Python's whole numbers have no limit: `math.comb` and `2**n` are exact for hundreds, too.",
    _exact(lambda a, b, n: _chi_of(a, b, 1)),
)
