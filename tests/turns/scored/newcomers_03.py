"""Answers to the turns of lesson 03, written from its text alone; checks changed after."""

import math

import torch
from turn_answers import right, wrong

_CLOCKS = {}


_SPEEDS = {}


_STEPS = 1024


_SINES = torch.tensor([math.sin(2 * math.pi * i / _STEPS) for i in range(_STEPS)])


def rotate_pair(x, y, angle):
    """A right one, for the turn that builds on it."""
    sin, cos = torch.sin(angle), torch.cos(angle)
    return x * cos - y * sin, y * cos + x * sin


# --- 03.sinusoids


@wrong("03.sinusoids", "`_CLOCKS` still holds what earlier calls have put into it, and that changes the result.")
class CachedByLength:
    """Tables are cached by (T, C), so other positions of the same number get the table of the first call."""

    def sinusoids(positions, C):
        key = (len(positions), C)
        if key not in _CLOCKS:
            angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
            _CLOCKS[key] = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
        return _CLOCKS[key].clone()


@wrong("03.sinusoids", "The positions are rounded to float16, which counts to 2,048 without gaps.")
class PositionsInHalf:
    """The positions are made 16-bit floats to save memory, which can't hold each whole number above 2,048."""

    def sinusoids(positions, C):
        angle = positions.half()[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@right("03.sinusoids")
class HandsAsComplexNumbers:
    """Each hand is a complex number of norm 1, whose imaginary part is the sine and whose real part is the cosine."""

    def sinusoids(positions, C):
        speeds = 10_000 ** (-2 * torch.arange(C // 2) / C)
        angle = torch.outer(positions.float(), speeds)
        hands = torch.polar(torch.ones_like(angle), angle)
        out = torch.empty(len(positions), C)
        out[:, 0::2], out[:, 1::2] = hands.imag, hands.real
        return out


@right("03.sinusoids")
class PlainMath:
    """Two nested loops with the math module, without any calculation in PyTorch."""

    def sinusoids(positions, C):
        numbers = []
        for t in positions.tolist():
            for i in range(C // 2):
                angle = t * 10_000 ** (-2 * i / C)
                numbers.extend((math.sin(angle), math.cos(angle)))
        return torch.tensor(numbers, dtype=torch.float32).reshape(len(positions), C)


# --- 03.rotate_pair


@wrong("03.rotate_pair", "")
class TableOfSines:
    """Sine and cosine come from a table of 1,024 steps, so each angle is rounded by up to 0.003."""

    def rotate_pair(x, y, angle):
        step = (angle * (_STEPS / (2 * math.pi))).round().long()
        sin, cos = _SINES[step % _STEPS], _SINES[(step + _STEPS // 4) % _STEPS]
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "")
class FullTurnOf628:
    """Angles are first brought to one turn by % 6.28, and with each full turn the result is off by 0.003 more."""

    def rotate_pair(x, y, angle):
        angle = angle % 6.28
        cos, sin = angle.cos(), angle.sin()
        return x * cos - y * sin, x * sin + y * cos


@right("03.rotate_pair")
class MatrixPerPoint:
    """A 2 x 2 matrix for each point, whose columns are the images of the axes, multiplied by an einsum."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        matrix = torch.stack([torch.stack([cos, sin], dim=-1), torch.stack([-sin, cos], dim=-1)], dim=-1)
        points = torch.stack([x, y], dim=-1)
        return torch.einsum("...ij,...j->...i", matrix, points).unbind(dim=-1)


# --- 03.rotate


@wrong("03.rotate", "The angles are (D/2, T), so rows get angles of other rows.")
class AnglesReshaped:
    """The angles are (D/2, T) and reshaped, not transposed, to (T, D/2), so each row gets angles of other rows."""

    def rotate(x, positions, base):
        T, half = len(x), x.shape[1] // 2
        speeds = base ** (-torch.arange(half) / half)
        angle = (speeds[:, None] * positions).reshape(T, half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=1)


@wrong("03.rotate", "`_SPEEDS` still holds what earlier calls have put into it, and that changes the result.")
class SpeedsCachedByWidth:
    """The speeds are cached by D alone, so a call with another base still turns at the first base's speeds."""

    def rotate(x, positions, base):
        D = x.shape[1]
        if D not in _SPEEDS:
            _SPEEDS[D] = base ** (-torch.arange(0, D, 2) / D)
        angle = positions[:, None] * _SPEEDS[D]
        return torch.cat(rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle), dim=1)


@wrong("03.rotate", "A row at position 0 comes out as zeros.")
class SkipsPositionZero:
    """A row at position 0 needs no turn and is skipped, but it isn't copied either, so it comes out as zeros."""

    def rotate(x, positions, base):
        half = x.shape[1] // 2
        speeds = base ** (-torch.arange(half) / half)
        out = torch.zeros_like(x)
        for row, position in enumerate(positions.tolist()):
            if position == 0:
                continue
            out[row, :half], out[row, half:] = rotate_pair(x[row, :half], x[row, half:], position * speeds)
        return out


@right("03.rotate")
class ComplexRows:
    """Each row is D/2 complex numbers, the second half being the imaginary parts, times numbers of norm 1."""

    def rotate(x, positions, base):
        real, imaginary = x.chunk(2, dim=1)
        speeds = base ** (-torch.arange(real.shape[1]) / real.shape[1])
        angle = positions[:, None] * speeds
        turned = torch.complex(real, imaginary) * torch.polar(torch.ones_like(angle), angle)
        return torch.cat([turned.real, turned.imag], dim=1)


@right("03.rotate")
class OneMatrixPerRow:
    """Each row is multiplied by a D x D matrix of its own, four diagonal blocks of cosines and sines."""

    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        cos, sin = torch.diag_embed(angle.cos()), torch.diag_embed(angle.sin())
        matrices = torch.cat([torch.cat([cos, -sin], dim=2), torch.cat([sin, cos], dim=2)], dim=1)
        return torch.einsum("tij,tj->ti", matrices.to(x.dtype), x)
