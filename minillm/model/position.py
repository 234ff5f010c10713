"""Position encodings: attention by itself does not see the order of its inputs.

`learned` and `sinusoidal` vectors are added to the embedding once, before the first block (GPT-2, the original
transformer). `rotary` rotates queries and keys inside every attention (Llama). `alibi` lowers the score of a key by its
distance from the query (BLOOM, MPT).
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from minillm import kernels
from minillm.config import RopeScaling


class LearnedPosition(nn.Module):
    """One learned vector per position: positions (..., T) -> (..., T, C), up to `max_seq_len`.

    >>> LearnedPosition(max_seq_len=16, d_model=8)(torch.arange(3)).shape
    torch.Size([3, 8])
    """

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


def rotary_frequencies(
    d_head: int, theta: float, device: torch.device | None = None, scaling: RopeScaling | None = None
) -> Float[Tensor, "half"]:
    """Radians per position of each of the d_head / 2 pairs: theta^(-2i / d_head) (Su et al. 2021, eq. 15).

    >>> rotary_frequencies(4, theta=10_000.0)
    tensor([1.0000, 0.0100])
    """
    frequencies = theta ** (-torch.arange(0, d_head, 2, dtype=torch.float32, device=device) / d_head)
    return frequencies if scaling is None else scale_frequencies(frequencies, scaling)


def scale_frequencies(frequencies: Float[Tensor, "half"], scaling: RopeScaling) -> Float[Tensor, "half"]:
    """Lower frequencies for longer texts, so that angles stay in the range that training has seen.

    Linear scaling divides all of them by the factor (Chen et al. 2023, "Position Interpolation", eq. 4); neighbors
    then differ by less than before. Llama 3 divides only those whose wavelength does not fit the training length: a
    pair that turns at least `high_freq_factor` times within it keeps its frequency, a pair that turns at most
    `low_freq_factor` times gets the divided one, and in between the two are interpolated. (The paper does not give the
    formula; this is `apply_scaling` in Meta's reference code, llama-models.)

    >>> scale_frequencies(torch.tensor([1.0, 0.01]), RopeScaling(factor=4.0))
    tensor([0.2500, 0.0025])
    >>> llama3 = RopeScaling(factor=4.0, original_max_seq_len=100)
    >>> scale_frequencies(torch.tensor([1.0, 0.01]), llama3)                               # 16 turns, 0.16 turns
    tensor([1.0000, 0.0025])
    """
    if scaling.original_max_seq_len is None:
        return frequencies / scaling.factor
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    turns = scaling.original_max_seq_len * frequencies / (2 * math.pi)
    kept = ((turns - low) / (high - low)).clamp(0, 1)  # the share of the old frequency in the new one
    return frequencies * (kept + (1 - kept) / scaling.factor)


def rotary_angles(
    positions: Int[Tensor, "*B T"], d_head: int, theta: float, scaling: RopeScaling | None = None
) -> tuple[Float[Tensor, "*B T half"], Float[Tensor, "*B T half"]]:
    """The cosine and sine of every angle that `rotate` needs, computed once per forward pass for all layers.

    >>> cos, sin = rotary_angles(torch.tensor([0, 1]), d_head=2, theta=10_000.0)
    >>> sin.squeeze(-1).round(decimals=4)                  # sin 0, sin 1
    tensor([0.0000, 0.8415])
    """
    angles = positions.unsqueeze(-1) * rotary_frequencies(d_head, theta, positions.device, scaling)
    return angles.cos(), angles.sin()


def rotate(
    x: Float[Tensor, "*leading T D"], cos: Float[Tensor, "*B T half"], sin: Float[Tensor, "*B T half"]
) -> Float[Tensor, "*leading T D"]:
    """Rotate each pair of coordinates (i, i + D/2) by its position's angle (Su et al. 2021, eq. 34).

    `x` has any leading dimensions: (T, D), (H, T, D) or (B, H, T, D). `cos` and `sin` are (T, D/2), or (B, T, D/2)
    where the rows of a batch have positions of their own, which all heads share.

    The dot product of a rotated query and a rotated key depends only on the distance between the two. The paper pairs
    neighbors (2i, 2i + 1); weights in Hugging Face's format (Llama, Mistral, Qwen) pair the halves, as here, and GGUF
    files of Llama pair neighbors. The two differ by a fixed permutation of the rows of the query and key matrices, so
    weights of one kind give wrong numbers with the code of the other.

    >>> quarter = torch.tensor([[0.0]]), torch.tensor([[1.0]])           # cos and sin of 90 degrees
    >>> rotate(torch.tensor([[1.0, 0.0]]), *quarter)
    tensor([[0., 1.]])
    """
    if x.dim() == 4 and kernels.usable(x):
        return kernels.rotate(x, cos, sin)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    if 2 < cos.dim() < x.dim():
        cos, sin = cos.unsqueeze(-3), sin.unsqueeze(-3)  # (B, 1, T, D/2): one angle for all heads
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def alibi_slopes(n_heads: int, device: torch.device | None = None) -> Float[Tensor, "H"]:
    """The penalty of each head per step of distance: 2^(-8/H), 2^(-16/H), ..., 2^-8 (Press et al. 2022, section 3).

    The first head sees little beyond its neighbors, the last one nearly everything. The formula is for powers of two;
    for other head counts the authors' code takes the slopes of the next lower power of two, then every second slope of
    the next higher one, which lie between them.

    >>> alibi_slopes(4)
    tensor([0.2500, 0.0625, 0.0156, 0.0039])
    >>> alibi_slopes(6)                      # the four above, then the first and third of eight
    tensor([0.2500, 0.0625, 0.0156, 0.0039, 0.5000, 0.1250])
    """
    lower = 1 << (n_heads.bit_length() - 1)  # the largest power of two that is not above n_heads
    head = torch.arange(n_heads, device=device)
    rank = torch.where(head < lower, head + 1, head - lower + 0.5)
    return (-8 * rank / lower).exp2()


def alibi_bias(n_heads: int, T: int, S: int, device: torch.device | None = None) -> Float[Tensor, "H T S"]:
    """What ALiBi adds to the scores before softmax: minus slope times distance (Press et al. 2022, section 3).

    The T queries are the last T of the S positions, as in `causal_mask`. Distances exist at any length, also beyond the
    training length. Without a causal mask, later keys count like earlier ones at the same distance: such a model gives
    a reversed text the same vectors in reverse order.

    >>> alibi_bias(1, 2, 3) * 256            # one head has the slope 1 / 256
    tensor([[[-1., -0., -1.],
             [-2., -1., -0.]]])
    """
    keys = torch.arange(S, device=device)
    distance = (keys[S - T :, None] - keys).abs()  # (T, S)
    return -alibi_slopes(n_heads, device)[:, None, None] * distance
