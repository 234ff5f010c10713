"""09.3, a bug-hunt: two LoRA adapters joined by adding their A and their B.

It happened in PEFT's `add_weighted_adapter` (issues 1155 and 3004): with "linear" the factors are added apart from each
other, so that the product holds B of one times A of the other. Averaging A and B in federated learning does the same
(Wang et al. 2024, FLoRA). Beside each other they are right: PEFT's "cat".
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.question import Question

Adapter = tuple[Float[Tensor, "_r columns"], Float[Tensor, "rows _r"], float]
Pair = tuple[Float[Tensor, "_r columns"], Float[Tensor, "rows _r"]]


def one_adapter(adapters: list[Adapter], weights: list[float]) -> Pair:
    """The right answer: all A concatenated along the rows, all B, each times its factor, along the columns.

    >>> one = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]]), 2.0
    >>> one_adapter([one, one], [1.0, -0.5])
    (tensor([[1., 2.],
            [1., 2.]]), tensor([[ 6., -3.]]))
    """
    return _with_factors(adapters, weights, factor=lambda A, alpha, weight, ranks: weight * alpha / len(A))


def _with_factors(
    adapters: list[Adapter], weights: list[float], *, factor: Callable[[Tensor, float, float, list[int]], float]
) -> Pair:
    """Side by side, with another factor for each B."""
    ranks = [len(A) for A, _, _ in adapters]
    scaled = [factor(A, alpha, w, ranks) * B for (A, B, alpha), w in zip(adapters, weights, strict=True)]
    return torch.cat([A for A, _, _ in adapters]), torch.cat(scaled, dim=1)


def _roots(adapters: list[Adapter], weights: list[float]) -> list[float]:
    return [(w * alpha / len(A)) ** 0.5 for (A, _, alpha), w in zip(adapters, weights, strict=True)]


def _adapter(rng: random.Random, rows: int, columns: int, rank: int, alpha: float) -> Adapter:
    return numbers(rng, rank, columns), numbers(rng, rows, rank), alpha


def _alike(rng: random.Random) -> list[Call]:
    calls = []
    for rows, columns, rank, alpha in ((1, 2, 2, 6.0), (3, 4, 2, 4.0), (5, 5, 3, 16.0)):
        pair = [_adapter(rng, rows, columns, rank, alpha) for _ in range(2)]
        calls.append((pair, [round(rng.uniform(0.2, 0.8), 1), round(rng.uniform(1.1, 1.9), 1)]))
    calls.append(([_adapter(rng, 2, 3, 2, 2.0)], [1.0]))
    return [
        *calls,
        ([_adapter(rng, 4, 3, 2, 6.0)], [0.5]),
        ([_adapter(rng, 3, 2, 1, 1.0) for _ in range(3)], [2.0, 1.0, 3.0]),
    ]


ALIKE = *["two adapters"] * 3, "one adapter whose factor is 1", "one adapter", "three adapters"


def _unlike(rng: random.Random) -> list[Call]:
    """Different ranks and alphas, one adapter that is subtracted, and last, one that has the weight 0."""
    calls = []
    for rows, columns, ranks in ((1, 2, (1, 2)), (3, 4, (2, 1, 3)), (4, 3, (3, 2)), (3, 3, (2, 1, 2))):
        alphas = rng.sample([1.0, 4.0, 8.0, 16.0], len(ranks))
        made = [_adapter(rng, rows, columns, *sizes) for sizes in zip(ranks, alphas, strict=True)]
        calls.append((made, [1.0, -0.5, 0.8][: len(ranks)]))
    calls[-1][1][1] = 0.0
    calls.append(([_adapter(rng, 2, 3, 4, 0.5)], [-2.0]))
    return calls


UNLIKE = (
    *["different ranks and alphas"] * 3,
    "a weight of 0",
    "one adapter, with a rank larger than its matrix",
)
FACTORS = {  # of the weight w, alpha a, the rank r, the new rank R, rows and columns, and the weights
    "1: there is no factor": lambda w, a, r, R, rows, columns, all: 1.0,
    "alpha alone": lambda w, a, r, R, rows, columns, all: a,
    "weight / r": lambda w, a, r, R, rows, columns, all: w / r,
    "weight · alpha / (rows of B)": lambda w, a, r, R, rows, columns, all: w * a / rows,
    "weight · alpha / (columns of A)": lambda w, a, r, R, rows, columns, all: w * a / columns,
    "weight · alpha / √r": lambda w, a, r, R, rows, columns, all: w * a / r**0.5,
    "weight · alpha / r²": lambda w, a, r, R, rows, columns, all: w * a / r**2,
    "weight · alpha · r": lambda w, a, r, R, rows, columns, all: w * a * r,
    "weight · r / alpha": lambda w, a, r, R, rows, columns, all: w * r / a,
    "weight² · alpha / r": lambda w, a, r, R, rows, columns, all: w * w * a / r,
    "(weight · alpha / r)²": lambda w, a, r, R, rows, columns, all: (w * a / r) ** 2,
    "√(weight · alpha / r)": lambda w, a, r, R, rows, columns, all: abs(w * a / r) ** 0.5,
    "alpha / r over the number of adapters": lambda w, a, r, R, rows, columns, all: a / r / len(all),
    "weight · alpha / r over the number of adapters": lambda w, a, r, R, rows, columns, all: w * a / r / len(all),
    "weight · alpha / r over the sum of the weights": lambda w, a, r, R, rows, columns, all: (
        w * a / r / (sum(all) or 1.0)
    ),
}


def _other_factor(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Another factor of each B, where all else is right."""
    wrong = [each for each in zip(calls, right, got, strict=True) if difference(each[1], each[2]) is not None]
    for name, function in FACTORS.items():
        made = []
        for (adapters, weights), _, _ in wrong:
            made.append(
                _with_factors(
                    adapters,
                    weights,
                    factor=lambda A, a, w, ranks, adapters=adapters, weights=weights: function(  # noqa: B023
                        w, a, len(A), sum(ranks), len(adapters[0][1]), A.shape[1], weights
                    ),
                )
            )
        if all(difference(pair, answer) is None for pair, (_, _, answer) in zip(made, wrong, strict=True)):
            return (
                f"Each B is multiplied by {name}; right is weight · alpha / r.",
                "r is the rank of this adapter: `len(A)`.",
            )
    return None


def _products(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Whether at least the correction B A is right, or has too high or too low a rank."""
    if any(type(answer) not in (list, tuple) for answer in got):
        return "The result isn't a pair of matrices.", "Return A (R, C_in) and B (C_out, R)."
    if told := _other_factor(calls, right, got):
        return told
    if all(difference(wanted, answer[::-1]) is None for wanted, answer in zip(right, got, strict=True)):
        return "A and B are swapped in the result.", "Return (A, B): A first."
    verdicts = []
    for (A, B), answer in zip(right, got, strict=True):
        pair: list[Any] = [as_tensor(part) for part in answer] if type(answer) in (list, tuple) else []
        if len(pair) != 2 or any(part is None or part.dim() != 2 for part in pair):
            return "The result isn't a pair of matrices.", "Return A (R, C_in) and B (C_out, R)."
        if pair[0].shape[1] != A.shape[1] or pair[1].shape[0] != B.shape[0] or len(pair[0]) != pair[1].shape[1]:
            return (
                "The shapes of the two matrices don't fit.",
                "A keeps its columns and B its rows. The rank of both is the sum of all r.",
            )
        verdicts.append((len(pair[0]) != len(A), difference(B @ A, (pair[1].double() @ pair[0].double()).float())))
    if all(wrong is None for _, wrong in verdicts):
        return (
            "The correction B @ A is right, but split between A and B in another way.",
            "The rows of A are those of the adapters, unchanged and in their order; all factors go into B.",
        )
    if any(wrong and other_rank for other_rank, wrong in verdicts):
        hint = (
            "(B1 + B2)(A1 + A2) has four products, and two of them were never trained. Concatenate instead of adding."
        )
        return "B @ A contains more than the adapters' corrections.", hint
    return None


question = Question("09.3", "Join LoRA adapters", one_adapter, fresh=True, parts=("A", "B"))

one_rank = question.probe("two adapters of one rank", _alike, _products, kinds=ALIKE)


@one_rank.mistake(
    "The A and the B are still added, so the product mixes B of one adapter with A of the other.",
    "(B1 + B2)(A1 + A2) has four products, and you want two. Concatenate the matrices instead.",
)
def _still_added(adapters, weights):
    roots = _roots(adapters, weights)
    A: Any = sum(root * A for root, (A, _, _) in zip(roots, adapters, strict=True))
    B: Any = sum(root * B for root, (_, B, _) in zip(roots, adapters, strict=True))
    return A, B


one_rank.mistake(
    "alpha / r is missing.",
    "An adapter's correction is alpha / r · B A. Multiply that by its weight.",
    partial(_with_factors, factor=lambda A, alpha, weight, ranks: weight),
)
one_rank.mistake(
    "alpha isn't divided by the rank.",
    "The factor of an adapter is its weight times alpha / r.",
    partial(_with_factors, factor=lambda A, alpha, weight, ranks: weight * alpha),
)
one_rank.mistake(
    "alpha is divided by the new rank R, the sum of all r, or the result by the number of adapters.",
    "Each adapter was trained with alpha over its own rank, and the corrections are summed, not averaged.",
    partial(_with_factors, factor=lambda A, alpha, weight, ranks: weight * alpha / sum(ranks)),
)
one_rank.mistake(
    "The weights aren't used.",
    "Multiply each B by the weight of its adapter.",
    partial(_with_factors, factor=lambda A, alpha, weight, ranks: alpha / len(A)),
)


@one_rank.mistake(
    "The factor is in A and in B, so it counts twice.",
    "A factor on one side is enough. Leave A as it is.",
)
def _factor_in_both(adapters, weights):
    factors = [root**2 for root in _roots(adapters, weights)]
    return torch.cat([f * A for f, (A, _, _) in zip(factors, adapters, strict=True)]), one_adapter(adapters, weights)[1]


one_rank.mistake(
    "The columns of B are in another order than the rows of A.",
    "Column k of B belongs to row k of A: use the same order of adapters in both.",
    lambda adapters, weights: (one_adapter(adapters, weights)[0], one_adapter(adapters[::-1], weights[::-1])[1]),
)

other_ranks = question.probe("different ranks and alphas, negative weights", _unlike, _products, kinds=UNLIKE)


@other_ranks.mistake(
    "All adapters get the factor of the first.",
    "Each has its own alpha and rank: `alpha / len(A)` inside the loop.",
)
def _first_scale(adapters, weights):
    alpha, rank = adapters[0][2], len(adapters[0][0])
    return _with_factors(adapters, weights, factor=lambda A, own, weight, ranks: weight * alpha / rank)


@other_ranks.mistake(
    "All adapters get the alpha of the first.",
    "Each has its own alpha and rank: `alpha / len(A)` inside the loop.",
)
def _first_alpha(adapters, weights):
    alpha = adapters[0][2]
    return _with_factors(adapters, weights, factor=lambda A, own, weight, ranks: weight * alpha / len(A))


other_ranks.mistake(
    "The sign of a negative weight is lost.",
    "A negative weight subtracts an adapter: its B changes sign.",
    partial(_with_factors, factor=lambda A, alpha, weight, ranks: abs(weight) * alpha / len(A)),
)


@other_ranks.mistake(
    "An adapter with weight 0 is left out.", "R is the sum of all r: its rows stay in A, and its columns of B are 0."
)
def _zero_left_out(adapters, weights):
    kept = [pair for pair in zip(adapters, weights, strict=True) if pair[1]]
    return one_adapter([adapter for adapter, _ in kept], [weight for _, weight in kept])
