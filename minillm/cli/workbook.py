"""minillm workbook: lay out the learner's own copies of lessons and exercises, or put one back. `start.py` calls it."""

from pathlib import PurePosixPath

import click

from minillm import assets
from minillm.course import home
from minillm.course.workbook import Report, catch_up, find_page, from_anywhere, lay_out, number_of, reset, short_name
from minillm.errors import UserError


@click.command()
@click.option("--reset", "page", metavar="NN", help="Put lesson NN back; NN_lab is its lab, exercises/NN its exercise.")
@click.option("--fetch", "names", multiple=True, metavar="NAME", help="First fetch this asset; may be repeated.")
@click.option("--solved", is_flag=True, help="With --reset: fill in the turns of the lessons before it.")
def workbook(page: str | None, names: tuple[str, ...], solved: bool) -> None:
    """Lay out your copies of the lessons and exercises.

    A copy that you have written in is never overwritten. The others are renewed when the course changes, and so is
    Home.md, the page that opens the course.
    """
    from_anywhere()
    for name in names:
        fetched(name)
    if solved and page is None:
        raise UserError("--solved belongs to --reset NN: it fills in the turns of the lessons before NN")
    found = None if page is None else find_page(page)
    if found is not None:
        kept = reset(found)[1]
        click.echo(f"{found} is as the course has it." + (f" Yours is beside it: {kept.name}" if kept else ""))
    for sentence in sentences(lay_out()):
        click.echo(sentence)
    if solved and found is not None:
        caught_up(number_of(found))
    try:
        home.write()
    except UserError as error:  # the lessons are there
        click.echo(str(error))


def fetched(name: str) -> None:
    """Fetch an asset; a failure is only told, because most of the course works without it."""
    try:
        assets.fetch(name)
    except assets.AssetError as error:
        click.echo(f"{error}\nContinuing without {name}; the next start tries again.", err=True)


def sentences(report: Report) -> list[str]:
    """What was done, and what was left alone and why."""
    said = []
    if report.new == report.pages:
        n_exercises = sum("/" in name for name in report.pages)
        said.append(
            f"Your workbook is {report.folder}: {len(report.pages) - n_exercises} lessons and labs, "
            f"{n_exercises} exercises."
        )
    elif report.new:
        said.append(f"New in your workbook: {_listed(report.new)}.")
    if report.renewed:
        said.append(f"Renewed, since nobody had written in them: {_listed(report.renewed)}.")
    if report.outdated:
        said.append(
            f"Kept with what was written in them, though the course has newer versions: {_listed(report.outdated)}. "
            f"`python3 start.py reset {short_name(report.outdated[0])}` takes the new one and keeps yours beside it."
        )
    for name, reason in report.left.items():
        said.append(
            f"{name} is left alone: {reason.rstrip('.')}. `python3 start.py reset {short_name(name)}` puts a fresh one "
            "there and keeps this one beside it."
        )
    if report.gone:
        said.append(f"No longer part of the course, and kept: {_listed(report.gone)}.")
    return said


def _listed(names: list[str]) -> str:
    return ", ".join(f"exercises/{PurePosixPath(name).stem}" if "/" in name else name for name in names)


def caught_up(number: str) -> None:
    """Catch up to a lesson, and print what was done."""
    done = catch_up(number)
    for path in done.kept:
        click.echo(f"You had written in a page that was filled in; as it was, it is {path.name}.")
    for what, trouble in done.troubles.items():
        click.echo(f"{what} {trouble}")
    click.echo(
        f"Filled in before lesson {number}, and saved in mine/: {', '.join(done.turns)}."
        if done.turns
        else f"No turn before lesson {number} was missing."
    )
