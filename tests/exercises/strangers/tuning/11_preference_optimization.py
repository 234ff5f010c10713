"""Answers to assignment 11 from its text alone; this half is for tuning the check."""

import math
from collections import defaultdict

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("11.1", "the reference is left out of the margin")
def without_the_reference(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * (chosen - rejected)
    return -((1 - slips) * F.logsigmoid(margin) + slips * F.logsigmoid(-margin)).mean()


@right("11.1")
def cross_entropy_with_soft_labels(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    reward_c = beta * (chosen - reference_chosen)
    reward_r = beta * (rejected - reference_rejected)
    logits = reward_c - reward_r
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, 1 - slips))


@wrong("11.1", "the margin is averaged over as it stands and turned round, before the one logarithm is taken")
def expected_margin(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    expected = (1 - slips) * margin + slips * (-margin)
    return -F.logsigmoid(expected).mean()


@wrong("11.1", "beta multiplies only the policy's part of the margin, not the reference's")
def beta_on_the_policy_only(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * (chosen - rejected) - (reference_chosen - reference_rejected)
    return -((1 - slips) * F.logsigmoid(margin) + slips * F.logsigmoid(-margin)).mean()


@wrong("11.1", "the margin is cut off at 20 points, so a pair that is wrong by 300 costs as much as one wrong by 20")
def clamps_the_margin(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    margin = margin.clamp(-20, 20)  # keep exp in range
    return ((1 - slips) * torch.log1p(torch.exp(-margin)) + slips * torch.log1p(torch.exp(margin))).mean()


@right("11.1")
def softmax_over_the_two(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    policy = torch.stack([chosen, rejected], dim=-1)
    reference = torch.stack([reference_chosen, reference_rejected], dim=-1)
    log_p = torch.log_softmax(beta * (policy - reference), dim=-1)
    weight = torch.tensor([1 - slips, slips], dtype=log_p.dtype)
    return -torch.einsum("bk,k->b", log_p, weight).mean()


@wrong("11.1", "the two weights are exchanged: the pair as it stands gets the share of the slips")
def weights_exchanged(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    return (-slips * F.logsigmoid(margin) - (1 - slips) * F.logsigmoid(-margin)).mean()


@wrong("11.1", "the reference is subtracted in place, so the log-probabilities that were given are changed")
def subtracts_in_place(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    chosen -= reference_chosen
    rejected -= reference_rejected
    margin = beta * (chosen - rejected)
    return (-(1 - slips) * F.logsigmoid(margin) - slips * F.logsigmoid(-margin)).mean()


@wrong(
    "11.1", "as in label smoothing the slips are shared between both sides, so the turned pair gets only half of them"
)
def smooths_to_one_half(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    logits = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    labels = torch.ones_like(logits) * (1 - slips) + slips * 0.5
    return F.binary_cross_entropy_with_logits(logits, labels)


@right("11.1")
def softplus_plus_a_line(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    """The mean loss of the pairs, in nats."""
    m = beta * (chosen - rejected + reference_rejected - reference_chosen)
    # -log sigmoid(-m) is m more than -log sigmoid(m)
    return torch.mean(F.softplus(-m) + slips * m)


@wrong("11.1", "the losses of the pairs are added up and not averaged")
def adds_the_pairs_up(chosen, rejected, reference_chosen, reference_rejected, beta, slips):
    m = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    return ((1 - slips) * F.softplus(-m) + slips * F.softplus(m)).sum()


@wrong("11.2", "others are told by their score, so whoever has the same score is left out with oneself")
def others_by_score(scores, questions):
    lead = torch.zeros_like(scores)
    for i, (s, q) in enumerate(zip(scores, questions)):
        others = scores[(questions == q) & (scores != s)]
        if len(others) > 0:
            lead[i] = s - others.mean()
    return lead


@right("11.2")
def table_without_diagonal(scores, questions):
    others = (questions[:, None] == questions) & ~torch.eye(len(questions), dtype=torch.bool)
    others = others.to(scores.dtype)
    n = others.sum(1)
    return torch.where(n > 0, scores - others @ scores / n.clamp(min=1), 0.0)


@wrong("11.2", "the sum of the others is divided by the size of the whole group, one too many")
def divides_by_one_too_many(scores, questions):
    same = (questions[:, None] == questions).float()
    n = same.sum(1)
    baseline = (same @ scores - scores) / n
    return torch.where(n > 1, scores - baseline, torch.zeros_like(scores))


@wrong("11.2", "numbers of questions become float32, where large ones that differ by one are the same")
def questions_as_floats(scores, questions):
    q = questions.float()
    others = torch.cdist(q[:, None], q[:, None], compute_mode="donot_use_mm_for_euclid_dist") == 0
    others = others.float().fill_diagonal_(0.0)
    n = others.sum(1)
    return torch.where(n > 0, scores - others @ scores / n.clamp_min(1), 0.0)


@wrong("11.2", "an answer is compared only with those to its question that stand before it")
def only_those_before(scores, questions):
    seen = defaultdict(list)
    lead = []
    for s, q in zip(scores.tolist(), questions.tolist()):
        lead.append(s - sum(seen[q]) / len(seen[q]) if seen[q] else 0.0)
        seen[q].append(s)
    return torch.tensor(lead)


@right("11.2")
def dictionary_of_lists(scores, questions):
    groups = defaultdict(list)
    for place, q in enumerate(questions.tolist()):
        groups[q].append(place)
    lead = torch.zeros_like(scores)
    for places in groups.values():
        for i in places:
            rest = [scores[j].item() for j in places if j != i]
            if rest:
                lead[i] = scores[i].item() - math.fsum(rest) / len(rest)
    return lead


@wrong("11.2", "a mean of 0 is taken for having no others, so a lead over others that average 0 is lost")
def zero_mean_means_alone(scores, questions):
    others = (questions[:, None] == questions).float()
    others = others - torch.eye(len(scores))
    mean = others @ scores / others.sum(1).clamp(min=1)
    return torch.where(mean == 0, torch.zeros_like(scores), scores - mean)


@wrong("11.2", "the lead is divided by the spread of the group; here nothing is divided")
def divides_by_the_spread(scores, questions):
    lead = torch.zeros_like(scores)
    for q in questions.unique():
        here = questions == q
        if here.sum() > 1:
            group = scores[here]
            n = len(group)
            lead[here] = (group - group.mean()) / (group.std() + 1e-6) * n / (n - 1)
    return lead


@wrong("11.2", "an answer that stands alone keeps its whole score as its lead instead of getting 0")
def keeps_the_score_when_alone(scores, questions):
    others = (questions[:, None] == questions).float() - torch.eye(len(scores))
    baseline = (others @ scores) / others.sum(1).clamp_min(1)
    return scores - baseline


@right("11.2")
def differences_of_pairs(scores, questions):
    """The lead of each answer over the others: (B,)."""
    out = []
    for i in range(scores.shape[0]):
        same = questions == questions[i]
        # the difference with oneself is 0, so only the divisor has to leave oneself out
        differences = scores[i] - scores[same]
        out.append(differences.sum() / max(int(same.sum()) - 1, 1))
    return torch.stack(out) if out else scores.clone()


@wrong("11.2", "the others' scores are added up, but not divided by how many there are")
def sum_instead_of_mean(scores, questions):
    same = (questions[:, None] == questions).float()
    others = same - torch.eye(len(scores))
    lead = scores - others @ scores
    return torch.where(others.sum(1) == 0, 0.0, lead)


@wrong("11.3", "the first end of the whole row is taken, but the prompt may hold ends, too")
def first_end_of_the_row(logits, ids, prompt_lengths, end):
    log_probs = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    ends = ids == end
    before = ends.cumsum(1) - ends.long()
    place = torch.arange(ids.shape[1])
    counts = (place >= prompt_lengths[:, None]) & (before == 0)
    return (log_probs * counts[:, 1:]).sum(1)


@right("11.3")
def labels_for_cross_entropy(logits, ids, prompt_lengths, end):
    labels = ids[:, 1:].clone()
    for row, n in zip(labels, prompt_lengths.tolist()):
        row[: n - 1] = -100
        closing = (row == end).nonzero().flatten()
        if len(closing):
            row[closing[0] + 1 :] = -100
    losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), labels, ignore_index=-100, reduction="none")
    return -losses.sum(dim=1)


@wrong("11.3", "the length of the first prompt is used for all rows")
def first_prompt_for_all(logits, ids, prompt_lengths, end):
    n = int(prompt_lengths[0])
    answers = ids[:, n:]
    log_probs = logits[:, n - 1 : -1].log_softmax(-1).gather(-1, answers[..., None]).squeeze(-1)
    ends = answers == end
    counts = ends.cumsum(1) - ends.long() == 0
    return (log_probs * counts).sum(1)


@wrong("11.3", "an answer that was cut off has no end, and argmax then finds one at place 0, so it counts nothing")
def argmax_without_an_end(logits, ids, prompt_lengths, end):
    place = torch.arange(ids.shape[1])
    closing = (ids == end) & (place >= prompt_lengths[:, None])
    stop = closing.int().argmax(dim=1)
    counts = (place >= prompt_lengths[:, None]) & (place <= stop[:, None])
    log_probs = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    return (log_probs * counts[:, 1:]).sum(1)


@wrong("11.3", "a chance that softmax rounds to 0 becomes minus infinity, where log_softmax would give the true number")
def log_of_softmax(logits, ids, prompt_lengths, end):
    chances = torch.softmax(logits[:, :-1], dim=-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    answer = torch.arange(ids.shape[1]) >= prompt_lengths[:, None]
    ends = (ids == end) & answer
    counts = (answer & (ends.cumsum(1) - ends.long() == 0))[:, 1:]
    return torch.where(counts, chances.log(), 0.0).sum(1)


@right("11.3")
def numpy_with_first_and_stop(logits, ids, prompt_lengths, end):
    x, tokens, first = logits.double().numpy(), ids.numpy(), prompt_lengths.numpy()
    B, T = tokens.shape
    x = x - x.max(-1, keepdims=True)
    x = x - np.log(np.exp(x).sum(-1, keepdims=True))
    place = np.arange(T)
    closing = (tokens == end) & (place >= first[:, None])
    stop = np.where(closing.any(1), closing.argmax(1), T - 1)
    result = [x[b, np.arange(f - 1, s), tokens[b, f : s + 1]].sum() for b, f, s in zip(range(B), first, stop)]
    return torch.tensor(np.array(result)).to(logits.dtype)


@wrong("11.3", "the padding behind the end counts, too")
def padding_counts(logits, ids, prompt_lengths, end):
    log_probs = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    place = torch.arange(1, ids.shape[1])
    return (log_probs * (place >= prompt_lengths[:, None])).sum(1)


@wrong("11.3", "softmax runs over the places and not over the vocabulary")
def softmax_over_places(logits, ids, prompt_lengths, end):
    log_probs = logits[:, :-1].log_softmax(1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    answer = torch.arange(ids.shape[1]) >= prompt_lengths[:, None]
    ends = (ids == end) & answer
    counts = (answer & (ends.cumsum(1) - ends.long() == 0))[:, 1:]
    return (log_probs * counts).sum(1)


@wrong("11.3", "the first token of the answer is left out, because the shift is taken off twice")
def first_token_left_out(logits, ids, prompt_lengths, end):
    targets = ids[:, 1:]
    log_probs = logits[:, :-1].log_softmax(-1).gather(-1, targets[..., None])[..., 0]
    place = torch.arange(targets.shape[1])
    answer = place >= prompt_lengths[:, None]
    ends = (targets == end) & answer
    counts = answer & (ends.cumsum(1) - ends.long() == 0)
    return (log_probs * counts).sum(1)


@right("11.3")
def walks_along_each_row(logits, ids, prompt_lengths, end):
    total = torch.zeros(ids.shape[0], dtype=logits.dtype)
    for b in range(ids.shape[0]):
        t = int(prompt_lengths[b])
        while t < ids.shape[1]:
            token = int(ids[b, t])
            total[b] += logits[b, t - 1, token] - logits[b, t - 1].logsumexp(0)
            if token == end:
                break
            t += 1
    return total


@wrong(
    "11.3",
    "a token counts unless an end stands in front of it, so after a prompt that closes with end the first is lost",
)
def no_end_just_before(logits, ids, prompt_lengths, end):
    log_probs = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    place = torch.arange(1, ids.shape[1])
    counts = (place >= prompt_lengths[:, None]) & (ids[:, :-1] != end)
    return (log_probs * counts).sum(1)


@wrong("11.4", "the weights of the two kinds are exchanged, so the more frequent kind counts for still more")
def weights_of_the_other_kind(log_ratios, liked, strangers, beta):
    B = len(log_ratios)
    z = strangers.mean().clamp(min=0)
    ups, downs = liked.sum().clamp(min=1), (~liked).sum().clamp(min=1)
    weight = torch.where(liked, B / 2 / downs, B / 2 / ups)
    s = torch.sigmoid(beta * torch.where(liked, log_ratios - z, z - log_ratios))
    push = weight * beta * s * (1 - s) / B
    return weight * (1 - s), torch.where(liked, push, -push)


@right("11.4")
def lets_autograd_do_it(log_ratios, liked, strangers, beta):
    """Losses and pushes: (B,) each."""
    x = log_ratios.detach().clone().requires_grad_()
    z = max(0.0, strangers.mean().item())
    losses = torch.empty_like(log_ratios)
    pieces = []
    for up in (True, False):
        kind = liked if up else ~liked
        if kind.any():
            lead = beta * (x[kind] - z) * (1 if up else -1)
            pieces.append((kind, (len(x) / 2 / kind.sum()) * torch.sigmoid(-lead)))
    mean = sum(part.sum() for _, part in pieces) / len(x)
    (slope,) = torch.autograd.grad(mean, x)
    for kind, part in pieces:
        losses[kind] = part.detach()
    return losses, -slope


@wrong("11.4", "the pushes lack beta, which the chain rule brings in")
def pushes_without_beta(log_ratios, liked, strangers, beta):
    B = len(log_ratios)
    z = torch.clamp(torch.mean(strangers), min=0.0)
    weight = torch.where(liked, B / (2 * liked.sum()), B / (2 * (~liked).sum()))
    lead = torch.where(liked, beta * (log_ratios - z), beta * (z - log_ratios))
    s = torch.sigmoid(lead)
    push = weight * s * (1 - s) / B
    return weight * (1 - s), torch.where(liked, push, -push)


@wrong("11.4", "for what was not liked z keeps its sign, so the lead is -beta (log-ratio + z)")
def sign_of_z_is_lost(log_ratios, liked, strangers, beta):
    B = len(log_ratios)
    z = strangers.mean().clamp(min=0)
    sign = torch.where(liked, 1.0, -1.0)
    weight = B / 2 / torch.where(liked, liked.sum(), (~liked).sum())
    s = torch.sigmoid(beta * (sign * log_ratios - z))
    return weight * (1 - s), sign * weight * beta * s * (1 - s) / B


@wrong("11.4", "where there is one kind only its weight is set to 1, but B / 2 over B is a half")
def a_single_kind_weighs_one(log_ratios, liked, strangers, beta):
    B = len(log_ratios)
    z = strangers.mean().clamp(min=0)
    n_liked = int(liked.sum())
    if n_liked in (0, B):
        weight = torch.ones_like(log_ratios)
    else:
        weight = torch.where(liked, B / 2 / n_liked, B / 2 / (B - n_liked))
    s = torch.sigmoid(beta * torch.where(liked, log_ratios - z, z - log_ratios))
    push = weight * beta * s * (1 - s) / B
    return weight * (1 - s), torch.where(liked, push, -push)


@right("11.4")
def numpy_and_a_table_of_kinds(log_ratios, liked, strangers, beta):
    x = log_ratios.numpy().astype(float)
    up = liked.numpy().astype(int)
    z = np.clip(strangers.numpy().astype(float).mean(), 0, None)
    counts = np.bincount(up, minlength=2)
    weight = len(x) / (2 * np.where(counts == 0, 1, counts))[up]
    sign = 2 * up - 1
    doubt = np.exp(-np.logaddexp(0, sign * beta * (x - z)))  # 1 - sigmoid(lead)
    losses = weight * doubt
    pushes = sign * beta * losses * (1 - doubt) / len(x)
    return tuple(torch.from_numpy(a).to(log_ratios.dtype) for a in (losses, pushes))


@wrong("11.4", "the pushes are the slopes themselves and not minus the slopes, so they point uphill")
def pushes_uphill(log_ratios, liked, strangers, beta):
    x = log_ratios.clone().requires_grad_()
    z = strangers.mean().clamp(min=0).item()
    lead = beta * torch.where(liked, x - z, z - x)
    weight = len(x) / 2 / torch.where(liked, liked.sum(), (~liked).sum())
    losses = weight * (1 - lead.sigmoid())
    losses.mean().backward()
    return losses.detach(), x.grad


@wrong("11.4", "the pushes are the slopes of the sum of the losses, B times those of their mean")
def slope_of_the_sum(log_ratios, liked, strangers, beta):
    x = log_ratios.clone().requires_grad_()
    z = strangers.mean().clamp(min=0).item()
    lead = beta * torch.where(liked, x - z, z - x)
    weight = len(x) / 2 / torch.where(liked, liked.sum(), (~liked).sum())
    losses = weight * (1 - lead.sigmoid())
    losses.sum().backward()
    return losses.detach(), -x.grad


@wrong("11.4", "beta multiplies only the log-ratio, and z is taken in nats instead of points")
def z_outside_of_beta(log_ratios, liked, strangers, beta):
    B = len(log_ratios)
    z = strangers.mean().clamp(min=0)
    sign = liked.float() * 2 - 1
    weight = B / 2 / torch.where(liked, liked.sum(), (~liked).sum())
    s = torch.sigmoid(sign * (beta * log_ratios - z))
    return weight * (1 - s), sign * weight * beta * s * (1 - s) / B


@right("11.4")
def one_answer_at_a_time(log_ratios, liked, strangers, beta):
    B = len(log_ratios)
    n_up = sum(bool(up) for up in liked)
    z = sum(strangers.tolist()) / len(strangers)
    if z < 0:
        z = 0.0
    losses, pushes = [], []
    for ratio, up in zip(log_ratios.tolist(), liked.tolist()):
        weight = B / 2 / (n_up if up else B - n_up)
        lead = beta * (ratio - z) if up else beta * (z - ratio)
        half = 0.5 * math.tanh(lead / 2)  # sigmoid(lead) is 1/2 + half
        losses.append(weight * (0.5 - half))
        force = weight * beta * (0.5 + half) * (0.5 - half) / B
        pushes.append(force if up else -force)
    return torch.tensor(losses, dtype=log_ratios.dtype), torch.tensor(pushes, dtype=log_ratios.dtype)


@wrong("11.4", "where only one kind is there, the other's weight is infinite, and infinity times 0 is NaN")
def infinite_weight_times_zero(log_ratios, liked, strangers, beta):
    B = len(log_ratios)
    z = strangers.mean().clamp(min=0)
    up = liked.float()
    down = 1 - up
    weight = up * (B / 2 / up.sum()) + down * (B / 2 / down.sum())
    sign = up - down
    s = torch.sigmoid(beta * sign * (log_ratios - z))
    return weight * (1 - s), sign * weight * beta * s * (1 - s) / B
