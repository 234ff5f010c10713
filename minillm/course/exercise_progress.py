"""The points of a learner's exercises: each notebook runs in a separate process, and its checks are repeated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from minillm.course.contents import ListedQuestion, listed_questions
from minillm.course.grading.names import assignment_name
from minillm.course.grading.notebook import begun, read_code

if TYPE_CHECKING:  # all of these import torch
    from minillm.course.checks.asking import Reply
    from minillm.course.checks.question import Question, Result

SEED = 0  # the default of `check`, so that both give the same result


@dataclass(frozen=True)
class ExerciseProgress:
    """The state of one notebook; without results it is not begun, or `trouble` says what is wrong."""

    number: str
    path: Path
    questions: tuple[ListedQuestion, ...]
    results: tuple["Result", ...] = ()
    trouble: str | None = None

    @property
    def points(self) -> int:
        """Points over all questions; 0 if nothing is begun."""
        return sum(result.points for result in self.results)

    @property
    def possible(self) -> int:
        """The maximum number of points over all questions."""
        return sum(question.points for question in self.questions)


def exercise_progress(folder: Path, number: str) -> ExerciseProgress:
    """Grade `folder`/NN_topic/NN_topic.ipynb; a notebook in which no answer is begun is not run.

    The code runs without a sandbox, with this user's permissions, since it is the learner's own.
    """
    name = assignment_name(number)
    path = folder / name / f"{name}.ipynb"
    asked = listed_questions(number)
    try:
        cells, checks = read_code(path.read_bytes())
    except FileNotFoundError:
        return ExerciseProgress(number, path, asked, trouble="is not there")
    except (OSError, ValueError) as error:
        return ExerciseProgress(number, path, asked, trouble=str(error))
    if not any(begun(cells, question.function) for question in asked):
        return ExerciseProgress(number, path, asked)
    return _graded(ExerciseProgress(number, path, asked), cells, checks)


def _graded(
    exercise: ExerciseProgress, cells: Sequence[tuple[str, str]], checks: Mapping[str, int]
) -> ExerciseProgress:
    """Run a notebook that is begun."""
    from minillm.course.checks import questions
    from minillm.course.checks.question import Result
    from minillm.course.checks.sandbox import plain_command
    from minillm.course.grading.attempts import ask_notebook

    broken: dict[str, str] = {}

    def grade(question: "Question", seed: int, replies: "Sequence[Sequence[Reply]]") -> Result:
        try:
            return question.grade(seed, replies)
        except Exception as error:  # a bug in the check; the other questions are still graded
            broken[f"the check of {question.id}"] = f"failed ({type(error).__name__}: {error})"
            return Result(question.id, question.title, 0, len(question.probes), (), None)

    pairs = [(question, SEED) for question in questions(exercise.number)]
    try:
        found, troubles = ask_notebook(cells, checks, pairs, plain_command(), confined=False, grade=grade)
    except ChildProcessError as error:  # for example out of memory, which may be temporary
        return replace(exercise, trouble=str(error))
    results = tuple(found[question.id] for question, _ in pairs)
    trouble = "; ".join(f"{what} {went_wrong}" for what, went_wrong in (troubles | broken).items())
    return replace(exercise, results=results, trouble=trouble or None)
