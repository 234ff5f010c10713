"""nbgrader's gradebook, and its feedback page for each notebook. The folder is a course of nbgrader: it can open it.

nbgrader runs nothing here. The notebook that becomes a page is made anew from the learner's code and our results, so no
text, picture or metadata of a submission gets into it but code, which the page shows as text.
"""

import html
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from minillm.course.checks.question import Question
from minillm.course.grading.decisions import Deadline, Score
from minillm.course.grading.grade import write
from minillm.course.grading.notebook import definition, read_code
from minillm.course.grading.submissions import Notebook, assignment_name

WORDS = {True: "passed", False: "FAILED"}


def write_gradebook(
    out: Path, scores: Sequence[Score], questions: dict[str, tuple[Question, ...]], deadline: Deadline
) -> None:
    """Write gradebook.db."""
    from nbgrader.api import Gradebook

    # It runs alembic as a command, which in an environment that is not active is on no path.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    gradebook: Any = Gradebook(f"sqlite:///{out / 'gradebook.db'}")  # whose own types are those of its columns
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
    """A question's id as nbgrader can bear it."""
    return question.replace(".", "_")


def write_feedback(
    out: Path, scores: Sequence[Score], notebooks: dict[tuple[str, str], Notebook], done: Callable[[], object]
) -> None:
    """Write feedback/STUDENT/ASSIGNMENT/ASSIGNMENT.html for each notebook whose page would be another than it is.

    `notebooks` are the submitted ones by student and number. `done` is called after each.
    """
    from nbgrader.converters import GenerateFeedback
    from nbgrader.coursedir import CourseDirectory

    for score in scores:
        student, number = score.record.student, score.record.assignment
        name = assignment_name(number)
        page = out / "feedback" / student / name / f"{name}.html"
        path = out / "autograded" / student / name / f"{name}.ipynb"
        text = nbformat.writes(_notebook(score, notebooks[student, number]))
        text = text.encode("utf-8", "replace").decode("utf-8")  # a student's text may hold half a character
        if not (page.exists() and path.exists() and path.read_text(encoding="utf-8") == text):
            shutil.rmtree(page.parent, ignore_errors=True)
            write(path, text)
            course = CourseDirectory(root=str(out), student_id=student, assignment_id=name)
            course.db_url = f"sqlite:///{out / 'gradebook.db'}"
            converter = GenerateFeedback(coursedir=course)
            converter.log.setLevel(logging.ERROR)
            converter.start()
        done()


def _notebook(score: Score, notebook: Notebook) -> nbformat.NotebookNode:
    """The page to be, as a notebook: each question with its answer and its check, then everything else that ran."""
    record = score.record
    try:
        cells = [] if notebook.trouble else read_code(notebook.data)
    except ValueError:
        cells = []
    headline = f"# {assignment_name(record.assignment)}\n\n{html.escape(record.student)}"
    made = [new_markdown_cell(headline)]
    if record.troubles:
        made.append(_said("\n".join(record.troubles)))
    shown = set()
    for result in record.results:
        id, name = result["question"], cell_name(result["question"])
        made.append(new_markdown_cell(f"## {id} · {result['title']}"))
        answers = [cell for cell in cells if definition(cell[1], result["function"])]
        place, source = answers[-1] if answers else ("", f"# {result['function']} is nowhere defined")
        shown.add(place)
        made.append(new_code_cell(source, metadata=_marks(f"answer_{name}", solution=True)))
        marks = _marks(f"check_{name}", grade=True, locked=True, points=result["possible"])
        made.append(_said(_told(score, result), f'check("{id}", {result["function"]}).points', marks))
    rest = [cell for cell in cells if cell[0] not in shown]
    if rest:
        made.append(new_markdown_cell("## The other cells"))
        made += [new_code_cell(source) for _, source in rest]
    for place, cell in enumerate(made):
        cell.id = f"cell-{place}"  # else nbformat draws one by chance
    return new_notebook(cells=made)


def _told(score: Score, result: dict[str, Any]) -> str:
    """A result as `check` prints it, and the teacher's decision."""
    id, points = result["question"], score.points[result["question"]]
    lines = [f"{id} {result['title']}: {points:g} of {result['possible']} points"]
    for place, name in enumerate(result["probes"]):
        tried = place <= result["points"]
        lines.append(f"  {WORDS[place < result['points']] if tried else 'not tried':10} {name}")
    if failure := result["failure"]:
        lines += ["", failure["sentence"], f"Seen: {failure['seen']}", f"Hint: {failure['hint']}"]
    if id in score.decided:
        lines += ["", f"The teacher's decision: {points:g} points. {score.decided[id]}"]
    return "\n".join(lines)


def _said(text: str, source: str = "", marks: dict[str, Any] | None = None) -> nbformat.NotebookNode:
    return new_code_cell(source, metadata=marks or {}, outputs=[new_output("stream", name="stdout", text=text)])


def _marks(grade_id: str, **changes: bool | int) -> dict[str, Any]:
    """nbgrader's metadata for a cell, its schema 3."""
    kind = {"grade": False, "locked": False, "solution": False, "task": False}
    return {"nbgrader": {"grade_id": grade_id, "schema_version": 3, "cell_type": "code", **kind, **changes}}
