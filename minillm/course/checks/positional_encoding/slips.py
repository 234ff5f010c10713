"""03.2 and 03.4: what goes wrong in the formula of a rotation and in its angles, for pairs of either kind."""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from minillm.course.checks.plain import apart

Formula = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]  # of both numbers, cosine and sine
RULE = "(a, b) becomes (a cos - b sin, a sin + b cos)."

FORMULAS: list[tuple[str, str, Formula]] = [
    (
        "The second number of a pair is computed from the first one after that was turned.",
        f"{RULE} Both need the old a and b: compute both before you write either.",
        lambda a, b, cos, sin: (a * cos - b * sin, (a * cos - b * sin) * sin + b * cos),
    ),
    (
        "The first number of a pair is computed from the second one after that was turned.",
        f"{RULE} Both need the old a and b: compute both before you write either.",
        lambda a, b, cos, sin: (a * cos - (a * sin + b * cos) * sin, a * sin + b * cos),
    ),
    (
        "Sine and cosine are swapped.",
        f"{RULE} At position 0 the cosine is 1 and the sine 0, and nothing changes.",
        lambda a, b, cos, sin: (a * sin - b * cos, a * cos + b * sin),
    ),
    (
        "Each number is only multiplied by the cosine; the term with the sine is missing.",
        RULE,
        lambda a, b, cos, sin: (a * cos, b * cos),
    ),
    (
        "The cosine is missing: x itself is added to the term with the sine.",
        RULE,
        lambda a, b, cos, sin: (a - b * sin, a * sin + b),
    ),
    (
        "Only the term with the sine is returned.",
        f"{RULE} Add the term with the cosine.",
        lambda a, b, cos, sin: (-b * sin, a * sin),
    ),
    (
        "The partner is missing: each number is multiplied by cosine plus sine.",
        f"{RULE} The sine multiplies the *other* number of the pair.",
        lambda a, b, cos, sin: (a * (cos + sin), b * (cos + sin)),
    ),
    (
        "Both terms with the sine have a minus.",
        f"{RULE} Only one of the two has it.",
        lambda a, b, cos, sin: (a * cos - b * sin, b * cos - a * sin),
    ),
    (
        "The two numbers of each pair come back in the wrong order.",
        RULE,
        lambda a, b, cos, sin: (a * sin + b * cos, a * cos - b * sin),
    ),
]
SPEEDS: list[tuple[str, Callable[[int], Tensor], float]] = [  # the exponents for D, and a factor of all angles
    ("the exponent has the wrong sign, theta^(+2i/D)", lambda D: torch.arange(0, D, 2) / D, 1.0),
    ("the pairs have each other's speeds, the slowest first", lambda D: -torch.arange(0, D, 2).flip(0) / D, 1.0),
    ("the angles are taken for degrees", lambda D: -torch.arange(0, D, 2) / D, math.pi / 180),
    ("all angles are multiplied by 2π", lambda D: -torch.arange(0, D, 2) / D, 2 * math.pi),
    ("all angles are divided by 2π", lambda D: -torch.arange(0, D, 2) / D, 0.5 / math.pi),
]
SPEED_HINT = (
    "An angle is position · theta^(-2i/D), in radians: for D = 4 a pair turns by 1 or theta^(-1/2) per position."
)


def slipped(
    x: Float[Tensor, "*H T D"],
    positions: Shaped[Tensor, "T"],
    theta: float,
    *,
    formula: Formula = lambda a, b, cos, sin: (a * cos - b * sin, a * sin + b * cos),
    exponents: Callable[[int], Tensor] = lambda D: -torch.arange(0, D, 2) / D,
    factor: float = 1.0,
    halves: bool = False,
) -> Float[Tensor, "*H T D"]:
    """A rotation with one thing done differently.

    >>> slipped(torch.tensor([[1.0, 2.0]]), torch.tensor([torch.pi / 2]), 1e4, formula=FORMULAS[2][2]).round(decimals=4)
    tensor([[1., 2.]])
    """
    D = x.shape[-1]
    angles = (positions[:, None] * float(theta) ** exponents(D)).double() * factor  # rounded as an answer's are
    a, b = x.double().chunk(2, -1) if halves else (x[..., ::2].double(), x[..., 1::2].double())
    parts = formula(a, b, angles.cos(), angles.sin())
    return (torch.cat(parts, -1) if halves else torch.stack(parts, -1).flatten(-2)).float()


def added_table(calls: list[Any], got: list[Tensor]) -> tuple[str, str] | None:
    """What is added to x does not depend on x: it is the same in all heads."""
    changes = [answer - x for (x, *_), answer in zip(calls, got, strict=True) if len(x) > 1]
    if changes and all(not apart(change[:1].expand_as(change), change).any() and change.any() for change in changes):
        hint = "RoPE turns each pair of numbers, so what comes out depends on the pair. It adds no encoding to x."
        return "The result is x plus a table of numbers, the same table in every head: nothing is turned.", hint
    return None
