"""Products by oneDNN against torch's own: outputs, gradients, and where they are not used."""

import pytest
import torch
from helpers import lively, small_config
from torch import nn

from minillm import kernels
from minillm.kernels import products as by_onednn
from minillm.kernels.products import onednn_speedup
from minillm.model.linear import Linear
from minillm.model.transformer import Transformer


@pytest.fixture
def _always(monkeypatch):
    if onednn_speedup() == 0:
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr(by_onednn, "onednn_speedup", lambda: 9.0)


@pytest.fixture
def products(monkeypatch):
    """How many products oneDNN computed."""
    counted, real = [], by_onednn.product
    monkeypatch.setattr(by_onednn, "product", lambda *inputs: counted.append(1) or real(*inputs))
    return counted


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(40, 64), (3, 17, 64), (2, 2, 30, 64)])
def test_outputs_and_gradients_are_those_of_torch(bias, shape, products):
    layer, x = Linear(64, 48, bias=bias), torch.randn(shape, requires_grad=True)
    found = []
    for switched_on in (True, False):
        if switched_on:
            with kernels.enabled():
                y = layer(x)
        else:
            y = layer(x)
        weights = torch.linspace(-1, 1, y.numel()).view(y.shape)
        found.append([y, *torch.autograd.grad((weights * y).sum(), [x, *layer.parameters()])])
    assert len(products) == 3
    for fast, plain in zip(*found, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("_always")
def test_a_model_learns_the_same(products):
    model, ids = lively(Transformer(small_config())), torch.randint(0, 50, (4, 20))
    found = []
    for switched_on in (True, False):
        if switched_on:
            with kernels.enabled():
                loss = model(ids).logsumexp(-1).mean()
        else:
            loss = model(ids).logsumexp(-1).mean()
        found.append(torch.autograd.grad(loss, [*model.parameters()]))
    assert len(products) == 3 * (7 * 2 + 1)
    for fast, plain in zip(*found, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("case", ["off", "few rows", "bfloat16", "autocast"])
def test_where_it_is_not_used(case, products):
    layer, x = Linear(64, 48), torch.randn(31 if case == "few rows" else 40, 64)
    if case == "bfloat16":
        layer, x = layer.bfloat16(), x.bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=case == "autocast"):
        if case == "off":
            layer(x)
        else:
            with kernels.enabled():
                layer(x)
    assert not products


def test_it_is_not_used_where_it_is_slow(products, monkeypatch):
    monkeypatch.setattr(by_onednn, "onednn_speedup", lambda: 1.0)
    with kernels.enabled():
        Linear(64, 48)(torch.randn(40, 64))
    assert not products


def test_it_is_a_linear_layer_to_everybody_else():
    layer = Linear(3, 2)
    assert isinstance(layer, nn.Linear)
    assert repr(layer) == repr(nn.Linear(3, 2))
    assert [*layer.state_dict()] == [*nn.Linear(3, 2).state_dict()]
