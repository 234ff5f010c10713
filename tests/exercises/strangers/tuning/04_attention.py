"""Answers to assignment 04 from its text alone; this half served to tune the checks."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("04.1", "counts only the keys in the cache and forgets the values")
def cache_of_keys_only(model, memory, n_texts):
    D = model["d_model"] // model["n_heads"]
    token = model["n_layers"] * model["n_kv_heads"] * D * 2
    left = memory - model["n_parameters"] * 2
    if left <= 0:
        return 0
    return left // (token * n_texts)


@wrong("04.1", "keeps query, key and value of every token, though only key and value are cached")
def three_vectors_cached(model, memory, n_texts):
    entries = model["n_kv_heads"] * (model["d_model"] // model["n_heads"])
    qkv = 3 * entries * model["n_layers"] * 2
    return max((memory - 2 * model["n_parameters"]) // (qkv * n_texts), 0)


@wrong("04.1", "gives the tokens of all texts together instead of the tokens of each text")
def tokens_of_all_texts(model, memory, n_texts):
    D = model["d_model"] // model["n_heads"]
    per_token = 2 * model["n_layers"] * model["n_kv_heads"] * D * 2
    total_tokens = (memory - 2 * model["n_parameters"]) // per_token
    return max(total_tokens, 0)


@wrong("04.1", "rounds up to the next token, which does not fit any more")
def one_token_too_many(model, memory, n_texts):
    d = model["d_model"] // model["n_heads"]
    cost = 2 * model["n_layers"] * model["n_kv_heads"] * d * 2 * n_texts
    free = memory - 2 * model["n_parameters"]
    if free < cost:
        return 0
    return -(-free // cost)


@wrong("04.1", "asks for less than the free memory, so the token that fills it exactly is lost")
def never_quite_full(model, memory, n_texts):
    D = model["d_model"] // model["n_heads"]
    cost = 4 * model["n_layers"] * model["n_kv_heads"] * D * n_texts
    free = memory - 2 * model["n_parameters"]
    low, high = 0, max(free, 0) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if middle * cost < free:
            low = middle
        else:
            high = middle
    return low


@wrong("04.1", "gives each key/value head all d_model entries instead of d_model / n_heads")
def heads_of_full_width(model, memory, n_texts):
    vector = model["n_kv_heads"] * model["d_model"]
    token = 2 * vector * model["n_layers"] * 2
    rest = memory - 2 * model["n_parameters"]
    return rest // (token * n_texts) if rest > 0 else 0


@wrong("04.1", "counts bytes in 32-bit integers, which overflow beyond 2 GB")
def thirty_two_bit_bytes(model, memory, n_texts):
    bytes_total, n_parameters = np.array([memory, model["n_parameters"]]).astype(np.int32)
    D = model["d_model"] // model["n_heads"]
    cost = 4 * model["n_layers"] * model["n_kv_heads"] * D * n_texts
    free = np.array([bytes_total]) - 2 * np.array([n_parameters])
    return max(int(free[0]) // cost, 0)


@wrong("04.1", "takes the number of query heads in a group for the number of key/value heads")
def group_size_for_kv_heads(model, memory, n_texts):
    D = model["d_model"] // model["n_heads"]
    shared = model["n_heads"] // model["n_kv_heads"]
    cost = 2 * model["n_layers"] * shared * D * 2
    free = memory - 2 * model["n_parameters"]
    return max(free // (cost * n_texts), 0)


@right("04.1")
def divides_step_by_step(model, memory, n_texts):
    left = max(0, memory - 2 * model["n_parameters"])
    numbers = left // 2
    vectors_entries = numbers // 2
    per_layer = vectors_entries // model["n_layers"]
    per_head = per_layer // model["n_kv_heads"]
    tokens = per_head // (model["d_model"] // model["n_heads"])
    return tokens // n_texts


@right("04.1")
def bisects_the_length(model, memory, n_texts):
    def used(tokens):
        total = 2 * model["n_parameters"]
        head = model["d_model"] // model["n_heads"]
        total += n_texts * tokens * model["n_layers"] * model["n_kv_heads"] * (head + head) * 2
        return total

    if used(1) > memory:
        return 0
    fits = 1
    while used(2 * fits) <= memory:
        fits *= 2
    too_long = 2 * fits
    while too_long - fits > 1:
        guess = (fits + too_long) // 2
        if used(guess) <= memory:
            fits = guess
        else:
            too_long = guess
    return fits


@right("04.1")
def long_division_by_recursion(model, memory, n_texts):
    def quotient(free, cost):
        if free < cost:
            return 0
        half = 2 * quotient(free, 2 * cost)
        return half + (1 if free - half * cost >= cost else 0)

    one_layer = 2 * 2 * model["n_kv_heads"] * model["d_model"] // model["n_heads"]
    return quotient(memory - 2 * model["n_parameters"], one_layer * model["n_layers"] * n_texts)


@wrong("04.2", "still repeats the whole list of key/value heads, so query head h reads head h % K")
def heads_still_tiled(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    key, value = (part.repeat(H // K, 1, 1) for part in (key, value))
    scores = query @ key.mT / math.sqrt(D)
    visible = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


@wrong("04.2", "shares the keys among neighbors but still tiles the values")
def values_still_tiled(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    key = key.repeat_interleave(H // K, dim=0)
    value = value.repeat(H // K, 1, 1)
    scores = query @ key.transpose(1, 2) / D**0.5
    visible = torch.ones(T, S).tril(S - T).bool()
    return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


@wrong("04.2", "moves the triangle the wrong way, to the left by the length of the cache")
def triangle_moved_backwards(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    key, value = (part.repeat_interleave(H // K, dim=0) for part in (key, value))
    scores = query @ key.mT / math.sqrt(D)
    visible = torch.ones(T, S, dtype=torch.bool).tril(T - S)
    return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


@wrong("04.2", "divides the scores by sqrt of all H * D features instead of sqrt(D)")
def scaled_by_the_whole_width(query, key, value):
    H, T, D = query.shape
    K, S, _ = key.shape
    d_model = H * D
    key = key.repeat_interleave(H // K, dim=0)
    value = value.repeat_interleave(H // K, dim=0)
    scores = torch.einsum("htd,hsd->hts", query, key) / math.sqrt(d_model)
    hidden = torch.ones(T, S, dtype=torch.bool).triu(S - T + 1)
    weights = scores.masked_fill(hidden, float("-inf")).softmax(dim=-1)
    return torch.einsum("hts,hsd->htd", weights, value)


@wrong("04.2", "takes the softmax over the queries instead of over the keys")
def softmax_over_the_queries(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    key, value = (part.repeat_interleave(H // K, dim=0) for part in (key, value))
    scores = query @ key.mT / math.sqrt(D)
    visible = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    return F.softmax(scores.masked_fill(~visible, -math.inf), dim=1) @ value


@wrong("04.2", "sets hidden scores to 0 instead of minus infinity, so they keep a weight")
def hidden_scores_are_zero(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    index = torch.arange(H) // (H // K)
    scores = query @ key[index].mT / math.sqrt(D)
    visible = torch.tril(torch.ones(T, S), S - T)
    return (scores * visible).softmax(-1) @ value[index]


@wrong("04.2", "divides the query in place, so the caller's tensor is changed")
def scales_the_query_in_place(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    query /= math.sqrt(D)
    key, value = (part.repeat_interleave(H // K, dim=0) for part in (key, value))
    visible = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    return (query @ key.mT).masked_fill(~visible, -math.inf).softmax(-1) @ value


@wrong("04.2", "moves the triangle only for a single query; several queries with a cache see too little")
def cache_only_for_one_query(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    key = torch.repeat_interleave(key, H // K, dim=0)
    value = torch.repeat_interleave(value, H // K, dim=0)
    scores = query @ key.mT / math.sqrt(D)
    if T > 1:  # the last token alone may see everything
        scores = scores.masked_fill(~torch.ones(T, S, dtype=torch.bool).tril(), -math.inf)
    return scores.softmax(-1) @ value


@right("04.2")
def grouped_einsum(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    q = query.unflatten(0, (K, H // K))
    scores = torch.einsum("kgtd,ksd->kgts", q, key) * D**-0.5
    future = torch.arange(S) > torch.arange(S - T, S).unsqueeze(1)
    scores = scores.masked_fill(future, -math.inf)
    weights = torch.exp(scores - torch.logsumexp(scores, dim=-1, keepdim=True))
    return torch.einsum("kgts,ksd->kgtd", weights, value).flatten(0, 1)


@right("04.2")
def padded_to_a_square(query, key, value):
    H, T, D = query.shape
    K, S, _ = key.shape
    padded = F.pad(query, (0, 0, S - T, 0))  # queries of zeros at the cached positions
    wide_key = torch.stack([head for head in key for _ in range(H // K)])
    wide_value = torch.stack([head for head in value for _ in range(H // K)])
    scores = torch.bmm(padded, wide_key.transpose(1, 2)) / math.sqrt(D)
    scores = scores + torch.triu(torch.full((S, S), -math.inf), diagonal=1)
    return torch.bmm(torch.softmax(scores, dim=2), wide_value)[:, S - T :]


@right("04.2")
def one_group_after_the_other(query, key, value):
    H, T, D = query.shape
    K, S = key.shape[0], key.shape[1]

    def groups(q, k, v):
        if len(k) > 1:
            return torch.cat([groups(q[: H // K], k[:1], v[:1]), groups(q[H // K :], k[1:], v[1:])])
        rows = []
        for t in range(T):
            n = S - (T - 1 - t)
            weights = torch.softmax(q[:, t] @ k[0, :n].T / math.sqrt(D), dim=-1)
            rows.append(weights @ v[0, :n])
        return torch.stack(rows, dim=1)

    return groups(query, key, value)


@wrong("04.3", "shows the sinks also to queries that stand before them, so these see the future")
def sinks_in_the_future(T, S, window, sinks):
    p = torch.arange(S - T, S)[:, None]
    s = torch.arange(S)
    mask = (s <= p) & (p - s < window)
    mask[:, :sinks] = True
    return mask


@wrong("04.3", "marks the hidden positions with True, as the attn_mask of nn.MultiheadAttention does")
def true_means_hidden(T, S, window, sinks):
    p = torch.arange(S - T, S)[:, None]
    s = torch.arange(S)[None, :]
    future = s > p
    too_far = (p - s >= window) & (s >= sinks)
    return future | too_far


@wrong("04.3", "moves the upper edge of the band by the cache but not its lower edge")
def lower_edge_not_moved(T, S, window, sinks):
    causal = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    band = causal.triu(1 - window)
    band[:, :sinks] = causal[:, :sinks]
    return band


@wrong("04.3", "takes the sinks out of the window's size, as if both shared one budget")
def sinks_use_up_the_window(T, S, window, sinks):
    p = torch.arange(S - T, S)[:, None]
    s = torch.arange(S)
    recent = max(window - sinks, 1)
    return (s <= p) & ((s > p - recent) | (s < sinks))


@wrong("04.3", "fails with an error where there are more sinks than positions")
def more_sinks_than_positions(T, S, window, sinks):
    mask = torch.zeros(T, S, dtype=torch.bool)
    for t in range(T):
        p = S - T + t
        for s in range(max(0, p - window + 1), p + 1):
            mask[t, s] = True
        for s in range(sinks):
            mask[t, s] = mask[t, s] or s <= p
    return mask


@wrong("04.3", "lets the slice of a window larger than the text begin at a negative number, which counts from the end")
def slice_begins_negative(T, S, window, sinks):
    mask = torch.zeros(T, S, dtype=torch.bool)
    for row, p in enumerate(range(S - T, S)):
        mask[row, p - window + 1 : p + 1] = True
        mask[row, : min(sinks, p + 1)] = True
    return mask


@wrong("04.3", "keeps only the very first token as a sink, however many are asked for")
def at_most_one_sink(T, S, window, sinks):
    distance = torch.arange(S - T, S)[:, None] - torch.arange(S)
    mask = (distance >= 0) & (distance < window)
    if sinks > 0:
        mask[:, 0] = True
    return mask


@wrong("04.3", "keeps one sink too many, since position number `sinks` is not a sink any more")
def one_sink_too_many(T, S, window, sinks):
    p = np.arange(S - T, S).reshape(-1, 1)
    s = np.arange(S).reshape(1, -1)
    mask = (s <= p) & ((p - s < window) | (s <= sinks))
    return torch.from_numpy(mask)


@right("04.3")
def with_sets_of_positions(T, S, window, sinks):
    rows = []
    for p in range(S - T, S):
        past = set(range(p + 1))
        seen = past & (set(range(p - window + 1, p + 1)) | set(range(min(sinks, S))))
        rows.append([s in seen for s in range(S)])
    return torch.tensor(rows, dtype=torch.bool)


@right("04.3")
def triangles(T, S, window, sinks):
    causal = torch.ones(T, S).tril(S - T)
    band = causal.triu(S - T - window + 1)
    sink_columns = torch.zeros(T, S)
    sink_columns[:, :sinks] = 1
    return torch.maximum(band, sink_columns * causal) > 0.5


@right("04.3")
def counts_of_true(T, S, window, sinks):
    visible = torch.zeros(T, S + 1, dtype=torch.int64)
    p = torch.arange(S - T, S)
    row = torch.arange(T)
    start = (p + 1 - window).clamp(min=0)
    visible[row, start] += 1  # the window opens here
    visible[row, p + 1] -= 1  # and closes here
    visible[row, 0] += 1  # the sinks, never past the query's own position
    visible[row, (p + 1).clamp(max=sinks)] -= 1
    return visible.cumsum(1)[:, :S] > 0


@wrong("04.4", "exponentiates the totals as they are, which overflows or becomes 0 in 32 bits")
def exponentials_overflow(out_a, total_a, out_b, total_b):
    sum_a, sum_b = torch.exp(total_a), torch.exp(total_b)
    a = torch.where(total_a[:, None] == -math.inf, 0.0, out_a)
    b = torch.where(total_b[:, None] == -math.inf, 0.0, out_b)
    both = sum_a + sum_b
    out = (a * sum_a[:, None] + b * sum_b[:, None]) / both[:, None]
    return out, torch.log(both)


@wrong("04.4", "replaces NaN only in the output of machine b, though all keys of a can be hidden too")
def only_b_can_be_hidden(out_a, total_a, out_b, total_b):
    m = torch.maximum(total_a, total_b)
    wa, wb = torch.exp(total_a - m), torch.exp(total_b - m)
    b = torch.where(torch.isinf(total_b)[:, None], torch.zeros_like(out_b), out_b)
    out = (wa[:, None] * out_a + wb[:, None] * b) / (wa + wb)[:, None]
    return out, m + torch.log(wa + wb)


@wrong("04.4", "gives machine a the share of machine b and the other way round")
def shares_swapped(out_a, total_a, out_b, total_b):
    a, b = out_a.clone(), out_b.clone()
    hidden_a, hidden_b = total_a == -math.inf, total_b == -math.inf
    a[hidden_a] = out_b[hidden_a]
    b[hidden_b] = out_a[hidden_b]
    share = torch.sigmoid(total_b - total_a)[:, None]
    return share * a + (1 - share) * b, torch.logaddexp(total_a, total_b)


@wrong("04.4", "subtracts one maximum for all queries, so the sums of queries with small totals become 0")
def one_maximum_for_all(out_a, total_a, out_b, total_b):
    m = max(total_a.max(), total_b.max())
    wa, wb = (total_a - m).exp(), (total_b - m).exp()
    a, b = out_a.nan_to_num(0.0), out_b.nan_to_num(0.0)
    common = wa + wb
    out = (a * wa[:, None] + b * wb[:, None]) / common[:, None]
    return out, common.log() + m


@wrong("04.4", "returns the larger of the two totals instead of the logarithm of the common sum")
def larger_total(out_a, total_a, out_b, total_b):
    total = torch.maximum(total_a, total_b)
    wa, wb = torch.exp(total_a - total)[:, None], torch.exp(total_b - total)[:, None]
    a = torch.where(wa == 0, 0.0, out_a)
    b = torch.where(wb == 0, 0.0, out_b)
    return (wa * a + wb * b) / (wa + wb), total


@wrong("04.4", "replaces NaN by 0 only in the joined output, where the other machine's output is already lost")
def nan_replaced_at_the_end(out_a, total_a, out_b, total_b):
    m = torch.max(total_a, total_b)
    wa, wb = torch.exp(total_a - m), torch.exp(total_b - m)
    out = (wa.unsqueeze(1) * out_a + wb.unsqueeze(1) * out_b) / (wa + wb).unsqueeze(1)
    return torch.nan_to_num(out), m + torch.log(wa + wb)


@wrong("04.4", "returns the total as a column (T, 1) instead of (T,)")
def total_as_a_column(out_a, total_a, out_b, total_b):
    totals = torch.stack([total_a, total_b], dim=-1)
    total = totals.logsumexp(dim=-1, keepdim=True)
    share = (totals - total).exp()
    outs = torch.stack([out_a, out_b], dim=-1)
    outs = outs.masked_fill(outs.isnan(), 0.0)
    return (outs * share[:, None, :]).sum(-1), total


@wrong("04.4", "computes the total from a's total alone, which is minus infinity plus infinity where a sees no key")
def softplus_of_infinity(out_a, total_a, out_b, total_b):
    gap = total_b - total_a
    a = torch.where(torch.isinf(total_a)[:, None], 0.0, out_a)
    b = torch.where(torch.isinf(total_b)[:, None], 0.0, out_b)
    share_b = torch.sigmoid(gap)[:, None]
    return (1 - share_b) * a + share_b * b, total_a + F.softplus(gap)


@right("04.4")
def sigmoid_and_logaddexp(out_a, total_a, out_b, total_b):
    a = torch.where(total_a[:, None] == -math.inf, out_b, out_a)
    b = torch.where(total_b[:, None] == -math.inf, out_a, out_b)
    return torch.lerp(a, b, torch.sigmoid(total_b - total_a)[:, None].expand_as(a)), torch.logaddexp(total_a, total_b)


@right("04.4")
def numpy_with_einsum(out_a, total_a, out_b, total_b):
    outs = np.stack([out_a.detach().numpy(), out_b.detach().numpy()]).astype(np.float64)
    totals = np.stack([total_a.detach().numpy(), total_b.detach().numpy()]).astype(np.float64)
    outs[np.isneginf(totals)] = 0.0
    total = np.logaddexp.reduce(totals, axis=0)
    out = np.einsum("mt,mtd->td", np.exp(totals - total), outs)
    return torch.from_numpy(out).to(out_a.dtype), torch.from_numpy(total).to(total_a.dtype)


@right("04.4")
def stronger_machine_first(out_a, total_a, out_b, total_b):
    a_wins = total_a >= total_b
    strong = torch.where(a_wins[:, None], out_a, out_b)
    weak = torch.where(a_wins[:, None], out_b, out_a)
    gap = torch.exp(-(total_a - total_b).abs())  # the weaker sum, measured in the stronger one
    weak = torch.where((gap == 0)[:, None], strong, weak)
    out = strong + (weak - strong) * (gap / (1 + gap))[:, None]
    return out, torch.maximum(total_a, total_b) + torch.log1p(gap)
