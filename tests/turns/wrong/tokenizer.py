"""Wrong answers to the turns of lesson 01: errors, and mistakes that look right at first."""

from itertools import pairwise

from turn_answers import wrong

from minillm.course.turns.tokenizer import count_pairs, merge

# --- 01.count_pairs


@wrong("01.count_pairs", "KeyError")
class NoFirstTime:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for i in range(len(ids) - 1):
                counts[(ids[i], ids[i + 1])] += 1
        return counts


@wrong("01.count_pairs", "unhashable type: 'list'")
class WholeWords:
    def count_pairs(words):
        counts = {}
        for left, right in pairwise(words):
            counts[left, right] = counts.get((left, right), 0) + 1
        return counts


@wrong("01.count_pairs", "IndexError")
class OnePairTooMany:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for i, id in enumerate(ids):
                counts[id, ids[i + 1]] = counts.get((id, ids[i + 1]), 0) + 1
        return counts


@wrong("01.count_pairs", "not iterable")
class ThreeLoops:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for id in ids:
                for pair in pairwise(id):
                    counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "NameError")
class NoImport:
    def count_pairs(words):
        counts = defaultdict(int)  # noqa: F821
        for ids in words:
            for pair in pairwise(ids):
                counts[pair] += 1
        return counts


@wrong("01.count_pairs", "AttributeError")
class TakesText:
    def count_pairs(words):
        counts = {}
        for word in words:
            for pair in pairwise(word.encode()):
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "the square of the number of words")
class CountsEachAnew:
    def count_pairs(words):
        pairs = [pair for ids in words for pair in pairwise(ids)]
        return {pair: pairs.count(pair) for pair in pairs}


@wrong("01.count_pairs", "The first id of a word counts as the right neighbor of its last one.")
class RoundTheCorner:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for i in range(len(ids)):
                counts[ids[i - 1], ids[i]] = counts.get((ids[i - 1], ids[i]), 0) + 1
        return counts


@wrong("01.count_pairs", "The first and the last pair of each word are missed.")
class BothEndsMissed:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for i in range(1, len(ids) - 2):
                counts[ids[i], ids[i + 1]] = counts.get((ids[i], ids[i + 1]), 0) + 1
        return counts


@wrong("01.count_pairs", "In 5, 5, 5 the pair (5, 5) is counted once.")
class NoOverlap:
    def count_pairs(words):
        counts = {}
        for ids in words:
            i = 0
            while i < len(ids) - 1:
                pair = ids[i], ids[i + 1]
                counts[pair] = counts.get(pair, 0) + 1
                i += 2 if ids[i : i + 3] == [ids[i]] * 3 else 1
        return counts


@wrong("01.count_pairs", "Pairs of two equal ids are left out.")
class NoTwins:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for left, right in pairwise(ids):
                if left != right:
                    counts[left, right] = counts.get((left, right), 0) + 1
        return counts


@wrong("01.count_pairs", "Only the first pair is counted.")
class ReturnsAtOnce:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in pairwise(ids):
                counts[pair] = counts.get(pair, 0) + 1
                return counts
        return counts


@wrong("01.count_pairs", "The keys are numbers, not pairs.")
class AddsTheIds:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for a, b in pairwise(ids):
                counts[a + b] = counts.get(a + b, 0) + 1
        return counts


@wrong("01.count_pairs", "A word that comes twice is counted once.")
class DifferentWordsOnly:
    def count_pairs(words):
        counts, seen = {}, []
        for ids in words:
            if ids not in seen:
                seen.append(ids)
                for pair in pairwise(ids):
                    counts[pair] = counts.get(pair, 0) + 1
        return counts


# --- 01.merge


@wrong("01.merge", "The last id comes out once more")
class AppendsTheLast:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids) - 1:
            hit = (ids[i], ids[i + 1]) == pair
            out.append(new if hit else ids[i])
            i += 2 if hit else 1
        return out + ids[-1:]


@wrong("01.merge", "The new id is 256, whatever `new` says.")
class Always256:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            hit = tuple(ids[i : i + 2]) == pair
            out.append(256 if hit else ids[i])
            i += 2 if hit else 1
        return out


@wrong("01.merge", "changed the input")
class DeletesInPlace:
    def merge(ids, pair, new):
        for i in range(len(ids) - 1, 0, -1):
            if (ids[i - 1], ids[i]) == pair:
                ids[i - 1] = new
                del ids[i]
        return ids


@wrong("01.merge", "IndexError")
class LooksPastTheEnd:
    def merge(ids, pair, new):
        out = []
        i = 0
        while i < len(ids):
            if ids[i] == pair[0] and ids[i + 1] == pair[1]:
                out.append(new)
                i += 2
            else:
                out.append(ids[i])
                i += 1
        return out


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


@wrong("01.merge", "NameError")
class OtherNames:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            hit = tuple(ids[i : i + 2]) == pair
            out.append(idx if hit else ids[i])  # noqa: F821
            i += 2 if hit else 1
        return out


@wrong("01.merge", "TypeError")
class AddsANumber:
    def merge(ids, pair, new):
        for i in range(len(ids) - 1):
            if (ids[i], ids[i + 1]) == pair:
                return ids[:i] + new + ids[i + 2 :]
        return list(ids)


@wrong("01.merge", "AttributeError")
class ReplacesLikeText:
    def merge(ids, pair, new):
        return ids.replace(pair, new)


@wrong("01.merge", "ValueError")
class FindsThePair:
    def merge(ids, pair, new):
        at = ids.index(pair[0])
        while ids.index(pair[1], at) != at + 1:
            at = ids.index(pair[0], at + 1)
        return [*ids[:at], new, *ids[at + 2 :]]


@wrong("01.merge", "Ids above 256 are compared by `is`")
class ByIdentity:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            if i + 1 < len(ids) and ids[i] is pair[0] and ids[i + 1] is pair[1]:
                out.append(new)
                i += 2
            else:
                out.append(ids[i])
                i += 1
        return out


@wrong("01.merge", "Only the right id is compared")
class RightOnly:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            if i + 1 < len(ids) and ids[i + 1] == pair[1]:
                out.append(new)
                i += 2
            else:
                out.append(ids[i])
                i += 1
        return out


@wrong("01.merge", "The pair vanishes")
class Forgets:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == pair:
                i += 2
            else:
                out.append(ids[i])
                i += 1
        return out


@wrong("01.merge", "Each id of the pair becomes `new`")
class EachOfThem:
    def merge(ids, pair, new):
        return [new if id in pair else id for id in ids]


@wrong("01.merge", "The result is in reverse order.")
class BackToFront:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            hit = tuple(ids[i : i + 2]) == pair
            out.insert(0, new if hit else ids[i])
            i += 2 if hit else 1
        return out


# --- 01.learn


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


@wrong("01.learn", "TypeError")
class MergesASingleId:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + i
            words = [merge(id, pair, 256 + i) for ids in words for id in ids]
        return merges


@wrong("01.learn", "NameError")
class CounterForgotten:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = Counter(pair for ids in words for pair in pairwise(ids))  # noqa: F821
            pair = counts.most_common(1)[0][0]
            merges[pair] = 256 + i
        return merges


@wrong("01.learn", "NameError")
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


@wrong("01.learn", "TypeError")
class MergesWithoutId:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + i
            words = [merge(ids, pair) for ids in words]
        return merges


@wrong("01.learn", "Ties are settled by the right id.")
class RightIdFirst:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = sorted(counts.items(), key=lambda item: (-item[1], item[0][::-1]))[0][0]
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "At least one merge is made")
class ChecksTooLate:
    def learn(words, n):
        merges = {}
        while True:
            counts = count_pairs(words)
            if not counts:
                return merges
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
            if len(merges) >= n:
                return merges


@wrong("01.learn", "In ties, ids are compared as text")
class TextTies:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], str(pair)))
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
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


@wrong("01.learn", "Only the first word is merged.")
class OneWordOnly:
    def learn(words, n):
        merges, words = {}, list(words)
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + i
            words[0] = merge(words[0], pair, 256 + i)
        return merges


@wrong("01.learn", "In ties with one left id, the pair that was seen first wins.")
class LeftIdOnly:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair[0]))
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


# --- 01.encode


@wrong("01.encode", "KeyError")
class AsksForUnknownPairs:
    def encode(ids, merges):
        while len(ids) > 1:
            pair = min(pairwise(ids), key=lambda pair: merges[pair])
            ids = merge(ids, pair, merges[pair])
        return ids


@wrong("01.encode", "ValueError")
class SmallestOfNothing:
    def encode(ids, merges):
        ranked = {pair: merges[pair] for pair in pairwise(ids) if pair in merges}
        while ranked is not None:
            pair = min(ranked, key=ranked.get)
            ids = merge(ids, pair, merges[pair])
            ranked = {pair: merges[pair] for pair in pairwise(ids) if pair in merges}
        return ids


@wrong("01.encode", "has not finished")
class SameIdsAgain:
    def encode(ids, merges):
        while known := [pair for pair in pairwise(ids) if pair in merges]:
            pair = min(known, key=merges.get)
            new_ids = merge(ids, pair, merges[pair])
        return new_ids


@wrong("01.encode", "IndexError")
class OneTooFar:
    def encode(ids, merges):
        ids, i = list(ids), 0
        while i < len(ids):
            if (ids[i], ids[i + 1]) in merges:
                ids[i : i + 2] = [merges[ids[i], ids[i + 1]]]
            i += 1
        return ids


@wrong("01.encode", "TypeError")
class MergesTheDictionary:
    def encode(ids, merges):
        for pair in merges:
            ids = merge(ids, pair, merges)
            ids = ids + merges[pair][0]
        return ids


@wrong("01.encode", "NameError")
class CallsThemRanks:
    def encode(ids, merges):
        while known := [pair for pair in pairwise(ids) if pair in ranks]:  # noqa: F821
            pair = min(known, key=ranks.get)  # noqa: F821
            ids = merge(ids, pair, merges[pair])
        return ids


@wrong("01.encode", "AttributeError")
class TakesAWord:
    def encode(ids, merges):
        ids = list(ids.encode())
        while known := [pair for pair in pairwise(ids) if pair in merges]:
            pair = min(known, key=merges.get)
            ids = merge(ids, pair, merges[pair])
        return ids


@wrong("01.encode", "goes more than 1,000 calls deep")
class CallsItselfForever:
    def encode(ids, merges):
        known = [pair for pair in pairwise(ids) if pair in merges]
        pair = min(known, key=merges.get, default=None)
        return encode(merge(ids, pair, merges.get(pair)), merges)  # noqa: F821


@wrong("01.encode", "goes through all merges for each word")
class ThroughAllMergesBySize:
    def encode(ids, merges):
        for pair in sorted(merges, key=merges.get):
            ids = merge(ids, pair, merges[pair])
        return list(ids)


@wrong("01.encode", "The merges are replayed in the dictionary's order.")
class ThroughAllMerges:
    def encode(ids, merges):
        ids = list(ids)
        for left, right in merges:
            i = 0
            while i < len(ids) - 1:
                if ids[i] == left and ids[i + 1] == right:
                    ids[i : i + 2] = [merges[left, right]]
                i += 1
        return ids


@wrong("01.encode", "A word of two ids is left as it is.")
class TwoStay:
    def encode(ids, merges):
        if len(ids) <= 2:
            return list(ids)
        while known := [pair for pair in pairwise(ids) if pair in merges]:
            pair = min(known, key=merges.get)
            ids = merge(ids, pair, merges[pair])
        return ids


@wrong("01.encode", "The rightmost known pair goes first")
class FromTheEnd:
    def encode(ids, merges):
        while known := [pair for pair in pairwise(ids) if pair in merges]:
            pair = known.pop()
            ids = merge(ids, pair, merges[pair])
        return ids


@wrong("01.encode", "Equal ids in a row are merged from the right")
class LastPlaceFirst:
    def encode(ids, merges):
        ids = list(ids)
        while found := [(merges[pair], -at) for at, pair in enumerate(pairwise(ids)) if pair in merges]:
            new, at = min(found)
            ids[-at : 2 - at] = [new]
        return ids


@wrong("01.encode", "raised IndexError: list index out of range")
class BeginsWithTheFirst:
    def encode(ids, merges):
        out = [ids[0], *ids[1:]]
        while known := [pair for pair in pairwise(out) if pair in merges]:
            pair = min(known, key=merges.get)
            out = merge(out, pair, merges[pair])
        return out
