"""Answers to assignment 11a from its text alone; this half served to tune the checks."""

import math
import re
from collections import Counter

import numpy as np
import torch
from answers import right, wrong


@wrong("11a.1", "If nobody votes it returns 0, which is a result, instead of None.")
def vote_zero_default(results):
    best = 0
    best_count = 0
    counts = Counter(r for r in results if r is not None)
    for r, c in counts.items():
        if c > best_count:
            best, best_count = r, c
    return best


@wrong("11a.1", "It leaves out everything that is falsy, so votes for the result 0 are lost together with None.")
def vote_filter_none(results):
    counts = Counter(filter(None, results))
    top = counts.most_common(1)
    return top[0][0] if top else None


@wrong("11a.1", "It demands more than half of the votes and returns None if the most frequent result has fewer.")
def vote_absolute_majority(results):
    votes = [r for r in results if r is not None]
    for r in votes:
        if votes.count(r) > len(votes) / 2:
            return r
    return None


@wrong("11a.1", "It removes the Nones from the caller's list instead of working on a list of its own.")
def vote_remove_from_input(results):
    while None in results:
        results.remove(None)
    if len(results) == 0:
        return None
    return Counter(results).most_common(1)[0][0]


@wrong("11a.1", "The best count begins at 1, so if no result has a second vote it returns None instead of the first.")
def vote_needs_two(results):
    winner = None
    winner_count = 1
    for candidate in results:
        if candidate is None:
            continue
        n = sum(1 for other in results if other == candidate)
        if n > winner_count:
            winner, winner_count = candidate, n
    return winner


@wrong("11a.1", "It forgets the case that nobody votes: the mode of an empty list raises an error.")
def vote_statistics_mode(results):
    from statistics import mode

    return mode(r for r in results if r is not None)


@wrong("11a.1", "It removes from the list while it walks over it, so some of several Nones in a row stay and vote.")
def vote_remove_while_walking(results):
    votes = list(results)
    for v in votes:
        if v is None:
            votes.remove(v)
    best, best_count = None, 0
    for v in votes:
        if votes.count(v) > best_count:
            best, best_count = v, votes.count(v)
    return best


@wrong("11a.1", "Numpy's unique sorts, so of results with equally many votes the smallest wins and not the first.")
def vote_np_unique(results):
    votes = np.array([r for r in results if r is not None], dtype=object)
    if votes.size == 0:
        return None
    values, counts = np.unique(votes, return_counts=True)
    return values[counts.argmax()]


@right("11a.1")
def vote_sort_by_count_and_place(results):
    order = sorted((-results.count(r), place, r) for place, r in enumerate(results) if r is not None)
    return order[0][2] if order else None


@right("11a.1")
def vote_divide_and_merge(results):
    def tally(part):
        if len(part) == 0:
            return {}
        if len(part) == 1:
            return {} if part[0] is None else {part[0]: 1}
        half = len(part) // 2
        left, right_half = tally(part[:half]), tally(part[half:])
        for key, n in right_half.items():
            left[key] = left.get(key, 0) + n
        return left

    counts = tally(results)
    best = None
    for key in counts:
        if best is None or counts[key] > counts[best]:
            best = key
    return best


@right("11a.1")
def vote_equality_table(results):
    votes = [r for r in results if r is not None]
    if votes == []:
        return None
    table = np.array([[a == b for b in votes] for a in votes])
    return votes[int(np.argmax(table.sum(axis=1)))]


@wrong("11a.2", "It accepts a step that has the total before it as its second number, though it must begin with it.")
def mistake_either_operand(answer):
    total = None
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    for i, step in enumerate(steps):
        a, b, c = int(step[0]), int(step[2]), int(step[3])
        if total is not None and total not in (a, b):
            return i
        if c != (a + b if step[1] == "+" else a - b):
            return i
        total = c
    return None if total == int(answer.rpartition("Answer: ")[2].rstrip(".")) else len(steps)


@wrong("11a.2", "If a step does not begin with the total before it, it blames the step before instead of that step.")
def mistake_blames_neighbor(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    for i in range(len(steps)):
        a, sign, b, c = steps[i]
        a, b, c = int(a), int(b), int(c)
        if sign == "+" and a + b != c or sign == "-" and a - b != c:
            return i
        if i + 1 < len(steps) and int(steps[i + 1][0]) != c:
            return i
    if int(steps[-1][3]) != int(answer.rpartition("Answer: ")[2].rstrip(".")):
        return len(steps)
    return None


@wrong("11a.2", "It only asks whether the last total's digits occur in the result, so 119 passes for 19.")
def mistake_result_substring(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    total = None
    for i, (a, sign, b, c) in enumerate(steps):
        if total is not None and int(a) != total:
            return i
        total = int(a) + (int(b) if sign == "+" else -int(b))
        if total != int(c):
            return i
    if str(total) not in answer.rpartition("Answer: ")[2]:
        return len(steps)
    return None


@wrong("11a.2", "It keeps looking after a wrong step and returns the last wrong one instead of the first.")
def mistake_last_one(answer):
    wrong_step = None
    total = None
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    for i in range(len(steps)):
        a = int(steps[i][0])
        b = int(steps[i][2])
        c = int(steps[i][3])
        if steps[i][1] == "-":
            b = -b
        if a + b != c or (i > 0 and a != total):
            wrong_step = i
        total = c
    if wrong_step is None and total != int(answer.rpartition("Answer: ")[2].rstrip(".")):
        wrong_step = len(steps)
    return wrong_step


@wrong("11a.2", "It goes through all sums first, so a wrong sum is reported before an earlier step with a wrong begin.")
def mistake_two_loops(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    for i, (a, sign, b, c) in enumerate(steps):
        if sign == "+":
            if int(a) + int(b) != int(c):
                return i
        else:
            if int(a) - int(b) != int(c):
                return i
    for i in range(1, len(steps)):
        if int(steps[i][0]) != int(steps[i - 1][3]):
            return i
    if int(steps[-1][3]) != int(answer.rpartition("Answer: ")[2].rstrip(".")):
        return len(steps)
    return None


@wrong("11a.2", "It checks the steps only if the result is not the last total, so a right end is trusted.")
def mistake_trusts_result(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    if int(steps[-1][3]) == int(answer.rpartition("Answer: ")[2].rstrip(".")):
        return None
    last = int(steps[0][0])
    for i, (a, op, b, c) in enumerate(steps):
        a, b, c = map(int, (a, b, c))
        if a != last or c != (a + b if op == "+" else a - b):
            return i
        last = c
    return len(steps)


@wrong("11a.2", "It counts the steps from 1 instead of from 0.")
def mistake_from_one(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    before = None
    for number, (a, sign, b, c) in enumerate(steps, start=1):
        a, b, c = int(a), int(b), int(c)
        if before is not None and a != before:
            return number
        if (a + b if sign == "+" else a - b) != c:
            return number
        before = c
    result = int(answer.split("Answer: ")[-1].strip().rstrip("."))
    return len(steps) if result != before else None


@wrong("11a.2", "It checks the result before the steps, so a wrong result hides an earlier wrong step.")
def mistake_result_first(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    result = int(answer.rpartition("Answer: ")[2].rstrip("."))
    if result != int(steps[-1][3]):
        return len(steps)
    before = None
    for i, (a, sign, b, c) in enumerate(steps):
        if before is not None and before != int(a):
            return i
        if int(a) + int(sign + b) != int(c):
            return i
        before = int(c)
    return None


@right("11a.2")
def mistake_list_of_truths(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    starts = [int(step[0]) for step in steps] + [int(re.findall(r"Answer: (\d+)", answer)[-1])]
    changes = [int(step[1] + step[2]) for step in steps] + [0]
    totals = [int(step[3]) for step in steps] + [starts[-1]]
    fine = [
        a + d == c and a == before
        for a, d, c, before in zip(starts, changes, totals, starts[:1] + totals[:-1], strict=True)
    ]
    return None if all(fine) else fine.index(False)


@right("11a.2")
def mistake_own_running_total(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    mine = int(steps[0][0])
    for i, (a, sign, b, c) in enumerate(steps):
        if int(a) != mine:
            return i
        mine = mine + int(b) if sign == "+" else mine - int(b)
        if int(c) != mine:
            return i
    return None if int(answer.rpartition("Answer: ")[2].rstrip(".")) == mine else len(steps)


@right("11a.2")
def mistake_word_by_word(answer):
    text, _, result = answer.rpartition("Answer: ")
    words = [word.strip(",.;:!") for word in text.split()]
    number, before = 0, None
    for k in range(len(words) - 4):
        a, sign, b, equals, c = words[k : k + 5]
        if sign not in ("+", "-") or equals != "=" or not (a.isdigit() and b.isdigit() and c.isdigit()):
            continue
        a, b, c = int(a), int(b), int(c)
        if before is not None and a != before:
            return number
        if sign == "+" and a + b != c:
            return number
        if sign == "-" and c + b != a:
            return number
        before = c
        number += 1
    if int(result.strip().strip(".")) != before:
        return number
    return None


@wrong("11a.3", "The minus is missing, so a step down makes right answers less probable.")
def loss_without_minus(log_probs, rewards, mask, longest):
    advantages = rewards - rewards.mean()
    return (advantages * (log_probs * mask).sum(dim=1) / longest).mean()


@wrong("11a.3", "It uses the rewards themselves and does not subtract their mean.")
def loss_raw_rewards(log_probs, rewards, mask, longest):
    return -(rewards * (log_probs * mask).sum(dim=-1)).mean() / longest


@wrong("11a.3", "It still divides each answer's sum by the answer's own length instead of by longest.")
def loss_own_length(log_probs, rewards, mask, longest):
    adv = rewards - rewards.mean()
    per_answer = (log_probs * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return -(adv * per_answer).mean()


@wrong("11a.3", "It takes the mean only over answers whose advantage is not zero instead of over all B.")
def loss_mean_of_nonzero(log_probs, rewards, mask, longest):
    advantages = rewards - rewards.mean()
    per_answer = (log_probs * mask).sum(dim=1) / longest
    used = (advantages != 0).sum().clamp(min=1)
    return -(advantages * per_answer).sum() / used


@wrong("11a.3", "It adds up the B answers instead of taking their mean.")
def loss_sum_over_answers(log_probs, rewards, mask, longest):
    advantages = rewards - rewards.mean()
    loss = 0
    for b in range(len(rewards)):
        loss = loss - advantages[b] * log_probs[b][mask[b]].sum() / longest
    return loss


@wrong("11a.3", "It clips the advantages to the range from -1 to 1, though rewards may be any numbers.")
def loss_clipped_advantages(log_probs, rewards, mask, longest):
    advantages = torch.clamp(rewards - rewards.mean(), -1.0, 1.0)
    return -(advantages * (log_probs * mask).sum(dim=1) / longest).mean()


@wrong("11a.3", "It turns every positive reward into 1 and every other one into 0, though rewards may be any numbers.")
def loss_binary_rewards(log_probs, rewards, mask, longest):
    correct = (rewards > 0).to(log_probs.dtype)
    advantages = correct - correct.mean()
    return -torch.einsum("b,bt,bt->", advantages, log_probs, mask.to(log_probs.dtype)) / (longest * len(correct))


@wrong("11a.3", "Its baseline is the mean of the other answers' rewards (RLOO) instead of the mean of all.")
def loss_leave_one_out(log_probs, rewards, mask, longest):
    n = rewards.shape[0]
    others = (rewards.sum() - rewards) / max(n - 1, 1)
    return -((rewards - others) * (log_probs * mask).sum(dim=1) / longest).mean()


@right("11a.3")
def loss_covariance(log_probs, rewards, mask, longest):
    sums = log_probs.double().masked_fill(~mask, 0.0).sum(dim=1)
    r = rewards.double()
    covariance = (r * (sums - sums.mean())).mean()
    return (covariance / -longest).to(log_probs.dtype)


@right("11a.3")
def loss_einsum(log_probs, rewards, mask, longest):
    r = rewards.to(log_probs.dtype)
    weights = (r - r.mean()) / (-longest * r.numel())
    return torch.einsum("b,bt,bt->", weights, log_probs, mask.to(log_probs.dtype))


@right("11a.3")
def loss_token_loops(log_probs, rewards, mask, longest):
    B, T = log_probs.shape
    baseline = sum(float(r) for r in rewards) / B
    total = log_probs.new_zeros(())
    for b in range(B):
        for t in range(T):
            if mask[b, t]:
                total = total + (float(rewards[b]) - baseline) * log_probs[b, t]
    return -total / (B * longest)


@wrong("11a.4", "It returns the shares from before the last update, only the last accuracy is computed anew.")
def train_old_shares(success, shares, learning_rate, updates, scale):
    s = np.array(success, dtype=float)
    p = np.array(shares, dtype=float)
    logits = np.log(p)

    def softmax(x):
        e = np.exp(x - x.max())
        return e / e.sum()

    accuracies = []
    for _ in range(updates):
        p = softmax(logits)
        a = p @ s
        accuracies.append(float(a))
        grad = p * (s - a)
        if scale:
            grad /= np.sqrt(max(a * (1 - a), 0)) + 1e-6
        logits += learning_rate * grad
    accuracies.append(float(softmax(logits) @ s))
    return accuracies, p.tolist()


@wrong("11a.4", "It computes the standard deviation once before the first update and keeps it for all later ones.")
def train_std_once(success, shares, learning_rate, updates, scale):
    s = np.array(success, dtype=np.float64)
    logits = np.log(np.array(shares, dtype=np.float64))
    p = np.exp(logits) / np.exp(logits).sum()
    a = (p * s).sum()
    divisor = np.sqrt(max(a * (1 - a), 0.0)) + 1e-6 if scale else 1.0
    accuracies = [float(a)]
    while updates > 0:
        logits = logits + learning_rate * p * (s - a) / divisor
        p = np.exp(logits - logits.max())
        p /= p.sum()
        a = (p * s).sum()
        accuracies.append(float(a))
        updates -= 1
    return accuracies, p.tolist()


@wrong("11a.4", "It does not clear the gradient between updates, so autograd adds up the old ones.")
def train_grad_adds_up(success, shares, learning_rate, updates, scale):
    success = torch.as_tensor(success, dtype=torch.float64)
    logits = torch.as_tensor(shares, dtype=torch.float64).log().requires_grad_()
    accuracies = []
    for _ in range(updates):
        accuracy = (logits.softmax(0) * success).sum()
        accuracies.append(accuracy.item())
        accuracy.backward()
        with torch.no_grad():
            step = logits.grad
            if scale:
                step = step / ((accuracy * (1 - accuracy)).clamp(min=0).sqrt() + 1e-6)
            logits += learning_rate * step
    final = logits.detach().softmax(0)
    accuracies.append((final * success).sum().item())
    return accuracies, final.tolist()


@wrong("11a.4", "With scale it differentiates accuracy / deviation, so the gradient also flows through the deviation.")
def train_grad_through_std(success, shares, learning_rate, updates, scale):
    success = torch.as_tensor(success, dtype=torch.float64)
    logits = torch.as_tensor(shares, dtype=torch.float64).log()
    accuracies = []
    for k in range(updates + 1):
        logits = logits.detach().requires_grad_(True)
        p = logits.softmax(0)
        accuracy = (p * success).sum()
        accuracies.append(accuracy.item())
        if k == updates:
            break
        goal = accuracy
        if scale:
            goal = accuracy / (torch.sqrt((accuracy * (1 - accuracy)).clamp(min=1e-30)) + 1e-6)
        (gradient,) = torch.autograd.grad(goal, logits)
        logits = logits + learning_rate * gradient
    return accuracies, p.detach().tolist()


@wrong("11a.4", "It writes the new shares into the caller's list.")
def train_overwrites_shares(success, shares, learning_rate, updates, scale):
    M = len(shares)
    accuracies = []
    logits = [math.log(float(shares[m])) for m in range(M)]
    for n in range(updates + 1):
        a = 0.0
        for m in range(M):
            a += float(shares[m]) * float(success[m])
        accuracies.append(a)
        if n < updates:
            divisor = math.sqrt(max(0.0, a * (1 - a))) + 1e-6 if scale else 1.0
            for m in range(M):
                logits[m] += learning_rate * float(shares[m]) * (float(success[m]) - a) / divisor
            top = max(logits)
            norm = sum(math.exp(x - top) for x in logits)
            for m in range(M):
                shares[m] = math.exp(logits[m] - top) / norm
    return accuracies, [float(x) for x in shares]


@wrong("11a.4", "With 0 updates it fails, since the final shares only get a value inside the loop.")
def train_needs_an_update(success, shares, learning_rate, updates, scale):
    success = torch.as_tensor(success, dtype=torch.float64)
    logits = torch.as_tensor(shares, dtype=torch.float64).log()
    accuracies = []
    for _ in range(updates):
        before = logits.softmax(0)
        a = (before * success).sum()
        accuracies.append(float(a))
        step = before * (success - a)
        if scale:
            step = step / (torch.sqrt((a * (1 - a)).clamp(min=0)) + 1e-6)
        logits = logits + learning_rate * step
        after = logits.softmax(0)
    accuracies.append(float((after * success).sum()))
    return accuracies, after.tolist()


@wrong("11a.4", "It adds the gradient to the shares themselves instead of to the logits.")
def train_adds_to_shares(success, shares, learning_rate, updates, scale):
    s = np.array(success, dtype=float)
    p = np.array(shares, dtype=float)
    accuracies = [float((p * s).sum())]
    for _ in range(updates):
        a = accuracies[-1]
        g = p * (s - a)
        if scale:
            g = g / (np.sqrt(max(a * (1 - a), 0)) + 1e-6)
        p = np.clip(p + learning_rate * g, 1e-12, None)
        p = p / p.sum()
        accuracies.append(float((p * s).sum()))
    return accuracies, p.tolist()


@wrong("11a.4", "It rounds the returned numbers to four places, as the example prints them.")
def train_rounded(success, shares, learning_rate, updates, scale):
    s = np.array(success, dtype=float)
    logits = np.log(np.array(shares, dtype=float))
    accuracies = []
    for step in range(updates + 1):
        p = np.exp(logits - logits.max())
        p = p / p.sum()
        a = float(p @ s)
        accuracies.append(round(a, 4))
        if step < updates:
            grad = p * (s - a)
            if scale:
                grad = grad / (max(a * (1 - a), 0) ** 0.5 + 1e-6)
            logits = logits + learning_rate * grad
    return accuracies, [round(float(x), 4) for x in p]


@right("11a.4")
def train_jacobian(success, shares, learning_rate, updates, scale):
    s = np.array([float(x) for x in success])
    z = np.log(np.array([float(x) for x in shares]))
    curve = np.empty(updates + 1)
    for k in range(updates + 1):
        p = np.exp(z - np.logaddexp.reduce(z))
        curve[k] = p @ s
        jacobian = np.diag(p) - np.outer(p, p)
        g = jacobian @ s
        if scale:
            g = g / (np.sqrt(np.maximum(curve[k] * (1 - curve[k]), 0)) + 1e-6)
        z = z + learning_rate * g
    return curve.tolist(), p.tolist()


@right("11a.4")
def train_multiplicative(success, shares, learning_rate, updates, scale):
    s = [float(x) for x in success]
    p = [float(x) for x in shares]
    accuracies = [math.fsum(x * y for x, y in zip(p, s, strict=True))]
    for _ in range(updates):
        a = accuracies[-1]
        rate = learning_rate / (math.sqrt(max(a * (1 - a), 0.0)) + 1e-6) if scale else learning_rate
        push = [rate * x * (y - a) for x, y in zip(p, s, strict=True)]
        top = max(push)
        p = [x * math.exp(z - top) for x, z in zip(p, push, strict=True)]
        norm = math.fsum(p)
        p = [x / norm for x in p]
        accuracies.append(math.fsum(x * y for x, y in zip(p, s, strict=True)))
    return accuracies, p


@right("11a.4")
def train_halves(success, shares, learning_rate, updates, scale):
    s = np.array([float(x) for x in success])

    def run(p, n):
        if n == 0:
            return [], p
        if n > 1:
            first, p = run(p, n // 2)
            second, p = run(p, n - n // 2)
            return first + second, p
        a = float(np.sum(p * s))
        g = p * s - a * p
        if scale:
            g /= math.sqrt(max(a - a * a, 0.0)) + 1e-6
        z = learning_rate * g
        q = p * np.exp(z - np.max(z))
        return [a], q / q.sum()

    start = np.array([float(x) for x in shares])
    accuracies, end = run(start, updates)
    return accuracies + [float(np.sum(end * s))], [float(x) for x in end]
