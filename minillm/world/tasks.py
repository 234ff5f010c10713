"""Tasks that need no document: copy, reverse, count, add, rewrite politely, chains of sums, and swaps.

Each method draws the parameters of one task, including the pair that determines its split, and returns a `Draft`:
the question, the right reply, the reply with its steps where there are some, and wrong replies.
"""

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from minillm.world.answers import Key
from minillm.world.choice import Options, by_rank
from minillm.world.lexicon import ADDENDS, Entity, Lexicon
from minillm.world.phrasebook import Phrasebook
from minillm.world.scene import Scene
from minillm.world.split_sampler import SplitSampler
from minillm.world.staging import Vocabularies, say, say_with, stage
from minillm.world.worked import CRATES, ORDER, add_by_columns, count_aloud, expression, follow_swaps, steps

LENGTHS = by_rank((3, 4, 2, 5, 6))  # words in a list
NUMBERS: Options = tuple((1, number) for number in ADDENDS)
CHAINS: Options = tuple((1, number) for number in (2, 3, 4))  # moves in a chain
LONG_CHAINS: Options = tuple((1, number) for number in (5, 6, 7))
SWAPS: Options = tuple((1, number) for number in (2, 3, 4))
SWAP: Options = ((1, (0, 1)), (1, (0, 2)), (1, (1, 2)))  # of three crates
START: Options = ((1, 0), (1, 1), (1, 2))  # the crate that the thing is in


@dataclass(frozen=True)
class Draft:
    """An instruction before polite phrases are added to its reply."""

    question: str
    reply: str
    mistakes: Sequence[str]
    key: Key
    worked: str = ""


class Tasks:
    """The tasks of one world; `make(family, ...)` draws one."""

    def __init__(self, lexicon: Lexicon, phrasebook: Phrasebook, vocabularies: Vocabularies):
        self._lexicon, self._book, self._vocabularies = lexicon, phrasebook, vocabularies
        self._nouns: Options = tuple((1, entity) for entity in vocabularies.nouns())
        self._animals = {entity.noun for _, entity in lexicon.kinds["animal"]}
        self._orders = vocabularies.orders()
        self._makers: dict[str, Callable] = {
            "copy": self._copy,
            "reverse": self._reverse,
            "count": self._count,
            "sum": self._sum,
            "rewrite": self._rewrite,
            "chain": functools.partial(self._chain, CHAINS),
            "long_chain": functools.partial(self._chain, LONG_CHAINS),
            "swaps": self._swaps,
        }
        self._moves: dict[str, list[tuple[int, Entity]]] = {}
        for option in lexicon.kinds["move"]:
            if option[1].attributes["held_out"] == "no":
                self._moves.setdefault(option[1].attributes["first"], []).append(option)

    def make(self, family: str, sampler: SplitSampler, rng: random.Random) -> Draft:
        """Draw one task of a family."""
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
        task = sampler.choose("which count", ((1, "count_all"), (1, "count_animals")))
        counts = [task == "count_all" or word in self._animals for word in words]
        question = self._ask(task, scene, rng, words=", ".join(words))
        return self._figure(sum(counts), question, count_aloud(words, counts), scene, rng)

    def _sum(self, scene: Scene, sampler: SplitSampler, rng: random.Random) -> Draft:
        first, second = sampler.choose("first number", NUMBERS), sampler.choose("second number", NUMBERS)
        goods = sampler.choose("goods", by_rank(self._book.stock["goods"]))
        question = self._ask("sum", scene, rng, first=str(first), second=str(second), goods=goods)
        return self._figure(first + second, question, add_by_columns(first, second), scene, rng)

    def _chain(self, lengths: Options, scene: Scene, sampler: SplitSampler, rng: random.Random) -> Draft:
        start = sampler.choose("start", NUMBERS)
        moves = [sampler.choose("first move", self._moves[str(start)])]
        for _ in range(sampler.choose("moves", lengths) - 1):
            moves.append(sampler.choose("second move", self._moves[moves[-1].attributes["total"]]))
        question = self._ask("chain", scene, rng, expression=expression(moves))
        return self._figure(int(moves[-1].attributes["total"]), question, steps(moves), scene, rng)

    def _figure(self, number: int, question: str, worked: str, scene: Scene, rng: random.Random) -> Draft:
        key = self._vocabularies.key("figure", Entity("figure", str(number), str(number)), question)
        near = (str(number + by) for by in (1, -1, 10, 2, -2, 11, 9, 12))
        wrong = [figure for figure in near if figure not in key.given]  # a reply may repeat what the question mentions
        figures = [str(number), *wrong[:3]]
        reply, *mistakes = self._replies("figure", figures, scene, rng)
        right, misled = (self._book.worked.format(steps=worked, answer=figure) for figure in figures[:2])
        return Draft(question, reply, [*mistakes, misled], key, right)

    def _swaps(self, scene: Scene, sampler: SplitSampler, rng: random.Random) -> Draft:
        thing, other = self._words(sampler, 2)
        swaps = [sampler.choose("swap", SWAP) for _ in range(sampler.choose("swaps", SWAPS))]
        start = sampler.choose("start", START)
        pairs = zip(ORDER, swaps, strict=False)
        changes = " ".join(
            f"{order} the {CRATES[a]} and the {CRATES[b]} crate change places." for order, (a, b) in pairs
        )
        question = self._ask("swaps", scene, rng, thing=thing, other=other, start=CRATES[start], changes=changes)
        worked, last = follow_swaps(start, swaps)
        others = [crate for crate in CRATES if crate != last]
        reply, *mistakes = self._replies("crate", [last, *others], scene, rng)
        misled = f"{worked.removesuffix(last)}{others[0]}"
        right, wrong = (
            self._book.worked.format(steps=text, answer=crate) for text, crate in ((worked, last), (misled, others[0]))
        )
        key = Key((last,), self._vocabularies.of("crate"), ordered=True)
        return Draft(question, reply, [*mistakes, wrong], key, right)

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
