"""Texts that were read before: a new one that begins like one of them need not be read from its beginning again.

A key or value depends on nothing behind its token, so the cache of a text is also that of everything it begins with.
"""

from collections.abc import Iterable, Sequence

from minillm.model.kv_cache import KVCache

Read = tuple[Sequence[int], KVCache]  # tokens, and a cache of one row that holds them, or the first of them


def longest_prefix(ids: Sequence[int], texts: Iterable[Read]) -> KVCache | None:
    """The cache of the longest beginning that `ids` has in common with one of the texts; None where there is none.

    The last token of `ids` never belongs to it, for it must be read: its logits are wanted.

    >>> cache = KVCache(n_layers=1, batch=1, n_kv_heads=1, max_seq_len=3, d_head=2)
    >>> cache.advance(3)
    >>> longest_prefix([5, 6, 8, 9], [([5, 6, 7], cache)]).length
    2
    """
    best, longest = None, 0
    for text, cache in texts:
        most = min(len(ids) - 1, len(text), cache.length)
        common = next((n for n in range(most) if ids[n] != text[n]), most)
        if common > longest:
            best, longest = cache, common
    return None if best is None else best.row(0, longest)


class Shelf:
    """The caches of some texts, the last that ended, of at most `most_tokens` tokens together.

    >>> shelf, cache = Shelf(most_tokens=4), KVCache(n_layers=1, batch=1, n_kv_heads=1, max_seq_len=3, d_head=2)
    >>> cache.advance(3)
    >>> shelf.keep([5, 6, 7], cache)
    >>> shelf.keep([8, 9, 10], cache)                                       # too much for both
    >>> [text for text, _ in shelf.texts]
    [[8, 9, 10]]
    """

    def __init__(self, most_tokens: int):
        self.most_tokens = most_tokens
        self.texts: list[Read] = []  # the newest is the last one

    def keep(self, ids: Sequence[int], row: KVCache) -> None:
        """Keep a copy of a row's cache, in place of those of texts that this one begins with."""
        if row.length > self.most_tokens:
            return
        ids = list(ids[: row.length])
        self.texts = [(text, cache) for text, cache in self.texts if text != ids[: len(text)]]
        self.texts.append((ids, KVCache.aligned([row], n_new=0)))
        while sum(len(text) for text, _ in self.texts) > self.most_tokens:
            del self.texts[0]
