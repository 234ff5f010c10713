"""Tiny models for the probes of lesson 06: weights by name, as `state_dict` has them, and their settings."""

import random

from torch import Tensor

from minillm.course.checks.drawing import numbers
from minillm.course.heads import Settings


def tiny(
    rng: random.Random, layers: int, H: int, K: int, D: int, F: int, V: int, C: int | None = None
) -> tuple[dict[str, Tensor], Settings]:
    """The weights of a model and its settings; C is H * D unless it is given."""
    C = C or H * D
    shapes = {"embedding.weight": (V, C)}
    for layer in range(layers):
        block = {
            "attention_norm": (C,),
            "attention.query": (H * D, C),
            "attention.key": (K * D, C),
            "attention.value": (K * D, C),
            "attention.output": (C, H * D),
            "feedforward_norm": (C,),
            "feedforward.gate": (F, C),
            "feedforward.up": (F, C),
            "feedforward.down": (C, F),
        }
        shapes |= {f"blocks.{layer}.{name}.weight": shape for name, shape in block.items()}
    shapes |= {"final_norm.weight": (C,), "head.weight": (V, C)}
    weights = {
        name: 1 + numbers(rng, *shape, scale=0.4) if len(shape) == 1 else numbers(rng, *shape, scale=0.7)
        for name, shape in shapes.items()
    }
    return weights, {"layers": layers, "d_head": D, "base": 100.0}
