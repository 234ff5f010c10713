"""minillm grade: grade the submissions of a class and write feedback pages."""

import os
from contextlib import suppress
from datetime import date, datetime, time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from minillm.cli.common import json_option


def parse_due(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    """Parse a date with a time, or a date alone, which means the end of that day."""
    if text is None:
        return None
    with suppress(ValueError):
        return datetime.combine(date.fromisoformat(text), time.max)
    try:
        due = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time; give one like 2026-10-01T18:00 or 2026-10-01") from None
    return due.astimezone().replace(tzinfo=None)  # local time, like the times of files


@click.command(name="grade")
@click.argument("submissions", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for all results.")
@click.option(
    "--assignment", "numbers", multiple=True, metavar="NN", help="Grade only this assignment; may be repeated."
)
@click.option("--student", "again", help="Grade this student's notebooks again, even if nothing has changed.")
@click.option("--due", callback=parse_due, metavar="TIME", help="Due time; a date alone means the end of that day.")
@click.option("--late", default=0.0, type=click.FloatRange(0, 100), help="Penalty in percent per day begun since then.")
@click.option("--seed", help="Seed of all inputs; by default a secret is drawn and kept in OUT.")
@click.option("--checks", type=click.Path(path_type=Path), help="A folder of your own checks: see teaching/grading.md.")
@click.option(
    "--roster",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Moodle's grading worksheet, Canvas's gradebook, or a CSV with a column `student`: shows who handed in "
    "nothing, and comes back with the grades.",
)
@click.option(
    "--asked",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The oral.csv of an earlier run, so that nobody is drawn again before everybody was; may be repeated.",
)
@click.option("--seconds", default=30.0, type=click.FloatRange(1), help="Time limit per step; 8 times it in all.")
@click.option("--memory", default=2000, type=click.IntRange(100), help="Memory limit per notebook, in megabytes.")
@click.option("--jobs", default=os.cpu_count() or 1, type=click.IntRange(1), help="Notebooks to grade in parallel.")
@click.option("--unsafe", is_flag=True, help="No sandbox: students' code has all your permissions.")
@json_option
def grade_class(**options: Any) -> None:
    """Grade a class: SUBMISSIONS holds a folder or a zip for each student.

    Writes to OUT: grades.csv and questions.csv, tables for Canvas and Moodle, nbgrader's gradebook, and a feedback page
    for each notebook, also packed for Canvas and Moodle. To change points, edit OUT/decisions.csv and run the same
    command again.
    """
    require_libraries()
    from minillm.cli.grading import grade_submissions  # imports torch, which the options do not need

    grade_submissions(**options)


def require_libraries() -> None:
    """Raise `ModuleNotFoundError` before the work if a library of grading is missing."""
    for library in ("nbgrader", "copydetect"):
        if find_spec(library) is None:
            raise ModuleNotFoundError(f"grading needs {library}: pip install -e '.[grading]'")
