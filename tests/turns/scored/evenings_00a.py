"""Answers to the turns of lesson 00a, written from its text alone; checks changed after."""

import math

import torch
import torch.nn.functional as F
from turn_answers import right, wrong

# --- 00a.join_heads


@right("00a.join_heads")
class LooksUpEachColumn:
    """No transpose and no reshape: for each of the H * D columns, looks up its head and its number by index."""

    def join_heads(heads):
        H, _, D = heads.shape
        column = torch.arange(H * D, device=heads.device)
        return heads[column // D, :, column % D].T


@right("00a.join_heads")
class PadsAndAdds:
    """Pads each head with zeros to the full width, at its own place, and adds them all up."""

    def join_heads(heads):
        H, T, D = heads.shape
        wide = [F.pad(head, (h * D, (H - 1 - h) * D)) for h, head in enumerate(heads)]
        return torch.stack(wide).sum(dim=0)


# --- 00a.batched_product


@wrong("00a.batched_product", "The last product of each sum is left out.")
class LastProductMissing:
    """Adds the products up one d at a time, and stops one too early: the last entry of each row and column is never
    multiplied."""

    def batched_product(a, b):
        D = a.shape[2]
        result = a[:, :, 0:1] * b[:, 0:1, :]
        for d in range(1, D - 1):
            result = result + a[:, :, d : d + 1] * b[:, d : d + 1, :]
        return result


@wrong("00a.batched_product", "The axis of the heads stands in the middle, (T, H, S).")
class HeadsInTheMiddle:
    """Each head's table is right, but they're stacked along axis 1: (T, H, S)."""

    def batched_product(a, b):
        tables = []
        for h in range(a.shape[0]):
            tables.append((a[h][:, :, None] * b[h][None, :, :]).sum(dim=1))
        return torch.stack(tables, dim=1)


@right("00a.batched_product")
class OuterProducts:
    """Adds up D outer products, one per inner index, each a new tensor."""

    def batched_product(a, b):
        H, T, D = a.shape
        total = a.new_zeros(H, T, b.shape[2])
        for row, column in zip(b.unbind(1), a.unbind(2)):
            total = total + column[:, :, None] * row[:, None, :]
        return total


@right("00a.batched_product")
class ThreeVmaps:
    """Writes the dot product of two vectors and lets `vmap` repeat it over columns, rows and heads."""

    def batched_product(a, b):
        def dot(u, v):
            return (u * v).sum()

        over_columns = torch.vmap(dot, in_dims=(None, 1))
        over_rows = torch.vmap(over_columns, in_dims=(0, None))
        return torch.vmap(over_rows)(a, b)


# --- 00a.softmax


@right("00a.softmax")
class PowersOfTwo:
    """Powers of 2 instead of e, with the differences multiplied by log2(e); the sum as a product with ones."""

    def softmax(scores):
        below_top = scores - scores.detach().amax(dim=-1, keepdim=True)
        powers = torch.exp2(below_top * math.log2(math.e))
        total = powers @ powers.new_ones(powers.shape[-1], 1) if scores.dim() > 1 else powers.sum()
        return powers / total


@right("00a.softmax")
class SlopeOfLogsumexp:
    """Softmax is the gradient of logsumexp, so it asks torch for that."""

    def softmax(scores):
        return torch.func.grad(lambda s: s.logsumexp(dim=-1).sum())(scores)
