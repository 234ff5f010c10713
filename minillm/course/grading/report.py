"""Write tables of the results: per notebook, per question, for Canvas and Moodle; similar answers; whom to ask."""

import csv
import io
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from minillm.course.grading import similarity
from minillm.course.grading.comparing import Comparison
from minillm.course.grading.decisions import Score
from minillm.course.grading.feedback import render
from minillm.course.grading.grade import write
from minillm.course.grading.names import assignment_name
from minillm.course.grading.rubric import Piece
from minillm.course.grading.submissions import NO_NOTEBOOK
from minillm.errors import UserError

TEMPLATE = Path(__file__).with_name("similarity.html.jinja")
SIMILAR = ("assignment", "first", "second", "question", "characters", "share", "group")
ORAL = ("assignment", "student", "why")
DRAWN, FEWEST_DRAWN = 0.1, 3  # students per assignment to ask about their code: a share, and at least so many
# Text that a spreadsheet would evaluate: at the beginning of a cell, or after a separator of any locale.
FORMULA = re.compile(r"""(^|[;\t\r\n|])(["'\s]*)([=+\-@＝＋－＠])""")


def write_tables(
    out: Path,
    scores: Sequence[Score],
    ids: Mapping[str, str] = MappingProxyType({}),
    absent: Sequence[str] = (),
    pieces: Sequence[Piece] = (),
) -> None:
    """Write grades.csv, questions.csv, canvas.csv and moodle.csv into `out`.

    `ids` maps a student to the id in Canvas. `absent` holds those on the class list who handed in nothing, `pieces` the
    marks by the rubric.
    """
    most = {score.record.assignment: score.record.possible for score in scores}
    nothing = [[name, number, "0", most[number], 0, 0.0, "not handed in", ""] for number in most for name in absent]
    marked = [[each.student, each.name, f"{each.points:g}", each.possible, 0, each.points, each.comment, ""]
              for each in pieces]  # fmt: skip
    _write(out / "grades.csv", GRADES, [*map(_grade, scores), *nothing, *marked])
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
    for piece in pieces:
        by_student.setdefault(piece.student, {})[piece.name] = piece.points
        possible[piece.name] = piece.possible
    names += sorted({piece.name for piece in pieces})
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
    reason = "; ".join(record.troubles)
    if record.missing:
        word = "not handed in" if not reason or NO_NOTEBOOK in reason else "unreadable"
        reason = f"{word}: {reason}" if reason else word
    look = "; ".join(record.look)
    final = round(score.final, 2)
    return [record.student, record.assignment, f"{points:g}", record.possible, score.days_late, final, reason, look]


QUESTIONS = ("student", "question", "title", "points", "possible", "failed", "sentence", "seen", "decided")


def _question(score: Score, result: dict[str, Any]) -> list[Any]:
    question, failure = result["question"], result["failure"] or {}
    failed = "" if result["passed"] else result["probes"][result["points"]]
    row = [score.record.student, question, result["title"], f"{score.points[question]:g}", result["possible"], failed]
    return [*row, failure.get("sentence", ""), failure.get("seen", ""), score.decided.get(question, "")]


def write_similarity(out: Path, found: Comparison) -> None:
    """Write similarity.html and similarity.csv into `out`."""
    page = render(TEMPLATE, found=found, pairs=found.pairs, name=assignment_name, settings=similarity)
    write(out / "similarity.html", page)
    rows = (
        (
            *(pair.number, pair.first, pair.second, match.question, match.characters),
            *(f"{match.share:.2f}", ", ".join(pair.ring)),
        )
        for pair in found.pairs
        for match in pair.matches
    )
    _write(out / "similarity.csv", SIMILAR, rows)


def write_oral_list(
    out: Path,
    secret: str,
    handed_in: Mapping[str, Sequence[str]],
    found: Comparison,
    asked: Counter[str] | None = None,
) -> None:
    """Write oral.csv: whom to ask about their code, per assignment.

    `handed_in` holds the students by assignment number, `asked` how often each was asked before (`asked_before`). Those
    who were asked least are drawn, so nobody is drawn again before everybody was. The secret decides among them, so the
    list stays the same when the class is graded again. Both students of each pair are added, and everyone whose answer
    is public.
    """
    rows, asked = [], Counter(asked)
    for number, students in handed_in.items():
        n = min(len(students), max(FEWEST_DRAWN, round(DRAWN * len(students))))
        order = {student: random.Random(f"{secret}/oral/{number}/{student}").random() for student in students}
        drawn = sorted(students, key=lambda student: (asked[person(student)], order[student]))[:n]
        why = {student: ["drawn"] for student in drawn}
        for pair in found.pairs:
            if pair.number == number:
                matches = ", ".join(match.question for match in pair.matches)
                why.setdefault(pair.first, []).append(f"{matches}: like {pair.second}")
                why.setdefault(pair.second, []).append(f"{matches}: like {pair.first}")
        for (student, other), said in found.published.items():
            if other == number:
                why.setdefault(student, []).extend(said)
        asked.update(map(person, why))
        rows += [(number, student, "; ".join(reasons)) for student, reasons in sorted(why.items())]
    _write(out / "oral.csv", ORAL, rows)


def asked_before(tables: Iterable[Path]) -> Counter[str]:
    """How often each person is in earlier tables such as oral.csv; raises `UserError` for another file."""
    asked: Counter[str] = Counter()
    for path in tables:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
        if not {"student", "assignment"} <= set(rows.fieldnames or ()):
            raise UserError(f"{path} has no columns student and assignment; give an oral.csv of an earlier run")
        asked.update(person(row["student"]) for row in rows)
    return asked


def person(student: str) -> str:
    """A student's name without the number that Moodle gives to each submission anew.

    >>> person("Ann Lee_77"), person("leeann")
    ('Ann Lee', 'leeann')
    """
    return re.sub(r"_\d+$", "", student)


def _write(path: Path, header: Iterable[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows([_escaped(cell) for cell in row] for row in rows)
    write(path, text.getvalue())


def _escaped(cell: Any) -> Any:
    """Escape a text, such as a student's code, that spreadsheets take for a formula."""
    return FORMULA.sub(r"\1'\2\3", cell) if isinstance(cell, str) else cell
