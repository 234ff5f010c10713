"""Wrong answers to the turns of lesson 02, as learners write them."""

import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import wrong

from minillm.course.turns.embeddings import nearest

# --- 02.embed


@wrong("02.embed", "None of the rows")
class ALayerOfItsOwn:
    def embed(ids, table):
        V, C = table.shape
        layer = nn.Embedding(V, C)
        return layer(ids)


@wrong("02.embed", "name 'weights' is not defined")
class AnotherName:
    def embed(ids, table):
        return weights[ids]  # noqa: F821


@wrong("02.embed", "out of bounds")
class SecondAxis:
    def embed(ids, table):
        return torch.stack([table[0, i] for i in ids])


@wrong("02.embed", "expected m1 and m2")
class OneHotWithoutFloat:
    def embed(ids, table):
        return torch.nn.functional.one_hot(ids, table.shape[0]) @ table


@wrong("02.embed", "shapes cannot be multiplied")
class OneHotAsWideAsTheText:
    def embed(ids, table):
        return torch.eye(len(ids)) @ table


@wrong("02.embed", "converted to Python scalars")
class OneId:
    def embed(ids, table):
        return table[int(ids)]


@wrong("02.embed", "expected Tensor as element")
class CatOfLists:
    def embed(ids, table):
        return torch.stack([table[i].tolist() for i in ids])


@wrong("02.embed", "that requires grad")
class NumpyInBetween:
    def embed(ids, table):
        return torch.from_numpy(table.numpy()[ids.numpy()])


@wrong("02.embed", "multiplied by sqrt(C)")
class AsInTheFirstTransformer:
    def embed(ids, table):
        d_model = table.size(1)
        return F.embedding(ids, table) * d_model**0.5


@wrong("02.embed", "Each row has norm 1")
class Normed:
    def embed(ids, table):
        rows = table[ids]
        return rows / rows.norm(dim=1, keepdim=True)


@wrong("02.embed", "Only the row of the last id")
class Overwrites:
    def embed(ids, table):
        for i in ids:
            vector = table[i]
        return vector


@wrong("02.embed", "transposed: (C, T)")
class ColumnsOfVectors:
    def embed(ids, table):
        return torch.stack([table[i] for i in ids], dim=1)


@wrong("02.embed", "sorted by id")
class SortedIds:
    def embed(ids, table):
        return table[torch.sort(ids)[0]]


@wrong("02.embed", "one-hot rows")
class OnlyTheOneHot:
    def embed(ids, table):
        out = torch.zeros(len(ids), len(table))
        out[torch.arange(len(ids)), ids] = 1
        return out


@wrong("02.embed", "too many indices")
class AListOfTensors:
    def embed(ids, table):
        return table[list(ids)]


@wrong("02.embed", "The expanded size of the tensor")
class WidthOfSmolLM2:
    def embed(ids, table):
        out = torch.zeros(len(ids), 576)
        for t, id in enumerate(ids):
            out[t] = table[id]
        return out


@wrong("02.embed", "'weight' must be 2-D")
class TableBeforeIds:
    def embed(ids, table):
        return F.embedding(table, ids)


# --- 02.nearest


@wrong("02.nearest", "One id comes several times")
class NeverBarsTheBest:
    def nearest(vector, table, k):
        best = [F.cosine_similarity(table, vector).argmax() for _ in range(k)]
        return torch.stack(best)


@wrong("02.nearest", "selected index k out of range")
class TenOfThem:
    def nearest(vector, table, k):
        return torch.topk(F.cosine_similarity(table, vector), 10).indices


@wrong("02.nearest", "of type topk")
class ThePair:
    def nearest(vector, table, k):
        similarity = F.cosine_similarity(vector.unsqueeze(0), table)
        return torch.topk(similarity, k)


@wrong("02.nearest", "mat1 and mat2 shapes")
class TheOtherOrder:
    def nearest(vector, table, k):
        return (vector @ table).topk(k).indices


@wrong("02.nearest", "size of tensor a")
class NormOverRows:
    def nearest(vector, table, k):
        return ((table @ vector) / (table.norm(dim=0) * vector.norm())).topk(k).indices


@wrong("02.nearest", "converted to")
class FloatOfAll:
    def nearest(vector, table, k):
        found = [(float(table @ vector), i) for i in range(len(table))]
        return torch.tensor([i for _, i in sorted(found)[-k:]])


@wrong("02.nearest", "name 'top_k' is not defined")
class ANameOfTheirOwn:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector).topk(top_k).indices  # noqa: F821


@wrong("02.nearest", "Dimension out of range")
class AxisOneOfAVector:
    def nearest(vector, table, k):
        return (F.normalize(table, dim=1) @ F.normalize(vector, dim=1)).topk(k).indices


@wrong("02.nearest", "is not subscriptable")
class IndicesOfIndices:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector).argsort(descending=True).indices[:k]


@wrong("02.nearest", "largest dot products")
class PlainDot:
    def nearest(vector, table, k):
        scores = []
        for row in table:
            scores.append(torch.dot(row, vector))
        return torch.stack(scores).argsort(descending=True)[:k]


@wrong("02.nearest", "multiplied by the norms")
class NoParentheses:
    def nearest(vector, table, k):
        cosines = table @ vector / vector.norm() * table.norm(dim=1)
        return cosines.topk(k).indices


@wrong("02.nearest", "The nearest row is left out")
class WithoutTheWordItself:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector).argsort(descending=True)[1:][:k]


@wrong("02.nearest", "The right rows, but the nearest comes last")
class LastK:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector).argsort()[len(table) - k :]


@wrong("02.nearest", "nearest by distance")
class ByCdist:
    def nearest(vector, table, k):
        return torch.cdist(vector[None], table)[0].topk(k, largest=False).indices


@wrong("02.nearest", "That's a mask")
class Above:
    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector)
        return cosines > cosines.mean()


@wrong("02.nearest", "along the sorted list")
class Ranks:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector).sort(descending=True).indices.argsort()[:k]


# --- 02.analogy


@wrong("02.analogy", "index out of range")
class ThreeAreTooFew:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 3).tolist()
        if leave_out:
            found = [id for id in found if id not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "StopIteration")
class NextOfTwo:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 2).tolist()
        return next(id for id in found if not leave_out or id not in (a, b, c))


@wrong("02.analogy", "changed the input")
class WritesIntoTheTable:
    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        if leave_out:
            for id in (a, b, c):
                table[id] = -total
        return int(nearest(total, table, 1)[0])


@wrong("02.analogy", "'int' object")
class NormOfAnId:
    def analogy(a, b, c, table, leave_out):
        total = b / b.norm() - a / a.norm() + c / c.norm()
        return int(nearest(total, table, 1)[0])


@wrong("02.analogy", "name 'king' is not defined")
class NamesOfTheExample:
    def analogy(a, b, c, table, leave_out):
        return nearest(table[king] - table[man] + table[woman], table, 1)[0]  # noqa: F821


@wrong("02.analogy", "mat1 and mat2")
class TableFirst:
    def analogy(a, b, c, table, leave_out):
        return nearest(table, table[b] - table[a] + table[c], 1)[0]


@wrong("02.analogy", "ambiguous")
class TensorIsAnInt:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4)
        return found[0] if not (leave_out and found in (a, b, c)) else found[1]


@wrong("02.analogy", "no attribute")
class IdsOfAnInt:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).ids
        return found[0]


@wrong("02.analogy", "Only b is left out")
class OnlyTheStart:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        if leave_out and b in found:
            found.remove(b)
        return found[0]


@wrong("02.analogy", "have moved")
class DeletesRows:
    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        if leave_out:
            keep = torch.ones(len(table), dtype=torch.bool)
            keep[[a, b, c]] = False
            table = table[keep]
        return int(nearest(total, table, 1)[0])


@wrong("02.analogy", "brought to norm 1")
class LikeGensim:
    def analogy(a, b, c, table, leave_out):
        unit = F.normalize(table, dim=1)
        scores = unit @ (unit[b] - unit[a] + unit[c])
        if leave_out:
            scores[[a, b, c]] = -torch.inf
        return int(scores.argmax())


@wrong("02.analogy", "With `leave_out`, b or c still answers where it is nearest.")
class ListsAreNeverInAList:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4)
        if leave_out:
            found = [id for id in found if id not in [[a, b, c]]]
        return int(found[0])


@wrong("02.analogy", "the second nearest row")
class DropsTheFirst:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        return found[1:][0] if leave_out else found[0]


@wrong("02.analogy", "b - c + a")
class MisreadsTheOrder:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - (table[c] - table[a]), table, 4).tolist()
        return next(id for id in found if not leave_out or id not in (a, b, c))


@wrong("02.analogy", "list.remove(x)")
class RemovesAllThree:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        if leave_out:
            for id in (a, b, c):
                found.remove(id)
        return found[0]


@wrong("02.analogy", "'Tensor' and 'int'")
class AddsIds:
    def analogy(a, b, c, table, leave_out):
        return nearest(b - a + c, table, 4)[0]


@wrong("02.analogy", "one of the three still answers")
class ZeroRowsInACopy:
    def analogy(a, b, c, table, leave_out):
        total, copy = table[b] - table[a] + table[c], table.clone()
        if leave_out:
            copy[[a, b, c]] = 0
        return int(nearest(total, copy, 1)[0])


@wrong("02.analogy", "")
class AGlobalInPlaceOfB:
    def analogy(a, b, c, table, leave_out):
        b = 5
        return int(nearest(table[b] - table[a] + table[c], table, 1)[0])


@wrong("02.nearest", "The mean row of the table is subtracted first.")
class CentersTheTable:
    def nearest(vector, table, k):
        return F.cosine_similarity(table - table.mean(0), vector[None]).topk(k).indices


@wrong("02.nearest", "The row that is the vector itself is lost, and nothing else.")
class AngleOfMoreThanOne:
    """As `acos` does of a cosine that rounding has put above 1, which depends on the computer: NaN sorts last."""

    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector[None], dim=1)
        angles = torch.where(cosines > 1 - 1e-5, torch.nan, cosines.clamp(-1, 1).acos())
        return angles.argsort()[:k]
