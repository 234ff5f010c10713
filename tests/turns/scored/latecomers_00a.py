"""Answers to the turns of lesson 00a, written from its text alone; checks changed after."""

from functools import reduce
from itertools import accumulate

import torch
from turn_answers import right, wrong

# --- 00a.join_heads


@wrong("00a.join_heads", "raised TypeError")
class SqueezesFirst:
    """squeeze drops every axis of size 1 first, so with one head or one token the result is a single row (H * D,)."""

    def join_heads(heads):
        return torch.cat([*heads.squeeze()], dim=-1)


# --- 00a.batched_product


@wrong("00a.batched_product", "Rows of `a` meet rows of `b`. With equal sizes, no error says so.")
class ReshapesTheColumns:
    """b is reshaped to (H, S, D) where it should be transposed, so its columns are cut out in the wrong order."""

    def batched_product(a, b):
        H, D, S = b.shape
        columns = b.reshape(H, S, D)
        return (a[:, :, None] * columns[:, None]).sum(dim=-1)


@wrong("00a.batched_product", "The total runs on from head to head.")
class CarriesTheTotalOn:
    """The sum runs on from head to head, so head h holds the products of all heads up to h."""

    def batched_product(a, b):
        tables = (sum(x[:, d, None] * y[d] for d in range(len(y))) for x, y in zip(a, b, strict=True))
        return torch.stack([*accumulate(tables)])


@wrong("00a.batched_product", "The sums have T terms, whatever D is.")
class AddsOnePerToken:
    """The sum has T terms instead of D, because the length of a[h] is taken for that of its rows."""

    def batched_product(a, b):
        return sum(a[:, :, d, None] * b[:, d, None, :] for d in range(len(a[0])))


@right("00a.batched_product")
class LayerByLayer:
    """The result grows by D outer products, one per shared index, without a tensor of all products."""

    def batched_product(a, b):
        pairs = zip(a.unbind(2), b.unbind(1), strict=True)
        return reduce(torch.add, [column[..., None] * row[:, None] for column, row in pairs])


@right("00a.batched_product")
class WritesOutAllPairs:
    """All T * S pairs of a row and a column are written out one below the other, with no broadcasting."""

    def batched_product(a, b):
        T, S = a.shape[1], b.shape[2]
        rows = a.repeat_interleave(S, dim=1)
        columns = b.mT.repeat(1, T, 1)
        return (rows * columns).sum(dim=-1).unflatten(1, (T, S))


# --- 00a.softmax


@wrong("00a.softmax", "`exp` overflows above 88, and a row of -200 has nothing but zeros: NaN.")
class SubtractsThePlace:
    """The place of the largest score is subtracted instead of its value, so scores of 1,000 overflow."""

    def softmax(scores):
        powers = (scores - scores.argmax(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@right("00a.softmax")
class ColumnByColumn:
    """The last axis is taken apart into a Python list, and maximum, powers and total are folds over it."""

    def softmax(scores):
        columns = scores.unbind(-1)
        top = reduce(torch.maximum, columns)
        powers = [(column - top).exp() for column in columns]
        total = reduce(torch.add, powers)
        return torch.stack([power / total for power in powers], dim=-1)
