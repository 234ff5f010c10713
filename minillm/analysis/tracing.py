"""Record the intermediate values of a forward pass without editing the model.

This uses PyTorch forward hooks: functions that a module calls with its inputs and its output. They are removed after
the pass, even if it fails.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from minillm.model.attention import MultiHeadAttention, attention_weights, causal_mask
from minillm.model.transformer import Transformer

Site = tuple[int, Literal["attention", "feedforward"]]  # a layer, counted from 0, and one of its two sub-layers


@dataclass(frozen=True)
class Trace:
    """The intermediate values of one forward pass; `depth` is L + 1, before the first block and after each one.

    The stream is a running sum: `stream[l + 1] == stream[l] + attention[l] + feedforward[l]`, up to rounding.
    """

    stream: Float[Tensor, "depth B T C"]  # the residual stream, not normalized
    attention: Float[Tensor, "L B T C"]  # the output of each attention layer
    feedforward: Float[Tensor, "L B T C"]  # the output of each feed-forward layer
    logits: Float[Tensor, "B T V"]
    weights: Float[Tensor, "L B H T T"] | None = None  # attention weights; None if not requested


def trace(model: Transformer, ids: Int[Tensor, "B T"], weights: bool = True) -> Trace:
    """Run the model on `ids` without gradients and keep its intermediate values (Elhage et al. 2021).

    The model's attention does not store its weights, so they are computed again from its queries and keys, by the
    readable form. They take L B H T T numbers: use `weights=False` for long texts.
    Raises what the model raises for invalid ids.

    >>> from minillm.config import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=4, max_seq_len=16))
    >>> seen = trace(model, torch.tensor([[1, 2, 3]]))
    >>> seen.stream.shape, seen.weights.shape
    (torch.Size([3, 1, 3, 8]), torch.Size([2, 1, 4, 3, 3]))
    >>> torch.allclose(seen.stream[0] + seen.attention[0] + seen.feedforward[0], seen.stream[1])
    True
    """
    kept: dict[str, list[Tensor]] = {"stream": [], "attention": [], "feedforward": [], "weights": []}

    def keep_stream(block: nn.Module, inputs: tuple, output: Tensor) -> None:
        kept["stream"] += [output] if kept["stream"] else [inputs[0], output]

    def keep_weights(attention: MultiHeadAttention, inputs: tuple, settings: dict[str, Any], output: Tensor) -> None:
        kept["weights"].append(_weights(attention, inputs[0], settings))

    with ExitStack() as hooks, torch.no_grad():
        for block in model.blocks:
            hooks.callback(block.register_forward_hook(keep_stream).remove)
            if weights:
                hooks.callback(block.attention.register_forward_hook(keep_weights, with_kwargs=True).remove)
        for (_, kind), module in sublayers(model).items():
            hooks.callback(module.register_forward_hook(_keep_output(kept[kind])).remove)
        logits = model(ids)
    stacked = {name: torch.stack(tensors) for name, tensors in kept.items() if tensors}
    return Trace(**stacked, logits=logits)


def sublayers(model: Transformer) -> dict[Site, nn.Module]:
    """List every sub-layer that writes to the residual stream, in order of computation.

    >>> from minillm.config import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=4, max_seq_len=16))
    >>> list(sublayers(model))
    [(0, 'attention'), (0, 'feedforward'), (1, 'attention'), (1, 'feedforward')]
    """
    sites = {}
    for layer, block in enumerate(model.blocks):
        sites[layer, "attention"], sites[layer, "feedforward"] = block.attention, block.feedforward
    return sites


def _keep_output(kept: list[Tensor]) -> Callable[..., None]:
    return lambda module, inputs, output: kept.append(output)


def _weights(
    attention: MultiHeadAttention, x: Float[Tensor, "B T C"], settings: dict[str, Any]
) -> Float[Tensor, "B H T T"]:
    """The attention weights of one call, computed from its input and its keyword arguments."""
    query, key, _ = attention.project(x, settings["angles"])
    mask = causal_mask(x.shape[1], x.shape[1], x.device) if settings["is_causal"] else settings["mask"]
    return attention_weights(query, key, mask, settings["bias"])
