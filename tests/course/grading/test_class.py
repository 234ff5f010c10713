"""A class with one student of each kind, graded in the sandbox: right ones in full, hostile ones contained."""

import csv
import functools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import datetime

import click
import pytest
from click.testing import CliRunner

from benchmarks.classroom import KINDS, NAME, hand_in
from minillm.cli import main
from minillm.cli.grade import grade_class
from minillm.course.checks.sandbox import why_no_sandbox

pytest.importorskip("nbgrader", reason="nbgrader is not installed (pip install -e .[grading])")
needs_sandbox = pytest.mark.skipif(why_no_sandbox() is not None, reason=str(why_no_sandbox()))
SUMS = """select student_id, sum(auto_score) from submitted_assignment as one
join submitted_notebook as other on other.assignment_id = one.id
join grade on grade.notebook_id = other.id group by student_id"""
DUE = "2033-05-17"  # a day before the late ones


def graded(folder, out, *options):
    result = CliRunner().invoke(main, ["grade", str(folder), "--out", str(out), *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def table(path):
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def due_of(text):
    option = next(one for one in grade_class.params if one.name == "due")
    return option.process_value(click.Context(grade_class), text)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        (None, None),
        ("2026-10-01", datetime(2026, 10, 1, 23, 59, 59, 999_999)),
        ("20261001", datetime(2026, 10, 1, 23, 59, 59, 999_999)),
        ("2026-10-01T00:00", datetime(2026, 10, 1)),
        ("2026-10-01T18:00", datetime(2026, 10, 1, 18)),
    ],
)
def test_a_day_ends_at_its_midnight_and_a_time_is_that_time(text, due):
    assert due_of(text) == due


@needs_sandbox
def test_half_a_character_and_a_blank_behind_a_name_stop_nobodys_feedback(tmp_path):
    folder, out = two_students(tmp_path)
    (path,) = (folder / "right_00").rglob("*.ipynb")
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"].append({"cell_type": "code", "source": "x = '\ud800'"})
    path.write_text(json.dumps(notebook), encoding="utf-8")
    (folder / "right_00").rename(folder / "right_00 ")
    graded(folder, out)
    assert sorted(page.parts[-3] for page in out.glob("feedback/*/*/*.html")) == ["right_00", "wrong_mask_00"]


def test_what_is_no_time_is_refused():
    with pytest.raises(click.BadParameter, match="'tomorrow' is no time; give one such as 2026-10-01T18:00"):
        due_of("tomorrow")


@needs_sandbox
@pytest.mark.timeout(900)
def test_each_student_gets_what_its_answers_are_worth(tmp_path):
    folder, out = tmp_path / "submissions", tmp_path / "graded"
    students = hand_in(folder, out, dict.fromkeys(KINDS, 1))
    before = {path: path.lstat().st_mtime for path in folder.rglob("*")}
    graded(folder, out, "--seconds", "6", "--due", DUE, "--late", "10")

    points = {name: [] for name in students}
    for row in table(out / "questions.csv"):
        points[row["student"]].append(int(row["points"]))
    assert points == {name: list(student.points) for name, student in students.items()}
    assert {path: path.lstat().st_mtime for path in folder.rglob("*")} == before
    for row in table(out / "grades.csv"):
        student = students[row["student"]]
        assert (student.reason or "") in row["reason"]
        assert (student.look or "") in row["look"]
        assert row["days_late"] == ("1" if row["student"] == "late_stub_00" else "0")

    with sqlite3.connect(out / "gradebook.db") as book:  # nbgrader's own sums
        scores = dict(book.execute(SUMS))
    assert scores == {name: sum(student.points) for name, student in students.items()}
    for name in students:
        page = (out / "feedback" / name / NAME / f"{NAME}.html").read_text(encoding="utf-8")
        assert f"(Score: {float(sum(students[name].points))} / 10.0)" in page


def two_students(tmp_path, **kinds):
    folder, out = tmp_path / "submissions", tmp_path / "graded"
    hand_in(folder, out, kinds or {"right": 1, "wrong_mask": 1})
    return folder, out


def finals(out):
    return {row["student"]: float(row["final"]) for row in table(out / "grades.csv")}


def test_a_run_goes_on_where_it_stopped_and_a_teacher_decides(tmp_path):
    folder, out = two_students(tmp_path)
    first = graded(folder, out, "--unsafe", "--json")
    assert json.loads(first.splitlines()[-1])[NAME] == {
        "students": 2, "mean": 8.5, "possible": 10, "with_troubles": 0, "worth_a_look": 0,
    }  # fmt: skip
    assert "1 x 04.3: " in first
    records = {path: path.stat().st_mtime_ns for path in (out / "records").rglob("*.json")}
    page = out / "feedback" / "wrong_mask_00" / NAME / f"{NAME}.html"
    pages = {path: path.stat().st_mtime_ns for path in (out / "feedback").rglob("*.html")}

    with open(out / "decisions.csv", "a", encoding="utf-8") as file:
        file.write("wrong_mask_00,04.3,1.5,,<b>half</b>\n")
    graded(folder, out, "--unsafe")
    assert finals(out) == {"right_00": 10, "wrong_mask_00": 8.5}
    assert {path: path.stat().st_mtime_ns for path in (out / "records").rglob("*.json")} == records
    assert {path for path in pages if path.stat().st_mtime_ns != pages[path]} == {page}
    assert "1.5 points. &lt;b&gt;half&lt;/b&gt;" in page.read_text(encoding="utf-8")

    late = datetime.fromisoformat(DUE).timestamp() + 2.5 * 86_400  # after its midnight: the second day has begun
    os.utime(folder / "right_00" / f"{NAME}.ipynb", (late, late))
    graded(folder, out, "--unsafe", "--due", DUE)  # nothing is graded anew, and when it was saved is read again
    assert {row["student"]: row["days_late"] for row in table(out / "grades.csv")}["right_00"] == "2"
    assert {path: path.stat().st_mtime_ns for path in (out / "records").rglob("*.json")} == records

    graded(folder, out, "--unsafe", "--student", "right_00")
    changed = {path.stem for path in records if path.stat().st_mtime_ns != records[path]}
    assert changed == {"right_00"}
    (out / "records" / "04" / "wrong_mask_00.json").write_text("{", encoding="utf-8")  # half a file
    graded(folder, out, "--unsafe")
    assert finals(out) == {"right_00": 10, "wrong_mask_00": 8.5}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_run_that_is_cut_off_loses_nothing(tmp_path, number):
    folder, out = two_students(tmp_path, right=3, endless_answer=1)
    command = [
        sys.executable,
        "-m",
        "minillm",
        "grade",
        str(folder),
        "--out",
        str(out),
        "--unsafe",
        "--jobs",
        "1",
        "--seconds",
        "4",
    ]
    # A background job of a shell ignores Ctrl-C, and so would what it starts.
    awake = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=awake) as process:
        while not list((out / "records").rglob("right*.json")):  # endless_answer is first in the alphabet
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]
    if number == signal.SIGINT:
        assert said.splitlines()[-1] == "Error: interrupted; the same command goes on from here"
    before = {path: path.stat().st_mtime_ns for path in (out / "records").rglob("*.json")}
    assert 0 < len(before) < 4
    assert not (out / "grades.csv").exists()
    graded(folder, out, "--unsafe", "--seconds", "4")
    assert finals(out) == {"endless_answer_00": 7, "right_00": 10, "right_01": 10, "right_02": 10}
    assert before.items() <= {path: path.stat().st_mtime_ns for path in (out / "records").rglob("*.json")}.items()


def test_a_teachers_own_checks_are_what_counts(tmp_path):
    folder, out = two_students(tmp_path, right=1)
    own = tmp_path / "own"
    own.mkdir()
    (own / "04.py").write_text(
        "from dataclasses import replace\n"
        "from minillm.course.checks.attention import QUESTIONS\n"
        "last = QUESTIONS[3].probes[-1]\n"
        "hidden = replace(last, name='hidden', right=lambda *a: 0, mistakes=())\n"
        "QUESTIONS = (*QUESTIONS[:3], replace(QUESTIONS[3], probes=(*QUESTIONS[3].probes, hidden)))\n",
        encoding="utf-8",
    )
    graded(folder, out, "--unsafe")
    assert finals(out) == {"right_00": 10}
    graded(folder, out, "--unsafe", "--checks", str(own))
    (row,) = table(out / "grades.csv")
    assert (row["points"], row["possible"]) == ("10", "11")


def test_each_student_and_each_secret_has_inputs_of_its_own(tmp_path):
    folder, out = two_students(tmp_path, wrong_scale=2)
    graded(folder, out, "--unsafe")
    first = [row["seen"] for row in table(out / "questions.csv") if row["question"] == "04.1"]
    graded(folder, tmp_path / "other", "--unsafe", "--seed", "another")
    second = [row["seen"] for row in table(tmp_path / "other" / "questions.csv") if row["question"] == "04.1"]
    assert len({*first, *second}) == 4


def test_a_decision_about_another_assignment_waits_and_trouble_is_told(tmp_path):
    folder, out = tmp_path / "submissions", tmp_path / "graded"
    (folder / "carl").mkdir(parents=True)
    (folder / "carl" / f"{NAME}.ipynb").write_text("{", encoding="utf-8")
    out.mkdir()
    decisions = "student,what,points,free_days,why\n*,05,,1,the server was down\ncarl,07.1,1,,heard at the board\n"
    (out / "decisions.csv").write_text(decisions, encoding="utf-8")
    assert "\n  1 with trouble: see the column `reason`\n" in graded(folder, out, "--unsafe")
    assert finals(out) == {"carl": 0}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--assignment", "99"], "there is no assignment '99'; there are"),
        (["--student", "zoe"], "nobody is called 'zoe'; there are right_00, wrong_mask_00"),
        (["--checks", "nowhere"], "nowhere is no folder; give one with a file such as "),
    ],
)
def test_what_cannot_be_meant_is_told_before_the_work(tmp_path, options, words):
    folder, out = two_students(tmp_path)
    result = CliRunner().invoke(main, ["grade", str(folder), "--out", str(out), "--unsafe", *options])
    assert result.exit_code == 1
    assert words in result.output


def test_a_folder_that_nbgrader_takes_for_a_pattern_is_refused(tmp_path):
    folder, _ = two_students(tmp_path)
    result = CliRunner().invoke(main, ["grade", str(folder), "--out", str(tmp_path / "graded [1]"), "--unsafe"])
    assert "graded [1] has one of * ? [ in it, which nbgrader takes for a pattern" in result.output


def test_checks_of_other_questions_are_refused(tmp_path):
    folder, out = two_students(tmp_path)
    (tmp_path / "04.py").write_text("QUESTIONS = ()", encoding="utf-8")
    command = ["grade", str(folder), "--out", str(out), "--unsafe", "--checks", str(tmp_path)]
    result = CliRunner().invoke(main, command)
    assert "must define QUESTIONS, one for each of 04.1 attention, 04.2 multi_head," in result.output


def test_without_a_sandbox_it_refuses_and_says_how_to_go_on(tmp_path, monkeypatch):
    folder, out = two_students(tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: None)
    result = CliRunner().invoke(main, ["grade", str(folder), "--out", str(out)])
    assert result.exit_code == 1
    assert "is not installed (apt install bubblewrap). Grade on Linux, in a container" in result.output
    assert "or say --unsafe" in result.output
    assert not out.exists()


def test_notebooks_of_other_names_are_no_assignments(tmp_path):
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "notes.ipynb").write_text("{}", encoding="utf-8")
    result = CliRunner().invoke(main, ["grade", str(tmp_path), "--out", str(tmp_path / "out"), "--unsafe"])
    assert "has an assignment's name, such as 04_attention.ipynb" in result.output


def test_nbgrader_is_asked_for_before_the_work_and_by_no_other_command(tmp_path, monkeypatch):
    code = "import sys; sys.modules.update(nbgrader=None, nbformat=None); import minillm.cli"
    subprocess.run([sys.executable, "-c", code], check=True)
    folder, out = two_students(tmp_path)
    monkeypatch.setattr("minillm.cli.grade.find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["grade", str(folder), "--out", str(out), "--unsafe"])
    assert "grading needs nbgrader: pip install -e '.[grading]'" in result.output
    assert not out.exists()
