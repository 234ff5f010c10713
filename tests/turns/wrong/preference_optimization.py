"""Strangers' wrong answers to the turns of lesson 11: errors, other forms, and mistakes that only a probe tells."""

import math
import statistics

import torch
import torch.nn.functional as F
from turn_answers import wrong

# --- 11.dpo_loss


@wrong("11.dpo_loss", "raised NameError")
class NamesOfAnotherCode:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        logits = (policy_chosen_logps - policy_rejected_logps) - (ref_w - ref_l)  # noqa: F821
        return -F.logsigmoid(beta * logits).mean()


@wrong("11.dpo_loss", "raised ValueError")
class SigmoidOfMath:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        margin = beta * ((logp_w - ref_w) - (logp_l - ref_l))
        return math.log(1 + math.exp(-margin))


@wrong("11.dpo_loss", "raised IndexError")
class TokensAreSummedAgain:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        margin = beta * ((logp_w - ref_w).sum(dim=1) - (logp_l - ref_l).sum(dim=1))
        return -F.logsigmoid(margin).mean()


@wrong("11.dpo_loss", "raised AttributeError")
class ItIsNotInTorch:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -torch.logsigmoid(beta * ((logp_w - ref_w) - (logp_l - ref_l))).mean()


@wrong("11.dpo_loss", "Beta isn't used.")
class BetaForgotten:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return F.softplus((logp_l - ref_l) - (logp_w - ref_w)).mean()


@wrong("11.dpo_loss", "The references have the wrong sign")
class CrossedReferences:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -F.logsigmoid(beta * (logp_w - ref_l) - beta * (logp_l - ref_w)).mean()


@wrong("11.dpo_loss", "This is the loss of IPO")
class Ipo:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        h = (logp_w - logp_l) - (ref_w - ref_l)
        return ((h - 1 / (2 * beta)) ** 2).mean()


@wrong("11.dpo_loss", "Each answer has a loss of its own")
class Unpaired:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        good, bad = beta * (logp_w - ref_w), beta * (logp_l - ref_l)
        return (F.softplus(-good) + F.softplus(bad)).mean()


@wrong("11.dpo_loss", "This is the mean probability of being wrong")
class OneMinusTheProbability:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return (1 - torch.sigmoid(beta * ((logp_w - ref_w) - (logp_l - ref_l)))).mean()


@wrong("11.dpo_loss", "Beta multiplies the policy alone")
class BetaOnThePolicy:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -F.logsigmoid(beta * (logp_w - logp_l) - (ref_w - ref_l)).mean()


@wrong("11.dpo_loss", "There's no sigmoid")
class OnlyTheMargin:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -(beta * ((logp_w - ref_w) - (logp_l - ref_l))).mean()


@wrong("11.dpo_loss", "The policy is left out")
class WinnersOfTheReference:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -F.logsigmoid(beta * (ref_w - ref_l)).mean()


# --- 11.group_advantages


@wrong("11.group_advantages", "There is NaN.")
class AlongTheWrongDim:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        a = g - g.mean(0, keepdim=True)
        if scale:
            a = a / (g.std(0, keepdim=True) + 1e-6)
        return a.flatten()


@wrong("11.group_advantages", "raised RuntimeError")
class SquareView:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(group_size, group_size)
        return ((g - g.mean(1, keepdim=True)) / (g.std(1, keepdim=True) + 1e-6)).flatten()


@wrong("11.group_advantages", "raised IndexError")
class OneAxisHasNoDimOne:
    def group_advantages(rewards, group_size, scale=True):
        a = rewards - rewards.mean(dim=1, keepdim=True)
        return a / (rewards.std(dim=1, keepdim=True) + 1e-6) if scale else a


@wrong("11.group_advantages", "raised NameError")
class ANumberOfGenerations:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, num_generations)  # noqa: F821
        return (g - g.mean(1, keepdim=True)).flatten()


@wrong("11.group_advantages", "raised TypeError")
class MeansOfThePackage:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        means = [statistics.fmean(row) for row in g]
        return (g - means).flatten()


@wrong("11.group_advantages", "raised TypeError")
class HalfARow:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(len(rewards) / group_size, group_size)
        return (g - g.mean(1, keepdim=True)).flatten()


@wrong("11.group_advantages", "raised ZeroDivisionError")
class PlainDivision:
    def group_advantages(rewards, group_size, scale=True):
        out = []
        for i in range(0, len(rewards), group_size):
            group = [float(r) for r in rewards[i : i + group_size]]
            mean = sum(group) / group_size
            spread = statistics.stdev(group) if scale else 1.0
            out += [(r - mean) / spread for r in group]
        return torch.tensor(out)


@wrong("11.group_advantages", "`group_size` is used as the number of groups.")
class SoManyGroups:
    def group_advantages(rewards, group_size, scale=True):
        g = torch.stack(rewards.chunk(group_size))
        a = g - g.mean(1, keepdim=True)
        if scale and g.shape[1] > 1:
            a = a / (g.std(1, keepdim=True) + 1e-6)
        return a.flatten()


@wrong("11.group_advantages", "The mean is the group's, the standard deviation is that of all rewards.")
class ByTheBatch:
    def group_advantages(rewards, group_size, scale=True):
        mean = rewards.view(-1, group_size).mean(1).repeat_interleave(group_size)
        return (rewards - mean) / (rewards.std() + 1e-6) if scale else rewards - mean


@wrong("11.group_advantages", "1e-4 is added to the deviation, as in TRL")
class AsInTrl:
    def group_advantages(rewards, group_size, scale=True):
        mean_grouped = rewards.view(-1, group_size).mean(dim=1).repeat_interleave(group_size, dim=0)
        std_grouped = rewards.view(-1, group_size).std(dim=1).repeat_interleave(group_size, dim=0)
        advantages = rewards - mean_grouped
        if scale:
            advantages = advantages / (std_grouped + 1e-4)
        return advantages


@wrong("11.group_advantages", "`scale` works the wrong way round.")
class NotScale:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        a = g - g.mean(1, keepdim=True)
        if not scale:
            a = a / (g.std(1, keepdim=True) + 1e-6)
        return a.flatten()


# --- 11.aggregate


@wrong("11.aggregate", "raised NameError")
class LengthsFromNowhere:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "answer":
            return ((losses * mask).sum(1) / lengths).mean()  # noqa: F821
        return (losses * mask).sum() / mask.sum()


@wrong("11.aggregate", "raised RuntimeError")
class ACountForEachToken:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "answer":
            return (losses * mask / mask.sum(1)).sum() / len(losses)
        return (losses * mask).sum() / mask.sum()


@wrong("11.aggregate", "raised RuntimeError")
class TheMeanOfAMask:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "answer":
            return ((losses * mask).mean(1) / mask.mean(1)).mean()
        return (losses * mask).sum() / mask.sum()


@wrong("11.aggregate", "raised ValueError")
class UnknownWays:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "per_answer":
            return ((losses * mask).sum(1) / mask.sum(1)).mean()
        raise ValueError(f"unknown: {how}")


@wrong("11.aggregate", "raised ")
class ASliceOfLengths:
    def aggregate(losses, mask, how, max_new_tokens):
        return losses[:, : mask.sum(1)].mean()


@wrong("11.aggregate", "The sums of the answers are averaged")
class MeanOfSums:
    def aggregate(losses, mask, how, max_new_tokens):
        return (losses * mask).sum(1).mean()


@wrong("11.aggregate", 'With how = "token", this is what "answer" asks for.')
class AlwaysPerAnswer:
    def aggregate(losses, mask, how, max_new_tokens):
        means = (losses * mask).sum(1) / mask.sum(1)
        return (losses * mask).sum() / (len(losses) * max_new_tokens) if how == "constant" else means.mean()


@wrong("11.aggregate", 'With how = "answer", this is what "token" asks for.')
class AlwaysPerToken:
    def aggregate(losses, mask, how, max_new_tokens):
        return losses[mask].mean()


@wrong("11.aggregate", "The padding is summed, too; only the real tokens are counted.")
class PaddingInTheSum:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "answer":
            return ((losses * mask).sum(1) / mask.sum(1)).mean()
        return losses.sum() / mask.sum()


@wrong("11.aggregate", "Only the first answer counts.")
class ReturnsInTheLoop:
    def aggregate(losses, mask, how, max_new_tokens):
        for row, real in zip(losses, mask):
            return row[real].mean()
