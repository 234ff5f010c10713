"""The figures of lesson 13, and the text that its tables count live."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import numpy as np
from matplotlib.figure import Figure

from minillm.course import models
from minillm.course.scaling_runs import Fit, Point, law_of
from minillm.data.corpora import load_corpus
from minillm.viz.figures import lines, scatter
from minillm.viz.figures.style import INK


def over_cost(
    series: Mapping[str, Sequence[Point]],
    references: Mapping[str, float] | None = None,
    cost: str = "trillion FLOPs",
    dots: Sequence[Point] = (),
) -> Figure:
    """Losses over cost on logarithmic axes: one line per name, and `dots` for what was measured.

    >>> over_cost({"runs": [Point("", 1e12, 3.0), Point("", 1e13, 1.0)]}).axes[0].lines[0].get_xydata().tolist()
    [[1.0, 3.0], [10.0, 1.0]]
    """
    unit = 1e12 if cost.startswith("trillion") else 1.0
    losses = {name: [point.loss for point in points] for name, points in series.items()}
    costs = {name: [point.cost / unit for point in points] for name, points in series.items()}
    figure = lines(losses, cost, "nats per token", x=costs, references=references, log_x=True, log_y=True)
    if dots:
        x, y = [point.cost / unit for point in dots], [point.loss for point in dots]
        figure.axes[0].scatter(x, y, color=INK, s=26, zorder=5)
    return figure


def dots_to_extend(points: Sequence[Point], until: float, lowest: float = 0.2) -> Figure:
    """Losses over FLOPs as dots, on logarithmic axes that have room up to a cost.

    >>> axes = dots_to_extend([Point("", 1e12, 2.0), Point("", 2e12, 1.5)], until=2e13).axes[0]
    >>> [round(float(end), 1) for end in axes.get_xlim()]
    [0.8, 25.0]
    """
    x, y = [point.cost / 1e12 for point in points], [point.loss for point in points]
    ends = 0.8 * min(x), 1.25 * until / 1e12
    figure = scatter(x, y, "trillion FLOPs", "nats per token", log_x=True, log_y=True, xlim=ends)
    figure.axes[0].set_ylim(lowest, 1.3 * max(y))
    return figure


def by_width(runs: Sequence[Point]) -> dict[str, list[Point]]:
    """The sweep's runs by their model's width.

    >>> by_width([Point("16 wide, 100 steps", 1.0, 2.0), Point("16 wide, 200 steps", 2.0, 1.0)]).keys()
    dict_keys(['16 wide'])
    """
    found: dict[str, list[Point]] = {}
    for run in runs:
        found.setdefault(run.name.partition(",")[0], []).append(run)
    return found


def along(points: Sequence[Point], fit: Fit, floor: float | None, until: float) -> list[Point]:
    """A law that fits points, from the cheapest of them to a cost.

    >>> from minillm.course.turns.scaling import fit_power
    >>> law = along([Point("", x, 1 + 8 * x**-0.5) for x in (1.0, 4.0, 16.0)], fit_power, 1.0, until=64.0)
    >>> round(law[0].loss, 6), round(law[-1].loss, 6)
    (9.0, 2.0)
    """
    law, first = law_of(points, fit, floor), min(point.cost for point in points)
    return [Point("law", float(cost), law(float(cost))) for cost in np.geomspace(first, until, 60)]


def token_streams(n_train: int = 1_000, n_validation: int = 200) -> tuple[list[int], list[int]]:
    """The ids of documents to count and of others to score, each document after an end token.

    >>> train, validation = token_streams(20, 10)
    >>> train[0] == validation[0] == 0
    True
    """
    _, tokenizer = models.base()
    corpus = load_corpus("world", seed=1, n_train=n_train, n_validation=n_validation)

    def stream(texts: Iterable[str]) -> list[int]:
        end = tokenizer.special_tokens["<|endoftext|>"]
        return list(chain.from_iterable([end, *ids] for ids in tokenizer.encode_batch(list(texts))))

    return stream(corpus.train), stream(corpus.validation)
