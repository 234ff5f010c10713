"""Training: which pairs are worth a token of their own?

Byte-pair encoding (Gage, 1994; for language models Sennrich et al., 2016, algorithm 1) starts from single bytes and
repeats one step: find the most frequent pair of neighbors in the corpus, and make it a new token. Frequent words end as
one token, rare words as several pieces, and the number of steps is the size of the vocabulary.

Two choices make the result unique. Among equally frequent pairs the one with the smaller (left id, right id) wins.
Inside a word the leftmost pair is taken first, so "aaa" becomes "aa" + "a". The library `tokenizers` chooses the same.

Ids 0 to 255 are the bytes in the order of the alphabet, id 256 is the first merge, 257 the second.
`learn_merges_naive` is the definition, on lists of ids. `learn_merges` gives the same merges and is what runs; it keeps
a word as a string of symbols (see `merging`), where comparing two pairs as strings compares their ids.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise

from minillm.errors import UserError
from minillm.tokenizer.alphabet import BYTE_TO_UNICODE, utf8
from minillm.tokenizer.merging import LARGEST_ID, Pair, adjacent_pairs, merge_pair
from minillm.tokenizer.pre_tokenizers import compiled
from minillm.tokenizer.vocabulary import several

ALPHABET = [bytes([byte]) for byte in BYTE_TO_UNICODE]
ID_OF_BYTE = {byte: id for id, byte in enumerate(BYTE_TO_UNICODE)}
SYMBOL_OF_BYTE = {byte: chr(id) for byte, id in ID_OF_BYTE.items()}


def learn_vocabulary(
    texts: Iterable[str], vocab_size: int, special_tokens: Sequence[str], pre_tokenizer: str
) -> tuple[dict[int, bytes], list[tuple[bytes, bytes]], dict[str, int]]:
    """Everything that `Tokenizer.train` learns: the vocabulary, the merges, and the ids of the special tokens.

    >>> vocab, merges, specials = learn_vocabulary(["ab ab"], 258, ["<s>"], "gpt2")
    >>> vocab[257], merges, specials
    (b'ab', [(b'a', b'b')], {'<s>': 0})
    """
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


def count_pairs(words: Iterable[Sequence[int]], counts: Iterable[int]) -> Counter[Pair]:
    """How often each pair of neighboring ids occurs in words, each of which occurs `counts` times.

    >>> count_pairs([[1, 2, 2], [1, 2]], [10, 3])
    Counter({(1, 2): 13, (2, 2): 10})
    """
    pair_counts: Counter[Pair] = Counter()
    for ids, count in zip(words, counts, strict=True):
        for pair in pairwise(ids):
            pair_counts[pair] += count
    return pair_counts


def learn_merges_naive(word_counts: Mapping[str, int], n_merges: int) -> list[tuple[bytes, bytes]]:
    """Learn up to n_merges merges, counting every pair anew for each of them: the definition, written down.

    Stops early when every word is a single token. `learn_merges` gives the same merges.

    >>> learn_merges_naive({"hug": 10, "pug": 5, "hugs": 5}, 3)
    [(b'u', b'g'), (b'h', b'ug'), (b'p', b'ug')]
    """
    words = [[ID_OF_BYTE[byte] for byte in utf8(word)] for word in word_counts]
    tokens = list(ALPHABET)  # id -> bytes
    merges = []
    while len(merges) < n_merges and (pair_counts := count_pairs(words, word_counts.values())):
        left, right = best = min(pair_counts, key=lambda pair: (-pair_counts[pair], pair))
        words = [merge_pair(ids, best, new_id=len(tokens)) for ids in words]
        merges.append((tokens[left], tokens[right]))
        tokens.append(tokens[left] + tokens[right])
    return merges


def learn_merges(word_counts: Mapping[str, int], n_merges: int) -> list[tuple[bytes, bytes]]:
    """Learn the same merges fast: count every pair once, then update the counts as the words change.

    A merge changes only the words that contain the pair, and there only the pairs beside it. The most frequent pair
    comes from a priority queue. Counts in the queue may be too high, never too low: a pair only gains in the step that
    makes its newer token, and it is queued in that step. So a pair with an old count goes back with its true one.

    >>> learn_merges({"hug": 10, "pug": 5, "hugs": 5}, 3)
    [(b'u', b'g'), (b'h', b'ug'), (b'p', b'ug')]
    """
    # count the pairs, and note which words contain each
    words = [symbols_of(word) for word in word_counts]
    counts = list(word_counts.values())
    pair_counts: defaultdict[str, int] = defaultdict(int)
    words_with: defaultdict[str, list[int]] = defaultdict(list)  # pair -> the words that contain it, or once did
    for number, word in enumerate(words):
        for pair in adjacent_pairs(word):
            pair_counts[pair] += counts[number]
            words_with[pair].append(number)
    queue = [(-count, pair) for pair, count in pair_counts.items()]
    heapify(queue)

    tokens = list(ALPHABET)  # id -> bytes
    merges = []
    while queue and len(merges) < n_merges:
        # take the most frequent pair, if its count in the queue is still true
        negative_count, best = heappop(queue)
        if pair_counts[best] != -negative_count:
            if pair_counts[best] > 0:
                heappush(queue, (-pair_counts[best], best))
            continue

        # merge it in each word that contains it, and update the counts of the pairs beside it
        left, right = best
        new = chr(len(tokens))
        words_with_new: defaultdict[str, list[int]] = defaultdict(list)
        last = -1
        for number in words_with.pop(best):
            if number == last or best not in words[number]:
                continue  # the word is listed once per occurrence, or another merge has used the pair up
            last = number
            count = counts[number]
            words[number] = word = words[number].replace(best, new)
            at = word.find(new)
            while at >= 0:
                if at > 0:
                    neighbor = word[at - 1]
                    # After two merges side by side, the neighbor of this one was the right half of the other.
                    pair_counts[(right if neighbor == new else neighbor) + left] -= count
                    pair_counts[neighbor + new] += count
                    words_with_new[neighbor + new].append(number)
                if at + 1 < len(word) and (neighbor := word[at + 1]) != new:
                    pair_counts[right + neighbor] -= count
                    pair_counts[new + neighbor] += count
                    words_with_new[new + neighbor].append(number)
                at = word.find(new, at + 1)

        # queue the new pairs, and give the new token its id
        for pair in words_with_new:
            heappush(queue, (-pair_counts[pair], pair))
        words_with.update(words_with_new)
        merges.append((tokens[ord(left)], tokens[ord(right)]))
        tokens.append(b"".join(merges[-1]))
    return merges


def symbols_of(word: str) -> str:
    """A word before the first merge: one symbol per byte.

    >>> symbols_of("!") == chr(0)    # the first byte of the alphabet
    True
    """
    return "".join(map(SYMBOL_OF_BYTE.__getitem__, utf8(word)))
