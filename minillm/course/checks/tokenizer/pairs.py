"""01.1: which pair of neighbours is merged next (Sennrich et al. 2016, algorithm 1, ties as in the package)."""

import random
from collections import Counter
from itertools import pairwise

from minillm.course.checks.asking import Call
from minillm.course.checks.question import Question

Words = dict[tuple[int, ...], int]
Pair = tuple[int, int]


def next_pair(words: Words) -> Pair | None:
    """The right answer: the most frequent pair, of equal ones the smaller.

    >>> next_pair({(1, 2, 2): 10, (1, 2): 3})
    (1, 2)
    """
    return _best(_counts(words))


def _counts(words: Words) -> Counter[Pair]:
    counts: Counter[Pair] = Counter()
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] += times
    return counts


def _best(counts: Counter[Pair]) -> Pair | None:
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


def _frequent(rng: random.Random) -> list[Call]:
    def words(n: int, largest: int) -> Words:
        while True:
            drawn = [tuple(rng.choices(range(1, largest + 1), k=rng.randint(1, 5))) for _ in range(n)]
            words = {word: rng.randint(1, 9) for word in drawn}
            most = [count for _, count in _counts(words).most_common(2)]
            if len(set(most)) == 2:  # ties come later
                return words

    return [(words(2, 3),), *((words(8, 5),) for _ in range(16))]


def _tied(rng: random.Random) -> list[Call]:
    def pairs() -> Words:
        a, b, c, d, e = rng.sample(range(1, 300), 5)
        pairs = [(a, b), (a, c), (d, e), (e, a)]
        rng.shuffle(pairs)
        return dict.fromkeys(pairs, rng.randint(1, 9))

    def words() -> Words:
        while True:
            drawn = [tuple(rng.choices(range(1, 6), k=rng.randint(2, 5))) for _ in range(6)]
            words = {word: rng.randint(1, 4) for word in drawn}
            most = [count for _, count in _counts(words).most_common(2)]
            if len(set(most)) == 1:
                return words

    tied = [*((pairs(),) for _ in range(6)), *((words(),) for _ in range(8))]
    return [({(rng.randint(1, 9),): 4},), ({},), *tied]


question = Question("01.1", "Which pair is next?", next_pair, forbidden=("minillm", "tokenizers"))

most_frequent = question.probe("the most frequent pair", _frequent)
most_frequent.mistake(
    "Each word counts once, however often it occurs.",
    "`words` says how often a word occurs; each of its pairs occurs that many times.",
    lambda words: _best(_counts(dict.fromkeys(words, 1))),
)


@most_frequent.mistake(
    "A pair that stands twice in a word is counted once.",
    "Count places, not different pairs: (1, 2, 1, 2) holds (1, 2) at two places.",
)
def _different_pairs(words):
    counts: Counter[Pair] = Counter()
    for word, times in words.items():
        for pair in set(pairwise(word)):
            counts[pair] += times
    return _best(counts)


@most_frequent.mistake(
    "Pairs that overlap are left out.",
    "(7, 7, 7) holds (7, 7) at two places, though a merge can use only one of them. Count both.",
)
def _not_overlapping(words):
    counts: Counter[Pair] = Counter()
    for word, times in words.items():
        last: dict[Pair, int] = {}
        for at, pair in enumerate(pairwise(word)):
            if last.get(pair) != at - 1:
                last[pair] = at
                counts[pair] += times
    return _best(counts)


@most_frequent.mistake(
    "Pairs reach over the edge of a word.",
    "The last token of a word and the first of the next are no neighbours: take each word alone.",
)
def _across_words(words):
    counts = _counts(words)
    for word, following in pairwise(words):
        counts[word[-1], following[0]] += words[following]
    return _best(counts)


@most_frequent.mistake(
    "It takes the rarest pair.", "Look at the sign of what you sort by: `min` of the counts is the rarest."
)
def _rarest(words):
    counts = _counts(words)
    return min(counts, key=lambda pair: (counts[pair], pair), default=None)


ties = question.probe("ties, and nothing left to merge", _tied)


@ties.mistake(
    "Among equally frequent pairs it takes the one that came first.",
    "`max` and `Counter.most_common` keep the order of the words. The rule is: the smaller pair.",
)
def _first_seen(words):
    counts = _counts(words)
    return max(counts, key=counts.__getitem__, default=None)


@ties.mistake(
    "Among equally frequent pairs it takes the larger one.",
    "`max` of (count, pair) takes the larger pair. `min` of (-count, pair) takes the smaller.",
)
def _larger(words):
    counts = _counts(words)
    return max(counts, key=lambda pair: (counts[pair], pair), default=None)


@ties.mistake(
    "Ties are decided by the right id.",
    "Compare the left ids first and the right ids where those are equal, as tuples do by themselves.",
)
def _smaller_right(words):
    counts = _counts(words)
    return min(counts, key=lambda pair: (-counts[pair], pair[1], pair[0]), default=None)
