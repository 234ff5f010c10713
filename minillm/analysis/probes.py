"""Linear probes, and how well groups of vectors separate.

A successful probe shows that the information is present, not that the model uses it (Belinkov 2022). A probe with many
weights and few examples fits anything, so evaluate it on vectors that it was not fitted to, and compare with chance.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from minillm.errors import UserError


@dataclass(frozen=True)
class LinearProbe:
    """A linear classifier with G classes: vectors (..., C) -> scores (..., G)."""

    weight: Float[Tensor, "C G"]
    bias: Float[Tensor, "G"]

    def __call__(self, vectors: Float[Tensor, "*N C"]) -> Float[Tensor, "*N G"]:
        return vectors.to(self.weight) @ self.weight + self.bias

    def classify(self, vectors: Float[Tensor, "*N C"]) -> Int[Tensor, "*N"]:
        """Return the class with the highest score."""
        return self(vectors).argmax(-1)


def ridge_probe(vectors: Float[Tensor, "N C"], labels: Int[Tensor, "N"], penalty: float = 0.01) -> LinearProbe:
    """Fit a linear probe by ridge regression on one-hot labels, in closed form (Hoerl & Kennard 1970).

    Works for any number of classes. `penalty` is in units of the vectors' mean variance, so it does not depend on their
    scale. Raises `UserError` for invalid labels, a penalty that is not positive, and identical vectors.

    >>> vectors = torch.tensor([[0.0, 1.0], [1.0, 1.0], [4.0, 0.0], [5.0, 0.0]])
    >>> ridge_probe(vectors, torch.tensor([0, 0, 1, 1])).classify(vectors)
    tensor([0, 0, 1, 1])
    """
    if not penalty > 0:
        raise UserError(f"penalty is {penalty}; it must be positive, since separable classes have no optimum without")
    if len(labels) != len(vectors) or len(labels) == 0 or labels.min() < 0 or len(labels.unique()) < 2:
        raise UserError(
            f"{len(vectors)} vectors with {len(labels)} labels of {len(labels.unique())} classes: give every vector "
            "one label from 0 up, and at least two classes"
        )
    vectors = vectors.detach().cpu().double()  # Apple GPUs have no float64
    mean = vectors.mean(0)
    x, y = vectors - mean, F.one_hot(labels.cpu()).double()
    covariance = x.mT @ x / len(x)
    if not covariance.any():
        raise UserError(f"all {len(x)} vectors are the same; give different vectors")
    ridge = penalty * covariance.diagonal().mean() * torch.eye(x.shape[1]).to(x)
    weight = torch.linalg.solve(covariance + ridge, x.mT @ (y - y.mean(0)) / len(x))
    return LinearProbe(weight.float(), (y.mean(0) - mean @ weight).float())


@dataclass(frozen=True)
class Separation:
    """How well groups of vectors separate, for each leading index (a layer) independently."""

    accuracy: Float[Tensor, "*L"]  # fraction of vectors nearer to their own group's mean than to any other's
    cosine_gap: Float[Tensor, "*L"]  # mean cosine within groups minus mean cosine between groups
    chance: Float[Tensor, "*L"]  # mean accuracy with shuffled groups
    chance_95: Float[Tensor, "*L"]  # 95th percentile of the accuracy with shuffled groups
    gap_95: Float[Tensor, "*L"]  # 95th percentile of the cosine gap with shuffled groups


def separation(
    vectors: Float[Tensor, "*L N C"], groups: Int[Tensor, "N"], shuffles: int = 200, seed: int = 0
) -> Separation:
    """Measure whether vectors of one group (one meaning of *bank*) are closer to each other than to other groups.

    The mean of all N vectors is subtracted first, because the vectors of a layer lie in a narrow cone in which every
    cosine is near 1 (Ethayarajh 2019). Each vector is compared with the means of the groups; its own group's mean is
    taken without it, since it would otherwise be biased towards it. The chance level comes from shuffling the groups,
    because with few vectors it is not 1 / G: two groups of 6 noise vectors with 30 coordinates score 0.56 on average.
    If all vectors are equal (*bank* before the first block), a tie counts as 1 / G.
    Raises `UserError` for fewer than two groups, or a group of one.

    >>> vectors = torch.tensor([[1.0, 0.1], [1.0, -0.1], [1.1, 0.0], [-1.0, 0.1], [-1.0, -0.1], [-1.1, 0.0]])
    >>> separation(vectors, torch.tensor([0, 0, 0, 1, 1, 1])).accuracy
    tensor(1.)
    """
    names, groups = groups.cpu().unique(return_inverse=True)
    counts = groups.bincount()
    if len(names) < 2 or counts.min() < 2:
        raise UserError(f"groups of {counts.tolist()} vectors; give at least two groups of at least two vectors each")

    # center; the centered copies of equal vectors are rounding noise, so set them to zero
    x = vectors.detach().cpu().double()  # Apple GPUs have no float64
    centered = x - x.mean(-2, keepdim=True)
    x = centered.where(centered.norm(dim=-1, keepdim=True) > 1e-6 * x.norm(dim=-1, keepdim=True), 0.0).float()
    unit = F.normalize(x, dim=-1)
    cosines = unit @ unit.mT

    # the chance level: the same statistics with shuffled groups
    generator = torch.Generator().manual_seed(seed)
    shuffled = [groups[torch.randperm(len(groups), generator=generator)] for _ in range(shuffles)]
    accuracies = torch.stack([_own_mean_is_nearest(x, permuted) for permuted in shuffled])
    gaps = torch.stack([_cosine_gap(cosines, permuted) for permuted in shuffled])
    return Separation(
        accuracy=_own_mean_is_nearest(x, groups),
        cosine_gap=_cosine_gap(cosines, groups),
        chance=accuracies.mean(0),
        chance_95=accuracies.quantile(0.95, dim=0),
        gap_95=gaps.quantile(0.95, dim=0),
    )


def _cosine_gap(cosines: Float[Tensor, "*L N N"], groups: Int[Tensor, "N"]) -> Float[Tensor, "*L"]:
    """The mean cosine of two vectors in one group, minus that of two vectors in different groups."""
    same = groups[:, None] == groups
    diagonal = torch.eye(len(groups), dtype=torch.bool, device=same.device)
    return cosines[..., same & ~diagonal].mean(-1) - cosines[..., ~same].mean(-1)


def _own_mean_is_nearest(x: Float[Tensor, "*L N C"], groups: Int[Tensor, "N"]) -> Float[Tensor, "*L"]:
    """The fraction of vectors whose cosine is largest with their own group's mean, taken without them."""
    member = F.one_hot(groups).to(x)  # (N, G)
    sums = member.mT @ x  # (..., G, C)
    own_group = member.bool()
    # A cosine does not depend on the norm, so sums replace means.
    others = F.normalize(x, dim=-1) @ F.normalize(sums, dim=-1).mT  # (..., N, G)
    others = others.masked_fill(own_group, -torch.inf)
    own = F.cosine_similarity(x, sums[..., groups, :] - x, dim=-1).unsqueeze(-1)  # (..., N, 1)
    nearest = (own >= others).all(-1)
    return (nearest / (1 + (own == others).sum(-1))).mean(-1)
