"""What the questions about attention share: what they forbid, their random numbers, and the search for a leak."""

import random
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.plain import apart, as_tensor

READY_MADE = (
    "minillm",
    "torch.nn.functional.scaled_dot_product_attention",
    "torch.nn.functional.multi_head_attention_forward",
    "torch.nn.MultiheadAttention",
)


def numbers(chance: random.Random, *shape: int, scale: float = 1.0) -> Tensor:
    """Normal random numbers with one decimal, which a message can show exactly."""
    generator = torch.Generator().manual_seed(chance.getrandbits(63))
    return (scale * torch.randn(shape, generator=generator)).round(decimals=1) + 0.0  # no minus zero


def moved(one: Any, other: Any) -> list[int]:
    """The rows in which two tensors (T, D) differ by more than rounding; none where they are no such tensors.

    >>> moved(torch.zeros(3, 2), torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
    [1]
    """
    one, other = as_tensor(one), as_tensor(other)
    if one is None or other is None or one.shape != other.shape or one.dim() != 2:
        return []
    return apart(one, other).any(-1).nonzero().flatten().tolist()
