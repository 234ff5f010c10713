"""Answers to the turns of lesson 01, written from its text alone; checks changed after."""

import heapq
from collections import Counter, defaultdict
from itertools import groupby, pairwise

import numpy as np
import torch
from turn_answers import right, wrong

_TOTALS = {}


def count_pairs(words):
    """A right one, for the turns that build on it."""
    return dict(Counter(pair for ids in words for pair in pairwise(ids)))


def merge(ids, pair, new):
    """A right one, for the turns that build on it."""
    merged, i = [], 0
    while i < len(ids):
        fits = i + 1 < len(ids) and ids[i] == pair[0] and ids[i + 1] == pair[1]
        merged.append(new if fits else ids[i])
        i += 2 if fits else 1
    return merged


def _best(counts):
    return min(counts, key=lambda pair: (-counts[pair], pair))


# --- 01.count_pairs


@wrong("01.count_pairs", "`_TOTALS` still holds what earlier calls have put into it, and that changes the result.")
class TotalsStay:
    """The counts are kept in a dictionary of the module, so a second call adds to the counts of the first."""

    def count_pairs(words):
        for ids in words:
            for pair in pairwise(ids):
                _TOTALS[pair] = _TOTALS.get(pair, 0) + 1
        return dict(_TOTALS)


@wrong("01.count_pairs", "A pair is packed into one number, and a right id above 255 spills over into the left one.")
class PackedInTwoBytes:
    """A pair is packed as left << 8 | right, which mixes up pairs as soon as an id is 256 or more."""

    def count_pairs(words):
        packed = defaultdict(int)
        for ids in words:
            for i in range(1, len(ids)):
                packed[ids[i - 1] << 8 | ids[i]] += 1
        return {(key >> 8, key & 0xFF): n for key, n in packed.items()}


@right("01.count_pairs")
class SortedAndGrouped:
    """All pairs are put in one sorted list, and the length of each run of equal pairs is its count."""

    def count_pairs(words):
        pairs = sorted((ids[i], ids[i + 1]) for ids in words for i in range(len(ids) - 1))
        return {pair: sum(1 for _ in run) for pair, run in groupby(pairs)}


@right("01.count_pairs")
class UniqueRowsOfATensor:
    """The pairs are rows of a tensor, which torch.unique counts along dim 0."""

    def count_pairs(words):
        pairs = [[left, after] for ids in words for left, after in zip(ids, ids[1:])]
        if not pairs:
            return {}
        rows, counts = torch.tensor(pairs).unique(dim=0, return_counts=True)
        return {(left, after): n for (left, after), n in zip(rows.tolist(), counts.tolist())}


# --- 01.merge


@wrong("01.merge", "The pair isn't merged where it ends the word.")
class PairAtTheEndIsMissed:
    """The bound is i + 2 < len(ids), so a pair that consists of the last two ids isn't merged."""

    def merge(ids, pair, new):
        merged = []
        i = 0
        while i < len(ids):
            if i + 2 < len(ids) and ids[i] == pair[0] and ids[i + 1] == pair[1]:
                merged.append(new)
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return merged


@wrong("01.merge", "In 7, 7, 7, 7 only the first two are merged.")
class NextToAMatch:
    """A match is dropped if one began just before it, even a dropped one, so in 7, 7, 7, 7 only one is merged."""

    def merge(ids, pair, new):
        matches = {i for i in range(len(ids) - 1) if (ids[i], ids[i + 1]) == pair}
        starts = {i for i in matches if i - 1 not in matches}
        return [new if i in starts else id for i, id in enumerate(ids) if i - 1 not in starts]


@right("01.merge")
class CharactersReplaced:
    """Each id is a character of a str, and str.replace does the rest, from left to right and without overlap."""

    def merge(ids, pair, new):
        word = "".join(map(chr, ids))
        return list(map(ord, word.replace(chr(pair[0]) + chr(pair[1]), chr(new))))


@right("01.merge")
class HoldsOneBack:
    """A state machine over the single ids, without an index: it holds one id back until it has seen the next."""

    def merge(ids, pair, new):
        left, after = pair
        merged, held = [], None
        for id in ids:
            if held is not None and held == left and id == after:
                merged.append(new)
                held = None
                continue
            if held is not None:
                merged.append(held)
            held = id
        return merged if held is None else [*merged, held]


# --- 01.learn


@wrong("01.learn", "A word that comes twice counts once.")
class DistinctWords:
    """It keeps each distinct word once, without its frequency, so a word that comes often counts as one."""

    def learn(words, n):
        vocabulary = {tuple(ids) for ids in words}
        merges = {}
        for i in range(n):
            counts = count_pairs(vocabulary)
            if not counts:
                break
            pair = _best(counts)
            merges[pair] = 256 + i
            vocabulary = {tuple(merge(list(ids), pair, 256 + i)) for ids in vocabulary}
        return merges


@wrong("01.learn", "Ties are settled by the bytes that the ids stand for.")
class SmallestBytes:
    """Ties are settled by the bytes that the two ids stand for, not by the ids, so new ids sort in between."""

    def learn(words, n):
        spelled = {i: bytes([i]) for i in range(256)}
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], spelled[p[0]], spelled[p[1]]))
            new = 256 + len(merges)
            merges[pair] = new
            spelled[new] = spelled[pair[0]] + spelled[pair[1]]
            words = [merge(ids, pair, new) for ids in words]
        return merges


@right("01.learn")
class IndexOfWords:
    """It counts once, weighs distinct words by frequency, and after a merge updates only the words that hold it."""

    def learn(words, n):
        frequency = Counter(map(tuple, words))
        forms = [list(ids) for ids in frequency]
        weights = list(frequency.values())
        counts, where = Counter(), defaultdict(set)

        def book(index, sign):
            for pair in pairwise(forms[index]):
                counts[pair] += sign * weights[index]
                where[pair].add(index)

        for index in range(len(forms)):
            book(index, 1)
        merges = {}
        while len(merges) < n:
            alive = {pair: count for pair, count in counts.items() if count > 0}
            if not alive:
                break
            pair = _best(alive)
            merges[pair] = 256 + len(merges)
            for index in where.pop(pair):
                book(index, -1)
                forms[index] = merge(forms[index], pair, merges[pair])
                book(index, 1)
        return merges


@right("01.learn")
class OneFlatArray:
    """All words lie in one numpy array with -1 between them, and np.unique counts, its first maximum being smallest."""

    def learn(words, n):
        flat = np.array([id for ids in words for id in (*ids, -1)], dtype=np.int64)
        merges = {}
        for new in range(256, 256 + n):
            left, after = flat[:-1], flat[1:]
            inside = (left >= 0) & (after >= 0)
            keys, counts = np.unique((left << 32 | after)[inside], return_counts=True)
            if not len(keys):
                break
            best = int(keys[counts.argmax()])
            pair = best >> 32, best & 0xFFFFFFFF
            merges[pair] = new
            starts = np.flatnonzero((left == pair[0]) & (after == pair[1]))
            if pair[0] == pair[1]:  # in a run of overlapping matches, each second one
                number = np.arange(len(starts))
                begins = np.diff(starts, prepend=-2) > 1
                starts = starts[(number - np.maximum.accumulate(np.where(begins, number, 0))) % 2 == 0]
            flat[starts] = new
            flat = np.delete(flat, starts + 1)
        return merges


# --- 01.encode


@wrong("01.encode", "")
class HeapWithOldIndexes:
    """The heap holds indexes, but after a merge all later ids move up by one, and their entries are taken for stale."""

    def encode(ids, merges):
        ids = list(ids)
        heap = [(merges[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in merges]
        heapq.heapify(heap)
        while heap:
            new, i = heapq.heappop(heap)
            if i + 1 >= len(ids) or merges.get((ids[i], ids[i + 1])) != new:
                continue  # stale
            ids[i : i + 2] = [new]
            for j in (i - 1, i):
                if 0 <= j < len(ids) - 1 and (ids[j], ids[j + 1]) in merges:
                    heapq.heappush(heap, (merges[ids[j], ids[j + 1]], j))
        return ids


@right("01.encode")
class HeapOnALinkedList:
    """A heap of (new id, position) over a doubly linked list: each merge costs a logarithm, not a pass."""

    def encode(ids, merges):
        ids = list(ids)
        size = len(ids)
        after, before = list(range(1, size + 1)), list(range(-1, size - 1))
        heap = []

        def push(i):
            if i >= 0 and after[i] < size:
                pair = ids[i], ids[after[i]]
                if pair in merges:
                    heapq.heappush(heap, (merges[pair], i, pair))

        for i in range(size):
            push(i)
        while heap:
            new, i, pair = heapq.heappop(heap)
            j = after[i]
            if ids[i] is None or j >= size or (ids[i], ids[j]) != pair:
                continue
            ids[i], ids[j] = new, None
            after[i] = after[j]
            if after[j] < size:
                before[after[j]] = i
            push(before[i])
            push(i)
        return [id for id in ids if id is not None]


@right("01.encode")
class ByCharacters:
    """The ids are characters of a str, the merges are pairs of letters, and str.replace merges them round by round."""

    def encode(ids, merges):
        word = "".join(map(chr, ids))
        while True:
            ranks = {}
            for left, after in zip(word, word[1:]):
                if (ord(left), ord(after)) in merges:
                    ranks[merges[ord(left), ord(after)]] = left + after
            if not ranks:
                return [ord(letter) for letter in word]
            new = min(ranks)
            word = word.replace(ranks[new], chr(new))
