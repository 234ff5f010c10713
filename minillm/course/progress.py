"""How far a learner has come: each exercise's notebook is run in a process of its own, and its checks asked again."""

import ast
from dataclasses import dataclass
from pathlib import Path

from minillm.course.checks import questions
from minillm.course.checks.outside import collect
from minillm.course.checks.question import Question, Result
from minillm.course.checks.sandbox import plain_command
from minillm.course.grading.notebook import definition, read_code
from minillm.course.grading.submissions import assignment_name

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
    if not any(_begun(cells, question) for question in asked):
        return Progress(number, path, asked)
    collected = collect(cells, [(question, SEED) for question in asked], plain_command(), confined=False)
    results = tuple(question.judge(SEED, collected.replies[question.id]) for question in asked)
    trouble = "; ".join(f"{cell} {trouble}" for cell, trouble in collected.cells.items())
    return Progress(number, path, asked, results, trouble or None)


def _begun(cells: list[tuple[str, str]], question: Question) -> bool:
    """Whether an answer is more than the line that it came with."""
    found = [node for _, source in cells if (node := definition(source, question.function))]
    return bool(found) and not (isinstance(found[-1], ast.FunctionDef) and _is_stub(found[-1].body[-1]))


def _is_stub(line: ast.stmt) -> bool:
    return isinstance(line, ast.Raise) and "NotImplementedError" in ast.dump(line)
