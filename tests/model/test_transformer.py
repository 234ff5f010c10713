import itertools
import math

import pytest
import torch
from helpers import lively, small_config
from torch import nn

from minillm.config import ModelConfig
from minillm.errors import UserError
from minillm.losses import next_token_loss
from minillm.model import attention
from minillm.model.attention import causal_mask
from minillm.model.embedding import TokenEmbedding
from minillm.model.norm import make_norm
from minillm.model.position import LearnedPosition
from minillm.model.transformer import Block, Transformer

POSITIONS = ("rotary", "learned", "sinusoidal", "alibi", "none")
VARIANTS = [
    dict(norm=norm, activation=activation, position=position, tie_embeddings=tie, bias=bias, qk_norm=qk_norm)
    for norm, activation, position, (tie, bias, qk_norm) in itertools.product(
        ("rmsnorm", "layernorm"),
        ("swiglu", "gelu", "relu2"),
        POSITIONS,
        ((True, False, False), (False, True, True)),
    )
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))
def test_every_variant_caches_and_hides_the_future(variant, device):
    config = small_config(**variant)
    model = lively(Transformer(config)).to(device)
    ids = torch.randint(0, 50, (2, 9), device=device)
    with torch.no_grad():
        logits = model(ids)
        cache = model.new_cache(batch=2)
        pieces = [model(piece, cache) for piece in ids.split([4, 1, 3, 1], dim=1)]
        torch.testing.assert_close(torch.cat(pieces, dim=1), logits, atol=1e-4, rtol=1e-4)
        changed = ids.clone()
        changed[:, 5] = (changed[:, 5] + 1) % 50
        torch.testing.assert_close(model(changed)[:, :5], logits[:, :5])
        assert not torch.allclose(model(changed)[:, 5:], logits[:, 5:], atol=1e-3)


@pytest.mark.parametrize("position", POSITIONS)
def test_a_window_is_what_one_layer_sees_and_all_its_forms_agree(position):
    """With a cache in pieces, with padding, and with two texts in a row."""
    window = 4
    model = lively(Transformer(small_config(n_layers=1, sliding_window=window, position=position)))
    ids = torch.randint(0, 50, (2, 12))
    with torch.no_grad():
        logits = model(ids)
        for column in range(12):
            changed = ids.clone()
            changed[:, column] = (changed[:, column] + 1) % 50
            differs = ((model(changed) - logits).abs().amax((0, 2)) > 1e-4).nonzero().flatten().tolist()
            assert differs == list(range(column, min(column + window, 12)))
        cache = model.new_cache(batch=2)
        pieces = [model(piece, cache) for piece in ids.split([3, 1, 1, 5, 1, 1], dim=1)]
        torch.testing.assert_close(torch.cat(pieces, dim=1), logits, atol=1e-4, rtol=1e-4)
        row, segments = torch.cat((ids[:1, :3], ids[:1], ids[1:]), 1), torch.tensor([[0] * 3 + [1] * 12 + [2] * 12])
        model.config = model.config.replace(max_seq_len=27)
        if position != "learned":
            packed = model(row, segments=segments)
            torch.testing.assert_close(packed[:, 3:15], logits[:1], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(packed[:, 15:], logits[1:], atol=1e-4, rtol=1e-4)


def test_a_window_as_long_as_the_text_changes_nothing():
    model = lively(Transformer(small_config()))
    ids = torch.randint(0, 50, (2, 9))
    with torch.no_grad():
        logits = model(ids)
        model.config = model.config.replace(sliding_window=9)
        assert torch.equal(model(ids), logits)
        model.config = model.config.replace(sliding_window=8)
        torch.testing.assert_close(model(ids)[:, :8], logits[:, :8], atol=1e-5, rtol=1e-5)
        assert not torch.allclose(model(ids)[:, 8], logits[:, 8], atol=1e-3)


def test_without_a_mask_the_future_is_seen():
    model = lively(Transformer(small_config(causal=False)))
    ids = torch.randint(0, 50, (1, 6))
    changed = ids.clone()
    changed[0, 5] = (changed[0, 5] + 1) % 50
    with torch.no_grad():
        assert not torch.allclose(model(changed)[:, 0], model(ids)[:, 0], atol=1e-3)
        cache = model.new_cache()
        model(ids, cache)
        with pytest.raises(ValueError, match="causal=False cannot use a KV cache"):
            model(ids, cache)


def test_without_positions_or_mask_the_order_is_invisible():
    """A set of tokens goes in, and the same set of vectors comes out, shuffled the same way."""
    model = lively(Transformer(small_config(causal=False, position="none")))
    ids, order = torch.randint(0, 50, (1, 7)), torch.randperm(7)
    with torch.no_grad():
        torch.testing.assert_close(model(ids[:, order]), model(ids)[:, order], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("position", POSITIONS)
def test_the_readable_attention_gives_the_same_model(position, causal, monkeypatch):
    model, ids = lively(Transformer(small_config(position=position, causal=causal))), torch.randint(0, 50, (2, 9))
    with torch.no_grad():
        expected = model(ids)

        def by_loops(query, key, value, mask, is_causal, bias):
            T, S = query.shape[2], key.shape[2]
            return attention.attention_by_loops(query, key, value, causal_mask(T, S) if is_causal else mask, bias)

        monkeypatch.setattr(attention, "attention_by_sdpa", by_loops)
        torch.testing.assert_close(model(ids), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("position", POSITIONS)
def test_bfloat16_weights_give_nearly_the_same_logits(position):
    model, ids = lively(Transformer(small_config(position=position))), torch.randint(0, 50, (1, 7))
    with torch.no_grad():
        exact = model(ids)
        assert (model.bfloat16()(ids).float() - exact).norm() < 0.03 * exact.norm()


@pytest.mark.parametrize("position", ["rotary", "learned", "sinusoidal"])
def test_positions_make_order_visible_without_a_mask(position):
    model = lively(Transformer(small_config(causal=False, position=position)))
    ids, back = torch.randint(0, 50, (1, 7)), torch.arange(6, -1, -1)
    with torch.no_grad():
        assert not torch.allclose(model(ids[:, back]), model(ids)[:, back], atol=1e-2)


def test_alibi_without_a_mask_sees_distance_but_not_direction():
    """Read backwards, a text has the same distances: the same vectors, backwards. Another order has others."""
    model, ids = lively(Transformer(small_config(causal=False, position="alibi"))), torch.arange(7).unsqueeze(0)
    back, other = torch.arange(6, -1, -1), torch.tensor([0, 2, 1, 3, 4, 5, 6])
    with torch.no_grad():
        torch.testing.assert_close(model(ids[:, back]), model(ids)[:, back], atol=1e-4, rtol=1e-4)
        assert not torch.allclose(model(ids[:, other]), model(ids)[:, other], atol=1e-2)


def test_a_causal_layer_without_positions_is_blind_and_two_are_not():
    """The last token sees a bag of all tokens. In a second layer the bag holds vectors that saw different bags."""
    ids, shuffled = torch.arange(7).unsqueeze(0), torch.tensor([[2, 5, 0, 1, 4, 3, 6]])
    one, two = (lively(Transformer(small_config(position="none", n_layers=n_layers))) for n_layers in (1, 2))
    with torch.no_grad():
        torch.testing.assert_close(one(shuffled)[:, -1], one(ids)[:, -1], atol=1e-4, rtol=1e-4)
        assert not torch.allclose(two(shuffled)[:, -1], two(ids)[:, -1], atol=1e-2)


@pytest.mark.parametrize("position", ["rotary", "sinusoidal", "alibi", "none"])
def test_a_longer_context_changes_nothing_within_the_old_one(position):
    model, ids = lively(Transformer(small_config(position=position))), torch.randint(0, 50, (1, 40))
    with torch.no_grad():
        before = model(ids[:, :24])
        with pytest.raises(
            ValueError, match=r"built for 24 \(max_seq_len\); shorten the text, or call extend_context\(40\)"
        ):
            model(ids)
        model.extend_context(40)
        after = model(ids)
        torch.testing.assert_close(after[:, :24], before, atol=1e-4, rtol=1e-4)
        cache = model.new_cache()
        pieces = [model(piece, cache) for piece in ids.split([30, 1, 9], dim=1)]
    torch.testing.assert_close(torch.cat(pieces, 1), after, atol=1e-4, rtol=1e-4)


def test_learned_positions_end_with_their_table():
    model = Transformer(small_config(position="learned"))
    with pytest.raises(ValueError, match="has learned 24 positions and cannot go to 40: there is no vector"):
        model.extend_context(40)
    with pytest.raises(ValueError, match="shorten the text$"):
        model(torch.zeros(1, 25, dtype=torch.long))


def test_the_first_loss_is_ln_v():
    model = Transformer(ModelConfig.preset("tiny"))
    vocab_size = model.config.vocab_size
    ids = torch.randint(0, vocab_size, (4, 65))
    loss = next_token_loss(model(ids[:, :-1]), ids[:, 1:])
    assert loss.item() == pytest.approx(math.log(vocab_size), abs=0.1)


def test_tied_head_shares_the_table():
    model = Transformer(small_config(tie_embeddings=True))
    assert model.head.weight is model.embedding.weight


def drawn_by_hand(c: ModelConfig) -> dict[str, torch.Tensor]:
    """A seed's initial weights: all modules are made, the head last, then every matrix is drawn, in that order."""
    parts = nn.ModuleDict({"embedding": TokenEmbedding(c.vocab_size, c.d_model)})
    if c.position == "learned":
        parts["position"] = LearnedPosition(c.max_seq_len, c.d_model)
    parts["blocks"] = nn.ModuleList(Block(c) for _ in range(c.n_layers))
    parts["final_norm"] = make_norm(c.norm, c.d_model, c.norm_eps, c.bias is True)
    parts["head"] = nn.Linear(c.d_model, c.vocab_size, bias=False)
    with torch.no_grad():
        for name, parameter in parts.named_parameters():
            std = c.embedding_std if name == "embedding.weight" else 0.02
            if name.endswith(("attention.output.weight", "feedforward.down.weight")):
                std /= math.sqrt(2 * c.n_layers)
            if parameter.dim() == 2:
                parameter.normal_(std=std)
            elif name.endswith("bias"):
                parameter.zero_()
    return parts.state_dict()


INITIAL = [
    {"tie_embeddings": True},
    {"tie_embeddings": False},
    {"position": "learned", "norm": "layernorm", "activation": "gelu", "bias": True},
]


@pytest.mark.parametrize("changes", INITIAL)
def test_initial_weights_are_drawn_in_a_fixed_order(changes):
    """Recipes name a seed, so a change of the order, or of the draws of the head's layer, would change their models."""
    config = small_config(**changes)
    torch.manual_seed(3)
    expected, next_draw = drawn_by_hand(config), torch.rand(4)
    torch.manual_seed(3)
    found, found_next = Transformer(config).state_dict(), torch.rand(4)
    if config.tie_embeddings:
        expected["head.weight"] = expected["embedding.weight"]
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in found)
    assert torch.equal(found_next, next_draw)


def test_bad_input_gets_a_sentence(small_model):
    with pytest.raises(ValueError, match="the sequence is empty"):
        small_model(torch.zeros(1, 0, dtype=torch.long))
    with pytest.raises(ValueError, match=r"has 25 tokens, this model was built for 24 \(max_seq_len\)"):
        small_model(torch.zeros(1, 25, dtype=torch.long))
    with pytest.raises(UserError, match="token id 50 is outside"):
        small_model(torch.tensor([[50]]))
    cache = small_model.new_cache(max_seq_len=4)
    with torch.no_grad(), pytest.raises(ValueError, match="holds 0 of at most 4 positions; 5 more"):
        small_model(torch.zeros(1, 5, dtype=torch.long), cache)
