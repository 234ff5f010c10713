"""Every figure with awkward input: nothing is cut off, nothing is tiny, nothing warns, and it fits the page."""

import math

import pytest
import torch
from matplotlib.text import Text

from minillm.viz import figures
from minillm.viz.figures.style import TINY, WIDTH

AWKWARD = ["\n", " $5", "语言", "🙂", "\ud800", "", " antidisestablishmentarianism", "_^{\\frac", "<|endoftext|>"]
LONG = [f" word{i}" for i in range(24)]
MASK = torch.ones(24, 24).triu(1).bool()


def weights(heads, length):
    return torch.randn(heads, length, length).masked_fill(MASK[:length, :length], -math.inf).softmax(-1)


FIGURES = {
    "token_strip": lambda: figures.token_strip(AWKWARD + LONG, list(range(33))),
    "token_strips": lambda: figures.token_strips({"one": LONG, "the other one": ["".join(LONG)]}),
    "merge_tree": lambda: figures.merge_tree(["a"] * 32, [(0, 10000 + i) for i in range(31)]),
    "merge_tree of two": lambda: figures.merge_tree(["a", "b"], [(0, 123456)]),
    "bars": lambda: figures.bars(["short", "a rather long name of a bar"], [-1e3, 1e4], unit="nats"),
    "probability_bars": lambda: figures.probability_bars(
        AWKWARD, [1.0] + [0.0] * 8, kept=[True] + [False] * 8, cut="min-p 0.1"
    ),
    "unit_line": lambda: figures.unit_line(AWKWARD, [0.3, 0.3, 0.3] + [0.1 / 6] * 6, u=0.999, drawn=8),
    "unit_line of one": lambda: figures.unit_line([" door"], [1.0]),
    "neighbour_bars": lambda: figures.neighbour_bars(AWKWARD, torch.linspace(1, -1, 9), "king", ["\n"]),
    "grouped_bars": lambda: figures.grouped_bars(
        {f"condition {i}": torch.randn(3, 4) for i in range(6)}, list("abcd"), "nats", references={"chance": 0.5}
    ),
    "lines": lambda: figures.lines({f"name {i}": torch.randn(3, 9) for i in range(9)}, "x", "y", None, {"chance": 0}),
    "lines of one point": lambda: figures.lines({"a": [1.0]}, "x", "y"),
    "scatter": lambda: figures.scatter([1, 10, 1000], [1, 2, 3], "x", "y", AWKWARD[:3], ([1, 9], [1, 3]), log_x=True),
    "size_and_cost": lambda: figures.size_and_cost(
        *({"attention": [1e-3, 1.0, 1e3], "feed-forward": [x, 5.0, 500.0]} for x in (2.0, 3.0, 1.0, 9.0)),
        "norm of what the part adds",
        "bits",
    ),
    "waterfall": lambda: figures.waterfall(torch.rand(9, 61).cumsum(-1) * 1e4, AWKWARD, top=1e5),
    "costs_by_block": lambda: figures.costs_by_block(
        {"block": torch.rand(48, 3).mul(1e4).tolist(), "attention": [[0.1, -1.0]], "feed-forward": [[3.0]] * 30}, 0.5, 4
    ),
    "training_curve": lambda: figures.training_curve(
        ([1, 9], [7.0, 6.9]), ([1, 9], [7.0, 6.9]), ([9], [6.95]), {"floor": 0.5}, ([1, 9000], [7, 0.6], [7.1, 0.7])
    ),
    "training_curve of one": lambda: figures.training_curve(([1], [7.0]), ([1], [7.0])),
    "timetable": lambda: figures.timetable(
        {"the first of the workers": [(0, 1, "on", "1")], "b": [(i, i + 1, "back", str(i)) for i in range(40)]},
        "time",
    ),
    "timetable of one": lambda: figures.timetable({"a": [(0, 1, "work", "a")]}, "time"),
    "heat_map": lambda: figures.heat_map(torch.rand(9, 9), "token token", AWKWARD, AWKWARD),
    "heat_map of one cell": lambda: figures.heat_map([[3.25]], "T C"),
    "heat_map, large": lambda: figures.heat_map(torch.randn(60, 64), "T C", unit="value"),
    "heat_map, panels": lambda: figures.heat_map(torch.randn(4, 2, 3), "B T C"),
    "embedding_map": lambda: figures.embedding_map(torch.randn(9, 2), AWKWARD, groups=list("aabbccdde")),
    "embedding_map of one": lambda: figures.embedding_map([[0.0, 0.0]], ["a"]),
    "rotation": lambda: figures.rotation(torch.randn(40, 8, 2), titles=[f"pair {i}: 0.0001 rad" for i in range(8)]),
    "rotation of one": lambda: figures.rotation(torch.randn(1, 1, 2)),
    "attention_arcs": lambda: figures.attention_arcs(AWKWARD, weights(1, 9)[0, -1], query=8),
    "attention_arcs, long": lambda: figures.attention_arcs(LONG, weights(1, 24)[0, 11], query=11),
    "attention_arcs of one": lambda: figures.attention_arcs(["a"], [1.0], query=0),
    "logit_lens": lambda: figures.logit_lens([AWKWARD] * 30, torch.rand(30, 9), AWKWARD),
    "logit_lens of one": lambda: figures.logit_lens([["a"]], [[1.0]], ["The"]),
}  # fmt: skip


def test_no_figure_is_left_out():
    drawn = {name.split(",")[0].split(" of ")[0] for name in FIGURES}
    functions = {name for name in figures.__all__ if name.islower()} - {
        "in_style", "new_figure", "png", "show", "shown_size", "visible",
    }  # fmt: skip
    assert drawn == functions


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_cut_or_tiny_and_it_fits_the_page(name):
    figure = FIGURES[name]()
    figures.png(figure)  # warnings are errors here: a missing glyph or a layout that collapsed would raise
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    assert width <= WIDTH + 1e-6
    labels = [text for axes in figure.axes for text in axes.texts if text.get_text()]
    boxes = [text.get_window_extent().transformed(figure.dpi_scale_trans.inverted()) for text in labels]
    for box in (figure.get_tightbbox(), *boxes):
        assert min(box.x0, box.y0) >= -0.01, "cut off at the left or at the foot"
        assert max(box.x1 - width, box.y1 - height) <= 0.01, "cut off at the right or at the top"
    assert all(text.get_fontsize() >= TINY for text in figure.findobj(Text) if text.get_text())
