"""Stories: a latent plan, and events that are told only where the scene allows them.

An arc (lost and found, a trade, a quarrel ...) is a cast and a row of beats; a beat names the events that
may come next. An event is a small planning operator in the manner of STRIPS (Fikes and Nilsson, 1971): it
needs some things to be true and makes others true. What arcs and events there are, and how they are worded,
stands in `text/stories.toml`; this room only walks through them.
"""

import functools
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minillm.world.choice import Options, Voice, by_rank
from minillm.world.lexicon import TEXT, Lexicon, WorldDataError, load_lexicon, read_toml
from minillm.world.scene import CastingRule, Condition, Scene
from minillm.world.wording import Form, say_one_of

BEAT = re.compile(r"([a-z_]+(?: \| [a-z_]+)*)(?: (\?)| (\d)-(\d))?")
SKIP = None


@dataclass(frozen=True, eq=False, slots=True)
class Event:
    """One sentence's worth of happening."""

    name: str
    needs: tuple[Condition, ...]
    then: tuple[Condition, ...]
    draws: tuple[str, ...]
    fresh: tuple[str, ...]
    forms: tuple[tuple[int, Form], ...]


@dataclass(frozen=True, eq=False, slots=True)
class Beat:
    """What may come at this point of an arc (None: nothing), and how many times."""

    events: Options
    times: Options


@dataclass(frozen=True, eq=False, slots=True)
class Arc:
    """A plan of events: who may play in it, and its beats, one after the other."""

    name: str
    rules: Mapping[str, CastingRule]
    beats: tuple[Beat, ...]
    introductions: str


@functools.cache
def load_arcs(folder: Path = TEXT, file: str = "stories.toml") -> Options:
    """Read a file of plans: a weighted list of arcs. Raises WorldDataError by entry for what could not be told."""
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
            raise WorldDataError(f"event {name!r} is in no arc; name it in a beat or take it out")
    return by_rank(arcs)


def begin(scene: Scene, voice: Voice, arcs: Options) -> None:
    """Choose the plan. The text never names it; a reader keeps all that still fit."""
    scene.plan = voice.choose("arc", arcs)
    scene.rules, scene.place_in_plan, scene.introductions = scene.plan.rules, (0, None), scene.plan.introductions


def step(scene: Scene, voice: Voice) -> None:
    """Tell one sentence of a story, passing over beats at which nothing happens."""
    event = None
    while event is None:
        number, times_left = scene.place_in_plan
        beat = scene.plan.beats[number]
        label = f"{scene.plan.name}.{number}"
        options = [option for option in beat.events if option[1] is SKIP or scene.allows(option[1].needs)]
        if any(event is not SKIP for _, event in options):
            if times_left is None:
                times_left = voice.choose(f"times {label}", beat.times) if len(beat.times) > 1 else 1
            event = voice.choose(f"event {label}", options) if len(options) > 1 else options[0][1]
            times_left -= 1
        scene.place_in_plan = (number, times_left) if times_left else (number + 1, None)
    tell(event, scene, voice)
    scene.finished = scene.place_in_plan[0] == len(scene.plan.beats)


def tell(event: Event, scene: Scene, voice: Voice) -> None:
    """Word an event and let it happen."""
    for role in event.fresh:
        scene.cast.pop(role, None)
    for role in event.draws:
        scene.draw(role, voice)
    say_one_of(f"form {event.name}", event.forms, scene, voice)
    for effect in event.then:
        scene.make_true(effect)


def _arc(name: str, entry: dict, shared: dict, events: dict[str, Event], lexicon: Lexicon, introductions: str) -> Arc:
    own = {role: _rule(role, text, lexicon) for role, text in entry.get("cast", {}).items()}
    rules = {**shared, **own}
    beats = tuple(_beat(name, text, events) for text in entry["beats"])
    if beats[-1].events[-1][1] is SKIP:
        raise WorldDataError(f"the last beat of arc {name!r} may be left out; a story must end in a sentence")
    for one, other in itertools.pairwise(beats):
        both = {event for _, event in one.events} & {event for _, event in other.events} - {SKIP}
        if both:
            twice = next(iter(both)).name
            raise WorldDataError(f"arc {name!r} has {twice!r} in two neighbouring beats; write it once, '{twice} 1-2'")
    for beat in beats:
        for _, event in beat.events:
            for role in () if event is SKIP else _roles(event):
                if role not in rules:
                    raise WorldDataError(f"event {event.name!r} speaks of {role!r}; cast it in [cast] or arc {name!r}")
    return Arc(name, rules, beats, introductions)


def _beat(arc: str, text: str, events: dict[str, Event]) -> Beat:
    found = BEAT.fullmatch(text)
    if found is None:
        raise WorldDataError(f"arc {arc!r} has the beat {text!r}; write 'a | b', 'a ?' or 'a 1-3'")
    names, optional, least, most = found.groups()
    for name in names.split(" | "):
        if name not in events:
            raise WorldDataError(f"arc {arc!r} names the event {name!r}, which is not there; add [event.{name}]")
    chosen = [events[name] for name in names.split(" | ")] + ([SKIP] if optional else [])
    return Beat(by_rank(chosen), by_rank(range(int(least or 1), int(most or 1) + 1)))


def _event(name: str, entry: dict[str, Any], separator: str) -> Event:
    if "line" in entry:
        separator = "\n" if entry["line"] else " "
    try:
        needs, then = (tuple(map(Condition.parse, entry.get(part, ()))) for part in ("needs", "then"))
        forms = by_rank([Form.parse(form, separator) for form in entry.get("forms", ())])
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
