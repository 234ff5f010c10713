"""Answers to the turns of lesson 00a, written from its text alone; checks changed after."""

import math

import torch
from turn_answers import right, wrong

# --- 00a.join_heads


@right("00a.join_heads")
class OneIndexPerEntry:
    """Says for each entry (t, c) where it comes from: head c // D, token t, number c % D, by broadcast indices."""

    def join_heads(heads):
        H, T, D = heads.shape
        t = torch.arange(T)[:, None]
        c = torch.arange(H * D)
        return heads[c // D, t, c % D]


# --- 00a.batched_product


@wrong("00a.batched_product", "Heads of `b` meet rows of `a`.")
class RepeatedInRounds:
    """Copies b once per token by repeat, which goes round through all heads: most tokens get another head's b."""

    def batched_product(a, b):
        H, T, D = a.shape
        S = b.shape[2]
        copies = b.repeat(T, 1, 1).view(H, T, D, S)
        return (a.view(H, T, D, 1) * copies).sum(dim=2)


@right("00a.batched_product")
class SumOfOuterProducts:
    """Adds up D outer products, a column of a times a row of b each, for all heads at once."""

    def batched_product(a, b):
        outers = (u[..., None] * v[:, None] for u, v in zip(a.unbind(2), b.unbind(1)))
        return sum(outers)


@right("00a.batched_product")
class FlatTableOfPairs:
    """Expands rows and columns to one long list of (h, t, s) pairs, multiplies the two lists and sums each line."""

    def batched_product(a, b):
        H, T, D = a.shape
        S = b.shape[-1]
        rows = a.repeat_interleave(S, dim=1)  # (H, T * S, D)
        columns = b.permute(0, 2, 1).repeat(1, T, 1)  # (H, T * S, D)
        return (rows * columns).sum(-1).unflatten(1, (T, S))


# --- 00a.softmax


@right("00a.softmax")
class PowersOfTwo:
    """Takes powers of 2 of the scaled differences, and lets normalize with p=1 divide by the sum."""

    def softmax(scores):
        below = scores - scores.amax(dim=-1, keepdim=True)
        return torch.nn.functional.normalize(torch.exp2(below / math.log(2)), p=1, dim=-1)


@right("00a.softmax")
class SecondSubtraction:
    """Two subtractions and no division: first the largest score, then the logarithm of the sum of powers."""

    def softmax(scores):
        below = scores - scores.sort(dim=-1, descending=True).values[..., :1].detach()
        return torch.exp(below - below.exp().sum(-1, keepdim=True).log())
