"""07.3: the temperature that gives a wanted entropy, found by halving, since entropy rises with temperature.

The slope of the entropy is the variance of the logits divided by T³, so it is positive.
"""

import math
import random
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.question import Question

STEEP = 0.15  # nats that the entropy must change for a step of 1 in ln T: less, and rounding moves the answer


def temperature_for(logits: Float[Tensor, "V"], entropy: float) -> float:
    """The right answer, by halving the logarithm of the temperature between 1e-6 and 1e6.

    >>> round(temperature_for(torch.tensor([1.0, 0.0]), entropy_at(torch.tensor([1.0, 0.0]), 0.5)), 4)
    0.5
    """
    low, high = math.log(1e-6), math.log(1e6)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if entropy_at(logits, math.exp(middle)) < entropy else (low, middle)
    return math.exp(low)


def entropy_at(logits: Float[Tensor, "V"], temperature: float) -> float:
    """The entropy of the distribution at a temperature, in nats; cut tokens have no part in it.

    >>> round(entropy_at(torch.tensor([0.0, 0.0, -math.inf]), 1.0), 4)      # two equal tokens: ln 2
    0.6931
    """
    return torch.special.entr((logits.double() / temperature).softmax(-1)).sum().item()


def _logits(rng: random.Random, V: int, unit: float, share: tuple[float, float]) -> tuple[Tensor, float]:
    """V logits in some unit, and an entropy between two shares of the largest, with two decimals."""
    while True:
        logits = numbers(rng, V, scale=2.0) * unit
        wanted = round(math.log(V) * rng.uniform(*share), 2)
        at = temperature_for(logits, wanted) if V > 20 or logits.unique().numel() == V else 0.0
        steep = (entropy_at(logits, 1.1 * at) - entropy_at(logits, at)) / math.log(1.1) if 1e-5 < at < 1e5 else 0.0
        if steep > STEEP and abs(wanted - 1) > 0.04:
            return logits, wanted


def _usual(rng: random.Random) -> list[Call]:
    """Entropies on both sides of 1, so that a share or a number of tokens is told from nats."""
    sizes = ((4, (0.4, 0.68)), (4, (0.78, 0.9)), (5, (0.4, 0.58)), (7, (0.6, 0.85)), (9, (0.6, 0.85)))
    return [_logits(rng, V, 1.0, share) for V, share in sizes]


def _others(rng: random.Random) -> list[Call]:
    units = [(0.0002, 4), (9000.0, 5)]
    calls = [_logits(rng, V, unit, (0.4, 0.9)) for unit, V in units]
    calls += [_logits(rng, 2, 1.0, (0.4, 0.8)), _logits(rng, 30, 1.0, (0.3, 0.8))]
    calls += [_logits(rng, 5, 1.0, (0.14, 0.2)), _logits(rng, 5, 1.0, (0.9, 0.94))]
    logits, wanted = _logits(rng, 5, 1.0, (0.5, 0.8))
    return [*calls, (logits + 100, wanted), (torch.tensor([1.0, 2.5, 1.0, 1.0]), 0.7)]


OTHERS = (
    "logits of ten-thousandths",
    "logits of thousands",
    "two tokens",
    "thirty tokens",
    "a small entropy",
    "an entropy near the largest",
    "logits all near 100",
    "equal logits",
)


def _with_cut(rng: random.Random) -> list[Call]:
    calls = []
    for V, n_cut, unit in ((4, 1, 1.0), (4, 2, 1.0), (7, 3, 1.0), (5, 2, 0.0003), (5, 2, 4000.0), (2, 6, 1.0)):
        logits, wanted = _logits(rng, V, unit, (0.5, 0.85))
        mixed = [*logits.tolist(), *[-math.inf] * n_cut]
        rng.shuffle(mixed)
        calls.append((torch.tensor(mixed), wanted))
    return calls


CUT = (
    *["a few removed tokens"] * 3,
    "removed tokens among logits of ten-thousandths",
    "removed tokens among logits of thousands",
    "all removed but two",
)

MEASURED = {  # from the entropy in nats, the probabilities, the logits over the temperature
    "in bits, not in nats": lambda nats, q, z: nats / math.log(2),
    "with the logarithm to the base 10, not in nats": lambda nats, q, z: nats / math.log(10),
    "as a share of the largest possible one, not in nats": lambda nats, q, z: nats / math.log(len(q)),
    "as a perplexity, e to the entropy, not in nats": lambda nats, q, z: math.exp(nats),
    "as the mean of -q ln q, not as its sum": lambda nats, q, z: nats / len(q),
    "of the most probable token alone": lambda nats, q, z: -q.max().log().item(),
    "as -ln q, without the weights q": lambda nats, q, z: -q.log().sum().item(),
    "as the mean of -ln q, without the weights q": lambda nats, q, z: -q.log().mean().item(),
    "with a logarithm of 1 + q in place of q": lambda nats, q, z: -(q * q.log1p()).sum().item(),
    "from squared probabilities": lambda nats, q, z: 1 - q.square().sum().item(),
    "as -q · z, without the normalization": lambda nats, q, z: -(q * z).sum().item(),
}
UNITS = {  # of the logits that are not cut
    "their standard deviation": lambda z: z.std(),
    "their standard deviation with n instead of n - 1": lambda z: z.std(correction=0),
    "the difference of the largest and the smallest": lambda z: z.max() - z.min(),
    "the largest": lambda z: z.max(),
    "the largest absolute value": lambda z: z.abs().max(),
    "their number": lambda z: torch.tensor(len(z)),
}
RETURNED = {
    "1 over the temperature": lambda t: 1 / t,
    "the logarithm of the temperature": math.log,
    "the square of the temperature": lambda t: t * t,
    "the square root of the temperature": math.sqrt,
}


def _five_digits(right: float, got: Any) -> str | None:
    """An error that is small beside 1, but not beside a temperature of ten-thousandths."""
    given = as_tensor(got)
    return None if given is None or math.isclose(given.item(), right, rel_tol=1e-4) else f"is {got} in place of {right}"


def _found_entropy(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """What the returned temperatures do, and what search ends at them."""
    wrong = []
    for (logits, wanted), correct, answer in zip(calls, right, got, strict=True):
        given = as_tensor(answer)
        if given is None or given.numel() != 1:
            return None
        if not math.isclose(given.item(), correct, rel_tol=1e-4):
            wrong.append((logits, wanted, correct, given.item()))
    for words, function in RETURNED.items():
        if all(math.isclose(t, function(correct), rel_tol=1e-3) for _, _, correct, t in wrong):
            return f"This is {words}.", "Divide the logits by what you return, and compute the entropy."
    for words, unit in UNITS.items():
        if all(math.isclose(t * unit(z[z.isfinite()]), correct, rel_tol=1e-3) for z, _, correct, t in wrong):
            sentence = f"It is the right temperature for other logits: for these, divided by {words}."
            return sentence, "Search with the logits themselves, or multiply the temperature by what you divided by."
    for digits in range(1, 8):
        if all(math.isclose(t, round(correct, digits)) for _, _, correct, t in wrong):
            hint = "A temperature may be 0.0002. Bisect until the interval is narrow enough, and don't round."
            places = f"{digits} digit{'s' if digits > 1 else ''} after the point"
            return f"It is nearly right: the right temperature to {places}, rounded or from a list.", hint
    for _, _, _, t in wrong:
        if not 0 < t < math.inf:
            return f"{t} is not a temperature.", "Is there a NaN on the way? 0 times minus infinity is one."
    if told := _measured_otherwise(wrong) or _cut_replaced(wrong):
        return told
    logits, wanted, correct, t = wrong[0]
    found = entropy_at(logits, t)
    sentence = f"At the temperature that you return, {t:.5g}, the entropy is {found:.6g}, and {wanted} is wanted"
    if all(abs(entropy_at(z, t) - nats) < 0.02 + 0.02 * nats for z, nats, _, t in wrong):
        hint = "Bisect more often: 60 rounds take no time. A list of temperatures is never fine enough."
        return f"{sentence}. It is nearly right: the search ends too early, or its steps are too large.", hint
    ends = [_end_of_search(*each) for each in wrong]
    if "cut" in ends and all(end in ("cut", "nan") for end in ends):
        hint = "Where q is 0, q · ln q is 0 · -inf, which is NaN, and every comparison with NaN is False. Add 0 there."
        return f"{sentence}: with removed tokens the search runs to its end. Is the entropy NaN there?", hint
    if all(end == "wide" for end in ends):
        hint = "Logits of thousands need temperatures of thousands. Search from 0.000001 to 1,000,000."
        return f"{sentence}. {t:.5g} is the end of your interval; the answer is outside of it.", hint
    if all(end == "nan" for end in ends):
        hint = "With too little entropy the temperature must rise. If this is right, look for NaN: x < NaN is False."
        way = "rise" if found < wanted else "fall"
        why = "Is the wrong end of the interval moved, is the entropy NaN there, or not the sum of -q ln q?"
        if len(wrong) < len(calls):
            why = "Is the entropy NaN there? e to a large power overflows, and 0 · ln 0 is NaN."
        return f"{sentence}: it should {way}, but the search went the other way, to its end. {why}", hint
    return f"{sentence}.", (
        "Print the entropy at which your search ends. If it is the wanted one, you measure something else there. "
        "If not: does the first interval contain the answer, and do you keep the right half of it?"
    )


def _measured_otherwise(wrong: list[tuple[Tensor, float, float, float]]) -> tuple[str, str] | None:
    """Another measure that has the wanted value wherever the search did not run to its end."""
    inside = [each for each in wrong if 1e-3 < entropy_at(each[0], each[3]) < 0.9999 * _largest(each[0])]
    for words, measure in MEASURED.items():
        values = []
        for logits, wanted, _, t in inside:
            z = logits[logits.isfinite()].double() / t
            values.append((measure(entropy_at(logits, t), z.softmax(-1), z), wanted))
        if len(values) > 1 and all(math.isclose(value, wanted, rel_tol=1e-3) for value, wanted in values):
            return f"The entropy is measured {words}.", "It is the sum of -q ln q, with the natural logarithm."
    return None


def _cut_replaced(wrong: list[tuple[Tensor, float, float, float]]) -> tuple[str, str] | None:
    """A number that stands in place of minus infinity."""
    for value in (-1.0, -10.0, -20.0, -50.0, -100.0, -1e3, -1e4, -1e5, -1e6, -1e9):
        cut = [(z.where(z.isfinite(), value), wanted, t) for z, wanted, _, t in wrong if z.isinf().any()]
        if len(cut) == len(wrong) and all(math.isclose(entropy_at(z, t), h, rel_tol=1e-3) for z, h, t in cut):
            hint = "A removed token has probability 0 at every temperature. No finite number is low enough for that."
            return f"Removed tokens come back: their logit is taken as {value:,.0f}.", hint
    return None


def _end_of_search(logits: Tensor, wanted: float, correct: float, t: float) -> str | None:
    """Why a search ended at this temperature: "wide" if the answer lies beyond its end, a round number."""
    round_number = math.isclose(t, float(f"{t:.0e}"), rel_tol=2e-3)
    wide = round_number and (1 <= t < correct or correct < t <= 1)
    if wide:
        return "wide"
    if logits.isinf().any() and (t > 20 * correct or t < correct / 20):
        return "cut"
    return "nan" if t > 20 * correct or t < correct / 20 else None


def _largest(logits: Tensor) -> float:
    return math.log(logits.isfinite().sum().item())


question = Question(
    "07.3", "Find the temperature for an entropy", temperature_for, forbidden=("minillm", "torch.distributions")
)

usual = question.probe("common temperatures", _usual, _found_entropy)
other_units = question.probe("logits at other scales", _others, _found_entropy, kinds=OTHERS, demand=_five_digits)
cut_tokens = question.probe("removed tokens", _with_cut, _found_entropy, kinds=CUT, demand=_five_digits)
cut_tokens.mistake(
    "Removed tokens come back: their logit is taken as 0.",
    "A removed token has probability 0 at every temperature, and adds 0 to the entropy.",
    lambda logits, entropy: temperature_for(logits.where(logits.isfinite(), 0.0), entropy),
)


@cut_tokens.mistake(
    "Removed tokens come back: they count like the least probable of the others.",
    "A removed token has probability 0 at every temperature, and adds 0 to the entropy.",
)
def _cut_left_in(logits, entropy):
    return temperature_for(logits.where(logits.isfinite(), logits[logits.isfinite()].min()), entropy)
