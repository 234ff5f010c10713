"""The workbook: the learner's own copies of lessons, labs and exercises, laid out without outputs.

A copy that nobody has written in is renewed when the course changes; one that somebody has written in is kept. To tell
them apart, the workbook's `.laid_out.json` has a hash of each page's cells as they were laid out.
"""

import errno
import os
import re
import shutil
import sys
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path, PurePosixPath

from minillm.course.learner import saved
from minillm.course.learner.source import CannotSave
from minillm.course.pages import (
    Page,
    digest,
    fill_turns,
    move_links,
    read_page,
    without_outputs,
    without_tests,
    write_page,
)
from minillm.errors import UserError
from minillm.files import locked, read_json, replacing, write_json

COURSE = Path(__file__).resolve().parents[2]
MANIFEST = ".laid_out.json"
MAX_MANIFEST_BYTES = 1_000_000
FULL = (errno.ENOSPC, errno.EDQUOT)
LABS = ("_data_lab", "_tiles_lab", "_lab")  # how the name of a lab ends; a lesson may have one of each


@dataclass
class Report:
    """What laying out did, by the names of pages; one that is up to date is only in `pages`."""

    folder: Path
    pages: list[str]  # all that the course has
    new: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    outdated: list[str] = field(default_factory=list)  # somebody wrote in it, and the course has another version
    left: dict[str, str] = field(default_factory=dict)  # nobody can tell, for the reason that is given
    gone: list[str] = field(default_factory=list)  # no longer part of the course


@dataclass
class CaughtUp:
    """What catching up did."""

    turns: list[str] = field(default_factory=list)  # that were filled in
    kept: list[Path] = field(default_factory=list)  # old copies of pages that somebody had written in
    troubles: dict[str, str] = field(default_factory=dict)  # by page or turn, as the end of a sentence


def course_pages(course: Path | None = None) -> dict[str, Path]:
    """The course's pages by their names in the workbook, lessons and labs first.

    Raises `UserError` where the course's notebooks are not beside the package.
    """
    course = course or COURSE
    lessons = sorted((course / "notebooks").glob("[0-9]*.ipynb"))
    if not lessons:
        raise UserError(
            f"there are no lessons in {course / 'notebooks'}: they are in the course's folder, which "
            "`python3 start.py` sets up"
        )
    exercises = [path for path in sorted(course.glob("exercises/*/*.ipynb")) if path.stem == path.parent.name]
    return {path.name: path for path in lessons} | {path.relative_to(course).as_posix(): path for path in exercises}


def read_course_page(path: Path) -> Page:
    """Read one of the course's own pages. Raises `UserError` if it is damaged."""
    try:
        return read_page(path)
    except UserError as error:
        raise UserError(f"{path} is damaged ({error}); get the course's folder again") from None


def number_of(name: str) -> str:
    """The lesson that a page belongs to.

    >>> number_of("04_attention.ipynb"), number_of("exercises/00a_tensors/00a_tensors.ipynb")
    ('04', '00a')
    """
    return PurePosixPath(name).stem.partition("_")[0]


def short_name(name: str) -> str:
    """What a learner types for a page.

    >>> [short_name(name) for name in ("04_attention.ipynb", "04_attention_lab.ipynb", "exercises/04_it/04_it.ipynb")]
    ['04', '04_lab', 'exercises/04']
    >>> short_name("08_pretraining_data_lab.ipynb")  # the second lab of a lesson
    '08_data_lab'
    """
    lab = next((ending for ending in LABS if name.endswith(f"{ending}.ipynb")), "")
    return "exercises/" * name.startswith("exercises/") + number_of(name) + lab


def find_page(key: str) -> str:
    """The page with this short name, file name or place in the workbook; raises `UserError` if there is none."""
    pages, known = course_pages(), dict[str, str]()
    for name in pages:  # lessons first, so that `04_attention` is the lesson
        for each in (short_name(name), PurePosixPath(name).stem, PurePosixPath(name).name, name):
            known.setdefault(each, name)
    key = known_as(key, known)
    if key not in known:
        lessons = ", ".join(short_name(name) for name in pages if "/" not in name)
        raise UserError(f"there is no page {key!r}; the lessons are {lessons}, and an exercise is exercises/NN")
    return known[key]


def known_as(key: str, known: Container[str]) -> str:
    """What a learner typed, with the zero in front and the small letter that lessons have; as it is if that is none.

    >>> known_as("4_lab", {"04_lab"}), known_as("exercises/0A", {"exercises/00a"}), known_as("99", {"04"})
    ('04_lab', 'exercises/00a', '99')
    """
    padded = re.sub(r"^(exercises/)?(\d)(?!\d)", r"\g<1>0\2", key.lower())
    return padded if padded in known and key not in known else key


def from_anywhere() -> None:
    """Where no workbook is at or above the current folder, take this course's own, in this process and its children."""
    if not os.environ.get(saved.WORKBOOK) and not saved.workbook().is_dir() and (COURSE / "start.py").is_file():
        os.environ[saved.WORKBOOK] = str(COURSE / "workbook")


class Workbook:
    """The learner's folder, and what was laid out in it; `opened` makes one."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.sources = course_pages()
        self.moved = {source: folder / name for name, source in self.sources.items()}
        try:
            listed = read_json(folder / MANIFEST, MAX_MANIFEST_BYTES)
        except (FileNotFoundError, ValueError):  # then every page that differs counts as written in
            listed = {}
        self.laid_out = {name: str(value) for name, value in listed.items()}  # digest by page

    def fresh(self, name: str) -> Page:
        """A page as it is laid out."""
        page = without_tests(without_outputs(read_course_page(self.sources[name])))
        return move_links(page, self.sources[name], self.folder / name, self.moved)

    def copy(self, name: str) -> Page:
        """The learner's copy of a page. Raises `OSError`, or `UserError` with the reason why it cannot be read."""
        path = self.folder / name
        if self.is_elsewhere(path):
            raise UserError("it is a link, or lies behind one")
        if path.exists() and not path.is_file():
            raise UserError("it is not a file")
        return read_page(path)

    def is_elsewhere(self, path: Path) -> bool:
        """Whether a path in the workbook leads to another place by a link."""
        return Path(os.path.realpath(path)) != Path(os.path.realpath(self.folder)) / path.relative_to(self.folder)

    def is_written_in(self, name: str) -> bool:
        """Whether a copy may hold what the course does not have: neither now nor when it was laid out."""
        try:
            there = digest(self.copy(name))
        except (OSError, UserError):
            return os.path.lexists(self.folder / name)
        return there not in (self.laid_out.get(name), digest(self.fresh(name)))

    def write(self, name: str, page: Page) -> None:
        """Write a page over its copy."""
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_page(self.folder / name, page)


@contextmanager
def opened() -> Iterator[Workbook]:
    """Give the workbook, locked; its list of what was laid out is written in any case, also after Ctrl-C.

    Raises `UserError` for a folder that cannot be used.
    """
    folder = Path(os.path.abspath(saved.workbook()))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "laid_out"):
            book = Workbook(folder)
            before = dict(book.laid_out)
            try:
                yield book
            finally:
                if book.laid_out != before:
                    write_json(folder / MANIFEST, book.laid_out)
    except OSError as error:
        where = error.filename or folder
        if error.errno in FULL:
            raise UserError(f"the disk is full at {where}; make room and run the same command again") from None
        raise UserError(
            f"the workbook cannot be used at {where} ({error.strerror or error}); make that a folder of your own, "
            f"or name another one by the variable {saved.WORKBOOK}"
        ) from None


def lay_out() -> Report:
    """Lay out what is missing and renew what nobody has written in. Raises `UserError` if the folder cannot be used."""
    with opened() as book:
        report = Report(book.folder, list(book.sources))
        for name in book.sources:
            _lay_out(book, name, report)
        for name in sorted(book.laid_out.keys() - book.sources.keys()):
            del book.laid_out[name]
            if (book.folder / name).exists():
                report.gone.append(name)
        return report


def _lay_out(book: Workbook, name: str, report: Report) -> None:
    page = book.fresh(name)
    wanted = digest(page)
    try:
        there = digest(book.copy(name))
    except FileNotFoundError:
        there = None
    except (OSError, UserError) as error:
        report.left[name] = str(error)
        return
    earlier = book.laid_out.get(name, wanted)
    if there is None or there == earlier != wanted:
        book.write(name, page)
        (report.new if there is None else report.renewed).append(name)
    elif there != wanted and earlier != wanted:
        report.outdated.append(name)
        return
    book.laid_out[name] = wanted


def reset(key: str) -> tuple[Path, Path | None]:
    """Put a page back as the course has it; returns its path, and that of the old copy if somebody wrote in it."""
    name = find_page(key)
    with opened() as book:
        path, page = book.folder / name, book.fresh(name)
        if book.is_elsewhere(path.parent):
            raise UserError(f"{path.parent} is a link to another folder; put a folder in its place")
        kept = _beside(path) if book.is_written_in(name) else None
        if kept is not None:
            os.replace(path, kept)
        book.write(name, page)
        book.laid_out[name] = digest(page)
        return path, kept


def catch_up(number: str) -> CaughtUp:
    """Fill in the turns of the lessons before `number` that have not passed: in the learner's pages and in `mine`.

    A page that somebody had written in is first copied. Into `mine` a solution goes as any answer that passes.
    """
    from minillm.course.learner import loading  # these two import torch, which laying out doesn't need
    from minillm.course.turns import all_turns

    earlier = [turn for turn in all_turns() if turn.id.partition(".")[0] < number]
    missing = {turn.id: turn for turn in earlier if turn.id not in loading.load(turn.topic).yours}
    done = CaughtUp()
    with opened() as book:
        for name in book.sources:
            if "/" in name or number_of(name) >= number:
                continue
            try:
                page = book.copy(name)
            except (OSError, UserError) as error:
                done.troubles[name] = f"is not filled in: {error}"
                continue
            filled = fill_turns(page, {id: turn.solution for id, turn in missing.items()})
            if filled == page:
                continue
            if book.is_written_in(name):
                done.kept.append(_beside(book.folder / name))
                with replacing(done.kept[-1]) as partial:
                    shutil.copyfile(book.folder / name, partial)
            book.write(name, without_outputs(filled))
    for turn in missing.values():  # after the pages, so that an interrupted run begins with the same turns
        try:
            loading.save(turn, turn.solution, vars(sys.modules[turn.course.__module__]))
            done.turns.append(turn.id)
        except CannotSave as reason:
            done.troubles[turn.id] = f"is not saved: {reason}"
    return done


def _beside(path: Path) -> Path:
    """A free name beside a page, with today's date."""
    named, number = f"{path.stem} ({date.today().isoformat()}", 1
    while os.path.lexists(free := path.with_name(f"{named}{f', {number}' if number > 1 else ''}){path.suffix}")):
        number += 1
    return free
