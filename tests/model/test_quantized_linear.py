"""Quantised layers: both forms against the matrix that the codes stand for, and the codes against the weights."""

import pytest
import torch
from torch import nn

from minillm.errors import UserError
from minillm.model import quantized_linear
from minillm.model.quantized_linear import (
    MOST_VECTORS,
    GroupedInt8Linear,
    Int4Linear,
    Int8Linear,
    QuantizedEmbedding,
    join,
)


def grouped(linear):
    """As GGUF's Q8_0 is written: in each group of 32 the largest weight gets 127."""
    groups = linear.weight.detach().unflatten(1, (-1, 32))
    scale = groups.abs().amax(-1) / 127
    return GroupedInt8Linear.from_codes((groups / scale.unsqueeze(-1)).round().flatten(1).to(torch.int8), scale)


MAKERS = {"int8": Int8Linear.from_linear, "int4": Int4Linear.from_linear, "grouped": grouped}


@pytest.fixture(params=["kernel", "portable"])
def form(request, monkeypatch):
    """The kernel wherever PyTorch has it, whether it is fast or not; and the form for machines that lack it."""
    if request.param == "kernel" and "AVX" not in torch.backends.cpu.get_cpu_capability():
        pytest.skip("this processor has no AVX2, and PyTorch no kernel for it")
    monkeypatch.setattr(quantized_linear, "packed_speedup", lambda kernel: 9.0 if request.param == "kernel" else 0.0)
    return request.param


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("shape", [(64,), (1, 64), (2, 5, 64), (MOST_VECTORS + 1, 64)])
@pytest.mark.parametrize("rows", [96, 40])  # 40: a number of rows that the int4 kernel does not take
def test_the_product_is_that_of_the_matrix(form, make, shape, rows):
    layer, x = make(nn.Linear(64, rows, bias=False)), torch.randn(shape)
    expected = x.double() @ layer.weight.double().T
    assert layer(x).shape == expected.shape
    # Vectors are rounded to 8 bits of precision, and so is what comes out.
    assert (layer(x) - expected).abs().max() < 0.02 * expected.abs().max()


def test_without_fast_bfloat16_nothing_is_rounded(monkeypatch):
    monkeypatch.setattr(quantized_linear, "packed_speedup", lambda kernel: 0.0)
    monkeypatch.setattr(quantized_linear, "autocast_dtype", lambda device: None)
    for make in MAKERS.values():
        layer, x = make(nn.Linear(64, 40, bias=False)), torch.randn(3, 64)
        torch.testing.assert_close(layer(x), x @ layer.weight.T)
        torch.testing.assert_close(layer.bfloat16()(x.bfloat16()).float(), x @ layer.weight.T, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("make", [Int8Linear.from_linear, Int4Linear.from_linear])
def test_the_nearest_codes_are_chosen(make):
    linear = nn.Linear(64, 48)
    linear.weight.data[3] = 0.0  # a row without a largest weight
    linear.weight.data[5] = 0.7
    layer = make(linear)
    if make == Int8Linear.from_linear:
        half_a_step = layer.scale.float().unsqueeze(1) / 2
        slack = 0.0
    else:
        half_a_step = layer.scale.float().T.repeat_interleave(32, dim=1) / 2
        slack = layer.zero.float().abs().T.repeat_interleave(32, dim=1) * 2**-8  # the zero is rounded to 8 bits
    assert ((layer.weight - linear.weight).abs() <= half_a_step * 1.001 + slack).all()
    torch.testing.assert_close(layer.bias, linear.bias)
    assert torch.isfinite(layer(torch.ones(1, 64))).all()


def test_codes_of_eight_bits_are_two_of_four():
    codes = torch.arange(-128, 128, dtype=torch.int8).reshape(1, 256).repeat(16, 1)
    scale = torch.tensor([0.5, 1.0, -2.0, 0.0, 1.0, 1.0, 1.0, 1.0]).expand(16, 8)
    assert torch.equal(GroupedInt8Linear.from_codes(codes, scale).weight, codes * scale.repeat_interleave(32, dim=1))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_rows_are_those_of_the_matrix(make):
    layer, ids = make(nn.Linear(64, 48, bias=False)), torch.tensor([[7, 0], [47, 7]])
    assert torch.equal(QuantizedEmbedding(layer)(ids), layer.weight[ids])
    with pytest.raises(UserError, match="token id 48 is outside"):
        QuantizedEmbedding(layer)(torch.tensor([[48]]))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_joined_layers_are_the_layers(form, make):
    layers, x = [make(nn.Linear(64, rows, bias=False)) for rows in (32, 16, 48)], torch.randn(3, 64)
    assert torch.equal(join(layers).weight, torch.cat([layer.weight for layer in layers]))
    torch.testing.assert_close(join(layers)(x), torch.cat([layer(x) for layer in layers], dim=1))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_of_no_vectors_there_are_no_products(make):
    assert make(nn.Linear(32, 16, bias=False))(torch.ones(0, 32)).shape == (0, 16)


def test_rows_that_no_group_fits_are_refused():
    with pytest.raises(ValueError, match="rows of 40 weights cannot be cut into groups of 32.* use int8"):
        Int4Linear.from_linear(nn.Linear(40, 16))


def test_a_kernel_gets_only_the_shapes_that_it_takes(monkeypatch):
    """One kernel reads past the end of rows that are no multiple of 16: it must never see them."""
    monkeypatch.setattr(quantized_linear, "packed_speedup", lambda kernel: 9.0)
    cpu = torch.device("cpu")
    assert Int8Linear.from_linear(nn.Linear(48, 5)).has_kernel(cpu)
    assert not Int8Linear.from_linear(nn.Linear(40, 16)).has_kernel(cpu)
    assert not Int4Linear.from_linear(nn.Linear(64, 40)).has_kernel(cpu)
    assert not Int4Linear.from_linear(nn.Linear(64, 48)).has_kernel(torch.device("cuda"))
