"""Single heads: their outputs against the definition, their ablation against zeroed weights."""

import pytest
import torch

from minillm.analysis.heads import ablate_heads, head_outputs
from minillm.analysis.tracing import trace
from minillm.errors import UserError

IDS = torch.tensor([[1, 2, 3, 4], [4, 3, 2, 1]])


@pytest.mark.usefixtures("as_users_call_it")
def test_the_outputs_are_weights_times_values(small_model):
    outputs, seen = head_outputs(small_model, IDS), trace(small_model, IDS)
    config = small_model.config
    assert outputs.shape == (config.n_layers, 2, config.n_heads, 4, config.d_model // config.n_heads)
    for layer, block in enumerate(small_model.blocks):
        joined = outputs[layer].transpose(1, 2).flatten(2)
        torch.testing.assert_close(block.attention.output(joined), seen.attention[layer])


@pytest.mark.parametrize("layer", [0, 1])
def test_ablating_to_zero_equals_zero_columns_of_the_output_matrix(small_model, layer):
    D = small_model.config.d_model // small_model.config.n_heads
    intact = small_model(IDS)
    with ablate_heads(small_model, {(layer, 1): torch.zeros(D), (layer, 0): torch.zeros(D)}):
        ablated = small_model(IDS)
    torch.testing.assert_close(small_model(IDS), intact)  # the hooks are gone
    small_model.blocks[layer].attention.output.weight.data[:, : 2 * D] = 0
    torch.testing.assert_close(ablated, small_model(IDS))
    assert not torch.allclose(ablated, intact)


def test_heads_of_two_layers_are_replaced_at_every_position(small_model):
    D = small_model.config.d_model // small_model.config.n_heads
    vectors = {(0, 1): torch.arange(D).float(), (1, 0): -torch.ones(D)}
    intact = head_outputs(small_model, IDS)
    with ablate_heads(small_model, vectors):
        outputs = head_outputs(small_model, IDS)
    for (layer, head), vector in vectors.items():
        assert torch.equal(outputs[layer, :, head], vector.expand(2, 4, D))
    assert torch.equal(outputs[0, :, 0], intact[0, :, 0])  # its neighbor is left alone


@pytest.mark.parametrize(
    ("head", "width", "said"),
    [
        ((2, 0), 8, r"there is no head \(2, 0\); layers are 0 to 1, heads 0 to"),
        ((0, -1), 8, r"there is no head \(0, -1\)"),
        ((1, 0), 3, r"the vector for head \(1, 0\) has shape \(3,\); it must be \("),
    ],
)
def test_a_head_that_is_not_there_is_answered(small_model, head, width, said):
    with pytest.raises(UserError, match=said), ablate_heads(small_model, {head: torch.zeros(width)}):
        pass
