"""Answers to assignment 10 from its text alone; this half served to tune the checks."""

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("10.1", "only neighbours in the ranking are compared, not all pairs")
def neighbours_only(rewards):
    leads = rewards[:, :-1] - rewards[:, 1:]
    return -F.logsigmoid(leads).mean()


@right("10.1")
def two_loops_with_logaddexp(rewards):
    """The mean loss of all pairs, in nats."""
    zero = torch.zeros((), dtype=rewards.dtype)
    losses = []
    for i in range(rewards.size(1)):
        for j in range(i + 1, rewards.size(1)):
            losses.append(torch.logaddexp(zero, rewards[:, j] - rewards[:, i]))
    return torch.stack(losses).mean()


@wrong("10.1", "a hinge with a margin of 1 stands in place of minus log sigmoid")
def hinge(rewards):
    k = rewards.shape[1]
    front, behind = torch.triu_indices(k, k, offset=1)
    d = rewards[:, front] - rewards[:, behind]
    return torch.clamp(1 - d, min=0).mean()


@wrong("10.1", "the lead is taken the other way round, the one behind less the one in front")
def behind_less_front(rewards):
    K = rewards.shape[1]
    front, behind = torch.triu_indices(K, K, offset=1)
    return -F.logsigmoid(rewards[:, behind] - rewards[:, front]).mean()


@wrong("10.1", "the largest reward of each row is subtracted in place, so the rewards that were given are changed")
def shifts_the_given_rewards(rewards):
    rewards -= rewards.max(dim=1, keepdim=True).values  # for numerical stability
    k = rewards.shape[1]
    front, behind = torch.triu_indices(k, k, offset=1)
    return -F.logsigmoid(rewards[:, front] - rewards[:, behind]).mean()


@right("10.1")
def python_floats_and_combinations(rewards):
    def minus_log_sigmoid(d):
        if d >= 0:
            return math.log1p(math.exp(-d))
        return -d + math.log1p(math.exp(d))

    total, n = 0.0, 0
    for row in rewards.tolist():
        for better, worse in itertools.combinations(row, 2):
            total += minus_log_sigmoid(better - worse)
            n += 1
    return torch.tensor(total / n)


@wrong("10.1", "the logarithm is the one to base 2, so the loss is in bits and not in nats")
def in_bits(rewards):
    k = rewards.shape[1]
    front, behind = torch.triu_indices(k, k, offset=1)
    d = rewards[:, front] - rewards[:, behind]
    return F.softplus(-d).mean() / math.log(2)


@wrong("10.1", "the pairs of a row are added up, and only the rows are averaged")
def sum_in_each_row(rewards):
    k = rewards.shape[1]
    front, behind = torch.triu_indices(k, k, offset=1)
    per_row = -F.logsigmoid(rewards[:, front] - rewards[:, behind]).sum(dim=1)
    return per_row.mean()


@wrong("10.1", "this is the loss of Plackett and Luce for a whole list, not that of Bradley and Terry for its pairs")
def plackett_luce(rewards):
    total = 0.0
    K = rewards.shape[1]
    for k in range(K - 1):
        total = total + torch.logsumexp(rewards[:, k:], dim=1) - rewards[:, k]
    return (total / (K - 1)).mean()


@wrong("10.2", "it returns the targets of the value head, advantages plus values, and not the advantages")
def returns_not_advantages(scores, log_probs, reference, values, counts, price, trace):
    r = torch.where(counts, -price * (log_probs - reference), 0.0)
    v = torch.where(counts, values, 0.0)
    r[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    adv = torch.zeros_like(v)
    last_gae = torch.zeros(len(scores))
    T = v.shape[1]
    for t in reversed(range(T)):
        next_value = v[:, t + 1] if t + 1 < T else 0.0
        last_gae = r[:, t] + next_value - v[:, t] + trace * last_gae
        adv[:, t] = last_gae
    return torch.where(counts, adv + v, 0.0)


@right("10.2")
def row_by_row_in_python(scores, log_probs, reference, values, counts, price, trace):
    result = torch.zeros(values.shape, dtype=values.dtype)
    for b in range(values.shape[0]):
        n = int(counts[b].sum())
        value_behind, adv_behind = 0.0, 0.0
        for t in range(n - 1, -1, -1):
            r = -price * (log_probs[b, t].item() - reference[b, t].item())
            if t == n - 1:
                r += scores[b].item()
            v = values[b, t].item()
            adv_behind = r + value_behind - v + trace * adv_behind
            value_behind = v
            result[b, t] = adv_behind
    return result


@wrong("10.2", "the score replaces the price of the last token instead of being added to it")
def score_in_place_of_the_price(scores, log_probs, reference, values, counts, price, trace):
    r = torch.where(counts, -price * (log_probs - reference), 0.0)
    v = torch.where(counts, values, 0.0)
    r[torch.arange(len(scores)), counts.sum(1) - 1] = scores
    out = torch.zeros_like(v)
    next_v = next_a = torch.zeros(len(scores))
    for t in range(v.shape[1] - 1, -1, -1):
        out[:, t] = r[:, t] + next_v - v[:, t] + trace * next_a
        next_v, next_a = v[:, t], out[:, t]
    return torch.where(counts, out, 0.0)


@wrong("10.2", "the price has the wrong sign: whoever leaves the reference is paid for it")
def pays_for_the_distance(scores, log_probs, reference, values, counts, price, trace):
    r = price * (log_probs - reference)
    r = r.masked_fill(~counts, 0)
    v = values.masked_fill(~counts, 0)
    r[torch.arange(r.shape[0]), counts.sum(1) - 1] += scores
    out = torch.zeros_like(v)
    next_v = next_a = torch.zeros(len(scores))
    for t in range(v.shape[1] - 1, -1, -1):
        out[:, t] = r[:, t] + next_v - v[:, t] + trace * next_a
        next_v, next_a = v[:, t], out[:, t]
    return out


@wrong("10.2", "the loop goes from the first token to the last, so each advantage collects the past and not the future")
def forwards_in_time(scores, log_probs, reference, values, counts, price, trace):
    r = torch.where(counts, -price * (log_probs - reference), 0.0)
    v = torch.where(counts, values, 0.0)
    r[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    next_v = torch.cat([v[:, 1:], torch.zeros(len(v), 1)], 1)
    delta = r + next_v - v
    out = torch.zeros_like(v)
    running = torch.zeros(len(scores))
    for t in range(v.shape[1]):
        running = delta[:, t] + trace * running
        out[:, t] = running
    return torch.where(counts, out, 0.0)


@right("10.2")
def matrix_of_powers(scores, log_probs, reference, values, counts, price, trace):
    B, T = values.shape
    pad = ~counts
    v = values.masked_fill(pad, 0.0)
    r = (-price * (log_probs - reference)).masked_fill(pad, 0.0)
    r = r.scatter_add(1, counts.sum(1, keepdim=True) - 1, scores[:, None].to(r.dtype))
    surprise = r + F.pad(v[:, 1:], (0, 1)) - v
    t = torch.arange(T)
    distance = t[:, None] - t[None, :]  # [u, t]: how far u lies behind t
    weights = torch.where(distance >= 0, float(trace) ** distance.clamp(min=0).to(v.dtype), 0.0)
    return (surprise @ weights.to(v.dtype)).masked_fill(pad, 0.0)


@wrong("10.2", "every token gets the score, not only the last one")
def score_at_every_token(scores, log_probs, reference, values, counts, price, trace):
    r = torch.where(counts, scores[:, None] - price * (log_probs - reference), 0.0)
    v = torch.where(counts, values, 0.0)
    out = torch.zeros_like(v)
    next_v = next_a = torch.zeros(len(scores))
    for t in range(v.shape[1] - 1, -1, -1):
        out[:, t] = r[:, t] + next_v - v[:, t] + trace * next_a
        next_v, next_a = v[:, t], out[:, t]
    return out


@wrong("10.2", "nan_to_num takes away NaN, but the other numbers that stand at padding still speak")
def nan_to_num_only(scores, log_probs, reference, values, counts, price, trace):
    lp = torch.nan_to_num(log_probs, nan=0.0, neginf=0.0, posinf=0.0)
    ref = torch.nan_to_num(reference, nan=0.0, neginf=0.0, posinf=0.0)
    v = torch.nan_to_num(values, nan=0.0, neginf=0.0, posinf=0.0)
    r = -price * (lp - ref)
    r[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    out = torch.zeros_like(v)
    next_v = next_a = torch.zeros(len(scores))
    for t in range(v.shape[1] - 1, -1, -1):
        out[:, t] = r[:, t] + next_v - v[:, t] + trace * next_a
        next_v, next_a = v[:, t], out[:, t]
    return torch.where(counts, out, 0.0)


@wrong("10.2", "padding is multiplied by 0, and 0 times NaN or infinity is NaN")
def multiplies_with_the_mask(scores, log_probs, reference, values, counts, price, trace):
    mask = counts.float()
    v = values * mask
    r = -price * (log_probs - reference) * mask
    r[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    out = torch.zeros_like(v)
    next_v = next_a = torch.zeros(len(scores))
    for t in range(v.shape[1] - 1, -1, -1):
        out[:, t] = r[:, t] + next_v - v[:, t] + trace * next_a
        next_v, next_a = v[:, t], out[:, t]
    return out * mask


@wrong("10.3", "the distance is measured in bits, so only 69 % of the budget is spent")
def budget_in_bits(reference, rewards, budget):
    top = rewards.max()
    best = torch.where(rewards == top, reference, 0.0)
    if -torch.log2(best.sum()) <= budget + 1e-12:
        return best / best.sum()
    r = (rewards - top) / (top - rewards.min())
    lo, hi = 0.0, 1e9
    for _ in range(100):
        mid = (lo + hi) / 2
        p = torch.softmax(reference.log() + mid * r, 0)
        kl = torch.special.xlogy(p, p / reference).sum() / math.log(2)
        if kl > budget:
            hi = mid
        else:
            lo = mid
    return torch.softmax(reference.log() + lo * r, 0)


@right("10.3")
def doubles_then_recurses(reference, rewards, budget):
    spread = (rewards.max() - rewards.min()).item()
    if spread == 0.0 or budget == 0:
        return reference / reference.sum()
    r = (rewards - rewards.max()) / spread
    best = r == 0
    share = reference[best].sum()

    def policy(x):
        w = reference * torch.exp(x * r)
        return w / w.sum()

    def distance(x):
        p = policy(x)
        p, q = p[p > 0], reference[p > 0]
        return float((p * (p / q).log()).sum())

    def search(lo, hi, left):
        if left == 0:
            return lo
        mid = (lo + hi) / 2
        return search(mid, hi, left - 1) if distance(mid) <= budget else search(lo, mid, left - 1)

    if budget >= -float(share.log()):
        out = torch.zeros_like(reference)
        out[best] = reference[best] / share
        return out
    hi = 1e-12
    while distance(hi) <= budget and hi < 1e16:
        hi *= 2
    return policy(search(0.0, hi, 90))


@wrong(
    "10.3", "nearly equal rewards are taken for equal ones, so answers that are not the best stay among the favourites"
)
def close_is_equal(reference, rewards, budget):
    top = rewards.max()
    fav = torch.where(torch.isclose(rewards, top), reference, 0.0)
    if -torch.log(fav.sum()) <= budget + 1e-12:
        return fav / fav.sum()
    r = (rewards - top) / (top - rewards.min())
    lo, hi = 0.0, 1e9
    for _ in range(100):
        mid = (lo + hi) / 2
        p = torch.softmax(reference.log() + mid * r, 0)
        if torch.special.xlogy(p, p / reference).sum() > budget:
            hi = mid
        else:
            lo = mid
    return torch.softmax(reference.log() + lo * r, 0)


@wrong("10.3", "rewards become float32 first, and where all are far from 0 their differences are lost")
def down_to_float32(reference, rewards, budget):
    q, r = reference.float(), rewards.float()
    top = r.max()
    best = torch.where(r == top, q, torch.zeros_like(q))
    if -torch.log(best.sum()) <= budget + 1e-12:
        return (best / best.sum()).double()
    r = ((r - top) / (top - r.min())).double()
    lo, hi = 0.0, 1e9
    for _ in range(100):
        mid = (lo + hi) / 2
        p = torch.softmax(reference.log() + mid * r, 0)
        if torch.special.xlogy(p, p / reference).sum() > budget:
            hi = mid
        else:
            lo = mid
    return torch.softmax(reference.log() + lo * r, 0)


@wrong("10.3", "the distance is measured the other way round, from the policy to the reference: KL(reference, policy)")
def reverse_kl(reference, rewards, budget):
    top = rewards.max()
    fav = torch.where(rewards == top, reference, 0.0)
    if -torch.log(fav.sum()) <= budget + 1e-12:
        return fav / fav.sum()
    r = (rewards - top) / (top - rewards.min())
    lo, hi = 0.0, 1e9
    for _ in range(100):
        mid = (lo + hi) / 2
        log_p = torch.log_softmax(reference.log() + mid * r, 0)
        kl = (reference * (reference.log() - log_p)).sum()
        if kl > budget:
            hi = mid
        else:
            lo = mid
    return torch.softmax(reference.log() + lo * r, 0)


@right("10.3")
def halves_one_over_beta(reference, rewards, budget):
    top = rewards.max()
    if top == rewards.min():
        return reference.clone()  # nothing to choose
    fav = torch.where(rewards == top, reference, 0.0)
    if -math.log(fav.sum()) <= budget:
        return fav / fav.sum()
    unit = (rewards - top) / (top - rewards.min())

    def at(x):
        return torch.softmax(reference.log() + x * unit, 0)

    low, high = 0.0, 1e9
    for _ in range(100):
        middle = (low + high) / 2
        policy = at(middle)
        if torch.special.xlogy(policy, policy / reference).sum() > budget:
            high = middle
        else:
            low = middle
    return at(low)


@wrong("10.3", "thirty halvings of an interval of a thousand million leave a step of one, much too coarse")
def too_few_halvings(reference, rewards, budget):
    top = rewards.max()
    fav = torch.where(rewards == top, reference, 0.0)
    if -torch.log(fav.sum()) <= budget + 1e-12:
        return fav / fav.sum()
    r = (rewards - top) / (top - rewards.min())
    lo, hi = 0.0, 1e9
    for _ in range(30):
        mid = (lo + hi) / 2
        p = torch.softmax(reference.log() + mid * r, 0)
        if torch.special.xlogy(p, p / reference).sum() > budget:
            hi = mid
        else:
            lo = mid
    return torch.softmax(reference.log() + lo * r, 0)


@wrong("10.3", "1/beta is searched only up to 100 in the rewards' own unit, too little for rewards of thousandths")
def upper_end_in_raw_units(reference, rewards, budget):
    top = rewards.max()
    fav = torch.where(rewards == top, reference, 0.0)
    if -fav.sum().log() <= budget + 1e-12:
        return fav / fav.sum()
    low, high = 0.0, 100.0
    for _ in range(80):
        mid = (low + high) / 2
        p = torch.softmax(reference.log() + mid * (rewards - top), 0)
        if torch.special.xlogy(p, p / reference).sum() > budget:
            high = mid
        else:
            low = mid
    return torch.softmax(reference.log() + low * (rewards - top), 0)


@wrong(
    "10.3", "it mixes the reference with the favourites until the budget is spent; the best policy is no such mixture"
)
def mixes_with_the_favourite(reference, rewards, budget):
    fav = torch.where(rewards == rewards.max(), reference, 0.0)
    fav = fav / fav.sum()
    lo, hi = 0.0, 1.0
    for _ in range(80):
        a = (lo + hi) / 2
        p = a * fav + (1 - a) * reference
        if torch.special.xlogy(p, p / reference).sum() > budget:
            hi = a
        else:
            lo = a
    a = hi if hi == 1.0 else lo
    return a * fav + (1 - a) * reference


@wrong("10.4", "where two have never met 0 is divided by 0, and NaN spreads to all merits")
def nan_where_nobody_met(wins, pull):
    met = wins + wins.T
    met_off = met + torch.eye(len(wins)).double()  # nobody meets himself
    heard = wins / met_off
    m = torch.zeros(len(wins)).double()
    for _ in range(2000):
        surprise = met_off * (heard - torch.sigmoid(m[:, None] - m))
        surprise.fill_diagonal_(0.0)
        slope = surprise.sum(1) - pull * m
        m = m + slope / (met.sum(1) / 2 + pull)
    return m - m.mean()


@right("10.4")
def irls_on_a_list_of_pairs(wins, pull):
    w = np.asarray(wins, dtype=float)
    K = len(w)
    rows, won, games = [], [], []
    for a in range(K):
        for b in range(a):
            n = w[a, b] + w[b, a]
            if n:
                row = np.zeros(K)
                row[a], row[b] = 1, -1
                rows.append(row)
                won.append(w[a, b])
                games.append(n)
    if not rows:
        return torch.zeros(K, dtype=torch.float64)
    X, won, games = np.stack(rows), np.array(won), np.array(games)

    def objective(m):
        z = X @ m
        return (won * np.logaddexp(0, -z) + (games - won) * np.logaddexp(0, z)).sum() + pull / 2 * m @ m

    m = np.zeros(K)
    for _ in range(300):
        p = 0.5 * (1 + np.tanh(X @ m / 2))
        g = X.T @ (won - games * p) - pull * m
        H = X.T @ (X * (games * p * (1 - p))[:, None]) + pull * np.eye(K)
        step = np.linalg.lstsq(H, g, rcond=1e-14)[0]
        scale = 1.0
        while objective(m + scale * step) > objective(m) + 1e-12 and scale > 1e-9:
            scale *= 0.5
        m = m + scale * step
        if np.abs(step).max() < 1e-11:
            break
    return torch.from_numpy(m - m.mean())


@wrong("10.4", "without a pull the merits do not add up to 0: the mean is not taken off at the end")
def zero_left_free(wins, pull):
    met = wins + wins.T
    m = torch.zeros(len(wins)).double()
    for _ in range(2000):
        slope = (wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m
        m = m + slope / (met.sum(1) / 2 + pull).clamp(min=1e-9)
    return m


@wrong("10.4", "the first term is averaged over the games and not summed, so the pull weighs far too much")
def averages_over_games(wins, pull):
    n = wins.sum().clamp(min=1)
    wins = wins / n
    met = wins + wins.T
    m = torch.zeros(len(wins)).double()
    for _ in range(2000):
        slope = (wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m
        m = m + slope / (met.sum(1) / 2 + pull).clamp(min=1e-9)
    return m - m.mean()


@wrong("10.4", "Elo's updates, game by game at a fixed rate, stand in place of the lowest point")
def elo(wins, pull):
    K = len(wins)
    m = [0.0] * K
    for _ in range(100):
        for a in range(K):
            for b in range(K):
                for _ in range(int(wins[a, b])):
                    expected = 1 / (1 + math.exp(m[b] - m[a]))
                    m[a] += 0.05 * (1 - expected - pull * m[a] / 100)
                    m[b] -= 0.05 * (1 - expected - pull * m[b] / 100)
    m = torch.tensor(m).double()
    return m - m.mean()


@right("10.4")
def lbfgs_in_double(wins, pull):
    m = torch.zeros(len(wins), dtype=torch.float64, requires_grad=True)
    size = max(float(wins.sum()), 1.0)
    optimizer = torch.optim.LBFGS(
        [m], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        lead = m[:, None] - m[None, :]
        loss = (-(wins * F.logsigmoid(lead)).sum() + pull / 2 * m.square().sum()) / size
        loss.backward()
        return loss

    optimizer.step(closure)
    optimizer.step(closure)
    out = m.detach().clone()
    return out - out.mean()


@wrong("10.4", "each pair counts the same, however often the two have met")
def every_pair_counts_once(wins, pull):
    met = wins + wins.T
    share = torch.where(met > 0, wins / met.clamp(min=1), 0.0)
    seen = (met > 0).double()
    m = torch.zeros(len(wins)).double()
    for _ in range(2000):
        slope = (share - seen * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m
        m = m + slope / (seen.sum(1) / 2 + pull).clamp(min=1e-9)
    return m - m.mean()


@wrong("10.4", "the slope of pull / 2 times the squares is taken as twice the pull times the merit")
def pull_counted_double(wins, pull):
    met = wins + wins.T
    m = torch.zeros(len(wins)).double()
    for _ in range(2000):
        slope = (wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - 2 * pull * m
        m = m + slope / (met.sum(1) / 2 + 2 * pull).clamp(min=1e-9)
    return m - m.mean()


@wrong("10.4", "met is no copy: adding to it changes the wins that were given, and what was heard with them")
def met_is_wins(wins, pull):
    met = wins
    met += wins.T.clone()
    m = torch.zeros(len(wins)).double()
    for _ in range(2000):
        slope = (wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m
        m = m + slope / (met.sum(1) / 2 + pull).clamp(min=1e-9)
    return m - m.mean()
