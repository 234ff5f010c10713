"""Tokens to text while they are still being generated.

Two kinds of text must wait: a token may end in the middle of a character, whose other bytes are still to come, and the
newest text may be the beginning of a stop string, which must not be shown.
"""

import codecs
from collections.abc import Sequence

from minillm.errors import UserError
from minillm.tokenizer import Tokenizer


class TextStream:
    """The text of a stream of tokens, piece by piece; each piece comes as soon as no later token can change it.

    All pieces together are `tokenizer.decode` of all tokens, cut before the first `stop` string: the one that is
    complete first, and of several that end together the longest. (Tokenizers that are not byte-level write broken
    UTF-8 as one "\\ufffd" per byte; here it is one per broken character.) Raises `UserError` for an empty stop
    string, and `add` for an id that is not in the vocabulary.

    >>> tokenizer = Tokenizer.train(["hi hi"], vocab_size=256)
    >>> text = TextStream(tokenizer, stop=["END"])
    >>> [text.add(token) for token in tokenizer.encode("é EEND!")]
    ['', 'é', ' ', '', 'E', '', '', '']
    >>> text.stopped
    True
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str] = ()):
        if "" in stop:
            raise UserError("a stop string is empty, so every text would end before it begins; leave it out")
        self.stopped = False
        self._tokenizer, self._stop = tokenizer, tuple(stop)
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._waiting = ""  # the end of the text, if it may begin a stop string
        self._begun = False

    def add(self, token: int) -> str:
        """The text that can be shown after this token; always empty after a stop string."""
        piece = self._utf8.decode(self._tokenizer.decode_bytes([token]))
        if piece and not self._begun:
            self._begun = True
            # Some tokenizers put a space before a text, which their `decode` removes again.
            if piece.startswith(" ") and not self._tokenizer.decode([token]).startswith(piece):
                piece = piece[1:]
        return self._release(piece)

    def end(self) -> str:
        """The text that was still waiting; call it when no more tokens come."""
        rest = self._release(self._utf8.decode(b"", final=True)) + self._waiting
        self._waiting = ""
        return rest

    def _release(self, piece: str) -> str:
        if self.stopped:
            return ""
        text = self._waiting + piece
        found = [(text.index(stop) + len(stop), text.index(stop)) for stop in self._stop if stop in text]
        if found:
            self.stopped, self._waiting = True, ""
            return text[: min(found)[1]]
        longest = min(len(text), max(map(len, self._stop), default=1) - 1)
        wait = next((n for n in range(longest, 0, -1) if any(stop.startswith(text[-n:]) for stop in self._stop)), 0)
        self._waiting = text[len(text) - wait :]
        return text[: len(text) - wait]
