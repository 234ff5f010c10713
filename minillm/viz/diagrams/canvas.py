"""A canvas for diagrams and the finished `Diagram`.

Coordinates are inches from the upper left corner. Every text is measured with the font's own metrics before anything is
placed, so that labels cannot overlap.
"""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Curve
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from PIL import Image

from minillm.errors import UserError
from minillm.viz.diagrams.theme import Theme
from minillm.viz.figures import style
from minillm.viz.figures.style import SMALL, TINY

MARGIN = 0.14  # inches around a diagram
TITLE = 11  # points
FONT = "DejaVu Sans"
SHARP = 2.0  # pixels of a picture per CSS pixel


class Area(NamedTuple):
    """A rectangle in inches: left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def center(self) -> float:
        """The horizontal center."""
        return (self.left + self.right) / 2

    @property
    def middle(self) -> float:
        """The vertical center."""
        return (self.top + self.bottom) / 2


@cache
def text_width(text: str, size: float = SMALL, bold: bool = False) -> float:
    """The width of one line of text, in inches; `size` is in points.

    >>> text_width("river") < text_width("river", bold=True) < text_width("a longer text")
    True
    """
    font = FontProperties(family=FONT, size=size, weight="bold" if bold else "normal")
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 72


def wrapped(text: str, width: float, size: float = SMALL, most: int | None = None, bold: bool = False) -> list[str]:
    """Break a text into lines of at most `width` inches.

    Beyond `most` lines, it ends with an ellipsis.

    >>> wrapped("12 + 9 = 21, 21 - 4 = 17", width=1.0)
    ['12 + 9 = 21,', '21 - 4 = 17']
    """
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        broken: list[str] = []
        # textwrap counts characters, so give it fewer until the widest line fits; then until that takes one more line,
        # so that the lines are about equally long
        for letters in range(max(1, len(paragraph)), 0, -1):
            narrower = textwrap.wrap(paragraph, letters) or [""]
            if broken and len(narrower) > len(broken):
                break
            if max(text_width(line, size, bold) for line in narrower) <= width or letters == 1:
                broken = narrower
        lines += broken
    if most is not None and len(lines) > most:
        last = lines[most - 1]
        while last and text_width(last + "…", size, bold) > width:
            last = last[:-1]
        lines = [*lines[: most - 1], last.rstrip() + "…"]
    return lines


class Canvas:
    """An empty figure on which shapes are drawn in the order of the calls."""

    def __init__(self, width: float, height: float, theme: Theme):
        self.theme = theme
        self.signed = False  # whether the colors of tensors run from negative to positive
        self.figure = Figure(figsize=(width, height), facecolor=theme.paper)
        FigureCanvasAgg(self.figure)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(height, 0))
        self.axes.axis("off")
        self._order = 0

    def above(self) -> int:
        """A z-order above everything drawn so far."""
        self._order += 1
        return self._order

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = SMALL,
        color: str | None = None,
        align: Literal["left", "center", "right"] = "center",
        bold: bool = False,
    ) -> None:
        """Write one line whose capitals are centered at height `y`."""
        weight = "bold" if bold else "normal"
        self.axes.add_artist(
            Text(
                x, y + 0.36 * size / 72, text, color=color or self.theme.ink, fontsize=size, family=FONT,
                weight=weight, ha=align, va="baseline", parse_math=False, zorder=self.above(),
            )
        )  # fmt: skip

    def upright(self, x: float, bottom: float, text: str, size: float = SMALL) -> None:
        """Write a line from bottom to top, centered at `x`."""
        self.axes.add_artist(
            Text(
                x + 0.36 * size / 72, bottom, text, color=self.theme.ink, fontsize=size, family=FONT, rotation=90,
                rotation_mode="anchor", ha="left", va="baseline", parse_math=False, zorder=self.above(),
            )
        )  # fmt: skip

    def panel(
        self,
        area: Area,
        face: str | None = None,
        edge: str = "none",
        width: float = 1.2,
        radius: float = 0.0,
        hatch: str | None = None,
    ) -> None:
        """Draw a rectangle with corners of `radius` inches and matplotlib's `hatch`."""
        shape = "round,pad=0,rounding_size=" + str(radius) if radius else "square,pad=0"
        self.axes.add_patch(
            FancyBboxPatch(
                (area.left, area.top), area.right - area.left, area.bottom - area.top, boxstyle=shape,
                facecolor=face or "none", edgecolor=edge, linewidth=width, hatch=hatch, zorder=self.above(),
                joinstyle="miter" if not radius else "round",
            )
        )  # fmt: skip

    def hatched(self, area: Area) -> None:
        """Draw a masked area."""
        self.panel(area, self.theme.masked, self.theme.hatch, width=0, hatch="/////")

    def line(self, *points: tuple[float, float], color: str | None = None, width: float = 1.2) -> None:
        """Draw straight strokes through the points."""
        xs, ys = zip(*points, strict=True)
        look: dict[str, Any] = dict(
            color=color or self.theme.line, linewidth=width, solid_capstyle="butt", zorder=self.above()
        )
        self.axes.add_line(Line2D(xs, ys, **look))

    def arrow(
        self, *points: tuple[float, float], color: str | None = None, head: bool = True, width: float = 1.2
    ) -> None:
        """Draw an arrow through the points, with rounded corners."""
        self._arrow(_rounded(points), color, head, width)

    def curve(
        self, start: tuple[float, float], end: tuple[float, float], color: str | None = None, across: bool = False
    ) -> None:
        """Draw an arrow that leaves and arrives downwards or, if `across`, to the right."""
        (x, y), (to_x, to_y), straight = start, end, 0.06  # the last inches are straight, for the head of the arrow
        if across:
            bend = 0.6 * (to_x - x)
            controls = [(x + bend, y), (to_x - bend - straight, to_y), (to_x - straight, to_y)]
        else:
            bend = 0.6 * (to_y - y)
            controls = [(x, y + bend), (to_x, to_y - bend - straight), (to_x, to_y - straight)]
        points = [start, *controls, end]
        path = Curve(points, [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4, Curve.LINETO])
        self._arrow(path, color, head=True, width=1.2)

    def _arrow(self, path: Curve, color: str | None, head: bool, width: float) -> None:
        color = color or self.theme.line
        self.axes.add_patch(
            FancyArrowPatch(
                path=path, arrowstyle="-|>" if head else "-", mutation_scale=9, edgecolor=color,
                linewidth=width, shrinkA=0, shrinkB=0, capstyle="butt", zorder=self.above(),
                fill=head, facecolor=color,
            )
        )  # fmt: skip


def _rounded(points: Sequence[tuple[float, float]], radius: float = 0.08) -> Curve:
    """A path through the points whose corners are quadratic curves."""
    vertices, codes = [points[0]], [Curve.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near, far = (_toward(corner, other, radius) for other in (before, after))
        vertices += [near, corner, far]
        codes += [Curve.LINETO, Curve.CURVE3, Curve.CURVE3]
    return Curve([*vertices, points[-1]], [*codes, Curve.LINETO])


def _toward(start: tuple[float, float], end: tuple[float, float], distance: float) -> tuple[float, float]:
    (x, y), (to_x, to_y) = start, end
    length = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5
    share = min(0.5, distance / length) if length else 0.0
    return x + share * (to_x - x), y + share * (to_y - y)


@dataclass(frozen=True)
class Diagram:
    """A finished drawing with its alternative text; `show` displays it in a notebook.

    >>> from minillm.viz.diagrams import box, flow
    >>> diagram = flow([box("x", [[1, 2], [3, 4]], "T C")])
    >>> diagram.alt
    'Diagram. x (T × C = 2 × 2).'
    >>> diagram.png()[:4], "<title>Diagram. x (T × C = 2 × 2).</title>" in diagram.svg()
    (b'\\x89PNG', True)
    """

    figure: Figure
    alt: str

    def show(self, caption: str | None = None) -> None:
        """Display the diagram; its alternative text is metadata, and `caption`, one line, is printed below it."""
        style.show_picture(self.png(), self.alt, caption, density=SHARP)

    def png(self) -> bytes:
        """Render as PNG with two pixels per CSS pixel.

        At most 256 colors make it a third as large.
        """
        picture = Image.open(io.BytesIO(style.png(self.figure, density=SHARP))).convert("RGB")
        buffer = io.BytesIO()
        picture.quantize(256, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
        return buffer.getvalue()

    def svg(self) -> str:
        """Render as SVG with letters as paths, which needs no font."""
        buffer = io.StringIO()
        with matplotlib.rc_context({"svg.hashsalt": "minillm", "svg.fonttype": "path"}):
            color = self.figure.get_facecolor()
            metadata = {"Title": self.alt, "Date": None, "Creator": None}
            self.figure.savefig(buffer, format="svg", facecolor=color, metadata=metadata)
        return buffer.getvalue()

    def save(self, path: str | Path) -> None:
        """Write the diagram to a file; raises `UserError` unless it is .svg or .png."""
        path = Path(path)
        if path.suffix not in (".svg", ".png"):
            raise UserError(f"{path.name} is neither .svg nor .png; choose one of these endings")
        path.write_bytes(self.svg().encode() if path.suffix == ".svg" else self.png())


def caption_width(lines: Sequence[str], size: float = TINY) -> float:
    """The width of the widest of several lines, in inches."""
    return max((text_width(line, size) for line in lines), default=0.0)
