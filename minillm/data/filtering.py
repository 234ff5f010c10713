"""Clean a corpus by its text alone: a quality filter, a finder of near-duplicates, and a dial for the mixture.

These are three steps of every pretraining pipeline. None of them sees a label or a probability; `world.dirty` has both,
so precision and recall can be measured.
"""

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeVar

from minillm.errors import UserError

Item = TypeVar("Item")  # a text, or a document with its label
TOKEN = re.compile(r"\w+|[^\w\s]|\n")  # words, punctuation marks and line ends
UNSEEN = 2.0**-16  # probability of one particular token before any text: 1 over a vocabulary of 65,536
CALIBRATION = 5  # every fifth clean document sets the threshold
PERMUTATIONS = 128  # hash functions of MinHash; the error of an estimated similarity is about 1 / sqrt(this)


class PerplexityFilter:
    """Keeps a text if an n-gram model of a small clean sample finds it as predictable as other clean text.

    This is CCNet's filter (Wenzek et al. 2019, section 4.2), whose model reads Wikipedia. Witten-Bell interpolation, as
    in `world.floor.bigram_loss`, takes the place of Kneser-Ney smoothing. Every fifth clean document is not counted:
    the threshold is the loss that a share `recall` of these stays below, so about that share of all clean text is kept.

    On the world's dirty mixture it keeps more clean text and less noise than the other standard filter, a logistic
    classifier on hashed n-grams that tells the clean sample from the raw mixture (GPT-3: Brown et al. 2020, appendix
    A); that one is a little more precise. Both judge how a text reads. Neither finds a false statement in a sentence
    that is well-formed.

    Raises `UserError` for fewer than ten clean documents, an order below 1, and a recall outside (0, 1].

    >>> keeps = PerplexityFilter(["the dog saw the cat .", "the cat saw the dog ."] * 10).keeps
    >>> keeps("the dog saw the cat ."), keeps("cat . dog the the saw"), keeps("asdf jkl;")
    (True, False, False)
    """

    def __init__(self, clean: Sequence[str], recall: float = 0.95, order: int = 3):
        if len(clean) < 2 * CALIBRATION:
            raise UserError(f"there are {len(clean)} clean documents; give at least {2 * CALIBRATION}, better hundreds")
        if order < 1:
            raise UserError(f"order is {order}; use 1 for words alone, 3 for a word after two others")
        if not 0 < recall <= 1:
            raise UserError(f"recall is {recall}; use a share of the clean text above 0 and up to 1, such as 0.95")
        self.order = order
        self.counts: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)  # of what follows a context
        for number, text in enumerate(clean):
            if number % CALIBRATION:
                for context, token in self._ngrams(text):
                    for start in range(order):
                        self.counts[context[start:]][token] += 1
        self.totals = {context: counts.total() for context, counts in self.counts.items()}
        losses = sorted(map(self.loss, clean[::CALIBRATION]))
        self.threshold = losses[math.ceil(recall * len(losses)) - 1]

    def loss(self, text: str) -> float:
        """Mean negative log-probability in nats per token, the end included; its exponential is the perplexity."""
        log_probs = [math.log(self.probability(context, token)) for context, token in self._ngrams(text)]
        return -sum(log_probs) / len(log_probs)

    def probability(self, context: tuple[str, ...], token: str) -> float:
        """P(token | context): counts after the context, interpolated with P(token | the context without its first)."""
        probability = UNSEEN
        for start in range(len(context), -1, -1):
            if total := self.totals.get(context[start:]):
                counts = self.counts[context[start:]]
                probability = (counts[token] + len(counts) * probability) / (total + len(counts))
        return probability

    def keeps(self, text: str) -> bool:
        """Whether the text's loss is at most the threshold."""
        return self.loss(text) <= self.threshold

    def _ngrams(self, text: str) -> list[tuple[tuple[str, ...], str]]:
        """Each token, and the end of the text, with the `order - 1` tokens before it."""
        before = self.order - 1
        tokens = [*[""] * before, *TOKEN.findall(text), ""]
        return [(tuple(tokens[at - before : at]), tokens[at]) for at in range(before, len(tokens))]


def shingles(text: str, size: int = 3) -> frozenset[str]:
    """All runs of `size` words; a shorter text is one shingle.

    >>> sorted(shingles("a rose is a rose", size=2))
    ['a rose', 'is a', 'rose is']
    """
    words = text.split()
    return frozenset(" ".join(words[at : at + size]) for at in range(max(1, len(words) - size + 1)))


def jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    """The share of the shingles of two texts that both have: |A and B| / |A or B|.

    >>> jaccard(frozenset("abc"), frozenset("bcd"))
    0.5
    """
    return len(first & second) / len(first | second)


def near_duplicates(texts: Sequence[str], threshold: float = 0.5, size: int = 3) -> list[int]:
    """Find the texts that repeat an earlier one: their indices, in order. The first text of its kind is not listed.

    Two texts are near-duplicates if their shingles of `size` words have a Jaccard similarity of `threshold` or more.
    Comparing all pairs would take N^2 comparisons. MinHash (Broder 1997) estimates the similarity from a signature of
    128 numbers, and locality-sensitive hashing looks up only signatures that share a part; the similarity of these
    candidates is then computed exactly. So whatever is listed is a near-duplicate, and a few may be missed. Lee et al.
    2022 (section 4.2) cleaned C4 in this way with 5 words; documents of 50 words need shorter shingles.

    Raises `UserError` for a threshold outside (0, 1] and a size below 1, `ModuleNotFoundError` without datasketch.

    >>> near_duplicates(["the cat sat on the mat today", "no one knows why", "the cat sat on the mat"])
    [2]
    """
    if not 0 < threshold <= 1:
        raise UserError(f"threshold is {threshold}; a similarity is above 0 and at most 1, such as 0.5")
    if size < 1:
        raise UserError(f"size is {size}; a shingle has at least 1 word")
    try:
        from datasketch import MinHash, MinHashLSH  # here, since nothing else needs it
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "near_duplicates needs datasketch; install it with: python -m pip install datasketch", name="datasketch"
        ) from None
    # a false candidate costs one comparison, and a missed one is lost; datasketch takes no threshold near 1
    index = MinHashLSH(threshold=min(threshold, 0.9), num_perm=PERMUTATIONS, weights=(0.1, 0.9))
    kept: dict[int, frozenset[str]] = {}
    repeated = []
    for number, text in enumerate(texts):
        own = shingles(text, size)
        signature = MinHash(num_perm=PERMUTATIONS)
        signature.update_batch([shingle.encode() for shingle in own])
        candidates = [kept[int(str(key))] for key in index.query(signature)]
        if any(jaccard(own, other) >= threshold for other in candidates):
            repeated.append(number)
        else:
            index.insert(number, signature)
            kept[number] = own
    return repeated


def mix(sources: Mapping[str, Sequence[Item]], weights: Mapping[str, float], count: int, seed: int = 0) -> list[Item]:
    """Draw `count` documents, each from a source that is drawn by its weight.

    A source goes through its documents in random order and starts again, in another order, when all are used. So a
    weight above its share means more epochs (Brown et al. 2020, table 2.2; Gao et al. 2020, The Pile, table 1).

    Raises `UserError` for a negative count, a weight without a source, a weight that is negative or not finite,
    weights that are all 0, and an empty source with a positive weight.

    >>> mix({"books": ["b"], "web": ["w1", "w2"]}, {"books": 1, "web": 0}, count=2)
    ['b', 'b']
    """
    if count < 0:
        raise UserError(f"count is {count}; use 0 or more")
    for name, weight in weights.items():
        if name not in sources:
            raise UserError(f"there is a weight for {name!r}, and the sources are {', '.join(sources)}; add or drop it")
        if not 0 <= weight < math.inf:
            raise UserError(f"the weight of {name!r} is {weight}; use a number of 0 or more")
        if weight and not sources[name]:
            raise UserError(f"the source {name!r} has no documents; add some, or set its weight to 0")
    if not any(weights.values()):
        raise UserError("all weights are 0; give at least one source a positive weight")
    rng = random.Random(f"mix {seed}")
    waiting: dict[str, list[Item]] = {name: [] for name in weights}
    drawn: list[Item] = []
    for name in rng.choices([*weights], [*weights.values()], k=count):
        if not waiting[name]:
            waiting[name] = rng.sample(sources[name], len(sources[name]))
        drawn.append(waiting[name].pop())
    return drawn
