"""Tables for the probes of lesson 10b: answers of several lengths, and what is said of a result of another form."""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.probe import Explanation

Mistakes = tuple[tuple[str, str, Callable[..., Tensor]], ...]  # a sentence, a hint, and the answer


def masks(lengths: tuple[int, ...]) -> Tensor:
    """True at the tokens of answers with these lengths.

    >>> masks((1, 2))
    tensor([[ True, False],
            [ True,  True]])
    """
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def shuffled(rng: random.Random, *lengths: int) -> Tensor:
    """The mask of answers with these lengths, in any order."""
    return masks(tuple(rng.sample(lengths, len(lengths))))


def no_table(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Several results, one number per answer, or a table that is turned round."""
    for index, (wanted, answer) in enumerate(zip(right, got, strict=True)):
        B, T = wanted.shape
        if type(answer) in (tuple, dict):
            return "Several things are returned.", "Return one table, (B, T).", index
        tensor = as_tensor(answer)
        if tensor is None:
            return "The result isn't a table of numbers.", "Return one table, (B, T).", index
        if tensor.shape == (B,) and T != 1:
            return "There is one number per answer.", "Each token has its own: return a table, (B, T).", index
        if tensor.shape == (T, B) and T != B:
            return "The table is (T, B).", "An answer is a row: return (B, T). `torch.stack(..., dim=1)`?", index
        if tensor.shape == (T,) and B != 1:
            return "There is one row.", "The tables hold B answers: return (B, T).", index
    return None
