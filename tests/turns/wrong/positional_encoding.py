"""Wrong answers to the turns of lesson 03, as they were typed while trying the page, and what they are told."""

import torch
import torch.nn.functional as F
from turn_answers import wrong

# --- 03.sinusoids


@wrong("03.sinusoids", "All sines come first")
class TheRotationsTable:
    def sinusoids(positions, C):
        half = C // 2
        angle = positions[:, None] * 10_000 ** (-torch.arange(half) / half)
        return torch.cat([angle.sin(), angle.cos()], dim=1)


@wrong("03.sinusoids", "All cosines come first")
class DiffusionModels:
    def sinusoids(positions, C):
        half = C // 2
        angle = positions[:, None].float() * 10_000 ** (-torch.arange(half) / half)
        return torch.cat([torch.cos(angle), torch.sin(angle)], dim=-1)


@wrong("03.sinusoids", "10,000 times slower: the steps divide by C/2 - 1")
class TensorToTensorsSteps:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(C // 2) / max(C / 2 - 1, 1))
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "invalid for input of size")
class TheSizeOfTheFirstCase:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).view(3, C)


@wrong("03.sinusoids", "Only the first hand moves")
class IntegerPower:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) // C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "Counting begins at the first position")
class FromTheFirstOn:
    def sinusoids(positions, C):
        p = torch.arange(int(positions[0]), int(positions[0]) + len(positions))
        angle = p[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "All hands have the frequency 1")
class OneHand:
    def sinusoids(positions, C):
        return torch.stack([positions.sin(), positions.cos()], -1).repeat(1, C // 2)


@wrong("03.sinusoids", "reverse order")
class SlowestFirst:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(C - 2, -1, -2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "holds too few numbers")
class TheNumbersThemselves:
    def sinusoids(positions, C):
        return positions / C


@wrong("03.sinusoids", "")
class OneHot:
    def sinusoids(positions, C):
        return F.one_hot(positions % C, C).float()


@wrong("03.sinusoids", "holds too few numbers")
class HalfOfIt:
    def sinusoids(positions, C):
        return (positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)).sin()


@wrong("03.sinusoids", "Each cosine stands there twice")
class CosinesTwice:
    def sinusoids(positions, C):
        angle = (positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)).repeat_interleave(2, dim=1)
        return angle.cos()


@wrong("03.sinusoids", "The base is 100,000")
class SmolLM2sBase:
    def sinusoids(positions, C):
        angle = positions[:, None] * 100_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


# --- 03.rotate_pair


@wrong("03.rotate_pair", "The angle is converted to degrees")
class RadiansToDegrees:
    def rotate_pair(x, y, angle):
        angle = torch.rad2deg(angle)
        return x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()


@wrong("03.rotate_pair", "Only the new y is returned")
class LastLineOnly:
    def rotate_pair(x, y, angle):
        new_x = x * angle.cos() - y * angle.sin()
        new_y = x * angle.sin() + y * angle.cos()
        return new_y


@wrong("03.rotate_pair", "The new y is the old y.")
class ForgetsY:
    def rotate_pair(x, y, angle):
        x_new = x * angle.cos() - y * angle.sin()
        return x_new, y


@wrong("03.rotate_pair", "raised RuntimeError")
class AMatrixForAll:
    def rotate_pair(x, y, angle):
        rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)
        return rotation @ torch.stack([x, y])


@wrong("03.rotate_pair", "Both are as they came in.")
class Unchanged:
    def rotate_pair(x, y, angle):
        return x, y


@wrong("03.rotate_pair", "things are returned")
class ThreeThings:
    def rotate_pair(x, y, angle):
        return x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos(), angle


@wrong("03.rotate_pair", "The minus is missing")
class PlusPlus:
    def rotate_pair(x, y, angle):
        cos, sin = torch.cos(angle), torch.sin(angle)
        return cos * x + sin * y, sin * x + cos * y


@wrong("03.rotate_pair", "It turns the other way")
class TheAxesTurn:
    def rotate_pair(x, y, angle):
        cos, sin = torch.cos(-angle), torch.sin(-angle)
        return cos * x - sin * y, sin * x + cos * y


@wrong("03.rotate_pair", "`atan` forgets")
class Atan:
    def rotate_pair(x, y, angle):
        r, phi = torch.sqrt(x * x + y * y), torch.atan(y / x)
        return r * torch.cos(phi + angle), r * torch.sin(phi + angle)


@wrong("03.rotate_pair", "")
class AngleTimesX:
    def rotate_pair(x, y, angle):
        return x * angle, y * angle


@wrong("03.rotate_pair", "The new y is returned first")
class ImaginaryFirst:
    def rotate_pair(x, y, angle):
        z = torch.complex(x, y) * torch.exp(1j * angle)
        return z.imag, z.real


@wrong("03.rotate_pair", "")
class OnlyForPositive:
    def rotate_pair(x, y, angle):
        a = angle.abs()
        return x * a.cos() - y * a.sin(), x * a.sin() + y * a.cos()


# --- 03.rotate


def rotate_pair(x, y, angle):
    return x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()


@wrong("03.rotate", "is not defined")
class HuggingFaceCall:
    def rotate(x, positions, base):
        return x * cos + rotate_half(x) * sin  # noqa: F821


@wrong("03.rotate", "raised IndexError")
class RowsByPosition:
    def rotate(x, positions, base):
        D = x.shape[1]
        made = torch.zeros_like(x)
        for p in positions:
            angle = p * base ** (-torch.arange(0, D, 2) / D)
            made[p] = torch.cat(rotate_pair(x[p, : D // 2], x[p, D // 2 :], angle))
        return made


@wrong("03.rotate", "raised RuntimeError")
class PositionsStayWhole:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        frequency = base ** (-torch.arange(half) / half)
        angle = positions[:, None] @ frequency[None]
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), -1)


@wrong("03.rotate", "The base is 100,000")
class SmolLM2sBaseWrittenOut:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * 100_000 ** (-torch.arange(half) / half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), -1)


@wrong("03.rotate", "Rows are counted 0, 1, 2")
class EnumeratesRows:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        frequency = base ** (-torch.arange(half) / half)
        return torch.stack([torch.cat(rotate_pair(row[:half], row[half:], t * frequency)) for t, row in enumerate(x)])


@wrong("03.rotate", "The positions are rounded to float16")
class Half:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions.half()[:, None] * base ** (-torch.arange(half) / half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle.float()), -1)


@wrong("03.rotate", "The right half is made of the new left half")
class OldNames:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        a, b = x[:, :half], x[:, half:]
        a = a * angle.cos() - b * angle.sin()
        b = a * angle.sin() + b * angle.cos()
        return torch.cat([a, b], -1)


@wrong("03.rotate", "pairs are neighbors")
class LlamaCpp:
    def rotate(x, positions, base):
        out = x.clone()
        for i in range(0, x.shape[1], 2):
            angle = positions * base ** (-i / x.shape[1])
            out[:, i] = x[:, i] * angle.cos() - x[:, i + 1] * angle.sin()
            out[:, i + 1] = x[:, i] * angle.sin() + x[:, i + 1] * angle.cos()
        return out


@wrong("03.rotate", "No row is turned.")
class AtPositionZero:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = 0 * positions[:, None] * base ** (-torch.arange(half) / half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), -1)


@wrong("03.rotate", "has a batch axis")
class Unsqueezed:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        return torch.cat(rotate_pair(x[None, :, :half], x[None, :, half:], angle[None]), -1)


@wrong("03.rotate", "takes one step per number")
class FourListsDeep:
    def rotate(x, positions, base):
        rows = []
        for row, p in zip(x, positions):
            half = len(row) // 2
            left, right = [], []
            for i in range(half):
                a, b = rotate_pair(row[i], row[i + half], p * torch.tensor(base) ** (-i / half))
                left.append(a)
                right.append(b)
            rows.append(torch.stack(left + right))
        return torch.stack(rows)


@wrong("03.rotate", "No row is turned.")
class FirstPositionOnly:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[0] * base ** (-torch.arange(half) / half)
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), -1)


@wrong("03.rotate", "Only half of the numbers are returned")
class TheComplexHalf:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        return (torch.complex(x[:, :half], x[:, half:]) * torch.exp(1j * angle)).real


@wrong("03.rotate", "")
class MeanFrequency:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * (base ** (-torch.arange(half) / half)).mean()
        return torch.cat(rotate_pair(x[:, :half], x[:, half:], angle), -1)
