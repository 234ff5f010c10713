"""Answers to assignment 04 from its text alone; this set is only scored."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("04.1", "gives each of the texts its own copy of the parameters")
def longest_text_parameters_per_text(model, memory, n_texts):
    head = model["d_model"] // model["n_heads"]
    per_token = 2 * model["n_layers"] * model["n_kv_heads"] * head * 2
    return max(0, (memory // n_texts - 2 * model["n_parameters"]) // per_token)


@wrong("04.1", "counts one vector for each token and layer and forgets that keys and values are two")
def longest_text_keys_only(model, memory, n_texts):
    d = model["d_model"] // model["n_heads"]
    token = model["n_layers"] * model["n_kv_heads"] * d * 2
    left = memory - 2 * model["n_parameters"]
    return left // (token * n_texts) if left > 0 else 0


@wrong("04.1", "gives a negative number where not even the parameters fit")
def longest_text_negative(model, memory, n_texts):
    width = model["n_kv_heads"] * (model["d_model"] // model["n_heads"])
    free = memory // 2 - model["n_parameters"]
    return free // (2 * model["n_layers"] * width * n_texts)


@wrong("04.1", "rounds up, to a last token that fits only in part")
def longest_text_rounds_up(model, memory, n_texts):
    kv = 4 * model["n_layers"] * model["n_kv_heads"] * model["d_model"] // model["n_heads"]
    rest = memory - 2 * model["n_parameters"]
    return max(0, -(-rest // (kv * n_texts)))


@wrong("04.1", "takes one byte off for each parameter where each has two")
def longest_text_one_byte_parameters(model, memory, n_texts):
    head_dim = model["d_model"] // model["n_heads"]
    one_token = 2 * 2 * model["n_layers"] * model["n_kv_heads"] * head_dim
    remaining = memory - model["n_parameters"]
    return max(remaining // one_token // n_texts, 0)


@right("04.1")
def longest_text_by_halving(model, memory, n_texts):
    def fits(tokens):
        entries = tokens * n_texts * model["n_layers"] * 2 * model["n_kv_heads"]
        entries = entries * (model["d_model"] // model["n_heads"])
        return 2 * (entries + model["n_parameters"]) <= memory

    low, high = 0, 1
    while fits(high):
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


@wrong("04.2", "query head h reads head h // K, not h // (H / K), which is the same for H = 4 and K = 2")
def attention_divides_by_k(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    reads = (torch.arange(H) // K).clamp(max=K - 1)
    scores = query @ key[reads].mT / math.sqrt(D)
    hidden = torch.ones(T, S, dtype=torch.bool).triu(S - T + 1)
    return scores.masked_fill(hidden, -math.inf).softmax(-1) @ value[reads]


@wrong("04.2", "puts the mask on after softmax, so that the weights of what is visible no longer add up to 1")
def attention_masks_after_softmax(query, key, value):
    H, T, D = query.shape
    K, S, _ = key.shape
    k = key.repeat_interleave(H // K, 0)
    v = value.repeat_interleave(H // K, 0)
    weights = F.softmax(torch.bmm(query, k.transpose(1, 2)) / D**0.5, dim=-1)
    return torch.bmm(weights * torch.ones(T, S).tril(S - T), v)


@wrong("04.2", "hides nothing when there is a cache, as if only one query came then")
def attention_no_mask_with_cache(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    q = query.view(K, H // K, T, D)
    scores = torch.einsum("kgtd,ksd->kgts", q, key) / math.sqrt(D)
    if T == S:
        scores = scores.masked_fill(torch.ones(T, T).triu(1).bool(), float("-inf"))
    return torch.einsum("kgts,ksd->kgtd", scores.softmax(-1), value).reshape(H, T, D)


@wrong("04.2", "divides by the root of the model's width, H * D, where the width of one head belongs")
def attention_scaled_by_model_width(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    scores = query @ key.repeat_interleave(H // K, dim=0).mT * (H * D) ** -0.5
    visible = torch.arange(S) <= torch.arange(S - T, S)[:, None]
    scores = scores.where(visible, torch.tensor(-math.inf))
    return scores.softmax(-1) @ value.repeat_interleave(H // K, dim=0)


@wrong("04.2", "softmax over the queries (axis -2), not over the keys that each query reads")
def attention_softmax_over_queries(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    group = torch.arange(H) // (H // K)
    scores = query @ key[group].mT / math.sqrt(D)
    future = torch.arange(S)[None, :] > torch.arange(T)[:, None] + (S - T)
    return scores.masked_fill(future, -math.inf).softmax(-2) @ value[group]


@right("04.2")
def attention_query_by_query(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    out = torch.zeros_like(query)
    for h in range(H):
        k, v = key[h * K // H], value[h * K // H]
        for t in range(T):
            n = S - T + t + 1
            scores = (k[:n] * query[h, t]).sum(1) / D**0.5
            out[h, t] = torch.softmax(scores, 0) @ v[:n]
    return out


@wrong("04.3", "cuts the window out with a slice whose start becomes negative and then counts from the end")
def window_mask_negative_slice(T, S, window, sinks):
    mask = torch.zeros(T, S, dtype=torch.bool)
    for t in range(T):
        p = S - T + t
        mask[t, p - window + 1 : p + 1] = True
        mask[t, : min(sinks, p + 1)] = True
    return mask


@wrong("04.3", "cuts the text into fixed blocks of the window's length in place of a window that slides")
def window_mask_blocks(T, S, window, sinks):
    p = torch.arange(S - T, S)[:, None]
    s = torch.arange(S)[None, :]
    return (s <= p) & ((p // window == s // window) | (s < sinks))


@wrong("04.3", "shows the sinks to every query, also to one that stands in front of them")
def window_mask_sinks_from_the_future(T, S, window, sinks):
    distance = torch.arange(S - T, S).unsqueeze(1) - torch.arange(S)
    mask = (distance >= 0) & (distance < window)
    mask[:, :sinks] = True
    return mask


@wrong("04.3", "takes the sinks out of the window's budget, so that only window - sinks near positions are left")
def window_mask_shared_budget(T, S, window, sinks):
    near = max(window - sinks, 1)
    rows = []
    for p in range(S - T, S):
        rows.append([s <= p and (p - s < near or s < sinks) for s in range(S)])
    return torch.tensor(rows, dtype=torch.bool)


@wrong("04.3", "returns whole numbers 0 and 1 in place of a boolean tensor")
def window_mask_as_numbers(T, S, window, sinks):
    p, s = np.arange(S - T, S)[:, None], np.arange(S)[None, :]
    seen = np.logical_and(s <= p, np.logical_or(s > p - window, s < sinks))
    return torch.from_numpy(seen.astype(np.int64))


@right("04.3")
def window_mask_two_triangles(T, S, window, sinks):
    ones = torch.ones(T, S, dtype=torch.bool)
    too_far = ones.tril(S - T - window)
    too_far[:, :sinks] = False
    return ones.tril(S - T) ^ too_far


@wrong("04.4", "subtracts the largest total of all queries, so that a query with small totals becomes 0 / 0")
def join_one_maximum_for_all(out_a, total_a, out_b, total_b):
    top = torch.cat((total_a, total_b)).max()
    a, b = (total_a - top).exp(), (total_b - top).exp()
    out_a = torch.where(total_a[:, None] == -math.inf, 0.0, out_a)
    out_b = torch.where(total_b[:, None] == -math.inf, 0.0, out_b)
    out = (a[:, None] * out_a + b[:, None] * out_b) / (a + b)[:, None]
    return out, top + (a + b).log()


@wrong("04.4", "cuts the totals off at 80 and -80 so that exp stays finite: shares and totals beyond that are wrong")
def join_clamped_totals(out_a, total_a, out_b, total_b):
    ea = total_a.clamp(-80, 80).exp() * (total_a > -math.inf)
    eb = total_b.clamp(-80, 80).exp() * (total_b > -math.inf)
    both = ea + eb
    parts = torch.nan_to_num(out_a) * (ea / both)[:, None] + torch.nan_to_num(out_b) * (eb / both)[:, None]
    return parts, both.log()


@wrong("04.4", "writes zeros over NaN in the outputs that came in")
def join_clears_nan_in_place(out_a, total_a, out_b, total_b):
    out_a[torch.isneginf(total_a)] = 0
    out_b[torch.isneginf(total_b)] = 0
    share = torch.sigmoid(total_a - total_b)[:, None]
    return share * out_a + (1 - share) * out_b, torch.logaddexp(total_a, total_b)


@wrong("04.4", "makes 0 of a total of minus infinity, so a machine without keys counts as e^0 = 1")
def join_minus_infinity_becomes_zero(out_a, total_a, out_b, total_b):
    totals = torch.stack((total_a, total_b)).nan_to_num(neginf=0.0)
    outs = torch.stack((out_a, out_b)).nan_to_num(nan=0.0)
    shares = totals.softmax(0)
    return (shares[..., None] * outs).sum(0), totals.logsumexp(0)


@wrong("04.4", "joins the totals with logaddexp2, the logarithm of a sum of powers of 2 and not of e")
def join_total_to_base_two(out_a, total_a, out_b, total_b):
    weight = (total_b - total_a).exp().add(1).reciprocal().unsqueeze(-1)
    a = out_a.masked_fill(total_a.isneginf().unsqueeze(-1), 0)
    b = out_b.masked_fill(total_b.isneginf().unsqueeze(-1), 0)
    return weight * a + (1 - weight) * b, torch.logaddexp2(total_a, total_b)


@right("04.4")
def join_only_what_is_there(out_a, total_a, out_b, total_b):
    low, high = torch.minimum(total_a, total_b), torch.maximum(total_a, total_b)
    a_is_high = (total_a >= total_b)[:, None]
    small, large = torch.where(a_is_high, out_b, out_a), torch.where(a_is_high, out_a, out_b)
    ratio = (low - high).exp()
    mixed = large + (ratio / (1 + ratio))[:, None] * (small - large)
    return torch.where((low > -math.inf)[:, None], mixed, large), high + ratio.log1p()
