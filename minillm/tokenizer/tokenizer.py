"""`Tokenizer`: vocabulary, merges, special tokens and the model that encodes ordinary text, put together."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import index
from pathlib import Path
from typing import Any, SupportsIndex

import regex

from minillm.errors import UserError
from minillm.tokenizer import files, sentencepiece, vocabulary
from minillm.tokenizer.alphabet import unspell, utf8
from minillm.tokenizer.byte_level import ByteLevelBPE
from minillm.tokenizer.sentencepiece import SentencePieceBPE
from minillm.tokenizer.text_model import TextModel
from minillm.tokenizer.training import learn_vocabulary

END_OF_TEXT = "<|endoftext|>"


class Tokenizer:
    """Any text to ids and back: byte-level BPE, or another `model` behind the same methods.

    `vocab` maps each id to the bytes it stands for, special tokens included. `merges` holds the pairs in the order in
    which they were learned. `special_tokens` maps texts such as "<|im_end|>" to ids that ordinary text never becomes.
    `chat_template`, `bos_token`, `eos_token` and `add_bos` (whether a text begins with `bos_token`; None: unknown) are
    stored for others to use and may be set later; `encode` adds no token of its own.

    `model` encodes ordinary text. By default it is a `ByteLevelBPE`, to which these arguments belong:
    `pre_tokenizer`, a name in `PATTERNS`;
    `ignore_merges` (Llama 3): a word that is itself a token is taken whole, whatever the merges say;
    `normalizer="NFC"` (Qwen2): text is first brought to its composed form, so decoding gives back that form.

    Raises `UserError` for two ids with the same bytes, a merge whose parts or result have no id, a special token that
    ordinary text could become, and names that are not known.

    >>> text = "low low low low low lower lower " + "newest " * 6 + "widest widest widest"
    >>> tokenizer = Tokenizer.train([text], vocab_size=260)
    >>> tokenizer.merges
    [(b'e', b's'), (b'es', b't'), (b'l', b'o'), (b'lo', b'w')]
    >>> tokenizer.encode("lowest")  # a word it never saw
    [259, 257]
    >>> tokenizer.decode(tokenizer.encode("naïve 🐈"))
    'naïve 🐈'
    """

    def __init__(
        self,
        vocab: Mapping[int, bytes],
        merges: Iterable[tuple[bytes, bytes]],
        special_tokens: Mapping[str, int],
        pre_tokenizer: str = "gpt2",
        chat_template: str | None = None,
        bos_token: str | None = None,
        eos_token: str | None = None,
        ignore_merges: bool = False,
        normalizer: str | None = None,
        add_bos: bool | None = None,
        model: TextModel | None = None,
    ):
        self.merges, self.special_tokens = list(merges), dict(special_tokens)
        self.chat_template, self.add_bos = chat_template, add_bos
        self.bos_token, self.eos_token = bos_token, eos_token
        for role, token in (("bos_token", bos_token), ("eos_token", eos_token)):
            if token is not None and token not in self.special_tokens:
                raise UserError(f"{role} {token!r} is not among the special tokens {list(self.special_tokens)}")
        if model is None:
            model = ByteLevelBPE(vocab, self.merges, self.special_tokens, pre_tokenizer, ignore_merges, normalizer)
        self.model = model
        self.vocab = dict(vocab) | {id: utf8(text) for text, id in self.special_tokens.items()}
        self.vocab_size = max(self.vocab) + 1  # the number of ids that a model needs
        longest_first = sorted(self.special_tokens, key=len, reverse=True)
        self._split_at_special = regex.compile(f"({'|'.join(map(regex.escape, longest_first))})").split

    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int, special_tokens: Sequence[str] = (), pre_tokenizer: str = "gpt2"
    ) -> "Tokenizer":
        """Learn a vocabulary from texts.

        Ids in order: the special tokens as given, the 256 bytes, then one for each merge. `tokenizers` numbers in the
        same way. A small corpus may run out of pairs; the vocabulary then is smaller than asked for. Text that looks
        like a special token is ordinary text here. A special token <|endoftext|> becomes the one that ends a text.

        Raises TypeError for one str in place of several, `UserError` for an empty corpus or too small a vocab_size.

        >>> tokenizer = Tokenizer.train(["ab ab abc"], vocab_size=260, special_tokens=["<|end|>"])
        >>> tokenizer.special_tokens, tokenizer.vocab[1], tokenizer.vocab[257]
        ({'<|end|>': 0}, b'!', b'ab')
        """
        vocab, merges, specials = learn_vocabulary(texts, vocab_size, special_tokens, pre_tokenizer)
        tokenizer = cls(vocab, merges, specials, pre_tokenizer)
        tokenizer.eos_token = END_OF_TEXT if END_OF_TEXT in specials else None
        return tokenizer

    @classmethod
    def from_bytes_unicode(
        cls,
        tokens: Mapping[str, Any] | Sequence[str],
        merges: Iterable[Any],
        special_tokens: Sequence[str] = (),
        pre_tokenizer: str = "gpt2",
        **settings: Any,
    ) -> "Tokenizer":
        """Build from tokens spelled in GPT-2's byte alphabet, as tokenizer.json and GGUF files hold them.

        tokens: each token with its id, or a sequence whose indices are the ids. merges: "a b" or ("a", "b"), in the
        order of learning. special_tokens: those of the tokens that are written as plain text. settings: the remaining
        arguments of `Tokenizer`. Raises `UserError` for what no vocabulary can hold, naming it.

        >>> Tokenizer.from_bytes_unicode(["<s>", "Ġ", "a", "Ġa"], ["Ġ a"], ["<s>"]).encode(" aa")
        [3, 2]
        """
        ids = vocabulary.ids_of_spelled(tokens, vocabulary.several(special_tokens))
        specials = {text: ids[text] for text in special_tokens}
        vocab = {id: utf8(token) if token in specials else unspell(token) for token, id in ids.items()}
        return cls(vocab, map(vocabulary.halves_of_spelled, merges), specials, pre_tokenizer, **settings)

    @classmethod
    def from_gpt2_files(
        cls, vocab_json: str | Path, merges_txt: str | Path, special_tokens: Sequence[str] = ()
    ) -> "Tokenizer":
        """Read GPT-2's vocab.json (also called encoder.json) and merges.txt (vocab.bpe).

        A special token that vocab.json holds keeps its id ("<|endoftext|>" is 50256); a new one gets the next free id.
        Raises `FileNotFoundError`, and `UserError` for files that are damaged or do not belong together.
        """
        tokens, merges = files.read_gpt2_files(Path(vocab_json), Path(merges_txt))
        with files.naming(f"{vocab_json} with {merges_txt}"):
            for text in vocabulary.several(special_tokens):
                tokens.setdefault(text, len(tokens))
            return cls.from_bytes_unicode(tokens, merges, special_tokens)

    @classmethod
    def from_sentencepiece(
        cls, file: dict[str, Any], special_tokens: Sequence[str] = (), **settings: Any
    ) -> "Tokenizer":
        """Build from the content of a tokenizer.json with byte fallback, as Llama 2 and Mistral have it.

        special_tokens: further tokens of the file that ordinary text never becomes. settings: `bos_token`, `eos_token`,
        `chat_template` and `add_bos`. Raises `UserError` naming the field that is wrong or not known, `ImportError`
        where the library `tokenizers` is not installed.
        """
        model = SentencePieceBPE(file, tuple(special_tokens))
        return cls(model.vocab, model.merges, model.special_tokens, model=model, **settings)

    @classmethod
    def load(cls, directory: str | Path) -> "Tokenizer":
        """Read tokenizer.json and, where present, tokenizer_config.json.

        Every token under added_tokens is a special token here: it is parsed only when asked for. `KINDS` lists the
        kinds of files that can be read.

        Raises `FileNotFoundError` where there is no tokenizer.json, `UserError` for one that is damaged or cannot be
        read, `ImportError` where its kind needs a library that is not installed.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     Tokenizer.train(["hi hi"], vocab_size=258).save(directory)
        ...     Tokenizer.load(directory).merges
        [(b'h', b'i'), (b' ', b'hi')]
        """
        directory = Path(directory)
        return cls.from_json(files.read_tokenizer(directory), files.read_config(directory), directory)

    @classmethod
    def from_json(cls, file: dict[str, Any], config: Mapping[str, Any], source: str | Path = "") -> "Tokenizer":
        """Build from the contents of tokenizer.json and tokenizer_config.json; messages name them in `source`."""
        parse, build = KINDS[files.kind_of(file)]
        settings = files.complete(file, config, parse, Path(source))
        with files.naming(Path(source) / "tokenizer.json"):
            return build(file, settings)

    def save(self, directory: str | Path) -> None:
        """Write tokenizer.json, which `tokenizers` opens, and tokenizer_config.json, which `transformers` reads."""
        config: dict[str, Any] = {name: getattr(self, name) for name in ("bos_token", "eos_token", "chat_template")}
        if self.add_bos is not None:
            config["add_bos_token"] = self.add_bos
        files.write(Path(directory), self.model.to_json(self.bos_token if self.add_bos else None), config)

    def encode(self, text: str, allow_special: bool = False) -> list[int]:
        """The ids of a text.

        A special token in the text is ordinary text, unless allow_special: then every one of them becomes its id, the
        longest first where several fit. Ask for that only where you wrote the text yourself; for a chat, encode what
        the user typed without it and put `special_tokens[...]` between.

        Raises `UserError` for a lone surrogate, and for a byte that the vocabulary does not hold (a vocabulary
        from `train` holds all 256).

        >>> tokenizer = Tokenizer.train(["hi hi"], vocab_size=258, special_tokens=["<|end|>"])
        >>> tokenizer.encode("hi<|end|>"), tokenizer.encode("hi<|end|>", allow_special=True)
        ([257, 28, 92, 69, 78, 68, 92, 30], [257, 0])
        """
        if not isinstance(text, str):
            raise TypeError(f"encode takes one str, not a {type(text).__name__}; encode_batch takes several")
        if not (allow_special and self.special_tokens):
            return self.model.encode(text)
        first, *others = self._split_at_special(text)  # text, special token, text, special token, ..., text
        ids = self.model.encode(first)
        for special, ordinary in zip(others[::2], others[1::2], strict=True):
            ids.append(self.special_tokens[special])
            ids += self.model.encode_rest(ordinary)
        return ids

    def encode_rest(self, text: str) -> list[int]:
        """The ids of a text that continues after a special token, where SentencePiece puts no space in front of it.

        In byte-level BPE they are those of `encode`.
        """
        return self.model.encode_rest(text)

    def encode_batch(self, texts: Iterable[str], allow_special: bool = False) -> list[list[int]]:
        """The ids of each of several texts.

        >>> Tokenizer.train(["hi hi"], vocab_size=258).encode_batch(["hi", " hi hi"])
        [[256], [257, 257]]
        """
        return [self.encode(text, allow_special) for text in vocabulary.several(texts)]

    def encode_iterable(self, pieces: Iterable[str], allow_special: bool = False) -> Iterator[int]:
        """The ids of one text that comes in pieces, such as the lines of an open file: the ids of the whole text.

        It keeps little more than one piece in memory: it yields ids up to the last position where a word surely ends.
        The whole text is read first with `allow_special` and a special token that contains white space, and by a
        SentencePiece tokenizer.

        >>> tokenizer = Tokenizer.train(["hi hi"], vocab_size=258)
        >>> list(tokenizer.encode_iterable(["hi h", "i"])) == tokenizer.encode("hi hi")
        True
        """
        pieces = vocabulary.several(pieces)
        if allow_special and any(regex.search(r"\s", token) for token in self.special_tokens):
            regrouped = map("".join, [pieces])
        else:
            regrouped = self.model.whole_words(pieces)
        return (id for piece in regrouped for id in self.encode(piece, allow_special))

    def decode(self, ids: Iterable[SupportsIndex]) -> str:
        """The text of ids; bytes that are no UTF-8 (half of a character, say) show as "\ufffd".

        Raises `UserError` for an id that is not in the vocabulary.

        >>> tokenizer = Tokenizer.train(["hi hi"], vocab_size=258)
        >>> tokenizer.decode([257, 0])
        ' hi!'
        """
        numbers = list(map(index, ids))  # a tensor's elements, too, become int
        return self.model.decode(numbers, self.decode_bytes(numbers))

    def decode_bytes(self, ids: Iterable[SupportsIndex]) -> bytes:
        """The exact bytes of ids.

        >>> tokenizer = Tokenizer.train(["hi hi"], vocab_size=257)
        >>> tokenizer.decode_bytes(tokenizer.encode("é")[:1])
        b'\xc3'
        """
        try:
            return b"".join(map(self.vocab.__getitem__, map(index, ids)))
        except KeyError as unknown:
            raise UserError(
                f"id {unknown.args[0]} is not in this vocabulary of size {self.vocab_size}: ids start at 0 "
                f"and end at {self.vocab_size - 1}"
            ) from None

    @property
    def bos_id(self) -> int | None:
        """The id of the token that begins a text, if there is one."""
        return None if self.bos_token is None else self.special_tokens[self.bos_token]

    @property
    def eos_id(self) -> int | None:
        """The id of the token that ends a text, if there is one."""
        return None if self.eos_token is None else self.special_tokens[self.eos_token]

    @property
    def end_id(self) -> int:
        """`eos_id`, for those who need one; raises `UserError` if there is none."""
        if self.eos_id is None:
            raise UserError("this tokenizer has no end token, and texts begin and end with one; set its eos_token")
        return self.eos_id

    def __repr__(self) -> str:
        return (
            f"Tokenizer(vocab_size={self.vocab_size}, merges={len(self.merges)}, "
            f"special_tokens={len(self.special_tokens)}, pre_tokenizer={self.model.pre_tokenizer!r})"
        )


def _byte_level(file: dict[str, Any], settings: dict[str, Any]) -> Tokenizer:
    return Tokenizer.from_bytes_unicode(**settings)


def _sentencepiece(file: dict[str, Any], settings: dict[str, Any]) -> Tokenizer:
    names = ("special_tokens", "bos_token", "eos_token", "chat_template", "add_bos")
    return Tokenizer.from_sentencepiece(file, **{name: settings[name] for name in names})


Settings = dict[str, Any]
# Kind of tokenizer.json (`files.kind_of`) -> what checks and parses the file, and what builds the tokenizer.
KINDS: dict[str, tuple[Callable[[Settings], Settings], Callable[[Settings, Settings], Tokenizer]]] = {
    "byte-level": (files.parse_tokenizer, _byte_level),
    "sentencepiece": (sentencepiece.parse, _sentencepiece),
}
