"""04.1: one head of attention with a mask (Vaswani et al. 2017, eq. 1)."""

import math
import random
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.attention.common import READY_MADE, moved
from minillm.course.checks.drawing import numbers
from minillm.course.checks.question import Question


def attention(
    query: Float[Tensor, "T D"], key: Float[Tensor, "S D"], value: Float[Tensor, "S D"], visible: Bool[Tensor, "T S"]
) -> Float[Tensor, "T D"]:
    """The right answer, by torch's own kernel.

    >>> one = torch.ones(1, 2)
    >>> attention(one, one, one, torch.ones(1, 1, dtype=torch.bool))
    tensor([[1., 1.]])
    """
    return F.scaled_dot_product_attention(query[None, None], key[None, None], value[None, None], visible)[0, 0]


def _scores(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.T / math.sqrt(query.shape[1])


def _mixed(scores: Tensor, value: Tensor, visible: Tensor) -> Tensor:
    return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


def _all_visible(rng: random.Random) -> list[Call]:
    def call(T: int, S: int, D: int) -> Call:
        shapes = (T, D), (S, D), (S, D)
        return *(numbers(rng, *shape) for shape in shapes), torch.ones(T, S, dtype=torch.bool)

    return [call(1, 2, 4), call(3, 5, 4), call(4, 4, 2), call(2, 7, 16)]


def _masked(rng: random.Random) -> list[Call]:
    """Each case twice: the second time with other keys and values where none may look."""

    def call(T: int, S: int, D: int, visible: Tensor, low: bool = False, very_low: bool = False) -> list[Call]:
        query, key, value = numbers(rng, T, D), numbers(rng, S, D), numbers(rng, S, D)
        if low:  # the only key that query 0 may see has a score far below 0
            query[0] = -100 * key[visible[0]].sign()
        if very_low:  # several visible keys with scores of some -900,000: whole and half numbers, exact in float32
            query, key = query.sign(), key.mul(2).round()
            query[:, 0], key[:, 0] = -600_000, torch.where(visible[0], 3, -3)
        changed = key.clone(), value.clone()
        hidden = int((~visible).any(0).nonzero().flatten()[-1])
        for tensor in changed:
            tensor[hidden] += 1 + numbers(rng, D).abs()
        return [(query, key, value, visible), (query, *changed, visible)]

    causal = torch.ones(5, 5, dtype=torch.bool).tril()
    scattered = numbers(rng, 4, 6) > 0
    scattered[:, 2] = True  # a query with nothing to see has no right answer
    scattered[0] = torch.arange(6) == 2
    small = torch.tensor([[True, False], [True, True]])
    return [
        *call(2, 2, 2, small),
        *call(5, 5, 4, causal),
        *call(4, 6, 8, scattered, low=True),
        *call(3, 5, 4, torch.tensor([[True, True, True, False, False]] * 3), very_low=True),
    ]


def _leak(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Two calls that differ in one key: a query from which that key is hidden must not notice."""
    for first in range(0, len(calls), 2):
        visible = calls[first][3]
        key = int((calls[first][1] != calls[first + 1][1]).any(-1).nonzero()[0])
        seeing = [t for t in moved(got[first], got[first + 1]) if t < len(visible) and not visible[t, key]]
        if seeing:
            hint = "A hidden score must be minus infinity before softmax: then its weight is exactly 0, in every case."
            return f"Query {seeing[0]} sees key {key}, which is hidden from it.", hint
    return None


question = Question("04.1", "One head", attention, forbidden=READY_MADE)

all_visible = question.probe("everything is visible", _all_visible)
all_visible.mistake(
    "The scores are not divided by sqrt(D).",
    "A dot product of D numbers has a spread of sqrt(D). Divide by that before softmax.",
    lambda query, key, value, visible: _mixed(query @ key.T, value, visible),
)
all_visible.mistake(
    "The scores are divided by D, not by sqrt(D).",
    "It is the variance that grows like D; the spread grows like its root.",
    lambda query, key, value, visible: _mixed(query @ key.T / query.shape[1], value, visible),
)
all_visible.mistake(
    "The scores are divided by the root of the number of keys.",
    "D is the number of entries in a query, `query.shape[-1]`, and not the number of keys.",
    lambda query, key, value, visible: _mixed(query @ key.T / math.sqrt(len(key)), value, visible),
)
all_visible.mistake(
    "Softmax runs along the wrong axis: each key's weights add up to 1.",
    "The weights of one query must add up to 1. They stand in a row of (T, S): the last axis.",
    lambda query, key, value, visible: _scores(query, key).masked_fill(~visible, -math.inf).softmax(0) @ value,
)
all_visible.mistake(
    "The scores are used as weights, without softmax.",
    "Weights are positive and add up to 1 for each query. Softmax makes them so.",
    lambda query, key, value, visible: _scores(query, key) @ value,
)
all_visible.mistake(
    "Nothing is hidden, and all is NaN: the mask is upside down, or 0 is multiplied by infinity.",
    "`masked_fill` fills where it finds True; so give it `~visible`. And never multiply by infinity.",
    lambda query, key, value, visible: _mixed(_scores(query, key), value, ~visible),
)

some_hidden = question.probe("some keys are hidden", _masked, _leak)
some_hidden.mistake(
    "The mask comes after softmax: hidden scores are still in the sum that it divides by.",
    "Hide the scores, not the weights: minus infinity in front of softmax.",
    lambda query, key, value, visible: _scores(query, key).softmax(-1).where(visible, 0.0) @ value,
)
some_hidden.mistake(
    "A hidden score is 0, and e to the 0 is 1.",
    "Softmax takes e to the power of a score. Which score makes that 0?",
    lambda query, key, value, visible: _scores(query, key).masked_fill(~visible, 0.0).softmax(-1) @ value,
)
some_hidden.mistake(
    "The hidden score is a number that visible scores can fall below.",
    "Trained heads have visible scores below -40 (lab 04), and here some are at -900,000. Use -inf.",
    lambda query, key, value, visible: _scores(query, key).masked_fill(~visible, -10.0).softmax(-1) @ value,
)


@some_hidden.mistake(
    "Far below 0 all powers of a query's scores are rounded to 0, and 0 / 0 is NaN.",
    "Subtract each row's largest visible score before you take powers, or use `softmax`, which does.",
)
def _powers_by_hand(query, key, value, visible):
    powers = _scores(query, key).exp() * visible
    return powers / powers.sum(-1, keepdim=True) @ value


some_hidden.mistake(
    "The mask is not used.",
    "`visible` is True where a query may look; everywhere else the weight must be 0.",
    lambda query, key, value, visible: _scores(query, key).softmax(-1) @ value,
)
