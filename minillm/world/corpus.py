"""The world as a corpus: documents to learn from, and held-out ones whose probabilities are known."""

import hashlib

from minillm.data.corpora import Corpus, text_hash
from minillm.world.world import World

VALIDATION_START = 1_000_000_000  # an index in the world's stream that no training run reaches


def load_world(seed: int = 0, n_train: int = 40_000, n_validation: int = 500) -> Corpus:
    """What `load_corpus("world")` returns: documents of `World(seed)`, and validation documents with their truth.

    Two samples may be the same short text. The validation set stays as it was sampled, so the floor is an unbiased
    estimate of the world's entropy. Its texts are left out of the `n_train` training documents, which therefore come
    from the world without them: 0.02 % of its probability for 500 documents. So no validation text was memorized, and
    the loss is higher by a negligible amount.

    >>> corpus = load_world(n_train=3, n_validation=2)
    >>> len(corpus.train), len(corpus.validation), corpus.truth[0].text == corpus.validation[0]
    (3, 2, True)
    """
    world = World(seed)
    truth = [world.document(VALIDATION_START + index) for index in range(n_validation)]
    validation = [document.text for document in truth]
    known = frozenset(validation)
    train = [document.text for document in world.documents(n_train) if document.text not in known]
    return Corpus(
        "world", train, validation, hashlib.sha256(text_hash(train) + text_hash(validation)).hexdigest(), truth
    )
