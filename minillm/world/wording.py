"""Sentence templates: turn "{hero} lent {friend} {thing}" into "She lent Bram the ferryman a brass key".

A template (`Form`) is literal text with slots. A slot names a role and, after a dot, how to refer to it. The scene
determines the words of a slot by fixed rules. The only random choice is the entity for a role that has not been
mentioned yet. It is drawn at the slot, so that its words follow the choice immediately and a parser can check them.

The rules:

- A person is "he" or "she" if this sentence has already mentioned that person and nobody else with the same
  pronoun, or if it has mentioned nobody with that pronoun and the previous sentence mentioned only that person.
  Otherwise the name is used.
- The first mention in a story adds information: "her sister Ada", "Bram the ferryman".
- A thing or an animal is "a brass key" first and "the key" afterwards.
- A town is "the town" where a person would be "she".
"""

import re
from dataclasses import dataclass

from minillm.world.choice import Chooser, Options
from minillm.world.lexicon import CASES, RELATIVES, Entity, WorldDataError
from minillm.world.scene import Condition, Scene

SLOT = re.compile(r"\{([A-Za-z_]+)((?:\.[a-z_]+)*)\}")
ARTICLE_KINDS = ("thing", "animal", "biter")
NAMED = ("call", "speaker")  # always the name: to address somebody, or to label a speaker as in a play
AN = re.compile(
    r"(?!one\b|once\b|eu|ew|uni|use|usu)[aeiou]|hour|honest|heir", re.IGNORECASE
)  # vowel sounds, not letters


@dataclass(frozen=True, slots=True)
class Slot:
    """A gap in a form, filled with the name of a role or with an attribute of it."""

    role: str
    path: tuple[str, ...]  # () or ("his",) or ("kin", "child") or ("trade", "a")


@dataclass(frozen=True, eq=False, slots=True)
class Form:
    """One sentence template, split into literal text and slots, with its own conditions."""

    pieces: tuple[str | Slot, ...]
    needs: tuple[Condition, ...] = ()
    again: bool = False  # whether a document may use it more than once
    separator: str = " "  # between the previous sentence and this one: a space or a line break

    @classmethod
    def parse(cls, entry: str | dict, separator: str = " ") -> "Form":
        """Parse a form from a data file: a string, or a table with `form` and `needs` or `again`.

        Raises `WorldDataError` for a stray brace, a malformed condition or a missing full stop.
        """
        text, needs = (entry, []) if isinstance(entry, str) else (entry.get("form", ""), entry.get("needs", []))

        # split the text at its slots
        pieces: list[str | Slot] = []
        end = 0
        for found in SLOT.finditer(text):
            pieces += [text[end : found.start()]] if found.start() > end else []
            pieces.append(Slot(found[1], tuple(found[2].split(".")[1:])))
            end = found.end()
        pieces += [text[end:]] if end < len(text) else []

        # reject what could not be a sentence
        literal = "".join(piece for piece in pieces if isinstance(piece, str))
        if "{" in literal or "}" in literal:
            raise WorldDataError(f"the form {text!r} has a brace outside any slot; write slots like {{hero.his}}")
        if separator == " " and not text.endswith((".", "!", "?", '"', ":")):
            raise WorldDataError(f"the form {text!r} does not end like a sentence; end it with a full stop")
        return cls(
            tuple(pieces),
            tuple(map(Condition.parse, needs)),
            not isinstance(entry, str) and entry.get("again", False),
            separator,
        )


def with_article(noun_phrase: str) -> str:
    """Put "a" or "an" before a noun phrase.

    >>> with_article("iron lantern"), with_article("brass key"), with_article("hour"), with_article("useless umbrella")
    ('an iron lantern', 'a brass key', 'an hour', 'a useless umbrella')
    """
    return ("an " if AN.match(noun_phrase) else "a ") + noun_phrase


def say_one_of(name: str, forms: Options, scene: Scene, chooser: Chooser) -> None:
    """Choose a form that fits and has not been used, and say it; uncast roles are drawn at their slots."""
    unused = [option for option in forms if option[1] not in scene.worded and scene.allows(option[1].needs)]
    form = chooser.choose(name, unused, lambda form: opening_words(form, scene))
    if not form.again:
        scene.worded |= {form}
    if scene.started:
        chooser.say(form.separator)
    opening = True
    for piece in form.pieces:
        if isinstance(piece, str):
            chooser.say(capital(piece) if opening else piece)
        elif piece.role in scene.cast:
            entity = scene.cast[piece.role]
            chooser.say(_words(entity, piece, scene, opening))
            _mention(entity, piece, scene)
        else:
            _cast_aloud(piece, scene, chooser, opening)
        opening = False
    scene.end_sentence()


def opening_words(form: Form, scene: Scene) -> str:
    """Return the words that a form is certain to start with."""
    first, space = form.pieces[0], form.separator if scene.started else ""
    if isinstance(first, str):
        return space + capital(first)
    return space + _words(scene.cast[first.role], first, scene, True) if first.role in scene.cast else space


def capital(words: str) -> str:
    """Return words with a capital first letter."""
    return words[0].upper() + words[1:]


def _cast_aloud(slot: Slot, scene: Scene, chooser: Chooser, opening: bool) -> None:
    entity = chooser.choose_and_say(
        f"cast {slot.role}", scene.candidates(slot.role, chooser), lambda entity: _words(entity, slot, scene, opening)
    )
    scene.cast_role(slot.role, entity)
    _mention(entity, slot, scene)


def _words(entity: Entity, slot: Slot, scene: Scene, opening: bool) -> str:
    path = slot.path
    article = path[-1:] == ("a",)
    if article:
        path = path[:-1]
    if entity.kind == "person" and (not path or path[0] in CASES):
        words = _person(entity, path[0] if path else "he", scene)
    elif not path:
        words = _name(entity, scene)
    elif path[0] in NAMED:
        words = capital(entity.name) if path[0] == "speaker" else entity.name
    elif path[0] == "the":
        words = f"the {entity.noun}"
    elif path[0] == "kin":
        words = scene.lexicon.genders[entity.attributes["he"]][path[1]]
    elif path[0] == "noun":
        words = entity.attributes.get("noun", entity.noun)
    elif path[0] in RELATIVES:
        words = scene.lexicon.people[entity.attributes[path[0]]].name
    else:
        words = entity.attributes[path[0]]
    if article:
        words = with_article(words)
    return capital(words) if opening else words


def _name(entity: Entity, scene: Scene) -> str:
    if entity.kind in ARTICLE_KINDS:
        return f"the {entity.noun}" if entity in scene.introduced else with_article(entity.name)
    if entity.kind == "town" and _is_clear(entity, scene):
        return f"the {entity.attributes['sort']}"
    return entity.name


def _person(person: Entity, case: str, scene: Scene) -> str:
    if case == "himself" or _is_clear(person, scene):
        return scene.lexicon.genders[person.attributes["he"]][case]
    if case == "his":
        return f"{person.name}'s"
    if scene.introductions and person not in scene.introduced:
        return _introduction(person, scene)
    return person.name


def _introduction(person: Entity, scene: Scene) -> str:
    kinship = _kinship_to_hero(person, scene)
    if kinship is not None:
        owner = "my" if scene.introductions == "my" else _person(scene.cast["hero"], "his", scene)
        return f"{owner} {kinship} {person.name}"
    trade = person.attributes.get("trade")
    return person.name if trade is None else f"{person.name} the {trade}"


def _kinship_to_hero(person: Entity, scene: Scene) -> str | None:
    hero = scene.cast.get("hero")
    if (
        person.kind != "person"
        or hero is None
        or hero is person
        or not scene.introductions
        or person in scene.introduced
    ):
        return None
    return scene.lexicon.kinship(hero, person)


def _is_clear(entity: Entity, scene: Scene) -> bool:
    """Whether a pronoun can only refer to this entity, in this sentence or else in the previous one."""
    for mentioned in (scene.now, scene.before):
        rivals = [other for other in mentioned if other.kind == entity.kind and _pronoun(other) == _pronoun(entity)]
        if rivals:
            return rivals == [entity]
    return False


def _pronoun(entity: Entity) -> str | None:
    return entity.attributes.get("he")


def _mention(entity: Entity, slot: Slot, scene: Scene) -> None:
    path = slot.path
    if entity.kind == "person" and path and path[0] in RELATIVES:
        _note(scene.lexicon.people[entity.attributes[path[0]]], scene)
    elif not path or path[0] in CASES or path[0] in ("the", "name", "full", "call"):
        plain = path[:1] not in (("his",), ("call",)) and scene.introductions != "my"
        if plain and _kinship_to_hero(entity, scene) is not None:
            _note(scene.cast["hero"], scene)  # "her sister Ada" mentions two people
        _note(entity, scene)


def _note(entity: Entity, scene: Scene) -> None:
    if entity.kind in ("person", "town") and entity not in scene.now:
        scene.now += (entity,)
    if entity.kind not in ("town", "spot") and entity not in scene.introduced:
        scene.introduced |= {entity}
