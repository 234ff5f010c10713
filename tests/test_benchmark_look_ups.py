"""Tokens per pass without a model: against lesson 12's engine, and on answers that are counted by hand."""

import random

import pytest
import torch

from minillm import ModelConfig, Transformer
from minillm.course import own_engine
from minillm.course.turns.inference_engine import cached_attention, look_up, outcome
from tests.benchmark_scripts import benchmark_script

PROMPT = [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]


@pytest.fixture(scope="module")
def look_ups():
    with benchmark_script("look_ups") as module:
        yield module


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = ModelConfig(vocab_size=12, d_model=24, n_layers=2, n_heads=6, n_kv_heads=2, max_seq_len=128)
    return Transformer(config).eval()


@pytest.mark.parametrize("k", [1, 3, 8])
@pytest.mark.parametrize("n", [1, 2, 17, 40])
def test_passes_are_those_of_the_engine(look_ups, model, n, k):
    def sometimes(text, k):  # right now and then, and as many guesses as it likes
        rng = random.Random(len(text))
        return [rng.choice([right, 5]) for right in answer[len(text) - len(PROMPT) :][: rng.randrange(k + 1)]]

    answer = own_engine.greedy(PROMPT, n, (), cached_attention, model)
    for draft in (sometimes, lambda text, k: look_up(list(text), 2, k)):
        found = own_engine.speculate(
            PROMPT, n, (), lambda ids, _, k, draft=draft: draft(ids, k), outcome, cached_attention, 2, k, model
        )
        assert found == (answer, look_ups.passes_for(PROMPT, answer, draft, k))


def test_controls_guess_from_where_they_should(look_ups):
    found = look_ups.drafts([1, 2, 3, 9, 9], [7, 1, 2, 3, 8], {3: 4, 4: 3}, 12)
    text = [1, 2, 3, 9, 9, 1, 2, 3]
    assert found["look-up, last 3"](text, 2) == [9, 9]
    assert found["look-up, another prompt"](text, 1) == [8]
    assert found["bigram"](text, 3) == [4, 3, 4]
    assert len(found["random tokens"](text, 5)) == 5
    assert all(0 <= token < 12 for token in found["random tokens"](text, 50))


def test_the_summary_counts_by_kind(look_ups):
    rows = [{"kind": kind, "tokens per pass": {"a": value}} for kind, value in [("x", 1.0), ("x", 3.0), ("y", 2.0)]]
    found = look_ups.summary(rows)
    assert found["x"]["a"]["mean"] == 2
    assert (found["x"]["a"]["low"], found["x"]["a"]["high"]) == pytest.approx((2 - 12.706, 2 + 12.706))
    assert [found[kind]["a"]["at least 2"] for kind in ("x", "y")] == [1, 1]
    assert found["x"]["a"]["least"] == 1
    assert found["x"]["a"]["n"] == 2


def test_quotations_and_summaries_are_of_the_same_eight_texts(look_ups):
    asked = look_ups.prompts()
    assert [*asked["quotation"]] == [*asked["summary"]]
    assert {kind: len(set(rows.values())) for kind, rows in asked.items()} == {
        "quotation": 8,
        "summary": 8,
        "question": 8,
    }
    for name, message in asked["quotation"].items():
        assert message.split("\n\n", 1)[1] == asked["summary"][name].split("\n\n", 1)[1]
