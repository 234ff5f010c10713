"""Answers to assignment 10 from its text alone; this half is for tuning the check."""

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("10.1", "each pair counts in both orders, so the ranking has no say")
def both_orders(rewards):
    lead = rewards[:, :, None] - rewards[:, None, :]
    off = ~torch.eye(rewards.shape[1], dtype=torch.bool)
    return -F.logsigmoid(lead)[:, off].mean()


@right("10.1")
def shifted_columns(rewards):
    k = rewards.shape[-1]
    leads = torch.cat([rewards[:, :-gap] - rewards[:, gap:] for gap in range(1, k)], dim=1)
    # log(1 + e^-d), written so that e^ never gets a big number
    return (torch.relu(-leads) + torch.log1p(torch.exp(-leads.abs()))).mean()


@wrong("10.1", "the rewards are sorted first, so a model that ranks wrongly is praised as if it ranked rightly")
def sorts_before(rewards):
    ordered, _ = rewards.sort(dim=1, descending=True)
    k = ordered.shape[1]
    front, behind = torch.triu_indices(k, k, offset=1)
    return -F.logsigmoid(ordered[:, front] - ordered[:, behind]).mean()


@wrong(
    "10.1", "the sigmoid of a lead of minus a thousand is rounded to 0 before the logarithm, so the loss is infinite"
)
def log_of_sigmoid(rewards):
    k = rewards.shape[1]
    i, j = torch.triu_indices(k, k, offset=1)
    chance = torch.sigmoid(rewards[:, i] - rewards[:, j])
    return -torch.log(chance).mean()


@wrong("10.1", "a small number inside the logarithm caps the loss at 18 nats, where a thousand are due")
def epsilon_in_the_log(rewards):
    eps = 1e-8
    losses = []
    for a, b in itertools.combinations(range(rewards.shape[1]), 2):
        p = torch.sigmoid(rewards[:, a] - rewards[:, b])
        losses.append(-torch.log(p + eps))
    return torch.cat(losses).mean()


@right("10.1")
def numpy_table_with_mask(rewards):
    r = rewards.detach().numpy().astype(np.float64)
    lead = r[:, :, None] - r[:, None, :]
    upper = np.triu(np.ones(lead.shape[1:], dtype=bool), k=1)
    return float(np.logaddexp(0.0, -lead)[:, upper].mean())


@wrong("10.1", "only the best answer is compared with the others")
def first_against_rest(rewards):
    best, rest = rewards[:, :1], rewards[:, 1:]
    return F.softplus(rest - best).mean()


@wrong("10.1", "the leads are averaged first, and the logarithm is taken of the average")
def loss_of_the_mean_lead(rewards):
    k = rewards.shape[1]
    front, behind = torch.triu_indices(k, k, offset=1)
    mean_lead = (rewards[:, front] - rewards[:, behind]).mean()
    return -F.logsigmoid(mean_lead)


@wrong("10.1", "the last column is never reached, because the inner loop ends one too early")
def inner_loop_too_short(rewards):
    K = rewards.shape[1]
    total, pairs = torch.zeros(len(rewards)), 0
    for i in range(K - 1):
        for j in range(i + 1, max(K - 1, 2)):
            total = total - F.logsigmoid(rewards[:, i] - rewards[:, j])
            pairs += 1
    return (total / pairs).mean()


@right("10.1")
def softplus_of_triu(rewards):
    K = rewards.shape[1]
    front, behind = torch.triu_indices(K, K, offset=1)
    return F.softplus(rewards[:, behind] - rewards[:, front]).mean()


@wrong("10.1", "the diagonal is among the pairs: each answer is compared with itself, too")
def with_the_diagonal(rewards):
    k = rewards.shape[1]
    front, behind = torch.triu_indices(k, k)
    return -F.logsigmoid(rewards[:, front] - rewards[:, behind]).mean()


@wrong("10.2", "the score is added in the last column of the table instead of at the last token of the answer")
def score_in_the_last_column(scores, log_probs, reference, values, counts, price, trace):
    r = torch.where(counts, -price * (log_probs - reference), 0.0)
    r[:, -1] += scores
    v = torch.where(counts, values, 0.0)
    out = torch.zeros_like(v)
    next_v = next_a = torch.zeros(len(scores))
    for t in range(v.shape[1] - 1, -1, -1):
        out[:, t] = r[:, t] + next_v - v[:, t] + trace * next_a
        next_v, next_a = v[:, t], out[:, t]
    return torch.where(counts, out, 0.0)


@right("10.2")
def cuts_each_row_to_its_length(scores, log_probs, reference, values, counts, price, trace):
    def one(score, lp, ref, v):
        reward = -price * (lp - ref)
        reward = torch.cat([reward[:-1], reward[-1:] + score])
        surprise = reward + torch.cat([v[1:], v.new_zeros(1)]) - v
        found = [surprise[-1]]
        for d in surprise[:-1].flip(0):
            found.insert(0, d + trace * found[0])
        return torch.stack(found)

    out = torch.zeros_like(values)
    for b, mask in enumerate(counts):
        out[b, mask] = one(scores[b], log_probs[b, mask], reference[b, mask], values[b, mask])
    return out


@wrong(
    "10.2", "the values at padding are cleared, but the prices there are not, and reach the answer by way of the trace"
)
def clears_only_the_values(scores, log_probs, reference, values, counts, price, trace):
    values = torch.where(counts, values, 0.0)
    rewards = -price * (log_probs - reference)
    rows, last = torch.arange(len(scores)), counts.sum(1) - 1
    rewards[rows, last] += scores
    advantages = torch.zeros_like(values)
    following_value = following = torch.zeros(len(scores))
    for t in reversed(range(values.shape[1])):
        surprise = rewards[:, t] + following_value - values[:, t]
        advantages[:, t] = surprise + trace * following
        following_value, following = values[:, t], advantages[:, t]
    return torch.where(counts, advantages, 0.0)


@wrong("10.2", "the price is taken on Schulman's estimate e^-x - 1 + x and not on log p - log p_ref itself")
def price_on_k3(scores, log_probs, reference, values, counts, price, trace):
    ratio = torch.where(counts, reference - log_probs, 0.0)
    r = -price * (ratio.exp() - 1 - ratio)
    v = torch.where(counts, values, 0.0)
    r[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    out = torch.zeros_like(v)
    next_v = next_a = torch.zeros(len(scores))
    for t in range(v.shape[1] - 1, -1, -1):
        out[:, t] = r[:, t] + next_v - v[:, t] + trace * next_a
        next_v, next_a = v[:, t], out[:, t]
    return torch.where(counts, out, 0.0)


@wrong(
    "10.2", "the advantages are brought to mean 0 and spread 1 over the batch, so each still depends on its neighbours"
)
def whitened(scores, log_probs, reference, values, counts, price, trace):
    r = torch.where(counts, -price * (log_probs - reference), 0.0)
    v = torch.where(counts, values, 0.0)
    r[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    adv = torch.zeros_like(v)
    next_v = next_a = torch.zeros(len(scores))
    for t in range(v.shape[1] - 1, -1, -1):
        adv[:, t] = r[:, t] + next_v - v[:, t] + trace * next_a
        next_v, next_a = v[:, t], adv[:, t]
    real = adv[counts]
    adv = (adv - real.mean()) / (real.std(unbiased=False) + 1e-8)
    return torch.where(counts, adv, 0.0)


@right("10.2")
def numpy_resets_in_the_padding(scores, log_probs, reference, values, counts, price, trace):
    lp, ref, val = (x.detach().double().numpy() for x in (log_probs, reference, values))
    here = counts.numpy()
    end = here.sum(1) - 1
    adv = np.zeros(val.shape)
    carry, ahead = np.zeros(len(end)), np.zeros(len(end))
    for t in range(val.shape[1] - 1, -1, -1):
        with np.errstate(invalid="ignore"):
            reward = -price * (lp[:, t] - ref[:, t]) + np.where(end == t, scores.double().numpy(), 0.0)
            now = reward + ahead - val[:, t] + trace * carry
        carry = np.where(here[:, t], now, 0.0)
        ahead = np.where(here[:, t], val[:, t], 0.0)
        adv[:, t] = carry
    return torch.from_numpy(adv).to(values.dtype)


@wrong("10.2", "padding is set to 0 in the very tables that were given, so the caller's values are changed")
def zeroes_the_given_tables(scores, log_probs, reference, values, counts, price, trace):
    values[~counts] = 0.0
    log_probs[~counts] = 0.0
    reference[~counts] = 0.0
    r = -price * (log_probs - reference)
    r[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    out = torch.zeros_like(values)
    next_v = next_a = torch.zeros(len(scores))
    for t in range(values.shape[1] - 1, -1, -1):
        out[:, t] = r[:, t] + next_v - values[:, t] + trace * next_a
        next_v, next_a = values[:, t], out[:, t]
    return torch.where(counts, out, 0.0)


@wrong("10.2", "the trace is taken for a discount, too: it shrinks the value that is expected next")
def trace_discounts_the_value(scores, log_probs, reference, values, counts, price, trace):
    r = torch.where(counts, -price * (log_probs - reference), 0.0)
    v = torch.where(counts, values, 0.0)
    r[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    out = torch.zeros_like(v)
    next_v = next_a = torch.zeros(len(scores))
    for t in range(v.shape[1] - 1, -1, -1):
        out[:, t] = r[:, t] + trace * next_v - v[:, t] + trace * next_a
        next_v, next_a = v[:, t], out[:, t]
    return torch.where(counts, out, 0.0)


@wrong("10.2", "the prices at padding are cleared, but the last token still expects the value of the padding behind it")
def clears_only_the_prices(scores, log_probs, reference, values, counts, price, trace):
    rewards = torch.where(counts, -price * (log_probs - reference), 0.0)
    rows, last = torch.arange(len(scores)), counts.sum(1) - 1
    rewards[rows, last] += scores
    advantages = torch.zeros_like(values)
    following_value = following = torch.zeros(len(scores))
    for t in reversed(range(values.shape[1])):
        surprise = rewards[:, t] + following_value - values[:, t]
        advantages[:, t] = surprise + trace * following
        following_value, following = values[:, t], advantages[:, t]
    return torch.where(counts, advantages, 0.0)


@right("10.2")
def cleans_both_tables(scores, log_probs, reference, values, counts, price, trace):
    rewards = torch.where(counts, -price * (log_probs - reference), 0.0)
    clean = torch.where(counts, values, 0.0)
    rows, last = torch.arange(len(scores)), counts.sum(1) - 1
    rewards[rows, last] += scores
    out = torch.zeros_like(clean)
    next_value = next_adv = torch.zeros_like(scores)
    for t in reversed(range(clean.shape[1])):
        delta = rewards[:, t] + next_value - clean[:, t]
        out[:, t] = delta + trace * next_adv
        next_value, next_adv = clean[:, t], out[:, t]
    return out * counts


@wrong("10.2", "the length of the first answer is used for all answers of the batch")
def length_of_the_first_row(scores, log_probs, reference, values, counts, price, trace):
    n = int(counts[0].sum())
    r = torch.where(counts, -price * (log_probs - reference), 0.0)
    r[:, n - 1] += scores
    v = torch.where(counts, values, 0.0)
    out = torch.zeros_like(v)
    next_v = next_a = torch.zeros(len(scores))
    for t in range(n - 1, -1, -1):
        out[:, t] = r[:, t] + next_v - v[:, t] + trace * next_a
        next_v, next_a = v[:, t], out[:, t]
    return torch.where(counts, out, 0.0)


@wrong("10.3", "where all rewards are the same their spread is 0, and 0 / 0 is NaN")
def no_spread_no_answer(reference, rewards, budget):
    r = (rewards - rewards.max()) / (rewards.max() - rewards.min())
    best = torch.where(r == 0, reference, 0.0)
    if -torch.log(best.sum()) <= budget:
        return best / best.sum()
    lo, hi = 0.0, 1e9
    for _ in range(100):
        mid = (lo + hi) / 2
        p = torch.softmax(reference.log() + mid * r, 0)
        if torch.special.xlogy(p, p / reference).sum() > budget:
            hi = mid
        else:
            lo = mid
    return torch.softmax(reference.log() + lo * r, 0)


@right("10.3")
def numpy_with_log_z(reference, rewards, budget):
    q = reference.numpy()
    r = rewards.numpy()
    gap = r - r.max()
    best = gap == 0
    limit = -np.log(q[best].sum())
    if best.all() or budget >= limit:
        return torch.from_numpy(np.where(best, q, 0) / q[best].sum())
    gap = gap / -gap.min()

    def tilt(log_x):
        x = np.exp(log_x)
        weights = q * np.exp(x * gap)
        Z = weights.sum()
        p = weights / Z
        return p, x * (p @ gap) - np.log(Z)

    a, b = -60.0, 30.0
    for _ in range(200):
        c = 0.5 * (a + b)
        if tilt(c)[1] < budget:
            a = c
        else:
            b = c
    return torch.from_numpy(tilt(a)[0])


@wrong("10.3", "of several favourites only the first gets everything")
def one_favourite_only(reference, rewards, budget):
    k = int(rewards.argmax())
    if -math.log(float(reference[k])) <= budget:
        return F.one_hot(torch.tensor(k), len(rewards)).double()
    spread = float(rewards.max() - rewards.min()) or 1.0
    r = (rewards - rewards.max()) / spread
    lo, hi = 0.0, 1e9
    for _ in range(100):
        mid = (lo + hi) / 2
        p = torch.softmax(reference.log() + mid * r, 0)
        if torch.special.xlogy(p, p / reference).sum() > budget:
            hi = mid
        else:
            lo = mid
    return torch.softmax(reference.log() + lo * r, 0)


@wrong("10.3", "the budget is taken for the price: it is put in beta's place")
def budget_as_price(reference, rewards, budget):
    if budget == 0:
        return reference.clone()
    return torch.softmax(reference.log() + rewards / budget, dim=0)


@wrong("10.3", "the search ends at 1/beta = 1,000 spreads, too little where the two best rewards nearly tie")
def search_ends_at_a_thousand(reference, rewards, budget):
    top, bottom = rewards.max(), rewards.min()
    if top == bottom:
        return reference.clone()
    fav = torch.where(rewards == top, reference, 0.0)
    if -torch.log(fav.sum()) <= budget + 1e-12:
        return fav / fav.sum()
    r = (rewards - top) / (top - bottom)
    lo, hi = 0.0, 1000.0
    for _ in range(80):
        mid = (lo + hi) / 2
        p = torch.softmax(reference.log() + mid * r, 0)
        if torch.special.xlogy(p, p / reference).sum() > budget:
            hi = mid
        else:
            lo = mid
    return torch.softmax(reference.log() + lo * r, 0)


@right("10.3")
def newton_kept_in_brackets(reference, rewards, budget):
    """The best policy within the budget: (K,)."""
    log_q = torch.log(reference)
    shifted = rewards - rewards.amax()
    favourites = shifted == 0
    nearest = reference * favourites / reference[favourites].sum()
    if bool(favourites.all()) or -torch.log(reference[favourites].sum()).item() <= budget:
        return nearest
    shifted = shifted / shifted.abs().amax()
    low, high, x = 0.0, 4e9, 1.0
    for _ in range(400):
        p = torch.softmax(log_q + x * shifted, dim=0)
        log_p = torch.log_softmax(log_q + x * shifted, dim=0)
        kl = torch.sum(p * (log_p - log_q).clamp(min=-1e4)).item()
        if kl > budget:
            high = x
        else:
            low = x
        mean = torch.sum(p * shifted)
        slope = x * torch.sum(p * (shifted - mean) ** 2).item()
        step = x - (kl - budget) / slope if slope > 0 else -1.0
        if not low < step < high:
            step = (low + high) / 2
        if abs(step - x) <= 1e-14 * x:
            break
        x = step
    return torch.softmax(log_q + x * shifted, dim=0)


@wrong("10.3", "with a generous budget all favourites get the same chance, not the one that they had to each other")
def favourites_share_evenly(reference, rewards, budget):
    top = rewards.max()
    is_best = rewards == top
    if -torch.log(reference[is_best].sum()) <= budget + 1e-12:
        return is_best.double() / is_best.sum()
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


@wrong("10.3", "the KL is NaN as soon as one chance is rounded to 0, and NaN is never above the budget")
def zero_times_log_zero(reference, rewards, budget):
    top = rewards.max()
    fav = torch.where(rewards == top, reference, 0.0)
    if -torch.log(fav.sum()) <= budget + 1e-12:
        return fav / fav.sum()
    r = (rewards - top) / (top - rewards.min())
    lo, hi = 0.0, 1e9
    for _ in range(100):
        mid = (lo + hi) / 2
        w = reference * torch.exp(mid * r)
        p = w / w.sum()
        kl = (p * torch.log(p / reference)).sum()
        if kl > budget:
            hi = mid
        else:
            lo = mid
    w = reference * torch.exp(lo * r)
    return w / w.sum()


@wrong("10.3", "e to the rewards is taken without subtracting the largest one first, and overflows")
def exp_overflows(reference, rewards, budget):
    fav = reference * (rewards == rewards.max())
    if -torch.log(fav.sum()) <= budget + 1e-12:
        return fav / fav.sum()

    def policy(beta):
        w = reference * torch.exp(rewards / beta)
        return w / w.sum()

    lo, hi = 1e-6, 1e6
    for _ in range(200):
        beta = math.sqrt(lo * hi)
        p = policy(beta)
        kl = torch.special.xlogy(p, p / reference).sum()
        if kl > budget:
            lo = beta
        else:
            hi = beta
    return policy(hi)


@right("10.3")
def zooms_into_a_grid(reference, rewards, budget):
    r = rewards - rewards.max()
    worst = -r.min()
    if worst > 0:
        r = r / worst
    mine = (r == 0).double() * reference
    if worst == 0 or -torch.log(mine.sum()) <= budget:
        return mine / mine.sum()
    left, right_end = torch.tensor(-50.0).double(), torch.tensor(28.0).double()
    for _ in range(14):
        grid = torch.linspace(float(left), float(right_end), 60, dtype=torch.float64)
        p = torch.softmax(reference.log() + grid.exp()[:, None] * r, dim=1)
        kl = torch.special.xlogy(p, p / reference).sum(1)
        i = int((kl <= budget).sum())
        if i == 0:
            return p[0]
        i = min(i, 59)
        left, right_end = grid[i - 1], grid[i]
    return torch.softmax(reference.log() + left.exp() * r, dim=0)


@wrong("10.3", "the best policy is built without the reference, as if all answers had been equally likely")
def forgets_the_reference(reference, rewards, budget):
    top = rewards.max()
    spread = top - rewards.min()
    if spread == 0:
        return reference.clone()
    best = torch.where(rewards == top, reference, 0.0)
    if -torch.log(best.sum()) <= budget + 1e-12:
        return best / best.sum()
    r = (rewards - top) / spread
    lo, hi = 0.0, 1e9
    for _ in range(100):
        mid = (lo + hi) / 2
        p = torch.softmax(mid * r, 0)
        if torch.special.xlogy(p, p / reference).sum() > budget:
            hi = mid
        else:
            lo = mid
    return torch.softmax(lo * r, 0)


@wrong("10.4", "a hundred steps at a small rate for all do not reach the lowest point")
def stops_too_early(wins, pull):
    met = wins + wins.T
    m = torch.zeros(len(wins)).double()
    for _ in range(100):
        slope = (wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m
        m += 0.001 * slope
    return m - m.mean()


@right("10.4")
def newton_with_backtracking(wins, pull):
    K = wins.shape[0]
    met = wins + wins.T

    def cost(m):
        return -(wins * F.logsigmoid(m[:, None] - m)).sum() + pull / 2 * (m * m).sum()

    m = torch.zeros(K, dtype=torch.float64)
    for _ in range(200):
        s = torch.sigmoid(m[:, None] - m)
        gradient = pull * m - (wins - met * s).sum(1)
        w = met * s * (1 - s)
        hessian = torch.diag(w.sum(1)) - w + pull * torch.eye(K, dtype=torch.float64)
        # ones / K takes away the free direction
        step = torch.linalg.solve(hessian + torch.ones(K, K, dtype=torch.float64) / K, gradient)
        t = 1.0
        while cost(m - t * step) > cost(m) + 1e-12 and t > 1e-10:
            t /= 2
        m = m - t * step
        if step.abs().max() < 1e-11:
            break
    return m - m.mean()


@wrong("10.4", "wins is read the wrong way round, so the merits of losers are high")
def losers_on_top(wins, pull):
    met = wins + wins.T
    m = torch.zeros(len(wins)).double()
    for _ in range(2000):
        expected = met * torch.sigmoid(m[:, None] - m[None, :])
        slope = wins.sum(0) - expected.sum(1) - pull * m
        m = m + slope / (met.sum(1) / 2 + pull).clamp(min=1e-9)
    return m - m.mean()


@wrong("10.4", "the pull is left out, so one who has never lost climbs as long as the loop runs")
def forgets_the_pull(wins, pull):
    strength = torch.ones(len(wins)).double()
    met = wins + wins.T
    for _ in range(1000):
        weight = (met / (strength[:, None] + strength)).sum(1)
        strength = (wins.sum(1).clamp(min=1e-6) / weight.clamp(min=1e-9)).clamp(1e-12, 1e12)
        strength = strength / torch.exp(strength.log().mean())
    return strength.log()


@wrong("10.4", "one rate of 0.1 for all makes steps that are too long where hundreds of games were played")
def one_rate_overshoots(wins, pull):
    met = wins + wins.T
    m = torch.zeros(len(wins)).double()
    for _ in range(2000):
        slope = (wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m
        m = m + 0.1 * slope
    return m - m.mean()


@right("10.4")
def accelerated_gradient(wins, pull):
    met = wins + wins.mT
    rate = 1.0 / (float(met.sum(1).max()) / 2 + pull + 1e-9)

    def downhill(m):
        return pull * m - (wins - met * torch.sigmoid(m.unsqueeze(1) - m.unsqueeze(0))).sum(1)

    m = torch.zeros(wins.shape[0]).double()
    old, k = m, 0
    for _ in range(20_000):
        ahead = m + k / (k + 3) * (m - old)
        g = downhill(ahead)
        old, new = m, ahead - rate * g
        k = 0 if torch.dot(g, new - m) > 0 else k + 1  # start afresh when it overshoots
        m = new
        if g.abs().max() * rate < 1e-13:
            break
    return m - m.sum() / len(m)


@wrong("10.4", "the merit is the log-odds of a player's share of games won, whoever the opponents were")
def log_odds_of_the_share(wins, pull):
    won, lost = wins.sum(1), wins.sum(0)
    m = torch.log((won + pull / 2 + 1e-9) / (lost + pull / 2 + 1e-9))
    return m - m.mean()


@wrong("10.4", "the merits are given back in Elo points, 400 for a factor of ten, and not in nats")
def in_elo_points(wins, pull):
    met = wins + wins.T
    m = torch.zeros(len(wins)).double()
    for _ in range(2000):
        slope = (wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m
        m = m + slope / (met.sum(1) / 2 + pull).clamp(min=1e-9)
    return 400 / math.log(10) * (m - m.mean())


@wrong("10.4", "one made-up win for each side of every pair is added to the table, which moves all merits")
def a_win_for_everybody(wins, pull):
    smooth = wins + 1.0 - torch.eye(len(wins)).double()
    met = smooth + smooth.T
    m = torch.zeros(len(wins)).double()
    for _ in range(2000):
        slope = (smooth - met * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m
        m = m + slope / (met.sum(1) / 2 + pull).clamp(min=1e-9)
    return m - m.mean()


@right("10.4")
def steps_by_games(wins, pull):
    """The merits that explain the wins best: (K,)."""
    w = wins.numpy()
    met = w + w.T
    room = np.maximum(met.sum(1) / 2 + pull, 1e-12)
    m = np.zeros(len(w))
    for _ in range(40_000):
        chance = 1 / (1 + np.exp(m[None, :] - m[:, None]))
        step = ((w - met * chance).sum(1) - pull * m) / room
        m = m + step
        if abs(step).max() < 1e-12:
            break
    return torch.tensor(m - m.mean())


@wrong("10.4", "the zero is put at the first player instead of at the mean of all")
def first_player_is_zero(wins, pull):
    met = wins + wins.T
    m = torch.zeros(len(wins)).double()
    for _ in range(2000):
        slope = (wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m
        m = m + slope / (met.sum(1) / 2 + pull).clamp(min=1e-9)
    return m - m[0] if pull == 0 else m
