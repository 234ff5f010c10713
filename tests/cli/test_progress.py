"""`minillm progress`: a learner's own notebooks, asked again."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from minillm.cli import main
from minillm.cli.progress import next_step
from minillm.course import home, progress, workbook
from minillm.course.checks import questions
from minillm.course.checks.question import Question
from minillm.course.contents import ASSIGNMENTS
from minillm.course.learner import loading
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
    monkeypatch.setattr("minillm.course.grading.attempts.ask_notebook", None)
    result = run(folder, "--exercise", "04")
    assert result.exit_code == 0, result.output
    assert "04_attention                 exercise  0 of 10 ..........\n" in result.output
    page = folder / NAME / f"{NAME}.ipynb"
    assert f"0 of 10 points. Next: exercise 04.1: The longest text that fits, in {page}" in result.output


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
    assert "04_attention                 exercise  2 of 10 ##........\n" in result.output
    assert "04.2 Right shapes, wrong words: 0 of 2 points. grouped_attention is not defined" in result.output
    assert "04.3 A window, and a sink: 0 of 3 points. Position 0 sees position 1" in result.output
    assert "04.4 One softmax on two machines: 0 of 3 points. join is not defined" in result.output
    assert "raised SyntaxError" in result.output
    assert "2 of 10 points. Next: exercise 04.2: " in result.output
    found = json.loads(result.output.splitlines()[-1])
    assert (found["points"], found["possible"]) == (2, 10)
    assert [result["points"] for result in found["exercises"][0]["results"]] == [2, 0, 0, 0]


def test_when_all_is_done_it_says_so(folder):
    shutil.copy(SOLUTIONS / NAME / f"{NAME}.ipynb", folder / NAME)
    result = run(folder, "--exercise", "04")
    assert "04_attention                 exercise 10 of 10 ##########\n" in result.output
    assert "10 of 10 points. All exercises are done. Well done!" in result.output


@pytest.mark.slow
def test_every_assignment_can_be_done_and_counts_nothing_before():
    possible = sum(len(question.probes) for number in ASSIGNMENTS for question in questions(number))
    for kind, points in (("exercises", f"0 of {possible}"), ("solutions", f"{possible} of {possible}")):
        result = run(SOLUTIONS.parent / kind)
        assert result.exit_code == 0, result.output
        assert f"\n{points} points." in result.output
        assert result.output.count("." * 10 if kind == "exercises" else "#" * 10) == len(ASSIGNMENTS)


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
    assert "05_feed_forward              exercise 10 of 10 ##########\n" in result.output
    assert result.output.count("#" * 10) == 1


def test_a_notebook_that_is_missing_or_broken_is_told(folder):
    (folder / NAME / f"{NAME}.ipynb").write_text("{", encoding="utf-8")
    result = run(folder)
    assert "04_attention.ipynb: is not a notebook: its JSON is broken" in result.output
    assert "01_tokenizer.ipynb: is not there" in result.output
    assert result.output.count("." * 10) == len(ASSIGNMENTS)


TURNS = turns("04")[:3]  # of the lesson in these tests


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A workbook of lesson 00, of a lesson 04 with three turns, its lab with two predictions, and of a lesson 14."""
    monkeypatch.setattr(workbook, "COURSE", tmp_path / "course")
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path / "workbook"))
    asked = [f'@your_turn("{turn.id}", minutes=8, difficulty=2)\n{turn.stub}' for turn in TURNS]
    predictions = ['guess = predict("Which?", ["a", "b"])', 'again = predict("And now?", ["a", "b"])\n%time 1']
    for name, title, cells in (
        ("00_the_map", "# 00 · The map: all of it\n**Time**: 55 minutes", ["1", "2"]),
        ("04_attention", "# 04 · Attention\n**Time**: 65 minutes", asked),
        ("04_attention_lab", "# 04 lab · Attention", predictions),
        ("14_your_assistant", "# 14 · Your assistant", ["6"]),
    ):
        path = tmp_path / "course" / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        cells = [{"cell_type": "code", "source": source} for source in cells]
        path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": title}, *cells]}), encoding="utf-8")
    shutil.copytree(SOLUTIONS.parent / "exercises" / NAME, tmp_path / "course" / "exercises" / NAME)
    return tmp_path / "workbook"


def save(path, ran, at):
    """A copy as JupyterLab saves it, at a time, with its first `ran` code cells run."""
    page = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in page["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(code[:ran], start=1):
        cell["execution_count"] = number
    path.write_text(json.dumps(page), encoding="utf-8")
    os.utime(path, (at, at))


def rows(result):
    """The lines for lessons and the last sentence, with single spaces."""
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    return [line for line in lines if line[:2].isdigit()] + [line for line in lines if " points. Next: " in line]


EXERCISE = "exercise 0 of 10 .........."


def test_every_lesson_has_a_row_and_a_fresh_workbook_begins_with_the_first(book):
    assert "there is no folder" in run().output
    workbook.lay_out()
    assert rows(run("--exercise", "04")) == [
        f"04 Attention not begun {EXERCISE}",
        f"0 of 10 points. Next: lesson 00: The map, in {book / '00_the_map.ipynb'}",
    ]
    result = run()
    assert rows(result)[0] == "00 The map not begun"
    assert f"14 Your assistant not begun {EXERCISE.replace('10', '6', 1)}" in rows(result)
    assert f"0 of 175 points. Next: lesson 00: The map, in {book / '00_the_map.ipynb'}" in rows(result)


def test_what_was_run_and_written_and_what_is_next(book):
    first, second, _ = TURNS
    workbook.lay_out()
    save(book / "00_the_map.ipynb", ran=1, at=1e9)
    assert progress.lesson_progress()["00"].state == "1 of 2 cells run"
    save(book / "00_the_map.ipynb", ran=2, at=1e9)
    lessons = progress.lesson_progress()
    assert lessons["00"].state == "done"
    assert progress.next_lesson(lessons) is lessons["04"], "the first that is not done after the last saved"
    save(book / "04_attention.ipynb", ran=1, at=2e9)
    page = book / "04_attention.ipynb"
    assert rows(run("--exercise", "04")) == [
        f"04 Attention 1 of 3 cells run {EXERCISE}",
        f"0 of 10 points. Next: lesson 04: Attention, your turn {first.id}: {first.title}, in {page}",
    ]
    loading.save(first, first.solution, vars(sys.modules[first.course.__module__]))
    lessons = progress.lesson_progress()
    assert lessons["04"].state == "1 of 3 parts yours"
    assert next_step(lessons, {}) == (f"Next: lesson 04: Attention, your turn {second.id}: {second.title}, in {page}")
    save(book / "14_your_assistant.ipynb", ran=1, at=3e9)
    lessons = progress.lesson_progress()
    assert progress.next_lesson(lessons) is lessons["04"], "from the end back to the beginning"
    workbook.catch_up("05")
    assert progress.lesson_progress()["04"].state == "done"


def test_surprises_are_counted_and_the_json_tells_all(book):
    workbook.lay_out()
    workbook.catch_up("06")
    for question, choice in {"Which?": "a", "And now?": "b", "Nowhere asked?": "b"}.items():
        guess = Guess(question, ["a", "b"])
        guess.choose(choice)
        guess.answer("a")
    result = run("--exercise", "04", "--json")
    assert rows(result)[0] == f"04 Attention done 2 guesses, 1 surprise {EXERCISE}"
    assert "not begun" not in rows(result)[0]
    told = json.loads(result.output.splitlines()[-1])
    (lesson,) = told["lessons"]
    assert told["next"] == rows(result)[-1].partition(". ")[2]
    assert lesson.pop("turns") == [{"id": turn.id, "title": turn.title, "done": True} for turn in TURNS]
    assert lesson == {
        "number": "04", "title": "Attention", "minutes": 65, "page": "04_attention.ipynb",
        "lab": "04_attention_lab.ipynb", "exercise": f"exercises/{NAME}/{NAME}.ipynb", "state": "done",
        "is_begun": True, "is_done": True, "cells": 3, "cells_run": 0, "guesses": 2, "surprises": 1,
    }  # fmt: skip


@pytest.mark.slow
def test_an_exercise_that_is_begun_comes_after_its_lesson_and_before_the_next(book):
    workbook.lay_out()
    workbook.catch_up("06")
    page = book / "exercises" / NAME / f"{NAME}.ipynb"
    assert "Next: lesson 14" in run("--exercise", "04").output
    write(book / "exercises", {"def longest_text": "def longest_text(model, memory, n_texts):\n    return 0"})
    assert f"Next: exercise 04.1: The longest text that fits, in {page}" in run("--exercise", "04").output
    shutil.copy(SOLUTIONS / NAME / f"{NAME}.ipynb", page.parent)
    assert "10 of 10 points. Next: lesson 14" in run("--exercise", "04").output
    assert progress.kept_points() == {"04": (10, 10)}
    for name in ("00_the_map.ipynb", "14_your_assistant.ipynb"):
        save(book / name, ran=2, at=1e9)
    assert "10 of 10 points. All lessons and exercises are done. Well done!" in run("--exercise", "04").output


def test_where_nothing_has_to_run_neither_torch_nor_matplotlib_is_imported(tmp_path, monkeypatch):
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path / "workbook"))
    workbook.lay_out()
    loading.save(TURNS[0], TURNS[0].solution, vars(sys.modules[TURNS[0].course.__module__]))
    home.write()  # draws the map, which is drawn again only when it changes
    program = "import sys; from minillm.cli import main; main(['progress'], standalone_mode=False); "
    program += "assert not {'torch', 'matplotlib'} & sys.modules.keys()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 of 4 parts yours" in done.stdout


@pytest.mark.parametrize("text", ["", "[]", '{"04": 3}', '{"04": ["a", 2]}'])
def test_damaged_points_count_as_none(book, text):
    book.mkdir()
    (book / progress.POINTS).write_text(text, encoding="utf-8")
    assert progress.kept_points() == {}


def test_what_cannot_be_meant_is_told(folder):
    assert "there is no folder nowhere; `python3 start.py` in the course's folder lays out" in run("nowhere").output
    assert "there is no exercise '99'; choose from" in run(folder, "--exercise", "99").output
