"""The computation graph of a small expression, with values and gradients."""

import re
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from minillm.errors import UserError
from minillm.viz.figures.labels import spread
from minillm.viz.figures.style import BLUE, INK, ORANGE, QUIET, RED_INK, SMALL, WIDTH, in_style, new_sketch

TALL = 0.78  # inches between two nodes in a column


@in_style
def computation_graph(
    formulas: Mapping[str, str], values: Mapping[str, Any], gradients: Mapping[str, Any] | None = None
) -> Figure:
    """Draw an expression as a graph: one box per quantity with its value and, in red, its gradient.

    `formulas` maps each name to its formula, "" for an input; the names in a formula become arrows. Raises `UserError`
    for a name without a value and for a cycle.

    >>> figure = computation_graph({"a": "", "b": "", "c": "a * b"}, {"a": 2, "b": 3, "c": 6}, {"a": 3, "b": 2, "c": 1})
    >>> [text.get_text() for text in figure.axes[0].texts if "grad" in text.get_text()]
    ['grad 3', 'grad 2', 'grad 1']
    """
    if not formulas:
        raise UserError('computation_graph needs at least one formula, for example {"a": "", "b": "a * a"}')
    for what, given in (("value", values), ("gradient", gradients)):
        if given is not None and (missing := [name for name in formulas if name not in given]):
            raise UserError(f"no {what} for {', '.join(map(repr, missing))}; give one for every name in formulas")
    inputs = {name: _names(formula, formulas) for name, formula in formulas.items()}
    columns = _columns(inputs)
    titles = {name: f"{name} = {formula}" if formula else name for name, formula in formulas.items()}
    notes = {name: number(values[name]) for name in formulas}
    slopes = {name: f"grad {number(gradients[name])}" for name in formulas} if gradients is not None else {}

    # lay out the nodes in columns
    halves = {
        name: 0.1 + 0.043 * max(len(titles[name]), len(notes[name]), len(slopes.get(name, ""))) for name in formulas
    }
    widest = [max(halves[name] for name in column) for column in columns]
    gap = 0.55
    width = 2 * sum(widest) + gap * (len(columns) - 1) + 0.2
    if width > WIDTH:
        gap = max(0.25, gap - (width - WIDTH) / max(1, len(columns) - 1))
        width = 2 * sum(widest) + gap * (len(columns) - 1) + 0.2
    if width > WIDTH:
        raise UserError(f"the graph is {width:.1f} inches wide and the page {WIDTH}; shorten formulas or cut it in two")
    tall = TALL if gradients is not None else TALL - 0.14
    height = tall * max(map(len, columns)) + 0.12
    figure, axes = new_sketch(width, height)
    places: dict[str, tuple[float, float]] = {}
    x = 0.1
    for column, half in zip(columns, widest, strict=True):
        for name, y in _heights(column, inputs, places, tall, height).items():
            places[name] = (x + half, y)
        x += 2 * half + gap

    # draw arrows and nodes
    for name, below in inputs.items():
        for other in below:
            _arrow(axes, places[other], halves[other], places[name], halves[name])
    for name, at in places.items():
        _node(axes, at, halves[name], titles[name], notes[name], slopes.get(name), ORANGE if not inputs[name] else BLUE)
    return figure


def number(value: Any) -> str:
    """Format a number with up to four significant digits.

    >>> number(2.0), number(-0.70710678), number(12345.6), number(1e-9)
    ('2', '−0.7071', '12346', '1e−09')
    """
    value = value.item() if isinstance(value, Tensor) else float(value)
    return (f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}").replace("-", "−")


def _names(formula: str, known: Mapping[str, str]) -> list[str]:
    """The known names in a formula, without repetition, in order of appearance."""
    return [word for word in dict.fromkeys(re.findall(r"[^\W\d]\w*", formula)) if word in known]


def _columns(inputs: Mapping[str, list[str]]) -> list[list[str]]:
    """The names by depth; an input is placed just before its first use."""
    try:
        order = list(TopologicalSorter(inputs).static_order())
    except CycleError as cycle:
        raise UserError(f"the formulas have a cycle: {' -> '.join(cycle.args[1])}") from None
    depth: dict[str, int] = {}
    for name in order:
        depth[name] = 1 + max((depth[other] for other in inputs[name]), default=-1)
    for name in order:
        users = [depth[user] for user, below in inputs.items() if name in below]
        if not inputs[name] and users:
            depth[name] = min(users) - 1
    names = list(inputs)
    return [
        sorted((n for n in names if depth[n] == level), key=names.index) for level in range(max(depth.values()) + 1)
    ]


def _heights(
    column: list[str], inputs: Mapping[str, list[str]], places: Mapping[str, tuple], tall: float, height: float
) -> dict[str, float]:
    """Place each node of a column at the mean height of its inputs, or as near as its neighbors allow."""
    middle = height / 2
    wanted = {}
    for rank, name in enumerate(column):
        below = [places[other][1] for other in inputs[name] if other in places]
        free = middle + tall * ((len(column) - 1) / 2 - rank)
        wanted[name] = sum(below) / len(below) if below else free
    order = sorted(column, key=lambda name: -wanted[name])
    heights = spread([-wanted[name] for name in order], tall)
    low, high = tall / 2 + 0.06, height - tall / 2 - 0.06
    top = -heights[0]
    shift = min(0.0, high - top) or max(0.0, low + heights[-1])
    return {name: -y + shift for name, y in zip(order, heights, strict=True)}


def _arrow(axes: Axes, start: tuple, half_start: float, end: tuple, half_end: float) -> None:
    line = dict(arrowstyle="-|>", color=QUIET, linewidth=1.2, shrinkA=0, shrinkB=1)
    axes.annotate("", (end[0] - half_end, end[1]), (start[0] + half_start, start[1]), arrowprops=line, zorder=1)


def _node(
    axes: Axes, at: tuple, half: float, title: str, value: str, slope: str | None, colour: str
) -> None:  # fmt: skip
    (x, y), rise = at, 0.3 if slope else 0.23
    look: dict[str, Any] = dict(
        boxstyle="round,pad=0,rounding_size=0.06", facecolor="white", edgecolor=colour, linewidth=1.6
    )
    axes.add_patch(FancyBboxPatch((x - half, y - rise), 2 * half, 2 * rise, zorder=2, **look))
    rows = [(title, INK, "bold"), (value, INK, "normal"), *([(slope, RED_INK, "normal")] if slope else [])]
    for row, (text, ink, weight) in enumerate(rows):
        level = y + 0.18 * ((len(rows) - 1) / 2 - row) - 0.01
        axes.text(x, level, text, ha="center", va="center", fontsize=SMALL, color=ink, weight=weight, zorder=3)
