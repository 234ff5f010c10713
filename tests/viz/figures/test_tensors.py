"""Coloured cells hold the tensor, and their names fit its shape."""

import math

import pytest
import torch

from minillm.viz import figures
from minillm.viz.figures.tensors import colour_limits


def test_a_vector_of_zeros_still_has_a_scale():
    assert figures.heat_map(torch.zeros(1, 4), "T C").axes[0].images[0].get_clim()[1] > 0


def test_a_heat_map_holds_the_tensor_and_writes_its_numbers():
    values = torch.tensor([[1.0, -2.5], [0.004, 3.0]])
    axes = figures.heat_map(values, "T C", row_labels=["The", "\n"]).axes[0]
    assert axes.images[0].get_array().tolist() == values.double().tolist()
    assert [text.get_text() for text in axes.texts] == ["1.00", "−2.50", "0.00", "3.00"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["The", "↵"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("C = 2", "T = 2")


def test_a_tensor_of_three_dimensions_becomes_panels_on_one_scale():
    values = torch.randn(2, 3, 4)
    panels = figures.heat_map(values, "B T C").axes
    assert [panel.get_title() for panel in panels] == ["B index 0", "B index 1"]
    assert [panel.images[0].get_array().tolist() for panel in panels] == values.double().tolist()
    assert len({panel.images[0].get_clim() for panel in panels}) == 1


def test_a_large_heat_map_has_a_scale_instead_of_numbers():
    figure = figures.heat_map(torch.rand(60, 64), "T C", unit="value")
    assert not figure.axes[0].texts
    assert figure.axes[-1].get_ylabel() == "value"
    assert figure.axes[0].get_ylabel() == "T = 60, query position"


@pytest.mark.parametrize("values", [[True, False], [1, 0], [1.0, 0.0]])
def test_whole_numbers_are_written_without_digits(values):
    assert [text.get_text() for text in figures.heat_map(values, "C").axes[0].texts] == ["1", "0"]


def test_a_masked_cell_is_grey_and_says_so():
    axes = figures.heat_map([[0.5, -math.inf]], "T S").axes[0]
    assert [text.get_text() for text in axes.texts] == ["0.50", "−∞"]
    assert axes.images[0].get_array().mask.tolist() == [[False, True]]


def test_the_scale_begins_or_ends_at_zero_or_is_symmetric():
    assert colour_limits(torch.tensor([1.0, 3.0])) == (0.0, 3.0)
    assert colour_limits(torch.tensor([-4.0, 0.0, -math.inf])) == (-4.0, 0.0)
    assert colour_limits(torch.tensor([-1.0, 3.0])) == (-3.0, 3.0)
    with pytest.raises(ValueError, match="the tensor has no finite number"):
        colour_limits(torch.tensor([math.nan]))


@pytest.mark.parametrize(
    ("values", "axes", "sentence"),
    [
        (torch.ones(2, 2), "T", r"the shape is \(2, 2\) and axes='T' names 1"),
        (torch.tensor(1.0), "", "heat_map draws 1 to 3 dimensions"),
        (torch.ones(1, 1, 1, 1), "B H T S", "heat_map draws 1 to 3 dimensions"),
        (torch.ones(0, 2), "T C", "heat_map draws 1 to 3 dimensions"),
        (torch.ones(5, 2, 2), "H T S", r"5 panels do not fit side by side; show at most 4, for example x\[:2\]"),
    ],
)
def test_heat_map_refuses_what_it_cannot_draw(values, axes, sentence):
    with pytest.raises(ValueError, match=sentence):
        figures.heat_map(values, axes)


def test_heat_map_needs_one_label_for_each_row_and_column():
    with pytest.raises(ValueError, match="1 row labels for 2 rows"):
        figures.heat_map(torch.ones(2, 3), "T C", row_labels=["a"])
    with pytest.raises(ValueError, match="1 column labels for 3 columns"):
        figures.heat_map(torch.ones(2, 3), "T C", column_labels=["a"])
