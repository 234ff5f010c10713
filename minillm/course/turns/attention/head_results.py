"""What a wrong result of one head of attention says about how it was computed."""

import math
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.attention.common import moved
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation

LARGEST_EXPONENT = 80  # exp(88.8) overflows in 32 bits, and sums come earlier


def leak(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Two calls that differ in one key and value: a query from which they are hidden must not notice."""
    for first in range(0, len(calls), 2):
        visible = calls[first][3]
        key = int((calls[first][1] != calls[first + 1][1]).any(-1).nonzero()[0])
        seeing = [t for t in moved(got[first], got[first + 1]) if t < len(visible) and not visible[t, key]]
        if seeing:
            hint = "A hidden score must be minus infinity before the softmax. Then its weight is exactly 0."
            return f"Query {seeing[0]} reads from key {key}, which is hidden from it.", hint, first
    return not_finite(calls, right, got) or _vanished(calls, right, got)


def other_form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Of all keys visible: not the same twice, or another form than (T, D) for each call."""
    if (
        difference(calls[-2], calls[-1]) is None
        and difference(got[-2], got[-1]) is not None
        and difference(got[-1], got[-2]) is not None
    ):
        return "The same inputs give another result each time.", "What is random? A new layer? Dropout?"
    pairs = list(zip(right, got, strict=True))
    if all(type(answer) is tuple and difference(wanted, answer[0]) is None for wanted, answer in pairs):
        return f"You return {len(got[0])} things, and the first is right.", "Return only that one."
    if type(got[0]) is list and all(type(part) is tuple for part in got[0]):
        hint = "`read` returns its weights, too. Keep what it mixes, and `torch.stack` a list of those."
        return "The result is a list of pairs.", hint
    if any(type(answer) is not Tensor for answer in got):
        return None
    shapes = [tuple(answer.shape) for answer in got]
    sizes = [(*call[3].shape, call[0].shape[1]) for call in calls]  # (T, S, D)
    if all(shape in ((D,), (1, D)) for shape, (_, _, D) in zip(shapes, sizes, strict=True)):
        return "Only one query was answered.", "Is `return` inside the loop? Row t of (T, D) is what query t reads."
    if all(shape == (T * D,) for shape, (T, _, D) in zip(shapes, sizes, strict=True)):
        return "The outputs are one long row.", "`torch.stack(outputs)` puts them one below the other, (T, D)."
    if all(shape == (T, S) for shape, (T, S, _) in zip(shapes, sizes, strict=True)):
        return "The result has a number per query and key, (T, S).", "Weights do. They mix the values: (T, S) @ (S, D)."
    if all(answer.dim() > 2 and answer.numel() == wanted.numel() for wanted, answer in pairs):
        return "The result has extra axes, as for a batch of texts.", "Here it is one head of one text: return (T, D)."
    return not_finite(calls, right, got)


def not_finite(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """NaN or infinity: of all numbers, of extreme scores, or elsewhere."""
    finite = [one is None or bool(one.isfinite().all()) for one in map(as_tensor, got)]
    if all(finite):
        return None
    first = finite.index(False)
    if all(one is not None and one.isnan().all() for one in map(as_tensor, got)):
        hint = (
            "Is every visible key hidden? `masked_fill` fills where its mask is True. Or is 0 multiplied by infinity, "
            "or a root taken of a negative number?"
        )
        return "Every number of the result is NaN.", hint
    if all(difference(*pair) is None if fine else _extreme(call) for call, pair, fine in zip(
        calls, zip(right, got, strict=True), finite, strict=True
    )):  # fmt: skip
        hint = "Subtract each row's largest visible score first. `softmax(dim=-1)` does, if the mask comes before it."
        return (
            "Right, while scores stay moderate: of large ones, `exp` gives infinity or 0, and 0 / 0 is NaN.",
            hint,
            first,
        )
    hint = "Is every score of a row minus infinity, or one plus infinity? Is 0 divided by 0, or infinity by infinity?"
    return "The result contains NaN or infinity.", hint, first


def _vanished(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Right but for rows of zeros, where a hidden score was far above all visible ones."""
    found = None
    for index, (call, wanted, answer) in enumerate(zip(calls, right, got, strict=True)):
        if difference(wanted, answer) is None:
            continue
        if type(answer) is not Tensor or answer.shape != wanted.shape or not _extreme(call):
            return None
        read = answer.any(-1)
        if read.all() or difference(wanted[read], answer[read]) is not None:
            return None
        found = index if found is None else found
    if found is None:
        return None
    sentence = "Right, until a hidden score is far above the visible ones: then the visible weights are all 0."
    return sentence, "Mask the scores, before the softmax, and no weight gets lost.", found


def _extreme(call: Call) -> bool:
    """Whether a score is beyond what `exp` can take in 32 bits."""
    query, key = call[:2]
    return bool((query @ key.T / math.sqrt(query.shape[-1])).abs().max() > LARGEST_EXPONENT)


def other_dtype(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Another precision than that of the inputs."""
    if all(type(answer) is Tensor and answer.dtype != torch.float64 for answer in got):
        hint = "Make new tensors like the inputs, for example with `torch.zeros_like(query)`."
        return f"The inputs are float64, but the result is {str(got[0].dtype).removeprefix('torch.')}.", hint
    return None
