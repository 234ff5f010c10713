"""Training: which pairs are worth a token of their own?

Byte-pair encoding (Gage, 1994; for language models Sennrich et al., 2016, algorithm 1) starts from single bytes and
repeats one step: find the pair of neighbours that is most frequent in the corpus, and make it a new token. Frequent
words end as one token, rare words as several pieces, and the number of steps is the size of the vocabulary.

Two choices make the result unique. Among equally frequent pairs the one with the smaller (left id, right id) wins.
Inside a word the leftmost pair is taken first, so "aaa" becomes "aa" + "a". The library `tokenizers` chooses the same.

A word is a string of symbols, one character a token (see `merging`): symbols 0 to 255 are the bytes in the order of
the alphabet, symbol 256 is the first merge, 257 the second. Comparing two pairs as strings compares their ids.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush

from minillm.errors import UserError
from minillm.tokenizer.alphabet import BYTE_TO_UNICODE, utf8
from minillm.tokenizer.merging import LARGEST_ID, adjacent_pairs
from minillm.tokenizer.pre_tokenizers import compiled
from minillm.tokenizer.vocabulary import several

ALPHABET = [bytes([byte]) for byte in BYTE_TO_UNICODE]
SYMBOL_OF_BYTE = {byte: chr(symbol) for symbol, byte in enumerate(BYTE_TO_UNICODE)}


def learn_vocabulary(
    texts: Iterable[str], vocab_size: int, special_tokens: Sequence[str], pre_tokenizer: str
) -> tuple[dict[int, bytes], list[tuple[bytes, bytes]], dict[str, int]]:
    """Everything that `Tokenizer.train` learns: the vocabulary, the merges, and the ids of the special tokens."""
    if not isinstance(vocab_size, int):
        raise TypeError(f"vocab_size is {vocab_size!r}; expected a whole number")
    specials = {text: id for id, text in enumerate(several(special_tokens))}
    if len(specials) < len(special_tokens):
        raise UserError(f"special_tokens {list(special_tokens)} names a token twice; name each once")
    tokens = [*map(utf8, specials), *ALPHABET]
    if not len(tokens) <= vocab_size <= LARGEST_ID + 1:
        raise UserError(
            f"vocab_size is {vocab_size}; it must be at least {len(tokens)} "
            f"(256 bytes and {len(specials)} special tokens) and at most {LARGEST_ID + 1}"
        )
    word_counts = count_words(several(texts), pre_tokenizer)
    if not word_counts:
        raise UserError("texts holds no character to learn from; pass at least one text that is not empty")
    merges = learn_merges(word_counts, vocab_size - len(tokens))
    tokens += [left + right for left, right in merges]
    return dict(enumerate(tokens)), merges, specials


def count_words(texts: Iterable[str], pre_tokenizer: str = "gpt2") -> Counter[str]:
    """How often each word occurs in the texts. A corpus has many words, but few different ones.

    >>> count_words(["to be or not to be"]).most_common(2)
    [(' be', 2), ('to', 1)]
    """
    find_words = compiled(pre_tokenizer).findall
    counts: Counter[str] = Counter()
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"texts[{number}] is of type {type(text).__name__}; every text must be a str")
        counts.update(find_words(text))
    return counts


def learn_merges_naive(word_counts: Mapping[str, int], n_merges: int) -> list[tuple[bytes, bytes]]:
    """Learn up to n_merges merges by counting every pair anew for each of them: the definition, written down.

    Stops early when every word is a single token. `learn_merges` gives the same merges.

    >>> learn_merges_naive({"hug": 10, "pug": 5, "hugs": 5}, 3)
    [(b'u', b'g'), (b'h', b'ug'), (b'p', b'ug')]
    """
    words = [symbols_of(word) for word in word_counts]
    tokens = list(ALPHABET)
    merges = []
    while len(merges) < n_merges:
        pair_counts: Counter[str] = Counter()
        for word, count in zip(words, word_counts.values(), strict=True):
            for pair in adjacent_pairs(word):
                pair_counts[pair] += count
        if not pair_counts:
            break
        best = min(pair_counts, key=lambda pair: (-pair_counts[pair], pair))
        words = [word.replace(best, chr(len(tokens))) for word in words]
        merges.append(bytes_of(best, tokens))
        tokens.append(b"".join(merges[-1]))
    return merges


def learn_merges(word_counts: Mapping[str, int], n_merges: int) -> list[tuple[bytes, bytes]]:
    """Learn the same merges fast: count every pair once, then keep the counts right as the words change.

    A merge touches only the words that hold the pair, and there only the pairs beside it. The most frequent pair
    comes from a queue. Counts in the queue may be too high, never too low: a pair only gains in the step that makes
    its newer token, and it is queued in that step. So a pair with an old count goes back with its true one.

    >>> learn_merges({"hug": 10, "pug": 5, "hugs": 5}, 3)
    [(b'u', b'g'), (b'h', b'ug'), (b'p', b'ug')]
    """
    words = [symbols_of(word) for word in word_counts]
    counts = list(word_counts.values())
    pair_counts: defaultdict[str, int] = defaultdict(int)
    places: defaultdict[str, list[int]] = defaultdict(list)  # pair -> the words that hold it, or once did
    for place, word in enumerate(words):
        for pair in adjacent_pairs(word):
            pair_counts[pair] += counts[place]
            places[pair].append(place)
    queue = [(-count, pair) for pair, count in pair_counts.items()]
    heapify(queue)

    tokens = list(ALPHABET)
    merges = []
    while queue and len(merges) < n_merges:
        negative_count, best = heappop(queue)
        if pair_counts[best] != -negative_count:
            if pair_counts[best] > 0:
                heappush(queue, (-pair_counts[best], best))
            continue

        left, right = best
        new = chr(len(tokens))
        new_places: defaultdict[str, list[int]] = defaultdict(list)
        done = -1
        for place in places.pop(best):
            if place == done or best not in words[place]:
                continue  # a word that holds the pair twice is listed twice; or another merge has taken the pair
            done = place
            count = counts[place]
            words[place] = word = words[place].replace(best, new)
            at = word.find(new)
            while at >= 0:
                if at > 0:
                    neighbour = word[at - 1]
                    # Two merges side by side: what stood before this one was the right half of the other.
                    pair_counts[(right if neighbour == new else neighbour) + left] -= count
                    pair_counts[neighbour + new] += count
                    new_places[neighbour + new].append(place)
                if at + 1 < len(word) and (neighbour := word[at + 1]) != new:
                    pair_counts[right + neighbour] -= count
                    pair_counts[new + neighbour] += count
                    new_places[new + neighbour].append(place)
                at = word.find(new, at + 1)
        for pair in new_places:
            heappush(queue, (-pair_counts[pair], pair))
        places.update(new_places)
        merges.append(bytes_of(best, tokens))
        tokens.append(b"".join(merges[-1]))
    return merges


def symbols_of(word: str) -> str:
    """A word before the first merge: one symbol a byte."""
    return "".join(map(SYMBOL_OF_BYTE.__getitem__, utf8(word)))


def bytes_of(pair: str, tokens: list[bytes]) -> tuple[bytes, bytes]:
    """The two tokens that a pair of symbols stands for."""
    left, right = pair
    return tokens[ord(left)], tokens[ord(right)]
