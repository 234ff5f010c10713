"""More answers to the turns of lesson 14, written from the text of its stubs alone, before the checks saw them."""

import json
import math

from turn_answers import right, wrong

# --- 14.few_shot


def message(role, content):
    return {"role": role, "content": content}


@wrong("14.few_shot", "")
class TheAnswerIsADictionary:
    def few_shot(examples, question):
        out = []
        for q, a in examples:
            if q == question:
                continue
            out += [{"role": "user", "content": q}, {"role": "assistant", "content": a}]
        return out + [{"role": "user", "content": question}]


@wrong("14.few_shot", "")
class StrOfTheAnswer:
    def few_shot(examples, question):
        out = []
        for q, a in examples:
            if q != question:
                out += [{"role": "user", "content": q}, {"role": "assistant", "content": str(a)}]
        return out + [{"role": "user", "content": question}]


@wrong("14.few_shot", "")
class TheQuestionMayLeak:
    def few_shot(examples, question):
        out = []
        for q, a in examples:
            out.append({"role": "user", "content": q})
            out.append({"role": "assistant", "content": json.dumps(a)})
        out.append({"role": "user", "content": question})
        return out


@wrong("14.few_shot", "")
class TheQuestionInTheLoop:
    def few_shot(examples, question):
        out = []
        for q, a in examples:
            if q == question:
                continue
            out.append({"role": "user", "content": q})
            out.append({"role": "assistant", "content": json.dumps(a)})
            out.append({"role": "user", "content": question})
        return out


@wrong("14.few_shot", "")
class NoQuestion:
    def few_shot(examples, question):
        return [
            each
            for q, a in examples
            if q != question
            for each in (message("user", q), message("assistant", json.dumps(a)))
        ]


@wrong("14.few_shot", "")
class BreaksOff:
    def few_shot(examples, question):
        out = []
        for q, a in examples:
            if q == question:
                break
            out += [message("user", q), message("assistant", json.dumps(a))]
        return out + [message("user", question)]


@wrong("14.few_shot", "")
class APrompt:
    def few_shot(examples, question):
        text = ""
        for q, a in examples:
            text += f"Q: {q}\nA: {json.dumps(a)}\n"
        return text + f"Q: {question}\nA:"


@wrong("14.few_shot", "")
class TheRoleOfABot:
    def few_shot(examples, question):
        out = []
        for q, a in examples:
            if q != question:
                out += [message("user", q), message("bot", json.dumps(a))]
        return out + [message("user", question)]


@wrong("14.few_shot", "")
class Removes:
    def few_shot(examples, question):
        for each in examples:
            if each[0] == question:
                examples.remove(each)
        out = []
        for q, a in examples:
            out += [message("user", q), message("assistant", json.dumps(a))]
        return out + [message("user", question)]


@wrong("14.few_shot", "")
class Appended:
    def few_shot(examples, question):
        out = []
        for q, a in examples:
            if q != question:
                out.append([message("user", q), message("assistant", json.dumps(a))])
        out.append(message("user", question))
        return out


@wrong("14.few_shot", "")
class AnOpening:
    def few_shot(examples, question):
        out = []
        for q, a in examples:
            if q != question:
                out += [message("user", q), message("assistant", json.dumps(a))]
        return out + [message("user", question), message("assistant", "")]


@wrong("14.few_shot", "")
class WithASystemMessage:
    def few_shot(examples, question):
        out = [message("system", "Answer with JSON.")]
        for q, a in examples:
            if q != question:
                out += [message("user", q), message("assistant", json.dumps(a))]
        return out + [message("user", question)]


# --- 14.paired_test


@wrong("14.paired_test", "")
class OneSided:
    def paired_test(a, b):
        x = sum(1 for i, j in zip(a, b) if i and not j)
        y = sum(1 for i, j in zip(a, b) if j and not i)
        n = x + y
        return sum(math.comb(n, i) for i in range(min(x, y) + 1)) / 2**n


@wrong("14.paired_test", "")
class NotClipped:
    def paired_test(a, b):
        x = sum(i > j for i, j in zip(a, b))
        y = sum(j > i for i, j in zip(a, b))
        return 2 * sum(math.comb(x + y, i) for i in range(min(x, y) + 1)) / 2 ** (x + y)


@wrong("14.paired_test", "")
class AllQuestions:
    def paired_test(a, b):
        x = sum(i > j for i, j in zip(a, b))
        y = sum(j > i for i, j in zip(a, b))
        n = len(a)
        return min(1, 2 * sum(math.comb(n, i) for i in range(min(x, y) + 1)) / 2**n)


@wrong("14.paired_test", "")
class RangeTooShort:
    def paired_test(a, b):
        x = sum(i > j for i, j in zip(a, b))
        y = sum(j > i for i, j in zip(a, b))
        n = x + y
        return min(1, 2 * sum(math.comb(n, i) for i in range(min(x, y))) / 2**n)


@wrong("14.paired_test", "")
class ChiSquared:
    def paired_test(a, b):
        x = sum(i > j for i, j in zip(a, b))
        y = sum(j > i for i, j in zip(a, b))
        if x + y == 0:
            return 1.0
        return math.erfc(math.sqrt((x - y) ** 2 / (x + y) / 2))


@wrong("14.paired_test", "")
class ChiSquaredWithoutATie:
    def paired_test(a, b):
        x = sum(i > j for i, j in zip(a, b))
        y = sum(j > i for i, j in zip(a, b))
        return math.erfc(math.sqrt((x - y) ** 2 / (x + y) / 2))


@wrong("14.paired_test", "")
class OneTermOnly:
    def paired_test(a, b):
        x = sum(i > j for i, j in zip(a, b))
        y = sum(j > i for i, j in zip(a, b))
        return min(1.0, 2 * math.comb(x + y, min(x, y)) / 2 ** (x + y))


@wrong("14.paired_test", "")
class NumbersOfHits:
    def paired_test(a, b):
        x, y = sum(a), sum(b)
        n = x + y
        return min(1.0, 2 * sum(math.comb(n, i) for i in range(min(x, y) + 1)) / 2**n)


@wrong("14.paired_test", "")
class TheCounts:
    def paired_test(a, b):
        return sum(i > j for i, j in zip(a, b)), sum(j > i for i, j in zip(a, b))


@wrong("14.paired_test", "")
class IsItSignificant:
    def paired_test(a, b):
        x = sum(i > j for i, j in zip(a, b))
        y = sum(j > i for i, j in zip(a, b))
        n = x + y
        return min(1.0, 2 * sum(math.comb(n, i) for i in range(min(x, y) + 1)) / 2**n) < 0.05


@wrong("14.paired_test", "")
class ThePairsAreForgotten:
    def paired_test(a, b):
        n = len(a)
        p = (sum(a) + sum(b)) / (2 * n)
        z = (sum(a) - sum(b)) / n / math.sqrt(2 * p * (1 - p) / n)
        return math.erfc(abs(z) / math.sqrt(2))


@wrong("14.paired_test", "")
class FromTheTop:
    def paired_test(a, b):
        x = sum(i > j for i, j in zip(a, b))
        y = sum(j > i for i, j in zip(a, b))
        n = x + y
        return min(1.0, 2 * sum(math.comb(n, i) for i in range(max(x, y) + 1, n + 1)) / 2**n)


@right("14.paired_test")
class UpperTail:
    def paired_test(a, b):
        x = sum(i > j for i, j in zip(a, b))
        y = sum(j > i for i, j in zip(a, b))
        n = x + y
        return min(1, 2 * sum(math.comb(n, i) for i in range(max(x, y), n + 1)) / 2**n)
