"""The work of `minillm grade`, from the submissions to the feedback pages."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from glob import has_magic
from itertools import product
from pathlib import Path

import click
from tqdm import tqdm

from minillm.cli.common import print_json
from minillm.course.checks.cgroups import NO_GROUP_WARNING, control_groups, memory_group
from minillm.course.checks.outside import TOTAL, Limits, Statement, collect
from minillm.course.checks.question import Question
from minillm.course.checks.sandbox import sandboxed_command, why_no_sandbox
from minillm.course.contents import ASSIGNMENTS
from minillm.course.grading.archives import write_archives
from minillm.course.grading.class_report import most_common_mistakes, summarize, write_class_report
from minillm.course.grading.comparing import Comparison, compare_class
from minillm.course.grading.decisions import Deadline, read_decisions, score
from minillm.course.grading.feedback import write_feedback, write_pieces
from minillm.course.grading.grade import GradingRun, Record, forget, grade, secret_of
from minillm.course.grading.limited import Processes
from minillm.course.grading.names import assignment_name
from minillm.course.grading.notebook import read_code
from minillm.course.grading.private import checks_hash, load_questions
from minillm.course.grading.reading import read_all
from minillm.course.grading.report import asked_before, write_oral_list, write_similarity, write_tables
from minillm.course.grading.rosters import columns_of, fill, match, read_roster
from minillm.course.grading.rubric import read_rubric
from minillm.course.grading.submissions import Notebook, Submission, list_submissions
from minillm.errors import UserError

ROOT = Path(__file__).parents[2]  # of the course, unless the package is installed without it
PRELOAD = (__name__, "minillm.course.grading.preloaded")


def grade_submissions(
    submissions: Path,
    out: Path,
    numbers: tuple[str, ...],
    again: str | None,
    due: datetime | None,
    late: float,
    seed: str | None,
    checks: Path | None,
    roster: Path | None,
    asked: tuple[Path, ...],
    seconds: float,
    memory: int,
    jobs: int,
    unsafe: bool,
    as_json: bool,
) -> None:
    """Grade a class; the parameters are the options of `minillm grade`."""
    # imported late, since nbgrader may be missing
    from minillm.course.grading.gradebook import write_gradebook

    if unknown := [number for number in numbers if number not in ASSIGNMENTS]:
        raise UserError(f"there is no assignment {unknown[0]!r}; choose from {', '.join(ASSIGNMENTS)}")
    out = out.resolve()
    if out == submissions.resolve():
        raise UserError(f"{out} holds the submissions, and the results would be taken for some; choose another --out")
    if late and due is None:
        raise UserError(f"--late {late:g} needs a due time; give --due, too")
    handed_in = list_submissions(submissions, exclude=out)
    students = [submission.student for submission in handed_in]
    listed = read_roster(roster) if roster else None
    unlisted = match(listed, handed_in) if listed else []
    absent = listed.absent() if listed else []
    before = asked_before(asked)
    if again is not None and again not in students:
        raise UserError(f"there is no student {again!r}; choose from {', '.join(students)}")
    all_questions = {number: load_questions(number, checks) for number in ASSIGNMENTS}
    possible = {question.id: len(question.probes) for asked in all_questions.values() for question in asked}
    if has_magic(str(out)):
        raise UserError(f"{out} contains one of * ? [, which nbgrader takes for a pattern; choose another --out")
    limits = Limits(seconds, TOTAL * seconds, memory)
    hidden = existing_folders(submissions, checks, ROOT / "solutions")
    if not unsafe:
        require_sandbox(limits, (out, *hidden))
    out.mkdir(parents=True, exist_ok=True)
    read_decisions(out, possible, students)  # before the work, so that an error in it is found early
    read_rubric(out, [*students, *absent])
    with Processes(PRELOAD) as processes, explain_interrupt():
        with progress_bar(sum(len(submission.parts) for submission in handed_in), "read") as bar:
            read_all(processes, handed_in, jobs, bar.update)
        present = {number for submission in handed_in for number in submission.notebooks}
        questions = {number: asked for number, asked in all_questions.items() if number in (numbers or present)}
        if not questions:
            reasons = sorted({submission.trouble for submission in handed_in if submission.trouble})
            raise UserError(f"{submissions} holds no notebook of an assignment: {'; '.join(reasons[:3])}")
        columns = columns_of(listed, list(questions)) if listed else {}
        if again is not None:
            forget(out, again)
        run = GradingRun(handed_in, questions, checks_hash(checks), out, checks, hidden, limits, unsafe)
        records = grade_with_progress_bar(run, secret := secret_of(out, seed), processes, jobs)
        deadline, decisions = Deadline(due, late), read_decisions(out, possible, students)
        scores = [score(record, deadline, decisions) for record in records]
        notebooks = submitted_notebooks(handed_in, questions)
        found = compare(records, notebooks, questions, processes, jobs)
        ids = {submission.student: submission.parts[0].owner.id or "" for submission in handed_in}
        write_tables(out, scores, ids, absent, pieces := read_rubric(out, [*students, *absent]))
        write_pieces(out, pieces)
        write_class_report(out, scores, found, absent)
        write_gradebook(out, scores, questions, deadline)
        pages = write_feedback(out, scores, notebooks, processes, jobs)
        with progress_bar(len(notebooks), "pages") as bar:
            for reason in pages:
                bar.update()
                if reason:
                    click.echo(reason, err=True)
        write_similarity(out, found)
        readable = [pair for pair, notebook in notebooks.items() if not notebook.unknown]
        by_number = {number: [student for student, other in readable if other == number] for number in questions}
        write_oral_list(out, secret, by_number, found, before)
    summary = {assignment_name(number): summarize(scores, number) for number in questions}
    print_summary(summary, records, out)
    click.echo("\n".join(write_archives(out, scores, handed_in)))
    if listed:
        print_roster(len(listed.students), absent, unlisted, fill(listed, scores, columns, out))
    if as_json:
        print_json(summary)


def submitted_notebooks(submissions: Sequence[Submission], numbers: Iterable[str]) -> dict[tuple[str, str], Notebook]:
    """The submitted notebooks by student and assignment number.

    A submission of which nothing can be read is one only where there is a single assignment that it can be.
    """
    numbers = list(numbers)
    pairs = ((sub, number, sub.of(number)) for sub, number in product(submissions, numbers))
    return {(sub.student, n): book for sub, n, book in pairs if book and (len(numbers) == 1 or not book.unknown)}


def compare(
    records: Iterable[Record],
    notebooks: Mapping[tuple[str, str], Notebook],
    questions: Mapping[str, Sequence[Question]],
    processes: Processes,
    jobs: int,
) -> Comparison:
    """Compare the answers, and add to each record's `look` what is public in them."""
    with progress_bar(len(notebooks) + len(questions), "compared") as bar:
        found = compare_class(notebooks, questions, public_code(questions), processes, jobs, bar.update)
    for record in records:
        record.look += found.published.get((record.student, record.assignment), [])
    return found


def public_code(numbers: Iterable[str]) -> dict[str, list[str]]:
    """The code of each assignment's exercise and of its solution, where the course's folders are here."""
    found: dict[str, list[str]] = {}
    for number, folder in product(numbers, ("exercises", "solutions")):
        path = ROOT / folder / assignment_name(number) / f"{assignment_name(number)}.ipynb"
        if path.is_file():
            cells, _ = read_code(path.read_bytes())
            found.setdefault(number, []).append("\n".join(source for _, source in cells))
    return found


def existing_folders(*paths: Path | None) -> tuple[Path, ...]:
    """The paths that are folders, with links resolved."""
    return tuple(path.resolve() for path in paths if path and path.is_dir())


def print_summary(summary: dict[str, dict[str, float]], records: list[Record], out: Path) -> None:
    """Print the points per assignment, the most common mistakes, and where the results are."""
    for name, numbers_of in summary.items():
        click.echo("{}: {students} students, {mean:g} of {possible} points on average".format(name, **numbers_of))
        if numbers_of["not_handed_in"]:
            click.echo("  {not_handed_in} handed in nothing for it".format(**numbers_of))
        if numbers_of["late"]:
            click.echo("  {late} late, which cost {lost_by_lateness:g} points in all".format(**numbers_of))
        if numbers_of["with_troubles"]:
            click.echo("  {with_troubles} with trouble: see the column `reason`".format(**numbers_of))
    if empty := sorted({record.student for record in records if record.missing and record.troubles}):
        click.echo(f"  {len(empty)} empty or unreadable, which count as not handed in: {', '.join(empty)}")
    for (question, sentence), count in most_common_mistakes(records):
        click.echo(f"  {count} x {question}: {sentence}")
    click.echo(f"Results: {out / 'grades.csv'}. The class on one page: {out / 'class.html'}")
    click.echo(f"Pages to give to the students: {out / 'feedback'}")


def print_roster(students: int, absent: Sequence[str], unlisted: Sequence[str], filled: str | None) -> None:
    """Print who on the class list handed in nothing, and who handed in and is not on it."""
    click.echo(f"{len(absent)} of {students} on the class list handed in nothing: {', '.join(absent) or 'nobody'}")
    if unlisted:
        click.echo(f"Not on the class list: {', '.join(unlisted)}")
    if filled:
        click.echo(filled)


def progress_bar(total: int, words: str) -> tqdm:
    """A bar with the name of a phase; only in a terminal."""
    return tqdm(total=total, desc=words, disable=None, file=sys.stderr)


def grade_with_progress_bar(run: GradingRun, secret: str, processes: Processes, jobs: int) -> list[Record]:
    """Grade the class with a progress bar."""
    with progress_bar(len(run.submissions) * len(run.questions), "graded") as bar:

        def update(record: Record) -> None:
            bar.set_postfix_str(f"{record.student}: {record.points} of {record.possible}", refresh=False)
            bar.update()

        return grade(run, secret, processes, jobs, update)


@contextmanager
def explain_interrupt() -> Iterator[None]:
    """Turn Ctrl-C into a message that says how to resume."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.ClickException("interrupted; run the same command to resume") from None


def require_sandbox(limits: Limits, hidden: Sequence[Path]) -> None:
    """Raise `UserError` without a working sandbox; warn if total memory has no limit."""
    reason, kind = why_no_sandbox(), control_groups()
    if reason is None:
        tries = [f"import {module}" for module in ("minillm.course.grading", "minillm.course.checks.question")]
        tries += [f"import os; assert os.listdir({str(folder)!r})" for folder in hidden]
        statements = [Statement(f"try {index}", source) for index, source in enumerate(tries)]
        try:
            with memory_group(kind, limits.memory_mb) as before:
                troubles = collect(statements, [], sandboxed_command((), hidden, before), limits).troubles
            if allowed := [statement.source for statement in statements if statement.name not in troubles]:
                reason = f"the sandbox does not hide everything here ({allowed[0]} succeeds in it)"
        except (ChildProcessError, OSError) as error:
            reason = f"bubblewrap does not work here ({error})"
    if reason:
        raise UserError(
            f"{reason}. Grade on Linux, in a container or a virtual machine that holds nothing else. Or use --unsafe, "
            "which gives all your permissions to students' code"
        )
    if kind is None:
        click.echo(NO_GROUP_WARNING, err=True)
