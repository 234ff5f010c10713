"""`minillm progress`: a learner's own notebooks, asked again."""

import json
import shutil

import pytest
from click.testing import CliRunner

from minillm.cli import main
from minillm.course import workbook
from minillm.course.checks import ASSIGNMENTS, questions
from minillm.course.checks.question import Question
from minillm.course.learner.guess import Guess
from minillm.course.turns import turns
from tools.build_exercises import SOLUTIONS, exercise_path
from tools.build_notebooks import manuscripts

NAME = "04_attention"


@pytest.fixture
def folder(tmp_path):
    """The exercises as they are given out: 04 alone, nothing written in it."""
    source = exercise_path(manuscripts(SOLUTIONS)["04"])
    (tmp_path / NAME).mkdir()
    shutil.copy(source, tmp_path / NAME)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, ["progress", *map(str, arguments)])


def write(folder, changes):
    """Put other code into the cells that begin as said."""
    path = folder / NAME / f"{NAME}.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        for beginning, source in changes.items():
            if "".join(cell["source"]).startswith(beginning):
                cell["source"] = source
    path.write_text(json.dumps(notebook), encoding="utf-8")


def test_nothing_is_begun_and_nothing_is_run(folder, monkeypatch):
    monkeypatch.setattr("minillm.course.progress.ask_notebook", None)
    result = run(folder, "--exercise", "04")
    assert result.exit_code == 0, result.output
    assert "04_attention                  0 of 10 .................... not begun" in result.output
    assert f"0 of 10 points. Next: 04.1 The longest text that fits, in {folder / NAME / NAME}.ipynb" in result.output


def test_points_mistakes_and_what_is_next(folder):
    write(folder, {
        "def longest_text": "def longest_text(model, memory, n_texts):\n"
        "    per_token = 4 * model['n_layers'] * model['n_kv_heads'] * (model['d_model'] // model['n_heads'])\n"
        "    return max((memory - 2 * model['n_parameters']) // (n_texts * per_token), 0)",
        "def grouped_attention": "",
        "def window_mask": "def window_mask(T, S, window, sinks):\n    return torch.ones(T, S, dtype=torch.bool)",
        "def join": "def join(a:",
    })  # fmt: skip
    result = run(folder, "--exercise", "04", "--json")
    assert result.exit_code == 0, result.output
    assert "04_attention                  2 of 10 ####" in result.output
    assert "04.2 Right shapes, wrong words: 0 of 2 points. grouped_attention is not defined" in result.output
    assert "04.3 A window, and a sink: 0 of 3 points. Position 0 sees position 1" in result.output
    assert "04.4 One softmax on two machines: 0 of 3 points. join is not defined" in result.output
    assert "raised SyntaxError" in result.output
    assert "2 of 10 points. Next: 04.2" in result.output
    found = json.loads(result.output.splitlines()[-1])
    assert (found["points"], found["possible"]) == (2, 10)
    assert [result["points"] for result in found["exercises"][0]["results"]] == [2, 0, 0, 0]


def test_when_all_is_done_it_says_so(folder):
    shutil.copy(SOLUTIONS / NAME / f"{NAME}.ipynb", folder / NAME)
    result = run(folder, "--exercise", "04")
    assert "04_attention                 10 of 10 #################### done" in result.output
    assert "10 of 10 points. All exercises are done. Well done!" in result.output


@pytest.mark.slow
def test_every_assignment_can_be_done_and_counts_nothing_before():
    possible = sum(len(question.probes) for number in ASSIGNMENTS for question in questions(number))
    for kind, points in (("exercises", f"0 of {possible}"), ("solutions", f"{possible} of {possible}")):
        result = run(SOLUTIONS.parent / kind)
        assert result.exit_code == 0, result.output
        assert f"\n{points} points." in result.output
        assert result.output.count("not begun\n" if kind == "exercises" else "# done\n") == len(ASSIGNMENTS)


@pytest.mark.slow
def test_what_goes_wrong_with_one_notebook_is_told_and_the_others_are_asked(folder, monkeypatch):
    shutil.copytree(SOLUTIONS / "05_feed_forward", folder / "05_feed_forward")
    write(folder, {"def join": "def join(*a): return 1"})

    grade = Question.grade

    def broken(question, *others):
        if question.id == "04.4":
            raise RuntimeError("of our own making")
        return grade(question, *others)

    monkeypatch.setattr(Question, "grade", broken)
    result = run(folder)
    assert "04_attention.ipynb: the check of 04.4 failed (RuntimeError: of our own making)" in result.output
    assert "05_feed_forward              " in result.output
    assert result.output.count(" done") == 1


def test_a_notebook_that_is_missing_or_broken_is_told(folder):
    (folder / NAME / f"{NAME}.ipynb").write_text("{", encoding="utf-8")
    result = run(folder)
    assert "04_attention.ipynb: is not a notebook: its JSON is broken" in result.output
    assert "01_tokenizer.ipynb: is not there" in result.output
    assert result.output.count("not begun") == len(ASSIGNMENTS)


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A workbook of a lesson 04 with two turns, a lab with the third and two predictions, and a lesson 06."""
    monkeypatch.setattr(workbook, "COURSE", tmp_path / "course")
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path / "workbook"))
    asked = {turn.id: f'@your_turn("{turn.id}")\n{turn.stub}' for turn in turns("04")}
    predictions = ['guess = predict("Which?", ["a", "b"])', 'again = predict("And now?", ["a", "b"])\n%time 1']
    for name, cells in {
        "04_attention": [asked["04.causal_mask"], asked["04.attention"]],
        "04_attention_lab": [asked["04.heads"], *predictions],
        "06_transformer": ["6"],
    }.items():
        path = tmp_path / "course" / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        cells = [{"cell_type": "code", "source": source} for source in cells]
        path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    shutil.copytree(SOLUTIONS.parent / "exercises" / NAME, tmp_path / "course" / "exercises" / NAME)
    return tmp_path / "workbook"


def test_turns_and_guesses_of_the_workbook_and_what_is_next(book):
    assert "there is no folder" in run().output
    workbook.lay_out()
    result = run("--exercise", "04", "--exercise", "06", "--json")
    first, _, trouble, _, last = result.output.splitlines()[:5]
    assert first == "04_attention                  0 of 10 .................... not begun  turns 0 of 3"
    assert trouble.strip() == "06_transformer.ipynb: is not there"
    assert last == f"0 of 20 points. Next: your turn 04.causal_mask The causal mask, in {book / '04_attention.ipynb'}"
    assert json.loads(result.output.splitlines()[-1])["lessons"] == [
        {"number": "04", "turns": 3, "turns_done": 0, "guesses": 0, "guesses_right": 0},
        {"number": "06", "turns": 0, "turns_done": 0, "guesses": 0, "guesses_right": 0},
    ]
    workbook.catch_up("06")
    for question, choice in {"Which?": "a", "And now?": "b", "Nowhere asked?": "a"}.items():
        guess = Guess(question, ["a", "b"])
        guess.choose(choice)
        guess.answer("a")
    result = run("--exercise", "04")
    assert "not begun  turns 3 of 3, guesses right 1 of 2\n" in result.output
    page = book / "exercises" / NAME / f"{NAME}.ipynb"
    assert f"0 of 10 points. Next: 04.1 The longest text that fits, in {page}" in result.output
    shutil.copy(SOLUTIONS / NAME / f"{NAME}.ipynb", page.parent)
    assert "10 of 10 points. All turns and exercises are done. Well done!" in run("--exercise", "04").output


def test_what_cannot_be_meant_is_told(folder):
    assert "there is no folder nowhere; `start.py setup` lays out your workbook" in run("nowhere").output
    assert "there is no exercise '99'; choose from" in run(folder, "--exercise", "99").output
