"""The people, places and things of the world, read from the data files and validated.

Everything that can fill a role in a story is an `Entity` of some kind. This module turns the TOML files under
`text/` into entities. It rejects entries that a sentence could not use later, naming the file and the entry.
"""

import functools
import itertools
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minillm.errors import UserError
from minillm.world.choice import Options, by_rank
from minillm.world.holdout import numbers_held_out

TEXT = Path(__file__).parent / "text"
RELATIVES = ("spouse", "mother", "father")  # attributes whose value names another person
TABLES = {  # tables of words.toml whose entries have a name and more
    "noun": ("sex", "pair", "young", "does", "dwells", "fears"),
    "sense": ("word", "sight", "talk", "end"),
}
ADDENDS = range(2, 21)  # from 2 up, so that every counted noun is plural
AMOUNTS = range(2, 10)  # what one move of a chain adds or takes away
TOTALS = range(2, 41)  # where a chain can stand
CASES = ("he", "him", "his", "himself")
KINSHIP = ("spouse", "parent", "child", "sibling", "grandparent", "grandchild", "uncle", "nephew")


class WorldDataError(UserError):
    """An invalid data file of the world; the message names the file, the entry and the fix."""


@dataclass(frozen=True, eq=False, slots=True)
class Entity:
    """A person, place or thing that can fill a role. Entities are compared by identity."""

    kind: str
    name: str  # as it appears in text: "Mira", "the King", "brass key", "in the bakery", "two snails"
    noun: str  # what distinguishes it from others of its kind in one document: "key"
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


@dataclass(frozen=True, eq=False)
class Lexicon:
    """All entities by kind, as weighted lists, with the words for each gender and the family relations."""

    kinds: Mapping[str, Options]
    genders: Mapping[str, Mapping[str, str]]
    people: Mapping[str, Entity]  # by name

    @functools.cached_property
    def ranks(self) -> Mapping[Entity, int]:
        """The position of every entity in the list of its kind."""
        return {entity: rank for options in self.kinds.values() for rank, (_, entity) in enumerate(options)}

    def kinship(self, person: Entity, other: Entity) -> str | None:
        """Return what `other` is to `person` ("sister"), or None if they are not closely related."""
        # collect the relatives of both
        parents, spouse = self._parents(person), person.attributes.get("spouse")
        theirs = self._parents(other)
        grandparents = {g for parent in parents for g in self._parents(self.people[parent])}
        name, full_name = other.attributes["name"], person.attributes["name"]

        # the closest relation that applies
        if name == spouse:
            relation = "spouse"
        elif name in parents:
            relation = "parent"
        elif full_name in theirs:
            relation = "child"
        elif parents & theirs:
            relation = "sibling"
        elif name in grandparents:
            relation = "grandparent"
        elif any(full_name in self._parents(self.people[parent]) for parent in theirs):
            relation = "grandchild"
        elif theirs & grandparents:
            relation = "uncle"
        elif any(parents & self._parents(self.people[parent]) for parent in theirs):
            relation = "nephew"
        else:
            return None
        return self.genders[other.attributes["he"]][relation]

    def _parents(self, person: Entity) -> set[str]:
        return {person.attributes[role] for role in ("mother", "father") if role in person.attributes}


@functools.cache
def load_lexicon(folder: Path = TEXT) -> Lexicon:
    """Read `people.toml`, `places.toml` and `words.toml` from a folder.

    Raises `WorldDataError` for a missing file or table, a missing or duplicate name, and an unknown relative,
    town or pronoun.

    >>> lexicon = load_lexicon()
    >>> mira, tobin = lexicon.people["Mira"], lexicon.people["Tobin"]
    >>> lexicon.kinship(mira, tobin), lexicon.kinship(tobin, mira)
    ('husband', 'wife')
    """
    people = read_toml(folder / "people.toml", ("person", "gender"))
    places = read_toml(folder / "places.toml", ("town", "spot"))
    words = read_toml(folder / "words.toml", ("thing", "damage", "lists", "weather"))
    kinds = {
        "person": _people(people["person"], people["gender"]),
        "town": _towns(places["town"]),
        "spot": _spots(places["spot"], {town["name"] for town in places["town"]}),
        "thing": _things(words["thing"], words["damage"]),
        "weather": [Entity("weather", name, name, {"noun": noun}) for name, noun in words["weather"].items()],
    }
    for kind, entries in words["lists"].items():
        kinds[kind] = [
            Entity(kind, text, text.split()[-1] if kind in ("animal", "biter") else text) for text in entries
        ]
    for kind, needed in TABLES.items():
        if kind in words:
            kinds[kind] = _named(kind, words[kind], needed)
    for kind, entities in kinds.items():
        if not entities:
            raise WorldDataError(f"the list of kind {kind!r} is empty; give it at least one entry")
        _reject_duplicates(kind, entities)
    by_name = {person.attributes["name"]: person for person in kinds["person"]}
    weighted = {kind: by_rank(entities) for kind, entities in kinds.items()}
    return Lexicon(weighted | _sums(), people["gender"], by_name)


def read_toml(path: Path, tables: tuple[str, ...]) -> dict[str, Any]:
    """Read one data file and check that its main tables exist; raises `WorldDataError`."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WorldDataError(f"{path.name}: there is no such file in {path.parent}; copy it from the package") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise WorldDataError(f"{path.name}: this is not TOML in UTF-8 ({problem}); fix the line it names") from None
    for table in tables:
        if not content.get(table):
            raise WorldDataError(f"{path.name}: the table {table!r} is missing or empty; add it")
    return content


def _people(entries: list[dict[str, str]], genders: dict[str, dict[str, str]]) -> list[Entity]:
    for gender, words in genders.items():
        for word in (*CASES, *KINSHIP):
            if word not in words:
                raise WorldDataError(f"people.toml: gender {gender!r} has no word for {word!r}; add it")
    names = {entry.get("name") for entry in entries}
    people = []
    for number, entry in enumerate(entries, start=1):
        for needed in ("name", "he", "home"):
            if needed not in entry:
                raise WorldDataError(f"people.toml: person number {number} has no {needed!r}; add it")
        name = entry["name"]
        if entry["he"] not in genders:
            known = ", ".join(sorted(genders))
            raise WorldDataError(f"people.toml: {name} has the pronoun {entry['he']!r}; use one of {known}")
        for relative in RELATIVES:
            if entry.get(relative, name) not in names:
                raise WorldDataError(
                    f"people.toml: the {relative} of {name}, {entry[relative]!r}, is not in this file; add that person"
                )
        people.append(Entity("person", entry.get("called", name), name, entry))
    return people


def _towns(entries: list[dict[str, str]]) -> list[Entity]:
    for number, entry in enumerate(entries, start=1):
        for needed in ("name", "sort"):
            if needed not in entry:
                raise WorldDataError(f"places.toml: town number {number} has no {needed!r}; add it")
    return [Entity("town", entry["name"], entry["name"], entry) for entry in entries]


def _spots(towns: dict[str, list[str]], known: set[str]) -> list[Entity]:
    spots = []
    for town, places in towns.items():
        if town not in known:
            raise WorldDataError(
                f"places.toml: there are spots in {town!r}, which is not a town; add the town or correct it"
            )
        for place in places:
            preposition, _, noun = place.partition(" ")
            if not noun.startswith("the "):
                raise WorldDataError(f"places.toml: the spot {place!r} in {town} must read like 'in the bakery'")
            attributes = {"town": town, "in": place, "to": f"to {noun}", "preposition": preposition}
            spots.append(Entity("spot", noun, f"{town}: {noun}", attributes))
    return spots


def _things(trades: dict[str, list[str]], damage: dict[str, str]) -> list[Entity]:
    for trade in trades:
        if trade not in damage:
            raise WorldDataError(f"words.toml: [damage] does not say how things of the {trade} break; add a line")
    # One thing from each trade in turn, so that the most frequent things belong to different trades.
    rows = [[(trade, name) for name in names] for trade, names in trades.items()]
    in_turn = [row[i] for i in range(max(map(len, rows))) for row in rows if i < len(row)]
    return [
        Entity("thing", name, name.split()[-1], {"mender": trade, "damage": damage[trade]}) for trade, name in in_turn
    ]


def _named(kind: str, entries: list[dict[str, str]], needed: tuple[str, ...]) -> list[Entity]:
    for number, entry in enumerate(entries, start=1):
        for attribute in ("name", *needed):
            if attribute not in entry:
                raise WorldDataError(f"words.toml: {kind} number {number} has no {attribute!r}; add it")
    return [Entity(kind, entry["name"], entry["name"], entry) for entry in entries]


def _sums() -> dict[str, Options]:
    """All a + b = c and c - a = b with a and b from 2 to 20, and all moves of a chain; each is one choice."""
    pairs = [(a, b) for a in ADDENDS for b in ADDENDS]
    kinds: dict[str, Options] = {"move": tuple((1, move) for move in _moves())}
    for kind, operator in (("sum", "+"), ("difference", "-")):
        kinds[kind] = tuple(
            (1, Entity(kind, f"{a}{operator}{b}", f"{a}{operator}{b}", _numbers(a, b))) for a, b in pairs
        )
    return kinds


def _numbers(a: int, b: int) -> dict[str, str]:
    held_out = "yes" if numbers_held_out(a, b) else "no"
    return {"first": str(a), "second": str(b), "total": str(a + b), "held_out": held_out}


def _moves() -> Iterator[Entity]:
    """All steps of a chain: add to a number or take from it, without leaving the range of totals.

    A step that tells a held-out sum or difference is held out too.
    """
    for first, sign, amount in itertools.product(TOTALS, "+-", AMOUNTS):
        total = first + amount if sign == "+" else first - amount
        if total in TOTALS:
            addends = (first, amount) if sign == "+" else (amount, total)
            told = all(number in ADDENDS for number in addends)
            attributes = {"first": str(first), "sign": sign, "second": str(amount), "total": str(total)}
            attributes["way"] = "up" if sign == "+" else "down"
            attributes["held_out"] = "yes" if told and numbers_held_out(*addends) else "no"
            yield Entity("move", f"{first}{sign}{amount}", f"{first}{sign}{amount}", attributes)


def _reject_duplicates(kind: str, entities: list[Entity]) -> None:
    """Reject two entities with the same words, which would give one text two derivations."""
    seen: set[tuple[str, str | None]] = set()
    for entity in entities:
        key = (entity.name, entity.attributes.get("town"))
        if key in seen:
            raise WorldDataError(f"the kind {kind!r} has {entity.name!r} twice; entries must have different words")
        seen.add(key)
