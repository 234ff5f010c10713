"""10.2, a bug-hunt: advantages that are masked at the end, after the padding has spoken.

It happens: pull request 216 of rlhf-book mends returns into which the prices of padding had leaked, and issue 3750 of
trl is about a score that stands behind the end of its answer. All shapes fit, and what comes out looks masked.
"""

import random
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import apart, as_tensor
from minillm.course.checks.question import Question
from minillm.course.checks.rlhf.estimates import other_sums


def advantages(
    scores: Float[Tensor, "B"],
    log_probs: Float[Tensor, "B T"],
    reference: Float[Tensor, "B T"],
    values: Float[Tensor, "B T"],
    counts: Bool[Tensor, "B T"],
    price: float,
    trace: float,
) -> Float[Tensor, "B T"]:
    """The right answer: each row by itself, and of it the real tokens only.

    >>> tables = torch.tensor([[-1.0, -2.0, 9.0]]), torch.tensor([[-2.0, -2.0, 9.0]]), torch.tensor([[0.5, 1.0, 9.0]])
    >>> advantages(torch.tensor([3.0]), *tables, torch.tensor([[True, True, False]]), price=0.1, trace=0.5)
    tensor([[1.4000, 2.0000, 0.0000]])
    """
    found = torch.zeros_like(values)
    for row, n in enumerate(counts.sum(1).tolist()):
        rewards = -price * (log_probs[row, :n] - reference[row, :n])
        rewards[-1] += scores[row]
        after = torch.cat((values[row, 1:n], torch.zeros(1)))
        surprises = rewards + after - values[row, :n]
        weights = [trace ** torch.arange(n - t) for t in range(n)]
        found[row, :n] = torch.stack([weights[t] @ surprises[t:] for t in range(n)])
    return found


def _advantages(
    scores,
    log_probs,
    reference,
    values,
    counts,
    price,
    trace,
    *,
    mask_rewards=True,
    mask_values=True,
    masked=lambda table, counts: table.where(counts, 0.0),
    last=lambda counts: counts.sum(1) - 1,
    add=torch.add,
    ratio=torch.sub,
    discount=1.0,
    carried=lambda trace: trace,
    forwards=False,
    ends=lambda found, values: found,
):
    """Advantages of all rows together, with one thing done differently."""
    rewards = -price * ratio(log_probs, reference)
    rewards = masked(rewards, counts) if mask_rewards else rewards
    values = masked(values, counts) if mask_values else values
    rows = torch.arange(len(scores))
    places = last(counts)
    rewards[rows, places] = add(rewards[rows, places], scores)
    found, following, ahead = torch.zeros_like(values), torch.zeros(len(scores)), torch.zeros(len(scores))
    order = range(values.shape[1])
    for t in order if forwards else reversed(order):
        ahead = rewards[:, t] + discount * following - values[:, t] + carried(trace) * ahead
        found[:, t], following = ahead, values[:, t]
    return masked(ends(found, values), counts)


TIMES = 4  # answers, each alone and then in company
LONELY = ("an answer alone", "answers in company")


def _company(rng: random.Random, noise: bool) -> list[Call]:
    """Answers alone, and again with others that are longer; at padding stand strange numbers, or none."""
    calls = []
    for alone, others, trace in ((2, [4], 0.5), (1, [3, 1], 1.0), (3, [1, 6], 0.8), (5, [7, 2], 0.9)):
        price = rng.choice([0.1, 0.2, 0.5])
        lengths = [alone, *others]
        counts = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        scores, values = numbers(rng, len(lengths), scale=3.0), numbers(rng, *counts.shape, scale=2.0)
        log_probs, reference = (-0.1 - numbers(rng, *counts.shape).abs() for _ in range(2))
        if noise:
            bad = rng.sample([torch.nan, -torch.inf, torch.inf], 3)
            log_probs, reference, values = (
                table.where(counts, number) for table, number in zip((log_probs, reference, values), bad, strict=True)
            )
        tables = scores, log_probs, reference, values, counts
        first = tuple(table[:1] if table is scores else table[:1, :alone] for table in tables)
        calls += [(*first, price, trace), (*tables, price, trace)]
    return calls


def _leak(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The first answer of each second call is that of the call before it, so its advantages are, too."""
    found: list[Any] = [as_tensor(answer) for answer in got]
    if any(one is None or one.shape != due.shape for one, due in zip(found, right, strict=True)):
        return None
    if other := other_sums(calls, right, got):
        return other
    for call, due, one in zip(calls, right, found, strict=True):
        if (one[~call[4]].isnan() | one[~call[4]].ne(0)).any():
            return "Padding has an advantage.", "Where `counts` is False there is no token; the answer is 0 there."
        if not one.isfinite().all() and due.isfinite().all():
            hint = "A sum or a product with NaN is NaN, and 0 * inf, too. `torch.where` before the loop never reads it."
            return "What stands at the padding, NaN or infinity, reaches an answer.", hint
    if all(_normalized(one[call[4]]) for call, one in zip(calls, found, strict=True) if call[4].sum() > 1):
        hint = "The advantages themselves are asked for; whitening makes each depend on the others of its batch."
        return "The advantages are normalized: over a batch their mean is 0.", hint
    wrong = [apart(due, one) for due, one in zip(right, found, strict=True)]
    if any(table.any() for table in wrong[::2]):
        return None  # wrong without any company
    if any(table[0].any() for table in wrong):
        hint = "Follow the loop from the end of the row: what has it picked up when it reaches the last real token?"
        return "An answer's advantages change when a longer answer stands beside it.", hint
    hint = "Each row has its own last token, `counts.sum(1) - 1`. Is the length or the score of one row used for all?"
    return "Only the first answer of each batch is right; the others have other lengths.", hint


def _normalized(advantages: Tensor) -> bool:
    return abs(advantages.mean().item()) < 1e-4 < advantages.abs().max().item()


question = Question("10.2", "Masked, and the padding still counts", advantages)

batched = question.probe(
    "an answer alone, and beside a longer one", lambda rng: _company(rng, noise=False), _leak, kinds=LONELY * TIMES
)
batched.mistake(
    "Only the result is masked: values and penalties at the padding still flow to the left.",
    "The loop begins at the end of the row. Set the padding to 0 before it starts, not after.",
    partial(_advantages, mask_rewards=False, mask_values=False),
)
batched.mistake(
    "The penalties are set to 0, but after the last token comes the value of the padding.",
    "After an answer's end there is nothing to expect: `values` must be 0 there, too.",
    partial(_advantages, mask_values=False),
)
batched.mistake(
    "The values are set to 0, but the padding still has a KL penalty.",
    "The policy did not sample the padding. Its reward must be 0, too.",
    partial(_advantages, mask_rewards=False),
)
batched.mistake(
    "The score stands at the end of the row, not at the end of the answer.",
    "The last real token of a row is number `counts.sum(1) - 1`.",
    partial(_advantages, last=lambda counts: torch.full_like(counts.sum(1), counts.shape[1] - 1)),
)
batched.mistake(
    "Leaving the reference is rewarded: the penalty has the wrong sign.",
    "The penalty is subtracted: -price (log p - log p_ref).",
    partial(_advantages, ratio=lambda log_probs, reference: reference - log_probs),
)
batched.mistake(
    "At the last token the score has replaced the penalty.",
    "The last token has its penalty, as all others do. Add the score to it.",
    partial(_advantages, add=lambda reward, score: score),
)

PENALTY = "The penalty of a token is -price (log p - log p_ref): that difference itself, positive or negative."
ESTIMATES = {
    "The penalty is Schulman's estimate k3, not log p - log p_ref itself.": lambda x: (-x).exp() - 1 + x,
    "The difference log p - log p_ref is squared.": torch.square,
    "Half of the squared difference is the penalty, Schulman's k2.": lambda x: x.square() / 2,
    "The difference log p - log p_ref has lost its sign.": torch.abs,
    "The difference is cut off at 0, so a token that became less likely has no penalty.": torch.relu,
    "The penalty is missing.": torch.zeros_like,
    "The penalty is taken on p / p_ref, not on its logarithm.": torch.exp,
}
for sentence, estimate in ESTIMATES.items():
    batched.mistake(
        sentence,
        PENALTY,
        partial(_advantages, ratio=lambda log_probs, reference, estimate=estimate: estimate(log_probs - reference)),
    )
batched.mistake(
    "The penalty is taken on the probabilities, not on their logarithms.",
    PENALTY,
    partial(_advantages, ratio=lambda log_probs, reference: log_probs.exp() - reference.exp()),
)
batched.mistake(
    "`trace` also discounts the value that is expected next.",
    "Nothing is discounted here. `trace` multiplies the advantage of the next token only.",
    lambda *tables: _advantages(*tables, discount=tables[-1]),
)
batched.mistake(
    "`trace` discounts the next value in place of the next advantage.",
    "`trace` is GAE's lambda: it multiplies the advantage of the next token, and no value.",
    lambda *tables: _advantages(*tables, discount=tables[-1], carried=lambda trace: 1.0),
)
batched.mistake(
    "`trace` is not used: every later surprise counts in full.",
    "An advantage is its own surprise, and `trace` times the next token's advantage.",
    partial(_advantages, carried=lambda trace: 1.0),
)
batched.mistake(
    "Each token has its own surprise only; the later ones are not passed back.",
    "An advantage is its own surprise, and `trace` times the next token's advantage.",
    partial(_advantages, carried=lambda trace: 0.0),
)
batched.mistake(
    "The next token's value is missing.",
    "A surprise is the reward, plus the value of what follows, less the value before.",
    partial(_advantages, discount=0.0),
)
batched.mistake(
    "These are returns: the values are added to the advantages again.",
    "Return the advantages alone. (The returns are what the value head learns.)",
    partial(_advantages, ends=torch.add),
)
batched.mistake(
    "The loop goes from the beginning to the end.",
    "An advantage looks ahead, so the last token comes first: `reversed(range(T))`.",
    partial(_advantages, forwards=True),
)
batched.mistake(
    "The score is missing.",
    "The last token of an answer gets the score besides its penalty.",
    partial(_advantages, add=lambda reward, score: reward),
)
batched.mistake(
    "The score stands at the first token.",
    "It is given for the whole answer, so it comes with the last token.",
    partial(_advantages, last=lambda counts: torch.zeros_like(counts.sum(1))),
)
batched.mistake(
    "The score stands at every token.",
    "It is given once, for the whole answer, and comes with the last token.",
    lambda scores, log_probs, reference, values, counts, price, trace: _advantages(
        torch.zeros_like(scores), log_probs - scores[:, None] / price, reference, values, counts, price, trace
    ),
)
batched.mistake(
    "The score of the first answer is given to all.",
    "`scores` has a number for each row.",
    lambda scores, *tables: advantages(scores[:1].expand_as(scores), *tables),
)

nan_padding = question.probe(
    "padding that is not a number", lambda rng: _company(rng, noise=True), _leak, kinds=LONELY * TIMES
)
nan_padding.mistake(
    "0 times NaN is NaN.",
    "Do not multiply by the mask: `table.where(counts, 0.0)` never reads what stands at the padding.",
    partial(_advantages, masked=torch.mul),
)
