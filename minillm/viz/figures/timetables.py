"""Timelines of parallel work: one row per worker, one box per task; gaps are waiting time."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from minillm.errors import UserError
from minillm.viz.figures.style import FAINT, PALETTE, SMALL, WIDTH, in_style, ink_on, named, new_figure, numbers

Work = tuple[float, float, str, str]  # start, end, kind, text in the box


@in_style
def timetable(rows: Mapping[str, Sequence[Work]], xlabel: str) -> Figure:
    """Draw the tasks of each worker as boxes over time, the first worker on top, colored by kind.

    Raises `UserError` for a task that ends before it starts, and for overlapping tasks of one worker.

    >>> figure = timetable({"card 0": [(0, 1, "forward", "1"), (2, 4, "backward", "1")]}, "time")
    >>> [(float(box.get_x()), float(box.get_width())) for box in figure.axes[0].patches[1:]]
    [(0.0, 1.0), (2.0, 2.0)]
    """
    named(rows, "timetable")
    kinds = list(dict.fromkeys(kind for work in rows.values() for _, _, kind, _ in work))
    colours = {kind: PALETTE[index % len(PALETTE)] for index, kind in enumerate(kinds)}
    last = max(end for work in rows.values() for _, end, *_ in work)
    figure, axes = new_figure(height=0.95 + 0.36 * len(rows))
    for row, (name, work) in enumerate(rows.items()):
        axes.barh(row, last, left=0, height=0.8, color=FAINT, alpha=0.5)  # the background shows the waiting time
        before = 0.0
        for start, end, kind, text in sorted(work):
            start, end = numbers([start, end], name)
            if not before <= start < end:
                raise UserError(
                    f"{name}: the task from {start:g} to {end:g} overlaps another, or ends before it starts"
                )
            axes.barh(row, end - start, left=start, height=0.8, color=colours[kind], edgecolor="white", linewidth=0.6)
            if 0.09 * len(text) < (end - start) / last * (WIDTH - 1.2):  # inches; a text that does not fit is omitted
                look: dict[str, Any] = dict(ha="center", va="center", fontsize=SMALL, color=ink_on(colours[kind]))
                axes.text((start + end) / 2, row, text, **look)
            before = end
    axes.set_yticks(range(len(rows)), list(rows))
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel=xlabel, xlim=(0, last), ylim=(len(rows) - 0.45, -0.55))
    handles = [Patch(color=colour, label=kind) for kind, colour in colours.items()]
    axes.legend(
        handles=[*handles, Patch(color=FAINT, alpha=0.5, label="waiting")],
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, borderaxespad=0.2, handlelength=1.2,
    )  # fmt: skip
    return figure
