"""Facts: a few true sentences about one person, town or word, each in one of several wordings.

A facts document draws a subject, then fact after fact without telling one twice, for each a wording, and
whether to go on. All are skewed, so some facts are told dozens of times as often as others, and
`probability_of_telling` says how often exactly.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from minillm.world.choice import Options, Voice, by_rank
from minillm.world.holdout import Split, couple_held_out, is_held_out, one_split
from minillm.world.lexicon import TEXT, Entity, Lexicon, WorldDataError, load_lexicon, read_toml
from minillm.world.scene import Scene
from minillm.world.wording import Form, opening_words, say_one_of

SUBJECTS = ("person", "town", "noun")
SHORTEST, LONGEST = 3, 5  # sentences in a document
GO_ON: Options = ((3, True), (2, False))  # after the third sentence and after the fourth


@dataclass(frozen=True, eq=False, slots=True)
class Relation:
    """One thing that can be said of every subject that has the attribute of this name."""

    name: str
    forms: Options
    inferred: bool = False  # of one couple in four it is never told: that king goes with queen can be worked out


@dataclass(frozen=True, eq=False, slots=True)
class Almanac:
    """Subjects as a weighted list, and for each the weighted list of what is known of it."""

    subjects: Options
    known: Mapping[Entity, Options]
    inferred: frozenset[tuple[Entity, Relation]]  # known, but not told in training
    openings: Mapping[Entity, tuple[str, ...]]  # how a document about a subject can begin; spares a reader work

    def facts(self) -> Iterator[tuple[Entity, Relation]]:
        """Every subject with every relation that is known of it."""
        for subject, relations in self.known.items():
            for _, relation in relations:
                yield subject, relation


@functools.cache
def load_almanac(folder: Path = TEXT) -> Almanac:
    """Read `facts.toml` and match it with the lexicon. Raises WorldDataError by entry for what cannot be said."""
    content = read_toml(folder / "facts.toml", ("relation",))
    lexicon = load_lexicon(folder)
    known: dict[Entity, list[Relation]] = {}
    for name, entry in content["relation"].items():
        if entry.get("subject") not in SUBJECTS:
            raise WorldDataError(
                f"facts.toml: relation {name!r} has the subject {entry.get('subject')!r}; use {', '.join(SUBJECTS)}"
            )
        try:
            forms = by_rank([Form.parse(form) for form in entry.get("forms", ())])
            relation = Relation(name, forms, entry.get("inferred", False))
        except WorldDataError as problem:
            raise WorldDataError(f"facts.toml: relation {name!r}: {problem}") from None
        if not relation.forms:
            raise WorldDataError(f"facts.toml: relation {name!r} has no forms; write at least one sentence")
        told = [entity for _, entity in lexicon.kinds.get(entry["subject"], ()) if name in entity.attributes]
        if not told:
            raise WorldDataError(f"facts.toml: nobody has the attribute {name!r}; add it to people.toml or places.toml")
        for entity in told:
            known.setdefault(entity, []).append(relation)
    for entity, relations in known.items():
        if len(relations) < LONGEST:
            raise WorldDataError(
                f"facts.toml: {entity.name} has {len(relations)} facts; add some, a document tells up to {LONGEST}"
            )
    subjects = _in_turn(lexicon, known)
    openings = {
        subject: _openings(Scene(lexicon, "facts", cast={"X": subject}), known[subject]) for subject in subjects
    }
    # Both words of a couple, or none: they are neighbours in the file.
    inferred = {(e, r) for e, rs in known.items() for r in rs if r.inferred and couple_held_out(lexicon.ranks[e])}
    weighted = {subject: by_rank(relations) for subject, relations in known.items()}
    return Almanac(by_rank(subjects), weighted, frozenset(inferred), openings)


def _openings(scene: Scene, relations: list[Relation]) -> tuple[str, ...]:
    return tuple({opening_words(form, scene): None for relation in relations for _, form in relation.forms})


def _in_turn(lexicon: Lexicon, known: Mapping[Entity, list[Relation]]) -> list[Entity]:
    """All mixed: after every third person a town or, once these are told, a noun, each in the order of the files."""
    people = [entity for _, entity in lexicon.kinds["person"] if entity in known]
    others = iter([e for kind in SUBJECTS[1:] for _, e in lexicon.kinds.get(kind, ()) if e in known])
    mixed: list[Entity] = []
    for number, person in enumerate(people, start=1):
        mixed.append(person)
        if number % 3 == 0:
            mixed.extend([other] if (other := next(others, None)) else [])
    return mixed + list(others)


def begin(scene: Scene, voice: Voice, almanac: Almanac) -> None:
    """Open a facts document; its subject is drawn when the first sentence is."""
    scene.plan, scene.place_in_plan = almanac, ()


def step(scene: Scene, voice: Voice) -> None:
    """Tell one fact that has not been told yet, and decide whether it was the last."""
    almanac, told = scene.plan, scene.place_in_plan
    if "X" not in scene.cast:
        scene.give_part("X", voice.choose("subject", almanac.subjects, almanac.openings.get))
    subject = scene.cast["X"]
    relations = [option for option in tellable(almanac, subject, scene.split) if option[1] not in told]
    relation = voice.choose("relation", relations)
    forms = wordings(relation, scene.lexicon.ranks[subject], scene.split)
    say_one_of(f"form {relation.name}", forms, scene, voice)
    scene.place_in_plan = told = (*told, relation)
    scene.finished = len(told) == LONGEST or (len(told) >= SHORTEST and not voice.choose("go on", GO_ON))


def tellable(almanac: Almanac, subject: Entity, split: Split) -> Options:
    """What may be told of a subject: all that is known, but in training not what a reader should work out."""
    return [o for o in almanac.known[subject] if split != "training" or (subject, o[1]) not in almanac.inferred]


@functools.cache
def wordings(relation: Relation, subject_rank: int, split: Split) -> Options:
    """The wordings of a fact in one split: of some facts, one wording is kept for testing."""
    places = {form: place for place, (_, form) in enumerate(relation.forms)}
    return one_split(relation.forms, lambda form: is_held_out(subject_rank, places[form]), split)


def probability_of_telling(almanac: Almanac, subject: Entity, relation: Relation) -> Fraction:
    """The exact probability that a facts document of the training split tells this fact, in whatever words."""
    subjects = Fraction(next(w for w, e in almanac.subjects if e is subject), sum(w for w, _ in almanac.subjects))
    go_on = Fraction(GO_ON[0][0], GO_ON[0][0] + GO_ON[1][0])
    known = tellable(almanac, subject, "training")
    places = [place for place, (_, told) in enumerate(known) if told is relation]
    if not places:
        return Fraction(0)
    weights = tuple(weight for weight, _ in known)
    lengths = {n: go_on ** (n - SHORTEST) * (1 if n == LONGEST else 1 - go_on) for n in range(SHORTEST, LONGEST + 1)}
    return subjects * sum(share * _drawn_within(n, places[0], weights) for n, share in lengths.items())


@functools.cache
def _drawn_within(draws: int, wanted: int, weights: tuple[int, ...]) -> Fraction:
    """The probability that the option in this place comes up within so many weighted draws without replacement."""
    if draws == 0:
        return Fraction(0)
    total = sum(weights)
    found = Fraction(weights[wanted], total)
    for other, weight in enumerate(weights):
        if other != wanted:
            rest = weights[:other] + weights[other + 1 :]
            found += Fraction(weight, total) * _drawn_within(draws - 1, wanted - (other < wanted), rest)
    return found
