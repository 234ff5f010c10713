"""Random numbers for probes, from the generator that a seed made."""

import random

import torch
from torch import Tensor


def numbers(rng: random.Random, *shape: int, scale: float = 1.0) -> Tensor:
    """Normal random numbers with one decimal, which a message can show exactly.

    >>> numbers(random.Random(0), 3)
    tensor([ 0.8000, -0.5000,  1.6000])
    """
    generator = torch.Generator().manual_seed(rng.getrandbits(63))
    return (scale * torch.randn(shape, generator=generator)).round(decimals=1) + 0.0  # no minus zero
