"""Sums of word vectors: tables on which the answer is known, and a model that reads a row like its word."""

import itertools

import pytest
import torch

from minillm import Tokenizer, Transformer
from minillm.analysis.surgery import prompt_ids
from tests.benchmark_scripts import benchmark_script
from tests.helpers import lively, small_config

WORDS = "The old goose lost her umbrella. The old umbrellas were lost, and the goose was glad of it. " * 3


@pytest.fixture(scope="module")
def sums():
    with benchmark_script("sums") as module:
        yield module


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([WORDS], vocab_size=310, special_tokens=["<|endoftext|>", "<empty_output>"])


@pytest.fixture(scope="module")
def model() -> Transformer:
    return lively(Transformer(small_config(vocab_size=310, max_seq_len=64))).requires_grad_(False)


def test_the_share_over_words_is_that_of_the_pairs(sums):
    hits = [True, False, False, True, True, False]  # 01 02 10 12 20 21
    assert sums.share(hits, 3) == 0.5
    assert sums.share(hits, 3, drawn=[1, 2]) == 0.5  # 12 yes, 21 no
    assert sums.share(hits, 3, drawn=[0, 1, 1]) == 0.5  # 01 twice yes, 10 twice no
    assert sums.share(hits, 3, drawn=[2, 2, 2]) == 0  # no pair of different words
    for count in (3, 5):
        for (i, j), k in zip(itertools.permutations(range(count), 2), sums.another(count), strict=True):
            assert k not in (i, j)


def test_a_table_of_parallelograms_closes_and_the_rule_says_so(sums):
    rng = torch.Generator().manual_seed(0)
    places = torch.randn(3, 16, generator=rng)
    step = torch.randn(16, generator=rng)
    table = torch.cat([places, places + step, torch.randn(20, 16, generator=rng)])
    analogies = torch.tensor([[i, j, i + 3, j + 3] for i, j in itertools.permutations(range(3), 2)]).T
    found = sums.on_table(table, analogies, words=3)
    assert found["strict"]["b - a + c"]["hits"] == found["promised"] == found["rule right"] == 6
    assert found["strict"]["b + a - c"]["hits"] == found["strict"]["b"]["hits"] == 0
    assert found["mean cosine of steps"] == pytest.approx(1)


def test_a_row_in_place_of_its_word_reads_like_the_word(sums, model, tokenizer):
    id = tokenizer.encode(" goose")[0]
    logits = torch.cat(list(sums.read(model, tokenizer, "The {} lost", model.embedding.weight[[id, 5]])))
    ids = torch.tensor([[*prompt_ids(tokenizer, "The"), id, *tokenizer.encode(" lost")]])
    torch.testing.assert_close(logits[0], model(ids)[0, -1], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(logits[1], logits[0], atol=1e-2)
