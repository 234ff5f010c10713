"""Answers to the turns and questions of lesson 14; `tools/choose_answers.py` chose them."""

import json
from collections import defaultdict
from itertools import product
from json import JSONDecodeError, dump, load, loads
from math import comb, sqrt

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@right("14.score")
class AsSortedText:
    def score(answer, truth):
        try:
            found = json.dumps(json.loads(answer), sort_keys=True)
        except ValueError:
            return False
        return found == json.dumps(truth, sort_keys=True)


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


@wrong("14.score", "raised SyntaxError")
class EvalWithoutTry:
    def score(answer, truth):
        return eval(answer.strip().replace("null", "None")) == truth


@wrong("14.score", "`score` raised JSONDecodeError")
class NoTry:
    def score(answer, truth):
        return json.loads(answer) == truth


@wrong("14.score", "raised NameError")
class AnotherName:
    def score(answer, truth):
        try:
            return loads(text) == truth  # noqa: F821
        except ValueError:
            return False


@wrong("14.score", "The result is what was read.")
class ReturnsWhatWasRead:
    def score(answer, truth):
        try:
            return loads(answer)
        except ValueError:
            return False


@wrong("14.score", "raised AttributeError")
class LoadOfAText:
    def score(answer, truth):
        try:
            return load(answer) == truth
        except ValueError:
            return False


@wrong("14.score", "`score` raised TypeError")
class BothRead:
    def score(answer, truth):
        try:
            return json.loads(answer) == json.loads(truth)
        except json.JSONDecodeError:
            return False


@wrong("14.score", "`score` raised AttributeError")
class SortedItems:
    def score(answer, truth):
        try:
            return sorted(json.loads(answer).items()) == sorted(truth.items())
        except ValueError:
            return False


@wrong("14.score", "raised KeyError")
class SameLength:
    def score(answer, truth):
        try:
            found = loads(answer)
        except JSONDecodeError:
            return False
        return len(found) == len(truth) and all(found[k] == v for k, v in truth.items())


@right("14.wilson")
class WithNumpy:
    def wilson(hits, n, z=1.96):
        p = hits / n
        m = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        r = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return m - r, m + r


@wrong("14.wilson", "raised NameError")
class MathIsNotImported:
    def wilson(hits, n, z=1.96):
        return math.sqrt(hits / n)  # noqa: F821


@wrong("14.wilson", "raised NameError")
class TheShareHasNoValue:
    def wilson(hits, n, z=1.96):
        return p - z * sqrt(p * (1 - p) / n), p + z * sqrt(p * (1 - p) / n)  # noqa: F821


@wrong("14.wilson", "raised TypeError")
class PowersWithACaret:
    def wilson(hits, n, z=1.96):
        return (hits / n - z ^ 2), (hits / n + z ^ 2)


@wrong("14.wilson", "That's one number.")
class Unchanged:
    def wilson(hits, n, z=1.96):
        return hits


@wrong("14.wilson", "raised TypeError")
class TorchsRoot:
    def wilson(hits, n, z=1.96):
        return z * torch.sqrt(hits / n)


@wrong("14.wilson", "raised TypeError")
class TheShareIsCalled:
    def wilson(hits, n, z=1.96):
        p = hits / n
        return p(1 - p)


@wrong("14.wilson", "raised ZeroDivisionError")
class DividesByHits:
    def wilson(hits, n, z=1.96):
        p, d = 1 / (n / hits), 1 + z**2 / n
        reach = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return (p + z**2 / (2 * n) - reach) / d, (p + z**2 / (2 * n) + reach) / d


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


@wrong("14.few_shot", "raised TypeError")
class DumpWithoutAnS:
    def few_shot(examples, question):
        return [{"role": "assistant", "content": dump(a)} for _, a in examples]


@wrong("14.few_shot", "raised IndexError")
class TwentyFour:
    def few_shot(examples, question):
        return [{"role": "user", "content": examples[n][0]} for n in range(24)]


@wrong("14.few_shot", "raised UnboundLocalError")
class NoListToBeginWith:
    def few_shot(examples, question):
        for q, a in examples:
            messages += [{"role": "user", "content": q}]  # noqa: F821
        return messages  # noqa: F821


@wrong("14.few_shot", "The result is text. Return a list of messages. The template is applied later.")
class APrompt:
    def few_shot(examples, question):
        text = ""
        for q, a in examples:
            text += f"Q: {q}\nA: {json.dumps(a)}\n"
        return text + f"Q: {question}\nA:"


@wrong("14.few_shot", "raised AttributeError")
class BoundToAppend:
    def few_shot(examples, question):
        messages = []
        for q, _ in examples:
            messages = messages.append({"role": "user", "content": q})
            messages.append({"role": "assistant", "content": q})
        return messages


def message(role, content):
    return {"role": role, "content": content}


@wrong("14.few_shot", "The result has something more at the beginning. Print the steps inside your")
class WithASystemMessage:
    def few_shot(examples, question):
        out = [message("system", "Answer with JSON.")]
        for q, a in examples:
            if q != question:
                out += [message("user", q), message("assistant", json.dumps(a))]
        return out + [message("user", question)]


@wrong("14.few_shot", "`few_shot` changed the input that it was given; work on a copy. `examples` is")
class Removes:
    def few_shot(examples, question):
        for each in examples:
            if each[0] == question:
                examples.remove(each)
        out = []
        for q, a in examples:
            out += [message("user", q), message("assistant", json.dumps(a))]
        return out + [message("user", question)]


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


@wrong("14.paired_test", "raised TypeError")
class ArraysSubtracted:
    def paired_test(a, b):
        return float((np.array(a) - np.array(b)).sum())


@wrong("14.paired_test", "The result is a tuple. Return the probability p alone.")
class TheCounts:
    def paired_test(a, b):
        return sum(i > j for i, j in zip(a, b)), sum(j > i for i, j in zip(a, b))


@wrong("14.paired_test", "raised ZeroDivisionError")
class DividesByTheDifferent:
    def paired_test(a, b):
        x, y = sum(i > j for i, j in zip(a, b)), sum(j > i for i, j in zip(a, b))
        n, k = x + y, round(min(x, y) / (x + y) * (x + y))
        return min(1.0, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n)


@wrong("14.paired_test", "The result is 0, whatever comes in.")
class CombTheWrongWayRound:
    def paired_test(a, b):
        x, y = sum(i > j for i, j in zip(a, b)), sum(j > i for i, j in zip(a, b))
        n, k = x + y, min(x, y)
        return min(1.0, 2 * sum(comb(i, n) for i in range(k + 1)) / 2**n)


@wrong("14.paired_test", "has not finished")
class EveryWayInTurn:
    def paired_test(a, b):
        x, y = sum(i > j for i, j in zip(a, b)), sum(j > i for i, j in zip(a, b))
        ways = product((0, 1), repeat=x + y)
        return sum(abs(2 * sum(each) - x - y) >= abs(x - y) for each in ways) / 2 ** (x + y)


@right("14.1")
def in_floats(a, b, texts):
    names = sorted(set(map(str, texts)))
    d = torch.zeros(len(names))
    for x, y, text in zip(a, b, texts, strict=True):
        d[names.index(str(text))] += bool(x) - bool(y)
    reach = int(d.abs().sum())
    probabilities = torch.zeros(2 * reach + 1, dtype=torch.float64)
    probabilities[reach] = 1
    for step in d.int().tolist():
        probabilities = (probabilities.roll(step) + probabilities.roll(-step)) / 2
    far = (torch.arange(2 * reach + 1) - reach).abs() >= abs(int(d.sum()))
    return probabilities[far].sum()


def by_text(a, b, texts, points=lambda answer: 1 if answer else 0):
    """How many more questions of each text a has right than b."""
    found = defaultdict(int)
    for x, y, text in zip(a, b, texts, strict=True):
        found[text] += points(x) - points(y)
    return list(found.values())


@right("14.1")
def by_cosines(a, b, texts):
    """The distribution of the sum from its characteristic function, a product of cosines."""
    values = np.array(by_text(a, b, texts))
    reach = abs(values).sum()
    place = np.arange(2 * reach + 1)
    waves = np.cos(2 * np.pi * np.outer(place, values) / len(place)).prod(1)
    chances = np.fft.fft(waves).real / len(place)
    total = np.where(place <= reach, place, place - len(place))
    return float(min(1.0, chances[abs(total) >= abs(values.sum())].sum()))


@right("14.1")
def exactly(a, b, texts):
    """A polynomial: the coefficient of each power is the number of ways to that sum."""
    values = [abs(value) for value in by_text(a, b, texts)]
    ways = [1]
    for value in values:
        longer = [0] * (len(ways) + 2 * value)
        for place, n in enumerate(ways):
            longer[place] += n
            longer[place + 2 * value] += n
        ways = longer
    middle, seen = sum(values), abs(sum(by_text(a, b, texts)))
    return sum(n for place, n in enumerate(ways) if abs(place - middle) >= seen) / 2 ** len(values)


@wrong("14.1", "isn't one number")
def p_and_sum(a, b, texts):
    return exactly(a, b, texts), sum(by_text(a, b, texts))


def sums(values):
    """How many choices of signs give each sum."""
    counted = {0: 1}
    for value in values:
        more = defaultdict(int)
        for total, n in counted.items():
            more[total + value] += n
            more[total - value] += n
        counted = more
    return counted


def share_of_sums(values, counts):
    """The share of choices whose sum counts, beside the sum that was seen."""
    seen = sum(values)
    return sum(n for total, n in sums(values).items() if counts(total, seen)) / 2 ** len(values)


def as_far(total, seen):
    return abs(total) >= abs(seen)


@wrong("14.1", "The result has")
def signed_ranks(a, b, texts):
    """Right for a few texts, near for others: neither a simulation nor a curve."""
    values = sorted((value for value in by_text(a, b, texts) if value), key=abs)
    return share_of_sums([rank if value > 0 else -rank for rank, value in enumerate(values, 1)], as_far)


def invented(old):
    """Prompts with each word as often as in the real ones."""
    often = (old.sum(0) + 0.5) / (len(old) + 1)
    return (torch.rand(400, 22, generator=torch.Generator().manual_seed(0)) < often).double()


@right("14.2")
def a_weight_that_follows(weights, old, new, labels, keep):
    """Autograd, and a weight of the old answers that rises while too few are kept."""
    rehearsed, answers = invented(old), (old @ weights).argmax(1)
    targets = (rehearsed @ weights).softmax(1)
    tuned, share = weights, 0.5
    for _ in range(400):
        tuned = tuned.detach().requires_grad_()
        loss = (1 - share) * F.cross_entropy(new @ tuned, labels)
        loss = loss + share * F.cross_entropy(rehearsed @ tuned, targets)
        tuned = tuned - 0.8 * torch.autograd.grad(loss, tuned)[0]
        enough = ((old @ tuned).argmax(1) == answers).double().mean() >= keep
        share = min(0.97, max(0.01, share + (-0.005 if enough else 0.005)))
    return tuned.detach().tolist()


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def descent(call, share=0.5, updates=200, rate=0.8, pull=0.0, start=None, sign=1.0, part=slice(None)):
    """Gradient descent on orders and, with a share of the loss, on everyday prompts."""
    weights, old, new, labels = (each.numpy() for each in call[:4])
    old, kept = old[part], softmax(old[part] @ weights)
    tuned = weights if start is None else start
    for _ in range(updates):
        to_new = new.T @ (softmax(new @ tuned) - np.eye(6)[labels]) / len(new)
        to_old = old.T @ (softmax(old @ tuned) - kept) / len(old)
        tuned = tuned - sign * rate * ((1 - share) * to_new + share * to_old + pull * (tuned - weights))
    return tuned


def kept_by(tuned, call, part=slice(None)):
    weights, old = (each.numpy() for each in call[:2])
    return ((old[part] @ tuned).argmax(1) == (old[part] @ weights).argmax(1)).mean()


@right("14.2")
def fifths_are_left_out(*call):
    """Each prompt is asked by a model that didn't rehearse it; shares are tried from small to large."""
    rows = np.arange(len(call[1])) % 5
    for share in (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.75, 0.85, 0.92):
        if np.mean([kept_by(descent(call, share, part=rows != n), call, rows == n) for n in range(5)]) >= call[4]:
            break
    return descent(call, share)


@wrong("14.2", "nothing has been learned")
def the_old_model(weights, old, new, labels, keep):
    return weights.clone()


@wrong("14.2", "isn't a table of")
def diverged(weights, old, new, labels, keep):
    return weights * float("inf")


@wrong("14.2", "where 65% are asked for, and")
def as_many_as_there_are(weights, old, new, labels, keep):
    """One cross-entropy over all rows, so that 400 everyday prompts have ten times the weight of 40 orders."""
    rows, tuned = torch.cat((new, old)), weights.clone().requires_grad_()
    targets = torch.cat((F.one_hot(labels, 6).double(), (old @ weights).softmax(1)))
    for _ in range(200):
        (gradient,) = torch.autograd.grad(F.cross_entropy(rows @ tuned, targets), tuned)
        tuned = (tuned - 0.8 * gradient).detach().requires_grad_()
    return tuned.detach()


@wrong("14.2", "transposed")
def one_row_per_answer(*call):
    return descent(call).T


@wrong("14.2", "")
def the_share_is_what_to_keep(*call):
    """Two mixtures, so that nobody may say it is one."""
    return descent(call, share=call[4])


@wrong("14.2", "Too much is forgotten")
def targets_that_move(weights, old, new, labels, keep):
    """The old answers are asked of the model that is being trained, so they pull at nothing."""
    tuned = weights
    for _ in range(200):
        to_new = new.T @ ((new @ tuned).softmax(1) - F.one_hot(labels, 6)) / len(new)
        to_old = old.T @ ((old @ tuned).softmax(1) - (old @ tuned).softmax(1)) / len(old)
        tuned = tuned - 0.8 * (to_new + to_old) / 2
    return tuned


@wrong("14.2", "are right, and")
def labels_from_zero(weights, old, new, labels, keep):
    return descent((weights, old, new, labels - 3, keep))


def roughly(*call):
    """Good enough for the first point."""
    return descent(call, share=0.8 if call[4] > 0.7 else 0.2)


@wrong("14.2", "The difference from the old weights")
def the_change_alone(*call):
    return roughly(*call) - call[0].numpy()


@wrong("14.2", "probabilities, not weights")
def softmax_of_weights(*call):
    return softmax(roughly(*call))


def smallest_share(call, kept, **settings):
    """Halve the interval of the share, and train once more with all prompts."""
    low, high = 0.0, 0.98
    for _ in range(5):
        share = (low + high) / 2
        low, high = (low, share) if kept(share) >= call[4] else (share, high)
    return descent(call, high, **settings)


@wrong("14.2", "On the prompts that it rehearsed")
def measured_on_what_is_rehearsed(*call):
    return smallest_share(call, lambda share: kept_by(descent(call, share), call))
