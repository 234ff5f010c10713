"""07.3: the temperature that gives a wanted entropy, found by halving, since entropy rises with temperature.

The lesson has the proof: the slope is a variance divided by T³.
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


def _lists(rng: random.Random, unit: tuple[float, ...] = (1.0,), n_cut: int = 0) -> list[Call]:
    """Logits in some unit, a few of them cut, and the entropy at some temperature, rounded to two decimals."""
    calls = []
    while len(calls) < 4:
        V, scale = (4, 5, 7, 9)[len(calls)], unit[len(calls) % len(unit)]
        logits = numbers(rng, V, scale=2.0) * scale
        temperature = scale * math.exp(rng.uniform(-1.2, 1.2))
        wanted = round(entropy_at(logits, temperature), 2)
        steep = (entropy_at(logits, 1.1 * temperature) - entropy_at(logits, temperature)) / math.log(1.1)
        if wanted > 1.05 and steep > STEEP:
            mixed = [*logits.tolist(), *[-math.inf] * n_cut]
            rng.shuffle(mixed)
            calls.append((torch.tensor(mixed), wanted))
    return calls


def _found_entropy(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """What the returned temperature does."""
    for (logits, wanted), correct, answer in zip(calls, right, got, strict=True):
        given = as_tensor(answer)
        if given is None or given.numel() != 1:
            return None
        temperature = given.item()
        if math.isclose(temperature, correct, rel_tol=1e-4):
            continue
        if not 0 < temperature < math.inf:
            return f"{temperature} is no temperature.", "Look for NaN on the way: 0 times minus infinity is one."
        found = entropy_at(logits, temperature)
        sentence = f"At the temperature that you return the entropy is {found:.6g}, and {wanted} is wanted."
        if abs(found - wanted) < 0.02:
            return sentence, "Nearly. Halve the interval more often: 60 times take no time at all."
        if logits.isinf().any() or found < 1e-6:
            hint = "Print the entropy on the way. Where q is 0 (a cut token, a low temperature) q · ln q is NaN."
            return sentence, hint
        return sentence, "Does the first interval hold the answer, and do you keep the right half of it?"
    return None


question = Question("07.3", "A dial in nats", temperature_for, forbidden=("minillm", "torch.distributions"))

usual = question.probe("temperatures as people set them", lambda rng: _lists(rng), _found_entropy)
usual.mistake(
    "It is the inverse of the temperature that is returned.",
    "Divide the logits by what you return, do not multiply.",
    lambda logits, entropy: 1 / temperature_for(logits, entropy),
)
usual.mistake(
    "The entropy is measured in bits.",
    "In nats the logarithm is the natural one.",
    lambda logits, entropy: temperature_for(logits, entropy * math.log(2)),
)
usual.mistake(
    "The number of equally likely tokens is taken for the entropy.",
    "e to the entropy is that number. The entropy is the sum of -q ln q.",
    lambda logits, entropy: temperature_for(logits, math.log(entropy)),
)

other_units = question.probe("logits in other units", lambda rng: _lists(rng, unit=(0.0003, 4000.0)), _found_entropy)

cut_tokens = question.probe("cut tokens", lambda rng: _lists(rng, n_cut=2), _found_entropy)
cut_tokens.mistake(
    "Cut tokens come back: their logit is taken for 0.",
    "A cut token has probability 0 at every temperature, and adds 0 to the entropy.",
    lambda logits, entropy: temperature_for(logits.where(logits.isfinite(), 0.0), entropy),
)


@cut_tokens.mistake(
    "Cut tokens come back: they count like the least likely of the others.",
    "A cut token has probability 0 at every temperature, and adds 0 to the entropy.",
)
def _cut_left_in(logits, entropy):
    return temperature_for(logits.where(logits.isfinite(), logits[logits.isfinite()].min()), entropy)
