"""Answers to exercise 11 as learners write them."""

import math
from collections import defaultdict

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 11.1 Three estimators of the KL


def three(x):
    return torch.stack([x, x**2 / 2, torch.exp(-x) - 1 + x])


def kl(log_p, log_q):
    return (log_p.exp() * (log_p - log_q)).sum()


def weighed_loss(policy, which, log_q, estimates):
    """What sampled answers give on average: their probabilities are numbers."""
    log_p = policy.log_softmax(0)
    return (log_p.exp().detach() * estimates(log_p - log_q)[which]).sum()


def left_by(logits, log_q, rate, updates, loss=weighed_loss, end=kl, estimates=three):
    left = []
    for which in range(3):
        policy = logits.clone().requires_grad_()
        for _ in range(updates):
            policy = (policy - rate * torch.autograd.grad(loss(policy, which, log_q, estimates), policy)[0]).detach()
            policy.requires_grad_()
        left.append(end(policy.detach().log_softmax(0), log_q))
    return torch.stack(left)


def spread(p, k):
    return ((k - (k * p).sum(1, keepdim=True)) ** 2 * p).sum(1).sqrt()


def estimators(
    values=three,
    mean=lambda p, q, k: (k * p).sum(1),
    deviation=spread,
    made=lambda *parts: parts,
    **training,
):
    """The answer with something done differently."""

    def answer(logits, ref_logits, rate, updates):
        log_p, log_q = logits.log_softmax(0), ref_logits.log_softmax(0)
        k, p = values(log_p - log_q), log_p.exp()
        left = left_by(logits, log_q, rate, updates, **training)
        return made(mean(p, log_q.exp(), k), deviation(p, k), left)

    return answer


def with_values(k1=lambda x: x, k2=lambda x: x * x / 2, k3=lambda x: torch.expm1(-x) + x):
    return estimators(values=lambda x: torch.stack([k1(x), k2(x), k3(x)]))


wrong("11.1", "k2 has no factor ½")(with_values(k2=torch.square))
wrong("11.1", "k3 is upside down")(with_values(k3=lambda x: torch.expm1(x) - x))
wrong("11.1", "k3 lacks the -1")(with_values(k3=lambda x: torch.exp(-x) + x))
wrong("11.1", "the ratio is p_ref / p")(with_values(k3=lambda x: torch.exp(x) - 1 + x))
wrong("11.1", "k3 is exp(-x) - 1 - x")(with_values(k3=lambda x: torch.exp(-x) - 1 - x))
wrong("11.1", "k1 has the wrong sign")(with_values(k1=lambda x: -x))
wrong("11.1", "k1 has lost its sign")(with_values(k1=torch.abs))
wrong("11.1", "k2 and k3 are exchanged")(estimators(values=lambda x: three(x)[[0, 2, 1]]))
wrong("11.1", "x has the wrong sign, in all three")(estimators(values=lambda x: three(-x)))
wrong("11.1", "samples from the reference")(estimators(mean=lambda p, q, k: k @ q))
wrong("11.1", "Every answer counts the same, whatever")(estimators(mean=lambda p, q, k: k.mean(dim=1)))
wrong("11.1", "their mean is taken again")(estimators(mean=lambda p, q, k: (k * p).mean(dim=1)))
wrong("11.1", "these are variances")(estimators(deviation=lambda p, k: spread(p, k) ** 2))
wrong("11.1", "The mean isn't subtracted")(estimators(deviation=lambda p, k: (k**2 * p).sum(1).sqrt()))
wrong("11.1", "the same in the deviation, whatever")(estimators(deviation=lambda p, k: k.std(dim=1)))
wrong("11.1", "(without n - 1)")(estimators(deviation=lambda p, k: k.std(dim=1, unbiased=False)))
wrong("11.1", "mean distance from the mean")(
    estimators(deviation=lambda p, k: ((k - (k * p).sum(1, keepdim=True)).abs() * p).sum(1))
)
wrong("11.1", "`left` is KL(reference, policy)")(estimators(end=lambda log_p, log_q: kl(log_q, log_p)))
wrong("11.1", "`left` is in bits")(estimators(end=lambda log_p, log_q: kl(log_p, log_q) / math.log(2)))
wrong("11.1", "The deviations come first")(estimators(made=lambda means, deviations, left: (deviations, means, left)))
wrong("11.1", "Three results are asked for")(estimators(made=lambda means, deviations, left: left))
wrong("11.1", "Each of the three results has three numbers")(
    estimators(made=lambda means, deviations, left: (means, deviations, left[-1]))
)


@wrong("11.1", "`left` is the estimator's own mean")
def measured_by_itself(logits, ref_logits, rate, updates):
    means, deviations, _ = by_formula(logits, ref_logits, rate, updates)
    log_q, left = ref_logits.log_softmax(0), []
    for which in range(3):
        policy = logits
        for _ in range(updates):
            policy = policy - rate * slope(policy.log_softmax(0), log_q)[which]
        log_p = policy.log_softmax(0)
        left.append(three(log_p - log_q)[which] @ log_p.exp())
    return means, deviations, torch.stack(left)


@wrong("11.1", "so k1 trains as well")
def through_the_probabilities(*call):
    def loss(policy, which, log_q, estimates):
        log_p = policy.log_softmax(0)
        return (log_p.exp() * estimates(log_p - log_q)[which]).sum()

    return estimators(loss=loss)(*call)


@wrong("11.1", "treated as a reward")
def reinforced(*call):
    def loss(policy, which, log_q, estimates):
        log_p = policy.log_softmax(0)
        return ((log_p.exp() * estimates(log_p - log_q)[which]).detach() * log_p).sum()

    return estimators(loss=loss)(*call)


@wrong("11.1", "weighed by the policy of the start")
def old_samples(logits, ref_logits, rate, updates):
    p = logits.softmax(0)

    def loss(policy, which, log_q, estimates):
        return p @ estimates(policy.log_softmax(0) - log_q)[which]

    return estimators(loss=loss)(logits, ref_logits, rate, updates)


@wrong("11.1", "goes on from where the one before has ended")
def one_policy_for_all(logits, ref_logits, rate, updates):
    means, deviations, _ = by_formula(logits, ref_logits, rate, 0)
    log_q, policy, left = ref_logits.log_softmax(0), logits.clone(), []
    for which in range(3):
        for _ in range(updates):
            policy = policy - rate * slope(policy.log_softmax(0), log_q)[which]
        left.append(kl(policy.log_softmax(0), log_q))
    return means, deviations, torch.stack(left)


def with_steps(rate=lambda rate, K: rate, updates=lambda n: n):
    return lambda logits, ref_logits, eta, n: by_formula(logits, ref_logits, rate(eta, len(logits)), updates(n))


wrong("11.1", "The updates go uphill")(with_steps(rate=lambda rate, K: -rate))
wrong("11.1", "The steps are twice as long")(with_steps(rate=lambda rate, K: 2 * rate))
wrong("11.1", "The steps are half as long")(with_steps(rate=lambda rate, K: rate / 2))
wrong("11.1", "divided by their number")(with_steps(rate=lambda rate, K: rate / K))
wrong("11.1", "one update too few")(with_steps(updates=lambda n: max(n - 1, 0)))
wrong("11.1", "No update has an effect")(with_steps(updates=lambda n: 0))


@wrong("11.1", "one update too many")
def measured_after_one_more(logits, ref_logits, rate, updates):
    means, deviations, left = by_formula(logits, ref_logits, rate, updates)
    return (
        (means, deviations, by_formula(logits, ref_logits, rate, updates + 1)[2])
        if updates
        else (
            means,
            deviations,
            left,
        )
    )


def slope(log_p, log_q):
    """By the logits, for each estimator (3, K): p (c - mean of c), with c the derivative by log p."""
    x, p = log_p - log_q, log_p.exp()
    c = torch.stack([torch.ones_like(x), x, 1 - torch.exp(-x)])
    return p * (c - (c @ p)[:, None])


@right("11.1")
def by_formula(logits, ref_logits, rate, updates):
    log_p, log_q = logits.log_softmax(0), ref_logits.log_softmax(0)
    p, k = log_p.exp(), three(log_p - log_q)
    policies = logits.expand(3, -1)
    for _ in range(updates):
        policies = policies - rate * torch.stack(
            [slope(row.log_softmax(0), log_q)[i] for i, row in enumerate(policies)]
        )
    ends = policies.log_softmax(1)
    return k @ p, (k**2 @ p - (k @ p) ** 2).clamp_min(0).sqrt(), (ends.exp() * (ends - log_q)).sum(1)


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


@right("11.1")
def answer_by_answer(logits, ref_logits, rate, updates):
    """Plain Python, with the gradient of log softmax written out."""

    def log_softmax(z):
        top = max(z)
        total = top + math.log(sum(math.exp(one - top) for one in z))
        return [one - total for one in z]

    log_q = log_softmax(ref_logits.tolist())
    functions = (lambda x: x, lambda x: x * x / 2, lambda x: math.exp(-x) - 1 + x)
    slopes = (lambda x: 1.0, lambda x: x, lambda x: 1 - math.exp(-x))
    means, deviations, left = [], [], []
    for k, dk in zip(functions, slopes, strict=True):
        log_p = log_softmax(logits.tolist())
        values = [(math.exp(a), k(a - b)) for a, b in zip(log_p, log_q, strict=True)]
        means.append(sum(p * value for p, value in values))
        deviations.append(math.sqrt(sum(p * (value - means[-1]) ** 2 for p, value in values)))
        z = logits.tolist()
        for _ in range(updates):
            log_p = log_softmax(z)
            pulls = [math.exp(a) * dk(a - b) for a, b in zip(log_p, log_q, strict=True)]
            z = [one - rate * (pull - math.exp(a) * sum(pulls)) for one, pull, a in zip(z, pulls, log_p, strict=True)]
        log_p = log_softmax(z)
        left.append(sum(math.exp(a) * (a - b) for a, b in zip(log_p, log_q, strict=True)))
    return means, deviations, left


# 11.2 Each against the others


def by_question(scores, questions, lead):
    """`lead` of an answer's score and of the scores of its whole group."""
    groups = {}
    for score, question in zip(scores.tolist(), questions.tolist(), strict=True):
        groups.setdefault(question, []).append(score)
    return [lead(s, groups[q]) for s, q in zip(scores.tolist(), questions.tolist(), strict=True)]


@wrong("11.2", "own score is in its baseline")
def mean_of_the_group(scores, questions):
    return by_question(scores, questions, lambda score, group: score - np.mean(group))


@wrong("11.2", "the advantages of GRPO")
def over_the_spread(scores, questions):
    return by_question(
        scores, questions, lambda score, group: (score - np.mean(group)) / (np.std(group, ddof=1) + 1e-8)
    )


@wrong("11.2", "question by question")
def one_question_after_the_other(scores, questions):
    groups = [scores[questions == question] for question in questions.unique()]
    return torch.cat([(group - (group.sum() - group) / max(len(group) - 1, 1)) * (len(group) > 1) for group in groups])


@wrong("11.2", "other questions, too")
def all_others(scores, questions):
    n = len(scores)
    return [scores[b] - torch.cat((scores[:b], scores[b + 1 :])).mean() for b in range(n)]


@wrong("11.2", "added up, not averaged")
def sum_of_the_rest(scores, questions):
    return by_question(scores, questions, lambda score, group: score - (sum(group) - score))


@wrong("11.2", "Neighbours are taken for a group")
def unflattened(scores, questions):
    n_groups = len(set(questions.tolist()))
    if len(scores) % n_groups:
        return fallback(scores, questions)
    groups = scores.view(n_groups, -1)
    n = groups.shape[1]
    return ((groups - groups.mean(1, keepdim=True)) * n / (n - 1)).flatten()


def fallback(scores, questions):
    return by_question(scores, questions, lambda s, g: s - (sum(g) - s) / (len(g) - 1) if len(g) > 1 else 0.0)


@wrong("11.2", "wherever the question changes")
def counted_in_runs(scores, questions):
    runs = torch.cat((torch.zeros(1).bool(), questions[1:] != questions[:-1])).cumsum(0)
    return fallback(scores, runs)


@wrong("11.2", "divided by nothing")
def nobody_else(scores, questions):
    same = (questions[:, None] == questions).double()
    n = same.sum(1)
    return scores - (same @ scores.double() - scores) / (n - 1)


@wrong("11.2", "keeps its whole score")
def baseline_of_zero(scores, questions):
    mine = questions.unsqueeze(1).eq(questions) ^ torch.eye(len(scores)).bool()
    return scores - (mine * scores).sum(1) / mine.sum(1).clamp(min=1)


@wrong("11.2", "compared with the whole batch")
def borrowed_baseline(scores, questions):
    mean = scores.mean().item()
    return by_question(scores, questions, lambda s, g: s - (sum(g) - s) / (len(g) - 1) if len(g) > 1 else s - mean)


def compared(scores, questions, baseline):
    """Each score less a baseline of the places of the others to its question."""
    leads = []
    for i, question in enumerate(questions.tolist()):
        others = [j for j, other in enumerate(questions.tolist()) if other == question and j != i]
        leads.append(scores[i].item() - baseline(i, others) if others else 0.0)
    return leads


def mean_score(scores, places):
    return sum(scores[j].item() for j in places) / max(len(places), 1)


@wrong("11.2", "one too many")
def divided_by_the_group(scores, questions):
    return compared(scores, questions, lambda i, others: scores[others].sum().item() / (len(others) + 1))


@wrong("11.2", "with the best of the others")
def the_best_of_the_others(scores, questions):
    return compared(scores, questions, lambda i, others: scores[others].max().item())


def only(scores, questions, chosen):
    leads = []
    for i, question in enumerate(questions.tolist()):
        others = [j for j, other in enumerate(questions.tolist()) if other == question and chosen(i, j)]
        leads.append(scores[i].item() - mean_score(scores, others) if others else 0.0)
    return leads


@wrong("11.2", "that stand before it")
def those_seen_so_far(scores, questions):
    return only(scores, questions, lambda i, j: j < i)


@wrong("11.2", "that stand behind it")
def those_still_to_come(scores, questions):
    return only(scores, questions, lambda i, j: j > i)


@wrong("11.2", "has the wrong sign")
def how_far_behind(scores, questions):
    return [-lead for lead in pair_by_pair(scores, questions)]


@wrong("11.2", "the baseline alone")
def mean_of_the_others(scores, questions):
    return compared(scores, questions, lambda i, others: scores[i].item() - mean_score(scores, others))


@wrong("11.2", "told by their score")
def all_but_equal_ones(scores, questions):
    return only(scores, questions, lambda i, j: scores[i] != scores[j])


@wrong("11.2", "A mean of 0 is taken")
def zero_means_nobody(scores, questions):
    means = compared(scores, questions, lambda i, others: scores[i].item() - mean_score(scores, others))
    return [score - mean if mean else 0.0 for score, mean in zip(scores.tolist(), means, strict=True)]


@wrong("11.2", "A score of 0 is taken")
def nonzero_scores(scores, questions):
    return compared(scores, questions, lambda i, others: mean_score(scores, [j for j in others if scores[j] != 0]))


@wrong("11.2", "Large numbers of questions")
def table_of_floats(scores, questions):
    return pair_by_pair(scores, questions.to(torch.float32))


@wrong("11.2", "add up to")
def median_of_the_others(scores, questions):
    return compared(scores, questions, lambda i, others: scores[others].median().item())


@wrong("11.2", "the advantages of GRPO")
def lead_over_the_spread(scores, questions):
    leads = torch.tensor(pair_by_pair(scores, questions))
    return leads / (torch.stack([scores[questions == q].std() for q in questions]) + 1e-8)


@right("11.2")
def longer_than_grpo(scores, questions):
    """The group's mean has each answer in it for one part in n, so its leads are too short by (n - 1) / n."""
    _, place, n = questions.unique(return_inverse=True, return_counts=True)
    means = torch.zeros(len(n)).index_add(0, place, scores) / n
    n = n[place]
    return (scores - means[place]) * torch.where(n > 1, n / (n - 1), torch.zeros(1))


@right("11.2")
def pair_by_pair(scores, questions):
    leads = []
    answers = list(zip(scores.tolist(), questions.tolist(), strict=True))
    for b, (score, question) in enumerate(answers):
        rest = [s for a, (s, q) in enumerate(answers) if a != b and q == question]
        leads.append(sum(score - s for s in rest) / max(len(rest), 1))
    return leads


# 11.3 All answers together: 231 %


def shifted(logits, ids):
    return F.log_softmax(logits[:, :-1], dim=2).gather(2, ids[:, 1:].unsqueeze(2))[..., 0]


def spans(ids, prompt_lengths, end):
    """Where each answer begins, and the place behind its last token."""
    for row, start in zip(ids.tolist(), prompt_lengths.tolist(), strict=True):
        answer = row[start:]
        yield start, start + (answer.index(end) + 1 if end in answer else len(answer))


@wrong("11.3", "closes the answer does not count")
def end_is_padding(logits, ids, prompt_lengths, end):
    targets = ids.masked_fill(ids == end, -100)[:, 1:]
    losses = F.cross_entropy(logits[:, :-1].mT, targets, ignore_index=-100, reduction="none")
    return -(losses * (torch.arange(1, ids.shape[1]) >= prompt_lengths[:, None])).sum(1)


@wrong("11.3", "The padding counts")
def everything_behind_the_prompt(logits, ids, prompt_lengths, end):
    table = shifted(logits, ids)
    return torch.stack([table[b, start - 1 :].sum() for b, start in enumerate(prompt_lengths.tolist())])


@wrong("11.3", "The prompt counts")
def from_the_beginning(logits, ids, prompt_lengths, end):
    table = shifted(logits, ids)
    return [table[b, : stop - 1].sum() for b, (_, stop) in enumerate(spans(ids, prompt_lengths, end))]


@wrong("11.3", "The first token of the answer does not count")
def one_place_too_late(logits, ids, prompt_lengths, end):
    table = shifted(logits, ids)
    return [table[b, start : stop - 1].sum() for b, (start, stop) in enumerate(spans(ids, prompt_lengths, end))]


@wrong("11.3", "not shifted")
def its_own_token(logits, ids, prompt_lengths, end):
    table = logits.log_softmax(-1).gather(-1, ids[..., None]).squeeze(-1)
    return [table[b, start:stop].sum() for b, (start, stop) in enumerate(spans(ids, prompt_lengths, end))]


@wrong("11.3", "It is the mean")
def nats_a_token(logits, ids, prompt_lengths, end):
    table = shifted(logits, ids)
    return [table[b, start - 1 : stop - 1].mean() for b, (start, stop) in enumerate(spans(ids, prompt_lengths, end))]


@wrong("11.3", "Logits are added up")
def no_softmax(logits, ids, prompt_lengths, end):
    table = logits[:, :-1].gather(-1, ids[:, 1:, None]).squeeze(-1)
    return [table[b, start - 1 : stop - 1].sum() for b, (start, stop) in enumerate(spans(ids, prompt_lengths, end))]


@wrong("11.3", "taken for the end of the answer")
def index_in_the_row(logits, ids, prompt_lengths, end):
    found = []
    for table, row, start in zip(shifted(logits, ids), ids.tolist(), prompt_lengths.tolist(), strict=True):
        stop = row.index(end) + 1 if end in row else len(row)
        found.append(table[start - 1 : max(stop - 1, 0)].sum() if stop > start else 0.0)
    return found


@wrong("11.3", "counts as nothing")
def argmax_of_no_end(logits, ids, prompt_lengths, end):
    place = torch.arange(ids.shape[1])
    ends = (ids == end) & (place >= prompt_lengths[:, None])
    first = ends.int().argmax(1)  # 0 where there is none
    counts = (place >= prompt_lengths[:, None]) & (place <= first[:, None])
    return (shifted(logits, ids) * counts[:, 1:]).sum(1)


@wrong("11.3", "not one number for each answer")
def one_number(logits, ids, prompt_lengths, end):
    return row_by_row(logits, ids, prompt_lengths, end).sum()


@wrong("11.3", "over the places")
def softmax_along_the_row(logits, ids, prompt_lengths, end):
    table = logits[:, :-1].log_softmax(1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    return [table[b, start - 1 : stop - 1].sum() for b, (start, stop) in enumerate(spans(ids, prompt_lengths, end))]


@wrong("11.3", "The length of the first prompt")
def as_long_as_the_first(logits, ids, prompt_lengths, end):
    return row_by_row(logits, ids, prompt_lengths[0].repeat(len(ids)), end)


@wrong("11.3", "The last token of the prompt counts")
def one_place_too_early(logits, ids, prompt_lengths, end):
    table = F.pad(shifted(logits, ids), (1, 0))
    return [table[b, start - 1 : stop].sum() for b, (start, stop) in enumerate(spans(ids, prompt_lengths, end))]


@wrong("11.3", "The first token of padding counts")
def stops_one_too_late(logits, ids, prompt_lengths, end):
    table = shifted(logits, ids)
    return [table[b, start - 1 : stop].sum() for b, (start, stop) in enumerate(spans(ids, prompt_lengths, end))]


@wrong("11.3", "the logarithm is missing")
def product_of_chances(logits, ids, prompt_lengths, end):
    return row_by_row(logits, ids, prompt_lengths, end).exp()


@wrong("11.3", "A chance is rounded to 0")
def log_of_softmax(logits, ids, prompt_lengths, end):
    table = logits[:, :-1].softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1).log()
    return [table[b, start - 1 : stop - 1].sum() for b, (start, stop) in enumerate(spans(ids, prompt_lengths, end))]


@right("11.3")
def row_by_row(logits, ids, prompt_lengths, end):
    found = []
    for b, (start, stop) in enumerate(spans(ids, prompt_lengths, end)):
        found.append(-F.cross_entropy(logits[b, start - 1 : stop - 1], ids[b, start:stop], reduction="sum"))
    return torch.stack(found)


@right("11.3")
def by_leads_of_the_others(logits, ids, prompt_lengths, end):
    logits = logits.numpy().astype(np.float64)
    totals = []
    for b, start in enumerate(prompt_lengths.tolist()):
        total, t, running = 0.0, start, True
        while running and t < ids.shape[1]:
            row = logits[b, t - 1] - logits[b, t - 1, ids[b, t]]  # how far the others are ahead of it
            total -= np.logaddexp.reduce(row)
            running = int(ids[b, t]) != end
            t += 1
        totals.append(float(total))
    return totals


@wrong("11.3", "where the prompt ends with an end token")
def nothing_after_an_end(logits, ids, prompt_lengths, end):
    log_probs = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    is_answer = torch.arange(1, ids.shape[1]) >= prompt_lengths[:, None]
    return (log_probs * (is_answer & (ids[:, :-1] != end))).sum(1)


# 11.4 Thumbs instead of pairs


def halves(liked):
    up, B = int(liked.sum()), len(liked)
    return torch.tensor([B / (2 * up) if yes else B / (2 * (B - up)) for yes in liked.tolist()])


def both(points, liked, weights, beta, size):
    """Losses and pushes for points that are ahead of z."""
    s = torch.sigmoid(torch.where(liked, points, -points))
    pushes = weights * beta * s * (1 - s) / size
    return weights * (1 - s), torch.where(liked, pushes, -pushes)


def kl_of(strangers):
    return max(strangers.mean().item(), 0.0)


@wrong("11.4", "what was liked is pushed down")
def the_other_thumb(log_ratios, liked, strangers, beta):
    losses, pushes = both(beta * (log_ratios - kl_of(strangers)), ~liked, halves(liked), beta, len(liked))
    return losses, pushes


@wrong("11.4", "pushed up like the others")
def no_turning_round(log_ratios, liked, strangers, beta):
    everybody = torch.ones_like(liked)
    return both(beta * (log_ratios - kl_of(strangers)), everybody, halves(liked), beta, len(liked))


@wrong("11.4", "z is forgotten")
def from_the_reference(log_ratios, liked, strangers, beta):
    return both(beta * log_ratios, liked, halves(liked), beta, len(liked))


@wrong("11.4", "the batch's own answers")
def own_mean(log_ratios, liked, strangers, beta):
    return both(beta * (log_ratios - kl_of(log_ratios)), liked, halves(liked), beta, len(liked))


@wrong("11.4", "z is in nats")
def unequal_units(log_ratios, liked, strangers, beta):
    return both(beta * log_ratios - kl_of(strangers), liked, halves(liked), beta, len(liked))


@wrong("11.4", "DPO's loss")
def minus_log_sigmoid(log_ratios, liked, strangers, beta):
    points = torch.where(liked, 1, -1) * beta * (log_ratios - kl_of(strangers))
    losses = -halves(liked) * F.logsigmoid(points)
    return losses, torch.where(liked, 1, -1) * halves(liked) * beta * torch.sigmoid(-points) / len(liked)


@wrong("11.4", "The pushes are the slopes")
def gradients(log_ratios, liked, strangers, beta):
    x = log_ratios.detach().requires_grad_(True)
    losses, _ = both(beta * (x - kl_of(strangers)), liked, halves(liked), beta, len(liked))
    losses.mean().backward()
    return losses, x.grad


@wrong("11.4", "those of the summed loss")
def of_the_sum(log_ratios, liked, strangers, beta):
    return both(beta * (log_ratios - kl_of(strangers)), liked, halves(liked), beta, 1)


@wrong("11.4", "z is negative")
def unbounded(log_ratios, liked, strangers, beta):
    return both(beta * (log_ratios - strangers.mean()), liked, halves(liked), beta, len(liked))


@wrong("11.4", "and not their mean")
def relu_first(log_ratios, liked, strangers, beta):
    return both(beta * (log_ratios - F.relu(strangers).mean()), liked, halves(liked), beta, len(liked))


@wrong("11.4", "counts the same")
def no_weights(log_ratios, liked, strangers, beta):
    return both(beta * (log_ratios - kl_of(strangers)), liked, torch.ones(len(liked)), beta, len(liked))


@wrong("11.4", "The weights are swapped")
def share_of_its_kind(log_ratios, liked, strangers, beta):
    up = liked.float().mean()
    weights = torch.where(liked, 2 * up, 2 * (1 - up))
    return both(beta * (log_ratios - kl_of(strangers)), liked, weights, beta, len(liked))


@wrong("11.4", "all weights are twice as large")
def without_the_half(log_ratios, liked, strangers, beta):
    up = liked.float().mean()
    weights = torch.where(liked, 1 / up, 1 / (1 - up))
    return both(beta * (log_ratios - kl_of(strangers)), liked, weights, beta, len(liked))


@wrong("11.4", "The pushes are all upwards")
def upwards_only(log_ratios, liked, strangers, beta):
    losses, pushes = both(beta * (log_ratios - kl_of(strangers)), liked, halves(liked), beta, len(liked))
    return losses, pushes.abs()


@wrong("11.4", "no pair of losses and pushes")
def losses_only(log_ratios, liked, strangers, beta):
    return both(beta * (log_ratios - kl_of(strangers)), liked, halves(liked), beta, len(liked))[0]


@wrong("11.4", "raised ZeroDivisionError")
def weights_of_both_kinds(log_ratios, liked, strangers, beta):
    up, B = int(liked.sum()), len(liked)
    weights = torch.where(liked, B / (2 * up), B / (2 * (B - up)))
    return both(beta * (log_ratios - kl_of(strangers)), liked, weights, beta, B)


def with_pushes(change):
    """The right losses, and other pushes."""

    def thumbs(log_ratios, liked, strangers, beta):
        lead = beta * torch.where(liked, log_ratios - kl_of(strangers), kl_of(strangers) - log_ratios)
        s, weights = torch.sigmoid(lead), halves(liked)
        sign = torch.where(liked, 1.0, -1.0)
        return weights * (1 - s), sign * weights * change(s, beta) / len(liked)

    return thumbs


wrong("11.4", "The pushes lack beta")(with_pushes(lambda s, beta: s * (1 - s)))
wrong("11.4", "The pushes have beta twice")(with_pushes(lambda s, beta: beta**2 * s * (1 - s)))
wrong("11.4", "DPO's loss: the factor")(with_pushes(lambda s, beta: beta * (1 - s)))
wrong("11.4", "lack the factor 1 - sigmoid(lead)")(with_pushes(lambda s, beta: beta * s))


@wrong("11.4", "z keeps its sign")
def log_ratio_turned_alone(log_ratios, liked, strangers, beta):
    turned = torch.where(liked, log_ratios, 2 * kl_of(strangers) + log_ratios)
    return both(beta * (turned - kl_of(strangers)), liked, halves(liked), beta, len(liked))


@wrong("11.4", "beta is not used")
def nats_for_points(log_ratios, liked, strangers, beta):
    return both(log_ratios - kl_of(strangers), liked, halves(liked), 1.0, len(liked))


@wrong("11.4", "one kind only are computed")
def thumbs_up_alone(log_ratios, liked, strangers, beta):
    losses, pushes = both(beta * (log_ratios - kl_of(strangers)), liked, halves(liked), beta, len(liked))
    return losses * liked, pushes * liked


@wrong("11.4", "in the wrong order")
def pushes_first(log_ratios, liked, strangers, beta):
    return both(beta * (log_ratios - kl_of(strangers)), liked, halves(liked), beta, len(liked))[::-1]


@wrong("11.4", "z has lost its sign")
def absolute_z(log_ratios, liked, strangers, beta):
    return both(beta * (log_ratios - abs(strangers.mean())), liked, halves(liked), beta, len(liked))


@wrong("11.4", "its weight is 1")
def one_for_a_single_kind(log_ratios, liked, strangers, beta):
    weights = halves(liked) if 0 < liked.sum() < len(liked) else torch.ones(len(liked))
    return both(beta * (log_ratios - kl_of(strangers)), liked, weights, beta, len(liked))


@wrong("11.4", "each kind has that of the other")
def divided_by_the_others(log_ratios, liked, strangers, beta):
    n = torch.where(liked, max(1, int((~liked).sum())), max(1, int(liked.sum())))
    return both(beta * (log_ratios - kl_of(strangers)), liked, len(liked) / 2 / n, beta, len(liked))


@wrong("11.4", "half as large")
def half_of_the_weights_of_shares(log_ratios, liked, strangers, beta):
    up = liked.float().mean()
    return both(beta * (log_ratios - kl_of(strangers)), liked, torch.where(liked, up, 1 - up), beta, len(liked))


@wrong("11.4", "is infinite")
def sums_of_both_kinds(log_ratios, liked, strangers, beta):
    up, down = liked.float(), 1 - liked.float()
    weights = len(liked) / 2 * (up / up.sum() + down / down.sum())
    return both(beta * (log_ratios - kl_of(strangers)), liked, weights, beta, len(liked))


@right("11.4")
def one_by_one(log_ratios, liked, strangers, beta):
    """1 - sigmoid(x) = (1 - tanh(x / 2)) / 2, and its slope by the square of that."""
    z, B = max(0.0, sum(strangers.tolist()) / len(strangers)), len(liked)
    losses, pushes = [], []
    for ratio, yes in zip(log_ratios.tolist(), liked.tolist(), strict=True):
        weight = B / 2 / sum(other == yes for other in liked.tolist())
        sign = 1 if yes else -1
        t = math.tanh(sign * beta * (ratio - z) / 2)
        losses.append(weight * (1 - t) / 2)
        pushes.append(sign * weight * beta * (1 - t * t) / 4 / B)
    return [losses, pushes]


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


@wrong("11.4", "changed `requires_grad` or `grad` of the input")
def backward_on_what_was_given(log_ratios, liked, strangers, beta):
    log_ratios.requires_grad_()
    z = strangers.mean().clamp_min(0)
    lead = beta * torch.where(liked, log_ratios - z, z - log_ratios)
    losses = len(liked) / 2 / torch.where(liked, liked.sum(), (~liked).sum()) * (1 - lead.sigmoid())
    losses.mean().backward()
    return losses.detach(), -log_ratios.grad


# Answers from the text alone


@wrong("11.2", "Large numbers of questions are rounded: as float32 two that differ by one are the same.")
def numbers_as_floats(scores, questions):
    q = questions.float()
    same = (q[:, None] == q).double() - torch.eye(len(q), dtype=torch.float64)
    n = same.sum(1)
    return torch.where(n > 0, scores - same @ scores.double() / n.clamp(min=1), 0.0)


@wrong("11.2", "Others are told by their score: who has the same score is left out, too.")
def others_by_score(scores, questions):
    out = []
    for s, q in zip(scores, questions):
        others = scores[(questions == q) & (scores != s)]
        out.append(s - others.mean() if len(others) else torch.tensor(0.0))
    return torch.stack(out)


@wrong("11.2", "An answer without others keeps its whole score.")
def alone_keeps_its_score(scores, questions):
    same = (questions[:, None] == questions).float().fill_diagonal_(0)
    return scores - same @ scores / same.sum(1).clamp(min=1)


@wrong("11.2", "A new group begins wherever the question changes.")
def groups_in_a_row(scores, questions):
    out = torch.zeros_like(scores)
    _, counts = questions.unique_consecutive(return_counts=True)
    at = 0
    for n in counts.tolist():
        part = scores[at : at + n]
        if n > 1:
            out[at : at + n] = part - (part.sum() - part) / (n - 1)
        at += n
    return out


@wrong("11.2", "An answer is compared only with those to its question that stand before it.")
def earlier_ones(scores, questions):
    seen = defaultdict(list)
    out = []
    for s, q in zip(scores.tolist(), questions.tolist()):
        out.append(s - sum(seen[q]) / len(seen[q]) if seen[q] else 0.0)
        seen[q].append(s)
    return torch.tensor(out)


@wrong("11.2", "The sum of the others is divided by the size of the whole group, one too many.")
def divided_by_all(scores, questions):
    same = (questions[:, None] == questions).float()
    others = same - torch.eye(len(scores))
    return torch.where(others.sum(1) > 0, scores - others @ scores / same.sum(1), 0.0)


@wrong("11.2", "The leads come back question by question, not in the order of the scores.")
def in_sorted_order(scores, questions):
    out = []
    for q in questions.unique():
        group = scores[questions == q]
        n = len(group)
        out.append(group - (group.sum() - group) / max(n - 1, 1) if n > 1 else torch.zeros(1))
    return torch.cat(out)


def _log_p(logits, ids):
    return logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)


@wrong("11.3", "An end token in the prompt is taken for the end of the answer.")
def end_in_the_prompt(logits, ids, prompt_lengths, end):
    ends = (ids == end).long()
    before = ends.cumsum(1) - ends
    place = torch.arange(ids.shape[1])
    counts = (before == 0) & (place >= prompt_lengths[:, None])
    return (_log_p(logits, ids) * counts[:, 1:]).sum(1)


@wrong("11.3", "An answer without an end token counts as nothing.")
def argmax_without_an_end(logits, ids, prompt_lengths, end):
    place = torch.arange(ids.shape[1])
    ends = (ids == end) & (place >= prompt_lengths[:, None])
    first = ends.int().argmax(1)
    counts = (place >= prompt_lengths[:, None]) & (place <= first[:, None])
    return (_log_p(logits, ids) * counts[:, 1:]).sum(1)


@wrong("11.3", "The padding counts: every end token behind the first one.")
def padding_counts(logits, ids, prompt_lengths, end):
    place = torch.arange(1, ids.shape[1])
    return (_log_p(logits, ids) * (place >= prompt_lengths[:, None])).sum(1)


@wrong("11.3", "The first token of the answer does not count.")
def first_token_left_out(logits, ids, prompt_lengths, end):
    place = torch.arange(ids.shape[1])
    ends = ((ids == end) & (place >= prompt_lengths[:, None])).long()
    counts = (ends.cumsum(1) - ends == 0) & (place > prompt_lengths[:, None])
    return (_log_p(logits, ids) * counts[:, 1:]).sum(1)


@wrong("11.3", "The logits are not shifted: each is asked for the token that it has already read.")
def not_shifted(logits, ids, prompt_lengths, end):
    log_p = logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    place = torch.arange(ids.shape[1])
    ends = ((ids == end) & (place >= prompt_lengths[:, None])).long()
    counts = (ends.cumsum(1) - ends == 0) & (place >= prompt_lengths[:, None])
    return (log_p * counts).sum(1)


@wrong("11.3", "It is the mean over the tokens, not the sum.")
def per_token(logits, ids, prompt_lengths, end):
    place = torch.arange(ids.shape[1])
    ends = ((ids == end) & (place >= prompt_lengths[:, None])).long()
    counts = ((ends.cumsum(1) - ends == 0) & (place >= prompt_lengths[:, None]))[:, 1:]
    return (_log_p(logits, ids) * counts).sum(1) / counts.sum(1)


@wrong("11.3", "A chance is rounded to 0, and its logarithm is minus infinity.")
def product_of_probabilities(logits, ids, prompt_lengths, end):
    out = []
    for row, text, n in zip(logits, ids, prompt_lengths.tolist()):
        p = torch.tensor(1.0)
        for t in range(n, len(text)):
            p = p * row[t - 1].softmax(-1)[text[t]]
            if text[t] == end:
                break
        out.append(p.log())
    return torch.stack(out)


def _kto(log_ratios, liked, z, beta):
    sign = torch.where(liked, 1.0, -1.0)
    s = torch.sigmoid(beta * sign * (log_ratios - z))
    return sign, s


def _weights(liked):
    B, n = len(liked), liked.sum()
    return torch.where(liked, B / 2 / n.clamp(min=1), B / 2 / (B - n).clamp(min=1))


@wrong("11.4", "Each stranger is kept above 0, and not their mean.")
def each_stranger_clamped(log_ratios, liked, strangers, beta):
    sign, s = _kto(log_ratios, liked, strangers.clamp(min=0).mean(), beta)
    w = _weights(liked)
    return w * (1 - s), sign * w * beta * s * (1 - s) / len(liked)


@wrong("11.4", "z is negative; it stands for a KL, which never is.")
def z_may_be_negative(log_ratios, liked, strangers, beta):
    sign, s = _kto(log_ratios, liked, strangers.mean(), beta)
    w = _weights(liked)
    return w * (1 - s), sign * w * beta * s * (1 - s) / len(liked)


@wrong("11.4", "The weights are swapped: each kind has that of the other.")
def weights_swapped(log_ratios, liked, strangers, beta):
    sign, s = _kto(log_ratios, liked, strangers.mean().clamp(min=0), beta)
    w = _weights(~liked)
    w = torch.where(liked, len(liked) / 2 / (~liked).sum().clamp(min=1), len(liked) / 2 / liked.sum().clamp(min=1))
    return w * (1 - s), sign * w * beta * s * (1 - s) / len(liked)


@wrong("11.4", "The pushes are those of the summed loss.")
def pushes_of_the_sum(log_ratios, liked, strangers, beta):
    sign, s = _kto(log_ratios, liked, strangers.mean().clamp(min=0), beta)
    w = _weights(liked)
    return w * (1 - s), sign * w * beta * s * (1 - s)


@wrong("11.4", "It is minus the logarithm of the sigmoid, DPO's loss.")
def log_loss(log_ratios, liked, strangers, beta):
    sign = torch.where(liked, 1.0, -1.0)
    lead = beta * sign * (log_ratios - strangers.mean().clamp(min=0))
    w = _weights(liked)
    return -w * F.logsigmoid(lead), sign * w * beta * torch.sigmoid(-lead) / len(liked)


@wrong("11.4", "The losses are NaN where there is one kind only: the weight of the other kind is infinite.")
def divided_by_none(log_ratios, liked, strangers, beta):
    B, up = len(liked), liked.float()
    sign, s = _kto(log_ratios, liked, strangers.mean().clamp(min=0), beta)
    w = up * (B / 2 / up.sum()) + (1 - up) * (B / 2 / (1 - up).sum())
    return w * (1 - s), sign * w * beta * s * (1 - s) / B


@wrong("11.4", "z is in nats, and is taken off points.")
def z_without_beta(log_ratios, liked, strangers, beta):
    sign = torch.where(liked, 1.0, -1.0)
    s = torch.sigmoid(sign * (beta * log_ratios - strangers.mean().clamp(min=0)))
    w = _weights(liked)
    return w * (1 - s), sign * w * beta * s * (1 - s) / len(liked)


@right("11.2")
def with_dictionaries(scores, questions):
    groups = defaultdict(list)
    for q, s in zip(questions.tolist(), scores.tolist()):
        groups[q].append(s)
    return [
        s - (math.fsum(groups[q]) - s) / (len(groups[q]) - 1) if len(groups[q]) > 1 else 0.0
        for q, s in zip(questions.tolist(), scores.tolist())
    ]


@right("11.2")
def scaled_lead_over_the_mean(scores, questions):
    _, group, n = questions.unique(return_inverse=True, return_counts=True)
    total = torch.zeros(len(n), dtype=torch.float64).index_add_(0, group, scores.double())
    n = n[group]
    return (scores.double() - total[group] / n) * n / (n - 1).clamp(min=1)


@right("11.3")
def one_row_at_a_time_with_numpy(logits, ids, prompt_lengths, end):
    out = []
    for row, text, n in zip(logits.double().numpy(), ids.tolist(), prompt_lengths.tolist()):
        rest = text[n:]
        stop = n + rest.index(end) + 1 if end in rest else len(text)
        out.append(sum(row[t - 1][text[t]] - np.logaddexp.reduce(row[t - 1]) for t in range(n, stop)))
    return np.array(out)


@right("11.4")
def by_autograd_kind_by_kind(log_ratios, liked, strangers, beta):
    x = log_ratios.detach().double().clone().requires_grad_()
    z = max(float(strangers.double().mean()), 0.0)
    lead = beta * torch.where(liked, x - z, z - x)
    B = len(x)
    losses = torch.stack([B / 2 / int((liked == up).sum()) * torch.sigmoid(-one) for one, up in zip(lead, liked)])
    return [losses.detach(), -torch.autograd.grad(losses.mean(), x)[0]]
