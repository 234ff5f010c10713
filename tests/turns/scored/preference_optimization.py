"""Answers to the turns of lesson 11, written from the text of its stubs alone, before the verdicts were seen."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from turn_answers import right, wrong

# --- 11.dpo_loss


@wrong("11.dpo_loss", "")
class NoReference:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -F.logsigmoid(beta * (logp_w - logp_l)).mean()


@wrong("11.dpo_loss", "")
class BetaOutside:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -beta * F.logsigmoid((logp_w - ref_w) - (logp_l - ref_l)).mean()


@wrong("11.dpo_loss", "")
class ForgotTheMinus:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return F.logsigmoid(beta * (logp_w - ref_w) - beta * (logp_l - ref_l)).mean()


@wrong("11.dpo_loss", "")
class RatiosByDivision:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -F.logsigmoid(beta * (logp_w / ref_w) - beta * (logp_l / ref_l)).mean()


@wrong("11.dpo_loss", "")
class LogOfTheDivision:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -F.logsigmoid(beta * torch.log(logp_w / ref_w) - beta * torch.log(logp_l / ref_l)).mean()


@wrong("11.dpo_loss", "")
class ProbabilitiesFirst:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        ratio_w = logp_w.exp() / ref_w.exp()
        ratio_l = logp_l.exp() / ref_l.exp()
        return -F.logsigmoid(beta * (ratio_w - ratio_l)).mean()


@wrong("11.dpo_loss", "")
class SigmoidThenLog:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        margin = beta * ((logp_w - ref_w) - (logp_l - ref_l))
        return -torch.log(torch.sigmoid(margin)).mean()


@wrong("11.dpo_loss", "")
class SigmoidThenLogWithEpsilon:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        margin = beta * ((logp_w - ref_w) - (logp_l - ref_l))
        return -torch.log(torch.sigmoid(margin) + 1e-8).mean()


@wrong("11.dpo_loss", "")
class SigmoidByHand:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        margin = beta * (logp_w - ref_w - logp_l + ref_l)
        return torch.log(1 + torch.exp(-margin)).mean()


@wrong("11.dpo_loss", "")
class NoLog:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -torch.sigmoid(beta * ((logp_w - ref_w) - (logp_l - ref_l))).mean()


@wrong("11.dpo_loss", "")
class ALossPerPair:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -F.logsigmoid(beta * ((logp_w - ref_w) - (logp_l - ref_l)))


@wrong("11.dpo_loss", "")
class Summed:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -F.logsigmoid(beta * ((logp_w - ref_w) - (logp_l - ref_l))).sum()


@wrong("11.dpo_loss", "")
class MissingBrackets:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -F.logsigmoid(beta * (logp_w - ref_w - logp_l - ref_l)).mean()


@wrong("11.dpo_loss", "")
class BetaOnTheWinnerOnly:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -F.logsigmoid(beta * (logp_w - ref_w) - (logp_l - ref_l)).mean()


@wrong("11.dpo_loss", "")
class LoserFirst:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -F.logsigmoid(beta * (logp_l - ref_l) - beta * (logp_w - ref_w)).mean()


@wrong("11.dpo_loss", "")
class DividedByBeta:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -F.logsigmoid(((logp_w - ref_w) - (logp_l - ref_l)) / beta).mean()


@wrong("11.dpo_loss", "")
class LossAndRewards:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        chosen_rewards = beta * (logp_w - ref_w)
        rejected_rewards = beta * (logp_l - ref_l)
        losses = -F.logsigmoid(chosen_rewards - rejected_rewards)
        return losses.mean(), chosen_rewards, rejected_rewards


@wrong("11.dpo_loss", "")
class AnItem:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -F.logsigmoid(beta * ((logp_w - ref_w) - (logp_l - ref_l))).mean().item()


@wrong("11.dpo_loss", "")
class MathInALoop:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        loss = 0
        for i in range(len(logp_w)):
            margin = beta * (logp_w[i] - ref_w[i] - (logp_l[i] - ref_l[i]))
            loss += -math.log(1 / (1 + math.exp(-margin)))
        return loss / len(logp_w)


@wrong("11.dpo_loss", "")
class ReturnInTheLoop:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        loss = 0
        for i in range(len(logp_w)):
            margin = beta * (logp_w[i] - ref_w[i] - (logp_l[i] - ref_l[i]))
            loss = loss - F.logsigmoid(margin)
            return loss / len(logp_w)


@wrong("11.dpo_loss", "")
class ThePolicyDetached:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        margin = beta * ((logp_w - ref_w) - (logp_l - ref_l)).detach()
        return -F.logsigmoid(margin).mean()


@wrong("11.dpo_loss", "")
class Printed:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        print(-F.logsigmoid(beta * ((logp_w - ref_w) - (logp_l - ref_l))).mean())


@wrong("11.dpo_loss", "")
class TheMeanMargin:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        r_w = (beta * (logp_w - ref_w)).mean()
        r_l = (beta * (logp_l - ref_l)).mean()
        return -F.logsigmoid(r_w - r_l)


@wrong("11.dpo_loss", "")
class TwoSigmoids:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -(torch.sigmoid(beta * (logp_w - ref_w)) - torch.sigmoid(beta * (logp_l - ref_l))).log().mean()


@wrong("11.dpo_loss", "")
class TheSumOverTokens:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        margin = beta * ((logp_w.sum(-1) - ref_w.sum(-1)) - (logp_l.sum(-1) - ref_l.sum(-1)))
        return -F.logsigmoid(margin)


@wrong("11.dpo_loss", "")
class WithImitation:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        margin = beta * ((logp_w - ref_w) - (logp_l - ref_l))
        return -F.logsigmoid(margin).mean() - logp_w.mean()


@wrong("11.dpo_loss", "")
class Smoothed:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta, label_smoothing=0.1):
        m = beta * ((logp_w - ref_w) - (logp_l - ref_l))
        return (-(1 - label_smoothing) * F.logsigmoid(m) - label_smoothing * F.logsigmoid(-m)).mean()


# --- 11.group_advantages


@wrong("11.group_advantages", "")
class OverTheBatch:
    def group_advantages(rewards, group_size, scale=True):
        a = rewards - rewards.mean()
        return a / (rewards.std() + 1e-6) if scale else a


@wrong("11.group_advantages", "")
class ColumnsAreGroups:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(group_size, -1)
        a = g - g.mean(0)
        if scale:
            a = a / (g.std(0) + 1e-6)
        return a.flatten()


@wrong("11.group_advantages", "")
class NoKeepdim:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        a = g - g.mean(dim=1)
        if scale:
            a = a / (g.std(dim=1) + 1e-6)
        return a.view(-1)


@wrong("11.group_advantages", "")
class Biased:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        a = g - g.mean(dim=1, keepdim=True)
        if scale:
            a = a / (g.std(dim=1, keepdim=True, unbiased=False) + 1e-6)
        return a.view(-1)


@wrong("11.group_advantages", "")
class NumpysStd:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.numpy().reshape(-1, group_size)
        a = g - g.mean(axis=1, keepdims=True)
        if scale:
            a = a / (g.std(axis=1, keepdims=True) + 1e-6)
        return torch.tensor(a.flatten())


@wrong("11.group_advantages", "")
class AlwaysScaled:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        return ((g - g.mean(dim=1, keepdim=True)) / (g.std(dim=1, keepdim=True) + 1e-6)).view(-1)


@wrong("11.group_advantages", "")
class NeverScaled:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        return (g - g.mean(dim=1, keepdim=True)).view(-1)


@wrong("11.group_advantages", "")
class StillRows:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        a = g - g.mean(dim=1, keepdim=True)
        return a / (g.std(dim=1, keepdim=True) + 1e-6) if scale else a


@wrong("11.group_advantages", "")
class NoEpsilon:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        a = g - g.mean(dim=1, keepdim=True)
        if scale:
            a = a / g.std(dim=1, keepdim=True)
        return a.view(-1)


@wrong("11.group_advantages", "")
class TheVariance:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        a = g - g.mean(dim=1, keepdim=True)
        return (a / (g.var(dim=1, keepdim=True) + 1e-6) if scale else a).flatten()


@wrong("11.group_advantages", "")
class LeaveOneOut:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        others = (g.sum(1, keepdim=True) - g) / (group_size - 1)
        a = g - others
        return (a / (g.std(1, keepdim=True) + 1e-6) if scale else a).flatten()


@wrong("11.group_advantages", "")
class BracketsForgotten:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        if scale:
            return (g - g.mean(1, keepdim=True) / (g.std(1, keepdim=True) + 1e-6)).flatten()
        return (g - g.mean(1, keepdim=True)).flatten()


@wrong("11.group_advantages", "")
class OnlyTheFirstGroup:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards[:group_size]
        a = g - g.mean()
        return a / (g.std() + 1e-6) if scale else a


@wrong("11.group_advantages", "")
class AListOfRows:
    def group_advantages(rewards, group_size, scale=True):
        out = []
        for i in range(0, len(rewards), group_size):
            g = rewards[i : i + group_size]
            a = (g - g.mean()) / (g.std() + 1e-6) if scale else g - g.mean()
            out.append(a)
        return out


@wrong("11.group_advantages", "")
class AListOfNumbers:
    def group_advantages(rewards, group_size, scale=True):
        out = []
        for i in range(0, len(rewards), group_size):
            g = rewards[i : i + group_size]
            a = (g - g.mean()) / (g.std() + 1e-6) if scale else g - g.mean()
            out.extend(a.tolist())
        return out


@wrong("11.group_advantages", "")
class PositiveOnly:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        a = g - g.mean(dim=1, keepdim=True)
        if scale:
            a = a / (g.std(dim=1, keepdim=True) + 1e-6)
        return a.clamp(min=0).view(-1)


@wrong("11.group_advantages", "")
class SoftmaxOfTheGroup:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        return (g.softmax(1) if scale else g - g.mean(1, keepdim=True)).flatten()


@wrong("11.group_advantages", "")
class ZeroToOne:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        low, high = g.min(1, keepdim=True).values, g.max(1, keepdim=True).values
        return ((g - low) / (high - low + 1e-6) if scale else g - g.mean(1, keepdim=True)).flatten()


@wrong("11.group_advantages", "")
class InPlace:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        g -= g.mean(1, keepdim=True)
        if scale:
            g /= g.std(1, keepdim=True) + 1e-6
        return rewards


@wrong("11.group_advantages", "")
class ScaleIsANumber:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        return (scale * (g - g.mean(1, keepdim=True)) / (g.std(1, keepdim=True) + 1e-6)).flatten()


@wrong("11.group_advantages", "")
class RewardOverStd:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        return (g / (g.std(1, keepdim=True) + 1e-6) if scale else g).flatten()


@wrong("11.group_advantages", "")
class WhitenedTwice:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        a = (g - g.mean(1, keepdim=True)).flatten()
        return (a - a.mean()) / (a.std() + 1e-6) if scale else a


# --- 11.aggregate


@wrong("11.aggregate", "")
class PlainMeans:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "answer":
            return losses.mean(dim=1).mean()
        if how == "token":
            return losses.mean()
        return losses.sum() / (losses.shape[0] * max_new_tokens)


@wrong("11.aggregate", "")
class MaskedButAllCounted:
    def aggregate(losses, mask, how, max_new_tokens):
        masked = losses * mask
        if how == "answer":
            return masked.mean(dim=1).mean()
        if how == "token":
            return masked.mean()
        return masked.sum() / (losses.shape[0] * max_new_tokens)


@wrong("11.aggregate", "")
class AnswerAndTokenSwapped:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "token":
            return ((losses * mask).sum(1) / mask.sum(1)).mean()
        if how == "answer":
            return (losses * mask).sum() / mask.sum()
        return (losses * mask).sum() / (losses.shape[0] * max_new_tokens)


@wrong("11.aggregate", "")
class ConstantWithoutB:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "answer":
            return ((losses * mask).sum(1) / mask.sum(1)).mean()
        if how == "token":
            return (losses * mask).sum() / mask.sum()
        return (losses * mask).sum() / max_new_tokens


@wrong("11.aggregate", "")
class ConstantIsT:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "answer":
            return ((losses * mask).sum(1) / mask.sum(1)).mean()
        if how == "token":
            return (losses * mask).sum() / mask.sum()
        return (losses * mask).sum() / (losses.shape[0] * losses.shape[1])


@wrong("11.aggregate", "")
class ConstantIsTheLongest:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "answer":
            return ((losses * mask).sum(1) / mask.sum(1)).mean()
        if how == "token":
            return (losses * mask).sum() / mask.sum()
        return (losses * mask).sum() / (losses.shape[0] * mask.sum(1).max())


@wrong("11.aggregate", "")
class SumOfMeans:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "answer":
            return ((losses * mask).sum(1) / mask.sum(1)).sum()
        if how == "token":
            return (losses * mask).sum() / mask.sum()
        return (losses * mask).sum() / (losses.shape[0] * max_new_tokens)


@wrong("11.aggregate", "")
class OneLossPerAnswer:
    def aggregate(losses, mask, how, max_new_tokens):
        sums = (losses * mask).sum(dim=1)
        if how == "answer":
            return sums / mask.sum(dim=1)
        if how == "token":
            return sums / mask.sum()
        return sums / max_new_tokens


@wrong("11.aggregate", "")
class OnlyAnswerIsThere:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "answer":
            return ((losses * mask).sum(1) / mask.sum(1)).mean()


@wrong("11.aggregate", "")
class TheMaskedListHasNoRows:
    def aggregate(losses, mask, how, max_new_tokens):
        real = losses[mask]
        if how == "answer":
            return real.mean(dim=1).mean()
        if how == "token":
            return real.mean()
        return real.sum() / (len(real) * max_new_tokens)


@wrong("11.aggregate", "")
class CountsTokensNotAnswers:
    def aggregate(losses, mask, how, max_new_tokens):
        real = losses[mask]
        if how == "answer":
            return ((losses * mask).sum(1) / mask.sum(1)).mean()
        if how == "token":
            return real.mean()
        return real.sum() / (len(real) * max_new_tokens)


@wrong("11.aggregate", "")
class OtherNames:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "grpo":
            return ((losses * mask).sum(1) / mask.sum(1)).mean()
        if how == "dapo":
            return (losses * mask).sum() / mask.sum()
        if how == "dr_grpo":
            return (losses * mask).sum() / (losses.shape[0] * max_new_tokens)


@wrong("11.aggregate", "")
class InvertedMask:
    def aggregate(losses, mask, how, max_new_tokens):
        losses = losses.masked_fill(mask, 0)
        counts = (~mask).sum(1)
        if how == "answer":
            return (losses.sum(1) / counts).mean()
        if how == "token":
            return losses.sum() / counts.sum()
        return losses.sum() / (len(losses) * max_new_tokens)


@wrong("11.aggregate", "")
class AlongTheBatch:
    def aggregate(losses, mask, how, max_new_tokens):
        masked = losses * mask
        if how == "answer":
            return (masked.sum(0) / mask.sum(0).clamp(min=1)).mean()
        if how == "token":
            return masked.sum() / mask.sum()
        return masked.sum() / (len(losses) * max_new_tokens)


@wrong("11.aggregate", "")
class CutAtTheMaximum:
    def aggregate(losses, mask, how, max_new_tokens):
        losses, mask = losses[:, : max_new_tokens // 4], mask[:, : max_new_tokens // 4]
        if how == "answer":
            return ((losses * mask).sum(1) / mask.sum(1)).mean()
        if how == "token":
            return (losses * mask).sum() / mask.sum()
        return (losses * mask).sum() / (len(losses) * max_new_tokens)


@wrong("11.aggregate", "")
class TokenDividesTwice:
    def aggregate(losses, mask, how, max_new_tokens):
        per_answer = (losses * mask).sum(1) / mask.sum(1)
        if how == "answer":
            return per_answer.mean()
        if how == "token":
            return per_answer.sum() / mask.sum()
        return per_answer.sum() / (len(losses) * max_new_tokens)


@wrong("11.aggregate", "")
class MinusTheLoss:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "answer":
            return -((losses * mask).sum(1) / mask.sum(1)).mean()
        if how == "token":
            return -(losses * mask).sum() / mask.sum()
        return -(losses * mask).sum() / (len(losses) * max_new_tokens)


@wrong("11.aggregate", "")
class ConstantTimesMax:
    def aggregate(losses, mask, how, max_new_tokens):
        masked = losses * mask
        if how == "answer":
            return (masked.sum(1) / mask.sum(1)).mean()
        if how == "token":
            return masked.sum() / mask.sum()
        return masked.sum() / len(losses) * max_new_tokens


@wrong("11.aggregate", "")
class ConstantForgetsTheMask:
    def aggregate(losses, mask, how, max_new_tokens):
        masked = losses * mask
        if how == "answer":
            return (masked.sum(1) / mask.sum(1)).mean()
        if how == "token":
            return masked.sum() / mask.sum()
        return losses.sum() / (len(losses) * max_new_tokens)


@wrong("11.aggregate", "")
class Nan:
    def aggregate(losses, mask, how, max_new_tokens):
        losses = losses.masked_fill(~mask, float("nan"))
        if how == "answer":
            return losses.mean(dim=1).mean()
        if how == "token":
            return losses.mean()
        return losses.sum() / (len(losses) * max_new_tokens)


@wrong("11.aggregate", "")
class NumpyItem:
    def aggregate(losses, mask, how, max_new_tokens):
        masked = np.array((losses * mask).tolist())
        if how == "answer":
            return float((masked.sum(1) / np.array(mask.sum(1).tolist())).mean())
        if how == "token":
            return float(masked.sum() / mask.sum().item())
        return float(masked.sum() / (len(losses) * max_new_tokens))


@right("11.aggregate")
class ScoredRightByMeans:
    def aggregate(losses, mask, how, max_new_tokens):
        n = {"answer": mask.sum(1), "token": mask.sum() / len(losses), "constant": max_new_tokens}[how]
        return ((losses * mask).sum(1) / n).mean()


@right("11.group_advantages")
class ScoredRightInTwoSteps:
    def group_advantages(rewards, group_size, scale=True):
        baseline = rewards.view(-1, group_size).mean(1)
        which = torch.arange(len(rewards)) // group_size
        advantages = rewards - baseline[which]
        if scale:
            advantages = advantages / (rewards.view(-1, group_size).std(1)[which] + 1e-6)
        return advantages


@right("11.dpo_loss")
class ScoredRightPerToken:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        margins = beta * (logp_w - logp_l) - beta * (ref_w - ref_l)
        return torch.nn.functional.softplus(-margins).mean(dim=0)
