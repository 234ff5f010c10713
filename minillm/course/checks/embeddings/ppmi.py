"""02.3: positive pointwise mutual information, a table of counts that needs no training (Church and Hanks 1990).

Skip-gram with negative sampling factorizes a shifted one (Levy and Goldberg 2014). The power for the context's share
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
from minillm.course.checks.facts import fact
from minillm.course.checks.plain import apart, as_tensor, difference, show
from minillm.course.checks.question import Question


def ppmi(counts: Float[Tensor, "V contexts"], power: float) -> Float[Tensor, "V contexts"]:
    """The right answer: log of how many times as often as by chance, but not below 0.

    >>> ppmi(torch.tensor([[3.0, 0.0], [1.0, 2.0]]), power=1.0)
    tensor([[0.4055, 0.0000],
            [0.0000, 0.6931]])
    """
    return _ppmi(counts, power)


def _shares(counts: Tensor) -> Tensor:
    return counts / counts.sum()


def _ppmi(
    counts: Tensor,
    power: float,
    *,
    word: Callable[[Tensor, float], Tensor] = lambda counts, power: _shares(counts.sum(1)),
    context: Callable[[Tensor, float], Tensor] = lambda counts, power: _shares(counts.sum(0) ** power),
    pair: Callable[[Tensor, float], Tensor] = lambda counts, power: _shares(counts),
    finish: Callable[[Tensor], Tensor] = lambda logs: logs.clamp_min(0).nan_to_num(),
) -> Tensor:
    """The logarithm of p(pair) / (p(word) p(context)), with one thing done differently."""
    exact = counts.double()
    by_chance = word(exact, power)[:, None] * context(exact, power)
    return finish((pair(exact, power) / by_chance).log()).float()


SEEN = ("a small table", "the same, all counts times 10", *["larger tables"] * 3, "words with contexts of their own")
UNSEEN = (
    "a word that was never seen",
    "context that was never seen",
    "a pair that was never seen",
    "a single word",
    "rare and frequent pairs",
    *["all of these"] * 3,
)
POWERS = ("power 0.75", "power 0.5", "power 2", "power 1", *["unseen words and contexts"] * 4)


def _table(rng: random.Random, V: int, W: int) -> Tensor:
    return torch.tensor([[float(rng.randint(1, 9)) for _ in range(W)] for _ in range(V)])


def _seen(rng: random.Random) -> list[Call]:
    small = _table(rng, 2, 2)
    loyal = _table(rng, 8, 8) + 200 * torch.eye(8)  # ratios above 5
    return [(small, 1.0), (10 * small, 1.0), *((_table(rng, n, n), 1.0) for n in (3, 4, 5)), (loyal, 1.0)]


def _unseen(rng: random.Random) -> list[Call]:
    no_word, no_company, no_pair, rare = _table(rng, 2, 3), _table(rng, 3, 3), _table(rng, 2, 3), _table(rng, 3, 4)
    no_word[rng.randrange(2)] = 0
    no_company[:, rng.randrange(3)] = 0
    no_pair[rng.randrange(2), rng.randrange(3)] = 0
    rare[1:, 1:] *= 1e6
    all_three = _with_gaps(rng, ((4, 4), (3, 5), (5, 3)), (1.0,))
    return [(no_word, 1.0), (no_company, 1.0), (no_pair, 1.0), (_table(rng, 1, 3), 1.0), (rare, 1.0), *all_three]


def _with_gaps(rng: random.Random, sizes: tuple[tuple[int, int], ...], powers: tuple[float, ...]) -> list[Call]:
    calls = []
    for V, W in sizes:
        counts = _table(rng, V, W)
        counts[rng.randrange(V)] = 0
        counts[:, rng.randrange(W)] = 0
        counts[rng.randrange(V), rng.randrange(W)] = 0
        calls.append((counts, rng.choice(powers)))
    return calls


def _powers(rng: random.Random) -> list[Call]:
    plain = [(_table(rng, 2, 3), power) for power in (0.75, 0.5, 2.0, 1.0)]
    return [*plain, *_with_gaps(rng, ((4, 4), (3, 5), (5, 3), (6, 5)), (0.5, 0.75))]


def _first_wrong_pair(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    hint = "Work this pair out on paper: the share of the pair, divided by the product of both shares."
    if told := fact(["counts", "power"], calls, right, got):
        return told, hint
    small, large = (as_tensor(gave) for gave in got[:2])
    if difference(10 * calls[0][0], calls[1][0]) is None and small is not None and difference(small, large):
        return "It changes if all counts are 10 times as large, and no share does.", "Divide by the total first."
    for (counts, _), wanted, answer in zip(calls, right, got, strict=True):
        answer = as_tensor(answer)
        if answer is None or answer.shape != wanted.shape:
            return None
        if wrong := apart(wanted, answer).nonzero().tolist():
            word, other = wrong[0]
            met, seen, total = counts[word, other], counts[word].sum(), counts.sum()
            gave, should = show(answer[word, other]), show(wanted[word, other])
            found = f"The result is {gave} instead of {should} at [{word}, {other}]"
            return f"{found}; this pair was counted {met:.0f}×, its word {seen:.0f}× of {total:.0f}.", hint
    return None


question = Question("02.3", "Embeddings from counts: PPMI", ppmi)

all_seen = question.probe("every pair was seen", _seen, _first_wrong_pair, kinds=SEEN)
all_seen.mistake(
    "Pairs that occur less often than by chance are below 0.",
    "Let 0 be the least: `clamp_min(0)`.",
    partial(_ppmi, finish=lambda logs: logs),
)
all_seen.mistake(
    "Pairs that occur less often than by chance count like those that occur more often.",
    "No absolute value: what is below 0 becomes 0.",
    partial(_ppmi, finish=torch.abs),
)
all_seen.mistake(
    "The result is in bits.",
    "Take the natural logarithm.",
    partial(_ppmi, finish=lambda logs: logs.clamp_min(0) / math.log(2)),
)
all_seen.mistake(
    "The ratio itself is returned, without its logarithm.",
    "As often as by chance is a ratio of 1; its logarithm is 0.",
    partial(_ppmi, finish=torch.exp),
)
all_seen.mistake(
    "Counts and shares are mixed: the total is missing.",
    "Make all three shares first: each divided by its own sum.",
    partial(_ppmi, pair=lambda counts, power: counts),
)
all_seen.mistake(
    "The shares of the words are used for the contexts, too.",
    "In the lesson the table was symmetric. Here the context is in the columns: sum over axis 0.",
    partial(_ppmi, context=lambda counts, power: _shares(counts.sum(1))),
)
all_seen.mistake(
    "One is added to every count.",
    "Every pair was seen. Zeros are the next probe, and need no such help.",
    lambda counts, power: ppmi(counts + 1, power),
)

for power in (0.75, 0.5):
    all_seen.mistake(
        f"The power is always {power}, whatever `power` says.",
        "Raise the sums of the columns to `power`, the argument.",
        lambda counts, power, fixed=power: ppmi(counts, fixed),
    )
all_seen.mistake(
    "Everything is 0: no ratio is above 1. Is the pair's share divided by both other shares?",
    "By chance a pair is as frequent as the product of *both* shares.",
    partial(_ppmi, context=lambda counts, power: torch.ones(counts.shape[1])),
)
all_seen.mistake(
    "The logarithm is of 1 plus the ratio.",
    "Take `log` of the ratio itself; what is below 0 then becomes 0.",
    partial(_ppmi, finish=lambda logs: (1 + logs.exp()).log()),
)
for _within, _whose in ((1, "row"), (0, "column")):
    all_seen.mistake(
        f"The pair's share is taken within its {_whose}, and then divided by the share of the {_whose} once more.",
        "The share of the pair is of all counts: `counts / counts.sum()`.",
        partial(_ppmi, pair=lambda counts, power, axis=_within: counts / counts.sum(axis, keepdim=True)),
    )
all_seen.mistake(
    "The result is divided by -log of the pair's share: it is the normalized kind (NPMI).",
    "Return the logarithm of the ratio itself.",
    lambda counts, power: ppmi(counts, power) / -_shares(counts).log(),
)
all_seen.mistake(
    "The result is multiplied by the pair's share.",
    "Return the logarithm of the ratio itself, without a weight.",
    lambda counts, power: ppmi(counts, power) * _shares(counts),
)
all_seen.mistake(
    "The logarithm has the base 10.",
    "Take the natural logarithm.",
    lambda counts, power: ppmi(counts, power) / math.log(10),
)

unseen = question.probe("words and pairs that were never seen", _unseen, _first_wrong_pair, kinds=UNSEEN)
unseen.mistake(
    "A word that was never seen brings NaN: 0 divided by 0.",
    "Nothing is known about it, so its row is 0. `nan_to_num` puts it there.",
    partial(_ppmi, finish=lambda logs: logs.clamp_min(0)),
)


@unseen.mistake(
    "A tiny number in every share gives a word that was never seen a high value.",
    "0 / 0 stays unknown with a tiny number, too. Put 0 there by hand.",
)
def _tiny_number(counts, power):
    pair, word, context = (_shares(part) + 1e-9 for part in (counts, counts.sum(1), counts.sum(0)))
    return (pair.log() - word.log()[:, None] - context.log()).clamp_min(0)


unseen.mistake(
    "Words that were never seen lose their row.",
    "The result is (V, W). A word that was never seen has a row of zeros.",
    lambda counts, power: ppmi(counts[counts.sum(1) > 0], power),
)
unseen.mistake(
    "A context that was never seen loses its column.",
    "The result is (V, W). A context that was never seen has a column of zeros.",
    lambda counts, power: ppmi(counts[:, counts.sum(0) > 0], power),
)
unseen.mistake(
    "Every count of 0 is taken for 1.",
    "For a pair that was never seen put 0, and leave the sums as they are.",
    lambda counts, power: ppmi(counts.clamp_min(1), power),
)

flattened = question.probe("the context's shares flattened by a power", _powers, _first_wrong_pair, kinds=POWERS)
flattened.mistake(
    "The power is not used.",
    "Raise the counts of the context, summed over all words, to `power`.",
    lambda counts, power: ppmi(counts, 1.0),
)
flattened.mistake(
    "The flattened shares do not add up to 1.",
    "After the power, divide by the new sum.",
    partial(_ppmi, context=lambda counts, power: _shares(counts.sum(0)) ** power),
)
flattened.mistake(
    "The flattened sums are divided by the plain total, so they do not add up to 1.",
    "After the power, divide by the sum of what came out: `seen / seen.sum()`.",
    partial(_ppmi, context=lambda counts, power: counts.sum(0) ** power / counts.sum()),
)
flattened.mistake(
    "The power is taken of the words' shares, not of the context's.",
    "Only the context, the sum over axis 0, is flattened.",
    partial(
        _ppmi,
        word=lambda counts, power: _shares(counts.sum(1) ** power),
        context=lambda counts, power: _shares(counts.sum(0)),
    ),
)
flattened.mistake(
    "Both shares are flattened.",
    "Only the context, the sum over axis 0, is flattened.",
    partial(_ppmi, word=lambda counts, power: _shares(counts.sum(1) ** power)),
)
flattened.mistake(
    "The counts of the pairs are flattened before all else.",
    "Sum first, then take the power of the context's sums. The pairs keep their counts.",
    lambda counts, power: ppmi(counts**power, 1.0),
)
flattened.mistake(
    "The counts are flattened before the columns are added up.",
    "Add up each column first, then raise its sum to `power`.",
    partial(_ppmi, context=lambda counts, power: _shares((counts**power).sum(0))),
)
flattened.mistake(
    "The finished table is multiplied by the power.",
    "Only the sums of the columns are raised to `power`.",
    lambda counts, power: ppmi(counts, 1.0) * power,
)
