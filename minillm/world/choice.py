"""Explicit choices: how the one description of the world both writes and reads.

A step of the generator is an ordinary function that is handed a *voice*. It asks the voice to `choose`
from a weighted list and to `say` a piece of text; it never draws a number itself. Two voices exist. The
`Sampler` draws and writes down what was said. The `Reader` holds a given text and lets a step go every way
whose words agree with it, by running the step again for each way. So the generator is written once, and
writer and reader cannot drift apart. (An explicit table of successor states would do the same, but then the
grammar reads as data structures; here it reads as the story of how a sentence is made. The price, running a
step again, is small because a step is one sentence.)

Weights are whole numbers: probabilities are exact fractions, and every platform draws alike. Every choice
has a name and passes through one of two methods. That is the place for a hold-out: drop options of a named
choice, and what is left is renormalised by itself.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from minillm.errors import UserError

Opening = Callable[[Any], str | tuple[str, ...]]  # how the words after an option begin, or several ways
Options = Sequence[tuple[int, Any]]  # (weight, what is chosen), the weights positive whole numbers


def by_rank(items: Sequence[Any]) -> tuple[tuple[int, Any], ...]:
    """Weigh items by their place in a list, like 1/(rank + 2): the first is the commonest (Zipf's law,
    shifted).

    >>> by_rank(["often", "sometimes", "rarely"])
    ((2520, 'often'), (1680, 'sometimes'), (1260, 'rarely'))
    """
    return tuple((5040 // (rank + 2), item) for rank, item in enumerate(items))


@runtime_checkable
class Voice(Protocol):
    """What a step of the generator may do: choose, say, or choose and say in one breath."""

    def choose(self, name: str, options: Options, opening: Opening | None = None) -> Any:
        """Choose by weight; `opening` tells how the words after an option begin, which spares a reader work."""

    def say(self, text: str) -> None:
        """Say a piece of text."""

    def choose_and_say(self, name: str, options: Options, words: Callable[[Any], str]) -> Any:
        """Choose by weight, and say the `words` of what was chosen."""


class Sampler:
    """The voice that draws. `log_prob` is in nats, `text` what was said.

    >>> voice = Sampler(random.Random("a seed"))
    >>> voice.say(voice.choose("greeting", [(3, "Good morning"), (1, "Ahoy")]))
    >>> voice.text, round(math.exp(voice.log_prob), 2)
    ('Good morning', 0.75)
    """

    def __init__(self, source: random.Random):
        self._random = source.random
        self._pieces: list[str] = []
        self.log_prob = 0.0

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self._pieces)

    def choose(self, name: str, options: Options, opening: Opening | None = None) -> Any:
        """Draw one by weight; raises `ValueError` where there is none."""
        total = 0
        for weight, _ in options:
            total += weight
        mark = int(self._random() * total)
        for weight, item in options:
            mark -= weight
            if mark < 0:
                self.log_prob += math.log(weight / total)
                return item
        raise UserError(f"the choice {name!r} has nothing to choose from; give it at least one option")

    def say(self, text: str) -> None:
        """Add a piece to the text."""
        self._pieces.append(text)

    def choose_and_say(self, name: str, options: Options, words: Callable[[Any], str]) -> Any:
        """`choose`, then `say` its words."""
        item = self.choose(name, options)
        self._pieces.append(words(item))
        return item


class Mismatch(Exception):
    """The words of this way of telling are not the words of the text."""


class Reader:
    """The voice that reads: `ways` yields every way in which a step can have produced the text from a
    position on.

    A way is written down as the options taken. The first run of a step takes the first option everywhere
    and notes the untried ones; each of them is a later run. Options whose words are known to differ from
    the text are struck out unseen.
    """

    def __init__(self, text: str):
        self.given = text
        self.reached = 0  # how far any way agreed with the text, in characters

    def ways(self, step: Callable, state: Any, position: int) -> Iterator[tuple[Any, int, float]]:
        """Yield (state after the step, position after it, log-probability of this way through it)."""
        self._untried: list[tuple[int, ...]] = [()]
        while self._untried:
            self._script = self._untried.pop()
            self._taken: list[int] = []
            self._choices: list[Options] = []
            self.position = position
            try:
                after = step(state, self)
            except Mismatch:
                continue
            yield after, self.position, self._log_prob()

    def agrees(self, words: str | tuple[str, ...]) -> bool:
        """Whether the text goes on with these words, or with one of several."""
        return self.given.startswith(words, self.position)

    def choose(self, name: str, options: Options, opening: Opening | None = None) -> Any:
        """Take the option of this way, or the first whose words agree with the text; raises `Mismatch` for none."""
        turn = len(self._taken)
        if turn < len(self._script):
            index = self._script[turn]
        else:
            fitting: Sequence[int] = range(len(options))
            if opening is not None:
                fitting = [index for index in fitting if self.agrees(opening(options[index][1]))]
            if not fitting:
                raise Mismatch
            index = fitting[0]
            if len(fitting) > 1:
                self._untried.extend((*self._taken, other) for other in fitting[1:])
        self._taken.append(index)
        self._choices.append(options)
        return options[index][1]

    def say(self, text: str) -> None:
        """Move on behind these words; raises `Mismatch` where the text goes on with others."""
        if not self.agrees(text):
            raise Mismatch
        self.position += len(text)
        self.reached = max(self.reached, self.position)

    def choose_and_say(self, name: str, options: Options, words: Callable[[Any], str]) -> Any:
        """`choose`, then `say` its words."""
        item = self.choose(name, options, words)
        self.say(words(item))
        return item

    def _log_prob(self) -> float:
        # Only now, since most ways are given up long before they end.
        pairs = zip(self._taken, self._choices, strict=True)
        return sum(math.log(options[index][0] / sum(weight for weight, _ in options)) for index, options in pairs)
