"""The benchmark of training through own parts: all four contestants learn the same."""

import pytest

from minillm import ModelConfig
from minillm.data.batches import PackedBatches, pack_documents
from tests.benchmark_scripts import benchmark_script


@pytest.fixture(scope="module")
def own_training():
    with benchmark_script("own_training") as module:
        yield module


def test_own_parts_learn_what_the_package_learns(own_training, monkeypatch):
    shape = ModelConfig(vocab_size=12, d_model=8, n_layers=2, n_heads=2, max_seq_len=16, qk_norm=True)
    monkeypatch.setattr(own_training, "NO_QK_NORM", shape.replace(qk_norm=False))
    build = own_training.new_model
    monkeypatch.setattr(own_training, "new_model", lambda seed, config=shape: build(seed, config))
    rows = pack_documents([[n % 11 + 1, 5, n % 7 + 1] for n in range(40)], end_id=0, row_length=17)
    found = own_training.losses(PackedBatches(rows, 2, seed=0, end_id=0), updates=3)
    assert found[own_training.PARTS] == pytest.approx(found[own_training.PACKAGE], abs=1e-4)
    assert found[own_training.WHOLE] == pytest.approx(found[own_training.WITHOUT], abs=1e-4)
    assert found[own_training.WHOLE] != pytest.approx(found[own_training.PARTS], abs=1e-4)
