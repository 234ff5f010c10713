import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.errors import UserError
from minillm.model import attention as module
from minillm.model.attention import (
    MultiHeadAttention,
    attention,
    attention_by_loops,
    attention_by_matmul,
    attention_by_sdpa,
    attention_weights,
    causal_mask,
)


@given(
    st.integers(1, 2), st.integers(1, 2), st.integers(1, 3), st.integers(1, 5), st.integers(0, 3), st.integers(1, 6),
    st.booleans(),
)  # fmt: skip
def test_three_forms_are_one_attention(B, K, groups, T, past, D, causal):
    H, S = K * groups, T + past
    query, key, value = torch.randn(B, H, T, D), torch.randn(B, K, S, D), torch.randn(B, K, S, D)
    mask = causal_mask(T, S) if causal else None
    expected = attention_by_loops(query, key, value, mask)
    torch.testing.assert_close(attention_by_matmul(query, key, value, mask), expected)
    torch.testing.assert_close(attention_by_sdpa(query, key, value, mask), expected)
    if causal and past == 0:
        torch.testing.assert_close(attention_by_sdpa(query, key, value, is_causal=True), expected)
    bias = 3 * torch.randn(H, T, S)
    expected = attention_by_loops(query, key, value, mask, bias)
    torch.testing.assert_close(attention_by_matmul(query, key, value, mask, bias), expected)
    torch.testing.assert_close(attention_by_sdpa(query, key, value, mask, bias=bias), expected)
    if causal and past == 0:
        torch.testing.assert_close(attention_by_sdpa(query, key, value, is_causal=True, bias=bias), expected)


def test_one_mask_per_row_of_the_batch():
    query, key, value = torch.randn(2, 4, 3, 6), torch.randn(2, 2, 3, 6), torch.randn(2, 2, 3, 6)
    padded = causal_mask(3, 3).expand(2, 1, 3, 3).clone()
    padded[1, :, 1:, 0] = False  # the second row starts with one padding token
    expected = attention_by_loops(query, key, value, padded)
    torch.testing.assert_close(attention_by_matmul(query, key, value, padded), expected)
    torch.testing.assert_close(attention_by_sdpa(query, key, value, padded), expected)
    bias = torch.randn(4, 3, 3)
    expected = attention_by_loops(query, key, value, padded, bias)
    torch.testing.assert_close(attention_by_matmul(query, key, value, padded, bias), expected)
    torch.testing.assert_close(attention_by_sdpa(query, key, value, padded, bias=bias), expected)


@pytest.mark.parametrize("B", [1, 3, 4])  # 4: as many rows as heads, so that one could be taken for the other
@pytest.mark.parametrize("biased", [False, True])
def test_a_mask_per_row_needs_no_dimension_for_heads(B, biased):
    query, key, value = torch.randn(B, 4, 5, 6), torch.randn(B, 2, 5, 6), torch.randn(B, 2, 5, 6)
    mask = (torch.rand(B, 5, 5) < 0.5) | torch.eye(5, dtype=torch.bool)
    bias = torch.randn(4, 5, 5) if biased else None
    expected = attention_by_matmul(query, key, value, mask[:, None], bias)
    for form in (attention_by_loops, attention_by_matmul, attention_by_sdpa):
        torch.testing.assert_close(form(query, key, value, mask, bias=bias), expected)
    layer, x = MultiHeadAttention(d_model=8, n_heads=4), torch.randn(B, 5, 8)
    torch.testing.assert_close(layer(x, mask, bias=bias), layer(x, mask[:, None], bias=bias))


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
@pytest.mark.parametrize("form", [attention_by_loops, attention_by_matmul, attention_by_sdpa, attention])
@pytest.mark.usefixtures("as_users_call_it")
def test_a_mask_of_numbers_is_refused(form, dtype):
    query, key, value = torch.randn(3, 1, 2, 4, 4)
    with pytest.raises(UserError, match=rf"the mask is of {dtype}; give mask.bool\(\)"):
        form(query, key, value, causal_mask(4, 4).to(dtype))


def test_a_query_that_sees_no_key_is_named():
    query, key, value = torch.randn(3, 1, 2, 4, 4)
    with pytest.raises(UserError, match="query 2 of row 0 may see no key"):
        attention_by_loops(query, key, value, causal_mask(4, 4) & (torch.arange(4) != 2)[:, None])


def test_weights_are_a_distribution_over_the_visible():
    weights = attention_weights(torch.randn(1, 2, 4, 8), torch.randn(1, 2, 4, 8), causal_mask(4, 4))
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 2, 4))
    assert (weights.masked_select(~causal_mask(4, 4)) == 0).all()


def test_one_head_by_hand():
    """Scores 1 x 2 and 1 x 0 over sqrt(1); softmax (e^2, 1) / (e^2 + 1); values 10 and 20."""
    query, key, value = torch.tensor([[[[1.0]]]]), torch.tensor([[[[2.0], [0.0]]]]), torch.tensor([[[[10.0], [20.0]]]])
    e2 = torch.tensor(2.0).exp()
    expected = (10 * e2 + 20) / (e2 + 1)
    torch.testing.assert_close(attention_by_loops(query, key, value).squeeze(), expected)


def test_a_bias_can_be_trained_through_and_in_bfloat16():
    """The fused form takes one table of the queries' own kind; gradients are those of the readable form."""
    query, key, value = (torch.randn(1, 2, 5, 8, requires_grad=True) for _ in range(3))
    bias = -torch.rand(2, 5, 5)
    fused = torch.autograd.grad(
        attention_by_sdpa(query, key, value, is_causal=True, bias=bias).square().sum(), (query, key, value)
    )
    readable = torch.autograd.grad(
        attention_by_matmul(query, key, value, causal_mask(5, 5), bias).square().sum(), (query, key, value)
    )
    torch.testing.assert_close(fused, readable)
    low = attention_by_sdpa(query.bfloat16(), key.bfloat16(), value.bfloat16(), is_causal=True, bias=bias)
    expected = attention_by_matmul(query, key, value, causal_mask(5, 5), bias)
    torch.testing.assert_close(low.float(), expected, atol=0.03, rtol=0.03)  # bfloat16 has three digits
    low = attention_by_matmul(query.bfloat16(), key.bfloat16(), value.bfloat16(), causal_mask(5, 5), bias)
    torch.testing.assert_close(low.float(), expected, atol=0.03, rtol=0.03)


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_in_training_in_bfloat16_on_a_cpu_products_replace_the_kernel(is_causal, biased, monkeypatch):
    query, key, value = torch.randn(2, 4, 5, 8), torch.randn(2, 2, 5, 8), torch.randn(2, 2, 5, 8)
    bias = torch.randn(4, 5, 5) if biased else None
    expected = attention_by_loops(query, key, value, causal_mask(5, 5) if is_causal else None, bias)
    torch.testing.assert_close(attention(query, key, value, None, is_causal, bias), expected)

    monkeypatch.setattr(module, "attention_by_sdpa", None)
    with torch.autocast("cpu", torch.bfloat16):
        low = attention(query, key, value, None, is_causal, bias)
    torch.testing.assert_close(low.float(), expected, atol=0.05, rtol=0.05)  # bfloat16 has three digits


def test_texts_with_too_many_weights_to_store_take_the_kernel(monkeypatch):
    monkeypatch.setattr(module, "MOST_WEIGHTS", 24)
    kernel = torch.full((1, 2, 5, 4), 7.0)
    monkeypatch.setattr(module, "attention_by_sdpa", lambda *_: kernel)
    query, key, value = torch.randn(3, 1, 2, 5, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert attention(query, key, value) is kernel
        assert attention(query[:, :, 1:], key, value).shape == (1, 2, 4, 4)


@pytest.mark.parametrize("qk_norm", [False, True])
def test_the_module_equals_torchs_own(qk_norm):
    ours = MultiHeadAttention(d_model=12, n_heads=3, bias=True, qk_norm=qk_norm)
    theirs = torch.nn.MultiheadAttention(12, 3, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
        theirs.out_proj.weight.copy_(ours.output.weight)
        theirs.out_proj.bias.copy_(ours.output.bias)
    x = torch.randn(2, 5, 12)
    expected, _ = theirs(x, x, x, attn_mask=~causal_mask(5, 5))
    if qk_norm:  # it must change the answer, or the flag does nothing
        assert not torch.allclose(ours(x, is_causal=True), expected, atol=1e-3)
    else:
        torch.testing.assert_close(ours(x, is_causal=True), expected)


def test_heads_that_do_not_group_are_refused():
    with pytest.raises(ValueError, match=r"n_heads \(4\) must be a multiple of n_kv_heads \(3\)"):
        MultiHeadAttention(d_model=8, n_heads=4, n_kv_heads=3)
    with pytest.raises(ValueError, match=r"d_model \(10\) must be a multiple of n_heads \(4\), or give d_head"):
        MultiHeadAttention(d_model=10, n_heads=4)
