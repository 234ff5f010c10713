"""minillm progress: what is done in each lesson, the points of each exercise, and what to do next."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from minillm.cli.common import json_option, print_json
from minillm.course import home
from minillm.course.contents import ASSIGNMENTS
from minillm.course.exercise_progress import ExerciseProgress, exercise_progress
from minillm.course.learner.saved import workbook
from minillm.course.progress import LessonProgress, keep_points, lesson_progress, next_lesson, predictions
from minillm.course.workbook import from_anywhere
from minillm.errors import UserError

WIDTH = 10  # of the bar, characters


@click.command(name="progress")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--exercise", "numbers", multiple=True, metavar="NN", help="Check only this exercise; may be repeated.")
@json_option
def show_progress(folder: Path | None, numbers: tuple[str, ...], as_json: bool) -> None:
    """Print what is done in your workbook: the parts you wrote, your guesses and exercises, lesson by lesson.

    With FOLDER, check only the exercises there. Each notebook runs in its own process. Nothing leaves this machine.
    """
    from_anywhere()
    own = folder is None
    lessons = lesson_progress() if own else {}
    folder = folder or workbook() / "exercises"
    if not folder.is_dir():
        raise UserError(
            f"there is no folder {folder}; `python3 start.py` in the course's folder lays out your workbook, or name "
            "another"
        )
    if unknown := [number for number in numbers if number not in ASSIGNMENTS]:
        raise UserError(f"there is no exercise {unknown[0]!r}; choose from {', '.join(ASSIGNMENTS)}")
    chosen = [number for number in ASSIGNMENTS if not numbers or number in numbers]
    bar = tqdm(chosen, unit="notebook", leave=False, disable=None, file=sys.stderr)
    exercises = {number: exercise_progress(folder, number) for number in bar}
    if own:
        found = {number: (each.points, each.possible) for number, each in exercises.items() if not each.trouble}
        with suppress(OSError):  # only the page that opens the course reads it
            keep_points(found)
        home.renew()
    for number in sorted(lessons.keys() | exercises.keys()):
        if not numbers or number in numbers:
            show(lessons.get(number), exercises.get(number))
    points = sum(exercise.points for exercise in exercises.values())
    possible = sum(exercise.possible for exercise in exercises.values())
    sentence = next_step(lessons, exercises)
    click.echo(f"\n{points} of {possible} points. {sentence}")
    if as_json:
        rows = [_lesson_row(lesson) for number, lesson in lessons.items() if not numbers or number in numbers]
        exercise_rows = [_row(exercise) for exercise in exercises.values()]
        print_json(
            {"points": points, "possible": possible, "next": sentence, "exercises": exercise_rows, "lessons": rows}
        )


def show(lesson: LessonProgress | None, exercise: ExerciseProgress | None) -> None:
    """Print a line for a lesson with its exercise, and one for each mistake in the exercise."""
    name = f"{lesson.number:3} {lesson.short_title}" if lesson else exercise.path.stem if exercise else ""
    columns = [f"{name:28}"]
    if lesson:
        columns += [f"{lesson.state:24}", f"{predictions(lesson.guesses, lesson.surprises):24}"]
    if exercise:
        filled = WIDTH * exercise.points // exercise.possible
        columns.append(f"exercise {exercise.points:2} of {exercise.possible:2} {'#' * filled}{'.' * (WIDTH - filled)}")
    click.echo(" ".join(columns).rstrip())
    for result in exercise.results if exercise else ():
        if result.failure:
            seen = f"{result.points} of {result.possible} points. {result.failure.sentence}"
            click.echo(f"      {result.question} {result.title}: {seen}")
    if exercise and exercise.trouble:
        click.echo(f"      {exercise.path.name}: {exercise.trouble}")


def next_step(lessons: dict[str, LessonProgress], exercises: dict[str, ExerciseProgress]) -> str:
    """What to do next: an exercise that is begun and whose lesson is done, the next lesson, or what is left."""
    lesson = next_lesson(lessons)
    begun = [e for e in exercises.values() if e.results and (e.number not in lessons or lessons[e.number].is_done)]
    for exercise in begun if lesson else [*begun, *exercises.values()]:
        passed = {result.question for result in exercise.results if result.passed}
        for question in exercise.questions:
            if question.id not in passed:
                return f"Next: exercise {question.id}: {question.title}, in {exercise.path}"
    if lesson is None:
        return "All lessons and exercises are done. Well done!" if lessons else "All exercises are done. Well done!"
    turn = f", your turn {lesson.to_do[0].id}: {lesson.to_do[0].title}" if lesson.is_begun and lesson.to_do else ""
    return f"Next: lesson {lesson.number}: {lesson.short_title}{turn}, in {workbook() / lesson.page}"


def _row(exercise: ExerciseProgress) -> dict[str, Any]:
    row = {name: getattr(exercise, name) for name in ("number", "points", "possible", "trouble")}
    return row | {"results": [result.to_dict() for result in exercise.results]}


def _lesson_row(lesson: LessonProgress) -> dict[str, Any]:
    names = ("number", "title", "minutes", "page", "lab", "exercise", "state", "is_begun", "is_done")
    names += ("cells", "cells_run", "guesses", "surprises")
    turns = [
        {"id": turn.id, "title": turn.title, "done": turn.id in lesson.done}
        for turn in (*lesson.turns, *lesson.lab_turns)
    ]
    return {name: getattr(lesson, name) for name in names} | {"turns": turns}
