"""Two splits that cannot meet: which combinations are kept for testing.

Held out are pairs of things that are chosen one after the other: who bites and who is bitten, a subject and the
wording of a fact about it, two numbers to be added. Each half is known from training, and only their meeting is new.
A hold-out sets weights to zero at the second choice, where what is left is renormalised by itself; so the documents of
the training split have a distribution of their own, and all probabilities and the floor are those of that one.
"""

from collections.abc import Callable
from typing import Any, Literal

from minillm.errors import UserError
from minillm.world.choice import Options

Split = Literal["training", "held-out", "both"]
SPLITS = ("training", "held-out", "both")


def is_held_out(first_rank: int, second_rank: int) -> bool:
    """Whether a pair belongs to the held-out split, by the places of its halves in their lists: one pair in four.

    >>> is_held_out(1, 2), is_held_out(1, 3)
    (True, False)
    """
    return (first_rank + second_rank) % 4 == 3


def numbers_held_out(first: int, second: int) -> bool:
    """Whether a sum is held out: one in five, in either order, and of every total some pairs are left for training.

    >>> numbers_held_out(2, 5), numbers_held_out(5, 2), numbers_held_out(3, 4)
    (True, True, False)
    """
    return (min(first, second) + first + second) % 5 == 4


def couple_held_out(rank: int) -> bool:
    """Whether nobody may say that these two words go together: one couple in four; its words are neighbours."""
    return rank // 2 % 4 == 3


def one_split(options: Options, held_out: Callable[[Any], bool], split: Split) -> Options:
    """The options of one split; all of them where only one split has any, for nothing can be kept apart there.

    >>> one_split([(2, "cat"), (1, "dog")], lambda word: word == "dog", "training")
    [(2, 'cat')]
    """
    if split == "both":
        return options
    marks = [held_out(item) for _, item in options]
    if all(marks) or not any(marks):
        return options
    wanted = split == "held-out"
    return [option for option, mark in zip(options, marks, strict=True) if mark is wanted]


def in_split(held_out: bool, split: Split) -> bool:
    """Whether what is held out, or is not, belongs to a split; raises `ValueError` for the name of no split."""
    check_split(split)
    return split == "both" or held_out is (split == "held-out")


def check_split(split: str) -> None:
    """Raise `ValueError` for the name of no split."""
    if split not in SPLITS:
        raise UserError(f"there is no split {split!r}; use one of {', '.join(SPLITS)}")
