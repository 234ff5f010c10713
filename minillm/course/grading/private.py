"""Load a teacher's own checks from a folder with files such as `04.py`.

A file defines `QUESTIONS`, one `Question` for each question of the course (`checks.questions`), with new probes or
probes of the course (`dataclasses.replace`). The file is the teacher's code and runs without a sandbox.
"""

import hashlib
import runpy
from dataclasses import replace
from pathlib import Path

from minillm.course import checks
from minillm.course.checks.question import Question
from minillm.errors import UserError


def load_questions(number: str, folder: Path | None) -> tuple[Question, ...]:
    """The questions of an assignment, from the teacher's folder or from the course.

    Probes that are not in the course are private: a student learns only whether they passed. Raises `UserError` if the
    file asks for other functions than the course, since students write those of the course.
    """
    public = checks.questions(number)
    if folder is None:
        return public
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give one with a file such as {number}.py")
    path = folder / f"{number}.py"
    if not path.exists():
        return public
    probes = [list(question.probes) for question in public]
    own = tuple(runpy.run_path(str(path)).get("QUESTIONS", ()))
    if [question.probes for question in public] != probes:  # private probes would count as the course's
        for question, course in zip(public, probes, strict=True):
            question.probes[:] = course
        raise UserError(f"{path} adds probes to the course's own questions; add them to a copy (dataclasses.replace)")
    if [(mine.id, mine.function) for mine in own] != [(course.id, course.function) for course in public]:
        wanted = ", ".join(f"{question.id} {question.function}" for question in public)
        raise UserError(f"{path} must define QUESTIONS, one for each of {wanted}, in this order")
    return tuple(_with_private_probes(mine, course) for mine, course in zip(own, public, strict=True))


def _with_private_probes(own: Question, public: Question) -> Question:
    probes = [probe if probe in public.probes else replace(probe, private=True) for probe in own.probes]
    return replace(own, probes=probes)


def checks_hash(folder: Path | None) -> str:
    """A hash of all code that grades; if it changes, everything is graded again."""
    paths = sorted(Path(checks.__file__).parent.rglob("*.py")) + sorted(Path(__file__).parent.glob("*.py"))
    paths += sorted(folder.glob("*.py")) if folder else []
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
