"""Grade a class: each notebook is asked in its sandbox, judged outside of it, and what was found is kept in a file.

Whatever happens with one notebook is written under its student, with the reason, and the run goes on. A file is made
anew only if the notebook, the checks, the seed or the limits have changed, or if grading it failed.
"""

import hashlib
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from minillm.course.checks.asking import Reply
from minillm.course.checks.cgroups import control_groups, memory_group
from minillm.course.checks.outside import START, Limits
from minillm.course.checks.plain import printable
from minillm.course.checks.question import Question, Result
from minillm.course.checks.sandbox import plain_command, sandboxed_command
from minillm.course.grading.limited import Failed, Processes, at_most
from minillm.course.grading.needed import ask_notebook
from minillm.course.grading.notebook import worth_a_look
from minillm.course.grading.private import load_questions
from minillm.course.grading.submissions import NO_NOTEBOOK, HandIn, Notebook, Submission, read_part

SECRET = "secret.txt"
READING = 60.0  # seconds that reading one hand-in may take
JUDGING = 60  # seconds that comparing the replies to one question may take
PRELOAD = ("minillm.course.grading.grade", "minillm.course.grading.gradebook", "nbgrader.converters")


@dataclass(frozen=True)
class Class:
    """What one run grades, and how. `questions` are those of each assignment, by its number."""

    submissions: Sequence[Submission]
    questions: dict[str, tuple[Question, ...]]
    checks: str  # a hash of the code that judges
    out: Path
    own_checks: Path | None = None  # the teacher's folder, if there is one
    hidden: tuple[Path, ...] = ()  # folders that no submission may see
    limits: Limits = field(default_factory=Limits)
    unsafe: bool = False


@dataclass
class Record:
    """What was found in one notebook. `troubles` are for the teacher and the learner, `look` is for the teacher."""

    student: str
    assignment: str
    key: str  # of everything that it depends on
    results: list[dict[str, Any]]  # of each question, as `Result.to_dict`
    troubles: list[str] = field(default_factory=list)
    look: list[str] = field(default_factory=list)
    written: str | None = None  # when the notebook was saved, as ISO 8601
    seconds: float = 0.0
    missing: bool = False  # nothing was handed in for this assignment
    failed: bool = False  # grading it did not come to an end: the next run tries again

    @property
    def points(self) -> int:
        """Of all questions, before a teacher decides."""
        return sum(result["points"] for result in self.results)

    @property
    def possible(self) -> int:
        """Of all questions, if everything is right."""
        return sum(result["possible"] for result in self.results)


def secret_of(out: Path, given: str | None) -> str:
    """What the class's seeds are made from: given, or drawn once and kept, so that nobody knows the inputs before."""
    path = out / SECRET
    if given is None and path.exists():
        return path.read_text(encoding="utf-8").strip()
    given = given or secrets.token_hex(16)
    write(path, given)
    path.chmod(0o600)
    return given


def seed_of(secret: str, student: str, question: str) -> int:
    """Each student's own seed for a question."""
    return int.from_bytes(hashlib.sha256(f"{secret}/{student}/{question}".encode()).digest()[:6], "big")


def read_all(processes: Processes, submissions: Sequence[Submission], jobs: int) -> None:
    """Read every submission, several at a time; what cannot be read says why under its student."""
    parts = [(submission, part) for submission in submissions for part in submission.parts]
    work = [lambda pair=pair: (pair[0], *_read(processes, pair[1])) for pair in parts]
    for submission, notebooks, trouble in run_all(work, jobs, processes):
        submission.add(notebooks)
        submission.trouble = trouble or submission.trouble
    for submission in submissions:
        if submission.notebooks and submission.trouble and NO_NOTEBOOK not in submission.trouble:
            submission.look.append(submission.trouble)  # what can be read of it counts


def _read(processes: Processes, part: HandIn) -> tuple[list[Notebook], str | None]:
    if part.trouble:
        return [], part.trouble
    try:
        found = processes.call(_read_as_json, part, seconds=READING)
    except Failed as reason:
        return [], f"{printable(part.path.name)} cannot be read: {reason}"
    return [Notebook(**one | {"cells": tuple(map(tuple, one["cells"]))}) for one in found], None


def _read_as_json(part: HandIn) -> list[dict[str, Any]]:
    return [asdict(notebook) for notebook in read_part(part)]


def grade(
    course: Class, secret: str, processes: Processes, jobs: int, done: Callable[[Record], None] = lambda record: None
) -> list[Record]:
    """Grade every notebook of a class, several at a time; `done` is told of each record, old ones too.

    Ctrl-C ends it, and keeps what is done.
    """
    records, waiting = [], []
    for submission in course.submissions:
        for number in course.questions:
            notebook = submission.of(number)
            record = _kept(course.out, number, submission.student, _key(course, secret, submission, number))
            if record is None:
                waiting.append((submission, number))
            else:
                record.written = notebook and notebook.written  # set right without a word of it being changed
                records.append(record)
                done(record)
    for record in run_all(
        [lambda one=one: _grade_one(course, secret, processes, *one) for one in waiting], jobs, processes
    ):
        records.append(record)
        done(record)
    return sorted(records, key=lambda record: (record.assignment, record.student))


def run_all(work: Sequence[Callable[[], Any]], jobs: int, processes: Processes) -> Iterable[Any]:
    """Do several things at a time and yield what each returned, the first one first; Ctrl-C ends them all."""
    with ThreadPoolExecutor(jobs) as pool:
        running: set[Future] = {pool.submit(one) for one in work}
        try:
            while running:
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                for job in ended:
                    yield job.result()
        except BaseException:
            processes.stop()
            pool.shutdown(cancel_futures=True)
            raise


def _grade_one(course: Class, secret: str, processes: Processes, submission: Submission, number: str) -> Record:
    """Grade one notebook and keep the record. Whatever goes wrong is told in it."""
    began = time.monotonic()
    student, notebook = submission.student, submission.of(number)
    record = Record(student, number, _key(course, secret, submission, number), [], look=list(submission.look))
    record.results = [_nothing(question) for question in course.questions[number]]
    if notebook is None:
        record.missing = True
    else:
        record.written = notebook.written
        record.troubles += [text for text in (notebook.trouble, notebook.note) if text]
        if not notebook.trouble:
            seeds = [seed_of(secret, student, question.id) for question in course.questions[number]]
            job = (notebook.cells, notebook.checks, number, course.own_checks, seeds, course.limits, course.unsafe)
            # Each answer may be asked a second time, and private probes are asked by themselves.
            seconds = 2 * (1 + len(seeds)) * (course.limits.total_seconds + START + JUDGING)
            try:
                found = processes.call(_judge, *job, (course.out, *course.hidden), seconds=seconds)
                record.results = found["results"]
                record.troubles += found["troubles"]
                record.look += found["look"]
            except Failed as reason:
                record.failed = True
                record.troubles.append(f"it could not be graded: grading it {reason}; the next run tries again")
    record.seconds = round(time.monotonic() - began, 2)
    try:
        write(_file(course.out, number, student), json.dumps(asdict(record), indent=1))
    except OSError as error:
        record.look.append(f"the record could not be kept: {error.strerror}")
    return record


def _judge(
    cells: Sequence[tuple[str, str]],
    checks: dict[str, int],
    number: str,
    own_checks: Path | None,
    seeds: Sequence[int],
    limits: Limits,
    unsafe: bool,
    hidden: Sequence[Path],
) -> dict[str, Any]:
    """Ask a notebook and judge its replies, in a process of its own."""
    asked = list(zip(load_questions(number, own_checks), seeds, strict=True))
    forbidden = sorted({name for question, _ in asked for name in question.forbidden})
    results, look = [], worth_a_look(cells, forbidden)

    def judge(question: Question, seed: int, replies: Sequence[Sequence[Reply]]) -> Result:
        try:
            with at_most(JUDGING):
                return question.judge(seed, replies)
        except Exception as error:  # our own fault, and still only this question's loss
            look.append(printable(f"the check of {question.id} failed ({type(error).__name__}: {error})"))
            return _unasked(question)

    with memory_group(None if unsafe else control_groups(), limits.memory_mb) as before:
        command = plain_command() if unsafe else sandboxed_command(forbidden, hidden, before)
        found, troubles = ask_notebook(cells, checks, asked, command, limits, not unsafe, judge)
    for question, _ in asked:
        private = [probe.name for probe in question.probes if probe.private]
        passed = found[question.id].points == len(question.probes)
        results.append(
            found[question.id].to_dict() | {"passed": passed, "function": question.function, "private": private}
        )
    return {
        "results": results,
        "troubles": [f"{statement} {trouble}" for statement, trouble in troubles.items()],
        "look": list(dict.fromkeys(look)),
    }


def _unasked(question: Question) -> Result:
    """The result of a question that nobody could be asked."""
    names = tuple(probe.name for probe in question.probes)
    return Result(question.id, question.title, 0, len(names), names, None)


def _nothing(question: Question) -> dict[str, Any]:
    return _unasked(question).to_dict() | {"passed": False, "function": question.function, "private": []}


def _key(course: Class, secret: str, submission: Submission, number: str) -> str:
    """A hash of all that a record depends on."""
    notebook = submission.of(number)
    depends = notebook and (notebook.cells, notebook.checks, notebook.trouble, notebook.note)
    parts = [depends, submission.look, number, secret, course.checks, course.limits, course.unsafe]
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _file(out: Path, number: str, student: str) -> Path:
    return out / "records" / number / f"{student}.json"


def _kept(out: Path, number: str, student: str, key: str) -> Record | None:
    """What an earlier run found, if nothing has changed since."""
    try:
        record = Record(**json.loads(_file(out, number, student).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return record if record.key == key and not record.failed else None


def forget(out: Path, student: str) -> None:
    """Have a student's notebooks graded again, even if nothing has changed."""
    for path in (out / "records").glob("*/*.json"):
        if path.stem == student:
            path.unlink()


def write(path: Path, text: str) -> None:
    """Write a file so that it is never half there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{threading.get_ident()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
