"""Tokenizers that are not byte-level: byte-pair encoding on characters, as in Llama 2 and Mistral.

SentencePiece (Kudo & Richardson 2018) writes a space as "▁" and puts one in front of a text, so that "the" is the same
token at its beginning and in its middle. It merges characters; one that the vocabulary does not hold is written as its
UTF-8 bytes, "<0xF0>" and so on (byte fallback). The library `tokenizers` does the work here: such a tokenizer is read
and used, not trained. One thing is ours: a user's text never becomes a special token, since the library that reads it
does not know them.

It loses what byte-level tokenizers keep: "▁" in a text comes back as a space, and in some files so does a first space.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from minillm.errors import UserError
from minillm.tokenizer import files, vocabulary
from minillm.tokenizer.alphabet import utf8

SPACE = "▁"
BYTE = re.compile("<0x([0-9A-F]{2})>")
STEPS = ("Sequence", "Prepend", "Replace", "Metaspace", "ByteFallback", "Fuse", "Strip")


class SentencePieceBPE:
    """Encodes ordinary text by a tokenizer.json with byte fallback; the `model` of such a `Tokenizer`.

    `file` is the content of tokenizer.json. `vocab` maps each id to the bytes of its token, with "▁" as a space.
    `special_tokens` maps those of the file, and others that it holds and that are named here, to their ids. Raises
    `UserError` naming the field that is wrong or not known, `ImportError` where the library `tokenizers` is not
    installed.
    """

    pre_tokenizer = "sentencepiece"
    ignore_merges = False
    normalizer: str | None = None

    def __init__(self, file: dict[str, Any], special_tokens: tuple[str, ...] = ()):
        settings = parse(file)
        special_tokens = tuple(dict.fromkeys([*settings["special_tokens"], *special_tokens]))
        ids = vocabulary.ids_of_spelled(settings["tokens"], special_tokens)
        self.special_tokens = {text: ids[text] for text in special_tokens}
        for text in special_tokens:
            if len(text) < 2 or BYTE.fullmatch(text):
                raise UserError(f"special token {text!r} is what ordinary text could become; take a longer one")
        self.vocab = {id: utf8(text) if text in self.special_tokens else _bytes_of(text) for text, id in ids.items()}
        self.merges = [(_bytes_of(left), _bytes_of(right)) for left, right in settings["merges"]]
        self._file = file

        # What reads a user's text knows no special tokens, and cannot merge its way to one, nor to the name of a byte.
        forbidden = {*self.special_tokens, *(f"<0x{byte:02X}>" for byte in range(256))}
        merges = [halves for halves in settings["merges"] if "".join(halves) not in forbidden]
        plain = file | {"added_tokens": [], "truncation": None, "padding": None, "post_processor": None}
        plain["model"] = file["model"] | {"merges": merges}
        self._whole, self._plain, self._rest = map(_library, (file, plain, _without_first_space(plain)))

    def encode(self, text: str) -> list[int]:
        """The ids of a text, with a space put in front of it where the file says so."""
        return self._ids_of(self._plain, text)

    def encode_rest(self, text: str) -> list[int]:
        """The ids of a text after a special token: newer files then put no space in front of it."""
        return self._ids_of(self._rest, text)

    def whole_words(self, pieces: Iterable[str]) -> Iterator[str]:
        """The whole text at once, since merges may reach across any position."""
        yield "".join(pieces)

    def decode(self, ids: list[int], data: bytes) -> str:
        """The text of ids, without the space in front of it."""
        return self._whole.decode(ids, skip_special_tokens=False)

    def to_json(self, first_token: str | None) -> dict[str, Any]:
        """The content of tokenizer.json, as it was read."""
        return self._file

    def __reduce__(self) -> tuple:
        return type(self), (self._file, (*self.special_tokens,))

    @staticmethod
    def _ids_of(library: Any, text: str) -> list[int]:
        utf8(text)  # a lone surrogate gets our message
        return library.encode(text, add_special_tokens=False).ids


def parse(file: dict[str, Any]) -> dict[str, Any]:
    """Tokens, merges and special tokens of a tokenizer.json with byte fallback, if all of it is known."""
    model = files.take(file, "model", dict)
    for field in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges"):
        if model.get(field):
            raise UserError(
                f"model.{field} is {repr(model[field])[:80]}; only plain BPE with byte fallback can be read"
            )
    for field in ("normalizer", "pre_tokenizer", "decoder"):
        _check_steps(field, file.get(field))
    tokens = dict(files.take(model, "vocab", dict))
    for byte in range(256):
        if f"<0x{byte:02X}>" not in tokens:
            raise UserError(f"model.byte_fallback is set, but the vocabulary has no token '<0x{byte:02X}>'")
    special_tokens = files.add_special_tokens(tokens, file, False)
    merges = [vocabulary.halves(merge) for merge in files.take(model, "merges", list)]
    return {"tokens": tokens, "special_tokens": special_tokens, "merges": merges}


def _check_steps(field: str, found: Any) -> None:
    """Refuse a normalizer, pre-tokenizer or decoder with a step that is not known here."""
    if found is None:
        return
    kind = found.get("type") if isinstance(found, dict) else None
    odd = (kind == "Replace" and "String" not in files.take(found, "pattern", dict)) or (
        kind == "Strip" and found.get("stop") != 0  # cutting from the end, the library may end the process
    )
    if kind not in STEPS or odd:
        raise UserError(f"{field} is {json.dumps(found)[:200]}; known beside byte fallback are {', '.join(STEPS)}")
    for steps in ("normalizers", "pretokenizers", "decoders"):
        for step in files.take(found, steps, list, []):
            _check_steps(field, step)


def _bytes_of(token: str) -> bytes:
    byte = BYTE.fullmatch(token)
    return bytes([int(byte[1], 16)]) if byte else utf8(token.replace(SPACE, " "))


def _without_first_space(file: dict[str, Any]) -> dict[str, Any]:
    """The file for a text that does not begin a document: a space that is put at the beginning only is left out."""
    split = file.get("pre_tokenizer")
    return file if split is None else file | {"pre_tokenizer": _never_prepending(split)}


def _never_prepending(split: dict[str, Any]) -> dict[str, Any]:
    if "pretokenizers" in split:
        return split | {"pretokenizers": [_never_prepending(step) for step in split["pretokenizers"]]}
    return split | {"prepend_scheme": "never"} if split.get("prepend_scheme") == "first" else split


def _library(file: dict[str, Any]) -> Any:
    try:
        import tokenizers
    except ImportError:
        raise ModuleNotFoundError(
            "this tokenizer is not byte-level, and is run by the library tokenizers, which is not installed: "
            "pip install tokenizers",
            name="tokenizers",
        ) from None
    try:
        return tokenizers.Tokenizer.from_str(json.dumps(file))
    except Exception as error:  # the library has no error class of its own
        raise UserError(f"the library tokenizers cannot read it: {error}") from None
