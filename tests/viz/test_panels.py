"""The small plots show what was logged, from zero, in both drawings, and suit a light and a dark page."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from minillm.viz.figures import png
from minillm.viz.panels import PLOT, Panel, panels_figure, panels_svg

SHARES = Panel(
    "share of answers", {"right": ([1, 2, 4], [0.0, 0.2, 0.8]), "with steps": ([1, 2], [0.1, 1.0])}, {"guessing": 0.05}
)
TOKENS = Panel("tokens per answer", {"tokens": ([0, 4], [8.0, 27.0])}, first_colour=2)


@pytest.mark.parametrize(
    ("panel", "limits", "ticks"),
    [
        (SHARES, (0, 1), [0, 0.5, 1]),
        (TOKENS, (0, 28.62), [0, 10, 20]),
        (Panel("share", {"all": ([1], [3.0])}), (0, 3.18), [0, 1, 2, 3]),  # no share of anything
        (Panel("loss", {"loss": ([1, 2], [4.0, 2.0])}, zoomed=True), (1.88, 4.12), [2, 3, 4]),
        (Panel("gain", {"gain": ([1, 2], [-1.0, 2.0])}), (-1.18, 2.18), [-1, 0, 1, 2]),
        (Panel("nothing yet", {"it": ([], [])}), (0, 1), [0, 0.5, 1]),
        (Panel("zeros", {"it": ([1], [0.0])}), (0, 1), [0, 0.5, 1]),
        (Panel("one", {"it": ([1], [5.0])}, zoomed=True), (2.5, 7.5), [4, 6]),
    ],
)
def test_axes_start_at_zero_and_have_a_few_round_ticks(panel, limits, ticks):
    assert panel.limits == pytest.approx(limits)
    assert panel.ticks == pytest.approx(ticks)


def test_values_are_written_as_people_do():
    written = [SHARES.written(0.414), TOKENS.written(27.456), TOKENS.written(12345.6), TOKENS.written(0.0123)]
    assert written == ["41%", "27.5", "12,346", "0.0123"]
    assert [words for _, words in SHARES.legend] == ["right 80%", "with steps 100%"]
    assert [words for _, words in Panel("p", {"line": ([], [])}).legend] == ["line"]
    assert len({colour for panel in (SHARES, TOKENS) for colour, _ in panel.legend}) == 3


def test_the_sketch_holds_the_values_at_their_pixels():
    tree = ElementTree.fromstring(panels_svg([SHARES, TOKENS], last=4, sentence='a "sentence" <b>'))
    assert tree.get("aria-label") == 'a "sentence" <b>'
    lines = {part.get("class"): part.get("points") for part in tree.iter() if part.tag.endswith("polyline")}
    right = [tuple(map(float, point.split(","))) for point in lines["right"].split()]
    (start, bottom), (middle, fifth), (end, high) = right
    assert end - middle == pytest.approx(2 * (middle - start), abs=0.2)
    assert (bottom - fifth, bottom - high) == pytest.approx((0.2 * PLOT, 0.8 * PLOT), abs=0.2)
    words = [part.text for part in tree.iter() if part.tag.endswith("text")]
    assert {"share of answers", "right 80%", "100%", "update", "guessing 5%", "tokens 27", "0", "2", "4"} <= {*words}


def test_many_names_take_several_rows():
    wide = Panel("share", {f"a rather long name {n}": ([1], [0.5]) for n in range(3)})
    tree = ElementTree.fromstring(panels_svg([wide, wide, wide], last=4, sentence="s"))
    names = [part for part in tree.iter() if part.tag.endswith("text") and "rather" in part.text]
    assert len({part.get("y") for part in names}) == 3
    assert all(float(part.get("x")) < 240 for part in names)


def test_markup_in_names_stays_text():
    panel = Panel("<i>", {'a" <b>': ([1, 2], [1.0, 2.0])}, {"<u>": 1.0})
    words = [part.text for part in ElementTree.fromstring(panels_svg([panel], 2, "s")).iter()]
    assert {"<i>", 'a" <b> 2', "<u> 1"} <= {*words}


def test_the_figure_shows_the_same():
    figure = panels_figure([SHARES, TOKENS], last=4)
    shares, tokens = figure.axes
    assert shares.lines[0].get_xydata().tolist() == [[1, 0.0], [2, 0.2], [4, 0.8]]
    assert shares.get_ylim() == (0, 1)
    assert [label.get_text() for label in shares.get_yticklabels()] == ["0%", "50%", "100%"]
    assert tokens.get_xlabel() == "update"
    assert tokens.get_title(loc="left") == "tokens per answer"
    assert [text.get_text() for text in shares.get_legend().get_texts()] == ["right 80%", "with steps 100%"]
    one = Panel("loss", {"loss": ([0, 1], [2.0, 1.0])})
    assert len(png(panels_figure([one], last=1))) > 1000, "one update, one plot"


def test_no_ground_is_painted():
    svg = panels_svg([SHARES], 4, "s")
    assert not re.search(r'<rect [^>]*width="(100%|\d{3})', svg)
    assert {axes.get_facecolor()[3] for axes in panels_figure([SHARES], 4).axes} == {0.0}
    assert panels_figure([SHARES], 4).get_facecolor()[3] == 0.0
