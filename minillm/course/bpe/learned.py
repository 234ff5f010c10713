"""Vocabularies that a page learns, where ids 0 to 255 are the bytes: print, draw and check them."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from minillm import world
from minillm.analysis.surgery import EncodeWord
from minillm.analysis.surgery.cutting import Pair
from minillm.course.turns.tokenizer import encode
from minillm.course.versions import origin
from minillm.tokenizer import split, unspell
from minillm.tokenizer.training import ALPHABET, ID_OF_BYTE
from minillm.viz.figures import show, token_strips

Learn = Callable[[list[list[int]], int], Mapping[Pair, int]]
Merges = Mapping[Pair, int]
BYTES = 256


def documents(n: int) -> list[str]:
    """The first n documents of Ottermere, an invented kingdom: 270 characters each, in plain English.

    >>> len(documents(3))
    3
    """
    return [document.text for document in world.World(seed=0).documents(n)]


def spelled(id: int, merges: Merges) -> bytes:
    """The bytes of an id, where 0 to 255 are the bytes themselves.

    >>> spelled(257, {(108, 111): 256, (256, 119): 257})
    b'low'
    """
    parts = {new: pair for pair, new in merges.items()}

    def of(id: int) -> bytes:
        return b"".join(map(of, parts[id])) if id in parts else bytes([id])

    return of(id)


def _shown(piece: bytes) -> str:
    return repr(piece.decode(errors="backslashreplace"))


def show_counts(counts: Mapping[Pair, int], most: int = 5) -> None:
    """Print the most frequent pairs of bytes, the smaller pair first where they're equal."""
    for pair in sorted(counts, key=lambda pair: (-counts[pair], pair))[:most]:
        print(f"{pair!s:12} {' + '.join(_shown(bytes([id])) for id in pair):12} {counts[pair]} times")


def show_merges(
    words: Sequence[Sequence[int]], merges: Merges, at: Sequence[int] = (1, 2, 3, 4, 5, 50, 100, 300)
) -> None:
    """Print some merges, each with how often its pair occurred then, and how long the text had become."""
    words = [list(ids) for ids in words]
    before = sum(map(len, words))
    for number, (pair, new) in enumerate(merges.items(), start=1):
        found = 0
        for ids in words:  # as the turn asks for, but here in place
            while (place := _find(ids, pair)) is not None:
                ids[place : place + 2] = [new]
                found += 1
        if number in at or number == len(merges):
            left, right = (_shown(spelled(id, merges)) for id in pair)
            now = sum(map(len, words))
            print(f"{new:4} {left:>9} + {right:9} {found:5,} times; the text: {now:,} tokens, {now / before:.0%}")


def _find(ids: list[int], pair: Pair) -> int | None:
    left, right = pair
    for place in range(len(ids) - 1):
        if ids[place] == left and ids[place + 1] == right:
            return place
    return None


def against_library(learn: Learn, text: str, n: int) -> None:
    """Learn n merges by `learn` and by Hugging Face's `tokenizers`, and print whether they are equal, in order.

    `tokenizers` numbers the bytes in another order, which settles ties; here `learn` gets the words in these numbers.
    """
    words = [[ID_OF_BYTE[byte] for byte in word.encode()] for word in split(text)]
    pieces = [*ALPHABET]
    ours = []
    for left, right in learn(words, n):
        ours.append((pieces[left], pieces[right]))
        pieces.append(pieces[left] + pieces[right])
    same = ours == _by_library(text, n)
    owner = {"this page": "your", "yours": "your"}.get(origin(learn), "the course's")
    print(f"{len(ours)} merges by {owner} learn and by tokenizers, in Rust. The same, in the same order: {same}.")


def _by_library(text: str, n: int) -> list[tuple[bytes, bytes]]:
    import tokenizers

    library = tokenizers.Tokenizer(tokenizers.models.BPE())
    library.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=BYTES + n, initial_alphabet=alphabet, show_progress=False)
    library.train_from_iterator([text], trainer)
    merges = json.loads(library.to_str())["model"]["merges"]
    return [(unspell(left), unspell(right)) for left, right in merges]


def babble(words: Sequence[Sequence[int]], merges: Merges, n: int = 12, seed: int = 0) -> str:
    """A text drawn from pairs: which token follows which, as often as in these words, cut with the first n merges."""
    first = dict(list(merges.items())[:n])
    cut_once = {ids: encode(list(ids), first) for ids in dict.fromkeys(map(tuple, words))}
    stream = [id for ids in words for id in cut_once[tuple(ids)]]
    follows: dict[int, list[int]] = {}
    for left, right in pairwise(stream):
        follows.setdefault(left, []).append(right)
    rng, said = random.Random(seed), [stream[0]]
    while sum(len(spelled(id, first)) for id in said) < 70 and said[-1] in follows:
        said.append(rng.choice(follows[said[-1]]))
    return b"".join(spelled(id, first) for id in said).decode(errors="replace")


def show_strips(text: str, merges: Merges, encode_word: EncodeWord, at: Sequence[int], title: str) -> None:
    """Draw a text after the first so many merges, one strip above the other."""
    strips, listed = {}, list(merges.items())
    for n in at:
        first = dict(listed[:n])
        ids = [id for word in split(text) for id in encode_word(list(word.encode()), first)]
        strips[f"{n} merges"] = [spelled(id, first) for id in ids]
    counts = ", ".join(f"{len(strip)} tokens after {name}" for name, strip in strips.items())
    show(token_strips(strips), title=title, alt=f"{text!r}: {counts}.")
