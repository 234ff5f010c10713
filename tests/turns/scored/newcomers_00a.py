"""Answers to the turns of lesson 00a, written from its text alone; checks changed after."""

import torch
from turn_answers import right, wrong

# --- 00a.join_heads


@right("00a.join_heads")
class SideBySide:
    """The heads are taken apart and concatenated along the columns, without any transpose or reshape."""

    def join_heads(heads):
        return torch.cat(heads.unbind(), dim=1)


# --- 00a.batched_product


@wrong("00a.batched_product", "The total runs on from column to column.")
class NeverClearsTheTotal:
    """The running total is set to 0 once per row, so each entry also holds those on its left."""

    def batched_product(a, b):
        H, T, D = a.shape
        out = a.new_zeros(H, T, b.shape[2])
        for h in range(H):
            for t in range(T):
                total = 0
                for s in range(b.shape[2]):
                    for d in range(D):
                        total = total + a[h, t, d] * b[h, d, s]
                    out[h, t, s] = total
        return out


@wrong("00a.batched_product", "Rows of `a` meet rows of `b`. With equal sizes, no error says so.")
class ReshapesForATranspose:
    """b is brought to (H, S, D) by reshape instead of transpose, so the right shape holds products of wrong numbers."""

    def batched_product(a, b):
        H, D, S = b.shape
        return (a[:, :, None, :] * b.reshape(H, 1, S, D)).sum(dim=-1)


@wrong("00a.batched_product", "Only T columns are filled, whatever S is; the others are 0.")
class AsManyColumnsAsRows:
    """The loop over columns runs to T instead of S, so it is right for square tables only."""

    def batched_product(a, b):
        H, T, _ = a.shape
        out = a.new_zeros(H, T, b.shape[-1])
        for t in range(T):
            for s in range(T):
                out[:, t, s] = (a[:, t] * b[:, :, s]).sum(dim=-1)
        return out


@right("00a.batched_product")
class OneOuterProductPerD:
    """The table is a sum of D outer products, each of a column of a and a row of b."""

    def batched_product(a, b):
        return sum(a[:, :, d, None] * b[:, None, d] for d in range(a.shape[-1]))


@right("00a.batched_product")
class DiagonalOfATensordot:
    """A tensordot makes the products of all pairs of heads, and the diagonal keeps those of equal heads."""

    def batched_product(a, b):
        pairs = torch.tensordot(a, b, dims=([2], [1]))  # (H, T, H, S)
        return pairs.diagonal(dim1=0, dim2=2).permute(2, 0, 1)


# --- 00a.softmax


@wrong("00a.softmax", "The largest score along the first axis is subtracted, so the scores of a row get different s")
class ShiftsByTheColumnsMaximum:
    """The maximum subtracted is that of the column, so scores of one row are shifted by different numbers."""

    def softmax(scores):
        powers = (scores - scores.amax(dim=0)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@right("00a.softmax")
class NormalizedPowers:
    """torch's normalize with p=1 divides the powers by the sum of their absolute values, which is their sum."""

    def softmax(scores):
        top, _ = scores.max(dim=-1, keepdim=True)
        return torch.nn.functional.normalize((scores - top).exp(), p=1, dim=-1)
