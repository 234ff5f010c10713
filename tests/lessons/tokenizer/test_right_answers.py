"""The right answers of exercise 01, against brute force, a table of probabilities and the properties of a merge."""

import itertools
import math
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks.tokenizer.bits import bits_per_byte
from minillm.course.checks.tokenizer.merge import merge
from minillm.course.checks.tokenizer.segments import segment
from minillm.course.turns import turns
from minillm.losses import next_token_loss
from minillm.tokenizer import Tokenizer, split
from minillm.tokenizer.merging import merge_pair
from minillm.tokenizer.training import ID_OF_BYTE
from minillm.tokenizer.training import count_pairs as package_pairs


def test_bits_per_byte_are_those_of_a_model_with_the_bigrams_as_logits():
    rng = random.Random(0)
    vocab = [b"a", b"the", "é".encode(), b" is"]
    train, text = rng.choices(range(4), k=50), rng.choices(range(4), k=20)
    counts = torch.ones(4, 4)
    for a, b in itertools.pairwise(train):
        counts[a, b] += 1
    loss = next_token_loss(counts.log()[text[:-1]], torch.tensor(text[1:]))  # nats per token after the first
    bits = (loss.item() * 19 + math.log(4)) / math.log(2)
    assert bits_per_byte(train, text, vocab) == pytest.approx(bits / sum(len(vocab[id]) for id in text), rel=1e-5)


def test_the_probabilities_after_a_token_add_up_to_1():
    train, vocab = [0, 1, 1, 2, 0, 1], [b"x"] * 4
    for a in range(4):
        bits = [2 * bits_per_byte(train, [a, b], vocab) - 2 for b in range(4)]
        assert sum(2**-cost for cost in bits) == pytest.approx(1)


@given(
    st.text("ab", max_size=8), st.dictionaries(st.text("ab", min_size=1, max_size=3), st.integers(-9, -1), max_size=8)
)
def test_no_segmentation_is_more_probable(text, log_probs):
    cuts = itertools.chain.from_iterable(itertools.combinations(range(1, len(text)), n) for n in range(len(text) + 1))
    ways = [[text[a:b] for a, b in itertools.pairwise([0, *cut, len(text)])] for cut in cuts] if text else [[]]
    totals = [sum(log_probs[piece] for piece in way) for way in ways if all(piece in log_probs for piece in way)]
    found = segment(text, log_probs)
    if found is None:
        assert not totals
    else:
        assert "".join(found) == text
        assert sum(log_probs[piece] for piece in found) == max(totals)


@given(st.lists(st.sampled_from(["a", "b", "ab", " a", "-"]), max_size=10))
def test_merging_loses_nothing_and_leaves_no_pair_of_old_pieces(pieces):
    merged = merge(pieces, ("a", "b"))
    assert "".join(merged) == "".join(pieces)
    assert ("a", "b") not in itertools.pairwise(merged)
    assert len(pieces) - len(merged) == sum(two == ("a", "b") for two in itertools.pairwise(pieces))


def test_the_courses_versions_of_the_tokenizer_equal_the_package():
    """Oracles: the package's counting, merging and training, and its tokenizer on words that it never saw."""
    count_pairs, merge, learn, encode = (turn.course for turn in turns("01"))
    text = "low low lower slow news newest widest aaa aaaa, the goose sold the cold gold"
    words = [[ID_OF_BYTE[byte] for byte in word.encode()] for word in split(text)]
    assert count_pairs(words) == package_pairs(words, [1] * len(words))
    assert merge([7, 7, 7, 1], (7, 7), 8) == merge_pair([7, 7, 7, 1], (7, 7), 8)
    tokenizer = Tokenizer.train([text], 256 + 30)
    merges = learn(words, 30)
    ids = {token: id for id, token in tokenizer.vocab.items()}
    assert list(merges) == [(ids[left], ids[right]) for left, right in tokenizer.merges]
    for word in ("lowest", " golden", " aaaaaaa", "the", "x", ""):
        assert encode([ID_OF_BYTE[byte] for byte in word.encode()], merges) == tokenizer.encode(word)
