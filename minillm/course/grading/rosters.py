"""Read a class list, and give it back with the points: Moodle's worksheet, Canvas's gradebook, or plain names.

Moodle's *grading worksheet* names a student by "Participant 101", the number in the folder's name; Canvas's exported
gradebook by the ID in the file's name. So nobody is identified by a name that two people may have.
"""

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from minillm.course.grading.archives import moodle_place
from minillm.course.grading.decisions import Score
from minillm.course.grading.names import assignment_name, clean
from minillm.course.grading.submissions import HandIn, Submission
from minillm.errors import UserError

MOODLE, CANVAS, NAMES = "Moodle's grading worksheet", "Canvas's gradebook", "a list of names"
COLUMNS = {MOODLE: ("Identifier", "Grade"), CANVAS: ("Student", "ID"), NAMES: ("student",)}
FILLED = {MOODLE: "moodle_worksheet.csv", CANVAS: "canvas_gradebook.csv"}
POSSIBLE = "points possible"  # the name of a row of Canvas
Row: TypeAlias = list[str]


@dataclass
class Roster:
    """The rows of a class list; `students` holds the index of each row that is a student's, by their key."""

    path: Path
    kind: str
    header: Row
    rows: list[Row]
    students: dict[str, int]
    mark: bool = False  # whether the file begins with a byte order mark, as Excel wants it
    found: dict[str, str] = field(default_factory=dict)  # key by the student's name in our tables

    def column(self, name: str) -> int:
        """The place of a column, or -1."""
        return self.header.index(name) if name in self.header else -1

    def name(self, key: str) -> str:
        """The name of a student, for people to read."""
        row = self.rows[self.students[key]]
        place = max(self.column(name) for name in ("Full name", "Student", "student"))
        return clean(row[place]) if place >= 0 and row[place] else row[0]

    def absent(self) -> list[str]:
        """The names of all students on the list who handed in nothing."""
        return [self.name(key) for key in self.students if key not in self.found.values()]


def read_roster(path: Path) -> Roster:
    """Read a class list; raises `UserError` if it is none of the three kinds."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}); give a CSV file in UTF-8") from None
    header, *rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row] or [[]]
    header = [column.strip() for column in header]
    rows = [row + [""] * (len(header) - len(row)) for row in rows]
    kind = next((kind for kind, columns in COLUMNS.items() if set(columns) <= set(header)), None)
    if kind is None:
        wanted = "; ".join(f"{kind} ({', '.join(columns)})" for kind, columns in COLUMNS.items())
        raise UserError(f"{path} is no class list that is known by its columns: {wanted}")
    place = header.index(COLUMNS[kind][0] if kind != CANVAS else "ID")
    keys = [_key(row[place], kind) for row in rows]
    doubled = [key for key in keys if key and keys.count(key) > 1] if kind == NAMES else []
    if doubled:
        raise UserError(f"{path} has {doubled[0]!r} twice; give each student a name of their own")
    students = {key: index for index, key in enumerate(keys) if key}
    return Roster(path, kind, header, rows, students, data.startswith(b"\xef\xbb\xbf"))


def _key(text: str, kind: str) -> str:
    """What identifies a student: a number, or a name without its case."""
    if kind == NAMES:
        return clean(text).casefold()
    number = re.search(r"(\d+)\s*$", text)
    return number[1] if number else ""


def match(roster: Roster, submissions: Iterable[Submission]) -> list[str]:
    """Find each submission's student on the list; returns the names of those who are not there."""
    unknown = []
    for submission in submissions:
        keys = [key for part in submission.parts for key in _keys_of(submission, part, roster.kind)]
        key = next((key for key in keys if key in roster.students), None)
        if key is None:
            unknown.append(submission.student)
        else:
            roster.found[submission.student] = key
    return unknown


def _keys_of(submission: Submission, part: HandIn, kind: str) -> list[str]:
    if kind == MOODLE:
        place = moodle_place(part)
        return [str(place[0])] if place else []
    if kind == CANVAS:
        return [part.owner.id] if part.owner.id else []
    names = (submission.student, part.owner.name, re.sub(r"_\d+$", "", part.owner.name))
    return [clean(name).casefold() for name in names]


def columns_of(roster: Roster, numbers: Sequence[str]) -> dict[str, int]:
    """The column of each assignment's points; raises `UserError` if one has none, or several."""
    if roster.kind == NAMES:
        return {}
    if roster.kind == MOODLE:
        if len(numbers) != 1:
            here = ", ".join(numbers)
            raise UserError(f"{roster.path} is for one assignment, and there are {here}; choose it with --assignment")
        return {numbers[0]: roster.column("Grade")}
    return {number: _canvas_column(roster, number) for number in numbers}


def _canvas_column(roster: Roster, number: str) -> int:
    name, word = assignment_name(number), re.compile(rf"(?<![0-9a-zA-Z]){number}(?![0-9a-zA-Z])")
    titles = {place: re.sub(r" \(\d+\)$", "", title) for place, title in enumerate(roster.header)}
    tries: tuple[Callable[[str], bool], ...] = (lambda title: name in title, lambda title: bool(word.search(title)))
    for fits in tries:
        found = [place for place, title in titles.items() if fits(title) and "(read only)" not in title]
        if len(found) == 1:
            return found[0]
    raise UserError(f"{roster.path} has no single column for {name}; put {name} into the assignment's name in Canvas")


def fill(roster: Roster, scores: Iterable[Score], columns: dict[str, int], out: Path) -> str | None:
    """Write the list with the points into `out`; returns a sentence about it, or None for a list of names.

    What was not handed in stays as it is, and so does a grade that Moodle says cannot be changed. Points are scaled to
    the maximum that the list names.
    """
    if roster.kind == NAMES:
        return None
    rows = [list(row) for row in roster.rows]
    most = [row for row in rows if row[0].strip().casefold() == POSSIBLE]
    filled, scaled = 0, set()
    for score in scores:
        record, place = score.record, columns[score.record.assignment]
        key = roster.found.get(record.student)
        if key is None or (record.missing and not score.decided):
            continue
        row = rows[roster.students[key]]
        limit = most[0][place] if most else row[roster.column("Maximum Grade")] if roster.kind == MOODLE else ""
        factor = _number(limit) / record.possible if _number(limit) else 1.0
        if factor != 1:
            scaled.add(f"{record.possible} points to {limit.strip()}")
        change = roster.column("Grade can be changed")
        if change >= 0 and row[change].strip().casefold() == "no":
            continue
        row[place] = f"{round(score.final * factor, 2):g}"
        comment = roster.column("Feedback comments")
        if comment >= 0 and not row[comment]:
            row[comment] = f"{score.final:g} of {record.possible} points. The feedback file says where to start."
        filled += 1
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([roster.header, *rows])
    path = out / FILLED[roster.kind]
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes((b"\xef\xbb\xbf" if roster.mark else b"") + text.getvalue().encode("utf-8", "replace"))
    os.replace(temporary, path)
    note = f" (scaled from {', '.join(sorted(scaled))})" if scaled else ""
    return f"{roster.kind} with {filled} grades: {path}{note}"


def _number(text: str) -> float:
    """A number in a table, with a point or a comma; 0 if it is none."""
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return 0.0
