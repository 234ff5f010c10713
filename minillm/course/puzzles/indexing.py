"""Puzzles about indices and new axes: pick, repeat_rows, outer, one_hot."""

import random

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.puzzles.making import TENSOR, puzzle


def pick(x, ids):
    """One entry per row, at the column that `ids` says."""
    return x[torch.arange(len(x)), ids]


def _pick(out, x, ids):
    for t in range(len(x)):
        out[t] = x[t, ids[t]]


def _with_ids(rng: random.Random, *sizes: tuple[int, int]) -> list[Call]:
    calls = []
    for T, V in sizes:
        ids = [1, 0, V - 1, *(rng.randrange(V) for _ in range(T))][:T]
        calls.append((numbers(rng, T, V), torch.tensor(ids)))
    return calls


picked = puzzle(
    pick,
    _pick,
    lambda rng: _with_ids(rng, (2, 2), (3, 3)),
    lambda rng: _with_ids(rng, (4, 3), (2, 5)),
    (
        "An index takes two tensors, one of rows and one of columns. Which row belongs to which entry of `ids`?",
        "`torch.arange(len(x))` counts the rows; it goes first, `ids` second.",
    ),
    ("torch.gather", TENSOR + "gather", "torch.take_along_dim", TENSOR + "take_along_dim"),
)
picked.mistake(
    "`:` takes all rows, so each entry of `ids` picks a whole column.",
    "Give a row number for each column number: `torch.arange(len(x))`.",
    lambda x, ids: x[:, ids],
)
picked.mistake(
    "`ids` picks whole rows. They are column numbers.",
    "The first index is for rows, the second for columns.",
    lambda x, ids: x[ids],
)
picked.mistake(
    "Rows and columns are swapped.",
    "The first index is for rows, the second for columns.",
    lambda x, ids: x[ids, torch.arange(len(x))],
)
picked.mistake(
    "The result has an axis of size 1 too many.",
    "One number per row: (T,).",
    lambda x, ids: pick(x, ids)[:, None],
)
picked.mistake(
    "Row ids[t] is taken, at column ids[t].",
    "Row t is wanted: `torch.arange(len(x))` counts rows.",
    lambda x, ids: torch.stack([x[i % len(x), i] for i in ids]),
)
picked.mistake(
    "This is the diagonal: column t of row t.",
    "Column ids[t] of row t is wanted: the second index is `ids`.",
    lambda x, ids: torch.stack([x[t, t % x.shape[1]] for t in range(len(x))]),
)
picked.mistake(
    "All columns but one are 0, but they're still there.",
    "One number per row: (T,). A sum along each row leaves it.",
    lambda x, ids: x * (ids[:, None] == torch.arange(x.shape[1])),
)
picked.mistake("The picked numbers are added up.", "One number per row: (T,).", lambda x, ids: pick(x, ids).sum())
for shift, which in ((-1, "before"), (1, "after")):
    picked.mistake(
        f"The column is the one {which} the right one.",
        "Columns are counted from 0, and `ids` are their numbers.",
        lambda x, ids, shift=shift: pick(x, (ids + shift) % x.shape[1]),
    )


def repeat_rows(x, n):
    """Each row n times, one after the other."""
    return x[torch.arange(len(x) * n) // n]


def _repeat_rows(out, x, n):
    for i in range(len(x) * n):
        out[i] = x[i // n]


repeated = puzzle(
    repeat_rows,
    _repeat_rows,
    lambda rng: [(numbers(rng, n, n), n) for n in (2, 3)],
    lambda rng: [(numbers(rng, K, D), n) for K, D, n in ((2, 3, 3), (3, 1, 2), (2, 2, 1))],
    (
        "Indexing with a tensor of row numbers gives these rows. For two rows and n = 2, which four numbers?",
        "0, 0, 1, 1: `torch.arange` counts to `len(x) * n`, and `//` divides without a remainder.",
    ),
    ("torch.repeat_interleave", TENSOR + "repeat_interleave"),
)
repeated.mistake(
    "The rows come in turn: 0, 1, 0, 1.",
    "Equal rows stand together: row i is `x[i // n]`, and not `x[i % len(x)]`.",
    lambda x, n: x.repeat(n, 1),
)
repeated.mistake(
    "The columns are repeated, not the rows.",
    "The first axis counts the rows.",
    lambda x, n: x.repeat_interleave(n, 1),
)
repeated.mistake(
    "The copies of a row are side by side: (K, n * D).",
    "They belong one below the other.",
    lambda x, n: x.repeat(1, n),
)
repeated.mistake(
    "The copies have an axis of their own, (K, n, D).",
    "Join the first two axes, or pick rows by number.",
    lambda x, n: x[:, None].expand(-1, n, -1),
)
repeated.mistake(
    "The rows as a whole are repeated: first all of them, then all once more, on an axis of their own.",
    "Equal rows stand together, and there are two axes.",
    lambda x, n: x.expand(n, -1, -1),
)
repeated.mistake(
    "The numbers are multiplied by n, and no row is repeated.",
    "Pick rows by number: `x[...]` with a tensor of K * n row numbers.",
    lambda x, n: x * n,
)


def outer(a, b):
    """All products: a table with a row per entry of a."""
    return a[:, None] * b


def _outer(out, a, b):
    for i in range(len(a)):
        for j in range(len(b)):
            out[i, j] = a[i] * b[j]


outers = puzzle(
    outer,
    _outer,
    lambda rng: [(numbers(rng, n), numbers(rng, n)) for n in (2, 3)],
    lambda rng: [(numbers(rng, n), numbers(rng, m)) for n, m in ((2, 3), (4, 3), (1, 2))],
    (
        "Flush right, b is a row. What shape must a have, so that it runs down the column and is repeated along it?",
        "`a[:, None]` has the shape (len(a), 1).",
    ),
    ("torch.outer", TENSOR + "outer", "torch.ger", "torch.functional.einsum"),
)
outers.mistake(
    "It's on its side: rows belong to b.", "Rows count a: which one needs the axis?", lambda a, b: a * b[:, None]
)
outers.mistake(
    "`a` still runs along, as `b` does: (1, n).",
    "`a` must run down: its new axis comes last.",
    lambda a, b: (a * b)[None],
)
outers.mistake(
    "Both run down, so they're multiplied entry by entry.",
    "Only `a` runs down; `b` runs along as it is.",
    lambda a, b: (a * b)[:, None],
)
outers.mistake("All products stand in one row.", "Keep the table.", lambda a, b: outer(a, b).flatten())
outers.mistake("The numbers are divided.", "Each entry is a product.", lambda a, b: a[:, None] / b)
outers.mistake("The numbers are added.", "Each entry is a product.", lambda a, b: a[:, None] + b)
outers.mistake("The products are summed: a dot product.", "Keep the table.", lambda a, b: a @ b)
outers.mistake("Each row is summed.", "Keep the table.", lambda a, b: outer(a, b).sum(1))


def one_hot(ids, V):
    """A row per id, on at its column."""
    return ids[:, None] == torch.arange(V)


def _one_hot(out, ids, V):
    for t in range(len(ids)):
        for v in range(V):
            out[t, v] = ids[t] == v


hot = puzzle(
    one_hot,
    _one_hot,
    lambda rng: [(torch.tensor(ids), V) for ids, V in (([1, 0], 2), ([2, 0, 1], 3), ([0, 2, 2, 1], 4))],
    lambda rng: [(torch.tensor(ids), V) for ids, V in (([0, 3, 3], 4), ([4, 1], 5))],
    (
        "It's a table of comparisons. Which tensor runs down, which one runs along, and who counts to V?",
        "`torch.arange(V)` runs along a row; `ids` must run down a column.",
    ),
    ("torch.nn.functional.one_hot",),
)
hot.mistake(
    "It's on its side: a row for each v.",
    "Rows count the ids: which of the two needs a new axis?",
    lambda ids, V: one_hot(ids, V).T,
)
hot.mistake(
    "Off by one: the table counts from 1.",
    "`torch.arange(V)` counts 0 to V - 1, as ids do.",
    lambda ids, V: ids[:, None] == torch.arange(1, V + 1),
)
hot.mistake(
    "All columns from the id on are on.",
    "One column per row: compare with `==`.",
    lambda ids, V: ids[:, None] <= torch.arange(V),
)
hot.mistake(
    "All columns up to the id are on.",
    "One column per row: compare with `==`.",
    lambda ids, V: ids[:, None] >= torch.arange(V),
)
hot.mistake(
    "Off by one: the column before is on.",
    "`ids` count from 0, as columns do.",
    lambda ids, V: torch.eye(V)[ids - 1],
)
hot.mistake(
    "Ids are compared with ids, so V isn't used.",
    "Compare each id with `torch.arange(V)`.",
    lambda ids, V: ids[:, None] == ids,
)
hot.mistake("On and off are swapped.", "Compare with `==`.", lambda ids, V: ~one_hot(ids, V))
hot.mistake(
    "The ids are compared entry by entry: one number each, and no table.",
    "Let the ids run down: `None` in an index adds an axis.",
    lambda ids, V: ids == torch.arange(V),
)
outers.mistake(
    "The numbers are multiplied entry by entry: no table.",
    "Let a run down: `None` in an index adds an axis.",
    lambda a, b: a * b,
)
