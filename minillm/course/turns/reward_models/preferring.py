"""10.preference_loss: minus the log-likelihood of choices under Bradley and Terry (1952), per pair."""

import math
import random
from typing import Any

import torch
import torch.nn.functional as F

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.reward_models.divisors import divisor
from minillm.course.turns.reward_models.preferring_mistakes import MISTAKES, floored, limited


def preference_loss(r_w, r_l):
    """The mean loss in nats, from the rewards of the preferred answers and of the others, (B,) each."""
    return -F.logsigmoid(r_w - r_l).mean()


turn = Turn(
    "10.preference_loss",
    "The loss of a choice",
    preference_loss,
    minutes=5,
    difficulty=2,
    ready_made=(
        "torch.nn.functional.binary_cross_entropy_with_logits",
        "torch.nn.BCEWithLogitsLoss",
        "torch.nn.functional.cross_entropy",
    ),
    hints=(
        "For one pair: what is the probability of the choice that was made, and what is the loss of something that had "
        "the probability p?",
        "Subtract the rewards first, pair by pair. The sigmoid of that is P. Then the logarithm, the sign, the mean.",
        "If the preferred answer is 200 points behind, P is rounded to 0. `F.logsigmoid` takes both steps in one.",
    ),
    errors={
        r"name '(F|nn|logsigmoid|log_sigmoid|softplus)' is not defined": "It's `F.logsigmoid`, and `F` "
        "is imported above as `torch.nn.functional`.",
        r"name '(sigmoid|exp|log|e)' is not defined": "A tensor has these as methods: `x.sigmoid()`, `x.exp()`.",
        "target dtype": "The labels of `cross_entropy` are whole numbers, of dtype `torch.long`.",
        "'Bool'": "A comparison is True or False; the difference, `r_w - r_l`, is a number.",
        r"name '(chosen|rejected|rewards?|margin|p|beta|y_w|y_l)' is not defined": "There are `r_w` and `r_l`, and "
        "what you make of them.",
        "converted to (a )?Scalar|must be real number|only one element|converted to Python": "`math` takes one number, "
        "and these are B of them: use the tensor's own methods.",
        "has no attribute 'log_?sigmoid'|has no attribute 'softplus'": "It's a function, `F.logsigmoid`.",
        "math domain error|math range error|OverflowError": "The probability was rounded to 0, or `exp` overflowed: "
        "`logsigmoid` takes both steps in one.",
        "Boolean value of Tensor|ambiguous": "Python's `max` and `if` ask about one number, and here are B of them.",
        "bad operand|unsupported operand|not callable|not subscriptable": "Both are tensors of B numbers: compute with "
        "all of them at once.",
        "changed the input": "Leave `r_w` and `r_l` as they are: write `r_w - r_l`, and no `-=`.",
    },
    debrief=Debrief(
        "TRL's RewardTrainer has this line, `-F.logsigmoid(chosen - rejected - margin).mean()`, with a margin where "
        "raters said how sure they were. InstructGPT averages over all pairs of one question, so that it weighs once.",
        "Add 100 to all rewards. What happens to the loss?",
    ),
)


def _pairs(rng: random.Random) -> list[Call]:
    """Batches of several sizes, one pair first; the preferred answer isn't always ahead."""
    calls: list[Call] = [(torch.tensor([2.0]), torch.tensor([0.5]))]
    for B in (2, 3, 5, 8):
        lead = torch.zeros(B)
        while not lead.all():  # where it is 0, pieces of a formula have no gradient
            r_w, r_l = numbers(rng, B, scale=1.5), numbers(rng, B, scale=1.5)
            lead = r_w - r_l
        calls.append((r_w, r_l))
    return calls


def _large(rng: random.Random) -> list[Call]:
    """Leads and deficits up to 1,000, where a probability is rounded to 0."""
    calls: list[Call] = [(torch.tensor([0.0]), torch.tensor([150.0]))]
    calls.append((torch.tensor([-400.0, 3.0]), torch.tensor([400.0, 1.0])))
    lead = 10.0 * rng.randint(20, 90)
    return [*calls, (torch.tensor([lead, 0.0, 1.0]), torch.tensor([-10.0, lead, 0.5]))]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Several things, one loss per pair, or a number in an axis."""
    for index, ((r_w, r_l), answer) in enumerate(zip(calls, got, strict=True)):
        if type(answer) in (tuple, dict):
            return "Several things are returned.", "Return one tensor: the mean loss.", index
        tensor = as_tensor(answer)
        if tensor is None or tensor.shape == () or len(r_w) == 1:
            continue
        if tensor.numel() == len(r_w) and difference(-F.logsigmoid(r_w - r_l), tensor.flatten()) is None:
            return "That's the loss of each pair, all right. One number is asked for.", "End with a mean.", index
        sentence = f"The loss must be one number; here its shape is {tuple(tensor.shape)}."
        return sentence, "One number per pair, then their mean.", index
    sums = [float(-F.logsigmoid(r_w - r_l).sum()) for r_w, r_l in calls]
    if (count := divisor(sums, got)) is not None:
        return f"The sum of the losses is always divided by {count:g}.", "Divide by the number of pairs."
    return None


def _finite(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    if (found := _form(calls, right, got)) is not None:
        return found
    for index, answer in enumerate(map(as_tensor, got)):
        if answer is not None and not answer.isfinite().all():
            sentence = "Not finite: `exp` overflowed, or a probability was rounded to 0 before its logarithm."
            return sentence, "`logsigmoid` takes both steps in one, and never computes the probability.", index
    return None


pairs = turn.probe("batches of several sizes", _pairs, _form)
pairs.at_last = _finite
large = turn.probe("leads of hundreds of points", _large, _finite)
for sentence, hint, answer in MISTAKES:
    pairs.mistake(sentence, hint, answer)
NONE_NEEDED = "`logsigmoid` needs no such number: it never computes the probability."
for tiny in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-20):
    sentence = f"The probability can't be smaller than {tiny:g}, so no loss can pass {-math.log(tiny):.0f} nats."
    probe = pairs if tiny > 1e-5 else large  # a smaller one is lost in rounding where P is near 1/2
    probe.mistake(sentence, NONE_NEEDED, floored(tiny))
for most in (10, 20, 30, 50, 88, 100):
    sentence = f"The difference can't pass {most}, and neither can the loss."
    large.mistake(sentence, NONE_NEEDED.replace("number", "limit"), limited(most))
