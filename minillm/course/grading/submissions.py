"""What a class has handed in: for each student a folder, a zip, or notebooks as Canvas names them.

Nothing is unpacked or followed: a notebook's bytes are read, up to a limit, from regular files alone. So neither a link
to a neighbour's notebook, nor a path that leads out of the zip, nor a zip that swells does any harm.
"""

import hashlib
import os
import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import regex

from minillm.course.checks import ROOMS
from minillm.course.checks.plain import printable

MOST_FILES = 1000  # in one submission
MOST_BYTES = 10_000_000  # in one notebook
MOST_TOGETHER = 50_000_000  # in all of a submission
STUDENT = regex.compile(r"\w[\w .@+'-]{0,99}")  # of this library, since re's letters have no combining marks
CANVAS = re.compile(r"(?P<student>.+?)_(?:LATE_)?\d+_\d+_(?P<file>.+\.(?i:ipynb|zip|7z|rar|gz|tgz|tar))")
MOODLE = re.compile(r"(?P<student>.+?)_assignsubmission_.*")
OTHERS = {".7z", ".rar", ".gz", ".tgz", ".tar", ".ipynb"}  # a hand-in by its ending, and none that can be graded
NUMBER = re.compile(r"(\d\da?)(?:[^0-9a-zA-Z].*)?\.ipynb")


@dataclass(frozen=True)
class Notebook:
    """One notebook of a submission, as it came; `trouble` in place of its bytes if it cannot be read."""

    path: str  # in the submission, for people
    data: bytes = b""
    written: datetime | None = None
    trouble: str | None = None


@dataclass
class Submission:
    """All that one student has handed in; `trouble` says why nothing of it can be read."""

    student: str
    notebooks: list[Notebook] = field(default_factory=list)
    trouble: str | None = None

    def of(self, number: str) -> Notebook:
        """The notebook of an assignment; one with a `trouble` if there is none, or more than one."""
        if self.trouble:
            return Notebook("", trouble=self.trouble)
        name = assignment_name(number)
        found = [notebook for notebook in self.notebooks if number_of(notebook.path) == number]
        named = [notebook for notebook in found if Path(notebook.path).stem == name]
        if len(named or found) == 1:
            return (named or found)[0]
        if not found:
            return Notebook("", trouble=f"there is no notebook {name}.ipynb in it")
        paths = ", ".join(sorted(notebook.path for notebook in found))
        return Notebook("", trouble=f"several notebooks could be {name}.ipynb: {paths}")


def assignment_name(number: str) -> str:
    """What an assignment's folder and notebook are called.

    >>> assignment_name("04")
    '04_attention'
    """
    return f"{number}_{ROOMS[number]}"


def number_of(path: str) -> str | None:
    """The assignment that a notebook's name begins with, whatever a browser has put behind it.

    >>> number_of("work/04_attention (1).ipynb"), number_of("notes.ipynb")
    ('04', None)
    """
    found = NUMBER.fullmatch(path.replace("\\", "/").rsplit("/", 1)[-1])
    return found.group(1) if found and found.group(1) in ROOMS else None


def read_submissions(folder: Path) -> list[Submission]:
    """Everything that lies in a folder, by student; raises `ValueError` if there is nothing to grade."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; give the one that holds a folder or a zip for each student")
    found: dict[str, Submission] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__MACOSX":
            continue
        canvas, moodle = CANVAS.fullmatch(path.name), MOODLE.fullmatch(path.name)
        ending = "" if path.is_symlink() or path.is_dir() else path.suffix.lower()
        flat = canvas is not None and ending == ".ipynb"
        if ending and ending != ".zip" and ending not in OTHERS:
            continue  # a list of names, a readme
        named = canvas or moodle
        name = name_of(named["student"] if named else re.sub(r"(\.tar)?\.\w+$", "", path.name) if ending else path.name)
        one = [_read_file(path, canvas["file"])] if canvas and flat else []
        if flat and name in found and not found[name].trouble:
            found[name].notebooks += one
        elif name in found:
            found[name] = Submission(name, trouble=f"two things are handed in as {name!r}; keep one of them")
        else:
            found[name] = _checked_name(Submission(name, one) if flat else _read(path, name, ending))
    if not found:
        raise ValueError(f"{folder} holds no submission; each student needs a folder, a zip, or a notebook of Canvas")
    return [found[name] for name in sorted(found)]


def name_of(text: str) -> str:
    """A student's name in the one form that all systems' spellings of it have, without blanks around it.

    >>> name_of("Jose\\u0301 ") == "Jos\\u00e9"
    True
    """
    return unicodedata.normalize("NFC", text).strip()


def _checked_name(submission: Submission) -> Submission:
    if STUDENT.fullmatch(submission.student):
        return submission
    mended = regex.sub(r"[^\w .@+'-]", "_", submission.student)[:90].strip(" .@+'-") or "_"
    own = hashlib.sha256(submission.student.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return Submission(
        f"{mended}-{own}",  # or it could be somebody else's
        trouble=f"the name {submission.student!r} has characters that no student's name may have; rename it",
    )


def _read(path: Path, student: str, ending: str) -> Submission:
    """A submission in a folder or a zip; `ending` is a file's own."""
    if path.is_symlink():
        return Submission(student, trouble="it is a link to something else")
    if ending in OTHERS:
        return Submission(student, trouble=f"{printable(path.name)} is no folder and no zip; hand in one of these")
    submission, together = Submission(student), 0
    try:
        for one in _in_folder(path) if path.is_dir() else _in_zip(path):
            together += len(one.data)
            if together > MOST_TOGETHER:
                raise ValueError(f"its notebooks have more than {MOST_TOGETHER // 10**6} MB together")
            submission.notebooks.append(one)
    except Exception as error:  # a damaged zip has many ways to fail
        return Submission(student, trouble=f"it cannot be read: {error}")
    return submission


def _in_folder(folder: Path) -> Iterator[Notebook]:
    count = 0
    for root, folders, files in os.walk(folder):  # which does not follow links
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        count += len(folders) + len(files)
        if count > MOST_FILES:
            raise ValueError(f"it holds more than {MOST_FILES} files")
        for name in sorted(files):
            path = Path(root, name)
            if number_of(name):
                yield _read_file(path, printable(path.relative_to(folder).as_posix()))


def _read_file(path: Path, shown: str) -> Notebook:
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return Notebook(shown, trouble=f"{shown} is a link or no file at all")
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(path, flags), "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        return Notebook(shown, trouble=f"{shown} cannot be read: {error.strerror}")
    return _notebook(shown, data, datetime.fromtimestamp(status.st_mtime))


def _in_zip(path: Path) -> Iterator[Notebook]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MOST_FILES:
            raise ValueError(f"it holds more than {MOST_FILES} files")
        for member in members:
            if not number_of(member.filename) or member.filename.startswith("__MACOSX/"):
                continue
            mode = member.external_attr >> 16
            shown = printable(member.filename)
            if stat.S_ISLNK(mode):
                yield Notebook(shown, trouble=f"{shown} is a link")
                continue
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others swell before the limit
                yield Notebook(shown, trouble=f"{shown} is packed in an unusual way; make a zip as your system does")
                continue
            with archive.open(member) as file:
                data = file.read(MOST_BYTES + 1)  # whatever size the zip says it has
            try:
                written = datetime(*member.date_time)
            except ValueError:
                written = None
            yield _notebook(shown, data, written)


def _notebook(shown: str, data: bytes, written: datetime | None) -> Notebook:
    if len(data) > MOST_BYTES:
        return Notebook(shown, trouble=f"{shown} has more than {MOST_BYTES // 10**6} MB")
    return Notebook(shown, data, written)
