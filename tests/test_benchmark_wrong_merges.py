"""The wrong cuts of a text: each spells it, the right one is the tokenizer's, the others are as worked out by hand."""

import pytest

from minillm import Tokenizer
from tests.benchmark_scripts import benchmark_script

WORDS = "The old goose lost her umbrella. The old umbrellas were lost, and the goose was glad of it. " * 3


@pytest.fixture(scope="module")
def wrong_merges():
    with benchmark_script("wrong_merges") as module:
        yield module


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([WORDS], vocab_size=310, special_tokens=["<|endoftext|>", "<empty_output>"])


def test_the_right_cut_is_the_tokenizers_and_every_cut_spells_the_text(wrong_merges, tokenizer):
    text = "The goose lost nine umbrellas, alas"
    ways = wrong_merges.cuts(tokenizer)
    assert ways["right"](text) == tokenizer.encode(text)
    assert {tokenizer.decode(cut(text)) for cut in ways.values()} == {text}
    lengths = {name: len(cut(text)) for name, cut in ways.items()}
    assert lengths["no merges: bytes"] == len(text)
    assert lengths["merges in reverse order"] > lengths["right"]
    assert wrong_merges.alike(ways["right"](text), tokenizer.encode(text), tokenizer.vocab) == 1
    right, apart, at = wrong_merges.trailing_space(tokenizer, text)
    assert tokenizer.decode(right) == tokenizer.decode(apart) == text
    assert tokenizer.decode([apart[at]]) == " "


def test_cuts_by_hand(wrong_merges):
    table = {(1, 2): (1, 9), (2, 3): (0, 8), (9, 3): (2, 7)}
    assert wrong_merges.any_pair([1, 2, 3], table) == [7]  # 1 2 first, though 2 3 has the lower rank
    spelled = {(1,): 1, (2,): 2, (3,): 3, (1, 2): 9}
    assert wrong_merges.longest_match([1, 2, 3, 1], spelled, longest=2) == [9, 3, 1]
    assert wrong_merges.alike([0, 1, 2], [3, 2], {0: b"a", 1: b"b", 2: b"c", 3: b"ab"}) == 0.5
    assert wrong_merges.per_byte([{"bits": 3, "bytes": 1}, {"bits": 1, "bytes": 3}]) == 1
