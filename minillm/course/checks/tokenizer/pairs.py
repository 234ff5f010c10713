"""01.1: which pair of neighbours is merged next (Sennrich et al. 2016, algorithm 1, ties as in the package)."""

import random
from collections import Counter
from itertools import pairwise

from minillm.course.checks.asking import Call
from minillm.course.checks.question import Mistake, Probe, Question

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


def _unweighted(words: Words) -> Pair | None:
    return _best(_counts(dict.fromkeys(words, 1)))


def _different_pairs(words: Words) -> Pair | None:
    counts: Counter[Pair] = Counter()
    for word, times in words.items():
        for pair in set(pairwise(word)):
            counts[pair] += times
    return _best(counts)


def _not_overlapping(words: Words) -> Pair | None:
    counts: Counter[Pair] = Counter()
    for word, times in words.items():
        last: dict[Pair, int] = {}
        for at, pair in enumerate(pairwise(word)):
            if last.get(pair) != at - 1:
                last[pair] = at
                counts[pair] += times
    return _best(counts)


def _across_words(words: Words) -> Pair | None:
    counts = _counts(words)
    for word, following in pairwise(words):
        counts[word[-1], following[0]] += words[following]
    return _best(counts)


def _rarest(words: Words) -> Pair | None:
    counts = _counts(words)
    return min(counts, key=lambda pair: (counts[pair], pair), default=None)


def _first_seen(words: Words) -> Pair | None:
    counts = _counts(words)
    return max(counts, key=counts.__getitem__, default=None)


def _larger(words: Words) -> Pair | None:
    counts = _counts(words)
    return max(counts, key=lambda pair: (counts[pair], pair), default=None)


def _smaller_right(words: Words) -> Pair | None:
    counts = _counts(words)
    return min(counts, key=lambda pair: (-counts[pair], pair[1], pair[0]), default=None)


def _frequent(chance: random.Random) -> list[Call]:
    def words(n: int, largest: int) -> Words:
        while True:
            drawn = [tuple(chance.choices(range(1, largest + 1), k=chance.randint(1, 5))) for _ in range(n)]
            words = {word: chance.randint(1, 9) for word in drawn}
            most = [count for _, count in _counts(words).most_common(2)]
            if len(set(most)) == 2:  # ties come later
                return words

    return [(words(2, 3),), *((words(8, 5),) for _ in range(16))]


def _tied(chance: random.Random) -> list[Call]:
    def pairs() -> Words:
        a, b, c, d, e = chance.sample(range(1, 300), 5)
        pairs = [(a, b), (a, c), (d, e), (e, a)]
        chance.shuffle(pairs)
        return dict.fromkeys(pairs, chance.randint(1, 9))

    def words() -> Words:
        while True:
            drawn = [tuple(chance.choices(range(1, 6), k=chance.randint(2, 5))) for _ in range(6)]
            words = {word: chance.randint(1, 4) for word in drawn}
            most = [count for _, count in _counts(words).most_common(2)]
            if len(set(most)) == 1:
                return words

    tied = [*((pairs(),) for _ in range(6)), *((words(),) for _ in range(8))]
    return [({(chance.randint(1, 9),): 4},), ({},), *tied]


NEXT_PAIR = Question(
    "01.1",
    "Which pair is next?",
    "next_pair",
    (
        Probe(
            "the most frequent pair",
            _frequent,
            next_pair,
            (
                Mistake(
                    "Each word counts once, however often it occurs.",
                    "`words` says how often a word occurs; each of its pairs occurs that many times.",
                    _unweighted,
                ),
                Mistake(
                    "A pair that stands twice in a word is counted once.",
                    "Count places, not different pairs: (1, 2, 1, 2) holds (1, 2) at two places.",
                    _different_pairs,
                ),
                Mistake(
                    "Pairs that overlap are left out.",
                    "(7, 7, 7) holds (7, 7) at two places, though a merge can use only one of them. Count both.",
                    _not_overlapping,
                ),
                Mistake(
                    "Pairs reach over the edge of a word.",
                    "The last token of a word and the first of the next are no neighbours: take each word alone.",
                    _across_words,
                ),
                Mistake(
                    "It takes the rarest pair.",
                    "Look at the sign of what you sort by: `min` of the counts is the rarest.",
                    _rarest,
                ),
            ),
        ),
        Probe(
            "ties, and nothing left to merge",
            _tied,
            next_pair,
            (
                Mistake(
                    "Among equally frequent pairs it takes the one that came first.",
                    "`max` and `Counter.most_common` keep the order of the words. The rule is: the smaller pair.",
                    _first_seen,
                ),
                Mistake(
                    "Among equally frequent pairs it takes the larger one.",
                    "`max` of (count, pair) takes the larger pair. `min` of (-count, pair) takes the smaller.",
                    _larger,
                ),
                Mistake(
                    "Ties are decided by the right id.",
                    "Compare the left ids first and the right ids where those are equal, as tuples do by themselves.",
                    _smaller_right,
                ),
            ),
        ),
    ),
    forbidden=("minillm", "tokenizers"),
)
