"""Answers to the turns of lesson 01, written from its text alone; checks changed after."""

import heapq
from collections import Counter, defaultdict
from itertools import pairwise

import torch
from turn_answers import right


def merged_word(ids, pair, new):
    """What merge of the page does; stands in for the learner's own."""
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
class UniqueRows:
    """All pairs as rows of one tensor, counted by torch.unique."""

    def count_pairs(words):
        pairs = [[a, b] for word in words for a, b in zip(word[:-1], word[1:])]
        if not pairs:
            return {}
        rows, counts = torch.tensor(pairs).unique(dim=0, return_counts=True)
        return {tuple(row): n for row, n in zip(rows.tolist(), counts.tolist())}


# --- 01.merge


@right("01.merge")
class ShrinksWhileWalking:
    """Shortens a copy while a for loop walks over it; works, since the loop asks for the length each time."""

    def merge(ids, pair, new):
        ids = list(ids)
        for i, _ in enumerate(ids):
            if ids[i : i + 2] == [*pair]:
                ids[i : i + 2] = [new]
        return ids


# --- 01.learn


@right("01.learn")
class EachWordOnce:
    """Keeps each different word once, with its frequency, and counts weighted."""

    def learn(words, n):
        vocabulary = Counter(map(tuple, words))
        merges = {}
        for new in range(256, 256 + n):
            counts = defaultdict(int)
            for word, often in vocabulary.items():
                for pair in zip(word, word[1:]):
                    counts[pair] += often
            if not counts:
                break
            pair = max(counts, key=lambda p: (counts[p], -p[0], -p[1]))
            merges[pair] = new
            shorter = Counter()
            for word, often in vocabulary.items():
                shorter[tuple(merged_word(word, pair, new))] += often
            vocabulary = shorter
        return merges


@right("01.learn")
class KeepsTheCounts:
    """Updates the counts only for the words that hold the merged pair: first takes off all their pairs, then adds."""

    def learn(words, n):
        words = [list(word) for word in words]
        counts, places = Counter(), defaultdict(set)

        def book(index, sign):
            for pair in pairwise(words[index]):
                counts[pair] += sign
                if sign > 0:
                    places[pair].add(index)
                elif not counts[pair]:
                    del counts[pair]

        for index in range(len(words)):
            book(index, 1)
        merges = {}
        while counts and len(merges) < n:
            pair = min(counts.items(), key=lambda item: (-item[1], item[0]))[0]
            merges[pair] = new = 256 + len(merges)
            for index in places.pop(pair):
                book(index, -1)
                words[index] = merged_word(words[index], pair, new)
                book(index, 1)
        return merges


# --- 01.encode


@right("01.encode")
class HeapAndLinks:
    """A heap of (new id, place) and a linked list, as fast implementations do; stale entries are skipped."""

    def encode(ids, merges):
        value = list(ids)
        size = len(value)
        before, after = list(range(-1, size - 1)), list(range(1, size + 1))
        heap = []

        def offer(i):
            if i >= 0 and after[i] < size:
                new = merges.get((value[i], value[after[i]]))
                if new is not None:
                    heapq.heappush(heap, (new, i))

        for i in range(size):
            offer(i)
        while heap:
            new, i = heapq.heappop(heap)
            if value[i] is None or after[i] >= size:
                continue
            j = after[i]
            if merges.get((value[i], value[j])) != new:
                continue
            value[i], value[j] = new, None
            after[i] = after[j]
            if after[i] < size:
                before[after[i]] = i
            offer(before[i])
            offer(i)
        return [id for id in value if id is not None]


@right("01.encode")
class ReplacesText:
    """Ids as characters: in each round, str.replace puts the earliest known pair together."""

    def encode(ids, merges):
        text = "".join(chr(id) for id in ids)
        while True:
            ranks = {merges[ord(a), ord(b)]: a + b for a, b in zip(text, text[1:]) if (ord(a), ord(b)) in merges}
            if not ranks:
                return [ord(letter) for letter in text]
            first = min(ranks)
            text = text.replace(ranks[first], chr(first))
