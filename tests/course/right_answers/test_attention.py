"""The right answers of exercise 04, against the package, torch's kernel and brute force."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks.attention.heads import multi_head
from minillm.course.checks.attention.join import join
from minillm.course.checks.attention.window import window_mask
from minillm.model.attention import MultiHeadAttention, causal_mask


@pytest.mark.parametrize("n_heads", [1, 2, 4])
def test_several_heads_are_the_packages(n_heads):
    attention = MultiHeadAttention(d_model=8, n_heads=n_heads)
    x = torch.randn(5, 8)
    weights = [getattr(attention, name).weight for name in ("query", "key", "value", "output")]
    torch.testing.assert_close(multi_head(x, *weights, n_heads), attention(x[None], is_causal=True)[0])


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
