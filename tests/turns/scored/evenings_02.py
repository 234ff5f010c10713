"""Answers to the turns of lesson 02, written from its text alone; checks changed after."""

import heapq
import math

import torch
import torch.nn.functional as F
from turn_answers import right, wrong


def my_nearest(vector, table, k):
    return F.cosine_similarity(vector[None], table, dim=1).topk(k).indices


# --- 02.embed


@wrong("02.embed", "The right rows, but an id that comes again gives no second row.")
class RepeatedIdOnce:
    """Collects the rows in a dictionary by id, so an id that comes twice gives one row."""

    def embed(ids, table):
        rows = {}
        for id in ids.tolist():
            rows[id] = table[id]
        return torch.stack(list(rows.values()))


@right("02.embed")
class EinsumOfOneHot:
    """The product with one-hot rows, made by comparison, as einsum."""

    def embed(ids, table):
        hot = (ids[:, None] == torch.arange(len(table))).to(table.dtype)
        return torch.einsum("tv,vc->tc", hot, table)


@right("02.embed")
class GatherAllColumns:
    """gather, with the ids repeated for all columns."""

    def embed(ids, table):
        return table.gather(0, ids.long().unsqueeze(1).expand(-1, table.size(1)))


# --- 02.nearest


@right("02.nearest")
class DistanceOnTheSphere:
    """The smallest distances between unit vectors have the largest cosines."""

    def nearest(vector, table, k):
        rows = F.normalize(table.double(), dim=1)
        goal = F.normalize(vector.double(), dim=0)
        return (rows - goal).square().sum(1).sort(stable=True).indices[:k]


@right("02.nearest")
class HeapOfFloats:
    """Plain Python floats and heapq.nlargest."""

    def nearest(vector, table, k):
        v = vector.tolist()

        def cos(i):
            r = table[i].tolist()
            norms = math.hypot(*v) * math.hypot(*r)
            return math.fsum(p * q for p, q in zip(v, r)) / norms if norms else 0.0

        best = heapq.nlargest(k, range(len(table)), key=cos)
        return torch.tensor(best, dtype=torch.long)


# --- 02.analogy


@wrong("02.analogy", "If the three nearest rows are all barred, the first of them answers after all.")
class OnlyThreeAsked:
    """Asks for the three nearest and takes the first that's allowed. If these are a, b and c, nothing is left, and it
    returns the nearest after all."""

    def analogy(a, b, c, table, leave_out):
        near = my_nearest(table[b] - table[a] + table[c], table, 3).tolist()
        if leave_out:
            for i in near:
                if i not in [a, b, c]:
                    return i
        return near[0]


@right("02.analogy")
class AllowedOnly:
    """Compares with the allowed rows only, and maps the place back to the id."""

    def analogy(a, b, c, table, leave_out):
        allowed = torch.ones(len(table), dtype=torch.bool)
        allowed[[int(a), int(b), int(c)]] = not leave_out
        ids = allowed.nonzero().flatten()
        goal = table[b] - table[a] + table[c]
        cos = F.cosine_similarity(table[ids], goal.expand(len(ids), -1), dim=1)
        return int(ids[cos.argmax()])


@right("02.analogy")
class PlainNumbers:
    """max() over the ids, with math.hypot and without any torch function."""

    def analogy(a, b, c, table, leave_out):
        rows = table.tolist()
        a, b, c = int(a), int(b), int(c)
        goal = [q - p + r for p, q, r in zip(rows[a], rows[b], rows[c])]

        def cosine(id):
            # the goal's own norm is the same for all
            norm = math.hypot(*rows[id])
            return math.fsum(x * y for x, y in zip(rows[id], goal)) / norm if norm else 0.0

        may = set(range(len(rows))) - ({a, b, c} if leave_out else set())
        return max(may, key=cosine)
