"""Answers to the turns of lesson 03, written from its text alone; checks changed after."""

import math

import torch
from turn_answers import right, wrong

# --- 03.sinusoids


@wrong("03.sinusoids", "Every position gets the same row.")
class NoParentheses:
    """Without parentheses, only -2 is the exponent: the angle is t / 10,000² · i / C, nearly 0 for every hand."""

    def sinusoids(positions, C):
        i = torch.arange(C // 2)
        angle = positions[:, None] * 10_000.0**-2 * i / C
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)


@right("03.sinusoids")
class UnitCircle:
    """Complex numbers on the unit circle, in double precision; the imaginary part is the sine and goes first."""

    def sinusoids(positions, C):
        hands = torch.arange(C // 2, dtype=torch.float64)
        angle = positions.double()[:, None] * torch.exp(-2 * hands / C * math.log(10_000))
        numbers = torch.exp(1j * angle)
        return torch.view_as_real(numbers).flip(-1).flatten(1).float()


@right("03.sinusoids")
class CosineIsALateSine:
    """Sines only: the odd columns are a quarter of a turn ahead."""

    def sinusoids(positions, C):
        column = torch.arange(C)
        slower = 10_000.0 ** (2 * torch.div(column, 2, rounding_mode="floor") / C).double()
        ahead = (column % 2).double() * math.pi / 2
        return torch.sin(positions.double()[:, None] / slower + ahead).float()


# --- 03.rotate_pair


@wrong("03.rotate_pair", "Sine and cosine are replaced by a and 1, which holds for small angles a only.")
class SmallAngles:
    """sin a = a and cos a = 1, which holds for small angles only."""

    def rotate_pair(x, y, angle):
        return x - y * angle, y + x * angle


@wrong("03.rotate_pair", "x and y are scaled, each by itself.")
class EachAxisAlone:
    """Adds up both coordinates of where x's axis goes for the new x, and those of y's axis for the new y."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        new_x = x * cos + x * sin
        new_y = -y * sin + y * cos
        return new_x, new_y


@right("03.rotate_pair")
class HalfTheAngle:
    """Sine and cosine by the double-angle formulas, from half the angle."""

    def rotate_pair(x, y, angle):
        s, c = torch.sin(angle / 2), torch.cos(angle / 2)
        dx = -2 * s * (s * x + c * y)
        dy = 2 * s * (c * x - s * y)
        return x + dx, y + dy


# --- 03.rotate


@wrong("03.rotate", "Each number has a frequency of its own.")
class SpeedForEachNumber:
    """D speeds in place of D/2: the second partner of each pair turns by a slower angle of its own."""

    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-2 * torch.arange(D) / D)  # (T, D)
        turned = torch.cat([-x[:, D // 2 :], x[:, : D // 2]], dim=-1)
        return x * torch.cos(angle) + turned * torch.sin(angle)


@right("03.rotate")
class ComplexHalves:
    """Complex numbers in double precision, real parts in front and imaginary parts behind."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        exponent = torch.arange(half, dtype=torch.float64) / half
        angle = positions.double()[:, None] * torch.exp(-exponent * math.log(base))
        z = (x[:, :half] + 1j * x[:, half:]) * torch.exp(1j * angle)
        return torch.hstack([z.real, z.imag]).to(x.dtype)


@right("03.rotate")
class LittleMatrices:
    """A 2 × 2 matrix for each token and pair, multiplied by einsum."""

    def rotate(x, positions, base):
        T, D = x.shape
        angle = torch.einsum("t,p->tp", positions.float(), float(base) ** (-2 * torch.arange(D // 2) / D))
        c, s = angle.cos(), angle.sin()
        matrices = torch.stack([torch.stack([c, -s]), torch.stack([s, c])])  # (2, 2, T, D/2)
        points = x.reshape(T, 2, D // 2)
        return torch.einsum("ijtp,tjp->tip", matrices.to(x.dtype), points).reshape(T, D)
