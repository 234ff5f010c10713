"""Tokenizers that are not byte-level: byte-pair encoding on characters, as in Llama 2 and Mistral.

SentencePiece (Kudo & Richardson 2018) writes a space as "▁" and puts one in front of a text, so that "the" is the same
token at its beginning and in its middle. It merges characters; one that the vocabulary does not hold is written as its
UTF-8 bytes, "<0xF0>" and so on (byte fallback). The library `tokenizers` does the work here: such a tokenizer is read
and used, not learnt. What is ours is that a user's text never becomes a special token: the library that reads it does
not know them.

It loses what byte-level tokenizers keep: "▁" in a text comes back as a space, and in some files so does a first space.
"""

import json
import re
from collections.abc import Iterable, Iterator
from operator import index
from pathlib import Path
from typing import Any, NoReturn, SupportsIndex

from minillm.errors import UserError
from minillm.tokenizer import files, vocabulary
from minillm.tokenizer.alphabet import utf8
from minillm.tokenizer.tokenizer import Tokenizer

SPACE = "▁"
BYTE = re.compile("<0x([0-9A-F]{2})>")
STEPS = ("Sequence", "Prepend", "Replace", "Metaspace", "ByteFallback", "Fuse", "Strip")


class SentencePieceTokenizer(Tokenizer):
    """A tokenizer.json with byte fallback, behind the methods of `Tokenizer`; `Tokenizer.load` makes one where needed.

    `vocab` holds the bytes of every token, with "▁" as a space. Raises ValueError naming the field that is wrong or not
    known, ImportError where the library `tokenizers` is not installed.
    """

    def __init__(
        self,
        file: dict[str, Any],
        bos_token: str | None = None,
        eos_token: str | None = None,
        chat_template: str | None = None,
        special_tokens: tuple[str, ...] = (),
        add_bos: bool | None = None,
    ):
        settings = parse(file)
        special_tokens = tuple(dict.fromkeys([*settings["special_tokens"], *special_tokens]))
        ids = vocabulary.ids_of_spelled(settings["tokens"], special_tokens)
        specials = {text: ids[text] for text in special_tokens}
        self._take_special_tokens(specials, bos_token, eos_token, chat_template, add_bos)
        for text in special_tokens:
            if len(text) < 2 or BYTE.fullmatch(text):
                raise UserError(f"special token {text!r} is what ordinary text could become; only a longer mark can be")
        self.vocab = {id: utf8(text) if text in self.special_tokens else _bytes_of(text) for text, id in ids.items()}
        self.vocab_size = max(self.vocab) + 1
        self.merges = [(_bytes_of(left), _bytes_of(right)) for left, right in settings["merges"]]
        self.pre_tokenizer, self.normalizer, self.ignore_merges = "sentencepiece", None, False
        self._file = file

        # What reads a text knows no special tokens, and cannot put one together either, nor the name of a byte.
        marks = {*self.special_tokens, *(f"<0x{byte:02X}>" for byte in range(256))}
        merges = [halves for halves in settings["merges"] if "".join(halves) not in marks]
        plain = file | {"added_tokens": [], "truncation": None, "padding": None, "post_processor": None}
        plain["model"] = file["model"] | {"merges": merges}
        self._whole, self._plain, self._rest = map(_library, (file, plain, _without_first_space(plain)))

    @classmethod
    def train(cls, *_: Any, **__: Any) -> NoReturn:
        """Raises `ValueError`: such a tokenizer is read from a file."""
        raise UserError(
            "a SentencePieceTokenizer is read by Tokenizer.load and not made here; Tokenizer.train learns a byte-level "
            "one, Tokenizer.from_gpt2_files and Tokenizer.from_bytes_unicode read one"
        )

    from_gpt2_files = from_bytes_unicode = train

    @staticmethod
    def reads(file: dict[str, Any]) -> bool:
        """Whether a tokenizer.json is of this kind."""
        model = file.get("model")
        return isinstance(model, dict) and model.get("type", "BPE") == "BPE" and model.get("byte_fallback") is True

    @classmethod
    def from_file(cls, file: dict[str, Any], directory: Path) -> "SentencePieceTokenizer":
        """From the content of tokenizer.json, and what tokenizer_config.json in the same directory says."""
        settings = files.complete(directory, file, parse)
        roles = {name: settings[name] for name in ("bos_token", "eos_token", "chat_template", "add_bos")}
        with files.naming(directory / "tokenizer.json"):
            return cls(file, **roles, special_tokens=tuple(settings["special_tokens"]))

    def save(self, directory: str | Path) -> None:
        """Write tokenizer.json as it was read, and tokenizer_config.json."""
        Path(directory).mkdir(parents=True, exist_ok=True)
        files.write_json(Path(directory) / "tokenizer.json", self._file)
        files.write_config(Path(directory), self._roles())

    def encode_rest(self, text: str) -> list[int]:
        """The ids of a text behind a special token: newer files then put no space in front of it."""
        return self._ids_of(self._rest, text)

    def _regrouped(self, pieces: Iterable[str], allow_special: bool) -> Iterator[str]:
        return map("".join, [pieces])  # merges may reach across any place

    def decode(self, ids: Iterable[SupportsIndex]) -> str:
        """The text of ids, without the space in front of it; raises ValueError for an id that is not there."""
        ids = list(map(index, ids))
        self.decode_bytes(ids)  # it names an unknown id, which the library would leave out
        return self._whole.decode(ids, skip_special_tokens=False)

    def __reduce__(self) -> tuple:
        settings = self.bos_token, self.eos_token, self.chat_template, (*self.special_tokens,), self.add_bos
        return type(self), (self._file, *settings)

    def _encode_ordinary(self, text: str) -> list[int]:
        return self._ids_of(self._plain, text)

    @staticmethod
    def _ids_of(library: Any, text: str) -> list[int]:
        utf8(text)  # half a character gets our sentence
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
    if found is None:
        return
    kind = found.get("type") if isinstance(found, dict) else None
    odd = (kind == "Replace" and "String" not in files.take(found, "pattern", dict)) or (
        kind == "Strip" and found.get("stop") != 0  # cut from behind, the library may end the process
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
    """The file for a text that is not at the beginning, where its space is for the beginning only."""
    split = file.get("pre_tokenizer")
    return file if split is None else file | {"pre_tokenizer": _never_prepending(split)}


def _never_prepending(split: dict[str, Any]) -> dict[str, Any]:
    if "pretokenizers" in split:
        return split | {"pretokenizers": [_never_prepending(one) for one in split["pretokenizers"]]}
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
    except Exception as error:  # the library has no class of its own for errors
        raise UserError(f"the library tokenizers cannot read it: {error}") from None


Tokenizer.other_kinds.append(SentencePieceTokenizer)
