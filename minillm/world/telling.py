"""Sample a document under constraints (this plan, this event) and record every sentence with its scene."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from minillm.world.choice import Options, Sampler
from minillm.world.scene import Scene
from minillm.world.wording import Form, say_one_of
from minillm.world.world import World

Constraints = Mapping[str, Callable[[Any], bool]]  # name of a choice -> whether an option is allowed


class Unsatisfiable(Exception):
    """The constraints leave a choice without options in this story."""


class ConstrainedSampler(Sampler):
    """A sampler that obeys constraints and records the last form it chose.

    A constraint uses no random numbers of its own.
    """

    def __init__(self, rng: random.Random, constraints: Constraints):
        super().__init__(rng)
        self._constraints = constraints
        self.event = ""
        self.form: Any = None

    def choose(self, name: str, options: Options, opening: Any = None) -> Any:
        if name in self._constraints:
            options = [option for option in options if self._constraints[name](option[1])]
            if not options:
                raise Unsatisfiable
        item = super().choose(name, options)
        if name.startswith("form "):
            self.event, self.form = name.removeprefix("form "), item
        return item


@dataclass(frozen=True)
class Sentence:
    """One sentence of a document, with its event, its form, and the scene and text before it."""

    event: str
    form: Form
    before: Scene | Any  # None before the first sentence
    text_before: str
    said: str  # including the space before it


def tell(world: World, rng: random.Random, kind: str, plan: str, constraints: Constraints) -> list[Sentence]:
    """Sample a whole document of this plan; raises `Unsatisfiable` if a constraint cannot be met."""
    sampler = ConstrainedSampler(rng, {"kind": kind.__eq__, "arc": lambda arc: arc.name == plan, **constraints})
    scene, sentences = None, []
    while scene is None or not scene.finished:
        before, text_before = scene, sampler.text
        scene = world.step(scene, sampler)
        sentences.append(Sentence(sampler.event, sampler.form, before, text_before, sampler.text[len(text_before) :]))
    return sentences


def said(form: Form, scene: Scene) -> str:
    """Return the words of a form in a scene, without changing it; uncast roles are drawn with a fixed seed."""
    sampler = Sampler(random.Random(0))
    say_one_of("form", ((1, form),), scene.copy(), sampler)
    return sampler.text
