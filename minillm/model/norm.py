"""RMSNorm and LayerNorm, which keep the input of each sub-layer at one scale."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from minillm import kernels


class RMSNorm(nn.Module):
    """Divide each vector by its root mean square, then scale each coordinate (Zhang & Sennrich 2019, eq. 4).

    Unlike LayerNorm it does not subtract the mean. The mean square is always computed in float32, since squares of
    bfloat16 numbers lose digits fast.

    >>> RMSNorm(2)(torch.tensor([3.0, 4.0]))          # root mean square: sqrt((9 + 16) / 2) = 3.5355
    tensor([0.8485, 1.1314], grad_fn=<MulBackward0>)
    """

    def __init__(self, d_model: int, eps: float = 1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))
        self.eps = eps

    def forward(self, x: Float[Tensor, "*B C"]) -> Float[Tensor, "*B C"]:
        if kernels.usable(x):
            return kernels.rms_norm(x, self.weight, self.eps)
        mean_square = x.float().square().mean(-1, keepdim=True)
        return (x.float() * (mean_square + self.eps).rsqrt()).to(x.dtype) * self.weight.to(x.dtype)


class LayerNorm(nn.Module):
    """Subtract each vector's mean, divide by its standard deviation, scale and shift (Ba et al. 2016, eq. 4).

    The standard deviation divides by C, not C - 1: sqrt(mean((x - mean)^2) + eps).

    >>> LayerNorm(2)(torch.tensor([3.0, 4.0])).round(decimals=3)
    tensor([-1.,  1.], grad_fn=<RoundBackward1>)
    """

    def __init__(self, d_model: int, eps: float = 1e-5, bias: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model)) if bias else None
        self.eps = eps

    def forward(self, x: Float[Tensor, "*B C"]) -> Float[Tensor, "*B C"]:
        centered = x.float() - x.float().mean(-1, keepdim=True)
        variance = centered.square().mean(-1, keepdim=True)
        normed = (centered * (variance + self.eps).rsqrt()).to(x.dtype) * self.weight.to(x.dtype)
        return normed if self.bias is None else normed + self.bias.to(x.dtype)


def make_norm(kind: str, d_model: int, eps: float, bias: bool) -> RMSNorm | LayerNorm:
    """The norm that a config names: "rmsnorm" or "layernorm".

    >>> make_norm("layernorm", d_model=4, eps=1e-5, bias=False).bias is None
    True
    """
    return RMSNorm(d_model, eps) if kind == "rmsnorm" else LayerNorm(d_model, eps, bias)
