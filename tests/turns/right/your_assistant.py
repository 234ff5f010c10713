"""Unusual right answers to the turns of lesson 14, as learners write them."""

import json
import math
from fractions import Fraction
from itertools import chain

import numpy as np
import torch
from turn_answers import right

# --- 14.score


@right("14.score")
class WithElse:
    def score(answer, truth):
        try:
            found = json.loads(answer)
        except json.JSONDecodeError:
            return False
        else:
            return found == truth


@right("14.score")
class WithADecoder:
    def score(answer, truth):
        try:
            return json.JSONDecoder().decode(answer) == truth
        except Exception:
            return False


@right("14.score")
class AsSortedText:
    def score(answer, truth):
        try:
            found = json.dumps(json.loads(answer), sort_keys=True)
        except ValueError:
            return False
        return found == json.dumps(truth, sort_keys=True)


@right("14.score")
class AsANumber:
    def score(answer, truth):
        hit = 0
        try:
            hit = int(json.loads(answer) == truth)
        except ValueError:
            hit = 0
        return hit


@right("14.score")
class KeyByKeyBothWays:
    def score(answer, truth):
        try:
            found = json.loads(answer)
        except ValueError:
            return False
        if not isinstance(found, dict) or not isinstance(truth, dict):
            return type(found) is type(truth) and found == truth
        if set(found) != set(truth):
            return False
        for key in truth:
            if found[key] != truth[key]:
                return False
        return True


# --- 14.wilson


@right("14.wilson")
class InOneLine:
    def wilson(hits, n, z=1.96):
        return [(hits + z * z / 2 + s * z * (hits * (n - hits) / n + z * z / 4) ** 0.5) / (n + z * z) for s in (-1, 1)]


@right("14.wilson")
class WithNumpy:
    def wilson(hits, n, z=1.96):
        p = hits / n
        m = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        r = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return m - r, m + r


@right("14.wilson")
class Clipped:
    def wilson(hits, n, z=1.96):
        p = hits / n
        m, r = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return max(0.0, (m - r) / (1 + z**2 / n)), min(1.0, (m + r) / (1 + z**2 / n))


@right("14.wilson")
class AsATensor:
    def wilson(hits, n, z=1.96):
        p = hits / n
        r = z * math.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2)
        return (p + z**2 / (2 * n) + r * torch.tensor([-1.0, 1.0])) / (1 + z**2 / n)


# --- 14.few_shot


@right("14.few_shot")
class Chained:
    def few_shot(examples, question):
        talk = lambda role, text: {"role": role, "content": text}  # noqa: E731
        pairs = ((talk("user", q), talk("assistant", json.dumps(a))) for q, a in examples if q != question)
        return list(chain(*pairs)) + [talk("user", question)]


@right("14.few_shot")
class ContentFirst:
    def few_shot(examples, question):
        messages = []
        for example in examples:
            if example[0] == question:
                continue
            messages += [dict(content=example[0], role="user"), dict(content=json.dumps(example[1]), role="assistant")]
        messages.append(dict(content=question, role="user"))
        return messages


@right("14.few_shot")
class ByRecursion:
    def few_shot(examples, question):
        def rest(left):
            if not left:
                return [{"role": "user", "content": question}]
            (q, a), *others = left
            own = [] if q == question else [("user", q), ("assistant", json.dumps(a))]
            return [{"role": role, "content": text} for role, text in own] + rest(others)

        return rest(list(examples))


@right("14.few_shot")
class WithIndices:
    def few_shot(examples, question):
        texts = [text for q, a in examples if q != question for text in (q, json.dumps(a))] + [question]
        return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]


# --- 14.paired_test


@right("14.paired_test")
class WithFractions:
    def paired_test(a, b):
        x, y = sum(i > j for i, j in zip(a, b)), sum(i < j for i, j in zip(a, b))
        half = sum(Fraction(math.comb(x + y, k), 2 ** (x + y)) for k in range(min(x, y) + 1))
        return float(min(1, 2 * half))


@right("14.paired_test")
class BothTails:
    def paired_test(a, b):
        n = sum(i != j for i, j in zip(a, b))
        x = sum(i and not j for i, j in zip(a, b))
        far = abs(2 * x - n)
        return sum(math.comb(n, k) for k in range(n + 1) if abs(2 * k - n) >= far) / 2**n


@right("14.paired_test")
class AsTensors:
    def paired_test(a, b):
        a, b = torch.tensor(a), torch.tensor(b)
        x, y = int((a & ~b).sum()), int((b & ~a).sum())
        return min(1.0, 2 * sum(math.comb(x + y, k) / 2 ** (x + y) for k in range(min(x, y) + 1)))


@right("14.paired_test")
class CoinByCoin:
    def paired_test(a, b):
        ways, x, y = [1.0], 0, 0
        for i, j in zip(a, b):
            if i == j:
                continue
            x, y = x + (i and not j), y + (j and not i)
            ways = [(p + q) / 2 for p, q in zip([0.0, *ways], [*ways, 0.0])]
        return min(1.0, 2 * sum(ways[: min(x, y) + 1]))
