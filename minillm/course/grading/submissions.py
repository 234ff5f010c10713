"""Read the submissions of a class: folders, zips, or single notebooks.

Single notebooks are named as Canvas or Moodle name them. `files` unpacks nothing and follows no links: it reads only
regular files, up to a limit. So links to another student's notebook, paths that lead out of a zip, and zip bombs do no
harm.
"""

import re
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

from minillm.course.checks import questions
from minillm.course.checks.plain import printable
from minillm.course.contents import ASSIGNMENTS
from minillm.course.grading.files import MAX_MODULE_BYTES, MAX_MODULES, MODULE, in_folder, in_zip, read_file
from minillm.course.grading.names import (
    ARCHIVES,
    DOCUMENTS,
    NOTEBOOKS,
    Owner,
    assignment_name,
    bare_number_of,
    lacks_student,
    number_of,
    owner_of,
    plain_owner_of,
    safe_name,
)
from minillm.course.grading.notebook import begun, definition, read_code
from minillm.errors import UserError

MAX_NOTEBOOKS = 300  # that could be an assignment, per submission
MAX_TOTAL_BYTES = 300_000_000  # of all notebooks of a submission
MAX_SHOWN = 200  # characters of a path in a message
LESSONS, NOT_STUDENTS = "notebooks", {"solutions", "src"}  # folders of the course in which students do not work
PYTHON = re.compile(rb'"version"\s*:\s*"(3\.\d+)[.\w]*"')  # in a notebook's `language_info`
NO_NOTEBOOK = "it holds no notebook of an assignment"


@dataclass(frozen=True)
class Notebook:
    """The code of a notebook that could be an assignment, or why it is unreadable."""

    number: str  # of the assignment
    path: str  # in the submission, as shown in messages
    cells: tuple[tuple[str, str], ...] = ()  # code cells: title and source
    checks: dict[str, int] = field(default_factory=dict)  # by question id, the number of cells above its check
    begun: int = 0  # the number of answers that are begun
    written: str | None = None  # when it was saved, as ISO 8601
    trouble: str | None = None
    note: str | None = None  # for the student: why this notebook was chosen among several
    entry: str = ""  # the name of the folder, zip or file that holds it, in the folder of submissions
    python: str | None = None  # the version of Python that wrote it, such as "3.12"
    unknown: bool = False  # nothing of the submission can be read, so nobody knows whether this assignment is in it


@dataclass(frozen=True)
class HandIn:
    """One entry of the submissions folder; `trouble` says why it cannot be read."""

    path: Path
    owner: Owner
    trouble: str | None = None


@dataclass
class Submission:
    """Everything that one student has handed in.

    `trouble` says why none of it can be read; `look` holds questions for the teacher.
    """

    student: str
    parts: list[HandIn] = field(default_factory=list)
    notebooks: dict[str, Notebook] = field(default_factory=dict)  # by the number of the assignment
    trouble: str | None = None
    look: list[str] = field(default_factory=list)

    def of(self, number: str) -> Notebook | None:
        """The notebook of an assignment; None if it was not handed in.

        If nothing of the submission can be read, the notebook has only a `trouble`.
        """
        if self.trouble and not self.notebooks:
            return Notebook(number, "", trouble=self.trouble, unknown=True)
        return self.notebooks.get(number)

    def add(self, notebooks: Iterable[Notebook]) -> None:
        """Add the notebooks of one part; of several for one assignment, keep the best."""
        best = choose([*self.notebooks.values(), *notebooks])
        self.notebooks = {notebook.number: notebook for notebook in best}


def list_submissions(folder: Path, exclude: Path | None = None) -> list[Submission]:
    """List the submissions in a folder, by student, without reading them.

    `exclude` is a path to skip. Raises `UserError` if there is no submission.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give the one that holds a folder or a zip for each student")
    parts = []
    for path in sorted(folder.iterdir()):
        skip = path.name.startswith(".") or path.name == "__MACOSX" or path.resolve() == exclude
        if not skip and (part := _hand_in(path)):
            parts.append(part)
    names_by_id: dict[str, set[str]] = {}
    for part in parts:
        if part.owner.id:
            names_by_id.setdefault(part.owner.id, set()).add(part.owner.name)
    groups: dict[tuple[str, str], list[HandIn]] = {}
    for part in parts:
        if part.owner.id and len(names_by_id[part.owner.id]) > 1:  # the number is not an id, but for example a year
            part = replace(part, owner=plain_owner_of(part.path.name, is_file=True))
        flat = part.owner.file is not None and part.path.name.lower().endswith(NOTEBOOKS)
        # single notebooks with the same student's name belong to one student
        kind = "moodle" if part.owner.unique else "notebooks" if flat else part.path.name
        groups.setdefault((part.owner.name, part.owner.id or kind), []).append(part)
    if not groups:
        raise UserError(f"{folder} holds no submission; each student needs a folder, a zip, or a notebook")
    n_groups = Counter(name for name, _ in groups)
    submissions: dict[str, Submission] = {}
    for (name, _), group in groups.items():
        submission = _named(name, group, n_groups[name], submissions)
        submissions[submission.student] = submission
    return [submissions[name] for name in sorted(submissions)]


def _hand_in(path: Path) -> HandIn | None:
    """One entry of the folder; None if it is not a submission, such as a readme."""
    mode, name = path.lstat().st_mode, path.name
    shown = printable(name, MAX_SHOWN)
    if stat.S_ISDIR(mode):
        return HandIn(path, owner_of(name, is_file=False))
    if stat.S_ISLNK(mode):
        return HandIn(path, owner_of(name, is_file=path.is_file()), f"{shown} is a link; hand in the file itself")
    owner = owner_of(name, is_file=True)
    if not name.lower().endswith((*NOTEBOOKS, *ARCHIVES)):
        if owner.id or owner.unique or name.lower().endswith(DOCUMENTS):  # the form of the name shows whose it is
            return HandIn(path, owner, f"{shown} is neither a notebook nor a zip; hand in one of these")
        return None
    if not stat.S_ISREG(mode):
        return HandIn(path, owner, f"{shown} is not an ordinary file; hand in a notebook or a zip")
    if not name.lower().endswith((*NOTEBOOKS, ".zip")):
        return HandIn(path, owner, f"{shown} is neither a folder nor a zip; hand in one of these")
    return HandIn(path, owner)


def _named(name: str, parts: list[HandIn], n_groups: int, taken: dict[str, Submission]) -> Submission:
    """A submission with a unique name, and questions for the teacher about it.

    `n_groups` is the number of submissions with this name.
    """
    student, look = safe_name(name), []
    files = ", ".join(printable(part.path.name, MAX_SHOWN) for part in parts)
    if student != name:
        look.append(f"the name {printable(name, MAX_SHOWN)!r} cannot be a folder name, so it is {student!r} here")
    if n_groups > 1 and parts[0].owner.id:
        student = safe_name(f"{name} ({parts[0].owner.id})")
    elif n_groups > 1:
        look.append(f"{n_groups} submissions are called {student!r}, this one is {files}: whose is it?")
    elif lacks_student(parts[0].path.name):
        look.append(f"{files} does not contain a student's name: whose is it?")
    look += [f"Canvas marks {part.owner.file} as late" for part in parts if part.owner.late]
    copy = 1
    while student in taken:
        copy += 1
        student = f"{safe_name(name)} ({copy})"
    return Submission(student, parts, look=look)


def read_part(part: HandIn) -> list[Notebook]:
    """Read the notebooks of one entry: a folder, a zip, or a single notebook.

    Raises `UserError`, or whatever error a library raises for a damaged file.
    """
    if part.path.is_dir():
        files = in_folder(part.path)
    elif part.path.name.lower().endswith(".zip"):
        files = in_zip(part.path)
    else:
        files = iter([read_file(part.path, part.owner.file or part.path.name)])
    notebooks: list[Notebook] = []
    others: list[str] = []
    modules: dict[str, dict[str, str]] = {}  # by folder and name
    folders: dict[str, str] = {}  # by the path of a notebook
    n_modules = total_bytes = 0
    for shown, data, written in files:
        folder, _, name = shown.replace("\\", "/").rpartition("/")
        if name.lower().endswith(MODULE):
            n_modules += 1
            if isinstance(data, bytes) and len(data) <= MAX_MODULE_BYTES and n_modules <= MAX_MODULES:
                modules.setdefault(folder, {})[name] = data.decode("utf-8", "replace")
            others.append(printable(shown, MAX_SHOWN))
            continue
        total_bytes += len(data) if isinstance(data, bytes) else 0
        if total_bytes > MAX_TOTAL_BYTES:
            raise UserError(f"its notebooks have more than {MAX_TOTAL_BYTES // 10**6} MB together; clear their outputs")
        notebook = _notebook(shown, data, written)
        if notebook is None:
            others.append(printable(shown, MAX_SHOWN))
            continue
        notebooks.append(replace(notebook, entry=part.path.name))
        folders[notebook.path] = folder
        if len(notebooks) > MAX_NOTEBOOKS:
            raise UserError(f"it holds more than {MAX_NOTEBOOKS} notebooks of assignments; hand in one of each")
    if not notebooks:
        seen = f" (only {', '.join(others[:3])})" if others else ""
        raise UserError(f"{NO_NOTEBOOK}{seen}; name it like {assignment_name('04')}.ipynb")
    return [_with_modules(notebook, modules.get(folders[notebook.path], {})) for notebook in choose(notebooks)]


def _with_modules(notebook: Notebook, modules: dict[str, str]) -> Notebook:
    """A notebook with the modules beside it that it imports, each as a first cell that writes it."""
    code, used = "\n".join(source for _, source in notebook.cells), {}
    for _ in modules:  # one may import another
        for name, source in modules.items():
            module = re.escape(name.removesuffix(MODULE))
            if name not in used and re.search(rf"(?m)^[ \t]*(?:import|from|%run)\b[^\n]*\b{module}\b", code):
                used[name] = source
                code += f"\n{source}"
    cells = tuple((name, f"%%writefile {name}\n{source}") for name, source in used.items())
    checks = {id: place + len(cells) for id, place in notebook.checks.items()}
    return replace(notebook, cells=(*cells, *notebook.cells), checks=checks)


def choose(notebooks: Iterable[Notebook]) -> list[Notebook]:
    """Choose the notebook to grade for each assignment.

    That is the one with the most answers begun; of several, the one with the standard name.

    >>> early = Notebook("04", "04_attention.ipynb", (("code cell 1", "x = 1"),), begun=1)
    >>> late = Notebook("04", "04 (1).ipynb", (("code cell 1", "x = 2"),), begun=2)
    >>> choose([early, late])[0].note
    '2 notebooks could be 04_attention.ipynb; this is 04 (1).ipynb, since it has the most answers'
    """
    by_number: dict[str, list[Notebook]] = {}
    for notebook in notebooks:
        by_number.setdefault(notebook.number, []).append(notebook)
    return [_best(by_number[number]) for number in sorted(by_number)]


def _best(candidates: list[Notebook]) -> Notebook:
    own = [notebook for notebook in candidates if not NOT_STUDENTS & set(PurePosixPath(notebook.path).parts[:-1])]
    candidates = own or candidates
    name = f"{assignment_name(candidates[0].number)}.ipynb"

    def rank(book: Notebook) -> tuple:
        has_plain_name = PurePosixPath(book.path).name == name
        return book.trouble is None, book.begun, has_plain_name, book.written or "", -len(book.path), book.path

    best = max(candidates, key=rank)
    other_code = {notebook.cells for notebook in candidates if notebook.begun} - {best.cells}
    if other_code or (best.trouble is None and any(notebook.trouble for notebook in candidates)):
        has_most = best.begun > max(notebook.begun for notebook in candidates if notebook is not best)
        why = "since it has the most answers" if has_most else ""
        note = f"{len(candidates)} notebooks could be {name}; this is {best.path}" + (f", {why}" if why else "")
        return replace(best, note=note)
    return best


def _notebook(shown: str, data: bytes | str, written: datetime | None) -> Notebook | None:
    """Parse a file as the notebook of an assignment; None if it is not one.

    `data` is the content, or a string that says what is wrong with the file.
    """
    named, numbered = number_of(shown), bare_number_of(shown)
    folders = PurePosixPath(shown).parts[:-1]
    shown = printable(shown, MAX_SHOWN)
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
    among_lessons = LESSONS in folders or folders[-1:] == ("workbook",)  # where the learner's copies of lessons lie
    if number is None or (among_lessons and content is None and trouble is None):
        return None
    if trouble:
        return Notebook(number, shown, trouble=f"{shown} {trouble}")
    n_begun = sum(begun(cells, question.function) for question in questions(number))
    version = PYTHON.search(data, max(0, data.rfind(b'"language_info"'))) if isinstance(data, bytes) else None
    python = version[1].decode() if version else None
    return Notebook(number, shown, tuple(cells), checks, n_begun, written and written.isoformat(), python=python)


def _by_content(cells: list[tuple[str, str]]) -> str | None:
    """The assignment of which a notebook defines half of the functions, or None."""
    shares = {}
    for number in ASSIGNMENTS:
        functions = [question.function for question in questions(number)]
        n_defined = sum(any(definition(text, function) for _, text in cells) for function in functions)
        shares[number] = n_defined / len(functions)
    best = max(shares, key=lambda number: shares[number])
    return best if shares[best] >= 0.5 else None
