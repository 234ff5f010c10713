"""Answers to the turns of lesson 10b as strangers write them, from the text alone; no check was changed for them."""

import torch
from turn_answers import right, wrong

# --- 10b.token_rewards


@wrong("10b.token_rewards", "")
class ScoreInTheLastColumn:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        rewards[:, -1] += score
        return rewards


@wrong("10b.token_rewards", "")
class NoMaskAtAll:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref)
        rewards[:, -1] = rewards[:, -1] + score
        return rewards


@wrong("10b.token_rewards", "")
class PlusBeta:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = beta * (log_p - log_p_ref) * mask
        last = mask.sum(1) - 1
        for b in range(len(score)):
            rewards[b, last[b]] += score[b]
        return rewards


@wrong("10b.token_rewards", "")
class OneTooLate:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        for b in range(len(score)):
            n = mask[b].sum()
            if n < mask.shape[1]:
                rewards[b, n] += score[b]
            else:
                rewards[b, -1] += score[b]
        return rewards


@wrong("10b.token_rewards", "")
class PaddingPays:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref)
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score
        return rewards


@wrong("10b.token_rewards", "")
class EveryTokenIsScored:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        return (score.unsqueeze(1) - beta * (log_p - log_p_ref)) * mask


@wrong("10b.token_rewards", "")
class OneNumberPerAnswer:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        kl = ((log_p - log_p_ref) * mask).sum(1)
        return score - beta * kl


@wrong("10b.token_rewards", "")
class KlInOnePiece:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        kl = ((log_p - log_p_ref) * mask).sum(1)
        rewards = torch.zeros_like(log_p)
        rewards[torch.arange(len(score)), mask.sum(1) - 1] = score - beta * kl
        return rewards


@wrong("10b.token_rewards", "")
class ScoreOverwrites:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] = score
        return rewards


@wrong("10b.token_rewards", "")
class BetaOnAll:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -(log_p - log_p_ref) * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score
        return beta * rewards


@wrong("10b.token_rewards", "")
class Probabilities:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p.exp() - log_p_ref.exp()) * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score
        return rewards


@wrong("10b.token_rewards", "")
class WeightedLikeAKl:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        kl = log_p.exp() * (log_p - log_p_ref)
        rewards = -beta * kl * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score
        return rewards


@wrong("10b.token_rewards", "")
class NeverNegative:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        log_ratio = log_p_ref - log_p
        kl = log_ratio.exp() - 1 - log_ratio
        rewards = -beta * kl * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score
        return rewards


@wrong("10b.token_rewards", "")
class ScoreAddedToRows:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        return -beta * (log_p - log_p_ref) * mask + score


@wrong("10b.token_rewards", "")
class NoBeta:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = (log_p_ref - log_p) * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score
        return rewards


@wrong("10b.token_rewards", "")
class ScoreOnly:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = torch.zeros_like(log_p)
        for b, n in enumerate(mask.sum(1)):
            rewards[b, n - 1] = score[b]
        return rewards


@wrong("10b.token_rewards", "")
class AllRowsGetTheScores:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        rewards[:, mask.sum(1) - 1] += score
        return rewards


@wrong("10b.token_rewards", "")
class NothingReturned:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score


# --- 10b.gae


@wrong("10b.gae", "")
class Bootstrapped:
    def gae(rewards, values, mask, gamma, lam):
        B, T = rewards.shape
        adv = torch.zeros_like(rewards)
        last = 0
        for t in reversed(range(T)):
            nxt = values[:, t + 1] if t + 1 < T else torch.zeros(B)
            delta = rewards[:, t] + gamma * nxt - values[:, t]
            last = delta + gamma * lam * last
            adv[:, t] = last
        return adv * mask


@wrong("10b.gae", "")
class NoMaskUsed:
    def gae(rewards, values, mask, gamma, lam):
        B, T = rewards.shape
        adv = torch.zeros(B, T)
        for b in range(B):
            A = 0.0
            for t in range(T - 1, -1, -1):
                v_next = values[b, t + 1] if t < T - 1 else 0.0
                A = rewards[b, t] + gamma * v_next - values[b, t] + gamma * lam * A
                adv[b, t] = A
        return adv


@wrong("10b.gae", "")
class Forwards:
    def gae(rewards, values, mask, gamma, lam):
        v = values * mask
        v_next = torch.cat([v[:, 1:], torch.zeros(len(v), 1)], 1)
        delta = rewards + gamma * v_next - v
        adv, A = [], torch.zeros(len(v))
        for t in range(rewards.shape[1]):
            A = delta[:, t] + gamma * lam * A
            adv.append(A * mask[:, t])
        return torch.stack(adv, 1)


@wrong("10b.gae", "")
class DeltasOnly:
    def gae(rewards, values, mask, gamma, lam):
        v = values * mask
        v_next = torch.cat([v[:, 1:], torch.zeros(len(v), 1)], 1)
        return (rewards + gamma * v_next - v) * mask


@wrong("10b.gae", "")
class NoGammaBeforeA:
    def gae(rewards, values, mask, gamma, lam):
        A = torch.zeros_like(rewards)
        v, a = torch.zeros(len(rewards)), torch.zeros(len(rewards))
        for t in range(rewards.shape[1] - 1, -1, -1):
            delta = rewards[:, t] + gamma * v - values[:, t]
            a = (delta + lam * a) * mask[:, t]
            v = values[:, t] * mask[:, t]
            A[:, t] = a
        return A


@wrong("10b.gae", "")
class NoLambda:
    def gae(rewards, values, mask, gamma, lam):
        A = torch.zeros_like(rewards)
        v, a = torch.zeros(len(rewards)), torch.zeros(len(rewards))
        for t in range(rewards.shape[1] - 1, -1, -1):
            delta = rewards[:, t] + gamma * v - values[:, t]
            a = (delta + gamma * a) * mask[:, t]
            v = values[:, t] * mask[:, t]
            A[:, t] = a
        return A


@wrong("10b.gae", "")
class Returns:
    def gae(rewards, values, mask, gamma, lam):
        A = torch.zeros_like(rewards)
        v, a = torch.zeros(len(rewards)), torch.zeros(len(rewards))
        for t in range(rewards.shape[1] - 1, -1, -1):
            delta = rewards[:, t] + gamma * v - values[:, t]
            a = (delta + gamma * lam * a) * mask[:, t]
            v = values[:, t] * mask[:, t]
            A[:, t] = a + v
        return A


@wrong("10b.gae", "")
class RewardsLessValues:
    def gae(rewards, values, mask, gamma, lam):
        A = torch.zeros_like(rewards)
        a = torch.zeros(len(rewards))
        for t in range(rewards.shape[1] - 1, -1, -1):
            a = (rewards[:, t] + gamma * lam * a) * mask[:, t]
            A[:, t] = a
        return (A - values) * mask


@wrong("10b.gae", "")
class PlusValue:
    def gae(rewards, values, mask, gamma, lam):
        A = torch.zeros_like(rewards)
        v, a = torch.zeros(len(rewards)), torch.zeros(len(rewards))
        for t in range(rewards.shape[1] - 1, -1, -1):
            delta = rewards[:, t] - gamma * v + values[:, t]
            a = (delta + gamma * lam * a) * mask[:, t]
            v = values[:, t] * mask[:, t]
            A[:, t] = a
        return A


@wrong("10b.gae", "")
class SkipsTheLastColumn:
    def gae(rewards, values, mask, gamma, lam):
        A = torch.zeros_like(rewards)
        v = values * mask
        for t in range(rewards.shape[1] - 2, -1, -1):
            delta = rewards[:, t] + gamma * v[:, t + 1] - v[:, t]
            A[:, t] = (delta + gamma * lam * A[:, t + 1]) * mask[:, t]
        return A


@wrong("10b.gae", "")
class ListInTheWrongOrder:
    def gae(rewards, values, mask, gamma, lam):
        out, v, a = [], torch.zeros(len(rewards)), torch.zeros(len(rewards))
        for t in reversed(range(rewards.shape[1])):
            a = (rewards[:, t] + gamma * v - values[:, t] + gamma * lam * a) * mask[:, t]
            v = values[:, t] * mask[:, t]
            out.append(a)
        return torch.stack(out, dim=1)


@wrong("10b.gae", "")
class StackedAsRows:
    def gae(rewards, values, mask, gamma, lam):
        out, v, a = [], torch.zeros(len(rewards)), torch.zeros(len(rewards))
        for t in reversed(range(rewards.shape[1])):
            a = (rewards[:, t] + gamma * v - values[:, t] + gamma * lam * a) * mask[:, t]
            v = values[:, t] * mask[:, t]
            out.append(a)
        return torch.stack(out[::-1])


@wrong("10b.gae", "")
class LambdaOnDelta:
    def gae(rewards, values, mask, gamma, lam):
        v = values * mask
        v_next = torch.cat([v[:, 1:], torch.zeros(len(v), 1)], 1)
        delta = (rewards + gamma * v_next - v) * mask
        T = rewards.shape[1]
        A = torch.zeros_like(rewards)
        for t in range(T):
            for k in range(t, T):
                A[:, t] += (gamma * lam) ** (k - t + 1) * delta[:, k]
        return A


@wrong("10b.gae", "")
class Whitened:
    def gae(rewards, values, mask, gamma, lam):
        A = torch.zeros_like(rewards)
        v, a = torch.zeros(len(rewards)), torch.zeros(len(rewards))
        for t in range(rewards.shape[1] - 1, -1, -1):
            delta = rewards[:, t] + gamma * v - values[:, t]
            a = (delta + gamma * lam * a) * mask[:, t]
            v = values[:, t] * mask[:, t]
            A[:, t] = a
        return (A - A.mean()) / (A.std() + 1e-8)


@wrong("10b.gae", "")
class NoNextValue:
    def gae(rewards, values, mask, gamma, lam):
        A = torch.zeros_like(rewards)
        a = torch.zeros(len(rewards))
        for t in range(rewards.shape[1] - 1, -1, -1):
            a = (rewards[:, t] - values[:, t] + gamma * lam * a) * mask[:, t]
            A[:, t] = a
        return A


@wrong("10b.gae", "")
class IndexError_:
    def gae(rewards, values, mask, gamma, lam):
        A = torch.zeros_like(rewards)
        for t in reversed(range(rewards.shape[1])):
            delta = rewards[:, t] + gamma * values[:, t + 1] - values[:, t]
            A[:, t] = delta + gamma * lam * A[:, t + 1]
        return A


@wrong("10b.gae", "")
class TdWithOwnValueAtEnd:
    def gae(rewards, values, mask, gamma, lam):
        A = torch.zeros_like(rewards)
        v, a = values[:, -1], torch.zeros(len(rewards))
        for t in range(rewards.shape[1] - 1, -1, -1):
            delta = rewards[:, t] + gamma * v - values[:, t]
            a = (delta + gamma * lam * a) * mask[:, t]
            v = values[:, t] * mask[:, t]
            A[:, t] = a
        return A


# --- 10b.ppo_loss


@wrong("10b.ppo_loss", "")
class MaxForMin:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        gain = torch.max(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)
        return -(gain * mask).sum() / mask.sum()


@wrong("10b.ppo_loss", "")
class MinOfTheLosses:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p - log_p_old)
        first, second = -ratio * A, -ratio.clamp(1 - epsilon, 1 + epsilon) * A
        return torch.min(first, second)[mask].mean()


@wrong("10b.ppo_loss", "")
class NoMinus:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p - log_p_old)
        return torch.min(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)[mask].mean()


@wrong("10b.ppo_loss", "")
class LogRatioClipped:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        log_ratio = log_p - log_p_old
        clipped = log_ratio.clamp(-epsilon, epsilon).exp()
        return -torch.min(log_ratio.exp() * A, clipped * A)[mask].mean()


@wrong("10b.ppo_loss", "")
class ClippedOnly:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p - log_p_old).clamp(1 - epsilon, 1 + epsilon)
        return -(ratio * A)[mask].mean()


@wrong("10b.ppo_loss", "")
class MinOfRatios:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p - log_p_old)
        low = torch.minimum(ratio, torch.clamp(ratio, 1 - epsilon, 1 + epsilon))
        return -(low * A * mask).sum() / mask.sum()


@wrong("10b.ppo_loss", "")
class PlainMean:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p - log_p_old)
        gain = torch.minimum(ratio * A, torch.clamp(ratio, 1 - epsilon, 1 + epsilon) * A)
        return -(gain * mask).mean()


@wrong("10b.ppo_loss", "")
class PaddingToo:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p - log_p_old)
        return -torch.minimum(ratio * A, torch.clamp(ratio, 1 - epsilon, 1 + epsilon) * A).mean()


@wrong("10b.ppo_loss", "")
class MeanOfMeans:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p - log_p_old)
        gain = torch.minimum(ratio * A, torch.clamp(ratio, 1 - epsilon, 1 + epsilon) * A) * mask
        return -(gain.sum(1) / mask.sum(1)).mean()


@wrong("10b.ppo_loss", "")
class Summed:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p - log_p_old)
        return -torch.minimum(ratio * A, torch.clamp(ratio, 1 - epsilon, 1 + epsilon) * A)[mask].sum()


@wrong("10b.ppo_loss", "")
class RatioUpsideDown:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p_old - log_p)
        return -torch.minimum(ratio * A, torch.clamp(ratio, 1 - epsilon, 1 + epsilon) * A)[mask].mean()


@wrong("10b.ppo_loss", "")
class WithoutExp:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = log_p - log_p_old
        return -torch.minimum(ratio * A, torch.clamp(ratio, 1 - epsilon, 1 + epsilon) * A)[mask].mean()


@wrong("10b.ppo_loss", "")
class LogsDivided:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = log_p / log_p_old
        return -torch.minimum(ratio * A, torch.clamp(ratio, 1 - epsilon, 1 + epsilon) * A)[mask].mean()


@wrong("10b.ppo_loss", "")
class Detached:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p.detach() - log_p_old)
        return -torch.minimum(ratio * A, torch.clamp(ratio, 1 - epsilon, 1 + epsilon) * A)[mask].mean()


@wrong("10b.ppo_loss", "")
class AFloat:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        total, n = 0.0, 0
        for new, old, a, m in zip(log_p.flatten(), log_p_old.flatten(), A.flatten(), mask.flatten()):
            if m:
                r = (new - old).exp().item()
                total -= min(r * a.item(), min(max(r, 1 - epsilon), 1 + epsilon) * a.item())
                n += 1
        return total / n


@wrong("10b.ppo_loss", "")
class OneLossPerAnswer:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p - log_p_old)
        gain = torch.minimum(ratio * A, torch.clamp(ratio, 1 - epsilon, 1 + epsilon) * A) * mask
        return -gain.sum(1) / mask.sum(1)


@wrong("10b.ppo_loss", "")
class PythonsMin:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p - log_p_old)
        return -min(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A).mean()


@wrong("10b.ppo_loss", "")
class NotClipped:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        return -((log_p - log_p_old).exp() * A * mask).sum() / mask.sum()


@right("10b.token_rewards")
class WithZip:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref)
        rewards[~mask] = 0
        for row, s, n in zip(rewards, score, mask.sum(1)):
            row[n - 1] += s
        return rewards


@right("10b.gae")
class PerAnswer:
    def gae(rewards, values, mask, gamma, lam):
        A = torch.zeros_like(rewards)
        for b in range(len(rewards)):
            n = mask[b].sum().item()
            nxt_v = nxt_a = 0.0
            for t in range(n - 1, -1, -1):
                delta = rewards[b, t] + gamma * nxt_v - values[b, t]
                nxt_a = delta + gamma * lam * nxt_a
                nxt_v = values[b, t]
                A[b, t] = nxt_a
        return A


@right("10b.ppo_loss")
class AsInTrl:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p - log_p_old)
        pg_losses = -A * ratio
        pg_losses2 = -A * torch.clamp(ratio, 1.0 - epsilon, 1.0 + epsilon)
        pg_loss_max = torch.max(pg_losses, pg_losses2)
        return (pg_loss_max * mask).sum() / mask.sum()
