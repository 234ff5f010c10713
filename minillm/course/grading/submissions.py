"""What a class has handed in: for each student a folder, a zip, or notebooks as Canvas and Moodle name them.

Nothing is unpacked or followed (`files`): a notebook's bytes are read, up to a limit, from regular files alone. So
neither a link to a neighbor's notebook, nor a path that leads out of the zip, nor a zip that swells does any harm.
"""

import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

from minillm.course.checks import ASSIGNMENTS, questions
from minillm.course.checks.plain import printable
from minillm.course.grading.files import in_folder, in_zip, read_file
from minillm.course.grading.names import (
    ARCHIVES,
    NOTEBOOKS,
    Owner,
    assignment_name,
    bare_number_of,
    loose,
    number_of,
    owner_of,
    plain_owner_of,
    usable,
)
from minillm.course.grading.notebook import begun, definition, read_code
from minillm.errors import UserError

MOST_NOTEBOOKS = 300  # of them, that could be an assignment
MOST_TOGETHER = 200_000_000  # in all of a submission
SHOWN = 200  # characters of a path
LESSONS, NOT_STUDENTS = "notebooks", {"solutions", "src"}  # folders of the course, in which nobody is meant to work
NO_NOTEBOOK = "there is no notebook of an assignment in it"


@dataclass(frozen=True)
class Notebook:
    """One notebook that could be an assignment, as code; `trouble` in its place if it cannot be read."""

    number: str
    path: str  # in the submission, for people
    cells: tuple[tuple[str, str], ...] = ()  # of code, each with a name
    checks: dict[str, int] = field(default_factory=dict)  # how many cells stand above each question's check
    begun: int = 0  # how many of its answers are
    written: str | None = None  # when it was saved, as ISO 8601
    trouble: str | None = None
    note: str | None = None  # what the student has to know of how it was chosen


@dataclass(frozen=True)
class HandIn:
    """One thing that lies in the folder of submissions: where, whose, and what is wrong with it if it is not read."""

    path: Path
    owner: Owner
    trouble: str | None = None


@dataclass
class Submission:
    """All that one student has handed in; `trouble` says why nothing of it can be read, `look` what to ask about it."""

    student: str
    parts: list[HandIn] = field(default_factory=list)
    notebooks: dict[str, Notebook] = field(default_factory=dict)  # by the number of the assignment
    trouble: str | None = None
    look: list[str] = field(default_factory=list)

    def of(self, number: str) -> Notebook | None:
        """The notebook of an assignment, one with a trouble if nothing can be read; None if it was not handed in."""
        if self.trouble and not self.notebooks:
            return Notebook(number, "", trouble=self.trouble)
        return self.notebooks.get(number)

    def add(self, notebooks: Iterable[Notebook]) -> None:
        """Take in what a part of it held."""
        self.notebooks = {one.number: one for one in choose([*self.notebooks.values(), *notebooks])}


def list_submissions(folder: Path, but: Path | None = None) -> list[Submission]:
    """What lies in a folder, by student, not yet read, `but` one thing; raises `UserError` if there is nothing."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give the one that holds a folder or a zip for each student")
    parts = []
    for path in sorted(folder.iterdir()):
        own = path.name.startswith(".") or path.name == "__MACOSX" or path.resolve() == but
        if not own and (part := _hand_in(path)):
            parts.append(part)
    names_by_id: dict[str, set[str]] = {}
    for part in parts:
        if part.owner.id:
            names_by_id.setdefault(part.owner.id, set()).add(part.owner.name)
    groups: dict[tuple[str, str], list[HandIn]] = {}
    for part in parts:
        if part.owner.id and len(names_by_id[part.owner.id]) > 1:  # no id then, but a year
            part = replace(part, owner=plain_owner_of(part.path.name, is_file=True))
        flat = part.owner.file is not None and part.path.name.lower().endswith(NOTEBOOKS)
        one = (
            "moodle" if part.owner.surely else "notebooks" if flat else part.path.name
        )  # notebooks of one name are one's
        groups.setdefault((part.owner.name, part.owner.id or one), []).append(part)
    if not groups:
        raise UserError(f"{folder} holds no submission; each student needs a folder, a zip, or a notebook")
    times = Counter(name for name, _ in groups)
    found: dict[str, Submission] = {}
    for (name, _), own_parts in groups.items():
        submission = _named(name, own_parts, times[name], found)
        found[submission.student] = submission
    return [found[name] for name in sorted(found)]


def _hand_in(path: Path) -> HandIn | None:
    """One entry of the folder; None if it is something else, such as a readme."""
    mode, name = path.lstat().st_mode, path.name
    shown = printable(name, SHOWN)
    if stat.S_ISDIR(mode):
        return HandIn(path, owner_of(name, is_file=False))
    if stat.S_ISLNK(mode):
        return HandIn(path, owner_of(name, is_file=path.is_file()), f"{shown} is a link to something else")
    owner = owner_of(name, is_file=True)
    if not name.lower().endswith((*NOTEBOOKS, *ARCHIVES)):
        if owner.id or owner.surely:  # a student's, by the form of its name
            return HandIn(path, owner, f"{shown} is neither a notebook nor a zip; hand in one of these")
        return None
    if not stat.S_ISREG(mode):
        return HandIn(path, owner, f"{shown} is not an ordinary file")
    if not name.lower().endswith((*NOTEBOOKS, ".zip")):
        return HandIn(path, owner, f"{shown} is neither a folder nor a zip; hand in one of these")
    return HandIn(path, owner)


def _named(name: str, parts: list[HandIn], times: int, taken: dict[str, Submission]) -> Submission:
    """A submission under a name that nobody else has, and the teacher asked where that says too little."""
    student, look = usable(name), []
    files = ", ".join(printable(part.path.name, SHOWN) for part in parts)
    if student != name:
        look.append(f"the name {printable(name, SHOWN)!r} cannot be a folder's, so it is {student!r} here")
    if times > 1 and parts[0].owner.id:
        student = usable(f"{name} ({parts[0].owner.id})")
    elif times > 1:
        look.append(f"{times} hand-ins are called {student!r}, this one is {files}: whose is it?")
    elif loose(parts[0].path.name):
        look.append(f"{files} tells no student's name: whose is it?")
    copy = 1
    while student in taken:
        copy += 1
        student = f"{usable(name)} ({copy})"
    return Submission(student, parts, look=look)


def read_part(part: HandIn) -> list[Notebook]:
    """The notebooks in a folder, in a zip, or the one that it is; raises what a damaged file makes a library raise."""
    if part.path.is_dir():
        files = in_folder(part.path)
    elif part.path.name.lower().endswith(".zip"):
        files = in_zip(part.path)
    else:
        files = iter([read_file(part.path, part.owner.file or part.path.name)])
    found: list[Notebook] = []
    other: list[str] = []
    together = 0
    for shown, data, written in files:
        together += len(data) if isinstance(data, bytes) else 0
        if together > MOST_TOGETHER:
            raise UserError(f"its notebooks have more than {MOST_TOGETHER // 10**6} MB together")
        notebook = _notebook(shown, data, written)
        if notebook is None:
            other.append(printable(shown, SHOWN))
            continue
        found.append(notebook)
        if len(found) > MOST_NOTEBOOKS:
            raise UserError(f"it holds more than {MOST_NOTEBOOKS} notebooks of assignments")
    if not found:
        seen = f" but {', '.join(other[:3])}" if other else ""
        raise UserError(f"{NO_NOTEBOOK}{seen}; one is {assignment_name('04')}.ipynb")
    return choose(found)


def choose(notebooks: Iterable[Notebook]) -> list[Notebook]:
    """For each assignment the notebook that counts: in which most answers are begun, then that of the plain name.

    >>> one = Notebook("04", "04_attention.ipynb", (("code cell 1", "x = 1"),), begun=1)
    >>> other = Notebook("04", "04 (1).ipynb", (("code cell 1", "x = 2"),), begun=2)
    >>> choose([one, other])[0].note
    '2 notebooks could be 04_attention.ipynb; this is 04 (1).ipynb, since most is written in it'
    """
    by_number: dict[str, list[Notebook]] = {}
    for notebook in notebooks:
        by_number.setdefault(notebook.number, []).append(notebook)
    return [_best(by_number[number]) for number in sorted(by_number)]


def _best(candidates: list[Notebook]) -> Notebook:
    own = [one for one in candidates if not NOT_STUDENTS & set(PurePosixPath(one.path).parts[:-1])]
    candidates = own or candidates
    name = f"{assignment_name(candidates[0].number)}.ipynb"

    def rank(one: Notebook) -> tuple:
        plain_name = PurePosixPath(one.path).name == name
        return one.trouble is None, one.begun, plain_name, one.written or "", -len(one.path), one.path

    best = max(candidates, key=rank)
    others = {one.cells for one in candidates if one.begun} - {best.cells}
    if others or (best.trouble is None and any(one.trouble for one in candidates)):
        why = "since most is written in it" if best.begun > max(o.begun for o in candidates if o is not best) else ""
        note = f"{len(candidates)} notebooks could be {name}; this is {best.path}" + (f", {why}" if why else "")
        return replace(best, note=note)
    return best


def _notebook(shown: str, data: bytes | str, written: datetime | None) -> Notebook | None:
    """A file as the notebook of an assignment; None if it is none. `data` may be what is wrong with it."""
    named, numbered = number_of(shown), bare_number_of(shown)
    folders = PurePosixPath(shown).parts[:-1]
    shown = printable(shown, SHOWN)
    cells: list[tuple[str, str]] = []
    checks: dict[str, int] = {}
    trouble = None if isinstance(data, bytes) else data
    if isinstance(data, bytes):
        try:
            cells, checks = read_code(data)
        except UserError as reason:
            trouble = str(reason)
    content = _by_content(cells)
    number = named or content or numbered
    if number is None or (LESSONS in folders and content is None and trouble is None):  # the lesson has the same name
        return None
    if trouble:
        return Notebook(number, shown, trouble=f"{shown} {trouble}")
    done = sum(begun(cells, question.function) for question in questions(number))
    return Notebook(number, shown, tuple(cells), checks, done, written and written.isoformat())


def _by_content(cells: list[tuple[str, str]]) -> str | None:
    """The assignment whose functions a notebook of another name defines, if it defines half of them or more."""
    found = {}
    for number in ASSIGNMENTS:
        asked = questions(number)
        found[number] = sum(any(definition(text, one.function) for _, text in cells) for one in asked) / len(asked)
    best = max(found, key=lambda number: found[number])
    return best if found[best] >= 0.5 else None
