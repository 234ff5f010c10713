"""Batches for 07.2, tokens that are drawn by Gumbel noise, and answers that go wrong, each in its own way."""

import math
import random
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.course.checks.asking import Call

MARGIN = 0.01  # by which the best score leads, so that rounding decides nothing


def gumbel_max(
    logits: Float[Tensor, "B V"], temperature: Float[Tensor, "B"], u: Float[Tensor, "B V"]
) -> Int[Tensor, "B"]:
    """The right answer: logits plus the temperature times Gumbel noise, in float64.

    >>> gumbel_max(torch.tensor([[0.0, 1.0]] * 2), torch.tensor([0.0, 2.0]), torch.tensor([[0.9, 0.1]] * 2))
    tensor([1, 0])
    """
    return drawn_with(logits, temperature, u)


def gumbel_noise(u: Tensor) -> Tensor:
    """-log(-log u)."""
    return -(-u.log()).log()


def scores_of(
    logits: Tensor, temperature: Tensor, u: Tensor, noise: Callable[[Tensor], Tensor] = gumbel_noise
) -> Tensor:
    """The logits with noise at each row's temperature, and without it at temperature 0."""
    t = temperature.double()[:, None].expand_as(logits)
    return torch.where(t > 0, logits.double() + t * noise(u.double()), logits.double())


def drawn_with(logits, temperature, u, *, noise=gumbel_noise, choose=lambda scores: scores.argmax(-1)) -> Tensor:
    """Tokens drawn with other noise, or chosen otherwise."""
    return choose(scores_of(logits, temperature, u, noise))


def divided_too(logits, temperature, u) -> Tensor:
    """Noise that is divided by the temperature together with the logits."""
    return at_temperature(logits, temperature, u, 1.0)


def at_temperature(logits, temperature, u, at: Any, cold: bool = True) -> Tensor:
    """At some other temperature, except (`cold`) where it is 0."""
    t = torch.as_tensor(at, dtype=temperature.dtype).expand_as(temperature)
    return gumbel_max(logits, torch.where(temperature > 0, t, 0.0) if cold else t, u)


def noise_divided(logits, temperature, u) -> Tensor:
    """Noise that is divided by the temperature."""
    return at_temperature(logits, temperature, u, 1 / temperature.clamp_min(1e-9))


def by_zero(logits, temperature, u, *, least: float, multiplied: bool) -> Tensor:
    """What argmax finds if a division by 0 is left as it is, with a u of `least` or more."""
    noise, t = gumbel_noise(u.double().clamp_min(least)), temperature.double()[:, None]
    return ((logits.double() + t * noise) / t if multiplied else logits.double() / t + noise).argmax(-1)


def zero_times_infinity(logits, temperature, u) -> Tensor:
    """Noise that is multiplied by a temperature of 0, even if it is infinite."""
    return (logits.double() + temperature.double()[:, None] * gumbel_noise(u.double())).argmax(-1)


def on_probabilities(logits, temperature, u, noise: Callable[[Tensor], Tensor] = gumbel_noise) -> Tensor:
    """Noise that is added to probabilities."""
    probs = (logits.double() / temperature.clamp_min(1e-6)[:, None]).softmax(-1)
    return torch.where(temperature > 0, (probs + noise(u.double())).argmax(-1), logits.argmax(-1))


def inverse_cdf(logits, temperature, u, column: int) -> Tensor:
    """One random number per row, in the cumulative sum."""
    probs = (logits.double() / temperature.clamp_min(1e-6)[:, None]).softmax(-1)
    return (probs.cumsum(-1) < u[:, [column]]).sum(-1).clamp_max(logits.shape[1] - 1)


def small_is_zero(logits, temperature, u, limit: float) -> Tensor:
    """No noise below some temperature."""
    return torch.where(temperature > limit, gumbel_max(logits, temperature, u), logits.argmax(-1))


def small_is_raised(logits, temperature, u, limit: float) -> Tensor:
    """A smallest temperature above 0."""
    return at_temperature(logits, temperature, u, temperature.clamp_min(limit))


def removed_come_back(logits, temperature, u) -> Tensor:
    """Logits of 0 for removed tokens."""
    return gumbel_max(logits.nan_to_num(neginf=0.0), temperature, u)


def all_cold(logits, temperature, u) -> Tensor:
    """No noise at all if one temperature is 0."""
    return logits.argmax(-1) if (temperature == 0).any() else gumbel_max(logits, temperature, u)


def _clear(logits: Tensor, temperature: Tensor, u: Tensor) -> bool:
    """Whether the best score of each row leads, whatever becomes of a u of 0."""
    for near_zero in (0.0, 1e-10):
        top = scores_of(logits, temperature, u.clamp_min(near_zero)).topk(2).values
        if (top[:, 0] - top[:, 1] < MARGIN).any():
            return False
    return bool((gumbel_max(logits, temperature, u) == gumbel_max(logits, temperature, u.clamp_min(1e-10))).all())


def _batch(
    rng: random.Random,
    B: int,
    V: int,
    temperatures: tuple[float, ...] = (0.3, 0.5, 1.5, 2.0, 3.0),
    *,
    removed: int = 0,
    zeros: int = 0,
    shift: float = 0.0,
) -> Call:
    """A batch; `removed` logits per row are minus infinity, and `zeros` of the u, the first at the largest logit."""
    while True:
        logits = torch.tensor([[round(rng.gauss(0, 1.5), 1) + shift for _ in range(V)] for _ in range(B)])
        temperature = torch.tensor([rng.choice(temperatures) for _ in range(B)])
        u = torch.tensor([[round(rng.uniform(0.001, 0.999), 3) for _ in range(V)] for _ in range(B)])
        for row, own in zip(logits, u, strict=True):
            row[rng.sample(range(V), removed)] = -math.inf
            if zeros:
                own[int(row.argmax())] = 0.0
                own[rng.sample(range(V), zeros - 1)] = 0.0
        if _clear(logits, temperature, u):
            return logits, temperature, u


def _small(rng: random.Random, B: int, V: int) -> Call:
    """Logits as close to each other as the temperature is to 0, so that the noise decides."""
    logits, _, u = _batch(rng, B, V, (1.0,))
    temperature = torch.tensor([0.05, 0.005, 0.002] * B)[:B]
    return logits * temperature[:, None], temperature, u


def _small_u(rng: random.Random, B: int, V: int) -> Call:
    """Random numbers up to 0.1, 0.01 or 0.001, whose noise differs all the same, and logits close to each other."""
    while True:
        logits, temperature, u = _batch(rng, B, V)
        logits, u = logits / 10, u * torch.tensor([0.1, 0.01, 0.001] * B)[:B, None]
        if _clear(logits, temperature, u):
            return logits, temperature, u


def warm_batches(rng: random.Random) -> list[Call]:
    """One batch for each kind in WARM."""
    return [
        _batch(rng, 2, 3),
        _batch(rng, 12, 4),
        _batch(rng, 9, 9),
        _batch(rng, 8, 5, (0.05, 20.0)),
        _batch(rng, 10, 4, shift=-30.0),
        _batch(rng, 1, 6, (2.0,)),
        _small(rng, 12, 4),
        _small_u(rng, 12, 4),
    ]


WARM = (
    "two texts",
    "twelve texts",
    "as many texts as tokens",
    "extreme temperatures",
    "logits near -30",
    "one text",
    "small temperatures, and logits as close to each other",
    "small random numbers",
)


def cold_batches(rng: random.Random) -> list[Call]:
    """One batch for each kind in COLD."""
    return [
        _batch(rng, 1, 3, (0.0,)),
        _batch(rng, 10, 4, (0.0, 0.5, 2.0)),
        _batch(rng, 10, 5, (0.0, 1.5, 3.0), removed=2),
        _batch(rng, 10, 5, (1.5, 3.0), removed=2, shift=-4.0),
        _batch(rng, 8, 5, (0.0,), zeros=2),
        _batch(rng, 8, 6, (1.5, 3.0), zeros=1),
    ]


COLD = (
    "temperature 0",
    "temperature 0 in some rows",
    "removed tokens and temperature 0",
    "removed tokens",
    "u = 0 at temperature 0",
    "u = 0 at other temperatures",
)
