"""Answers to assignment 02 from its text alone; this half is for tuning the check."""

import bisect

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("02.1", "the mean row is not taken away")
def mean_left_in(table, one, other):
    cosines = F.cosine_similarity(table, table[one][None], dim=1)
    cosines[one] = -torch.inf
    return int((cosines > cosines[other]).sum()) + 1


@right("02.1")
def count_the_larger_cosines(table, one, other):
    """Which neighbour of one the other is; 1 is the nearest."""
    rows = table - table.mean(0)
    cosines = rows @ rows[one] / (rows.norm(dim=1) * rows[one].norm())
    cosines[one] = -torch.inf
    return int((cosines > cosines[other]).sum()) + 1


@wrong("02.1", "it compares dot products, in which long rows win")
def dot_products(table, one, other):
    rows = table - table.mean(0)
    scores = rows @ rows[one]
    scores[one] = -torch.inf
    return int((scores > scores[other]).sum()) + 1


@wrong("02.1", "the nearest gets 0 in place of 1")
def counted_from_zero(table, one, other):
    rows = table - table.mean(0)
    cosines = rows @ rows[one] / (rows.norm(dim=1) * rows[one].norm())
    order = cosines.argsort(descending=True).tolist()
    order.remove(one)
    return order.index(other)


@wrong("02.1", "it counts from the furthest, the smallest cosine first")
def furthest_first(table, one, other):
    rows = table - table.mean(0)
    cosines = rows @ rows[one] / (rows.norm(dim=1) * rows[one].norm())
    others = [i for i in range(len(table)) if i != one]
    others.sort(key=lambda i: cosines[i].item())
    return others.index(other) + 1


@right("02.1")
def numpy_argsort_without_the_row_itself(table, one, other):
    a = table.numpy().astype("float64")
    a = a - a.mean(axis=0, keepdims=True)
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    order = np.argsort(-(a @ a[one]))
    order = order[order != one]
    return int(np.flatnonzero(order == other)[0]) + 1


@wrong("02.1", "the mean is taken from the table but not from the row that asks")
def question_keeps_its_mean(table, one, other):
    query = table[one]
    rows = table - table.mean(0)
    cosines = (rows @ query) / (rows.norm(dim=1) * query.norm())
    cosines[one] = -torch.inf
    return int((cosines > cosines[other]).sum()) + 1


@wrong("02.1", "a cosine near -1 is the furthest, but without its sign it counts as near")
def without_the_sign(table, one, other):
    rows = table - table.mean(0)
    cosines = (rows @ rows[one] / (rows.norm(dim=1) * rows[one].norm())).abs()
    cosines[one] = -1
    return int((cosines > cosines[other]).sum()) + 1


@wrong("02.1", "argsort says who is at a place, not at which place someone is")
def argsort_read_backwards(table, one, other):
    rows = table - table.mean(0)
    cosines = rows @ rows[one] / (rows.norm(dim=1) * rows[one].norm())
    cosines[one] = -torch.inf
    order = cosines.argsort(descending=True)
    return int(order[other]) + 1


@right("02.1")
def bisect_in_the_cosines_of_the_others(table, one, other):
    centred = table.to(torch.float64)
    centred = centred - centred.sum(0) / len(centred)
    gram = torch.einsum("ic,jc->ij", centred, centred)
    length = gram.diagonal().sqrt()
    cosine = (gram / length[:, None] / length[None, :])[one].tolist()
    others = sorted(-c for i, c in enumerate(cosine) if i != one)
    return bisect.bisect_left(others, -cosine[other]) + 1


@wrong("02.1", "row one is deleted, but the number of other is not moved up by one behind it")
def number_not_moved_up(table, one, other):
    rows = table - table.mean(0)
    query = rows[one]
    rows = torch.cat([rows[:one], rows[one + 1 :]])
    cosines = rows @ query / (rows.norm(dim=1) * query.norm())
    other = min(other, len(rows) - 1)
    return int((cosines > cosines[other]).sum()) + 1


@right("02.2")
def index_add_of_the_real_places(ids, upstream, pad):
    """The ids that were looked up, in order, and the slopes of their rows."""
    real = ids != pad
    rows, places = ids[real].unique(return_inverse=True)
    slopes = torch.zeros(len(rows), upstream.shape[-1], dtype=upstream.dtype)
    slopes.index_add_(0, places, upstream[real])
    return rows, slopes


@wrong("02.2", "of several places of an id only the last one is written")
def last_place_written(ids, upstream, pad):
    real = ids != pad
    rows = ids[real].unique()
    slopes = torch.zeros(len(rows), upstream.shape[-1], dtype=upstream.dtype)
    places = torch.searchsorted(rows, ids[real])
    slopes[places] += upstream[real]
    return rows, slopes


@wrong("02.2", "the first row is dropped as if the padding always had the smallest id and always occurred")
def first_row_dropped(ids, upstream, pad):
    rows, places = torch.unique(ids, return_inverse=True)
    slopes = upstream.new_zeros(len(rows), upstream.shape[-1])
    slopes.index_add_(0, places.reshape(-1), upstream.reshape(-1, upstream.shape[-1]))
    return rows[1:], slopes[1:]


@wrong("02.2", "the slopes of an id are averaged over its places in place of added up")
def mean_over_places(ids, upstream, pad):
    rows, slopes = [], []
    for word in ids.unique().tolist():
        if word != pad:
            rows.append(word)
            slopes.append(upstream[ids == word].mean(0))
    return torch.tensor(rows), torch.stack(slopes)


@right("02.2")
def one_hot_times_slopes(ids, upstream, pad):
    flat = ids.flatten()
    keep = flat != pad
    flat, up = flat[keep], upstream.flatten(0, 1)[keep]
    rows = torch.unique(flat)
    one_hot = (rows[:, None] == flat[None, :]).to(up.dtype)  # (n, m)
    return rows, one_hot @ up


@wrong("02.2", "the slopes are a table with a row for every id, not only for those that were looked up")
def a_whole_table_of_slopes(ids, upstream, pad):
    real = ids != pad
    rows = ids[real].unique()
    slopes = torch.zeros(int(rows.max()) + 1, upstream.shape[-1], dtype=upstream.dtype)
    slopes.index_add_(0, ids[real], upstream[real])
    return rows, slopes


@wrong("02.2", "the slopes at the padding are set to 0 in the tensor that came in")
def padding_cleared_in_place(ids, upstream, pad):
    upstream[ids == pad] = 0
    rows, places = ids.unique(return_inverse=True)
    slopes = torch.zeros(len(rows), upstream.shape[-1], dtype=upstream.dtype)
    slopes.index_add_(0, places.flatten(), upstream.flatten(0, 1))
    return rows[rows != pad], slopes[rows != pad]


@wrong("02.2", "the count of an id times the slope at its last place, which is right only where all slopes are 1")
def count_times_the_last_slope(ids, upstream, pad):
    real = ids != pad
    rows, places, counts = ids[real].unique(return_inverse=True, return_counts=True)
    slopes = torch.zeros(len(rows), upstream.shape[-1], dtype=upstream.dtype)
    for place, slope in zip(places, upstream[real]):
        slopes[place] = slope
    return rows, slopes * counts[:, None].to(slopes.dtype)


@right("02.2")
def a_sparse_table_that_is_coalesced(ids, upstream, pad):
    real = ids.ne(pad)
    words = ids[real]
    size = (int(words.max()) + 1, upstream.size(-1))
    sparse = torch.sparse_coo_tensor(words[None], upstream[real], size, check_invariants=True)
    sparse = sparse.coalesce()  # adds up what has the same id, and sorts
    return sparse.indices()[0], sparse.values()


@wrong("02.2", "all ids up to that of the padding are left out, not the padding alone")
def all_ids_up_to_the_padding(ids, upstream, pad):
    real = ids > pad
    rows, places = ids[real].unique(return_inverse=True)
    slopes = torch.zeros(len(rows), upstream.shape[-1], dtype=upstream.dtype)
    index = places[:, None].expand(-1, upstream.shape[-1])
    return rows, slopes.scatter_add(0, index, upstream[real])


@wrong("02.2", "it gives a dictionary from id to slopes, and a pair of tensors was asked for")
def dictionary_in_place_of_a_pair(ids, upstream, pad):
    gradient = {}
    for word, slope in zip(ids.flatten().tolist(), upstream.flatten(0, 1)):
        if word == pad:
            continue
        gradient.setdefault(word, torch.zeros_like(slope))
        gradient[word] += slope
    return dict(sorted(gradient.items()))


@wrong("02.3", "it answers in bits, and nats were asked for")
def logarithm_to_base_two(counts, power):
    p = counts / counts.sum()
    seen = counts.sum(0) ** power
    ratio = p / (p.sum(1, keepdim=True) * (seen / seen.sum()))
    return torch.log2(ratio).clamp(min=0).nan_to_num(0.0)


@right("02.3")
def logs_of_three_shares(counts, power):
    """How much more often than by chance, as a logarithm, at least 0: (V, W)."""
    p = counts / counts.sum()
    p_word = counts.sum(1) / counts.sum()
    seen = counts.sum(0) ** power
    q = seen / seen.sum()
    return (p / (p_word[:, None] * q)).log().clamp_min(0).nan_to_num()


@wrong("02.3", "the share is raised to the power and not divided by the new sum, so the shares do not add up to 1")
def shares_that_do_not_add_up(counts, power):
    total = counts.sum()
    p_wv = counts / total
    p_w = counts.sum(dim=1, keepdim=True) / total
    q_v = (counts.sum(dim=0, keepdim=True) / total) ** power
    pmi = torch.log(p_wv / (p_w * q_v))
    return torch.nan_to_num(torch.clamp(pmi, min=0), nan=0.0)


@wrong("02.3", "negative logarithms stay, where 0 was asked for")
def negative_logarithms_stay(counts, power):
    p = counts / counts.sum()
    seen = counts.sum(0).pow(power)
    pmi = (p / (p.sum(1)[:, None] * (seen / seen.sum())[None, :])).log()
    return torch.where(counts > 0, pmi, torch.zeros_like(pmi))


@wrong("02.3", "1 is added to every count, so the shares are no longer those of the counts")
def one_added_to_every_count(counts, power):
    counts = counts + 1
    p = counts / counts.sum()
    seen = counts.sum(0) ** power
    q = seen / seen.sum()
    return (p / (p.sum(1, keepdim=True) * q)).log().clamp_min(0)


@right("02.3")
def numpy_where_the_count_is_positive(counts, power):
    n = counts.numpy().astype(np.float64)
    seen = n > 0
    if not seen.any():
        return torch.zeros_like(counts)
    expected = np.outer(n.sum(1), n.sum(0) ** power / (n.sum(0) ** power).sum())
    ratio = np.divide(n, expected, out=np.ones_like(n), where=seen)
    return torch.from_numpy(np.log(np.maximum(ratio, 1.0))).to(counts.dtype)


@wrong("02.3", "the power is always 0.75, whatever was asked for")
def always_three_quarters(counts, power=0.75):
    alpha = 0.75
    joint = counts / counts.sum()
    context = counts.sum(0) ** alpha
    context = context / context.sum()
    pmi = (joint / (joint.sum(1, keepdim=True) * context)).log()
    pmi[~torch.isfinite(pmi)] = 0
    return pmi.clamp(min=0)


@wrong("02.3", "every count is raised to the power before the columns are added up, not the sum after it")
def power_before_the_sum(counts, power):
    p = counts / counts.sum()
    seen = (counts**power).sum(0)
    q = seen / seen.sum()
    return (p / (p.sum(1)[:, None] * q)).log().clamp_min(0).nan_to_num()


@wrong("02.3", "the counts that came in are divided in place")
def counts_divided_in_place(counts, power):
    seen = counts.sum(0) ** power
    counts /= counts.sum()
    words = counts.sum(1, keepdim=True)
    result = (counts / (words * (seen / seen.sum()))).log()
    return result.clamp_min(0).nan_to_num()


@wrong("02.3", "words that were never seen lose their row, and the table is no longer (V, W)")
def unseen_words_lose_their_row(counts, power):
    counts = counts[counts.sum(1) > 0]
    p = counts / counts.sum()
    q = counts.sum(0) ** power
    q = q / q.sum()
    table = (p / (p.sum(1, keepdim=True) * q)).log()
    return table.nan_to_num(nan=0.0).clamp_min(0)


@right("02.3")
def only_the_nonzero_pairs_in_logs(counts, power):
    w, v = counts.nonzero(as_tuple=True)
    table = torch.zeros_like(counts)
    if len(w) == 0:
        return table
    log_q = torch.log(counts.sum(0) ** power) - torch.logsumexp(torch.log(counts.sum(0) ** power), 0)
    log_pair = counts[w, v].log() - counts[w].sum(1).log()
    table[w, v] = torch.maximum(log_pair - log_q[v], torch.zeros(()).to(counts))
    return table


@wrong("02.4", "the slopes of U are computed at the E that has already moved")
def slopes_at_the_new_table(E, U, words, company, noise, rate):
    choices = torch.cat((company[:, None], noise), 1)
    truth = torch.zeros_like(choices, dtype=E.dtype)
    truth[:, 0] = 1
    keep = torch.cat((torch.ones_like(company[:, None], dtype=torch.bool), noise != company[:, None]), 1)
    u = U[choices]
    slope = (torch.sigmoid((u * E[words][:, None]).sum(-1)) - truth) * keep
    E = E.index_add(0, words, (slope[..., None] * u).sum(1), alpha=-rate)
    slope_u = slope[..., None] * E[words][:, None]
    return E, U.index_add(0, choices.flatten(), slope_u.flatten(0, 1), alpha=-rate)


@wrong("02.4", "the loss is averaged over the pairs, and it should be their sum")
def mean_over_the_pairs(E, U, words, company, noise, rate):
    N = len(words)
    e, c, n = E[words], U[company], U[noise]
    a = (torch.sigmoid((e * c).sum(1)) - 1) / N
    b = torch.sigmoid((e[:, None] * n).sum(2)) / N
    b = b.masked_fill(noise == company[:, None], 0)
    dE = torch.zeros_like(E).index_add(0, words, a[:, None] * c + (b[..., None] * n).sum(1))
    dU = torch.zeros_like(U).index_add(0, company, a[:, None] * e)
    dU = dU.index_add(0, noise.flatten(), (b[..., None] * e[:, None]).flatten(0, 1))
    return E - rate * dE, U - rate * dU


@right("02.4")
def company_in_front_of_its_noise(E, U, words, company, noise, rate):
    """Both tables after one step, as new tensors."""
    choices = torch.cat((company[:, None], noise), dim=1)
    truth = torch.zeros(choices.shape, dtype=E.dtype)
    truth[:, 0] = 1
    e, u = E[words], U[choices]
    slope = torch.sigmoid((u * e[:, None]).sum(-1)) - truth
    slope[:, 1:][noise == company[:, None]] = 0
    to_u = (slope[..., None] * e[:, None]).flatten(0, 1)
    new_E = E.index_add(0, words, (slope[..., None] * u).sum(1), alpha=-rate)
    return new_E, U.index_add(0, choices.flatten(), to_u, alpha=-rate)


@wrong("02.4", "a pair with a draw on its own company is left out as a whole, not that one draw")
def whole_pair_left_out(E, U, words, company, noise, rate):
    fine = (noise != company[:, None]).all(1)
    words, company, noise = words[fine], company[fine], noise[fine]
    choices = torch.cat((company[:, None], noise), 1)
    truth = torch.zeros(choices.shape, dtype=E.dtype)
    truth[:, :1] = 1
    e, u = E[words], U[choices]
    slope = torch.sigmoid((e[:, None] * u).sum(-1)) - truth
    return (
        E.index_add(0, words, (slope[..., None] * u).sum(1), alpha=-rate),
        U.index_add(0, choices.flatten(), (slope[..., None] * e[:, None]).flatten(0, 1), alpha=-rate),
    )


@wrong("02.4", "a draw that hits its own company counts as one more real pair in place of being left out")
def blind_draws_count_as_real(E, U, words, company, noise, rate):
    choices = torch.cat((company[:, None], noise), dim=1)
    truth = (choices == company[:, None]).to(E.dtype)
    e, u = E[words], U[choices]
    slope = torch.sigmoid((u * e[:, None]).sum(-1)) - truth
    new_E = E.index_add(0, words, (slope[..., None] * u).sum(1), alpha=-rate)
    new_U = U.index_add(0, choices.flatten(), (slope[..., None] * e[:, None]).flatten(0, 1), alpha=-rate)
    return new_E, new_U


@wrong("02.4", "the word is looked up in U and the company in E, the wrong way round")
def tables_in_each_others_place(E, U, words, company, noise, rate):
    choices = torch.cat((company[:, None], noise), dim=1)
    truth = torch.zeros(choices.shape, dtype=E.dtype)
    truth[:, 0] = 1
    word, other = U[words], E[choices]
    slope = torch.sigmoid((other * word[:, None]).sum(-1)) - truth
    slope[:, 1:] *= noise != company[:, None]
    U = U.index_add(0, words, (slope[..., None] * other).sum(1), alpha=-rate)
    E = E.index_add(0, choices.flatten(), (slope[..., None] * word[:, None]).flatten(0, 1), alpha=-rate)
    return E, U


@right("02.4")
def count_the_questions_in_a_matrix(E, U, words, company, noise, rate):
    V = len(E)
    real, drawn = torch.zeros(V, V, dtype=E.dtype), torch.zeros(V, V, dtype=E.dtype)
    real.index_put_((words, company), torch.ones((), dtype=E.dtype), accumulate=True)
    kept = noise != company[:, None]
    asked = words[:, None].expand_as(noise)
    drawn.index_put_((asked[kept], noise[kept]), torch.ones((), dtype=E.dtype), accumulate=True)
    yes = torch.sigmoid(E @ U.T)
    slope = drawn * yes - real * torch.sigmoid(-(E @ U.T))
    return E - rate * slope @ U, U - rate * slope.T @ E


@wrong("02.4", "the word's row learns from its company only, not from the noise")
def word_learns_from_company_only(E, U, words, company, noise, rate):
    newE, newU = E.clone(), U.clone()
    for i in range(len(words)):
        e, u = E[words[i]], U[company[i]]
        g = torch.sigmoid(e @ u) - 1
        newE[words[i]] -= rate * g * u
        newU[company[i]] -= rate * g * e
        for k in noise[i]:
            if k != company[i]:
                newU[k] -= rate * torch.sigmoid(e @ U[k]) * e
    return newE, newU


@wrong("02.4", "the tables that came in are changed in place")
def tables_changed_in_place(E, U, words, company, noise, rate):
    choices = torch.cat((company[:, None], noise), dim=1)
    truth = torch.zeros(choices.shape, dtype=E.dtype)
    truth[:, 0] = 1
    e, u = E[words], U[choices]
    slope = torch.sigmoid((u * e[:, None]).sum(-1)) - truth
    slope[:, 1:][noise == company[:, None]] = 0
    E.index_add_(0, words, (slope[..., None] * u).sum(1), alpha=-rate)
    U.index_add_(0, choices.flatten(), (slope[..., None] * e[:, None]).flatten(0, 1), alpha=-rate)
    return E, U


@right("02.4")
def one_hot_lookups_and_their_transposes(E, U, words, company, noise, rate):
    look_e = F.one_hot(words, len(E)).to(E.dtype)  # (N, V)
    look_c = F.one_hot(company, len(U)).to(U.dtype)
    look_n = F.one_hot(noise, len(U)).to(U.dtype)  # (N, K, V)
    blind = torch.einsum("nkv,nv->nk", look_n, look_c)  # 1 where a draw hits its own company
    e, c, n = look_e @ E, look_c @ U, look_n @ U
    up = -torch.sigmoid(-torch.einsum("nc,nc->n", e, c))
    down = torch.sigmoid(torch.einsum("nc,nkc->nk", e, n)) * (1 - blind)
    grad_e = up[:, None] * c + torch.einsum("nk,nkc->nc", down, n)
    grad_u = look_c.T @ (up[:, None] * e) + torch.einsum("nkv,nk,nc->vc", look_n, down, e)
    return E - rate * look_e.T @ grad_e, U - rate * grad_u


@wrong("02.4", "the score of a draw that is left out is set to 0, and the slope at a score of 0 is a half")
def score_zero_for_blind_draws(E, U, words, company, noise, rate):
    e = E[words]
    real = (e * U[company]).sum(-1)
    drawn = (e[:, None] * U[noise]).sum(-1)
    drawn = torch.where(noise == company[:, None], 0.0, drawn)
    up = torch.sigmoid(real) - 1
    down = torch.sigmoid(drawn)
    grad_E = torch.zeros_like(E)
    grad_U = torch.zeros_like(U)
    grad_E.index_add_(0, words, up[:, None] * U[company] + (down[..., None] * U[noise]).sum(1))
    grad_U.index_add_(0, company, up[:, None] * e)
    grad_U.index_add_(0, noise.reshape(-1), (down[..., None] * e[:, None]).reshape(-1, E.shape[1]))
    return E - rate * grad_E, U - rate * grad_U
