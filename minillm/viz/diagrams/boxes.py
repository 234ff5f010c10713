"""Tensors as boxes: a name, a grid of cells with words and numbers, a shape."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from minillm.errors import UserError
from minillm.viz.diagrams.canvas import Area, Canvas, text_width
from minillm.viz.diagrams.part import Extent, Part
from minillm.viz.figures.style import SMALL, TINY, tensor_of, visible
from minillm.viz.figures.tensors import colour_limits, indices, number_text

MOST_WRITTEN = 8  # rows and columns up to which numbers are written
LONGEST = 12  # characters of a word
ROW = 0.25  # inches, a row with numbers
SIDE = 0.17  # inches, a cell without a number
TALLEST = 1.4  # inches, of cells without numbers and without words
LABEL = 0.14  # inches, the least height of a row with a word
MOST_WORDS = 24  # rows and columns up to which words are written
LINE = 0.17  # inches, a line of text
COLORS_ONLY = -1  # a number of digits that means: write no numbers
SHEET = 0.06  # inches between two sheets of a tensor of three dimensions
MOST_SHEETS = 6


@dataclass(frozen=True, eq=False)  # tensors have no single answer to ==
class Box(Part):
    """A tensor with its name; `box` makes one and checks it."""

    name: str
    values: Tensor  # (rows, columns), or (sheets, rows, columns)
    axes: tuple[str, ...]
    sizes: tuple[int, ...]
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    mask: Tensor | None = None  # True: hatched
    accent: int | None = None
    bands: tuple[int | None, ...] = ()  # the accents of groups of columns, such as heads; None: gray
    digits: int | None = None  # None: as many as fit
    widest: float = 2.0  # inches, of the cells without numbers
    shape_at: Literal["below", "above", "nowhere"] = "below"
    limit: float | None = None  # the number with the strongest color; None: the largest of this box
    corner: str = ""  # what rows and columns are, above the words of the rows

    @property
    def shape(self) -> str:
        """The shape as it is written below the box."""
        return shape_text(self.axes, self.sizes)

    @property
    def told(self) -> str:
        """The tensor in words, for the alternative text."""
        return f"{self.name} ({self.shape})"

    @property
    def signed(self) -> bool:
        """Whether there are negative numbers, which need a second color."""
        return bool((self._finite() < 0).any())

    @property
    def shaded(self) -> bool:
        """Whether the colors say more than yes and no."""
        return bool(((self._finite() != 0) & (self._finite() != 1)).any())

    @property
    def front(self) -> Tensor:
        """The matrix that is drawn: of a tensor of three dimensions, the first."""
        return self.values[0] if self.values.dim() == 3 else self.values

    @property
    def written(self) -> bool:
        """Whether the cells hold numbers."""
        return self.digits != COLORS_ONLY and max(self.front.shape) <= MOST_WRITTEN

    @property
    def largest(self) -> float:
        """The largest number without its sign, outliers left out."""
        finite = self._finite()
        return max(abs(number) for number in colour_limits(finite)) if finite.numel() else 1.0

    def with_digits(self, digits: int) -> "Box":
        """The box with at most so many digits after the point, and about three that count."""
        if self.digits is not None:
            return self
        numbers = self._finite()
        largest = float(numbers.abs().max()) if numbers.numel() else 0.0
        enough = 0 if bool((numbers % 1 == 0).all()) else 2 if largest < 10 else 1 if largest < 100 else 0
        return dataclasses.replace(self, digits=min(digits, enough))

    @cached_property
    def cell(self) -> tuple[float, float]:
        """The width and height of one cell, in inches."""
        rows, columns = self.front.shape
        if self.written:
            number = max((text_width(text, TINY) for text in self._numbers.values()), default=0.0)
            wide = max(0.3, number + 0.08)
            word = max((text_width(word, TINY) for word in self.columns), default=0.0) + 0.08
            return max(wide, word) if word < wide + 0.2 else wide, ROW  # a little wider, so that words lie flat
        least = [LABEL if words else 0.0 for words in (self.columns, self.rows)]
        return max(least[0], min(SIDE, self.widest / columns)), max(least[1], min(SIDE, TALLEST / rows))

    def extent(self) -> Extent:
        """The size of the box with its labels."""
        return self._extent

    @cached_property
    def _extent(self) -> Extent:  # asked for again and again while rows are broken
        left, right = self.sides()
        high = self.front.shape[0] * self.cell[1]
        return Extent(
            left + right, high / 2 + self._head(), high / 2 + (LINE + 0.05 if self.shape_at == "below" else 0.0)
        )

    def draw(self, canvas: Canvas, x: float, middle: float) -> Area:
        """Draw the box with its left edge at `x`; returns the area of its cells."""
        (wide, high), (rows, columns) = self.cell, self.front.shape
        left, top = x + self.sides()[0] - wide * columns / 2, middle - high * rows / 2
        area = Area(left, top, left + wide * columns, top + high * rows)
        color = canvas.theme.ink if self.accent is None else canvas.theme.accent(self.accent)
        name_height = top - self._head() + LINE / 2
        canvas.text(area.center, name_height, self.name, color=color, bold=True)
        if self.shape_at != "nowhere":
            height = name_height + LINE if self.shape_at == "above" else area.bottom + 0.05 + LINE / 2
            canvas.text(area.center, height, self.shape, size=TINY, color=canvas.theme.quiet)
        for sheet in reversed(range(1, self._sheets())):
            shift, edge = SHEET * sheet, canvas.theme.accent(sheet)
            canvas.panel(
                Area(left + shift, top - shift, area.right + shift, area.bottom - shift), canvas.theme.panel, edge
            )
        self._cells(canvas, area)
        self._labels(canvas, area)
        self._frame(canvas, area)
        return area

    def _finite(self) -> Tensor:
        shown = self.values if self.mask is None else self.values.masked_fill(self.mask, 0.0)
        return shown[shown.isfinite()]

    def _sheets(self) -> int:
        return min(self.values.shape[0], MOST_SHEETS) if self.values.dim() == 3 else 1

    def _band(self) -> float:
        return 0.08 if self.bands else 0.0

    def _rise(self) -> float:
        return SHEET * (self._sheets() - 1)

    def _hidden(self, row: int, column: int) -> bool:
        return self.mask is not None and bool(self.mask[row, column])

    @cached_property
    def _numbers(self) -> dict[tuple[int, int], str]:
        digits = 2 if self.digits is None else max(self.digits, 0)
        cells = zip(indices(self.front), self.front.flatten().tolist(), strict=True)
        return {place: number_text(value, digits) for place, value in cells if not self._hidden(*place)}

    @cached_property
    def _upright(self) -> bool:
        return any(text_width(word, TINY) + 0.08 > self.cell[0] for word in self.columns)

    def _head(self) -> float:
        """The height of everything above the cells."""
        words = max((text_width(word, TINY) for word in self.columns), default=0.0) if self._upright else 0.11
        lines = LINE * (2 if self.shape_at == "above" else 1)
        return lines + 0.05 + self._rise() + (words + 0.08 if self.columns else 0.02) + self._band()

    def sides(self) -> tuple[float, float]:
        """The distances from the center of the cells to the edges of the box."""
        half = self.front.shape[1] * self.cell[0] / 2
        words = max((text_width(word, TINY) + 0.07 for word in (*self.rows, self.corner) if word), default=0.0)
        shape = text_width(self.shape, TINY) if self.shape_at != "nowhere" else 0.0
        title = max(text_width(self.name, SMALL, bold=True), shape) / 2
        return max(half + words, title) + 0.02, max(half + self._rise(), title) + 0.02

    def _cells(self, canvas: Canvas, area: Area) -> None:
        (wide, high), (rows, columns) = self.cell, self.front.shape
        shown = self.front if self.mask is None else self.front.masked_fill(self.mask, 0.0)
        shown = torch.where(shown.isfinite(), shown, 0.0)
        limit = self.limit or self.largest
        large = wide > 0.1 and high > 0.1
        edges: dict[str, Any] = (
            dict(edgecolors=canvas.theme.paper, linewidth=0.8) if large else dict(edgecolors="face", linewidth=0.1)
        )
        canvas.axes.pcolormesh(
            [area.left + wide * column for column in range(columns + 1)],
            [area.top + high * row for row in range(rows + 1)],
            shown.numpy(), cmap=canvas.theme.scale(canvas.signed), vmin=-limit if canvas.signed else 0.0, vmax=limit,
            zorder=canvas.above(), rasterized=rows * columns > 2000, **edges,
        )  # fmt: skip
        for row in range(rows):
            for start, end in _runs([self._hidden(row, column) for column in range(columns)]):
                y = area.top + high * row
                run = Area(area.left + wide * start, y, area.left + wide * end, y + high)
                canvas.hatched(run)
        if self.written:
            for (row, column), text in self._numbers.items():
                canvas.text(area.left + wide * (column + 0.5), area.top + high * (row + 0.5), text, size=TINY)

    def _labels(self, canvas: Canvas, area: Area) -> None:
        wide, high = self.cell
        for row, word in enumerate(self.rows):
            canvas.text(area.left - 0.07, area.top + high * (row + 0.5), word, size=TINY, align="right")
        lift = area.top - self._rise() - self._band()
        if self.corner:
            canvas.text(area.left - 0.07, lift - 0.1, self.corner, TINY, canvas.theme.quiet, align="right")
        for column, word in enumerate(self.columns):
            x = area.left + wide * (column + 0.5)
            if self._upright:
                canvas.upright(x, lift - 0.06, word, size=TINY)
            else:
                canvas.text(x, lift - 0.1, word, size=TINY)

    def _frame(self, canvas: Canvas, area: Area) -> None:
        theme = canvas.theme
        edge = theme.quiet if self.accent is None else theme.accent(self.accent)
        canvas.panel(area, edge=theme.accent(0) if self._sheets() > 1 else edge, width=1.5)
        step = (area.right - area.left) / max(1, len(self.bands))
        for band, accent in enumerate(self.bands):
            left = area.left + step * band
            bar = Area(left + 0.02, area.top - 0.09, left + step - 0.02, area.top - 0.03)
            canvas.panel(bar, theme.hatch if accent is None else theme.accent(accent), width=0)
            if band:
                canvas.line((left, area.top), (left, area.bottom), color=edge, width=1.5)


def shape_text(axes: Sequence[str], sizes: Sequence[int]) -> str:
    """Write a shape in the letters of the legend.

    >>> shape_text(["T", "C"], [5, 1024])
    'T × C = 5 × 1,024'
    """
    return f"{' × '.join(axes)} = {' × '.join(f'{size:,}' for size in sizes)}"


def _runs(flags: Sequence[bool]) -> list[tuple[int, int]]:
    """The runs of True, as (start, end).

    >>> _runs([True, True, False, True])
    [(0, 2), (3, 4)]
    """
    edges = [i for i in range(len(flags) + 1) if (i > 0 and flags[i - 1]) != (i < len(flags) and flags[i])]
    return list(zip(edges[::2], edges[1::2], strict=True))


def box(
    name: str,
    values: Any,
    axes: str,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    mask: Any = None,
    accent: int | None = None,
    bands: Sequence[int | None] = (),
    digits: int | None = None,
    corner: str = "",
) -> Box:
    """A tensor for a diagram, of one to three dimensions.

    A vector is drawn as a row, and of a stack of matrices (H, T, S) the first is in front. `axes` names the dimensions
    by letters of the shape legend ("T S"); `rows` and `columns` are words; `mask` is True where a cell is hatched;
    `accent` is the color of name and frame, and `bands` are those of equal groups of columns, such as heads; `corner`
    says what rows and columns are. Numbers are written for up to eight rows and columns, with `digits` after the point;
    words, for up to 24. Raises `UserError`
    for words, axes or a mask that do not fit the shape, and for NaN.

    >>> box("scores", [[0.5, 1.0], [2.0, 0.25]], "T S", rows=["The", "bank"]).shape
    'T × S = 2 × 2'
    """
    tensor, letters = tensor_of(values), tuple(axes.split())
    if not 1 <= tensor.dim() == len(letters) <= 3 or tensor.numel() == 0:
        raise UserError(
            f"{name} has shape {tuple(tensor.shape)} and axes={axes!r}; give 1 to 3 dimensions and a letter for each"
        )
    if bool(tensor.isnan().any()):
        raise UserError(f"{name} holds NaN; was every key of a query masked? Each query must see at least one key")
    matrix = tensor[None] if tensor.dim() == 1 else tensor
    for words, size, kind in ((rows, matrix.shape[-2], "row"), (columns, matrix.shape[-1], "column")):
        if words and len(words) != size:
            raise UserError(f"{name} has {size} {kind}s and {len(words)} words; give one word per {kind}")
    if bands and matrix.shape[-1] % len(bands):
        raise UserError(f"{name} has {matrix.shape[-1]} columns, not a multiple of its {len(bands)} bands; change one")
    hidden = None
    if mask is not None:
        hidden = tensor_of(mask).bool()
        if hidden.shape != matrix.shape[-2:]:
            raise UserError(
                f"the mask of {name} has shape {tuple(hidden.shape)} and {name} {tuple(matrix.shape[-2:])}; "
                "give a mask of that shape, True where a cell is hidden"
            )
    down, across = (
        tuple(visible(word, LONGEST) for word in words) if len(words) <= MOST_WORDS else () for words in (rows, columns)
    )
    sizes = tuple(tensor.shape)
    return Box(name, matrix, letters, sizes, down, across, hidden, accent, tuple(bands), digits, corner=corner)
