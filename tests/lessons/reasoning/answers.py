"""Answers to the turns and questions of lesson 11a; `tools/choose_answers.py` chose them."""

import itertools
import math
import re
from statistics import mode

import numpy as np
import torch
from answers import right, wrong


@right("11a.verifier")
class NumpyUnique:
    def verifier(answer, result):
        tail = answer.split("Answer:")[-1]
        u = np.unique(np.array([int(s) for s in re.findall(r"-?\d+", tail)], dtype=np.int64))
        return np.float64(u.size == 1 and u[0] == result)


@right("11a.verifier")
class WhileCutsMarkers:
    def verifier(answer, result):
        while "Answer:" in answer:
            answer = answer[answer.index("Answer:") + 7 :]
        seen = False
        for m in re.finditer(r"-?\d+", answer):
            if int(m.group()) != result:
                return 0.0
            seen = True
        return 1.0 if seen else 0.0


@right("11a.verifier")
class RecursiveSearch:
    def verifier(answer, result):
        def tail(text):
            before, sep, after = text.partition("Answer:")
            return tail(after) if sep else before

        def only(text, seen):
            m = re.search(r"-?\d+", text)
            if m is None:
                return seen
            return int(m.group()) == result and only(text[m.end() :], True)

        return 1.0 if only(tail(answer), False) else 0.0


# wrong: `re.search` finds no marker in a direct answer and returns None.
@wrong("11a.verifier", "`verifier` raised AttributeError: 'NoneType'")
class GroupOfNone:
    def verifier(answer, result):
        return float(int(re.search(r"Answer: (\d+)", answer).group(1)) == result)


# wrong: It wants the number and a period at the very end.
@wrong("11a.verifier", "gets nothing")
class EndsWithAPeriod:
    def verifier(answer, result):
        return 1.0 if answer.endswith(f"{result}.") else 0.0


# wrong: It takes the second piece of a split, which a direct answer lacks.
@wrong("11a.verifier", "`verifier` raised IndexError")
class SecondPiece:
    def verifier(answer, result):
        return float({int(number) for number in re.findall(r"\d+", answer.split("Answer:")[1])} == {result})


# wrong: It takes the last of no numbers.
@wrong("11a.verifier", "`verifier` raised IndexError")
class LastOfNone:
    def verifier(answer, result):
        return float(int(re.findall(r"\d+", answer)[-1]) == result)


# wrong: It lets Python compute the steps.
@wrong("11a.verifier", "`verifier` raised NameError")
class EvaluatesTheSteps:
    def verifier(answer, result):
        return float(eval(answer.split("=")[0]) == result)


# wrong: It looks at the first character after the marker, and there may be none.
@wrong("11a.verifier", "`verifier` raised IndexError: string index out of range")
class FirstCharacter:
    def verifier(answer, result):
        return float(answer.rpartition("Answer:")[2].strip()[0] == str(result))


# wrong: It takes the last word of an answer without words.
@wrong("11a.verifier", "`verifier` raised IndexError")
class LastWord:
    def verifier(answer, result):
        return float(answer.split()[-1].strip(".") == str(result))


# wrong: It looks for a number in a text.
@wrong("11a.verifier", "`verifier` raised TypeError")
class NumberInText:
    def verifier(answer, result):
        return float(result in answer)


# wrong: A reward function of TRL takes lists of answers and of results.
@wrong("11a.verifier", "`verifier` raised TypeError: 'int' object is not iterable")
class ZipsAnswersAndResults:
    def verifier(completions, ground_truth):
        return [1.0 if str(result) in answer else 0.0 for answer, result in zip(completions, ground_truth)]


# wrong: It converts the text with int() and crashes on any word or full stop.
@wrong("11a.verifier", "`verifier` raised ValueError")
class IntCrashesOnWords:
    def verifier(answer, result):
        final = answer.split("Answer:")[-1]
        return 1.0 if int(final) == result else 0.0


# wrong: It looks for numbers in all three pieces at once.
@wrong("11a.verifier", "`verifier` raised TypeError")
class ThreePieces:
    def verifier(answer, result):
        final = answer.rpartition("Answer:")
        return float({int(number) for number in re.findall(r"\d+", final)} == {result})


# wrong: It makes one number of a list.
@wrong("11a.verifier", "`verifier` raised TypeError")
class NumberOfAList:
    def verifier(answer, result):
        numbers = re.findall(r"\d+", answer.rpartition("Answer:")[2])
        return float(int(numbers) == result)


# wrong: It puts a list into a set, not its items.
@wrong("11a.verifier", "`verifier` raised TypeError")
class SetOfAList:
    def verifier(answer, result):
        numbers = re.findall(r"\d+", answer.rpartition("Answer:")[2])
        return float({numbers} == {result})


# wrong: Half a reward for naming the result among others.
@wrong("11a.verifier", "A reward is 0.5 here")
class HalfAReward:
    def verifier(answer, result):
        numbers = {int(number) for number in re.findall(r"\d+", answer.rpartition("Answer:")[2])}
        return 1.0 if numbers == {result} else 0.5 if result in numbers else 0.0


# wrong: The final answer must be the bare number, so a sentence such as "The number is 20." gets 0.0.
# Once taken for another mistake: The number must stand alone: a word or a period beside it is not allowed
@wrong("11a.verifier", "Words beside the number are not allowed.")
class NothingButTheNumber:
    def verifier(answer, result):
        final = answer.split("Answer:")[-1]
        return 1.0 if final.strip().rstrip(".") == str(result) else 0.0


# wrong: It refuses an answer without a number.
@wrong("11a.verifier", "`verifier` raised ValueError: no number")
class RefusesNoNumber:
    def verifier(answer, result):
        numbers = re.findall(r"\d+", answer.rpartition("Answer:")[2])
        if not numbers:
            raise ValueError("no number")
        return float({int(number) for number in numbers} == {result})


# wrong: It indexes the last number and crashes when there is none.
@wrong("11a.verifier", "`verifier` raised IndexError")
class CrashesWithoutNumber:
    def verifier(answer, result):
        tail = answer.split("Answer:")[-1]
        numbers = [int(x) for x in re.findall(r"-?\d+", tail)]
        first = numbers[0]
        for n in numbers:
            if n != first:
                return 0.0
        return 1.0 if first == result else 0.0


@right("11a.policy_gradient")
class Einsum:
    def policy_gradient_loss(log_probs, rewards, mask):
        m = mask.to(log_probs.dtype)
        a = rewards.sub(rewards.mean()).div(rewards.std().add(1e-6))
        return -torch.einsum("b,bt,bt,b->", a, log_probs, m, 1 / m.sum(-1)) / a.numel()


@right("11a.policy_gradient")
class NumpyAdvantages:
    def policy_gradient_loss(log_probs, rewards, mask):
        r = rewards.detach().cpu().numpy()
        adv = torch.from_numpy((r - r.mean()) / (r.std(ddof=1) + 1e-6)).to(log_probs)
        lengths = mask.sum(1, keepdim=True)
        return -((adv[:, None] * log_probs * mask) / lengths).sum(1).mean(0)


@right("11a.policy_gradient")
class AnswerByAnswer:
    def policy_gradient_loss(log_probs, rewards, mask):
        std, mean = torch.std_mean(rewards)
        terms = []
        for b in range(len(rewards)):
            own = torch.masked_select(log_probs[b], mask[b])
            terms.append((mean - rewards[b]) / (std + 1e-6) * own.mean())
        return torch.stack(terms).mean()


# wrong: Indexing with the mask flattens, so there is no second axis.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised IndexError: Dimension out of range")
class FlattenedByTheMask:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(adv * log_probs[mask].mean(dim=1)).mean()


# wrong: It returns the losses of the answers without averaging them.
@wrong("11a.policy_gradient", "The loss must be one number; here it still has one per answer or token")
class ForgotFinalMean:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -adv * (log_probs * mask).sum(1) / mask.sum(1)


# wrong: It copies the advantages of the table.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised RuntimeError")
class AdvantagesOfTheTable:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = torch.tensor([1.5, -0.5, -0.5, -0.5])
        return -(advantages * (log_probs * mask).sum(1) / mask.sum(1)).mean()


# wrong: PPO's ratio needs an older policy.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised NameError")
class RatioToAnOlderPolicy:
    def policy_gradient_loss(log_probs, rewards, mask):
        ratio = torch.exp(log_probs - old_log_probs)  # noqa: F821
        return -(ratio * (rewards - rewards.mean())[:, None] * mask).mean()


# wrong: It takes a global of the page.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised NameError")
class GlobalOfThePage:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(advantages * (log_p * mask).sum(1) / mask.sum(1)).mean()  # noqa: F821


# wrong: Numpy's functions on tensors.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised TypeError")
class NumpyOfTensors:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - np.mean(rewards)) / (np.std(rewards) + 1e-6)
        return -np.mean(advantages * np.sum(log_probs * mask, 1) / np.sum(mask, 1))


# wrong: It forgets to call `mean`.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised TypeError")
class MethodNotCalled:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean) / (rewards.std() + 1e-6)
        return -(advantages * (log_probs * mask).sum(1) / mask.sum(1)).mean()


# wrong: It takes the mean of True and False.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised RuntimeError: mean()")
class MeanOfTheMask:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(advantages * (log_probs * mask).mean(1) / mask.mean(1)).mean()


# wrong: It cuts all answers at once.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised TypeError: only integer tensors")
class CutsByASlice:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(advantages * log_probs[:, : mask.sum(1)].mean(1)).mean()


# wrong: The row of all tokens is cut into answers of one length.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised RuntimeError: shape '[4, -1]'")
class AnswersOfOneLength:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        return -(advantages * log_probs[mask].view(len(rewards), -1).mean(1)).mean()


# wrong: Rewards of -1 and 1 in place of advantages.
@wrong("11a.policy_gradient", "The result has ")
class PlusAndMinusOne:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = torch.where(rewards > 0, 1.0, -1.0)
        return -(advantages * (log_probs * mask).sum(1) / mask.sum(1)).mean()


# wrong: It averages over the answers instead of over the tokens, along the wrong axis.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised RuntimeError")
class WrongAxis:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(dim=0) / mask.sum(dim=0).clamp(min=1)
        return -(adv * mean_lp).mean()


# wrong: It takes a Python float out of the tensor, so no gradient can flow from the loss.
@wrong("11a.policy_gradient", "The result is right")
class ItemLosesGradient:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean().item()


# wrong: groups of eight, whatever came in.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised RuntimeError: shape")
class GroupsOfEight:
    def policy_gradient_loss(log_probs, rewards, mask):
        groups = rewards.view(-1, 8)
        adv = (groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-6)
        return -(adv.view(-1) * (log_probs * mask).sum(1) / mask.sum(1)).mean()


# wrong: It divides by B again after taking the mean.
@wrong("11a.policy_gradient", "The result is the right one divided by `log_probs.shape[")
class DividesByBTwice:
    def policy_gradient_loss(log_probs, rewards, mask):
        B, T = log_probs.shape
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean() / B


# wrong: A whole training step.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised RuntimeError: element 0 of tensors")
class BackwardInside:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        loss = -(advantages * (log_probs * mask).sum(1) / mask.sum(1)).mean()
        loss.backward()
        return loss


# wrong: It asks for the mean along an axis that the rewards do not have.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised IndexError")
class RewardsMeanDimOne:
    def policy_gradient_loss(log_probs, rewards, mask):
        mean = rewards.mean(dim=1, keepdim=True)
        std = rewards.std(dim=1, keepdim=True)
        adv = (rewards - mean) / (std + 1e-6)
        mean_lp = (log_probs * mask).sum(1) / mask.sum(1)
        return -(adv * mean_lp).mean()


# wrong: It always expects four answers.
@wrong("11a.policy_gradient", "`policy_gradient_loss` raised IndexError")
class FourAnswersOnly:
    def policy_gradient_loss(log_probs, rewards, mask):
        adv = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        loss = 0.0
        for b in range(4):
            loss = loss + adv[b] * (log_probs[b] * mask[b]).sum() / mask[b].sum()
        return -loss / 4


@right("11a.pass_at_k")
class StateByStateDynamicProgram:
    def pass_at_k(n, c, k):
        # probability to have seen h right ones after each draw
        p = np.zeros(k + 1)
        p[0] = 1.0
        for drawn in range(k):
            q = np.zeros(k + 1)
            for h in range(drawn + 1):
                if p[h] == 0:
                    continue
                good = max(c - h, 0) / (n - drawn)
                q[h + 1] += p[h] * good
                q[h] += p[h] * (1 - good)
            p = q
        return p[1:].sum()


@right("11a.pass_at_k")
class Recursion:
    def pass_at_k(n, c, k):
        def at(n, k):
            return c / n + (1 - c / n) * at(n - 1, k - 1) if k and c else 0.0

        return at(n, k)


# wrong: It mixes up n and k in the number of all draws and divides by zero.
@wrong("11a.pass_at_k", "`pass_at_k` raised ZeroDivisionError")
class SwappedCombArguments:
    def pass_at_k(n, c, k):
        return 1 - math.comb(k, n - c) / math.comb(k, n)


# wrong: It returns the list of pass@1 to pass@k.
@wrong("11a.pass_at_k", "The result has [")
class ListForAllK:
    def pass_at_k(n, c, k):
        return [1 - math.comb(n - c, j) / math.comb(n, j) for j in range(1, k + 1)]


# wrong: It rounds to two decimals.
@wrong("11a.pass_at_k", "The result is the right one, rounded to two digits after the point.")
class RoundsToTwoDecimals:
    def pass_at_k(n, c, k):
        return round(1 - math.comb(n - c, k) / math.comb(n, k), 2)


# wrong: There are four answers in the example of the page, and here.
@wrong("11a.pass_at_k", "`pass_at_k` raised ValueError: n must be a non-negative integer")
class AlwaysOfFour:
    def pass_at_k(n, c, k):
        return 1 - math.comb(4 - c, k) / math.comb(4, k)


# wrong: The function of the pocket calculator.
@wrong("11a.pass_at_k", "`pass_at_k` raised AttributeError")
class PocketCalculator:
    def pass_at_k(n, c, k):
        return 1 - math.nCr(n - c, k) / math.nCr(n, k)


# wrong: It writes ^ for the power, which crashes on floats.
@wrong("11a.pass_at_k", "`pass_at_k` raised TypeError")
class CaretForPower:
    def pass_at_k(n, c, k):
        p_wrong = (n - c) / n
        return 1 - p_wrong ^ k


# wrong: It uses comb without importing it.
@wrong("11a.pass_at_k", "`pass_at_k` raised NameError")
class CombNotImported:
    def pass_at_k(n, c, k):
        if n - c < k:
            return 1.0
        return 1.0 - comb(n - c, k) / comb(n, k)


# wrong: It refuses where no draw can miss.
@wrong("11a.pass_at_k", "`pass_at_k` raised ValueError: k is too large")
class Refuses:
    def pass_at_k(n, c, k):
        if n - c < k:
            raise ValueError("k is too large")
        return 1 - math.comb(n - c, k) / math.comb(n, k)


# wrong: It lists all draws, of which there are millions.
@wrong("11a.pass_at_k", "`pass_at_k` has not finished")
class ListsAllDraws:
    def pass_at_k(n, c, k):
        answers = [True] * c + [False] * (n - c)
        draws = list(itertools.combinations(answers, k))
        return sum(any(draw) for draw in draws) / len(draws)


# wrong: Log-gamma without a guard crashes when k > n - c.
@wrong("11a.pass_at_k", "`pass_at_k` raised ValueError")
class LogGammaNoGuard:
    def pass_at_k(n, c, k):
        def log_comb(a, b):
            return math.lgamma(a + 1) - math.lgamma(b + 1) - math.lgamma(a - b + 1)

        return 1 - math.exp(log_comb(n - c, k) - log_comb(n, k))


# wrong: Its float factorials overflow with an error for n above 170.
@wrong("11a.pass_at_k", "`pass_at_k` raised OverflowError")
class FloatFactorials:
    def pass_at_k(n, c, k):
        if k > n - c:
            return 1.0
        f = lambda m: float(math.factorial(m))
        return 1 - f(n - c) * f(n - k) / f(n - c - k) / f(n)


# wrong: The recursion never ends.
@wrong("11a.pass_at_k", "`pass_at_k` raised ZeroDivisionError")
class RecursionWithoutEnd:
    def pass_at_k(n, c, k):
        def at(n, k):
            return c / n + (1 - c / n) * at(n - 1, k - 1)

        return at(n, k)


@right("11a.1")
def by_sorting_once(results):
    order = {}
    for result in results:
        if result is not None:
            order[result] = order.get(result, 0) + 1
    return sorted(order, key=lambda result: -order[result])[0] if order else None


@right("11a.1")
def vote_equality_table(results):
    votes = [r for r in results if r is not None]
    if votes == []:
        return None
    table = np.array([[a == b for b in votes] for a in votes])
    return votes[int(np.argmax(table.sum(axis=1)))]


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


@wrong("11a.1", "vote raised StatisticsError")
def statistics_mode(results):
    return mode([result for result in results if result is not None])


@wrong("11a.1", "Where no answer has a result, 0 is returned")
def nobody_is_0(results):
    votes = [result for result in results if result is not None]
    return max(votes, key=votes.count) if votes else 0


@wrong("11a.1", "The result is right, but inside a list of its own. Open the next hint of the")
def vote_multimode(results):
    from statistics import multimode

    winners = multimode([r for r in results if r is not None])
    return winners if winners else None


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


@wrong("11a.2", "first_mistake raised ValueError")
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


@right("11a.3")
def by_einsum(log_probs, rewards, mask, longest):
    weights = (rewards - rewards.mean()) / (len(rewards) * longest)
    return -torch.einsum("bt,bt,b->", log_probs, mask.float(), weights)


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


@wrong("11a.3", "The advantages are cut off")
def cut_advantages(log_probs, rewards, mask, longest):
    advantages = (rewards - rewards.mean()).clamp(-1, 1)
    return -(advantages * (log_probs * mask).sum(1) / longest).mean()


@wrong("11a.3", "fair_loss changed the input that it was given; work on a copy. Open the next")
def rewards_changed(log_probs, rewards, mask, longest):
    rewards -= rewards.mean()
    return -(rewards * (log_probs * mask).sum(dim=1) / longest).mean()


@wrong("11a.3", "The result is ")
def loss_b_by_b(log_probs, rewards, mask, longest):
    advantages = rewards - rewards.mean()
    per_answer = (log_probs * mask).sum(dim=1, keepdim=True) / longest
    return -(advantages * per_answer).mean()


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


@wrong("11a.4", "train raised ZeroDivisionError")
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


@wrong("11a.4", "The result has ")
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
