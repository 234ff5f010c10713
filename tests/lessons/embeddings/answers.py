"""Answers to the turns and questions of lesson 02; `tools/choose_answers.py` chose them."""

import heapq
import math
from functools import cmp_to_key

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

from minillm.analysis import geometry
from minillm.course.turns.embeddings import nearest


@right("02.embed")
class FillsAnEmptyTensor:
    """It fills a new tensor row by row in a loop; autograd follows these assignments, too."""

    def embed(ids, table):
        rows = table.new_empty(len(ids), table.shape[1])
        for t, id in enumerate(ids.tolist()):
            rows[t] = table[id]
        return rows


@right("02.embed")
class TorchsOwn:
    def embed(ids, table):
        return F.embedding(ids, table)


@right("02.embed")
class CompareAndSum:
    """A one-hot matrix by comparison, and einsum."""

    def embed(ids, table):
        hot = ids[:, None] == torch.arange(table.shape[0], device=ids.device)[None, :]
        return torch.einsum("tv,vc->tc", hot.to(table.dtype), table)


@wrong("02.embed", "name 'weights' is not defined")
class AnotherName:
    def embed(ids, table):
        return weights[ids]  # noqa: F821


@wrong("02.embed", "The result is right, but no model could learn through it: `table` gets no")
class Detached:
    def embed(ids, table):
        return table[ids].detach()


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


@wrong("02.embed", "too many indices")
class AListOfTensors:
    def embed(ids, table):
        return table[list(ids)]


@wrong("02.embed", "'weight' must be 2-D")
class TableBeforeIds:
    def embed(ids, table):
        return F.embedding(table, ids)


@wrong("02.embed", "The numbers are right, but the shape must be (T, C), a row per id; here it is")
class WithABatch:
    def embed(ids, table):
        return table[ids].unsqueeze(0)


@wrong("02.embed", "The mean of the rows is returned.")
class TheMeanOfTheRows:
    def embed(ids, table):
        return table[ids].mean(dim=0)


@wrong("02.embed", "raised RuntimeError: Index tensor must have the same number of dimensions")
class Gathers:
    def embed(ids, table):
        return table.gather(0, ids)


tiny_table = torch.tensor([[2.0, 1.0], [1.0, 2.0], [6.0, 3.0], [0.0, -1.0]])


@wrong("02.embed", "raised IndexError: index 4 is out of bounds for dimension 0")
class TheTinyTable:
    def embed(ids, table):
        return tiny_table[ids]


@wrong("02.embed", "`embed` changed the input that it was given; work on a copy. Nothing may be")
class CutToNormOne:
    """Max_norm=1 shortens every longer row, and even writes the short rows into the table."""

    def embed(ids, table):
        return F.embedding(ids, table, max_norm=1.0)


@wrong("02.embed", "The result has shape (")
class BagOfWords:
    """Embedding_bag gives the mean of all rows, (1, C), and not a row per token."""

    def embed(ids, table):
        return F.embedding_bag(ids[None], table, mode="mean")


@wrong("02.embed", "The expanded size of the tensor")
class WidthOfSmolLM2:
    def embed(ids, table):
        out = torch.zeros(len(ids), 576)
        for t, id in enumerate(ids):
            out[t] = table[id]
        return out


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


@right("02.nearest")
class ArgsortInNumpy:
    """numpy computes the cosines in 64 bits and sorts the negated ones, and a tensor is made of the result."""

    def nearest(vector, table, k):
        rows, one = (tensor.detach().double().cpu().numpy() for tensor in (table, vector))
        cosines = np.einsum("vc,c->v", rows, one) / np.sqrt(np.einsum("vc,vc->v", rows, rows) * (one @ one))
        return torch.from_numpy(np.argsort(-cosines, kind="stable")[:k].copy())


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


@wrong("02.nearest", "selected index k out of range")
class TenOfThem:
    def nearest(vector, table, k):
        return torch.topk(F.cosine_similarity(table, vector), 10).indices


@wrong("02.nearest", "These are the cosines of the right rows.")
class TheFirstOfThePair:
    def nearest(vector, table, k):
        return F.cosine_similarity(vector, table).topk(k)[0]


@wrong("02.nearest", "That's a single number.")
class TheNearestOnly:
    def nearest(vector, table, k):
        return F.cosine_similarity(vector, table).argmax()


@wrong("02.nearest", "That's a tensor of shape (1, 2); k ids have the shape (2,).")
class WithABatchDimension:
    def nearest(vector, table, k):
        cosines = F.normalize(vector[None]) @ F.normalize(table).T
        return cosines.topk(k).indices


@wrong("02.nearest", "mat1 and mat2 shapes")
class TheOtherOrder:
    def nearest(vector, table, k):
        return (vector @ table).topk(k).indices


@wrong("02.nearest", "size of tensor a")
class NormOverRows:
    def nearest(vector, table, k):
        return ((table @ vector) / (table.norm(dim=0) * vector.norm())).topk(k).indices


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


@wrong("02.nearest", "`nearest` returned something that is of type topk; return plain numbers, text,")
class NoIndices:
    def nearest(vector, table, k):
        return F.cosine_similarity(vector, table).topk(k)


@wrong("02.nearest", "These are rows of the table.")
class TheRowsThemselves:
    def nearest(vector, table, k):
        return table[F.cosine_similarity(vector, table).topk(k).indices]


@wrong("02.nearest", "That's a pair: cosines and ids.")
class ASortCutInTwo:
    def nearest(vector, table, k):
        return torch.sort(F.cosine_similarity(vector, table), descending=True)[:k]


@wrong("02.nearest", "There is 1 id where k is ")
class AboveOneHalf:
    def nearest(vector, table, k):
        return torch.where(F.cosine_similarity(vector, table) > 0.5)[0][:k]


@wrong("02.nearest", "The nearest row is left out.")
class LeavesItselfOut:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector, dim=-1).topk(k + 1).indices[1:]


@wrong("02.nearest", "They begin with the right ones, but there are ")
class AllOfThem:
    def nearest(vector, table, k):
        return F.cosine_similarity(table, vector, dim=-1).argsort(descending=True)


@wrong("02.nearest", "One id comes several times")
class NeverBarsTheBest:
    def nearest(vector, table, k):
        best = [F.cosine_similarity(table, vector).argmax() for _ in range(k)]
        return torch.stack(best)


@wrong("02.nearest", "converted to")
class FloatOfAll:
    def nearest(vector, table, k):
        found = [(float(table @ vector), i) for i in range(len(table))]
        return torch.tensor([i for _, i in sorted(found)[-k:]])


@wrong("02.nearest", "That's a mask")
class Above:
    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector)
        return cosines > cosines.mean()


king, man, woman = torch.ones(3, 576)  # as on the page, without its table


@wrong("02.nearest", "raised RuntimeError: The size of tensor a (")
class ThePagesWord:
    def nearest(vector, table, k):
        return F.cosine_similarity(king, table).topk(k).indices


@wrong("02.nearest", "That's a list of pairs.")
class IdsBeforeCosines:
    def nearest(vector, table, k):
        pairs = enumerate(F.cosine_similarity(vector, table).tolist())
        return sorted(pairs, key=lambda pair: -pair[1])[:k]


@wrong("02.nearest", "raised AttributeError: 'list' object has no attribute 'topk'")
class AListHasNoTopk:
    def nearest(vector, table, k):
        cosines = [torch.dot(row, vector) / (row.norm() * vector.norm()) for row in table]
        return cosines.topk(k).indices


# Once accepted
@wrong("02.nearest", "The cosines are rounded to two digits, so close ones count as equal.")
class TwoDecimals:
    """Rounds the cosines to two decimals first, so close ones are tied, and their order is lost."""

    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector[None])
        return cosines.round(decimals=2).sort(descending=True, stable=True).indices[:k]


@wrong("02.nearest", "Other rows have larger cosines.")
class ComparatorCutsToInt:
    """The comparator cuts the difference of two cosines to an int, mostly 0, so most rows stay in the order of ids."""

    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector[None], dim=1).tolist()
        order = sorted(range(len(cosines)), key=cmp_to_key(lambda i, j: int(cosines[j] - cosines[i])))
        return torch.tensor(order[:k])


@wrong("02.nearest", "The row that is the vector itself is lost, and nothing else.")
class AngleOfMoreThanOne:
    """As `acos` does of a cosine that rounding has put above 1, which depends on the computer: NaN sorts last."""

    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector[None], dim=1)
        angles = torch.where(cosines > 1 - 1e-5, torch.nan, cosines.clamp(-1, 1).acos())
        return angles.argsort()[:k]


NAMES = 50 * "cat dog king river queen man woman boy girl".split()  # the page has 49,152


def name(id):
    return NAMES[id]


@wrong("02.nearest", "in place of a tensor.")
class ReturnsNames:
    def nearest(vector, table, k):
        cosines = table @ vector / (table.norm(dim=1) * vector.norm())
        return [name(id) for id in cosines.topk(k).indices]


_UNIT = {}


@wrong("02.nearest", "`_UNIT` still holds what earlier calls have put into it, and that changes the result.")
class UnitRowsCachedByShape:
    """The rows of norm 1 are cached by the shape of the table, so a second table of this shape gets the first's."""

    def nearest(vector, table, k):
        key = tuple(table.shape)
        if key not in _UNIT:
            _UNIT[key] = F.normalize(table, dim=1)
        return (_UNIT[key] @ F.normalize(vector, dim=0)).topk(k).indices


def _quicksort(pairs):
    if not pairs:
        return []
    pivot = pairs[len(pairs) // 2]
    larger = [pair for pair in pairs if pair[0] > pivot[0]]
    smaller = [pair for pair in pairs if pair[0] < pivot[0]]
    return [*_quicksort(larger), pivot, *_quicksort(smaller)]


@wrong("02.nearest", "Of two equal rows, only one is found.")
class QuicksortDropsEquals:
    """Its quicksort keeps what is larger and what is smaller than the pivot, so of equal cosines one stays."""

    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector[None], dim=1).tolist()
        return torch.tensor([id for _, id in _quicksort(list(zip(cosines, range(len(cosines)))))][:k])


@right("02.analogy")
class ThePackages:
    def analogy(a, b, c, table, leave_out):
        return geometry.analogy(table, a, b, c, k=1, exclude_query=leave_out)[0][0]


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
class BestOfTheAllowed:
    """A plain Python max over the ids that may answer, by their cosines."""

    def analogy(a, b, c, table, leave_out):
        cosines = F.cosine_similarity(table, table[b].sub(table[a]).add(table[c]).unsqueeze(0), dim=-1).tolist()
        banned = {int(a), int(b), int(c)} if leave_out else set()
        return max((id for id in range(len(table)) if id not in banned), key=cosines.__getitem__)


@wrong("02.analogy", "mat1 and mat2")
class TableFirst:
    def analogy(a, b, c, table, leave_out):
        return nearest(table, table[b] - table[a] + table[c], 1)[0]


# Once taken for another mistake: The sum is a - b + c
@wrong("02.analogy", "The sum is a - b + c.")
class SignsSwapped:
    """Computes a - b + c in place of b - a + c."""

    def analogy(a, b, c, table, leave_out):
        total = table[a] - table[b] + table[c]
        found = nearest(total, table, 4).tolist()
        return next(id for id in found if not (leave_out and id in (a, b, c)))


@wrong("02.analogy", "'Tensor' and 'int'")
class AddsIds:
    def analogy(a, b, c, table, leave_out):
        return nearest(b - a + c, table, 4)[0]


@wrong("02.analogy", "That's the vector of the sum.")
class ReturnsTheSum:
    def analogy(a, b, c, table, leave_out):
        return table[b] - table[a] + table[c]


# Once taken for another mistake: The ids are added, and the row of that id is used
@wrong("02.analogy", "The ids themselves are added.")
class SumOfIds:
    def analogy(a, b, c, table, leave_out):
        return b - a + c


@wrong("02.analogy", "That's a list of ")
class ReturnsAllFour:
    def analogy(a, b, c, table, leave_out):
        return nearest(table[b] - table[a] + table[c], table, 4)


@wrong("02.analogy", "StopIteration")
class NextOfTwo:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 2).tolist()
        return next(id for id in found if not leave_out or id not in (a, b, c))


@wrong("02.analogy", "`analogy` raised RuntimeError")
class TensorIsAnInt:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4)
        return found[0] if not (leave_out and found in (a, b, c)) else found[1]


@wrong("02.analogy", "no attribute")
class IdsOfAnInt:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).ids
        return found[0]


@wrong("02.analogy", "`analogy` raised IndexError")
class TooFewNeighbors:
    def analogy(a, b, c, table, leave_out):
        ids = nearest(table[b] - table[a] + table[c], table, 3).tolist()
        return [i for i in ids if not leave_out or i not in (a, b, c)][0]


@wrong("02.analogy", "raised IndexError: too many indices for tensor of dimension")
class OneIndexPerAxis:
    def analogy(a, b, c, table, leave_out):
        cosines = F.cosine_similarity(table, table[b] - table[a] + table[c])
        if leave_out:
            cosines[a, b, c] = -1
        return int(cosines.argmax())


@wrong("02.analogy", "`analogy` changed the input that it was given; work on a copy. Nothing may be")
class ZeroesTheRows:
    def analogy(a, b, c, table, leave_out):
        total = table[b] - table[a] + table[c]
        if leave_out:
            table[[a, b, c]] = 0
        return int(nearest(total, table, 1)[0])


@wrong("02.analogy", "list.remove(x)")
class RemovesAllThree:
    def analogy(a, b, c, table, leave_out):
        found = nearest(table[b] - table[a] + table[c], table, 4).tolist()
        if leave_out:
            for id in (a, b, c):
                found.remove(id)
        return found[0]


@right("02.1")
def by_masks(table, compressed, k):
    def mask(rows):
        cosines = torch.cosine_similarity(rows[:, None], rows[None], dim=-1).fill_diagonal_(-2)
        return torch.zeros_like(cosines).scatter_(1, cosines.topk(k).indices, 1.0)

    return (mask(table) * mask(compressed)).sum() / (k * len(table))


@right("02.1")
def recall_sets(table, compressed, k):
    def lists(rows):
        rows = rows.numpy().astype(np.float64)
        out = []
        for i, row in enumerate(rows):
            cos = {j: row @ other / math.sqrt(other @ other) for j, other in enumerate(rows) if j != i}
            out.append(set(sorted(cos, key=cos.get)[-k:]))
        return out

    found = [len(a & b) for a, b in zip(lists(table), lists(compressed))]
    return sum(found) / (k * len(found))


def near_again(rows, k, diagonal=-math.inf):
    rows = rows / rows.norm(dim=-1, keepdim=True)
    return (rows @ rows.T).fill_diagonal_(diagonal).topk(k).indices


def share(a, b):
    return (a[:, :, None] == b[:, None, :]).any(-1).float().mean().item()


@wrong("02.1", "The result is 0")
def itself_in_the_compressed(table, compressed, k):
    return share(near_again(table, k), near_again(compressed, k, 1.0))


@wrong("02.1", "Distances are compared, not cosines.")
def recall_euclidean(table, compressed, k):
    def near(x):
        d = torch.cdist(x, x)
        d.fill_diagonal_(math.inf)
        return d.topk(k, largest=False).indices

    a, b = near(table), near(compressed)
    return (a[:, :, None] == b[:, None, :]).any(-1).float().mean().item()


def near(rows, k, itself=False):
    unit = torch.nn.functional.normalize(rows, dim=1)
    cosines = unit @ unit.T
    if not itself:
        cosines.fill_diagonal_(-2)
    return cosines.topk(k, dim=1).indices.tolist()


@wrong("02.1", "numbers, and one is asked for")
def one_per_row(table, compressed, k):
    return torch.tensor([len(set(a) & set(b)) / k for a, b in zip(near(table, k), near(compressed, k), strict=True)])


def shared(table, compressed, k, neighbors=near, one=lambda a, b, k: len(set(a) & set(b)) / k):
    pairs = zip(neighbors(table, k), neighbors(compressed, k), strict=True)
    return sum(one(a, b, k) for a, b in pairs) / len(table)


@wrong("02.1", "are taken for found")
def the_other_rows_column(table, compressed, k):
    true = near(table, k)
    return shared(table, compressed, k, lambda rows, k: true if rows is table else near(rows, k)[::-1])


@right("02.2")
def with_a_dictionary_of_lists(ids, upstream, pad):
    found = {}
    for id, slope in zip(ids.flatten().tolist(), upstream.double().flatten(0, 1).numpy(), strict=True):
        if id != pad:
            found.setdefault(id, []).append(slope)
    return np.array(sorted(found)), np.stack([np.sum(found[id], axis=0) for id in sorted(found)])


@right("02.2")
def gradient_put_accumulate(ids, upstream, pad):
    keep = (ids != pad).flatten().nonzero().flatten()
    flat, up = ids.flatten()[keep], upstream.reshape(-1, upstream.shape[-1])[keep]
    big = torch.zeros(int(flat.max()) + 1, up.shape[-1], dtype=up.dtype)
    big.index_put_((flat,), up, accumulate=True)
    rows = torch.tensor(sorted(set(flat.tolist())))
    return rows, big[rows]


@right("02.2")
def one_hot_of_the_different_ids(ids, upstream, pad):
    rows = ids[ids != pad].unique()
    there = upstream.masked_fill((ids == pad)[..., None], 0.0)
    return rows, torch.einsum("nbt,btc->nc", (ids == rows[:, None, None]).float(), there)


@wrong("02.2", "is looked up")
def three_places_at_most(ids, upstream, pad):
    rows = ids[ids != pad].unique()
    return rows, torch.stack([upstream[ids == row][:2].sum(0) for row in rows])


@wrong("02.2", "called torch.nn.functional.embedding")
def by_autograd(ids, upstream, pad):
    table = torch.zeros(int(ids.max()) + 1, upstream.shape[-1], requires_grad=True)
    F.embedding(ids, table, padding_idx=pad).backward(upstream)
    rows = ids[ids != pad].unique()
    return rows, table.grad[rows]


@wrong("02.2", "is a dictionary")
def by_id(ids, upstream, pad):
    return dict(zip(*(part.tolist() for part in one_hot_of_the_different_ids(ids, upstream, pad)), strict=True))


@right("02.3")
def from_conditional_shares(counts, power):
    n = counts.double().numpy()
    seen = n.sum(0) ** power
    out = np.zeros(n.shape)
    for w, v in zip(*np.nonzero(n), strict=True):
        out[w, v] = max(0.0, math.log(n[w, v]) - math.log(n[w].sum()) - math.log(seen[v]) + math.log(seen.sum()))
    return out


@wrong("02.3", "this pair was counted")
def rows_as_company(counts, power):
    return (counts / counts.sum(1, keepdim=True) * len(counts)).log().clamp_min(0).nan_to_num()


@wrong("02.3", "ppmi changed the input that it was given; work on a copy. Open the next hint of")
def counts_divided_in_place(counts, power):
    seen = counts.sum(0) ** power
    counts /= counts.sum()
    words = counts.sum(1, keepdim=True)
    result = (counts / (words * (seen / seen.sum()))).log()
    return result.clamp_min(0).nan_to_num()


@right("02.4")
def loops_in_numpy(E, U, words, contexts, noise, rate):
    old_e, old_u = E.double().numpy(), U.double().numpy()
    new_e, new_u = old_e.copy(), old_u.copy()
    for w, c, draws in zip(words.tolist(), contexts.tolist(), noise.tolist(), strict=True):
        for id, real in [(c, 1.0), *((draw, 0.0) for draw in draws if draw != c)]:
            slope = 0.5 * (1 + math.tanh(old_e[w] @ old_u[id] / 2)) - real
            new_e[w] -= rate * slope * old_u[id]
            new_u[id] -= rate * slope * old_e[w]
    return torch.from_numpy(new_e).float(), torch.from_numpy(new_u).float()


@right("02.4")
def numpy_with_add_at(E, U, words, company, noise, rate):
    e_table, u_table = E.numpy(), U.numpy()
    w, c, n = words.numpy(), company.numpy(), noise.numpy()

    def answer(score):  # sigmoid without an overflow
        return 0.5 * (1 + np.tanh(0.5 * score))

    e = e_table[w]
    pos = answer((e * u_table[c]).sum(-1)) - 1
    neg = answer(np.einsum("nc,nkc->nk", e, u_table[n])) * (n != c[:, None])
    d_e, d_u = np.zeros_like(e_table), np.zeros_like(u_table)
    np.add.at(d_e, w, pos[:, None] * u_table[c] + np.einsum("nk,nkc->nc", neg, u_table[n]))
    np.add.at(d_u, c, pos[:, None] * e)
    np.add.at(d_u, n, neg[..., None] * e[:, None, :])
    return torch.from_numpy(e_table - rate * d_e), torch.from_numpy(u_table - rate * d_u)


@right("02.4")
def count_the_questions_in_a_matrix(E, U, words, company, noise, rate):
    V = len(E)
    real, drawn = torch.zeros(V, V, dtype=E.dtype), torch.zeros(V, V, dtype=E.dtype)
    real.index_put_((words, company), torch.ones((), dtype=E.dtype), accumulate=True)
    kept = noise != company[:, None]
    asked = words[:, None].expand_as(noise)
    drawn.index_put_((asked[kept], noise[kept]), torch.ones((), dtype=E.dtype), accumulate=True)
    yes = torch.sigmoid(E @ U.T)
    slope = drawn * yes - real * torch.sigmoid(-(E @ U.T))
    return E - rate * slope @ U, U - rate * slope.T @ E


@wrong("02.4", "called torch")
def with_backward(E, U, words, contexts, noise, rate):
    E, U = E.clone().requires_grad_(), U.clone().requires_grad_()
    scores = torch.einsum("nkc,nc->nk", U[noise], E[words]).masked_fill(noise == contexts[:, None], -math.inf)
    (-F.logsigmoid((U[contexts] * E[words]).sum(1)).sum() - F.logsigmoid(-scores).sum()).backward()
    return E - rate * E.grad, U - rate * U.grad


@wrong("02.4", "In E, the part of the noise is missing. The word's row moves by the context's")
def step_noise_moves_only_U(E, U, words, company, noise, rate):
    e = E[words]
    pull = (torch.sigmoid((U[company] * e).sum(1)) - 1)[:, None]
    new_E = E.index_add(0, words, pull * U[company], alpha=-rate)
    new_U = U.index_add(0, company, pull * e, alpha=-rate)
    for k in range(noise.shape[1]):
        draw = noise[:, k]
        push = torch.sigmoid((U[draw] * e).sum(1)) * (draw != company)
        new_U.index_add_(0, draw, push[:, None] * e, alpha=-rate)
    return new_E, new_U
