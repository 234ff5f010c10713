"""Answers to assignment 10 from its text alone; this set served to tune the checks."""

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 10.1


@wrong("10.1", "compares each answer only with the next one in the ranking, not with all behind it")
def neighbours_only(rewards):
    return -F.logsigmoid(rewards[:, :-1] - rewards[:, 1:]).mean()


@wrong("10.1", "adds up the pairs of a ranking and takes the mean over the rows only")
def sum_over_pairs(rewards):
    K = rewards.shape[1]
    front, behind = torch.triu_indices(K, K, offset=1)
    return -F.logsigmoid(rewards[:, front] - rewards[:, behind]).sum(1).mean()


@wrong("10.1", "takes the difference the wrong way round, so the worse answer is to win")
def worse_one_wins(rewards):
    total, number = 0.0, 0
    for i in range(rewards.shape[1]):
        for j in range(i + 1, rewards.shape[1]):
            total = total - F.logsigmoid(rewards[:, j] - rewards[:, i]).sum()
            number += len(rewards)
    return total / number


@wrong("10.1", "takes the logarithm of a sigmoid that is rounded to 0, so a lead of -1,000 costs infinity")
def log_of_sigmoid(rewards):
    K = rewards.shape[1]
    front, behind = torch.triu_indices(K, K, offset=1)
    chance = torch.sigmoid(rewards[:, front] - rewards[:, behind])
    return -chance.log().mean()


@wrong("10.1", "counts each answer against itself, too")
def with_the_diagonal(rewards):
    K = rewards.shape[1]
    front, behind = torch.triu_indices(K, K)
    return F.softplus(rewards[:, behind] - rewards[:, front]).mean()


@wrong("10.1", "is the loss of Plackett and Luce, each answer against all from it on, and not that of pairs")
def plackett_luce(rewards):
    rest = rewards.flip(1).logcumsumexp(1).flip(1)
    return (rest - rewards)[:, :-1].mean()


@wrong("10.1", "compares only the best answer with each of the others")
def best_against_rest(rewards):
    return -F.logsigmoid(rewards[:, :1] - rewards[:, 1:]).mean()


@wrong("10.1", "sorts the rewards first, so it no longer knows which answer the rater liked best")
def sorts_first(rewards):
    ordered = rewards.sort(dim=1, descending=True).values
    K = ordered.shape[1]
    losses = []
    for i in range(K):
        for j in range(i + 1, K):
            losses.append(-F.logsigmoid(ordered[:, i] - ordered[:, j]))
    return torch.stack(losses).mean()


@right("10.1")
def logaddexp_table(rewards):
    lead = rewards.unsqueeze(2) - rewards.unsqueeze(1)
    K = rewards.shape[1]
    above = torch.ones(K, K, dtype=torch.bool).triu(1)
    return torch.logaddexp(torch.zeros_like(lead), -lead)[:, above].mean()


@right("10.1")
def plain_python_pairs(rewards):
    costs = []
    for row in rewards.tolist():
        for front, behind in itertools.combinations(row, 2):
            lead = front - behind
            costs.append(max(-lead, 0.0) + math.log1p(math.exp(-abs(lead))))
    return sum(costs) / len(costs)


# 10.2


@wrong("10.2", "multiplies with the mask, and 0 times NaN or infinity is NaN")
def product_with_the_mask(scores, log_probs, reference, values, counts, price, trace):
    mask = counts.to(values.dtype)
    rewards = -price * (log_probs - reference) * mask
    values = values * mask
    rewards[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    found = torch.zeros_like(values)
    next_value = next_found = torch.zeros_like(scores)
    for t in range(values.shape[1] - 1, -1, -1):
        found[:, t] = rewards[:, t] + next_value - values[:, t] + trace * next_found
        next_value, next_found = values[:, t], found[:, t]
    return found * mask


@wrong("10.2", "masks the prices but leaves the values at padding, so something is expected after the last token")
def values_left_alone(scores, log_probs, reference, values, counts, price, trace):
    rewards = torch.where(counts, -price * (log_probs - reference), 0.0)
    rewards[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    found = torch.zeros_like(values)
    next_value = next_found = torch.zeros_like(scores)
    for t in reversed(range(values.shape[1])):
        surprise = rewards[:, t] + next_value - values[:, t]
        found[:, t] = torch.where(counts[:, t], surprise + trace * next_found, 0.0)
        next_value, next_found = values[:, t], found[:, t]
    return found


@wrong("10.2", "masks the values but not the prices, so tokens that nobody drew pay at the padding")
def prices_left_alone(scores, log_probs, reference, values, counts, price, trace):
    rewards = -price * (log_probs - reference)
    rewards[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    values = torch.where(counts, values, 0.0)
    found = torch.zeros_like(values)
    next_value = next_found = torch.zeros_like(scores)
    for t in reversed(range(values.shape[1])):
        found[:, t] = rewards[:, t] + next_value - values[:, t] + trace * next_found
        next_value, next_found = values[:, t], found[:, t]
    return torch.where(counts, found, 0.0)


@wrong("10.2", "adds the score in the last column of the table, not at the answer's last token")
def score_in_last_column(scores, log_probs, reference, values, counts, price, trace):
    rewards = torch.where(counts, -price * (log_probs - reference), 0.0)
    rewards[:, -1] += scores
    values = torch.where(counts, values, 0.0)
    found = torch.zeros_like(values)
    next_value = next_found = torch.zeros_like(scores)
    for t in reversed(range(values.shape[1])):
        found[:, t] = rewards[:, t] + next_value - values[:, t] + trace * next_found
        next_value, next_found = values[:, t], found[:, t]
    return torch.where(counts, found, 0.0)


@wrong("10.2", "adds the score at every token of the answer")
def score_everywhere(scores, log_probs, reference, values, counts, price, trace):
    rewards = torch.where(counts, scores[:, None] - price * (log_probs - reference), 0.0)
    values = torch.where(counts, values, 0.0)
    found = torch.zeros_like(values)
    next_value = next_found = torch.zeros_like(scores)
    for t in reversed(range(values.shape[1])):
        found[:, t] = rewards[:, t] + next_value - values[:, t] + trace * next_found
        next_value, next_found = values[:, t], found[:, t]
    return found


@wrong("10.2", "sets the padding of the tables it was given to 0 in place")
def cleans_the_input(scores, log_probs, reference, values, counts, price, trace):
    for table in (log_probs, reference, values):
        table[~counts] = 0
    rewards = -price * (log_probs - reference)
    rewards[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    found = torch.zeros_like(values)
    next_value = next_found = torch.zeros_like(scores)
    for t in reversed(range(values.shape[1])):
        found[:, t] = rewards[:, t] + next_value - values[:, t] + trace * next_found
        next_value, next_found = values[:, t], found[:, t]
    return torch.where(counts, found, 0.0)


@wrong("10.2", "multiplies the next value with lambda as well, as if it were the discount")
def trace_on_the_value(scores, log_probs, reference, values, counts, price, trace):
    found = torch.zeros_like(values)
    for b in range(len(scores)):
        n = int(counts[b].sum())
        following = 0.0
        next_value = 0.0
        for t in range(n - 1, -1, -1):
            reward = -price * (log_probs[b, t] - reference[b, t])
            if t == n - 1:
                reward = reward + scores[b]
            following = reward - values[b, t] + trace * (next_value + following)
            next_value = values[b, t]
            found[b, t] = following
    return found


@wrong("10.2", "has the price's sign wrong, so distance from the reference is rewarded")
def distance_is_rewarded(scores, log_probs, reference, values, counts, price, trace):
    rewards = torch.where(counts, price * (log_probs - reference), 0.0)
    rewards[torch.arange(len(scores)), counts.long().sum(1) - 1] += scores
    values = torch.where(counts, values, 0.0)
    after = F.pad(values, (0, 1))[:, 1:]
    surprises = rewards + after - values
    found, running = [], torch.zeros_like(scores)
    for t in reversed(range(values.shape[1])):
        running = surprises[:, t] + trace * running
        found.insert(0, running)
    return torch.where(counts, torch.stack(found, 1), 0.0)


@right("10.2")
def matrix_of_powers(scores, log_probs, reference, values, counts, price, trace):
    T = values.shape[1]
    number = torch.arange(T)
    last = counts & (number == counts.sum(1, keepdim=True) - 1)
    known = torch.where(counts, values, 0.0)
    rewards = torch.where(counts, -price * (log_probs - reference), 0.0)
    rewards = rewards + torch.where(last, scores[:, None], 0.0)
    surprises = rewards - known + torch.cat([known[:, 1:], torch.zeros_like(known[:, :1])], 1)
    ahead = number[:, None] - number[None, :]
    powers = torch.where(ahead >= 0, float(trace) ** ahead.clamp(min=0), 0.0).to(known.dtype)
    return torch.where(counts, surprises @ powers, 0.0)


@right("10.2")
def answer_by_answer(scores, log_probs, reference, values, counts, price, trace):
    rows = []
    for b, n in enumerate(counts.sum(1).tolist()):
        reward = -price * (log_probs[b, :n] - reference[b, :n])
        value = values[b, :n].tolist() + [0.0]
        row = [0.0] * values.shape[1]
        follow = 0.0
        for t in range(n)[::-1]:
            surprise = float(reward[t]) + (float(scores[b]) if t == n - 1 else 0.0) + value[t + 1] - value[t]
            follow = row[t] = surprise + trace * follow
        rows.append(row)
    return torch.tensor(rows, dtype=values.dtype)


# 10.3


def _tilt(reference, rewards, x):
    return (reference.log() + x * (rewards - rewards.max())).softmax(0)


def _kl(policy, reference):
    return float(torch.special.xlogy(policy, policy / reference).sum())


def _search(reference, rewards, budget, policy_at, distance):
    spread = rewards.max() - rewards.min()
    if spread == 0:
        return reference.clone()
    unit = (rewards - rewards.max()) / spread
    best = rewards == rewards.max()
    if -math.log(float(reference[best].sum())) <= budget:
        return torch.where(best, reference, 0.0) / reference[best].sum()
    low, high = 0.0, 1e9
    for _ in range(100):
        middle = (low + high) / 2
        if distance(policy_at(reference, unit, middle), reference) > budget:
            high = middle
        else:
            low = middle
    return policy_at(reference, unit, low)


@wrong("10.3", "takes the budget for the price, and looks for nothing")
def budget_is_the_price(reference, rewards, budget):
    if budget == 0:
        return reference.clone()
    return torch.softmax(reference.log() + (rewards - rewards.max()) / budget, dim=0)


@wrong("10.3", "measures the KL the other way round, from the policy to the reference")
def kl_turned_round(reference, rewards, budget):
    def distance(policy, reference):
        return float((reference * (reference / policy).log()).sum())

    return _search(reference, rewards, budget, _tilt, distance)


@wrong("10.3", "searches 1/beta between 0 and 1,000 whatever the unit, too low for rewards of thousandths")
def rewards_in_their_own_unit(reference, rewards, budget):
    if rewards.max() == rewards.min():
        return reference.clone()
    best = rewards == rewards.max()
    if -math.log(float(reference[best].sum())) <= budget:
        return torch.where(best, reference, 0.0) / reference[best].sum()
    low, high = 0.0, 1000.0
    for _ in range(100):
        middle = (low + high) / 2
        if _kl(_tilt(reference, rewards, middle), reference) > budget:
            high = middle
        else:
            low = middle
    return _tilt(reference, rewards, low)


@wrong("10.3", "shares equally among the favourites of a generous budget, not as the reference does")
def favourites_share_equally(reference, rewards, budget):
    best = rewards == rewards.max()
    if -math.log(float(reference[best].sum())) <= budget:
        return best.double() / best.sum()
    return _search(reference, rewards, budget, _tilt, _kl)


@wrong("10.3", "forgets the reference in the policy, so at a high price it is the even one")
def softmax_of_rewards(reference, rewards, budget):
    def policy_at(reference, unit, x):
        return (x * unit).softmax(0)

    return _search(reference, rewards, budget, policy_at, _kl)


@wrong("10.3", "divides by the spread of the rewards without asking whether it is 0")
def spread_of_nothing(reference, rewards, budget):
    unit = (rewards - rewards.max()) / (rewards.max() - rewards.min())
    best = unit == 0
    if best.any() and -math.log(float(reference[best].sum())) <= budget:
        return torch.where(best, reference, 0.0) / reference[best].sum()
    low, high = 0.0, 1e9
    for _ in range(90):
        middle = 0.5 * (low + high)
        if _kl(_tilt(reference, unit, middle), reference) <= budget:
            low = middle
        else:
            high = middle
    return _tilt(reference, unit, low)


@wrong("10.3", "mixes the reference with the favourites until the budget is spent, which is not the best policy")
def mixture_with_the_favourites(reference, rewards, budget):
    best = rewards == rewards.max()
    goal = torch.where(best, reference, 0.0) / reference[best].sum()
    low, high = 0.0, 1.0
    if _kl(goal, reference) <= budget:
        return goal
    for _ in range(80):
        share = (low + high) / 2
        if _kl((1 - share) * reference + share * goal, reference) > budget:
            high = share
        else:
            low = share
    return (1 - low) * reference + low * goal


@wrong("10.3", "halves an interval of a thousand million only thirty times, which is not exact to five digits")
def too_few_halvings(reference, rewards, budget):
    spread = rewards.max() - rewards.min()
    if spread == 0:
        return reference.clone()
    unit = (rewards - rewards.max()) / spread
    best = rewards == rewards.max()
    if -math.log(float(reference[best].sum())) <= budget:
        return torch.where(best, reference, 0.0) / reference[best].sum()
    low, high = 0.0, 1e9
    for _ in range(30):
        middle = (low + high) / 2
        if _kl(_tilt(reference, unit, middle), reference) > budget:
            high = middle
        else:
            low = middle
    return _tilt(reference, unit, (low + high) / 2)


@right("10.3")
def finer_and_finer_grids(reference, rewards, budget):
    if bool((rewards == rewards[0]).all()):
        return reference.clone()
    logs = reference.log()
    best = rewards == rewards.max()
    if budget >= -logs[best].logsumexp(0):
        return torch.where(best, logs, -math.inf).softmax(0)
    unit = (rewards - rewards.max()) / (rewards.max() - rewards.min())
    low, high = -40.0, math.log(1e12)
    for _ in range(14):
        grid = torch.linspace(low, high, 101, dtype=torch.float64)
        table = (logs + grid.exp()[:, None] * unit).log_softmax(1)
        far = (table.exp() * (table - logs)).sum(1)
        k = int((far <= budget).sum())
        low, high = float(grid[max(k - 1, 0)]), float(grid[min(k, 100)])
    return (logs + math.exp(low) * unit).softmax(0)


@right("10.3")
def price_by_geometric_halving(reference, rewards, budget):
    p, r = reference.numpy(), rewards.numpy()
    gap = r - r.max()
    top = gap == 0
    if top.all() or budget == 0:
        return torch.from_numpy(p.copy())
    if -np.log(p[top].sum()) <= budget:
        return torch.from_numpy(np.where(top, p, 0.0) / p[top].sum())
    gap = gap / -gap.min()
    cheap, dear = 1e-12, 1e18
    for _ in range(300):
        beta = math.sqrt(cheap * dear)
        with np.errstate(under="ignore"):
            q = p * np.exp(gap / beta)
        q = q / q.sum()
        some = q > 0
        if (q[some] * np.log(q[some] / p[some])).sum() > budget:
            cheap = beta
        else:
            dear = beta
    q = p * np.exp(gap / dear)
    return torch.from_numpy(q / q.sum())


# 10.4


def _climb(wins, met, pull, steps=5000):
    wins, met = wins.double(), met.double()
    m = torch.zeros(len(wins), dtype=torch.float64)
    step = (met.sum(1) / 2 + pull).clamp_min(1e-9)
    for _ in range(steps):
        expected = met * torch.sigmoid(m[:, None] - m[None, :])
        m = m + ((wins - expected).sum(1) - pull * m) / step
    return m


@wrong("10.4", "lets each pair that has met count the same, however many games it has played")
def every_pair_alike(wins, pull):
    met = wins + wins.T
    share = torch.where(met > 0, wins / met.clamp_min(1), 0.0)
    m = _climb(share, (met > 0).double(), pull)
    return m - m.mean()


@wrong("10.4", "takes the log-odds of each one's share of won games, whoever the games were against")
def log_odds_of_all_games(wins, pull):
    won, lost = wins.sum(1) + pull, wins.sum(0) + pull
    m = (won / lost.clamp_min(1e-12)).clamp_min(1e-12).log()
    return m - m.mean()


@wrong("10.4", "climbs a hundred short steps of one rate for all, and stops long before the top")
def stops_too_early(wins, pull):
    met = wins + wins.T
    m = torch.zeros(len(wins), dtype=wins.dtype)
    for _ in range(100):
        m = m + 0.01 * ((wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m)
    return m - m.mean()


@wrong("10.4", "takes 2 * pull * m for the slope of pull / 2 * m squared")
def pull_doubled(wins, pull):
    m = _climb(wins, wins + wins.T, 2 * pull)
    return m - m.mean()


@wrong("10.4", "forgets the pull, so the merit of one who has never lost grows and grows")
def no_pull_at_all(wins, pull):
    m = _climb(wins, wins + wins.T, 0.0)
    return m - m.mean()


@wrong("10.4", "sets the first one's merit to 0 instead of making them add up to 0")
def first_one_is_zero(wins, pull):
    m = _climb(wins, wins + wins.T, pull)
    return m - m[0]


@wrong("10.4", "gives the merits in Elo's points, 400 for a factor of ten, not in nats")
def in_elo_points(wins, pull):
    m = _climb(wins, wins + wins.T, pull)
    return 400 / math.log(10) * (m - m.mean())


@wrong("10.4", "adds the pull to the wins of every pair, as made-up games, instead of pulling at the merits")
def pull_as_made_up_games(wins, pull):
    extra = pull * (1 - torch.eye(len(wins), dtype=wins.dtype))
    more = wins + extra
    m = _climb(more, more + more.T, 0.0)
    return m - m.mean()


@right("10.4")
def newton_with_care(wins, pull):
    w = wins.numpy()
    met = w + w.T
    K = len(w)

    def cost(m):
        return (w * np.logaddexp(0, m[None, :] - m[:, None])).sum() + pull / 2 * (m**2).sum()

    m = np.zeros(K)
    for _ in range(200):
        chance = 1 / (1 + np.exp(m[None, :] - m[:, None]))
        slope = (w - met * chance).sum(1) - pull * m
        bend = met * chance * (1 - chance)
        np.fill_diagonal(bend, 0)
        hessian = np.diag(bend.sum(1) + pull) - bend + np.ones((K, K))
        step = np.linalg.solve(hessian, slope)
        length = 1.0
        while cost(m + length * step) > cost(m) - 1e-4 * length * slope @ step and length > 1e-10:
            length /= 2
        if length <= 1e-10:
            length = 1.0 if np.abs(step).max() < 1e-6 else 0.0
        m = m + length * step
    return torch.from_numpy(m - m.mean())


@right("10.4")
def lbfgs_on_the_formula(wins, pull):
    m = torch.zeros(len(wins), dtype=torch.float64, requires_grad=True)
    scale = float(wins.sum()) + pull + 1.0
    optimizer = torch.optim.LBFGS(
        [m], max_iter=3000, tolerance_grad=1e-14, tolerance_change=1e-18, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = -(wins * F.logsigmoid(m[:, None] - m[None, :])).sum() + pull / 2 * (m * m).sum()
        loss = loss / scale
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(closure)
    found = m.detach()
    return found - found.mean()
