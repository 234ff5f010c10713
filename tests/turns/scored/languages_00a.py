"""Answers to the turns of lesson 00a, written from its text alone; checks changed after."""

import torch
from turn_answers import right, wrong

# --- 00a.join_heads


@wrong(
    "00a.join_heads", "The numbers are read and written by columns, as in MATLAB, where the first axis goes fastest."
)
class FillsByColumns:
    """Reshapes as MATLAB would, first axis fastest, so the numbers of one token end up in several rows."""

    def join_heads(heads):
        H, T, D = heads.shape
        # column-major order = row-major order of the reversed axes
        flat = heads.permute(2, 1, 0).reshape(-1)
        return flat.reshape(H * D, T).T


@right("00a.join_heads")
class PicksByColumn:
    """Computes for each column which head and which number it is, and picks them all by index."""

    def join_heads(heads):
        H, T, D = heads.shape
        column = torch.arange(H * D, device=heads.device)
        return heads[column // D, :, column % D].T


@right("00a.join_heads")
class PaddedAndAdded:
    """Pads each head with zeros left and right to the full width, and adds all of them up."""

    def join_heads(heads):
        H, T, D = heads.shape
        wide = [torch.nn.functional.pad(head, (h * D, (H - 1 - h) * D)) for h, head in enumerate(heads)]
        return torch.stack(wide).sum(dim=0)


# --- 00a.batched_product


@wrong("00a.batched_product", "Only the first product of each sum is there.")
class ReturnsInTheLoop:
    """The return is indented one level too far: only the first of the D products is counted."""

    def batched_product(a, b):
        H, T, D = a.shape
        out = torch.zeros(H, T, b.shape[2], dtype=a.dtype)
        for d in range(D):
            out = out + a[:, :, d].unsqueeze(2) * b[:, d].unsqueeze(1)
            return out


@right("00a.batched_product")
class DiagonalOfAllPairs:
    """tensordot for all pairs of heads, then the diagonal of equal heads."""

    def batched_product(a, b):
        pairs = torch.tensordot(a, b, dims=([2], [1]))  # (H, T, H, S)
        return pairs.diagonal(dim1=0, dim2=2).permute(2, 0, 1)


@right("00a.batched_product")
class HalvesOfD:
    """Divide and conquer over the inner axis: an outer product where D is 1, else the sum of both halves."""

    def batched_product(a, b):
        def product(a, b):
            D = a.shape[2]
            if D == 1:
                return a * b
            middle = D // 2
            return product(a[..., :middle], b[:, :middle]) + product(a[..., middle:], b[:, middle:])

        return product(a, b)


# --- 00a.softmax


@right("00a.softmax")
class DifferenceOfLogs:
    """Subtracts the logarithm of the sum (logsumexp) and raises once; no division."""

    def softmax(scores):
        return (scores - torch.logsumexp(scores, dim=-1, keepdim=True)).exp()


@right("00a.softmax")
class SortedAndNormalized:
    """Finds the largest by sorting, and divides with normalize in the 1-norm."""

    def softmax(scores):
        top = scores.sort(dim=-1, descending=True).values[..., :1].detach()
        return torch.nn.functional.normalize((scores - top).exp(), p=1.0, dim=-1)
