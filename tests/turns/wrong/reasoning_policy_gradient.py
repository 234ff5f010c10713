"""Wrong answers to the turn 11a.policy_gradient, as learners write them."""

import itertools

import numpy as np
import torch
from turn_answers import wrong


# wrong: It forgets the padding and takes the mean over all T positions.
@wrong("11a.policy_gradient", "The mask is not used")
class ForgotMask:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(adv * log_probs.mean(dim=1)).mean()


# wrong: It zeroes the padding but still divides by T.
@wrong("11a.policy_gradient", "Each answer's sum is divided by the padded length T")
class DividesByT:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(adv * (log_probs * mask).mean(dim=1)).mean()


# wrong: It takes one mean over all tokens of all answers, so long answers weigh more.
@wrong("11a.policy_gradient", "The mean is taken over all tokens of the group")
class MeanOverAllTokens:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        weighted = adv.unsqueeze(-1) * log_probs
        return -(weighted * mask).sum() / mask.sum()


# wrong: It sums an answer's log-probabilities instead of averaging them.
@wrong("11a.policy_gradient", "The log-probabilities are summed over an answer's tokens")
class SumOverTokens:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        seq = (log_probs * mask).sum(1)
        return -(adv * seq).mean()


# wrong: It sums over the answers instead of averaging.
@wrong("11a.policy_gradient", "The losses of the answers are summed")
class SumOverAnswers:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        loss = 0
        for a, lp, m in zip(adv, log_probs, mask):
            loss = loss - a * lp[m].mean()
        return loss


# wrong: It forgets the minus sign.
@wrong("11a.policy_gradient", "The sign is wrong")
class ForgotMinus:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return (adv * mean_lp).mean()


# wrong: It has the advantage the wrong way round, mean minus reward.
@wrong("11a.policy_gradient", "The sign is wrong")
class MeanMinusReward:
    def policy_gradient_loss(log_probs, rewards, mask):
        baseline = rewards.mean()
        adv = (baseline - rewards) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: It leaves out the 1e-6 and returns nan for equal rewards.
@wrong("11a.policy_gradient", "The loss is not finite")
class NoEpsilon:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / rewards.std()
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: It adds the 1e-6 to the quotient, for want of brackets.
@wrong("11a.policy_gradient", "The loss is not finite")
class EpsilonOutsideBrackets:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / rewards.std() + 1e-6
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: It leaves out the brackets around the difference, so only the mean is divided.
@wrong("11a.policy_gradient", "Only the mean is divided by the standard deviation")
class DividesOnlyTheMean:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = rewards - rewards.mean() / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: It uses the standard deviation with B instead of B - 1.
@wrong("11a.policy_gradient", "The standard deviation divides by n instead of n - 1")
class BiasedStd:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std(unbiased=False) + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: It uses numpy's std, which divides by B instead of B - 1.
@wrong("11a.policy_gradient", "The standard deviation divides by n instead of n - 1")
class NumpyStd:
    def policy_gradient_loss(log_probs, rewards, mask):
        r = rewards.numpy()
        adv = torch.tensor((r - np.mean(r)) / (np.std(r) + 1e-6))
        losses = [a * lp[m].mean() for a, lp, m in zip(adv, log_probs, mask)]
        return -sum(losses) / len(losses)


# wrong: It only subtracts the mean and does not divide by the standard deviation.
@wrong("11a.policy_gradient", "The advantages are not divided by the standard deviation of the reward")
class OnlyCentered:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = rewards - rewards.mean()
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: It multiplies by the raw rewards instead of advantages.
@wrong("11a.policy_gradient", "The rewards are used as they are")
class RawRewards:
    def policy_gradient_loss(log_probs, rewards, mask):
        mean_lp = (log_probs * mask).sum(-1) / mask.sum(-1).clamp(min=1)
        return -(rewards * mean_lp).mean()


# wrong: It averages over the answers instead of over the tokens, along the wrong axis.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised RuntimeError")
class WrongAxis:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(dim=0) / mask.sum(dim=0).clamp(min=1)
        return -(adv * mean_lp).mean()


# wrong: Its (B, 1) advantages times (B,) means broadcast to (B, B).
@wrong("11a.policy_gradient", "The loss is 0, whatever the log-probabilities are")
class BroadcastsToSquare:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        adv = adv.unsqueeze(1)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: Keepdim makes the means (B, 1), which broadcast with the advantages to (B, B).
@wrong("11a.policy_gradient", "The loss is 0, whatever the log-probabilities are")
class KeepdimBroadcasts:
    def policy_gradient_loss(log_probs, rewards, mask):
        lens = mask.sum(dim=1, keepdim=True)
        means = (log_probs * mask).sum(dim=1, keepdim=True) / lens
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -torch.mean(advantages * means)


# wrong: It multiplies (B,) advantages with (B, T) log-probabilities, which crashes unless B is T.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised RuntimeError")
class ForgotUnsqueeze:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        token_loss = -adv * log_probs * mask
        return (token_loss.sum(1) / mask.sum(1)).mean()


# wrong: It writes zeros into the caller's log-probabilities.
@wrong("11a.policy_gradient", "`policy_gradient_loss` changed the input that it was given; work on a")
class ZeroesTheInput:
    def policy_gradient_loss(log_probs, rewards, mask):
        log_probs[~mask] = 0
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = log_probs.sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: It turns the caller's rewards into advantages in place.
@wrong("11a.policy_gradient", "`policy_gradient_loss` changed the input that it was given; work on a")
class NormalisesRewardsInPlace:
    def policy_gradient_loss(log_probs, rewards, mask):
        std = rewards.std()
        rewards -= rewards.mean()
        rewards /= std + 1e-6
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(rewards * mean_lp).mean()


# wrong: It prints the loss and returns None.
@wrong("11a.policy_gradient", "`policy_gradient_loss` returned None")
class PrintsLoss:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        loss = -(adv * mean_lp).mean()
        print("loss:", loss)


# wrong: It returns a list with one loss per answer.
@wrong("11a.policy_gradient", "The loss must be one number; here it still has one per answer or token")
class ListOfLosses:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        losses = []
        for i in range(log_probs.shape[0]):
            losses.append(-adv[i] * log_probs[i, mask[i]].mean())
        return losses


# wrong: It returns the losses of the answers without averaging them.
@wrong("11a.policy_gradient", "The loss must be one number; here it still has one per answer or token")
class ForgotFinalMean:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -adv * (log_probs * mask).sum(1) / mask.sum(1)


# wrong: It reads the mask the wrong way round and averages over the padding.
@wrong("11a.policy_gradient", "")
class InvertedMask:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        lp = log_probs.masked_fill(mask, 0.0)
        mean_lp = lp.sum(1) / (~mask).sum(1).clamp(min=1)
        return -(adv * mean_lp).mean()


# wrong: Indexing with the mask flattens the answers, so all get one common mean.
@wrong("11a.policy_gradient", "The loss is 0, whatever the log-probabilities are")
class FlattenedByIndexing:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = log_probs[mask].mean()
        return -(adv * mean_lp).mean()


# wrong: It turns the log-probabilities into probabilities first.
@wrong("11a.policy_gradient", "Probabilities are used in place of log-probabilities")
class UsesProbabilities:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        probs = torch.exp(log_probs) * mask
        return -(adv * probs.sum(1) / mask.sum(1)).mean()


# wrong: It takes the logarithm again of what are already log-probabilities.
@wrong("11a.policy_gradient", "")
class LogOfMeanProbability:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_prob = (log_probs.exp() * mask).sum(1) / mask.sum(1)
        return -(adv * mean_prob.log()).mean()


# wrong: It uses only the last token of each answer.
@wrong("11a.policy_gradient", "")
class LastTokenOnly:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        last = mask.sum(1) - 1
        lp = log_probs[torch.arange(len(last)), last]
        return -(adv * lp).mean()


# wrong: It divides by the variance instead of the standard deviation.
@wrong("11a.policy_gradient", "The rewards are divided by their variance")
class DividesByVariance:
    def policy_gradient_loss(log_probs, rewards, mask):
        mu = rewards.mean()
        var = ((rewards - mu) ** 2).sum() / (len(rewards) - 1)
        adv = (rewards - mu) / (var + 1e-6)
        mean_lp = torch.stack([l[m].mean() for l, m in zip(log_probs, mask)])
        return -(adv * mean_lp).mean()


# wrong: It returns None when all rewards are equal.
@wrong("11a.policy_gradient", "`policy_gradient_loss` returned None")
class NoneForEqualRewards:
    def policy_gradient_loss(log_probs, rewards, mask):
        if rewards.std() > 0:
            adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
            mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
            return -(adv * mean_lp).mean()


# wrong: It learns only from the answers better than the mean.
@wrong("11a.policy_gradient", "Only answers with a positive advantage are used")
class OnlyPositiveAdvantages:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        adv = torch.relu(adv)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: It uses the ratio of PPO, whose value is one for every token, instead of the log-probability.
@wrong("11a.policy_gradient", "The loss is 0, whatever the log-probabilities are")
class RatioInsteadOfLogProb:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        ratio = torch.exp(log_probs - log_probs.detach())
        clipped = ratio.clamp(0.8, 1.2)
        obj = torch.min(ratio * adv[:, None], clipped * adv[:, None])
        return -((obj * mask).sum(1) / mask.sum(1)).mean()


# wrong: It takes log-probabilities of zero for the padding instead of the mask.
@wrong("11a.policy_gradient", "The mask is not used")
class ZerosAsPadding:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        tokens = log_probs != 0
        mean_lp = (log_probs * tokens).sum(1) / tokens.sum(1).clamp(min=1)
        return -(adv * mean_lp).mean()


# wrong: It divides by B - 1 instead of by B in the mean over answers.
@wrong("11a.policy_gradient", "The mean over answers divides by B - 1")
class DividesByBMinusOne:
    def policy_gradient_loss(log_probs, rewards, mask):
        B = len(rewards)
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).sum() / (B - 1)


# wrong: It divides every answer by the length of the longest.
@wrong("11a.policy_gradient", "Each answer's sum is divided by the padded length T")
class LongestLength:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        longest = mask.sum(1).max()
        mean_lp = (log_probs * mask).sum(1) / longest
        return -(adv * mean_lp).mean()


# wrong: It divides by the number of tokens of all answers together, for want of a dim.
@wrong("11a.policy_gradient", "")
class SumWithoutDim:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(dim=1) / mask.sum()
        return -(adv * mean_lp).mean()


# wrong: It keeps a running list of all rewards of earlier calls as its baseline.
@wrong("11a.policy_gradient", "")
class RewardsFromEarlierCalls:
    def policy_gradient_loss(log_probs, rewards, mask, history=[]):
        history.extend(rewards.tolist())
        past = torch.tensor(history, dtype=rewards.dtype)
        adv = (rewards - past.mean()) / (past.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: It misspells a name that is then undefined.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised NameError")
class UndefinedAdvantage:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(advantage * mean_lp).mean()


# wrong: It takes a Python float out of the tensor, so no gradient can flow from the loss.
@wrong("11a.policy_gradient", "The result is right")
class ItemLosesGradient:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean().item()


# wrong: It computes under no_grad, so no gradient can flow from the loss.
@wrong("11a.policy_gradient", "The result is right")
class NoGrad:
    def policy_gradient_loss(log_probs, rewards, mask):
        with torch.no_grad():
            adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
            loss = -(adv * (log_probs * mask).sum(1) / mask.sum(1)).mean()
        return loss


# wrong: It uses the mask as integer indices of rows.
@wrong("11a.policy_gradient", "")
class MaskAsIndex:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        picked = log_probs.gather(1, mask.long())
        return -(adv * picked.mean(1)).mean()


# wrong: It scales the rewards to 0 to 1 instead of subtracting the mean and dividing by the std.
@wrong("11a.policy_gradient", "The rewards are used as they are")
class MinMaxScaling:
    def policy_gradient_loss(log_probs, rewards, mask):
        lo, hi = rewards.min(), rewards.max()
        adv = (rewards - lo) / (hi - lo + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: It takes the median as the baseline.
@wrong("11a.policy_gradient", "")
class MedianBaseline:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.median()) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: It asks for the mean along an axis that the rewards do not have.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised IndexError")
class RewardsMeanDimOne:
    def policy_gradient_loss(log_probs, rewards, mask):
        mean = rewards.mean(dim=1, keepdim=True)
        std = rewards.std(dim=1, keepdim=True)
        adv = (rewards - mean) / (std + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: It fills the padding with minus infinity, so the sum is infinite.
@wrong("11a.policy_gradient", "The loss is not finite")
class FillsWithMinusInfinity:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        lp = log_probs.masked_fill(~mask, float("-inf"))
        return -(adv * lp.sum(1) / mask.sum(1)).mean()


# wrong: It overwrites the loss in every round instead of adding to it.
@wrong("11a.policy_gradient", "")
class OverwritesInLoop:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        loss = 0.0
        for i in range(rewards.shape[0]):
            tokens = log_probs[i][mask[i]]
            loss = -adv[i] * tokens.mean()
        return loss / rewards.shape[0]


# wrong: The return stands inside the loop, so only the first answer counts.
@wrong("11a.policy_gradient", "")
class ReturnsInsideLoop:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        total = 0.0
        for i in range(rewards.shape[0]):
            total = total - adv[i] * log_probs[i][mask[i]].mean()
            return total / rewards.shape[0]


# wrong: It divides by B again after taking the mean.
@wrong("11a.policy_gradient", "")
class DividesByBTwice:
    def policy_gradient_loss(log_probs, rewards, mask):
        B, T = log_probs.shape
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean() / B


# wrong: It divides the sum of log-probabilities with //, which rounds down.
@wrong("11a.policy_gradient", "")
class FloorDivision:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(1) // mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: It always expects four answers.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised IndexError")
class FourAnswersOnly:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        loss = 0.0
        for b in range(4):
            loss = loss + adv[b] * (log_probs[b] * mask[b]).sum() / mask[b].sum()
        return -loss / 4


# wrong: It normalises the tokens' products rather than the rewards.
@wrong("11a.policy_gradient", "The loss is 0, whatever the log-probabilities are")
class NormalisesTheProduct:
    def policy_gradient_loss(log_probs, rewards, mask):
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        x = rewards * mean_lp
        x = (x - x.mean()) / (x.std() + 1e-6)
        return -x.mean()


# wrong: It multiplies the mean advantage by the mean log-probability, which is always about zero.
@wrong("11a.policy_gradient", "The loss is 0, whatever the log-probabilities are")
class ProductOfMeans:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -adv.mean() * mean_lp.mean()


# wrong: It leaves each answer itself out of its baseline.
@wrong("11a.policy_gradient", "The mean over answers divides by B - 1")
class LeaveOneOutBaseline:
    def policy_gradient_loss(log_probs, rewards, mask):
        B = rewards.numel()
        baseline = (rewards.sum() - rewards) / (B - 1)
        adv = (rewards - baseline) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: It returns 0 early when any two rewards are equal, not only when all are.
@wrong("11a.policy_gradient", "")
class AnyEqualRewards:
    def policy_gradient_loss(log_probs, rewards, mask):
        for a, b in itertools.combinations(rewards.tolist(), 2):
            if a == b:
                return (log_probs * 0.0).sum()
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: It takes one mean over all tokens, the same for every answer.
@wrong("11a.policy_gradient", "The loss is 0, whatever the log-probabilities are")
class OneMeanForAll:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(adv * log_probs[mask].mean()).mean()


# wrong in its value, and right in its gradient: GRPO's ratio before the first update.
@wrong("11a.policy_gradient", "The loss is 0, whatever the log-probabilities are")
class RatioToItself:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        ratio = (log_probs - log_probs.detach()).exp()
        return -(adv * (ratio * mask).sum(1) / mask.sum(1)).mean()


# wrong: Indexing with the mask flattens, so there is no second axis.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised IndexError: Dimension out of range")
class FlattenedByTheMask:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(adv * log_probs[mask].mean(dim=1)).mean()


# wrong: A sum over tokens and no standard deviation, as in Dr. GRPO.
@wrong("11a.policy_gradient", "This is Dr. GRPO's loss")
class DrGRPO:
    def policy_gradient_loss(log_probs, rewards, mask):
        return -((rewards - rewards.mean()) * (log_probs * mask).sum(1)).mean()


# wrong: Dr. GRPO with the padded length as its constant.
@wrong("11a.policy_gradient", "No standard deviation, and each sum is divided by T")
class DrGRPOOverT:
    def policy_gradient_loss(log_probs, rewards, mask):
        return -((rewards - rewards.mean()) * (log_probs * mask).mean(1)).mean()


# wrong: Rewards times the log-probability of the answer.
@wrong("11a.policy_gradient", "This is plain REINFORCE")
class Reinforce:
    def policy_gradient_loss(log_probs, rewards, mask):
        return -(rewards * (log_probs * mask).sum(dim=1)).mean()


# wrong: The baseline leaves the answer itself out.
@wrong("11a.policy_gradient", "The baseline is the mean of the other answers (RLOO)")
class LeaveOneOut:
    def policy_gradient_loss(log_probs, rewards, mask):
        others = (rewards.sum() - rewards) / (len(rewards) - 1)
        return -((rewards - others) * (log_probs * mask).sum(1) / mask.sum(1)).mean()


# wrong: 1e-6 is a lower limit, not added.
@wrong("11a.policy_gradient", "The 1e-6 is a lower limit")
class ClampedSpread:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / rewards.std().clamp(min=1e-6)
        return -(adv * (log_probs * mask).sum(1) / mask.sum(1)).mean()


# wrong: It adds TRL's 1e-4.
@wrong("11a.policy_gradient", "1e-4, as in TRL?")
class LikeTRL:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
        return -(adv * (log_probs * mask).sum(1) / mask.sum(1)).mean()


# wrong: It adds 1e-8, as Adam does.
@wrong("11a.policy_gradient", "1e-08 is added to the standard deviation")
class LikeAdam:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-8)
        return -(adv * (log_probs * mask).sum(1) / mask.sum(1)).mean()


# wrong: nanochat's form, one mean over all tokens and no standard deviation.
@wrong("11a.policy_gradient", "No standard deviation, and one mean over all tokens")
class LikeNanochat:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = rewards - rewards.mean()
        return -(log_probs * mask * adv.unsqueeze(-1)).sum() / mask.sum()


# wrong: a sum over tokens, and 1e-4.
@wrong("11a.policy_gradient", "more than 1e-6 is added to the deviation")
class SumWithTRLsEpsilon:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
        return -(adv.detach() * (log_probs * mask).sum(1)).mean()


# wrong: return inside the loop.
@wrong("11a.policy_gradient", "Only the first answer counts, divided")
class ReturnsInTheLoop:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        total = 0
        for i in range(len(rewards)):
            total = total - adv[i] * log_probs[i][mask[i]].mean()
            return total / len(rewards)


# wrong: the same, without the division.
@wrong("11a.policy_gradient", "Only the first answer counts.")
class ReturnsTheFirst:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        for a, lp, m in zip(adv, log_probs, mask):
            return -a * lp[m].mean()


# wrong: the padding becomes -inf.
@wrong("11a.policy_gradient", "The loss is not finite")
class PaddingAtMinusInfinity:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(adv * log_probs.masked_fill(~mask, float("-inf")).mean(1)).mean()


# wrong: groups of eight, whatever came in.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised RuntimeError: shape")
class GroupsOfEight:
    def policy_gradient_loss(log_probs, rewards, mask):
        groups = rewards.view(-1, 8)
        adv = (groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-6)
        return -(adv.view(-1) * (log_probs * mask).sum(1) / mask.sum(1)).mean()


# wrong: It copies the advantages of the table.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised RuntimeError")
class AdvantagesOfTheTable:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = torch.tensor([1.5, -0.5, -0.5, -0.5])
        return -(advantages * (log_probs * mask).sum(1) / mask.sum(1)).mean()


# wrong: It copies the mean and the standard deviation of the table.
@wrong("11a.policy_gradient", "The mean 0.25 and the standard deviation 0.5 are those of the table")
class StatisticsOfTheTable:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - 0.25) / 0.5
        return -(advantages * (log_probs * mask).sum(1) / mask.sum(1)).mean()


# wrong: nanochat's loss; there, the log-probabilities of padding are 0.
@wrong("11a.policy_gradient", "No standard deviation, and the padding is summed, too")
class NanochatUnmasked:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = rewards - rewards.mean()
        return -(log_probs * advantages.unsqueeze(-1)).sum() / mask.sum().clamp(min=1)


# wrong: It forgets the sum so far.
@wrong("11a.policy_gradient", "Only the last answer counts, divided")
class OverwritesTheSum:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        for advantage, row, own in zip(advantages, log_probs, mask, strict=True):
            loss = -advantage * row[own].mean()
        return loss / len(rewards)


# wrong: It forgets the sum so far, and nothing is divided.
@wrong("11a.policy_gradient", "Only the last answer counts.")
class OverwritesTheSumUndivided:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        for advantage, row, own in zip(advantages, log_probs, mask, strict=True):
            loss = -advantage * row[own].mean()
        return loss


# wrong: Groups have eight answers on the page, and here any number.
@wrong("11a.policy_gradient", "The sum over answers is divided by 8")
class AlwaysEight:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(advantages * (log_probs * mask).sum(1) / mask.sum(1)).sum() / 8


# wrong: The right answer of the table has two tokens.
@wrong("11a.policy_gradient", "Each answer's sum is divided by 2")
class AlwaysTwoTokens:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(advantages * (log_probs * mask).sum(1) / 2).mean()


# wrong: The answers are set to 0, not the padding.
@wrong("11a.policy_gradient", "The mask is inverted")
class FillsTheAnswers:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(advantages * log_probs.masked_fill(mask, 0.0).sum(1) / mask.sum(1)).mean()


# wrong: It takes the mean over padding, of which the longest answer has none.
@wrong("11a.policy_gradient", "The loss is not finite")
class OnlyPadding:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(advantages * (log_probs * ~mask).sum(1) / (~mask).sum(1)).mean()


# wrong: The small number stands under the root.
@wrong("11a.policy_gradient", "The 1e-6 is added to the variance")
class UnderTheRoot:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.var() + 1e-6).sqrt()
        return -(advantages * (log_probs * mask).sum(1) / mask.sum(1)).mean()


# wrong: TRL reshapes the rewards into groups.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised RuntimeError: shape '[-1, 4]'")
class GroupsOfFour:
    def policy_gradient_loss(log_probs, rewards, mask):
        means = rewards.view(-1, 4).mean(dim=1).repeat_interleave(4)
        stds = rewards.view(-1, 4).std(dim=1).repeat_interleave(4)
        advantages = (rewards - means) / (stds + 1e-4)
        return -((log_probs * advantages.unsqueeze(1) * mask).sum(1) / mask.sum(1)).mean()


# wrong: PPO's ratio needs an older policy.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised NameError")
class RatioToAnOlderPolicy:
    def policy_gradient_loss(log_probs, rewards, mask):
        ratio = torch.exp(log_probs - old_log_probs)  # noqa: F821
        return -(ratio * (rewards - rewards.mean())[:, None] * mask).mean()


# wrong: It takes a global of the page.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised NameError")
class GlobalOfThePage:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(advantages * (log_p * mask).sum(1) / mask.sum(1)).mean()  # noqa: F821


# wrong: Numpy's functions on tensors.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised TypeError")
class NumpyOfTensors:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - np.mean(rewards)) / (np.std(rewards) + 1e-6)
        return -np.mean(advantages * np.sum(log_probs * mask, 1) / np.sum(mask, 1))


# wrong: It forgets to call `mean`.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised TypeError")
class MethodNotCalled:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean) / (rewards.std() + 1e-6)
        return -(advantages * (log_probs * mask).sum(1) / mask.sum(1)).mean()


# wrong: It takes the mean of True and False.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised RuntimeError: mean()")
class MeanOfTheMask:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(advantages * (log_probs * mask).mean(1) / mask.mean(1)).mean()


# wrong: It cuts all answers at once.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised TypeError: only integer tensors")
class CutsByASlice:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(advantages * log_probs[:, : mask.sum(1)].mean(1)).mean()


# wrong: TRL's loss of today, which takes one mean over all tokens; the ratio to itself is 1.
@wrong("11a.policy_gradient", "The loss doesn't depend on the log-probabilities")
class TRLsRatioOverAllTokens:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
        ratio = torch.exp(log_probs - log_probs.detach())
        per_token_loss = -ratio * advantages.unsqueeze(1)
        return (per_token_loss * mask).sum() / mask.sum().clamp(min=1.0)


# wrong: the same, with the turn's 1e-6.
@wrong("11a.policy_gradient", "The loss doesn't depend on the log-probabilities")
class RatioOverAllTokens:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        ratio = torch.exp(log_probs - log_probs.detach())
        return -(ratio * advantages[:, None])[mask].mean()


# wrong: TRL's 1e-4, and one mean over all tokens.
@wrong("11a.policy_gradient", "One mean is taken over all tokens of the group, and more than 1e-6")
class TRLsMeanOverAllTokens:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
        return -(log_probs * advantages.unsqueeze(1) * mask).sum() / mask.sum()


# wrong: PyTorch's example of REINFORCE, which has no padding.
@wrong("11a.policy_gradient", "All tokens, those of the padding too, are summed")
class PyTorchsReinforce:
    def policy_gradient_loss(log_probs, rewards, mask):
        returns = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        policy_loss = []
        for log_prob, R in zip(log_probs, returns):
            policy_loss.append(-log_prob * R)
        return torch.cat(policy_loss).sum()


# wrong: a sum over all tokens, without the padding.
@wrong("11a.policy_gradient", "All tokens of the group are summed")
class SumOfAllTokens:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(advantages[:, None] * log_probs * mask).sum()


# wrong: SFT on the right answers.
@wrong("11a.policy_gradient", "Only right answers count, as in rejection sampling")
class OnlyRightAnswers:
    def policy_gradient_loss(log_probs, rewards, mask):
        right = rewards == 1
        return -((log_probs * mask).sum(1) / mask.sum(1))[right].mean()


# wrong: It also returns the advantages, as `grpo_loss` returns metrics.
@wrong("11a.policy_gradient", "The loss must be one number; here several things are returned")
class LossAndAdvantages:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        loss = -(advantages * (log_probs * mask).sum(1) / mask.sum(1)).mean()
        return loss, advantages


# wrong: The page's `grpo_loss`, whose ratio to itself is 1.
@wrong("11a.policy_gradient", "The loss is 0, whatever the log-probabilities are")
class OnePolicyForBoth:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        ratio = ((log_probs - log_probs.detach()) * mask).sum(1).exp()
        return -torch.min(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).mean()


# wrong: A whole training step.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised RuntimeError: element 0 of tensors")
class BackwardInside:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        loss = -(advantages * (log_probs * mask).sum(1) / mask.sum(1)).mean()
        loss.backward()
        return loss


# wrong: The row of all tokens is cut into answers of one length.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised RuntimeError: shape '[4, -1]'")
class AnswersOfOneLength:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(advantages * log_probs[mask].view(len(rewards), -1).mean(1)).mean()


# wrong: Rewards of -1 and 1 in place of advantages.
@wrong("11a.policy_gradient", "")
class PlusAndMinusOne:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = torch.where(rewards > 0, 1.0, -1.0)
        return -(advantages * (log_probs * mask).sum(1) / mask.sum(1)).mean()
