"""The right answers of exercise 01, against the package."""

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks.tokenizer.encode import encode
from minillm.course.checks.tokenizer.merge import merge
from minillm.course.checks.tokenizer.pairs import next_pair
from minillm.tokenizer import Tokenizer, byte_to_unicode
from minillm.tokenizer.training import learn_merges_naive

ALPHABET = [bytes([byte]) for byte in byte_to_unicode()]
ORDER = {byte[0]: id for id, byte in enumerate(ALPHABET)}


@given(st.dictionaries(st.text("abc ", min_size=1, max_size=6), st.integers(1, 5), max_size=6))
def test_the_next_pair_is_the_packages_first_merge(words):
    ids = {tuple(ORDER[byte] for byte in word.encode()): times for word, times in words.items()}
    merges = learn_merges_naive(words, 1)
    assert next_pair(ids) == (tuple(ORDER[piece[0]] for piece in merges[0]) if merges else None)


@given(st.text("abé語", max_size=12), st.integers(0, 40), st.integers(0, 10**6))
def test_encoding_is_the_packages(text, n_merges, seed):
    chance = random.Random(seed)
    words = {"".join(chance.choices("abé語", k=4)): chance.randint(1, 9) for _ in range(10)}
    merges = learn_merges_naive(words, n_merges)
    package = Tokenizer(dict(enumerate([*ALPHABET, *(left + right for left, right in merges)])), merges, {})
    # The package cuts a text into words first; letters alone are one word.
    assert encode(text, merges) == [package.vocab[id] for id in package.encode(text)]


@given(st.lists(st.sampled_from(["a", "b", "ab", " a", "-"]), max_size=10))
def test_merging_loses_nothing_and_leaves_no_pair_of_old_pieces(pieces):
    merged = merge(pieces, ("a", "b"))
    assert "".join(merged) == "".join(pieces)
    assert ("a", "b") not in itertools.pairwise(merged)
    assert len(pieces) - len(merged) == sum(two == ("a", "b") for two in itertools.pairwise(pieces))
