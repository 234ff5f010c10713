"""Answers to the turns of lesson 03, written from its text alone; checks changed after."""

import torch
from turn_answers import right, wrong


def rotate_pair(x, y, angle):
    cos, sin = angle.cos(), angle.sin()
    return x * cos - y * sin, x * sin + y * cos


def _rotate_half(x):
    """As in Hugging Face's models: the second half with a minus, then the first."""
    x1, x2 = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
    return torch.cat((-x2, x1), dim=-1)


_SPEEDS = {}


# --- 03.sinusoids


@right("03.sinusoids")
class ImaginaryBeforeReal:
    """A complex number of norm 1 per hand, of which it takes the imaginary part first and the real part second."""

    def sinusoids(positions, C):
        frequency = 10_000 ** (-torch.arange(0, C, 2) / C)
        angle = torch.outer(positions.float(), frequency)
        hands = torch.polar(torch.ones_like(angle), angle)
        return torch.view_as_real(hands).flip(-1).reshape(len(positions), C)


@right("03.sinusoids")
class OneColumnAfterTheOther:
    """It fills a list with one column after the other in a plain loop, and stacks the columns at the end."""

    def sinusoids(positions, C):
        columns = []
        for speed in 10_000 ** (-torch.arange(0, C, 2) / C):
            columns += [torch.sin(positions * speed), torch.cos(positions * speed)]
        return torch.stack(columns, dim=1)


# --- 03.rotate_pair


@wrong("03.rotate_pair", "Each point is turned by 1, and stretched by its angle.")
class PolarArgumentsSwapped:
    """polar gets the angle as the norm and 1 as the angle, so each point is turned by 1 and stretched by its angle."""

    def rotate_pair(x, y, angle):
        turned = torch.complex(x, y) * torch.polar(angle, torch.ones_like(angle))
        return turned.real, turned.imag


@wrong("03.rotate_pair", "")
class FlatPoints:
    """It flattens the points for a batch of 2 x 2 matrices and leaves them flat, so only shape (N,) comes out right."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.flatten().cos(), angle.flatten().sin()
        R = torch.stack([torch.stack([cos, -sin], dim=-1), torch.stack([sin, cos], dim=-1)], dim=-2)  # (N, 2, 2)
        points = torch.stack([x.flatten(), y.flatten()], dim=-1).unsqueeze(-1)  # (N, 2, 1)
        turned = torch.bmm(R, points).squeeze(-1)
        return turned[:, 0], turned[:, 1]


@wrong("03.rotate_pair", "raised IndexError")
class AsForQueryAndKey:
    """It takes x and y for query and key, and pairs the halves within each of them in place of x with y."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        x_embed = (x * cos) + (_rotate_half(x) * sin)
        y_embed = (y * cos) + (_rotate_half(y) * sin)
        return x_embed, y_embed


@right("03.rotate_pair")
class MatricesByEinsum:
    """A 2 x 2 matrix per point, whose columns say where the axes go, and one einsum over the old coordinates."""

    def rotate_pair(x, y, angle):
        axes = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()]).unflatten(0, (2, 2))
        points = torch.stack([x, y])
        dtype = torch.promote_types(axes.dtype, points.dtype)
        turned = torch.einsum("ai...,a...->i...", axes.to(dtype), points.to(dtype))
        return turned[0], turned[1]


@right("03.rotate_pair")
class TwoMirrors:
    """It mirrors each point at the x axis and then at the line of half the angle, which together is the turn."""

    def rotate_pair(x, y, angle):
        across, along = -torch.sin(angle / 2), torch.cos(angle / 2)  # the normal of the second mirror
        x, y = x, -y
        depth = 2 * (x * across + y * along)
        return x - depth * across, y - depth * along


# --- 03.rotate


@wrong("03.rotate", "`_SPEEDS` still holds what earlier calls have put into it, and that changes the result.")
class SpeedsKeptByWidth:
    """The speeds are kept by the width alone, so after one call another base has no effect for that width."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        if half not in _SPEEDS:
            _SPEEDS[half] = base ** (-torch.arange(half) / half)
        angle = positions[:, None] * _SPEEDS[half]
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=-1)


@right("03.rotate")
class CosineAndRotateHalf:
    """As in Hugging Face's models: x times the cosine plus x with its halves swapped times the sine, angles doubled."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = (positions[:, None] * base ** (-torch.arange(half) / half)).repeat(1, 2)
        swapped = x.roll(half, dims=-1)
        sign = torch.where(torch.arange(2 * half) < half, -1.0, 1.0)
        return x * angle.cos() + swapped * sign * angle.sin()


@right("03.rotate")
class OneBlockMatrixPerRow:
    """It builds a D x D matrix for each row, with four diagonals of cosines and sines, and multiplies the row by it."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        cos, sin = torch.diag_embed(angle.cos()), torch.diag_embed(angle.sin())  # (T, D/2, D/2)
        top, bottom = torch.cat([cos, -sin], dim=-1), torch.cat([sin, cos], dim=-1)
        matrix = torch.cat([top, bottom], dim=-2)  # (T, D, D)
        return torch.einsum("tij,tj->ti", matrix.to(x.dtype), x)
