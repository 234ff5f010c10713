"""Unusual right answers to the turn 11a.pass_at_k, as learners write them."""

import math

import numpy as np
import torch
from turn_answers import right


@right("11a.pass_at_k")
class PlainComb:
    def pass_at_k(n, c, k):
        return 1 - math.comb(n - c, k) / math.comb(n, k)


@right("11a.pass_at_k")
class ProductLoop:
    def pass_at_k(n, c, k):
        """The probability that k of n answers, c of them right, include a right one."""
        none_right = 1.0
        for i in range(k):
            none_right *= max(n - c - i, 0) / (n - i)
        return 1.0 - none_right


@right("11a.pass_at_k")
class NumpyProductWithGuard:
    def pass_at_k(n, c, k):
        if n - c < k:
            return 1.0
        return 1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1))


@right("11a.pass_at_k")
class LogGamma:
    def pass_at_k(n, c, k):
        if k > n - c:
            return 1.0
        lg = math.lgamma
        log_none = lg(n - c + 1) - lg(n - c - k + 1) - lg(n + 1) + lg(n - k + 1)
        return -math.expm1(log_none)


@right("11a.pass_at_k")
class InnerRecursion:
    def pass_at_k(n, c, k):
        def miss(wrong, total, left):
            if left == 0:
                return 1.0
            if wrong == 0:
                return 0.0
            return wrong / total * miss(wrong - 1, total - 1, left - 1)

        return 1.0 - miss(n - c, n, k)


@right("11a.pass_at_k")
class HypergeometricSum:
    def pass_at_k(n, c, k):
        ways = sum(math.comb(c, i) * math.comb(n - c, k - i) for i in range(1, k + 1))
        return ways / math.comb(n, k)


@right("11a.pass_at_k")
class ExactFractions:
    def pass_at_k(n, c, k):
        from fractions import Fraction

        p = Fraction(1)
        for j in range(k):
            p *= Fraction(n - c - j, n - j)
        return float(1 - p)


@right("11a.pass_at_k")
class TorchLgammaTensor:
    def pass_at_k(n, c, k):
        if n - c < k:
            return torch.tensor(1.0, dtype=torch.float64)
        x = torch.tensor([n - c + 1, n - k + 1, n - c - k + 1, n + 1], dtype=torch.float64)
        signs = torch.tensor([1, 1, -1, -1], dtype=torch.float64)
        return 1 - torch.exp((torch.lgamma(x) * signs).sum())


@right("11a.pass_at_k")
class RightOnesAmongTheUndrawn:
    def pass_at_k(n, c, k):
        # all c right ones have to lie among the n - k that are not drawn
        return 1 - math.comb(n - k, c) / math.comb(n, c)


@right("11a.pass_at_k")
class FallingFactorials:
    def pass_at_k(n, c, k):
        return 1 - math.perm(n - c, k) / math.perm(n, k)


@right("11a.pass_at_k")
class FirstRightAtDrawJ:
    def pass_at_k(n, c, k):
        total = 0.0
        still_wrong = 1.0
        for j in range(k):
            remaining = n - j
            p_right = min(1.0, c / remaining)
            total += still_wrong * p_right
            still_wrong *= 1 - p_right
        return total


@right("11a.pass_at_k")
class VerboseBeginner:
    def pass_at_k(n, c, k):
        wrong_answers = n - c
        # if nothing is right we can never succeed
        if c == 0:
            return 0.0
        # if there are fewer wrong ones than draws, one must be right
        if wrong_answers < k:
            return 1.0
        numerator = 1
        denominator = 1
        step = 0
        while step < k:
            numerator = numerator * (wrong_answers - step)
            denominator = denominator * (n - step)
            step = step + 1
        probability_all_wrong = numerator / denominator
        probability = 1 - probability_all_wrong
        return probability


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
class PascalTriangle:
    def pass_at_k(n, c, k):
        row = [1]
        rows = [row]
        for _ in range(n):
            row = [1] + [a + b for a, b in zip(row, row[1:])] + [1]
            rows.append(row)
        bad = rows[n - c][k] if k <= n - c else 0
        return (rows[n][k] - bad) / rows[n][k]


@right("11a.pass_at_k")
class MathProdOneLiner:
    def pass_at_k(n, c, k):
        return 1 - math.prod((n - c - i) / (n - i) for i in range(k))


@right("11a.pass_at_k")
class TorchProdDouble:
    def pass_at_k(n, c, k):
        i = torch.arange(k, dtype=torch.float64)
        return (1 - ((n - c - i).clamp(min=0) / (n - i)).prod()).item()


@right("11a.pass_at_k")
class WithoutGuard:
    def pass_at_k(n, c, k):
        """Where fewer than k are wrong, one factor is 0."""
        return 1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1))


@right("11a.pass_at_k")
class Recursion:
    def pass_at_k(n, c, k):
        def at(n, k):
            return c / n + (1 - c / n) * at(n - 1, k - 1) if k and c else 0.0

        return at(n, k)


@right("11a.pass_at_k")
class OrderedDraws:
    def pass_at_k(n, c, k):
        return 1 - math.perm(n - c, k) / math.perm(n, k)


@right("11a.pass_at_k")
class HumanEvalsNames:
    def pass_at_k(num_samples, num_correct, k):
        return 1 - math.comb(num_samples - num_correct, k) / math.comb(num_samples, k)
