"""Merging: how the learned merges are applied to one word.

Encoding replays the training: of all pairs of neighboring tokens in the word, it merges the one that was learned first
(the one of lowest rank), until no pair of the word is in the merge table. It does not look for the fewest tokens.

`merge_word_naive` says that in a few lines, on a list of ids. `merge_word` gives the same result and is what runs. It
keeps a word as a Python string with one character per token: `chr(id)` stands for the token `id`. Python already knows
how to compare strings, cut them and replace a part everywhere, so this is both short and fast. Such a character is
called a *symbol*, and a pair of neighboring tokens is a string of length two.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from operator import add

Pair = tuple[int, int]  # the ids of two neighboring tokens
MergeTable = Mapping[str, tuple[int, str]]  # a pair of symbols -> (rank, the symbol that it becomes)

LARGEST_ID = sys.maxunicode  # the last argument of chr(): at most 1,114,112 tokens
CACHED_WORDS = 2**16  # when full, 12 MB of English words, and 46 MB of the longest that are cached, all emoji
LONGEST_CACHED_WORD = 64  # characters; a longer one hardly ever comes back


def merge_pair(ids: Sequence[int], pair: Pair, new_id: int) -> list[int]:
    """Replace each occurrence of a pair by one new id, from left to right.

    >>> merge_pair([7, 7, 7, 1], (7, 7), new_id=8)
    [8, 7, 1]
    """
    merged = []
    position = 0
    while position < len(ids):
        if position + 1 < len(ids) and (ids[position], ids[position + 1]) == pair:
            merged.append(new_id)
            position += 2
        else:
            merged.append(ids[position])
            position += 1
    return merged


def merge_word_naive(ids: Sequence[int], table: Mapping[Pair, tuple[int, int]]) -> list[int]:
    """Encode one word: merge its pair of lowest rank until no pair of it is in the table.

    The table maps a pair of ids to (rank, new id). Each merge reads the whole word, so a word of n bytes costs about
    n * n steps. `merge_word` gives the same tokens for every table whose merges are in an order that training can
    learn: after the merges that make their parts.

    >>> table = {(117, 103): (0, 256), (104, 256): (1, 257), (103, 115): (2, 258)}    # u + g, h + ug, g + s
    >>> merge_word_naive(list(b"hugs"), table)
    [257, 115]
    """
    ids = list(ids)
    while known := [pair for pair in pairwise(ids) if pair in table]:
        best = min(known, key=lambda pair: table[pair])
        _, new_id = table[best]
        ids = merge_pair(ids, best, new_id)
    return ids


def adjacent_pairs(symbols: str) -> Iterator[str]:
    """The neighboring pairs of a word of symbols, from left to right.

    >>> list(adjacent_pairs("anna"))
    ['an', 'nn', 'na']
    """
    return map(add, symbols, symbols[1:])


def merge_word(symbols: str, table: MergeTable) -> str:
    """Encode one word of n symbols in about n * log(n) steps, with a priority queue of the pairs that could be merged.

    The pair of lowest rank is on top, the leftmost first. A merge changes only the two pairs beside it, so only those
    are looked up again.

    >>> merge_word("hugs", {"ug": (0, "U"), "hU": (1, "H"), "gs": (2, "S")})
    'Hs'
    """
    # A doubly linked list, closed to a ring by one empty part: a pair across the edge has one symbol and no rank.
    edge = len(symbols)
    parts = [*symbols, ""]
    before = [edge, *range(edge)]
    after = [*range(1, edge + 1), 0]

    # Take the pair of lowest rank, merge it, queue the two pairs that this made.
    queue = [(table[pair][0], at, pair) for at, pair in enumerate(adjacent_pairs(symbols)) if pair in table]
    heapify(queue)
    while queue:
        _, at, pair = heappop(queue)
        right = after[at]
        if parts[at] + parts[right] != pair:
            continue  # an earlier merge has used one of the two
        parts[at], parts[right] = table[pair][1], ""
        after[at] = after[right]
        before[after[at]] = at
        for left in (before[at], at):
            pair = parts[left] + parts[after[left]]
            if pair in table:
                heappush(queue, (table[pair][0], left, pair))
    return "".join(parts)


class WordCache(dict[str, str]):
    """Remembers what each word became, because a text repeats its words; `cache[word]` computes what is missing.

    A full cache is emptied, so a text of ever new words costs time but no memory.

    >>> shout = WordCache(str.upper)
    >>> shout["hug"], dict(shout)
    ('HUG', {'hug': 'HUG'})
    """

    def __init__(self, compute: Callable[[str], str]):
        self.compute = compute

    def __missing__(self, word: str) -> str:
        symbols = self.compute(word)
        if len(word) <= LONGEST_CACHED_WORD:
            if len(self) >= CACHED_WORDS:
                self.clear()
            self[word] = symbols
        return symbols
