"""13.1: stochastic rounding to bfloat16 (Gupta et al. 2015): what is too small to arrive arrives now and then."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_dtype
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.question import Question
from minillm.course.checks.scaling.neighbors import explain


def round_by_dice(x: Float[Tensor, "n"], dice: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """The right answer, by arithmetic in double precision instead of bits.

    >>> round_by_dice(torch.tensor([257.0, 257.0, 258.0]), torch.tensor([0.4, 0.6, 0.0]))
    tensor([258., 256., 258.])
    """
    return _round_by_dice(x, dice)


def _below(dice: Tensor, share: Tensor) -> Tensor:
    return dice < share


def _step(x: Tensor, bits: int = 8) -> Tensor:
    """How far apart the neighbours of a number are: it has 8 bits, the leading one among them."""
    return 2.0 ** (x.double().frexp().exponent - bits)


def _round_by_dice(x, dice, *, away=_below, floor=False, at_0=0.0, step_of=_step) -> Tensor:
    """Rounding with one thing done differently; `away` says of dice and shares of the way who goes away from 0."""
    step = step_of(x)
    sign = torch.ones_like(step) if floor else x.sign().double()
    steps = sign * x.double() / step
    share = steps - steps.floor()
    rounded = sign * (steps.floor() + away(dice.double(), share)) * step
    return torch.where(x == 0, at_0, rounded).float()


def _dice(rng: random.Random, x: Tensor) -> Tensor:
    """Dice with two decimals that are not near the share of the way, from either side."""
    dice = []
    for share in (x.double().abs() / _step(x) % 1).tolist():
        far = [n / 100 for n in range(100) if min(abs(n / 100 - share), abs(n / 100 - (1 - share))) > 0.005]
        dice.append(rng.choice(far))
    return torch.tensor(dice)


POSITIVE = ("two numbers", "numbers below 1", "numbers below 100", "numbers below 1,000", "large numbers")
EDGES = (
    *["numbers of both signs"] * 3,
    "dice that equal the share of the way",
    "one number, just below a power of two",
)


def _ways(x: Tensor, dice: Tensor) -> set[tuple[bool, bool]]:
    """Which there are of: numbers nearer to the upper neighbor, and those that go there."""
    share = x.double().abs() / _step(x) % 1
    return set(zip((share > 0.5).tolist(), (dice < share).tolist(), strict=True))


def _of_all_ways(rng: random.Random, numbers: Callable[[], list[float]]) -> Call:
    """Numbers near to and far from where they go; of two, both are nearer to the other neighbor."""
    while True:
        x = torch.tensor(numbers())
        dice = _dice(rng, x)
        ways = _ways(x, dice)
        share = x.double().abs() / _step(x) % 1
        close = (share < 0.5) & (share < dice) & (dice < 2 * share)  # tells twice the share from the share
        if (len(ways) == 4 and close.any()) or (len(x) == 2 and ways == {(True, False), (False, True)}):
            return x, dice


def _positive(rng: random.Random) -> list[Call]:
    """Numbers with one decimal, of many octaves, none of which bfloat16 holds."""
    calls = []
    for n, largest in ((2, 10), (6, 10), (8, 1000), (8, 9999)):
        tenths = [tenths / 10 for tenths in range(1, largest) if tenths % 5]
        calls.append(_of_all_ways(rng, lambda n=n, tenths=tenths: rng.sample(tenths, n)))
    return [*calls, _of_all_ways(rng, lambda: [float(x) for x in rng.sample(range(300_001, 500_001, 2), 4)])]


def _edges(rng: random.Random) -> list[Call]:
    """Numbers below 0, just below a power of two, 0, and numbers that bfloat16 holds, some with dice of exactly 0."""
    calls = []
    for n in (1, 3, 4):
        held = [rng.choice((-1, 1)) * rng.randint(1, 200) / 2 for _ in range(n)]
        below = [-rng.randint(1, 999) / 10 for _ in range(n)]
        edge = [rng.choice((-1, 1)) * (2.0 ** rng.randint(-3, 9)) * 0.9985 for _ in range(n)]
        x = torch.tensor([*below, *held, *edge, 0.0])
        dice = _dice(rng, x)
        dice[n : n + (n + 1) // 2], dice[-1] = 0.0, 0.0
        calls.append((x, dice))
    x = torch.tensor([257.0, -258.5, rng.randint(1, 99) / 10, rng.randint(300, 999) / 10])
    x = torch.where(x.abs().double() / _step(x) % 1 == 0, 259.0, x)
    share = (x.double().abs() / _step(x) % 1).float()  # exact, since the lower half of x has 16 bits
    edge = torch.tensor([2.0 ** rng.randint(1, 9) * 0.9985])
    return [*calls, (x, share), (edge, torch.zeros(1))]


def _held_by_bfloat16(right: Any, got: Any) -> str | None:
    """Another type than float32, or a rest of lower bits, which is too small for a comparison to see."""
    tensor = as_tensor(got)
    held = tensor is None or torch.equal(tensor.bfloat16().to(tensor.dtype), tensor)
    return same_dtype(right, got) or (None if held else "has numbers that bfloat16 cannot hold")


question = Question("13.1", "Rounding with dice", round_by_dice)

positive = question.probe("numbers above 0", _positive, explain, demand=_held_by_bfloat16, kinds=POSITIVE)
positive.mistake(
    "Each number goes to the nearest one; the dice are not used.",
    "Which of the two neighbours it is, the die decides. Near ones are only likelier.",
    partial(_round_by_dice, away=lambda dice, share: share > 0.5),
)
positive.mistake(
    "All numbers are cut off; none goes away from 0.",
    "Add one step (65,536, if you work on the bits) where the die is below the share of the way.",
    partial(_round_by_dice, away=lambda dice, share: torch.zeros_like(share)),
)
positive.mistake(
    "The dice are read the other way round.",
    "A number that lies at 0.9 of the way goes away from 0 with nine dice in ten: all those below 0.9.",
    partial(_round_by_dice, away=lambda dice, share: dice >= 1 - share),
)
positive.mistake(
    "Numbers near the lower neighbour are sent to the upper one.",
    "The share of the way begins at the neighbour nearer to 0. Is your comparison turned round?",
    partial(_round_by_dice, away=lambda dice, share: dice > share),
)
positive.mistake(
    "The share is that of the way which is left, not of the way that x has come.",
    "A number just behind its lower neighbour has come a small share, and seldom goes up.",
    partial(_round_by_dice, away=lambda dice, share: dice < 1 - share),
)
positive.mistake(
    "Every number goes up with one die in two, however near it is to a neighbour.",
    "Then a small update would not arrive on the average. Compare the die with the share of the way.",
    partial(_round_by_dice, away=lambda dice, share: (dice < 0.5) & (share > 0)),
)
positive.mistake(
    "The result is whole numbers, not bfloat16.",
    "Neighbours are 1 apart only between 128 and 256. Below they are closer, above further apart.",
    lambda x, dice: x.floor() + (dice < x - x.floor()),
)

WIDTHS = {
    7: "Neighbours are taken twice as far apart as those of bfloat16: one bit is missing.",
    9: "Neighbours are taken half as far apart as those of bfloat16: one bit too many.",
    11: "The neighbours are those of float16, not of bfloat16.",
}
for bits, sentence in WIDTHS.items():
    positive.mistake(
        sentence,
        "A bfloat16 keeps the upper 16 of the 32 bits: 7 behind the point, and neighbours 2 apart from 256 to 512.",
        partial(_round_by_dice, step_of=partial(_step, bits=bits)),
    )
for step in (2.0, 1 / 128):
    positive.mistake(
        f"The step is {step:g} whatever the size of x.",
        "Neighbours are 2 apart only between 256 and 512; the step doubles with each power of two.",
        partial(_round_by_dice, step_of=lambda x, step=step: torch.full_like(x, step).double()),
    )
positive.mistake(
    "The nearest number is taken for the lower neighbour: where it lies above x, x always goes up.",
    "The lower neighbour has the lower 16 bits set to 0. `x.bfloat16()` rounds, up for half of the numbers.",
    partial(_round_by_dice, away=lambda dice, share: (share > 0.5) | (dice < share)),
)
positive.mistake(
    "All numbers go to the upper neighbour.",
    "Only where the die is below the share of the way.",
    partial(_round_by_dice, away=lambda dice, share: share > 0),
)

edge_cases = question.probe(
    "below 0, at powers of two, and numbers that need no rounding",
    _edges,
    explain,
    demand=_held_by_bfloat16,
    kinds=EDGES,
)
edge_cases.mistake(
    "Below 0 the share of the way is counted from the wrong neighbour.",
    "`floor` goes down, which is away from 0 there. Round the absolute value, and put the sign back.",
    partial(_round_by_dice, floor=True),
)
edge_cases.mistake(
    "A number goes up where its die equals the share, so a die of 0 moves what bfloat16 holds.",
    "Its die must be *below* the share of the way; no die is below 0.",
    partial(_round_by_dice, away=lambda dice, share: dice <= share),
)
edge_cases.mistake(
    "0 becomes NaN.",
    "0 has no logarithm and no octave. Leave it as it is, or work on the bits.",
    partial(_round_by_dice, at_0=torch.nan),
)
edge_cases.mistake(
    "The share is the rest over 65,535, not over 65,536.",
    "The upper neighbour is 65,536 steps of float32 away from the lower one.",
    partial(_round_by_dice, away=lambda dice, share: dice < share * 65536 / 65535),
)
