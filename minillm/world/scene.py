"""The state of a document half told: who plays which part, what is true by now, who has just been spoken of.

A scene is treated as a value: a step copies it and changes only the copy, so that a reader may try the
same step many ways. This room also holds the small language in which the data files speak about a scene:
conditions ("thing.holder = hero"), effects (the same, made true) and casting rules ("spot where town =
hero.home").
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from minillm.world.choice import Options, Voice
from minillm.world.holdout import Split, couple_held_out, is_held_out, one_split
from minillm.world.lexicon import Entity, Lexicon, WorldDataError

Value = Entity | str | None
ANYTHING = object()  # the value of a condition that only asks whether there is one
CONDITION = re.compile(r"([a-z_]+)(?:\.([a-z_]+))?(?: *(!?=) *([\w.]+))?")


@dataclass(frozen=True, slots=True)
class Condition:
    """`role.attribute = value`. Without a value: is there any? Without an attribute: is the role cast?"""

    role: str
    attribute: str | None
    negated: bool
    value: tuple[str, str | None] | None  # ("hero", "home") for hero.home, ("yes", None) for a plain word

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """Read a condition; raises `WorldDataError` for what is none.

        >>> Condition.parse("thing.holder = hero").value
        ('hero', None)
        """
        found = CONDITION.fullmatch(text.strip())
        if found is None:
            raise WorldDataError(f"{text!r} is no condition; write one like 'thing.holder = hero'")
        role, attribute, sign, value = found.groups()
        left, _, right = (value or "").partition(".")
        return cls(role, attribute, sign == "!=", (left, right or None) if value else None)

    def holds(self, scene: "Scene") -> bool:
        """Whether this is so in a scene."""
        if self.attribute is None:
            return self.role in scene.cast
        actual = scene.value(self.role, self.attribute)
        if self.value is None:
            return actual is not None
        return (actual == scene.resolve(self.value)) is not self.negated


@dataclass(frozen=True, slots=True)
class CastingRule:
    """Which entities may play a role: those of a kind whose own attributes meet the conditions."""

    kind: str
    conditions: tuple[Condition, ...]
    asks: tuple[str, ...]  # the roles whose attributes the conditions mention
    split_by: str | None = (
        None  # the role whose meeting with this one may be held out, or "numbers", "couple": what it is itself
    )

    @classmethod
    def parse(cls, text: str) -> "CastingRule":
        """Read a rule; raises `WorldDataError` for a condition that is none.

        >>> CastingRule.parse("spot where town = hero.home").asks
        ('hero',)
        """
        rule, _, split_by = text.partition(" split by ")
        kind, _, rest = rule.partition(" where ")
        conditions = [Condition.parse("x." + part) for part in rest.split(" and ")] if rest else []
        asks = tuple(c.value[0] for c in conditions if c.value and c.value[1])
        return cls(kind, tuple(conditions), asks, split_by or None)


@dataclass(slots=True)
class Scene:
    """What the next sentence depends on, and nothing else: equal scenes have equal futures."""

    lexicon: Lexicon
    kind: str
    split: Split = "training"
    plan: Any = None  # the arc of a story, the subject of a facts document
    place_in_plan: Any = 0
    rules: Mapping[str, CastingRule] = field(default_factory=dict)
    introductions: str = ""  # how the first mention of a person says more than the name: "his" sister, "my" sister
    cast: dict[str, Entity] = field(default_factory=dict)
    truths: dict[tuple[str, str], Value] = field(default_factory=dict)
    used: frozenset[tuple[str, str]] = frozenset()  # (kind, noun) of all entities that ever had a role
    introduced: frozenset[Entity] = frozenset()
    worded: frozenset[Any] = frozenset()  # the sentence forms used so far; none is used twice
    before: tuple[Entity, ...] = ()  # mentioned in the sentence before
    now: tuple[Entity, ...] = ()  # mentioned so far in this one
    started: bool = False
    finished: bool = False

    def copy(self) -> "Scene":
        """A scene that may be changed while this one stays."""
        return Scene(
            self.lexicon, self.kind, self.split, self.plan, self.place_in_plan, self.rules, self.introductions,
            dict(self.cast), dict(self.truths), self.used, self.introduced, self.worded,
            self.before, self.now, self.started, self.finished,
        )  # fmt: skip

    def key(self) -> tuple:
        """All that tells this scene from another, hashable: a reader adds up hypotheses with equal keys."""
        return (
            self.kind, self.plan, self.place_in_plan,
            frozenset(self.cast.items()), frozenset(self.truths.items()), self.used, self.introduced, self.worded,
            self.before, self.started, self.finished,
        )  # fmt: skip

    def allows(self, needs: tuple[Condition, ...]) -> bool:
        """Whether all these conditions hold."""
        return all(need.holds(self) for need in needs)

    def value(self, role: str, attribute: str) -> Value:
        """What is true of a role now; else what was always true of the entity that plays it; else None."""
        if (role, attribute) in self.truths:
            return self.truths[role, attribute]
        entity = self.cast.get(role)
        return None if entity is None else entity.attributes.get(attribute)

    def resolve(self, value: tuple[str, str | None]) -> Value:
        """The right side of a condition: a role's attribute, a role's entity (None if not cast), or a plain word."""
        left, attribute = value
        if attribute:
            return self.value(left, attribute)
        return self.cast.get(left) if left in self.rules else left

    def make_true(self, effect: Condition) -> None:
        """Let an effect happen; raises `WorldDataError` for one that names somebody who is not cast."""
        if effect.attribute is None or effect.value is None:
            raise WorldDataError(f"an effect on {effect.role!r} sets nothing; write one like 'thing.holder = hero'")
        value = self.resolve(effect.value)
        if value is None:
            raise WorldDataError(f"{effect.role}.{effect.attribute} is set to {effect.value[0]!r}, who is not cast yet")
        self.truths[effect.role, effect.attribute] = value

    def candidates(self, role: str, voice: Voice) -> Options:
        """The weighted list a role is drawn from: right kind, conditions met, and new to this document.

        Roles that the conditions ask about are drawn first.
        """
        rule = self.rules[role]
        for other in rule.asks:
            self.draw(other, voice)
        wanted = tuple(
            (c.attribute, c.negated, ANYTHING if c.value is None else self.resolve(c.value)) for c in rule.conditions
        )
        fitting = _fitting(self.lexicon, rule.kind, wanted)
        options = [option for option in fitting if (rule.kind, option[1].noun) not in self.used]
        if not options:
            raise WorldDataError(f"nothing is left to play {role!r}, a {rule.kind} with {wanted}; add to the lists")
        if (other := rule.split_by) is not None:
            options = one_split(options, lambda entity: self._meeting_held_out(other, entity), self.split)
        return options

    def _meeting_held_out(self, role: str, entity: Entity) -> bool:
        if role == "numbers":
            return entity.attributes["held_out"] == "yes"
        ranks = self.lexicon.ranks
        if role == "couple":
            return couple_held_out(ranks[entity])
        return role in self.cast and is_held_out(ranks[self.cast[role]], ranks[entity])

    def give_part(self, role: str, entity: Entity) -> None:
        """Let an entity play a role from now on."""
        self.cast[role] = entity
        self.used |= {(entity.kind, entity.noun)}

    def draw(self, role: str, voice: Voice) -> None:
        """Cast a role before a word is said about it."""
        if role not in self.cast:
            self.give_part(role, voice.choose(f"cast {role}", self.candidates(role, voice)))

    def end_sentence(self) -> None:
        """What was mentioned in this sentence was mentioned in the one before, from now on."""
        self.before, self.now, self.started = self.now, (), True


_memory: dict[tuple, Options] = {}


def _fitting(lexicon: Lexicon, kind: str, wanted: tuple) -> Options:
    key = (lexicon, kind, wanted)
    if key not in _memory:
        _memory[key] = tuple(
            option for option in lexicon.kinds[kind] if all(_meets(option[1], condition) for condition in wanted)
        )
    return _memory[key]


def _meets(entity: Entity, condition: tuple) -> bool:
    attribute, negated, value = condition
    actual = entity.attributes.get(attribute)
    return actual is not None if value is ANYTHING else (actual == value) is not negated
