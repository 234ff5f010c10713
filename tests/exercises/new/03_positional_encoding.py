"""Assignment 03, new answers from the text alone; every second wrong one is only scored."""

import cmath

import numpy as np
import torch
from answers import right, wrong


def turned(x, angles):
    a, b = x.chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


def frequencies_of(D, theta):
    return theta ** (-torch.arange(0, D, 2) / D)


def angles_in(positions, D, theta, dtype):
    return (positions.to(dtype)[:, None] * frequencies_of(D, theta).to(dtype)).float()


@wrong("03.1", "The distance is subtracted from the position that is rounded already.")
def subtracted_after_rounding(query, key, positions, distance, theta):
    def score(dtype):
        at = positions.to(dtype)
        q = turned(query, angles_in(at, len(query), theta, dtype))
        return (q * turned(key, angles_in(at - distance, len(query), theta, dtype))).sum(-1)

    return score(torch.bfloat16) - score(torch.float32)


@wrong("03.1", "Only the product is rounded; position and frequency stay exact.")
def only_the_product_rounded(query, key, positions, distance, theta):
    def angles(at, rounded):
        exact = angles_in(at, len(query), theta, torch.float32)
        return exact.bfloat16().float() if rounded else exact

    def score(rounded):
        return (turned(query, angles(positions, rounded)) * turned(key, angles(positions - distance, rounded))).sum(-1)

    return score(True) - score(False)


@wrong("03.1", "Only the query is rotated by rounded angles; the key's angles are exact in both scores.")
def exact_key(query, key, positions, distance, theta):
    k = turned(key, angles_in(positions - distance, len(key), theta, torch.float32))
    low, exact = (
        turned(query, angles_in(positions, len(query), theta, dtype)) for dtype in (torch.bfloat16, torch.float32)
    )
    return ((low - exact) * k).sum(-1)


@wrong("03.1", "Cosine and sine are computed in bfloat16, too.")
def cosines_rounded_too(query, key, positions, distance, theta):
    def rotate(x, at, dtype):
        angles = at.to(dtype)[:, None] * frequencies_of(len(x), theta).to(dtype)
        a, b = x.chunk(2)
        cos, sin = angles.cos().float(), angles.sin().float()
        return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)

    def score(dtype):
        return (rotate(query, positions, dtype) * rotate(key, positions - distance, dtype)).sum(-1)

    return score(torch.bfloat16) - score(torch.float32)


def error_of(query, key, positions, distance, theta, dtype=torch.bfloat16):
    def score(dtype):
        q = turned(query, angles_in(positions, len(query), theta, dtype))
        return (q * turned(key, angles_in(positions - distance, len(key), theta, dtype))).sum(-1)

    return score(dtype) - score(torch.float32)


@wrong("03.1", "The absolute error is returned, without its sign.")
def size_of_the_error(query, key, positions, distance, theta):
    return error_of(query, key, positions, distance, theta).abs()


@wrong("03.1", "It rounds to float16, not to bfloat16.")
def the_other_sixteen_bits(query, key, positions, distance, theta):
    return error_of(query, key, positions, distance, theta, torch.float16)


@right("03.1")
def with_complex_numbers(query, key, positions, distance, theta):
    half = len(query) // 2
    pairs = torch.complex(query[:half].double(), query[half:].double()).conj()
    pairs = pairs * torch.complex(key[:half].double(), key[half:].double())
    f = theta ** (-torch.arange(half) * 2 / len(query))
    before = positions - distance

    def rounded(at):
        return (at.bfloat16()[:, None] * f.bfloat16()[None]).double()

    low = rounded(before) - rounded(positions)
    exact = (before.float()[:, None] * f).double() - (positions.float()[:, None] * f).double()
    return ((torch.polar(torch.ones_like(low), low) - torch.polar(torch.ones_like(exact), exact)) * pairs).real.sum(1)


@wrong("03.2", "The second number of a pair is computed from the first one that is rotated already.")
def from_the_rotated_first(x, positions, theta):
    angles = positions[:, None] * frequencies_of(x.shape[-1], theta)
    out = x.clone()
    out[..., 0::2] = out[..., 0::2] * angles.cos() - out[..., 1::2] * angles.sin()
    out[..., 1::2] = out[..., 0::2] * angles.sin() + out[..., 1::2] * angles.cos()
    return out


@wrong("03.2", "Only the sines are repeated by pair; the cosines still stand as for halves.")
def cosines_for_halves(x, positions, theta):
    angles = positions[:, None] * frequencies_of(x.shape[-1], theta)
    cos, sin = torch.cat((angles, angles), -1).cos(), angles.repeat_interleave(2, -1).sin()
    return x * cos + torch.stack((-x[..., 1::2], x[..., 0::2]), -1).flatten(-2) * sin


@wrong("03.2", "The pairs come back as halves: all first numbers, then all second ones.")
def not_in_the_same_columns(x, positions, theta):
    angles = positions[:, None] * frequencies_of(x.shape[-1], theta)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.cat((a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()), -1)


def by_pairs(x, angles):
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()), -1).flatten(-2)


@wrong("03.2", "Positions are counted from the first one: positions - positions[0].")
def counted_from_the_first(x, positions, theta):
    return by_pairs(x, (positions - positions[0])[:, None] * frequencies_of(x.shape[-1], theta))


@wrong("03.2", "The frequency is theta^(-i/D) for pair i, without the factor 2.")
def half_the_exponent(x, positions, theta):
    D = x.shape[-1]
    return by_pairs(x, positions[:, None] * theta ** (-torch.arange(D // 2) / D))


@wrong("03.2", "The angles are computed in bfloat16, which rounds large positions.")
def angles_in_bfloat16(x, positions, theta):
    return by_pairs(x, angles_in(positions, x.shape[-1], theta, torch.bfloat16))


@right("03.2")
def complex_in_numpy(x, positions, theta):
    pairs = x.double().numpy().reshape(*x.shape[:-1], -1, 2)
    numbers = pairs[..., 0] + 1j * pairs[..., 1]
    D = x.shape[-1]
    for i in range(D // 2):
        for t, position in enumerate(positions.tolist()):
            numbers[:, t, i] *= cmath.exp(1j * position * float(theta) ** (-2 * i / D))
    return np.stack((numbers.real, numbers.imag), -1).reshape(x.shape)


def split_heads(weight, D):
    return weight.reshape(-1, D // 2, 2, weight.shape[-1]).transpose(1, 2).reshape(weight.shape)


@wrong("03.3", "D is computed as C / n_heads, and a head may be wider or narrower than that.")
def width_from_the_columns(query_weight, key_weight, n_heads, n_kv_heads):
    D = query_weight.shape[1] // n_heads
    return split_heads(query_weight, D), split_heads(key_weight, D)


@wrong("03.3", "The odd rows come first in each head, then the even ones.")
def odd_rows_first(query_weight, key_weight, n_heads, n_kv_heads):
    def convert(weight, heads):
        rows = weight.unflatten(0, (heads, -1))
        return torch.cat((rows[:, 1::2], rows[:, 0::2]), 1).flatten(0, 1)

    return convert(query_weight, n_heads), convert(key_weight, n_kv_heads)


@wrong("03.3", "It converts the other way, from halves to pairs of neighbors.")
def from_halves_to_pairs(query_weight, key_weight, n_heads, n_kv_heads):
    def convert(weight, heads):
        D = len(weight) // heads
        return weight.view(heads, 2, D // 2, -1).transpose(1, 2).reshape(weight.shape)

    return convert(query_weight, n_heads), convert(key_weight, n_kv_heads)


@wrong("03.3", "The key heads are repeated to n_heads, so the key matrix has more rows.")
def keys_repeated(query_weight, key_weight, n_heads, n_kv_heads):
    D = len(query_weight) // n_heads
    keys = key_weight.view(n_kv_heads, D, -1).repeat_interleave(n_heads // n_kv_heads, 0).flatten(0, 1)
    return split_heads(query_weight, D), split_heads(keys, D)


@wrong("03.3", "The columns are reordered within heads, not the rows.")
def columns_reordered(query_weight, key_weight, n_heads, n_kv_heads):
    order = torch.cat((torch.arange(0, query_weight.shape[1], 2), torch.arange(1, query_weight.shape[1], 2)))
    return query_weight[:, order], key_weight[:, order]


@wrong("03.3", "The heads are ignored: the even rows of the whole matrix come first.")
def whole_matrix_split(query_weight, key_weight, n_heads, n_kv_heads):
    return tuple(torch.cat((weight[0::2], weight[1::2])) for weight in (query_weight, key_weight))


@right("03.3")
def by_a_list_of_rows(query_weight, key_weight, n_heads, n_kv_heads):
    def convert(weight, heads):
        rows, D = weight.numpy(), len(weight) // heads
        order = [h * D + 2 * (r % (D // 2)) + r // (D // 2) for h in range(heads) for r in range(D)]
        return rows[order]

    return [convert(query_weight, n_heads), convert(key_weight, n_kv_heads)]


@wrong("03.4", "All keys are moved by the total number of removed tokens, not by those before them.")
def moved_by_all_removed(keys, values, keep, theta):
    by = torch.full((int(keep.sum()), 1), -float((~keep).sum()))
    return turned(keys[keep], by * frequencies_of(keys.shape[1], theta)), values[keep]


@wrong("03.4", "The old rotation is undone, but the new one isn't applied: all keys stand at position 0.")
def all_at_position_zero(keys, values, keep, theta):
    by = -keep.nonzero().float()
    return turned(keys[keep], by * frequencies_of(keys.shape[1], theta)), values[keep]


@wrong("03.4", "The new positions are counted from 1, not from 0.")
def counted_from_one(keys, values, keep, theta):
    by = (keep.cumsum(0) - torch.arange(len(keep)))[keep][:, None]
    return turned(keys[keep], by * frequencies_of(keys.shape[1], theta)), values[keep]


@wrong("03.4", "The values are rotated, too, and they don't depend on positions.")
def values_rotated_too(keys, values, keep, theta):
    by = (keep.cumsum(0) - 1 - torch.arange(len(keep)))[keep][:, None]
    angles = by * frequencies_of(keys.shape[1], theta)
    return turned(keys[keep], angles), turned(values[keep], angles)


@wrong("03.4", "Only removed tokens at the beginning are counted; gaps in the middle stay.")
def only_the_first_gap(keys, values, keep, theta):
    first = int(keep.int().argmax())
    by = torch.full((int(keep.sum()), 1), -float(first))
    return turned(keys[keep], by * frequencies_of(keys.shape[1], theta)), values[keep]


@wrong("03.4", "The pairs are neighbors (2i, 2i + 1), and this cache pairs halves.")
def pairs_of_neighbors(keys, values, keep, theta):
    by = (keep.cumsum(0) - 1 - torch.arange(len(keep)))[keep][:, None]
    return by_pairs(keys[keep], by * frequencies_of(keys.shape[1], theta)), values[keep]


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
