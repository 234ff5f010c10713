"""A timetable holds the work it was given, row by row, and refuses what no worker can do."""

import pytest
from matplotlib.colors import to_hex

from minillm.viz import figures


def test_boxes_stand_where_the_work_is_and_bear_its_name():
    work = {"first": [(0, 1, "forward", "1"), (3, 5, "backward", "1")], "second": [(1.0, 2.0, "forward", "2")]}
    axes = figures.timetable(work, "time").axes[0]
    ground, first, third = axes.patches[0], axes.patches[1], axes.patches[2]
    assert (ground.get_x(), ground.get_width()) == (0, 5)
    assert [(box.get_x(), box.get_width(), box.get_y() + 0.4) for box in (first, third)] == [(0, 1, 0), (3, 2, 0)]
    box = axes.patches[4]
    assert (box.get_x(), box.get_width(), box.get_y() + 0.4) == (1, 1, pytest.approx(1))
    assert to_hex(first.get_facecolor()) == to_hex(box.get_facecolor()) != to_hex(third.get_facecolor())
    assert [text.get_text() for text in axes.texts] == ["1", "1", "2"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["forward", "backward", "waiting"]
    assert axes.yaxis_inverted()


def test_what_does_not_fit_into_a_box_is_left_out():
    axes = figures.timetable({"a": [(0, 1, "work", "a rather long name"), (1, 100, "work", "2")]}, "time").axes[0]
    assert [text.get_text() for text in axes.texts] == ["2"]


@pytest.mark.parametrize("work", [[(0, 2, "a", ""), (1, 3, "a", "")], [(1, 1, "a", "")], [(-1, 1, "a", "")]])
def test_nobody_does_two_things_at_once_or_ends_before_the_beginning(work):
    with pytest.raises(ValueError, match=r"row: the task from .* overlaps another, or ends before it starts"):
        figures.timetable({"row": work}, "time")


def test_a_timetable_needs_work():
    with pytest.raises(ValueError, match="timetable needs at least one series"):
        figures.timetable({}, "time")
