"""The points of a learner's exercises: each notebook runs in a separate process, and its checks are repeated."""

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

SEED = 0  # the default of `check`, so that both give the same result


@dataclass(frozen=True)
class ExerciseProgress:
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


def exercise_progress(folder: Path, number: str) -> ExerciseProgress:
    """Grade `folder`/NN_topic/NN_topic.ipynb; a notebook in which no answer is begun is not run.

    The code runs without a sandbox, with this user's permissions, since it is the learner's own.
    """
    name = assignment_name(number)
    path = folder / name / f"{name}.ipynb"
    asked = questions(number)
    try:
        cells, checks = read_code(path.read_bytes())
    except FileNotFoundError:
        return ExerciseProgress(number, path, asked, trouble="is not there")
    except (OSError, ValueError) as error:
        return ExerciseProgress(number, path, asked, trouble=str(error))
    if not any(begun(cells, question.function) for question in asked):
        return ExerciseProgress(number, path, asked)
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
        return ExerciseProgress(number, path, asked, trouble=str(error))
    results = tuple(found[question.id] for question in asked)
    trouble = "; ".join(f"{what} {went_wrong}" for what, went_wrong in (troubles | broken).items())
    return ExerciseProgress(number, path, asked, results, trouble or None)
