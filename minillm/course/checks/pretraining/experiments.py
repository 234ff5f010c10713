"""Experiments for 08.1: pairs of runs, what is made of their losses, and inputs."""

import random
from collections.abc import Callable

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.pretraining import pairs
from minillm.course.checks.pretraining.pairs import neighbors, rates, run, validation_loss

Gain = tuple[float, float]  # the mean over the seeds, and its standard error


def ends(
    starts: Tensor,
    batches: Tensor,
    validation: Tensor,
    rate: float,
    *,
    schedule: Callable[[float, int], pairs.Rates] = rates,
    count: Callable[[Tensor, int], Tensor] = neighbors,
    measure: Callable[[Tensor, int], Tensor] | None = None,
    train: Callable[..., Tensor] = run,
    goes_on: bool = False,
) -> Tensor:
    """The validation losses of both runs of each seed, constant and falling, with one thing changed: (S, 2)."""
    losses = []
    for start, texts in zip(starts, batches, strict=True):
        table, pair = start, []
        for own in schedule(rate, len(texts)):
            table = train(table if goes_on else start, texts, own, count)
            pair.append(validation_loss(table, validation, measure or count))
        losses.append(pair)
    return torch.tensor(losses, dtype=torch.float64)


def gains(losses: Tensor) -> Tensor:
    """What each seed's falling run gains."""
    return losses[:, 0] - losses[:, 1]


def with_error(losses: Tensor) -> Gain:
    """The mean of the gains, and its standard error; NaN for one seed."""
    return with_spread(lambda each: each.std() / len(each) ** 0.5)(losses)


def with_spread(spread: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Gain]:
    """The right mean with another error."""

    def summary(losses: Tensor) -> Gain:
        each = gains(losses)
        return each.mean().item(), spread(each).item() if len(each) > 1 else float("nan")

    return summary


def summed_up(summary: Callable[[Tensor], Gain], *call) -> Gain:
    """A summary of the validation losses of both runs."""
    return summary(ends(*call))


def changed(**how) -> Callable[..., Gain]:
    """With something done differently in the runs."""
    return lambda *call: with_error(ends(*call, **how))


def _draw(rng: random.Random, S: int, N: int, B: int, T: int, M: int, L: int, V: int = 3, scale: float = 1.0) -> Call:
    """Texts in which no token is missing, and a rate that moves the table well."""

    def ids(*shape: int) -> Tensor:
        generator = torch.Generator().manual_seed(rng.getrandbits(63))
        return torch.randint(V, shape, generator=generator)

    return numbers(rng, S, V, V, scale=scale), ids(S, N, B, T), ids(M, L), round(rng.uniform(1.0, 3.0) * scale, 1)


def single_texts(rng: random.Random) -> list[Call]:
    """Batches of one text."""
    sizes = ((2, 2, 1, 4, 1, 4), (3, 3, 1, 5, 1, 6), (5, 4, 1, 6, 1, 8), (8, 2, 1, 4, 1, 6), (2, 9, 1, 5, 1, 7))
    return [_draw(rng, *each) for each in sizes]


SINGLE = "two seeds", "three seeds", "five seeds", "eight seeds", "nine updates"


def several_texts(rng: random.Random) -> list[Call]:
    """Batches of several texts; in the last call the logits are large."""
    sizes = ((2, 2, 2, 3, 2, 4), (3, 3, 3, 4, 2, 6), (4, 2, 2, 2, 3, 2))
    calls = [_draw(rng, *each) for each in sizes]
    calls.append(_draw(rng, 3, 4, 4, 4, 3, 3, V=5))
    return [*calls, _draw(rng, 3, 2, 2, 5, 2, 5, scale=60.0)]


SEVERAL = *["several texts"] * 2, "texts of two tokens", "more texts than tokens", "logits in the hundreds"


def one_seed(rng: random.Random) -> list[Call]:
    """Mostly one seed, whose error is NaN."""
    sizes = ((1, 2, 1, 4, 1, 4), (1, 4, 2, 5, 3, 4), (3, 1, 2, 4, 2, 5), (1, 6, 3, 3, 2, 6))
    return [_draw(rng, *each) for each in sizes]


def signed(sign: Callable[[Tensor], Tensor]) -> Callable[..., Gain]:
    """Other gains, in place of the first run's loss minus the second one's."""
    return lambda *call: with_error(torch.stack((sign(ends(*call)), torch.zeros(len(call[0]))), 1))


def mean_by(mean: Callable[[Tensor], Tensor]) -> Callable[..., Gain]:
    """The right error with another mean."""
    return lambda *call: (mean(gains(ends(*call))).item(), with_error(ends(*call))[1])


def measured_on(texts_of: Callable[[Tensor], Tensor]) -> Callable[..., Gain]:
    """Measured on training texts in place of the validation texts."""

    def answer(starts, batches, validation, rate):
        each = [ends(s[None], b[None], texts_of(b), rate) for s, b in zip(starts, batches, strict=True)]
        return with_error(torch.cat(each))

    return answer


ONE = *["one seed"] * 2, "one update", "one seed"
