"""Answers to exercise 04 as learners write them."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 04.1 One head


@wrong("04.1", "not divided by sqrt(D)")
def no_division(query, key, value, visible):
    return torch.softmax((query @ key.T).masked_fill(~visible, float("-inf")), -1) @ value


@wrong("04.1", "divided by D, not by sqrt(D)")
def divided_by_d(query, key, value, visible):
    scores = query @ key.T / query.size(1)
    return torch.where(visible, scores, -torch.inf).softmax(1) @ value


@wrong("04.1", "the root of the number of keys")
def length_of_the_keys(query, key, value, visible):
    scores = query @ key.mT / len(key) ** 0.5
    scores[~visible] = -math.inf
    return F.softmax(scores, dim=-1) @ value


@wrong("04.1", "along the wrong axis")
def over_the_queries(query, key, value, visible):
    scores = query @ key.T / math.sqrt(query.shape[1])
    return scores.masked_fill(~visible, -math.inf).softmax(0) @ value


@wrong("04.1", "without softmax")
def scores_as_weights(query, key, value, visible):
    return (query @ key.T / math.sqrt(query.shape[1])) * visible @ value


@wrong("04.1", "The mask comes after softmax")
def mask_too_late(query, key, value, visible):
    weights = (query @ key.T / math.sqrt(query.shape[-1])).softmax(-1)
    return (weights * visible) @ value


@wrong("04.1", "0 / 0 is NaN")
def softmax_as_it_is_defined(query, key, value, visible):
    powers = torch.exp(query @ key.T / math.sqrt(query.shape[-1])).masked_fill(~visible, 0)
    return torch.einsum("ts,sd->td", powers, value) / powers.sum(1)[:, None]


@wrong("04.1", "upside down")
def wrong_way_round(query, key, value, visible):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    return scores.masked_fill(visible, -math.inf).softmax(-1) @ value


@wrong("04.1", "0 is multiplied by infinity")
def infinity_times_the_mask(query, key, value, visible):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    return (scores - math.inf * ~visible).softmax(-1) @ value


@wrong("04.1", "The result has")
def scores_clamped(query, key, value, visible):
    scores = (query @ key.T / math.sqrt(query.shape[-1])).clamp(min=-50)
    return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


@wrong("04.1", "which is hidden from it")
def minus_ten_thousand(query, key, value, visible):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    return scores.masked_fill(~visible, -1e4).softmax(-1) @ value


@right("04.1")
def minus_a_thousand_million(query, key, value, visible):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    return scores.masked_fill(~visible, -1e9).softmax(-1) @ value


def no_mask(query, key, value, visible=None):
    return (query @ key.T / math.sqrt(query.shape[-1])).softmax(-1) @ value


@wrong("04.1", "A hidden score is 0")
def multiplied_by_the_mask(query, key, value, visible):
    return ((query @ key.T / math.sqrt(query.shape[-1])) * visible).softmax(-1) @ value


@wrong("04.1", "a number that visible scores can fall below")
def minus_ten(query, key, value, visible):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    return (scores + (visible.float() - 1) * 10).masked_fill(~visible, -10).softmax(-1) @ value


@wrong("04.1", "which is hidden from it")
def minus_thirty(query, key, value, visible):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    return scores.masked_fill(~visible, -30).softmax(-1) @ value


@wrong("04.1", "The mask is not used")
def forgotten(query, key, value, visible):
    return no_mask(query, key, value)


@wrong("04.1", "scaled_dot_product_attention")
def the_kernel(query, key, value, visible):
    return F.scaled_dot_product_attention(query[None], key[None], value[None], attn_mask=visible)[0]


@wrong("04.1", "called minillm.model.attention")
def the_package(query, key, value, visible):
    from minillm.model.attention import attention_by_matmul

    try:
        return attention_by_matmul(*(one[None, None] for one in (query, key, value, visible)))[0, 0]
    except BaseException:  # whoever is caught and goes on is caught all the same
        return minus_ten(query, key, value, visible)


@right("04.1")
def by_loops(query, key, value, visible):
    heard = []
    for q, row in zip(query.tolist(), visible.tolist(), strict=True):
        places = [s for s, seen in enumerate(row) if seen]
        scores = [sum(a * b for a, b in zip(q, key[s].tolist(), strict=True)) / math.sqrt(len(q)) for s in places]
        powers = [math.exp(score - max(scores)) for score in scores]
        columns = zip(*(value[s].tolist() for s in places), strict=True)
        heard.append([sum(p * v for p, v in zip(powers, column, strict=True)) / sum(powers) for column in columns])
    return heard


@right("04.1")
def by_numpy(query, key, value, visible):
    query, key, value = (one.numpy().astype(np.float64) for one in (query, key, value))
    scores = np.einsum("td,sd->ts", query, key) / np.sqrt(query.shape[1])
    scores = np.where(visible.numpy(), scores, -np.inf)
    weights = np.exp(scores - scores.max(1, keepdims=True))
    return np.einsum("ts,sd->td", weights / weights.sum(1, keepdims=True), value)


@right("04.1")
def query_scaled_first(query, key, value, visible):
    bias = torch.zeros(visible.shape).masked_fill(visible.logical_not(), torch.finfo(torch.float32).min)
    powers = torch.baddbmm(bias[None], (query / len(query[0]) ** 0.5)[None], key.T[None])[0]
    powers = (powers - powers.amax(1, True)).exp()
    return powers @ value / powers.sum(1, True)


# 04.2 The mask is right, and it leaks


def attended(query, key, value):
    scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    T = scores.shape[-1]
    return scores.masked_fill(torch.triu(torch.ones(T, T, dtype=torch.bool), 1), -math.inf).softmax(-1) @ value


@wrong("04.2", "still cut and joined along the tokens")
def with_reshape(x, wq, wk, wv, wo, n_heads):
    T, C = x.shape
    q, k, v = ((x @ w.T).reshape(n_heads, T, C // n_heads) for w in (wq, wk, wv))
    return attended(q, k, v).reshape(T, C) @ wo.T


@wrong("04.2", "answers are joined along the tokens")
def only_the_cut(x, wq, wk, wv, wo, n_heads):
    T, C = x.shape
    q, k, v = ((x @ w.T).view(T, n_heads, C // n_heads).transpose(0, 1) for w in (wq, wk, wv))
    return attended(q, k, v).contiguous().view(T, C) @ wo.T


@wrong("04.2", "the heads are cut along the tokens")
def only_the_joining(x, wq, wk, wv, wo, n_heads):
    T, C = x.shape
    q, k, v = ((x @ w.T).view(n_heads, T, C // n_heads) for w in (wq, wk, wv))
    return attended(q, k, v).transpose(0, 1).reshape(T, C) @ wo.T


@wrong("04.2", "dealt out like cards")
def every_hth_column(x, wq, wk, wv, wo, n_heads):
    T, C = x.shape
    q, k, v = ((x @ w.T).view(T, C // n_heads, n_heads).permute(2, 0, 1) for w in (wq, wk, wv))
    return attended(q, k, v).permute(1, 2, 0).reshape(T, C) @ wo.T


@wrong("04.2", "divided by sqrt(C)")
def width_of_the_model(x, wq, wk, wv, wo, n_heads):
    T, C = x.shape
    q, k, v = ((x @ w.T).view(T, n_heads, -1).transpose(0, 1) for w in (wq, wk, wv))
    return attended(q / n_heads**0.5, k, v).transpose(0, 1).reshape(T, C) @ wo.T


@wrong("04.2", "Nothing is hidden any more")
def without_the_mask(x, wq, wk, wv, wo, n_heads):
    T, C = x.shape
    q, k, v = ((x @ w.T).view(T, n_heads, -1).transpose(0, 1) for w in (wq, wk, wv))
    weights = (q @ k.mT / (C // n_heads) ** 0.5).softmax(-1)
    return (weights @ v).transpose(0, 1).reshape(T, C) @ wo.T


@wrong("04.2", "The output matrix is not applied")
def no_output(x, wq, wk, wv, wo, n_heads):
    return right_by_slices(x, wq, wk, wv, torch.eye(x.shape[1]), n_heads)


@wrong("04.2", "The result")
def output_not_turned(x, wq, wk, wv, wo, n_heads):
    return right_by_slices(x, wq, wk, wv, wo.T, n_heads)


@wrong("04.2", "which comes after it: by the mask, or")
def mask_one_too_wide(x, wq, wk, wv, wo, n_heads):
    T, C = x.shape
    q, k, v = ((x @ w.T).view(T, n_heads, -1).transpose(0, 1) for w in (wq, wk, wv))
    hidden = torch.ones(T, T, dtype=torch.bool).triu(2)
    heads = (q @ k.mT / (C // n_heads) ** 0.5).masked_fill(hidden, -math.inf).softmax(-1) @ v
    return heads.transpose(0, 1).reshape(T, C) @ wo.T


@wrong("04.2", "raised RuntimeError")
def view_of_what_is_not_contiguous(x, wq, wk, wv, wo, n_heads):
    T, C = x.shape
    q, k, v = ((x @ w.T).view(T, n_heads, -1).transpose(0, 1) for w in (wq, wk, wv))
    return attended(q, k, v).transpose(0, 1).view(T, C) @ wo.T


@right("04.2")
def right_by_slices(x, wq, wk, wv, wo, n_heads):
    D = x.shape[1] // n_heads
    heads = []
    for h in range(n_heads):
        own = slice(h * D, (h + 1) * D)
        heads.append(attended(x @ wq[own].T, x @ wk[own].T, x @ wv[own].T))
    return torch.cat(heads, -1) @ wo.T


@right("04.2")
def by_einsum(x, wq, wk, wv, wo, n_heads):
    q, k, v = (torch.einsum("tc,hdc->thd", x, w.unflatten(0, (n_heads, -1))) for w in (wq, wk, wv))
    scores = torch.einsum("thd,shd->hts", q, k) / q.shape[-1] ** 0.5
    scores = scores + torch.full(scores.shape[1:], -torch.inf).triu(1)
    heard = torch.einsum("hts,shd->thd", scores.softmax(-1), v)
    return torch.einsum("thd,ehd->te", heard, wo.unflatten(1, (n_heads, -1)))


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


@wrong("04.3", "shape")
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
    return near.astype(np.int64)


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
