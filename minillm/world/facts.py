"""Facts: a few true sentences about one person, town or word, each in one of several wordings.

A facts document draws a subject, then facts without replacement, a wording for each, and whether to continue. All
these distributions are skewed, so some facts are told dozens of times as often as others. `probability_of_telling`
computes the exact frequency.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from minillm.world.choice import Chooser, Options, by_rank, equally
from minillm.world.holdout import Split, couple_held_out, filter_split, is_held_out
from minillm.world.lexicon import TEXT, Entity, Lexicon, WorldDataError, load_lexicon, read_toml
from minillm.world.scene import Scene
from minillm.world.wording import Form, opening_words, say_one_of

SUBJECTS = ("person", "town", "noun")
SHORTEST, LONGEST = 3, 5  # sentences in a document
GO_ON: Options = ((3, True), (2, False))  # after the third sentence and after the fourth


@dataclass(frozen=True, eq=False, slots=True)
class Relation:
    """A relation between a subject and its attribute of this name, with its wordings."""

    name: str
    forms: Options
    inferred: bool = False  # for one couple in four it is never told, but can be inferred (king goes with queen)


@dataclass(frozen=True, eq=False, slots=True)
class Almanac:
    """The subjects as a weighted list, and a weighted list of relations for each."""

    subjects: Options
    known: Mapping[Entity, Options]
    inferred: frozenset[tuple[Entity, Relation]]  # true, but not told in training
    openings: Mapping[Entity, tuple[str, ...]]  # how a document about a subject can start; lets a reader skip subjects

    def facts(self) -> Iterator[tuple[Entity, Relation]]:
        """Yield every fact as (subject, relation)."""
        for subject, relations in self.known.items():
            for _, relation in relations:
                yield subject, relation


@functools.cache
def load_almanac(folder: Path = TEXT) -> Almanac:
    """Read `facts.toml` and match it with the lexicon; raises `WorldDataError` naming the invalid entry."""
    content = read_toml(folder / "facts.toml", ("relation",))
    lexicon = load_lexicon(folder)

    # which relations are known of which entity
    known: dict[Entity, list[Relation]] = {}
    for name, entry in content["relation"].items():
        if entry.get("subject") not in SUBJECTS:
            raise WorldDataError(
                f"facts.toml: relation {name!r} has the subject {entry.get('subject')!r}; use {', '.join(SUBJECTS)}"
            )
        try:
            forms = equally([Form.parse(form) for form in entry.get("forms", ())])
            relation = Relation(name, forms, entry.get("inferred", False))
        except WorldDataError as problem:
            raise WorldDataError(f"facts.toml: relation {name!r}: {problem}") from None
        if not relation.forms:
            raise WorldDataError(f"facts.toml: relation {name!r} has no forms; write at least one sentence")
        told = [entity for _, entity in lexicon.kinds.get(entry["subject"], ()) if name in entity.attributes]
        if not told:
            raise WorldDataError(f"facts.toml: no entity has the attribute {name!r}; add it where its subjects are")
        for entity in told:
            known.setdefault(entity, []).append(relation)
    for entity, relations in known.items():
        if len(relations) < LONGEST:
            raise WorldDataError(
                f"facts.toml: {entity.name} has {len(relations)} facts; add some, a document tells up to {LONGEST}"
            )

    # weights, first words and held-out couples
    subjects = _interleaved(lexicon, known)
    openings = {
        subject: _openings(Scene(lexicon, "facts", cast={"X": subject}), known[subject]) for subject in subjects
    }
    # Both words of a couple or neither: they are adjacent in the file.
    inferred = {
        (entity, relation)
        for entity, relations in known.items()
        for relation in relations
        if relation.inferred and couple_held_out(lexicon.ranks[entity])
    }
    weighted = {subject: by_rank(relations) for subject, relations in known.items()}
    return Almanac(by_rank(subjects), weighted, frozenset(inferred), openings)


def _openings(scene: Scene, relations: list[Relation]) -> tuple[str, ...]:
    return tuple({opening_words(form, scene): None for relation in relations for _, form in relation.forms})


def _interleaved(lexicon: Lexicon, known: Mapping[Entity, list[Relation]]) -> list[Entity]:
    """All subjects in file order, with a town (or, after the towns, a noun) following every third person."""
    people = [entity for _, entity in lexicon.kinds["person"] if entity in known]
    others = iter([e for kind in SUBJECTS[1:] for _, e in lexicon.kinds.get(kind, ()) if e in known])
    mixed: list[Entity] = []
    for number, person in enumerate(people, start=1):
        mixed.append(person)
        if number % 3 == 0:
            mixed.extend([other] if (other := next(others, None)) else [])
    return mixed + list(others)


def begin(scene: Scene, chooser: Chooser, almanac: Almanac) -> None:
    """Start a facts document; its subject is drawn with the first sentence."""
    scene.plan, scene.plan_position = almanac, ()


def step(scene: Scene, chooser: Chooser) -> None:
    """Tell one new fact and decide whether it is the last."""
    almanac, told = scene.plan, scene.plan_position
    if "X" not in scene.cast:
        scene.cast_role("X", chooser.choose("subject", almanac.subjects, almanac.openings.get))
    subject = scene.cast["X"]
    relations = [option for option in tellable(almanac, subject, scene.split) if option[1] not in told]
    relation = chooser.choose("relation", relations)
    forms = wordings(relation, scene.lexicon.ranks[subject], scene.split)
    say_one_of(f"form {relation.name}", forms, scene, chooser)
    scene.plan_position = told = (*told, relation)
    scene.finished = len(told) == LONGEST or (len(told) >= SHORTEST and not chooser.choose("go on", GO_ON))


def tellable(almanac: Almanac, subject: Entity, split: Split) -> Options:
    """List what a document may tell about a subject; training leaves out what a model should infer."""
    return [
        option
        for option in almanac.known[subject]
        if split != "training" or (subject, option[1]) not in almanac.inferred
    ]


@functools.cache
def wordings(relation: Relation, subject_rank: int, split: Split) -> Options:
    """List the wordings of a fact in one split: some facts have one wording held out for testing."""
    ranks = {form: rank for rank, (_, form) in enumerate(relation.forms)}
    return filter_split(relation.forms, lambda form: is_held_out(subject_rank, ranks[form]), split)


def probability_of_telling(almanac: Almanac, subject: Entity, relation: Relation) -> Fraction:
    """Compute the exact probability that a training facts document tells this fact, in any wording."""
    subject_weight = next(weight for weight, entity in almanac.subjects if entity is subject)
    p_subject = Fraction(subject_weight, sum(weight for weight, _ in almanac.subjects))
    p_go_on = Fraction(GO_ON[0][0], GO_ON[0][0] + GO_ON[1][0])
    known = tellable(almanac, subject, "training")
    indices = [index for index, (_, told) in enumerate(known) if told is relation]
    if not indices:
        return Fraction(0)
    weights = tuple(weight for weight, _ in known)
    p_lengths = {
        n: p_go_on ** (n - SHORTEST) * (1 if n == LONGEST else 1 - p_go_on) for n in range(SHORTEST, LONGEST + 1)
    }
    return p_subject * sum(p_length * _drawn_within(n, indices[0], weights) for n, p_length in p_lengths.items())


@functools.cache
def _drawn_within(draws: int, wanted: int, weights: tuple[int, ...]) -> Fraction:
    """The probability that option `wanted` is among `draws` weighted draws without replacement."""
    if draws == 0:
        return Fraction(0)
    total = sum(weights)
    found = Fraction(weights[wanted], total)
    for other, weight in enumerate(weights):
        if other != wanted:
            rest = weights[:other] + weights[other + 1 :]
            found += Fraction(weight, total) * _drawn_within(draws - 1, wanted - (other < wanted), rest)
    return found
