"""Vectors as points: which are near, which analogies hold, and what the cloud looks like on paper."""

from collections.abc import Collection
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from minillm.errors import UserError


def nearest(
    table: Float[Tensor, "V C"], vector: Float[Tensor, "C"], k: int = 10, exclude: Collection[int] = ()
) -> list[tuple[int, float]]:
    """The k rows of `table` with the largest cosine to `vector`, as (row, cosine), the nearest first.

    A row of the table is nearest to itself; name it in `exclude` to hear of the others. Raises `ValueError` if fewer
    than k rows are left, and for a vector of zeros, which has no direction.

    >>> table = torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 4.0]])
    >>> [(row, round(cosine, 2)) for row, cosine in nearest(table, table[0], k=2, exclude=[0])]
    [(1, 1.0), (2, 0.6)]
    """
    if not 1 <= k <= len(table) - len(set(exclude)):
        raise UserError(f"k is {k}, but {len(table) - len(set(exclude))} rows of the table can be named")
    if not vector.any():
        raise UserError("the vector is zero and points nowhere, so nothing is near it")
    with torch.no_grad():
        table, vector = table.float(), vector.float()
        # Divided by the lengths afterwards: a normalised copy of a real table is a hundred megabytes to write.
        lengths = torch.linalg.vector_norm(table, dim=-1).clamp_min(torch.finfo(table.dtype).tiny)
        cosines = table @ F.normalize(vector, dim=-1) / lengths
        cosines[list(exclude)] = -torch.inf
        values, rows = cosines.topk(k)
    return list(zip(rows.tolist(), values.tolist(), strict=True))


def analogy(
    table: Float[Tensor, "V C"], a: int, b: int, c: int, k: int = 10, exclude_query: bool = True
) -> list[tuple[int, float]]:
    """What is to c as b is to a? The rows nearest to table[b] - table[a] + table[c] (Mikolov et al. 2013, section 4).

    man is to king as woman is to ...: `analogy(table, man, king, woman)`.

    The usual trap: the three query words are left out of the answer, and everybody's published figures do that. b - a
    is often short, so the sum stays close to b or c, and without the exclusion one of *them* wins most of the time
    (Linzen 2016). So try `exclude_query=False` too: an answer that is first there as well has earned its place.
    Raises what `nearest` raises.

    >>> man, king, woman, queen = range(4)
    >>> table = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.2, 0.0], [0.0, 0.0, 1.0], [0.0, 0.3, 1.0]])
    >>> analogy(table, man, king, woman, k=1)[0][0] == queen
    True
    """
    return nearest(table, table[b] - table[a] + table[c], k, (a, b, c) if exclude_query else ())


@dataclass(frozen=True)
class PCA:
    """The few directions in which a cloud of points spreads most, the widest first (Pearson 1901).

    >>> points = torch.tensor([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    >>> picture = PCA.fit(points, k=1)
    >>> picture(points).squeeze(-1), picture.explained
    (tensor([-2.,  0.,  2.]), tensor([1.]))
    """

    mean: Float[Tensor, "C"]
    directions: Float[Tensor, "k C"]  # orthonormal rows
    explained: Float[Tensor, "k"]  # share of the total variance along each: say it beside the picture

    @classmethod
    def fit(cls, points: Float[Tensor, "N C"], k: int = 2) -> "PCA":
        """Directions for these points. A direction and its opposite serve equally well; here the coordinate that is
        largest in size is positive, so that the picture is not mirrored from one computer to the next.

        Raises `ValueError` for more directions than points or coordinates allow, and for points that all coincide.
        """
        N, C = points.shape
        if not 1 <= k <= min(N - 1, C):
            raise UserError(f"k is {k}; {N} points with {C} coordinates spread in at most {min(N - 1, C)} directions")
        points = points.cpu().double()  # which Apple's cards lack
        mean = points.mean(0)
        _, spread, directions = torch.linalg.svd(points - mean, full_matrices=False)
        variance = spread.square()
        if variance.sum() == 0:
            raise UserError(f"all {N} points are the same, so they spread in no direction")
        directions = directions[:k]
        largest = directions.abs().argmax(-1, keepdim=True)
        directions = directions * directions.gather(-1, largest).sign()
        return cls(mean.float(), directions.float(), (variance[:k] / variance.sum()).float())

    def __call__(self, points: Float[Tensor, "N C"]) -> Float[Tensor, "N k"]:
        """The points' places in the picture; also for points that `fit` has not seen."""
        return (points.to(self.mean) - self.mean) @ self.directions.mT
