"""Other ways to encode a word than the right one, for the mistakes of 01.encode."""

from collections.abc import Callable, Iterable
from itertools import pairwise

from minillm.course.turns.tokenizer.counting import count_pairs
from minillm.course.turns.tokenizer.merging import merge

Ids = list[int]
Pair = tuple[int, int]
Merges = dict[Pair, int]


def bytes_of(id: int, merges: Merges) -> Ids:
    """The bytes that an id stands for."""
    pair = next((pair for pair, new in merges.items() if new == id), None)
    return [id] if pair is None else [byte for half in pair for byte in bytes_of(half, merges)]


def replay(choose: Callable[[list[tuple[int, int]]], tuple[int, int]]) -> Callable[[Ids, Merges], Ids]:
    """Of the known pairs as (new id, position), merge one; one position at a time."""

    def answer(ids: Ids, merges: Merges) -> Ids:
        ids = list(ids)
        while known := [(merges[pair], at) for at, pair in enumerate(pairwise(ids)) if pair in merges]:
            new, at = choose(known)
            ids[at : at + 2] = [new]
        return ids

    return answer


def by_pair(choose: Callable[[list[Pair], Merges], Pair]) -> Callable[[Ids, Merges], Ids]:
    """Of the known pairs, merge one, wherever it stands."""

    def answer(ids: Ids, merges: Merges) -> Ids:
        while known := [pair for pair in pairwise(ids) if pair in merges]:
            pair = choose(known, merges)
            ids = merge(ids, pair, merges[pair])
        return list(ids)

    return answer


def in_order(pairs: Callable[[Ids, Merges], Iterable[Pair]]) -> Callable[[Ids, Merges], Ids]:
    """Merge these pairs, in this order, each once."""

    def answer(ids: Ids, merges: Merges) -> Ids:
        for pair in pairs(ids, merges):
            ids = merge(ids, pair, merges[pair])
        return list(ids)

    return answer


def in_rounds(ids: Ids, merges: Merges) -> Ids:
    """In each round, merge all pairs that are known at its start, the one learned first before the others."""
    while found := known(ids, merges):
        for pair in sorted(set(found), key=merges.__getitem__):
            ids = merge(ids, pair, merges[pair])
    return list(ids)


def known(ids: Ids, merges: Merges) -> list[Pair]:
    """The pairs of neighbors that are in the merges, from left to right."""
    return [pair for pair in pairwise(ids) if pair in merges]


def passes(ids: Ids, merges: Merges) -> Ids:
    """Any known pair, from left to right, pass by pass, no id twice in a pass."""
    while True:
        out, i = [], 0
        while i < len(ids):
            pair = tuple(ids[i : i + 2])
            out.append(merges.get(pair, ids[i]))  # pyright: ignore[reportArgumentType, reportCallIssue]
            i += 2 if pair in merges else 1
        if out == ids:
            return list(ids)
        ids = out


def sweep(ids: Ids, merges: Merges) -> Ids:
    """Once over the word, each id joined to what stands before it where that is known."""
    out: Ids = []
    for id in ids:
        if out and (out[-1], id) in merges:
            out[-1] = merges[out[-1], id]
        else:
            out.append(id)
    return out


def longest(ids: Ids, merges: Merges) -> Ids:
    """The longest entry that fits, again and again."""
    spelled = {tuple(bytes_of(new, merges)): new for new in merges.values()}
    out, start = [], 0
    while start < len(ids):
        end = next(end for end in range(len(ids), start, -1) if end == start + 1 or tuple(ids[start:end]) in spelled)
        out.append(spelled.get(tuple(ids[start:end]), ids[start]))
        start = end
    return out


def fewest(ids: Ids, merges: Merges) -> Ids:
    """The fewest entries that spell the word; of several ways, the one with the longest last entry."""
    spelled = {tuple(bytes_of(new, merges)): new for new in merges.values()} | {(id,): id for id in ids}
    best: list[Ids] = [[]]  # of each beginning
    for end in range(1, len(ids) + 1):
        ways = ((start, tuple(ids[start:end])) for start in range(end))
        best.append(min(([*best[start], spelled[piece]] for start, piece in ways if piece in spelled), key=len))
    return best[-1]


def one_place(ids: Ids, merges: Merges) -> Ids:
    """Each merge once, at its first place."""
    ids = list(ids)
    for pair, new in merges.items():
        pairs = list(pairwise(ids))
        if pair in pairs:
            at = pairs.index(pair)
            ids[at : at + 2] = [new]
    return ids


def learned_anew(ids: Ids, merges: Merges) -> Ids:
    """New merges, learned from this one word."""
    for new in range(256, 256 + len(merges)):
        counts = count_pairs([ids])
        if not counts:
            break
        ids = merge(ids, min(counts, key=lambda pair: (-counts[pair], pair)), new)
    return list(ids)


def counted(ids: Ids, merges: Merges) -> Ids:
    """The right merges, with new ids that are counted from 256."""
    while found := known(ids, merges):
        pair = min(found, key=lambda pair: merges[pair])
        ids = merge(ids, pair, 256 + list(merges).index(pair))
    return list(ids)


def stops_at_unknown(ids: Ids, merges: Merges) -> Ids:
    """The right way, while all pairs of the word are known."""
    ids = list(ids)
    while len(ids) > 1 and all(pair in merges for pair in pairwise(ids)):
        pair = min(pairwise(ids), key=lambda pair: merges[pair])
        ids = merge(ids, pair, merges[pair])
    return ids


def stops_at_one_known(ids: Ids, merges: Merges) -> Ids:
    """The right way, while more than one pair of the word is known."""
    while len(found := known(ids, merges)) > 1:
        pair = min(found, key=lambda pair: merges[pair])
        ids = merge(ids, pair, merges[pair])
    return list(ids)


def from_the_right(ids: Ids, merges: Merges) -> Ids:
    """Once over the word from its end, each id joined to what stands after it while that is known."""
    out: Ids = []
    for id in reversed(ids):
        while out and (id, out[0]) in merges:
            id = merges[id, out.pop(0)]
        out.insert(0, id)
    return out


def stops_at_two(ids: Ids, merges: Merges) -> Ids:
    """The right way, but it stops where two ids are left."""
    ids = list(ids)
    while len(ids) > 2 and (found := known(ids, merges)):
        pair = min(found, key=merges.__getitem__)
        ids = merge(ids, pair, merges[pair])
    return ids


def half_the_rounds(ids: Ids, merges: Merges) -> Ids:
    """The right way, but with half as many rounds as ids."""
    word = list(ids)
    for _ in range(len(ids) // 2):
        if found := known(word, merges):
            pair = min(found, key=merges.__getitem__)
            word = merge(word, pair, merges[pair])
    return word


def misses_last(ids: Ids, merges: Merges) -> Ids:
    """The right way, but without a look at the last pair of the word."""
    while found := known(ids[:-1], merges):
        pair = min(found, key=merges.__getitem__)
        ids = merge(ids, pair, merges[pair])
    return list(ids)


def until_unused(ids: Ids, merges: Merges) -> Ids:
    """Merges in the order of learning, up to the first that the word doesn't hold."""
    for pair in sorted(merges, key=merges.__getitem__):
        if pair not in pairwise(ids):
            break
        ids = merge(ids, pair, merges[pair])
    return list(ids)
