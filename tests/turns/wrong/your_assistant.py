"""Strangers' wrong answers to the turns of lesson 14. `json` and `math` aren't imported here, as in a fresh cell."""

from itertools import product
from json import JSONDecodeError, JSONDecoder, dump, dumps, load, loads
from math import comb, sqrt
from random import Random

import numpy as np
import torch
from turn_answers import wrong

# --- 14.score


@wrong("14.score", "raised NameError")
class JsonIsNotImported:
    def score(answer, truth):
        return json.loads(answer) == truth  # noqa: F821


@wrong("14.score", "raised NameError")
class AnotherName:
    def score(answer, truth):
        try:
            return loads(text) == truth  # noqa: F821
        except ValueError:
            return False


@wrong("14.score", "raised SyntaxError")
class EvalWithoutTry:
    def score(answer, truth):
        return eval(answer.strip().replace("null", "None")) == truth


@wrong("14.score", "raised KeyError")
class SameLength:
    def score(answer, truth):
        try:
            found = loads(answer)
        except JSONDecodeError:
            return False
        return len(found) == len(truth) and all(found[k] == v for k, v in truth.items())


@wrong("14.score", "raised KeyError")
class KeyByKey:
    def score(answer, truth):
        try:
            found = loads(answer)
        except JSONDecodeError:
            return False
        if type(found) is not dict:
            return found == truth
        return all(found[key] == truth[key] for key in truth)


@wrong("14.score", "A thing that was ordered may be missing.")
class AllOfTheAnswer:
    def score(answer, truth):
        try:
            found = loads(answer)
            return found == truth or all(truth.get(k) == v for k, v in found.items())
        except (ValueError, AttributeError):
            return False


@wrong("14.score", "The truth may stand anywhere in the text.")
class TheDumpIsInIt:
    def score(answer, truth):
        try:
            return dumps(truth) in answer or loads(answer) == truth
        except ValueError:
            return False


@wrong("14.score", "Single quotes are made double ones first.")
class QuotesMended:
    def score(answer, truth):
        try:
            return loads(answer.replace("'", '"')) == truth
        except ValueError:
            return False


@wrong("14.score", "What isn't JSON counts as right.")
class TrueInExcept:
    def score(answer, truth):
        try:
            return loads(answer) == truth
        except ValueError:
            return True


@wrong("14.score", "Only dictionaries can be right.")
class DictionariesOnly:
    def score(answer, truth):
        try:
            found = loads(answer)
        except ValueError:
            return False
        return isinstance(found, dict) and found == truth


@wrong("14.score", "The order of the keys decides.")
class ItemsInOrder:
    def score(answer, truth):
        try:
            found = loads(answer)
        except ValueError:
            return False
        return dumps(found) == dumps(truth)


@wrong("14.score", "The result is what was read.")
class ReturnsWhatWasRead:
    def score(answer, truth):
        try:
            return loads(answer)
        except ValueError:
            return False


# --- 14.wilson


@wrong("14.wilson", "raised NameError")
class MathIsNotImported:
    def wilson(hits, n, z=1.96):
        return math.sqrt(hits / n)  # noqa: F821


@wrong("14.wilson", "raised NameError")
class TheShareHasNoValue:
    def wilson(hits, n, z=1.96):
        return p - z * sqrt(p * (1 - p) / n), p + z * sqrt(p * (1 - p) / n)  # noqa: F821


@wrong("14.wilson", "raised ZeroDivisionError")
class DividesByHits:
    def wilson(hits, n, z=1.96):
        p, d = 1 / (n / hits), 1 + z**2 / n
        reach = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return (p + z**2 / (2 * n) - reach) / d, (p + z**2 / (2 * n) + reach) / d


@wrong("14.wilson", "raised TypeError")
class PowersWithACaret:
    def wilson(hits, n, z=1.96):
        return (hits / n - z ^ 2), (hits / n + z ^ 2)


@wrong("14.wilson", "z²/2n is missing in the middle.")
class MiddleIsTheShare:
    def wilson(hits, n, z=1.96):
        p, d = hits / n, 1 + z**2 / n
        reach = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return (p - reach) / d, (p + reach) / d


@wrong("14.wilson", "The root isn't multiplied by z.")
class NoZBeforeTheRoot:
    def wilson(hits, n, z=1.96):
        p, d = hits / n, 1 + z**2 / n
        reach = sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return (p + z**2 / (2 * n) - reach) / d, (p + z**2 / (2 * n) + reach) / d


@wrong("14.wilson", "Only the middle is divided by 1 + z²/n.")
class MiddleDivided:
    def wilson(hits, n, z=1.96):
        p = hits / n
        middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        reach = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return middle - reach, middle + reach


@wrong("14.wilson", "The middle and the reach are returned.")
class MiddleAndReach:
    def wilson(hits, n, z=1.96):
        p, d = hits / n, 1 + z**2 / n
        return (p + z**2 / (2 * n)) / d, z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / d


@wrong("14.wilson", "That's one number.")
class Unchanged:
    def wilson(hits, n, z=1.96):
        return hits


# --- 14.few_shot


@wrong("14.few_shot", "raised NameError")
class DumpsOfNothing:
    def few_shot(examples, question):
        return [{"role": "assistant", "content": json.dumps(a)} for q, a in examples]  # noqa: F821


@wrong("14.few_shot", "raised UnboundLocalError")
class NoListToBeginWith:
    def few_shot(examples, question):
        for q, a in examples:
            messages += [{"role": "user", "content": q}]  # noqa: F821
        return messages  # noqa: F821


@wrong("14.few_shot", "raised TypeError")
class GluedTogether:
    def few_shot(examples, question):
        return [{"role": "user", "content": "\n".join(q + " " + a for q, a in examples)}]


@wrong("14.few_shot", "raised ValueError")
class NotAPair:
    def few_shot(examples, question):
        return [{"role": "user", "content": q} for number, q, a in examples]


@wrong("14.few_shot", "raised AttributeError")
class ADictionaryOfExamples:
    def few_shot(examples, question):
        return [{"role": "user", "content": q} for q, a in examples.items()]


@wrong("14.few_shot", "The roles have changed places.")
class RolesSwapped:
    def few_shot(examples, question):
        shown = [each for each in examples if each[0] != question]
        sides = [[("assistant", q), ("user", dumps(a))] for q, a in shown]
        told = [{"role": role, "content": text} for pair in sides for role, text in pair]
        return [*told, {"role": "user", "content": question}]


@wrong("14.few_shot", "The examples come in reverse order.")
class InsertedAtTheFront:
    def few_shot(examples, question):
        found = [{"role": "user", "content": question}]
        for q, a in examples:
            if q != question:
                found = [{"role": "user", "content": q}, {"role": "assistant", "content": dumps(a)}, *found]
        return found


@wrong("14.few_shot", "First come all questions, then all answers.")
class QuestionsThenAnswers:
    def few_shot(examples, question):
        kept = [each for each in examples if each[0] != question]
        found = [{"role": "user", "content": q} for q, _ in kept]
        found += [{"role": "assistant", "content": dumps(a)} for _, a in kept]
        return found + [{"role": "user", "content": question}]


@wrong("14.few_shot", "Only the first example is there.")
class ReturnsInTheLoop:
    def few_shot(examples, question):
        for q, a in examples:
            if q != question:
                ask = {"role": "user", "content": question}
                return [{"role": "user", "content": q}, {"role": "assistant", "content": dumps(a)}, ask]
        return [{"role": "user", "content": question}]


# --- 14.paired_test


@wrong("14.paired_test", "raised ZeroDivisionError")
class DividesByTheDifferent:
    def paired_test(a, b):
        x, y = sum(i > j for i, j in zip(a, b)), sum(j > i for i, j in zip(a, b))
        n, k = x + y, round(min(x, y) / (x + y) * (x + y))
        return min(1.0, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n)


@wrong("14.paired_test", "The share of the differing questions")
class TheShareOfOne:
    def paired_test(a, b):
        x, y = sum(i > j for i, j in zip(a, b)), sum(j > i for i, j in zip(a, b))
        return min(x, y) / (x + y) if x + y else 1.0


@wrong("14.paired_test", "raised NameError")
class MathWithoutImport:
    def paired_test(a, b):
        return math.comb(len(a), sum(a))  # noqa: F821


@wrong("14.paired_test", "raised NameError")
class ScipyIsNotThere:
    def paired_test(a, b):
        return scipy.stats.binomtest(sum(a), len(a)).pvalue  # noqa: F821


@wrong("14.paired_test", "raised ValueError")
class CombOfADifference:
    def paired_test(a, b):
        return comb(sum(a) - sum(b), 1) / 2


@wrong("14.paired_test", "raised TypeError")
class ListsAreSubtracted:
    def paired_test(a, b):
        return sum(a - b)


@wrong("14.paired_test", "raised IndexError")
class TenQuestions:
    def paired_test(a, b):
        return sum(a[i] and not b[i] for i in range(1000)) / 1000


@wrong("14.paired_test", "The split that was seen is counted half.")
class MidP:
    def paired_test(a, b):
        x, y = sum(i > j for i, j in zip(a, b)), sum(j > i for i, j in zip(a, b))
        n, k = x + y, min(x, y)
        return min(1.0, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n - comb(n, k) / 2**n)


@wrong("14.paired_test", "The result is 1 - p.")
class OneMinusP:
    def paired_test(a, b):
        x, y = sum(i > j for i, j in zip(a, b)), sum(j > i for i, j in zip(a, b))
        n, k = x + y, min(x, y)
        return 1 - min(1.0, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n)


@wrong("14.paired_test", "Where no question differs, p is 0.")
class ZeroWithoutDifferences:
    def paired_test(a, b):
        x, y = sum(i > j for i, j in zip(a, b)), sum(j > i for i, j in zip(a, b))
        n, k = x + y, min(x, y)
        return min(1.0, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n) if n else 0.0


# --- what a reader typed, and was told the wrong thing about


@wrong("14.score", "Nothing is ever right.")
class LoadUnderABareExcept:
    def score(answer, truth):
        try:
            return json.load(answer) == truth  # noqa: F821
        except:  # noqa: E722
            return False


@wrong("14.score", "Nothing is ever right.")
class IsTheTruth:
    def score(answer, truth):
        try:
            return loads(answer) is truth
        except ValueError:
            return False


@wrong("14.score", "Only the first line of the answer is read.")
class TheFirstLine:
    def score(answer, truth):
        try:
            return loads(answer.strip().split("\n")[0]) == truth
        except ValueError:
            return False


@wrong("14.score", "What comes after the JSON is ignored.")
class RawDecode:
    def score(answer, truth):
        try:
            return JSONDecoder().raw_decode(answer.strip())[0] == truth
        except ValueError:
            return False


@wrong("14.score", "An answer that's right counts as wrong.")
class BeginsWithABracket:
    def score(answer, truth):
        try:
            return answer.startswith("{") and loads(answer) == truth
        except ValueError:
            return False


@wrong("14.wilson", "The divisor 1 + z²/n was written without brackets")
class DividedByOne:
    def wilson(hits, n, z=1.96):
        p = hits / n
        middle, reach = p + z**2 / (2 * n), z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return (middle - reach) / 1 + z**2 / n, (middle + reach) / 1 + z**2 / n


@wrong("14.wilson", "z is doubled, not squared.")
class TwiceZ:
    def wilson(hits, n, z=1.96):
        p, twice = hits / n, z * 2
        middle, reach = p + twice / (2 * n), z * sqrt(p * (1 - p) / n + twice / (4 * n**2))
        return (middle - reach) / (1 + twice / n), (middle + reach) / (1 + twice / n)


@wrong("14.few_shot", "An example is left out if this question is part of its own.")
class QuestionInAsked:
    def few_shot(examples, question):
        found = []
        for q, a in examples:
            if question not in q:
                found += [{"role": "user", "content": q}, {"role": "assistant", "content": dumps(a)}]
        return found + [{"role": "user", "content": question}]


@wrong("14.few_shot", "Of two examples in a row with this question")
class RemovesInTheLoop:
    def few_shot(examples, question):
        kept, found = list(examples), []
        for each in kept:
            if each[0] == question:
                kept.remove(each)
        for q, a in kept:
            found += [{"role": "user", "content": q}, {"role": "assistant", "content": dumps(a)}]
        return found + [{"role": "user", "content": question}]


@wrong("14.few_shot", "one and the same dictionary")
class OneDictionary:
    def few_shot(examples, question):
        found, message = [], {}
        for q, a in examples:
            if q != question:
                message["role"], message["content"] = "user", q
                found.append(message)
                message["role"], message["content"] = "assistant", dumps(a)
                found.append(message)
        return found + [{"role": "user", "content": question}]


@wrong("14.few_shot", "returned None")
class ReturnsWhatAppendReturns:
    def few_shot(examples, question):
        found = []
        for q, a in examples:
            if q != question:
                found += [{"role": "user", "content": q}, {"role": "assistant", "content": dumps(a)}]
        return found.append({"role": "user", "content": question})


@wrong("14.paired_test", "p is 1, however uneven the split.")
class BothCountsAreAll:
    def paired_test(a, b):
        x, y = sum(i != j for i, j in zip(a, b)), sum(j != i for i, j in zip(a, b))
        n, k = x + y, min(x, y)
        return min(1.0, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n)


@wrong("14.paired_test", "The result is 0, whatever comes in.")
class CombTheWrongWayRound:
    def paired_test(a, b):
        x, y = sum(i > j for i, j in zip(a, b)), sum(j > i for i, j in zip(a, b))
        n, k = x + y, min(x, y)
        return min(1.0, 2 * sum(comb(i, n) for i in range(k + 1)) / 2**n)


@wrong("14.paired_test", "The sum begins at 1.")
class FromOne:
    def paired_test(a, b):
        x, y = sum(i > j for i, j in zip(a, b)), sum(j > i for i, j in zip(a, b))
        n, k = x + y, min(x, y)
        return min(1.0, 2 * sum(comb(n, i) for i in range(1, k + 1)) / 2**n)


@wrong("14.paired_test", "The same term is added k + 1 times.")
class TheSameTerm:
    def paired_test(a, b):
        x, y = sum(i > j for i, j in zip(a, b)), sum(j > i for i, j in zip(a, b))
        n, k = x + y, min(x, y)
        return min(1.0, 2 * sum(comb(n, k) for i in range(k + 1)) / 2**n)


@wrong("14.paired_test", "The ways are divided by n squared.")
class NSquared:
    def paired_test(a, b):
        x, y = sum(i > j for i, j in zip(a, b)), sum(j > i for i, j in zip(a, b))
        n, k = x + y, min(x, y)
        return min(1.0, 2 * sum(comb(n, i) / n**2 for i in range(k + 1)))


@wrong("14.paired_test", "This is nearly p.")
class Simulated:
    def paired_test(a, b):
        x, y = sum(i > j for i, j in zip(a, b)), sum(j > i for i, j in zip(a, b))
        coins = Random(0)
        heads = [coins.getrandbits(x + y).bit_count() if x + y else 0 for _ in range(4000)]
        return sum(abs(2 * each - x - y) >= abs(x - y) for each in heads) / 4000


@wrong("14.score", "raised AttributeError")
class LoadOfAText:
    def score(answer, truth):
        try:
            return load(answer) == truth
        except ValueError:
            return False


@wrong("14.wilson", "raised TypeError")
class TorchsRoot:
    def wilson(hits, n, z=1.96):
        return z * torch.sqrt(hits / n)


@wrong("14.wilson", "raised TypeError")
class TheShareIsCalled:
    def wilson(hits, n, z=1.96):
        p = hits / n
        return p(1 - p)


@wrong("14.few_shot", "raised TypeError")
class DumpWithoutAnS:
    def few_shot(examples, question):
        return [{"role": "assistant", "content": dump(a)} for _, a in examples]


@wrong("14.few_shot", "raised AttributeError")
class BoundToAppend:
    def few_shot(examples, question):
        messages = []
        for q, _ in examples:
            messages = messages.append({"role": "user", "content": q})
            messages.append({"role": "assistant", "content": q})
        return messages


@wrong("14.few_shot", "raised IndexError")
class TwentyFour:
    def few_shot(examples, question):
        return [{"role": "user", "content": examples[n][0]} for n in range(24)]


@wrong("14.paired_test", "raised TypeError")
class ArraysSubtracted:
    def paired_test(a, b):
        return float((np.array(a) - np.array(b)).sum())


@wrong("14.paired_test", "has not finished")
class EveryWayInTurn:
    def paired_test(a, b):
        x, y = sum(i > j for i, j in zip(a, b)), sum(j > i for i, j in zip(a, b))
        ways = product((0, 1), repeat=x + y)
        return sum(abs(2 * sum(each) - x - y) >= abs(x - y) for each in ways) / 2 ** (x + y)
