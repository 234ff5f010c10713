import pytest
import torch
from helpers import small_config

from minillm.losses import next_token_loss
from minillm.model.transformer import Transformer
from minillm.training.recompute import recompute_blocks


def step(model: Transformer) -> int:
    """Forward and backward; returns the bytes that were remembered from the one to the other, weights left out."""
    remembered, weights = {}, {parameter.data_ptr() for parameter in model.parameters()}

    def remember(tensor):
        if tensor.data_ptr() not in weights:
            remembered[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    ids = torch.arange(24).reshape(2, 12)
    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        loss = next_token_loss(model(ids), ids)
    loss.backward()
    return sum(remembered.values())


@pytest.mark.parametrize("position", ["rotary", "alibi", "learned"])
def test_the_gradients_are_the_same_and_less_is_remembered(position):
    torch.manual_seed(0)
    plain = Transformer(small_config(position=position, n_layers=4))
    thrifty = recompute_blocks(Transformer(plain.config))
    thrifty.load_state_dict(plain.state_dict())
    full, little = step(plain), step(thrifty)
    for ours, theirs in zip(thrifty.parameters(), plain.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad)
    inputs = 4 * 2 * 12 * 32 * 4  # what goes into each of the four blocks: B x T x C float32 numbers
    assert little + inputs < full / 4
