"""Loops: the rule by hand, the first token that departs, exact probabilities, and cuts before the temperature."""

import math

import pytest
import torch

from minillm import Tokenizer, Transformer
from minillm.inference.sampling import Sampling
from tests.benchmark_scripts import benchmark_script
from tests.helpers import lively, small_config

WORDS = "The old goose lost her umbrella. The old umbrellas were lost, and the goose was glad of it. " * 3


@pytest.fixture(scope="module")
def loops():
    with benchmark_script("loops") as module:
        yield module


@pytest.fixture(scope="module")
def tiny() -> tuple[Transformer, Tokenizer]:
    tokenizer = Tokenizer.train([WORDS], vocab_size=310, special_tokens=["<|endoftext|>"])
    return lively(Transformer(small_config(vocab_size=310, max_seq_len=256))).requires_grad_(False), tokenizer


def test_a_loop_repeats_the_last_24_tokens(loops):
    once = list(range(100))
    assert loops.period(once) is None
    assert loops.period([*once, *[7, 8, 9] * 9]) == 3  # 24 tokens and 3 before them
    assert loops.period([*once, *[7, 8, 9] * 8]) is None
    assert loops.period([*once[:30], *once[:30]]) == 30
    assert loops.period([*once[:60], *once[:60]]) is None  # farther than 56


def test_where_two_continuations_part(loops):
    assert loops.departs([1, 2, 3], [1, 2, 3]) is None
    assert loops.departs([1, 2, 3], [1, 9, 3]) == 1
    assert loops.departs([1, 2], [1, 2, 3]) == 2  # one has ended


def test_loops_are_counted_of_all_and_ended_ones_are_none(loops):
    rows = [{"prompt": "p", "ids": [1] * 90}, {"prompt": "q", "ids": [1] * 40}, {"prompt": "r", "ids": list(range(90))}]
    found = loops.loops_of(rows, [80])["80"]
    assert (found["hits"], found["of"], found["ended"], found["prompts"]) == (1, 3, 1, ["p"])


def test_the_exact_probability_of_greedy_is_the_product(loops, tiny):
    model, tokenizer = tiny
    (row,) = loops.continued(model, tokenizer, ["The old"], 5, Sampling(temperature=0))
    found = loops.equal_to_greedy(model, loops.prompt_ids(tokenizer, "The old"), row["ids"], T=1.0)
    expected = torch.tensor(row["surprise"]).neg().exp().cumprod(0).tolist()
    assert found == pytest.approx(expected, rel=1e-3)
    assert loops.equal_to_greedy(model, [0, 5], row["ids"], T=1e-3)[0] == pytest.approx(1, abs=1e-6)


def test_the_cut_comes_before_the_temperature_or_after_it(loops):
    logits = torch.tensor([[0.6, 0.3, 0.1]]).log()
    seen = torch.zeros(1, 1, dtype=torch.long)
    first = loops.CutFirst(temperature=100.0, min_p=0.4).probabilities(logits, seen)
    assert first[0].tolist() == pytest.approx([0.5, 0.5, 0], abs=0.01)
    last = Sampling(temperature=100.0, min_p=0.4).probabilities(logits, seen)
    assert last[0].tolist() == pytest.approx([1 / 3] * 3, abs=0.01)


def test_rounds_hold_one_value_per_sentence(loops, tiny):
    model, tokenizer = tiny
    ids = tokenizer.encode(" goose")
    found = loops.by_round(model, tokenizer, [ids] * 3)
    every = loops.log_probs(model, [0, *ids * 3])
    assert len(found["surprise"]) == 3
    assert sum(found["surprise"]) * len(ids) == pytest.approx(-every.sum().item(), rel=1e-4)
    assert all(0 < p < 1 and math.isfinite(p) for p in found["probability"])
