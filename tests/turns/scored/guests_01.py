"""Answers to the turns of lesson 01, written from its text alone; checks changed after."""

import heapq
from collections import Counter
from itertools import groupby, pairwise

import numpy as np
from turn_answers import right, wrong


def count_pairs(words):
    counts = {}
    for word in words:
        for pair in pairwise(word):
            counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge(ids, pair, new):
    out, i = [], 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == tuple(pair):
            out.append(new)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out


def _bpe(ids, merges):
    ids = list(ids)
    while known := [pair for pair in pairwise(ids) if pair in merges]:
        first = min(known, key=merges.get)
        ids = merge(ids, first, merges[first])
    return ids


def _rows(words):
    """All pairs as rows of two, in lexicographic order, and how often each occurs."""
    pairs = [pair for word in words for pair in pairwise(word)]
    if not pairs:
        return np.zeros((0, 2), dtype=int), np.zeros(0, dtype=int)
    return np.unique(np.array(pairs), axis=0, return_counts=True)


def _halves(ids, merges):
    if len(ids) > 2:
        middle = len(ids) // 2
        ids = _halves(ids[:middle], merges) + _halves(ids[middle:], merges)
    return _bpe(ids, merges)


# --- 01.count_pairs


@right("01.count_pairs")
class BondsOfOneLongChain:
    """All words are one array, the bonds across word ends are masked out, and np.unique counts rows of two."""

    def count_pairs(words):
        chain_ = np.array([id for word in words for id in word], dtype=int)
        site = np.repeat(np.arange(len(words)), [len(word) for word in words])
        bonds = np.stack([chain_[:-1], chain_[1:]], axis=1)[site[:-1] == site[1:]]
        if not len(bonds):
            return {}
        pairs, n = np.unique(bonds, axis=0, return_counts=True)
        return {(a, b): c for (a, b), c in zip(pairs.tolist(), n.tolist(), strict=True)}


@right("01.count_pairs")
class SortAndGroup:
    """All pairs are sorted, and the length of each run of equal pairs is its count."""

    def count_pairs(words):
        everything = sorted((w[i - 1], w[i]) for w in words for i in range(1, len(w)))
        return {p: len(list(run)) for p, run in groupby(everything)}


# --- 01.merge


@wrong("01.merge", "That's a tensor or an array, and a list is asked for.")
class AnArrayComesBack:
    """The ids come back as a NumPy array and not as a list."""

    def merge(ids, pair, new):
        a, keep = np.array(ids), np.ones(len(ids), dtype=bool)
        for i in range(len(a) - 1):
            if keep[i] and a[i] == pair[0] and a[i + 1] == pair[1]:
                a[i], keep[i + 1] = new, False
        return a[keep]


@right("01.merge")
class PointsOfTheComplexPlane:
    """Pairs are complex numbers, and in each run of overlapping hits every other one is kept."""

    def merge(ids, pair, new):
        a = np.array(ids, dtype=int)
        z = a[:-1] + 1j * a[1:]
        hit = np.flatnonzero(z == complex(*pair))
        if not len(hit):
            return list(ids)
        starts = np.r_[True, np.diff(hit) > 1]
        begin = hit[starts][np.cumsum(starts) - 1]
        hit = hit[(hit - begin) % 2 == 0]
        a[hit] = new
        return np.delete(a, hit + 1).tolist()


# --- 01.learn


@wrong("01.learn", "The n most frequent pairs of the words as they came are taken.")
class OldWordsCountedAgain:
    """The merged words get another name than the words that are counted, so a merge of a new id never comes up."""

    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = {p: c for p, c in count_pairs(words).items() if p not in merges}
            if not counts:
                break
            best = min(counts, key=lambda p: (-counts[p], p))
            merges[best] = 256 + i
            merged = [merge(w, best, 256 + i) for w in words]  # noqa: F841
        return merges


@right("01.learn")
class ArgmaxOfSortedRows:
    """np.unique has the pairs in order, so argmax, which takes the first maximum, settles the tie by itself."""

    def learn(words, n):
        merges = {}
        while len(merges) < n:
            pairs, counts = _rows(words)
            if not counts.size:
                return merges
            left, right_ = pairs[counts.argmax()].tolist()
            merges[left, right_] = 256 + len(merges)
            words = [merge(word, (left, right_), merges[left, right_]) for word in words]
        return merges


@right("01.learn")
class EachDifferentWordOnce:
    """Equal words are kept once, as a string with its number of copies, and merged by str.replace."""

    def learn(words, n):
        copies = Counter("".join(map(chr, word)) for word in words)
        merges = {}
        for new in range(256, 256 + n):
            counts = Counter()
            for text, times in copies.items():
                for a, b in pairwise(text):
                    counts[ord(a), ord(b)] += times
            if not counts:
                break
            top = max(counts.values())
            a, b = min(p for p in counts if counts[p] == top)
            merges[a, b] = new
            after = Counter()
            for text, times in copies.items():
                after[text.replace(chr(a) + chr(b), chr(new))] += times
            copies = after
        return merges


# --- 01.encode


@wrong("01.encode", "")
class HalvesFirst:
    """Each half of the word is encoded alone before the whole, so an early merge across the middle comes too late."""

    def encode(ids, merges):
        return _halves(list(ids), merges)


@right("01.encode")
class HeapOfBonds:
    """A heap holds the known bonds by rank and place, links tell the neighbors, and stale bonds are skipped."""

    def encode(ids, merges):
        value = list(ids)
        before, after = list(range(-1, len(ids) - 1)), list(range(1, len(ids) + 1))
        heap = []

        def bond(i):
            j = after[i] if i >= 0 else len(value)
            if j < len(value) and (new := merges.get((value[i], value[j]))) is not None:
                heapq.heappush(heap, (new, i, value[i], value[j]))

        for i in range(len(value)):
            bond(i)
        while heap:
            new, i, a, b = heapq.heappop(heap)
            j = after[i]
            if value[i] != a or j >= len(value) or value[j] != b:
                continue
            value[i], value[j] = new, None
            after[i] = after[j]
            if after[i] < len(value):
                before[after[i]] = i
            bond(before[i])
            bond(i)
        return [id for id in value if id is not None]


@right("01.encode")
class OneMergeAtATime:
    """One occurrence is merged at a time, the leftmost of the best, by min over (new id, place)."""

    def encode(ids, merges):
        out = list(ids)
        while True:
            options = [(merges[p], i) for i, p in enumerate(pairwise(out)) if p in merges]
            if not options:
                return out
            new, i = min(options)
            out = [*out[:i], new, *out[i + 2 :]]
