"""What lesson 01 uses of the package: vocabularies of its own and of real models, and the real model on other cuts."""

import math
import random

import pytest

from minillm.analysis import surgery
from minillm.course import bpe
from minillm.course.own_model import smollm2
from minillm.course.turns.tokenizer import count_pairs, encode, learn
from minillm.data.floor import bigram_loss
from minillm.tokenizer import split

TEXT = "low lower lowest, slow news: new newest widest" * 3


def test_a_learner_of_merges_is_held_against_the_library(capsys):
    bpe.against_library(learn, TEXT, 12)
    bpe.against_library(lambda words, n: learn(words, n - 1), TEXT, 12)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "12 merges by the course's learn and by tokenizers, in Rust. The same, in the same order: True."
    assert said[1] == "11 merges by your learn and by tokenizers, in Rust. The same, in the same order: False."


def test_a_vocabulary_is_printed_as_it_grew(capsys):
    words = [list(word.encode()) for word in split(TEXT)]
    merges = learn(words, 5)
    bpe.show_merges(words, merges, at=(1,))
    first, last = capsys.readouterr().out.splitlines()
    pair, count = next(iter(merges)), max(count_pairs(words).values())
    assert first.startswith(" 256")
    assert f"{count} times" in first
    assert merges[pair] == 256
    assert last.startswith(" 260")
    assert bpe.spelled(260, merges) in TEXT.encode()


def test_a_text_of_pairs_is_made_of_what_stood_side_by_side():
    words = [list(word.encode()) for word in split("abcabdabc abcabdabc")]
    said = bpe.babble(words, learn(words, 2), 2)
    assert set(said) <= set("abcd ")


def test_the_longest_entry_is_found_anew_for_other_merges():
    some, others = {(97, 98): 256, (256, 99): 257}, {(98, 99): 256}
    assert bpe.longest_match([97, 98, 99], some) == [257]
    assert bpe.longest_match([97, 98, 99], others) == [97, 256]
    assert bpe.longest_match([], some) == []


def test_counting_with_two_tokens_is_the_bigram_model_and_more_context_helps():
    rng = random.Random(0)
    train, held_out = ([rng.choice([0, 1, 2, 2]) for _ in range(size)] for size in (400, 100))
    assert bpe.ngram_loss(train, held_out, 4, order=2) == pytest.approx(bigram_loss(train, held_out, 4))
    cycle = [0, 1, 0, 2] * 30
    assert bpe.ngram_loss(cycle, cycle, 3, order=3) < 0.1 < bpe.ngram_loss(cycle, cycle, 3, order=2)


@pytest.mark.real
def test_the_right_encode_gives_the_ids_of_real_tokenizers(real_weights):
    lines = [*bpe.manual_lines(40), "Nine umbrellas, naïve 🦆"]
    for vocabulary in (bpe.gpt2(), bpe.smollm2()):
        assert vocabulary.equal(lines, encode) == len(lines)
        assert vocabulary.equal(lines, lambda ids, merges: ids) < len(lines)
    assert bpe.gpt2().cut("Hello", encode) == [15496]
    assert bpe.gpt2().shown(bpe.gpt2().cut(" umbrellas", encode)) == " umb|rell|as"


@pytest.mark.real
def test_the_price_of_a_cut_is_that_of_the_models_own_reading(real_weights):
    text = "The old goose sold nine umbrellas."
    right, spelled_out = bpe.bits_per_byte(text, encode), bpe.bits_per_byte(text, lambda ids, merges: ids)
    reads = surgery.token_probabilities(*smollm2(), text)
    bits = -sum(math.log2(read.probability) for read in reads)
    assert right == pytest.approx(bits / len(text.encode()), rel=1e-4)
    assert spelled_out == pytest.approx(bpe.bits_per_byte(text, encode, merges=0), rel=1e-6)
    assert right < 3 < 8 < spelled_out


@pytest.mark.real
def test_after_a_lone_space_comes_never_a_letter(real_weights):
    follow = bpe.after_lone_spaces(bpe.documents(100))
    assert follow["a digit"] > 50
    assert follow["a letter"] == 0


@pytest.mark.real
def test_an_id_that_the_other_vocabulary_lacks_is_named(real_weights, capsys):
    bpe.misread("The capital of Indonesia is Jakarta")
    told = capsys.readouterr().out
    lacking = [id for id in bpe.gpt2().tokenizer.encode("The capital of Indonesia is Jakarta") if id >= 49_152]
    assert lacking
    assert f"It has no token {', '.join(map(str, lacking))}: its list is shorter." in told
