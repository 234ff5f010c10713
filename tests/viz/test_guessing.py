"""Shannon's game: what counts as right, what is said, and where it ends."""

import pytest

from minillm.errors import UserError
from minillm.viz.guessing import GuessingGame, Question

THREE = [Question(" roof", " floor", 7), Question(".", ".", 1), Question("\n", " It", 2)]


def test_a_guess_counts_if_one_begins_with_the_other_and_everything_is_said():
    game = GuessingGame("It sat on the", THREE)
    assert "It sat on the <b>___</b>" in game.shown.value
    game.field.value = "Rooftop"
    game.button.click()
    assert game.sentence == (
        'you 1 of 1, the model 0 of 1. It was " roof"; you said "Rooftop", the model said " floor" '
        "(the right one is number 7 in its list)."
    )
    assert game.field.value == ""
    game.guess("!")
    assert game.sentence.startswith("you 1 of 2, the model 1 of 2. ")
    game.guess("")  # a line break, which nobody can type
    assert game.sentence.startswith("you 2 of 3, the model 1 of 3. ")
    assert game.sentence.endswith(" That was all.")
    said = game.sentence
    game.guess("more")
    assert game.sentence == said


def test_nothing_typed_is_no_guess_and_html_is_shown_as_text():
    game = GuessingGame("<b>", [Question(" a", " b", 2)])
    assert "&lt;b&gt; <b>___</b>" in game.shown.value
    game.guess("")
    assert game.yours == 0
    with pytest.raises(UserError, match="nothing to guess"):
        GuessingGame("The", [])
