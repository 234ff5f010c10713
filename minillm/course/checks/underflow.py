"""What to say of a result that is NaN or infinite for large logits or leads only, or kept finite by a small number."""

import math
from typing import Any

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor, difference


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


def hopeless(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Whether a hopeless pair costs infinitely much, or too little since its probability is kept away from 0.

    >>> hopeless([(1,)], [torch.tensor(300.0)], [20.0])[0]
    'A hopeless chance costs the same, however small it is.'
    """
    for loss, answer in zip(right, got, strict=True):
        found = as_tensor(answer)
        if found is None or found.shape != loss.shape:
            return None
        if not found.isfinite():
            return "The loss is not finite: a chance was rounded to 0 or to 1, or a power has overflowed.", (
                "`F.logsigmoid` goes from the lead to the logarithm in one step; the other chance has the lead -lead."
            )
        if loss > 100 and 0 < found < loss / 2:
            return "A hopeless chance costs the same, however small it is.", (
                "A small number within the logarithm keeps it finite and makes it wrong. `F.logsigmoid` needs none."
            )
    return None


def _has_non_finite(value: Any) -> bool:
    if type(value) is torch.Tensor:
        return not bool(value.isfinite().all())
    if type(value) in (list, tuple):
        return any(map(_has_non_finite, value))
    return type(value) is float and not math.isfinite(value)
