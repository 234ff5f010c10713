"""Sums of word vectors: shares over pairs, a table on which the answer is known, and a judge that is chosen."""

import itertools

import pytest
import torch

from minillm import Tokenizer, Transformer
from tests.analysis.test_analogies import parallelograms
from tests.benchmark_scripts import benchmark_script
from tests.helpers import lively, small_config

WORDS = "The old goose lost her umbrella. The old umbrellas were lost, and the goose was glad of it. " * 3


@pytest.fixture(scope="module")
def sums():
    with benchmark_script("sums") as module:
        yield module


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
    table, ids = parallelograms()
    found = sums.on_table(table, ids, words=3)
    assert found["strict"]["b - a + c"]["hits"] == 6
    assert found["promised"] == found["rule right"] == {"past b": 6, "past b and c": 6}
    assert found["nearest"] == {"a": 0, "b": 0, "c": 0, "d": 6, "another": 0}
    assert found["strict"]["b + a - c"]["hits"] == found["strict"]["b"]["hits"] == 0
    assert found["mean cosine of steps"] == pytest.approx(1)


def test_a_prompt_is_chosen_by_the_words_themselves(sums, monkeypatch):
    """A judge that answers with the id after the one it reads: right for the second words, wrong for the first."""
    tokenizer = Tokenizer.train([WORDS], vocab_size=310, special_tokens=["<|endoftext|>", "<empty_output>"])
    model = lively(Transformer(small_config(vocab_size=310, max_seq_len=64))).requires_grad_(False)
    pairs = [("goose", "old"), ("the", "lost")]
    ids = {word: tokenizer.encode(f" {word}")[0] for pair in pairs for word in pair}
    answers = {ids[second]: ids[first] for first, second in pairs}

    def read(model, tokenizer, prompt, vectors):
        table = model.embedding.weight
        read = [int((table == vector).all(-1).nonzero()[0]) for vector in vectors]
        wanted = [answers.get(id, 0) if prompt == "fair ???" else id for id in read]
        return torch.nn.functional.one_hot(torch.tensor(wanted), 310).float()

    monkeypatch.setattr(sums, "read_vectors", read)
    found = sums.judges(model, tokenizer, ["fair ???", "echo ???"], pairs, enough=2)
    assert found == {
        "fair ???": {"itself": 2, "alone": 0, "chosen": True},
        "echo ???": {"itself": 0, "alone": 2, "chosen": False},
    }
