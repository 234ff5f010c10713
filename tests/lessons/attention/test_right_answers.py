"""The right answers of exercise 04, against the package, torch's kernel and brute force."""

import math

import torch
import torch.nn.functional as F
from helpers import small_config
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks.attention.grouped import grouped_attention
from minillm.course.checks.attention.join import join
from minillm.course.checks.attention.memory import longest_text
from minillm.course.checks.attention.window import window_mask
from minillm.course.turns import turns
from minillm.model.attention import MultiHeadAttention, attention_by_loops, causal_mask
from minillm.model.attention import causal_mask as package_mask
from minillm.model.kv_cache import KVCache
from minillm.model.transformer import Transformer


@given(st.sampled_from([(4, 2), (6, 2), (3, 3), (2, 1)]), st.integers(1, 4), st.integers(0, 3), st.integers(1, 5))
def test_grouped_heads_with_a_cache_are_torchs_kernel(heads, T, past, D):
    (H, K), S = heads, T + past
    query, key, value = torch.randn(1, H, T, D), torch.randn(1, K, S, D), torch.randn(1, K, S, D)
    kernel = F.scaled_dot_product_attention(query, key, value, causal_mask(T, S), enable_gqa=True)
    torch.testing.assert_close(grouped_attention(query[0], key[0], value[0]), kernel[0])


def test_a_text_fits_to_the_byte_in_the_packages_own_cache():
    config = small_config(n_heads=4, n_kv_heads=2)
    model = {name: getattr(config, name) for name in ("n_layers", "d_model", "n_heads", "n_kv_heads")}
    model["n_parameters"] = sum(parameter.numel() for parameter in Transformer(config).parameters())
    weights = 2 * model["n_parameters"]
    for T in (1, 5):
        cache = KVCache(config.n_layers, 3, config.n_kv_heads, T, config.d_head, torch.bfloat16)
        size = cache.keys.nbytes + cache.values.nbytes
        assert longest_text(model, weights + size, n_texts=3) == T
        assert longest_text(model, weights + size - 1, n_texts=3) == T - 1
    assert longest_text(model, weights - 1, n_texts=1) == 0


def test_two_parts_joined_are_attention_to_all_keys():
    query, key, value = torch.randn(4, 8), torch.randn(9, 8), torch.randn(9, 8)
    scores = query @ key.T / math.sqrt(8)
    scores[0, 3:] = scores[1, :3] = -math.inf  # nothing to see in the second part, and in the first
    parts = []
    for own in (slice(0, 3), slice(3, 9)):
        parts += [scores[:, own].softmax(-1) @ value[own], scores[:, own].logsumexp(-1)]
    out, total = join(*parts)
    torch.testing.assert_close(out, scores.softmax(-1) @ value)
    torch.testing.assert_close(total, scores.logsumexp(-1))


@given(st.integers(1, 6), st.integers(0, 5), st.integers(1, 8), st.integers(0, 4))
def test_the_window_by_counting(T, past, window, sinks):
    S = T + past
    mask = window_mask(T, S, window, sinks)
    for row, position in zip(mask, range(past, S), strict=True):
        seen = {s for s in range(position + 1) if s > position - window or s < sinks}
        assert set(row.nonzero().flatten().tolist()) == seen
    torch.testing.assert_close(window_mask(T, S, S, 0), causal_mask(T, S))


def test_a_window_as_wide_as_the_text_is_causal_attention():
    query, key, value = torch.randn(3, 1, 1, 6, 4)
    masked = F.scaled_dot_product_attention(query, key, value, attn_mask=window_mask(6, 6, 6, 0))
    torch.testing.assert_close(masked, F.scaled_dot_product_attention(query, key, value, is_causal=True))


def test_the_courses_versions_equal_the_package():
    """Oracle: attention by loops, and the package's layer with the same weights."""
    mask, attention, MultiHead, grouped_attention = (turn.course for turn in turns("04"))
    assert torch.equal(mask(5), package_mask(5, 5))
    query, key, value = torch.randn(3, 4, 6)
    visible = torch.rand(4, 4) < 0.5
    visible |= torch.eye(4).bool()
    expected = attention_by_loops(query[None, None], key[None, None], value[None, None], visible)[0, 0]
    torch.testing.assert_close(attention(query, key, value, visible), expected)
    layer, mine = MultiHeadAttention(8, 4), MultiHead(8, 4)
    mine.load_state_dict(layer.state_dict())
    x = torch.randn(5, 8)
    torch.testing.assert_close(mine(x, mask(5)), layer(x[None], mask(5))[0])
    query, key, value = torch.randn(6, 4, 2), torch.randn(2, 4, 2), torch.randn(2, 4, 2)
    expected = attention_by_loops(query[None], key[None], value[None], mask(4))[0]
    torch.testing.assert_close(grouped_attention(query, key, value, mask(4)), expected.transpose(0, 1).flatten(1))
