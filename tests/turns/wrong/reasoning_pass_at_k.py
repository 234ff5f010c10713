"""Wrong answers to the turn 11a.pass_at_k, as learners write them."""

import itertools
import math
import statistics

import numpy as np
import torch
from turn_answers import wrong


# wrong: It draws with replacement.
@wrong("11a.pass_at_k", "This is 1 - (1 - c/n)^k")
class WithReplacement:
    def pass_at_k(n, c, k):
        return 1 - (1 - c / n) ** k


# wrong: It draws with replacement, as a binomial sum.
@wrong("11a.pass_at_k", "This is 1 - (1 - c/n)^k")
class BinomialSum:
    def pass_at_k(n, c, k):
        p = c / n
        total = 0.0
        for i in range(1, k + 1):
            total += math.comb(k, i) * p**i * (1 - p) ** (k - i)
        return total


# wrong: Log-gamma without a guard crashes when k > n - c.
@wrong("11a.pass_at_k", "`pass_at_k` raised ValueError")
class LogGammaNoGuard:
    def pass_at_k(n, c, k):
        def log_comb(a, b):
            return math.lgamma(a + 1) - math.lgamma(b + 1) - math.lgamma(a - b + 1)

        return 1 - math.exp(log_comb(n - c, k) - log_comb(n, k))


# wrong: It divides the binomials as integers, so the share is cut to 0 or 1.
@wrong("11a.pass_at_k", "")
class IntegerDivision:
    def pass_at_k(n, c, k):
        return 1.0 - math.comb(n - c, k) // math.comb(n, k)


# wrong: It ignores k and returns the share of right answers.
@wrong("11a.pass_at_k", "This is pass@1")
class ShareOfRight:
    def pass_at_k(n, c, k):
        if k > n:
            raise ValueError("k must not exceed n")
        return c / n


# wrong: It adds the chances of the k draws as if they could not both hit.
@wrong("11a.pass_at_k", "The probability c/n is multiplied by k")
class AddsTheChances:
    def pass_at_k(n, c, k):
        return min(1.0, k * c / n)


# wrong: It computes the probability that all k are right.
@wrong("11a.pass_at_k", "This is the probability that all k answers are right")
class AllRight:
    def pass_at_k(n, c, k):
        if c < k:
            return 0.0
        return math.comb(c, k) / math.comb(n, k)


# wrong: It returns the probability that none is right and forgets the complement.
@wrong("11a.pass_at_k", "This is the probability that no answer is right")
class ForgotComplement:
    def pass_at_k(n, c, k):
        p = 1.0
        for i in range(k):
            p *= max(0, n - c - i) / (n - i)
        return p


# wrong: It uses the right answers instead of the wrong ones in the numerator.
@wrong("11a.pass_at_k", "This is one minus the probability that all k answers are right")
class RightInsteadOfWrong:
    def pass_at_k(n, c, k):
        return 1 - math.comb(c, k) / math.comb(n, k)


# wrong: It simulates a hundred random draws, so it is only roughly right.
@wrong("11a.pass_at_k", "")
class MonteCarlo:
    def pass_at_k(n, c, k):
        answers = np.array([1] * c + [0] * (n - c))
        hits = 0
        for _ in range(100):
            draw = np.random.choice(answers, size=k, replace=False)
            if draw.sum() > 0:
                hits += 1
        return hits / 100


# wrong: Its range starts one too low, at n - c instead of n - c + 1.
@wrong("11a.pass_at_k", "The product of the factors 1 - k / i begins one i too early")
class ArangeStartsOneLow:
    def pass_at_k(n, c, k):
        if n - c < k:
            return 1.0
        return float(1.0 - np.prod(1.0 - k / np.arange(n - c, n + 1)))


# wrong: Its range ends one too early and leaves out n.
@wrong("11a.pass_at_k", "")
class ArangeEndsOneEarly:
    def pass_at_k(n, c, k):
        if n - c < k:
            return 1.0
        return float(1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n)))


# wrong: Its loop counts from 1, so the first factor is already one short.
@wrong("11a.pass_at_k", "")
class LoopFromOne:
    def pass_at_k(n, c, k):
        p = 1.0
        for i in range(1, k + 1):
            if n - i <= 0:
                break
            p = p * max(n - c - i, 0) / (n - i)
        return 1 - p


# wrong: Its loop makes one draw too few.
@wrong("11a.pass_at_k", "")
class OneDrawTooFew:
    def pass_at_k(n, c, k):
        all_wrong = 1
        for i in range(k - 1):
            all_wrong *= (n - c - i) / (n - i)
        return 1 - all_wrong


# wrong: It returns 0 instead of 1 when there are fewer wrong answers than draws.
@wrong("11a.pass_at_k", "")
class GuardReturnsZero:
    def pass_at_k(n, c, k):
        if n - c < k:
            return 0.0
        return 1 - math.comb(n - c, k) / math.comb(n, k)


# wrong: Its guard also covers n - c == k, where one draw is all wrong.
@wrong("11a.pass_at_k", "")
class GuardTooWide:
    def pass_at_k(n, c, k):
        if n - c <= k:
            return 1.0
        return 1.0 - math.prod((n - c - i) / (n - i) for i in range(k))


# wrong: It takes the drawn answer out of the wrong ones but not out of all.
@wrong("11a.pass_at_k", "A wrong answer that was drawn still counts among all n answers in the")
class DenominatorStays:
    def pass_at_k(n, c, k):
        p = 1.0
        for i in range(k):
            p *= max(n - c - i, 0) / n
        return 1 - p


# wrong: It takes the drawn answer out of all but not out of the wrong ones.
@wrong("11a.pass_at_k", "")
class NumeratorStays:
    def pass_at_k(n, c, k):
        miss = 1.0
        for i in range(k):
            miss *= (n - c) / (n - i)
        return 1 - miss


# wrong: It computes the probability of exactly one right answer instead of at least one.
@wrong("11a.pass_at_k", "This is the probability that exactly one of the k answers is right")
class ExactlyOne:
    def pass_at_k(n, c, k):
        return c * math.comb(n - c, k - 1) / math.comb(n, k)


# wrong: It mistakes pass@k for the probability that k independent answers are all right.
@wrong("11a.pass_at_k", "")
class PowerOfShare:
    def pass_at_k(n, c, k):
        p = c / n
        result = 1.0
        for _ in range(k):
            result = result * p
        return result


# wrong: It prints the probability and returns None.
@wrong("11a.pass_at_k", "`pass_at_k` returned None")
class PrintsIt:
    def pass_at_k(n, c, k):
        p = 1 - math.comb(n - c, k) / math.comb(n, k)
        print(f"pass@{k} = {p:.3f}")


# wrong: It returns the list of pass@1 to pass@k.
@wrong("11a.pass_at_k", "")
class ListForAllK:
    def pass_at_k(n, c, k):
        return [1 - math.comb(n - c, j) / math.comb(n, j) for j in range(1, k + 1)]


# wrong: It returns percent.
@wrong("11a.pass_at_k", "The result is in percent")
class Percent:
    def pass_at_k(n, c, k):
        return 100 * (1 - math.comb(n - c, k) / math.comb(n, k))


# wrong: Its own binomial takes the factorial of a negative number when k > n - c.
@wrong("11a.pass_at_k", "`pass_at_k` raised ValueError")
class NegativeFactorial:
    def pass_at_k(n, c, k):
        def choose(a, b):
            return math.factorial(a) // (math.factorial(b) * math.factorial(a - b))

        return 1 - choose(n - c, k) / choose(n, k)


# wrong: Its factorials in 64-bit integers overflow for n above 20.
@wrong("11a.pass_at_k", "")
class OverflowingFactorials:
    def pass_at_k(n, c, k):
        def factorial(m):
            return np.prod(np.arange(1, m + 1, dtype=np.int64))

        def choose(a, b):
            if b > a:
                return 0.0
            return factorial(a) / (factorial(b) * factorial(a - b))

        with np.errstate(all="ignore"):
            return float(1 - choose(n - c, k) / choose(n, k))


# wrong: Its float factorials overflow with an error for n above 170.
@wrong("11a.pass_at_k", "`pass_at_k` raised OverflowError")
class FloatFactorials:
    def pass_at_k(n, c, k):
        if k > n - c:
            return 1.0
        f = lambda m: float(math.factorial(m))
        return 1 - f(n - c) * f(n - k) / f(n - c - k) / f(n)


# wrong: It uses comb without importing it.
@wrong("11a.pass_at_k", "`pass_at_k` raised NameError")
class CombNotImported:
    def pass_at_k(n, c, k):
        if n - c < k:
            return 1.0
        return 1.0 - comb(n - c, k) / comb(n, k)


# wrong: It returns None when no answer is right.
@wrong("11a.pass_at_k", "")
class NoneWithoutRight:
    def pass_at_k(n, c, k):
        if c > 0:
            if n - c < k:
                return 1.0
            return 1 - math.comb(n - c, k) / math.comb(n, k)


# wrong: It caches by n and c and forgets k.
@wrong("11a.pass_at_k", "")
class CacheForgetsK:
    def pass_at_k(n, c, k, _memo={}):
        key = (n, c)
        if key in _memo:
            return _memo[key]
        _memo[key] = 1 - math.comb(n - c, k) / math.comb(n, k)
        return _memo[key]


# wrong: It counts only neighbouring answers as draws, a window that slides over the list.
@wrong("11a.pass_at_k", "")
class SlidingWindows:
    def pass_at_k(n, c, k):
        answers = [True] * c + [False] * (n - c)
        good = 0
        windows = n - k + 1
        for start in range(windows):
            if any(answers[start : start + k]):
                good += 1
        return good / windows


# wrong: It cuts the answers into disjoint groups of k rather than count all draws.
@wrong("11a.pass_at_k", "")
class DisjointGroups:
    def pass_at_k(n, c, k):
        answers = [1] * c + [0] * (n - c)
        groups = [answers[i : i + k] for i in range(0, n, k)]
        return statistics.mean(float(max(g)) for g in groups)


# wrong: It looks at the first k answers only and says whether one is right.
@wrong("11a.pass_at_k", "")
class FirstKOnly:
    def pass_at_k(n, c, k):
        answers = np.zeros(n)
        answers[n - c :] = 1
        return float(answers[:k].any())


# wrong: It rounds to two decimals.
@wrong("11a.pass_at_k", "")
class RoundsToTwoDecimals:
    def pass_at_k(n, c, k):
        return round(1 - math.comb(n - c, k) / math.comb(n, k), 2)


# wrong: In its recursion a wrong draw takes a right answer out.
@wrong("11a.pass_at_k", "")
class TakesOutTheWrongKind:
    def pass_at_k(n, c, k):
        def p(n, c, k):
            if k == 0 or c <= 0:
                return 0.0
            return c / n + (1 - c / n) * p(n - 1, c - 1, k - 1)

        return p(n, c, k)


# wrong: It takes logs of zero and of negative numbers when k > n - c and returns nan.
@wrong("11a.pass_at_k", "")
class LogsOfNegativeNumbers:
    def pass_at_k(n, c, k):
        i = np.arange(k)
        with np.errstate(all="ignore"):
            return float(1 - np.exp(np.sum(np.log(n - c - i) - np.log(n - i))))


# wrong: It demands at least k right answers by an assertion.
@wrong("11a.pass_at_k", "`pass_at_k` raised AssertionError")
class AssertsTooMuch:
    def pass_at_k(n, c, k):
        assert k <= c <= n, "not enough right answers"
        return 1.0 - math.comb(n - c, k) / math.comb(n, k)


# wrong: It says only whether any answer is right at all.
@wrong("11a.pass_at_k", "")
class AnyRightAtAll:
    def pass_at_k(n, c, k):
        return 1.0 if c >= 1 else 0.0


# wrong: It writes ^ for the power, which crashes on floats.
@wrong("11a.pass_at_k", "`pass_at_k` raised TypeError")
class CaretForPower:
    def pass_at_k(n, c, k):
        p_wrong = (n - c) / n
        return 1 - p_wrong ^ k


# wrong: It counts ordered draws above and unordered draws below.
@wrong("11a.pass_at_k", "")
class OrderedOverUnordered:
    def pass_at_k(n, c, k):
        none = math.perm(n - c, k) / math.comb(n, k)
        return max(0.0, 1 - none)


# wrong: It counts draws in which the same answer may come twice, as multisets.
@wrong("11a.pass_at_k", "")
class Multisets:
    def pass_at_k(n, c, k):
        def multichoose(m, r):
            return math.comb(m + r - 1, r)

        if c == n:
            return 1.0
        return 1 - multichoose(n - c, k) / multichoose(n, k)


# wrong: It stops the sum over the number of right ones one too early.
@wrong("11a.pass_at_k", "")
class SumStopsBeforeK:
    def pass_at_k(n, c, k):
        s = 0
        for right in range(1, k):
            s += math.comb(c, right) * math.comb(n - c, k - right)
        return s / math.comb(n, k)


# wrong: It starts the sum at zero right ones and always gets 1.
@wrong("11a.pass_at_k", "")
class SumStartsAtZero:
    def pass_at_k(n, c, k):
        s = 0
        for right in range(k + 1):
            s += math.comb(c, right) * math.comb(n - c, k - right)
        return s / math.comb(n, k)


# wrong: It sums to the smaller of c and k without including it.
@wrong("11a.pass_at_k", "")
class SumStopsBeforeMin:
    def pass_at_k(n, c, k):
        ways = [math.comb(c, i) * math.comb(n - c, k - i) for i in range(1, min(c, k))]
        return sum(ways) / math.comb(n, k)


# wrong: It smooths the share of right answers as if it needed a prior.
@wrong("11a.pass_at_k", "")
class LaplaceSmoothing:
    def pass_at_k(n, c, k):
        p = (c + 1) / (n + 2)
        return 1 - (1 - p) ** k


# wrong: It handles k = 1 and k = n exactly and takes replacement for all between.
@wrong("11a.pass_at_k", "This is 1 - (1 - c/n)^k")
class ExactAtTheEndsOnly:
    def pass_at_k(n, c, k):
        if k == 1:
            return c / n
        if k == n:
            return float(c > 0)
        return 1 - math.pow(1 - c / n, k)


# wrong: It returns a text.
@wrong("11a.pass_at_k", "")
class ReturnsText:
    def pass_at_k(n, c, k):
        p = 1 - math.comb(n - c, k) / math.comb(n, k)
        return f"{p:.6f}"


# wrong: It takes c for the number of wrong answers.
@wrong("11a.pass_at_k", "This is one minus the probability that all k answers are right")
class CMeansWrong:
    def pass_at_k(n, c, k):
        if c < k:
            return 1.0
        p = 1.0
        for i in range(k):
            p *= (c - i) / (n - i)
        return 1.0 - p


# wrong: It mixes up n and k in the number of all draws and divides by zero.
@wrong("11a.pass_at_k", "`pass_at_k` raised ZeroDivisionError")
class SwappedCombArguments:
    def pass_at_k(n, c, k):
        return 1 - math.comb(k, n - c) / math.comb(k, n)


# wrong: It returns a tensor with one entry per draw rather than their product.
@wrong("11a.pass_at_k", "")
class CumulativeTensor:
    def pass_at_k(n, c, k):
        i = torch.arange(k, dtype=torch.float64)
        return 1 - torch.cumprod((n - c - i).clamp(min=0) / (n - i), dim=0)


# wrong: It computes the expected number of right answers among the k.
@wrong("11a.pass_at_k", "This is the expected number of right answers among k")
class ExpectedNumber:
    def pass_at_k(n, c, k):
        e = 0.0
        for i in range(k + 1):
            e += i * math.comb(c, i) * math.comb(n - c, k - i) / math.comb(n, k)
        return e


# wrong: It returns inside the loop after the first draw.
@wrong("11a.pass_at_k", "This is pass@1")
class ReturnsAfterFirstDraw:
    def pass_at_k(n, c, k):
        p = 1.0
        for i in range(k):
            p *= (n - c - i) / (n - i)
            return 1 - p


# wrong: The fraction is upside down.
@wrong("11a.pass_at_k", "The fraction is upside down")
class UpsideDown:
    def pass_at_k(n, c, k):
        return 1 - math.comb(n, k) / math.comb(n - c, k)


# wrong: All draws over those that miss, a number above 1.
@wrong("11a.pass_at_k", "is not a probability")
class AboveOne:
    def pass_at_k(n, c, k):
        return math.comb(n, k) / math.comb(n - c, k)


# wrong: It divides whole numbers, so the share of misses is 0.
@wrong("11a.pass_at_k", "The result is 1 here")
class FloorDivision:
    def pass_at_k(n, c, k):
        return 1 - math.comb(n - c, k) // math.comb(n, k)


# wrong: It draws a thousand times.
@wrong("11a.pass_at_k", "is it a simulation?")
class ThousandDraws:
    def pass_at_k(n, c, k):
        answers = np.array([1] * c + [0] * (n - c))
        return float(np.mean([np.random.choice(answers, k, replace=False).any() for _ in range(1000)]))


# wrong: all attempts miss, with each answer put back.
@wrong("11a.pass_at_k", "This is (1 - c/n)^k")
class MissesWithReplacement:
    def pass_at_k(n, c, k):
        return (1 - c / n) ** k


# wrong: The product of Chen et al. begins and ends one too early.
@wrong("11a.pass_at_k", "The product of the factors 1 - k / i begins and ends one i too early")
class ProductShifted:
    def pass_at_k(n, c, k):
        if n - c < k:
            return 1.0
        return 1.0 - np.prod(1.0 - k / np.arange(n - c, n))


# wrong: As many wrong answers are left after each draw.
@wrong("11a.pass_at_k", "still counts among the wrong ones")
class WrongOnesPutBack:
    def pass_at_k(n, c, k):
        missed = 1.0
        for i in range(k):
            missed *= (n - c) / (n - i)
        return 1 - missed


# wrong: It counts the draws from 1.
@wrong("11a.pass_at_k", "The first of the k draws is left out")
class FirstDrawLeftOut:
    def pass_at_k(n, c, k):
        missed = 1.0
        for i in range(1, k):
            missed *= (n - c - i) / (n - i)
        return 1 - missed


# wrong: The sum ends before k right answers.
@wrong("11a.pass_at_k", "The draws in which all k answers are right are left out")
class AllRightLeftOut:
    def pass_at_k(n, c, k):
        return sum(math.comb(c, i) * math.comb(n - c, k - i) for i in range(1, k)) / math.comb(n, k)


# wrong: It sums over draws without a right one, too.
@wrong("11a.pass_at_k", "The result is 1 here, although a draw may miss")
class SumFromZero:
    def pass_at_k(n, c, k):
        return sum(math.comb(c, i) * math.comb(n - c, k - i) for i in range(k + 1)) / math.comb(n, k)


# wrong: It draws two, as the example of the page does.
@wrong("11a.pass_at_k", "This is pass@2, whatever k is")
class AlwaysTwo:
    def pass_at_k(n, c, k):
        return 1 - math.comb(n - c, 2) / math.comb(n, 2)


# wrong: It orders all answers.
@wrong("11a.pass_at_k", "The orders of all answers are counted")
class OrdersOfAll:
    def pass_at_k(n, c, k):
        return 1 - math.factorial(n - c) / math.factorial(n)


# wrong: It returns 0 where no draw can miss.
@wrong("11a.pass_at_k", "Where fewer than k answers are wrong, the result is 0 here")
class GuardWithZero:
    def pass_at_k(n, c, k):
        if n - c < k:
            return 0.0
        return 1 - math.comb(n - c, k) / math.comb(n, k)


# wrong: It refuses where no draw can miss.
@wrong("11a.pass_at_k", "`pass_at_k` raised ValueError: k is too large")
class Refuses:
    def pass_at_k(n, c, k):
        if n - c < k:
            raise ValueError("k is too large")
        return 1 - math.comb(n - c, k) / math.comb(n, k)


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


# wrong: The recursion never ends.
@wrong("11a.pass_at_k", "`pass_at_k` raised ZeroDivisionError")
class RecursionWithoutEnd:
    def pass_at_k(n, c, k):
        def at(n, k):
            return c / n + (1 - c / n) * at(n - 1, k - 1)

        return at(n, k)


# wrong: It lists all draws, of which there are millions.
@wrong("11a.pass_at_k", "`pass_at_k` has not finished")
class ListsAllDraws:
    def pass_at_k(n, c, k):
        answers = [True] * c + [False] * (n - c)
        draws = list(itertools.combinations(answers, k))
        return sum(any(draw) for draw in draws) / len(draws)


# wrong: The counts are of other things, and the result is not a probability.
@wrong("11a.pass_at_k", "-182 is not a probability")
class DrawsOfTheRightOnes:
    def pass_at_k(n, c, k):
        return 1 - math.comb(n, c) / math.comb(n, k)


# wrong: One right answer is drawn, then any others: several right ones count several times.
@wrong("11a.pass_at_k", "This is the expected number of right answers among k")
class OneRightThenAny:
    def pass_at_k(n, c, k):
        return c * math.comb(n - 1, k - 1) / math.comb(n, k)


# wrong: The probability of the first right answer at each attempt, with the answers put back.
@wrong("11a.pass_at_k", "This is 1 - (1 - c/n)^k")
class GeometricSum:
    def pass_at_k(n, c, k):
        return sum((1 - c / n) ** i * c / n for i in range(k))


# wrong: HumanEval's function returns an array, for many problems at once.
@wrong("11a.pass_at_k", "`pass_at_k` returns a numpy array")
class HumanEvalsArray:
    def pass_at_k(n, c, k):
        def estimator(n, c, k):
            if n - c < k:
                return 1.0
            return 1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1))

        return np.array([estimator(int(n), int(c), k)])


# wrong: Draws are counted with their order, and each answer is put back.
@wrong("11a.pass_at_k", "")
class AllSequences:
    def pass_at_k(n, c, k):
        return 1 - math.comb(n - c, k) / n**k
