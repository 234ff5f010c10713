"""Answers to the turns of lesson 01, written from its text alone by another reader."""

import heapq
import math
from collections import Counter, defaultdict
from itertools import chain, combinations, pairwise, zip_longest

from turn_answers import right, wrong

from minillm.course.turns.tokenizer import count_pairs, merge

# What a learner has on the page by then.
toy = [list(word.encode()) for word in ["low", "low", "lower", "slow", "new", "news"]]

# --- 01.count_pairs


@wrong("01.count_pairs", "Pairs reach over the edge of a word.")
class OneLongWord:
    """Joins all words first, so it also counts pairs that reach from one word into the next."""

    def count_pairs(words):
        ids = [id for word in words for id in word]
        counts = {}
        for pair in zip(ids, ids[1:]):
            counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "A word that comes twice is counted once.")
class EachDistinctWordOnce:
    """Counts each distinct word once, though a word that comes twice has its pairs twice."""

    def count_pairs(words):
        counts = {}
        for word in {tuple(word) for word in words}:
            for pair in pairwise(word):
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "In 5, 5, 5 the pair (5, 5) is counted once.")
class NoOverlapInCounts:
    """Skips a pair that overlaps with the same pair before it: 7, 7, 7 has two pairs, and it counts one."""

    def count_pairs(words):
        counts = Counter()
        for ids in words:
            last = None
            for position, pair in enumerate(pairwise(ids)):
                if pair[0] == pair[1] and last == (position - 1, pair):
                    last = None
                    continue
                counts[pair] += 1
                last = position, pair
        return counts


@wrong("01.count_pairs", "(7, 8) and (8, 7) are counted as one pair.")
class EitherOrder:
    """Sorts each pair, so (l, o) and (o, l) are counted as one."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for first, second in pairwise(ids):
                pair = (min(first, second), max(first, second))
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "The last pair of each word is missed.")
class StopsOnePairEarly:
    """The range ends one too early, so the last pair of each word is missing."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for i in range(len(ids) - 2):
                pair = (ids[i], ids[i + 1])
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "The first id of a word counts as the right neighbor of its last one.")
class LastWithFirst:
    """At i = 0, ids[i - 1] is the last id, so each word gets a pair of its end and its beginning."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for i in range(len(ids)):
                pair = (ids[i - 1], ids[i])
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "All counts are too small by one: the first time isn't counted.")
class FirstSightIsZero:
    """A pair that is seen for the first time gets 0, so every count is one too small."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in pairwise(ids):
                if pair not in counts:
                    counts[pair] = 0
                else:
                    counts[pair] += 1
        return counts


@wrong("01.count_pairs", "A pair counts once per word, however often it is there.")
class InHowManyWords:
    """Counts in how many words a pair occurs, so a pair that comes twice in a word counts once there."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in set(pairwise(ids)):
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "The keys are no pairs.")
class KeysAreText:
    """The keys are strings such as "108 111", as in the original BPE script, not tuples."""

    def count_pairs(words):
        counts = defaultdict(int)
        for ids in words:
            symbols = [str(id) for id in ids]
            for i in range(len(symbols) - 1):
                counts[symbols[i] + " " + symbols[i + 1]] += 1
        return dict(counts)


@wrong("01.count_pairs", "The keys are numbers, not pairs.")
class TableOfFollowers:
    """Builds {left: {right: count}}, a dictionary in a dictionary, where {(left, right): count} is asked."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for first, second in pairwise(ids):
                followers = counts.setdefault(first, {})
                followers[second] = followers.get(second, 0) + 1
        return counts


@wrong("01.count_pairs", "")
class RemembersEarlierCalls:
    """The dictionary is a default argument, made once, so counts of earlier calls stay in it."""

    def count_pairs(words, counts={}):
        for ids in words:
            for pair in pairwise(ids):
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "Only the first word is counted.")
class ReturnIndentedTooFar:
    """`return` stands inside the loop, so only the first word is counted."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in pairwise(ids):
                counts[pair] = counts.get(pair, 0) + 1
            return counts


@wrong("01.count_pairs", "That's a list, and a dictionary is asked for.")
class MostCommonAsList:
    """Most_common() makes a sorted list of (pair, count), not a dictionary."""

    def count_pairs(words):
        counts = Counter(pair for ids in words for pair in pairwise(ids))
        return counts.most_common()


@wrong("01.count_pairs", "Only the last word is counted.")
class BeginsAgainWithEachWord:
    """The dictionary is emptied for each word, so only the last word's pairs are left."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            counts = {}
            for pair in pairwise(ids):
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "It goes in steps of two, so every second pair is missed.")
class CutsWordsInTwos:
    """Goes in steps of two, so only every other pair of neighbors is counted."""

    def count_pairs(words):
        counts = Counter()
        for ids in words:
            counts.update(zip(ids[::2], ids[1::2]))
        return dict(counts)


@wrong("01.count_pairs", "Pairs that occur once are left out.")
class AtLeastTwice:
    """Leaves out pairs that occur only once, as libraries with a minimum frequency of 2 do."""

    def count_pairs(words):
        counts = Counter(pair for ids in words for pair in pairwise(ids))
        return {pair: count for pair, count in counts.items() if count > 1}


@wrong("01.count_pairs", "The values are fractions, not counts.")
class SharesNotCounts:
    """Divides by the number of all pairs, so it returns shares in place of counts."""

    def count_pairs(words):
        counts = Counter(pair for ids in words for pair in pairwise(ids))
        total = sum(counts.values())
        return {pair: count / total for pair, count in counts.items()}


@wrong("01.count_pairs", "Two ids count as a pair even if others stand between them.")
class AllTwosOfAWord:
    """Combinations() gives every two ids of a word, neighbors or not."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for pair in combinations(ids, 2):
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "(8, 32) is counted, and no word holds it.")
class GluesWithSpaces:
    """Joins the words with a space (32) between them, and counts the pairs with that space, too."""

    def count_pairs(words):
        line = []
        for ids in words:
            line = line + ids + [32]
        return dict(Counter(pairwise(line)))


@wrong("01.count_pairs", "The result is the same, whatever `words` holds.")
class ToyOnly:
    """Counts the page's `toy` and never looks at its argument."""

    def count_pairs(words):
        counts = {}
        for ids in toy:
            for pair in pairwise(ids):
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@wrong("01.count_pairs", "Pairs whose right id is 0 are left out.")
class ZeroIsNothing:
    """`if right` is meant to skip the None at the end, and also skips the id 0."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for first, second in zip_longest(ids, ids[1:]):
                if second:
                    counts[first, second] = counts.get((first, second), 0) + 1
        return counts


@wrong("01.count_pairs", "An id that comes again in a word gets the right neighbor of its first place.")
class NeighborByIndex:
    """Ids.index(id) finds the first place of an id, so an id that comes again gets the wrong neighbor."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            for id in ids[:-1]:
                pair = (id, ids[ids.index(id) + 1])
                counts[pair] = counts.get(pair, 0) + 1
        return counts


@right("01.count_pairs")
class CounterOfAChain:
    """One line, and a Counter, which is a dictionary."""

    def count_pairs(words):
        return Counter(chain.from_iterable(map(pairwise, words)))


@right("01.count_pairs")
class ByPositions:
    """Positions in place of pairwise, and a defaultdict."""

    def count_pairs(words):
        counts = defaultdict(int)
        for w in range(len(words)):
            for i in range(1, len(words[w])):
                counts[words[w][i - 1], words[w][i]] += 1
        return counts


@right("01.count_pairs")
class AsksForgiveness:
    """Try and except in place of get, and a while loop."""

    def count_pairs(words):
        counts = {}
        for ids in words:
            i = 0
            while i + 1 < len(ids):
                pair = tuple(ids[i : i + 2])
                try:
                    counts[pair] += 1
                except KeyError:
                    counts[pair] = 1
                i += 1
        return counts


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


# --- 01.merge


@wrong("01.merge", "The right id of a pair is used, and comes out once more.")
class StepInAForLoop:
    """I += 2 inside a for loop has no effect, so the right id of each pair stays in the list."""

    def merge(ids, pair, new):
        merged = []
        for i in range(len(ids)):
            if tuple(ids[i : i + 2]) == pair:
                merged.append(new)
                i += 2
            else:
                merged.append(ids[i])
        return merged


@wrong("01.merge", "The last id is lost, unless it's part of a pair.")
class LosesTheLastId:
    """The loop ends before the last id, which is lost unless it's merged."""

    def merge(ids, pair, new):
        merged = []
        i = 0
        while i < len(ids) - 1:
            if (ids[i], ids[i + 1]) == pair:
                merged.append(new)
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return merged


@wrong("01.merge", "It stops after the first pair: what comes after isn't looked at.")
class FirstFitOnly:
    """Returns after the first occurrence, and leaves the others as they are."""

    def merge(ids, pair, new):
        for i in range(len(ids) - 1):
            if (ids[i], ids[i + 1]) == pair:
                return ids[:i] + [new] + ids[i + 2 :]
        return list(ids)


@wrong("01.merge", "It merges from the right: 7, 7, 7 became 7, 256.")
class FromTheRight:
    """Goes from right to left, so 7, 7, 7 becomes 7, new in place of new, 7."""

    def merge(ids, pair, new):
        merged = list(ids)
        i = len(merged) - 2
        while i >= 0:
            if (merged[i], merged[i + 1]) == pair:
                merged[i : i + 2] = [new]
                i -= 1
            i -= 1
        return merged


@wrong("01.merge", "")
class ReplacesDigits:
    """Replaces in the ids' decimal digits, so the pair (97, 110) is also found in 197,110."""

    def merge(ids, pair, new):
        text = ",".join(str(id) for id in ids)
        text = text.replace(f"{pair[0]},{pair[1]}", str(new))
        return [int(id) for id in text.split(",")]


@wrong("01.merge", "")
class ReplacesBytes:
    """Puts ids into bytes, where nothing above 255 fits, and the first new id is 256."""

    def merge(ids, pair, new):
        return list(bytes(ids).replace(bytes(pair), bytes([new])))


@wrong("01.merge", "Nothing is merged.")
class ListAgainstTuple:
    """Compares a slice, which is a list, with a tuple: never equal, so nothing is ever merged."""

    def merge(ids, pair, new):
        merged = []
        i = 0
        while i < len(ids):
            if ids[i : i + 2] == pair:
                merged.append(new)
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return merged


@wrong("01.merge", "It goes in steps of two, so a pair that begins at an odd position is missed.")
class StepsOfTwo:
    """Goes on by two even where the pair doesn't fit, so it misses pairs at odd positions."""

    def merge(ids, pair, new):
        merged = []
        for i in range(0, len(ids), 2):
            two = ids[i : i + 2]
            if tuple(two) == pair:
                merged.append(new)
            else:
                merged.extend(two)
        return merged


@wrong("01.merge", "")
class LooksPastTheEnd:
    """At the last id there is no ids[i + 1], and it stops with an IndexError."""

    def merge(ids, pair, new):
        merged = []
        i = 0
        while i < len(ids):
            if ids[i] == pair[0] and ids[i + 1] == pair[1]:
                merged.append(new)
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return merged


@wrong("01.merge", "In 7, 7, 7 all three become one new id.")
class OriginalNeighborAgain:
    """Looks at the neighbor in `ids` even if that one is merged already: 7, 7, 7 loses its last id."""

    def merge(ids, pair, new):
        merged = list(ids[:1])
        for i in range(1, len(ids)):
            if (ids[i - 1], ids[i]) == pair:
                merged[-1] = new
            else:
                merged.append(ids[i])
        return merged


@wrong("01.merge", "The pair in reverse is merged, too.")
class EitherOrderFits:
    """Asks whether two neighbors are the ids of the pair in any order, so (n, a) merges like (a, n)."""

    def merge(ids, pair, new):
        merged = []
        i = 0
        while i < len(ids):
            if sorted(ids[i : i + 2]) == sorted(pair):
                merged.append(new)
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return merged


@wrong("01.merge", "The result is a tuple, and a list is asked for.")
class TupleOut:
    """Returns a tuple, where a list is asked."""

    def merge(ids, pair, new):
        merged = ()
        i = 0
        while i < len(ids):
            fits = tuple(ids[i : i + 2]) == pair
            merged += (new,) if fits else (ids[i],)
            i += 2 if fits else 1
        return merged


@wrong("01.merge", "`merge` returned something that is a generator, which has computed nothing yet;")
class YieldsIds:
    """Yields the ids, so a call makes a generator and no list."""

    def merge(ids, pair, new):
        i = 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == pair:
                yield new
                i += 2
            else:
                yield ids[i]
                i += 1


@wrong("01.merge", "")
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


@wrong("01.merge", "It ends at the first left id that has no right one behind it.")
class OnlyTheFirstLeft:
    """Looks only behind the first place of the left id; if the right one isn't there, it gives up."""

    def merge(ids, pair, new):
        merged = list(ids)
        left, right = pair
        while left in merged:
            i = merged.index(left)
            if i + 1 < len(merged) and merged[i + 1] == right:
                merged[i : i + 2] = [new]
            else:
                break
        return merged


@wrong("01.merge", "")
class ListShrinksInTheLoop:
    """Deletes from the list while range() still has its first length: an IndexError after any merge."""

    def merge(ids, pair, new):
        merged = list(ids)
        for i in range(len(merged) - 1):
            if (merged[i], merged[i + 1]) == pair:
                merged[i] = new
                del merged[i + 1]
        return merged


@wrong("01.merge", "`new` comes out twice: once for each id of the pair.")
class NewForBothIds:
    """Puts the new id in place of each of the two ids, so the list doesn't get shorter."""

    def merge(ids, pair, new):
        merged = list(ids)
        i = 0
        while i < len(merged) - 1:
            if (merged[i], merged[i + 1]) == pair:
                merged[i] = merged[i + 1] = new
                i += 1
            i += 1
        return merged


@wrong("01.merge", "The id behind a left id is used up, even where the two aren't the pair.")
class IteratorEatsTheNext:
    """Takes the next id to compare it, and if it doesn't fit, never asks if a pair begins with it: a, a, n."""

    def merge(ids, pair, new):
        merged = []
        rest = iter(ids)
        for id in rest:
            if id != pair[0]:
                merged.append(id)
                continue
            following = next(rest, None)
            if following == pair[1]:
                merged.append(new)
            else:
                merged.append(id)
                if following is not None:
                    merged.append(following)
        return merged


@wrong("01.merge", "The id 0 is lost.")
class ZeroIdGetsLost:
    """Marks used ids with 0 and drops all zeros in the end, also those that were ids."""

    def merge(ids, pair, new):
        marked = list(ids)
        for i in range(len(marked) - 1):
            if (marked[i], marked[i + 1]) == pair:
                marked[i], marked[i + 1] = new, 0
        return [id for id in marked if id]


@wrong("01.merge", "The id behind each pair is lost.")
class SkipsAfterAMerge:
    """Goes on by three after a merge, so the id behind each pair is lost."""

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


@wrong("01.merge", "The result is a tuple of 2, and part 1 of it is right: return only that.")
class CountsTheMerges:
    """Returns the number of merges along with the list."""

    def merge(ids, pair, new):
        merged, done, i = [], 0, 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == pair:
                merged.append(new)
                done += 1
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return merged, done


@right("01.merge")
class DeletesFromACopy:
    """Deletes from a copy while it goes, and looks at the length again each time."""

    def merge(ids, pair, new):
        merged = ids[:]
        i = 0
        while i < len(merged) - 1:
            if (merged[i], merged[i + 1]) == pair:
                merged[i] = new
                del merged[i + 1]
            i += 1
        return merged


@right("01.merge")
class WithAFlag:
    """Looks back, and a flag says whether the id before is used already."""

    def merge(ids, pair, new):
        merged, free = [], False
        for id in ids:
            if free and merged[-1] == pair[0] and id == pair[1]:
                merged[-1] = new
                free = False
            else:
                merged.append(id)
                free = True
        return merged


@right("01.merge")
class StackOfTheRest:
    """Pops from a reversed copy."""

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
class FromMinbpe:
    """As in minbpe, with the test for the end in the middle."""

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


# --- 01.learn


@wrong("01.learn", "Among equally frequent pairs it takes the one that it saw first.")
class FirstSeenWins:
    """Max() takes the pair that was seen first among equally frequent ones, not the smallest."""

    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = max(counts, key=counts.get)
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "Among equally frequent pairs it takes the larger one.")
class LargestWins:
    """Max of (count, pair) settles a tie in favor of the largest pair."""

    def learn(words, n):
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = max(counts, key=lambda pair: (counts[pair], pair))
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "A pair that occurs once isn't merged.")
class StopsAtSinglePairs:
    """Stops when no pair comes twice; the turn stops when no pair is left."""

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


@wrong("01.learn", "")
class NoStop:
    """Doesn't ask whether a pair is left, and min() of nothing is a ValueError."""

    def learn(words, n):
        merges = {}
        for new in range(256, 256 + n):
            counts = count_pairs(words)
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = new
            words = [merge(ids, pair, new) for ids in words]
        return merges


@wrong("01.learn", "`learn` changed the input that it was given; work on a copy.")
class ShallowCopy:
    """Copies only the outer list, and merges within the inner ones, which are the caller's."""

    def learn(words, n):
        words = list(words)
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


@wrong("01.learn", "The new ids begin at 257, so 256 is never used.")
class BeginsAt257:
    """Counts the merges from 1, so the first new id is 257."""

    def learn(words, n):
        merges = {}
        for i in range(1, n + 1):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + i
            words = [merge(ids, pair, 256 + i) for ids in words]
        return merges


@wrong("01.learn", "The ids are the keys.")
class IdToPair:
    """Returns {new id: pair}, the other way around."""

    def learn(words, n):
        vocabulary = {}
        while len(vocabulary) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            new = 256 + len(vocabulary)
            vocabulary[new] = pair
            words = [merge(ids, pair, new) for ids in words]
        return vocabulary


@wrong("01.learn", "The n most frequent pairs of the words as they came are taken.")
class CountsOnce:
    """Counts once and takes the n most frequent pairs; after a merge, the counts are others."""

    def learn(words, n):
        counts = count_pairs(words)
        best = sorted(counts, key=lambda pair: (-counts[pair], pair))[:n]
        return {pair: 256 + i for i, pair in enumerate(best)}


@wrong("01.learn", "The words never change, so every round counts the same and finds the same pair.")
class MergedWordsGetLost:
    """`ids = merge(...)` in the loop only renames a variable, so the words stay and one pair always wins."""

    def learn(words, n):
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + i
            for ids in words:
                ids = merge(ids, pair, 256 + i)
        return merges


@wrong("01.learn", "(7, 8) gets the id 10, and 256 is right.")
class NextFreeId:
    """The new id is the largest id in the words plus one, which isn't 256 where no byte is 255."""

    def learn(words, n):
        merges = {}
        new = max((id for ids in words for id in ids), default=255) + 1
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = new
            words = [merge(ids, pair, new) for ids in words]
            new += 1
        return merges


@wrong("01.learn", "")
class GoesOnWithOldMerges:
    """`merges` is a default argument, so a second call goes on where the first one ended."""

    def learn(words, n, merges={}):
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "There are no merges at all.")
class NIsTheVocabulary:
    """Takes n for the size of the vocabulary, and learns n - 256 merges."""

    def learn(words, n):
        merges = {}
        for new in range(256, n):
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = new
            words = [merge(ids, pair, new) for ids in words]
        return merges


@wrong("01.learn", "In ties with one left id, the pair that was seen first wins.")
class TieByLeftIdOnly:
    """Settles ties by the left id only; of (1, 9) and (1, 2), the one seen first wins."""

    def learn(words, n):
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair[0]))
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "In ties, ids are compared as text, where '10' comes before '9'.")
class TieAsText:
    """Compares tied pairs as text, where "(111, 119)" comes before "(32, 116)"."""

    def learn(words, n):
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = sorted(counts, key=lambda pair: (-counts[pair], str(pair)))[0]
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "")
class AcrossWords:
    """Makes one list of all words, so it learns merges that reach from a word into the next."""

    def learn(words, n):
        ids = sum(words, [])
        merges = {}
        while len(merges) < n:
            counts = count_pairs([ids])
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + len(merges)
            ids = merge(ids, pair, merges[pair])
        return merges


@wrong("01.learn", "That's a tuple, and a dictionary is asked for.")
class WordsToo:
    """Returns the merges and the merged words, a tuple of two."""

    def learn(words, n):
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges, words


@wrong("01.learn", "That's a list, and a dictionary is asked for.")
class PairsInOrder:
    """Returns a list of pairs, as in a merges.txt, without the new ids."""

    def learn(words, n):
        merges = []
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            words = [merge(ids, pair, 256 + len(merges)) for ids in words]
            merges.append(pair)
        return merges


@wrong("01.learn", "There's one merge too many.")
class OneTooMany:
    """`<=` in place of `<` makes n + 1 merges."""

    def learn(words, n):
        merges = {}
        while len(merges) <= n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            merges[pair] = 256 + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "The keys hold bytes, not ids.")
class KeysSpelledOut:
    """The keys are pairs of byte strings, as in tiktoken, not pairs of ids."""

    def learn(words, n):
        spelled = {id: bytes([id]) for id in range(256)}
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            new = 256 + len(merges)
            spelled[new] = spelled[pair[0]] + spelled[pair[1]]
            merges[spelled[pair[0]], spelled[pair[1]]] = new
            words = [merge(ids, pair, new) for ids in words]
        return merges


@wrong("01.learn", "The pairs that a merge broke up keep their old counts.")
class NeighborsKeepTheirCounts:
    """Updates the counts only for pairs with the new id; the pairs that a merge broke up keep theirs."""

    def learn(words, n):
        counts = count_pairs(words)
        merges = {}
        while len(merges) < n and counts:
            pair = min(counts, key=lambda pair: (-counts[pair], pair))
            new = 256 + len(merges)
            merges[pair] = new
            words = [merge(ids, pair, new) for ids in words]
            del counts[pair]
            for ids in words:
                for fresh in pairwise(ids):
                    if new in fresh:
                        counts[fresh] = counts.get(fresh, 0) + 1
        return merges


@wrong("01.learn", "No merge builds on an earlier one: only pairs of bytes are merged.")
class BytesOnly:
    """Merges pairs of bytes only, so no merge builds on an earlier one."""

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


@wrong("01.learn", "All pairs that are equally frequent are merged in one round.")
class AllTiesAtOnce:
    """Merges all equally frequent pairs in one round, though the first merge changes the others' counts."""

    def learn(words, n):
        merges = {}
        while len(merges) < n:
            counts = count_pairs(words)
            if not counts:
                break
            most = max(counts.values())
            for pair in sorted(pair for pair in counts if counts[pair] == most):
                if len(merges) == n:
                    break
                merges[pair] = 256 + len(merges)
                words = [merge(ids, pair, merges[pair]) for ids in words]
        return merges


@wrong("01.learn", "Where no pair is left, the result is None.")
class NothingIfItEndsEarly:
    """When no pair is left, a bare `return` gives None in place of the merges so far."""

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


@right("01.learn")
class DistinctWordsWithCounts:
    """Keeps each distinct word once, with its count, which is faster; no helper."""

    def learn(words, n):
        often = Counter(tuple(word) for word in words)
        merges = {}
        for new in range(256, 256 + n):
            counts = Counter()
            for word, times in often.items():
                for pair in pairwise(word):
                    counts[pair] += times
            if not counts:
                break
            most = max(counts.values())
            best = min(pair for pair, count in counts.items() if count == most)
            merges[best] = new
            after = Counter()
            for word, times in often.items():
                after[tuple(merge(list(word), best, new))] += times
            often = after
        return merges


@right("01.learn")
class MaxOfNegatives:
    """Max with negative ids in the key, so the smallest pair wins; copies first, then merges in place."""

    def learn(words, n):
        words = [list(ids) for ids in words]
        merges = {}
        for i in range(n):
            counts = count_pairs(words)
            if len(counts) == 0:
                return merges
            pair = max(counts, key=lambda p: (counts[p], -p[0], -p[1]))
            merges[pair] = i + 256
            for ids in words:
                j = 0
                while j < len(ids) - 1:
                    if (ids[j], ids[j + 1]) == pair:
                        ids[j : j + 2] = [i + 256]
                    j += 1
        return merges


@right("01.learn")
class SortsTwice:
    """Sorts by pair, then by count; sorting is stable, so ties stay in order."""

    def learn(words, n):
        merges = {}
        while len(merges) != n:
            pairs = sorted(count_pairs(words).items())
            pairs.sort(key=lambda item: item[1], reverse=True)
            if not pairs:
                break
            (pair, _), *_ = pairs
            new = max(merges.values(), default=255) + 1
            words = [merge(ids, pair, new) for ids in words]
            merges[pair] = new
        return merges


@right("01.learn")
class HeapOfPairs:
    """Takes the best of (-count, pair) with heapq, and zips the pairs with their ids in the end."""

    def learn(words, n):
        chosen = []
        for new in range(256, 256 + n):
            heap = [(-count, pair) for pair, count in count_pairs(words).items()]
            if not heap:
                break
            _, pair = heapq.nsmallest(1, heap)[0]
            chosen.append(pair)
            words = [merge(ids, pair, new) for ids in words]
        return dict(zip(chosen, range(256, 256 + len(chosen))))


# --- 01.encode


@wrong("01.encode", "The pair with the smallest ids goes first.")
class SmallestPairFirst:
    """Takes the smallest pair, not the pair with the smallest new id."""

    def encode(ids, merges):
        while True:
            known = [pair for pair in pairwise(ids) if pair in merges]
            if not known:
                return list(ids)
            pair = min(known)
            ids = merge(ids, pair, merges[pair])


@wrong("01.encode", "The leftmost known pair goes first, one position at a time.")
class LeftmostFirst:
    """Merges the leftmost known pair, whenever it was learned."""

    def encode(ids, merges):
        ids = list(ids)
        i = 0
        while i < len(ids) - 1:
            pair = ids[i], ids[i + 1]
            if pair in merges:
                ids[i : i + 2] = [merges[pair]]
                i = 0
            else:
                i += 1
        return ids


@wrong("01.encode", "The pair that was learned last goes first.")
class LearnedLastFirst:
    """Max in place of min, so the pair that was learned last goes first."""

    def encode(ids, merges):
        while True:
            known = [pair for pair in pairwise(ids) if pair in merges]
            if not known:
                return list(ids)
            pair = max(known, key=merges.get)
            ids = merge(ids, pair, merges[pair])


@wrong("01.encode", "The longest entry that fits is taken, again and again.")
class LongestEntryFirst:
    """Takes the longest entry that fits at each place, as BERT's tokenizer does, and replays no merges."""

    def encode(ids, merges):
        spelled = {}
        for (first, second), new in sorted(merges.items(), key=lambda item: item[1]):
            spelled[new] = spelled.get(first, (first,)) + spelled.get(second, (second,))
        entries = {piece: new for new, piece in spelled.items()}
        cut, start = [], 0
        while start < len(ids):
            for end in range(len(ids), start, -1):
                piece = tuple(ids[start:end])
                if piece in entries or end == start + 1:
                    cut.append(entries.get(piece, ids[start]))
                    start = end
                    break
        return cut


@wrong("01.encode", "The merges are replayed in the dictionary's order.")
class TrustsTheDictionarysOrder:
    """Replays the merges in the order of the dictionary, not in the order of their new ids."""

    def encode(ids, merges):
        for pair, new in merges.items():
            ids = merge(ids, pair, new)
        return list(ids)


@wrong("01.encode", "It stops after one merge.")
class OneRoundOnly:
    """Merges once and doesn't look again."""

    def encode(ids, merges):
        known = [pair for pair in pairwise(ids) if pair in merges]
        if known:
            pair = min(known, key=lambda pair: merges[pair])
            ids = merge(ids, pair, merges[pair])
        return list(ids)


@wrong("01.encode", "")
class NoBreakForUnknown:
    """Unknown pairs get infinity, but nobody asks whether the best one is known: a KeyError."""

    def encode(ids, merges):
        ids = list(ids)
        while len(ids) >= 2:
            stats = count_pairs([ids])
            pair = min(stats, key=lambda p: merges.get(p, float("inf")))
            ids = merge(ids, pair, merges[pair])
        return ids


@wrong("01.encode", "It stops as soon as one pair of the word is unknown.")
class UnknownPairsCountAsZero:
    """An unknown pair gets 0, the smallest rank of all, so it's chosen and ends the loop too early."""

    def encode(ids, merges):
        ids = list(ids)
        while len(ids) >= 2:
            pair = min(pairwise(ids), key=lambda p: merges.get(p, 0))
            if pair not in merges:
                break
            ids = merge(ids, pair, merges[pair])
        return ids


@wrong("01.encode", "")
class NoPairsInOneId:
    """With a single id left there is no pair, and min() of nothing is a ValueError."""

    def encode(ids, merges):
        while True:
            pair = min(pairwise(ids), key=lambda p: merges.get(p, math.inf))
            if pair not in merges:
                return list(ids)
            ids = merge(ids, pair, merges[pair])


@wrong("01.encode", "It ends one merge too early where two ids are left.")
class NeverTheLastTwo:
    """Stops at two ids, so they're never merged to one."""

    def encode(ids, merges):
        ids = list(ids)
        while len(ids) > 2:
            known = [pair for pair in pairwise(ids) if pair in merges]
            if not known:
                break
            pair = min(known, key=lambda pair: merges[pair])
            ids = merge(ids, pair, merges[pair])
        return ids


@wrong("01.encode", "Each merge is used at one position only.")
class EachMergeAtOnePlace:
    """Replays each merge once, at the first place where it fits; a second one in the word stays."""

    def encode(ids, merges):
        ids = list(ids)
        done = set()
        while True:
            known = [p for p in pairwise(ids) if p in merges and p not in done]
            if not known:
                return ids
            pair = min(known, key=merges.get)
            done.add(pair)
            i = list(pairwise(ids)).index(pair)
            ids[i : i + 2] = [merges[pair]]


@wrong("01.encode", "The pair that is most frequent in this word goes first; the new ids only settle ties.")
class CountsTheWord:
    """Takes the known pair that is most frequent in the word; the rank only settles ties."""

    def encode(ids, merges):
        while True:
            counts = {p: c for p, c in count_pairs([ids]).items() if p in merges}
            if not counts:
                return list(ids)
            pair = min(counts, key=lambda p: (-counts[p], merges[p]))
            ids = merge(ids, pair, merges[pair])


@wrong("01.encode", "Not everything in the list is an id.")
class PiecesOfBytes:
    """Returns the pieces as lists of byte ids; the ids of the merges are asked."""

    def encode(ids, merges):
        pieces = {id: [id] for id in ids}
        while True:
            known = [pair for pair in pairwise(ids) if pair in merges]
            if not known:
                return [pieces[id] for id in ids]
            pair = min(known, key=lambda pair: merges[pair])
            pieces[merges[pair]] = pieces[pair[0]] + pieces[pair[1]]
            ids = merge(ids, pair, merges[pair])


@wrong("01.encode", "Only the pairs that were known at the start are merged.")
class KnownFromTheStart:
    """Looks for known pairs once, among the bytes, so pairs that a merge makes are never found."""

    def encode(ids, merges):
        known = {pair for pair in pairwise(ids) if pair in merges}
        for pair in sorted(known, key=merges.get):
            ids = merge(ids, pair, merges[pair])
        return list(ids)


@wrong("01.encode", "It ends at the first merge that isn't in the word.")
class BreaksAtTheFirstUnused:
    """Goes through the merges as they were learned, but stops at the first one that isn't in the word."""

    def encode(ids, merges):
        for pair in sorted(merges, key=merges.get):
            if pair not in pairwise(ids):
                break
            ids = merge(ids, pair, merges[pair])
        return list(ids)


@wrong("01.encode", "The last pair of the word isn't looked at.")
class NeverTheLastPair:
    """The range ends one too early, so a known pair at the end of the word isn't seen."""

    def encode(ids, merges):
        ids = list(ids)
        while True:
            known = [(ids[i], ids[i + 1]) for i in range(len(ids) - 2)]
            known = [pair for pair in known if pair in merges]
            if not known:
                return ids
            pair = min(known, key=merges.get)
            ids = merge(ids, pair, merges[pair])


@wrong("01.encode", "Where a pair is known, None is returned.")
class RecursionReturnsNothing:
    """The call of itself has no `return` before it, so any word with a known pair gives None."""

    def encode(ids, merges):
        def again(ids):
            known = [pair for pair in pairwise(ids) if pair in merges]
            if not known:
                return list(ids)
            pair = min(known, key=lambda pair: merges[pair])
            again(merge(ids, pair, merges[pair]))

        return again(ids)


@wrong("01.encode", "It goes over the word once, and joins each id to what stands before it.")
class OncePastTheWord:
    """Goes through the word once and glues each id to the piece before it whenever the two are known."""

    def encode(ids, merges):
        cut = []
        for id in ids:
            if cut and (cut[-1], id) in merges:
                cut[-1] = merges[cut[-1], id]
            else:
                cut.append(id)
        return cut


@wrong("01.encode", "")
class TwoHalves:
    """Cuts the word in the middle and encodes each half, so early merges across the middle come too late."""

    def encode(ids, merges):
        def whole(ids):
            while known := [pair for pair in pairwise(ids) if pair in merges]:
                pair = min(known, key=merges.get)
                ids = merge(ids, pair, merges[pair])
            return list(ids)

        half = len(ids) // 2
        return whole(whole(ids[:half]) + whole(ids[half:]))


@wrong("01.encode", "Equal ids in a row are merged from the right: 97, 97, 97 became 97, 256.")
class RightmostOccurrence:
    """Applies the earliest pair at its last place in the word first, so 7, 7, 7 becomes 7, new."""

    def encode(ids, merges):
        ids = list(ids)
        while True:
            known = [(merges[p], -i) for i, p in enumerate(pairwise(ids)) if p in merges]
            if not known:
                return ids
            new, i = min(known)
            ids[-i : -i + 2] = [new]


@wrong("01.encode", "")
class CacheByWordOnly:
    """Remembers each word's ids, as GPT-2's code does, but not the merges that they belong to."""

    def encode(ids, merges, cache={}):
        word = tuple(ids)
        if word not in cache:
            while known := [pair for pair in pairwise(ids) if pair in merges]:
                pair = min(known, key=merges.get)
                ids = merge(ids, pair, merges[pair])
            cache[word] = list(ids)
        return list(cache[word])


@wrong("01.encode", "The new ids are counted from 256.")
class Renumbers:
    """Gives 256 plus the rank as the new id, not the id that the merges say."""

    def encode(ids, merges):
        ranks = {p: r for r, p in enumerate(sorted(merges, key=merges.get))}
        while True:
            known = [pair for pair in pairwise(ids) if pair in ranks]
            if not known:
                return list(ids)
            pair = min(known, key=ranks.get)
            ids = merge(ids, pair, 256 + ranks[pair])


@wrong("01.encode", "")
class StaleHeap:
    """Never asks whether a pair from the heap is still there; its right id may be merged on by then."""

    def encode(ids, merges):
        ids = list(ids)
        following = [*range(1, len(ids)), None]
        alive = [True] * len(ids)
        heap = [(merges[p], i) for i, p in enumerate(pairwise(ids)) if p in merges]
        heapq.heapify(heap)
        while heap:
            new, i = heapq.heappop(heap)
            if not alive[i] or following[i] is None:
                continue
            j = following[i]
            ids[i] = new
            alive[j] = False
            following[i] = following[j]
            for a in [k for k in range(i + 1) if alive[k]][-2:]:
                b = following[a]
                if b is not None and (ids[a], ids[b]) in merges:
                    heapq.heappush(heap, (merges[ids[a], ids[b]], a))
        return [id for id, here in zip(ids, alive) if here]


@right("01.encode")
class AsInMinbpe:
    """Minbpe's loop, with infinity for unknown pairs."""

    def encode(ids, merges):
        ids = list(ids)
        while len(ids) >= 2:
            stats = count_pairs([ids])
            pair = min(stats, key=lambda p: merges.get(p, float("inf")))
            if pair not in merges:
                break
            ids = merge(ids, pair, merges[pair])
        return ids


@right("01.encode")
class OnePlaceAtATime:
    """One merge at one place per round, the earliest, and of these the leftmost; no helper."""

    def encode(ids, merges):
        ids = list(ids)
        while True:
            best = None
            for i in range(len(ids) - 1):
                new = merges.get((ids[i], ids[i + 1]))
                if new is not None and (best is None or new < best[0]):
                    best = new, i
            if best is None:
                return ids
            ids[best[1] : best[1] + 2] = [best[0]]


@right("01.encode")
class PairByNewId:
    """A dictionary {new id: pair} of the pairs that are there, and its smallest key; on tuples."""

    def encode(ids, merges):
        word = tuple(ids)
        while found := {merges[p]: p for p in zip(word, word[1:]) if p in merges}:
            new = min(found)
            word = tuple(merge(list(word), found[new], new))
        return list(word)


@right("01.encode")
class FreshHeap:
    """A linked list and a heap, where each entry is checked before it's used."""

    def encode(ids, merges):
        ids, n = list(ids), len(ids)
        before = list(range(-1, n - 1))
        after = [*range(1, n), n]
        heap = [(merges[p], i, p) for i, p in enumerate(pairwise(ids)) if p in merges]
        heapq.heapify(heap)
        while heap:
            new, i, pair = heapq.heappop(heap)
            j = after[i]
            if ids[i] is None or j >= n or (ids[i], ids[j]) != pair:
                continue
            ids[i], ids[j] = new, None
            after[i] = after[j]
            if after[i] < n:
                before[after[i]] = i
            for a, b in ((before[i], i), (i, after[i])):
                if a >= 0 and b < n and (ids[a], ids[b]) in merges:
                    heapq.heappush(heap, (merges[ids[a], ids[b]], a, (ids[a], ids[b])))
        return [id for id in ids if id is not None]
