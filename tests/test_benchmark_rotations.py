"""Broken rotations of a real model: against the package's rotation and complex multiplication."""

import pytest
import torch

from minillm import Transformer
from minillm.model.position import rotary_angles, rotate
from tests.benchmark_scripts import benchmark_script
from tests.helpers import lively, small_config


@pytest.fixture(scope="module")
def rotations():
    with benchmark_script("rotations") as module:
        yield module


@pytest.fixture(scope="module")
def model() -> Transformer:
    return lively(Transformer(small_config(vocab_size=310, max_seq_len=64))).requires_grad_(False)


def test_the_rotations_are_the_packages_and_complex_multiplication(rotations):
    rng = torch.Generator().manual_seed(0)
    x, where = torch.randn(5, 8, generator=rng), torch.arange(5) + 7
    theirs = rotate(x[None, None], *rotary_angles(where, 8, 100.0))[0, 0]
    torch.testing.assert_close(rotations.turned(x, where, 100.0), theirs)
    turn = torch.polar(torch.ones(5, 4), where[:, None] * 100.0 ** (-torch.arange(4) / 4))
    by_complex = torch.view_as_real(torch.view_as_complex(x.view(5, 4, 2)) * turn).flatten(1)
    torch.testing.assert_close(rotations.turned(x, where, 100.0, neighbors=True), by_complex)
    slipped = rotations.slipped(x, where, 100.0)
    torch.testing.assert_close(slipped[:, :4], theirs[:, :4])
    assert not torch.allclose(slipped[:, 4:], theirs[:, 4:], atol=0.1)


def test_one_side_is_rotated_and_the_model_is_itself_again(rotations, model):
    ids = torch.tensor([[3, 1, 4, 1, 5]])
    intact, attention = model(ids), model.blocks[0].attention
    x, angles = torch.randn(1, 5, 32), rotary_angles(torch.arange(5), 8, 100.0)
    query, key, _ = attention.project(x, angles)
    plain_query, plain_key, _ = attention.project(x, None)
    for queries, wanted in ((True, (query, plain_key)), (False, (plain_query, key))):
        with rotations.one_side(model, queries):
            for found, right in zip(attention.project(x, angles), wanted, strict=False):
                assert torch.equal(found, right)
            assert not torch.allclose(model(ids), intact, atol=1e-2)
    assert torch.equal(model(ids), intact)
