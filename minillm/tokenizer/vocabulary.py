"""The vocabulary: what must hold between ids, tokens, merges and special tokens before a text is encoded.

A vocabulary may come from any file, so each rule is checked once, here, and the message names what breaks it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from minillm.errors import UserError
from minillm.tokenizer.alphabet import UNICODE_TO_BYTE, unspell, utf8
from minillm.tokenizer.merging import LARGEST_ID


def ids_of_spelled(tokens: Mapping[str, Any] | Sequence[str], special_tokens: Iterable[str]) -> dict[str, int]:
    """Each spelled token's id; in a sequence the index is the id. Every id has one token, every token one id.

    >>> ids_of_spelled(["<s>", "Ġ", "a"], ["<s>"])
    {'<s>': 0, 'Ġ': 1, 'a': 2}
    """
    pairs = tokens.items() if isinstance(tokens, Mapping) else [(token, id) for id, token in enumerate(tokens)]
    ids: dict[str, int] = {}
    owners: dict[int, str] = {}
    for token, id in pairs:
        if not isinstance(id, int) or isinstance(id, bool):
            raise UserError(f"token {token!r} has id {id!r}; an id is a whole number")
        if token in ids:
            raise UserError(f"token {token!r} has two ids, {ids[token]} and {id}")
        if id in owners:
            raise UserError(f"id {id} is given to both {owners[id]!r} and {token!r}")
        ids[token], owners[id] = id, token
    for text in special_tokens:
        if text not in ids:
            raise UserError(f"special token {text!r} is not in the vocabulary, so it has no id")
    return ids


def halves_of_spelled(merge: object) -> tuple[bytes, bytes]:
    """The two tokens of a merge: newer files write ["a", "b"], older ones "a b" (no spelled token has a space).

    >>> halves_of_spelled("Ġ the")
    (b' ', b'the')
    """
    left, right = halves(merge)
    return unspell(left), unspell(right)


def halves(merge: object) -> tuple[str, str]:
    """The two tokens of a merge as they are spelled; raises `UserError` for what does not name two tokens.

    >>> halves(["▁", "the"])
    ('▁', 'the')
    """
    found = merge.split(" ") if isinstance(merge, str) else merge
    if not isinstance(found, (list, tuple)) or len(found) != 2 or not all(isinstance(half, str) for half in found):
        raise UserError(f"merge {repr(merge)[:80]} does not name two tokens; write it as ['a', 'b'] or 'a b'")
    return found[0], found[1]


def ids_of_ordinary(vocab: Mapping[int, bytes], special_tokens: Mapping[str, int]) -> dict[bytes, int]:
    """The id of every token that is not special.

    >>> ids_of_ordinary({0: b"a", 1: b"b", 2: b"<s>"}, {"<s>": 2})
    {b'a': 0, b'b': 1}
    """
    special_ids = set(special_tokens.values())
    if len(special_ids) < len(special_tokens):
        raise UserError(f"two special tokens have the same id in {dict(special_tokens)}; give each its own")
    if not vocab:
        raise UserError("the vocabulary is empty; it needs at least the bytes that the text is made of")
    for id in (*vocab, *special_ids):
        if not 0 <= id <= LARGEST_ID:
            raise UserError(f"id {id} is outside 0 to {LARGEST_ID}, the ids that can be used here")
    ids: dict[bytes, int] = {}
    for id, token in vocab.items():
        if id not in special_ids and ids.setdefault(token, id) != id:
            raise UserError(f"ids {ids[token]} and {id} both stand for {token!r}; a token has one id")
    return ids


def check_special_tokens(
    special_tokens: Mapping[str, int],
    vocab: Mapping[int, bytes],
    ids: Mapping[bytes, int],
    merges: Sequence[tuple[bytes, bytes]],
) -> None:
    """Refuse a special token that is empty, that has another token's id, or that ordinary text could become.

    The last is what makes special tokens safe: whatever a user types, it never turns into "<|im_end|>".

    >>> check_special_tokens({"the": 1}, {0: b"the"}, {b"the": 0}, merges=[])
    Traceback (most recent call last):
    minillm.errors.UserError: special token 'the' is spelled like an ordinary token, ...
    """
    made = {left + right for left, right in merges}
    for text, id in special_tokens.items():
        if not text:
            raise UserError("a special token is the empty text, which is everywhere; give it a name such as '<|end|>'")
        if vocab.get(id, utf8(text)) != utf8(text):
            raise UserError(f"special token {text!r} has id {id}, which stands for {vocab[id]!r}")
        if set(text) <= UNICODE_TO_BYTE.keys():
            token = unspell(text)
            if len(token) == 1 or token in made or token in ids:
                raise UserError(
                    f"special token {text!r} is spelled like an ordinary token, so ordinary text could become it; "
                    f"choose a text that nobody writes, such as '<|{text}|>'"
                )


def merge_table(merges: Sequence[tuple[bytes, bytes]], ids: Mapping[bytes, int]) -> dict[str, tuple[int, str]]:
    """The merges in the form that `merge_word` needs: a pair of symbols -> (rank, the symbol it becomes).

    >>> merge_table([(b"a", b"b")], {b"a": 65, b"b": 66, b"ab": 67})
    {'AB': (0, 'C')}
    """
    table: dict[str, tuple[int, str]] = {}
    for rank, (left, right) in enumerate(merges):
        for token in (left, right, left + right):
            if token not in ids:
                raise UserError(f"merge {rank}, {left!r} + {right!r}, needs {token!r}, which is not in the vocabulary")
        pair = chr(ids[left]) + chr(ids[right])
        if table.setdefault(pair, (rank, chr(ids[left + right])))[0] != rank:
            raise UserError(f"merge {rank}, {left!r} + {right!r}, is merge {table[pair][0]} again")
    return table


def several(texts: Iterable[str]) -> Iterable[str]:
    """The texts themselves; raises TypeError for a single str, which Python would read letter by letter.

    >>> several(["ab", "c"])
    ['ab', 'c']
    """
    if isinstance(texts, str):
        raise TypeError(f"one str was given where several are expected; pass [{texts[:20]!r}]")
    return texts
