"""`Tokenizer`: vocabulary, merges, split and special tokens, put together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import index
from pathlib import Path
from typing import Any, ClassVar, SupportsIndex

import regex

from minillm.errors import UserError
from minillm.tokenizer import files, vocabulary
from minillm.tokenizer.alphabet import spell, unspell, utf8
from minillm.tokenizer.composing import compose
from minillm.tokenizer.merging import WordCache, merge_word
from minillm.tokenizer.pre_tokenizers import compiled, whole_words
from minillm.tokenizer.training import learn_vocabulary


class Tokenizer:
    """Byte-level BPE: any text to ids and back, without loss.

    `vocab` maps each id to the bytes it stands for, special tokens included. `merges` holds the pairs in the order in
    which they were learnt. `special_tokens` maps marks such as "<|im_end|>" to ids that ordinary text never becomes.
    `chat_template`, `bos_token`, `eos_token` and `add_bos` (whether a text begins with `bos_token`; None: nobody said)
    are carried for others to use and may be set later; `encode` adds no token of its own.

    `ignore_merges` (Llama 3): a word that is itself a token is taken whole, whatever the merges say.
    `normalizer="NFC"` (Qwen2): text is first brought to its composed form, so decoding gives back that form.

    Raises ValueError for two ids with the same bytes, a merge whose parts or result have no id, a special token that
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

    other_kinds: ClassVar[list[Any]] = []  # tokenizers that are not byte-level put themselves on this list

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
    ):
        self._take_special_tokens(special_tokens, bos_token, eos_token, chat_template, add_bos)
        self.merges = list(merges)
        self.pre_tokenizer = pre_tokenizer
        self.ignore_merges, self.normalizer = ignore_merges, normalizer
        if normalizer not in (None, "NFC"):
            raise UserError(f"normalizer is {normalizer!r}; only 'NFC' or None is known")

        self._ids = vocabulary.ids_of_ordinary(vocab, self.special_tokens)
        vocabulary.check_special_tokens(self.special_tokens, vocab, self._ids, self.merges)
        self._merge_table = vocabulary.merge_table(self.merges, self._ids)
        self.vocab = dict(vocab) | {id: utf8(text) for text, id in self.special_tokens.items()}
        self.vocab_size = max(self.vocab) + 1  # the number of ids that a model needs

        self._symbol_of_byte = {token[0]: chr(id) for token, id in self._ids.items() if len(token) == 1}
        self._find_words = compiled(pre_tokenizer).findall
        self._cache = WordCache(self._merge)

    def _take_special_tokens(
        self,
        special_tokens: Mapping[str, int],
        bos_token: str | None,
        eos_token: str | None,
        chat_template: str | None,
        add_bos: bool | None,
    ) -> None:
        self.special_tokens = dict(special_tokens)
        self.chat_template, self.add_bos = chat_template, add_bos
        self.bos_token, self.eos_token = bos_token, eos_token
        for role, token in (("bos_token", bos_token), ("eos_token", eos_token)):
            if token is not None and token not in self.special_tokens:
                raise UserError(f"{role} {token!r} is not among the special tokens {list(self.special_tokens)}")
        longest_first = sorted(self.special_tokens, key=len, reverse=True)
        self._split_at_special = regex.compile(f"({'|'.join(map(regex.escape, longest_first))})").split

    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int, special_tokens: Sequence[str] = (), pre_tokenizer: str = "gpt2"
    ) -> "Tokenizer":
        """Learn a vocabulary from texts.

        Ids in order: the special tokens as given, the 256 bytes, then one for each merge. `tokenizers` numbers in the
        same way. A small corpus may run out of pairs; the vocabulary then is smaller than asked for. Text that looks
        like a special token is ordinary text here.

        Raises TypeError for one str in place of several, ValueError for an empty corpus or too small a vocab_size.

        >>> tokenizer = Tokenizer.train(["ab ab abc"], vocab_size=260, special_tokens=["<|end|>"])
        >>> tokenizer.special_tokens, tokenizer.vocab[1], tokenizer.vocab[257]
        ({'<|end|>': 0}, b'!', b'ab')
        """
        vocab, merges, specials = learn_vocabulary(texts, vocab_size, special_tokens, pre_tokenizer)
        return cls(vocab, merges, specials, pre_tokenizer)

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

        tokens: each token with its id, or a sequence whose places are the ids. merges: "a b" or ("a", "b"), first
        learnt first. special_tokens: those of the tokens that are written as plain text. settings: the remaining
        arguments of `Tokenizer`. Raises `ValueError` for what no vocabulary can hold, naming it.

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
        Raises `FileNotFoundError`, and `ValueError` for files that are damaged or do not belong together.
        """
        tokens, merges = files.read_gpt2_files(Path(vocab_json), Path(merges_txt))
        with files.naming(f"{vocab_json} with {merges_txt}"):
            for text in vocabulary.several(special_tokens):
                tokens.setdefault(text, len(tokens))
            return cls.from_bytes_unicode(tokens, merges, special_tokens)

    @classmethod
    def load(cls, directory: str | Path) -> "Tokenizer":
        """Read tokenizer.json and, where present, tokenizer_config.json.

        Every token under added_tokens is a special token here: it is parsed only when asked for. A file that is not
        byte-level gives a tokenizer of another kind with the same methods (`sentencepiece`).

        Raises `FileNotFoundError` where there is no tokenizer.json, `ValueError` for one that is damaged or cannot be
        read, `ImportError` where the other kind needs a library that is not installed.
        """
        directory = Path(directory)
        file = files.read_tokenizer(directory)
        for kind in Tokenizer.other_kinds:
            if kind.reads(file):
                return kind.from_file(file, directory)
        settings = files.complete(directory, file, files.parse_tokenizer)
        with files.naming(directory / "tokenizer.json"):
            return cls.from_bytes_unicode(**settings)

    def save(self, directory: str | Path) -> None:
        """Write tokenizer.json, which `tokenizers` opens, and tokenizer_config.json, which `transformers` reads."""
        ordinary = {spell(token): id for token, id in self._ids.items()}
        files.write_directory(
            Path(directory),
            tokens=dict(sorted((ordinary | self.special_tokens).items(), key=lambda item: item[1])),
            merges=[[spell(left), spell(right)] for left, right in self.merges],
            special_tokens=self.special_tokens,
            pre_tokenizer=self.pre_tokenizer,
            ignore_merges=self.ignore_merges,
            normalizer=self.normalizer,
            config=self._roles(),
        )

    def _roles(self) -> dict[str, Any]:
        """What tokenizer_config.json says."""
        roles = {name: getattr(self, name) for name in ("bos_token", "eos_token", "chat_template")}
        return roles if self.add_bos is None else roles | {"add_bos_token": self.add_bos}

    def encode(self, text: str, allow_special: bool = False) -> list[int]:
        """The ids of a text.

        A special token in the text is ordinary text, unless allow_special: then every one of them becomes its id, the
        longest first where several fit. Ask for that only where you wrote the text yourself; for a chat, encode what
        the user typed without it and put `special_tokens[...]` between.

        Raises ValueError for half of a surrogate pair, and for a byte that the vocabulary does not hold (a vocabulary
        from `train` holds all 256).

        >>> tokenizer = Tokenizer.train(["hi hi"], vocab_size=258, special_tokens=["<|end|>"])
        >>> tokenizer.encode("hi<|end|>"), tokenizer.encode("hi<|end|>", allow_special=True)
        ([257, 28, 92, 69, 78, 68, 92, 30], [257, 0])
        """
        if not isinstance(text, str):
            raise TypeError(f"encode takes one str, not a {type(text).__name__}; encode_batch takes several")
        if not (allow_special and self.special_tokens):
            return self._encode_ordinary(text)
        ids = []
        for place, piece in enumerate(self._split_at_special(text)):
            if place % 2:  # split() puts each separator between the two pieces it separates
                ids.append(self.special_tokens[piece])
            else:
                ids.extend(self.encode_rest(piece) if place else self._encode_ordinary(piece))
        return ids

    def encode_rest(self, text: str) -> list[int]:
        """The ids of a text that goes on behind a special token: those of `encode`, since bytes have no beginning."""
        return self._encode_ordinary(text)

    def encode_batch(self, texts: Iterable[str], allow_special: bool = False) -> list[list[int]]:
        """The ids of each of several texts."""
        return [self.encode(text, allow_special) for text in vocabulary.several(texts)]

    def encode_iterable(self, pieces: Iterable[str], allow_special: bool = False) -> Iterator[int]:
        """The ids of one text that comes in pieces, such as the lines of an open file: those of `encode` of the whole.

        It holds little more than one piece at a time: ids are given out up to the last place where a word surely ends.
        Only with `allow_special`, and a special token that contains white space, is the whole text read first.

        >>> tokenizer = Tokenizer.train(["hi hi"], vocab_size=258)
        >>> list(tokenizer.encode_iterable(["hi h", "i"])) == tokenizer.encode("hi hi")
        True
        """
        pieces = self._regrouped(vocabulary.several(pieces), allow_special)
        return (id for piece in pieces for id in self.encode(piece, allow_special))

    def _regrouped(self, pieces: Iterable[str], allow_special: bool) -> Iterator[str]:
        spaced = allow_special and any(char.isspace() for token in self.special_tokens for char in token)
        return map("".join, [pieces]) if spaced else whole_words(pieces)

    def decode(self, ids: Iterable[SupportsIndex]) -> str:
        """The text of ids; bytes that are no UTF-8 (half of a character, say) show as "\ufffd".

        Raises ValueError for an id that is not in the vocabulary.
        """
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

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
        """`eos_id`, for whoever cannot do without; raises `ValueError` if there is none."""
        if self.eos_id is None:
            raise UserError("this tokenizer has no end token, and texts begin and end with one; set its eos_token")
        return self.eos_id

    def __repr__(self) -> str:
        return (
            f"Tokenizer(vocab_size={self.vocab_size}, merges={len(self.merges)}, "
            f"special_tokens={len(self.special_tokens)}, pre_tokenizer={self.pre_tokenizer!r})"
        )

    def _encode_ordinary(self, text: str) -> list[int]:
        if self.normalizer is not None:
            text = compose(text)
        symbols = "".join(map(self._cache.__getitem__, self._find_words(text)))
        return list(map(ord, symbols))

    def _merge(self, word: str) -> str:
        token = utf8(word)
        if self.ignore_merges and token in self._ids:
            return chr(self._ids[token])
        try:
            symbols = "".join(map(self._symbol_of_byte.__getitem__, token))
        except KeyError as missing:
            raise UserError(
                f"the vocabulary has no token for byte 0x{missing.args[0]:02x}, a part of {word!r}; "
                "take that character out of the text"
            ) from None
        return merge_word(symbols, self._merge_table)
