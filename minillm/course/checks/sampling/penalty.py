"""07.1: the penalties for presence and for frequency that many servers offer, OpenAI's and vLLM among them."""

import random
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.question import Question


def penalise(logits: Float[Tensor, "V"], written: list[int], presence: float, frequency: float) -> Float[Tensor, "V"]:
    """The right answer: what a token loses, counted by `bincount`.

    >>> penalise(torch.tensor([1.0, 2.0, 3.0]), [2, 2, 0], presence=0.5, frequency=0.1)
    tensor([0.4000, 2.0000, 2.3000])
    """
    return _penalise(logits, written, presence, frequency)


def _penalise(logits, written, presence, frequency, *, once=1.0, each=1.0, most=1000, over=lambda written: 1) -> Tensor:
    """The penalty with other shares of its two parts, with counts up to `most`, or divided by a number."""
    counts = torch.bincount(torch.tensor(written, dtype=torch.long), minlength=len(logits)).clamp(max=most)
    return logits - once * presence * (counts > 0) - each * frequency * counts / over(written)


def _texts(rng: random.Random, repeated: bool) -> list[Call]:
    """Logits and a text in which tokens occur once, or several times."""
    calls = []
    for V in (4, 4, 6, 6, 9, 9):
        written = rng.sample(range(V), V // 2)
        if repeated:
            written = rng.choices(written, k=V) + written[:1] * 2
        dials = (rng.randint(1, 9) / 10 for _ in range(2))
        calls.append((numbers(rng, V, scale=2.0), written, *dials))
    return calls if repeated else [*calls, (numbers(rng, 3), [], 0.5, 0.5)]


question = Question("07.1", "A penalty that counts", penalise, fresh=True)

once_each = question.probe("each token at most once", lambda rng: _texts(rng, repeated=False))
once_each.mistake(
    "The penalty is added: what was written becomes likelier.",
    "A penalty lowers the logit. Subtract.",
    partial(_penalise, once=-1.0, each=-1.0),
)
once_each.mistake(
    "Only the presence counts; the frequency is left out.",
    "A token that was written once loses both: presence + 1 · frequency.",
    partial(_penalise, each=0.0),
)
once_each.mistake(
    "Only the frequency counts; the presence is left out.",
    "A token that was written once loses both: presence + 1 · frequency.",
    partial(_penalise, once=0.0),
)


@once_each.mistake(
    "Negative logits are raised, as if the sign mattered.",
    "Subtracting lowers any number. Only a penalty that divides must ask for the sign.",
)
def _like_a_repetition_penalty(logits, written, presence, frequency):
    loss = logits - penalise(logits, written, presence, frequency)
    return torch.where(logits > 0, logits - loss, logits + loss)


once_each.mistake(
    "Every token pays, the unwritten ones too.",
    "Taking the same from all logits changes nothing. Only the tokens in `written` lose something.",
    lambda logits, written, presence, frequency: logits - presence - frequency * len(written),
)
once_each.mistake(
    "The frequency is divided by the length of the text.",
    "It is the plain count, however long the text is.",
    partial(_penalise, over=lambda written: max(len(written), 1)),
)

repeated = question.probe("tokens that come again", lambda rng: _texts(rng, repeated=True))
repeated.mistake(
    "A token that was written several times pays for one.",
    "`logits[written] -= x` subtracts once, however often an id stands in `written`. Count first.",
    partial(_penalise, most=1),
)
repeated.mistake(
    "The presence is paid each time.",
    "Presence asks whether a token was written, frequency how often.",
    lambda logits, written, presence, frequency: penalise(logits, written, 0.0, presence + frequency),
)
repeated.mistake(
    "Presence and frequency have changed places.",
    "Presence is paid once by every token that was written, frequency each time that it was.",
    lambda logits, written, presence, frequency: penalise(logits, written, frequency, presence),
)
