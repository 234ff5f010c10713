"""04.3: a mask that the package does not hold, a sliding window (Beltagy et al. 2020) with sinks (Xiao et al. 2023)."""

import random
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.attention.common import READY_MADE
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.question import Question


def window_mask(T: int, S: int, window: int, sinks: int) -> Bool[Tensor, "T S"]:
    """The right answer: True where one of the last T of S positions may see a key.

    >>> window_mask(2, 5, window=2, sinks=1).int()
    tensor([[1, 0, 1, 1, 0],
            [1, 0, 0, 1, 1]], dtype=torch.int32)
    """
    return _mask(T, S, window, sinks)


def _mask(T, S, window, sinks, first=None, wider=0, ahead=0, itself=True, sinks_ahead=False, sink_from=0):
    """The mask, with one thing done differently."""
    query = torch.arange(T)[:, None] + (S - T if first is None else first)  # the positions of the queries
    key = torch.arange(S)
    near = (query - key < window + wider) & (query - key > -1 - ahead)
    sink = (key < sinks) & (key >= sink_from) & ((key <= query) | sinks_ahead)
    return (near | sink) & ((key != query) | itself)


def _whole_text(rng: random.Random) -> list[Call]:
    sizes = [rng.randint(5, 9) for _ in range(3)]
    return [(4, 4, 2, 0), *((T, T, rng.randint(1, T - 2), 0) for T in sizes), (3, 3, 8, 0), (1, 1, 1, 0)]


def _with_sinks(rng: random.Random) -> list[Call]:
    sizes = [rng.randint(7, 10) for _ in range(3)]
    return [(5, 5, 2, 1), *((T, T, rng.randint(2, 3), rng.randint(2, 3)) for T in sizes), (3, 3, 1, 5), (1, 1, 2, 1)]


def _with_past(rng: random.Random) -> list[Call]:
    lengths = [rng.randint(8, 12) for _ in range(3)]
    return [
        (1, 4, 2, 0),
        *((rng.randint(1, 4), S, rng.randint(2, 3), rng.randint(0, 2)) for S in lengths),
        (2, 6, 1, 9),
        (2, 3, 7, 0),
    ]


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


def _block(T: int, S: int, window: int) -> Tensor:
    return torch.arange(S - T, S)[:, None] // window


question = Question("04.3", "A window, and a sink", window_mask, forbidden=READY_MADE)


def _boolean(right: Any, got: Any) -> str | None:
    """The integers 0 and 1 where True and False are asked for: `masked_fill` and `~` fail with them, or mislead."""
    rows = [row.tolist() if type(row) is Tensor else row for row in got]
    numbers = [cell for row in rows for cell in row]
    return None if all(type(cell) is bool for cell in numbers) else "is made of 0 and 1, not of False and True"


whole_text = question.probe("a window in a whole text", _whole_text, _first_wrong_cell, demand=_boolean)
whole_text.mistake(
    "The window ends at the end of the text for all queries.",
    "Each query has its own window: the last positions up to its own.",
    lambda T, S, window, sinks: _mask(T, S, S, 0) & (torch.arange(S) >= S - window),
)
whole_text.mistake(
    "The text is cut into blocks, and a query sees only its own block.",
    "The window moves with the query: the distance `query - key` is less than the window.",
    lambda T, S, window, sinks: _mask(T, S, S, 0) & (_block(T, S, window) == torch.arange(S) // window),
)
whole_text.mistake(
    "The window is one position too wide.",
    "A window of 2 is the token itself and one before it: the distance is less than the window.",
    partial(_mask, wider=1),
)
whole_text.mistake(
    "The window is one position too narrow: a token does not see itself.",
    "The token itself counts as one of the window's positions.",
    partial(_mask, itself=False),
)
whole_text.mistake(
    "The window is one position too narrow, though a token sees itself in any case.",
    "The token itself counts as one of the window's positions: the distance is less than the window.",
    lambda T, S, window, sinks: _mask(T, S, window - 1, sinks) | _mask(T, S, 1, 0),
)
whole_text.mistake(
    "The window reaches into the future.",
    "The distance to what comes after is negative. Ask for 0 at least, and less than the window.",
    lambda T, S, window, sinks: _mask(T, S, window, sinks, ahead=window - 1),
)
whole_text.mistake(
    "It is the causal mask: the window does not end anywhere.",
    "Besides the future, hide what lies `window` positions back, and further.",
    lambda T, S, window, sinks: _mask(T, S, S, 0),
)
whole_text.mistake(
    "True and False are swapped: True says here that a key is seen.",
    "True where a query sees the key, as in `masked_fill(~mask, -inf)`.",
    lambda *sizes: ~_mask(*sizes),
)
whole_text.mistake(
    "There is a sink too many: position number `sinks` is none any more.",
    "The sinks are the positions 0 to sinks - 1: `key < sinks`.",
    lambda T, S, window, sinks: _mask(T, S, window, sinks + 1),
)
whole_text.mistake(
    "Rows and columns have changed places: the rows are the keys.",
    "Row t says what query t sees: `query[:, None]` and `key[None, :]`, not the other way round.",
    lambda T, S, window, sinks: window_mask(T, S, window, sinks).T,
)

with_sinks = question.probe("the first tokens stay visible", _with_sinks, _first_wrong_cell, demand=_boolean)
with_sinks.mistake(
    "A sink is seen by queries in front of it.",
    "A sink lifts the window, not the causal mask: position 0 must not see position 1.",
    partial(_mask, sinks_ahead=True),
)
with_sinks.mistake(
    "The sinks make the window wider.",
    "They stay where they are, at the beginning of the text, however far away that is.",
    lambda T, S, window, sinks: _mask(T, S, window + sinks, 0),
)
with_sinks.mistake(
    "Only one of the sinks is visible.",
    "`sinks` is how many tokens stay visible: the positions 0 to sinks - 1.",
    lambda T, S, window, sinks: _mask(T, S, window, sinks, sink_from=sinks - 1),
)
with_sinks.mistake(
    "The sinks are taken out of the window: it is too narrow by their number.",
    "The window holds `window` positions, and the sinks come on top of them.",
    lambda T, S, window, sinks: _mask(T, S, max(window - sinks, 0), sinks),
)
with_sinks.mistake(
    "The sinks are taken out of the window: it is too narrow by their number.",
    "The window holds `window` positions, and the sinks come on top of them.",
    lambda T, S, window, sinks: _mask(T, S, max(window - sinks, 1), sinks),
)
with_sinks.mistake(
    "The first position is the only sink, whatever `sinks` is.",
    "`sinks` is how many tokens stay visible: the positions 0 to sinks - 1.",
    lambda T, S, window, sinks: _mask(T, S, window, min(sinks, 1)),
)
with_sinks.mistake(
    "The sinks are forgotten.",
    "The positions below `sinks` stay visible to all later ones.",
    lambda T, S, window, sinks: _mask(T, S, window, 0),
)

last_queries = question.probe("the last queries of a longer text", _with_past, _first_wrong_cell, demand=_boolean)
last_queries.mistake(
    "The queries are counted from 0, but they are the last T of S positions.",
    "With a cache, query 0 stands at position S - T.",
    partial(_mask, first=0),
)
last_queries.mistake(
    "All S positions are queries, but only the last T of them are asked for.",
    "The keys of the others come from a cache. Query 0 stands at position S - T.",
    lambda T, S, window, sinks: window_mask(S, S, window, sinks),
)


@last_queries.mistake(
    "The window's far end is counted from query 0, as if there were no cache.",
    "Both ends move with the query, which stands at position S - T + t.",
)
def _one_end(T, S, window, sinks):
    query, key = torch.arange(T)[:, None], torch.arange(S)
    return (key <= query + S - T) & ((query - key < window) | (key < sinks))


@last_queries.mistake(
    "The near end of the window is counted from query 0, as if there were no cache.",
    "Both ends move with the query, which stands at position S - T + t.",
)
def _other_end(T, S, window, sinks):
    query, key = torch.arange(T)[:, None], torch.arange(S)
    return (key <= query) & ((query + S - T - key < window) | (key < sinks))
