"""The box in which a text grows token by token: what is asked, what is shown, and when it stops."""

import pytest

from minillm.errors import UserError
from minillm.viz.next_token import LONGEST, NextTokenExplorer


def test_the_button_adds_the_likeliest_token_and_the_picture_follows():
    asked = []

    def likeliest(text):
        asked.append(text)
        return ["a", "b"], [0.75, 0.25]

    box = NextTokenExplorer(likeliest, "x")
    first = box.picture.value
    box.button.click()
    box.button.click()
    assert asked == ["x", "xa", "xaa"]
    assert box.controls["beginning"].value == "xaa"
    assert box.sentence == 'The likeliest next token is "a", with 0.750.'
    assert box.picture.value == first  # the bars are the same
    assert "button" in repr(box.children).lower()


def test_the_dial_is_there_only_with_a_temperature():
    assert "temperature" not in NextTokenExplorer(lambda text: (["a"], [1.0]), "x").controls
    box = NextTokenExplorer(lambda text, temperature: (["a"], [1 / (1 + temperature)]), "x", temperature=1.0)
    box.controls["temperature"].value = 3.0
    assert box.sentence == 'At temperature 3.0, the likeliest next token is "a", with 0.250.'


def test_a_text_does_not_grow_forever():
    box = NextTokenExplorer(lambda text: (["a"], [1.0]), "x" * LONGEST)
    box.one_more()
    assert len(box.controls["beginning"].value) == LONGEST
    assert "begin another one" in box.sentence


def test_an_error_leaves_the_last_picture():
    def likeliest(text):
        if "!" in text:
            raise ZeroDivisionError("a learner's mistake")
        return ["a"], [1.0]

    box = NextTokenExplorer(likeliest, "x")
    before = box.picture.value
    box.controls["beginning"].value = "x!"
    assert box.picture.value == before
    assert "a learner's mistake" in box.sentence
    with pytest.raises(UserError, match="returned an empty list"):
        NextTokenExplorer(lambda text: ([], []), "x")


def test_closing_twice_is_safe():
    box = NextTokenExplorer(lambda text: (["a"], [1.0]), "x")
    box.close()
    box.close()
