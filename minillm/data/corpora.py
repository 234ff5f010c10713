"""Corpora: where each comes from, and which of its documents are held out for validation.

    python-docs          the manual and the docstrings of the Python that is installed
    tiny-shakespeare     1 MB        \\
    tinystories          2.2 GB       > after `minillm fetch NAME`
    fineweb-edu-sample   0.5 GB      /
    a path               a text file, or a folder of them
    what is registered   `register_corpus`; the course's world registers itself

No document is in both training and validation. Documents are compared by their exact text: a text in the validation
set is left out of training wherever it occurs. Near-duplicates are not found by this.

Where a corpus has no validation set of its own, it consists of the documents with the smallest hashes: a random sample
of the distinct documents that needs no seed, is the same in any order of the files, and takes one pass over a stream of
any size.
"""

import difflib
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from minillm import assets
from minillm.data.floor import KnownDocument
from minillm.data.python_docs import python_docs
from minillm.data.text_files import END_OF_TEXT, read_documents
from minillm.data.token_file import TokenFile, cached_token_file
from minillm.errors import UserError
from minillm.extensions import load_extensions
from minillm.tokenizer import Tokenizer

SPECIAL_TOKENS = (END_OF_TEXT, "<|im_start|>", "<|im_end|>")  # the chat tokens are first used in lesson 09

TOKENIZER_DOCUMENTS = 4_000  # to train a tokenizer on; more hardly change a merge

# Corpora that `minillm fetch` brings: the asset's training file, and its validation file where it has one.
FETCHED = {
    "tiny-shakespeare": ("tiny-shakespeare.txt", None),
    "tinystories": ("TinyStoriesV2-GPT4-train.txt", "TinyStoriesV2-GPT4-valid.txt"),
    "fineweb-edu-sample": ("fineweb-edu-sample.parquet", None),
}


@dataclass(frozen=True)
class Stream:
    """Documents that are read anew at every iteration, without those that are left out.

    >>> list(Stream(lambda: iter("abc"), left_out=frozenset("b")))
    ['a', 'c']
    """

    read: Callable[[], Iterator[str]]
    left_out: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[str]:
        return (text for text in self.read() if text not in self.left_out)


@dataclass(frozen=True)
class Corpus:
    """Training documents (a list, or a stream that can be read again) and validation documents.

    `truth` holds the latter with their exact probabilities, where known. `fingerprint` is a SHA-256 of all texts, in
    order.
    """

    name: str
    train: list[str] | Stream
    validation: list[str]
    fingerprint: str
    truth: Sequence[KnownDocument] | None = None


Loader = Callable[[int, int, int], Corpus]  # from a seed, and how many documents to learn from and to hold out
_REGISTERED: dict[str, Loader] = {}


def register_corpus(name: str, load: Loader) -> None:
    """Make a corpus known to `load_corpus` by a name, such as one that a program generates; the last one counts.

    >>> letters = [*"abcdefghijklmnopqrstuvwxyz"]
    >>> register_corpus("letters", lambda seed, n_train, n_validation: split("letters", lambda: iter(letters), 2))
    >>> len(load_corpus("letters").validation)
    2
    """
    _REGISTERED[name] = load


def corpus_names() -> tuple[str, ...]:
    """The names that `load_corpus` knows; `minillm fetch` brings some of them."""
    load_extensions()
    return (*_REGISTERED, "python-docs", *FETCHED)


def load_corpus(name: str, seed: int = 0, n_train: int = 40_000, n_validation: int = 500) -> Corpus:
    """A corpus by its name (the list at the top of this module), or from a text file or a folder of them.

    `seed` and `n_train` belong to a corpus that is generated; of a file one tenth is held out, at most `n_validation`
    documents. A name goes before a file of the same name; "./name" means the file.

    Raises `FileNotFoundError` for what is neither a name nor a path, `assets.AssetError` for a corpus that is not yet
    fetched, and `UserError` for text that cannot be split.

    >>> load_corpus("python-dogs")
    Traceback (most recent call last):
    FileNotFoundError: there is no corpus 'python-dogs'; did you mean 'python-docs'? A corpus is ...
    """
    if n_validation < 1:
        raise UserError(f"n_validation is {n_validation}; at least 1 document is needed for validation")
    if name == "python-docs":
        return _as_list(split(name, lambda: iter(python_docs()), n_validation))
    if name in FETCHED:
        return _fetched(name, n_validation)
    names = corpus_names()
    if name in _REGISTERED:
        return _REGISTERED[name](seed, n_train, n_validation)
    path = Path(name)
    if not path.exists():
        near = difflib.get_close_matches(name, names, cutoff=0.5)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
        raise FileNotFoundError(
            f"there is no corpus {name!r}{hint} A corpus is {', '.join(names)}, or the path of a text file or a folder"
        )
    return split(path.resolve().name, lambda: read_documents(path), n_validation)


def split(
    name: str,
    read: Callable[[], Iterator[str]],
    n_validation: int,
    read_validation: Callable[[], Iterator[str]] | None = None,
) -> Corpus:
    """Hold documents out for validation, by their hashes; `read` begins a pass over all documents.

    They come from `read_validation` where it is given, else they are at most a tenth of the distinct ones of `read`.
    Memory holds at most twice as many documents as are held out, and one more. Raises `UserError` for fewer than ten
    documents, and for fewer than two distinct ones.

    >>> corpus = split("letters", lambda: iter("abcdefghijklmnopqrstuvwxyz"), n_validation=100)
    >>> len(corpus.validation), sorted([*corpus.train, *corpus.validation]) == [*"abcdefghijklmnopqrstuvwxyz"]
    (2, True)
    """
    total, distinct, kept, digest = _smallest_hashes(read(), n_validation)
    if read_validation is not None:
        *_, kept, other = _smallest_hashes(read_validation(), n_validation)
        digest += other
    elif total < 10:
        raise UserError(
            f"{name} holds {total} documents, and at least 10 are needed to keep one in ten for validation; "
            f"separate them by blank lines or {END_OF_TEXT}"
        )
    else:
        kept = kept[: max(1, distinct // 10)]
    train = Stream(read, frozenset(kept))
    if not kept or next(iter(train), None) is None:
        raise UserError(f"{name} has no two distinct documents, so nothing is left for validation; take another text")
    return Corpus(name, train, kept, hashlib.sha256(digest + text_hash(kept)).hexdigest())


def learn_tokenizer(corpus: Corpus, vocab_size: int, documents: int = TOKENIZER_DOCUMENTS) -> Tokenizer:
    """Train a tokenizer on a corpus's first training documents; one token ends a document and begins the next.

    >>> corpus = split("sums", lambda: (f"{n} and {n} is {n + n}" for n in range(99)), n_validation=2)
    >>> tokenizer = learn_tokenizer(corpus, vocab_size=264)
    >>> tokenizer.vocab_size, tokenizer.eos_token
    (264, '<|endoftext|>')
    """
    tokenizer = Tokenizer.train(itertools.islice(corpus.train, documents), vocab_size, SPECIAL_TOKENS)
    tokenizer.bos_token = tokenizer.eos_token = END_OF_TEXT
    return tokenizer


def encode_training(corpus: Corpus, tokenizer: Tokenizer, progress: bool = False) -> TokenFile:
    """The training documents as ids, encoded at the first call and read from the cache on disk later.

    The file in the cache belongs to these texts and this tokenizer, to the last byte and merge; one that is damaged is
    made again, and stderr says so. Raises `UserError` for a tokenizer without an end token.
    """
    identity = [tokenizer.vocab, tokenizer.merges, tokenizer.special_tokens, tokenizer.end_id]
    identity += [tokenizer.model.pre_tokenizer, tokenizer.model.normalizer, tokenizer.model.ignore_merges]
    source = hashlib.sha256(f"{corpus.fingerprint} {identity}".encode()).hexdigest()
    path = assets.cache_dir() / "tokens" / f"{corpus.name}-{source[:16]}.tokens"
    texts = tqdm(corpus.train, desc="Encoding", unit=" documents", disable=not progress)
    return cached_token_file(path, map(tokenizer.encode, texts), tokenizer.end_id, tokenizer.vocab_size, source)


def _smallest_hashes(documents: Iterable[str], count: int) -> tuple[int, int, list[str], bytes]:
    """Count documents, and distinct ones up to ten times `count`; find the `count` smallest hashes; digest all.

    Returns (documents, distinct documents, the `count` distinct documents with the smallest hashes, SHA-256 of all).
    """
    smallest: dict[bytes, str] = {}
    distinct: set[bytes] = set()
    limit = b"\xff" * 32
    total, whole = 0, hashlib.sha256()
    for total, text in enumerate(documents, start=1):  # noqa: B007  (it is returned)
        key = hashlib.sha256(text.encode()).digest()
        whole.update(key)
        if len(distinct) < 10 * count:
            distinct.add(key)
        if key < limit:
            smallest[key] = text
            if len(smallest) >= 2 * count:  # tidied up now and then, which is cheaper than a heap at every document
                smallest = dict(sorted(smallest.items())[:count])
                limit = max(smallest)
    kept = [smallest[key] for key in sorted(smallest)[:count]]
    return total, len(distinct), kept, whole.digest()


def text_hash(documents: Iterable[str]) -> bytes:
    """SHA-256 of all texts, in order."""
    return _smallest_hashes(documents, 1)[-1]


def _as_list(corpus: Corpus) -> Corpus:
    return Corpus(corpus.name, list(corpus.train), corpus.validation, corpus.fingerprint)


def _fetched(name: str, n_validation: int) -> Corpus:
    path = assets.cached(name)
    if path is None:
        size = assets.REGISTRY[name].size / 1e6
        raise assets.AssetError(
            f"the corpus {name!r} is not on this computer yet; once, with a network: minillm fetch {name} "
            f"({size:,.0f} MB)"
        )
    train, validation = FETCHED[name]
    folder = path if path.is_dir() else path.parent
    read_validation = None if validation is None else lambda: read_documents(folder / validation)
    return split(name, lambda: read_documents(folder / train), n_validation, read_validation)
