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
    long_call=([[3 * n, 3 * n + 1, 3 * n + 2] for n in range(100)],),
    slow=(
        "The result is right, but the work grows with the square of the number of words.",
        "`list.count` in a loop, or a sum of Counters, starts over again and again. Walk over all pairs once, and add "
        "1 each time.",
    ),
    errors={
        "NoneType' and 'int'": "`counts.get(pair)` is None for a new pair. `counts.get(pair, 0)` gives 0.",
        "of type frozenset": "A set has no order, and (7, 7) leaves one id in it. A key is a tuple: `(left, right)`.",
        "of type pairwise": "`pairwise(ids)` holds the pairs of one word: loop over them.",
        "cannot unpack": "The items of a word are single ids. `pairwise` makes pairs of them.",
        "out of bounds for axis": "Ids go on above 255: each merge makes a new one. A dictionary has place for all.",
        "inhomogeneous": "Words differ in length, so they don't fit into an array. Loop over them.",
        "no attribute 'items'": "A Counter counts by `.update(...)`; `+=` adds another Counter.",
        "^KeyError|raised KeyError": "The pair isn't in the dictionary yet. `counts.get(pair, 0)` gives 0 for it.",
        "unhashable type": "A list can't be a key. Is your pair a list, or a slice? `(left, right)` is a tuple. Or did "
        "you pair whole words? Loop over `words` first, then over the ids of each.",
        "index out of range": "The last id has no right neighbor: a word of n ids has n - 1 pairs. And `for i in ids` "
        "gives ids, not positions.",
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
    """Short words, none at all, ids in a row that are equal, the id 0, and ids that merges have made."""
    equal: list[Call] = [([[5, 5, 5]],), ([[], [3, 3], [2]],), ([[1, 1, 1, 1, 2], [1, 1]],)]
    as_text: Call = ([[17, 12], [7, 10, 7, 1]],)
    return [*equal, ([[9], [9, 4]],), ([],), ([[0, 3], [4, 0, 3]],), as_text, ([[300, 40_000, 300]],)]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not a dictionary of pairs, or no numbers in it; or one that doesn't depend on the words."""
    if got[0] and all(answer == got[0] for answer in got):
        return "The result is the same, whatever `words` holds.", "Does it count a name of the page? Count `words`."
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
        if type(answer) is dict and any(len(key) != 2 for key in answer):
            key = next(key for key in answer if len(key) != 2)
            hint = "A key holds two ids. A slice that begins at the last id holds one."
            return f"The key {key} isn't a pair.", hint, index
        if type(answer) is dict and any(type(id) is str for key in answer for id in key):
            return "The keys hold characters.", "A key is a tuple of two ids, which are numbers.", index
        if type(answer) is dict and any(type(count) is float for count in answer.values()):
            return "The values are fractions, not counts.", "Count by adding 1, and don't divide.", index
    return None


def _why(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """What is true of wrong counts that no known mistake explains."""
    for index, (wanted, answer) in enumerate(zip(right, got, strict=True)):
        if type(answer) is not dict or answer == wanted:
            continue
        if extra := [pair for pair in answer if pair not in wanted]:
            hint = "A pair is two ids of one word, side by side."
            return f"{extra[0]} is counted, and no word holds it.", hint, index
        if missing := [pair for pair in wanted if pair not in answer]:
            return f"The pair {missing[0]} is missing.", "Return all pairs of all words.", index
        pair = next(pair for pair in wanted if answer[pair] != wanted[pair])
        return f"{pair} has the count {answer[pair]}, and {wanted[pair]} is right.", "Count its positions.", index
    return None


def _by(find: Callable[[list[int]], Iterable[Any]]) -> Callable[[list[list[int]]], dict]:
    """The counts of other pairs of each word."""
    return lambda words: dict(Counter(pair for ids in words for pair in find(ids)))


def _in_last_word(words: list[list[int]]) -> dict[Pair, int]:
    """Each word's counts in place of those before."""
    counts: dict[Pair, int] = {}
    for ids in words:
        counts |= Counter(pairwise(ids))
    return counts


words = turn.probe("words", _words, _form)
words.at_last = _why
words.mistake(
    "Every count is 0.",
    "`setdefault` alone adds nothing, and `ids.count(pair)` looks for the pair among single ids. Add 1 to what is "
    "there.",
    lambda words: dict.fromkeys(count_pairs(words), 0),
)
words.mistake(
    "Each word's counts replace those of the words before.",
    "Add to what is there: `counts.get(pair, 0)`.",
    _in_last_word,
)
words.mistake(
    "Of a pair's counts in several words, the first is kept.",
    "Add them up: `counts.get(pair, 0) + 1`.",
    lambda words: _in_last_word(words[::-1]),
)
words.mistake(
    "Of a pair's counts in several words, the largest is kept.",
    "`|` of Counters does that. Add them up: `counts.get(pair, 0) + 1`.",
    lambda words: {
        pair: max(list(pairwise(ids)).count(pair) for ids in words) for ids in words for pair in pairwise(ids)
    },
)
words.mistake(
    "A pair that comes twice in a word is counted four times.",
    "You add the number of its positions at each of them. Add 1.",
    _by(lambda ids: [pair for pair in pairwise(ids) for _ in range(list(pairwise(ids)).count(pair))]),
)
words.mistake(
    "There's an id between the two ids of each pair.",
    "`ids[1:]` holds the right neighbors of `ids`; `ids[2:]` skips one.",
    _by(lambda ids: zip(ids, ids[2:], strict=False)),
)
words.mistake(
    "Each pair is counted in reverse, too.",
    "(7, 8) and (8, 7) are two different pairs. Count what is there: left, right.",
    _by(lambda ids: [*pairwise(ids), *pairwise(ids[::-1])]),
)
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
    "An id that comes again in a word gets the right neighbor of its first place.",
    "`ids.index(id)` finds the first place only. Walk over the positions, or use `pairwise(ids)`.",
    _by(lambda ids: [(id, ids[ids.index(id) + 1]) for id in ids[:-1]]),
)
words.mistake(
    "The first id of a word counts as the right neighbor of its last one.",
    "`ids[i - 1]` with i = 0 is the last id. Begin at the second one.",
    _by(lambda ids: [(ids[i - 1], ids[i]) for i in range(len(ids))]),
)
words.mistake(
    "A word of two ids is skipped.",
    "It holds one pair. Only words of fewer than two ids have none.",
    lambda words: count_pairs([ids for ids in words if len(ids) > 2]),
)
words.mistake(
    "The words themselves are paired.",
    "minbpe's `get_stats` takes one list of ids. Here `words` holds several: loop over them.",
    lambda words: dict(Counter(pairwise(map(tuple, words)))),
)


odd = turn.probe("repeated ids, and words without a pair", _odd, _form)
odd.at_last = _why
odd.mistake(
    "Pairs whose left id is 0 are left out.",
    "0 is an id like any other, and `if id:` is false for it. Ask `is not None`.",
    _by(lambda ids: [pair for pair in pairwise(ids) if pair[0]]),
)
odd.mistake(
    "Pairs whose right id is 0 are left out.",
    "0 is an id like any other, and `if right:` is false for it. Ask `is not None`.",
    _by(lambda ids: [pair for pair in pairwise(ids) if pair[1]]),
)
odd.mistake(
    "Pairs with the id 0 are left out.",
    "0 is an id like any other, and no padding.",
    _by(lambda ids: [pair for pair in pairwise(ids) if 0 not in pair]),
)
odd.mistake(
    "A pair is packed into one number, and a right id above 255 spills over into the left one.",
    "A tuple holds any two ids: `(left, right)`.",
    _by(lambda ids: [divmod(left * 256 + right, 256) for left, right in pairwise(ids)]),
)
odd.mistake(
    "A pair is packed into one number, and a right id above 255 spills over into the left one.",
    "A tuple needs no bits shifted: `(left, right)`.",
    _by(lambda ids: [divmod(left << 8 | right, 256) for left, right in pairwise(ids)]),
)
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
