"""The first thing that the lab on tiles asks for: the online softmax, one tile at a time."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.probe import Answer, Explanation
from minillm.course.learner.puzzle import Puzzle
from minillm.course.tiles.memory import start


def merge(state, scores, values):
    """The state after one more tile of scores (R, N) and values (N, D)."""
    largest, total, mixed = state
    new = np.maximum(largest, scores.max(axis=1))
    shrink = np.exp(largest - new)
    weights = np.exp(scores - new[:, None])
    return new, total * shrink + weights.sum(axis=1), mixed * shrink[:, None] + weights @ values


def _over_tiles(thing: Any) -> Answer:
    """A function as the probe calls it: tile after tile, in numpy."""

    def answer(_state: str, scores: list[Tensor], values: list[Tensor]) -> Any:
        state: Any = start(len(scores[0]), values[0].shape[1])
        with np.errstate(all="ignore"):
            for part, rows in zip(scores, values, strict=True):
                state = thing(state, part.double().numpy().copy(), rows.double().numpy().copy())
        return tuple(map(_plain, state)) if type(state) in (list, tuple) else state

    return answer


def _plain(part: Any) -> Any:
    return torch.from_numpy(np.array(part, np.float64)) if isinstance(part, np.ndarray) else part


merging = Puzzle(
    "12_tiles_lab.merge",
    "One more tile",
    merge,
    parts=("the largest", "the total", "the mixed values"),
    constants=("scores", "values"),
    called=_over_tiles,
    hints=(
        "A later tile may hold a larger score than all before it. What's wrong then with the weights that are summed?",
        "Old sums were made of e^(score - old largest). They should be made of e^(score - new largest): one factor, "
        "the same for all of a row.",
        "The factor is `np.exp(largest - new)`. It shrinks `total`, and each row of `mixed`; then the new tile's own "
        "weights come in.",
    ),
    errors={
        "broadcast|shapes|mismatch|aligned": "scores is (R, N), values (N, D); largest and total are (R,): `[:, None]` "
        "makes (R, 1) of them.",
        "unpack|subscript|not iterable": "`largest, total, mixed = state`, and return three arrays.",
        "name '.*' is not defined": "There are `state`, `scores` and `values`, and numpy as `np`.",
    },
)


def _tiles(rng: random.Random, *scripts: tuple[int, int, tuple[int, ...]]) -> list[Call]:
    return [
        ("start", [numbers(rng, R, n, scale=2.0) for n in widths], [numbers(rng, n, width) for n in widths])
        for R, width, widths in scripts
    ]


def _one(rng: random.Random) -> list[Call]:
    return _tiles(rng, (1, 1, (2,)), (2, 2, (2,)), (2, 3, (4,)), (3, 2, (5,)))


def _several(rng: random.Random) -> list[Call]:
    return _tiles(rng, (1, 1, (1, 2)), (2, 2, (2, 2)), (2, 3, (3, 1, 2)), (3, 2, (2, 2, 2)), (1, 2, (1, 1, 1, 1)))


def _triple(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    for index, (due, answer) in enumerate(zip(right, got, strict=True)):
        if type(answer) is not tuple or len(answer) != 3:
            return "The state isn't three arrays.", "Return `largest, total, mixed`, in this order.", index
        for name, wanted, gave in zip(("largest", "total", "mixed"), due, answer, strict=True):
            tensor = as_tensor(gave)
            if tensor is None or tensor.shape != wanted.shape:
                shape = None if tensor is None else tuple(tensor.shape)
                return f"`{name}` has shape {shape}; {tuple(wanted.shape)} is right.", "Keep the shapes.", index
            if not tensor.isfinite().all():
                hint = "At first, `largest` is minus infinity: e^(largest - new) is 0 then, e^(new - largest) infinite."
                return f"`{name}` isn't finite.", hint, index
    return None


def _changed(
    shrink_total: float = 1, shrink_mixed: float = 1, keep: bool = True, old: Callable = np.maximum, own: bool = False
) -> Answer:
    """The right function with one thing changed; `shrink_...` are powers of the factor."""

    def changed(state: Any, scores: np.ndarray, values: np.ndarray) -> Any:
        largest, total, mixed = state
        new = old(largest, scores.max(axis=1))
        shrink = np.exp(largest - new)
        weights = np.exp(scores - (scores.max(axis=1) if own else new)[:, None])
        before = (total * shrink**shrink_total, mixed * shrink[:, None] ** shrink_mixed) if keep else (0, 0)
        return new, before[0] + weights.sum(axis=1), before[1] + weights @ values

    return _over_tiles(changed)


one = merging.probe("one tile", _one, _triple)
one.mistake(
    "The largest score isn't subtracted.",
    "`np.exp(scores - new[:, None])`: without it, e^90 overflows in float32.",
    _over_tiles(
        lambda state, scores, values: (
            np.maximum(state[0], scores.max(1)),
            state[1] + np.exp(scores).sum(1),
            state[2] + np.exp(scores) @ values,
        )
    ),
)
one.mistake(
    "The values are divided by the total already.",
    "Divide once, after the last tile. Until then, keep both sums.",
    _over_tiles(lambda *call: (lambda a, b, c: (a, b, c / b[:, None]))(*merge(*call))),
)
one.mistake(
    "The weights of a tile add up to 1.",
    "No softmax inside a tile: its total belongs to `total`.",
    _over_tiles(
        lambda state, scores, values: (
            np.maximum(state[0], scores.max(1)),
            state[1] + 1,
            state[2]
            + (np.exp(scores - scores.max(1)[:, None]) / np.exp(scores - scores.max(1)[:, None]).sum(1)[:, None])
            @ values,
        )
    ),
)
one.mistake(
    "The scores themselves are summed, without e to their power.",
    "`np.exp(scores - new[:, None])` are the weights.",
    _over_tiles(
        lambda state, scores, values: (
            np.maximum(state[0], scores.max(1)),
            state[1] + scores.sum(1),
            state[2] + scores @ values,
        )
    ),
)


def _new_shrunk(state: Any, scores: np.ndarray, values: np.ndarray) -> Any:
    largest, total, mixed = state
    new = np.maximum(largest, scores.max(axis=1))
    shrink, weights = np.exp(largest - new), np.exp(scores - new[:, None])
    return new, total + weights.sum(axis=1) * shrink, mixed + weights @ values * shrink[:, None]


one.mistake(
    "The factor shrinks the new tile, not the old sums.",
    "The new weights are made with the new largest score already. It's the old sums that must shrink.",
    _over_tiles(_new_shrunk),
)
several = merging.probe("several tiles", _several, _triple)
several.mistake(
    "A tile's weights are made with its own largest score.",
    "Subtract the largest of all so far, `new`: else tiles can't be added.",
    _changed(own=True),
)
several.mistake(
    "What was summed before isn't shrunk.",
    "If a larger score comes, old weights are too large: multiply both sums by `np.exp(largest - new)`.",
    _changed(shrink_total=0, shrink_mixed=0),
)
several.mistake(
    "`total` is shrunk, and `mixed` isn't.",
    "Both sums are made of the same weights: shrink both.",
    _changed(shrink_mixed=0),
)
several.mistake(
    "`mixed` is shrunk, and `total` isn't.",
    "Both sums are made of the same weights: shrink both.",
    _changed(shrink_total=0),
)
several.mistake(
    "Earlier tiles are forgotten.",
    "Add the new tile to `total` and `mixed`.",
    _changed(keep=False),
)
several.mistake(
    "The largest score is only that of the newest tile.",
    "`np.maximum(largest, ...)`: of all so far.",
    _changed(old=lambda largest, new: new),
)
