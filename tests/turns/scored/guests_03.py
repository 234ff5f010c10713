"""Answers to the turns of lesson 03, written from its text alone; checks changed after."""

import math

import torch
from turn_answers import right


def rotate_pair(x, y, angle):
    return x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()


# --- 03.sinusoids


@right("03.sinusoids")
class PhasorTurnedAround:
    """A phasor exp(i omega t) in complex128, whose real and imaginary parts are exchanged by flip."""

    def sinusoids(positions, C):
        omega = torch.exp(-math.log(10_000) * torch.arange(0, C, 2, dtype=torch.float64) / C)
        z = torch.exp(1j * torch.outer(positions.double(), omega))
        return torch.view_as_real(z).flip(-1).flatten(1).float()


@right("03.sinusoids")
class PlainListsAndMath:
    """Nested lists of Python floats, by divmod of the column, with math.sin for even columns and math.cos for odd."""

    def sinusoids(positions, C):
        rows = []
        for t in positions.tolist():
            row = []
            for column in range(C):
                i, odd = divmod(column, 2)
                f = math.cos if odd else math.sin
                row.append(f(t * 10_000 ** (-2 * i / C)))
            rows.append(row)
        return torch.tensor(rows, dtype=torch.float32)


# --- 03.rotate_pair


@right("03.rotate_pair")
class ExponentialOfTheGenerator:
    """The rotation matrix of each point is the matrix exponential of angle times the generator J, in float64."""

    def rotate_pair(x, y, angle):
        J = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
        turns = torch.remainder(angle.double(), 2 * math.pi)
        R = torch.linalg.matrix_exp(turns[..., None, None] * J)
        new = torch.einsum("...ij,...j->...i", R, torch.stack([x, y], dim=-1).double()).to(x.dtype)
        return new[..., 0], new[..., 1]


@right("03.rotate_pair")
class HypotAndAtan2:
    """The points go to norm and angle by hypot and atan2, the angle is added, and they go back."""

    def rotate_pair(x, y, angle):
        r = torch.hypot(x, y).double()
        phi = torch.atan2(y.double(), x.double()) + angle
        return (r * torch.cos(phi)).to(x.dtype), (r * torch.sin(phi)).to(x.dtype)


# --- 03.rotate


@right("03.rotate")
class MatrixForEachRow:
    """A full D by D rotation matrix per row, built by einsum with unit matrices, is applied to the row."""

    def rotate(x, positions, base):
        T, D = x.shape
        omega = float(base) ** (-torch.arange(0, D, 2, dtype=torch.float64) / D)
        phase = positions.double()[:, None] * omega
        c, s = phase.cos(), phase.sin()
        blocks = torch.stack([torch.stack([c, -s]), torch.stack([s, c])])
        R = torch.einsum("abti,ij->taibj", blocks, torch.eye(D // 2, dtype=torch.float64)).reshape(T, D, D)
        return torch.einsum("tij,tj->ti", R, x.double()).to(x.dtype)


@right("03.rotate")
class PairAfterPair:
    """One pair of columns after the other is turned, by rotate_pair, into an empty tensor of the same shape."""

    def rotate(x, positions, base):
        D = x.shape[-1]
        out = torch.empty_like(x, memory_format=torch.contiguous_format)
        for i in range(D // 2):
            j = i + D // 2
            angle = positions.double() * float(base) ** (-2 * i / D)
            a, b = rotate_pair(x[:, i].double(), x[:, j].double(), angle)
            out[:, i] = a.to(x.dtype)
            out[:, j] = b.to(x.dtype)
        return out
