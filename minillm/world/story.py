"""Stories: a latent plan, and events with preconditions and effects.

An arc (lost and found, a trade, a quarrel ...) is a cast and a sequence of beats; a beat lists the events that can
come next. An event is a small planning operator in the style of STRIPS (Fikes and Nilsson, 1971): it requires some
facts and makes others true. The arcs, the events and their wordings are in `text/stories.toml`; this module loads
them and steps through them.
"""

import functools
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minillm.world.choice import Chooser, Options, by_rank, equally
from minillm.world.lexicon import TEXT, Lexicon, WorldDataError, load_lexicon, read_toml
from minillm.world.scene import CastingRule, Condition, Scene
from minillm.world.wording import Form, say_one_of

BEAT = re.compile(r"([a-z_]+(?: \| [a-z_]+)*)(?: (\?)| (\d)-(\d))?")
SKIP = None


@dataclass(frozen=True, eq=False, slots=True)
class Event:
    """One event, told in one sentence: its preconditions, effects and wordings."""

    name: str
    needs: tuple[Condition, ...]
    then: tuple[Condition, ...]
    draws: tuple[str, ...]
    fresh: tuple[str, ...]
    forms: tuple[tuple[int, Form], ...]


@dataclass(frozen=True, eq=False, slots=True)
class Beat:
    """The events that can come at one point of an arc (None: no event), and how many times."""

    events: Options
    times: Options


@dataclass(frozen=True, eq=False, slots=True)
class Arc:
    """A plan: the casting rules and the beats in order."""

    name: str
    rules: Mapping[str, CastingRule]
    beats: tuple[Beat, ...]
    introductions: str


@functools.cache
def load_arcs(folder: Path = TEXT, file: str = "stories.toml") -> Options:
    """Read a weighted list of arcs from a file; raises `WorldDataError` naming the invalid entry."""
    content = read_toml(folder / file, ("cast", "arc", "event"))
    try:
        return _arcs(content, load_lexicon(folder))
    except WorldDataError as problem:
        raise WorldDataError(f"{file}: {problem}") from None


def _arcs(content: dict[str, Any], lexicon: Lexicon) -> Options:
    introductions, separator = content.get("introductions", ""), "\n" if content.get("lines") else " "
    shared = {role: _rule(role, text, lexicon) for role, text in content["cast"].items()}
    events = {name: _event(name, entry, separator) for name, entry in content["event"].items()}
    arcs = [_arc(name, entry, shared, events, lexicon, introductions) for name, entry in content["arc"].items()]
    told = {event.name for arc in arcs for beat in arc.beats for _, event in beat.events if event is not SKIP}
    for name in events:
        if name not in told:
            raise WorldDataError(f"event {name!r} is not used in any arc; add it to a beat or remove it")
    return equally(arcs)


def begin(scene: Scene, chooser: Chooser, arcs: Options) -> None:
    """Choose the plan. The text never names it, so a reader tracks every plan that still fits."""
    scene.plan = chooser.choose("arc", arcs)
    scene.rules, scene.plan_position, scene.introductions = scene.plan.rules, (0, None), scene.plan.introductions


def step(scene: Scene, chooser: Chooser) -> None:
    """Tell one sentence of a story, skipping beats at which no event happens."""
    event = None
    while event is None:
        number, times_left = scene.plan_position
        beat = scene.plan.beats[number]
        label = f"{scene.plan.name}.{number}"
        options = [option for option in beat.events if option[1] is SKIP or scene.allows(option[1].needs)]
        if any(event is not SKIP for _, event in options):
            if times_left is None:
                times_left = chooser.choose(f"times {label}", beat.times) if len(beat.times) > 1 else 1
            event = chooser.choose(f"event {label}", options) if len(options) > 1 else options[0][1]
            times_left -= 1
        scene.plan_position = (number, times_left) if times_left else (number + 1, None)
    tell(event, scene, chooser)
    scene.finished = scene.plan_position[0] == len(scene.plan.beats)


def tell(event: Event, scene: Scene, chooser: Chooser) -> None:
    """Say an event and apply its effects."""
    for role in event.fresh:
        scene.cast.pop(role, None)
    for role in event.draws:
        scene.draw_role(role, chooser)
    say_one_of(f"form {event.name}", event.forms, scene, chooser)
    for effect in event.then:
        scene.apply(effect)


def _arc(name: str, entry: dict, shared: dict, events: dict[str, Event], lexicon: Lexicon, introductions: str) -> Arc:
    own = {role: _rule(role, text, lexicon) for role, text in entry.get("cast", {}).items()}
    rules = {**shared, **own}
    beats = tuple(_beat(name, text, events) for text in entry["beats"])
    if beats[-1].events[-1][1] is SKIP:
        raise WorldDataError(f"the last beat of arc {name!r} is optional; a story must end with a sentence")
    for beat, following in itertools.pairwise(beats):
        both = {event for _, event in beat.events} & {event for _, event in following.events} - {SKIP}
        if both:
            twice = next(iter(both)).name
            raise WorldDataError(f"arc {name!r} has {twice!r} in two adjacent beats; write it once, '{twice} 1-2'")
    for beat in beats:
        for _, event in beat.events:
            for role in () if event is SKIP else _roles(event):
                if role not in rules:
                    raise WorldDataError(f"event {event.name!r} mentions {role!r}; cast it in [cast] or arc {name!r}")
    return Arc(name, rules, beats, introductions)


def _beat(arc: str, text: str, events: dict[str, Event]) -> Beat:
    found = BEAT.fullmatch(text)
    if found is None:
        raise WorldDataError(f"arc {arc!r} has the beat {text!r}; write 'a | b', 'a ?' or 'a 1-3'")
    names, optional, least, most = found.groups()
    for name in names.split(" | "):
        if name not in events:
            raise WorldDataError(f"arc {arc!r} names the event {name!r}, which does not exist; add [event.{name}]")
    chosen = [events[name] for name in names.split(" | ")] + ([SKIP] if optional else [])
    return Beat(by_rank(chosen), by_rank(range(int(least or 1), int(most or 1) + 1)))


def _event(name: str, entry: dict[str, Any], separator: str) -> Event:
    if "line" in entry:
        separator = "\n" if entry["line"] else " "
    try:
        needs, then = (tuple(map(Condition.parse, entry.get(part, ()))) for part in ("needs", "then"))
        forms = equally([Form.parse(form, separator) for form in entry.get("forms", ())])
    except WorldDataError as problem:
        raise WorldDataError(f"event {name!r}: {problem}") from None
    if not forms or (all(form.needs for _, form in forms) and not entry.get("draws") and not needs):
        raise WorldDataError(f"event {name!r} has no form that fits every scene; add one without needs")
    for effect in then:
        if effect.value is None or effect.negated:
            raise WorldDataError(f"event {name!r} has an effect that sets nothing; write 'role.attribute = value'")
    return Event(name, needs, then, tuple(entry.get("draws", ())), tuple(entry.get("fresh", ())), forms)


def _roles(event: Event) -> set[str]:
    slots = {piece.role for _, form in event.forms for piece in form.pieces if not isinstance(piece, str)}
    return slots | {effect.role for effect in event.then} | {*event.draws, *event.fresh}


def _rule(role: str, text: str, lexicon: Lexicon) -> CastingRule:
    rule = CastingRule.parse(text)
    if rule.kind not in lexicon.kinds:
        known = ", ".join(sorted(lexicon.kinds))
        raise WorldDataError(f"the role {role!r} is cast from {rule.kind!r}; the kinds are {known}")
    return rule
