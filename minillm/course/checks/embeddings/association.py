"""02.3: positive pointwise mutual information, a table of counts that needs no training (Church and Hanks 1990).

Skip-gram with negative sampling factorises a shifted one (Levy and Goldberg 2014). The power for the company's share
is that of its noise (Levy, Goldberg and Dagan 2015).
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
from minillm.course.checks.plain import apart, as_tensor, show
from minillm.course.checks.question import Question


def association(counts: Float[Tensor, "V contexts"], power: float) -> Float[Tensor, "V contexts"]:
    """The right answer: log of how many times as often as by chance, but not below 0.

    >>> association(torch.tensor([[3.0, 0.0], [1.0, 2.0]]), power=1.0)
    tensor([[0.4055, 0.0000],
            [0.0000, 0.6931]])
    """
    return _association(counts, power)


def _shares(counts: Tensor) -> Tensor:
    return counts / counts.sum()


def _association(
    counts: Tensor,
    power: float,
    *,
    word: Callable[[Tensor, float], Tensor] = lambda counts, power: _shares(counts.sum(1)),
    company: Callable[[Tensor, float], Tensor] = lambda counts, power: _shares(counts.sum(0) ** power),
    pair: Callable[[Tensor, float], Tensor] = lambda counts, power: _shares(counts),
    finish: Callable[[Tensor], Tensor] = lambda logs: logs.clamp_min(0).nan_to_num(),
) -> Tensor:
    """The logarithm of p(pair) / (p(word) p(company)), with one thing done differently."""
    exact = counts.double()
    by_chance = word(exact, power)[:, None] * company(exact, power)
    return finish((pair(exact, power) / by_chance).log()).float()


def _drawn(
    rng: random.Random, *sizes: tuple[int, int], power: tuple[float, ...] = (1.0,), unseen: bool = False
) -> list[Call]:
    calls = []
    for V, W in sizes:
        counts = torch.tensor([[float(rng.randint(1, 9)) for _ in range(W)] for _ in range(V)])
        if unseen:  # a word, a company, and a pair
            counts[rng.randrange(V)] = 0
            counts[:, rng.randrange(W)] = 0
            counts[rng.randrange(V), rng.randrange(W)] = 0
        calls.append((counts, rng.choice(power)))
    return calls


def _first_wrong_pair(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    for (counts, _), wanted, answer in zip(calls, right, got, strict=True):
        answer = as_tensor(answer)
        if answer is None or answer.shape != wanted.shape:
            return None
        if wrong := apart(wanted, answer).nonzero().tolist():
            word, other = wrong[0]
            met, seen, total = counts[word, other], counts[word].sum(), counts.sum()
            hint = "Work this pair out on paper: the share of the pair, divided by the product of both shares."
            gave, should = show(answer[word, other]), show(wanted[word, other])
            found = f"The result is {gave} in place of {should} at [{word}, {other}]"
            return f"{found}; this pair was counted {met:.0f}×, its word {seen:.0f}× of {total:.0f}.", hint
    return None


question = Question("02.3", "A table that nobody trained", association)

all_seen = question.probe(
    "every pair was seen", lambda rng: _drawn(rng, (2, 2), (3, 3), (3, 3), (4, 4), (5, 5)), _first_wrong_pair
)
all_seen.mistake(
    "Pairs that meet less often than by chance are below 0.",
    "Let 0 be the least: `clamp_min(0)`.",
    partial(_association, finish=lambda logs: logs),
)
all_seen.mistake(
    "Pairs that meet less often than by chance count like those that meet more often.",
    "No absolute value: what is below 0 becomes 0.",
    partial(_association, finish=torch.abs),
)
all_seen.mistake(
    "The association is in bits.",
    "Take the natural logarithm.",
    partial(_association, finish=lambda logs: logs.clamp_min(0) / math.log(2)),
)
all_seen.mistake(
    "The ratio itself is returned, without its logarithm.",
    "As often as by chance is a ratio of 1; its logarithm is 0.",
    partial(_association, finish=torch.exp),
)
all_seen.mistake(
    "Counts and shares are mixed: the total is missing.",
    "Make all three shares first: each divided by its own sum.",
    partial(_association, pair=lambda counts, power: counts),
)
all_seen.mistake(
    "The shares of the words stand for those of the company, too.",
    "In the lesson the table was symmetric. Here the company is in the columns: sum over axis 0.",
    partial(_association, company=lambda counts, power: _shares(counts.sum(1))),
)
all_seen.mistake(
    "One is added to every count.",
    "Every pair was seen. Zeros are the next probe, and need no such help.",
    lambda counts, power: association(counts + 1, power),
)

unseen = question.probe(
    "words and pairs that were never seen",
    lambda rng: _drawn(rng, (2, 3), (4, 4), (3, 5), (5, 3), (6, 5), unseen=True),
    _first_wrong_pair,
)
unseen.mistake(
    "A word that was never seen brings NaN: 0 divided by 0.",
    "Nothing is known of it, so it goes with nothing: 0. `nan_to_num` puts it there.",
    partial(_association, finish=lambda logs: logs.clamp_min(0)),
)


@unseen.mistake(
    "A tiny number in every share makes a word that was never seen go with all others.",
    "0 of 0 is not known, and a tiny number does not know it either. Put 0 there by hand.",
)
def _tiny_number(counts, power):
    pair, word, company = (_shares(part) + 1e-9 for part in (counts, counts.sum(1), counts.sum(0)))
    return (pair.log() - word.log()[:, None] - company.log()).clamp_min(0)


flattened = question.probe(
    "the company's shares flattened by a power",
    lambda rng: _drawn(rng, (2, 3), (4, 4), (3, 5), (5, 3), (6, 5), power=(0.5, 0.75), unseen=True),
    _first_wrong_pair,
)
flattened.mistake(
    "The power is not used.",
    "Raise the counts of the company, summed over all words, to `power`.",
    lambda counts, power: association(counts, 1.0),
)
flattened.mistake(
    "The flattened shares do not add up to 1.",
    "After the power, divide by the new sum.",
    partial(_association, company=lambda counts, power: _shares(counts.sum(0)) ** power),
)
flattened.mistake(
    "The power is taken of the words' shares, not of the company's.",
    "Only the company, the sum over axis 0, is flattened.",
    partial(
        _association,
        word=lambda counts, power: _shares(counts.sum(1) ** power),
        company=lambda counts, power: _shares(counts.sum(0)),
    ),
)
flattened.mistake(
    "Both shares are flattened.",
    "Only the company, the sum over axis 0, is flattened.",
    partial(_association, word=lambda counts, power: _shares(counts.sum(1) ** power)),
)
flattened.mistake(
    "The counts of the pairs are flattened before all else.",
    "Sum first, then take the power of the company's sums. The pairs keep their counts.",
    lambda counts, power: association(counts**power, 1.0),
)
