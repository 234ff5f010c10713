"""03.1: the error of attention scores if RoPE computes its angles in bfloat16.

Positions above 256 are rounded, and neighbors become equal. It happened: pull request 29285 of huggingface/transformers
(Llama and Gemma), 3520 of huggingface/candle (positions and frequencies cast before their product, as here). Wang et
al. 2024, "When Precision Meets Position", measure what it does to training on long texts.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import apart, as_tensor, show
from minillm.course.checks.question import Question

Angles = Callable[[Tensor, Tensor], Tensor]  # of positions (T,) and frequencies (half,)


def score_error(
    query: Float[Tensor, "D"], key: Float[Tensor, "D"], positions: Int[Tensor, "T"], distance: int, theta: float
) -> Float[Tensor, "T"]:
    """The right answer, by complex numbers.

    >>> one = torch.tensor([1.0, 0.0])
    >>> score_error(one, one, torch.tensor([100, 257]), distance=1, theta=10_000.0).round(decimals=4)
    tensor([0.0000, 0.4597])
    """
    return _error(query, key, positions, distance, theta)


def _exact(positions: Tensor, frequencies: Tensor) -> Tensor:
    return positions.double()[:, None] * frequencies


def _rounded(positions: Tensor, frequencies: Tensor) -> Tensor:
    return (positions.bfloat16()[:, None] * frequencies.bfloat16()).double()


def _error(
    query: Tensor,
    key: Tensor,
    positions: Tensor,
    distance: int,
    theta: float,
    *,
    low: Angles = _rounded,
    low_query: Angles | None = None,
    keys: Callable[[Tensor, int], Tensor] = lambda positions, distance: positions - distance,
    exact: bool = True,
    halves: bool = True,
    low_type: torch.dtype | None = None,
    low_cosines: bool = False,
) -> Tensor:
    """The difference of both scores, with one thing done differently."""
    D = len(query)
    frequencies = theta ** (-torch.arange(0, D, 2).double() / D)

    def rotated(x: Tensor, at: Tensor, angles: Angles, kind: torch.dtype | None, rounded: bool) -> Tensor:
        a, b = x.chunk(2) if halves else (x[::2], x[1::2])
        turned = angles(at, frequencies)
        cos, sin = turned.cos(), turned.sin()
        if rounded:
            cos, sin = cos.bfloat16().double(), sin.bfloat16().double()
        a, b, cos, sin = (part.to(kind or torch.float64) for part in (a, b, cos, sin))
        return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)

    def score(angles: Angles, of_query: Angles, at: Tensor, kind=None, rounded=False) -> Tensor:
        queries = rotated(query, positions, of_query, kind, rounded)
        return (queries * rotated(key, at, angles, kind, rounded)).sum(-1).double()

    found = score(low, low_query or low, keys(positions, distance), low_type, low_cosines)
    return (found - exact * score(_exact, _exact, positions - distance)).float()


def _of_the_distance(query: Tensor, key: Tensor, positions: Tensor, distance: int, theta: float) -> Tensor:
    """Only the distance is rounded: the query is rotated by it, and the key is not."""
    same = torch.full_like(positions, distance)
    exact = _error(query, key, positions, distance, theta, low=_exact, exact=False)
    return _error(query, key, same, distance, theta, exact=False) - exact


def _of_the_difference(query: Tensor, key: Tensor, positions: Tensor, distance: int, theta: float) -> Tensor:
    """One angle in place of two: the rounded positions are subtracted first, and the key stays as it is."""
    difference = positions.bfloat16() - (positions - distance).bfloat16()
    exact = _error(query, key, positions, distance, theta, low=_exact, exact=False)
    at_0 = torch.zeros_like
    return _error(query, key, difference, distance, theta, keys=lambda p, _: at_0(p), exact=False) - exact


def _call(rng: random.Random, D: int, positions: list[int], distance: int, theta: float) -> Call:
    query, key = (numbers(rng, D, scale=0.5 if D > 2 else 1.0) for _ in range(2))
    return query, key, torch.tensor(positions), distance, theta


def _one_pair(rng: random.Random) -> list[Call]:
    """The only frequency is 1, so the positions alone are rounded."""
    one = torch.tensor([1.0, 0.0])
    calls: list[Call] = [(one, one.clone(), torch.tensor([100, 257]), 1, 10_000.0)]
    for first, last, distance in ((20, 256, 1), (257, 500, 1), (257, 500, 7), (520, 1000, 3), (600, 1000, 259)):
        calls.append(_call(rng, 2, rng.sample(range(first, last), 4), distance, 10_000.0))
    return [*calls, _call(rng, 2, [300], 0, 10_000.0)]


def _several(rng: random.Random) -> list[Call]:
    calls = [_call(rng, 4, rng.sample(range(10, 250), 2), rng.randint(1, 5), 100.0)]
    for D, theta, first, last, distance in (
        (4, 10_000.0, 100, 400, 1),
        (8, 500_000, 300, 1200, 2),
        (6, 500.0, 270, 500, 261),
        (16, 10_000.0, 10, 400, 9),
    ):
        calls.append(_call(rng, D, rng.sample(range(first, last), 5), distance, theta))
    return calls


ONE_PAIR = (
    "the example",
    "positions up to 256",
    *["positions above 256"] * 3,
    "a distance above 256",
    "distance 0",
)
SEVERAL = ("near positions", "positions around 256", "a whole number as base", "a distance above 256", "eight pairs")


def _first_wrong(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The first wrong error, beside both scores."""
    for (query, key, positions, distance, theta), wanted, answer in zip(calls, right, got, strict=True):
        gave = as_tensor(answer)
        if gave is None or gave.shape != wanted.shape:
            return None
        if (wrong := apart(wanted, gave)).any():
            at = int(wrong.nonzero()[0])
            low = _error(query, key, positions, distance, theta, exact=False)[at]
            due = f"{show(low)} in bfloat16, {show(low - wanted[at])} exactly"
            sentence = f"At position {int(positions[at])} the error is {show(gave[at])}; the scores are {due}"
            hint = "Print the angles of both scores, and compare them pair by pair."
            return f"{sentence} (distance {distance}, D = {len(query)}).", hint
    return None


question = Question("03.1", "RoPE angles in bfloat16", score_error)

one_pair = question.probe("one pair", _one_pair, kinds=ONE_PAIR, at_last=_first_wrong)
one_pair.mistake(
    "Cosine and sine are rounded, too.",
    "Call `.float()` on the angles before `cos` and `sin`.",
    partial(_error, low_cosines=True),
)
one_pair.mistake(
    "Everything after the angles is bfloat16, too.",
    "Call `.float()` on the angles before `cos` and `sin`; query and key stay in float32.",
    partial(_error, low_cosines=True, low_type=torch.bfloat16),
)
one_pair.mistake(
    "The distance is rounded, not the two positions.",
    "Query and key are rotated separately, each by its own rounded position.",
    _of_the_distance,
)
one_pair.mistake(
    "The key's position is computed in bfloat16, from the rounded position and the rounded distance.",
    "Subtract whole numbers first, and round the result: `(positions - distance).bfloat16()`.",
    partial(_error, keys=lambda p, d: p.bfloat16() - torch.tensor(d).bfloat16()),
)
one_pair.mistake(
    "The errors have the opposite sign.",
    "It is the score with bfloat16 angles *minus* the exact one.",
    lambda *call: -score_error(*call),
)
one_pair.mistake(
    "It is the absolute value of the error.",
    "Keep the sign: an error above 0 makes the pair look closer.",
    lambda *call: score_error(*call).abs(),
)
one_pair.mistake(
    "The error is given as a share of the exact score.",
    "Subtract the scores, and divide by nothing.",
    lambda *call: score_error(*call) / _error(*call, low=_exact, exact=False),
)
one_pair.mistake(
    "The bfloat16 score itself is returned.",
    "Subtract the exact score.",
    partial(_error, exact=False),
)
one_pair.mistake(
    "The key is `distance` positions after the query, not before it.",
    "The key is at `positions - distance`.",
    lambda query, key, positions, distance, theta: score_error(query, key, positions, -distance, theta),
)
one_pair.mistake(
    "Query and key are swapped.",
    "The query is at the position, and the key before it.",
    lambda query, key, positions, distance, theta: score_error(key, query, positions, distance, theta),
)
one_pair.mistake(
    "Only the key is rounded.",
    "Both angles are computed in bfloat16, the query's and the key's.",
    partial(_error, low_query=_exact),
)
one_pair.mistake(
    "Only the query is rounded.",
    "Both angles are computed in bfloat16, the query's and the key's.",
    partial(_error, low=_exact, low_query=_rounded),
)
one_pair.mistake(
    "The scores are divided by sqrt(D).",
    "A score here is the plain dot product.",
    lambda *call: score_error(*call) / len(call[0]) ** 0.5,
)
one_pair.mistake(
    "float16 is used, not bfloat16.",
    "float16 has 11 significant bits, bfloat16 has 8: `torch.bfloat16`.",
    partial(_error, low=lambda p, f: (p.half()[:, None] * f.half()).double()),
)

several = question.probe(
    "several pairs, any base",
    _several,
    kinds=SEVERAL,
    same=one_pair.mistakes[:1],
    at_last=_first_wrong,
)
several.mistake(
    "The position is not rounded.",
    "Round it first: `positions.bfloat16()`.",
    partial(_error, low=lambda p, f: (p.double()[:, None] * f.bfloat16().double()).bfloat16().double()),
)
several.mistake(
    "The frequencies are not rounded.",
    "Round them, too: `frequencies.bfloat16()`.",
    partial(_error, low=lambda p, f: (p.bfloat16().double()[:, None] * f).bfloat16().double()),
)
several.mistake(
    "The product is not rounded.",
    "The product of two bfloat16 tensors is bfloat16. Convert to float32 after it.",
    partial(_error, low=lambda p, f: p.bfloat16().double()[:, None] * f.bfloat16().double()),
)
several.mistake(
    "The rounded positions are subtracted before the frequency multiplies them: one angle, where there are two.",
    "Query and key are rotated separately. Each angle is a product, rounded by itself.",
    _of_the_difference,
)
several.mistake(
    "Only the product is rounded.",
    "Round positions and frequencies before you multiply them.",
    partial(_error, low=lambda p, f: (p.double()[:, None] * f).bfloat16().double()),
)
several.mistake(
    "Neighbors are a pair, but here a pair is i and i + D/2.",
    "Split each vector with `chunk(2)`.",
    partial(_error, halves=False),
)
