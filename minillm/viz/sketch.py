"""A loss plot as plain SVG, drawn in about a millisecond, so that a live plot does not slow down a run.

The final figure is `figures.training_curve`, which takes a few hundred milliseconds and shows the same data. `panels`
draws several small plots with the same axes, lines and texts.
"""

import html
import math
from collections.abc import Mapping, Sequence

from minillm.viz.figures.curves import round_number
from minillm.viz.figures.style import BLUE, FAINT, INK, ORANGE, PAPER, QUIET, SKY

WIDTH, HEIGHT = 720, 300  # pixels
LEFT, RIGHT, TOP, BOTTOM = 52, 590, 34, 262  # edges of the plot; labels are right of it
MOST_POINTS = 1000  # per line, more than there are pixels

Curve = tuple[Sequence[float], Sequence[float]]  # steps, and nats per token


class Axes:
    """The mapping from data to pixels: steps on a linear scale, values on a linear or a logarithmic scale.

    `box` has the left, right, top and bottom edge of the plot.
    """

    def __init__(
        self,
        last_step: float,
        low: float,
        high: float,
        box: tuple[float, float, float, float] = (LEFT, RIGHT, TOP, BOTTOM),
        log: bool = True,
    ):
        self.last_step, self.low, self.high, self.log = last_step, low, high, log
        self.left, self.right, self.top, self.bottom = box

    def x(self, step: float) -> float:
        """Return the x pixel of a step."""
        return self.left + (self.right - self.left) * step / self.last_step

    def y(self, value: float) -> float:
        """Return the y pixel of a value; on a logarithmic scale it is positive."""
        share = (value - self.low) / (self.high - self.low)
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.bottom - (self.bottom - self.top) * share

    def points(self, curve: Curve) -> str:
        """Format a curve as the `points` of an SVG polyline, with at most about `MOST_POINTS` points."""
        steps, values = curve
        stride = -(-len(steps) // MOST_POINTS)
        kept = list(zip(steps, values, strict=True))
        kept = kept[::stride] + kept[-1:] if stride > 1 else kept
        return " ".join(f"{self.x(step):.1f},{self.y(value):.1f}" for step, value in kept)


def sketch(
    raw: Curve,
    smooth: Curve,
    validation: Curve,
    references: Mapping[str, float],
    band: tuple[Sequence[float], Sequence[float], Sequence[float]] | None,
    band_name: str,
    steps: int | None,
    sentence: str,
) -> str:
    """Draw the loss curves as SVG with `sentence` as alternative text; all values are positive, `raw` is not empty."""
    values = [*raw[1], *validation[1], *references.values(), *(() if band is None else (*band[1], *band[2]))]
    last = max(raw[0][-1], steps or 0, 0 if band is None else band[0][-1])
    axes = Axes(last, 0.93 * min(values), 1.07 * max(values))

    # background, band, ticks and curves
    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>']
    legend = [(BLUE, "training loss")]
    if band is not None:
        outline = ([*band[0], *reversed(band[0])], [*band[1], *reversed(band[2])])
        parts.append(f'<polygon class="band" points="{axes.points(outline)}" fill="{FAINT}" opacity="0.8"/>')
        legend.append((FAINT, band_name))
    parts += _ticks(axes)
    parts.append(line("raw", axes.points(raw), SKY, 1))
    parts.append(line("smooth", axes.points(smooth), BLUE, 2))
    if validation[0]:
        parts.append(line("validation", axes.points(validation), ORANGE, 2))
        dots = zip(*validation, strict=True)
        parts += [f'<circle cx="{axes.x(s):.1f}" cy="{axes.y(v):.1f}" r="3.5" fill="{ORANGE}"/>' for s, v in dots]
        legend.insert(1, (ORANGE, "validation loss"))

    # reference lines and legend
    for name, value in references.items():
        y = axes.y(value)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="{QUIET}" stroke-dasharray="5 4"/>')
        parts.append(text(RIGHT + 8, y + 4, f"{name} {value:.2f}", QUIET))
    for column, (colour, name) in enumerate(legend):
        parts.append(f'<rect x="{LEFT + 175 * column}" y="11" width="16" height="7" fill="{colour}"/>')
        parts.append(text(LEFT + 22 + 175 * column, 19, name, INK))
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12"'
    label = f'role="img" aria-label="{html.escape(sentence)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {label}>{"".join(parts)}</svg>'


def _ticks(axes: Axes) -> list[str]:
    """The axes, with ticks at 1, 2 and 5 times the powers of ten, and at quarters of the steps."""
    frame = f'<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}" fill="none" stroke="{QUIET}"/>'
    parts = [frame, text(LEFT - 44, TOP - 8, "nats", INK), text(RIGHT + 30, BOTTOM + 18, "step", INK)]
    exponents = range(math.floor(math.log10(axes.low)), math.ceil(math.log10(axes.high)) + 1)
    for nats in (lead * 10.0**power for power in exponents for lead in (1, 2, 5)):
        if axes.low <= nats <= axes.high:
            parts.append(text(LEFT - 8, axes.y(nats) + 4, round_number(nats), INK, "end"))
    for quarter in range(5):
        step = axes.last_step * quarter / 4
        parts.append(text(axes.x(step), BOTTOM + 18, f"{step:,.0f}", INK, "middle"))
    return parts


def line(name: str, points: str, colour: str, width: float) -> str:
    """Format a line through `points` of `Axes`."""
    return f'<polyline class="{name}" points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def text(x: float, y: float, words: str, colour: str, anchor: str = "start", more: str = "") -> str:
    """Format words at a position; `more` holds further attributes."""
    look = f'fill="{colour}" text-anchor="{anchor}"{more}'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{html.escape(words)}</text>'
