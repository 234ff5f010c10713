r"""The split: a text is cut into words before anything is merged.

Why cut at all? Without the cut, frequent neighbors would grow together across words: "the dog" and "dog." would each
become a token, and the vocabulary would fill with a thousand dogs. Merges therefore never cross a word's edge. The
cut also makes everything fast: a word that was seen before need not be worked on again.

A word here is what one match of a pattern takes. Patterns are tried from left to right, and together they match every
character, so the words joined are the text. The space stays with the word that follows it (" dog"): otherwise
every second token would be a space.

    \p{L} a letter of any script    \p{N} a digit or another numeral    \s white space
    \s+(?!\S) white space that no word follows: it leaves the last space to the next word

`regex` is used instead of Python's `re` because `re` knows no \p{L}. `tokenizers` splits with another engine; the two
agree on every character up to Unicode 16. They may class a younger one differently.
"""

import functools
from collections.abc import Iterable, Iterator

import regex

from minillm.errors import UserError

PATTERNS = {
    # Contractions, letters, numbers, everything else, white space: Radford et al., 2019, in GPT-2's code.
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    # The same with every digit alone, so that 1234 is read digit by digit and not as a word to memorize.
    # A digit takes no space before it, so the white space before a digit is whole.
    "smollm": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?![^\s\p{N}])|\s+",
    # Contractions in capitals too, at most three digits, and a line break ends a word.
    "llama3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    # Llama 3's with every digit alone.
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}


# The last position of a text where all of these patterns cut, whatever comes before and after: in front of white space
# that follows a letter or a digit, and in front of a space that follows no white space.
LAST_SURE_CUT = regex.compile(r"(?r)(?<=[\p{L}\p{N}])(?=\s)|(?<=\S)(?= )")


def whole_words(pieces: Iterable[str]) -> Iterator[str]:
    """Regroup the pieces of a text so that each ends where all patterns cut: split one by one, they give the words.

    >>> list(whole_words(["It w", "as so", " dark"]))
    ['It', ' was', ' so', ' dark']
    """
    rest = ""
    for piece in pieces:
        rest += piece
        if cut := LAST_SURE_CUT.search(rest):
            yield rest[: cut.start()]
            rest = rest[cut.start() :]
    yield rest


@functools.cache
def compiled(name: str) -> regex.Pattern:
    """The compiled pattern of a pre-tokenizer. Raises `UserError` for a name that is not in `PATTERNS`.

    >>> compiled("gpt2").findall("to be")
    ['to', ' be']
    """
    if name not in PATTERNS:
        raise UserError(f"no pre-tokenizer is called {name!r}; choose one of {', '.join(PATTERNS)}")
    return regex.compile(PATTERNS[name])


def split(text: str, name: str = "gpt2") -> list[str]:
    """Cut a text into the words inside which merges happen. Joined, the words are the text again.

    >>> split("It's 2024,  said Tom.")
    ['It', "'s", ' 2024', ',', ' ', ' said', ' Tom', '.']
    >>> split("It's 2024", "smollm")
    ['It', "'s", ' ', '2', '0', '2', '4']
    """
    return compiled(name).findall(text)
