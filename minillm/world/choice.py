"""Weighted choices: one generator that can both sample text and parse it.

A step of the generator is an ordinary function that receives a `Chooser`. It asks the chooser to `choose`
from a weighted list and to `say` a piece of text; it never draws a random number itself. There are two
choosers. The `Sampler` draws at random and collects the text. The `Reader` has a given text and tries every
choice that agrees with it, by running the step once per alternative. The generator is therefore written once,
and sampling and parsing cannot disagree. (An explicit table of successor states would do the same, but the
grammar would be hidden in data structures. Running a step again is cheap, because a step is one sentence.)

Weights are integers: probabilities are exact fractions, and all platforms draw the same options. Every choice
has a name and goes through one of two methods. Hold-outs work there: drop options of a named choice, and the
remaining weights are renormalized automatically.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from minillm.errors import UserError

Opening = Callable[[Any], str | tuple[str, ...]]  # option -> the start of the text after it, or several possible ones
Options = Sequence[tuple[int, Any]]  # (weight, option), the weights positive integers


def by_rank(items: Sequence[Any]) -> tuple[tuple[int, Any], ...]:
    """Weight items by 1/(rank + 2), so that the first is the most frequent (a shifted Zipf's law).

    >>> by_rank(["often", "sometimes", "rarely"])
    ((2520, 'often'), (1680, 'sometimes'), (1260, 'rarely'))
    """
    return tuple((5040 // (rank + 2), item) for rank, item in enumerate(items))


def equally(items: Sequence[Any]) -> tuple[tuple[int, Any], ...]:
    """Weight all items equally, as the wordings of one sentence are.

    >>> equally(["On Monday", "One foggy morning"])
    ((1, 'On Monday'), (1, 'One foggy morning'))
    """
    return tuple((1, item) for item in items)


@runtime_checkable
class Chooser(Protocol):
    """The interface that a step of the generator uses: choose an option, say some text, or both."""

    def choose(self, name: str, options: Options, opening: Opening | None = None) -> Any:
        """Choose an option by weight; `opening` returns how its text starts, which lets a reader skip options."""

    def say(self, text: str) -> None:
        """Append a piece of text."""

    def choose_and_say(self, name: str, options: Options, words: Callable[[Any], str]) -> Any:
        """Choose an option by weight and say its `words`."""


class Sampler:
    """A chooser that draws at random: `text` is the result, `log_prob` its log-probability in nats.

    >>> sampler = Sampler(random.Random("a seed"))
    >>> sampler.say(sampler.choose("greeting", [(3, "Good morning"), (1, "Ahoy")]))
    >>> sampler.text, round(math.exp(sampler.log_prob), 2)
    ('Good morning', 0.75)
    """

    def __init__(self, rng: random.Random):
        self._random = rng.random
        self._pieces: list[str] = []
        self.log_prob = 0.0

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._pieces)

    def choose(self, name: str, options: Options, opening: Opening | None = None) -> Any:
        """Draw an option by weight; raises `UserError` for an empty list."""
        total = 0
        for weight, _ in options:
            total += weight
        remaining = int(self._random() * total)
        for weight, item in options:
            remaining -= weight
            if remaining < 0:
                self.log_prob += math.log(weight / total)
                return item
        raise UserError(f"the choice {name!r} has no options; give it at least one")

    def say(self, text: str) -> None:
        """Append a piece to the text."""
        self._pieces.append(text)

    def choose_and_say(self, name: str, options: Options, words: Callable[[Any], str]) -> Any:
        """Choose an option, then say its words."""
        item = self.choose(name, options)
        self._pieces.append(words(item))
        return item


class Mismatch(Exception):
    """The derivation being tried disagrees with the text."""


class Reader:
    """A chooser that parses: it enumerates the derivations with which a step can produce a given text.

    A derivation is a list of option indices, one per choice. The first run of a step takes the first option at
    every choice and queues the alternatives; each alternative is a later run. Options whose text is known to
    differ from the given text are skipped.
    """

    def __init__(self, text: str):
        self.given = text
        self.reached = 0  # the furthest position at which some derivation agreed with the text, in characters

    def parses(self, step: Callable, state: Any, position: int) -> Iterator[tuple[Any, int, float]]:
        """Yield (state after the step, position after it, log-probability) for each derivation of the step."""
        self._untried: list[tuple[int, ...]] = [()]
        while self._untried:
            self._prefix = self._untried.pop()
            self._taken: list[int] = []
            self._choices: list[Options] = []
            self.position = position
            try:
                after = step(state, self)
            except Mismatch:
                continue
            yield after, self.position, self._log_prob()

    def agrees(self, words: str | tuple[str, ...]) -> bool:
        """Whether the text continues with these words, or with one of several alternatives."""
        return self.given.startswith(words, self.position)

    def choose(self, name: str, options: Options, opening: Opening | None = None) -> Any:
        """Take the prescribed option, else the first that agrees with the text; raises `Mismatch` for none."""
        n_taken = len(self._taken)
        if n_taken < len(self._prefix):
            index = self._prefix[n_taken]
        else:
            candidates: Sequence[int] = range(len(options))
            if opening is not None:
                candidates = [index for index in candidates if self.agrees(opening(options[index][1]))]
            if not candidates:
                raise Mismatch
            index = candidates[0]
            if len(candidates) > 1:
                self._untried.extend((*self._taken, other) for other in candidates[1:])
        self._taken.append(index)
        self._choices.append(options)
        return options[index][1]

    def say(self, text: str) -> None:
        """Advance past these words; raises `Mismatch` if the text continues differently."""
        if not self.agrees(text):
            raise Mismatch
        self.position += len(text)
        self.reached = max(self.reached, self.position)

    def choose_and_say(self, name: str, options: Options, words: Callable[[Any], str]) -> Any:
        """Choose an option, then say its words."""
        item = self.choose(name, options, words)
        self.say(words(item))
        return item

    def _log_prob(self) -> float:
        # Computed at the end of a derivation, because most derivations fail long before.
        pairs = zip(self._taken, self._choices, strict=True)
        return sum(math.log(options[index][0] / sum(weight for weight, _ in options)) for index, options in pairs)
