"""Write tables of the results: per notebook, per question, for Canvas and Moodle."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from minillm.course.grading.decisions import Score
from minillm.course.grading.grade import write
from minillm.course.grading.names import assignment_name

# Text that a spreadsheet would evaluate: at the beginning of a cell, or after a separator of any locale.
FORMULA = re.compile(r"""(^|[;\t\r\n|])(["'\s]*)([=+\-@＝＋－＠])""")


def write_tables(out: Path, scores: Sequence[Score], ids: Mapping[str, str] = MappingProxyType({})) -> None:
    """Write grades.csv, questions.csv, canvas.csv and moodle.csv into `out`.

    `ids` maps a student to the id in Canvas.
    """
    _write(out / "grades.csv", GRADES, map(_grade, scores))
    rows = (_question(score, result) for score in scores for result in score.record.results)
    _write(out / "questions.csv", QUESTIONS, rows)
    names = sorted({assignment_name(score.record.assignment) for score in scores})
    by_student: dict[str, dict[str, float]] = {}
    possible: dict[str, float] = {}
    for score in scores:
        name = assignment_name(score.record.assignment)
        points = by_student.setdefault(score.record.student, {})
        if not score.record.missing or score.decided:  # otherwise an empty cell
            points[name] = round(score.final, 2)
        possible[name] = score.record.possible
    # Canvas needs these five columns and a first row with the possible points; it finds students by ID or SIS Login ID.
    canvas = [["    Points Possible", "", "", "", "", *(possible[name] for name in names)]]
    for student, points in by_student.items():
        id = ids.get(student, "")
        canvas.append([student, id, "", "" if id else student, "", *(points.get(name, "") for name in names)])
    _write(out / "canvas.csv", ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *names], canvas)
    moodle = [[student, *(points.get(name, "") for name in names)] for student, points in by_student.items()]
    _write(out / "moodle.csv", ["username", *names], moodle)


GRADES = ("student", "assignment", "points", "possible", "days_late", "final", "reason", "look")


def _grade(score: Score) -> list[Any]:
    record = score.record
    points = sum(score.points.values())
    reason = "not handed in" if record.missing else "; ".join(record.troubles)
    look = "; ".join(record.look)
    final = round(score.final, 2)
    return [record.student, record.assignment, f"{points:g}", record.possible, score.days_late, final, reason, look]


QUESTIONS = ("student", "question", "title", "points", "possible", "failed", "sentence", "seen", "decided")


def _question(score: Score, result: dict[str, Any]) -> list[Any]:
    question, failure = result["question"], result["failure"] or {}
    failed = "" if result["passed"] else result["probes"][result["points"]]
    row = [score.record.student, question, result["title"], f"{score.points[question]:g}", result["possible"], failed]
    return [*row, failure.get("sentence", ""), failure.get("seen", ""), score.decided.get(question, "")]


def _write(path: Path, header: Iterable[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows([_escaped(cell) for cell in row] for row in rows)
    write(path, text.getvalue())


def _escaped(cell: Any) -> Any:
    """Escape a text, such as a student's code, that spreadsheets take for a formula."""
    return FORMULA.sub(r"\1'\2\3", cell) if isinstance(cell, str) else cell
