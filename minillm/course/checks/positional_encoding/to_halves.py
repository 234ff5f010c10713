"""03.3: query and key matrices that were trained with neighbors, for code that pairs halves.

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
from minillm.course.checks.plain import apart, as_tensor, difference
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
    """The way back: halves become neighbors."""
    return torch.cat([torch.stack(head.chunk(2), 1).flatten(0, 1) for head in weight.chunk(heads)])


def _columns(weight: Tensor, heads: int) -> Tensor:
    return torch.cat((weight[:, ::2], weight[:, 1::2]), 1)


def _as_one(weight: Tensor, heads: int) -> Tensor:
    return _sorted(weight, 1)


def _halved(head: Tensor) -> Tensor:
    """Even rows first, and so on within each half: the order of a fast Fourier transform."""
    return head if len(head) <= 2 else torch.cat([_halved(head[::2]), _halved(head[1::2])])


def _odd(weight: Tensor, heads: int) -> Tensor:
    return torch.cat([part for head in weight.chunk(heads) for part in (head[1::2], head[::2])])


def _first_only(weight: Tensor, heads: int) -> Tensor:
    D = len(weight) // heads
    return torch.cat((_sorted(weight[:D], 1), weight[D:]))


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


def _what_moved(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Which order the rows have, in the first matrix that is wrong."""
    pairs = all(type(answer) in (list, tuple) and len(answer) == 2 for answer in got)
    if pairs and not any(difference(wanted, list(answer)[::-1]) for wanted, answer in zip(right, got, strict=True)):
        return "The two matrices come back in the wrong order, the keys first.", "`return query_weight, key_weight`."
    for call, wanted, answer in zip(calls, right, got, strict=True):
        if type(answer) not in (list, tuple) or len(answer) != 2:
            return "The result is no pair of two matrices.", "Return both: `return query_weight, key_weight`."
        for name, old, new, given, heads in zip(("query", "key"), call, wanted, answer, call[2:], strict=False):
            given = as_tensor(given)
            if given is None or given.dim() != 2 or given.shape[1] != new.shape[1]:
                return None
            if len(given) != len(new):
                hint = f"Every row stays, in another order: no {name} head is added, repeated or left out."
                return f"The new {name} matrix has {len(given)} rows, and the old one {len(new)}.", hint
            if (given != new).any():
                if None in (rows := [_row(old, row) for row in given]):
                    return _no_row(call[:2], given, rows.index(None), name)
                return _order(rows, heads, name)
    return None


def _no_row(old: tuple[Tensor, Tensor], given: Tensor, at: int, name: str) -> tuple[str, str]:
    """What a row is that is none of the old ones: of the other matrix, negated, multiplied, mixed."""
    sentence, hint = f"Row {at} of the new {name} matrix is not a row of the old one", "Only move whole rows."
    row = given[at]
    own, other = old if name == "query" else old[::-1]
    others = "key" if name == "query" else "query"
    if own.shape[1] == other.shape[1] and _row(other, row) is not None:
        return (
            f"{sentence}: it comes from the {others} matrix.",
            "Sort each matrix by itself, and return both in order.",
        )
    for n, old_row in enumerate(own):
        factor = float((old_row * row).sum() / (old_row * old_row).sum()) if old_row.any() else 0.0
        if factor and not apart(factor * old_row, row).any():
            words = "with the opposite sign" if abs(factor + 1) < 1e-4 else f"times {factor:.4g}"
            return f"{sentence}: it is row {n} {words}.", f"{hint} The rotation itself is not part of the weights."
    for n, old_row in enumerate(own):
        if len(row) > 2 and not apart(old_row.sort().values, row.sort().values).any():
            return f"{sentence}: it has the numbers of row {n} in another order.", "Move whole rows, not columns."
    if not row.any():
        return f"{sentence}: it holds only zeros.", hint
    return f"{sentence}.", hint


def _row(matrix: Tensor, row: Tensor) -> int | None:
    found = (matrix == row).all(1).nonzero().flatten().tolist()
    return found[0] if found else None


def _order(rows: list[Any], heads: int, name: str) -> tuple[str, str] | None:
    """What is wrong with a matrix made of these rows of the old one."""
    n, D = len(rows), len(rows) // heads
    due = _sorted(torch.arange(n), heads).tolist()
    hint = "Name the rows of one head by pair and part: 0a 0b 1a 1b ... What order do halves want?"
    if len(set(rows)) < n:
        row = next(row for row in rows if rows.count(row) > 1)
        return f"Row {row} of the old {name} matrix is in the new one {rows.count(row)} times.", hint
    for width in range(2, n + 1):
        if n % width == 0 and rows == _sorted(torch.arange(n), n // width).tolist():
            words = f"The {name} rows are sorted in pieces of {width}; a head has {D} rows"
            return f"{words}.", f"D is the number of rows divided by the number of {name} heads."
    if any(row // D != at // D for at, row in enumerate(rows)):
        at = next(at for at, row in enumerate(rows) if row // D != at // D)
        words = f"Row {at} of the new {name} matrix is in head {at // D}, and comes from head {rows[at] // D}"
        return f"{words}: rows leave their heads.", "Cut the rows into heads first, and sort within each."
    good = [rows[at : at + D] == due[at : at + D] for at in range(0, n, D)]
    if any(good):
        wrong = [str(head) for head, fine in enumerate(good) if not fine]
        words = f"In the {name} matrix head {good.index(True)} is sorted correctly, but not head {wrong[0]}"
        return f"{words} ({len(wrong)} of {heads} heads are wrong).", "Do the same in every head."
    seen = ", ".join(map(str, rows[:D] if D <= 12 else [*rows[:12], "..."]))
    asked = ", ".join(map(str, due[:D] if D <= 12 else [*due[:12], "..."]))
    return f"In the first {name} head the old rows stand in the order {seen}; right is {asked}.", hint


question = Question("03.3", "Convert weights between two RoPE layouts", to_halves, parts=("query_weight", "key_weight"))

one_head = question.probe(
    "one head",
    lambda rng: _matrices(rng, (1, 1, 4, 4), (1, 1, 8, 4), (1, 1, 6, 6), (1, 1, 2, 2)),
    otherwise=_what_moved,
    kinds=("a head of 4 rows", "a head of 8 rows and 4 columns", "a head of 6 rows", "a head of 2 rows"),
)
one_head.mistake(
    "Nothing is changed.",
    "Where are the two numbers of pair 0 now, and where does the code look for them?",
    _with(_unchanged, _unchanged),
)
one_head.mistake(
    "It is the inverse: it turns halves into neighbors.",
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
for _sort in (
    lambda weight, heads: _sorted(_sorted(weight, heads), heads),
    lambda weight, heads: _sorted(_sorted(_sorted(weight, heads), heads), heads),
    lambda weight, heads: torch.cat([_halved(head) for head in weight.chunk(heads)]),
):
    one_head.mistake(
        "The rows are sorted more than once.",
        "Even rows first, then odd ones, and that is all: the halves are in their right order already.",
        _with(_sort, _sort),
    )
one_head.mistake(
    "The second numbers of the pairs come first.", "In a head the even rows come first.", _with(_odd, _odd)
)

several_heads = question.probe(
    "several heads",
    lambda rng: _matrices(rng, (2, 2, 4, 8), (3, 3, 6, 6), (4, 4, 2, 16), (2, 2, 64, 2)),
    otherwise=_what_moved,
    kinds=("two heads of 4 rows", "three heads of 6 rows", "heads of 2 rows", "heads of 64 rows"),
)
several_heads.mistake(
    "All rows are sorted as if they were one head.",
    "Each head is turned by itself. Cut the rows into heads first, and sort within each.",
    _with(_as_one, _as_one),
)
several_heads.mistake(
    "Only the first head is sorted.",
    "Every head has its own D rows. Do the same in each.",
    _with(_first_only, _first_only),
)

grouped_heads = question.probe(
    "fewer key heads than query heads",
    lambda rng: _matrices(rng, (4, 2, 4, 1), (6, 3, 8, 4), (12, 2, 12, 2), (2, 1, 8, 3), (2, 2, 6, 3)),
    otherwise=_what_moved,
    kinds=("two key heads", "three key heads", "heads of 12 rows", "a single key head", "as many key heads"),
)
grouped_heads.mistake(
    "The keys are cut into as many heads as the queries.",
    "There are only `n_kv_heads` key heads. All heads are equally wide, D.",
    _keys_in(lambda H, G: H),
)
grouped_heads.mistake(
    "Key heads are repeated until there are as many as query heads.",
    "The key matrix keeps its shape. Several query heads read the same key head later, when scores are computed.",
    lambda query_weight, key_weight, H, G: (
        _sorted(query_weight, H),
        _sorted(key_weight.unflatten(0, (G, -1)).repeat_interleave(H // G, 0).flatten(0, 1), H),
    ),
)
grouped_heads.mistake(
    "The keys are cut into n_heads / n_kv_heads heads.",
    "That is how many query heads share a key head. Key heads there are `n_kv_heads`.",
    _keys_in(lambda H, G: H // G if H > G else H),
)
grouped_heads.mistake(
    "The queries are cut into as many heads as the keys.",
    "Queries have `n_heads` heads.",
    lambda query_weight, key_weight, H, G: to_halves(query_weight, key_weight, G, G),
)
