"""Write a feedback page for each notebook: what to do first, one example per mistake, the code, and how to appeal.

A page is one file without scripts, which needs no network. Of a submission it holds code, shown as text, and no image,
output or metadata.
"""

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from minillm.course.grading.decisions import Score
from minillm.course.grading.grade import write
from minillm.course.grading.limited import Failed, Processes, run_all
from minillm.course.grading.names import assignment_name, safe_name
from minillm.course.grading.notebook import MAX_OTHER, cut, definition, flat
from minillm.course.grading.rubric import Piece
from minillm.course.grading.submissions import Notebook

TEMPLATE = Path(__file__).with_name("feedback.html.jinja")
PAGE_SECONDS = 120.0  # limit for writing one page
MAX_VALUE = 300  # characters of a value in an example
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"
NOT_WRITTEN = ("is not written yet.", "is not defined in the notebook.")
# What a failure says of its example: `Failure.seen`.
SEEN = (
    (re.compile(r"in (.*) the result (.*)\.", re.DOTALL), ("try", "your result")),
    (re.compile(r"(.*) gave (.*); right is (.*)\.", re.DOTALL), ("try", "yours", "right")),
)


def write_feedback(
    out: Path, scores: Sequence[Score], notebooks: Mapping[tuple[str, str], Notebook], processes: Processes, jobs: int
) -> Iterator[str | None]:
    """Write feedback/STUDENT/ASSIGNMENT/ASSIGNMENT.html wherever it would change.

    `notebooks` holds the submitted notebooks by student and assignment number; other scores get no page. Yields after
    each page: None, or the reason why the page has no code.
    """
    graded = [score for score in scores if (score.record.student, score.record.assignment) in notebooks]
    work = [lambda score=score: _page(out, score, notebooks, processes) for score in graded]
    yield from run_all(work, jobs, processes)


def page_path(out: Path, score: Score) -> Path:
    """The path of a feedback page."""
    name = assignment_name(score.record.assignment)
    return out / "feedback" / score.record.student / name / f"{name}.html"


def _page(out: Path, score: Score, notebooks: Mapping[tuple[str, str], Notebook], processes: Processes) -> str | None:
    student, number = score.record.student, score.record.assignment
    cells = notebooks[student, number].cells
    key_path = out / "records" / number / f"{student}.page"  # a hash of the inputs of the page
    inputs = (score, cells, TEMPLATE.read_text(encoding="utf-8"), Path(__file__).read_text(encoding="utf-8"))
    key = hashlib.sha256(repr(inputs).encode("utf-8", "surrogatepass")).hexdigest()
    with contextlib.suppress(OSError):
        if page_path(out, score).exists() and key_path.read_text(encoding="utf-8") == key:
            return None
    try:
        processes.call(write_page, out, score, cells, seconds=PAGE_SECONDS)
        write(key_path, key)
    except Failed as reason:
        with contextlib.suppress(OSError):
            write(page_path(out, score), page_of(score, ()))
        return f"{student}, {number}: the page has no code, since writing it {reason}"
    return None


def write_page(out: Path, score: Score, cells: Sequence[tuple[str, str]]) -> None:
    """Write one page of untrusted code; called in a process with its own limits."""
    from minillm.course.grading.gradebook import write_autograded  # imports nbformat, which takes a second

    write_autograded(out, score, cells)
    text = page_of(score, cells)
    page = page_path(out, score)
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        write(page, text)


def write_pieces(out: Path, pieces: Iterable[Piece]) -> None:
    """Write feedback/STUDENT/PIECE/PIECE.html for each piece that was marked by the rubric."""
    for piece in pieces:
        name = piece.name.replace(" ", "_")
        total = f"{piece.points:g} of {piece.possible:g} points"
        told = [*([piece.comment] if piece.comment else []), *(f"{row}: {mark:g} of 3" for row, mark in piece.rows)]
        text = render(TEMPLATE, name=piece.name, student=piece.student, total=total, told=told)
        write(out / "feedback" / safe_name(piece.student) / name / f"{name}.html", text)


def page_of(score: Score, cells: Sequence[tuple[str, str]]) -> str:
    """The page as HTML."""
    record = score.record
    cells = flat(cells)
    questions, shown = [], set()
    for result in record.results:
        answers = [cell for cell in cells if definition(cell[1], result["function"])]
        title, source = answers[-1] if answers else ("", f"# no cell defines {result['function']}")
        shown.add(title)
        questions.append(_question(score, result) | {"code": cut(source)})
    wrong = sorted((each for each in questions if each["sentence"]), key=lambda each: each["is_unwritten"])
    total = f"{sum(score.points.values()):g} of {record.possible} points"
    total += f", {score.final:g} after the days late" if score.penalty else ""
    total = "nothing that can be graded" if record.missing else total
    return render(
        TEMPLATE,
        name=assignment_name(record.assignment),
        student=record.student,
        total=total,
        told=[*filter(None, [score.lateness]), *record.troubles],
        start=None if record.missing or not wrong else wrong[0],
        questions=[] if record.missing else questions,
        others=_others([source for title, source in cells if title not in shown]),
    )


def render(template: Path, **values: Any) -> str:
    """A page made from a template, with all values escaped; it needs no network."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    text = environment.from_string(template.read_text(encoding="utf-8")).render(**values)
    text = text.encode("utf-8", "replace").decode("utf-8")  # a student's code may hold an unpaired surrogate
    return text.replace("<head>", f'<head><meta http-equiv="Content-Security-Policy" content="{POLICY}">', 1)


def _question(score: Score, result: dict[str, Any]) -> dict[str, Any]:
    """What the page says about one question."""
    id, passed, possible = result["question"], result["points"], result["possible"]
    sentence = hint = ""
    example: list[tuple[str, str]] = []
    ladder = [
        ("passed" if index < passed else "failed" if index == passed else "not tried", name)
        for index, name in enumerate(result["probes"])
    ]
    if not result["passed"] and result["probes"][passed] in result["private"]:
        sentence = "This is one of your teacher's private tests. What it tried stays private."
    elif failure := result["failure"]:
        sentence, hint, example = failure["sentence"], failure["hint"], example_of(failure["seen"])
    is_unwritten = sentence.endswith(NOT_WRITTEN)
    left = possible - passed - 1
    words = "All tests passed." if result["passed"] else ""
    if sentence:
        first = "The first test failed" if not passed else f"{passed} of {possible} tests passed, and the next failed"
        rest = f" The other {left} were not tried, so nothing is known about them." if left > 1 else ""
        rest = " The last was not tried, so nothing is known about it." if left == 1 else rest
        words = f"{first}: {result['probes'][passed]}.{rest}"
    return {
        "id": id,
        "title": result["title"],
        "points": f"{score.points[id]:g}",
        "possible": possible,
        "words": "Not written yet." if is_unwritten else words,
        "sentence": sentence,
        "is_unwritten": is_unwritten,
        "example": [] if is_unwritten else example,
        "hint": "" if is_unwritten else hint,
        "ladder": [] if is_unwritten else ladder,
        "decision": f"{score.points[id]:g} points. {score.decided[id]}" if id in score.decided else "",
    }


def example_of(seen: str) -> list[tuple[str, str]]:
    """What a failure has seen, as rows of a table.

    >>> example_of("in double([1, 2]) the result has 5 in place of 4 at [1].")
    [('try', 'double([1, 2])'), ('your result', 'has 5 in place of 4 at [1]')]
    >>> example_of("double(2) gave 5; right is 4.")
    [('try', 'double(2)'), ('yours', '5'), ('right', '4')]
    """
    for form, labels in SEEN:
        if match := form.fullmatch(seen):
            return [(label, shortened(value)) for label, value in zip(labels, match.groups(), strict=True)]
    return [("seen", shortened(seen))] if seen else []


def shortened(text: str, most: int = MAX_VALUE) -> str:
    """A text with its middle left out if it is long.

    >>> shortened("0123456789", 6)
    '012 ... 789'
    """
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-(most // 2) :]}"


def _others(sources: Sequence[str]) -> list[str]:
    """The cells without an answer, up to a length."""
    shown, left = [], MAX_OTHER
    for source in sources:
        if left > 0:
            shown.append(cut(source))
            left -= len(shown[-1]) + 1
    return shown
