"""Embedding, norms, positions, feed-forward and cache, each against torch or a property."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.bloom.modeling_bloom import build_alibi_tensor

from minillm.config import RopeScaling
from minillm.errors import UserError
from minillm.model.embedding import TokenEmbedding
from minillm.model.feedforward import FeedForward
from minillm.model.kv_cache import KVCache
from minillm.model.norm import LayerNorm, RMSNorm
from minillm.model.position import (
    LearnedPosition,
    SinusoidalPosition,
    alibi_bias,
    alibi_slopes,
    rotary_angles,
    rotary_frequencies,
    rotate,
)


def test_lookup_is_a_one_hot_matmul():
    table, ids = TokenEmbedding(11, 4), torch.randint(0, 11, (2, 3))
    torch.testing.assert_close(table(ids), F.one_hot(ids, 11).float() @ table.weight)


@pytest.mark.parametrize("kind", [UserError, IndexError])
@pytest.mark.parametrize("bad", [-1, 11])
def test_an_id_outside_the_table_is_named(bad, kind):
    with pytest.raises(kind, match=rf"token id {bad} is outside the vocabulary \(0 to 10\)"):
        TokenEmbedding(11, 4)(torch.tensor([[3, bad]]))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (RMSNorm(16, eps=1e-5), torch.nn.RMSNorm(16, eps=1e-5)),
        (LayerNorm(16, eps=1e-5), torch.nn.LayerNorm(16, eps=1e-5)),
        (LayerNorm(16, eps=1e-5, bias=False), torch.nn.LayerNorm(16, eps=1e-5, bias=False)),
    ],
)
def test_norms_equal_torchs(ours, theirs):
    scale, shift = torch.randn(16), torch.randn(16)
    with torch.no_grad():
        for module in (ours, theirs):
            module.weight.copy_(scale)
            if getattr(module, "bias", None) is not None:
                module.bias.copy_(shift)
    x = 5 * torch.randn(3, 16) + 2
    torch.testing.assert_close(ours(x), theirs(x))
    assert ours(x.bfloat16()).dtype == torch.bfloat16


@given(st.integers(0, 2000), st.integers(-100, 100))
def test_rotary_scores_depend_on_the_distance_only(start, distance):
    query, key = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def score(at: int) -> torch.Tensor:
        turned_query = rotate(query, *rotary_angles(torch.tensor([at + 100 + distance]), 8, 100.0))
        turned_key = rotate(key, *rotary_angles(torch.tensor([at + 100]), 8, 100.0))
        return (turned_query * turned_key).sum()

    torch.testing.assert_close(score(start), score(0), atol=2e-3, rtol=0)  # float32 angles up to 2,200 radians


def test_rotation_keeps_lengths_and_leaves_position_zero_alone():
    x = torch.randn(2, 3, 5, 8)
    cos, sin = rotary_angles(torch.arange(5), 8, 10_000.0)
    turned = rotate(x, cos, sin)
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(turned[:, :, 0], x[:, :, 0])


def test_any_leading_dimensions_are_rotated_as_in_a_batch_of_heads():
    x = torch.randn(2, 3, 5, 8)
    angles = rotary_angles(torch.arange(5), 8, 10_000.0)
    rotated = rotate(x, *angles)
    assert torch.equal(rotate(x[1], *angles), rotated[1])  # (H, T, D)
    assert torch.equal(rotate(x[1, 2], *angles), rotated[1, 2])  # (T, D)
    own = torch.stack((torch.arange(5), torch.arange(7, 12)))  # rows with positions of their own
    rows = rotate(x, *rotary_angles(own, 8, 10_000.0))
    assert torch.equal(rows[0], rotated[0])
    for row in range(2):
        alone = rotary_angles(own[row], 8, 10_000.0)
        assert torch.equal(rows[row], rotate(x[row], *alone))
        assert torch.equal(rows[row, 2], rotate(x[row, 2], *alone))
    assert torch.equal(rotate(x[:, 0], *rotary_angles(own, 8, 10_000.0)), rows[:, 0])  # (B, T, D)


def test_rotation_equals_complex_multiplication():
    """The pair (x_i, x_{i + D/2}) is one complex number, and a turn is a product with e^{i angle}."""
    x = torch.randn(1, 2, 4, 6)
    cos, sin = rotary_angles(torch.tensor([0, 3, 9, 700]), 6, 10_000.0)
    expected = torch.complex(x[..., :3], x[..., 3:]) * torch.complex(cos, sin)
    torch.testing.assert_close(rotate(x, cos, sin), torch.cat((expected.real, expected.imag), -1))


@pytest.mark.parametrize(
    ("kind", "scaling"),
    [
        ("linear", RopeScaling(4.0)),
        ("llama3", RopeScaling(8.0, original_max_seq_len=8192)),  # Llama 3.1
        ("llama3", RopeScaling(32.0, original_max_seq_len=500, low_freq_factor=0.5, high_freq_factor=30.0)),
    ],
)
def test_stretched_frequencies_are_those_of_transformers(kind, scaling):
    parameters = {"rope_type": kind, "rope_theta": 5e5, "factor": scaling.factor}
    if kind == "llama3":
        parameters |= {"low_freq_factor": scaling.low_freq_factor, "high_freq_factor": scaling.high_freq_factor}
        parameters |= {"original_max_position_embeddings": scaling.original_max_seq_len}
    config = LlamaConfig(head_dim=128, rope_parameters=parameters)
    expected, _ = ROPE_INIT_FUNCTIONS[kind](config)
    found, plain = rotary_frequencies(128, 5e5, scaling=scaling), rotary_frequencies(128, 5e5)
    torch.testing.assert_close(found, expected)
    assert kind == "linear" or 0 < (found == plain).sum() < 64  # some are left alone, some are not


def test_sinusoidal_positions_by_the_papers_formula():
    table = SinusoidalPosition(6)(torch.arange(50))
    for position in (0, 7, 49):
        for i in range(3):
            angle = torch.tensor(position / 10_000 ** (2 * i / 6))
            torch.testing.assert_close(table[position, 2 * i], angle.sin(), atol=1e-5, rtol=0)
            torch.testing.assert_close(table[position, 2 * i + 1], angle.cos(), atol=1e-5, rtol=0)


def test_learned_positions_are_rows_of_a_table():
    table = LearnedPosition(5, 4)
    torch.testing.assert_close(table(torch.tensor([3, 0])), table.weight[[3, 0]])


@given(st.integers(1, 40), st.integers(1, 4), st.integers(0, 4))
def test_alibi_by_its_definition(H, T, past):
    """Minus slope times distance, one number at a time; the slopes as transformers has them for BLOOM."""
    S = T + past
    slopes = build_alibi_tensor(torch.ones(1, 2), H, torch.float32)[:, 0, 1]  # slope x position 1
    bias = alibi_bias(H, T, S)
    assert bias.shape == (H, T, S)
    for h in range(H):
        for t in range(T):
            for s in range(S):
                torch.testing.assert_close(bias[h, t, s], -slopes[h] * abs(past + t - s))


@given(st.integers(1, 24), st.integers(1, 7))
def test_alibi_weights_are_blooms(H, T):
    """BLOOM adds slope x position of the key: row by row another constant, and softmax does not see constants."""
    hidden = torch.ones(T, T).triu(1).bool()
    scores = torch.randn(H, T, T).masked_fill(hidden, -torch.inf)
    blooms = build_alibi_tensor(torch.ones(1, T), H, torch.float32)
    torch.testing.assert_close((scores + alibi_bias(H, T, T)).softmax(-1), (scores + blooms).softmax(-1))


@given(st.integers(1, 64))
def test_alibi_slopes_all_differ_and_end_where_the_paper_says(H):
    slopes = alibi_slopes(H)
    assert len(slopes) == H == len(set(slopes.tolist()))
    assert ((slopes >= 2**-8) & (slopes < 1)).all()
    if H & (H - 1) == 0:  # a geometric sequence whose first term is its ratio
        torch.testing.assert_close(slopes, slopes[0] ** torch.arange(1, H + 1))


@pytest.mark.parametrize("activation", ["gelu", "relu2", "swiglu"])
def test_feedforward_by_its_formula(activation):
    ffn, x = FeedForward(6, 10, activation), torch.randn(2, 3, 6)
    up = x @ ffn.up.weight.mT
    if activation == "swiglu":
        gate = x @ ffn.gate.weight.mT
        hidden = gate * torch.sigmoid(gate) * up
    elif activation == "gelu":
        hidden = 0.5 * up * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (up + 0.044715 * up**3)))
    else:
        hidden = up.clamp(min=0) ** 2
    torch.testing.assert_close(ffn(x), hidden @ ffn.down.weight.mT)


def test_an_unknown_activation_is_named():
    with pytest.raises(ValueError, match="activation is 'tanh'; choose one of"):
        FeedForward(4, 8, "tanh")


def test_cache_returns_what_was_put_in_and_refuses_to_overflow():
    cache, (key, value) = KVCache(2, 1, 3, 5, 4), torch.randn(2, 1, 3, 4, 4)
    for layer in (0, 1):
        keys, values = cache.append(layer, key[:, :, :3], value[:, :, :3])
    cache.advance(3)
    keys, values = cache.append(1, key[:, :, 3:], value[:, :, 3:])
    torch.testing.assert_close(keys, key)
    torch.testing.assert_close(values, value)
    cache.advance(1)
    with pytest.raises(ValueError, match="holds 4 of at most 5 positions; 2 more do not fit"):
        cache.check_capacity(2)
    cache.truncate(1)
    assert cache.length == 1
    with pytest.raises(ValueError, match="cannot cut a cache of 1 positions to 3"):
        cache.truncate(3)


def test_rows_of_a_cache_are_aligned_without_their_padding():
    """Three texts of lengths 5, 2 and 3 out of two caches, their tokens numbered so that each can be followed."""
    first, second = KVCache(2, 2, 3, 9, 4), KVCache(2, 1, 3, 3, 4)
    for cache in (first, second):
        cache.keys.copy_(torch.randn(cache.keys.shape))
        cache.values.copy_(torch.randn(cache.values.shape))
    first.advance(5, torch.tensor([[1, 1, 1, 1, 1], [0, 0, 0, 1, 1]]))
    second.advance(3)
    rows = [first.row(0), first.row(1), second.row(0)]
    assert [row.length for row in rows] == [5, 2, 3]
    cache = KVCache.aligned([*rows, first.row(0, length=1)], n_new=2)
    assert (cache.length, cache.max_seq_len) == (5, 7)
    assert cache.segments.tolist() == [[1, 1, 1, 1, 1], [0, 0, 0, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 0, 1]]
    for name in ("keys", "values"):
        a, b, new = (getattr(each, name) for each in (first, second, cache))
        assert torch.equal(new[:, 0, :, :5], a[:, 0, :, :5])
        assert torch.equal(new[:, 1, :, 3:5], a[:, 1, :, 3:5])
        assert torch.equal(new[:, 2, :, 2:5], b[:, 0])
        assert torch.equal(new[:, 3, :, 4], a[:, 0, :, 0])
    assert KVCache.aligned([first.row(1), first.row(1)], n_new=0).segments is None
    with pytest.raises(ValueError, match="row 1 of the cache holds 2 tokens, not 3"):
        first.row(1, length=3)
