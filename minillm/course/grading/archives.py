"""Pack the feedback pages for Moodle and Canvas, under the names that their downloads gave to the submissions.

How the two read these names is taken from their source. Moodle (`mod/assign/feedback/file/importziplib.php`) finds a
participant by the number between the first two underscores of a folder's name. Canvas
(`infer_comment_context_from_filename` in `app/models/abstract_assignment.rb`) takes the first two numbers between
underscores of a file's name: a user's id, and the id of a file that this user handed in. Both skip all other names. So
what a student chose, the end of a Canvas name, is not needed and not used.
"""

import os
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import regex

from minillm.course.checks.plain import printable
from minillm.course.grading.decisions import Score
from minillm.course.grading.feedback import page_path
from minillm.course.grading.names import CANVAS, assignment_name
from minillm.course.grading.submissions import HandIn, Submission

MOODLE_FOLDER = regex.compile(r"[^_]+_([0-9]+)_assignsubmission_[a-z]+_?")
UNSAFE = regex.compile(r'[\p{Cc}\p{Cs}\\/:*?"<>|]|^[.~]')  # in the name of a file or folder, on any system
MAX_BYTES = 255  # of such a name
MAX_SHOWN = 5  # students named in a sentence
Place = tuple[int, str]  # the student's id on the platform, and the beginning of the path in the archive


def moodle_place(part: HandIn) -> Place | None:
    """The student's id in Moodle and the folder that Moodle recognizes; None if the entry has another name.

    >>> from minillm.course.grading.names import owner_of
    >>> name = "Ann Lee_77_assignsubmission_file_"
    >>> moodle_place(HandIn(Path(name), owner_of(name, is_file=False)))
    (77, 'Ann Lee_77_assignsubmission_file_/')
    """
    match = MOODLE_FOLDER.match(part.path.name)
    return (int(match[1]), f"{match[0]}/") if match and part.owner.unique else None


def canvas_place(part: HandIn) -> Place | None:
    """The student's id in Canvas and the name up to the file's id; None if the entry has another name.

    >>> from minillm.course.grading.names import owner_of
    >>> name = "leeann_LATE_123_456_04_attention.ipynb"
    >>> canvas_place(HandIn(Path(name), owner_of(name, is_file=True)))
    (123, 'leeann_LATE_123_456_')
    """
    match = CANVAS.fullmatch(part.path.name)
    place = part.path.name[: match.start("file")] if match else ""
    numbers = [word for word in place.split("_") if re.fullmatch("[0-9]+", word)]
    return (int(numbers[0]), place) if len(numbers) == 2 and numbers[0] == part.owner.id else None


PLATFORMS: dict[str, Callable[[HandIn], Place | None]] = {"Moodle": moodle_place, "Canvas": canvas_place}


def write_archives(out: Path, scores: Sequence[Score], submissions: Sequence[Submission]) -> list[str]:
    """Write moodle_feedback.zip and canvas_feedback.zip into `out`, each if submissions have that platform's names.

    Returns sentences for the teacher: what was written, and whose pages are in no archive.
    """
    by_student = {submission.student: submission for submission in submissions}
    left = [score for score in scores if _has_page(out, score)]
    said: list[str] = []
    for platform, place_of in PLATFORMS.items():
        pages = _pages(left, by_student, place_of)
        path = out / f"{platform.lower()}_feedback.zip"
        path.unlink(missing_ok=True)  # one of an earlier run
        if pages:
            _write_zip(path, {name: page_path(out, score) for name, score in pages.items()})
            said.append(f"The pages to upload to {platform} ({len(pages)}): {path}")
            packed = {(score.record.student, score.record.assignment) for score in pages.values()}
            left = [score for score in left if (score.record.student, score.record.assignment) not in packed]
    if not said:
        return ["No archive of the pages to upload: no submission has a name that Moodle or Canvas gave it"]
    if students := sorted({score.record.student for score in left}):
        names = ", ".join(printable(student) for student in students[:MAX_SHOWN])
        more = f" and {len(students) - MAX_SHOWN} more" if len(students) > MAX_SHOWN else ""
        said.append(f"Pages in no archive, since a submission's name does not say where they belong: {names}{more}")
    return said


def _has_page(out: Path, score: Score) -> bool:
    handed_in = not score.record.missing or bool(score.record.troubles)  # otherwise it is one of an earlier run
    return handed_in and page_path(out, score).is_file()


def _pages(
    scores: Sequence[Score], by_student: Mapping[str, Submission], place_of: Callable[[HandIn], Place | None]
) -> dict[str, Score]:
    """The pages by their path in the archive; without those whose student the platform might take for another."""
    placed: list[tuple[Place, Score]] = []
    for score in scores:
        submission = by_student[score.record.student]
        notebook = submission.of(score.record.assignment)
        entry = notebook.entry if notebook else ""  # empty if nothing of the submission can be read
        places = [place_of(part) for part in submission.parts if entry in ("", part.path.name)]
        placed += [(place, score) for place in places if place][:1]
    students: dict[int, set[str]] = {}  # by id
    for (id, _), score in placed:
        students.setdefault(id, set()).add(score.record.student)
    named = {f"{begin}{assignment_name(score.record.assignment)}.html": (id, score) for (id, begin), score in placed}
    return {name: score for name, (id, score) in named.items() if len(students[id]) == 1 and _is_safe(name)}


def _is_safe(path: str) -> bool:
    """Whether every part of a path is the name of an ordinary file on any system."""
    return not any(UNSAFE.search(name) or len(name.encode()) > MAX_BYTES for name in path.split("/"))


def _write_zip(path: Path, pages: Mapping[str, Path]) -> None:
    """Write an archive of files, which is the same if they are."""
    temporary = path.with_name(f".{path.name}.tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, page in sorted(pages.items()):
            info = zipfile.ZipInfo(name)  # with a date of its own, not of today
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, page.read_bytes())
    os.replace(temporary, path)
