"""Unusual right answers to the turn 11a.policy_gradient, as learners write them."""

import statistics

import torch
from turn_answers import right


@right("11a.policy_gradient")
class MaskedSumOverCount:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(dim=1) / mask.sum(dim=1)
        return -(adv * mean_lp).mean()


@right("11a.policy_gradient")
class LoopOverAnswers:
    def policy_gradient_loss(log_probs, rewards, mask):
        """The loss of B answers to one prompt, from the log-probabilities of their tokens (B, T)."""
        advantages = (rewards - torch.mean(rewards)) / (torch.std(rewards) + 1e-6)
        total = 0
        for i in range(len(rewards)):
            own = log_probs[i][mask[i]]
            total = total + advantages[i] * own.mean()
        return -total / len(rewards)


@right("11a.policy_gradient")
class Einsum:
    def policy_gradient_loss(log_probs, rewards, mask):
        m = mask.to(log_probs.dtype)
        a = rewards.sub(rewards.mean()).div(rewards.std().add(1e-6))
        return -torch.einsum("b,bt,bt,b->", a, log_probs, m, 1 / m.sum(-1)) / a.numel()


@right("11a.policy_gradient")
class WhereZero:
    def policy_gradient_loss(log_probs, rewards, mask):
        lp = torch.where(mask, log_probs, torch.zeros_like(log_probs))
        lengths = mask.sum(-1).clamp(min=1)
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return (-adv * lp.sum(-1) / lengths).mean()


@right("11a.policy_gradient")
class NanMean:
    def policy_gradient_loss(log_probs, rewards, mask):
        means = log_probs.masked_fill(~mask, float("nan")).nanmean(dim=1)
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -torch.mean(adv * means)


@right("11a.policy_gradient")
class WeightPerToken:
    def policy_gradient_loss(log_probs, rewards, mask):
        weights = mask / mask.sum(dim=1, keepdim=True)
        centered = rewards - rewards.mean()
        adv = centered / (rewards.std() + 1e-6)
        return -(adv.unsqueeze(1) * weights * log_probs).sum() / log_probs.shape[0]


@right("11a.policy_gradient")
class StdByHand:
    def policy_gradient_loss(log_probs, rewards, mask):
        B = rewards.shape[0]
        m = rewards.sum() / B
        diff = rewards - m
        s = ((diff**2).sum() / (B - 1)) ** 0.5
        adv = diff / (s + 1e-6)
        lp = log_probs.masked_fill(mask.logical_not(), 0.0).sum(1) / mask.float().sum(1)
        return -(adv @ lp) / B


@right("11a.policy_gradient")
class DoubleLoopBeginner:
    def policy_gradient_loss(log_probs, rewards, mask):
        B, T = log_probs.shape
        mean_reward = rewards.mean()
        std_reward = rewards.std()
        losses = []
        for b in range(B):
            advantage = (rewards[b] - mean_reward) / (std_reward + 1e-6)
            summe = 0.0
            count = 0
            for t in range(T):
                if mask[b, t]:
                    summe = summe + log_probs[b, t]
                    count = count + 1
            mean_log_prob = summe / count
            losses.append(advantage * mean_log_prob)
        loss = -sum(losses) / B
        return loss


@right("11a.policy_gradient")
class StatisticsModule:
    def policy_gradient_loss(log_probs, rewards, mask):
        r = [float(x) for x in rewards]
        mu, sd = statistics.mean(r), statistics.stdev(r)
        terms = [(x - mu) / (sd + 1e-6) * lp[m].mean() for x, lp, m in zip(r, log_probs, mask)]
        return -torch.stack(terms).mean()


@right("11a.policy_gradient")
class EarlyReturnEqualRewards:
    def policy_gradient_loss(log_probs, rewards, mask):
        if (rewards == rewards[0]).all():
            return 0.0 * log_probs[mask].sum()
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        per_answer = torch.stack([row[keep].mean() for row, keep in zip(log_probs, mask)])
        return torch.dot(adv, per_answer).neg() / len(adv)


@right("11a.policy_gradient")
class SplitFlatTokens:
    def policy_gradient_loss(log_probs, rewards, mask):
        chunks = torch.split(log_probs[mask], mask.sum(1).tolist())
        means = torch.stack([c.mean() for c in chunks])
        adv = (rewards - rewards.mean()) / (rewards.var().sqrt() + 1e-6)
        return (adv * means).mean() * -1


@right("11a.policy_gradient")
class IndexAdd:
    def policy_gradient_loss(log_probs, rewards, mask):
        rows, cols = mask.nonzero(as_tuple=True)
        sums = log_probs.new_zeros(log_probs.size(0)).index_add(0, rows, log_probs[rows, cols])
        counts = torch.bincount(rows, minlength=log_probs.size(0))
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return torch.neg((adv * (sums / counts)).mean())


@right("11a.policy_gradient")
class CentersBothSides:
    def policy_gradient_loss(log_probs, rewards, mask):
        # the advantages sum to zero, so a constant may be taken off the log-probabilities
        m = (log_probs * mask).sum(1) / mask.sum(1)
        cov = ((rewards - rewards.mean()) * (m - m.mean())).mean()
        return -cov / (rewards.std() + 1e-6)


@right("11a.policy_gradient")
class NumpyAdvantages:
    def policy_gradient_loss(log_probs, rewards, mask):
        r = rewards.detach().cpu().numpy()
        adv = torch.from_numpy((r - r.mean()) / (r.std(ddof=1) + 1e-6)).to(log_probs)
        lengths = mask.sum(1, keepdim=True)
        return -((adv[:, None] * log_probs * mask) / lengths).sum(1).mean(0)


@right("11a.policy_gradient")
class LossOfShapeOneSqueezed:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = ((rewards - rewards.mean()) / (rewards.std() + 1e-6)).reshape(1, -1)
        means = ((log_probs * mask).sum(1) / mask.sum(1)).reshape(-1, 1)
        return -(adv @ means).squeeze() / rewards.numel()


@right("11a.policy_gradient")
class MeanWithoutNan:
    def policy_gradient_loss(log_probs, rewards, mask):
        per_answer = torch.where(mask, log_probs, torch.nan).nanmean(dim=1)
        centered = rewards - rewards.mean()
        spread = (centered @ centered / (len(rewards) - 1)) ** 0.5
        return -(centered / (spread + 1e-6) @ per_answer) / len(rewards)


@right("11a.policy_gradient")
class OneProduct:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        weights = mask / mask.sum(1, keepdim=True) / len(rewards)
        return -torch.einsum("b,bt,bt->", advantages, log_probs, weights)


@right("11a.policy_gradient")
class MaskedMean:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(advantages * torch.masked.mean(log_probs, 1, mask=mask)).mean()


@right("11a.policy_gradient")
class RatioOfMeans:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        per_answer = (log_probs * mask).mean(dim=1) / mask.float().mean(dim=1)
        return -(advantages * per_answer).mean()
