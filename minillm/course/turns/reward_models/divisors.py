"""A number that is written where the number of pairs belongs: "/ 400"."""

from collections.abc import Sequence
from typing import Any

from minillm.course.checks.plain import as_tensor, difference


def divisor(sums: Sequence[float], got: Sequence[Any]) -> float | None:
    """The number by which all these sums were divided; None if they weren't divided by one number, or if it is 1.

    >>> divisor([8.0, 4.0], [0.02, 0.01])
    400.0
    """
    counts = []
    for total, answer in zip(sums, got, strict=True):
        tensor = as_tensor(answer)
        if tensor is None or tensor.numel() != 1 or not tensor.isfinite() or tensor == 0:
            return None
        counts.append(total / float(tensor))
    count = float(round(counts[0]))
    return None if count < 2 or difference([count] * len(counts), counts) is not None else count
