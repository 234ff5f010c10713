"""Arithmetic coding: it is lossless, and the size is what the probabilities imply."""

import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm import ModelConfig, Transformer
from minillm.analysis.compression import (
    MAX_TOKENS,
    TOTAL,
    Decoder,
    Encoder,
    compress,
    decompress,
    frequencies,
    model_predictor,
)

WEIGHTS = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=300).filter(lambda w: sum(w) > 0)


@given(WEIGHTS)
def test_frequencies_are_positive_integers_close_to_the_probabilities(weights):
    probabilities = torch.tensor(weights, dtype=torch.float64)
    probabilities /= probabilities.sum()
    counts = frequencies(probabilities)
    assert int(counts.sum()) == TOTAL
    assert int(counts.min()) >= 1
    V = len(weights)
    assert bool(((counts / TOTAL - probabilities).abs() <= (V + 1) / TOTAL).all())


@pytest.mark.parametrize("bad", [[], [0.5, 0.6], [1.5, -0.5], [math.nan, 1.0], [math.inf, 0.0]])
def test_an_invalid_distribution_is_rejected(bad):
    with pytest.raises(ValueError, match="are not probabilities"):
        frequencies(torch.tensor(bad, dtype=torch.float64))


def test_too_large_a_vocabulary_is_rejected():
    with pytest.raises(ValueError, match="is too large; use at most"):
        frequencies(torch.full((TOTAL // 2 + 1,), 1 / (TOTAL // 2 + 1), dtype=torch.float64))


@st.composite
def messages(draw):
    """A list of (frequencies, symbol) with a different table at each step; skewed tables produce long carries."""
    steps = []
    for _ in range(draw(st.integers(0, 60))):
        table = draw(st.lists(st.sampled_from([1, 1, 2, 3, 255, 256, 2**20, 2**24 - 3]), min_size=1, max_size=6))
        steps.append((table, draw(st.integers(0, len(table) - 1))))
    return steps


@settings(max_examples=400)
@given(messages())
def test_round_trip_and_message_size(steps):
    encoder, bits = Encoder(), 0.0
    for table, symbol in steps:
        encoder.encode(sum(table[:symbol]), table[symbol], sum(table))
        bits -= math.log2(table[symbol] / sum(table))
    message = encoder.finish()
    assert 8 * len(message) <= bits + 8, "the message is longer than the interval requires"

    decoder = Decoder(message)
    for table, symbol in steps:
        position = decoder.position(sum(table))
        assert sum(table[:symbol]) <= position < sum(table[: symbol + 1])
        decoder.advance(sum(table[:symbol]), table[symbol], sum(table))


def test_a_carry_propagates_through_full_bytes():
    # Repeatedly taking the upper 2/3 of the interval pushes `low` against longer and longer runs of 0xFF.
    for rounds in range(1, 200):
        encoder = Encoder()
        for _ in range(rounds):
            encoder.encode(1, 2, 3)
        encoder.encode(0, 1, 2**20)
        decoder = Decoder(encoder.finish())
        for _ in range(rounds):
            assert decoder.position(3) >= 1
            decoder.advance(1, 2, 3)
        assert decoder.position(2**20) == 0


def counting_predictor():
    """An adaptive model: the counts of the bytes seen so far, plus one each."""
    counts = Counter(range(256))

    def predict(last):
        if last is not None:
            counts[last] += 20
        weights = torch.tensor([counts[byte] for byte in range(256)], dtype=torch.float64)
        return weights / weights.sum()

    return predict


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_restored(data):
    packed = compress(list(data), counting_predictor())
    assert bytes(decompress(packed, counting_predictor())) == data


@given(WEIGHTS, st.data())
@settings(deadline=None)
def test_any_distribution_can_code_any_token(weights, data):
    probabilities = torch.tensor(weights, dtype=torch.float64)
    probabilities /= probabilities.sum()
    ids = data.draw(st.lists(st.integers(0, len(weights) - 1), max_size=40))
    assert decompress(compress(ids, lambda _: probabilities), lambda _: probabilities) == ids


def test_repetitive_text_compresses_and_noise_does_not():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(256, (2000,), generator=generator).tolist()
    assert len(compress([65] * 2000, counting_predictor())) < 100
    assert len(compress(noise, counting_predictor())) >= 1990  # noise cannot be compressed


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Transformer(ModelConfig(vocab_size=300, d_model=32, n_layers=2, n_heads=4, max_seq_len=64)).eval()


def test_round_trip_with_a_model_and_the_size_is_its_loss(model):
    ids = torch.randint(300, (60,), generator=torch.Generator().manual_seed(1)).tolist()
    packed = compress(ids, model_predictor(model, start=0))
    assert decompress(packed, model_predictor(model, start=0)) == ids
    with torch.no_grad():
        log_probs = model(torch.tensor([[0, *ids[:-1]]]))[0].double().log_softmax(-1)
    bits = -sum(float(log_probs[t, token]) for t, token in enumerate(ids)) / math.log(2)
    smoothing = len(ids) * -math.log2(1 - 300 / TOTAL)  # the cost of the minimum frequency of 1
    assert bits / 8 <= len(packed) - 2 <= (bits + smoothing) / 8 + 1.01


@settings(max_examples=30, deadline=None)
@given(count=st.integers(0, 64), message=st.binary(max_size=12))
def test_corrupted_bytes_give_wrong_tokens_and_terminate(model, count, message):
    ids = decompress(count.to_bytes(2, "big") + message, model_predictor(model, start=0))
    assert len(ids) == count
    assert all(0 <= token < 300 for token in ids)


def test_corrupted_bytes_that_exceed_the_context_are_rejected(model):
    with pytest.raises(ValueError, match="64"):
        decompress(b"\xff\xff damaged", model_predictor(model, start=0))


def test_invalid_input_is_rejected(model):
    with pytest.raises(ValueError, match="1 bytes are not a message"):
        decompress(b"\0", model_predictor(model, start=0))
    with pytest.raises(ValueError, match="token 300 is outside the predictor's vocabulary of 300"):
        compress([300], model_predictor(model, start=0))
    with pytest.raises(ValueError, match="token -1 is outside"):
        compress([-1], model_predictor(model, start=0))
    with pytest.raises(ValueError, match="too many for one file"):
        compress([0] * (MAX_TOKENS + 1), lambda _: torch.ones(1))
