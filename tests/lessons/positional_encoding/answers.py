"""Answers to the turns and questions of lesson 03; `tools/choose_answers.py` chose them."""

import cmath
import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

from minillm.course.turns.positional_encoding import rotate_pair


@right("03.sinusoids")
class NumpyInTheMiddle:
    def sinusoids(positions, C):
        angle = np.outer(positions.numpy(), 10_000.0 ** (-np.arange(0, C, 2) / C))
        table = np.empty((len(positions), C))
        table[:, ::2], table[:, 1::2] = np.sin(angle), np.cos(angle)
        return torch.from_numpy(table).float()


@right("03.sinusoids")
class NumberByNumber:
    def sinusoids(positions, C):
        def entry(t, c):
            angle = t / 10_000 ** (c // 2 * 2 / C)
            return math.cos(angle) if c % 2 else math.sin(angle)

        return torch.tensor([[entry(t, c) for c in range(C)] for t in positions.tolist()])


@right("03.sinusoids")
class OneColumnAfterTheOther:
    """It fills a list with one column after the other in a plain loop, and stacks the columns at the end."""

    def sinusoids(positions, C):
        columns = []
        for speed in 10_000 ** (-torch.arange(0, C, 2) / C):
            columns += [torch.sin(positions * speed), torch.cos(positions * speed)]
        return torch.stack(columns, dim=1)


@wrong("03.sinusoids", "invalid for input of size")
class TheSizeOfTheFirstCase:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).view(3, C)


@wrong("03.sinusoids", "holds too few numbers")
class TheNumbersThemselves:
    def sinusoids(positions, C):
        return positions / C


@wrong("03.sinusoids", "The result has ")
class OneHot:
    def sinusoids(positions, C):
        return F.one_hot(positions % C, C).float()


# Once accepted
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


@wrong("03.sinusoids", "The table has more rows than there are positions.")
class TheWholeTable:
    def sinusoids(positions, C):
        angle = torch.arange(int(positions.max()) + 1)[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "raised ValueError")
class MathSine:
    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return math.sin(angle), math.cos(angle)


@wrong("03.sinusoids", "`sinusoids` raised RuntimeError")
class NoBroadcast:
    def sinusoids(positions, C):
        angle = positions * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten()


# Once taken for another mistake: All hands have the frequency 1
@wrong("03.sinusoids", "All hands have the frequency 1.")
class WholeExponents:
    """// in place of / in the exponent: all hands turn at the same speed."""

    def sinusoids(positions, C):
        angle = positions[:, None] * 10_000.0 ** (-(torch.arange(0, C, 2) // C))
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


# Once accepted
@wrong("03.sinusoids", "The positions are rounded to bfloat16, which counts to 256 without gaps.")
class PositionsInSixteenBits:
    """Turns the positions into bfloat16, which can't count above 256."""

    def sinusoids(positions, C):
        position = positions.bfloat16().float()
        angle = position[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


@wrong("03.sinusoids", "The hands get faster, not slower.")
class DivTermWithoutTheMinus:
    def sinusoids(positions, C):
        pe = torch.zeros(len(positions), C)
        div_term = torch.exp(torch.arange(0, C, 2) * (math.log(10000.0) / C))
        pe[:, 0::2] = torch.sin(positions[:, None] * div_term)
        pe[:, 1::2] = torch.cos(positions[:, None] * div_term)
        return pe


@wrong("03.sinusoids", "The table holds whole numbers only.")
class ATableOfWholeNumbers:
    def sinusoids(positions, C):
        table = torch.zeros(len(positions), C, dtype=positions.dtype)
        angle = positions[:, None] * 10_000 ** (-torch.arange(0, C, 2) / C)
        table[:, 0::2] = angle.sin()
        table[:, 1::2] = angle.cos()
        return table


@wrong("03.sinusoids", "`sinusoids` raised NameError")
class AnnotatedTransformerAttribute:
    def sinusoids(positions, C):
        pe = torch.zeros(max_len, d_model)  # noqa: F821
        div_term = torch.exp(torch.arange(0, d_model, 2) * -(math.log(10000.0) / d_model))  # noqa: F821
        pe[:, 0::2] = torch.sin(positions * div_term)
        pe[:, 1::2] = torch.cos(positions * div_term)
        return pe


@wrong("03.sinusoids", "raised IndexError")
class RowByPosition:
    def sinusoids(positions, C):
        table = torch.zeros(len(positions), C)
        for t in positions:
            for i in range(C // 2):
                table[t, 2 * i] = torch.sin(t * 10_000 ** (-2 * i / C))
                table[t, 2 * i + 1] = torch.cos(t * 10_000 ** (-2 * i / C))
        return table


@right("03.rotate_pair")
class AMatrixPerPoint:
    def rotate_pair(x, y, angle):
        x, y, angle = torch.broadcast_tensors(x, y, angle)
        cos, sin = torch.cos(angle), torch.sin(angle)
        matrix = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
        return torch.einsum("...ij,...j->...i", matrix, torch.stack([x, y], -1)).unbind(-1)


@wrong("03.rotate_pair", "raised ValueError")
class MathCosine:
    def rotate_pair(x, y, angle):
        return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)


@wrong("03.rotate_pair", "raised RuntimeError")
class DotProducts:
    def rotate_pair(x, y, angle):
        return x @ angle.cos() - y @ angle.sin(), x @ angle.sin() + y @ angle.cos()


@wrong("03.rotate_pair", "raised NameError")
class BareCosine:
    def rotate_pair(x, y, angle):
        return x * cos(angle) - y * sin(angle), x * sin(angle) + y * cos(angle)


@wrong("03.rotate_pair", "The angle is converted to degrees")
class RadiansToDegrees:
    def rotate_pair(x, y, angle):
        angle = torch.rad2deg(angle)
        return x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()


@wrong("03.rotate_pair", "raised TypeError")
class TheSolutionOfAxes:
    def rotate_pair(x, y, angle):
        first = angle.cos(), angle.sin()
        second = -angle.sin(), angle.cos()
        return x * first, y * second


@wrong(
    "03.rotate_pair",
    "`rotate_pair` returned something that is a sparse, quantized, complex or meta tensor; return an ordinary one.",
)
class OneComplexNumber:
    def rotate_pair(x, y, angle):
        return torch.complex(x, y) * torch.exp(1j * angle)


@wrong("03.rotate_pair", "`rotate_pair` raised TypeError")
class LoopOverOneAxis:
    """Loops over the first axis with math, so points in a table (T, D/2) are an error."""

    def rotate_pair(x, y, angle):
        cos = torch.tensor([math.cos(a) for a in angle])
        sin = torch.tensor([math.sin(a) for a in angle])
        return x * cos - y * sin, x * sin + y * cos


@wrong("03.rotate_pair", "`the new x` has shape (")
class FlatPoints:
    """It flattens the points for a batch of 2 x 2 matrices and leaves them flat, so only shape (N,) comes out right."""

    def rotate_pair(x, y, angle):
        cos, sin = angle.flatten().cos(), angle.flatten().sin()
        R = torch.stack([torch.stack([cos, -sin], dim=-1), torch.stack([sin, cos], dim=-1)], dim=-2)  # (N, 2, 2)
        points = torch.stack([x.flatten(), y.flatten()], dim=-1).unsqueeze(-1)  # (N, 2, 1)
        turned = torch.bmm(R, points).squeeze(-1)
        return turned[:, 0], turned[:, 1]


# Once accepted
@wrong("03.rotate_pair", "`the new y` is right. `the new x` has ")
class ThreeShears:
    """Three shears with tan(a / 2), which is infinite at half a round: there the digits are lost."""

    def rotate_pair(x, y, angle):
        tan, sin = torch.tan(angle / 2), torch.sin(angle)
        x = x - tan * y
        y = y + sin * x
        x = x - tan * y
        return x, y


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
class OneMatrixPerRow:
    """A D x D matrix per position, made of four diagonal blocks, applied by a batched product."""

    def rotate(x, positions, base):
        D = x.shape[1]
        angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
        cos, sin = torch.diag_embed(angle.cos()), torch.diag_embed(angle.sin())
        matrix = torch.cat([torch.cat([cos, -sin], dim=2), torch.cat([sin, cos], dim=2)], dim=1)
        return torch.einsum("tij,tj->ti", matrix.to(x.dtype), x)


@wrong("03.rotate", "is not defined")
class HuggingFaceCall:
    def rotate(x, positions, base):
        return x * cos + rotate_half(x) * sin  # noqa: F821


# Once accepted
@wrong("03.rotate", "`rotate` raised IndexError")
class ContextOf8192:
    """Keeps a table for 8,192 positions, SmolLM2's context, and fails on a position beyond it."""

    def rotate(x, positions, base):
        half = x.shape[-1] // 2
        t = torch.arange(8192, dtype=torch.float32)
        freqs = torch.outer(t, 1.0 / base ** (torch.arange(half) / half))
        cos, sin = freqs.cos()[positions], freqs.sin()[positions]
        x1, x2 = x.chunk(2, dim=-1)
        return torch.cat([x1 * cos - x2 * sin, x1 * sin + x2 * cos], dim=-1)


@wrong("03.rotate", "raised RuntimeError")
class HeadsOfSixtyFour:
    def rotate(x, positions, base):
        angle = positions[:, None] * base ** (-torch.arange(32) / 32)
        return torch.cat(rotate_pair(x[:, :32], x[:, 32:], angle), dim=1)


@wrong("03.rotate", "Only half of the numbers are returned")
class TheComplexHalf:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        return (torch.complex(x[:, :half], x[:, half:]) * torch.exp(1j * angle)).real


@wrong("03.rotate", "Two halves are returned.")
class ATupleOfHalves:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        return rotate_pair(x[:, :half], x[:, half:], angle)


@wrong("03.rotate", "`rotate` changed the input that it was given; work on a copy.")
class OverwritesTheInput:
    def rotate(x, positions, base):
        half = x.shape[1] // 2
        angle = positions[:, None] * base ** (-torch.arange(half) / half)
        x[:, :half], x[:, half:] = rotate_pair(x[:, :half].clone(), x[:, half:].clone(), angle)
        return x


@wrong("03.rotate", "The result has ")
class ViewedAsTwo:
    def rotate(x, positions, base):
        T, D = x.shape
        angle = positions[:, None] * base ** (-torch.arange(D // 2) / (D // 2))
        a, b = x.view(2, T, D // 2)
        return torch.stack(rotate_pair(a, b, angle)).view(T, D)


@right("03.1")
def by_complex_numbers(query, key, positions, distance, theta):
    D = len(query)
    frequencies = torch.tensor([theta ** (-2 * i / D) for i in range(D // 2)])
    product = torch.complex(*query.chunk(2)) * torch.complex(*key.chunk(2)).conj()

    def score(kind):
        ways = [(p.to(kind)[:, None] * frequencies.to(kind)).double() for p in (positions, positions - distance)]
        return (product * torch.polar(torch.ones_like(ways[0]), ways[0] - ways[1])).real.sum(1)

    return score(torch.bfloat16) - score(torch.float64)


def _frequencies(D, theta):
    return theta ** (-torch.arange(0, D, 2) / D)


def _to_bfloat16(numbers):
    """Round float32 to the nearest bfloat16, ties to even, by its bits."""
    bits = np.asarray(numbers, dtype=np.float32).view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))) & np.uint64(0xFFFF0000)
    return bits.astype(np.uint32).view(np.float32)


@right("03.1")
def error_complex(query, key, positions, distance, theta):
    half = len(query) // 2
    f = _frequencies(len(query), theta).numpy()
    q = query[:half].double().numpy() + 1j * query[half:].double().numpy()
    k = key[:half].double().numpy() + 1j * key[half:].double().numpy()
    scores = []
    for low in (True, False):
        angles = []
        for at in (positions, positions - distance):
            at = at.numpy().astype(np.float32)[:, None]
            if low:
                angles.append(_to_bfloat16(_to_bfloat16(at) * _to_bfloat16(f)))
            else:
                angles.append(at * f)
        turn = np.exp(1j * (angles[0].astype(float) - angles[1].astype(float)))
        scores.append((q * k.conj() * turn).real.sum(1))
    return torch.from_numpy(scores[0] - scores[1]).float()


def spun(x, angles):
    a, b = x.chunk(2)
    return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], -1)


def freq(theta, D):
    return 1 / theta ** (torch.arange(0, D, 2) / D)


def low(positions, frequencies):
    return (positions.bfloat16()[:, None] * frequencies.bfloat16()).float()


def difference_of_scores(query, key, positions, distance, theta, low=low, exact=lambda p, f: p[:, None] * f, spun=spun):
    f = freq(theta, len(query))
    scores = [
        (spun(query, angles(positions, f)) * spun(key, angles(positions - distance, f))).sum(-1)
        for angles in (low, exact)
    ]
    return scores[0] - scores[1]


@wrong("03.1", "in place of (")
def a_single_number(*args):
    return difference_of_scores(*args).abs().max()


@right("03.2")
def block_matrices(x, positions, theta):
    D = x.shape[-1]
    step = torch.zeros(D, D, dtype=torch.float64)  # the generator of the rotation, one block a pair
    for i in range(0, D, 2):
        step[i, i + 1], step[i + 1, i] = -(theta ** (-i / D)), theta ** (-i / D)
    rotations = torch.stack([torch.matrix_exp(int(p) * step) for p in positions])
    return torch.einsum("tde,hte->htd", rotations, x.double()).float()


@right("03.2")
def sorted_into_halves_and_back_in_numpy(x, places, theta):
    v = x.numpy()
    D = v.shape[-1]
    order = np.concatenate([np.arange(0, D, 2), np.arange(1, D, 2)])
    halves = v[..., order]
    angle = places.numpy()[:, None] * np.power(float(theta), -np.arange(0, D, 2) / D)
    angle = np.concatenate([angle, angle], axis=-1)
    other = np.concatenate([-halves[..., D // 2 :], halves[..., : D // 2]], axis=-1)
    turned = halves * np.cos(angle) + other * np.sin(angle)
    back = np.empty_like(turned)
    back[..., order] = turned
    return torch.from_numpy(back).to(x.dtype)


@wrong("03.2", "raised IndexError")
def a_table_of_64_positions(x, positions, theta):
    table = torch.arange(64)[:, None] * theta ** (-torch.arange(0, x.shape[-1], 2) / x.shape[-1])
    angles = table[positions].repeat_interleave(2, -1)
    return x * angles.cos() + torch.stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2) * angles.sin()


def angles_of(positions, theta, D):
    return torch.outer(positions.float(), 1 / theta ** (torch.arange(0, D, 2).float() / D))


@wrong("03.2", "x plus a table")
def added_as_in_2017(x, positions, theta):
    angles = angles_of(positions, theta, x.shape[-1])
    return x + torch.cat((angles.sin(), angles.cos()), -1)


@right("03.3")
def by_a_permutation_matrix(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight, heads):
        D = len(weight) // heads
        matrix = torch.zeros(D, D)
        for i in range(D // 2):
            matrix[i, 2 * i] = matrix[i + D // 2, 2 * i + 1] = 1
        return torch.kron(torch.eye(heads), matrix) @ weight

    return [sort(query_weight, n_heads), sort(key_weight, n_kv_heads)]


@right("03.3")
def by_a_list_of_rows(query_weight, key_weight, n_heads, n_kv_heads):
    def convert(weight, heads):
        rows, D = weight.numpy(), len(weight) // heads
        order = [h * D + 2 * (r % (D // 2)) + r // (D // 2) for h in range(heads) for r in range(D)]
        return rows[order]

    return [convert(query_weight, n_heads), convert(key_weight, n_kv_heads)]


@wrong("03.3", "is not a row of the old one")
def sums_and_differences(query_weight, key_weight, n_heads, n_kv_heads):
    return tuple(torch.cat((w[::2] + w[1::2], w[::2] - w[1::2])) for w in (query_weight, key_weight))


def sorted_by(weight, heads):
    D = weight.shape[0] // heads
    return weight.reshape(heads, D // 2, 2, -1).transpose(1, 2).reshape(weight.shape)


@wrong("03.3", "changed the input")
def in_place(query_weight, key_weight, n_heads, n_kv_heads):
    query_weight[:] = sorted_by(query_weight, n_heads)
    key_weight[:] = sorted_by(key_weight, n_kv_heads)
    return query_weight, key_weight


@right("03.4")
def in_numpy_by_complex_numbers(keys, values, stay, theta):
    kept, half = keys.numpy()[stay.numpy()].astype(np.float64), keys.shape[1] // 2
    by = np.arange(len(kept)) - np.flatnonzero(stay.numpy())
    points = (kept[:, :half] + 1j * kept[:, half:]) * np.exp(1j * np.outer(by, theta ** (-np.arange(half) / half)))
    return [np.concatenate([points.real, points.imag], 1), values[stay]]


@right("03.4")
def token_by_token(keys, values, keep, theta):
    half, rows, kept = keys.shape[1] // 2, [], []
    for old, (key, value) in enumerate(zip(keys.double(), values, strict=True)):
        if keep[old]:
            for i in range(half):
                turn = cmath.exp(1j * (len(rows) - old) * theta ** (-i / half)) * complex(key[i], key[i + half])
                key[i], key[i + half] = turn.real, turn.imag
            rows.append(key)
            kept.append(value)
    return torch.stack(rows).float(), torch.stack(kept)


@right("03.4")
def turned_by_the_difference(keys, values, stay, theta):
    """The keys and values that stay, each key turned to its new place."""
    S, D = keys.shape
    by = (stay.cumsum(0) - 1 - torch.arange(S))[stay]
    angles = by[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    first, second = keys[stay].chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1), values[stay]


@right("03.4")
def back_to_zero_and_forward_again(keys, values, stay, theta):
    def turned(x, places):
        half = x.shape[-1] // 2
        angles = places.double()[:, None] * float(theta) ** (-torch.arange(half).double() / half)
        a, b = x[:, :half], x[:, half:]
        return torch.cat((a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()), dim=1)

    never_turned = turned(keys.double(), -torch.arange(len(keys)))
    left = never_turned[stay]
    return turned(left, torch.arange(len(left))).to(keys.dtype), values[stay]


@wrong("03.4", "Every key is one position too far along: the one from position ")
def one_place_too_far_along(keys, values, stay, theta):
    S, D = keys.shape
    by = (stay.cumsum(0) - torch.arange(S))[stay]
    angles = by[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    first, second = keys[stay].chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1), values[stay]


@wrong("03.4", "evict changed the input that it was given; work on a copy. Open the next hint")
def cache_turned_in_place(keys, values, stay, theta):
    S, D = keys.shape
    by = stay.cumsum(0) - 1 - torch.arange(S)
    angles = by[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    first, second = keys[:, : D // 2].clone(), keys[:, D // 2 :].clone()
    keys[:, : D // 2] = first * angles.cos() - second * angles.sin()
    keys[:, D // 2 :] = second * angles.cos() + first * angles.sin()
    return keys[stay], values[stay]
