"""minillm progress: which exercises are solved, their points, and what to do next."""

import sys
from pathlib import Path

import click
from tqdm import tqdm

from minillm.cli.common import json_option, print_json
from minillm.course.checks import ASSIGNMENTS
from minillm.course.progress import Progress, progress
from minillm.errors import UserError

WIDTH = 20  # of the bar, characters


@click.command(name="progress")
@click.argument("folder", default="exercises", type=click.Path(path_type=Path))
@click.option("--exercise", "numbers", multiple=True, metavar="NN", help="Only this one; may be repeated.")
@json_option
def show_progress(folder: Path, numbers: tuple[str, ...], as_json: bool) -> None:
    """Run the notebooks in FOLDER, each in a process of its own, and ask their checks. Nothing leaves this machine."""
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; go to the course's folder, or say where your exercises are")
    if unknown := [number for number in numbers if number not in ASSIGNMENTS]:
        raise UserError(f"there is no exercise {unknown[0]!r}; there are {', '.join(ASSIGNMENTS)}")
    chosen = [number for number in ASSIGNMENTS if not numbers or number in numbers]
    found = [
        progress(folder, number) for number in tqdm(chosen, unit="notebook", leave=False, disable=None, file=sys.stderr)
    ]
    for one in found:
        click.echo(_line(one))
        for result in one.results:
            if result.failure:
                seen = f"{result.points} of {result.possible} points. {result.failure.sentence}"
                click.echo(f"      {result.question} {result.title}: {seen}")
        if one.trouble:
            click.echo(f"      {one.path.name}: {one.trouble}")
    points, possible = sum(one.points for one in found), sum(one.possible for one in found)
    click.echo(f"\n{points} of {possible} points. {_next(found)}")
    if as_json:
        names = ("number", "points", "possible", "trouble")
        rows = [
            {name: getattr(one, name) for name in names} | {"results": [r.to_dict() for r in one.results]}
            for one in found
        ]
        print_json({"points": points, "possible": possible, "exercises": rows})


def _line(one: Progress) -> str:
    filled = WIDTH * one.points // one.possible
    word = "done" if one.points == one.possible else "" if one.results else "not begun"
    return (
        f"{one.path.stem:28} {one.points:2} of {one.possible:2} {'#' * filled}{'.' * (WIDTH - filled)} {word}".rstrip()
    )


def _next(found: list[Progress]) -> str:
    """The first question without full points: of a notebook that is begun, if there is one."""
    for one in sorted(found, key=lambda one: not one.results):
        passed = {result.question for result in one.results if result.passed}
        for question in one.questions:
            if question.id not in passed:
                return f"Next: {question.id} {question.title}, in {one.path}"
    return "That is all of them: well done."
