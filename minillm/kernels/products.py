"""Products of float32 matrices by oneDNN, where that is faster than torch's own way.

On a CPU, torch multiplies float32 matrices by a BLAS library. In the usual builds that is MKL, which uses AVX512 on
Intel's processors only: on a recent AMD it reaches half the speed of oneDNN, which torch has, too, for other formats.
"""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from minillm import kernels

FEWEST_ROWS = 32  # in one product; with fewer, what oneDNN does before each product takes too long
WORTH_IT = 1.2  # times as fast as torch's way


def usable(x: Tensor, weight: Tensor) -> bool:
    """Whether `x @ weight.T` is for oneDNN: kernels are enabled, and it is faster here.

    >>> usable(torch.ones(64, 8), torch.ones(8, 8))                                    # not enabled
    False
    """
    return (
        kernels.is_enabled()
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and x.numel() >= FEWEST_ROWS * x.shape[-1]
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and onednn_speedup() >= WORTH_IT
    )


def linear(
    x: Float[Tensor, "*B C"], weight: Float[Tensor, "F C"], bias: Float[Tensor, "F"] | None = None
) -> Float[Tensor, "*B F"]:
    """`F.linear`, with two more products by oneDNN as its gradients, or `F.linear` itself where that is faster.

    >>> x, weight = torch.randn(40, 64), torch.randn(32, 64)
    >>> with kernels.enabled(): fast = linear(x, weight)
    >>> torch.allclose(fast, F.linear(x, weight), atol=1e-4)
    True
    """
    return _Linear.apply(x, weight, bias) if usable(x, weight) else F.linear(x, weight, bias)


class _Linear(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        rows = gradient.flatten(0, -2)
        d_x = product(gradient, weight.T) if ctx.needs_input_grad[0] else None
        d_weight = product(rows.T, x.flatten(0, -2).T) if ctx.needs_input_grad[1] else None
        return d_x, d_weight, rows.sum(0) if ctx.needs_input_grad[2] else None


def product(
    x: Float[Tensor, "*B C"], weight: Float[Tensor, "F C"], bias: Float[Tensor, "F"] | None = None
) -> Float[Tensor, "*B F"]:
    """x @ weight.T + bias by oneDNN, without gradients."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


@cache
def onednn_speedup() -> float:
    """How many times faster oneDNN multiplies two float32 matrices here, measured once per process; 0 without it."""
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")):
        return 0.0
    x, weight = torch.ones(256, 128), torch.ones(384, 128)
    with torch.inference_mode():
        return _seconds(lambda: F.linear(x, weight)) / _seconds(lambda: product(x, weight))


def _seconds(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(9):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best
