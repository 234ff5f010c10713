"""A prediction is one click, is remembered, and never stops a page."""

import pytest

from minillm.course import predict
from minillm.course.learner.guess import Guess, buttons, outcomes
from minillm.errors import UserError

QUESTION, CHOICES = "Which word does bank read most from?", ["the", "river", "bank"]


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path / "workbook"))
    return tmp_path / "workbook" / "guesses.json"


def test_one_click_is_remembered_and_compared(file, capsys):
    guess = Guess(QUESTION, CHOICES)
    box = buttons(guess)
    guess.answer("river")
    box.children[1].value = "bank"
    assert box.children[2].value == "Your prediction: bank."
    guess.answer("river")
    again = Guess(QUESTION, CHOICES)
    assert [child.value for child in buttons(again).children[1:]] == ["bank", "Your prediction: bank."]
    again.answer("bank")
    assert capsys.readouterr().out.splitlines() == [
        "Answer: river.",
        "Answer: river. You predicted: bank.",
        "Answer: bank, as you predicted.",
    ]
    assert Guess("Another question?", CHOICES).guess is None


def test_right_guesses_are_told_from_wrong_ones_once_there_is_an_answer(file, monkeypatch):
    def guessed(question, choice, answer=None):
        guess = Guess(question, CHOICES)
        if choice:
            guess.choose(choice)
        if answer:
            guess.answer(answer)

    guessed("right", "the", "the")
    guessed("wrong", "the", "bank")
    guessed("not answered", "the")
    guessed("not guessed", None, "the")
    assert outcomes() == {"right": True, "wrong": False}
    guessed("wrong", "bank")  # too late
    guessed("wrong", None, "bank")
    assert outcomes() == {"right": True, "wrong": False}

    def fails(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr("minillm.course.learner.guess.write_json", fails)
    guessed("right", "river", "bank")  # nothing is raised
    assert outcomes()["right"]


def test_a_guess_stays_once_there_is_an_answer(file):
    guess = Guess(QUESTION, CHOICES)
    box = buttons(guess)
    box.children[1].value = "bank"
    guess.answer("river")
    box.children[1].value = "river"
    assert [child.value for child in box.children[1:]] == ["bank", "The answer is out. Your prediction stays bank."]
    assert Guess(QUESTION, CHOICES).choose("river") == "The answer is out. Your prediction stays bank."
    assert outcomes() == {QUESTION: False}
    assert Guess(QUESTION, ["river", "the street"]).choose("river") == "Your prediction: river."  # other choices


def test_what_a_page_stores_does_not_depend_on_the_guess(file):
    guess = Guess(QUESTION, CHOICES)
    before = buttons(guess)._repr_mimebundle_()[0]["text/plain"]
    guess.choose("the")
    after = buttons(Guess(QUESTION, CHOICES))._repr_mimebundle_()[0]["text/plain"]
    assert before == after == f"Predict: {QUESTION}\n  - the\n  - river\n  - bank"


def test_a_script_prints_the_question(capsys):
    predict(QUESTION, CHOICES)
    assert capsys.readouterr().out == f"Predict: {QUESTION}\n  - the\n  - river\n  - bank\n"


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b'{"Which word does bank read most from?": "the"}'])
def test_a_damaged_file_is_no_guess_and_is_written_anew(file, content):
    file.parent.mkdir()
    file.write_bytes(content)
    guess = Guess(QUESTION, CHOICES)
    assert guess.guess is None
    guess.choose("river")
    assert Guess(QUESTION, CHOICES).guess == "river"


def test_a_folder_that_cannot_be_written_is_said(file):
    file.parent.write_text("no folder")
    assert Guess(QUESTION, CHOICES).choose("the") == "Your prediction: the. It is not saved (File exists)."


def test_wrong_uses_are_answered():
    with pytest.raises(UserError, match="predict needs at least two different texts to choose from; got"):
        predict("?", ["a", "a"])
    with pytest.raises(UserError, match="the answer 'b' is none of the choices: a, c"):
        Guess("?", ["a", "c"]).answer("b")
