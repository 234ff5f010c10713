"""Texts for 07.1, their log-probabilities, and answers that go wrong, each in its own way."""

import math
import random
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.course.checks.asking import Call


def text_log_prob(logits: Float[Tensor, "T V"], ids: Int[Tensor, "T"], temperature: float, min_p: float) -> float:
    """The right answer, in float64.

    >>> logits = torch.tensor([[0.5, 0.4, 0.1], [0.3, 0.5, 0.2]]).log()
    >>> round(text_log_prob(logits, torch.tensor([0, 1]), temperature=0.5, min_p=0.45), 4)
    -0.8022
    """
    return text_with(logits, ids, temperature, min_p)


def after_min_p(logits: Tensor, min_p: float, *, limit=lambda probs: probs.amax(-1, True)) -> Tensor:
    """The logits, minus infinity below the limit; `limit` is what `min_p` is a share of."""
    probs = logits.softmax(-1)
    return logits.masked_fill(probs < min_p * limit(probs), -math.inf)


def token_log_probs(logits, ids, temperature, min_p, *, cut=after_min_p, scale=torch.div, axis=-1) -> Tensor:
    """The log-probability of each token, with one thing done differently."""
    log_p = scale(cut(logits.double(), min_p), temperature).log_softmax(axis)
    return log_p.gather(-1, ids[:, None])[:, 0]


def text_with(*call: Any, total: Callable[[Tensor], Tensor] = torch.sum, **changes: Any) -> float:
    """The log-probability of a text, with one thing done differently."""
    return float(total(token_log_probs(*call, **changes)))


def temperature_first(logits, ids, temperature, min_p) -> float:
    """Min-p after the division by the temperature."""
    return text_with(logits.double() / temperature, ids, 1.0, min_p)


def out_of_all(logits, ids, temperature, min_p) -> float:
    """Without a second normalization after the cut."""
    removed = after_min_p(logits.double(), min_p).isneginf().gather(-1, ids[:, None])[:, 0]
    return float(token_log_probs(logits, ids, temperature, 0.0).masked_fill(removed, -math.inf).sum())


def scaled_afterwards(logits, ids, temperature, min_p) -> float:
    """Log-probabilities divided by the temperature."""
    return text_with(logits, ids, 1.0, min_p) / temperature


def own_kept(logits, ids, temperature, min_p) -> float:
    """Min-p that never removes a token of the text."""

    def cut(logits: Tensor, min_p: float) -> Tensor:
        return after_min_p(logits, min_p).scatter(-1, ids[:, None], logits.gather(-1, ids[:, None]))

    return text_with(logits, ids, temperature, min_p, cut=cut)


def zeros_for_removed(logits: Tensor, min_p: float) -> Tensor:
    """Logits of 0 for what is removed."""
    kept = after_min_p(logits, min_p)
    return torch.where(kept.isneginf(), 0.0, kept)


def finite_for_removed(logits: Tensor, min_p: float, logit: float) -> Tensor:
    """A large negative logit for what is removed."""
    kept = after_min_p(logits, min_p)
    return torch.where(kept.isneginf(), logit, kept)


def share_of_logit(logits: Tensor, min_p: float) -> Tensor:
    """A limit that is a share of the largest logit."""
    return logits.masked_fill(logits < min_p * logits.amax(-1, keepdim=True), -math.inf)


def most_probable(logits, ids, temperature, min_p) -> float:
    """The most probable tokens in place of the text's."""
    return text_with(logits, logits.argmax(-1), temperature, min_p)


def shifted(logits, ids, temperature, min_p) -> float:
    """Row t for token t + 1."""
    return text_with(logits[:-1], ids[1:], temperature, min_p)


def _clear(row: Tensor, temperature: float, min_p: float) -> bool:
    """Whether no probability is near the limit, at temperature 1 or after the division, and one is the largest."""
    top = row.topk(2).values
    for z in (row.double(), row.double() / temperature):
        share = (z - z.max()).exp()
        if (((share - min_p).abs() < 0.02 * min_p) & (share < 1)).any():
            return False
    return bool(top[0] > top[1])


def _row(rng: random.Random, V: int, temperature: float, min_p: float, unit: float, removed: int) -> Tensor:
    while True:
        row = torch.tensor([round(rng.gauss(0, 2), 1) * unit for _ in range(V)])
        row[rng.sample(range(V), removed)] = -math.inf
        if _clear(row, temperature, min_p):
            return row


def _text_drawn(
    rng: random.Random,
    T: int,
    V: int,
    temperature: float,
    min_p: float,
    *,
    unit: float = 1.0,
    removed: int = 0,
    possible: bool = True,
) -> Call:
    """Logits in some unit and a text that can be written, or (`possible` is False) one that the cut forbids."""
    while True:
        logits = torch.stack([_row(rng, V, temperature, min_p, unit, removed) for _ in range(T)])
        kept = after_min_p(logits, min_p).isfinite()
        ids = torch.tensor([rng.choice(row.nonzero().flatten().tolist()) for row in kept])
        if possible:
            return logits, ids, temperature, min_p
        if not kept[-1].all():
            ids[-1] = rng.choice((~kept[-1]).nonzero().flatten().tolist())
            return logits, ids, temperature, min_p


def without_min_p(rng: random.Random) -> list[Call]:
    """One text for each kind in WITHOUT."""
    return [
        _text_drawn(rng, 2, 3, 0.5, 0.0),
        _text_drawn(rng, 1, 4, 2.0, 0.0),
        _text_drawn(rng, 4, 5, 1.0, 0.0),
        _text_drawn(rng, 5, 4, 1.7, 0.0),
        _text_drawn(rng, 3, 4, 0.01, 0.0),
        _text_drawn(rng, 3, 4, 1.5, 0.0, unit=1000.0),
        _text_drawn(rng, 700, 8, 1.3, 0.0),
        _text_drawn(rng, 4, 5, 0.7, 0.0, removed=2),
    ]


WITHOUT = (
    "two tokens",
    "a single token",
    "temperature 1",
    "temperature 1.7",
    "temperature 0.01",
    "logits in the thousands",
    "700 tokens",
    "logits of minus infinity",
)


def with_min_p(rng: random.Random) -> list[Call]:
    """One text for each kind in WITH."""
    example = torch.tensor([[0.5, 0.4, 0.1], [0.3, 0.5, 0.2]]).log()
    return [
        (example, torch.tensor([0, 1]), 0.5, 0.45),
        _text_drawn(rng, 3, 5, 2.0, 0.1),
        _text_drawn(rng, 4, 5, 1.5, 0.3),
        _text_drawn(rng, 4, 6, 1.0, 0.2),
        _text_drawn(rng, 3, 6, 0.4, 0.05),
        _text_drawn(rng, 600, 8, 3.0, 0.1),
        _text_drawn(rng, 3, 5, 1.2, 0.3, possible=False),
        _text_drawn(rng, 3, 4, 0.8, 1.0),
        _text_drawn(rng, 3, 6, 1.5, 0.02, removed=2),
        _text_drawn(rng, 3, 4, 100.0, 0.3),
        _text_drawn(rng, 3, 4, 1.4, 0.2, unit=1000.0),
    ]


WITH = (
    "the example",
    "temperature 2",
    "temperature 1.5",
    "temperature 1",
    "temperature 0.4",
    "600 tokens",
    "a text that the sampler can't write",
    "min_p = 1",
    "logits of minus infinity",
    "temperature 100",
    "logits in the thousands",
)
