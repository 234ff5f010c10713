"""What the questions about positions share: a rotation by complex numbers."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


def turned(
    x: Float[Tensor, "*H T D"], positions: Shaped[Tensor, "T"], theta: float, halves: bool = False, step: float = 2
) -> Float[Tensor, "*H T D"]:
    """Each pair as a complex number, times e^(i · position · theta^(-2i/D)) (Su et al. 2021, eq. 13).

    The pairs are neighbors (2i, 2i + 1) as in the paper, or halves (i, i + D/2). `step` stands for the 2.

    >>> turned(torch.tensor([[1.0, 2.0]]), torch.tensor([torch.pi / 2]), theta=10_000.0).round(decimals=4)
    tensor([[-2.,  1.]])
    """
    D = x.shape[-1]
    angles = positions[:, None] * theta ** (-step * torch.arange(D // 2).double() / D)
    points = _points(x, halves) * torch.polar(torch.ones_like(angles), angles)
    parts = points.real.float(), points.imag.float()
    return torch.cat(parts, -1) if halves else torch.stack(parts, -1).flatten(-2)


def _points(x: Float[Tensor, "*H D"], halves: bool) -> Shaped[Tensor, "*H half"]:
    pairs = x.double().chunk(2, -1) if halves else x.double().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.complex(*pairs)


def seen_angles(
    before: Float[Tensor, "*H D"], after: Float[Tensor, "*H D"], due: Float[Tensor, "*H half"], halves: bool = False
) -> Float[Tensor, "*H half"]:
    """By which angle each pair was turned, with as many whole turns as bring it next to `due`.

    It is NaN where a pair is 0 or has changed its length.

    >>> seen_angles(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), due=torch.tensor([8.0])).round(decimals=4)
    tensor([7.8540], dtype=torch.float64)
    """
    old, new = _points(before, halves), _points(after, halves)
    rest = (new / old).angle() - due
    kept = (old.abs() - new.abs()).abs() <= 1e-3 * old.abs()
    angles = due + rest - 2 * torch.pi * (rest / (2 * torch.pi)).round()
    return torch.where(kept & (old.abs() > 0), angles, torch.nan)


def wrong_angle(seen: Float[Tensor, "half"], theta: float, positions: int, whose: str) -> tuple[str, str] | None:
    """A sentence and a hint about the first pair of one vector that was turned by a wrong angle, if one was.

    >>> wrong_angle(torch.tensor([1.0, 1.0]), 10_000.0, positions=1, whose="At position 1,")[0]
    'At position 1, pair 1 is turned by the angle 1; right is 0.01, 1 · theta^(-2/4).'
    """
    D = 2 * len(seen)
    due = positions * theta ** (-torch.arange(0, D, 2).double() / D)
    off = (seen - due).abs()
    wrong = (off > 5e-5 + 3e-7 * due.abs()).nonzero().flatten().tolist()
    if not wrong:
        return None
    pair = wrong[0]
    if (off <= due.abs() / 100).all():
        hint = "Half precision has 8 or 11 bits for a number. Compute positions, frequencies and angles in float32."
        nearly = f"turned by {seen[pair]:.6g}, nearly right ({due[pair]:.6g}), as if an angle had been rounded"
        return f"{whose} pair {pair} is {nearly}.", hint
    hint = "Print your frequencies for D = 4: they are 1 and theta^(-2/4). An angle is position times frequency."
    right = f"{due[pair]:.4g}, {positions} · theta^(-{2 * pair}/{D})"
    return f"{whose} pair {pair} is turned by the angle {seen[pair]:.4g}; right is {right}.", hint
