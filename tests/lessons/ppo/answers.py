"""Answers to the turns and questions of lesson 10b; `tools/choose_answers.py` chose them."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong
from torch.nn.utils.rnn import pad_sequence


@right("10b.token_rewards")
class Numpy:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        m = mask.numpy()
        out = -beta * (log_p.numpy() - log_p_ref.numpy()) * m
        ends = m.cumsum(axis=1).argmax(axis=1)
        out[np.arange(len(out)), ends] += score.numpy()
        return torch.from_numpy(out)


@right("10b.token_rewards")
class ByADifferenceOfTheMask:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        m = F.pad(mask.float(), (0, 1))
        ends = m[:, :-1] - m[:, 1:]
        return beta * (log_p_ref - log_p) * mask + torch.einsum("b,bt->bt", score, ends)


@right("10b.token_rewards")
class Padded:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rows = []
        for b in range(len(mask)):
            row = (log_p_ref[b] - log_p[b])[mask[b]] * beta
            rows.append(torch.cat([row[:-1], row[-1:] + score[b]]))
        return pad_sequence(rows, batch_first=True)


@wrong("10b.token_rewards", "`token_rewards` raised TypeError")
class CalledAsAFunction:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        return -beta * (log_p - log_p_ref) * mask(1)


@wrong("10b.token_rewards", "`token_rewards` raised RuntimeError")
class ScoreAddedToRows:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        return -beta * (log_p - log_p_ref) * mask + score


@wrong("10b.token_rewards", "raised NameError")
class AsOnThePage:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards[torch.arange(len(score)), -1] = score  # noqa: F821
        return rewards  # noqa: F821


@wrong("10b.token_rewards", "raised RuntimeError")
class ScatterWithoutAnAxis:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        return rewards.scatter_add(1, mask.sum(1) - 1, score)


@wrong("10b.token_rewards", "There is one number per answer.")
class TotalKl:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        kl = ((log_p - log_p_ref) * mask).sum(1)
        return score - beta * kl


@wrong("10b.token_rewards", "raised IndexError")
class ColumnsFromOne:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        rewards[torch.arange(len(score)), mask.sum(dim=1)] += score
        return rewards


@wrong("10b.token_rewards", "The result has ")
class WholeNumbers:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = torch.zeros(mask.shape, dtype=torch.long)
        rewards[torch.arange(len(score)), mask.sum(1) - 1] = score.long()
        return rewards - beta * (log_p - log_p_ref) * mask


@wrong("10b.token_rewards", "raised RuntimeError")
class MeanOfBooleans:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        lengths = mask.mean(dim=1) * mask.shape[1]
        rewards = -beta * (log_p - log_p_ref) * mask
        rewards[torch.arange(len(score)), lengths.long() - 1] += score
        return rewards


@wrong("10b.token_rewards", "changed the input")
class InPlace:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        log_p -= log_p_ref
        log_p *= -beta * mask
        log_p[torch.arange(len(score)), mask.sum(1) - 1] += score
        return log_p


@wrong("10b.token_rewards", "`token_rewards` raised ValueError")
class OneLength:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        n = int(mask.sum(dim=1))
        rewards[:, n - 1] += score
        return rewards


@wrong("10b.token_rewards", "`token_rewards` raised RuntimeError")
class ATableOfBooleans:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = torch.zeros_like(mask)
        for b in range(len(score)):
            n = mask[b].sum()
            rewards[b, :n] = -beta * (log_p[b, :n] - log_p_ref[b, :n])
            rewards[b, n - 1] += score[b]
        return rewards


@right("10b.gae")
class NumpyByColumns:
    def gae(rewards, values, mask, gamma, lam):
        r, m = rewards.numpy(), mask.numpy()
        v = np.pad(values.numpy() * m, ((0, 0), (0, 1)))
        adv = np.zeros_like(np.pad(r, ((0, 0), (0, 1))))
        for t in range(r.shape[1] - 1, -1, -1):
            adv[:, t] = np.where(m[:, t], r[:, t] + gamma * v[:, t + 1] - v[:, t] + gamma * lam * adv[:, t + 1], 0)
        return torch.tensor(adv[:, :-1])


@right("10b.gae")
class Recursive:
    def gae(rewards, values, mask, gamma, lam):
        def of_answer(r, v):
            if len(r) == 0:
                return []
            rest = of_answer(r[1:], v[1:])
            following = v[1] if len(v) > 1 else 0.0
            later = rest[0] if rest else 0.0
            return [r[0] + gamma * following - v[0] + gamma * lam * later, *rest]

        rows = []
        for r, v, m in zip(rewards.tolist(), values.tolist(), mask.tolist()):
            n = sum(m)
            rows.append(of_answer(r[:n], v[:n]) + [0.0] * (len(m) - n))
        return torch.tensor(rows)


@wrong("10b.gae", "raised RuntimeError")
class OneMinusAMask:
    def gae(rewards, values, mask, gamma, lam):
        done = 1 - mask
        v = torch.cat([values[:, 1:], torch.zeros(len(values), 1)], 1) * (1 - done)
        return rewards + gamma * v - values


@wrong("10b.gae", "raised NameError")
class NamesOfThePaper:
    def gae(rewards, values, mask, gamma, lam):
        A = torch.zeros_like(rewards)
        for t in reversed(range(T)):  # noqa: F821
            A[:, t] = deltas[:, t] + gamma * lam * A[:, t + 1]  # noqa: F821
        return A


@wrong("10b.gae", "raised RuntimeError")
class RowsForColumns:
    def gae(rewards, values, mask, gamma, lam):
        A, v, a = torch.zeros_like(rewards), torch.zeros(rewards.shape[1] + 1), torch.zeros(len(rewards))
        for t in reversed(range(len(rewards))):
            a = rewards[t] + gamma * v - values[t] + gamma * lam * a
            A[:, t], v = a, values[t]
        return A


@wrong("10b.gae", "`gae` raised IndexError")
class IndexError_:
    def gae(rewards, values, mask, gamma, lam):
        A = torch.zeros_like(rewards)
        for t in reversed(range(rewards.shape[1])):
            delta = rewards[:, t] + gamma * values[:, t + 1] - values[:, t]
            A[:, t] = delta + gamma * lam * A[:, t + 1]
        return A


@wrong("10b.gae", "changed the input")
class InTheRewards:
    def gae(rewards, values, mask, gamma, lam):
        T = rewards.shape[1]
        for t in reversed(range(T)):
            v = values[:, t + 1] * mask[:, t + 1] if t + 1 < T else 0
            a = rewards[:, t + 1] if t + 1 < T else 0
            rewards[:, t] = (rewards[:, t] + gamma * v - values[:, t] + gamma * lam * a) * mask[:, t]
        return rewards


@wrong("10b.gae", "`gae` raised ValueError")
class ReversedBySlices:
    def gae(rewards, values, mask, gamma, lam):
        A, v, out = 0, 0, []
        for r, value in zip(rewards.T[::-1], values.T[::-1]):
            A = r + gamma * v - value + gamma * lam * A
            v = value
            out.append(A)
        return torch.stack(out[::-1], 1)


@wrong("10b.gae", "The result has a column too many, the last. Print the steps inside your")
class AColumnTooMany:
    def gae(rewards, values, mask, gamma, lam):
        B, T = rewards.shape
        v = F.pad(values * mask, (0, 1))
        A = torch.zeros(B, T + 1)
        for t in reversed(range(T)):
            A[:, t] = (rewards[:, t] + gamma * v[:, t + 1] - v[:, t] + gamma * lam * A[:, t + 1]) * mask[:, t]
        return A


@wrong("10b.gae", "The table is (T, B). An answer is a row: return (B, T). `torch.stack(..., dim=")
class StackedAsRows:
    def gae(rewards, values, mask, gamma, lam):
        out, v, a = [], torch.zeros(len(rewards)), torch.zeros(len(rewards))
        for t in reversed(range(rewards.shape[1])):
            a = (rewards[:, t] + gamma * v - values[:, t] + gamma * lam * a) * mask[:, t]
            v = values[:, t] * mask[:, t]
            out.append(a)
        return torch.stack(out[::-1])


@wrong("10b.gae", "`gae` raised RuntimeError")
class IfOfATensor:
    def gae(rewards, values, mask, gamma, lam):
        A, a, v = torch.zeros_like(rewards), 0, 0
        for t in reversed(range(rewards.shape[1])):
            if not mask[:, t].bool() or mask[:, t].sum() < 9 and mask[:, t].item():
                continue
            a = rewards[:, t] + gamma * v - values[:, t] + gamma * lam * a
            A[:, t], v = a, values[:, t]
        return A


@right("10b.ppo_loss")
class Weighted:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        w = mask / mask.sum()
        r = torch.exp(log_p - log_p_old.detach())
        pairs = torch.stack((r * A.detach(), r.clamp(min=1 - epsilon).clamp(max=1 + epsilon) * A.detach()))
        return torch.einsum("bt,bt->", -pairs.min(dim=0).values, w)


@right("10b.ppo_loss")
class TokenByToken:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        total, n = 0.0, 0
        for b in range(len(mask)):
            for t in range(mask.shape[1]):
                if mask[b, t]:
                    r = torch.exp(log_p[b, t] - log_p_old[b, t])
                    total = total - min(r * A[b, t], r.clamp(1 - epsilon, 1 + epsilon) * A[b, t])
                    n += 1
        return total / n


@wrong("10b.ppo_loss", "raised NameError")
class WithTheReference:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        kl = (log_p - log_p_ref).mean()  # noqa: F821
        return -((log_p - log_p_old).exp() * A).mean() + 0.05 * kl


@wrong("10b.ppo_loss", "`ppo_loss` raised RuntimeError")
class SumsTooEarly:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = ((log_p - log_p_old) * mask).sum(1).exp()
        return -torch.minimum(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)[mask].mean()


@wrong("10b.ppo_loss", "`ppo_loss` raised TypeError")
class ClipFunction:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        return -torch.minimum(ratio * A, ratio.clip_(low=1 - epsilon, high=1 + epsilon) * A)[mask].mean()


@wrong("10b.ppo_loss", "`ppo_loss` raised RuntimeError")
class MeanOfTheMask:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        return -(ratio * A * mask).mean() / mask.mean()


@wrong("10b.ppo_loss", "`ppo_loss` raised TypeError")
class MinOfNothing:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        return -torch.min(ratio * A, dim=ratio.clamp(1 - epsilon, 1 + epsilon) * A)[mask].mean()


@wrong("10b.ppo_loss", "These are the losses of the tokens, all right.")
class OfEachToken:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        return -torch.minimum(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A) * mask


@wrong("10b.ppo_loss", "The loss must be one number; here its shape is (4,).")
class LossesOfRealTokens:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        return -torch.min(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)[mask]


@wrong("10b.ppo_loss", "The losses are added up.")
class Summed:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p - log_p_old)
        return -torch.minimum(ratio * A, torch.clamp(ratio, 1 - epsilon, 1 + epsilon) * A)[mask].sum()


@wrong("10b.ppo_loss", "`ppo_loss` raised RuntimeError")
class PythonsMin:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p - log_p_old)
        return -min(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A).mean()


@wrong("10b.ppo_loss", "changed the input")
class MasksTheAdvantages:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        A *= mask
        ratio = (log_p - log_p_old).exp()
        return -torch.minimum(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A).sum() / mask.sum()


@wrong("10b.ppo_loss", "The result has ")
class AReciprocalRange:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        clipped = ratio.clamp(1 / (1 + epsilon), 1 + epsilon)
        return -(torch.min(ratio * A, clipped * A) * mask).sum() / mask.sum()


@wrong("10b.ppo_loss", "These are the losses of the tokens, each divided by their number.")
class ForgetsTheSum:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        gain = torch.min(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)
        return -gain * mask / mask.sum()


@wrong("10b.ppo_loss", "raised RuntimeError")
class Calls:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        loss = -torch.minimum(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)[mask].mean()
        loss.detach().backward()
        return loss


@right("10b.1")
def token_by_token(values, old, A, mask, clip):
    loss, gradient, n = 0.0, torch.zeros(values.shape), int(mask.sum())
    for b, t in mask.nonzero().tolist():
        V, V_old, target = values[b, t].item(), old[b, t].item(), (old[b, t] + A[b, t]).item()
        near = min(max(V, V_old - clip), V_old + clip)
        loss += max((V - target) ** 2, (near - target) ** 2) / 2 / n
        gradient[b, t] = (V - target) / n if abs(V - target) >= abs(near - target) else 0
    return loss, gradient


@right("10b.1")
def numpy_where(values, old, A, mask, clip):
    real = mask.numpy()
    V, V_old, gained = (np.where(real, table.numpy(), 0) for table in (values, old, A))
    target, near = V_old + gained, np.clip(V, V_old - clip, V_old + clip)
    counts = (V - target) ** 2 >= (near - target) ** 2
    squares = np.where(counts, (V - target) ** 2, (near - target) ** 2)
    return squares[real].mean() / 2, np.where(counts & real, V - target, 0) / real.sum()


@wrong("10b.1", "The gradient isn't finite: the padding is masked too late for it. Put ")
def value_loss_nan_gradient(values, old_values, advantages, mask, clip):
    values = values.clone().requires_grad_()
    target = old_values + advantages
    clipped = old_values + (values - old_values).clamp(-clip, clip)
    errors = torch.maximum((values - target) ** 2, (clipped - target) ** 2)
    loss = errors[mask].mean() / 2
    return loss.detach(), torch.autograd.grad(loss, values)[0]


@right("10b.1")
def closed_form(values, old, A, mask, clip):
    n, V, V_old, gained = mask.sum(), *(table.masked_fill(~mask, 0.0) for table in (values, old, A))
    error, move = V - V_old - gained, V - V_old
    clipped = torch.where(move > clip, clip - gained, torch.where(move < -clip, -clip - gained, error))
    plain = error.abs() >= clipped.abs()
    return torch.where(plain, error, clipped).square().sum() / (2 * n), torch.where(plain, error, 0.0) / n


@wrong("10b.1", "Two results are asked for")
def loss_alone(*call):
    return closed_form(*call)[0]


# ---------------------------------------------------------------- 10b.2
def _all_log_p(table):
    return table[0][:, None, None] + table[:, :, None] + table


def _measure(logits, reference, rewards):
    log_p = _all_log_p(logits.log_softmax(-1))
    log_ref = _all_log_p(reference.log_softmax(-1))
    p = log_p.exp()
    return (p * rewards).sum(), (p * (log_p - log_ref)).sum()


@right("10b.2")
def within_bisected_beta(reference, rewards, limit):
    """For each beta LBFGS finds the policy; the beta is halved into place."""
    unit = (rewards - rewards.mean()) / rewards.std()
    best, most = reference.clone(), -math.inf
    start = reference.clone()
    low, high = math.log(1e-3), math.log(30.0)
    for _ in range(18):
        beta = math.exp((low + high) / 2)
        now = start.clone().requires_grad_()
        optimizer = torch.optim.LBFGS([now], max_iter=80, line_search_fn="strong_wolfe")

        def closure():
            optimizer.zero_grad()
            reward, nats = _measure(now, reference, unit)
            loss = beta * nats - reward
            loss.backward()
            return loss

        optimizer.step(closure)
        reward, nats = (float(one) for one in _measure(now.detach(), reference, unit))
        if nats <= limit:
            high = math.log(beta)
            if reward > most:
                best, most = now.detach().clone(), reward
            start = now.detach().clone()
        else:
            low = math.log(beta)
    return best


def _log_table(logits):
    logits = logits - logits.max(1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def _log_answers(logits):
    table = _log_table(logits)
    return table[0][:, None, None] + table[:, :, None] + table


def _slope(logits, worth):
    """The gradient by the logits of the mean of `worth` (V, V, V), held fixed, under the policy."""
    G = np.exp(_log_answers(logits)) * worth
    taken = G.sum(2) + G.sum(0)  # second and third token
    taken[0] += G.sum((1, 2))  # first token
    return taken - np.exp(_log_table(logits)) * taken.sum(1, keepdims=True)


def _scaled(rewards):
    rewards = rewards.double().numpy()
    return (rewards - rewards.mean()) / rewards.std()


def _gain_and_kl(logits, ref_log, rewards):
    log_p = _log_answers(logits)
    p = np.exp(log_p)
    return (p * rewards).sum(), (p * (log_p - ref_log)).sum()


@right("10b.2")
def train_augmented_lagrangian(reference, rewards, limit):
    """Method of multipliers: β is a multiplier plus a spring on the excess KL, from several starts."""
    start, r = reference.double().numpy(), _scaled(rewards)
    ref_log = _log_answers(start)
    best, best_mean = start, _gain_and_kl(start, ref_log, r)[0]
    dice = np.random.RandomState(0)
    for trial in range(5):
        logits = start + (0.7 * dice.standard_normal(start.shape) if trial else 0.0)
        multiplier, spring = 1.0, 20.0
        m = v = np.zeros_like(start)
        for k in range(1, 1401):
            log_p = _log_answers(logits)
            p = np.exp(log_p)
            mean, kl = (p * r).sum(), (p * (log_p - ref_log)).sum()
            if kl <= limit and mean > best_mean:
                best, best_mean = logits, mean
            beta = max(0.0, multiplier + spring * (kl - limit))
            multiplier = max(0.0, multiplier + 0.3 * (kl - limit))
            g = _slope(logits, r - beta * (log_p - ref_log))
            m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
            rate = 0.04 * (1 - k / 1500)
            logits = logits + rate * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.99**k)) + 1e-9)
    return torch.from_numpy(best)


@wrong("10b.2", "nothing has been learned")
def untrained(reference, rewards, limit):
    return reference.clone()


@wrong("10b.2", "isn't a table of")
def divided_by_zero(reference, rewards, limit):
    return reference / 0


@wrong("10b.2", "One setting of the brake doesn't fit")
def only_the_best_answer(reference, rewards, limit):
    table = torch.zeros_like(reference)
    a, b, c = np.unravel_index(rewards.argmax().item(), rewards.shape)
    table[0, a] = table[a, b] = table[b, c] = 5.0
    return table


@wrong("10b.2", "The KL is used up, and ")
def within_early_stop(reference, rewards, limit):
    unit = (rewards - rewards.mean()) / rewards.std()
    best = now = reference.clone()
    for _ in range(5000):
        now = now.detach().requires_grad_()
        reward, nats = _measure(now, reference, unit)
        if nats > limit:
            return best
        best = now.detach().clone()
        now = now + 0.02 * torch.autograd.grad(reward, now)[0]
    return best


def log_softmax(table):
    return table - np.log(np.exp(table).sum(1, keepdims=True))


def listed(table):
    """What the tokens of each answer add up to, (V, V, V)."""
    return table[0][:, None, None] + table[:, :, None] + table


def scaled(rewards):
    return (rewards.numpy() - rewards.mean().item()) / rewards.std().item()


def ascent(reference, rewards, beta, n=200, rate=0.1, frequencies=lambda p: p):
    """A training with Adam on mean reward - beta KL: each policy, with its mean reward and KL."""
    theirs = log_softmax(reference.numpy())
    logits, first, second = theirs.copy(), 0.0, 0.0
    for step in range(1, n + 1):
        ours = log_softmax(logits)
        p, gap = np.exp(listed(ours)), listed(ours - theirs)
        kl = (p * gap).sum()
        yield logits, (p * rewards).sum(), kl
        weight, lead = frequencies(p), rewards - beta(kl) * gap
        lead = weight * (lead - (weight * lead).sum())
        moves = lead.sum(2) + lead.sum(0)
        moves[0] += lead.sum((1, 2))
        slope = moves - moves.sum(1, keepdims=True) * np.exp(ours)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        logits = logits + rate * first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)


def last(policies):
    """The policy at the end of a training."""
    *_, (logits, _, _) = policies
    return logits


def kl_of(logits, reference):
    ours, theirs = log_softmax(logits), log_softmax(reference)
    return (np.exp(listed(ours)) * listed(ours - theirs)).sum()


def halved(reference, rewards, limit, measure=kl_of, sign=1.0):
    """Beta by halving an interval, so that a measure of the distance is at the limit."""
    low, high, best = -3.0, 2.0, reference.numpy().copy()
    for _ in range(14):
        middle = (low + high) / 2
        policy = last(ascent(reference, sign * scaled(rewards), lambda kl, beta=10**middle: beta))
        if measure(policy, reference.numpy()) <= limit:
            high, best = middle, policy
        else:
            low = middle
    return best


@wrong("10b.2", "transposed")
def columns(reference, rewards, limit):
    return halved(reference, rewards, limit).T


@wrong("10b.2", "The KL is over the limit. ")
def within_row_kl(reference, rewards, limit):
    unit = (rewards - rewards.mean()) / rewards.std()
    log_ref = reference.log_softmax(-1)
    beta, best, most = 1.0, reference.clone(), -math.inf
    now = reference.clone().requires_grad_()
    optimizer = torch.optim.Adam([now], lr=0.03)
    for _ in range(900):
        table = now.log_softmax(-1)
        reward = (_all_log_p(table).exp() * unit).sum()
        nats = (table.exp() * (table - log_ref)).sum()
        if nats <= limit and reward > most:
            best, most = now.detach().clone(), reward.item()
        optimizer.zero_grad()
        (beta * nats - reward).backward()
        optimizer.step()
        beta *= 1.02 if nats > limit else 0.98
    return best


@wrong("10b.2", "It's KL(reference, policy) that is at the limit, not KL(policy, reference). ")
def within_other_way(reference, rewards, limit):
    unit = (rewards - rewards.mean()) / rewards.std()
    log_ref = _all_log_p(reference.log_softmax(-1))
    beta, best, most = 1.0, reference.clone(), -math.inf
    now = reference.clone().requires_grad_()
    optimizer = torch.optim.Adam([now], lr=0.03)
    for _ in range(900):
        log_p = _all_log_p(now.log_softmax(-1))
        reward = (log_p.exp() * unit).sum()
        nats = (log_ref.exp() * (log_ref - log_p)).sum()
        if nats <= limit and reward > most:
            best, most = now.detach().clone(), reward.item()
        optimizer.zero_grad()
        (beta * nats - reward).backward()
        optimizer.step()
        beta *= 1.02 if nats > limit else 0.98
    return best


@wrong("10b.2", "of the KL is used, and so")
def a_heavy_penalty(reference, rewards, limit):
    return last(ascent(reference, scaled(rewards), lambda kl: 10.0))


@wrong("10b.2", "It's the KL per token that is at the limit; the limit is per answer, three")
def train_kl_per_token(reference, rewards, limit):
    logits, r = reference.double().numpy(), _scaled(rewards)
    ref_log = _log_answers(logits)
    best, best_mean, beta = logits, -np.inf, 1.0
    for k in range(4000):
        log_p = _log_answers(logits)
        logits = logits + 0.05 / max(1, beta) * _slope(logits, r - beta * (log_p - ref_log))
        mean, kl = _gain_and_kl(logits, ref_log, r)
        beta *= 1.02 if kl / 3 > limit else 0.98
        beta = max(beta, 1e-3)
        if kl / 3 <= limit and mean > best_mean:
            best, best_mean = logits, mean
    return torch.from_numpy(best)


@wrong("10b.2", "The mean reward falls")
def downhill(reference, rewards, limit):
    return halved(reference, rewards, limit, sign=-1.0)


@wrong("10b.2", "probabilities, not logits")
def as_probabilities(reference, rewards, limit):
    return np.exp(log_softmax(halved(reference, rewards, limit)))


@wrong("10b.2", "The difference from the reference's logits")
def what_was_learned(reference, rewards, limit):
    return halved(reference, rewards, limit) - reference.numpy()


@wrong("10b.2", "in bits that is at the limit")
def bits(reference, rewards, limit):
    return halved(reference, rewards, limit, lambda policy, start: kl_of(policy, start) / np.log(2))


def row_kl(policy, reference):
    ours, theirs = log_softmax(policy), log_softmax(reference)
    return (np.exp(ours) * (ours - theirs)).sum(1)


@wrong("10b.2", "of the first token that is at the limit")
def first_token(reference, rewards, limit):
    return halved(reference, rewards, limit, lambda policy, start: row_kl(policy, start)[0])


@wrong("10b.2", "mean over the table's rows that is at the limit")
def mean_of_rows(reference, rewards, limit):
    return halved(reference, rewards, limit, lambda policy, start: row_kl(policy, start).mean())


@wrong("10b.2", "distance of the logits")
def distance_of_logits(reference, rewards, limit):
    def distance(policy, start):
        change = policy - start
        return ((change - change.mean(1, keepdims=True)) ** 2).sum()

    return halved(reference, rewards, limit, distance)
