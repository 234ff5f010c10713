"""The state of a partly generated document: the cast, the current facts, and who was just mentioned.

A scene is treated as a value: a step copies it and changes only the copy, so a reader can run the same step many
times. This module also defines the small language that the data files use for scenes: conditions
("thing.holder = hero"), effects (conditions that are made true) and casting rules ("spot where town = hero.home").
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from minillm.world.choice import Chooser, Options
from minillm.world.holdout import Split, couple_held_out, filter_split, is_held_out
from minillm.world.lexicon import Entity, Lexicon, WorldDataError

Value = Entity | str | None
ANYTHING = object()  # the value of a condition that only requires the attribute to exist
CONDITION = re.compile(r"([a-z_]+)(?:\.([a-z_]+))?(?: *(!?=) *([\w.]+))?")


@dataclass(frozen=True, slots=True)
class Condition:
    """A test `role.attribute = value`; without a value: is it set? without an attribute: is the role cast?"""

    role: str
    attribute: str | None
    negated: bool
    value: tuple[str, str | None] | None  # ("hero", "home") for hero.home, ("yes", None) for a plain word

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """Parse a condition; raises `WorldDataError` if it is malformed.

        >>> Condition.parse("thing.holder = hero").value
        ('hero', None)
        """
        found = CONDITION.fullmatch(text.strip())
        if found is None:
            raise WorldDataError(f"{text!r} is not a condition; write one like 'thing.holder = hero'")
        role, attribute, operator, value = found.groups()
        left, _, right = (value or "").partition(".")
        return cls(role, attribute, operator == "!=", (left, right or None) if value else None)

    def holds(self, scene: "Scene") -> bool:
        """Whether the condition is true in a scene."""
        if self.attribute is None:
            return self.role in scene.cast
        actual = scene.value(self.role, self.attribute)
        if self.value is None:
            return actual is not None
        return (actual == scene.resolve(self.value)) is not self.negated


@dataclass(frozen=True, slots=True)
class CastingRule:
    """Which entities can play a role: those of a kind whose own attributes meet the conditions."""

    kind: str
    conditions: tuple[Condition, ...]
    asks: tuple[str, ...]  # the roles whose attributes the conditions mention
    # The role whose pairing with this one may be held out; "numbers" or "couple" if the entity is itself a pair.
    split_by: str | None = None

    @classmethod
    def parse(cls, text: str) -> "CastingRule":
        """Parse a rule; raises `WorldDataError` for a malformed condition.

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
    """Everything that the next sentence depends on, and nothing else: equal scenes have equal futures."""

    lexicon: Lexicon
    kind: str
    split: Split = "training"
    plan: Any = None  # the arc of a story, the subject of a facts document
    plan_position: Any = 0
    rules: Mapping[str, CastingRule] = field(default_factory=dict)
    introductions: str = ""  # how a person's first mention adds to the name: "his" sister, "my" sister
    cast: dict[str, Entity] = field(default_factory=dict)
    truths: dict[tuple[str, str], Value] = field(default_factory=dict)
    used: frozenset[tuple[str, str]] = frozenset()  # (kind, noun) of all entities that have had a role
    introduced: frozenset[Entity] = frozenset()
    worded: frozenset[Any] = frozenset()  # the sentence forms used so far; none is used twice
    before: tuple[Entity, ...] = ()  # mentioned in the previous sentence
    now: tuple[Entity, ...] = ()  # mentioned so far in this sentence
    started: bool = False
    finished: bool = False

    def copy(self) -> "Scene":
        """Return a copy that can be changed without changing this scene."""
        return Scene(
            self.lexicon, self.kind, self.split, self.plan, self.plan_position, self.rules, self.introductions,
            dict(self.cast), dict(self.truths), self.used, self.introduced, self.worded,
            self.before, self.now, self.started, self.finished,
        )  # fmt: skip

    def key(self) -> tuple:
        """Return a hashable key; a reader merges hypotheses whose scenes have equal keys."""
        return (
            self.kind, self.plan, self.plan_position,
            frozenset(self.cast.items()), frozenset(self.truths.items()), self.used, self.introduced, self.worded,
            self.before, self.started, self.finished,
        )  # fmt: skip

    def allows(self, needs: tuple[Condition, ...]) -> bool:
        """Whether all the conditions hold."""
        return all(need.holds(self) for need in needs)

    def value(self, role: str, attribute: str) -> Value:
        """Look up an attribute: its current value, else the entity's fixed attribute, else None."""
        if (role, attribute) in self.truths:
            return self.truths[role, attribute]
        entity = self.cast.get(role)
        return None if entity is None else entity.attributes.get(attribute)

    def resolve(self, value: tuple[str, str | None]) -> Value:
        """Evaluate the right side of a condition: a role's attribute, a role's entity (None if not cast), or a word."""
        left, attribute = value
        if attribute:
            return self.value(left, attribute)
        return self.cast.get(left) if left in self.rules else left

    def apply(self, effect: Condition) -> None:
        """Apply an effect; raises `WorldDataError` if it names a role that is not cast."""
        if effect.attribute is None or effect.value is None:
            raise WorldDataError(f"an effect on {effect.role!r} sets nothing; write one like 'thing.holder = hero'")
        value = self.resolve(effect.value)
        if value is None:
            target = f"{effect.role}.{effect.attribute}"
            raise WorldDataError(f"{target} is set to {effect.value[0]!r}, which is not cast yet; cast it earlier")
        self.truths[effect.role, effect.attribute] = value

    def candidates(self, role: str, chooser: Chooser) -> Options:
        """List the weighted options for a role: right kind, conditions met, new to this document.

        Roles that the conditions mention are drawn first. Raises `WorldDataError` if no entity is left.
        """
        rule = self.rules[role]
        for other in rule.asks:
            self.draw_role(other, chooser)
        wanted = tuple(
            (c.attribute, c.negated, ANYTHING if c.value is None else self.resolve(c.value)) for c in rule.conditions
        )
        by_numbers = rule.split_by == "numbers"
        fitting = _fitting(self.lexicon, rule.kind, wanted, self.split if by_numbers else "both")
        taken = {noun for kind, noun in self.used if kind == rule.kind}
        options = [option for option in fitting if option[1].noun not in taken] if taken else fitting
        if not options:
            raise WorldDataError(f"no {rule.kind} is left to play {role!r} with {wanted}; add more entries")
        if (other := rule.split_by) is not None and not by_numbers:
            options = filter_split(options, lambda entity: self._pair_held_out(other, entity), self.split)
        return options

    def _pair_held_out(self, role: str, entity: Entity) -> bool:
        ranks = self.lexicon.ranks
        if role == "couple":
            return couple_held_out(ranks[entity])
        return role in self.cast and is_held_out(ranks[self.cast[role]], ranks[entity])

    def cast_role(self, role: str, entity: Entity) -> None:
        """Assign an entity to a role."""
        self.cast[role] = entity
        self.used |= {(entity.kind, entity.noun)}

    def draw_role(self, role: str, chooser: Chooser) -> None:
        """Draw an entity for a role that is not cast yet."""
        if role not in self.cast:
            self.cast_role(role, chooser.choose(f"cast {role}", self.candidates(role, chooser)))

    def end_sentence(self) -> None:
        """Move what this sentence mentioned to `before`, ready for the next sentence."""
        self.before, self.now, self.started = self.now, (), True


_cache: dict[tuple, Options] = {}


def _fitting(lexicon: Lexicon, kind: str, wanted: tuple, split: Split) -> Options:
    """The options of a kind that meet the conditions; numbers, which are a pair by themselves, of one split only."""
    key = (lexicon, kind, wanted, split)
    if key not in _cache:
        fitting = [
            option for option in lexicon.kinds[kind] if all(_meets(option[1], condition) for condition in wanted)
        ]
        _cache[key] = filter_split(fitting, lambda entity: entity.attributes["held_out"] == "yes", split)
    return _cache[key]


def _meets(entity: Entity, condition: tuple) -> bool:
    attribute, negated, value = condition
    actual = entity.attributes.get(attribute)
    return actual is not None if value is ANYTHING else (actual == value) is not negated
