"""How far a learner has come: each exercise's notebook is run in a process of its own, and its checks asked again."""

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

SEED = 0  # what `check` takes by itself, so that both say the same


@dataclass(frozen=True)
class Progress:
    """What stands in one notebook. Without results nothing has been written in it, or `trouble` says what is wrong."""

    number: str
    path: Path
    questions: tuple[Question, ...]
    results: tuple[Result, ...] = ()
    trouble: str | None = None

    @property
    def points(self) -> int:
        """Of all questions; 0 where nothing is begun."""
        return sum(result.points for result in self.results)

    @property
    def possible(self) -> int:
        """Of all questions, if everything is right."""
        return sum(len(question.probes) for question in self.questions)


def progress(folder: Path, number: str) -> Progress:
    """Ask a notebook `folder`/NN_topic/NN_topic.ipynb. Nothing is run of one in which no answer is begun.

    What its code does, it does as this user: it is the learner's own.
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

    def judge(question: Question, seed: int, replies: Sequence[Sequence[Reply]]) -> Result:
        try:
            return question.judge(seed, replies)
        except Exception as error:  # our own fault; the other questions are asked all the same
            broken[f"the check of {question.id}"] = f"failed ({type(error).__name__}: {error})"
            return Result(question.id, question.title, 0, len(question.probes), (), None)

    pairs = [(question, SEED) for question in asked]
    try:
        found, troubles = ask_notebook(cells, checks, pairs, plain_command(), confined=False, judge=judge)
    except ChildProcessError as error:  # such as no memory for another process; the next notebook may find some
        return Progress(number, path, asked, trouble=str(error))
    results = tuple(found[question.id] for question in asked)
    trouble = "; ".join(f"{what} {went_wrong}" for what, went_wrong in (troubles | broken).items())
    return Progress(number, path, asked, results, trouble or None)
