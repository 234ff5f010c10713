"""01.1: which pair of neighbours is merged next (Sennrich et al. 2016, algorithm 1, ties as in the package)."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import combinations, pairwise
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.facts import fact
from minillm.course.checks.plain import difference, show
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


TIED = (
    "words of one token",
    "no words",
    "pairs that occur once",
    "ids of several digits",
    "a tie that is met in a longer word",
    *["ties of words with one pair, ids up to 999"] * 6,
    *["ties of longer words"] * 8,
)


def _tied(rng: random.Random) -> list[Call]:
    def pairs() -> Words:
        a, b, c, d, e = rng.sample(range(1, 1000), 5)
        pairs = [(a, b), (a, c), (d, e), (e, a)]
        rng.shuffle(pairs)
        return dict.fromkeys(pairs, rng.randint(2, 9))

    def words() -> Words:
        while True:
            drawn = [tuple(rng.choices(range(6), k=rng.randint(2, 5))) for _ in range(6)]
            words = {word: rng.randint(1, 4) for word in drawn}
            most = [count for _, count in _counts(words).most_common(2)]
            if len(set(most)) == 1:
                return words

    a, b, c, d = rng.sample(range(10, 100), 4)
    once: Words = {(a, b): 1, (c, d): 1}
    digits: Words = {(10 * c, d): 2, (10 * c, a): 2, (9, 5): 2, (d, a): 2, (100 + b, 9): 2}
    tied = [*((pairs(),) for _ in range(6)), *((words(),) for _ in range(8))]
    w, x, y, z = sorted((a, b, c, d))
    longer: Words = {(w, z, y): 1, (z, y): 2, (x, y): 3}
    return [({(rng.randint(1, 9),): 4},), ({},), (once,), (digits,), (longer,), *tied]


def _how_frequent(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """How often the returned pairs occur, and whether only ties are decided wrongly."""
    if told := fact(["words"], calls, [wanted or () for wanted in right], [gave or () for gave in got]):
        return told, "Look at what your last line returns: a pair (left, right), or None."
    wrong = [(_counts(words), wanted, gave) for (words,), wanted, gave in zip(calls, right, got, strict=True)]
    wrong = [(counts, wanted, gave) for counts, wanted, gave in wrong if difference(wanted, gave)]
    for counts, wanted, gave in wrong:
        if gave is None:
            hint = "None is only for words that have no pair at all, not one that occurs once."
            return f"It returns None, and {show(wanted)} is left, which occurs {counts[wanted]}×.", hint
        if wanted is None:
            return f"No word has two tokens, and it returns {show(gave)}, not None.", "Give `min` a `default`."
    pairs = [tuple(gave) if type(gave) in (list, tuple) else gave for *_, gave in wrong]
    (first, wanted, _), pair = wrong[0], pairs[0]
    if all(counts.get(pair) == counts[due] for (counts, due, _), pair in zip(wrong, pairs, strict=True)):
        hint = "Compare the left ids as numbers; where they are equal, the right ones. Tuples do so by themselves."
        return f"{show(pair)} is as frequent as {show(wanted)}, but it is not the smaller pair.", hint
    if pair not in first:
        hint = "Take each word alone, only direct neighbours, and return their two ids as they are, of whatever size."
        return f"{show(pair)} stands side by side in no word.", hint
    hint = "Count this pair by hand: at every place of every word, as often as the word occurs."
    return f"{show(pair)} occurs {first[pair]}×, and {show(wanted)} occurs {first[wanted]}×.", hint


question = Question("01.1", "Which pair is next?", next_pair, forbidden=("minillm", "tokenizers"))

most_frequent = question.probe("the most frequent pair", _frequent, _how_frequent)
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


def _of_pairs(find: Callable[[tuple[int, ...]], Iterable[Pair]]) -> Callable[[Words], Pair | None]:
    """The right answer with other pairs of a word."""

    def answer(words: Words) -> Pair | None:
        counts: Counter[Pair] = Counter()
        for word, times in words.items():
            for pair in find(word):
                counts[pair] += times
        return _best(counts)

    return answer


most_frequent.mistake(
    "The last pair of each word is missed.",
    "A word of n tokens has n - 1 pairs: `range(len(word) - 1)`.",
    _of_pairs(lambda word: pairwise(word[:-1])),
)
most_frequent.mistake(
    "The first pair of each word is missed.",
    "A word of n tokens has n - 1 pairs: `range(len(word) - 1)`.",
    _of_pairs(lambda word: pairwise(word[1:])),
)
most_frequent.mistake(
    "(1, 2) and (2, 1) are counted as one pair.",
    "A merge joins left and right in this order. Do not sort the two, and use no set.",
    _of_pairs(lambda word: [(min(pair), max(pair)) for pair in pairwise(word)]),
)
most_frequent.mistake(
    "Two tokens of a word count as a pair even if others stand between them.",
    "Only direct neighbours can be merged: `pairwise`, not `combinations`.",
    _of_pairs(lambda word: combinations(word, 2)),
)


def _by_score(score: Callable[[int, int, int], float]) -> Callable[[Words], Pair | None]:
    def answer(words: Words) -> Pair | None:
        tokens: Counter[int] = Counter()
        for word, times in words.items():
            for token in word:
                tokens[token] += times
        counts = _counts(words)
        scores = {(a, b): score(n, tokens[a], tokens[b]) for (a, b), n in counts.items()}
        return min(scores, key=lambda pair: (-scores[pair], pair), default=None)

    return answer


for _score in (
    lambda n, a, b: n / (a * b),
    lambda n, a, b: n / (a + b),
    lambda n, a, b: n / min(a, b),
    lambda n, a, b: n / max(a, b),
):
    most_frequent.mistake(
        "A pair's count is divided by how often its tokens occur.",
        "That is the rule of WordPiece. Byte pair encoding merges the pair with the largest count itself.",
        _by_score(_score),
    )
most_frequent.mistake(
    "The pair of the most frequent tokens is taken, and not the most frequent pair.",
    "Count pairs: at every place of every word, the two tokens that stand there.",
    _by_score(lambda n, a, b: a + b),
)
ties = question.probe("ties, and nothing left to merge", _tied, _how_frequent, kinds=TIED)


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


def _tie_by(key: Callable[[Pair], Any]) -> Callable[[Words], Pair | None]:
    def answer(words: Words) -> Pair | None:
        counts = _counts(words)
        return min(counts, key=lambda pair: (-counts[pair], key(pair)), default=None)

    return answer


ties.mistake(
    "In ties, ids are compared as text, where '10' comes before '9'.",
    "Compare the pairs themselves, tuples of numbers, not what they look like as text.",
    _tie_by(str),
)
ties.mistake(
    "In ties, the larger right id wins.",
    "Of two pairs with the same left id, take the one with the smaller right id.",
    _tie_by(lambda pair: (pair[0], -pair[1])),
)
ties.mistake(
    "In ties, the larger left id wins.",
    "The smaller pair is asked for: compare the left ids first, and the smaller one wins.",
    _tie_by(lambda pair: (-pair[0], pair[1])),
)


@ties.mistake(
    "Among equally frequent pairs it takes the one that came last.",
    "`>=` lets a later pair take over. The rule is: the smaller pair.",
)
def _last_seen(words):
    counts = _counts(words)
    return max(reversed(counts), key=counts.__getitem__, default=None)


@ties.mistake(
    "A pair that occurs once is not merged.",
    "None is only for words that have no pair at all.",
)
def _only_repeated(words):
    pair = next_pair(words)
    return pair if pair is not None and _counts(words)[pair] > 1 else None
