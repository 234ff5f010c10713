"""Answers to assignment 11 from its text alone; this set served to tune the checks."""

import math
from collections import defaultdict

import torch
import torch.nn.functional as F
from answers import right, wrong

# 11.1


@wrong("11.1", "takes the logarithm of a sigmoid that is rounded to 0, so large margins cost infinity")
def log_after_sigmoid(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    p = torch.sigmoid(margin)
    return (-(1 - slips) * torch.log(p) - slips * torch.log(1 - p)).mean()


@wrong("11.1", "leaves out the reference, as methods without one do")
def without_reference(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * (chosen - rejected)
    return (-(1 - slips) * F.logsigmoid(margin) - slips * F.logsigmoid(-margin)).mean()


@wrong("11.1", "swaps the two weights, so the turned-round pair has the large one")
def weights_swapped(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * (chosen - reference_chosen - rejected + reference_rejected)
    return (-slips * F.logsigmoid(margin) - (1 - slips) * F.logsigmoid(-margin)).mean()


@wrong("11.1", "multiplies only the policy's log p with beta and not the reference's")
def beta_on_policy_only(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * (chosen - rejected) - (reference_chosen - reference_rejected)
    return (-(1 - slips) * F.logsigmoid(margin) - slips * F.logsigmoid(-margin)).mean()


@wrong("11.1", "is robust DPO: it subtracts the turned-round loss and divides by 1 - 2 slips")
def robust_dpo(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * ((chosen - rejected) - (reference_chosen - reference_rejected))
    losses = -(1 - slips) * F.logsigmoid(margin) + slips * F.logsigmoid(-margin)
    return (losses / (1 - 2 * slips)).mean()


@wrong("11.1", "smooths as for two classes, so half of the share goes back to the right one")
def smoothing_over_two_classes(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    logits = torch.stack([margin, torch.zeros_like(margin)], dim=1)
    target = torch.zeros(len(margin), dtype=torch.long)
    return F.cross_entropy(logits, target, label_smoothing=slips)


@wrong("11.1", "takes the mean of the margins and then one loss, not the mean of the losses")
def loss_of_the_mean_margin(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected)).mean()
    return -(1 - slips) * F.logsigmoid(margin) - slips * F.logsigmoid(-margin)


@wrong("11.1", "mixes the two chances inside one logarithm instead of weighting two logarithms")
def mixture_in_the_logarithm(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    if slips == 0:
        return -F.logsigmoid(margin).mean()
    as_it_stands = math.log(1 - slips) + F.logsigmoid(margin)
    turned_round = math.log(slips) + F.logsigmoid(-margin)
    return -torch.logaddexp(as_it_stands, turned_round).mean()


@right("11.1")
def cross_entropy_with_soft_target(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    return F.binary_cross_entropy_with_logits(margin, torch.full_like(margin, 1 - slips))


@right("11.1")
def pair_by_pair_in_python(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    total = 0.0
    rows = zip(chosen.tolist(), rejected.tolist(), reference_chosen.tolist(), reference_rejected.tolist())
    for good, bad, good_before, bad_before in rows:
        margin = beta * (good - good_before) - beta * (bad - bad_before)
        small = math.log1p(math.exp(-abs(margin)))
        total += (1 - slips) * (max(-margin, 0) + small) + slips * (max(margin, 0) + small)
    return total / len(chosen)


# 11.2


@wrong("11.2", "lets each answer have a share in the mean that it is compared with")
def mean_with_itself(scores, questions):
    same = (questions[:, None] == questions).to(scores.dtype)
    return scores - same @ scores / same.sum(1)


@wrong("11.2", "turns the numbers into float32, where large ones that differ by 1 become the same question")
def numbers_as_floats(scores, questions):
    q = questions.float()
    others = (q[:, None] == q[None, :]).float()
    others.fill_diagonal_(0)
    others = others.to(scores.dtype)
    n = others.sum(1)
    return torch.where(n > 0, scores - others @ scores / n.clamp_min(1), 0.0)


@wrong("11.2", "looks for the others only next to an answer, as if groups stood in a row")
def groups_stand_in_a_row(scores, questions):
    _, lengths = torch.unique_consecutive(questions, return_counts=True)
    parts = []
    for part in scores.split(lengths.tolist()):
        n = len(part)
        parts.append(part - (part.sum() - part) / (n - 1) if n > 1 else torch.zeros_like(part))
    return torch.cat(parts)


@wrong("11.2", "gives an answer without others its own score and not 0")
def alone_keeps_its_score(scores, questions):
    others = (questions[:, None] == questions).to(scores.dtype)
    others = others - torch.eye(len(scores), dtype=scores.dtype)
    return scores - others @ scores / others.sum(1).clamp_min(1)


@wrong("11.2", "scales the lead over the group's mean by (n - 1) / n, where n / (n - 1) is needed")
def factor_upside_down(scores, questions):
    same = (questions[:, None] == questions).to(scores.dtype)
    n = same.sum(1)
    return (scores - same @ scores / n) * (n - 1) / n


@wrong("11.2", "divides 0 by 0 for an answer without others, which gives NaN")
def nothing_over_nothing(scores, questions):
    others = (questions[:, None] == questions) & ~torch.eye(len(scores), dtype=torch.bool)
    others = others.to(scores.dtype)
    return scores - others @ scores / others.sum(1)


@wrong("11.2", "knows itself by its score, so others with the same score are left out, too")
def itself_by_its_score(scores, questions):
    result = torch.zeros_like(scores)
    for i in range(len(scores)):
        others = scores[(questions == questions[i]) & (scores != scores[i])]
        if len(others) > 0:
            result[i] = scores[i] - others.mean()
    return result


@wrong("11.2", "divides the lead by the spread of the group, as GRPO does")
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


@right("11.2")
def numbered_groups(scores, questions):
    _, group, sizes = questions.unique(return_inverse=True, return_counts=True)
    sums = torch.zeros(len(sizes), dtype=torch.float64).index_add_(0, group, scores.double())
    n = sizes[group]
    lead = scores.double() - (sums[group] - scores.double()) / (n - 1).clamp(min=1)
    return torch.where(n == 1, 0.0, lead).to(scores.dtype)


@right("11.2")
def dictionary_of_places(scores, questions):
    places = defaultdict(list)
    for i, question in enumerate(questions.tolist()):
        places[question].append(i)
    points, leads = scores.tolist(), []
    for i, question in enumerate(questions.tolist()):
        others = [points[j] for j in places[question] if j != i]
        leads.append(points[i] - math.fsum(others) / len(others) if others else 0.0)
    return torch.tensor(leads, dtype=scores.dtype)


# 11.3


def _each_token(logits, ids):
    log_probs = logits[:, :-1].log_softmax(-1)
    return log_probs.gather(-1, ids[:, 1:, None]).squeeze(-1)


@wrong("11.3", "counts the padding behind the closing token as well")
def padding_counts(logits, ids, prompt_lengths, end):
    place = torch.arange(1, ids.shape[1])
    return (_each_token(logits, ids) * (place >= prompt_lengths[:, None])).sum(1)


@wrong("11.3", "looks for the first end in the whole row, also in the prompt")
def end_in_the_prompt(logits, ids, prompt_lengths, end):
    place = torch.arange(ids.shape[1])
    ends = ids == end
    before = ends.cumsum(1) - ends.long()
    counts = (place >= prompt_lengths[:, None]) & (before == 0)
    return (_each_token(logits, ids) * counts[:, 1:]).sum(1)


@wrong("11.3", "adds up the prompt's tokens, too")
def prompt_counts(logits, ids, prompt_lengths, end):
    place = torch.arange(ids.shape[1])
    ends = (ids == end) & (place >= prompt_lengths[:, None])
    counts = (ends.cumsum(1) - ends.long()) == 0
    return (_each_token(logits, ids) * counts[:, 1:]).sum(1)


@wrong("11.3", "leaves out the answer's first token, which the last place of the prompt foretells")
def first_token_missing(logits, ids, prompt_lengths, end):
    token = _each_token(logits, ids)
    result = []
    for b in range(len(ids)):
        total = token.new_zeros(())
        for t in range(int(prompt_lengths[b]), ids.shape[1]):
            if t > prompt_lengths[b]:
                total = total + token[b, t - 1]
            if ids[b, t] == end:
                break
        result.append(total)
    return torch.stack(result)


@wrong("11.3", "takes the logarithm of a softmax that is rounded to 0 where logits lie hundreds apart")
def log_of_softmax(logits, ids, prompt_lengths, end):
    token = logits.softmax(-1)[:, :-1].gather(-1, ids[:, 1:].unsqueeze(-1)).squeeze(-1).log()
    place = torch.arange(ids.shape[1])
    ends = (ids == end) & (place >= prompt_lengths[:, None])
    counts = (place >= prompt_lengths[:, None]) & (ends.cumsum(1) - ends.long() == 0)
    return torch.where(counts[:, 1:], token, 0.0).sum(1)


@wrong("11.3", "divides by the number of the answer's tokens, as for a mean")
def mean_per_token(logits, ids, prompt_lengths, end):
    place = torch.arange(ids.shape[1])
    ends = (ids == end) & (place >= prompt_lengths[:, None])
    counts = (place >= prompt_lengths[:, None]) & (ends.cumsum(1) - ends.long() == 0)
    counts = counts[:, 1:]
    return (_each_token(logits, ids) * counts).sum(1) / counts.sum(1).clamp_min(1)


@wrong("11.3", "argmax says 0 where there is no end, so an answer that was cut off keeps its first token only")
def argmax_without_an_end(logits, ids, prompt_lengths, end):
    token = _each_token(logits, ids)
    sums = []
    for b, n in enumerate(prompt_lengths.tolist()):
        answer = ids[b, n:]
        closing = int((answer == end).int().argmax())
        sums.append(token[b, n - 1 : n + closing].sum())
    return torch.stack(sums)


@wrong("11.3", "counts an end if no end stands before it, also where that one is the last token of the prompt")
def end_behind_an_end(logits, ids, prompt_lengths, end):
    place = torch.arange(1, ids.shape[1])
    is_padding = (ids[:, 1:] == end) & (ids[:, :-1] == end)
    counts = (place >= prompt_lengths[:, None]) & ~is_padding
    return (_each_token(logits, ids) * counts).sum(1)


@right("11.3")
def row_by_row_cross_entropy(logits, ids, prompt_lengths, end):
    sums = []
    for row, own, n in zip(logits, ids, prompt_lengths.tolist()):
        stop = n
        while stop < len(own):
            stop += 1
            if own[stop - 1] == end:
                break
        sums.append(-F.cross_entropy(row[n - 1 : stop - 1], own[n:stop], reduction="sum"))
    return torch.stack(sums)


@right("11.3")
def up_to_the_closing_place(logits, ids, prompt_lengths, end):
    T = ids.shape[1]
    place = torch.arange(T).expand_as(ids)
    begin = prompt_lengths[:, None]
    closing = torch.where((ids == end) & (place >= begin), place, T).amin(1, keepdim=True)
    answer = (place >= begin) & (place <= closing)
    cost = F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
    return -torch.where(answer[:, 1:], cost, 0.0).sum(1)


# 11.4


def _thumbs(log_ratios, liked, z, beta, weight_liked, weight_not):
    lead = torch.where(liked, beta * (log_ratios - z), beta * (z - log_ratios))
    weight = torch.where(liked, weight_liked, weight_not).to(log_ratios.dtype)
    losses = weight * torch.sigmoid(-lead)
    pushes = weight * beta * torch.sigmoid(lead) * torch.sigmoid(-lead) / len(lead)
    return losses, torch.where(liked, pushes, -pushes)


def _halves(liked):
    B = len(liked)
    return B / 2 / max(int(liked.sum()), 1), B / 2 / max(int((~liked).sum()), 1)


@wrong("11.4", "takes the mean of the batch's own log-ratios for z, not that of the strangers")
def z_from_the_batch(log_ratios, liked, strangers, beta):
    z = log_ratios.mean().clamp_min(0)
    return _thumbs(log_ratios, liked, z, beta, *_halves(liked))


@wrong("11.4", "lets z be negative")
def z_below_zero(log_ratios, liked, strangers, beta):
    return _thumbs(log_ratios, liked, strangers.mean(), beta, *_halves(liked))


@wrong("11.4", "sets each negative stranger to 0 before the mean, not the mean")
def clamps_each_stranger(log_ratios, liked, strangers, beta):
    z = F.relu(strangers).mean()
    return _thumbs(log_ratios, liked, z, beta, *_halves(liked))


@wrong("11.4", "has no weights, so the kind with more answers counts for more")
def no_weights(log_ratios, liked, strangers, beta):
    z = strangers.mean().clamp_min(0)
    return _thumbs(log_ratios, liked, z, beta, 1.0, 1.0)


@wrong("11.4", "takes -log sigmoid(lead) for the loss, as DPO does")
def minus_log_sigmoid(log_ratios, liked, strangers, beta):
    z = max(float(strangers.mean()), 0.0)
    x = log_ratios.detach().clone().requires_grad_()
    up, down = _halves(liked)
    lead = torch.where(liked, beta * (x - z), beta * (z - x))
    losses = -torch.where(liked, up, down) * F.logsigmoid(lead)
    pushes = -torch.autograd.grad(losses.mean(), x)[0]
    return losses.detach(), pushes


@wrong("11.4", "takes the slope of the sum of the losses, so the pushes are B times too strong")
def slope_of_the_sum(log_ratios, liked, strangers, beta):
    z = strangers.mean().clamp_min(0)
    losses, pushes = _thumbs(log_ratios, liked, z, beta, *_halves(liked))
    return losses, pushes * len(log_ratios)


@wrong("11.4", "pushes up what was not liked, too")
def all_pushed_up(log_ratios, liked, strangers, beta):
    z = strangers.mean().clamp_min(0)
    losses, pushes = _thumbs(log_ratios, liked, z, beta, *_halves(liked))
    return losses, pushes.abs()


@wrong("11.4", "divides by the number of either kind, and raises where there is one kind only")
def one_kind_only_fails(log_ratios, liked, strangers, beta):
    z = strangers.mean().clamp_min(0)
    B, ups = len(liked), sum(liked.tolist())
    return _thumbs(log_ratios, liked, z, beta, B / 2 / ups, B / 2 / (B - ups))


@right("11.4")
def signs_and_hyperbolic_tangent(log_ratios, liked, strangers, beta):
    B = log_ratios.numel()
    z = torch.relu(strangers.mean())
    sign = liked.to(log_ratios.dtype) * 2 - 1
    fellows = (liked[:, None] == liked[None, :]).sum(1)
    weight = B / 2 / fellows
    t = torch.tanh(sign * beta * (log_ratios - z) / 2)
    return weight * (1 - t) / 2, sign * weight * beta * (1 - t * t) / 4 / B


@right("11.4")
def one_by_one(log_ratios, liked, strangers, beta):
    z = max(0.0, strangers.double().mean().item())
    thumbs = liked.tolist()
    losses, pushes = [], []
    for x, thumb in zip(log_ratios.tolist(), thumbs):
        direction = 1 if thumb else -1
        lead = direction * beta * (x - z)
        small = math.exp(-abs(lead))
        miss = small / (1 + small) if lead > 0 else 1 / (1 + small)
        weight = len(thumbs) / 2 / thumbs.count(thumb)
        losses.append(weight * miss)
        pushes.append(direction * beta * weight * miss * (1 - miss) / len(thumbs))
    return torch.tensor(losses, dtype=log_ratios.dtype), torch.tensor(pushes, dtype=log_ratios.dtype)
