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
    sign=-1.0,
):
    """Advantages of all rows together, with one thing done differently."""
    rewards = sign * price * (log_probs - reference)
    rewards = masked(rewards, counts) if mask_rewards else rewards
    values = masked(values, counts) if mask_values else values
    rows = torch.arange(len(scores))
    rewards[rows, last(counts)] = add(rewards[rows, last(counts)], scores)
    found, following, ahead = torch.zeros_like(values), torch.zeros(len(scores)), torch.zeros(len(scores))
    for t in reversed(range(values.shape[1])):
        ahead = rewards[:, t] + following - values[:, t] + trace * ahead
        found[:, t], following = ahead, values[:, t]
    return masked(found, counts)


def _company(rng: random.Random, noise: bool) -> list[Call]:
    """Answers alone, and again with others that are longer; at padding stand strange numbers, or none."""
    calls = []
    for alone, others in ((2, [4]), (3, [1, 6]), (5, [7, 2])):
        price, trace = rng.choice([0.1, 0.2, 0.5]), rng.choice([0.5, 0.8, 0.9])
        lengths = [alone, *others]
        counts = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        scores, values = numbers(rng, len(lengths), scale=3.0), numbers(rng, *counts.shape, scale=2.0)
        log_probs, reference = (-0.1 - numbers(rng, *counts.shape).abs() for _ in range(2))
        if noise:
            log_probs, reference = (table.where(counts, -torch.inf) for table in (log_probs, reference))
            values = values.where(counts, torch.nan)
        tables = scores, log_probs, reference, values, counts
        first = tuple(table[:1] if table is scores else table[:1, :alone] for table in tables)
        calls += [(*first, price, trace), (*tables, price, trace)]
    return calls


def _leak(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The first answer of each second call is that of the call before it, so its advantages are, too."""
    for first in range(0, len(calls), 2):
        alone, together = as_tensor(got[first]), as_tensor(got[first + 1])
        counts = calls[first + 1][4]
        if alone is None or together is None or together.shape != counts.shape:
            return None
        if together[~counts].ne(0).any():
            return "Padding has an advantage.", "Where `counts` is False there is no token; the answer is 0 there."
        if alone.shape != calls[first][4].shape or apart(right[first], alone).any():
            return None  # wrong without any company
        if apart(alone, together[:1, : alone.shape[1]]).any():
            hint = "Follow the loop from the end of the row: what has it picked up when it reaches the last real token?"
            return "An answer's advantages change when a longer answer stands beside it.", hint
    return None


question = Question("10.2", "Masked, and the padding still speaks", advantages)

batched = question.probe("an answer alone, and in company", lambda rng: _company(rng, noise=False), _leak)
batched.mistake(
    "Only the result is masked: values and prices at the padding still flow to the left.",
    "The loop begins at the end of the row. Silence the padding before it starts, not after.",
    partial(_advantages, mask_rewards=False, mask_values=False),
)
batched.mistake(
    "The prices are silenced, but behind the last token the value of the padding is expected.",
    "After an answer's end there is nothing to expect: `values` must be 0 there, too.",
    partial(_advantages, mask_values=False),
)
batched.mistake(
    "The values are silenced, but padding still pays the price of leaving the reference.",
    "Padding was not drawn by the policy. Its reward must be 0, too.",
    partial(_advantages, mask_rewards=False),
)
batched.mistake(
    "The score stands at the end of the row, not at the end of the answer.",
    "The last real token of a row is number `counts.sum(1) - 1`.",
    partial(_advantages, last=lambda counts: torch.full_like(counts.sum(1), counts.shape[1] - 1)),
)
batched.mistake(
    "Leaving the reference is rewarded: the price has the wrong sign.",
    "The price is taken off: -price (log p - log p_ref).",
    partial(_advantages, sign=1.0),
)
batched.mistake(
    "At the last token the score has replaced the price.",
    "The last token pays its price as all others do. Add the score to it.",
    partial(_advantages, add=lambda reward, score: score),
)

nan_padding = question.probe("padding that is no number", lambda rng: _company(rng, noise=True), _leak)
nan_padding.mistake(
    "0 times NaN is NaN.",
    "Do not multiply by the mask: `table.where(counts, 0.0)` never reads what stands at the padding.",
    partial(_advantages, masked=torch.mul),
)
