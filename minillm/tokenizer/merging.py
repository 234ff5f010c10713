"""The merge: how the learnt merges are applied to one word.

A word is a Python string whose characters are not letters but tokens: `chr(id)` stands for the token `id`. We call
such a character a *symbol*. The trick makes the code short and quick, because Python already knows how to compare
strings, cut them, and replace one piece of them everywhere. A pair of neighbouring tokens is a string of length two,
and merging the pair is `symbols.replace(pair, merged)`.

A merge table says, for a pair, when the merge was learnt (its rank) and which symbol the pair becomes. Encoding
replays the training: the merge that was learnt first goes first. It does not look for the fewest tokens.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from heapq import heapify, heappop, heappush
from operator import add

MergeTable = Mapping[str, tuple[int, str]]

LARGEST_ID = sys.maxunicode  # chr() ends here: room for 1,114,112 tokens
CACHED_WORDS = 2**16  # when full, 12 MB of English words, and 46 MB of the longest that are cached, all emoji
LONGEST_CACHED_WORD = 64  # in characters; a longer one hardly ever comes back


def adjacent_pairs(symbols: str) -> Iterator[str]:
    """The neighbouring pairs of a word, from left to right.

    >>> list(adjacent_pairs("anna"))
    ['an', 'nn', 'na']
    """
    return map(add, symbols, symbols[1:])


def merge_word_naive(symbols: str, table: MergeTable) -> str:
    """Merge the pair that was learnt first, the leftmost of its kind, until no pair of the word is in the table.

    Each step looks at the whole word again, so a word of n symbols costs about n * n. `merge_word` gives the same.

    >>> merge_word_naive("hugs", {"ug": (0, "U"), "hU": (1, "H"), "gs": (2, "S")})
    'Hs'
    """
    while known := [pair for pair in adjacent_pairs(symbols) if pair in table]:
        first_learnt = min(known, key=lambda pair: table[pair])
        symbols = symbols.replace(first_learnt, table[first_learnt][1], 1)
    return symbols


def merge_word(symbols: str, table: MergeTable) -> str:
    """The same in about n * log(n): a queue holds the pairs that could be merged, the first learnt on top.

    A merge changes only the two pairs beside it, so only those are looked at again.

    >>> merge_word("hugs", {"ug": (0, "U"), "hU": (1, "H"), "gs": (2, "S")})
    'Hs'
    """
    # A linked list, closed to a ring by one empty part: a pair over the edge has one symbol, and no table holds it.
    edge = len(symbols)
    parts = [*symbols, ""]
    before = [edge, *range(edge)]
    after = [*range(1, edge + 1), 0]

    queue = [(table[pair][0], at, pair) for at, pair in enumerate(adjacent_pairs(symbols)) if pair in table]
    heapify(queue)
    while queue:
        _, at, pair = heappop(queue)
        right = after[at]
        if parts[at] + parts[right] != pair:
            continue  # an earlier merge has taken one of the two
        parts[at], parts[right] = table[pair][1], ""
        after[at] = after[right]
        before[after[at]] = at
        for left in (before[at], at):
            pair = parts[left] + parts[after[left]]
            if pair in table:
                heappush(queue, (table[pair][0], left, pair))
    return "".join(parts)


class WordCache(dict[str, str]):
    """Remembers what each word became, because a text repeats its words. `cache[word]` works out what is missing.

    A full cache is emptied, so a text of ever new words costs time but no memory.

    >>> shout = WordCache(str.upper)
    >>> shout["hug"], dict(shout)
    ('HUG', {'hug': 'HUG'})
    """

    def __init__(self, work_out: Callable[[str], str]):
        self.work_out = work_out

    def __missing__(self, word: str) -> str:
        symbols = self.work_out(word)
        if len(word) <= LONGEST_CACHED_WORD:
            if len(self) >= CACHED_WORDS:
                self.clear()
            self[word] = symbols
        return symbols
