"""Late days, and what a teacher decides otherwise."""

import csv
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.grading.decisions import DECISIONS, Deadline, Decision, read_decisions, score
from minillm.course.grading.grade import Record, _first, _strange_date
from minillm.course.grading.report import write_tables

POSSIBLE = {"04.1": 2, "04.2": 3}
DUE = datetime(2026, 10, 1, 23, 59)


def record(points=(2, 1), written="2026-10-01T12:00:00"):
    results = [
        {"question": id, "title": "=1+1", "points": got, "possible": possible, "probes": ["a", "b", "c"][:possible],
         "passed": got == possible, "failure": None}
        for (id, possible), got in zip(POSSIBLE.items(), points, strict=True)
    ]  # fmt: skip
    return Record("ann", "04", "key", results, ["it broke"], ["cell 1 mentions gc"], written)


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ("2026-10-01T23:59:00", 0), ("2026-10-01T23:59:01", 1), ("2026-10-02T23:59:00", 1), ("2026-10-03T00:00:00", 2),
        ("2026-09-01T00:00:00", 0), (None, 0),
    ],
)  # fmt: skip
def test_a_day_that_has_begun_is_a_day(written, days):
    assert Deadline(DUE, 10).days_late(record(written=written), []) == days
    assert Deadline(None, 10).days_late(record(written=written), []) == 0


@given(st.integers(0, 40), st.floats(0, 100), st.integers(0, 5))
def test_lateness_never_costs_more_than_everything(days, percent, free):
    late = record(written=datetime(2026, 10, 1, 23, 59).replace(month=11, day=max(1, days % 29)).isoformat())
    decisions = [Decision("*", "04", None, free, "flu")]
    found = score(late, Deadline(DUE, percent), decisions)
    assert found.days_late == max(0, Deadline(DUE).days_late(late, []) - free)
    assert 0 <= found.final <= 3
    assert found.final == pytest.approx(3 * max(0.0, 1 - found.days_late * percent / 100))


def test_lateness_is_said_with_its_days_and_its_cost():
    late = record(written="2026-10-03T00:00:00")
    assert score(late, Deadline(DUE, 10), []).lateness == (
        "Due 2026-10-01 23:59, saved 2026-10-03 00:00: 2 days late, at 10 % of the points a day: 0.6 points less."
    )
    assert score(late, Deadline(DUE), []).lateness.endswith("saved 2026-10-03 00:00: 2 days late.")
    assert not score(late, Deadline(), []).lateness
    assert not score(late, Deadline(DUE, 10), [Decision("*", "04", None, 2, "flu")]).lateness


@pytest.mark.parametrize(("written", "strange"), [("1970-01-01", 1), ("2445-01-01", 1), ("2026-10-01", 0), (None, 0)])
def test_a_file_from_another_century_is_worth_a_look(written, strange):
    assert len(_strange_date(written and f"{written}T00:00:00")) == strange


def test_many_sentences_are_cut_short():
    assert _first(["a", "b"]) == ["a", "b"]
    assert _first([str(number) for number in range(5000)])[-2:] == ["9", "and 4990 more"]


def test_a_teacher_has_the_last_word():
    decisions = [Decision("ann", "04.2", 3.0, 0, "a right idea"), Decision("bob", "04.1", 0.0, 0, "not hers")]
    found = score(record(), Deadline(), decisions)
    assert found.points == {"04.1": 2.0, "04.2": 3.0}
    assert found.decided == {"04.2": "a right idea"}
    assert found.final == 5


def test_the_table_is_made_empty_and_read_again(tmp_path):
    assert read_decisions(tmp_path, POSSIBLE, ["ann"]) == []
    with open(tmp_path / DECISIONS, "a", encoding="utf-8") as file:
        file.write('ann,04.1,1.5,,"half, for the idea"\n*,04,,2,strike\n')
    assert read_decisions(tmp_path, POSSIBLE, ["ann"]) == [
        Decision("ann", "04.1", 1.5, 0, "half, for the idea"),
        Decision("*", "04", None, 2, "strike"),
    ]


def test_what_a_spreadsheet_does_to_the_table_is_undone(tmp_path):
    table = "student,what,points,free_days,why\r\n,,,,\r\nann,4.1,1.5,,idea\r\nJose\u0301,4,,2,ill\r\n,,,,\r\n"
    (tmp_path / DECISIONS).write_bytes(b"\xef\xbb\xbf" + table.encode())
    expected = [Decision("ann", "04.1", 1.5, 0, "idea"), Decision("Jos\u00e9", "04", None, 2, "ill")]
    assert read_decisions(tmp_path, POSSIBLE, ["ann", "Jos\u00e9"]) == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("student,what,points,free_days,why\nMüller,04,,1,\n".encode("cp1252"), "is not UTF-8; save it as 'CSV UTF-8'"),
        (b"student;what;points;free_days;why\n", "needs the columns .*, separated by commas"),
    ],
)
def test_a_table_in_another_form_is_told(tmp_path, data, words):
    (tmp_path / DECISIONS).write_bytes(data)
    with pytest.raises(ValueError, match=words):
        read_decisions(tmp_path, POSSIBLE, ["ann"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bob,04.1,1,,", "line 2: no submission is from 'bob'"),
        ("ann,04.1,three,,", "line 2: points 'three' and free days '' must be numbers"),
        ("ann,04.1,7,,", "line 2: 7 points for 04.1 is out of range; give 0 to 2"),
        ("ann,04.1,nan,,", "line 2: nan points for 04.1 is out of range; give 0 to 2"),
        ("ann,04.9,1,,", "line 2: there is no question '04.9'"),
        ("ann,04.1,,2,", "line 2: '04.1' is not an assignment; free days are for one such as 04"),
        ("ann", "line 2: '' is not an assignment"),
        ("ann,04,,-2,", "line 2: -2 free days is negative"),
        ("ann,04.1,1,2,", "line 2: it has both points and free days; give each its own line"),
    ],
)
def test_a_line_that_cannot_be_meant_is_told(tmp_path, line, words):
    (tmp_path / DECISIONS).write_text(f"student,what,points,free_days,why\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        read_decisions(tmp_path, POSSIBLE, ["ann"])


def test_a_table_of_other_columns_is_refused(tmp_path):
    (tmp_path / DECISIONS).write_text("name,points\n", encoding="utf-8")
    with pytest.raises(ValueError, match="needs the columns student, what, points, free_days, why"):
        read_decisions(tmp_path, POSSIBLE, ["ann"])


def test_the_tables_hold_everything_and_no_formula(tmp_path):
    late = record(written="2026-10-02T12:00:00")
    write_tables(tmp_path, [score(late, Deadline(DUE, 10), [Decision("ann", "04.2", 3.0, 0, "-5")])])
    assert (tmp_path / "grades.csv").read_text() == (
        "student,assignment,points,possible,days_late,final,reason,look\nann,04,5,5,1,4.5,it broke,cell 1 mentions gc\n"
    )
    assert (tmp_path / "questions.csv").read_text().splitlines()[1:] == [
        "ann,04.1,'=1+1,2,2,,,,", "ann,04.2,'=1+1,3,3,b,,,'-5",
    ]  # fmt: skip
    assert (tmp_path / "canvas.csv").read_text().splitlines() == [
        "Student,ID,SIS User ID,SIS Login ID,Section,04_attention", "    Points Possible,,,,,5", "ann,,,ann,,4.5",
    ]  # fmt: skip
    assert (tmp_path / "moodle.csv").read_text() == "username,04_attention\nann,4.5\n"


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("=1+1", "'=1+1"), ("  @sum", "'  @sum"), ("x;=cmd()", "x;'=cmd()"), ("x; =cmd()", "x;' =cmd()"),
        ("x\t-1", "x\t'-1"), ("x|+1", "x|'+1"), ("x\n＝1", "x\n'＝1"), ('x;"=1', "x;'\"=1"),
        ("a = b, -1", "a = b, -1"), (-1, "-1"),
    ],
)  # fmt: skip
def test_no_separator_of_any_country_makes_a_formula(tmp_path, text, harmless):
    formula = record()
    formula.results[0]["title"] = text
    write_tables(tmp_path, [score(formula, Deadline(), [])])
    with open(tmp_path / "questions.csv", encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["title"] == harmless


def test_what_was_not_handed_in_is_an_empty_cell_and_ids_are_canvass(tmp_path):
    missing = record((0, 0), None)
    missing.missing, missing.troubles = True, []
    write_tables(tmp_path, [score(missing, Deadline(DUE, 10), [])], {"ann": "101"})
    assert (tmp_path / "canvas.csv").read_text().splitlines()[-1] == "ann,101,,,,"
    assert (tmp_path / "moodle.csv").read_text().splitlines()[-1] == "ann,"
    assert ",not handed in," in (tmp_path / "grades.csv").read_text()


def test_what_is_decided_for_one_student_counts_more_than_what_is_for_all(tmp_path):
    lines = "student,what,points,free_days,why\nann,04.2,3,,hers\n*,04.2,1,,everybody\n"
    (tmp_path / DECISIONS).write_text(lines, encoding="utf-8")
    decisions = read_decisions(tmp_path, POSSIBLE, ["ann"])
    assert score(record(), Deadline(), decisions).points["04.2"] == 3
    (tmp_path / DECISIONS).write_text(lines + "ann,04.2,2,,again\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 4: there is already a line for ann and 04.2; keep one of them"):
        read_decisions(tmp_path, POSSIBLE, ["ann"])
