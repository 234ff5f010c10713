"""The live picture shows the lines it was handed, is drawn when it is due, and leaves the course's figure behind."""

import math
import re
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient

from minillm.viz import live as widget
from minillm.viz.live import Live
from minillm.viz.sketch import BOTTOM, LEFT, MOST_POINTS, RIGHT, TOP

LINES = [
    {"step": 1, "loss": 7.0, "learning_rate": 1e-4, "grad_norm": 2.0, "tokens_per_second": 100.0},
    {"step": 10, "loss": 4.0, "val_loss": 4.5, "above_floor": 3.9},
    {"step": 20, "loss": 5.0, "learning_rate": 3.21e-3, "grad_norm": 0.512, "tokens_per_second": 9876.5}
    | {"flop_utilization": 0.314},
]


def handed(lines=LINES, **options) -> Live:
    live = Live(**options)
    for line in lines:
        live(line)
    return live


def test_the_figure_holds_the_metrics():
    axes = handed(floor=0.6, bigram=1.8, band=([1, 30], [6.0, 4.0], [7.0, 5.0])).figure().axes[0]
    drawn = {line.get_label(): line.get_xydata().tolist() for line in axes.lines[:3]}
    assert drawn["each batch"] == [[1, 7], [10, 4], [20, 5]]
    assert drawn["training loss"] == [[1, 7], [10, 4], [20, 5]]  # three steps, none within a tenth of another
    assert drawn["validation loss"] == [[10, 4.5]]
    assert [line.get_ydata()[0] for line in axes.lines[3:5]] == [1.8, 0.6]


def svg_points(live, name):
    """The data of one line of the sketch, from its pixels, for the axes' known ends."""
    tree = ElementTree.fromstring(live.sketch())
    (line,) = (part for part in tree.iter() if part.get("class") == name)
    return [tuple(map(float, point.split(","))) for point in line.get("points").split()]


def test_the_sketch_holds_the_metrics():
    live = handed(floor=0.6, band=([1, 30], [6.0, 4.0], [7.5, 5.0]), steps=40)
    low, high = 0.93 * 0.6, 1.07 * 7.5

    def pixel(step, nats):
        height = math.log(nats / low) / math.log(high / low)
        return LEFT + (RIGHT - LEFT) * step / 40, BOTTOM - (BOTTOM - TOP) * height

    for name, expected in (
        ("raw", [(1, 7.0), (10, 4.0), (20, 5.0)]),
        ("validation", [(10, 4.5)]),
        ("band", [(1, 6.0), (30, 4.0), (30, 5.0), (1, 7.5)]),
    ):
        for found, wanted in zip(svg_points(live, name), expected, strict=True):
            assert found == pytest.approx(pixel(*wanted), abs=0.051)
    words = [part.text for part in ElementTree.fromstring(live.sketch()).iter() if part.tag.endswith("text")]
    assert {"floor 0.60", "training loss", "validation loss", "normal over five seeds", "5", "1"} <= {*words}
    assert ElementTree.fromstring(live.sketch()).get("aria-label") == live.sentence


def test_a_long_run_is_thinned_and_keeps_its_last_point():
    live = handed([{"step": step, "loss": 2.0 + step / 5000} for step in range(1, 5001)])
    points = svg_points(live, "raw")
    assert len(points) <= MOST_POINTS + 1
    assert points[-1][0] == RIGHT


def test_the_sentence_says_what_the_lines_say():
    assert handed(floor=0.6).sentence == (
        "Step 20: training loss 5.000, validation loss 4.500 (3.900 above the floor); 9,876 tokens/s, 31% of the peak, "
        "gradient norm 0.51, learning rate 0.0032."
    )
    assert "(3.900 above the floor)" in handed().sentence  # from the line, where the picture does not know the floor
    assert handed([{"step": 1, "loss": 7.0}]).sentence == "Step 1: training loss 7.000."
    assert (
        "validation loss 0.600 (0.000 above the floor)"
        in handed([{"step": 1, "loss": 1.0, "val_loss": 0.6}], floor=0.6).sentence
    )
    assert Live().sentence == "No step yet."


def test_steps_that_are_run_again_give_way():
    live = handed([*LINES, {"step": 10, "loss": 4.1}])
    assert [(line["step"], line["loss"]) for line in live.lines] == [(1, 7.0), (10, 4.1)]


def test_losses_that_no_axis_holds_are_left_out():
    live = handed([{"step": 1, "loss": 7.0}, {"step": 2, "loss": 0.0, "val_loss": math.nan}])
    assert live.figure().axes[0].lines[0].get_xydata().tolist() == [[1, 7]]
    with pytest.raises(ValueError, match="the floor is -1"):
        Live(floor=-1)


def test_outside_of_a_notebook_nothing_is_drawn(monkeypatch):
    monkeypatch.setattr(widget, "sketch", None)
    assert len(handed().lines) == 3


class Notebook:
    """A notebook that remembers what was displayed, and when by a clock that only we move."""

    def __init__(self, monkeypatch, cost=0.0):
        self.now, self.shown, self.hooks = 100.0, [], []
        self.kernel, self.events = object(), self
        self.register = lambda event, hook: self.hooks.append(hook)
        self.unregister = lambda event, hook: self.hooks.remove(hook)
        monkeypatch.setattr(widget, "notebook", lambda: self)
        monkeypatch.setattr(widget, "displayed", self.show)
        monkeypatch.setattr(widget, "time", SimpleNamespace(perf_counter=lambda: self.now))
        drawn = widget.sketch

        def costly(**arguments):
            self.now += cost
            return drawn(**arguments)

        monkeypatch.setattr(widget, "sketch", costly)

    def show(self, bundle):
        self.shown.append(bundle)
        return SimpleNamespace(
            update=lambda bundle, raw, metadata=None: self.shown.append({**bundle, "meta": metadata})
        )

    def pictures(self):
        return sum("<svg" in bundle.get("text/html", "") for bundle in self.shown)


def test_it_draws_once_a_second_and_at_the_end_of_the_cell(monkeypatch):
    notebook, live = Notebook(monkeypatch), Live(floor=0.6)
    for step in range(1, 101):
        live({"step": step, "loss": 7.0 - step / 20})
        notebook.now += 0.125  # so that every eighth line is due
    assert notebook.pictures() == 13
    assert "Step 97:" in notebook.shown[-1]["text/plain"]
    (hook,) = notebook.hooks
    hook(None)
    picture, caption = notebook.shown[-2:]
    assert "image/png" in picture
    assert picture["meta"]["image/png"]["alt"] == caption["text/plain"] == live.sentence
    assert live.sentence.startswith("Step 100:")
    assert not notebook.hooks
    live({"step": 101, "loss": 2.0})  # the run goes on in another cell, and is shown there
    assert len(notebook.hooks) == 1


def test_a_picture_that_takes_long_is_drawn_more_seldom(monkeypatch):
    notebook, live = Notebook(monkeypatch, cost=0.05), Live()
    start = notebook.now
    for step in range(1, 1001):
        live({"step": step, "loss": 7.0})
        notebook.now += 0.1
    assert notebook.pictures() * 0.05 <= 0.011 * (notebook.now - start) + 0.05


def test_a_stored_notebook_keeps_the_last_picture_and_sentence():
    """In a real kernel, in a cell that ends in an error: what was displayed is replaced in place."""
    cell = nbformat.v4.new_code_cell(
        "from minillm.viz.live import Live\n"
        "live = Live(floor=0.6)\n"
        "for step in range(1, 31):\n"
        "    live({'step': step, 'loss': 7.0 / step})\n"
        "raise KeyboardInterrupt"
    )
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, timeout=300, kernel_name="python3", allow_errors=True).execute()
    picture, caption, error = notebook.cells[0].outputs
    assert error.ename == "KeyboardInterrupt"
    assert re.match("iVBOR", picture.data["image/png"])
    assert "text/html" not in picture.data
    assert picture.metadata["image/png"]["alt"] == caption.data["text/plain"]
    assert caption.data["text/plain"].startswith("Step 30: training loss")
