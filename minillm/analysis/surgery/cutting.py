"""Let a function that encodes one word cut whole texts, on the vocabulary of a loaded tokenizer.

Such a function takes the ids of a word's bytes and the merges, {pair of ids: new id}, and returns the ids of the word.
New ids are given out in the order of learning, so the smaller one was learned earlier.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from minillm.errors import UserError
from minillm.tokenizer import Tokenizer, split
from minillm.tokenizer.byte_level import ByteLevelBPE

Pair = tuple[int, int]
EncodeWord = Callable[[list[int], Mapping[Pair, int]], Sequence[int]]


@lru_cache(maxsize=8)
def merges_of(tokenizer: Tokenizer) -> dict[Pair, int]:
    """The merges of a byte-level tokenizer in the order of learning: {pair of ids: new id}.

    Raises `UserError` for a tokenizer of another kind, or one whose ids are in another order.

    >>> merges_of(Tokenizer.train(["abab"], 258))
    {(64, 65): 256, (256, 256): 257}
    """
    ids = _plain_ids(tokenizer)
    merges = {(ids[left], ids[right]): ids[left + right] for left, right in tokenizer.merges}
    if list(merges.values()) != sorted(merges.values()):
        raise UserError("the ids of this tokenizer aren't in the order of its merges; take GPT-2's or SmolLM2's")
    return merges


def byte_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of the bytes of a text, nothing merged.

    Raises `UserError` for a byte that the vocabulary lacks.

    >>> byte_ids(Tokenizer.train(["hi"], 256), "hi")
    [71, 72]
    """
    ids = _plain_ids(tokenizer)
    try:
        return [ids[bytes([byte])] for byte in text.encode()]
    except KeyError as missing:
        raise UserError(f"this vocabulary lacks the byte {missing}, which {text!r} holds") from None


def cut(
    tokenizer: Tokenizer,
    text: str,
    encode: EncodeWord,
    merges: Mapping[Pair, int] | None = None,
    in_words: bool = True,
    known: dict[str, list[int]] | None = None,
) -> list[int]:
    """The ids of a text, each of its words encoded by `encode(ids of its bytes, merges)`.

    Without `in_words`, the whole text is one word. `known` keeps the words that were encoded. Raises `UserError` where
    `encode` doesn't return ids of the vocabulary.

    >>> tokenizer = Tokenizer.train(["low lower lowest"], 260)
    >>> cut(tokenizer, "slow", lambda ids, merges: ids) == byte_ids(tokenizer, "slow")
    True
    """
    merges = merges_of(tokenizer) if merges is None else merges
    words = split(text, tokenizer.model.pre_tokenizer) if in_words else [text]  # pyright: ignore[reportAttributeAccessIssue]
    known = {} if known is None else known
    for word in dict.fromkeys(words):
        if word not in known:
            known[word] = _checked(tokenizer, word, encode(byte_ids(tokenizer, word), merges))
    return [id for word in words for id in known[word]]


def _checked(tokenizer: Tokenizer, word: str, ids: Any) -> list[int]:
    if not isinstance(ids, Sequence) or not all(isinstance(id, int) and id in tokenizer.vocab for id in ids):
        raise UserError(f"`encode` made {str(ids)[:60]} of {word!r}; it must return a list of ids of the vocabulary")
    return list(ids)


@lru_cache(maxsize=8)
def _plain_ids(tokenizer: Tokenizer) -> dict[bytes, int]:
    """The id of each entry but the special ones."""
    if not isinstance(tokenizer.model, ByteLevelBPE):
        raise UserError("this tokenizer doesn't start from bytes; take one like GPT-2's or SmolLM2's")
    special = set(tokenizer.special_tokens.values())
    return {token: id for id, token in tokenizer.vocab.items() if id not in special}
