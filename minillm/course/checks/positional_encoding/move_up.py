"""03.4: tokens leave a full cache and the others move up: keys that are turned already are turned back a little.

llama.cpp calls it context shift (its issue 2060 weighs it against keeping keys unturned); StreamingLLM (Xiao et al.
2023, section 3.2) counts places within the cache for the same reason.
"""

import random
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import apart, as_tensor
from minillm.course.checks.positional_encoding.common import turned
from minillm.course.checks.question import Question

Cache = tuple[Tensor, Tensor]


def move_up(
    keys: Float[Tensor, "S D"], values: Float[Tensor, "S D"], stay: Bool[Tensor, "S"], theta: float
) -> tuple[Float[Tensor, "left D"], Float[Tensor, "left D"]]:
    """The right answer: what stays, each key turned back by as many places as tokens in front of it leave.

    >>> keys = turned(torch.tensor([[1.0, 2.0], [1.0, 2.0]]), torch.arange(2), theta=10_000.0)
    >>> move_up(keys, keys, torch.tensor([False, True]), theta=10_000.0)[0].round(decimals=4)
    tensor([[1., 2.]])
    """
    return _moved(keys, values, stay, theta, turns=lambda stay: -(~stay).cumsum(0))


def _moved(keys, values, stay, theta, *, turns, halves=True, values_too=False) -> Cache:
    """The cache with key number s turned on by `turns(stay)[s]` places."""

    def turn(x: Tensor) -> Tensor:
        return turned(x, turns(stay), theta, halves)[stay]

    return turn(keys), turn(values) if values_too else values[stay]


def _back(stay: Tensor) -> Tensor:
    return -(~stay).cumsum(0)


def _all_by_the_total(stay: Tensor) -> Tensor:
    return -(~stay).sum().expand(len(stay))


def _caches(rng: random.Random, stays: list[list[bool]], D: int = 4) -> list[Call]:
    calls = []
    for stay in stays:
        S = len(stay)
        theta = rng.choice([100.0, 1_000.0, 10_000.0])
        calls.append((numbers(rng, S, D), numbers(rng, S, D), torch.tensor(stay), theta))
        D = 8
    return calls


def _first_leave(rng: random.Random) -> list[Call]:
    return _caches(rng, [[n >= gone for n in range(S)] for S, gone in ((3, 1), (8, 3), (20, 12))])


def _behind_the_sinks(rng: random.Random) -> list[Call]:
    sizes = (4, 1, 2), (9, 2, 5), (24, 4, 14)  # in the cache, sinks, and how many of those behind them leave
    return _caches(rng, [[not sinks <= n < sinks + gone for n in range(S)] for S, sinks, gone in sizes])


def _here_and_there(rng: random.Random) -> list[Call]:
    scattered = [[rng.random() < 0.6 for _ in range(S)] for S in (8, 16)]
    stays = [[True, False, *row, last] for row, last in zip(scattered, (True, False), strict=True)]
    return _caches(rng, [[True, False, True, False, True], [True, False], *stays])


def _places_turned(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """By how many places the first wrong key was turned, if by any whole number of them."""
    for (keys, _, stay, theta), wanted, answer in zip(calls, right, got, strict=True):
        given = as_tensor(answer[0]) if type(answer) in (list, tuple) and answer else None
        if given is None or given.shape != wanted[0].shape:
            return None
        for row in apart(wanted[0], given).any(1).nonzero().flatten().tolist():
            old, by = int(stay.nonzero()[row]), torch.arange(-len(stay), len(stay) + 1)
            ways = turned(keys[old].expand(len(by), -1), by, theta, halves=True)
            for places, way in zip(by.tolist(), ways, strict=True):
                if not apart(way, given[row]).any():
                    hint = "The new place minus the old one is what it must be turned by."
                    sentence = f"The key that stood at place {old} is turned by {places} places"
                    return f"{sentence}; right is {int(_back(stay)[old])}.", hint
    return None


question = Question("03.4", "A cache that moves up", move_up)

oldest_leave = question.probe("the oldest leave", _first_leave, _places_turned)
oldest_leave.mistake(
    "The keys are not turned: each still stands where it stood.",
    "A key at place 12 that is now at place 9 must be turned back by 3 places.",
    partial(_moved, turns=torch.zeros_like),
)
oldest_leave.mistake(
    "The keys are turned on, not back.",
    "From place 12 to place 9 are -3 places.",
    partial(_moved, turns=lambda stay: -_back(stay)),
)
oldest_leave.mistake(
    "The keys are turned a second time, by their new places.",
    "They came in turned by their old places. Turn them by the new place *minus the old one*.",
    partial(_moved, turns=lambda stay: stay.cumsum(0) - 1),
)
oldest_leave.mistake(
    "The keys are turned back to place 0, all of them.",
    "That is only half the way: then turn each on to its new place, or do both in one step.",
    partial(_moved, turns=lambda stay: -torch.arange(len(stay))),
)
oldest_leave.mistake(
    "The values are turned, too.",
    "RoPE turns queries and keys. What a token says does not depend on its place.",
    partial(_moved, turns=_back, values_too=True),
)
oldest_leave.mistake(
    "The base is 10,000, whatever `theta` says.",
    "The keys came in turned with `theta`, so they must be turned back with it.",
    lambda keys, values, stay, theta: move_up(keys, values, stay, 10_000.0),
)
oldest_leave.mistake(
    "Neighbours are turned, but these keys are made of halves.",
    "Pair i is made of the numbers i and i + D/2.",
    partial(_moved, turns=_back, halves=False),
)

first_stay = question.probe("the first few stay in front", _behind_the_sinks, _places_turned)
first_stay.mistake(
    "What stands in front of the gap is turned back with the rest.",
    "Nobody left in front of the first tokens. They stand where they stood.",
    partial(_moved, turns=_all_by_the_total),
)

gaps = question.probe("gaps here and there", _here_and_there, _places_turned)
gaps.mistake(
    "All keys behind the first gap are turned back by the same number of places.",
    "A key moves up by the number of tokens that left *in front of it*: count as in 03.1.",
    partial(_moved, turns=lambda stay: torch.where(_back(stay) < 0, _all_by_the_total(stay), 0)),
)
