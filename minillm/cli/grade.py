"""minillm grade: from a folder of submissions to points, a gradebook, and a page of feedback for each."""

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime, time
from glob import has_magic
from importlib.util import find_spec
from pathlib import Path

import click
from tqdm import tqdm

from minillm.cli.common import json_option, print_json
from minillm.course.checks import ASSIGNMENTS
from minillm.course.checks.cgroups import NONE, control_groups, memory_group
from minillm.course.checks.outside import Limits, Statement, collect
from minillm.course.checks.sandbox import sandboxed_command, why_no_sandbox
from minillm.course.grading.decisions import Deadline, Score, read_decisions, score
from minillm.course.grading.grade import PRELOAD, Class, Record, forget, grade, read_all, secret_of
from minillm.course.grading.limited import Processes
from minillm.course.grading.names import assignment_name
from minillm.course.grading.private import checks_hash, load_questions
from minillm.course.grading.report import write_tables
from minillm.course.grading.submissions import list_submissions
from minillm.errors import UserError

ROOT = Path(__file__).parents[2]  # of the course, unless the package is installed without it


def moment(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    """A day and a time, or a day alone, which ends at its midnight."""
    if text is None:
        return None
    with suppress(ValueError):
        return datetime.combine(date.fromisoformat(text), time.max)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time; give one such as 2026-10-01T18:00, or 2026-10-01") from None
    return found.astimezone().replace(tzinfo=None)  # as files have it


@click.command(name="grade")
@click.argument("submissions", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where everything is written to.")
@click.option("--assignment", "numbers", multiple=True, metavar="NN", help="Only this one; may be repeated.")
@click.option("--student", "again", help="Grade this student's notebooks again, even if nothing has changed.")
@click.option("--due", callback=moment, metavar="TIME", help="When it was due; a day alone ends at its midnight.")
@click.option("--late", default=0.0, type=click.FloatRange(0, 100), help="Percent that each day begun since costs.")
@click.option("--seed", help="Makes the inputs of all students; without it a secret is drawn and kept in OUT.")
@click.option("--checks", type=click.Path(path_type=Path), help="A folder of your own checks: see teaching/grading.md.")
@click.option("--seconds", default=20.0, type=click.FloatRange(1), help="What one cell or one probe may take.")
@click.option("--memory", default=2000, type=click.IntRange(100), help="Megabytes that a notebook may take.")
@click.option("--jobs", default=os.cpu_count() or 1, type=click.IntRange(1), help="Notebooks at a time.")
@click.option("--unsafe", is_flag=True, help="Without a sandbox: students' code can then do all that you can.")
@json_option
def grade_class(
    submissions: Path,
    out: Path,
    numbers: tuple[str, ...],
    again: str | None,
    due: datetime | None,
    late: float,
    seed: str | None,
    checks: Path | None,
    seconds: float,
    memory: int,
    jobs: int,
    unsafe: bool,
    as_json: bool,
) -> None:
    """Grade a class: SUBMISSIONS holds a folder or a zip for each student.

    OUT gets grades.csv and questions.csv, tables for Canvas and Moodle, nbgrader's gradebook, and a page of feedback
    for each notebook. What you decide otherwise goes into OUT/decisions.csv; then run the same command again.
    """
    if find_spec("nbgrader") is None:  # told before the work; the room below needs what it brings
        raise ModuleNotFoundError("grading needs nbgrader: pip install -e '.[grading]'")
    from minillm.course.grading.gradebook import write_feedback, write_gradebook

    if unknown := [number for number in numbers if number not in ASSIGNMENTS]:
        raise UserError(f"there is no assignment {unknown[0]!r}; there are {', '.join(ASSIGNMENTS)}")
    out = out.resolve()
    found = list_submissions(submissions, but=out)
    students = [one.student for one in found]
    if again is not None and again not in students:
        raise UserError(f"nobody is called {again!r}; there are {', '.join(students)}")
    every = {one: load_questions(one, checks) for one in ASSIGNMENTS}
    possible = {question.id: len(question.probes) for asked in every.values() for question in asked}
    if has_magic(str(out)):
        raise UserError(f"{out} has one of * ? [ in it, which nbgrader takes for a pattern; choose another --out")
    limits = Limits(seconds, 6 * seconds, memory)
    hidden = folders(submissions, checks, ROOT / "solutions")
    if not unsafe:
        need_sandbox(limits, (out, *hidden))
    out.mkdir(parents=True, exist_ok=True)
    read_decisions(out, possible, students)  # before the work, so that a slip in it costs nothing
    with Processes(PRELOAD) as processes, ends_in_a_sentence():
        read_all(processes, found, jobs)
        handed_in = {number for one in found for number in one.notebooks}
        questions = {one: asked for one, asked in every.items() if one in (numbers or handed_in)}
        if not questions:
            reasons = sorted({one.trouble for one in found if one.trouble})
            raise UserError(f"{submissions} holds no notebook of an assignment: {'; '.join(reasons[:3])}")
        if again is not None:
            forget(out, again)
        course = Class(found, questions, checks_hash(checks), out, checks, hidden, limits, unsafe)
        records = grade_with_a_bar(course, secret_of(out, seed), processes, jobs)
        deadline, decisions = Deadline(due, late), read_decisions(out, possible, students)
        scores = [score(record, deadline, decisions) for record in records]
        write_tables(out, scores, {one.student: one.parts[0].owner.id or "" for one in found})
        write_gradebook(out, scores, questions, deadline)
        notebooks = {(one.student, n): notebook for one in found for n in questions if (notebook := one.of(n))}
        pages = write_feedback(out, scores, notebooks, processes, jobs)
        for reason in filter(None, tqdm(pages, total=len(notebooks), unit="page", disable=None, file=sys.stderr)):
            click.echo(reason, err=True)
    summary = {assignment_name(number): summarise(scores, number) for number in questions}
    tell_summary(summary, records)
    click.echo(f"See {out / 'grades.csv'}, and {out / 'feedback'} for what each student should get.")
    if as_json:
        print_json(summary)


def folders(*places: Path | None) -> tuple[Path, ...]:
    """Those of the places that are folders, without links in their paths."""
    return tuple(path.resolve() for path in places if path and path.is_dir())


def tell_summary(summary: dict[str, dict[str, float]], records: list[Record]) -> None:
    """Say how an assignment went, and what to talk about in the next hour."""
    for name, numbers_of in summary.items():
        click.echo("{}: {students} students, {mean:g} of {possible} points on average".format(name, **numbers_of))
        if numbers_of["not_handed_in"]:
            click.echo("  {not_handed_in} handed in nothing for it".format(**numbers_of))
        if numbers_of["with_troubles"]:
            click.echo("  {with_troubles} with trouble: see the column `reason`".format(**numbers_of))
    for (question, sentence), times in commonest_mistakes(records):
        click.echo(f"  {times} x {question}: {sentence}")


def grade_with_a_bar(course: Class, secret: str, processes: Processes, jobs: int) -> list[Record]:
    """Grade, and show how far it is."""
    total = len(course.submissions) * len(course.questions)
    with tqdm(total=total, unit="notebook", disable=None, file=sys.stderr) as bar:

        def tell(record: Record) -> None:
            bar.set_postfix_str(f"{record.student}: {record.points} of {record.possible}", refresh=False)
            bar.update()

        return grade(course, secret, processes, jobs, tell)


@contextmanager
def ends_in_a_sentence() -> Iterator[None]:
    """Turn Ctrl-C into a word on how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.ClickException("interrupted; the same command goes on from here") from None


def summarise(scores: list[Score], number: str) -> dict[str, float]:
    """An assignment in six numbers; the mean is of those who handed something in."""
    every = [one for one in scores if one.record.assignment == number]
    own = [one for one in every if not one.record.missing]
    return {
        "students": len(own),
        "not_handed_in": len(every) - len(own),
        "mean": round(sum(one.final for one in own) / max(1, len(own)), 2),
        "possible": every[0].record.possible,
        "with_troubles": sum(bool(one.record.troubles) for one in own),
        "worth_a_look": sum(bool(one.record.look) for one in own),
    }


def commonest_mistakes(records: list[Record], most: int = 3) -> list[tuple[tuple[str, str], int]]:
    """What most students were told: what to talk about in the next hour."""
    failed = (result for record in records for result in record.results if result["failure"])
    return Counter((result["question"], result["failure"]["sentence"]) for result in failed).most_common(most)


def need_sandbox(limits: Limits, hidden: Sequence[Path]) -> None:
    """Refuse to go on where students' code would not be kept away from everything; say what cannot be limited."""
    reason, kind = why_no_sandbox(), control_groups()
    if reason is None:
        tries = [f"import {module}" for module in ("minillm.course.grading", "minillm.course.checks.question")]
        tries += [f"import os; assert os.listdir({str(folder)!r})" for folder in hidden]
        statements = [Statement(f"try {place}", source) for place, source in enumerate(tries)]
        try:
            with memory_group(kind, limits.memory_mb) as before:
                found = collect(statements, [], sandboxed_command((), hidden, before), limits)
            if open_to := [one.source for one in statements if one.name not in found.troubles]:
                reason = f"the sandbox does not hide everything here ({open_to[0]})"
        except (ChildProcessError, OSError) as error:
            reason = f"bubblewrap does not work here ({error})"
    if reason:
        raise UserError(
            f"{reason}. Grade on Linux, in a container or a virtual machine that holds nothing else; or say --unsafe, "
            "if you would let every student work at your keyboard"
        )
    if kind is None:
        click.echo(NONE, err=True)
