"""Tokens on a shaded background: a loss mask, or the probability of each token."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minillm.errors import UserError
from minillm.viz.figures.style import PALE, QUIET, SMALL, TINY, WIDTH, Numbers, in_style, named, new_figure, numbers
from minillm.viz.figures.tokens import Piece, cut_short, flow

LINE = 0.56  # inches per row: a token and the number under it


@in_style
def shaded_strips(strips: Mapping[str, tuple[Sequence[Piece], Numbers]]) -> Figure:
    """Draw texts as tokens, with a background that is darker the larger the token's value.

    A strip is (tokens, values) with values from 0 to 1: probabilities, or a mask of 1 and 0. The number under a token
    is its value in percent; below 0.5 % there is none. Raises `UserError` for a strip without tokens, for a wrong
    number of values, and for a value outside [0, 1].

    >>> figure = shaded_strips({"before": ([" Pellin", "."], [0.004, 0.5]), "after": ([" Pellin"], [0.97])})
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['before', '␣Pellin', '.', '50', 'after', '␣Pellin', '97']
    """
    named({name: pieces for name, (pieces, _) in strips.items()}, "shaded_strips")
    listed = {name: ([cut_short(p) or "(empty)" for p in pieces], values) for name, (pieces, values) in strips.items()}

    # lay out the tokens in rows
    placed, rows = [], 0
    for name, (shown, values) in listed.items():
        values = numbers(values, name)
        if len(shown) != len(values):
            raise UserError(f"{name}: {len(shown)} tokens but {len(values)} values; give one value per token")
        if wrong := [value for value in values if not 0 <= value <= 1.0001]:
            raise UserError(f"{name}: {wrong[0]} is not between 0 and 1; give probabilities, or 1 and 0")
        widths = [0.16 + 0.1 * max(len(text), 2) for text in shown]
        positions, row_widths = flow(widths, limit=WIDTH - 0.2, per_row=len(shown))
        placed.append((name, rows, zip(shown, values, widths, positions, strict=True)))
        rows += 0.5 + len(row_widths)  # half a row for the name

    # draw them
    figure, axes = new_figure(height=0.2 + LINE * rows)
    for name, top, tokens in placed:
        axes.text(0, -top - 0.26, name, va="center", fontsize=SMALL, color=QUIET)
        for text, value, width, (x, row) in tokens:
            y, middle = -top - 0.5 - row, x + (width - 0.04) / 2
            look: dict[str, Any] = dict(facecolor=PALE(min(value, 1.0)), edgecolor=QUIET, linewidth=0.5)
            axes.add_artist(Rectangle((x, y - 0.58), width - 0.04, 0.5, **look))
            axes.text(middle, y - 0.34, text, ha="center", va="center", fontsize=10, family="monospace")
            if value >= 0.005:
                axes.text(middle, y - 0.76, f"{100 * value:.0f}", ha="center", va="center", fontsize=TINY, color=QUIET)
    axes.set(xlim=(-0.05, WIDTH - 0.2), ylim=(-rows - 0.02, 0))
    axes.axis("off")
    return figure
