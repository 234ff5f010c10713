"""Answers to the turns of lesson 02, written from its text alone; checks changed after."""

import heapq
import math

import numpy as np
import torch
import torch.nn.functional as F
from turn_answers import right

# --- 02.embed


@right("02.embed")
class GatherOverColumns:
    """torch.gather along the rows, with the ids spread over all columns."""

    def embed(ids, table):
        index = ids.long().reshape(-1, 1).expand(-1, table.size(1))
        return torch.gather(table, 0, index)


@right("02.embed")
class BagsOfOne:
    """embedding_bag with one id per bag: the sum over one row is the row."""

    def embed(ids, table):
        if ids.numel() == 0:
            return table.narrow(0, 0, 0)
        starts = torch.arange(ids.numel())
        return F.embedding_bag(ids.long(), table, starts, mode="sum")


# --- 02.nearest


@right("02.nearest")
class HeapInPurePython:
    """math and heapq, row by row."""

    def nearest(vector, table, k):
        v = vector.tolist()
        length = math.hypot(*v)

        def cosine(row):
            product = math.hypot(*row) * length
            return sum(a * b for a, b in zip(row, v)) / product if product else 0.0

        cosines = [cosine(row) for row in table.tolist()]
        best = heapq.nlargest(k, range(len(cosines)), key=cosines.__getitem__)
        return torch.tensor(best, dtype=torch.long)


@right("02.nearest")
class ArgmaxKTimes:
    """Takes the largest k times and strikes it out; the vector's own norm is left out, for it changes no order."""

    def nearest(vector, table, k):
        rows = table.detach().double()
        scores = (rows * vector.detach().double()).sum(-1) / rows.pow(2).sum(-1).sqrt().clamp(min=1e-12)
        found = torch.empty(k, dtype=torch.long)
        for place in range(k):
            found[place] = scores.argmax()
            scores[found[place]] = -torch.inf
        return found


# --- 02.analogy


@right("02.analogy")
class NumpyAndInfinity:
    """numpy in 64 bits, with minus infinity for the three."""

    def analogy(a, b, c, table, leave_out):
        rows = table.detach().cpu().numpy().astype(np.float64)
        target = rows[b] - rows[a] + rows[c]
        lengths = np.sqrt(np.einsum("vc,vc->v", rows, rows))
        cosines = np.divide(rows @ target, lengths, out=np.zeros(len(rows)), where=lengths > 0)
        if leave_out:
            cosines[[int(a), int(b), int(c)]] = -np.inf
        return int(np.argmax(cosines))


@right("02.analogy")
class MaxOverAllowedIds:
    """Python's max over the ids that may answer, with one matrix product for weights -1, 1, 1."""

    def analogy(a, b, c, table, leave_out):
        signs = torch.tensor([-1.0, 1.0, 1.0], dtype=table.dtype)
        vector = signs @ table[[a, b, c]]
        cosines = F.cosine_similarity(table, vector.unsqueeze(0)).tolist()
        allowed = set(range(len(table))) - ({int(a), int(b), int(c)} if leave_out else set())
        return max(sorted(allowed), key=cosines.__getitem__)
