"""Answers to assignment 03 from its text alone; this half is for tuning the check."""

import math

import numpy as np
import torch
from answers import right, wrong


@wrong("03.1", "it counts the columns, padding among them")
def columns_for_places(real, past):
    columns = torch.arange(real.shape[1]).expand(real.shape)
    return torch.where(real, columns + past[:, None], 0)


@right("03.1")
def count_and_clear_the_padding(real, past):
    """The place of each token in its own text, 0 for padding: (B, T)."""
    counted = real.cumsum(-1) - 1 + past[:, None]
    return torch.where(real, counted, 0)


@wrong("03.1", "the padding keeps what was counted up to it in place of 0")
def padding_keeps_its_count(real, past):
    return real.cumsum(-1) - 1 + past[:, None]


@wrong("03.1", "the past is added after the padding was cleared, so padding gets the past as its place")
def past_added_last(real, past):
    counted = (real.cumsum(-1) - 1) * real
    return counted + past[:, None]


@wrong("03.1", "the past is added along the columns, not to its rows")
def past_along_the_columns(real, past):
    counted = real.cumsum(-1) - 1
    return torch.where(real, counted + past, 0)


@right("03.1")
def how_many_stand_to_the_left(real, past):
    T = real.shape[1]
    before = torch.ones(T, T).triu(1).long()  # row s, column t: 1 if s stands before t
    counted = real.long() @ before + past.long().unsqueeze(1)
    return counted * real.long()


@wrong("03.1", "only the padding in front of the first token is taken off, and padding in between takes a place")
def only_padding_in_front(real, past):
    first = real.int().argmax(dim=1, keepdim=True)
    columns = torch.arange(real.shape[1])[None, :] - first
    return torch.where(real, columns + past[:, None], torch.zeros_like(columns))


@wrong("03.1", "the places are floats, and whole numbers were asked for")
def places_as_floats(real, past):
    counted = real.float().cumsum(-1) - 1 + past[:, None]
    return counted * real


@wrong("03.1", "past is counted up in place while the columns go by")
def past_counted_up_in_place(real, past):
    out = torch.zeros(real.shape, dtype=torch.long)
    for t in range(real.shape[1]):
        out[:, t] = torch.where(real[:, t], past, 0)
        past += real[:, t]
    return out


@right("03.1")
def column_by_column_with_a_running_count(real, past):
    seen = past.long().clone()
    columns = []
    for column in real.unbind(dim=1):
        columns.append(seen.masked_fill(~column, 0))
        seen = seen + column
    return torch.stack(columns, dim=1)


@wrong("03.1", "the padding is cut out, so the rows have other lengths than T, which a tensor fills up at the end")
def padding_cut_out(real, past):
    rows = []
    for row, start in zip(real, past):
        n = int(row.sum())
        rows.append(torch.arange(n) + start)
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


@right("03.2")
def angles_a_a_b_b(x, places, theta):
    """Each pair of neighbours turned by its place: (H, T, D) -> (H, T, D)."""
    D = x.shape[-1]
    frequencies = theta ** (-torch.arange(0, D, 2) / D)
    angles = (places[:, None] * frequencies).repeat_interleave(2, dim=-1)
    crossed = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
    return x * angles.cos() + crossed * angles.sin()


@wrong("03.2", "the table of angles is still that for halves: a b a b where neighbours need a a b b")
def table_still_for_halves(x, places, theta):
    D = x.shape[-1]
    freqs = theta ** (-torch.arange(0, D, 2) / D)
    angles = torch.outer(places.float(), freqs).repeat(1, 2)
    even, odd = x[..., 0::2], x[..., 1::2]
    crossed = torch.empty_like(x)
    crossed[..., 0::2] = -odd
    crossed[..., 1::2] = even
    return x * torch.cos(angles) + crossed * torch.sin(angles)


@wrong("03.2", "the pairs turn the other way round")
def turned_backwards(x, places, theta):
    D = x.shape[-1]
    angles = places[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    a, b = x[..., 0::2], x[..., 1::2]
    cos, sin = angles.cos(), angles.sin()
    return torch.stack((a * cos + b * sin, b * cos - a * sin), dim=-1).flatten(-2)


@wrong("03.2", "it counts the columns 0, 1, 2, ... and does not look at the places it was given")
def places_counted_anew(x, places, theta):
    H, T, D = x.shape
    angles = torch.arange(T)[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    angles = torch.repeat_interleave(angles, 2, dim=1)
    crossed = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).reshape(H, T, D)
    return x * angles.cos() + crossed * angles.sin()


@right("03.2")
def pair_by_pair_with_math(x, places, theta):
    out = torch.empty_like(x)
    D = x.shape[2]
    for t, place in enumerate(places.tolist()):
        for i in range(D // 2):
            angle = place * theta ** (-2 * i / D)
            c, s = math.cos(angle), math.sin(angle)
            a, b = x[:, t, 2 * i], x[:, t, 2 * i + 1]
            out[:, t, 2 * i] = a * c - b * s
            out[:, t, 2 * i + 1] = a * s + b * c
    return out


@wrong("03.2", "half precision is too coarse for an angle of some hundreds")
def angles_in_half_precision(x, places, theta):
    D = x.shape[-1]
    inv_freq = 1.0 / theta ** (torch.arange(0, D, 2).float() / D)
    angles = places[:, None].to(torch.float16) * inv_freq.to(torch.float16)
    angles = angles.repeat_interleave(2, dim=-1)
    cos, sin = angles.float().cos(), angles.float().sin()
    rotated = torch.stack((-x[..., 1::2], x[..., ::2]), dim=-1).reshape(x.shape)
    return (x * cos + rotated * sin).to(x.dtype)


@wrong("03.2", "the vectors that came in are turned in place")
def vectors_turned_in_place(x, places, theta):
    D = x.shape[-1]
    angles = places[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    even = x[..., 0::2].clone()
    odd = x[..., 1::2].clone()
    x[..., 0::2] = even * angles.cos() - odd * angles.sin()
    x[..., 1::2] = even * angles.sin() + odd * angles.cos()
    return x.clone()


@wrong("03.2", "the minus in front of the second number is missing, so lengths change")
def crossed_without_a_minus(x, places, theta):
    D = x.shape[-1]
    frequencies = theta ** (-torch.arange(0, D, 2) / D)
    angles = torch.repeat_interleave(places[:, None] * frequencies, 2, dim=-1)
    crossed = x.unflatten(-1, (D // 2, 2)).flip(-1).flatten(-2)
    return x * angles.cos() + crossed * angles.sin()


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


@wrong("03.2", "whole division makes 2i // D zero everywhere, so all pairs turn equally fast")
def whole_division_in_the_exponent(x, places, theta):
    D = x.shape[-1]
    frequencies = float(theta) ** -(torch.arange(0, D, 2) // D)
    angles = (places[:, None] * frequencies).repeat_interleave(2, dim=-1)
    crossed = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
    return x * angles.cos() + crossed * angles.sin()


@wrong("03.2", "the exponents are spread evenly from 0 to 1, so the last pair turns by theta^-1: D - 2 stands for D")
def exponents_from_zero_to_one(x, places, theta):
    half = x.shape[-1] // 2
    frequencies = theta ** -torch.linspace(0, 1, half)
    angles = places[:, None] * frequencies
    a, b = x.unflatten(-1, (half, 2)).unbind(-1)
    turned = torch.stack((a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()), dim=-1)
    return turned.flatten(-2)


@wrong("03.3", "the key rows are cut into n_heads heads, and there are only n_kv_heads")
def keys_cut_into_query_heads(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight):
        rows, C = weight.shape
        D = rows // n_heads
        if D < 2:
            return weight.clone()
        return weight.view(n_heads, D // 2, 2, C).transpose(1, 2).reshape(rows, C).clone()

    return sort(query_weight), sort(key_weight)


@right("03.3")
def pair_and_part_swapped(query_weight, key_weight, n_heads, n_kv_heads):
    """Both matrices with the rows of each head sorted: first parts, then second ones."""

    def sort(weight, heads):
        D = len(weight) // heads
        swapped = weight.reshape(heads, D // 2, 2, -1).transpose(1, 2)
        return swapped.reshape(weight.shape).clone()

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)


@wrong("03.3", "the rows are sorted over the whole matrix and not within each head")
def sorted_over_the_whole_matrix(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight):
        return torch.cat((weight[0::2], weight[1::2]))

    return sort(query_weight), sort(key_weight)


@wrong("03.3", "only the query rows are sorted, and the keys keep the old order")
def keys_as_they_were(query_weight, key_weight, n_heads, n_kv_heads):
    D = query_weight.shape[0] // n_heads
    q = query_weight.reshape(n_heads, D // 2, 2, -1)
    q = q.permute(0, 2, 1, 3).reshape(query_weight.shape)
    return q.clone(), key_weight.clone()


@wrong("03.3", "D is taken to be C / n_heads, but heads may be wider or narrower than that")
def width_of_a_head_from_the_columns(query_weight, key_weight, n_heads, n_kv_heads):
    C = query_weight.shape[1]
    D = C // n_heads

    def sort(weight):
        rows = torch.arange(len(weight)).view(-1, D // 2, 2)
        return weight[rows.transpose(1, 2).flatten()]

    return sort(query_weight), sort(key_weight)


@right("03.3")
def head_by_head_with_slices(query_weight, key_weight, n_heads, n_kv_heads):
    results = []
    for weight, heads in ((query_weight, n_heads), (key_weight, n_kv_heads)):
        parts = []
        for head in weight.chunk(heads, dim=0):
            parts.append(head[0::2])
            parts.append(head[1::2])
        results.append(torch.cat(parts))
    return tuple(results)


@wrong("03.3", "the key heads are repeated until there are as many as query heads, and the shape should stay")
def key_heads_repeated(query_weight, key_weight, n_heads, n_kv_heads):
    D = len(query_weight) // n_heads
    keys = key_weight.view(n_kv_heads, D, -1).repeat_interleave(n_heads // n_kv_heads, dim=0).flatten(0, 1)

    def sort(weight):
        return weight.view(n_heads, D // 2, 2, -1).transpose(1, 2).reshape(weight.shape).clone()

    return sort(query_weight), sort(keys)


@wrong("03.3", "only the first head is sorted")
def first_head_only(query_weight, key_weight, n_heads, n_kv_heads):
    D = query_weight.shape[0] // n_heads
    order = torch.cat((torch.arange(0, D, 2), torch.arange(1, D, 2)))
    q, k = query_weight.clone(), key_weight.clone()
    q[:D] = query_weight[order]
    k[:D] = key_weight[order]
    return q, k


@wrong("03.3", "every four rows are put into the order 0, 2, 1, 3, which fits heads of four numbers only")
def fours_in_the_order_of_the_example(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight):
        rows = list(range(len(weight)))
        for start in range(0, len(rows) - 3, 4):
            rows[start + 1], rows[start + 2] = rows[start + 2], rows[start + 1]
        return weight[rows]

    return sort(query_weight), sort(key_weight)


@wrong("03.3", "even and odd rows are parted again within each half, and again: the order of a Fourier transform")
def parted_again_and_again(query_weight, key_weight, n_heads, n_kv_heads):
    def order(rows):
        if len(rows) <= 2:
            return rows
        return order(rows[0::2]) + order(rows[1::2])

    D = len(query_weight) // n_heads
    q = [h * D + r for h in range(n_heads) for r in order(list(range(D)))]
    k = [h * D + r for h in range(n_kv_heads) for r in order(list(range(D)))]
    return query_weight[q], key_weight[k]


@right("03.3")
def rows_sorted_by_a_key(query_weight, key_weight, n_heads, n_kv_heads):
    def permuted(weight, heads):
        rows = np.arange(weight.shape[0])
        D = weight.shape[0] // heads
        # np.lexsort sorts by its last key first: the head, then the part, then the pair
        order = np.lexsort((rows % D // 2, rows % 2, rows // D))
        return torch.from_numpy(weight.numpy()[order])

    return permuted(query_weight, n_heads), permuted(key_weight, n_kv_heads)


@wrong("03.4", "the keys that stay are not turned, so each still says its old place")
def kept_as_they_are(keys, values, stay, theta):
    return keys[stay], values[stay]


@wrong("03.4", "the keys are turned by their new places on top of the old ones, not by the difference")
def new_place_on_top_of_the_old(keys, values, stay, theta):
    k, v = keys[stay], values[stay]
    D = k.shape[-1]
    angles = torch.arange(len(k))[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    cos, sin = torch.cos(angles), torch.sin(angles)
    a, b = k[:, : D // 2], k[:, D // 2 :]
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1), v


@right("03.4")
def turned_by_the_difference(keys, values, stay, theta):
    """The keys and values that stay, each key turned to its new place."""
    S, D = keys.shape
    by = (stay.cumsum(0) - 1 - torch.arange(S))[stay]
    angles = by[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    first, second = keys[stay].chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1), values[stay]


@wrong("03.4", "neighbours are turned as pairs, and the pairs of these keys are halves")
def neighbours_as_pairs(keys, values, stay, theta):
    S, D = keys.shape
    by = (stay.cumsum(0) - 1 - torch.arange(S))[stay]
    angles = by[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    left = keys[stay]
    a, b = left[:, 0::2], left[:, 1::2]
    turned = torch.stack((a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()), dim=-1)
    return turned.flatten(-2), values[stay]


@wrong(
    "03.4", "the turns are computed for all tokens, and the first few are used in place of those of the ones that stay"
)
def turns_of_the_wrong_tokens(keys, values, stay, theta):
    k, v = keys[stay], values[stay]
    S, D = keys.shape
    by = stay.cumsum(0) - 1 - torch.arange(S)
    by = by[: len(k)]
    angles = by[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    first, second = k.chunk(2, dim=1)
    return torch.cat([first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()], 1), v


@wrong("03.4", "all pairs of a key are turned by the same angle, which is right only for the first pair")
def one_angle_for_all_pairs(keys, values, stay, theta):
    left = torch.where(stay)[0]
    angle = (torch.arange(len(left)) - left).to(keys.dtype)[:, None]
    a, b = keys[left].tensor_split(2, dim=-1)
    return torch.cat((a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()), dim=-1), values[left]


@right("03.4")
def key_by_key_with_math(keys, values, stay, theta):
    half = keys.shape[1] // 2
    new_keys, new_values = [], []
    gone = 0
    for key, value, here in zip(keys.tolist(), values, stay.tolist()):
        if not here:
            gone += 1
            continue
        turned = [0.0] * (2 * half)
        for i in range(half):
            angle = -gone * theta ** (-i / half)
            c, s = math.cos(angle), math.sin(angle)
            turned[i] = key[i] * c - key[i + half] * s
            turned[i + half] = key[i] * s + key[i + half] * c
        new_keys.append(turned)
        new_values.append(value)
    return torch.tensor(new_keys, dtype=keys.dtype), torch.stack(new_values)


@wrong("03.4", "those that leave become rows of zeros at the end, and the cache does not get shorter")
def zeros_at_the_end(keys, values, stay, theta):
    S, D = keys.shape
    new_keys, new_values = torch.zeros_like(keys), torch.zeros_like(values)
    frequencies = theta ** (-torch.arange(0, D, 2) / D)
    new = 0
    for old in range(S):
        if stay[old]:
            angle = (new - old) * frequencies
            a, b = keys[old, : D // 2], keys[old, D // 2 :]
            new_keys[new] = torch.cat((a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()))
            new_values[new] = values[old]
            new += 1
    return new_keys, new_values


@wrong("03.4", "the last tokens are put into the gaps, and those that stay should keep their order")
def gaps_filled_from_the_end(keys, values, stay, theta):
    D = keys.shape[1]
    n = int(stay.sum())
    source = list(range(n))
    spare = [s for s in range(n, len(keys)) if stay[s]]
    for place in range(n):
        if not stay[place]:
            source[place] = spare.pop()
    old = torch.tensor(source)
    angles = (torch.arange(n) - old)[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    first, second = keys[old].chunk(2, -1)
    k = torch.cat((first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()), -1)
    return k, values[old]


@right("03.4")
def numpy_with_one_rotation_per_gap(keys, values, stay, theta):
    k = keys.numpy().astype(np.float64)
    D = k.shape[1]
    old = np.flatnonzero(stay.numpy())
    new_keys = np.empty((len(old), D))
    back = old - np.arange(len(old))  # how far each one moves up
    frequency = np.float64(theta) ** (-np.arange(0, D, 2) / D)
    for shift in np.unique(back):
        rows = np.flatnonzero(back == shift)
        cos, sin = np.diag(np.cos(shift * frequency)), np.diag(np.sin(shift * frequency))
        rotation = np.block([[cos, -sin], [sin, cos]])  # for a row vector on the left: backwards
        new_keys[rows] = k[old[rows]] @ rotation
    return torch.from_numpy(new_keys).to(keys.dtype), values[torch.from_numpy(old)]


@wrong("03.4", "the keys are turned back to place 0 and not forward to their new places")
def only_turned_back(keys, values, stay, theta):
    S, D = keys.shape
    angles = -torch.arange(S)[stay][:, None] * theta ** (-torch.arange(0, D, 2) / D)
    first, second = keys[stay].chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1), values[stay]
