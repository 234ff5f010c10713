"""Special tokens in a user's text, hidden from the chat template so that they stay what was typed (see `chat`)."""

from collections.abc import Mapping, Sequence

import regex

from minillm.errors import UserError


class Veil:
    """Hides special tokens in what people typed: each becomes one character that occurs in no text of the chat.

    A special token could also form across a boundary: a message that ends in "<|im_" before a template that continues
    with "end|>". So the first and last characters of a message are hidden too where they could be part of one.

    `seen` is all text of the chat, the template included.

    >>> veil = Veil(["<s>"], seen="a<s>b")
    >>> hidden = veil.hide("a<s>b")
    >>> len(hidden), veil.split(hidden + "<s>") == [hidden, "<s>", ""], veil.lift(hidden)
    (3, True, 'a<s>b')
    """

    def __init__(self, special_tokens: Sequence[str] | Mapping[str, int], seen: str):
        longest_first = sorted(special_tokens, key=len, reverse=True)
        self._special = regex.compile(f"({'|'.join(map(regex.escape, longest_first)) or '(?!)'})")  # (?!) never matches
        self._beginnings = tuple({token[:n] for token in special_tokens for n in range(1, len(token))})
        self._ends = tuple({token[n:] for token in special_tokens for n in range(1, len(token))})
        self._special_tokens = special_tokens
        used = set(seen).union(*special_tokens)
        # Characters for private use: no template tests for them, changes or strips them.
        self._spare = (chr(code) for code in range(0xF0000, 0x10FFFE) if chr(code) not in used)
        self._hidden: dict[str, str] = {}  # what was typed -> the character that stands for it

    def _character(self, typed: str) -> str:
        if typed not in self._hidden:
            character = next(self._spare, None)
            if character is None:
                raise UserError(
                    "the conversation uses all of Unicode's characters for private use, of which one must be left to "
                    "hide a special token; take some of them out"
                )
            self._hidden[typed] = character
        return self._hidden[typed]

    def hide(self, text: str) -> str:
        """The text as the template may see it: its special tokens replaced by characters that stand for them."""
        text = self._special.sub(lambda match: self._character(match[0]), text)
        text = self._hide_edges(text, text.strip())  # a template may strip white space
        return self._hide_edges(text, text)

    def _hide_edges(self, text: str, core: str) -> str:
        """Hide the first and last character of `core`, within the text, where a special token could contain them."""
        if not core:
            return text
        start = text.index(core)
        end = start + len(core)
        within = any(core in token for token in self._special_tokens)
        if within or core.endswith(self._beginnings):
            text = text[: end - 1] + self._character(text[end - 1]) + text[end:]
        if len(core) > 1 and (within or core.startswith(self._ends)):
            text = text[:start] + self._character(text[start]) + text[start + 1 :]
        return text

    def split(self, rendered: str) -> list[str]:
        """The rendered text, cut at the special tokens that the template wrote: text, token, text, ..., text."""
        return self._special.split(rendered)

    def lift(self, text: str) -> str:
        """The text as it was typed."""
        return text.translate({ord(character): typed for typed, character in self._hidden.items()})
