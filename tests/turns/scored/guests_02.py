"""Answers to the turns of lesson 02, written from its text alone; checks changed after."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import right, wrong


def nearest(vector, table, k):
    cosines = F.normalize(table, dim=1) @ F.normalize(vector, dim=0)
    return cosines.topk(k).indices


# --- 02.embed


@wrong("02.embed", "The result is right, but no model could learn through it: `table`")
class FromPretrained:
    """nn.Embedding.from_pretrained makes a new parameter of the numbers, so no gradient reaches the table itself."""

    def embed(ids, table):
        layer = nn.Embedding.from_pretrained(table, freeze=False)
        return layer(ids)


@right("02.embed")
class SparseProduct:
    """The one-hot matrix is a sparse tensor with one entry per row, and the product takes the gradient to the table."""

    def embed(ids, table):
        T, V = len(ids), len(table)
        where = torch.stack([torch.arange(T), ids.long()])
        delta = torch.sparse_coo_tensor(where, torch.ones(T, dtype=table.dtype), (T, V))
        return torch.sparse.mm(delta, table)


@right("02.embed")
class RowAfterRow:
    """A zero matrix of the table's type is filled row by row in a loop, through which the gradient still flows."""

    def embed(ids, table):
        out = table.new_zeros(len(ids), table.shape[1])
        for t in range(len(ids)):
            out[t] = table[ids[t]]
        return out


# --- 02.nearest


@right("02.nearest")
class SquareWithItsSign:
    """It sorts by dot times |dot| over the squared norm of the row, in float64, which has the order of the cosines."""

    def nearest(vector, table, k):
        v, w = vector.detach().double(), table.detach().double()
        dot = torch.einsum("vc,c->v", w, v)
        power = dot * dot.abs() / torch.einsum("vc,vc->v", w, w)
        return torch.sort(power, descending=True, stable=True).indices[:k]


@right("02.nearest")
class MaximumAgainAndAgain:
    """The largest cosine is taken k times, and each winner is set to minus infinity in a copy."""

    def nearest(vector, table, k):
        cosine = F.cosine_similarity(table, vector[None], dim=1).detach().clone()
        ids = []
        for _ in range(k):
            best = int(cosine.argmax())
            ids.append(best)
            cosine[best] = -math.inf
        return torch.tensor(ids, dtype=torch.long)


# --- 02.analogy


@wrong("02.analogy", "The vector is the mean of b and c, minus a.")
class MirrorWithoutTheTwo:
    """It mirrors row a in the midpoint of b and c and forgets to double the midpoint: (b + c) / 2 - a."""

    def analogy(a, b, c, table, leave_out):
        midpoint = (table[b] + table[c]) / 2
        candidates = nearest(midpoint - table[a], table, min(4, len(table))).tolist()
        if leave_out:
            candidates = [id for id in candidates if id not in (int(a), int(b), int(c))]
        return candidates[0]


@right("02.analogy")
class CoefficientVector:
    """The sum is a product of a row of +1, -1 and +1 with the table, and a mask of minus infinity leaves rows out."""

    def analogy(a, b, c, table, leave_out):
        V = table.shape[0]
        hot = F.one_hot(torch.tensor([int(a), int(b), int(c)]), V).to(table.dtype)
        landing = torch.einsum("s,sv,vc->c", torch.tensor([-1, 1, 1], dtype=table.dtype), hot, table)
        cosine = F.cosine_similarity(landing[None], table, dim=1)
        if leave_out:
            cosine = cosine.masked_fill(hot.sum(0) > 0, -torch.inf)
        return int(cosine.argmax())


@right("02.analogy")
class NextOneWanted:
    """A generator runs through the full ranking and gives the first id that isn't forbidden."""

    def analogy(a, b, c, table, leave_out):
        forbidden = [int(a), int(b), int(c)] * bool(leave_out)
        ranking = nearest(table[b] - table[a] + table[c], table, len(table)).tolist()
        return next(id for id in ranking if id not in forbidden)
