"""Answers to the turns of lesson 02, written from its text alone; checks changed after."""

import heapq
from functools import reduce

import numpy as np
import torch
import torch.nn.functional as F
from turn_answers import right, wrong


def nearest(vector, table, k):
    cosines = F.normalize(table, dim=1) @ F.normalize(vector, dim=0)
    return cosines.topk(k).indices


def _quicksort(pairs):
    if not pairs:
        return []
    pivot = pairs[len(pairs) // 2]
    larger = [pair for pair in pairs if pair[0] > pivot[0]]
    smaller = [pair for pair in pairs if pair[0] < pivot[0]]
    return [*_quicksort(larger), pivot, *_quicksort(smaller)]


def _first_allowed(target, table, banned, k):
    last = int(nearest(target, table, k)[-1])
    return _first_allowed(target, table, banned, k + 1) if last in banned else last


# --- 02.embed


@right("02.embed")
class EinsumOfDummies:
    """Comparing ids with all row numbers makes the one-hot matrix, and einsum multiplies it by the table."""

    def embed(ids, table):
        dummies = (ids[:, None] == torch.arange(len(table), device=ids.device)).to(table.dtype)
        return torch.einsum("tv,vc->tc", dummies, table)


@right("02.embed")
class GathersEachNumber:
    """gather picks each number of the result by itself, with every id repeated C times."""

    def embed(ids, table):
        return table.gather(0, ids.long().unsqueeze(1).expand(-1, table.shape[1]))


# --- 02.nearest


@wrong("02.nearest", "Of two equal rows, only one is found.")
class QuicksortDropsEquals:
    """Its quicksort keeps what is larger and what is smaller than the pivot, so of equal cosines one stays."""

    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector[None], dim=1).tolist()
        return torch.tensor([id for _, id in _quicksort(list(zip(cosines, range(len(cosines)))))][:k])


@right("02.nearest")
class ArgsortInNumpy:
    """numpy computes the cosines in 64 bits and sorts the negated ones, and a tensor is made of the result."""

    def nearest(vector, table, k):
        rows, one = (tensor.detach().double().cpu().numpy() for tensor in (table, vector))
        cosines = np.einsum("vc,c->v", rows, one) / np.sqrt(np.einsum("vc,vc->v", rows, rows) * (one @ one))
        return torch.from_numpy(np.argsort(-cosines, kind="stable")[:k].copy())


@right("02.nearest")
class HeapOfAllIds:
    """A heap picks the k ids with the largest cosines, which are plain numbers in a list."""

    def nearest(vector, table, k):
        cosines = torch.cosine_similarity(table, vector.expand_as(table), dim=-1).tolist()
        return torch.tensor(heapq.nlargest(k, range(len(cosines)), key=cosines.__getitem__))


# --- 02.analogy


@wrong("02.analogy", "The ids are searched as text, where 2 is in 321.")
class FoundInsideText:
    """It looks for the id's digits in the text of the three, so id 2 is left out when a is 12 or 21."""

    def analogy(a, b, c, table, leave_out):
        ranked = nearest(table[b] - table[a] + table[c], table, len(table)).tolist()
        taken = f"{a} {b} {c}" if leave_out else ""
        return next(id for id in ranked if str(id) not in taken)


@wrong("02.analogy", "Right where all may answer; with `leave_out`, the wrong row answers.")
class FoldEndsAtTheLast:
    """The fold over the ranking replaces its answer by each allowed id, so with leave_out it ends at the last one."""

    def analogy(a, b, c, table, leave_out):
        ranked = nearest(table[b] - table[a] + table[c], table, min(5, len(table))).tolist()
        if not leave_out:
            return ranked[0]
        return reduce(lambda answer, id: answer if id in (a, b, c) else id, ranked, ranked[0])


@right("02.analogy")
class WeightsOverTheTable:
    """A vector of weights 1, -1, 1 times the table makes the sum, and the cosines of a, b and c become -infinity."""

    def analogy(a, b, c, table, leave_out):
        weights = table.new_zeros(len(table))
        for id, weight in ((b, 1.0), (a, -1.0), (c, 1.0)):
            weights[id] += weight
        cosines = F.cosine_similarity(table, (weights @ table)[None], dim=1)
        if leave_out:
            cosines = cosines.index_fill(0, torch.tensor([a, b, c]), float("-inf"))
        return int(cosines.argmax())


@right("02.analogy")
class AsksForOneMore:
    """It asks for the k nearest with k = 1, 2, 3 and so on, by recursion, until the last of them may answer."""

    def analogy(a, b, c, table, leave_out):
        return _first_allowed(table[b] - table[a] + table[c], table, {a, b, c} if leave_out else set(), 1)
