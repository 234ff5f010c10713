"""What can be read from a vector? A linear probe, and how clearly groups of vectors stand apart.

A probe that succeeds shows that the information is there, not that the model uses it (Belinkov 2022). And a probe with
many weights and few examples succeeds on anything: judge it on vectors that it was not fitted to, beside the level of
chance.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from minillm.errors import UserError


@dataclass(frozen=True)
class LinearProbe:
    """One score for each of G classes, from one matrix: vectors (..., C) -> scores (..., G)."""

    weight: Float[Tensor, "C G"]
    bias: Float[Tensor, "G"]

    def __call__(self, vectors: Float[Tensor, "*N C"]) -> Float[Tensor, "*N G"]:
        return vectors.to(self.weight) @ self.weight + self.bias

    def classify(self, vectors: Float[Tensor, "*N C"]) -> Int[Tensor, "*N"]:
        """The class with the highest score."""
        return self(vectors).argmax(-1)


def ridge_probe(vectors: Float[Tensor, "N C"], labels: Int[Tensor, "N"], penalty: float = 0.01) -> LinearProbe:
    """Least squares on one-hot labels with a penalty on the weights, solved in closed form (Hoerl & Kennard 1970).

    Any number of classes. `penalty` is in units of the vectors' mean variance, so it need not follow their scale.
    Raises `ValueError` for labels that are no classes, a penalty that is not positive, and vectors that are all the
    same.

    >>> vectors = torch.tensor([[0.0, 1.0], [1.0, 1.0], [4.0, 0.0], [5.0, 0.0]])
    >>> ridge_probe(vectors, torch.tensor([0, 0, 1, 1])).classify(vectors)
    tensor([0, 0, 1, 1])
    """
    if not penalty > 0:
        raise UserError(f"penalty is {penalty}; it must be positive, or separable classes have no best weights")
    if len(labels) != len(vectors) or len(labels) == 0 or labels.min() < 0 or len(labels.unique()) < 2:
        raise UserError(
            f"{len(vectors)} vectors with {len(labels)} labels of {len(labels.unique())} classes: give every vector "
            "one label from 0 up, and at least two classes"
        )
    vectors = vectors.detach().cpu().double()  # which Apple's cards lack
    mean = vectors.mean(0)
    x, y = vectors - mean, F.one_hot(labels.cpu()).double()
    covariance = x.mT @ x / len(x)
    if not covariance.any():
        raise UserError(f"all {len(x)} vectors are the same, so nothing can be read from them")
    ridge = penalty * covariance.diagonal().mean() * torch.eye(x.shape[1]).to(x)
    weight = torch.linalg.solve(covariance + ridge, x.mT @ (y - y.mean(0)) / len(x))
    return LinearProbe(weight.float(), (y.mean(0) - mean @ weight).float())


@dataclass(frozen=True)
class Separation:
    """How clearly groups of vectors stand apart, for each leading index (a layer) on its own."""

    accuracy: Float[Tensor, "*L"]  # share of vectors nearer to their own group's mean than to any other's
    cosine_gap: Float[Tensor, "*L"]  # mean cosine within groups minus mean cosine between groups
    chance: Float[Tensor, "*L"]  # the accuracy that shuffled groups reach on average
    chance_95: Float[Tensor, "*L"]  # the accuracy that 95 of 100 shuffles do not exceed
    gap_95: Float[Tensor, "*L"]  # the cosine gap that 95 of 100 shuffles do not exceed


def separation(
    vectors: Float[Tensor, "*L N C"], groups: Int[Tensor, "N"], shuffles: int = 200, seed: int = 0
) -> Separation:
    """Do vectors of one group (one meaning of *bank*) stand together, and apart from the others?

    The mean of all N is subtracted first: the vectors of a layer lie in a narrow cone, where every cosine is near 1
    (Ethayarajh 2019). Each vector is compared with the means of the groups, its own taken without it; otherwise it
    would draw its group's mean towards itself and always feel at home. Chance comes from shuffling the groups, since
    with few vectors it is not 1 / G: two groups of 6 vectors of noise with 30 coordinates score 0.56 on average.
    Where all vectors are the same (*bank* before the first block), nothing is nearer: a tie counts 1 / G.
    Raises `ValueError` for fewer than two groups, or a group of one.

    >>> vectors = torch.tensor([[1.0, 0.1], [1.0, -0.1], [1.1, 0.0], [-1.0, 0.1], [-1.0, -0.1], [-1.1, 0.0]])
    >>> separation(vectors, torch.tensor([0, 0, 0, 1, 1, 1])).accuracy
    tensor(1.)
    """
    names, groups = groups.cpu().unique(return_inverse=True)
    counts = groups.bincount()
    if len(names) < 2 or counts.min() < 2:
        raise UserError(f"groups of {counts.tolist()} vectors; there must be two groups or more, of two or more each")
    x = vectors.detach().cpu().double()  # which Apple's cards lack
    centred = x - x.mean(-2, keepdim=True)
    # What is left of equal vectors is rounding, and rounding has no direction.
    x = centred.where(centred.norm(dim=-1, keepdim=True) > 1e-6 * x.norm(dim=-1, keepdim=True), 0.0).float()
    unit = F.normalize(x, dim=-1)
    cosines = unit @ unit.mT
    generator = torch.Generator().manual_seed(seed)
    shuffled = [groups[torch.randperm(len(groups), generator=generator)] for _ in range(shuffles)]
    accuracies = torch.stack([_own_mean_is_nearest(x, one) for one in shuffled])
    gaps = torch.stack([_cosine_gap(cosines, one) for one in shuffled])
    return Separation(
        accuracy=_own_mean_is_nearest(x, groups),
        cosine_gap=_cosine_gap(cosines, groups),
        chance=accuracies.mean(0),
        chance_95=accuracies.quantile(0.95, dim=0),
        gap_95=gaps.quantile(0.95, dim=0),
    )


def _cosine_gap(cosines: Float[Tensor, "*L N N"], groups: Int[Tensor, "N"]) -> Float[Tensor, "*L"]:
    """The mean cosine of two vectors of one group, minus that of two vectors of different groups."""
    same = groups[:, None] == groups
    itself = torch.eye(len(groups), dtype=torch.bool, device=same.device)
    return cosines[..., same & ~itself].mean(-1) - cosines[..., ~same].mean(-1)


def _own_mean_is_nearest(x: Float[Tensor, "*L N C"], groups: Int[Tensor, "N"]) -> Float[Tensor, "*L"]:
    """The share of vectors whose cosine is largest with their own group's mean, taken without them."""
    member = F.one_hot(groups).to(x)  # (N, G)
    sums = member.mT @ x  # (..., G, C)
    own = member.bool()
    # A cosine does not care for the length, so sums do for means.
    others = F.normalize(x, dim=-1) @ F.normalize(sums, dim=-1).mT  # (..., N, G)
    others = others.masked_fill(own, -torch.inf)
    home = F.cosine_similarity(x, sums[..., groups, :] - x, dim=-1).unsqueeze(-1)  # (..., N, 1)
    nearest = (home >= others).all(-1)
    return (nearest / (1 + (home == others).sum(-1))).mean(-1)
