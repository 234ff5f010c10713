"""Answers to exercise 03 as learners write them."""

import cmath

import numpy as np
import torch
from answers import right, wrong


# 03.2 A rotation that changes lengths


def crossed(x):
    return torch.stack([-x[..., 1::2], x[..., ::2]], -1).reshape(x.shape)


def halves_crossed(x):
    a, b = x.chunk(2, -1)
    return torch.cat([-b, a], -1)


def angles_of(positions, theta, D):
    return torch.outer(positions.float(), 1 / theta ** (torch.arange(0, D, 2).float() / D))


@wrong("03.2", "the table is one for halves")
def still_repeat(x, positions, theta):
    table = angles_of(positions, theta, x.shape[-1]).repeat(1, 2)
    return x * table.cos() + crossed(x) * table.sin()


@wrong("03.2", "but of halves")
def the_pairs_mended(x, positions, theta):
    table = torch.cat([angles_of(positions, theta, x.shape[-1])] * 2, -1)
    return x * table.cos() + halves_crossed(x) * table.sin()


@wrong("03.2", "x is still crossed as halves")
def both_mended(x, positions, theta):
    table = angles_of(positions, theta, x.shape[-1]).repeat_interleave(2, -1)
    return x * table.cos() + halves_crossed(x) * table.sin()


@wrong("03.2", "come back sorted")
def cat_in_place_of_stack(x, positions, theta):
    angles = angles_of(positions, theta, x.shape[-1])
    even, odd = x[..., ::2], x[..., 1::2]
    return torch.cat([even * angles.cos() - odd * angles.sin(), even * angles.sin() + odd * angles.cos()], -1)


@wrong("03.2", "turn backwards")
def minus_on_the_other_side(x, positions, theta):
    angles = angles_of(positions, theta, x.shape[-1])
    even, odd = x[..., ::2], x[..., 1::2]
    pair = even * angles.cos() + odd * angles.sin(), odd * angles.cos() - even * angles.sin()
    return torch.stack(pair, -1).flatten(-2)


@wrong("03.2", "It is a mirror")
def no_minus(x, positions, theta):
    table = angles_of(positions, theta, x.shape[-1]).repeat_interleave(2, -1)
    swapped = x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
    sign = torch.tensor([1.0, 1.0]).repeat(x.shape[-1] // 2)
    return x * table.cos() + sign * swapped * table.sin()


@wrong("03.2", "turn too fast")
def pair_number_over_width(x, positions, theta):
    D = x.shape[-1]
    table = (positions[:, None] / theta ** (torch.arange(D // 2) / D)).repeat_interleave(2, -1)
    return x * table.cos() + crossed(x) * table.sin()


@wrong("03.2", "counted from 0")
def row_numbers(x, positions, theta):
    return complex_plane(x, torch.arange(x.shape[-2]), theta)


@wrong("03.2", "The base is 10,000")
def base_by_heart(x, positions, theta=1e4):
    return complex_plane(x, positions, 1e4)


@wrong("03.2", "The cosines still come from a table for halves")
def sine_of_neighbors_cosine_of_halves(x, positions, theta):
    angles = angles_of(positions, theta, x.shape[-1])
    return x * angles.cos().repeat(1, 2) + crossed(x) * angles.sin().repeat_interleave(2, -1)


@wrong("03.2", "called minillm.model")
def the_package(x, positions, theta):
    from minillm.model.position import rotary_angles, rotate

    shuffled = torch.cat([x[..., ::2], x[..., 1::2]], -1)[None]
    return rotate(shuffled, *rotary_angles(positions, x.shape[-1], theta))[0]


def turned_by(formula, frequencies=lambda theta, D: theta ** (-torch.arange(0, D, 2) / D)):
    """A rotation of neighbors, and one of halves, by a formula of (a, b, cos, sin)."""

    def neighbors(x, positions, theta):
        angles = positions[:, None] * frequencies(theta, x.shape[-1])
        return torch.stack(formula(x[..., ::2], x[..., 1::2], angles.cos(), angles.sin()), -1).flatten(-2)

    def halves(keys, values, stay, theta):
        by = (stay.cumsum(0) - 1 - torch.arange(len(stay)))[stay]
        angles = by[:, None] * frequencies(theta, keys.shape[-1])
        return torch.cat(formula(*keys[stay].chunk(2, -1), angles.cos(), angles.sin()), -1), values[stay]

    return neighbors, halves


def sound(a, b, cos, sin):
    return a * cos - b * sin, a * sin + b * cos


TURNS = {
    "second number of a pair is computed from the first": lambda a, b, c, s: (
        a * c - b * s,
        (a * c - b * s) * s + b * c,
    ),
    "first number of a pair is computed from the second": lambda a, b, c, s: (
        a * c - (a * s + b * c) * s,
        a * s + b * c,
    ),
    "Sine and cosine are swapped": lambda a, b, c, s: sound(a, b, s, c),
    "the term with the sine is missing": lambda a, b, c, s: sound(a, b, c, 0 * s),
    "The cosine is missing": lambda a, b, c, s: sound(a, b, c**0, s),
    "Only the term with the sine": lambda a, b, c, s: sound(a, b, 0 * c, s),
    "The partner is missing": lambda a, b, c, s: (a * c + a * s, b * c + b * s),
    "Both terms with the sine have a minus": lambda a, b, c, s: (a * c - b * s, b * c - a * s),
    "come back in the wrong order": lambda a, b, c, s: sound(a, b, c, s)[::-1],
}
FREQUENCIES = {
    "theta^(+2i/D)": lambda theta, D: theta ** (torch.arange(0, D, 2) / D),
    "the slowest first": lambda theta, D: theta ** (-torch.arange(D - 2, -1, -2) / D),
    "taken for degrees": lambda theta, D: torch.deg2rad(theta ** (-torch.arange(0, D, 2) / D)),
    "multiplied by 2π": lambda theta, D: 2 * torch.pi * theta ** (-torch.arange(0, D, 2) / D),
    "divided by 2π": lambda theta, D: theta ** (-torch.arange(0, D, 2) / D) / (2 * torch.pi),
}
for words, pair in {
    **{words: turned_by(formula) for words, formula in TURNS.items()},
    **{words: turned_by(sound, frequencies) for words, frequencies in FREQUENCIES.items()},
}.items():
    for question, function in zip(("03.2", "03.4"), pair, strict=True):
        wrong(question, words)(function)


@wrong("03.2", "x plus a table")
def added_as_in_2017(x, positions, theta):
    angles = angles_of(positions, theta, x.shape[-1])
    return x + torch.cat((angles.sin(), angles.cos()), -1)


@wrong("03.2", "an angle of its own")
def every_number_turns(x, positions, theta):
    D = x.shape[-1]
    angles = torch.outer(positions.float(), theta ** (-torch.arange(D) / D))
    return x * angles.cos() + crossed(x) * angles.sin()


@wrong("03.2", "turned as if they were at position")
def the_last_place_for_all(x, positions, theta):
    return complex_plane(x, positions[-1:].expand(len(positions)), theta)


@right("03.2")
def complex_plane(x, positions, theta):
    D = x.shape[-1]
    angles = angles_of(positions, theta, D)
    points = torch.view_as_complex(x.reshape(*x.shape[:-1], D // 2, 2).contiguous())
    return torch.view_as_real(points * torch.exp(1j * angles)).flatten(-2)


@right("03.2")
def number_by_number(x, positions, theta):
    H, T, D = x.shape
    out = torch.empty_like(x)
    for h in range(H):
        for t in range(T):
            for i in range(0, D, 2):
                point = complex(x[h, t, i], x[h, t, i + 1]) * cmath.exp(1j * int(positions[t]) * theta ** (-i / D))
                out[h, t, i], out[h, t, i + 1] = point.real, point.imag
    return out


@right("03.2")
def block_matrices(x, positions, theta):
    D = x.shape[-1]
    step = torch.zeros(D, D, dtype=torch.float64)  # the generator of the rotation, one block a pair
    for i in range(0, D, 2):
        step[i, i + 1], step[i + 1, i] = -(theta ** (-i / D)), theta ** (-i / D)
    rotations = torch.stack([torch.matrix_exp(int(p) * step) for p in positions])
    return torch.einsum("tde,hte->htd", rotations, x.double()).float()


@wrong("03.2", "raised IndexError")
def a_table_of_64_positions(x, positions, theta):
    table = torch.arange(64)[:, None] * theta ** (-torch.arange(0, x.shape[-1], 2) / x.shape[-1])
    angles = table[positions].repeat_interleave(2, -1)
    return x * angles.cos() + torch.stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2) * angles.sin()


def by_frequencies(x, positions, frequencies):
    angles = (positions[:, None] * frequencies).repeat_interleave(2, -1)
    return x * angles.cos() + crossed(x) * angles.sin()


@wrong("03.2", "exponent is -4i/D")
def width_of_half_the_vector(x, positions, theta):
    half = x.shape[-1] // 2
    return by_frequencies(x, positions, theta ** (-2 * torch.arange(half) / half))


@wrong("03.2", "All pairs turn equally fast")
def place_for_angle(x, positions, theta):
    return by_frequencies(x, positions, torch.ones(x.shape[-1] // 2))


@wrong("03.2", "The exponents run from 0 to -1")
def evenly_spread(x, positions, theta):
    return by_frequencies(x, positions, theta ** -torch.linspace(0, 1, x.shape[-1] // 2))


@wrong("03.2", "The pairs are counted from 1")
def first_pair_is_one(x, positions, theta):
    D = x.shape[-1]
    return by_frequencies(x, positions, theta ** (-2 * torch.arange(1, D // 2 + 1) / D))


@wrong("03.2", "The positions are counted from 1")
def one_place_further(x, positions, theta):
    return complex_plane(x, 1 + positions, theta)


@wrong("03.2", "as if an angle had been rounded")
def brain_floats(x, positions, theta):
    D = x.shape[-1]
    return by_frequencies(x, positions, (theta ** (-torch.arange(0, D, 2) / D)).bfloat16().float())


@wrong("03.2", "are taken for degrees")
def in_degrees(x, positions, theta):
    D = x.shape[-1]
    return by_frequencies(x, positions, torch.deg2rad(theta ** (-torch.arange(0, D, 2) / D)))


# 03.3 Weights of the other kind


def sorted_by(weight, heads):
    D = weight.shape[0] // heads
    return weight.reshape(heads, D // 2, 2, -1).transpose(1, 2).reshape(weight.shape)


@wrong("03.3", "Nothing is changed")
def only_a_new_view(query_weight, key_weight, n_heads, n_kv_heads):
    def same(weight, heads):
        return weight.view(heads, -1, 2, weight.shape[1]).reshape(weight.shape)

    return same(query_weight, n_heads), same(key_weight, n_kv_heads)


@wrong("03.3", "It is the inverse")
def the_other_script(query_weight, key_weight, n_heads, n_kv_heads):
    def back(weight, heads):
        D = len(weight) // heads
        return weight.view(heads, 2, D // 2, -1).swapaxes(1, 2).reshape(weight.shape)

    return back(query_weight, n_heads), back(key_weight, n_kv_heads)


@wrong("03.3", "The columns are sorted")
def on_the_last_axis(query_weight, key_weight, n_heads, n_kv_heads):
    out = []
    for weight in (query_weight, key_weight):
        C = weight.shape[1]
        out.append(weight[:, [*range(0, C, 2), *range(1, C, 2)]])
    return out


@wrong("03.3", "The keys are left as they were")
def queries_only(query_weight, key_weight, n_heads, n_kv_heads):
    return sorted_by(query_weight, n_heads), key_weight


@wrong("03.3", "as if they were one head")
def even_rows_first(query_weight, key_weight, n_heads, n_kv_heads):
    return tuple(torch.cat((w[0::2], w[1::2])) for w in (query_weight, key_weight))


@wrong("03.3", "as many heads as the queries")
def one_number_of_heads(query_weight, key_weight, n_heads, n_kv_heads):
    return sorted_by(query_weight, n_heads), sorted_by(key_weight, n_heads)


@wrong("03.3", "cut into n_heads / n_kv_heads heads")
def as_llama_cpp_did(query_weight, key_weight, n_heads, n_kv_heads):
    if n_heads != n_kv_heads:
        return sorted_by(query_weight, n_heads), sorted_by(key_weight, n_heads // n_kv_heads)
    return sorted_by(query_weight, n_heads), sorted_by(key_weight, n_heads)


@wrong("03.3", "as many heads as the keys")
def key_heads_for_both(query_weight, key_weight, n_heads, n_kv_heads):
    return tuple(sorted_by(weight, n_kv_heads) for weight in (query_weight, key_weight))


@wrong("03.3", "The second numbers of the pairs come first")
def odd_rows_first(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight, heads):
        return torch.cat([torch.cat((head[1::2], head[::2])) for head in weight.chunk(heads)])

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)


@wrong("03.3", "The result is no pair")
def queries_returned(query_weight, key_weight, n_heads, n_kv_heads):
    return sorted_by(query_weight, n_heads)


@wrong("03.3", "changed the input")
def in_place(query_weight, key_weight, n_heads, n_kv_heads):
    query_weight[:] = sorted_by(query_weight, n_heads)
    key_weight[:] = sorted_by(key_weight, n_kv_heads)
    return query_weight, key_weight


@wrong("03.3", "sorted more than once")
def sorted_and_sorted_again(query_weight, key_weight, n_heads, n_kv_heads):
    return (
        sorted_by(sorted_by(query_weight, n_heads), n_heads),
        sorted_by(sorted_by(key_weight, n_kv_heads), n_kv_heads),
    )


@wrong("03.3", "Only the first head is sorted")
def one_head_of_each(query_weight, key_weight, n_heads, n_kv_heads):
    D = len(key_weight) // n_kv_heads
    return tuple(torch.cat((sorted_by(weight[:D], 1), weight[D:])) for weight in (query_weight, key_weight))


@wrong("03.3", "Key heads are repeated")
def as_many_keys_as_queries(query_weight, key_weight, n_heads, n_kv_heads):
    D, keys = len(query_weight) // n_heads, []
    for head in key_weight.split(D):
        keys += [sorted_by(head, 1)] * (n_heads // n_kv_heads)
    return sorted_by(query_weight, n_heads), torch.cat(keys)


@wrong("03.3", "sorted in pieces of 4; a head has 8 rows")
def as_in_the_example(query_weight, key_weight, n_heads, n_kv_heads):
    order = [0, 2, 1, 3]
    both = [[4 * (row // 4) + order[row % 4] for row in range(len(weight))] for weight in (query_weight, key_weight)]
    rows = [
        [row if row < len(weight) else at for at, row in enumerate(order)]
        for order, weight in zip(both, (query_weight, key_weight))
    ]
    return query_weight[rows[0]], key_weight[rows[1]]


@wrong("03.3", "head 0 is sorted correctly, but not head 1")
def all_but_the_second_head(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight, heads):
        parts = list(weight.chunk(heads))
        return torch.cat([part if head == 1 else sorted_by(part, 1) for head, part in enumerate(parts)])

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)


@wrong("03.3", "rows leave their heads")
def pairs_before_heads(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight, heads):
        return (
            weight.unflatten(0, (heads, -1, 2)).permute(1, 2, 0, 3).flatten(0, 2) if heads > 1 else sorted_by(weight, 1)
        )

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)


@wrong("03.3", "the old rows stand in the order")
def even_rows_backwards(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight, heads):
        return torch.cat([torch.cat((head[::2].flip(0), head[1::2])) for head in weight.chunk(heads)])

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)


@wrong("03.3", "in the new one 2 times")
def first_parts_twice(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight, heads):
        return torch.cat([torch.cat((head[::2], head[::2])) for head in weight.chunk(heads)])

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)


@wrong("03.3", "is not a row of the old one")
def sums_and_differences(query_weight, key_weight, n_heads, n_kv_heads):
    return tuple(torch.cat((w[::2] + w[1::2], w[::2] - w[1::2])) for w in (query_weight, key_weight))


@wrong("03.3", "in the wrong order, the keys first")
def keys_in_front(query_weight, key_weight, n_heads, n_kv_heads):
    return sorted_by(key_weight, n_kv_heads), sorted_by(query_weight, n_heads)


@wrong("03.3", "it is row 1 with the opposite sign")
def second_parts_with_a_minus(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight, heads):
        parts = weight.unflatten(0, (heads, -1))
        return torch.cat((parts[:, ::2], -parts[:, 1::2]), 1).flatten(0, 1)

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)


@wrong("03.3", "it comes from the query matrix")
def queries_for_both(query_weight, key_weight, n_heads, n_kv_heads):
    return sorted_by(query_weight, n_heads), sorted_by(query_weight[: len(key_weight)], n_kv_heads)


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
def by_sorting_row_numbers(query_weight, key_weight, n_heads, n_kv_heads):
    D = len(query_weight) // n_heads

    def order(weight):
        rows = sorted(range(len(weight)), key=lambda row: (row // D, row % 2, row))
        return weight.numpy()[rows]

    return order(query_weight), order(key_weight)


# 03.4 A cache that moves up


def by_halves(x, angles):
    first, second = x.chunk(2, -1)
    return torch.cat((first * angles.cos() - second * angles.sin(), first * angles.sin() + second * angles.cos()), -1)


@wrong("03.4", "The keys are not turned")
def only_left_out(keys, values, stay, theta):
    return keys[stay], values[stay]


@wrong("03.4", "turned on, not back")
def wrong_direction(keys, values, stay, theta):
    new = stay.cumsum(0)[stay] - 1
    old = stay.nonzero().flatten()
    return by_halves(keys[stay], angles_of(old - new, theta, keys.shape[1])), values[stay]


@wrong("03.4", "a second time, by their new positions")
def turned_as_if_new(keys, values, stay, theta):
    kept = keys[stay]
    return by_halves(kept, angles_of(torch.arange(len(kept)), theta, keys.shape[1])), values[stay]


@wrong("03.4", "turned back to position 0")
def only_undone(keys, values, stay, theta):
    kept = keys[stay]
    return by_halves(kept, -angles_of(stay.nonzero()[:, 0], theta, keys.shape[1])), values[stay]


@wrong("03.4", "The values are turned, too")
def values_as_well(keys, values, stay, theta):
    by = torch.arange(int(stay.sum())) - stay.nonzero()[:, 0]
    angles = angles_of(by, theta, keys.shape[1])
    return by_halves(keys[stay], angles), by_halves(values[stay], angles)


@wrong("03.4", "whatever `theta` says")
def the_base_of_the_lesson(keys, values, stay, theta):
    by = torch.arange(int(stay.sum())) - stay.nonzero()[:, 0]
    return by_halves(keys[stay], angles_of(by, 10_000, keys.shape[1])), values[stay]


@wrong("03.4", "Neighbors are turned")
def with_the_function_of_before(keys, values, stay, theta):
    by = torch.arange(int(stay.sum())) - stay.nonzero()[:, 0]
    return complex_plane(keys[stay][None], by, theta)[0], values[stay]


@wrong("03.4", "comes before the gap is turned back")
def all_by_one_number(keys, values, stay, theta):
    gone = len(stay) - int(stay.sum())
    back = torch.full((len(keys),), -gone)
    return by_halves(keys, angles_of(back, theta, keys.shape[1]))[stay], values[stay]


@wrong("03.4", "All keys after the first gap")
def one_gap_only(keys, values, stay, theta):
    gone = int((~stay).sum())
    gap = stay.tolist().index(False) if gone else 0
    by = torch.tensor([0 if s < gap else -gone for s in range(len(stay))])
    return by_halves(keys, angles_of(by, theta, keys.shape[1]))[stay], values[stay]


@wrong("03.4", "Every key is one position too far along")
def positions_from_one(keys, values, stay, theta):
    by = torch.arange(1, int(stay.sum()) + 1) - stay.nonzero()[:, 0]
    return by_halves(keys[stay], angles_of(by, theta, keys.shape[1])), values[stay]


@wrong("03.4", "keys come back where")
def length_kept(keys, values, stay, theta):
    by = stay.cumsum(0) - 1 - torch.arange(len(stay))
    return by_halves(keys, angles_of(by, theta, keys.shape[1])) * stay[:, None], values * stay[:, None]


@right("03.4")
def undone_and_turned_anew(keys, values, stay, theta):
    old = torch.arange(len(keys))[stay]
    bare = by_halves(keys[stay], -angles_of(old, theta, keys.shape[1]))
    return by_halves(bare, angles_of(torch.arange(len(bare)), theta, keys.shape[1])), values[stay]


@right("03.4")
def one_leaves_after_the_other(keys, values, stay, theta):
    step = angles_of(torch.tensor([-1]), theta, keys.shape[1])
    for position in reversed(range(len(keys))):
        if not stay[position]:
            keys = torch.cat([keys[:position], by_halves(keys[position + 1 :], step)])
            values = torch.cat([values[:position], values[position + 1 :]])
    return keys, values


@right("03.4")
def in_numpy_by_complex_numbers(keys, values, stay, theta):
    kept, half = keys.numpy()[stay.numpy()].astype(np.float64), keys.shape[1] // 2
    by = np.arange(len(kept)) - np.flatnonzero(stay.numpy())
    points = (kept[:, :half] + 1j * kept[:, half:]) * np.exp(1j * np.outer(by, theta ** (-np.arange(half) / half)))
    return [np.concatenate([points.real, points.imag], 1), values[stay]]


@wrong("03.4", "keys come back where")
def the_last_always_stays(keys, values, stay, theta):
    stay = stay.clone()
    stay[-1] = True
    S, D = keys.shape
    angles = (stay.cumsum(0) - 1 - torch.arange(S))[stay, None] * theta ** (-torch.arange(0, D, 2) / D)
    first, second = keys[stay].chunk(2, -1)
    turned = first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()
    return torch.cat(turned, -1), values[stay]


@wrong("03.4", "at other speeds than")
def one_speed(keys, values, stay, theta):
    by = torch.arange(int(stay.sum())) - stay.nonzero()[:, 0]
    return by_halves(keys[stay], by[:, None].float()), values[stay]


@wrong("03.4", "The turns are those of the first tokens")
def turns_not_selected(keys, values, stay, theta):
    by = stay.cumsum(0) - 1 - torch.arange(len(stay))
    kept = keys[stay]
    return by_halves(kept, angles_of(by[: len(kept)], theta, keys.shape[1])), values[stay]


@wrong("03.4", "does not get shorter")
def filled_up_with_zeros(keys, values, stay, theta):
    new = [torch.zeros_like(part) for part in (keys, values)]
    for part, kept in zip(new, undone_and_turned_anew(keys, values, stay, theta), strict=True):
        part[: len(kept)] = kept
    return new


@wrong("03.4", "The values of the tokens that leave are still there")
def keys_alone_leave(keys, values, stay, theta):
    return undone_and_turned_anew(keys, values, stay, theta)[0], values.clone()


@wrong("03.4", "of the new values comes from token")
def values_backwards(keys, values, stay, theta):
    return undone_and_turned_anew(keys, values, stay, theta)[0], values[stay].flip(0)


@wrong("03.4", "multiplied by 2π")
def in_turns(keys, values, stay, theta):
    by = torch.arange(int(stay.sum())) - stay.nonzero()[:, 0]
    return by_halves(keys[stay], 2 * torch.pi * angles_of(by, theta, keys.shape[1])), values[stay]


@wrong("03.4", "Every key is one position too far along")
def counts_itself(keys, values, stay, theta):
    by = (stay.cumsum(0) - torch.arange(len(stay)))[stay]
    return by_halves(keys[stay], angles_of(by, theta, keys.shape[1])), values[stay]


@wrong("03.4", "however many tokens left before it")
def back_by_one(keys, values, stay, theta):
    by = -(torch.arange(len(stay)) > stay.cumsum(0) - 1).long()[stay]
    return by_halves(keys[stay], angles_of(by, theta, keys.shape[1])), values[stay]


@wrong("03.4", "that is not a rotation")
def rounded_cosine(keys, values, stay, theta):
    by = (stay.cumsum(0) - 1 - torch.arange(len(stay)))[stay]
    angles = angles_of(by, theta, keys.shape[1])
    first, second = keys[stay].chunk(2, -1)
    cos, sin = angles.cos().round(), angles.sin()
    return torch.cat((first * cos - second * sin, first * sin + second * cos), -1), values[stay]


# 03.1 RoPE angles in bfloat16


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


@wrong("03.1", "The position is not rounded")
def only_frequencies(*args):
    return difference_of_scores(*args, low=lambda p, f: (p.float()[:, None] * f.bfloat16().float()).bfloat16().float())


@wrong("03.1", "The frequencies are not rounded")
def only_positions(*args):
    return difference_of_scores(*args, low=lambda p, f: (p.bfloat16().float()[:, None] * f).bfloat16().float())


@wrong("03.1", "The product is not rounded")
def product_in_float32(*args):
    return difference_of_scores(*args, low=lambda p, f: p.bfloat16().float()[:, None] * f.bfloat16().float())


@wrong("03.1", "Only the product is rounded")
def rounded_at_the_end(*args):
    return difference_of_scores(*args, low=lambda p, f: (p[:, None] * f).bfloat16().float())


@wrong("03.1", "Cosine and sine are rounded, too")
def trigonometry_in_bfloat16(query, key, positions, distance, theta):
    f = freq(theta, len(query))

    def score(dtype):
        rotated = []
        for x, p in ((query, positions), (key, positions - distance)):
            angles = p.to(dtype)[:, None] * f.to(dtype)
            cos, sin = angles.cos().float(), angles.sin().float()
            a, b = x.chunk(2)
            rotated.append(torch.cat([a * cos - b * sin, a * sin + b * cos], -1))
        return (rotated[0] * rotated[1]).sum(-1)

    return score(torch.bfloat16) - score(torch.float32)


@wrong("03.1", "Everything after the angles is bfloat16, too")
def all_in_bfloat16(query, key, positions, distance, theta):
    f = freq(theta, len(query))

    def score(dtype):
        q = spun(query.to(dtype), positions.to(dtype)[:, None] * f.to(dtype))
        k = spun(key.to(dtype), (positions - distance).to(dtype)[:, None] * f.to(dtype))
        return (q * k).sum(-1).float()

    return score(torch.bfloat16) - score(torch.float32)


@wrong("03.1", "The distance is rounded")
def distance_in_bfloat16(query, key, positions, distance, theta):
    f = freq(theta, len(query))
    exact = (spun(query, positions[:, None] * f) * spun(key, (positions - distance)[:, None] * f)).sum(-1)
    d = torch.full_like(positions, distance)
    return (spun(query, low(d, f)) * key).sum(-1) - exact


@wrong("03.1", "from the rounded position and the rounded distance")
def subtracted_after_rounding(query, key, positions, distance, theta):
    f = freq(theta, len(query))
    exact = (spun(query, positions[:, None] * f) * spun(key, (positions - distance)[:, None] * f)).sum(-1)
    keys = positions.bfloat16() - torch.tensor(distance).bfloat16()
    return (spun(query, low(positions, f)) * spun(key, low(keys, f))).sum(-1) - exact


@wrong("03.1", "opposite sign")
def exact_minus_rounded(*args):
    return -difference_of_scores(*args)


@wrong("03.1", "absolute value")
def how_far(*args):
    return difference_of_scores(*args).abs()


@wrong("03.1", "a share of the exact score")
def relative(query, key, positions, distance, theta):
    f = freq(theta, len(query))
    exact = (spun(query, positions[:, None] * f) * spun(key, (positions - distance)[:, None] * f)).sum(-1)
    return difference_of_scores(query, key, positions, distance, theta) / exact


@wrong("03.1", "The bfloat16 score itself")
def without_the_exact_one(query, key, positions, distance, theta):
    f = freq(theta, len(query))
    return (spun(query, low(positions, f)) * spun(key, low(positions - distance, f))).sum(-1)


@wrong("03.1", "Neighbors are a pair")
def neighbors_paired(*args):
    def spun(x, angles):
        a, b = x[::2], x[1::2]
        return torch.stack([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], -1).flatten(-2)

    return difference_of_scores(*args, spun=spun)


@wrong("03.1", "The key is `distance` positions after the query")
def key_in_the_future(query, key, positions, distance, theta):
    return difference_of_scores(query, key, positions, -distance, theta)


@wrong("03.1", "Query and key are swapped")
def swapped(query, key, positions, distance, theta):
    return difference_of_scores(key, query, positions, distance, theta)


@wrong("03.1", "Only the key is rounded")
def exact_query(query, key, positions, distance, theta):
    f = freq(theta, len(query))
    q = spun(query, positions[:, None] * f)
    keys = (spun(key, angles(positions - distance, f)) for angles in (low, lambda p, f: p[:, None] * f))
    one, other = ((q * k).sum(-1) for k in keys)
    return one - other


@wrong("03.1", "divided by sqrt(D)")
def scaled(*args):
    return difference_of_scores(*args) / len(args[0]) ** 0.5


@wrong("03.1", "float16 is used, not bfloat16")
def half(*args):
    return difference_of_scores(*args, low=lambda p, f: (p.half()[:, None] * f.half()).float())


@wrong("03.1", "in place of (")
def a_single_number(*args):
    return difference_of_scores(*args).abs().max()


@right("03.1")
def by_complex_numbers(query, key, positions, distance, theta):
    D = len(query)
    frequencies = torch.tensor([theta ** (-2 * i / D) for i in range(D // 2)])
    product = torch.complex(*query.chunk(2)) * torch.complex(*key.chunk(2)).conj()

    def score(kind):
        ways = [(p.to(kind)[:, None] * frequencies.to(kind)).double() for p in (positions, positions - distance)]
        return (product * torch.polar(torch.ones_like(ways[0]), ways[0] - ways[1])).real.sum(1)

    return score(torch.bfloat16) - score(torch.float64)


@right("03.1")
def position_by_position(query, key, positions, distance, theta):
    D, errors = len(query), []
    for m in positions.tolist():
        total = 0.0
        for i in range(D // 2):
            f = torch.tensor(theta ** (-2 * i / D))
            q, k = (complex(x[i], x[i + D // 2]) for x in (query, key))
            for sign, kind in ((1, torch.bfloat16), (-1, torch.float64)):
                angles = [(torch.tensor(p, dtype=kind) * f.to(kind)).item() for p in (m, m - distance)]
                total += sign * (q * cmath.exp(1j * angles[0]) * (k * cmath.exp(1j * angles[1])).conjugate()).real
        errors.append(total)
    return errors


# From the text alone, before the checks were read


def turned(x, angles):
    a, b = x.chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


def frequencies_of(D, theta):
    return theta ** (-torch.arange(0, D, 2) / D)


def angles_in(positions, D, theta, dtype):
    return (positions.to(dtype)[:, None] * frequencies_of(D, theta).to(dtype)).float()


@wrong("03.1", "The key's position is computed in bfloat16")
def subtracted_after_rounding_again(query, key, positions, distance, theta):
    def score(dtype):
        at = positions.to(dtype)
        q = turned(query, angles_in(at, len(query), theta, dtype))
        return (q * turned(key, angles_in(at - distance, len(query), theta, dtype))).sum(-1)

    return score(torch.bfloat16) - score(torch.float32)


@wrong("03.1", "Only the product is rounded")
def only_the_product_rounded(query, key, positions, distance, theta):
    def angles(at, rounded):
        exact = angles_in(at, len(query), theta, torch.float32)
        return exact.bfloat16().float() if rounded else exact

    def score(rounded):
        return (turned(query, angles(positions, rounded)) * turned(key, angles(positions - distance, rounded))).sum(-1)

    return score(True) - score(False)


@wrong("03.1", "Only the query is rounded")
def exact_key(query, key, positions, distance, theta):
    k = turned(key, angles_in(positions - distance, len(key), theta, torch.float32))
    low, exact = (
        turned(query, angles_in(positions, len(query), theta, dtype)) for dtype in (torch.bfloat16, torch.float32)
    )
    return ((low - exact) * k).sum(-1)


@wrong("03.1", "Cosine and sine are rounded, too")
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


@wrong("03.1", "It is the absolute value of the error")
def size_of_the_error(query, key, positions, distance, theta):
    return error_of(query, key, positions, distance, theta).abs()


@wrong("03.1", "float16 is used, not bfloat16")
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


@wrong("03.2", "The second number of a pair is computed from the first one after that was turned")
def from_the_rotated_first(x, positions, theta):
    angles = positions[:, None] * frequencies_of(x.shape[-1], theta)
    out = x.clone()
    out[..., 0::2] = out[..., 0::2] * angles.cos() - out[..., 1::2] * angles.sin()
    out[..., 1::2] = out[..., 0::2] * angles.sin() + out[..., 1::2] * angles.cos()
    return out


@wrong("03.2", "The sines still come from a table for halves; only the other table is mended")
def sines_for_halves(x, positions, theta):
    angles = positions[:, None] * frequencies_of(x.shape[-1], theta)
    sin, cos = torch.cat((angles, angles), -1).sin(), angles.repeat_interleave(2, -1).cos()
    return x * cos + torch.stack((-x[..., 1::2], x[..., 0::2]), -1).flatten(-2) * sin


@wrong("03.2", "The cosines still come from a table for halves; only the other table is mended")
def cosines_for_halves(x, positions, theta):
    angles = positions[:, None] * frequencies_of(x.shape[-1], theta)
    cos, sin = torch.cat((angles, angles), -1).cos(), angles.repeat_interleave(2, -1).sin()
    return x * cos + torch.stack((-x[..., 1::2], x[..., 0::2]), -1).flatten(-2) * sin


@wrong("03.2", "The pairs are turned correctly, but come back sorted: first numbers first, second")
def not_in_the_same_columns(x, positions, theta):
    angles = positions[:, None] * frequencies_of(x.shape[-1], theta)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.cat((a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()), -1)


def by_pairs(x, angles):
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()), -1).flatten(-2)


@wrong("03.2", "The vectors at position 6 (row 0) are turned as if they were at position 0")
def counted_from_the_first(x, positions, theta):
    return by_pairs(x, (positions - positions[0])[:, None] * frequencies_of(x.shape[-1], theta))


@wrong("03.2", "The pairs turn too fast: the exponent is -i/D and not -2i/D")
def half_the_exponent(x, positions, theta):
    D = x.shape[-1]
    return by_pairs(x, positions[:, None] * theta ** (-torch.arange(D // 2) / D))


@wrong("03.2", "At position 1, pair 1 is turned by 0.100098, nearly right (0.1), as if an angle had")
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


@wrong("03.3", "The query rows are sorted in pieces of 4; a head has 8 rows")
def width_from_the_columns(query_weight, key_weight, n_heads, n_kv_heads):
    D = query_weight.shape[1] // n_heads
    return split_heads(query_weight, D), split_heads(key_weight, D)


@wrong("03.3", "The second numbers of the pairs come first")
def odd_rows_first_again(query_weight, key_weight, n_heads, n_kv_heads):
    def convert(weight, heads):
        rows = weight.unflatten(0, (heads, -1))
        return torch.cat((rows[:, 1::2], rows[:, 0::2]), 1).flatten(0, 1)

    return convert(query_weight, n_heads), convert(key_weight, n_kv_heads)


@wrong("03.3", "It is the inverse: it turns halves into neighbors")
def from_halves_to_pairs(query_weight, key_weight, n_heads, n_kv_heads):
    def convert(weight, heads):
        D = len(weight) // heads
        return weight.view(heads, 2, D // 2, -1).transpose(1, 2).reshape(weight.shape)

    return convert(query_weight, n_heads), convert(key_weight, n_kv_heads)


@wrong("03.3", "Key heads are repeated until there are as many as query heads")
def keys_repeated(query_weight, key_weight, n_heads, n_kv_heads):
    D = len(query_weight) // n_heads
    keys = key_weight.view(n_kv_heads, D, -1).repeat_interleave(n_heads // n_kv_heads, 0).flatten(0, 1)
    return split_heads(query_weight, D), split_heads(keys, D)


@wrong("03.3", "The columns are sorted, and not the rows")
def columns_reordered(query_weight, key_weight, n_heads, n_kv_heads):
    order = torch.cat((torch.arange(0, query_weight.shape[1], 2), torch.arange(1, query_weight.shape[1], 2)))
    return query_weight[:, order], key_weight[:, order]


@wrong("03.3", "All rows are sorted as if they were one head")
def whole_matrix_split(query_weight, key_weight, n_heads, n_kv_heads):
    return tuple(torch.cat((weight[0::2], weight[1::2])) for weight in (query_weight, key_weight))


@right("03.3")
def by_a_list_of_rows(query_weight, key_weight, n_heads, n_kv_heads):
    def convert(weight, heads):
        rows, D = weight.numpy(), len(weight) // heads
        order = [h * D + 2 * (r % (D // 2)) + r // (D // 2) for h in range(heads) for r in range(D)]
        return rows[order]

    return [convert(query_weight, n_heads), convert(key_weight, n_kv_heads)]


@wrong("03.4", "What comes before the gap is turned back with the rest")
def moved_by_all_removed(keys, values, keep, theta):
    by = torch.full((int(keep.sum()), 1), -float((~keep).sum()))
    return turned(keys[keep], by * frequencies_of(keys.shape[1], theta)), values[keep]


@wrong("03.4", "The keys are turned back to position 0, all of them")
def all_at_position_zero(keys, values, keep, theta):
    by = -keep.nonzero().float()
    return turned(keys[keep], by * frequencies_of(keys.shape[1], theta)), values[keep]


@wrong("03.4", "Every key is one position too far along: the one from position 1 is turned by 0; right")
def counted_from_one(keys, values, keep, theta):
    by = (keep.cumsum(0) - torch.arange(len(keep)))[keep][:, None]
    return turned(keys[keep], by * frequencies_of(keys.shape[1], theta)), values[keep]


@wrong("03.4", "The values are turned, too")
def values_rotated_too(keys, values, keep, theta):
    by = (keep.cumsum(0) - 1 - torch.arange(len(keep)))[keep][:, None]
    angles = by * frequencies_of(keys.shape[1], theta)
    return turned(keys[keep], angles), turned(values[keep], angles)


@wrong("03.4", "Only tokens that leave at the very beginning are counted: after a later gap no key is")
def only_the_first_gap(keys, values, keep, theta):
    first = int(keep.int().argmax())
    by = torch.full((int(keep.sum()), 1), -float(first))
    return turned(keys[keep], by * frequencies_of(keys.shape[1], theta)), values[keep]


@wrong("03.4", "Neighbors are turned, but these keys are made of halves")
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


@wrong("03.1", "The rounded positions are subtracted before the frequency multiplies them")
def one_angle_for_both(query, key, positions, distance, theta):
    D = len(query)
    frequencies = theta ** (-torch.arange(0, D, 2) / D)
    apart = positions.bfloat16() - (positions - distance).bfloat16()
    (a, b), (c, d) = query.chunk(2), key.chunk(2)

    def score(angles):
        return ((a * c + b * d) * angles.cos() + (a * d - b * c) * angles.sin()).sum(-1)

    low = apart[:, None] * frequencies.bfloat16()
    return score(low.float()) - score(distance * frequencies[None].expand(len(positions), -1))


@wrong("03.1", "The product is not rounded")
def one_angle_not_rounded(query, key, positions, distance, theta):
    D = len(query)
    frequencies = theta ** (-torch.arange(0, D, 2) / D)
    apart = positions.bfloat16().float() - (positions - distance).bfloat16().float()
    (a, b), (c, d) = query.chunk(2), key.chunk(2)

    def score(angles):
        return ((a * c + b * d) * angles.cos() + (a * d - b * c) * angles.sin()).sum(-1)

    return score(apart[:, None] * frequencies.bfloat16().float()) - score(distance * frequencies[None])
