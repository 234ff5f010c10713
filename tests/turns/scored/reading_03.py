"""Answers to the turns of lesson 03, written from its text alone by a reader."""

import math

import numpy as np
import torch
from turn_answers import right, wrong

from minillm.course.turns.positional_encoding import rotate_pair, sinusoids
from minillm.model.position import SinusoidalPosition

# --- 03.sinusoids


@wrong("03.sinusoids", "All sines come first, then all cosines.")
class SinesThenCosinesByCat:
    def sinusoids(positions, C):
        freqs = 10_000 ** (-2 * torch.arange(C // 2) / C)
        angles = torch.outer(positions.float(), freqs)
        return torch.cat([torch.sin(angles), torch.cos(angles)], dim=-1)


@wrong("03.sinusoids", "The number of the row is used in place of its position.")
class AnnotatedTransformer:
    def sinusoids(positions, C):
        pe = torch.zeros(len(positions), C)
        position = torch.arange(0, len(positions)).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, C, 2) * -(math.log(10000.0) / C))
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        return pe


@wrong("03.sinusoids", "The hands get faster, not slower.")
class DivTermWithoutTheMinus:
    def sinusoids(positions, C):
        pe = torch.zeros(len(positions), C)
        div_term = torch.exp(torch.arange(0, C, 2) * (math.log(10000.0) / C))
        pe[:, 0::2] = torch.sin(positions[:, None] * div_term)
        pe[:, 1::2] = torch.cos(positions[:, None] * div_term)
        return pe


@wrong("03.sinusoids", "The exponent is i/C, half of what it should be.")
class ForgetsTheTwo:
    def sinusoids(positions, C):
        rows = []
        for t in positions.tolist():
            row = []
            for i in range(C // 2):
                angle = t * 10_000 ** (-i / C)
                row += [math.sin(angle), math.cos(angle)]
            rows.append(row)
        return torch.tensor(rows)


@wrong("03.sinusoids", "The exponent is 4i/C, twice what it should be.")
class TwoTwice:
    def sinusoids(positions, C):
        i = torch.arange(0, C, 2)
        angle = positions.view(-1, 1) * 10_000 ** (-2 * i / C)
        out = torch.empty(len(positions), C)
        out[:, ::2], out[:, 1::2] = angle.sin(), angle.cos()
        return out


@wrong("03.sinusoids", "Each cosine stands before its sine.")
class CosineBeforeSine:
    def sinusoids(positions, C):
        z = torch.exp(1j * torch.outer(positions.float(), 10_000 ** (-torch.arange(0, C, 2) / C)))
        return torch.view_as_real(z).flatten(1)


@wrong("03.sinusoids", "The angles are converted from degrees to radians.")
class InDegrees:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C) * math.pi / 180
        return torch.stack([angle.sin(), angle.cos()], -1).reshape(len(positions), C)


@wrong("03.sinusoids", "The angles are multiplied by 2π.")
class InFullTurns:
    def sinusoids(positions, C):
        angle = 2 * math.pi * positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], -1).reshape(len(positions), C)


@wrong("03.sinusoids", "The result holds too few numbers.")
class OnlyTheAngles:
    def sinusoids(positions, C):
        frequency = 10_000 ** (-torch.arange(0, C, 2) / C)
        return positions[:, None] * frequency


@wrong("03.sinusoids", "All rows lie end to end, in one long one.")
class FlattensEverything:
    def sinusoids(positions, C):
        frequency = 10_000 ** (-torch.arange(0, C, 2) / C)
        angle = positions[:, None] * frequency
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten()


@wrong("03.sinusoids", "Sines and cosines are in an axis of their own.")
class ForgetsToFlatten:
    def sinusoids(positions, C):
        frequency = 10_000 ** (-torch.arange(0, C, 2) / C)
        angle = positions[:, None] * frequency
        return torch.stack([angle.sin(), angle.cos()], dim=-1)


@wrong("03.sinusoids", "The result has a batch axis in front.")
class WithABatchDimension:
    def sinusoids(positions, C):
        pe = torch.zeros(len(positions), C)
        angle = positions[:, None] * torch.exp(torch.arange(0, C, 2) * -(math.log(10000.0) / C))
        pe[:, 0::2] = torch.sin(angle)
        pe[:, 1::2] = torch.cos(angle)
        return pe.unsqueeze(0)


@wrong("03.sinusoids", "Each column has a frequency of its own.")
class AFrequencyPerColumn:
    def sinusoids(positions, C):
        angle = positions[:, None] / 10_000 ** (torch.arange(C) / C)
        angle[:, 0::2] = angle[:, 0::2].sin()
        angle[:, 1::2] = angle[:, 1::2].cos()
        return angle


@wrong("03.sinusoids", "The exponent of column c is 2c/C.")
class KerasWithoutTheFloor:
    def sinusoids(positions, C):
        i = np.arange(C)[np.newaxis, :]
        angle_rads = positions.numpy()[:, np.newaxis] / np.power(10000, (2 * i) / np.float32(C))
        angle_rads[:, 0::2] = np.sin(angle_rads[:, 0::2])
        angle_rads[:, 1::2] = np.cos(angle_rads[:, 1::2])
        return torch.from_numpy(angle_rads).float()


@wrong("03.sinusoids", "`sinusoids` returns a numpy array; the cells below need a torch tensor.")
class NumpyOut:
    def sinusoids(positions, C):
        angle = np.outer(positions, 10_000.0 ** (-np.arange(0, C, 2) / C))
        return np.stack([np.sin(angle), np.cos(angle)], -1).reshape(len(positions), C)


@wrong("03.sinusoids", "`sinusoids` returns a list; the cells below need a torch tensor.")
class ListsOut:
    def sinusoids(positions, C):
        table = []
        for t in positions:
            row = []
            for i in range(C // 2):
                angle = t.item() * 10_000 ** (-2 * i / C)
                row.append(math.sin(angle))
                row.append(math.cos(angle))
            table.append(row)
        return table


@wrong("03.sinusoids", "Only the first hand is written down.")
class ReturnsInsideTheLoop:
    def sinusoids(positions, C):
        out = torch.zeros(len(positions), C)
        for i in range(C // 2):
            angle = positions * 10_000 ** (-2 * i / C)
            out[:, 2 * i] = angle.sin()
            out[:, 2 * i + 1] = angle.cos()
            return out


@wrong("03.sinusoids", "`sinusoids` returned None.")
class Prints:
    def sinusoids(positions, C):
        frequency = 10_000 ** (-torch.arange(0, C, 2) / C)
        angle = positions[:, None] * frequency
        print(torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1))


@wrong("03.sinusoids", "raised RuntimeError")
class NoColumn:
    def sinusoids(positions, C):
        frequency = 10_000 ** (-torch.arange(0, C, 2) / C)
        angle = positions * frequency
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "All hands have the frequency 1.")
class FloorDivision:
    def sinusoids(positions, C):
        frequency = 10_000.0 ** (-(torch.arange(0, C, 2) // C))
        angle = positions[:, None] * frequency
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The base is 100,000.")
class AtALargerBase:
    def sinusoids(positions, C):
        angle = positions[:, None] * 100_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The result holds too few numbers.")
class TheTableOfThePage:
    def sinusoids(positions, C):
        angle = torch.stack([1.0 * positions, 0.01 * positions], -1)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "Rows and columns are exchanged.")
class ColumnsForRows:
    def sinusoids(positions, C):
        columns = []
        for i in range(C // 2):
            angle = positions * 10_000 ** (-2 * i / C)
            columns += [angle.sin(), angle.cos()]
        return torch.stack(columns)


@wrong("03.sinusoids", "Each cosine stands before its sine.")
class SineInOddColumns:
    def sinusoids(positions, C):
        table = torch.zeros(len(positions), C)
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        table[:, 1::2] = angle.sin()
        table[:, 0::2] = angle.cos()
        return table


@wrong("03.sinusoids", "The table holds whole numbers only.")
class ATableOfWholeNumbers:
    def sinusoids(positions, C):
        table = torch.zeros(len(positions), C, dtype=positions.dtype)
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        table[:, 0::2] = angle.sin()
        table[:, 1::2] = angle.cos()
        return table


@wrong("03.sinusoids", "The table has more rows than there are positions.")
class TheWholeTable:
    def sinusoids(positions, C):
        angle = torch.arange(int(positions.max()) + 1)[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "Hands are counted from 1, so the fastest is missing.")
class HandsFromOne:
    def sinusoids(positions, C):
        columns = []
        for i in range(1, C // 2 + 1):
            angle = positions * 10_000 ** (-2 * i / C)
            columns += [angle.sin(), angle.cos()]
        return torch.stack(columns, dim=1)


@wrong("03.sinusoids", "There are only sines, each column with a frequency of its own.")
class SineOnly:
    def sinusoids(positions, C):
        return (positions[:, None] * 10_000 ** (-torch.arange(C) / C)).sin()


@wrong("03.sinusoids", "raised ValueError")
class MathSine:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return math.sin(angle), math.cos(angle)


@wrong("03.sinusoids", "All sines come first, then all cosines.")
class StacksBeforeTheHands:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=1).flatten(1)


@wrong("03.sinusoids", "`sinusoids` goes more than 1,000 calls deep")
class CallsItself:
    def sinusoids(positions, C):
        return sinusoids(positions, C)


@wrong("03.sinusoids", "Each cosine stands before its sine.")
class PackageWithCosinesFirst:
    def sinusoids(positions, C):
        return SinusoidalPosition(C)(positions).unflatten(1, (-1, 2)).flip(-1).flatten(1)


@wrong("03.sinusoids", "")
class RaisesToTheFrequency:
    def sinusoids(positions, C):
        angle = positions[:, None] ** (10_000 ** (-torch.arange(0, C, 2) / C))
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The frequency multiplies the sine and the cosine, not the angle.")
class FrequencyOutsideTheSine:
    def sinusoids(positions, C):
        frequency = 10_000 ** (-torch.arange(0, C, 2) / C)
        sin, cos = positions.sin()[:, None] * frequency, positions.cos()[:, None] * frequency
        return torch.stack([sin, cos], dim=-1).flatten(1)


@wrong("03.sinusoids", "raised IndexError")
class RowByPosition:
    def sinusoids(positions, C):
        table = torch.zeros(len(positions), C)
        for t in positions:
            for i in range(C // 2):
                table[t, 2 * i] = torch.sin(t * 10_000 ** (-2 * i / C))
                table[t, 2 * i + 1] = torch.cos(t * 10_000 ** (-2 * i / C))
        return table


@wrong("03.sinusoids", "Each hand gives the cosine of its sine, twice.")
class CosineOfTheSine:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin_(), angle.cos_()], dim=-1).flatten(1)


@wrong("03.sinusoids", "All sines lie above all cosines.")
class BelowEachOther:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.cat([angle.sin(), angle.cos()])


@wrong("03.sinusoids", "raised NotImplementedError")
class HatForPower:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ^ (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "Every row holds the numbers of all rows.")
class OneListForAllRows:
    def sinusoids(positions, C):
        rows, row = [], []
        for t in positions.tolist():
            for i in range(C // 2):
                row += [math.sin(t * 10_000 ** (-2 * i / C)), math.cos(t * 10_000 ** (-2 * i / C))]
            rows.append(row)
        return torch.tensor(rows)


@wrong("03.sinusoids", "The exponent is 4i/C, twice what it should be.")
class LoopByTwosAndTwice:
    def sinusoids(positions, C):
        table = torch.zeros(len(positions), C)
        for i in range(0, C, 2):
            angle = positions / 10_000 ** (2 * i / C)
            table[:, i] = angle.sin()
            table[:, i + 1] = angle.cos()
        return table


@right("03.sinusoids")
class ByPhase:
    def sinusoids(positions, C):
        column = torch.arange(C)
        frequency = 10_000 ** (-(column // 2) * 2 / C)
        return torch.sin(positions.double()[:, None] * frequency + column % 2 * math.pi / 2).float()


@right("03.sinusoids")
class ByComplexPowers:
    def sinusoids(positions, C):
        angle = torch.outer(positions.float(), torch.exp(-math.log(10_000) * torch.arange(0, C, 2) / C))
        z = torch.polar(torch.ones_like(angle), angle)
        return torch.stack((z.imag, z.real), 2).reshape(-1, C)


@right("03.sinusoids")
class NumberByNumber:
    def sinusoids(positions, C):
        def entry(t, c):
            angle = t / 10_000 ** (c // 2 * 2 / C)
            return math.cos(angle) if c % 2 else math.sin(angle)

        return torch.tensor([[entry(t, c) for c in range(C)] for t in positions.tolist()])


@right("03.sinusoids")
class RepeatInterleave:
    def sinusoids(positions, C):
        angle = (positions.unsqueeze(1) / 10_000 ** (torch.arange(0, C, 2) / C)).repeat_interleave(2, dim=1)
        return torch.where(torch.arange(C) % 2 == 0, angle.sin(), angle.cos())


# --- 03.rotate_pair


@wrong("03.rotate_pair", "It turns the other way, by minus the angle.")
class TheOtherWayRound:
    def rotate_pair(x, y, angle):
        return x * angle.cos() + y * angle.sin(), -x * angle.sin() + y * angle.cos()


@wrong("03.rotate_pair", "The new y is made of the new x.")
class UsesTheNewX:
    def rotate_pair(x, y, angle):
        x = x * torch.cos(angle) - y * torch.sin(angle)
        y = x * torch.sin(angle) + y * torch.cos(angle)
        return x, y


@wrong("03.rotate_pair", "Sine and cosine are exchanged.")
class SineForCosine:
    def rotate_pair(x, y, angle):
        return x * angle.sin() - y * angle.cos(), x * angle.cos() + y * angle.sin()


@wrong("03.rotate_pair", "The minus is missing.")
class NoMinus:
    def rotate_pair(x, y, angle):
        return x * angle.cos() + y * angle.sin(), x * angle.sin() + y * angle.cos()


@wrong("03.rotate_pair", "The minus is in the new y, so the point is mirrored.")
class Mirror:
    def rotate_pair(x, y, angle):
        return x * angle.cos() + y * angle.sin(), x * angle.sin() - y * angle.cos()


@wrong("03.rotate_pair", "There is a minus in both lines.")
class MinusInTheSecond:
    def rotate_pair(x, y, angle):
        return x * angle.cos() - y * angle.sin(), x * angle.sin() - y * angle.cos()


@wrong("03.rotate_pair", "x and y are scaled, each by itself.")
class RowsOfTheMatrix:
    def rotate_pair(x, y, angle):
        c, s = angle.cos(), angle.sin()
        return x * c - x * s, y * s + y * c


@wrong("03.rotate_pair", "The angle is taken for degrees.")
class Degrees:
    def rotate_pair(x, y, angle):
        a = torch.deg2rad(angle)
        return x * a.cos() - y * a.sin(), x * a.sin() + y * a.cos()


@wrong("03.rotate_pair", "raised ValueError")
class MathCosine:
    def rotate_pair(x, y, angle):
        return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)


@wrong("03.rotate_pair", "Only the new x is returned.")
class TheXOnly:
    def rotate_pair(x, y, angle):
        return x * angle.cos() - y * angle.sin()


@wrong("03.rotate_pair", "The new y is returned first.")
class YBeforeX:
    def rotate_pair(x, y, angle):
        new_x = x * angle.cos() - y * angle.sin()
        new_y = x * angle.sin() + y * angle.cos()
        return new_y, new_x


@wrong("03.rotate_pair", "Sine and cosine are added, so the point is shifted.")
class Shifts:
    def rotate_pair(x, y, angle):
        return x + angle.cos(), y + angle.sin()


@wrong("03.rotate_pair", "x and y are scaled, each by itself.")
class Stretches:
    def rotate_pair(x, y, angle):
        return x * angle.cos(), y * angle.sin()


@wrong("03.rotate_pair", "raised ValueError")
class MatrixOfOneAngle:
    def rotate_pair(x, y, angle):
        R = torch.tensor([[torch.cos(angle), -torch.sin(angle)], [torch.sin(angle), torch.cos(angle)]])
        return R @ torch.stack([x, y])


@wrong("03.rotate_pair", "Every point is turned by the first angle.")
class TheFirstAngleForAll:
    def rotate_pair(x, y, angle):
        a = angle.flatten()[0]
        return x * a.cos() - y * a.sin(), x * a.sin() + y * a.cos()


@wrong("03.rotate_pair", "`atan` forgets on which side the point is.")
class ArcTangentOfTheRatio:
    def rotate_pair(x, y, angle):
        r = (x**2 + y**2).sqrt()
        phi = torch.atan(y / x) + angle
        return r * phi.cos(), r * phi.sin()


@wrong("03.rotate_pair", "All points land at a distance of 1 from (0, 0).")
class NormLost:
    def rotate_pair(x, y, angle):
        phi = torch.atan2(y, x) + angle
        return phi.cos(), phi.sin()


@wrong("03.rotate_pair", "x and y are exchanged before the turn.")
class ArcTangentWithSwappedArguments:
    def rotate_pair(x, y, angle):
        r, phi = torch.hypot(x, y), torch.atan2(x, y) + angle
        return r * phi.cos(), r * phi.sin()


@wrong("03.rotate_pair", "`rotate_pair` returned None.")
class PrintsBoth:
    def rotate_pair(x, y, angle):
        print(x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos())


@wrong("03.rotate_pair", "`rotate_pair` returned None.")
class NoReturn:
    def rotate_pair(x, y, angle):
        cos, sin = angle.cos(), angle.sin()
        x, y = x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "raised RuntimeError")
class NumpyPair:
    def rotate_pair(x, y, angle):
        x, y, angle = x.numpy(), y.numpy(), angle.numpy()
        return x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)


@wrong("03.rotate_pair", "raised RuntimeError")
class DotProducts:
    def rotate_pair(x, y, angle):
        return x @ angle.cos() - y @ angle.sin(), x @ angle.sin() + y @ angle.cos()


@wrong(
    "03.rotate_pair",
    "`rotate_pair` returned something that is a sparse, quantized, complex or meta tensor; return an ordinary one.",
)
class OneComplexNumber:
    def rotate_pair(x, y, angle):
        return torch.complex(x, y) * torch.exp(1j * angle)


@wrong("03.rotate_pair", "It turns the other way, by minus the angle.")
class DividesByTheAngle:
    def rotate_pair(x, y, angle):
        z = torch.complex(x, y) / torch.exp(1j * angle)
        return z.real, z.imag


@wrong("03.rotate_pair", "")
class CosineOfX:
    def rotate_pair(x, y, angle):
        return x.cos() * angle - y.sin() * angle, x.sin() * angle + y.cos() * angle


@wrong("03.rotate_pair", "")
class TurnsTwice:
    def rotate_pair(x, y, angle):
        cos, sin = torch.cos(2 * angle), torch.sin(2 * angle)
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "Lists of numbers are returned.")
class PointByPointInLists:
    def rotate_pair(x, y, angle):
        xs, ys = [], []
        for a, b, w in zip(x.flatten(), y.flatten(), angle.flatten(), strict=True):
            xs.append((a * w.cos() - b * w.sin()).item())
            ys.append((a * w.sin() + b * w.cos()).item())
        return xs, ys


@wrong("03.rotate_pair", "`rotate_pair` changed the input that it was given; work on a copy.")
class OverwritesXInPlace:
    def rotate_pair(x, y, angle):
        old = x.clone()
        x.mul_(angle.cos()).sub_(y * angle.sin())
        y.mul_(angle.cos()).add_(old * angle.sin())
        return x, y


@wrong("03.rotate_pair", "x and y are exchanged before the turn.")
class XAndYExchanged:
    def rotate_pair(x, y, angle):
        return y * angle.cos() - x * angle.sin(), y * angle.sin() + x * angle.cos()


@wrong("03.rotate_pair", "Negative angles turn the wrong way.")
class SineByTheRoot:
    def rotate_pair(x, y, angle):
        cos = angle.cos()
        sin = (1 - cos**2).sqrt()
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "Every point makes a quarter turn.")
class AQuarterTurn:
    def rotate_pair(x, y, angle):
        return -y, x


@wrong("03.rotate_pair", "raised NameError")
class BareCosine:
    def rotate_pair(x, y, angle):
        return x * cos(angle) - y * sin(angle), x * sin(angle) + y * cos(angle)


@wrong("03.rotate_pair", "Both numbers are right, but in one tensor.")
class StackedInTheLastAxis:
    def rotate_pair(x, y, angle):
        return torch.stack([x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()], -1)


@wrong("03.rotate_pair", "")
class ADifferenceAndASumOfAngles:
    def rotate_pair(x, y, angle):
        return (x - y) * angle.cos(), (x + y) * angle.sin()


@wrong("03.rotate_pair", "raised TypeError")
class TheSolutionOfAxes:
    def rotate_pair(x, y, angle):
        first = angle.cos(), angle.sin()
        second = -angle.sin(), angle.cos()
        return x * first, y * second


@right("03.rotate_pair")
class ByComplexNumbers:
    def rotate_pair(x, y, angle):
        z = torch.complex(x, y) * torch.polar(torch.ones_like(angle), angle)
        return z.real, z.imag


@right("03.rotate_pair")
class ByPolarCoordinates:
    def rotate_pair(x, y, angle):
        r, phi = torch.hypot(x, y), torch.atan2(y, x)
        return r * torch.cos(phi + angle), r * torch.sin(phi + angle)


@right("03.rotate_pair")
class ByAMatrixPerPoint:
    def rotate_pair(x, y, angle):
        cos, sin = torch.cos(angle), torch.sin(angle)
        R = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
        new = (R @ torch.stack([x, y], -1)[..., None])[..., 0]
        return new[..., 0], new[..., 1]


@right("03.rotate_pair")
class WithMinusTheAngle:
    def rotate_pair(x, y, angle):
        c, s = torch.cos(-angle), torch.sin(-angle)
        return c * x + s * y, c * y - s * x


# --- 03.rotate


@wrong("03.rotate", "The pairs are neighbors, 0 with 1: a rotary encoding, but not the one of these weights.")
class NeighborsAsInThePaper:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        a, b = rotate_pair(x[:, ::2], x[:, 1::2], angle)
        return torch.stack([a, b], -1).flatten(1)


@wrong("03.rotate", "The pairs are neighbors, 0 with 1: a rotary encoding, but not the one of these weights.")
class LlamaFreqsCis:
    def rotate(x, positions, base):
        dim = x.shape[1]
        freqs = 1.0 / (base ** (torch.arange(0, dim, 2)[: (dim // 2)].float() / dim))
        freqs_cis = torch.polar(torch.ones(len(positions), dim // 2), torch.outer(positions.float(), freqs))
        x_ = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
        return torch.view_as_real(x_ * freqs_cis).flatten(1).type_as(x)


@wrong("03.rotate", "The exponent is i/D, half of what it should be.")
class TwoForgotten:
    def rotate(x, positions, base):
        D = x.shape[1]
        angle = positions[:, None] * base ** (-torch.arange(D // 2) / D)
        return torch.cat(rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle), dim=1)


@wrong("03.rotate", "The exponent is 4i/D, twice what it should be.")
class TwoTooMany:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-2 * torch.arange(half) / half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=1)


@wrong("03.rotate", "Halves make the pairs, but the angles are repeated for neighbors.")
class RotateHalfWithInterleavedAngles:
    def rotate(x, positions, base):
        D = x.shape[1]
        inv_freq = 1 / base ** (torch.arange(0, D, 2) / D)
        emb = torch.outer(positions.float(), inv_freq).repeat_interleave(2, dim=-1)
        x1, x2 = x.chunk(2, dim=-1)
        return x * emb.cos() + torch.cat((-x2, x1), dim=-1) * emb.sin()


@wrong("03.rotate", "The minus is missing, so the lengths change.")
class RotateHalfWithoutTheMinus:
    def rotate(x, positions, base):
        D = x.shape[1]
        freqs = torch.outer(positions.float(), 1 / base ** (torch.arange(0, D, 2) / D))
        emb = torch.cat((freqs, freqs), dim=-1)
        x1, x2 = x[..., : D // 2], x[..., D // 2 :]
        return x * emb.cos() + torch.cat((x2, x1), dim=-1) * emb.sin()


@wrong("03.rotate", "It turns the other way.")
class RotateHalfWithTheMinusInTheSecond:
    def rotate(x, positions, base):
        D = x.shape[1]
        freqs = torch.outer(positions.float(), 1 / base ** (torch.arange(0, D, 2) / D))
        emb = torch.cat((freqs, freqs), dim=-1)
        x1, x2 = x[..., : D // 2], x[..., D // 2 :]
        return x * emb.cos() + torch.cat((x2, -x1), dim=-1) * emb.sin()


@wrong("03.rotate", "Rows are counted 0, 1, 2, and `positions` isn't used.")
class CountsFromZero:
    def rotate(x, positions, base):
        T, D = x.shape
        angle = torch.arange(T)[:, None] * base ** (-torch.arange(0, D, 2) / D)
        return torch.cat(rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle), dim=1)


@wrong("03.rotate", "Positions are counted from the first one.")
class FromTheFirstPosition:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = (positions - positions[0])[:, None] * base ** (-torch.arange(half) / half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=1)


@wrong("03.rotate", "The base is 10,000, whatever the argument says.")
class TheBaseOfSinusoids:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        table = sinusoids(positions, 2 * half)
        sin, cos = table[:, 0::2], table[:, 1::2]
        a, b = x[:, :half], x[:, half:]
        return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=1)


@wrong("03.rotate", "The sines and cosines of `sinusoids` are added to x.")
class AddsTheSinusoids:
    def rotate(x, positions, base):
        return x + sinusoids(positions, x.shape[1])


@wrong("03.rotate", "Two halves are returned.")
class ATupleOfHalves:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        return rotate_pair(x[:, :half], x[:, half:], angle)


@wrong("03.rotate", "One half lies below the other.")
class JoinedAlongTheRows:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle))


@wrong("03.rotate", "Halves make the pairs, and their results are put back as neighbors.")
class HalvesInNeighborsOut:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        return torch.stack(rotate_pair(x[:, :half], x[:, half:], angle), dim=-1).flatten(1)


@wrong("03.rotate", "Neighbors make the pairs, and their results are put back as halves.")
class NeighborsInHalvesOut:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        return torch.cat(rotate_pair(x[:, 0::2], x[:, 1::2], angle), dim=-1)


@wrong("03.rotate", "raised RuntimeError")
class NoColumnOfPositions:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions * base ** (-torch.arange(half) / half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=1)


@wrong("03.rotate", "raised RuntimeError")
class RowsCutInHalf:
    def rotate(x, positions, base):
        half = len(x) // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        a, b = rotate_pair(x[:half], x[half:], angle)
        return torch.cat([a, b])


@wrong("03.rotate", "The positions are rounded to bfloat16, which counts to 256 without gaps.")
class PositionsInBfloat16:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions.bfloat16()[:, None] * base ** (-torch.arange(half) / half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=1)


@wrong("03.rotate", "The frequencies are in reverse order.")
class SlowHandsFirst:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half).flip(0) / half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=1)


@wrong("03.rotate", "The pairs get faster, not slower.")
class FasterAndFaster:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (torch.arange(half) / half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=1)


@wrong("03.rotate", "All pairs turn at the same speed.")
class OneSpeedForAll:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None].float().expand(-1, half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=1)


@wrong("03.rotate", "It turns the other way.")
class TurnedBack:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], -angle), dim=1)


@wrong("03.rotate", "The right half is made of the new left half.")
class OverwritesTheFirstHalf:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        x = x.clone()
        x[:, :half] = x[:, :half] * angle.cos() - x[:, half:] * angle.sin()
        x[:, half:] = x[:, :half] * angle.sin() + x[:, half:] * angle.cos()
        return x


@wrong("03.rotate", "`rotate` changed the input that it was given; work on a copy.")
class OverwritesTheInput:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        x[:, :half], x[:, half:] = rotate_pair(x[:, :half].clone(), x[:, half:].clone(), angle)
        return x


@wrong("03.rotate", "Rows are counted 0, 1, 2, and `positions` isn't used.")
class RowByRowFromZero:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        rows = []
        for t, row in enumerate(x):
            angle = t * base ** (-torch.arange(half) / half)
            rows.append(torch.cat(rotate_pair(row[:half], row[half:], angle)))
        return torch.stack(rows)


@wrong("03.rotate", "Pairs are counted from 1, so the fastest is missing.")
class PairsCountedFromOne:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(1, half + 1) / half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=1)


@wrong("03.rotate", "The first number is paired with the last.")
class FirstAndLast:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        first, second = rotate_pair(x[:, :half], x[:, half:].flip(1), angle)
        return torch.cat([first, second.flip(1)], dim=1)


@wrong("03.rotate", "The right half stays as it was.")
class TheFirstHalfOnly:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        first, _ = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([first, x[:, half:]], dim=1)


@wrong("03.rotate", "The two halves are exchanged.")
class SecondBeforeFirst:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        first, second = rotate_pair(x[:, :half], x[:, half:], angle)
        return torch.cat([second, first], dim=1)


@wrong("03.rotate", "Each row is shifted along, and what falls off the end comes back in front.")
class RollsTheRow:
    def rotate(x, positions, base):
        return torch.stack([torch.roll(row, int(t)) for row, t in zip(x, positions, strict=True)])


@wrong("03.rotate", "raised RuntimeError")
class HeadsOfSixtyFour:
    def rotate(x, positions, base):
        angle = positions[:, None] * base ** (-torch.arange(32) / 32)
        return torch.cat(rotate_pair(x[:, :32], x[:, 32:], angle), dim=1)


@wrong("03.rotate", "raised RuntimeError")
class SpeedsOfThePicture:
    def rotate(x, positions, base):
        speeds = 100 ** (-torch.arange(4) / 4)
        half = x.shape[1] // 2
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], positions[:, None] * speeds), dim=1)


@wrong("03.rotate", "Only pair 0 is there.")
class ReturnsInsideTheLoopOfPairs:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        out = torch.zeros_like(x)
        for i in range(half):
            angle = positions * base ** (-i / half)
            out[:, i], out[:, i + half] = rotate_pair(x[:, i], x[:, i + half], angle)
            return out


@wrong("03.rotate", "The pairs are neighbors, 0 with 1: a rotary encoding, but not the one of these weights.")
class PairsOneFurther:
    def rotate(x, positions, base):
        D = x.shape[1]
        out = torch.zeros_like(x)
        for i in range(0, D, 2):
            angle = positions * base ** (-i / D)
            out[:, i], out[:, i + 1] = rotate_pair(x[:, i], x[:, i + 1], angle)
        return out


@wrong("03.rotate", "The result has two more axes in front.")
class WithTheBatchOfTheWeb:
    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        angle = (positions[:, None] * base ** (-torch.arange(half) / half))[None, None]
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], dim=-1)


@wrong("03.rotate", "`rotate` returned None.")
class PrintsTheTable:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        print(torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=1))


@wrong("03.rotate", "raised RuntimeError")
class SinusoidsForAngles:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], sinusoids(positions, 2 * half)), dim=1)


@wrong("03.rotate", "Each number has a frequency of its own.")
class AnAngleForEachColumn:
    def rotate(x, positions, base):
        D = x.shape[1]
        angle = positions[:, None] * base ** (-torch.arange(D) / D)
        x1, x2 = x.chunk(2, dim=-1)
        return x * angle.cos() + torch.cat((-x2, x1), dim=-1) * angle.sin()


@wrong("03.rotate", "It turns the other way.")
class RightHalfFirst:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        second, first = rotate_pair(x[:, half:], x[:, :half], angle)
        return torch.cat([first, second], dim=1)


@wrong("03.rotate", "")
class ViewedAsTwo:
    def rotate(x, positions, base):
        T, D = x.shape
        angle = positions[:, None] * base ** (-torch.arange(D // 2) / (D // 2))
        a, b = x.view(2, T, D // 2)
        return torch.stack(rotate_pair(a, b, angle)).view(T, D)


@wrong("03.rotate", "The frequency is i/base, so pair 0 never turns.")
class DividedByTheBase:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * torch.arange(half) / base
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), dim=1)


@wrong("03.rotate", "raised RuntimeError")
class ChunksOfRows:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        a, b = x.chunk(2)
        return torch.cat(rotate_pair(a, b, angle), dim=1)


@wrong("03.rotate", "All rows are turned by all positions, one after the other.")
class OnceForEveryPosition:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        for t in positions:
            angle = t * base ** (-torch.arange(half) / half)
            x = torch.cat(rotate_pair(x[:, :half], x[:, half:], angle.expand(len(x), -1)), dim=1)
        return x


@wrong("03.rotate", "Only pair 0 is turned.")
class PairZeroOfAClone:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        out = x.clone()
        for i in range(half):
            angle = positions * base ** (-i / half)
            out[:, i], out[:, i + half] = rotate_pair(x[:, i], x[:, i + half], angle)
            return out


@wrong("03.rotate", "The sines and cosines are added to x.")
class AddsItsOwnWaves:
    def rotate(x, positions, base):
        D = x.shape[1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        return x + torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


@right("03.rotate")
class HuggingFace:
    def rotate(x, positions, base):
        D = x.shape[-1]
        inv_freq = 1.0 / (base ** (torch.arange(0, D, 2, dtype=torch.int64).float() / D))
        freqs = (inv_freq[:, None] @ positions.float()[None]).T
        emb = torch.cat((freqs, freqs), dim=-1)
        x1, x2 = x[..., : D // 2], x[..., D // 2 :]
        return (x * emb.cos()) + (torch.cat((-x2, x1), dim=-1) * emb.sin())


@right("03.rotate")
class ComplexHalves:
    def rotate(x, positions, base):
        real, imag = x.chunk(2, dim=1)
        half = real.shape[1]
        z = torch.complex(real, imag) * torch.exp(1j * torch.outer(positions, base ** (-torch.arange(half) / half)))
        return torch.cat([z.real, z.imag], 1)


@right("03.rotate")
class PairByPair:
    def rotate(x, positions, base):
        D = x.shape[1]
        out = x.clone()
        for i in range(D // 2):
            angle = positions * base ** (-2 * i / D)
            out[:, i], out[:, i + D // 2] = rotate_pair(x[:, i], x[:, i + D // 2], angle)
        return out


@right("03.rotate")
class ABlockMatrixPerRow:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        rows = []
        for row, t in zip(x, positions, strict=True):
            angle = t * base ** (-torch.arange(half) / half)
            cos, sin = torch.diag(angle.cos()), torch.diag(angle.sin())
            rows.append(torch.cat([torch.cat([cos, -sin], 1), torch.cat([sin, cos], 1)]) @ row)
        return torch.stack(rows)
