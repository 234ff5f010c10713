"""Layers compiled for the time of a run. Nothing is learned differently; only the time of a step changes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from minillm.device import require_compiler
from minillm.model.transformer import Block


@contextmanager
def compiled_layers(model: nn.Module) -> Iterator[None]:
    """Let torch.compile join the small operations of each layer, for the time of a `with` and in training mode alone.

    A layer's matrix products stay as they are; norms, rotations and what bends the feed-forward network become few
    passes over memory instead of many. The compiler works once, since the layers are alike. Measuring and generating
    run the plain layers: each new length of text would be compiled anew.
    Raises `UserError` where there is nothing to compile with.
    """
    require_compiler(next(model.parameters()).device)
    layers = [module for module in model.modules() if isinstance(module, Block)]
    before = [vars(layer).get("forward") for layer in layers]  # of its own where it recomputes
    for layer in layers:
        layer.forward = _in_training(layer, torch.compile(layer.forward), layer.forward)
    try:
        yield
    finally:
        for layer, forward in zip(layers, before, strict=True):
            del layer.forward  # so that the class's own is found again
            if forward is not None:
                layer.forward = forward


def _in_training(layer: Block, compiled: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *inputs, **settings: (compiled if layer.training else plain)(*inputs, **settings)
