"""03.3: query and key matrices that were trained with neighbours, for code that pairs halves.

The step is in every script that converts a Llama, and with fewer key heads than query heads it went wrong in several:
issue 31766 of huggingface/transformers, pull request 546 of flash-attention, pull request 3364 of llama.cpp. There the
number of query heads *per key head* stood for the number of key heads. In Llama 2 70B both are 8, so nobody saw it
until TinyLlama wrote gibberish.
"""

import random
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.question import Question


def to_halves(
    query_weight: Float[Tensor, "rows C"], key_weight: Float[Tensor, "key_rows C"], n_heads: int, n_kv_heads: int
) -> tuple[Float[Tensor, "rows C"], Float[Tensor, "key_rows C"]]:
    """The right answer: in each head the even rows first, then the odd ones.

    >>> column = torch.arange(4.0)[:, None]
    >>> [part.flatten().tolist() for part in to_halves(column, column, 1, 1)]
    [[0.0, 2.0, 1.0, 3.0], [0.0, 2.0, 1.0, 3.0]]
    """
    return _sorted(query_weight, n_heads), _sorted(key_weight, n_kv_heads)


def _sorted(weight: Tensor, heads: int) -> Tensor:
    parts = [part for head in weight.chunk(heads) for part in (head[::2], head[1::2])]
    return torch.cat(parts)


def _woven(weight: Tensor, heads: int) -> Tensor:
    """The way back: halves become neighbours."""
    return torch.cat([torch.stack(head.chunk(2), 1).flatten(0, 1) for head in weight.chunk(heads)])


def _columns(weight: Tensor, heads: int) -> Tensor:
    return torch.cat((weight[:, ::2], weight[:, 1::2]), 1)


def _as_one(weight: Tensor, heads: int) -> Tensor:
    return _sorted(weight, 1)


def _unchanged(weight: Tensor, heads: int) -> Tensor:
    return weight


def _with(query: Callable[..., Tensor], key: Callable[..., Tensor]):
    return lambda query_weight, key_weight, H, G: (query(query_weight, H), key(key_weight, G))


def _keys_in(heads: Callable[[int, int], int]):
    """Keys cut into another number of heads."""
    return lambda query_weight, key_weight, H, G: (_sorted(query_weight, H), _sorted(key_weight, heads(H, G)))


def _matrices(rng: random.Random, *sizes: tuple[int, int, int, int]) -> list[Call]:
    """For each (H, G, D, C) the matrices of H query and G key heads; each row begins with its number."""

    def matrix(rng: random.Random, rows: int, C: int) -> Tensor:
        return torch.cat((torch.arange(float(rows))[:, None], numbers(rng, rows, C - 1)), 1)

    return [(matrix(rng, H * D, C), matrix(rng, G * D, C), H, G) for H, G, D, C in sizes]


def _first_wrong_row(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    for call, wanted, answer in zip(calls, right, got, strict=True):
        if type(answer) not in (list, tuple) or len(answer) != 2:
            return "The result is no pair of two matrices.", "Return both: `return query_weight, key_weight`."
        for name, old, new, given in zip(("query", "key"), call[:2], wanted, map(as_tensor, answer), strict=True):
            if given is None or given.shape != new.shape:
                return None
            for row in (given != new).any(1).nonzero().flatten().tolist():
                source, due = (_row(old, matrix[row]) for matrix in (given, new))
                if source is not None:
                    hint = "Name the rows of one head by pair and part: 0a 0b 1a 1b ... What order do halves want?"
                    return f"Row {row} of the new {name} matrix is row {source} of the old; right is row {due}.", hint
    return None


def _row(matrix: Tensor, row: Tensor) -> int | None:
    found = (matrix == row).all(1).nonzero().flatten().tolist()
    return found[0] if found else None


question = Question("03.3", "Weights of the other kind", to_halves)

one_head = question.probe("one head", lambda rng: _matrices(rng, (1, 1, 6, 1), (1, 1, 8, 4)), _first_wrong_row)
one_head.mistake(
    "Nothing is changed.",
    "Where do the two numbers of pair 0 stand now, and where does the code look for them?",
    _with(_unchanged, _unchanged),
)
one_head.mistake(
    "It is the way back: it makes neighbours of halves.",
    "The new first half is made of the *first* numbers of all pairs: rows 0, 2, 4, ...",
    _with(_woven, _woven),
)
one_head.mistake(
    "The columns are sorted, and not the rows.",
    "A column belongs to a number that comes in. The numbers of a query come out, one for each row.",
    _with(_columns, _columns),
)
one_head.mistake(
    "The keys are left as they were.",
    "A query and a key are multiplied number by number. Both must be sorted alike.",
    _with(_sorted, _unchanged),
)

several_heads = question.probe(
    "several heads", lambda rng: _matrices(rng, (2, 2, 4, 1), (3, 3, 6, 4), (4, 4, 2, 3)), _first_wrong_row
)
several_heads.mistake(
    "All rows are sorted as if they were one head.",
    "Each head is turned by itself. Cut the rows into heads first, and sort within each.",
    _with(_as_one, _as_one),
)

grouped_heads = question.probe(
    "fewer key heads than query heads",
    lambda rng: _matrices(rng, (4, 2, 4, 1), (6, 3, 8, 4), (12, 2, 12, 2)),
    _first_wrong_row,
)
grouped_heads.mistake(
    "The keys are cut into as many heads as the queries.",
    "There are only `n_kv_heads` key heads. All heads are equally wide, D.",
    _keys_in(lambda H, G: H),
)
grouped_heads.mistake(
    "The keys are cut into n_heads / n_kv_heads heads.",
    "That is how many query heads share a key head. Key heads there are `n_kv_heads`.",
    _keys_in(lambda H, G: H // G),
)
grouped_heads.mistake(
    "The queries are cut into as many heads as the keys.",
    "Queries have `n_heads` heads.",
    lambda query_weight, key_weight, H, G: to_halves(query_weight, key_weight, G, G),
)
