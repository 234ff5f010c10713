"""The words and merges that answers to 01.encode are tried on."""

import random

from minillm.course.checks.asking import Call
from minillm.course.turns.tokenizer.encoding_variants import Ids, Merges
from minillm.course.turns.tokenizer.learning import learn


def _letters(rng: random.Random, kinds: int, least: int, most: int) -> Ids:
    return [97 + rng.randrange(kinds) for _ in range(rng.randint(least, most))]


def _learned(rng: random.Random, kinds: int, n: int, count: int, least: int = 3) -> list[Call]:
    """Words, the shortest first, each with merges that were learned from other words."""

    def merges() -> Merges:
        return learn([_letters(rng, kinds, 2, 7) for _ in range(2 * n)], n)

    return [(ids, merges()) for ids in sorted((_letters(rng, kinds, least, 9) for _ in range(count)), key=len)]


def draw_few(rng: random.Random) -> list[Call]:
    """Words of two letters, with a handful of merges."""
    first: Call = ([97, 98, 99], {(98, 99): 256, (97, 98): 257})
    nothing_known: Call = ([98, 97, 99], {(97, 98): 256})
    return [first, nothing_known, *_learned(rng, 2, 5, 24, least=4)]


def draw_more(rng: random.Random) -> list[Call]:
    """Words of three letters, with some more merges."""
    return _learned(rng, 3, 14, 14, least=4)


def draw_shuffled(rng: random.Random) -> list[Call]:
    """Dictionaries that aren't in the order of learning."""
    first: Call = ([97, 98, 99], {(97, 98): 257, (98, 99): 256})
    return [first, *((ids, dict(rng.sample([*one.items()], len(one)))) for ids, one in _learned(rng, 2, 5, 14, 4))]


def draw_odd(rng: random.Random) -> list[Call]:
    """One id, none, nothing known, no merges, and ids in a row that are equal."""
    return [
        ([97], {(97, 98): 256}),
        ([], {(97, 98): 256}),
        ([97, 98], {(97, 98): 256}),
        ([98, 97], {(97, 98): 256}),
        ([97, 98], {}),
        ([97] * 7, {(97, 97): 256, (256, 256): 257}),
        ([97] * 3, {(97, 97): 256}),
        ([1, 97, 98], {(97, 98): 256, (1, 256): 257}),
        ([0, 97, 98, 99], {(97, 98): 300, (300, 99): 412}),
        ([97, 98, 99], {(97, 98): 30_000, (30_000, 99): 49_000}),
        ([97, 98, 99], {(98, 99): 256, (97, 98): 1_000}),
    ]
