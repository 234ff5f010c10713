"""A whole model by one function: its logits with and without a cache, what it cannot compute, and what is undone."""

import pytest
import torch
from helpers import lively, small_config

from minillm import generate
from minillm.analysis import surgery
from minillm.course.turns.transformer import transformer
from minillm.errors import UserError
from minillm.model.transformer import Transformer

IDS = torch.tensor([[3, 1, 4, 1, 5, 9], [2, 6, 5, 3, 5, 8]])


@pytest.fixture
def model():
    torch.manual_seed(0)
    return lively(Transformer(small_config()))


@torch.no_grad()
def test_the_function_gives_the_models_logits_with_and_without_a_cache(model):
    expected, asked = model(IDS), []

    def counted(ids, weights, settings):
        asked.append((len(ids), "cache" in settings))
        return transformer(ids, weights, settings)

    with surgery.replaced(model, transformer=counted):
        torch.testing.assert_close(model(IDS), expected, rtol=1e-4, atol=1e-4)
        cache = model.new_cache(2)
        steps = [model(part, cache=cache) for part in IDS.split([3, 1, 2], dim=1)]
        assert cache.length == 6
    torch.testing.assert_close(torch.cat(steps, dim=1), expected, rtol=1e-4, atol=1e-4)
    assert asked == [(6, False)] * 2 + [(3, True)] * 2 + [(1, True)] * 2 + [(2, True)] * 2
    assert torch.equal(model(IDS), expected)  # undone


def test_it_writes_what_the_model_writes(model):
    expected = generate(model, [3, 1, 4], 8, temperature=0)
    with surgery.replaced(model, transformer=transformer):
        assert generate(model, [3, 1, 4], 8, temperature=0) == expected


@torch.no_grad()
def test_padded_rows_go_through_the_models_own_blocks(model):
    segments = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    expected = model(IDS, segments=segments)

    def never(ids, weights, settings):
        raise AssertionError

    with surgery.replaced(model, transformer=never):
        torch.testing.assert_close(model(IDS, segments=segments), expected)


def test_gradients_reach_every_weight(model):
    with surgery.replaced(model, transformer=transformer):
        model(IDS).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


@torch.no_grad()
def test_a_layer_that_does_not_run_leaves_zeros_in_the_cache(model):
    def first_block_only(ids, weights, settings):
        return transformer(ids, weights, settings | {"layers": 1})

    with surgery.replaced(model, transformer=first_block_only):
        expected, cache = model(IDS), model.new_cache(2)
        steps = [model(part, cache=cache) for part in IDS.split(2, dim=1)]
    torch.testing.assert_close(torch.cat(steps, dim=1), expected, rtol=1e-4, atol=1e-4)
    assert not cache.keys[1].any()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"position": "alibi"}, "position='alibi'"),
        ({"norm": "layernorm"}, "norm='layernorm'"),
        ({"norm_eps": 1e-6}, "norm_eps=1e-06"),
        ({"qk_norm": True}, "qk_norm=True"),
        ({"sliding_window": 4}, "sliding_window=4"),
    ],
)
def test_a_model_that_needs_more_is_refused(changes, told):
    model = Transformer(small_config(**changes))
    assert surgery.reason_against(model) == told
    with (
        pytest.raises(UserError, match=f"this model has {told}, which transformer"),
        surgery.replaced(model, transformer=transformer),
    ):
        pass


def test_a_result_of_another_shape_is_refused(model):
    with (
        surgery.replaced(model, transformer=lambda ids, weights, settings: weights["head.weight"]),
        pytest.raises(UserError, match=r"`transformer` returned a tensor of shape \(50, 32\)"),
    ):
        model(IDS)
