"""11a.1: a majority vote among answers (Wang et al. 2022, "Self-consistency improves chain of thought reasoning")."""

import itertools
import random
import statistics
from collections import Counter

from minillm.course.checks.asking import Call
from minillm.course.checks.question import Question


def vote(results: list[int | None]) -> int | None:
    """The right answer: the most frequent result, of equals the one that came first; None abstains.

    >>> vote([20, 17, None, 17, None, None]), vote([None, None])
    (17, None)
    """
    counts = Counter(result for result in results if result is not None)  # in order of their first appearance
    return counts.most_common(1)[0][0] if counts else None


def _clear(rng: random.Random) -> list[Call]:
    """The winner has 4 of 11 votes and no equal neighbor; it is the smallest or the largest result."""
    calls = []
    for turned in (False, True, False, True):
        winner, second, *others = sorted(rng.sample(range(5, 40), 6), reverse=turned)
        first, run, last, far = rng.sample(others, 4)
        calls.append(([first, winner, far, winner, run, run, winner, second, winner, second, last],))
    return [([17, 20, 17],), *calls]


def _ties_and_none(rng: random.Random) -> list[Call]:
    one, other, third = rng.sample(range(3, 40), 3)
    largest, smallest = max(one, other), min(one, other)
    return [
        ([],),
        ([None, None, None],),
        ([None, one, None],),
        ([0, one, 0],),
        ([largest, smallest],),
        ([smallest, largest],),
        ([one, other, third, one, other],),
        ([None, None, None, one, other, one],),
    ]


question = Question("11a.1", "One vote per answer", vote)

clear = question.probe("a clear majority", _clear)
clear.mistake(
    "The last result counts, not the most frequent one.",
    "Count how often each result occurs; `collections.Counter` does that.",
    lambda results: results[-1],
)
clear.mistake(
    "The first result counts, not the most frequent one.",
    "Count how often each result occurs; `collections.Counter` does that.",
    lambda results: results[0],
)
clear.mistake(
    "The results are averaged. Two wrong results on either side then make a right one.",
    "A result gets one vote per answer that ends in it. Count votes.",
    lambda results: statistics.mean(results),
)
clear.mistake(
    "This is the median, the middle result by size.",
    "A result gets one vote per answer that ends in it. Count votes.",
    lambda results: sorted(results)[len(results) // 2],
)
clear.mistake(
    "The number of votes is returned, not the result that got them.",
    "`Counter.most_common(1)` returns pairs of a result and its count.",
    lambda results: Counter(results).most_common(1)[0][1],
)
clear.mistake(
    "The largest result wins, not the most frequent one.",
    "`max(counts, key=counts.get)` compares counts; without the key, `max` compares results.",
    lambda results: max(results),
)


@clear.mistake(
    "The longest run of equal neighbors wins; votes that stand apart are not added up.",
    "Count over the whole list, wherever a result stands.",
)
def _runs(results):
    return max(((len(list(run)), result) for result, run in itertools.groupby(results)), key=lambda pair: pair[0])[1]


@clear.mistake(
    "A result needs more than half of all votes to win here.",
    "The most frequent result wins, with however few votes.",
)
def _majority(results):
    winner = vote(results)
    return winner if 2 * results.count(winner) > len(results) else None


ties = question.probe("ties, and answers without a result", _ties_and_none)
ties.mistake(
    "An answer without a result votes for None.",
    "None abstains: leave it out before you count.",
    lambda results: Counter(results).most_common(1)[0][0] if results else None,
)
ties.mistake(
    "The result 0 is taken for no result.",
    "0 is false in Python. Compare with `is not None`.",
    lambda results: vote([result or None for result in results]),
)
ties.mistake(
    "Of results with equally many votes, the one that came last wins.",
    "The first one wins. `Counter.most_common` and `max` both keep the first of equals.",
    lambda results: vote(results[::-1]),
)


@ties.mistake(
    "Of results with equally many votes, the smallest wins.",
    "The one that came first wins. Do not sort the results.",
)
def _smallest(results):
    return vote(sorted(result for result in results if result is not None))


@ties.mistake(
    "Of results with equally many votes, the largest wins.",
    "The one that came first wins. Do not compare pairs of count and result.",
)
def _largest(results):
    return vote(sorted((result for result in results if result is not None), reverse=True))
