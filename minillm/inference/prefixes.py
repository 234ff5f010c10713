"""Prefix caching: a text that begins like an earlier one reuses its keys and values instead of reading it again.

A key or value depends on no later token, so the cache of a text also holds the cache of each of its prefixes.
"""

from collections.abc import Iterable, Sequence

from minillm.model.kv_cache import KVCache

CachedText = tuple[Sequence[int], KVCache]  # tokens, and a cache of one row that holds all or the first of them


def longest_prefix(ids: Sequence[int], texts: Iterable[CachedText]) -> KVCache | None:
    """The cache of the longest prefix that `ids` shares with one of the texts; None where there is none.

    It never includes the last token of `ids`, which must be read to get its logits.

    >>> cache = KVCache(n_layers=1, batch=1, n_kv_heads=1, max_seq_len=3, d_head=2)
    >>> cache.advance(3)
    >>> longest_prefix([5, 6, 8, 9], [([5, 6, 7], cache)]).length
    2
    """
    best, longest = None, 0
    for text, cache in texts:
        limit = min(len(ids) - 1, len(text), cache.length)
        common = next((n for n in range(limit) if ids[n] != text[n]), limit)
        if common > longest:
            best, longest = cache, common
    return None if best is None else best.row(0, longest)


class PrefixStore:
    """The caches of the texts that ended last, at most `max_tokens` tokens in total.

    >>> store, cache = PrefixStore(max_tokens=4), KVCache(n_layers=1, batch=1, n_kv_heads=1, max_seq_len=3, d_head=2)
    >>> cache.advance(3)
    >>> store.keep([5, 6, 7], cache)
    >>> store.keep([8, 9, 10], cache)                                       # together they exceed 4 tokens
    >>> [text for text, _ in store.texts]
    [[8, 9, 10]]
    """

    def __init__(self, max_tokens: int):
        self.max_tokens = max_tokens
        self.texts: list[CachedText] = []  # the newest last

    def keep(self, ids: Sequence[int], row: KVCache) -> None:
        """Keep a copy of a row's cache, and drop those of texts that are prefixes of this one."""
        if row.length > self.max_tokens:
            return
        ids = list(ids[: row.length])
        self.texts = [(text, cache) for text, cache in self.texts if text != ids[: len(text)]]
        self.texts.append((ids, KVCache.aligned([row], n_new=0)))
        while sum(len(text) for text, _ in self.texts) > self.max_tokens:
            del self.texts[0]
