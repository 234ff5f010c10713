"""Tasks that need no document: copy, reverse, count, add, and rewrite politely.

Each method draws the parameters of one task, including the pair that determines its split, and returns a `Draft`:
the question, the right reply and some wrong ones.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from minillm.world.answers import Key
from minillm.world.choice import Options, by_rank
from minillm.world.lexicon import Entity, Lexicon
from minillm.world.phrasebook import Phrasebook
from minillm.world.scene import Scene
from minillm.world.split_sampler import SplitSampler
from minillm.world.staging import Vocabularies, say, say_with, stage

LENGTHS = by_rank((3, 4, 2, 5, 6))  # words in a list
TIMES = by_rank((2, 3, 1, 4))  # how often the counted word occurs
NUMBERS: Options = tuple((1, number) for number in range(2, 21))  # the addends


@dataclass(frozen=True)
class Draft:
    """An instruction before polite phrases are added to its reply."""

    question: str
    reply: str
    mistakes: Sequence[str]
    key: Key


class Tasks:
    """The tasks of one world; `make(family, ...)` draws one."""

    def __init__(self, lexicon: Lexicon, phrasebook: Phrasebook, vocabularies: Vocabularies):
        self._lexicon, self._book, self._vocabularies = lexicon, phrasebook, vocabularies
        self._nouns: Options = tuple((1, entity) for entity in vocabularies.nouns())
        self._orders = vocabularies.orders()
        self._makers: dict[str, Callable] = {
            "copy": self._copy,
            "reverse": self._reverse,
            "count": self._count,
            "sum": self._sum,
            "rewrite": self._rewrite,
        }

    def make(self, family: str, sampler: SplitSampler, rng: random.Random) -> Draft:
        """Draw one task of a family: copy, reverse, count, sum or rewrite."""
        scene = Scene(self._lexicon, "task")
        for role in ("hero", "friend"):
            used = scene.cast.values()
            scene.cast[role] = sampler.choose(role, [o for o in self._lexicon.kinds["person"] if o[1] not in used])
        return self._makers[family](stage(scene), sampler, rng)

    def _words(self, sampler: SplitSampler, count: int) -> list[str]:
        chosen = [sampler.choose("first word", self._nouns)]
        while len(chosen) < count:
            left = [option for option in self._nouns if option[1] not in chosen]
            chosen.append(sampler.choose("second word", left))
        return [entity.noun for entity in chosen]

    def _copy(self, scene: Scene, sampler: SplitSampler, rng: random.Random) -> Draft:
        words = self._words(sampler, sampler.choose("length", LENGTHS))
        mistakes = [words[::-1], words[:-1], [words[1], words[0], *words[2:]]]
        return self._listing("copy", words, words, mistakes, scene, rng)

    def _reverse(self, scene: Scene, sampler: SplitSampler, rng: random.Random) -> Draft:
        words = self._words(sampler, sampler.choose("length", LENGTHS))
        turned = words[::-1]
        mistakes = [words, turned[:-1], [*turned[1:], turned[0]]]
        return self._listing("reverse", words, turned, mistakes, scene, rng)

    def _listing(
        self, task: str, words: list[str], right: list[str], wrong: list[list[str]], scene: Scene, rng: random.Random
    ) -> Draft:
        key = Key(tuple(right), self._vocabularies.of("list"), ordered=True)
        question = self._ask(task, scene, rng, words=", ".join(words))
        reply, *mistakes = self._replies("list", [", ".join(line) for line in (right, *wrong)], scene, rng)
        return Draft(question, reply, mistakes, key)

    def _count(self, scene: Scene, sampler: SplitSampler, rng: random.Random) -> Draft:
        words = self._words(sampler, sampler.choose("length", LENGTHS))
        number, task, counted = len(words), "count_all", words[0]
        if sampler.choose("which count", ((1, True), (1, False))):
            number, task = sampler.choose("times", TIMES), "count_one"
            # Sorting by random keys is a shuffle that gives the same order in every version of Python.
            words = sorted([counted] * number + words[1:], key=lambda word: rng.random())
        question = self._ask(task, scene, rng, words=", ".join(words), one=counted)
        return self._figure(number, question, scene, rng)

    def _sum(self, scene: Scene, sampler: SplitSampler, rng: random.Random) -> Draft:
        first, second = sampler.choose("first number", NUMBERS), sampler.choose("second number", NUMBERS)
        goods = sampler.choose("goods", by_rank(self._book.stock["goods"]))
        question = self._ask("sum", scene, rng, first=str(first), second=str(second), goods=goods)
        return self._figure(first + second, question, scene, rng)

    def _figure(self, number: int, question: str, scene: Scene, rng: random.Random) -> Draft:
        figures = [str(figure) for figure in (number, number + 1, number - 1, number + 10)]
        key = self._vocabularies.key("figure", Entity("figure", figures[0], figures[0]), question)
        reply, *mistakes = self._replies("figure", figures, scene, rng)
        return Draft(question, reply, mistakes, key)

    def _rewrite(self, scene: Scene, sampler: SplitSampler, rng: random.Random) -> Draft:
        order = sampler.choose("order", by_rank(self._book.stock["orders"]))
        thing = sampler.choose("object", self._nouns)
        other = sampler.choose("other object", [option for option in self._nouns if option[1] is not thing])
        said = f"{order} the {thing.noun}"
        question = self._ask("rewrite", scene, rng, Order=said[0].upper() + said[1:])
        key = Key(("please", order, thing.noun), self._orders)
        reply, wrong_thing = self._replies("rewrite", [said, f"{order} the {other.noun}"], scene, rng)
        mistakes = [say_with(form, Entity("text", said, said), scene, rng) for _, form in self._book.replies["rude"]]
        return Draft(question, reply, [*mistakes, wrong_thing], key)

    def _ask(self, task: str, scene: Scene, rng: random.Random, **slots: str) -> str:
        scene.cast |= {role: Entity("text", text, text) for role, text in slots.items()}
        return say(self._book.tasks[task], scene, rng)

    def _replies(self, name: str, answers: Sequence[str], scene: Scene, rng: random.Random) -> list[str]:
        """The answers, all in the same wording."""
        forms = self._book.replies[name]
        form = forms[int(rng.random() * len(forms))][1]
        return [say_with(form, Entity("text", text, text), scene, rng) for text in answers]
