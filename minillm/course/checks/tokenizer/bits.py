"""01.1: bits per byte under a bigram model with add-one smoothing (Laplace), to compare tokenizers.

Losses per token can't be compared between vocabularies; The Pile (Gao et al. 2020, section 3.1) reports bits per byte.
"""

import math
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor, difference, show
from minillm.course.checks.question import Question

Ids = list[int]


def bits_per_byte(train: Ids, text: Ids, vocab: list[bytes]) -> float:
    """The right answer.

    >>> round(bits_per_byte([0, 1, 0, 1], [0, 1], [b"a", b"b"]), 4)
    0.7075
    """
    return _measure(train, text, vocab)


def _bytes(train: Ids, text: Ids, vocab: list[bytes]) -> int:
    return sum(len(vocab[id]) for id in text)


def _measure(
    train: Ids,
    text: Ids,
    vocab: list[bytes],
    *,
    first: bool = True,
    unseen: str = "smoothed",
    followed: Callable[[Ids], Ids] = lambda train: train[:-1],
    V: Callable[[Ids, list[bytes]], int] = lambda train, vocab: len(vocab),
    added: Callable[[int], tuple[int, int]] = lambda V: (1, V),
    per: Callable[[Ids, Ids, list[bytes]], float] = _bytes,
    log: Callable[[float], float] = math.log2,
    reverse: bool = False,
) -> float:
    """The surprise of a bigram model, with one thing done differently."""
    size = V(train, vocab)
    pairs, times = Counter(pairwise(train)), Counter(followed(train))
    total = log(size) if first else 0.0
    for a, b in pairwise(text):
        if unseen == "skipped" and not pairs[a, b]:
            continue
        above, below = added(size)
        p = (pairs[a, b] + above) / (times[b if reverse else a] + below or 1)
        total += -log(p) if p > 0 else math.inf
    return total / per(train, text, vocab)


def _text(rng: random.Random, V: int, n: int) -> Ids:
    """Ids that like to follow each other in a circle, so that some pairs are frequent."""
    ids = [rng.randrange(V)]
    while len(ids) < n:
        ids.append((ids[-1] + 1) % V if rng.random() < 0.6 else rng.randrange(V))
    return ids


def _vocab(rng: random.Random, V: int, pieces: tuple[str, ...]) -> list[bytes]:
    return [piece.encode() for piece in rng.sample(pieces, V)]


LETTERS = tuple("abcdefgh")
PIECES = ("a", "the", " river", "ing", "é", "ß", "語", " übers", "👍", "st", "of ", "e")


def _one_byte(rng: random.Random) -> list[Call]:
    """All tokens are one byte, and all pairs of the text occur in the training text."""
    calls = [([0, 1, 0, 1], [0, 1], [b"a", b"b"]), ([0, 1, 1, 0, 0], [1], [b"a", b"b"])]
    for V, n in ((2, 3), (3, 5), (4, 8), (4, 6), (5, 9)):
        train = _text(rng, V, 30)
        start = rng.randrange(len(train) - n)
        calls.append((train, [*train[start : start + n]], _vocab(rng, V + 1, LETTERS)))
    return calls


def _any(rng: random.Random) -> list[Call]:
    """Tokens of several bytes, and pairs that never occurred."""
    two = [b"a", " über".encode(), b"the"]
    calls = [([0, 1, 0, 1], [0, 2], two), ([0, 1], [2, 2, 1], two), ([1], [0, 1], two), ([0, 1, 2], [1, 2, 0], two)]
    for V, n in ((4, 5), (6, 9), (8, 12), (8, 12)):
        calls.append((_text(rng, V - 1, 30), _text(rng, V, n), _vocab(rng, V, PIECES)))
    return calls


ONE_BYTE = ("the example", "a text of one token", *["longer texts"] * 5)
ANY = (
    "a pair that never occurred",
    "a token that never occurred",
    "a training text of one token",
    "a token that is never followed",
    *["all of these"] * 4,
)


def _off_by(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The first wrong number, beside the one that is right, in bits for the whole text."""
    for (train, text, vocab), wanted, answer in zip(calls, right, got, strict=True):
        value = as_tensor(answer)
        if value is None or value.numel() != 1 or not difference(wanted, answer):
            continue
        n = _bytes(train, text, vocab)
        bits, due = show(float(value) * n), show(wanted * n)
        sentence = f"The whole text ({len(text)} tokens, {n} bytes) is taken to cost {bits} bits; right is {due}."
        return sentence, "Print -log2 p of every token, the first one included, and compare with a count by hand."
    return None


question = Question("01.1", "Bits per byte under a bigram model", bits_per_byte, forbidden=("minillm", "tokenizers"))

one_byte = question.probe("tokens of one byte", _one_byte, kinds=ONE_BYTE, at_last=_off_by)
one_byte.mistake(
    "It is measured in nats.",
    "A bit is a factor of 2: use `math.log2`.",
    partial(_measure, log=math.log),
)
one_byte.mistake(
    "It is measured without its first token.",
    "The first token has the probability 1/V. Its log2 V bits are part of the text.",
    partial(_measure, first=False),
)
one_byte.mistake(
    "The last id of `train` is counted as if another id followed it.",
    "The denominator counts how often `a` is followed by any token. The last id has no follower: `train[:-1]`.",
    partial(_measure, followed=lambda train: train),
)
one_byte.mistake(
    "V is the number of different ids in `train`, not the size of the vocabulary.",
    "V is `len(vocab)`: a token that never occurred in `train` needs some probability, too.",
    partial(_measure, V=lambda train, vocab: len(set(train))),
)
one_byte.mistake(
    "It is divided by the bytes of the vocabulary, not by those of the text.",
    "Each id of `text` stands for `len(vocab[id])` bytes. Add these up.",
    partial(_measure, per=lambda train, text, vocab: sum(map(len, vocab))),
)
one_byte.mistake(
    "The denominator takes no smoothing.",
    "The probabilities after `a` must add up to 1: add V below if you add 1 above.",
    partial(_measure, added=lambda V: (1, 0)),
)
one_byte.mistake(
    "The model is not smoothed.",
    "Add 1 to the count of each pair, and V to the count of what comes before.",
    partial(_measure, added=lambda V: (0, 0)),
)
one_byte.mistake(
    "The denominator counts what comes second, as for the pair in reverse.",
    "p(b after a) is a share of all tokens that follow `a`.",
    partial(_measure, reverse=True, followed=lambda train: train[1:]),
)
one_byte.mistake(
    "The pairs are counted in `text`, the text that is measured.",
    "Count in `train`. A model that has seen the test text measures nothing.",
    lambda train, text, vocab: bits_per_byte(text, text, vocab),
)
one_byte.mistake(
    "It has the other sign.",
    "The surprise is -log2 p, and it is never below 0.",
    lambda train, text, vocab: -bits_per_byte(train, text, vocab),
)
one_byte.mistake(
    "The measured bytes are those of `train`.",
    "Divide the surprise at `text` by the bytes of `text`.",
    partial(_measure, per=lambda train, text, vocab: _bytes(train, train, vocab)),
)
one_byte.mistake(
    "These are bytes per bit.",
    "Divide bits by bytes.",
    lambda train, text, vocab: 1 / bits_per_byte(train, text, vocab),
)


@one_byte.mistake(
    "It uses the frequency of single tokens: a token doesn't depend on the one before it.",
    "Count pairs: `Counter(pairwise(train))`.",
)
def _unigram(train, text, vocab):
    counts = Counter(train)
    bits = sum(math.log2((len(train) + len(vocab)) / (counts[id] + 1)) for id in text)
    return bits / _bytes(train, text, vocab)


@one_byte.mistake(
    "Every pair begins with the first token of the text: the token before never moves on.",
    "At the end of the loop, the token that was second becomes the one before: `a = b`. Or use `pairwise(text)`.",
)
def _stuck(train, text, vocab):
    begins = [text[0], *(id for later in text[1:] for id in (later, text[0]))]
    rest = [
        _measure(train, begins[2 * n : 2 * n + 2], vocab, first=False, per=lambda *_: 1) for n in range(len(text[1:]))
    ]
    return (math.log2(len(vocab)) + sum(rest)) / _bytes(train, text, vocab)


@one_byte.mistake(
    "The first token has the probability of its share of `train`, not 1/V.",
    "There is no token before the first one. Its probability is 1/V, whatever `train` is.",
)
def _first_by_frequency(train, text, vocab):
    share = (train.count(text[0]) + 1) / (len(train) + len(vocab))
    return (_measure(train, text, vocab, first=False, per=lambda *_: 1) - math.log2(share)) / _bytes(train, text, vocab)


anything = question.probe(
    "tokens of several bytes, and unseen pairs", _any, kinds=ANY, same=one_byte.mistakes[:3], at_last=_off_by
)
anything.mistake(
    "It is bits per token, not per byte.",
    "Tokens differ in length. Divide by the bytes that they stand for.",
    partial(_measure, per=lambda train, text, vocab: len(text)),
)
anything.mistake(
    "The length is the mean length of the vocabulary's tokens, times the tokens of the text.",
    "Each id of `text` stands for `len(vocab[id])` bytes. Add these up.",
    partial(_measure, per=lambda train, text, vocab: sum(map(len, vocab)) / len(vocab) * len(text)),
)
anything.mistake(
    "It is bits per character, not per byte.",
    "'é' is two bytes. Add up `len(vocab[id])`, and don't decode.",
    partial(_measure, per=lambda train, text, vocab: len(b"".join(vocab[id] for id in text).decode(errors="replace"))),
)
anything.mistake(
    "Pairs that never occurred are left out of the sum.",
    "They cost most: with a count of 0 the probability is 1 / (count of `a` + V).",
    partial(_measure, unseen="skipped"),
)
