"""A chart of what a part is worth against the size of what it adds."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from minillm.errors import UserError
from minillm.viz.figures.curves import scales
from minillm.viz.figures.labels import label_points
from minillm.viz.figures.style import BLUE, INK, ORANGE, Numbers, in_style, named, new_figure, numbers

COLORS = (BLUE, ORANGE)
MARKERS = ("o", "s")
NAMED = 5  # of all parts, those with the highest cost, which get their names


@in_style
def size_and_cost(
    size: Mapping[str, Numbers], cost: Mapping[str, Numbers], low: Mapping[str, Numbers], high: Mapping[str, Numbers],
    xlabel: str, ylabel: str, also: Sequence[tuple[str, int]] = (),
) -> Figure:  # fmt: skip
    """Draw each part as a point: how long a vector it adds, and what is lost without it.

    All four hold one number per layer for each sort of part; `low` and `high` end the line through a point, such as the
    least and the highest cost in several texts. The most expensive parts, the largest, and those in `also` get the name
    of their sort and the number of their layer. Raises `UserError` for sorts or lengths that differ.

    >>> one = {"attention": [1.0, 9.0], "feed-forward": [3.0, 4.0]}
    >>> figure = size_and_cost(one, one, one, one, "norm", "bits per token")
    >>> sorted(text.get_text() for text in figure.axes[0].texts)
    ['attention 0', 'attention 1', 'feed-forward 0', 'feed-forward 1']
    """
    named(size, "size_and_cost")
    figure, axes = new_figure(height=3.9)
    costs = sorted(value for each in cost.values() for value in numbers(each, "cost"))
    largest = max(value for each in size.values() for value in numbers(each, "size"))
    points, labels = [], []
    for (sort, sizes), color, marker in zip(size.items(), COLORS, MARKERS, strict=False):
        if any(len(each.get(sort, ())) != len(sizes) for each in (cost, low, high)):
            raise UserError(f"{sort} has {len(sizes)} sizes; give as many costs, and as many ends of their lines")
        x, y, least, most = (numbers(each[sort], sort) for each in (size, cost, low, high))
        axes.vlines(x, least, most, color=color, lw=1, alpha=0.5)
        axes.scatter(x, y, s=26, color=color, marker=marker, lw=0, label=sort, zorder=3)
        shown = [
            layer
            for layer in range(len(x))
            if y[layer] >= costs[-NAMED:][0] or x[layer] == largest or (sort, layer) in also
        ]
        points += [(x[layer], y[layer]) for layer in shown]
        labels += [f"{sort} {layer}" for layer in shown]
    scales(axes, log_x=True, log_y=False)
    axes.axhline(0, color=INK, lw=0.8)
    axes.set(xlabel=f"{xlabel} (log scale)", ylabel=ylabel)
    axes.margins(0.08)
    axes.legend(loc="upper left")
    label_points(axes, points, labels)
    return figure
