"""What lesson 00a uses beside torch: slips in an attention layer, and short tests of SmolLM2."""

from collections import Counter

import pytest
import torch

from minillm.course import shapes
from minillm.model.attention import MultiHeadAttention


def test_the_layer_is_the_packages_attention():
    torch.manual_seed(0)
    layer, x = MultiHeadAttention(12, 3), torch.randn(5, 12)
    weights = [part.weight for part in (layer.query, layer.key, layer.value, layer.output)]
    torch.testing.assert_close(shapes._layer(shapes.LAYER)(x, *weights, 3), layer(x[None], is_causal=True)[0])


def test_each_change_is_one_of_its_own():
    changes = shapes.changes()
    assert len({change.source for change in changes} | {shapes.LAYER}) == len(changes) + 1 == 30
    assert all(change.before in shapes.LAYER and change.after in change.source for change in changes)
    assert Counter(change.before.partition(" ")[0] for change in changes) == {
        "query": 5, "key": 5, "value": 5, "scores": 4, "powers": 3, "weights": 3, "return": 4,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((4, 4, 4), {"wrong numbers": 29}),
        ((2, 3, 5), {"raises an error": 14, "wrong numbers": 15}),
        ((6, 9, 64), {"raises an error": 14, "wrong numbers": 15}),
        ((9, 9, 64), {"raises an error": 9, "wrong numbers": 20}),
        ((1, 1, 4), {"raises an error": 8, "wrong numbers": 2, "no difference": 19}),
    ],
)
def test_what_comes_of_the_changes(sizes, expected):
    assert shapes.counted(*sizes) == expected


@pytest.mark.real
def test_the_real_model_with_other_parts_and_numbers(real_weights):
    assert shapes.capitals() == 17
    assert shapes.capitals(softmax=lambda scores: scores.softmax(1)) == 0
    assert shapes.agrees("Hello", join_heads=lambda heads: torch.cat([*heads], dim=1))
    assert not shapes.agrees("Hello there", join_heads=lambda heads: heads.reshape(heads.shape[1], -1))
    assert 0 < shapes.mean_share() < 0.01
    before = shapes.texts(2)
    with shapes.rounded(torch.float8_e4m3fn):
        assert shapes.capitals() < 17
    assert shapes.texts(2) == before
