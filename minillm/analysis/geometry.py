"""The geometry of embeddings: nearest neighbors by cosine, analogies, and PCA."""

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
    """Find the k rows of `table` with the largest cosine to `vector`, as (row, cosine), nearest first.

    A row of the table is nearest to itself; put it in `exclude` to find its neighbors. Raises `UserError` if fewer
    than k rows are left, and for a zero vector.

    >>> table = torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 4.0]])
    >>> [(row, round(cosine, 2)) for row, cosine in nearest(table, table[0], k=2, exclude=[0])]
    [(1, 1.0), (2, 0.6)]
    """
    if not 1 <= k <= len(table) - len(set(exclude)):
        raise UserError(f"k is {k}; use from 1 to {len(table) - len(set(exclude))}, the number of rows left")
    if not vector.any():
        raise UserError("the vector is zero, so its cosine with other vectors is undefined; give a nonzero vector")
    with torch.no_grad():
        table, vector = table.float(), vector.float()
        # Divide by the norms at the end: a normalized copy of a real embedding table takes 100 MB.
        norms = torch.linalg.vector_norm(table, dim=-1).clamp_min(torch.finfo(table.dtype).tiny)
        cosines = table @ F.normalize(vector, dim=-1) / norms
        cosines[list(exclude)] = -torch.inf
        values, rows = cosines.topk(k)
    return list(zip(rows.tolist(), values.tolist(), strict=True))


def analogy(
    table: Float[Tensor, "V C"], a: int, b: int, c: int, k: int = 10, exclude_query: bool = True
) -> list[tuple[int, float]]:
    """Solve "a is to b as c is to ?": the rows nearest to table[b] - table[a] + table[c].

    "man is to king as woman is to ..." is `analogy(table, man, king, woman)` (Mikolov et al. 2013, section 4).

    By default the three query words are excluded, as in all published results. b - a often has a small norm, so the
    sum stays close to b or c, and without the exclusion one of those usually wins (Linzen 2016). Try
    `exclude_query=False` as well: an answer that also comes first there is strong evidence.
    Raises what `nearest` raises.

    >>> man, king, woman, queen = range(4)
    >>> table = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.2, 0.0], [0.0, 0.0, 1.0], [0.0, 0.3, 1.0]])
    >>> analogy(table, man, king, woman, k=1)[0][0] == queen
    True
    """
    return nearest(table, table[b] - table[a] + table[c], k, (a, b, c) if exclude_query else ())


@dataclass(frozen=True)
class PCA:
    """Principal component analysis: the directions of largest variance, in decreasing order (Pearson 1901).

    >>> points = torch.tensor([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    >>> picture = PCA.fit(points, k=1)
    >>> picture(points).squeeze(-1), picture.explained
    (tensor([-2.,  0.,  2.]), tensor([1.]))
    """

    mean: Float[Tensor, "C"]
    directions: Float[Tensor, "k C"]  # orthonormal rows
    explained: Float[Tensor, "k"]  # fraction of the total variance along each direction; report it with the plot

    @classmethod
    def fit(cls, points: Float[Tensor, "N C"], k: int = 2) -> "PCA":
        """Compute the first k principal directions of these points.

        A direction is only defined up to its sign. Here its largest coordinate in absolute value is positive, so that
        the plot looks the same on every computer. Raises `UserError` for too large a k, and for identical points.
        """
        N, C = points.shape
        if not 1 <= k <= min(N - 1, C):
            raise UserError(f"k is {k}; {N} points with {C} coordinates have at most {min(N - 1, C)} directions")
        points = points.cpu().double()  # Apple GPUs have no float64
        mean = points.mean(0)
        _, singular_values, directions = torch.linalg.svd(points - mean, full_matrices=False)
        variance = singular_values.square()
        if variance.sum() == 0:
            raise UserError(f"all {N} points are the same, so their variance is zero; give different points")
        directions = directions[:k]
        largest = directions.abs().argmax(-1, keepdim=True)
        directions = directions * directions.gather(-1, largest).sign()
        return cls(mean.float(), directions.float(), (variance[:k] / variance.sum()).float())

    def __call__(self, points: Float[Tensor, "N C"]) -> Float[Tensor, "N k"]:
        """Project points onto the directions; also works for points that `fit` has not seen."""
        return (points.to(self.mean) - self.mean) @ self.directions.mT
