"""Escape special tokens in a message, so that a chat template passes them through as text (see `chat`)."""

from collections.abc import Mapping, Sequence

import regex

from minillm.errors import UserError


class SpecialTokenEscaper:
    """Replaces special tokens in messages by placeholder characters, and puts them back after the template has run.

    A placeholder is one character from Unicode's private-use planes that occurs nowhere in `seen`, which is all text of
    the chat with its template. A special token could also form across a boundary: a message that ends in "<|im_" before
    a template that continues with "end|>". So the first and last characters of a message are escaped too if they could
    be part of one.

    >>> escaper = SpecialTokenEscaper(["<s>"], seen="a<s>b")
    >>> escaped = escaper.escape("a<s>b")
    >>> len(escaped), escaper.split(escaped + "<s>") == [escaped, "<s>", ""], escaper.unescape(escaped)
    (3, True, 'a<s>b')
    """

    def __init__(self, special_tokens: Sequence[str] | Mapping[str, int], seen: str):
        longest_first = sorted(special_tokens, key=len, reverse=True)
        self._special = regex.compile(f"({'|'.join(map(regex.escape, longest_first)) or '(?!)'})")  # (?!) never matches
        self._prefixes = tuple({token[:n] for token in special_tokens for n in range(1, len(token))})
        self._suffixes = tuple({token[n:] for token in special_tokens for n in range(1, len(token))})
        self._special_tokens = special_tokens
        used = set(seen).union(*special_tokens)
        # Private-use characters: templates do not test for them, change them or strip them.
        self._unused = (chr(code) for code in range(0xF0000, 0x10FFFE) if chr(code) not in used)
        self._placeholders: dict[str, str] = {}  # original text -> its placeholder

    def _placeholder(self, original: str) -> str:
        if original not in self._placeholders:
            character = next(self._unused, None)
            if character is None:
                raise UserError(
                    "the conversation uses every private-use character of Unicode, and escaping a special token needs "
                    "one; remove some of them"
                )
            self._placeholders[original] = character
        return self._placeholders[original]

    def escape(self, text: str) -> str:
        """Replace the special tokens in a message by placeholders; do this before the template runs."""
        text = self._special.sub(lambda match: self._placeholder(match[0]), text)
        text = self._escape_edges(text, text.strip())  # a template may strip white space
        return self._escape_edges(text, text)

    def _escape_edges(self, text: str, core: str) -> str:
        """Escape the first and last character of `core`, a part of `text`, if a special token could contain them."""
        if not core:
            return text
        start = text.index(core)
        end = start + len(core)
        within = any(core in token for token in self._special_tokens)
        if within or core.endswith(self._prefixes):
            text = text[: end - 1] + self._placeholder(text[end - 1]) + text[end:]
        if len(core) > 1 and (within or core.startswith(self._suffixes)):
            text = text[:start] + self._placeholder(text[start]) + text[start + 1 :]
        return text

    def split(self, rendered: str) -> list[str]:
        """Split the rendered text at the special tokens of the template: text, token, text, ..., text."""
        return self._special.split(rendered)

    def unescape(self, text: str) -> str:
        """Put the original text back in place of the placeholders."""
        return text.translate({ord(placeholder): original for original, placeholder in self._placeholders.items()})
