"""Answers to the turns of lesson 03, written from its text alone by another reader."""

import math

import numpy as np
import torch
from turn_answers import right, wrong

from minillm.course.turns.positional_encoding import rotate_pair

# What a learner has on the page by then: the numbers of a figure.
t, speeds = torch.tensor([0, 1, 5]), 100 ** (-torch.arange(4) / 4)

# --- 03.sinusoids


@wrong("03.sinusoids", "All sines come first, then all cosines.")
class SinesThenCosines:
    """Puts all sines first and all cosines after them; they should alternate."""

    def sinusoids(positions, C):
        frequency = 10_000 ** (-torch.arange(0, C, 2) / C)
        angle = positions[:, None] * frequency
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


@wrong("03.sinusoids", "The number of the row is used in place of its position.")
class AlwaysFromZero:
    """Counts 0, 1, 2, ... and doesn't look at which positions are asked."""

    def sinusoids(positions, C):
        position = torch.arange(len(positions))[:, None]
        angle = position * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The exponent is 4i/C, twice what it should be.")
class TwiceTwo:
    """Arange(0, C, 2) is 2i already, and it's multiplied by 2 once more."""

    def sinusoids(positions, C):
        i = torch.arange(0, C, 2)
        angle = positions[:, None] * 10_000 ** (-2 * i / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The exponent is i/C, half of what it should be.")
class HandsWithoutTheTwo:
    """The exponent is -i / C, without the 2."""

    def sinusoids(positions, C):
        i = torch.arange(C // 2)
        angle = positions[:, None] * 10_000 ** (-i / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "Each column has a frequency of its own.")
class FrequencyPerColumn:
    """Each column gets a speed of its own, so the sine and the cosine of a hand belong to different angles."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(C) / C)
        marks = angle.sin()
        marks[:, 1::2] = angle[:, 1::2].cos()
        return marks


@wrong("03.sinusoids", "Each cosine stands before its sine.")
class CosineFirst:
    """The cosine comes before the sine."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.cos(), angle.sin()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The base is 1,000.")
class BaseOneThousand:
    """The base is 1,000, a zero too few."""

    def sinusoids(positions, C):
        frequency = 1_000 ** (-torch.arange(0, C, 2) / C)
        angle = positions[:, None] * frequency
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The hands get faster, not slower.")
class FasterAndFaster:
    """The minus in the exponent is missing, so later hands turn faster, not slower."""

    def sinusoids(positions, C):
        frequency = 10_000 ** (torch.arange(0, C, 2) / C)
        angle = positions[:, None] * frequency
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The last hand is the first one that's 10,000 times slower: the steps divide by C/2 -")
class FirstToLastHand:
    """Divides by C/2 - 1, as tensor2tensor does, so that the last hand has 1/10,000 exactly."""

    def sinusoids(positions, C):
        step = math.log(10_000) / max(C // 2 - 1, 1)
        frequency = torch.exp(-step * torch.arange(C // 2))
        angle = positions[:, None] * frequency
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The logarithm is that to base 10, and `exp` needs the natural one.")
class LogOfBaseTen:
    """Exp needs the natural logarithm, and log10(10,000) is 4."""

    def sinusoids(positions, C):
        frequency = torch.exp(-torch.arange(0, C, 2) * math.log10(10_000) / C)
        angle = positions[:, None] * frequency
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The angles are converted from degrees to radians.")
class AnglesInDegrees:
    """Takes the angle for degrees, but the formula gives radians."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        angle = torch.deg2rad(angle)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "Rows and columns are exchanged.")
class ColumnPerPosition:
    """Returns (C, T), a column per position; a row is asked."""

    def sinusoids(positions, C):
        rows = []
        for frequency in 10_000 ** (-torch.arange(0, C, 2) / C):
            rows += [(positions * frequency).sin(), (positions * frequency).cos()]
        return torch.stack(rows)


@wrong("03.sinusoids", "Sines and cosines are in an axis of their own.")
class PairsNotFlattened:
    """Returns (T, C/2, 2): the sine and cosine of each hand are still a pair of their own."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1)


@wrong("03.sinusoids", "The table holds whole numbers only.")
class TableOfWholeNumbers:
    """New_zeros of whole positions is a table of whole numbers, which cuts sines and cosines to 0 and 1."""

    def sinusoids(positions, C):
        marks = positions.new_zeros(len(positions), C)
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        marks[:, 0::2] = angle.sin()
        marks[:, 1::2] = angle.cos()
        return marks


@wrong("03.sinusoids", "The exponent is rounded to a whole number.")
class WholeExponents:
    """-2 * i // C rounds the exponent down to a whole number, so there are only two speeds."""

    def sinusoids(positions, C):
        frequency = torch.tensor([10_000.0 ** (-2 * i // C) for i in range(C // 2)])
        angle = positions[:, None] * frequency
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "")
class AxisForTheBatch:
    """Unsqueeze(0) adds a batch axis, as in the annotated transformer: (1, T, C)."""

    def sinusoids(positions, C):
        pe = torch.zeros(len(positions), C)
        div_term = torch.exp(torch.arange(0, C, 2) * -(math.log(10000.0) / C))
        pe[:, 0::2] = torch.sin(positions[:, None] * div_term)
        pe[:, 1::2] = torch.cos(positions[:, None] * div_term)
        return pe.unsqueeze(0)


@wrong("03.sinusoids", "with size 5000")
class FiveThousandRows:
    """Builds a table of 5,000 positions and looks up in it, so larger positions are an error."""

    def sinusoids(positions, C):
        position = torch.arange(5000).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, C, 2) * -(math.log(10000.0) / C))
        pe = torch.zeros(5000, C)
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        return pe[positions]


@wrong("03.sinusoids", "The positions are divided by the largest one.")
class ShareOfTheText:
    """Divides the positions by the largest one, so a mark depends on how long the text is."""

    def sinusoids(positions, C):
        share = positions / positions.max().clamp(min=1)
        angle = share[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "Positions are counted from the first one.")
class CountedFromTheFirst:
    """Subtracts the first position, so each list of positions begins at 0."""

    def sinusoids(positions, C):
        position = positions - positions[0]
        angle = position[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "Positions are counted from 1.")
class OnePositionFurther:
    """Adds 1, as if positions were counted from 1."""

    def sinusoids(positions, C):
        angle = (positions + 1)[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The angles are multiplied by 2π.")
class FullTurns:
    """Multiplies by 2 pi, so hand 0 makes a full turn per position, and its sine is always 0."""

    def sinusoids(positions, C):
        turns = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        angle = 2 * math.pi * turns
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The positions are rounded to bfloat16, which counts to 256 without gaps.")
class PositionsInSixteenBits:
    """Turns the positions into bfloat16, which can't count above 256."""

    def sinusoids(positions, C):
        position = positions.bfloat16().float()
        angle = position[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The cosines have the wrong sign.")
class CosineByAShift:
    """Makes the cosine from the sine with -pi/2; that is minus the cosine."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), (angle - math.pi / 2).sin()], -1).flatten(1)


@wrong("03.sinusoids", "Even positions have sines only, odd ones cosines only.")
class SineForEvenPositions:
    """Even *positions* get sines and odd ones cosines; the two should alternate within each row."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        angle = angle.repeat_interleave(2, dim=1)
        return torch.where(positions[:, None] % 2 == 0, angle.sin(), angle.cos())


@wrong("03.sinusoids", "All hands stand in a row twice, one set after the other, so a sine and its cosine")
class AnglesTwiceInARow:
    """Repeat puts all hands a second time behind the first, so sine and cosine are of different hands."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        angle = angle.repeat(1, 2)
        even = torch.arange(C) % 2 == 0
        return torch.where(even, angle.sin(), angle.cos())


@wrong("03.sinusoids", "Sines and cosines lie one table on the other, and a reshape mixed the positions.")
class ReshapedAcrossRows:
    """Stacks along a new first axis and reshapes, so the numbers of one position land in several rows."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()]).reshape(len(positions), C)


@right("03.sinusoids")
class LoopsAndMath:
    """Plain Python loops with math."""

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
class AnnotatedTransformer:
    """Exp and log, and every other column of an empty table, as in the annotated transformer."""

    def sinusoids(positions, C):
        pe = torch.empty(len(positions), C)
        div_term = torch.exp(torch.arange(0, C, 2).double() * -(math.log(10000.0) / C))
        angle = positions.double().unsqueeze(1) * div_term
        pe[:, 0::2] = torch.sin(angle)
        pe[:, 1::2] = torch.cos(angle)
        return pe


@right("03.sinusoids")
class ComplexClock:
    """Complex numbers on the unit circle, with their parts swapped."""

    def sinusoids(positions, C):
        angle = torch.outer(positions.float(), 10_000 ** (-torch.arange(0, C, 2) / C))
        clock = torch.polar(torch.ones_like(angle), angle)
        return torch.view_as_real(clock).flip(-1).reshape(len(positions), C)


@right("03.sinusoids")
class EveryColumnByItself:
    """A list of columns, stacked along the second axis."""

    def sinusoids(positions, C):
        columns = []
        for j in range(C):
            angle = positions.float() / 10_000 ** (j // 2 * 2 / C)
            columns.append(angle.cos() if j % 2 else angle.sin())
        return torch.stack(columns, dim=1)


# --- 03.rotate_pair


@wrong("03.rotate_pair", "It turns the other way, by minus the angle.")
class Clockwise:
    """Both signs of the sine are swapped, which turns the points the other way, by -angle."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        return x * cos + y * sin, y * cos - x * sin


@wrong("03.rotate_pair", "The new y is made of the new x.")
class NewXForY:
    """Overwrites x first, and then computes y from the new x."""

    def rotate_pair(x, y, angle):
        x = x * angle.cos() - y * angle.sin()
        y = x * angle.sin() + y * angle.cos()
        return x, y


@wrong("03.rotate_pair", "The angle is taken for degrees.")
class DegreesToRadians:
    """Takes the angle for degrees and converts it, but it's in radians already."""

    def rotate_pair(x, y, angle):
        angle = torch.deg2rad(angle)
        return x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()


@wrong("03.rotate_pair", "Both numbers are right, but in one tensor.")
class OneTensorOfPoints:
    """Returns one tensor with x and y side by side, not the new x and the new y."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        return torch.stack([x * cos - y * sin, x * sin + y * cos], dim=-1)


@wrong("03.rotate_pair", "The new y is returned first.")
class YBeforeX:
    """Returns the new y first."""

    def rotate_pair(x, y, angle):
        new_x = x * angle.cos() - y * angle.sin()
        new_y = x * angle.sin() + y * angle.cos()
        return new_y, new_x


@wrong("03.rotate_pair", "Sine and cosine are exchanged.")
class SineAndCosineSwapped:
    """Sine and cosine have changed places."""

    def rotate_pair(x, y, angle):
        sin, cos = angle.cos(), angle.sin()
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "Every point is turned by the first angle.")
class OneAngleForAll:
    """Builds one matrix from the first angle and turns all points by it; each has an angle of its own."""

    def rotate_pair(x, y, angle):
        a = angle.flatten()[0]
        matrix = torch.stack([a.cos(), -a.sin(), a.sin(), a.cos()]).view(2, 2)
        new = matrix @ torch.stack([x.flatten(), y.flatten()])
        return new[0].view_as(x), new[1].view_as(y)


@wrong("03.rotate_pair", "")
class MathOfATensor:
    """Math.cos takes a single number, so more than one angle is an error."""

    def rotate_pair(x, y, angle):
        cos, sin = math.cos(angle), math.sin(angle)
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "The minus is missing.")
class NoMinus:
    """The minus in front of y sin a is missing, so it's no rotation: the norm changes."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        return x * cos + y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "`atan` forgets on which side the point is.")
class AtanOfTheRatio:
    """Atan(y / x) can't tell a point from the opposite one, so points with x < 0 land on the wrong side."""

    def rotate_pair(x, y, angle):
        radius = torch.sqrt(x**2 + y**2)
        direction = torch.atan(y / x) + angle
        return radius * direction.cos(), radius * direction.sin()


@wrong("03.rotate_pair", "The points are stretched, by e to the power of the angle, and not turned.")
class ExpWithoutI:
    """Multiplies by exp(angle) without the i, which stretches the points and turns nothing."""

    def rotate_pair(x, y, angle):
        points = torch.complex(x, y) * torch.exp(angle)
        return points.real, points.imag


@wrong("03.rotate_pair", "")
class EveryPointByEveryAngle:
    """X[..., None] makes a table of all points and all angles, not one angle per point."""

    def rotate_pair(x, y, angle):
        x, y = x[..., None], y[..., None]
        cos, sin = angle.cos(), angle.sin()
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "Sine and cosine are replaced by a and 1 - a²/2, which holds for small angles a only.")
class SmallAngles:
    """Takes 1 - a²/2 for cos a and a for sin a, which is good for small angles only."""

    def rotate_pair(x, y, angle):
        cos, sin = 1 - angle**2 / 2, angle
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "The angle is multiplied by 2π.")
class AngleInTurns:
    """Multiplies the angle by 2 pi, as if it were given in full turns."""

    def rotate_pair(x, y, angle):
        angle = angle * 2 * math.pi
        return x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()


@wrong("03.rotate_pair", "Sine and cosine are added, so the point is shifted.")
class AddsTheHand:
    """Adds the clock's hand (cos a, sin a) to each point, as with the marks before, and turns nothing."""

    def rotate_pair(x, y, angle):
        return x + angle.cos(), y + angle.sin()


@wrong("03.rotate_pair", "The point is put at this angle, wherever it was before.")
class ForgetsWhereThePointWas:
    """Puts each point at the angle itself; only its norm is left of where it was before."""

    def rotate_pair(x, y, angle):
        radius = torch.hypot(x, y)
        return radius * angle.cos(), radius * angle.sin()


@wrong("03.rotate_pair", "x and y are scaled, each by itself.")
class EachCoordinateByItself:
    """Multiplies x by the cosine and y by the sine; each new coordinate needs both old ones."""

    def rotate_pair(x, y, angle):
        return x * torch.cos(angle), y * torch.sin(angle)


@wrong("03.rotate_pair", "")
class BackToNumpy:
    """Returns numpy arrays, where tensors went in."""

    def rotate_pair(x, y, angle):
        x, y, angle = x.numpy(), y.numpy(), angle.numpy()
        cos, sin = np.cos(angle), np.sin(angle)
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "")
class LoopOverOneAxis:
    """Loops over the first axis with math, so points in a table (T, D/2) are an error."""

    def rotate_pair(x, y, angle):
        cos = torch.tensor([math.cos(a) for a in angle])
        sin = torch.tensor([math.sin(a) for a in angle])
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "`rotate_pair` returned None.")
class PrintsThePoints:
    """Prints the new points and returns nothing."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        print(x * cos - y * sin, x * sin + y * cos)


@wrong("03.rotate_pair", "")
class TomsSpeedBuiltIn:
    """Multiplies by the 0.3 of Tom and Bob; the angle that comes in is an angle already."""

    def rotate_pair(x, y, angle):
        cos, sin = torch.cos(0.3 * angle), torch.sin(0.3 * angle)
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "")
class SumsOverThePoints:
    """The einsum drops the points' axis and adds all of them up to a single one."""

    def rotate_pair(x, y, angle):
        shape = angle.shape
        x, y, angle = x.flatten(), y.flatten(), angle.flatten()
        rows = [[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]]
        matrix = torch.stack([torch.stack(row) for row in rows])
        new = torch.einsum("ijn,jn->i", matrix, torch.stack([x, y]))
        return new[0].expand(shape), new[1].expand(shape)


@wrong("03.rotate_pair", "The angle is taken modulo π, so some points land on the opposite side.")
class RemainderOfHalfATurn:
    """Takes the angle modulo pi in place of 2 pi, so points beyond half a turn land opposite."""

    def rotate_pair(x, y, angle):
        angle = angle % math.pi
        return x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()


@wrong("03.rotate_pair", "Negative angles turn the wrong way.")
class SineFromCosine:
    """The root of 1 - cos² is never negative, but the sine is, for half of all angles."""

    def rotate_pair(x, y, angle):
        cos = angle.cos()
        sin = torch.sqrt((1 - cos**2).clamp(min=0))
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "All points land at a distance of 1 from (0, 0).")
class OnTheUnitCircle:
    """Divides by the norm in the end, so all points land on the unit circle."""

    def rotate_pair(x, y, angle):
        new_x = x * angle.cos() - y * angle.sin()
        new_y = x * angle.sin() + y * angle.cos()
        norm = torch.sqrt(new_x**2 + new_y**2).clamp(min=1e-8)
        return new_x / norm, new_y / norm


@right("03.rotate_pair")
class ComplexNumbers:
    """Multiplies complex numbers."""

    def rotate_pair(x, y, angle):
        turned = torch.complex(x, y) * torch.polar(torch.ones_like(angle), angle)
        return turned.real, turned.imag


@right("03.rotate_pair")
class Polar:
    """Radius and direction, with atan2."""

    def rotate_pair(x, y, angle):
        radius, direction = torch.hypot(x, y), torch.atan2(y, x)
        return radius * (direction + angle).cos(), radius * (direction + angle).sin()


@right("03.rotate_pair")
class MatrixPerPoint:
    """A 2 x 2 matrix for each point, by einsum."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        top, bottom = torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)
        matrix = torch.stack([top, bottom], -2)
        new = torch.einsum("...ij,...j->...i", matrix, torch.stack([x, y], -1))
        return new[..., 0], new[..., 1]


@right("03.rotate_pair")
class AxesMoved:
    """X steps along the turned first axis, y along the turned second one; a list of two comes back."""

    def rotate_pair(x, y, angle):
        first = torch.stack([torch.cos(angle), torch.sin(angle)])
        second = torch.stack([-torch.sin(angle), torch.cos(angle)])
        return list((x * first + y * second).unbind(0))


# --- 03.rotate


@wrong("03.rotate", "The pairs are neighbors, 0 with 1: a rotary encoding, but not the one of these")
class PairsOfNeighbors:
    """Pairs 0 with 1, 2 with 3, as in the paper; here 0 belongs to D/2."""

    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        even, odd = rotate_pair(x[:, 0::2], x[:, 1::2], angle)
        return torch.stack([even, odd], dim=-1).flatten(1)


@wrong("03.rotate", "Rows are counted 0, 1, 2, and `positions` isn't used.")
class RowNumberAsPosition:
    """Row t is turned by t, though `positions` may have gaps, or one row at position 57."""

    def rotate(x, positions, base):
        T, D = x.shape
        half = D // 2
        angle = torch.arange(T)[:, None] * base ** (-torch.arange(half) / half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=-1)


@wrong("03.rotate", "The base is 10,000, whatever the argument says.")
class BaseTenThousand:
    """Writes 10,000 into the formula and never uses `base`."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        frequency = 10_000 ** (-torch.arange(half) / half)
        first, second = rotate_pair(x[:, :half], x[:, half:], positions[:, None] * frequency)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "The exponent is i/D, half of what it should be.")
class HalfTheExponent:
    """Divides i by D in place of D/2, so the exponent is half of what it should be."""

    def rotate(x, positions, base):
        D = x.shape[-1]
        frequency = base ** (-torch.arange(D // 2) / D)
        angle = positions[:, None] * frequency
        first, second = rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "Halves make the pairs, and their results are put back as neighbors.")
class HalvesInNeighborsOut:
    """Pairs halves, but writes the pairs side by side: first, second, first, second."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        pair = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.stack(pair, dim=-1).flatten(1)


@wrong("03.rotate", "Neighbors make the pairs, and their results are put back as halves.")
class NeighborsInHalvesOut:
    """View(T, D/2, 2) pairs neighbors, and the result is put together in halves."""

    def rotate(x, positions, base):
        T, D = x.shape
        angle = positions[:, None] * base ** (-torch.arange(D // 2) * 2 / D)
        first, second = x.reshape(T, D // 2, 2).unbind(-1)
        return torch.cat(rotate_pair(first, second, angle), dim=-1)


@wrong("03.rotate", "It turns the other way.")
class RotateHalfWithTheWrongSign:
    """The minus in rotate_half is on the wrong half, so everything turns backwards."""

    def rotate(x, positions, base):
        D = x.shape[-1]
        freqs = positions[:, None] * (1.0 / base ** (torch.arange(0, D, 2) / D))
        emb = torch.cat((freqs, freqs), dim=-1)
        x1, x2 = x[..., : D // 2], x[..., D // 2 :]
        rotated = torch.cat((x2, -x1), dim=-1)
        return x * emb.cos() + rotated * emb.sin()


@wrong("03.rotate", "Halves make the pairs, but the angles are repeated for neighbors.")
class InterleavedAngles:
    """Repeats each angle for two neighbors (repeat_interleave), but turns halves: the angles don't fit."""

    def rotate(x, positions, base):
        D = x.shape[-1]
        freqs = positions[:, None] * (1.0 / base ** (torch.arange(0, D, 2) / D))
        emb = freqs.repeat_interleave(2, dim=-1)
        x1, x2 = x.chunk(2, dim=-1)
        return x * emb.cos() + torch.cat((-x2, x1), dim=-1) * emb.sin()


@wrong("03.rotate", "All pairs turn at the same speed.")
class WholeDivision:
    """// makes every exponent 0, so all pairs turn at the same speed."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        frequency = float(base) ** -(torch.arange(half) // half).float()
        angle = positions[:, None] * frequency
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=-1)


@wrong("03.rotate", "The pairs get faster, not slower.")
class LaterPairsRace:
    """The exponent has no minus, so pair 0 is the slowest and the last one races."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * base ** (torch.arange(half) / half)
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "The two halves are exchanged.")
class SecondHalfFirst:
    """Puts the second half of the result before the first."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([second, first], dim=-1)


@wrong("03.rotate", "No row is turned.")
class OnePositionForAllRows:
    """Turns all rows by the first position, as if there were only one row at a time."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[0] * base ** (-torch.arange(half) / half)
        angle = angle.expand(len(x), half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=-1)


@wrong("03.rotate", "Only the first half of each row is turned.")
class QuarterOfTheRow:
    """Turns the first half of each row only (partial RoPE, as in GPT-NeoX) and leaves the rest."""

    def rotate(x, positions, base):
        width = x.shape[-1] // 2
        turned, rest = x[:, :width], x[:, width:]
        frequency = base ** (-torch.arange(0, width, 2) / max(width, 1))
        half = width // 2
        angle = positions[:, None] * frequency[:half]
        first, second = rotate_pair(turned[:, :half], turned[:, half : 2 * half], angle)
        return torch.cat([first, second, turned[:, 2 * half :], rest], dim=-1)


@wrong("03.rotate", "The sines and cosines are added to x, all cosines first.")
class AddsClocks:
    """Adds cosines and sines to the row, as with sinusoids; it should be turned."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        return x + torch.cat([angle.cos(), angle.sin()], dim=-1)


@wrong("03.rotate", "")
class PositionsAsARow:
    """Positions * frequency without [:, None] pairs position i with speed i; it runs only if T fits D/2."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions * base ** (-torch.arange(half) / half)
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class HalfOfTheRows:
    """Half is len(x) // 2, half the number of tokens, not half a row."""

    def rotate(x, positions, base):
        half = len(x) // 2
        frequency = base ** (-torch.arange(half) / half)
        angle = positions[:, None] * frequency
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "The right half is made of the new left half.")
class ViewOfTheResult:
    """`first` is a view of the result, so the second half is computed from the first half's new numbers."""

    def rotate(x, positions, base):
        result = x.clone()
        half = x.shape[-1] // 2
        first, second = result[:, :half], result[:, half:]
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        result[:, :half] = first * angle.cos() - second * angle.sin()
        result[:, half:] = first * angle.sin() + second * angle.cos()
        return result


@wrong("03.rotate", "One half lies below the other.")
class HalvesOneBelowTheOther:
    """Cat without a dim puts the halves below one another: (2T, D/2)."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second])


@wrong("03.rotate", "Two halves are returned.")
class TwoHalvesReturned:
    """Returns the two halves as a tuple and doesn't put them together."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        return rotate_pair(x[:, :half], x[:, half:], angle)


@wrong("03.rotate", "The frequencies fall in equal steps, not by equal factors.")
class EvenlySpacedSpeeds:
    """The speeds go from 1 to 1/base in equal steps; they should shrink by the same factor each time."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * torch.linspace(1, 1 / base, half)
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class SpeedsOfTheFigure:
    """Uses `speeds` from the figure above, which are for D = 8 and base 100."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * speeds
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "Positions are counted from the first one.")
class OnlyDistancesMatter:
    """Subtracts the first position, since only distances matter; but a single row at 57 isn't turned then."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        steps = positions - positions[0]
        angle = steps[:, None] * base ** (-torch.arange(half) / half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=-1)


@wrong("03.rotate", "")
class CachedByShape:
    """Keeps cosines and sines for each shape, and uses them again at other positions and bases."""

    def rotate(x, positions, base, cache={}):
        half = x.shape[-1] // 2
        if x.shape not in cache:
            angle = positions[:, None] * base ** (-torch.arange(half) / half)
            cache[x.shape] = angle.cos(), angle.sin()
        cos, sin = cache[x.shape]
        first, second = x[:, :half], x[:, half:]
        return torch.cat([first * cos - second * sin, first * sin + second * cos], -1)


@wrong("03.rotate", "Pairs are counted from 1, so the fastest is missing.")
class PairsCountedFromOne:
    """Counts the pairs from 1, so pair 0 has the speed of pair 1, and so on."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        frequency = base ** (-torch.arange(1, half + 1) / half)
        angle = positions[:, None] * frequency
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=-1)


@wrong("03.rotate", "The first number is paired with the last.")
class MirroredPairs:
    """Pairs the first number with the last, the second with the last but one; the partner is D/2 further."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        first, second = rotate_pair(x[:, :half], x[:, half:].flip(-1), angle)
        return torch.cat([first, second.flip(-1)], dim=-1)


@right("03.rotate")
class RotateHalfOfLlama:
    """Rotate_half with all angles twice, as in transformers."""

    def rotate(x, positions, base):
        D = x.shape[-1]
        inv_freq = 1.0 / (base ** (torch.arange(0, D, 2).float() / D))
        freqs = torch.outer(positions.float(), inv_freq)
        emb = torch.cat((freqs, freqs), dim=-1)
        x1, x2 = x[..., : D // 2], x[..., D // 2 :]
        return x * emb.cos() + torch.cat((-x2, x1), dim=-1) * emb.sin()


@right("03.rotate")
class ComplexHalves:
    """Each half is a part of complex numbers, which are multiplied."""

    def rotate(x, positions, base):
        real, imag = x.chunk(2, dim=-1)
        half = real.shape[-1]
        angle = positions[:, None].float() * base ** (-torch.arange(half) / half)
        turned = torch.complex(real, imag) * torch.polar(torch.ones_like(angle), angle)
        return torch.cat([turned.real, turned.imag], dim=-1)


@right("03.rotate")
class LoopOverPairs:
    """A loop over the pairs, column by column."""

    def rotate(x, positions, base):
        half = x.shape[1] // 2
        turned = torch.zeros_like(x)
        for i in range(half):
            angle = positions.float() * base ** (-2 * i / x.shape[1])
            turned[:, i], turned[:, i + half] = rotate_pair(x[:, i], x[:, i + half], angle)
        return turned


@right("03.rotate")
class TwoByHalf:
    """Reshaped to (T, 2, D/2), and the speeds as powers of one factor."""

    def rotate(x, positions, base):
        T, D = x.shape
        factor = base ** (-2 / D)
        frequency = torch.tensor([factor**i for i in range(D // 2)])
        angle = positions.reshape(T, 1) * frequency
        first, second = x.reshape(T, 2, D // 2).unbind(1)
        return torch.stack(rotate_pair(first, second, angle), dim=1).reshape(T, D)
