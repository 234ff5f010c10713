"""Bar charts: amounts, token probabilities, nearest neighbors, and grouped bars."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Bool
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from minillm.errors import UserError
from minillm.viz.figures.curves import reference_lines
from minillm.viz.figures.labels import name_at_the_right
from minillm.viz.figures.style import (
    BLUE,
    FAINT,
    INK,
    PALETTE,
    QUIET,
    RED,
    SMALL,
    Matrix,
    Numbers,
    by_seed,
    in_style,
    named,
    new_figure,
    numbers,
    visible,
)
from minillm.viz.figures.tensors import number_text


@in_style
def bars(
    labels: Sequence[str],
    values: Numbers,
    unit: str,
    digits: int = 2,
    colours: Sequence[str] | None = None,
    errors: Numbers | None = None,
    intervals: Sequence[tuple[float, float]] | None = None,
) -> Figure:
    """Draw horizontal bars with their values beside them, the first on top.

    `errors` are half the lengths of the error bars, such as standard errors. `intervals` are both of their ends, where
    they aren't as far away, as for a share near 0 or 1. Say in `unit` what they are.

    >>> [text.get_text() for text in bars(["gzip", "model"], [4.5, 1.25], unit="bits per byte").axes[0].texts]
    ['4.50', '1.25']
    """
    values = numbers(values, "bars")
    if len(labels) != len(values) or not values:
        raise UserError(f"{len(labels)} labels for {len(values)} bars; give one label per bar, and at least one bar")
    below = above = [0.0] * len(values) if errors is None else numbers(errors, "errors")
    if intervals is not None:
        # rounded: the lower end of 0 of 60 may be -1e-17, for which no axis need begin below 0
        below = [max(0.0, round(value - float(low), 9)) for value, (low, _) in zip(values, intervals, strict=False)]
        above = [max(0.0, round(float(high) - value, 9)) for value, (_, high) in zip(values, intervals, strict=False)]
    if len(below) != len(values) or len(intervals or values) != len(values):
        raise UserError(f"{len(intervals or below)} errors for {len(values)} bars; give one per bar")
    figure, axes = new_figure(height=0.65 + 0.32 * len(values))
    look: dict[str, Any] = dict(xerr=[below, above], error_kw=dict(ecolor=INK, capsize=3, lw=1.2))
    if errors is None and intervals is None:
        look = {}
    drawn = axes.barh(range(len(values)), values, height=0.68, color=colours or BLUE, **look)
    axes.bar_label(drawn, fmt=f"{{:.{digits}f}}", padding=4, fontsize=SMALL)
    axes.set_yticks(range(len(values)), labels)
    low = min(0.0, *(value - error for value, error in zip(values, below, strict=True)))
    high = max(0.0, *(value + error for value, error in zip(values, above, strict=True)))
    left = min(low * 1.15, low - 0.1 * (high - low)) if low < 0 else 0.0  # room for the label of a short bar
    axes.set(ylim=(len(values) - 0.45, -0.55), xlabel=unit, xlim=(left, high * 1.15 or 1))
    axes.tick_params(axis="y", length=0)
    return figure


@in_style
def probability_bars(
    tokens: Sequence[str],
    probabilities: Numbers,
    chosen: int | None = None,
    kept: Sequence[bool] | Bool[Tensor, "_"] | None = None,
    cut: str = "",
) -> Figure:
    """Draw token probabilities as horizontal bars, the first on top; the row `chosen` has another color.

    `kept` is a mask of the tokens that a rule such as top-p keeps; the others are gray. If the kept tokens come first,
    a dashed line labeled `cut` separates them from the rest.

    >>> axes = probability_bars([" Paris", " a"], [0.75, 0.25], kept=[True, False], cut="top-k 1").axes[0]
    >>> [bar.get_width().item() for bar in axes.patches], axes.texts[-1].get_text()
    ([0.75, 0.25], 'top-k 1')
    """
    values = [float(value) for value in probabilities]
    for value in values:
        if not 0 <= value <= 1.0001:
            raise UserError(f"{value} is not a probability; apply softmax first")
    if kept is not None and len(kept) != len(values):
        raise UserError(f"kept has {len(kept)} entries for {len(values)} tokens; give True or False for each")
    if chosen is not None and not 0 <= chosen < len(values):
        raise UserError(f"chosen is {chosen}; the rows are numbered 0 to {len(values) - 1}")
    figure = bars([visible(token, longest=24) for token in tokens], values, unit="probability", digits=3)
    axes = figure.axes[0]
    axes.set_xlim(0, 1.12)
    for row, passes in enumerate(kept if kept is not None else []):
        if not passes:
            axes.patches[row].set(facecolor=FAINT, hatch="///", edgecolor=QUIET, linewidth=0)
            axes.get_yticklabels()[row].set_color(QUIET)
    if chosen is not None:
        axes.patches[chosen].set_facecolor(RED)
    for label in axes.get_yticklabels():
        label.set_fontfamily("monospace")
    if kept is not None and 0 < (count := sum(map(bool, kept))) < len(values) and all(kept[:count]):
        axes.axhline(count - 0.5, color=INK, linewidth=1, linestyle="--")
        axes.text(1.115, count - 0.56, cut, ha="right", va="bottom", fontsize=SMALL)
    return figure


@in_style
def neighbour_bars(tokens: Sequence[str], cosines: Numbers, query: str, greyed: Sequence[str] = ()) -> Figure:
    """Draw the nearest neighbors of a vector with their cosines, the nearest on top.

    `greyed` are the words of the query itself (king, man and woman in king - man + woman), which are near by
    construction. Raises `UserError` for values outside [-1, 1].

    >>> axes = neighbour_bars([" king", " queen"], [0.74, 0.71], "king - man + woman", greyed=[" king"]).axes[0]
    >>> axes.get_xlabel()
    'cosine with king - man + woman'
    """
    values = numbers(cosines, "cosines")
    for value in values:
        if not -1.0001 <= value <= 1.0001:
            raise UserError(f"{value} is not a cosine; divide the dot product by both norms")
    colours = [FAINT if token in greyed else BLUE for token in tokens]
    figure = bars([visible(token, longest=24) for token in tokens], values, f"cosine with {query}", 3, colours)
    axes = figure.axes[0]
    axes.set_xlim(-1.15 if min(values) < 0 else 0, 1.12)
    for label, token in zip(axes.get_yticklabels(), tokens, strict=True):
        label.set(family="monospace", color=QUIET if token in greyed else INK)
    return figure


@in_style
def grouped_bars(
    series: Mapping[str, Numbers | Matrix],
    groups: Sequence[str],
    ylabel: str,
    errors: Mapping[str, Numbers] | None = None,
    references: Mapping[str, float] | None = None,
    digits: int = 2,
) -> Figure:
    """Draw conditions side by side in each group; `series` has one number per group for each condition.

    A condition of shape (seeds, groups) is drawn as its mean, with an error bar from the lowest to the highest seed;
    `errors` gives half-lengths instead, for example standard errors. `references` are horizontal lines.

    >>> figure = grouped_bars({"before": [0.2, 0.4], "after": [0.8, 0.9]}, ["facts", "sums"], "accuracy")
    >>> [round(bar.get_height().item(), 2) for bar in figure.axes[0].patches]
    [0.2, 0.4, 0.8, 0.9]
    """
    named(series, "grouped_bars")
    if errors is not None and (missing := [name for name in series if name not in errors]):
        raise UserError(f"no errors for {', '.join(map(repr, missing))}; give them for every condition, or for none")
    figure, axes = new_figure(height=3.0)
    wide = 0.8 / len(series)
    numbered = len(series) * len(groups) <= 12
    for index, ((name, values), colour) in enumerate(zip(series.items(), itertools.cycle(PALETTE))):
        seeds = by_seed(values, name)
        if len(seeds[0]) != len(groups):
            raise UserError(f"{name}: {len(seeds[0])} values for {len(groups)} groups; give one per group")
        columns = list(zip(*seeds, strict=True))
        heights = [sum(column) / len(column) for column in columns]
        xs = [group + (index - (len(series) - 1) / 2) * wide for group in range(len(groups))]
        axes.bar(xs, heights, width=wide * 0.92, color=colour, label=name)
        reach = None
        if errors is not None:
            reach = [numbers(errors[name], f"errors of {name}")] * 2
        elif len(seeds) > 1:
            reach = [
                [mean - min(column) for mean, column in zip(heights, columns, strict=True)],
                [max(column) - mean for mean, column in zip(heights, columns, strict=True)],
            ]
        if reach is not None:
            axes.errorbar(xs, heights, yerr=reach, fmt="none", ecolor=INK, elinewidth=1, capsize=3)
        if numbered:
            for i, (x, height) in enumerate(zip(xs, heights, strict=True)):
                up = height >= 0
                top = height + (0 if reach is None else reach[1][i] if up else -reach[0][i])
                look: dict[str, Any] = dict(
                    xytext=(0, 3 if up else -3), textcoords="offset points", va="bottom" if up else "top"
                )
                axes.annotate(number_text(height, digits), (x, top), ha="center", fontsize=SMALL, **look)
    axes.set_xticks(range(len(groups)), groups)
    axes.tick_params(axis="x", length=0)
    axes.set(ylabel=ylabel, xlim=(-0.55, len(groups) - 0.45))
    axes.margins(y=0.12)
    if min(bar.get_height() for bar in axes.patches if isinstance(bar, Rectangle)) < 0:
        axes.axhline(0, color=QUIET, linewidth=0.8)
    if len(series) > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=5, borderaxespad=0.2, handlelength=1.2)
    name_at_the_right(axes, reference_lines(axes, references or {}))
    return figure
