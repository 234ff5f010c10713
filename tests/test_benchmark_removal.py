"""What a part is worth, and the statistics that several benchmarks share: against values worked out by hand."""

import math

import pytest
import torch

from minillm import Tokenizer, Transformer
from minillm.analysis.surgery import prompt_ids
from minillm.model.position import rotary_angles
from tests.benchmark_scripts import benchmark_script
from tests.helpers import lively, small_config

WORDS = "The old goose lost her umbrella. The old umbrellas were lost, and the goose was glad of it. " * 3


@pytest.fixture(scope="module")
def measures():
    with benchmark_script("measures") as module:
        yield module


@pytest.fixture(scope="module")
def removal():
    with benchmark_script("removal") as module:
        yield module


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([WORDS], vocab_size=310, special_tokens=["<|endoftext|>", "<empty_output>"])


@pytest.fixture(scope="module")
def model() -> Transformer:
    return lively(Transformer(small_config(vocab_size=310, max_seq_len=64))).requires_grad_(False)


def test_ranks_correlate_as_by_hand(measures):
    assert measures.rank_correlation([1, 2, 3, 4], [2, 1, 4, 3]) == pytest.approx(0.6)  # 1 - 6 * 4 / (4 * 15)
    assert measures.rank_correlation([1, 2, 3], [9, 4, 1]) == pytest.approx(-1)
    # ties share a rank: 1, 2.5, 2.5, 4 with 1, 2, 3, 4
    assert measures.rank_correlation([0, 5, 5, 9], [1, 2, 3, 4]) == pytest.approx(4.5 / math.sqrt(4.5 * 5))


def test_the_bootstrap_of_a_mean_is_as_wide_as_theory_says(measures):
    low, high = measures.bootstrap_interval([0.0, 1.0] * 50, lambda items: sum(items) / len(items))
    assert low == pytest.approx(0.5 - 1.645 * 0.05, abs=0.01)
    assert high == pytest.approx(0.5 + 1.645 * 0.05, abs=0.01)


def test_a_model_that_knows_nothing_loses_the_logarithm_of_its_vocabulary(measures, tokenizer):
    blank = Transformer(small_config(vocab_size=310)).requires_grad_(False)
    for weight in blank.parameters():
        weight.zero_()
    assert measures.text_losses(blank, tokenizer, ["The goose", "lost"]) == pytest.approx([math.log(310)] * 2)


def test_what_is_kept_is_not_made_again(measures, tmp_path):
    assert measures.stored(tmp_path / "a" / "b.json", lambda: [1, 2]) == [1, 2]
    assert measures.stored(tmp_path / "a" / "b.json", lambda: 1 / 0) == [1, 2]


def test_the_texts_are_those_that_the_page_describes(measures):
    kinds = measures.texts(field="kind")
    assert len(kinds) == len(set(measures.texts())) == 50
    assert len(set(kinds[:20])) == 4


def test_the_size_of_a_part_is_the_norm_of_what_it_adds(removal, model, tokenizer):
    text = "The old goose lost her umbrella"
    x = model.embedding(torch.tensor([prompt_ids(tokenizer, text)]))
    block, angles = model.blocks[0], rotary_angles(torch.arange(x.shape[1]), 8, model.config.rope_theta)
    written = block.attention(block.attention_norm(x), is_causal=True, angles=angles)
    sizes = removal.sizes(model, tokenizer, [text])
    assert sizes["attention"][0] == [pytest.approx(written[0, 1:].norm(dim=-1).mean().item(), rel=1e-4)]
    assert [len(layers) for layers in sizes.values()] == [2, 2]


def test_removals_are_counted_as_by_hand(removal):
    costs = {"attention": ([0.0, 0.05], [2.0, 0.5]), "feed_forward": ([1.5, 1.2], [-0.1, 0.2])}
    parts = [
        {"part": f"{kind} {layer}", "kind": kind, "costs": cost, "norms": [1.0 + layer, 1.0 + layer]}
        for kind, of in costs.items()
        for layer, cost in enumerate(of)
    ]
    found = removal.summary(parts)
    assert (found["cheap on all texts"], found["cheap on average"]) == (1, 2)
    assert (found["expensive on all texts"], found["expensive on average"]) == (1, 2)
    assert found["better without on a text"] == 1
    assert found["most expensive"][0] == "feed_forward 0"
    assert found["rank correlation"]["attention"]["by text"] == [pytest.approx(1), pytest.approx(1)]
    assert found["rank correlation"]["feed_forward"]["of means"] == pytest.approx(-1)
