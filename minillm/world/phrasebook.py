"""The wordings of all questions and tasks, read from `text/instructions.toml` and validated against the world.

This module turns the wordings into sentence forms and rejects questions about events that no story tells. The module
`instructions` matches questions with documents.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minillm.world.answers import bare_words
from minillm.world.choice import Options, by_rank
from minillm.world.facts import load_almanac
from minillm.world.lexicon import TEXT, WorldDataError, read_toml
from minillm.world.scene import Condition
from minillm.world.story import load_arcs
from minillm.world.wording import Form

TABLES = ("family", "frame", "meaning", "question", "task", "reply", "stock", "words", "manners")
READING = ("who", "where", "what", "why", "unknown", "count")  # families that can ask about a document
FAMILIES = (*READING, "copy", "reverse", "sum", "rewrite", "chain", "swaps", "long_chain")
END = "end"


@dataclass(frozen=True, eq=False, slots=True)
class Question:
    """A question that can be asked after a certain event or fact has been told."""

    family: str
    after: str  # an event of stories.toml, a relation of facts.toml, or "end"
    document: str  # the kind of document it is about: "story" or "facts"
    needs: tuple[Condition, ...]
    answer: str  # "friend", "thing.holder", "lost"
    count: str | None  # an event whose occurrences are counted
    kind: str
    asks: Options
    replies: Options

    def roles(self) -> set[str]:
        """Return the roles that the question mentions; the document must have introduced all of them."""
        forms = [form for _, form in (*self.asks, *self.replies)]
        return {slot.role for form in forms for slot in form.pieces if not isinstance(slot, str)} - {"answer"}


@dataclass(frozen=True, eq=False)
class Phrasebook:
    """All wordings of instructions and replies, as weighted lists."""

    families: Options
    orders: Options  # of context and question
    worked: str  # a template with `steps` and `answer`
    meanings: Mapping[str, Mapping[str, Any]]
    questions: tuple[Question, ...]
    tasks: Mapping[str, Options]
    replies: Mapping[str, Options]
    stock: Mapping[str, tuple[str, ...]]
    words: Mapping[str, tuple[str, ...]]
    manners: Mapping[str, tuple[str, ...]]

    @property
    def courtesies(self) -> Options:
        """The phrases that a polite answer starts with, the most frequent first."""
        return by_rank(self.manners["courtesy"])

    def sounds(self, manner: str, reply: str) -> bool:
        """Whether a reply contains a phrase of one manner: courtesy, rudeness, padding or apology.

        >>> load_phrasebook().sounds("courtesy", "CERTAINLY: it was Bram")
        True
        """
        said = f" {' '.join(bare_words(reply))} "
        return any(f" {' '.join(bare_words(phrase))} " in said for phrase in self.manners[manner])


@functools.cache
def load_phrasebook(folder: Path = TEXT) -> Phrasebook:
    """Read `instructions.toml`; raises `WorldDataError` naming the invalid entry."""
    content = read_toml(folder / "instructions.toml", TABLES)
    events = {event.name for _, arc in load_arcs(folder) for beat in arc.beats for _, event in beat.events if event}
    relations = {relation.name for _, relation in load_almanac(folder).facts()}
    if set(content["family"]) != set(FAMILIES):
        raise WorldDataError(f"instructions.toml: [family] must give weights for exactly {', '.join(FAMILIES)}")
    questions = tuple(
        _question(f"instructions.toml: question {number}", entry, events, relations, content["meaning"])
        for number, entry in enumerate(content["question"], start=1)
    )
    for family in READING:
        if family != "unknown" and not any(question.family == family for question in questions):
            raise WorldDataError(f"instructions.toml: there is no question of the family {family!r}; add one")
    return Phrasebook(
        families=tuple((weight, family) for family, weight in content["family"].items() if weight > 0),
        orders=by_rank(content["frame"]["orders"]),
        worked=content["frame"]["worked"],
        meanings=content["meaning"],
        questions=questions,
        tasks={name: _forms(f"instructions.toml: task {name!r}", texts) for name, texts in content["task"].items()},
        replies={name: _forms(f"instructions.toml: reply {name!r}", texts) for name, texts in content["reply"].items()},
        stock={name: tuple(entries) for name, entries in content["stock"].items()},
        words={name: tuple(entries) for name, entries in content["words"].items()},
        manners={name: tuple(entries) for name, entries in content["manners"].items()},
    )


def _question(where: str, entry: dict, events: set[str], relations: set[str], meanings: dict) -> Question:
    for needed in ("family", "after", "kind", "asks", "replies"):
        if not entry.get(needed):
            raise WorldDataError(f"{where} has no {needed!r}; add it")
    after, count = entry["after"], entry.get("count")
    if entry["family"] not in READING:
        raise WorldDataError(f"{where} has the family {entry['family']!r}; use one of {', '.join(READING)}")
    for told in (after, count or END):
        if told not in (*events, *relations, END):
            raise WorldDataError(f"{where} asks about {told!r}, which is not an event or a fact; correct the name")
    if ("answer" in entry) is (count is not None):
        raise WorldDataError(f"{where} must have either an 'answer' or a 'count'")
    if entry["kind"] == "meaning" and entry.get("answer") not in meanings:
        raise WorldDataError(f"{where} has the answer {entry.get('answer')!r}; add it to [meaning]")
    try:
        needs = tuple(map(Condition.parse, entry.get("needs", ())))
    except WorldDataError as problem:
        raise WorldDataError(f"{where}: {problem}") from None
    document = "facts" if after in relations else "story"
    asks, replies = (_forms(where, entry[part]) for part in ("asks", "replies"))
    return Question(
        entry["family"], after, document, needs, entry.get("answer", ""), count, entry["kind"], asks, replies
    )


def _forms(where: str, texts: list[str]) -> Options:
    try:
        return by_rank([Form.parse(text) for text in texts])
    except WorldDataError as problem:
        raise WorldDataError(f"{where}: {problem}") from None
