"""Answers to the turns of lesson 03, written from its text alone; checks changed after."""

import math

import torch
from turn_answers import right, wrong

# --- 03.sinusoids


@wrong("03.sinusoids", "Only the first row holds anything but zeros.")
class TableOfIntegers:
    """new_zeros of whole positions makes whole numbers, and all sines and cosines are cut off to -1, 0 or 1."""

    def sinusoids(positions, C):
        out = positions.new_zeros(len(positions), C)
        for i in range(C // 2):
            angle = positions * 10_000 ** (-2 * i / C)
            out[:, 2 * i] = torch.sin(angle)
            out[:, 2 * i + 1] = torch.cos(angle)
        return out.float()


@wrong("03.sinusoids", "The last hand is missing: its columns hold zeros.")
class LastHandMissing:
    """The loop runs over i = 0, 2, ... below C - 2, so the last hand stays at 0, 0."""

    def sinusoids(positions, C):
        out = torch.zeros(positions.shape[0], C)
        for i in range(0, C - 2, 2):
            angle = positions / 10_000 ** (i / C)
            out[:, i] = angle.sin()
            out[:, i + 1] = angle.cos()
        return out


@right("03.sinusoids")
class ComplexHands:
    """Complex numbers of norm 1, whose real and imaginary parts are swapped."""

    def sinusoids(positions, C):
        frequency = 10_000.0 ** (-torch.arange(0, C, 2, dtype=torch.float64) / C)
        angle = torch.outer(positions.double(), frequency)
        hands = torch.polar(torch.ones_like(angle), angle)
        return torch.view_as_real(hands).flip(-1).flatten(1).float()


@right("03.sinusoids")
class ShiftedSines:
    """Only sines: each frequency twice, and a quarter of a turn more in the odd columns."""

    def sinusoids(positions, C):
        column = torch.arange(C, dtype=torch.float64)
        hand = column.div(2, rounding_mode="floor")
        quarter = (column - 2 * hand) * (math.pi / 2)
        slower = torch.exp(hand * (-2 * math.log(10_000) / C))
        return torch.sin(positions.double()[:, None] * slower + quarter).float()


# --- 03.rotate_pair


@right("03.rotate_pair")
class ComplexProduct:
    """The point as a complex number, times a complex number of norm 1."""

    def rotate_pair(x, y, angle):
        z = torch.complex(x, y) * torch.exp(1j * angle)
        return z.real, z.imag


@right("03.rotate_pair")
class MatrixPerPoint:
    """A 2 by 2 matrix for each point, with the images of the axes as columns, and einsum."""

    def rotate_pair(x, y, angle):
        c, s = torch.cos(angle), torch.sin(angle)
        axes = torch.stack([torch.stack([c, s], -1), torch.stack([-s, c], -1)], -1)
        turned = torch.einsum("...ij,...j->...i", axes, torch.stack([x, y], -1))
        return turned.unbind(-1)


# --- 03.rotate


@right("03.rotate")
class ComplexHalves:
    """The first half as real, the second as imaginary parts, times complex numbers of norm 1."""

    def rotate(x, positions, base):
        half = x.shape[1] // 2
        exponent = torch.arange(half, dtype=torch.float64) / half
        angle = torch.outer(positions.double(), float(base) ** -exponent)
        z = torch.complex(x[:, :half].contiguous(), x[:, half:].contiguous())
        z = z * torch.polar(torch.ones_like(angle), angle).to(z.dtype)
        return torch.cat([z.real, z.imag], dim=1)


@right("03.rotate")
class FullMatrices:
    """One D by D rotation matrix per position, from four diagonal blocks, and a batched product."""

    def rotate(x, positions, base):
        D = x.shape[1]
        i = torch.arange(D // 2, dtype=torch.float64)
        angle = positions.double()[:, None] * torch.exp(-2 * i / D * math.log(base))
        c = torch.diag_embed(angle.cos())
        s = torch.diag_embed(angle.sin())
        top, bottom = torch.cat([c, -s], dim=2), torch.cat([s, c], dim=2)
        matrices = torch.cat([top, bottom], dim=1).to(x.dtype)  # (T, D, D)
        return torch.bmm(matrices, x.unsqueeze(2)).squeeze(2)
