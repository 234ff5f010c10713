"""What a message says of advantages that fit no known mistake, for 10.2: which other sum over the tokens they are."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference

HINT = "From the last token back: surprise = reward + next value - value; advantage = surprise + trace x the next one."
Row = Callable[[Tensor, Tensor, Tensor, float], Tensor]  # of an answer's rewards, values, surprises, and the trace


def _sums(row: Tensor, weight: float) -> Tensor:
    """For each place the sum of what comes from it on, each later one times `weight` once more."""
    sums, ahead = torch.zeros_like(row), torch.zeros(())
    for place in reversed(range(len(row))):
        ahead = row[place] + weight * ahead
        sums[place] = ahead
    return sums


def _last_only(surprises: Tensor, trace: float) -> Tensor:
    """Each advantage has its own surprise and the next one only."""
    return surprises + trace * torch.cat((surprises[1:], torch.zeros(1)))


ROWS: dict[str, Row] = {
    "Each advantage collects the surprises of the tokens before it, not of those after it.": lambda r, v, d, trace: (
        _sums(d.flip(0), trace).flip(0)
    ),
    "Each advantage is the surprise of its own token alone; what follows is left out.": lambda r, v, d, trace: d,
    "The surprises are added without `trace`.": lambda r, v, d, trace: _sums(d, 1.0),
    "Each advantage has the surprise of its token and of the next one only.": lambda r, v, d, trace: _last_only(
        d, trace
    ),
    "The square of `trace` weighs the next advantage.": lambda r, v, d, trace: _sums(d, trace**2),
    "1 - `trace` weighs the next advantage.": lambda r, v, d, trace: _sums(d, 1 - trace),
    "The surprises themselves are multiplied by `trace`, too.": lambda r, v, d, trace: trace * _sums(d, trace),
    "The next value is multiplied by `trace`, too: `trace` is not a discount.": lambda r, v, d, trace: _sums(
        r + trace * torch.cat((v[1:], torch.zeros(1))) - v, trace
    ),
    "The values of the next tokens are left out of the surprises.": lambda r, v, d, trace: _sums(r - v, trace),
    "These are sums of rewards; the values are not used.": lambda r, v, d, trace: _sums(r, 1.0),
    "These are sums of rewards, weighed by `trace`; the values are not used.": lambda r, v, d, trace: _sums(r, trace),
    "These are the rewards to come less the value: as with a `trace` of 1.": lambda r, v, d, trace: _sums(r, 1.0) - v,
    "These are the rewards to come, weighed by `trace`, less the value.": lambda r, v, d, trace: _sums(r, trace) - v,
    "The surprises have the other sign: value - reward - next value.": lambda r, v, d, trace: _sums(-d, trace),
    "The value of the token before is taken, not that of the next one.": lambda r, v, d, trace: _sums(
        r + torch.cat((torch.zeros(1), v[:-1])) - v, trace
    ),
    "Behind the last token its own value is expected, not 0.": lambda r, v, d, trace: _sums(
        r + torch.cat((v[1:], v[-1:])) - v, trace
    ),
    "The values are added to the advantages: these are returns.": lambda r, v, d, trace: _sums(d, trace) + v,
    "The advantages of an answer have their mean taken off.": lambda r, v, d, trace: (
        _sums(d, trace) - _sums(d, trace).mean()
    ),
    "Every token has the advantage of the answer's first one.": lambda r, v, d, trace: _sums(d, trace)[:1].expand_as(d),
}


def other_sums(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Another sum over the right rewards and values, in every answer."""
    for sentence, row in ROWS.items():
        made = [_all(call, row) for call in calls]
        if difference(made, got) is None:
            return sentence, HINT
    return None


def _all(call: Call, made: Row) -> Tensor:
    scores, log_probs, reference, values, counts, price, trace = call
    found = torch.zeros_like(values)
    for place, n in enumerate(counts.sum(1).tolist()):
        rewards = -price * (log_probs[place, :n] - reference[place, :n])
        rewards[-1] += scores[place]
        value = values[place, :n]
        surprises = rewards + torch.cat((value[1:], torch.zeros(1))) - value
        found[place, :n] = made(rewards, value, surprises, trace)
    return found
