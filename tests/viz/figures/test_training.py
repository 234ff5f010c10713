"""The training curve holds the losses it was given, its rulers, and the band behind them."""

import pytest

from minillm.viz.figures import training_curve

RAW, SMOOTH, VALIDATION = ([1, 10, 20], [7.0, 4.0, 5.0]), ([1, 10, 20], [7.0, 5.5, 4.5]), ([20], [4.6])


def test_every_curve_is_drawn_as_it_is():
    axes = training_curve(RAW, SMOOTH, VALIDATION, {"floor": 0.6}, ([1, 30], [6.0, 4.0], [7.0, 5.0])).axes[0]
    drawn = {line.get_label(): line.get_xydata().tolist() for line in axes.lines[:3]}
    assert drawn == {
        "each batch": [[1, 7], [10, 4], [20, 5]],
        "training loss": [[1, 7], [10, 5.5], [20, 4.5]],
        "validation loss": [[20, 4.6]],
    }
    assert axes.lines[3].get_ydata() == [0.6, 0.6]
    corners = {tuple(corner) for corner in axes.collections[0].get_paths()[0].vertices.tolist()}
    assert corners == {(1.0, 6.0), (30.0, 4.0), (30.0, 5.0), (1.0, 7.0)}
    assert axes.get_yscale() == "log"


def test_without_validation_there_is_no_such_line():
    assert [line.get_label() for line in training_curve(RAW, SMOOTH).axes[0].lines[:2]] == [
        "each batch",
        "training loss",
    ]


@pytest.mark.parametrize(
    ("raw", "smooth", "sentence"),
    [
        (([], []), ([], []), "needs at least one loss"),
        (([1, 2], [7.0]), SMOOTH, "each batch: 2 steps and 1 losses"),
        (([1], [0.0]), ([1], [0.0]), "y values above 0"),
        (([1], [float("nan")]), ([1], [1.0]), "each batch: number 0 is nan"),
    ],
)
def test_what_cannot_be_drawn_is_told(raw, smooth, sentence):
    with pytest.raises(ValueError, match=sentence):
        training_curve(raw, smooth)
