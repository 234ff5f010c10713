"""The account: every parameter gets its tensor, no tensor is left over, and nothing is read before that is sure."""

import pytest
import torch
from helpers import lively, small_config

from minillm.model.transformer import Transformer
from minillm.pretrained.weights import assemble, rename


class Same(dict):
    """A table for files that call everything as we do."""

    def __missing__(self, key):
        return key


def stored(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def shapes(tensors):
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("embedding.weight", "tok.weight"),
        ("blocks.12.attention.query.bias", "layer.12.q.bias"),
        ("blocks.0.attention_norm.weight", "norm1.0.weight"),
    ],
)
def test_rename(parameter, expected):
    table = {"embedding": "tok", "blocks.*.attention.query": "layer.*.q", "blocks.*.attention_norm": "norm1.*"}
    assert rename(parameter, table) == expected


@pytest.mark.parametrize("tie_embeddings", [False, True])
def test_a_model_out_of_its_own_tensors(tie_embeddings):
    model = lively(Transformer(small_config(tie_embeddings=tie_embeddings)))
    tensors = stored(model)
    twin = assemble(model.config, Same(), shapes(tensors), tensors.__getitem__)
    ids = torch.arange(8).reshape(1, 8)
    assert torch.equal(twin(ids), model(ids))
    assert not twin.training
    assert all(parameter.requires_grad for parameter in twin.parameters())
    assert len(list(twin.parameters())) == len(tensors)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda shapes: shapes.pop("final_norm.weight"), "missing: 'final_norm.weight'$"),
        (lambda shapes: shapes.update(more=(1,)), "no place for: 'more'$"),
        (lambda shapes: shapes.update({"final_norm.weight": (5,)}), r"'final_norm.weight' has the shape \(5,\)"),
        (lambda shapes: shapes.update({str(n): (1,) for n in range(9)}), "no place for: '0', '1', '2' and 6 more"),
        (lambda shapes: shapes.update({"x" * 999: (1,)}), "no place for: 'x{80}'$"),
    ],
)
def test_nothing_is_read_before_the_account_is_even(change, sentence):
    listed = shapes(stored(Transformer(small_config())))
    change(listed)
    with pytest.raises(ValueError, match=sentence):
        assemble(small_config(), Same(), listed, lambda name: pytest.fail("it read a tensor"))


def test_an_absurd_configuration_is_not_built():
    listed = shapes(stored(Transformer(small_config())))
    for changes in ({"n_layers": 10**12}, {"d_ff": 10**12}, {"vocab_size": 10**15}):
        with pytest.raises(ValueError, match=r"asks for .* but the file holds 20 tensors: one of the two is damaged"):
            assemble(small_config(**changes), Same(), listed, lambda name: pytest.fail("it read a tensor"))
