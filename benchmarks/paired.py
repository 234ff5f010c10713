"""Statistics of few seeds and of the same questions: Student's t, and McNemar's test for paired answers."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

# Student's t, 97.5th percentile, for 1 to 11 degrees of freedom
T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201)


def over_seeds(values: Sequence[float]) -> dict[str, Any]:
    """The mean of one value per seed, its standard error and the 95% t interval; the degrees of freedom are n - 1.

    >>> found = over_seeds([1.0, 2.0, 3.0])
    >>> {key: round(value, 2) for key, value in found.items() if key != "values"}
    {'mean': 2.0, 'stderr': 0.58, 'df': 2, 'low': -0.48, 'high': 4.48}
    """
    values = list(values)
    found: dict[str, Any] = {"values": values, "mean": fmean(values)}
    if 1 < len(values) <= len(T95) + 1:
        stderr = stdev(values) / math.sqrt(len(values))
        reach = T95[len(values) - 2] * stderr
        found |= {"stderr": stderr, "df": len(values) - 1, "low": fmean(values) - reach, "high": fmean(values) + reach}
    return found


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> dict[str, Any]:
    """Two conditions on the same questions: exact two-sided test on the questions that differ (McNemar 1947).

    `difference` is the share of the second minus that of the first. Raises `ValueError` for unequal lengths.

    >>> found = mcnemar([True] * 6 + [False] * 4, [False] * 6 + [False] * 4)
    >>> found["only first"], found["only second"], found["difference"], found["p"]
    (6, 0, -0.6, 0.03125)
    """
    pairs = list(zip(first, second, strict=True))
    only_first = sum(a and not b for a, b in pairs)
    only_second = sum(b and not a for a, b in pairs)
    differ = only_first + only_second
    tail = sum(math.comb(differ, k) for k in range(min(only_first, only_second) + 1)) / 2**differ
    return {
        "of": len(pairs),
        "only first": only_first,
        "only second": only_second,
        "difference": (only_second - only_first) / len(pairs),
        "p": min(1.0, 2 * tail),
    }
