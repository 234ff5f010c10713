"""Assignment 02, new answers from the text alone; every second wrong one is only scored."""

import math

import numpy as np
import torch
from answers import right, wrong


def near(rows, k, diagonal=-math.inf):
    rows = rows / rows.norm(dim=-1, keepdim=True)
    return (rows @ rows.T).fill_diagonal_(diagonal).topk(k).indices


def share(a, b):
    return (a[:, :, None] == b[:, None, :]).any(-1).float().mean().item()


@wrong("02.1", "The diagonal is set to 0, so where all other cosines are negative a row is its own neighbor.")
def own_cosine_of_zero(table, compressed, k):
    return share(near(table, k, 0.0), near(compressed, k, 0.0))


@wrong("02.1", "The row itself is excluded in the table only, not in the compressed one.")
def itself_in_the_compressed(table, compressed, k):
    return share(near(table, k), near(compressed, k, 1.0))


@wrong("02.1", "It divides by the union of both lists (Jaccard), not by k.")
def over_the_union(table, compressed, k):
    pairs = zip(near(table, k).tolist(), near(compressed, k).tolist(), strict=True)
    return sum(len({*a} & {*b}) / len({*a} | {*b}) for a, b in pairs) / len(table)


@wrong("02.1", "A row counts in full if any of its neighbors is found.")
def any_neighbor_will_do(table, compressed, k):
    a, b = near(table, k), near(compressed, k)
    return (a[:, :, None] == b[:, None, :]).any(-1).any(-1).float().mean().item()


@wrong("02.1", "The neighbors are those with the largest absolute cosine, opposite rows included.")
def opposite_is_near(table, compressed, k):
    def close(rows):
        rows = rows / rows.norm(dim=-1, keepdim=True)
        return (rows @ rows.T).abs().fill_diagonal_(-1).topk(k).indices

    return share(close(table), close(compressed))


@wrong("02.1", "The columns are scaled to norm 1, not the rows.")
def columns_normalized(table, compressed, k):
    def close(rows):
        rows = rows / rows.norm(dim=0, keepdim=True)
        return (rows @ rows.T).fill_diagonal_(-math.inf).topk(k).indices

    return share(close(table), close(compressed))


@right("02.1")
def with_distances_of_unit_rows(table, compressed, k):
    def close(rows):
        rows = rows.double().numpy()
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        apart = ((rows[:, None] - rows[None]) ** 2).sum(-1)
        np.fill_diagonal(apart, np.inf)
        return [set(order[:k]) for order in np.argsort(apart, axis=1).tolist()]

    return float(np.mean([len(a & b) / k for a, b in zip(close(table), close(compressed), strict=True)]))


@wrong("02.2", "Padding is multiplied by 0, and 0 times an infinite slope is NaN.")
def padding_times_zero(ids, upstream, pad):
    rows = ids[ids != pad].unique()
    weighted = (upstream * (ids != pad)[..., None]).flatten(0, 1)
    return rows, (rows[:, None] == ids.flatten()).float() @ weighted


@wrong("02.2", "Rows whose gradient is 0 are dropped.")
def zero_rows_dropped(ids, upstream, pad):
    real = ids != pad
    rows, row_of = ids[real].unique(return_inverse=True)
    slopes = torch.zeros(len(rows), upstream.shape[-1]).index_add_(0, row_of, upstream[real])
    used = slopes.abs().sum(-1) > 0
    return rows[used], slopes[used]


@wrong("02.2", "Only padding at the end of a text is left out; before and between the tokens it counts.")
def padding_at_the_end_only(ids, upstream, pad):
    found = {}
    for text, slopes in zip(ids.tolist(), upstream, strict=True):
        end = len(text)
        while end and text[end - 1] == pad:
            end -= 1
        for id, slope in zip(text[:end], slopes, strict=False):
            found[id] = found.get(id, 0) + slope
    rows = sorted(found)
    return torch.tensor(rows), torch.stack([found[id] for id in rows])


@wrong("02.2", "The id 0 is taken for the padding, whatever `pad` is.")
def padding_is_zero(ids, upstream, pad):
    real = ids != 0
    rows, row_of = ids[real].unique(return_inverse=True)
    return rows, torch.zeros(len(rows), upstream.shape[-1]).index_add_(0, row_of, upstream[real])


@wrong("02.2", "The slopes of an id are averaged over its occurrences, not added.")
def averaged_over_occurrences(ids, upstream, pad):
    real = ids != pad
    rows, row_of, n = ids[real].unique(return_inverse=True, return_counts=True)
    slopes = torch.zeros(len(rows), upstream.shape[-1]).index_add_(0, row_of, upstream[real])
    return rows, slopes / n[:, None]


@wrong("02.2", "An id counts once per text: within a text the last occurrence overwrites the others.")
def once_per_text(ids, upstream, pad):
    total = {}
    for text, slopes in zip(ids.tolist(), upstream, strict=True):
        here = {id: slope for id, slope in zip(text, slopes, strict=True) if id != pad}
        for id, slope in here.items():
            total[id] = total.get(id, 0) + slope
    rows = sorted(total)
    return torch.tensor(rows), torch.stack([total[id] for id in rows])


@right("02.2")
def with_a_dictionary_of_lists(ids, upstream, pad):
    found = {}
    for id, slope in zip(ids.flatten().tolist(), upstream.double().flatten(0, 1).numpy(), strict=True):
        if id != pad:
            found.setdefault(id, []).append(slope)
    return np.array(sorted(found)), np.stack([np.sum(found[id], axis=0) for id in sorted(found)])


@wrong("02.3", "The column sums are raised to the power but divided by the sum of the plain counts.")
def power_over_the_plain_total(counts, power):
    q = counts.sum(0) ** power / counts.sum()
    p = counts.sum(1, keepdim=True) / counts.sum()
    return (counts / counts.sum() / (p * q)).log().clamp_min(0).nan_to_num(posinf=0)


@wrong("02.3", "The counts themselves are raised to the power, not the column sums.")
def power_of_the_counts(counts, power):
    seen = (counts**power).sum(0)
    q = seen / seen.sum()
    p = counts.sum(1, keepdim=True) / counts.sum()
    return (counts / counts.sum() / (p * q)).log().clamp_min(0).nan_to_num(posinf=0)


@wrong("02.3", "1 is added to every count.")
def add_one(counts, power):
    n = counts + 1
    seen = n.sum(0) ** power
    return (n / n.sum() / (n.sum(1, keepdim=True) / n.sum() * seen / seen.sum())).log().clamp_min(0)


@wrong("02.3", "The power is applied to the shares of the words (rows), not of the contexts (columns).")
def power_of_the_words(counts, power):
    seen = counts.sum(1, keepdim=True) ** power
    p, q = seen / seen.sum(), counts.sum(0) / counts.sum()
    return (counts / counts.sum() / (p * q)).log().clamp_min(0).nan_to_num(posinf=0)


@wrong("02.3", "The absolute value of the PMI is returned, where negative PMI should become 0.")
def absolute_pmi(counts, power):
    seen = counts.sum(0) ** power
    q, p = seen / seen.sum(), counts.sum(1, keepdim=True) / counts.sum()
    pmi = (counts / counts.sum() / (p * q)).log()
    return torch.where(pmi.isfinite(), pmi.abs(), 0.0)


@wrong("02.3", "The logarithm is to base 2: bits where nats are asked for.")
def ppmi_in_bits(counts, power):
    seen = counts.sum(0) ** power
    q, p = seen / seen.sum(), counts.sum(1, keepdim=True) / counts.sum()
    return (counts / counts.sum() / (p * q)).log2().clamp_min(0).nan_to_num(posinf=0)


@right("02.3")
def from_conditional_shares(counts, power):
    n = counts.double().numpy()
    seen = n.sum(0) ** power
    out = np.zeros(n.shape)
    for w, v in zip(*np.nonzero(n), strict=True):
        out[w, v] = max(0.0, math.log(n[w, v]) - math.log(n[w].sum()) - math.log(seen[v]) + math.log(seen.sum()))
    return out


def sgns(E, U, words, contexts, noise, rate, left_out, weights=1.0, only_context=False):
    choices = torch.cat((contexts[:, None], noise), 1)
    e, u = E[words], U[choices]
    slope = torch.sigmoid((u * e[:, None]).sum(-1))
    slope[:, 0] -= 1
    slope[:, 1:] = slope[:, 1:].masked_fill(left_out, 0.0) * weights
    own = slope[:, :1, None] * u[:, :1] if only_context else slope[..., None] * u
    changed = E.index_add(0, words, own.sum(1), alpha=-rate)
    return changed, U.index_add(0, choices.flatten(), (slope[..., None] * e[:, None]).flatten(0, 1), alpha=-rate)


@wrong("02.4", "Noise that equals the context of any pair is left out, not only of its own.")
def context_of_any_pair(E, U, words, contexts, noise, rate):
    return sgns(E, U, words, contexts, noise, rate, torch.isin(noise, contexts))


@wrong("02.4", "Noise that equals the word is left out, in place of noise that equals the context.")
def noise_like_the_word(E, U, words, contexts, noise, rate):
    return sgns(E, U, words, contexts, noise, rate, noise == words[:, None])


@wrong("02.4", "Noise that is drawn twice for a pair counts once.")
def repeated_noise_once(E, U, words, contexts, noise, rate):
    again = torch.zeros_like(noise, dtype=torch.bool)
    for j in range(1, noise.shape[1]):
        again[:, j] = (noise[:, :j] == noise[:, j : j + 1]).any(-1)
    return sgns(E, U, words, contexts, noise, rate, again | (noise == contexts[:, None]))


@wrong("02.4", "E's gradient has only the context's term; that of the noise is missing.")
def words_feel_no_noise(E, U, words, contexts, noise, rate):
    return sgns(E, U, words, contexts, noise, rate, noise == contexts[:, None], only_context=True)


@wrong("02.4", "The noise's slopes are averaged over its K draws, not added.")
def mean_over_the_noise(E, U, words, contexts, noise, rate):
    return sgns(E, U, words, contexts, noise, rate, noise == contexts[:, None], weights=1 / noise.shape[1])


@wrong("02.4", "The pairs are taken one after the other, each at tables that earlier pairs have changed.")
def pair_after_pair(E, U, words, contexts, noise, rate):
    for n in range(len(words)):
        one = slice(n, n + 1)
        E, U = sgns(E, U, words[one], contexts[one], noise[one], rate, noise[one] == contexts[one, None])
    return E, U


@right("02.4")
def loops_in_numpy(E, U, words, contexts, noise, rate):
    old_e, old_u = E.double().numpy(), U.double().numpy()
    new_e, new_u = old_e.copy(), old_u.copy()
    for w, c, draws in zip(words.tolist(), contexts.tolist(), noise.tolist(), strict=True):
        for id, real in [(c, 1.0), *((draw, 0.0) for draw in draws if draw != c)]:
            slope = 0.5 * (1 + math.tanh(old_e[w] @ old_u[id] / 2)) - real
            new_e[w] -= rate * slope * old_u[id]
            new_u[id] -= rate * slope * old_e[w]
    return torch.from_numpy(new_e).float(), torch.from_numpy(new_u).float()
