"""Answers to the turns of lesson 01, written from its text alone; checks changed after."""

import heapq
from collections import Counter
from itertools import pairwise

import numpy as np
import torch
from turn_answers import right, wrong


def count_pairs(words):
    counts = {}
    for ids in words:
        for pair in pairwise(ids):
            counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge(ids, pair, new):
    merged, i = [], 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == tuple(pair):
            merged.append(new)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def _spellings(ids, merges):
    """Each known id by the tuple of byte ids that it stands for."""
    spelled = {id: (id,) for id in [*range(256), *ids]}
    for (left, right_one), new in sorted(merges.items(), key=lambda item: item[1]):
        spelled[new] = spelled.get(left, (left,)) + spelled.get(right_one, (right_one,))
    return {spelling: id for id, spelling in spelled.items()}


_STATS = {}


# --- 01.count_pairs


@wrong("01.count_pairs", "`_STATS` still holds what earlier calls have put into it, and that changes the result.")
class StatsOutsideTheFunction:
    """The dictionary of counts lives outside the function, so a second call adds to the counts of the first."""

    def count_pairs(words):
        for ids in words:
            for pair in zip(ids, ids[1:]):
                _STATS[pair] = _STATS.get(pair, 0) + 1
        return _STATS


@wrong("01.count_pairs", "A pair is packed into one number, and a right id above 255 spills over into the left one.")
class PairAsOneNumberBelow65536:
    """A pair is coded as left * 256 + right and decoded again, which gives another pair once right is 256 or more."""

    def count_pairs(words):
        codes = [left * 256 + right for ids in words for left, right in zip(ids, ids[1:])]
        return {divmod(code, 256): count for code, count in Counter(codes).items()}


@wrong("01.count_pairs", "Of a pair's counts in several words, the largest is kept.")
class UnionOfCounters:
    """The counters of the words are joined with |, which keeps the largest count of any word and not the sum."""

    def count_pairs(words):
        counts = Counter()
        for ids in words:
            counts |= Counter(pairwise(ids))
        return dict(counts)


@wrong("01.count_pairs", "Pairs with the id 0 are left out.")
class PaddedWithZero:
    """Words are padded with 0 to one length and pairs with a 0 are dropped, and so are pairs with the real byte 0."""

    def count_pairs(words):
        rows = [torch.tensor(ids, dtype=torch.long) for ids in words]
        if not rows:
            return {}
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=0)
        pairs = torch.stack([padded[:, :-1], padded[:, 1:]], dim=-1).reshape(-1, 2)
        pairs = pairs[(pairs != 0).all(dim=1)]
        if len(pairs) == 0:
            return {}
        unique, counts = pairs.unique(dim=0, return_counts=True)
        return {tuple(pair): count for pair, count in zip(unique.tolist(), counts.tolist())}


@right("01.count_pairs")
class SortedRunsOfPairs:
    """All pairs go into one sorted array of numbers, and numpy counts the runs of equal rows."""

    def count_pairs(words):
        pairs = [pair for ids in words for pair in zip(ids[:-1], ids[1:])]
        if not pairs:
            return {}
        unique, counts = np.unique(np.array(pairs), axis=0, return_counts=True)
        return {(int(left), int(right)): int(count) for (left, right), count in zip(unique, counts)}


@right("01.count_pairs")
class HalvesOfTheWordList:
    """It counts each half of the list of words by recursion, and adds the two Counters."""

    def count_pairs(words):
        def count(some):
            if not some:
                return Counter()
            if len(some) == 1:
                return Counter(zip(some[0], some[0][1:]))
            middle = len(some) // 2
            return count(some[:middle]) + count(some[middle:])

        return dict(count(words))


# --- 01.merge


@wrong("01.merge", "The result is right but for the first number.")
class LooksBackPastTheStart:
    """It looks at the id before, and before position 0 that's ids[-1], so a first id can pair with the last one."""

    def merge(ids, pair, new):
        merged = []
        used = False
        for i in range(len(ids)):
            if not used and ids[i - 1] == pair[0] and ids[i] == pair[1]:
                merged[-1:] = [new]
                used = True
            else:
                merged.append(ids[i])
                used = False
        return merged


@wrong("01.merge", "In 7, 7, 7, 7 only the first two are merged.")
class MaskOfHits:
    """A hit right after another is struck out all at once, so 7, 7, 7, 7 becomes new, 7, 7 and not new, new."""

    def merge(ids, pair, new):
        x = torch.tensor(ids, dtype=torch.long)
        hit = (x[:-1] == pair[0]) & (x[1:] == pair[1])
        hit[1:] &= ~hit[:-1].clone()
        keep = torch.ones(len(x), dtype=torch.bool)
        keep[1:] = ~hit
        x[:-1][hit] = new
        return x[keep].tolist()


@right("01.merge")
class JumpsFromIndexToIndex:
    """It lets list.index find each next left id, and copies whatever lies between as slices."""

    def merge(ids, pair, new):
        left, second = pair
        merged, start, look = [], 0, 0
        while True:
            try:
                i = ids.index(left, look)
            except ValueError:
                return merged + list(ids[start:])
            if ids[i + 1 : i + 2] == [second]:
                merged += ids[start:i]
                merged.append(new)
                start = look = i + 2
            else:
                look = i + 1


# --- 01.learn


@wrong("01.learn", "The merge number 2 is (256, 99), and (97, 97) is right.")
class CountsKeptWithOldNeighbors:
    """It corrects the counts in place of recounting, but by the old neighbors, so it's off where two merges touch."""

    def learn(words, n):
        counts = Counter(count_pairs(words))
        merges = {}
        while len(merges) < n:
            counts = +counts
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            new = merges[pair] = 256 + len(merges)
            for ids in words:
                i = 0
                while i < len(ids) - 1:
                    if (ids[i], ids[i + 1]) != pair:
                        i += 1
                        continue
                    if i > 0:
                        counts[ids[i - 1], ids[i]] -= 1
                        counts[ids[i - 1], new] += 1
                    if i + 2 < len(ids):
                        counts[ids[i + 1], ids[i + 2]] -= 1
                        counts[new, ids[i + 2]] += 1
                    i += 2
            del counts[pair]
            words = [merge(ids, pair, new) for ids in words]
        return merges


@right("01.learn")
class DistinctWordsWithFrequencies:
    """It keeps each distinct word once with its frequency, and weighs its pairs by it, as real trainers do."""

    def learn(words, n):
        frequencies = Counter(map(tuple, words))
        merges = {}
        for new in range(256, 256 + n):
            counts = Counter()
            for word, frequency in frequencies.items():
                for pair in zip(word, word[1:]):
                    counts[pair] += frequency
            if not counts:
                return merges
            most = max(counts.values())
            pair = sorted(pair for pair, count in counts.items() if count == most)[0]
            merges[pair] = new
            shorter = Counter()
            for word, frequency in frequencies.items():
                shorter[tuple(merge(list(word), pair, new))] += frequency
            frequencies = shorter
        return merges


@right("01.learn")
class RecountsOnlyWhatChanged:
    """It keeps one Counter and recounts only the words that hold the chosen pair: their old pairs off, new ones on."""

    def learn(words, n):
        state = [tuple(ids) for ids in words]
        counts = Counter()
        for ids in state:
            counts.update(pairwise(ids))
        merges = {}
        while counts and len(merges) < n:
            negative, pair = min((-count, pair) for pair, count in counts.items())
            new = merges[pair] = 256 + len(merges)
            for i, ids in enumerate(state):
                if pair in pairwise(ids):
                    counts.subtract(pairwise(ids))
                    state[i] = tuple(merge(list(ids), pair, new))
                    counts.update(pairwise(state[i]))
            counts = +counts
        return merges


# --- 01.encode


@wrong("01.encode", "The word is cut into as few entries as can be.")
class FewestIds:
    """It finds the cut into the fewest known entries by dynamic programming, which isn't always the replayed one."""

    def encode(ids, merges):
        vocab = _spellings(ids, merges)
        longest = max(len(spelling) for spelling in vocab)
        best = [[]]
        for end in range(1, len(ids) + 1):
            options = []
            for start in range(max(0, end - longest), end):
                piece = tuple(ids[start:end])
                if piece in vocab:
                    options.append(best[start] + [vocab[piece]])
            best.append(min(options, key=len))
        return best[-1]


@right("01.encode")
class OneOccurrenceAtATime:
    """In each round it replaces only the leftmost place of the lowest new id, found by min over (new id, position)."""

    def encode(ids, merges):
        ids = list(ids)
        while places := [(merges[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in merges]:
            new, i = min(places)
            ids[i : i + 2] = [new]
        return ids


@right("01.encode")
class HeapOverLinkedIds:
    """A heap of (new id, position) over a doubly linked list, with stale entries skipped, as fast tokenizers do."""

    def encode(ids, merges):
        ids = list(ids)
        n = len(ids)
        before, after = list(range(-1, n - 1)), list(range(1, n + 1))
        heap = [(merges[pair], i, pair) for i, pair in enumerate(pairwise(ids)) if pair in merges]
        heapq.heapify(heap)
        while heap:
            new, i, (left, second) = heapq.heappop(heap)
            j = after[i]
            if ids[i] != left or j >= n or ids[j] != second:
                continue
            ids[i], ids[j] = new, None
            after[i] = after[j]
            if after[i] < n:
                before[after[i]] = i
            for start in (before[i], i):
                end = after[start] if start >= 0 else n
                if end < n and (ids[start], ids[end]) in merges:
                    pair = (ids[start], ids[end])
                    heapq.heappush(heap, (merges[pair], start, pair))
        return [id for id in ids if id is not None]
