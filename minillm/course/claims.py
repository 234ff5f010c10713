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

from minillm.course.workbook import short_name
from minillm.errors import UserError

CLAIMS = Path(__file__).with_name("claims.toml")
MEASURED = Path(__file__).with_name("measured.toml")


class Verdict(Enum):
    """The verdict on a claim."""

    HOLDS = "holds"
    CONDITION = "holds with a condition"
    LOOSE = "loose"


class Reading(NamedTuple):
    """Where to find a number in a lesson: a pattern that matches exactly once."""

    lesson: str  # "04"
    pattern: str  # a regular expression whose named groups are the numbers; ^ and $ match at line ends
    place: str = "output"  # or "code": an assertion in an executed cell


@dataclass(frozen=True)
class Claim:
    """A statement and the lessons' evidence about it."""

    statement: str
    readings: tuple[Reading, ...]
    measured: str  # a phrase with group names in braces, optionally with a format: {loss:.1f}
    verdict: Verdict
    why: str


@dataclass(frozen=True)
class Chapter:
    """The claims about one topic."""

    title: str
    claims: tuple[Claim, ...]


class Lesson(NamedTuple):
    """A built lesson: its file, the code of its executed cells, and their outputs."""

    file: str
    code: str
    output: str


class Figure(str):
    """A number from a lesson's output: printed unchanged, or reformatted if a format is given.

    >>> f"{Figure('9,874')} {Figure('9,874'):.1e} {Figure('0.50'):.0%}"
    '9,874 9.9e+03 50 %'
    """

    def __format__(self, spec: str) -> str:
        return format(float(self.replace(",", "")), spec).replace("%", " %") if spec else str(self)


def load_claims(path: Path = CLAIMS) -> tuple[Chapter, ...]:
    """Read the table of claims; raises `UserError` for an invalid file or an unknown verdict.

    >>> load_claims()[0].title
    'What a language model is'
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return tuple(Chapter(part["title"], tuple(map(_claim, part["claim"]))) for part in content["chapter"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path.name} is not a table of claims: {error!r}") from error


def _claim(entry: Mapping[str, Any]) -> Claim:
    readings = tuple(Reading(*reading) for reading in entry["readings"])
    return Claim(entry["statement"], readings, entry["measured"], Verdict(entry["verdict"]), entry["why"])


def load_lessons(folder: Path) -> dict[str, Lesson]:
    """Read the built lessons and labs of a folder by number: {"00": ..., "00a": ..., "04": ..., "04_lab": ...}."""
    lessons = {}
    for path in sorted(folder.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        executed = [cell for cell in cells if cell.get("execution_count")]
        outputs = [output for cell in executed for output in cell["outputs"]]
        code = ["".join(cell["source"]) for cell in executed]
        lessons[short_name(path.name)] = Lesson(path.name, "\n".join(code), "\n".join(map(_text_of, outputs)))
    return lessons


def _text_of(output: Mapping[str, Any]) -> str:
    """The text of an output; for a figure, the sentence that says what it shows."""
    data = output.get("data", {})
    if alt := output.get("metadata", {}).get("image/png", {}).get("alt"):
        return alt
    return "".join(output.get("text") or data.get("text/markdown") or data.get("text/plain") or "")


def measure(claim: Claim, lessons: Mapping[str, Lesson]) -> str:
    """Fill the lessons' numbers into a claim's phrase.

    Raises `UserError`, naming claim, lesson and pattern, unless each pattern matches exactly once.

    >>> lessons = {"07": Lesson("07_sampling.ipynb", "", "kept 224 of 49,152 tokens")}
    >>> claim = Claim("A cut is a cut", (Reading("07", r"kept (?P<n>\\d+) of"),), "{n} tokens stay", Verdict.HOLDS, "")
    >>> measure(claim, lessons)
    '224 tokens stay'
    """
    return _filled(claim.measured, claim.readings, lessons, f"claim {claim.statement!r}", CLAIMS.name)


def _filled(
    measured: str, readings: Iterable[Reading], lessons: Mapping[str, Lesson], asked_by: str, table: str
) -> str:
    """Fill the readings' numbers into a phrase; `asked_by` and `table` are used in error messages."""
    found: dict[str, Figure] = {}
    for lesson, pattern, place in readings:
        where = f"{asked_by}: lesson {lesson}"
        if lesson not in lessons:
            raise UserError(f"{where} is not built; there are {', '.join(lessons)}")
        matches = list(re.finditer(pattern, getattr(lessons[lesson], place), re.MULTILINE))
        if len(matches) != 1:
            problem = f"{where} has {len(matches)} matches of {pattern!r} in its {place}, not 1"
            raise UserError(f"{problem}; fix the lesson's line, or the pattern in {table}")
        found |= {name: Figure(text) for name, text in matches[0].groupdict().items()}
    try:
        return measured.format(**found)
    except KeyError as name:
        raise UserError(f"{asked_by}: no pattern has a group {name}, which {measured!r} asks for") from None


def tally(chapters: Iterable[Chapter]) -> str:
    """Summarize the number of claims per verdict in a sentence.

    >>> tally([Chapter("Sampling", (Claim("A cut is a cut", (), "", Verdict.HOLDS, ""),))])
    'Of 1 statements 1 hold, 0 hold with a condition, and 0 are loose.'
    """
    counts = Counter(claim.verdict for chapter in chapters for claim in chapter.claims)
    hold, condition, loose = (counts[verdict] for verdict in Verdict)
    return f"Of {counts.total()} statements {hold} hold, {condition} hold with a condition, and {loose} are loose."


def table(chapters: Sequence[Chapter], lessons: Mapping[str, Lesson], notebooks: str) -> str:
    """Format all claims as Markdown: the tally, then a heading and a table per chapter.

    `notebooks` is the relative path from the page to the folder of the lessons.
    """
    parts = [f"## {chapter.title}\n\n{_rows(chapter.claims, lessons, notebooks)}" for chapter in chapters]
    return "\n\n".join([tally(chapters), *parts])


def _rows(claims: Iterable[Claim], lessons: Mapping[str, Lesson], notebooks: str) -> str:
    rows = ["| statement | lesson | measured | verdict |", "| --- | --- | --- | --- |"]
    for claim in claims:
        measured, numbers = measure(claim, lessons), sorted({reading.lesson for reading in claim.readings})
        links = " ".join(f"[{_shown(number)}]({notebooks}/{lessons[number].file})" for number in numbers)
        cells = [claim.statement, links, measured, f"**{claim.verdict.value}**: {claim.why}"]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _shown(number: str) -> str:
    """A number in a table: "04 lab" for the lab of lesson 04."""
    return number.replace("_", " ")


def lesson_table(lessons: Mapping[str, Lesson], path: Path = MEASURED) -> str:
    """Format what each lesson measures as a Markdown table, for a page in the lessons' folder.

    Raises `UserError` as `measure` does.
    """
    rows = ["| NN | lesson | what it measures at the end |", "| --- | --- | --- |"]
    for entry in tomllib.loads(path.read_text(encoding="utf-8"))["lesson"]:
        number, readings = entry["number"], [Reading(*reading) for reading in entry["readings"]]
        measured = _filled(entry["measured"], readings, lessons, f"row {number}", path.name)
        rows.append(f"| {_shown(number)} | [{entry['title']}]({lessons[number].file}) | {measured} |")
    return "\n".join(rows)
