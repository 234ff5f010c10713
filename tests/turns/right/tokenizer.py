"""Right answers to the turns of lesson 01, as nobody expects them."""

from collections import Counter
from heapq import heapify, heappop
from itertools import chain, pairwise

from turn_answers import right

from minillm.course.turns.tokenizer import count_pairs, merge


@right("01.count_pairs")
class CountsOnPaper:
    def count_pairs(words):
        counts, i = {}, 0
        while i < len(words):
            j = 1
            while j < len(words[i]):
                pair = words[i][j - 1], words[i][j]
                if pair not in counts:
                    counts[pair] = 0
                counts[pair] += 1
                j += 1
            i += 1
        return counts


@right("01.count_pairs")
class CountsAChain:
    def count_pairs(words):
        return dict(Counter(chain.from_iterable(map(pairwise, words))).most_common())


@right("01.merge")
class MergesByPopping:
    def merge(ids, pair, new):
        rest, merged = list(reversed(ids)), []
        while rest:
            id = rest.pop()
            if rest and (id, rest[-1]) == pair:
                rest.pop()
                id = new
            merged.append(id)
        return merged


@right("01.merge")
class MergesByRecursion:
    def merge(ids, pair, new):
        for i in range(len(ids) - 1):
            if ids[i] == pair[0] and ids[i + 1] == pair[1]:
                return [*ids[:i], new, *merge(ids[i + 2 :], pair, new)]
        return [*ids]


@right("01.learn")
class LearnsByTheLargestCount:
    def learn(words, n):
        merges, words = {}, list(words)
        for done in range(n):
            counts = count_pairs(words)
            most = max(counts.values(), default=0)
            if most == 0:
                break
            pair = min(pair for pair in counts if counts[pair] == most)
            merges[pair] = 256 + done
            for place, ids in enumerate(words):
                words[place] = merge(ids, pair, 256 + done)
        return merges


@right("01.learn")
class LearnsByAHeap:
    def learn(words, n):
        merges = {}
        for new in range(256, 256 + n):
            heap = [(-count, pair) for pair, count in count_pairs(words).items()]
            if not heap:
                return merges
            heapify(heap)
            pair = heappop(heap)[1]
            merges[pair] = new
            words = [merge(ids, pair, new) for ids in words]
        return merges


@right("01.encode")
class EncodesBySorting:
    def encode(ids, merges):
        result = list(ids)
        for _ in ids:
            ranked = sorted((merges[p], p) for p in pairwise(result) if p in merges)
            if ranked:
                result = merge(result, ranked[0][1], ranked[0][0])
        return result


@right("01.encode")
class EncodesWithInfinity:
    def encode(ids, merges):
        inf = float("inf")
        while len(ids) > 1:
            new, at = min((merges.get(pair, inf), at) for at, pair in enumerate(pairwise(ids)))
            if new == inf:
                break
            ids = ids[:at] + [new] + ids[at + 2 :]
        return ids
