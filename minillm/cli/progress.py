"""minillm progress: the points of each exercise, and what to do next."""

import sys
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from minillm.cli.common import json_option, print_json
from minillm.course.checks import ASSIGNMENTS
from minillm.course.progress import Progress, progress
from minillm.errors import UserError

WIDTH = 20  # of the bar, characters


@click.command(name="progress")
@click.argument("folder", default="exercises", type=click.Path(path_type=Path))
@click.option("--exercise", "numbers", multiple=True, metavar="NN", help="Check only this exercise; may be repeated.")
@json_option
def show_progress(folder: Path, numbers: tuple[str, ...], as_json: bool) -> None:
    """Check the exercises in FOLDER and print your points.

    Each notebook runs in its own process. Nothing leaves this machine.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; go to the course's folder, or give the path of your exercises")
    if unknown := [number for number in numbers if number not in ASSIGNMENTS]:
        raise UserError(f"there is no exercise {unknown[0]!r}; choose from {', '.join(ASSIGNMENTS)}")
    chosen = [number for number in ASSIGNMENTS if not numbers or number in numbers]
    bar = tqdm(chosen, unit="notebook", leave=False, disable=None, file=sys.stderr)
    exercises = [progress(folder, number) for number in bar]
    for exercise in exercises:
        click.echo(_line(exercise))
        for result in exercise.results:
            if result.failure:
                seen = f"{result.points} of {result.possible} points. {result.failure.sentence}"
                click.echo(f"      {result.question} {result.title}: {seen}")
        if exercise.trouble:
            click.echo(f"      {exercise.path.name}: {exercise.trouble}")
    points = sum(exercise.points for exercise in exercises)
    possible = sum(exercise.possible for exercise in exercises)
    click.echo(f"\n{points} of {possible} points. {_next(exercises)}")
    if as_json:
        print_json({"points": points, "possible": possible, "exercises": [_row(exercise) for exercise in exercises]})


def _row(exercise: Progress) -> dict[str, Any]:
    row = {name: getattr(exercise, name) for name in ("number", "points", "possible", "trouble")}
    return row | {"results": [result.to_dict() for result in exercise.results]}


def _line(exercise: Progress) -> str:
    filled = WIDTH * exercise.points // exercise.possible
    word = "done" if exercise.points == exercise.possible else "" if exercise.results else "not begun"
    points = f"{exercise.points:2} of {exercise.possible:2}"
    return f"{exercise.path.stem:28} {points} {'#' * filled}{'.' * (WIDTH - filled)} {word}".rstrip()


def _next(exercises: list[Progress]) -> str:
    """The first question without full points; exercises that are begun come first."""
    for exercise in sorted(exercises, key=lambda exercise: not exercise.results):
        passed = {result.question for result in exercise.results if result.passed}
        for question in exercise.questions:
            if question.id not in passed:
                return f"Next: {question.id} {question.title}, in {exercise.path}"
    return "All exercises are done. Well done!"
