"""The excess of a model that knows the language is zero, and its parts are those that the page names."""

import math

import pytest
import torch

from minillm import ModelConfig
from tests.benchmark_scripts import benchmark_script


@pytest.fixture(scope="module")
def positions():
    with benchmark_script("positions") as module:
        yield module


class Oracle:
    """A model of lesson 03's language that knows it."""

    config = ModelConfig(vocab_size=6, d_model=8, n_layers=1, n_heads=2, max_seq_len=500)

    def __init__(self, table):
        self.table = table

    def __call__(self, ids):
        before = torch.cat([ids[:, :1], ids[:, :-1]], 1)
        return self.table[before, ids].clamp_min(1e-9).log()


def test_who_knows_the_language_has_no_excess(positions):
    table = positions.language()
    ids = positions.letters(table, 8, 129, seed=3)
    assert table[ids[:, :-2], ids[:, 1:-1], ids[:, 2:]].min() > 0
    curve = positions.excess(Oracle(table), table, ids)
    assert curve.abs().max() < 1e-5
    parts = positions.in_parts(torch.cat([torch.zeros(31), torch.ones(32), torch.full((64,), 2.0)]))
    assert parts == {"within": 0, "next": 1, "beyond": 2}
    assert positions.in_parts(torch.zeros(31)) == {"within": 0, "next": None, "beyond": None}
    assert (
        0 < positions.last_only(table) < math.log(6) + (0.7 * math.log(0.7) + 0.2 * math.log(0.2) + 0.1 * math.log(0.1))
    )
