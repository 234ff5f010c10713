"""Attention weights: as heat maps for one or many heads, and as arcs for one query."""

import itertools
from collections.abc import Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from minillm.errors import UserError
from minillm.viz.figures.style import (
    BLUE,
    INK,
    QUIET,
    RED_INK,
    SMALL,
    TINY,
    WIDTH,
    Numbers,
    axis_name,
    in_style,
    new_panels,
    new_sketch,
    numbers,
    tensor_of,
    visible,
)
from minillm.viz.figures.tensors import cells, colour_limits, write_numbers

MOST_HEADS = 16
LONGEST = 12  # characters of a token on an axis


@in_style
def attention_grid(
    weights: Any,
    queries: Sequence[str],
    keys: Sequence[str] | None = None,
    titles: Sequence[str] | None = None,
    unit: str = "attention weight",
) -> Figure:
    """Draw attention weights (H, T, S) as one panel per head, with queries as rows; one head (T, S) is drawn large.

    Scores and biases such as ALiBi's can be shown too: if there are negative values, white is zero; minus infinity (the
    mask) is gray. All heads share one color scale. Raises `UserError` if tokens and shape do not match.

    >>> figure = attention_grid([[[1.0, 0.0], [0.25, 0.75]]], ["The", " cat"])
    >>> figure.axes[0].images[0].get_array().tolist()
    [[1.0, 0.0], [0.25, 0.75]]
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['The', '␣cat']
    """
    heads = tensor_of(weights)
    heads = heads[None] if heads.dim() == 2 else heads
    keys = queries if keys is None else keys
    if heads.dim() != 3 or heads.shape[1:] != (len(queries), len(keys)) or heads.numel() == 0:
        raise UserError(
            f"weights of shape {tuple(heads.shape)} for {len(queries)} queries and {len(keys)} keys; "
            "attention_grid needs (H, T, S)"
        )
    if len(heads) > MOST_HEADS:
        raise UserError(f"{len(heads)} heads are too many to read; show at most {MOST_HEADS}, for example weights[:9]")
    if titles is not None and len(titles) != len(heads):
        raise UserError(f"{len(titles)} titles for {len(heads)} heads; give one per head")
    columns = {1: 1, 2: 2, 4: 2}.get(len(heads), 3 if len(heads) <= 9 else 4)
    rows = -(-len(heads) // columns)
    figure, grid, side = _sheet(rows, columns, queries, keys)
    limits = colour_limits(heads, all_of_them=True)
    small = rows * columns > 1
    for index, axes in enumerate(itertools.chain(*grid)):
        if index >= len(heads):
            axes.axis("off")
            continue
        image = cells(axes, heads[index], limits)
        axes.set_aspect("equal" if len(queries) == len(keys) else "auto")
        axes.spines[:].set_visible(False)
        if small or titles:
            axes.set_title(titles[index] if titles else f"head {index}")
        _tokens(axes, "y", queries, side, shown=index % columns == 0)
        _tokens(axes, "x", keys, side, shown=index + columns >= len(heads))
        if not small and len(keys) <= 10:
            write_numbers(axes, image, heads[index], digits=2)
    down, across = axis_name("T", len(queries)), axis_name("S", len(keys))
    if small:
        figure.supylabel(down, fontsize=10)
        figure.supxlabel(across, fontsize=10)
    else:
        axes.set(ylabel=down, xlabel=across)
    figure.colorbar(image, ax=list(itertools.chain(*grid)), label=unit, pad=0.015, aspect=25, shrink=0.8)
    return figure


def _sheet(rows: int, columns: int, queries: Sequence[str], keys: Sequence[str]) -> tuple[Figure, list, float]:
    """The figure, its panels, and the side of a panel in inches, limited by the page and the number of tokens."""
    labels = 0.075 * max(len(visible(token, LONGEST)) for token in queries) + 0.45
    side = min((WIDTH - labels - 0.9) / columns - 0.12, 4.9, max(1.6, 0.62 * len(keys)))
    foot = 0.075 * max(len(visible(token, LONGEST)) for token in keys) + 0.4
    width = labels + 0.9 + columns * (side + 0.12)
    title = 0.28 if rows * columns > 1 else 0.1
    high = side if len(queries) == len(keys) else min(side, 0.5 + side * len(queries) / len(keys))
    figure, grid = new_panels(rows, columns, height=foot + rows * (high + title), width=min(width, WIDTH))
    return figure, grid, side


def _tokens(axes: Axes, side: Literal["x", "y"], tokens: Sequence[str], inches: float, shown: bool) -> None:
    """Label an axis with the tokens, or with some indices if the tokens would overlap."""
    axes.tick_params(axis=side, length=0, labelsize=SMALL if inches / len(tokens) > 0.17 else TINY)
    axis = axes.xaxis if side == "x" else axes.yaxis
    if inches / len(tokens) < 0.11:  # 8 points
        positions = range(0, len(tokens), 5 if len(tokens) <= 40 else 20)
        axis.set_ticks(positions, [str(position) if shown else "" for position in positions])
        return
    axis.set_ticks(range(len(tokens)), [visible(token, LONGEST) if shown else "" for token in tokens])
    for label in axis.get_ticklabels():
        label.set_fontfamily("monospace")
    if side == "x" and 0.075 * (0.5 + max(len(visible(token, LONGEST)) for token in tokens)) > inches / len(tokens):
        axes.tick_params(axis="x", rotation=90)


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
