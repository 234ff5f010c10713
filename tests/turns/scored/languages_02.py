"""Answers to the turns of lesson 02, written from its text alone; checks changed after."""

import numpy as np
import torch
import torch.nn.functional as F
from turn_answers import right

# --- 02.embed


@right("02.embed")
class CompareAndSum:
    """A one-hot matrix by comparison, and einsum."""

    def embed(ids, table):
        hot = ids[:, None] == torch.arange(table.shape[0], device=ids.device)[None, :]
        return torch.einsum("tv,vc->tc", hot.to(table.dtype), table)


@right("02.embed")
class GatherWholeRows:
    """gather along the rows, with the id repeated for each of the C columns."""

    def embed(ids, table):
        index = ids.view(-1, 1).repeat(1, table.size(1))
        return table.gather(0, index)


# --- 02.nearest


@right("02.nearest")
class ShortestChord:
    """Both on the unit sphere, in 64 bits: the smallest distance there is the largest cosine."""

    def nearest(vector, table, k):
        v = F.normalize(vector.double(), dim=0)
        rows = F.normalize(table.double(), dim=1)
        chord = (rows - v).square().sum(dim=1)
        return torch.sort(chord, stable=True).indices[:k]


@right("02.nearest")
class ArgmaxAgainAndAgain:
    """The vector's norm is the same for all rows and left out; argmax k times, with minus infinity after each."""

    def nearest(vector, table, k):
        scores = (table @ vector) / table.norm(dim=1)
        ids = torch.empty(k, dtype=torch.long)
        for place in range(k):
            ids[place] = scores.argmax()
            scores = scores.index_fill(0, ids[place : place + 1], float("-inf"))
        return ids


# --- 02.analogy


@right("02.analogy")
class RemainingIds:
    """NumPy in 64 bits: keeps a list of the ids that may answer, and looks the winner up in it."""

    def analogy(a, b, c, table, leave_out):
        rows = table.detach().cpu().numpy().astype(np.float64)
        goal = rows[b] - rows[a] + rows[c]
        allowed = np.arange(len(rows))
        if leave_out:
            allowed = np.setdiff1d(allowed, [a, b, c])
        rows = rows[allowed]
        cosines = rows @ goal / np.sqrt((rows * rows).sum(axis=1))
        return int(allowed[np.argmax(cosines)])


@right("02.analogy")
class WeightsTimesTable:
    """The sum as a product of weights and table, with a penalty of 10 on the three cosines."""

    def analogy(a, b, c, table, leave_out):
        signs = torch.zeros(len(table), dtype=table.dtype)
        for id, sign in ((b, 1), (a, -1), (c, 1)):
            signs[id] += sign
        cosines = F.cosine_similarity(table, (signs @ table).expand_as(table), dim=-1)
        penalty = torch.zeros_like(cosines)
        if leave_out:
            penalty[[a, b, c]] = 10
        return max(range(len(table)), key=(cosines - penalty).tolist().__getitem__)
