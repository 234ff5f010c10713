"""The line from 0 to 1 on which a random number falls: how a token is drawn."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minillm.errors import UserError
from minillm.viz.figures.style import (
    FAINT,
    INK,
    PAPER,
    QUIET,
    RED,
    SKY,
    SMALL,
    TINY,
    Numbers,
    in_style,
    new_figure,
    numbers,
    visible,
)

NARROW = 0.035  # of the line; a piece that is shorter has no label inside it


@in_style
def unit_line(words: Sequence[str], shares: Numbers, u: float | None = None, drawn: int | None = None) -> Figure:
    """Draw the probabilities of tokens as pieces of the line from 0 to 1, and u as a mark on it.

    The piece number `drawn` is colored. Raises `UserError` for shares that don't add up to 1, a u outside [0, 1), and
    a piece that there is not.

    >>> axes = unit_line([" a", " b"], [0.75, 0.25], u=0.8, drawn=1).axes[0]
    >>> [piece.get_width() for piece in axes.patches], axes.lines[0].get_xdata().tolist()
    ([0.75, 0.25], [0.8, 0.8])
    """
    values = numbers(shares, "shares")
    if len(words) != len(values) or not values or min(values) < 0 or abs(sum(values) - 1) > 1e-3:
        raise UserError(f"{len(words)} words with shares {values}; give one share per word, which add up to 1")
    if u is not None and not 0 <= u < 1:
        raise UserError(f"u is {u}; it lies from 0 to 1, without 1")
    if drawn is not None and not 0 <= drawn < len(values):
        raise UserError(f"drawn is {drawn}; the pieces are numbered 0 to {len(values) - 1}")
    figure, axes = new_figure(height=1.5)
    left = 0.0
    for index, (word, share) in enumerate(zip(words, values, strict=True)):
        color = RED if index == drawn else (SKY if index % 2 == 0 else FAINT)
        axes.add_artist(Rectangle((left, 0), share, 1, facecolor=color, edgecolor=PAPER, linewidth=1.5))
        if share >= NARROW:
            wide = share >= 0.011 * len(visible(word)) + 0.02
            ink = PAPER if index == drawn else INK
            look: dict[str, Any] = dict(ha="center", va="center", color=ink, family="monospace")
            axes.text(left + share / 2, 0.62, visible(word), size=SMALL, rotation=0 if wide else 90, **look)
            axes.text(left + share / 2, 0.2, f"{share:.2f}" if wide else "", size=TINY, **look)
        left += share
    if u is not None:
        for low, high in ((-0.25, 0.02), (0.98, 1.25)):  # past the label of its piece
            axes.plot([u, u], [low, high], color=INK, linewidth=2.5)
        axes.plot([u, u], [0, 1], color=INK, linewidth=0.8, alpha=0.5)
        axes.text(u, 1.32, f"u = {u:.2f}", ha="center", va="bottom", fontsize=SMALL)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.3, 1.75), yticks=[], xticks=[0, 0.25, 0.5, 0.75, 1])
    axes.tick_params(axis="x", colors=QUIET)
    for side in ("left", "right", "top", "bottom"):
        axes.spines[side].set_visible(False)
    return figure
