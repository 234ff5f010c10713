"""Place labels next to lines and points without overlaps."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, DrawingArea, HPacker, TextArea

from minillm.viz.figures.style import FAINT, INK, QUIET, SMALL

LINE = 13.5  # points between two labels


def name_at_the_right(axes: Axes, ends: Sequence[tuple[float, str, str, str]]) -> None:
    """Write labels right of the axes, each at its height or as near as the others allow.

    `ends` are (height, name, color, marker); the marker is drawn before the name, in addition to the color.
    """
    figure = axes.figure
    settle(figure)
    points = 72 / figure.dpi
    bottom, top = axes.bbox.y0 * points, axes.bbox.y1 * points
    heights = [axes.transData.transform((axes.get_xlim()[1], y))[1] * points - bottom for y, *_ in ends]
    for place, wanted, (y, name, colour, marker) in zip(spread(heights, LINE), heights, ends, strict=True):
        if abs(place - wanted) > 2:
            shift: dict[str, Any] = dict(
                xycoords=("axes fraction", "data"), textcoords="offset points", annotation_clip=False
            )
            line = dict(arrowstyle="-", color=FAINT, linewidth=0.8, shrinkA=0, shrinkB=0)
            axes.annotate("", xy=(1.0, y), xytext=(11, place - wanted), arrowprops=line, **shift)
        swatch = DrawingArea(14, 8, 0, 0)
        swatch.add_artist(Line2D([0, 14], [4, 4], color=colour, linewidth=1.6, linestyle="-" if marker else "--"))
        if marker:
            swatch.add_artist(Line2D([7], [4], color=colour, marker=marker, markersize=4.5))
        text = TextArea(name, textprops={"fontsize": SMALL, "color": INK if marker else QUIET})
        packed = HPacker(children=[swatch, text], align="center", pad=0, sep=5)
        box = AnnotationBbox(
            packed, (1.0, place / (top - bottom)), xycoords="axes fraction", box_alignment=(0, 0.5), frameon=False,
            pad=0, xybox=(12, 0), boxcoords="offset points", annotation_clip=False,
        )  # fmt: skip
        axes.add_artist(box)


def settle(figure: Figure | SubFigure) -> None:
    """Run the layout engine, so that positions in points are known, without drawing."""
    if isinstance(figure, Figure) and (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Find positions at least `gap` apart, in the same order, nearest to the wanted ones (least squares).

    >>> spread([10.0, 0.0, 11.0], gap=5)
    [8.0, 0.0, 13.0]
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups: list[list[float]] = []  # [sum, count] of wanted positions minus the gaps below; pooled while decreasing
    for rank, index in enumerate(order):
        groups.append([wanted[index] - rank * gap, 1])
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] > groups[-1][0] / groups[-1][1]:
            total, count = groups.pop()
            groups[-1][0] += total
            groups[-1][1] += count
    level = [total / count for total, count in groups for _ in range(int(count))]
    places = [0.0] * len(wanted)
    for rank, index in enumerate(order):
        places[index] = level[rank] + rank * gap
    return places


# Directions from a point to its label, best first, and distances in points.
AROUND = [(1, 0), (-1, 0), (0, 1), (0, -1), (0.8, 0.8), (-0.8, 0.8), (0.8, -0.8), (-0.8, -0.8)]
DISTANCES = [7, 15, 26, 40]


def label_points(
    axes: Axes,
    points: Sequence[Sequence[float]],
    texts: Sequence[str],
    strokes: Sequence[Sequence[Sequence[float]]] = (),
) -> None:
    """Write one label beside each point, avoiding points, other labels and strokes; a distant label gets a thin line.

    Greedy, starting with the most crowded point; a label that fits nowhere takes the position with the lowest cost.
    """
    figure = axes.figure
    settle(figure)
    scale = figure.dpi / 72
    dots = axes.transData.transform(np.asarray(points, dtype=float))
    frame = axes.bbox
    taken = [(x - 4 * scale, y - 4 * scale, x + 4 * scale, y + 4 * scale) for x, y in dots]
    taken += [box for stroke in strokes for box in _along(axes.transData.transform(np.asarray(stroke)), scale)]
    crowd = [sum(np.hypot(*(dots - dot).T) < 60 * scale) for dot in dots]
    for index in sorted(range(len(texts)), key=lambda i: -crowd[i]):
        x, y = points[index]
        note = axes.annotate(
            texts[index], (x, y), xytext=(0, 0), textcoords="offset points", fontsize=SMALL, va="center",
            ha="center", color=INK, zorder=4,
        )  # fmt: skip
        note.set_in_layout(False)
        extent = note.get_window_extent()
        half = np.array([extent.width / 2 + 1, extent.height / 2])
        choices = []
        for rank, (far, (dx, dy)) in enumerate((far, way) for far in DISTANCES for way in AROUND):
            centre = dots[index] + np.array([dx, dy]) * (far * scale + half)
            box = (*(centre - half), *(centre + half))
            cost = sum(_overlap(box, other) for other in taken) + 20 * _outside(box, frame) + 0.5 * rank
            if far > DISTANCES[0]:
                cost += 15 * _crossings(dots[index], centre, box, taken)
            choices.append((cost, rank, box, far))
        _, _, box, far = min(choices)
        taken.append(box)
        centre = np.array([box[0] + box[2], box[1] + box[3]]) / 2
        note.set_position(tuple((centre - dots[index]) / scale))
        if far > DISTANCES[0]:
            edge = np.clip(dots[index], centre - half, centre + half)
            line = axes.transData.inverted().transform([dots[index], edge])
            axes.plot(*line.T, color=QUIET, linewidth=0.6, zorder=1, label="_leader", scalex=False, scaley=False)


def _along(stroke: np.ndarray, scale: float) -> list[tuple[float, float, float, float]]:
    """Small boxes along a stroke, dense enough that no label fits between them."""
    boxes = []
    for a, b in itertools.pairwise(stroke):
        steps = max(2, int(np.hypot(*(b - a)) / (4 * scale)))
        boxes += [(x - scale, y - scale, x + scale, y + scale) for x, y in np.linspace(a, b, steps)[2:]]
    return boxes


def _crossings(dot: np.ndarray, centre: np.ndarray, box: Sequence[float], taken: Sequence[tuple]) -> int:
    """The number of boxes that a thin line from a point to its distant label would cross."""
    way = [p for p in np.linspace(dot, centre, 12)[2:] if not (box[0] <= p[0] <= box[2] and box[1] <= p[1] <= box[3])]
    return sum(any(b[0] <= x <= b[2] and b[1] <= y <= b[3] for x, y in way) for b in taken)


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """The overlap of two boxes (left, bottom, right, top), in square pixels."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _outside(box: Sequence[float], frame) -> float:
    return sum(max(0.0, d) for d in (frame.x0 - box[0], frame.y0 - box[1], box[2] - frame.x1, box[3] - frame.y1))
