"""Texts that a function for single words cuts: equal to the tokenizer's own cut where the function is right."""

import random

import pytest

from minillm.analysis import surgery
from minillm.course.turns.tokenizer import encode
from minillm.errors import UserError
from minillm.tokenizer import Tokenizer

TEXTS = ["the old goose sold the cold gold", "Nine umbrellas, naïve 🦆\n\n  and 1234 more"]
TOKENIZER = Tokenizer.train(TEXTS * 3, 330, special_tokens=["<|endoftext|>"], pre_tokenizer="smollm")


def bytes_only(ids, merges):
    return ids


def test_the_right_way_cuts_as_the_tokenizer_does():
    rng = random.Random(0)
    texts = [*TEXTS, "", *("".join(rng.choices("the oldgsc 12ï🦆\n", k=rng.randrange(30))) for _ in range(200))]
    assert all(surgery.cut(TOKENIZER, text, encode) == TOKENIZER.encode(text) for text in texts)


def test_without_words_and_with_few_merges_it_is_another_cut():
    text = "the old goose"
    whole = surgery.cut(TOKENIZER, text, encode, {(1, 2): 3} | surgery.merges_of(TOKENIZER), in_words=False)
    assert TOKENIZER.decode(whole) == text
    first = dict(list(surgery.merges_of(TOKENIZER).items())[:1])
    assert len(surgery.cut(TOKENIZER, text, encode, first)) > len(TOKENIZER.encode(text))
    assert surgery.cut(TOKENIZER, text, bytes_only) == surgery.byte_ids(TOKENIZER, text)


def test_each_different_word_is_encoded_once():
    asked = []

    def watching(ids, merges):
        asked.append(TOKENIZER.decode(ids))
        return encode(ids, merges)

    surgery.cut(TOKENIZER, "the goose the goose the", watching)
    assert asked == ["the", " goose", " the"]


@pytest.mark.parametrize("made", [None, 5, ["the"], [10**6], [1.0]])
def test_what_is_no_list_of_ids_is_refused_with_the_word(made):
    with pytest.raises(UserError, match="`encode` made .* of 'the'; it must return a list of ids of the vocabulary"):
        surgery.cut(TOKENIZER, "the", lambda ids, merges: made)


def test_what_a_vocabulary_cannot_cut_so_is_refused():
    lacking = Tokenizer({0: b"a", 1: b"b", 2: b"ab"}, [(b"a", b"b")], {})
    assert surgery.cut(lacking, "ab", encode) == [2]
    with pytest.raises(UserError, match=r"this vocabulary lacks the byte b'c', which 'abc' holds"):
        surgery.cut(lacking, "abc", encode)
    mixed = Tokenizer({0: b"a", 1: b"b", 2: b"aba", 3: b"ab"}, [(b"a", b"b"), (b"ab", b"a")], {})
    with pytest.raises(UserError, match="aren't in the order of its merges"):
        surgery.merges_of(mixed)
