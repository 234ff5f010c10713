"""The answer to a prediction from data: which choice leads, and whether by more than two standard errors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from minillm.errors import UserError

# 97.5 % quantiles of Student's t by degrees of freedom; from 60 on, two standard errors
T975 = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 10: 2.23}
T975 |= {12: 2.18, 15: 2.13, 20: 2.09, 30: 2.04, 60: 2.0}


@dataclass(frozen=True)
class Lead:
    """The choice with the best mean, and the one that comes closest to it, in standard errors of the difference."""

    best: str
    rival: str
    difference: float  # of the means, at least 0
    stderr: float
    degrees: float = math.inf  # of freedom
    smallest: bool = False  # whether the best mean is the smallest

    @property
    def too_close(self) -> bool:
        """Whether the difference is within two standard errors, or within more if there are few values."""
        return self.difference <= _quantile(self.degrees) * self.stderr

    @property
    def sentence(self) -> str:
        """The difference with its error."""
        decimals = 2 - math.floor(math.log10(self.stderr)) - 1 if 0 < self.stderr < 10 else 0
        error = f"± {self.stderr:.{decimals}f} (one standard error)"
        by = f"{self.difference:.{decimals}f}" if decimals else f"{self.difference:.3g}"
        if self.too_close:
            return f'"{self.best}" and "{self.rival}" differ by {by} {error}.'
        return f'"{self.best}" is {"below" if self.smallest else "ahead of"} "{self.rival}" by {by} {error}.'


def lead(values: Mapping[str, Any], smallest: bool = False, paired: bool = True) -> Lead:
    """Find the choice with the largest (or smallest) mean, and the lead over the one that comes closest to it.

    The values of a choice are numbers, one per item or seed, or anything with `mean` and `stderr`. Two lists of one
    length are paired item by item, unless `paired` is false. Raises `UserError` where no error can be computed.

    >>> found = lead({"a": [0.9, 0.8, 0.9, 1.0], "b": [0.5, 0.3, 0.5, 0.7]})
    >>> found.best, found.too_close
    ('a', False)
    >>> found.sentence
    '"a" is ahead of "b" by 0.400 ± 0.041 (one standard error).'
    """
    if len(values) < 2:
        raise UserError(f"answer_by compares at least two choices; got {', '.join(values) or 'none'}")
    groups = {name: _group(name, given) for name, given in values.items()}
    means = {name: group[0] if isinstance(group, tuple) else fmean(group) for name, group in groups.items()}
    best = (min if smallest else max)(means, key=means.__getitem__)
    leads = [
        Lead(best, name, abs(means[best] - means[name]), *_error(groups[best], group, paired), smallest)
        for name, group in groups.items()
        if name != best
    ]
    return min(leads, key=lambda each: each.difference / (_quantile(each.degrees) * each.stderr or 1e-300))


Group = list[float] | tuple[float, float]  # the values, or their mean and its standard error


def _group(name: str, given: Any) -> Group:
    if hasattr(given, "stderr"):
        group: Group = (float(given.mean), float(given.stderr))
    else:
        group = [float(value) for value in (given.tolist() if hasattr(given, "tolist") else given)]
        if len(group) < 2:
            raise UserError(f"the choice {name!r} has {len(group)} values, so no error; give at least two")
    if not all(map(math.isfinite, group)):
        raise UserError(f"the values of the choice {name!r} are not all finite: {group}")
    return group


def _error(one: Group, other: Group, paired: bool) -> tuple[float, float]:
    """The standard error of the difference of two means, and its degrees of freedom."""
    if isinstance(one, list) and isinstance(other, list) and paired and len(one) == len(other):
        differences = [a - b for a, b in zip(one, other, strict=True)]
        return stdev(differences) / math.sqrt(len(differences)), len(differences) - 1
    squares = [group[1] ** 2 if isinstance(group, tuple) else stdev(group) ** 2 / len(group) for group in (one, other)]
    # Welch and Satterthwaite; an estimate does not tell from how many values it is
    parts = [
        0.0 if isinstance(group, tuple) else square**2 / (len(group) - 1)
        for group, square in zip((one, other), squares, strict=True)
    ]
    return math.sqrt(sum(squares)), sum(squares) ** 2 / sum(parts) if sum(parts) else math.inf


def _quantile(degrees: float) -> float:
    return T975[max((known for known in T975 if known <= degrees), default=1)]
