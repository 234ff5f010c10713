"""Vocabularies of real models, on which any function encodes the words, and the other algorithm to cut a word."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from minillm.analysis.surgery import EncodeWord
from minillm.analysis.surgery.cutting import Pair, byte_ids, cut, merges_of
from minillm.assets import fetch
from minillm.course import own_model
from minillm.course.versions import origin
from minillm.tokenizer import Tokenizer
from minillm.viz.figures import merge_tree, show

Merges = Mapping[Pair, int]
LONGEST = 64  # bytes of an entry that `longest_match` tries


@cache
def manual_lines(n: int = 1000) -> tuple[str, ...]:
    """Lines of the manual that comes with Python, n of them, evenly spread; the text depends on your Python."""
    from pydoc_data import topics

    lines = [line for page in topics.topics.values() for line in page.split("\n") if line.strip()]
    return tuple(lines[:: len(lines) // n][:n])


class Vocabulary:
    """A tokenizer's vocabulary, on which a function encodes the words: its merges, and what an id spells.

    >>> hello = gpt2().bytes("Hello")
    >>> len(hello), gpt2().shown(hello[:2])
    (5, 'H|e')
    """

    def __init__(self, name: str, tokenizer: Tokenizer) -> None:
        self.name, self.tokenizer = name, tokenizer
        self.merges: Merges = merges_of(tokenizer)

    def bytes(self, text: str) -> list[int]:
        """The ids of the bytes of a text."""
        return byte_ids(self.tokenizer, text)

    def cut(self, text: str, encode: EncodeWord, in_words: bool = True) -> list[int]:
        """The ids of a text, each word by `encode`; or, without `in_words`, the text as one long word."""
        return cut(self.tokenizer, text, encode, self.merges, in_words)

    def shown(self, ids: Sequence[int]) -> str:
        """The pieces of a list of ids, with a bar between them."""
        return "|".join(self.tokenizer.vocab[id].decode(errors="backslashreplace") for id in ids)

    def equal(self, lines: Sequence[str], encode: EncodeWord, in_words: bool = True) -> int:
        """On how many of these lines `encode` gives the ids that the tokenizer itself gives."""
        known: dict[str, list[int]] = {}
        cuts = (cut(self.tokenizer, line, encode, self.merges, in_words, known) for line in lines)
        return sum(ids == self.tokenizer.encode(line) for ids, line in zip(cuts, lines, strict=True))

    def show_tree(self, word: str) -> None:
        """Draw how the merges of a word follow one another, each with its rank: how many were learned before it."""
        ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        ids, steps = self.bytes(word), []
        leaves = [self.tokenizer.vocab[id] for id in ids]
        while found := [(ranks[pair], place) for place, pair in enumerate(pairwise(ids)) if pair in ranks]:
            rank, place = min(found)
            ids[place : place + 2] = [self.merges[ids[place], ids[place + 1]]]
            steps.append((place, rank))
        told = f"A tree from {len(leaves)} bytes up to {len(ids)} pieces: {self.shown(ids)}."
        show(merge_tree(leaves, steps), title=f"How {self.name} cuts {word!r}", alt=told)

    def __repr__(self) -> str:
        return f"{self.name}: {len(self.merges):,} merges, {self.tokenizer.vocab_size:,} ids"


@cache
def gpt2() -> Vocabulary:
    """GPT-2's vocabulary, from OpenAI's two files."""
    folder = fetch("gpt2-tokenizer")
    return Vocabulary("GPT-2", Tokenizer.from_gpt2_files(folder / "vocab.json", folder / "merges.txt"))


@cache
def smollm2() -> Vocabulary:
    """The vocabulary of the real model of these lessons."""
    return Vocabulary("SmolLM2", own_model.smollm2()[1])


def longest_match(ids: list[int], merges: Merges) -> list[int]:
    """The other algorithm (WordPiece): the longest entry that begins the word, then the longest that begins the rest.

    >>> longest_match([97, 98, 99], {(98, 99): 256, (97, 98): 257})
    [257, 99]
    """
    whole = _entries(merges)
    made, start = [], 0
    while start < len(ids):
        ends = range(min(len(ids), start + LONGEST), start + 1, -1)
        end = next((end for end in ends if tuple(ids[start:end]) in whole), start + 1)
        made.append(whole.get(tuple(ids[start:end]), ids[start]))
        start = end
    return made


_last: list[Any] = [None, {}]  # the merges whose entries were listed last, and the entries


def _entries(merges: Merges) -> dict[tuple[int, ...], int]:
    """The id of each entry that merges make, by the ids of its bytes."""
    if _last[0] is not merges:
        pieces: dict[int, tuple[int, ...]] = {}
        for (left, right), new in merges.items():
            pieces[new] = pieces.get(left, (left,)) + pieces.get(right, (right,))
        _last[:] = merges, {piece: new for new, piece in pieces.items()}
    return _last[1]


def compare(lines: Sequence[str], encode: EncodeWord) -> None:
    """Print on how many lines a function gives exactly the ids of GPT-2 and of SmolLM2, and whose function it was."""
    owner = {"this page": "your", "yours": "your"}.get(origin(encode), "the course's")
    for vocabulary in (gpt2(), smollm2()):
        equal = vocabulary.equal(lines, encode)
        print(f"{vocabulary.name:8} {equal:,} of {len(lines):,} lines have the same ids, by {owner} encode")
