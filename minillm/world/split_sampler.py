"""The sampler for instructions: it stays in one split and records what it chose and what it told."""

import random
from collections.abc import Callable
from typing import Any

from minillm.world.choice import Opening, Options, Sampler
from minillm.world.holdout import Split, filter_split, is_held_out, numbers_held_out

# Every instruction draws a pair that determines its split: {name of the second choice: name of the first}.
PAIRS = {
    "cast spot": "cast hero",
    "relation": "subject",
    "second word": "first word",
    "second number": "first number",
    "second move": "first move",
    "object": "order",
}


class SplitSampler(Sampler):
    """A `Sampler` that drops the other split's options at the second choice of a pair.

    `rank` returns the position of an option in its list. After a document, `pair` is the pair that determined its
    split, or None if it drew none.
    """

    def __init__(self, rng: random.Random, split: Split, rank: Callable[[Any], int]):
        super().__init__(rng)
        self._split: Split = split
        self._rank = rank
        self._chosen: dict[str, Any] = {}
        self.told: list[str] = []  # the events and relations, sentence by sentence
        self.pair: tuple[Any, Any] | None = None

    def choose(self, name: str, options: Options, opening: Opening | None = None) -> Any:
        first = self._chosen.get(PAIRS.get(name, ""))
        makes_pair = first is not None and self.pair is None
        if makes_pair:
            options = filter_split(options, lambda second: self._held_out(first, second), self._split)
        item = super().choose(name, options)
        self._chosen.setdefault(name, item)
        if makes_pair:
            self.pair = (first, item)
        if name.startswith("form "):
            self.told.append(name.removeprefix("form "))
        return item

    def _held_out(self, first: Any, second: Any) -> bool:
        if isinstance(first, int):
            return numbers_held_out(first, second)
        return is_held_out(self._rank(first), self._rank(second))


def spelled(pair: tuple[Any, Any]) -> tuple[str, str]:
    """Return a pair as two strings."""
    first, second = (half if isinstance(half, str) else getattr(half, "name", str(half)) for half in pair)
    return first, second
