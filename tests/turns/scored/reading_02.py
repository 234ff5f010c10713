"""Answers to the turns of lesson 02, written from its text alone by a reader."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import right, wrong

tiny_table = torch.tensor([[2.0, 1.0], [1.0, 2.0], [6.0, 3.0], [0.0, -1.0]])
one_hot = F.one_hot(torch.tensor([2, 0]), 4).float()
king, man, woman = torch.ones(3, 576)  # as on the page, without its table
NAMES = 50 * "cat dog king river queen man woman boy girl".split()  # the page has 49,152


def name(id):
    return NAMES[id]


# --- 02.embed


@wrong("02.embed", "`embed` returns a list; the cells below need a torch tensor.")
class AListOfRows:
    def embed(ids, table):
        return [table[id] for id in ids]


@wrong("02.embed", "None of the rows in the result is a row of `table`.")
class ANewLayer:
    def embed(ids, table):
        V, C = table.shape
        wte = nn.Embedding(V, C)
        return wte(ids)


@wrong("02.embed", "raised RuntimeError: mat1 and mat2 shapes cannot be multiplied")
class FourTokens:
    def embed(ids, table):
        return F.one_hot(ids, 4).float() @ table


@wrong("02.embed", "raised RuntimeError: mat1 and mat2 shapes cannot be multiplied")
class ThePagesOneHot:
    def embed(ids, table):
        return one_hot @ table


@wrong("02.embed", "raised RuntimeError: expected m1 and m2 to have the same dtype")
class WholeNumbersTimesTheTable:
    def embed(ids, table):
        return F.one_hot(ids, len(table)) @ table


@wrong("02.embed", "raised RuntimeError: mat1 and mat2 shapes cannot be multiplied")
class NoNumberOfClasses:
    def embed(ids, table):
        return F.one_hot(ids).float() @ table


@wrong("02.embed", "Each row is the one before the right one: off by one.")
class CountsFromOne:
    def embed(ids, table):
        return table[ids - 1]


@wrong("02.embed", "Columns are picked in place of rows.")
class PicksColumns:
    def embed(ids, table):
        return table[:, ids]


@wrong("02.embed", "Only the row of the first id is returned.")
class ReturnsInTheLoop:
    def embed(ids, table):
        for id in ids:
            return table[id]


@wrong("02.embed", "The numbers are right, but the shape must be (T, C), a row per id; here it is")
class WithABatch:
    def embed(ids, table):
        return table[ids].unsqueeze(0)


@wrong("02.embed", "`embed` returned None.")
class Prints:
    def embed(ids, table):
        print(table[ids])


@wrong("02.embed", "The right rows, each once and sorted by id.")
class EachOnce:
    def embed(ids, table):
        return table[ids.unique()]


@wrong("02.embed", "The mean of the rows is returned.")
class TheMeanOfTheRows:
    def embed(ids, table):
        return table[ids].mean(dim=0)


@wrong("02.embed", "raised RuntimeError: mat1 and mat2 shapes cannot be multiplied")
class IdsTimesTheTable:
    def embed(ids, table):
        return ids @ table


@wrong("02.embed", "raised IndexError: index 4 is out of bounds for dimension 0")
class TheTinyTable:
    def embed(ids, table):
        return tiny_table[ids]


@wrong("02.embed", "The rows follow each other in one long vector.")
class CatForStack:
    def embed(ids, table):
        return torch.cat([table[id] for id in ids])


@wrong("02.embed", "raised RuntimeError: 'weight' must be 2-D")
class SwappedForTheFunction:
    def embed(ids, table):
        return F.embedding(table, ids)


@wrong("02.embed", "All rows of the result are the same: the sum of the rows that the text names.")
class OnesInWholeRows:
    def embed(ids, table):
        hot = torch.zeros(len(ids), len(table))
        hot[:, ids] = 1
        return hot @ table


@wrong("02.embed", "raised IndexError: index 2 is out of bounds for dimension 0")
class WritesAtTheId:
    def embed(ids, table):
        out = torch.zeros(len(ids), table.shape[1])
        for id in ids:
            out[id] = table[id]
        return out


@wrong("02.embed", "Only the row of the first id is returned.")
class OneRow:
    def embed(ids, table):
        return table[int(ids[0])]


@wrong("02.embed", "`embed` returns a numpy array; the cells below need a torch tensor.")
class ThroughNumpy:
    def embed(ids, table):
        return np.array(table)[np.array(ids)]


@wrong("02.embed", "Each row has norm 1.")
class BroughtToNormOne:
    def embed(ids, table):
        return F.normalize(table[ids], dim=-1)


@wrong("02.embed", "`embed` goes more than 1,000 calls deep")
class CallsItself:
    def embed(ids, table):
        return AnEmbedding.embed(ids, table)


class AnEmbedding:
    def embed(ids, table):
        return AnEmbedding.embed(ids, table)


@wrong("02.embed", "raised RuntimeError: Index tensor must have the same number of dimensions")
class Gathers:
    def embed(ids, table):
        return table.gather(0, ids)


@wrong("02.embed", "The result is right, but no model could learn through it: `table` gets no")
class Detached:
    def embed(ids, table):
        return table[ids].detach()


@wrong("02.embed", "The right rows, but sorted by id.")
class SortsTheIds:
    def embed(ids, table):
        return torch.stack([table[id] for id in sorted(ids)])


@right("02.embed")
class AComparisonForOneHot:
    def embed(ids, table):
        hot = ids[:, None] == torch.arange(len(table))
        return hot.to(table.dtype) @ table


@right("02.embed")
class WritesEachRow:
    def embed(ids, table):
        out = torch.zeros(len(ids), table.shape[1])
        for t, id in enumerate(ids):
            out[t] = table[id]
        return out


@right("02.embed")
class TakesThem:
    def embed(ids, table):
        return torch.index_select(table, 0, ids)


@right("02.embed")
class ListsAsAnIndex:
    def embed(ids, table):
        return table[ids.tolist(), :]


# --- 02.nearest


@wrong("02.nearest", "These are the largest dot products: long rows win.")
class TheDotProduct:
    def nearest(vector, table, k):
        return (table @ vector).topk(k).indices


@wrong("02.nearest", "These are the largest dot products: long rows win.")
class OneNormForAllRows:
    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm() * vector.norm())
        return cosines.topk(k).indices


@wrong("02.nearest", "raised RuntimeError: The size of tensor a (")
class NormsOfColumns:
    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=0) * vector.norm())
        return cosines.topk(k).indices


@wrong("02.nearest", "`nearest` returned something that is of type topk; return plain numbers, text,")
class NoIndices:
    def nearest(vector, table, k):
        return F.cosine_similarity(vector, table).topk(k)


@wrong("02.nearest", "These are the cosines of the right rows.")
class TheFirstOfThePair:
    def nearest(vector, table, k):
        return F.cosine_similarity(vector, table).topk(k)[0]


@wrong("02.nearest", "raised RuntimeError: selected index k out of range")
class PageCosineWithDim0:
    def nearest(vector, table, k):
        cosine = F.cosine_similarity(vector, table, dim=0)
        return cosine.topk(k).indices


@wrong("02.nearest", "The nearest row is left out.")
class SkipsTheFirst:
    def nearest(vector, table, k):
        cosines = F.cosine_similarity(vector, table)
        return cosines.topk(k + 1).indices[1:]


@wrong("02.nearest", "These are the smallest cosines: the rows farthest away.")
class AscendingOrder:
    def nearest(vector, table, k):
        return F.cosine_similarity(vector, table).argsort()[:k]


@wrong("02.nearest", "The right rows, but the nearest comes last.")
class FromTheEnd:
    def nearest(vector, table, k):
        return F.cosine_similarity(vector, table).argsort()[-k:]


@wrong("02.nearest", "raised ValueError: step must be greater than zero")
class NumpysBackwards:
    def nearest(vector, table, k):
        return F.cosine_similarity(vector, table).argsort()[::-1][:k]


@wrong("02.nearest", "These rows are nearest by distance, not by cosine.")
class DistanceInstead:
    def nearest(vector, table, k):
        return (table - vector).norm(dim=1).topk(k, largest=False).indices


@wrong("02.nearest", "These rows are the farthest away, by distance.")
class FarthestPoints:
    def nearest(vector, table, k):
        return (table - vector).norm(dim=1).topk(k).indices


@wrong("02.nearest", "That's a tensor of shape (1, 2); k ids have the shape (2,).")
class WithABatchDimension:
    def nearest(vector, table, k):
        cosines = F.normalize(vector[None]) @ F.normalize(table).T
        return cosines.topk(k).indices


@wrong("02.nearest", "The norms are those of the columns.")
class NormalizesColumns:
    def nearest(vector, table, k):
        return (F.normalize(table, dim=0) @ F.normalize(vector, dim=0)).topk(k).indices


@wrong("02.nearest", "raised IndexError: Dimension out of range")
class NormalizesAVectorByItsDefault:
    def nearest(vector, table, k):
        return (F.normalize(table) @ F.normalize(vector)).topk(k).indices


@wrong("02.nearest", "The dot products are divided by squared norms.")
class SquaredNorms:
    def nearest(vector, table, k):
        cosines = table @ vector / ((table**2).sum(1) * (vector**2).sum())
        return cosines.topk(k).indices


@wrong("02.nearest", "raised RuntimeError: selected index k out of range")
class SumsOverEverything:
    def nearest(vector, table, k):
        cosines = (table * vector).sum() / (table.norm() * vector.norm())
        return cosines.topk(k).indices


@wrong("02.nearest", "These are rows of the table.")
class TheRowsThemselves:
    def nearest(vector, table, k):
        return table[F.cosine_similarity(vector, table).topk(k).indices]


@wrong("02.nearest", "That's a single number.")
class TheNearestOnly:
    def nearest(vector, table, k):
        return F.cosine_similarity(vector, table).argmax()


@wrong("02.nearest", "raised RuntimeError: selected index k out of range")
class EightOfThem:
    def nearest(vector, table, k):
        return F.cosine_similarity(vector, table).topk(8).indices


@wrong("02.nearest", "raised RuntimeError: The size of tensor a (")
class ThePagesWord:
    def nearest(vector, table, k):
        return F.cosine_similarity(king, table).topk(k).indices


@wrong("02.nearest", "That's a list of pairs.")
class SortedPairs:
    def nearest(vector, table, k):
        found = []
        for id in range(len(table)):
            cosine = table[id] @ vector / (table[id].norm() * vector.norm())
            found.append((cosine.item(), id))
        found.sort()
        return found[:k]


@wrong("02.nearest", "That's a pair: cosines and ids.")
class ASortCutInTwo:
    def nearest(vector, table, k):
        return torch.sort(F.cosine_similarity(vector, table), descending=True)[:k]


@wrong("02.nearest", "Opposite directions count as near: the cosines have lost their signs.")
class EitherDirection:
    def nearest(vector, table, k):
        return F.cosine_similarity(vector, table).abs().topk(k).indices


@wrong("02.nearest", "`nearest` returns a numpy array; the cells below need a torch tensor.")
class NumpysArgsort:
    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        return np.argsort(-cosines.numpy())[:k]


@wrong("02.nearest", "`nearest` returns a list; the cells below need a torch tensor.")
class APythonList:
    def nearest(vector, table, k):
        cosines = F.cosine_similarity(vector, table)
        return sorted(range(len(table)), key=lambda id: cosines[id], reverse=True)[:k]


@wrong("02.nearest", "`nearest` returned None.")
class NoReturn:
    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        ids = cosines.topk(k).indices


@wrong("02.nearest", "That's a tensor of shape (4, 2); k ids have the shape (2,).")
class KeepsTheColumn:
    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1, keepdim=True) * vector.norm())
        return cosines.topk(k).indices


@wrong("02.nearest", "in place of a tensor.")
class ReturnsNames:
    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        return [name(id) for id in cosines.topk(k).indices]


@wrong("02.nearest", "raised RuntimeError: selected index k out of range")
class AColumnVector:
    def nearest(vector, table, k):
        cosines = F.normalize(table) @ F.normalize(vector[:, None], dim=0)
        return cosines.topk(k).indices


@wrong("02.nearest", "That's a list of pairs.")
class PairsNearestFirst:
    def nearest(vector, table, k):
        cosines = F.cosine_similarity(vector, table)
        pairs = [(cosine.item(), id) for id, cosine in enumerate(cosines)]
        return sorted(pairs, reverse=True)[:k]


@wrong("02.nearest", "That's a list of pairs.")
class IdsBeforeCosines:
    def nearest(vector, table, k):
        pairs = enumerate(F.cosine_similarity(vector, table).tolist())
        return sorted(pairs, key=lambda pair: -pair[1])[:k]


@wrong("02.nearest", "These rows are nearest by distance, not by cosine.")
class DistanceFromABatch:
    def nearest(vector, table, k):
        return torch.cdist(vector[None], table).topk(k, largest=False).indices[0]


@wrong("02.nearest", "raised AttributeError: 'list' object has no attribute 'topk'")
class AListHasNoTopk:
    def nearest(vector, table, k):
        cosines = [torch.dot(row, vector) / (row.norm() * vector.norm()) for row in table]
        return cosines.topk(k).indices


@wrong("02.nearest", "raised IndexError: Dimension out of range")
class ArgmaxOfACount:
    def nearest(vector, table, k):
        return F.cosine_similarity(vector, table).argmax(k)


@wrong("02.nearest", "That's a single number.")
class TheLargestCosine:
    def nearest(vector, table, k):
        return max(F.cosine_similarity(vector, table))


@wrong("02.nearest", "There is 1 id where k is ")
class AboveOneHalf:
    def nearest(vector, table, k):
        return torch.where(F.cosine_similarity(vector, table) > 0.5)[0][:k]


@right("02.nearest")
class APrecedenceThatKeepsTheOrder:
    def nearest(vector, table, k):
        cosines = table @ vector / table.norm(dim=1) * vector.norm()
        return cosines.topk(k).indices


@right("02.nearest")
class DistanceOnTheSphere:
    def nearest(vector, table, k):
        directions = F.normalize(table, dim=1)
        return (directions - F.normalize(vector, dim=0)).norm(dim=1).argsort()[:k]


@right("02.nearest")
class AListMadeATensor:
    def nearest(vector, table, k):
        cosines = [row @ vector / (row.norm() * vector.norm()) for row in table]
        order = sorted(range(len(table)), key=lambda id: -cosines[id])
        return torch.tensor(order[:k])


@right("02.nearest")
class TheLargestTimeAndAgain:
    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector[None])
        found = []
        for _ in range(k):
            best = int(cosines.argmax())
            found.append(best)
            cosines[best] = -torch.inf
        return torch.tensor(found)


# --- 02.analogy


def nearest(vector, table, k):
    cosines = table @ vector / (table.norm(dim=1) * vector.norm())
    return cosines.topk(k).indices


@wrong("02.analogy", "The sum is a - b + c.")
class AMinusB:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[a] - table[b] + table[c], table, 4).tolist()
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "The sum is b - c + a.")
class BPlusAMinusC:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] + table[a] - table[c], table, 4).tolist()
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "Nothing is subtracted: the sum is b + c.")
class SubtractsNothing:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] + table[c], table, 4).tolist()
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "With `leave_out`, b or c still answers where it is nearest.")
class NeverLeavesOut:
    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        return int(nearest(total, table, 1)[0])


@wrong("02.analogy", "The query words are left out always.")
class AlwaysLeavesOut:
    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        for id in nearest(total, table, 4).tolist():
            if id not in (a, b, c):
                return id


@wrong("02.analogy", "`leave_out` works the wrong way round.")
class LeavesOutTheWrongWayRound:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        if not leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "raised IndexError: list index out of range")
class OneIsEnough:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 1).tolist()
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "raised IndexError: list index out of range")
class ThreeAreEnough:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 3).tolist()
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "With `leave_out`, the second nearest row answers, whichever that is.")
class TheSecond:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4)
        return int(found[1]) if leave_out else int(found[0])


@wrong("02.analogy", "With `leave_out`, the fourth nearest row answers, whichever that is.")
class TheFourth:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4)
        return int(found[3] if leave_out else found[0])


@wrong("02.analogy", "Only b is left out.")
class BMayNotAnswer:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        if leave_out:
            found = [id for id in found if id != b]
        return found[0]


@wrong("02.analogy", "That's a list of 4 ids.")
class ATensorOfIds:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4)
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return found


@wrong("02.analogy", "raised TypeError: unsupported operand type")
class CalculatesWithIds:
    def analogy(a, b, c, table, leave_out):
        found = nearest(b - a + c, table, 4)
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "The ids are added, and the row of that id is used.")
class TheRowOfTheSumOfIds:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b - a + c], table, 4).tolist()
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "The barred rows are removed from the table, so all ids after them have moved.")
class DeletesTheRows:
    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        if leave_out:
            keep = [id for id in range(len(table)) if id not in (a, b, c)]
            table = table[keep]
        return int(nearest(total, table, 1))


@wrong("02.analogy", "With `leave_out`, one of the three still answers, always.")
class ZeroesTheRows:
    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        if leave_out:
            table = table.clone()
            table[[a, b, c]] = 0
        return int(nearest(total, table, 1))


@wrong("02.analogy", "With `leave_out`, one of the three still answers, always.")
class InfiniteRows:
    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        if leave_out:
            table = table.clone()
            table[[a, b, c]] = -torch.inf
        return int(nearest(total, table, 1))


@wrong("02.analogy", "The largest dot product answers: long rows win.")
class TheDotProductDecides:
    def analogy(a, b, c, table, leave_out):
        scores = table @ (table[b] - table[a] + table[c])
        if leave_out:
            scores[[a, b, c]] = -torch.inf
        return int(scores.argmax())


@wrong("02.analogy", "The nearest row by distance answers.")
class TheDistanceDecides:
    def analogy(a, b, c, table, leave_out):
        distances = (table - (table[b] - table[a] + table[c])).norm(dim=1)
        if leave_out:
            distances[[a, b, c]] = torch.inf
        return int(distances.argmin())


@wrong("02.analogy", "The rows are brought to norm 1 before they are added.")
class GensimsUnitRows:
    def analogy(a, b, c, table, leave_out):
        unit = F.normalize(table, dim=1)
        scores = unit @ (unit[b] - unit[a] + unit[c])
        if leave_out:
            scores[[a, b, c]] = -torch.inf
        return int(scores.argmax())


@wrong("02.analogy", "")
class MultipliesTheCosines:
    def analogy(a, b, c, table, leave_out):
        unit = F.normalize(table, dim=1)
        to_a, to_b, to_c = ((1 + unit @ unit[i]) / 2 for i in (a, b, c))
        scores = to_b * to_c / (to_a + 0.001)
        if leave_out:
            scores[[a, b, c]] = -torch.inf
        return int(scores.argmax())


@wrong("02.analogy", "With `leave_out`, b or c still answers where it is nearest.")
class OrForAnd:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        if leave_out:
            found = [id for id in found if id != a or id != b or id != c]
        return found[0]


@wrong("02.analogy", "raised RuntimeError: selected index k out of range")
class ASetOfEight:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 8).tolist()
        if leave_out:
            found = list(set(found) - {a, b, c})
        return found[0]


@wrong("02.analogy", "That's the token.")
class TheName:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return name(found[0])


@wrong("02.analogy", "raised RuntimeError: size mismatch, got input")
class TheFamousWords:
    def analogy(a, b, c, table, leave_out):
        total = king - man + woman
        found = nearest(total, table, 4).tolist()
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "raised AttributeError: 'Tensor' object has no attribute 'pop'")
class PopsATensor:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4)
        while leave_out and found[0] in (a, b, c):
            found.pop(0)
        return found[0]


@wrong("02.analogy", "raised TypeError: nearest() missing")
class NoK:
    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        return nearest(total, table)


@wrong("02.analogy", "That's the vector of the sum.")
class ReturnsTheSum:
    def analogy(a, b, c, table, leave_out):
        return table[b] - table[a] + table[c]


@wrong("02.analogy", "raised RuntimeError: Boolean value of Tensor with more than one value")
class ComparesRowsWithIds:
    def analogy(a, b, c, table, leave_out):
        a, b, c = table[a], table[b], table[c]
        found = nearest(b - a + c, table, 4)
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return int(found[0])


@wrong("02.analogy", "Without `leave_out`, nothing is returned.")
class GoesOnInTheLoop:
    def analogy(a, b, c, table, leave_out):
        for id in nearest(table[b] - table[a] + table[c], table, 4).tolist():
            if leave_out and id not in (a, b, c):
                return id


@wrong("02.analogy", "Of the four nearest that may answer, the last one does.")
class LastOfTheLoop:
    def analogy(a, b, c, table, leave_out):
        for id in nearest(table[b] - table[a] + table[c], table, 4).tolist():
            if not leave_out or id not in (a, b, c):
                found = id
        return found


@wrong("02.analogy", "With `leave_out`, the order of nearness is lost.")
class ASetOfIds:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        if leave_out:
            found = list(set(found) - {a, b, c})
        return found[0]


@wrong("02.analogy", "With `leave_out`, the second nearest row answers if the first is barred, even")
class SkipsOneAtMost:
    def analogy(a, b, c, table, leave_out):
        first, second = nearest(table[b] - table[a] + table[c], table, 2).tolist()
        return second if leave_out and first in (a, b, c) else first


@wrong("02.analogy", "raised ValueError: list.remove(x)")
class RemovesAll:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        if leave_out:
            for id in (a, b, c):
                found.remove(id)
        return found[0]


@wrong("02.analogy", "`analogy` changed the input that it was given; work on a copy.")
class WritesIntoTheTable:
    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        if leave_out:
            table[[a, b, c]] = -table[[a, b, c]]
        return int(nearest(total, table, 1))


@wrong("02.analogy", "With `leave_out`, b or c still answers where it is nearest.")
class BarsOnlyA:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        if leave_out and a in found:
            found.remove(a)
        return found[0]


@wrong("02.analogy", "The vector is the mean of b and c, minus a.")
class MeanOfThree:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[[b, c]].mean(0) - table[a], table, 4).tolist()
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "That's a vector.")
class TheNearestRowItself:
    def analogy(a, b, c, table, leave_out):
        return table[nearest(table[b] - table[a] + table[c], table, 1)[0]]


@wrong("02.analogy", "raised IndexError: too many indices for tensor of dimension")
class OneIndexPerAxis:
    def analogy(a, b, c, table, leave_out):
        cosines = F.cosine_similarity(table, table[b] - table[a] + table[c])
        if leave_out:
            cosines[a, b, c] = -1
        return int(cosines.argmax())


@wrong("02.analogy", "Nothing is returned in some cases.")
class BreaksAtTheFirst:
    def analogy(a, b, c, table, leave_out):
        for id in nearest(table[b] - table[a] + table[c], table, 4):
            if leave_out and id in (a, b, c):
                break
            return int(id)


@wrong("02.analogy", "raised RuntimeError: mat1 and mat2 shapes cannot be multiplied")
class SwapsTheArguments:
    def analogy(a, b, c, table, leave_out):
        return int(nearest(table, table[b] - table[a] + table[c], 4)[0])


@right("02.analogy")
class TensorsAmongIds:
    def analogy(a, b, c, table, leave_out):
        for id in nearest(table[b] - table[a] + table[c], table, 4):
            if leave_out and id in (a, b, c):
                continue
            return id.item()


@right("02.analogy")
class ItsOwnCosines:
    def analogy(a, b, c, table, leave_out):
        cosines = F.cosine_similarity(table, table[b] - table[a] + table[c])
        if leave_out:
            cosines[torch.tensor([a, b, c])] = -2
        return cosines.argmax().item()


@right("02.analogy")
class TheWholeOrder:
    def analogy(a, b, c, table, leave_out):
        order = nearest(table[b] + (table[c] - table[a]), table, len(table))
        barred = torch.tensor([a, b, c])
        return int(order[~torch.isin(order, barred)][0] if leave_out else order[0])


@right("02.analogy")
class ASetThatKeepsTheOrder:
    def analogy(a, b, c, table, leave_out):
        barred = {a, b, c} if leave_out else set()
        found = nearest(table[b] - table[a] + table[c], table, 1 + len(barred))
        return next(id for id in found.tolist() if id not in barred)
