"""11a.1: a majority vote among answers (Wang et al. 2022, "Self-consistency improves chain of thought reasoning")."""

import itertools
import random
import statistics
from collections import Counter
from collections.abc import Callable
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference, show
from minillm.course.checks.question import Question


def vote(results: list[int | None]) -> int | None:
    """The right answer: the most frequent result, of equals the one whose first vote came first.

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
        results = [first, winner, far, winner, run, run, winner, second, winner, second, last]
        if len(calls) > 1:
            results = [first, winner, far, winner, second, winner, second, winner, run, run, last]
        calls.append((results,))
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
        ([one, other, other, one],),
        ([None, None, None, one, other, one],),
        ([None, None, None, None, third],),
        ([third, None, None, None, None],),
    ]


TIES = (
    "no answers",
    "no results",
    "one result",
    "the result 0",
    "one vote each",
    "one vote each",
    *["two results with two votes each"] * 2,
    "as many answers without a result",
    *["one result and many answers without"] * 2,
)


def _nobody(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Where nobody votes, or where no result has two votes."""
    wrong = [place for place, (due, gave) in enumerate(zip(right, got, strict=True)) if difference(due, gave)]
    if all(right[place] is None for place in wrong):
        return f"Where no answer has a result, {got[wrong[0]]!r} is returned, not None.", "Without votes, return None."
    single = [place for place, due in enumerate(right) if due is not None and calls[place][0].count(due) == 1]
    if all(got[place] is None for place in wrong) and wrong == single:
        return "Where no result has two votes, None is returned: one vote is not enough to win here.", (
            "Of results with equally many votes the first wins, also with one vote each."
        )
    if all(got[place] is None for place in wrong):
        sentence = f"None is returned for {calls[wrong[0]][0]}, where {right[wrong[0]]} has votes."
        return sentence, "None abstains, and every other result counts, the last one too."
    if any(type(gave) in (list, tuple) for gave in got):
        return f"The result is {show(got[wrong[0]])}, and one result is asked for.", "Return the winner alone."
    if all(got[place] in calls[place][0] for place in wrong):
        results, due, gave = calls[wrong[0]][0], right[wrong[0]], got[wrong[0]]
        votes = "one vote" if results.count(gave) == 1 else f"{results.count(gave)} votes"
        sentence = f"In {results}, {gave} has {votes} and wins, but {due} has {results.count(due)}"
        sentence += " and its first vote comes first." if results.count(due) == results.count(gave) else "."
        return sentence, "The most frequent result wins; of equals the one whose first vote comes first in the list."
    return None


question = Question("11a.1", "One vote per answer", vote)

clear = question.probe("a clear majority", _clear, at_last=_nobody)
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


@clear.mistake(
    "A vote for another result takes one off the leader's count, so only a result with more than half is sure to win.",
    "That is Boyer and Moore's majority vote. Count each result by itself, and take the largest count.",
)
def _boyer_moore(results):
    leader, lead = None, 0
    for result in results:
        leader, lead = (result, 1) if lead == 0 else (leader, lead + (1 if result == leader else -1))
    return leader


ties = question.probe("ties, and answers without a result", _ties_and_none, _nobody, kinds=TIES)
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
    "Of results with equally many votes, the one whose last vote came last wins.",
    "The first one wins. `Counter.most_common` and `max` both keep the first of equals.",
    lambda results: vote(results[::-1]),
)
ties.mistake(
    "Of results with equally many votes, the one whose first vote came last wins.",
    "The one whose first vote came first wins. `max` keeps the first of equals; `>=` in a loop keeps the last.",
    lambda results: _best(results, lambda result: results.index(result)),
)
ties.mistake(
    "Of results with equally many votes, the one that had all of its votes first wins.",
    "Count all votes before you compare: the one whose first vote came first wins.",
    lambda results: _best(results, lambda result: results[::-1].index(result)),
)


def _best(results: list[int | None], later: Callable[[int], int]) -> int | None:
    """The most frequent result, of equals the one for which `later` is largest."""
    votes = [result for result in results if result is not None]
    return max(votes, key=lambda result: (votes.count(result), later(result)), default=None)


@ties.mistake(
    "Of several None in a row only every other one is removed: the list is changed while a loop walks over it.",
    "Build a new list: `[result for result in results if result is not None]`.",
)
def _removed_while_walking(results):
    votes = list(results)
    for result in votes:
        if result is None:
            votes.remove(result)
    return Counter(votes).most_common(1)[0][0] if votes else None


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
