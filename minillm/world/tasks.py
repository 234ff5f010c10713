"""Tasks that need no document: copy, reverse, count, add, and say it politely.

Each maker draws the parameters of one task, its pair for the split among them, and returns a `Draft`: what is
asked, what is right, and some ways to get it wrong.
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
TIMES = by_rank((2, 3, 1, 4))  # how often a counted word stands in it
NUMBERS: Options = tuple((1, number) for number in range(2, 21))  # what is added


@dataclass(frozen=True)
class Draft:
    """An instruction before it is dressed: the replies are bare, without courtesies."""

    question: str
    reply: str
    mistakes: Sequence[str]
    key: Key


class Tasks:
    """Makes the tasks of one world; `make(family, ...)` draws one."""

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

    def make(self, family: str, voice: SplitSampler, source: random.Random) -> Draft:
        """Draw one task of a family: copy, reverse, count, sum or rewrite."""
        scene = Scene(self._lexicon, "task")
        for role in ("hero", "friend"):
            used = scene.cast.values()
            scene.cast[role] = voice.choose(role, [o for o in self._lexicon.kinds["person"] if o[1] not in used])
        return self._makers[family](stage(scene), voice, source)

    def _words(self, voice: SplitSampler, count: int) -> list[str]:
        chosen = [voice.choose("first word", self._nouns)]
        while len(chosen) < count:
            left = [option for option in self._nouns if option[1] not in chosen]
            chosen.append(voice.choose("second word", left))
        return [entity.noun for entity in chosen]

    def _copy(self, scene: Scene, voice: SplitSampler, source: random.Random) -> Draft:
        words = self._words(voice, voice.choose("length", LENGTHS))
        mistakes = [words[::-1], words[:-1], [words[1], words[0], *words[2:]]]
        return self._listing("copy", words, words, mistakes, scene, source)

    def _reverse(self, scene: Scene, voice: SplitSampler, source: random.Random) -> Draft:
        words = self._words(voice, voice.choose("length", LENGTHS))
        turned = words[::-1]
        mistakes = [words, turned[:-1], [*turned[1:], turned[0]]]
        return self._listing("reverse", words, turned, mistakes, scene, source)

    def _listing(
        self, task: str, words: list[str], right: list[str], wrong: list[list[str]], scene: Scene, source: random.Random
    ) -> Draft:
        key = Key(tuple(right), self._vocabularies.of("list"), ordered=True)
        question = self._ask(task, scene, source, words=", ".join(words))
        reply, *mistakes = self._replies("list", [", ".join(line) for line in (right, *wrong)], scene, source)
        return Draft(question, reply, mistakes, key)

    def _count(self, scene: Scene, voice: SplitSampler, source: random.Random) -> Draft:
        words = self._words(voice, voice.choose("length", LENGTHS))
        number, task, one = len(words), "count_all", words[0]
        if voice.choose("which count", ((1, True), (1, False))):
            number, task = voice.choose("times", TIMES), "count_one"
            # Sorted by drawn numbers: a shuffle that is the same in every version of Python.
            words = sorted([one] * number + words[1:], key=lambda word: source.random())
        question = self._ask(task, scene, source, words=", ".join(words), one=one)
        return self._figure(number, question, scene, source)

    def _sum(self, scene: Scene, voice: SplitSampler, source: random.Random) -> Draft:
        first, second = voice.choose("first number", NUMBERS), voice.choose("second number", NUMBERS)
        goods = voice.choose("goods", by_rank(self._book.stock["goods"]))
        question = self._ask("sum", scene, source, first=str(first), second=str(second), goods=goods)
        return self._figure(first + second, question, scene, source)

    def _figure(self, number: int, question: str, scene: Scene, source: random.Random) -> Draft:
        figures = [str(figure) for figure in (number, number + 1, number - 1, number + 10)]
        key = self._vocabularies.key("figure", Entity("figure", figures[0], figures[0]), question)
        reply, *mistakes = self._replies("figure", figures, scene, source)
        return Draft(question, reply, mistakes, key)

    def _rewrite(self, scene: Scene, voice: SplitSampler, source: random.Random) -> Draft:
        order = voice.choose("order", by_rank(self._book.stock["orders"]))
        thing = voice.choose("object", self._nouns)
        other = voice.choose("other object", [option for option in self._nouns if option[1] is not thing])
        said = f"{order} the {thing.noun}"
        question = self._ask("rewrite", scene, source, Order=said[0].upper() + said[1:])
        key = Key(("please", order, thing.noun), self._orders)
        reply, wrong_thing = self._replies("rewrite", [said, f"{order} the {other.noun}"], scene, source)
        mistakes = [say_with(form, Entity("text", said, said), scene, source) for _, form in self._book.replies["rude"]]
        return Draft(question, reply, [*mistakes, wrong_thing], key)

    def _ask(self, task: str, scene: Scene, source: random.Random, **slots: str) -> str:
        scene.cast |= {role: Entity("text", text, text) for role, text in slots.items()}
        return say(self._book.tasks[task], scene, source)

    def _replies(self, name: str, answers: Sequence[str], scene: Scene, source: random.Random) -> list[str]:
        """The answers, all in the same words."""
        forms = self._book.replies[name]
        form = forms[int(source.random() * len(forms))][1]
        return [say_with(form, Entity("text", text, text), scene, source) for text in answers]
