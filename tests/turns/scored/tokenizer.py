"""Answers to the turns of lesson 01, written from its stubs alone; the checks were changed after they were scored."""

import itertools
from collections import Counter, defaultdict

from turn_answers import right, wrong

from minillm.course.turns.tokenizer import count_pairs, merge

# --- 01.count_pairs


@right("01.count_pairs")
class CountsByCounter:
    def count_pairs(words):
        return Counter(pair for ids in words for pair in itertools.pairwise(ids))


@right("01.count_pairs")
class CountsByDefaultdict:
    def count_pairs(words):
        counts = defaultdict(int)
        for ids in words:
            for i in range(len(ids) - 1):
                counts[ids[i], ids[i + 1]] += 1
        return counts


@right("01.count_pairs")
class CountsByUpdate:
    def count_pairs(words):
        counts = Counter()
        for ids in words:
            counts.update(zip(ids[:-1], ids[1:], strict=True))
        return dict(counts)


@wrong("01.count_pairs", "")
class OneList:
    def count_pairs(words):
        counts = {}
        for pair in itertools.pairwise(words):
            counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "")
class MinbpeStats:
    def count_pairs(ids, counts=None):
        counts = {} if counts is None else counts
        for pair in itertools.pairwise(ids):
            counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "")
class AcrossWords:
    def count_pairs(words):
        ids = [id for word in words for id in word]
        return dict(Counter(itertools.pairwise(ids)))


@wrong("01.count_pairs", "")
class MissesTheLastPair:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for i in range(len(ids) - 2):
                pair = ids[i], ids[i + 1]
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "")
class RunsOver:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for i in range(len(ids)):
                pair = (ids[i], ids[i + 1])
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "")
class StartsAtOne:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for i in range(1, len(ids) - 1):
                pair = (ids[i], ids[i + 1])
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "")
class OncePerWord:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in set(itertools.pairwise(ids)):
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "")
class AlwaysOne:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in itertools.pairwise(ids):
                counts[pair] = 1
        return counts


@wrong("01.count_pairs", "")
class StartsFromOne:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in itertools.pairwise(ids):
                counts[pair] = counts.get(pair, 1) + 1
        return counts


@wrong("01.count_pairs", "")
class StartsFromZero:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in itertools.pairwise(ids):
                if pair in counts:
                    counts[pair] += 1
                else:
                    counts[pair] = 0
        return counts


@wrong("01.count_pairs", "")
class KeyError_:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in itertools.pairwise(ids):
                counts[pair] += 1
        return counts


@wrong("01.count_pairs", "")
class ListAsKey:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for i in range(len(ids) - 1):
                pair = [ids[i], ids[i + 1]]
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "")
class SliceAsKey:
    def count_pairs(words):
        counts = Counter()
        for ids in words:
            for i in range(len(ids) - 1):
                counts[ids[i : i + 2]] += 1
        return counts


@wrong("01.count_pairs", "")
class ReturnsInTheLoop:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in itertools.pairwise(ids):
                counts[pair] = counts.get(pair, 0) + 1
            return counts


@wrong("01.count_pairs", "")
class NewCountsEachWord:
    def count_pairs(words):
        for ids in words:
            counts = {}
            for pair in itertools.pairwise(ids):
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "")
class NoReturn:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in itertools.pairwise(ids):
                counts[pair] = counts.get(pair, 0) + 1


@wrong("01.count_pairs", "")
class Sorted:
    def count_pairs(words):
        return Counter(tuple(sorted(pair)) for ids in words for pair in itertools.pairwise(ids))


@wrong("01.count_pairs", "")
class StepsOfTwo:
    def count_pairs(words):
        counts = Counter()
        for ids in words:
            for i in range(0, len(ids) - 1, 2):
                counts[ids[i], ids[i + 1]] += 1
        return counts


@wrong("01.count_pairs", "")
class SingleIds:
    def count_pairs(words):
        return Counter(id for ids in words for id in ids)


@wrong("01.count_pairs", "")
class OnlyTheMostFrequent:
    def count_pairs(words):
        counts = Counter(pair for ids in words for pair in itertools.pairwise(ids))
        return max(counts, key=counts.get)


@wrong("01.count_pairs", "")
class AllCombinations:
    def count_pairs(words):
        return Counter(pair for ids in words for pair in itertools.combinations(ids, 2))


@wrong("01.count_pairs", "")
class AsAList:
    def count_pairs(words):
        return Counter(pair for ids in words for pair in itertools.pairwise(ids)).most_common()


@wrong("01.count_pairs", "")
class PrintsThem:
    def count_pairs(words):
        print(Counter(pair for ids in words for pair in itertools.pairwise(ids)))


@wrong("01.count_pairs", "")
class RightFirst:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for a, b in itertools.pairwise(ids):
                counts[b, a] = counts.get((b, a), 0) + 1
        return counts


# --- 01.merge


@right("01.merge")
class LooksBack:
    def merge(ids, pair, new):
        out, fresh = [], False
        for id in ids:
            if out and not fresh and (out[-1], id) == tuple(pair):
                out[-1], fresh = new, True
            else:
                out.append(id)
                fresh = False
        return out


@right("01.merge")
class OfMinbpe:
    def merge(ids, pair, idx):
        newids = []
        i = 0
        while i < len(ids):
            if ids[i] == pair[0] and i < len(ids) - 1 and ids[i + 1] == pair[1]:
                newids.append(idx)
                i += 2
            else:
                newids.append(ids[i])
                i += 1
        return newids


@right("01.merge")
class OnACopy:
    def merge(ids, pair, new):
        ids = list(ids)
        i = 0
        while i < len(ids) - 1:
            if (ids[i], ids[i + 1]) == pair:
                ids[i : i + 2] = [new]
            i += 1
        return ids


@wrong("01.merge", "")
class InPlace:
    def merge(ids, pair, new):
        i = 0
        while i < len(ids) - 1:
            if (ids[i], ids[i + 1]) == pair:
                ids[i : i + 2] = [new]
            i += 1
        return ids


@wrong("01.merge", "")
class UsesAnIdTwice:
    def merge(ids, pair, new):
        out = []
        skip = False
        for i in range(len(ids)):
            if tuple(ids[i : i + 2]) == pair:
                out.append(new)
                skip = True
            elif skip:
                skip = False
            else:
                out.append(ids[i])
        return out


@wrong("01.merge", "")
class LosesTheLast:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids) - 1:
            if (ids[i], ids[i + 1]) == pair:
                out.append(new)
                i += 2
            else:
                out.append(ids[i])
                i += 1
        return out


@wrong("01.merge", "")
class IndexError_:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            if (ids[i], ids[i + 1]) == pair:
                out.append(new)
                i += 2
            else:
                out.append(ids[i])
                i += 1
        return out


@wrong("01.merge", "")
class KeepsTheRight:
    def merge(ids, pair, new):
        out = []
        for i in range(len(ids)):
            if tuple(ids[i : i + 2]) == pair:
                out.append(new)
            else:
                out.append(ids[i])
        return out


@wrong("01.merge", "")
class OnlyTheFirst:
    def merge(ids, pair, new):
        for i in range(len(ids) - 1):
            if (ids[i], ids[i + 1]) == pair:
                return ids[:i] + [new] + ids[i + 2 :]
        return ids[:]


@wrong("01.merge", "")
class ListAgainstTuple:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            if ids[i : i + 2] == pair:
                out.append(new)
                i += 2
            else:
                out.append(ids[i])
                i += 1
        return out


@wrong("01.merge", "")
class RangeCannotSkip:
    def merge(ids, pair, new):
        out = []
        for i in range(len(ids)):
            if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
                out.append(new)
                i += 1
            else:
                out.append(ids[i])
        return out


@wrong("01.merge", "")
class AlwaysTwoOn:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == pair:
                out.append(new)
            else:
                out.append(ids[i])
            i += 2
        return out


@wrong("01.merge", "")
class PairsOfTwo:
    def merge(ids, pair, new):
        out = []
        for i in range(0, len(ids), 2):
            out += [new] if tuple(ids[i : i + 2]) == pair else ids[i : i + 2]
        return out


@wrong("01.merge", "")
class AnyOrder:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            if i + 1 < len(ids) and {ids[i], ids[i + 1]} == set(pair):
                out.append(new)
                i += 2
            else:
                out.append(ids[i])
                i += 1
        return out


@wrong("01.merge", "")
class FromTheRight:
    def merge(ids, pair, new):
        out, i = [], len(ids) - 1
        while i >= 0:
            if i > 0 and (ids[i - 1], ids[i]) == pair:
                out.insert(0, new)
                i -= 2
            else:
                out.insert(0, ids[i])
                i -= 1
        return out


@wrong("01.merge", "")
class ComparesLeftOnly:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            if ids[i] == pair[0]:
                out.append(new)
                i += 2
            else:
                out.append(ids[i])
                i += 1
        return out


@wrong("01.merge", "")
class AddsNewAfterTheLeft:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            out.append(ids[i])
            if tuple(ids[i : i + 2]) == pair:
                out.append(new)
                i += 1
            i += 1
        return out


@wrong("01.merge", "")
class AsText:
    def merge(ids, pair, new):
        text = " ".join(map(str, ids))
        text = text.replace(f"{pair[0]} {pair[1]}", str(new))
        return [int(part) for part in text.split()]


@wrong("01.merge", "")
class GivesATuple:
    def merge(ids, pair, new):
        out, i = (), 0
        while i < len(ids):
            hit = tuple(ids[i : i + 2]) == pair
            out += (new,) if hit else (ids[i],)
            i += 2 if hit else 1
        return out


@wrong("01.merge", "")
class PutsTheSum:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == pair:
                out.append(pair[0] + pair[1])
                i += 2
            else:
                out.append(ids[i])
                i += 1
        return out


@wrong("01.merge", "")
class ReturnsInLoop:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == pair:
                out.append(new)
                i += 2
            else:
                out.append(ids[i])
                i += 1
            return out


@wrong("01.merge", "")
class NeverEnds:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == pair:
                out.append(new)
                i += 2
            else:
                out.append(ids[i])
        return out


@wrong("01.merge", "")
class Looping:
    def merge(ids, pair, new):
        out = []
        for a, b in itertools.pairwise(ids):
            out.append(new if (a, b) == pair else a)
        return out


@wrong("01.merge", "")
class TakesIndexOfThePair:
    def merge(ids, pair, new):
        ids = list(ids)
        while pair in ids:
            at = ids.index(pair)
            ids[at : at + 2] = [new]
        return ids


# --- 01.learn


@right("01.learn")
class ByMinimum:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = 256 + i
            words = [merge(ids, best, 256 + i) for ids in words]
        return merges


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
class ByMaximumOfNegatives:
    def learn(words, n):
        merges = {}
        for new in range(256, 256 + n):
            counts = count_pairs(words)
            if len(counts) == 0:
                break
            pair = max(counts, key=lambda p: (counts[p], -p[0], -p[1]))
            words = [merge(ids, pair, new) for ids in words]
            merges[pair] = new
        return merges


@wrong("01.learn", "")
class FirstSeen:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = max(counts, key=counts.get)
            merges[best] = 256 + i
            words = [merge(ids, best, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "")
class LargerPair:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = max(counts, key=lambda pair: (counts[pair], pair))
            merges[best] = 256 + i
            words = [merge(ids, best, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "")
class NothingLeft:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = 256 + i
            words = [merge(ids, best, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "")
class CountsOnce:
    def learn(words, n):
        counts = count_pairs(words)
        ranked = sorted(counts, key=lambda pair: (-counts[pair], pair))
        return {pair: 256 + i for i, pair in enumerate(ranked[:n])}


@wrong("01.learn", "")
class NeverMerges:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = 256 + i
            for ids in words:
                merge(ids, best, 256 + i)
        return merges


@wrong("01.learn", "")
class RebindsTheLoopVariable:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = 256 + i
            for ids in words:
                ids = merge(ids, best, 256 + i)
        return merges


@wrong("01.learn", "")
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


@wrong("01.learn", "")
class BeginsAtZero:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = i
            words = [merge(ids, best, i) for ids in words]
        return merges


@wrong("01.learn", "")
class BeginsAt257:
    def learn(words, n):
        merges = {}
        for i in range(1, n + 1):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = 256 + i
            words = [merge(ids, best, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "")
class OneTooMany:
    def learn(words, n):
        merges = {}
        for i in range(n + 1):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = 256 + i
            words = [merge(ids, best, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "")
class OneTooFew:
    def learn(words, n):
        merges = {}
        for i in range(n - 1):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = 256 + i
            words = [merge(ids, best, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "")
class IdToPair:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[256 + i] = best
            words = [merge(ids, best, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "")
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


@wrong("01.learn", "")
class GivesTheCounts:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = counts[best]
            words = [merge(ids, best, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "")
class Rarest:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (counts[pair], pair))
            merges[best] = 256 + i
            words = [merge(ids, best, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "")
class LargestIds:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = max(counts)
            merges[best] = 256 + i
            words = [merge(ids, best, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "")
class StopsAtOne:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
            if best is None or counts[best] < 2:
                break
            merges[best] = 256 + i
            words = [merge(ids, best, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "")
class ReturnsEarly:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = 256 + i
            words = [merge(ids, best, 256 + i) for ids in words]
            return merges


@wrong("01.learn", "")
class SameIdAlways:
    def learn(words, n):
        merges = {}
        for _ in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = 256
            words = [merge(ids, best, 256) for ids in words]
        return merges


@wrong("01.learn", "")
class MergesOneWord:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = 256 + i
            words = merge(words, best, 256 + i)
        return merges


@wrong("01.learn", "")
class RanksFromZero:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = i
            words = [merge(ids, best, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "")
class MergeArgumentsSwapped:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[best] = 256 + i
            words = [merge(ids, 256 + i, best) for ids in words]
        return merges


# --- 01.encode


@right("01.encode")
class ByStats:
    def encode(ids, merges):
        while len(ids) >= 2:
            stats = count_pairs([ids])
            pair = min(stats, key=lambda p: merges.get(p, float("inf")))
            if pair not in merges:
                break
            ids = merge(ids, pair, merges[pair])
        return ids


@right("01.encode")
class ByPosition:
    def encode(ids, merges):
        ids = list(ids)
        while True:
            found = [(merges[pair], at) for at, pair in enumerate(itertools.pairwise(ids)) if pair in merges]
            if not found:
                return ids
            new, at = min(found)
            ids[at : at + 2] = [new]


@right("01.encode")
class ByRecursion:
    def encode(ids, merges):
        known = [pair for pair in itertools.pairwise(ids) if pair in merges]
        if not known:
            return ids
        best = min(known, key=merges.get)
        return encode(merge(ids, best, merges[best]), merges)  # noqa: F821 (the page has it)


@wrong("01.encode", "")
class MinbpeTrap:
    def encode(ids, merges):
        while len(ids) >= 2:
            stats = count_pairs([ids])
            pair = min(stats, key=lambda p: merges.get(p, float("inf")))
            ids = merge(ids, pair, merges[pair])
        return ids


@wrong("01.encode", "")
class AnyKnownPair:
    def encode(ids, merges):
        changed = True
        while changed:
            changed, out, i = False, [], 0
            while i < len(ids):
                if tuple(ids[i : i + 2]) in merges:
                    out.append(merges[tuple(ids[i : i + 2])])
                    i += 2
                    changed = True
                else:
                    out.append(ids[i])
                    i += 1
            ids = out
        return ids


@wrong("01.encode", "")
class LeftmostFirst:
    def encode(ids, merges):
        while True:
            for pair in itertools.pairwise(ids):
                if pair in merges:
                    ids = merge(ids, pair, merges[pair])
                    break
            else:
                return ids


@wrong("01.encode", "")
class LastLearnedFirst:
    def encode(ids, merges):
        while True:
            known = [pair for pair in itertools.pairwise(ids) if pair in merges]
            if not known:
                return ids
            best = max(known, key=lambda pair: merges[pair])
            ids = merge(ids, best, merges[best])


@wrong("01.encode", "")
class OneMergeOnly:
    def encode(ids, merges):
        known = [pair for pair in itertools.pairwise(ids) if pair in merges]
        if known:
            best = min(known, key=lambda pair: merges[pair])
            ids = merge(ids, best, merges[best])
        return ids


@wrong("01.encode", "")
class OnePass:
    def encode(ids, merges):
        out = []
        for id in ids:
            if out and (out[-1], id) in merges:
                out[-1] = merges[out[-1], id]
            else:
                out.append(id)
        return out


@wrong("01.encode", "")
class AllMergesInTurn:
    def encode(ids, merges):
        for pair, new in merges.items():
            ids = merge(ids, pair, new)
        return ids


@wrong("01.encode", "")
class SmallestPair:
    def encode(ids, merges):
        while known := [pair for pair in itertools.pairwise(ids) if pair in merges]:
            best = min(known)
            ids = merge(ids, best, merges[best])
        return ids


@wrong("01.encode", "")
class MostFrequentInTheWord:
    def encode(ids, merges):
        while True:
            counts = {pair: n for pair, n in count_pairs([ids]).items() if pair in merges}
            if not counts:
                return ids
            best = max(counts, key=counts.get)
            ids = merge(ids, best, merges[best])


@wrong("01.encode", "")
class ChangesItsInput:
    def encode(ids, merges):
        while True:
            found = [(merges[pair], at) for at, pair in enumerate(itertools.pairwise(ids)) if pair in merges]
            if not found:
                return ids
            new, at = min(found)
            ids[at : at + 2] = [new]


@wrong("01.encode", "")
class EmptyMinimum:
    def encode(ids, merges):
        while True:
            known = [pair for pair in itertools.pairwise(ids) if pair in merges]
            best = min(known, key=merges.get)
            ids = merge(ids, best, merges[best])
        return ids


@wrong("01.encode", "")
class NeverStops:
    def encode(ids, merges):
        while True:
            known = [pair for pair in itertools.pairwise(ids) if pair in merges]
            if known:
                best = min(known, key=merges.get)
                ids = merge(ids, best, merges[best])


@wrong("01.encode", "")
class NotReassigned:
    def encode(ids, merges):
        known = [pair for pair in itertools.pairwise(ids) if pair in merges]
        for pair in sorted(known, key=merges.get):
            merge(ids, pair, merges[pair])
        return ids


@wrong("01.encode", "")
class KnownOnlyOnce:
    def encode(ids, merges):
        known = [pair for pair in itertools.pairwise(ids) if pair in merges]
        for pair in sorted(known, key=merges.get):
            ids = merge(ids, pair, merges[pair])
        return ids


@wrong("01.encode", "")
class TwoTooShort:
    def encode(ids, merges):
        while len(ids) > 2:
            known = [pair for pair in itertools.pairwise(ids) if pair in merges]
            if not known:
                break
            best = min(known, key=merges.get)
            ids = merge(ids, best, merges[best])
        return ids


@wrong("01.encode", "")
class Pieces:
    def encode(ids, merges):
        while known := [pair for pair in itertools.pairwise(ids) if pair in merges]:
            best = min(known, key=merges.get)
            ids = merge(ids, best, merges[best])
        return len(ids)


@wrong("01.encode", "")
class ReturnsInTheWhile:
    def encode(ids, merges):
        while known := [pair for pair in itertools.pairwise(ids) if pair in merges]:
            best = min(known, key=merges.get)
            ids = merge(ids, best, merges[best])
            return ids
        return ids


@wrong("01.encode", "")
class RankAsIdOfPair:
    def encode(ids, merges):
        ranks = {pair: rank for rank, pair in enumerate(merges)}
        while known := [pair for pair in itertools.pairwise(ids) if pair in ranks]:
            best = min(known, key=ranks.get)
            ids = merge(ids, best, ranks[best])
        return ids


@wrong("01.encode", "")
class LearnsAnew:
    def encode(ids, merges):
        for new in range(256, 256 + len(merges)):
            counts = count_pairs([ids])
            if not counts:
                break
            best = min(counts, key=lambda pair: (-counts[pair], pair))
            ids = merge(ids, best, new)
        return ids


@wrong("01.encode", "")
class FirstPlaceOnlyOfEach:
    def encode(ids, merges):
        ids = list(ids)
        for pair, new in merges.items():
            pairs = list(itertools.pairwise(ids))
            if pair in pairs:
                at = pairs.index(pair)
                ids[at : at + 2] = [new]
        return ids


@wrong("01.encode", "")
class LongestFirst:
    def encode(ids, merges):
        spelled = {}
        for (a, b), new in merges.items():
            spelled[new] = spelled.get(a, [a]) + spelled.get(b, [b])
        by_spelling = {tuple(spelling): new for new, spelling in spelled.items()}
        out, start = [], 0
        while start < len(ids):
            for end in range(len(ids), start, -1):
                piece = tuple(ids[start:end])
                if len(piece) == 1 or piece in by_spelling:
                    out.append(by_spelling.get(piece, piece[0]))
                    start = end
                    break
        return out


@wrong("01.encode", "")
class PairsAsLists:
    def encode(ids, merges):
        while True:
            known = [ids[i : i + 2] for i in range(len(ids) - 1) if ids[i : i + 2] in merges]
            if not known:
                return ids
            best = min(known, key=merges.get)
            ids = merge(ids, best, merges[best])
