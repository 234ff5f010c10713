"""Answers to the turns of lesson 03, written from the text of its stubs alone, before the checks."""

import math

import numpy as np
import torch
from turn_answers import right, wrong

# --- 03.sinusoids


@wrong("03.sinusoids", "")
class HalvesNotInTurn:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


@wrong("03.sinusoids", "")
class CosineFirst:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.cos(), angle.sin()], dim=-1).flatten(1)


@wrong("03.sinusoids", "")
class SinesOnly:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(C) / C)
        return angle.sin()


@wrong("03.sinusoids", "")
class AFrequencyPerNumber:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(C) / C)
        table = torch.zeros(len(positions), C)
        table[:, 0::2] = angle[:, 0::2].sin()
        table[:, 1::2] = angle[:, 1::2].cos()
        return table


@wrong("03.sinusoids", "")
class HalfTheExponent:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(C // 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "")
class TwiceTheExponent:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-2 * torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "")
class PositiveExponent:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "")
class BaseAThousand:
    def sinusoids(positions, C):
        angle = positions[:, None] * 1_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "")
class ItsOwnPositions:
    def sinusoids(positions, C):
        t = torch.arange(len(positions))
        angle = t[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "")
class OneBased:
    def sinusoids(positions, C):
        angle = (positions[:, None] + 1) * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "")
class NoFlatten:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1)


@wrong("03.sinusoids", "")
class StackedOnTop:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()]).view(len(positions), C)


@wrong("03.sinusoids", "")
class NoBroadcast:
    def sinusoids(positions, C):
        angle = positions * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten()


@wrong("03.sinusoids", "")
class ColumnsArePositions:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1).T


@wrong("03.sinusoids", "")
class MathSin:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([math.sin(angle), math.cos(angle)], dim=-1).flatten(1)


@wrong("03.sinusoids", "")
class LoopWithReturn:
    def sinusoids(positions, C):
        table = torch.zeros(len(positions), C)
        for t, p in enumerate(positions):
            for i in range(C // 2):
                angle = p / 10_000 ** (2 * i / C)
                table[t, 2 * i] = torch.sin(angle)
                table[t, 2 * i + 1] = torch.cos(angle)
            return table


@wrong("03.sinusoids", "")
class ByRowNumber:
    def sinusoids(positions, C):
        table = torch.zeros(len(positions), C)
        for t in range(len(positions)):
            for i in range(C // 2):
                angle = t / 10_000 ** (2 * i / C)
                table[t, 2 * i] = math.sin(angle)
                table[t, 2 * i + 1] = math.cos(angle)
        return table


@wrong("03.sinusoids", "")
class PositionAsRow:
    def sinusoids(positions, C):
        table = torch.zeros(len(positions), C)
        for p in positions:
            for i in range(C // 2):
                angle = p / 10_000 ** (2 * i / C)
                table[p, 2 * i] = math.sin(angle)
                table[p, 2 * i + 1] = math.cos(angle)
        return table


@wrong("03.sinusoids", "")
class StepOfTwoTwice:
    def sinusoids(positions, C):
        table = torch.zeros(len(positions), C)
        for t, p in enumerate(positions):
            for i in range(0, C, 2):
                angle = p / 10_000 ** (2 * i / C)
                table[t, i] = math.sin(angle)
                table[t, i + 1] = math.cos(angle)
        return table


@wrong("03.sinusoids", "")
class IntegerDivision:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) // C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "")
class Numpy:
    def sinusoids(positions, C):
        angle = positions.numpy()[:, None] / 10_000 ** (np.arange(0, C, 2) / C)
        out = np.zeros((len(positions), C), dtype=np.float32)
        out[:, 0::2], out[:, 1::2] = np.sin(angle), np.cos(angle)
        return out


@wrong("03.sinusoids", "")
class Prints:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        print(torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1))


@wrong("03.sinusoids", "")
class Degrees:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C) * math.pi / 180
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "")
class FullTurns:
    def sinusoids(positions, C):
        angle = 2 * math.pi * positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "")
class BatchAxis:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[None]


@wrong("03.sinusoids", "")
class TensorToTensor:
    def sinusoids(positions, C):
        two_i = torch.arange(0, C, 2)
        div = torch.exp(two_i * math.log(10_000.0) / C)
        pe = torch.zeros(len(positions), C)
        pe[:, 0::2] = torch.sin(positions[:, None] * div)
        pe[:, 1::2] = torch.cos(positions[:, None] * div)
        return pe


@wrong("03.sinusoids", "")
class AnnotatedTransformerAttribute:
    def sinusoids(positions, C):
        pe = torch.zeros(max_len, d_model)  # noqa: F821
        div_term = torch.exp(torch.arange(0, d_model, 2) * -(math.log(10000.0) / d_model))  # noqa: F821
        pe[:, 0::2] = torch.sin(positions * div_term)
        pe[:, 1::2] = torch.cos(positions * div_term)
        return pe


@wrong("03.sinusoids", "")
class SineOfTheSine:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.sin()], dim=-1).flatten(1)


@right("03.sinusoids")
class AnnotatedTransformer:
    def sinusoids(positions, C):
        pe = torch.zeros(len(positions), C)
        position = positions.unsqueeze(1).float()
        div_term = torch.exp(torch.arange(0, C, 2).float() * -(math.log(10000.0) / C))
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        return pe


@right("03.sinusoids")
class PlainLoops:
    def sinusoids(positions, C):
        rows = []
        for p in positions.tolist():
            row = []
            for i in range(C // 2):
                a = p / 10_000 ** (2 * i / C)
                row += [math.sin(a), math.cos(a)]
            rows.append(row)
        return torch.tensor(rows)


@right("03.sinusoids")
class CosineIsALateSine:
    def sinusoids(positions, C):
        i = torch.arange(C)
        angle = positions[:, None] / 10_000 ** ((i - i % 2) / C)
        return torch.sin(angle + (i % 2) * math.pi / 2)


@right("03.sinusoids")
class ComplexNumbers:
    def sinusoids(positions, C):
        angle = torch.outer(positions.float(), 10_000 ** (-torch.arange(0, C, 2) / C))
        z = torch.polar(torch.ones_like(angle), angle)
        return torch.stack([z.imag, z.real], -1).reshape(len(positions), C)


# --- 03.rotate_pair


@wrong("03.rotate_pair", "")
class Clockwise:
    def rotate_pair(x, y, angle):
        return x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()


@wrong("03.rotate_pair", "")
class BothMinus:
    def rotate_pair(x, y, angle):
        return x * angle.cos() - y * angle.sin(), y * angle.cos() - x * angle.sin()


@wrong("03.rotate_pair", "")
class BothPlus:
    def rotate_pair(x, y, angle):
        return x * angle.cos() + y * angle.sin(), x * angle.sin() + y * angle.cos()


@wrong("03.rotate_pair", "")
class OverwritesX:
    def rotate_pair(x, y, angle):
        x = x * angle.cos() - y * angle.sin()
        y = x * angle.sin() + y * angle.cos()
        return x, y


@wrong("03.rotate_pair", "")
class OverwritesY:
    def rotate_pair(x, y, angle):
        y = x * angle.sin() + y * angle.cos()
        x = x * angle.cos() - y * angle.sin()
        return x, y


@wrong("03.rotate_pair", "")
class DegreesIn:
    def rotate_pair(x, y, angle):
        a = torch.deg2rad(angle)
        return x * a.cos() - y * a.sin(), x * a.sin() + y * a.cos()


@wrong("03.rotate_pair", "")
class SinForCos:
    def rotate_pair(x, y, angle):
        return x * angle.sin() - y * angle.cos(), x * angle.cos() + y * angle.sin()


@wrong("03.rotate_pair", "")
class YFirst:
    def rotate_pair(x, y, angle):
        return x * angle.sin() + y * angle.cos(), x * angle.cos() - y * angle.sin()


@wrong("03.rotate_pair", "")
class MathCos:
    def rotate_pair(x, y, angle):
        c, s = math.cos(angle), math.sin(angle)
        return x * c - y * s, x * s + y * c


@wrong("03.rotate_pair", "")
class OnlyX:
    def rotate_pair(x, y, angle):
        return x * angle.cos() - y * angle.sin()


@wrong("03.rotate_pair", "")
class OneTensor:
    def rotate_pair(x, y, angle):
        return torch.stack([x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()], dim=-1)


@wrong("03.rotate_pair", "")
class StartsAtTheAxis:
    def rotate_pair(x, y, angle):
        r = (x**2 + y**2).sqrt()
        return r * angle.cos(), r * angle.sin()


@wrong("03.rotate_pair", "")
class AddsTheAngle:
    def rotate_pair(x, y, angle):
        return x + angle.cos(), y + angle.sin()


@wrong("03.rotate_pair", "")
class ScalesOnly:
    def rotate_pair(x, y, angle):
        return x * angle.cos(), y * angle.sin()


@wrong("03.rotate_pair", "")
class AtanWithoutQuadrant:
    def rotate_pair(x, y, angle):
        r, phi = (x**2 + y**2).sqrt(), torch.atan(y / x)
        return r * (phi + angle).cos(), r * (phi + angle).sin()


@wrong("03.rotate_pair", "")
class ForgetsTheRoot:
    def rotate_pair(x, y, angle):
        r, phi = x**2 + y**2, torch.atan2(y, x)
        return r * (phi + angle).cos(), r * (phi + angle).sin()


@wrong("03.rotate_pair", "")
class MatrixOfTensors:
    def rotate_pair(x, y, angle):
        R = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
        return R @ torch.tensor([x, y])


@wrong("03.rotate_pair", "")
class FunctionsOfNothing:
    def rotate_pair(x, y, angle):
        return x * cos(angle) - y * sin(angle), x * sin(angle) + y * cos(angle)  # noqa: F821


@wrong("03.rotate_pair", "")
class NothingReturned:
    def rotate_pair(x, y, angle):
        x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()


@wrong("03.rotate_pair", "")
class MatrixTransposed:
    def rotate_pair(x, y, angle):
        c, s = angle.cos(), angle.sin()
        return c * x + s * y, -s * x + c * y


@right("03.rotate_pair")
class Complex:
    def rotate_pair(x, y, angle):
        z = torch.complex(x, y) * torch.polar(torch.ones_like(angle), angle)
        return z.real, z.imag


@right("03.rotate_pair")
class Polar:
    def rotate_pair(x, y, angle):
        r, phi = torch.hypot(x, y), torch.atan2(y, x)
        return r * torch.cos(phi + angle), r * torch.sin(phi + angle)


@right("03.rotate_pair")
class AListOfTwo:
    def rotate_pair(x, y, angle):
        cos, sin = torch.cos(angle), torch.sin(angle)
        new_x = cos * x - sin * y
        new_y = sin * x + cos * y
        return [new_x, new_y]


@right("03.rotate_pair")
class Shears:
    def rotate_pair(x, y, angle):
        c, s = torch.cos(angle), torch.sin(angle)
        return torch.addcmul(x * c, y, s, value=-1), torch.addcmul(y * c, x, s)


# --- 03.rotate


def rotate_pair(x, y, angle):
    """The page's own, from the turn before."""
    return x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()


@wrong("03.rotate", "")
class Neighbors:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        first, second = rotate_pair(x[:, 0::2], x[:, 1::2], angle)
        return torch.stack([first, second], dim=-1).flatten(-2)


@wrong("03.rotate", "")
class NeighborsInHalvesOut:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        first, second = rotate_pair(x[:, 0::2], x[:, 1::2], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class HalvesInNeighborsOut:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        first, second = rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)
        return torch.stack([first, second], dim=-1).flatten(-2)


@wrong("03.rotate", "")
class BaseHardCoded:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, D, 2) / D)
        first, second = rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class CountsItself:
    def rotate(x, positions, base):
        T, D = x.shape
        angle = torch.arange(T)[:, None] * base ** (-torch.arange(0, D, 2) / D)
        first, second = rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class OneStepExponent:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(D // 2) / D)
        first, second = rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class DoubleStepExponent:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-2 * torch.arange(0, D, 2) / D)
        first, second = rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class GrowingFrequencies:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (torch.arange(0, D, 2) / D)
        first, second = rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class Backwards:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = -positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        first, second = rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class HuggingFaceWithoutRepeat:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        rotated = torch.cat([-x[:, D // 2 :], x[:, : D // 2]], dim=-1)
        return x * angle.cos() + rotated * angle.sin()


@wrong("03.rotate", "")
class HuggingFaceWithoutMinus:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        angle = torch.cat([angle, angle], dim=-1)
        rotated = torch.cat([x[:, D // 2 :], x[:, : D // 2]], dim=-1)
        return x * angle.cos() + rotated * angle.sin()


@wrong("03.rotate", "")
class HuggingFaceMinusOnTheOther:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        angle = torch.cat([angle, angle], dim=-1)
        rotated = torch.cat([x[:, D // 2 :], -x[:, : D // 2]], dim=-1)
        return x * angle.cos() + rotated * angle.sin()


@wrong("03.rotate", "")
class InterleavedAngles:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = (positions[:, None] * base ** (-torch.arange(0, D, 2) / D)).repeat_interleave(2, dim=-1)
        rotated = torch.cat([-x[:, D // 2 :], x[:, : D // 2]], dim=-1)
        return x * angle.cos() + rotated * angle.sin()


@wrong("03.rotate", "")
class MetasComplex:
    def rotate(x, positions, base):
        D = x.shape[-1]
        freqs = 1.0 / (base ** (torch.arange(0, D, 2)[: D // 2].float() / D))
        freqs_cis = torch.polar(torch.ones(len(positions), D // 2), torch.outer(positions.float(), freqs))
        x_ = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
        return torch.view_as_real(x_ * freqs_cis).flatten(-2).type_as(x)


@wrong("03.rotate", "")
class SecondHalfUnturned:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        first, _ = rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)
        return torch.cat([first, x[:, D // 2 :]], dim=-1)


@wrong("03.rotate", "")
class OnlyTheFirstHalf:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        return rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)[0]


@wrong("03.rotate", "")
class ATuple:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        return rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)


@wrong("03.rotate", "")
class StacksThem:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        return torch.stack(rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle))


@wrong("03.rotate", "")
class SwapsTheHalves:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        first, second = rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)
        return torch.cat([second, first], dim=-1)


@wrong("03.rotate", "")
class OneAngleForAll:
    def rotate(x, positions, base):
        D = x.shape[-1]
        first, second = rotate_pair(x[:, : D // 2], x[:, D // 2 :], positions[:, None].float())
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class AddsSinusoids:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        return x + torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.rotate", "")
class WidthOfTheModel:
    def rotate(x, positions, base):
        angle = positions[:, None] * base ** (-torch.arange(0, 64, 2) / 64)
        first, second = rotate_pair(x[:, :32], x[:, 32:], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class ForgottenAxis:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions * base ** (-torch.arange(0, D, 2) / D)
        first, second = rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class RowsForColumns:
    def rotate(x, positions, base):
        D = x.shape[0]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        first, second = rotate_pair(x[: D // 2], x[D // 2 :], angle)
        return torch.cat([first, second])


@wrong("03.rotate", "")
class HalfPrecisionPositions:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions.bfloat16()[:, None] * base ** (-torch.arange(0, D, 2) / D)
        first, second = rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class HalfPrecisionAngles:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = (positions[:, None] * base ** (-torch.arange(0, D, 2) / D)).bfloat16()
        first, second = rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle.float())
        return torch.cat([first, second], dim=-1)


@wrong("03.rotate", "")
class InPlace:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        x[:, : D // 2] = x[:, : D // 2] * angle.cos() - x[:, D // 2 :] * angle.sin()
        x[:, D // 2 :] = x[:, : D // 2] * angle.sin() + x[:, D // 2 :] * angle.cos()
        return x


@wrong("03.rotate", "")
class PythonsRotatePairOfHeads:
    def rotate(x, positions, base):
        B, T, H, D = x.shape
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        return torch.cat(rotate_pair(x[..., : D // 2], x[..., D // 2 :], angle[None, :, None]), -1)


@wrong("03.rotate", "")
class ByLoopsSlowly:
    def rotate(x, positions, base):
        T, D = x.shape
        out = torch.zeros_like(x)
        for t in range(T):
            for i in range(D // 2):
                angle = positions[t] * base ** (-2 * i / D)
                c, s = torch.cos(angle), torch.sin(angle)
                out[t, i] = x[t, i] * c - x[t, i + D // 2] * s
                out[t, i + D // 2] = x[t, i] * s + x[t, i + D // 2] * c
        return out


@wrong("03.rotate", "")
class LoopReturnsEarly:
    def rotate(x, positions, base):
        D = x.shape[-1]
        out = torch.zeros_like(x)
        for t, p in enumerate(positions):
            angle = p * base ** (-torch.arange(0, D, 2) / D)
            out[t] = torch.cat(rotate_pair(x[t, : D // 2], x[t, D // 2 :], angle))
            return out


@wrong("03.rotate", "")
class IntegerExponent:
    def rotate(x, positions, base):
        D = x.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) // D)
        first, second = rotate_pair(x[:, : D // 2], x[:, D // 2 :], angle)
        return torch.cat([first, second], dim=-1)


@right("03.rotate")
class HuggingFace:
    def rotate(x, positions, base):
        D = x.shape[-1]
        inv_freq = 1.0 / (base ** (torch.arange(0, D, 2, dtype=torch.int64).float() / D))
        freqs = torch.outer(positions.float(), inv_freq)
        emb = torch.cat((freqs, freqs), dim=-1)
        x1, x2 = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
        return x * emb.cos() + torch.cat((-x2, x1), dim=-1) * emb.sin()


@right("03.rotate")
class ComplexHalves:
    def rotate(x, positions, base):
        a, b = x.chunk(2, dim=-1)
        half = a.shape[-1]
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        z = torch.complex(a, b) * torch.exp(1j * angle)
        return torch.cat([z.real, z.imag], dim=-1)


@right("03.rotate")
class RowByRow:
    def rotate(x, positions, base):
        D = x.shape[-1]
        frequency = base ** (-torch.arange(0, D, 2) / D)
        rows = [torch.cat(rotate_pair(row[: D // 2], row[D // 2 :], p * frequency)) for row, p in zip(x, positions)]
        return torch.stack(rows)


@right("03.rotate")
class PairByPair:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        new = [None] * (2 * half)
        for i in range(half):
            angle = positions * base ** (-i / half)
            new[i], new[i + half] = rotate_pair(x[:, i], x[:, i + half], angle)
        return torch.stack(new, dim=1)
