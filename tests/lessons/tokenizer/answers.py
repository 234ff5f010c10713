"""Answers to the turns and questions of lesson 01; `tools/choose_answers.py` chose them."""

import heapq
import itertools
import math
import re
import unicodedata
from collections import Counter
from functools import lru_cache
from itertools import pairwise

import numpy as np
from answers import right, wrong

from minillm.course.turns.tokenizer import count_pairs, merge


@right("01.count_pairs")
class WordsWithWeights:
    """Each distinct word once, times how often it comes."""

    def count_pairs(words):
        often = Counter(map(tuple, words))
        counts = {}
        for word, times in often.items():
            for first, second in zip(word, word[1:]):
                counts[first, second] = counts.get((first, second), 0) + times
        return counts


@right("01.count_pairs")
class SortedRunsOfPairs:
    """All pairs go into one sorted array of numbers, and numpy counts the runs of equal rows."""

    def count_pairs(words):
        pairs = [pair for ids in words for pair in zip(ids[:-1], ids[1:])]
        if not pairs:
            return {}
        unique, counts = np.unique(np.array(pairs), axis=0, return_counts=True)
        return {(int(left), int(right)): int(count) for (left, right), count in zip(unique, counts)}


@wrong("01.count_pairs", "`count_pairs` raised ValueError: setting an array element with a sequence. The requested")
class UniqueByNumpy:
    def count_pairs(words):
        values, counts = np.unique(np.array(words), return_counts=True)
        return dict(zip(values, counts, strict=True))


# Once taken for another mistake: In 5, 5, 5 the pair (5, 5) is counted once
@wrong("01.count_pairs", "(5, 5) has the count 1, and 2 is right.")
class CountsDigitsInText:
    """Counts in the printed list, where "8, 11" is also found within "108, 111"."""

    def count_pairs(words):
        pairs = {pair for ids in words for pair in pairwise(ids)}
        text = str(words)
        return {(a, b): text.count(f"{a}, {b}") for a, b in pairs}


@wrong("01.count_pairs", "The keys are numbers, not pairs. A key is a tuple of two ids: `(left, right)`.")
class SingleIds:
    def count_pairs(words):
        return Counter(id for ids in words for id in ids)


@wrong("01.count_pairs", "`count_pairs` raised TypeError")
class OneList:
    def count_pairs(words):
        counts = {}
        for pair in itertools.pairwise(words):
            counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "`count_pairs` raised KeyError")
class NoFirstTime:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for i in range(len(ids) - 1):
                counts[(ids[i], ids[i + 1])] += 1
        return counts


@wrong("01.count_pairs", "IndexError")
class OnePairTooMany:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for i, id in enumerate(ids):
                counts[id, ids[i + 1]] = counts.get((id, ids[i + 1]), 0) + 1
        return counts


@wrong("01.count_pairs", "`count_pairs` raised TypeError: cannot unpack non-iterable int object.")
class UnpacksSingleIds:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for a, b in ids:
                counts[a, b] = counts.get((a, b), 0) + 1
        return counts


@wrong("01.count_pairs", "`count_pairs` raised IndexError")
class TableOf256:
    """Counts in a table of 256 x 256, so ids from 256 on, which merges make, have no place in it."""

    def count_pairs(words):
        table = np.zeros((256, 256), dtype=int)
        for ids in words:
            for left, right_ in pairwise(ids):
                table[left, right_] += 1
        return {(int(a), int(b)): int(table[a, b]) for a, b in zip(*table.nonzero())}


# Once accepted
@wrong("01.count_pairs", "Pairs whose left id is 0 are left out.")
class FalseForZero:
    def count_pairs(words):
        counts = {}
        for ids in words:
            left = None
            for id in ids:
                if left:
                    counts[left, id] = counts.get((left, id), 0) + 1
                left = id
        return counts


@right("01.merge")
class MergesByRecursion:
    def merge(ids, pair, new):
        for i in range(len(ids) - 1):
            if ids[i] == pair[0] and ids[i + 1] == pair[1]:
                return [*ids[:i], new, *merge(ids[i + 2 :], pair, new)]
        return [*ids]


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


@wrong("01.merge", "AttributeError")
class ReplacesLikeText:
    def merge(ids, pair, new):
        return ids.replace(pair, new)


@wrong("01.merge", "`merge` raised ValueError: bytes must be in range(0, 256).")
class BytesReplace:
    def merge(ids, pair, new):
        return list(bytes(ids).replace(bytes(pair), bytes([new])))


@wrong("01.merge", "`merge` raised TypeError: 'int' object is not iterable.")
class AllWordsAtOnce:
    def merge(ids, pair, new):
        return [[new if id == pair else id for id in word] for word in ids]


@wrong("01.merge", "raised ValueError: invalid literal for int")
class NoDigitBorders:
    def merge(ids, pair, new):
        text = ",".join(str(id) for id in ids)
        text = re.sub(f"{pair[0]},{pair[1]}", str(new), text)
        return [int(piece) for piece in text.split(",")]


@wrong("01.merge", "`merge` raised TypeError")
class AddsANumber:
    def merge(ids, pair, new):
        for i in range(len(ids) - 1):
            if (ids[i], ids[i + 1]) == pair:
                return ids[:i] + new + ids[i + 2 :]
        return list(ids)


@wrong("01.merge", "ValueError")
class FindsThePair:
    def merge(ids, pair, new):
        at = ids.index(pair[0])
        while ids.index(pair[1], at) != at + 1:
            at = ids.index(pair[0], at + 1)
        return [*ids[:at], new, *ids[at + 2 :]]


@wrong("01.merge", "changed the input")
class DeletesInPlace:
    def merge(ids, pair, new):
        for i in range(len(ids) - 1, 0, -1):
            if (ids[i - 1], ids[i]) == pair:
                ids[i - 1] = new
                del ids[i]
        return ids


# Once accepted
@wrong("01.merge", "The id 0 is lost.")
class FiltersZeros:
    def merge(ids, pair, new):
        ids = list(ids)
        for i in range(len(ids) - 1):
            if (ids[i], ids[i + 1]) == pair:
                ids[i], ids[i + 1] = new, None
        return [id for id in ids if id]


@wrong("01.merge", "`merge` raised NameError")
class OtherNames:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            hit = tuple(ids[i : i + 2]) == pair
            out.append(idx if hit else ids[i])  # noqa: F821
            i += 2 if hit else 1
        return out


@wrong("01.merge", "`merge` raised IndexError: list index out of range.")
class CopiesAndRunsOut:
    def merge(ids, pair, new):
        ids = ids.copy()
        for i in range(len(ids) - 1):
            if ids[i] == pair[0] and ids[i + 1] == pair[1]:
                ids[i] = new
                del ids[i + 1]
        return ids


@wrong("01.merge", "The result is a tuple, and a list is asked for.")
class GivesATuple:
    def merge(ids, pair, new):
        out, i = (), 0
        while i < len(ids):
            hit = tuple(ids[i : i + 2]) == pair
            out += (new,) if hit else (ids[i],)
            i += 2 if hit else 1
        return out


@wrong("01.merge", "`merge` raised IndexError: list assignment index out of range.")
class LooksBackOverTheEdge:
    def merge(ids, pair, new):
        merged = []
        for i in range(len(ids)):
            if (ids[i - 1], ids[i]) == pair:
                merged[-1] = new
            else:
                merged.append(ids[i])
        return merged


@wrong("01.merge", "4 ids come out, and 5 are right.")
class RemovesBothIds:
    def merge(ids, pair, new):
        ids = list(ids)
        while pair[0] in ids and pair[1] in ids:
            at = ids.index(pair[0])
            ids.remove(pair[0])
            ids.remove(pair[1])
            ids.insert(at, new)
        return ids


@wrong("01.merge", "has not finished")
class NeverStepsOn:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == pair:
                out.append(new)
            else:
                out.append(ids[i])
                i += 1
        return [0]


@wrong("01.merge", "`merge` raised AttributeError: 'NoneType' object has no attribute 'append'.")
class KeepsWhatAppendReturns:
    def merge(ids, pair, new):
        merged, i = [], 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == pair:
                merged = merged.append(new)
                i += 2
            else:
                merged = merged.append(ids[i])
                i += 1
        return merged


@wrong("01.merge", "The result lacks the last number.")
class LastIdByValue:
    """Adds the last id only if the last two aren't the pair; in 7, 7, 7 they are, and it's still to come."""

    def merge(ids, pair, new):
        merged = []
        i = 0
        while i < len(ids) - 1:
            if ids[i] == pair[0] and ids[i + 1] == pair[1]:
                merged.append(new)
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        if tuple(ids[-2:]) != pair:
            merged += ids[-1:]
        return merged


@right("01.learn")
class BySorting:
    def learn(words, n):
        merges = {}
        while len(merges) < n:
            ranked = sorted(count_pairs(words).items(), key=lambda item: (-item[1], item[0]))
            if not ranked:
                return merges
            pair = ranked[0][0]
            merges[pair] = len(merges) + 256
            words = [merge(ids, pair, merges[pair]) for ids in words]
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


@wrong("01.learn", "`learn` raised NameError")
class OtherArguments:
    def learn(words, n):
        merges = {}
        for i in range(num_merges):  # noqa: F821
            counts = count_pairs(words)
            merges[max(counts, key=counts.get)] = 256 + i
        return merges


@wrong("01.learn", "unhashable type")
class ListOfTwo:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            pair = list(min(counts, key=lambda pair: (-counts[pair], pair)))
            merges[pair] = 256 + i
        return merges


@wrong("01.learn", "`learn` raised TypeError")
class MergesASingleId:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + i
            words = [merge(id, pair, 256 + i) for ids in words for id in ids]
        return merges


@wrong("01.learn", "IndexError")
class NothingToRank:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            pair = sorted(counts, key=lambda pair: (-counts[pair], pair))[0]
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "`learn` raised TypeError")
class MergesWithoutId:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + i
            words = [merge(ids, pair) for ids in words]
        return merges


@wrong("01.learn", "`learn` raised ValueError")
class NothingLeft:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = 256 + i
            words = [merge(ids, best, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "has not finished")
class WhileForever:
    def learn(words, n):
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if counts:
                pair = min(counts, key=lambda pair: (-counts[pair], pair))
                merges[pair] = 256 + len(merges)
                words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "Not every value is an id.")
class KeepsBoth:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = (256 + i, counts[pair])
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "That's a list, and a dictionary is asked for. Return `{pair: new id}`, and")
class ListOfPairs:
    def learn(words, n):
        merges = []
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges.append(best)
            words = [merge(ids, best, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "`learn` changed the input that it was given; work on a copy. `words` belongs to")
class ChangesTheWords:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = 256 + i
            for k in range(len(words)):
                words[k] = merge(words[k], best, 256 + i)
        return merges


@right("01.encode")
class CheckedHeap:
    """A heap of pairs over a linked list, and each entry is checked before it's used."""

    def encode(ids, merges):
        tokens = list(ids)
        n = len(tokens)
        after, before, heap = list(range(1, n + 1)), list(range(-1, n - 1)), []

        def push(i, j):
            if i >= 0 and j < n and (tokens[i], tokens[j]) in merges:
                pair = tokens[i], tokens[j]
                heapq.heappush(heap, (merges[pair], i, j, pair))

        for i in range(n - 1):
            push(i, i + 1)
        while heap:
            new, i, j, pair = heapq.heappop(heap)
            if (tokens[i], tokens[j]) != pair or after[i] != j:
                continue
            tokens[i], tokens[j] = new, None
            after[i] = after[j]
            if after[j] < n:
                before[after[j]] = i
            push(before[i], i)
            push(i, after[i])
        return [token for token in tokens if token is not None]


@wrong("01.encode", "`encode` raised TypeError")
class MergesTheDictionary:
    def encode(ids, merges):
        for pair in merges:
            ids = merge(ids, pair, merges)
            ids = ids + merges[pair][0]
        return ids


@wrong("01.encode", "goes through all merges for each word")
class ThroughAllMergesBySize:
    def encode(ids, merges):
        for pair in sorted(merges, key=merges.get):
            ids = merge(ids, pair, merges[pair])
        return list(ids)


@wrong("01.encode", "That's a number, and a list of ids is asked for. Return the ids themselves.")
class Pieces:
    def encode(ids, merges):
        while known := [pair for pair in itertools.pairwise(ids) if pair in merges]:
            best = min(known, key=merges.get)
            ids = merge(ids, best, merges[best])
        return len(ids)


@wrong("01.encode", "`encode` changed the input that it was given; work on a copy.")
class WholeWordFirst:
    def encode(ids, merges):
        for pair in sorted(merges, key=merges.get):
            for i in range(len(ids) - 1):
                if (ids[i], ids[i + 1]) == pair:
                    ids[i : i + 2] = [merges[pair]]
        return ids


@wrong("01.encode", "`encode` raised KeyError")
class MinbpeTrap:
    def encode(ids, merges):
        while len(ids) >= 2:
            stats = count_pairs([ids])
            pair = min(stats, key=lambda p: merges.get(p, float("inf")))
            ids = merge(ids, pair, merges[pair])
        return ids


@wrong("01.encode", "`encode` raised ValueError")
class EmptyMinimum:
    def encode(ids, merges):
        while True:
            known = [pair for pair in itertools.pairwise(ids) if pair in merges]
            best = min(known, key=merges.get)
            ids = merge(ids, best, merges[best])
        return ids


@wrong("01.encode", "`encode` has not finished after ")
class NeverStops:
    def encode(ids, merges):
        while True:
            known = [pair for pair in itertools.pairwise(ids) if pair in merges]
            if known:
                best = min(known, key=merges.get)
                ids = merge(ids, best, merges[best])


@wrong("01.encode", "IndexError")
class OneTooFar:
    def encode(ids, merges):
        ids, i = list(ids), 0
        while i < len(ids):
            if (ids[i], ids[i + 1]) in merges:
                ids[i : i + 2] = [merges[ids[i], ids[i + 1]]]
            i += 1
        return ids


@wrong("01.encode", "`encode` raised TypeError")
class PairsAsLists:
    def encode(ids, merges):
        while True:
            known = [ids[i : i + 2] for i in range(len(ids) - 1) if ids[i : i + 2] in merges]
            if not known:
                return ids
            best = min(known, key=merges.get)
            ids = merge(ids, best, merges[best])


# Once accepted
@wrong("01.encode", "New ids above some thousand are never used.")
class BigEnoughNumber:
    """10,000 stands for infinity, so merges with a larger new id are never used."""

    def encode(ids, merges):
        ids = list(ids)
        while True:
            best, where = 10_000, -1
            for i in range(len(ids) - 1):
                new = merges.get((ids[i], ids[i + 1]))
                if new is not None and new < best:
                    best, where = new, i
            if where < 0:
                return ids
            ids = ids[:where] + [best] + ids[where + 2 :]


@right("01.1")
def bits_with_a_table(train, text, vocab):
    V = len(vocab)
    table = np.ones((V, V))
    np.add.at(table, (np.array(train[:-1], dtype=int), np.array(train[1:], dtype=int)), 1)
    p = table / table.sum(1, keepdims=True)
    t = np.array(text)
    return float((np.log2(V) - np.log2(p[t[:-1], t[1:]]).sum()) / sum(map(len, (vocab[i] for i in text))))


@right("01.1")
def bits_in_loops(train, text, vocab):
    total, length = math.log2(len(vocab)), len(vocab[text[0]])
    for i in range(1, len(text)):
        a, b = text[i - 1], text[i]
        together = sum(train[k] == a and train[k + 1] == b for k in range(len(train) - 1))
        alone = sum(train[k] == a for k in range(len(train) - 1))
        total += math.log2(alone + len(vocab)) - math.log2(together + 1)
        length += len(vocab[b])
    return total / length


@right("01.2")
def a_copy_at_once(pieces, pair):
    merged, at = list(pieces), 0
    while at < len(merged) - 1:
        if (merged[at], merged[at + 1]) == tuple(pair):
            merged[at : at + 2] = ["".join(pair)]
        at += 1
    return merged


@right("01.2")
def by_recursion(pieces, pair):
    if len(pieces) < 2:
        return list(pieces)
    if tuple(pieces[:2]) == pair:
        return ["".join(pair), *by_recursion(pieces[2:], pair)]
    return [pieces[0], *by_recursion(pieces[1:], pair)]


@wrong("01.2", "is lost, or taken for an edge")
def lines_for_blanks(pieces, pair):
    text = re.sub(r"(?<![^\n])" + re.escape("\n".join(pair)) + r"(?![^\n])", "".join(pair), "\n".join(pieces))
    return text.split("\n") if pieces else []


@wrong("01.2", "merge changed the input that it was given; work on a copy. Open the next hint")
def merge_in_place(pieces, pair):
    at = 0
    while at < len(pieces) - 1:
        if (pieces[at], pieces[at + 1]) == pair:
            pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
        at += 1
    return pieces


@wrong("01.2", "a list is asked for")
def a_tuple_comes_back(pieces, pair):
    out, at = (), 0
    while at < len(pieces):
        two = tuple(pieces[at : at + 2]) == pair
        out += ("".join(pair),) if two else (pieces[at],)
        at += 1 + two
    return out


@right("01.3")
def segment_keeps_whole_lists(text, log_probs):
    best = {0: (0.0, [])}
    for at in range(len(text)):
        if at in best:
            for piece, lp in log_probs.items():
                if text[at : at + len(piece)] == piece:
                    total = best[at][0] + lp
                    if at + len(piece) not in best or best[at + len(piece)][0] < total:
                        best[at + len(piece)] = total, best[at][1] + [piece]
    return best[len(text)][1] if len(text) in best else None


@right("01.3")
def segment_from_the_front(text, log_probs):
    lengths = sorted({len(piece) for piece in log_probs})

    @lru_cache(None)
    def rest(at):
        """Total and pieces of the best segmentation of text[at:]."""
        if at == len(text):
            return 0.0, ()
        best = (-math.inf, None)
        for length in lengths:
            piece = text[at : at + length]
            if len(piece) == length and piece in log_probs:
                total, tail = rest(at + length)
                if tail is not None and total + log_probs[piece] > best[0]:
                    best = (total + log_probs[piece], (piece, *tail))
        return best

    pieces = rest(0)[1]
    return None if pieces is None else list(pieces)


# Once accepted
@wrong("01.3", "Texts whose total is low (")
def segment_underflow(text, log_probs):
    n = len(text)
    best, back = [1.0] + [0.0] * n, [0] * (n + 1)
    for end in range(1, n + 1):
        for start in range(end):
            piece = text[start:end]
            if piece in log_probs:
                p = best[start] * math.exp(log_probs[piece])
                if p > best[end]:
                    best[end], back[end] = p, start
    if best[n] == 0:
        return None
    out, end = [], n
    while end:
        out.append(text[back[end] : end])
        end = back[end]
    return out[::-1]


@wrong("01.3", "It compares the mean log-probability per piece.")
def segment_best_mean(text, log_probs):
    best = {0: (0.0, [])}
    for end in range(1, len(text) + 1):
        for start in range(end):
            if start in best and text[start:end] in log_probs:
                total = best[start][0] + log_probs[text[start:end]]
                pieces = best[start][1] + [text[start:end]]
                if end not in best or total / len(pieces) > best[end][0] / len(best[end][1]):
                    best[end] = total, pieces
    return best[len(text)][1] if len(text) in best else None


@wrong("01.3", "segment raised ValueError")
def key_errors(text, log_probs):
    best = [[] if n == 0 else None for n in range(len(text) + 1)]
    for end in range(1, len(text) + 1):
        options = [
            [*best[start], text[start:end]]
            for start in range(end)
            if text[start:end] in log_probs and best[start] is not None
        ]
        best[end] = max(options, key=lambda pieces: sum(log_probs[piece] for piece in pieces))
    return best[-1]


def viterbi(text, log_probs, score=lambda total, log_p: total + log_p, better=lambda new, old: new > old):
    found = {0: (0.0, [])}
    for end in range(1, len(text) + 1):
        for start in range(end):
            piece = text[start:end]
            if start in found and piece in log_probs:
                total = score(found[start][0], log_probs[piece])
                if end not in found or better(total, found[end][0]):
                    found[end] = total, [*found[start][1], piece]
    return found[len(text)][1] if len(text) in found else None


@wrong("01.3", "`text` as it came in")
def joined(text, log_probs):
    found = viterbi(text, log_probs)
    return None if found is None else "".join(found)


@right("01.4")
def by_another_name_of_the_encoding(chunks):
    shown, buffer = [], b""
    for chunk in chunks:
        buffer += chunk
        shown.append(buffer.decode("U8", errors="ignore"))
        buffer = buffer[len(shown[-1].encode("U8")) :]
    return shown


@wrong("01.4", "which has computed nothing yet")
def a_generator(chunks):
    yield from (chunk.decode() for chunk in chunks)


@wrong("01.4", "The text is normalized")
def composed(chunks):
    shown, data = [], b""
    for chunk in chunks:
        data += chunk
        text = unicodedata.normalize("NFC", data.decode(errors="ignore"))
        shown.append(text[sum(map(len, shown)) :])
    return shown


@wrong("01.4", "The result is one text, and a list of its pieces is asked for. Open the next")
def one_string_for_everything(chunks):
    text, buffer = "", b""
    for chunk in chunks:
        buffer += chunk
        try:
            text += buffer.decode("utf-8")
            buffer = b""
        except UnicodeDecodeError as e:
            text += buffer[: e.start].decode("utf-8")
            buffer = buffer[e.start :]
    return text
