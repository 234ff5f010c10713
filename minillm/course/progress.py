"""A learner's progress: what each lesson asks for, what is done, and which lesson comes next. Nothing is run.

What is done is read from the workbook: the parts in `mine/`, the guesses, and which cells of a page have been run.
`exercise_progress` runs the exercises; what it found last is kept in the workbook (`keep_points`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from minillm.course.contents import ListedTurn, find_turn
from minillm.course.learner.guess_file import surprises
from minillm.course.learner.passed import passed
from minillm.course.learner.saved import workbook
from minillm.course.pages import Page, questions_in, read_page, source_of, turns_in
from minillm.course.workbook import course_pages, number_of, read_course_page
from minillm.errors import UserError
from minillm.files import read_json, write_json

POINTS = ".points.json"  # in the workbook
MAX_POINTS_BYTES = 100_000
TITLE = re.compile(r"^# \w+ (?:data )?(?:lab )?· (.+)$", re.MULTILINE)
MINUTES = re.compile(r"\*\*Time\*\*\D*(\d+)")


@dataclass(frozen=True)
class LessonProgress:
    """What a lesson asks its learner for, and what is done."""

    number: str
    page: str  # its name in the workbook
    title: str
    minutes: int | None
    labs: tuple[str, ...] = ()  # the names of its other pages
    exercise: str | None = None
    turns: tuple[ListedTurn, ...] = ()
    lab_turns: tuple[ListedTurn, ...] = ()
    done: frozenset[str] = frozenset()  # ids of the turns that passed, in the lab too; a ready-made function does not
    guesses: int = 0  # predictions that were made and answered, in the lesson and its labs
    surprises: int = 0  # of these, the ones that turned out otherwise
    cells: int = 0  # code cells of the learner's copy
    cells_run: int = 0
    is_read: bool = False  # whether its last code cell has been run
    saved: float = 0.0  # when the copy was saved last, seconds

    @property
    def short_title(self) -> str:
        """The title up to its first colon: "The map" of "The map: from your text to the next word"."""
        return self.title.partition(":")[0]

    @property
    def to_do(self) -> list[ListedTurn]:
        """The turns that have not passed."""
        return [turn for turn in self.turns if turn.id not in self.done]

    @property
    def is_begun(self) -> bool:
        """Whether a cell was run or a turn has passed."""
        return bool(self.cells_run) or len(self.to_do) < len(self.turns)

    @property
    def lab(self) -> str | None:
        """The name of its first lab."""
        return self.labs[0] if self.labs else None

    @property
    def is_done(self) -> bool:
        """Whether all turns have passed; in a lesson without turns, whether its last cell has been run."""
        return not self.to_do if self.turns else self.is_read

    @property
    def state(self) -> str:
        """The state in a few words, such as "2 of 3 parts yours"."""
        if self.is_done:
            return "done"
        if yours := len(self.turns) - len(self.to_do):
            return f"{yours} of {len(self.turns)} parts yours"
        return f"{self.cells_run} of {self.cells} cells run" if self.cells_run else "not begun"


def lesson_progress() -> dict[str, LessonProgress]:
    """The state of every lesson by its number, in the order of the course. Raises `UserError` for a damaged course."""
    pages = course_pages()
    return {
        number_of(name): _lesson(name, pages) for name in pages if "/" not in name and not name.endswith("_lab.ipynb")
    }


def _lesson(name: str, pages: Mapping[str, Path]) -> LessonProgress:
    topic = name.removesuffix(".ipynb")
    labs = [f"{topic}{kind}_lab.ipynb" for kind in ("", "_data", "_tiles")]
    exercise = f"exercises/{topic}/{topic}.ipynb"
    page = read_course_page(pages[name])
    lab_pages = [read_course_page(pages[lab]) for lab in labs if lab in pages]
    lab_page: Page = {"cells": [cell for each in lab_pages for cell in each["cells"]]}
    turns, lab_turns = (tuple(find_turn(id) for id in turns_in(each)) for each in (page, lab_page))
    done = {turn.id for turn in (*turns, *lab_turns) if turn.id in passed(turn.topic)}
    guessed, surprised = surprises([*questions_in(page), *questions_in(lab_page)])
    ran, saved = _ran(workbook() / name)
    text = source_of(page["cells"][0]) if page["cells"] else ""
    title, minutes = TITLE.search(text), MINUTES.search(text)
    return LessonProgress(
        number_of(name), name, title[1] if title else topic, int(minutes[1]) if minutes else None,
        tuple(lab for lab in labs if lab in pages), exercise if exercise in pages else None,
        turns, lab_turns, frozenset(done),
        guessed, surprised, len(ran), sum(ran), ran[-1:] == [True], saved,
    )  # fmt: skip


def predictions(guesses: int, surprises: int) -> str:
    """How guesses went; empty without any.

    >>> predictions(3, 2), predictions(1, 0), predictions(0, 0)
    ('3 guesses, 2 surprises', '1 guess, no surprises', '')
    """
    if not guesses:
        return ""
    return f"{guesses} guess{'es' * (guesses != 1)}, {surprises or 'no'} surprise{'s' * (surprises != 1)}"


def _ran(path: Path) -> tuple[list[bool], float]:
    """For each code cell of a learner's copy whether it has been run, and when the copy was saved."""
    try:
        page, saved = read_page(path), path.stat().st_mtime
    except (OSError, UserError):  # not laid out, or damaged: `minillm workbook` says so
        return [], 0.0
    cells = [cell for cell in page["cells"] if cell.get("cell_type") == "code" and source_of(cell).strip()]
    return [bool(cell.get("execution_count")) for cell in cells], saved


def next_lesson(lessons: Mapping[str, LessonProgress]) -> LessonProgress | None:
    """The lesson to continue with; None if all are done.

    That is the one that was saved last, if it is begun, or else the first one after it that is not done.
    """
    order = list(lessons.values())
    begun = [lesson for lesson in order if lesson.is_begun]
    last = order.index(max(begun, key=lambda lesson: lesson.saved)) if begun else 0
    return next((lesson for lesson in order[last:] + order[:last] if not lesson.is_done), None)


def keep_points(found: Mapping[str, tuple[int, int]]) -> None:
    """Keep points and possible points by the number of the exercise, beside older ones. Raises `OSError`."""
    write_json(workbook() / POINTS, kept_points() | dict(found))


def kept_points() -> dict[str, tuple[int, int]]:
    """The points that were found last, and the possible ones; nothing if the file is missing or damaged."""
    try:
        kept = read_json(workbook() / POINTS, MAX_POINTS_BYTES)
        return {number: (int(points), int(possible)) for number, (points, possible) in kept.items()}
    except (OSError, ValueError, TypeError):
        return {}
