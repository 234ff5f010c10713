"""Answers to the turns of lesson 01, written from its text alone; checks changed after."""

import heapq
from collections import Counter
from itertools import chain, groupby, islice, pairwise

import numpy as np
from turn_answers import right


def pair_glued(ids, pair, new):
    """A merge that the answers to learn and encode lean on."""
    out, i = [], 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == tuple(pair):
            out.append(new)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out


# --- 01.count_pairs


@right("01.count_pairs")
class SortedAndGrouped:
    """Chains the pairs of all words, sorts them, and measures the runs of equal ones."""

    def count_pairs(words):
        pairs = chain.from_iterable(zip(word, islice(word, 1, None)) for word in words)
        return {pair: sum(1 for _ in run) for pair, run in groupby(sorted(pairs))}


@right("01.count_pairs")
class UniqueRows:
    """One long NumPy array with -1 between the words, its shifted copy, and the unique rows of both."""

    def count_pairs(words):
        flat = [-1]
        for word in words:
            flat.extend(word)
            flat.append(-1)
        flat = np.array(flat)
        pairs = np.stack([flat[:-1], flat[1:]], axis=1)
        pairs = pairs[(pairs >= 0).all(axis=1)]
        if len(pairs) == 0:
            return {}
        rows, counts = np.unique(pairs, axis=0, return_counts=True)
        return {tuple(row): count for row, count in zip(rows.tolist(), counts.tolist())}


# --- 01.merge


@right("01.merge")
class OneCharacterPerId:
    """Each id becomes a character; str.replace goes from left to right and uses no character twice."""

    def merge(ids, pair, new):
        text = "".join(map(chr, ids)).replace(chr(pair[0]) + chr(pair[1]), chr(new))
        return [ord(character) for character in text]


@right("01.merge")
class PushedBack:
    """An iterator and one id in the hand: a held left id waits for what follows."""

    def merge(ids, pair, new):
        left, right = pair
        out, holding = [], False
        for id in iter(ids):
            if holding and id == right:
                out.append(new)
                holding = False
                continue
            if holding:
                out.append(left)
            holding = id == left
            if not holding:
                out.append(id)
        if holding:
            out.append(left)
        return out


# --- 01.learn


@right("01.learn")
class WeightedSpellings:
    """Different spellings once, each with its count, and pairs weighted by it."""

    def learn(words, n):
        spellings = Counter(map(tuple, words))
        merges = {}
        for new in range(256, 256 + n):
            counts = Counter()
            for word, times in spellings.items():
                for pair in pairwise(word):
                    counts[pair] += times
            if not counts:
                break
            best = min(counts.items(), key=lambda item: (-item[1], item[0]))[0]
            merges[best] = new
            shorter = Counter()
            for word, times in spellings.items():
                shorter[tuple(pair_glued(word, best, new))] += times
            spellings = shorter
        return merges


@right("01.learn")
class OneLongString:
    """All words in one string of characters, one per id, with a character between the words that no id has."""

    def learn(words, n):
        stop = chr(0x10FFFF)
        text = stop.join("".join(map(chr, word)) for word in words)
        merges = {}
        for new in range(256, 256 + n):
            counts = Counter(zip(text, text[1:]))
            pairs = [(-c, p) for p, c in counts.items() if stop not in p]
            if not pairs:
                break
            left, right = min(pairs)[1]
            merges[ord(left), ord(right)] = new
            text = text.replace(left + right, chr(new))
        return merges


# --- 01.encode


@right("01.encode")
class HeapAndLinks:
    """A heap of candidates over a doubly linked list; entries that no longer hold are dropped."""

    def encode(ids, merges):
        ids = list(ids)
        n = len(ids)
        after, before = list(range(1, n + 1)), list(range(-1, n - 1))
        heap = []

        def push(i, j):
            if 0 <= i and j < n:
                new = merges.get((ids[i], ids[j]))
                if new is not None:
                    heapq.heappush(heap, (new, i, j, ids[i], ids[j]))

        for i in range(n - 1):
            push(i, i + 1)
        while heap:
            new, i, j, left, right = heapq.heappop(heap)
            if ids[i] != left or ids[j] != right or after[i] != j:
                continue
            ids[i], ids[j] = new, None
            after[i] = after[j]
            if after[i] < n:
                before[after[i]] = i
            push(before[i], i)
            push(i, after[i])
        return [id for id in ids if id is not None]


@right("01.encode")
class OneOccurrenceAtATime:
    """Merges only the leftmost occurrence of the earliest pair in each round, by slices of a copy."""

    def encode(ids, merges):
        nothing = (float("inf"), 0)
        ids = list(ids)
        while True:
            places = ((merges[p], i) for i, p in enumerate(zip(ids, ids[1:])) if p in merges)
            new, i = min(places, default=nothing)
            if new == float("inf"):
                return ids
            ids[i : i + 2] = [new]
