"""Answers to the turns of lesson 03, written from its text alone; checks changed after."""

import math

import torch
from turn_answers import right

# --- 03.sinusoids


@right("03.sinusoids")
class CosineIsAShiftedSine:
    """One sine for all columns: the odd ones are a quarter turn ahead."""

    def sinusoids(positions, C):
        column = torch.arange(C)
        speed = torch.pow(torch.tensor(1e4, dtype=torch.float64), -(column - column % 2) / C)
        ahead = (column % 2) * (math.pi / 2)
        return torch.sin(positions.double()[:, None] * speed + ahead).float()


@right("03.sinusoids")
class NumberByNumber:
    """Plain Python, a row at a time."""

    def sinusoids(positions, C):
        rows = []
        for t in positions.tolist():
            row = []
            for i in range(C // 2):
                angle = t / math.pow(10_000, 2 * i / C)
                row.extend((math.sin(angle), math.cos(angle)))
            rows.append(row)
        return torch.tensor(rows, dtype=torch.float32).reshape(len(rows), C)


# --- 03.rotate_pair


@right("03.rotate_pair")
class ComplexProduct:
    """The point is a complex number, and turning is multiplying."""

    def rotate_pair(x, y, angle):
        z = (x + 1j * y) * torch.exp(1j * angle)
        return z.real, z.imag


@right("03.rotate_pair")
class WhereTheAxesGo:
    """x steps along the turned first axis, y steps along the turned second one, an einsum over the two."""

    def rotate_pair(x, y, angle):
        quarter = math.pi / 2
        axes = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()])
        axes = axes.unflatten(0, (2, 2))  # (axis, coordinate, ...)
        turned = torch.einsum("a...,ac...->c...", torch.stack([x, y]), axes)
        return turned[0], turned[1]


# --- 03.rotate


@right("03.rotate")
class ComplexHalves:
    """The halves are the real and imaginary parts; angles in 64 bits."""

    def rotate(x, positions, base):
        real, imaginary = x.unflatten(-1, (2, -1)).unbind(-2)
        i = torch.arange(real.shape[-1], dtype=torch.float64)
        angle = positions.double()[:, None] * torch.exp(-math.log(base) * i / real.shape[-1])
        turn = torch.polar(torch.ones_like(angle), angle)
        z = torch.complex(real.double(), imaginary.double()) * turn
        return torch.cat([z.real, z.imag], dim=-1).to(x.dtype)


@right("03.rotate")
class OneMatrixPerRow:
    """A D x D matrix per position, made of four diagonal blocks, applied by a batched product."""

    def rotate(x, positions, base):
        D = x.shape[1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        cos, sin = torch.diag_embed(angle.cos()), torch.diag_embed(angle.sin())
        matrix = torch.cat([torch.cat([cos, -sin], dim=2), torch.cat([sin, cos], dim=2)], dim=1)
        return torch.einsum("tij,tj->ti", matrix.to(x.dtype), x)
