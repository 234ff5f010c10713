"""Answers to assignment 11a from its text alone; this set served to tune the checks."""

import math
import re
from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@wrong("11a.1", "An answer without a result votes too, so None can win over a real result.")
def vote_counter_with_none(results):
    if not results:
        return None
    return Counter(results).most_common(1)[0][0]


@wrong("11a.1", "It returns a list of all most frequent results instead of one result.")
def vote_multimode(results):
    from statistics import multimode

    winners = multimode([r for r in results if r is not None])
    return winners if winners else None


@wrong("11a.1", "Boyer and Moore's one-pass vote finds the winner only if it has more than half of the votes.")
def vote_boyer_moore(results):
    candidate, lead = None, 0
    for r in results:
        if r is None:
            continue
        if lead == 0:
            candidate, lead = r, 1
        elif r == candidate:
            lead += 1
        else:
            lead -= 1
    return candidate


@wrong("11a.1", "Of equals it returns the one that reached the highest count first, not the one that appeared first.")
def vote_running_leader(results):
    seen = {}
    leader, leader_votes = None, 0
    for r in results:
        if r is None:
            continue
        seen[r] = seen.get(r, 0) + 1
        if seen[r] > leader_votes:
            leader, leader_votes = r, seen[r]
    return leader


@wrong("11a.1", "Of results with equally many votes it takes the one that came last, because it compares with >=.")
def vote_dict_ge(results):
    counts = {}
    for r in results:
        if r is not None:
            counts[r] = counts.get(r, 0) + 1
    best = None
    most = 0
    for r in counts:
        if counts[r] >= most:
            best = r
            most = counts[r]
    return best


@wrong("11a.1", "The loop ends one too early, so the last answer never votes.")
def vote_without_last(results):
    keys, counts = [], []
    for i in range(0, len(results) - 1):
        if results[i] is None:
            continue
        if results[i] in keys:
            counts[keys.index(results[i])] += 1
        else:
            keys.append(results[i])
            counts.append(1)
    if not keys:
        return None
    return keys[counts.index(max(counts))]


@wrong("11a.1", "Of results with equally many votes it takes the one a set lists first, not the one that came first.")
def vote_max_set(results):
    votes = [r for r in results if r is not None]
    return max(set(votes), key=votes.count, default=None)


@wrong("11a.1", "It looks for the longest run of equal neighbors instead of counting all votes for a result.")
def vote_longest_run(results):
    from itertools import groupby

    runs = [list(run) for _, run in groupby(r for r in results if r is not None)]
    return max(runs, key=len)[0] if runs else None


@right("11a.1")
def vote_max_of_list(results):
    votes = [r for r in results if r is not None]
    return max(votes, key=votes.count, default=None)


@right("11a.1")
def vote_backwards_ge(results):
    counts = {}
    for r in results:
        counts[r] = counts.get(r, 0) + 1
    counts.pop(None, None)
    best, most = None, 0
    for i in range(len(results) - 1, -1, -1):
        n = counts.get(results[i], 0)
        if n > 0 and n >= most:
            best, most = results[i], n
    return best


@right("11a.1")
def vote_unique_lexsort(results):
    votes = np.array([r for r in results if r is not None], dtype=object)
    if not len(votes):
        return None
    values, first, counts = np.unique(votes, return_index=True, return_counts=True)
    return values[np.lexsort((first, -counts))[0]]


@wrong("11a.2", "It asks 'if found' about the step's number, so a mistake in step 0 counts as no mistake there.")
def mistake_if_found(answer):
    steps = [(int(a), int(s + b), int(c)) for a, s, b, c in re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)]
    found = next((i for i, (a, b, c) in enumerate(steps) if a + b != c or (i and a != steps[i - 1][2])), None)
    if found:
        return found
    if steps[-1][2] != int(answer.rpartition("Answer: ")[2].rstrip(".")):
        return len(steps)
    return None


@wrong("11a.2", "It never compares the number after 'Answer: ' with the last total.")
def mistake_no_result_check(answer):
    i = 0
    before = None
    for match in re.finditer(r"(\d+) ([+-]) (\d+) = (\d+)", answer):
        a, sign, b, c = match.groups()
        good = int(a) + int(sign + b) == int(c) and (i == 0 or int(a) == before)
        if not good:
            return i
        before = int(c)
        i += 1
    return None


@wrong("11a.2", "It takes the difference without its sign, so 4 - 9 = 5 passes as right.")
def mistake_abs_difference(answer):
    ops = {"+": lambda x, y: x + y, "-": lambda x, y: abs(x - y)}
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    previous = int(steps[0][0])
    for k, (x, op, y, z) in enumerate(steps):
        if int(x) != previous or ops[op](int(x), int(y)) != int(z):
            return k
        previous = int(z)
    if previous != int(answer.rpartition("Answer: ")[2].rstrip(".")):
        return len(steps)


@wrong("11a.2", "It returns how many steps are right, which is not the first wrong one if right steps follow it.")
def mistake_counts_right_steps(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    result = int(answer.rpartition("Answer: ")[2].rstrip("."))
    right_steps = 0
    before = int(steps[0][0])
    for a, sign, b, c in steps:
        if int(a) == before and int(a) + int(sign + b) == int(c):
            right_steps += 1
        before = int(c)
    if right_steps == len(steps) and result == before:
        return None
    return right_steps


@wrong("11a.2", "It takes the second sentence for the steps, so it fails when no polite phrase stands in front.")
def mistake_needs_phrase(answer):
    sentences = answer.split(". ")
    steps = sentences[1].split(", ")
    total = None
    for i, step in enumerate(steps):
        a, sign, b, _, c = step.split(" ")
        if total is not None and int(a) != total:
            return i
        total = int(c)
        if (int(a) + int(b) if sign == "+" else int(a) - int(b)) != total:
            return i
    if int(answer.rpartition("Answer: ")[2].rstrip(".")) != total:
        return len(steps)
    return None


@wrong("11a.2", "It asks 'if total', so after a step with the total 0 the begin of the next step is not checked.")
def mistake_total_zero(answer):
    total = None
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    for i, (first, sign, second, said) in enumerate(steps):
        if total and int(first) != total:
            return i
        if sign == "+" and int(first) + int(second) != int(said):
            return i
        if sign == "-" and int(first) - int(second) != int(said):
            return i
        total = int(said)
    if int(answer.rpartition("Answer: ")[2].rstrip(".")) != total:
        return len(steps)
    return None


@wrong("11a.2", "Its pattern reads at most two digits, so numbers from 100 on are cut off.")
def mistake_two_digits(answer):
    pattern = re.compile(r"(\d{1,2}) ([+-]) (\d{1,2}) = (\d{1,2})")
    before = None
    count = 0
    for match in pattern.finditer(answer):
        a, b, c = int(match[1]), int(match[3]), int(match[4])
        expected = a + b if match[2] == "+" else a - b
        if expected != c or before not in (None, a):
            return count
        before = c
        count += 1
    result = int(re.findall(r"Answer: (\d+)", answer)[-1])
    return None if result == before else count


@wrong("11a.2", "It checks each sum by itself and never whether a step begins with the total of the step before.")
def mistake_sums_only(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    for i, (a, sign, b, c) in enumerate(steps):
        value = int(a) + int(b) if sign == "+" else int(a) - int(b)
        if value != int(c):
            return i
    if int(steps[-1][3]) != int(answer.rpartition("Answer: ")[2].rstrip(".")):
        return len(steps)
    return None


@right("11a.2")
def mistake_from_the_back(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    first = None
    if int(steps[-1][3]) != int(answer.rpartition("Answer: ")[2].rstrip(".")):
        first = len(steps)
    for i in reversed(range(len(steps))):
        a, sign, b, c = steps[i]
        broken = i > 0 and int(steps[i - 1][3]) != int(a)
        if broken or int(c) - int(a) != int(sign + b):
            first = i
    return first


@right("11a.2")
def mistake_numpy_columns(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    table = np.array([[int(a), int(s + b), int(c)] for a, s, b, c in steps], dtype=object)
    bad = np.zeros(len(steps) + 1, dtype=bool)
    bad[:-1] = table[:, 0] + table[:, 1] != table[:, 2]
    bad[1:-1] |= (table[1:, 0] != table[:-1, 2]).astype(bool)
    bad[-1] = table[-1, 2] != int(re.findall(r"Answer: (\d+)", answer)[-1])
    places = np.flatnonzero(bad)
    return int(places[0]) if places.size else None


@right("11a.2")
def mistake_char_scanner(answer):
    def number(at):
        end = at
        while end < len(answer) and "0" <= answer[end] <= "9":
            end += 1
        return (int(answer[at:end]), end) if end > at else (None, at)

    pos, index, before = 0, 0, None
    while pos < len(answer):
        a, after = number(pos)
        if a is None:
            pos += 1
            continue
        op = answer[after : after + 3]
        if op not in (" + ", " - "):
            pos = after
            continue
        b, after_b = number(after + 3)
        if b is None or answer[after_b : after_b + 3] != " = ":
            pos = after
            continue
        c, after_c = number(after_b + 3)
        if c is None:
            pos = after
            continue
        if (index > 0 and a != before) or c != (a + b if op == " + " else a - b):
            return index
        before = c
        index += 1
        pos = after_c
    result, _ = number(answer.rindex("Answer: ") + len("Answer: "))
    return index if result != before else None


@wrong("11a.3", "It still divides the advantages by the standard deviation of the rewards.")
def loss_keeps_std(log_probs, rewards, mask, longest):
    advantages = (rewards - rewards.mean()) / (rewards.std(correction=0) + 1e-6)
    return -(advantages * (log_probs * mask).sum(dim=1) / longest).mean()


@wrong("11a.3", "It divides by the number of all tokens in the batch, as DAPO does, instead of by B times longest.")
def loss_token_mean(log_probs, rewards, mask, longest):
    advantages = (rewards - rewards.mean()).unsqueeze(1)
    weighted = advantages * log_probs * mask
    return -weighted.sum() / mask.sum().clamp(min=1)


@wrong("11a.3", "It divides by the width of the tensor, which may be less than longest.")
def loss_mean_over_width(log_probs, rewards, mask, longest):
    adv = rewards - rewards.mean()
    return -(adv[:, None] * log_probs * mask).mean()


@wrong("11a.3", "With keepdim each advantage is multiplied with every answer's sum (a B by B table): the loss is 0.")
def loss_b_by_b(log_probs, rewards, mask, longest):
    advantages = rewards - rewards.mean()
    per_answer = (log_probs * mask).sum(dim=1, keepdim=True) / longest
    return -(advantages * per_answer).mean()


@wrong("11a.3", "Only answers below the mean are divided by longest; the others are still divided by their own length.")
def loss_only_wrong_ones(log_probs, rewards, mask, longest):
    advantages = rewards - rewards.mean()
    lengths = mask.sum(dim=1).clamp(min=1).to(log_probs.dtype)
    divisor = torch.where(advantages < 0, torch.full_like(lengths, longest), lengths)
    return -(advantages * (log_probs * mask).sum(dim=1) / divisor).mean()


@wrong("11a.3", "It shifts by one position as in a next-token loss, so the first position is never counted.")
def loss_shifted(log_probs, rewards, mask, longest):
    log_probs, mask = log_probs[:, 1:], mask[:, 1:]
    advantages = rewards - rewards.mean()
    return -(advantages * (log_probs * mask).sum(dim=1) / longest).mean()


@wrong("11a.3", "It divides by the longest answer of this batch, which is not the same for every prompt.")
def loss_longest_in_batch(log_probs, rewards, mask, longest):
    longest = mask.sum(dim=1).max().clamp(min=1)
    sums = torch.where(mask, log_probs, torch.zeros_like(log_probs)).sum(dim=1)
    return -torch.mean((rewards - rewards.mean()) * sums / longest)


@wrong("11a.3", "It subtracts the mean in place and so changes the caller's rewards.")
def loss_in_place(log_probs, rewards, mask, longest):
    rewards -= rewards.mean()
    return -(rewards * (log_probs * mask).sum(dim=1) / longest).mean()


@right("11a.3")
def loss_centering_matrix(log_probs, rewards, mask, longest):
    n = len(rewards)
    centering = torch.eye(n, dtype=log_probs.dtype) - torch.full((n, n), 1.0 / n, dtype=log_probs.dtype)
    advantages = centering @ rewards.to(log_probs.dtype)
    padded = F.pad(log_probs * mask, (0, longest - log_probs.shape[1]))
    return -(advantages @ padded.mean(dim=1)) / n


@right("11a.3")
def loss_flat_tokens(log_probs, rewards, mask, longest):
    r = rewards.to(log_probs.dtype)
    lengths = mask.sum(dim=1)
    per_token = torch.repeat_interleave(r - torch.mean(r), lengths)
    return torch.sum(per_token * log_probs[mask]) * (-1.0 / (longest * len(r)))


@right("11a.3")
def loss_pairs_of_answers(log_probs, rewards, mask, longest):
    sums = torch.stack([row[keep].sum() for row, keep in zip(log_probs, mask, strict=True)])
    r = rewards.to(log_probs.dtype)
    reward_gaps = r[:, None] - r[None, :]
    sum_gaps = sums[:, None] - sums[None, :]
    return -(reward_gaps * sum_gaps).mean() / 2 / longest


@wrong("11a.4", "The 1e-6 stands under the square root instead of being added to the standard deviation.")
def train_eps_under_root(success, shares, learning_rate, updates, scale):
    def look(logits):
        e = [math.exp(x - max(logits)) for x in logits]
        p = [x / sum(e) for x in e]
        return p, sum(x * float(y) for x, y in zip(p, success, strict=True))

    logits = [math.log(float(x)) for x in shares]
    p, a = look(logits)
    accuracies = [a]
    for _ in range(updates):
        std = math.sqrt(a * (1 - a) + 1e-6) if scale else 1
        logits = [x + learning_rate * q * (float(y) - a) / std for x, q, y in zip(logits, p, success, strict=True)]
        p, a = look(logits)
        accuracies.append(a)
    return accuracies, p


@wrong("11a.4", "With scale it divides by the deviation of the M success numbers, not by that of the rewards.")
def train_std_of_success(success, shares, learning_rate, updates, scale):
    success = torch.as_tensor(success, dtype=torch.float64)
    logits = torch.as_tensor(shares, dtype=torch.float64).log()
    accuracies = []
    for _ in range(updates):
        p = torch.softmax(logits, dim=0)
        a = torch.dot(p, success)
        accuracies.append(a.item())
        gradient = p * (success - a)
        if scale:
            gradient = gradient / (success.std(correction=0) + 1e-6)
        logits = logits + learning_rate * gradient
    p = torch.softmax(logits, dim=0)
    accuracies.append(torch.dot(p, success).item())
    return accuracies, p.tolist()


@wrong("11a.4", "The logits begin at log(p / (1 - p)) instead of log(p), so the first shares are not the given ones.")
def train_logit_start(success, shares, learning_rate, updates, scale):
    s = torch.as_tensor(success, dtype=torch.float64)
    logits = torch.logit(torch.as_tensor(shares, dtype=torch.float64))
    accuracies = []
    for i in range(updates + 1):
        p = logits.softmax(0)
        a = (p * s).sum()
        accuracies.append(a.item())
        if i < updates:
            grad = p * (s - a)
            if scale:
                grad = grad / ((a * (1 - a)).clamp(min=0).sqrt() + 1e-6)
            logits = logits + learning_rate * grad
    return accuracies, p.tolist()


@wrong("11a.4", "It computes the shares anew after each single logit, so later ways of an update see changed ones.")
def train_one_logit_at_a_time(success, shares, learning_rate, updates, scale):
    def softmax(values):
        e = [math.exp(v - max(values)) for v in values]
        return [x / sum(e) for x in e]

    def accuracy(p):
        total = 0.0
        for m in range(len(p)):
            total += p[m] * float(success[m])
        return total

    logits = [math.log(float(x)) for x in shares]
    accuracies = [accuracy(softmax(logits))]
    for _ in range(updates):
        for m in range(len(logits)):
            p = softmax(logits)
            a = accuracy(p)
            g = p[m] * (float(success[m]) - a)
            if scale:
                g /= math.sqrt(max(a * (1 - a), 0.0)) + 1e-6
            logits[m] += learning_rate * g
        accuracies.append(accuracy(softmax(logits)))
    return accuracies, softmax(logits)


@wrong("11a.4", "Its gradient is share times success; the accuracy is not subtracted.")
def train_no_baseline(success, shares, learning_rate, updates, scale):
    logits = [math.log(float(p)) for p in shares]
    accuracies = []
    for step in range(updates + 1):
        top = max(logits)
        weights = [math.exp(x - top) for x in logits]
        p = [w / sum(weights) for w in weights]
        a = sum(x * float(y) for x, y in zip(p, success, strict=True))
        accuracies.append(a)
        if step == updates:
            break
        divisor = math.sqrt(max(a * (1 - a), 0.0)) + 1e-6 if scale else 1.0
        for m in range(len(p)):
            logits[m] += learning_rate * p[m] * float(success[m]) / divisor
    return accuracies, p


@wrong("11a.4", "The 1e-6 is missing, so it divides by zero when every way is always wrong or always right.")
def train_no_eps(success, shares, learning_rate, updates, scale):
    success = [float(x) for x in success]
    p = [float(x) for x in shares]
    a = sum(x * y for x, y in zip(p, success, strict=True))
    accuracies = [a]
    for _ in range(updates):
        std = math.sqrt(max(a * (1 - a), 0.0)) if scale else 1.0
        boost = [learning_rate * x * (y - a) / std for x, y in zip(p, success, strict=True)]
        w = [x * math.exp(b - max(boost)) for x, b in zip(p, boost, strict=True)]
        p = [x / sum(w) for x in w]
        a = sum(x * y for x, y in zip(p, success, strict=True))
        accuracies.append(a)
    return accuracies, p


@wrong("11a.4", "It follows the gradient of the logarithm of the accuracy instead of that of the accuracy.")
def train_log_accuracy(success, shares, learning_rate, updates, scale):
    success = torch.as_tensor(success, dtype=torch.float64)
    logits = torch.as_tensor(shares, dtype=torch.float64).log()
    accuracies = []
    for _ in range(updates):
        logits.requires_grad_(True)
        a = (logits.softmax(0) * success).sum()
        accuracies.append(a.item())
        (gradient,) = torch.autograd.grad((a + 1e-12).log(), logits)
        a = a.detach()
        if scale:
            gradient = gradient / ((a * (1 - a)).clamp(min=0).sqrt() + 1e-6)
        logits = logits.detach() + learning_rate * gradient
    p = logits.detach().softmax(0)
    accuracies.append((p * success).sum().item())
    return accuracies, p.tolist()


@wrong("11a.4", "Its gradient is success minus accuracy; the factor of the way's own share is missing.")
def train_no_share_factor(success, shares, learning_rate, updates, scale):
    s = np.asarray(success, dtype=np.float64)
    p = np.asarray(shares, dtype=np.float64)
    accuracies = [float(np.dot(p, s))]
    for _ in range(updates):
        a = accuracies[-1]
        gradient = s - a
        if scale:
            gradient = gradient / (max(a * (1 - a), 0.0) ** 0.5 + 1e-6)
        z = np.log(np.maximum(p, 1e-300)) + learning_rate * gradient
        p = np.exp(z - z.max())
        p = p / p.sum()
        accuracies.append(float(np.dot(p, s)))
    return accuracies, list(p)


@right("11a.4")
def train_pairs(success, shares, learning_rate, updates, scale):
    M = len(success)
    s = [float(success[m]) for m in range(M)]
    z = [math.log(float(shares[m])) for m in range(M)]
    accuracies = []
    for step in range(updates + 1):
        p = [1.0 / sum(math.exp(min(z[k] - z[m], 700.0)) for k in range(M)) for m in range(M)]
        a = sum(p[m] * s[m] for m in range(M))
        accuracies.append(a)
        if step == updates:
            return accuracies, p
        std = math.sqrt(max(a * (1.0 - a), 0.0)) + 1e-6
        new = list(z)
        for m in range(M):
            for k in range(M):
                g = p[m] * p[k] * (s[m] - s[k])
                new[m] += learning_rate * (g / std if scale else g)
        z = new


@right("11a.4")
def train_accumulate(success, shares, learning_rate, updates, scale):
    from itertools import accumulate

    s = torch.tensor([float(x) for x in success], dtype=torch.float64)
    start = torch.tensor([float(x) for x in shares], dtype=torch.float64).log()

    def accuracy(z):
        return (z - z.logsumexp(0)).exp().dot(s)

    def update(z, _):
        gradient, a = torch.func.grad_and_value(accuracy)(z)
        if scale:
            gradient = gradient / (torch.sqrt(torch.relu(a * (1 - a))) + 1e-6)
        return z + learning_rate * gradient

    path = list(accumulate(range(updates), update, initial=start))
    return [accuracy(z).item() for z in path], path[-1].softmax(0).tolist()


@right("11a.4")
def train_optimizer(success, shares, learning_rate, updates, scale):
    s = torch.tensor([float(x) for x in success], dtype=torch.float64)
    logits = torch.nn.Parameter(torch.tensor([float(x) for x in shares], dtype=torch.float64).log())
    accuracies = []
    for _ in range(updates):
        logits.grad = None
        a = F.softmax(logits, dim=0) @ s
        accuracies.append(a.item())
        with torch.no_grad():
            divisor = (a * (1 - a)).clamp(min=0).sqrt() + 1e-6 if scale else torch.ones_like(a)
        (-a / divisor).backward()
        torch.optim.SGD([logits], lr=learning_rate).step()
    shares_now = F.softmax(logits.detach(), dim=0)
    return accuracies + [(shares_now @ s).item()], shares_now.tolist()
