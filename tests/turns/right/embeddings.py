"""Unusual right answers to the turns of lesson 02, as learners write them."""

import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import right

from minillm.analysis import geometry
from minillm.course.turns.embeddings import nearest


@right("02.embed")
class LoopIntoZeros:
    def embed(ids, table):
        out = []
        for t in range(len(ids)):
            out.append(table[int(ids[t])])
        return torch.stack(out, dim=0)


@right("02.embed")
class OneHotByTorch:
    def embed(ids, table):
        return F.one_hot(ids, table.shape[0]).to(table.dtype) @ table


@right("02.embed")
class IdentityRows:
    def embed(ids, table):
        V = len(table)
        return (torch.arange(V) == ids[:, None]).float() @ table


@right("02.embed")
class Gather:
    def embed(ids, table):
        return torch.gather(table, 0, ids[:, None].expand(-1, table.shape[1]))


@right("02.embed")
class ALayerOnThisTable:
    def embed(ids, table):
        layer = nn.Linear(len(table), table.shape[1], bias=False)
        del layer.weight
        layer.weight = table.T
        return layer(F.one_hot(ids, len(table)).float())


@right("02.nearest")
class SortOfNormalized:
    def nearest(vector, table, k):
        cosines = F.normalize(table, dim=-1) @ F.normalize(vector, dim=-1)
        order = torch.sort(cosines, descending=True)[1]
        return order[:k]


@right("02.nearest")
class WithoutTheVectorsNorm:
    def nearest(vector, table, k):
        norms = (table**2).sum(dim=1) ** 0.5
        return torch.topk((vector * table).sum(dim=1) / norms, k)[1]


@right("02.nearest")
class PairsOfPython:
    def nearest(vector, table, k):
        pairs = []
        for i, dot in enumerate((table @ vector / table.norm(dim=1)).tolist()):
            pairs.append((dot, i))
        pairs.sort(reverse=True)
        return torch.tensor([i for _, i in pairs[:k]])


@right("02.nearest")
class EinsumAndArgsort:
    def nearest(vector, table, k):
        dots = torch.einsum("vc,c->v", table, vector)
        return torch.argsort(-dots / torch.linalg.vector_norm(table, dim=1))[:k]


@right("02.nearest")
class ByDistanceOfDirections:
    def nearest(vector, table, k):
        far = torch.cdist(F.normalize(vector, dim=0)[None], F.normalize(table, dim=1))[0]
        return far.topk(k, largest=False).indices


@right("02.analogy")
class CopyAndBar:
    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        cosines = table @ total / table.norm(dim=1)
        if leave_out:
            for id in (a, b, c):
                cosines[id] = -1e9
        return cosines.argmax().item()


@right("02.analogy")
class LoopWithContinue:
    def analogy(a, b, c, table, leave_out):
        for id in nearest(table[b] - table[a] + table[c], table, 4):
            if leave_out and int(id) in [a, b, c]:
                continue
            return id


@right("02.analogy")
class FirstOfAListLessASet:
    def analogy(a, b, c, table, leave_out):
        order = [int(i) for i in nearest(table[c] + table[b] - table[a], table, len(table))]
        return [i for i in order if not (leave_out and i in {a, b, c})][0]


@right("02.analogy")
class ThePackages:
    def analogy(a, b, c, table, leave_out):
        return geometry.analogy(table, a, b, c, k=1, exclude_query=leave_out)[0][0]


@right("02.analogy")
class MaskedFill:
    def analogy(a, b, c, table, leave_out):
        cosines = F.cosine_similarity(table, (table[b] + table[c] - table[a]).unsqueeze(0), dim=1)
        barred = torch.zeros(len(table), dtype=torch.bool)
        barred[[a, b, c]] = leave_out
        return torch.argmax(cosines.masked_fill(barred, float("-inf")))
