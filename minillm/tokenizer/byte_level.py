"""Byte-level BPE at work: ordinary text to ids. It puts the split, the alphabet and the merges together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from minillm.errors import UserError
from minillm.tokenizer import files, vocabulary
from minillm.tokenizer.alphabet import spell, utf8
from minillm.tokenizer.composing import compose
from minillm.tokenizer.merging import WordCache, merge_word
from minillm.tokenizer.pre_tokenizers import compiled, whole_words


class ByteLevelBPE:
    """Encodes ordinary text: cuts it into words, writes each as bytes, and merges these in the order of learning.

    The arguments are those of `Tokenizer`, which has one of these as its `model`. Raises `UserError` for two ids with
    the same bytes, a merge whose parts or result have no id, a special token that ordinary text could become, and
    names that are not known.

    >>> model = ByteLevelBPE({0: b"a", 1: b"b", 2: b"ab"}, [(b"a", b"b")], special_tokens={})
    >>> model.encode("abba")
    [2, 1, 0]
    """

    def __init__(
        self,
        vocab: Mapping[int, bytes],
        merges: Sequence[tuple[bytes, bytes]],
        special_tokens: Mapping[str, int],
        pre_tokenizer: str = "gpt2",
        ignore_merges: bool = False,
        normalizer: str | None = None,
    ):
        if normalizer not in (None, "NFC"):
            raise UserError(f"normalizer is {normalizer!r}; only 'NFC' or None is known")
        self.merges, self.special_tokens = list(merges), dict(special_tokens)
        self.pre_tokenizer, self.ignore_merges, self.normalizer = pre_tokenizer, ignore_merges, normalizer
        self.ids = vocabulary.ids_of_ordinary(vocab, self.special_tokens)
        vocabulary.check_special_tokens(self.special_tokens, vocab, self.ids, self.merges)
        self._merge_table = vocabulary.merge_table(self.merges, self.ids)
        self._symbol_of_byte = {token[0]: chr(id) for token, id in self.ids.items() if len(token) == 1}
        self._find_words = compiled(pre_tokenizer).findall
        self._cache = WordCache(self._merge)

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        if self.normalizer is not None:
            text = compose(text)
        symbols = "".join(map(self._cache.__getitem__, self._find_words(text)))
        return list(map(ord, symbols))

    def encode_rest(self, text: str) -> list[int]:
        """The same: bytes have no beginning."""
        return self.encode(text)

    def whole_words(self, pieces: Iterable[str]) -> Iterator[str]:
        """A text that comes in pieces, regrouped into pieces that end where a word surely ends."""
        return whole_words(pieces)

    def decode(self, ids: list[int], data: bytes) -> str:
        """The text of ids, which stand for the bytes `data`; invalid UTF-8 shows as "\ufffd"."""
        return data.decode("utf-8", errors="replace")

    def to_json(self, first_token: str | None) -> dict[str, Any]:
        """The content of tokenizer.json, for a tokenizer whose texts begin with `first_token`."""
        ordinary = {spell(token): id for token, id in self.ids.items()}
        return files.describe(
            tokens=dict(sorted((ordinary | self.special_tokens).items(), key=lambda item: item[1])),
            merges=[[spell(left), spell(right)] for left, right in self.merges],
            special_tokens=self.special_tokens,
            pre_tokenizer=self.pre_tokenizer,
            ignore_merges=self.ignore_merges,
            normalizer=self.normalizer,
            first_token=first_token,
        )

    def _merge(self, word: str) -> str:
        """The symbols of one word: a character per token, `chr(id)`."""
        token = utf8(word)
        if self.ignore_merges and token in self.ids:
            return chr(self.ids[token])
        try:
            symbols = "".join(map(self._symbol_of_byte.__getitem__, token))
        except KeyError as missing:
            raise UserError(
                f"the vocabulary has no token for byte 0x{missing.args[0]:02x}, a part of {word!r}; "
                "take that character out of the text"
            ) from None
        return merge_word(symbols, self._merge_table)
