"""03.rotate: rotary positions (Su et al. 2021), with the pairs of Hugging Face's Llama files."""

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.positional_encoding.pair import rotate_pair


def rotate(x, positions, base):
    """Each row of x, turned by its position; its numbers i and i + D/2 make a pair: (T, D)."""
    half = x.shape[-1] // 2
    frequency = base ** (-torch.arange(half) / half)  # (D/2,)
    angle = positions[:, None] * frequency  # (T, D/2)
    first, second = rotate_pair(x[:, :half], x[:, half:], angle)
    return torch.cat([first, second], dim=-1)


turn = Turn(
    "03.rotate",
    "Rotary positions",
    rotate,
    minutes=9,
    difficulty=3,
    constants=("positions", "base"),
    long_call=(torch.ones(100, 64), torch.arange(100), 10_000.0),
    slow=(
        "The result is right, but it takes one step per number.",
        "The model's layers hold millions of them. Turn all pairs of a row, or of all rows, at once: `rotate_pair` "
        "takes whole tables.",
    ),
    hints=(
        "Which numbers of a row make pair 0, if the row has D numbers and the pairs are half a row apart?",
        "The angles are a table as in `sinusoids`, (T, D/2), with `base` in place of 10,000.",
        "Cut x into its left half and its right half. They are the x and the y of all pairs, for `rotate_pair`. Then "
        "put the two new halves side by side again.",
    ),
    errors={
        "size of tensor a|must match|broadcast": "Print the shapes: both halves and `angle` must be (T, D/2), with "
        "`x.shape[1]` for D. To turn all of x at once, put `angle` there twice.",
        "not enough values to unpack|too many values to unpack|Dimension out of range|too many indices": "There's no "
        "batch and no head here: x is (T, D), a row per token.",
        "changed the input": "Make new halves and join them; nothing may be written into `x`, which others still need.",
        "name '(theta|cos|sin|D|T|C|H|B|freqs|freqs_cis|rotate_half|half|dim|angle)' is not defined": (
            "The arguments are `x`, `positions` and `base`; make everything else of them."
        ),
        "dtype|Long|Float|can't be cast|result type": "Positions are whole numbers. Times a frequency, they become "
        "floating-point numbers by themselves.",
        r"with size \d{3,}": "Your table has an end, and a position may lie behind it. Compute angles of `positions`.",
        "out of bounds|out of range": "Rows are numbered 0, 1, 2, but a position may be 1,000. Use "
        "`zip(x, positions)`, or all rows at once.",
    },
    debrief=Debrief(
        "Production code computes cosines and sines once per forward pass, for all layers and heads, and a fused "
        "kernel turns queries and keys as they come out of the projection.",
        "SmolLM2's base is 100,000. Does a larger base make the slowest pair slower, or faster?",
    ),
)


def _step(times: float = 1, sign: int = -1) -> Callable[[int, float], Tensor]:
    return lambda half, base: base ** (sign * times * torch.arange(half) / half)


_RIGHT = _step()


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[:, : x.shape[1] // 2], x[:, x.shape[1] // 2 :]


def _neighbors(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[:, 0::2], x[:, 1::2]


def _side_by_side(first: Tensor, second: Tensor) -> Tensor:
    return torch.cat([first, second], -1)


def _in_turn(first: Tensor, second: Tensor) -> Tensor:
    return torch.stack([first, second], -1).flatten(1)


def _rotated(
    x: Tensor,
    positions: Tensor,
    base: float,
    *,
    cut: Callable[[Tensor], tuple[Tensor, Tensor]] = _halves,
    join: Callable[[Tensor, Tensor], Tensor] = _side_by_side,
    frequencies: Callable[[int, float], Tensor] = _RIGHT,
    counted: Callable[[Tensor], Tensor] = lambda p: p,
    turned: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]] = rotate_pair,
) -> Tensor:
    """The rotation with one thing done differently."""
    angle = counted(positions.float())[:, None] * frequencies(x.shape[1] // 2, base)
    return join(*turned(*cut(x), angle))


def _rows(rng: random.Random) -> list[Call]:
    calls: list[Call] = []
    for T, D, base in (
        (2, 4, 100.0),
        (3, 6, 500.0),
        (4, 8, 1_000.0),
        (5, 4, 50_000.0),
        (2, 2, 10_000.0),
        (3, 3 * 4, 10.0),
    ):
        calls.append((numbers(rng, T, D), torch.arange(T), base))
    return calls


def _with_gaps(rng: random.Random) -> list[Call]:
    calls: list[Call] = []
    for T, D in ((2, 4), (1, 4), (3, 6), (4, 8)):
        calls.append((numbers(rng, T, D), torch.tensor(rng.sample(range(3, 90), T)), 100.0))
    return calls


def _late(rng: random.Random) -> list[Call]:
    """Positions that 8 bits can't hold, and neither can 11."""
    first = 2 * rng.randint(1_100, 1_300) + 1
    return [
        (numbers(rng, 2, 4), torch.tensor([first, first + 2]), 10_000.0),
        (numbers(rng, 1, 2), torch.tensor([first]), 100.0),
        (numbers(rng, 1, 8), torch.tensor([57]), 100_000.0),
        (numbers(rng, 1, 2), torch.tensor([8_201]), 10_000.0),
    ]


def _full_turns(x: Tensor, positions: Tensor, base: float) -> Tensor:
    return _rotated(x, positions, base, counted=lambda p: p * 2 * math.pi)


def _shape(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Two halves that were not put together, or only one of them; and full turns, which move no pair 0."""
    pairs = list(zip(right, got, strict=True))
    if all(type(result) in (tuple, list) and len(result) == 2 for result in got):
        return "Two halves are returned.", "Put them side by side in one tensor, with `torch.cat`."
    if any(type(result) is not Tensor for result in got):
        return None
    if all(difference(_full_turns(*call), result) is None for call, result in zip(calls, got, strict=True)):
        return "The angles are multiplied by 2π.", "The frequency is in radians per position already."
    if all(result.shape == (2, len(wanted), wanted.shape[1] // 2) for wanted, result in pairs):
        return "The halves lie one on the other.", "Put them side by side: `torch.cat` along the last axis."
    if all(result.shape == (2 * len(wanted), wanted.shape[1] // 2) for wanted, result in pairs):
        return "One half lies below the other.", "`torch.cat` joins rows unless you say otherwise: `dim=-1`."
    if all(result.shape == (1, *wanted.shape) for wanted, result in pairs):
        return "The result has a batch axis in front.", "Return (T, D), without it."
    if all(result.shape == (1, 1, *wanted.shape) for wanted, result in pairs):
        return "The result has two more axes in front.", "There's no batch and no head here: return (T, D)."
    if all(result.shape == (len(wanted), wanted.shape[1] // 2) for wanted, result in pairs):
        return "Only half of the numbers are returned.", "The result has the shape of x: put both halves side by side."
    return None


def _unturned(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """As at position 0, where nothing turns."""
    if all(difference(call[0], result) is None for call, result in zip(calls, got, strict=True)):
        hint = "Row t turns by `positions[t]`. Is every angle 0, as that of the first position here? Or are the old "
        hint += "halves returned?"
        return "No row is turned.", hint, 0
    return _shape(calls, right, got)


rows = turn.probe("positions from 0", _rows, _unturned)
rows.mistake(
    "The pairs are neighbors, 0 with 1: a rotary encoding, but not the one of these weights.",
    "Pair i is made of the numbers i and i + D/2: the left half is x, the right half is y.",
    partial(_rotated, cut=_neighbors, join=_in_turn),
)
rows.mistake(
    "Neighbors make the pairs, and their results are put back as halves.",
    "Take halves on the way in, too: the left half is x, the right half is y.",
    partial(_rotated, cut=_neighbors),
)
rows.mistake(
    "Halves make the pairs, and their results are put back as neighbors.",
    "What came from the left half belongs into the left half: `torch.cat`.",
    partial(_rotated, join=_in_turn),
)
rows.mistake(
    "The base is 10,000, whatever the argument says.",
    "Use the argument `base`. SmolLM2's is 100,000.",
    lambda x, positions, base: rotate(x, positions, 10_000.0),
)
rows.mistake(
    "The base is 100,000, whatever the argument says.",
    "Use the argument `base`. SmolLM2's is 100,000, but another model has another one.",
    lambda x, positions, base: rotate(x, positions, 100_000.0),
)
rows.mistake(
    "The exponent is i/D, half of what it should be.",
    "Pair i has the frequency base^(-2i/D).",
    partial(_rotated, frequencies=_step(0.5)),
)
rows.mistake(
    "The exponent is 4i/D, twice what it should be.",
    "Does i count pairs, or numbers? With `arange(0, D, 2)` it's 2i already.",
    partial(_rotated, frequencies=_step(2)),
)
rows.mistake(
    "The pairs get faster, not slower.",
    "The exponent is negative: base^(-2i/D).",
    partial(_rotated, frequencies=_step(sign=1)),
)
rows.mistake(
    "The frequencies are in reverse order.",
    "Pair 0 is the fastest: its frequency is 1.",
    partial(_rotated, frequencies=lambda half, base: _step()(half, base).flip(0)),
)
rows.mistake(
    "Pairs are counted from 1, so the fastest is missing.",
    "Begin with i = 0: pair 0 has the frequency 1.",
    partial(_rotated, frequencies=lambda half, base: base ** (-(torch.arange(half) + 1) / half)),
)
rows.mistake(
    "The exponent is rounded to a whole number.",
    "`//` drops the fraction. Use `/`.",
    partial(_rotated, frequencies=lambda half, base: base ** (-torch.arange(half) // half)),
)
rows.mistake(
    "All pairs turn at the same speed.",
    "Pair i turns by position times base^(-2i/D). Is the exponent there, and a fraction? `//` would cut it.",
    partial(_rotated, frequencies=lambda half, base: torch.ones(half)),
)
rows.mistake(
    "The last pair turns by 1/base: the exponents run to 1.",
    "`linspace` has the end in it. Pair i has the frequency base^(-2i/D).",
    partial(_rotated, frequencies=lambda half, base: base ** -torch.linspace(0, 1, half)),
)
rows.mistake(
    "The frequency is i/base, so pair 0 never turns.",
    "It's a power, base^(-2i/D), and that of pair 0 is 1.",
    partial(_rotated, frequencies=lambda half, base: torch.arange(half) / base),
)
rows.mistake(
    "The frequencies fall in equal steps, not by equal factors.",
    "They're powers: pair i has the frequency base^(-2i/D).",
    partial(_rotated, frequencies=lambda half, base: torch.linspace(1, 1 / base, half)),
)
rows.mistake(
    "Only the first half of each row is turned.",
    "GPT-NeoX turns a part of each row. Here every number is in a pair: i and i + D/2.",
    lambda x, positions, base: torch.cat([rotate(x[:, : (w := x.shape[1] // 4 * 2)], positions, base), x[:, w:]], -1),
)
rows.mistake(
    "It turns the other way.",
    "Is a minus in the wrong half, or in the angle? Or are the halves swapped? new left = left · cos - right · sin.",
    partial(_rotated, counted=lambda p: -p),
)
rows.mistake(
    "The minus is missing, so the lengths change.",
    "new left = left · cos - right · sin.",
    partial(_rotated, turned=lambda a, b, t: (a * t.cos() + b * t.sin(), b * t.cos() + a * t.sin())),
)
rows.mistake(
    "There's a minus in both halves, so the lengths change.",
    "new right = right · cos + left · sin.",
    partial(_rotated, turned=lambda a, b, t: (a * t.cos() - b * t.sin(), b * t.cos() - a * t.sin())),
)


@rows.mistake(
    "Halves make the pairs, but the angles are repeated for neighbors.",
    "Both numbers of a pair need one angle: put the table of angles beside itself, `torch.cat([angle, angle], -1)`.",
)
def _angles_of_neighbors(x, positions, base):
    half = x.shape[1] // 2
    angle = (positions[:, None] * _step()(half, base)).repeat_interleave(2, dim=-1)
    first, second = _halves(x)
    return x * angle.cos() + torch.cat([-second, first], -1) * angle.sin()


def _angles_of_numbers(x, positions, base, *, step):
    D = x.shape[1]
    angle = positions[:, None] * base ** (-step * torch.arange(D) / D)
    first, second = _halves(x)
    return x * angle.cos() + torch.cat([-second, first], -1) * angle.sin()


rows.mistake(
    "Each number has a frequency of its own.",
    "Both numbers of a pair share one angle. There are D/2 of them: put the table beside itself, `torch.cat`.",
    partial(_angles_of_numbers, step=1),
)
rows.mistake(
    "Each number has a frequency of its own.",
    "Both numbers of a pair share one angle: i runs from 0 to D/2 - 1.",
    partial(_angles_of_numbers, step=2),
)

rows.mistake(
    "The angles are (D/2, T), so rows get angles of other rows.",
    "Positions go down, frequencies across.",
    lambda x, positions, base: _side_by_side(
        *rotate_pair(*_halves(x), (_RIGHT(x.shape[1] // 2, base)[:, None] * positions).reshape(len(x), -1))
    ),
)
rows.mistake(
    "A row at position 0 comes out as zeros.",
    "It isn't turned, but it belongs into the result: x as it was.",
    lambda x, positions, base: rotate(x, positions, base) * (positions != 0)[:, None],
)
rows.mistake(
    "All rows are turned by the last position.",
    "Row t is turned by `positions[t]`.",
    lambda x, positions, base: rotate(x, positions[-1:].expand(len(x)), base),
)
rows.mistake(
    "All rows are turned by all positions, one after the other.",
    "Row t is turned once, by `positions[t]`.",
    lambda x, positions, base: rotate(x, positions.sum().expand(len(x)), base),
)
rows.mistake(
    "The right half stays as it was.",
    "A turn changes both: `rotate_pair` returns two tensors.",
    partial(_rotated, turned=lambda a, b, t: (rotate_pair(a, b, t)[0], b)),
)
rows.mistake(
    "The left half stays as it was.",
    "A turn changes both: `rotate_pair` returns two tensors.",
    partial(_rotated, turned=lambda a, b, t: (a, rotate_pair(a, b, t)[1])),
)
rows.mistake(
    "The two halves are exchanged.",
    "What came from the left half goes back to the left.",
    partial(_rotated, join=lambda a, b: torch.cat([b, a], -1)),
)
rows.mistake(
    "The first number is paired with the last.",
    "Pair i is made of the numbers i and i + D/2: don't turn the right half around.",
    partial(_rotated, turned=lambda a, b, t: _flipped(*rotate_pair(a, b.flip(1), t))),
)
rows.mistake(
    "Each row is shifted along, and what falls off the end comes back in front.",
    "Here a turn is one in the plane: each pair of numbers is a point, for `rotate_pair`.",
    lambda x, positions, base: torch.stack([torch.roll(row, int(t)) for row, t in zip(x, positions, strict=True)]),
)
rows.mistake(
    "The right half is made of the new left half.",
    "The old one is needed for both. Give the new one another name.",
    partial(_rotated, turned=lambda a, b, t: _left_first(a, b, t)),
)
rows.mistake(
    "The sines and cosines are added to x.",
    "Here nothing is added: each pair of x is turned.",
    lambda x, positions, base: x + _in_turn(*_waves(x, positions, base)),
)
rows.mistake(
    "The sines and cosines are added to x, all sines first.",
    "Here nothing is added: each pair of x is turned.",
    lambda x, positions, base: x + torch.cat(_waves(x, positions, base), -1),
)
rows.mistake(
    "The sines and cosines are added to x, all cosines first.",
    "Here nothing is added: each pair of x is turned.",
    lambda x, positions, base: x + torch.cat(_waves(x, positions, base)[::-1], -1),
)
rows.mistake(
    "The sines and cosines of `sinusoids` are added to x.",
    "Here nothing is added: each pair of x is turned.",
    lambda x, positions, base: x + _in_turn(*_waves(x, positions, 10_000.0)),
)
rows.mistake(
    "x is multiplied by cosines only.",
    "A turn mixes the two numbers of a pair: cosine of one, sine of the other.",
    partial(_rotated, turned=lambda a, b, t: (a * t.cos(), b * t.cos())),
)
rows.mistake(
    "Positions are counted from 1.",
    "Use `positions` as they are. At position 0 nothing turns.",
    partial(_rotated, counted=lambda p: p + 1),
)
rows.mistake(
    "The angles are converted from degrees to radians.",
    "They are in radians already, as `sin` and `cos` need them: no conversion.",
    partial(_rotated, counted=lambda p: p * math.pi / 180),
)


@rows.mistake("Only the first row is there.", "Is `return` inside the loop? It ends the function in the first round.")
def _first_row(x, positions, base):
    made = torch.zeros_like(x)
    made[0] = rotate(x[:1], positions[:1], base)[0]
    return made


@rows.mistake("Only pair 0 is there.", "Is `return` inside the loop? It ends the function in the first round.")
def _first_pair(x, positions, base):
    kept = torch.arange(x.shape[1]) % (x.shape[1] // 2) == 0
    return torch.where(kept, rotate(x, positions, base), 0.0)


@rows.mistake(
    "Only pair 0 is turned.",
    "Is `return` inside the loop? It ends the function in the first round. Otherwise print `i`.",
)
def _first_pair_turned(x, positions, base):
    kept = torch.arange(x.shape[1]) % (x.shape[1] // 2) == 0
    return torch.where(kept, rotate(x, positions, base), x)


@rows.mistake(
    "The angles are rounded to bfloat16.",
    "It has 8 bits, so the last turns are lost. Compute angles in float32.",
)
def _rounded_angles(x, positions, base):
    angle = (positions[:, None] * _step()(x.shape[1] // 2, base)).bfloat16().float()
    return torch.cat(rotate_pair(*_halves(x), angle), -1)


def _slowed(half: int, base: float) -> Tensor:
    """The frequencies of Llama 3.1's long texts: slow pairs are slower still."""
    frequencies = _step()(half, base)
    return torch.where(2 * math.pi / frequencies > 8192, frequencies / 8, frequencies)


def _left_first(a: Tensor, b: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    a = a * t.cos() - b * t.sin()
    return a, a * t.sin() + b * t.cos()


def _flipped(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    return a, b.flip(1)


def _waves(x: Tensor, positions: Tensor, base: float) -> tuple[Tensor, Tensor]:
    angle = positions.float()[:, None] * _step()(x.shape[1] // 2, base)
    return angle.sin(), angle.cos()


with_gaps = turn.probe("positions with gaps", _with_gaps, _shape)
with_gaps.mistake(
    "Rows are counted 0, 1, 2, and `positions` isn't used.",
    "While a model writes, it turns one row at a time: row 0 may stand at position 57.",
    lambda x, positions, base: rotate(x, torch.arange(len(x)), base),
)
with_gaps.mistake(
    "Counting begins at the first position and goes on by ones.",
    "There may be gaps: use each position as it is given.",
    lambda x, positions, base: rotate(x, positions[0] + torch.arange(len(x)), base),
)
with_gaps.mistake(
    "All rows are turned by the first position.",
    "Each row has a position of its own.",
    lambda x, positions, base: rotate(x, positions[:1].expand(len(x)), base),
)
with_gaps.mistake(
    "Positions are counted from the first one.",
    "Use each position as it is given.",
    lambda x, positions, base: rotate(x, positions - positions[0], base),
)

late = turn.probe("positions above 2,000", _late, _shape)
late.mistake(
    "Slow pairs are slowed down further, as Llama 3.1 does for long texts.",
    "The formula has one base and no more.",
    partial(_rotated, frequencies=_slowed),
)
late.mistake(
    "The positions are rounded to bfloat16, which counts to 256 without gaps.",
    "Compute angles in float32, whatever the model runs in.",
    partial(_rotated, counted=lambda p: p.bfloat16().float()),
)
late.mistake(
    "The positions are rounded to float16, which counts to 2,048 without gaps.",
    "Compute angles in float32, whatever the model runs in.",
    partial(_rotated, counted=lambda p: p.half().float()),
)
