"""Tensors as heat maps, with their values in the cells if they are small."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

from minillm.errors import UserError
from minillm.viz.figures.style import (
    DIVERGING,
    FAINT,
    FALLING,
    RISING,
    SMALL,
    WIDTH,
    axis_name,
    in_style,
    ink_on,
    new_panels,
    tensor_of,
    visible,
)

MOST_WRITTEN = 16  # columns, over all panels, up to which the values are written into the cells
MOST_PANELS = 4


def cells(axes: Axes, matrix: Tensor, limits: tuple[float, float] | None = None) -> AxesImage:
    """Draw a matrix as colored cells: blue to red with white at zero, or white to blue if all have one sign.

    Minus infinity, as in a causal mask, is gray.
    """
    low, high = limits or colour_limits(matrix)
    finite = torch.where(matrix.isfinite(), matrix, torch.nan).numpy()
    colours = RISING if low == 0 else FALLING if high == 0 else DIVERGING
    return axes.imshow(finite, cmap=colours, vmin=low, vmax=high, aspect="auto", interpolation="none")


def colour_limits(values: Tensor, all_of_them: bool = False) -> tuple[float, float]:
    """Compute the range of the color scale: it starts or ends at zero, or is symmetric if both signs occur."""
    finite = values[values.isfinite()]
    if finite.numel() == 0:
        raise UserError("the tensor has no finite number, so there is nothing to draw")
    # In a large tensor, a scale that ends at the 99th percentile keeps the values visible despite outliers.
    many = finite.numel() > 500 and not all_of_them
    high = max(float(finite.abs().quantile(0.99) if many else finite.abs().max()), 1e-12)
    if finite.max() <= 0 > finite.min():
        return -high, 0.0
    return (-high if finite.min() < 0 else 0.0), high


def number_text(value: float, digits: int) -> str:
    """Format a number for a narrow cell.

    >>> number_text(-0.001, 2), number_text(float("-inf"), 2), number_text(3.0, 0)
    ('0.00', '−∞', '3')
    """
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text.replace("-", "−")


def digits_of(values: Any, digits: int | None) -> int:
    """Return the requested number of digits, or else 0 if all numbers are integers and 2 otherwise."""
    tensor = tensor_of(values)
    whole = bool((tensor[tensor.isfinite()] % 1 == 0).all())
    return digits if digits is not None else 0 if whole else 2


@in_style
def heat_map(
    values: Any,
    axes: str,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    unit: str = "",
    digits: int | None = None,
) -> Figure:
    """Draw a tensor of one to three dimensions as a heat map, with its values in the cells if they fit.

    `axes` names the dimensions, by letters of the shape legend (`"B T C"`) or words. A tensor of three dimensions gets
    one panel per index of the first. Raises `UserError` if names or labels do not match the shape.

    >>> figure = heat_map([[1, 2, 3], [4, 5, 6]], axes="T C")
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    ('C = 3, d_model', 'T = 2')
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['1', '2', '3', '4', '5', '6']
    """
    tensor, names = tensor_of(values), axes.split()
    if tensor.numel() == 0 or not 1 <= tensor.dim() == len(names) <= 3:
        raise UserError(
            f"heat_map draws 1 to 3 dimensions and needs a name for each; the shape is {tuple(tensor.shape)} and "
            f"axes={axes!r} names {len(names)}"
        )
    panels = tensor if tensor.dim() == 3 else tensor.reshape(1, -1, tensor.shape[-1])
    count, rows, columns = panels.shape
    if count > MOST_PANELS:
        raise UserError(f"{count} panels do not fit side by side; show at most {MOST_PANELS}, for example x[:2]")
    for labels, wanted, kind in ((row_labels, rows, "row"), (column_labels, columns, "column")):
        if labels is not None and len(labels) != wanted:
            raise UserError(f"{len(labels)} {kind} labels for {wanted} {kind}s; give one label per {kind}")
    written = count * columns <= MOST_WRITTEN and rows <= 24
    figure, grid = _sheet(panels, row_labels, column_labels, written)
    limits = colour_limits(tensor)
    for index, (panel, matrix) in enumerate(zip(grid, panels, strict=True)):
        image = cells(panel, matrix, limits)
        high, wide = (0.36 * rows, 0.55 * columns) if written else (3.0, 6.0 / count)
        if written:
            write_numbers(panel, image, matrix, digits_of(values, digits))
        panel.set_xlabel(axis_name(names[-1], columns, wide))
        if tensor.dim() > 1 and index == 0:
            panel.set_ylabel(axis_name(names[-2], rows, high))
        if tensor.dim() == 3:
            panel.set_title(f"{names[0]} index {index}")
        _ticks(panel, rows if tensor.dim() > 1 else 0, row_labels if index == 0 else [""] * rows, "y", written)
        _ticks(panel, columns, column_labels, "x", written)
    if not written:
        figure.colorbar(image, ax=grid, pad=0.01, label=unit, extend="both" if limits[0] < 0 else "neither")
    return figure


def _sheet(
    panels: Tensor, row_labels: Sequence[str] | None, column_labels: Sequence[str] | None, written: bool
) -> tuple[Figure, list[Axes]]:
    count, rows, columns = panels.shape
    if written:
        margin = 0.75 + 0.085 * max((len(visible(label)) for label in row_labels or []), default=0)
        width, height = margin + count * (0.55 * columns + 0.15), 0.85 + 0.36 * rows
    else:
        width, height = WIDTH, 0.8 + min(max(0.32 * rows, 0.4), 3.2)
    if column_labels is not None and _upright(column_labels):
        height += 0.08 * max(len(visible(label, longest=24)) for label in column_labels)
    figure, grid = new_panels(1, count, height, min(width, WIDTH))
    return figure, grid[0]


def write_numbers(axes: Axes, image: AxesImage, matrix: Tensor, digits: int, size: float = SMALL) -> None:
    """The number of each cell on it, in an ink that reads on its colour."""
    for (row, column), value in zip(indices(matrix), matrix.flatten().tolist(), strict=True):
        ground = image.cmap(image.norm(value)) if abs(value) != float("inf") else FAINT
        text = number_text(value, digits)
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=ink_on(ground))


def indices(matrix: Tensor) -> list[tuple[int, int]]:
    """List (row, column) of every cell, row by row."""
    return [(row, column) for row in range(matrix.shape[0]) for column in range(matrix.shape[1])]


def _ticks(axes: Axes, count: int, labels: Sequence[str] | None, side: Literal["x", "y"], all_of_them: bool) -> None:
    """Set tick labels, or indices if there are no labels."""
    axis = axes.xaxis if side == "x" else axes.yaxis
    axes.tick_params(axis=side, length=0, labelsize=SMALL)
    if labels is not None:
        axis.set_ticks(range(count), [visible(label, longest=24) for label in labels])
        if side == "x" and _upright(labels):
            axes.tick_params(axis="x", rotation=90)
    elif all_of_them or count <= 12:
        axis.set_ticks(range(count))


def _upright(labels: Sequence[str]) -> bool:
    """Whether labels below cells of 0.55 inches must be rotated, so as not to overlap."""
    return max(len(visible(label)) for label in labels) > 7
