"""Derive nbgrader's metadata for the cells of an assignment from the cells' source.

A cell with a solution region belongs to the question of the next check. A cell `check("04.2", ...).points` is graded,
with the points of that question. All other cells are ungraded.
"""

import hashlib
import json

import nbformat

from minillm.course.checks import find
from minillm.course.contents import CHECK_CELL

BEGIN = "### BEGIN SOLUTION"


def mark_for_nbgrader(notebook: nbformat.NotebookNode) -> None:
    """Write nbgrader's metadata (schema 3) into the cells of an assignment, in place."""
    answer = None
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if BEGIN in cell.source:
            answer = cell
        elif found := CHECK_CELL.match(cell.source):
            question = find(found.group(1))
            name = question.id.replace(".", "_")  # nbgrader allows no dot
            if answer is not None:
                answer.metadata.nbgrader = _kind(f"answer_{name}", solution=True)
            cell.metadata.nbgrader = _kind(f"check_{name}", grade=True, locked=True, points=len(question.probes))
            answer = None


def _kind(grade_id: str, **changes: bool | int) -> dict:
    kind = {"grade": False, "locked": False, "solution": False, "task": False}
    return {"grade_id": grade_id, "schema_version": 3, **kind, **changes}


def fingerprint(notebook: nbformat.NotebookNode) -> str:
    """Compute the SHA-256 of a notebook's content, without anything that running it can change."""
    written = [[cell.cell_type, cell.source, cell.metadata.get("nbgrader")] for cell in notebook.cells]
    return hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()
