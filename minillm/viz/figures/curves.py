"""Curves: lines with bands over seeds, scatter plots with a fit, and loss surfaces."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minillm.errors import UserError
from minillm.viz.figures.labels import label_points, name_at_the_right
from minillm.viz.figures.style import (
    BLUE,
    MARKERS,
    PALETTE,
    QUIET,
    RED,
    Matrix,
    Numbers,
    by_seed,
    in_style,
    named,
    new_figure,
    numbers,
    visible,
)

MOST_MARKERS = 32  # lines with more points get markers only on some of them


@in_style
def lines(
    series: Mapping[str, Numbers | Matrix],
    xlabel: str,
    ylabel: str,
    x: Numbers | Mapping[str, Numbers] | None = None,
    references: Mapping[str, float] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    ylim: tuple[float, float] | None = None,
    mean_of: int = 1,
) -> Figure:
    """Draw one line per named series, labeled at its right end.

    A series of shape (seeds, n) is drawn as its mean, with a band from the lowest to the highest seed. `x` is shared by
    all series or given per name; the default is the index. `references` are horizontal lines, such as chance or the
    floor. A point is the mean of its value and of those before it, up to `mean_of` values. Raises `UserError` for an
    empty series, a number that is not finite, or lengths that do not match.

    >>> [line.get_ydata().tolist() for line in lines({"loss": [3.0, 2.0]}, "step", "nats").axes[0].lines]
    [[3.0, 2.0]]
    >>> figure = lines({"loss": [[3.0, 2.0], [5.0, 2.0]]}, "step", "nats", x=[0, 100])        # two seeds
    >>> figure.axes[0].lines[0].get_xydata().tolist()
    [[0.0, 4.0], [100.0, 2.0]]
    """
    named(series, "lines")
    references = references or {}
    figure, axes = new_figure(height=max(2.8, 0.7 + 0.2 * (len(series) + len(references))))
    axes.set(xlabel=xlabel, ylabel=ylabel)
    ends = []
    for (name, values), colour, marker in zip(series.items(), itertools.cycle(PALETTE), itertools.cycle(MARKERS)):
        seeds = [trailing_means(seed, mean_of) for seed in by_seed(values, name)]
        middle = [sum(column) / len(column) for column in zip(*seeds, strict=True)]
        xs = _x_values(x, name, len(middle))
        step = 1 if len(middle) <= MOST_MARKERS else len(middle) // 8
        markevery = (len(ends) * step // 4 % step, step)  # offset from the markers of the other lines
        axes.plot(xs, middle, color=colour, marker=marker, markevery=markevery, ms=4, lw=1.6, label=name)
        if len(seeds) > 1:
            low, high = ([side(column) for column in zip(*seeds, strict=True)] for side in (min, max))
            axes.fill_between(xs, low, high, color=colour, alpha=0.18, linewidth=0)
        ends.append((middle[max(range(len(xs)), key=xs.__getitem__)], name, colour, marker))
    axes.margins(x=0.02)
    scales(axes, log_x, log_y)
    if ylim is not None:
        axes.set_ylim(ylim)
    ends += reference_lines(axes, references)
    name_at_the_right(axes, ends)
    return figure


def trailing_means(values: Sequence[float], most: int) -> list[float]:
    """The mean of each value and those before it, up to `most` values.

    >>> trailing_means([1.0, 3.0, 5.0], most=2)
    [1.0, 2.0, 4.0]
    """
    parts = (values[max(0, end - most) : end] for end in range(1, len(values) + 1))
    return [sum(part) / len(part) for part in parts]


def _x_values(x: Numbers | Mapping[str, Numbers] | None, name: str, count: int) -> list[float]:
    if isinstance(x, Mapping) and name not in x:
        raise UserError(f"x has no entry for {name!r}; it has {', '.join(map(repr, x))}")
    chosen = x[name] if isinstance(x, Mapping) else x
    xs = [float(i) for i in range(count)] if chosen is None else numbers(chosen, f"x of {name}")
    if len(xs) != count:
        raise UserError(f"{name}: {count} y values for {len(xs)} x values; give one y per x")
    return xs


def scales(axes: Axes, log_x: bool, log_y: bool) -> None:
    """Make axes logarithmic, with plain numbers as labels; raises `UserError` for values that are not positive."""
    for wanted, letter, drawn in ((log_x, "x", axes.dataLim.x0), (log_y, "y", axes.dataLim.y0)):
        if not wanted:
            continue
        if drawn <= 0:
            raise UserError(f"log_{letter} needs {letter} values above 0, and the lowest is {drawn:g}")
        axes.set(**{f"{letter}scale": "log"})
        axis = getattr(axes, f"{letter}axis")
        low, high = sorted(axis.get_view_interval())
        decades = math.log10(high / low)
        # One or two decades give too few labels: also label 2 and 5, and on less than one decade 3 and 7.
        extra = "2357" if decades < 0.7 else "25" if decades < 1.6 else ""
        axis.set_major_formatter(lambda value, _: round_number(value))
        axis.set_minor_formatter(lambda value, _, extra=extra: round_number(value) if f"{value:e}"[0] in extra else "")


def round_number(value: float) -> str:
    """Format a round number, with M and B for millions and billions.

    >>> [round_number(value) for value in (0.01, 1000.0, 1e7, 1e9)]
    ['0.01', '1,000', '10 M', '1 B']
    """
    for size, letter in ((1e9, "B"), (1e6, "M")):
        if value >= size:
            return f"{value / size:,g} {letter}"
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def reference_lines(axes: Axes, references: Mapping[str, float]) -> list[tuple[float, str, str, str]]:
    """Draw dashed horizontal lines; returns their labels for `name_at_the_right`."""
    for name, height in references.items():
        (value,) = numbers([height], name)
        axes.axhline(value, color=QUIET, linewidth=1.2, linestyle="--", zorder=1, label=name)
    return [(float(height), name, QUIET, "") for name, height in references.items()]


@in_style
def scatter(
    x: Numbers,
    y: Numbers,
    xlabel: str,
    ylabel: str,
    labels: Sequence[str] | None = None,
    fit: tuple[Numbers, Numbers] | None = None,
    fit_name: str = "fit",
    log_x: bool = False,
    log_y: bool = False,
    xlim: tuple[float, float] | None = None,
) -> Figure:
    """Draw points, optionally with `labels` beside them and with a fitted line `fit`, given as (x, y).

    The caller computes the fit. `xlim` are the ends of the x axis, (0, 2) for example. Raises `UserError` if lengths do
    not match.

    >>> axes = scatter([1, 2], [2.1, 3.9], "facts", "recall", fit=([0, 3], [0.0, 6.0]), fit_name="y = 2x").axes[0]
    >>> axes.collections[0].get_offsets().tolist(), axes.lines[0].get_xydata().tolist()
    ([[1.0, 2.1], [2.0, 3.9]], [[0.0, 0.0], [3.0, 6.0]])
    """
    xs, ys = numbers(x, "x"), numbers(y, "y")
    if len(xs) != len(ys) or not xs:
        raise UserError(f"scatter needs one y for each x, and at least one; here are {len(xs)} and {len(ys)}")
    if labels is not None and len(labels) != len(xs):
        raise UserError(f"{len(labels)} labels for {len(xs)} points; give one per point, or none")
    figure, axes = new_figure(height=3.4)
    # Few points are drawn opaque, many are transparent.
    axes.scatter(xs, ys, s=28 if len(xs) <= 100 else 12, color=BLUE, alpha=0.85 if len(xs) <= 100 else 0.4, lw=0)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if fit is not None:
        along, up = numbers(fit[0], "x of the fit"), numbers(fit[1], "y of the fit")
        order = sorted(range(len(along)), key=along.__getitem__)
        axes.plot([along[i] for i in order], [up[i] for i in order], color=RED, linewidth=1.6, label=fit_name, zorder=1)
        axes.legend(loc="best")
    scales(axes, log_x, log_y)
    if xlim is not None:
        axes.set_xlim(xlim)
    if labels is not None:
        axes.margins(0.1)
        strokes = [np.asarray(line.get_xydata()).tolist() for line in axes.lines]
        label_points(axes, list(zip(xs, ys, strict=True)), [visible(label) for label in labels], strokes)
    return figure
