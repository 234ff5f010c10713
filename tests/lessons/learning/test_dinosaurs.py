"""The names of lesson 00b, and the network that invents more."""

import math
import re

import pytest
import torch

from minillm.course.dinosaurs import HELD_OUT, LETTERS, TRAINING, copies, forward, invent, start, trained, windows
from minillm.errors import UserError


def test_the_names_are_different_and_of_small_letters():
    assert len(TRAINING) == 120
    assert len(HELD_OUT) == 40
    assert len({*TRAINING, *HELD_OUT}) == 160
    assert all(re.fullmatch("[a-z]{4,}", name) for name in (*TRAINING, *HELD_OUT))
    assert {"minmi", "irritator"} <= {*TRAINING}, "the lesson asks about them"


def test_every_letter_of_a_name_and_its_end_are_a_guess():
    x, y = windows(["Minmi"])
    read = ["".join(LETTERS[i] for i in row.view(3, 27).argmax(-1)) for row in x]
    assert read == ["...", "..m", ".mi", "min", "inm", "nmi"]
    assert "".join(LETTERS[i] for i in y) == "minmi."
    assert torch.equal(x.sum(1), torch.full((6,), 3.0))


@pytest.mark.parametrize(
    ("names", "said"), [(["new york"], "'new york' has the character ' '"), ([], "there are no names")]
)
def test_other_names_are_refused(names, said):
    with pytest.raises(UserError, match=said):
        windows(names)


def test_it_starts_knowing_nothing_and_learns():
    """An untrained network has the loss of equal probabilities; a step later it has less."""
    x, y = windows(TRAINING)
    losses = [torch.nn.functional.cross_entropy(forward(trained(steps), x)[1], y).item() for steps in (0, 1, 5)]
    assert abs(losses[0] - math.log(27)) < 0.02
    assert losses[2] < losses[1] < losses[0]


def test_names_end_at_the_dot_and_what_is_not_finite_is_a_question_mark():
    dots = [torch.zeros_like(weight) for weight in start()]
    dots[3][0] = 50.0
    assert invent(dots, n=3) == ["", "", ""]
    ends = [weight.clone() for weight in dots]
    ends[3][0], ends[3][5] = -50.0, 50.0
    assert invent(ends, n=1) == ["e" * 24]
    ends[3][5] = math.nan
    assert invent(ends, n=2) == ["?", "?"]
    assert copies(["eoraptor", "e"]) == 1
