"""Answers to the turns of lesson 01, written from its text alone; checks changed after."""

import heapq
from collections import Counter, defaultdict, deque
from itertools import pairwise

import torch
from turn_answers import right, wrong


def counted(words):
    counts = {}
    for word in words:
        for pair in pairwise(word):
            counts[pair] = counts.get(pair, 0) + 1
    return counts


def replaced(ids, pair, new):
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
class UniqueRowsInTorch:
    """All words in one tensor, with the number of the word beside each id; unique rows are counted by torch."""

    def count_pairs(words):
        flat, owner = [], []
        for number, word in enumerate(words):
            flat.extend(word)
            owner.extend([number] * len(word))
        flat, owner = torch.tensor(flat, dtype=torch.long), torch.tensor(owner, dtype=torch.long)
        inside = owner[:-1] == owner[1:]
        pairs = torch.stack([flat[:-1], flat[1:]], dim=1)[inside]
        if len(pairs) == 0:
            return {}
        rows, counts = torch.unique(pairs, dim=0, return_counts=True)
        return {tuple(row): n for row, n in zip(rows.tolist(), counts.tolist())}


@right("01.count_pairs")
class WindowOfTwo:
    """A deque that holds two ids slides over each word."""

    def count_pairs(words):
        counts = defaultdict(int)
        for word in words:
            window = deque(maxlen=2)
            for id in word:
                window.append(id)
                if len(window) == 2:
                    counts[tuple(window)] += 1
        return dict(counts)


# --- 01.merge


@wrong("01.merge", "What comes after the last left id of the pair is lost.")
class TailLost:
    """The loop of GPT-2's encoder.py with word.index(first, i), but the except branch only breaks: what comes after
    the last `first` is dropped."""

    def merge(ids, pair, new):
        first, second = pair
        new_word = []
        i = 0
        while i < len(ids):
            try:
                j = ids.index(first, i)
                new_word.extend(ids[i:j])
                i = j
            except ValueError:
                break
            if i < len(ids) - 1 and ids[i + 1] == second:
                new_word.append(new)
                i += 2
            else:
                new_word.append(ids[i])
                i += 1
        return new_word


@right("01.merge")
class IdsAsCharacters:
    """Each id becomes one Unicode character, and str.replace does the rest: it goes left to right, without overlap."""

    def merge(ids, pair, new):
        text = "".join(map(chr, ids))
        return list(map(ord, text.replace("".join(map(chr, pair)), chr(new))))


@right("01.merge")
class GeneratorWithOneHeld:
    """Holds back one id; the next one decides whether it goes out alone or merged."""

    def merge(ids, pair, new):
        nothing = object()

        def stream():
            held = nothing
            for id in ids:
                if held is nothing:
                    held = id
                elif (held, id) == tuple(pair):
                    yield new
                    held = nothing
                else:
                    yield held
                    held = id
            if held is not nothing:
                yield held

        return list(stream())


# --- 01.learn


@wrong("01.learn", "The count of a pair is divided by those of its ids: that's WordPiece.")
class WordPieceScore:
    """Divides the count by the counts of both parts, as WordPiece does: rare ids that always come together win."""

    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = counted(words)
            if not counts:
                break
            single = Counter(id for word in words for id in word)
            score = {p: counts[p] / (single[p[0]] * single[p[1]]) for p in counts}
            best = min(score, key=lambda pair: (-score[pair], pair))
            merges[best] = 256 + i
            words = [replaced(word, best, 256 + i) for word in words]
        return merges


@right("01.learn")
class StringsAndTypes:
    """Words as strings with one character per id, each distinct word once with its frequency; sorting strings is
    sorting pairs."""

    def learn(words, n):
        vocab = Counter("".join(map(chr, word)) for word in words)
        merges = {}
        for new in range(256, 256 + n):
            counts = Counter()
            for text, times in vocab.items():
                for i in range(len(text) - 1):
                    counts[text[i : i + 2]] += times
            if not counts:
                break
            top = max(counts.values())
            best = min(pair for pair, count in counts.items() if count == top)
            merges[ord(best[0]), ord(best[1])] = new
            merged = Counter()
            for text, times in vocab.items():
                merged[text.replace(best, chr(new))] += times
            vocab = merged
        return merges


@right("01.learn")
class CountsKeptByWord:
    """Keeps the counts and an index from each pair to the words that hold it; only those words are recounted, and a
    heap with stale entries finds the best pair."""

    def learn(words, n):
        words = [tuple(word) for word in words]
        counts, where = Counter(), defaultdict(set)
        for w, word in enumerate(words):
            for pair in pairwise(word):
                counts[pair] += 1
                where[pair].add(w)
        heap = [(-count, pair) for pair, count in counts.items()]
        heapq.heapify(heap)
        merges = {}
        while heap and len(merges) < n:
            negative, pair = heapq.heappop(heap)
            if counts[pair] != -negative or not negative:
                continue
            new = 256 + len(merges)
            merges[pair] = new
            changed = set()
            for w in list(where[pair]):
                for old in pairwise(words[w]):
                    counts[old] -= 1
                    where[old].discard(w)
                    changed.add(old)
                words[w] = tuple(replaced(words[w], pair, new))
                for fresh in pairwise(words[w]):
                    counts[fresh] += 1
                    where[fresh].add(w)
                    changed.add(fresh)
            for each in changed:
                if counts[each] > 0:
                    heapq.heappush(heap, (-counts[each], each))
        return merges


# --- 01.encode


@right("01.encode")
class HeapAndLinks:
    """A heap of candidates over a doubly linked list, as fast libraries do it."""

    def encode(ids, merges):
        value = list(ids)
        size = len(value)
        following = list(range(1, size + 1))
        previous = list(range(-1, size - 1))
        alive = [True] * size
        heap = []

        def offer(i):
            if 0 <= i and following[i] < size:
                pair = (value[i], value[following[i]])
                if pair in merges:
                    heapq.heappush(heap, (merges[pair], i, pair))

        for i in range(size):
            offer(i)
        while heap:
            new, i, pair = heapq.heappop(heap)
            j = following[i]
            if not alive[i] or j >= size or (value[i], value[j]) != pair:
                continue
            value[i], alive[j] = new, False
            following[i] = following[j]
            if following[j] < size:
                previous[following[j]] = i
            offer(previous[i])
            offer(i)
        return [v for v, is_alive in zip(value, alive) if is_alive]


@right("01.encode")
class RecursionOnStrings:
    """One character per id; the pair with the smallest id is replaced everywhere, and the function calls itself."""

    def encode(ids, merges):
        def go(text):
            pairs = {(ord(a), ord(b)) for a, b in zip(text, text[1:])} & merges.keys()
            if not pairs:
                return text
            new, a, b = min((merges[a, b], a, b) for a, b in pairs)
            return go(text.replace(chr(a) + chr(b), chr(new)))

        return [ord(letter) for letter in go("".join(chr(id) for id in ids))]
