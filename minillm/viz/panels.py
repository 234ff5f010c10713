"""Small plots beside each other that grow while a model trains: as SVG in a millisecond, at the end with matplotlib.

Both have no background and a gray that can be read on white and on black, so they suit a light and a dark notebook.
"""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes as Subplot
from matplotlib.figure import Figure

from minillm.viz.figures.style import PALETTE, SMALL, new_panels
from minillm.viz.sketch import Axes, Curve, line, text

GRAY = "#7A7F84"  # contrast 4 on white, 4.7 on JupyterLab's black
INK = "currentColor"  # in SVG: whatever the notebook's theme has for text
WIDTHS = (520, 360, 240)  # pixels of a plot if there are one, two or more
PLOT = 150  # pixels from the top of an axis to its bottom
LETTER = 6.6  # pixels that a letter takes on average


@dataclass(frozen=True)
class Panel:
    """A plot of one quantity; a share of something is drawn from 0 to 100%, anything else from zero unless `zoomed`."""

    name: str
    lines: Mapping[str, Curve]  # updates and values, finite, by what they are of
    levels: Mapping[str, float] = field(default_factory=dict)  # horizontal lines to compare with
    zoomed: bool = False
    first_colour: int = 0  # in the palette: a color stands for one line in all panels

    @property
    def values(self) -> list[float]:
        """All that is drawn."""
        return [value for _, values in self.lines.values() for value in values] + [*self.levels.values()]

    @property
    def is_share(self) -> bool:
        """Whether the values are shares between 0 and 1, which are written in percent."""
        return "share" in self.name.lower().split() and all(0 <= value <= 1 for value in self.values)

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and the highest value of the axis."""
        if self.is_share:
            return 0.0, 1.0
        values = self.values or [0.0]
        low, high = (min(values), max(values)) if self.zoomed else (min(0.0, *values), max(0.0, *values))
        room = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
        return low - room * (self.zoomed or low < 0), high + room * (self.zoomed or high > 0 or low == high)

    @property
    def ticks(self) -> list[float]:
        """Two to five round numbers within the limits.

        >>> Panel("tokens", {"tokens": ([1], [27.0])}).ticks
        [0.0, 10.0, 20.0]
        """
        low, high = self.limits
        power = 10.0 ** math.floor(math.log10((high - low) / 4))
        step = next(lead * power for lead in (1, 2, 5, 10) if lead * power >= (high - low) / 4)
        if self.is_share:
            step = 0.5
        return [round(k * step, 12) for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]

    def written(self, value: float) -> str:
        """A value as it is printed.

        >>> Panel("share of answers", {}).written(0.414), Panel("loss", {}).written(2.3456)
        ('41%', '2.35')
        """
        if self.is_share:
            return f"{value:.0%}"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"

    def side(self, level: float, last: int) -> tuple[bool, bool]:
        """Whether the words of a level stand at its right end, and above it: where the fewest points of lines are.

        >>> Panel("loss", {"a": ([1, 8, 9], [1.0, 2.1, 2.2])}, {"chance": 2.0}).side(2.0, last=9)
        (True, False)
        """
        low, high = self.limits
        tall = 0.14 * (high - low)
        points = [point for line in self.lines.values() for point in zip(*line, strict=True)]

        def crossed(right: bool, above: bool) -> float:
            way = 1 if above else -1
            if not low <= level + way * tall <= high:
                return math.inf
            return sum((2 * x >= last) == right and 0 <= way * (y - level) <= tall for x, y in points)

        return min(((right, above) for right in (True, False) for above in (True, False)), key=lambda at: crossed(*at))

    @property
    def legend(self) -> list[tuple[str, str]]:
        """A color for each line, and its name with its last value."""
        return [
            (
                PALETTE[(self.first_colour + index) % len(PALETTE)],
                f"{name} {self.written(values[-1])}" if values else name,
            )
            for index, (name, (_, values)) in enumerate(self.lines.items())
        ]


def panels_svg(panels: Sequence[Panel], last: int, sentence: str) -> str:
    """Draw plots of updates 0 to `last` as SVG, with `sentence` as alternative text."""
    width = WIDTHS[min(len(panels), len(WIDTHS)) - 1]
    placed = [_legend(panel, width) for panel in panels]
    top = 26 + 18 * max(rows for _, rows in placed) + 10
    parts = []
    for column, (panel, (legend, _)) in enumerate(zip(panels, placed, strict=True)):
        plot = "".join([*legend, *_plot(panel, last, (44, width - 16, top, top + PLOT))])
        parts.append(f'<g transform="translate({width * column} 0)">{plot}</g>')
    whole, height = width * len(panels), top + PLOT + 36
    size = f'width="{whole}" height="{height}" viewBox="0 0 {whole} {height}" style="max-width:100%"'
    label = f'role="img" aria-label="{html.escape(sentence)}" font-family="sans-serif" font-size="12"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {label}>{"".join(parts)}</svg>'


def _legend(panel: Panel, width: int) -> tuple[list[str], int]:
    """The name of a plot, and below it those of its lines with their last values; returns the number of rows, too."""
    parts = [text(8, 14, panel.name, INK, more=' font-weight="bold"')]
    x, row = 8.0, 1
    for colour, words in panel.legend:
        needed = 22 + LETTER * len(words) + 12
        if x > 8 and x + needed > width:
            x, row = 8.0, row + 1
        y = 14 + 18 * row
        parts.append(f'<rect x="{x:.0f}" y="{y - 6}" width="14" height="4" rx="2" fill="{colour}"/>')
        parts.append(text(x + 20, y, words, INK))
        x += needed
    return parts, row


def _plot(panel: Panel, last: int, box: tuple[float, float, float, float]) -> list[str]:
    left, right, _, bottom = box
    axes = Axes(last, *panel.limits, box, log=False)
    parts = []
    for tick in panel.ticks:
        y = axes.y(tick)
        parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="{GRAY}" stroke-opacity="0.3"/>')
        parts.append(text(left - 6, y + 4, panel.written(tick), INK, "end"))
    for quarter in (0, 0.5, 1) if last > 1 else (0, 1):
        parts.append(text(axes.x(round(quarter * last)), bottom + 16, f"{round(quarter * last):,}", INK, "middle"))
    parts.append(text((left + right) / 2, bottom + 31, "update", INK, "middle"))
    for name, level in panel.levels.items():
        y = axes.y(level)
        parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="{GRAY}" stroke-dasharray="5 4"/>')
        at_right, above = panel.side(level, last)
        end = (right, "end") if at_right else (left + 3, "start")
        words = f"{name} {panel.written(level)}"
        parts.append(text(end[0], y - 4 if above else y + 13, words, INK, end[1], ' font-size="11"'))
    for (colour, _), (name, curve) in zip(panel.legend, panel.lines.items(), strict=True):
        if curve[0]:
            x, y = axes.x(curve[0][-1]), axes.y(curve[1][-1])
            parts.append(line(html.escape(name), axes.points(curve), colour, 2))
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')
    return parts


def panels_figure(panels: Sequence[Panel], last: int) -> Figure:
    """Draw the same plots with matplotlib.

    >>> figure = panels_figure([Panel("tokens per answer", {"tokens": ([1, 2], [8.0, 27.0])})], last=48)
    >>> figure.axes[0].lines[0].get_xydata().tolist()
    [[1.0, 8.0], [2.0, 27.0]]
    """
    width = WIDTHS[min(len(panels), len(WIDTHS)) - 1] * len(panels)
    figure, (row,) = new_panels(1, len(panels), height=2.6, width=width / 96)
    figure.set_facecolor("none")
    for axes, panel in zip(row, panels, strict=True):
        axes.set(xlim=(0, last), ylim=panel.limits, xticks=sorted({0, round(last / 2), last}))
        axes.set_yticks(panel.ticks, [panel.written(tick) for tick in panel.ticks])
        axes.grid(axis="y", color=GRAY, alpha=0.3)
        for (colour, label), (updates, values) in zip(panel.legend, panel.lines.values(), strict=True):
            look = {"color": colour, "lw": 2, "marker": "o", "ms": 4.5, "markevery": [-1], "clip_on": False}
            (drawn,) = axes.plot(updates, values, label=label, **look)
            drawn.set_in_layout(False)  # an unclipped line without points has no place
        for name, level in panel.levels.items():
            axes.axhline(level, color=GRAY, lw=1, linestyle="--", zorder=1)
            words, (at_right, above) = f"{name} {panel.written(level)}", panel.side(level, last)
            look: Any = {"ha": "right" if at_right else "left", "va": "bottom" if above else "top", "color": GRAY}
            at = (last if at_right else 0, level), (0 if at_right else 3, 2 if above else -3)
            axes.annotate(words, *at, textcoords="offset points", size=SMALL, **look)
        _gray(axes, panel)
    return figure


def _gray(axes: Subplot, panel: Panel) -> None:
    """Write the texts of a plot in gray, on no background."""
    axes.set_facecolor("none")
    axes.tick_params(colors=GRAY, labelcolor=GRAY, labelsize=SMALL)
    axes.spines[:].set_color(GRAY)
    axes.set_xlabel("update", color=GRAY, size=SMALL)
    look = {"ncols": 2, "handlelength": 1, "borderaxespad": 0.1, "labelcolor": GRAY, "frameon": False}
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), fontsize=SMALL, **look)
    pad = 8 + 15 * math.ceil(len(panel.lines) / 2)
    axes.set_title(panel.name, loc="left", weight="bold", pad=pad, color=GRAY, size=10)
