"""03.sinusoids: the vector of sines and cosines of each position (Vaswani et al. 2017, section 3.5)."""

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def sinusoids(positions, C):
    """C numbers for each position, sines and cosines in turn: (T, C)."""
    frequency = 10_000 ** (-torch.arange(0, C, 2) / C)  # (C/2,)
    angle = positions[:, None] * frequency  # (T, C/2)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


turn = Turn(
    "03.sinusoids",
    "Sines and cosines of a position",
    sinusoids,
    minutes=8,
    difficulty=3,
    hints=(
        "How many hands does the clock have if a row holds C numbers, and which angle has hand i at position t?",
        "First make all angles, a table (T, C/2): the positions as a column, with `[:, None]`, times one frequency per "
        "hand across.",
        "Then every hand gives two numbers that stand side by side: its sine, its cosine. Fill the even columns, "
        "`[:, 0::2]`, and the odd ones of an empty table, or stack the two and flatten.",
    ),
    errors={
        "must be a real number|only one element tensors|can only convert|only be converted": (
            "`math.sin` and `torch.tensor([...])` want single numbers. `angle.sin()` takes a whole table, and "
            "`torch.stack` joins tables."
        ),
        r"with size \d{3,}": "Your table has an end, and a position may lie behind it. Compute a row for each entry of "
        "`positions`.",
        "out of bounds|out of range": "Rows are numbered 0, 1, 2, but a position may be 7. `enumerate(positions)` "
        "gives both.",
        "size of tensor a|must match|broadcast": "Positions go down and frequencies across: "
        "`positions[:, None]` has one column, so the product is a table.",
        "name '(d_model|max_len|D|T|base|theta|n|dim|position|t)' is not defined": "The arguments are `positions` and "
        "`C`. There are `len(positions)` rows.",
        "invalid for input of size": "There are `len(positions)` rows of C numbers, and both change from case to case.",
    },
    debrief=Debrief(
        "The first transformer added this table to its word vectors, which it had multiplied by √C before, so that "
        "they weren't drowned. BERT and GPT-2 learn a table instead, which ends at its last row.",
        "What goes wrong if all hands turn at the same speed?",
    ),
)


def _by(step: float = 2, base: float = 10_000.0, sign: int = -1) -> Callable[[Tensor, int], Tensor]:
    """The frequencies of C/2 hands with one thing done differently."""
    return lambda pair, C: base ** (sign * step * pair / C)


_RIGHT = _by()


def _table(
    positions: Tensor,
    C: int,
    *,
    frequencies: Callable[[Tensor, int], Tensor] = _RIGHT,
    counted: Callable[[Tensor], Tensor] = lambda p: p,
    join: Callable[[Tensor, Tensor], Tensor] = lambda s, c: torch.stack([s, c], -1).flatten(1),
) -> Tensor:
    """The table with one thing done differently."""
    angle = counted(positions.float())[:, None] * frequencies(torch.arange(C // 2), C)
    return join(angle.sin(), angle.cos())


def _in_order(rng: random.Random) -> list[Call]:
    sizes = [(3, 4), (5, 6), (rng.randint(3, 6), 8), (1, 4), (4, 2)]
    return [(torch.arange(T), C) for T, C in sizes]


def _with_gaps(rng: random.Random) -> list[Call]:
    calls: list[Call] = []
    for T, C in ((2, 4), (3, 6), (1, 4), (4, 8)):
        calls.append((torch.tensor(rng.sample(range(3, 60), T)), C))
    return calls


def _late(rng: random.Random) -> list[Call]:
    """Positions behind the end of usual tables, and odd ones, which bfloat16 can't hold."""
    few, many = 2 * rng.randint(140, 190) + 1, 2 * rng.randint(3_000, 3_400) + 1
    alone: list[Call] = [(torch.tensor([position]), 2) for position in (few, many)]
    return [*alone, (torch.tensor([5, few + 2]), 4)]


def _first_row(positions: Tensor, C: int) -> Tensor:
    table = torch.zeros(len(positions), C)
    table[0] = sinusoids(positions[:1], C)[0]
    return table


def _shape(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Rows and columns that are not (T, C), and tables that are empty but for their first row."""
    if any(type(result) is not Tensor for result in got):
        return None
    pairs = list(zip(right, got, strict=True))
    if not any(result.is_floating_point() for result in got):
        return (
            "The table holds whole numbers only.",
            "`positions` does, and so does a table made with its dtype: use `torch.zeros(len(positions), C)`.",
        )
    if all(difference(_first_row(*call), result) is None for call, result in zip(calls, got, strict=True)):
        hint = "Is `return` inside the loop? Or does the table hold whole numbers, as of `positions.new_zeros`?"
        return "Only the first row holds anything but zeros.", hint
    if all(result.shape == (wanted.numel(),) for wanted, result in pairs):
        return "All rows lie end to end, in one long one.", "Keep the axis of positions: `.flatten(1)`."
    if all(result.shape == (2 * len(wanted), wanted.shape[1] // 2) for wanted, result in pairs):
        return (
            "All sines lie above all cosines.",
            "`torch.cat` joins rows unless you say otherwise. Here sine and cosine stand side by side.",
        )
    if all(result.shape == (len(wanted), wanted.numel()) for wanted, result in pairs):
        return "Every row holds the numbers of all rows.", "Begin a new row for each position, inside the loop."
    if any(len(result) > len(wanted) for wanted, result in pairs) and all(
        result.shape[1:] == wanted.shape[1:] for wanted, result in pairs
    ):
        return (
            "The table has more rows than there are positions.",
            "Return a row for each entry of `positions`, in their order.",
        )
    if all(result.shape == (1, *wanted.shape) for wanted, result in zip(right, got, strict=True)):
        return "The result has a batch axis in front.", "Return (T, C), without it."
    if any(result.numel() < wanted.numel() for wanted, result in zip(right, got, strict=True)):
        return (
            "The result holds too few numbers.",
            "It needs C numbers for each position: a sine and a cosine per hand.",
        )
    return None


in_order = turn.probe("positions from 0", _in_order, _shape)
in_order.mistake(
    "All sines come first, then all cosines.",
    "Here they take turns: sine, cosine, sine, cosine.",
    partial(_table, join=lambda s, c: torch.cat([s, c], -1)),
)
in_order.mistake(
    "All cosines come first, then all sines.",
    "Here they take turns: sine, cosine, sine, cosine.",
    partial(_table, join=lambda s, c: torch.cat([c, s], -1)),
)
in_order.mistake(
    "Each cosine stands before its sine.",
    "The sine is first: position 0 gives 0, 1, 0, 1.",
    partial(_table, join=lambda s, c: torch.stack([c, s], -1).flatten(1)),
)
in_order.mistake(
    "Each sine stands there twice, and no cosine.",
    "Even columns are sines, odd ones cosines.",
    partial(_table, join=lambda s, c: torch.stack([s, s], -1).flatten(1)),
)
in_order.mistake(
    "Each cosine stands there twice, and no sine.",
    "Even columns are sines, odd ones cosines.",
    partial(_table, join=lambda s, c: torch.stack([c, c], -1).flatten(1)),
)


in_order.mistake(
    "The cosines have the wrong sign.",
    "sin(a + π/2) is cos a; with a minus, it's -cos a.",
    partial(_table, join=lambda s, c: torch.stack([s, -c], -1).flatten(1)),
)
in_order.mistake(
    "All hands stand in a row twice, one set after the other, so a sine and its cosine are of different hands.",
    "`repeat` puts all of them behind all of them. `repeat_interleave(2, dim=1)` doubles each where it stands.",
    partial(_table, join=lambda s, c: torch.where(torch.arange(2 * s.shape[1]) % 2 == 0, *_twice(s, c))),
)


def _twice(s: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    return s.repeat(1, 2), c.repeat(1, 2)


@in_order.mistake(
    "Even positions have sines only, odd ones cosines only.",
    "Sine and cosine take turns within each row: even columns are sines.",
)
def _by_row(positions, C):
    twice = partial(_table, positions, C)
    sines = twice(join=lambda s, c: s.repeat_interleave(2, 1))
    cosines = twice(join=lambda s, c: c.repeat_interleave(2, 1))
    return torch.where(positions[:, None] % 2 == 0, sines, cosines)


@in_order.mistake(
    "Each column has a frequency of its own.",
    "Columns 2i and 2i + 1 are the two sides of one hand, so they share its frequency.",
)
def _own_frequencies(positions, C):
    angle = positions.float()[:, None] * 10_000 ** (-torch.arange(C) / C)
    return torch.where(torch.arange(C) % 2 == 0, angle.sin(), angle.cos())


@in_order.mistake(
    "The exponent of column c is 2c/C.",
    "The i of 2i/C counts hands, and columns 2i and 2i + 1 share one: for column c, i is `c // 2`.",
)
def _two_per_column(positions, C):
    angle = positions.float()[:, None] * 10_000 ** (-2 * torch.arange(C) / C)
    return torch.where(torch.arange(C) % 2 == 0, angle.sin(), angle.cos())


@in_order.mistake(
    "Each hand gives the cosine of its sine, twice.",
    "`sin_` and `cos_` write into the angles themselves. Use `angle.sin()` and `angle.cos()`.",
)
def _in_place(positions, C):
    return _table(positions, C, join=lambda s, c: torch.stack([s.cos(), s.cos()], -1).flatten(1))


@in_order.mistake(
    "The frequency multiplies the sine and the cosine, not the angle.",
    "First the angle, position times frequency; then its sine and its cosine.",
)
def _frequency_outside(positions, C):
    frequency, angle = _RIGHT(torch.arange(C // 2), C), positions.float()[:, None]
    return torch.stack([angle.sin() * frequency, angle.cos() * frequency], -1).flatten(1)


@in_order.mistake(
    "There are only sines, each column with a frequency of its own.",
    "There are C/2 hands, and each gives two columns: its sine and its cosine.",
)
def _sines(positions, C):
    return (positions.float()[:, None] * 10_000 ** (-torch.arange(C) / C)).sin()


in_order.mistake(
    "The exponent is i/C, half of what it should be.",
    "Hand i has the frequency 10,000^(-2i/C).",
    partial(_table, frequencies=_by(step=1)),
)
in_order.mistake(
    "The exponent is 4i/C, twice what it should be.",
    "Does i count hands, or columns? With `arange(0, C, 2)` it's 2i already.",
    partial(_table, frequencies=_by(step=4)),
)
in_order.mistake(
    "The hands get faster, not slower.",
    "The exponent is negative: 10,000^(-2i/C). Or divide the position by 10,000^(2i/C).",
    partial(_table, frequencies=_by(sign=1)),
)
in_order.mistake(
    "The frequencies are in reverse order.",
    "The fastest hand comes first: hand 0 has the frequency 1.",
    partial(_table, frequencies=lambda i, C: 10_000.0 ** (-2 * i.flip(0) / C)),
)
in_order.mistake(
    "Hands are counted from 1, so the fastest is missing.",
    "Begin with i = 0: hand 0 has the frequency 1.",
    partial(_table, frequencies=lambda i, C: 10_000.0 ** (-2 * (i + 1) / C)),
)
in_order.mistake(
    "The exponent is rounded to a whole number.",
    "`//` drops the fraction. Use `/`.",
    partial(_table, frequencies=lambda i, C: 10_000.0 ** (-2 * i // C)),
)
in_order.mistake(
    "Only the first hand moves.",
    "`//` drops the fraction of the exponent, and what is left is 0 or very small. Use `/`.",
    partial(_table, frequencies=lambda i, C: (i == 0).float()),
)
in_order.mistake(
    "All hands have the frequency 1.",
    "Hand i is slower: 10,000^(-2i/C).",
    partial(_table, frequencies=lambda i, C: torch.ones(C // 2)),
)
in_order.mistake(
    "The last hand is the first one that's 10,000 times slower: the steps divide by C/2 - 1.",
    "So does tensor2tensor's code. The paper's exponent is 2i/C.",
    partial(_table, frequencies=lambda i, C: 10_000.0 ** (-i / max(C / 2 - 1, 1))),
)
in_order.mistake(
    "Each hand is 100 times slower than the one before, whatever C is.",
    "That's so for C = 4, as in the table. The formula has C in its exponent: 10,000^(-2i/C).",
    partial(_table, frequencies=lambda i, C: 0.01**i),
)
in_order.mistake(
    "The logarithm is that to base 10, and `exp` needs the natural one.",
    "`math.log10(10_000)` is 4, `math.log(10_000)` is 9.21.",
    partial(_table, frequencies=lambda i, C: torch.exp(-2 * i * 4 / C)),
)
for wrong_base in (1_000, 100_000):
    in_order.mistake(
        f"The base is {wrong_base:,}.",
        "It's 10,000 in the paper, and here.",
        partial(_table, frequencies=_by(base=float(wrong_base))),
    )
in_order.mistake(
    "Positions are counted from 1.",
    "Use `positions` as they are: 0 gives 0, 1, 0, 1.",
    partial(_table, counted=lambda p: p + 1),
)
in_order.mistake(
    "The positions are divided by the largest one.",
    "Use them as they are: a position's row is the same in a short text and in a long one.",
    partial(_table, counted=lambda p: p / p.max().clamp(min=1)),
)
in_order.mistake(
    "The angles are converted from degrees to radians.",
    "They are in radians already, as `sin` and `cos` need them: no conversion.",
    partial(_table, counted=lambda p: p * math.pi / 180),
)
in_order.mistake(
    "The angles are multiplied by 2π.",
    "The frequency is in radians per position already.",
    partial(_table, counted=lambda p: p * 2 * math.pi),
)
in_order.mistake(
    "Rows and columns are exchanged.",
    "A row per position: (T, C).",
    lambda positions, C: sinusoids(positions, C).T,
)
in_order.mistake(
    "Sines and cosines are in an axis of their own.",
    "Flatten the last two axes, to get (T, C).",
    partial(_table, join=lambda s, c: torch.stack([s, c], -1)),
)
in_order.mistake(
    "Sines and cosines lie one table on the other, and a reshape mixed the positions.",
    "Stack along the last axis, `dim=-1`, so that each sine has its cosine beside it.",
    lambda positions, C: _table(positions, C, join=lambda s, c: torch.stack([s, c])).reshape(len(positions), C),
)


@in_order.mistake(
    "Only the first hand is written down.", "Is `return` inside the loop? It ends the function in the first round."
)
def _first_hand(positions, C):
    table = torch.zeros(len(positions), C)
    table[:, :2] = sinusoids(positions, C)[:, :2]
    return table


@in_order.mistake(
    "The last hand is missing: its columns hold zeros.", "i runs from 0 to C/2 - 1: the loop ends too early."
)
def _no_last_hand(positions, C):
    table = sinusoids(positions, C)
    table[:, -2:] = 0
    return table


in_order.mistake(
    "Every position gets the same row.",
    "Each has angles of its own: position times frequency. Is a frequency nearly 0, since the exponent needs "
    "parentheses?",
    lambda positions, C: sinusoids(positions[:1], C).expand(len(positions), -1),
)

with_gaps = turn.probe("positions with gaps", _with_gaps, _shape)
with_gaps.mistake(
    "The number of the row is used in place of its position.",
    "`positions` says where each token stands: 7, say, in row 0.",
    lambda positions, C: sinusoids(torch.arange(len(positions)), C),
)
with_gaps.mistake(
    "Counting begins at the first position and goes on by ones.",
    "There may be gaps: use each position as it is given.",
    lambda positions, C: sinusoids(positions[0] + torch.arange(len(positions)), C),
)
with_gaps.mistake(
    "Positions are counted from the first one.",
    "Use each position as it is given.",
    lambda positions, C: sinusoids(positions - positions[0], C),
)
with_gaps.mistake(
    "The positions are sorted.",
    "Row t belongs to `positions[t]`, whatever its size.",
    lambda positions, C: sinusoids(positions.sort().values, C),
)

late = turn.probe("positions above 256", _late, _shape)
late.mistake(
    "The positions are rounded to bfloat16, which counts to 256 without gaps.",
    "Compute angles in float32, whatever the model runs in.",
    partial(_table, counted=lambda p: p.bfloat16().float()),
)
late.mistake(
    "The positions are rounded to float16, which counts to 2,048 without gaps.",
    "Compute angles in float32, whatever the model runs in.",
    partial(_table, counted=lambda p: p.half().float()),
)
