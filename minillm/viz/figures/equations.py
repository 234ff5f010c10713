"""Equations of small tensors on one line, to show broadcasting and matrix products."""

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from minillm.errors import UserError
from minillm.viz.figures.style import DIVERGING, FAINT, QUIET, SMALL, WIDTH, in_style, ink_on, new_sketch, tensor_of
from minillm.viz.figures.tensors import colour_limits, digits_of, indices, number_text


@in_style
def equation(*parts: Any, captions: Sequence[str] = (), digits: int | None = None, stretch: bool = False) -> Figure:
    """Draw small tensors and operators on one line with their shapes: `equation(a, "+", b, "=", c)`.

    A vector is drawn as a row, as in broadcasting. With `stretch=True` the tensors before "=" are drawn at their common
    shape, with the virtual copies that broadcasting makes in pale colors. `captions` replace the shapes. Raises
    `UserError` for more than two dimensions and for an equation wider than the page.

    >>> figure = equation([[1], [2]], "+", [10, 20], "=", [[11, 21], [12, 22]], stretch=True)
    >>> [text.get_text() for text in figure.axes[0].texts][:6]
    ['1', '1', '2', '2', '(2, 1)', '+']
    """
    tensors = [None if isinstance(part, str) else tensor_of(part) for part in parts]
    given = [tensor for tensor in tensors if tensor is not None]
    shapes = [tuple(tensor.shape) for tensor in given]
    if not shapes or any(len(shape) > 2 for shape in shapes):
        raise UserError(f"equation draws tensors of at most two dimensions; the shapes here are {shapes}")
    if captions and len(captions) != len(shapes):
        raise UserError(f"{len(captions)} captions for {len(shapes)} tensors; give one per tensor")
    end = _before_equals(parts) if stretch else 0
    common = torch.broadcast_shapes(*(t.shape for t in tensors[:end] if t is not None)) if end else ()
    blocks = [_block(tensor, common if index < end else ()) for index, tensor in enumerate(tensors)]
    notes = iter(captions or map(str, shapes))
    texts = [part if isinstance(part, str) else next(notes) for part in parts]
    longest = max(len(number_text(value, digits_of(t, digits))) for t in given for value in t.flatten().tolist())
    cell = max(0.36, 0.16 + 0.075 * longest)
    widths = [_width(block, text, cell) for block, text in zip(blocks, texts, strict=True)]
    if sum(widths) > WIDTH:
        raise UserError(f"this equation is {sum(widths):.1f} inches wide and the page {WIDTH}; show fewer columns")
    rows = max(block[0].shape[0] for block in blocks if block is not None)
    figure, axes = new_sketch(sum(widths) + 0.1, 0.34 * rows + 0.55)
    x, middle = 0.05, 0.42 + 0.17 * rows
    limit = max(max(map(abs, colour_limits(tensor))) for tensor in given)
    for block, text, width in zip(blocks, texts, widths, strict=True):
        centre = (x + width / 2, middle)
        if block is None:
            axes.text(*centre, text, ha="center", va="center", fontsize=15 if len(text) <= 2 else 10)
        else:
            foot = _draw_block(axes, block, centre, cell, limit, digits_of(block[0], digits))
            axes.text(centre[0], foot, text, ha="center", va="top", fontsize=SMALL, family="monospace", color=QUIET)
        x += width
    return figure


def _before_equals(parts: Sequence[Any]) -> int:
    """The number of parts before the equals sign, or of all parts."""
    return next((i for i, part in enumerate(parts) if isinstance(part, str) and part == "="), len(parts))


def _width(block: tuple[Tensor, Tensor] | None, text: str, cell: float) -> float:
    """The width in inches of an operator, or of a tensor with its caption."""
    if block is None:
        return 0.3 + (0.085 if len(text) > 2 else 0.05) * len(text)
    return 0.16 + max(cell * block[0].shape[1], 0.078 * len(text))


def _block(tensor: Tensor | None, common: tuple[int, ...]) -> tuple[Tensor, Tensor] | None:
    """The matrix to draw, and a mask of the cells that are not virtual copies."""
    if tensor is None:
        return None
    real = tensor.reshape(1, -1) if tensor.dim() < 2 else tensor
    if not common:
        return real, torch.ones_like(real, dtype=torch.bool)
    whole = torch.broadcast_to(real, (1,) * (2 - len(common)) + tuple(common))
    there = torch.zeros_like(whole, dtype=torch.bool)
    there[: real.shape[0], : real.shape[1]] = True
    return whole, there


def _draw_block(axes: Axes, block: tuple, centre: tuple[float, float], cell: float, limit: float, digits: int) -> float:
    """Draw the cells around a center; returns the y coordinate of the caption."""
    matrix, there = block
    rows, columns = matrix.shape
    left, top = centre[0] - cell * columns / 2, centre[1] + 0.17 * rows
    for row, column in indices(matrix):
        value, real = float(matrix[row, column]), bool(there[row, column])
        at = (left + cell * column, top - 0.34 * (row + 1))
        scaled = max(-1.0, min(1.0, value / limit)) if abs(value) != float("inf") else 0.0
        ground = DIVERGING(0.5 + 0.32 * scaled) if real else "#FFFFFF"
        line: dict[str, Any] = dict(linestyle="-", edgecolor=QUIET) if real else dict(linestyle=":", edgecolor=FAINT)
        axes.add_patch(Rectangle(at, cell, 0.34, facecolor=ground, linewidth=0.8, zorder=2 if real else 1, **line))
        ink = ink_on(ground) if real else QUIET
        middle = (at[0] + cell / 2, at[1] + 0.16)
        axes.text(*middle, number_text(value, digits), ha="center", va="center", fontsize=SMALL, color=ink, zorder=3)
    return top - 0.34 * rows - 0.08
