"""01.learn: byte-pair encoding, the most frequent pair again and again (Gage 1994; Sennrich et al. 2016)."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.tokenizer.counting import count_pairs
from minillm.course.turns.tokenizer.merging import merge

Words = list[list[int]]
Pair = tuple[int, int]
Merges = dict[Pair, int]
BYTES = 256


def learn(words, n):
    """The first n merges of byte-pair encoding, in order: {pair: new id}; the new ids are 256, 257, ..."""
    merges = {}
    while len(merges) < n:
        counts = count_pairs(words)
        if not counts:
            break
        pair = min(counts, key=lambda pair: (-counts[pair], pair))
        merges[pair] = 256 + len(merges)
        words = [merge(ids, pair, merges[pair]) for ids in words]
    return merges


turn = Turn(
    "01.learn",
    "Learn a vocabulary",
    learn,
    minutes=9,
    difficulty=3,
    hints=(
        "One round: count, choose, write down, merge. Which of these four change what the next round counts?",
        "`max(counts, key=counts.get)` takes the first of several equally frequent pairs. To get the smallest, give "
        "`min` a key that is a tuple: minus the count, then the pair.",
        "Collect `merges[pair] = new`, and make a new list of words with your own `merge`. Stop early if there's no "
        "pair left to count.",
    ),
    errors={
        "changed the input": "`words` belongs to the caller. Make a new list in each round: `words = [... for ids in "
        "words]`.",
        "(min|max)\\(\\).*(empty|iterable argument)|arg is an empty": "After enough merges, each word is a single id, "
        "and no pair is left: stop then.",
        "has not finished": "Does each round add one merge? And does the loop end when no pair is left?",
        "object is not iterable|has no len|'int' object is not subscriptable": "`words` is a list of lists of ids. "
        "Merge word by word: `merge(ids, pair, new) for ids in words`.",
        "name '(Counter|defaultdict|get_stats)' is not defined": "Your own `count_pairs` does the counting.",
        "name '(vocab|vocab_size|num_merges|text|ids)' is not defined": "The arguments are `words` and `n`.",
        "unhashable type": "A list can't be a key, nor in a set. Pairs are tuples of two ids; `words` stays a list.",
        "index out of range|pop from": "No pair may be left before n merges are found: stop then.",
        "bad operand type for unary": "A tuple can't be negated. Take `min`, and put the minus before the count.",
        "no attribute 'most_common'": "A dictionary has no `most_common`, which wouldn't settle ties, either. `min` "
        "with a key does both.",
        "missing \\d required positional|takes \\d positional": "`count_pairs(words)` takes the words, `merge(ids, "
        "pair, new)` takes one word at a time.",
    },
    debrief=Debrief(
        "`tokenizers` does the same in Rust on gigabytes: it counts once and keeps the counts right. Ties are settled "
        "as you did; minbpe takes the pair it saw first.",
        "Two libraries settle ties differently. Whose model breaks if you swap their vocabularies?",
    ),
)


def _word(rng: random.Random, most: int = 3) -> list[int]:
    return [96 + rng.randint(1, most) for _ in range(rng.randint(2, 6))]


def _clear(words: Words, n: int) -> bool:
    """Whether no round has a tie for the most frequent pair, or too few pairs."""
    for new in range(BYTES, BYTES + n):
        ranked = sorted(count_pairs(words).items(), key=lambda item: -item[1])
        if len(ranked) < 2 or ranked[0][1] == ranked[1][1]:
            return False
        words = [merge(ids, ranked[0][0], new) for ids in words]
    return True


def _untied(rng: random.Random) -> list[Call]:
    apart = [[7, 8, 9], [7, 8, 9], [7, 8], [7, 8, 9], [5, 6], [5, 6]]  # (8, 9) is gone after the first merge
    calls: list[Call] = [([[7, 8, 9], [7, 8], [7, 8, 9], [7, 8, 3]], 2), (apart, 3)]
    sizes = [(6, 2), (8, 3), (10, 3), (12, 4), (14, 4)]
    for size, n in sizes:
        while True:
            words = [_word(rng) for _ in range(size)]
            if _clear(words, n + 1):
                break
        calls.append((words, n))
    return calls


def _tied(rng: random.Random) -> list[Call]:
    """Equally frequent pairs, the smaller of which isn't the first; ids of one and of several digits."""
    return [
        ([[8, 9], [7, 8], [8, 9], [7, 8]], 1),
        ([[10, 9], [9, 10], [100, 9], [10, 9], [9, 10], [100, 9]], 2),
        ([[5, 9], [6, 1], [5, 9], [6, 1]], 2),
        ([[1, 9], [1, 4], [1, 9], [1, 4]], 1),
        *(([_word(rng, 4) for _ in range(size)], 6) for size in (4, 5, 6, 8, 9)),
    ]


def _ended(rng: random.Random) -> list[Call]:
    """Fewer pairs than merges that are asked for."""
    return [([[7, 8]], 3), ([[7]], 2), ([], 1), ([[1, 2, 3], [1, 2]], 9), ([[7, 8, 9]], 0), ([[4, 4, 4, 4]], 5)]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not a dictionary from pairs to ids."""
    for index, answer in enumerate(got):
        if answer is None or not right[index]:
            continue
        if type(answer) in (list, tuple, set):
            hint = "Return `{pair: new id}`, and nothing else. The first merge makes 256."
            return f"That's a {type(answer).__name__}, and a dictionary is asked for.", hint, index
        if type(answer) is dict and answer and all(type(key) is int for key in answer):
            if min(answer) < BYTES:
                hint = "`max(counts.values())` is a count. Which pair has it?"
                return "The keys are numbers, not pairs.", hint, index
            return "The ids are the keys.", "The other way round: `merges[pair] = new`.", index
        if type(answer) is dict and any(type(id) is bytes for key in answer if type(key) is tuple for id in key):
            return "The keys hold bytes, not ids.", "A key is a pair of ids: `merges[pair] = new`.", index
        if type(answer) is dict and any(type(value) is not int for value in answer.values()):
            return "Not every value is an id.", "`merges[pair] = new`, and `new` is a number from 256 on.", index
    return None


def _why(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Which merge is the first to differ."""
    for index, (wanted, answer) in enumerate(zip(right, got, strict=True)):
        if type(answer) is not dict or answer == wanted:
            continue
        if len(answer) != len(wanted):
            hint = "It goes on until there are n merges, or no word has a pair left."
            return f"The number of merges is {len(answer)}, and {len(wanted)} is right.", hint, index
        for (pair, new), (other, other_new) in zip(wanted.items(), answer.items(), strict=True):
            if pair != other:
                hint = "Print the counts of that round."
                return f"The merge number {new - BYTES + 1} is {other}, and {pair} is right.", hint, index
            if new != other_new:
                return f"{pair} gets the id {other_new}, and {new} is right.", "256, 257, and so on.", index
    return None


def _rounds(
    choose: Callable[[dict[Pair, int]], Pair] = lambda counts: min(counts, key=lambda pair: (-counts[pair], pair)),
    number: Callable[[int], int] = lambda done: BYTES + done,
    rounds: Callable[[int], int] = lambda n: n,
    least: int = 1,
    after: Callable[[Words, Pair, int], Words] = lambda words, pair, new: [merge(ids, pair, new) for ids in words],
) -> Callable[[Words, int], Merges]:
    """The course's version with another choice, other ids, another number of rounds or another merge."""

    def answer(words: Words, n: int) -> Merges:
        merges: Merges = {}
        for done in range(rounds(n)):
            counts = count_pairs(words)
            if not counts or max(counts.values()) < least:
                break
            pair = choose(counts)
            merges[pair] = number(done)
            words = after(words, pair, merges[pair])
        return merges

    return answer


def _merged_then(number: Callable[[int, dict[Pair, int], Pair], int]) -> Callable[[Words, int], Merges]:
    """Right merges, told with other numbers than their ids."""

    def answer(words: Words, n: int) -> Merges:
        told: Merges = {}
        for pair, new in learn(words, n).items():
            told[pair] = number(new, count_pairs(words), pair)
            words = [merge(ids, pair, new) for ids in words]
        return told

    return answer


def _bytes_only(words: Words, n: int) -> Merges:
    """Merges of bytes, and of nothing else."""
    merges: Merges = {}
    for new in range(BYTES, BYTES + n):
        counts = {pair: count for pair, count in count_pairs(words).items() if max(pair) < BYTES}
        if not counts:
            break
        pair = min(counts, key=lambda pair: (-counts[pair], pair))
        merges[pair] = new
        words = [merge(ids, pair, new) for ids in words]
    return merges


def _old_counts(words: Words, n: int) -> Merges:
    """Counts of pairs that a merge broke up stay as they were; those of the new id are added."""
    counts, merges = count_pairs(words), {}
    while len(merges) < n and counts:
        pair = min(counts, key=lambda pair: (-counts[pair], pair))
        merges[pair] = new = BYTES + len(merges)
        words = [merge(ids, pair, new) for ids in words]
        del counts[pair]
        counts |= {fresh: count for fresh, count in count_pairs(words).items() if new in fresh}
    return merges


def _by_score(words: Words, n: int) -> Merges:
    """A pair's count is divided by those of its two ids (WordPiece)."""
    merges: Merges = {}
    for new in range(BYTES, BYTES + n):
        counts, alone = count_pairs(words), Counter(id for ids in words for id in ids)
        if not counts:
            break
        scores = {(left, right): count / (alone[left] * alone[right]) for (left, right), count in counts.items()}
        pair = min(scores, key=lambda pair: (-scores[pair], pair))
        merges[pair] = new
        words = [merge(ids, pair, new) for ids in words]
    return merges


def _by_bytes(words: Words, n: int) -> Merges:
    """Ties are settled by the bytes that the two ids stand for."""
    merges: Merges = {}
    spelled: dict[int, tuple[int, ...]] = {id: (id,) for ids in words for id in ids}
    while len(merges) < n and (counts := count_pairs(words)):
        pair = min(counts, key=lambda pair: (-counts[pair], spelled[pair[0]], spelled[pair[1]]))
        merges[pair] = new = BYTES + len(merges)
        spelled[new] = spelled[pair[0]] + spelled[pair[1]]
        words = [merge(ids, pair, new) for ids in words]
    return merges


def _first_round(words: Words, n: int) -> Merges:
    counts = count_pairs(words)
    ranked = sorted(counts, key=lambda pair: (-counts[pair], pair))
    return {pair: BYTES + done for done, pair in enumerate(ranked[:n])}


untied = turn.probe("one pair is always the most frequent", _untied, _form)
untied.at_last = _why
untied.mistake(
    "The n most frequent pairs of the words as they came are taken.",
    "A merge changes what its neighbors are: merge, then count again, in the merged words.",
    _first_round,
)
untied.mistake(
    "A word that comes twice counts once.",
    "Keep all words in the list, or multiply each count by how often its word comes.",
    lambda words, n: learn([list(ids) for ids in dict.fromkeys(map(tuple, words))], n),
)
untied.mistake(
    "The pairs that a merge broke up keep their old counts.",
    "A merge also takes pairs away: count all of them again in each round.",
    _old_counts,
)
untied.mistake(
    "The count of a pair is divided by those of its ids: that's WordPiece.",
    "BPE takes the pair that's most frequent, however frequent its ids are.",
    _by_score,
)
untied.mistake(
    "No merge builds on an earlier one: only pairs of bytes are merged.",
    "New ids have neighbors, too: (256, 9) is a pair like any other.",
    _bytes_only,
)
untied.mistake(
    "The words never change, so every round counts the same and finds the same pair.",
    "`merge` returns a new list: `words = [merge(ids, pair, new) for ids in words]`.",
    _rounds(after=lambda words, pair, new: words),
)
untied.mistake(
    "It ends after the first merge.",
    "Is `return` inside the loop? It ends the loop in its first round.",
    lambda words, n: learn(words, min(n, 1)),
)
untied.mistake("There's one merge too many.", "n rounds: `range(n)`.", lambda words, n: learn(words, n + 1))
untied.mistake("There's one merge too few.", "n rounds: `range(n)`.", lambda words, n: learn(words, n - 1))
untied.mistake(
    "There are no merges at all.",
    "n is the number of merges: minbpe's `vocab_size - 256` is your n. And does each round fill `merges`?",
    lambda words, n: {},
)
untied.mistake(
    "n is ignored: it goes on until no pair is left.",
    "Stop after n merges.",
    lambda words, n: learn(words, 1000),
)
untied.mistake(
    "It ends after two merges.",
    "`map` and `(... for ids in words)` can be read once, and counting reads them. Make a list: `[...]`.",
    lambda words, n: learn(words, min(n, 2)),
)
for _start, _sentence in (
    (0, "The new ids begin at 0. Those are bytes already."),
    (255, "The new ids begin at 255, which is a byte. The first free id is 256."),
    (257, "The new ids begin at 257, so 256 is never used."),
):
    untied.mistake(_sentence, "The first merge makes 256.", _rounds(number=lambda done, start=_start: start + done))
untied.mistake(
    "The merges are numbered from 0.",
    "They have ids: 256 for the first, 257 for the second.",
    _merged_then(lambda new, counts, pair: new - BYTES),
)
untied.mistake(
    "Each pair has its count, not its id.",
    "`merges[pair]` is the new id: 256 for the first.",
    _merged_then(lambda new, counts, pair: counts[pair]),
)
untied.mistake(
    "Every merge makes the same id, 256.",
    "Each merge needs an id of its own: 256, 257, ...",
    _rounds(number=lambda done: BYTES),
)
untied.mistake(
    "The rarest pair is merged.",
    "`min` of the counts is the rarest. Put a minus before the count, or take `max`.",
    _rounds(lambda counts: min(counts, key=lambda pair: (counts[pair], pair))),
)
untied.mistake(
    "The pair with the largest ids is merged, whatever its count.",
    "`max(counts)` compares the keys. Give it a key: `key=...`.",
    _rounds(max),
)
untied.mistake(
    "The pair with the smallest ids is merged, whatever its count.",
    "`min(counts)` compares the keys. Give it a key: `key=...`.",
    _rounds(min),
)
untied.mistake(
    "The pair that was seen first is merged, whatever its count.",
    "Look at the counts: `counts[pair]`.",
    _rounds(lambda counts: next(iter(counts))),
)


@untied.mistake(
    "Each merge is made in the words as they came in, so the merges before it are lost.",
    "Take the merged words into the next round: `words = [merge(ids, pair, new) for ids in words]`.",
)
def _from_the_start(words: Words, n: int) -> Merges:
    merges: Merges = {}
    now = words
    for new in range(BYTES, BYTES + n):
        if not (counts := count_pairs(now)):
            break
        pair = min(counts, key=lambda pair: (-counts[pair], pair))
        merges[pair] = new
        now = [merge(ids, pair, new) for ids in words]
    return merges


untied.mistake(
    "Only the first word is merged.",
    "`words = [merge(ids, pair, new) for ids in words]` merges all of them.",
    _rounds(after=lambda words, pair, new: [merge(words[0], pair, new), *words[1:]]),
)
untied.mistake(
    "Only the last word is kept.",
    "`merged = []` belongs above the loop over the words.",
    _rounds(after=lambda words, pair, new: [merge(words[-1], pair, new)]),
)
untied.mistake(
    "The words become one long word, so pairs reach over their edges.",
    "Keep a list of lists: `[merge(ids, pair, new) for ids in words]`.",
    _rounds(after=lambda words, pair, new: [[id for ids in words for id in merge(ids, pair, new)]]),
)
untied.mistake(
    "The merged words are added to the old ones.",
    "They take the place of the old ones: `words = [...]`.",
    _rounds(after=lambda words, pair, new: [*words, *(merge(ids, pair, new) for ids in words)]),
)

tied = turn.probe("ties", _tied, _form)
tied.at_last = _why
tied.mistake(
    "Among equally frequent pairs it takes the one that it saw first.",
    "`max(counts, key=counts.get)` does that, and so does minbpe. The rule here: the smaller pair.",
    _rounds(lambda counts: max(counts, key=counts.__getitem__)),
)
tied.mistake(
    "Among equally frequent pairs it takes the one that it saw last.",
    "`>=` lets a later pair take over. The rule is: the smaller pair.",
    _rounds(lambda counts: max(reversed(counts), key=counts.__getitem__)),
)
tied.mistake(
    "Among equally frequent pairs it takes the larger one.",
    "`max` with the key (count, pair) does that. `min` with (-count, pair) takes the smaller.",
    _rounds(lambda counts: max(counts, key=lambda pair: (counts[pair], pair))),
)
tied.mistake(
    "Ties are settled by the right id.",
    "Compare the left ids first, as tuples do by themselves.",
    _rounds(lambda counts: min(counts, key=lambda pair: (-counts[pair], pair[1], pair[0]))),
)
tied.mistake(
    "In ties, ids are compared as text, where '10' comes before '9'.",
    "Compare the pairs themselves, tuples of numbers.",
    _rounds(lambda counts: min(counts, key=lambda pair: (-counts[pair], str(pair)))),
)
tied.mistake(
    "Ties are settled by the bytes that the ids stand for.",
    "Compare the ids: a new one, such as 256, comes after all bytes.",
    _by_bytes,
)
tied.mistake(
    "In ties with one left id, the pair that was seen first wins.",
    "Compare whole pairs: the smaller right id wins, too.",
    _rounds(lambda counts: min(counts, key=lambda pair: (-counts[pair], pair[0]))),
)
tied.mistake(
    "In ties with one left id, the larger right id wins.",
    "The smaller pair is asked for: the smaller right id wins, too.",
    _rounds(lambda counts: min(counts, key=lambda pair: (-counts[pair], pair[0], -pair[1]))),
)
tied.mistake(
    "In ties, the pair with the smaller sum of ids wins.",
    "Compare the pairs themselves, not their sums.",
    _rounds(lambda counts: min(counts, key=lambda pair: (-counts[pair], sum(pair)))),
)


@tied.mistake(
    "All pairs that are equally frequent are merged in one round.",
    "A merge changes the counts: merge one pair, then count again.",
)
def _tied_together(words: Words, n: int) -> Merges:
    merges: Merges = {}
    while len(merges) < n and (counts := count_pairs(words)):
        most = max(counts.values())
        for pair in sorted(pair for pair in counts if counts[pair] == most)[: n - len(merges)]:
            merges[pair] = BYTES + len(merges)
            words = [merge(ids, pair, merges[pair]) for ids in words]
    return merges


tied.mistake(
    "A pair that occurs once isn't merged.",
    "Stop only when there's no pair at all.",
    _rounds(least=2),
)

ended = turn.probe("no pair is left", _ended, _form)
ended.at_last = _why
ended.mistake(
    "With n = 0, it goes on until no pair is left.",
    "Ask before a merge whether there are n, not after it: `while len(merges) < n`.",
    lambda words, n: learn(words, n or 1000),
)
ended.mistake(
    "Where no pair is left, the result is None.",
    "A bare `return` gives None. `break` ends the loop, and the line below it returns the merges.",
    lambda words, n: merges if len(merges := learn(words, n)) == n else None,
)
ended.mistake(
    "At least one merge is made, even where none is asked for.",
    "n may be 0: check before the first round.",
    lambda words, n: learn(words, max(n, 1)),
)
