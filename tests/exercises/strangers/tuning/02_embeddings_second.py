"""Answers to assignment 02 from its text alone; this half served to tune the checks."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("02.1", "each row loses its own mean, not the mean row of the table")
def mean_of_each_row(table, one, other):
    rows = table - table.mean(dim=1, keepdim=True)
    unit = rows / rows.norm(dim=1, keepdim=True)
    cos = unit @ unit[one]
    cos[one] = -2.0
    return int((cos > cos[other]).sum().item() + 1)


@right("02.1")
def python_floats_and_a_sorted_list(table, one, other):
    rows = table.tolist()
    width = len(rows[0])
    mean = [math.fsum(row[c] for row in rows) / len(rows) for c in range(width)]
    rows = [[x - m for x, m in zip(row, mean)] for row in rows]

    def cosine(a, b):
        return sum(x * y for x, y in zip(a, b)) / (math.hypot(*a) * math.hypot(*b))

    order = sorted((i for i in range(len(rows)) if i != one), key=lambda i: -cosine(rows[i], rows[one]))
    return order.index(other) + 1


@wrong("02.1", "it ranks by the distance between the rows, not by their cosine")
def by_distance(table, one, other):
    centred = table - table.mean(dim=0)
    distance = torch.cdist(centred[one][None], centred)[0]
    distance[one] = torch.inf
    return int((distance < distance[other]).sum()) + 1


@wrong("02.1", "the row itself is counted as its own nearest neighbour")
def itself_as_a_neighbour(table, one, other):
    rows = table - table.mean(0)
    rows = rows / rows.norm(dim=-1, keepdim=True)
    order = torch.argsort(rows @ rows[one], descending=True)
    return int((order == other).nonzero().item()) + 1


@wrong("02.1", "the rows are brought to length 1 before the mean is taken away")
def length_one_before_the_mean(table, one, other):
    rows = F.normalize(table, dim=1)
    rows = rows - rows.mean(0)
    cosines = F.cosine_similarity(rows, rows[one], dim=-1)
    cosines[one] = -torch.inf
    return int((cosines > cosines[other]).sum()) + 1


@right("02.1")
def distances_between_rows_of_length_one(table, one, other):
    # For rows of length 1 the nearest by distance is the nearest by angle.
    unit = table.double() - table.double().mean(dim=0, keepdim=True)
    unit = unit / unit.norm(dim=1, keepdim=True)
    far = ((unit - unit[one]) ** 2).sum(dim=1)
    nearer = 0
    for i, d in enumerate(far.tolist()):
        if i not in (one, other) and d < far[other].item():
            nearer += 1
    return nearer + 1


@wrong("02.1", "the table that came in loses its mean in place")
def mean_taken_away_in_place(table, one, other):
    table -= table.mean(0)
    lengths = table.norm(dim=1)
    cosines = table @ table[one] / (lengths * lengths[one])
    closer = 0
    for i in range(len(table)):
        if i != one and cosines[i] > cosines[other]:
            closer += 1
    return closer + 1


@wrong("02.1", "it is the place of one among the neighbours of other")
def the_other_way_round(table, one, other):
    rows = table - table.mean(0)
    rows = rows / rows.norm(dim=1, keepdim=True)
    similarity = rows @ rows.T
    similarity.fill_diagonal_(-torch.inf)
    return int((similarity[other] > similarity[other, one]).sum()) + 1


@wrong("02.1", "a cosine of 0 for the row itself still stands in front of all negative ones")
def zero_for_the_row_itself(table, one, other):
    rows = table - table.mean(0)
    cosines = rows @ rows[one] / (rows.norm(dim=1) * rows[one].norm())
    cosines[one] = 0
    return int((cosines > cosines[other]).sum()) + 1


@wrong("02.2", "the padding keeps a row of its own, with zeros in it")
def a_row_of_zeros_for_the_padding(ids, upstream, pad):
    rows, places = ids.unique(return_inverse=True)
    slopes = torch.zeros(len(rows), upstream.shape[-1], dtype=upstream.dtype)
    slopes.index_add_(0, places.flatten(), upstream.flatten(0, 1))
    slopes[rows == pad] = 0
    return rows, slopes


@wrong("02.2", "the padding is multiplied by 0, and 0 times infinity or NaN still counts for something")
def padding_times_zero(ids, upstream, pad):
    mask = (ids != pad).to(upstream.dtype)
    rows = ids[ids != pad].unique()
    one_hot = (ids[..., None] == rows).to(upstream.dtype)
    return rows, torch.einsum("btn,btc->nc", one_hot, upstream * mask[..., None])


@right("02.2")
def a_dictionary_of_rows(ids, upstream, pad):
    total = {}
    for b in range(ids.shape[0]):
        for t in range(ids.shape[1]):
            word = ids[b, t].item()
            if word == pad:
                continue
            slope = upstream[b, t]
            total[word] = total[word] + slope if word in total else slope.clone()
    rows = sorted(total)
    return torch.tensor(rows, dtype=ids.dtype), torch.stack([total[word] for word in rows])


@wrong("02.2", "rows whose slopes add up to zero are left out, and they were looked up, too")
def zeros_left_out(ids, upstream, pad):
    real = ids != pad
    table = torch.zeros(int(ids.max()) + 1, upstream.shape[-1], dtype=upstream.dtype)
    table.index_add_(0, ids[real], upstream[real])
    rows = table.abs().sum(1).nonzero().flatten()
    return rows, table[rows]


@wrong("02.2", "the ids come in the order in which they first occur, not the smallest first")
def order_of_appearance(ids, upstream, pad):
    grads = {}
    for row_ids, row_up in zip(ids, upstream):
        for i, g in zip(row_ids.tolist(), row_up):
            if i != pad:
                grads[i] = grads.get(i, torch.zeros_like(g)) + g
    return torch.tensor(list(grads)), torch.stack(list(grads.values()))


@wrong("02.2", "only the first text of the batch is read")
def first_text_only(ids, upstream, pad):
    row_ids, up = ids[0], upstream[0]
    keep = row_ids != pad
    rows, places = row_ids[keep].unique(return_inverse=True)
    slopes = torch.zeros(rows.numel(), up.shape[-1], dtype=up.dtype)
    return rows, slopes.index_add(0, places, up[keep])


@right("02.2")
def numpy_add_at(ids, upstream, pad):
    i, up = ids.numpy().reshape(-1), upstream.numpy()
    up = up.reshape(-1, up.shape[-1])
    up, i = up[i != pad], i[i != pad]
    rows, inverse = np.unique(i, return_inverse=True)
    slopes = np.zeros((rows.size, up.shape[1]), up.dtype)
    np.add.at(slopes, inverse, up)
    return torch.from_numpy(rows), torch.from_numpy(slopes)


@wrong("02.2", "a text ends for it at the first padding, but padding may stand in front or in between")
def text_ends_at_the_first_padding(ids, upstream, pad):
    words, slopes = [], []
    for text, ups in zip(ids.tolist(), upstream):
        length = text.index(pad) if pad in text else len(text)
        words += text[:length]
        slopes.append(ups[:length])
    words, slopes = torch.tensor(words, dtype=torch.long), torch.cat(slopes)
    rows, places = words.unique(return_inverse=True)
    return rows, torch.zeros(len(rows), slopes.shape[-1], dtype=slopes.dtype).index_add(0, places, slopes)


@wrong("02.2", "ids go through the batch row by row and the slopes column by column, so they do not belong together")
def slopes_in_another_order(ids, upstream, pad):
    flat_ids = ids.reshape(-1)
    flat_up = upstream.transpose(0, 1).reshape(-1, upstream.shape[-1])
    real = flat_ids != pad
    rows, places = flat_ids[real].unique(return_inverse=True)
    slopes = torch.zeros(len(rows), upstream.shape[-1], dtype=upstream.dtype)
    return rows, slopes.index_add(0, places, flat_up[real])


@wrong("02.3", "the words' shares are raised to the power as well, and only those of the company should be")
def power_on_both_sides(counts, power):
    p = counts / counts.sum()
    words = counts.sum(1) ** power
    company = counts.sum(0) ** power
    chance = torch.outer(words / words.sum(), company / company.sum())
    return (p / chance).log().clamp_min(0).nan_to_num()


@wrong("02.3", "rows and columns have changed places: the words are flattened, not the company")
def words_flattened_in_place_of_company(counts, power):
    p = counts / counts.sum()
    seen = counts.sum(1) ** power
    q = seen / seen.sum()
    p_word = counts.sum(0) / counts.sum()
    return (p / (q[:, None] * p_word)).log().clamp_min(0).nan_to_num()


@wrong("02.3", "a word that was never seen gives 0 / 0, and the clamp leaves NaN alone")
def nan_for_an_unseen_word(counts, power):
    p = counts / counts.sum()
    p_word = counts.sum(1) / counts.sum()
    seen = counts.sum(0) ** power
    q = seen / seen.sum()
    return (p / (p_word[:, None] * q)).log().clamp_min(0)


@right("02.3")
def two_loops_over_what_was_seen(counts, power):
    V, W = counts.shape
    rows = counts.double().sum(1).tolist()
    columns = [c**power for c in counts.double().sum(0).tolist()]
    total, weight = sum(rows), sum(columns)
    out = torch.zeros(V, W, dtype=counts.dtype)
    for w in range(V):
        for v in range(W):
            n = counts[w, v].item()
            if n > 0:
                out[w, v] = max(0.0, math.log(n / total) - math.log(rows[w] / total) - math.log(columns[v] / weight))
    return out


@wrong("02.3", "it gives the ratio, not its logarithm")
def ratio_without_logarithm(counts, power):
    p = counts / counts.sum()
    seen = counts.sum(0) ** power
    q = seen / seen.sum()
    ratio = p / (p.sum(1, keepdim=True) * q)
    return ratio.nan_to_num().clamp_min(0)


@wrong("02.3", "the share of the pair is taken within its row and then divided by the share of the row once more")
def divided_by_the_row_twice(counts, power):
    p = counts / counts.sum(1, keepdim=True)
    p_word = counts.sum(1, keepdim=True) / counts.sum()
    seen = counts.sum(0) ** power
    q = seen / seen.sum()
    return (p / (p_word * q)).log().clamp_min(0).nan_to_num()


@wrong("02.3", "1 is added inside the logarithm, so a pair as frequent as by chance does not get 0")
def logarithm_of_one_more(counts, power):
    share = counts / counts.sum()
    company = counts.sum(0) ** power
    company = company / company.sum()
    ratio = share / (share.sum(1, keepdim=True) * company)
    return torch.log1p(ratio.nan_to_num())


@right("02.3")
def conditional_share_against_the_plain_one(counts, power):
    # p(w, v) / p(w) is the share of v in the company of w, so the total falls out.
    given = counts / counts.sum(dim=1, keepdim=True)
    company = counts.sum(dim=0).pow(power)
    lift = given * company.sum() / company
    lift = torch.where(counts > 0, lift, torch.ones_like(lift))
    return lift.log().relu()


@wrong("02.3", "it divides by the surprise at the pair, which is the normalised kind of another paper")
def normalised_to_one(counts, power):
    p = counts / counts.sum()
    seen = counts.sum(0) ** power
    q = seen / seen.sum()
    pmi = (p / (p.sum(1, keepdim=True) * q)).log()
    npmi = pmi / -p.log()
    return torch.where(counts > 0, npmi, 0.0).clamp_min(0).nan_to_num()


@wrong("02.4", "the tables move after each pair, so the later pairs have their slopes at other tables")
def one_pair_after_another(E, U, words, company, noise, rate):
    E, U = E.clone(), U.clone()
    for n in range(len(words)):
        w, c = words[n], company[n]
        draws = noise[n][noise[n] != c]
        rows = torch.cat((c[None], draws))
        truth = torch.zeros(len(rows), dtype=E.dtype)
        truth[0] = 1
        e, u = E[w].clone(), U[rows].clone()
        slope = torch.sigmoid(u @ e) - truth
        E[w] -= rate * slope @ u
        U.index_add_(0, rows, torch.outer(slope, e), alpha=-rate)
    return E, U


@wrong("02.4", "a draw that hits its own company is not left out")
def blind_draws_are_kept(E, U, words, company, noise, rate):
    choices = torch.cat([company.unsqueeze(1), noise], dim=1)
    e, u = E[words], U[choices]
    slope = torch.sigmoid(torch.einsum("nc,nkc->nk", e, u))
    slope[:, 0] -= 1
    new_E = E.index_add(0, words, torch.einsum("nk,nkc->nc", slope, u), alpha=-rate)
    new_U = U.index_add(0, choices.flatten(), torch.einsum("nk,nc->nkc", slope, e).flatten(0, 1), alpha=-rate)
    return new_E, new_U


@right("02.4")
def pair_by_pair_at_the_old_tables(E, U, words, company, noise, rate):
    new_E, new_U = E.clone(), U.clone()
    for word, friend, wrong_ones in zip(words.tolist(), company.tolist(), noise.tolist()):
        cases = [(friend, 1.0)] + [(n, 0.0) for n in wrong_ones if n != friend]
        for row, real in cases:
            slope = torch.sigmoid(U[row] @ E[word]) - real
            new_E[word] -= rate * slope * U[row]
            new_U[row] -= rate * slope * E[word]
    return new_E, new_U


@wrong("02.4", "where an id stands several times, only its last slope arrives")
def repeats_are_lost(E, U, words, company, noise, rate):
    E2, U2 = E.clone(), U.clone()
    choices = torch.cat((company[:, None], noise), 1)
    e, u = E[words], U[choices]
    slope = torch.sigmoid((e[:, None] * u).sum(-1))
    slope[:, 1:] = slope[:, 1:] * (noise != company[:, None])
    slope[:, 0] = slope[:, 0] - 1
    E2[words] -= rate * (slope[..., None] * u).sum(1)
    U2[choices] -= rate * slope[..., None] * e[:, None]
    return E2, U2


@wrong("02.4", "the draws are compared with the word, and those that hit its company should be left out")
def draws_that_hit_the_word(E, U, words, company, noise, rate):
    dE, dU = torch.zeros_like(E), torch.zeros_like(U)
    for w, c, draws in zip(words, company, noise):
        score = U[c] @ E[w]
        dE[w] += (torch.sigmoid(score) - 1) * U[c]
        dU[c] += (torch.sigmoid(score) - 1) * E[w]
        for d in draws:
            if d == w:
                continue
            p = torch.sigmoid(U[d] @ E[w])
            dE[w] += p * U[d]
            dU[d] += p * E[w]
    return E - rate * dE, U - rate * dU


@wrong("02.4", "a softmax over company and noise, where each question has a sigmoid of its own")
def softmax_over_the_choices(E, U, words, company, noise, rate):
    choices = torch.cat((company[:, None], noise), dim=1)
    e, u = E[words], U[choices]
    scores = (u * e[:, None]).sum(-1)
    blind = torch.zeros_like(scores, dtype=torch.bool)
    blind[:, 1:] = noise == company[:, None]
    slope = scores.masked_fill(blind, -torch.inf).softmax(-1)
    slope[:, 0] -= 1
    to_e = (slope[..., None] * u).sum(1)
    to_u = slope[..., None] * e[:, None]
    return (
        E.index_add(0, words, to_e, alpha=-rate),
        U.index_add(0, choices.flatten(), to_u.flatten(0, 1), alpha=-rate),
    )


@right("02.4")
def numpy_with_add_at(E, U, words, company, noise, rate):
    e_table, u_table = E.numpy(), U.numpy()
    w, c, n = words.numpy(), company.numpy(), noise.numpy()

    def answer(score):  # sigmoid without an overflow
        return 0.5 * (1 + np.tanh(0.5 * score))

    e = e_table[w]
    pos = answer((e * u_table[c]).sum(-1)) - 1
    neg = answer(np.einsum("nc,nkc->nk", e, u_table[n])) * (n != c[:, None])
    d_e, d_u = np.zeros_like(e_table), np.zeros_like(u_table)
    np.add.at(d_e, w, pos[:, None] * u_table[c] + np.einsum("nk,nkc->nc", neg, u_table[n]))
    np.add.at(d_u, c, pos[:, None] * e)
    np.add.at(d_u, n, neg[..., None] * e[:, None, :])
    return torch.from_numpy(e_table - rate * d_e), torch.from_numpy(u_table - rate * d_u)


@wrong("02.4", "the noise is averaged over the draws, and the loss has their sum")
def mean_over_the_draws(E, U, words, company, noise, rate):
    e, c, n = E[words], U[company], U[noise]
    pos = torch.sigmoid((e * c).sum(-1)) - 1
    kept = noise != company[:, None]
    neg = torch.sigmoid((e[:, None] * n).sum(-1)) * kept / max(noise.shape[1], 1)
    d_e = pos[:, None] * c + (neg[..., None] * n).sum(1)
    new_E = E.index_add(0, words, d_e, alpha=-rate)
    new_U = U.index_add(0, company, pos[:, None] * e, alpha=-rate)
    new_U.index_add_(0, noise.flatten(), (neg[..., None] * e[:, None]).flatten(0, 1), alpha=-rate)
    return new_E, new_U


@wrong("02.4", "draws that hit any company of the batch are left out, not only a pair's own")
def any_company_of_the_batch(E, U, words, company, noise, rate):
    choices = torch.cat((company[:, None], noise), dim=1)
    truth = torch.zeros(choices.shape, dtype=E.dtype)
    truth[:, 0] = 1
    e, u = E[words], U[choices]
    slope = torch.sigmoid((u * e[:, None]).sum(-1)) - truth
    slope[:, 1:][torch.isin(noise, company)] = 0
    E = E.index_add(0, words, (slope[..., None] * u).sum(1), alpha=-rate)
    U = U.index_add(0, choices.flatten(), (slope[..., None] * e[:, None]).flatten(0, 1), alpha=-rate)
    return E, U
