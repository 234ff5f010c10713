"""Quantised models: the model that the codes stand for is the oracle."""

import copy

import pytest
import torch
from helpers import lively, small_config
from pretrained.gguf_files import settings_of, small_llama, small_tokenizer, tensors_of, write_gguf

from minillm.model import quantized_linear
from minillm.model.quantized_linear import GroupedInt8Linear, Int4Linear, Int8Linear, QuantizedLinear
from minillm.model.transformer import Transformer
from minillm.pretrained import load, quantize, save

IDS = torch.arange(40).reshape(2, 20)
TOKENIZER = small_tokenizer()


@pytest.fixture
def exact(monkeypatch):
    """The portable form in float32, which rounds nothing, so that equal weights give equal logits."""
    monkeypatch.setattr(quantized_linear, "packed_speedup", lambda kernel: 0.0)
    monkeypatch.setattr(quantized_linear, "autocast_dtype", lambda device: None)


def unpacked(model, plain):
    """`plain` with the weights that the quantised `model` stands for."""
    plain = copy.deepcopy(plain)
    for name, module in plain.named_modules():
        if isinstance(stored := model.get_submodule(name), QuantizedLinear):
            module.weight = torch.nn.Parameter(stored.weight)
    if plain.config.tie_embeddings:
        plain.embedding.weight = plain.head.weight
    return plain


def logits_equal(model, plain):
    with torch.no_grad():
        torch.testing.assert_close(model(IDS), unpacked(model, plain)(IDS), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("weights", ["int8", "int4"])
@pytest.mark.parametrize(
    "changes", [{}, {"tie_embeddings": False}, {"bias": True, "norm": "layernorm", "activation": "gelu"}]
)
def test_a_quantised_model_is_the_one_of_its_codes(exact, weights, changes):
    model = lively(Transformer(small_config(**({"d_ff": 64} | changes))))
    before = copy.deepcopy(model.state_dict())
    small = quantize(model, weights)
    logits_equal(small, model)
    assert {type(block.feedforward.up) for block in small.blocks} == {Int8Linear if weights == "int8" else Int4Linear}
    assert type(small.head) is Int8Linear
    assert torch.equal(
        small.embedding(IDS), (small.head if model.config.tie_embeddings else model.embedding).weight[IDS]
    )
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())
    assert small.final_norm.weight is model.final_norm.weight


@pytest.mark.parametrize("number_format", ["Q4_1", "Q8_0"])
@pytest.mark.parametrize("tied", [True, False])
def test_native_weights_are_the_files_own(exact, tmp_path, number_format, tied):
    model = small_llama(TOKENIZER, tie_embeddings=tied)
    path = write_gguf(tmp_path / "a.gguf", settings_of(model, TOKENIZER), tensors_of(model), number_format)
    plain, native = load(path)[0], load(path, weights="native")[0]
    kind = Int4Linear if number_format == "Q4_1" else GroupedInt8Linear
    for name, module in plain.named_modules():
        if isinstance(module, torch.nn.Linear):
            assert type(native.get_submodule(name)) is kind
            largest = module.weight.abs().max()  # scales lose three of eleven bits, from float16 to bfloat16
            assert (native.get_submodule(name).weight - module.weight).abs().max() < largest * 2**-7
    logits_equal(native, plain)


def test_a_vector_in_eight_bits_is_unpacked(exact, tmp_path):
    model = small_llama(TOKENIZER)
    path = tmp_path / "a.gguf"
    write_gguf(path, settings_of(model, TOKENIZER), tensors_of(model), "Q8_0", vectors="Q8_0")
    plain, native = load(path)[0], load(path, weights="native")[0]
    assert torch.equal(native.final_norm.weight, plain.final_norm.weight)
    logits_equal(native, plain)


def test_a_file_without_packed_matrices_has_nothing_native(tmp_path):
    model = small_llama(TOKENIZER)
    path = write_gguf(tmp_path / "a.gguf", settings_of(model, TOKENIZER), tensors_of(model), "F16")
    with pytest.raises(ValueError, match="a.gguf: no matrix is in Q4_1 or Q8_0, so nothing is native"):
        load(path, weights="native")


@pytest.mark.parametrize("weights", ["float32", "bfloat16", "int8", "int4"])
def test_load_in_every_format(tmp_path, weights):
    model = small_llama(TOKENIZER)
    save(model, TOKENIZER, tmp_path)
    loaded, _ = load(tmp_path, weights=weights)
    assert loaded.device == torch.device("cpu")
    assert loaded.final_norm.weight.dtype == (torch.bfloat16 if weights == "bfloat16" else torch.float32)
    expected = {"float32": lambda: model, "bfloat16": model.bfloat16}.get(weights, lambda: quantize(model, weights))()
    with torch.no_grad():
        assert torch.equal(loaded(IDS), expected(IDS))


def test_what_cannot_be_is_refused(tmp_path, as_users_call_it):
    model = lively(Transformer(small_config()))  # its d_ff is 85
    with pytest.raises(ValueError, match=r"weights is 'int2'; choose one of int8, int4"):
        quantize(model, "int2")
    with pytest.raises(ValueError, match=r"blocks.0.feedforward.down: rows of 85 weights cannot be cut"):
        quantize(model, "int4")
    with pytest.raises(ValueError, match=r"the model is in torch.bfloat16; quantize its float32 weights"):
        quantize(copy.deepcopy(model).bfloat16(), "int8")
    small = quantize(model, "int8")
    with pytest.raises(ValueError, match="the model is already quantized"):
        quantize(small, "int8")
    with pytest.raises(ValueError, match="is quantized; save the float32 model"):
        save(small_quantised := quantize(small_llama(TOKENIZER), "int8"), TOKENIZER, tmp_path / "run")
    assert small_quantised.config.vocab_size == TOKENIZER.vocab_size
    save(small_llama(TOKENIZER), TOKENIZER, tmp_path / "run")
    with pytest.raises(ValueError, match="is a directory in float32; weights='native' is for .gguf files"):
        load(tmp_path / "run", weights="native")
    with pytest.raises(ValueError, match="weights is 'fp8'; choose one of float32, bfloat16, native, auto, int8, int4"):
        load(tmp_path / "run", weights="fp8")
