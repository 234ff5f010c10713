"""03.2, a bug-hunt: a table of angles made for halves, and a rotation that pairs neighbors.

It happened to V-JEPA 2 (pull request 15 of facebookresearch/vjepa2). Its code keeps the mistake, with a note, since the
published weights were trained with it. The other way about, a table for neighbors and a rotation of halves, it is in
issue 6 of how-to-train-your-gpt.
"""

import random
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import apart, as_tensor
from minillm.course.checks.positional_encoding.common import seen_angles, turned, wrong_angle
from minillm.course.checks.positional_encoding.slips import (
    FORMULAS,
    SPEED_HINT,
    SPEEDS,
    added_table,
    slipped,
)
from minillm.course.checks.question import Question


def rotate_pairs(x: Float[Tensor, "H T D"], positions: Int[Tensor, "T"], theta: float) -> Float[Tensor, "H T D"]:
    """The right answer: neighbors turned as complex numbers.

    >>> rotate_pairs(torch.tensor([[[1.0, 0.0, 1.0, 0.0]]]), torch.tensor([1]), theta=10_000.0).round(decimals=2)
    tensor([[[0.5400, 0.8400, 1.0000, 0.0100]]])
    """
    return turned(x, positions, theta)


def _turn(
    x,
    positions,
    theta,
    *,
    repeat=lambda angles: angles.repeat_interleave(2, 1),
    step=2,
    sign=1.0,
    first_sign=-1.0,
    of=None,
) -> Tensor:
    """The rotation by a table of angles, with one thing done differently."""
    D = x.shape[-1]
    angles = sign * positions[:, None] * theta ** (-step * torch.arange(D // 2) / D)
    cosines, sines = (part(angles) for part in of or (repeat, repeat))
    crossed = torch.stack((first_sign * x[..., 1::2], x[..., ::2]), -1).flatten(-2)
    return x * cosines.cos() + crossed * sines.sin()


WHOLE = "a token at position 0", "one head", "one pair", "heads of 8 numbers", "several heads"
ANY = (
    "positions not from 0",
    "one pair",
    "base 4",
    "a whole number as base",
    "numbers as large as 1,000",
    "far positions",
)


def _whole_texts(rng: random.Random) -> list[Call]:
    sizes = (1, 1, 4), (1, 2, 4), (1, 4, 2), (1, 5, 8), (2, 4, 6)
    return [(numbers(rng, H, T, D), torch.arange(T), 10_000.0) for H, T, D in sizes]


def _any_positions(rng: random.Random) -> list[Call]:
    sizes = (
        (1, 2, 4, 100.0, 1),
        (1, 3, 2, 10_000.0, 1),
        (2, 6, 8, 4.0, 1),
        (3, 3, 4, 500_000, 1),
        (1, 2, 6, 500.0, 1000),
    )
    calls = []
    for H, T, D, theta, size in sizes:
        calls.append((numbers(rng, H, T, D, scale=size), torch.tensor(rng.sample(range(1, 40), T)), theta))
    far = torch.tensor([rng.randint(100, 1000), rng.randint(1030, 1100)])  # further, and float32 says too little
    return [*calls, (numbers(rng, 2, 2, 4), far, 10_000.0)]


def _lengths(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """A rotation keeps the length of every pair."""
    given = [tensor for answer in got if (tensor := as_tensor(answer)) is not None]
    fits = [answer.shape for answer in given] == [x.shape for x, *_ in calls]
    if fits and (found := added_table(calls, given) or _other_positions(calls, right, given)):
        return found
    for (x, positions, _), answer in zip(calls, got, strict=True):
        given = as_tensor(answer)
        if given is None or given.shape != x.shape:
            return None
        before, after = (vectors.double().unflatten(-1, (-1, 2)).norm(dim=-1) for vectors in (x, given))
        if (longer := apart(before, after)).any():
            head, t, pair = longer.nonzero()[0].tolist()
            words = f"head {head}, pair {pair} has length {before[head, t, pair]:.6g} before and"
            hint = "Both numbers of a pair need the cosine and the sine of one and the same angle."
            return (
                f"At position {positions[t]}, {words} {after[head, t, pair]:.6g} after: that is not a rotation.",
                hint,
            )
    return _wrong_turn(calls, right, got)


def _wrong_turn(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """By which angle the first pair was turned whose angle is wrong."""
    for (x, positions, theta), wanted, answer in zip(calls, right, got, strict=True):
        after = as_tensor(answer)
        if after is None or not apart(wanted, after).any():
            continue
        pairs = x.shape[-1] // 2
        for head, t in apart(wanted, after).any(-1).nonzero().tolist():
            position = int(positions[t])
            due = position * theta ** (-torch.arange(0, 2 * pairs, 2).double() / (2 * pairs))
            seen = seen_angles(x[head, t], after[head, t], due)
            found = wrong_angle(seen, theta, position, f"At position {position}" + (f", head {head}," if head else ","))
            if found is not None:
                return found
    return None


def _other_positions(calls: list[Call], right: list[Any], got: list[Tensor]) -> tuple[str, str] | None:
    """Vectors that are turned correctly, but as at other positions than theirs."""
    for (x, positions, theta), wanted, answer in zip(calls, right, got, strict=True):
        for t in apart(wanted, answer).any(-1).any(0).nonzero().flatten().tolist():
            position, others = int(positions[t]), torch.arange(2 * int(positions.max()) + 2) - int(positions.max())
            others = others[(others - position).abs().argsort()]
            ways = turned(x[:, t, None].expand(-1, len(others), -1), others, theta)  # (H, others, D)
            same = ~apart(ways, answer[:, t, None].expand_as(ways)).any(-1).any(0)
            if x.shape[-1] > 2 and same.any():
                found = f"(row {t}) are turned as if they were at position {others[same][0]}"
                hint = "Row t of x is at `positions[t]`, in every head. Print the position that each row gets."
                return f"The vectors at position {position} {found}.", hint
            return None
    return None


question = Question("03.2", "A rotation that changes norms", rotate_pairs)

from_start = question.probe("a text from its beginning", _whole_texts, _lengths, kinds=WHOLE)
from_start.mistake(
    "The two numbers of a pair still get different angles: the table is one for halves.",
    "The table must hold each angle twice in a row, like the pairs in x: a, a, b, b. Print both.",
    partial(_turn, repeat=lambda angles: angles.repeat(1, 2)),
)
for _at, _name in enumerate(("cosines", "sines")):
    _tables = [lambda angles: angles.repeat_interleave(2, 1)] * 2
    _tables[_at] = lambda angles: angles.repeat(1, 2)
    from_start.mistake(
        f"The {_name} still come from a table for halves; only the other table is mended.",
        "Both tables must hold each angle twice in a row, like the pairs in x: a, a, b, b.",
        partial(_turn, of=_tables),
    )
from_start.mistake(
    "It is a rotation now, but of halves: pair i is made of i and i + D/2.",
    "These weights were trained with neighbors. Fix the table, not the pairs.",
    lambda x, positions, theta: turned(x, positions, theta, halves=True),
)


@from_start.mistake(
    "The pairs are turned correctly, but come back sorted: first numbers first, second numbers last.",
    "Put the two numbers of a pair beside each other again: `torch.stack(..., dim=-1).flatten(-2)`.",
)
def _left_in_halves(x, positions, theta):
    pairs = rotate_pairs(x, positions, theta)
    return torch.cat((pairs[..., ::2], pairs[..., 1::2]), -1)


from_start.mistake(
    "The pairs turn backwards.",
    "(x, y) becomes (x cos - y sin, x sin + y cos). Where is the minus?",
    partial(_turn, sign=-1.0),
)
from_start.mistake(
    "It is a mirror and no rotation: the minus is lost.",
    "(x, y) becomes (x cos - y sin, x sin + y cos).",
    partial(_turn, first_sign=1.0),
)
from_start.mistake(
    "The pairs turn too fast: the exponent is -i/D and not -2i/D.",
    "For D = 4 the two frequencies are 1 and theta^(-2/4).",
    partial(_turn, step=1),
)
from_start.mistake(
    "The pairs turn too slowly: the exponent is -4i/D and not -2i/D.",
    "D is the width of the whole vector, not the number of its pairs.",
    partial(_turn, step=4),
)
from_start.mistake(
    "All pairs turn equally fast, once around in 2π positions.",
    "Pair i turns by theta^(-2i/D) per position. Print the exponents: is one of them not 0?",
    partial(_turn, step=0),
)
from_start.mistake(
    "The exponents run from 0 to -1, so that the last pair turns by 1/theta.",
    "The exponent of pair i is -2i/D: for D = 4 they are 0 and -1/2.",
    lambda x, positions, theta: turned(x, positions, theta, step=x.shape[-1] / max(x.shape[-1] // 2 - 1, 1)),
)
from_start.mistake(
    "The pairs are counted from 1: pair 0 turns by theta^(-2/D).",
    "The exponent of pair 0 is 0, so it turns by 1 per position.",
    lambda x, positions, theta: _turn(x, positions * float(theta) ** (-2 / x.shape[-1]), theta),
)
from_start.mistake(
    "The positions are counted from 1.",
    "At position 0 nothing is turned.",
    lambda x, positions, theta: rotate_pairs(x, positions + 1, theta),
)
for _sentence, _hint, _formula in FORMULAS:
    from_start.mistake(_sentence, _hint, partial(slipped, formula=_formula))
for _words, _exponents, _factor in SPEEDS:
    from_start.mistake(
        f"The pairs turn at wrong speeds: {_words}.", SPEED_HINT, partial(slipped, exponents=_exponents, factor=_factor)
    )


@from_start.mistake(
    "The angles are right for neighbors, but x is still crossed as halves: number i with i + D/2.",
    "The partner of number 2i is 2i + 1. The broken cell had the table for halves; fix one, not both.",
)
def _crossed_as_halves(x, positions, theta):
    angles = (positions[:, None] * float(theta) ** (-torch.arange(0, x.shape[-1], 2) / x.shape[-1])).repeat_interleave(
        2, 1
    )
    first, second = x.chunk(2, -1)
    return x * angles.cos() + torch.cat((-second, first), -1) * angles.sin()


@from_start.mistake(
    "Each number has an angle of its own, theta^(-j/D) for number j.",
    "Both numbers of a pair share one angle: number 2i and 2i + 1 have theta^(-2i/D).",
)
def _angles_of_numbers(x, positions, theta):
    D = x.shape[-1]
    return _turn(x, positions, theta, repeat=lambda _: positions[:, None] * float(theta) ** (-torch.arange(D) / D))


anywhere = question.probe("any positions, any base", _any_positions, _lengths, same=from_start.mistakes, kinds=ANY)
anywhere.mistake(
    "The positions are counted from 0, whatever `positions` says.",
    "With a cache the first row is not at position 0. Use `positions`.",
    lambda x, positions, theta: rotate_pairs(x, torch.arange(len(positions)), theta),
)
anywhere.mistake(
    "The base is 10,000, whatever `theta` says.",
    "Llama 3 has 500,000. Use `theta`.",
    lambda x, positions, theta: rotate_pairs(x, positions, 10_000.0),
)
