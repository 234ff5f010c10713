"""03.rotate_pair: a point in the plane, turned around the origin; the step that rotary positions are made of."""

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn

PARTS = ("the new x", "the new y")


def rotate_pair(x, y, angle):
    """The points (x, y), turned around (0, 0) by an angle in radians: their new x and y."""
    cos, sin = angle.cos(), angle.sin()
    return x * cos - y * sin, x * sin + y * cos


turn = Turn(
    "03.rotate_pair",
    "A point, turned",
    rotate_pair,
    minutes=4,
    difficulty=1,
    parts=PARTS,
    constants=("angle",),
    hints=(
        "Where does the point (1, 0) go, and where does (0, 1)?",
        "The point (x, y) is x times the first of these, plus y times the second.",
        "(1, 0) goes to (cos, sin), and (0, 1) goes to (-sin, cos). So the new x takes `cos` of the old x and minus "
        "`sin` of the old y.",
    ),
    errors={
        "must be a real number|only one element tensors|can only convert|only be converted": (
            "`math.cos` and `torch.tensor([...])` want single numbers, and the arguments are tensors of many. Use "
            "`angle.cos()`, and work entry by entry."
        ),
        "name '(cos|sin|pi|theta|a|c|s)' is not defined": "Write `angle.cos()` and `angle.sin()`.",
        "only integer tensors": "A tensor can't multiply a tuple: take its two numbers one by one.",
        "complex": "The new x is its real part, the new y its imaginary part: `z.real, z.imag`.",
        "size of tensor a|must match|matmul|1D tensors|mat1|inconsistent|expected|broadcast|invalid for input": (
            "Work entry by entry, with `*`: no matrix product and no new axis, since all three have one shape."
        ),
        "0-d tensor": "A single point may come in, or a table of them, and a loop runs over one axis. `angle.cos()` "
        "takes any shape.",
    },
    debrief=Debrief(
        "Meta's Llama code treats the pair as a complex number and multiplies it by cos + i sin. That's the same four "
        "products.",
        "Turn by one angle, then by another. Which single angle does the same, and what does that mean for positions?",
    ),
)


def _points(rng: random.Random, *shapes: tuple[int, ...]) -> list[Call]:
    calls = []
    for shape in shapes:
        x, y = (numbers(rng, *shape, scale=2.0) for _ in range(2))
        far = torch.where(x.abs() + y.abs() < 0.5, 1.3, 0.0)  # from the origin, which no turn moves
        angle = torch.tensor([round(rng.uniform(-3.0, 3.0), 1) for _ in range(x.numel())]).view(shape)
        calls.append((x + far, y, angle))
    return calls


def _tables(rng: random.Random) -> list[Call]:
    x, y, _ = _points(rng, (2,))[0]
    return [*_points(rng, (), (3,), (2, 4), (5, 1)), (x, y, torch.tensor([math.pi, -math.pi]))]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """One thing in place of two."""
    if all(type(result) is Tensor for result in got):
        ends = [
            dim for dim in (0, -1) if all(_is_stacked(wanted, g, dim) for wanted, g in zip(right, got, strict=True))
        ]
        if ends:
            return "Both numbers are right, but in one tensor.", "Return two tensors: `return new_x, new_y`."
        if all(difference(wanted[0], result) is None for wanted, result in zip(right, got, strict=True)):
            return "Only the new x is returned.", "Return both, with a comma between: the new x and the new y."
        if all(difference(wanted[1], result) is None for wanted, result in zip(right, got, strict=True)):
            return "Only the new y is returned.", "Return both, with a comma between: the new x and the new y."
        return "One tensor is returned.", "Return two: the new x and the new y, with a comma between."
    if any(type(part) is list for result in got for part in result):
        return "Lists of numbers are returned.", "Return two tensors: `*` takes all points at once, without a loop."
    if any(type(result) in (tuple, list) and len(result) != 2 for result in got):
        return f"{len(got[0])} things are returned.", "Return two: the new x and the new y."
    return None


def _is_stacked(wanted: tuple[Tensor, Tensor], got: Tensor, dim: int) -> bool:
    return difference(torch.stack(list(wanted), dim), got) is None


tables = turn.probe("points, one or many", _tables, _form)


def _mistake(sentence: str, hint: str, made: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
    tables.mistake(sentence, hint, made)


def _signs(x: Tensor, y: Tensor, angle: Tensor, a: int, b: int) -> tuple[Tensor, Tensor]:
    return x * angle.cos() + a * y * angle.sin(), b * x * angle.sin() + y * angle.cos()


_mistake(
    "It turns the other way, by minus the angle.",
    "A quarter turn takes (1, 0) to (0, 1), not to (0, -1). Is the minus in the new x, and the angle as it comes?",
    partial(_signs, a=1, b=-1),
)
_mistake(
    "There is a minus in both lines.",
    "Only one of the four products has a minus: y times sine, in the new x.",
    partial(_signs, a=-1, b=-1),
)
_mistake(
    "There is a minus in both lines.",
    "The one in the new x is right. The new y has none: at angle 0 it must be y, not -y.",
    lambda x, y, angle: (x * angle.cos() - y * angle.sin(), x * angle.sin() - y * angle.cos()),
)
_mistake(
    "The minus is in the new y, so the point is mirrored.",
    "At angle 0 nothing moves, but this takes (0, 1) to (0, -1). The minus belongs to the new x.",
    lambda x, y, angle: (x * angle.cos() + y * angle.sin(), x * angle.sin() - y * angle.cos()),
)
_mistake(
    "The minus is missing.",
    "A quarter turn takes (0, 1) to (-1, 0): one of the four products is negative.",
    partial(_signs, a=1, b=1),
)


@tables.mistake(
    "The new y is made of the new x.",
    "x is overwritten before the second line needs it. Give the new one another name.",
)
def _x_overwritten(x, y, angle):
    x = x * angle.cos() - y * angle.sin()
    return x, x * angle.sin() + y * angle.cos()


@tables.mistake(
    "The new x is made of the new y.",
    "y is overwritten before the other line needs it. Give the new one another name.",
)
def _y_overwritten(x, y, angle):
    y = x * angle.sin() + y * angle.cos()
    return x * angle.cos() - y * angle.sin(), y


_mistake(
    "The angle is taken for degrees.",
    "It's in radians already, as `sin` and `cos` need it.",
    lambda x, y, angle: rotate_pair(x, y, angle * math.pi / 180),
)
_mistake(
    "The angle is converted to degrees.",
    "`sin` and `cos` take radians.",
    lambda x, y, angle: rotate_pair(x, y, angle * 180 / math.pi),
)
_mistake(
    "The angle is multiplied by 2π.",
    "It's in radians already, not in full turns.",
    lambda x, y, angle: rotate_pair(x, y, angle * 2 * math.pi),
)
_mistake(
    "The angle is taken modulo π, so some points land on the opposite side.",
    "A full turn is 2π. And `sin` and `cos` take angles of any size: no remainder is needed.",
    lambda x, y, angle: rotate_pair(x, y, angle % math.pi),
)
_mistake(
    "Sine and cosine are replaced by a and 1 - a²/2, which holds for small angles a only.",
    "Use `angle.sin()` and `angle.cos()`.",
    lambda x, y, angle: (x * (1 - angle**2 / 2) - y * angle, x * angle + y * (1 - angle**2 / 2)),
)
_mistake(
    "Sine and cosine are replaced by a and 1, which holds for small angles a only.",
    "Use `angle.sin()` and `angle.cos()`.",
    lambda x, y, angle: (x - y * angle, x * angle + y),
)
_mistake(
    "Whole turns are taken off, with 6.28 for 2π.",
    "`sin` and `cos` take angles of any size: no remainder is needed.",
    lambda x, y, angle: rotate_pair(x, y, angle % 6.28),
)
_mistake(
    "Points below the axis are taken for those above it.",
    "`acos` gives no angle beyond π. Use `torch.atan2(y, x)`, or do without angles.",
    lambda x, y, angle: rotate_pair(x, y.abs(), angle),
)
_mistake(
    "The points are stretched, by e to the power of the angle, and not turned.",
    "The i is missing: cos a + i sin a is `torch.exp(1j * angle)`.",
    lambda x, y, angle: (x * angle.exp(), y * angle.exp()),
)
_mistake(
    "Sine and cosine are exchanged.",
    "At angle 0 nothing moves, and cos 0 is 1: the new x begins with x times cosine.",
    lambda x, y, angle: (x * angle.sin() - y * angle.cos(), x * angle.cos() + y * angle.sin()),
)
_mistake(
    "The new y is returned first.",
    "Return the new x, then the new y.",
    lambda x, y, angle: (rotate_pair(x, y, angle)[1], rotate_pair(x, y, angle)[0]),
)
_mistake(
    "The point is put at this angle, wherever it was before.",
    "It's turned by the angle from where it stands.",
    lambda x, y, angle: (torch.hypot(x, y) * angle.cos(), torch.hypot(x, y) * angle.sin()),
)
_mistake(
    "Sine and cosine are added, so the point is shifted.",
    "A turn multiplies: x times cosine, minus y times sine.",
    lambda x, y, angle: (x + angle.cos(), y + angle.sin()),
)
_mistake(
    "x and y are scaled, each by itself.",
    "A turn mixes them: both go into the new x, and both into the new y.",
    lambda x, y, angle: (x * angle.cos(), y * angle.sin()),
)
_mistake(
    "x and y are scaled, each by itself.",
    "A turn mixes them: the new x needs y, too, and the new y needs x.",
    lambda x, y, angle: (x * angle.cos() - x * angle.sin(), y * angle.sin() + y * angle.cos()),
)
_mistake(
    "x and y are scaled, each by itself.",
    "(x, y) is x steps along the turned x axis and y along the other: each gives a part of both new numbers.",
    lambda x, y, angle: (x * angle.cos() + x * angle.sin(), y * angle.cos() - y * angle.sin()),
)
_mistake(
    "Every point is turned by the first angle.",
    "Each has an angle of its own. `*` takes two tensors entry by entry.",
    lambda x, y, angle: rotate_pair(x, y, angle.flatten()[0]),
)
_mistake(
    "Every point makes a quarter turn.",
    "(-y, x) is the turn by π/2. Here each point has an angle of its own.",
    lambda x, y, angle: (-y, x),
)
_mistake(
    "Negative angles turn the wrong way.",
    "A root and `abs` are never negative, but a sine may be, and an angle: use `angle.sin()`.",
    lambda x, y, angle: rotate_pair(x, y, angle.abs()),
)
_mistake(
    "All points land at a distance of 1 from (0, 0).",
    "A turn keeps the distance: multiply by the root of x² + y².",
    lambda x, y, angle: rotate_pair(x / torch.hypot(x, y), y / torch.hypot(x, y), angle),
)
_mistake(
    "x and y are exchanged before the turn.",
    "The new x begins with x times cosine. And if you use `torch.atan2`: it takes y first.",
    lambda x, y, angle: rotate_pair(y, x, angle),
)
_mistake(
    "`atan` forgets on which side the point is.",
    "y / x is the same for (1, 1) and (-1, -1). Use `torch.atan2(y, x)`, or do without angles.",
    lambda x, y, angle: rotate_pair(x.abs(), torch.where(x < 0, -y, y), angle),
)
_mistake(
    "The radius isn't rooted.",
    "The radius is the root of x² + y².",
    lambda x, y, angle: rotate_pair(x * torch.hypot(x, y), y * torch.hypot(x, y), angle),
)
_mistake(
    "Both are as they came in.",
    "Return the new x and the new y, which take parts of both old ones.",
    lambda x, y, angle: (x, y),
)
_mistake(
    "The new y is the old y.",
    "new y = x · sin + y · cos, of the old x and y.",
    lambda x, y, angle: (rotate_pair(x, y, angle)[0], y),
)
_mistake(
    "Each point is turned by 1, and stretched by its angle.",
    "`torch.polar` takes the length first, then the angle: `torch.polar(torch.ones_like(angle), angle)`.",
    lambda x, y, angle: rotate_pair(x * angle, y * angle, torch.ones_like(angle)),
)
