"""Answers to the turns of lesson 02, written from its text alone; checks changed after."""

import heapq

import torch
import torch.nn.functional as F
from turn_answers import right, wrong


def nearest_rows(vector, table, k):
    """What nearest of the page does; stands in for the learner's own."""
    return F.cosine_similarity(table, vector[None], dim=1).topk(k).indices


# --- 02.embed


@right("02.embed")
class Gathered:
    """gather with the ids spread over all columns."""

    def embed(ids, table):
        return table.gather(0, ids.long()[:, None].expand(len(ids), table.shape[1]))


@right("02.embed")
class SparseProduct:
    """The one-hot product, with a sparse matrix that holds only the ones."""

    def embed(ids, table):
        T, V = len(ids), len(table)
        where = torch.stack([torch.arange(T), ids.long()])
        hot = torch.sparse_coo_tensor(where, torch.ones(T, dtype=table.dtype), (T, V), check_invariants=False)
        return torch.sparse.mm(hot, table)


# --- 02.nearest


@right("02.nearest")
class HeapOfIds:
    """heapq.nlargest over the ids, with the cosines in double precision as a list."""

    def nearest(vector, table, k):
        rows, v = table.detach().double(), vector.detach().double()
        cosines = F.cosine_similarity(rows, v[None], dim=1).tolist()
        best = heapq.nlargest(k, range(len(cosines)), key=cosines.__getitem__)
        return torch.tensor(best, dtype=torch.long)


@right("02.nearest")
class SignedSquares:
    """No root at all: sorts by dot * |dot| / norm squared, which has the same order as the cosine."""

    def nearest(vector, table, k):
        rows, v = table.detach().double(), vector.detach().double()
        dots = rows @ v
        signed = dots * dots.abs() / rows.square().sum(1).clamp_min(1e-300)
        return signed.argsort(descending=True)[:k]


# --- 02.analogy


@wrong(
    "02.analogy", "The barred rows are removed, and the place that is found isn't always turned back into the right id."
)
class ShiftedBackOnce:
    """Deletes the rows and adds one for each deleted id up to the place found; that compares places with ids, and it's
    wrong if the shift itself passes another deleted id."""

    def analogy(a, b, c, table, leave_out):
        target = table[b] - table[a] + table[c]
        if not leave_out:
            return int(nearest_rows(target, table, 1))
        keep = torch.ones(len(table), dtype=torch.bool)
        keep[[a, b, c]] = False
        place = int(nearest_rows(target, table[keep], 1))
        return place + sum(id <= place for id in {a, b, c})


@right("02.analogy")
class SetDifference:
    """The set of all ids minus the three, and Python's max over their cosines."""

    def analogy(a, b, c, table, leave_out):
        rows = table.detach().double()
        target = rows[b] - rows[a] + rows[c]
        cosines = F.cosine_similarity(rows, target[None], dim=1).tolist()
        allowed = set(range(len(rows))) - ({a, b, c} if leave_out else set())
        return max(allowed, key=cosines.__getitem__)


@right("02.analogy")
class KeptIdsLookedUp:
    """Deletes the rows, but keeps the list of ids that are left, and looks the winner up in it."""

    def analogy(a, b, c, table, leave_out):
        signs = torch.zeros(len(table), dtype=table.dtype)
        for id, sign in ((b, 1.0), (a, -1.0), (c, 1.0)):
            signs[id] += sign
        target = signs @ table
        ids = torch.arange(len(table))
        if leave_out:
            ids = ids[~torch.isin(ids, torch.tensor([a, b, c]))]
        rows = table[ids]
        angles = 1 - F.cosine_similarity(rows, target.expand_as(rows), dim=1)
        return ids[angles.argmin()].item()
