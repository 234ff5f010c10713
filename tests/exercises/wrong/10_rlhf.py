"""Answers to exercise 10 as learners write them."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 10.1 Weights with their errors


def minimum(x, pull, steps=20_000):
    """Weights by gradient descent on the sum, with a rate that is never too long."""
    w = torch.zeros(x.shape[1], dtype=torch.float64)
    rate = 1 / (x.square().sum() / 4 + pull)
    for _ in range(steps):
        gradient = pull * w - x.T @ torch.sigmoid(-x @ w)
        w = w - rate * gradient
        if gradient.abs().max() < 1e-10:
            break
    return w


def hessian(x, w, pull):
    P = torch.sigmoid(x @ w)
    return (x * (P * (1 - P))[:, None]).T @ x + pull * torch.eye(len(w), dtype=torch.float64)


@wrong("10.1", "The prior is missing, in the loss and in its curvature.")
def without_a_prior(x, prior):
    w = minimum(x, 0.0)
    return w, torch.linalg.pinv(hessian(x, w, 0.0)).diagonal().sqrt()


@wrong("10.1", "The prior isn't squared.")
def prior_as_a_variance(x, prior):
    w = minimum(x, 1 / prior)
    return w, torch.linalg.inv(hessian(x, w, 1 / prior)).diagonal().sqrt()


@wrong("10.1", "The prior's ½ is missing")
def penalty_without_its_half(x, prior):
    w = minimum(x, 2 / prior**2)
    return w, torch.linalg.inv(hessian(x, w, 2 / prior**2)).diagonal().sqrt()


@wrong("10.1", "it counts N times")
def mean_loss(x, prior):
    pull = len(x) / prior**2
    w = minimum(x, pull)
    return w, torch.linalg.inv(hessian(x, w, pull)).diagonal().sqrt()


@wrong("10.1", "a wide prior must penalize less")
def multiplied_by_the_prior(x, prior):
    w = minimum(x, prior**2)
    return w, torch.linalg.inv(hessian(x, w, prior**2)).diagonal().sqrt()


@wrong("10.1", "in the loss, and not in the curvature")
def curvature_of_the_clicks_alone(x, prior):
    w = minimum(x, prior**-2)
    return w, torch.linalg.pinv(hessian(x, w, 0.0)).diagonal().sqrt()


@wrong("10.1", "in the curvature, and not in the loss")
def prior_only_in_the_curvature(x, prior):
    w = minimum(x, 0.0)
    return w, torch.linalg.inv(hessian(x, w, prior**-2)).diagonal().sqrt()


@wrong("10.1", "isn't squared in the curvature")
def curvature_without_a_square(x, prior):
    w = minimum(x, prior**-2)
    return w, torch.linalg.inv(hessian(x, w, 1 / prior)).diagonal().sqrt()


@wrong("10.1", "a pair counts by P, not by")
def weighed_by_p(x, prior):
    w = minimum(x, prior**-2)
    P = torch.sigmoid(x @ w)
    H = x.T @ torch.diag(P) @ x + torch.eye(len(w)).double() / prior**2
    return w, torch.linalg.inv(H).diagonal().sqrt()


@wrong("10.1", "squares of gradients")
def outer_products_of_gradients(x, prior):
    w = minimum(x, prior**-2)
    each = x * torch.sigmoid(-x @ w)[:, None]
    H = each.T @ each + torch.eye(len(w)).double() / prior**2
    return w, torch.linalg.inv(H).diagonal().sqrt()


@wrong("10.1", "is missing")
def linear_regression(x, prior):
    w = minimum(x, prior**-2)
    H = x.T @ x + torch.eye(len(w)).double() / prior**2
    return w, torch.linalg.inv(H).diagonal().sqrt()


@wrong("10.1", "The curvature is that at w = 0")
def curvature_at_the_start(x, prior):
    w = minimum(x, prior**-2)
    return w, torch.linalg.inv(hessian(x, 0 * w, prior**-2)).diagonal().sqrt()


@wrong("10.1", "The errors are variances")
def variances(x, prior):
    w = minimum(x, prior**-2)
    return w, torch.linalg.inv(hessian(x, w, prior**-2)).diagonal()


@wrong("10.1", "Only the diagonal of H is inverted, so features")
def feature_by_feature(x, prior):
    w = minimum(x, prior**-2)
    return w, 1 / hessian(x, w, prior**-2).diagonal().sqrt()


@wrong("10.1", "H isn't inverted")
def not_inverted(x, prior):
    w = minimum(x, prior**-2)
    return w, hessian(x, w, prior**-2).diagonal().sqrt()


@wrong("10.1", "The second result is a matrix")
def whole_covariance(x, prior):
    w = minimum(x, prior**-2)
    return w, torch.linalg.inv(hessian(x, w, prior**-2))


@wrong("10.1", "divided by √N")
def by_root_n(x, prior):
    w, errors = scaled_newton(x, prior)
    return w, errors / math.sqrt(len(x))


@wrong("10.1", "half a 95% interval")
def interval(x, prior):
    w, errors = scaled_newton(x, prior)
    return w, 1.96 * errors


@wrong("10.1", "The weights have the wrong sign.")
def other_less_preferred(x, prior):
    w, errors = scaled_newton(-x, prior)
    return w, errors


@wrong("10.1", "The errors come first.")
def errors_first(x, prior):
    return scaled_newton(x, prior)[::-1]


@wrong("10.1", "Weights over errors come second.")
def z_scores(x, prior):
    w, errors = scaled_newton(x, prior)
    return w, w / errors


@wrong("10.1", "The gradient at these weights is still up to")
def a_hundred_steps_of_a_hundredth(x, prior):
    w = torch.zeros(x.shape[1]).double()
    for _ in range(100):
        w = w - 0.01 * (w / prior**2 - x.T @ torch.sigmoid(-x @ w))
    return w, torch.linalg.inv(hessian(x, w, prior**-2)).diagonal().sqrt()


@wrong("10.1", "Two tensors are asked for")
def weights_alone(x, prior):
    return minimum(x, prior**-2)


@wrong("10.1", "the features' standard deviations")
def spread_of_the_features(x, prior):
    return minimum(x, prior**-2), x.std(0)


@wrong("10.1", "The weights are right, and the errors aren't.")
def resampled(x, prior):
    rng = np.random.default_rng(0)
    fits = [minimum(x[torch.from_numpy(rng.integers(0, len(x), len(x)))], prior**-2, 300) for _ in range(20)]
    return minimum(x, prior**-2), torch.stack(fits).std(0)


@wrong("10.1", "multiplied by the prior, not divided by its square")
def pulled_by_the_prior(x, prior):
    w = minimum(x, prior)
    return w, torch.linalg.inv(hessian(x, w, prior)).diagonal().sqrt()


@wrong("10.1", "The prior is divided by N")
def prior_shared_by_the_pairs(x, prior):
    pull = prior**-2 / len(x)
    w = minimum(x, pull)
    return w, torch.linalg.inv(hessian(x, w, pull)).diagonal().sqrt()


@wrong("10.1", "isn't squared in the loss")
def loss_without_a_square(x, prior):
    w = minimum(x, 1 / prior)
    return w, torch.linalg.inv(hessian(x, w, prior**-2)).diagonal().sqrt()


@wrong("10.1", "The prior counts twice in the curvature")
def prior_added_twice(x, prior):
    w = minimum(x, prior**-2)
    H = hessian(x, w, prior**-2) + torch.eye(len(w)).double() / prior**2
    return w, torch.linalg.inv(H).diagonal().sqrt()


def weighed(x, prior, weigh):
    """With other weights of the pairs in the curvature."""
    w = minimum(x, prior**-2)
    H = (x.T * weigh(torch.sigmoid(x @ w))) @ x + torch.eye(len(w)).double() / prior**2
    return w, torch.linalg.inv(H).diagonal().sqrt()


@wrong("10.1", "a pair counts by 1 - P")
def weighed_by_surprise(x, prior):
    return weighed(x, prior, lambda P: 1 - P)


@wrong("10.1", "the root of P (1 - P)")
def weighed_by_the_root(x, prior):
    return weighed(x, prior, lambda P: (P * (1 - P)).sqrt())


@wrong("10.1", "Only the diagonal of H is inverted, and the root")
def diagonal_without_a_root(x, prior):
    w = minimum(x, prior**-2)
    return w, hessian(x, w, prior**-2).diagonal().reciprocal()


@wrong("10.1", "H is neither inverted")
def bends(x, prior):
    w = minimum(x, prior**-2)
    return w, hessian(x, w, prior**-2).diagonal()


@wrong("10.1", "roots of the eigenvalues")
def along_the_axes_of_the_ellipse(x, prior):
    w = minimum(x, prior**-2)
    return w, torch.linalg.eigvalsh(hessian(x, w, prior**-2)).rsqrt()


@wrong("10.1", "rows are summed")
def rows_of_the_inverse(x, prior):
    w = minimum(x, prior**-2)
    return w, torch.linalg.solve(hessian(x, w, prior**-2), torch.ones(len(w)).double()).abs().sqrt()


@wrong("10.1", "multiplied by √N")
def mean_curvature(x, prior):
    w = minimum(x, prior**-2)
    return w, torch.linalg.inv(hessian(x, w, prior**-2) / len(x)).diagonal().sqrt()


@wrong("10.1", "twice as large")
def two_standard_errors(x, prior):
    w, errors = scaled_newton(x, prior)
    return w, errors + errors


@wrong("10.1", "relative to the weights")
def relative_errors(x, prior):
    w, errors = scaled_newton(x, prior)
    return w, (errors / w).abs()


@right("10.1")
def scaled_newton(x, prior):
    w = torch.zeros(x.shape[1], dtype=torch.float64)
    for _ in range(200):
        gradient = w / prior**2 - x.T @ torch.sigmoid(-(x @ w))
        w = w - 0.5 * torch.linalg.solve(hessian(x, w, prior**-2), gradient)
    covariance = torch.linalg.solve(hessian(x, w, prior**-2), torch.eye(len(w)).double())
    return w, torch.sqrt(torch.diag(covariance))


@right("10.1")
def by_lbfgs_and_hessian(x, prior):
    w = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([w], max_iter=500, line_search_fn="strong_wolfe", tolerance_grad=1e-10)

    def loss(w=w):
        return F.softplus(-x @ w).sum() + (w / prior).square().sum() / 2

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    H = torch.autograd.functional.hessian(loss, w.detach())
    return w.detach(), H.inverse().diagonal().sqrt()


@right("10.1")
def in_numpy(x, prior):
    X, K = x.numpy(), x.shape[1]
    w = np.zeros(K)
    for _ in range(300):
        p = 1 / (1 + np.exp(-X @ w))
        H = (X.T * (p * (1 - p))) @ X + np.eye(K) / prior**2
        w = w - 0.3 * np.linalg.inv(H) @ (w / prior**2 - X.T @ (1 - p))
    return [w, np.sqrt(np.diag(np.linalg.inv(H)))]


# 10.2 Masked, and the padding still counts


def backwards(rewards, values, trace):
    out = torch.zeros_like(rewards)
    after, later = torch.zeros(len(rewards)), torch.zeros(len(rewards))
    for t in range(rewards.shape[1] - 1, -1, -1):
        later = rewards[:, t] + after - values[:, t] + trace * later
        after = values[:, t]
        out[:, t] = later
    return out


def with_scores(rewards, scores, counts):
    place = F.one_hot(counts.sum(1) - 1, counts.shape[1])
    return rewards + place * scores[:, None]


@wrong("10.2", "Only the result is masked")
def as_it_was(scores, log_probs, reference, values, counts, price, trace):
    rewards = with_scores(-price * (log_probs - reference), scores, counts)
    return backwards(rewards, values, trace).masked_fill(~counts, 0)


@wrong("10.2", "comes the value of the padding")
def only_the_prices(scores, log_probs, reference, values, counts, price, trace):
    prices = (-price * (log_probs - reference)).masked_fill(~counts, 0)
    return backwards(with_scores(prices, scores, counts), values, trace).masked_fill(~counts, 0)


@wrong("10.2", "padding still has a KL penalty")
def only_the_values(scores, log_probs, reference, values, counts, price, trace):
    rewards = with_scores(-price * (log_probs - reference), scores, counts)
    return backwards(rewards, values.masked_fill(~counts, 0), trace).masked_fill(~counts, 0)


@wrong("10.2", "at the end of the row")
def last_column(scores, log_probs, reference, values, counts, price, trace):
    rewards = (price * (reference - log_probs)).masked_fill(~counts, 0)
    rewards[:, -1] += scores
    return backwards(rewards, values.masked_fill(~counts, 0), trace).masked_fill(~counts, 0)


@wrong("10.2", "Leaving the reference is rewarded")
def price_added(scores, log_probs, reference, values, counts, price, trace):
    return by_rows(scores, log_probs, reference, values, counts, -price, trace)


@wrong("10.2", "has replaced the penalty")
def score_instead(scores, log_probs, reference, values, counts, price, trace):
    rewards = (price * (reference - log_probs)).masked_fill(~counts, 0)
    rewards[torch.arange(len(scores)), counts.sum(1) - 1] = scores
    return backwards(rewards, values.masked_fill(~counts, 0), trace)


@wrong("10.2", "0 times NaN")
def times_the_mask(scores, log_probs, reference, values, counts, price, trace):
    prices = -price * (log_probs - reference) * counts
    return backwards(with_scores(prices, scores, counts), values * counts, trace) * counts


@wrong("10.2", "change when a longer answer stands beside it")
def loop_starts_too_late(scores, log_probs, reference, values, counts, price, trace):
    rewards = with_scores(price * (reference - log_probs), scores, counts)
    values = values.masked_fill(~counts, 0)
    return backwards(rewards.masked_fill(~counts, 1.0), values, trace).masked_fill(~counts, 0)


@wrong("10.2", "The score stands at every token")
def score_at_every_token(scores, log_probs, reference, values, counts, price, trace):
    return backwards((price * (reference - log_probs) + scores[:, None]) * counts, values * counts, trace) * counts


@wrong("10.2", "Padding has an advantage")
def forgets_the_mask(scores, log_probs, reference, values, counts, price, trace):
    return backwards(with_scores(-price * (log_probs - reference), scores, counts), values, trace)


def with_penalty(penalty):
    """The right loop, with another penalty a token."""

    def advantages(scores, log_probs, reference, values, counts, price, trace):
        rewards = (-price * penalty(log_probs, reference)).masked_fill(~counts, 0)
        return backwards(with_scores(rewards, scores, counts), values.masked_fill(~counts, 0), trace) * counts

    return advantages


wrong("10.2", "k3")(with_penalty(lambda p, q: torch.exp(q - p) - 1 - (q - p)))
wrong("10.2", "is squared")(with_penalty(lambda p, q: (p - q) ** 2))
wrong("10.2", "k2")(with_penalty(lambda p, q: (p - q) ** 2 / 2))
wrong("10.2", "has lost its sign")(with_penalty(lambda p, q: (p - q).abs()))
wrong("10.2", "cut off at 0")(with_penalty(lambda p, q: (p - q).clamp(min=0)))
wrong("10.2", "The penalty is missing")(with_penalty(lambda p, q: 0 * p))
wrong("10.2", "not on its logarithm")(with_penalty(lambda p, q: p.exp() / q.exp()))
wrong("10.2", "on the probabilities")(with_penalty(lambda p, q: p.exp() - q.exp()))


def surprise_by_surprise(rewards, values, following, carried, order=reversed):
    out, ahead, after = torch.zeros_like(rewards), 0.0, torch.zeros(len(rewards))
    for t in order(range(rewards.shape[1])):
        ahead = rewards[:, t] + following * after - values[:, t] + carried * ahead
        out[:, t], after = ahead, values[:, t]
    return out


def cleaned(scores, log_probs, reference, values, counts, price):
    prices = (-price * (log_probs - reference)).masked_fill(~counts, 0)
    return with_scores(prices, scores, counts), values.masked_fill(~counts, 0)


@wrong("10.2", "`trace` also discounts")
def gamma_and_lambda(*tables):
    return surprise_by_surprise(*cleaned(*tables[:-1]), tables[-1], tables[-1]) * tables[4]


@wrong("10.2", "`trace` discounts the next value in place")
def trace_for_gamma(*tables):
    return surprise_by_surprise(*cleaned(*tables[:-1]), tables[-1], 1.0) * tables[4]


@wrong("10.2", "`trace` is not used")
def monte_carlo(*tables):
    return surprise_by_surprise(*cleaned(*tables[:-1]), 1.0, 1.0) * tables[4]


@wrong("10.2", "are not passed back")
def one_step(*tables):
    return surprise_by_surprise(*cleaned(*tables[:-1]), 1.0, 0.0) * tables[4]


@wrong("10.2", "next token's value is missing")
def nothing_expected(*tables):
    return surprise_by_surprise(*cleaned(*tables[:-1]), 0.0, tables[-1]) * tables[4]


@wrong("10.2", "These are returns")
def targets_of_the_value_head(*tables):
    rewards, values = cleaned(*tables[:-1])
    return (surprise_by_surprise(rewards, values, 1.0, tables[-1]) + values) * tables[4]


@wrong("10.2", "from the beginning to the end")
def forwards(*tables):
    return surprise_by_surprise(*cleaned(*tables[:-1]), 1.0, tables[-1], order=iter) * tables[4]


@wrong("10.2", "The score is missing")
def unscored(scores, *tables):
    return surprise_by_surprise(*cleaned(0 * scores, *tables[:-1]), 1.0, tables[-1]) * tables[3]


@wrong("10.2", "The score stands at the first token")
def score_in_front(scores, *tables):
    rewards, values = cleaned(0 * scores, *tables[:-1])
    rewards[:, 0] += scores
    return surprise_by_surprise(rewards, values, 1.0, tables[-1]) * tables[3]


@wrong("10.2", "The score of the first answer")
def one_score_for_all(scores, *tables):
    return surprise_by_surprise(*cleaned(0 * scores + scores[0], *tables[:-1]), 1.0, tables[-1]) * tables[3]


@wrong("10.2", "The advantages are normalized")
def whitened(scores, log_probs, reference, values, counts, price, trace):
    found = backwards(*cleaned(scores, log_probs, reference, values, counts, price), trace)
    return ((found - found[counts].mean()) / (found[counts].std(unbiased=False) + 1e-8)) * counts


@wrong("10.2", "Only the first answer of each batch is right")
def length_of_the_first(scores, log_probs, reference, values, counts, price, trace):
    rewards, values = cleaned(0 * scores, log_probs, reference, values, counts, price)
    rewards[:, counts[0].sum() - 1] += scores
    return backwards(rewards, values, trace) * counts


@wrong("10.2", "0 times NaN")
def noise_in_one_table(scores, log_probs, reference, values, counts, price, trace):
    return backwards(cleaned(scores, log_probs, reference, values, counts, price)[0], values * counts, trace) * counts


@right("10.2")
def by_rows(scores, log_probs, reference, values, counts, price, trace):
    rows = []
    for b, n in enumerate(counts.sum(1).tolist()):
        value = [*values[b, :n].tolist(), 0.0]
        row, later = [0.0] * counts.shape[1], 0.0
        for t in range(n - 1, -1, -1):
            reward = price * (reference[b, t].item() - log_probs[b, t].item()) + (scores[b].item() if t == n - 1 else 0)
            row[t] = later = reward + value[t + 1] - value[t] + trace * later
        rows.append(row)
    return rows


@right("10.2")
def the_loop_skips_padding(scores, log_probs, reference, values, counts, price, trace):
    out = torch.zeros(values.shape, dtype=torch.float64)
    after, later, ended = torch.zeros(len(scores)), torch.zeros(len(scores)), torch.zeros(len(scores)).bool()
    for t in range(values.shape[1] - 1, -1, -1):
        here = counts[:, t]
        reward = price * (reference[:, t] - log_probs[:, t]) + torch.where(ended, 0.0, scores)
        now = reward + after - values[:, t] + trace * later
        after, later = torch.where(here, values[:, t], after), torch.where(here, now, later)
        ended = ended | here
        out[:, t] = torch.where(here, now, 0.0)
    return out


# 10.3 The best policy for a budget


def divergence(p, q):
    return (p * (p.clamp_min(1e-300) / q).log()).sum()


def search(reference, rewards, budget, start=None, far=divergence):
    """Halves an interval of logarithms of prices, in units of the spread of the rewards."""
    start = reference if start is None else start
    unit = (rewards - rewards.max()) / ((rewards.max() - rewards.min()) or 1)
    cheap, dear = -18.0, 15.0
    for _ in range(100):
        price = math.exp((cheap + dear) / 2)
        policy = (start.log() + unit / price).softmax(0)
        if far(policy, start) > budget:
            cheap = math.log(price)
        else:
            dear = math.log(price)
    return (start.log() + unit / math.exp(dear)).softmax(0)


@wrong("10.3", "as if it were beta")
def budget_is_price(reference, rewards, budget):
    shares = reference * torch.exp((rewards - rewards.max()) / budget)
    return shares / shares.sum()


@wrong("10.3", "the other way round")
def reversed_kl(reference, rewards, budget):
    return search(reference, rewards, budget, far=lambda p, q: (q * (q / p.clamp_min(1e-300)).log()).sum())


@wrong("10.3", "The reference is forgotten")
def softmax_of_rewards(reference, rewards, budget):
    return search(reference, rewards, budget, start=torch.full_like(reference, 1 / len(reference)))


@wrong("10.3", "mixed")
def a_little_of_the_favourite(reference, rewards, budget):
    best = F.one_hot(rewards.argmax(), len(rewards)).double()
    low, high = 0.0, 1.0
    for _ in range(60):
        share = (low + high) / 2
        if divergence(torch.lerp(reference, best, share), reference) <= budget:
            low = share
        else:
            high = share
    return torch.lerp(reference, best, low)


@wrong("10.3", "softmax of the rewards alone")
def softmax_within(reference, rewards, budget):
    unit = (rewards - rewards.max()) / (rewards.max() - rewards.min())
    low, high = 0.0, 300.0
    for _ in range(80):
        rate = (low + high) / 2
        if divergence((unit * rate).softmax(0), reference) <= budget:
            low = rate
        else:
            high = rate
    return (unit * low).softmax(0)


@wrong("10.3", "1 / beta")
def budget_is_rate(reference, rewards, budget):
    shares = reference * torch.exp(budget * rewards)
    return shares / shares.sum()


@wrong("10.3", "Only the best answers are left")
def greedy(reference, rewards, budget):
    return F.one_hot(rewards.argmax(), len(rewards))


@wrong("10.3", "from equal probabilities")
def entropy_for_distance(reference, rewards, budget):
    return search(reference, rewards, budget, far=lambda p, q: math.log(len(p)) + torch.special.xlogy(p, p).sum())


@wrong("10.3", "bits in place of nats")
def in_bits(reference, rewards, budget):
    return search(reference, rewards, budget, far=lambda p, q: divergence(p, q) / math.log(2))


@wrong("10.3", "Some of it is left")
def rate_of_a_thousand_at_most(reference, rewards, budget):
    unit = (rewards - rewards.max()) / ((rewards.max() - rewards.min()) or 1)
    best = reference * (unit == 0)
    if -best.sum().log() <= budget:
        return best / best.sum()
    low, high = 0.0, 1000.0
    for _ in range(80):
        rate = (low + high) / 2
        if divergence((reference.log() + unit * rate).softmax(0), reference) <= budget:
            low = rate
        else:
            high = rate
    return (reference.log() + unit * low).softmax(0)


@wrong("10.3", "Was the KL NaN")
def nan_is_near_enough(reference, rewards, budget):
    unit = (rewards - rewards.max()) / ((rewards.max() - rewards.min()) or 1)
    low, high = 0.0, 1e9
    for _ in range(90):
        shares = reference * torch.exp((low + high) / 2 * unit)
        policy = shares / shares.sum()
        if (policy * (policy / reference).log()).sum() > budget:
            high = (low + high) / 2
        else:
            low = (low + high) / 2
    return policy


@wrong("10.3", "Only one of several best answers")
def one_hot_at_the_end(reference, rewards, budget):
    if budget >= -math.log(reference[rewards.argmax()]):
        return F.one_hot(rewards.argmax(), len(rewards))
    return search(reference, rewards, budget)


@wrong("10.3", "All best answers are equally likely")
def divided_among_favourites(reference, rewards, budget):
    best = [reward == max(rewards.tolist()) for reward in rewards.tolist()]
    if budget >= -math.log(sum(p for p, good in zip(reference.tolist(), best, strict=True) if good)):
        return [good / sum(best) for good in best]
    return search(reference, rewards, budget)


@wrong("10.3", "nats from the reference, with a budget of")
def prices_of_the_dial(reference, rewards, budget):
    for price in (0.01, 0.03, 0.1, 0.2, 0.5, 1.0, 3.0, 10.0):
        policy = (reference.log() + rewards / price).softmax(0)
        if divergence(policy, reference) <= budget:
            return policy
    return reference


@wrong("10.3", "with a budget of 0.")
def a_nat_for_a_hundred_points_at_most(reference, rewards, budget):
    cheap, dear = 1e-9, 100.0
    for _ in range(100):
        price = (cheap + dear) / 2
        shares = reference * torch.exp((rewards - rewards.max()) / price)
        policy = shares / shares.sum()
        if divergence(policy, reference) > budget:
            cheap = price
        else:
            dear = price
    return policy


@wrong("10.3", "The policy is not a number")
def powers_of_thousands(reference, rewards, budget):
    low, high = 0.0, 1e6
    for _ in range(100):
        factor = (low + high) / 2
        shares = reference * torch.exp(factor * rewards)
        policy = shares / shares.sum()
        if divergence(policy, reference) > budget:
            high = factor
        else:
            low = factor
    return policy


@wrong("10.3", "The probabilities add up to")
def not_divided(reference, rewards, budget):
    return reference * torch.exp((rewards - rewards.max()) / max(budget, 0.1))


@right("10.3")
def by_logarithms_of_prices(reference, rewards, budget):
    return search(reference, rewards, budget)


@right("10.3")
def by_the_dual(reference, rewards, budget):
    """By golden-section search on the dual, min over eta of eta * budget + eta * log E[e^(r / eta)]."""
    r = (rewards - rewards.max()).double().numpy()
    spread = -r.min() if r.min() < 0 else 1.0
    p, r = reference.double().numpy(), r / spread

    def dual(log_eta):
        eta = math.exp(log_eta)
        return eta * budget + eta * math.log(float(np.sum(p * np.exp(r / eta))))

    low, high, golden = -16.0, 18.0, (math.sqrt(5) - 1) / 2
    for _ in range(200):
        a, b = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, b) if dual(a) < dual(b) else (a, high)
    # The least of a flat curve is known to half of the digits; the rest comes from the KL itself.
    low, high = low - 0.01, high + 0.01
    for _ in range(80):
        middle = (low + high) / 2
        q = p * np.exp(r / math.exp(middle))
        q = q / q.sum()
        spent = float(np.sum(np.where(q > 0, q * np.log(np.maximum(q, 1e-300) / p), 0)))
        low, high = (low, middle) if spent <= budget else (middle, high)
    return q


@wrong("10.3", "The policy is not a number")
def powers_of_the_rewards_as_they_are(reference, rewards, budget):
    best = reference * (rewards == rewards.max())
    if -best.sum().log() <= budget:
        return best / best.sum()
    low, high = 0.0, 100 / (rewards.max() - rewards.min())
    for _ in range(100):
        middle = (low + high) / 2
        policy = reference * (middle * rewards).exp()
        policy = policy / policy.sum()
        far = (policy * (policy / reference).log()).nan_to_num().sum()
        low, high = (middle, high) if far <= budget else (low, middle)
    return policy


@wrong("10.3", "nearly equal are taken for equal")
def close_to_the_best(reference, rewards, budget):
    best = torch.where(torch.isclose(rewards, rewards.max()), reference, 0.0)
    if -best.sum().log() <= budget:
        return best / best.sum()
    lag = (rewards - rewards.max()) / (rewards.max() - rewards.min())
    low, high = 0.0, 1e9
    for _ in range(200):
        middle = (low + high) / 2
        policy = (reference.log() + middle * lag).softmax(0)
        spent = torch.special.xlogy(policy, policy / reference).sum()
        low, high = (low, middle) if spent > budget else (middle, high)
    return (reference.log() + low * lag).softmax(0)


# 10.4 A league in which not all have met


def descend(wins, pull, met=None, heard=None, rate=1.0, steps=1500):
    heard = wins if heard is None else heard
    met = wins + wins.T if met is None else met
    m = torch.zeros(len(wins)).double()
    for _ in range(steps):
        chance = 1 / (1 + torch.exp(m[None] - m[:, None]))
        step = rate * ((heard - met * chance).sum(1) - pull * m) / (met.sum(1) / 2 + pull).clamp_min(1e-9)
        m = m + step
        if step.abs().max() < 1e-12:
            break
    return m - m.mean()


@wrong("10.4", "Who loses gets the points")
def columns_first(wins, pull):
    return descend(wins.T, pull)


@wrong("10.4", "the share of games")
def percentage(wins, pull):
    return [float(wins[a].sum() / (wins[a].sum() + wins[:, a].sum())) for a in range(len(wins))]


@wrong("10.4", "log-odds of all games")
def log_of_ratio(wins, pull):
    raw = wins.sum(dim=1).log() - wins.sum(dim=0).log()
    return raw - raw.mean()


@wrong("10.4", "The last one has the merit 0")
def measured_from_the_last(wins, pull):
    found = descend(wins, pull)
    return found - found[-1]


@wrong("10.4", "Each pair counts the same")
def pairs_not_games(wins, pull):
    met = wins + wins.T
    return descend(wins, pull, (met > 0).double(), torch.nan_to_num(wins / met))


@wrong("10.4", "count as a draw")
def half_a_win_each(wins, pull):
    met = wins + wins.T
    strangers = (met == 0).double().fill_diagonal_(0)
    return descend(wins, pull, met + strangers, wins + strangers / 2)


@wrong("10.4", "A merit is not a number")
def zero_by_zero(wins, pull):
    met = wins + wins.T
    met.fill_diagonal_(1)
    return descend(wins, pull, heard=met * (wins / met))


@wrong("10.4", "losses are averaged")
def mean_over_games(wins, pull):
    games = wins.sum()
    return descend(wins / max(games, 1), pull) if pull else descend(wins, pull)


@wrong("10.4", "twice as strong")
def slope_of_the_square(wins, pull):
    return descend(wins, pull * 2)  # d/dm of m²


@wrong("10.4", "A game is added")
def one_win_for_everybody(wins, pull):
    return descend(wins + 1, pull)


@wrong("10.4", "less the mean, not a merit")
def percentage_above_half(wins, pull):
    return [one - 0.5 for one in percentage(wins, pull)]


@wrong("10.4", "less those that were lost")
def balance(wins, pull):
    return wins.sum(1) - wins.sum(0)


@wrong("10.4", "scaled to sum to 1")
def shares_of_strength(wins, pull):
    return torch.softmax(descend(wins, pull), 0)


@wrong("10.4", "have not come to rest")
def a_hundred_small_steps(wins, pull):
    return descend(wins, pull, rate=0.02, steps=100)


@wrong("10.4", "Player 0 has the merit 0")
def measured_from_the_first(wins, pull):
    found = descend(wins, pull)
    return found - found[0]


@wrong("10.4", "Are the steps too long there?")
def one_rate_for_all(wins, pull):
    m = torch.zeros(len(wins)).double()
    for _ in range(2000):
        m = m + 0.1 * ((wins - (wins + wins.T) * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m)
    return m - m.mean()


@wrong("10.4", "half as strong")
def half_of_the_pull(wins, pull):
    return descend(wins, pull / 2)


@wrong("10.4", "The merits run away")
def no_pull(wins, pull):
    return descend(wins, 0.0)


@wrong("10.4", "come to rest")
def too_few_steps(wins, pull):
    return descend(wins, pull, rate=0.1, steps=200)


@wrong("10.4", "The merits add up to")
def zero_is_the_first(wins, pull):
    found = descend(wins, pull)
    return found - found[0]


@right("10.4")
def by_autograd(wins, pull):
    m = torch.zeros(len(wins), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([m], max_iter=100, tolerance_grad=1e-8, tolerance_change=1e-12)

    def closure():
        optimizer.zero_grad()
        loss = -(wins * F.logsigmoid(m[:, None] - m)).sum() + pull / 2 * m.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return (m - m.mean()).detach()


@right("10.4")
def by_turns(wins, pull):
    """Newton's step for one merit after the other."""
    won, met = wins.sum(1).tolist(), (wins + wins.T).numpy()
    m = np.zeros(len(won))
    for _ in range(400):
        for a in range(len(m)):
            chance = 1 / (1 + np.exp(m - m[a]))
            slope = won[a] - met[a] @ chance - pull * m[a]
            m[a] += slope / (met[a] @ (chance * (1 - chance)) + pull)
    return m - m.mean()


def climbed(wins, pull, steps):
    met, found = wins + wins.T, torch.zeros(len(wins)).double()
    for _ in range(steps):
        slope = (wins - met * torch.sigmoid(found[:, None] - found)).sum(1) - pull * found
        step = slope / (met.sum(1) / 2 + pull)
        found = found + step
        if step.abs().max() < 1e-12:
            break
    return found - found.mean()


@wrong("10.4", "come to rest")
def two_hundred_steps(wins, pull):
    return climbed(wins, pull, 200)


@wrong("10.4", "173.7 times as large")
def in_points_of_elo(wins, pull):
    return climbed(wins, pull, 1500) * 400 / math.log(10)


@wrong("10.4", "Half a game is added")
def half_a_game_added(wins, pull):
    return climbed(wins + 0.5 * (1 - torch.eye(len(wins))), pull, 1500)


@wrong("10.4", "e to the merits")
def chances_as_odds(wins, pull):
    found = climbed(wins, pull, 1500).exp()
    return found - found.mean()


# Answers from the text alone


@wrong("10.2", "0 times NaN is NaN.")
def tables_times_the_mask(scores, log_probs, reference, values, counts, price, trace):
    m = counts.float()
    rewards = -price * (log_probs - reference) * m
    values = values * m
    rewards[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    out = torch.zeros_like(values)
    v = a = torch.zeros(len(scores))
    for t in reversed(range(values.shape[1])):
        a = rewards[:, t] + v - values[:, t] + trace * a
        out[:, t], v = a, values[:, t]
    return out * m


@wrong("10.2", "Only the result is masked: values and penalties at the padding still flow to the left.")
def nan_to_num_only(scores, log_probs, reference, values, counts, price, trace):
    def clean(x):
        return torch.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0)

    rewards = -price * (clean(log_probs) - clean(reference))
    values = clean(values)
    rewards[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    out = torch.zeros_like(values)
    v = a = torch.zeros(len(scores))
    for t in reversed(range(values.shape[1])):
        a = rewards[:, t] + v - values[:, t] + trace * a
        out[:, t], v = a, values[:, t]
    return torch.where(counts, out, 0.0)


@wrong("10.2", "The score stands at the end of the row, not at the end of the answer.")
def score_in_the_last_column(scores, log_probs, reference, values, counts, price, trace):
    rewards = torch.where(counts, -price * (log_probs - reference), 0.0)
    values = torch.where(counts, values, 0.0)
    rewards[:, -1] += scores
    out = torch.zeros_like(values)
    v = a = torch.zeros(len(scores))
    for t in reversed(range(values.shape[1])):
        a = rewards[:, t] + v - values[:, t] + trace * a
        out[:, t], v = a, values[:, t]
    return torch.where(counts, out, 0.0)


@wrong("10.2", "`trace` also discounts the value that is expected next.")
def trace_as_discount(scores, log_probs, reference, values, counts, price, trace):
    rewards = torch.where(counts, -price * (log_probs - reference), 0.0)
    values = torch.where(counts, values, 0.0)
    rewards[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    out = torch.zeros_like(values)
    v = a = torch.zeros(len(scores))
    for t in reversed(range(values.shape[1])):
        a = rewards[:, t] + trace * v - values[:, t] + trace * a
        out[:, t], v = a, values[:, t]
    return torch.where(counts, out, 0.0)


@wrong("10.2", "Behind the last token its own value is expected, not 0.")
def bootstrapped(scores, log_probs, reference, values, counts, price, trace):
    out = torch.zeros_like(values)
    for b in range(len(scores)):
        n = int(counts[b].sum())
        a, v = 0.0, values[b, n - 1]
        for t in reversed(range(n)):
            reward = -price * (log_probs[b, t] - reference[b, t]) + (scores[b] if t == n - 1 else 0)
            a = reward + v - values[b, t] + trace * a
            out[b, t], v = a, values[b, t]
    return out


@wrong("10.2", "The score stands at every token.")
def score_everywhere(scores, log_probs, reference, values, counts, price, trace):
    rewards = torch.where(counts, -price * (log_probs - reference) + scores[:, None], 0.0)
    values = torch.where(counts, values, 0.0)
    out = torch.zeros_like(values)
    v = a = torch.zeros(len(scores))
    for t in reversed(range(values.shape[1])):
        a = rewards[:, t] + v - values[:, t] + trace * a
        out[:, t], v = a, values[:, t]
    return torch.where(counts, out, 0.0)


@wrong("10.2", "These are returns: the values are added to the advantages again.")
def returns(scores, log_probs, reference, values, counts, price, trace):
    rewards = torch.where(counts, -price * (log_probs - reference), 0.0)
    values = torch.where(counts, values, 0.0)
    rewards[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    out = torch.zeros_like(values)
    v = a = torch.zeros(len(scores))
    for t in reversed(range(values.shape[1])):
        a = rewards[:, t] + v - values[:, t] + trace * a
        out[:, t], v = a + values[:, t], values[:, t]
    return torch.where(counts, out, 0.0)


def _kl(p, q):
    return torch.special.xlogy(p, p / q).sum()


def _search(reference, rewards, spent, budget, top=1e9, rounds=200):
    scale = rewards.max() - rewards.min()
    if scale == 0:
        return reference.clone()
    r = (rewards - rewards.max()) / scale
    low, high = 0.0, top
    for _ in range(rounds):
        x = (low + high) / 2
        policy = (reference.log() + x * r).softmax(0)
        low, high = (x, high) if spent(policy) < budget else (low, x)
    return policy


@wrong("10.3", "The KL is measured the other way round: a mean under the reference, not under the policy.")
def reverse_kl(reference, rewards, budget):
    return _search(reference, rewards, lambda p: _kl(reference, p.clamp(min=1e-300)), budget)


@wrong("10.3", "The budget is used as if it were beta.")
def budget_as_price(reference, rewards, budget):
    r = rewards - rewards.max()
    return (reference.log() + r / max(budget, 1e-12)).softmax(0)


@wrong("10.3", ". It is a softmax of the rewards alone, without p_ref.")
def without_reference(reference, rewards, budget):
    r = (rewards - rewards.max()) / max(float(rewards.max() - rewards.min()), 1e-12)
    low, high = 0.0, 1e9
    for _ in range(200):
        x = (low + high) / 2
        policy = (x * r).softmax(0)
        low, high = (x, high) if _kl(policy, reference) < budget else (low, x)
    return policy


@wrong("10.3", "Reference and best answer are mixed, which moves towards the best answer alone.")
def mixture(reference, rewards, budget):
    best = torch.where(rewards == rewards.max(), reference, 0.0)
    best = best / best.sum()
    if _kl(best, reference) <= budget:
        return best
    low, high = 0.0, 1.0
    for _ in range(100):
        x = (low + high) / 2
        policy = (1 - x) * reference + x * best
        low, high = (x, high) if _kl(policy, reference) < budget else (low, x)
    return policy


@wrong("10.3", "Only one of several best answers is left.")
def one_favourite(reference, rewards, budget):
    best = rewards.argmax()
    if -reference[best].log() <= budget:
        return F.one_hot(best, len(rewards)).double()
    return _search(reference, rewards, lambda p: _kl(p, reference), budget)


@wrong("10.3", ". Some of it is left. It is the best one for 1 / beta = 1e+03: does your search end")
def no_unit(reference, rewards, budget):
    r = rewards - rewards.max()
    low, high = 0.0, 1000.0
    for _ in range(100):
        x = (low + high) / 2
        policy = (reference.log() + x * r).softmax(0)
        low, high = (x, high) if _kl(policy, reference) < budget else (low, x)
    return policy


@wrong("10.3", "That is bits in place of nats.")
def bits(reference, rewards, budget):
    return _search(reference, rewards, lambda p: _kl(p, reference) / math.log(2), budget)


def _ascend(wins, slope_of, rate, steps=20_000):
    m = torch.zeros(len(wins), dtype=torch.float64)
    for _ in range(steps):
        m = m + slope_of(m) * rate
    return m


@wrong("10.4", "Each pair counts the same, however often it met.")
def pairs_count_the_same(wins, pull):
    met = wins + wins.T
    share = torch.where(met > 0, wins / met.clamp(min=1), 0.0)
    has = (met > 0).double()

    def slope(m):
        return (share - has * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m

    m = _ascend(wins, slope, 1 / (has.sum(1) / 2 + pull).clamp(min=0.5), 5000)
    return m - m.mean()


@wrong("10.4", "The pull is twice as strong: the slope of pull / 2 · m² is pull · m.")
def double_pull(wins, pull):
    met = wins + wins.T

    def slope(m):
        return (wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - 2 * pull * m

    m = _ascend(wins, slope, 1 / (met.sum(1) / 2 + 2 * pull), 5000)
    return m - m.mean()


@wrong("10.4", ", but their differences are right. Player 0 has the merit 0.")
def first_is_zero(wins, pull):
    met = wins + wins.T

    def slope(m):
        return (wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m

    m = _ascend(wins, slope, 1 / (met.sum(1) / 2 + pull), 5000)
    return m - m[0]


@wrong("10.4", "The merits are on their way to the right ones, but have not come to rest.")
def few_steps(wins, pull):
    met = wins + wins.T

    def slope(m):
        return (wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m

    m = _ascend(wins, slope, 0.01, 100)
    return m - m.mean()


@wrong("10.4", "`pull` games are added to the wins on each side of every pair; nothing pulls at the")
def imagined_games(wins, pull):
    wins = wins + pull * (1 - torch.eye(len(wins), dtype=torch.float64))
    met = wins + wins.T

    def slope(m):
        return (wins - met * torch.sigmoid(m[:, None] - m)).sum(1)

    m = _ascend(wins, slope, 1 / (met.sum(1) / 2), 5000)
    return m - m.mean()


@wrong("10.4", "It is the log-odds of all games together, which knows nothing of the opponents' merits.")
def log_odds_of_the_share(wins, pull):
    won, lost = wins.sum(1) + pull / 2, wins.sum(0) + pull / 2
    m = (won / lost).log()
    return m - m.mean()


@wrong("10.4", "All merits are 173.7 times as large as they should be. Are these Elo points, 400 for a")
def elo_points(wins, pull):
    met = wins + wins.T

    def slope(m):
        return (wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m

    m = _ascend(wins, slope, 1 / (met.sum(1) / 2 + pull), 5000)
    return (m - m.mean()) * 400 / math.log(10)


@right("10.2")
def answer_by_answer(scores, log_probs, reference, values, counts, price, trace):
    rows = []
    for b, n in enumerate(counts.sum(1).tolist()):
        rewards = -price * (log_probs[b, :n].double() - reference[b, :n].double())
        rewards[-1] += scores[b]
        v = torch.cat([values[b, :n].double(), torch.zeros(1, dtype=torch.float64)])
        surprise = rewards + v[1:] - v[:-1]
        row = [sum(trace ** (k - t) * surprise[k].item() for k in range(t, n)) for t in range(n)]
        rows.append(row + [0.0] * (counts.shape[1] - n))
    return torch.tensor(rows)


@right("10.3")
def bisect_the_logarithm_of_beta(reference, rewards, budget):
    r = rewards - rewards.max()
    best = torch.where(r == 0, reference, torch.zeros_like(reference))
    best = best / best.sum()
    if float(torch.special.xlogy(best, best / reference).sum()) <= budget:
        return best
    scale = -float(r.min())
    low, high = math.log(scale) - 40, math.log(scale) + 40
    for _ in range(300):
        x = (low + high) / 2
        policy = torch.softmax(reference.log() + r / math.exp(x), 0)
        if float(torch.special.xlogy(policy, policy / reference).sum()) > budget:
            low = x
        else:
            high = x
    return policy.numpy()


@right("10.4")
def by_newton(wins, pull):
    K = len(wins)
    W = wins.numpy()
    met = W + W.T
    m = np.zeros(K)
    for _ in range(200):
        p = 1 / (1 + np.exp(-(m[:, None] - m[None])))
        slope = (W - met * p).sum(1) - pull * m
        c = met * p * (1 - p)
        H = np.diag(c.sum(1) + pull) - c + (np.ones((K, K)) if pull == 0 else 0)
        step = np.linalg.solve(H, slope)
        m = m + step * min(1, 1 / np.abs(step).max()) if np.abs(step).max() > 0 else m
    return m - m.mean()


@wrong("10.2", "padding")
def only_nan_is_replaced(scores, log_probs, reference, values, counts, price, trace):
    rewards = torch.where(counts, -price * (log_probs - reference), 0.0)
    values = values.masked_fill(values.isnan(), 0.0)
    rewards[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    out = torch.zeros_like(values)
    v = a = torch.zeros(len(scores))
    for t in reversed(range(values.shape[1])):
        a = rewards[:, t] + v - values[:, t] + trace * a
        out[:, t], v = a, values[:, t]
    return torch.where(counts, out, 0.0)


@wrong("10.4", "Half of `pull` games are added")
def half_of_imagined_games(wins, pull):
    wins = wins + pull / 2 * (1 - torch.eye(len(wins), dtype=torch.float64))
    met = wins + wins.T
    m = torch.zeros(len(wins), dtype=torch.float64)
    for _ in range(20_000):
        m = m + (wins - met * torch.sigmoid(m[:, None] - m)).sum(1) / (met.sum(1) / 2)
    return m - m.mean()


@wrong("10.2", "An answer's advantages change when a longer answer stands beside it.")
def nan_becomes_zero_at_the_end(scores, log_probs, reference, values, counts, price, trace):
    rewards, values = -price * (log_probs - reference) * counts, values * counts
    rewards[torch.arange(len(scores)), counts.sum(1) - 1] += scores
    out = torch.zeros_like(values)
    v = a = torch.zeros(len(scores))
    for t in reversed(range(values.shape[1])):
        a = rewards[:, t] + v - values[:, t] + trace * a
        out[:, t], v = a, values[:, t]
    return (out * counts).nan_to_num(0.0)


@wrong("10.1", "The loss and H are means over the pairs: the prior counts N times as much.")
def means_of_all(x, prior):
    w = torch.zeros(x.shape[1]).double()
    for _ in range(200):
        p = torch.sigmoid(x @ w)
        H = (x.T * (p * (1 - p))) @ x / len(x) + torch.eye(len(w)).double() / prior**2
        step = torch.linalg.solve(H, w / prior**2 - x.T @ (1 - p) / len(x))
        w = w - step / max(1.0, step.abs().max().item())
    return w, torch.linalg.inv(H).diagonal().sqrt()
