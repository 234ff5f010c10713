"""The case that a box shows: the arguments of a call and its results, as text."""

from typing import Any

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import show
from minillm.course.learner.turn import Turn

MAX_NUMBERS = 24  # of a matrix that is shown


def inputs(turn: Turn, call: Call) -> dict[str, str]:
    """The arguments of a call by name, without those that it leaves to their default.

    A module's weights are left out, too, since nobody reads that many numbers.
    """
    names, values = turn.parameters, call
    if turn.is_module:
        names, values = (*turn.sizes, *turn.parameters), (*call[0], *call[2:])
    return {name: shown(value) for name, value in zip(names, values, strict=False)}


def shown(value: Any) -> str:
    """A value as text, a small matrix with a line for each row.

    >>> print(shown(torch.tensor([[0.5, -1.0], [2.0, 0.25]])))
    [[ 0.500, -1.000],
     [ 2.000,  0.250]]
    """
    if type(value) is not torch.Tensor or value.dim() != 2 or not 1 < value.numel() <= MAX_NUMBERS:
        return show(value)
    few = value.is_floating_point() and value.abs().max() < 1000 and not torch.equal(value, value.round(decimals=1))
    cells = [[f"{cell:.3f}" if few else show(cell) for cell in row] for row in value.tolist()]
    width = max(len(cell) for row in cells for cell in row)
    return "[" + ",\n ".join("[" + ", ".join(cell.rjust(width) for cell in row) + "]" for row in cells) + "]"
