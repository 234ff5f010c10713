"""00b.1: the Kullback-Leibler divergence of two rows of logits (Kullback and Leibler 1951), where exp overflows too."""

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.facts import fact
from minillm.course.checks.plain import as_tensor, difference, show
from minillm.course.checks.question import Question


def kl(truth: Float[Tensor, "B V"], guess: Float[Tensor, "B V"]) -> Float[Tensor, "B"]:
    """The right answer in nats, by torch's own function.

    >>> kl(torch.tensor([[0.5, 0.25, 0.25]]).log(), torch.tensor([[0.25, 0.25, 0.5]]).log())
    tensor([0.1733])
    """
    log_p, log_q = truth.double().log_softmax(-1), guess.double().log_softmax(-1)
    terms = F.kl_div(log_q, log_p, reduction="none", log_target=True)
    return terms.where(log_p > -torch.inf, 0.0).sum(-1).float()  # torch, too, makes NaN of 0 times infinity


def _reduced(truth: Tensor, guess: Tensor, *, reduce: Callable[[Tensor], Tensor]) -> Tensor:
    """The products of p and log(p / q), brought together in another way."""
    log_p, log_q = truth.log_softmax(-1), guess.log_softmax(-1)
    return reduce(log_p.exp() * (log_p - log_q))


KINDS = (
    "ordinary logits",
    "the same, each row moved by 3",
    "truth and guess alike",
    "a single token",
    *["several rows"] * 3,
)


def _moderate(rng: random.Random) -> list[Call]:
    truth, guess, alike = (numbers(rng, 1, 3) for _ in range(3))
    single = numbers(rng, 2, 1), numbers(rng, 2, 1)
    several = [(numbers(rng, B, V), numbers(rng, B, V)) for B, V in ((2, 3), (4, 6), (5, 5))]
    return [(truth, guess), (truth + 3, guess - 3), (alike, alike.clone()), single, *several]


EXTREME = (
    "logits near 150",
    "logits near -150",
    "logits far apart",
    "a token that both rule out",
    "a token that only the truth rules out",
    "a token that only the guess rules out",
    "an unlikely token that the guess rules out",
    "all of these together",
)


def _extreme(rng: random.Random) -> list[Call]:
    """One call for each kind in EXTREME, and one that mixes them."""

    def pair(B: int, V: int) -> Call:
        return numbers(rng, B, V), numbers(rng, B, V)

    high, low = ([logits + shift for logits in pair(2, 3)] for shift in (150, -150))
    apart, both, truth_only, guess_only, unlikely = (pair(2, 3) for _ in range(5))
    apart[1][:, 1:] -= 150
    apart[0][1, 2] -= 150
    both[0][1, 0] = both[1][1, 0] = -math.inf
    truth_only[0][1, 0] = -math.inf
    guess_only[1][1, 1] = -math.inf
    unlikely[0][1, 0], unlikely[1][1, 0] = -150.0, -math.inf  # e to the -150 is 0 in float32, not in float64
    truth, guess = pair(8, 6)
    guess[::4, 1:] += 150
    truth[4::4, 0] += 150  # sure of something else
    truth[1::4, 0] = guess[1::4, 0] = -math.inf
    truth[2::4, 0] = -math.inf
    guess[3::4, 1] = -math.inf
    return [tuple(high), tuple(low), apart, both, truth_only, guess_only, unlikely, (truth, guess)]


def _where(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """What kind of a row it is that goes wrong first."""
    wrong = [index for index, (wanted, answer) in enumerate(zip(right, got, strict=True)) if difference(wanted, answer)]
    last = as_tensor(got[-1])
    if wrong == [len(EXTREME) - 1] and last is not None and last.shape == right[-1].shape:
        row = next(row for row, cost in enumerate(right[-1]) if difference(cost, last[row]))
        hint = "Take each row's own largest logit off: `max(-1, keepdim=True)`, or `log_softmax(-1)`."
        words = f"Every kind of row is right by itself, but row {row} is {show(last[row])} beside rows of larger logits"
        return f"{words}: is one maximum taken of the whole batch?", hint
    if capped := _cap(right, got):
        return capped
    for kind, wanted, answer in zip(EXTREME, right, got, strict=True):
        answer = as_tensor(answer)
        if answer is None or answer.shape != wanted.shape:
            return None
        for cost, other in zip(wanted.double(), answer.double(), strict=True):
            if not difference(cost, other):
                continue
            if kind in EXTREME[:2]:
                hint = "Subtract each row's largest logit before `exp`, or use what does it for you: `log_softmax`."
                return f"With {kind} the result is {show(other)}: e to their power overflows, or is rounded to 0.", hint
            if kind == EXTREME[2] and not other.isfinite():
                hint = "Write it as a difference of two logarithms, and take both from `log_softmax`: -150 stays -150."
                return f"A probability is rounded to 0 before its logarithm is taken: {show(other)}.", hint
            free = as_tensor(got[5])  # what the guess rules out
            if kind in EXTREME[3:5] and other.isnan() and free is not None and free.isfinite().all():
                hint = "What the guess rules out has an infinite term. Put 0 where the truth has probability 0."
                return "The zeros are put where the guess rules a token out, and not where the truth does.", hint
            if kind in EXTREME[3:5] and other.isnan():
                hint = "0 times infinity is NaN. Put 0 where the *truth* has probability 0."
                return "A token that the truth rules out brings NaN, and it should add nothing.", hint
            if kind in EXTREME[3:5] and other.isinf():
                hint = "What never happens adds nothing. Put 0 where the *truth* has probability 0."
                return "A token that the truth rules out adds something, and it should add nothing.", hint
            if cost.isinf() and other.isfinite() and other.abs() > 1e30:
                hint = "Replace the NaN, not the infinity: `nan_to_num` changes both."
                return "Infinity was made a large, finite number.", hint
            if cost.isinf() and not other.isinf():
                hint = "Where the guess has minus infinity and the truth has not, the result is infinite. Leave it so."
                if kind == EXTREME[6]:
                    if other.isnan():
                        hint = "Compute in float64, where e to the -300 is not yet 0."
                        return "A small probability is rounded to 0 in float32, and 0 times infinity is NaN.", hint
                    hint = "Ask `log_p > -torch.inf`: in float32, `log_p.exp()` is 0 below e to the -104."
                    return (
                        f"A small probability is taken for 0: the guess rules it out, and the result is {show(other)}.",
                        hint,
                    )
                if other.isnan():
                    return "The guess rules out what can happen, and the result is NaN instead of infinite.", hint
                return f"The guess rules out what can happen, and yet the result is {show(other)}.", hint
    return None


def _cap(right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Whether no divergence, however large, comes out above a bound: that of a small number inside the logarithm."""
    given = [as_tensor(answer) for answer in got]
    if any(tensor is None or tensor.shape != wanted.shape for wanted, tensor in zip(right, given, strict=True)):
        return None
    wanted, gave = torch.cat(right), torch.cat([tensor.double() for tensor in given if tensor is not None])
    ordinary = not any(difference(right[index], got[index]) for index in (0, 1, 3, 4))
    cut = bool((wanted[wanted.isfinite()] > 2 * gave.max()).any()) and bool(wanted.isinf().any())
    if ordinary and cut and bool(gave.isfinite().all()):
        words = f"No divergence is above {gave.max():.4g} nats, however unlikely the token is for the guess"
        hint = "A small number inside a logarithm bounds it: log(1e-9) is -21. Take both logarithms from `log_softmax`."
        return f"{words}: is a small number added to the probabilities, or are they clamped?", hint
    return None


def _rule(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Which rule that holds of every KL divergence the results break."""
    for value in map(as_tensor, got):
        if value is None or value.shape not in {wanted.shape for wanted in right}:
            return None
    same = as_tensor(got[KINDS.index("truth and guess alike")])
    told = fact(["truth", "guess"], calls, right, got)
    if told is not None:
        return told, "Work out the lesson's example on paper and compare each step with what your function has."
    one, other = (as_tensor(got[KINDS.index(kind)]) for kind in ("ordinary logits", "the same, each row moved by 3"))
    if one is not None and other is not None and difference(one, other):
        hint = "Logits are logarithms up to a constant in each row. `log_softmax` of both takes it away."
        return "The result changes if 3 is added to all logits of a row, and no probability does.", hint
    if same is not None and (same.abs() > 1e-4).any():
        hint = "For equal rows the divergence is 0. Compare the logarithms before you weigh them."
        return f"If the guess is the truth, the divergence should be 0, and it is {show(same)}.", hint
    if any((value < -1e-4).any() for value in map(as_tensor, got) if value is not None):
        return "A result is below 0, and a KL divergence never is.", "Check the sign, and by what you weigh."
    return None


question = Question(
    "00b.1",
    "KL divergence from logits",
    kl,
    forbidden=("minillm", "torch.nn.functional.kl_div", "torch.kl_div", "torch.distributions"),
)

ordinary = question.probe("ordinary logits", _moderate, _rule, kinds=KINDS)
ordinary.mistake(
    "Truth and guess are swapped.",
    "It is the truth that says how often each token comes, so its probabilities weigh the surprises.",
    lambda truth, guess: kl(guess, truth),
)
ordinary.mistake(
    "This is the cross-entropy: the entropy of the truth is still in it.",
    "Take the entropy of the truth away, or compare the two logarithms before you weigh them.",
    lambda truth, guess: -(truth.softmax(-1) * guess.log_softmax(-1)).sum(-1),
)
ordinary.mistake(
    "The result is in bits.",
    "Use the natural logarithm: the course counts in nats.",
    lambda truth, guess: kl(truth, guess) / math.log(2),
)
ordinary.mistake(
    "It is the mean over the vocabulary, not the sum.",
    "The probabilities are weights already. Add up along the last axis; divide by nothing.",
    partial(_reduced, reduce=lambda products: products.mean(-1)),
)
ordinary.mistake(
    "All rows are brought together in one number.",
    "Each row has its own divergence: sum along the last axis only.",
    partial(_reduced, reduce=lambda products: products.sum()),
)


@ordinary.mistake(
    "Softmax runs along the wrong axis: each token's column adds up to 1.",
    "The probabilities of one row must add up to 1: the last axis, -1.",
)
def _wrong_axis(truth, guess):
    log_p, log_q = truth.log_softmax(0), guess.log_softmax(0)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


ordinary.mistake(
    "The guess's probabilities are the weights.",
    "The truth says how often each token comes: `log_p.exp()` weighs the differences.",
    lambda truth, guess: -kl(guess, truth),
)
ordinary.mistake(
    "Nothing is weighed: every token counts alike.",
    "Multiply each difference of the logarithms by the truth's probability.",
    lambda truth, guess: (truth.log_softmax(-1) - guess.log_softmax(-1)).sum(-1),
)
ordinary.mistake(
    "The logits themselves are compared, not the logarithms of probabilities.",
    "Logits are logarithms up to a constant in each row. `log_softmax` of both takes it away.",
    lambda truth, guess: (truth.softmax(-1) * (truth - guess)).sum(-1),
)
ordinary.mistake(
    "The absolute value of each token's term is taken.",
    "A single term may be negative; only the sum is never below 0. Take no absolute value.",
    partial(_reduced, reduce=lambda products: products.abs().sum(-1)),
)
ordinary.mistake(
    "It is the mean of both directions.",
    "Only the truth's probabilities weigh. KL(truth, guess) and KL(guess, truth) are two different terms.",
    lambda truth, guess: (kl(truth, guess) + kl(guess, truth)) / 2,
)


extreme = question.probe("logits of 150, and tokens that are ruled out", _extreme, _where, kinds=EXTREME)


@extreme.mistake(
    "The powers overflow: e to the 150 is too large for 32 bits.",
    "Subtract each row's largest logit first, or use what does it for you: `log_softmax`.",
)
def _powers_overflow(truth, guess):
    p, q = (logits.exp() / logits.exp().sum(-1, keepdim=True) for logits in (truth, guess))
    return (p * (p / q).log()).sum(-1)


@extreme.mistake(
    "Probabilities that were rounded to 0 are divided: the logarithm is infinite, or NaN.",
    "Write it as a difference of two logarithms, and take both from `log_softmax`: -150 stays -150.",
)
def _quotient_of_softmax(truth, guess):
    p, q = truth.softmax(-1), guess.softmax(-1)
    return (p * (p / q).log()).sum(-1)


@extreme.mistake(
    "A probability was rounded to 0 before its logarithm was taken.",
    "Never take the log of a softmax. `log_softmax` takes both in one go and keeps -150 as -150.",
)
def _log_of_softmax(truth, guess):
    p, q = truth.softmax(-1), guess.softmax(-1)
    return torch.where(p > 0, p * (p.log() - q.log()), 0.0).sum(-1)


@extreme.mistake(
    "A tiny number is added to the probabilities, and hides the true divergence.",
    "With 1e-9 no term can exceed 21 nats. Work with logarithms instead of probabilities.",
)
def _tiny_number(truth, guess):
    p, q = truth.softmax(-1), guess.softmax(-1)
    return (p * ((p + 1e-9) / (q + 1e-9)).log()).sum(-1)


extreme.mistake(
    "A token that the truth rules out brings NaN: 0 times infinity.",
    "What never happens adds nothing. Put 0 there by hand: `torch.where(p > 0, ..., 0.0)`.",
    partial(_reduced, reduce=lambda products: products.sum(-1)),
)
extreme.mistake(
    "Infinity was made a large, finite number.",
    "If the guess rules out what can happen, the divergence is infinite. Replace the NaN, not the infinity.",
    partial(_reduced, reduce=lambda products: products.nan_to_num().sum(-1)),
)
