"""Answers to exercise 02 as learners write them."""

import math
from collections import Counter, defaultdict

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


# 02.2 Three occurrences, one gradient


def real_places(ids, upstream, pad):
    return [(int(i), u) for i, u in zip(ids.flatten(), upstream.flatten(0, 1), strict=True) if i != pad]


@wrong("02.2", "only the last position counts")
def still_indexed(ids, upstream, pad):
    real = ids != pad
    rows = ids[real].unique()
    slopes = torch.zeros(len(rows), upstream.shape[-1])
    slopes[torch.searchsorted(rows, ids[real])] += upstream[real]
    return rows, slopes


@wrong("02.2", "only the last position counts")
def last_in_a_dictionary(ids, upstream, pad):
    last = dict(real_places(ids, upstream, pad))
    return torch.tensor(sorted(last)), torch.stack([last[row] for row in sorted(last)])


@wrong("02.2", "only the first position counts")
def first_seen(ids, upstream, pad):
    first = {}
    for id, slope in real_places(ids, upstream, pad):
        first.setdefault(id, slope)
    return sorted(first), [first[row] for row in sorted(first)]


@wrong("02.2", "are averaged")
def mean_of_the_places(ids, upstream, pad):
    rows = ids[ids != pad].unique()
    return rows, torch.stack([upstream[ids == row].mean(0) for row in rows])


@wrong("02.2", "has several rows")
def one_row_for_each_place(ids, upstream, pad):
    pairs = sorted(real_places(ids, upstream, pad), key=lambda pair: pair[0])
    return [id for id, _ in pairs], torch.stack([slope for _, slope in pairs])


@wrong("02.2", "side by side")
def unique_without_sorting(ids, upstream, pad):
    rows, slopes = [], []
    for id, slope in real_places(ids, upstream, pad):
        if rows and rows[-1] == id:
            slopes[-1] = slopes[-1] + slope
        else:
            rows.append(id)
            slopes.append(slope)
    return rows, slopes


@wrong("02.2", "in the order of the text")
def as_they_come(ids, upstream, pad):
    total = defaultdict(lambda: 0)
    for id, slope in real_places(ids, upstream, pad):
        total[id] = total[id] + slope
    return list(total), torch.stack(list(total.values()))


@wrong("02.2", "The padding gets a gradient")
def padding_forgotten(ids, upstream, pad):
    rows = ids.unique()
    return rows, torch.stack([upstream[ids == row].sum(0) for row in rows])


@wrong("02.2", "if only of zeros")
def padding_silenced(ids, upstream, pad):
    rows = ids.unique()
    return rows, torch.stack([upstream[ids == row].sum(0) * (row != pad) for row in rows])


@wrong("02.2", "divided by the number of texts")
def mean_over_the_batch(ids, upstream, pad):
    rows = ids[ids != pad].unique()
    return rows, torch.stack([upstream[ids == row].sum(0) / ids.shape[0] for row in rows])


@wrong("02.2", "Only the first text")
def batch_axis_dropped(ids, upstream, pad):
    ids, upstream = ids[0], upstream[0]
    rows = ids[ids != pad].unique()
    return rows, torch.stack([upstream[ids == row].sum(0) for row in rows])


@wrong("02.2", "The slope at an id's first position is multiplied")
def twice_at_most(ids, upstream, pad):
    rows = ids[ids != pad].unique()
    return rows, torch.stack([upstream[ids == row][:1].sum(0) * (ids == row).sum() for row in rows])


@wrong("02.2", "called torch.nn.functional.embedding")
def by_autograd(ids, upstream, pad):
    table = torch.zeros(int(ids.max()) + 1, upstream.shape[-1], requires_grad=True)
    F.embedding(ids, table, padding_idx=pad).backward(upstream)
    rows = ids[ids != pad].unique()
    return rows, table.grad[rows]


@right("02.2")
def one_hot_of_the_different_ids(ids, upstream, pad):
    rows = ids[ids != pad].unique()
    there = upstream.masked_fill((ids == pad)[..., None], 0.0)
    return rows, torch.einsum("nbt,btc->nc", (ids == rows[:, None, None]).float(), there)


@right("02.2")
def with_add_at(ids, upstream, pad):
    rows, positions = np.unique(ids.numpy(), return_inverse=True)
    slopes = np.zeros((len(rows), upstream.shape[-1]))
    np.add.at(slopes, positions.reshape(-1), upstream.flatten(0, 1).numpy())
    return rows[rows != pad], slopes[rows != pad]


@right("02.2")
def coalesced(ids, upstream, pad):
    real = ids != pad
    sparse = torch.sparse_coo_tensor(ids[real][None], upstream[real], (60_000, upstream.shape[-1])).coalesce()
    return sparse.indices()[0], sparse.values()


@right("02.2")
def collected_in_lists(ids, upstream, pad):
    total = {}
    for id, slope in real_places(ids, upstream, pad):
        total[id] = [a + b for a, b in zip(total.get(id, [0] * len(slope)), slope.tolist(), strict=True)]
    return tuple(sorted(total)), [total[row] for row in sorted(total)]


@wrong("02.2", "before a token it gets a gradient")
def padding_at_the_end_only(ids, upstream, pad):
    keep = (ids != pad).flip(1).cummax(1).values.flip(1)  # all up to the last token that is no padding
    rows, positions = ids[keep].unique(return_inverse=True)
    return rows, torch.zeros(len(rows), upstream.shape[-1]).index_add(0, positions, upstream[keep])


@wrong("02.2", "slopes add up to 0 has no row")
def rows_with_a_slope(ids, upstream, pad):
    table = torch.zeros(int(ids.max()) + 1, upstream.shape[-1])
    table.index_add_(0, ids[ids != pad], upstream[ids != pad])
    rows = (table.abs() > 1e-5).any(1).nonzero().flatten()
    return rows, table[rows]


# 02.3 Embeddings from counts: PPMI


def ratio(counts, power):
    contexts = counts.sum(0) ** power
    return counts / (counts.sum(1, keepdim=True) * contexts / contexts.sum())


@wrong("02.3", "are below 0")
def not_clipped(counts, power):
    return ratio(counts, power).log().nan_to_num(neginf=0)


@wrong("02.3", "count like those that occur more often")
def absolute(counts, power):
    return ratio(counts, power).log().nan_to_num(neginf=0).abs()


@wrong("02.3", "in bits")
def log2(counts, power):
    return torch.log2(ratio(counts, power)).clamp_min(0).nan_to_num()


@wrong("02.3", "without its logarithm")
def no_logarithm(counts, power):
    return ratio(counts, power)


@wrong("02.3", "the total is missing")
def counts_and_shares(counts, power):
    alone, contexts = counts.sum(1) / counts.sum(), counts.sum(0) / counts.sum()
    return (counts / torch.outer(alone, contexts)).log().clamp_min(0)


@wrong("02.3", "are used for the contexts")
def symmetric_as_in_the_lesson(counts, power):
    joint = counts / counts.sum()
    alone = joint.sum(1)
    return (joint / alone[:, None] / alone).log().relu()


@wrong("02.3", "One is added to every count")
def plus_one(counts, power):
    return ratio(counts + 1, power).log().clamp_min(0)


@wrong("02.3", "brings NaN")
def zero_by_zero(counts, power):
    return torch.clamp(ratio(counts, power).log(), min=0)


@wrong("02.3", "A tiny number in every share")
def epsilon_in_the_logarithms(counts, power):
    joint = counts / counts.sum()
    parts = joint, joint.sum(1, keepdim=True), joint.sum(0, keepdim=True)
    pair, word, contexts = (torch.log(part + 1e-9) for part in parts)
    return torch.clamp(pair - word - contexts, min=0)


@wrong("02.3", "The power is not used")
def one_power_for_all(counts, power):
    return ratio(counts, 1).log().clamp_min(0).nan_to_num()


@wrong("02.3", "do not add up to 1")
def power_of_the_share(counts, power):
    joint = counts / counts.sum()
    return (joint / (joint.sum(1)[:, None] * joint.sum(0) ** power)).log().clamp_min(0).nan_to_num()


@wrong("02.3", "of the words' shares")
def power_on_the_wrong_side(counts, power):
    return ratio(counts.T, power).T.log().clamp_min(0).nan_to_num()


@wrong("02.3", "Both shares are flattened")
def power_on_both_sides(counts, power):
    word, contexts = counts.sum(1) ** power, counts.sum(0) ** power
    chance = torch.outer(word / word.sum(), contexts / contexts.sum())
    return (counts / counts.sum() / chance).log().clamp_min(0).nan_to_num()


@wrong("02.3", "before all else")
def power_first(counts, power):
    return ratio(counts.pow(power), 1).log().clamp_min(0).nan_to_num()


@wrong("02.3", "this pair was counted")
def rows_as_company(counts, power):
    return (counts / counts.sum(1, keepdim=True) * len(counts)).log().clamp_min(0).nan_to_num()


@right("02.3")
def difference_of_logarithms(counts, power):
    seen = counts > 0
    log = counts.clamp_min(1).log()
    word = counts.sum(1, keepdim=True).clamp_min(1).log()
    contexts = power * counts.sum(0).clamp_min(1).log()
    total = torch.logsumexp(contexts.where(counts.sum(0) > 0, -torch.inf), 0)
    return (log - word - contexts + total).clamp_min(0) * seen


@right("02.3")
def pair_by_pair(counts, power):
    rows = counts.tolist()
    columns = [sum(column) ** power for column in zip(*rows, strict=True)]
    table = []
    for row in rows:
        table.append([])
        for count, column in zip(row, columns, strict=True):
            chance = sum(row) * column / sum(columns)
            table[-1].append(max(0.0, math.log(count / chance)) if count else 0.0)
    return table


@right("02.3")
def by_numpy(counts, power):
    counts = counts.numpy().astype(np.float64)
    contexts = counts.sum(0) ** power / (counts.sum(0) ** power).sum()
    with np.errstate(all="ignore"):
        logs = np.log(counts / counts.sum(1)[:, None] / contexts)
    return np.where(counts > 0, np.maximum(logs, 0), 0)


# 02.4 Skip-gram with negative sampling


def scores_of(E, U, words, contexts, noise):
    """The slopes at the scores: of the contexts (N,), of the noise (N, K)."""
    right_slope = torch.sigmoid((U[contexts] * E[words]).sum(1)) - 1
    wrong_slope = torch.sigmoid(torch.einsum("nkc,nc->nk", U[noise], E[words]))
    return right_slope, wrong_slope


def moved(E, U, words, contexts, noise, rate, slopes, add=None):
    """Both tables stepped, given the slopes at the scores."""
    add = add or (lambda table, ids, rows: table.index_add_(0, ids, rows))
    right_slope, wrong_slope = slopes
    new_E, new_U = E.clone(), U.clone()
    by_word = right_slope[:, None] * U[contexts] + torch.einsum("nk,nkc->nc", wrong_slope, U[noise])
    add(new_E, words, -rate * by_word)
    add(new_U, contexts, -rate * right_slope[:, None] * E[words])
    add(new_U, noise.flatten(), -rate * torch.einsum("nk,nc->nkc", wrong_slope, E[words]).flatten(0, 1))
    return new_E, new_U


def right_slopes(E, U, words, contexts, noise):
    one, other = scores_of(E, U, words, contexts, noise)
    return one, other * (noise != contexts[:, None])


def indexed(table, ids, rows):
    table[ids] += rows


@wrong("02.4", "The noise is pulled closer")
def all_are_right(E, U, words, contexts, noise, rate):
    one, other = scores_of(E, U, words, contexts, noise)
    return moved(E, U, words, contexts, noise, rate, (one, other - 1))


@wrong("02.4", "The noise does nothing")
def without_noise(E, U, words, contexts, noise, rate):
    one, other = scores_of(E, U, words, contexts, noise)
    return moved(E, U, words, contexts, noise, rate, (one, 0 * other))


@wrong("02.4", "It is a softmax")
def softmax_over_the_handful(E, U, words, contexts, noise, rate):
    choices = torch.cat([contexts[:, None], noise], 1)
    p = torch.einsum("nkc,nc->nk", U[choices], E[words]).softmax(-1)
    return moved(E, U, words, contexts, noise, rate, (p[:, 0] - 1, p[:, 1:]))


@wrong("02.4", "uphill")
def added_not_subtracted(E, U, words, contexts, noise, rate):
    return moved(E, U, words, contexts, noise, -rate, right_slopes(E, U, words, contexts, noise))


@wrong("02.4", "U is stepped with rows of E that have moved")
def E_first(E, U, words, contexts, noise, rate):
    E, _ = moved(E, U, words, contexts, noise, rate, right_slopes(E, U, words, contexts, noise))
    return E, moved(E, U, words, contexts, noise, rate, right_slopes(E, U, words, contexts, noise))[1]


@wrong("02.4", "E is stepped with rows of U that have moved")
def U_first(E, U, words, contexts, noise, rate):
    _, U = moved(E, U, words, contexts, noise, rate, right_slopes(E, U, words, contexts, noise))
    return moved(E, U, words, contexts, noise, rate, right_slopes(E, U, words, contexts, noise))[0], U


@wrong("02.4", "Row")
def squared_mistakes(E, U, words, contexts, noise, rate):
    one, other = right_slopes(E, U, words, contexts, noise)
    return moved(E, U, words, contexts, noise, rate, (-(one**2) * (one + 1), other**2 * (1 - other)))


@wrong("02.4", "Only E learns")
def U_forgotten(E, U, words, contexts, noise, rate):
    return moved(E, U, words, contexts, noise, rate, right_slopes(E, U, words, contexts, noise))[0], U


@wrong("02.4", "In both tables")
def indexed_everywhere(E, U, words, contexts, noise, rate):
    return moved(E, U, words, contexts, noise, rate, right_slopes(E, U, words, contexts, noise), indexed)


@wrong("02.4", "In E, a word")
def indexed_in_E(E, U, words, contexts, noise, rate):
    slopes = right_slopes(E, U, words, contexts, noise)
    new_U = moved(E, U, words, contexts, noise, rate, slopes)[1]
    return moved(E, U, words, contexts, noise, rate, slopes, indexed)[0], new_U


@wrong("02.4", "In U, a word")
def indexed_in_U(E, U, words, contexts, noise, rate):
    slopes = right_slopes(E, U, words, contexts, noise)
    new_E = moved(E, U, words, contexts, noise, rate, slopes)[0]
    return new_E, moved(E, U, words, contexts, noise, rate, slopes, indexed)[1]


@wrong("02.4", "divided by the number of pairs")
def mean_of_the_pairs(E, U, words, contexts, noise, rate):
    return moved(E, U, words, contexts, noise, rate / len(words), right_slopes(E, U, words, contexts, noise))


@wrong("02.4", "one after the other")
def as_word2vec_does(E, U, words, contexts, noise, rate):
    E, U = E.clone(), U.clone()
    for word, other, drawn in zip(words.tolist(), contexts.tolist(), noise.tolist(), strict=True):
        e, back = E[word].clone(), torch.zeros_like(E[word])
        pushes = []
        for target in [other, *(one for one in drawn if one != other)]:
            push = torch.sigmoid(U[target] @ e) - int(target == other)
            back += push * U[target]
            pushes.append((target, push * e))
        for target, slope in pushes:
            U[target] -= rate * slope
        E[word] -= rate * back
    return E, U


@wrong("02.4", "pushed away all the same")
def hits_not_left_out(E, U, words, contexts, noise, rate):
    return moved(E, U, words, contexts, noise, rate, scores_of(E, U, words, contexts, noise))


@wrong("02.4", "equals the word, not its context")
def compared_with_the_word(E, U, words, contexts, noise, rate):
    one, other = scores_of(E, U, words, contexts, noise)
    return moved(E, U, words, contexts, noise, rate, (one, other * (noise != words[:, None])))


@wrong("02.4", "the context of another pair")
def nobodys_company(E, U, words, contexts, noise, rate):
    one, other = scores_of(E, U, words, contexts, noise)
    return moved(E, U, words, contexts, noise, rate, (one, other * ~torch.isin(noise, contexts)))


@wrong("02.4", "loses all its noise")
def whole_row_left_out(E, U, words, contexts, noise, rate):
    one, other = scores_of(E, U, words, contexts, noise)
    hit = (noise == contexts[:, None]).any(1)
    return moved(E, U, words, contexts, noise, rate, (one, other.masked_fill(hit[:, None], 0)))


@wrong("02.4", "changed the input")
def in_place(E, U, words, contexts, noise, rate):
    new_E, new_U = moved(E, U, words, contexts, noise, rate, right_slopes(E, U, words, contexts, noise))
    E.copy_(new_E)
    U.copy_(new_U)
    return E, U


@wrong("02.4", "called torch")
def with_backward(E, U, words, contexts, noise, rate):
    E, U = E.clone().requires_grad_(), U.clone().requires_grad_()
    scores = torch.einsum("nkc,nc->nk", U[noise], E[words]).masked_fill(noise == contexts[:, None], -math.inf)
    (-F.logsigmoid((U[contexts] * E[words]).sum(1)).sum() - F.logsigmoid(-scores).sum()).backward()
    return E - rate * E.grad, U - rate * U.grad


@right("02.4")
def by_one_hot_matrices(E, U, words, contexts, noise, rate):
    """A lookup is a matrix product, and so is its way back."""
    eye = torch.eye(len(E), dtype=torch.float64)
    E, U, w = E.double(), U.double(), eye[words]
    scores = w @ E @ U.T  # (N, V): of all words
    counts = torch.stack([(eye[row] * (row != c)[:, None]).sum(0) for row, c in zip(noise, contexts, strict=True)])
    slope = (scores.sigmoid() - 1) * eye[contexts] + scores.sigmoid() * counts
    return E - rate * w.T @ slope @ U, U - rate * slope.T @ w @ E


@right("02.4")
def pair_by_pair_from_the_old_tables(E, U, words, contexts, noise, rate):
    old_E, old_U = E.tolist(), U.tolist()
    new_E, new_U = E.tolist(), U.tolist()
    for word, other, drawn in zip(words.tolist(), contexts.tolist(), noise.tolist(), strict=True):
        for target in [other, *(one for one in drawn if one != other)]:
            score = sum(a * b for a, b in zip(old_E[word], old_U[target], strict=True))
            push = rate * (1 / (1 + math.exp(-score)) - (target == other))
            for c in range(len(old_E[word])):
                new_E[word][c] -= push * old_U[target][c]
                new_U[target][c] -= push * old_E[word][c]
    return new_E, new_U


@wrong("02.2", "The first row is left out")
def padding_is_the_first(ids, upstream, pad):
    rows = ids.unique()[1:]
    return rows, torch.stack([upstream[ids == row].sum(0) for row in rows])


@wrong("02.2", "a row for every id")
def not_only_those_looked_up(ids, upstream, pad):
    table = torch.zeros(int(ids.max()) + 1, upstream.shape[-1])
    for id, slope in real_places(ids, upstream, pad):
        table[id] += slope
    return ids[ids != pad].unique(), table


@wrong("02.2", "The slope at an id's last position is multiplied")
def count_times_the_last(ids, upstream, pad):
    last, count = {}, Counter()
    for id, slope in real_places(ids, upstream, pad):
        last[id], count[id] = slope, count[id] + 1
    return sorted(last), torch.stack([last[id] * count[id] for id in sorted(last)])


@wrong("02.2", "All ids smaller than the padding")
def larger_than_the_padding(ids, upstream, pad):
    rows = ids[ids > pad].unique()
    slopes = [upstream[ids == row].sum(0) for row in rows]
    return rows, torch.stack(slopes) if slopes else torch.zeros(0, upstream.shape[-1])


@wrong("02.2", "is a dictionary")
def by_id(ids, upstream, pad):
    return dict(zip(*(part.tolist() for part in one_hot_of_the_different_ids(ids, upstream, pad)), strict=True))


@wrong("02.2", "has no row")
def every_second_id(ids, upstream, pad):
    rows, slopes = one_hot_of_the_different_ids(ids, upstream, pad)
    return rows[::2], slopes[::2]


@wrong("02.3", "The power is always 0.75")
def as_word2vec_has_it(counts, power):
    return ratio(counts, 0.75).log().clamp_min(0).nan_to_num()


@wrong("02.3", "The power is always 0.5")
def square_roots(counts, power):
    return ratio(counts, 0.5).log().clamp_min(0).nan_to_num()


@wrong("02.3", "Everything is 0: no ratio is above 1")
def conditional(counts, power):
    return (counts / counts.sum(1, keepdim=True)).log().clamp_min(0).nan_to_num()


@wrong("02.3", "of 1 plus the ratio")
def log_of_one_more(counts, power):
    return torch.log1p(ratio(counts, power)).nan_to_num()


@wrong("02.3", "lose their row")
def seen_words_only(counts, power):
    return ratio(counts[counts.any(1)], power).log().clamp_min(0).nan_to_num()


@wrong("02.3", "loses its column")
def seen_company_only(counts, power):
    return ratio(counts[:, counts.any(0)], power).log().clamp_min(0).nan_to_num()


@wrong("02.3", "Every count of 0 is taken for 1")
def at_least_one(counts, power):
    return ratio(torch.where(counts == 0, 1.0, counts), power).log().clamp_min(0)


@wrong("02.3", "flattened before the columns are added up")
def power_then_sum(counts, power):
    contexts = (counts**power).sum(0)
    return (counts / counts.sum(1, keepdim=True) / (contexts / contexts.sum())).log().clamp_min(0).nan_to_num()


@wrong("02.3", "multiplied by the power")
def power_in_front_of_the_logarithm(counts, power):
    return (power * ratio(counts, 1).log()).clamp_min(0).nan_to_num()


@wrong("02.4", "if not with new scores")
def E_at_once(E, U, words, contexts, noise, rate):
    one, other = right_slopes(E, U, words, contexts, noise)
    by_word = one[:, None] * U[contexts] + torch.einsum("nk,nkc->nc", other, U[noise])
    E = E.index_add(0, words, -rate * by_word)
    U = U.index_add(0, contexts, -rate * one[:, None] * E[words])
    by_noise = torch.einsum("nk,nc->nkc", other, E[words]).flatten(0, 1)
    return E, U.index_add(0, noise.flatten(), -rate * by_noise)


@wrong("02.4", "E is stepped with rows of U that have moved already, if not")
def U_at_once(E, U, words, contexts, noise, rate):
    one, other = right_slopes(E, U, words, contexts, noise)
    new_U = moved(E, U, words, contexts, noise, rate, (one, other))[1]
    by_word = one[:, None] * new_U[contexts] + torch.einsum("nk,nkc->nc", other, new_U[noise])
    return E.index_add(0, words, -rate * by_word), new_U


@wrong("02.4", "The word is looked up in U")
def tables_mixed_up(E, U, words, contexts, noise, rate):
    new_U, new_E = moved(U, E, words, contexts, noise, rate, right_slopes(U, E, words, contexts, noise))
    return new_E, new_U


@wrong("02.4", "In E, the part of the noise is missing")
def word_learns_from_its_company(E, U, words, contexts, noise, rate):
    one, other = right_slopes(E, U, words, contexts, noise)
    new_E = moved(E, U, words, contexts, noise, rate, (one, 0 * other))[0]
    return new_E, moved(E, U, words, contexts, noise, rate, (one, other))[1]


@wrong("02.4", "In U, the part of the context is taken with the other sign")
def company_pushed_away(E, U, words, contexts, noise, rate):
    one, other = right_slopes(E, U, words, contexts, noise)
    new_E = moved(E, U, words, contexts, noise, rate, (one, other))[0]
    return new_E, moved(E, U, words, contexts, noise, rate, (-one, other))[1]


@wrong("02.4", "In E, the part of the noise is taken 0.5 times")
def half_of_the_noise(E, U, words, contexts, noise, rate):
    one, other = right_slopes(E, U, words, contexts, noise)
    return moved(E, U, words, contexts, noise, rate, (one, other / 2))


@wrong("02.4", "is left out as a whole")
def pairs_without_a_hit(E, U, words, contexts, noise, rate):
    one, other = right_slopes(E, U, words, contexts, noise)
    fine = (noise != contexts[:, None]).all(1)
    return moved(E, U, words, contexts, noise, rate, (one * fine, other * fine[:, None]))


@wrong("02.4", "counts as one more right pair")
def hits_pulled_nearer(E, U, words, contexts, noise, rate):
    one, other = scores_of(E, U, words, contexts, noise)
    return moved(E, U, words, contexts, noise, rate, (one, other - (noise == contexts[:, None]).float()))


@wrong("02.4", "sigmoid(0) is a half")
def hits_with_score_zero(E, U, words, contexts, noise, rate):
    one, other = scores_of(E, U, words, contexts, noise)
    return moved(E, U, words, contexts, noise, rate, (one, other.masked_fill(noise == contexts[:, None], 0.5)))


@wrong("02.2", "is looked up")
def three_places_at_most(ids, upstream, pad):
    rows = ids[ids != pad].unique()
    return rows, torch.stack([upstream[ids == row][:2].sum(0) for row in rows])


@wrong("02.2", "Infinity or NaN at the padding")
def one_hot_of_all_places(ids, upstream, pad):
    rows = ids[ids != pad].unique()
    return rows, torch.einsum("nbt,btc->nc", (ids == rows[:, None, None]).float(), upstream)


@wrong("02.2", "read in different orders")
def slopes_turned_over(ids, upstream, pad):
    flat, slopes = ids.flatten(), upstream.transpose(0, 1).flatten(0, 1)
    rows, positions = flat[flat != pad].unique(return_inverse=True)
    return rows, torch.zeros(len(rows), upstream.shape[-1]).index_add(0, positions, slopes[flat != pad])


@wrong("02.2", "read in different orders")
def ids_turned_over(ids, upstream, pad):
    flat, slopes = ids.T.flatten(), upstream.flatten(0, 1)
    rows, positions = flat[flat != pad].unique(return_inverse=True)
    return rows, torch.zeros(len(rows), upstream.shape[-1]).index_add(0, positions, slopes[flat != pad])


def finished(pair, counts, power, word=True):
    contexts = counts.sum(0) ** power
    logs = (pair / (counts.sum(1, keepdim=True) / counts.sum() if word else 1) / (contexts / contexts.sum())).log()
    return torch.where(counts > 0, logs, 0.0).clamp_min(0).nan_to_num()


@wrong("02.3", "within its row, and then divided")
def rows_divided_twice(counts, power):
    return finished(counts / counts.sum(1, keepdim=True), counts, power)


@wrong("02.3", "within its column, and then divided")
def columns_divided_twice(counts, power):
    return finished(counts / counts.sum(0), counts, power)


@wrong("02.3", "(NPMI)")
def bouma(counts, power):
    pair = counts / counts.sum()
    return finished(pair, counts, power) / -pair.log()


@wrong("02.3", "multiplied by the pair's share")
def expected_association(counts, power):
    pair = counts / counts.sum()
    return pair * finished(pair, counts, power)


@wrong("02.3", "Everything is 0: no ratio is above 1")
def squared_share(counts, power):
    return finished((counts / counts.sum()) ** 2, counts, power)


@wrong("02.3", "the base 10")
def decimal_logarithm(counts, power):
    return finished(counts / counts.sum(), counts, power) / math.log(10)


@wrong("02.3", "Everything is 0: no ratio is above 1")
def word_forgotten(counts, power):
    return finished(counts / counts.sum(), counts, power, word=False)


def averaged(E_too, U_too):
    def answer(E, U, words, contexts, noise, rate):
        e, n = E[words], U[noise]
        right_slope = torch.sigmoid((e * U[contexts]).sum(-1, keepdim=True)) - 1
        wrong_slope = (torch.sigmoid((e[:, None] * n).sum(-1)) * (noise != contexts[:, None]))[..., None]
        K = noise.shape[1]
        to_E = right_slope * U[contexts] + (wrong_slope * n).sum(1) / (K if E_too else 1)
        to_U = (wrong_slope * e[:, None]).flatten(0, 1) / (K if U_too else 1)
        new_U = U.index_add(0, contexts, right_slope * e, alpha=-rate)
        return E.index_add(0, words, to_E, alpha=-rate), new_U.index_add(0, noise.flatten(), to_U, alpha=-rate)

    return answer


wrong("02.4", "In both tables, the part of the noise is averaged")(averaged(True, True))
wrong("02.4", "In E, the part of the noise is averaged")(averaged(True, False))
wrong("02.4", "In U, the part of the noise is averaged")(averaged(False, True))


# 02.1 Recall at k of a compressed table


def near(rows, k, itself=False):
    unit = torch.nn.functional.normalize(rows, dim=1)
    cosines = unit @ unit.T
    if not itself:
        cosines.fill_diagonal_(-2)
    return cosines.topk(k, dim=1).indices.tolist()


def shared(table, compressed, k, neighbors=near, one=lambda a, b, k: len(set(a) & set(b)) / k):
    pairs = zip(neighbors(table, k), neighbors(compressed, k), strict=True)
    return sum(one(a, b, k) for a, b in pairs) / len(table)


@wrong("02.1", "its own nearest neighbor")
def itself_too(table, compressed, k):
    return shared(table, compressed, k, lambda rows, k: near(rows, k, itself=True))


@wrong("02.1", "Dot products are compared")
def without_norms(table, compressed, k):
    def neighbors(rows, k):
        scores = rows @ rows.T
        scores[range(len(rows)), range(len(rows))] = float("-inf")
        return scores.topk(k).indices.tolist()

    return shared(table, compressed, k, neighbors)


@wrong("02.1", "Distances are compared")
def euclidean(table, compressed, k):
    def neighbors(rows, k):
        far = torch.cdist(rows, rows) + torch.eye(len(rows)) * 1e6
        return far.argsort(dim=1)[:, :k].tolist()

    return shared(table, compressed, k, neighbors)


@wrong("02.1", "The furthest rows")
def ascending_order(table, compressed, k):
    def neighbors(rows, k):
        unit = rows / rows.norm(dim=1, keepdim=True)
        return (unit @ unit.T).fill_diagonal_(2).argsort(dim=1)[:, :k].tolist()

    return shared(table, compressed, k, neighbors)


@wrong("02.1", "have k + 1 rows")
def one_more_for_the_row_itself(table, compressed, k):
    return shared(
        table,
        compressed,
        k,
        lambda rows, k: near(rows, min(k + 1, len(rows) - 1)),
        lambda a, b, k: len(set(a) & set(b)) / (k + 1),
    )


@wrong("02.1", "without their sign")
def absolute_cosines(table, compressed, k):
    def neighbors(rows, k):
        unit = rows / rows.norm(dim=1, keepdim=True)
        return (unit @ unit.T).abs().fill_diagonal_(-1).topk(k).indices.tolist()

    return shared(table, compressed, k, neighbors)


@wrong("02.1", "the share that is lost")
def lost(table, compressed, k):
    return shared(table, compressed, k, one=lambda a, b, k: len(set(a) - set(b)) / k)


@wrong("02.1", "a number of neighbors")
def a_count(table, compressed, k):
    return sum(len(set(a) & set(b)) for a, b in zip(near(table, k), near(compressed, k), strict=True))


@wrong("02.1", "in percent")
def times_100(table, compressed, k):
    return 100 * shared(table, compressed, k)


@wrong("02.1", "The mean row is subtracted")
def centered(table, compressed, k):
    return shared(table - table.mean(dim=0), compressed - compressed.mean(dim=0), k)


@wrong("02.1", "position by position")
def lists_compared(table, compressed, k):
    return (torch.tensor(near(table, k)) == torch.tensor(near(compressed, k))).float().mean().item()


@wrong("02.1", "in full if one of its neighbors")
def hit_rate(table, compressed, k):
    return shared(table, compressed, k, one=lambda a, b, k: bool(set(a) & set(b)))


@wrong("02.1", "only if all of its neighbors")
def exact_match(table, compressed, k):
    return shared(table, compressed, k, one=lambda a, b, k: set(a) == set(b))


@wrong("02.1", "Jaccard")
def overlap_over_union(table, compressed, k):
    return shared(table, compressed, k, one=lambda a, b, k: len(set(a) & set(b)) / len(set(a) | set(b)))


@wrong("02.1", "Only the nearest neighbor is compared")
def argmax_only(table, compressed, k):
    return shared(table, compressed, 1)


@wrong("02.1", "whose nearest neighbor is among the k")
def first_among_k(table, compressed, k):
    return shared(table, compressed, k, one=lambda a, b, k: a[0] in b)


@wrong("02.1", "numbers, and one is asked for")
def one_per_row(table, compressed, k):
    return torch.tensor([len(set(a) & set(b)) / k for a, b in zip(near(table, k), near(compressed, k), strict=True)])


@wrong("02.1", "are taken for found")
def the_other_rows_column(table, compressed, k):
    true = near(table, k)
    return shared(table, compressed, k, lambda rows, k: true if rows is table else near(rows, k)[::-1])


@right("02.1")
def by_sorting_in_numpy(table, compressed, k):
    def ranked(rows):
        rows = rows.double().numpy()
        norms = np.sqrt((rows**2).sum(1))
        cosines = rows @ rows.T / np.outer(norms, norms)
        return [[j for j in np.argsort(-row) if j != i][:k] for i, row in enumerate(cosines)]

    return np.mean([np.isin(a, b).mean() for a, b in zip(ranked(table), ranked(compressed), strict=True)])


@right("02.1")
def by_masks(table, compressed, k):
    def mask(rows):
        cosines = torch.cosine_similarity(rows[:, None], rows[None], dim=-1).fill_diagonal_(-2)
        return torch.zeros_like(cosines).scatter_(1, cosines.topk(k).indices, 1.0)

    return (mask(table) * mask(compressed)).sum() / (k * len(table))


# From the text alone, before the checks were read


def near_again(rows, k, diagonal=-math.inf):
    rows = rows / rows.norm(dim=-1, keepdim=True)
    return (rows @ rows.T).fill_diagonal_(diagonal).topk(k).indices


def share(a, b):
    return (a[:, :, None] == b[:, None, :]).any(-1).float().mean().item()


@wrong("02.1", "The diagonal is set to 0, so a row that is far from all others is its own neighbor")
def own_cosine_of_zero(table, compressed, k):
    return share(near_again(table, k, 0.0), near_again(compressed, k, 0.0))


@wrong("02.1", "The result is 0")
def itself_in_the_compressed(table, compressed, k):
    return share(near_again(table, k), near_again(compressed, k, 1.0))


@wrong("02.1", "The common neighbors are divided by those in either list (Jaccard)")
def over_the_union(table, compressed, k):
    pairs = zip(near_again(table, k).tolist(), near_again(compressed, k).tolist(), strict=True)
    return sum(len({*a} & {*b}) / len({*a} | {*b}) for a, b in pairs) / len(table)


@wrong("02.1", "A row counts in full if one of its neighbors is found")
def any_neighbor_will_do(table, compressed, k):
    a, b = near_again(table, k), near_again(compressed, k)
    return (a[:, :, None] == b[:, None, :]).any(-1).any(-1).float().mean().item()


@wrong("02.1", "Cosines are compared without their sign")
def opposite_is_near(table, compressed, k):
    def close(rows):
        rows = rows / rows.norm(dim=-1, keepdim=True)
        return (rows @ rows.T).abs().fill_diagonal_(-1).topk(k).indices

    return share(close(table), close(compressed))


@wrong("02.1", "The columns are divided by their norms, not the rows")
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


@wrong("02.2", "Infinity or NaN at the padding reaches the slopes; what is there does not count. It is")
def padding_times_zero(ids, upstream, pad):
    rows = ids[ids != pad].unique()
    weighted = (upstream * (ids != pad)[..., None]).flatten(0, 1)
    return rows, (rows[:, None] == ids.flatten()).float() @ weighted


@wrong("02.2", "An id whose slopes add up to 0 has no row")
def zero_rows_dropped(ids, upstream, pad):
    real = ids != pad
    rows, row_of = ids[real].unique(return_inverse=True)
    slopes = torch.zeros(len(rows), upstream.shape[-1]).index_add_(0, row_of, upstream[real])
    used = slopes.abs().sum(-1) > 0
    return rows[used], slopes[used]


@wrong("02.2", "Padding at the end is left out; before a token it gets a gradient")
def padding_at_the_end_only_again(ids, upstream, pad):
    found = {}
    for text, slopes in zip(ids.tolist(), upstream, strict=True):
        end = len(text)
        while end and text[end - 1] == pad:
            end -= 1
        for id, slope in zip(text[:end], slopes, strict=False):
            found[id] = found.get(id, 0) + slope
    rows = sorted(found)
    return torch.tensor(rows), torch.stack([found[id] for id in rows])


@wrong("02.2", ", has a row")
def padding_is_zero(ids, upstream, pad):
    real = ids != 0
    rows, row_of = ids[real].unique(return_inverse=True)
    return rows, torch.zeros(len(rows), upstream.shape[-1]).index_add_(0, row_of, upstream[real])


@wrong("02.2", "The slopes of an id are averaged")
def averaged_over_occurrences(ids, upstream, pad):
    real = ids != pad
    rows, row_of, n = ids[real].unique(return_inverse=True, return_counts=True)
    slopes = torch.zeros(len(rows), upstream.shape[-1]).index_add_(0, row_of, upstream[real])
    return rows, slopes / n[:, None]


@wrong("02.2", "Of an id that occurs several times only the last position counts")
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


@wrong("02.3", "The flattened sums are divided by the plain total, so they do not add up to 1")
def power_over_the_plain_total(counts, power):
    q = counts.sum(0) ** power / counts.sum()
    p = counts.sum(1, keepdim=True) / counts.sum()
    return (counts / counts.sum() / (p * q)).log().clamp_min(0).nan_to_num(posinf=0)


@wrong("02.3", "The counts are flattened before the columns are added up")
def power_of_the_counts(counts, power):
    seen = (counts**power).sum(0)
    q = seen / seen.sum()
    p = counts.sum(1, keepdim=True) / counts.sum()
    return (counts / counts.sum() / (p * q)).log().clamp_min(0).nan_to_num(posinf=0)


@wrong("02.3", "One is added to every count")
def add_one(counts, power):
    n = counts + 1
    seen = n.sum(0) ** power
    return (n / n.sum() / (n.sum(1, keepdim=True) / n.sum() * seen / seen.sum())).log().clamp_min(0)


@wrong("02.3", "The power is taken of the words' shares, not of the context's")
def power_of_the_words(counts, power):
    seen = counts.sum(1, keepdim=True) ** power
    p, q = seen / seen.sum(), counts.sum(0) / counts.sum()
    return (counts / counts.sum() / (p * q)).log().clamp_min(0).nan_to_num(posinf=0)


@wrong("02.3", "Pairs that occur less often than by chance count like those that occur more often")
def absolute_pmi(counts, power):
    seen = counts.sum(0) ** power
    q, p = seen / seen.sum(), counts.sum(1, keepdim=True) / counts.sum()
    pmi = (counts / counts.sum() / (p * q)).log()
    return torch.where(pmi.isfinite(), pmi.abs(), 0.0)


@wrong("02.3", "The result is in bits")
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


@wrong("02.4", "Noise that is the context of another pair is left out")
def context_of_any_pair(E, U, words, contexts, noise, rate):
    return sgns(E, U, words, contexts, noise, rate, torch.isin(noise, contexts))


@wrong("02.4", "Noise that equals the word, not its context, is left out")
def noise_like_the_word(E, U, words, contexts, noise, rate):
    return sgns(E, U, words, contexts, noise, rate, noise == words[:, None])


@wrong("02.4", "Noise that is drawn twice for a pair counts once")
def repeated_noise_once(E, U, words, contexts, noise, rate):
    again = torch.zeros_like(noise, dtype=torch.bool)
    for j in range(1, noise.shape[1]):
        again[:, j] = (noise[:, :j] == noise[:, j : j + 1]).any(-1)
    return sgns(E, U, words, contexts, noise, rate, again | (noise == contexts[:, None]))


@wrong("02.4", "In E, the part of the noise is missing")
def words_feel_no_noise(E, U, words, contexts, noise, rate):
    return sgns(E, U, words, contexts, noise, rate, noise == contexts[:, None], only_context=True)


@wrong("02.4", "In both tables, the part of the noise is averaged over the draws")
def mean_over_the_noise(E, U, words, contexts, noise, rate):
    return sgns(E, U, words, contexts, noise, rate, noise == contexts[:, None], weights=1 / noise.shape[1])


@wrong("02.4", "The pairs are worked on one after the other")
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


@wrong("02.2", "Of a text with n tokens the first n positions are read")
def as_many_as_there_are_tokens(ids, upstream, pad):
    sums = {}
    for row, slopes in zip(ids.tolist(), upstream):
        n = len(row) - row.count(pad)
        for id, slope in zip(row[:n], slopes[:n]):
            sums[id] = sums.get(id, 0) + slope
    rows = sorted(sums)
    return torch.tensor(rows), torch.stack([sums[row] for row in rows])
