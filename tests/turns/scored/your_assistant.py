"""Answers to the turns of lesson 14, written from the text of its stubs alone, before the checks saw them."""

import ast
import json
import math
import re

from turn_answers import right, wrong

# --- 14.score


@wrong("14.score", "")
class NoTry:
    def score(answer, truth):
        return json.loads(answer) == truth


@wrong("14.score", "")
class TextAgainstText:
    def score(answer, truth):
        return answer == json.dumps(truth)


@wrong("14.score", "")
class TextAgainstPythonsText:
    def score(answer, truth):
        return answer.strip() == str(truth)


@wrong("14.score", "")
class BothRead:
    def score(answer, truth):
        try:
            return json.loads(answer) == json.loads(truth)
        except json.JSONDecodeError:
            return False


@wrong("14.score", "")
class WithEval:
    def score(answer, truth):
        try:
            return eval(answer) == truth
        except Exception:
            return False


@wrong("14.score", "")
class LiteralEval:
    def score(answer, truth):
        try:
            return ast.literal_eval(answer) == truth
        except (ValueError, SyntaxError):
            return False


@wrong("14.score", "")
class EverythingOfTheTruth:
    def score(answer, truth):
        try:
            found = json.loads(answer)
        except ValueError:
            return False
        for key, value in truth.items():
            if found.get(key) != value:
                return False
        return True


@wrong("14.score", "")
class SearchesForBrackets:
    def score(answer, truth):
        match = re.search(r"\{.*\}", answer)
        if not match:
            return False
        try:
            return json.loads(match.group()) == truth
        except ValueError:
            return False


@wrong("14.score", "")
class ForgetsToReturnFalse:
    def score(answer, truth):
        try:
            if json.loads(answer) == truth:
                return True
        except ValueError:
            pass


@wrong("14.score", "")
class PartOfAPoint:
    def score(answer, truth):
        try:
            found = json.loads(answer)
            return sum(found.get(k) == v for k, v in truth.items()) / len(truth)
        except Exception:
            return 0.0


@wrong("14.score", "")
class SortedItems:
    def score(answer, truth):
        try:
            return sorted(json.loads(answer).items()) == sorted(truth.items())
        except ValueError:
            return False


@wrong("14.score", "")
class LowerCase:
    def score(answer, truth):
        try:
            return json.loads(answer.lower().strip()) == truth
        except ValueError:
            return False


# --- 14.wilson


@wrong("14.wilson", "")
class Wald:
    def wilson(hits, n, z=1.96):
        p = hits / n
        se = math.sqrt(p * (1 - p) / n)
        return p - z * se, p + z * se


@wrong("14.wilson", "")
class NoDivisor:
    def wilson(hits, n, z=1.96):
        p = hits / n
        middle = p + z**2 / (2 * n)
        reach = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return middle - reach, middle + reach


@wrong("14.wilson", "")
class DividesTheReachOnly:
    def wilson(hits, n, z=1.96):
        p = hits / n
        middle = p + z**2 / (2 * n)
        reach = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
        return middle - reach, middle + reach


@wrong("14.wilson", "")
class NIsNotSquared:
    def wilson(hits, n, z=1.96):
        p = hits / n
        d = 1 + z**2 / n
        r = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n))
        m = p + z**2 / (2 * n)
        return (m - r) / d, (m + r) / d


@wrong("14.wilson", "")
class BracketsForgotten:
    def wilson(hits, n, z=1.96):
        p = hits / n
        m = p + z**2 / 2 * n
        r = z * math.sqrt(p * (1 - p) / n + z**2 / 4 * n**2)
        d = 1 + z**2 / n
        return (m - r) / d, (m + r) / d


@wrong("14.wilson", "")
class OnlyOneEnd:
    def wilson(hits, n, z=1.96):
        p = hits / n
        return (p + z**2 / (2 * n) - z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))) / (1 + z**2 / n)


@wrong("14.wilson", "")
class FixedZ:
    def wilson(hits, n, z=1.96):
        p, z = hits / n, 1.96
        m = p + z * z / (2 * n)
        r = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return (m - r) / (1 + z * z / n), (m + r) / (1 + z * z / n)


@wrong("14.wilson", "")
class Swapped:
    def wilson(hits, n, z=1.96):
        p = hits / n
        m, r, d = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)), 1 + z**2 / n
        return (m + r) / d, (m - r) / d


@wrong("14.wilson", "")
class HitsForTheShare:
    def wilson(hits, n, z=1.96):
        m = hits + z**2 / (2 * n)
        r = z * math.sqrt(hits * (1 - hits) / n + z**2 / (4 * n**2))
        return (m - r) / (1 + z**2 / n), (m + r) / (1 + z**2 / n)


@wrong("14.wilson", "")
class PlusTwice:
    def wilson(hits, n, z=1.96):
        p = hits / n
        m, r, d = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)), 1 + z**2 / n
        return (m - r) / d, (m + r) * d


@wrong("14.wilson", "")
class Percent:
    def wilson(hits, n, z=1.96):
        p = hits / n
        m, r, d = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)), 1 + z**2 / n
        return 100 * (m - r) / d, 100 * (m + r) / d


@wrong("14.wilson", "")
class RootOverOnePart:
    def wilson(hits, n, z=1.96):
        p = hits / n
        m, r, d = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n) + z**2 / (4 * n**2), 1 + z**2 / n
        return (m - r) / d, (m + r) / d


@right("14.wilson")
class AsASolvedEquation:
    def wilson(hits, n, z=1.96):
        a, b, c = n + z * z, -(2 * hits + z * z), hits * hits / n
        root = (b * b - 4 * a * c) ** 0.5
        return (-b - root) / (2 * a), (-b + root) / (2 * a)
