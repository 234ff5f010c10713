"""Answers to assignment 03 from its text alone; this set is only scored."""

import math

import numpy as np
import torch
from answers import right, wrong


@wrong("03.1", "fills the padding with 1, as a well-known library does, and not with 0")
def places_padding_gets_one(real, past):
    position_ids = real.long().cumsum(-1) - 1 + past.unsqueeze(-1)
    return position_ids.masked_fill(~real, 1)


@wrong("03.1", "takes off only the padding in front: padding in the middle of a text takes a place")
def places_leading_padding_only(real, past):
    T = real.shape[1]
    lead = real.long().argmax(dim=1, keepdim=True)
    columns = torch.arange(T).expand(real.shape)
    return torch.where(real, columns - lead + past[:, None], 0)


@wrong("03.1", "computes and returns floats in place of whole numbers")
def places_as_floats(real, past):
    counted = torch.cumsum(real.float(), dim=1) - 1 + past.float()[:, None]
    return counted * real


@wrong("03.1", "clears the padding before the past is added, so padding has the length of the cache for its place")
def places_past_added_last(real, past):
    r = real.numpy().astype(np.int64)
    counted = (np.cumsum(r, axis=1) - 1) * r
    return torch.from_numpy(counted + past.numpy()[:, None])


@wrong("03.1", "counts on in the tensor past itself and so changes what came in")
def places_counts_in_past(real, past):
    out = torch.zeros(real.shape, dtype=torch.long)
    for b in range(real.shape[0]):
        for t in range(real.shape[1]):
            if real[b, t]:
                out[b, t] = past[b]
                past[b] += 1
    return out


@right("03.1")
def places_scatter_an_arange(real, past):
    out = torch.zeros(real.shape, dtype=torch.long)
    for row, mask, before in zip(out, real, past.tolist()):
        n = int(mask.sum())
        row[mask] = torch.arange(before, before + n)
    return out


@wrong("03.2", "puts out all first parts and then all second ones, and not each pair in its old seats")
def turn_leaves_halves(x, places, theta):
    D = x.shape[-1]
    freq = theta ** (-torch.arange(0, D, 2) / D)
    a = places[:, None] * freq
    even, odd = x[..., ::2], x[..., 1::2]
    return torch.cat((even * a.cos() - odd * a.sin(), odd * a.cos() + even * a.sin()), dim=-1)


@wrong("03.2", "spreads the exponents from 0 to -1 with the end included, where the last is -(D - 2)/D")
def turn_exponents_with_end(x, places, theta):
    half = x.shape[-1] // 2
    freq = theta ** (-torch.linspace(0, 1, half))
    angles = torch.repeat_interleave(places[:, None] * freq, 2, dim=-1)
    crossed = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
    return x * angles.cos() + crossed * angles.sin()


@wrong("03.2", "counts on from the first place and does not look at the others, which may have gaps")
def turn_counts_from_first_place(x, places, theta):
    H, T, D = x.shape
    where = int(places[0]) + torch.arange(T)
    out = torch.empty_like(x)
    for i in range(D // 2):
        angle = where * theta ** (-2 * i / D)
        c, s = torch.cos(angle), torch.sin(angle)
        out[:, :, 2 * i] = x[:, :, 2 * i] * c - x[:, :, 2 * i + 1] * s
        out[:, :, 2 * i + 1] = x[:, :, 2 * i + 1] * c + x[:, :, 2 * i] * s
    return out


@wrong("03.2", "turns the other way round: the matrix of the rotation is transposed")
def turn_other_way(x, places, theta):
    H, T, D = x.shape
    a = places[:, None] * theta ** (-2 * torch.arange(D // 2) / D)
    rot = torch.stack((torch.stack((a.cos(), a.sin()), -1), torch.stack((-a.sin(), a.cos()), -1)), -2)
    return torch.einsum("tiab,htib->htia", rot, x.reshape(H, T, D // 2, 2)).reshape(H, T, D)


@wrong("03.2", "computes the angles in bfloat16, where place 1,001 is no longer to be told from 1,000")
def turn_angles_in_bfloat16(x, places, theta):
    D = x.shape[-1]
    freq = theta ** (-torch.arange(0, D, 2) / D)
    angles = (places.bfloat16()[:, None] * freq.bfloat16()).float().repeat_interleave(2, -1)
    pairs = x.unflatten(-1, (-1, 2))
    crossed = torch.stack((-pairs[..., 1], pairs[..., 0]), -1).flatten(-2)
    return x * angles.cos() + crossed * angles.sin()


@right("03.2")
def turn_complex_numbers(x, places, theta):
    D = x.shape[-1]
    freq = torch.tensor([math.pow(theta, -2 * i / D) for i in range(D // 2)], dtype=torch.float64)
    spin = torch.exp(1j * torch.outer(places.double(), freq))
    z = torch.complex(x[..., 0::2].double(), x[..., 1::2].double()) * spin
    return torch.view_as_real(z).flatten(-2).to(x.dtype)


@wrong("03.3", "the way back, halves to neighbours: the same for D = 4, another one for a wider head")
def to_halves_backwards(query_weight, key_weight, n_heads, n_kv_heads):
    def permute(w, heads):
        return w.reshape(heads, 2, len(w) // heads // 2, -1).transpose(1, 2).reshape(w.shape)

    return permute(query_weight, n_heads), permute(key_weight, n_kv_heads)


@wrong("03.3", "cuts the key matrix into n_heads heads too, though it has only n_kv_heads")
def to_halves_as_many_key_heads(query_weight, key_weight, n_heads, n_kv_heads):
    def sort_rows(w):
        return torch.cat([torch.cat((head[0::2], head[1::2])) for head in w.chunk(n_heads)])

    return sort_rows(query_weight), sort_rows(key_weight)


@wrong("03.3", "takes D to be the number of columns divided by the heads, which need not be so")
def to_halves_width_from_columns(query_weight, key_weight, n_heads, n_kv_heads):
    D = query_weight.shape[1] // n_heads

    def sort_rows(w):
        return torch.cat([torch.cat((w[at : at + D : 2], w[at + 1 : at + D : 2])) for at in range(0, len(w), D)])

    return sort_rows(query_weight), sort_rows(key_weight)


@wrong("03.3", "brings the first parts of all heads to the front, across the heads and not within each of them")
def to_halves_across_heads(query_weight, key_weight, n_heads, n_kv_heads):
    out = []
    for w, heads in ((query_weight, n_heads), (key_weight, n_kv_heads)):
        n, C = w.shape
        out.append(w.view(heads, n // heads // 2, 2, C).permute(2, 0, 1, 3).reshape(n, C))
    return tuple(out)


@wrong("03.3", "sorts only the queries and leaves the keys, as if the rows of one side were enough")
def to_halves_queries_only(query_weight, key_weight, n_heads, n_kv_heads):
    heads = query_weight.reshape(n_heads, -1, query_weight.shape[1])
    sorted_heads = torch.cat((heads[:, ::2], heads[:, 1::2]), dim=1)
    return sorted_heads.flatten(0, 1), key_weight.clone()


@right("03.3")
def to_halves_by_sort_key(query_weight, key_weight, n_heads, n_kv_heads):
    D = query_weight.shape[0] // n_heads

    def order(n):
        return sorted(range(n), key=lambda row: (row // D, row % D % 2))

    return query_weight[order(n_heads * D)], key_weight[order(n_kv_heads * D)]


def _turn_halves(x, by, theta):
    D = x.shape[-1]
    angle = by[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()), -1)


@wrong("03.4", "moves every key up by the number of all tokens that left, not of those that left in front of it")
def move_up_all_by_one_number(keys, values, stay, theta):
    gone = (~stay).sum()
    by = -gone.expand(int(stay.sum()))
    return _turn_halves(keys[stay], by, theta), values[stay]


@wrong("03.4", "turns the keys by their new places, as if they had not been turned before")
def move_up_turns_from_zero(keys, values, stay, theta):
    kept = keys[stay]
    return _turn_halves(kept, torch.arange(len(kept)), theta), values[stay]


@wrong("03.4", "turns the values too, which have never been turned")
def move_up_turns_values(keys, values, stay, theta):
    old = stay.nonzero().flatten()
    by = torch.arange(len(old)) - old
    return _turn_halves(keys[old], by, theta), _turn_halves(values[old], by, theta)


@wrong("03.4", "pairs neighbours, 2i with 2i + 1, where the pairs are halves")
def move_up_pairs_neighbours(keys, values, stay, theta):
    old = torch.nonzero(stay)[:, 0]
    by = (torch.arange(len(old)) - old).float()
    k = keys[old]
    D = k.shape[1]
    freq = torch.tensor([theta ** (-2 * i / D) for i in range(D // 2)])
    z = torch.complex(k[:, 0::2], k[:, 1::2]) * torch.polar(torch.ones(len(old), D // 2), by[:, None] * freq)
    return torch.view_as_real(z).reshape(len(old), D), values[old]


@wrong("03.4", "counts the token itself among those in front of it, so that the new places begin with 1")
def move_up_new_places_from_one(keys, values, stay, theta):
    by = stay.cumsum(0) - torch.arange(len(stay))
    return _turn_halves(keys[stay], by[stay], theta), values[stay]


@right("03.4")
def move_up_one_place_at_a_time(keys, values, stay, theta):
    S, D = keys.shape
    half = D // 2
    out_keys, out_values = [], []
    for s in range(S):
        if not stay[s]:
            continue
        up = s - len(out_keys)
        row = keys[s].double().tolist()
        turned = [0.0] * D
        for i in range(half):
            spin = complex(row[i], row[i + half]) * complex(
                math.cos(up * theta ** (-2 * i / D)), -math.sin(up * theta ** (-2 * i / D))
            )
            turned[i], turned[i + half] = spin.real, spin.imag
        out_keys.append(torch.tensor(turned, dtype=keys.dtype))
        out_values.append(values[s].clone())
    return torch.stack(out_keys), torch.stack(out_values)
