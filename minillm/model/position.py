"""Where am I? Attention by itself reads a bag of vectors; these give each one its place.

`learned` and `sinusoidal` are added to the embedding once, before the first block (GPT-2, the original
transformer). `rotary` is not added to anything: it turns queries and keys inside every attention (Llama).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class LearnedPosition(nn.Module):
    """One learned vector per position: positions (..., T) -> (..., T, C). It has none past `max_seq_len`."""

    def __init__(self, max_seq_len: int, d_model: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(max_seq_len, d_model))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, positions: Int[Tensor, "*B T"]) -> Float[Tensor, "*B T C"]:
        return nn.functional.embedding(positions, self.weight)


class SinusoidalPosition(nn.Module):
    """Sines and cosines of wavelengths from 2 pi to 20,000 pi (Vaswani et al. 2017, section 3.5).

    Even coordinates hold sin(position / 10000^(2i / C)), odd ones the cosine; nothing is learned.

    >>> SinusoidalPosition(4)(torch.tensor([0, 1])).round(decimals=4)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 1.0000]])
    """

    def __init__(self, d_model: int):
        super().__init__()
        self.d_model = d_model

    def forward(self, positions: Int[Tensor, "*B T"]) -> Float[Tensor, "*B T C"]:
        angles = positions.unsqueeze(-1) * rotary_frequencies(self.d_model, 10_000.0, positions.device)
        return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


def rotary_frequencies(d_head: int, theta: float, device: torch.device | None = None) -> Float[Tensor, "half"]:
    """Radians per position of each of the d_head / 2 pairs: theta^(-2i / d_head) (Su et al. 2021, eq. 15).

    >>> rotary_frequencies(4, theta=10_000.0)
    tensor([1.0000, 0.0100])
    """
    return theta ** (-torch.arange(0, d_head, 2, dtype=torch.float32, device=device) / d_head)


def rotary_angles(
    positions: Int[Tensor, "*B T"], d_head: int, theta: float
) -> tuple[Float[Tensor, "*B T half"], Float[Tensor, "*B T half"]]:
    """The cosine and sine of every angle that `rotate` needs, computed once per forward pass for all layers.

    >>> cos, sin = rotary_angles(torch.tensor([0, 1]), d_head=2, theta=10_000.0)
    >>> sin.squeeze(-1).round(decimals=4)                  # sin 0, sin 1
    tensor([0.0000, 0.8415])
    """
    angles = positions.unsqueeze(-1) * rotary_frequencies(d_head, theta, positions.device)
    return angles.cos(), angles.sin()


def rotate(
    x: Float[Tensor, "B heads T D"], cos: Float[Tensor, "*B1 T half"], sin: Float[Tensor, "*B1 T half"]
) -> Float[Tensor, "B heads T D"]:
    """Turn each pair of coordinates (i, i + D/2) by its position's angle (Su et al. 2021, eq. 34).

    A turned query times a turned key depends only on how far apart the two stand. The paper pairs neighbours
    (2i, 2i + 1); Llama's published weights pair the halves, as here. The two differ by a fixed shuffle of the
    rows of the query and key matrices, so weights of one kind give nonsense with the code of the other.

    >>> quarter = torch.tensor([[0.0]]), torch.tensor([[1.0]])           # cos and sin of 90 degrees
    >>> rotate(torch.tensor([[[[1.0, 0.0]]]]), *quarter)
    tensor([[[[0., 1.]]]])
    """
    cos, sin = (part.to(x.dtype).unsqueeze(-3) for part in (cos, sin))  # one angle for all heads
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
