"""Points in the plane: a map of labeled vectors, and the rotated pairs of rotary embeddings."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

from minillm.errors import UserError
from minillm.viz.figures.labels import label_points
from minillm.viz.figures.style import (
    FAINT,
    MARKERS,
    PALETTE,
    QUIET,
    RED,
    RISING,
    SMALL,
    TINY,
    WIDTH,
    in_style,
    new_figure,
    new_panels,
    tensor_of,
    visible,
)


@in_style
def embedding_map(
    points: Any,
    labels: Sequence[str],
    groups: Sequence[str] | None = None,
    arrows: Sequence[tuple[str, str]] = (),
    axis_names: tuple[str, str] = ("first direction", "second direction"),
) -> Figure:
    """Draw points of shape (n, 2) with their labels, in colors and markers by group.

    `arrows` connect two points by name: ("king", "queen") and ("man", "woman") are parallel if the analogy holds on
    this map. Both axes have the same scale, so that angles and distances are correct. Raises `UserError` if the
    numbers of points, labels and groups differ, or if an arrow names an unknown point.

    >>> figure = embedding_map([[0, 0], [1, 0]], ["man", "woman"], arrows=[("man", "woman")])
    >>> figure.axes[0].collections[0].get_offsets().tolist()
    [[0.0, 0.0], [1.0, 0.0]]
    >>> [text.get_text() for text in figure.axes[0].texts if text.get_text()]
    ['man', 'woman']
    """
    places = tensor_of(points)
    if places.dim() != 2 or places.shape[1] != 2 or len(places) != len(labels) or not len(labels):
        raise UserError(f"{len(labels)} labels for points of shape {tuple(places.shape)}; the map needs (labels, 2)")
    if groups is not None and len(groups) != len(labels):
        raise UserError(f"{len(groups)} groups for {len(labels)} points; give one per point, or none")
    if missing := sorted({name for arrow in arrows for name in arrow} - set(labels)):
        raise UserError(f"an arrow names {', '.join(map(repr, missing))}, which is not a label; use the points' labels")
    figure, axes = new_figure(height=5.0)
    kinds = list(dict.fromkeys(groups or [""]))
    for kind, colour, marker in zip(kinds, itertools.cycle(PALETTE), itertools.cycle(MARKERS)):
        rows = [i for i in range(len(labels)) if groups is None or groups[i] == kind]
        axes.scatter(*places[rows].T.tolist(), s=30, color=colour, marker=marker, label=kind, zorder=3)
    for start, end in arrows:
        a, b = (tuple(places[list(labels).index(name)].tolist()) for name in (start, end))
        line = dict(arrowstyle="-|>", color=RED, linewidth=1.3, shrinkA=5, shrinkB=5)
        axes.annotate("", xy=b, xytext=a, arrowprops=line, zorder=2)
    axes.set(xlabel=axis_names[0], ylabel=axis_names[1])
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.08)
    if len(kinds) > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=5, borderaxespad=0.2, handletextpad=0.2)
    strokes = [[places[list(labels).index(name)].tolist() for name in arrow] for arrow in arrows]
    label_points(axes, places.tolist(), [visible(label, longest=24) for label in labels], strokes)
    return figure


@in_style
def rotation(vectors: Any, titles: Sequence[str] | None = None) -> Figure:
    """Draw rotary embeddings: each pair on its circle, one dot per position, from pale (0) to dark.

    `vectors` has shape (T, pairs, 2) with up to 8 pairs; the first pairs rotate fast, the last hardly at all. Positions
    are numbered where the numbers fit.

    >>> turned = [[[1.0, 0.0]], [[0.0, 1.0]]]                     # one pair, turned by a right angle in one step
    >>> rotation(turned).axes[0].collections[0].get_offsets().tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    pairs = tensor_of(vectors)
    if pairs.dim() != 3 or pairs.shape[2] != 2 or not 1 <= pairs.shape[1] <= 8 or not len(pairs):
        raise UserError(f"rotation needs the shape (T, pairs, 2) with 1 to 8 pairs, not {tuple(pairs.shape)}")
    length, count, _ = pairs.shape
    if titles is not None and len(titles) != count:
        raise UserError(f"{len(titles)} titles for {count} pairs; give one per pair")
    columns = min(count, 4)
    rows = -(-count // columns)
    figure, grid = new_panels(rows, columns, height=0.1 + 2.05 * rows, width=WIDTH * columns / 4)
    reach = max(float(pairs.norm(dim=-1).max()), 1e-12) * 1.3
    shades = ScalarMappable(Normalize(-0.25 * length, max(length - 1, 1)), RISING)
    for index, axes in enumerate(itertools.chain(*grid)):
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        axes.axis("off")
        if index >= count:
            continue
        xs, ys = pairs[:, index].T.tolist()
        radius = float(pairs[0, index].norm())
        axes.add_patch(Circle((0, 0), radius, fill=False, color=FAINT, linewidth=1))
        axes.plot([0, xs[0]], [0, ys[0]], color=FAINT, linewidth=1, zorder=1)
        axes.plot([0, xs[-1]], [0, ys[-1]], color=QUIET, linewidth=1, zorder=1)
        axes.scatter(xs, ys, c=shades.to_rgba(np.arange(length)), s=26, edgecolor=QUIET, linewidth=0.5, zorder=2)
        axes.set_title(titles[index] if titles else f"pair {index}", fontsize=SMALL)
        for position in _numbered(pairs[:, index]):
            x, y = xs[position] * 1.2, ys[position] * 1.2
            axes.text(x, y, str(position), ha="center", va="center", fontsize=TINY)
    return figure


def _numbered(dots: Tensor) -> list[int]:
    """The positions whose numbers do not overlap: the first, the last, then as many others as fit."""
    chosen: list[int] = []
    apart = 0.33 * float(dots.norm(dim=-1).max())
    for position in [0, len(dots) - 1, *range(1, len(dots) - 1)]:
        if all(float((dots[position] - dots[other]).norm()) > apart for other in chosen):
            chosen.append(position)
    return chosen
