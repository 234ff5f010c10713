"""Answers to assignment 03 from its text alone; this half served to tune the checks."""

import math

import numpy as np
import torch
from answers import right, wrong


@wrong("03.1", "each token counts itself, so all places are one too large")
def each_token_counts_itself(real, past):
    counted = torch.cumsum(real.long(), dim=1) + past.unsqueeze(1)
    return counted.masked_fill(~real, 0)


@right("03.1")
def a_counter_for_each_row(real, past):
    out = []
    for row, place in zip(real.tolist(), past.tolist()):
        line = []
        for is_token in row:
            line.append(place if is_token else 0)
            place += is_token
        out.append(line)
    return torch.tensor(out, dtype=torch.long).reshape(real.shape)


@wrong("03.1", "clamping at 0 clears the padding in front, but not padding behind a token")
def clamped_at_zero(real, past):
    place = (real.long().cumsum(dim=-1) - 1).clamp(min=0)
    return place + past[:, None] * real


@wrong("03.1", "zeros_like of a mask is a mask, and every place but 0 becomes True in it")
def places_written_into_a_mask(real, past):
    result = torch.zeros_like(real)
    for b in range(len(real)):
        place = past[b].item()
        for t in range(real.shape[1]):
            if real[b, t]:
                result[b, t] = place
                place += 1
    return result


@wrong("03.1", "padding gets the place 1, as one library does it, where 0 was asked for")
def ones_for_the_padding(real, past):
    position_ids = real.long().cumsum(-1) - 1
    position_ids = position_ids + past[:, None]
    position_ids.masked_fill_(real == 0, 1)
    return position_ids


@right("03.1")
def numpy_fill_in_row_by_row(real, past):
    mask = real.numpy()
    result = np.zeros(mask.shape, dtype=np.int64)
    for b, start in enumerate(past.numpy()):
        where = np.flatnonzero(mask[b])
        result[b, where] = start + np.arange(len(where))
    return torch.from_numpy(result)


@wrong("03.1", "past is taken for the last place in the cache, so a text with a cache goes on one place too far")
def past_taken_for_the_last_place(real, past):
    start = torch.where(past > 0, past + 1, past)
    counted = real.long().cumsum(dim=1) - 1 + start.unsqueeze(1)
    return counted * real


@wrong("03.1", "what is in the cache is forgotten, and every text begins at 0")
def cache_forgotten(real, past):
    counted = real.cumsum(dim=-1) - 1
    counted[~real] = 0
    return counted


@wrong("03.1", "the count runs on from one row into the next")
def count_runs_on_into_the_next_row(real, past):
    counted = real.flatten().cumsum(0).view(real.shape) - 1
    return torch.where(real, counted + past[:, None], 0)


@wrong("03.2", "the pairs were changed to fit the table: it turns halves, and the weights are for neighbours")
def halves_turned_in_place_of_neighbours(x, places, theta):
    D = x.shape[-1]
    frequencies = theta ** (-torch.arange(0, D, 2) / D)
    angles = places[:, None] * frequencies
    angles = torch.cat((angles, angles), dim=-1)
    first, second = x.chunk(2, dim=-1)
    crossed = torch.cat((-second, first), dim=-1)
    return x * angles.cos() + crossed * angles.sin()


@wrong("03.2", "the turned numbers are put into halves and not back into their old seats")
def not_in_the_old_seats(x, places, theta):
    D = x.shape[-1]
    angles = places[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., ::2], x[..., 1::2]
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


@right("03.2")
def complex_numbers_times_a_phase(x, places, theta):
    D = x.shape[-1]
    pairs = torch.view_as_complex(x.double().reshape(*x.shape[:-1], D // 2, 2))
    angle = torch.outer(places.double(), float(theta) ** (-torch.arange(0, D, 2, dtype=torch.double) / D))
    turned = pairs * torch.polar(torch.ones_like(angle), angle)
    return torch.view_as_real(turned).flatten(-2).to(x.dtype)


@wrong("03.2", "the exponent is i / D in place of 2i / D")
def half_of_the_exponent(x, places, theta):
    D = x.shape[-1]
    i = torch.arange(D // 2)
    angles = places[:, None] * theta ** (-i / D)
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2)


@wrong("03.2", "the base is always 10,000, whatever theta was given")
def base_of_ten_thousand(x, places, theta):
    D = x.shape[-1]
    inv_freq = 1.0 / (10000 ** (torch.arange(0, D, 2).float() / D))
    angles = torch.einsum("t,i->ti", places.float(), inv_freq).repeat_interleave(2, dim=-1)
    crossed = torch.stack((-x[..., 1::2], x[..., ::2]), dim=-1).flatten(-2)
    return x * angles.cos() + crossed * angles.sin()


@wrong("03.2", "the second number of a pair is computed from the first one after that was turned already")
def second_from_the_new_first(x, places, theta):
    D = x.shape[-1]
    angles = places[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    out = x.clone()
    out[..., 0::2] = out[..., 0::2] * angles.cos() - out[..., 1::2] * angles.sin()
    out[..., 1::2] = out[..., 0::2] * angles.sin() + out[..., 1::2] * angles.cos()
    return out


@right("03.2")
def one_matrix_for_each_place(x, places, theta):
    D = x.size(-1)
    half = torch.arange(D // 2)
    speed = torch.exp(-2 * half.double() / D * math.log(theta))
    angle = places.double()[:, None] * speed
    R = torch.zeros(len(places), D, D, dtype=torch.double)
    R[:, 2 * half, 2 * half] = angle.cos()
    R[:, 2 * half + 1, 2 * half + 1] = angle.cos()
    R[:, 2 * half, 2 * half + 1] = -angle.sin()
    R[:, 2 * half + 1, 2 * half] = angle.sin()
    return torch.einsum("tij,htj->hti", R, x.double()).to(x.dtype)


@wrong("03.2", "sines and cosines of the places are added to x, which is the encoding of the older paper")
def sines_and_cosines_added(x, places, theta):
    D = x.shape[-1]
    angles = places[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    table = torch.zeros(len(places), D)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()
    return x + table


@wrong("03.2", "the table of angles ends at place 511, and a place may be 1,000")
def table_of_512_places(x, places, theta):
    D = x.shape[-1]
    longest = 512
    table = torch.arange(longest)[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    angles = table.repeat_interleave(2, dim=-1)[places]
    crossed = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
    return x * angles.cos() + crossed * angles.sin()


@wrong("03.3", "it goes the other way, from halves to neighbours, which for D = 4 is the same order")
def from_halves_to_neighbours(query_weight, key_weight, n_heads, n_kv_heads):
    def permute(w, heads):
        out, width = w.shape
        w = w.view(heads, 2, out // heads // 2, width)
        return w.transpose(1, 2).contiguous().view(out, width).clone()

    return permute(query_weight, n_heads), permute(key_weight, n_kv_heads)


@wrong("03.3", "the columns are sorted, and a row makes one number of a query")
def columns_sorted(query_weight, key_weight, n_heads, n_kv_heads):
    order = list(range(0, query_weight.shape[1], 2)) + list(range(1, query_weight.shape[1], 2))
    return query_weight[:, order], key_weight[:, order]


@wrong("03.3", "the second parts come first")
def second_parts_first(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight, heads):
        heads_of_rows = weight.unflatten(0, (heads, -1))
        return torch.cat((heads_of_rows[:, 1::2], heads_of_rows[:, 0::2]), dim=1).flatten(0, 1)

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)


@right("03.3")
def an_index_of_rows(query_weight, key_weight, n_heads, n_kv_heads):
    width = query_weight.shape[0] // n_heads
    within = list(range(0, width, 2)) + list(range(1, width, 2))
    q_rows = [head * width + r for head in range(n_heads) for r in within]
    k_rows = [head * width + r for head in range(n_kv_heads) for r in within]
    return query_weight[q_rows], key_weight[k_rows]


@wrong("03.3", "the pair comes back in the wrong order, the keys first")
def keys_first(query_weight, key_weight, n_heads, n_kv_heads):
    sorted_ones = []
    for w, n in [(key_weight, n_kv_heads), (query_weight, n_heads)]:
        D = w.shape[0] // n
        sorted_ones.append(w.reshape(n, D // 2, 2, w.shape[1]).swapaxes(1, 2).reshape(w.shape).clone())
    return tuple(sorted_ones)


@wrong("03.3", "the matrices that came in are sorted in place")
def matrices_sorted_in_place(query_weight, key_weight, n_heads, n_kv_heads):
    for weight, heads in ((query_weight, n_heads), (key_weight, n_kv_heads)):
        D = weight.shape[0] // heads
        for h in range(heads):
            block = weight[h * D : (h + 1) * D].clone()
            weight[h * D : h * D + D // 2] = block[0::2]
            weight[h * D + D // 2 : (h + 1) * D] = block[1::2]
    return query_weight, key_weight


@wrong("03.3", "the rows are read as if the head changed fastest, but the first D rows are the first head")
def heads_read_as_the_fastest(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight, heads):
        D = weight.shape[0] // heads
        return weight.view(D // 2, 2, heads, -1).transpose(0, 1).reshape(weight.shape).clone()

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)


@right("03.3")
def every_row_is_told_its_new_seat(query_weight, key_weight, n_heads, n_kv_heads):
    q, k = torch.empty_like(query_weight), torch.empty_like(key_weight)
    D = query_weight.size(0) // n_heads
    for old, new in ((query_weight, q), (key_weight, k)):
        for row in range(old.size(0)):
            head, inside = divmod(row, D)
            pair, part = divmod(inside, 2)
            new[head * D + part * (D // 2) + pair] = old[row]
    return q, k


@wrong("03.3", "the second parts change their sign, which belongs to the rotation and not to the weights")
def second_parts_negated(query_weight, key_weight, n_heads, n_kv_heads):
    def sort(weight, heads):
        blocks = weight.view(heads, -1, weight.shape[-1])
        return torch.cat((blocks[:, 0::2], -blocks[:, 1::2]), dim=1).reshape(weight.shape)

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)


@wrong("03.4", "the values are turned as well, and values know nothing of places")
def values_turned_as_well(keys, values, stay, theta):
    S, D = keys.shape
    by = (stay.cumsum(0) - 1 - torch.arange(S))[stay]
    angles = by[:, None] * theta ** (-torch.arange(0, D, 2) / D)

    def turn_rows(rows):
        first, second = rows.chunk(2, -1)
        return torch.cat(
            (first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()), -1
        )

    return turn_rows(keys[stay]), turn_rows(values[stay])


@wrong("03.4", "old place minus new place: the keys are turned further away in place of back")
def old_minus_new(keys, values, stay, theta):
    S, D = keys.shape
    old = torch.arange(S)[stay]
    new = torch.arange(len(old))
    angles = (old - new)[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    first, second = keys[stay].chunk(2, dim=-1)
    moved = torch.cat((first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()), -1)
    return moved, values[stay]


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


@wrong("03.4", "all keys move up by the number of all that leave, also those with none or few gone in front of them")
def all_move_up_equally_far(keys, values, stay, theta):
    D = keys.shape[1]
    gone = int((~stay).sum())
    angles = -gone * theta ** (-torch.arange(0, D, 2) / D)
    first, second = keys[stay].chunk(2, -1)
    return torch.cat(
        (first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()), -1
    ), values[stay]


@wrong("03.4", "the count includes the token itself, so every key stands one place too far")
def one_place_too_far_along(keys, values, stay, theta):
    S, D = keys.shape
    by = (stay.cumsum(0) - torch.arange(S))[stay]
    angles = by[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    first, second = keys[stay].chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1), values[stay]


@wrong("03.4", "the keys that came in are turned in place before those that leave are dropped")
def cache_turned_in_place(keys, values, stay, theta):
    S, D = keys.shape
    by = stay.cumsum(0) - 1 - torch.arange(S)
    angles = by[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    first, second = keys[:, : D // 2].clone(), keys[:, D // 2 :].clone()
    keys[:, : D // 2] = first * angles.cos() - second * angles.sin()
    keys[:, D // 2 :] = second * angles.cos() + first * angles.sin()
    return keys[stay], values[stay]


@right("03.4")
def phases_of_complex_numbers(keys, values, stay, theta):
    D = keys.shape[-1]
    left = stay.nonzero().squeeze(1)
    shift = torch.arange(len(left)) - left
    numbers = torch.complex(*keys[left].double().split(D // 2, dim=-1))
    speeds = torch.tensor([theta ** (-2 * i / D) for i in range(D // 2)], dtype=torch.double)
    numbers = numbers * torch.exp(1j * torch.outer(shift.double(), speeds))
    return torch.cat((numbers.real, numbers.imag), dim=-1).to(keys.dtype), values.index_select(0, left)


@wrong("03.4", "the values are cut to the right number from the front, not taken where their keys stay")
def first_values_for_all(keys, values, stay, theta):
    S, D = keys.shape
    kept = stay.nonzero()[:, 0]
    n = kept.numel()
    inv_freq = theta ** (-torch.arange(0, D, 2) / D)
    angles = torch.outer((torch.arange(n) - kept).float(), inv_freq)
    angles = torch.cat((angles, angles), dim=-1)
    k = keys[kept]
    rotated = torch.cat((-k[:, D // 2 :], k[:, : D // 2]), dim=-1)
    return k * angles.cos() + rotated * angles.sin(), values[:n].clone()


@wrong("03.4", "every key behind a gap moves up by one place, however many have left")
def one_place_for_any_gap(keys, values, stay, theta):
    D = keys.shape[-1]
    missing = ~stay
    by = -(missing.cumsum(0) > 0).long()[stay]
    angles = by[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    first, second = keys[stay].chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1), values[stay]
