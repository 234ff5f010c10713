"""07.1: the penalties for presence and for frequency that many servers offer, OpenAI's and vLLM among them."""

import math
import random
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_kind
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import apart, as_tensor
from minillm.course.checks.question import Question


def penalise(logits: Float[Tensor, "V"], written: list[int], presence: float, frequency: float) -> Float[Tensor, "V"]:
    """The right answer: what a token loses, counted by `bincount`.

    >>> penalise(torch.tensor([1.0, 2.0, 3.0]), [2, 2, 0], presence=0.5, frequency=0.1)
    tensor([0.4000, 2.0000, 2.3000])
    """
    return _penalise(logits, written, presence, frequency)


def _penalise(
    logits, written, presence, frequency, *, once=1.0, each=1.0, most=1000, over=lambda written: 1, shape=None
) -> Tensor:
    """The penalty with other shares of its two parts, with counts up to `most`, or divided by a number."""
    counts = torch.bincount(torch.tensor(written, dtype=torch.long), minlength=len(logits)).clamp(max=most)
    times = shape(counts.float()) if shape else counts
    return logits - once * presence * (counts > 0) - each * frequency * times / over(written)


def _written_once(rng: random.Random) -> list[Call]:
    calls = []
    for V in (4, 4, 6, 9):
        dials = (rng.randint(1, 9) / 10 for _ in range(2))
        calls.append((numbers(rng, V, scale=2.0), rng.sample(range(1, V), V // 2), *dials))
    first = (numbers(rng, 5, scale=2.0), [0, 4], 0.3, 0.7)
    return [*calls, first, (numbers(rng, 3), [], 0.5, 0.5), (numbers(rng, 1), [0], 0.4, 0.2)]


def _written_often(rng: random.Random) -> list[Call]:
    """Texts in which tokens come again, ids near both ends among them, and all that dials and logits may be."""
    calls = []
    for V in (4, 4, 6, 9):
        written = rng.choices(rng.sample(range(V), V // 2), k=V)
        dials = (rng.randint(1, 9) / 10 for _ in range(2))
        calls.append((numbers(rng, V, scale=2.0), written + written[:1] * 2, *dials))
    ids = [0, 3, 3, 0, 0]
    calls += [(numbers(rng, 4, scale=2.0), ids, *dials) for dials in ((0.0, 0.3), (0.6, 0.0), (-0.5, -0.2))]
    calls.append((torch.tensor([-math.inf, 2.5, -math.inf, -1.0]), ids, 0.5, 0.1))
    calls.append((numbers(rng, 4, scale=2.0) * 1000, ids, 500.0, 40.0))
    calls.append((numbers(rng, 4, scale=2.0), [2] * 300 + [1], 0.5, 0.1))
    return [*calls, (numbers(rng, 4, scale=2.0), list(range(4)) * 2, 0.2, 0.4)]


ONCE = (*["tokens in the middle"] * 4, "the first and the last token", "nothing written", "a single token")
OFTEN = (
    *["tokens that come again"] * 4,
    "a presence of 0",
    "a frequency of 0",
    "negative dials",
    "logits of minus infinity",
    "large logits",
    "a token that comes 300 times",
    "every token written",
)


def _who_pays(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Who loses what: an unwritten token, or tokens that were written equally often and lose different amounts."""
    for (logits, written, presence, frequency), wanted, answer in zip(calls, right, got, strict=True):
        result = as_tensor(answer)
        if result is None or result.shape != logits.shape or not apart(wanted, result).any():
            continue
        lost = {id: (logits[id] - result[id]).item() for id in range(len(logits)) if logits[id].isfinite()}
        for id, loss in lost.items():
            if id not in written and abs(loss) > 1e-4:
                return f"Token {id} was not written, and its logit changes.", "Only what was written loses something."
        for id, loss in lost.items():
            alike = [other for other in lost if written.count(other) == written.count(id)]
            for other in alike:
                if abs(lost[other] - loss) > 1e-3 * max(1.0, abs(loss)):
                    hint = "Subtract from each the same amount, whatever its logit is. Do not divide or multiply it."
                    amounts = f"lose {loss:.4g} and {lost[other]:.4g}"
                    sentence = f"Tokens {id} and {other} were written equally often, but {amounts}"
                    return f"{sentence}: the loss depends on the logit, or on where the token stands.", hint
        for id, loss in lost.items():
            count = written.count(id)
            due = presence * (count > 0) + frequency * count
            if abs(loss - due) > 1e-4 * max(1.0, abs(due)):
                times = "once" if count == 1 else f"{count} times"
                sentence = f"Token {id} was written {times} and loses {loss:.4g}; right is {due:.4g}"
                sentence += f": the presence, {presence}, and {count} times the frequency, {frequency}."
                if count and frequency and (as_if := (loss - presence) / frequency) >= 0:
                    sentence += f" It pays as if it had been written {as_if:.3g} times."
                return sentence, _COUNT
    return None


_COUNT = "How often does each token stand in `written`? The presence is subtracted once, the frequency for each time."

question = Question("07.1", "A penalty that counts", penalise, fresh=True)

once_each = question.probe("each token at most once", _written_once, _who_pays, kinds=ONCE, demand=same_kind)
once_each.mistake(
    "The penalty is added: what was written becomes likelier.",
    "A penalty lowers the logit. Subtract.",
    partial(_penalise, once=-1.0, each=-1.0),
)
once_each.mistake(
    "A token that was written once pays no frequency: it is left out, or the first time is not counted.",
    "A token that was written once loses both: presence + 1 · frequency.",
    partial(_penalise, each=0.0),
)
once_each.mistake(
    "A token that was written once pays no presence: it is left out, or waits for the second time.",
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
    "The frequency is divided by the length of the text, or by the number of its different tokens.",
    "It is the plain count, however long the text is.",
    partial(_penalise, over=lambda written: max(len(written), 1)),
)

once_each.mistake(
    "A logit that would become negative is set to 0.",
    "A logit may be any number. Only the difference between logits counts, so the 0 is not a border.",
    lambda logits, *rest: torch.where(penalise(logits, *rest) == logits, logits, penalise(logits, *rest).clamp_min(0)),
)
once_each.mistake(
    "Only what is to be subtracted comes back, without the logits.",
    "Return the logits, and from those of the written tokens take the penalty away.",
    lambda logits, *rest: logits - penalise(logits, *rest),
)
for _how in (lambda logits: logits.softmax(-1), lambda logits: logits.log_softmax(-1)):
    once_each.mistake(
        "After the penalty a softmax is taken: these are probabilities or their logarithms.",
        "Logits are asked for. What was not written keeps its own as it was.",
        lambda *call, how=_how: how(penalise(*call)),
    )
once_each.mistake(
    "The token after each written one pays: the ids are off by one.",
    "An id is the place of its logit: token 3 is `logits[3]`, counted from 0.",
    lambda logits, *rest: logits - (logits - penalise(logits, *rest)).roll(1),
)
once_each.mistake(
    "Each written token pays the frequency for the length of the text, not for its own count.",
    "How often does this very token stand in `written`?",
    partial(_penalise, over=lambda written: 1 / max(len(written), 1)),
)

repeated = question.probe("tokens that come again", _written_often, _who_pays, kinds=OFTEN, demand=same_kind)
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


@repeated.mistake(
    "A token that comes again is counted only where it follows itself directly.",
    "Count all its places in `written`, also those that stand apart: `written.count(token)`.",
)
def _side_by_side(logits, written, presence, frequency):
    out = penalise(logits, list(dict.fromkeys(written)), presence, frequency)
    for before, token in pairwise(written):
        out[token] -= frequency * (before == token)
    return out


for _shape in (torch.sqrt, torch.square, lambda counts: counts.add(1).log2()):
    repeated.mistake(
        "The count is squared, or its root or logarithm is taken, before it is multiplied by the frequency.",
        "Each time costs the same: presence + count · frequency.",
        partial(_penalise, shape=_shape),
    )
