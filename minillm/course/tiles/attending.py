"""The second thing that the lab on tiles asks for: the loops over tiles of queries and keys."""

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import difference
from minillm.course.checks.probe import Answer, Explanation
from minillm.course.learner.puzzle import Puzzle
from minillm.course.tiles.memory import Memory, hide, start
from minillm.course.tiles.merging import merge
from minillm.errors import UserError


def attend(q, k, v, out, rows, cols):
    """Causal attention in tiles of rows x cols; the table is never written."""
    T, D = q.shape
    for r in range(0, T, rows):
        queries = q.load(r, r + rows)
        state = start(len(queries), D)
        for c in range(0, min(r + rows, T), cols):
            keys, values = k.load(c, c + cols), v.load(c, c + cols)
            scores = hide(queries @ keys.T / math.sqrt(D), r, c)
            state = merge(state, scores, values)
        _, total, mixed = state
        out.store(r, mixed / total[:, None])


def _loops(
    scale: Callable[[int], float] = math.sqrt,
    last: Callable[[int, int, int], int] = lambda r, rows, T: min(r + rows, T),
    hidden: Callable = hide,
    divided: bool = True,
    fresh: bool = True,
    anew: bool = False,
    place: Callable[[int, int], int] = lambda r, rows: r,
) -> Callable[..., None]:
    """The right function with one thing changed, or none."""

    def changed(q: Memory, k: Memory, v: Memory, out: Memory, rows: int, cols: int) -> None:
        T, D = q.shape
        state: Any = None
        for r in range(0, T, rows):
            queries = q.load(r, r + rows)
            if fresh or state is None or len(state[0]) != len(queries):
                state = start(len(queries), D)
            for c in range(0, last(r, rows, T), cols):
                scores = hidden(queries @ k.load(c, c + cols).T / scale(D), r, c)
                state = start(len(queries), D) if anew else state
                state = merge(state, scores, v.load(c, c + cols))
            out.store(place(r, rows), state[2] / state[1][:, None] if divided else state[2])

    return changed


def _on_memory(thing: Any) -> Answer:
    """A function as the probe calls it: with memories; what it moved counts, if it's more than the right one moves.

    The right one is not `attend` itself: a call of that counts as not written by hand.
    """

    def answer(q: Tensor, k: Tensor, v: Tensor, _out: str, rows: int, cols: int) -> Any:
        found, counts = [], []
        functions: tuple[Any, ...] = (thing, _loops())
        for each in functions:
            memories = [Memory(part.numpy()) for part in (q, k, v)] + [Memory(np.zeros(v.shape))]
            with np.errstate(all="ignore"):
                each(*memories, rows, cols)
            tallest = max(memory.tallest for memory in memories)
            if tallest > max(rows, cols):
                raise UserError(f"{tallest} rows were loaded at once, and a tile has at most {max(rows, cols)}")
            found.append(memories[3].array)
            counts.append(sum(memory.moved for memory in memories))
        return torch.from_numpy(found[0]), max(counts)

    return answer


attending = Puzzle(
    "12_tiles_lab.attend",
    "The loops",
    attend,
    parts=("the result", "the numbers moved"),
    constants=("q", "k", "v"),
    called=_on_memory,
    hints=(
        "Which tiles does the last query of a tile of rows need? And the first one?",
        "Outside, go over the queries in steps of `rows`; load them once. Inside, go over the keys in steps of `cols`, "
        "up to the last query of the tile.",
        "Each tile of queries begins with a fresh `start(...)`. After its last tile of keys, store mixed over total.",
    ),
    errors={
        "broadcast|shapes|mismatch|aligned": "The last tile may be shorter: `start(len(queries), D)`. And scores are "
        "`queries @ keys.T`.",
        "'Memory'|subscript|has no attribute": "A memory gives its rows by `q.load(first, end)`, and takes some by "
        "`out.store(first, rows)`.",
        "zero-size": "`load(first, end)` takes the end, not a count: `k.load(c, c + cols)`.",
        "loaded at once": "The fast memory has room for a tile, not for all keys: `k.load(c, c + cols)`.",
        "positional argument": "`merge(state, scores, values)`, `hide(scores, r, c)`, `start(R, D)`.",
        "name '.*' is not defined": "There are `q`, `k`, `v`, `out`, `rows` and `cols`, and from the page `math`, "
        "`hide`, `start` and `merge`.",
    },
)


def _texts(rng: random.Random) -> list[Call]:
    shapes = ((2, 1, 1, 1), (4, 2, 2, 2), (6, 3, 2, 3), (5, 2, 2, 2), (7, 3, 4, 2), (8, 4, 2, 4))
    return [(*(numbers(rng, T, D) for _ in range(3)), "room", rows, cols) for T, D, rows, cols in shapes]


def _wrong(**change: Any) -> Answer:
    return _on_memory(_loops(**change))


def _moves(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Nothing stored, NaN, or right numbers that took too much moving."""
    for index, ((due, count), (gave, moved)) in enumerate(zip(right, got, strict=True)):
        if not gave.any():
            return "Nothing is stored.", "`out.store(r, mixed / total[:, None])`, for each tile of queries.", index
        if gave.isnan().any():
            hint = "Does a tile come first in which all keys of a query are hidden? Begin at c = 0."
            return "The result is NaN in places.", hint, index
        if difference(due, gave) is not None:
            return None
        if moved != count:
            sentence = f"The result is right, but {moved} numbers moved where {count} are enough."
            return sentence, "Load each tile once, and no tile that all its queries must not see.", index
    return None


loops = attending.probe("texts and tiles", _texts, _moves)
loops.mistake(
    "Tiles are loaded that no query may see.",
    "Keys after the last query of the tile are hidden anyway: stop at `min(r + rows, T)`.",
    _wrong(last=lambda r, rows, T: T),
)
loops.mistake(
    "Only keys before the tile's first query are read.",
    "The tile's own keys count, too: up to `r + rows`.",
    _wrong(last=lambda r, rows, T: max(r, 1)),
)
loops.mistake(
    "The inner loop ends at the tile's first query.",
    "Its last query may see more: up to `min(r + rows, T)`.",
    _wrong(last=lambda r, rows, T: r + 1),
)
loops.mistake(
    "The state begins anew with each tile of keys.",
    "`start(...)` once per tile of queries, before the inner loop.",
    _wrong(anew=True),
)
loops.mistake("Nothing is hidden.", "`hide(scores, r, c)`, before `merge`.", _wrong(hidden=lambda s, r, c: s))
loops.mistake(
    "The tile is hidden as if it began at 0, 0.",
    "`hide(scores, r, c)` needs to know where the tile lies.",
    _wrong(hidden=lambda s, r, c: hide(s, 0, 0)),
)
loops.mistake(
    "r and c have changed places in `hide`.", "`hide(scores, r, c)`.", _wrong(hidden=lambda s, r, c: hide(s, c, r))
)
loops.mistake("The scores aren't divided by sqrt(D).", "`/ math.sqrt(D)`.", _wrong(scale=lambda D: 1.0))
loops.mistake("The scores are divided by D.", "`/ math.sqrt(D)`.", _wrong(scale=float))
loops.mistake(
    "The sums are stored without being divided by the total.",
    "`mixed / total[:, None]`, after the last tile.",
    _wrong(divided=False),
)
loops.mistake(
    "The state of one tile of queries goes on into the next.",
    "Other queries, other sums: `start(...)` inside the first loop.",
    _wrong(fresh=False),
)
loops.mistake("Every tile is stored at the beginning.", "`out.store(r, ...)`.", _wrong(place=lambda r, rows: 0))
