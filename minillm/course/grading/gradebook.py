"""Write nbgrader's gradebook and a feedback page for each notebook.

The output folder is a course folder of nbgrader, which can open it. nbgrader runs no code here. Each page is made from
a new notebook that holds the student's code and our results. No text, image or metadata of a submission gets into it;
its code does, shown as text.
"""

import contextlib
import hashlib
import html
import logging
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from minillm.course.checks.question import Question
from minillm.course.grading.decisions import Deadline, Score
from minillm.course.grading.grade import write
from minillm.course.grading.limited import Failed, Processes, run_all
from minillm.course.grading.names import assignment_name
from minillm.course.grading.notebook import definition
from minillm.course.grading.submissions import Notebook

WORDS = {True: "passed", False: "FAILED"}
PAGE_SECONDS = 120.0  # limit for writing one page
MAX_CHARACTERS, MAX_LINES = 20_000, 400  # of a cell on a page
MAX_OTHER = 50_000  # characters in all cells without an answer
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"


def write_gradebook(
    out: Path, scores: Sequence[Score], questions: dict[str, tuple[Question, ...]], deadline: Deadline
) -> None:
    """Write gradebook.db."""
    from nbgrader.api import Gradebook

    # nbgrader runs alembic as a command; without an active environment, PATH does not contain it.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    gradebook: Any = Gradebook(
        f"sqlite:///{out / 'gradebook.db'}"
    )  # its declared types are those of the database columns
    with warnings.catch_warnings(action="ignore"), gradebook as book:
        for number, asked in questions.items():
            name = assignment_name(number)
            book.update_or_create_assignment(name, duedate=deadline.due)
            book.update_or_create_notebook(name, name)
            for question in asked:
                cell = cell_name(question.id)
                book.update_or_create_grade_cell(
                    f"check_{cell}", name, name, max_score=len(question.probes), cell_type="code"
                )
                book.update_or_create_solution_cell(f"answer_{cell}", name, name)
        for score in scores:
            if score.record.missing:
                continue
            name = assignment_name(score.record.assignment)
            book.update_or_create_student(score.record.student)
            written = score.record.written and datetime.fromisoformat(score.record.written)
            book.update_or_create_submission(name, score.record.student, timestamp=written)
            book.find_submission_notebook(name, name, score.record.student).late_submission_penalty = score.penalty
            for question, points in score.points.items():
                grade = book.find_grade(f"check_{cell_name(question)}", name, name, score.record.student)
                grade.auto_score, grade.manual_score = points, None
                grade.needs_manual_grade = False
        book.db.commit()


def cell_name(question: str) -> str:
    """A question's id in a form that nbgrader accepts."""
    return question.replace(".", "_")


def write_feedback(
    out: Path, scores: Sequence[Score], notebooks: dict[tuple[str, str], Notebook], processes: Processes, jobs: int
) -> Iterator[str | None]:
    """Write feedback/STUDENT/ASSIGNMENT/ASSIGNMENT.html wherever it would change.

    `notebooks` holds the submitted notebooks by student and assignment number. Yields after each page: None, or the
    reason why the page has no code.
    """
    handed_in = [score for score in scores if not score.record.missing]
    work = [lambda score=score: _page(out, score, notebooks, processes) for score in handed_in]
    yield from run_all(work, jobs, processes)


def _page(out: Path, score: Score, notebooks: dict[tuple[str, str], Notebook], processes: Processes) -> str | None:
    student, number = score.record.student, score.record.assignment
    cells = notebooks[student, number].cells
    key_path = out / "records" / number / f"{student}.page"  # a hash of the inputs of the page
    key = hashlib.sha256(repr((score, cells)).encode("utf-8", "surrogatepass")).hexdigest()
    with contextlib.suppress(OSError):
        if page_path(out, score).exists() and key_path.read_text(encoding="utf-8") == key:
            return None
    try:
        processes.call(write_page, out, score, cells, seconds=PAGE_SECONDS)
        write(key_path, key)
    except Failed as reason:
        with contextlib.suppress(OSError):
            write(page_path(out, score), _plain_page(score))
        return f"{student}, {number}: the page has no code, since writing it {reason}"
    return None


def page_path(out: Path, score: Score) -> Path:
    """The path of a feedback page."""
    name = assignment_name(score.record.assignment)
    return out / "feedback" / score.record.student / name / f"{name}.html"


def write_page(out: Path, score: Score, cells: Sequence[tuple[str, str]]) -> None:
    """Write one page of untrusted code; called in a process with its own limits."""
    import nbformat  # not above: it takes a second to import, which every command would wait for
    from nbgrader.converters import GenerateFeedback
    from nbgrader.coursedir import CourseDirectory

    student, name = score.record.student, assignment_name(score.record.assignment)
    page = page_path(out, score)
    path = out / "autograded" / student / name / f"{name}.ipynb"
    text = nbformat.writes(_notebook(score, cells))
    text = text.encode("utf-8", "replace").decode("utf-8")  # a student's code may hold an unpaired surrogate
    if page.exists() and path.exists() and path.read_text(encoding="utf-8") == text:
        return
    shutil.rmtree(page.parent, ignore_errors=True)
    write(path, text)
    course = CourseDirectory(root=str(out), student_id=student, assignment_id=name)
    course.db_url = f"sqlite:///{out / 'gradebook.db'}"
    converter = GenerateFeedback(coursedir=course)
    converter.log.setLevel(logging.ERROR)
    converter.start()
    write(page, offline(page.read_text(encoding="utf-8")))


def offline(page: str) -> str:
    """Remove everything that a page loads from the network, and forbid scripts in it.

    >>> offline('<head><script src="https://cdn.example/mathjax.js"></script><title>Points</title>')[-21:]
    '<title>Points</title>'
    """
    page = re.sub(r'<(script|link)\b[^>]*\s(?:src|href)="https?://[^"]*"[^>]*>(?:</\1>)?', "", page)
    return page.replace("<head>", f'<head><meta http-equiv="Content-Security-Policy" content="{POLICY}">', 1)


def _plain_page(score: Score) -> str:
    """A page with points and reasons, but without code."""
    texts = [*_told(score), *(_result_text(score, result) for result in score.record.results)]
    body = "".join(f"<pre>{html.escape(text)}</pre>" for text in texts)
    name = f"{assignment_name(score.record.assignment)}, {html.escape(score.record.student)}"
    return offline(f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>{name}</title></head>{body}</html>')


def _notebook(score: Score, cells: Sequence[tuple[str, str]]) -> Any:
    """The page as a notebook: questions with answers and checks, then other cells."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    record = score.record
    headline = f"# {assignment_name(record.assignment)}\n\nStudent: {html.escape(record.student)}"
    page = [new_markdown_cell(headline)]
    if told := _told(score):
        page.append(_output_cell("\n".join(told)))
    shown = set()
    for result in record.results:
        id, name = result["question"], cell_name(result["question"])
        page.append(new_markdown_cell(f"## {id} · {result['title']}"))
        answers = [cell for cell in cells if definition(cell[1], result["function"])]
        cell_title, source = answers[-1] if answers else ("", f"# {result['function']} is not defined")
        shown.add(cell_title)
        page.append(new_code_cell(_cut(source), metadata=_metadata(f"answer_{name}", solution=True)))
        metadata = _metadata(f"check_{name}", grade=True, locked=True, points=result["possible"])
        check = f'check("{id}", {result["function"]}).points'
        page.append(_output_cell(_result_text(score, result), check, metadata))
    left = MAX_OTHER
    for cell_title, source in cells:
        if cell_title not in shown and left > 0:
            if left == MAX_OTHER:
                page.append(new_markdown_cell("## The other cells"))
            page.append(new_code_cell(_cut(source)))
            left -= len(page[-1].source) + 1
    for index, cell in enumerate(page):
        cell.id = f"cell-{index}"  # otherwise nbformat draws one at random
    return new_notebook(cells=page)


def _told(score: Score) -> list[str]:
    """What a student reads about the whole notebook."""
    return [*filter(None, [score.lateness]), *score.record.troubles]


def _cut(source: str) -> str:
    """Shorten a very long cell, on which syntax highlighting would be slow."""
    lines = source[:MAX_CHARACTERS].split("\n")
    if len(source) <= MAX_CHARACTERS and len(lines) <= MAX_LINES:
        return source
    return "\n".join(lines[:MAX_LINES]) + f"\n# ... cut here; the cell has {len(source):,} characters"


def _result_text(score: Score, result: dict[str, Any]) -> str:
    """A result as `check` prints it, followed by the teacher's decision."""
    id, points = result["question"], score.points[result["question"]]
    lines = [f"{id} {result['title']}: {points:g} of {result['possible']} points"]
    for index, name in enumerate(result["probes"]):
        tried = index <= result["points"]
        lines.append(f"  {WORDS[index < result['points']] if tried else 'not tried':10} {name}")
    if not result["passed"] and result["probes"][result["points"]] in result["private"]:
        lines += ["", "This is one of your teacher's private tests. What it tried stays private."]
    elif failure := result["failure"]:
        lines += ["", failure["sentence"], f"Seen: {failure['seen']}", f"Hint: {failure['hint']}"]
    if id in score.decided:
        lines += ["", f"The teacher's decision: {points:g} points. {score.decided[id]}"]
    return "\n".join(lines)


def _output_cell(text: str, source: str = "", metadata: dict[str, Any] | None = None) -> Any:
    from nbformat.v4 import new_code_cell, new_output

    return new_code_cell(source, metadata=metadata or {}, outputs=[new_output("stream", name="stdout", text=text)])


def _metadata(grade_id: str, **changes: bool | int) -> dict[str, Any]:
    """nbgrader's metadata for a cell, its schema 3."""
    kind = {"grade": False, "locked": False, "solution": False, "task": False}
    return {"nbgrader": {"grade_id": grade_id, "schema_version": 3, "cell_type": "code", **kind, **changes}}
