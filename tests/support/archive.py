"""The archive: every answer that was ever judged and is not in a lesson's own file, with what it was told.

It holds programs, a folder for each set of writers, and beside them `told.json`. Outside writers wrote most of them
from the text of the pages alone. Where a reader said whether a reply names the answer's actual mistake, that counts as
long as the reply is the same.
"""

import hashlib
import io
import json
import random
import re
import tarfile
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from answers import LESSONS, Answer, find, is_turn, kind, load

import minillm.course.checks
import minillm.course.learner

ARCHIVE = LESSONS / "archive.tar.xz"
TOLD = "told.json"
SHARE = 10  # one in so many is drawn where no check has changed
DETAILS = re.compile(r"(raised \w+): .*")  # the words of Python and torch, which change from version to version


@dataclass(frozen=True)
class Kept:
    """An answer of the archive: what it was told, one reply for each seed, and what a reader said of that."""

    set: str
    name: str
    id: str
    is_right: bool
    told: tuple[str, ...]  # empty where it was accepted
    kinds: tuple[str, ...]
    judged: str = ""  # "named", "misled" or "neither", if somebody has read the reply
    once: str = ""  # how it was judged wrongly, if it ever was: "accepted: no draw had a repeated word"

    @property
    def lesson(self) -> str:
        return self.id.partition(".")[0]

    @property
    def key(self) -> tuple[str, str, str]:
        return self.set, self.id, self.name

    @property
    def rejected(self) -> bool:
        return "right" not in self.kinds and "ready-made" not in self.kinds

    @property
    def says(self) -> tuple[str, ...]:
        """What it is told, without the words of other libraries."""
        return tuple(DETAILS.sub(r"\1", words) for words in self.told)


@cache
def _files() -> dict[str, str]:
    with tarfile.open(ARCHIVE) as file:
        members = [member for member in file.getmembers() if member.isreg()]
        return {member.name: file.extractfile(member).read().decode() for member in members}


def programs() -> dict[str, str]:
    """The sources in the archive, by their paths in it."""
    return {path: text for path, text in _files().items() if path != TOLD}


@cache
def stored() -> dict[str, Any]:
    """What is stored beside the programs: for each program its rows, and the fingerprint of each check."""
    return json.loads(_files()[TOLD])


@cache
def kept(path: str) -> list[Kept]:
    """What is stored of the answers in a program, in their order."""
    rows = stored()["answers"][path]
    return [Kept(path, **row | {"told": tuple(row["told"]), "kinds": tuple(row["kinds"])}) for row in rows]


def store(sources: dict[str, str], rows: dict[str, list[Kept]]) -> None:
    """Write the archive; the same programs and rows give the same bytes."""
    answers = {path: [_row(each) for each in rows[path]] for path in sorted(sources)}
    ids = sorted({row.id for each in rows.values() for row in each})
    told = json.dumps({"answers": answers, "checks": {id: fingerprint(id) for id in ids}}, ensure_ascii=False, indent=0)
    with tarfile.open(ARCHIVE, "w:xz", preset=9) as file:
        for name, text in sorted({**sources, TOLD: told}.items()):
            about = tarfile.TarInfo(name)
            about.size = len(text.encode())
            file.addfile(about, io.BytesIO(text.encode()))
    for each in (_files, stored, kept):
        each.cache_clear()


def _row(kept: Kept) -> dict[str, Any]:
    return {name: value for name, value in asdict(kept).items() if name != "set" and value not in ("", ())} | {
        "told": kept.told,
        "kinds": kept.kinds,
        "is_right": kept.is_right,
    }


def replay(path: str, wanted: Collection[int]) -> dict[int, tuple[Kept, Kept]]:
    """Judge these answers of a program: by their places in it, what is stored of each and what is true now."""
    found = {}
    for index, (answer, then) in enumerate(zip(load(programs()[path], path), kept(path), strict=True)):
        if index in wanted:
            now = judge(answer, path)
            found[index] = then, replace(now, judged=then.judged if now.told == then.told else "", once=then.once)
    return found


def judge(answer: Answer, path: str) -> Kept:
    """What an answer is told now, as the archive stores it."""
    told = tuple(dict.fromkeys(answer.told))  # most replies are the same with each seed
    kinds = tuple(kind(answer.id, each) for each in told)
    return Kept(path, answer.name, answer.id, answer.is_right, tuple(map(str, told)), kinds)


def about(path: str, lessons: Iterable[str]) -> set[int]:
    """Which answers of a program belong to these lessons."""
    return {index for index, row in enumerate(kept(path)) if row.lesson in lessons}


def drawn(path: str, seed: str) -> set[int]:
    """Which answers of a program to replay: a tenth at random, or all where the check has changed since."""
    changed = {id for id, hash in stored()["checks"].items() if fingerprint(id) != hash}
    rng = random.Random(f"{seed}/{path}")
    return {index for index, row in enumerate(kept(path)) if rng.random() < 1 / SHARE or row.id in changed}


@cache
def fingerprint(id: str) -> str:
    """A hash of the code that decides about a turn or a question: its own, and what all share."""
    right = find(id).course if is_turn(id) else find(id).right
    return hashlib.sha256((_sources_of(right.__module__.rpartition(".")[0]) + _shared()).encode()).hexdigest()[:12]


@cache
def _sources_of(package: str) -> str:
    folder = Path(minillm.course.__file__).parent.joinpath(*package.split(".")[2:])
    return "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))


@cache
def _shared() -> str:
    return "".join(_sources_of(package.__name__) for package in (minillm.course.checks, minillm.course.learner))
