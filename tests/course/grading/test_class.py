"""A class with students of all kinds, graded in the sandbox: right ones in full, hostile ones contained.

A few kinds are graded by each run of the tests, every fourth by the slow ones, and all of them, which takes ten
minutes, with MINILLM_SLOW=1.
"""

import csv
import functools
import itertools
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from datetime import datetime

import click
import pytest
from click.testing import CliRunner

from benchmarks.classroom import KINDS, NAME, Student, full, hand_in, notebook, nothing
from minillm.cli import main
from minillm.cli.grade import grade_class
from minillm.course.checks import questions
from minillm.course.checks.outside import Limits
from minillm.course.checks.sandbox import why_no_sandbox
from minillm.course.contents import ASSIGNMENTS

api = pytest.importorskip("nbgrader.api", reason="nbgrader is not installed (pip install -e .[grading])")
needs_sandbox = pytest.mark.skipif(why_no_sandbox() is not None, reason=str(why_no_sandbox()))
SUMS = """select student_id, sum(auto_score) from submitted_assignment as submission
join submitted_notebook as other on other.assignment_id = submission.id
join grade on grade.notebook_id = other.id group by student_id"""
DUE = "2033-05-17"  # a day before the late ones
A_FEW = {"right", "late_stub", "own_module", "document", "environment", "neighbour", "kills_all", "broken_json"}
EVERY_FOURTH = {*itertools.islice(KINDS, 0, None, 4), *(kind for kind, student in KINDS.items() if student.called)}


@pytest.fixture(autouse=True, scope="module")
def _alembic_starts_once():
    """For each new gradebook nbgrader starts alembic, which takes two seconds, and asks it always the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nbgrader.api.get_alembic_version", functools.cache(api.get_alembic_version))
        yield


def graded(folder, out, *options):
    result = CliRunner().invoke(main, ["grade", str(folder), "--out", str(out), *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def table(path):
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def due_of(text):
    option = next(option for option in grade_class.params if option.name == "due")
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


def test_half_a_character_and_a_blank_behind_a_name_stop_nobodys_feedback(tmp_path):
    folder, out = two_students(tmp_path, "right", "late_stub")
    (path,) = (folder / "right").rglob("*.ipynb")
    content = json.loads(path.read_text(encoding="utf-8"))
    content["cells"].append({"cell_type": "code", "source": "x = '\ud800'"})
    path.write_text(json.dumps(content), encoding="utf-8")
    (folder / "right").rename(folder / "right ")
    graded(folder, out, "--unsafe")
    assert sorted(page.parts[-3] for page in out.glob("feedback/*/*/*.html")) == ["late_stub", "right"]


def test_what_is_no_time_is_refused():
    with pytest.raises(click.BadParameter, match="'tomorrow' is not a time; give one like 2026-10-01T18:00"):
        due_of("tomorrow")


@needs_sandbox
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kinds", [A_FEW, pytest.param(EVERY_FOURTH, marks=pytest.mark.slow)], ids=["few", "fourth"])
def test_everybody_gets_what_the_answers_are_worth_and_nobody_anything_else(tmp_path, monkeypatch, kinds):
    monkeypatch.setenv("TEACHERS_TOKEN", "TOKEN-5e5f")
    folder, out = tmp_path / "submissions", tmp_path / "graded"
    some = {kind: student for kind, student in KINDS.items() if kind in kinds}
    expected = hand_in(folder, out, None if "MINILLM_SLOW" in os.environ and kinds is EVERY_FOURTH else some)
    before = {path: path.lstat().st_mtime for path in folder.rglob("*")}
    graded(folder, out, "--seconds", "10", "--due", DUE, "--late", "10")

    points = {}
    for row in table(out / "questions.csv"):
        number = row["question"].split(".")[0]
        points.setdefault((row["student"], number), []).append(int(row["points"]))
    rows = {(row["student"], row["assignment"]): row for row in table(out / "grades.csv")}
    assert {student for student, _ in rows} == set(expected)
    for student, number in rows:
        wanted = expected[student].points.get(number)
        assert (student, points[student, number]) == (student, list(wanted or nothing(number)))
        row = rows[student, number]
        if wanted is None:  # or nothing of it can be read, so nobody knows what it was
            assert row["reason"] == "not handed in" or (expected[student].reason or "?") in row["reason"]
        else:
            assert row["reason"] != "not handed in"
            assert (expected[student].look or "") in row["look"]
            assert (expected[student].reason or "") in row["reason"]
            assert "could not be graded" not in row["reason"]
        assert row["days_late"] == ("1" if (student, number) == ("late_stub", "04") else "0")
    assert {path: path.lstat().st_mtime for path in folder.rglob("*")} == before

    handed_in = {(student, number) for student, kind in expected.items() for number in kind.points}
    pages = {path: path.read_text(encoding="utf-8") for path in out.glob("feedback/*/*/*.html")}
    told = {(path.parts[-3], path.parts[-2].split("_")[0]) for path in pages}
    assert handed_in <= told
    assert all(expected[student].reason for student, _ in told - handed_in)
    for path, page in pages.items():
        got = sum(expected[path.parts[-3]].points.get(path.parts[-2].split("_")[0], ()))
        heading = page.split("<h1>")[1].split("</h1>")[0]
        assert f": {got} of " in heading or (not expected[path.parts[-3]].points and "nothing that can" in heading)
        assert not re.search(r"<(script|link|img|iframe)[^>]*(src|href)=.?https?:", page)
    similar = (out / "similarity.html").read_text(encoding="utf-8")
    assert "the answers are not compared" not in similar
    assert not re.search(r"<(script|link|img|iframe)", similar)
    assert {row["assignment"] for row in table(out / "oral.csv")} == {number for _, number in handed_in}
    with sqlite3.connect(out / "gradebook.db") as book:  # nbgrader's own sums
        scores = dict(book.execute(SUMS))
    assert scores == {
        student: sum(sum(got) for got in kind.points.values()) for student, kind in expected.items() if kind.points
    }
    written = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
    assert not any(b"TOKEN-5e5f" in content or b"WAS ALLOWED" in content for content in written)


@pytest.mark.slow
def test_every_assignment_is_graded_without_a_sandbox_too(tmp_path):
    folder, out = tmp_path / "submissions", tmp_path / "graded"
    for number, topic in ASSIGNMENTS.items():
        for student, kind in (("solved", "solutions"), ("untouched", "exercises")):
            (folder / student).mkdir(parents=True, exist_ok=True)
            (folder / student / f"{number}_{topic}.ipynb").write_bytes(notebook(number, kind))
    said = graded(folder, out, "--unsafe")
    points = {(row["student"], row["assignment"]): int(row["points"]) for row in table(out / "grades.csv")}
    assert points == {("solved", n): sum(full(n)) for n in ASSIGNMENTS} | {("untouched", n): 0 for n in ASSIGNMENTS}
    assert {row["reason"] for row in table(out / "grades.csv")} == {""}
    for number, topic in ASSIGNMENTS.items():
        assert f"{number}_{topic}: 2 students, {sum(full(number)) / 2:g} of {sum(full(number))} points" in said


def two_students(tmp_path, *kinds):
    folder, out = tmp_path / "submissions", tmp_path / "graded"
    hand_in(folder, out, {kind: KINDS[kind] for kind in kinds or ("right", "wrong_mask")})
    return folder, out


def test_a_page_goes_back_as_it_was_written_and_to_nobody_else(tmp_path):
    folder, out = tmp_path / "submissions", tmp_path / "graded"
    (folder / "Ann Lee_77_assignsubmission_file_").mkdir(parents=True)
    moodle, canvas = folder / "Ann Lee_77_assignsubmission_file_" / f"{NAME}.ipynb", folder / "roebob_123_456_my.ipynb"
    moodle.write_bytes(notebook("04"))
    canvas.write_bytes(notebook("04", "exercises"))
    said = graded(folder, out, "--unsafe")
    assert f"The pages to upload to Moodle (1): {out / 'moodle_feedback.zip'}" in said
    for file, student, path, score in (
        ("moodle_feedback.zip", "Ann Lee_77", f"Ann Lee_77_assignsubmission_file_/{NAME}.html", "10"),
        ("canvas_feedback.zip", "roebob", f"roebob_123_456_{NAME}.html", "0"),
    ):
        with zipfile.ZipFile(out / file) as archive:
            assert archive.namelist() == [path]
            page = archive.read(path)
        assert page == (out / "feedback" / student / NAME / f"{NAME}.html").read_bytes()
        assert f"<h1>{NAME}: {score} of 10 points</h1>".encode() in page


def test_a_class_list_goes_in_and_comes_back(tmp_path):
    folder, out = tmp_path / "submissions", tmp_path / "graded"
    for name, kind in (("Ann Lee_77", "solutions"), ("Bob Ray_78", "exercises")):
        path = folder / f"{name}_assignsubmission_file_" / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(notebook("04", kind))
    worksheet = tmp_path / "worksheet.csv"
    rows = [f"Participant {number},{name},,5.00" for number, name in ((77, "Ann Lee"), (78, "Bob Ray"), (79, "Cy Roe"))]
    worksheet.write_text("\n".join(["Identifier,Full name,Grade,Maximum Grade", *rows]), encoding="utf-8")
    out.mkdir()
    marks = "student,piece,row 1,row 2,row 3,row 4,row 5,row 6,comment\nCy Roe,explanation 1,1,2,3,0,,,see me\n"
    (out / "rubric.csv").write_text(marks, encoding="utf-8")
    (tmp_path / "oral.csv").write_text("assignment,student,why\n03,Ann Lee_12,drawn\n", encoding="utf-8")
    options = ["--unsafe", "--roster", str(worksheet), "--asked", str(tmp_path / "oral.csv")]
    said = graded(folder, out, *options)
    assert "1 of 3 on the class list handed in nothing: Cy Roe" in said
    assert "Moodle's grading worksheet with 2 grades" in said
    assert [row["Grade"] for row in table(out / "moodle_worksheet.csv")] == ["5", "0", ""]
    found = {(row["student"], row["assignment"]): row for row in table(out / "grades.csv")}
    assert found["Cy Roe", "04"]["reason"] == "not handed in"
    assert found["Cy Roe", "explanation 1"]["final"] == "6.0"
    assert found["Ann Lee_77", "04"]["look"].startswith("04.1, 04.2, 04.3, 04.4: as in the public solution")
    assert "see me" in (out / "feedback" / "Cy Roe" / "explanation_1" / "explanation_1.html").read_text(
        encoding="utf-8"
    )
    page = (out / "class.html").read_text(encoding="utf-8")
    assert "without a submission: Cy Roe" in page


def finals(out):
    return {row["student"]: float(row["final"]) for row in table(out / "grades.csv")}


def test_a_run_goes_on_where_it_stopped_and_a_teacher_decides(tmp_path):
    folder, out = two_students(tmp_path)
    first = graded(folder, out, "--unsafe", "--json")
    assert json.loads(first.splitlines()[-1])[NAME] == {
        "students": 2, "not_handed_in": 0, "mean": 8.5, "possible": 10, "with_troubles": 0, "worth_a_look": 2,
        "late": 0, "lost_by_lateness": 0.0,
    }  # fmt: skip
    assert "1 x 04.3: " in first
    records = {path: path.stat().st_mtime_ns for path in (out / "records").rglob("*.json")}
    page = out / "feedback" / "wrong_mask" / NAME / f"{NAME}.html"
    pages = {path: path.stat().st_mtime_ns for path in (out / "feedback").rglob("*.html")}

    with open(out / "decisions.csv", "a", encoding="utf-8") as file:
        file.write("wrong_mask,04.3,1.5,,<b>half</b>\n")
    graded(folder, out, "--unsafe")
    assert finals(out) == {"right": 10, "wrong_mask": 8.5}
    assert {path: path.stat().st_mtime_ns for path in (out / "records").rglob("*.json")} == records
    assert {path for path in pages if path.stat().st_mtime_ns != pages[path]} == {page}
    assert "1.5 points. &lt;b&gt;half&lt;/b&gt;" in page.read_text(encoding="utf-8")

    late = datetime.fromisoformat(DUE).timestamp() + 2.5 * 86_400  # after its midnight: the second day has begun
    os.utime(folder / "right" / f"{NAME}.ipynb", (late, late))
    graded(folder, out, "--unsafe", "--due", DUE)  # nothing is graded anew, and when it was saved is read again
    assert {row["student"]: row["days_late"] for row in table(out / "grades.csv")}["right"] == "2"
    assert {path: path.stat().st_mtime_ns for path in (out / "records").rglob("*.json")} == records

    graded(folder, out, "--unsafe", "--student", "right")
    changed = {path.stem for path in records if path.stat().st_mtime_ns != records[path]}
    assert changed == {"right"}
    (out / "records" / "04" / "wrong_mask.json").write_text("{", encoding="utf-8")  # half a file
    graded(folder, out, "--unsafe")
    assert finals(out) == {"right": 10, "wrong_mask": 8.5}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_run_that_is_cut_off_loses_nothing(tmp_path, number):
    folder, out = tmp_path / "submissions", tmp_path / "graded"
    hand_in(folder, out, {kind: KINDS[kind] for kind in ("broken_json", "right")})  # only the second takes a while
    options = [str(folder), "--out", str(out), "--unsafe", "--jobs", "1"]
    # A background job of a shell ignores Ctrl-C, and so would what it starts.
    awake = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    command = [sys.executable, "-m", "minillm", "grade", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=awake) as process:
        while not list((out / "records").rglob("*.json")):
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]
    if number == signal.SIGINT:
        assert said.splitlines()[-1] == "Error: interrupted; run the same command to resume"
    before = {path: path.stat().st_mtime_ns for path in (out / "records").rglob("*.json")}
    assert len(before) == 1
    assert not (out / "grades.csv").exists()
    graded(folder, out, "--unsafe")
    assert finals(out) == {"broken_json": 0, "right": 10}
    assert before.items() <= {path: path.stat().st_mtime_ns for path in (out / "records").rglob("*.json")}.items()


def test_a_teachers_own_checks_are_what_counts(tmp_path):
    folder, out = two_students(tmp_path, "right")
    own = tmp_path / "own"
    own.mkdir()
    (own / "04.py").write_text(
        "from dataclasses import replace\n"
        "from minillm.course.checks import questions\n"
        "*others, join = questions('04')\n"
        "hidden = replace(join.probes[-1], name='hidden', right=lambda *a: 0, mistakes=[])\n"
        "QUESTIONS = [*others, replace(join, probes=[*join.probes, hidden])]\n",
        encoding="utf-8",
    )
    graded(folder, out, "--unsafe")
    assert finals(out) == {"right": 10}
    graded(folder, out, "--unsafe", "--checks", str(own))
    (row,) = table(out / "grades.csv")
    assert (row["points"], row["possible"]) == ("10", "11")


SPY = """import sys
def peek(frame):
    while "request" not in frame.f_locals:
        frame = frame.f_back
    raise ValueError([probe[3] for probe in frame.f_locals["request"]["probes"] if probe[0][0] == "04.3"])
seen = peek(sys._getframe())"""
TELLS = {"window_mask": 'if T < 0: return seen\nraise ValueError(f"they asked {T, S, window, sinks}")'}
OWN = """import os
from dataclasses import replace
from minillm.course.checks import questions
from minillm.course.checks.outside import Limits
from minillm.course.checks.probe import Probe

def wrong(calls, right, got):
    BODY

memory, grouped, window, join = questions("04")
hidden = Probe("hidden", lambda rng: [(31, 37, 5, 3)], window.right, otherwise=wrong)
QUESTIONS = [memory, grouped, replace(window, probes=[hidden, *window.probes[1:]]), join]
"""


def own_checks(tmp_path, body):
    """A teacher's own check of 04.3, and what happens in it when an answer is wrong."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "04.py").write_text(OWN.replace("BODY", body), encoding="utf-8")
    return "--checks", str(tmp_path / "own")


def test_what_a_private_probe_tried_is_in_no_page_and_in_the_teachers_table(tmp_path):
    folder, out = tmp_path / "submissions", tmp_path / "graded"
    hand_in(folder, out, {"spy": Student(functions=TELLS, first=SPY)})
    graded(folder, out, "--unsafe", *own_checks(tmp_path, "pass"))
    assert finals(out) == {"spy": 7}
    page = (out / "feedback" / "spy" / NAME / f"{NAME}.html").read_text(encoding="utf-8")
    assert "31, 37, 5, 3" in (out / "questions.csv").read_text(encoding="utf-8")
    assert "31, 37, 5, 3" not in page
    assert "raised ValueError: [[(" in page  # what it saw of the probes that are everybody's
    assert "What it tried stays private." in page


def test_a_check_that_fails_costs_one_student_and_only_that_is_done_again(tmp_path, monkeypatch):
    fails = {"memory": "bytearray(10**13)"}
    crashes = {"exit": "os._exit(3)", "endless": "while True: pass"}
    monkeypatch.setattr("minillm.cli.grading.Limits", functools.partial(Limits, grading_seconds=3))
    folder, out = tmp_path / "submissions", tmp_path / "graded"
    bodies = [*fails.values(), *crashes.values()]
    wrong = {name: Student(functions={"window_mask": f"return {i}"}) for i, name in enumerate([*fails, *crashes])}
    hand_in(folder, out, {"right": Student()} | wrong)
    own = own_checks(tmp_path, f"exec({bodies}[got[0]])")
    graded(folder, out, "--unsafe", *own)
    rows = {row["student"]: row for row in table(out / "grades.csv")}
    points = {student: int(row["points"]) for student, row in rows.items()}
    assert points == {"right": 10} | dict.fromkeys(fails, 7) | dict.fromkeys(crashes, 0)
    for student, row in rows.items():
        failed = "it could not be graded: grading it crashed" in row["reason"]
        assert (failed, bool(row["reason"])) == (student in crashes, student in crashes)
    assert len(list((out / "feedback").rglob("*.html"))) == 4

    records = {path.stem: path.stat().st_mtime_ns for path in (out / "records").rglob("*.json")}
    graded(folder, out, "--unsafe", *own)
    again = {path.stem for path in (out / "records").rglob("*.json") if path.stat().st_mtime_ns != records[path.stem]}
    assert again == set(crashes)


def test_each_student_and_each_secret_has_inputs_of_its_own(tmp_path):
    folder = tmp_path / "submissions"
    fails = Student(functions={"grouped_attention": "raise ValueError"})
    hand_in(folder, tmp_path, dict.fromkeys(("Ann", "Bob"), fails))
    seen = []
    for secret in ("one", "another"):
        graded(folder, tmp_path / secret, "--unsafe", "--seed", secret)
        rows = table(tmp_path / secret / "questions.csv")
        seen += [row["seen"] for row in rows if row["question"] == "04.2"]
    assert "" not in seen
    assert len(set(seen)) == 4


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
        (["--assignment", "99"], "there is no assignment '99'; choose from"),
        (["--student", "zoe"], "there is no student 'zoe'; choose from right, wrong_mask"),
        (["--checks", "nowhere"], "nowhere is not a folder; give one with a file such as "),
        (["--roster", "README.md"], "README.md is no class list that is known by its columns: Moodle's grading"),
        (
            ["--asked", "README.md"],
            "README.md has no columns student and assignment; give an oral.csv of an earlier run",
        ),
        (["--late", "10"], "--late 10 needs a due time; give --due, too"),
    ],
)
def test_what_cannot_be_meant_is_told_before_the_work(tmp_path, options, words):
    folder, out = two_students(tmp_path)
    result = CliRunner().invoke(main, ["grade", str(folder), "--out", str(out), "--unsafe", *options])
    assert result.exit_code == 1
    assert words in result.output


def test_the_submissions_are_no_place_for_the_results(tmp_path):
    folder, _ = two_students(tmp_path)
    result = CliRunner().invoke(main, ["grade", str(folder), "--out", str(folder), "--unsafe"])
    assert "holds the submissions, and the results would be taken for some; choose another --out" in result.output
    assert sorted(path.name for path in folder.iterdir()) == ["right", "wrong_mask"]


def test_a_folder_that_nbgrader_takes_for_a_pattern_is_refused(tmp_path):
    folder, _ = two_students(tmp_path)
    result = CliRunner().invoke(main, ["grade", str(folder), "--out", str(tmp_path / "graded [1]"), "--unsafe"])
    assert "graded [1] contains one of * ? [, which nbgrader takes for a pattern" in result.output


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ("QUESTIONS = ()", "must define QUESTIONS, one for each of 04.1 longest_text, 04.2 grouped_attention,"),
        (
            "from minillm.course.checks import questions\n"
            "QUESTIONS = questions('04')\n"
            "QUESTIONS[0].probe('hidden', lambda rng: [])",
            "adds probes to the course's own questions",
        ),
    ],
)
def test_checks_of_other_questions_and_changed_ones_of_the_course_are_refused(tmp_path, own, message):
    folder, out = two_students(tmp_path)
    (tmp_path / "04.py").write_text(own, encoding="utf-8")
    command = ["grade", str(folder), "--out", str(out), "--unsafe", "--checks", str(tmp_path)]
    result = CliRunner().invoke(main, command)
    assert message in result.output
    assert len(questions("04")[0].probes) == 2


def test_without_a_sandbox_it_refuses_and_says_how_to_go_on(tmp_path, monkeypatch):
    folder, out = two_students(tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: None)
    result = CliRunner().invoke(main, ["grade", str(folder), "--out", str(out)])
    assert result.exit_code == 1
    assert "is not installed (apt install bubblewrap). Grade on Linux, in a container" in result.output
    assert "Or use --unsafe" in result.output
    assert not out.exists()


def test_notebooks_of_other_names_are_no_assignments(tmp_path):
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "notes.ipynb").write_text("{}", encoding="utf-8")
    result = CliRunner().invoke(main, ["grade", str(tmp_path), "--out", str(tmp_path / "out"), "--unsafe"])
    assert "it holds no notebook of an assignment (only notes.ipynb); name it like 04_attention.ipynb" in result.output


def test_nbgrader_is_asked_for_before_the_work_and_by_no_other_command(tmp_path, monkeypatch):
    code = "import sys; sys.modules.update(nbgrader=None, nbformat=None); import minillm.cli"
    subprocess.run([sys.executable, "-c", code], check=True)
    folder, out = two_students(tmp_path)
    monkeypatch.setattr("minillm.cli.grade.find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["grade", str(folder), "--out", str(out), "--unsafe"])
    assert "grading needs nbgrader: pip install -e '.[grading]'" in result.output
    assert not out.exists()
