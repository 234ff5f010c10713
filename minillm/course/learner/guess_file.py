"""The workbook's guesses.json: by question the guess, the answer once there was one, and whether it was a surprise."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from minillm.course.learner.saved import workbook
from minillm.files import locked, read_json, write_json

MAX_BYTES = 1_000_000


def guesses() -> dict[str, dict[str, Any]]:
    """What is kept, by question; nothing if the file is missing or damaged.

    An entry has `guess`, which is None if the answer was asked for without one, then `answer` and `surprise`.
    """
    try:
        kept = read_json(_file(), MAX_BYTES)
    except (OSError, ValueError):
        return {}
    return {question: entry for question, entry in kept.items() if isinstance(entry, dict) and "guess" in entry}


def keep(question: str, entry: dict[str, Any]) -> None:
    """Write down what is known of one question. Raises `OSError`."""
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        kept = guesses()
        if kept.get(question) != entry:
            write_json(path, kept | {question: entry})


def outcomes() -> dict[str, bool]:
    """Whether the guess was right, for each question that was guessed and then answered; a surprise was not."""
    answered = {question: entry for question, entry in guesses().items() if "answer" in entry}
    return {question: not _surprise(entry) for question, entry in answered.items() if entry["guess"] is not None}


def surprises(questions: Iterable[str]) -> tuple[int, int]:
    """How many of these questions were guessed and then answered, and how many of those answers were a surprise."""
    kept = outcomes()
    right = [kept[question] for question in questions if question in kept]
    return len(right), right.count(False)


def _surprise(entry: dict[str, Any]) -> bool:
    """An entry of an older version does not say it, and has no numbers."""
    return bool(entry.get("surprise", entry["guess"] != entry["answer"]))


def _file() -> Path:
    return workbook() / "guesses.json"
