"""A prediction is one click, is remembered, and never stops a page."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from minillm.analysis.alignment import Estimate
from minillm.course import predict, predict_number
from minillm.course.learner import guess_box
from minillm.course.learner.guess import Guess, NumberGuess, outcomes, surprises
from minillm.course.learner.guess_box import buttons
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

    monkeypatch.setattr("minillm.course.learner.guess_file.write_json", fails)
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


def test_surprises_are_counted(file):
    for question, guess, right in (("a", "the", "the"), ("b", "the", "bank"), ("c", "bank", "river")):
        Guess(question, CHOICES).choose(guess)
        Guess(question, CHOICES).answer(right)
    Guess("not answered", CHOICES).choose("the")
    assert surprises(["a", "b", "c", "not answered", "not asked"]) == (3, 2)
    assert surprises(["a"]) == (1, 0)
    assert surprises([]) == (0, 0)


def test_a_file_of_an_older_version_counts(file):
    file.parent.mkdir()
    entries = {QUESTION: {"guess": "the", "answer": "bank"}, "other": {"guess": "the", "answer": "the"}}
    file.write_text(json.dumps(entries))
    assert outcomes() == {QUESTION: False, "other": True}
    assert surprises([QUESTION, "other"]) == (2, 1)


def test_an_answer_that_was_looked_at_is_no_guess(file, capsys):
    guess = Guess(QUESTION, CHOICES)
    guess.skip()
    guess.answer("river")
    assert surprises([QUESTION]) == (0, 0)
    again = Guess(QUESTION, CHOICES)
    assert again.choose("the") == Guess(QUESTION, CHOICES).choose("the") == "The answer is out."
    assert again.skipped
    assert buttons(again).children[2].value == "You looked at the answer without a guess."
    assert json.loads(file.read_text()) == {QUESTION: {"guess": None, "answer": "river", "surprise": False}}


@pytest.mark.parametrize(
    ("guess", "right", "sentence", "surprise"),
    [
        (12, 41, "Answer: 41 heads. You said 12: too low by a factor of 3.4.", True),
        (60, 41, "Answer: 41 heads. You said 60: too high by a factor of 1.5.", False),
        (21, 41, "Answer: 41 heads. You said 21: too low by a factor of 2.0.", False),
        (20.5, 41, "Answer: 41 heads. You said 20.5: too low by a factor of 2.0.", True),
        (38, 41, "Answer: 41 heads. You said 38: close, within 10%.", False),
        (41.0, 41, "Answer: 41 heads, exactly as you said.", False),
        (1, 3e6, "Answer: 3,000,000 heads. You said 1: too low by a factor of 3,000,000.", True),
        (3, 0, "Answer: 0 heads. You said 3: too high by 3 heads.", True),
        (0, 0, "Answer: 0 heads, exactly as you said.", False),
        (0, 41, "Answer: 41 heads. You said 0: too low by 41 heads.", True),
        (0.5, -0.25, "Answer: -0.25 heads. You said 0.5: too high by 0.75 heads.", True),
        (-4, -3, "Answer: -3 heads. You said -4: too low by 1 heads.", True),
    ],
)
def test_a_number_is_told_by_what_factor_it_is_off(file, capsys, guess, right, sentence, surprise):
    asked = NumberGuess(QUESTION, "heads")
    asked.choose(guess)
    asked.answer(right)
    assert capsys.readouterr().out == f"{sentence}\n"
    assert json.loads(file.read_text())[QUESTION]["surprise"] == surprise
    assert NumberGuess(QUESTION, "heads").guess == guess


@pytest.mark.parametrize(
    ("guess", "sentence", "surprise"),
    [
        (4, "Answer: 10 of 200. You said 4: close, within two standard errors.", False),  # of 3.1
        (16, "Answer: 10 of 200. You said 16: close, within two standard errors.", False),
        (3, "Answer: 10 of 200. You said 3: too low by a factor of 3.3.", True),
        (0, "Answer: 10 of 200. You said 0: too low by 10.", True),
        (10, "Answer: 10 of 200, exactly as you said.", False),
    ],
)
def test_a_count_is_graded_by_its_error(file, capsys, guess, sentence, surprise):
    asked = NumberGuess(QUESTION, "of 200")
    asked.choose(guess)
    asked.answer_count([True] * 10 + [False] * 190)
    assert capsys.readouterr().out == f"{sentence}\n"
    assert json.loads(file.read_text())[QUESTION]["surprise"] == surprise


def test_a_number_of_a_tensor_and_its_unit_are_printed(capsys):
    predict_number(QUESTION).answer(torch.tensor(0.25))
    predict_number(QUESTION, unit="%").answer(np.float64(41))
    assert capsys.readouterr().out.splitlines() == [
        f"Predict: {QUESTION} (a number)",
        "Answer: 0.25.",
        f"Predict: {QUESTION} (a number, %)",
        "Answer: 41%.",
    ]


def test_a_number_is_typed(file):
    guess = NumberGuess(QUESTION, "heads")
    _, row, status = buttons(guess).children
    line, _, okay = row.children
    for typed, said in (
        ("many", "Type a number, for example 12 or 0.5."),
        ("", "Type a number, for example 12 or 0.5."),
        (" 1,200 ", "Your prediction: 1,200 heads."),
        ("0.5", "Your prediction: 0.5 heads."),
    ):
        line.value = typed
        okay.click()
        assert status.value == said
    assert guess.guess == 0.5
    guess.answer(1)
    line.value = "1"
    line._handle_custom_msg({"event": "submit"}, [])  # Enter
    assert status.value == "The answer is out. Your prediction stays 0.5 heads."
    assert line.value == "0.5"


@pytest.mark.parametrize("kept", [True, "12", math.inf, [1], {}])
def test_a_kept_number_that_is_none_is_no_guess(file, kept):
    file.parent.mkdir()
    file.write_text(json.dumps({QUESTION: {"guess": kept}}))
    assert NumberGuess(QUESTION).guess is None


def test_a_comparison_grades_by_the_data(capsys):
    guess = Guess("?", ["a", "b", "same"])
    a = [0.2, 0.9, 0.4, 0.6, 0.1, 0.8]
    b = [value + gain for value, gain in zip(a, (0.1, 0.12, 0.1, 0.09, 0.1, 0.11), strict=True)]
    guess.answer_by({"a": a, "b": torch.tensor(b)})
    guess.answer_by({"a": a, "b": b}, smallest=True)
    guess.answer_by({"a": a, "b": b}, paired=False)
    guess.answer_by({"a": a, "b": [*b, 0.7]})  # of two lengths: not paired
    guess.answer_by({"a": Estimate(0.5, 0.01), "b": Estimate(0.54, 0.01)}, show=lambda: print("figure"))
    assert capsys.readouterr().out.splitlines() == [
        'Answer: b. "b" is ahead of "a" by 0.1033 ± 0.0042 (one standard error).',
        'Answer: a. "a" is below "b" by 0.1033 ± 0.0042 (one standard error).',
        'Answer: same. "b" and "a" differ by 0.10 ± 0.19 (one standard error).',
        'Answer: same. "b" and "a" differ by 0.12 ± 0.17 (one standard error).',
        'Answer: b. "b" is ahead of "a" by 0.040 ± 0.014 (one standard error).',
        "figure",
    ]


def test_wrong_comparisons_are_answered():
    guess, two = Guess("?", ["a", "b", "same"]), Guess("?", ["a", "b"])
    noise = {"a": [0.0, 1.0, 0.0, 1.0], "b": [1.0, 0.0, 1.0, 0.5]}
    with pytest.raises(UserError, match='the data are too close to call: "b" and "a" differ by .* one choice without'):
        two.answer_by(noise)
    with pytest.raises(UserError, match="has values for 'c', which is none of the choices"):
        guess.answer_by({**noise, "c": [1.0, 2.0]})
    with pytest.raises(UserError, match="the answer 'many' is not a finite number"):
        NumberGuess("?").answer("many")


def test_what_a_page_stores_does_not_depend_on_the_guess(file):
    guess = Guess(QUESTION, CHOICES)
    before = buttons(guess)._repr_mimebundle_()[0]["text/plain"]
    guess.choose("the")
    after = buttons(Guess(QUESTION, CHOICES))._repr_mimebundle_()[0]["text/plain"]
    assert before == after == f"Predict: {QUESTION}\n  - the\n  - river\n  - bank"


def test_outputs_of_a_click_stand_below_the_cell_with_an_older_kernel_too(monkeypatch):
    """ipykernel 6 has one parent message for the whole shell; it is put back afterwards."""
    parents = ["click"]
    shell = SimpleNamespace(kernel=True, get_parent=lambda: parents[-1], set_parent=parents.append)
    monkeypatch.setattr(guess_box, "_shell", lambda: shell)
    with guess_box._outputs_below({"header": "cell"}):
        assert parents[-1] == {"header": "cell"}
    assert parents[-1] == "click"


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
