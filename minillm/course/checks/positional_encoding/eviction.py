"""03.4: tokens leave a full cache and the others move up: keys that are turned already are turned back a little.

llama.cpp calls it context shift (its issue 2060 weighs it against keeping keys unturned); StreamingLLM (Xiao et al.
2023, section 3.2) counts positions within the cache for the same reason.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import apart, as_tensor, show
from minillm.course.checks.positional_encoding.common import seen_angles, turned, wrong_angle
from minillm.course.checks.positional_encoding.slips import FORMULAS, SPEED_HINT, SPEEDS, slipped
from minillm.course.checks.question import Question

Cache = tuple[Tensor, Tensor]


def evict(
    keys: Float[Tensor, "S D"], values: Float[Tensor, "S D"], keep: Bool[Tensor, "S"], theta: float
) -> tuple[Float[Tensor, "left D"], Float[Tensor, "left D"]]:
    """The right answer: what stays, each key turned back by as many positions as tokens before it leave.

    >>> keys = turned(torch.tensor([[1.0, 2.0], [1.0, 2.0]]), torch.arange(2), theta=10_000.0)
    >>> evict(keys, keys, torch.tensor([False, True]), theta=10_000.0)[0].round(decimals=4)
    tensor([[1., 2.]])
    """
    return _moved(keys, values, keep, theta, turns=lambda keep: -(~keep).cumsum(0))


def _moved(keys, values, keep, theta, *, turns, halves=True, values_too=False, step=2.0) -> Cache:
    """The cache with key number s turned on by `turns(keep)[s]` positions."""

    def turn(x: Tensor) -> Tensor:
        return turned(x, turns(keep), theta, halves, step)[keep]

    return turn(keys), turn(values) if values_too else values[keep]


def _with(**slips: Any) -> Callable[..., Cache]:
    """The cache moved up by a rotation with one thing done differently."""
    return lambda keys, values, keep, theta: (
        slipped(keys, _back(keep), theta, halves=True, **slips)[keep],
        values[keep],
    )


def _back(keep: Tensor) -> Tensor:
    return -(~keep).cumsum(0)


def _all_by_the_total(keep: Tensor) -> Tensor:
    return -(~keep).sum().expand(len(keep))


def _as_if_first(keep: Tensor) -> Tensor:
    """For each that stays the turn of the token whose number is its new position."""
    return _back(keep)[keep.cumsum(0) - 1]


def _caches(rng: random.Random, masks: list[list[bool]], widths: tuple[int, ...] = (4, 8, 2)) -> list[Call]:
    calls = []
    for index, keep in enumerate(masks):
        S, D = len(keep), widths[index % len(widths)]
        theta = rng.choice([100.0, 1_000, 10_000.0])
        calls.append((numbers(rng, S, D), numbers(rng, S, D), torch.tensor(keep), theta))
    return calls


FIRST = "one of three tokens gone", "three of eight tokens gone", "one pair", "a single token left"
SINKS = "one token first", "two tokens first", "one pair", "a cache of 400 tokens"
GAPS = "one gap", "the last token gone", "one pair", "several gaps", "several gaps and the last token gone", "none gone"


def _first_leave(rng: random.Random) -> list[Call]:
    return _caches(rng, [[n >= gone for n in range(S)] for S, gone in ((3, 1), (8, 3), (20, 12), (5, 4))])


def _after_the_sinks(rng: random.Random) -> list[Call]:
    sizes = (4, 1, 2), (9, 2, 5), (24, 4, 14), (400, 4, 300)  # in the cache, sinks, how many after them leave
    return _caches(rng, [[not sinks <= n < sinks + gone for n in range(S)] for S, sinks, gone in sizes])


def _here_and_there(rng: random.Random) -> list[Call]:
    scattered = [[rng.random() < 0.6 for _ in range(S)] for S in (8, 16)]
    masks = [[True, False, *row, False, last] for row, last in zip(scattered, (True, False), strict=True)]
    return _caches(rng, [[True, False, True, False, True], [True, False], [True, False, True], *masks, [True] * 3])


def _tensors(answer: Any) -> tuple[Any, Any]:
    parts = answer if type(answer) in (list, tuple) and len(answer) == 2 else (None, None)
    return as_tensor(parts[0]), as_tensor(parts[1])


def _other_tokens(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Too many or too few tokens, or others in the position of those that keep."""
    for (keys, values, keep, _), answer in zip(calls, got, strict=True):
        given, left = _tensors(answer), int(keep.sum())
        for name, tensor in zip(("keys", "values"), given, strict=True):
            if tensor is None or tensor.dim() != 2 or tensor.shape[1] != keys.shape[1]:
                return None
            if len(tensor) != left:
                hint = "`keys[keep]` and `values[keep]` hold those that keep, in their order."
                return f"{len(tensor)} {name} come back where {left} of {len(keep)} tokens keep.", hint
        for name, old, new in (("values", values, given[1]), ("keys", keys, given[0])):
            for row, source in enumerate(keep.nonzero().flatten().tolist()):
                same = (_lengths(old) - _lengths(new[row])).abs().amax(1) < 1e-3  # turning keeps a pair's length
                if same.any() and not same[source]:
                    words = f"Row {row} of the new {name} comes from token {int(same.nonzero()[0])} of the cache"
                    return f"{words}; right is token {source}.", "Those that stay keep their order."
    return None


def _lengths(x: Tensor) -> Tensor:
    return torch.hypot(*x.double().chunk(2, -1))


def _turned_by(calls: list[Call], got: list[Any]) -> list[tuple[int, int, int]] | None:
    """For each key its old position, its due turn in positions, and the one it got; None if it got none."""
    found = []
    for (keys, _, keep, theta), answer in zip(calls, got, strict=True):
        given, due = _tensors(answer)[0], _back(keep).tolist()
        if given is None or given.shape != keys[keep].shape:
            return None
        by = torch.arange(-len(keep), len(keep) + 1)
        for old, row in zip(keep.nonzero().flatten().tolist(), given, strict=True):
            ways = turned(keys[old].expand(len(by), -1), by, theta, halves=True)
            same = by[~apart(ways, row.expand_as(ways)).any(1)]
            if not len(same):
                return None
            found.append((old, due[old], int(same[(same - due[old]).abs().argmin()])))
    return found


def _same_everywhere(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """What all wrong turns have in common."""
    found = _turned_by(calls, got)
    if not found:
        return None
    hint = "A key is turned by its new position minus its old one: minus the number of tokens that left before it."
    offsets = {gave - due for _, due, gave in found}
    if len(offsets) == 1 and (off := offsets.pop()):
        old, due, gave = found[0]
        far = "one position" if abs(off) == 1 else f"{abs(off)} positions"
        words = f"Every key is {far} too {'far along' if off > 0 else 'far back'}"
        return (
            f"{words}: the one from position {old} is turned by {gave}; right is {due}.",
            f"{hint} Do not count the key.",
        )
    moved = {gave for _, due, gave in found if due}
    if len(moved) == 1 and len({due for _, due, _ in found if due}) > 1 and not any(g for _, d, g in found if not d):
        words = f"Every key after a gap is turned by {show(moved.pop())}, however many tokens left before it"
        return f"{words}.", hint
    return None


def _wrong_turns(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """By how many positions the first wrong key was turned, or by which angles."""
    if common := _same_everywhere(calls, right, got):
        return common
    for (keys, _, keep, theta), wanted, answer in zip(calls, right, got, strict=True):
        given = _tensors(answer)[0]
        if given is None or given.shape != wanted[0].shape:
            return _other_tokens(calls, right, got)
        for row in apart(wanted[0], given).any(1).nonzero().flatten().tolist():
            old, by = int(keep.nonzero()[row]), torch.arange(-len(keep), len(keep) + 1)
            ways, due = turned(keys[old].expand(len(by), -1), by, theta, halves=True), int(_back(keep)[old])
            for positions, way in zip(by.tolist(), ways, strict=True):
                if not apart(way, given[row]).any():
                    hint = "The new position minus the old one is what it must be turned by."
                    return (
                        f"The key that was at position {old} is turned by {positions} positions; right is {due}.",
                        hint,
                    )
            angles = due * theta ** (-torch.arange(0, keys.shape[1], 2).double() / keys.shape[1])
            before, after = _lengths(keys[old]), _lengths(given[row])
            seen = seen_angles(keys[old], given[row], angles, halves=True)
            found = wrong_angle(seen, theta, due, f"In the key that was at position {old},")
            if found is not None:
                return found
            if (longer := apart(before, after)).any() and (other := _other_tokens(calls, right, got)) is None:
                pair = int(longer.nonzero()[0])
                words = f"Pair {pair} of the key from position {old} has length {before[pair]:.4g} before"
                hint = "Both numbers of a pair (i, i + D/2) need the cosine and the sine of one and the same angle."
                return f"{words} and {after[pair]:.4g} after: that is not a rotation.", hint
            elif longer.any():
                return other
    return _other_tokens(calls, right, got)


question = Question("03.4", "Remove tokens from a KV cache", evict, parts=("keys", "values"))

oldest_leave = question.probe("the oldest leave", _first_leave, _wrong_turns, kinds=FIRST)
oldest_leave.mistake(
    "The keys are not turned: each keeps its old rotation.",
    "A key at position 12 that is now at position 9 must be turned back by 3 positions.",
    partial(_moved, turns=torch.zeros_like),
)
oldest_leave.mistake(
    "The keys are turned on, not back.",
    "From position 12 to position 9 are -3 positions.",
    partial(_moved, turns=lambda keep: -_back(keep)),
)
oldest_leave.mistake(
    "The keys are turned a second time, by their new positions.",
    "They came in turned by their old positions. Turn them by the new position *minus the old one*.",
    partial(_moved, turns=lambda keep: keep.cumsum(0) - 1),
)
oldest_leave.mistake(
    "The keys are turned back to position 0, all of them.",
    "That is only the first step: then rotate each to its new position, or do both at once.",
    partial(_moved, turns=lambda keep: -torch.arange(len(keep))),
)
oldest_leave.mistake(
    "The values are turned, too.",
    "RoPE turns queries and keys. Values hold no positions.",
    partial(_moved, turns=_back, values_too=True),
)
oldest_leave.mistake(
    "The base is 10,000, whatever `theta` says.",
    "The keys came in turned with `theta`, so they must be turned back with it.",
    lambda keys, values, keep, theta: evict(keys, values, keep, 10_000.0),
)
oldest_leave.mistake(
    "Neighbors are turned, but these keys are made of halves.",
    "Pair i is made of the numbers i and i + D/2.",
    partial(_moved, turns=_back, halves=False),
)
for step in (0.0, 1.0, 4.0):
    oldest_leave.mistake(
        "The pairs turn at other speeds than theta^(-2i/D).",
        "Pair 0 turns by 1 per position, pair i by theta^(-2i/D): for D = 4 they are 1 and theta^(-1/2).",
        partial(_moved, turns=_back, step=step),
    )
oldest_leave.mistake(
    "The turns are those of the first tokens of the cache, whether they stay or not.",
    "Take `[keep]` of the turns, too, as you do of the keys.",
    partial(_moved, turns=_as_if_first),
)
for _sentence, _hint, _formula in FORMULAS:
    oldest_leave.mistake(_sentence, _hint, _with(formula=_formula))
for _words, _exponents, _factor in SPEEDS:
    oldest_leave.mistake(
        f"The pairs turn at wrong speeds: {_words}.", SPEED_HINT, _with(exponents=_exponents, factor=_factor)
    )


@oldest_leave.mistake(
    "The cache does not get shorter: rows of zeros follow the tokens that keep.",
    "Return only the rows of those that keep.",
)
def _zeros_after(keys, values, keep, theta):
    gone = int((~keep).sum())
    return tuple(F.pad(part, (0, 0, 0, gone)) for part in evict(keys, values, keep, theta))


@oldest_leave.mistake(
    "The values of the tokens that leave are still there.", "A token leaves with its key and its value: `values[keep]`."
)
def _all_values(keys, values, keep, theta):
    return evict(keys, values, keep, theta)[0], values


first_stay = question.probe("the first few stay in front", _after_the_sinks, _wrong_turns, kinds=SINKS)
first_stay.mistake(
    "What comes before the gap is turned back with the rest.",
    "No token before the first ones left. They keep their positions.",
    partial(_moved, turns=_all_by_the_total),
)

first_stay.mistake(
    "Only tokens that leave at the very beginning are counted: after a later gap no key is turned.",
    "A key moves up by the number of *all* tokens that left before it.",
    partial(_moved, turns=lambda keep: (-keep.int().argmax()).expand(len(keep))),
)

gaps = question.probe("gaps here and there", _here_and_there, _wrong_turns, kinds=GAPS)
gaps.mistake(
    "All keys after the first gap are turned back by the same number of positions.",
    "A key moves up by the number of tokens that left *before it*.",
    partial(_moved, turns=lambda keep: torch.where(_back(keep) < 0, _all_by_the_total(keep), 0)),
)
