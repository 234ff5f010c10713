"""Shared by questions and tasks: a scene to word sentences in, and the vocabulary of every kind of answer.

A stage is a scene after its document has ended. Its cast has been introduced, so people are referred to by name and
things as "the key", by the same rules as in the documents.
"""

import functools
import random

from minillm.world.answers import Key, Vocabulary, in_words
from minillm.world.choice import Options, Sampler
from minillm.world.lexicon import Entity, Lexicon
from minillm.world.phrasebook import Phrasebook
from minillm.world.scene import Scene
from minillm.world.wording import say_one_of
from minillm.world.worked import CRATES

FIGURES = ("figure", "souls", "founded")  # kinds of answer that are numbers
LARGEST = 99


def stage(scene: Scene) -> Scene:
    """Copy a scene so that everybody has been introduced and nobody has just been mentioned."""
    after = scene.copy()
    after.started, after.before = False, ()
    after.introduced |= frozenset(scene.cast.values())
    return after


def say(forms: Options, scene: Scene, rng: random.Random) -> str:
    """Draw one of the forms and return its text; the scene remembers what it mentions."""
    sampler = Sampler(rng)
    say_one_of("form", forms, scene, sampler)
    return sampler.text.strip()


def say_with(form: object, answer: Entity, scene: Scene, rng: random.Random) -> str:
    """Return the text of a form with this answer in it, without changing the scene."""
    scene = scene.copy()
    scene.cast["answer"] = answer
    scene.introduced |= {answer}
    return say(((1, form),), scene, rng)


def meaning_of(entity: Entity) -> str:
    """Return the string that identifies an entity in a reply, the same for all phrases that name it."""
    return entity.name if entity.kind == "spot" else entity.noun


class Vocabularies:
    """The vocabulary for each kind of answer; each also has the words for denial and for not knowing."""

    def __init__(self, lexicon: Lexicon, phrasebook: Phrasebook):
        self._lexicon, self._phrasebook = lexicon, phrasebook
        self._words = {name: phrasebook.words[name] for name in ("denial", "unknown")}
        self.entities = functools.cache(self._entities)
        self.of = functools.cache(self._of)

    def nouns(self) -> tuple[Entity, ...]:
        """List things and animals by their last word, each word once."""
        nouns = {entity.noun: entity for kind in ("thing", "animal") for _, entity in self._lexicon.kinds[kind]}
        return tuple(nouns.values())

    def _entities(self, kind: str) -> tuple[Entity, ...]:
        """All possible answers of a kind."""
        lexicon = self._lexicon
        if kind == "meaning":
            return tuple(Entity(kind, entry["says"], name) for name, entry in self._phrasebook.meanings.items())
        if kind == "figure":
            return tuple(Entity(kind, str(number), str(number)) for number in range(LARGEST + 1))
        if kind == "crate":
            return tuple(Entity(kind, crate, crate) for crate in CRATES)
        if kind in lexicon.kinds:
            return tuple(entity for _, entity in lexicon.kinds[kind])
        subjects = [entity for subject_kind in ("person", "town") for _, entity in lexicon.kinds[subject_kind]]
        values = dict.fromkeys(subject.attributes[kind] for subject in subjects if kind in subject.attributes)
        return tuple(Entity(kind, value, value) for value in values)

    def _of(self, kind: str) -> Vocabulary:
        phrases: dict[str, list[str]] = {}
        for entity in self.nouns() if kind == "list" else self._entities(kind):
            phrases.setdefault(meaning_of(entity), []).extend(self._phrases(entity))
        return Vocabulary(phrases | self._words, figures=kind in FIGURES)

    def _phrases(self, entity: Entity) -> list[str]:
        if entity.kind == "person":
            return [entity.name, *(entity.attributes[n] for n in ("name", "full") if n in entity.attributes)]
        if entity.kind in ("thing", "animal"):
            return [entity.name, entity.noun]
        if entity.kind == "meaning":
            return list(self._phrasebook.meanings[entity.noun]["words"])
        if entity.kind == "figure":
            return [entity.name, in_words(int(entity.name))]
        return [entity.name]

    def orders(self) -> Vocabulary:
        """Build the vocabulary of a rewritten order: the action, the object and the tone."""
        book = self._phrasebook
        tones = self._words | {name: book.words[name] for name in ("please", "rude")}
        orders = {order: [order] for order in book.stock["orders"]}
        return Vocabulary({entity.noun: [entity.noun] for entity in self.nouns()} | orders | tones)

    def key(self, kind: str, answer: Entity | None, question: str) -> Key:
        """Build the key for a question; the answer None means that the text does not tell it."""
        vocabulary = self.of(kind)
        truth = ("unknown",) if answer is None else (meaning_of(answer),)
        # A "no" in the question does not excuse a "no" in the reply.
        return Key(truth, vocabulary, given=frozenset(vocabulary.read(question)).difference(self._words))
