"""A model with fewer bits per weight: smaller, faster where memory limits generation, a little less exact.

Only the matrices are quantized, since they hold nearly all parameters. The head keeps 8 bits in "int4" too: in most
models its rows are also the embedding table, and 4 bits there cost SmolLM2 5 % of its perplexity.
"""

import copy
from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import nn

from minillm.errors import UserError
from minillm.model.quantized_linear import Int4Linear, Int8Linear, QuantizedEmbedding, QuantizedLinear
from minillm.model.transformer import Transformer

Bits = Literal["int8", "int4"]


def quantize(model: Transformer, weights: Bits) -> Transformer:
    """A copy of `model` with its matrices in 8 bits (one scale per row) or 4 (a scale and a zero per 32 weights).

    The model itself is unchanged; vectors (norms, biases) and an untied embedding table are shared by both. The copy
    cannot be trained or saved. Raises `UserError` for another format, for a model that is already quantized, and
    naming a layer that cannot be quantized.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=48, d_model=32, n_layers=1, n_heads=2, d_ff=64, max_seq_len=8))
    >>> quantize(model, "int4").blocks[0].attention.query
    Int4Linear(in_features=32, out_features=32, bias=False)
    """
    if weights not in get_args(Bits):
        raise UserError(f"weights is {weights!r}; choose one of {', '.join(get_args(Bits))}")
    if any(isinstance(module, QuantizedLinear) for module in model.modules()):
        raise UserError("the model is already quantized; start from its float32 weights")
    if (dtype := model.final_norm.weight.dtype) != torch.float32:
        raise UserError(f"the model is in {dtype}; quantize its float32 weights (load it with weights='float32')")
    layers: dict[str, QuantizedLinear] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            try:
                layers[name] = (Int8Linear if weights == "int8" or name == "head" else Int4Linear).from_linear(module)
            except UserError as error:
                raise UserError(f"{name}: {error}") from None
    shared = {id(parameter): parameter for parameter in model.parameters()}  # not copied
    return with_layers(copy.deepcopy(model, shared), layers, model.head.weight is model.embedding.weight)


def with_layers(model: Transformer, layers: Mapping[str, QuantizedLinear], tied: bool) -> Transformer:
    """Replace layers of `model` itself by quantized ones, by name; a tied embedding then reads the head's rows.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=48, d_model=32, n_layers=1, n_heads=2, d_ff=64, max_seq_len=8))
    >>> with_layers(model, {"head": Int8Linear.from_linear(model.head)}, tied=True).embedding.table is model.head
    True
    """
    for name, layer in layers.items():
        model.set_submodule(name, layer)
    if tied:
        model.set_submodule("embedding", QuantizedEmbedding(layers["head"]))
    return model.eval()
