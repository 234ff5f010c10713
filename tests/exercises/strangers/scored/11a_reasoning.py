"""Answers to assignment 11a from its text alone; this set is only scored."""

import math
import re
from collections import Counter
from statistics import mode

import torch
from answers import right, wrong


@wrong("11a.1", "leaves out all that is falsy, so a result of 0 has no vote")
def zero_is_no_vote(results):
    counts = Counter(filter(None, results))
    return counts.most_common(1)[0][0] if counts else None


@wrong("11a.1", "of equals it gives the one that reached the count first, not the one whose first vote came first")
def first_to_reach(results):
    counts, best = {}, None
    for result in results:
        if result is None:
            continue
        counts[result] = counts.get(result, 0) + 1
        if best is None or counts[result] > counts[best]:
            best = result
    return best


@wrong("11a.1", "mode of an empty list raises, so nobody voting is an error and not None")
def statistics_mode(results):
    return mode([result for result in results if result is not None])


@wrong("11a.1", "None has votes too, and wins where most answers have no result")
def none_may_win(results):
    counts = Counter(results)
    return counts.most_common(1)[0][0] if counts else None


@wrong("11a.1", "asks for more than half of the votes, not only for the most of them")
def absolute_majority(results):
    votes = [result for result in results if result is not None]
    for result in votes:
        if 2 * votes.count(result) > len(votes):
            return result
    return None


@right("11a.1")
def max_by_count(results):
    votes = [result for result in results if result is not None]
    return max(votes, key=votes.count, default=None)


@wrong("11a.2", "checks each sum alone, and never whether a step begins with the total of the step before")
def steps_alone(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    for i, (a, sign, b, c) in enumerate(steps):
        if int(a) + (int(b) if sign == "+" else -int(b)) != int(c):
            return i
    if int(re.findall(r"Answer: (\d+)", answer)[-1]) != int(steps[-1][3]):
        return len(steps)
    return None


@wrong("11a.2", "compares only the end of the text with the last total, so 119 passes for 19")
def ends_with_total(answer):
    before, steps = None, re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    for i, (a, sign, b, c) in enumerate(steps):
        a, b, c = int(a), int(b), int(c)
        if (before is not None and a != before) or c != (a + b if sign == "+" else a - b):
            return i
        before = c
    return None if answer.rstrip(". ").endswith(str(before)) else len(steps)


@wrong("11a.2", "looks at the result first, so a wrong result hides the wrong step before it")
def result_first(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    said = int(answer.rpartition("Answer: ")[2].rstrip("."))
    if said != int(steps[-1][3]):
        return len(steps)
    total = int(steps[0][0])
    for i, (a, sign, b, c) in enumerate(steps):
        if int(a) != total or int(a) + int(sign + b) != int(c):
            return i
        total = int(c)
    return None


@wrong("11a.2", "takes a difference without its sign, so 4 - 9 = 5 passes")
def difference_without_sign(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    total = None
    for i, (a, sign, b, c) in enumerate(steps):
        a, b, c = int(a), int(b), int(c)
        if total not in (None, a):
            return i
        if c != (a + b if sign == "+" else abs(a - b)):
            return i
        total = c
    return None if int(re.findall(r"\d+", answer)[-1]) == total else len(steps)


@wrong("11a.2", "'or None' at the end turns a mistake in step 0 into no mistake")
def zero_or_none(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    bad = []
    for i, (a, sign, b, c) in enumerate(steps):
        chained = i == 0 or a == steps[i - 1][3]
        if not chained or int(a) + int(sign + b) != int(c):
            bad.append(i)
    if int(answer.rpartition("Answer: ")[2].rstrip(".")) != int(steps[-1][3]):
        bad.append(len(steps))
    return min(bad, default=0) or None


@right("11a.2")
def by_words(answer):
    text, _, said = answer.rpartition("Answer: ")
    words = [word.strip(".,;:!") for word in text.split()]
    totals, number = [], 0
    for i, word in enumerate(words):
        if word != "=":
            continue
        first, sign, second, total = words[i - 3], words[i - 2], words[i - 1], int(words[i + 1])
        change = int(second) if sign == "+" else -int(second)
        if total - change != int(first) or (totals and totals[-1] != int(first)):
            return number
        totals.append(total)
        number += 1
    return None if int(said.strip(" .\n")) == totals[-1] else number


@wrong("11a.3", "divides by the width of this batch instead of the longest answer allowed")
def width_of_batch(log_probs, rewards, mask, longest):
    advantages = rewards - rewards.mean()
    sums = torch.where(mask, log_probs, 0.0).sum(1)
    return -(advantages * sums / log_probs.shape[1]).mean()


@wrong("11a.3", "still divides the advantages by their standard deviation")
def spread_stays(log_probs, rewards, mask, longest):
    advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
    return -(advantages * (log_probs * mask).sum(dim=1) / longest).mean()


@wrong("11a.3", "the baseline is the mean of the other answers, as in RLOO, not the mean of all")
def others_as_baseline(log_probs, rewards, mask, longest):
    B = len(rewards)
    advantages = rewards - (rewards.sum() - rewards) / max(B - 1, 1)
    return -(advantages * (log_probs * mask).sum(dim=1)).mean() / longest


@wrong("11a.3", "subtracts the mean in place and so changes the rewards that it was given")
def rewards_changed(log_probs, rewards, mask, longest):
    rewards -= rewards.mean()
    return -(rewards * (log_probs * mask).sum(dim=1) / longest).mean()


@wrong("11a.3", "divides by the number of all tokens in the batch (the loss of DAPO), which differs between prompts")
def mean_over_tokens(log_probs, rewards, mask, longest):
    advantages = (rewards - rewards.mean())[:, None].expand_as(log_probs)
    return -(advantages[mask] * log_probs[mask]).sum() / mask.sum()


@right("11a.3")
def dot_product(log_probs, rewards, mask, longest):
    B = len(rewards)
    sums = log_probs.masked_fill(~mask, 0.0).sum(1)
    centred = (rewards - rewards.sum() / B).to(sums.dtype)
    return torch.dot(centred, sums) / (-B * longest)


def _softmax(logits):
    top = max(logits)
    weights = [math.exp(x - top) for x in logits]
    whole = sum(weights)
    return [w / whole for w in weights]


@wrong("11a.4", "takes the shares themselves for the logits, not their logarithms")
def shares_as_logits(success, shares, learning_rate, updates, scale):
    logits = [float(share) for share in shares]
    accuracies = []
    for step in range(updates + 1):
        now = _softmax(logits)
        a = sum(p * float(s) for p, s in zip(now, success))
        accuracies.append(a)
        if step < updates:
            length = learning_rate / (math.sqrt(a * (1 - a)) + 1e-6) if scale else learning_rate
            logits = [x + length * p * (float(s) - a) for x, p, s in zip(logits, now, success)]
    return accuracies, now


@wrong("11a.4", "after the loop it appends the accuracy but returns the shares from before the last update")
def stale_shares(success, shares, learning_rate, updates, scale):
    logits = [math.log(share) for share in shares]
    now = list(shares)
    accuracies = []
    for _ in range(updates):
        now = _softmax(logits)
        a = sum(p * s for p, s in zip(now, success))
        accuracies.append(a)
        length = learning_rate / (math.sqrt(a * (1 - a)) + 1e-6) if scale else learning_rate
        logits = [x + length * p * (s - a) for x, p, s in zip(logits, now, success)]
    accuracies.append(sum(p * s for p, s in zip(_softmax(logits), success)))
    return accuracies, now


@wrong("11a.4", "the baseline is the plain mean of success over the ways, not weighted by the shares")
def unweighted_baseline(success, shares, learning_rate, updates, scale):
    logits = [math.log(share) for share in shares]
    baseline = sum(success) / len(success)
    accuracies = []
    for step in range(updates + 1):
        now = _softmax(logits)
        a = sum(p * s for p, s in zip(now, success))
        accuracies.append(a)
        if step < updates:
            length = learning_rate / (math.sqrt(a * (1 - a)) + 1e-6) if scale else learning_rate
            logits = [x + length * p * (s - baseline) for x, p, s in zip(logits, now, success)]
    return accuracies, now


@wrong("11a.4", "scales by the standard deviation of the ways' success, not of the rewards 0 and 1")
def spread_of_the_ways(success, shares, learning_rate, updates, scale):
    chance = torch.as_tensor(success, dtype=torch.float64)
    logits = torch.as_tensor(shares, dtype=torch.float64).log()
    accuracies = []
    for _ in range(updates):
        now = logits.softmax(0)
        a = (now * chance).sum()
        accuracies.append(float(a))
        slope = now * (chance - a)
        if scale:
            slope = slope / ((now * (chance - a) ** 2).sum().sqrt() + 1e-6)
        logits = logits + learning_rate * slope
    now = logits.softmax(0)
    accuracies.append(float((now * chance).sum()))
    return accuracies, now.tolist()


@wrong("11a.4", "measures the standard deviation once, at the start, and keeps it for all updates")
def spread_of_the_start(success, shares, learning_rate, updates, scale):
    chance = torch.as_tensor(success, dtype=torch.float64)
    now = torch.as_tensor(shares, dtype=torch.float64)
    logits = now.log()
    a = (now * chance).sum()
    spread = (a * (1 - a)).clamp_min(0).sqrt() + 1e-6 if scale else 1.0
    accuracies = [float(a)]
    for _ in range(updates):
        logits = logits + learning_rate * now * (chance - a) / spread
        now = logits.softmax(0)
        a = (now * chance).sum()
        accuracies.append(float(a))
    return accuracies, now.tolist()


@right("11a.4")
def autograd_on_logits(success, shares, learning_rate, updates, scale):
    chance = torch.as_tensor(success, dtype=torch.float64)
    logits = torch.log(torch.as_tensor(shares, dtype=torch.float64))
    curve = []
    while True:
        logits = logits.detach().requires_grad_()
        now = torch.softmax(logits, 0)
        a = now @ chance
        curve.append(a.item())
        if len(curve) > updates:
            return curve, now.tolist()
        (slope,) = torch.autograd.grad(a, logits)
        if scale:
            slope = slope / (math.sqrt(max(curve[-1] * (1 - curve[-1]), 0.0)) + 1e-6)
        logits = logits + learning_rate * slope
