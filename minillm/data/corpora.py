"""Texts to learn from, cut into documents and split into what is learnt and what is measured.

`world` is the corpus with a known truth: its validation documents carry their exact log-probability.
"""

from dataclasses import dataclass
from pathlib import Path

from minillm.data.world import Document, World

END_OF_TEXT = "<|endoftext|>"
SPECIAL_TOKENS = (END_OF_TEXT, "<|im_start|>", "<|im_end|>")  # the chat tokens wait for lesson 09

_VALIDATION_START = 1_000_000_000  # far up the world's stream, where no training run gets to


@dataclass(frozen=True)
class Corpus:
    """Documents to train on and others to measure on; `truth` holds the latter's exact probabilities, where known."""

    name: str
    train: list[str]
    validation: list[str]
    truth: list[Document] | None = None


def load_corpus(name: str, seed: int = 0, n_train: int = 40_000, n_validation: int = 500) -> Corpus:
    """The corpus `world`, made here, or the text file at a path.

    A file is cut into documents at `<|endoftext|>` if it holds any, else at blank lines; every tenth document is kept
    for validation. Raises `ValueError` for a file of fewer than ten documents and `FileNotFoundError` where there is
    none; `n_train` and `n_validation` count documents of the world.

    >>> corpus = load_corpus("world", n_train=3, n_validation=2)
    >>> len(corpus.train), len(corpus.validation), corpus.truth[0].text == corpus.validation[0]
    (3, 2, True)
    """
    if name == "world":
        world = World(seed)
        truth = [world.document(_VALIDATION_START + index) for index in range(n_validation)]
        train = [document.text for document in world.documents(n_train)]
        return Corpus(name, train, [document.text for document in truth], truth)
    path = Path(name)
    if not path.is_file():
        raise FileNotFoundError(f"there is no corpus {name!r}: it is neither 'world' nor a text file")
    text = path.read_text(encoding="utf-8")
    pieces = text.split(END_OF_TEXT) if END_OF_TEXT in text else text.split("\n\n")
    documents = [piece.strip() for piece in pieces if piece.strip()]
    if len(documents) < 10:
        raise ValueError(
            f"{path} holds {len(documents)} documents, and at least 10 are needed to keep one in ten for validation; "
            f"separate them by blank lines or {END_OF_TEXT}"
        )
    return Corpus(path.name, [d for i, d in enumerate(documents) if i % 10], documents[::10])
