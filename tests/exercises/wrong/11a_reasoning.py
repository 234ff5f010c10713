"""Answers to exercise 11a as learners write them."""

import itertools
import math
import re
import statistics
from collections import Counter, defaultdict

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 11a.1 One vote per answer


@wrong("11a.1", "The last result counts")
def what_it_said_in_the_end(results):
    for result in results:
        if result is not None:
            chosen = result
    return chosen


@wrong("11a.1", "The first result counts")
def what_it_said_at_first(results):
    return next((result for result in results if result is not None), None)


@wrong("11a.1", "The results are averaged")
def on_average(results):
    votes = [result for result in results if result is not None]
    return sum(votes) / len(votes)


@wrong("11a.1", "This is the median")
def in_the_middle(results):
    return statistics.median_high([result for result in results if result is not None])


@wrong("11a.1", "The number of votes is returned")
def how_often(results):
    return max(Counter(results).values())


@wrong("11a.1", "The largest result wins")
def maximum_of_a_dictionary(results):
    counts = {result: results.count(result) for result in results}
    return max(counts)


@wrong("11a.1", "The longest run of equal neighbors wins")
def groups_without_sorting(results):
    groups = [list(group) for _, group in itertools.groupby(results)]
    return max(groups, key=len)[0]


@wrong("11a.1", "An answer without a result votes for None")
def everybody_votes(results):
    if not results:
        return None
    return max(results, key=results.count)


@wrong("11a.1", "The result 0 is taken for no result")
def if_there_is_a_result(results):
    votes = [result for result in results if result]
    return max(votes, key=votes.count) if votes else None


@wrong("11a.1", "the one whose first vote came last wins")
def at_least_as_many(results):
    best, most = None, 0
    for result in dict.fromkeys(results):
        if result is not None and results.count(result) >= most:
            best, most = result, results.count(result)
    return best


@wrong("11a.1", "the smallest wins")
def counts_of_bins(results):
    votes = [result for result in results if result is not None]
    return int(np.bincount(votes).argmax()) if votes else None


@wrong("11a.1", "the largest wins")
def largest_pair(results):
    votes = [result for result in results if result is not None]
    return max((votes.count(result), result) for result in votes)[1] if votes else None


@wrong("11a.1", "more than half of all votes")
def absolute_majority(results):
    for result in results:
        if result is not None and 2 * results.count(result) > len(results):
            return result
    return None


@right("11a.1")
def by_sorting_once(results):
    order = {}
    for result in results:
        if result is not None:
            order[result] = order.get(result, 0) + 1
    return sorted(order, key=lambda result: -order[result])[0] if order else None


@right("11a.1")
def by_torch(results):
    votes = [result for result in results if result is not None]
    if not votes:
        return None
    table = torch.tensor(votes)
    return table[(table[:, None] == table).sum(1).argmax()]


# 11a.2 Which step is wrong?

STEP = re.compile(r"(\d+) ([+-]) (\d+) = (\d+)")


def read(answer):
    return [(int(a), sign, int(b), int(c)) for a, sign, b, c in STEP.findall(answer)]


def total_of(a, sign, b):
    return a + b if sign == "+" else a - b


def result_of(answer):
    return int(re.findall(r"\d+", answer.split("Answer:")[-1])[0])


def walk(answer, start=0):
    steps, last = read(answer), None
    for number, (a, sign, b, c) in enumerate(steps, start):
        if total_of(a, sign, b) != c or (last is not None and a != last):
            return number
        last = c
    return None if result_of(answer) == last else len(steps) + start


@wrong("11a.2", "counted from 1")
def as_people_count(answer):
    return walk(answer, start=1)


@wrong("11a.2", "whether there is a mistake")
def is_there_one(answer):
    return walk(answer) is not None


@wrong("11a.2", "gives 0, which is the number of its first step")
def zero_for_none(answer):
    found = walk(answer)
    return found if found else 0


@wrong("11a.2", "An answer without a mistake gives -1")
def minus_one_for_none(answer):
    found = walk(answer)
    return -1 if found is None else found


@wrong("11a.2", "The minus sign is not read")
def only_sums(answer):
    last, steps = None, read(answer)
    for number, (a, _, b, c) in enumerate(steps):
        if a + b != c or last not in (None, a):
            return number
        last = c
    return None if result_of(answer) == last else len(steps)


@wrong("11a.2", "A false sum is not found")
def only_the_joints(answer):
    steps = read(answer)
    for number in range(1, len(steps)):
        if steps[number][0] != steps[number - 1][3]:
            return number
    return None if result_of(answer) == steps[-1][3] else len(steps)


@wrong("11a.2", "The last wrong step is returned")
def without_a_return(answer):
    found, last, steps = None, None, read(answer)
    for number, (a, sign, b, c) in enumerate(steps):
        if total_of(a, sign, b) != c or last not in (None, a):
            found = number
        last = c
    if found is None and result_of(answer) != last:
        found = len(steps)
    return found


@wrong("11a.2", "The wrong steps are counted")
def how_many_are_wrong(answer):
    wrong_ones = [step for step in read(answer) if total_of(*step[:3]) != step[3]]
    return len(wrong_ones) or None


@wrong("11a.2", "A step that goes on rightly from a wrong total")
def against_the_truth(answer):
    steps = read(answer)
    truth, found = steps[0][0], None
    for number, (_, sign, b, c) in enumerate(steps):
        truth = total_of(truth, sign, b)
        if c != truth:
            found = number
    return found


@wrong("11a.2", "does not begin with the total before it goes unnoticed")
def each_on_its_own(answer):
    steps = read(answer)
    for number, (a, sign, b, c) in enumerate(steps):
        if total_of(a, sign, b) != c:
            return number
    return None if result_of(answer) == steps[-1][3] else len(steps)


@wrong("11a.2", "The step before the jump is blamed")
def compared_with_what_follows(answer):
    steps = read(answer)
    for number, (a, sign, b, c) in enumerate(steps):
        if total_of(a, sign, b) != c:
            return number
        if number + 1 < len(steps) and steps[number + 1][0] != c:
            return number
    return None if result_of(answer) == steps[-1][3] else len(steps)


@wrong("11a.2", "A result that differs from the last total goes unnoticed")
def steps_alone(answer):
    found = walk(answer)
    return None if found == len(read(answer)) else found


@wrong("11a.2", "A wrong result is charged to the last step")
def last_step_is_to_blame(answer):
    found, steps = walk(answer), read(answer)
    return None if found is None else min(found, len(steps) - 1)


@wrong("11a.2", "A wrong result comes before a wrong step")
def result_before_steps(answer):
    steps = read(answer)
    return len(steps) if result_of(answer) != steps[-1][3] else walk(answer)


@right("11a.2")
def by_pairs(answer):
    steps = read(answer)
    starts = [steps[0][0], *(step[3] for step in steps)]
    told = [step[0] for step in steps] + [result_of(answer)]
    for number, (start, begins) in enumerate(zip(starts, told, strict=True)):
        if start != begins or (number < len(steps) and total_of(*steps[number][:3]) != steps[number][3]):
            return number
    return None


@right("11a.2")
def by_splitting(answer):
    body, said = answer.rsplit(". Answer: ", 1)
    last, parts = None, body.rsplit(". ", 1)[-1].split(", ")
    for number, part in enumerate(parts):
        left, right_side = part.split(" = ")
        a, sign, b = left.split(" ")
        if int(a) + int(sign + b) != int(right_side) or last not in (None, int(a)):
            return number
        last = int(right_side)
    return None if int(said[:-1]) == last else len(parts)


# 11a.3 The loss that favors long wrong answers


@wrong("11a.3", "Each answer is still divided by its own length")
def only_the_deviation_gone(log_probs, rewards, mask, longest):
    advantages = rewards - rewards.mean()
    return -(advantages * (log_probs * mask).sum(1) / mask.sum(1)).mean()


@wrong("11a.3", "Nothing has changed")
def as_it_was(log_probs, rewards, mask, longest):
    advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
    return -(advantages * (log_probs * mask).sum(1) / mask.sum(1)).mean()


@wrong("11a.3", "still divided by the standard deviation")
def only_the_length_gone(log_probs, rewards, mask, longest):
    advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
    return -(advantages * (log_probs * mask).sum(1) / longest).mean()


@wrong("11a.3", "the length of the longest answer in this group")
def mean_over_columns(log_probs, rewards, mask, longest):
    advantages = rewards - rewards.mean()
    return -(advantages[:, None] * log_probs * mask).mean()


@wrong("11a.3", "the number of tokens in this group")
def mean_over_tokens(log_probs, rewards, mask, longest):
    advantages = rewards - rewards.mean()
    return -(advantages[:, None] * log_probs)[mask].mean()


@wrong("11a.3", "This is DAPO's average over all tokens")
def all_tokens_and_the_deviation(log_probs, rewards, mask, longest):
    advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
    return -(advantages[:, None] * log_probs * mask).sum() / mask.sum()


@wrong("11a.3", "and then by the number of answers")
def all_tokens_and_all_answers(log_probs, rewards, mask, longest):
    advantages = rewards - rewards.mean()
    return -(advantages * (log_probs * mask).sum(dim=1) / mask.sum()).mean()


@wrong("11a.3", "not divided by `longest`")
def sums_of_answers(log_probs, rewards, mask, longest):
    return -((rewards - rewards.mean()) * (log_probs * mask).sum(1)).mean()


@wrong("11a.3", "The answers are summed")
def sum_over_answers(log_probs, rewards, mask, longest):
    return -((rewards - rewards.mean()) * (log_probs * mask).sum(1)).sum() / longest


@wrong("11a.3", "The sign is wrong")
def upwards(log_probs, rewards, mask, longest):
    return ((rewards - rewards.mean()) * (log_probs * mask).sum(1) / longest).mean()


@wrong("11a.3", "no baseline")
def rewards_alone(log_probs, rewards, mask, longest):
    return -(rewards * (log_probs * mask).sum(1) / longest).mean()


@wrong("11a.3", "The padding counts")
def with_padding(log_probs, rewards, mask, longest):
    return -((rewards - rewards.mean()) * log_probs.sum(1) / longest).mean()


@right("11a.3")
def by_einsum(log_probs, rewards, mask, longest):
    weights = (rewards - rewards.mean()) / (len(rewards) * longest)
    return -torch.einsum("bt,bt,b->", log_probs, mask.float(), weights)


@right("11a.3")
def padded_to_the_longest(log_probs, rewards, mask, longest):
    room = (0, longest - mask.shape[1])
    table = F.pad(log_probs.masked_fill(~mask, 0.0), room)
    return ((rewards.mean() - rewards)[:, None] * table).mean()


# 11a.4 The curve of the lesson, without its noise


def follow(success, shares, updates, step):
    """Climb with a step from (logits, shares, success, accuracy) to logits."""
    success = torch.tensor(success, dtype=torch.float64)
    logits = torch.tensor(shares, dtype=torch.float64).log()
    accuracies = []
    for _ in range(updates):
        now = logits.softmax(0)
        accuracies.append((now * success).sum().item())
        logits = step(logits, now, success, accuracies[-1])
    now = logits.softmax(0)
    return [*accuracies, (now * success).sum().item()], now.tolist()


def deviation(accuracy, scale):
    return math.sqrt(max(accuracy * (1 - accuracy), 0.0)) + 1e-6 if scale else 1.0


def properly(learning_rate, scale):
    return lambda logits, now, success, a: logits + learning_rate * now * (success - a) / deviation(a, scale)


@wrong("11a.4", "The rewards have no baseline")
def share_times_success(success, shares, learning_rate, updates, scale):
    return follow(
        success, shares, updates,
        lambda logits, now, success, a: logits + learning_rate * now * success / deviation(a, scale),
    )  # fmt: skip


@wrong("11a.4", "The gradient lacks the factor `share`")
def advantages_alone(success, shares, learning_rate, updates, scale):
    return follow(
        success, shares, updates,
        lambda logits, now, success, a: logits + learning_rate * (success - a) / deviation(a, scale),
    )  # fmt: skip


@wrong("11a.4", "The step goes down")
def as_if_it_were_a_loss(success, shares, learning_rate, updates, scale):
    return follow(success, shares, updates, properly(-learning_rate, scale))


@wrong("11a.4", "The logits begin at 0")
def even_start(success, shares, learning_rate, updates, scale):
    return follow(success, [1.0] * len(shares), updates, properly(learning_rate, scale))


@wrong("11a.4", "The given shares are used as logits")
def shares_for_logits(success, shares, learning_rate, updates, scale):
    return follow(success, [math.exp(share) for share in shares], updates, properly(learning_rate, scale))


@wrong("11a.4", "the logarithm of the accuracy")
def log_likelihood(success, shares, learning_rate, updates, scale):
    right_ways = torch.tensor(success, dtype=torch.float64)
    logits = torch.tensor(shares, dtype=torch.float64).log().requires_grad_()
    accuracies = []
    for _ in range(updates):
        accuracy = (logits.softmax(0) * right_ways).sum()
        accuracies.append(accuracy.item())
        (gradient,) = torch.autograd.grad(accuracy.log(), logits)
        logits = (logits + learning_rate * gradient).detach().requires_grad_()
    final = logits.softmax(0)
    return [*accuracies, (final * right_ways).sum().item()], final.tolist()


@wrong("11a.4", "although `scale` is False")
def always_scaled(success, shares, learning_rate, updates, scale):
    return follow(success, shares, updates, properly(learning_rate, True))


@wrong("11a.4", "The accuracy after the last update is missing")
def one_for_each_update(success, shares, learning_rate, updates, scale):
    accuracies, final = follow(success, shares, updates, properly(learning_rate, scale))
    return accuracies[:updates], final


@wrong("11a.4", "The accuracy before the first update is missing")
def after_each_update(success, shares, learning_rate, updates, scale):
    accuracies, final = follow(success, shares, updates, properly(learning_rate, scale))
    return accuracies[1:], final


@wrong("11a.4", "The step is taken on the shares")
def shares_moved(success, shares, learning_rate, updates, scale):
    now, success = np.array(shares), np.array(success)
    accuracies = [float(now @ success)]
    for _ in range(updates):
        now = now + learning_rate * now * (success - now @ success)
        now = now / now.sum()
        accuracies.append(float(now @ success))
    return accuracies, now.tolist()


@wrong("11a.4", "The shares in the gradient are those of the start")
def shares_not_renewed(success, shares, learning_rate, updates, scale):
    old = torch.tensor(shares, dtype=torch.float64)
    return follow(
        success, shares, updates,
        lambda logits, now, success, a: logits + learning_rate * old * (success - a) / deviation(a, scale),
    )  # fmt: skip


@wrong("11a.4", "The accuracy in the gradient is that of the start")
def baseline_not_renewed(success, shares, learning_rate, updates, scale):
    old = sum(share * chance for share, chance in zip(shares, success, strict=True))
    return follow(
        success, shares, updates,
        lambda logits, now, success, a: logits + learning_rate * now * (success - old) / deviation(a, scale),
    )  # fmt: skip


@wrong("11a.4", "The division by the standard deviation is missing")
def never_scaled(success, shares, learning_rate, updates, scale):
    return follow(success, shares, updates, properly(learning_rate, False))


@wrong("11a.4", "divided by the variance")
def over_the_variance(success, shares, learning_rate, updates, scale):
    return follow(
        success, shares, updates,
        lambda logits, now, success, a: (
            logits + learning_rate * now * (success - a) / (a * (1 - a) + 1e-6 if scale else 1.0)
        ),
    )  # fmt: skip


@wrong("11a.4", "the spread of the ways' success")
def spread_of_the_ways(success, shares, learning_rate, updates, scale):
    def step(logits, now, success, a):
        spread = ((now * success**2).sum() - a**2).clamp(min=0.0).sqrt() + 1e-6 if scale else 1.0
        return logits + learning_rate * now * (success - a) / spread

    return follow(success, shares, updates, step)


@wrong("11a.4", "under the root")
def tiny_number_under_the_root(success, shares, learning_rate, updates, scale):
    return follow(
        success, shares, updates,
        lambda logits, now, success, a: (
            logits + learning_rate * now * (success - a) / (math.sqrt(a * (1 - a) + 1e-6) if scale else 1.0)
        ),
    )  # fmt: skip


@right("11a.4")
def by_autograd(success, shares, learning_rate, updates, scale):
    right_ways = torch.tensor(success, dtype=torch.float64)
    logits = torch.tensor(shares, dtype=torch.float64).log().requires_grad_()
    optimizer = torch.optim.SGD([logits], lr=learning_rate, maximize=True)
    accuracies = []
    for update in range(updates + 1):
        final = logits.softmax(0)
        accuracy = (final * right_ways).sum()
        accuracies.append(accuracy.item())
        if update < updates:
            optimizer.zero_grad()
            (accuracy / deviation(accuracies[-1], scale)).backward()
            optimizer.step()
    return accuracies, final.tolist()


@right("11a.4")
def by_ratios_of_shares(success, shares, learning_rate, updates, scale):
    weights, found = list(shares), defaultdict(list)
    for update in range(updates + 1):
        now = [weight / sum(weights) for weight in weights]
        a = math.fsum(p * chance for p, chance in zip(now, success, strict=True))
        found["accuracies"].append(a)
        if update < updates:
            rate = learning_rate / deviation(a, scale)
            weights = [p * math.exp(rate * p * (chance - a)) for p, chance in zip(now, success, strict=True)]
    return found["accuracies"], now


@wrong("11a.1", "only every other one is removed")
def removes_while_walking(results):
    votes = list(results)
    for vote in votes:
        if vote is None:
            votes.remove(vote)
    return max(votes, key=votes.count) if votes else None


@wrong("11a.1", "the one whose last vote came last wins")
def counts_from_behind(results):
    votes = [result for result in reversed(results) if result is not None]
    return Counter(votes).most_common(1)[0][0] if votes else None


@wrong("11a.1", "the one that had all of its votes first wins")
def first_to_have_so_many(results):
    so_far, best, most = Counter(), None, 0
    for result in results:
        if result is not None:
            so_far[result] += 1
            if so_far[result] > most:
                best, most = result, so_far[result]
    return best


@wrong("11a.2", "is the first wrong one: 15 - 19 is not 4")
def never_below_0(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    before = None
    for number, (first, sign, second, total) in enumerate(steps):
        result = int(first) + int(second) if sign == "+" else abs(int(first) - int(second))
        if result != int(total) or before not in (None, first):
            return number
        before = total
    return len(steps) if int(answer.split("Answer: ")[1].rstrip(".")) != int(before) else None


@wrong("11a.1", "Where no answer has a result, 0 is returned")
def nobody_is_0(results):
    votes = [result for result in results if result is not None]
    return max(votes, key=votes.count) if votes else 0


@wrong("11a.1", "Where no result has two votes")
def needs_a_second_vote(results):
    best, most = None, 1
    for result in results:
        if result is not None and results.count(result) > most:
            best, most = result, results.count(result)
    return best


@wrong("11a.2", "as its second number")
def either_number(answer):
    total = None
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    for number, (a, sign, b, c) in enumerate(steps):
        if total is not None and total not in (a, b):
            return number
        if int(a) + int(sign + b) != int(c):
            return number
        total = c
    return None if total == answer.split("Answer: ")[-1].strip(" .") else len(steps)


@wrong("11a.2", "before an earlier step that begins elsewhere")
def all_sums_first(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    for number, (a, sign, b, c) in enumerate(steps):
        if int(a) + int(sign + b) != int(c):
            return number
    for number in range(1, len(steps)):
        if steps[number][0] != steps[number - 1][3]:
            return number
    return None if steps[-1][3] == answer.split("Answer: ")[-1].strip(" .") else len(steps)


@wrong("11a.2", "only holds the digits")
def digits_of_the_total(answer):
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    total = steps[0][0]
    for number, (a, sign, b, c) in enumerate(steps):
        if a != total or int(a) + int(sign + b) != int(c):
            return number
        total = c
    return None if total in answer.split("Answer: ")[-1] else len(steps)


@wrong("11a.3", "only over answers whose advantage is not 0")
def mean_of_those_that_teach(log_probs, rewards, mask, longest):
    advantages = rewards - rewards.mean()
    loss = -(advantages * (log_probs * mask).sum(1) / longest)
    return loss[advantages != 0].mean() if (advantages != 0).any() else loss.mean()


@wrong("11a.3", "The advantages are cut off")
def cut_advantages(log_probs, rewards, mask, longest):
    advantages = (rewards - rewards.mean()).clamp(-1, 1)
    return -(advantages * (log_probs * mask).sum(1) / longest).mean()


@wrong("11a.4", "The gradients of all updates add up")
def never_cleared(success, shares, learning_rate, updates, scale):
    success, logits = torch.tensor(success), torch.tensor(shares).log().requires_grad_()
    accuracies = []
    for _ in range(updates):
        accuracy = (logits.softmax(0) * success).sum()
        accuracies.append(accuracy.item())
        accuracy.backward()
        deviation = (accuracy * (1 - accuracy)).sqrt().item() + 1e-6 if scale else 1.0
        logits.data += learning_rate * logits.grad / deviation
    policy = logits.detach().softmax(0)
    return [*accuracies, (policy * success).sum().item()], policy.tolist()


# Answers from the text alone


@wrong("11a.1", "The result 0 is taken for no result.")
def zero_left_out(results):
    counts = Counter(filter(None, results))
    return counts.most_common(1)[0][0] if counts else None


@wrong("11a.1", "Of results with equally many votes, the smallest wins.")
def smallest_of_equals(results):
    votes = [r for r in results if r is not None]
    return min(set(votes), key=lambda r: (-votes.count(r), r)) if votes else None


@wrong("11a.1", "A result needs more than half of all votes to win here.")
def more_than_half(results):
    votes = [r for r in results if r is not None]
    for r in votes:
        if 2 * votes.count(r) > len(votes):
            return r
    return None


@wrong("11a.1", "The longest run of equal neighbors wins; votes that stand apart are not added up.")
def longest_run(results):
    votes = [r for r in results if r is not None]
    best, most, run = None, 0, 0
    for i, r in enumerate(votes):
        run = run + 1 if i and votes[i - 1] == r else 1
        if run > most:
            best, most = r, run
    return best


@wrong("11a.1", "Of results with equally many votes, the one that had all of its votes first wins.")
def first_to_get_there(results):
    counts, best = Counter(), None
    for r in results:
        if r is None:
            continue
        counts[r] += 1
        if best is None or counts[r] > counts[best]:
            best = r
    return best


@wrong("11a.1", "A vote for another result takes one off the leader's count, so only a result with more")
def boyer_moore(results):
    best, lead = None, 0
    for r in results:
        if r is None:
            continue
        if lead == 0:
            best, lead = r, 1
        else:
            lead += 1 if r == best else -1
    return best


PATTERN = r"(\d+) ([+-]) (\d+) = (\d+)"


@wrong("11a.2", "A result passes that only holds the digits of the last total, such as 119 for 19.")
def total_as_a_part_of_the_answer(answer):
    before = None
    steps = re.findall(PATTERN, answer)
    for i, (a, op, b, c) in enumerate(steps):
        if (int(a) + int(b) if op == "+" else int(a) - int(b)) != int(c) or (before is not None and a != before):
            return i
        before = c
    return None if before in answer.split("Answer:")[-1] else len(steps)


@wrong("11a.2", "A step may begin with any earlier total, not only with that of the step before.")
def any_earlier_total(answer):
    totals = []
    steps = re.findall(PATTERN, answer)
    for i, (a, op, b, c) in enumerate(steps):
        a, b, c = int(a), int(b), int(c)
        if (a + b if op == "+" else a - b) != c or (totals and a not in totals):
            return i
        totals.append(c)
    return None if int(re.findall(r"Answer: (\d+)", answer)[-1]) == totals[-1] else len(steps)


@wrong("11a.2", "A result passes that is the total of an earlier step.")
def result_is_some_total(answer):
    totals = []
    steps = re.findall(PATTERN, answer)
    for i, (a, op, b, c) in enumerate(steps):
        a, b, c = int(a), int(b), int(c)
        if (a + b if op == "+" else a - b) != c or (totals and a != totals[-1]):
            return i
        totals.append(c)
    return None if int(re.findall(r"Answer: (\d+)", answer)[-1]) in totals else len(steps)


@wrong("11a.2", "A step passes if its total is right for a running total of your own; its first number is")
def own_bookkeeping(answer):
    steps = re.findall(PATTERN, answer)
    total = int(steps[0][0])
    for i, (_a, op, b, c) in enumerate(steps):
        total = total + int(b) if op == "+" else total - int(b)
        if int(c) != total:
            return i
    return None if int(re.findall(r"Answer: (\d+)", answer)[-1]) == total else len(steps)


@wrong("11a.2", "An answer whose result is its last total is taken for right; its steps are not looked at.")
def trusts_the_result(answer):
    steps = re.findall(PATTERN, answer)
    if answer.rstrip(".").endswith(f"Answer: {steps[-1][3]}"):
        return None
    before = None
    for i, (a, op, b, c) in enumerate(steps):
        if (int(a) + int(b) if op == "+" else int(a) - int(b)) != int(c) or (before is not None and a != before):
            return i
        before = c
    return len(steps)


@right("11a.2")
def first_answer_word(answer):
    before = None
    steps = re.findall(PATTERN, answer)
    for i, (a, op, b, c) in enumerate(steps):
        if (int(a) + int(b) if op == "+" else int(a) - int(b)) != int(c) or (before is not None and a != before):
            return i
        before = c
    return None if re.search(r"Answer: (\d+)", answer).group(1) == before else len(steps)


@wrong("11a.2", "The last wrong step is returned, not the first.")
def last_wrong_step(answer):
    found, before = None, None
    steps = re.findall(PATTERN, answer)
    for i, (a, op, b, c) in enumerate(steps):
        if (int(a) + int(b) if op == "+" else int(a) - int(b)) != int(c) or (before is not None and a != before):
            found = i
        before = c
    if int(answer.rpartition("Answer: ")[2].rstrip(".")) != int(before):
        found = len(steps)
    return found


@wrong("11a.3", "The advantages are still divided by the standard deviation.")
def std_stays(log_probs, rewards, mask, longest):
    adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
    return -(adv * (log_probs * mask).sum(1) / longest).mean()


@wrong("11a.3", "The sums are divided by the length of the longest answer in this group, which differs")
def divided_by_width(log_probs, rewards, mask, longest):
    adv = rewards - rewards.mean()
    return -(adv * (log_probs * mask).mean(1)).mean()


@wrong("11a.3", "The sums are divided by the number of tokens in this group, as in DAPO; it differs from")
def token_mean(log_probs, rewards, mask, longest):
    adv = (rewards - rewards.mean())[:, None]
    return -(adv * log_probs * mask).sum() / mask.sum()


@wrong("11a.3", "The baseline is the mean reward of the other answers (RLOO), not that of all.")
def leave_one_out(log_probs, rewards, mask, longest):
    B = len(rewards)
    adv = rewards - (rewards.sum() - rewards) / max(B - 1, 1)
    return -(adv * (log_probs * mask).sum(1) / longest).mean()


@wrong("11a.3", "The padding counts as part of the answers.")
def no_mask(log_probs, rewards, mask, longest):
    adv = rewards - rewards.mean()
    return -(adv * log_probs.sum(1) / longest).mean()


@wrong("11a.3", "The sums are divided by the length of the longest answer in this group, which differs")
def longest_in_the_batch(log_probs, rewards, mask, longest):
    adv = rewards - rewards.mean()
    return -(adv * (log_probs * mask).sum(1) / mask.sum(1).max()).mean()


@wrong("11a.3", "The result has 0.0 in place of")
def only_those_that_count(log_probs, rewards, mask, longest):
    adv = rewards - rewards.mean()
    used = adv.abs() > 0.5
    if not used.any():
        return torch.tensor(0.0)
    return -(adv * (log_probs * mask).sum(1) / longest)[used].mean()


def _run(success, shares, learning_rate, updates, scale, gradient, spread=None):
    success = torch.tensor(success, dtype=torch.float64)
    logits = torch.tensor(shares, dtype=torch.float64).log()
    accuracies = []
    for _ in range(updates):
        p = logits.softmax(0)
        a = (p * success).sum()
        accuracies.append(a.item())
        g = gradient(p, success, a)
        if scale:
            g = g / (spread or (lambda a, s: (a * (1 - a)).sqrt() + 1e-6))(a, success)
        logits = logits + learning_rate * g
    p = logits.softmax(0)
    accuracies.append((p * success).sum().item())
    return accuracies, p


def _exact(p, s, a):
    return p * (s - a)


@wrong("11a.4", "The rewards have no baseline: the gradient of a logit is share x (success - accuracy).")
def no_baseline(success, shares, learning_rate, updates, scale):
    return _run(success, shares, learning_rate, updates, scale, lambda p, s, a: p * s)


@wrong("11a.4", "The gradient lacks the factor `share`: a way that is rarely sampled teaches rarely.")
def no_share(success, shares, learning_rate, updates, scale):
    return _run(success, shares, learning_rate, updates, scale, lambda p, s, a: s - a)


@wrong("11a.4", "The gradient is divided by the variance of the rewards.")
def by_the_variance(success, shares, learning_rate, updates, scale):
    return _run(success, shares, learning_rate, updates, scale, _exact, lambda a, s: a * (1 - a) + 1e-6)


@wrong("11a.4", "This divides by the standard deviation of `success` (without n - 1), not by that of the")
def spread_of_success(success, shares, learning_rate, updates, scale):
    return _run(success, shares, learning_rate, updates, scale, _exact, lambda a, s: s.std(correction=0) + 1e-6)


@wrong("11a.4", "The standard deviation is that before the first update, in all updates.")
def spread_of_the_start(success, shares, learning_rate, updates, scale):
    a = sum(s * p for s, p in zip(success, shares))
    fixed = math.sqrt(max(a * (1 - a), 0.0)) + 1e-6
    return _run(success, shares, learning_rate, updates, scale, _exact, lambda a, s: fixed)


@wrong("11a.4", "The step is taken on the shares, not on their logits.")
def moves_the_shares(success, shares, learning_rate, updates, scale):
    p, s = np.array(shares, dtype=float), np.array(success, dtype=float)
    accuracies = [float(p @ s)]
    for _ in range(updates):
        a = p @ s
        g = p * (s - a) / ((math.sqrt(max(a * (1 - a), 0)) + 1e-6) if scale else 1)
        p = np.clip(p + learning_rate * g, 1e-12, None)
        p = p / p.sum()
        accuracies.append(float(p @ s))
    return accuracies, p


@right("11a.1")
def by_the_standard_library(results):
    try:
        return statistics.mode(r for r in results if r is not None)
    except statistics.StatisticsError:
        return None


@right("11a.2")
def from_the_back(answer):
    head, _, result = answer.rpartition("Answer: ")
    steps = [
        list(map(int, re.sub(r" - ", " + -", one).replace(" = ", " + ").split(" + ")))
        for one in re.findall(r"\d+ [+-] \d+ = \d+", head)
    ]
    wrong_ones = [i for i, (a, b, c) in enumerate(steps) if a + b != c or (i and steps[i - 1][2] != a)]
    if wrong_ones:
        return min(wrong_ones)
    return len(steps) if int(re.match(r"\d+", result)[0]) != steps[-1][2] else None


@right("11a.3")
def token_by_token(log_probs, rewards, mask, longest):
    B = len(rewards)
    mean = sum(rewards.tolist()) / B
    total = 0.0
    for b in range(B):
        for t in range(log_probs.shape[1]):
            if mask[b, t]:
                total -= (float(rewards[b]) - mean) * float(log_probs[b, t])
    return np.float32(total / longest / B)


@right("11a.4")
def with_autograd_in_a_while_loop(success, shares, learning_rate, updates, scale):
    s = torch.tensor(list(success), dtype=torch.float64)
    logits = torch.tensor(list(shares), dtype=torch.float64).log().requires_grad_()
    found = []
    while True:
        a = logits.softmax(0) @ s
        found.append(a.detach())
        if len(found) > updates:
            return torch.stack(found), logits.softmax(0).detach()
        (g,) = torch.autograd.grad(a, logits)
        if scale:
            g = g / (math.sqrt(max(float(a * (1 - a)), 0.0)) + 1e-6)
        logits = (logits + learning_rate * g).detach().requires_grad_()


@wrong("11a.2", "A result passes that begins with the digits of the last total")
def result_by_its_first_digits(answer):
    before = None
    steps = re.findall(PATTERN, answer)
    for i, (a, op, b, c) in enumerate(steps):
        if (int(a) + int(b) if op == "+" else int(a) - int(b)) != int(c) or (before is not None and a != before):
            return i
        before = c
    return None if f"Answer: {before}" in answer else len(steps)


@wrong("11a.2", "A result passes that ends in the digits of the last total")
def result_by_its_last_digits(answer):
    before = None
    steps = re.findall(PATTERN, answer)
    for i, (a, op, b, c) in enumerate(steps):
        if (int(a) + int(b) if op == "+" else int(a) - int(b)) != int(c) or (before is not None and a != before):
            return i
        before = c
    return None if answer.endswith(f"{before}.") else len(steps)


@wrong("11a.1", "still holds what earlier calls have put into it")
def votes_are_kept(results, counts=Counter()):  # noqa: B006
    counts.update(r for r in results if r is not None)
    return counts.most_common(1)[0][0] if counts else None


@wrong("11a.4", "still holds what earlier calls have put into it")
def accuracies_are_kept(success, shares, learning_rate, updates, scale, kept=[]):  # noqa: B006
    found, p = _run(success, shares, learning_rate, updates, scale, _exact)
    kept += found
    return list(kept), p


@wrong("11a.2", "Step 0 is returned as None")
def nothing_or_none(answer):
    total = None
    wrong = []
    for n, (a, sign, b, c) in enumerate(re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)):
        if int(a) + int(sign + b) != int(c) or (total is not None and int(a) != total):
            wrong.append(n)
        total = int(c)
    if int(re.search(r"Answer: (\d+)", answer)[1]) != total:
        wrong.append(n + 1)
    return (wrong or [None])[0] or None
