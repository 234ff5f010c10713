"""What a message says of a rounding to bfloat16 that fits no known mistake, for 13.1."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import apart, as_tensor, show

BITS = "The lower one has the lower 16 bits set to 0; 65,536 more in the bits is the upper one."
OTHER_DICE: dict[str, Callable[[Tensor], Tensor]] = {
    "The first die decides for all numbers": lambda dice: dice[:1].expand_as(dice),
    "The last die decides for all numbers": lambda dice: dice[-1:].expand_as(dice),
    "The mean of the dice decides for all numbers": lambda dice: dice.mean().expand_as(dice),
    "The dice are used from the last to the first": lambda dice: dice.flip(0),
    "The dice are sorted": lambda dice: dice.sort().values,
    "Each number has the die of the one before it": lambda dice: dice.roll(1),
    "Each number has the die of the one after it": lambda dice: dice.roll(-1),
}
OTHER_SHARES: dict[str, Callable[[Tensor], Tensor]] = {
    "the square of the share": torch.square,
    "the square root of the share": torch.sqrt,
    "twice the share": lambda share: 2 * share,
    "half of the share": lambda share: share / 2,
    "256 times the share": lambda share: 256 * share,
    "the share over 256": lambda share: share / 256,
    "65,536 times the share": lambda share: 65536 * share,
}


@dataclass(frozen=True)
class _Number:
    """A number that was rounded, with its neighbors, its share of the way, its die, and what came of it."""

    x: float
    lower: float
    upper: float
    share: float
    die: float
    right: float
    got: float

    @property
    def wrong(self) -> bool:
        return bool(apart(torch.tensor(self.right), torch.tensor(self.got)))

    def __str__(self) -> str:
        return (
            f"{_exact(self.x)} lies at {self.share:.2f} of the way from {_exact(self.lower)} to {_exact(self.upper)}, "
            f"and its die is {self.die:.2f}: right is {_exact(self.right)}, not {_exact(self.got)}."
        )


def _exact(number: float) -> str:
    return f"{number:.6g}"


def explain(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Other dice or another share; else one number with its neighbors, and which numbers are right."""
    given = [as_tensor(reply) for reply in got]
    pairs = list(zip(given, right, strict=True))
    if any(reply is None or reply.shape != wanted.shape or not reply.isfinite().all() for reply, wanted in pairs):
        return None
    if all(reply is not None and _is_bits(reply, wanted) for reply, wanted in pairs):
        return "The results are the bits of the right numbers.", "Read them as float32: `bits.view(torch.float32)`."
    if all(reply is not None and not apart(call[0], reply).any() for call, reply in zip(calls, given, strict=True)):
        return "The results are nearly x itself: more bits are kept than the 16 of bfloat16.", BITS
    for known in (torch.abs, torch.relu):
        if all(not apart(known(wanted), reply).any() for reply, wanted in pairs if reply is not None):
            return None  # a fact says so
    numbers = list(_numbers(calls, right, given))
    return _by_other_dice(calls, given) or _by_width(calls, given) or _by_groups(numbers)


def _is_bits(reply: Tensor, wanted: Tensor) -> bool:
    bits = reply.double()
    return bool((bits.abs() < 2**31).all()) and not apart(wanted, bits.int().view(torch.float32).double()).any()


def _rounded(x: Tensor, dice: Tensor, bits: int = 8, share_of: Callable[[Tensor], Tensor] = torch.clone) -> Tensor:
    size, step = x.double().abs(), 2.0 ** (x.double().frexp().exponent - bits)
    share = size / step % 1
    return torch.where(x == 0, 0.0, x.sign() * ((size / step).floor() + (dice.double() < share_of(share))) * step)


def _fits(calls: list[Call], given: list[Any], made: Callable[[Tensor, Tensor], Tensor]) -> bool:
    return all(not apart(made(*call), reply).any() for call, reply in zip(calls, given, strict=True))


def _by_other_dice(calls: list[Call], given: list[Any]) -> tuple[str, str] | None:
    for sentence, other in OTHER_DICE.items():
        if _fits(calls, given, lambda x, dice, other=other: _rounded(x, other(dice))):
            return f"{sentence}.", "Each number has a die of its own: `dice[i]` decides for `x[i]`."
    for words, share_of in OTHER_SHARES.items():
        if _fits(calls, given, lambda x, dice, share_of=share_of: _rounded(x, dice, share_of=share_of)):
            sentence = f"A number goes to the upper neighbor where its die is below {words}."
            return sentence, "The die must be below the share itself: the way come, over the way between the neighbors."
    return None


def _by_width(calls: list[Call], given: list[Any]) -> tuple[str, str] | None:
    for bits in range(2, 13):  # finer ones differ by less than the tolerance
        if bits != 8 and _fits(calls, given, lambda x, dice, bits=bits: _rounded(x, dice, bits)):
            far = f"{2 ** (8 - bits)} times as far" if bits < 8 else f"{2 ** (bits - 8)} times as close"
            sentence = f"The neighbors are {far} to each other as those of bfloat16: {24 - bits} bits are cut off."
            return sentence.replace("far to", "far from"), "A bfloat16 keeps the upper 16 of the 32 bits."
    return None


def _numbers(calls: list[Call], right: list[Any], given: list[Any]) -> Iterator[_Number]:
    for (xs, dice), wanted, reply in zip(calls, right, given, strict=True):
        steps = 2.0 ** (xs.double().frexp().exponent - 8)
        for x, die, step, due, gave in zip(
            *(row.double().tolist() for row in (xs, dice, steps, wanted, reply)), strict=True
        ):
            sign = -1 if x < 0 else 1
            lower = sign * (abs(x) // step) * step
            yield _Number(x, lower, lower + sign * step, abs(x) / step % 1, die, due, gave)


def _by_groups(numbers: list[_Number]) -> tuple[str, str] | None:
    wrong, fine = [n for n in numbers if n.wrong], [n for n in numbers if not n.wrong and n.share]
    first = wrong[0]
    above_0 = "Numbers above 0 are right. " if all(n.x < 0 for n in wrong) and any(n.x > 0 for n in fine) else ""
    if not any(n.share for n in wrong):
        moved = f"{_exact(first.x)} becomes {_exact(first.got)}"
        return f"A number that bfloat16 holds does not stay: {moved}.", "There the share is 0, and no die is below 0."
    if all(n.got in (n.lower, n.upper) for n in wrong):
        too = (
            "upper" if all(n.got == n.upper for n in wrong) else "lower" if all(n.got == n.lower for n in wrong) else ""
        )
        where = f"some go to the {too} one that should not" if too else "some go to the wrong one"
        sentence = f"{above_0}Every result is a neighbor of its number, but {where}: {first}"
        return sentence, "Print shares, dice, and `dice < share` for the numbers that you see here."
    held = float(torch.tensor(first.got).bfloat16()) == first.got
    for name, missed in (("upper", first.upper), ("lower", first.lower)):
        ends = [n.upper if name == "upper" else n.lower for n in wrong]
        if all(n.right == end for n, end in zip(wrong, ends, strict=True)) and fine:
            other = "lower" if name == "upper" else "upper"
            sentence = (
                f"{above_0}What goes to its {other} neighbor is right, but the {name} neighbor of {_exact(first.x)} is "
                f"{_exact(missed)}, not {_exact(first.got)}{'' if held else ', which bfloat16 does not hold'}."
            )
            return sentence + _from_the(other, wrong), BITS
    sentence = f"{above_0}{show(first.got)} is not a neighbor of {_exact(first.x)}"
    sentence += " among the numbers of bfloat16" if held else ", and bfloat16 does not hold it"
    return f"{sentence}: {first}", BITS


def _from_the(other: str, wrong: list[_Number]) -> str:
    """How the neighbor that is wrong comes from the one that is right."""
    ends = [n.lower if other == "lower" else n.upper for n in wrong]
    steps = [n.upper - n.lower if other == "lower" else n.lower - n.upper for n in wrong]
    moves = [n.got - end for n, end in zip(wrong, ends, strict=True)]
    ratios = [n.got / end if end else 0.0 for n, end in zip(wrong, ends, strict=True)]
    if all(move == -step for move, step in zip(moves, steps, strict=True)):
        return f" It lies one step from the {other} neighbor in the opposite direction."
    if len(wrong) > 2 and max(ratios) - min(ratios) < 1e-6:
        return f" It is the {other} neighbor times {ratios[0]:.6g}."
    if len(wrong) > 2 and max(moves) - min(moves) < 1e-6 and moves[0]:
        return f" It is the {other} neighbor {'plus' if moves[0] > 0 else 'minus'} {abs(moves[0]):.4g}."
    counts = [move / step for move, step in zip(moves, steps, strict=True)]
    if max(counts) - min(counts) < 1e-3:
        return f" It lies {counts[0]:.4g} steps of bfloat16 from the {other} one."
    return ""
