"""Answers to the turns and questions of lesson 10; `tools/choose_answers.py` chose them."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong
from torch import nn


@right("10.preference_loss")
class AModule:
    def preference_loss(r_w, r_l):
        return -nn.LogSigmoid()(r_w - r_l).mean()


@right("10.preference_loss")
class CrossEntropyOfTwo:
    def preference_loss(r_w, r_l):
        logits = torch.stack([r_w, r_l], dim=1)
        return F.cross_entropy(logits, torch.zeros(len(r_w), dtype=torch.long))


@wrong("10.preference_loss", "raised NameError")
class WithoutItsModule:
    def preference_loss(r_w, r_l):
        return -logsigmoid(r_w - r_l).mean()  # noqa: F821


@wrong("10.preference_loss", "raised NameError")
class ABareSigmoid:
    def preference_loss(r_w, r_l):
        return -log(sigmoid(r_w - r_l)).mean()  # noqa: F821


@wrong("10.preference_loss", "raised NameError")
class NamesOfTheWeb:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(chosen - rejected).mean()  # noqa: F821


@wrong("10.preference_loss", "`preference_loss` raised ValueError")
class MathOnATensor:
    def preference_loss(r_w, r_l):
        return -math.log(1 / (1 + math.exp(r_l - r_w)))


@wrong("10.preference_loss", "raised AttributeError")
class AMethodThatThereIsnt:
    def preference_loss(r_w, r_l):
        return -(r_w - r_l).logsigmoid().mean()


@wrong("10.preference_loss", "`preference_loss` raised RuntimeError")
class PythonsMax:
    def preference_loss(r_w, r_l):
        return max(torch.zeros(len(r_w)), 1 - (r_w - r_l)).mean()


@wrong("10.preference_loss", "raised TypeError")
class Called:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w(0) - r_l(0))


@wrong("10.preference_loss", "The loss must be one number")
class KeepsAnAxis:
    def preference_loss(r_w, r_l):
        return F.softplus(r_l - r_w).mean(dim=0, keepdim=True)


@wrong("10.preference_loss", "`preference_loss` raised RuntimeError")
class FloatLabels:
    def preference_loss(r_w, r_l):
        return F.cross_entropy(torch.stack([r_w, r_l], dim=1), torch.zeros(len(r_w)))


@wrong("10.preference_loss", "Not finite: `exp` overflowed, or a probability was rounded to 0 before its logarithm.")
class NumpyOfATensor:
    def preference_loss(r_w, r_l):
        return -np.log(1 / (1 + np.exp(-(r_w - r_l)))).mean()


@wrong("10.preference_loss", "The result is right, but no model could learn through it: `r_w` gets no gradient.")
class ItsItem:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w - r_l).mean().item()


@wrong("10.preference_loss", "`preference_loss` raised NotImplementedError")
class SigmoidOfABoolean:
    def preference_loss(r_w, r_l):
        return -F.logsigmoid(r_w > r_l).mean()


@wrong("10.preference_loss", "changed the input")
class InPlace:
    def preference_loss(r_w, r_l):
        r_w -= r_l
        return F.softplus(-r_w).mean()


@wrong("10.preference_loss", "The result has ")
class CenteredAsInTrl:
    def preference_loss(r_w, r_l):
        loss = -F.logsigmoid(r_w - r_l).mean()
        return loss + 0.01 * torch.mean((r_w + r_l) ** 2)


@wrong("10.preference_loss", "range error")
class PurePython:
    def preference_loss(r_w, r_l):
        total = 0.0
        for a, b in zip(r_w.tolist(), r_l.tolist(), strict=True):
            total += math.log(1 + math.exp(b - a))
        return total / len(r_w)


@right("10.bayes_ceiling")
class Sorted:
    def bayes_ceiling(p):
        pairs = torch.sort(torch.stack([1 - p, p], dim=-1), dim=-1)[0]
        return float(pairs[:, 1].sum() / pairs.shape[0])


@right("10.bayes_ceiling")
class InNumpy:
    def bayes_ceiling(p):
        p = p.numpy()
        return np.where(p > 1 - p, p, 1 - p).mean()


@right("10.bayes_ceiling")
class ALoop:
    def bayes_ceiling(p):
        total = 0
        for x in p:
            total += max(x, 1 - x)
        return total / len(p)


@wrong("10.bayes_ceiling", "`bayes_ceiling` raised RuntimeError")
class AnIf:
    def bayes_ceiling(p):
        return (p if p > 0.5 else 1 - p).mean()


@wrong("10.bayes_ceiling", "raised TypeError")
class MaximumOfOne:
    def bayes_ceiling(p):
        return torch.maximum(p).mean()


@wrong("10.bayes_ceiling", "raised NameError")
class AnotherName:
    def bayes_ceiling(p):
        return np.maximum(p, q).mean()  # noqa: F821


@wrong("10.bayes_ceiling", "raised AttributeError")
class AList:
    def bayes_ceiling(p):
        return sum(p.max(1 - p)).average()


@wrong("10.bayes_ceiling", "`bayes_ceiling` raised TypeError")
class AListTimes:
    def bayes_ceiling(p):
        return [p, 1 - p] / len(p)


@wrong("10.bayes_ceiling", "The ceiling is one number")
class BothSides:
    def bayes_ceiling(p):
        return torch.stack([p, 1 - p]).mean(1)


@wrong("10.bayes_ceiling", "isn't an accuracy")
class LogLikelihood:
    def bayes_ceiling(p):
        return torch.maximum(p, 1 - p).log().mean()


@wrong("10.bayes_ceiling", "That's right for each pair. One number is asked for.")
class AListOfThem:
    def bayes_ceiling(p):
        return [max(x, 1 - x) for x in p]


@wrong("10.bayes_ceiling", "The result has ")
class TheAnswerOfThePage:
    def bayes_ceiling(p):
        return 0.847


@wrong("10.bayes_ceiling", "changed the input")
class TurnedRoundInPlace:
    def bayes_ceiling(p):
        p[p < 0.5] = 1 - p[p < 0.5]
        return p.mean()


@right("10.reward_at_end")
class AsAWeightedSum:
    def reward_at_end(hidden, mask, w):
        last = mask & (mask.flip(1).cumsum(1).flip(1) == 1)
        return torch.einsum("btc,bt,c->b", hidden, last.float(), w)


@right("10.reward_at_end")
class Rows:
    def reward_at_end(hidden, mask, w):
        rewards = []
        for h, m in zip(hidden, mask):
            rewards.append(h[m][-1] @ w)
        return torch.stack(rewards)


@wrong("10.reward_at_end", "`reward_at_end` raised RuntimeError")
class WrongProduct:
    def reward_at_end(hidden, mask, w):
        return (w @ hidden)[mask]


# Once taken for another mistake: The largest reward of any token is taken
@wrong("10.reward_at_end", "The largest reward of any token is taken.")
class MaxWithZerosAtPadding:
    def reward_at_end(hidden, mask, w):
        return ((hidden @ w) * mask).max(dim=1).values


@wrong("10.reward_at_end", "raised AttributeError")
class AnOutputOfTransformers:
    def reward_at_end(hidden, mask, w):
        return hidden.last_hidden_state[:, -1] @ w


@wrong("10.reward_at_end", "one number for all rows")
class AllRowsInOne:
    def reward_at_end(hidden, mask, w):
        return sum(h[m][-1] @ w for h, m in zip(hidden, mask, strict=True))


@wrong("10.reward_at_end", "is read at position")
class HalfWay:
    def reward_at_end(hidden, mask, w):
        return hidden[torch.arange(len(mask)), mask.sum(1) // 2] @ w


@wrong("10.reward_at_end", "`reward_at_end` raised RuntimeError")
class ArgmaxOfBooleans:
    def reward_at_end(hidden, mask, w):
        return hidden[torch.arange(len(mask)), mask.argmax(1)] @ w


@wrong("10.reward_at_end", "`reward_at_end` raised RuntimeError")
class StackOfUnequal:
    def reward_at_end(hidden, mask, w):
        return torch.stack([h[m] for h, m in zip(hidden, mask)])[:, -1] @ w


@wrong("10.reward_at_end", "raised NameError")
class ByPadId:
    def reward_at_end(hidden, mask, w):
        last = (ids != pad_id).sum(1) - 1  # noqa: F821
        return hidden[torch.arange(len(mask)), last] @ w


@wrong("10.reward_at_end", "raised RuntimeError")
class GatherWithoutAxes:
    def reward_at_end(hidden, mask, w):
        last = mask.sum(1) - 1
        return hidden.gather(1, last) @ w


@wrong("10.reward_at_end", "`reward_at_end` raised ValueError")
class OneIndexForAll:
    def reward_at_end(hidden, mask, w):
        last = int(mask.sum(1) - 1)
        return hidden[:, last] @ w


@wrong("10.reward_at_end", "raised TypeError")
class WIsALayer:
    def reward_at_end(hidden, mask, w):
        last = mask.sum(1) - 1
        return w(hidden[torch.arange(len(mask)), last]).squeeze(-1)


@wrong("10.reward_at_end", "changed the input")
class ZeroesTheInput:
    def reward_at_end(hidden, mask, w):
        hidden[~mask] = 0
        return (hidden @ w).sum(1)


@wrong("10.reward_at_end", "raised IndexError")
class TurnedBackOneTooFar:
    def reward_at_end(hidden, mask, w):
        last = mask.shape[1] - mask.flip(1).int().argmax(1)
        return hidden[torch.arange(len(mask)), last] @ w


@wrong("10.reward_at_end", "`reward_at_end` raised RuntimeError")
class ByDot:
    def reward_at_end(hidden, mask, w):
        last = (torch.arange(mask.shape[1]) * mask).argmax(1)
        return hidden[torch.arange(len(mask)), last].dot(w)


@wrong("10.reward_at_end", "The result has ")
class MinusThePrompt:
    def reward_at_end(hidden, mask, w):
        last = (torch.arange(mask.shape[1]) * mask).argmax(1)
        first = mask.int().argmax(1)
        rows = torch.arange(len(mask))
        return (hidden[rows, last] - hidden[rows, first]) @ w


# Once taken for another mistake: The largest reward of any token is taken
@wrong("10.reward_at_end", "The largest reward of any token is taken.")
class MaskedBeforeTheProduct:
    """Multiplies the positions by the rewards, not by the mask: the largest one is taken for the last."""

    def reward_at_end(hidden, mask, w):
        rewards = hidden @ w
        last = (rewards * mask).argmax(1)
        return rewards[torch.arange(len(mask)), last]


@wrong("10.reward_at_end", "`reward_at_end` raised RuntimeError")
class AnIfOnARow:
    def reward_at_end(hidden, mask, w):
        out = []
        for row, flags in zip(hidden, mask, strict=True):
            for t in range(len(row)):
                if flags:
                    end = t
            out.append(row[end] @ w)
        return torch.stack(out)


@right("10.1")
def in_numpy(x, prior):
    X, K = x.numpy(), x.shape[1]
    w = np.zeros(K)
    for _ in range(300):
        p = 1 / (1 + np.exp(-X @ w))
        H = (X.T * (p * (1 - p))) @ X + np.eye(K) / prior**2
        w = w - 0.3 * np.linalg.inv(H) @ (w / prior**2 - X.T @ (1 - p))
    return [w, np.sqrt(np.diag(np.linalg.inv(H)))]


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


def hessian(x, w, pull):
    P = torch.sigmoid(x @ w)
    return (x * (P * (1 - P))[:, None]).T @ x + pull * torch.eye(len(w), dtype=torch.float64)


@wrong("10.1", "The gradient at these weights is still up to")
def a_hundred_steps_of_a_hundredth(x, prior):
    w = torch.zeros(x.shape[1]).double()
    for _ in range(100):
        w = w - 0.01 * (w / prior**2 - x.T @ torch.sigmoid(-x @ w))
    return w, torch.linalg.inv(hessian(x, w, prior**-2)).diagonal().sqrt()


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


@wrong("10.1", "Two tensors are asked for")
def weights_alone(x, prior):
    return minimum(x, prior**-2)


@right("10.2")
def advantages_as_a_matrix(scores, log_probs, reference, values, counts, price, trace):
    """Row by row: the surprises times a triangular matrix of powers of trace."""
    out = torch.zeros_like(values)
    for b in range(len(scores)):
        n = int(counts[b].sum())
        V = values[b, :n].double().numpy()
        r = -price * (log_probs[b, :n].double() - reference[b, :n].double()).numpy()
        r[-1] += float(scores[b])
        surprise = r + np.append(V[1:], 0.0) - V
        gap = np.arange(n)[None, :] - np.arange(n)[:, None]
        powers = np.where(gap >= 0, float(trace) ** np.maximum(gap, 0), 0.0)
        out[b, :n] = torch.from_numpy(powers @ surprise).to(out.dtype)
    return out


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


@wrong("10.2", "advantages changed the input that it was given; work on a copy. It happens with")
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


@wrong("10.2", "The advantages are normalized: over a batch their mean is ")
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


def _lean(reference, rewards, force):
    return torch.softmax(reference.log() + force * (rewards - rewards.max()), 0)


@wrong("10.3", "The ")
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


@wrong("10.4", "The merits are on their way to the right ones, but have not come to rest. Go on")
def odds_of_all_games(wins, pull):
    won, lost = wins.sum(1), wins.sum(0)
    found = 0.5 * torch.log((won + pull / 2).clamp_min(1e-9) / (lost + pull / 2).clamp_min(1e-9))
    return found - found.mean()


@wrong("10.4", "merits changed the input that it was given; work on a copy. Open the next hint")
def met_is_wins(wins, pull):
    met = wins
    met += wins.T.clone()
    m = torch.zeros(len(wins)).double()
    for _ in range(2000):
        slope = (wins - met * torch.sigmoid(m[:, None] - m)).sum(1) - pull * m
        m = m + slope / (met.sum(1) / 2 + pull).clamp(min=1e-9)
    return m - m.mean()
