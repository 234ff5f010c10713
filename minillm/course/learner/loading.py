"""Keep what passed in a file, and load it again: what is damaged or no longer passes never breaks a lesson."""

import os
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import lru_cache
from io import StringIO
from typing import Any

from minillm.course.checks.asking import OutOfTime, describe_error
from minillm.course.checks.time_limit import time_limit
from minillm.course.contents import TOPICS
from minillm.course.learner.calling import SECONDS
from minillm.course.learner.saved import MAIN, Part, Saved, file_of, parse, read_text, with_part
from minillm.course.learner.source import CannotSave, needs
from minillm.course.learner.trial import try_out
from minillm.course.learner.turn import Turn
from minillm.course.turns import all_turns, turns
from minillm.errors import UserError
from minillm.files import locked, write_text

NUMBERS = {topic: number for number, topic in TOPICS.items()}


@dataclass(frozen=True)
class Loaded:
    """The parts of a file that run and pass, and what is wrong with the others, by the id of the turn."""

    yours: dict[str, Any] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)  # as the end of a sentence


def load(topic: str) -> Loaded:
    """Load a topic's file; nothing where there is none. Raises only `KeyboardInterrupt`."""
    try:
        text = read_text(topic)
        return Loaded() if text is None else run(topic, text)
    except UserError as error:
        return Loaded(troubles={turn.id: f"is lost: {error}" for turn in turns(NUMBERS[topic])})


@lru_cache(maxsize=64)
def run(topic: str, text: str) -> Loaded:
    """Run the text of a file, and check again what did not pass the present check with the present source.

    Raises `UserError` for a file whose first lines are damaged.
    """
    saved, loaded = parse(text), Loaded()
    names: dict[str, Any] = {"__name__": f"mine.{topic}"}
    for statement in saved.imports.values():
        _execute(statement, topic, 1, names)  # one that fails is missed by the part that needs it
    for turn in turns(NUMBERS[topic]):
        if turn.id not in saved.parts:
            continue
        part = saved.parts[turn.id]
        trouble = _execute(part.source, topic, part.line, names) or _failed_check(turn, part, names)
        if trouble is None:
            loaded.yours[turn.id] = names[turn.name]
        else:
            loaded.troubles[turn.id] = trouble
            names[turn.name] = turn.course  # for the parts after it
    return loaded


def _execute(source: str, topic: str, line: int, names: dict[str, Any]) -> str | None:
    """Run a part of a file; returns the error as the end of a sentence, or None."""
    path = str(file_of(topic))
    try:
        with time_limit(SECONDS), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            exec(compile("\n" * (line - 1) + source, path, "exec"), names)
    except KeyboardInterrupt:
        raise
    except OutOfTime:
        return "does not end"
    except BaseException as error:
        return describe_error(error, path)
    return None


def _failed_check(turn: Turn, part: Part, names: dict[str, Any]) -> str | None:
    if turn.name not in names:
        return f"does not define `{turn.name}`"
    if part.check == turn.fingerprint(part.source):
        return None
    verdict = try_out(turn, names[turn.name])
    return (
        None if verdict.state == "right" else f"does not pass its check any more ({verdict.sentence or verdict.state})"
    )


def save(turn: Turn, source: str, names: dict[str, Any]) -> None:
    """Keep a source that passed, with what it needs from the namespace `names`.

    What is written runs by itself: it is loaded and tried before it replaces the old one. A file that somebody has
    changed is kept beside it as <topic>.py.old. Raises `CannotSave` with the reason.
    """
    path = file_of(turn.topic)
    number = NUMBERS[turn.topic]
    needed = needs(source, names, {other.name for other in all_turns()})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            before, untouched = _present(turn)
            text = with_part(before, turn, source, needed).render(number, turn.topic)
            loaded = run(turn.topic, text)
            if turn.id in loaded.troubles:
                raise CannotSave(f"in a file of its own it {loaded.troubles[turn.id]}")
            verdict = try_out(turn, loaded.yours[turn.id])
            if verdict.state != "right":
                raise CannotSave(f"in a file of its own it fails: {verdict.sentence or verdict.state}")
            if path.exists() and not untouched:
                os.replace(path, path.with_name(f"{path.name}.old"))
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                write_text(path, text)
            if not (start := path.with_name("__main__.py")).exists():  # `python -m mine`
                write_text(start, MAIN)
    except OSError as error:
        raise CannotSave(f"mine/{path.name} cannot be written ({error.strerror or error})") from None


def _present(turn: Turn) -> tuple[Saved, bool]:
    """What the file of a turn holds and can be kept, and whether what will be replaced is as it was written."""
    try:
        text = read_text(turn.topic)
        saved = Saved() if text is None else parse(text)
    except UserError:
        return Saved(), False
    whole = {id: part for id, part in saved.parts.items() if _compiles(part.source)}
    number, old = NUMBERS[turn.topic], saved.parts.get(turn.id)
    untouched = whole.keys() == saved.parts.keys() <= {other.id for other in turns(number)}
    untouched &= text is None or saved.render(number, turn.topic) == text
    untouched &= old is None or old.check == turn.fingerprint(old.source)
    return Saved(saved.imports, whole), untouched


def _compiles(source: str) -> bool:
    try:
        compile(source, "part", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
