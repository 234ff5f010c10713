"""Answers to the turns of lesson 01, written from its text alone by a reader."""

import re
from collections import Counter
from itertools import groupby, pairwise

import numpy as np
from turn_answers import right, wrong

from minillm.course.turns.tokenizer import count_pairs, learn, merge

# --- 01.count_pairs


@wrong("01.count_pairs", "The keys are no pairs.")
class TextAsKey:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for a, b in pairwise(ids):
                key = f"{a},{b}"
                counts[key] = counts.get(key, 0) + 1
        return counts


@wrong("01.count_pairs", "The keys are numbers, not pairs.")
class DictionaryOfDictionaries:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for a, b in pairwise(ids):
                counts.setdefault(a, {})
                counts[a][b] = counts[a].get(b, 0) + 1
        return counts


@wrong("01.count_pairs", "`count_pairs` raised TypeError: unsupported operand type(s) for +: 'NoneType' and 'int'.")
class GetWithoutADefault:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in pairwise(ids):
                counts[pair] = counts.get(pair) + 1
        return counts


@wrong("01.count_pairs", "Every count is 0.")
class SetDefaultAndNothingMore:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in pairwise(ids):
                counts.setdefault(pair, 0)
        return counts


@wrong("01.count_pairs", "Every count is 0.")
class CountOfTheListOfIds:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in pairwise(ids):
                counts[pair] = ids.count(pair)
        return counts


@wrong("01.count_pairs", "Each word's counts replace those of the words before.")
class OverwrittenByTheLastWord:
    def count_pairs(words):
        counts = {}
        for ids in words:
            pairs = list(pairwise(ids))
            for pair in pairs:
                counts[pair] = pairs.count(pair)
        return counts


@wrong("01.count_pairs", "A pair that comes twice in a word is counted four times.")
class AddsTheCountOfThePairsAtEachPosition:
    def count_pairs(words):
        counts = {}
        for ids in words:
            pairs = list(pairwise(ids))
            for pair in pairs:
                counts[pair] = counts.get(pair, 0) + pairs.count(pair)
        return counts


@wrong("01.count_pairs", "There's an id between the two ids of each pair.")
class OneInBetween:
    def count_pairs(words):
        return Counter(pair for ids in words for pair in zip(ids, ids[2:], strict=False))


@wrong("01.count_pairs", "`count_pairs` raised IndexError: list index out of range.")
class IteratesOverIdsAsPositions:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for i in ids:
                pair = (ids[i], ids[i + 1])
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "`count_pairs` raised TypeError: cannot unpack non-iterable int object.")
class UnpacksSingleIds:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for a, b in ids:
                counts[a, b] = counts.get((a, b), 0) + 1
        return counts


@wrong("01.count_pairs", "`count_pairs` returned something that is of type frozenset; return plain numbers, text,")
class SetsAsKeys:
    def count_pairs(words):
        return dict(Counter(frozenset(pair) for ids in words for pair in pairwise(ids)))


@wrong("01.count_pairs", "`count_pairs` returned something that is of type pairwise; return plain numbers, text,")
class CounterOfPairwiseObjects:
    def count_pairs(words):
        return Counter(pairwise(ids) for ids in words)


@wrong("01.count_pairs", "That's a list, and a dictionary is asked for.")
class OneCounterPerWord:
    def count_pairs(words):
        return [Counter(pairwise(ids)) for ids in words]


@wrong("01.count_pairs", "The values are fractions, not counts.")
class ShareOfAllPairs:
    def count_pairs(words):
        counts = Counter(pair for ids in words for pair in pairwise(ids))
        return {pair: count / counts.total() for pair, count in counts.items()}


@wrong("01.count_pairs", "is missing.")
class TheFiveMostFrequent:
    def count_pairs(words):
        return dict(Counter(pair for ids in words for pair in pairwise(ids)).most_common(5))


@wrong("01.count_pairs", "Each pair is counted in reverse, too.")
class BothDirections:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for a, b in pairwise(ids):
                counts[a, b] = counts.get((a, b), 0) + 1
                counts[b, a] = counts.get((b, a), 0) + 1
        return counts


@wrong("01.count_pairs", "(None, 7) is counted, and no word holds it.")
class WithTheBeginningOfTheWord:
    def count_pairs(words):
        return dict(Counter(pair for ids in words for pair in pairwise([None, *ids])))


@wrong("01.count_pairs", "The keys hold characters.")
class LettersAsKeys:
    def count_pairs(words):
        return dict(Counter(pair for ids in words for pair in pairwise(bytes(ids).decode())))


@wrong("01.count_pairs", "`count_pairs` raised AttributeError: 'list' object has no attribute 'encode'.")
class EncodesAgain:
    def count_pairs(words):
        counts = {}
        for word in words:
            for pair in pairwise(word.encode()):
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "`count_pairs` raised ValueError: setting an array element with a sequence. The requested")
class UniqueByNumpy:
    def count_pairs(words):
        values, counts = np.unique(np.array(words), return_counts=True)
        return dict(zip(values, counts, strict=True))


@wrong("01.count_pairs", "`count_pairs` raised AttributeError: 'itertools.pairwise' object has no attribute 'items'.")
class AddsTheListOfPairs:
    def count_pairs(words):
        counts = Counter()
        for ids in words:
            counts += pairwise(ids)
        return counts


@wrong("01.count_pairs", "`count_pairs` raised TypeError: unhashable type: 'list'.")
class WordsInPlaceOfIds:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in pairwise(words):
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "The key (7, 8, 7) isn't a pair.")
class CountsSequencesOfThree:
    def count_pairs(words):
        return Counter(tuple(ids[i : i + 3]) for ids in words for i in range(len(ids) - 2))


@wrong("01.count_pairs", "The key (8,) isn't a pair.")
class SlicesThatRunOut:
    def count_pairs(words):
        counts = {}
        for ids in words:
            for i in range(len(ids)):
                pair = tuple(ids[i : i + 2])
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "(8, 32) is counted, and no word holds it.")
class RunsOverTheEdgeWithASeparator:
    def count_pairs(words):
        text = []
        for ids in words:
            text += [*ids, 32]
        return dict(Counter(pairwise(text)))


@wrong("01.count_pairs", "The result is right, but the work grows with the square of the number of words.")
class BySumOfCounters:
    def count_pairs(words):
        return sum((Counter(zip(ids, ids[1:], strict=False)) for ids in words), Counter())


@wrong("01.count_pairs", "The result is right, but the work grows with the square of the number of words.")
class ByListCount:
    def count_pairs(words):
        pairs = [pair for ids in words for pair in pairwise(ids)]
        return {pair: pairs.count(pair) for pair in set(pairs)}


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


@right("01.count_pairs")
class ByGroups:
    def count_pairs(words):
        pairs = sorted(pair for ids in words for pair in pairwise(ids))
        return {pair: len(list(group)) for pair, group in groupby(pairs)}


@right("01.count_pairs")
class ByPopping:
    def count_pairs(words):
        counts = {}
        for ids in words:
            rest = list(ids)
            while len(rest) > 1:
                last = rest.pop()
                counts[rest[-1], last] = counts.get((rest[-1], last), 0) + 1
        return counts


@right("01.count_pairs")
class ByLookingBack:
    def count_pairs(words):
        counts = {}
        for ids in words:
            left = None
            for id in ids:
                if left is not None:
                    try:
                        counts[left, id] += 1
                    except KeyError:
                        counts[left, id] = 1
                left = id
        return counts


# --- 01.merge


@wrong("01.merge", "The id 0 is lost.")
class FiltersZeros:
    def merge(ids, pair, new):
        ids = list(ids)
        for i in range(len(ids) - 1):
            if (ids[i], ids[i + 1]) == pair:
                ids[i], ids[i + 1] = new, None
        return [id for id in ids if id]


@wrong("01.merge", "Two neighbors are merged if both ids are in the pair, in any order, or the same id twice.")
class BothInThePair:
    def merge(ids, pair, new):
        out, i = [], 0
        while i < len(ids):
            if i + 1 < len(ids) and ids[i] in pair and ids[i + 1] in pair:
                out.append(new)
                i += 2
            else:
                out.append(ids[i])
                i += 1
        return out


@wrong("01.merge", "`merge` raised ValueError: bytes must be in range(0, 256).")
class BytesReplace:
    def merge(ids, pair, new):
        return list(bytes(ids).replace(bytes(pair), bytes([new])))


@wrong("01.merge", "`merge` raised TypeError: 'int' object is not iterable.")
class AddsANumberToAList:
    def merge(ids, pair, new):
        merged, i = [], 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == pair:
                merged += new
                i += 2
            else:
                merged += ids[i]
                i += 1
        return merged


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


@wrong("01.merge", "Nothing is merged.")
class ReturnsTheOldList:
    def merge(ids, pair, new):
        merged, i = [], 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == pair:
                merged.append(new)
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return ids


@wrong("01.merge", "`new` comes out twice: once for each id of the pair.")
class NewTwice:
    def merge(ids, pair, new):
        ids = list(ids)
        for i in range(len(ids) - 1):
            if (ids[i], ids[i + 1]) == pair:
                ids[i], ids[i + 1] = new, new
        return ids


@wrong("01.merge", "`merge` raised IndexError: list index out of range.")
class NoElse:
    def merge(ids, pair, new):
        merged, i = [], 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == pair:
                merged.append(new)
                i += 2
            merged.append(ids[i])
            i += 1
        return merged


@wrong("01.merge", "Not everything in the list is an id.")
class NewAsAList:
    def merge(ids, pair, new):
        merged, i = [], 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == pair:
                merged.append([new])
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return merged


@wrong("01.merge", "In 7, 7, 7 all three become one new id.")
class LooksBackInTheOldList:
    def merge(ids, pair, new):
        merged = []
        for i in range(len(ids)):
            if i > 0 and (ids[i - 1], ids[i]) == pair:
                merged[-1] = new
            else:
                merged.append(ids[i])
        return merged


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


@wrong("01.merge", "Only the first occurrence of the left id is checked.")
class TheFirstLeftIdOnly:
    def merge(ids, pair, new):
        if pair[0] not in ids:
            return list(ids)
        i = ids.index(pair[0])
        if i + 1 < len(ids) and ids[i + 1] == pair[1]:
            return ids[:i] + [new] + ids[i + 2 :]
        return list(ids)


@wrong("01.merge", "`merge` raised IndexError: list index out of range.")
class CopiesAndRunsOut:
    def merge(ids, pair, new):
        ids = ids.copy()
        for i in range(len(ids) - 1):
            if ids[i] == pair[0] and ids[i + 1] == pair[1]:
                ids[i] = new
                del ids[i + 1]
        return ids


@wrong("01.merge", "The left id of a pair comes out in its place, and `new` never does.")
class KeepsTheLeftId:
    def merge(ids, pair, new):
        merged, i = [], 0
        while i < len(ids):
            merged.append(ids[i])
            i += 2 if tuple(ids[i : i + 2]) == pair else 1
        return merged


@wrong("01.merge", "raised ValueError: invalid literal for int")
class NoDigitBorders:
    def merge(ids, pair, new):
        text = ",".join(str(id) for id in ids)
        text = re.sub(f"{pair[0]},{pair[1]}", str(new), text)
        return [int(piece) for piece in text.split(",")]


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


@wrong("01.merge", "`merge` returned something that is a generator, which has computed nothing yet; collect its")
class YieldsThem:
    def merge(ids, pair, new):
        i = 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == pair:
                yield new
                i += 2
            else:
                yield ids[i]
                i += 1


@wrong("01.merge", "Nothing is merged.")
class TheExampleHardCoded:
    def merge(ids, pair, new):
        merged, i = [], 0
        while i < len(ids):
            if ids[i : i + 2] == [108, 111]:
                merged.append(256)
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return merged


@wrong("01.merge", "`merge` raised TypeError: 'int' object is not iterable.")
class AllWordsAtOnce:
    def merge(ids, pair, new):
        return [[new if id == pair else id for id in word] for word in ids]


@right("01.merge")
class ThroughCharacters:
    def merge(ids, pair, new):
        text = "".join(map(chr, ids)).replace(chr(pair[0]) + chr(pair[1]), chr(new))
        return [ord(character) for character in text]


@right("01.merge")
class ByRecursion:
    def merge(ids, pair, new):
        if len(ids) < 2:
            return ids[:]
        if (ids[0], ids[1]) == pair:
            return [new] + merge(ids[2:], pair, new)
        return ids[:1] + merge(ids[1:], pair, new)


@right("01.merge")
class BySlicesThatShrink:
    def merge(ids, pair, new):
        ids = list(ids)
        for i in range(len(ids)):
            if ids[i : i + 2] == list(pair):
                ids[i : i + 2] = [new]
        return ids


# --- 01.learn


@wrong("01.learn", "The words never change, so every round counts the same and finds the same pair.")
class MergesTheListOfWords:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], p))
            merges[pair] = 256 + i
            words = merge(words, pair, 256 + i)
        return merges


@wrong("01.learn", "The merge number 2 is (257, 9), and (256, 9) is right.")
class GeneratorOfWords:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], p))
            merges[pair] = 256 + i
            words = (merge(ids, pair, 256 + i) for ids in words)
        return merges


@wrong("01.learn", "There are no merges at all.")
class VocabularySizeOfMinbpe:
    def learn(words, n):
        merges = {}
        for i in range(n - 256):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], p))
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "The keys are numbers, not pairs.")
class MaximumOfTheValues:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            pair = max(counts.values())
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "`learn` raised TypeError: bad operand type for unary -: 'tuple'.")
class MinusATuple:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = max(counts, key=lambda p: (counts[p], -p))
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "Every merge makes the same id, 256.")
class RecursionWithTheSameId:
    def learn(words, n):
        counts = count_pairs(words)
        if n == 0 or not counts:
            return {}
        pair = min(counts, key=lambda p: (-counts[p], p))
        return {pair: 256} | learn([merge(ids, pair, 256) for ids in words], n - 1)


@wrong("01.learn", "(7, 8) gets the id 10, and 256 is right.")
class OneAboveTheLargestId:
    def learn(words, n):
        merges = {}
        for _ in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], p))
            new = max(id for ids in words for id in ids) + 1
            merges[pair] = new
            words = [merge(ids, pair, new) for ids in words]
        return merges


@wrong("01.learn", "The new ids begin at 257, so 256 is never used.")
class NumberAfterTheEntry:
    def learn(words, n):
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], p))
            merges[pair] = 0
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "That's a tuple, and a dictionary is asked for.")
class AlsoReturnsTheWords:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], p))
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges, words


@wrong("01.learn", "All pairs that are equally frequent are merged in one round.")
class AllMostFrequentPairsInOneRound:
    def learn(words, n):
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            most = max(counts.values())
            for pair in sorted(p for p in counts if counts[p] == most):
                if len(merges) < n:
                    merges[pair] = 256 + len(merges)
                    words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "Where no pair is left, the result is None.")
class NothingAtTheEnd:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                return
            pair = min(counts, key=lambda p: (-counts[p], p))
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "n is ignored: it goes on until no pair is left.")
class UntilNoPairIsLeft:
    def learn(words, n):
        merges = {}
        while counts := count_pairs(words):
            pair = min(counts, key=lambda p: (-counts[p], p))
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "In ties, the pair with the smaller sum of ids wins.")
class TheSmallerSum:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], sum(p)))
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "The words never change, so every round counts the same and finds the same pair.")
class ForgetsToKeepTheListComprehension:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], p))
            merges[pair] = 256 + i
            for ids in words:
                ids = merge(ids, pair, 256 + i)
        return merges


@wrong("01.learn", "The words become one long word, so pairs reach over their edges.")
class OneLongWordAfterTheFirstRound:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], p))
            merges[pair] = 256 + i
            words = [[id for ids in words for id in merge(ids, pair, 256 + i)]]
        return merges


@wrong("01.learn", "Only the last word is kept.")
class CollectsWordsInTheLoop:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], p))
            merges[pair] = 256 + i
            for ids in words:
                merged = []
                merged.append(merge(ids, pair, 256 + i))
            words = merged
        return merges


@wrong("01.learn", "The merged words are added to the old ones.")
class AppendsToTheWords:
    def learn(words, n):
        merges = {}
        words = list(words)
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], p))
            merges[pair] = 256 + i
            words += [merge(ids, pair, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "Among equally frequent pairs it takes the larger one.")
class SortsAndTakesTheLast:
    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = sorted(sorted(counts), key=counts.get)[-1]
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "`learn` raised AttributeError: 'dict' object has no attribute 'most_common'.")
class MostCommonOfADictionary:
    def learn(words, n):
        merges = {}
        for i in range(n):
            pair, _ = count_pairs(words).most_common(1)[0]
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


@right("01.learn")
class FirstOfTheSortedOnes:
    def learn(words, n):
        merges = {}
        for new in range(256, 256 + n):
            counts = count_pairs(words)
            if not counts:
                return merges
            pair = max(sorted(counts), key=counts.get)
            merges[pair] = new
            words = [merge(ids, pair, new) for ids in words]
        return merges


@right("01.learn")
class SetsOfEqualWords:
    def learn(words, n):
        kinds = Counter(map(tuple, words))
        merges = {}
        while len(merges) < n:
            counts = Counter()
            for ids, times in kinds.items():
                for pair in pairwise(ids):
                    counts[pair] += times
            if not counts:
                break
            most = max(counts.values())
            pair = min(p for p in counts if counts[p] == most)
            merges[pair] = 256 + len(merges)
            kinds = Counter({tuple(merge(list(ids), pair, merges[pair])): times for ids, times in kinds.items()})
        return merges


@right("01.learn")
class BySeparator:
    def learn(words, n):
        line = [id for word in words for id in [-1, *word]]
        merges = {}
        for i in range(n):
            counts = Counter(pair for pair in pairwise(line) if -1 not in pair)
            if not counts:
                break
            (pair, _) = min(counts.items(), key=lambda item: (-item[1], item[0]))
            merges[pair] = 256 + i
            line = merge(line, pair, 256 + i)
        return merges


# --- 01.encode


@wrong("01.encode", "The new ids are counted from 256.")
class RankPlus256:
    def encode(ids, merges):
        order = list(merges)
        while known := [pair for pair in pairwise(ids) if pair in merges]:
            pair = min(known, key=order.index)
            ids = merge(ids, pair, 256 + order.index(pair))
        return list(ids)


@wrong("01.encode", "It stops as soon as one pair of the word is unknown.")
class UnknownPairsCountAsZero:
    def encode(ids, merges):
        while len(ids) > 1:
            pair = min(pairwise(ids), key=lambda p: merges.get(p, 0))
            if pair not in merges:
                break
            ids = merge(ids, pair, merges[pair])
        return list(ids)


@wrong("01.encode", "Only the very first merge in `merges` is ever tried.")
class SmallestIdOfAllMerges:
    def encode(ids, merges):
        pairs = {new: pair for pair, new in merges.items()}
        while True:
            new = min(pairs)
            if pairs[new] not in pairwise(ids):
                return list(ids)
            ids = merge(ids, pairs[new], new)


@wrong("01.encode", "Nothing is merged: the ids come back as they were.")
class PairInAListOfIds:
    def encode(ids, merges):
        for pair in merges:
            if pair in ids:
                ids = merge(ids, pair, merges[pair])
        return list(ids)


@wrong("01.encode", "Only the pairs that were known at the start are merged.")
class PairsListedOnceAtTheTop:
    def encode(ids, merges):
        pairs = list(pairwise(ids))
        while any(pair in merges for pair in pairs):
            pair = min((p for p in pairs if p in merges), key=merges.get)
            ids = merge(ids, pair, merges[pair])
            pairs.remove(pair)
        return list(ids)


@wrong("01.encode", "")
class WalksAlongTheOldPairs:
    def encode(ids, merges):
        for pair in pairwise(ids):
            if pair in merges:
                ids = merge(ids, pair, merges[pair])
        return list(ids)


@wrong("01.encode", "`encode` raised TypeError: 'dict' object is not callable.")
class DictionaryAsAKey:
    def encode(ids, merges):
        while known := [pair for pair in pairwise(ids) if pair in merges]:
            pair = min(known, key=merges)
            ids = merge(ids, pair, merges[pair])
        return list(ids)


@wrong("01.encode", "`encode` raised TypeError: 'int' object is not iterable.")
class CountsTheWordAsWords:
    def encode(ids, merges):
        while True:
            counts = count_pairs(ids)
            known = [pair for pair in counts if pair in merges]
            if not known:
                return list(ids)
            pair = min(known, key=merges.get)
            ids = merge(ids, pair, merges[pair])


@wrong("01.encode", "Not everything in the list is an id.")
class MergesThePairIntoItself:
    def encode(ids, merges):
        while known := [pair for pair in pairwise(ids) if pair in merges]:
            pair = min(known, key=merges.get)
            ids = merge(ids, pair, pair)
        return list(ids)


@wrong("01.encode", "Where a pair is known, None is returned.")
class RecursionWithoutReturn:
    def encode(ids, merges):
        known = [pair for pair in pairwise(ids) if pair in merges]
        if not known:
            return list(ids)
        pair = min(known, key=merges.get)
        RecursionWithoutReturn.encode(merge(ids, pair, merges[pair]), merges)


@wrong("01.encode", "It goes over the word once, and joins each id to what stands before it.")
class FirstKnownOnePosition:
    def encode(ids, merges):
        ids, i = list(ids), 0
        while i < len(ids) - 1:
            if (ids[i], ids[i + 1]) in merges:
                ids[i : i + 2] = [merges[ids[i], ids[i + 1]]]
            else:
                i += 1
        return ids


@wrong("01.encode", "It goes over the word once, from the right.")
class FromTheRightEnd:
    def encode(ids, merges):
        out = []
        for id in reversed(ids):
            while out and (id, out[0]) in merges:
                id = merges[id, out.pop(0)]
            out.insert(0, id)
        return out


@wrong("01.encode", "It stops while one pair is still known.")
class StopsWhenOnePairIsKnown:
    def encode(ids, merges):
        known = [pair for pair in pairwise(ids) if pair in merges]
        while len(known) > 1:
            pair = min(known, key=merges.get)
            ids = merge(ids, pair, merges[pair])
            known = [pair for pair in pairwise(ids) if pair in merges]
        return list(ids)


@wrong("01.encode", "")
class TwoRounds:
    def encode(ids, merges):
        for _ in range(2):
            for pair in sorted(set(pairwise(ids)) & set(merges), key=merges.get):
                ids = merge(ids, pair, merges[pair])
        return list(ids)


@wrong("01.encode", "`encode` raised TypeError: 'set' object is not subscriptable.")
class ASetOfIds:
    def encode(ids, merges):
        while known := [pair for pair in pairwise(ids) if pair in merges]:
            pair = min(known, key=merges.get)
            ids = set(merge(ids, pair, merges[pair]))
        return list(ids)


@wrong("01.encode", "`encode` raised ValueError: bytes must be in range(0, 256).")
class GivesTheBytesBack:
    def encode(ids, merges):
        while known := [pair for pair in pairwise(ids) if pair in merges]:
            pair = min(known, key=merges.get)
            ids = merge(ids, pair, merges[pair])
        return bytes(ids)


@wrong("01.encode", "Spelled out, the result isn't the word that came in.")
class OnlyTheNewIds:
    def encode(ids, merges):
        found = []
        while known := [pair for pair in pairwise(ids) if pair in merges]:
            pair = min(known, key=merges.get)
            ids = merge(ids, pair, merges[pair])
            found.append(merges[pair])
        return found


@wrong("01.encode", "That's a dictionary, and a list of ids is asked for.")
class AsTheLearnerOfMerges:
    def encode(ids, merges):
        return learn([ids], len(merges))


@wrong("01.encode", "")
class LeftIdMustBeSmallest:
    def encode(ids, merges):
        while known := [pair for pair in pairwise(ids) if pair in merges]:
            pair = min(known, key=max)
            ids = merge(ids, pair, merges[pair])
        return list(ids)


@wrong("01.encode", "`encode` raised TypeError: unhashable type: 'list'.")
class KeysBySlices:
    def encode(ids, merges):
        i = 0
        while i < len(ids) - 1:
            if ids[i : i + 2] in merges:
                ids = merge(ids, ids[i : i + 2], merges[ids[i : i + 2]])
            i += 1
        return ids


@wrong("01.encode", "`encode` changed the input that it was given; work on a copy.")
class WholeWordFirst:
    def encode(ids, merges):
        for pair in sorted(merges, key=merges.get):
            for i in range(len(ids) - 1):
                if (ids[i], ids[i + 1]) == pair:
                    ids[i : i + 2] = [merges[pair]]
        return ids


@right("01.encode")
class ByHeapOfPositions:
    def encode(ids, merges):
        ids = list(ids)
        while True:
            best = min(((merges[p], at) for at, p in enumerate(pairwise(ids)) if p in merges), default=None)
            if best is None:
                return ids
            ids[best[1] : best[1] + 2] = [best[0]]


@right("01.encode")
class BySmallestNewId:
    def encode(ids, merges):
        ids = [*ids]
        while news := {merges[p] for p in pairwise(ids) if p in merges}:
            new = min(news)
            pair = next(p for p in pairwise(ids) if merges.get(p) == new)
            ids = merge(ids, pair, new)
        return ids


@right("01.encode")
class WithInfinity:
    def encode(ids, merges):
        for _ in range(len(ids)):
            pairs = set(pairwise(ids))
            if not pairs:
                break
            pair = min(pairs, key=lambda p: merges.get(p, float("inf")))
            if pair not in merges:
                break
            ids = merge(ids, pair, merges[pair])
        return list(ids)
