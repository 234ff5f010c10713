"""Answers to the turns of lesson 02, written from its text alone; checks changed after."""

import heapq
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import right, wrong

_ROWS = {}


# --- 02.embed


@wrong("02.embed", "The result is right, but no model could learn through it: `table` gets no gradient.")
class FrozenFromPretrained:
    """nn.Embedding.from_pretrained freezes its weight by default, so no gradient reaches the table."""

    def embed(ids, table):
        return nn.Embedding.from_pretrained(table)(ids)


@wrong("02.embed", "`_ROWS` still holds what earlier calls have put into it, and that changes the result.")
class RemembersRowsById:
    """Each row is kept by its id after the first lookup, so a table that has changed since gives its old rows."""

    def embed(ids, table):
        for i in ids.tolist():
            if i not in _ROWS:
                _ROWS[i] = table[i].clone()
        return torch.stack([_ROWS[i] for i in ids.tolist()])


@right("02.embed")
class GatherExpanded:
    """gather along the rows, with the ids expanded to all C columns."""

    def embed(ids, table):
        return table.gather(0, ids.long().unsqueeze(-1).expand(-1, table.shape[1]))


@right("02.embed")
class EinsumOverEqualIds:
    """The one-hot matrix comes from comparing the ids with all V numbers, and einsum sums over the vocabulary."""

    def embed(ids, table):
        hit = ids[:, None] == torch.arange(table.shape[0])[None, :]
        return torch.einsum("tv,vc->tc", hit.to(table.dtype), table)


# --- 02.nearest


@wrong("02.nearest", "Each row that was found is taken out, so the ids of the rows behind it are too small.")
class RemovesTheWinner:
    """It cuts each winner out of the list of cosines and searches again, so later ids behind it are one too small."""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        ids = []
        for _ in range(k):
            i = int(cosines.argmax())
            ids.append(i)
            cosines = torch.cat([cosines[:i], cosines[i + 1 :]])
        return torch.tensor(ids)


@right("02.nearest")
class HeapOfCosinesInDouble:
    """Cosines in numpy with 64 bits, and heapq.nlargest picks the ids."""

    def nearest(vector, table, k):
        rows, point = table.detach().double().numpy(), vector.detach().double().numpy()
        cosines = rows @ point / np.sqrt((rows**2).sum(axis=1) * (point**2).sum())
        return torch.tensor(heapq.nlargest(k, range(len(cosines)), key=cosines.__getitem__), dtype=torch.long)


@right("02.nearest")
class DistanceOnTheUnitSphere:
    """It ranks by the distance of the unit vectors, smallest first: for vectors of one norm that's the same order."""

    def nearest(vector, table, k):
        unit_rows = F.normalize(table.double(), dim=1, eps=0)
        unit = F.normalize(vector.double(), dim=0, eps=0)
        return (unit_rows - unit).pow(2).sum(dim=1).sort(stable=True).indices[:k]


# --- 02.analogy


@right("02.analogy")
class MaskedWithMinusInfinity:
    """All cosines by F.cosine_similarity, minus infinity for the ids that may not answer, and one argmax."""

    def analogy(a, b, c, table, leave_out):
        point = torch.tensor([-1.0, 1.0, 1.0], dtype=table.dtype) @ table[[a, b, c]]
        scores = F.cosine_similarity(table, point.expand_as(table), dim=1)
        if leave_out:
            scores = scores.index_fill(0, torch.tensor([a, b, c]), -math.inf)
        return scores.argmax().item()


@right("02.analogy")
class MaxOverAllowedIds:
    """It takes Python's max over the set of ids that may answer, with a list of cosines as the key."""

    def analogy(a, b, c, table, leave_out):
        rows = table.detach().double()
        point = rows[b] - rows[a] + rows[c]
        cosines = (rows @ point / rows.norm(dim=1)).tolist()  # the norm of the point is the same for all
        allowed = set(range(len(rows))) - ({a, b, c} if leave_out else set())
        return max(allowed, key=cosines.__getitem__)
