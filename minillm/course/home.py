"""The page that opens the course, workbook/Home.md: what is yours, what comes next, and all lessons.

JupyterLab shows it as a preview, so that no kernel has to start. It is written anew whenever something may have
changed, from `progress`; nothing is run for it.
"""

import base64
from collections.abc import Mapping
from contextlib import suppress
from html import escape
from pathlib import Path
from urllib.parse import quote

from minillm.course.learner.saved import workbook
from minillm.course.progress import LessonProgress, kept_points, lesson_progress, next_lesson, predictions
from minillm.course.strip import STATIONS, drawn, state
from minillm.course.workbook import MANIFEST
from minillm.errors import UserError
from minillm.files import read_json, write_json, write_text

NAME = "Home.md"
MAP = ".map.json"  # in the workbook: the map as it was drawn last, since drawing takes a second
MAX_MAP_BYTES = 2_000_000
OURS = (
    "This page is written anew by every start of the course, by `minillm progress`, and when a part of yours passes; "
    "what you write into it is lost."
)
HEAD = "| Lesson | Minutes | | |\n| --- | ---: | --- | --- |"


def renew() -> None:
    """Write the page anew, if there is a workbook. Never raises: a lesson goes on without it."""
    with suppress(Exception):
        if (workbook() / MANIFEST).is_file():
            write()


def write() -> Path:
    """Write the page, whole or not at all; returns its path. Raises `UserError` if it cannot be written."""
    path = workbook() / NAME
    text = render(lesson_progress(), kept_points())
    try:
        if not path.is_file() or path.read_bytes() != text.encode():
            write_text(path, text)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}); move it away") from None
    return path


def render(lessons: Mapping[str, LessonProgress], points: Mapping[str, tuple[int, int]]) -> str:
    """The text of the page; the same state gives the same text."""
    rows = [_row(lesson, points.get(lesson.number)) for lesson in lessons.values()]
    table = "\n".join([HEAD, *rows])
    blocks = ["# Write a language model yourself", _next(lessons), _map(next_lesson(lessons))]
    return "\n\n".join([*blocks, _sums(lessons, points), table, f"*{OURS}*"]) + "\n"


def _next(lessons: Mapping[str, LessonProgress]) -> str:
    """The first link of the page."""
    lesson = next_lesson(lessons)
    if lesson is None:
        return '<p class="minillm-go">All lessons are done. Well done!</p>'
    verb = "Go on" if any(each.is_begun for each in lessons.values()) else "Begin"
    name = escape(f"{verb} with {lesson.number} · {lesson.short_title}")
    turn = f"your turn: {lesson.to_do[0].title}" if lesson.is_begun and lesson.to_do else ""
    facts = [turn, f"{lesson.minutes} minutes" if lesson.minutes else "", lesson.state if lesson.is_begun else ""]
    about = escape(" · ".join(filter(None, facts)))
    return f'<p class="minillm-go"><a href="{quote(lesson.page)}">{name}</a> {about}</p>'


def _map(lesson: LessonProgress | None) -> str:
    """The map of the model, once for each theme of JupyterLab; `custom.css` shows one of them.

    The pictures are in the text itself, so that both change at once and no browser shows an old one.
    """
    number = lesson.number if lesson and lesson.number in {station.lesson for station in STATIONS} else "00"
    shown, path = state(number), workbook() / MAP
    with suppress(OSError, ValueError):
        kept = read_json(path, MAX_MAP_BYTES)
        if kept.get("state") == shown and isinstance(kept.get("text"), str):
            return kept["text"]
    text = _drawn_map(number)
    with suppress(OSError):
        write_json(path, {"state": shown, "text": text})
    return text


def _drawn_map(number: str) -> str:
    drawings = {theme: drawn(number, theme) for theme in ("light", "dark")}
    for diagram in drawings.values():
        diagram.figure.set_facecolor("none")
    sources = {theme: base64.b64encode(each.svg().encode()).decode() for theme, each in drawings.items()}
    alt = escape(drawings["light"].alt)
    pictures = [
        f'<img class="minillm-{theme}" alt="{alt}" src="data:image/svg+xml;base64,{source}">'
        for theme, source in sources.items()
    ]
    return f"<p>{''.join(pictures)}</p>"


def _sums(lessons: Mapping[str, LessonProgress], points: Mapping[str, tuple[int, int]]) -> str:
    """The course in one line."""
    every = lessons.values()
    asked = sum(len(lesson.turns) + len(lesson.lab_turns) for lesson in every)
    hours = round(sum(lesson.minutes or 0 for lesson in every if not lesson.is_done) / 60)
    guesses, surprises = (sum(getattr(lesson, name) for lesson in every) for name in ("guesses", "surprises"))
    sums = [
        f"{sum(lesson.is_done for lesson in every)} of {len(every)} lessons done",
        f"{sum(len(lesson.done) for lesson in every)} of {asked} parts yours" if asked else "",
        f"about {hours} hours to go" if hours > 1 else "",
        predictions(guesses, surprises),
        "{} of {} points in the exercises".format(*map(sum, zip(*points.values(), strict=True))) if points else "",
    ]
    return " · ".join(filter(None, sums))


def _row(lesson: LessonProgress, points: tuple[int, int] | None) -> str:
    title, _, about = lesson.title.partition(": ")
    name = f"[{lesson.number} · {_cell(title)}]({quote(lesson.page)})"
    if about:
        name += f' <span class="minillm-about">{_cell(about)}</span>'
    state = "✓ " * lesson.is_done + lesson.state
    if lesson.surprises:
        state += f", {lesson.surprises} surprise{'s' * (lesson.surprises > 1)}"
    more = [f"[{_kind(lab)}lab]({quote(lab)})" for lab in lesson.labs]
    if lesson.exercise:
        more.append(f"[exercise]({quote(lesson.exercise)})" + (" {} of {}".format(*points) if points else ""))
    return f"| {name} | {lesson.minutes or ''} | {state} | {' · '.join(more)} |"


def _kind(lab: str) -> str:
    """What sets a second lab apart.

    >>> _kind("08_pretraining_data_lab.ipynb"), _kind("08_pretraining_lab.ipynb")
    ('data ', '')
    """
    return next((f"{kind} " for kind in ("data", "tiles") if lab.endswith(f"_{kind}_lab.ipynb")), "")


def _cell(text: str) -> str:
    return escape(text, quote=False).replace("|", "&#124;")
