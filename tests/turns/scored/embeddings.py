"""Answers to the turns of lesson 02, written from its text alone; the checks were changed once they were scored."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import right, wrong

from minillm.course.turns.embeddings import nearest

# --- 02.embed


@wrong("02.embed", "")
class FreshLayer:
    def embed(ids, table):
        return nn.Embedding(table.shape[0], table.shape[1])(ids)


@wrong("02.embed", "")
class Columns:
    def embed(ids, table):
        return table[:, ids]


@wrong("02.embed", "")
class ColumnsTransposed:
    def embed(ids, table):
        return table[:, ids].T


@wrong("02.embed", "")
class Slice:
    def embed(ids, table):
        return table[: len(ids)]


@wrong("02.embed", "")
class CountsFromOne:
    def embed(ids, table):
        return table[ids - 1]


@wrong("02.embed", "")
class OneHotOfOwnWidth:
    def embed(ids, table):
        return F.one_hot(ids).float() @ table


@wrong("02.embed", "")
class OneHotOfInts:
    def embed(ids, table):
        return F.one_hot(ids, len(table)) @ table


@wrong("02.embed", "")
class IdTimesTable:
    def embed(ids, table):
        return ids @ table


@wrong("02.embed", "")
class IdTimesRow:
    def embed(ids, table):
        return ids[:, None] * table[0]


@wrong("02.embed", "")
class ListOfRows:
    def embed(ids, table):
        return [table[i] for i in ids]


@wrong("02.embed", "")
class ReturnInLoop:
    def embed(ids, table):
        for i in ids:
            return table[i]


@wrong("02.embed", "")
class Concatenated:
    def embed(ids, table):
        return torch.cat([table[i] for i in ids])


@wrong("02.embed", "")
class Summed:
    def embed(ids, table):
        return sum(table[i] for i in ids)


@wrong("02.embed", "")
class MeanOfRows:
    def embed(ids, table):
        return table[ids].mean(dim=0)


@wrong("02.embed", "")
class UniqueRows:
    def embed(ids, table):
        return table[ids.unique()]


@wrong("02.embed", "")
class Numpy:
    def embed(ids, table):
        return table.detach().numpy()[ids.numpy()]


@wrong("02.embed", "")
class NewTensorLosesGradient:
    def embed(ids, table):
        return torch.tensor([table[i].tolist() for i in ids])


@wrong("02.embed", "")
class WithBatch:
    def embed(ids, table):
        return table[ids[None]]


@wrong("02.embed", "")
class Prints:
    def embed(ids, table):
        print(table[ids])


@wrong("02.embed", "")
class TheIds:
    def embed(ids, table):
        return ids


@wrong("02.embed", "")
class Scaled:
    def embed(ids, table):
        return table[ids] * table.shape[1] ** 0.5


@wrong("02.embed", "")
class WrongName:
    def embed(ids, table):
        return weight[ids]  # noqa: F821


@right("02.embed")
class Stacked:
    def embed(ids, table):
        return torch.stack([table[i] for i in ids])


@right("02.embed")
class OneHotProduct:
    def embed(ids, table):
        one_hot = torch.zeros(len(ids), len(table))
        for position, id in enumerate(ids):
            one_hot[position, id] = 1
        return one_hot @ table


@right("02.embed")
class TorchsOwn:
    def embed(ids, table):
        return F.embedding(ids, table)


@right("02.embed")
class IndexSelect:
    def embed(ids, table):
        return torch.index_select(table, 0, ids)


# --- 02.nearest


@wrong("02.nearest", "")
class DotProduct:
    def nearest(vector, table, k):
        return (table @ vector).topk(k).indices


@wrong("02.nearest", "")
class DotByVectorNorm:
    def nearest(vector, table, k):
        return (table @ vector / vector.norm()).topk(k).indices


@wrong("02.nearest", "")
class NormOfColumns:
    def nearest(vector, table, k):
        return (F.normalize(table, dim=0) @ F.normalize(vector, dim=0)).topk(k).indices


@wrong("02.nearest", "")
class NormOfTheTable:
    def nearest(vector, table, k):
        return (table @ vector / (table.norm() * vector.norm())).topk(k).indices


@wrong("02.nearest", "")
class Values:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector, dim=-1).topk(k).values


@wrong("02.nearest", "")
class Both:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector, dim=-1).topk(k)


@wrong("02.nearest", "")
class Smallest:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector, dim=-1).argsort()[:k]


@wrong("02.nearest", "")
class LargestButUpsideDown:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector, dim=-1).argsort()[-k:]


@wrong("02.nearest", "")
class EuclideanNearest:
    def nearest(vector, table, k):
        return (table - vector).norm(dim=1).argsort()[:k]


@wrong("02.nearest", "")
class LeavesItselfOut:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector, dim=-1).topk(k + 1).indices[1:]


@wrong("02.nearest", "")
class Rows:
    def nearest(vector, table, k):
        return table[F.cosine_similarity(table, vector, dim=-1).topk(k).indices]


@wrong("02.nearest", "")
class JustOne:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector, dim=-1).argmax()


@wrong("02.nearest", "")
class AllOfThem:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector, dim=-1).argsort(descending=True)


@wrong("02.nearest", "")
class SimilarityAlongTheWrongAxis:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector, dim=0).topk(k).indices


@wrong("02.nearest", "")
class Absolute:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector, dim=-1).abs().topk(k).indices


@wrong("02.nearest", "")
class SumInPlaceOfNorm:
    def nearest(vector, table, k):
        return (table @ vector / (table.sum(1) * vector.sum())).topk(k).indices


@wrong("02.nearest", "")
class SquaredNorms:
    def nearest(vector, table, k):
        return (table @ vector / (table.square().sum(1) * vector.square().sum())).topk(k).indices


@wrong("02.nearest", "")
class SortedList:
    def nearest(vector, table, k):
        cosines = [float(row @ vector / (row.norm() * vector.norm())) for row in table]
        return sorted(cosines, reverse=True)[:k]


@wrong("02.nearest", "")
class Precedence:
    def nearest(vector, table, k):
        return (table @ vector / table.norm(dim=1) * vector.norm()).topk(k, largest=False).indices


@wrong("02.nearest", "")
class AlwaysFive:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector, dim=-1).topk(5).indices


@wrong("02.nearest", "")
class NoIndices:
    def nearest(vector, table, k):
        return table @ vector / (table.norm(dim=1) * vector.norm())


@wrong("02.nearest", "")
class SwappedInProduct:
    def nearest(vector, table, k):
        return (vector @ table / (table.norm(dim=1) * vector.norm())).topk(k).indices


@wrong("02.nearest", "")
class Mask:
    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector, dim=-1)
        return cosines >= cosines.topk(k).values[-1]


@right("02.nearest")
class CosineSimilarity:
    def nearest(vector, table, k):
        return F.cosine_similarity(vector[None], table).topk(k).indices


@right("02.nearest")
class NormalizedRows:
    def nearest(vector, table, k):
        return (F.normalize(table, dim=1) @ vector).argsort(descending=True)[:k]


@right("02.nearest")
class PlainLoop:
    def nearest(vector, table, k):
        dots, norms = table @ vector, table.norm(dim=1) * vector.norm()
        cosines = [float(d / n) for d, n in zip(dots, norms)]
        return torch.tensor(sorted(range(len(cosines)), key=lambda i: -cosines[i])[:k])


@right("02.nearest")
class ByArgmaxAgainAndAgain:
    def nearest(vector, table, k):
        cosines = table @ vector / table.norm(dim=1)
        found = []
        for _ in range(k):
            best = int(cosines.argmax())
            found.append(best)
            cosines[best] = -torch.inf
        return torch.tensor(found)


# --- 02.analogy


@wrong("02.analogy", "")
class WrongWay:
    def analogy(a, b, c, table, leave_out):
        ids = nearest(table[a] - table[b] + table[c], table, 4).tolist()
        return next(i for i in ids if not leave_out or i not in (a, b, c))


@wrong("02.analogy", "")
class ForgotC:
    def analogy(a, b, c, table, leave_out):
        ids = nearest(table[b] - table[a], table, 4).tolist()
        return next(i for i in ids if not leave_out or i not in (a, b, c))


@wrong("02.analogy", "")
class AddsAll:
    def analogy(a, b, c, table, leave_out):
        ids = nearest(table[a] + table[b] + table[c], table, 4).tolist()
        return next(i for i in ids if not leave_out or i not in (a, b, c))


@wrong("02.analogy", "")
class NothingSubtracted:
    def analogy(a, b, c, table, leave_out):
        ids = nearest(table[b] + table[c], table, 4).tolist()
        return next(i for i in ids if not leave_out or i not in (a, b, c))


@wrong("02.analogy", "")
class NeverLeavesOut:
    def analogy(a, b, c, table, leave_out):
        return nearest(table[b] - table[a] + table[c], table, 1)[0]


@wrong("02.analogy", "")
class AlwaysLeavesOut:
    def analogy(a, b, c, table, leave_out):
        for i in nearest(table[b] - table[a] + table[c], table, 4).tolist():
            if i not in (a, b, c):
                return i


@wrong("02.analogy", "")
class LeavesOutTheOtherWayRound:
    def analogy(a, b, c, table, leave_out):
        ids = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        return ids[0] if leave_out else [i for i in ids if i not in (a, b, c)][0]


@wrong("02.analogy", "")
class LeavesOutOnlyB:
    def analogy(a, b, c, table, leave_out):
        ids = nearest(table[b] - table[a] + table[c], table, 2).tolist()
        return ids[1] if leave_out and ids[0] == b else ids[0]


@wrong("02.analogy", "")
class AlwaysTheSecond:
    def analogy(a, b, c, table, leave_out):
        return nearest(table[b] - table[a] + table[c], table, 2)[1 if leave_out else 0]


@wrong("02.analogy", "")
class AlwaysTheFourth:
    def analogy(a, b, c, table, leave_out):
        return nearest(table[b] - table[a] + table[c], table, 4)[3 if leave_out else 0]


@wrong("02.analogy", "")
class SumOfIds:
    def analogy(a, b, c, table, leave_out):
        return b - a + c


@wrong("02.analogy", "")
class RowOfTheSumOfIds:
    def analogy(a, b, c, table, leave_out):
        return nearest(table[b - a + c], table, 1)[0]


@wrong("02.analogy", "")
class ReturnsTheVector:
    def analogy(a, b, c, table, leave_out):
        return table[b] - table[a] + table[c]


@wrong("02.analogy", "")
class ReturnsAllFour:
    def analogy(a, b, c, table, leave_out):
        return nearest(table[b] - table[a] + table[c], table, 4)


@wrong("02.analogy", "")
class ReturnsAList:
    def analogy(a, b, c, table, leave_out):
        ids = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        return [i for i in ids if not leave_out or i not in (a, b, c)]


@wrong("02.analogy", "")
class TooFewNeighbors:
    def analogy(a, b, c, table, leave_out):
        ids = nearest(table[b] - table[a] + table[c], table, 3).tolist()
        return [i for i in ids if not leave_out or i not in (a, b, c)][0]


@wrong("02.analogy", "")
class ZeroesTheRows:
    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        if leave_out:
            table[[a, b, c]] = 0
        return int(nearest(total, table, 1)[0])


@wrong("02.analogy", "")
class DotWithRows:
    def analogy(a, b, c, table, leave_out):
        scores = table @ (table[b] - table[a] + table[c])
        if leave_out:
            scores[[a, b, c]] = -torch.inf
        return int(scores.argmax())


@wrong("02.analogy", "")
class ByDistance:
    def analogy(a, b, c, table, leave_out):
        far = (table - (table[b] - table[a] + table[c])).norm(dim=1)
        if leave_out:
            far[[a, b, c]] = torch.inf
        return int(far.argmin())


@wrong("02.analogy", "")
class ZeroIsNotLowEnough:
    def analogy(a, b, c, table, leave_out):
        cosines = F.cosine_similarity(table, table[b] - table[a] + table[c])
        if leave_out:
            cosines[[a, b, c]] = 1
        return int(cosines.argmax())


@wrong("02.analogy", "")
class Nothing:
    def analogy(a, b, c, table, leave_out):
        ids = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        for i in ids:
            if leave_out and i in (a, b, c):
                continue
            print(i)


@wrong("02.analogy", "")
class ArgumentsOfThePackage:
    def analogy(a, b, c, table, leave_out):
        return nearest(table, table[b] - table[a] + table[c], 4)[0]


@wrong("02.analogy", "")
class CosineItself:
    def analogy(a, b, c, table, leave_out):
        cosines = F.cosine_similarity(table, table[b] - table[a] + table[c])
        if leave_out:
            cosines[[a, b, c]] = -torch.inf
        return float(cosines.max())


@wrong("02.analogy", "")
class LeavesOutByNumpy:
    def analogy(a, b, c, table, leave_out):
        cosines = F.cosine_similarity(table, table[b] - table[c] + table[a]).numpy()
        if leave_out:
            cosines[[a, b, c]] = -np.inf
        return int(cosines.argmax())


@right("02.analogy")
class MasksCosines:
    def analogy(a, b, c, table, leave_out):
        cosines = F.cosine_similarity(table, table[b] - table[a] + table[c])
        if leave_out:
            cosines[[a, b, c]] = -torch.inf
        return int(cosines.argmax())


@right("02.analogy")
class NextOfNearest:
    def analogy(a, b, c, table, leave_out):
        barred = {a, b, c} if leave_out else set()
        return next(int(i) for i in nearest(table[b] - table[a] + table[c], table, 4) if int(i) not in barred)


@right("02.analogy")
class ATensorOfOneNumber:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] + (table[c] - table[a]), table, 4)
        if leave_out:
            found = found[~torch.isin(found, torch.tensor([a, b, c]))]
        return found[0]


@right("02.analogy")
class Recursive:
    def analogy(a, b, c, table, leave_out):
        k = 1 if not leave_out else 4
        ids = list(map(int, nearest(table[c] - table[a] + table[b], table, k)))
        while ids[0] in (a, b, c) and leave_out:
            ids.pop(0)
        return ids[0]
