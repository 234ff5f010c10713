"""Attention heads one by one: what each hands on, and what a model does without some of them.

A head's output is its weighted mean of the values, before the layer's output matrix. An ablated head gives the same
vector at every position. Take the head's mean over reference texts; zero would be out of distribution for the later
layers (Wang et al. 2023, section 3).
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from minillm.errors import UserError
from minillm.model.transformer import Transformer

Head = tuple[int, int]  # a layer and a query head, both counted from 0


@torch.no_grad()
def head_outputs(model: Transformer, ids: Int[Tensor, "B T"]) -> Float[Tensor, "L B H T D"]:
    """Run the model on `ids` and keep the output of every head.

    >>> from minillm.config import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=4, max_seq_len=16))
    >>> head_outputs(model, torch.tensor([[1, 2, 3]])).shape
    torch.Size([2, 1, 4, 3, 2])
    """
    kept: list[Tensor] = []

    def keep(output: nn.Module, inputs: tuple[Tensor]) -> None:
        kept.append(inputs[0].unflatten(-1, (model.config.n_heads, -1)).transpose(1, 2))

    with ExitStack() as hooks:
        for block in model.blocks:
            hooks.callback(block.attention.output.register_forward_pre_hook(keep).remove)
        model(ids)
    return torch.stack(kept)


@contextmanager
def ablate_heads(model: Transformer, replacements: Mapping[Head, Float[Tensor, "D"]]) -> Iterator[Transformer]:
    """Replace the outputs of heads, at every position, inside a `with` block; afterwards the model is unchanged.

    Raises `UserError` for a head that the model does not have and for a vector of the wrong width.

    >>> from minillm.config import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=4, max_seq_len=16))
    >>> ids = torch.tensor([[1, 2, 3]])
    >>> with ablate_heads(model, {(1, 3): torch.ones(2)}):
    ...     head_outputs(model, ids)[1, 0, 3].tolist()
    [[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]
    """
    L, H = model.config.n_layers, model.config.n_heads
    for (layer, head), vector in replacements.items():
        if not (0 <= layer < L and 0 <= head < H):
            raise UserError(f"there is no head {(layer, head)}; layers are 0 to {L - 1}, heads 0 to {H - 1}")
        D = model.blocks[layer].attention.d_head
        if vector.shape != (D,):
            raise UserError(f"the vector for head {(layer, head)} has shape {tuple(vector.shape)}; it must be ({D},)")
    with ExitStack() as hooks:
        for layer in {layer for layer, _ in replacements}:
            vectors = {head: vector for (its_layer, head), vector in replacements.items() if its_layer == layer}
            output = model.blocks[layer].attention.output
            hooks.callback(output.register_forward_pre_hook(_replace(vectors), prepend=True).remove)
        yield model


def _replace(vectors: Mapping[int, Float[Tensor, "D"]]) -> Any:
    def hook(output: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        joined = inputs[0].clone()  # (B, T, H·D)
        for head, vector in vectors.items():
            joined[..., head * len(vector) : (head + 1) * len(vector)] = vector.to(joined)
        return (joined,)

    return hook
