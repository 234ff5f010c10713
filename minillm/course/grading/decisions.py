"""What a teacher decides otherwise, and when work was due: a table that a spreadsheet can edit, `decisions.csv`.

Each line is about a student (`*` for all): points for a question, or days that an assignment may be late. Nothing is
graded again for it.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from minillm.course.grading.grade import Record
from minillm.course.grading.names import clean
from minillm.errors import UserError

DECISIONS = "decisions.csv"
COLUMNS = ("student", "what", "points", "free_days", "why")
EXAMPLE = "student,what,points,free_days,why\n"


@dataclass(frozen=True)
class Decision:
    """One line: `what` is a question ("04.2") if there are points, an assignment ("04") if there are free days."""

    student: str
    what: str
    points: float | None
    free_days: int
    why: str


@dataclass(frozen=True)
class Deadline:
    """When everything is due, and what a day that has begun since costs, in percent of the points."""

    due: datetime | None = None
    percent_a_day: float = 0.0

    def days_late(self, record: Record, decisions: Sequence[Decision]) -> int:
        """Days begun after the deadline, less those that were given."""
        if self.due is None or record.written is None:
            return 0
        over = datetime.fromisoformat(record.written) - self.due
        days = -(-over // timedelta(days=1))  # rounded up
        return max(0, days - sum(one.free_days for one in _about(decisions, record.student, record.assignment)))


@dataclass(frozen=True)
class Score:
    """What a record is worth in the end."""

    record: Record
    points: dict[str, float]  # by question, after what the teacher decided
    decided: dict[str, str]  # why, by question, where a teacher decided
    days_late: int
    penalty: float

    @property
    def final(self) -> float:
        """What goes into the tables."""
        return max(0.0, sum(self.points.values()) - self.penalty)


def score(record: Record, deadline: Deadline, decisions: Sequence[Decision]) -> Score:
    """A record with the teacher's decisions and the price of being late."""
    points = {result["question"]: float(result["points"]) for result in record.results}
    decided = {}
    for question in points:
        for one in sorted(_about(decisions, record.student, question), key=lambda one: one.student != "*"):
            if one.points is not None:  # what is decided for one student counts more than what is for all
                points[question], decided[question] = one.points, one.why
    days = deadline.days_late(record, decisions)
    return Score(record, points, decided, days, sum(points.values()) * min(1.0, days * deadline.percent_a_day / 100))


def _about(decisions: Sequence[Decision], student: str, what: str) -> list[Decision]:
    return [one for one in decisions if one.student in ("*", student) and one.what == what]


def read_decisions(out: Path, possible: dict[str, int], students: Sequence[str]) -> list[Decision]:
    """The table; written empty if there is none. `possible` are the points of each question.

    What a spreadsheet does to it is undone: rows that were emptied, and `04` that became 4. Raises `UserError` with
    the line that cannot be meant.
    """
    path = out / DECISIONS
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(EXAMPLE, encoding="utf-8")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8; save it as 'CSV UTF-8'") from None
    rows = csv.DictReader(io.StringIO(text))
    if rows.fieldnames is None or not set(COLUMNS) <= set(rows.fieldnames):
        raise UserError(
            f"{path} needs the columns {', '.join(COLUMNS)}, separated by commas; without it an empty one is written"
        )
    found: dict[tuple[str, str], Decision] = {}
    for row in rows:
        if any(row[column] for column in COLUMNS):
            place = f"{path}, line {rows.line_num}"
            decision = _decision(row, place, possible, students)
            about = decision.student, decision.what
            if about in found:
                raise UserError(f"{place}: {about[0]} and {about[1]} have a line already; keep one of them")
            found[about] = decision
    return list(found.values())


def _decision(row: dict[str, str], place: str, possible: dict[str, int], students: Sequence[str]) -> Decision:
    student, what, points, days, why = (clean(row[column] or "") for column in COLUMNS)
    known = possible.keys() | {question.split(".")[0] for question in possible}
    if what not in known and f"0{what}" in known:
        what = f"0{what}"
    if student != "*" and student not in students:
        raise UserError(f"{place}: nobody who handed in is called {student!r}; `*` stands for all")
    try:
        decision = Decision(student, what, float(points) if points else None, int(days) if days else 0, why)
    except ValueError:
        raise UserError(f"{place}: points {points!r} and free days {days!r} must be numbers") from None
    if points and days:
        raise UserError(f"{place}: it has points and free days; give each a line of its own")
    if decision.free_days < 0:
        raise UserError(f"{place}: there cannot be {decision.free_days} free days")
    if decision.points is not None and not 0 <= decision.points <= possible.get(what, -1):
        known = f"it has {possible[what]} points" if what in possible else f"there is no question {what!r}"
        raise UserError(f"{place}: {decision.points:g} points for {what}, and {known}")
    if decision.points is None and (what not in known or what in possible):
        raise UserError(f"{place}: free days are for an assignment, such as 04, and {what!r} is none")
    return decision
