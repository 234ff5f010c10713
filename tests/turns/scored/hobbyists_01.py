"""Answers to the turns of lesson 01, written from its text alone; checks changed after."""

import heapq
from collections import Counter
from itertools import chain, pairwise

import torch
from turn_answers import right, wrong


def count_pairs(words):
    return dict(Counter(pair for word in words for pair in pairwise(word)))


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


# --- 01.count_pairs


@right("01.count_pairs")
class TorchUnique:
    """All pairs become the rows of a tensor, and torch.unique counts equal rows."""

    def count_pairs(words):
        pairs = [pair for word in words for pair in pairwise(word)]
        if not pairs:
            return {}
        rows, counts = torch.unique(torch.tensor(pairs), dim=0, return_counts=True)
        return {(left, after): n for (left, after), n in zip(rows.tolist(), counts.tolist(), strict=True)}


@right("01.count_pairs")
class WallsBetweenWords:
    """All words are chained with a None after each, and the pairs that touch a None are dropped at the end."""

    def count_pairs(words):
        line = list(chain.from_iterable([*word, None] for word in words))
        counts = Counter(zip(line, line[1:], strict=False))
        return {pair: n for pair, n in counts.items() if None not in pair}


# --- 01.merge


@right("01.merge")
class SkipByIterator:
    """An iterator over ids and their successors is moved on by one more step after each match."""

    def merge(ids, pair, new):
        out = []
        steps = zip(ids, [*ids[1:], None], strict=False)
        for here, after in steps:
            if here == pair[0] and after == pair[1]:
                out.append(new)
                next(steps, None)
            else:
                out.append(here)
        return out


# --- 01.learn


@wrong("01.learn", "The number of merges is 1, and 2 is right.")
class StopsAtOneWholeWord:
    """It stops as soon as any word is a single id, where pairs may be left in the other words."""

    def learn(words, n):
        merges = {}
        while len(merges) < n and words and not any(len(word) < 2 for word in words):
            counts = count_pairs(words)
            pair = sorted(counts, key=lambda pair: (-counts[pair], pair))[0]
            new = 256 + len(merges)
            merges[pair] = new
            words = [merge(word, pair, new) for word in words]
        return merges


@right("01.learn")
class DistinctWordsWithWeights:
    """Each distinct word is kept once as a tuple, with the number of times it occurs as the weight of its pairs."""

    def learn(words, n):
        bag = Counter(tuple(word) for word in words)
        merges = {}
        for new in range(256, 256 + n):
            counts = Counter()
            for word, times in bag.items():
                for pair in pairwise(word):
                    counts[pair] += times
            if not counts:
                break
            _, pair = min((-count, pair) for pair, count in counts.items())
            merges[pair] = new
            smaller = Counter()
            for word, times in bag.items():
                smaller[tuple(merge(list(word), pair, new))] += times
            bag = smaller
        return merges


@right("01.learn")
class OneLongString:
    """All words are one string, a letter per id plus one, with chr(0) between words, and str.replace merges."""

    def learn(words, n):
        text = "\0".join("".join(chr(id + 1) for id in word) for word in words)
        merges = {}
        while len(merges) < n:
            counts = Counter(a + b for a, b in pairwise(text) if "\0" not in (a, b))
            if not counts:
                break
            best = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[0][0]
            new = 256 + len(merges)
            merges[ord(best[0]) - 1, ord(best[1]) - 1] = new
            text = text.replace(best, chr(new + 1))
        return merges


# --- 01.encode


@right("01.encode")
class SmallestOfTuples:
    """min of (new id, place) tuples with a default finds the next merge, and a slice of a copy takes it in."""

    def encode(ids, merges):
        ids = [*ids]
        while best := min(((merges[p], i) for i, p in enumerate(pairwise(ids)) if p in merges), default=()):
            new, i = best
            ids[i : i + 2] = [new]
        return ids


@right("01.encode")
class HeapAndLinks:
    """A heap of (new id, place) over a linked list of ids, where outdated entries are skipped."""

    def encode(ids, merges):
        ids, n = list(ids), len(ids)
        after, before = list(range(1, n + 1)), list(range(-1, n - 1))
        heap = [(merges[pair], i, pair) for i, pair in enumerate(pairwise(ids)) if pair in merges]
        heapq.heapify(heap)
        while heap:
            new, i, pair = heapq.heappop(heap)
            j = after[i]
            if ids[i] is None or j >= n or (ids[i], ids[j]) != pair:
                continue
            ids[i], ids[j] = new, None
            after[i] = after[j]
            if after[i] < n:
                before[after[i]] = i
            for left in (before[i], i):
                if left >= 0 and after[left] < n:
                    two = (ids[left], ids[after[left]])
                    if two in merges:
                        heapq.heappush(heap, (merges[two], left, two))
        return [id for id in ids if id is not None]
