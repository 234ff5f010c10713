"""Answers to assignment 04 from its text alone; this set served to tune the checks."""

import math

import numpy as np
import torch
from answers import right, wrong


@wrong("04.1", "counts a key and a value for every query head, as if the heads did not share them")
def one_key_per_query_head(model, memory, n_texts):
    head_size = model["d_model"] // model["n_heads"]
    bytes_per_token = 2 * model["n_layers"] * model["n_heads"] * head_size * 2
    free = memory - 2 * model["n_parameters"]
    return max(free // (bytes_per_token * n_texts), 0)


@wrong("04.1", "subtracts one byte per parameter although each takes two")
def parameters_of_one_byte(model, memory, n_texts):
    D = model["d_model"] // model["n_heads"]
    kv_bytes = 2 * 2 * model["n_layers"] * model["n_kv_heads"] * D
    remaining = memory - model["n_parameters"]
    return max(0, remaining // (kv_bytes * n_texts))


@wrong("04.1", "counts the cache of a single layer and forgets that every layer has one")
def cache_of_one_layer(model, memory, n_texts):
    d_head = model["d_model"] // model["n_heads"]
    key = model["n_kv_heads"] * d_head * 2
    value = key
    free = memory - 2 * model["n_parameters"]
    return max(free // (n_texts * (key + value)), 0)


@wrong("04.1", "splits the whole memory among the texts first, so every text pays for its own copy of the parameters")
def one_model_per_text(model, memory, n_texts):
    share = memory // n_texts
    D = model["d_model"] // model["n_heads"]
    per_token = 4 * model["n_layers"] * model["n_kv_heads"] * D
    return max((share - 2 * model["n_parameters"]) // per_token, 0)


@wrong("04.1", "gives a negative number where the parameters alone do not fit")
def negative_length(model, memory, n_texts):
    d = model["d_model"] // model["n_heads"]
    cost = 2 * 2 * model["n_layers"] * model["n_kv_heads"] * d * n_texts
    return (memory - 2 * model["n_parameters"]) // cost


@wrong("04.1", "changes the dictionary it was given, so a second call gives another answer")
def doubles_the_parameters_in_place(model, memory, n_texts):
    model["n_parameters"] *= 2  # now in bytes
    D = model["d_model"] // model["n_heads"]
    cost = 2 * model["n_layers"] * model["n_kv_heads"] * D * 2
    return max((memory - model["n_parameters"]) // (cost * n_texts), 0)


@wrong("04.1", "gives None instead of 0 where the parameters leave no memory")
def none_if_nothing_is_left(model, memory, n_texts):
    D = model["d_model"] // model["n_heads"]
    left = memory - 2 * model["n_parameters"]
    if left > 0:
        return left // (2 * model["n_layers"] * model["n_kv_heads"] * D * 2 * n_texts)


@wrong("04.1", "also stores the table of attention scores, which grows with the square and does not count here")
def scores_in_memory_too(model, memory, n_texts):
    D = model["d_model"] // model["n_heads"]
    free = memory - 2 * model["n_parameters"]
    if free <= 0:
        return 0
    linear = 4 * model["n_layers"] * model["n_kv_heads"] * D * n_texts
    square = 2 * model["n_heads"] * n_texts
    return (math.isqrt(linear * linear + 4 * square * free) - linear) // (2 * square)


@right("04.1")
def exact_fractions(model, memory, n_texts):
    from fractions import Fraction

    D = Fraction(model["d_model"], model["n_heads"])
    cost = Fraction(4) * model["n_layers"] * model["n_kv_heads"] * D * n_texts
    quotient = Fraction(memory - 2 * model["n_parameters"]) / cost
    return math.floor(quotient) if quotient >= 1 else 0


@right("04.1")
def counts_a_range(model, memory, n_texts):
    D = model["d_model"] // model["n_heads"]
    cost = 2 * model["n_layers"] * (model["n_kv_heads"] * D) * 2 * n_texts
    free = memory - 2 * model["n_parameters"]
    return len(range(cost, free + 1, cost))


@right("04.1")
def numpy_product_of_factors(model, memory, n_texts):
    keys = ["n_layers", "n_kv_heads"]
    factors = [2, 2, n_texts, model["d_model"] // model["n_heads"]] + [model[k] for k in keys]
    cost = np.prod(np.array(factors, dtype=np.int64))
    free = np.int64(memory) - np.int64(2) * np.int64(model["n_parameters"])
    return int(np.clip(free // cost, 0, None))


@wrong("04.2", "leaves the triangle at the left, as if the queries were the first T positions")
def triangle_still_at_the_left(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    key, value = (part.repeat_interleave(H // K, 0) for part in (key, value))
    scores = query @ key.mT / math.sqrt(D)
    i, j = torch.arange(T)[:, None], torch.arange(S)[None]
    return scores.masked_fill(j > i, -math.inf).softmax(-1) @ value


@wrong("04.2", "lets each query look one position into the future")
def sees_the_next_position(query, key, value):
    H, T, D = query.shape
    K, S = key.shape[:2]
    out = torch.zeros_like(query)
    for h in range(H):
        for t in range(T):
            position = S - T + t
            seen = position + 2
            k = key[h // (H // K), :seen]
            v = value[h // (H // K), :seen]
            out[h, t] = torch.softmax(k @ query[h, t] / math.sqrt(D), 0) @ v
    return out


@wrong("04.2", "hides the future after the softmax, so the weights of a query no longer add up to 1")
def masked_after_the_softmax(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    key, value = (part.repeat_interleave(H // K, dim=0) for part in (key, value))
    weights = (query @ key.mT / math.sqrt(D)).softmax(-1)
    visible = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    return weights.masked_fill(~visible, 0.0) @ value


@wrong("04.2", "puts the query heads back in another order than they came in")
def heads_come_back_shuffled(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    grouped = query.reshape(K, H // K, T, D)
    scores = torch.einsum("kgtd,ksd->kgts", grouped, key) / math.sqrt(D)
    visible = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    weights = scores.masked_fill(~visible, -math.inf).softmax(-1)
    return torch.einsum("kgts,ksd->gktd", weights, value).reshape(H, T, D)


@wrong("04.2", "throws away the keys and values of the cache and uses only the last T")
def forgets_the_cache(query, key, value):
    (H, T, D), K = query.shape, key.shape[0]
    key, value = key[:, -T:], value[:, -T:]
    key, value = (part.repeat_interleave(H // K, dim=0) for part in (key, value))
    scores = query @ key.mT / math.sqrt(D)
    visible = torch.ones(T, T, dtype=torch.bool).tril()
    return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


@wrong("04.2", "divides the head number by K instead of by the group size H / K")
def head_number_over_k(query, key, value):
    H, T, D = query.shape
    K, S, _ = key.shape
    result = []
    for h in range(H):
        k, v = key[h // K], value[h // K]
        scores = query[h] @ k.T / D**0.5
        scores = scores + torch.full((T, S), -math.inf).triu(S - T + 1)
        result.append(scores.softmax(-1) @ v)
    return torch.stack(result)


@wrong("04.2", "appends the visible cache columns at the end of the mask instead of at its beginning")
def cache_columns_behind(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    causal = torch.ones(T, T, dtype=torch.bool).tril()
    cached = torch.ones(T, S - T, dtype=torch.bool)
    visible = torch.cat([causal, cached], dim=1)
    group = H // K
    k = key.unsqueeze(1).expand(K, group, S, D).reshape(H, S, D)
    v = value.unsqueeze(1).expand(K, group, S, D).reshape(H, S, D)
    scores = torch.where(visible, query @ k.mT / math.sqrt(D), -math.inf)
    return scores.softmax(-1) @ v


@wrong("04.2", "joins the heads into (T, H * D) as multi-head attention does later, instead of (H, T, D)")
def heads_concatenated(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    key, value = (part.repeat_interleave(H // K, dim=0) for part in (key, value))
    scores = query @ key.mT / math.sqrt(D)
    visible = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    out = scores.masked_fill(~visible, -math.inf).softmax(-1) @ value
    return out.transpose(0, 1).contiguous().view(T, H * D)


@right("04.2")
def query_by_query(query, key, value):
    H, T, D = query.shape
    K, S, _ = key.shape
    out = torch.empty_like(query)
    for h in range(H):
        shared = h * K // H
        for t in range(T):
            n = S - T + t + 1
            scores = (key[shared, :n] * query[h, t]).sum(-1) / math.sqrt(D)
            e = torch.exp(scores - scores.max())
            out[h, t] = (e[:, None] * value[shared, :n]).sum(0) / e.sum()
    return out


@right("04.2")
def in_numpy(query, key, value):
    q, k, v = (x.detach().double().numpy() for x in (query, key, value))
    (H, T, D), (K, S, _) = q.shape, k.shape
    k, v = np.repeat(k, H // K, axis=0), np.repeat(v, H // K, axis=0)
    scores = np.einsum("htd,hsd->hts", q, k) / np.sqrt(D)
    scores = np.where(np.tri(T, S, S - T, dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return torch.from_numpy(weights @ v).to(query.dtype)


@right("04.2")
def streams_over_the_keys(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    owner = torch.arange(H).div(H // K, rounding_mode="floor")
    position = torch.arange(T) + S - T
    best = torch.full((H, T), -math.inf, dtype=query.dtype)
    total = torch.zeros(H, T, dtype=query.dtype)
    out = torch.zeros_like(query)
    for s in range(S):
        score = (query * key[owner, s][:, None]).sum(-1) / math.sqrt(D)
        score = torch.where(position >= s, score, -math.inf)
        new = torch.maximum(best, score)
        keep, add = torch.exp(best - new), torch.exp(score - new)
        total = total * keep + add
        out = out * keep[..., None] + add[..., None] * value[owner, s][:, None]
        best = new
    return out / total[..., None]


@wrong("04.3", "counts the positions of the queries from 0 and forgets the cache before them")
def queries_begin_at_zero(T, S, window, sinks):
    p = torch.arange(T)[:, None]
    s = torch.arange(S)[None, :]
    return (s <= p) & ((p - s < window) | (s < sinks))


@wrong("04.3", "lets the window reach one position too far, since it does not count the query's own position")
def window_without_itself(T, S, window, sinks):
    mask = torch.zeros(T, S, dtype=torch.bool)
    for t in range(T):
        p = S - T + t
        for s in range(p + 1):
            if p - s <= window or s < sinks:
                mask[t, s] = True
    return mask


@wrong("04.3", "opens the window to both sides of the query, so it sees positions after its own")
def window_to_both_sides(T, S, window, sinks):
    p = torch.arange(S - T, S).unsqueeze(1)
    s = torch.arange(S).unsqueeze(0)
    near = (p - s).abs() < window
    sink = (s < sinks) & (s <= p)
    return near | sink


@wrong("04.3", "applies the sinks to the first queries instead of to the first keys")
def sinks_on_the_query_axis(T, S, window, sinks):
    p = torch.arange(S - T, S)[:, None]
    s = torch.arange(S)[None, :]
    return (p >= s) & ((p - s < window) | (p < sinks))


@wrong("04.3", "gives whole numbers 0 and 1 instead of booleans")
def zeros_and_ones(T, S, window, sinks):
    rows = []
    for p in range(S - T, S):
        rows.append([1 if s <= p and (s > p - window or s < sinks) else 0 for s in range(S)])
    return torch.tensor(rows)


@wrong("04.3", "builds the rows as copies of one list, so all queries share the same row")
def all_rows_are_one_list(T, S, window, sinks):
    mask = [[False] * S] * T
    for t in range(T):
        p = S - T + t
        for s in range(S):
            mask[t][s] = s <= p and (p - s < window or s < sinks)
    return torch.tensor(mask)


@wrong("04.3", "cuts the text into fixed blocks of the window's size instead of letting the window slide")
def fixed_blocks(T, S, window, sinks):
    p = torch.arange(S - T, S)[:, None]
    s = torch.arange(S)[None, :]
    return (s <= p) & ((s // window == p // window) | (s < sinks))


@wrong("04.3", "gives the table of all S positions instead of the rows of the last T")
def all_positions_as_queries(T, S, window, sinks):
    i = torch.arange(S).view(S, 1)
    j = torch.arange(S).view(1, S)
    return (i >= j) & ((i - j < window) | (j < sinks))


@right("04.3")
def numpy_table(T, S, window, sinks):
    def rule(t, s):
        distance = t + (S - T) - s
        return np.logical_and(distance >= 0, np.logical_or(distance < window, s < sinks))

    return torch.from_numpy(np.fromfunction(rule, (T, S), dtype=int))


@right("04.3")
def everything_minus_what_is_hidden(T, S, window, sinks):
    mask = torch.ones((T, S), dtype=torch.bool)
    for t in range(T):
        position = t + S - T
        mask[t, position + 1 :] = False
        oldest_in_window = max(position - window + 1, 0)
        if sinks < oldest_in_window:
            mask[t, sinks:oldest_in_window] = False
    return mask


@right("04.3")
def halves_of_the_queries(T, S, window, sinks):
    def rows(first, last):
        if last - first > 1:
            middle = (first + last) // 2
            return torch.vstack([rows(first, middle), rows(middle, last)])
        ages = first - torch.arange(S)
        return torch.where(ages < window, ages >= 0, (torch.arange(S) < sinks) & (ages >= 0))[None]

    return rows(S - T, S)


@wrong("04.4", "takes the plain average of the two outputs, whatever their sums are")
def plain_average(out_a, total_a, out_b, total_b):
    hidden_a = torch.isinf(total_a)[:, None]
    hidden_b = torch.isinf(total_b)[:, None]
    average = (out_a + out_b) / 2
    out = torch.where(hidden_a, out_b, torch.where(hidden_b, out_a, average))
    return out, torch.logaddexp(total_a, total_b)


@wrong("04.4", "multiplies the NaN of a machine without visible keys by 0, which stays NaN")
def zero_times_nan(out_a, total_a, out_b, total_b):
    share_a, share_b = torch.stack([total_a, total_b]).softmax(0).unsqueeze(-1)
    return share_a * out_a + share_b * out_b, torch.logaddexp(total_a, total_b)


@wrong("04.4", "adds the two logarithms, which multiplies the sums instead of adding them")
def logarithms_added(out_a, total_a, out_b, total_b):
    share = torch.sigmoid(total_a - total_b)[:, None]
    out = share * out_a.nan_to_num() + (1 - share) * out_b.nan_to_num()
    hidden_a, hidden_b = torch.isinf(total_a), torch.isinf(total_b)
    total = torch.where(hidden_a, total_b, torch.where(hidden_b, total_a, total_a + total_b))
    return out, total


@wrong("04.4", "does not add the larger total back to the logarithm of the common sum")
def maximum_not_added_back(out_a, total_a, out_b, total_b):
    m = torch.maximum(total_a, total_b)
    wa = torch.exp(total_a - m)
    wb = torch.exp(total_b - m)
    a = torch.where(total_a[:, None] == -math.inf, 0.0, out_a)
    b = torch.where(total_b[:, None] == -math.inf, 0.0, out_b)
    out = (wa[:, None] * a + wb[:, None] * b) / (wa + wb)[:, None]
    return out, torch.log(wa + wb)


@wrong("04.4", "writes zeros into the outputs that it was given")
def overwrites_the_nans(out_a, total_a, out_b, total_b):
    out_a[total_a == -math.inf] = 0
    out_b[total_b == -math.inf] = 0
    total = torch.logaddexp(total_a, total_b)
    out = torch.exp(total_a - total)[:, None] * out_a + torch.exp(total_b - total)[:, None] * out_b
    return out, total


@wrong("04.4", "replaces a total of minus infinity by 0, so a machine without keys counts with a sum of 1")
def hidden_total_becomes_zero(out_a, total_a, out_b, total_b):
    total_a = torch.where(torch.isinf(total_a), 0.0, total_a)
    total_b = torch.where(torch.isinf(total_b), 0.0, total_b)
    a, b = torch.nan_to_num(out_a), torch.nan_to_num(out_b)
    share = torch.softmax(torch.stack([total_a, total_b], dim=1), dim=1)
    out = share[:, :1] * a + share[:, 1:] * b
    return out, torch.logsumexp(torch.stack([total_a, total_b]), 0)


@wrong("04.4", "takes everything from machine b as soon as a single query has no visible keys on a")
def one_hidden_query_decides_for_all(out_a, total_a, out_b, total_b):
    if (total_a == -math.inf).any():
        return out_b.clone(), total_b.clone()
    b = torch.where(total_b[:, None] == -math.inf, 0.0, out_b)
    total = torch.logaddexp(total_a, total_b)
    out = torch.exp(total_a - total)[:, None] * out_a + torch.exp(total_b - total)[:, None] * b
    return out, total


@wrong("04.4", "divides each weighted output by the number of machines instead of by the common sum")
def divided_by_two(out_a, total_a, out_b, total_b):
    m = torch.maximum(total_a, total_b)
    wa, wb = torch.exp(total_a - m), torch.exp(total_b - m)
    a, b = out_a.nan_to_num(), out_b.nan_to_num()
    out = (wa[:, None] * a + wb[:, None] * b) / 2
    return out, m + torch.log(wa + wb)


@right("04.4")
def in_sixty_four_bits(out_a, total_a, out_b, total_b):
    ea, eb = total_a.double().exp(), total_b.double().exp()  # e^200 fits into 64 bits
    numerator = out_a.double().nan_to_num() * ea[:, None] + out_b.double().nan_to_num() * eb[:, None]
    out = numerator / (ea + eb)[:, None]
    return out.to(out_a.dtype), (ea + eb).log().to(total_a.dtype)


@right("04.4")
def query_by_query_with_math(out_a, total_a, out_b, total_b):
    out, total = torch.empty_like(out_a), torch.empty_like(total_a)
    for t in range(len(total_a)):
        la, lb = total_a[t].item(), total_b[t].item()
        if la == -math.inf:
            out[t], total[t] = out_b[t], lb
        elif lb == -math.inf:
            out[t], total[t] = out_a[t], la
        else:
            big = max(la, lb)
            ea, eb = math.exp(la - big), math.exp(lb - big)
            out[t] = out_a[t] * (ea / (ea + eb)) + out_b[t] * (eb / (ea + eb))
            total[t] = big + math.log(ea + eb)
    return out, total


@right("04.4")
def running_state_like_flash(out_a, total_a, out_b, total_b):
    largest = torch.full_like(total_a, -1e30)
    denominator = torch.zeros_like(total_a)
    numerator = torch.zeros_like(out_a)
    for out, total in ((out_a, total_a), (out_b, total_b)):
        new = torch.maximum(largest, total)
        old_scale, scale = torch.exp(largest - new), torch.exp(total - new)
        block = out.masked_fill(total.isinf()[:, None], 0.0)
        denominator = denominator * old_scale + scale
        numerator = numerator * old_scale[:, None] + block * scale[:, None]
        largest = new
    return numerator / denominator[:, None], largest + denominator.log()
