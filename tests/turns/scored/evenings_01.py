"""Answers to the turns of lesson 01, written from its text alone; checks changed after."""

import heapq
from collections import Counter
from itertools import pairwise

import torch
from turn_answers import right, wrong


def my_count(words):
    return Counter(pair for word in words for pair in pairwise(word))


def my_merge(ids, pair, new):
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


@wrong("01.count_pairs", "A word of two ids is skipped.")
class ShortWordsSkipped:
    """The guard for short words is off by one: a word of exactly two ids has one pair, and is skipped."""

    def count_pairs(words):
        counts = {}
        for word in words:
            if len(word) <= 2:  # too short to have neighbours
                continue
            for i in range(len(word) - 1):
                pair = (word[i], word[i + 1])
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@right("01.count_pairs")
class TorchUnique:
    """torch.unique over a (number of pairs, 2) tensor, with its counts."""

    def count_pairs(words):
        pairs = [pair for word in words for pair in pairwise(word)]
        if not pairs:
            return {}
        rows, counts = torch.unique(torch.tensor(pairs), dim=0, return_counts=True)
        return {tuple(r): n for r, n in zip(rows.tolist(), counts.tolist())}


# --- 01.merge


@right("01.merge")
class MatchStatement:
    """Structural pattern matching on what is left of the list."""

    def merge(ids, pair, new):
        done, rest = [], list(ids)
        while rest:
            match rest:
                case [a, b, *tail] if a == pair[0] and b == pair[1]:
                    done, rest = [*done, new], tail
                case [a, *tail]:
                    done, rest = [*done, a], tail
        return done


# --- 01.learn


@wrong("01.learn", "Each merge is made in the words as they came in, so the merges before it are lost.")
class FromTheOriginal:
    """Keeps `words` untouched by merging from the original in each round, so a round forgets all merges but the latest,
    and learns old pairs again."""

    def learn(words, n):
        merges = {}
        current = words
        for new in range(256, 256 + n):
            counts = my_count(current)
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], p))
            merges[pair] = new
            current = [my_merge(word, pair, new) for word in words]
        return merges


@wrong("01.learn", "With n = 0, it goes on until no pair is left.")
class NoneIsAll:
    """Looks whether n is reached only after a merge. With n = 0 it's never equal, and all merges are learned."""

    def learn(words, n):
        merges = {}
        new = 256
        while True:
            counts = my_count(words)
            if not counts:
                return merges
            most = max(counts.values())
            pair = min(p for p in counts if counts[p] == most)
            merges[pair] = new
            words = [my_merge(word, pair, new) for word in words]
            new += 1
            if len(merges) == n:
                return merges


@right("01.learn")
class OneLongString:
    """All words as one string of characters with a separator; str.replace merges everywhere at once."""

    def learn(words, n):
        edge = chr(0x10FFFF)
        text = edge.join("".join(map(chr, word)) for word in words)
        merges = {}
        while len(merges) < n:
            counts = Counter(p for p in zip(text, text[1:]) if edge not in p)
            if not counts:
                break
            a, b = min(counts, key=lambda p: (-counts[p], p))
            new = 256 + len(merges)
            text = text.replace(a + b, chr(new))
            merges[ord(a), ord(b)] = new
        return merges


@right("01.learn")
class CountsKeptUpToDate:
    """Different words with weights, and counts that are kept up to date: only words with the pair are taken out and
    put back in."""

    def learn(words, n):
        weights = Counter(tuple(word) for word in words)
        counts = Counter()
        for word, weight in weights.items():
            for p in pairwise(word):
                counts[p] += weight
        merges = {}
        for new in range(256, 256 + n):
            top = max(counts.values(), default=0)
            if top == 0:
                break
            pair = min(p for p, c in counts.items() if c == top)
            merges[pair] = new
            for word in [w for w in weights if pair in pairwise(w)]:
                weight = weights.pop(word)
                for p in pairwise(word):
                    counts[p] -= weight
                word = tuple(my_merge(word, pair, new))
                weights[word] += weight
                for p in pairwise(word):
                    counts[p] += weight
        return merges


# --- 01.encode


@wrong("01.encode", "There are half as many rounds as ids, at most.")
class HalfTheRounds:
    """Allows half as many rounds as there are ids, since each merge takes two. But merged ids merge again: a word of
    four can need three."""

    def encode(ids, merges):
        out = list(ids)
        for _ in range(len(ids) // 2):
            known = [p for p in pairwise(out) if p in merges]
            if known:
                pair = min(known, key=merges.get)
                out = my_merge(out, pair, merges[pair])
        return out


@right("01.encode")
class HeapAndLinks:
    """A heap of (new id, place) and a doubly linked list, as in fast tokenizers."""

    def encode(ids, merges):
        ids = list(ids)
        end = len(ids)
        before, after = list(range(-1, end - 1)), list(range(1, end + 1))
        heap = []

        def look(i):
            if i >= 0 and after[i] < end:
                pair = (ids[i], ids[after[i]])
                if pair in merges:
                    heapq.heappush(heap, (merges[pair], i, pair))

        for i in range(end):
            look(i)
        while heap:
            new, i, pair = heapq.heappop(heap)
            j = after[i] if ids[i] is not None else end
            if j >= end or (ids[i], ids[j]) != pair:
                continue  # out of date
            ids[i], ids[j] = new, None
            after[i] = after[j]
            if after[i] < end:
                before[after[i]] = i
            look(before[i])
            look(i)
        return [id for id in ids if id is not None]
