"""Predicting the next token by counting: n-grams by Witten-Bell, fixed or while they read, for `optimizers.py`."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence


class NGrams:
    """Counts of which token follows each context of up to `order - 1` tokens of the same document.

    From n tokens of context: p_n = (count + kinds * p_(n - 1)) / (total + kinds), where `kinds` is the number of
    different tokens that followed them (Witten and Bell 1991); below that, every token of the vocabulary is equally
    likely. With order 2 it is `minillm.data.floor.bigram_loss`.

    >>> counts = NGrams(order=2, vocab_size=4, end=0)
    >>> counts.read([1, 2])
    >>> round(counts.probability((1,), 2), 3)
    0.719
    """

    def __init__(self, order: int, vocab_size: int, end: int):
        self.order, self.vocab_size, self.end = order, vocab_size, end
        self.follows: list[dict[tuple[int, ...], Counter[int]]] = [defaultdict(Counter) for _ in range(order)]
        self.totals: list[Counter[tuple[int, ...]]] = [Counter() for _ in range(order)]

    def probability(self, context: tuple[int, ...], token: int) -> float:
        """Of a token after the last `order - 1` tokens."""
        p = 1 / self.vocab_size
        for n in range(self.order):
            known = context[len(context) - n :]
            row = self.follows[n].get(known)
            if row is None or n > len(context):
                break
            p = (row[token] + len(row) * p) / (self.totals[n][known] + len(row))
        return p

    def add(self, context: tuple[int, ...], token: int) -> None:
        """Count a token after its context."""
        for n in range(min(self.order, len(context) + 1)):
            known = context[len(context) - n :]
            self.follows[n][known][token] += 1
            self.totals[n][known] += 1

    def pairs(self, document: Sequence[int]) -> Iterable[tuple[tuple[int, ...], int]]:
        """Each token of a document and its end token, with what it follows; a document follows an end token."""
        text = [self.end, *document, self.end]
        for at in range(1, len(text)):
            yield tuple(text[max(0, at - self.order + 1) : at]), text[at]

    def read(self, document: Sequence[int]) -> None:
        """Count every token of a document."""
        for context, token in self.pairs(document):
            self.add(context, token)

    def loss(self, documents: Sequence[Sequence[int]]) -> float:
        """Nats per token, end tokens included."""
        found = [-math.log(self.probability(*pair)) for document in documents for pair in self.pairs(document)]
        return sum(found) / len(found)

    def code(self, documents: Sequence[Sequence[int]]) -> float:
        """Bits for documents if each token is coded by the counts of those before it."""
        nats = 0.0
        for document in documents:
            for pair in self.pairs(document):
                nats -= math.log(self.probability(*pair))
                self.add(*pair)
        return nats / math.log(2)
