"""Bars hold the numbers they were given, and refuse what they cannot show."""

import pytest
import torch
from matplotlib.colors import to_hex

from minillm.viz import figures


def test_probability_bars_plot_the_probabilities_first_on_top():
    values = torch.tensor([0.5, 0.3, 0.2])
    axes = figures.probability_bars([" Paris", " a", "\n"], values, chosen=1).axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.5, 0.3, 0.2])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["␣Paris", "␣a", "↵"]
    assert axes.yaxis_inverted()
    assert [to_hex(bar.get_facecolor()).upper() for bar in axes.patches] == [figures.BLUE, figures.RED, figures.BLUE]


@pytest.mark.parametrize("values", [[0.4, 1.7], [-0.1, 0.4], [float("nan"), 0.2]])
def test_probability_bars_refuse_what_is_no_probability(values):
    with pytest.raises(ValueError, match=r"is not a probability; apply softmax first"):
        figures.probability_bars(["a", "b"], values)


def test_bars_write_their_numbers_with_the_digits_asked_for():
    axes = figures.bars(["a", "b"], [1.25, -2], unit="nats", digits=1).axes[0]
    assert [text.get_text() for text in axes.texts] == ["1.2", "-2.0"]
    assert axes.get_xlabel() == "nats"
    low, high = axes.get_xlim()
    assert low < -2
    assert high > 1.25


def test_bars_need_one_label_a_bar():
    with pytest.raises(ValueError, match="1 labels for 2 bars"):
        figures.bars(["a"], [1.0, 2.0], unit="nats")
    with pytest.raises(ValueError, match="at least one bar"):
        figures.bars([], [], unit="nats")
    with pytest.raises(ValueError, match="1 errors for 2 bars; give one per bar"):
        figures.bars(["a", "b"], [1.0, 2.0], unit="nats", errors=[0.1])
    with pytest.raises(ValueError, match="1 errors for 2 bars; give one per bar"):
        figures.bars(["a", "b"], [0.0, 1.0], unit="share", intervals=[(0.0, 0.2)])


def test_error_bars_reach_as_far_as_the_errors_and_fit_into_the_axes():
    axes = figures.bars(["a", "b"], [1.0, -2.0], unit="nats", errors=[0.5, 1.0]).axes[0]
    (ends,) = [lines.get_segments() for lines in axes.collections]
    assert [segment[:, 0].tolist() for segment in ends] == [[0.5, 1.5], [-3.0, -1.0]]
    low, high = axes.get_xlim()
    assert low < -3.0
    assert high > 1.5


def test_intervals_of_shares_end_where_they_end():
    intervals = [(-1e-17, 0.0602), (0.2, 0.5), (0.9398, 0.9999999999999999)]
    axes = figures.bars(["none", "some", "all"], [0.0, 0.3, 1.0], unit="share", intervals=intervals).axes[0]
    (ends,) = [lines.get_segments() for lines in axes.collections]
    found = [end for segment in ends for end in segment[:, 0].tolist()]
    assert found == pytest.approx([0.0, 0.0602, 0.2, 0.5, 0.9398, 1.0])
    assert axes.get_xlim()[0] == 0.0


def test_what_a_rule_cuts_is_grey_and_hatched_and_divided_by_a_line():
    kept = torch.tensor([True, True, False])
    axes = figures.probability_bars(["a", "b", "c"], [0.5, 0.3, 0.2], kept=kept, cut="top-k 2").axes[0]
    assert [bool(bar.get_hatch()) for bar in axes.patches] == [False, False, True]
    assert [line.get_ydata()[0] for line in axes.lines] == [1.5]
    assert axes.texts[-1].get_text() == "top-k 2"


@pytest.mark.parametrize("kept", [[True, True], [False, True], [False, False]])
def test_no_line_where_the_kept_ones_are_not_the_first_or_all(kept):
    assert len(figures.probability_bars(["a", "b"], [0.5, 0.5], kept=kept, cut="rule").axes[0].lines) == 0


def test_probability_bars_refuse_marks_and_rows_that_are_not_there():
    with pytest.raises(ValueError, match="kept has 1 entries for 2 tokens"):
        figures.probability_bars(["a", "b"], [0.5, 0.5], kept=[True])
    with pytest.raises(ValueError, match="chosen is 2; the rows are numbered 0 to 1"):
        figures.probability_bars(["a", "b"], [0.5, 0.5], chosen=2)


def test_neighbours_of_the_question_itself_are_grey():
    axes = figures.neighbour_bars([" queen", " king"], torch.tensor([0.72, 0.69]), "q", greyed=[" king"]).axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.72, 0.69])
    first, second = (to_hex(bar.get_facecolor()).upper() for bar in axes.patches)
    assert first == figures.BLUE != second
    assert axes.get_xlim()[0] == 0
    assert figures.neighbour_bars(["a"], [-0.5], "q").axes[0].get_xlim()[0] < -1


def test_neighbour_bars_refuse_what_is_no_cosine():
    with pytest.raises(ValueError, match="1.5 is not a cosine; divide the dot product by both norms"):
        figures.neighbour_bars(["a"], [1.5], "q")


def test_grouped_bars_show_the_mean_and_the_range_over_seeds():
    seeds = torch.tensor([[0.2, 0.6], [0.4, 1.0]])
    axes = figures.grouped_bars({"a": seeds, "b": [0.5, 0.5]}, ["x", "y"], "accuracy", references={"chance": 0.5}).axes[
        0
    ]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([0.3, 0.8, 0.5, 0.5])
    ends = [end for segment in axes.collections[0].get_segments() for end in segment[:, 1]]
    assert ends == pytest.approx([0.2, 0.4, 0.6, 1.0])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "y"]
    assert [text.get_text() for text in axes.texts] == ["0.30", "0.80", "0.50", "0.50"]
    assert [line.get_ydata()[0] for line in axes.lines if line.get_label() == "chance"] == [0.5]


def test_grouped_bars_take_errors_as_half_lengths_and_write_below_a_negative_bar():
    axes = figures.grouped_bars({"a": [1.0, -2.0]}, ["x", "y"], "nats", errors={"a": [0.25, 0.5]}).axes[0]
    ends = [end for segment in axes.collections[0].get_segments() for end in segment[:, 1]]
    assert ends == pytest.approx([0.75, 1.25, -2.5, -1.5])
    assert [(text.get_text(), text.xy[1]) for text in axes.texts] == [("1.00", 1.25), ("−2.00", -2.5)]


def test_five_names_of_grouped_bars_stand_in_one_row_that_fits():
    names = ["before", "told", "10 updates", "by heart", "reader"]
    figure = figures.grouped_bars({name: [1.0] for name in names}, ["x"], "share")
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].get_legend().get_texts()]
    assert len({round(box.y0) for box in boxes}) == 1
    assert boxes[-1].x1 < figure.bbox.x1


def test_grouped_bars_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="a: 1 values for 2 groups; give one per group"):
        figures.grouped_bars({"a": [1.0]}, ["x", "y"], "nats")
    with pytest.raises(ValueError, match="no errors for 'b'"):
        figures.grouped_bars({"a": [1.0], "b": [1.0]}, ["x"], "nats", errors={"a": [0.1]})
    with pytest.raises(ValueError, match="grouped_bars needs at least one series"):
        figures.grouped_bars({}, ["x"], "nats")
