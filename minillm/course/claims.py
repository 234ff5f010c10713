"""The claims that the course tests: each statement, the number that a lesson measured, and the verdict.

The table is in `claims.toml`, without the numbers. Regular expressions extract those from the stored outputs of the
built notebooks. `python tools/build_claims.py` writes `teaching/claims.md`, and reports numbers that a lesson no longer
prints. `measured.toml` does the same for the table of lessons in `notebooks/README.md`.
"""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from minillm.errors import UserError

CLAIMS = Path(__file__).with_name("claims.toml")
MEASURED = Path(__file__).with_name("measured.toml")


class Verdict(Enum):
    """What became of a claim."""

    HOLDS = "holds"
    CONDITION = "holds with a condition"
    LOOSE = "loose"


class Reading(NamedTuple):
    """Where a lesson shows what decides a claim: a pattern that matches there exactly once."""

    lesson: str  # "04"
    pattern: str  # a regular expression whose named groups are the numbers; ^ and $ are the ends of a line
    place: str = "output"  # or "code": an assertion, which says something because the cell has run


@dataclass(frozen=True)
class Claim:
    """A statement in our own words, and what the lessons have to say about it."""

    statement: str
    readings: tuple[Reading, ...]
    measured: str  # names of groups in braces, with a format where the lesson's digits are too many: {loss:.1f}
    verdict: Verdict
    why: str


@dataclass(frozen=True)
class Chapter:
    """The claims of one chapter of the text that the course began with."""

    title: str
    claims: tuple[Claim, ...]


class Lesson(NamedTuple):
    """A built lesson: its file, what its executed cells hold, and what they have printed."""

    file: str
    code: str
    output: str


class Figure(str):
    """A piece of a lesson's output: as it stands there, or as a number where a format asks for one.

    >>> f"{Figure('9,874')} {Figure('9,874'):.1e} {Figure('0.50'):.0%}"
    '9,874 9.9e+03 50 %'
    """

    def __format__(self, spec: str) -> str:
        return format(float(self.replace(",", "")), spec).replace("%", " %") if spec else str(self)


def load_claims(path: Path = CLAIMS) -> tuple[Chapter, ...]:
    """The table of claims; raises `ValueError` for a file that holds none, or a verdict that there is not.

    >>> load_claims()[0].title
    'What a language model is'
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return tuple(Chapter(part["title"], tuple(map(_claim, part["claim"]))) for part in content["chapter"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path.name} holds no table of claims: {error!r}") from error


def _claim(entry: Mapping[str, Any]) -> Claim:
    readings = tuple(Reading(*reading) for reading in entry["readings"])
    return Claim(entry["statement"], readings, entry["measured"], Verdict(entry["verdict"]), entry["why"])


def load_lessons(folder: Path) -> dict[str, Lesson]:
    """The built lessons of a folder by their number: {"00": ..., "00a": ..., ...}."""
    lessons = {}
    for path in sorted(folder.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        executed = [cell for cell in cells if cell.get("execution_count")]
        outputs = [output for cell in executed for output in cell["outputs"]]
        code = ["".join(cell["source"]) for cell in executed]
        lessons[path.stem.split("_")[0]] = Lesson(path.name, "\n".join(code), "\n".join(map(_text_of, outputs)))
    return lessons


def _text_of(output: Mapping[str, Any]) -> str:
    """What a reader can read of an output; of a picture it is the caption, which is an output of its own."""
    data = output.get("data", {})
    return "".join(output.get("text") or data.get("text/markdown") or data.get("text/plain") or "")


def measure(claim: Claim, lessons: Mapping[str, Lesson]) -> str:
    """What the lessons measured about a claim, as a phrase with their numbers in it.

    Raises `ValueError`, with claim, lesson and pattern, where the pattern matches anything but once.

    >>> lessons = {"07": Lesson("07_sampling.ipynb", "", "kept 224 of 49,152 tokens")}
    >>> claim = Claim("A cut is a cut", (Reading("07", r"kept (?P<n>\\d+) of"),), "{n} tokens stay", Verdict.HOLDS, "")
    >>> measure(claim, lessons)
    '224 tokens stay'
    """
    return _filled(claim.measured, claim.readings, lessons, f"claim {claim.statement!r}", CLAIMS.name)


def _filled(
    measured: str, readings: Iterable[Reading], lessons: Mapping[str, Lesson], asked_by: str, table: str
) -> str:
    """The phrase with the readings' numbers in it; `asked_by` and `table` say in an error whose they are."""
    found: dict[str, Figure] = {}
    for lesson, pattern, place in readings:
        where = f"{asked_by}: lesson {lesson}"
        if lesson not in lessons:
            raise UserError(f"{where} is not built; there are {', '.join(lessons)}")
        matches = list(re.finditer(pattern, getattr(lessons[lesson], place), re.MULTILINE))
        if len(matches) != 1:
            told = f"{where} has {len(matches)} matches of {pattern!r} in its {place}, where one is needed"
            raise UserError(f"{told}; mend the lesson's line, or the pattern in {table}")
        found |= {name: Figure(text) for name, text in matches[0].groupdict().items()}
    try:
        return measured.format(**found)
    except KeyError as name:
        raise UserError(f"{asked_by}: no pattern has a group {name}, which {measured!r} asks for") from None


def tally(chapters: Iterable[Chapter]) -> str:
    """How many claims there are of each verdict, as a sentence.

    >>> tally([Chapter("Sampling", (Claim("A cut is a cut", (), "", Verdict.HOLDS, ""),))])
    'Of 1 statements 1 hold, 0 hold with a condition, and 0 are loose.'
    """
    counts = Counter(claim.verdict for chapter in chapters for claim in chapter.claims)
    hold, condition, loose = (counts[verdict] for verdict in Verdict)
    return f"Of {counts.total()} statements {hold} hold, {condition} hold with a condition, and {loose} are loose."


def table(chapters: Sequence[Chapter], lessons: Mapping[str, Lesson], notebooks: str) -> str:
    """All claims as Markdown: the tally, and for each chapter a heading and its rows.

    `notebooks` is the way from the page to the lessons' folder.
    """
    parts = [f"## {chapter.title}\n\n{_rows(chapter.claims, lessons, notebooks)}" for chapter in chapters]
    return "\n\n".join([tally(chapters), *parts])


def _rows(claims: Iterable[Claim], lessons: Mapping[str, Lesson], notebooks: str) -> str:
    rows = ["| statement | lesson | measured | verdict |", "| --- | --- | --- | --- |"]
    for claim in claims:
        measured, numbers = measure(claim, lessons), sorted({reading.lesson for reading in claim.readings})
        links = " ".join(f"[{number}]({notebooks}/{lessons[number].file})" for number in numbers)
        cells = [claim.statement, links, measured, f"**{claim.verdict.value}**: {claim.why}"]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def lesson_table(lessons: Mapping[str, Lesson], path: Path = MEASURED) -> str:
    """What each lesson measures, as a Markdown table for a page beside the lessons.

    Raises `ValueError` as `measure` does.
    """
    rows = ["| NN | lesson | what it measures at the end |", "| --- | --- | --- |"]
    for entry in tomllib.loads(path.read_text(encoding="utf-8"))["lesson"]:
        number, readings = entry["number"], [Reading(*reading) for reading in entry["readings"]]
        measured = _filled(entry["measured"], readings, lessons, f"row {number}", path.name)
        rows.append(f"| {number} | [{entry['title']}]({lessons[number].file}) | {measured} |")
    return "\n".join(rows)
