"""01.4: showing a text while its tokens arrive, though a token may end in the middle of a character."""

import codecs
import random
import unicodedata
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference
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


def _cut(data: bytes, positions: list[int]) -> Chunks:
    return [data[start:end] for start, end in pairwise([0, *sorted(positions), len(data)])]


WHOLE = (
    "no chunks",
    "a character of two bytes",
    "a character of three bytes",
    "a character of four bytes",
    *["whole characters"] * 4,
    "an empty chunk",
    "a � of the text's own",
    "an accent as a character of its own",
    "a byte order mark and line ends",
)
TWO = ("a character in two chunks", *["several characters cut"] * 5)
SINGLE = (
    "a character of three bytes, one by one",
    "two bytes of three at the end of a chunk",
    "three bytes of four at the end of a chunk",
    "an empty chunk inside a character",
    *["byte by byte"] * 3,
    "an end that never comes",
)


def _whole_characters(rng: random.Random) -> list[Call]:
    texts = [[_text(rng, rng.randint(1, 3)) for _ in range(n)] for n in (2, 3, 5, 8)]
    texts += [["a", "", "b"], ["\ufffd", "\ufffd\n"], ["e", "\u0301", "a\u0308"], ["\ufeffa\r", "\n \r\n", "\0b "]]
    texts = [["é"], ["語"], ["👍"], *texts]
    return [([],), *(([piece.encode() for piece in pieces],) for pieces in texts)]


def _two_bytes(rng: random.Random) -> list[Call]:
    data = ["aé".encode(), *(_text(rng, n, SHORT).encode() for n in (3, 5, 8, 12, 12))]
    cuts = [[2], *(rng.sample(range(1, len(word)), min(len(word) - 1, 4)) for word in data[1:])]
    return [(_cut(word, positions),) for word, positions in zip(data, cuts, strict=True)]


def _byte_by_byte(rng: random.Random) -> list[Call]:
    data = ["語".encode(), *(_text(rng, n).encode() for n in (2, 4, 8)), "ab👍".encode()[:-1]]
    single = [_cut(word, list(range(1, len(word)))) for word in data]
    cut = [_cut("a語".encode(), [3]), _cut("a👍".encode(), [4]), _cut("é語".encode(), [1, 1, 3, 3])]
    return [(chunks,) for chunks in (single[0], *cut, *single[1:])]


def _what_is_shown(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """How many strings there are, and whether they make up the text, too early or too late."""
    for (chunks,), wanted, gave in zip(calls, right, got, strict=True):
        if not difference(wanted, gave):
            continue
        if type(gave) not in (list, tuple) or any(type(text) is not str for text in gave):
            return None
        if len(gave) != len(chunks):
            hint = "Every chunk has its string, if only an empty one."
            return f"There are {len(gave)} strings for {len(chunks)} chunks.", hint
        text, due = "".join(gave), "".join(wanted)
        if text != due:
            composed = [c for form in ("NFC", "NFKC", "NFD") for c in unicodedata.normalize(form, due) if c not in due]
            if set(text) & set(composed):
                return "The text is normalized: a letter and its accent are changed.", "Show what comes as it is."
            if "\ufffd" in text.replace("\ufffd", "", due.count("\ufffd")):
                return "Bytes of a character are decoded without the others, and � is shown.", "Keep all of its bytes."
            if due.startswith(text) or len(text) < len(due):
                return f"Characters are lost: the text is {due!r}, and {text!r} is shown.", "What waits must come back."
            return f"The text is {due!r}, and {text!r} is shown.", "Every character is shown once."
        early = [len("".join(gave[: n + 1])) - len("".join(wanted[: n + 1])) for n in range(len(gave))]
        if max(early) <= 0:
            hint = "Show with each chunk all that is complete, and hold back only the bytes of an incomplete character."
            return f"A complete character is shown too late, after chunk [{early.index(min(early))}].", hint
    return None


question = Question(
    "01.4",
    "Stream text without broken characters",
    show,
    forbidden=(
        "minillm",
        "tokenizers",
        "codecs.getincrementaldecoder",
        "codecs.BufferedIncrementalDecoder",
        "codecs.StreamReader",  # not codecs.utf_8_decode: `codecs.decode`, which is welcome, calls it
    ),
)

whole_characters = question.probe("pieces of whole characters", _whole_characters, _what_is_shown, kinds=WHOLE)
whole_characters.mistake(
    "Each byte is shown as a character of its own.",
    "A character has one to four bytes (UTF-8). Decode them together.",
    lambda chunks: ["".join(map(chr, chunk)) for chunk in chunks],
)
whole_characters.mistake(
    "Nothing is shown before the end.",
    "Show with each chunk all that has become complete.",
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


@whole_characters.mistake(
    "Every character that is not ASCII is taken to have two bytes.",
    "Its first byte says how many: 110... two, 1110... three, 11110... four.",
)
def _two_bytes_each(chunks):
    shown, buffer = [], b""
    for chunk in chunks:
        buffer += chunk
        text = ""
        while buffer and len(buffer) >= (size := 2 if buffer[0] >= 0xC0 else 1):
            text += buffer[:size].decode(errors="replace")
            buffer = buffer[size:]
        shown.append(text)
    return shown


def _by_the_mark(chunks: Chunks, hold: Callable[[str], int]) -> list[str]:
    """All bytes decoded with the mark for what is incomplete, up to where `hold` says."""
    shown, n = [], 0
    for index in range(len(chunks)):
        text = b"".join(chunks[: index + 1]).decode(errors="replace")
        end = max(hold(text), n)
        shown.append(text[n:end])
        n = end
    return shown


for _hold in (lambda text: len(text.rstrip("\ufffd")), lambda text: 0 if text.endswith("\ufffd") else len(text)):
    whole_characters.mistake(
        "An incomplete character is known by the \ufffd that a decoder puts for it, but texts may hold one.",
        "Look at the bytes: try to decode without the last 0, 1, 2, 3, or read the bits of the first byte.",
        partial(_by_the_mark, hold=_hold),
    )

split_character = question.probe("a character in two pieces", _two_bytes, _what_is_shown, kinds=TWO)
split_character.mistake(
    "Part of a character is shown as \ufffd.",
    "The rest may come with the next chunk. Keep the bytes until then.",
    _each_alone("replace"),
)
split_character.mistake(
    "A character that comes in two pieces is lost.",
    "`errors='ignore'` drops the bytes that came first. Keep them, and append the next chunk.",
    _each_alone("ignore"),
)
split_character.mistake(
    "Complete characters wait for the incomplete one after them.",
    "Show what is complete, and hold back only the bytes of the last character.",
    partial(_holding, n_held=_whole_or_nothing),
)

single_bytes = question.probe("byte by byte, and an end that never comes", _byte_by_byte, _what_is_shown, kinds=SINGLE)
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


@single_bytes.mistake(
    "Only the newest chunk waits; of a character in three chunks the first bytes are lost.",
    "Keep all bytes that have not been shown, those that waited already, too.",
)
def _newest_chunk(chunks):
    shown, waiting = [], b""
    for chunk in chunks:
        data = waiting + chunk
        end = len(data) - _at_most(3)(data)
        shown.append(data[:end].decode())
        waiting = chunk[len(chunk) - min(len(chunk), len(data) - end) :]
    return shown
