"""Answers to the turns of lesson 00a, written from its text alone; checks changed after."""

from functools import reduce

import torch
from turn_answers import right


def _side_by_side(heads):
    if len(heads) == 1:
        return heads[0].clone()
    return torch.cat((heads[0], _side_by_side(heads[1:])), dim=1)


# --- 00a.join_heads


@right("00a.join_heads")
class ColumnsStacked:
    """Each head is turned on its side, the columns of all heads are stacked up, and the pile is turned back."""

    def join_heads(heads):
        return heads.mT.flatten(0, 1).T


@right("00a.join_heads")
class HeadByHead:
    """By recursion, the first head is put to the left of all others, which are joined already."""

    def join_heads(heads):
        return _side_by_side(heads)


# --- 00a.batched_product


@right("00a.batched_product")
class RankOneUpdates:
    """For each d, column d of a times row d of b makes a table of rank one, and these tables are added up."""

    def batched_product(a, b):
        return reduce(torch.add, (x[..., None] * y[:, None] for x, y in zip(a.unbind(2), b.unbind(1), strict=True)))


@right("00a.batched_product")
class RowByRow:
    """Row t of every head at once weighs the rows of b, whose sum is row t of the result."""

    def batched_product(a, b):
        rows = []
        for t in range(a.shape[1]):
            weights = a[:, t].unsqueeze(-1)
            rows.append((weights * b).sum(dim=1))
        return torch.stack(rows, dim=1)


# --- 00a.softmax


@right("00a.softmax")
class CategoricalVariable:
    """The scores are the logits of a categorical distribution, which is asked for its probabilities."""

    def softmax(scores):
        return torch.distributions.Categorical(logits=scores).probs


@right("00a.softmax")
class UnitLength:
    """The powers, relative to the largest, are brought to the length 1 in the 1-norm."""

    def softmax(scores):
        highest = scores.sort(dim=-1, descending=True).values[..., :1]
        return torch.nn.functional.normalize((scores - highest).exp(), p=1, dim=-1)
