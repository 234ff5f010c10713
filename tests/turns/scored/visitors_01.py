"""Answers to the turns of lesson 01, written from its text alone; checks changed after."""

import heapq
import re
from collections import Counter
from functools import reduce
from itertools import chain, groupby, pairwise

from turn_answers import right, wrong


def count_pairs(words):
    return dict(Counter(chain.from_iterable(map(pairwise, words))))


def merge(ids, pair, new):
    merged, i = [], 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == tuple(pair):
            merged.append(new)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def _count_by_halves(words):
    if len(words) < 2:
        return Counter(pair for word in words for pair in zip(word, word[1:]))
    middle = len(words) // 2
    return _count_by_halves(words[:middle]) + _count_by_halves(words[middle:])


def _spell_merge(word, pair, new):
    return tuple(int(id) for id in re.sub(rf"\b{pair[0]} {pair[1]}\b", str(new), " ".join(map(str, word))).split())


def _rounds(words, new=256):
    while counts := count_pairs(words):
        _, pair = min((-times, pair) for pair, times in counts.items())
        yield pair, new
        words = [merge(word, pair, new) for word in words]
        new += 1


# --- 01.count_pairs


@wrong("01.count_pairs", "The result lacks 2 keys.")
class RegexDotMissesNewline:
    """A lookahead for two characters finds the pairs, but the dot matches no line feed, so pairs with 10 are lost."""

    def count_pairs(words):
        texts = ["".join(map(chr, word)) for word in words]
        bigrams = [bigram for text in texts for bigram in re.findall(r"(?=(..))", text)]
        return {(ord(left), ord(right)): n for (left, right), n in Counter(bigrams).items()}


@wrong("01.count_pairs", "(7, 1) has the count 3, and 1 is right.")
class DecimalSubstrings:
    """The ids are searched as decimal text without edges, so the pair (7, 1) is also found in 17, 12."""

    def count_pairs(words):
        lines = [" ".join(map(str, word)) for word in words]
        pairs = {pair for word in words for pair in pairwise(word)}
        return {(a, b): sum(len(re.findall(f"(?={a} {b})", line)) for line in lines) for a, b in pairs}


@wrong("01.count_pairs", "Of a pair's counts in several words, the first is kept.")
class LeftBiasedUnion:
    """The counts of the words are joined like Data.Map.union, so a pair keeps the count of the first word it is in."""

    def count_pairs(words):
        return reduce(lambda first, then: {**then, **first}, (dict(Counter(pairwise(word))) for word in words), {})


@right("01.count_pairs")
class SortedThenGrouped:
    """All pairs are sorted, and each count is the length of a group of equal ones."""

    def count_pairs(words):
        pairs = sorted(pair for word in words for pair in zip(word, word[1:]))
        return {pair: sum(1 for _ in group) for pair, group in groupby(pairs)}


@right("01.count_pairs")
class CountsHalfAndHalf:
    """The counts of the first half of the words and of the second are added, by recursion."""

    def count_pairs(words):
        return dict(_count_by_halves(words))


# --- 01.merge


@wrong("01.merge", "The id after a pair comes out without being looked at.")
class NeighborsShareASpace:
    """Each occurrence needs a space of its own on both sides, so of two that touch, the second isn't replaced."""

    def merge(ids, pair, new):
        text = " " + " ".join(str(id) for id in ids) + " "
        return [int(id) for id in text.replace(f" {pair[0]} {pair[1]} ", f" {new} ").split()]


@right("01.merge")
class SubWithWordEdges:
    """A regular expression with edges replaces the pair in the decimal text of the ids."""

    def merge(ids, pair, new):
        text = re.sub(rf"\b{pair[0]} {pair[1]}\b", str(new), " ".join(map(str, ids)))
        return [int(id) for id in text.split()]


@right("01.merge")
class FoldWithAHeldId:
    """A fold holds back one left id of the pair until it has seen what follows."""

    def merge(ids, pair, new):
        def step(state, id):
            done, held = state
            if held and id == pair[1]:
                return done + [new], []
            done.extend(held)
            if id == pair[0]:
                return done, [id]
            done.append(id)
            return done, []

        done, held = reduce(step, ids, ([], []))
        return done + held


# --- 01.learn


@right("01.learn")
class CountsWhatChanged:
    """It keeps a table of distinct words with their frequencies, and corrects the counts only for words that change."""

    def learn(words, n):
        table = [[word, times] for word, times in Counter(map(tuple, words)).items()]
        counts = Counter()
        for word, times in table:
            for pair in pairwise(word):
                counts[pair] += times
        merges = {}
        while len(merges) < n and (counts := +counts):
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = 256 + len(merges)
            for entry in table:
                word, times = entry
                if best in pairwise(word):
                    entry[0] = _spell_merge(word, best, merges[best])
                    for pair in pairwise(word):
                        counts[pair] -= times
                    for pair in pairwise(entry[0]):
                        counts[pair] += times
        return merges


@right("01.learn")
class TakesFromAStream:
    """A stream yields merges as long as there are pairs, and a dictionary takes the first n of it."""

    def learn(words, n):
        return dict(item for _, item in zip(range(n), _rounds(words)))


# --- 01.encode


@wrong("01.encode", "The new ids are compared as text, where '1000' comes before '256'.")
class RanksAsText:
    """The new ids are compared as text, so 1000 counts as learned before 256."""

    def encode(ids, merges):
        while known := {str(merges[pair]): pair for pair in pairwise(ids) if pair in merges}:
            rank = sorted(known)[0]
            ids = merge(ids, known[rank], int(rank))
        return list(ids)


@right("01.encode")
class ReplacesLettersInAText:
    """The ids are letters of a text, and str.replace puts one letter in place of two."""

    def encode(ids, merges):
        text = "".join(map(chr, ids))
        while known := [pair for left, right in pairwise(text) if (pair := (ord(left), ord(right))) in merges]:
            first = min(known, key=merges.get)
            text = text.replace("".join(map(chr, first)), chr(merges[first]))
        return [ord(letter) for letter in text]


@right("01.encode")
class HeapOfKnownPairs:
    """A heap gives out the known pairs by their new ids, and each merge puts the pairs around the new id on it."""

    def encode(ids, merges):
        ids = list(ids)
        heap = [(merges[pair], pair) for pair in set(pairwise(ids)) if pair in merges]
        heapq.heapify(heap)
        while heap:
            new, pair = heapq.heappop(heap)
            ids = merge(ids, pair, new)
            for around in set(pairwise(ids)):
                if new in around and around in merges:
                    heapq.heappush(heap, (merges[around], around))
        return ids
