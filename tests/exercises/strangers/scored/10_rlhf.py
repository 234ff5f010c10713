"""Answers to assignment 10 from its text alone; this set is only scored."""

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("10.1", "takes the log of a sigmoid that underflows to 0, so a large wrong lead costs infinity")
def log_of_the_chance(rewards):
    total, pairs = 0.0, 0
    for i in range(rewards.shape[1]):
        for j in range(i + 1, rewards.shape[1]):
            total = total - torch.log(torch.sigmoid(rewards[:, i] - rewards[:, j])).sum()
            pairs += len(rewards)
    return total / pairs


@wrong("10.1", "compares each answer with the next one only, not with all that stand behind it")
def only_neighbours(rewards):
    return -F.logsigmoid(rewards[:, :-1] - rewards[:, 1:]).mean()


@wrong("10.1", "Plackett and Luce's loss of a ranking: each answer against all behind it at once")
def plackett_luce(rewards):
    costs = []
    for first in range(rewards.shape[1] - 1):
        costs.append(torch.logsumexp(rewards[:, first:], 1) - rewards[:, first])
    return torch.stack(costs).mean()


@wrong("10.1", "adds up the pairs of a row and takes the mean over rows only, so it is not per pair")
def nats_per_ranking(rewards):
    lead = rewards[:, :, None] - rewards[:, None, :]
    return -(F.logsigmoid(lead).triu(1)).sum((1, 2)).mean()


@wrong("10.1", "the pairs include each answer with itself, each of which costs log 2")
def diagonal_too(rewards):
    K = rewards.shape[1]
    front, behind = torch.triu_indices(K, K)
    return F.softplus(rewards[:, behind] - rewards[:, front]).mean()


@right("10.1")
def choice_between_two(rewards):
    pairs = torch.combinations(torch.arange(rewards.shape[1]), 2)
    duels = rewards[:, pairs].flatten(0, 1)
    return F.cross_entropy(duels, torch.zeros(len(duels), dtype=torch.long))


@wrong("10.2", "multiplies by the mask, and 0 times NaN or infinity at the padding is NaN")
def mask_by_product(scores, log_probs, reference, values, counts, price, trace):
    mask = counts.to(values.dtype)
    values = values * mask
    rewards = -price * (log_probs - reference) * mask
    rewards[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    out = torch.zeros_like(values)
    coming, value_next = torch.zeros(len(scores)), torch.zeros(len(scores))
    for t in range(values.shape[1] - 1, -1, -1):
        coming = rewards[:, t] + value_next - values[:, t] + trace * coming
        value_next = values[:, t]
        out[:, t] = coming
    return torch.where(counts, out, 0.0)


@wrong("10.2", "silences the values at the padding but not the prices there")
def prices_still_speak(scores, log_probs, reference, values, counts, price, trace):
    values = torch.where(counts, values, 0.0)
    rewards = -price * (log_probs - reference)
    rewards[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    out = torch.zeros_like(values)
    coming = value_next = torch.zeros(len(scores))
    for t in reversed(range(values.shape[1])):
        coming = rewards[:, t] + value_next - values[:, t] + trace * coming
        value_next = values[:, t]
        out[:, t] = coming
    return torch.where(counts, out, 0.0)


@wrong("10.2", "the last token expects its own value again after it, where there is nothing to expect")
def value_after_the_end(scores, log_probs, reference, values, counts, price, trace):
    out = torch.zeros_like(values)
    for b in range(len(scores)):
        n = int(counts[b].sum())
        coming, value_next = 0.0, float(values[b, n - 1])
        for t in range(n - 1, -1, -1):
            reward = -price * float(log_probs[b, t] - reference[b, t])
            if t == n - 1:
                reward += float(scores[b])
            coming = reward + value_next - float(values[b, t]) + trace * coming
            value_next = float(values[b, t])
            out[b, t] = coming
    return out


@wrong("10.2", "the score goes to the last column, so a padded answer never gets its score")
def score_in_last_column(scores, log_probs, reference, values, counts, price, trace):
    values = torch.where(counts, values, 0.0)
    rewards = torch.where(counts, -price * (log_probs - reference), 0.0)
    rewards[:, -1] += torch.where(counts[:, -1], scores, 0.0)
    out = torch.zeros_like(values)
    coming = value_next = torch.zeros(len(scores))
    for t in reversed(range(values.shape[1])):
        coming = rewards[:, t] + value_next - values[:, t] + trace * coming
        value_next = values[:, t]
        out[:, t] = coming
    return torch.where(counts, out, 0.0)


@wrong("10.2", "whitens the advantages as PPO programs do: less their mean, divided by their spread")
def whitened(scores, log_probs, reference, values, counts, price, trace):
    values = torch.where(counts, values, 0.0)
    rewards = torch.where(counts, -price * (log_probs - reference), 0.0)
    rewards[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    out = torch.zeros_like(values)
    coming = value_next = torch.zeros(len(scores))
    for t in reversed(range(values.shape[1])):
        coming = rewards[:, t] + value_next - values[:, t] + trace * coming
        value_next = values[:, t]
        out[:, t] = coming
    real = out[counts]
    out = (out - real.mean()) / (real.std(unbiased=False) + 1e-8)
    return torch.where(counts, out, 0.0)


@right("10.2")
def sum_of_fading_surprises(scores, log_probs, reference, values, counts, price, trace):
    T = values.shape[1]
    calm = values.masked_fill(~counts, 0.0)
    rewards = (price * (reference - log_probs)).masked_fill(~counts, 0.0)
    is_last = torch.arange(T) == counts.sum(1, keepdim=True) - 1
    rewards = rewards + is_last * scores[:, None]
    surprise = rewards + F.pad(calm[:, 1:], (0, 1)) - calm
    ahead = torch.arange(T)[None, :] - torch.arange(T)[:, None]
    fade = torch.where(ahead >= 0, torch.tensor(float(trace)) ** ahead.clamp_min(0), 0.0)
    return (surprise @ fade.T.to(surprise.dtype)).masked_fill(~counts, 0.0)


@wrong("10.3", "uses the budget as if it were the price of a nat")
def budget_as_price(reference, rewards, budget):
    if budget == 0:
        return reference.clone()
    return torch.softmax(reference.log() + rewards / budget, 0)


def _lean(reference, rewards, force):
    return torch.softmax(reference.log() + force * (rewards - rewards.max()), 0)


@wrong("10.3", "measures KL(reference, policy), the other direction")
def kl_turned_round(reference, rewards, budget):
    spread = rewards.max() - rewards.min()
    if spread == 0:
        return reference.clone()
    unit = rewards / spread
    low, high = 0.0, 1e9
    for _ in range(200):
        middle = (low + high) / 2
        policy = _lean(reference, unit, middle)
        away = (reference * (reference.log() - policy.log())).sum()
        if away > budget:
            high = middle
        else:
            low = middle
    return _lean(reference, unit, low)


@wrong("10.3", "the policy is a softmax of the rewards alone and forgets the factor p_ref")
def plain_boltzmann(reference, rewards, budget):
    spread = rewards.max() - rewards.min()
    if spread == 0:
        return reference.clone()
    unit = (rewards - rewards.max()) / spread
    low, high = 0.0, 1e9
    for _ in range(100):
        middle = (low + high) / 2
        policy = (unit * middle).softmax(0)
        if torch.special.xlogy(policy, policy / reference).sum() > budget:
            high = middle
        else:
            low = middle
    return (unit * low).softmax(0)


@wrong("10.3", "mixes the reference with the favourites until the budget is spent, which is not the best policy")
def mix_with_favourites(reference, rewards, budget):
    best = torch.where(rewards == rewards.max(), reference, 0.0)
    best = best / best.sum()
    low, high = 0.0, 1.0
    for _ in range(80):
        share = (low + high) / 2
        policy = (1 - share) * reference + share * best
        if torch.special.xlogy(policy, policy / reference).sum() <= budget:
            low = share
        else:
            high = share
    return (1 - high) * reference + high * best


@wrong("10.3", "searches 1/beta up to 100 spreads only, too little where two rewards nearly tie")
def interval_too_short(reference, rewards, budget):
    spread = rewards.max() - rewards.min()
    if spread == 0:
        return reference.clone()
    unit = (rewards - rewards.max()) / spread
    low, high = 0.0, 100.0
    for _ in range(80):
        middle = (low + high) / 2
        policy = _lean(reference, unit, middle)
        if torch.special.xlogy(policy, policy / reference).sum() > budget:
            high = middle
        else:
            low = middle
    return _lean(reference, unit, high)


@right("10.3")
def halving_the_exponent(reference, rewards, budget):
    p, r = reference.numpy(), rewards.numpy()
    lag = r.max() - r
    if lag.max() == 0:
        return reference.clone()
    favourites = np.where(lag == 0, p, 0.0)
    if -np.log(favourites.sum()) <= budget:
        return torch.from_numpy(favourites / favourites.sum())
    lag = lag / lag.max()

    def policy(exponent):
        weights = p * np.exp(-lag * 10.0**exponent)
        return weights / weights.sum()

    def distance(q):
        some = q > 0
        return float((q[some] * np.log(q[some] / p[some])).sum())

    low, high = -12.0, 12.0
    for _ in range(120):
        middle = (low + high) / 2
        low, high = (low, middle) if distance(policy(middle)) > budget else (middle, high)
    return torch.from_numpy(policy(low))


@wrong("10.4", "half the log of won over lost games, which ignores who the opponents were")
def odds_of_all_games(wins, pull):
    won, lost = wins.sum(1), wins.sum(0)
    found = 0.5 * torch.log((won + pull / 2).clamp_min(1e-9) / (lost + pull / 2).clamp_min(1e-9))
    return found - found.mean()


@wrong("10.4", "every pair that met counts the same, however many games it played")
def pairs_count_once(wins, pull):
    games = wins + wins.T
    share = wins / games.clamp_min(1)
    met = (games > 0).double()
    m = torch.zeros(len(wins), dtype=torch.float64)
    for _ in range(5000):
        slope = (share - met * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m
        m = m + slope / (met.sum(1) / 2 + pull)
    return m - m.mean()


@wrong("10.4", "the slope of pull / 2 times the square is taken for 2 pull m, twice what it is")
def pull_twice(wins, pull):
    met = wins + wins.T
    m = torch.zeros(len(wins), dtype=torch.float64)
    for _ in range(5000):
        slope = (wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - 2 * pull * m
        m = m + slope / (met.sum(1) / 2 + 2 * pull)
    return m - m.mean()


@wrong("10.4", "a hundred short steps at one rate for all, and stops long before the bottom")
def stops_too_early(wins, pull):
    met = wins + wins.T
    m = torch.zeros(len(wins), dtype=torch.float64)
    rate = 0.5 / float(met.sum(1).max() + pull)
    for _ in range(100):
        m = m + rate * ((wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m)
    return m - m.mean()


@wrong("10.4", "the zero is the first player, not the mean of all")
def first_player_is_zero(wins, pull):
    met = wins + wins.T
    m = torch.zeros(len(wins), dtype=torch.float64)
    for _ in range(5000):
        slope = (wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m
        m = m + slope / (met.sum(1) / 2 + pull)
    return m - m[0]


@right("10.4")
def newton_with_short_steps(wins, pull):
    w = wins.numpy().astype(np.float64)
    met = w + w.T
    k = len(w)

    def cost(m):
        return (w * np.logaddexp(0, m[None, :] - m[:, None])).sum() + pull / 2 * (m**2).sum()

    m = np.zeros(k)
    for _ in range(100):
        chance = 1 / (1 + np.exp(m[None, :] - m[:, None]))
        slope = (met * chance - w).sum(1) + pull * m
        bend = met * chance * (1 - chance)
        curve = np.diag(bend.sum(1) + pull) - bend + np.ones((k, k))
        step = np.linalg.solve(curve, slope)
        length = 1.0
        while length > 1e-9 and cost(m - length * step) > cost(m):
            length /= 2
        m = m - length * step
    return torch.from_numpy(m - m.mean())
