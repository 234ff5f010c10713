"""Worked answers: the steps that a person would write down before the result.

Each function returns the steps of one kind of problem as text. A reply with steps ends in `Answer:` and the result,
and only what follows is checked (see `answers.final_answer`). Every step is small enough to be a fact that a tiny
model can learn, so a model that writes the steps can solve problems that it cannot solve at once (Nye et al. 2021,
"Show your work", arXiv:2112.00114).
"""

import itertools
from collections.abc import Sequence

from minillm.world.lexicon import Entity

CRATES = ("left", "middle", "right")  # three in a row
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


def count_aloud(words: Sequence[str], counts: Sequence[bool]) -> str:
    """Go through a list and say after each word how many of those that count there were so far.

    >>> count_aloud(["key", "goose", "swan"], [False, True, True])
    'key 0, goose 1, swan 2'
    """
    totals = itertools.accumulate(map(int, counts))
    return ", ".join(f"{word} {total}" for word, total in zip(words, totals, strict=True))


def follow_swaps(start: int, swaps: Sequence[tuple[int, int]]) -> tuple[str, str]:
    """Write in which of three crates a thing is at first and after each swap; returns that and the last place.

    Each step repeats its swap, so that it can be taken by looking at the step before and one sentence of the problem.

    >>> follow_swaps(0, [(0, 1), (0, 2)])
    ('At first left. First, left and middle: middle. Next, left and right: middle', 'middle')
    """
    at, written = start, [f"At first {CRATES[start]}"]
    for order, (one, two) in zip(ORDER, swaps, strict=False):
        at = two if at == one else one if at == two else at
        written.append(f"{order} {CRATES[one]} and {CRATES[two]}: {CRATES[at]}")
    return ". ".join(written), CRATES[at]
