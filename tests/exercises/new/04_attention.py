"""Assignment 04, new answers from the text alone; every second wrong one is only scored."""

import math

import numpy as np
import torch
from answers import right, wrong


def bytes_per_token(model):
    return 4 * model["n_layers"] * model["n_kv_heads"] * (model["d_model"] // model["n_heads"])


@wrong("04.1", "The parameters are subtracted once per text, as though each text had its own copy of the model.")
def a_model_for_every_text(model, memory, n_texts):
    return max((memory // n_texts - 2 * model["n_parameters"]) // bytes_per_token(model), 0)


@wrong("04.1", "The size of a head is d_model / n_kv_heads, so the heads are too wide.")
def wider_kv_heads(model, memory, n_texts):
    token = 4 * model["n_layers"] * model["d_model"] * n_texts
    return max((memory - 2 * model["n_parameters"]) // token, 0)


@wrong("04.1", "The number of tokens is rounded to the nearest, not down.")
def rounded_to_the_nearest(model, memory, n_texts):
    return max(round((memory - 2 * model["n_parameters"]) / (bytes_per_token(model) * n_texts)), 0)


@wrong("04.1", "Where nothing fits, the result is at least 1.")
def at_least_one_token(model, memory, n_texts):
    return max((memory - 2 * model["n_parameters"]) // (bytes_per_token(model) * n_texts), 1)


@wrong("04.1", "The layers are forgotten: the cache of one layer is counted.")
def one_layer_only(model, memory, n_texts):
    token = bytes_per_token(model) // model["n_layers"]
    return max((memory - 2 * model["n_parameters"]) // (token * n_texts), 0)


@wrong("04.1", "A result of less than 0 isn't replaced by 0.")
def fewer_than_no_tokens(model, memory, n_texts):
    return (memory - 2 * model["n_parameters"]) // (bytes_per_token(model) * n_texts)


@right("04.1")
def by_bisection(model, memory, n_texts):
    def fits(tokens):
        return 2 * model["n_parameters"] + tokens * n_texts * bytes_per_token(model) <= memory

    low, high = 0, 1
    while fits(high):
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return np.int64(low)


def attend(query, key, value, scale=None, hidden=None, fill=-math.inf, axis=-1, after=False):
    (H, T, D), (K, S, _) = query.shape, key.shape
    key, value = (part.repeat_interleave(len(query) // len(part), 0) for part in (key, value))
    scores = query @ key.mT / (math.sqrt(D) if scale is None else scale)
    hidden = ~torch.ones(T, S, dtype=torch.bool).tril(S - T) if hidden is None else hidden
    if after:
        return scores.softmax(axis).masked_fill(hidden, 0.0) @ value
    return scores.masked_fill(hidden, fill).softmax(axis) @ value


@wrong("04.2", "The keys go to neighbors, but the values are still dealt out in turn (repeat).")
def values_in_turn(query, key, value):
    value = value.repeat(len(query) // len(value), 1, 1)
    return attend(query, key, value)


@wrong("04.2", "The mask comes after softmax, so the visible weights don't sum to 1.")
def masked_after_softmax(query, key, value):
    return attend(query, key, value, after=True)


@wrong("04.2", "Hidden scores are set to -10, not to minus infinity, so the future keeps a little weight.")
def minus_ten(query, key, value):
    return attend(query, key, value, fill=-10.0)


@wrong("04.2", "The scores are divided by D, not by sqrt(D).")
def divided_by_d(query, key, value):
    return attend(query, key, value, scale=query.shape[-1])


@wrong("04.2", "Each query also sees the position after its own.")
def sees_one_ahead(query, key, value):
    T, S = query.shape[1], key.shape[1]
    return attend(query, key, value, hidden=~torch.ones(T, S, dtype=torch.bool).tril(S - T + 1))


@wrong("04.2", "The scores are divided by the square root of the number of heads.")
def root_of_the_heads(query, key, value):
    return attend(query, key, value, scale=math.sqrt(len(query)))


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


@wrong("04.3", "The window is counted from the end of the text for all queries.")
def window_at_the_end(T, S, window, sinks):
    p, s = places(T, S)
    return (s <= p) & ((s >= S - window) | (s < sinks))


@wrong("04.3", "The mask is made of the integers 0 and 1, and a boolean tensor is asked for.")
def zeros_and_ones(T, S, window, sinks):
    p, s = places(T, S)
    return ((s <= p) & ((p - s < window) | (s < sinks))).long()


@wrong("04.3", "The text is cut into blocks: a query sees its own block, not the last positions before it.")
def blocks_of_the_window(T, S, window, sinks):
    p, s = places(T, S)
    return (s <= p) & ((s // window == p // window) | (s < sinks))


@wrong("04.3", "The sinks are taken from the window: only window - sinks recent positions are seen.")
def sinks_from_the_window(T, S, window, sinks):
    p, s = places(T, S)
    return (s <= p) & ((p - s < max(window - sinks, 1)) | (s < sinks))


@wrong("04.3", "However many sinks are asked for, only the first token stays visible.")
def one_sink(T, S, window, sinks):
    p, s = places(T, S)
    return (s <= p) & ((p - s < window) | ((s == 0) & (sinks > 0)))


@wrong("04.3", "The sinks are visible to queries before them, too: the future isn't hidden there.")
def sinks_from_the_future(T, S, window, sinks):
    p, s = places(T, S)
    return ((s <= p) & (p - s < window)) | (s < sinks)


@right("04.3")
def nested_lists(T, S, window, sinks):
    return torch.from_numpy(
        np.array([[s <= p and (p < s + window or s in range(sinks)) for s in range(S)] for p in range(S)][S - T :])
    )


@wrong("04.4", "The largest total of all queries is subtracted, so queries with small totals underflow.")
def one_maximum_for_all(out_a, total_a, out_b, total_b):
    top = torch.cat((total_a, total_b)).max()
    a, b = (total_a - top).exp(), (total_b - top).exp()
    out_a, out_b = (torch.where(w[:, None] == 0, 0.0, out) for w, out in ((a, out_a), (b, out_b)))
    return (out_a * a[:, None] + out_b * b[:, None]) / (a + b)[:, None], (a + b).log() + top


@wrong("04.4", "The totals are clamped to 80 so that exp doesn't overflow; larger ones count as 80.")
def totals_clamped(out_a, total_a, out_b, total_b):
    a, b = total_a.clamp_max(80).double().exp(), total_b.clamp_max(80).double().exp()
    out_a, out_b = (torch.where(w[:, None] == 0, 0.0, out) for w, out in ((a, out_a), (b, out_b)))
    return (out_a * a[:, None] + out_b * b[:, None]) / (a + b)[:, None], (a + b).log()


@wrong("04.4", "NaN is replaced by 0 in the result, so the other machine's output is lost, too.")
def nan_removed_at_the_end(out_a, total_a, out_b, total_b):
    total = torch.logaddexp(total_a, total_b)
    out = (total_a - total).exp()[:, None] * out_a + (total_b - total).exp()[:, None] * out_b
    return out.nan_to_num(), total


@wrong("04.4", "The maximum that was subtracted isn't added back to the total.")
def maximum_not_added_back(out_a, total_a, out_b, total_b):
    top = torch.maximum(total_a, total_b)
    a, b = (total_a - top).exp(), (total_b - top).exp()
    out_a, out_b = (torch.where(w[:, None] == 0, 0.0, out) for w, out in ((a, out_a), (b, out_b)))
    return (out_a * a[:, None] + out_b * b[:, None]) / (a + b)[:, None], (a + b).log()


@wrong("04.4", "The output of the machine with the larger total is taken whole; the two aren't mixed.")
def the_larger_wins(out_a, total_a, out_b, total_b):
    return torch.where((total_a > total_b)[:, None], out_a, out_b), torch.logaddexp(total_a, total_b)


@wrong("04.4", "The totals are added, where the logarithm of the sum of their exponentials is right.")
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
