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


def ties_half(values: Sequence[Number]) -> float:
    """The "mid-p": sums exactly as far as the one seen count half."""
    ties = flipped(values, counts=lambda total, seen: abs(total) == abs(seen))
    return flipped(values) - ties / 2


def distinct(values: Differences) -> float:
    """The share of different sums, however many choices of signs lead to each."""
    sums = ways(values).keys()
    return sum(at_least(total, sum(values)) for total in sums) / len(sums)


def replaced(values: Differences, both: bool) -> float:
    """As if a later way to a sum replaced the earlier ones: in both assignments of the loop, or in its second one."""
    found: dict[int, int] = {0: 1}
    for value in values:
        following: dict[int, int] = {}
        for total, n in found.items():
            following[total + value] = n if both else following.get(total + value, 0) + n
            following[total - value] = n
        found = following
    return sum(n for total, n in found.items() if at_least(total, sum(values))) / 2 ** len(values)


def added_or_not(values: Differences) -> float:
    """As if the coin said whether a text's difference counts, and not which sign it has."""
    doubles = ways(values)  # the sum of those that count is half of (this sum + that of all differences)
    seen = sum(values)
    return sum(n for total, n in doubles.items() if abs(total + seen) >= 2 * abs(seen)) / 2 ** len(values)


def in_64_bits(values: Differences) -> float:
    """As if ways were counted in whole numbers of 64 bits, which begin again at -2^63."""
    n = sum(n for total, n in ways(values).items() if at_least(total, sum(values)))
    return ((n + 2**63) % 2**64 - 2**63) / 2 ** len(values)


def clustered_errors(a: Answers, b: Answers, texts: Sequence[Hashable]) -> float:
    """The normal test with clustered standard errors of the paired differences (Miller 2024)."""
    n = len(a)
    each = differences(a, b, range(n))
    around: dict[Hashable, float] = dict.fromkeys(texts, 0.0)
    for value, text in zip(each, texts, strict=True):
        around[text] += value - sum(each) / n
    spread = math.sqrt(2 * sum(value**2 for value in around.values()))
    return math.erfc(abs(sum(each)) / spread) if spread else 1.0


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


def without_texts(a: Answers, b: Answers, texts: Sequence[Hashable]) -> float:
    """The right test, on the texts of which every answer could be read."""
    unread = {text for x, y, text in zip(a, b, texts, strict=True) if None in (x, y)}
    return on_kept(a, b, texts, keep=lambda x, y, text: text not in unread)


def none_differs(a: Answers, b: Answers, texts: Sequence[Hashable]) -> float:
    """As if None were another answer than False: one that differs from a's, and isn't a's to have right, is b's."""
    found = dict.fromkeys(texts, 0)
    for x, y, text in zip(a, b, texts, strict=True):
        found[text] += 0 if x == y else 1 if x else -1
    return flipped(list(found.values()))
