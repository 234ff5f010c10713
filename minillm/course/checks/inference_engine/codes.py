"""What a message says of a product of codes that fits no known mistake, for 12.1: how its codes were made."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import apart, as_tensor

HINT = "A row's largest absolute value gets the code 127: divide the row by that value / 127, and round."
Coded = Callable[[Tensor], Tensor]  # what the codes of a matrix are worth


def explain(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Other codes of both matrices, or of one of them."""
    given = [as_tensor(reply) for reply in got]
    if not any(reply is None or reply.any() for reply in given):
        return "The result is 0 everywhere.", HINT
    if any(reply is None or reply.shape != due.shape for reply, due in zip(given, right, strict=True)):
        return None
    for sentence, coded in _codings().items():
        for whose, of_x, of_weight in (
            ("", coded, coded),
            ("In `x`: ", coded, _rows()),
            ("In `weight`: ", _rows(), coded),
        ):
            made = [of_x(x).double() @ of_weight(weight).double().T for x, weight in calls]
            if all(not apart(m, reply).any() for m, reply in zip(made, given, strict=True) if reply is not None):
                return f"{whose}{sentence}", HINT
    return None


def _rows(
    levels: float = 127,
    largest: Callable[[Tensor], Tensor] = lambda matrix: matrix.abs().amax(1, keepdim=True),
    whole: Callable[[Tensor], Tensor] = torch.round,
) -> Coded:
    def coded(matrix: Tensor) -> Tensor:
        scale = largest(matrix) / levels
        scale = scale.where(scale != 0, 1.0)
        return whole(matrix / scale) * scale

    return coded


def _wrapped(codes: Tensor) -> Tensor:
    return (codes.round() + 128) % 256 - 128


def _from_the_smallest(levels: int) -> Coded:
    """Codes from the smallest to the largest number of a row, with a whole number for 0."""

    def coded(matrix: Tensor) -> Tensor:
        low, high = matrix.amin(1, keepdim=True), matrix.amax(1, keepdim=True)
        scale = ((high - low) / levels).where(high != low, 1.0)
        zero = (-low / scale).round()
        return ((matrix / scale + zero).round().clamp(0, levels) - zero) * scale

    return coded


def _shifted(matrix: Tensor) -> Tensor:
    middle = (matrix.amax(1, keepdim=True) + matrix.amin(1, keepdim=True)) / 2
    return _rows()(matrix - middle) + middle


def _codings() -> dict[str, Coded]:
    found: dict[str, Coded] = {
        "The codes run from a row's smallest to its largest number, with a zero point.": _from_the_smallest(255),
        "The codes run from a row's smallest to its largest number, with 254 steps.": _from_the_smallest(254),
        "Each row is moved to the middle of its range before it is rounded.": _shifted,
        "Each column has a scale, not each row.": _rows(largest=lambda matrix: matrix.abs().amax(0, keepdim=True)),
        "The scale is the mean absolute value of a row over 127.": _rows(
            largest=lambda matrix: matrix.abs().mean(1, keepdim=True)
        ),
        "The scale is the norm of a row over 127.": _rows(largest=lambda matrix: matrix.norm(dim=1, keepdim=True)),
        "The scale is the standard deviation of a row over 127.": _rows(
            largest=lambda matrix: matrix.std(1, correction=0, keepdim=True)
        ),
        "The scale comes from a row's smallest number.": _rows(
            largest=lambda matrix: matrix.amin(1, keepdim=True).abs()
        ),
        "The scale is the distance from a row's smallest to its largest number, over 127.": _rows(
            largest=lambda matrix: matrix.amax(1, keepdim=True) - matrix.amin(1, keepdim=True)
        ),
        "The scale is the distance from a row's smallest to its largest number, over 255.": _rows(
            255, largest=lambda matrix: matrix.amax(1, keepdim=True) - matrix.amin(1, keepdim=True)
        ),
        "The codes are rounded away from 0.": _rows(whole=lambda codes: codes.sign() * codes.abs().ceil()),
        "The codes are rounded up.": _rows(whole=torch.ceil),
        "The codes are cut off at -128 and 127 after a scale of 1: no row is divided by its scale.": (
            lambda matrix: matrix.round().clamp(-128, 127)
        ),
        "The scale itself is rounded to a power of two.": _rows(
            largest=lambda matrix: 127 * 2.0 ** (matrix.abs().amax(1, keepdim=True) / 127).log2().round()
        ),
    }
    for levels in (128, 256, 255, 129):
        found[f"The largest value gets the code {levels}, which does not fit into 8 bits and wraps round."] = _rows(
            levels, whole=_wrapped
        )
        found[f"The scale is the largest value over {levels}, and codes are cut off at 127."] = _rows(
            levels, whole=lambda codes: codes.round().clamp(-127, 127)
        )
        found[f"The scale is the largest value over {levels}, and codes are cut off at -128 and 127."] = _rows(
            levels, whole=lambda codes: codes.round().clamp(-128, 127)
        )
    for levels in (*range(1, 64), 100, 120, 125, 126, 126.5, 127.5, 128, 129, 254, 255, 256, 511, 512, 1024):
        found[f"The scale is the largest value over {levels:g}, not over 127."] = _rows(levels)
    return found
