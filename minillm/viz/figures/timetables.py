"""Who is at work when: one row a worker, one box a piece of work, and what stays empty is waiting."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from minillm.errors import UserError
from minillm.viz.figures.style import FAINT, PALETTE, SMALL, WIDTH, in_style, ink_on, named, new_figure, numbers

Work = tuple[float, float, str, str]  # start, end, kind, what stands in the box


@in_style
def timetable(rows: Mapping[str, Sequence[Work]], xlabel: str) -> Figure:
    """The work of each worker as boxes over time, the first worker on top; each kind of work has its colour.

    Raises `ValueError` for work that ends before it begins, and where a worker would do two things at once.

    >>> figure = timetable({"card 0": [(0, 1, "forward", "1"), (2, 4, "backward", "1")]}, "time")
    >>> [(float(box.get_x()), float(box.get_width())) for box in figure.axes[0].patches[1:]]
    [(0.0, 1.0), (2.0, 2.0)]
    """
    named(rows, "timetable")
    kinds = list(dict.fromkeys(kind for work in rows.values() for _, _, kind, _ in work))
    colours = {kind: PALETTE[place % len(PALETTE)] for place, kind in enumerate(kinds)}
    last = max(end for work in rows.values() for _, end, *_ in work)
    figure, axes = new_figure(height=0.95 + 0.36 * len(rows))
    for place, (name, work) in enumerate(rows.items()):
        axes.barh(place, last, left=0, height=0.8, color=FAINT, alpha=0.5)  # what nothing covers is waiting
        before = 0.0
        for start, end, kind, text in sorted(work):
            start, end = numbers([start, end], name)
            if not before <= start < end:
                raise UserError(f"{name}: work from {start:g} to {end:g} overlaps what came before, or ends too early")
            axes.barh(place, end - start, left=start, height=0.8, color=colours[kind], edgecolor="white", linewidth=0.6)
            if 0.09 * len(text) < (end - start) / last * (WIDTH - 1.2):  # inches: what would not fit is left out
                look: dict[str, Any] = dict(ha="center", va="center", fontsize=SMALL, color=ink_on(colours[kind]))
                axes.text((start + end) / 2, place, text, **look)
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
