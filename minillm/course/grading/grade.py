"""Grade a class: run each notebook in a sandbox, grade it, keep a record.

A problem with one notebook is recorded under its student, with the reason, and the run continues. A record is written
again only if the notebook, the checks, the seed or the limits have changed, or if grading it failed.
"""

import hashlib
import json
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from minillm.course.checks.asking import Reply
from minillm.course.checks.cgroups import control_groups, memory_group
from minillm.course.checks.outside import START_SECONDS, Limits
from minillm.course.checks.plain import printable
from minillm.course.checks.question import Question, Result
from minillm.course.checks.sandbox import plain_command, sandboxed_command
from minillm.course.grading.attempts import ask_notebook
from minillm.course.grading.limited import Failed, Processes, exit_after, run_all
from minillm.course.grading.private import load_questions
from minillm.course.grading.submissions import Submission
from minillm.course.grading.unusual import defined_elsewhere, unusual_code

SECRET = "secret.txt"
MAX_TROUBLES = 10  # sentences about one notebook that are listed; a spreadsheet's cell holds 32,767 characters
OLDEST = datetime(2020, 1, 1)  # of a notebook of this course


@dataclass(frozen=True)
class GradingRun:
    """The inputs and settings of one run of `minillm grade`."""

    submissions: Sequence[Submission]
    questions: dict[str, tuple[Question, ...]]  # by the number of the assignment
    checks: str  # a hash of the code that grades
    out: Path
    own_checks: Path | None = None  # the teacher's folder of checks
    hidden: tuple[Path, ...] = ()  # folders that no submission may read
    limits: Limits = field(default_factory=Limits)
    unsafe: bool = False


@dataclass
class Record:
    """The outcome for one notebook.

    `troubles` are shown to the teacher and the student, `look` to the teacher only.
    """

    student: str
    assignment: str
    key: str  # hash of everything that the record depends on
    results: list[dict[str, Any]]  # one per question, from `Result.to_dict`
    troubles: list[str] = field(default_factory=list)
    look: list[str] = field(default_factory=list)
    written: str | None = None  # when the notebook was saved, as ISO 8601
    seconds: float = 0.0
    missing: bool = False  # nothing was handed in for this assignment, or nothing of it all can be read: see `troubles`
    failed: bool = False  # grading did not finish: the next run tries again

    @property
    def points(self) -> int:
        """Points over all questions, before the teacher's decisions."""
        return sum(result["points"] for result in self.results)

    @property
    def possible(self) -> int:
        """The maximum number of points over all questions."""
        return sum(result["possible"] for result in self.results)


def secret_of(out: Path, given: str | None) -> str:
    """The secret from which the seeds of the class are derived.

    It is `given`, or drawn at random once and kept in `out`, so that no student can know the inputs in advance.
    """
    path = out / SECRET
    if given is None and path.exists():
        return path.read_text(encoding="utf-8").strip()
    given = given or secrets.token_hex(16)
    write(path, given)
    path.chmod(0o600)
    return given


def seed_of(secret: str, student: str, question: str) -> int:
    """The seed of one student for one question."""
    return int.from_bytes(hashlib.sha256(f"{secret}/{student}/{question}".encode()).digest()[:6], "big")


def grade(
    run: GradingRun, secret: str, processes: Processes, jobs: int, on_record: Callable[[Record], None] = lambda _: None
) -> list[Record]:
    """Grade every notebook of a class, `jobs` at a time.

    `on_record` is called with each record, also with those of earlier runs. Ctrl-C stops the run and keeps the records
    that are finished.
    """
    records, waiting = [], []
    for submission in run.submissions:
        for number in run.questions:
            notebook = submission.of(number)
            record = _load_record(run.out, number, submission.student, _key(run, secret, submission, number))
            if record is None:
                waiting.append((submission, number))
            else:
                record.written = notebook and notebook.written  # the time may change without the content
                records.append(record)
                on_record(record)
    work = [lambda pair=pair: _grade_notebook(run, secret, processes, *pair) for pair in waiting]
    for record in run_all(work, jobs, processes):
        records.append(record)
        on_record(record)
    return sorted(records, key=lambda record: (record.assignment, record.student))


def _grade_notebook(run: GradingRun, secret: str, processes: Processes, submission: Submission, number: str) -> Record:
    """Grade one notebook and save its record, which also holds every problem."""
    began = time.monotonic()
    student, notebook = submission.student, submission.of(number)
    record = Record(student, number, _key(run, secret, submission, number), [], look=list(submission.look))
    record.results = [_empty_result(question) for question in run.questions[number]]
    if notebook is None or notebook.unknown:
        record.missing = True
        record.troubles += [notebook.trouble] if notebook and notebook.trouble else []
    else:
        record.written = notebook.written
        record.look += _strange_date(notebook.written)
        record.troubles += [text for text in (notebook.trouble, notebook.note) if text]
        if not notebook.trouble:
            seeds = [seed_of(secret, student, question.id) for question in run.questions[number]]
            job = (notebook.cells, notebook.checks, number, run.own_checks, seeds, run.limits, run.unsafe)
            # The budget of the hand-in holds inside; what is started last may end after it.
            seconds = run.limits.total_seconds + 2 * START_SECONDS + len(seeds) * run.limits.grading_seconds
            try:
                outcome = processes.call(_run_and_grade, *job, (run.out, *run.hidden), seconds=seconds)
                record.results = outcome["results"]
                record.troubles += outcome["troubles"]
                record.look += outcome["look"]
                if newer := _newer_python(notebook.python, record.troubles):
                    record.troubles.append(newer)
                    record.look.append(newer)
            except Failed as reason:
                record.failed = True
                record.troubles.append(f"it could not be graded: grading it {reason}; the next run tries again")
    record.seconds = round(time.monotonic() - began, 2)
    try:
        write(_record_path(run.out, number, student), json.dumps(asdict(record), indent=1))
    except OSError as error:
        record.look.append(f"the record could not be written: {error.strerror}")
    return record


def _run_and_grade(
    cells: Sequence[tuple[str, str]],
    checks: dict[str, int],
    number: str,
    own_checks: Path | None,
    seeds: Sequence[int],
    limits: Limits,
    unsafe: bool,
    hidden: Sequence[Path],
) -> dict[str, Any]:
    """Run a notebook in its sandbox and grade its replies; called in its own process."""
    asked = list(zip(load_questions(number, own_checks), seeds, strict=True))
    forbidden = sorted({name for question, _ in asked for name in question.forbidden})
    results, look = [], unusual_code(cells, forbidden)

    def grade_question(question: Question, seed: int, replies: Sequence[Sequence[Reply]]) -> Result:
        try:
            with exit_after(limits.grading_seconds):
                return question.grade(seed, replies)
        except Exception as error:  # a bug in the check; the other questions are still graded
            look.append(printable(f"the check of {question.id} failed ({type(error).__name__}: {error})"))
            return _no_points(question)

    with memory_group(None if unsafe else control_groups(), limits.memory_mb) as before:
        command = plain_command() if unsafe else sandboxed_command(forbidden, hidden, before)
        graded, troubles = ask_notebook(cells, checks, asked, command, limits, not unsafe, grade_question)
    look += defined_elsewhere(cells, [question.function for question, _ in asked if graded[question.id].points])
    for question, _ in asked:
        result = graded[question.id]
        private = [probe.name for probe in question.probes if probe.private]
        passed = result.points == len(question.probes)
        results.append(result.to_dict() | {"passed": passed, "function": question.function, "private": private})
    return {
        "results": results,
        "troubles": _first([f"{statement} {trouble}" for statement, trouble in troubles.items()]),
        "look": _first(list(dict.fromkeys(look))),
    }


def _newer_python(python: str | None, troubles: Sequence[str]) -> str | None:
    """A sentence if the syntax of a notebook may be newer than the Python that grades it.

    >>> _newer_python("3.99", ["cell 1 raised SyntaxError: invalid syntax"])[:40]
    'the notebook was written with Python 3.9'
    """
    ours = sys.version_info
    if python is None or int(python.split(".")[1]) <= ours.minor or not any("SyntaxError" in each for each in troubles):
        return None
    return (
        f"the notebook was written with Python {python} and graded with {ours.major}.{ours.minor}, "
        "which may not know its syntax"
    )


def _first(sentences: list[str]) -> list[str]:
    """The first of many sentences, and how many there are more."""
    more = len(sentences) - MAX_TROUBLES
    return sentences if more <= 0 else [*sentences[:MAX_TROUBLES], f"and {more} more"]


def _strange_date(written: str | None) -> list[str]:
    """A sentence if a notebook can't have been saved at that time, so that lateness can't be told from it."""
    if written is None or OLDEST <= datetime.fromisoformat(written) <= datetime.now() + timedelta(days=1):
        return []
    return [f"its file was saved on {written[:10]}: set its days in decisions.csv if it's late"]


def _no_points(question: Question) -> Result:
    """The result of a question that could not be graded."""
    names = tuple(probe.name for probe in question.probes)
    return Result(question.id, question.title, 0, len(names), names, None)


def _empty_result(question: Question) -> dict[str, Any]:
    return _no_points(question).to_dict() | {"passed": False, "function": question.function, "private": []}


def _key(run: GradingRun, secret: str, submission: Submission, number: str) -> str:
    """A hash of everything that a record depends on."""
    notebook = submission.of(number)
    depends = notebook and (notebook.cells, notebook.checks, notebook.trouble, notebook.note, notebook.python)
    parts = [depends, submission.look, number, secret, run.checks, run.limits, run.unsafe]
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _record_path(out: Path, number: str, student: str) -> Path:
    return out / "records" / number / f"{student}.json"


def _load_record(out: Path, number: str, student: str, key: str) -> Record | None:
    """The record of an earlier run; None if there is none or its inputs have changed."""
    try:
        record = Record(**json.loads(_record_path(out, number, student).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return record if record.key == key and not record.failed else None


def forget(out: Path, student: str) -> None:
    """Delete a student's records, so that the notebooks are graded again."""
    for path in (out / "records").glob("*/*.json"):
        if path.stem == student:
            path.unlink()


def write(path: Path, text: str) -> None:
    """Write a file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{threading.get_ident()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
