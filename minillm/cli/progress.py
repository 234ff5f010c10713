"""minillm progress: the turns and guesses of each lesson, the points of each exercise, and what to do next."""

import sys
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from minillm.cli.common import json_option, print_json
from minillm.course.checks import ASSIGNMENTS
from minillm.course.learner.saved import workbook
from minillm.course.progress import LessonProgress, Progress, lesson_progress, progress
from minillm.errors import UserError

WIDTH = 20  # of the bar, characters


@click.command(name="progress")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--exercise", "numbers", multiple=True, metavar="NN", help="Check only this exercise; may be repeated.")
@json_option
def show_progress(folder: Path | None, numbers: tuple[str, ...], as_json: bool) -> None:
    """Print what is done in your workbook: turns, guesses and exercises, lesson by lesson.

    With FOLDER, check only the exercises there. Each notebook runs in its own process. Nothing leaves this machine.
    """
    lessons = {} if folder else lesson_progress()
    folder = folder or workbook() / "exercises"
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; `start.py setup` lays out your workbook, or name another")
    if unknown := [number for number in numbers if number not in ASSIGNMENTS]:
        raise UserError(f"there is no exercise {unknown[0]!r}; choose from {', '.join(ASSIGNMENTS)}")
    chosen = [number for number in ASSIGNMENTS if not numbers or number in numbers]
    lessons = {number: lesson for number, lesson in lessons.items() if not numbers or number in numbers}
    bar = tqdm(chosen, unit="notebook", leave=False, disable=None, file=sys.stderr)
    exercises = {number: progress(folder, number) for number in bar}
    for number in sorted(lessons.keys() | exercises.keys()):
        show(lessons.get(number), exercises.get(number))
    points = sum(exercise.points for exercise in exercises.values())
    possible = sum(exercise.possible for exercise in exercises.values())
    click.echo(f"\n{points} of {possible} points. {next_step(lessons, exercises)}")
    if as_json:
        print_json(
            {
                "points": points,
                "possible": possible,
                "exercises": [_row(exercise) for exercise in exercises.values()],
                "lessons": [_lesson_row(lesson) for lesson in lessons.values()],
            }
        )


def show(lesson: LessonProgress | None, exercise: Progress | None) -> None:
    """Print a line for a lesson, and one for each mistake in its exercise; nothing if it asks for nothing."""
    asked = _asked(lesson) if lesson else ""
    if exercise is None:
        if lesson and asked:
            click.echo(f"{Path(lesson.page).stem:28} {'':8} {'':{WIDTH}} {asked}")
        return
    click.echo(f"{_line(exercise)}{f'  {asked}' if asked else ''}")
    for result in exercise.results:
        if result.failure:
            seen = f"{result.points} of {result.possible} points. {result.failure.sentence}"
            click.echo(f"      {result.question} {result.title}: {seen}")
    if exercise.trouble:
        click.echo(f"      {exercise.path.name}: {exercise.trouble}")


def _asked(lesson: LessonProgress) -> str:
    turns = f"turns {len(lesson.done)} of {len(lesson.turns)}" if lesson.turns else ""
    guesses = f"guesses right {sum(lesson.guesses)} of {len(lesson.guesses)}" if lesson.guesses else ""
    return ", ".join(filter(None, [turns, guesses]))


def _line(exercise: Progress) -> str:
    filled = WIDTH * exercise.points // exercise.possible
    word = "done" if exercise.points == exercise.possible else "" if exercise.results else "not begun"
    points = f"{exercise.points:2} of {exercise.possible:2}"
    return f"{exercise.path.stem:28} {points} {'#' * filled}{'.' * (WIDTH - filled)} {word}".rstrip()


def next_step(lessons: dict[str, LessonProgress], exercises: dict[str, Progress]) -> str:
    """The first turn or question that is not done; lessons that are begun come first, then the order of the course."""

    def begun(number: str) -> bool:
        lesson, exercise = lessons.get(number), exercises.get(number)
        return bool((lesson and lesson.done) or (exercise and exercise.results))

    for number in sorted(lessons.keys() | exercises.keys(), key=lambda number: (not begun(number), number)):
        lesson, exercise = lessons.get(number), exercises.get(number)
        if lesson and lesson.to_do:
            turn = lesson.to_do[0]
            return f"Next: your turn {turn.id} {turn.title}, in {workbook() / lesson.page}"
        if exercise is None:
            continue
        passed = {result.question for result in exercise.results if result.passed}
        for question in exercise.questions:
            if question.id not in passed:
                return f"Next: {question.id} {question.title}, in {exercise.path}"
    return "All turns and exercises are done. Well done!" if lessons else "All exercises are done. Well done!"


def _row(exercise: Progress) -> dict[str, Any]:
    row = {name: getattr(exercise, name) for name in ("number", "points", "possible", "trouble")}
    return row | {"results": [result.to_dict() for result in exercise.results]}


def _lesson_row(lesson: LessonProgress) -> dict[str, Any]:
    guesses = {"guesses": len(lesson.guesses), "guesses_right": sum(lesson.guesses)}
    return {"number": lesson.number, "turns": len(lesson.turns), "turns_done": len(lesson.done), **guesses}
