"""00a.1: the Kullback-Leibler divergence of two rows of logits (Kullback and Leibler 1951), where exp overflows too."""

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
from minillm.course.checks.plain import as_tensor, show
from minillm.course.checks.question import Question


def kl(truth: Float[Tensor, "B V"], guess: Float[Tensor, "B V"]) -> Float[Tensor, "B"]:
    """The right answer in nats, by torch's own function.

    >>> kl(torch.tensor([[0.5, 0.25, 0.25]]).log(), torch.tensor([[0.25, 0.25, 0.5]]).log())
    tensor([0.1733])
    """
    log_p, log_q = truth.double().log_softmax(-1), guess.double().log_softmax(-1)
    prices = F.kl_div(log_q, log_p, reduction="none", log_target=True)
    return prices.where(log_p > -torch.inf, 0.0).sum(-1).float()  # torch, too, makes NaN of 0 times infinity


def _reduced(truth: Tensor, guess: Tensor, *, reduce: Callable[[Tensor], Tensor]) -> Tensor:
    """The products of p and log(p / q), brought together in another way."""
    log_p, log_q = truth.log_softmax(-1), guess.log_softmax(-1)
    return reduce(log_p.exp() * (log_p - log_q))


def _moderate(rng: random.Random) -> list[Call]:
    return [(numbers(rng, B, V), numbers(rng, B, V)) for B, V in ((1, 3), (2, 3), (4, 6), (5, 5))]


def _extreme(rng: random.Random) -> list[Call]:
    """Rows of four kinds: high logits, far apart; tokens that both rule out; one that only the truth rules out; and
    one that only the guess does. Last, a token that the truth finds possible, if hardly, and the guess does not."""
    calls = []
    for B, V in ((4, 3), (8, 6)):
        truth, guess = numbers(rng, B, V), numbers(rng, B, V)
        guess[::4, 1:] += 150
        truth[4::4, 0] += 150  # sure of something else
        truth[1::4, 0] = guess[1::4, 0] = -math.inf
        truth[2::4, 0] = -math.inf
        guess[3::4, 1] = -math.inf
        calls.append((truth, guess))
    truth, guess = numbers(rng, 2, 3), numbers(rng, 2, 3)
    truth[:, 0], guess[1, 0] = -60.0, -math.inf
    return [*calls, (truth, guess)]


def _where(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """What kind of a row it is that went wrong."""
    for wanted, answer in zip(right, got, strict=True):
        answer = as_tensor(answer)
        if answer is None or answer.shape != wanted.shape:
            return None
        for row, (cost, other) in enumerate(zip(wanted, answer.to(wanted.dtype), strict=True)):
            if other.isnan():
                hint = "NaN comes of infinity by infinity, infinity minus infinity, or 0 times infinity. Which is it?"
                return f"Row {row} costs {show(cost)}, and the answer is NaN.", hint
            if cost.isinf() and not other.isinf():
                hint = "Where the guess has minus infinity and the truth has not, the price is infinite. Leave it so."
                return f"Row {row} of the guess rules out what can happen, and yet it costs {show(other)}.", hint
    return None


question = Question(
    "00a.1",
    "What a wrong belief costs",
    kl,
    forbidden=("minillm", "torch.nn.functional.kl_div", "torch.kl_div", "torch.distributions"),
)

ordinary = question.probe("ordinary logits", _moderate)
ordinary.mistake(
    "Truth and guess have changed places.",
    "It is the truth that says how often each token comes, so its probabilities weigh the surprises.",
    lambda truth, guess: kl(guess, truth),
)
ordinary.mistake(
    "This is the cross-entropy: what nobody can save is still in it.",
    "Take the entropy of the truth away, or compare the two logarithms before you weigh them.",
    lambda truth, guess: -(truth.softmax(-1) * guess.log_softmax(-1)).sum(-1),
)
ordinary.mistake(
    "The price is in bits.",
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
    "Each row has a price of its own: add up along the last axis only.",
    partial(_reduced, reduce=lambda products: products.sum()),
)


@ordinary.mistake(
    "Softmax runs along the wrong axis: each token's column adds up to 1.",
    "The probabilities of one row must add up to 1: the last axis, -1.",
)
def _wrong_axis(truth, guess):
    log_p, log_q = truth.log_softmax(0), guess.log_softmax(0)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


extreme = question.probe("logits of 150, and tokens that are ruled out", _extreme, _where)


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
    "A tiny number is added to the probabilities, and hides the true price.",
    "With 1e-9 no mistake can cost more than 21 nats. Work with logarithms instead of probabilities.",
)
def _tiny_number(truth, guess):
    p, q = truth.softmax(-1), guess.softmax(-1)
    return (p * ((p + 1e-9) / (q + 1e-9)).log()).sum(-1)


extreme.mistake(
    "A token that the truth rules out brings NaN: 0 times infinity.",
    "What never happens costs nothing. Put 0 there by hand: `torch.where(p > 0, ..., 0.0)`.",
    partial(_reduced, reduce=lambda products: products.sum(-1)),
)
extreme.mistake(
    "Infinity was made a large, finite number.",
    "A belief that rules out what can happen costs infinitely much. Mend the NaN, not the infinity.",
    partial(_reduced, reduce=lambda products: products.nan_to_num().sum(-1)),
)
