"""Answers to the turns of lesson 03, written from its text alone; checks changed after."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from turn_answers import right, wrong


def sinusoids(positions, C):
    frequency = 10_000 ** (-torch.arange(0, C, 2) / C)
    angle = positions[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


def rotate_pair(x, y, angle):
    cos, sin = angle.cos(), angle.sin()
    return x * cos - y * sin, x * sin + y * cos


_rope_cache = {}


# --- 03.sinusoids


@wrong("03.sinusoids", "The number of the row is used in place of its position.")
class CountsTheRows:
    """Counts 0, 1, 2, ... for as many rows as there are positions, and never reads the positions."""

    def sinusoids(positions, C):
        t = torch.arange(len(positions)).float().unsqueeze(1)
        angle = t * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "Positions are counted from the first one.")
class FromTheFirstPosition:
    """Subtracts the first position, so every list of positions begins at 0."""

    def sinusoids(positions, C):
        angle = (positions - positions[0])[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "All sines come first, then all cosines.")
class SinesThenCosines:
    """All sines first, then all cosines (as in tensor2tensor); here they stand in turn."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.cat([torch.sin(angle), torch.cos(angle)], dim=1)


@wrong("03.sinusoids", "Each cosine stands before its sine.")
class CosineComesFirst:
    """Cosine before sine in each pair, as x and y of a hand; asked for is the sine first."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        hands = torch.polar(torch.ones_like(angle), angle)
        return torch.view_as_real(hands).flatten(1)


@wrong("03.sinusoids", "The exponent is i/C, half of what it should be.")
class ForgetsTheTwo:
    """I / C in the exponent in place of 2i / C, so the slowest hand is a hundred times too fast."""

    def sinusoids(positions, C):
        i = torch.arange(C // 2)
        angle = positions[:, None] / 10_000 ** (i / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The exponent is 4i/C, twice what it should be.")
class TwoTwice:
    """The steps of two are already 2i, and they are doubled once more."""

    def sinusoids(positions, C):
        i = torch.arange(0, C, 2)
        angle = positions[:, None] * 10_000 ** (-2 * i / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The last hand is the first one that's 10,000 times slower: the steps")
class ReachesTheEnd:
    """Divides by C/2 - 1 so that the last hand reaches 1/10,000; by the formula it's a little faster."""

    def sinusoids(positions, C):
        half = C // 2
        speed = torch.exp(torch.arange(half) * -(math.log(10_000) / max(half - 1, 1)))
        angle = positions[:, None] * speed
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The angles are converted from degrees to radians.")
class Degrees:
    """Turns the angles from degrees to radians, though the formula gives radians already."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        angle = torch.deg2rad(angle)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "All hands have the frequency 1.")
class WholeExponents:
    """// in place of / in the exponent: all hands turn at the same speed."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000.0 ** (-(torch.arange(0, C, 2) // C))
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "")
class PowerBeforeDivision:
    """A bracket is missing: the power comes first, and C divides the result, not the exponent."""

    def sinusoids(positions, C):
        frequency = 10_000.0 ** -torch.arange(0, C, 2) / C
        angle = positions[:, None] * frequency
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "")
class MaxLen5000:
    """Looks positions up in a table of 5,000 rows, as a tutorial's class does; position 57,000 isn't in it."""

    def sinusoids(positions, C, max_len=5000):
        pe = torch.zeros(max_len, C)
        position = torch.arange(0, max_len, dtype=torch.float).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, C, 2).float() * (-math.log(10000.0) / C))
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        return pe[positions]


@wrong("03.sinusoids", "The result has a batch axis in front.")
class AxisForTheBatch:
    """An axis for the batch is added: (1, T, C) in place of (T, C)."""

    def sinusoids(positions, C):
        pe = torch.zeros(len(positions), C)
        div_term = torch.exp(torch.arange(0, C, 2) * (-math.log(10000.0) / C))
        pe[:, 0::2] = torch.sin(positions.unsqueeze(1) * div_term)
        pe[:, 1::2] = torch.cos(positions.unsqueeze(1) * div_term)
        return pe.unsqueeze(0)


@wrong("03.sinusoids", "`sinusoids` returns a numpy array; the cells below need a torch tensor.")
class NumpyTable:
    """Calculates in numpy and returns a numpy array, where a tensor is asked for."""

    def sinusoids(positions, C):
        t = positions.numpy()[:, None].astype(np.float32)
        angle = t * np.float32(10_000) ** (-np.arange(0, C, 2, dtype=np.float32) / C)
        table = np.empty((len(t), C), dtype=np.float32)
        table[:, ::2], table[:, 1::2] = np.sin(angle), np.cos(angle)
        return table


@wrong("03.sinusoids", "The table holds whole numbers only.")
class IntegersForSines:
    """Makes the table with the positions' own dtype, whole numbers, so the sines are cut to 0, 1 and -1."""

    def sinusoids(positions, C):
        table = positions.new_zeros(len(positions), C)
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        table[:, 0::2] = angle.sin()
        table[:, 1::2] = angle.cos()
        return table


@wrong("03.sinusoids", "The logarithm is that to base 10, and `exp` needs the natural one.")
class LogarithmOfTen:
    """Exp with the logarithm to base 10: the hands slow down from 1 to e^-4, not to 10^-4."""

    def sinusoids(positions, C):
        speed = torch.exp(-math.log10(10_000) * torch.arange(0, C, 2) / C)
        angle = positions[:, None] * speed
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "")
class RoundIsSixPointTwoEight:
    """Takes a full round for 6.28 to keep angles small; after many rounds the hands are visibly off."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        angle = angle % 6.28
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "Each column has a frequency of its own.")
class SpeedPerColumn:
    """Each column has a speed of its own, 10,000^(-j/C), so sine and cosine of a hand don't belong together."""

    def sinusoids(positions, C):
        j = torch.arange(C)
        angle = positions[:, None] * 10_000 ** (-j / C)
        return torch.where(j % 2 == 0, angle.sin(), angle.cos())


@wrong("03.sinusoids", "Sines and cosines lie one table on the other, and a reshape mixed the")
class StacksInFront:
    """Stacks sines and cosines in front and views as (T, C)"""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()]).reshape(len(positions), C)


@wrong("03.sinusoids", "The table has more rows than there are positions.")
class UpToTheLargest:
    """Makes a row for each number from 0 to the largest position, not a row per position given."""

    def sinusoids(positions, C):
        t = torch.arange(int(positions.max()) + 1)
        angle = t[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "Positions are counted from 1.")
class PositionsFromOne:
    """Adds 1 to the positions; at position 0 all hands must stand at the angle 0."""

    def sinusoids(positions, C):
        angle = (positions + 1)[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "")
class UnitLength:
    """Brings each row to norm 1; plain sines and cosines have the norm root of C/2."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        rows = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
        return F.normalize(rows, dim=1)


@right("03.sinusoids")
class FillsEveryOther:
    """Fills every other column of a float table, with exp and the natural logarithm."""

    def sinusoids(positions, C):
        pe = torch.zeros(positions.shape[0], C)
        div_term = torch.exp(torch.arange(0, C, 2).float() * (-math.log(10000.0) / C))
        pe[:, 0::2] = torch.sin(positions.float().unsqueeze(1) * div_term)
        pe[:, 1::2] = torch.cos(positions.float().unsqueeze(1) * div_term)
        return pe


@right("03.sinusoids")
class DoubleInside:
    """Calculates in 64 bits and returns 32."""

    def sinusoids(positions, C):
        i = torch.arange(C // 2, dtype=torch.float64)
        angle = torch.outer(positions.double(), 10_000.0 ** (-2 * i / C))
        return torch.stack((angle.sin(), angle.cos()), dim=2).reshape(-1, C).float()


@right("03.sinusoids")
class OneNumberAtATime:
    """Plain Python with math, one number at a time."""

    def sinusoids(positions, C):
        rows = []
        for t in positions.tolist():
            row = []
            for i in range(C // 2):
                angle = t * 10_000 ** (-2 * i / C)
                row += [math.sin(angle), math.cos(angle)]
            rows.append(row)
        return torch.tensor(rows)


@right("03.sinusoids")
class ComplexHands:
    """Hands as complex numbers, flipped so that the sine comes first."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        hands = torch.polar(torch.ones_like(angle), angle)
        return torch.view_as_real(hands).flip(-1).flatten(1)


@right("03.sinusoids")
class EachSpeedTwice:
    """Each speed twice, then sine or cosine by the column's parity."""

    def sinusoids(positions, C):
        j = torch.arange(C)
        angle = positions[:, None] * 10_000 ** (-(j - j % 2) / C)
        return torch.where(j % 2 == 0, angle.sin(), angle.cos())


# --- 03.rotate_pair


@wrong("03.rotate_pair", "It turns the other way, by minus the angle.")
class ScreenCoordinates:
    """Turns clockwise, as on a canvas where y points down: (1, 0) must go to (cos a, sin a)."""

    def rotate_pair(x, y, angle):
        c, s = torch.cos(angle), torch.sin(angle)
        return x * c + y * s, y * c - x * s


@wrong("03.rotate_pair", "The new y is made of the new x.")
class NewXInTheSecondLine:
    """The second line uses the x that the first has already turned."""

    def rotate_pair(x, y, angle):
        x = x * angle.cos() - y * angle.sin()
        y = x * angle.sin() + y * angle.cos()
        return x, y


@wrong("03.rotate_pair", "Both numbers are right, but in one tensor.")
class OneTensorOfPoints:
    """Stacks x and y in a last axis: one tensor of points, not the new x and the new y."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        return torch.stack([x * cos - y * sin, x * sin + y * cos], dim=-1)


@wrong("03.rotate_pair", "Every point is turned by the first angle.")
class FirstAngleForAll:
    """Turns every point by the first angle, though each has its own."""

    def rotate_pair(x, y, angle):
        a = angle.flatten()[0]
        return x * a.cos() - y * a.sin(), x * a.sin() + y * a.cos()


@wrong("03.rotate_pair", "")
class OneAxisOnly:
    """The einsum takes tensors with one axis only; a whole (T, D/2) of points is an error."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        matrix = torch.stack([torch.stack([cos, -sin]), torch.stack([sin, cos])])
        turned = torch.einsum("ijn,jn->in", matrix, torch.stack([x, y]))
        return turned[0], turned[1]


@wrong("03.rotate_pair", "")
class PythonsMath:
    """Math.cos takes one number; a tensor of many angles is an error."""

    def rotate_pair(x, y, angle):
        cos, sin = math.cos(angle), math.sin(angle)
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "Negative angles turn the wrong way.")
class SineFromPythagoras:
    """Takes the sine as the root of 1 - cos², which is never negative: past half a round it has the wrong sign."""

    def rotate_pair(x, y, angle):
        cos = angle.cos()
        sin = (1 - cos**2).clamp(min=1e-12).sqrt()
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "`atan` forgets on which side the point is.")
class ArcTangentOfTheQuotient:
    """Atan(y / x) doesn't know the left half of the plane from the right: points with x < 0 are mirrored."""

    def rotate_pair(x, y, angle):
        radius = (x * x + y * y).sqrt()
        phi = torch.atan(y / x) + angle
        return radius * phi.cos(), radius * phi.sin()


@wrong("03.rotate_pair", "x and y are exchanged before the turn.")
class SpreadsheetAtan2:
    """Atan2(x, y), with the arguments as in a spreadsheet; in torch y comes first."""

    def rotate_pair(x, y, angle):
        radius = torch.hypot(x, y)
        phi = torch.atan2(x, y) + angle
        return radius * torch.cos(phi), radius * torch.sin(phi)


@wrong("03.rotate_pair", "Sine and cosine are replaced by a and 1 - a²/2, which holds for small")
class SmallAngles:
    """Sin a = a and cos a = 1 - a²/2 hold for small angles only."""

    def rotate_pair(x, y, angle):
        cos, sin = 1 - angle**2 / 2, angle
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "`the new x` is right. In `the new y`, this is what happens: Sine and")
class MixedUpSecondLine:
    """The second line has x cos + y sin, where x sin + y cos belongs."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        return x * cos - y * sin, x * cos + y * sin


@wrong("03.rotate_pair", "")
class ThreeShears:
    """Three shears with tan(a / 2), which is infinite at half a round: there the digits are lost."""

    def rotate_pair(x, y, angle):
        tan, sin = torch.tan(angle / 2), torch.sin(angle)
        x = x - tan * y
        y = y + sin * x
        x = x - tan * y
        return x, y


@wrong("03.rotate_pair", "")
class AroundTheirCenter:
    """Turns the points around their own mean, not around (0, 0)."""

    def rotate_pair(x, y, angle):
        mx, my = x.mean(), y.mean()
        cos, sin = angle.cos(), angle.sin()
        dx, dy = x - mx, y - my
        return mx + dx * cos - dy * sin, my + dx * sin + dy * cos


@wrong("03.rotate_pair", "All points land at a distance of 1 from (0, 0).")
class OntoTheUnitCircle:
    """The radius is forgotten: every point lands at distance 1 from (0, 0)."""

    def rotate_pair(x, y, angle):
        phi = torch.atan2(y, x) + angle
        return phi.cos(), phi.sin()


@wrong("03.rotate_pair", "The new y is returned first.")
class YBeforeX:
    """Returns the new y before the new x."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        new_x, new_y = x * cos - y * sin, x * sin + y * cos
        return new_y, new_x


@wrong("03.rotate_pair", "")
class MatlabsTimes:
    """@ is the matrix product, where each point is to be multiplied by its own cosine (*)."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        return x @ cos - y @ sin, x @ sin + y @ cos


@wrong("03.rotate_pair", "The minus is in the new y, so the point is mirrored.")
class AMirror:
    """The matrix of a mirror, [[cos, sin], [sin, -cos]], and not of a turn."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        return x * cos + y * sin, x * sin - y * cos


@wrong("03.rotate_pair", "")
class HalfTheAngle:
    """Halves the angle, as one does with quaternions in space; in the plane the whole angle counts."""

    def rotate_pair(x, y, angle):
        half = angle * 0.5
        cos, sin = half.cos(), half.sin()
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "The angle is multiplied by 2π.")
class FullRounds:
    """Multiplies the angle by 2 pi, as if it were given in rounds and not in radians."""

    def rotate_pair(x, y, angle):
        cos, sin = torch.cos(2 * torch.pi * angle), torch.sin(2 * torch.pi * angle)
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "")
class AnglesAddUp:
    """The angles are summed along the last axis, so each point is turned by those before it, too."""

    def rotate_pair(x, y, angle):
        angle = angle.cumsum(dim=-1)
        cos, sin = angle.cos(), angle.sin()
        return x * cos - y * sin, x * sin + y * cos


@right("03.rotate_pair")
class ComplexProduct:
    """A product of complex numbers."""

    def rotate_pair(x, y, angle):
        turned = torch.complex(x, y) * torch.polar(torch.ones_like(angle), angle)
        return turned.real, turned.imag


@right("03.rotate_pair")
class MatrixOfAnyShape:
    """An einsum with a 2 x 2 matrix in front, for any shape."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        matrix = torch.stack([torch.stack([cos, -sin]), torch.stack([sin, cos])])
        turned = torch.einsum("ij...,j...->i...", matrix, torch.stack([x, y]))
        return turned[0], turned[1]


@right("03.rotate_pair")
class WhereTheAxesGo:
    """X steps along one turned axis and y along the other."""

    def rotate_pair(x, y, angle):
        one = torch.stack([angle.cos(), angle.sin()])
        other = torch.stack([-angle.sin(), angle.cos()])
        return tuple(x * one + y * other)


@right("03.rotate_pair")
class AddsTheProducts:
    """Addcmul, and a new name for the new x."""

    def rotate_pair(x, y, angle):
        c, s = torch.cos(angle), torch.sin(angle)
        new_x = torch.addcmul(x * c, y, s, value=-1)
        y = torch.addcmul(y * c, x, s)
        return new_x, y


# --- 03.rotate


@wrong("03.rotate", "The pairs are neighbors, 0 with 1: a rotary encoding, but not the one of")
class LlamaComplex:
    """View_as_complex pairs neighbors, 0 with 1, where 0 belongs with D/2."""

    def rotate(x, positions, base):
        T, D = x.shape
        freqs = 1.0 / (base ** (torch.arange(0, D, 2).float() / D))
        freqs_cis = torch.outer(positions.float(), freqs)
        freqs_cis = torch.polar(torch.ones_like(freqs_cis), freqs_cis)
        x_ = torch.view_as_complex(x.float().reshape(T, -1, 2))
        return torch.view_as_real(x_ * freqs_cis).flatten(1).type_as(x)


@wrong("03.rotate", "It turns the other way.")
class MinusOnTheWrongHalf:
    """Rotate_half puts the minus before the first half, so all pairs turn backward."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        emb = torch.cat([angle, angle], dim=-1)
        turned = torch.cat([x[..., half:], -x[..., :half]], dim=-1)
        return x * emb.cos() + turned * emb.sin()


@wrong("03.rotate", "Halves make the pairs, but the angles are repeated for neighbors.")
class RepeatsEachAngle:
    """Repeat_interleave gives neighbors one angle, but the pairs are halves: the two of a pair differ."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        emb = angle.repeat_interleave(2, dim=-1)
        turned = torch.cat([-x[:, half:], x[:, :half]], dim=-1)
        return x * emb.cos() + turned * emb.sin()


@wrong("03.rotate", "The base is 100,000, whatever the argument says.")
class SmolBase:
    """100,000 is written in, where it should be the argument base."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * 100_000 ** (-torch.arange(half) / half)
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "Counting begins at the first position and goes on by ones.")
class CountsOnFromTheFirst:
    """Counts on from the first position, so gaps between the positions are lost."""

    def rotate(x, positions, base):
        T, D = x.shape
        t = positions[0] + torch.arange(T)
        angle = t[:, None] * base ** (-torch.arange(D // 2) / (D // 2))
        first, second = rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class DistanceToTheOneBefore:
    """Turns each row by its distance to the row before, since only distances count; the position is asked for."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        steps = torch.diff(positions, prepend=positions.new_zeros(1))
        angle = steps[:, None] * base ** (-torch.arange(half) / half)
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "The exponent is i/D, half of what it should be.")
class WholeRowInTheExponent:
    """I / D in the exponent in place of 2i / D: half the range of speeds."""

    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = torch.outer(positions.float(), base ** (-torch.arange(D // 2) / D))
        first, second = rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "The right half is made of the new left half.")
class OverwritesTheFirstHalf:
    """Writes the first half of a copy, and then turns the second half with the numbers just written."""

    def rotate(x, positions, base):
        out = x.clone()
        half = x.shape[-1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        cos, sin = angle.cos(), angle.sin()
        out[:, :half] = out[:, :half].clone() * cos - out[:, half:].clone() * sin
        out[:, half:] = out[:, :half].clone() * sin + out[:, half:].clone() * cos
        return out


@wrong("03.rotate", "")
class HeadsOfNanochat:
    """Cos and sin get axes for batch and heads, and with x of (T, D) the result is (1, T, T, D)."""

    def rotate(x, positions, base):
        d = x.shape[-1] // 2
        freqs = torch.outer(positions.float(), 1.0 / base ** (torch.arange(d) / d))
        cos, sin = freqs.cos()[None, :, None, :], freqs.sin()[None, :, None, :]
        x1, x2 = x[..., :d], x[..., d:]
        return torch.cat([x1 * cos - x2 * sin, x1 * sin + x2 * cos], 3)


@wrong("03.rotate", "")
class OneAngleForEachColumnOfT:
    """The positions run along the columns and the speeds along the rows; this fits only if T is D/2."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions * base ** (-torch.arange(half) / half)[:, None]
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class ContextOf8192:
    """Keeps a table for 8,192 positions, SmolLM2's context, and fails on a position beyond it."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        t = torch.arange(8192, dtype=torch.float32)
        freqs = torch.outer(t, 1.0 / base ** (torch.arange(half) / half))
        cos, sin = freqs.cos()[positions], freqs.sin()[positions]
        x1, x2 = x.chunk(2, dim=-1)
        return torch.cat([x1 * cos - x2 * sin, x1 * sin + x2 * cos], dim=-1)


@wrong("03.rotate", "")
class SpeedsKeptBetweenCalls:
    """Keeps the speeds by D only, so another base with the same D gets the old speeds."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        if half not in _rope_cache:
            _rope_cache[half] = base ** (-torch.arange(half) / half)
        angle = positions[:, None] * _rope_cache[half]
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class DividesThePower:
    """Base**i / half divides the power by half; the exponent is to be divided."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        speed = 1 / (float(base) ** torch.arange(half) / half)
        angle = positions[:, None] * speed
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "Only the first half of each row is turned.")
class PartOfTheRow:
    """Turns the first half of the numbers only and passes the rest on (rotary_pct, GPT-NeoX)."""

    def rotate(x, positions, base):
        D = x.shape[-1] // 2
        part, rest = x[:, :D], x[:, D:]
        half = D // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / max(half, 1))
        first, second = rotate_pair(part[:, :half], part[:, half : 2 * half], angle)
        return torch.cat([first, second, part[:, 2 * half :], rest], dim=-1)


@wrong("03.rotate", "One half lies below the other.")
class CatAlongTheRows:
    """Cat without dim puts the halves below each other: (2T, D/2) in place of (T, D)."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle))


@wrong("03.rotate", "Halves make the pairs, and their results are put back as neighbors.")
class HalvesInNeighborsOut:
    """Takes halves, but puts the turned numbers back in turn, as neighbors."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        return torch.stack(rotate_pair(x[:, :half], x[:, half:], angle), dim=-1).flatten(1)


@wrong("03.rotate", "The positions are rounded to bfloat16, which counts to 256 without gaps.")
class BrainFloatPositions:
    """Positions in bfloat16, which can't count beyond 256 without skipping."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions.to(torch.bfloat16)[:, None] * base ** (-torch.arange(half) / half)
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "The frequencies are in reverse order.")
class SlowestFirst:
    """The speeds come in the opposite order: pair 0 must be the fastest."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        speed = base ** (-torch.arange(half) / half)
        angle = positions[:, None] * speed.flip(0)
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class SqueezesOneRow:
    """Squeeze takes the axis T away when one row is turned: (D,) in place of (1, D)."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second], dim=-1).squeeze()


@wrong("03.rotate", "Slow pairs are slowed down further, as Llama 3.1 does for long texts.")
class ScalingOfLlama31:
    """Slows down the slow pairs by 8, as Llama 3.1 does for long texts; the formula has one base and no more."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        speed = base ** (-torch.arange(half) / half)
        wavelength = 2 * math.pi / speed
        speed = torch.where(wavelength > 8192, speed / 8, speed)
        angle = positions[:, None] * speed
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "The result is right, but no model could learn through it: `x` gets no")
class NoGradDecorator:
    """@torch.no_grad(), which some libraries put on the angles only, covers x here"""

    @torch.no_grad()
    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "Each number has a frequency of its own.")
class SecondHalfHasItsOwnSpeeds:
    """Gives D speeds to D numbers, so the two numbers of a pair are turned by different angles."""

    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(D) / D)
        x1, x2 = x.chunk(2, dim=-1)
        a1, a2 = angle.chunk(2, dim=-1)
        return torch.cat([x1 * a1.cos() - x2 * a1.sin(), x1 * a2.sin() + x2 * a2.cos()], dim=-1)


@wrong("03.rotate", "")
class HalfOfTheRowsNumber:
    """Len(x) is the number of rows T, not of columns D; half of it is right only if x is square."""

    def rotate(x, positions, base):
        half = len(x) // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "The sines and cosines of `sinusoids` are added to x.")
class AddsTheClock:
    """Adds the sinusoids of the turn before; here the row itself is turned, and nothing is added."""

    def rotate(x, positions, base):
        return x + sinusoids(positions, x.shape[-1])


@right("03.rotate")
class RotateHalfOfTransformers:
    """HF's way, with rotate_half and each angle for both halves."""

    def rotate(x, positions, base):
        D = x.shape[-1]
        inv_freq = 1.0 / (base ** (torch.arange(0, D, 2, dtype=torch.int64).float() / D))
        freqs = positions[:, None].float() @ inv_freq[None]
        emb = torch.cat((freqs, freqs), dim=-1)
        x1, x2 = x[..., : D // 2], x[..., D // 2 :]
        return x * emb.cos() + torch.cat((-x2, x1), dim=-1) * emb.sin()


@right("03.rotate")
class HalvesAsComplexNumbers:
    """The halves are the real and the imaginary parts."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        z = torch.complex(x[:, :half], x[:, half:]) * torch.polar(torch.ones_like(angle), angle)
        return torch.cat([z.real, z.imag], dim=1)


@right("03.rotate")
class PairByPair:
    """A loop over the pairs, with the columns collected and stacked."""

    def rotate(x, positions, base):
        D = x.shape[1]
        columns = [None] * D
        for i in range(D // 2):
            angle = positions * float(base) ** (-2 * i / D)
            columns[i], columns[i + D // 2] = rotate_pair(x[:, i], x[:, i + D // 2], angle)
        return torch.stack(columns, dim=1)


@right("03.rotate")
class AnglesInDouble:
    """The angles in 64 bits, the result in x's own type."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        i = torch.arange(half, dtype=torch.float64)
        angle = positions.double()[:, None] * torch.exp(-math.log(base) * i / half)
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        a, b = x.split(half, dim=-1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


@right("03.rotate")
class PermutesToNeighbors:
    """Brings the halves together as neighbors, turns those as complex numbers, and takes them apart again."""

    def rotate(x, positions, base):
        T, D = x.shape
        z = torch.view_as_complex(x.view(T, 2, D // 2).transpose(1, 2).contiguous())
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        turned = torch.view_as_real(z * torch.polar(torch.ones_like(angle), angle))
        return turned.transpose(1, 2).reshape(T, D)
