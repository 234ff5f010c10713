"""Curves hold the numbers they were given, with their names, bands and reference lines."""

import pytest
import torch
from matplotlib.offsetbox import AnnotationBbox
from matplotlib.text import Text

from minillm.viz import figures


def names_at_the_right(axes):
    return [child.get_text() for box in axes.findobj(AnnotationBbox) for child in box.findobj(Text) if child.get_text()]


def test_lines_plot_every_series_under_its_name():
    axes = figures.lines({"attention": torch.tensor([1.0, 2.0]), "feed-forward": [3, 4, 5]}, "layer", "length").axes[0]
    drawn = {line.get_label(): line.get_ydata().tolist() for line in axes.lines}
    assert drawn == {"attention": [1.0, 2.0], "feed-forward": [3.0, 4.0, 5.0]}
    assert names_at_the_right(axes) == ["attention", "feed-forward"]
    assert len({(line.get_color(), line.get_marker()) for line in axes.lines}) == 2, "colour is not the only difference"
    with pytest.raises(ValueError, match="at least one series"):
        figures.lines({"empty": []}, "layer", "length")


def test_seeds_become_a_mean_and_a_band_from_least_to_greatest():
    axes = figures.lines({"a": torch.tensor([[1.0, 2.0], [3.0, 6.0]])}, "step", "loss", x=[0, 10]).axes[0]
    assert axes.lines[0].get_xydata().tolist() == [[0.0, 2.0], [10.0, 4.0]]
    corners = {tuple(corner) for corner in axes.collections[0].get_paths()[0].vertices.tolist()}
    assert corners == {(0.0, 1.0), (10.0, 2.0), (10.0, 6.0), (0.0, 3.0)}


def test_each_series_may_have_places_of_its_own_and_lines_to_be_held_against():
    x = {"a": [1, 2], "b": [10, 20, 30]}
    series = {"a": [5.0, 6.0], "b": [7.0, 8.0, 9.0]}
    axes = figures.lines(series, "damage", "accuracy", x=x, references={"chance": 0.5}).axes[0]
    drawn = {line.get_label(): line.get_xdata().tolist() for line in axes.lines[:2]}
    assert drawn == x
    assert axes.lines[2].get_ydata() == [0.5, 0.5]
    assert names_at_the_right(axes) == ["a", "b", "chance"]


def test_names_of_lines_that_end_together_stay_apart():
    figure = figures.lines({f"line {i}": [0.0, 1.0 + i / 1000] for i in range(6)}, "x", "y")
    figure.draw_without_rendering()
    boxes = [box.get_window_extent() for box in figure.axes[0].findobj(AnnotationBbox)]
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])


def test_of_many_points_only_some_are_marked_and_lines_stay_different():
    axes = figures.lines({"a": torch.rand(500), "b": torch.rand(500)}, "x", "y").axes[0]
    assert len({line.get_marker() for line in axes.lines}) == 2
    assert all(line.get_markevery()[1] > 10 for line in axes.lines)


def test_logarithmic_axes_are_named_in_plain_numbers_and_refuse_zero():
    axes = figures.lines({"loss": [3.0, 2.0]}, "tokens", "nats", x=[1e3, 1e7], log_x=True).axes[0]
    assert axes.get_xscale() == "log"
    assert axes.xaxis.get_major_formatter()(1e6, 0) == "1 M"
    with pytest.raises(ValueError, match="log_x needs x values above 0, and the lowest is 0"):
        figures.lines({"loss": [3.0, 2.0]}, "tokens", "nats", log_x=True)
    with pytest.raises(ValueError, match="log_y needs y values above 0, and the lowest is -1"):
        figures.scatter([1, 2], [-1, 2], "x", "y", log_y=True)


def test_lines_refuse_places_that_do_not_fit():
    with pytest.raises(ValueError, match="loss: 2 y values for 1 x values"):
        figures.lines({"loss": [1.0, 2.0]}, "x", "y", x=[1])
    with pytest.raises(ValueError, match="x has no entry for 'b'; it has 'a'"):
        figures.lines({"b": [1.0]}, "x", "y", x={"a": [1]})
    with pytest.raises(ValueError, match="loss: number 0 is nan"):
        figures.lines({"loss": [float("nan")]}, "x", "y")


def test_a_scatter_holds_points_names_and_the_callers_line():
    figure = figures.scatter([1, 2], [3, 4], "x", "y", labels=["$a", " b"], fit=([5, 0], [10.0, 0.0]), fit_name="2x")
    axes = figure.axes[0]
    assert axes.collections[0].get_offsets().tolist() == [[1, 3], [2, 4]]
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [5, 10]], "drawn from left to right"
    assert {text.get_text() for text in axes.texts} == {"$a", "␣b"}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["2x"]


def test_a_scatter_may_begin_at_zero():
    axes = figures.scatter([1, 2], [3, 4], "x", "y", labels=["a", "b"], xlim=(0, 3)).axes[0]
    assert axes.get_xlim() == (0, 3)


def test_scatter_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="here are 1 and 2"):
        figures.scatter([1], [1, 2], "x", "y")
    with pytest.raises(ValueError, match="1 labels for 2 points"):
        figures.scatter([1, 2], [1, 2], "x", "y", labels=["a"])


def test_a_short_logarithmic_axis_is_numbered_at_2_and_5_too():
    figure = figures.scatter([0.002, 0.04], [1, 2], "share", "y", log_x=True)
    figure.canvas.draw()
    axis = figure.axes[0].xaxis
    written = {label.get_text() for label in axis.get_ticklabels() + axis.get_ticklabels(minor=True)}
    assert {"0.002", "0.005", "0.01", "0.02"} <= written
    assert not any("$" in text for text in written)  # no TeX: the figures write it out as it is


def test_an_axis_within_one_power_of_ten_is_numbered_at_3_and_7_too():
    figure = figures.lines({"loss": [6.9, 4.0, 2.4]}, "step", "nats", log_y=True)
    figure.canvas.draw()
    low, high = figure.axes[0].get_ylim()
    ticks = figure.axes[0].yaxis.get_minor_ticks()
    written = [tick.label1.get_text() for tick in ticks if low < tick.get_loc() < high]
    assert [text for text in written if text] == ["3", "5", "7"]


def test_points_may_be_means_and_the_axis_may_have_limits():
    figure = figures.lines({"right": [0.0, 1.0, 0.5]}, "update", "share", ylim=(0, 1), mean_of=2)
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0.0, 0.5, 0.75]
    assert figure.axes[0].get_ylim() == (0, 1)
