"""The interface between a `Tokenizer` and the algorithm that it uses; `byte_level` and `sentencepiece` implement it."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class TextModel(Protocol):
    """What a `Tokenizer` needs of the algorithm that encodes ordinary text; special tokens never reach it.

    `pre_tokenizer`, `ignore_merges` and `normalizer` tell two models with the same merges apart.
    """

    pre_tokenizer: str
    ignore_merges: bool
    normalizer: str | None

    def encode(self, text: str) -> list[int]:
        """The ids of a text from its beginning."""
        ...

    def encode_rest(self, text: str) -> list[int]:
        """The ids of a text that continues after a special token."""
        ...

    def whole_words(self, pieces: Iterable[str]) -> Iterator[str]:
        """The pieces of one text, regrouped so that their ids joined are the ids of the whole text."""
        ...

    def decode(self, ids: list[int], data: bytes) -> str:
        """The text of ids, which stand for the bytes `data`."""
        ...

    def to_json(self, first_token: str | None) -> dict[str, Any]:
        """The content of tokenizer.json, for a tokenizer whose texts begin with `first_token`."""
        ...
