"""A linear layer whose products in float32 can be computed by oneDNN, where that is faster than torch's own way.

On a CPU, torch multiplies float32 matrices by a BLAS library. In the usual builds that is MKL, which uses AVX512 on
Intel's processors only: on a recent AMD it reaches half the speed of oneDNN, which torch has, too, for other formats.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

FEWEST_ROWS = 32  # in one product; with fewer, what oneDNN does before each product takes too long
WORTH_IT = 1.2  # times as fast as torch's way
_switched_on: ContextVar[bool] = ContextVar("onednn_products", default=False)


@contextmanager
def onednn_products() -> Iterator[None]:
    """Let `Linear` multiply by oneDNN where that is faster here; results agree up to float32's rounding.

    >>> layer, x = Linear(64, 32), torch.randn(40, 64)
    >>> with onednn_products(): fast = layer(x)
    >>> torch.allclose(fast, layer(x), atol=1e-5)
    True
    """
    token = _switched_on.set(True)
    try:
        yield
    finally:
        _switched_on.reset(token)


class Linear(nn.Linear):
    """`nn.Linear`, which under `onednn_products` has another way to multiply.

    >>> Linear(3, 2)(torch.ones(5, 3)).shape
    torch.Size([5, 2])
    """

    def forward(self, input: Float[Tensor, "*B C"]) -> Float[Tensor, "*B F"]:
        if _switched_on.get() and _fits(input, self.weight) and onednn_speedup() >= WORTH_IT:
            return _Product.apply(input, self.weight, self.bias)
        return super().forward(input)


def _fits(x: Tensor, weight: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and x.numel() >= FEWEST_ROWS * x.shape[-1]
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


class _Product(torch.autograd.Function):
    """y = x W^T + bias and its gradients, as three products by oneDNN."""

    @staticmethod
    def forward(
        ctx: Any, x: Float[Tensor, "*B C"], weight: Float[Tensor, "F C"], bias: Float[Tensor, "F"] | None
    ) -> Float[Tensor, "*B F"]:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, "*B F"]) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        rows = gradient.flatten(0, -2)
        d_x = _product(gradient, weight.T) if ctx.needs_input_grad[0] else None
        d_weight = _product(rows.T, x.flatten(0, -2).T) if ctx.needs_input_grad[1] else None
        return d_x, d_weight, rows.sum(0) if ctx.needs_input_grad[2] else None


def _product(
    x: Float[Tensor, "*B C"], weight: Float[Tensor, "F C"], bias: Float[Tensor, "F"] | None = None
) -> Float[Tensor, "*B F"]:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


@cache
def onednn_speedup() -> float:
    """How many times faster oneDNN multiplies two float32 matrices here, measured once per process; 0 without it."""
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")):
        return 0.0
    x, weight = torch.ones(256, 128), torch.ones(384, 128)
    with torch.inference_mode():
        return _seconds(lambda: F.linear(x, weight)) / _seconds(lambda: _product(x, weight))


def _seconds(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(9):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best
