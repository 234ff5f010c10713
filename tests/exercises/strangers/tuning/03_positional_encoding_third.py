"""Answers to assignment 03 from its text alone; this set served to tune the checks."""

import math

import numpy as np
import torch
from answers import right, wrong

# 03.1


@wrong("03.1", "clears the padding first and adds the past afterwards, so padding gets the past for its place")
def places_past_added_last(real, past):
    counted = (real.long().cumsum(-1) - 1) * real
    return counted + past[:, None]


@wrong("03.1", "gives padding the place 1, as masked_fill(mask == 0, 1) does in much of the code around")
def places_padding_is_one(real, past):
    position_ids = real.long().cumsum(-1) - 1 + past.unsqueeze(-1)
    return position_ids.masked_fill(~real, 1)


@wrong("03.1", "counts the columns from the first token on, so padding in between takes a place")
def places_from_first_token(real, past):
    first = real.long().argmax(dim=1, keepdim=True)
    columns = torch.arange(real.shape[1])[None, :] - first
    return torch.where(real, columns + past[:, None], 0)


@wrong("03.1", "counts in numbers of 8 bits, which go only to 127")
def places_in_one_byte(real, past):
    counted = real.cumsum(-1, dtype=torch.int8) - 1 + past[:, None].to(torch.int8)
    return torch.where(real, counted, 0).long()


@wrong("03.1", "counts on in the past that it was given, which is changed afterwards")
def places_counts_in_past(real, past):
    out = torch.zeros(real.shape, dtype=torch.long)
    for b in range(real.shape[0]):
        for t in range(real.shape[1]):
            if real[b, t]:
                out[b, t] = past[b]
                past[b] += 1
    return out


@wrong("03.1", "begins a new text, at place 0, behind each padding in between")
def places_new_text_after_gap(real, past):
    out = torch.zeros(real.shape, dtype=torch.long)
    for b, row in enumerate(real.tolist()):
        place, started = int(past[b]), False
        for t, token in enumerate(row):
            if token:
                out[b, t] = place
                place += 1
                started = True
            elif started:
                place = 0
    return out


@wrong("03.1", "takes the longest cache of the batch for all rows")
def places_longest_past(real, past):
    counted = real.long().cumsum(-1) - 1 + past.max()
    return torch.where(real, counted, 0)


@wrong("03.1", "repeats the list of pasts T times and cuts it into rows, so the pasts lie along the wrong axis")
def places_past_laid_out_wrong(real, past):
    B, T = real.shape
    before = past.repeat(T).reshape(B, T)
    return (real.long().cumsum(dim=-1) - 1 + before) * real.long()


@right("03.1")
def places_pairs_of_columns(real, past):
    T = real.shape[1]
    earlier = torch.arange(T)[None, :] < torch.arange(T)[:, None]  # (of, before)
    in_front = (real[:, None, :] & earlier).sum(-1)
    return (in_front + past.reshape(-1, 1)).masked_fill(real.logical_not(), 0)


@right("03.1")
def places_written_into_seats(real, past):
    out = np.zeros(tuple(real.shape), dtype=np.int64)
    for row, mask, start in zip(out, real.numpy(), past.tolist(), strict=True):
        row[mask] = range(start, start + int(mask.sum()))
    return torch.from_numpy(out)


# 03.2


@wrong("03.2", "puts all first numbers of the turned pairs in front of all second ones, not into their old seats")
def turn_leaves_halves(x, places, theta):
    D = x.shape[-1]
    angles = places[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    a, b = x[..., 0::2], x[..., 1::2]
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


@wrong("03.2", "forgets the 2 in the exponent: the frequencies are theta^(-i/D)")
def turn_half_exponent(x, places, theta):
    D = x.shape[-1]
    frequencies = theta ** (-torch.arange(D // 2) / D)
    angles = (places[:, None] * frequencies).repeat_interleave(2, dim=-1)
    crossed = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
    return x * angles.cos() + crossed * angles.sin()


@wrong("03.2", "keeps the angles in 16 bits, too coarse for large places")
def turn_angles_in_half(x, places, theta):
    D = x.shape[-1]
    frequencies = theta ** (-torch.arange(0, D, 2) / D)
    angles = places[:, None].half() * frequencies.half()
    angles = angles.float().repeat_interleave(2, dim=-1)
    crossed = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
    return x * angles.cos() + crossed * angles.sin()


@wrong("03.2", "forgets the minus at the crossed numbers, so nothing is turned")
def turn_without_minus(x, places, theta):
    D = x.shape[-1]
    angles = places[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    angles = torch.repeat_interleave(angles, 2, dim=-1)
    swapped = torch.stack((x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
    return x * angles.cos() + swapped * angles.sin()


@wrong("03.2", "computes the second number of a pair from the first one that it has just overwritten")
def turn_reads_the_new_first(x, places, theta):
    out = x.clone()
    D = x.shape[-1]
    for i in range(D // 2):
        angle = places * theta ** (-2 * i / D)
        out[..., 2 * i] = out[..., 2 * i] * angle.cos() - out[..., 2 * i + 1] * angle.sin()
        out[..., 2 * i + 1] = out[..., 2 * i + 1] * angle.cos() + out[..., 2 * i] * angle.sin()
    return out


@wrong("03.2", "counts the places from the first one given, as if only distances mattered for a single vector")
def turn_from_the_first_place(x, places, theta):
    D = x.shape[-1]
    angles = (places - places[0])[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2)


@wrong("03.2", "spaces the frequencies so that the last one is 1/theta, as the first sinusoid code did")
def turn_last_is_one_over_theta(x, places, theta):
    half = x.shape[-1] // 2
    frequencies = torch.exp(-math.log(theta) * torch.arange(half) / max(half - 1, 1))
    angles = (places[:, None] * frequencies).repeat_interleave(2, dim=-1)
    crossed = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
    return x * angles.cos() + crossed * angles.sin()


@wrong("03.2", "divides whole numbers without a remainder in the exponent, which leaves 0 and -1")
def turn_whole_division(x, places, theta):
    D = x.shape[-1]
    frequencies = float(theta) ** (-torch.arange(0, D, 2) // D)
    angles = (places[:, None] * frequencies).repeat_interleave(2, dim=-1)
    crossed = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
    return x * angles.cos() + crossed * angles.sin()


@right("03.2")
def turn_complex_factors(x, places, theta):
    H, T, D = x.shape
    array = x.double().numpy().reshape(H, T, D // 2, 2)
    pairs = array[..., 0] + 1j * array[..., 1]
    angles = np.outer(places.numpy(), float(theta) ** (-2 * np.arange(D // 2) / D))
    turned = pairs * np.exp(1j * angles)
    out = np.stack((turned.real, turned.imag), axis=-1).reshape(H, T, D)
    return torch.from_numpy(out).to(x.dtype)


@right("03.2")
def turn_one_matrix_for_each_place(x, places, theta):
    D = x.shape[-1]
    even = torch.arange(0, D, 2)
    angles = places.double()[:, None] * float(theta) ** (-even.double() / D)
    matrix = torch.zeros(len(places), D, D, dtype=torch.float64)
    matrix[:, even, even] = matrix[:, even + 1, even + 1] = angles.cos()
    matrix[:, even + 1, even] = angles.sin()
    matrix[:, even, even + 1] = -angles.sin()
    return torch.einsum("tij,htj->hti", matrix, x.double()).to(x.dtype)


# 03.3


@wrong("03.3", "sorts the other way: from halves to neighbours, which is the same only for D = 4")
def to_halves_backwards(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight, heads):
        D = len(weight) // heads
        return weight.view(heads, 2, D // 2, -1).transpose(1, 2).reshape(weight.shape)

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)


@wrong("03.3", "sorts the columns, what goes in, in place of the rows")
def to_halves_columns(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight):
        return torch.cat((weight[:, 0::2], weight[:, 1::2]), dim=1)

    return sort(query_weight), sort(key_weight)


@wrong("03.3", "takes the rows of the heads to be interleaved, head number last, and not one head after the other")
def to_halves_heads_interleaved(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight, heads):
        D = len(weight) // heads
        cut = weight.view(D // 2, 2, heads, -1)
        return cut.transpose(0, 1).reshape(weight.shape)

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)


@wrong("03.3", "puts the odd rows first and then the even ones")
def to_halves_odd_first(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight, heads):
        cut = weight.unflatten(0, (heads, -1))
        return torch.cat((cut[:, 1::2], cut[:, 0::2]), dim=1).flatten(0, 1)

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)


@wrong("03.3", "sorts the rows inside the matrices that it was given")
def to_halves_in_place(query_weight, key_weight, n_heads, n_kv_heads):
    for weight, heads in ((query_weight, n_heads), (key_weight, n_kv_heads)):
        D = len(weight) // heads
        order = list(range(0, D, 2)) + list(range(1, D, 2))
        for h in range(heads):
            head = weight[h * D : (h + 1) * D]
            head[:] = head[order]
    return query_weight, key_weight


@wrong("03.3", "takes C / n_heads for the width of a head, but heads need not share the width of the model")
def to_halves_width_from_model(query_weight, key_weight, n_heads, n_kv_heads):
    D = query_weight.shape[1] // n_heads

    def sort(weight, heads):
        return weight.view(heads, D // 2, 2, weight.shape[1]).transpose(1, 2).reshape(heads * D, weight.shape[1])

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)


@wrong("03.3", "repeats the key heads until there are as many as query heads")
def to_halves_keys_repeated(query_weight, key_weight, n_heads, n_kv_heads):
    D = len(query_weight) // n_heads
    keys = key_weight.view(n_kv_heads, D, -1).repeat_interleave(n_heads // n_kv_heads, dim=0)

    def sort(heads):
        return torch.cat((heads[:, 0::2], heads[:, 1::2]), dim=1).flatten(0, 1)

    return sort(query_weight.view(n_heads, D, -1)), sort(keys)


@wrong("03.3", "sorts only as many query heads as there are key heads; the others stay as they were")
def to_halves_some_query_heads(query_weight, key_weight, n_heads, n_kv_heads):
    D = len(query_weight) // n_heads
    query, key = query_weight.clone(), key_weight.clone()
    order = torch.cat((torch.arange(0, D, 2), torch.arange(1, D, 2)))
    for head in range(n_kv_heads):
        rows = slice(head * D, (head + 1) * D)
        query[rows] = query_weight[rows][order]
        key[rows] = key_weight[rows][order]
    return query, key


@right("03.3")
def to_halves_stable_sort_of_row_numbers(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight, heads):
        D = len(weight) // heads
        return weight[sorted(range(len(weight)), key=lambda row: (row // D, row % 2))]

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)


@right("03.3")
def to_halves_row_to_its_new_seat(query_weight, key_weight, n_heads, n_kv_heads):
    D = query_weight.shape[0] // n_heads
    sorted_pair = torch.empty_like(query_weight), torch.empty_like(key_weight)
    for old, new, heads in zip((query_weight, key_weight), sorted_pair, (n_heads, n_kv_heads), strict=True):
        for head in range(heads):
            for i in range(D // 2):
                for part in range(2):
                    new[head * D + part * (D // 2) + i] = old[head * D + 2 * i + part]
    return sorted_pair


# 03.4


def _turn_halves(x, by, theta):
    half = x.shape[-1] // 2
    angles = by[:, None] * theta ** (-torch.arange(half) / half)
    first, second = x[:, :half], x[:, half:]
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


@wrong("03.4", "turns by the new place on top of the old one, as if the keys had not been turned yet")
def move_up_turned_on_top(keys, values, stay, theta):
    kept = keys[stay]
    return _turn_halves(kept, torch.arange(len(kept)), theta), values[stay]


@wrong("03.4", "pairs neighbours, 0 with 1, where the pairs of this cache are halves")
def move_up_neighbours(keys, values, stay, theta):
    D = keys.shape[1]
    old = stay.nonzero().flatten()
    by = torch.arange(len(old)) - old
    angles = by[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    kept = keys[stay]
    a, b = kept[:, 0::2], kept[:, 1::2]
    turned = torch.stack((a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()), dim=-1)
    return turned.flatten(1), values[stay]


@wrong("03.4", "moves all keys up by the number of all that leave, also those that have fewer in front of them")
def move_up_all_the_same(keys, values, stay, theta):
    gone = int((~stay).sum())
    kept = keys[stay]
    by = torch.full((len(kept),), -gone)
    return _turn_halves(kept, by, theta), values[stay]


@wrong("03.4", "counts a key itself among those in front of it, so the new places begin with 1")
def move_up_places_from_one(keys, values, stay, theta):
    by = stay.cumsum(0) - torch.arange(len(stay))
    return _turn_halves(keys[stay], by[stay], theta), values[stay]


@wrong("03.4", "writes the turned keys into the cache that it was given")
def move_up_writes_into_cache(keys, values, stay, theta):
    new = 0
    for s in range(len(keys)):
        if stay[s]:
            keys[new] = _turn_halves(keys[s : s + 1], torch.tensor([new - s]), theta)[0]
            new += 1
    return keys[:new].clone(), values[stay]


@wrong("03.4", "keeps the size of the cache and fills up with zeros behind those that stay")
def move_up_padded(keys, values, stay, theta):
    by = stay.cumsum(0) - 1 - torch.arange(len(stay))
    n = int(stay.sum())
    new_keys, new_values = torch.zeros_like(keys), torch.zeros_like(values)
    new_keys[:n] = _turn_halves(keys[stay], by[stay], theta)
    new_values[:n] = values[stay]
    return new_keys, new_values


@wrong("03.4", "turns with growing frequencies, theta^(2i/D) in place of theta^(-2i/D)")
def move_up_growing_frequencies(keys, values, stay, theta):
    by = stay.cumsum(0) - 1 - torch.arange(len(stay))
    half = keys.shape[1] // 2
    angles = by[stay][:, None] * theta ** (torch.arange(half) / half)
    first, second = keys[stay].chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1), values[stay]


@wrong("03.4", "takes the first values of the cache for those that stay, in place of the values of the keys that stay")
def move_up_first_values(keys, values, stay, theta):
    by = stay.cumsum(0) - 1 - torch.arange(len(stay))
    kept = _turn_halves(keys[stay], by[stay], theta)
    return kept, values[: len(kept)].clone()


@right("03.4")
def move_up_unturn_then_turn(keys, values, stay, theta):
    D = keys.shape[1]
    old = [s for s, stays in enumerate(stay.tolist()) if stays]
    out = torch.empty(len(old), D, dtype=keys.dtype)
    for new, s in enumerate(old):
        row = keys[s].tolist()
        for i in range(D // 2):
            length = math.hypot(row[i], row[i + D // 2])
            angle = math.atan2(row[i + D // 2], row[i])
            at_zero = angle - s * theta ** (-2 * i / D)
            there = at_zero + new * theta ** (-2 * i / D)
            out[new, i] = length * math.cos(there)
            out[new, i + D // 2] = length * math.sin(there)
    return out, values[old]


@right("03.4")
def move_up_complex_by_gaps(keys, values, stay, theta):
    half = keys.shape[1] // 2
    gaps = torch.logical_not(stay).cumsum(0)[stay].double()  # how many have left in front of each
    frequencies = torch.tensor([float(theta) ** (-i / half) for i in range(half)], dtype=torch.float64)
    angles = -torch.outer(gaps, frequencies)
    pairs = torch.complex(keys[stay, :half].double(), keys[stay, half:].double())
    turned = pairs * torch.polar(torch.ones_like(angles), angles)
    return torch.cat((turned.real, turned.imag), dim=1).to(keys.dtype), values[stay]
