"""More wrong answers to the turns of lesson 11, typed by a second reader."""

import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import right, wrong

# --- 11.dpo_loss


@wrong("11.dpo_loss", "The sigmoid is taken twice")
class SigmoidInsideLogsigmoid:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        m = beta * ((logp_w - ref_w) - (logp_l - ref_l))
        return -F.logsigmoid(torch.sigmoid(m)).mean()


@wrong("11.dpo_loss", "The rewards are added")
class RewardsAdded:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -F.logsigmoid(beta * (logp_w - ref_w) + beta * (logp_l - ref_l)).mean()


@wrong("11.dpo_loss", "Winner and loser are swapped, and the minus is missing")
class SwappedWithoutMinus:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return F.logsigmoid(beta * ((logp_l - ref_l) - (logp_w - ref_w))).mean()


@wrong("11.dpo_loss", "raised TypeError")
class AModuleCalledAtOnce:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -nn.LogSigmoid(beta * ((logp_w - ref_w) - (logp_l - ref_l))).mean()


@wrong("11.dpo_loss", "gets no gradient")
class BothRewardsDetached:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        chosen = beta * (logp_w - ref_w).detach()
        rejected = beta * (logp_l - ref_l).detach()
        return -F.logsigmoid(chosen - rejected).mean()


@wrong("11.dpo_loss", "Not finite")
class SoftMarginOverflows:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return F.soft_margin_loss(beta * (logp_w - ref_w - logp_l + ref_l), torch.ones_like(logp_w))


@right("11.dpo_loss")
class SoftmaxOfTwo:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        policy, reference = torch.stack((logp_w, logp_l)), torch.stack((ref_w, ref_l))
        return (beta * (policy - reference)).log_softmax(0)[0].mean().neg()


# --- 11.group_advantages


@wrong("11.group_advantages", "The groups' means are repeated as a whole row")
class RepeatForRepeatInterleave:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        mean, std = g.mean(dim=1).repeat(group_size), g.std(dim=1).repeat(group_size)
        a = rewards - mean
        return a / (std + 1e-6) if scale else a


@wrong("11.group_advantages", "With scale=False, nothing is returned.")
class ReturnsOnlyIfScaled:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        a = g - g.mean(1, keepdim=True)
        if scale:
            return (a / (g.std(1, keepdim=True) + 1e-6)).flatten()


@wrong("11.group_advantages", "Several things are returned.")
class MeanAndDeviation:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        return g.mean(1), g.std(1)


@wrong("11.group_advantages", "The sum of the group is subtracted.")
class MinusTheSum:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        a = g - g.sum(1, keepdim=True)
        return (a / (g.std(1, keepdim=True) + 1e-6) if scale else a).flatten()


@right("11.group_advantages")
class ByAProjection:
    def group_advantages(rewards, group_size, scale=True):
        prompts = len(rewards) // group_size
        mean = torch.kron(torch.eye(prompts), torch.ones(group_size, group_size) / group_size)
        a = rewards - mean @ rewards
        return a / ((mean @ a**2 * group_size / (group_size - 1)).sqrt() + 1e-6) if scale else a


# --- 11.aggregate


@wrong("11.aggregate", 'With how = "constant", nothing is returned.')
class TheThirdWayIsMissing:
    def aggregate(losses, mask, how, max_new_tokens):
        m = losses * mask
        if how == "answer":
            return (m.sum(1) / mask.sum(1)).mean()
        if how == "token":
            return m.sum() / mask.sum()


@wrong("11.aggregate", "raised NotImplementedError")
class AndForTimes:
    def aggregate(losses, mask, how, max_new_tokens):
        return (losses & mask).sum() / mask.sum()


@wrong("11.aggregate", "raised RuntimeError")
class MeanOfCounts:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "answer":
            return (losses * mask).sum() / mask.sum(dim=1).mean()
        return (losses * mask).sum() / mask.sum()


@wrong("11.aggregate", 'With how = "token", this is what "answer" asks for.')
class AnOrThatIsAlwaysTrue:
    def aggregate(losses, mask, how, max_new_tokens):
        m = losses * mask
        if how == "answer" or "token":  # noqa: SIM222
            return (m.sum(1) / mask.sum(1)).mean()
        return m.sum() / (len(losses) * max_new_tokens)


@right("11.aggregate")
class MeansThatSkipNan:
    def aggregate(losses, mask, how, max_new_tokens):
        x = losses.masked_fill(~mask, float("nan"))
        if how == "answer":
            return x.nanmean(1).mean()
        if how == "token":
            return x.nanmean()
        return x.nansum() / (x.shape[0] * max_new_tokens)
