"""01.3: cutting a new word by replaying the merges in the order in which they were learned."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference
from minillm.course.checks.question import Question
from minillm.tokenizer.training import learn_merges_naive

Merges = list[tuple[bytes, bytes]]
Pieces = list[bytes]


def encode(text: str, merges: Merges) -> Pieces:
    """The right answer: of all known pairs in the word, merge the one learned first, until none is left.

    >>> encode("abab", [(b"b", b"a"), (b"a", b"b")])
    [b'a', b'ba', b'b']
    """
    return _replay([bytes([byte]) for byte in text.encode()], merges, min)


def _replay(pieces: Pieces, merges: Merges, choose: Callable[[list[tuple[int, int]]], Any]) -> Pieces:
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    while known := [(ranks[pair], at) for at, pair in enumerate(pairwise(pieces)) if pair in ranks]:
        _, at = choose(known)
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
    return pieces


def _bytes(text: str) -> Pieces:
    return [bytes([byte]) for byte in text.encode()]


def _learned_words(
    rng: random.Random, letters: str, n: int, extra: tuple[str, ...] = (), fronts: tuple[str, ...] = ("",)
) -> list[Call]:
    """Words to cut, `extra` ones first, each by n merges learned from n other words; one of `fronts` begins a word."""

    def word() -> str:
        return rng.choice(fronts) + "".join(rng.choices(letters, k=rng.randint(3, 9)))

    def merges() -> Merges:
        return learn_merges_naive({word(): rng.randint(1, 9) for _ in range(n)}, n)

    return [(text, merges()) for text in [*extra, *sorted((word() for _ in range(16)), key=len)]]


def _words_with_spaces(rng: random.Random) -> list[Call]:
    a, b = rng.sample([b"a", b"b", b"A"], 2)
    spaced = f" {(a + b).decode()}", [(b" ", a), (b" " + a, b)]
    many = "a" * rng.choice([5, 7]), [(b"a", b"a"), (b"aa", b"aa")]
    return [spaced, (a.decode(), [(a, b)]), ("ab", []), many, *_learned_words(rng, "abA", 10, fronts=("", " "))]


SPACES = ("a space in front", "a single letter", "no merges", "a letter that repeats", *["longer words"] * 16)
BYTES = ("letters of several bytes", "no text", "a character of four bytes", *["letters of several bytes"] * 16)
ENCODINGS = ("latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "ascii", "utf-7")
CHANGES: dict[str, Callable[[str], str]] = {
    "The space in front is lost.": str.strip,
    "Capital letters become small.": str.lower,
    "The first character is lost.": lambda text: text[1:],
    "The last character is lost.": lambda text: text[:-1],
}


def _what_is_cut(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Whether the pieces make up the text, and are what merges can make of it."""
    if any(b"" in gave for gave in got if type(gave) is list):
        return "There is an empty piece, b''.", "No text has no pieces: []."
    for (text, merges), wanted, gave in zip(calls, right, got, strict=True):
        if not difference(wanted, gave):
            continue
        if type(gave) not in (list, tuple):
            return None
        if gave and all(type(piece) is str for piece in gave):
            return "The pieces are text, and bytes are asked for.", "Cut `text.encode()`, and do not decode the pieces."
        if gave and all(type(piece) is int for piece in gave):
            hint = "`list(text.encode())` holds numbers. A byte as bytes is `bytes([number])`, or a slice of length 1."
            return "The pieces are numbers, and bytes are asked for: no number is ever part of a merge.", hint
        if any(type(piece) is not bytes for piece in gave):
            return None
        if (joined := b"".join(gave)) != text.encode():
            return _changed(text, joined)
        hint = "Go through the word by hand, one merge after another, the first learned first."
        for pair in pairwise(gave):
            if pair in merges:
                return f"{pair[0]} and {pair[1]} stand side by side, and are a known pair: it ends too early.", hint
        for piece in gave:
            if len(piece) > 1 and piece not in map(b"".join, merges):
                return f"{piece} is a piece that no merge makes.", hint
    return None


def _changed(text: str, joined: bytes) -> tuple[str, str]:
    hint = "All pieces put together are `text.encode()`: every byte comes out once."
    for encoding in ENCODINGS:
        if joined in (text.encode(encoding, "ignore"), text.encode(encoding, "replace")):
            return f"The text is encoded as {encoding}, and UTF-8 is right.", "Without an argument, `encode` is UTF-8."
    for sentence, change in CHANGES.items():
        if change(text).encode() == joined:
            return sentence, hint
    return f"Put together, the pieces are {joined}, and the text is {text.encode()}.", hint


question = Question("01.3", "Replay the merges", encode, forbidden=("minillm", "tokenizers"))

few_merges = question.probe("a handful of merges", lambda rng: _learned_words(rng, "ab", 6), _what_is_cut)


@few_merges.mistake(
    "It merges from left to right, and not in the order of learning.",
    "Look at all pairs of the word and take the one that stands first in `merges`.",
)
def _leftmost(text, merges):
    return _replay(_bytes(text), merges, lambda known: min(known, key=lambda rank_and_place: rank_and_place[1]))


@few_merges.mistake(
    "It takes the longest entry that fits.",
    "That is another algorithm (WordPiece). Replay the training: merge pairs, the first learned first.",
)
def _longest(text, merges):
    entries = {left + right for left, right in merges}
    rest, pieces = text.encode(), []
    while rest:
        size = next((n for n in range(len(rest), 1, -1) if rest[:n] in entries), 1)
        pieces.append(rest[:size])
        rest = rest[size:]
    return pieces


few_merges.mistake(
    "It takes the merge that was learned last.",
    "A small rank means learned early, and that goes first: `min`, not `max`.",
    lambda text, merges: _replay(_bytes(text), merges, max),
)


few_merges.mistake(
    "It takes the merge that was learned last.",
    "A small rank means learned early, and that goes first: `min`, not `max`.",
    lambda text, merges: _replay(_bytes(text), merges, lambda known: max(known, key=lambda one: (one[0], -one[1]))),
)
few_merges.mistake(
    "Of several places of a pair it joins the last one first: 'aaa' becomes 'a', 'aa'.",
    "Training merges from the left: 'aa', 'a'. Take the first place.",
    lambda text, merges: _replay(_bytes(text), merges, lambda known: min(known, key=lambda one: (one[0], -one[1]))),
)


@few_merges.mistake(
    "It goes over the word once, from left to right.",
    "A merge makes new neighbours, on both sides. Look at the whole word again until no pair is known.",
)
def _one_sweep(text, merges):
    pieces: Pieces = []
    for piece in _bytes(text):
        if pieces and (pieces[-1], piece) in merges:
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return pieces


@few_merges.mistake(
    "Each merge is used once.",
    "A pair may stand at several places. Stay with it until the word does not hold it any more.",
)
def _each_once(text, merges):
    pieces = _bytes(text)
    for pair in merges:
        pairs = list(pairwise(pieces))
        if pair in pairs:
            at = pairs.index(pair)
            pieces[at : at + 2] = [b"".join(pair)]
    return pieces


more_merges = question.probe(
    "a small vocabulary", _words_with_spaces, _what_is_cut, same=few_merges.mistakes, kinds=SPACES
)


@more_merges.mistake(
    "A space in front is kept apart, so no merge joins it with what follows.",
    "A space is a byte like any other. Do not cut it off.",
)
def _space_apart(text, merges):
    bare = text.removeprefix(" ")
    return [b" "] * (bare != text) + encode(bare, merges)


several_bytes = question.probe(
    "letters of several bytes, and no text at all",
    lambda rng: _learned_words(rng, "aéö", 6, ("ñ", "", "👍")),
    _what_is_cut,
    kinds=BYTES,
)
several_bytes.mistake(
    "It starts from characters, and the merges were learned from bytes.",
    "'é' is two bytes, so it is two pieces to begin with. Cut `text.encode()`, not `text`.",
    lambda text, merges: _replay([character.encode() for character in text], merges, min),
)
