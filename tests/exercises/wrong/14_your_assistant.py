"""Answers to exercise 14 as learners write them."""

import itertools
import math
from collections import defaultdict
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 14.1 Questions about one text aren't separate coins


def by_text(a, b, texts, points=lambda answer: 1 if answer else 0):
    """How many more questions of each text a has right than b."""
    found = defaultdict(int)
    for x, y, text in zip(a, b, texts, strict=True):
        found[text] += points(x) - points(y)
    return list(found.values())


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


def coins(ahead, behind):
    n = ahead + behind
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(min(ahead, behind) + 1)) / 2**n)


@wrong("14.1", "Each question is a coin")
def mended_but_without_texts(a, b, texts):
    a, b = ([answer is True for answer in answers] for answers in (a, b))
    pairs = list(zip(a, b, strict=True))
    return coins(pairs.count((True, False)), pairs.count((False, True)))


@wrong("14.1", "Each question is a coin")
def as_it_was(a, b, texts):
    both = [(x, y) for x, y in zip(a, b, strict=True) if None not in (x, y)]
    return coins(sum(x and not y for x, y in both), sum(y and not x for x, y in both))


@wrong("14.1", "Each question is a coin")
def swapped_within_texts(a, b, texts):
    """Each question's two answers may change places."""
    values = [int(x is True) - int(y is True) for x, y in zip(a, b, strict=True)]
    return share_of_sums(values, as_far)


@wrong("14.1", "Each text has one vote")
def a_vote_per_text(a, b, texts):
    values = by_text(a, b, texts)
    return coins(sum(value > 0 for value in values), sum(value < 0 for value in values))


@wrong("14.1", "Only sums farther from 0")
def strictly_farther(a, b, texts):
    return share_of_sums(by_text(a, b, texts), lambda total, seen: abs(total) > abs(seen))


@wrong("14.1", "This is half of p")
def one_tail(a, b, texts):
    return share_of_sums(by_text(a, b, texts), lambda total, seen: total >= abs(seen))


@wrong("14.1", "This is half of p")
def the_first_text_stays(a, b, texts):
    """Half of all choices, divided by the number of all."""
    values = by_text(a, b, texts)
    rest = {values[0] + total: n for total, n in sums(values[1:]).items()}
    return sum(n for total, n in rest.items() if abs(total) >= abs(sum(values))) / 2 ** len(values)


@wrong("14.1", "Sums above the one seen")
def at_least_the_sum(a, b, texts):
    return share_of_sums(by_text(a, b, texts), lambda total, seen: total >= seen)


@wrong("14.1", "keeps its sign")
def one_absolute_value(a, b, texts):
    return share_of_sums(by_text(a, b, texts), lambda total, seen: abs(total) >= seen)


@wrong("14.1", "keeps its sign")
def a_tail_doubled_and_cut(a, b, texts):
    """Right where a is ahead."""
    return min(1.0, 2 * share_of_sums(by_text(a, b, texts), lambda total, seen: total >= seen))


@wrong("14.1", "count half")
def mid_p(a, b, texts):
    values = by_text(a, b, texts)
    return (share_of_sums(values, as_far) + share_of_sums(values, lambda total, seen: abs(total) > abs(seen))) / 2


@wrong("14.1", "1 is added to both counts")
def one_more(a, b, texts):
    values = by_text(a, b, texts)
    return (1 + share_of_sums(values, as_far) * 2 ** len(values)) / (1 + 2 ** len(values))


@wrong("14.1", "Each different sum is counted once")
def a_set_of_sums(a, b, texts):
    values, reached = by_text(a, b, texts), {0}
    for value in values:
        reached = {total + sign * value for total in reached for sign in (1, -1)}
    return sum(abs(total) >= abs(sum(values)) for total in reached) / len(reached)


def assigned(values, first):
    """The loop of Hint 3 with an assignment in place of `+=`."""
    ways = {0: 1}
    for value in values:
        more = defaultdict(int)
        for total, n in ways.items():
            more[total + value] = n + (more[total + value] if first else 0)
            more[total - value] = n
        ways = more
    return sum(n for total, n in ways.items() if abs(total) >= abs(sum(values))) / 2 ** len(values)


@wrong("14.1", "A sum that is reached again")
def assigned_twice(a, b, texts):
    return assigned(by_text(a, b, texts), first=False)


@wrong("14.1", "A sum that is reached by subtracting")
def assigned_once(a, b, texts):
    return assigned(by_text(a, b, texts), first=True)


@wrong("14.1", "Each text adds its difference or nothing")
def in_or_out(a, b, texts):
    values, ways = by_text(a, b, texts), {0: 1}
    for value in values:
        more = defaultdict(int)
        for total, n in ways.items():
            more[total] += n
            more[total + value] += n
        ways = more
    return sum(n for total, n in ways.items() if abs(total) >= abs(sum(values))) / 2 ** len(values)


@wrong("14.1", "Only the first text has been flipped")
def returned_too_early(a, b, texts):
    values = by_text(a, b, texts)
    for value in values:
        ways = {value: 1, -value: 1} if value else {0: 2}
        return sum(n for total, n in ways.items() if abs(total) >= abs(sum(values))) / 2 ** len(values)


@wrong("14.1", "clustered standard errors")
def as_in_the_paper(a, b, texts):
    values = np.array([int(x is True) - int(y is True) for x, y in zip(a, b, strict=True)])
    names = np.unique([str(text) for text in texts], return_inverse=True)[1]
    error = np.sqrt((np.bincount(names, values - values.mean()) ** 2).sum()) / len(values)
    return math.erfc(abs(values.mean()) / error / 2**0.5) if error else 1.0


@wrong("14.1", "The result has")
def signed_ranks(a, b, texts):
    """Right for a few texts, near for others: neither a simulation nor a curve."""
    values = sorted((value for value in by_text(a, b, texts) if value), key=abs)
    return share_of_sums([rank if value > 0 else -rank for rank, value in enumerate(values, 1)], as_far)


@wrong("14.1", "Only the very sum that was seen")
def this_sum(a, b, texts):
    return share_of_sums(by_text(a, b, texts), lambda total, seen: abs(total) == abs(seen))


@wrong("14.1", "lose their signs")
def absolute_differences(a, b, texts):
    values = [abs(value) for value in by_text(a, b, texts)]
    return share_of_sums(values, as_far)


@wrong("14.1", "divided by the number of its questions")
def mean_per_text(a, b, texts):
    names = list(dict.fromkeys(texts))
    values = [Fraction(d, list(texts).count(name)) for name, d in zip(names, by_text(a, b, texts), strict=True)]
    return share_of_sums(values, as_far)


@wrong("14.1", "normal approximation")
def by_a_curve(a, b, texts):
    values = np.array(by_text(a, b, texts))
    spread = np.sqrt((values**2).sum())
    return math.erfc(abs(values.sum()) / spread / 2**0.5) if spread else 1.0


@wrong("14.1", "as if the models had answered different questions")
def two_shares(a, b, texts):
    n, p, q = len(a), sum(x is True for x in a) / len(a), sum(y is True for y in b) / len(b)
    middle = (p + q) / 2
    error = (2 * middle * (1 - middle) / n) ** 0.5
    return math.erfc(abs(p - q) / error / 2**0.5) if error else 1.0


@wrong("14.1", "divided by 2 to the number of all texts")
def without_ties(a, b, texts):
    values = by_text(a, b, texts)
    counted = sums([value for value in values if value])
    return sum(n for total, n in counted.items() if abs(total) >= abs(sum(values))) / 2 ** len(values)


@wrong("14.1", "divided by 2 to the number of questions")
def two_to_the_questions(a, b, texts):
    values = by_text(a, b, texts)
    return sum(n for total, n in sums(values).items() if abs(total) >= abs(sum(values))) / 2 ** len(texts)


@wrong("14.1", "The result is 1 - p")
def confidence(a, b, texts):
    return 1 - exactly(a, b, texts)


@wrong("14.1", "nearly p")
def simulated(a, b, texts):
    rng = np.random.default_rng(0)
    values = np.array(by_text(a, b, texts))
    signs = rng.choice([-1, 1], size=(20000, len(values)))
    return float((abs(signs @ values) >= abs(values.sum())).mean())


@wrong("14.1", "isn't one number")
def p_and_sum(a, b, texts):
    return exactly(a, b, texts), sum(by_text(a, b, texts))


@wrong("14.1", "isn't one number")
def is_it_significant(a, b, texts):
    return exactly(a, b, texts) < 0.05


def on_kept_rows(a, b, texts, keep):
    rows = [row for row in zip(a, b, texts, strict=True) if keep(*row)]
    return share_of_sums(by_text(*([row[column] for row in rows] for column in range(3))), as_far)


@wrong("14.1", "A question is left out")
def readable_only(a, b, texts):
    return on_kept_rows(a, b, texts, lambda x, y, text: x is not None and y is not None)


@wrong("14.1", "Questions that a couldn't answer")
def unread_by_a(a, b, texts):
    return on_kept_rows(a, b, texts, lambda x, y, text: x is not None)


@wrong("14.1", "Questions that b couldn't answer")
def unread_by_b(a, b, texts):
    return on_kept_rows(a, b, texts, lambda x, y, text: y is not None)


@wrong("14.1", "A text is left out")
def whole_texts_only(a, b, texts):
    unread = {text for x, y, text in zip(a, b, texts, strict=True) if x is None or y is None}
    return on_kept_rows(a, b, texts, lambda x, y, text: text not in unread)


@wrong("14.1", "None and False count as a difference")
def unequal(a, b, texts):
    found = defaultdict(int)
    for x, y, text in zip(a, b, texts, strict=True):
        found[text] += (1 if x else -1) if x != y else 0
    return share_of_sums(list(found.values()), as_far)


@wrong("14.1", "counts as right")
def not_false(a, b, texts):
    return share_of_sums(by_text(a, b, texts, lambda x: int(x is not False)), as_far)


@wrong("14.1", "counts as half right")
def half_a_point(a, b, texts):
    return share_of_sums(by_text(a, b, texts, lambda x: 0.5 if x is None else int(x)), as_far)


@wrong("14.1", "costs a point")
def minus_one(a, b, texts):
    return share_of_sums(by_text(a, b, texts, lambda x: {True: 1, False: 0, None: -1}[x]), as_far)


@wrong("14.1", "Only neighbors belong to one text")
def by_groupby(a, b, texts):
    rows = zip(a, b, texts, strict=True)
    values = [
        sum((x is True) - (y is True) for x, y, _ in run) for _, run in itertools.groupby(rows, key=lambda row: row[2])
    ]
    return share_of_sums(values, as_far)


@wrong("14.1", "more than 1")
def twice_the_upper_tail(a, b, texts):
    return 2 * share_of_sums(by_text(a, b, texts), lambda total, seen: total >= abs(seen))


@wrong("14.1", "Where the sum is 0")
def nothing_seen(a, b, texts):
    values = by_text(a, b, texts)
    return share_of_sums(values, as_far) if sum(values) else 0.0


@wrong("14.1", "don't fit into 64 bits")
def in_an_array(a, b, texts):
    values = by_text(a, b, texts)
    reach = sum(map(abs, values))
    ways = np.zeros(2 * reach + 1, dtype=np.int64)
    ways[reach] = 1
    for value in values:
        ways = np.roll(ways, value) + np.roll(ways, -value)
    far = abs(np.arange(-reach, reach + 1)) >= abs(sum(values))
    return float(ways[far].sum() / 2.0 ** len(values))


@wrong("14.1", "The normal approximation is taken")
def exact_for_few(a, b, texts):
    return exactly(a, b, texts) if len(set(texts)) < 12 else by_a_curve(a, b, texts)


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


@right("14.1")
def without_texts_that_tie(a, b, texts):
    values = [value for value in by_text(a, b, texts) if value]
    return float(Fraction(sum(n for total, n in sums(values).items() if as_far(total, sum(values))), 2 ** len(values)))


@right("14.1")
def twice_a_tail(a, b, texts):
    values = by_text(a, b, texts)
    return min(1.0, 2 * share_of_sums(values, lambda total, seen: total >= abs(seen)))


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
def subsets_that_are_positive(a, b, texts):
    values = by_text(a, b, texts)
    sizes = [abs(value) for value in values]
    ways = [1] + [0] * sum(sizes)
    for size in sizes:
        ways = [n + (ways[place - size] if place >= size else 0) for place, n in enumerate(ways)]
    far = (n for place, n in enumerate(ways) if abs(2 * place - sum(sizes)) >= abs(sum(values)))
    return sum(far) / 2 ** len(sizes)


# 14.2 Learn the new, keep the old


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


def smallest_share(call, kept, **settings):
    """Halve the interval of the share, and train once more with all prompts."""
    low, high = 0.0, 0.98
    for _ in range(5):
        share = (low + high) / 2
        low, high = (low, share) if kept(share) >= call[4] else (share, high)
    return descent(call, high, **settings)


def roughly(*call):
    """Good enough for the first point."""
    return descent(call, share=0.8 if call[4] > 0.7 else 0.2)


@wrong("14.2", "nothing has been learned")
def the_old_model(weights, old, new, labels, keep):
    return weights.clone()


@wrong("14.2", "Too much is forgotten")
def orders_alone(*call):
    return descent(call, share=0.0)


@wrong("14.2", "Too much is forgotten")
def targets_that_move(weights, old, new, labels, keep):
    """The old answers are asked of the model that is being trained, so they pull at nothing."""
    tuned = weights
    for _ in range(200):
        to_new = new.T @ ((new @ tuned).softmax(1) - F.one_hot(labels, 6)) / len(new)
        to_old = old.T @ ((old @ tuned).softmax(1) - (old @ tuned).softmax(1)) / len(old)
        tuned = tuned - 0.8 * (to_new + to_old) / 2
    return tuned


@wrong("14.2", "Too much is forgotten")
def a_weak_pull(*call):
    return descent(call, share=0.0, pull=0.001)


@wrong("14.2", "where 65% are asked for, and")
def nearly_half(*call):
    return descent(call, share=0.6)


@wrong("14.2", "where 65% are asked for, and")
def as_many_as_there_are(weights, old, new, labels, keep):
    """One cross-entropy over all rows, so that 400 everyday prompts have ten times the weight of 40 orders."""
    rows, tuned = torch.cat((new, old)), weights.clone().requires_grad_()
    targets = torch.cat((F.one_hot(labels, 6).double(), (old @ weights).softmax(1)))
    for _ in range(200):
        (gradient,) = torch.autograd.grad(F.cross_entropy(rows @ tuned, targets), tuned)
        tuned = (tuned - 0.8 * gradient).detach().requires_grad_()
    return tuned.detach()


@wrong("14.2", "keeps")
def the_share_is_what_to_keep(*call):
    """Two mixtures, so that nobody may say it is one."""
    return descent(call, share=call[4])


@wrong("14.2", "Too much is forgotten")
def a_table_of_two_mixtures(*call):
    """Right in most tasks."""
    return descent(call, share=0.15 if call[4] < 0.7 else 0.75)


@wrong("14.2", "are right, and")
def labels_from_zero(weights, old, new, labels, keep):
    return descent((weights, old, new, labels - 3, keep))


@wrong("14.2", "Too little is learned")
def always_careful(*call):
    return descent(call, share=0.97)


@wrong("14.2", "Too little is learned")
def too_strong_a_pull(*call):
    return descent(call, pull=0.5)


@wrong("14.2", "Too little is learned")
def two_updates(*call):
    return descent(call, updates=2, rate=0.3)


@wrong("14.2", "On the prompts that it rehearsed")
def measured_on_what_is_rehearsed(*call):
    return smallest_share(call, lambda share: kept_by(descent(call, share), call))


@wrong("14.2", "It keeps just enough")
def early_stop(*call):
    """Orders alone, and a stop as soon as too much is forgotten."""
    tuned = call[0].numpy()
    while True:
        after = descent(call, 0.0, updates=1, rate=0.1, start=tuned)
        if kept_by(after, call) < call[4]:
            return tuned
        tuned = after


@wrong("14.2", "It keeps just enough")
def part_of_the_way(*call):
    """Weights between the old ones and those after a training on orders alone."""
    start, end = call[0].numpy(), descent(call, 0.0)
    fitting = (way for way in np.linspace(1, 0, 101) if kept_by(start + way * (end - start), call) >= call[4])
    return start + next(fitting) * (end - start)


@wrong("14.2", "The difference from the old weights")
def the_change_alone(*call):
    return roughly(*call) - call[0].numpy()


@wrong("14.2", "probabilities, not weights")
def softmax_of_weights(*call):
    return softmax(roughly(*call))


@wrong("14.2", "transposed")
def one_row_per_answer(*call):
    return descent(call).T


@wrong("14.2", "isn't a table of")
def with_a_report(*call):
    tuned = descent(call)
    return tuned, kept_by(tuned, call)


@wrong("14.2", "isn't a table of")
def diverged(weights, old, new, labels, keep):
    return weights * float("inf")


@right("14.2")
def fifths_are_left_out(*call):
    """Each prompt is asked by a model that didn't rehearse it; shares are tried from small to large."""
    rows = np.arange(len(call[1])) % 5
    for share in (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.75, 0.85, 0.92):
        if np.mean([kept_by(descent(call, share, part=rows != n), call, rows == n) for n in range(5)]) >= call[4]:
            break
    return descent(call, share)


@right("14.2")
def with_a_pull_toward_the_old_weights(*call):
    def kept(share):
        rows = np.arange(len(call[1])) % 4
        return np.mean([kept_by(descent(call, share, pull=0.001, part=rows != n), call, rows == n) for n in range(4)])

    return smallest_share(call, kept, pull=0.001)


def invented(old):
    """Prompts with each word as often as in the real ones."""
    often = (old.sum(0) + 0.5) / (len(old) + 1)
    return (torch.rand(400, 22, generator=torch.Generator().manual_seed(0)) < often).double()


@right("14.2")
def invented_everyday_prompts(weights, old, new, labels, keep):
    """The old model is asked about prompts that nobody wrote, so that all real ones are left to measure with."""
    call = (weights, invented(old), new, labels, keep)
    return torch.from_numpy(smallest_share(call, lambda share: kept_by(descent(call, share), (weights, old))))


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
