"""Marks by the rubric in `rubric.csv`: the explanations and the project, which no check can mark.

The table is the teacher's, like `decisions.csv`: a line for each piece, with 0 to 3 in each row of the rubric.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minillm.course.grading.names import clean
from minillm.errors import UserError

RUBRIC = "rubric.csv"
MARKS = tuple(f"row {number}" for number in range(1, 7))
COLUMNS = ("student", "piece", *MARKS, "comment")
ROWS = {  # of the tables in teaching/rubric.md
    "explanation": ("what was measured", "compared with what", "when it holds", "own words"),
    "project": (
        "the question", "baseline and control", "how sure", "honesty", "work of others", "can it be run again"
    ),
}  # fmt: skip
MOST = 3.0  # in one row
KNOWN = "explanation 1, explanation 2, explanation 3 or project"


@dataclass(frozen=True)
class Piece:
    """One student's explanation or project, marked."""

    student: str
    name: str
    marks: tuple[float, ...]
    comment: str

    @property
    def points(self) -> float:
        """The sum of the marks."""
        return sum(self.marks)

    @property
    def rows(self) -> list[tuple[str, float]]:
        """The rows of the rubric with their marks."""
        return list(zip(ROWS[self.name.split(" ")[0]], self.marks, strict=True))

    @property
    def possible(self) -> float:
        """The most that it can have: 12 for an explanation, 18 for the project."""
        return MOST * len(self.marks)


def read_rubric(out: Path, students: Sequence[str]) -> list[Piece]:
    """Read the table, or write an empty one if there is none; raises `UserError` with the first invalid line."""
    path = out / RUBRIC
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8; save it as 'CSV UTF-8'") from None
    if not set(COLUMNS) <= set(rows.fieldnames or ()):
        raise UserError(f"{path} needs the columns {', '.join(COLUMNS)}; delete the file to get an empty one")
    pieces: dict[tuple[str, str], Piece] = {}
    for row in rows:
        if any(row[column] for column in COLUMNS):
            line = f"{path}, line {rows.line_num}"
            piece = _piece(row, line, students)
            if (piece.student, piece.name) in pieces:
                raise UserError(f"{line}: {piece.name} of {piece.student} is there already; keep one of the lines")
            pieces[piece.student, piece.name] = piece
    return list(pieces.values())


def _piece(row: dict[str, str], line: str, students: Sequence[str]) -> Piece:
    student, name, *marks = (clean(row[column] or "") for column in COLUMNS[:-1])
    kind = name.split(" ")[0]
    if student not in students:
        raise UserError(f"{line}: {student!r} is not in grades.csv; use a name that is")
    if kind not in ROWS:
        raise UserError(f"{line}: there is no piece {name!r}; it is {KNOWN}")
    given = [mark for mark in marks if mark]
    try:
        values = tuple(float(mark.replace(",", ".")) for mark in given)
    except ValueError:
        raise UserError(f"{line}: the marks {', '.join(given)} must be numbers from 0 to 3") from None
    n = len(ROWS[kind])
    if len(values) != n or not all(0 <= value <= MOST for value in values):
        raise UserError(f"{line}: {name} needs a mark from 0 to 3 in each of rows 1 to {n}")
    return Piece(student, name, values, clean(row["comment"] or ""))
