"""Answers to assignment 02 from its text alone; this set served to tune the checks."""

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 02.1


@wrong("02.1", "brings the rows to length 1 first and takes the mean of those away")
def rank_mean_after_normalising(table, one, other):
    rows = F.normalize(table, dim=1)
    rows = rows - rows.mean(0)
    cosines = F.cosine_similarity(rows, rows[one][None], dim=1)
    cosines[one] = -torch.inf
    return int((cosines > cosines[other]).sum()) + 1


@wrong("02.1", "takes from each row the mean of its own numbers, so it ranks by correlation")
def rank_by_correlation(table, one, other):
    correlations = np.corrcoef(table.double().numpy())[one]
    order = [i for i in np.argsort(-correlations) if i != one]
    return order.index(other) + 1


@wrong("02.1", "reads the sorting order at the place other: that is which row is there, not where other is")
def rank_order_read_backwards(table, one, other):
    rows = table - table.mean(0)
    cosines = F.cosine_similarity(rows, rows[one][None], dim=1)
    cosines[one] = torch.inf
    order = cosines.argsort(descending=True)
    return int(order[other])


@wrong("02.1", "takes the row one out of the table and goes on using other as if no row had moved up")
def rank_ids_not_shifted(table, one, other):
    rows = table - table.mean(0)
    rest = torch.cat((rows[:one], rows[one + 1 :]))
    cosines = F.cosine_similarity(rest, rows[one][None], dim=1)
    return int((cosines > cosines[min(other, len(rest) - 1)]).sum()) + 1


@wrong("02.1", "asks which neighbour of other the row one is")
def rank_the_other_way_round(table, one, other):
    rows = table - table.mean(dim=0, keepdim=True)
    rows = rows / rows.norm(dim=1, keepdim=True)
    cosines = (rows @ rows.T)[:, other]
    cosines[other] = -torch.inf
    return int((cosines > cosines[one]).sum()) + 1


@wrong("02.1", "takes the mean away inside the table it was given")
def rank_shifts_the_given_table(table, one, other):
    table -= table.mean(0)
    cosines = table @ table[one] / (table.norm(dim=1) * table[one].norm())
    cosines[one] = -torch.inf
    return 1 + int((cosines > cosines[other]).sum())


@wrong("02.1", "takes the widest direction away too, as all-but-the-top does")
def rank_all_but_the_top(table, one, other):
    rows = table - table.mean(0)
    top = torch.linalg.svd(rows, full_matrices=False)[2][:1]
    rows = rows - rows @ top.T @ top
    cosines = F.cosine_similarity(rows, rows[one][None], dim=1)
    cosines[one] = -torch.inf
    return int((cosines > cosines[other]).sum()) + 1


@wrong("02.1", "ranks by the distance between the rows, which depends on their lengths")
def rank_by_distance(table, one, other):
    rows = table - table.mean(0)
    distances = (rows - rows[one]).norm(dim=1)
    nearer = [i for i in range(len(rows)) if i != one and distances[i] < distances[other]]
    return len(nearer) + 1


@right("02.1")
def rank_distance_on_the_sphere(table, one, other):
    rows = table.double() - table.double().mean(0)
    sphere = rows / rows.norm(dim=1, keepdim=True)
    gaps = ((sphere - sphere[one]) ** 2).sum(1)
    return sum(1 for v in range(len(table)) if v not in (one, other) and gaps[v] < gaps[other]) + 1


@right("02.1")
def rank_numpy_sorted_ids(table, one, other):
    array = table.numpy().astype(np.float64)
    array = array - array.mean(axis=0)

    def unlike(v):
        return -np.dot(array[v], array[one]) / np.sqrt(np.dot(array[v], array[v]))

    others = set(range(len(array))) - {one}
    return sorted(others, key=unlike).index(other) + 1


# 02.2


@wrong("02.2", "leaves out the rows whose slopes add up to 0")
def gradient_drops_zero_rows(ids, upstream, pad):
    real = ids != pad
    rows, places = ids[real].unique(return_inverse=True)
    slopes = upstream.new_zeros(len(rows), upstream.shape[-1])
    slopes.index_add_(0, places, upstream[real])
    kept = slopes.abs().sum(1) > 0
    return rows[kept], slopes[kept]


@wrong("02.2", "believes that padding is always id 0")
def gradient_pad_is_zero(ids, upstream, pad):
    real = ids > 0
    rows, places = ids[real].unique(return_inverse=True)
    slopes = torch.zeros(len(rows), upstream.shape[-1], dtype=upstream.dtype)
    return rows, slopes.index_add(0, places, upstream[real])


@wrong("02.2", "takes each text to end at its first padding, so what stands behind it is lost")
def gradient_text_ends_at_pad(ids, upstream, pad):
    real = (ids != pad).long().cumprod(1).bool()
    rows, places = ids[real].unique(return_inverse=True)
    slopes = upstream.new_zeros(len(rows), upstream.shape[-1])
    slopes.index_add_(0, places, upstream[real])
    return rows, slopes


@wrong("02.2", "divides each row's slope by how often the id stands there")
def gradient_mean_of_places(ids, upstream, pad):
    real = ids != pad
    rows, places, often = ids[real].unique(return_inverse=True, return_counts=True)
    slopes = upstream.new_zeros(len(rows), upstream.shape[-1])
    slopes.index_add_(0, places, upstream[real])
    return rows, slopes / often[:, None]


@wrong("02.2", "lists the ids in the order in which they first stand in the text, not the smallest first")
def gradient_first_seen_order(ids, upstream, pad):
    sums = {}
    for text, slopes in zip(ids.tolist(), upstream, strict=True):
        for token, slope in zip(text, slopes, strict=True):
            if token != pad:
                sums[token] = sums[token] + slope if token in sums else slope
    return torch.tensor(list(sums)), torch.stack(list(sums.values()))


@wrong("02.2", "writes zeros over the padding in the upstream slopes it was given")
def gradient_clears_upstream(ids, upstream, pad):
    upstream[ids == pad] = 0.0
    rows, places = ids.unique(return_inverse=True)
    slopes = upstream.new_zeros(len(rows), upstream.shape[-1])
    slopes.index_add_(0, places.flatten(), upstream.flatten(0, 1))
    return rows[rows != pad], slopes[rows != pad]


@wrong("02.2", "always leaves out the smallest id, which is the padding only if there is some and it is the smallest")
def gradient_drops_first_row(ids, upstream, pad):
    rows, places = torch.unique(ids, return_inverse=True)
    slopes = torch.zeros(len(rows), upstream.shape[2], dtype=upstream.dtype)
    slopes.index_add_(0, places.reshape(-1), upstream.reshape(-1, upstream.shape[2]))
    return rows[1:], slopes[1:]


@wrong("02.2", "flattens the ids column by column and the slopes row by row")
def gradient_flattens_differently(ids, upstream, pad):
    flat = ids.T.reshape(-1)
    up = upstream.reshape(len(flat), -1)
    rows, places = flat[flat != pad].unique(return_inverse=True)
    slopes = torch.zeros(len(rows), up.shape[1], dtype=up.dtype)
    slopes.index_add_(0, places, up[flat != pad])
    return rows, slopes


@right("02.2")
def gradient_one_mask_for_each_row(ids, upstream, pad):
    rows = sorted(set(ids.flatten().tolist()) - {pad})
    slopes = [upstream[ids == row].sum(0) for row in rows]
    return torch.tensor(rows, dtype=ids.dtype), torch.stack(slopes)


@right("02.2")
def gradient_sorted_segments(ids, upstream, pad):
    flat, up = ids.numpy().ravel(), upstream.numpy().reshape(ids.numel(), -1)
    flat, up = flat[flat != pad], up[flat != pad]
    order = np.argsort(flat, kind="stable")
    rows, starts = np.unique(flat[order], return_index=True)
    return torch.from_numpy(rows), torch.from_numpy(np.add.reduceat(up[order], starts, axis=0))


# 02.3


@wrong("02.3", "raises the shares of the company to the power and does not bring them back to a sum of 1")
def association_not_normalised_again(counts, power):
    total = counts.sum()
    p = counts / total
    word = counts.sum(1, keepdim=True) / total
    company = (counts.sum(0) / total) ** power
    return (p / (word * company)).log().clamp_min(0).nan_to_num(0.0, posinf=0.0)


@wrong("02.3", "adds 1 to every count, so that no pair is unseen, which changes all shares")
def association_add_one(counts, power):
    smooth = counts + 1
    p = smooth / smooth.sum()
    word = smooth.sum(1) / smooth.sum()
    seen = smooth.sum(0) ** power
    pmi = (p / (word[:, None] * (seen / seen.sum()))).log().clamp_min(0)
    return torch.where(counts > 0, pmi, 0.0)


@wrong("02.3", "raises the sums of the words to the power in place of those of the company")
def association_power_on_words(counts, power):
    p = counts / counts.sum()
    seen = counts.sum(1) ** power
    word = seen / seen.sum()
    company = counts.sum(0) / counts.sum()
    pmi = torch.log(p / torch.outer(word, company)).clamp_min(0)
    return torch.where(counts > 0, pmi, 0.0)


@wrong("02.3", "clamps at 0 but leaves NaN where a word or its company was never seen")
def association_leaves_nan(counts, power):
    p = counts / counts.sum()
    word = p.sum(1)
    seen = counts.sum(0) ** power
    q = seen / seen.sum()
    return (p / (word[:, None] * q)).log().clamp_min(0)


@wrong("02.3", "divides the logarithm by that of the pair's share: the normalised kind of the measure")
def association_normalised_pmi(counts, power):
    p = counts / counts.sum()
    seen = counts.sum(0) ** power
    q = seen / seen.sum()
    pmi = (p / (p.sum(1, keepdim=True) * q)).log() / -p.log()
    return pmi.nan_to_num(0.0, posinf=0.0, neginf=0.0).clamp_min(0)


@wrong("02.3", "takes the pair's share of its own row and then divides by the word's share all the same")
def association_share_of_the_row(counts, power):
    rows = counts.sum(1, keepdim=True)
    conditional = counts / rows
    word = rows / counts.sum()
    seen = counts.sum(0) ** power
    pmi = (conditional / (word * (seen / seen.sum()))).log()
    return torch.where(counts > 0, pmi.clamp_min(0), 0.0)


@wrong("02.3", "puts 0 on the diagonal, as if a word were never its own company")
def association_no_self(counts, power):
    p = counts / counts.sum()
    seen = counts.sum(0) ** power
    q = seen / seen.sum()
    pmi = torch.log(p / (p.sum(1, keepdim=True) * q)).clamp_min(0).nan_to_num(0.0)
    return pmi.fill_diagonal_(0.0)


@wrong("02.3", "subtracts the logarithm of 5 draws, the constant of negative sampling, before it clamps")
def association_shifted(counts, power):
    p = counts / counts.sum()
    seen = counts.sum(0) ** power
    q = seen / seen.sum()
    pmi = torch.log(p / (p.sum(1, keepdim=True) * q)) - torch.log(torch.tensor(5.0))
    return torch.where(counts > 0, pmi.clamp_min(0), 0.0)


@right("02.3")
def association_seen_pairs_only(counts, power):
    word, company = counts.nonzero(as_tuple=True)
    met = counts[word, company].double()
    sums = counts.double().sum(0) ** power
    chance = counts.double().sum(1)[word] * (sums / sums.sum())[company]
    table = torch.zeros_like(counts)
    table[word, company] = (met.log() - chance.log()).clamp_min(0).to(counts.dtype)
    return table


@right("02.3")
def association_numpy_ratio_at_least_one(counts, power):
    c = counts.numpy().astype(np.float64)
    flattened = np.power(c.sum(axis=0), power)
    chance = np.outer(c.sum(axis=1) / c.sum(), flattened / flattened.sum())
    ratio = np.divide(c / c.sum(), chance, out=np.ones_like(c), where=c > 0)
    return torch.from_numpy(np.log(np.maximum(ratio, 1.0))).to(counts.dtype)


# 02.4


@wrong("02.4", "leaves a whole pair out if a single draw of its noise hits the company")
def step_drops_whole_pairs(E, U, words, company, noise, rate):
    keep = (noise != company[:, None]).all(1)
    words, company, noise = words[keep], company[keep], noise[keep]
    choices = torch.cat((company[:, None], noise), dim=1)
    truth = torch.zeros(choices.shape)
    truth[:, 0] = 1
    e, u = E[words], U[choices]
    slope = torch.sigmoid((u * e[:, None]).sum(-1)) - truth
    new_E = E.index_add(0, words, (slope[..., None] * u).sum(1), alpha=-rate)
    new_U = U.index_add(0, choices.flatten(), (slope[..., None] * e[:, None]).flatten(0, 1), alpha=-rate)
    return new_E, new_U


@wrong("02.4", "counts a wrong word once for a pair, also where it was drawn several times")
def step_each_noise_once(E, U, words, company, noise, rate):
    new_E, new_U = E.clone(), U.clone()
    for word, real, drawn in zip(words.tolist(), company.tolist(), noise.tolist(), strict=True):
        slope = torch.sigmoid(U[real] @ E[word]) - 1
        new_E[word] -= rate * slope * U[real]
        new_U[real] -= rate * slope * E[word]
        for wrong_word in set(drawn) - {real}:
            slope = torch.sigmoid(U[wrong_word] @ E[word])
            new_E[word] -= rate * slope * U[wrong_word]
            new_U[wrong_word] -= rate * slope * E[word]
    return new_E, new_U


@wrong("02.4", "takes the pairs one after another, each at the tables that the pairs before it have changed")
def step_pair_after_pair(E, U, words, company, noise, rate):
    E, U = E.clone(), U.clone()
    for n in range(len(words)):
        draws = noise[n][noise[n] != company[n]]
        choices = torch.cat((company[n : n + 1], draws))
        truth = torch.zeros(len(choices))
        truth[0] = 1.0
        e, u = E[words[n]].clone(), U[choices]
        slope = torch.sigmoid(u @ e) - truth
        E[words[n]] -= rate * (slope @ u)
        U.index_add_(0, choices, torch.outer(slope, e), alpha=-rate)
    return E, U


@wrong("02.4", "leaves out all noise that is the company of any pair, not only of its own")
def step_any_company_left_out(E, U, words, company, noise, rate):
    choices = torch.cat((company[:, None], noise), dim=1)
    truth = torch.zeros(choices.shape)
    truth[:, 0] = 1
    e, u = E[words], U[choices]
    slope = torch.sigmoid(torch.einsum("nkc,nc->nk", u, e)) - truth
    slope[:, 1:] *= ~torch.isin(noise, company)
    new_E = E.index_add(0, words, torch.einsum("nk,nkc->nc", slope, u), alpha=-rate)
    rows = torch.einsum("nk,nc->nkc", slope, e).reshape(-1, E.shape[1])
    return new_E, U.index_add(0, choices.reshape(-1), rows, alpha=-rate)


@wrong("02.4", "takes the mean over a pair's noise in place of the sum")
def step_mean_over_noise(E, U, words, company, noise, rate):
    e, real, false = E[words], U[company], U[noise]
    pull = torch.sigmoid((real * e).sum(-1, keepdim=True)) - 1
    push = torch.sigmoid((false * e[:, None]).sum(-1)) * (noise != company[:, None])
    push = push[..., None] / noise.shape[1]
    new_E = E.index_add(0, words, pull * real + (push * false).sum(1), alpha=-rate)
    new_U = U.index_add(0, company, pull * e, alpha=-rate)
    new_U = new_U.index_add(0, noise.flatten(), (push * e[:, None]).flatten(0, 1), alpha=-rate)
    return new_E, new_U


@wrong("02.4", "puts a softmax over the company and its noise in place of one sigmoid for each")
def step_softmax_over_choices(E, U, words, company, noise, rate):
    choices = torch.cat((company[:, None], noise), dim=1)
    left_out = choices == company[:, None]
    left_out[:, 0] = False
    e, u = E[words], U[choices]
    scores = (u * e[:, None]).sum(-1).masked_fill(left_out, -torch.inf)
    slope = scores.softmax(1)
    slope[:, 0] -= 1
    new_E = E.index_add(0, words, (slope[..., None] * u).sum(1), alpha=-rate)
    new_U = U.index_add(0, choices.flatten(), (slope[..., None] * e[:, None]).flatten(0, 1), alpha=-rate)
    return new_E, new_U


@wrong("02.4", "takes the sigmoid for exactly 0 or 1 beyond a score of 6, as the table in word2vec's C code does")
def step_table_ends_at_six(E, U, words, company, noise, rate):
    choices = torch.cat((company[:, None], noise), dim=1)
    truth = torch.zeros(choices.shape)
    truth[:, 0] = 1
    e, u = E[words], U[choices]
    scores = (u * e[:, None]).sum(-1)
    answer = torch.sigmoid(scores)
    answer[scores > 6] = 1.0
    answer[scores < -6] = 0.0
    slope = answer - truth
    slope[:, 1:][noise == company[:, None]] = 0.0
    new_E = E.index_add(0, words, (slope[..., None] * u).sum(1), alpha=-rate)
    new_U = U.index_add(0, choices.flatten(), (slope[..., None] * e[:, None]).flatten(0, 1), alpha=-rate)
    return new_E, new_U


@wrong("02.4", "gives the row of E the slope from the company only and forgets that from the noise")
def step_noise_moves_only_U(E, U, words, company, noise, rate):
    e = E[words]
    pull = (torch.sigmoid((U[company] * e).sum(1)) - 1)[:, None]
    new_E = E.index_add(0, words, pull * U[company], alpha=-rate)
    new_U = U.index_add(0, company, pull * e, alpha=-rate)
    for k in range(noise.shape[1]):
        draw = noise[:, k]
        push = torch.sigmoid((U[draw] * e).sum(1)) * (draw != company)
        new_U.index_add_(0, draw, push[:, None] * e, alpha=-rate)
    return new_E, new_U


@right("02.4")
def step_matrices_of_counts(E, U, words, company, noise, rate):
    size = len(U)
    real = F.one_hot(company, size).to(E.dtype)
    drawn = F.one_hot(noise, size).sum(1).to(E.dtype) * (1 - real)
    scores = E[words] @ U.T
    slope = drawn * torch.sigmoid(scores) - real * torch.sigmoid(-scores)
    said_by = F.one_hot(words, size).to(E.dtype).T
    return E - rate * said_by @ (slope @ U), U - rate * slope.T @ E[words]


@right("02.4")
def step_numpy_tanh_sigmoid(E, U, words, company, noise, rate):
    e_table, u_table = E.numpy().astype(np.float64), U.numpy().astype(np.float64)
    e_slopes, u_slopes = np.zeros_like(e_table), np.zeros_like(u_table)
    for word, real, draws in zip(words.tolist(), company.tolist(), noise.tolist(), strict=True):
        questions = [(real, 1.0)] + [(draw, 0.0) for draw in draws if draw != real]
        for candidate, truth in questions:
            said = 0.5 + 0.5 * np.tanh(0.5 * (u_table[candidate] @ e_table[word]))
            e_slopes[word] += (said - truth) * u_table[candidate]
            u_slopes[candidate] += (said - truth) * e_table[word]
    new_E, new_U = e_table - rate * e_slopes, u_table - rate * u_slopes
    return torch.from_numpy(new_E).to(E.dtype), torch.from_numpy(new_U).to(U.dtype)
