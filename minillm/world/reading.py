"""Parse a text: the exact probability of a document, and of the next word after a prefix.

The parser goes through the text sentence by sentence with a set of weighted hypotheses (scenes). For each one
it enumerates the generator steps that produce the next words. Hypotheses that reach the same position in the
same scene are merged by adding their probabilities in log space. The finished hypotheses at the end of the text
sum to the marginal probability over all derivations.
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
    """The result of parsing a text."""

    log_prob: float  # nats; -inf if the text is not a document
    derivations: int
    reached: int  # characters up to which some derivation agreed with the text


def log_add(a: float, b: float) -> float:
    """Compute ln(e^a + e^b) without overflow.

    >>> round(math.exp(log_add(math.log(0.25), math.log(0.5))), 12)
    0.75
    """
    high, low = max(a, b), min(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


class Frontier:
    """A queue of hypotheses ordered by position; equal hypotheses are merged."""

    def __init__(self) -> None:
        self._order: list[tuple[int, int]] = []
        self._at: dict[tuple, list] = {}
        self._keys: list[tuple] = []

    def add(self, position: int, scene: Any, log_prob: float, derivations: int = 1, beyond: str = "") -> None:
        """Add a hypothesis (log-probability in nats), or merge it into an equal one."""
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
    """Sum over all derivations of a text, for a generator with `scene = step(scene, chooser)`."""
    reader, frontier = Reader(text), Frontier()
    frontier.add(0, None, 0.0)
    log_prob, derivations = -math.inf, 0
    for position, scene, so_far, count, _ in frontier:
        for after, end, gain in reader.parses(step, scene, position):
            if not after.finished:
                frontier.add(end, after, so_far + gain, count)
            elif end == len(text):
                log_prob, derivations = log_add(log_prob, so_far + gain), derivations + count
    return Reading(log_prob, derivations, reader.reached)


class WordFound(Exception):
    """The derivation has produced one complete piece after the prefix."""


class PrefixReader(Reader):
    """A reader that lets a derivation continue past its text, until one complete piece follows."""

    def __init__(self, prefix: str):
        super().__init__(prefix)
        self.last = "" if prefix == "" else PIECE.findall(prefix)[-1]

    def continuations(self, step: Callable, scene: Any, position: int, beyond: str) -> Iterator[tuple[Any, str, float]]:
        """Yield (scene, or None when a piece is complete; the text past the prefix; log-probability)."""

        def stopping_at_a_piece(state: Any, reader: Reader) -> Any:
            self.beyond = beyond
            try:
                return step(state, reader)
            except WordFound:
                return None

        for after, _, gain in self.parses(stopping_at_a_piece, scene, position):
            yield after, self.beyond, gain

    def agrees(self, words: str | tuple[str, ...]) -> bool:
        """Whether the text continues with these words, which may extend past its end."""
        if isinstance(words, tuple):
            return any(map(self.agrees, words))
        return self.given.startswith(words[: len(self.given) - self.position], self.position)

    def say(self, text: str) -> None:
        """Advance past these words; raises `WordFound` once they complete a piece past the end of the text."""
        remaining = len(self.given) - self.position
        super().say(text[:remaining])
        self.beyond += text[remaining:]
        across = PIECE.match(self.last + self.beyond) if self.beyond else None
        if across and across.end() > len(self.last) > 0:
            raise Mismatch  # the prefix would end inside a piece: "goat" continued by "skin"
        found = PIECE.match(self.beyond)
        if found and found.end() < len(self.beyond):
            self.beyond = found[0]
            raise WordFound


def next_pieces(step: Callable, prefix: str) -> dict[str, float]:
    """Compute the distribution over the next piece after a prefix of whole pieces.

    The piece "" stands for the end of the document. The result is empty if no document starts with the prefix.
    """
    found = _next_piece_log_probs(step, prefix)
    total = _log_sum(found)
    return {piece: math.exp(log_prob - total) for piece, log_prob in sorted(found.items(), key=lambda item: -item[1])}


def prefix_log_prob(step: Callable, prefix: str) -> float:
    """Compute the log-probability, in nats, that a document starts with these whole pieces."""
    return _log_sum(_next_piece_log_probs(step, prefix))


def _log_sum(found: dict[str, float]) -> float:
    return functools.reduce(log_add, found.values(), -math.inf)


def _next_piece_log_probs(step: Callable, prefix: str) -> dict[str, float]:
    """For each next piece, the log-probability that a document starts with the prefix and this piece."""
    reader, frontier = PrefixReader(prefix), Frontier()
    frontier.add(0, None, 0.0)
    found: dict[str, float] = {}
    for position, scene, so_far, count, beyond in frontier:
        for after, said, gain in reader.continuations(step, scene, position, beyond):
            if after is None or (after.finished and said):
                found[said] = log_add(found.get(said, -math.inf), so_far + gain)
            elif not after.finished:
                frontier.add(reader.position, after, so_far + gain, count, said)
            elif reader.position == len(prefix):
                found[""] = log_add(found.get("", -math.inf), so_far + gain)
    return found
