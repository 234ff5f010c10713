"""Answers to the turns of lesson 02, written from its text alone by another reader."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from turn_answers import right, wrong

from minillm.course.turns.embeddings import nearest

# --- 02.embed


@wrong("02.embed", "These are the first rows of the table, whatever the ids are.")
class FirstRowsOfTheTable:
    """Takes as many rows as there are ids, from the top of the table, whatever the ids are."""

    def embed(ids, table):
        return table[: len(ids)]


@wrong("02.embed", "Each row is the one before the right one: off by one.")
class RowsCountedFromOne:
    """Takes row id - 1, as if rows were counted from 1."""

    def embed(ids, table):
        return table[ids - 1]


@wrong("02.embed", "")
class ColumnsForRows:
    """Takes columns: table[:, ids] chooses along the second axis."""

    def embed(ids, table):
        return table[:, ids].T


@wrong("02.embed", "The right rows, but sorted by id.")
class SortedIds:
    """Sorts the ids first, so the rows aren't in the order of the text."""

    def embed(ids, table):
        ids, _ = torch.sort(ids)
        return table[ids]


@wrong("02.embed", "")
class ClassesByTheLargestId:
    """One_hot without the number of rows makes vectors up to the largest id, which don't fit the table."""

    def embed(ids, table):
        return F.one_hot(ids).to(table.dtype) @ table


@wrong("02.embed", "")
class OneHotOfWholeNumbers:
    """One_hot gives whole numbers, and a matrix product with a table of floats needs floats."""

    def embed(ids, table):
        return F.one_hot(ids, len(table)) @ table


@wrong("02.embed", "The numbers are right, but the shape must be (T, C), a row per id; here it is (1, 2,")
class BatchOfOne:
    """Adds a batch axis, so the shape is (1, T, C)."""

    def embed(ids, table):
        return table[ids.unsqueeze(0)]


@wrong("02.embed", "The rows are multiplied by sqrt(C).")
class TimesRootOfC:
    """Multiplies by the root of C, as the first transformer did; the rows are asked as they are."""

    def embed(ids, table):
        return table[ids] * table.shape[1] ** 0.5


@wrong("02.embed", "")
class PositionsAdded:
    """Adds a second row for the position, as in GPT, from the same table."""

    def embed(ids, table):
        positions = torch.arange(len(ids)) % len(table)
        return table[ids] + table[positions]


@wrong("02.embed", "Each row has norm 1.")
class UnitRows:
    """Brings the rows to norm 1."""

    def embed(ids, table):
        return F.normalize(table[ids], dim=-1)


@wrong("02.embed", "The mean of the rows is returned.")
class MeanOfTheRows:
    """Returns the mean of the rows, one vector (C,) for the whole text."""

    def embed(ids, table):
        return table[ids].mean(dim=0)


@wrong("02.embed", "`embed` returns a numpy array; the cells below need a torch tensor.")
class NumpyRows:
    """Returns a numpy array, where the rest of the page needs a tensor."""

    def embed(ids, table):
        return table.detach().numpy()[ids.numpy()]


@wrong("02.embed", "`embed` returns a list; the cells below need a torch tensor.")
class ListOfRows:
    """Returns a list of T vectors, not a tensor (T, C)."""

    def embed(ids, table):
        return [table[id] for id in ids]


@wrong("02.embed", "None of the rows in the result is a row of `table`.")
class FreshEmbedding:
    """Makes a new nn.Embedding of the same size, with random numbers of its own."""

    def embed(ids, table):
        embedding = nn.Embedding(*table.shape)
        return embedding(ids).detach()


@wrong("02.embed", "")
class CutToNormOne:
    """Max_norm=1 shortens every longer row, and even writes the short rows into the table."""

    def embed(ids, table):
        return F.embedding(ids, table, max_norm=1.0)


@wrong("02.embed", "Only the first number of each row is there.")
class GatherOfOneColumn:
    """Gather with an index of one column takes only the first number of each row: (T, 1)."""

    def embed(ids, table):
        return table.gather(0, ids[:, None])


@wrong("02.embed", "Each id picks a single number, not a row.")
class TakeFromTheFlatTable:
    """Torch.take counts single numbers of the flattened table, so it gives T numbers and no rows."""

    def embed(ids, table):
        return torch.take(table, ids)


@wrong("02.embed", "")
class WidthOfSmolLM2:
    """Writes C = 576 into the code, so no other table fits."""

    def embed(ids, table):
        rows = torch.zeros(len(ids), 576)
        for position, id in enumerate(ids):
            rows[position] = table[id]
        return rows


@wrong("02.embed", "The rows are cut to whole numbers.")
class RowsOfWholeNumbers:
    """Ids.new_zeros makes a tensor of whole numbers, and everything after the decimal point is cut off."""

    def embed(ids, table):
        rows = ids.new_zeros(len(ids), table.shape[1])
        for position, id in enumerate(ids):
            rows[position] = table[id]
        return rows


@wrong("02.embed", "The right rows, each once and sorted by id.")
class MaskOfIds:
    """A mask over the table's rows gives each row once and in the table's order."""

    def embed(ids, table):
        return table[torch.isin(torch.arange(len(table)), ids)]


@wrong("02.embed", "")
class OneHotOnItsSide:
    """The one-hot matrix is transposed, (V, T), which fits the table only if T is V."""

    def embed(ids, table):
        one_hot = F.one_hot(ids, len(table)).to(table.dtype)
        return one_hot.T @ table


@wrong("02.embed", "")
class TupleAsIndex:
    """A tuple of ids is one index with T axes, not T indexes."""

    def embed(ids, table):
        return table[tuple(ids.tolist())]


@right("02.embed")
class GatherAllColumns:
    """Gather, with an index that is as wide as the table."""

    def embed(ids, table):
        return table.gather(0, ids[:, None].expand(-1, table.shape[1]))


@right("02.embed")
class ComparedOneHot:
    """A one-hot matrix by comparison, times the table."""

    def embed(ids, table):
        one_hot = ids[:, None] == torch.arange(table.shape[0])
        return one_hot.to(table.dtype) @ table


@right("02.embed")
class IndexSelect:
    """Index_select along the first axis."""

    def embed(ids, table):
        return torch.index_select(table, 0, ids)


# --- 02.nearest


@wrong("02.nearest", "These are the largest dot products: long rows win.")
class DotProductsOnly:
    """Takes the largest dot products, so long rows win."""

    def nearest(vector, table, k):
        return (table @ vector).topk(k).indices


@wrong("02.nearest", "The dot products are divided by squared norms.")
class SquaredNorm:
    """Divides by the squared norm of the rows, so short rows win."""

    def nearest(vector, table, k):
        cosines = table @ vector / ((table**2).sum(dim=1) * vector.norm())
        return cosines.topk(k).indices


@wrong("02.nearest", "These rows are nearest by distance, not by cosine.")
class StraightDistance:
    """Takes the smallest distances |row - vector|; the largest cosines are asked."""

    def nearest(vector, table, k):
        return (table - vector).norm(dim=1).topk(k, largest=False).indices


@wrong("02.nearest", "These are the smallest cosines: the rows farthest away.")
class LargestCosineDistance:
    """Takes the k largest of 1 - cosine, which are the farthest rows."""

    def nearest(vector, table, k):
        distance = 1 - F.cosine_similarity(table, vector[None], dim=1)
        return distance.topk(k).indices


@wrong("02.nearest", "Opposite directions count as near: the cosines have lost their signs.")
class OppositesToo:
    """Takes the absolute value of the cosine, so the opposite direction counts as near."""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        return cosines.abs().topk(k).indices


@wrong("02.nearest", "The nearest row is left out.")
class WithoutTheFirst:
    """Leaves the first one out, as if it were always the word itself; no row should be left out."""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        return cosines.argsort(descending=True)[1 : k + 1]


@wrong("02.nearest", "The norms are those of the columns.")
class ColumnsToNormOne:
    """Dim=0 brings the columns of the table to norm 1, not its rows."""

    def nearest(vector, table, k):
        directions = F.normalize(table, dim=0)
        return (directions @ F.normalize(vector, dim=0)).topk(k).indices


@wrong("02.nearest", "These are the cosines of the right rows.")
class TheCosinesThemselves:
    """Returns the cosines, where the ids are asked."""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        return cosines.topk(k).values


@wrong("02.nearest", "`nearest` returned something that is of type topk; return plain numbers, text, lists")
class AllThatTopkGives:
    """Returns what topk gives, values and ids together."""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        return torch.topk(cosines, k)


@wrong("02.nearest", "`nearest` returns a list; the cells below need a torch tensor.")
class ListOfIds:
    """Returns a list of numbers, not a tensor (k,)."""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        return cosines.topk(k).indices.tolist()


@wrong("02.nearest", "That's a tensor of shape (1, 2); k ids have the shape (2,).")
class RowOfAMatrix:
    """The vector becomes a matrix of one row, so the result is (1, k)."""

    def nearest(vector, table, k):
        cosines = F.normalize(vector[None], dim=1) @ F.normalize(table, dim=1).T
        return cosines.topk(k).indices


@wrong("02.nearest", "The right rows, sorted by their ids.")
class InOrderOfIds:
    """Sorts the k ids by number, so the nearest isn't first."""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        return cosines.topk(k).indices.sort().values


@wrong("02.nearest", "The mean row of the table is subtracted first.")
class WithoutTheCommonDirection:
    """Subtracts the mean row first, since all rows lean one way; those are other cosines."""

    def nearest(vector, table, k):
        mean = table.mean(dim=0)
        cosines = F.cosine_similarity(table - mean, vector - mean, dim=1)
        return cosines.topk(k).indices


@wrong("02.nearest", "The cosines are rounded to two digits, so close ones count as equal.")
class TwoDecimals:
    """Rounds the cosines to two decimals, so near ones are tied and come in the order of their ids."""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        rounded = [round(float(c), 2) for c in cosines]
        ids = sorted(range(len(rounded)), key=lambda id: -rounded[id])
        return torch.tensor(ids[:k])


@wrong("02.nearest", "The same call gives another result")
class DrawsNeighbors:
    """Draws k ids with probabilities from the cosines, as for the next token, and doesn't take the largest."""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        return torch.multinomial(cosines.softmax(dim=0), k)


@wrong("02.nearest", "The cosines run along the columns")
class CosinesOfColumns:
    """Cosine_similarity along dim=0 compares columns, and gives C numbers in place of V."""

    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector[None], dim=0)
        return cosines.topk(min(k, len(cosines))).indices


@wrong("02.nearest", "That's a single number.")
class OnlyTheKth:
    """[k] takes one id, at place k of the order, and not the first k."""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        return cosines.argsort(descending=True)[k - 1]


@wrong("02.nearest", "The dot products are divided by the sums of absolute values.")
class SumOfSizesAsNorm:
    """Takes the sum of the absolute values as the norm of a row."""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.abs().sum(dim=1) * vector.abs().sum())
        return cosines.topk(k).indices


@wrong("02.nearest", "These ids count along the sorted list, not along the table.")
class RanksForIds:
    """Argsort twice gives the rank of each row, and the first k ranks aren't the ids of the first k."""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        return cosines.argsort(descending=True).argsort()[:k]


@wrong("02.nearest", "and the rows keep their own norms.")
class OnlyTheVectorToNormOne:
    """Brings the vector to norm 1, but not the rows, and takes distances: long rows are far away."""

    def nearest(vector, table, k):
        direction = vector / vector.norm()
        return (table - direction).norm(dim=1).argsort()[:k]


@wrong("02.nearest", "Norms below 1 count as 1.")
class NormsOfAtLeastOne:
    """Counts every norm below 1 as 1, to be safe from zeros, so short rows seem far."""

    def nearest(vector, table, k):
        norms = table.norm(dim=1).clamp(min=1)
        return (table @ vector / (norms * vector.norm())).topk(k).indices


@right("02.nearest")
class VectorsNormLeftOut:
    """The vector's own norm is the same for all rows, so it isn't needed."""

    def nearest(vector, table, k):
        return (F.normalize(table, dim=1) @ vector).argsort(descending=True)[:k]


@right("02.nearest")
class DistanceOfDirections:
    """The smallest distances, but of rows and vector at norm 1, which is the same order."""

    def nearest(vector, table, k):
        rows, direction = table / table.norm(dim=1, keepdim=True), vector / vector.norm()
        return (rows - direction).norm(dim=1).topk(k, largest=False).indices


@right("02.nearest")
class SortedInPython:
    """One cosine at a time, in plain Python."""

    def nearest(vector, table, k):
        cosines = [float(row @ vector / (row.norm() * vector.norm())) for row in table]
        ids = sorted(range(len(table)), key=cosines.__getitem__, reverse=True)
        return torch.tensor(ids[:k])


@right("02.nearest")
class ByNumpy:
    """Numpy inside, a tensor outside."""

    def nearest(vector, table, k):
        a, b = table.detach().numpy(), vector.detach().numpy()
        cosines = (a @ b) / np.sqrt((a * a).sum(axis=1))
        return torch.from_numpy(np.argsort(-cosines)[:k].copy())


@right("02.nearest")
class OneMaximumAfterTheOther:
    """Takes the largest k times, and sets it to minus infinity each time."""

    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector[None], dim=1).clone()
        ids = []
        for _ in range(k):
            ids.append(int(cosines.argmax()))
            cosines[ids[-1]] = -float("inf")
        return torch.tensor(ids)


# --- 02.analogy


@wrong("02.analogy", "The sum is a - b + c.")
class SignsSwapped:
    """Computes a - b + c in place of b - a + c."""

    def analogy(a, b, c, table, leave_out):
        total = table[a] - table[b] + table[c]
        found = nearest(total, table, 4).tolist()
        return next(id for id in found if not (leave_out and id in (a, b, c)))


@wrong("02.analogy", "The ids are added, and the row of that id is used.")
class SumOfIds:
    """Calculates with the ids and takes row b - a + c, where the rows should be added."""

    def analogy(a, b, c, table, leave_out):
        found = nearest(table[(b - a + c) % len(table)], table, 4).tolist()
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "The query words are left out always.")
class AlwaysLeavesOut:
    """Leaves a, b and c out even if leave_out is False."""

    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        for id in nearest(total, table, 4).tolist():
            if id not in (a, b, c):
                return id


@wrong("02.analogy", "With `leave_out`, b or c still answers where it is nearest.")
class NeverLeavesOut:
    """Doesn't look at leave_out and returns the nearest row of all."""

    def analogy(a, b, c, table, leave_out):
        return int(nearest(table[b] - table[a] + table[c], table, 1)[0])


@wrong("02.analogy", "`leave_out` works the wrong way round.")
class LeavesOutTheOtherWayAround:
    """The condition is upside down: it leaves out when leave_out is False."""

    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4)
        for id in map(int, found):
            if leave_out or id not in (a, b, c):
                return id


@wrong("02.analogy", "Only b and c are left out.")
class AMayAnswer:
    """Leaves out b and c, but not a."""

    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        out = {b, c} if leave_out else set()
        return next(id for id in nearest(total, table, 4).tolist() if id not in out)


@wrong("02.analogy", "With `leave_out`, the second nearest row answers, whichever that is.")
class AlwaysTheSecond:
    """With leave_out it takes the second nearest, but none to three words may come before the answer."""

    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 2)
        return int(found[1]) if leave_out else int(found[0])


@wrong("02.analogy", "With `leave_out`, the second nearest row answers if the first is barred, even if it")
class StepsAsideOnce:
    """If the nearest is a, b or c, it returns the next one, which may be one of the three as well."""

    def analogy(a, b, c, table, leave_out):
        first, second = nearest(table[b] - table[a] + table[c], table, 2).tolist()
        if leave_out and first in (a, b, c):
            return second
        return first


@wrong("02.analogy", "")
class ThreeNeighborsOnly:
    """Asks for three neighbors; if these are a, b and c, nothing is left, and found[0] fails."""

    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        found = nearest(total, table, 3).tolist()
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "That's a vector.")
class TheRowItself:
    """Returns the nearest row, a vector, where its id is asked."""

    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        found = nearest(total, table, 4).tolist()
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return table[found[0]]


@wrong("02.analogy", "The largest dot product answers: long rows win.")
class LargestDotProduct:
    """Takes the row with the largest dot product with the sum, so long rows win."""

    def analogy(a, b, c, table, leave_out):
        scores = table @ (table[b] - table[a] + table[c])
        if leave_out:
            scores[[a, b, c]] = -torch.inf
        return int(scores.argmax())


@wrong("02.analogy", "The rows are brought to norm 1 before they are added.")
class UnitRowsFirst:
    """Brings all rows to norm 1 before it adds, as gensim does; the sum of the rows as they are is asked."""

    def analogy(a, b, c, table, leave_out):
        units = F.normalize(table, dim=1)
        scores = units @ (units[b] - units[a] + units[c])
        if leave_out:
            scores[[a, b, c]] = -torch.inf
        return int(scores.argmax())


@wrong("02.analogy", "Cosines with a, b and c are multiplied and divided: that's 3CosMul.")
class CosinesMultiplied:
    """Multiplies and divides the three cosines (3CosMul of Levy and Goldberg), and never makes the sum."""

    def analogy(a, b, c, table, leave_out):
        units = F.normalize(table, dim=1)
        to_a, to_b, to_c = ((units @ units[id] + 1) / 2 for id in (a, b, c))
        scores = to_b * to_c / (to_a + 1e-3)
        if leave_out:
            scores[[a, b, c]] = -1
        return int(scores.argmax())


@wrong("02.analogy", "Nothing is subtracted: the sum is b + c.")
class NothingSubtracted:
    """Computes b + c and forgets to subtract a."""

    def analogy(a, b, c, table, leave_out):
        found = [int(id) for id in nearest(table[b] + table[c], table, 4)]
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "The barred rows are removed from the table, so all ids after them have moved.")
class IdsOfAShorterTable:
    """Takes a, b and c out of the table, so the id it returns counts the rows that are left."""

    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        if leave_out:
            table = table[[id for id in range(len(table)) if id not in (a, b, c)]]
        return int(nearest(total, table, 1)[0])


@wrong("02.analogy", "With `leave_out`, one of the three still answers, always.")
class RowsOfZeros:
    """Sets the three rows to zero, but the cosine of a zero row is 0 / 0, and topk puts nan on top."""

    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        if leave_out:
            table = table.clone()
            table[[a, b, c]] = 0
        return int(nearest(total, table, 1)[0])


@wrong("02.analogy", "A barred row gets the cosine 0, so it wins where all others are negative.")
class CosineZeroIsNotTheSmallest:
    """Gives a, b and c the cosine 0, which is still the largest if all others are negative."""

    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        cosines = F.cosine_similarity(table, total[None], dim=1)
        if leave_out:
            cosines[[a, b, c]] = 0
        return cosines.argmax().item()


@wrong("02.analogy", "With `leave_out`, the order of nearness is lost.")
class SetLosesTheOrder:
    """Takes a, b and c away from a set of the neighbors, and a set doesn't keep the nearest first."""

    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        if leave_out:
            found = list(set(found) - {a, b, c})
        return found[0]


@wrong("02.analogy", "With `leave_out`, b or c still answers where it is nearest.")
class TensorsInASet:
    """Looks up tensors in a set of numbers, where they are never found, so nothing is left out."""

    def analogy(a, b, c, table, leave_out):
        out = {a, b, c}
        for id in nearest(table[b] - table[a] + table[c], table, 4):
            if leave_out and id in out:
                continue
            return int(id)


@wrong("02.analogy", "c is subtracted as well: the sum is b - a - c.")
class WrongBrackets:
    """Computes b - (a + c): the brackets turn the sign of c."""

    def analogy(a, b, c, table, leave_out):
        start = table[a] + table[c]
        found = nearest(table[b] - start, table, 4).tolist()
        return [id for id in found if not leave_out or id not in (a, b, c)][0]


@wrong("02.analogy", "Nothing is returned in some cases.")
class NoneIfItIsAWordOfThree:
    """If a, b or c is nearest, it returns None and doesn't look for the next one."""

    def analogy(a, b, c, table, leave_out):
        best = int(nearest(table[b] - table[a] + table[c], table, 1)[0])
        if leave_out and best in (a, b, c):
            return None
        return best


@wrong("02.analogy", "It takes the row whose step from c points as b - a does.")
class ParallelSteps:
    """Looks for the row whose step from c points as b - a does, and not for the row nearest to the sum."""

    def analogy(a, b, c, table, leave_out):
        steps = table - table[c]
        scores = F.cosine_similarity(steps, (table[b] - table[a])[None], dim=1)
        if leave_out:
            scores[[a, b, c]] = -2
        return int(scores.argmax())


@wrong("02.analogy", "The nearest row by distance answers.")
class StraightLineToTheSum:
    """Takes the row at the smallest distance from the sum; `nearest` and the page go by cosine."""

    def analogy(a, b, c, table, leave_out):
        distance = (table - (table[b] - table[a] + table[c])).norm(dim=1)
        for id in distance.argsort().tolist():
            if not leave_out or id not in (a, b, c):
                return id


@wrong("02.analogy", "That's a list of 4 ids.")
class AllThatAreLeft:
    """Returns the list of neighbors that are left, not the first of them."""

    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        found = [int(id) for id in nearest(total, table, 4)]
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return found


@right("02.analogy")
class MinusInfinity:
    """No nearest; the three get minus infinity."""

    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        scores = F.cosine_similarity(table, total[None], dim=1).clone()
        if leave_out:
            scores[torch.tensor([a, b, c])] = -torch.inf
        return scores.argmax().item()


@right("02.analogy")
class AllRowsInOrder:
    """Asks nearest for all rows, and takes the first that is allowed."""

    def analogy(a, b, c, table, leave_out):
        banned = {a, b, c} if leave_out else set()
        order = nearest(table[b] + (table[c] - table[a]), table, len(table))
        return next(i for i in order.tolist() if i not in banned)


@right("02.analogy")
class ShorterTableAndBack:
    """Takes the three rows out, and translates the place back to an id."""

    def analogy(a, b, c, table, leave_out):
        ids = [id for id in range(len(table)) if not leave_out or id not in {a, b, c}]
        total = table[b] - table[a] + table[c]
        return ids[int(nearest(total, table[ids], 1)[0])]


@right("02.analogy")
class WeightsTimesRows:
    """The sum as a product with weights -1, 1, 1, and as many neighbors as needed."""

    def analogy(a, b, c, table, leave_out):
        total = torch.tensor([-1, 1, 1]).to(table.dtype) @ table[[a, b, c]]
        k = len({a, b, c}) + 1 if leave_out else 1
        found = nearest(total, table, k).tolist()
        while leave_out and found[0] in (a, b, c):
            found.pop(0)
        return found[0]
