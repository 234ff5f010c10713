"""Answers to assignment 02 from its text alone; this set is only scored."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("02.1", "reads argsort at other: that is who stands at this place, not at which place other stands")
def rank_reads_argsort_at_other(table, one, other):
    rows = table - table.mean(0)
    cos = F.cosine_similarity(rows, rows[one][None], dim=1)
    cos[one] = math.inf
    order = cos.argsort(descending=True)
    return int(order[other])


@wrong("02.1", "brings the rows to length 1 first and takes the mean away afterwards")
def rank_normalises_before_the_mean(table, one, other):
    unit = F.normalize(table, dim=1)
    rows = F.normalize(unit - unit.mean(dim=0), dim=1)
    cos = rows @ rows[one]
    cos[one] = -2.0
    return int((cos > cos[other]).sum()) + 1


@wrong("02.1", "takes each row's own mean away (axis 1) in place of the mean row")
def rank_mean_of_each_row(table, one, other):
    t = table.numpy().astype(np.float64)
    t = t - t.mean(axis=1, keepdims=True)
    cos = t @ t[one] / (np.linalg.norm(t, axis=1) * np.linalg.norm(t[one]))
    cos[one] = -np.inf
    return int(np.sum(cos > cos[other])) + 1


@wrong("02.1", "orders by the distance between the rows, not by the cosine, though lengths differ a lot")
def rank_by_distance(table, one, other):
    rows = table - table.mean(0)
    far = [math.dist(rows[one].tolist(), row.tolist()) for row in rows]
    order = sorted((i for i in range(len(far)) if i != one), key=far.__getitem__)
    return order.index(other) + 1


@wrong("02.1", "takes the mean away with -= and so changes the table that came in")
def rank_changes_the_table(table, one, other):
    table -= table.mean(0, keepdim=True)
    cosines = table @ table[one] / table.norm(dim=1)
    better = cosines > cosines[other]
    better[one] = False
    return better.sum().item() + 1


@right("02.1")
def rank_sorts_a_list(table, one, other):
    data = table.double().tolist()
    mean = [math.fsum(column) / len(data) for column in zip(*data)]
    rows = [[v - m for v, m in zip(row, mean)] for row in data]

    def closeness(i):
        return sum(a * b for a, b in zip(rows[i], rows[one])) / math.hypot(*rows[i])

    others = [i for i in range(len(rows)) if i != one]
    return 1 + sorted(others, key=closeness, reverse=True).index(other)


@wrong("02.2", "the one-hot product over all places, padding included: 0 times infinity is NaN in every row")
def gradient_one_hot_with_padding(ids, upstream, pad):
    rows = ids.unique()
    rows = rows[rows != pad]
    flat = ids.reshape(-1)
    hot = (rows[:, None] == flat[None, :]).to(upstream.dtype)
    return rows, hot @ upstream.reshape(len(flat), -1)


@wrong("02.2", "drops the rows whose slopes are all zero, although zeros are included")
def gradient_drops_zero_rows(ids, upstream, pad):
    real = ids != pad
    rows, places = ids[real].unique(return_inverse=True)
    slopes = torch.zeros(len(rows), upstream.shape[-1], dtype=upstream.dtype)
    slopes.index_add_(0, places, upstream[real])
    touched = slopes.abs().sum(1) > 0
    return rows[touched], slopes[touched]


@wrong("02.2", "lists the ids in the order of their first appearance, not the smallest first")
def gradient_first_come(ids, upstream, pad):
    table = {}
    for b in range(ids.shape[0]):
        for t in range(ids.shape[1]):
            i = int(ids[b, t])
            if i == pad:
                continue
            table[i] = table[i] + upstream[b, t] if i in table else upstream[b, t].clone()
    return torch.tensor(list(table)), torch.stack(list(table.values()))


@wrong("02.2", "divides by how often an id stands there (scale_grad_by_freq), a mean in place of the sum")
def gradient_scaled_by_frequency(ids, upstream, pad):
    keep = (ids != pad).flatten()
    rows, places, counts = ids.flatten()[keep].unique(return_inverse=True, return_counts=True)
    slopes = upstream.new_zeros(len(rows), upstream.size(-1))
    slopes.index_add_(0, places, upstream.flatten(0, 1)[keep])
    return rows, slopes / counts[:, None]


@wrong("02.2", "cuts off the first row for the padding: pad need not be the smallest id, nor be there at all")
def gradient_padding_is_the_first_row(ids, upstream, pad):
    rows, places = torch.unique(ids, return_inverse=True)
    slopes = upstream.new_zeros(len(rows), upstream.shape[-1])
    slopes.index_add_(0, places.reshape(-1), upstream.reshape(-1, upstream.shape[-1]))
    return (rows[1:], slopes[1:]) if pad in ids or pad == 0 else (rows, slopes)


@right("02.2")
def gradient_sparse_coalesce(ids, upstream, pad):
    real = ids.ne(pad)
    kept = ids[real]
    size = (int(kept.max()) + 1, upstream.shape[-1])
    table = torch.sparse_coo_tensor(kept[None], upstream[real], size).coalesce()
    return table.indices()[0], table.values()


@wrong("02.3", "raises each count to the power before adding up the columns, not the sums of the columns")
def association_power_of_each_count(counts, power):
    p = counts / counts.sum()
    col = torch.where(counts > 0, counts**power, 0.0).sum(0)
    q = col / col.sum()
    ratio = p / (p.sum(1, keepdim=True) * q)
    return ratio.log().clamp_min(0).nan_to_num()


@wrong("02.3", "raises the shares of the company to the power and does not divide by their sum again")
def association_shares_not_renormalised(counts, power):
    total = counts.sum()
    word = counts.sum(1) / total
    company = (counts.sum(0) / total) ** power
    pmi = torch.log((counts / total) / torch.outer(word, company))
    return torch.where(counts > 0, pmi.clamp(min=0), 0.0)


@wrong("02.3", "flattens the shares of the words (rows) and leaves those of the company as they are")
def association_flattens_the_rows(counts, power):
    c = counts.numpy().astype(np.float64)
    row = c.sum(1) ** power
    row = row / row.sum()
    col = c.sum(0) / c.sum()
    out = np.zeros(c.shape)
    for i, j in zip(*np.nonzero(c)):
        out[i, j] = max(0.0, np.log(c[i, j] / c.sum() / row[i] / col[j]))
    return torch.from_numpy(out).to(counts.dtype)


@wrong("02.3", "takes log(1 + ratio), so as to have no logarithm of 0: every pair that met becomes too large")
def association_log1p(counts, power):
    seen = counts.sum(0) ** power
    q = seen / seen.sum()
    share = counts / counts.sum()
    ratio = share / (share.sum(1)[:, None] * q[None, :])
    return torch.log1p(torch.nan_to_num(ratio)).clamp_min(0)


@wrong("02.3", "leaves NaN where a word or a company was never seen, for max(0, NaN) is NaN")
def association_keeps_nan(counts, power):
    total = counts.sum()
    seen = counts.sum(dim=0).pow(power)
    expected = (counts.sum(dim=1) / total).unsqueeze(1) * (seen / seen.sum()).unsqueeze(0)
    return torch.relu(torch.log(counts / total / expected))


@right("02.3")
def association_pairs_that_met(counts, power):
    c = counts.double()
    seen = c.sum(0).pow(power)
    log_q = seen.log() - seen.sum().log()
    w, v = c.nonzero(as_tuple=True)
    value = c[w, v].log() - c.sum(1)[w].log() - log_q[v]
    result = torch.zeros_like(c)
    result[w, v] = value * (value > 0)
    return result.to(counts.dtype)


@wrong("02.4", "takes pair after pair as word2vec's C code does: later pairs see the tables that earlier ones changed")
def step_pair_after_pair(E, U, words, company, noise, rate):
    E, U = E.clone(), U.clone()
    for w, c, ns in zip(words.tolist(), company.tolist(), noise.tolist()):
        e = E[w].clone()
        back = torch.zeros_like(e)
        forth = []
        for target, label in [(c, 1.0)] + [(n, 0.0) for n in ns if n != c]:
            g = torch.sigmoid(U[target] @ e) - label
            back += g * U[target]
            forth.append((target, g * e))
        E[w] -= rate * back
        for target, slope in forth:
            U[target] -= rate * slope
    return E, U


@wrong("02.4", "leaves out the noise that hits the word itself, not the noise that hits its company")
def step_leaves_out_the_word(E, U, words, company, noise, rate):
    choices = torch.cat((company[:, None], noise), dim=1)
    truth = torch.zeros(choices.shape)
    truth[:, 0] = 1
    e, u = E[words], U[choices]
    slope = torch.sigmoid((u * e[:, None]).sum(-1)) - truth
    slope[:, 1:] *= noise != words[:, None]
    new_E = E.index_add(0, words, (slope[..., None] * u).sum(1), alpha=-rate)
    new_U = U.index_add(0, choices.flatten(), (slope[..., None] * e[:, None]).flatten(0, 1), alpha=-rate)
    return new_E, new_U


@wrong("02.4", "leaves out noise that is the company of any pair of the batch, not only of its own pair")
def step_leaves_out_all_company(E, U, words, company, noise, rate):
    e, uc, un = E[words], U[company], U[noise]
    g_pos = torch.sigmoid(torch.einsum("nc,nc->n", e, uc)) - 1
    g_neg = torch.sigmoid(torch.einsum("nc,nkc->nk", e, un))
    g_neg = g_neg.masked_fill(torch.isin(noise, company), 0.0)
    dE = torch.zeros_like(E).index_add_(0, words, g_pos[:, None] * uc + torch.einsum("nk,nkc->nc", g_neg, un))
    dU = torch.zeros_like(U).index_add_(0, company, g_pos[:, None] * e)
    dU.index_add_(0, noise.flatten(), torch.einsum("nk,nc->nkc", g_neg, e).flatten(0, 1))
    return E - rate * dE, U - rate * dU


@wrong("02.4", "counts a wrong word that was drawn twice for a pair only once")
def step_noise_as_a_set(E, U, words, company, noise, rate):
    dE, dU = torch.zeros_like(E), torch.zeros_like(U)
    for n in range(len(words)):
        w, c = int(words[n]), int(company[n])
        g = torch.sigmoid(E[w] @ U[c]) - 1
        dE[w] += g * U[c]
        dU[c] += g * E[w]
        for k in set(noise[n].tolist()) - {c}:
            g = torch.sigmoid(E[w] @ U[k])
            dE[w] += g * U[k]
            dU[k] += g * E[w]
    return E - rate * dE, U - rate * dU


@wrong("02.4", "sets the score of a draw that is left out to 0, where its slope is still sigmoid(0) = 1/2")
def step_masks_the_score(E, U, words, company, noise, rate):
    choices = torch.cat([company.unsqueeze(1), noise], 1)
    hit = torch.cat([torch.zeros_like(company.unsqueeze(1)).bool(), noise == company.unsqueeze(1)], 1)
    e, u = E[words], U[choices]
    score = (u @ e.unsqueeze(-1)).squeeze(-1).masked_fill(hit, 0.0)
    slope = score.sigmoid()
    slope[:, 0] -= 1
    back = (slope.unsqueeze(1) @ u).squeeze(1)
    forth = slope.unsqueeze(2) * e.unsqueeze(1)
    E_new, U_new = E.clone(), U.clone()
    E_new.index_add_(0, words, -rate * back)
    U_new.index_add_(0, choices.reshape(-1), -rate * forth.reshape(-1, E.shape[1]))
    return E_new, U_new


@right("02.4")
def step_with_tables_of_counts(E, U, words, company, noise, rate):
    V = len(E)
    said_yes, said_no = torch.zeros(V, V, dtype=E.dtype), torch.zeros(V, V, dtype=E.dtype)
    for w, c, drawn in zip(words.tolist(), company.tolist(), noise.tolist()):
        said_yes[w, c] += 1
        for n in drawn:
            said_no[w, n] += n != c
    score = E @ U.T
    slope = said_no * torch.sigmoid(score) - said_yes * torch.sigmoid(-score)
    return E - rate * (slope @ U), U - rate * (slope.T @ E)
