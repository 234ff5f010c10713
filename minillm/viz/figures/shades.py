"""Tokens on lighter and darker ground: which of them count in a loss, or how sure a model was of each."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minillm.errors import UserError
from minillm.viz.figures.style import PALE, QUIET, SMALL, TINY, WIDTH, Numbers, in_style, named, new_figure, numbers
from minillm.viz.figures.tokens import Piece, cut_short, flow

LINE = 0.56  # inches: a token, and the number under it


@in_style
def shaded_strips(strips: Mapping[str, tuple[Sequence[Piece], Numbers]]) -> Figure:
    """Texts below each other as tokens in reading order, each on a ground the darker the larger its share is.

    A strip is the tokens and their shares, from 0 to 1: a probability, or 1 for what counts and 0 for what does not.
    The number under a token is its share in whole per cent; less than half a per cent has none. Raises `ValueError`
    for a strip without tokens, for one share too few or too many, and for a number that is no share.

    >>> figure = shaded_strips({"before": ([" Pellin", "."], [0.004, 0.5]), "after": ([" Pellin"], [0.97])})
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['before', '␣Pellin', '.', '50', 'after', '␣Pellin', '97']
    """
    named({name: pieces for name, (pieces, _) in strips.items()}, "shaded_strips")
    listed = {name: ([cut_short(p) or "(empty)" for p in pieces], shares) for name, (pieces, shares) in strips.items()}
    placed, rows = [], 0
    for name, (shown, shares) in listed.items():
        shares = numbers(shares, name)
        if len(shown) != len(shares):
            raise UserError(f"{name}: {len(shown)} tokens but {len(shares)} shares; give one share per token")
        if wrong := [share for share in shares if not 0 <= share <= 1.0001]:
            raise UserError(f"{name}: {wrong[0]} is no share; give probabilities, or 1 and 0")
        widths = [0.16 + 0.1 * max(len(text), 2) for text in shown]
        places, row_widths = flow(widths, limit=WIDTH - 0.2, per_row=len(shown))
        placed.append((name, rows, zip(shown, shares, widths, places, strict=True)))
        rows += 0.5 + len(row_widths)  # half a line for the name
    figure, axes = new_figure(height=0.2 + LINE * rows)
    for name, top, tokens in placed:
        axes.text(0, -top - 0.26, name, va="center", fontsize=SMALL, color=QUIET)
        for text, share, width, (x, row) in tokens:
            y, middle = -top - 0.5 - row, x + (width - 0.04) / 2
            look: dict[str, Any] = dict(facecolor=PALE(min(share, 1.0)), edgecolor=QUIET, linewidth=0.5)
            axes.add_artist(Rectangle((x, y - 0.58), width - 0.04, 0.5, **look))
            axes.text(middle, y - 0.34, text, ha="center", va="center", fontsize=10, family="monospace")
            if share >= 0.005:
                axes.text(middle, y - 0.76, f"{100 * share:.0f}", ha="center", va="center", fontsize=TINY, color=QUIET)
    axes.set(xlim=(-0.05, WIDTH - 0.2), ylim=(-rows - 0.02, 0))
    axes.axis("off")
    return figure
