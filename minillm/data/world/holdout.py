"""Two splits that cannot meet: which combinations are kept for testing, and the voice that respects it.

Every instruction is made of a pair of things that are chosen one after the other: hero and spot, subject and
first fact, first word and second word, two numbers, order and object. A pair is held out if the ranks of its
two halves add up to a multiple of four. So each half is known from training, and only their meeting is new.
The voice drops the other split's options at the second choice, where what is left is renormalised by itself.
"""

import random
from collections.abc import Callable
from typing import Any, Literal

from minillm.data.world.choice import Options, Sampler
from minillm.data.world.facts import Almanac
from minillm.data.world.lexicon import Lexicon

Split = Literal["training", "held-out"]
SPLITS = ("training", "held-out")
ONE_IN = 4
PAIRS = {
    "cast spot": "cast hero",
    "relation": "subject",
    "second word": "first word",
    "second number": "first number",
    "object": "order",
}


def is_held_out(first_rank: int, second_rank: int) -> bool:
    """Whether a pair belongs to the held-out split, by the places of its halves in their lists.

    >>> is_held_out(1, 3), is_held_out(1, 4)
    (True, False)
    """
    return (first_rank + second_rank) % ONE_IN == 0


def ranks(lexicon: Lexicon, almanac: Almanac) -> dict[Any, int]:
    """The place of every entity in the list of its kind, and of every relation in the almanac."""
    places = {entity: rank for options in lexicon.kinds.values() for rank, (_, entity) in enumerate(options)}
    relations = dict.fromkeys(relation for _, relation in almanac.facts())
    return places | {relation: rank for rank, relation in enumerate(relations)}


class SplitSampler(Sampler):
    """A `Sampler` that stays in one split, and remembers what it chose and what it told.

    `rank` gives the place of an option in its list. After a document, `pair` is the pair that placed it in this split,
    None if it has none.
    """

    def __init__(self, source: random.Random, split: Split, rank: Callable[[Any], int]):
        super().__init__(source)
        self._held_out, self._rank = split == "held-out", rank
        self._chosen: dict[str, Any] = {}
        self.told: list[str] = []  # the events and relations, sentence by sentence
        self.pair: tuple[Any, Any] | None = None

    def choose(self, name: str, options: Options, opening: Callable[[Any], str] | None = None) -> Any:
        first = self._chosen.get(PAIRS.get(name))
        makes_pair = first is not None and self.pair is None
        if makes_pair:
            place = self._rank(first)
            options = [o for o in options if is_held_out(place, self._rank(o[1])) is self._held_out]
        item = super().choose(name, options)
        self._chosen.setdefault(name, item)
        if makes_pair:
            self.pair = (first, item)
        if name.startswith("form "):
            self.told.append(name.removeprefix("form "))
        return item


def spelled(pair: tuple[Any, Any]) -> tuple[str, str]:
    """A pair in words."""
    return tuple(half if isinstance(half, str) else getattr(half, "name", str(half)) for half in pair)
