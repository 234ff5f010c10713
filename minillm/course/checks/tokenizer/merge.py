"""01.2, a bug-hunt: merging by text replacement, which does not know where a piece begins and ends.

It happens: algorithm 1 of Sennrich et al. (2016) keeps the symbols of a word in one string with spaces between them,
and needs two look-arounds in a regular expression to be right. A copy in a hurry leaves them out.
"""

import random
import re
from functools import partial
from itertools import pairwise
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import a_list
from minillm.course.checks.plain import difference
from minillm.course.checks.question import Question

Pieces = list[str]
Pair = tuple[str, str]
SEPARATORS = (" ", "\0", "\1", "\t", "\x1f", "\x7f", "\u2063", "\u241f", "\ue000", "\uffff", "|")  # each a piece


def merge(pieces: Pieces, pair: Pair) -> Pieces:
    """The right answer: join the pair wherever it occurs, from the left, and use no piece twice.

    >>> merge(["the", "s", "e", "s"], ("e", "s"))
    ['the', 's', 'es']
    """
    merged: Pieces = []
    fresh = False  # a joined piece takes no part in another merge
    for piece in pieces:
        if merged and not fresh and (merged[-1], piece) == tuple(pair):
            merged[-1] += piece
            fresh = True
        else:
            merged.append(piece)
            fresh = False
    return merged


def _by(pieces: Pieces, pair: Pair, *, pattern: str) -> Pieces:
    """Merging in one string with spaces between the pieces; the pattern says where the pair is found."""
    found = re.compile(pattern.format(re.escape(" ".join(pair))))
    return found.sub(lambda _: "".join(pair), " ".join(pieces)).split(" ")


def _letters(rng: random.Random) -> list[Call]:
    def call() -> Call:
        return rng.choices(["e", "s", "the", "se"], k=rng.randint(3, 9)), ("e", "s")

    return [(["the", "s"], ("e", "s")), *(call() for _ in range(20))]


def _characters(rng: random.Random) -> list[Call]:
    def call() -> Call:
        pieces = rng.choices(["a", "a", "a", " a", "-a", "a-", "-", "|", "\n"], k=rng.randint(4, 10))
        return pieces, rng.choice([("a", "a"), (" a", "a"), ("a", "-")])

    return [
        (["a", "a", "a"], ("a", "a")),
        (["a"], ("a", "a")),
        (["t", "he", "th", "e"], ("th", "e")),
        *(call() for _ in range(20)),
        ([], ("a", "a")),
        (["b", "a", "b", "a", "a"], ("a", "a")),
        (["a", "b"], ("b", "a")),
        (["a", *SEPARATORS, "a"], ("a", "a")),
        (["th", "en", "th"], ("".join("th"), "".join("en"))),  # equal to the pieces, but not the same objects
    ]


CHARACTERS = (
    "a piece that repeats",
    "a single piece",
    "pieces that read like the pair",
    *["spaces and other characters in pieces"] * 20,
    "no pieces",
    "a pair at the very end",
    "the pair in reverse",
    "unusual characters",
    "pieces that equal the pair but are other objects",
)


def _joins(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Which pieces were joined that are not the pair, which were not, or what got lost."""
    for (pieces, pair), wanted, gave in zip(calls, right, got, strict=True):
        if not difference(wanted, gave):
            continue
        if type(gave) not in (list, tuple) or any(type(piece) is not str for piece in gave):
            return None
        text, due = "".join(gave), "".join(pieces)
        for character in sorted(set(due + text)):
            if not character.isalnum() and text != due and text.replace(character, "") == due.replace(character, ""):
                hint = "A piece may hold any character, so none can mark where pieces end. Keep the list."
                return f"The character {character!r} of a piece is lost, or taken for an edge between pieces.", hint
        if text != due:
            hint = "Each piece must come out once, alone or joined. Follow the first and the last one by hand."
            return f"Put together, the result reads {text!r}, and the pieces read {due!r}.", hint
        rest, groups = list(pieces), []
        for piece in gave:
            groups.append([])
            while rest and len("".join(groups[-1])) < len(piece):
                groups[-1].append(rest.pop(0))
            if "".join(groups[-1]) != piece:
                return f"It cuts a piece: {piece!r} does not end where a piece does.", "Compare and join whole pieces."
        for group in groups:
            if len(group) > 1 and tuple(group) != pair:
                joined = " and ".join(map(repr, group))
                return f"It joins {joined}, and the pair is {pair}.", "Compare both, in order, with the pair."
        for one, other in pairwise(groups):
            if (*one, *other) == pair:
                at = groups.index(one)
                return f"{pair[0]!r} and {pair[1]!r} stay apart, at [{at}] of the result.", "Look at every position."
    return None


question = Question("01.2", "A merge by str.replace", merge, forbidden=("minillm", "tokenizers"), fresh=True)

similar_pieces = question.probe("pieces that begin or end like the pair", _letters, _joins, demand=a_list)
similar_pieces.mistake(
    "It joins a piece that only ends or begins like the pair: 'the' and 's' for the pair 'e', 's'.",
    "A text does not know where its pieces end. Compare whole pieces, two at a time.",
    partial(_by, pattern="{}"),
)
similar_pieces.mistake(
    "The right piece may go on: 'e' and 'se' are joined for the pair 'e', 's'.",
    "Compare both pieces whole, the right one too.",
    partial(_by, pattern=r"(?<!\S){}"),
)
similar_pieces.mistake(
    "The left piece may begin earlier: 'the' and 's' are joined for the pair 'e', 's'.",
    "Compare both pieces whole, the left one too.",
    partial(_by, pattern=r"{}(?!\S)"),
)


@similar_pieces.mistake(
    "It stops after the first position.", "The pair may occur several times in a word. Continue after each of them."
)
def _first_place(pieces, pair):
    for at, two in enumerate(pairwise(pieces)):
        if two == tuple(pair):
            return [*pieces[:at], "".join(pair), *pieces[at + 2 :]]
    return pieces


@similar_pieces.mistake(
    "Of two positions in a row it joins only the first.",
    "Go on directly after what was joined. (In a text with spaces both positions share the one between.)",
)
def _between_blanks(pieces, pair):
    return f" {' '.join(pieces)} ".replace(f" {' '.join(pair)} ", f" {''.join(pair)} ")[1:-1].split(" ")


@similar_pieces.mistake(
    "It goes in steps of two, so a pair that begins at an odd position is not seen.",
    "Go on by two only after a pair was joined; by one in all other cases.",
)
def _two_by_two(pieces, pair):
    twos = [pieces[at : at + 2] for at in range(0, len(pieces), 2)]
    return [piece for two in twos for piece in (["".join(two)] if tuple(two) == tuple(pair) else two)]


@similar_pieces.mistake(
    "After a position where the pair is not, it goes on by two: what lies between is lost or skipped.",
    "Go on by two only after a pair was joined; by one in all other cases.",
)
def _always_two_on(pieces, pair):
    merged: Pieces = []
    for at in range(0, len(pieces), 2):
        merged.append("".join(pair) if tuple(pieces[at : at + 2]) == tuple(pair) else pieces[at])
    return merged


@similar_pieces.mistake(
    "The last piece is lost where it is not part of a pair.",
    "A walk over pairs of neighbors ends one before the last piece: append it after the walk.",
)
def _last_one_lost(pieces, pair):
    joined = merge(pieces, pair)
    return joined[:-1] if joined and tuple(pieces[-2:]) != tuple(pair) else joined


odd_pieces = question.probe(
    "spaces, other characters and repetitions", _characters, _joins, kinds=CHARACTERS, demand=a_list
)
odd_pieces.mistake(
    "It falls apart where a piece holds a space.",
    "' a' is one piece; joined by spaces it looks like '' and 'a'. Keep the list.",
    partial(_by, pattern=r"(?<!\S){}(?!\S)"),
)
odd_pieces.mistake(
    "The edge of a word (\\b) is not the edge of a piece: there is one inside of '-a'.",
    "Regular expressions know characters, not pieces. Keep the list.",
    partial(_by, pattern=r"\b{}\b"),
)


@odd_pieces.mistake(
    "It joins what reads like the pair: 't' and 'he' for the pair 'th', 'e'.",
    "Compare the left piece with the left one and the right with the right, before you join them.",
)
def _same_text(pieces, pair):
    merged: Pieces = []
    rest = list(pieces)
    while rest:
        n = 2 if "".join(rest[:2]) == "".join(pair) else 1
        merged.append("".join(rest[:n]))
        rest = rest[n:]
    return merged


@odd_pieces.mistake(
    "A piece is used twice: 'a', 'a', 'a' became 'aa', 'aa'.", "After a merge move on by two, not by one."
)
def _piece_twice(pieces, pair):
    merged: Pieces = []
    taken = False
    for at, piece in enumerate(pieces):
        if (piece, *pieces[at + 1 : at + 2]) == tuple(pair):
            merged.append("".join(pair))
            taken = True
        elif not taken:
            merged.append(piece)
        else:
            taken = False
    return merged


@odd_pieces.mistake(
    "It merges from the right: 'a', 'a', 'a' became 'a', 'aa'.",
    "Training merges from the left: 'aa', 'a'. Another order gives the model other ids.",
)
def _from_the_right(pieces, pair):
    turned = merge([piece[::-1] for piece in pieces[::-1]], (pair[1][::-1], pair[0][::-1]))
    return [piece[::-1] for piece in turned[::-1]]
