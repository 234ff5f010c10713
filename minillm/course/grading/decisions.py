"""A teacher's corrections in `decisions.csv`, deadlines, and final scores.

Each line is about a student (`*` for all): points for a question, or days that an assignment may be late. A spreadsheet
can edit the table. A decision never causes a notebook to be graded again.
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
    """One line of the table.

    `what` is a question ("04.2") if the line sets points, an assignment ("04") if it gives free days.
    """

    student: str
    what: str
    points: float | None
    free_days: int
    why: str


@dataclass(frozen=True)
class Deadline:
    """The due date, and the penalty in percent of the points per day begun since."""

    due: datetime | None = None
    percent_per_day: float = 0.0

    def days_late(self, record: Record, decisions: Sequence[Decision]) -> int:
        """Days begun after the deadline, minus the free days."""
        if self.due is None or record.written is None:
            return 0
        late = datetime.fromisoformat(record.written) - self.due
        days = -(-late // timedelta(days=1))  # rounded up
        free_days = sum(decision.free_days for decision in _about(decisions, record.student, record.assignment))
        return max(0, days - free_days)

    def sentence(self, record: Record, days: int, penalty: float) -> str:
        """What a student reads who is `days` late; nothing if that is 0.

        >>> from types import SimpleNamespace
        >>> Deadline(datetime(2026, 10, 1, 18), 10).sentence(SimpleNamespace(written="2026-10-02T09:30:00"), 1, 0.5)
        'Due 2026-10-01 18:00, saved 2026-10-02 09:30: 1 day late, at 10 % of the points a day: 0.5 points less.'
        """
        if not days or self.due is None or record.written is None:
            return ""
        saved = datetime.fromisoformat(record.written)
        late = f"{days} day{'s' if days > 1 else ''} late"
        cost = f", at {self.percent_per_day:g} % of the points a day: {penalty:g} points less" if penalty else ""
        return f"Due {self.due:%Y-%m-%d %H:%M}, saved {saved:%Y-%m-%d %H:%M}: {late}{cost}."


@dataclass(frozen=True)
class Score:
    """The final points of a record."""

    record: Record
    points: dict[str, float]  # by question, with the teacher's decisions applied
    decided: dict[str, str]  # by question, the reason of the teacher's decision
    days_late: int
    penalty: float
    lateness: str = ""  # what the student reads about it

    @property
    def final(self) -> float:
        """The points that the tables show: the sum minus the penalty, at least 0."""
        return max(0.0, sum(self.points.values()) - self.penalty)


def score(record: Record, deadline: Deadline, decisions: Sequence[Decision]) -> Score:
    """Apply the teacher's decisions and the penalty for late days to a record."""
    points = {result["question"]: float(result["points"]) for result in record.results}
    decided = {}
    for question in points:
        own_last = sorted(_about(decisions, record.student, question), key=lambda decision: decision.student != "*")
        own_last = [decision for decision in own_last if decision.student != "*" or not record.missing]
        for decision in own_last:  # a decision for one student overrides one for all
            if decision.points is not None:
                points[question], decided[question] = decision.points, decision.why
    days = deadline.days_late(record, decisions)
    penalty = sum(points.values()) * min(1.0, days * deadline.percent_per_day / 100)
    return Score(record, points, decided, days, penalty, deadline.sentence(record, days, penalty))


def _about(decisions: Sequence[Decision], student: str, what: str) -> list[Decision]:
    return [decision for decision in decisions if decision.student in ("*", student) and decision.what == what]


def read_decisions(out: Path, possible: dict[str, int], students: Sequence[str]) -> list[Decision]:
    """Read the table, or write an empty one if there is none.

    `possible` holds the maximum points of each question. Empty rows are skipped, and a `04` that a spreadsheet turned
    into 4 is restored. Raises `UserError` with the number of the first invalid line.
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
            f"{path} needs the columns {', '.join(COLUMNS)}, separated by commas; delete the file to get an empty one"
        )
    decisions: dict[tuple[str, str], Decision] = {}
    for row in rows:
        if any(row[column] for column in COLUMNS):
            line = f"{path}, line {rows.line_num}"
            decision = _decision(row, line, possible, students)
            key = decision.student, decision.what
            if key in decisions:
                raise UserError(f"{line}: there is already a line for {key[0]} and {key[1]}; keep one of them")
            decisions[key] = decision
    return list(decisions.values())


def _decision(row: dict[str, str], line: str, possible: dict[str, int], students: Sequence[str]) -> Decision:
    """Parse one row; `line` is its position, with which a `UserError` begins."""
    student, what, points, days, why = (clean(row[column] or "") for column in COLUMNS)
    known = possible.keys() | {question.split(".")[0] for question in possible}
    if what not in known and f"0{what}" in known:
        what = f"0{what}"
    if student != "*" and student not in students:
        raise UserError(f"{line}: no submission is from {student!r}; use a name from grades.csv, or * for everybody")
    try:
        decision = Decision(student, what, float(points) if points else None, int(days) if days else 0, why)
    except ValueError:
        raise UserError(f"{line}: points {points!r} and free days {days!r} must be numbers; correct the line") from None
    if points and days:
        raise UserError(f"{line}: it has both points and free days; give each its own line")
    if decision.free_days < 0:
        raise UserError(f"{line}: {decision.free_days} free days is negative; give 0 or more")
    if decision.points is not None and what not in possible:
        raise UserError(f"{line}: there is no question {what!r}; points are for a question such as 04.2")
    if decision.points is not None and not 0 <= decision.points <= possible[what]:
        raise UserError(f"{line}: {decision.points:g} points for {what} is out of range; give 0 to {possible[what]}")
    if decision.points is None and (what not in known or what in possible):
        raise UserError(f"{line}: {what!r} is not an assignment; free days are for one such as 04")
    return decision
