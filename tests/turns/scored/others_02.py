"""Answers to the turns of lesson 02, written from its text alone; checks changed after."""

import numpy as np
import torch
import torch.nn.functional as F
from turn_answers import right, wrong


def nearest(vector, table, k):
    cosines = table @ vector / (table.norm(dim=1) * vector.norm())
    return cosines.topk(k).indices


tiny_table = torch.tensor([[2.0, 1.0], [1.0, 2.0], [6.0, 3.0], [0.0, -1.0]])


# --- 02.embed


@wrong("02.embed", "The result is right, but no model could learn through it: `table` gets no")
class FrozenLayer:
    """From_pretrained makes a layer of its own, frozen: no gradient reaches the table."""

    def embed(ids, table):
        return torch.nn.Embedding.from_pretrained(table)(ids)


@wrong("02.embed", "None of the rows in the result is a row of `table`.")
class FreshLayer:
    """A new nn.Embedding has random rows; the table that came in is never read."""

    def embed(ids, table):
        V, C = table.shape
        wte = torch.nn.Embedding(V, C)
        return wte(ids)


@wrong("02.embed", "`embed` returns a list; the cells below need a torch tensor.")
class ListOfRows:
    """A Python list of rows, where one tensor (T, C) is asked for."""

    def embed(ids, table):
        return [table[i] for i in ids]


@wrong("02.embed", "The rows follow each other in one long vector.")
class RowsInOneLine:
    """Cat joins the rows end to end: (T * C,) in place of (T, C), which stack would make."""

    def embed(ids, table):
        return torch.cat([table[int(i)] for i in ids])


@wrong("02.embed", "")
class OneHotOfUnknownSize:
    """Without V, one_hot is only as wide as the largest id in the text, and the product doesn't fit the table."""

    def embed(ids, table):
        return F.one_hot(ids).float() @ table


@wrong("02.embed", "Each row is the one before the right one: off by one.")
class CountsFromOne:
    """Takes ids to count from 1, as R and Julia do, so each token gets the row before its own."""

    def embed(ids, table):
        return table[ids - 1]


@wrong("02.embed", "")
class ColumnsNotRows:
    """Takes columns of the table in place of rows; if the table is square, not even the shape tells."""

    def embed(ids, table):
        return table[:, ids].T


@wrong("02.embed", "The right rows, each once and sorted by id.")
class MaskOfTheVocabulary:
    """Marks which ids occur and takes the marked rows: in the table's order, and each once only."""

    def embed(ids, table):
        mask = torch.zeros(len(table), dtype=torch.bool)
        mask[ids] = True
        return table[mask]


@wrong("02.embed", "")
class DictOfRows:
    """Collects the rows in a dictionary by id, so a token that comes again gets no row of its own."""

    def embed(ids, table):
        rows = {int(i): table[int(i)] for i in ids}
        return torch.stack(list(rows.values()))


@wrong("02.embed", "The numbers are right, but the shape must be (T, C), a row per id; here it")
class BatchOfOne:
    """Adds a batch axis, (1, T, C), as a GPT's forward expects it."""

    def embed(ids, table):
        return F.embedding(ids.unsqueeze(0), table)


@wrong("02.embed", "The rows are multiplied by sqrt(C).")
class TimesRootOfWidth:
    """Multiplies the rows by the root of C, as the first transformer and Gemma do; the lookup doesn't."""

    def embed(ids, table):
        return table[ids] * table.shape[1] ** 0.5


@wrong("02.embed", "The result is right, but no model could learn through it: `table` gets a")
class ZeroIsPadding:
    """Declares id 0 as padding: the values are right, but row 0 gets no gradient and never learns."""

    def embed(ids, table):
        return F.embedding(ids, table, padding_idx=0)


@wrong("02.embed", "")
class BagOfWords:
    """Embedding_bag gives the mean of all rows, (1, C), and not a row per token."""

    def embed(ids, table):
        return F.embedding_bag(ids[None], table, mode="mean")


@wrong("02.embed", "Only the first number of each row is there.")
class GathersOneColumn:
    """Gather takes as many numbers as the index has, so (T, 1) comes out: the first number of each row."""

    def embed(ids, table):
        return table.gather(0, ids[:, None])


@wrong("02.embed", "Each id picks a single number, not a row.")
class TakesFromTheFlatTable:
    """Torch.take reads the table as one flat list of numbers: T numbers, no rows."""

    def embed(ids, table):
        return torch.take(table, ids)


@wrong("02.embed", "")
class TinyTableEverywhere:
    """Looks up in the page's tiny_table and not in the table that came in."""

    def embed(ids, table):
        return tiny_table[ids]


@wrong("02.embed", "`embed` changed the input that it was given; work on a copy.")
class AtMostNormOne:
    """Max_norm=1 shortens long rows, and writes the short ones into the table, too."""

    def embed(ids, table):
        return F.embedding(ids, table, max_norm=1.0)


@wrong("02.embed", "")
class HalfPrecisionProduct:
    """Multiplies in 16 bits to save memory, which rounds each number of the table."""

    def embed(ids, table):
        one_hot = F.one_hot(ids, table.shape[0]).bfloat16()
        return (one_hot @ table.bfloat16()).float()


@wrong("02.embed", "The numbers are right, but the shape must be (T, C), a row per id; here it")
class SqueezesOneToken:
    """Squeeze at the end takes the axis T away when the text has one token: (C,) in place of (1, C)."""

    def embed(ids, table):
        return table[ids].squeeze()


@wrong("02.embed", "")
class ReshapesInPlaceOfTransposing:
    """Reshape(C, T) of the columns, where a transpose is meant: the numbers are right, the places are not."""

    def embed(ids, table):
        rows = table[ids]
        columns = torch.stack([rows[:, c] for c in range(rows.shape[1])])  # (C, T)
        return columns.reshape(rows.shape)


@right("02.embed")
class FunctionalEmbedding:
    """PyTorch's own function."""

    def embed(ids, table):
        return F.embedding(ids, table)


@right("02.embed")
class OneHotProduct:
    """The product with one-hot vectors of V numbers."""

    def embed(ids, table):
        return F.one_hot(ids, table.shape[0]).to(table.dtype) @ table


@right("02.embed")
class StackOfRows:
    """A loop over the tokens, then stack."""

    def embed(ids, table):
        return torch.stack([table[i] for i in ids.tolist()])


@right("02.embed")
class GathersAllColumns:
    """Gather, with the index repeated for each column."""

    def embed(ids, table):
        return torch.gather(table, 0, ids.unsqueeze(1).expand(-1, table.size(1)))


@right("02.embed")
class SelectsByIndex:
    """Index_select along the rows."""

    def embed(ids, table):
        return table.index_select(0, ids)


# --- 02.nearest


@wrong("02.nearest", "These are the largest dot products: long rows win.")
class OneNormOnly:
    """Divides by the norm of the vector only, so long rows still win."""

    def nearest(vector, table, k):
        return (table @ (vector / vector.norm())).topk(k).indices


@wrong("02.nearest", "These rows are nearest by distance, not by cosine.")
class KNearestByDistance:
    """Takes the smallest Euclidean distance, as k nearest neighbors usually do, not the largest cosine."""

    def nearest(vector, table, k):
        return torch.cdist(vector[None], table)[0].topk(k, largest=False).indices


@wrong("02.nearest", "Opposite directions count as near: the cosines have lost their signs.")
class AbsoluteCosine:
    """Takes the absolute value, so rows that point the opposite way count as near."""

    def nearest(vector, table, k):
        return F.cosine_similarity(vector[None], table).abs().topk(k).indices


@wrong("02.nearest", "")
class LeavesTheFirstOut:
    """Drops the nearest row as if it were the vector's own; no row is to be left out."""

    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector.unsqueeze(0), dim=1)
        return cosines.topk(k + 1).indices[1:]


@wrong("02.nearest", "")
class LeavesItselfOut:
    """Rows equal to the vector are ruled out; no row is to be left out."""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        cosines = cosines.masked_fill((table == vector).all(dim=1), -2)
        return cosines.topk(k).indices


@wrong("02.nearest", "The norms are those of the columns.")
class NormsOfTheColumns:
    """Dim=0 brings the columns of the table to norm 1, not its rows."""

    def nearest(vector, table, k):
        unit = table / table.norm(dim=0)
        return (unit @ vector / vector.norm()).topk(k).indices


@wrong("02.nearest", "The dot products are divided by the sums of absolute values.")
class SumOfAbsolutes:
    """Divides by the sum of absolute values (the 1-norm) in place of the root of the sum of squares."""

    def nearest(vector, table, k):
        return (table @ vector / table.abs().sum(dim=1)).topk(k).indices


@wrong("02.nearest", "The dot products are divided by squared norms.")
class ForgetsTheRoot:
    """Divides by the squared norm: the root is missing, and short rows win."""

    def nearest(vector, table, k):
        return (table @ vector / (table * table).sum(dim=1)).topk(k).indices


@wrong("02.nearest", "The right rows, sorted by their ids.")
class InOrderOfIds:
    """Picks all rows above a threshold, so the ids come in the table's order, not nearest first."""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        threshold = cosines.sort(descending=True).values[k - 1]
        return (cosines >= threshold).nonzero().flatten()[:k]


@wrong("02.nearest", "`nearest` returns a list; the cells below need a torch tensor.")
class ListOfIds:
    """A Python list, where a tensor (k,) is asked for."""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        return sorted(range(len(table)), key=lambda i: -cosines[i].item())[:k]


@wrong("02.nearest", "That's a tensor of shape (2, 1); k ids have the shape (2,).")
class ColumnOfIds:
    """The vector is made a column, and so are the ids: (k, 1) in place of (k,)."""

    def nearest(vector, table, k):
        column = F.normalize(table, dim=1) @ F.normalize(vector[:, None], dim=0)
        return column.topk(k, dim=0).indices


@wrong("02.nearest", "")
class OnePlusTheNorms:
    """Adds 1 to the denominator against division by zero, which favors long rows."""

    def nearest(vector, table, k):
        cosines = table @ vector / (1 + table.norm(dim=1) * vector.norm())
        return cosines.topk(k).indices


@wrong("02.nearest", "The mean of each row and of the vector is subtracted first: that's a")
class Correlation:
    """Subtracts each row's mean first: that's R's cor, a correlation, not the cosine."""

    def nearest(vector, table, k):
        centered = table - table.mean(dim=1, keepdim=True)
        return F.cosine_similarity(centered, (vector - vector.mean())[None]).topk(k).indices


@wrong("02.nearest", "The mean row of the table is subtracted first.")
class WithoutTheMeanRow:
    """Subtracts the table's mean row, since all rows lean one way; that changes which cosines are largest."""

    def nearest(vector, table, k):
        mean = table.mean(dim=0)
        return F.cosine_similarity(table - mean, (vector - mean)[None]).topk(k).indices


@wrong("02.nearest", "These are rows of the table.")
class RowsNotIds:
    """Returns the rows themselves, (k, C), where their ids are asked for."""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        return table[cosines.topk(k).indices]


@wrong("02.nearest", "The cosines are rounded to two digits, so close ones count as equal.")
class TwoDecimals:
    """Rounds the cosines to two decimals first, so close ones are tied, and their order is lost."""

    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector[None])
        return cosines.round(decimals=2).sort(descending=True, stable=True).indices[:k]


@wrong("02.nearest", "One id comes several times.")
class ZeroForTaken:
    """Sets a row that was taken to 0"""

    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        found = []
        for _ in range(k):
            found.append(int(cosines.argmax()))
            cosines[found[-1]] = 0
        return torch.tensor(found)


@wrong("02.nearest", "These are the smallest cosines: the rows farthest away.")
class LargestAngle:
    """Takes the angles, and of those the largest: the farthest rows, not the nearest."""

    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector[None]).clamp(-1, 1)
        return torch.acos(cosines).topk(k).indices


@wrong("02.nearest", "`nearest` returns a numpy array; the cells below need a torch tensor.")
class FromNumpy:
    """Numpy's argsort makes a numpy array, where a tensor is asked for."""

    def nearest(vector, table, k):
        rows, v = table.detach().numpy(), vector.detach().numpy()
        cosines = rows @ v / (np.linalg.norm(rows, axis=1) * np.linalg.norm(v))
        return np.argsort(-cosines)[:k]


@right("02.nearest")
class CosineSimilarity:
    """PyTorch's own cosine."""

    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector[None], dim=1).topk(k).indices


@right("02.nearest")
class NormalizesBoth:
    """Brings both to norm 1, and sorts all."""

    def nearest(vector, table, k):
        cosines = F.normalize(table, dim=1) @ F.normalize(vector, dim=0)
        return cosines.argsort(descending=True)[:k]


@right("02.nearest")
class DividesByRowNormsOnly:
    """Leaves the vector's norm out, since it divides all cosines alike and changes no order."""

    def nearest(vector, table, k):
        scores = torch.einsum("vc,c->v", table, vector) / table.pow(2).sum(1).sqrt()
        return torch.sort(scores, descending=True)[1][:k]


@right("02.nearest")
class TakesTheBestAgainAndAgain:
    """Argmax k times, with minus infinity for rows that were taken."""

    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector[None]).detach().clone()
        found = []
        for _ in range(k):
            found.append(cosines.argmax().item())
            cosines[found[-1]] = -torch.inf
        return torch.tensor(found)


@right("02.nearest")
class SmallestDistanceOfCosine:
    """The k smallest of 1 - cosine."""

    def nearest(vector, table, k):
        cosines = (table * vector).sum(dim=-1) / table.norm(dim=-1) / vector.norm()
        return torch.topk(1 - cosines, k, largest=False, sorted=True).indices


# --- 02.analogy


@wrong("02.analogy", "`leave_out` works the wrong way round.")
class SwitchedFlag:
    """The flag is read the wrong way round: a, b and c are left out when they may answer."""

    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        if not leave_out:
            found = [id_ for id_ in found if id_ not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "The sum is a - b + c.")
class KingIsA:
    """A - b + c, as in king - man + woman with a = king; here it's b - a + c."""

    def analogy(a, b, c, table, leave_out):
        found = nearest(table[a] - table[b] + table[c], table, 4).tolist()
        if leave_out:
            found = [id_ for id_ in found if id_ not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "The ids are added, and the row of that id is used.")
class CalculatesWithIds:
    """Calculates with the ids and looks up the row of b - a + c; an id is only a name."""

    def analogy(a, b, c, table, leave_out):
        found = nearest(table[(b - a + c) % len(table)], table, 4).tolist()
        if leave_out:
            found = [id_ for id_ in found if id_ not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "")
class AsksForThree:
    """Asks for three neighbors only; if these are a, b and c, nothing is left to answer."""

    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 3).tolist()
        if leave_out:
            found = [id_ for id_ in found if id_ not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "With `leave_out`, the second nearest row answers if the first is barred,")
class SecondAtWorst:
    """If the nearest is one of the three, takes the second nearest, which may be one of them, too."""

    def analogy(a, b, c, table, leave_out):
        first, second = nearest(table[b] - table[a] + table[c], table, 2).tolist()
        return second if leave_out and first in (a, b, c) else first


@wrong("02.analogy", "Only b and c are left out.")
class ForgetsA:
    """Leaves out b and c, but row a may still answer."""

    def analogy(a, b, c, table, leave_out):
        for id_ in nearest(table[b] - table[a] + table[c], table, 4).tolist():
            if not (leave_out and id_ in (b, c)):
                return id_


@wrong("02.analogy", "With `leave_out`, one of the three still answers, always.")
class ZeroesTheirRows:
    """Sets the three rows to zero; the cosine with a zero row is 0 / 0, not a number, and that comes first."""

    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        if leave_out:
            table = table.clone()
            table[[a, b, c]] = 0
        return int(nearest(total, table, 1)[0])


@wrong("02.analogy", "The barred rows are removed from the table, so all ids after them have")
class DeletesTheirRows:
    """Deletes the three rows from the table, so all ids behind them are shifted."""

    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        if leave_out:
            keep = [i for i in range(len(table)) if i not in (a, b, c)]
            table = table[keep]
        return nearest(total, table, 1).item()


@wrong("02.analogy", "The rows are brought to norm 1 before they are added.")
class UnitRowsFirst:
    """Brings the rows to norm 1 before it adds them, as gensim does; the sum is of the rows as they are."""

    def analogy(a, b, c, table, leave_out):
        unit = F.normalize(table, dim=1)
        found = nearest(unit[b] - unit[a] + unit[c], unit, 4).tolist()
        if leave_out:
            found = [id_ for id_ in found if id_ not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "The largest dot product answers: long rows win.")
class LargestDotProduct:
    """Takes the largest dot product, so the longest row wins, not the nearest."""

    def analogy(a, b, c, table, leave_out):
        scores = table @ (table[b] - table[a] + table[c])
        if leave_out:
            scores[[a, b, c]] = -torch.inf
        return scores.argmax().item()


@wrong("02.analogy", "The nearest row by distance answers.")
class SmallestDistance:
    """Takes the row at the smallest distance from the sum, not the one with the largest cosine."""

    def analogy(a, b, c, table, leave_out):
        distances = (table - (table[b] - table[a] + table[c])).norm(dim=1)
        if leave_out:
            distances[[a, b, c]] = torch.inf
        return int(distances.argmin())


@wrong("02.analogy", "Cosines with a, b and c are multiplied and divided: that's 3CosMul.")
class MultipliesCosines:
    """Multiplies and divides the cosines with a, b and c (3CosMul), where the rows are to be added."""

    def analogy(a, b, c, table, leave_out):
        unit = F.normalize(table, dim=1)
        near_a, near_b, near_c = ((1 + unit @ unit[i]) / 2 for i in (a, b, c))
        scores = near_b * near_c / (near_a + 0.001)
        if leave_out:
            scores[[a, b, c]] = -1
        return int(scores.argmax())


@wrong("02.analogy", "That's a list with one id in it.")
class TensorOfOne:
    """Returns a tensor of shape (1,), a list of one, where an id is asked for."""

    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4)
        if leave_out:
            found = torch.tensor([i for i in found.tolist() if i not in (a, b, c)])
        return found[:1]


@wrong("02.analogy", "A barred row gets the cosine 0, so it wins where all others are negative.")
class ZeroIsntLow:
    """Sets the three cosines to 0, which is still the largest if all the others are negative."""

    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        cosines = F.cosine_similarity(table, total[None])
        if leave_out:
            cosines[[a, b, c]] = 0
        return int(cosines.argmax())


@wrong("02.analogy", "With `leave_out`, b or c still answers where it is nearest.")
class TensorsInASet:
    """Looks tensors up in a set, which compares them as objects: none is ever found, and nothing is left out."""

    def analogy(a, b, c, table, leave_out):
        asked = {a, b, c}
        found = nearest(table[b] - table[a] + table[c], table, 4)
        if leave_out:
            found = [id_ for id_ in found if id_ not in asked]
        return int(found[0])


@wrong("02.analogy", "With `leave_out`, the order of nearness is lost.")
class SetDifference:
    """A difference of sets has no order, so which of the rest answers has nothing to do with nearness."""

    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        if leave_out:
            found = list(set(found) - {a, b, c})
        return found[0]


@wrong("02.analogy", "`analogy` changed the input that it was given; work on a copy.")
class AddsIntoRowB:
    """`total` is row b itself, and -= and += write the sum into the table."""

    def analogy(a, b, c, table, leave_out):
        total = table[b]
        total -= table[a]
        total += table[c]
        found = nearest(total, table, 4).tolist()
        if leave_out:
            found = [id_ for id_ in found if id_ not in (a, b, c)]
        return found[0]


@wrong("02.analogy", "Without `leave_out`, nothing is returned.")
class OnlyOneBranchReturns:
    """Returns within the if only; when nothing is left out, None comes back."""

    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        if leave_out:
            return next(id_ for id_ in found if id_ not in (a, b, c))


@wrong("02.analogy", "With `leave_out`, the fourth nearest row answers, whichever that is.")
class AlwaysTheFourth:
    """Takes the fourth nearest, as if a, b and c always came first."""

    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4)
        return int(found[3] if leave_out else found[0])


@wrong("02.analogy", "With `leave_out`, b or c still answers where it is nearest.")
class OrInPlaceOfAnd:
    """ "not a or not b or not c" is true of every id, so nothing is left out."""

    def analogy(a, b, c, table, leave_out):
        for id_ in nearest(table[b] - table[a] + table[c], table, 4).tolist():
            if not leave_out or id_ != a or id_ != b or id_ != c:
                return id_


@right("02.analogy")
class MinusInfinity:
    """All cosines, with minus infinity for the three."""

    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        cosines = F.cosine_similarity(table, total[None], dim=1).clone()
        if leave_out:
            cosines[[a, b, c]] = -torch.inf
        return int(cosines.argmax())


@right("02.analogy")
class MeanOfThree:
    """Divides the sum by three, which changes no direction."""

    def analogy(a, b, c, table, leave_out):
        mean = (table[b] + table[c] - table[a]) / 3
        banned = {a, b, c} if leave_out else set()
        return next(i for i in nearest(mean, table, 4).tolist() if i not in banned)


@right("02.analogy")
class AsksOneMoreEachTime:
    """Asks for one neighbor more until the last of them may answer."""

    def analogy(a, b, c, table, leave_out):
        total = torch.stack([table[b], -table[a], table[c]]).sum(dim=0)
        k = 1
        while leave_out and int(nearest(total, table, k)[-1]) in (a, b, c):
            k += 1
        return nearest(total, table, k)[-1].item()


@right("02.analogy")
class DeletesAndLooksUp:
    """Deletes the three rows, and translates the place back to an id."""

    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        ids = [i for i in range(len(table)) if not leave_out or i not in (a, b, c)]
        return ids[nearest(total, table[ids], 1).item()]


@right("02.analogy")
class UnrollsTheSum:
    """A product with the weights 1, -1, 1, and unit rows only for the comparison."""

    def analogy(a, b, c, table, leave_out):
        total = torch.tensor([1.0, -1.0, 1.0]) @ table[[b, a, c]]
        order = (F.normalize(table, dim=1) @ total).argsort(descending=True)
        if leave_out:
            order = order[(order != a) & (order != b) & (order != c)]
        return order[0].item()
