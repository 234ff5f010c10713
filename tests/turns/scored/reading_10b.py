"""Answers to the turns of lesson 10b, written from its text alone by a reader."""

import math

import torch
import torch.nn.functional as F
from turn_answers import right, wrong

# --- 10b.token_rewards


@wrong("10b.token_rewards", "`token_rewards` raised IndexError")
class AtTheTotalLength:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        rewards[:, mask.sum() - 1] += score
        return rewards


@wrong("10b.token_rewards", "The score is in the last column of the table, and shorter answers have ended")
class AtTheLongestEnd:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        rewards[:, mask.sum(1).max() - 1] += score
        return rewards


@wrong("10b.token_rewards", "There is one number per answer.")
class TotalKl:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        kl = ((log_p - log_p_ref) * mask).sum(1)
        return score - beta * kl


@wrong("10b.token_rewards", "The penalties are averaged over all answers, and every token has the mean.")
class MeanKl:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        kl = (log_p - log_p_ref)[mask].mean()
        rewards = -beta * kl * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score
        return rewards


@wrong("10b.token_rewards", "The penalty is weighted with the reference's probability, as in `F.kl_div`.")
class TorchsKl:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        kl = F.kl_div(log_p, log_p_ref, reduction="none", log_target=True)
        rewards = -beta * kl * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score
        return rewards


@wrong("10b.token_rewards", "The penalty is weighted with the probability.")
class TorchsKlTheOtherWay:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        kl = F.kl_div(log_p_ref, log_p, reduction="none", log_target=True)
        rewards = -beta * kl * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score
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


@wrong("10b.token_rewards", "")
class WholeNumbers:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = torch.zeros(mask.shape, dtype=torch.long)
        rewards[torch.arange(len(score)), mask.sum(1) - 1] = score.long()
        return rewards - beta * (log_p - log_p_ref) * mask


@wrong("10b.token_rewards", "The score is at the last token, and in all of the padding after it.")
class FromTheCumulatedMask:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        last = mask.cumsum(1) == mask.sum(1, keepdim=True)
        return -beta * (log_p - log_p_ref) * mask + last * score[:, None]


@wrong("10b.token_rewards", "beta is always 0.1.")
class AlwaysATenth:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -0.1 * (log_p - log_p_ref) * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score
        return rewards


@wrong("10b.token_rewards", "The log-probabilities are divided.")
class RatioOfLogs:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p / log_p_ref) * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score
        return rewards


@wrong("10b.token_rewards", "The rewards are whitened: mean 0, standard deviation 1.")
class Whitens:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score
        real = rewards[mask]
        return (rewards - real.mean()) / (real.std() + 1e-8) * mask


@wrong("10b.token_rewards", "`token_rewards` raised IndexError")
class LooksAhead:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        for b in range(len(score)):
            for t in range(mask.shape[1]):
                if not mask[b, t + 1]:
                    rewards[b, t] += score[b]
                    break
        return rewards


@wrong("10b.token_rewards", "Several things are returned.")
class TheScoreAlso:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        kl = log_p - log_p_ref
        return -beta * kl * mask, score


@wrong("10b.token_rewards", "The score is missing.")
class LostInACopy:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        rewards[torch.arange(len(score))][:, mask.sum(1) - 1] += score
        return rewards


@wrong("10b.token_rewards", "The rewards are added up from each token to the end.")
class RewardToGo:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * (log_p - log_p_ref) * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score
        return rewards.flip(1).cumsum(1).flip(1) * mask


@wrong("10b.token_rewards", "The penalties are divided by the number of tokens.")
class PerToken:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        n = mask.sum(1, keepdim=True)
        rewards = -beta * (log_p - log_p_ref) * mask / n
        rewards[torch.arange(len(score)), n[:, 0] - 1] += score
        return rewards


@wrong("10b.token_rewards", "There is one row.")
class OneRowAtATime:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        for b in range(len(score)):
            rewards = -beta * (log_p[b] - log_p_ref[b]) * mask[b]
            rewards[mask[b].sum() - 1] += score[b]
        return rewards


@wrong("10b.token_rewards", "beta multiplies log_p alone.")
class KeepsTheJunk:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rewards = -beta * log_p - log_p_ref
        rewards = rewards * mask
        rewards[torch.arange(len(score)), mask.sum(1) - 1] += score
        return rewards


@right("10b.token_rewards")
class BeforeTheFirstPadding:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        last = mask.int().argmin(1) - 1  # -1 is the last column, if there is no padding
        rewards = (log_p_ref - log_p).mul(beta).where(mask, 0.0)
        rewards[range(len(score)), last] += score
        return rewards


@right("10b.token_rewards")
class ByADifferenceOfTheMask:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        m = F.pad(mask.float(), (0, 1))
        ends = m[:, :-1] - m[:, 1:]
        return beta * (log_p_ref - log_p) * mask + torch.einsum("b,bt->bt", score, ends)


@right("10b.token_rewards")
class ByIndexPut:
    def token_rewards(score, log_p, log_p_ref, mask, beta):
        rows = torch.arange(log_p.size(0))
        kl = torch.where(mask, log_p - log_p_ref, torch.zeros_like(log_p))
        return torch.index_put(-beta * kl, (rows, mask.sum(-1) - 1), score, accumulate=True)


# --- 10b.gae


@wrong("10b.gae", "The result is right but for the first column.")
class SkipsTheFirstColumn:
    def gae(rewards, values, mask, gamma, lam):
        B, T = rewards.shape
        v, A, out = values * mask, torch.zeros(B), torch.zeros(B, T)
        for t in range(T - 1, 0, -1):
            following = v[:, t + 1] if t < T - 1 else 0
            A = (rewards[:, t] + gamma * following - v[:, t] + gamma * lam * A) * mask[:, t]
            out[:, t] = A
        return out


@wrong("10b.gae", "delta takes V_t for V_(t+1): the value is replaced before delta is computed.")
class ReplacedTooEarly:
    def gae(rewards, values, mask, gamma, lam):
        out = torch.zeros_like(rewards)
        next_value = next_advantage = torch.zeros(len(rewards))
        for t in reversed(range(rewards.shape[1])):
            next_value = values[:, t] * mask[:, t]
            delta = rewards[:, t] + gamma * next_value - values[:, t]
            out[:, t] = next_advantage = (delta + gamma * lam * next_advantage) * mask[:, t]
        return out


@wrong("10b.gae", "These are the deltas alone.")
class NeverReplacesA:
    def gae(rewards, values, mask, gamma, lam):
        out = torch.zeros_like(rewards)
        next_value = next_advantage = torch.zeros(len(rewards))
        for t in reversed(range(rewards.shape[1])):
            delta = rewards[:, t] + gamma * next_value - values[:, t]
            out[:, t] = (delta + gamma * lam * next_advantage) * mask[:, t]
            next_value = values[:, t] * mask[:, t]
        return out


@wrong("10b.gae", "V_(t+1) is missing: delta_t = r_t - V_t.")
class NeverReplacesV:
    def gae(rewards, values, mask, gamma, lam):
        out = torch.zeros_like(rewards)
        next_value = next_advantage = torch.zeros(len(rewards))
        for t in reversed(range(rewards.shape[1])):
            delta = rewards[:, t] + gamma * next_value - values[:, t]
            out[:, t] = next_advantage = (delta + gamma * lam * next_advantage) * mask[:, t]
        return out


@wrong("10b.gae", "`gae` raised NameError")
class AsInCleanRl:
    def gae(rewards, values, mask, gamma, lam):
        advantages, lastgaelam = torch.zeros_like(rewards), 0
        for t in reversed(range(num_steps)):  # noqa: F821
            nextnonterminal = 1.0 - next_done  # noqa: F821
            delta = rewards[t] + gamma * values[t + 1] * nextnonterminal - values[t]
            advantages[t] = lastgaelam = delta + gamma * lam * nextnonterminal * lastgaelam
        return advantages


@wrong("10b.gae", "")
class AColumnTooMany:
    def gae(rewards, values, mask, gamma, lam):
        B, T = rewards.shape
        v = F.pad(values * mask, (0, 1))
        A = torch.zeros(B, T + 1)
        for t in reversed(range(T)):
            A[:, t] = (rewards[:, t] + gamma * v[:, t + 1] - v[:, t] + gamma * lam * A[:, t + 1]) * mask[:, t]
        return A


@wrong("10b.gae", "The padding's values reach the answers: the mask is used only at the end.")
class OneBranchForTheLast:
    def gae(rewards, values, mask, gamma, lam):
        B, T = rewards.shape
        A = torch.zeros(B, T)
        for t in reversed(range(T)):
            if t == T - 1:
                A[:, t] = rewards[:, t] - values[:, t]
            else:
                delta = rewards[:, t] + gamma * values[:, t + 1] - values[:, t]
                A[:, t] = delta + gamma * lam * A[:, t + 1]
        return A * mask


@wrong("10b.gae", "The result is NaN in places: 0 / 0, inf - inf, or 0 * inf.")
class ByCumulatedPowers:
    """Divides by powers of gamma lambda: 0 / 0 where lambda is 0."""

    def gae(rewards, values, mask, gamma, lam):
        T = rewards.shape[1]
        v = F.pad(values * mask, (0, 1))
        delta = (rewards + gamma * v[:, 1:] - v[:, :-1]) * mask
        powers = (gamma * lam) ** torch.arange(T)
        return (delta * powers).flip(1).cumsum(1).flip(1) / powers


@wrong("10b.gae", "")
class OnlyRealOnes:
    def gae(rewards, values, mask, gamma, lam):
        v = F.pad(values * mask, (0, 1))
        A, out = torch.zeros(len(rewards)), torch.zeros_like(rewards)
        for t in reversed(range(rewards.shape[1])):
            A = (rewards[:, t] + gamma * v[:, t + 1] - v[:, t] + gamma * lam * A) * mask[:, t]
            out[:, t] = A
        return out[mask]


@wrong("10b.gae", "delta takes the reward after t, r_(t+1).")
class NextReward:
    def gae(rewards, values, mask, gamma, lam):
        v, r = F.pad(values * mask, (0, 1)), F.pad(rewards, (0, 1))
        A, out = torch.zeros(len(rewards)), torch.zeros_like(rewards)
        for t in reversed(range(rewards.shape[1])):
            A = (r[:, t + 1] + gamma * v[:, t + 1] - v[:, t] + gamma * lam * A) * mask[:, t]
            out[:, t] = A
        return out


@wrong("10b.gae", "")
class GammaToThePowerOfLambda:
    def gae(rewards, values, mask, gamma, lam):
        v = F.pad(values * mask, (0, 1))
        A, out = torch.zeros(len(rewards)), torch.zeros_like(rewards)
        for t in reversed(range(rewards.shape[1])):
            A = (rewards[:, t] + gamma * v[:, t + 1] - v[:, t] + gamma**lam * A) * mask[:, t]
            out[:, t] = A
        return out


@wrong("10b.gae", "The padding's values reach the answers: the mask is used only at the end.")
class FromThePageFormulaRecursive:
    def gae(rewards, values, mask, gamma, lam):
        T = rewards.shape[1]

        def A(t):
            if t == T:
                return 0.0
            following = values[:, t + 1] if t + 1 < T else 0.0
            return rewards[:, t] + gamma * following - values[:, t] + gamma * lam * A(t + 1)

        return torch.stack([A(t) for t in range(T)], dim=1) * mask


@wrong("10b.gae", "Only the last column has an advantage.")
class ReturnInTheLoop:
    def gae(rewards, values, mask, gamma, lam):
        out = torch.zeros_like(rewards)
        A = torch.zeros(len(rewards))
        v = F.pad(values * mask, (0, 1))
        for t in reversed(range(rewards.shape[1])):
            A = (rewards[:, t] + gamma * v[:, t + 1] - v[:, t] + gamma * lam * A) * mask[:, t]
            out[:, t] = A
            return out


@wrong("10b.gae", "The advantages are centered: their mean is subtracted.")
class CenteredOnly:
    def gae(rewards, values, mask, gamma, lam):
        v = F.pad(values * mask, (0, 1))
        A, out = torch.zeros(len(rewards)), torch.zeros_like(rewards)
        for t in reversed(range(rewards.shape[1])):
            A = (rewards[:, t] + gamma * v[:, t + 1] - v[:, t] + gamma * lam * A) * mask[:, t]
            out[:, t] = A
        return (out - out[mask].mean()) * mask


@wrong("10b.gae", "gamma and lambda have changed places in delta: it's lambda that multiplies V_(t+1).")
class LambdaForGammaInBoth:
    def gae(rewards, values, mask, gamma, lam):
        gamma, lam = lam, gamma
        v = F.pad(values * mask, (0, 1))
        A, out = torch.zeros(len(rewards)), torch.zeros_like(rewards)
        for t in reversed(range(rewards.shape[1])):
            A = (rewards[:, t] + gamma * v[:, t + 1] - v[:, t] + gamma * lam * A) * mask[:, t]
            out[:, t] = A
        return out


@wrong("10b.gae", "A_(t+1) is delta_(t+1) only, so nothing comes from further away.")
class AddsToTheLastOnly:
    def gae(rewards, values, mask, gamma, lam):
        v = F.pad(values * mask, (0, 1))
        delta = (rewards + gamma * v[:, 1:] - v[:, :-1]) * mask
        return delta + gamma * lam * F.pad(delta, (0, 1))[:, 1:]


@wrong("10b.gae", "Every token is compared with the sum of all rewards of its answer, those before")
class WholeReturnForAll:
    def gae(rewards, values, mask, gamma, lam):
        return (rewards.sum(1, keepdim=True) - values) * mask


@right("10b.gae")
class AsAConvolution:
    def gae(rewards, values, mask, gamma, lam):
        B, T = rewards.shape
        v = F.pad(values * mask, (0, 1))
        delta = (rewards + gamma * v[:, 1:] - v[:, :-1]) * mask
        kernel = torch.tensor([(gamma * lam) ** k for k in range(T)])
        padded = F.pad(delta, (0, T - 1))[:, None]
        return F.conv1d(padded, kernel[None, None])[:, 0]


@right("10b.gae")
class MixtureOfReturns:
    """lambda-returns, less the values (Sutton and Barto, section 12.1)."""

    def gae(rewards, values, mask, gamma, lam):
        G, out = torch.zeros(len(rewards)), []
        v = torch.where(mask, values, 0)
        for t in range(rewards.shape[1] - 1, -1, -1):
            after = v[:, t + 1] if t + 1 < v.shape[1] else torch.zeros_like(G)
            G = torch.where(mask[:, t], rewards[:, t] + gamma * ((1 - lam) * after + lam * G), 0)
            out.insert(0, G - v[:, t])
        return torch.stack(out, dim=-1)


@right("10b.gae")
class SolvesALinearSystem:
    """A = delta + gamma lambda S A, where S shifts by one: solve (1 - gamma lambda S) A = delta."""

    def gae(rewards, values, mask, gamma, lam):
        T = rewards.shape[1]
        shift = torch.diag(torch.ones(T - 1), 1)
        v = values * mask
        delta = (rewards + gamma * v @ shift.T - v) * mask
        return torch.linalg.solve(torch.eye(T) - gamma * lam * shift, delta.T).T


# --- 10b.ppo_loss


@wrong("10b.ppo_loss", "The sign is wrong, and the mask isn't used.")
class NoSignAndNoMask:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        return torch.min(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A).mean()


@wrong("10b.ppo_loss", "The mask isn't used: the padding counts.")
class NoMask:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        return -torch.min(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A).mean()


@wrong("10b.ppo_loss", "The padding counts: its ratio is 1, but its advantages aren't 0.")
class MaskedLogs:
    """The padding's ratio is 1, but its advantage counts."""

    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = ((log_p - log_p_old) * mask).exp()
        gain = torch.min(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)
        return -gain.sum() / mask.sum()


@wrong("10b.ppo_loss", "")
class DualClip:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        gain = torch.min(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)
        gain = torch.where(A < 0, torch.max(gain, 1.3 * A), gain)
        return -(gain * mask).sum() / mask.sum()


@wrong("10b.ppo_loss", "")
class WithAKlPenalty:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        gain = torch.min(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)
        gain = gain - 0.05 * (log_p - log_p_old)
        return -(gain * mask).sum() / mask.sum()


@wrong("10b.ppo_loss", "")
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


@wrong("10b.ppo_loss", "The loss must be one number; here its shape is (4,).")
class LossesOfRealTokens:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        return -torch.min(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)[mask]


@wrong("10b.ppo_loss", "The result is right, but no model could learn through it: `log_p` gets no gradient.")
class WithoutAGradientToTheRatio:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp().detach()
        return -(torch.min(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A) * mask).sum() / mask.sum()


@wrong("10b.ppo_loss", "A difference of probabilities stands in place of the ratio.")
class OneMoreExp:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = log_p.exp() - log_p_old.exp()
        return -(torch.min(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A) * mask).sum() / mask.sum()


@wrong("10b.ppo_loss", "A is clipped, not the ratio.")
class ClipsTheAdvantage:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        return -(torch.min(ratio * A, ratio * A.clamp(1 - epsilon, 1 + epsilon)) * mask).sum() / mask.sum()


@wrong("10b.ppo_loss", "The smaller of the two ratios is taken, then multiplied by A.")
class ClipsTwoGains:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        gain = torch.min(ratio, ratio.clamp(1 - epsilon, 1 + epsilon))
        return -(gain * A * mask).sum() / mask.sum()


@wrong("10b.ppo_loss", "")
class SumPerAnswer:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        gain = torch.min(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A) * mask
        return -gain.mean(dim=1).sum()


@wrong("10b.ppo_loss", "A isn't used.")
class RatioAndClipOnly:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        clipped = ratio.clamp(1 - epsilon, 1 + epsilon)
        return -(torch.min(ratio, clipped) * mask).sum() / mask.sum()


@wrong("10b.ppo_loss", "")
class WithAnEntropyBonus:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        gain = torch.min(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A) - 0.01 * log_p
        return -(gain * mask).sum() / mask.sum()


@wrong("10b.ppo_loss", "The bounds have changed places, so the clipped ratio is 1 - epsilon everywhere.")
class EpsilonTheWrongWay:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        clipped = ratio.clamp(1 + epsilon, 1 - epsilon)
        return -(torch.min(ratio * A, clipped * A) * mask).sum() / mask.sum()


@wrong("10b.ppo_loss", "Only the first answer counts, divided by the number of all tokens.")
class ALoopWithAnEarlyReturn:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        total = 0.0
        for new, old, a, m in zip(log_p, log_p_old, A, mask):
            ratio = (new - old)[m].exp()
            total = total - torch.min(ratio * a[m], ratio.clamp(1 - epsilon, 1 + epsilon) * a[m]).sum()
            return total / mask.sum()


@wrong("10b.ppo_loss", "Outside of the range, the gain is 0.")
class ZeroOutsideTheRange:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        inside = (ratio > 1 - epsilon) & (ratio < 1 + epsilon)
        return -(ratio * A * inside * mask).sum() / mask.sum()


@right("10b.ppo_loss")
class ClippedLogs:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        log_ratio = log_p - log_p_old
        clipped = log_ratio.clamp(math.log(1 - epsilon), math.log(1 + epsilon))
        gain = torch.minimum(log_ratio.exp() * A, clipped.exp() * A)
        return -gain[mask].sum() / mask.sum()


@right("10b.ppo_loss")
class NanMean:
    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = (log_p - log_p_old).exp()
        gain = torch.min(ratio * A, ratio.clip(1 - epsilon, 1 + epsilon) * A)
        return -gain.masked_fill(~mask, torch.nan).nanmean()


@right("10b.ppo_loss")
class RatioLessItsExcess:
    """Takes off what is too much: above the range for a good token, below it for a bad one."""

    def ppo_loss(log_p, log_p_old, A, mask, epsilon):
        ratio = torch.exp(log_p - log_p_old)
        over, under = F.relu(ratio - 1 - epsilon), F.relu(1 - epsilon - ratio)
        gain = ratio * A - over * F.relu(A) - under * F.relu(-A)
        return -torch.sum(gain * mask) / torch.sum(mask)
