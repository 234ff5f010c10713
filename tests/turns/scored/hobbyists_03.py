"""Answers to the turns of lesson 03, written from its text alone; checks changed after."""

import math

import torch
from turn_answers import right

# --- 03.sinusoids


@right("03.sinusoids")
class PolarFlipped:
    """torch.polar gives cosine and sine as a complex number, and a flip turns them to sine and cosine."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.view_as_real(torch.polar(torch.ones_like(angle), angle)).flip(-1).flatten(1)


@right("03.sinusoids")
class NumberByNumber:
    """Python's math in a list comprehension, number by number, made to a tensor at the end."""

    def sinusoids(positions, C):
        both = (math.sin, math.cos)
        rows = [[both[j % 2](t * 10_000 ** (-(j - j % 2) / C)) for j in range(C)] for t in positions.tolist()]
        return torch.tensor(rows, dtype=torch.float32).reshape(len(positions), C)


# --- 03.rotate_pair


@right("03.rotate_pair")
class EinsumWithMatrices:
    """A matrix per point, from the images of both axes, times the point by einsum."""

    def rotate_pair(x, y, angle):
        axes = torch.stack([torch.stack([angle.cos(), angle.sin()]), torch.stack([-angle.sin(), angle.cos()])])
        return torch.einsum("i...,ij...->j...", torch.stack([x, y]), axes).unbind(0)


# --- 03.rotate


@right("03.rotate")
class ComplexHalves:
    """The halves are the real and imaginary parts of complex numbers, times torch.polar."""

    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = torch.outer(positions.to(x.dtype), base ** (-torch.arange(half, dtype=x.dtype) / half))
        turned = torch.complex(*x.split(half, dim=1)) * torch.polar(torch.ones_like(angle), angle)
        return torch.cat([turned.real, turned.imag], dim=1)


@right("03.rotate")
class AMatrixPerRow:
    """Each row is multiplied by a (D, D) matrix of its own, made of four diagonal blocks."""

    def rotate(x, positions, base):
        D = x.shape[1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        c, s = torch.diag_embed(angle.cos()), torch.diag_embed(angle.sin())
        turns = torch.cat([torch.cat([c, -s], dim=2), torch.cat([s, c], dim=2)], dim=1)
        return torch.einsum("tij,tj->ti", turns, x)
