"""Worked answers: the steps that a person would write down before the result.

Each function returns the steps of one kind of problem as text. A reply with steps ends in `Answer:` and the result,
and only what follows is checked (see `answers.final_answer`). Every step is small enough to be a fact that a tiny
model can learn, so a model that writes the steps can solve problems that it cannot solve at once (Nye et al. 2021,
"Show your work", arXiv:2112.00114).
"""

import itertools
from collections.abc import Sequence

from minillm.world.lexicon import Entity

ORDER = ("First,", "Next,", "Then", "Last,")  # begins each swap of a problem and its step


def add_by_columns(first: int, second: int) -> str:
    """Write an addition of two numbers below 100 digit by digit: the ones, then the tens with the carry.

    >>> add_by_columns(14, 17)
    '4 + 7 = 11, 1 + 1 + 1 = 3'
    >>> add_by_columns(12, 5)
    '2 + 5 = 7, 1 + 0 = 1'
    """
    (tens, ones), (more_tens, more_ones) = divmod(first, 10), divmod(second, 10)
    carry = (ones + more_ones) // 10
    tens_sum = f"{tens} + {more_tens}" + (" + 1" if carry else "")
    return f"{ones} + {more_ones} = {ones + more_ones}, {tens_sum} = {tens + more_tens + carry}"


def expression(moves: Sequence[Entity]) -> str:
    """Write a chain of moves as a problem: 12 + 9 - 4.

    A move is an entity of the kind `move` (see `lexicon`); each starts at the number that the one before reached.
    """
    return " ".join([moves[0].attributes["first"], *("{sign} {second}".format(**move.attributes) for move in moves)])


def steps(moves: Sequence[Entity]) -> str:
    """Write a chain of moves one by one, each with its result: 12 + 9 = 21, 21 - 4 = 17."""
    return ", ".join("{first} {sign} {second} = {total}".format(**move.attributes) for move in moves)


def count_aloud(words: Sequence[str], counted: str | None = None) -> str:
    """Go through a list and say after each word how many there were so far: of all, or of those that equal `counted`.

    >>> count_aloud(["key", "goose", "key"]), count_aloud(["key", "goose", "key"], "key")
    ('key 1, goose 2, key 3', 'key 1, goose 1, key 2')
    """
    totals = itertools.accumulate(int(counted in (None, word)) for word in words)
    return ", ".join(f"{word} {total}" for word, total in zip(words, totals, strict=True))


def follow_swaps(holders: Sequence[str], swaps: Sequence[tuple[int, int]], asked: int) -> tuple[str, str]:
    """Write who holds thing number `asked` at first and after each swap; returns that and the last holder.

    `holders[i]` holds thing i at first; a swap names two people by their positions in `holders`. Each step repeats its
    swap, so that it can be taken by looking at the step before and at one sentence of the problem.

    >>> follow_swaps(["Mira", "Bram", "Nell"], [(0, 1), (0, 2), (1, 2)], asked=0)
    ('At first Mira. First, Mira and Bram: Bram. Next, Mira and Nell: Bram. Then Bram and Nell: Nell', 'Nell')
    """
    at, written = asked, [f"At first {holders[asked]}"]
    for order, (one, two) in zip(ORDER, swaps, strict=False):
        at = two if at == one else one if at == two else at
        written.append(f"{order} {holders[one]} and {holders[two]}: {holders[at]}")
    return ". ".join(written), holders[at]
