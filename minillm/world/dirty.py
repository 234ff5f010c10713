"""A dirty corpus with labels: clean documents among near-duplicates, shuffled text, noise and another world's claims.

A real crawl is dirty, and no one knows which document is which. Here every document has a label, and the clean world's
exact probability is known. So the precision of a filter, and what the dirt costs in KL, can be measured.

    clean            a document of the world
    near-duplicate   an earlier clean document after a few small edits: a word, a sentence, a typo
    shuffled         the sentences or the words of a document of the world, in random order
    noise            character noise, keyboard garbage, or a document in the residue of a web page
    other world      a document of a world with permuted facts: fluent, well-formed, and mostly false here
"""

import itertools
import json
import math
import random
import re
import shutil
import string
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from minillm.errors import UserError
from minillm.world.lexicon import TEXT, read_toml
from minillm.world.world import World

Label = Literal["clean", "near-duplicate", "shuffled", "noise", "other world"]
LABELS: tuple[Label, ...] = get_args(Label)
# An unfiltered crawl is mostly dirt, and so is this.
SHARES: Mapping[str, float] = {
    "clean": 0.4, "near-duplicate": 0.25, "shuffled": 0.1, "noise": 0.1, "other world": 0.15
}  # fmt: skip
# Attributes that change owners, those of one group together so that each sentence stays well-formed.
PERMUTED = {
    "person": (("trade",), ("home",), ("food",), ("pet",), ("month",), ("habit",)),
    "town": (("founded",), ("souls",), ("feast", "feast_month"), ("sells",), ("crest",), ("next",), ("wonder",)),
    "noun": (("sex",), ("young",), ("does",), ("dwells",), ("fears",)),
}
CAST = 4  # minimum number of people with a trade per town; some dialogues need that many
KEYBOARD = ("qwertyuiop", "asdfghjkl;", "zxcvbnm,./")
RESIDUE = (
    '<div class="post-body">', "</div>", "<br/>", "&nbsp;", "&amp;", "Home | About | Contact", "Accept all cookies",
    "Share on Facebook", "Read more &raquo;", "Log in to comment", "function(){return false;}", "404 Not Found",
)  # fmt: skip
EDITS = (1, 3)  # of a near-duplicate: at least and at most
LETTERS = string.ascii_lowercase
SENTENCE_END = re.compile(r"((?<=[.!?]) |\n)")  # the space is kept: sentences are every second piece


@dataclass(frozen=True)
class Labelled:
    """A document with its label and its source: the index of the document, in its world's stream, that it came from."""

    text: str
    label: Label
    source: int


def mixture(world: World, count: int, shares: Mapping[str, float] = SHARES, seed: int = 0) -> list[Labelled]:
    """The first `count` documents of a dirty corpus; `shares` gives each label's probability.

    Document i depends only on the world, the shares, the seed and i, so a shorter mixture starts a longer one. A
    near-duplicate copies a clean document that comes before it; as long as there is none, the document is clean.
    A shuffled document is impossible in the world (log-probability -inf): one that is not is shuffled again.

    Raises `UserError` for a negative count, an unknown label, and shares that are negative or do not sum to 1.

    >>> documents = mixture(World(seed=0), count=3, shares={"clean": 0.5, "noise": 0.5})
    >>> [document.label for document in documents], documents[2].text == World(seed=0).document(2).text
    (['noise', 'noise', 'clean'], True)
    """
    if count < 0:
        raise UserError(f"count is {count}; use 0 or more")
    check_shares(shares)
    other = other_world(world.seed) if shares.get("other world") else world
    documents: list[Labelled] = []
    clean: list[int] = []
    for index in range(count):
        rng = random.Random(f"dirty {world.seed}, seed {seed}, document {index}")
        (label,) = rng.choices(LABELS, [shares.get(label, 0.0) for label in LABELS])
        if label == "near-duplicate" and not clean:
            label = "clean"
        # few pages are copied often: half of all copies are of the first eighth of the documents
        source = clean[int(rng.random() ** 3 * len(clean))] if label == "near-duplicate" else index
        if label == "clean":
            clean.append(index)
        text = (other if label == "other world" else world).document(source).text
        documents.append(Labelled(_spoiled(text, label, world, rng), label, source))
    return documents


def check_shares(shares: Mapping[str, float]) -> None:
    """Raise `UserError` unless the shares are probabilities of known labels that sum to 1."""
    for label, share in shares.items():
        if label not in LABELS:
            raise UserError(f"there is no label {label!r}; use some of {', '.join(LABELS)}")
        if not 0 <= share <= 1:
            raise UserError(f"the share of {label!r} is {share}; use a number from 0 to 1")
    if not math.isclose(total := sum(shares.values()), 1, abs_tol=1e-6):
        raise UserError(f"the shares sum to {total:.6g}; divide each by that, so that they sum to 1")


def other_world(seed: int, folder: Path = TEXT) -> World:
    """A world with the same words, in which people, towns and nouns have exchanged their attributes.

    Each group of attributes moves along one random cycle, so that no entry keeps its own entry's value. The whole
    permutation is redrawn until every town has `CAST` people with a trade. The permuted files go through the ordinary
    loader. Who is related to whom stays, and so do names, pronouns and places.

    >>> mira = other_world(seed=0).lexicon.people["Mira"].attributes
    >>> mira["he"], mira["spouse"], mira["trade"] == "baker"
    ('she', 'Tobin', False)
    """
    worlds = (_permuted(folder, seed, attempt) for attempt in itertools.count())
    return next(world for world in worlds if _can_cast(world))


def _can_cast(world: World) -> bool:
    people = world.lexicon.people.values()
    trading = Counter(person.attributes["home"] for person in people if "trade" in person.attributes)
    return all(trading[town.name] >= CAST for _, town in world.lexicon.kinds["town"])


def _permuted(folder: Path, seed: int, attempt: int) -> World:
    key = f"other world {seed}" + (f", attempt {attempt}" if attempt else "")
    with tempfile.TemporaryDirectory() as made:
        copy = Path(shutil.copytree(folder, Path(made) / "text"))
        for file in ("people.toml", "places.toml", "words.toml"):
            content = read_toml(copy / file, ())
            for table in [table for table in PERMUTED if table in content]:
                _permute(content[table], table, key)
            lines = (f"{json.dumps(name)} = {_toml(value)}\n" for name, value in content.items())
            (copy / file).write_text("".join(lines), encoding="utf-8")
        return World(seed, copy)


def _permute(entries: list[dict[str, str]], table: str, key: str) -> None:
    """Give each entry another one's values, in place; entries exchange only with those of the same gender."""
    for group in PERMUTED[table]:
        owners: dict[str | int, list[dict[str, str]]] = {}
        for number, entry in enumerate(entries):
            if group[0] in entry:
                # nouns come in couples, he before she, and both lists take the same order: a couple stays parallel
                gender = number % 2 if table == "noun" else entry.get("he", "")
                owners.setdefault(gender, []).append(entry)
        for members in owners.values():
            random.Random(f"{key}, {group}").shuffle(members)
            values = [[entry[name] for name in group] for entry in members]
            for entry, moved in zip(members, values[1:] + values[:1], strict=True):
                entry.update(zip(group, moved, strict=True))


def _toml(value: Any) -> str:
    """Write a value in TOML, whose strings and lists can be written like those of JSON."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _spoiled(text: str, label: Label, world: World, rng: random.Random) -> str:
    if label == "near-duplicate":
        return _edited(text, rng)
    if label == "shuffled":
        return _shuffled(text, world, rng)
    return rng.choice((_mistyped, _keyboard, _webpage))(text, rng) if label == "noise" else text


def _edited(text: str, rng: random.Random) -> str:
    """The text after one to three edits: two neighboring words swapped, a sentence dropped, or a typo."""
    for _ in range(rng.randint(*EDITS)):
        pieces = re.split(r"(\s+)", text)  # words, and the white space between them
        edit = rng.choice(("word", "sentence", "typo"))
        sentences = SENTENCE_END.split(text)
        if edit == "sentence" and len(sentences) >= 7:  # sentences and the white space between them: four or more
            at = rng.randrange(2, len(sentences) - 1, 2)
            text = "".join(sentences[:at] + sentences[at + 2 :])
        elif edit == "word":
            at = rng.randrange(0, len(pieces) - 2, 2)
            pieces[at], pieces[at + 2] = pieces[at + 2], pieces[at]
            text = "".join(pieces)
        else:
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice(("", rng.choice(LETTERS))) + text[at + 1 :]
    return text


def _shuffled(text: str, world: World, rng: random.Random) -> str:
    """The sentences in random order, or the words; again until the world cannot have written it."""
    by_words = rng.random() < 0.5
    while True:
        parts = text.split() if by_words else SENTENCE_END.split(text)[::2]
        rng.shuffle(parts)
        if world.log_prob(shuffled := ("\n" if "\n" in text else " ").join(parts)) == -math.inf:
            return shuffled
        by_words = True  # facts are true in any order


def _mistyped(text: str, rng: random.Random) -> str:
    """A quarter of the characters replaced, as by a bad scan."""
    return "".join(rng.choice(LETTERS + "#~|0 1") if rng.random() < 0.25 else character for character in text)


def _keyboard(text: str, rng: random.Random) -> str:
    """Runs of neighboring keys, as long as the text."""
    runs: list[str] = []
    while sum(map(len, runs)) < len(text):
        row = rng.choice(KEYBOARD)
        start = rng.randrange(len(row) - 2)
        runs.append(row[start : start + rng.randint(2, 6)] * rng.randint(1, 3))
    return " ".join(runs)


def _webpage(text: str, rng: random.Random) -> str:
    """Pieces of the text between tags and menus."""
    words = text.split()
    pieces = [rng.choice(RESIDUE)]
    while words:
        size = rng.randint(2, 8)
        pieces += [" ".join(words[:size]), *rng.choices(RESIDUE, k=rng.randint(1, 2))]
        words = words[size:]
    return rng.choice((" ", "\n")).join(pieces)
