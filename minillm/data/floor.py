"""Two reference values for a loss: the entropy floor, and the loss of a bigram model.

The floor is the mean negative log-probability of the documents under the generator that produced them: an unbiased
estimate of its entropy. A model's loss on the same documents minus the floor estimates the KL divergence from the
generator to the model. To compare, evaluate each document whole and from its start, so that no context crosses from
one document to the next.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from minillm.errors import UserError


@runtime_checkable
class KnownDocument(Protocol):
    """A document of a generator that knows the probability of what it writes."""

    @property
    def text(self) -> str:
        """What the document says."""
        ...

    @property
    def log_prob(self) -> float:
        """The log-probability of the whole document, in nats."""
        ...


@dataclass(frozen=True)
class Floor:
    """The entropy floor of some documents: the lowest loss that any model can expect."""

    nats_per_token: float  # over the tokens of each document and one end token
    bits_per_byte: float  # over UTF-8 bytes
    stderr: float  # standard error of nats_per_token over the draw of documents


def floor(documents: Sequence[KnownDocument], tokenizer: Any) -> Floor:
    """Measure the entropy floor of documents under a tokenizer (anything with `encode(text)`).

    Let l_i be the negative log-probability of document i and t_i its number of tokens plus one. The floor is
    sum l / sum t. Its standard error is that of a ratio estimator: sqrt(n / (n - 1) * sum (l_i - floor t_i)^2) / sum t
    (Cochran, Sampling Techniques, 1977, equation 6.13). Raises `UserError` for fewer than two documents.

    >>> class Words:
    ...     def encode(self, text):
    ...         return text.split()
    >>> from types import SimpleNamespace as Document
    >>> halves = [Document(text="a b c", log_prob=4 * math.log(0.5)), Document(text="a", log_prob=2 * math.log(0.5))]
    >>> measured = floor(halves, Words())
    >>> round(measured.nats_per_token / math.log(2), 6), measured.bits_per_byte, measured.stderr
    (1.0, 1.0, 0.0)
    """
    import numpy as np

    if len(documents) < 2:
        raise UserError(f"a floor needs at least 2 documents, not {len(documents)}; use World(0).documents(100)")
    nats = np.array([-document.log_prob for document in documents])
    tokens = np.array([len(tokenizer.encode(document.text)) + 1 for document in documents])
    n_bytes = sum(len(document.text.encode("utf-8")) for document in documents)
    per_token = nats.sum() / tokens.sum()
    n = len(documents)
    residual = nats - per_token * tokens
    stderr = math.sqrt(n / (n - 1) * float(residual @ residual)) / tokens.sum()
    return Floor(float(per_token), float(nats.sum() / math.log(2) / n_bytes), float(stderr))


def bigram_loss(train_ids: Iterable[int], val_ids: Iterable[int], vocab_size: int) -> float:
    """Measure the loss, in nats per token, of a bigram model counted on another token stream.

    The model uses Witten-Bell interpolation (IEEE Trans. Inf. Theory, 1991). If token a occurred c(a) times with
    u(a) different followers, then

        P(b | a) = (c(a, b) + u(a) P(b)) / (c(a) + u(a)),

    because a context with many different followers is less reliable. P(b) is smoothed in the same way towards the
    uniform 1 / V. Both streams hold documents separated by their end token. Start each stream with an end token as
    well, so that the first token of every document is predicted from it. All ids except the first of `val_ids` are
    scored. Raises `UserError` for ids outside the vocabulary and for streams with fewer than two tokens.

    >>> round(bigram_loss([0, 1] * 50, [0, 1, 0, 1], vocab_size=2), 4)
    0.0099
    """
    import numpy as np

    train, val = (np.fromiter(ids, dtype=np.int64) for ids in (train_ids, val_ids))
    for name, ids in (("train_ids", train), ("val_ids", val)):
        if len(ids) < 2:
            raise UserError(f"{name} has {len(ids)} tokens; a bigram model needs at least 2")
        if ids.min() < 0 or ids.max() >= vocab_size:
            raise UserError(f"{name} has ids from {ids.min()} to {ids.max()}, outside a vocabulary of {vocab_size}")

    # unigram model P(b)
    counts = np.bincount(train[1:], minlength=vocab_size)
    kinds = np.count_nonzero(counts)
    unigram = (counts + kinds / vocab_size) / (counts.sum() + kinds)

    # pair counts c(a, b), context counts c(a), distinct followers u(a)
    pairs, pair_counts = np.unique(train[:-1] * vocab_size + train[1:], return_counts=True)
    seen = np.bincount(train[:-1], minlength=vocab_size)
    followers = np.bincount(pairs // vocab_size, minlength=vocab_size)

    # score the validation pairs
    first, second = val[:-1], val[1:]
    wanted = first * vocab_size + second
    where = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    both = np.where(pairs[where] == wanted, pair_counts[where], 0)
    weight = np.maximum(followers[first], 1)  # an unseen context falls back to P(b)
    probability = (both + weight * unigram[second]) / (seen[first] + weight)
    return float(-np.log(probability).mean())
