"""A learner's progress: the turns and guesses of each lesson, and its exercise.

Each exercise notebook runs in a separate process, and its checks are repeated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minillm.course.checks import questions
from minillm.course.checks.asking import Reply
from minillm.course.checks.question import Question, Result
from minillm.course.checks.sandbox import plain_command
from minillm.course.grading.names import assignment_name
from minillm.course.grading.needed import ask_notebook
from minillm.course.grading.notebook import begun, read_code
from minillm.course.learner.guess import outcomes
from minillm.course.learner.loading import load
from minillm.course.learner.turn import Turn
from minillm.course.pages import questions_in, turns_in
from minillm.course.turns import find
from minillm.course.workbook import course_pages, number_of, read_course_page

SEED = 0  # the default of `check`, so that both give the same result


@dataclass(frozen=True)
class Progress:
    """The state of one notebook; without results it is not begun, or `trouble` says what is wrong."""

    number: str
    path: Path
    questions: tuple[Question, ...]
    results: tuple[Result, ...] = ()
    trouble: str | None = None

    @property
    def points(self) -> int:
        """Points over all questions; 0 if nothing is begun."""
        return sum(result.points for result in self.results)

    @property
    def possible(self) -> int:
        """The maximum number of points over all questions."""
        return sum(len(question.probes) for question in self.questions)


@dataclass(frozen=True)
class LessonProgress:
    """What a lesson asks its learner for, and what is done."""

    number: str
    page: str  # its name in the workbook
    turns: tuple[Turn, ...] = ()  # of the lesson and its lab
    done: frozenset[str] = frozenset()  # ids of the turns that passed
    guesses: tuple[bool, ...] = ()  # for each prediction that was made and answered, whether it was right

    @property
    def to_do(self) -> list[Turn]:
        """The turns that have not passed."""
        return [turn for turn in self.turns if turn.id not in self.done]


def lesson_progress() -> dict[str, LessonProgress]:
    """The turns and guesses of each lesson, by its number: what the course's pages ask, and what the workbook keeps."""
    kept = outcomes()
    lessons: dict[str, LessonProgress] = {}
    for name, path in course_pages().items():
        if "/" in name:  # an exercise
            continue
        page, number = read_course_page(path), number_of(name)
        turns = tuple(find(id) for id in turns_in(page))
        done = {turn.id for turn in turns if turn.id in load(turn.topic).yours}
        guesses = [kept[question] for question in questions_in(page) if question in kept]
        before = lessons.get(number, LessonProgress(number, name))
        lessons[number] = LessonProgress(
            number, before.page, before.turns + turns, before.done | done, (*before.guesses, *guesses)
        )
    return lessons


def progress(folder: Path, number: str) -> Progress:
    """Grade `folder`/NN_topic/NN_topic.ipynb; a notebook in which no answer is begun is not run.

    The code runs without a sandbox, with this user's permissions, since it is the learner's own.
    """
    name = assignment_name(number)
    path = folder / name / f"{name}.ipynb"
    asked = questions(number)
    try:
        cells, checks = read_code(path.read_bytes())
    except FileNotFoundError:
        return Progress(number, path, asked, trouble="is not there")
    except (OSError, ValueError) as error:
        return Progress(number, path, asked, trouble=str(error))
    if not any(begun(cells, question.function) for question in asked):
        return Progress(number, path, asked)
    broken: dict[str, str] = {}

    def grade(question: Question, seed: int, replies: Sequence[Sequence[Reply]]) -> Result:
        try:
            return question.grade(seed, replies)
        except Exception as error:  # a bug in the check; the other questions are still graded
            broken[f"the check of {question.id}"] = f"failed ({type(error).__name__}: {error})"
            return Result(question.id, question.title, 0, len(question.probes), (), None)

    pairs = [(question, SEED) for question in asked]
    try:
        found, troubles = ask_notebook(cells, checks, pairs, plain_command(), confined=False, grade=grade)
    except ChildProcessError as error:  # for example out of memory, which may be temporary
        return Progress(number, path, asked, trouble=str(error))
    results = tuple(found[question.id] for question in asked)
    trouble = "; ".join(f"{what} {went_wrong}" for what, went_wrong in (troubles | broken).items())
    return Progress(number, path, asked, results, trouble or None)
