"""Answers to the turns of lesson 01, written from its text alone; checks changed after."""

import heapq
import math
from collections import Counter, defaultdict
from itertools import chain, combinations, groupby, pairwise

import numpy as np
from turn_answers import right, wrong


def count_pairs(words):
    counts = {}
    for ids in words:
        for pair in pairwise(ids):
            counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge(ids, pair, new):
    merged = []
    position = 0
    while position < len(ids):
        if tuple(ids[position : position + 2]) == pair:
            merged.append(new)
            position += 2
        else:
            merged.append(ids[position])
            position += 1
    return merged


toy = [list(word.encode()) for word in ["low", "low", "lower", "slow", "new", "news"]]
_seen_words = {}


# --- 01.count_pairs


@wrong("01.count_pairs", "Pairs reach over the edge of a word.")
class ChainsTheWords:
    """All words are chained to one list, so the last id of a word pairs with the first of the next."""

    def count_pairs(words):
        return dict(Counter(pairwise(chain.from_iterable(words))))


@wrong("01.count_pairs", "(7, 8) and (8, 7) are counted as one pair.")
class UndirectedEdges:
    """The two ids of a pair are sorted, so (a, b) and (b, a) are counted as one, as edges of a graph."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for left, right_ in zip(ids, ids[1:]):
                key = tuple(sorted((left, right_)))
                counts[key] = counts.get(key, 0) + 1
        return counts


@wrong("01.count_pairs", "It goes in steps of two, so every second pair is missed.")
class ChunksOfTwo:
    """Cuts each word into chunks of two, and so misses the pairs that begin at odd positions."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in zip(ids[::2], ids[1::2]):
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "In 5, 5, 5 the pair (5, 5) is counted once.")
class SkipsOverlaps:
    """A pair that overlaps its own last occurrence isn't counted: 7, 7, 7 has (7, 7) twice, not once."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            last = {}
            for i, pair in enumerate(pairwise(ids)):
                if last.get(pair, -2) == i - 1:
                    continue
                last[pair] = i
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "The keys are no pairs.")
class KeysFromJavaScript:
    """The keys are strings such as "108,111" (a JavaScript habit) and not tuples of two ids."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for i in range(len(ids) - 1):
                key = f"{ids[i]},{ids[i + 1]}"
                counts[key] = (counts.get(key) or 0) + 1
        return counts


@wrong("01.count_pairs", "That's a list, and a dictionary is asked for.")
class MostCommonList:
    """Returns a sorted list of (pair, count), where a dictionary is asked for."""

    def count_pairs(words):
        counter = Counter()
        for ids in words:
            counter.update(pairwise(ids))
        return counter.most_common()


@wrong("01.count_pairs", "A word that comes twice is counted once.")
class EachWordOnce:
    """Words that occur several times are counted once only, since they go through a set."""

    def count_pairs(words):
        counts = defaultdict(int)
        for ids in {tuple(ids) for ids in words}:
            for pair in pairwise(ids):
                counts[pair] += 1
        return dict(counts)


@wrong("01.count_pairs", "A pair counts once per word, however often it is there.")
class DocumentFrequency:
    """Counts in how many words a pair occurs; twice within one word is counted once."""

    def count_pairs(words):
        counts = Counter()
        for ids in words:
            counts.update(set(pairwise(ids)))
        return dict(counts)


@wrong("01.count_pairs", "Two ids count as a pair even if others stand between them.")
class AllCombinations:
    """Counts each id with every later id of the word, not with its right neighbor only."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in combinations(ids, 2):
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "")
class TableOf256:
    """Counts in a table of 256 x 256, so ids from 256 on, which merges make, have no place in it."""

    def count_pairs(words):
        table = np.zeros((256, 256), dtype=int)
        for ids in words:
            for left, right_ in pairwise(ids):
                table[left, right_] += 1
        return {(int(a), int(b)): int(table[a, b]) for a, b in zip(*table.nonzero())}


@wrong("01.count_pairs", "Only the first word is counted.")
class ReturnsInTheLoop:
    """The return is indented one step too far, so only the first word is counted."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in pairwise(ids):
                counts[pair] = counts.get(pair, 0) + 1
            return counts


@wrong("01.count_pairs", "All counts are too small by one: the first time isn't counted.")
class FirstOneIsFree:
    """A new pair starts at 0 in place of 1, so every count is one too small."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in pairwise(ids):
                if pair in counts:
                    counts[pair] += 1
                else:
                    counts[pair] = 0
        return counts


@wrong("01.count_pairs", "The result is the same, whatever `words` holds.")
class CountsTheToy:
    """The loop runs over the page's toy and not over the argument."""

    def count_pairs(words):
        counts = {}
        for ids in toy:
            for pair in pairwise(ids):
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "The first id of a word counts as the right neighbor of its last one.")
class MinusOneIsTheLast:
    """Starts at index 0 with ids[i - 1], which is the last id: the word's end pairs with its beginning."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for i in range(len(ids)):
                pair = (ids[i - 1], ids[i])
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "Pairs that occur once are left out.")
class DropsTheRare:
    """Pairs that occur once are thrown away, though the count of each pair is asked for."""

    def count_pairs(words):
        counts = Counter(pair for ids in words for pair in pairwise(ids))
        return {pair: n for pair, n in counts.items() if n > 1}


@wrong("01.count_pairs", "The last pair of each word is missed.")
class StopsOneShort:
    """Range ends one step too early, so the last pair of each word is missed."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for i in range(len(ids) - 2):
                pair = (ids[i], ids[i + 1])
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "The values are fractions, not counts.")
class Shares:
    """The counts are divided by their sum: shares, where counts are asked for."""

    def count_pairs(words):
        counts = Counter(pair for ids in words for pair in pairwise(ids))
        return {pair: n / counts.total() for pair, n in counts.items()}


@wrong("01.count_pairs", "Pairs with the id 0 are left out.")
class NullBetweenWords:
    """Separates words by a 0 and drops pairs with 0; but 0 is a byte, and its pairs are lost."""

    def count_pairs(words):
        stream = []
        for ids in words:
            stream += [*ids, 0]
        return {pair: n for pair, n in Counter(pairwise(stream)).items() if 0 not in pair}


@wrong("01.count_pairs", "An id that comes again in a word gets the right neighbor of its first")
class IndexFindsTheFirst:
    """Looks the neighbor up with ids.index, which finds the first of several equal ids."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for left in ids[:-1]:
                pair = (left, ids[ids.index(left) + 1])
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "(5, 5) has the count 1, and 2 is right.")
class CountsDigitsInText:
    """Counts in the printed list, where "8, 11" is also found within "108, 111"."""

    def count_pairs(words):
        pairs = {pair for ids in words for pair in pairwise(ids)}
        text = str(words)
        return {(a, b): text.count(f"{a}, {b}") for a, b in pairs}


@right("01.count_pairs")
class OneCounter:
    """A Counter, which is a dictionary."""

    def count_pairs(words):
        return Counter(pair for ids in words for pair in pairwise(ids))


@right("01.count_pairs")
class NoneBetweenWords:
    """One long list with None between words, and pairs with None are dropped."""

    def count_pairs(words):
        stream = []
        for ids in words:
            stream.extend(ids)
            stream.append(None)
        counts = defaultdict(int)
        for pair in zip(stream, stream[1:]):
            if None not in pair:
                counts[pair] += 1
        return dict(counts)


@right("01.count_pairs")
class SortsAndGroups:
    """Sorts all pairs and measures the length of each group of equal ones."""

    def count_pairs(words):
        pairs = sorted(pair for ids in words for pair in zip(ids[:-1], ids[1:]))
        return {pair: len(list(group)) for pair, group in groupby(pairs)}


@right("01.count_pairs")
class EachWordTimesItsCount:
    """Counts equal words once and multiplies by how many of them there are."""

    def count_pairs(words):
        counts = defaultdict(int)
        for ids, n in Counter(map(tuple, words)).items():
            for i in range(1, len(ids)):
                counts[ids[i - 1], ids[i]] += n
        return counts


# --- 01.merge


@wrong("01.merge", "It merges from the right: 7, 7, 7 became 7, 256.")
class FromTheRight:
    """Goes from right to left, so 7, 7, 7 becomes 7, new in place of new, 7."""

    def merge(ids, pair, new):
        ids = list(ids)
        i = len(ids) - 2
        while i >= 0:
            if (ids[i], ids[i + 1]) == pair:
                ids[i : i + 2] = [new]
                i -= 1
            i -= 1
        return ids


@wrong("01.merge", "An id is used twice: 7, 7, 7 became two new ids.")
class UsesIdsTwice:
    """Looks at the original neighbors only, so the middle 7 of 7, 7, 7 is used twice."""

    def merge(ids, pair, new):
        merged = []
        for i, id_ in enumerate(ids):
            if tuple(ids[i : i + 2]) == pair:
                merged.append(new)
            elif i > 0 and tuple(ids[i - 1 : i + 1]) == pair:
                continue
            else:
                merged.append(id_)
        return merged


@wrong("01.merge", "The last id is lost, unless it's part of a pair.")
class LosesTheLast:
    """The loop ends at the last pair, so a last id that isn't part of a merge is lost."""

    def merge(ids, pair, new):
        merged, i = [], 0
        while i < len(ids) - 1:
            if (ids[i], ids[i + 1]) == pair:
                merged.append(new)
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return merged


@wrong("01.merge", "It stops after the first pair: what comes after isn't looked at.")
class OnlyTheFirst:
    """Replaces the first occurrence and returns; the others stay."""

    def merge(ids, pair, new):
        for i in range(len(ids) - 1):
            if (ids[i], ids[i + 1]) == pair:
                return ids[:i] + [new] + ids[i + 2 :]
        return list(ids)


@wrong("01.merge", "The ids are searched as text, where 17, 8 holds 7, 8.")
class ReplacesInText:
    """Replaces "1 10" in the joined digits, which is also found within "11 10" or "1 101"."""

    def merge(ids, pair, new):
        text = " ".join(map(str, ids))
        text = text.replace(f"{pair[0]} {pair[1]}", str(new))
        return [int(n) for n in text.split()]


@wrong("01.merge", "The pair in reverse is merged, too.")
class EitherOrder:
    """Compares sets, so the pair is also merged where its ids stand in the other order."""

    def merge(ids, pair, new):
        merged, i = [], 0
        while i < len(ids):
            if i + 1 < len(ids) and {ids[i], ids[i + 1]} == set(pair):
                merged.append(new)
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return merged


@wrong("01.merge", "")
class LooksPastTheEnd:
    """Reads ids[i + 1] at the last id, too: an IndexError if the word ends in the pair's first id."""

    def merge(ids, pair, new):
        merged, i = [], 0
        while i < len(ids):
            if ids[i] == pair[0] and ids[i + 1] == pair[1]:
                merged.append(new)
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return merged


@wrong("01.merge", "The result is right but for the last number.")
class ARing:
    """The index wraps around, so the last id can merge with the first of the same word."""

    def merge(ids, pair, new):
        merged, i, n = [], 0, len(ids)
        while i < n:
            if (ids[i], ids[(i + 1) % n]) == pair:
                merged.append(new)
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return merged


@wrong("01.merge", "Each id of the pair becomes `new`, wherever it stands.")
class EachIdOfThePair:
    """Replaces every id that is in the pair, wherever it stands, and not the two together."""

    def merge(ids, pair, new):
        return [new if id_ in pair else id_ for id_ in ids]


@wrong("01.merge", "`merge` returned something that is a generator, which has computed nothing")
class YieldsThem:
    """A generator comes out, where a list is asked for."""

    def merge(ids, pair, new):
        i = 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == pair:
                yield new
                i += 2
            else:
                yield ids[i]
                i += 1


@wrong("01.merge", "It ends at the first left id that has no right one behind it.")
class GivesUpAtTheFirstMiss:
    """Finds the left id with index and stops as soon as one of them has another neighbor."""

    def merge(ids, pair, new):
        ids = list(ids)
        start = 0
        while pair[0] in ids[start:]:
            i = ids.index(pair[0], start)
            if ids[i + 1 : i + 2] != [pair[1]]:
                break
            ids[i : i + 2] = [new]
            start = i + 1
        return ids


@wrong("01.merge", "4 ids come out, and 5 are right.")
class RemovesEveryRightId:
    """After replacing the left ids, removes all ids equal to the right one, also those that stand elsewhere."""

    def merge(ids, pair, new):
        merged = list(ids)
        for i in range(len(ids) - 1):
            if (ids[i], ids[i + 1]) == pair:
                merged[i] = new
        return [id_ for id_ in merged if id_ != pair[1]] if new in merged else merged


@wrong("01.merge", "The new id is 256, whatever `new` says.")
class Always256:
    """256 is written in, where it should be `new`."""

    def merge(ids, pair, new):
        merged, i = [], 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == pair:
                merged.append(256)
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return merged


@wrong("01.merge", "Ids above 256 are compared by `is`, which asks for the same object.")
class IsForEquals:
    """Compares with `is`, which works for small integers and fails from 257 on."""

    def merge(ids, pair, new):
        merged, i = [], 0
        while i < len(ids):
            if i < len(ids) - 1 and ids[i] is pair[0] and ids[i + 1] is pair[1]:
                merged.append(new)
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return merged


@wrong("01.merge", "The id 0 is lost.")
class ZeroIsFalse:
    """Marks used ids with None and filters by truth, which drops the id 0, too."""

    def merge(ids, pair, new):
        merged = list(ids)
        for i in range(len(merged) - 1):
            if (merged[i], merged[i + 1]) == pair:
                merged[i], merged[i + 1] = new, None
        return [id_ for id_ in merged if id_]


@wrong("01.merge", "It goes in steps of two, so a pair that begins at an odd position is")
class EvenPlacesOnly:
    """Moves on by two ids in any case, so a pair at an odd place is missed."""

    def merge(ids, pair, new):
        merged = []
        for i in range(0, len(ids), 2):
            both = ids[i : i + 2]
            merged += [new] if tuple(both) == pair else both
        return merged


@wrong("01.merge", "Nothing is merged.")
class ListMeetsTuple:
    """Compares a list with a tuple, which is never equal, so nothing is ever merged."""

    def merge(ids, pair, new):
        merged, i = [], 0
        while i < len(ids):
            if ids[i : i + 2] == pair:
                merged.append(new)
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return merged


@wrong("01.merge", "The id behind a left id is used up, even where the two aren't the pair.")
class SplitsAtTheLeftId:
    """A match that fails skips two ids: after a left id, the next one is copied without being looked at."""

    def merge(ids, pair, new):
        merged = []
        rest = iter(ids)
        for id_ in rest:
            if id_ != pair[0]:
                merged.append(id_)
                continue
            after = next(rest, None)
            if after == pair[1]:
                merged.append(new)
            else:
                merged.append(id_)
                if after is not None:
                    merged.append(after)
        return merged


@right("01.merge")
class FromAStack:
    """Pops from a reversed copy."""

    def merge(ids, pair, new):
        left, right_ = pair
        stack, merged = list(ids)[::-1], []
        while stack:
            id_ = stack.pop()
            if id_ == left and stack and stack[-1] == right_:
                stack.pop()
                id_ = new
            merged.append(id_)
        return merged


@right("01.merge")
class SkipsOnce:
    """A for loop with a flag that skips the id which is used already."""

    def merge(ids, pair, new):
        merged, skip = [], False
        for here, after in zip(ids, [*ids[1:], None]):
            if skip:
                skip = False
            elif (here, after) == pair:
                merged.append(new)
                skip = True
            else:
                merged.append(here)
        return merged


@right("01.merge")
class SlicesOfACopy:
    """Replaces slices of a copy."""

    def merge(ids, pair, new):
        ids = ids.copy()
        i = 0
        while i < len(ids):
            if ids[i : i + 2] == list(pair):
                ids[i : i + 2] = [new]
            i += 1
        return ids


@right("01.merge")
class MarksAndFilters:
    """Marks the used ids with None and filters by `is not None`."""

    def merge(ids, pair, new):
        merged = list(ids)
        for i in range(len(merged) - 1):
            if (merged[i], merged[i + 1]) == pair and merged[i] is not None:
                merged[i : i + 2] = [new, None]
        return [id_ for id_ in merged if id_ is not None]


# --- 01.learn


@wrong("01.learn", "Among equally frequent pairs it takes the one that it saw first.")
class FirstSeenWinsTies:
    """Most_common settles ties by which pair was met first, not by which is smallest."""

    def learn(words, n):
        merges = {}
        while len(merges) < n:
            best = Counter(count_pairs(words)).most_common(1)
            if not best:
                break
            pair = best[0][0]
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "`learn` changed the input that it was given; work on a copy.")
class CopiesTheOuterListOnly:
    """Copies the outer list only and writes into the inner ones, so the caller's words are changed."""

    def learn(words, n):
        words = words.copy()
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + len(merges)
            for ids in words:
                ids[:] = merge(ids, pair, merges[pair])
        return merges


@wrong("01.learn", "(7, 8) gets the id 10, and 256 is right.")
class NextUnusedId:
    """The new id is one more than the largest in the words, so it begins at about 122 in place of 256."""

    def learn(words, n):
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            new = max([max(ids) for ids in words] + list(merges.values())) + 1
            merges[pair] = new
            words = [merge(ids, pair, new) for ids in words]
        return merges


@wrong("01.learn", "")
class NeverRunsOut:
    """Doesn't stop when no pair is left: min of nothing is a ValueError."""

    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "The ids are the keys.")
class IdToPair:
    """The dictionary is the wrong way round, {new id: pair}, as a vocabulary for decoding would be."""

    def learn(words, n):
        vocabulary = {}
        for new in range(256, 256 + n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            vocabulary[new] = pair
            words = [merge(ids, pair, new) for ids in words]
        return vocabulary


@wrong("01.learn", "A pair that occurs once isn't merged.")
class MinimumFrequencyTwo:
    """Stops when the best pair occurs once only, as libraries do; the text stops when no pair is left."""

    def learn(words, n):
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts or max(counts.values()) < 2:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "The n most frequent pairs of the words as they came are taken.")
class CountsOnceOnly:
    """Counts once and takes the n most frequent pairs; nothing is merged and counted anew in between."""

    def learn(words, n):
        counts = count_pairs(words)
        best = sorted(counts, key=lambda pair: (-counts[pair], pair))[:n]
        return {pair: 256 + i for i, pair in enumerate(best)}


@wrong("01.learn", "The merges are numbered from 0.")
class RanksFromZero:
    """Gives each pair its rank 0, 1, 2, as a file of ranks does, in place of its id 256, 257, 258."""

    def learn(words, n):
        ranks = {}
        while len(ranks) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            words = [merge(ids, pair, 256 + len(ranks)) for ids in words]
            ranks[pair] = len(ranks)
        return ranks


@wrong("01.learn", "")
class OneLongWord:
    """Joins all words to one list, so pairs across their edges are counted and learned."""

    def learn(words, n):
        ids = [id_ for word in words for id_ in word]
        merges = {}
        while len(merges) < n:
            counts = count_pairs([ids])
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + len(merges)
            ids = merge(ids, pair, merges[pair])
        return merges


@wrong("01.learn", "")
class UniqueWordsForSpeed:
    """To be faster, learns from the set of words, and forgets how often each one occurs."""

    def learn(words, n):
        words = [list(ids) for ids in sorted({tuple(ids) for ids in words})]
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "The pairs that a merge broke up keep their old counts.")
class StaleNeighbors:
    """Updates the counts in place of recounting, adds the new pairs, but never takes the broken ones off."""

    def learn(words, n):
        counts = Counter(count_pairs(words))
        merges = {}
        while len(merges) < n and counts:
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            new = merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, new) for ids in words]
            del counts[pair]
            for ids in words:
                for fresh in pairwise(ids):
                    if new in fresh:
                        counts[fresh] += 1
        return merges


@wrong("01.learn", "")
class TiesByTheirBytes:
    """Compares the bytes that the pairs spell, not the pairs of ids; from 256 on the orders differ."""

    def learn(words, n):
        spelled = {i: bytes([i]) for i in range(256)}
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], spelled[p[0]], spelled[p[1]]))
            new = merges[pair] = 256 + len(merges)
            spelled[new] = spelled[pair[0]] + spelled[pair[1]]
            words = [merge(ids, pair, new) for ids in words]
        return merges


@wrong("01.learn", "In ties, ids are compared as text, where '10' comes before '9'.")
class TiesAsText:
    """The smallest is taken of the printed pairs, and as text "(100, 9)" comes before "(99, 9)"."""

    def learn(words, n):
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = sorted(counts, key=lambda p: (-counts[p], str(p)))[0]
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "In ties with one left id, the pair that was seen first wins.")
class TiesByTheLeftId:
    """A tie is settled by the left id only; of (97, 120) and (97, 98), the one met first is taken."""

    def learn(words, n):
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], p[0]))
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "There are no merges at all.")
class SizeOfTheVocabulary:
    """Takes n for the size of the vocabulary, so it learns n - 256 merges, as minbpe's train does."""

    def learn(words, n):
        merges = {}
        for i in range(max(0, n - 256)):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "No merge builds on an earlier one: only pairs of bytes are merged.")
class PairsOfBytesOnly:
    """Leaves out pairs with an id from 256 on, so what was merged is never merged again."""

    def learn(words, n):
        merges = {}
        while len(merges) < n:
            counts = {p: c for p, c in count_pairs(words).items() if max(p) < 256}
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "")
class StopsAtAnyWholeWord:
    """Stops as soon as one word is a single id, while others still have pairs."""

    def learn(words, n):
        merges = {}
        while len(merges) < n and all(len(ids) > 1 for ids in words):
            counts = count_pairs(words)
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "")
class CountsWhatWouldMerge:
    """Counts how often a pair would be merged; in 7, 7, 7 it finds (7, 7) once, where the count is two."""

    def learn(words, n):
        merges = {}
        while len(merges) < n:
            pairs = count_pairs(words)
            if not pairs:
                break
            length = sum(map(len, words))
            gain = {p: length - sum(len(merge(ids, p, -1)) for ids in words) for p in pairs}
            pair = min(gain, key=lambda p: (-gain[p], p))
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "Where no pair is left, the result is None.")
class NothingComesBack:
    """When no pair is left, a bare return gives None in place of the merges so far."""

    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                return
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "")
class Writes256IntoTheWords:
    """The dictionary counts on, but into the words it writes 256 each time, so all merges look alike."""

    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256) for ids in words]
        return merges


@wrong("01.learn", "")
class BestPairOfEachWord:
    """Compares the pairs within one word only, the longest, and not over all words."""

    def learn(words, n):
        merges = {}
        while len(merges) < n:
            counts = count_pairs([max(words, key=len)])
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@right("01.learn")
class WeighsUniqueWords:
    """Keeps each different word once, with how often it occurs, and weighs its pairs by that."""

    def learn(words, n):
        weights = Counter(map(tuple, words))
        merges = {}
        for new in range(256, 256 + n):
            counts = Counter()
            for ids, weight in weights.items():
                for pair in pairwise(ids):
                    counts[pair] += weight
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], p))
            merges[pair] = new
            after = Counter()
            for ids, weight in weights.items():
                after[tuple(merge(ids, pair, new))] += weight
            weights = after
        return merges


@right("01.learn")
class SortedThenFirst:
    """Sorts the pairs, then takes the first maximum; a stable way to the smallest."""

    def learn(words, n):
        words = [list(ids) for ids in words]
        merges = {}
        while len(merges) < n and any(len(ids) > 1 for ids in words):
            counts = count_pairs(words)
            pair = max(sorted(counts), key=counts.get)
            new = merges[pair] = 256 + len(merges)
            for i, ids in enumerate(words):
                words[i] = merge(ids, pair, new)
        return merges


@right("01.learn")
class MaxOfNegativePair:
    """Max with the pair's ids negated."""

    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if counts:
                best = max((c, -p[0], -p[1]) for p, c in counts.items())
                pair = (-best[1], -best[2])
                merges[pair] = 256 + i
                words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


@right("01.learn")
class UpdatesCountsPerWord:
    """Keeps the counts, and takes the pairs of each changed word off before it adds the new ones."""

    def learn(words, n):
        words = [list(ids) for ids in words]
        counts = Counter(count_pairs(words))
        merges = {}
        while len(merges) < n:
            counts = +counts
            if not counts:
                break
            pair = min(counts, key=lambda p: (-counts[p], p))
            new = merges[pair] = 256 + len(merges)
            for i, ids in enumerate(words):
                if pair in pairwise(ids):
                    counts.subtract(pairwise(ids))
                    words[i] = merge(ids, pair, new)
                    counts.update(pairwise(words[i]))
        return merges


# --- 01.encode


@wrong("01.encode", "The merges are replayed in the dictionary's order.")
class OrderOfTheDictionary:
    """Replays the merges in the order of the dictionary, which needn't be the order of learning."""

    def encode(ids, merges):
        for pair, new in merges.items():
            ids = merge(ids, pair, new)
        return list(ids)


@wrong("01.encode", "The leftmost known pair goes first, one position at a time.")
class LeftmostKnownPair:
    """Merges the leftmost pair that is known, not the one that was learned first."""

    def encode(ids, merges):
        ids = list(ids)
        while True:
            for i, pair in enumerate(pairwise(ids)):
                if pair in merges:
                    ids[i : i + 2] = [merges[pair]]
                    break
            else:
                return ids


@wrong("01.encode", "The pair that is most frequent in this word goes first; the new ids only")
class MostFrequentInTheWord:
    """Takes the known pair that is most frequent in this word, as learn does; encoding doesn't count."""

    def encode(ids, merges):
        while True:
            counts = {p: c for p, c in count_pairs([ids]).items() if p in merges}
            if not counts:
                return list(ids)
            pair = min(counts, key=lambda p: (-counts[p], merges[p]))
            ids = merge(ids, pair, merges[pair])


@wrong("01.encode", "It stops after one merge.")
class OneMergeOnly:
    """An if in place of a while: one pair is merged, and then it doesn't look again."""

    def encode(ids, merges):
        known = [pair for pair in pairwise(ids) if pair in merges]
        if known:
            pair = min(known, key=merges.get)
            ids = merge(ids, pair, merges[pair])
        return list(ids)


@wrong("01.encode", "The pair with the smallest ids goes first.")
class SmallestPairFirst:
    """Min without a key takes the smallest pair of ids, not the pair with the smallest new id."""

    def encode(ids, merges):
        while known := [pair for pair in pairwise(ids) if pair in merges]:
            pair = min(known)
            ids = merge(ids, pair, merges[pair])
        return list(ids)


@wrong("01.encode", "It stops as soon as one pair of the word is unknown.")
class UnknownPairsRankZero:
    """The default for unknown pairs is 0, so any unknown pair comes first, and the loop ends too early."""

    def encode(ids, merges):
        ids = list(ids)
        while len(ids) >= 2:
            pair = min(count_pairs([ids]), key=lambda p: merges.get(p, 0))
            if pair not in merges:
                break
            ids = merge(ids, pair, merges[pair])
        return ids


@wrong("01.encode", "")
class NoPairInOneId:
    """A word of one id (or one that has become one) has no pair, and min of nothing is a ValueError."""

    def encode(ids, merges):
        ids = list(ids)
        while True:
            pair = min(pairwise(ids), key=lambda p: merges.get(p, float("inf")))
            if pair not in merges:
                return ids
            ids = merge(ids, pair, merges[pair])


@wrong("01.encode", "It ends one merge too early where two ids are left.")
class LongerThanTwo:
    """The loop runs while there are more than two ids, so the last two are never merged."""

    def encode(ids, merges):
        ids = list(ids)
        while len(ids) > 2:
            known = [pair for pair in pairwise(ids) if pair in merges]
            if not known:
                break
            pair = min(known, key=merges.get)
            ids = merge(ids, pair, merges[pair])
        return ids


@wrong("01.encode", "`encode` changed the input that it was given; work on a copy.")
class UsesTheMergesUp:
    """Pops each merge that it used from the dictionary, so the next word is cut without it."""

    def encode(ids, merges):
        while known := [pair for pair in pairwise(ids) if pair in merges]:
            pair = min(known, key=merges.get)
            ids = merge(ids, pair, merges.pop(pair))
        return list(ids)


@wrong("01.encode", "The longest entry that fits is taken, again and again.")
class LongestEntryFromTheLeft:
    """Takes the longest entry that fits from the left (WordPiece), and doesn't replay the merges."""

    def encode(ids, merges):
        spelled = {(i,): i for i in range(256)}
        by_id = {i: (i,) for i in range(256)}
        for (left, right_), new in sorted(merges.items(), key=lambda item: item[1]):
            by_id[new] = by_id[left] + by_id[right_]
            spelled[by_id[new]] = new
        cut, start = [], 0
        while start < len(ids):
            end = len(ids)
            while tuple(ids[start:end]) not in spelled:
                end -= 1
            cut.append(spelled[tuple(ids[start:end])])
            start = end
        return cut


@wrong("01.encode", "`_seen_words` still holds what earlier calls have put into it")
class CacheWithoutTheMerges:
    """Keeps results by word only, so the same word with other merges gets the old ids."""

    def encode(ids, merges):
        word = tuple(ids)
        if word not in _seen_words:
            while known := [pair for pair in pairwise(ids) if pair in merges]:
                pair = min(known, key=merges.get)
                ids = merge(ids, pair, merges[pair])
            _seen_words[word] = list(ids)
        return list(_seen_words[word])


@wrong("01.encode", "Each merge is used at one position only.")
class EachPairAtOnePlace:
    """Merges the first occurrence of a pair, and then never looks at that pair again."""

    def encode(ids, merges):
        ids, done = list(ids), set()
        while True:
            known = [p for p in pairwise(ids) if p in merges and p not in done]
            if not known:
                return ids
            pair = min(known, key=merges.get)
            i = list(pairwise(ids)).index(pair)
            ids[i : i + 2] = [merges[pair]]
            done.add(pair)


@wrong("01.encode", "")
class LocalMinima:
    """Merges every pair that was learned before its neighbors, at once; a new pair may have come before some."""

    def encode(ids, merges):
        ids = list(ids)
        while True:
            ranks = [merges.get(pair, math.inf) for pair in pairwise(ids)]
            if not ranks or min(ranks) == math.inf:
                return ids
            merged, i = [], 0
            while i < len(ids):
                here = ranks[i] if i < len(ranks) else math.inf
                before = ranks[i - 1] if i > 0 else math.inf
                after = ranks[i + 1] if i + 1 < len(ranks) else math.inf
                if here < math.inf and here <= after and (here < before or merged[-1] == here):
                    merged.append(here)
                    i += 2
                else:
                    merged.append(ids[i])
                    i += 1
            if merged == ids:
                pair = min((p for p in pairwise(ids) if p in merges), key=merges.get)
                merged = merge(ids, pair, merges[pair])
            ids = merged


@wrong("01.encode", "")
class RoundByRound:
    """Merges all pairs known at the start of a round, in order, before it looks for new ones."""

    def encode(ids, merges):
        ids = list(ids)
        while known := {pair for pair in pairwise(ids) if pair in merges}:
            for pair in sorted(known, key=merges.get):
                ids = merge(ids, pair, merges[pair])
        return ids


@wrong("01.encode", "is still in the result, and it's known: it ends too early.")
class HalvesFirst:
    """Cuts the word in two, encodes each half, and joins them; a merge across the middle is lost."""

    def encode(ids, merges):
        def go(ids):
            while known := [pair for pair in pairwise(ids) if pair in merges]:
                pair = min(known, key=merges.get)
                ids = merge(ids, pair, merges[pair])
            return list(ids)

        middle = len(ids) // 2
        return go(ids[:middle]) + go(ids[middle:])


@wrong("01.encode", "Only the pairs that were known at the start are merged.")
class BytesWithBytesOnly:
    """Looks at pairs of plain bytes only, so nothing that was merged is merged further."""

    def encode(ids, merges):
        while known := [p for p in pairwise(ids) if p in merges and max(p) < 256]:
            pair = min(known, key=merges.get)
            ids = merge(ids, pair, merges[pair])
        return list(ids)


@wrong("01.encode", "")
class LongestPieceFirst:
    """Of the known pairs, merges the one that makes the longest piece, not the one learned first."""

    def encode(ids, merges):
        parts = {new: pair for pair, new in merges.items()}

        def size(id_):
            return sum(map(size, parts[id_])) if id_ in parts else 1

        while known := [pair for pair in pairwise(ids) if pair in merges]:
            pair = max(known, key=lambda p: (size(p[0]) + size(p[1]), -merges[p]))
            ids = merge(ids, pair, merges[pair])
        return list(ids)


@wrong("01.encode", "Spelled out, the result isn't the word that came in.")
class StaleHeap:
    """A heap of pairs whose entries aren't checked again: the right id may have grown since."""

    def encode(ids, merges):
        tokens = list(ids)
        after = list(range(1, len(tokens))) + [-1]
        before = list(range(-1, len(tokens) - 1))
        heap = []

        def push(i, j):
            if i >= 0 and j >= 0 and (tokens[i], tokens[j]) in merges:
                heapq.heappush(heap, (merges[tokens[i], tokens[j]], i, j))

        for i in range(len(tokens) - 1):
            push(i, i + 1)
        while heap:
            new, i, j = heapq.heappop(heap)
            if tokens[i] is None or tokens[j] is None:
                continue
            tokens[i], tokens[j] = new, None
            after[i] = after[j]
            if after[j] >= 0:
                before[after[j]] = i
            push(before[i], i)
            push(i, after[i])
        return [token for token in tokens if token is not None]


@wrong("01.encode", "Equal ids in a row are merged from the right: 97, 97, 97 became 97, 256.")
class LastOccurrenceFirst:
    """`<=` keeps the last of several equal pairs, so in 7, 7, 7 the right two are merged first."""

    def encode(ids, merges):
        ids = list(ids)
        while True:
            best, where = math.inf, None
            for i, pair in enumerate(pairwise(ids)):
                if pair in merges and merges[pair] <= best:
                    best, where = merges[pair], i
            if where is None:
                return ids
            ids[where : where + 2] = [best]


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


@right("01.encode")
class OneAtATime:
    """Merges one occurrence at a time, the leftmost of the pair learned first."""

    def encode(ids, merges):
        ids = list(ids)
        while True:
            ranked = [(merges[p], i) for i, p in enumerate(pairwise(ids)) if p in merges]
            if not ranked:
                return ids
            new, i = min(ranked)
            ids[i : i + 2] = [new]


@right("01.encode")
class InfinityForUnknown:
    """Minbpe's way, with infinity for the pairs that aren't known."""

    def encode(ids, merges):
        while len(ids) >= 2:
            pair = min(count_pairs([ids]), key=lambda p: merges.get(p, float("inf")))
            if pair not in merges:
                break
            ids = merge(ids, pair, merges[pair])
        return list(ids)


@right("01.encode")
class SmallestNewIdOfAll:
    """Min over (new id, pair), with a default that ends the loop."""

    def encode(ids, merges):
        word = tuple(ids)
        while True:
            known = ((merges[p], p) for p in zip(word, word[1:]) if p in merges)
            new, pair = min(known, default=(None, None))
            if new is None:
                return list(word)
            word = tuple(merge(list(word), pair, new))


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
