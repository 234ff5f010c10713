"""Answers to the turns and questions of lesson 11; `tools/choose_answers.py` chose them."""

import math
import statistics

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong
from torch import nn


@right("11.dpo_loss")
class LoopOverPairs:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        total = 0.0
        for w, l, rw, rl in zip(logp_w, logp_l, ref_w, ref_l):
            total = total - F.logsigmoid(beta * (w - rw) - beta * (l - rl))
        return total / len(logp_w)


@right("11.dpo_loss")
class InsideAHelper:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        def reward(policy, reference):
            return beta * (policy - reference)

        difference = reward(logp_w, ref_w) - reward(logp_l, ref_l)
        return F.logsigmoid(difference).neg().mean()


@wrong("11.dpo_loss", "raised AttributeError")
class ItIsNotInTorch:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -torch.logsigmoid(beta * ((logp_w - ref_w) - (logp_l - ref_l))).mean()


@wrong("11.dpo_loss", "raised TypeError")
class AModuleCalledAtOnce:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -nn.LogSigmoid(beta * ((logp_w - ref_w) - (logp_l - ref_l))).mean()


@wrong("11.dpo_loss", "Not finite")
class SoftMarginOverflows:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return F.soft_margin_loss(beta * (logp_w - ref_w - logp_l + ref_l), torch.ones_like(logp_w))


@wrong("11.dpo_loss", "The loss must be one number; here its shape is (")
class ALossPerPair:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -F.logsigmoid(beta * ((logp_w - ref_w) - (logp_l - ref_l)))


@wrong("11.dpo_loss", "The result is right, but no model could learn through it: `logp_w` gets no")
class AnItem:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        return -F.logsigmoid(beta * ((logp_w - ref_w) - (logp_l - ref_l))).mean().item()


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


@wrong("11.dpo_loss", "The result has ")
class TheSumOverTokens:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        margin = beta * ((logp_w.sum(-1) - ref_w.sum(-1)) - (logp_l.sum(-1) - ref_l.sum(-1)))
        return -F.logsigmoid(margin)


@wrong("11.dpo_loss", "`dpo_loss` raised OverflowError")
class MathInALoop:
    def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
        loss = 0
        for i in range(len(logp_w)):
            margin = beta * (logp_w[i] - ref_w[i] - (logp_l[i] - ref_l[i]))
            loss += -math.log(1 / (1 + math.exp(-margin)))
        return loss / len(logp_w)


@right("11.group_advantages")
class Chunks:
    def group_advantages(rewards, group_size, scale=True):
        def normalize(chunk):
            return (chunk - chunk.mean()) / (chunk.std() + 1e-6) if scale else chunk - chunk.mean()

        return torch.hstack([normalize(chunk) for chunk in rewards.split(group_size)])


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
class HalfARow:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(len(rewards) / group_size, group_size)
        return (g - g.mean(1, keepdim=True)).flatten()


@wrong("11.group_advantages", "Several things are returned.")
class MeanAndDeviation:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        return g.mean(1), g.std(1)


@wrong("11.group_advantages", "The result has ")
class SoftmaxOfTheGroup:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        return (g.softmax(1) if scale else g - g.mean(1, keepdim=True)).flatten()


@wrong("11.group_advantages", "raised TypeError")
class MeansOfThePackage:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        means = [statistics.fmean(row) for row in g]
        return (g - means).flatten()


@wrong("11.group_advantages", "Right, but each group is still a row. Return one axis, (answers,), as `rewards`")
class StillRows:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        a = g - g.mean(dim=1, keepdim=True)
        return a / (g.std(dim=1, keepdim=True) + 1e-6) if scale else a


@wrong("11.group_advantages", "`group_advantages` raised RuntimeError")
class NoKeepdim:
    def group_advantages(rewards, group_size, scale=True):
        g = rewards.view(-1, group_size)
        a = g - g.mean(dim=1)
        if scale:
            a = a / (g.std(dim=1) + 1e-6)
        return a.view(-1)


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


@right("11.aggregate")
class Einsum:
    def aggregate(losses, mask, how, max_new_tokens):
        sums = torch.einsum("bt,bt->b", losses, mask.float())
        n = mask.sum(1)
        divisor = {"answer": n * len(n), "token": n.sum(), "constant": len(n) * max_new_tokens}[how]
        return (sums / divisor).sum()


@right("11.aggregate")
class MasksOfNan:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "answer":
            return losses.masked_fill(~mask, float("nan")).nanmean(dim=1).mean()
        lengths = np.array(mask.sum(1).tolist())
        divisor = lengths.sum() if how == "token" else len(lengths) * max_new_tokens
        return torch.where(mask, losses, torch.zeros_like(losses)).sum() / float(divisor)


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


@wrong("11.aggregate", "`aggregate` raised TypeError")
class ASliceOfLengths:
    def aggregate(losses, mask, how, max_new_tokens):
        return losses[:, : mask.sum(1)].mean()


@wrong("11.aggregate", "raised NotImplementedError")
class AndForTimes:
    def aggregate(losses, mask, how, max_new_tokens):
        return (losses & mask).sum() / mask.sum()


@wrong("11.aggregate", 'With how = "token", nothing is returned. Does each way end in a `return`?')
class OnlyAnswerIsThere:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "answer":
            return ((losses * mask).sum(1) / mask.sum(1)).mean()


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


@wrong("11.aggregate", "raised RuntimeError")
class MeanOfCounts:
    def aggregate(losses, mask, how, max_new_tokens):
        if how == "answer":
            return (losses * mask).sum() / mask.sum(dim=1).mean()
        return (losses * mask).sum() / mask.sum()


@wrong("11.aggregate", "The loss must be one number; here its shape is (")
class OneLossPerAnswer:
    def aggregate(losses, mask, how, max_new_tokens):
        sums = (losses * mask).sum(dim=1)
        if how == "answer":
            return sums / mask.sum(dim=1)
        if how == "token":
            return sums / mask.sum()
        return sums / max_new_tokens


@wrong("11.aggregate", "`aggregate` raised IndexError")
class TheMaskedListHasNoRows:
    def aggregate(losses, mask, how, max_new_tokens):
        real = losses[mask]
        if how == "answer":
            return real.mean(dim=1).mean()
        if how == "token":
            return real.mean()
        return real.sum() / (len(real) * max_new_tokens)


@wrong("11.aggregate", "The result has ")
class CountsTokensNotAnswers:
    def aggregate(losses, mask, how, max_new_tokens):
        real = losses[mask]
        if how == "answer":
            return ((losses * mask).sum(1) / mask.sum(1)).mean()
        if how == "token":
            return real.mean()
        return real.sum() / (len(real) * max_new_tokens)


@wrong("11.aggregate", "The result is right, but no model could learn through it: `losses` gets no")
class NumpyItem:
    def aggregate(losses, mask, how, max_new_tokens):
        masked = np.array((losses * mask).tolist())
        if how == "answer":
            return float((masked.sum(1) / np.array(mask.sum(1).tolist())).mean())
        if how == "token":
            return float(masked.sum() / mask.sum().item())
        return float(masked.sum() / (len(losses) * max_new_tokens))


@right("11.1")
def numpy_and_known_gradients(logits, ref_logits, rate, updates):
    """k1 does nothing, k2 is KL(policy, reference), and k3 is KL(reference, policy)."""

    def softmax(z):
        e = np.exp(z - z.max())
        return e / e.sum()

    q, policies = softmax(ref_logits.numpy()), [logits.numpy().copy() for _ in range(3)]
    for _ in range(updates):
        p = softmax(policies[1])
        x = np.log(p / q)
        policies[1] -= rate * p * (x - p @ x)
        policies[2] -= rate * (softmax(policies[2]) - q)
    p = softmax(logits.numpy())
    x = np.log(p / q)
    k = np.array([x, x * x / 2, q / p - 1 + x])
    means = k @ p
    ends = [softmax(policy) for policy in policies]
    return means, np.sqrt((k - means[:, None]) ** 2 @ p), np.array([each @ np.log(each / q) for each in ends])


@right("11.2")
def scaled_lead_over_the_mean(scores, questions):
    _, group, n = questions.unique(return_inverse=True, return_counts=True)
    total = torch.zeros(len(n), dtype=torch.float64).index_add_(0, group, scores.double())
    n = n[group]
    return (scores.double() - total[group] / n) * n / (n - 1).clamp(min=1)


@right("11.2")
def pair_by_pair(scores, questions):
    leads = []
    answers = list(zip(scores.tolist(), questions.tolist(), strict=True))
    for b, (score, question) in enumerate(answers):
        rest = [s for a, (s, q) in enumerate(answers) if a != b and q == question]
        leads.append(sum(score - s for s in rest) / max(len(rest), 1))
    return leads


@right("11.2")
def numpy_bincount_and_a_factor(scores, questions):
    s = scores.numpy().astype(np.float64)
    _, g = np.unique(questions.numpy(), return_inverse=True)
    count = np.bincount(g)[g] if len(g) else g
    mean = (np.bincount(g, weights=s) / np.maximum(np.bincount(g), 1))[g] if len(g) else s
    # s - (n mean - s) / (n - 1) is the lead over the whole group, times n / (n - 1)
    out = np.where(count > 1, (s - mean) * count / np.maximum(count - 1, 1), 0.0)
    return torch.from_numpy(out).to(scores.dtype)


@wrong("11.2", "The result has ")
def factor_upside_down(scores, questions):
    same = (questions[:, None] == questions).to(scores.dtype)
    n = same.sum(1)
    return (scores - same @ scores / n) * (n - 1) / n


@wrong("11.2", "against_the_others changed the input that it was given; work on a copy. Open")
def writes_into_the_scores(scores, questions):
    same = (questions[:, None] == questions).to(scores.dtype)
    n = same.sum(1)
    total = same @ scores
    scores -= torch.where(n > 1, (total - scores) / (n - 1).clamp(min=1), scores)
    return scores


def compared(scores, questions, baseline):
    """Each score less a baseline of the places of the others to its question."""
    leads = []
    for i, question in enumerate(questions.tolist()):
        others = [j for j, other in enumerate(questions.tolist()) if other == question and j != i]
        leads.append(scores[i].item() - baseline(i, others) if others else 0.0)
    return leads


@wrong("11.2", "The leads of the answers to one question add up to ")
def median_of_the_others(scores, questions):
    return compared(scores, questions, lambda i, others: scores[others].median().item())


@wrong("11.2", "These are the advantages of GRPO: divided by the spread of the group.")
def divided_by_the_spread(scores, questions):
    result = torch.zeros_like(scores)
    for question in questions.unique():
        where = questions == question
        group = scores[where]
        n = len(group)
        if n > 1:
            lead = group - (group.sum() - group) / (n - 1)
            result[where] = lead / (group.std() + 1e-4)
    return result


@right("11.3")
def one_row_at_a_time_with_numpy(logits, ids, prompt_lengths, end):
    out = []
    for row, text, n in zip(logits.double().numpy(), ids.tolist(), prompt_lengths.tolist()):
        rest = text[n:]
        stop = n + rest.index(end) + 1 if end in rest else len(text)
        out.append(sum(row[t - 1][text[t]] - np.logaddexp.reduce(row[t - 1]) for t in range(n, stop)))
    return np.array(out)


@right("11.3")
def counts_the_ends_in_front(logits, ids, prompt_lengths, end):
    place = torch.arange(ids.shape[1])
    answer = place >= prompt_lengths[:, None]
    ends = (ids == end) & answer
    counts = answer & (ends.cumsum(1) - ends.long() == 0)
    log_p = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    return torch.where(counts[:, 1:], log_p, 0.0).sum(1)


@right("11.3")
def cross_entropy_with_holes(logits, ids, prompt_lengths, end):
    goal = ids.clone()
    for b, start in enumerate(prompt_lengths.tolist()):
        goal[b, :start] = -100
        closing = (ids[b, start:] == end).nonzero()
        if len(closing):
            goal[b, start + int(closing[0]) + 1 :] = -100
    costs = F.cross_entropy(logits[:, :-1].transpose(1, 2), goal[:, 1:], ignore_index=-100, reduction="none")
    return -costs.sum(1)


@wrong("11.3", "A chance is rounded to ")
def log_after_softmax(logits, ids, prompt_lengths, end):
    place = torch.arange(ids.shape[1])
    ends = (ids == end) & (place >= prompt_lengths[:, None])
    counts = (place >= prompt_lengths[:, None]) & (ends.cumsum(1) - ends.long() == 0)
    table = logits[:, :-1].softmax(-1).log().gather(2, ids[:, 1:, None]).squeeze(2)
    return torch.where(counts[:, 1:], table, 0.0).sum(1)


@wrong("11.3", "The first token of the answer does not count.")
def first_token_left_out(logits, ids, prompt_lengths, end):
    targets = ids[:, 1:]
    log_probs = logits[:, :-1].log_softmax(-1).gather(-1, targets[..., None])[..., 0]
    place = torch.arange(targets.shape[1])
    answer = place >= prompt_lengths[:, None]
    ends = (targets == end) & answer
    counts = answer & (ends.cumsum(1) - ends.long() == 0)
    return (log_probs * counts).sum(1)


def _each_token(logits, ids):
    log_probs = logits[:, :-1].log_softmax(-1)
    return log_probs.gather(-1, ids[:, 1:, None]).squeeze(-1)


@wrong("11.3", "The result is right but for the last number. It is wrong with prompts that end")
def end_behind_an_end(logits, ids, prompt_lengths, end):
    place = torch.arange(1, ids.shape[1])
    is_padding = (ids[:, 1:] == end) & (ids[:, :-1] == end)
    counts = (place >= prompt_lengths[:, None]) & ~is_padding
    return (_each_token(logits, ids) * counts).sum(1)


@right("11.4")
def hyperbolic(log_ratios, liked, strangers, beta):
    z = max(strangers.double().mean().item(), 0.0)
    up = liked.numpy()
    toward = np.where(up, 1.0, -1.0)
    kind = np.where(up, up.sum(), (~up).sum())
    half = np.tanh(beta * toward * (log_ratios.double().numpy() - z) / 2)
    losses = len(up) / (2 * kind) * (1 - half) / 2
    pushes = toward * beta * (1 - half**2) / 4 / (2 * kind)
    return torch.from_numpy(losses).to(log_ratios.dtype), torch.from_numpy(pushes).to(log_ratios.dtype)


@right("11.4")
def by_autograd(log_ratios, liked, strangers, beta):
    x = log_ratios.double().requires_grad_()
    kinds = [liked, ~liked]
    leads = beta * (x - F.relu(strangers.double().mean()))
    losses = torch.zeros(len(x)).double()
    for kind, sign in zip(kinds, (1, -1), strict=True):
        if kind.any():
            losses = losses + kind * torch.sigmoid(-sign * leads) / kind.double().mean() / 2
    losses.mean().backward()
    return losses.detach(), -x.grad


@right("11.4")
def functional_gradient(log_ratios, liked, strangers, beta):
    z = torch.relu(strangers.mean())
    n_up, n_down = liked.sum(), (~liked).sum()
    half = liked.numel() / 2

    def each(x):
        lead = beta * torch.where(liked, x - z, z - x)
        weight = half / torch.where(liked, n_up, n_down)
        return weight * (1 - torch.sigmoid(lead))

    slope = torch.func.grad(lambda x: each(x).mean())(log_ratios)
    return each(log_ratios), -slope


@wrong("11.4", "changed `requires_grad` or `grad` of the input")
def backward_on_what_was_given(log_ratios, liked, strangers, beta):
    log_ratios.requires_grad_()
    z = strangers.mean().clamp_min(0)
    lead = beta * torch.where(liked, log_ratios - z, z - log_ratios)
    losses = len(liked) / 2 / torch.where(liked, liked.sum(), (~liked).sum()) * (1 - lead.sigmoid())
    losses.mean().backward()
    return losses.detach(), -log_ratios.grad


def _kto(log_ratios, liked, z, beta):
    sign = torch.where(liked, 1.0, -1.0)
    s = torch.sigmoid(beta * sign * (log_ratios - z))
    return sign, s


@wrong("11.4", "The losses are NaN where there is one kind only: the weight of the other kind is infinite.")
def divided_by_none(log_ratios, liked, strangers, beta):
    B, up = len(liked), liked.float()
    sign, s = _kto(log_ratios, liked, strangers.mean().clamp(min=0), beta)
    w = up * (B / 2 / up.sum()) + (1 - up) * (B / 2 / (1 - up).sum())
    return w * (1 - s), sign * w * beta * s * (1 - s) / B
