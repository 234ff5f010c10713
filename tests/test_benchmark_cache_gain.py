"""The gain of a KV cache: ratios by hand, and both ways are timed on a tiny model."""

import pytest

from minillm import Transformer
from tests.benchmark_scripts import benchmark_script
from tests.helpers import lively, small_config


@pytest.fixture(scope="module")
def cache_gain():
    with benchmark_script("cache_gain") as module:
        yield module


def test_the_gain_is_the_ratio_of_medians_with_the_range_of_rounds(cache_gain):
    rounds = [{"slow": 10.0, "fast": 1.0}, {"slow": 30.0, "fast": 2.0}, {"slow": 20.0, "fast": 4.0}]
    found = cache_gain.gain(rounds, "slow", "fast")
    assert (found["ratio"], found["lowest"], found["highest"]) == (10, 5, 15)
    assert found["seconds"] == {"slow": 20, "fast": 2}


def test_both_ways_are_timed(cache_gain):
    model = lively(Transformer(small_config(max_seq_len=64))).requires_grad_(False)
    assert all(value > 0 for value in cache_gain.one_step(model, [1, 2, 3, 4]).values())
    assert all(value > 0 for value in cache_gain.whole(model, [1, 2], 4).values())
    assert set(cache_gain.batch_round(model, [1, 2])) == {"one", "batch"}
