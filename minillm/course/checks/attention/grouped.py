"""04.2, a bug-hunt: query heads that read the wrong keys, and a mask that forgets what lies in the cache.

Both happen: all shapes fit and nothing is raised. `repeat` deals out shared heads in turn where `repeat_interleave`
keeps neighbors together, and a triangle of (T, S) starts in the upper left corner, as that of torch's `is_causal` does.
"""

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.attention.common import READY_MADE
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import apart, as_tensor
from minillm.course.checks.question import Mistake, Question


def grouped_attention(
    query: Float[Tensor, "H T D"], key: Float[Tensor, "K S D"], value: Float[Tensor, "K S D"]
) -> Float[Tensor, "H T D"]:
    """The right answer: causal attention of the last T of S positions, H / K query heads per key/value head.

    >>> value = torch.tensor([[[1.0]], [[2.0]]])
    >>> grouped_attention(torch.ones(4, 1, 1), value, value).flatten()
    tensor([1., 1., 2., 2.])
    """
    return _grouped(query, key, value)


def _neighbors(part: Tensor, times: int) -> Tensor:
    return part.repeat_interleave(times, dim=0)


def _in_turn(part: Tensor, times: int) -> Tensor:
    return part.repeat(times, 1, 1)


def _grouped(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    share_keys: Callable[[Tensor, int], Tensor] = _neighbors,
    share_values: Callable[[Tensor, int], Tensor] = _neighbors,
    diagonal: int | None = None,
    scale: float | None = None,
    hidden: float = -math.inf,
    axis: int = -1,
    empty: float = 0.0,
) -> Tensor:
    """Grouped attention with one thing done differently; `diagonal` is that of the mask's triangle."""
    (H, T, D), (K, S, _) = query.shape, key.shape
    key, value = share_keys(key, H // K), share_values(value, H // K)
    visible = torch.ones(T, S, dtype=torch.bool).tril(S - T if diagonal is None else diagonal)
    scores = query @ key.mT * (D**-0.5 if scale is None else scale)
    return scores.masked_fill(~visible, hidden).softmax(axis).nan_to_num(empty) @ value


def _calls(rng: random.Random, *sizes: tuple[int, int, int, int, int], scale: float = 1.0) -> list[Call]:
    """For each (H, K, T, S, D) three calls: two of them have another key, or another value, at one position."""
    calls = []
    for H, K, T, S, D in sizes:
        query = numbers(rng, H, T, D, scale=scale)
        key, value = numbers(rng, K, S, D), numbers(rng, K, S, D)
        other_key, other_value = key.clone(), value.clone()
        position = rng.randrange(1, S) if S > 1 else 0
        for part in (other_key, other_value):
            part[:, position] += 1 + numbers(rng, K, D).abs()
        calls += [(query, key, value), (query, key, other_value), (query, other_key, value)]
    return calls


def _whole_text(rng: random.Random) -> list[Call]:
    sizes = (4, 2, 2, 2, 2), (6, 2, 4, 4, 2), (9, 3, 5, 5, 4), (4, 1, 3, 3, 2), (3, 3, 4, 4, 8), (3, 3, 1, 1, 1)
    return [*_calls(rng, *sizes), *_calls(rng, (4, 2, 8, 8, 4), scale=100.0)]


def _with_cache(rng: random.Random) -> list[Call]:
    sizes = (4, 2, 1, 3, 2), (4, 2, 2, 5, 2), (9, 3, 3, 7, 4), (2, 1, 4, 5, 1), (2, 2, 1, 6, 8)
    return [*_calls(rng, *sizes), *_calls(rng, (4, 2, 3, 6, 4), scale=100.0)]


def _leak(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """A query that notices another value, or only another key, at a position that it must not see."""
    found = [tensor for gave in got if (tensor := as_tensor(gave)) is not None]
    if [tensor.shape for tensor in found] != [wanted.shape for wanted in right]:
        return None
    for part in (2, 1):  # first the values
        for first in range(0, len(calls), 3):
            same, other = first, first + 3 - part
            T, S = calls[same][0].shape[1], calls[same][1].shape[1]
            changed = int((calls[same][part] != calls[other][part]).any(-1).any(0).nonzero()[0])
            for t in apart(found[same], found[other]).any(-1).any(0).nonzero().flatten().tolist():
                if t + S - T < changed:
                    start = f"The output at position {t + S - T} depends on"
                    if part == 2:
                        hint = "Query t stands at position S - T + t. It sees the keys 0 to S - T + t and no others."
                        return f"{start} position {changed}, which comes after it.", hint
                    hint = "A hidden score must be minus infinity *before* the softmax, or its e^score is in the sum."
                    return f"{start} the key of position {changed}, which comes after it, but not on its value.", hint
    return None


question = Question("04.2", "Right shapes, wrong words", grouped_attention, forbidden=READY_MADE)

SAME = [
    Mistake(
        "The key/value heads are still dealt out in turn: query heads 0 and 1 read different ones.",
        "With H = 4 and K = 2, query heads 0 and 1 share key/value head 0. Which order does `repeat` give?",
        partial(_grouped, share_keys=_in_turn, share_values=_in_turn),
    ),
    Mistake(
        "The keys are mended, but the values are still dealt out in turn.",
        "A head must read the values that belong to its keys: share both in the same order.",
        partial(_grouped, share_values=_in_turn),
    ),
    Mistake(
        "The values are mended, but the keys are still dealt out in turn.",
        "A head must read the values that belong to its keys: share both in the same order.",
        partial(_grouped, share_keys=_in_turn),
    ),
    Mistake(
        "All query heads read key/value head 0.",
        "Query head h reads key/value head h // (H / K).",
        lambda query, key, value: _grouped(query, key[:1], value[:1]),
    ),
    Mistake(
        "Nothing is hidden: every query sees all S keys.",
        "The mask was not the reason for the wrong heads. Put it back.",
        lambda query, key, value: _grouped(query, key, value, diagonal=key.shape[1]),
    ),
    Mistake(
        "Hidden scores are set to 0, where e^0 = 1 still counts.",
        "Fill them with minus infinity before the softmax.",
        partial(_grouped, hidden=0.0),
    ),
    *(
        Mistake(
            "Hidden scores are set to a finite number, and a visible score may be lower.",
            "Fill them with minus infinity before the softmax.",
            partial(_grouped, hidden=hidden),
        )
        for hidden in (-1.0, -10.0, -100.0)
    ),
    Mistake(
        "The softmax runs over the queries and not over the keys.",
        "The weights of one query add up to 1: `softmax(-1)`.",
        partial(_grouped, axis=-2),
    ),
    *(
        Mistake(
            "The scores are divided by another number than sqrt(D).",
            "D is the width of one head, `query.shape[-1]`, and its root is taken.",
            lambda query, key, value, scale=scale: _grouped(query, key, value, scale=scale(*query.shape, len(key))),
        )
        for scale in (
            lambda H, T, D, K: (H * D) ** -0.5,
            lambda H, T, D, K: (K * D) ** -0.5,
            lambda H, T, D, K: H**-0.5,
            lambda H, T, D, K: 1 / D,
        )
    ),
    Mistake(
        "The scores are not divided by sqrt(D).",
        "D is the width of one head, `query.shape[-1]`.",
        partial(_grouped, scale=1.0),
    ),
]

whole_text = question.probe("a whole text", _whole_text, _leak, same=SAME)
whole_text.mistake(
    "Each query sees one position too many, the one after its own.",
    "Query t of a whole text sees the keys 0 to t: `tril()` without a number.",
    lambda query, key, value: _grouped(query, key, value, diagonal=1),
)
whole_text.mistake(
    "Each query is hidden from its own key.",
    "Query t of a whole text sees the keys 0 to t, its own included.",
    lambda query, key, value: _grouped(query, key, value, diagonal=key.shape[1] - query.shape[1] - 1),
)

with_cache = question.probe("the last queries, with a cache", _with_cache, _leak)
with_cache.mistake(
    "The mask starts at key 0: the queries are counted from 0, but they are the last T of S positions.",
    "Query 0 stands at position S - T, so it sees S - T + 1 keys. Where does `tril()` begin?",
    partial(_grouped, diagonal=0),
)
with_cache.mistake(
    "With a cache nothing is hidden: the first of several queries sees the keys of the later ones.",
    "Several queries at once still need a mask: query t sees the keys 0 to S - T + t.",
    lambda query, key, value: _grouped(query, key, value, diagonal=key.shape[1]),
)
with_cache.mistake(
    "Each query sees one key too many.",
    "The last key that query t sees is its own, S - T + t.",
    lambda query, key, value: _grouped(query, key, value, diagonal=key.shape[1] - query.shape[1] + 1),
)
with_cache.mistake(
    "Each query is hidden from its own key.",
    "The last key that query t sees is its own, S - T + t.",
    lambda query, key, value: _grouped(query, key, value, diagonal=key.shape[1] - query.shape[1] - 1),
)
with_cache.mistake(
    "The cache is thrown away: only the last T keys are read.",
    "All S keys can be visible; the queries are the last T of them.",
    lambda query, key, value: _grouped(query, key[:, -query.shape[1] :], value[:, -query.shape[1] :]),
)
for _empty in (0.0, math.nan):
    with_cache.mistake(
        "The triangle is moved by the length of the cache in the wrong direction: early queries see nothing.",
        "Query t sees S - T + t + 1 keys: `tril(S - T)`, and not `tril(T - S)`.",
        lambda query, key, value, empty=_empty: _grouped(
            query, key, value, diagonal=query.shape[1] - key.shape[1], empty=empty
        ),
    )
