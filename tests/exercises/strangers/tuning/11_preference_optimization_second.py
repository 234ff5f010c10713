"""Answers to assignment 11 from its text alone; this half served to tune the checks."""

import math
from collections import Counter
from itertools import groupby

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("11.1", "this is IPO's square around the margin at which the loss should be smallest")
def ipo_square(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    target = math.log((1 - slips) / max(slips, 1e-6))
    return ((margin - target) ** 2).mean()


@right("11.1")
def pair_by_pair_with_math(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    def cost(d):  # -log sigmoid(d)
        return max(-d, 0.0) + math.log1p(math.exp(-abs(d)))

    total = 0.0
    for c, r, rc, rr in zip(chosen.tolist(), rejected.tolist(), reference_chosen.tolist(), reference_rejected.tolist()):
        d = beta * (c - rc) - beta * (r - rr)
        total += (1 - slips) * cost(d) + slips * cost(-d)
    return torch.tensor(total / len(chosen))


@wrong("11.1", "the ratio is turned round: the reference less the policy")
def reference_less_policy(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    reward_chosen = beta * (reference_chosen - chosen)
    reward_rejected = beta * (reference_rejected - rejected)
    margin = reward_chosen - reward_rejected
    return (-(1 - slips) * F.logsigmoid(margin) - slips * F.logsigmoid(-margin)).mean()


@wrong("11.1", "this is robust DPO, which takes the turned pair away and divides by 1 - 2 slips; here it is added")
def robust_dpo(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    losses = (-(1 - slips) * F.logsigmoid(margin) + slips * F.logsigmoid(-margin)) / (1 - 2 * slips)
    return losses.mean()


@wrong("11.1", "the sigmoid of a margin of minus 300 is rounded to 0 before the logarithm is taken")
def log_after_sigmoid(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    p = torch.sigmoid(margin)
    return (-(1 - slips) * torch.log(p) - slips * torch.log(torch.sigmoid(-margin))).mean()


@right("11.1")
def two_logsigmoids(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margins = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    return (-(1 - slips) * F.logsigmoid(margins) - slips * F.logsigmoid(-margins)).mean()


@wrong("11.1", "a pair is taken for a slip where the policy ranks it the other way; each pair should count both ways")
def guesses_who_slipped(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    losses = torch.where(margin > 0, -(1 - slips) * F.logsigmoid(margin), -slips * F.logsigmoid(-margin))
    return losses.mean()


@wrong("11.1", "every chosen answer is compared with every rejected one of the batch, not only with its own")
def all_against_all(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    good = beta * (chosen - reference_chosen)
    bad = beta * (rejected - reference_rejected)
    margin = good[:, None] - bad[None, :]
    return (-(1 - slips) * F.logsigmoid(margin) - slips * F.logsigmoid(-margin)).mean()


@wrong("11.1", "log(1 - sigmoid) is minus infinity from a margin of 17 on, where the sigmoid is rounded to 1")
def one_minus_sigmoid(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    h = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    return torch.mean(-(1 - slips) * F.logsigmoid(h) - slips * torch.log(1 - torch.sigmoid(h)))


@wrong("11.2", "only answers that stand side by side are taken for a group, but they come back in any order")
def groups_only_in_a_row(scores, questions):
    out, start = [], 0
    for _, run in groupby(questions.tolist()):
        n = len(list(run))
        group = scores[start : start + n]
        start += n
        out.append((group - (group.sum() - group) / (n - 1)) if n > 1 else torch.zeros(1))
    return torch.cat(out)


@right("11.2")
def numpy_bincount_and_a_factor(scores, questions):
    s = scores.numpy().astype(np.float64)
    _, g = np.unique(questions.numpy(), return_inverse=True)
    count = np.bincount(g)[g] if len(g) else g
    mean = (np.bincount(g, weights=s) / np.maximum(np.bincount(g), 1))[g] if len(g) else s
    # s - (n mean - s) / (n - 1) is the lead over the whole group, times n / (n - 1)
    out = np.where(count > 1, (s - mean) * count / np.maximum(count - 1, 1), 0.0)
    return torch.from_numpy(out).to(scores.dtype)


@wrong("11.2", "the baseline is the best of the others and not their mean")
def best_of_the_others(scores, questions):
    others = (questions[:, None] == questions) & ~torch.eye(len(scores), dtype=torch.bool)
    best = scores.expand(len(scores), -1).masked_fill(~others, -math.inf).amax(1)
    return torch.where(others.any(1), scores - best, 0.0)


@wrong("11.2", "each answer is compared with all others of the batch, whatever they answer")
def the_whole_batch(scores, questions):
    B = len(scores)
    if B == 1:
        return torch.zeros_like(scores)
    lead = scores - (scores.sum() - scores) / (B - 1)
    alone = (questions[:, None] == questions).sum(1) == 1
    return lead.masked_fill(alone, 0.0)


@wrong("11.2", "the leads are written into the scores that were given")
def writes_into_the_scores(scores, questions):
    same = (questions[:, None] == questions).to(scores.dtype)
    n = same.sum(1)
    total = same @ scores
    scores -= torch.where(n > 1, (total - scores) / (n - 1).clamp(min=1), scores)
    return scores


@right("11.2")
def sums_by_inverse(scores, questions):
    _, group, size = torch.unique(questions, return_inverse=True, return_counts=True)
    total = torch.zeros(len(size), dtype=torch.float64).index_add(0, group, scores.double())
    n = size[group]
    baseline = (total[group] - scores) / (n - 1).clamp_min(1)
    return torch.where(n == 1, torch.zeros(()).double(), scores - baseline).to(scores.dtype)


@wrong("11.2", "the leads come back group by group, not in the order in which the answers were given")
def in_the_order_of_groups(scores, questions):
    parts = []
    for q in questions.unique():
        group = scores[questions == q]
        if len(group) == 1:
            parts.append(torch.zeros_like(group))
        else:
            parts.append(group - (group.sum() - group) / (len(group) - 1))
    return torch.cat(parts)


@wrong("11.2", "an answer that stands alone gives 0 / 0, NaN instead of 0")
def nan_when_alone(scores, questions):
    others = (questions[:, None] == questions).float()
    others.fill_diagonal_(0)
    return scores - (others @ scores) / others.sum(dim=1)


@wrong("11.2", "the mean is that of the whole group, the answer itself included, as in GRPO")
def own_share_in_the_mean(scores, questions):
    same = (questions[:, None] == questions).float()
    return scores - same @ scores / same.sum(1)


@wrong("11.3", "the loop is left for all rows as soon as one answer has ended")
def leaves_for_all_rows(logits, ids, prompt_lengths, end):
    log_probs = logits.log_softmax(-1)
    total = torch.zeros(len(ids))
    done = False
    for t in range(1, ids.shape[1]):
        for b in range(len(ids)):
            if t >= prompt_lengths[b]:
                total[b] += log_probs[b, t - 1, ids[b, t]]
                done = done or bool(ids[b, t] == end)
        if done:
            break
    return total


@right("11.3")
def still_talking(logits, ids, prompt_lengths, end):
    """log p of each answer: (B,)."""
    B, T = ids.shape
    total = logits.new_zeros(B)
    talking = torch.ones(B, dtype=torch.bool)
    log_probs = F.log_softmax(logits, dim=2)
    for t in range(1, T):
        in_answer = t >= prompt_lengths
        said = log_probs[torch.arange(B), t - 1, ids[:, t]]
        total = total + torch.where(in_answer & talking, said, torch.zeros_like(said))
        talking = talking & ~(in_answer & (ids[:, t] == end))
    return total


@wrong("11.3", "the tokens of the prompt count, too")
def prompt_counts(logits, ids, prompt_lengths, end):
    log_probs = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    answer = torch.arange(ids.shape[1]) >= prompt_lengths[:, None]
    ends = (ids == end) & answer
    counts = ends.cumsum(1) - ends.long() == 0
    return (log_probs * counts[:, 1:]).sum(1)


@wrong("11.3", "no token with the id of the end counts, so an answer's stopping has no chance in the sum")
def no_end_counts(logits, ids, prompt_lengths, end):
    lp = F.log_softmax(logits[:, :-1], -1)
    total = torch.zeros(len(ids))
    for b, row in enumerate(ids):
        for t in range(int(prompt_lengths[b]), len(row)):
            if row[t] != end:
                total[b] += lp[b, t - 1, row[t]]
    return total


@wrong("11.3", "the logits are added up as they are, without a softmax")
def raw_logits(logits, ids, prompt_lengths, end):
    picked = logits[:, :-1].gather(-1, ids[:, 1:].unsqueeze(-1)).squeeze(-1)
    answer = torch.arange(ids.shape[1]) >= prompt_lengths.unsqueeze(1)
    ends = (ids == end) & answer
    counts = (answer & (ends.cumsum(1) - ends.long() == 0))[:, 1:]
    return (picked * counts).sum(1)


@right("11.3")
def counts_the_ends_in_front(logits, ids, prompt_lengths, end):
    place = torch.arange(ids.shape[1])
    answer = place >= prompt_lengths[:, None]
    ends = (ids == end) & answer
    counts = answer & (ends.cumsum(1) - ends.long() == 0)
    log_p = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    return torch.where(counts[:, 1:], log_p, 0.0).sum(1)


@wrong("11.3", "the logits at a token's own place are read, not those at the place before it")
def not_shifted(logits, ids, prompt_lengths, end):
    log_probs = logits.log_softmax(-1).gather(-1, ids[:, :, None]).squeeze(-1)
    place = torch.arange(ids.shape[1])
    answer = place >= prompt_lengths[:, None]
    ends = (ids == end) & answer
    counts = answer & (ends.cumsum(1) - ends.long() == 0)
    return (log_probs * counts).sum(1)


@wrong("11.3", "an answer that ends at once counts as empty: the loop asks for a word first, and only then for the end")
def needs_a_word_first(logits, ids, prompt_lengths, end):
    log_probs = logits.log_softmax(-1)
    out = []
    for b in range(len(ids)):
        t, total, words = int(prompt_lengths[b]), 0.0, 0
        while t < ids.shape[1] and ids[b, t] != end:
            total += float(log_probs[b, t - 1, ids[b, t]])
            t, words = t + 1, words + 1
        if words and t < ids.shape[1]:
            total += float(log_probs[b, t - 1, end])
        out.append(total)
    return torch.tensor(out)


@wrong("11.3", "the mean over an answer's tokens is returned and not their sum")
def mean_over_tokens(logits, ids, prompt_lengths, end):
    log_probs = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    answer = torch.arange(ids.shape[1]) >= prompt_lengths[:, None]
    ends = (ids == end) & answer
    counts = (answer & (ends.cumsum(1) - ends.long() == 0))[:, 1:]
    return (log_probs * counts).sum(1) / counts.sum(1).clamp(min=1)


@wrong("11.4", "each stranger is cut off at 0 before the mean is taken, so z is too large")
def clamps_each_stranger(log_ratios, liked, strangers, beta):
    B, z = len(log_ratios), strangers.clamp(min=0).mean()
    n = torch.where(liked, liked.sum(), (~liked).sum())
    weight = B / 2 / n
    s = torch.sigmoid(beta * torch.where(liked, log_ratios - z, z - log_ratios))
    push = weight * beta * s * (1 - s) / B
    return weight * (1 - s), torch.where(liked, push, -push)


@right("11.4")
def formula_for_the_pushes(log_ratios, liked, strangers, beta):
    B = len(log_ratios)
    z = strangers.mean().clamp(min=0)
    sign = torch.where(liked, 1.0, -1.0).to(log_ratios.dtype)
    ups = liked.sum()
    weight = torch.where(liked, B / 2 / ups.clamp(min=1), B / 2 / (B - ups).clamp(min=1)).to(log_ratios.dtype)
    s = torch.sigmoid(sign * beta * (log_ratios - z))
    return weight * (1 - s), sign * weight * beta * s * (1 - s) / B


@wrong("11.4", "z is subtracted from the log-ratios in place, so what was given is changed")
def centres_the_given_ratios(log_ratios, liked, strangers, beta):
    log_ratios -= strangers.mean().clamp(min=0)
    B = len(log_ratios)
    sign = torch.where(liked, 1.0, -1.0)
    weight = B / 2 / torch.where(liked, liked.sum(), (~liked).sum())
    s = torch.sigmoid(beta * sign * log_ratios)
    return weight * (1 - s), sign * weight * beta * s * (1 - s) / B


@wrong("11.4", "a negative mean of the strangers is taken as it is, where z should be 0")
def z_may_be_negative(log_ratios, liked, strangers, beta):
    B, z = len(log_ratios), strangers.mean()
    n = torch.where(liked, liked.sum(), (~liked).sum())
    weight = B / 2 / n
    s = torch.sigmoid(beta * torch.where(liked, log_ratios - z, z - log_ratios))
    push = weight * beta * s * (1 - s) / B
    return weight * (1 - s), torch.where(liked, push, -push)


@wrong("11.4", "answers that were not liked are pushed up like the others")
def all_pushed_up(log_ratios, liked, strangers, beta):
    B = len(log_ratios)
    z = torch.clamp(torch.mean(strangers), min=0.0)
    weight = torch.where(liked, B / (2 * liked.sum()), B / (2 * (~liked).sum()))
    lead = torch.where(liked, beta * (log_ratios - z), beta * (z - log_ratios))
    s = torch.sigmoid(lead)
    return weight * (1 - s), weight * beta * s * (1 - s) / B


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


@wrong("11.4", "z is estimated from the answers themselves and not from the strangers")
def z_from_the_answers(log_ratios, liked, strangers, beta):
    B = len(log_ratios)
    z = log_ratios.mean().clamp(min=0)
    n = torch.where(liked, liked.sum(), (~liked).sum())
    weight = B / 2 / n
    s = torch.sigmoid(beta * torch.where(liked, log_ratios - z, z - log_ratios))
    push = weight * beta * s * (1 - s) / B
    return weight * (1 - s), torch.where(liked, push, -push)


@wrong("11.4", "the weights are B over the number of a kind, twice what they should be")
def weights_without_the_half(log_ratios, liked, strangers, beta):
    B = len(log_ratios)
    z = strangers.mean().clamp(min=0)
    kinds = Counter(liked.tolist())
    weight = torch.tensor([B / kinds[up] for up in liked.tolist()])
    s = torch.sigmoid(beta * torch.where(liked, log_ratios - z, z - log_ratios))
    push = weight * beta * s * (1 - s) / B
    return weight * (1 - s), torch.where(liked, push, -push)


@wrong("11.4", "the loss is minus log sigmoid of the lead, as in DPO, and not 1 - sigmoid")
def log_loss_as_in_dpo(log_ratios, liked, strangers, beta):
    x = log_ratios.clone().requires_grad_()
    z = strangers.mean().clamp(min=0).item()
    lead = beta * torch.where(liked, x - z, z - x)
    weight = len(x) / 2 / torch.where(liked, liked.sum(), (~liked).sum())
    losses = -weight * F.logsigmoid(lead)
    pushes = -torch.autograd.grad(losses.mean(), x)[0]
    return losses.detach(), pushes
