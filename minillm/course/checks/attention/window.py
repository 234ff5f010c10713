"""04.3: a mask that the package does not hold, a sliding window (Beltagy et al. 2020) with sinks (Xiao et al. 2023)."""

import random
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.attention.common import READY_MADE
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.question import Mistake, Probe, Question


def window_mask(T: int, S: int, window: int, sinks: int) -> Bool[Tensor, "T S"]:
    """The right answer: True where one of the last T of S positions may see a key.

    >>> window_mask(2, 5, window=2, sinks=1).int()
    tensor([[1, 0, 1, 1, 0],
            [1, 0, 0, 1, 1]], dtype=torch.int32)
    """
    return _mask(T, S, window, sinks)


def _mask(T, S, window, sinks, first=None, wider=0, ahead=0, itself=True, sinks_ahead=False, sink_from=0):
    """The mask, with one thing done otherwise."""
    query = torch.arange(T)[:, None] + (S - T if first is None else first)  # the positions of the queries
    key = torch.arange(S)
    near = (query - key < window + wider) & (query - key > -1 - ahead)
    sink = (key < sinks) & (key >= sink_from) & ((key <= query) | sinks_ahead)
    return (near | sink) & ((key != query) | itself)


def _bent(**changes: Any):
    return lambda T, S, window, sinks: _mask(T, S, window, sinks, **changes)


def _both_sides(T: int, S: int, window: int, sinks: int) -> Tensor:
    return _mask(T, S, window, sinks, ahead=window - 1)


def _transposed(T: int, S: int, window: int, sinks: int) -> Tensor:
    return window_mask(T, S, window, sinks).T


def _sinks_widen(T: int, S: int, window: int, sinks: int) -> Tensor:
    return _mask(T, S, window + sinks, 0)


def _last_sink(T: int, S: int, window: int, sinks: int) -> Tensor:
    return _mask(T, S, window, sinks, sink_from=sinks - 1)


def _no_sinks(T: int, S: int, window: int, sinks: int) -> Tensor:
    return _mask(T, S, window, 0)


def _no_window(T: int, S: int, window: int, sinks: int) -> Tensor:
    return _mask(T, S, S, 0)


def _whole_text(chance: random.Random) -> list[Call]:
    sizes = [chance.randint(5, 9) for _ in range(3)]
    return [(4, 4, 2, 0), *((T, T, chance.randint(1, T - 2), 0) for T in sizes), (3, 3, 8, 0)]


def _with_sinks(chance: random.Random) -> list[Call]:
    sizes = [chance.randint(7, 10) for _ in range(3)]
    return [(5, 5, 2, 1), *((T, T, chance.randint(2, 3), chance.randint(2, 3)) for T in sizes)]


def _with_past(chance: random.Random) -> list[Call]:
    lengths = [chance.randint(8, 12) for _ in range(3)]
    return [(1, 4, 2, 0), *((chance.randint(1, 4), S, chance.randint(2, 3), chance.randint(0, 2)) for S in lengths)]


def _first_wrong_cell(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Which position sees what it should not, or does not see what it should."""
    for (T, S, _, sinks), mask, answer in zip(calls, right, got, strict=True):
        seen = as_tensor(answer)
        if seen is None or seen.shape != mask.shape:
            return None
        if wrong := (seen.bool() != mask).nonzero().tolist():
            row, key = wrong[0]
            position = row + S - T
            place = "comes after it" if key > position else "is a sink" if key < sinks else f"is {position - key} back"
            verb = "does not see" if mask[row, key] else "sees"
            hint = "Write down the positions of the queries and of the keys, and for this pair the distance."
            return f"Position {position} {verb} position {key}, which {place}.", hint
    return None


WINDOW = Question(
    "04.3",
    "A window, and a sink",
    "window_mask",
    (
        Probe(
            "a window in a whole text",
            _whole_text,
            window_mask,
            (
                Mistake(
                    "The window is one position too wide.",
                    "A window of 2 is the token itself and one before it: the distance is less than the window.",
                    _bent(wider=1),
                ),
                Mistake(
                    "The window is one position too narrow: a token does not see itself.",
                    "The token itself counts as one of the window's positions.",
                    _bent(itself=False),
                ),
                Mistake(
                    "The window reaches into the future.",
                    "The distance to what comes after is negative. Ask for 0 at least, and less than the window.",
                    _both_sides,
                ),
                Mistake(
                    "It is the causal mask: the window does not end anywhere.",
                    "Besides the future, hide what lies `window` positions back, and further.",
                    _no_window,
                ),
                Mistake(
                    "Rows and columns have changed places: the rows are the keys.",
                    "Row t says what query t sees: `query[:, None]` and `key[None, :]`, not the other way round.",
                    _transposed,
                ),
            ),
            _first_wrong_cell,
        ),
        Probe(
            "the first tokens stay visible",
            _with_sinks,
            window_mask,
            (
                Mistake(
                    "A sink is seen by queries in front of it.",
                    "A sink lifts the window, not the causal mask: position 0 must not see position 1.",
                    _bent(sinks_ahead=True),
                ),
                Mistake(
                    "The sinks make the window wider.",
                    "They stay where they are, at the beginning of the text, however far away that is.",
                    _sinks_widen,
                ),
                Mistake(
                    "Only one of the sinks is visible.",
                    "`sinks` is how many tokens stay visible: the positions 0 to sinks - 1.",
                    _last_sink,
                ),
                Mistake(
                    "The sinks are forgotten.",
                    "The positions below `sinks` stay visible to all later ones.",
                    _no_sinks,
                ),
            ),
            _first_wrong_cell,
        ),
        Probe(
            "the last queries of a longer text",
            _with_past,
            window_mask,
            (
                Mistake(
                    "The queries are counted from 0, but they are the last T of S positions.",
                    "With a cache, query 0 stands at position S - T.",
                    _bent(first=0),
                ),
            ),
            _first_wrong_cell,
        ),
    ),
    forbidden=READY_MADE,
)
