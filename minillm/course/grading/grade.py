"""Grade a class: each notebook is asked in its sandbox, judged outside of it, and what was found is kept in a file.

A file is made anew only if the notebook, the checks, the seed or the limits have changed, so an interrupted run goes on
where it stopped.
"""

import hashlib
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from minillm.course.checks.outside import Limits, collect
from minillm.course.checks.question import Question, Result
from minillm.course.checks.sandbox import plain_command, sandboxed_command
from minillm.course.grading.notebook import read_code, worth_a_look
from minillm.course.grading.submissions import Notebook, Submission

SECRET = "secret.txt"


@dataclass(frozen=True)
class Class:
    """What one run grades, and how. `questions` are those of each assignment, by its number."""

    submissions: Sequence[Submission]
    questions: dict[str, tuple[Question, ...]]
    checks: str  # a hash of the code that judges
    out: Path
    hidden: tuple[Path, ...] = ()  # folders that no submission may see
    limits: Limits = field(default_factory=Limits)
    unsafe: bool = False
    jobs: int = 1


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


def grade(course: Class, secret: str, done: Callable[[Record], None] = lambda record: None) -> list[Record]:
    """Grade every notebook of a class, several at a time; `done` is told of each record, old ones too.

    Raises `ChildProcessError` if the sandbox does not start. Ctrl-C ends it, and keeps what is done.
    """
    records, waiting = [], []
    for submission in course.submissions:
        for number in course.questions:
            notebook = submission.of(number)
            key = _key(course, secret, notebook, number)
            record = _kept(course.out, number, submission.student, key)
            if record is None:
                waiting.append((submission.student, number, notebook, key))
            else:
                record.written = _time(notebook)  # which may be set right without a word of it being changed
                records.append(record)
                done(record)
    stop = threading.Event()
    with ThreadPoolExecutor(course.jobs) as pool:
        jobs = [pool.submit(_grade_one, course, secret, stop, *one) for one in waiting]
        try:
            for job in as_completed(jobs):
                records.append(job.result())
                done(records[-1])
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return sorted(records, key=lambda record: (record.assignment, record.student))


def _grade_one(
    course: Class, secret: str, stop: threading.Event, student: str, number: str, notebook: Notebook, key: str
) -> Record:
    began = time.monotonic()
    asked = [(question, seed_of(secret, student, question.id)) for question in course.questions[number]]
    record = Record(student, number, key, [], written=_time(notebook))
    try:
        cells = None if notebook.trouble else read_code(notebook.data)
        if cells is None:
            record.troubles.append(str(notebook.trouble))
    except ValueError as reason:
        cells = None
        record.troubles.append(f"{notebook.path} {reason}")
    if cells is None:
        record.results = [_nothing(question) for question, _ in asked]
    else:
        forbidden = sorted({name for question, _ in asked for name in question.forbidden})
        command = plain_command() if course.unsafe else sandboxed_command(forbidden, (course.out, *course.hidden))
        collected = collect(cells, asked, command, course.limits, confined=not course.unsafe, stop=stop)
        record.troubles += [f"{cell} {trouble}" for cell, trouble in collected.cells.items()]
        record.look = worth_a_look(cells, forbidden)
        for question, seed in asked:
            try:
                result = question.judge(seed, collected.replies[question.id])
                record.results.append(result.to_dict() | {"function": question.function})
            except Exception as error:  # our own fault, and still only this question's loss
                record.results.append(_nothing(question))
                record.look.append(f"the check of {question.id} failed ({type(error).__name__}: {error})")
    record.seconds = round(time.monotonic() - began, 2)
    write(_file(course.out, number, student), json.dumps(asdict(record), indent=1))
    return record


def _time(notebook: Notebook) -> str | None:
    return notebook.written and notebook.written.isoformat()


def _nothing(question: Question) -> dict[str, Any]:
    """The result of a question that nobody could be asked."""
    names = tuple(probe.name for probe in question.probes)
    result = Result(question.id, question.title, 0, len(names), names, None).to_dict()
    return result | {"passed": False, "function": question.function}


def _key(course: Class, secret: str, notebook: Notebook, number: str) -> str:
    """A hash of all that a record depends on."""
    parts = [notebook.data, str(notebook.trouble), number, secret, course.checks, course.limits, course.unsafe]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _file(out: Path, number: str, student: str) -> Path:
    return out / "records" / number / f"{student}.json"


def _kept(out: Path, number: str, student: str, key: str) -> Record | None:
    """What an earlier run found, if nothing has changed since."""
    try:
        record = Record(**json.loads(_file(out, number, student).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return record if record.key == key else None


def forget(out: Path, student: str) -> None:
    """Have a student's notebooks graded again, even if nothing has changed."""
    for path in (out / "records").glob("*/*.json"):
        if path.stem == student:
            path.unlink()


def write(path: Path, text: str) -> None:
    """Write a file so that it is never half there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
