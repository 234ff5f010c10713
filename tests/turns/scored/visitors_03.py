"""Answers to the turns of lesson 03, written from its text alone; checks changed after."""

import math
from itertools import chain, cycle, repeat

import torch
from turn_answers import right

# --- 03.sinusoids


@right("03.sinusoids")
class CycleOfFunctions:
    """Each speed is repeated twice and zipped with an endless cycle of sine and cosine, in plain numbers."""

    def sinusoids(positions, C):
        speeds = list(chain.from_iterable(repeat(10_000 ** (-2 * i / C), 2) for i in range(C // 2)))
        rows = [[f(t * w) for f, w in zip(cycle((math.sin, math.cos)), speeds)] for t in positions.tolist()]
        return torch.tensor(rows, dtype=torch.float32).reshape(-1, C)


# --- 03.rotate_pair


@right("03.rotate_pair")
class EinsumOfMatrices:
    """Each angle makes a matrix of its own, and einsum multiplies all of them by all points at once."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        matrices = torch.stack([torch.stack([cos, sin]), torch.stack([-sin, cos])])
        return tuple(torch.einsum("ab...,a...->b...", matrices, torch.stack([x, y])).unbind())


# --- 03.rotate


@right("03.rotate")
class HalvesAsComplexNumbers:
    """The first half is the real part and the second the imaginary part of D/2 complex numbers, which are turned."""

    def rotate(x, positions, base):
        real, imaginary = x.tensor_split(2, dim=1)
        angles = torch.outer(positions.to(x.dtype), base ** (-torch.arange(real.shape[1]) / real.shape[1]))
        turned = torch.complex(real, imaginary) * torch.polar(torch.ones_like(angles), angles)
        return torch.view_as_real(turned).movedim(-1, 1).flatten(1)
