"""Marks by the rubric, and the page about a class."""

import csv
import re
from pathlib import Path

import pytest

from minillm.course.grading.class_report import most_common_mistakes, write_class_report
from minillm.course.grading.comparing import Comparison
from minillm.course.grading.decisions import Deadline, score
from minillm.course.grading.feedback import write_pieces
from minillm.course.grading.grade import Record
from minillm.course.grading.report import write_tables
from minillm.course.grading.rubric import COLUMNS, ROWS, RUBRIC, read_rubric

HEAD = ",".join(COLUMNS)
PAGE = Path(__file__).parents[3] / "teaching" / "rubric.md"


def test_the_rows_are_those_of_the_page():
    bold = re.findall(r"^\| \*\*(.+?)\*\* \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert bold == [*ROWS["explanation"], *ROWS["project"]]


def result(question, got, sentence=""):
    failure = {"sentence": sentence, "seen": "", "hint": ""} if sentence else None
    return {"question": question, "title": "Twice", "points": got, "possible": 3, "probes": ["a", "b", "c"],
            "passed": got == 3, "failure": failure, "function": "f", "private": []}  # fmt: skip


def scores(**students):
    made = [Record(name, "04", "key", [result(*each) for each in some]) for name, some in students.items()]
    return [score(record, Deadline(), []) for record in made]


def test_the_table_is_made_empty_and_its_marks_are_points(tmp_path):
    assert read_rubric(tmp_path, ["ann"]) == []
    assert (tmp_path / RUBRIC).read_text(encoding="utf-8") == f"{HEAD}\n"
    lines = 'ann,explanation 1,2,2,"1,5",3,,,"no control, otherwise good"\nann,project,3,3,3,2,3,3,\n,,,,,,,,\n'
    (tmp_path / RUBRIC).write_text(f"{HEAD}\n{lines}", encoding="utf-8")
    one, project = read_rubric(tmp_path, ["ann"])
    assert (one.points, one.possible, one.comment) == (8.5, 12, "no control, otherwise good")
    assert (project.points, project.possible) == (17, 18)
    write_pieces(tmp_path, [one])
    page = (tmp_path / "feedback" / "ann" / "explanation_1" / "explanation_1.html").read_text(encoding="utf-8")
    assert "explanation 1: 8.5 of 12 points" in page
    assert "compared with what: 2 of 3" in page
    write_tables(tmp_path, scores(ann=[("04.1", 3)]), {}, ["Cy"], [one, project])
    with open(tmp_path / "grades.csv", encoding="utf-8") as file:
        rows = [(row["student"], row["assignment"], row["final"], row["reason"]) for row in csv.DictReader(file)]
    assert rows == [
        ("ann", "04", "3.0", ""),
        ("Cy", "04", "0.0", "not handed in"),
        ("ann", "explanation 1", "8.5", one.comment),
        ("ann", "project", "17.0", ""),
    ]
    assert (tmp_path / "canvas.csv").read_text(encoding="utf-8").splitlines()[1:] == [
        "    Points Possible,,,,,3,12.0,18.0",
        "ann,,,ann,,3.0,8.5,17.0",
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bob,project,1,1,1,1,1,1,", "line 2: 'bob' is not in grades.csv"),
        ("ann,essay,1,1,1,1,,,", "line 2: there is no piece 'essay'; it is explanation 1"),
        ("ann,explanation 1,1,1,1,x,,,", "line 2: the marks 1, 1, 1, x must be numbers from 0 to 3"),
        ("ann,explanation 1,1,1,1,4,,,", "line 2: explanation 1 needs a mark from 0 to 3 in each of rows 1 to 4"),
        ("ann,project,1,1,1,1,,,", "line 2: project needs a mark from 0 to 3 in each of rows 1 to 6"),
        ("ann,project,1,1,1,1,1,nan,", "line 2: project needs a mark from 0 to 3"),
        ("ann,project,1,1,1,1,1,1,\nann,project,1,1,1,1,1,1,", "line 3: project of ann is there already"),
    ],
)
def test_a_line_that_cannot_be_meant_is_told(tmp_path, line, words):
    (tmp_path / RUBRIC).write_text(f"{HEAD}\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        read_rubric(tmp_path, ["ann"])


def test_a_table_of_other_columns_is_refused(tmp_path):
    (tmp_path / RUBRIC).write_text("student,marks\n", encoding="utf-8")
    with pytest.raises(ValueError, match="needs the columns student, piece, row 1"):
        read_rubric(tmp_path, [])


def test_the_class_is_on_one_page_without_names_beside_code(tmp_path):
    squared, unwritten = ("04.1", 1, "It is squared."), ("04.1", 0, "f is not written yet.")
    names = ("Ann_Lee", "Bob_Ray", "Cy_Roe")
    others = {"Dora_Moe": [unwritten], "eve": [unwritten], "fay": [("04.1", 3)]}
    some = scores(**{name: [squared] for name in names}, **others)
    answers = {(name, "04.1"): f"def f(x):\n    return x ** {place}" for place, name in enumerate(names)}
    write_class_report(tmp_path, some, Comparison(answers=answers), ["Gus"])
    page = (tmp_path / "class.html").read_text(encoding="utf-8")
    assert "3 x 04.1: It is squared." in page
    assert page.count("<pre>") == 2
    assert not any(name in page for name in (*names, "Dora_Moe"))
    assert "without a submission: Gus" in page
    assert "<td>1.0 of 3</td><td>1</td>\n<td>2</td>" in page
    assert most_common_mistakes([each.record for each in some]) == [(("04.1", "It is squared."), 3)]
    assert "<script" not in page
