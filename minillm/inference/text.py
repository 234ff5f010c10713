"""Tokens become text while they are still being chosen.

Two things must wait. A token may end in the middle of a character, whose other bytes are still to come. And what has
just been written may be the beginning of a stop string, which nobody shall see.
"""

import codecs
from collections.abc import Sequence

from minillm.errors import UserError
from minillm.tokenizer import Tokenizer


class TextStream:
    """The text of tokens piece by piece, each as soon as nothing can change it, and none of it read twice.

    All pieces together are `tokenizer.decode` of all tokens, cut in front of the first `stop` string: the one that is
    complete first, and of several that end together the longest. (Tokenizers that are not byte-level write broken
    UTF-8 as one "\\ufffd" a byte; here it is one for each broken character.) Raises `ValueError` for an empty stop
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
        self._waiting = ""  # the end of the text, as far as it may be the beginning of a stop string
        self._begun = False

    def add(self, token: int) -> str:
        """What may be shown now that this token has come; nothing any more behind a stop string."""
        piece = self._utf8.decode(self._tokenizer.decode_bytes([token]))
        if piece and not self._begun:  # some tokenizers put a space before a text, and decoding takes it away
            self._begun = True
            piece = piece[piece.startswith(" ") and not self._tokenizer.decode([token]).startswith(piece) :]
        return self._release(piece)

    def end(self) -> str:
        """What was still waiting, when no more tokens come."""
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
