"""Attention weights: as heat maps for one or many heads, and as arcs for one query."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from minillm.errors import UserError
from minillm.viz.figures.style import (
    BLUE,
    INK,
    QUIET,
    RED_INK,
    TINY,
    WIDTH,
    Numbers,
    in_style,
    new_sketch,
    numbers,
    visible,
)

LONGEST = 12  # characters of a token on an axis


@in_style
def attention_arcs(tokens: Sequence[str], weights: Numbers, query: int, least: float = 0.01) -> Figure:
    """Draw the attention of one query as arcs to the keys; the line width shows the weight.

    `weights` is the query's row, one number per token. Arcs below `least` are omitted. Long texts are rotated. Raises
    `UserError` if weights and tokens do not match, and for an invalid query.

    >>> figure = attention_arcs(["The", " cat", " sat"], [0.1, 0.7, 0.2], query=2)
    >>> [round(arc.get_linewidth(), 2) for arc in figure.axes[0].patches]
    [1.4, 7.4, 2.4]
    """
    values = numbers(weights, "weights")
    if len(values) != len(tokens) or not tokens:
        raise UserError(f"{len(values)} weights for {len(tokens)} tokens; give the query's row, one weight per token")
    if not 0 <= query < len(tokens):
        raise UserError(f"there is no query {query}; the tokens are numbered 0 to {len(tokens) - 1}")
    shown = [visible(token, LONGEST) for token in tokens]
    upright = sum(max(len(text), 4) * 0.1 + 0.1 for text in shown) > WIDTH - 0.2
    widths = [0.21 if upright else max(len(text), 4) * 0.1 + 0.1 for text in shown]
    if sum(widths) > WIDTH - 0.2:
        raise UserError(f"{len(tokens)} tokens do not fit beside each other; show at most {int((WIDTH - 0.2) / 0.21)}")
    middles = [0.1 + sum(widths[:i]) + widths[i] / 2 for i in range(len(widths))]
    foot = 0.1 * max(map(len, shown)) + 0.4 if upright else 0.55
    peak = min(1.9, 0.35 + 0.32 * max(abs(m - middles[query]) for m in middles))
    figure, axes = new_sketch(sum(widths) + 0.2, foot + peak + 0.1)
    for index, (middle, text, weight) in enumerate(zip(middles, shown, values, strict=True)):
        colour = RED_INK if index == query else INK
        turn: dict[str, Any] = dict(rotation=90, va="top") if upright else dict(va="top")
        axes.text(middle, foot - 0.22, text, ha="center", fontsize=10, family="monospace", color=colour, **turn)
        if weight >= least:
            axes.add_patch(_arc(middles[query], middle, foot, peak, weight))
            note = f"{weight:.2f}".removeprefix("0")
            axes.text(middle, foot - 0.03, note, ha="center", va="top", fontsize=TINY, color=QUIET)
    return figure


def _arc(start: float, end: float, foot: float, peak: float, weight: float) -> PathPatch:
    rise = foot + min(peak, 0.35 + 0.32 * abs(end - start)) * 1.3
    if abs(end - start) < 1e-9:  # a token that attends to itself: a small loop
        start, end = start - 0.09, end + 0.09
        rise = foot + 0.4
    path = Path([(start, foot), (start, rise), (end, rise), (end, foot)], [Path.MOVETO] + [Path.CURVE4] * 3)
    shade = 0.25 + 0.6 * min(weight, 1.0)
    return PathPatch(
        path, fill=False, edgecolor=BLUE, alpha=shade, linewidth=0.4 + 10 * min(weight, 1.0), capstyle="butt"
    )
