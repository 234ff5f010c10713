"""Answers to the turns of lesson 02, written from its text alone; checks changed after."""

import heapq
import math

import torch
import torch.nn.functional as F
from turn_answers import right, wrong


def nearest(vector, table, k):
    cosines = F.normalize(table, dim=1) @ F.normalize(vector, dim=0)
    return cosines.topk(k).indices


# --- 02.embed


@right("02.embed")
class BagsOfOne:
    """Each id is a bag by itself, and embedding_bag adds up the single row in it."""

    def embed(ids, table):
        return F.embedding_bag(ids.unsqueeze(1), table, mode="sum")


# --- 02.nearest


@right("02.nearest")
class DistanceOnTheSphere:
    """All rows and the vector are brought to norm 1, and the shortest distances there are the largest cosines."""

    def nearest(vector, table, k):
        apart = F.normalize(table, dim=1) - F.normalize(vector, dim=0)
        return apart.square().sum(dim=1).argsort()[:k]


@right("02.nearest")
class HeapOfPythonNumbers:
    """The cosines, up to the vector's own norm, become a Python list, and heapq takes its k largest places."""

    def nearest(vector, table, k):
        cosines = (torch.einsum("vc,c->v", table, vector) / table.norm(dim=1)).tolist()
        return torch.tensor(heapq.nlargest(k, range(len(cosines)), key=cosines.__getitem__))


# --- 02.analogy


@wrong("02.analogy", "Barred rows become zeros, whose cosine of 0 wins where all others are negative.")
class RowsSetToZero:
    """In a copy the rows of a, b and c become zeros, whose cosine 0 still wins if all others are negative."""

    def analogy(a, b, c, table, leave_out):
        vector = table[b] - table[a] + table[c]
        if leave_out:
            table = table.clone()
            table[[a, b, c]] = 0.0
        return nearest(vector, table, 1)[0]


@right("02.analogy")
class WeightsTimesTable:
    """The sum is a row of weights 1, -1 and 1 times the table, and the barred scores become -inf before the argmax."""

    def analogy(a, b, c, table, leave_out):
        asked = torch.tensor([int(b), int(a), int(c)])
        weights = torch.zeros(len(table)).index_add(0, asked, torch.tensor([1.0, -1.0, 1.0]))
        scores = F.cosine_similarity(table, (weights @ table)[None], dim=1)
        if leave_out:
            scores = scores.index_fill(0, asked, -math.inf)
        return int(scores.argmax())


@right("02.analogy")
class ShortTableWithItsIds:
    """The barred rows are cut out of the table along with the list of ids, which turns the place back into an id."""

    def analogy(a, b, c, table, leave_out):
        keep = torch.ones(len(table), dtype=torch.bool)
        if leave_out:
            for id in (a, b, c):
                keep[id] = False
        ids = keep.nonzero().flatten()
        return ids[nearest(table[b] - table[a] + table[c], table[ids], 1)].item()
