"""What to say of a result that is NaN or infinite for large logits only."""

import math
from typing import Any

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference


def not_finite(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str, int] | None:
    """Explain NaN or infinity in the last call, that with large logits, where all others are right.

    >>> not_finite([(1,), (200,)], [0.5, 2.0], [0.5, math.nan])[0]
    'With logits in the hundreds, the result is NaN or infinite: a probability is rounded to 0, or a power overflows.'
    """
    *others, last = (difference(wanted, gave) for wanted, gave in zip(right, got, strict=True))
    if any(others) or last is None or not _has_non_finite(got[-1]):
        return None
    sentence = "With logits in the hundreds, the result is NaN or infinite: a probability is rounded to 0, or a power "
    hint = "`log_softmax` and `F.cross_entropy` never form the probability. The log of a softmax does."
    return f"{sentence}overflows.", hint, len(calls) - 1


def _has_non_finite(value: Any) -> bool:
    if type(value) is torch.Tensor:
        return not bool(value.isfinite().all())
    if type(value) in (list, tuple):
        return any(map(_has_non_finite, value))
    return type(value) is float and not math.isfinite(value)
