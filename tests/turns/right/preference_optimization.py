"""Unusual right answers to the turns of lesson 11, as learners write them."""

import statistics

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import right

# --- 11.dpo_loss


@right("11.dpo_loss")
class AsInThePaper:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        pi_logratios = logp_w - logp_l
        ref_logratios = ref_w - ref_l
        losses = -F.logsigmoid(beta * (pi_logratios - ref_logratios))
        return losses.mean()


@right("11.dpo_loss")
class Softplus:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return F.softplus(beta * (logp_l - ref_l - logp_w + ref_w)).mean()


@right("11.dpo_loss")
class BinaryCrossEntropy:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        margin = beta * ((logp_w - ref_w) - (logp_l - ref_l))
        return F.binary_cross_entropy_with_logits(margin, torch.ones_like(margin))


@right("11.dpo_loss")
class CrossEntropyOfTwoClasses:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        rewards = beta * torch.stack([logp_w - ref_w, logp_l - ref_l], dim=1)
        return F.cross_entropy(rewards, torch.zeros(len(rewards), dtype=torch.long))


@right("11.dpo_loss")
class LogSumExp:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        a, b = beta * (logp_w - ref_w), beta * (logp_l - ref_l)
        return (torch.logaddexp(a, b) - a).mean()


@right("11.dpo_loss")
class LoopOverPairs:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        total = 0.0
        for w, l, rw, rl in zip(logp_w, logp_l, ref_w, ref_l):
            total = total - F.logsigmoid(beta * (w - rw) - beta * (l - rl))
        return total / len(logp_w)


@right("11.dpo_loss")
class AModuleOfTorch:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        sigmoid = nn.LogSigmoid()
        return torch.mean(-1 * sigmoid((logp_w - logp_l - (ref_w - ref_l)).mul(beta)))


@right("11.dpo_loss")
class TheReferenceDetached:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta=0.1):
        with torch.no_grad():
            reference = ref_w - ref_l
        h = logp_w - logp_l - reference.detach()
        return -F.logsigmoid(h * beta).sum() / h.numel()


@right("11.dpo_loss")
class InsideAHelper:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        def reward(policy, reference):
            return beta * (policy - reference)

        difference = reward(logp_w, ref_w) - reward(logp_l, ref_l)
        return F.logsigmoid(difference).neg().mean()


@right("11.dpo_loss")
class LogOnePlusExp:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        m = beta * (logp_w - ref_w - logp_l + ref_l)
        return torch.where(m > 0, torch.log1p(torch.exp(-m.abs())), -m + torch.log1p(torch.exp(-m.abs()))).mean()


# --- 11.group_advantages


@right("11.group_advantages")
class Unflatten:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.unflatten(0, (-1, group_size))
        a = g - g.mean(-1, keepdim=True)
        return (a / (g.std(-1, keepdim=True) + 1e-6) if scale else a).reshape(-1)


@right("11.group_advantages")
class LoopOverGroups:
    def group_advantages(rewards, group_size, scale=True):
        out = []
        for start in range(0, len(rewards), group_size):
            group = rewards[start : start + group_size]
            advantage = group - group.mean()
            if scale:
                advantage = advantage / (group.std() + 1e-6)
            out.append(advantage)
        return torch.cat(out)


@right("11.group_advantages")
class RepeatInterleave:
    def group_advantages(rewards, group_size, scale=True):
        grouped = rewards.view(-1, group_size)
        mean = grouped.mean(dim=1).repeat_interleave(group_size, dim=0)
        std = grouped.std(dim=1).repeat_interleave(group_size, dim=0)
        advantages = rewards - mean
        return advantages / (std + 1e-6) if scale else advantages


@right("11.group_advantages")
class SpreadByHand:
    def group_advantages(rewards, group_size, scale=True):
        rows = rewards.reshape(rewards.numel() // group_size, group_size)
        centered = rows - rows.sum(1, keepdim=True) / group_size
        variance = (centered**2).sum(1, keepdim=True) / (group_size - 1)
        return (centered / (variance.sqrt() + 1e-6 if scale else 1)).flatten()


@right("11.group_advantages")
class Numpy:
    def group_advantages(rewards, group_size, scale=True):
        r = rewards.numpy().reshape(-1, group_size)
        a = r - r.mean(1, keepdims=True)
        if scale:
            a = a / (r.std(1, ddof=1, keepdims=True) + 1e-6)
        return torch.from_numpy(a.ravel())


@right("11.group_advantages")
class TheStandardLibrary:
    def group_advantages(rewards, group_size, scale=True):
        values = [float(r) for r in rewards]
        out = []
        for i, r in enumerate(values):
            start = i - i % group_size
            group = values[start : start + group_size]
            out.append((r - statistics.fmean(group)) / (statistics.stdev(group) + 1e-6 if scale else 1.0))
        return torch.tensor(out)


@right("11.group_advantages")
class Chunks:
    def group_advantages(rewards, group_size, scale=True):
        def normalize(chunk):
            return (chunk - chunk.mean()) / (chunk.std() + 1e-6) if scale else chunk - chunk.mean()

        return torch.hstack([normalize(chunk) for chunk in rewards.split(group_size)])


@right("11.group_advantages")
class EightZeros:
    def group_advantages(rewards, group_size, scale=True):
        std, mean = torch.std_mean(rewards.view(-1, group_size), dim=1, keepdim=True)
        centered = rewards.view(-1, group_size) - mean
        return (centered / (std + 1e-8) if scale else centered).view(-1)


@right("11.group_advantages")
class WhereNothingDiffers:
    def group_advantages(rewards, group_size, scale=True):
        rows = rewards.view(-1, group_size)
        centered = rows - rows.mean(1, keepdim=True)
        if not scale:
            return centered.flatten()
        std = rows.std(1, keepdim=True)
        return torch.where(std > 0, centered / std.clamp(min=1e-6), torch.zeros_like(centered)).flatten()


# --- 11.aggregate


@right("11.aggregate")
class ByDictionary:
    def aggregate(losses, mask, how, max_new_tokens):
        total = (losses * mask).sum()
        per_answer = (losses * mask).sum(-1) / mask.sum(-1)
        ways = {
            "answer": per_answer.mean(),
            "token": total / mask.sum(),
            "constant": total / losses.shape[0] / max_new_tokens,
        }
        return ways[how]


@right("11.aggregate")
class BySelection:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "token":
            return losses[mask].mean()
        elif how == "constant":
            return losses[mask].sum() / (mask.size(0) * max_new_tokens)
        return torch.stack([row[m].mean() for row, m in zip(losses, mask)]).mean()


@right("11.aggregate")
class WeightsFirst:
    def aggregate(losses, mask, how, max_new_tokens):
        m = mask.to(losses.dtype)
        B = losses.size(0)
        if how == "answer":
            weights = m / m.sum(1, keepdim=True) / B
        elif how == "token":
            weights = m / m.sum()
        else:
            weights = m / (B * max_new_tokens)
        return (weights * losses).sum()


@right("11.aggregate")
class MatchStatement:
    def aggregate(losses, mask, how, max_new_tokens):
        kept = losses.masked_fill(~mask, 0)
        match how:
            case "answer":
                return torch.mean(kept.sum(1) / mask.sum(1).clamp(min=1))
            case "token":
                return kept.sum() / mask.sum().clamp(min=1)
            case "constant":
                return (kept.sum(1) / max_new_tokens).mean()
        raise ValueError(how)


@right("11.aggregate")
class LoopOverAnswers:
    def aggregate(losses, mask, how, max_new_tokens):
        total, count = 0.0, 0
        for row, real in zip(losses, mask):
            own = row[: int(real.sum())]
            if how == "answer":
                total, count = total + own.mean(), count + 1
            else:
                total = total + own.sum()
                count += len(own) if how == "token" else max_new_tokens
        return total / count


@right("11.aggregate")
class MasksOfNan:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "answer":
            return losses.masked_fill(~mask, float("nan")).nanmean(dim=1).mean()
        lengths = np.array(mask.sum(1).tolist())
        divisor = lengths.sum() if how == "token" else len(lengths) * max_new_tokens
        return torch.where(mask, losses, torch.zeros_like(losses)).sum() / float(divisor)


@right("11.aggregate")
class Einsum:
    def aggregate(losses, mask, how, max_new_tokens):
        sums = torch.einsum("bt,bt->b", losses, mask.float())
        n = mask.sum(1)
        divisor = {"answer": n * len(n), "token": n.sum(), "constant": len(n) * max_new_tokens}[how]
        return (sums / divisor).sum()
