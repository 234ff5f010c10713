"""00a.1, a bug-hunt: (B, 1) compared with (B,) broadcasts to (B, B), and every row is compared with every target.

It happens in published training code: issue 15 of LaBraM (the training accuracy of EEG models), issue 76 of Udacity's
deep-learning-v2-pytorch, pull request 3012 of BigDL.
"""

import math
import random
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.question import Question

IGNORED = -100  # as in `torch.nn.functional.cross_entropy`


def accuracy(logits: Float[Tensor, "B V"], targets: Int[Tensor, "B"], k: int) -> float:
    """The right answer, by the rank of each target among its row's logits.

    >>> accuracy(torch.tensor([[0.1, 2.0, 1.0], [3.0, 0.5, 0.2]]), torch.tensor([2, 1]), k=2)
    1.0
    """
    pairs = [(row, target) for row, target in zip(logits.tolist(), targets.tolist(), strict=True) if target != IGNORED]
    hits = [sum(logit > row[target] for logit in row) < k for row, target in pairs]
    return sum(hits) / len(hits)


def _accuracy(logits: Tensor, targets: Tensor, k: int, *, largest=True, more=0, divisor=None, ignored=None) -> float:
    """The share of hits, with one thing done differently."""
    top = logits.topk(min(k + more, logits.shape[1]), largest=largest).indices
    hits = (top == targets[:, None]).any(-1)
    counted = targets != IGNORED
    if ignored is not None:
        hits, counted = hits.where(counted, torch.tensor(ignored)), torch.ones_like(counted)
    n = divisor(counted, k) if divisor else int(counted.sum())
    return float(hits[counted].sum() / n)


def _broadcast(logits: Tensor, targets: Tensor, k: int) -> float:
    top = logits.topk(k).indices
    hits = (top[:, :, None] == targets).any(1).any(-1)[targets != IGNORED]
    return float(hits.float().mean())


def _pairs_in_all(logits: Tensor, targets: Tensor, k: int) -> float:
    counted = targets != IGNORED
    top = logits.topk(k).indices[counted]
    return float((top[:, :, None] == targets[counted]).float().mean() * k)


def _draw(rng: random.Random, *cases: tuple[int, int, int, int]) -> list[Call]:
    """For (B, V, k, n) a batch in which n rows have no target; about half of the other targets are hits."""
    calls = []
    for B, V, k, n in cases:
        logits = torch.stack([torch.tensor(rng.sample(range(-40, 41), V)) / 10 for _ in range(B)])  # no ties
        order = logits.argsort(descending=True)
        ranks = [rng.randrange(min(k, V)) if rng.random() < 0.5 else rng.randrange(V) for _ in range(B)]
        targets = order[torch.arange(B), torch.tensor(ranks)]
        targets[rng.sample(range(B), n)] = IGNORED
        calls.append((logits, targets, k))
    return calls


TOP_1 = "two rows", "one row", "as many rows as tokens", *["several rows"] * 5
TOP_K = "two rows, k = 2", "k larger than B", "k = B", "k = V", "k = 1", *["several rows"] * 5
SOME = "one row has no target", "one row has a target", "no row is without a target", *["several rows"] * 6


def _counted(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """How many rows are counted as hits, if the result says so."""
    for (_, targets, k), wanted, answer in zip(calls, right, got, strict=True):
        value = as_tensor(answer)
        if value is None or not difference(wanted, answer):
            continue
        if value.numel() > 1:
            n = "x".join(map(str, value.shape))
            return f"The result has {n} numbers, and one share is asked for.", "Average over the rows, at the end."
        n, share = int((targets != IGNORED).sum()), float(value)
        if share > 1:
            hint = "Print the shape of what you compare and of the result. There are B rows, so B hits at most."
            return f"The result is {share:.4g}, and no share is above 1.", hint
        if abs(share * n - round(share * n)) < 1e-3 and share >= 0:
            sentence = (
                f"{round(share * n)} of {n} rows with a target count as hits, and {round(wanted * n)} are (k = {k})."
            )
            return sentence, "Print `top`, (B, k), beside the targets, and mark the hits by hand."
    return None


question = Question("00a.1", "An accuracy that is too high", accuracy)

top_1 = question.probe(
    "top-1 accuracy",
    lambda rng: _draw(rng, (2, 3, 1, 0), (1, 3, 1, 0), (5, 5, 1, 0), *[(rng.randint(4, 9), 8, 1, 0) for _ in range(5)]),
    _counted,
    kinds=TOP_1,
)
top_1.mistake(
    "Every row is still compared with the targets of all rows: (B, 1) against (B,) is (B, B).",
    "Give the targets the axis that they lack: `targets[:, None]` is (B, 1), one target per row.",
    _broadcast,
)
top_1.mistake(
    "The hits of all pairs of rows are averaged: (B, 1) against (B,) is (B, B).",
    "Give the targets the axis that they lack: `targets[:, None]` is (B, 1), one target per row.",
    _pairs_in_all,
)
top_1.mistake(
    "The smallest logits are taken, not the largest.",
    "A large logit means a large probability.",
    partial(_accuracy, largest=False),
)
top_1.mistake(
    "The target may also be the token after the first k.",
    "The target is a hit if fewer than k logits are larger than its own.",
    partial(_accuracy, more=1),
)
top_1.mistake(
    "It is the number of hits, not their share.",
    "Divide by the number of rows that have a target.",
    partial(_accuracy, divisor=lambda counted, k: 1),
)
top_1.mistake(
    "It is the share of misses.",
    "A row is a hit if its target is among its k largest logits.",
    lambda logits, targets, k: 1 - accuracy(logits, targets, k),
)
top_1.mistake(
    "The result is in percent.",
    "A share lies between 0 and 1.",
    partial(_accuracy, divisor=lambda counted, k: 0.01 * counted.sum()),
)
for _of_none in (0.0, math.nan):  # the share where no row is left
    top_1.mistake(
        "Rows whose target is the id 0 are left out.",
        "0 is a token like any other. Only rows with -100 have no target: `targets != -100`, not `targets > 0`.",
        lambda logits, targets, k, of_none=_of_none: (
            accuracy(logits[targets > 0], targets[targets > 0], k) if (targets > 0).any() else of_none
        ),
    )

top_k = question.probe(
    "top-k accuracy",
    lambda rng: _draw(
        rng,
        (2, 4, 2, 0),
        (2, 6, 3, 0),
        (3, 6, 3, 0),
        (4, 5, 5, 0),
        (6, 8, 1, 0),
        *[(rng.randint(4, 9), 10, rng.randint(2, 5), 0) for _ in range(5)],
    ),
    _counted,
    kinds=TOP_K,
    same=top_1.mistakes[:1],
)
top_k.mistake(
    "The hits are divided by k as well: the mean runs over (B, k).",
    "A row has one target, so it is a hit or not: `any(-1)` over its k candidates, then the mean over the rows.",
    partial(_accuracy, divisor=lambda counted, k: k * counted.sum()),
)
top_k.mistake(
    "Only the first of the k largest logits counts.",
    "A row is a hit if any of its k largest logits is that of the target.",
    lambda logits, targets, k: accuracy(logits, targets, 1),
)
top_k.mistake(
    "Only the last of the k largest logits counts.",
    "A row is a hit if any of its k largest logits is that of the target.",
    lambda logits, targets, k: accuracy(logits, targets, k) - (accuracy(logits, targets, k - 1) if k > 1 else 0.0),
)
top_k.mistake(
    "The k-th largest logit is left out.",
    "The target is a hit if fewer than k logits are larger than its own.",
    lambda logits, targets, k: accuracy(logits, targets, max(k - 1, 1)),
)

without = question.probe(
    "rows without a target",
    lambda rng: _draw(
        rng, (2, 3, 1, 1), (4, 6, 2, 3), (3, 6, 2, 0), *[(rng.randint(5, 9), 8, rng.randint(1, 4), 3) for _ in range(6)]
    ),
    _counted,
    kinds=SOME,
)
without.mistake(
    "Rows without a target count as misses.",
    "Divide by the number of rows whose target is not -100.",
    partial(_accuracy, ignored=False),
)
without.mistake(
    "Rows without a target count as hits.",
    "Leave these rows out of both numbers, the hits and what they are divided by.",
    partial(_accuracy, ignored=True),
)


@without.mistake(
    "-100 is taken for a token.",
    "Leave out the rows with -100 before you look at their logits: `logits[targets != -100]`.",
)
def _clamped(logits, targets, k):
    return accuracy(logits, targets.clamp_min(0), k)


@without.mistake(
    "-100 is taken for a token where hits are counted, though not in the number of rows.",
    "Leave out the rows with -100 before you look at their logits: `logits[targets != -100]`.",
)
def _clamped_hits(logits, targets, k):
    return _clamped(logits, targets, k) * len(targets) / int((targets != IGNORED).sum())


@without.mistake(
    "It stops at the first row without a target; the rows after it are not counted.",
    "Pass over such a row (`continue`), and take the next one.",
)
def _up_to_the_first(logits, targets, k):
    n = next((row for row, target in enumerate(targets.tolist()) if target == IGNORED), len(targets))
    return accuracy(logits[:n], targets[:n], k) if n else 0.0
