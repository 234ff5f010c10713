"""How far a learner has come: each exercise's notebook is run in a process of its own, and its checks asked again."""

from dataclasses import dataclass
from pathlib import Path

from minillm.course.checks import questions
from minillm.course.checks.question import Question, Result
from minillm.course.checks.sandbox import plain_command
from minillm.course.grading.names import assignment_name
from minillm.course.grading.needed import collect_answers
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
        cells = read_code(path.read_bytes())
    except FileNotFoundError:
        return Progress(number, path, asked, trouble="is not there")
    except (OSError, ValueError) as error:
        return Progress(number, path, asked, trouble=str(error))
    if not any(begun(cells, question.function) for question in asked):
        return Progress(number, path, asked)
    try:
        collected = collect_answers(cells, [(question, SEED) for question in asked], plain_command(), confined=False)
        results = tuple(question.judge(SEED, collected.replies[question.id]) for question in asked)
    except Exception as error:  # our own fault; the other notebooks are asked all the same
        return Progress(number, path, asked, trouble=f"could not be asked ({type(error).__name__}: {error})")
    trouble = "; ".join(f"{statement} {trouble}" for statement, trouble in collected.troubles.items())
    return Progress(number, path, asked, results, trouble or None)
