"""01.encode: cut a new word by replaying the merges in the order in which they were learned."""

from itertools import pairwise
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import a_list
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.tokenizer.encoding_inputs import draw_few, draw_more, draw_odd, draw_shuffled
from minillm.course.turns.tokenizer.encoding_variants import (
    by_pair,
    bytes_of,
    counted,
    fewest,
    from_the_right,
    half_the_rounds,
    in_order,
    in_rounds,
    known,
    learned_anew,
    longest,
    misses_last,
    one_place,
    passes,
    replay,
    stops_at_one_known,
    stops_at_two,
    stops_at_unknown,
    sweep,
    until_unused,
)
from minillm.course.turns.tokenizer.merging import merge

MANY = 2000  # merges, in the call that counts steps


def encode(ids, merges):
    """The ids of a word after all merges: of the pairs that are known, the one learned first goes first."""
    while True:
        known = [pair for pair in pairwise(ids) if pair in merges]
        if not known:
            return list(ids)
        pair = min(known, key=lambda pair: merges[pair])
        ids = merge(ids, pair, merges[pair])


turn = Turn(
    "01.encode",
    "Encode a word",
    encode,
    minutes=8,
    difficulty=3,
    hints=(
        "New ids were given out in order. What does the smallest of `merges[pair]` tell you about a pair?",
        "In each round, list the pairs of the word that are in `merges`. None left: you're done.",
        "`min` with the key `merges.get` picks the known pair that was learned first. `merge` it, then look at the "
        "*new* list of ids again.",
    ),
    long_call=([7 * n for n in range(20)], {(n, n + 1): 256 + n for n in range(MANY)}),
    slow=(
        "The result is right, but `encode` goes through all merges for each word.",
        "GPT-2 has 50,000 merges, and a word has a handful of pairs. Look those up: `pair in merges`.",
    ),
    errors={
        "changed the input": "`ids` and `merges` belong to the caller. `merge` makes a new list; `list(ids)` and "
        "`dict(merges)` are copies.",
        "^KeyError|raised KeyError": "That pair isn't in `merges`. Is it looked up inside the key, or did `min` "
        "return it where none is known? Choose among the known pairs, and stop where there are none.",
        "(min|max)\\(\\).*(empty|iterable argument)|arg is an empty": "No known pair is left: return the ids before "
        "you ask for the smallest.",
        "has not finished": "Does the loop end when no pair of the word is in `merges`? And does each round use the "
        "merged ids?",
        "unhashable type": "The keys of `merges` are tuples. `ids[i : i + 2]` is a list; `tuple(...)` makes one of it. "
        "(A cache needs such keys, too.)",
        "index out of range": "The last id has no right neighbor. A word may be a single id, or empty.",
        "'int' object is not iterable|is not subscriptable|has no len": "`merge(ids, pair, new)` takes a list of ids, "
        "a pair, and one new id: `merges[pair]`. `count_pairs` takes a list of words: `[ids]`.",
        "'dict' object is not callable": "`key=` takes a function. `merges.get` is one; `merges` isn't.",
        "bytes must be in range": "An id above 255 isn't a byte. Return the list of ids.",
        "name '(inf|ranks|rank|vocab|get_stats|stats|text|word|words|tokens)' is not defined": "The arguments are "
        "`ids` and `merges`, which holds a new id for each pair.",
        "no attribute '(encode|index|find|replace|split)'": "`ids` is a list of numbers, and `merges` a dictionary.",
    },
    debrief=Debrief(
        "GPT-2's own encoder is this loop, with a cache of the words that it has seen. tiktoken does it in Rust, and "
        "words are where the work can be shared out.",
        "Why is it enough to encode each different word once?",
    ),
)


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    none_where_known = [(answer is None) is bool(known(*call)) for call, answer in zip(calls, got, strict=True)]
    if None in got and all(none_where_known):
        return (
            "Where a pair is known, None is returned.",
            "Is there a `return` on that path? A call of itself needs one, too.",
        )
    for index, answer in enumerate(got):
        if type(answer) is int:
            return "That's a number, and a list of ids is asked for.", "Return the ids themselves.", index
        if type(answer) is dict:
            return "That's a dictionary, and a list of ids is asked for.", "Return the ids themselves.", index
        if type(answer) is list and any(type(id) is not int for id in answer):
            hint = "`merges[pair]` is the id that takes the pair's place."
            return "Not everything in the list is an id.", hint, index
    return None


def _why(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """What is true of wrong ids that no known mistake explains."""
    for index, ((ids, merges), wanted, answer) in enumerate(zip(calls, right, got, strict=True)):
        if type(answer) is not list or answer == wanted:
            continue
        spelled = [byte for id in answer for byte in bytes_of(id, merges)]
        if spelled != ids:
            return (
                "Spelled out, the result isn't the word that came in.",
                "Merging must lose nothing. Or is it kept from an earlier call?",
                index,
            )
        if any(pair in merges for pair in pairwise(answer)):
            pair = next(pair for pair in pairwise(answer) if pair in merges)
            return f"{pair} is still in the result, and it's known: it ends too early.", "Until none is left.", index
    return None


few = turn.probe("a handful of merges", draw_few, _form, demand=a_list)
few.at_last = _why


few.mistake(
    "Any known pair is merged, pass by pass from the left, whatever the order of learning.",
    "Of all known pairs in the word, merge the one with the smallest new id. Then look again.",
    passes,
)
few.mistake(
    "It goes over the word once, and joins each id to what stands before it.",
    "Of all known pairs in the word, merge the one with the smallest new id. Then look again.",
    sweep,
)
few.mistake(
    "The leftmost known pair goes first, not the one learned first.",
    "Compare all known pairs: the smallest `merges[pair]` goes first.",
    by_pair(lambda known, merges: known[0]),
)
few.mistake(
    "The leftmost known pair goes first, one position at a time.",
    "Compare all known pairs: the smallest `merges[pair]` goes first.",
    replay(lambda known: min(known, key=lambda one: one[1])),
)
few.mistake(
    "The rightmost known pair goes first, not the one learned first.",
    "Compare all known pairs: the smallest `merges[pair]` goes first.",
    by_pair(lambda known, merges: known[-1]),
)
few.mistake(
    "The pair that was learned last goes first.",
    "A small new id means learned early, and that goes first: `min`, not `max`.",
    by_pair(lambda known, merges: max(known, key=lambda pair: merges[pair])),
)
few.mistake(
    "The pair that was learned last goes first, one position at a time.",
    "A small new id means learned early, and that goes first: `min`, not `max`.",
    replay(max),
)
few.mistake(
    "The pair with the smallest ids goes first.",
    "They are compared by their own ids, but the smallest new id goes first: `key=merges.get`.",
    by_pair(lambda known, merges: min(known)),
)
few.mistake(
    "The pair with the largest ids goes first.",
    "They are compared by their own ids. The smallest new id goes first.",
    by_pair(lambda known, merges: max(known)),
)
few.mistake(
    "The pair that is most frequent in this word goes first.",
    "That's how merges are learned. Encoding takes the known pair with the smallest new id.",
    by_pair(lambda known, merges: max(dict.fromkeys(known), key=known.count)),
)
few.mistake(
    "The pair that is most frequent in this word goes first; the new ids only settle ties.",
    "That's how merges are learned. Encoding takes the known pair with the smallest new id.",
    by_pair(lambda known, merges: min(known, key=lambda pair: (-known.count(pair), merges[pair]))),
)
few.mistake(
    "The last pair of the word isn't looked at.",
    "A word of n ids has n - 1 pairs: `range(len(ids) - 1)`.",
    misses_last,
)
few.mistake(
    "It stops after one merge.",
    "A merge makes new neighbors. Look at the word again until no pair is known.",
    in_order(lambda ids, merges: sorted(known(ids, merges), key=merges.__getitem__)[:1]),
)
few.mistake(
    "It stops as soon as one pair of the word is unknown.",
    "Is it `all` where it should be `any`? Or `merges.get(pair, 0)`, by which an unknown pair is the smallest? List "
    "the known pairs, and choose among them.",
    stops_at_unknown,
)
few.mistake(
    "It stops while one pair is still known.",
    "One known pair is one merge to do. Stop when there's none.",
    stops_at_one_known,
)
few.mistake(
    "It ends one merge too early where two ids are left.",
    "Two ids have one pair. Let the list of known pairs decide when to stop.",
    stops_at_two,
)
few.mistake(
    "There are half as many rounds as ids, at most.",
    "Each merge takes one id away, so n ids can need n - 1. Let the list of known pairs decide when to stop.",
    half_the_rounds,
)
few.mistake(
    "It goes over the word once, from the right.",
    "Of all known pairs in the word, merge the one with the smallest new id. Then look again.",
    from_the_right,
)
few.mistake(
    "Only the very first merge in `merges` is ever tried.",
    "Choose among the known pairs *of this word*: the one with the smallest new id.",
    in_order(lambda ids, merges: list(merges)[:1]),
)
few.mistake(
    "It ends at the first merge that isn't in the word.",
    "Most merges aren't. Choose among the known pairs *of this word*, and stop when there's none.",
    until_unused,
)
few.mistake(
    "Only the pairs that were known at the start are merged.",
    "A merge makes new neighbors. Are they in your list of known pairs after it, those with new ids, too?",
    in_order(lambda ids, merges: sorted(dict.fromkeys(known(ids, merges)), key=merges.__getitem__)),
)


few.mistake(
    "All pairs that are known at the start of a round are merged, before it looks again.",
    "A merge may make a pair that was learned earlier than the next one. Look again after each merge.",
    in_rounds,
)
few.mistake(
    "The word is cut into as few entries as can be.",
    "That's another algorithm. Here the merges are replayed: of the known pairs, the one learned first.",
    fewest,
)
few.mistake(
    "The longest entry that fits is taken, again and again.",
    "That's another algorithm (WordPiece). Here the merge that was learned first goes first.",
    longest,
)
few.mistake(
    "Each merge is used at one position only.",
    "A pair may stand at several positions; `merge` replaces all of them.",
    one_place,
)
few.mistake(
    "Equal ids in a row are merged from the right: 97, 97, 97 became 97, 256.",
    "From the left: 256, 97. `merge` does that.",
    replay(lambda known: min(known, key=lambda one: (one[0], -one[1]))),
)
few.mistake(
    "Nothing is merged: the ids come back as they were.",
    "Is any pair ever found? The keys of `merges` are tuples. And keep what `merge` returns: `ids = merge(...)`.",
    lambda ids, merges: list(ids),
)
few.mistake(
    "New merges are learned from this one word.",
    "Learning is over. Use the `merges` that come in.",
    learned_anew,
)
few.mistake(
    "Where a pair was, its number in the list is put, counted from 0.",
    "`merges[pair]` is the id that takes the pair's place.",
    lambda ids, merges: [id - 256 if id >= 256 else id for id in encode(ids, merges)],
)


more = turn.probe("a small vocabulary", draw_more, _form, demand=a_list)
more.at_last = _why
odd = turn.probe("short words, and nothing to merge", draw_odd, _form, demand=a_list)
odd.at_last = _why
odd.mistake(
    "The new ids are counted from 256.",
    "They are in `merges`: `merges[pair]`. In other vocabularies, the first one isn't 256.",
    counted,
)
odd.mistake(
    "New ids above some thousand are never used.",
    "A vocabulary may be larger. `float('inf')` is above every id.",
    lambda ids, merges: encode(ids, {pair: new for pair, new in merges.items() if new < 10_000}),
)
odd.mistake(
    "The new ids are compared as text, where '1000' comes before '256'.",
    "Compare the numbers: `merges[pair]`, without `str`.",
    by_pair(lambda known, merges: min(known, key=lambda pair: str(merges[pair]))),
)
odd.mistake(
    "A word of two ids is left as it is.",
    "Two ids have one pair. Let the list of known pairs decide when to stop.",
    lambda ids, merges: list(ids) if len(ids) == 2 else encode(ids, merges),
)

shuffled = turn.probe("merges in another order than they were learned in", draw_shuffled, _form, demand=a_list)
shuffled.at_last = _why
shuffled.mistake(
    "The merges are replayed in the dictionary's order.",
    "Their new ids tell in which order they were learned: the smallest of the known pairs goes first.",
    in_order(lambda ids, merges: merges),
)
