"""Runs of 08.1's model, a table of logits for the next token, trained on counted pairs of neighboring tokens."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Rates = Sequence[list[float]]  # of the constant run and of the falling one
Count = Callable[[Tensor, int], Tensor]  # from texts and V to the weight of each pair (a, b), (V, V)


def neighbors(ids: Tensor, V: int) -> Tensor:
    """The share of each pair in texts (B, T): (V, V).

    >>> neighbors(torch.tensor([[0, 1, 1]]), 2)
    tensor([[0.0000, 0.5000],
            [0.0000, 0.5000]], dtype=torch.float64)
    """
    pairs = ids[:, :-1] * V + ids[:, 1:]
    return torch.bincount(pairs.flatten(), minlength=V * V).reshape(V, V).double() / pairs.numel()


def summed(ids: Tensor, V: int) -> Tensor:
    """The number of each pair: the loss is then a sum."""
    return neighbors(ids, V) * ids[:, 1:].numel()


def over_all_tokens(ids: Tensor, V: int) -> Tensor:
    """The sum over the pairs, divided by the number of tokens."""
    return neighbors(ids, V) * ids[:, 1:].numel() / ids.numel()


def last_pairs(ids: Tensor, V: int) -> Tensor:
    """Only the last pair of each text."""
    return neighbors(ids[:, -2:], V)


def two_on(ids: Tensor, V: int) -> Tensor:
    """Pairs of tokens with one in between, or neighbors where a text has two tokens."""
    if ids.shape[1] == 2:
        return neighbors(ids, V)
    pairs = (ids[:, :-2] * V + ids[:, 2:]).flatten()
    return torch.bincount(pairs, minlength=V * V).reshape(V, V).double() / len(pairs)


def gradient(table: Tensor, weights: Tensor) -> Tensor:
    """Of the loss with these weights of the pairs: softmax minus one-hot."""
    return weights.sum(1, keepdim=True) * table.softmax(-1) - weights


def run(table: Tensor, texts: Tensor, rates: Sequence[float], count: Count) -> Tensor:
    """The table after one update per batch (B, T), each with its own rate."""
    table = table.double()
    for rate, ids in zip(rates, texts, strict=True):
        table = table - rate * gradient(table, count(ids, len(table)))
    return table


def accumulated(table: Tensor, texts: Tensor, rates: Sequence[float], count: Count) -> Tensor:
    """A run in which gradients add up."""
    table, total = table.double(), torch.zeros(table.shape, dtype=torch.float64)
    for rate, ids in zip(rates, texts, strict=True):
        total = total + gradient(table, count(ids, len(table)))
        table = table - rate * total
    return table


def with_momentum(table: Tensor, texts: Tensor, rates: Sequence[float], count: Count) -> Tensor:
    """A run with a momentum of 0.9."""
    table, total = table.double(), torch.zeros(table.shape, dtype=torch.float64)
    for rate, ids in zip(rates, texts, strict=True):
        total = 0.9 * total + gradient(table, count(ids, len(table)))
        table = table - rate * total
    return table


def of_probabilities(table: Tensor, texts: Tensor, rates: Sequence[float], count: Count) -> Tensor:
    """A run whose loss takes probabilities for logits; its table comes back as probabilities, too."""
    table = table.double()
    for rate, ids in zip(rates, texts, strict=True):
        q = table.softmax(-1)
        slopes = gradient(q, count(ids, len(table)))
        table = table - rate * q * (slopes - (slopes * q).sum(-1, keepdim=True))
    return table.softmax(-1)


def text_by_text(table: Tensor, texts: Tensor, rates: Sequence[float], count: Count) -> Tensor:
    """A run with an update for each text of a batch."""
    B = texts.shape[1]
    return run(table, texts.flatten(0, 1)[:, None], [rate for rate in rates for _ in range(B)], count)


def validation_loss(table: Tensor, ids: Tensor, count: Count) -> float:
    """The loss of texts in nats.

    >>> round(validation_loss(torch.zeros(2, 2), torch.tensor([[0, 1, 1]]), neighbors), 4)
    0.6931
    """
    return -(count(ids, len(table)) * table.double().log_softmax(-1)).sum().item()


def rates(rate: float, n: int) -> Rates:
    """The rates of both runs.

    >>> rates(2.0, 4)
    ([2.0, 2.0, 2.0, 2.0], [2.0, 1.5, 1.0, 0.5])
    """
    return falling_by(lambda k, n: 1 - k / n)(rate, n)


def falling_by(factor: Callable[[int, int], float]) -> Callable[[float, int], Rates]:
    """Rates whose second run falls by another factor."""
    return lambda rate, n: ([rate] * n, [rate * factor(k, n) for k in range(n)])


def to_zero(k: int, n: int) -> float:
    """A factor that is 0 at the last update."""
    return 1 - k / max(n - 1, 1)


def from_one(k: int, n: int) -> float:
    """A factor that is one update ahead."""
    return 1 - (k + 1) / n


def compounded(k: int, n: int) -> float:
    """The product of all factors so far."""
    return math.prod(1 - i / n for i in range(k + 1))


def cosine(k: int, n: int) -> float:
    """Half a cosine."""
    return 0.5 * (1 + math.cos(math.pi * k / n))


def rising(k: int, n: int) -> float:
    """The other way around."""
    return k / n


def exponential(k: int, n: int) -> float:
    """A tenth less after each update."""
    return 0.9**k


def divided(k: int, n: int) -> float:
    """A factor of one over the number of the update."""
    return 1 / (k + 1)
