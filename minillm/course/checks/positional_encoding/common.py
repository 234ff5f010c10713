"""What the questions about positions share: a rotation by complex numbers."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


def turned(
    x: Float[Tensor, "*H T D"], places: Shaped[Tensor, "T"], theta: float, halves: bool = False
) -> Float[Tensor, "*H T D"]:
    """Each pair as a complex number, times e^(i · place · theta^(-2i/D)) (Su et al. 2021, eq. 13).

    The pairs are neighbours (2i, 2i + 1) as in the paper, or halves (i, i + D/2).

    >>> turned(torch.tensor([[1.0, 2.0]]), torch.tensor([torch.pi / 2]), theta=10_000.0).round(decimals=4)
    tensor([[-2.,  1.]])
    """
    D = x.shape[-1]
    angles = places[:, None] * theta ** (-torch.arange(0, D, 2).double() / D)
    pairs = x.double().chunk(2, -1) if halves else x.double().unflatten(-1, (D // 2, 2)).unbind(-1)
    points = torch.complex(*pairs) * torch.polar(torch.ones_like(angles), angles)
    parts = points.real.float(), points.imag.float()
    return torch.cat(parts, -1) if halves else torch.stack(parts, -1).flatten(-2)
