"""Write nbgrader's gradebook, and a graded notebook for each submitted one.

The output folder is a course folder of nbgrader, which can open it. nbgrader runs no code here. Each notebook is a new
one that holds the student's code and our results; no text, image or metadata of a submission gets into it.
"""

import html
import os
import sys
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from minillm.course.checks.question import Question
from minillm.course.grading.decisions import Deadline, Score
from minillm.course.grading.grade import write
from minillm.course.grading.names import assignment_name
from minillm.course.grading.notebook import MAX_OTHER, cut, definition

WORDS = {True: "passed", False: "FAILED"}


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


def write_autograded(out: Path, score: Score, cells: Sequence[tuple[str, str]]) -> None:
    """Write autograded/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb, which nbgrader can open."""
    import nbformat  # not above: it takes a second to import, which every command would wait for

    student, name = score.record.student, assignment_name(score.record.assignment)
    text = nbformat.writes(_notebook(score, cells))
    write(out / "autograded" / student / name / f"{name}.ipynb", text.encode("utf-8", "replace").decode("utf-8"))


def _notebook(score: Score, cells: Sequence[tuple[str, str]]) -> Any:
    """The page as a notebook: questions with answers and checks, then other cells."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    record = score.record
    headline = f"# {assignment_name(record.assignment)}\n\nStudent: {html.escape(record.student)}"
    page = [new_markdown_cell(headline)]
    if told := [*filter(None, [score.lateness]), *record.troubles]:
        page.append(_output_cell("\n".join(told)))
    shown = set()
    for result in record.results:
        id, name = result["question"], cell_name(result["question"])
        page.append(new_markdown_cell(f"## {id} · {result['title']}"))
        answers = [cell for cell in cells if definition(cell[1], result["function"])]
        cell_title, source = answers[-1] if answers else ("", f"# {result['function']} is not defined")
        shown.add(cell_title)
        page.append(new_code_cell(cut(source), metadata=_metadata(f"answer_{name}", solution=True)))
        metadata = _metadata(f"check_{name}", grade=True, locked=True, points=result["possible"])
        check = f'check("{id}", {result["function"]}).points'
        page.append(_output_cell(_result_text(score, result), check, metadata))
    left = MAX_OTHER
    for cell_title, source in cells:
        if cell_title not in shown and left > 0:
            if left == MAX_OTHER:
                page.append(new_markdown_cell("## The other cells"))
            page.append(new_code_cell(cut(source)))
            left -= len(page[-1].source) + 1
    for index, cell in enumerate(page):
        cell.id = f"cell-{index}"  # otherwise nbformat draws one at random
    return new_notebook(cells=page)


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
