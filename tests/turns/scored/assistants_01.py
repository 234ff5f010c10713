"""Answers to the turns of lesson 01, written from its text alone; checks changed after."""

import heapq
from collections import Counter
from itertools import chain, groupby, pairwise

from turn_answers import right


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


# --- 01.count_pairs


@right("01.count_pairs")
class SortAndGroup:
    """All pairs are sorted into one list, and equal neighbors in it are grouped and measured."""

    def count_pairs(words):
        pairs = sorted(pair for word in words for pair in zip(word, word[1:]))
        return {pair: len(list(group)) for pair, group in groupby(pairs)}


@right("01.count_pairs")
class AWallBetweenWords:
    """All words are chained to one list with a None after each, and pairs that hold a None are dropped."""

    def count_pairs(words):
        line = chain.from_iterable((*word, None) for word in words)
        return dict(Counter(pair for pair in pairwise(line) if None not in pair))


# --- 01.merge


@right("01.merge")
class ReplaceInAString:
    """The ids become characters of a string, and str.replace does the merge."""

    def merge(ids, pair, new):
        text = "".join(map(chr, ids))
        return [ord(letter) for letter in text.replace(chr(pair[0]) + chr(pair[1]), chr(new))]


@right("01.merge")
class LookBackOnAStack:
    """Each id is pushed on a stack, and if it completes the pair with the top of it, the top becomes the new id."""

    def merge(ids, pair, new):
        stack = []
        for id in ids:
            if stack and (stack[-1], id) == pair:
                stack[-1] = new
            else:
                stack.append(id)
        return stack


# --- 01.learn


@right("01.learn")
class WeightedVocabulary:
    """Equal words are kept once, with their number, and each pair is counted with the number of its word."""

    def learn(words, n):
        kinds = Counter(map(tuple, words))
        merges = {}
        while len(merges) < n:
            counts = Counter()
            for word, times in kinds.items():
                for pair in pairwise(word):
                    counts[pair] += times
            if not counts:
                break
            best = min(counts.items(), key=lambda item: (-item[1], item[0]))[0]
            merges[best] = 256 + len(merges)
            grown = Counter()
            for word, times in kinds.items():
                grown[tuple(merge(word, best, merges[best]))] += times
            kinds = grown
        return merges


@right("01.learn")
class OneLongString:
    """All words are one string with a last character of Unicode between them, and each merge is a str.replace."""

    def learn(words, n):
        wall = chr(0x10FFFF)
        text = wall.join("".join(map(chr, word)) for word in words)
        merges = {}
        for new in range(256, 256 + n):
            counts = Counter(left + right for left, right in pairwise(text) if wall not in (left, right))
            if not counts:
                return merges
            most = max(counts.values())
            pair = min(pair for pair, count in counts.items() if count == most)
            merges[ord(pair[0]), ord(pair[1])] = new
            text = text.replace(pair, chr(new))
        return merges


# --- 01.encode


@right("01.encode")
class HeapAndLinkedList:
    """The known pairs wait in a heap by new id and place, and the word is a linked list that shrinks."""

    def encode(ids, merges):
        ids = list(ids)
        after = list(range(1, len(ids) + 1))
        before = list(range(-1, len(ids) - 1))
        heap = []

        def offer(i):
            if 0 <= i < len(ids) and after[i] < len(ids):
                pair = (ids[i], ids[after[i]])
                if pair in merges:
                    heapq.heappush(heap, (merges[pair], i, pair))

        for i in range(len(ids)):
            offer(i)
        while heap:
            new, i, pair = heapq.heappop(heap)
            j = after[i]
            if ids[i] is None or j >= len(ids) or (ids[i], ids[j]) != pair:
                continue
            ids[i], ids[j] = new, None
            after[i] = after[j]
            if after[i] < len(ids):
                before[after[i]] = i
            offer(before[i])
            offer(i)
        return [id for id in ids if id is not None]


@right("01.encode")
class OnePlaceAtATime:
    """Each round merges a single place, the leftmost of the smallest new id, by slices of a new list."""

    def encode(ids, merges):
        ids = list(ids)
        nothing = (float("inf"), 0)
        while True:
            new, i = min(((merges.get(p, float("inf")), i) for i, p in enumerate(pairwise(ids))), default=nothing)
            if new == float("inf"):
                return ids
            ids = [*ids[:i], new, *ids[i + 2 :]]
