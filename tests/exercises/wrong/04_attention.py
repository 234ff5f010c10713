"""Answers to exercise 04 as learners write them."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 04.1 The longest text that fits


def kept_per_token(model):
    return 4 * model["n_layers"] * model["n_kv_heads"] * (model["d_model"] // model["n_heads"])


def left(model, memory):
    return memory - 2 * model["n_parameters"]


@wrong("04.1", "the values are missing")
def keys_only(model, memory, n_texts):
    d_head = model["d_model"] // model["n_heads"]
    return left(model, memory) // (2 * n_texts * model["n_layers"] * model["n_kv_heads"] * d_head)


@wrong("04.1", "each entry counts as one byte")
def numbers_for_bytes(model, memory, n_texts):
    d_head = model["d_model"] / model["n_heads"]
    return int(left(model, memory) / (2 * model["n_layers"] * model["n_kv_heads"] * d_head) / n_texts)


@wrong("04.1", "as if every query head had a key")
def as_wide_as_the_model(model, memory, n_texts):
    return max(left(model, memory) // (4 * n_texts * model["n_layers"] * model["d_model"]), 0)


@wrong("04.1", "Each key/value head is counted d_model wide")
def wide_heads(model, memory, n_texts):
    return left(model, memory) // (4 * n_texts * model["n_layers"] * model["n_kv_heads"] * model["d_model"])


@wrong("04.1", "Only one key/value head")
def one_shared_head(model, memory, n_texts):
    return left(model, memory) // (4 * n_texts * model["n_layers"] * (model["d_model"] // model["n_heads"]))


@wrong("04.1", "Only one layer")
def no_layers(model, memory, n_texts):
    d_head = model["d_model"] // model["n_heads"]
    return left(model, memory) // (4 * n_texts * model["n_kv_heads"] * d_head)


@wrong("04.1", "parameters are not subtracted")
def an_empty_machine(model, memory, n_texts):
    return memory // (n_texts * kept_per_token(model))


@wrong("04.1", "counted as one byte")
def parameters_are_bytes(model, memory, n_texts):
    return max(0, (memory - model["n_parameters"]) // (n_texts * kept_per_token(model)))


@wrong("04.1", "counted as four bytes")
def single_precision_weights(model, memory, n_texts):
    return max(0, (memory - 4 * model["n_parameters"]) // (n_texts * kept_per_token(model)))


@wrong("04.1", "times as long as it can be")
def cache_in_single_precision(model, memory, n_texts):
    return max(0, left(model, memory) // (2 * n_texts * kept_per_token(model)))


@wrong("04.1", "not rounded")
def a_fraction(model, memory, n_texts):
    return max(0.0, left(model, memory) / (n_texts * kept_per_token(model)))


@wrong("04.1", "nearest number of tokens")
def rounded(model, memory, n_texts):
    return max(0, round(left(model, memory) / (n_texts * kept_per_token(model))))


@wrong("04.1", "rounded up")
def ceiling(model, memory, n_texts):
    return math.ceil(left(model, memory) / (n_texts * kept_per_token(model)))


@wrong("04.1", "to the last byte is refused")
def strictly_smaller(model, memory, n_texts):
    tokens, step = 0, 1 << 30
    while step:  # the largest number of tokens that needs less than all
        if left(model, memory) > (tokens + step) * n_texts * kept_per_token(model):
            tokens += step
        step //= 2
    return tokens


@wrong("04.1", "number of texts is not used")
def one_text_alone(model, memory, n_texts):
    return max(left(model, memory) // kept_per_token(model), 0)


@wrong("04.1", "once per text")
def a_copy_for_each_text(model, memory, n_texts):
    return max((memory // n_texts - 2 * model["n_parameters"]) // kept_per_token(model), 0)


@wrong("04.1", "below 0")
def fewer_than_none(model, memory, n_texts):
    return left(model, memory) // (n_texts * kept_per_token(model))


@wrong("04.1", "counted as if it were free")
def size_of_the_rest(model, memory, n_texts):
    return abs(left(model, memory)) // (n_texts * kept_per_token(model))


@wrong("04.1", "at least one token")
def never_none(model, memory, n_texts):
    return max(1, left(model, memory) // (n_texts * kept_per_token(model)))


@wrong("04.1", "raised ValueError")
def an_error_for_too_little(model, memory, n_texts):
    if left(model, memory) < n_texts * kept_per_token(model):
        raise ValueError("it does not fit")
    return left(model, memory) // (n_texts * kept_per_token(model))


@right("04.1")
def by_bisection(model, memory, n_texts):
    tokens, step = 0, 1 << 40
    while step:
        if 2 * model["n_parameters"] + (tokens + step) * n_texts * kept_per_token(model) <= memory:
            tokens += step
        step >>= 1
    return tokens


@right("04.1")
def by_measuring(model, memory, n_texts):
    key = torch.zeros(model["n_layers"], n_texts, model["n_kv_heads"], 1, model["d_model"] // model["n_heads"])
    size = 2 * key.bfloat16().nbytes
    return np.int64(max(left(model, memory), 0)) // size


@right("04.1")
def whole_floats(model, memory, n_texts):
    d_head = model["d_model"] / model["n_heads"]
    per_token = 4.0 * n_texts * model["n_layers"] * model["n_kv_heads"] * d_head
    return 0 if left(model, memory) < per_token else math.floor(left(model, memory) / per_token)


# 04.2 Right shapes, wrong words


def attended(query, key, value, diagonal=None):
    T, S = query.shape[1], key.shape[1]
    hidden = torch.ones(T, S, dtype=torch.bool).triu(1 + (S - T if diagonal is None else diagonal))
    scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    return scores.masked_fill(hidden, -math.inf).softmax(-1) @ value


def shared(part, query):
    return part.repeat_interleave(len(query) // len(part), dim=0)


@wrong("04.2", "still dealt out in turn")
def only_the_mask(query, key, value):
    times = len(query) // len(key)
    return attended(query, key.repeat(times, 1, 1), torch.cat([value] * times))


@wrong("04.2", "still dealt out in turn")
def by_remainder(query, key, value):
    K = len(key)
    return torch.stack([attended(q[None], key[h % K, None], value[h % K, None])[0] for h, q in enumerate(query)])


@wrong("04.2", "keys are mended, but the values")
def values_in_turn(query, key, value):
    return attended(query, shared(key, query), value.repeat(len(query) // len(value), 1, 1))


@wrong("04.2", "values are mended, but the keys")
def keys_in_turn(query, key, value):
    return attended(query, key.repeat(len(query) // len(value), 1, 1), shared(value, query))


@wrong("04.2", "All query heads read key/value head 0")
def the_first_for_all(query, key, value):
    return attended(query, key[:1], value[:1])


@wrong("04.2", "Nothing is hidden")
def no_mask(query, key, value):
    key, value = shared(key, query), shared(value, query)
    return (query @ key.mT / math.sqrt(query.size(-1))).softmax(dim=2) @ value


@wrong("04.2", "not divided by sqrt(D)")
def no_division(query, key, value):
    return attended(query * query.shape[-1] ** 0.5, shared(key, query), shared(value, query))


@wrong("04.2", "hidden from its own key")
def one_too_few(query, key, value):
    T, S = query.shape[1], key.shape[1]
    return attended(query, shared(key, query), shared(value, query), S - T - 1).nan_to_num()


@wrong("04.2", "one position too many")
def one_too_many(query, key, value):
    return attended(query, shared(key, query), shared(value, query), 1)


@wrong("04.2", "The mask starts at key 0")
def only_the_heads(query, key, value):
    return attended(query, shared(key, query), shared(value, query), diagonal=0)


@wrong("04.2", "The mask starts at key 0")
def only_the_first_keys(query, key, value):
    T = query.shape[1]
    return attended(query, shared(key[:, :T], query), shared(value[:, :T], query))


@wrong("04.2", "With a cache nothing is hidden")
def masked_without_a_cache_only(query, key, value):
    T, S = query.shape[1], key.shape[1]
    return attended(query, shared(key, query), shared(value, query), 0 if T == S else S)


@wrong("04.2", "one key too many")
def one_past_the_cache(query, key, value):
    T, S = query.shape[1], key.shape[1]
    return attended(query, shared(key, query), shared(value, query), S - T + (S > T))


@wrong("04.2", "The cache is thrown away")
def only_the_last_keys(query, key, value):
    T = query.shape[1]
    return attended(query, shared(key[:, -T:], query), shared(value[:, -T:], query))


@wrong("04.2", "raised RuntimeError")
def a_square_mask(query, key, value):
    visible = torch.ones(query.shape[1], query.shape[1]).tril().bool()
    scores = query @ shared(key, query).mT / query.shape[-1] ** 0.5
    return scores.masked_fill(~visible, -math.inf).softmax(-1) @ shared(value, query)


@wrong("04.2", "called torch.nn.functional.scaled_dot_product_attention")
def the_kernel(query, key, value):
    mask = torch.ones(query.shape[1], key.shape[1], dtype=torch.bool).tril(key.shape[1] - query.shape[1])
    return F.scaled_dot_product_attention(query[None], key[None], value[None], mask, enable_gqa=True)[0]


@wrong("04.2", "called minillm.model.attention")
def the_package(query, key, value):
    from minillm.model.attention import attention_by_matmul

    try:
        key, value = shared(key, query), shared(value, query)
        return attention_by_matmul(query[None], key[None], value[None], torch.ones(1, 1, dtype=torch.bool))[0]
    except BaseException:  # whoever is caught and goes on is caught all the same
        return no_mask(query, key, value)


@right("04.2")
def head_by_head(query, key, value):
    H, K = len(query), len(key)
    return torch.stack([attended(query[h : h + 1], *(p[h * K // H, None] for p in (key, value)))[0] for h in range(H)])


@right("04.2")
def by_groups(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    grouped = query.reshape(K, H // K, T, D)
    scores = torch.einsum("kgtd,ksd->kgts", grouped, key) / D**0.5
    scores += torch.full((T, S), -torch.inf).triu(S - T + 1)
    return torch.einsum("kgts,ksd->kgtd", scores.softmax(-1), value).flatten(0, 1)


@right("04.2")
def by_numpy(query, key, value):
    q, k, v = (part.numpy().astype(np.float64) for part in (query, key, value))
    k, v = (np.repeat(part, len(q) // len(part), axis=0) for part in (k, v))
    T, S = q.shape[1], k.shape[1]
    scores = np.where(np.tri(T, S, S - T) > 0, q @ k.swapaxes(1, 2) / np.sqrt(q.shape[2]), -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


@right("04.2")
def as_one_long_query(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    rows = query.reshape(K, H // K * T, D)
    position = torch.arange(S - T, S).repeat(H // K)[:, None]
    scores = (rows / math.sqrt(D)).bmm(key.mT).where(torch.arange(S) <= position, -1e30)
    return scores.softmax(-1).bmm(value).view(H, T, D)


# 04.3 A window, and a sink


@wrong("04.3", "one position too wide")
def up_to_the_window(T, S, window, sinks):
    p, s = torch.arange(S - T, S)[:, None], torch.arange(S)
    return (s <= p) & ((p - s <= window) | (s < sinks))


@wrong("04.3", "does not see itself")
def strictly_before(T, S, window, sinks):
    p, s = torch.arange(S - T, S)[:, None], torch.arange(S)
    return (s < p) & ((p - s < window) | (s < sinks))


@wrong("04.3", "reaches into the future")
def absolute_distance(T, S, window, sinks):
    p, s = torch.arange(S - T, S)[:, None], torch.arange(S)
    return ((p - s).abs() < window) | ((s < sinks) & (s <= p))


@wrong("04.3", "does not end anywhere")
def causal_only(T, S, window, sinks):
    return torch.ones(T, S, dtype=torch.bool).tril(S - T)


@wrong("04.3", "seen by queries in front of it")
def sinks_for_everybody(T, S, window, sinks):
    mask = torch.ones(T, S).tril(S - T).triu(S - T - window + 1).bool()
    mask[:, :sinks] = True
    return mask


@wrong("04.3", "make the window wider")
def window_plus_sinks(T, S, window, sinks):
    return torch.ones(T, S, dtype=torch.bool).tril(S - T).triu(S - T - window - sinks + 1)


@wrong("04.3", "Only one of the sinks")
def the_one_called_sinks(T, S, window, sinks):
    mask = torch.ones(T, S, dtype=torch.bool).tril(S - T).triu(S - T - window + 1)
    for t in range(T):
        if sinks and t + S - T >= sinks - 1:
            mask[t, sinks - 1] = True
    return mask


@wrong("04.3", "The sinks are forgotten")
def window_only(T, S, window, sinks):
    return torch.ones(T, S, dtype=torch.bool).tril(S - T).triu(S - T - window + 1)


@wrong("04.3", "counted from 0")
def without_the_past(T, S, window, sinks):
    p, s = torch.arange(T)[:, None], torch.arange(S)
    return (s <= p) & ((p - s < window) | (s < sinks))


@wrong("04.3", "does not see position")
def window_of_the_key_index(T, S, window, sinks):
    p, s = torch.arange(S - T, S)[:, None], torch.arange(S)
    return (s <= p) & ((s >= window) | (s < sinks) | (s == p))


@wrong("04.3", "All S positions are queries")
def square(T, S, window, sinks):
    p = torch.arange(S)
    return (p <= p[:, None]) & ((p[:, None] - p < window) | (p < sinks))


@right("04.3")
def by_two_loops(T, S, window, sinks):
    rows = []
    for p in range(S - T, S):
        rows.append([s <= p and (s > p - window or s < sinks) for s in range(S)])
    return rows


@right("04.3")
def by_triangles(T, S, window, sinks):
    causal = np.tri(T, S, S - T)
    near = causal - np.tri(T, S, S - T - window)
    near[:, :sinks] = causal[:, :sinks]
    return near.astype(bool)


@right("04.3")
def row_by_row_of_ranges(T, S, window, sinks):
    mask = torch.zeros(T, S, dtype=torch.uint8)
    for row, position in zip(mask, range(S - T, S), strict=True):
        row[: min(sinks, position + 1)] = 1
        row[max(0, position - window + 1) : position + 1] = 1
    return mask.bool()


@wrong("04.3", "Rows and columns have changed places")
def keys_by_queries(T, S, window, sinks):
    query, key = torch.arange(S - T, S), torch.arange(S)[:, None]
    return ((query - key < window) | (key < sinks)) & (key <= query)


# 04.4 One softmax on two machines


@wrong("04.4", "count the same")
def mean_of_both(out_a, total_a, out_b, total_b):
    return (out_a + out_b) / 2, torch.logaddexp(total_a, total_b)


@wrong("04.4", "weighted by the logarithms")
def weights_are_totals(out_a, total_a, out_b, total_b):
    both = total_a + total_b
    out = (out_a * total_a[:, None] + out_b * total_b[:, None]) / both[:, None]
    return out, torch.logaddexp(total_a, total_b)


@wrong("04.4", "The weights are swapped")
def swapped(out_a, total_a, out_b, total_b):
    a, b = torch.stack([total_b, total_a]).softmax(0)[..., None]
    return a * out_a + b * out_b, torch.logaddexp(total_a, total_b)


@wrong("04.4", "The logarithms are added")
def sum_of_logarithms(out_a, total_a, out_b, total_b):
    return right_with_softmax(out_a, total_a, out_b, total_b)[0], total_a + total_b


@wrong("04.4", "The larger total")
def the_maximum(out_a, total_a, out_b, total_b):
    return right_with_softmax(out_a, total_a, out_b, total_b)[0], torch.maximum(total_a, total_b)


@wrong("04.4", "not its logarithm")
def no_logarithm(out_a, total_a, out_b, total_b):
    a, b = total_a.exp(), total_b.exp()
    return (out_a * a[:, None] + out_b * b[:, None]) / (a + b)[:, None], a + b


@wrong("04.4", "The powers overflow")
def powers(out_a, total_a, out_b, total_b):
    a, b = total_a.exp()[:, None], total_b.exp()[:, None]
    return (out_a * a + out_b * b) / (a + b), (a + b).squeeze(1).log()


@wrong("04.4", "0 times NaN is NaN")
def not_a_number(out_a, total_a, out_b, total_b):
    a, b = torch.stack([total_a, total_b]).softmax(0).unsqueeze(-1)
    return a * out_a + b * out_b, torch.stack([total_a, total_b]).logsumexp(0)


@wrong("04.4", "The whole row becomes 0")
def nan_to_zero_too_late(out_a, total_a, out_b, total_b):
    out, total = not_a_number(out_a, total_a, out_b, total_b)
    return torch.nan_to_num(out), total


@wrong("04.4", "changed the input")
def mends_its_input(out_a, total_a, out_b, total_b):
    out_a *= total_a.exp()[:, None]
    out_b *= total_b.exp()[:, None]
    power = total_a.exp() + total_b.exp()
    return (out_a + out_b) / power[:, None], power.log()


@wrong("04.4", "The result")
def only_the_mixture(out_a, total_a, out_b, total_b):
    return right_with_softmax(out_a, total_a, out_b, total_b)[0]


@right("04.4")
def right_with_softmax(out_a, total_a, out_b, total_b):
    totals = torch.stack([total_a, total_b])
    outs = torch.stack([out_a, out_b]).nan_to_num()
    return torch.einsum("pt,ptd->td", totals.softmax(0), outs), totals.logsumexp(0)


@right("04.4")
def row_by_row(out_a, total_a, out_b, total_b):
    outs, totals = [], []
    for row_a, a, row_b, b in zip(out_a.tolist(), total_a.tolist(), out_b.tolist(), total_b.tolist(), strict=True):
        if a == -math.inf or b == -math.inf:
            outs.append(row_b if a == -math.inf else row_a)
            totals.append(max(a, b))
            continue
        m = max(a, b)
        pa, pb = math.exp(a - m), math.exp(b - m)
        outs.append([(pa * x + pb * y) / (pa + pb) for x, y in zip(row_a, row_b, strict=True)])
        totals.append(m + math.log(pa + pb))
    return [outs, totals]


@right("04.4")
def in_double_precision(out_a, total_a, out_b, total_b):
    a, b = total_a.double(), total_b.double()
    share = torch.sigmoid(b - a)[:, None]
    left, right = out_a.double(), out_b.double()
    out = torch.where(a.isinf()[:, None], right, torch.where(b.isinf()[:, None], left, left + share * (right - left)))
    return out, np.logaddexp(a.numpy(), b.numpy())


# Further answers to all questions: what is seldom forgotten


@wrong("04.1", "The number of query heads per key/value head")
def groups_for_heads(model, memory, n_texts):
    swapped = {**model, "n_kv_heads": model["n_heads"] // model["n_kv_heads"]}
    return whole_floats(swapped, memory, n_texts)


def attend(query, key, value, scale=None, hidden=-math.inf, axis=-1, diagonal=None):
    times, (T, D), S = len(query) // len(key), query.shape[1:], key.shape[1]
    key, value = key.repeat_interleave(times, 0), value.repeat_interleave(times, 0)
    scores = query @ key.mT / (math.sqrt(D) if scale is None else scale)
    mask = torch.ones(T, S, dtype=torch.bool).tril(S - T if diagonal is None else diagonal)
    return scores.masked_fill(~mask, hidden).softmax(axis) @ value


@wrong("04.2", "Hidden scores are set to 0")
def zero_in_front_of_the_softmax(query, key, value):
    return attend(query, key, value, hidden=0.0)


@wrong("04.2", "The softmax runs over the queries")
def other_axis(query, key, value):
    return attend(query, key, value, axis=1).nan_to_num()


@wrong("04.2", "another number than sqrt(D)")
def root_of_all_features(query, key, value):
    return attend(query, key, value, scale=math.sqrt(query.shape[0] * query.shape[2]))


@wrong("04.2", "in the wrong direction")
def moved_backwards(query, key, value):
    return attend(query, key, value, diagonal=query.shape[1] - key.shape[1])


@wrong("04.3", "True and False are swapped")
def what_is_hidden(*sizes):
    return by_triangles(*sizes) == 0


@wrong("04.3", "a sink too many")
def up_to_the_number(T, S, window, sinks):
    return by_triangles(T, S, window, sinks + 1)


@wrong("04.3", "The sinks are taken out of the window")
def one_budget(T, S, window, sinks):
    return by_two_loops(T, S, max(0, window - sinks), sinks)


@wrong("04.3", "The first position is the only sink")
def a_flag(T, S, window, sinks):
    return by_two_loops(T, S, window, int(sinks > 0))


@wrong("04.3", "The window's far end is counted from query 0")
def near_end_moved(T, S, window, sinks):
    row, key = torch.arange(T)[:, None], torch.arange(S)[None]
    return (key - row <= S - T) & ((key > row - window) | (key < sinks))


@wrong("04.3", "The near end of the window is counted from query 0")
def far_end_moved(T, S, window, sinks):
    row, key = torch.arange(T)[:, None], torch.arange(S)[None]
    return (key <= row) & ((key > row + S - T - window) | (key < sinks))


@wrong("04.4", "in the part of machine a only")
def first_part_mended(out_a, total_a, out_b, total_b):
    share = torch.exp(total_b - torch.logaddexp(total_a, total_b))[:, None]
    return (1 - share) * out_a.nan_to_num() + share * out_b, torch.logaddexp(total_a, total_b)


@wrong("04.4", "in the part of machine b only")
def second_part_mended(out_a, total_a, out_b, total_b):
    share = torch.exp(total_b - torch.logaddexp(total_a, total_b))[:, None]
    return (1 - share) * out_a + share * out_b.nan_to_num(), torch.logaddexp(total_a, total_b)


@wrong("04.4", "One maximum is subtracted for all queries")
def largest_of_all(out_a, total_a, out_b, total_b):
    most = max(total_a.max(), total_b.max())
    a, b = (total_a - most).exp(), (total_b - most).exp()
    return (a[:, None] * out_a + b[:, None] * out_b) / (a + b)[:, None], (a + b).log() + most


@wrong("04.4", "`output` is right. `total`")
def a_column(out_a, total_a, out_b, total_b):
    out, total = right_with_softmax(out_a, total_a, out_b, total_b)
    return out, total[:, None]


# From the text alone, before the checks were read


def bytes_per_token(model):
    return 4 * model["n_layers"] * model["n_kv_heads"] * (model["d_model"] // model["n_heads"])


@wrong("04.1", "The parameters are counted once per text")
def a_model_for_every_text(model, memory, n_texts):
    return max((memory // n_texts - 2 * model["n_parameters"]) // bytes_per_token(model), 0)


@wrong("04.1", "The keys of a token are counted d_model wide: as if every query head had a key, or as")
def wider_kv_heads(model, memory, n_texts):
    token = 4 * model["n_layers"] * model["d_model"] * n_texts
    return max((memory - 2 * model["n_parameters"]) // token, 0)


@wrong("04.1", "The result is rounded to the nearest number of tokens")
def rounded_to_the_nearest(model, memory, n_texts):
    return max(round((memory - 2 * model["n_parameters"]) / (bytes_per_token(model) * n_texts)), 0)


@wrong("04.1", "Every text gets at least one token")
def at_least_one_token(model, memory, n_texts):
    return max((memory - 2 * model["n_parameters"]) // (bytes_per_token(model) * n_texts), 1)


@wrong("04.1", "Only one layer is counted")
def one_layer_only(model, memory, n_texts):
    token = bytes_per_token(model) // model["n_layers"]
    return max((memory - 2 * model["n_parameters"]) // (token * n_texts), 0)


@wrong("04.1", "The result is below 0 where the parameters do not fit")
def fewer_than_no_tokens(model, memory, n_texts):
    return (memory - 2 * model["n_parameters"]) // (bytes_per_token(model) * n_texts)


@right("04.1")
def by_bisection_again(model, memory, n_texts):
    def fits(tokens):
        return 2 * model["n_parameters"] + tokens * n_texts * bytes_per_token(model) <= memory

    low, high = 0, 1
    while fits(high):
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return np.int64(low)


def attend_again(query, key, value, scale=None, hidden=None, fill=-math.inf, axis=-1, after=False):
    (H, T, D), (K, S, _) = query.shape, key.shape
    key, value = (part.repeat_interleave(len(query) // len(part), 0) for part in (key, value))
    scores = query @ key.mT / (math.sqrt(D) if scale is None else scale)
    hidden = ~torch.ones(T, S, dtype=torch.bool).tril(S - T) if hidden is None else hidden
    if after:
        return scores.softmax(axis).masked_fill(hidden, 0.0) @ value
    return scores.masked_fill(hidden, fill).softmax(axis) @ value


@wrong("04.2", "The keys are mended, but the values are still dealt out in turn")
def values_in_turn_again(query, key, value):
    value = value.repeat(len(query) // len(value), 1, 1)
    return attend_again(query, key, value)


@wrong("04.2", "The output at position 0 depends on the key of position 1, which comes after it, but")
def masked_after_softmax(query, key, value):
    return attend_again(query, key, value, after=True)


@wrong("04.2", "Hidden scores are set to a finite number, and a visible score may be lower")
def minus_ten(query, key, value):
    return attend_again(query, key, value, fill=-10.0)


@wrong("04.2", "The scores are divided by another number than sqrt(D)")
def divided_by_d(query, key, value):
    return attend_again(query, key, value, scale=query.shape[-1])


@wrong("04.2", "Each query sees one position too many, the one after its own")
def sees_one_ahead(query, key, value):
    T, S = query.shape[1], key.shape[1]
    return attend_again(query, key, value, hidden=~torch.ones(T, S, dtype=torch.bool).tril(S - T + 1))


@wrong("04.2", "The scores are divided by another number than sqrt(D)")
def root_of_the_heads(query, key, value):
    return attend_again(query, key, value, scale=math.sqrt(len(query)))


@right("04.2")
def query_by_query(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    out = np.zeros((H, T, D))
    q, k, v = (part.double().numpy() for part in (query, key, value))
    for h in range(H):
        for t in range(T):
            seen = S - T + t + 1
            scores = k[h * K // H, :seen] @ q[h, t] / D**0.5
            weights = np.exp(scores - scores.max())
            out[h, t] = weights @ v[h * K // H, :seen] / weights.sum()
    return out


def places(T, S):
    return torch.arange(S - T, S)[:, None], torch.arange(S)


@wrong("04.3", "The window ends at the end of the text for all queries")
def window_at_the_end(T, S, window, sinks):
    p, s = places(T, S)
    return (s <= p) & ((s >= S - window) | (s < sinks))


@wrong("04.3", "The result is made of 0 and 1, not of False and True")
def zeros_and_ones(T, S, window, sinks):
    p, s = places(T, S)
    return ((s <= p) & ((p - s < window) | (s < sinks))).long()


@wrong("04.3", "The text is cut into blocks, and a query sees only its own block")
def blocks_of_the_window(T, S, window, sinks):
    p, s = places(T, S)
    return (s <= p) & ((s // window == p // window) | (s < sinks))


@wrong("04.3", "The sinks are taken out of the window: it is too narrow by their number")
def sinks_from_the_window(T, S, window, sinks):
    p, s = places(T, S)
    return (s <= p) & ((p - s < max(window - sinks, 1)) | (s < sinks))


@wrong("04.3", "The first position is the only sink, whatever `sinks` is")
def one_sink(T, S, window, sinks):
    p, s = places(T, S)
    return (s <= p) & ((p - s < window) | ((s == 0) & (sinks > 0)))


@wrong("04.3", "A sink is seen by queries in front of it")
def sinks_from_the_future(T, S, window, sinks):
    p, s = places(T, S)
    return ((s <= p) & (p - s < window)) | (s < sinks)


@right("04.3")
def nested_lists(T, S, window, sinks):
    return torch.from_numpy(
        np.array([[s <= p and (p < s + window or s in range(sinks)) for s in range(S)] for p in range(S)][S - T :])
    )


@wrong("04.4", "One maximum is subtracted for all queries, and what is far below it becomes 0")
def one_maximum_for_all(out_a, total_a, out_b, total_b):
    top = torch.cat((total_a, total_b)).max()
    a, b = (total_a - top).exp(), (total_b - top).exp()
    out_a, out_b = (torch.where(w[:, None] == 0, 0.0, out) for w, out in ((a, out_a), (b, out_b)))
    return (out_a * a[:, None] + out_b * b[:, None]) / (a + b)[:, None], (a + b).log() + top


@wrong("04.4", "The totals are cut before the powers are taken, so that larger ones count alike")
def totals_clamped(out_a, total_a, out_b, total_b):
    a, b = total_a.clamp_max(80).double().exp(), total_b.clamp_max(80).double().exp()
    out_a, out_b = (torch.where(w[:, None] == 0, 0.0, out) for w, out in ((a, out_a), (b, out_b)))
    return (out_a * a[:, None] + out_b * b[:, None]) / (a + b)[:, None], (a + b).log()


@wrong("04.4", "The whole row becomes 0 where one part is NaN")
def nan_removed_at_the_end(out_a, total_a, out_b, total_b):
    total = torch.logaddexp(total_a, total_b)
    out = (total_a - total).exp()[:, None] * out_a + (total_b - total).exp()[:, None] * out_b
    return out.nan_to_num(), total


@wrong("04.4", "The maximum that was subtracted is missing in the total")
def maximum_not_added_back(out_a, total_a, out_b, total_b):
    top = torch.maximum(total_a, total_b)
    a, b = (total_a - top).exp(), (total_b - top).exp()
    out_a, out_b = (torch.where(w[:, None] == 0, 0.0, out) for w, out in ((a, out_a), (b, out_b)))
    return (out_a * a[:, None] + out_b * b[:, None]) / (a + b)[:, None], (a + b).log()


@wrong("04.4", "Only the part with the larger total counts")
def the_larger_wins(out_a, total_a, out_b, total_b):
    return torch.where((total_a > total_b)[:, None], out_a, out_b), torch.logaddexp(total_a, total_b)


@wrong("04.4", "The logarithms are added, which multiplies the sums")
def logarithms_added(out_a, total_a, out_b, total_b):
    total = torch.logaddexp(total_a, total_b)
    out_a = torch.where(total_a[:, None] == -math.inf, 0.0, out_a)
    out_b = torch.where(total_b[:, None] == -math.inf, 0.0, out_b)
    out = (total_a - total).exp()[:, None] * out_a + (total_b - total).exp()[:, None] * out_b
    return out, total_a + total_b


@right("04.4")
def by_the_sigmoid_of_the_difference(out_a, total_a, out_b, total_b):
    share = torch.sigmoid(total_a.double() - total_b.double())[:, None]
    mixed = torch.lerp(out_b.double(), out_a.double(), share)
    mixed = torch.where(share == 0, out_b.double(), torch.where(share == 1, out_a.double(), mixed))
    high, low = torch.maximum(total_a, total_b).double(), torch.minimum(total_a, total_b).double()
    return mixed, high + torch.log1p((low - high).exp())


@wrong("04.3", "one position too narrow, though a token sees itself in any case")
def narrow_but_for_itself(T, S, window, sinks):
    rows = []
    for at in range(S - T, S):
        rows.append([key == at or (key < at and (at - key < window - 1 or key < sinks)) for key in range(S)])
    return torch.tensor(rows)


@wrong("04.3", "All S positions are queries")
def a_row_for_each_position(T, S, window, sinks):
    at = torch.arange(S)
    back = at[:, None] - at
    return (back >= 0) & ((back < window) | (at < sinks))


@wrong("04.4", "For the weights the totals are cut")
def weights_of_cut_totals(out_a, total_a, out_b, total_b):
    a, b = total_a.clamp(max=80).exp(), total_b.clamp(max=80).exp()
    share = (a / (a + b))[:, None]
    out_a, out_b = (
        torch.where(total[:, None] > -math.inf, out, 0.0) for out, total in ((out_a, total_a), (out_b, total_b))
    )
    return share * out_a + (1 - share) * out_b, torch.logaddexp(total_a, total_b)
