"""Answers to the turns of lesson 03, written from its text alone; checks changed after."""

import math

import torch
from turn_answers import right, wrong

# --- 03.sinusoids


@wrong("03.sinusoids", "Each hand is 100 times slower than the one before, whatever C is.")
class HundredthPerHand:
    """Takes the step from hand to hand from the page's table, 0.01. That's right for C = 4 only."""

    def sinusoids(positions, C):
        columns = []
        for i in range(C // 2):
            angle = positions * 0.01**i
            columns.append(torch.sin(angle))
            columns.append(torch.cos(angle))
        return torch.stack(columns, dim=1)


@right("03.sinusoids")
class ComplexClock:
    """e^(i angle) as complex numbers in double precision; view_as_real gives (cosine, sine), flipped."""

    def sinusoids(positions, C):
        speeds = 10_000.0 ** (-torch.arange(0, C, 2, dtype=torch.float64) / C)
        hands = torch.exp(1j * positions.double()[:, None] * speeds)
        return torch.view_as_real(hands).flip(-1).flatten(1).float()


@right("03.sinusoids")
class QuarterTurn:
    """All are sines: a cosine is a sine a quarter of a turn later."""

    def sinusoids(positions, C):
        speeds = 10_000 ** (-torch.arange(0, C, 2).double() / C)
        late = torch.tensor([0.0, math.pi / 2]).double().repeat(C // 2)
        angles = torch.outer(positions.double(), speeds.repeat_interleave(2))
        return torch.sin(angles + late).to(torch.float32)


# --- 03.rotate_pair


@wrong("03.rotate_pair", "Points below the axis are taken for those above it.")
class AcosOfX:
    """acos(x / r) is between 0 and pi, so points below the axis are taken for those above it."""

    def rotate_pair(x, y, angle):
        r = torch.hypot(x, y)
        start = torch.acos((x / r).clamp(-1, 1))  # the angle at which the point stands
        return r * torch.cos(start + angle), r * torch.sin(start + angle)


@wrong("03.rotate_pair", "Whole turns are taken off, with 6.28 for 2π.")
class RoundsOf628:
    """Takes off whole rounds first, with 6.28 for a round. Each round taken off adds an error of 0.003."""

    def rotate_pair(x, y, angle):
        angle = angle % 6.28  # more than one round is the same as the rest
        c = torch.cos(angle)
        s = torch.sin(angle)
        return c * x - s * y, s * x + c * y


@right("03.rotate_pair")
class ComplexProduct:
    """The point as a complex number, times e^(i angle)."""

    def rotate_pair(x, y, angle):
        z = (x + 1j * y) * torch.exp(1j * angle)
        return z.real, z.imag


@right("03.rotate_pair")
class MatrixPerPoint:
    """A 2 by 2 matrix per point, and einsum."""

    def rotate_pair(x, y, angle):
        c, s = angle.cos(), angle.sin()
        turn = torch.stack([torch.stack([c, -s]), torch.stack([s, c])])  # (2, 2, ...)
        points = torch.stack([x, y]).to(turn.dtype)
        return torch.einsum("ij...,j...->i...", turn, points).unbind(0)


# --- 03.rotate


@wrong("03.rotate", "The last pair turns by 1/base: the exponents run to 1.")
class LinspaceToOne:
    """The exponents by linspace from 0 to 1, which includes the 1: the last pair turns by 1/base, and all between are
    too slow."""

    def rotate(x, positions, base):
        D = x.shape[1]
        exponents = torch.linspace(0, 1, D // 2)
        angle = positions.unsqueeze(1) * base**-exponents
        a, b = x[:, : D // 2], x[:, D // 2 :]
        return torch.hstack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()])


@wrong("03.rotate", "All rows are turned by the last position.")
class LastPositionForAll:
    """Turns all rows by the last position, as a model "turns one row at a time" while it writes."""

    def rotate(x, positions, base):
        D = x.shape[-1]
        t = positions[-1]  # the row that is being written
        angle = t * base ** (-torch.arange(D // 2) * 2 / D)
        u, v = x[..., : D // 2], x[..., D // 2 :]
        return torch.cat([u * angle.cos() - v * angle.sin(), u * angle.sin() + v * angle.cos()], dim=-1)


@right("03.rotate")
class ComplexHalves:
    """The halves are the real and the imaginary parts of complex numbers, and torch.polar turns them."""

    def rotate(x, positions, base):
        real, imag = x.tensor_split(2, dim=1)
        speeds = base ** (-torch.arange(real.shape[1]) / real.shape[1])
        angle = positions[:, None] * speeds
        z = torch.complex(real, imag) * torch.polar(torch.ones_like(angle), angle)
        return torch.cat([z.real, z.imag], dim=1).to(x.dtype)


@right("03.rotate")
class OneMatrixPerRow:
    """A (D, D) rotation matrix per row, from four diagonal blocks, and a batched product."""

    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = torch.outer(positions.float(), base ** (-torch.arange(half) / half))
        c, s = torch.diag_embed(angle.cos()), torch.diag_embed(angle.sin())
        turn = torch.cat([torch.cat([c, -s], dim=2), torch.cat([s, c], dim=2)], dim=1)
        return torch.bmm(turn.to(x.dtype), x.unsqueeze(2)).squeeze(2)
