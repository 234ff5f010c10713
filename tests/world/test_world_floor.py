"""The floor against a mean by hand and a bootstrap; the bigram model against counts by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.world import Document, World, bigram_loss, floor


class Words:
    def encode(self, text):
        return text.split()


class Bytes:
    def encode(self, text):
        return list(text.encode("utf-8"))


def test_the_floor_is_the_mean_per_token_with_the_end_counted():
    documents = [
        Document("a b", -3.0, "story", ""),
        Document("a b c d", -5.0, "story", ""),
        Document("a", -4.0, "story", ""),
    ]
    measured = floor(documents, Words())
    assert measured.nats_per_token == pytest.approx(12 / (3 + 5 + 2))
    assert measured.bits_per_byte == pytest.approx(12 / math.log(2) / (3 + 7 + 1))


def test_bits_per_byte_counts_bytes_not_characters():
    documents = [Document("é", -math.log(2), "story", ""), Document("é", -math.log(2), "story", "")]
    assert floor(documents, Words()).bits_per_byte == pytest.approx(0.5)


def test_the_standard_error_agrees_with_a_bootstrap():
    documents = World(8).documents(300)
    measured = floor(documents, Words())
    rng = np.random.default_rng(0)
    means = []
    for _ in range(400):
        sample = [documents[i] for i in rng.integers(0, len(documents), len(documents))]
        tokens = sum(len(d.text.split()) + 1 for d in sample)
        means.append(-sum(d.log_prob for d in sample) / tokens)
    assert measured.stderr == pytest.approx(np.std(means), rel=0.2)


def test_a_floor_needs_two_documents():
    with pytest.raises(ValueError, match="at least 2 documents, not 1"):
        floor(World(0).documents(1), Words())


def test_the_bigram_model_against_counts_by_hand():
    # Pairs 0-1, 1-0, 0-2, 2-0, 0-1 over V = 3. Unigram counts of followers: 0 twice, 1 twice, 2 once; 3 kinds.
    unigram = {0: (2 + 1) / 8, 1: (2 + 1) / 8, 2: (1 + 1) / 8}
    expected = [(2 + 2 * unigram[1]) / (3 + 2), (0 + 1 * unigram[1]) / (1 + 1)]  # P(1|0), P(1|1)
    loss = bigram_loss([0, 1, 0, 2, 0, 1], [0, 1, 1], vocab_size=3)
    assert loss == pytest.approx(-sum(map(math.log, expected)) / 2)


@given(st.lists(st.integers(0, 5), min_size=2, max_size=60), st.integers(0, 5))
def test_the_bigram_probabilities_of_every_context_sum_to_one(train, context):
    total = sum(math.exp(-bigram_loss(train, [context, token], vocab_size=6)) for token in range(6))
    assert total == pytest.approx(1.0)


def test_a_bigram_model_of_the_world_lies_above_its_floor():
    documents = World(9).documents(500)

    def stream(part):
        return [256] + [token for document in part for token in [*document.text.encode("utf-8"), 256]]

    train, held_out = documents[:400], documents[400:]
    measured = floor(held_out, Bytes())
    assert bigram_loss(stream(train), stream(held_out), 257) > measured.nats_per_token + 5 * measured.stderr


@pytest.mark.parametrize("ids", [[0, 1, 5], [0, -1, 2]])
def test_ids_outside_the_vocabulary_are_refused(ids):
    with pytest.raises(ValueError, match="outside a vocabulary of 5"):
        bigram_loss(ids, [0, 1], vocab_size=5)
    with pytest.raises(ValueError, match="val_ids"):
        bigram_loss([0, 1], ids, vocab_size=5)


def test_a_stream_without_a_pair_is_refused():
    with pytest.raises(ValueError, match="train_ids has 1 tokens"):
        bigram_loss([0], [0, 1], vocab_size=5)
