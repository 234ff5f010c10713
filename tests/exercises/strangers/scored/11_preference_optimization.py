"""Answers to assignment 11 from its text alone; this set is only scored."""

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("11.1", "cuts the chance off at 1e-10 before the logarithm, so large margins cost too little")
def clamped_chance(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margins = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    chance = torch.sigmoid(margins).clamp(1e-10, 1.0)
    other = torch.sigmoid(-margins).clamp(1e-10, 1.0)
    return (-(1 - slips) * chance.log() - slips * other.log()).mean()


@wrong("11.1", "the two weights are exchanged: the pair as it stands gets the share of slips")
def weights_exchanged(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margins = beta * (chosen - rejected - reference_chosen + reference_rejected)
    return -(slips * F.logsigmoid(margins) + (1 - slips) * F.logsigmoid(-margins)).mean()


@wrong("11.1", "a bracket is missing, so beta multiplies only the chosen answer's log-ratio")
def beta_for_one(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margins = beta * (chosen - reference_chosen) - (rejected - reference_rejected)
    return (-(1 - slips) * F.logsigmoid(margins) - slips * F.logsigmoid(-margins)).mean()


@wrong("11.1", "robust DPO of another paper: subtracts the turned pair and divides by 1 - 2 slips")
def robust_dpo(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margins = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    right_way, turned = -F.logsigmoid(margins), -F.logsigmoid(-margins)
    return (((1 - slips) * right_way - slips * turned) / (1 - 2 * slips)).mean()


@wrong("11.1", "mixes the two chances and takes the logarithm of the mixture, not the mixture of the logarithms")
def log_of_mixture(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margins = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    chance = torch.sigmoid(margins)
    heard = (1 - slips) * chance + slips * (1 - chance)
    return -heard.clamp_min(1e-38).log().mean()


@right("11.1")
def soft_label(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margins = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    return (torch.logaddexp(-margins, torch.zeros_like(margins)) + slips * margins).mean()


@wrong("11.2", "turns the numbers of the questions into float32, where neighbours above 16 million become equal")
def float_numbers(scores, questions):
    q = questions.float()
    same = (q[:, None] - q[None, :]).abs() < 0.5
    same.fill_diagonal_(False)
    others = same.to(scores.dtype)
    count = others.sum(1)
    return torch.where(count > 0, scores - others @ scores / count.clamp_min(1), 0.0)


@wrong("11.2", "takes for others only answers with another score, so equal scores are left out")
def others_by_score(scores, questions):
    others = (questions[:, None] == questions) & (scores[:, None] != scores)
    count = others.sum(1)
    mean = (others * scores).sum(1) / count.clamp_min(1)
    return torch.where(count > 0, scores - mean, torch.zeros_like(scores))


@wrong("11.2", "a group is a run of neighbours with the same question, though answers come in any order")
def runs_of_neighbours(scores, questions):
    _, sizes = torch.unique_consecutive(questions, return_counts=True)
    parts = []
    for group in scores.split(sizes.tolist()):
        n = len(group)
        parts.append(group - (group.sum() - group) / (n - 1) if n > 1 else torch.zeros_like(group))
    return torch.cat(parts)


@wrong("11.2", "an answer without others keeps its own score as its lead, instead of 0")
def lonely_keeps_score(scores, questions):
    others = (questions[:, None] == questions).to(scores.dtype)
    others = others - torch.eye(len(scores), dtype=scores.dtype)
    return scores - others @ scores / others.sum(1).clamp_min(1)


@wrong("11.2", "divides the sum of the others by the size of the whole group, itself included")
def divided_by_group(scores, questions):
    out = []
    for i, question in enumerate(questions.tolist()):
        group = [j for j, q in enumerate(questions.tolist()) if q == question]
        total = sum(float(scores[j]) for j in group if j != i)
        out.append(float(scores[i]) - total / len(group) if len(group) > 1 else 0.0)
    return torch.tensor(out, dtype=scores.dtype)


@right("11.2")
def stretched_group_mean(scores, questions):
    _, group = torch.unique(questions, return_inverse=True)
    size = torch.bincount(group).double()
    total = torch.zeros_like(size).index_add(0, group, scores.double())
    n = size[group]
    lead = (scores.double() - total[group] / n) * n / (n - 1).clamp_min(1)
    return torch.where(n > 1, lead, 0.0).to(scores.dtype)


@wrong("11.3", "stops at the first end token of the row, even one inside the prompt")
def ends_in_the_prompt(logits, ids, prompt_lengths, end):
    table = logits.log_softmax(-1)
    sums = []
    for b, row in enumerate(ids.tolist()):
        stop = row.index(end) if end in row else len(row) - 1
        total = torch.zeros((), dtype=logits.dtype)
        for t in range(int(prompt_lengths[b]), stop + 1):
            total = total + table[b, t - 1, row[t]]
        sums.append(total)
    return torch.stack(sums)


@wrong("11.3", "argmax of the marks is 0 where there is no end, so a cut off answer counts nothing but its start")
def argmax_of_nothing(logits, ids, prompt_lengths, end):
    place = torch.arange(ids.shape[1])
    answer = place >= prompt_lengths[:, None]
    first = (answer & (ids == end)).int().argmax(1, keepdim=True)
    counts = answer & (place <= first)
    table = logits[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
    return (table * counts[:, 1:]).sum(1)


@wrong("11.3", "takes the log of a softmax, which is minus infinity where logits lie hundreds apart")
def log_after_softmax(logits, ids, prompt_lengths, end):
    place = torch.arange(ids.shape[1])
    ends = (ids == end) & (place >= prompt_lengths[:, None])
    counts = (place >= prompt_lengths[:, None]) & (ends.cumsum(1) - ends.long() == 0)
    table = logits[:, :-1].softmax(-1).log().gather(2, ids[:, 1:, None]).squeeze(2)
    return torch.where(counts[:, 1:], table, 0.0).sum(1)


@wrong("11.3", "begins one place too late and leaves out the first token of each answer")
def first_token_lost(logits, ids, prompt_lengths, end):
    place = torch.arange(ids.shape[1])
    ends = (ids == end) & (place >= prompt_lengths[:, None])
    counts = (place > prompt_lengths[:, None]) & (ends.cumsum(1) - ends.long() == 0)
    table = logits[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None]).squeeze(2)
    return torch.where(counts[:, 1:], table, 0.0).sum(1)


@wrong("11.3", "looks from behind for the last token that is not end; an empty answer after a prompt with end is lost")
def strip_from_behind(logits, ids, prompt_lengths, end):
    table = logits.log_softmax(-1)
    out = []
    for b, row in enumerate(ids.tolist()):
        stop = len(row)
        while stop > 1 and row[stop - 1] == end:
            stop -= 1
        stop = min(stop + 1, len(row))
        total = table.new_zeros(())
        for t in range(int(prompt_lengths[b]), stop):
            total = total + table[b, t - 1, row[t]]
        out.append(total)
    return torch.stack(out)


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


@wrong("11.4", "sets each negative log-ratio of the strangers to 0 before the mean, not the mean itself")
def each_stranger_clamped(log_ratios, liked, strangers, beta):
    z = strangers.clamp_min(0).mean()
    sign = torch.where(liked, 1.0, -1.0)
    s = torch.sigmoid(beta * sign * (log_ratios - z))
    B, up = len(liked), int(liked.sum())
    weight = torch.where(liked, B / 2 / max(up, 1), B / 2 / max(B - up, 1))
    return weight * (1 - s), sign * weight * beta * s * (1 - s) / B


@wrong("11.4", "the pushes lack the factor beta of the inner slope")
def beta_lost_in_slope(log_ratios, liked, strangers, beta):
    z = max(float(strangers.mean()), 0.0)
    sign = liked.to(log_ratios.dtype) * 2 - 1
    s = torch.sigmoid(sign * beta * (log_ratios - z))
    B, up = len(liked), int(liked.sum())
    weight = torch.where(liked, B / 2 / max(up, 1), B / 2 / max(B - up, 1))
    return weight * (1 - s), sign * weight * s * (1 - s) / B


@wrong("11.4", "the loss is minus the logarithm of the sigmoid, as in DPO, not 1 less the sigmoid")
def dpo_of_thumbs(log_ratios, liked, strangers, beta):
    x = log_ratios.clone().requires_grad_()
    z = strangers.mean().clamp_min(0)
    lead = torch.where(liked, beta * (x - z), beta * (z - x))
    count = torch.where(liked, liked.sum(), (~liked).sum())
    losses = -F.logsigmoid(lead) * len(liked) / 2 / count
    return losses.detach(), -torch.autograd.grad(losses.mean(), x)[0]


@wrong("11.4", "where there is one kind only its weight is 1, though it should still count for a half")
def one_kind_counts_whole(log_ratios, liked, strangers, beta):
    z = strangers.mean().clamp_min(0)
    sign = torch.where(liked, 1.0, -1.0)
    s = torch.sigmoid(beta * sign * (log_ratios - z))
    B = len(liked)
    kinds = len(set(liked.tolist()))
    count = torch.where(liked, liked.sum(), (~liked).sum())
    weight = B / kinds / count
    return weight * (1 - s), sign * weight * beta * s * (1 - s) / B


@wrong("11.4", "beta multiplies the log-ratio alone, and z is subtracted as if it were in points")
def z_without_beta(log_ratios, liked, strangers, beta):
    x = log_ratios.clone().requires_grad_()
    z = strangers.mean().clamp_min(0)
    lead = torch.where(liked, beta * x - z, z - beta * x)
    count = torch.where(liked, liked.sum(), (~liked).sum())
    losses = torch.sigmoid(-lead) * len(liked) / 2 / count
    return losses.detach(), -torch.autograd.grad(losses.mean(), x)[0]


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
