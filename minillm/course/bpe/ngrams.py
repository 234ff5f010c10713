"""The simplest language models: counts of which token follows which, with one, two or more tokens of context."""

import math
from collections import Counter
from collections.abc import Sequence


def ngram_loss(train: Sequence[int], held_out: Sequence[int], vocab_size: int, order: int) -> float:
    """The loss in nats per token of a model that counts, with `order` - 1 tokens of context.

    Each context mixes in the next shorter one, the more the more different tokens followed it (Witten and Bell 1991),
    down to the uniform distribution. With `order` 2 it's `data.floor.bigram_loss`. The first token isn't scored.

    >>> round(ngram_loss([0, 1] * 50, [0, 1, 0, 1], vocab_size=2, order=2), 4)
    0.0099
    """
    counts: list[Counter[tuple[int, ...]]] = []  # for each length of context: context and token
    seen: list[Counter[tuple[int, ...]]] = []
    followers: list[Counter[tuple[int, ...]]] = []
    for context in range(order):
        grams = Counter(
            tuple(train[max(0, place - context) : place + 1]) for place in range(max(1, context), len(train))
        )
        counts.append(grams)
        seen.append(Counter())
        followers.append(Counter(gram[:-1] for gram in grams))
        for gram, count in grams.items():
            seen[-1][gram[:-1]] += count

    def probability(gram: tuple[int, ...]) -> float:
        shorter = probability(gram[1:]) if len(gram) > 1 else 1 / vocab_size
        length, context = len(gram) - 1, gram[:-1]
        different = followers[length][context]
        if not different:
            return shorter
        return (counts[length][gram] + different * shorter) / (seen[length][context] + different)

    places = range(1, len(held_out))
    grams = Counter(tuple(held_out[max(0, place - order + 1) : place + 1]) for place in places)
    return -sum(count * math.log(probability(gram)) for gram, count in grams.items()) / len(places)
