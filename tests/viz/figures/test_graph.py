"""The computation graph draws every quantity once, and an arrow for each that goes into another."""

import pytest
import torch

from minillm.viz import figures

CHAIN = {f"n{i}": f"n{i - 1} + 1" if i else "" for i in range(12)}
FORMULAS = {"x": "", "w": "", "b": "", "z": "w * x", "y": "z + b", "L": "y ** 2"}


def autograd():
    """The same expression by torch: the values and gradients that a lesson would hand over."""
    values = {name: torch.tensor(value, requires_grad=True) for name, value in (("x", 2.0), ("w", -3.0), ("b", 1.0))}
    for name, formula in FORMULAS.items():
        if formula:
            values[name] = eval(formula, {}, values)
            values[name].retain_grad()
    values["L"].backward()
    return values, {name: value.grad for name, value in values.items()}


def test_values_and_gradients_stand_in_their_boxes():
    values, gradients = autograd()
    axes = figures.computation_graph(FORMULAS, values, gradients).axes[0]
    texts = [text.get_text() for text in axes.texts if text.get_text()]
    assert texts[:3] == ["x", "2", "grad 30"]  # dL/dx = 2 y w = 2 * -5 * -3
    assert sorted(texts[::3]) == sorted(["x", "w", "b", "z = w * x", "y = z + b", "L = y ** 2"])
    assert len(axes.patches) == len(FORMULAS)


def test_an_arrow_for_every_input_from_left_to_right():
    values = dict.fromkeys(FORMULAS, 1.0)
    axes = figures.computation_graph(FORMULAS, values).axes[0]
    arrows = [note for note in axes.texts if getattr(note, "arrow_patch", None)]
    assert len(arrows) == 5
    assert all(note.xyann[0] < note.xy[0] for note in arrows)


def test_boxes_do_not_touch():
    formulas = {name: "" for name in "abcd"} | {"e": "a * b", "f": "c * d", "g": "a * d", "h": "e + f + g"}
    axes = figures.computation_graph(formulas, dict.fromkeys(formulas, 1.5)).axes[0]
    boxes = [box.get_window_extent() for box in axes.patches]
    assert not [(i, j) for i in range(len(boxes)) for j in range(i) if boxes[i].overlaps(boxes[j])]
    sheet = axes.figure.bbox
    assert all(sheet.x0 <= box.x0 and box.x1 <= sheet.x1 and sheet.y0 <= box.y0 and box.y1 <= sheet.y1 for box in boxes)


@pytest.mark.parametrize(
    ("formulas", "values", "gradients", "sentence"),
    [
        ({}, {}, None, "needs at least one formula"),
        ({"a": ""}, {}, None, "no value for 'a'"),
        ({"a": ""}, {"a": 1.0}, {}, "no gradient for 'a'"),
        ({"a": "b", "b": "a"}, {"a": 1.0, "b": 1.0}, None, "the formulas have a cycle: "),
        (CHAIN, dict.fromkeys(CHAIN, 1.0), None, "inches wide and the page 7.5; shorten formulas or cut it in two"),
    ],
)
def test_a_graph_that_cannot_be_drawn_says_why(formulas, values, gradients, sentence):
    with pytest.raises(ValueError, match=sentence):
        figures.computation_graph(formulas, values, gradients)
