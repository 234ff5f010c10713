"""Answers to the turns of lesson 03, written from its text alone; checks changed after."""

import math

import torch
from turn_answers import right

# --- 03.sinusoids


@right("03.sinusoids")
class ComplexHands:
    """Each hand is a complex number of norm 1, and its real and imaginary part are flipped to sine and cosine."""

    def sinusoids(positions, C):
        angles = positions[:, None] * 10_000 ** (-2 * torch.arange(C // 2) / C)
        hands = torch.polar(torch.ones_like(angles), angles)
        return torch.view_as_real(hands).flip(-1).flatten(1)


@right("03.sinusoids")
class PlainPythonTable:
    """Nested comprehensions of Python's math, where even columns take the sine and odd ones the cosine."""

    def sinusoids(positions, C):
        functions = (math.sin, math.cos)
        return torch.tensor(
            [[functions[j % 2](t / 10_000 ** ((j - j % 2) / C)) for j in range(C)] for t in positions.tolist()]
        )


# --- 03.rotate_pair


@right("03.rotate_pair")
class WhereTheAxesGo:
    """The images of both axes are stacked to a matrix per point, and einsum sums x and y steps along them."""

    def rotate_pair(x, y, angle):
        across = torch.stack([angle.cos(), angle.sin()])
        up = torch.stack([-angle.sin(), angle.cos()])
        return torch.einsum("ak...,a...->k...", torch.stack([across, up]), torch.stack([x, y])).unbind()


# --- 03.rotate


@right("03.rotate")
class HalvesAsComplex:
    """The first half is the real part and the second the imaginary one of numbers that are turned by a product."""

    def rotate(x, positions, base):
        real, imaginary = x.chunk(2, dim=1)
        angle = positions[:, None] * base ** (-torch.arange(real.shape[1]) / real.shape[1])
        turned = torch.complex(real, imaginary) * torch.polar(torch.ones_like(angle), angle)
        return torch.cat([turned.real, turned.imag], dim=1)


@right("03.rotate")
class RolledByHalfARow:
    """The row is rolled by half its length, and both it and the row are weighted by signed sines and cosines."""

    def rotate(x, positions, base):
        D = x.shape[1]
        angle = torch.outer(positions.to(x.dtype), base ** (-torch.arange(0, D, 2) / D))
        signed = torch.cat([-angle.sin(), angle.sin()], dim=1)
        return x * angle.cos().repeat(1, 2) + x.roll(D // 2, dims=1) * signed
