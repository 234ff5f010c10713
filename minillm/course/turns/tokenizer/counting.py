"""01.count_pairs: how often each pair of neighbors occurs in words (Sennrich et al. 2016, algorithm 1)."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import combinations, pairwise
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn

Pair = tuple[int, int]


def count_pairs(words):
    """How often each pair of neighbors occurs in words, which are lists of ids: {(left, right): count}."""
    counts = {}
    for ids in words:
        for pair in pairwise(ids):
            counts[pair] = counts.get(pair, 0) + 1
    return counts


turn = Turn(
    "01.count_pairs",
    "Count neighbors",
    count_pairs,
    minutes=5,
    difficulty=1,
    hints=(
        "A word of n ids has n - 1 pairs of neighbors. Which two ids are the first pair, and which are the last?",
        "Two loops: over the words, and over the pairs of one word. `pairwise` gives each id with its right neighbor.",
        "Begin with `counts = {}` above both loops. A pair that isn't in it yet has the count 0: see `dict.get`.",
    ),
    long_call=([[3 * n, 3 * n + 1, 3 * n + 2] for n in range(200)],),
    errors={
        "^KeyError|raised KeyError": "The pair isn't in the dictionary yet. `counts.get(pair, 0)` gives 0 for it.",
        "unhashable type": "A list can't be a key. Is your pair a list, or a slice? `(left, right)` is a tuple. Or did "
        "you pair whole words? Loop over `words` first, then over the ids of each.",
        "index out of range": "The last id has no right neighbor: a word of n ids has n - 1 pairs.",
        "not iterable|no len|not subscriptable": "`words` is a list of lists of ids: loop over the words, then over "
        "the pairs of each one.",
        "name '(Counter|defaultdict|itertools|collections)' is not defined": "A plain dictionary does it: "
        "`counts = {}`. Or import it in your cell.",
        "no attribute '(encode|split)'": "`words` holds lists of numbers, not text.",
    },
    debrief=Debrief(
        "Real trainers count each different word once, with how often it occurs, and after a merge they recount only "
        "the words that changed.",
        "A text has 1,000 ids in 200 words. How many pairs are there at most?",
    ),
)


def _word(rng: random.Random, n: int) -> list[int]:
    """A word of n ids without equal neighbors."""
    ids = [rng.randint(1, 4)]
    while len(ids) < n:
        ids.append(rng.choice([id for id in range(1, 5) if id != ids[-1]]))
    return ids


def _words(rng: random.Random) -> list[Call]:
    def words(n: int, most: int = 5) -> list[list[int]]:
        return [_word(rng, rng.randint(2, most)) for _ in range(n)]

    return [
        ([[7, 8, 7, 8], [8, 7]],),
        ([[1, 2, 3], [1, 2, 4]],),
        (words(4),),
        (words(7) + [[1, 2, 1]] * 2,),
        (words(6, 7),),
    ]


def _odd(rng: random.Random) -> list[Call]:
    """Short words, none at all, and ids in a row that are equal."""
    return [([[5, 5, 5]],), ([[9], [9, 4]],), ([],), ([[], [3, 3], [2]],), ([[1, 1, 1, 1, 2], [1, 1]],)]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not a dictionary of pairs, or no numbers in it."""
    for index, answer in enumerate(got):
        if answer is None or not right[index]:
            continue
        if type(answer) in (list, set):
            return "That's a list, and a dictionary is asked for.", "Return `{pair: count}`, all pairs in it.", index
        if type(answer) is tuple:
            return "That's one pair.", "Return the counts of all pairs, in a dictionary.", index
        if type(answer) in (int, float):
            return "That's a number.", "Return a dictionary with a count for each pair.", index
        if type(answer) is dict and answer and not all(type(key) is tuple for key in answer):
            if all(type(key) is int for key in answer):
                return "The keys are numbers, not pairs.", "A key is a tuple of two ids: `(left, right)`.", index
            return "The keys are no pairs.", "A key is a tuple of two ids: `(left, right)`.", index
    return None


def _by(find: Callable[[list[int]], Iterable[Any]]) -> Callable[[list[list[int]]], dict]:
    """The counts of other pairs of each word."""
    return lambda words: dict(Counter(pair for ids in words for pair in find(ids)))


words = turn.probe("words", _words, _form)
words.mistake(
    "Pairs reach over the edge of a word.",
    "The last id of a word and the first id of the next are no neighbors: take each word by itself.",
    lambda words: dict(Counter(pairwise([id for ids in words for id in ids]))),
)
words.mistake(
    "The last pair of each word is missed.",
    "A word of n ids has n - 1 pairs: `range(len(ids) - 1)`.",
    _by(lambda ids: pairwise(ids[:-1])),
)
words.mistake(
    "The first pair of each word is missed.",
    "A word of n ids has n - 1 pairs, and the first begins at position 0.",
    _by(lambda ids: pairwise(ids[1:])),
)
words.mistake(
    "The first and the last pair of each word are missed.",
    "A word of n ids has n - 1 pairs: `range(len(ids) - 1)`.",
    _by(lambda ids: pairwise(ids[1:-1])),
)
words.mistake(
    "A pair counts once per word, however often it is there.",
    "Count each of its positions: no `set`, and no `if pair in ...`.",
    _by(lambda ids: set(pairwise(ids))),
)
words.mistake(
    "A word that comes twice is counted once.",
    "Each word in the list counts, however often it was there before.",
    lambda words: count_pairs([list(ids) for ids in dict.fromkeys(map(tuple, words))]),
)
words.mistake(
    "Pairs that occur once are left out.",
    "Return all counts, the ones, too.",
    lambda words: {pair: count for pair, count in count_pairs(words).items() if count > 1},
)
words.mistake(
    "Every pair has the count 1.",
    "Add 1 to what is there: `counts.get(pair, 0) + 1`.",
    lambda words: dict.fromkeys(count_pairs(words), 1),
)
words.mistake(
    "All counts are too large by one.",
    "A pair that isn't in the dictionary yet has the count 0.",
    lambda words: {pair: count + 1 for pair, count in count_pairs(words).items()},
)
words.mistake(
    "All counts are too small by one: the first time isn't counted.",
    "When a pair is new, its count becomes 1.",
    lambda words: {pair: count - 1 for pair, count in count_pairs(words).items()},
)
words.mistake(
    "Only the first word is counted.",
    "Is `return` inside the loop? It ends the loop in its first round.",
    lambda words: count_pairs(words[:1]),
)
words.mistake(
    "Only the last word is counted.",
    "`counts = {}` belongs above the loop over the words.",
    lambda words: count_pairs(words[-1:]),
)
words.mistake(
    "Only the first pair is counted.",
    "Is `return` inside both loops? It ends them in their first round.",
    lambda words: count_pairs([ids[:2] for ids in words[:1]]),
)
words.mistake(
    "(7, 8) and (8, 7) are counted as one pair.",
    "A merge joins left and right in this order. Don't sort the two.",
    _by(lambda ids: [(min(pair), max(pair)) for pair in pairwise(ids)]),
)
words.mistake(
    "Left and right are swapped.",
    "The left neighbor comes first: `(left, right)`.",
    _by(lambda ids: [(right, left) for left, right in pairwise(ids)]),
)
words.mistake(
    "It goes in steps of two, so every second pair is missed.",
    "Pairs overlap: 7, 8, 7 holds (7, 8) and (8, 7).",
    _by(lambda ids: list(pairwise(ids))[::2]),
)
words.mistake(
    "Two ids count as a pair even if others stand between them.",
    "Only direct neighbors can be merged.",
    _by(lambda ids: combinations(ids, 2)),
)
words.mistake(
    "The first id of a word counts as the right neighbor of its last one.",
    "`ids[i - 1]` with i = 0 is the last id. Begin at the second one.",
    _by(lambda ids: [(ids[i - 1], ids[i]) for i in range(len(ids))]),
)
words.mistake(
    "The words themselves are paired.",
    "minbpe's `get_stats` takes one list of ids. Here `words` holds several: loop over them.",
    lambda words: dict(Counter(pairwise(map(tuple, words)))),
)


odd = turn.probe("repeated ids, and words without a pair", _odd, _form)
odd.mistake(
    "In 5, 5, 5 the pair (5, 5) is counted once.",
    "It's there twice, at positions 0 and 1. Only merging uses an id once.",
    lambda words: _without_overlap(words),
)


def _without_overlap(words: list[list[int]]) -> dict[Pair, int]:
    counts: Counter[Pair] = Counter()
    for ids in words:
        last: dict[Pair, int] = {}
        for at, pair in enumerate(pairwise(ids)):
            if last.get(pair) != at - 1:
                last[pair] = at
                counts[pair] += 1
    return dict(counts)


odd.mistake(
    "Pairs of two equal ids are left out.",
    "(5, 5) is a pair like any other: *ee* in *week*.",
    _by(lambda ids: [pair for pair in pairwise(ids) if pair[0] != pair[1]]),
)
