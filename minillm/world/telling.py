"""Telling a story on purpose: this plan, this turn of events, and every sentence noted with the scene before it."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from minillm.world.choice import Options, Sampler
from minillm.world.scene import Scene
from minillm.world.wording import Form, say_one_of
from minillm.world.world import World

Wishes = Mapping[str, Callable[[Any], bool]]  # for the name of a choice: whether an option will do


class Refused(Exception):
    """What was wished for cannot happen in this story."""


class Teller(Sampler):
    """A sampler that keeps to wishes, and remembers the last form it chose. Wishes cost no random numbers."""

    def __init__(self, source: random.Random, wishes: Wishes):
        super().__init__(source)
        self._wishes = wishes
        self.event = ""
        self.form: Any = None

    def choose(self, name: str, options: Options, opening: Any = None) -> Any:
        if name in self._wishes:
            options = [option for option in options if self._wishes[name](option[1])]
            if not options:
                raise Refused
        item = super().choose(name, options)
        if name.startswith("form "):
            self.event, self.form = name.removeprefix("form "), item
        return item


@dataclass(frozen=True)
class Sentence:
    """One sentence of a document: the event it tells and its form, and what it was added to."""

    event: str
    form: Form
    before: Scene | Any  # None before the first sentence
    text_before: str
    said: str  # with the space before it


def tell(world: World, source: random.Random, kind: str, plan: str, wishes: Wishes) -> list[Sentence]:
    """Tell a whole document of this plan. Raises `Refused` where a wish cannot be met."""
    voice = Teller(source, {"kind": kind.__eq__, "arc": lambda arc: arc.name == plan, **wishes})
    scene, sentences = None, []
    while scene is None or not scene.finished:
        before, text_before = scene, voice.text
        scene = world.step(scene, voice)
        sentences.append(Sentence(voice.event, voice.form, before, text_before, voice.text[len(text_before) :]))
    return sentences


def said(form: Form, scene: Scene) -> str:
    """A form in the words of a scene, which stays as it was; whoever it introduces is drawn, always alike."""
    voice = Sampler(random.Random(0))
    say_one_of("form", ((1, form),), scene.copy(), voice)
    return voice.text
