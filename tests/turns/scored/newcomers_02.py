"""Answers to the turns of lesson 02, written from its text alone; checks changed after."""

from functools import cmp_to_key

import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import right, wrong

_ROWS = {}


_UNIT = {}


_ANSWERS = {}


def nearest(vector, table, k):
    """A right one, for the turn that builds on it."""
    return F.cosine_similarity(table, vector[None], dim=1).topk(k).indices


# --- 02.embed


@wrong("02.embed", "The result is right, but no model could learn through it: `table` gets no gradient.")
class FrozenLayer:
    """nn.Embedding.from_pretrained freezes its weights by default, so no gradient reaches the table."""

    def embed(ids, table):
        layer = nn.Embedding.from_pretrained(table)
        return layer(ids)


@wrong("02.embed", "The rows are columns, (C, T), and then reshaped: that mixes their numbers.")
class ReshapedNotTransposed:
    """The rows are stacked as columns, (C, T), and reshape instead of a transpose makes (T, C) of mixed up numbers."""

    def embed(ids, table):
        T, C = len(ids), table.shape[1]
        columns = torch.stack([table[id] for id in ids], dim=1)
        return columns.reshape(T, C)


@wrong("02.embed", "`_ROWS` still holds what earlier calls have put into it, and that changes the result.")
class RowsCachedById:
    """Rows are cached by id and stay from call to call, so another or a changed table still gives the old rows."""

    def embed(ids, table):
        rows = []
        for id in ids.tolist():
            if id not in _ROWS:
                _ROWS[id] = table[id].clone()
            rows.append(_ROWS[id])
        return torch.stack(rows)


@wrong("02.embed", "The numbers are right, but the shape must be (T, C), a row per id; here it is (2,).")
class SqueezesOneToken:
    """squeeze drops each dimension of size 1, so a single token gives (C,) instead of (1, C)."""

    def embed(ids, table):
        return table[ids.reshape(-1, 1)].squeeze()


@right("02.embed")
class DistinctRowsFirst:
    """It selects each distinct row once, and spreads the rows to their places by the inverse index."""

    def embed(ids, table):
        distinct, place = torch.unique(ids, return_inverse=True)
        return table.index_select(0, distinct).index_select(0, place)


@right("02.embed")
class FillsAnEmptyTensor:
    """It fills a new tensor row by row in a loop; autograd follows these assignments, too."""

    def embed(ids, table):
        rows = table.new_empty(len(ids), table.shape[1])
        for t, id in enumerate(ids.tolist()):
            rows[t] = table[id]
        return rows


# --- 02.nearest


@wrong("02.nearest", "Other rows have larger cosines.")
class ComparatorCutsToInt:
    """The comparator cuts the difference of two cosines to an int, mostly 0, so most rows stay in the order of ids."""

    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector[None], dim=1).tolist()
        order = sorted(range(len(cosines)), key=cmp_to_key(lambda i, j: int(cosines[j] - cosines[i])))
        return torch.tensor(order[:k])


@wrong("02.nearest", "Rows with a negative cosine are never found: the search begins at 0.")
class BestStartsAtZero:
    """The search for the largest starts from 0, so a row with a negative cosine is never found and -1 is returned."""

    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector[None], dim=1).tolist()
        found = []
        for _ in range(k):
            best, best_id = 0.0, -1
            for id, cosine in enumerate(cosines):
                if cosine > best and id not in found:
                    best, best_id = cosine, id
            found.append(best_id)
        return torch.tensor(found)


@wrong("02.nearest", "`_UNIT` still holds what earlier calls have put into it, and that changes the result.")
class UnitRowsCachedByShape:
    """The rows of norm 1 are cached by the shape of the table, so a second table of this shape gets the first's."""

    def nearest(vector, table, k):
        key = tuple(table.shape)
        if key not in _UNIT:
            _UNIT[key] = F.normalize(table, dim=1)
        return (_UNIT[key] @ F.normalize(vector, dim=0)).topk(k).indices


@right("02.nearest")
class KTimesTheMaximum:
    """It takes the maximum k times, and each time sets the one it found to minus infinity."""

    def nearest(vector, table, k):
        cosines = F.cosine_similarity(table, vector[None], dim=1).detach().clone()
        ids = []
        for _ in range(k):
            ids.append(int(cosines.argmax()))
            cosines[ids[-1]] = -torch.inf
        return torch.tensor(ids, dtype=torch.long)


@right("02.nearest")
class DistanceOnTheSphere:
    """Between vectors of norm 1, the smallest distance is the largest cosine, so it sorts by squared distance."""

    def nearest(vector, table, k):
        apart = F.normalize(table, dim=1) - F.normalize(vector, dim=0)
        return apart.square().sum(dim=1).topk(k, largest=False).indices


# --- 02.analogy


@wrong("02.analogy", "`_ANSWERS` still holds what earlier calls have put into it, and that changes the result.")
class CacheForgetsLeaveOut:
    """Answers are cached by a, b and c alone, so the same words with another leave_out or table get the old answer."""

    def analogy(a, b, c, table, leave_out):
        key = (a, b, c)
        if key not in _ANSWERS:
            ids = nearest(table[b] - table[a] + table[c], table, 4).tolist()
            _ANSWERS[key] = next(id for id in ids if not leave_out or id not in key)
        return _ANSWERS[key]


@right("02.analogy")
class ShorterTableMappedBack:
    """It removes the rows a, b and c from the table, and looks up the id that the nearest one had before."""

    def analogy(a, b, c, table, leave_out):
        kept = torch.ones(len(table), dtype=torch.bool)
        for id in (a, b, c) if leave_out else ():
            kept[id] = False
        old_ids = kept.nonzero().flatten()
        return int(old_ids[nearest(table[b] - table[a] + table[c], table[kept], 1)[0]])


@right("02.analogy")
class BestSoFar:
    """One loop over all rows remembers the best cosine so far, in Python numbers of double precision."""

    def analogy(a, b, c, table, leave_out):
        rows = table.detach().double()
        target = rows[b] - rows[a] + rows[c]
        scores = (rows @ target / rows.norm(dim=1)).tolist()  # the norm of the target changes no order
        best = None
        for id, cosine in enumerate(scores):
            if leave_out and id in (a, b, c):
                continue
            if best is None or cosine > scores[best]:
                best = id
        return best
