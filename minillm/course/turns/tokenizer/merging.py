"""01.merge: one new id in place of each occurrence of a pair, from left to right (Gage 1994)."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import a_list
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn

Ids = list[int]
Pair = tuple[int, int]


def merge(ids, pair, new):
    """The ids as a new list, with the id `new` in place of each occurrence of the pair, from left to right."""
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


turn = Turn(
    "01.merge",
    "Merge a pair",
    merge,
    minutes=6,
    difficulty=2,
    hints=(
        "How far do you step after a pair was found, and how far after anything else?",
        "A `for` loop can't skip an id. A `while` loop with a position of your own can: plus 2 or plus 1.",
        "Append to a new list: `new` where the pair begins, else the id itself. The last id has no right neighbor, but "
        "it must come out, too.",
    ),
    errors={
        "changed the input": "`ids` belongs to the caller. Build a new list, or begin with `ids = list(ids)`.",
        "assignment index": "Is the list still empty there? At i = 0, `ids[i - 1]` is the last id. Begin at 1, or look "
        "ahead.",
        "index out of range": "The last id has no right neighbor; a slice never fails. A list that gets shorter ends "
        "before its `range` does. And does the line below your `if` run after a pair, too? It needs an `else`.",
        "has not finished": "Does the position grow in every round, by 2 after a pair and by 1 otherwise?",
        "name '(idx|i|id|position|pos|merged|out|result|newids|new_ids)' is not defined": "The arguments are `ids`, "
        "`pair` and `new`. Everything else must begin in your function.",
        "'int' object is not iterable": "`ids` is one word, so its items are numbers. And `+=` wants a list: "
        "`+= [new]`, or `.append(new)`.",
        "no attribute 'append'": "`append` changes the list and returns None. Leave out the `=` before it.",
        "invalid literal for int": "An empty text has no number in it. Nor is text needed: compare the numbers.",
        "bytes must be in range": "An id above 255 isn't a byte. Stay with lists.",
        "unsupported operand|can only concatenate|must be str": "`ids` is a list of numbers, `pair` a tuple of two, "
        "and `new` a number. `[new]` is a list with it.",
        "no attribute '(replace|join|split|encode)'": "`ids` is a list of numbers, not text.",
    },
    debrief=Debrief(
        "Fast tokenizers keep a word as a linked list and a queue of pairs, so that a merge touches only neighbors.",
        "After this merge, how many pairs can be in the word that weren't there before?",
    ),
)


def _ids(rng: random.Random, n: int, most: int = 4) -> Ids:
    return [rng.randint(1, most) for _ in range(n)]


def _plain(rng: random.Random) -> list[Call]:
    """The pair is of two different ids."""
    two = rng.sample([1, 2, 3], 2)
    return [
        ([5, 7, 8, 5], (7, 8), 256),
        ([7, 8, 5, 7, 8], (7, 8), 256),
        ([8, 7, 3, 7, 8, 3], (7, 8), 300),
        *((_ids(rng, rng.randint(5, 12), 3), (two[0], two[1]), 256 + n) for n in range(12)),
    ]


def _odd(rng: random.Random) -> list[Call]:
    """The pair is of equal ids, at an edge, or not there; large ids, of which Python makes new objects; 46, a dot."""
    big = 40_000 + rng.randint(0, 9)
    return [
        ([7, 7, 7], (7, 7), 256),
        ([7, 7, 7, 7, 7, 1], (7, 7), 256),
        ([7], (7, 8), 256),
        ([], (7, 8), 256),
        ([1, 2, 3], (2, 1), 256),
        ([big, int(str(big)), 3], (big, int(str(big))), 50_000),
        ([17, 8, 3, 7, 80, 7, 8], (7, 8), 256),
        ([0, 7, 8, 0], (7, 8), 256),
        ([9, 7, 46, 7, 3], (46, 7), 256),
        *(([1] * n + [2] + [1] * (n + 1), (1, 1), 256) for n in range(1, 5)),
    ]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    for index, answer in enumerate(got):
        if type(answer) is str:
            return "That's text, and a list of ids is asked for.", "Append to a new list, and return it.", index
        if type(answer) is Tensor:
            return "That's a tensor or an array, and a list is asked for.", "End with `.tolist()`.", index
        if type(answer) is int:
            return "That's a number, and a list of ids is asked for.", "Append to a new list, and return it.", index
        if type(answer) is list and any(type(id) is not int for id in answer):
            if any(id == list(calls[index][1]) or id == calls[index][1] for id in answer):
                return "The pair itself is in the list.", "Append `new` in its place.", index
            return "Not everything in the list is an id.", "Append numbers; `+= [new]` adds one.", index
    return None


def _why(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """What is true of a wrong list that no known mistake explains."""
    for index, ((ids, pair, _), wanted, answer) in enumerate(zip(calls, right, got, strict=True)):
        if answer != wanted and type(answer) is list:
            if answer == ids and wanted != ids:
                return "Nothing is merged here.", "Is the comparison ever true in this case?", index
            if pair in pairwise(answer):
                return f"The pair {pair} is still there.", "Look at every position.", index
            if len(answer) < len(wanted):
                hint = "Is something merged that isn't the pair? Or is an id lost, such as the last one?"
                return f"{len(answer)} ids come out, and {len(wanted)} are right.", hint, index
    return None


def _walk(
    hit: Callable[[Ids, int, Pair], bool],
    put: Callable[..., Ids] = lambda ids, i, pair, new: [new],
    after: int = 2,
) -> Any:
    """The course's version with another condition, other ids in place of a pair, or another step after it."""

    def answer(ids: Ids, pair: Pair, new: int) -> Ids:
        merged, position = [], 0
        while position < len(ids):
            found = hit(ids, position, pair)
            merged += put(ids, position, pair, new) if found else [ids[position]]
            position += after if found else 1
        return merged

    return answer


def _here(ids: Ids, i: int, pair: Pair) -> bool:
    return tuple(ids[i : i + 2]) == tuple(pair)


plain = turn.probe("a pair of two ids", _plain, _form, demand=a_list)
plain.at_last = _why
plain.mistake(
    "Nothing is merged.",
    "Is your comparison ever true? A slice is a list, and an id a number; neither equals the tuple `pair`. And do you "
    "return the new list?",
    lambda ids, pair, new: list(ids),
)


@plain.mistake(
    "The right id of a pair is used, and comes out once more.",
    "After a pair go on by two. A `for` loop can't: changing its `i` has no effect on the next round.",
)
def _right_stays(ids: Ids, pair: Pair, new: int) -> Ids:
    return [new if _here(ids, i, pair) else id for i, id in enumerate(ids)]


@plain.mistake(
    "The last id is lost, unless it's part of a pair.",
    "A loop up to `len(ids) - 1` ends before the last id. Append it after the loop, or go on to `len(ids)`.",
)
def _last_lost(ids: Ids, pair: Pair, new: int) -> Ids:
    merged = merge(ids, pair, new)
    return merged if tuple(ids[-2:]) == tuple(pair) else merged[:-1]


@plain.mistake(
    "What comes after the last left id of the pair is lost.",
    "Where no left id is found any more, the rest of the word still comes out: `merged += ids[i:]`.",
)
def _tail_lost(ids: Ids, pair: Pair, new: int) -> Ids:
    last = max((i for i, id in enumerate(ids) if id == pair[0]), default=-1)
    return merge(ids[: last + 1 + _here(ids, last, pair)], pair, new)


plain.mistake(
    "The last id comes out once more, though it's part of a pair.",
    "Append it after the loop only if the loop hasn't used it. Or let the loop go on to `len(ids)`.",
    lambda ids, pair, new: [*merge(ids, pair, new), *(ids[-1:] if tuple(ids[-2:]) == tuple(pair) else [])],
)
plain.mistake(
    "The new id is 256, whatever `new` says.",
    "Append `new`.",
    lambda ids, pair, new: merge(ids, pair, 256),
)


@plain.mistake(
    "Both mistakes of a `for` loop over pairs: the right id of a pair comes out, and the last id doesn't.",
    "Use a `while` loop with a position of your own: plus 2 after a pair, else plus 1.",
)
def _for_pairs(ids: Ids, pair: Pair, new: int) -> Ids:
    return [new if both == tuple(pair) else both[0] for both in pairwise(ids)]


@plain.mistake(
    "It stops after the first pair: what comes after isn't looked at.",
    "The pair may be there several times. Go on behind each of them.",
)
def _first_only(ids: Ids, pair: Pair, new: int) -> Ids:
    for i in range(len(ids) - 1):
        if _here(ids, i, pair):
            return [*ids[:i], new, *ids[i + 2 :]]
    return list(ids)


@plain.mistake(
    "It goes in steps of two, so a pair that begins at an odd position is missed.",
    "Go on by two only after a pair; by one in all other cases.",
)
def _twos(ids: Ids, pair: Pair, new: int) -> Ids:
    twos = [ids[i : i + 2] for i in range(0, len(ids), 2)]
    return [id for two in twos for id in ([new] if tuple(two) == tuple(pair) else two)]


@plain.mistake(
    "It goes on by two everywhere, so ids in between are lost.",
    "Go on by two only after a pair; by one in all other cases.",
)
def _always_two(ids: Ids, pair: Pair, new: int) -> Ids:
    return [new if _here(ids, i, pair) else ids[i] for i in range(0, len(ids), 2)]


plain.mistake(
    "The pair in reverse is merged, too.",
    "Compare in order: the left id with the left one, the right with the right.",
    _walk(lambda ids, i, pair: sorted(ids[i : i + 2]) == sorted(pair)),
)
plain.mistake(
    "Only the left id is compared, so any right neighbor is swallowed.",
    "Both must fit: `ids[i]` and `ids[i + 1]`.",
    _walk(lambda ids, i, pair: ids[i] == pair[0]),
)
plain.mistake(
    "Only the right id is compared, so any left neighbor is swallowed.",
    "Both must fit: `ids[i]` and `ids[i + 1]`.",
    _walk(lambda ids, i, pair: ids[i + 1 : i + 2] == [pair[1]]),
)
plain.mistake(
    "The left id of a pair stays, and `new` comes after it.",
    "Append `new` in place of both ids.",
    _walk(_here, lambda ids, i, pair, new: [pair[0], new]),
)
plain.mistake(
    "The left id of a pair comes out in its place, and `new` never does.",
    "Append `new` if the pair is there, else the id.",
    _walk(_here, lambda ids, i, pair, new: [pair[0]]),
)
plain.mistake(
    "`new` comes out twice: once for each id of the pair.",
    "One `new` stands for both ids.",
    _walk(_here, lambda ids, i, pair, new: [new, new]),
)
plain.mistake(
    "Two neighbors are merged if both ids are in the pair, in any order, or the same id twice.",
    "Compare in order: the left id with `pair[0]`, the right one with `pair[1]`.",
    _walk(lambda ids, i, pair: len(ids[i : i + 2]) == 2 and all(id in pair for id in ids[i : i + 2])),
)


@plain.mistake(
    "The id after a pair comes out without being looked at.",
    "Go on right behind the pair, and look again. Does a line below an `if` run after a pair, too? Or, in a text, do "
    "neighbors share a space?",
)
def _no_else(ids: Ids, pair: Pair, new: int) -> Ids:
    merged, position = [], 0
    while position < len(ids):
        if _here(ids, position, pair):
            merged.append(new)
            position += 2
        merged += ids[position : position + 1]
        position += 1
    return merged


plain.mistake(
    "The id behind each pair is lost.",
    "After a pair the position grows by 3: by 2, and by 1 below the `if`. Put the 1 into an `else`.",
    _walk(_here, after=3),
)
plain.mistake(
    "The id behind a left id is used up, even where the two aren't the pair.",
    "It may begin a pair itself: 1, 1, 3 holds (1, 3). Look at it without taking it.",
    _walk(
        lambda ids, i, pair: ids[i] == pair[0],
        lambda ids, i, pair, new: [new] if _here(ids, i, pair) else ids[i : i + 2],
    ),
)


plain.mistake(
    "The pair isn't merged where it ends the word.",
    "The last pair begins at `len(ids) - 2`: `i + 2 < len(ids)` stops before it.",
    _walk(lambda ids, i, pair: i + 2 < len(ids) and _here(ids, i, pair)),
)


@plain.mistake(
    "It ends at the first left id that has no right one behind it.",
    "A left id may stand alone, and the pair comes later. Walk over all positions.",
)
def _until_alone(ids: Ids, pair: Pair, new: int) -> Ids:
    alone = (i for i, id in enumerate(ids) if id == pair[0] and not _here(ids, i, pair))
    end = next(alone, len(ids))
    return [*merge(ids[:end], pair, new), *ids[end:]]


@plain.mistake(
    "Only the first occurrence of the left id is checked.",
    "`index` finds the first one only. Walk over all positions.",
)
def _first_left(ids: Ids, pair: Pair, new: int) -> Ids:
    at = ids.index(pair[0]) if pair[0] in ids else 0
    return [*ids[:at], new, *ids[at + 2 :]] if _here(ids, at, pair) else list(ids)


plain.mistake(
    "The pair vanishes, and nothing comes in its place.",
    "Append `new`, then go on by two.",
    _walk(_here, lambda ids, i, pair, new: []),
)
plain.mistake(
    "The sum of the two ids is put in place of the pair.",
    "An id is a name, not a quantity. Append `new`.",
    _walk(_here, lambda ids, i, pair, new: [sum(pair)]),
)
plain.mistake(
    "Only the first id comes out.",
    "Is `return` inside the loop? It ends the loop in its first round.",
    lambda ids, pair, new: merge(ids, pair, new)[:1],
)
plain.mistake(
    "The result is in reverse order.",
    "If you begin at the end, turn the list around before you return it.",
    lambda ids, pair, new: merge(ids, pair, new)[::-1],
)
plain.mistake(
    "Each id of the pair becomes `new`, wherever it stands.",
    "Both must stand side by side, in order.",
    lambda ids, pair, new: [new if id in pair else id for id in ids],
)

odd = turn.probe("equal ids, edges, nothing to merge", _odd, _form, demand=a_list)
odd.at_last = _why


@odd.mistake(
    "An id is used twice: 7, 7, 7 became two new ids.",
    "After a pair go on by two: both of its ids are used.",
)
def _twice(ids: Ids, pair: Pair, new: int) -> Ids:
    merged, taken = [], False
    for i, id in enumerate(ids):
        if _here(ids, i, pair):
            merged.append(new)
            taken = True
        elif not taken:
            merged.append(id)
        else:
            taken = False
    return merged


@odd.mistake(
    "It merges from the right: 7, 7, 7 became 7, 256.",
    "Go from the left: 256, 7. Another order gives other ids, which the model wasn't trained on.",
)
def _from_right(ids: Ids, pair: Pair, new: int) -> Ids:
    return merge(ids[::-1], (pair[1], pair[0]), new)[::-1]


@odd.mistake(
    "In 7, 7, 7 all three become one new id.",
    "You look back at the old list, where the middle 7 is still there. It's used: the third 7 must come out.",
)
def _swallows(ids: Ids, pair: Pair, new: int) -> Ids:
    merged: Ids = []
    for i, id in enumerate(ids):
        if i and (ids[i - 1], id) == tuple(pair):
            merged[-1] = new
        else:
            merged.append(id)
    return merged


@odd.mistake(
    "In 7, 7, 7, 7 only the first two are merged.",
    "The pair at position 1 is gone by then, so it doesn't bar the one at 2. Go on behind each pair that was merged.",
)
def _bars_by_barred(ids: Ids, pair: Pair, new: int) -> Ids:
    hits = [_here(ids, i, pair) for i in range(len(ids))]
    starts = [hit and not before for hit, before in zip(hits, [False, *hits], strict=False)]
    used = [False, *starts]
    return [new if start else id for id, start, right in zip(ids, starts, used, strict=False) if not right]


odd.mistake(
    "The id 0 is lost.",
    "0 is an id like any other, and `if id` is false for it. Mark nothing with 0, and ask `is not None`.",
    lambda ids, pair, new: [id for id in merge(ids, pair, new) if id],
)
odd.mistake(
    "Ids above 256 are compared by `is`, which asks for the same object.",
    "Two equal numbers may be two objects. Compare with `==`.",
    _walk(lambda ids, i, pair: _here(ids, i, pair) and max(pair) <= 256),
)
odd.mistake(
    "The ids are searched as text, where 17, 8 holds 7, 8.",
    "Digits aren't ids. Compare the numbers.",
    lambda ids, pair, new: [
        int(part) for part in " ".join(map(str, ids)).replace(f"{pair[0]} {pair[1]}", str(new)).split()
    ],
)

odd.mistake(
    "The ids are searched by a regular expression, where 46 is a dot and fits any id.",
    "Put `re.escape` around the pair, or compare the numbers.",
    _walk(lambda ids, i, pair: len(ids) > i + 1 and pair[0] in (46, ids[i]) and pair[1] in (46, ids[i + 1])),
)
