"""A shaded strip holds every token in order, and its ground and its number say the value."""

import pytest
from matplotlib.colors import to_rgb

from minillm.viz import figures


def test_larger_values_are_darker_and_every_token_is_inside():
    values = [i / 39 for i in range(40)]
    axes = figures.shaded_strips({"all": ([f" word{i}" for i in range(40)], values)}).axes[0]
    boxes = [artist for artist in axes.get_children() if hasattr(artist, "get_width") and artist is not axes.patch]
    brightness = [sum(to_rgb(box.get_facecolor())) for box in boxes]
    assert len(boxes) == 40
    assert brightness == sorted(brightness, reverse=True)
    assert brightness[0] == pytest.approx(3)
    assert brightness[-1] < 2.5
    places = [(-box.get_y(), box.get_x()) for box in boxes]
    assert places == sorted(places), "a later token stands further right or further down"
    assert max(box.get_x() + box.get_width() for box in boxes) <= axes.get_xlim()[1]
    assert min(box.get_y() for box in boxes) >= axes.get_ylim()[0]


def test_what_is_written_reads_from_the_top_down():
    axes = figures.shaded_strips({"one": (["a", "b"], [1, 0]), "two": (["c"], [0.333])}).axes[0]
    assert [text.get_text() for text in axes.texts] == ["one", "a", "100", "b", "two", "c", "33"]
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert heights["one"] > heights["a"] == heights["b"] > heights["100"] > heights["two"] > heights["c"]


@pytest.mark.parametrize(
    ("strips", "complaint"),
    [
        ({}, "needs at least one series"),
        ({"none": ([], [])}, "needs at least one series"),
        ({"few": (["a", "b"], [1])}, "few: 2 tokens but 1 values"),
        ({"logits": (["a"], [-3.5])}, "logits: -3.5 is not between 0 and 1"),
        ({"broken": (["a"], [float("nan")])}, "broken: number 0 is nan"),
    ],
)
def test_it_refuses_what_it_cannot_show(strips, complaint):
    with pytest.raises(ValueError, match=complaint):
        figures.shaded_strips(strips)
