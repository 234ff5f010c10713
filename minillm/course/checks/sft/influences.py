"""Influences and their error for 09.2, with one thing done differently; inputs, and what to say of a wrong result."""

import random
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.sft.tracing import Conversation, Trace, dots, trace
from minillm.course.checks.underflow import not_finite
from minillm.losses import IGNORE

Traced = tuple[Float[Tensor, "n"], float]  # each conversation's influence, and how far off their sum is
Terms = Callable[[Trace, float], Tensor]
Off = Callable[[Tensor, Trace], float]
DOT = "A term is rate / n · (own gradient) · (test gradient): a dot product over all weights."


def terms_of(run: Trace, rate: float) -> Tensor:
    """The influence of each training conversation: (N,)."""
    return rate / len(run.losses) * dots(run.own, run.goals).sum(0)


def off_by(total: Tensor, run: Trace) -> float:
    """How far the sum of the influences is from the true gain."""
    return total.sum().item() - run.gain


def traced(
    weight: Tensor,
    train: list[Conversation],
    test: list[Conversation],
    rate: float,
    steps: int,
    *,
    terms: Terms = terms_of,
    off: Off = off_by,
    **how: Any,
) -> Traced:
    """The result with one thing done differently, in the run (`how`), in the influences or in the error."""
    run = trace(weight, train, test, rate, steps, **how)
    total = terms(run, rate)
    return total, off(total, run)


def _conversations(rng: random.Random, sizes: list[int], ignored: list[int], V: int, C: int) -> list[Conversation]:
    """Conversations with so many labels that count, and so many that don't, in any order."""
    made = []
    for size, others in zip(sizes, ignored, strict=True):
        labels = [rng.randrange(V) for _ in range(size)] + [IGNORE] * others
        rng.shuffle(labels)
        x = numbers(rng, len(labels), C)
        made.append((x + 0.1 * (x == 0), torch.tensor(labels)))
    return made


def _draw(rng: random.Random, n: int, m: int, steps: int, T: int = 2, V: int = 3, C: int = 2) -> Call:
    """Conversations of one length, all of whose labels count."""
    train, test = (_conversations(rng, [T] * each, [0] * each, V, C) for each in (n, m))
    return numbers(rng, V, C), train, test, round(rng.uniform(0.6, 1.4), 1), steps


def one_step(rng: random.Random) -> list[Call]:
    """Conversations for a run of one update."""
    return [_draw(rng, 2, 1, 1), _draw(rng, 3, 1, 1), _draw(rng, 4, 1, 1, T=1, V=4), _draw(rng, 1, 1, 1, T=3, C=4)]


def several_steps(rng: random.Random) -> list[Call]:
    """Conversations for runs of several updates, one of which begins at zero."""
    calls = [_draw(rng, 2, 2, 2), _draw(rng, 3, 2, 4, T=3), _draw(rng, 4, 3, 7, V=4), _draw(rng, 1, 2, 3)]
    weight, *rest = _draw(rng, 3, 3, 3, V=2, C=5)
    return [*calls, (torch.zeros_like(weight), *rest)]


def unequal_lengths(rng: random.Random) -> list[Call]:
    """Conversations of different lengths; at last one with large logits."""
    calls = []
    for steps, V in ((1, 3), (2, 3), (3, 4)):
        sizes = rng.sample(range(1, 5), 3)
        train = _conversations(rng, sizes, rng.sample(range(3), 3), V, 2)
        test = _conversations(rng, rng.sample(range(1, 4), 2), [1, 2], V, 2)
        calls.append((numbers(rng, V, 2), train, test, round(rng.uniform(0.6, 1.4), 1), steps))
    weight, train, test, rate, _ = calls[1]
    large = next(
        call
        for factor in range(1, 1000)
        for call in [(200 * weight, train, test, round(7 * factor * rate, 1), 2)]
        if traced(*call)[1] > 1  # far above the rounding of losses in the hundreds
    )
    return [*calls, large]


def fits(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Wrong influences whose error fits them: then the run and the gain are right."""
    if not any(difference(wanted, each) for (wanted, _), (each, _) in zip(right, got, strict=True)):
        return None
    for call, (wanted, off), (each, error) in zip(calls, right, got, strict=True):
        given = as_tensor(each)
        gain = wanted.sum().item() - off
        if given is None or given.shape != (len(call[1]),) or difference(given.sum().item() - gain, float(error)):
            return None
        if not given.any():
            return None
    sentence = "`influence` is wrong, and `error` fits it: it's your sum minus the true gain. So the training is right."
    return sentence, DOT


def large_or_fits(*judged: Any) -> Any:
    """What is said where logits are large, or what fits."""
    return not_finite(*judged) or fits(*judged)


ONE = "two conversations", "three conversations", "conversations of one token", "one conversation"
MORE = "two updates", "four updates", "seven updates", "one conversation", "a start at zero"
UNEQUAL = "one update", "two updates", "three updates", "logits in the hundreds"
