"""What 14.1 computes, and what others compute in its place: p-values from the differences of texts."""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any

Answers = Sequence[bool | None]
Differences = list[int]
Number = float | Fraction  # a half is exact, too


def cluster_test(a: Answers, b: Answers, texts: Sequence[Hashable]) -> float:
    """The right answer: the probability of a sum of differences at least as far from 0, if each may have either sign.

    >>> cluster_test([True] * 4 + [False], [False] * 4 + [True], ["x", "x", "y", "y", "z"])    # 2 + 2 - 1
    0.5
    """
    return flipped(differences(a, b, texts))


def right_or_not(answer: bool | None) -> int:
    """1 for a right answer; one that couldn't be read is wrong."""
    return int(answer is True)


def differences(
    a: Answers, b: Answers, texts: Sequence[Hashable], value: Callable[[bool | None], float] = right_or_not
) -> list[Any]:
    """For each text, how many more of its questions `a` has right than `b`."""
    found: dict[Hashable, float] = dict.fromkeys(texts, 0)
    for x, y, text in zip(a, b, texts, strict=True):
        found[text] += value(x) - value(y)
    return list(found.values())


def ways(values: Sequence[Number]) -> Counter[Number]:
    """How many choices of signs lead to each sum."""
    found: Counter[Number] = Counter({0: 1})
    for value in values:
        following: Counter[Number] = Counter()
        for total, n in found.items():
            following[total + value] += n
            following[total - value] += n
        found = following
    return found


def at_least(total: Number, seen: Number) -> bool:
    """Whether a sum is at least as far from 0 as the one seen."""
    return abs(total) >= abs(seen)


def flipped(values: Sequence[Number], counts: Callable[[Number, Number], bool] = at_least) -> float:
    """The share of all choices of signs whose sum counts, by default one at least as far from 0 as the one seen."""
    seen = sum(values)
    return sum(n for total, n in ways(values).items() if counts(total, seen)) / 2 ** len(values)


def coins(n: int, k: int) -> float:
    """Twice the probability of at most k heads of n, never more than 1."""
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


def sign_test(values: Sequence[float]) -> float:
    """The sign test: each value is a coin."""
    ahead, behind = sum(value > 0 for value in values), sum(value < 0 for value in values)
    return coins(ahead + behind, min(ahead, behind))


def normal_test(values: Sequence[float]) -> float:
    """As if the sum of all choices of signs had a normal distribution."""
    squares = sum(value**2 for value in values)
    return math.erfc(abs(sum(values)) / math.sqrt(2 * squares)) if squares else 1.0


def unpaired_test(a: Answers, b: Answers, texts: Sequence[Hashable]) -> float:
    """The normal test of two shares, as if the two had answered different questions."""
    n, hits = len(a), [sum(map(right_or_not, each)) for each in (a, b)]
    pooled = sum(hits) / (2 * n)
    spread = math.sqrt(2 * pooled * (1 - pooled) / n)
    return math.erfc(abs(hits[0] - hits[1]) / n / spread / math.sqrt(2)) if spread else 1.0


def per_question(a: Answers, b: Answers, texts: Sequence[Hashable]) -> float:
    """The sign test of the lesson: each question is a coin."""
    return sign_test(differences(a, b, range(len(a))))


def mean_differences(a: Answers, b: Answers, texts: Sequence[Hashable]) -> list[Fraction]:
    """The difference of each text as a share of its questions, exact: sums of signs are compared for equality."""
    sizes = Counter(texts)
    names = list(dict.fromkeys(texts))
    return [Fraction(each, sizes[name]) for name, each in zip(names, differences(a, b, texts), strict=True)]


def from_differences(form: Callable[[Differences], float]) -> Callable[..., float]:
    """A test that is a function of the texts' differences."""
    return lambda a, b, texts: form(differences(a, b, texts))


def on_kept(a: Answers, b: Answers, texts: Sequence[Hashable], keep: Callable[[Any, Any, Any], bool]) -> float:
    """The right test, on a part of the questions."""
    rows = [row for row in zip(a, b, texts, strict=True) if keep(*row)]
    found = differences([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])
    return flipped(found) if rows else 1.0


def by_runs(a: Answers, b: Answers, texts: Sequence[Hashable]) -> float:
    """As if a text ended where its neighbor is of another one."""
    runs = [n for n, (_, run) in enumerate(groupby(texts)) for _ in run]
    return cluster_test(a, b, runs)
