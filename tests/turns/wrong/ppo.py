"""Wrong answers to the turns of lesson 10b, and what is said of each."""

import torch
from turn_answers import wrong

# --- 10b.token_rewards


@wrong("10b.token_rewards", "raised NameError")
class AsOnThePage:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards[torch.arange(len(score)), -1] = score  # noqa: F821
        return rewards  # noqa: F821


@wrong("10b.token_rewards", "raised IndexError")
class ColumnsFromOne:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        rewards[torch.arange(len(score)), mask.sum(dim=1)] += score
        return rewards


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


@wrong("10b.token_rewards", "raised RuntimeError")
class ScatterWithoutAnAxis:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        return rewards.scatter_add(1, mask.sum(1) - 1, score)


@wrong("10b.token_rewards", "raised")
class OneLength:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        n = int(mask.sum(dim=1))
        rewards[:, n - 1] += score
        return rewards


@wrong("10b.token_rewards", "raised")
class CalledAsAFunction:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        return -beta * (log_p - log_p_ref) * mask(1)


@wrong("10b.token_rewards", "The score comes a token too early.")
class MinusTwo:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        for b in range(len(score)):
            rewards[b, max(int(mask[b].sum()) - 2, 0)] += score[b]
        return rewards


@wrong("10b.token_rewards", "The score is shared out among the tokens.")
class Shared:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        n = mask.sum(1, keepdim=True)
        return (score[:, None] / n - beta * (log_p - log_p_ref)) * mask


@wrong("10b.token_rewards", "The score is at the first token.")
class AtTheFirst:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        rewards[:, 0] += score
        return rewards


@wrong("10b.token_rewards", "The penalty is never negative: the absolute difference.")
class Absolute:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref).abs() * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score
        return rewards


@wrong("10b.token_rewards", "The reference isn't used: the penalty is -beta log_p.")
class NoReference:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * log_p * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score
        return rewards


@wrong("10b.token_rewards", "The score is subtracted.")
class AsALoss:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] -= score
        return rewards


@wrong("10b.token_rewards", "Every row gets the scores of all answers.")
class WholeColumns:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = beta * (log_p_ref - log_p) * mask
        last = mask.long().sum(dim=1) - 1
        rewards[:, last] = rewards[:, last] + score
        return rewards


# --- 10b.gae


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


@wrong("10b.gae", "changed the input")
class InTheRewards:
    def gae(rewards, values, mask, gamma, lam):
        T = rewards.shape[1]
        for t in reversed(range(T)):
            v = values[:, t + 1] * mask[:, t + 1] if t + 1 < T else 0
            a = rewards[:, t + 1] if t + 1 < T else 0
            rewards[:, t] = (rewards[:, t] + gamma * v - values[:, t] + gamma * lam * a) * mask[:, t]
        return rewards


@wrong("10b.gae", "raised")
class IfOfATensor:
    def gae(rewards, values, mask, gamma, lam):
        A, a, v = torch.zeros_like(rewards), 0, 0
        for t in reversed(range(rewards.shape[1])):
            if not mask[:, t].bool() or mask[:, t].sum() < 9 and mask[:, t].item():
                continue
            a = rewards[:, t] + gamma * v - values[:, t] + gamma * lam * a
            A[:, t], v = a, values[:, t]
        return A


@wrong("10b.gae", "raised")
class ReversedBySlices:
    def gae(rewards, values, mask, gamma, lam):
        A, v, out = 0, 0, []
        for r, value in zip(rewards.T[::-1], values.T[::-1]):
            A = r + gamma * v - value + gamma * lam * A
            v = value
            out.append(A)
        return torch.stack(out[::-1], 1)


@wrong("10b.gae", "raised RuntimeError")
class OneMinusAMask:
    def gae(rewards, values, mask, gamma, lam):
        done = 1 - mask
        v = torch.cat([values[:, 1:], torch.zeros(len(values), 1)], 1) * (1 - done)
        return rewards + gamma * v - values


@wrong("10b.gae", "The values aren't used: these are sums of rewards.")
class NoValues:
    def gae(rewards, values, mask, gamma, lam):
        A, a = torch.zeros_like(rewards), torch.zeros(len(rewards))
        for t in reversed(range(rewards.shape[1])):
            a = (rewards[:, t] + gamma * lam * a) * mask[:, t]
            A[:, t] = a
        return A


@wrong("10b.gae", "gamma is missing in both places.")
class NoGamma:
    def gae(rewards, values, mask, gamma, lam):
        A, a, v = torch.zeros_like(rewards), torch.zeros(len(rewards)), torch.zeros(len(rewards))
        for t in reversed(range(rewards.shape[1])):
            a = (rewards[:, t] + v - values[:, t] + lam * a) * mask[:, t]
            v = values[:, t] * mask[:, t]
            A[:, t] = a
        return A


@wrong("10b.gae", "V_t and V_(t+1) have changed places.")
class ValuesSwapped:
    def gae(rewards, values, mask, gamma, lam):
        v = values * mask
        v_next = torch.cat([v[:, 1:], torch.zeros(len(v), 1)], 1)
        A, a = torch.zeros_like(rewards), torch.zeros(len(rewards))
        for t in reversed(range(rewards.shape[1])):
            a = (rewards[:, t] + gamma * v[:, t] - v_next[:, t] + gamma * lam * a) * mask[:, t]
            A[:, t] = a
        return A


@wrong("10b.gae", "V_t isn't subtracted: delta_t = r_t + gamma V_(t+1).")
class NoValueSubtracted:
    def gae(rewards, values, mask, gamma, lam):
        v = values * mask
        A, a, following = torch.zeros_like(rewards), torch.zeros(len(rewards)), torch.zeros(len(rewards))
        for t in reversed(range(rewards.shape[1])):
            a = (rewards[:, t] + gamma * following + gamma * lam * a) * mask[:, t]
            following = v[:, t]
            A[:, t] = a
        return A


@wrong("10b.gae", "After the last token of a short answer, V_(t+1) is the value of the padding.")
class ValuesOfThePadding:
    def gae(rewards, values, mask, gamma, lam):
        A, a, v = torch.zeros_like(rewards), torch.zeros(len(rewards)), torch.zeros(len(rewards))
        for t in reversed(range(rewards.shape[1])):
            a = (rewards[:, t] + gamma * v - values[:, t] + gamma * lam * a) * mask[:, t]
            v = values[:, t]
            A[:, t] = a
        return A


@wrong("10b.gae", "The padding has advantages, and the last token gets a part of them.")
class OnlyTheValuesAreMasked:
    def gae(rewards, values, mask, gamma, lam):
        A, a, v = torch.zeros_like(rewards), torch.zeros(len(rewards)), torch.zeros(len(rewards))
        for t in reversed(range(rewards.shape[1])):
            a = rewards[:, t] + gamma * v - values[:, t] + gamma * lam * a
            v = values[:, t] * mask[:, t]
            A[:, t] = a
        return A


@wrong("10b.gae", "the values go round in a circle")
class Rolled:
    def gae(rewards, values, mask, gamma, lam):
        delta = rewards + gamma * values.roll(-1, 1) - values
        A, a = torch.zeros_like(rewards), torch.zeros(len(rewards))
        for t in reversed(range(rewards.shape[1])):
            a = (delta[:, t] + gamma * lam * a) * mask[:, t]
            A[:, t] = a
        return A


# --- 10b.ppo_loss


@wrong("10b.ppo_loss", "raised NameError")
class WithTheReference:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        kl = (log_p - log_p_ref).mean()  # noqa: F821
        return -((log_p - log_p_old).exp() * A).mean() + 0.05 * kl


@wrong("10b.ppo_loss", "raised RuntimeError")
class Calls:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        loss = -torch.minimum(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)[mask].mean()
        loss.detach().backward()
        return loss


@wrong("10b.ppo_loss", "changed the input")
class MasksTheAdvantages:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        A *= mask
        ratio = (log_p - log_p_old).exp()
        return -torch.minimum(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A).sum() / mask.sum()


@wrong("10b.ppo_loss", "raised")
class SumsTooEarly:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = ((log_p - log_p_old) * mask).sum(1).exp()
        return -torch.minimum(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)[mask].mean()


@wrong("10b.ppo_loss", "raised")
class ClipFunction:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        return -torch.minimum(ratio * A, ratio.clip_(low=1 - epsilon, high=1 + epsilon) * A)[mask].mean()


@wrong("10b.ppo_loss", "raised")
class MeanOfTheMask:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        return -(ratio * A * mask).mean() / mask.mean()


@wrong("10b.ppo_loss", "raised")
class MinOfNothing:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        return -torch.min(ratio * A, dim=ratio.clamp(1 - epsilon, 1 + epsilon) * A)[mask].mean()


@wrong("10b.ppo_loss", "Only the upper bound is there.")
class UpperBound:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        return -torch.minimum(ratio * A, ratio.clamp(max=1 + epsilon) * A)[mask].mean()


@wrong("10b.ppo_loss", "The clip range is always 0.8 to 1.2.")
class FixedRange:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        return -torch.minimum(ratio * A, ratio.clamp(0.8, 1.2) * A)[mask].mean()


@wrong("10b.ppo_loss", "This is REINFORCE: -A log p, without ratio and clip.")
class Reinforce:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        return -(log_p * A * mask).sum() / mask.sum()


@wrong("10b.ppo_loss", "The product is clipped, not the ratio.")
class ProductClipped:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        gain = (log_p - log_p_old).exp() * A
        return -torch.minimum(gain, gain.clamp(1 - epsilon, 1 + epsilon))[mask].mean()


@wrong("10b.ppo_loss", "The ratio is clipped to -epsilon ... epsilon.")
class AroundZero:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        return -torch.minimum(ratio * A, ratio.clamp(-epsilon, epsilon) * A)[mask].mean()


@wrong("10b.ppo_loss", "The ratio is that of whole answers, as in GSPO.")
class WholeAnswers:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = ((log_p - log_p_old) * mask).sum(1, keepdim=True).exp()
        return -torch.minimum(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)[mask].mean()


@wrong("10b.ppo_loss", "The sum is divided by the number of answers.")
class PerAnswer:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        gain = torch.minimum(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A) * mask
        return -gain.sum(1).mean()


@wrong("10b.ppo_loss", "These are the losses of the tokens, all right.")
class OfEachToken:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        return -torch.minimum(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A) * mask
