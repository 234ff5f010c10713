"""Reading a text back: the exact probability of a document, and of the next word at a prefix.

The reader goes through the text sentence by sentence with a set of weighted hypotheses (scenes). Each lets
the generator take one step in every way that fits the words; hypotheses that arrive at the same place in
the same scene are added, in log space. What is left at the end of the text, and has finished, is the
marginal probability over all derivations.
"""

import functools
import heapq
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from minillm.world.choice import Mismatch, Reader

PIECE = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?[^\s\w]+|\s")  # GPT-2's, for text without "_"


@dataclass(frozen=True)
class Reading:
    """What became of a text: ln P in nats (-inf for no document), its derivations, and how many characters agreed."""

    log_prob: float
    derivations: int
    reached: int


def log_add(a: float, b: float) -> float:
    """ln(e^a + e^b) without leaving log space.

    >>> round(math.exp(log_add(math.log(0.25), math.log(0.5))), 12)
    0.75
    """
    high, low = max(a, b), min(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


class Frontier:
    """Hypotheses in the order of their position; equal ones are added as they meet."""

    def __init__(self) -> None:
        self._order: list[tuple[int, int]] = []
        self._at: dict[tuple, list] = {}
        self._keys: list[tuple] = []

    def add(self, position: int, scene: Any, log_prob: float, derivations: int = 1, beyond: str = "") -> None:
        """Take up a hypothesis; one that is known already becomes likelier (log-probability in nats)."""
        key = (position, beyond, None if scene is None else scene.key())
        if key in self._at:
            known = self._at[key]
            known[2], known[3] = log_add(known[2], log_prob), known[3] + derivations
            return
        self._at[key] = [position, scene, log_prob, derivations, beyond]
        heapq.heappush(self._order, (position + len(beyond), len(self._keys)))
        self._keys.append(key)

    def __iter__(self) -> Iterator[list]:
        while self._order:
            _, number = heapq.heappop(self._order)
            yield self._at.pop(self._keys[number])


def read(step: Callable, text: str) -> Reading:
    """Sum over all derivations of a text by a generator that goes `scene = step(scene, voice)`."""
    reader, frontier = Reader(text), Frontier()
    frontier.add(0, None, 0.0)
    log_prob, derivations = -math.inf, 0
    for position, scene, so_far, count, _ in frontier:
        for after, end, gain in reader.ways(step, scene, position):
            if not after.finished:
                frontier.add(end, after, so_far + gain, count)
            elif end == len(text):
                log_prob, derivations = log_add(log_prob, so_far + gain), derivations + count
    return Reading(log_prob, derivations, reader.reached)


class WordFound(Exception):
    """A way of going on has said one whole piece beyond the prefix."""


class PrefixReader(Reader):
    """A reader that lets the words run on beyond its text, until they make one whole piece."""

    def __init__(self, prefix: str):
        super().__init__(prefix)
        self.last = "" if prefix == "" else PIECE.findall(prefix)[-1]

    def ways_on(self, step: Callable, scene: Any, position: int, beyond: str) -> Iterator[tuple[Any, str, float]]:
        """Yield (scene, or None when a piece is complete; what was said beyond the text; log-probability)."""

        def stopping_at_a_piece(state: Any, voice: Reader) -> Any:
            self.beyond = beyond
            try:
                return step(state, voice)
            except WordFound:
                return None

        for after, _, gain in self.ways(stopping_at_a_piece, scene, position):
            yield after, self.beyond, gain

    def agrees(self, words: str | tuple[str, ...]) -> bool:
        """As in `Reader`; words may run on beyond the end of the text."""
        if isinstance(words, tuple):
            return any(map(self.agrees, words))
        return self.given.startswith(words[: len(self.given) - self.position], self.position)

    def say(self, text: str) -> None:
        """As in `Reader`; what runs beyond the end is kept, and raises `WordFound` when a word of it is whole."""
        room = len(self.given) - self.position
        super().say(text[:room])
        self.beyond += text[room:]
        across = PIECE.match(self.last + self.beyond) if self.beyond else None
        if across and across.end() > len(self.last) > 0:
            raise Mismatch  # the prefix would end within a piece: "goat", and it goes on with "skin"
        found = PIECE.match(self.beyond)
        if found and found.end() < len(self.beyond):
            self.beyond = found[0]
            raise WordFound


def next_pieces(step: Callable, prefix: str) -> dict[str, float]:
    """The distribution over the piece after a prefix of whole pieces; "" is the end. Empty if nothing begins so."""
    found = _ways_on(step, prefix)
    total = _log_sum(found)
    return {piece: math.exp(log_prob - total) for piece, log_prob in sorted(found.items(), key=lambda item: -item[1])}


def prefix_log_prob(step: Callable, prefix: str) -> float:
    """ln of the probability that a document begins with these whole pieces, in nats."""
    return _log_sum(_ways_on(step, prefix))


def _log_sum(found: dict[str, float]) -> float:
    return functools.reduce(log_add, found.values(), -math.inf)


def _ways_on(step: Callable, prefix: str) -> dict[str, float]:
    """For each next piece, ln of the probability that a document begins with the prefix and this piece."""
    reader, frontier = PrefixReader(prefix), Frontier()
    frontier.add(0, None, 0.0)
    found: dict[str, float] = {}
    for position, scene, so_far, count, beyond in frontier:
        for after, said, gain in reader.ways_on(step, scene, position, beyond):
            if after is None or (after.finished and said):
                found[said] = log_add(found.get(said, -math.inf), so_far + gain)
            elif not after.finished:
                frontier.add(reader.position, after, so_far + gain, count, said)
            elif reader.position == len(prefix):
                found[""] = log_add(found.get("", -math.inf), so_far + gain)
    return found
