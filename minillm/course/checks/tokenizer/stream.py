"""01.4: showing a text while its tokens arrive, though a token may end in the middle of a character."""

import codecs
import random
from collections.abc import Callable
from functools import partial
from itertools import pairwise

from minillm.course.checks.asking import Call
from minillm.course.checks.question import Question

Chunks = list[bytes]
SHORT = "ab ,éßж"  # one or two bytes each
LONG = SHORT + "語你\ufffd👍🌉"  # up to four; the third is the mark that a decoder puts for what it cannot read


def show(chunks: Chunks) -> list[str]:
    """The right answer, by the standard library: with each chunk, the characters that have become complete.

    >>> show([b"caf", b"\\xc3", b"\\xa9!"])
    ['caf', '', 'é!']
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    return [decoder.decode(chunk) for chunk in chunks]


def _each_alone(errors: str) -> Callable[[Chunks], list[str]]:
    return lambda chunks: [chunk.decode(errors=errors) for chunk in chunks]


def _holding(chunks: Chunks, *, n_held: Callable[[bytes], int]) -> list[str]:
    """Showing with a rule of its own for how many bytes at the end must wait."""
    shown, buffer = [], b""
    for chunk in chunks:
        buffer += chunk
        ready = len(buffer) - n_held(buffer)
        shown.append(buffer[:ready].decode(errors="replace"))
        buffer = buffer[ready:]
    return shown


def _whole_or_nothing(buffer: bytes) -> int:
    try:
        buffer.decode()
    except UnicodeDecodeError:
        return len(buffer)
    return 0


def _at_most(most: int) -> Callable[[bytes], int]:
    """Up to so many bytes wait, or else all of them."""
    return lambda buffer: next((n for n in range(most + 1) if not _whole_or_nothing(buffer[: -n or None])), len(buffer))


def _text(rng: random.Random, n: int, letters: str = LONG) -> str:
    return "".join(rng.choices(letters, k=n))


def _cut(data: bytes, places: list[int]) -> Chunks:
    return [data[start:end] for start, end in pairwise([0, *sorted(places), len(data)])]


def _whole_characters(rng: random.Random) -> list[Call]:
    texts = [[_text(rng, rng.randint(1, 3)) for _ in range(n)] for n in (2, 3, 5, 8)]
    texts += [["a\ufffd", "", "b"], ["\ufffd", "\ufffd\n"]]
    return [([],), *(([piece.encode() for piece in pieces],) for pieces in texts)]


def _two_bytes(rng: random.Random) -> list[Call]:
    data = ["aé".encode(), *(_text(rng, n, SHORT).encode() for n in (3, 5, 8, 12, 12))]
    cuts = [[2], *(rng.sample(range(1, len(word)), min(len(word) - 1, 4)) for word in data[1:])]
    return [(_cut(word, places),) for word, places in zip(data, cuts, strict=True)]


def _byte_by_byte(rng: random.Random) -> list[Call]:
    data = ["語".encode(), *(_text(rng, n).encode() for n in (2, 4, 8)), "ab👍".encode()[:-1]]
    single = [_cut(word, list(range(1, len(word)))) for word in data]
    return [(chunks,) for chunks in (single[0], _cut("a語".encode(), [3]), _cut("a👍".encode(), [4]), *single[1:])]


question = Question(
    "01.4",
    "Show the text while it arrives",
    show,
    forbidden=(
        "minillm",
        "tokenizers",
        "codecs.getincrementaldecoder",
        "codecs.BufferedIncrementalDecoder",
        "codecs.StreamReader",  # not codecs.utf_8_decode: `codecs.decode`, which is welcome, calls it
    ),
)

whole_characters = question.probe("pieces of whole characters", _whole_characters)
whole_characters.mistake(
    "Each byte is shown as a character of its own.",
    "A character has one to four bytes (UTF-8). Decode them together.",
    lambda chunks: ["".join(map(chr, chunk)) for chunk in chunks],
)
whole_characters.mistake(
    "Nothing is shown before the end.",
    "Show with each piece whatever has become complete. A reader is waiting.",
    lambda chunks: [""] * (len(chunks) - 1) + [b"".join(chunks).decode(errors="ignore")] if chunks else [],
)
whole_characters.mistake(
    "What was shown is shown again.",
    "Return with each piece only what is new.",
    lambda chunks: [b"".join(chunks[: n + 1]).decode(errors="ignore") for n in range(len(chunks))],
)
whole_characters.mistake(
    "A complete character waits for the next letter.",
    "The first byte of a character says how many there are. Hold back only what is not complete.",
    partial(_holding, n_held=lambda buffer: len(buffer) - len(buffer.rstrip(bytes(range(128, 256))))),
)

split_character = question.probe("a character in two pieces", _two_bytes)
split_character.mistake(
    "Half a character is shown as the mark \ufffd.",
    "The other half may come with the next piece. Keep the bytes until then.",
    _each_alone("replace"),
)
split_character.mistake(
    "A character that comes in two pieces is lost.",
    "`errors='ignore'` throws the half away. Keep its bytes, and put the next piece behind them.",
    _each_alone("ignore"),
)
split_character.mistake(
    "Complete characters wait for the half one behind them.",
    "It is all or nothing here. Show what is complete, and keep back only the bytes of the last one.",
    partial(_holding, n_held=_whole_or_nothing),
)

single_bytes = question.probe("byte by byte, and an end that never comes", _byte_by_byte)
single_bytes.mistake(
    "It waits for one more byte, and characters have up to four.",
    "After 語's first byte two more must come: the first byte says so (1110... two, 11110... three).",
    partial(_holding, n_held=lambda buffer: int(buffer[-1:] >= b"\xc0")),
)
single_bytes.mistake(
    "Complete characters wait where more than one byte of the next is there.",
    "Of a character of four bytes up to three may be there. Try without the last 1, 2 and 3 bytes.",
    partial(_holding, n_held=_at_most(1)),
)
single_bytes.mistake(
    "Complete characters wait where three bytes of the next are there.",
    "Of a character of four bytes up to three may be there. Try without the last 3 bytes as well.",
    partial(_holding, n_held=_at_most(2)),
)


@single_bytes.mistake(
    "What never became complete is shown in the end.",
    "Bytes that are no character yet are not shown, not even with the last piece.",
)
def _with_the_rest(chunks):
    shown = show(chunks)
    rest = b"".join(chunks)[len("".join(shown).encode()) :]
    return [*shown[:-1], shown[-1] + rest.decode(errors="replace")] if shown else []
