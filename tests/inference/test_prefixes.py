from hypothesis import given
from hypothesis import strategies as st

from minillm.inference.prefixes import PrefixStore, longest_prefix
from minillm.model.kv_cache import KVCache

TEXT = st.lists(st.integers(0, 2), min_size=1, max_size=8)


def cache_of(ids):
    """A cache whose keys are the tokens themselves."""
    cache = KVCache(n_layers=1, batch=1, n_kv_heads=1, max_seq_len=len(ids) + 2, d_head=1)
    cache.keys[0, 0, 0, : len(ids), 0] = cache.keys.new_tensor(ids)
    cache.advance(len(ids))
    return cache


def tokens_of(cache):
    return cache.keys[0, 0, 0, : cache.length, 0].int().tolist()


@given(TEXT, st.lists(st.tuples(TEXT, st.integers(0, 2)), max_size=4))
def test_the_longest_common_beginning_by_definition(ids, texts):
    """Of a text, the last tokens may not have been read yet."""
    known = [(text, cache_of(text[: len(text) - unread])) for text, unread in texts]
    beginnings = [n for n in range(1, len(ids)) for _, cache in known if tokens_of(cache)[:n] == ids[:n]]
    found = longest_prefix(ids, known)
    assert (0 if found is None else found.length) == max(beginnings, default=0)
    assert found is None or tokens_of(found) == ids[: found.length]


@given(st.lists(TEXT, max_size=8), st.integers(0, 20))
def test_a_store_holds_the_last_texts_that_fit(texts, most):
    store = PrefixStore(most)
    for text in texts:
        store.keep([*text, 9], cache_of(text))  # the last token was chosen and never read
        kept = [tokens for tokens, _ in store.texts]
        assert [tokens_of(cache) for _, cache in store.texts] == kept
        assert sum(cache.max_seq_len for _, cache in store.texts) == sum(map(len, kept)) <= most
        assert not kept or len(text) > most or kept[-1] == text
        for number, tokens in enumerate(kept):
            assert not any(later[: len(tokens)] == tokens for later in kept[number + 1 :])
