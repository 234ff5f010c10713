"""Disjoint training and test splits: which combinations are held out.

The held-out items are pairs of choices made one after the other: who bites and who is bitten, a subject and the
wording of a fact about it, two numbers to add. Each half occurs in training; only the combination is new. A hold-out
sets weights to zero at the second choice, and the remaining weights are renormalized. The training split therefore has
a distribution of its own, and all probabilities and the entropy floor refer to it.
"""

from collections.abc import Callable
from typing import Any, Literal

from minillm.errors import UserError
from minillm.world.choice import Options

Split = Literal["training", "held-out", "both"]
SPLITS = ("training", "held-out", "both")


def is_held_out(first_rank: int, second_rank: int) -> bool:
    """Whether a pair is held out, given the ranks of its halves in their lists: one pair in four is.

    >>> is_held_out(1, 2), is_held_out(1, 3)
    (True, False)
    """
    return (first_rank + second_rank) % 4 == 3


def numbers_held_out(first: int, second: int) -> bool:
    """Whether a sum is held out: one in five of those with a number over 10, in either order.

    Every total still occurs in training, and so does every sum of two digits, from which the others can be worked out.

    >>> numbers_held_out(2, 15), numbers_held_out(15, 2), numbers_held_out(2, 5), numbers_held_out(3, 14)
    (True, True, False, False)
    """
    return max(first, second) > 10 and (min(first, second) + first + second) % 5 == 4


def couple_held_out(rank: int) -> bool:
    """Whether no document may pair these two words: one couple in four; its words have neighboring ranks."""
    return rank // 2 % 4 == 3


def filter_split(options: Options, held_out: Callable[[Any], bool], split: Split) -> Options:
    """Keep the options of one split; keep all of them where the other split would be left without any.

    >>> filter_split([(2, "cat"), (1, "dog")], lambda word: word == "dog", "training")
    [(2, 'cat')]
    """
    if split == "both":
        return options
    mask = [held_out(item) for _, item in options]
    if all(mask) or not any(mask):
        return options
    wanted = split == "held-out"
    return [option for option, is_out in zip(options, mask, strict=True) if is_out is wanted]


def in_split(held_out: bool, split: Split) -> bool:
    """Whether an item belongs to a split, given whether it is held out; raises `UserError` for an unknown split."""
    check_split(split)
    return split == "both" or held_out is (split == "held-out")


def check_split(split: str) -> None:
    """Raise `UserError` for an unknown split."""
    if split not in SPLITS:
        raise UserError(f"there is no split {split!r}; use one of {', '.join(SPLITS)}")
