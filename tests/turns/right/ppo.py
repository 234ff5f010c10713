"""Unusual right answers to the turns of lesson 10b, as learners write them."""

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from turn_answers import right


@right("10b.token_rewards")
class RowByRow:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        B, T = mask.shape
        rewards = torch.zeros(B, T)
        for b in range(B):
            n = int(mask[b].sum())
            for t in range(n):
                rewards[b, t] = -beta * (log_p[b, t] - log_p_ref[b, t])
            rewards[b, n - 1] += score[b]
        return rewards


@right("10b.token_rewards")
class ByTheEndOfTheMask:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        after = torch.cat([mask[:, 1:], torch.zeros(len(mask), 1, dtype=torch.bool)], dim=1)
        last = mask & ~after
        return torch.where(mask, beta * (log_p_ref - log_p), 0.0) + last * score[:, None]


@right("10b.token_rewards")
class Scattered:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        kl = (log_p - log_p_ref).masked_fill(~mask, 0)
        return (-beta * kl).scatter_add(1, mask.sum(1, keepdim=True) - 1, score.unsqueeze(1))


@right("10b.token_rewards")
class AsLists:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rows = []
        for s, new, ref, m in zip(score.tolist(), log_p.tolist(), log_p_ref.tolist(), mask.tolist()):
            row = [-beta * (a - b) if real else 0.0 for a, b, real in zip(new, ref, m)]
            row[sum(m) - 1] += s
            rows.append(row)
        return torch.tensor(rows)


@right("10b.token_rewards")
class Numpy:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        m = mask.numpy()
        out = -beta * (log_p.numpy() - log_p_ref.numpy()) * m
        ends = m.cumsum(axis=1).argmax(axis=1)
        out[np.arange(len(out)), ends] += score.numpy()
        return torch.from_numpy(out)


@right("10b.token_rewards")
class OneHot:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        last = torch.nn.functional.one_hot(mask.sum(-1) - 1, mask.shape[-1])
        return beta * (log_p_ref - log_p) * mask.float() + last * score.view(-1, 1)


@right("10b.token_rewards")
class Padded:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rows = []
        for b in range(len(mask)):
            row = (log_p_ref[b] - log_p[b])[mask[b]] * beta
            rows.append(torch.cat([row[:-1], row[-1:] + score[b]]))
        return pad_sequence(rows, batch_first=True)


@right("10b.gae")
class SumsOfDeltas:
    def gae(rewards, values, mask, gamma, lam):
        B, T = rewards.shape
        A = torch.zeros(B, T)
        for b in range(B):
            n = int(mask[b].sum())
            v = [*values[b, :n].tolist(), 0.0]
            deltas = [rewards[b, t].item() + gamma * v[t + 1] - v[t] for t in range(n)]
            for t in range(n):
                A[b, t] = sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, n))
        return A


@right("10b.gae")
class ByAMatrix:
    def gae(rewards, values, mask, gamma, lam):
        T = rewards.shape[1]
        v = values * mask
        delta = (rewards + gamma * torch.cat([v[:, 1:], v.new_zeros(len(v), 1)], 1) - values) * mask
        steps = torch.arange(T)
        weights = (gamma * lam) ** (steps - steps[:, None]).clamp(min=0) * (steps >= steps[:, None])
        return delta @ weights.T.float()


@right("10b.gae")
class AsInTrl:
    def gae(rewards, values, mask, gamma, lam):
        values = torch.masked_fill(values, ~mask, 0)
        lastgaelam = 0
        advantages_reversed = []
        gen_length = rewards.shape[1]
        for t in reversed(range(gen_length)):
            nextvalues = values[:, t + 1] if t < gen_length - 1 else 0.0
            delta = rewards[:, t] + gamma * nextvalues - values[:, t]
            lastgaelam = delta + gamma * lam * lastgaelam
            advantages_reversed.append(lastgaelam)
        advantages = torch.stack(advantages_reversed[::-1], axis=1)
        return torch.masked_fill(advantages, ~mask, 0)


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


@right("10b.gae")
class Flipped:
    def gae(rewards, values, mask, gamma, lam):
        r, v, m = rewards.flip(1), values.flip(1), mask.flip(1).to(rewards.dtype)
        out, A, V = [], torch.zeros(len(r)), torch.zeros(len(r))
        for r_t, v_t, m_t in zip(r.T, v.T, m.T):
            A = m_t * (r_t + gamma * V - v_t + gamma * lam * A)
            V = m_t * v_t
            out.append(A)
        return torch.stack(out).T.flip(1)


@right("10b.gae")
class NumpyByColumns:
    def gae(rewards, values, mask, gamma, lam):
        r, m = rewards.numpy(), mask.numpy()
        v = np.pad(values.numpy() * m, ((0, 0), (0, 1)))
        adv = np.zeros_like(np.pad(r, ((0, 0), (0, 1))))
        for t in range(r.shape[1] - 1, -1, -1):
            adv[:, t] = np.where(m[:, t], r[:, t] + gamma * v[:, t + 1] - v[:, t] + gamma * lam * adv[:, t + 1], 0)
        return torch.tensor(adv[:, :-1])


@right("10b.ppo_loss")
class MaxOfTheLosses:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p - log_p_old)
        first = -A * ratio
        second = -A * torch.clamp(ratio, 1.0 - epsilon, 1.0 + epsilon)
        return torch.max(first, second)[mask].mean()


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


@right("10b.ppo_loss")
class ByCases:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        r = log_p.exp() / log_p_old.exp()
        good = torch.where(r > 1 + epsilon, torch.full_like(r, 1 + epsilon), r)
        bad = torch.where(r < 1 - epsilon, torch.full_like(r, 1 - epsilon), r)
        return -torch.mean((torch.where(A > 0, good, bad) * A).masked_select(mask))


@right("10b.ppo_loss")
class TheGFunction:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        g = torch.where(A >= 0, (1 + epsilon) * A, (1 - epsilon) * A)
        ratio = (log_p - log_p_old).exp()
        return -torch.stack([ratio * A, g]).amin(0)[mask].mean()


@right("10b.ppo_loss")
class MaskAsFloat:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        mask = mask.float()
        ratio = ((log_p - log_p_old) * mask).exp()
        unclipped, clipped = ratio * A, torch.clip(ratio, 1 - epsilon, 1 + epsilon) * A
        return -(torch.min(unclipped, clipped) * mask).sum() / mask.sum().clamp(min=1.0)


@right("10b.ppo_loss")
class Weighted:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        w = mask / mask.sum()
        r = torch.exp(log_p - log_p_old.detach())
        pairs = torch.stack((r * A.detach(), r.clamp(min=1 - epsilon).clamp(max=1 + epsilon) * A.detach()))
        return torch.einsum("bt,bt->", -pairs.min(dim=0).values, w)
