"""What stands between tensors: arrows, signs, panels of text; rows and fans."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from minillm.viz.diagrams.boxes import LINE, Box
from minillm.viz.diagrams.canvas import Area, Canvas, caption_width, text_width
from minillm.viz.diagrams.part import Extent, Part
from minillm.viz.figures.style import SMALL, TINY

GAP = 0.08  # inches between two parts
FORK = 0.42  # inches from a part to the rows that its arrows lead to
APART = 0.18  # inches between two rows of a fan
OPERATOR = 12  # points


@dataclass(frozen=True)
class Arrow(Part):
    """An operation: an arrow with its name above and a note below.

    Lines are separated by a line break.

    >>> Arrow("softmax", "each row sums to 1").told
    'then softmax (each row sums to 1)'
    """

    name: str
    note: str = ""

    @property
    def told(self) -> str:
        """The operation in words."""
        note = f" ({' '.join(self.note.split())})" if self.note else ""
        return f"then {' '.join(self.name.split())}{note}"

    def extent(self) -> Extent:
        """The size of the arrow with its texts."""
        above, below = self.name.splitlines(), self.note.splitlines()
        width = max(caption_width(above, SMALL), caption_width(below, TINY)) + 0.22
        return Extent(max(width, 0.5), 0.08 + LINE * len(above), 0.08 + LINE * len(below))

    def draw(self, canvas: Canvas, x: float, middle: float) -> None:
        """Draw the arrow with its tail at `x`."""
        width = self.extent().width
        center, lines = x + width / 2 - 0.02, self.name.splitlines()
        canvas.arrow((x, middle), (x + width, middle))
        for index, line in enumerate(lines):
            canvas.text(center, middle - 0.05 - LINE * (len(lines) - index - 0.5), line)
        for index, line in enumerate(self.note.splitlines()):
            canvas.text(center, middle + 0.05 + LINE * (index + 0.5), line, size=TINY, color=canvas.theme.quiet)


@dataclass(frozen=True)
class Sign(Part):
    """An operator between two boxes, such as "@" or "=".

    >>> Sign("@").told
    '@'
    """

    name: str

    @property
    def told(self) -> str:
        """The sign itself."""
        return self.name

    def extent(self) -> Extent:
        """The size of the sign."""
        return Extent(text_width(self.name, OPERATOR) + 0.08, 0.12, 0.12)

    def draw(self, canvas: Canvas, x: float, middle: float) -> None:
        """Write the sign with its left edge at `x`."""
        canvas.text(x + self.extent().width / 2, middle, self.name, size=OPERATOR, color=canvas.theme.quiet)


@dataclass(frozen=True)
class Panel(Part):
    """A rounded box with a name and lines of text.

    >>> Panel("W_O", ("H·D × C = 576 × 576",)).told
    'W_O (H·D × C = 576 × 576)'
    """

    name: str
    lines: tuple[str, ...] = ()
    accent: int | None = None
    least: float = 0.0  # inches, the smallest width
    prose: bool = False  # lines begin at the left

    @property
    def told(self) -> str:
        """The texts in the panel."""
        return (
            f"{self.name} ({'; '.join(self.lines)})" if self.name and self.lines else self.name or " ".join(self.lines)
        )

    def extent(self) -> Extent:
        """The size of the panel."""
        name = text_width(self.name, SMALL, bold=True)
        half = LINE * (len(self.lines) + bool(self.name)) / 2 + 0.07
        return Extent(max(self.least, name + 0.22, caption_width(self.lines, TINY) + 0.22), half, half)

    def draw(self, canvas: Canvas, x: float, middle: float) -> Area:
        """Draw the panel with its left edge at `x`; returns its area."""
        width, half, _ = self.extent()
        area = Area(x, middle - half, x + width, middle + half)
        edge = canvas.theme.line if self.accent is None else canvas.theme.accent(self.accent)
        canvas.panel(area, canvas.theme.panel, edge, radius=0.07, width=1.4)
        y = area.top + 0.07 + LINE / 2
        if self.name:
            color = canvas.theme.ink if self.accent is None else edge
            self._line(canvas, area, y, self.name, bold=True, color=color)
            y += LINE
        for line in self.lines:
            self._line(canvas, area, y, line, size=TINY)
            y += LINE
        return area

    def _line(self, canvas: Canvas, area: Area, y: float, text: str, **look: Any) -> None:
        if self.prose:
            canvas.text(area.left + 0.11, y, text, align="left", **look)
        else:
            canvas.text(area.center, y, text, **look)


@dataclass(frozen=True)
class Row(Part):
    """Parts side by side, `gap` inches apart."""

    parts: tuple[Part, ...]
    gap: float = GAP

    @property
    def told(self) -> str:
        """The parts in words, in order."""
        return told(self.parts)

    def with_digits(self, digits: int) -> "Row":
        """The row with fewer digits in each box."""
        return dataclasses.replace(self, parts=tuple(part.with_digits(digits) for part in self.parts))

    def extent(self) -> Extent:
        """The size of the row."""
        sizes = [part.extent() for part in self.parts]
        width = sum(size.width for size in sizes) + self.gap * (len(sizes) - 1)
        return Extent(width, max(size.above for size in sizes), max(size.below for size in sizes))

    def draw(self, canvas: Canvas, x: float, middle: float) -> list[Any]:
        """Draw the parts; returns what each returns, a box the area of its cells."""
        areas = []
        for part in self.parts:
            areas.append(part.draw(canvas, x, middle))
            x += part.extent().width + self.gap
        return areas


@dataclass(frozen=True)
class Fan(Part):
    """Rows below each other, with an arrow to each from the part before."""

    rows: tuple[Row, ...]

    @property
    def told(self) -> str:
        """The rows in words."""
        return "then " + "; ".join(row.told for row in self.rows)

    def with_digits(self, digits: int) -> "Fan":
        """The fan with fewer digits in each box."""
        return Fan(tuple(row.with_digits(digits) for row in self.rows))

    def extent(self) -> Extent:
        """The size of the fan, which is aligned at its middle row or rows."""
        return self._extent

    @cached_property
    def _extent(self) -> Extent:
        width, levels = max(row.extent().width for row in self.rows), self._levels()
        above = (levels[(len(levels) - 1) // 2] + levels[len(levels) // 2]) / 2
        return Extent(FORK + width, above, levels[-1] + self.rows[-1].extent().below - above)

    def draw(self, canvas: Canvas, x: float, middle: float) -> None:
        """Draw the arrows and the rows."""
        top = middle - self.extent().above
        for row, level in zip(self.rows, self._levels(), strict=True):
            canvas.curve((x, middle), (x + FORK - GAP, top + level), across=True)
            row.draw(canvas, x + FORK, top + level)

    def _levels(self) -> list[float]:
        """How far below the top each row is aligned."""
        levels, y = [], 0.0
        for row in self.rows:
            _, above, below = row.extent()
            levels.append(y + above)
            y += above + below + APART
        return levels


def told(parts: Sequence[Part]) -> str:
    """Parts in words: boxes and signs as in an equation, operations after a comma.

    >>> told([Panel("x"), Sign("="), Panel("y"), Arrow("softmax"), Panel("z")])
    'x = y, then softmax, z'
    """
    text = ""
    for before, part in zip([None, *parts], parts, strict=False):
        near = before is None or isinstance(part, Sign) or isinstance(before, Sign)
        text += ("" if before is None else " " if near else ", ") + part.told
    return text


def tensors(*parts: Part) -> list[Box]:
    """The boxes among parts, also those inside rows and fans.

    >>> tensors(Row((Sign("@"), Panel("no tensor"))))
    []
    """
    found: list[Box] = []
    for part in parts:
        if isinstance(part, Box):
            found.append(part)
        elif isinstance(part, Row):
            found += tensors(*part.parts)
        elif isinstance(part, Fan):
            found += tensors(*part.rows)
    return found


def one_scale(*boxes: Box) -> list[Box]:
    """The boxes with one color scale, up to the largest number in them.

    >>> from minillm.viz.diagrams.boxes import box
    >>> small, large = one_scale(box("a", [[1.0]], "T C"), box("b", [[4.0]], "T C"))
    >>> small.limit, large.limit
    (4.0, 4.0)
    """
    limit = max(part.largest for part in boxes)
    return [dataclasses.replace(part, limit=limit) for part in boxes]
