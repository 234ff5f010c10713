"""The oracle of packing and of padding is the same: each text read alone."""

import itertools

import pytest
import torch
from helpers import lively, small_config
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from minillm.model.attention import attention_by_loops, attention_by_matmul, attention_by_sdpa
from minillm.model.segments import check_segments, segment_mask, segment_positions
from minillm.model.transformer import Transformer
from minillm.pretrained.families import LLAMA
from minillm.pretrained.weights import rename

POSITIONS = ("rotary", "learned", "sinusoidal", "alibi", "none")

# A row: lengths of its texts, and how much padding stands before, between and after them.
rows_of_texts = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), min_size=1, max_size=4)


def row_of(texts, after):
    segments = [[0] * before + [number] * length for number, (before, length) in enumerate(texts, start=1)]
    return [*itertools.chain(*segments), *[0] * after]


def batch_of(rows):
    """Rows filled up at the end; padding has ids of its own, which must not matter."""
    width = max(map(len, rows))
    segments = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return torch.randint(0, 50, segments.shape), segments


def texts_of(segments):
    """(row, columns) of each text."""
    for row, numbers in enumerate(segments):
        for number in numbers.unique():
            if number:
                yield row, (numbers == number).nonzero().squeeze(1)


@given(st.lists(st.builds(row_of, rows_of_texts, st.integers(0, 2)), min_size=1, max_size=3), st.booleans())
def test_mask_and_positions_by_their_definition(rows, causal):
    _, segments = batch_of(rows)
    check_segments(segments)
    mask, positions = segment_mask(segments, segments.shape[1], causal), segment_positions(segments)
    for b, row in enumerate(segments.tolist()):
        for t, own in enumerate(row):
            allowed = [s == t or (own != 0 and row[s] == own and (s < t or not causal)) for s in range(len(row))]
            assert mask[b, 0, t].tolist() == allowed
            assert positions[b, t] == (sum(row[s] == own for s in range(t)) if own else 0)
    for T in range(1, segments.shape[1]):
        assert torch.equal(segment_mask(segments, T, causal), mask[:, :, -T:])


@pytest.mark.parametrize(("position", "causal"), [*itertools.product(POSITIONS, (True, False))])
def test_every_text_of_a_batch_is_read_as_if_alone(position, causal):
    model = lively(Transformer(small_config(position=position, causal=causal)))
    rows = [[0, 0, 1, 1, 1, 2, 2, 2, 2], [1, 2, 2, 0, 3, 3, 3, 0, 0], [1] * 9, [0] * 9]
    ids, segments = batch_of(rows)
    with torch.no_grad():
        logits = model(ids, segments=segments)
        assert logits.isfinite().all()
        found = list(texts_of(segments))
        assert len(found) == 6
        for row, columns in found:
            torch.testing.assert_close(logits[row, columns], model(ids[row, columns][None])[0], atol=1e-4, rtol=1e-4)
        one_text = torch.ones_like(ids)
        torch.testing.assert_close(model(ids, segments=one_text), model(ids), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("pieces", [[6, 1, 1, 1, 1], [6, 4], [10], [3, 3, 4], [1] * 10])
def test_decoding_goes_on_after_padding_on_the_left(position, pieces):
    model = lively(Transformer(small_config(position=position)))
    lengths = [6, 3, 1]
    ids = torch.randint(0, 50, (3, 10))
    segments = torch.tensor([[0] * (6 - length) + [1] * (4 + length) for length in lengths])
    with torch.no_grad():
        cache = model.new_cache(batch=3)
        parts, at = [], 0
        for size in pieces:
            told = segments[:, at : at + size] if at < 6 else None  # what follows goes on with the row's last text
            parts.append(model(ids[:, at : at + size], cache, told))
            at += size
        logits = torch.cat(parts, dim=1)
        for row, length in enumerate(lengths):
            alone = model(ids[row : row + 1, 6 - length :])[0]
            torch.testing.assert_close(logits[row, 6 - length :], alone, atol=1e-4, rtol=1e-4)


def test_a_cache_can_begin_another_text_and_forget_it():
    model = lively(Transformer(small_config()))
    ids = torch.randint(0, 50, (2, 9))
    with torch.no_grad():
        cache = model.new_cache(batch=2)
        model(ids[:, :3], cache)  # without segments: all of it is text 1
        assert cache.segments is None
        model(ids[:, 3:5], cache, torch.ones(2, 2, dtype=torch.long))
        second = model(ids[:, 5:], cache, torch.full((2, 4), 2))
        torch.testing.assert_close(second, model(ids[:, 5:]), atol=1e-4, rtol=1e-4)
        cache.truncate(5)
        torch.testing.assert_close(model(ids[:, 5:], cache), model(ids)[:, 5:], atol=1e-4, rtol=1e-4)
        cache.truncate(0)
        torch.testing.assert_close(model(ids, cache), model(ids))
        assert cache.segments is None


def test_what_is_one_text_is_never_given_a_mask():
    """The unpadded path must stay as fast as torch's kernel is without one."""
    model, seen = lively(Transformer(small_config())), []
    for block in model.blocks:
        block.attention.register_forward_pre_hook(lambda _, __, given: seen.append(given), with_kwargs=True)
    cache = model.new_cache()
    with torch.no_grad():
        model(torch.zeros(1, 5, dtype=torch.long), cache)
        model(torch.zeros(1, 1, dtype=torch.long), cache)
    assert [given["mask"] for given in seen] == [None] * 4
    assert [given["is_causal"] for given in seen] == [True, True, False, False]


def test_the_forms_of_attention_agree_where_there_is_padding():
    segments = torch.tensor([[0, 0, 1, 1, 1], [1, 2, 2, 0, 0]])
    query, key, value = torch.randn(2, 4, 5, 6), torch.randn(2, 2, 5, 6), torch.randn(2, 2, 5, 6)
    mask = segment_mask(segments, 5)
    expected = attention_by_loops(query, key, value, mask)
    torch.testing.assert_close(attention_by_matmul(query, key, value, mask), expected)
    torch.testing.assert_close(attention_by_sdpa(query, key, value, mask), expected)


@pytest.mark.parametrize("position", POSITIONS)
def test_padding_is_never_learnt_from(position):
    """A loss on the texts alone has their gradient, whatever the padding holds, and none for the padding's vectors."""
    model = lively(Transformer(small_config(position=position, vocab_size=50, tie_embeddings=False)))
    ids, segments = batch_of([[0, 0, 1, 1, 1, 2, 2], [1, 1, 1, 1, 0, 0, 0]])
    ids[segments != 0] %= 40
    gradients = []
    for padding in (45, 46):
        model.zero_grad()
        hidden = model.hidden(ids.where(segments != 0, padding), segments=segments)
        hidden[segments != 0].square().sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
        assert (model.embedding.weight.grad[40:] == 0).all()
    assert gradients[0].isfinite().all()
    torch.testing.assert_close(*gradients)


def test_left_padding_as_transformers_does_it():
    ours = lively(Transformer(small_config()))
    shape = dict(vocab_size=50, hidden_size=32, intermediate_size=85, num_hidden_layers=2, tie_word_embeddings=True)
    theirs = LlamaForCausalLM(
        LlamaConfig(**shape, num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=ours.config.norm_eps)
    ).eval()
    weights = {rename(name, LLAMA): tensor for name, tensor in ours.named_parameters()}
    theirs.load_state_dict(weights | {"lm_head.weight": ours.head.weight})
    ids = torch.randint(0, 50, (2, 7))
    segments = torch.tensor([[0, 0, 0, 1, 1, 1, 1], [1] * 7])
    positions = (segments.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        expected = theirs(ids, attention_mask=segments, position_ids=positions).logits
        logits = ours(ids, segments=segments)
    torch.testing.assert_close(logits[segments != 0], expected[segments != 0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("position", POSITIONS)
def test_the_longest_text_must_fit_and_not_the_row(position):
    model = lively(Transformer(small_config(position=position)))  # built for 24 tokens
    ids = torch.randint(0, 50, (1, 40))
    segments = torch.tensor([[1] * 24 + [2] * 16])
    with torch.no_grad():
        torch.testing.assert_close(model(ids, segments=segments)[:, 24:], model(ids[:, 24:]), atol=1e-4, rtol=1e-4)
        with pytest.raises(ValueError, match="the sequence has 25 tokens, this model was built for 24"):
            model(ids, segments=torch.tensor([[1] * 25 + [2] * 15]))


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ([1, 0, 1], "row 1 has a piece of segment 1 after segment 1"),
        ([1, 2, 1], "row 1 has a piece of segment 1 after segment 2"),
        ([2, 1, 0], "row 1 has a piece of segment 1 after segment 2"),
        ([0, -1, -1], "row 1 has a piece of segment -1 after segment 0"),
    ],
)
def test_segments_out_of_order_are_refused(small_model, row, sentence):
    with pytest.raises(ValueError, match=sentence):
        small_model(torch.zeros(2, 3, dtype=torch.long), segments=torch.tensor([[1, 2, 3], row]))


@pytest.mark.usefixtures("as_users_call_it")
def test_every_id_needs_a_segment(small_model):
    with pytest.raises(ValueError, match=r"ids are \(1, 3\) and segments \(1, 2\); each id needs its own"):
        small_model(torch.zeros(1, 3, dtype=torch.long), segments=torch.ones(1, 2, dtype=torch.long))
