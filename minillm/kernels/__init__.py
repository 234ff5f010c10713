"""Fused kernels in C (`kernels.c`), which take the place of readable PyTorch code when a model is trained on a CPU.

In a training step of a small model, half of the time is spent outside the products of matrices: a norm is seven
operations in PyTorch, forward and backward are fifteen, and each one reads and writes whole tensors. A fused kernel
reads its input once and writes its result once. The readable forms say what is computed (`RMSNorm.forward`, `rotate`,
`FeedForward.forward`, `next_token_loss`, `attention_by_matmul`); the kernels equal them up to rounding, by tests. And
products of float32 matrices are oneDNN's where that is faster (`products`).

Both are used inside `enabled()`, which the training loop asks for, the kernels where a C compiler is found; with
`MINILLM_NATIVE=0` in the environment neither is. Only first derivatives exist.
"""

import ctypes
import functools
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_float, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from minillm.c_library import FLAGS, SWITCH, NativeError, compiler, is_switched_off, load, openmp, run

SOURCE = Path(__file__).with_name("kernels.c")
FORMATS = {torch.float32: 0, torch.bfloat16: 1}  # numbers in kernels.c
LONGEST_ROW = 2**18  # numbers; a softmax keeps a row on its thread's stack, 1 MB
ARGUMENTS = {  # of each function in kernels.c
    "rms_norm": [*[c_void_p] * 3, *[c_int64] * 2, c_float, *[c_int] * 3],
    "rms_norm_backward": [*[c_void_p] * 5, *[c_int64] * 2, c_float, *[c_int] * 3],
    "rotate": [*[c_void_p] * 4, *[c_int64] * 4, *[c_void_p] * 2, c_int64, c_float, *[c_int] * 2],
    "swiglu": [*[c_void_p] * 3, c_int64, *[c_int] * 2],
    "swiglu_backward": [*[c_void_p] * 5, c_int64, *[c_int] * 2],
    "cross_entropy": [*[c_void_p] * 3, *[c_int64] * 2, *[c_int] * 2],
    "attention_softmax": [*[c_void_p] * 2, *[c_int64] * 5, c_float, *[c_int] * 2],
    "attention_softmax_backward": [*[c_void_p] * 2, *[c_int64] * 2, c_float, *[c_int] * 2],
}
_enabled = False


@contextmanager
def enabled(wanted: bool = True) -> Iterator[None]:
    """Use the kernels inside this context, where they are available; with False, use the readable forms.

    >>> with enabled():
    ...     usable(torch.ones(2, 2)) is (unavailable() is None)
    True
    >>> usable(torch.ones(2, 2))
    False
    """
    global _enabled
    before, _enabled = _enabled, wanted
    try:
        yield
    finally:
        _enabled = before


def is_enabled() -> bool:
    """Whether this is inside `enabled()`, and `MINILLM_NATIVE` is not 0."""
    return _enabled and not is_switched_off()


def usable(*tensors: Tensor) -> bool:
    """Whether the kernels are enabled, available, and can take these tensors: plain ones of one format on the CPU."""
    return (
        _enabled
        and all(type(x) is Tensor and x.dtype in FORMATS and x.device.type == "cpu" for x in tensors)
        and all(x.numel() and x.shape[-1] <= LONGEST_ROW for x in tensors)
        and len({x.dtype for x in tensors}) == 1
        and not torch.compiler.is_compiling()
        and unavailable() is None
        and (library().has_threads or torch.get_num_threads() == 1)
    )


def unavailable() -> str | None:
    """Why models are trained without the kernels on this computer, as a sentence; None where they are used."""
    otherwise = "models are trained without fused kernels"
    if is_switched_off():
        return f"{otherwise}: {SWITCH}=0 switches them off"
    return _failure() and f"{otherwise}: {_failure()}"


@functools.cache
def _failure() -> str | None:
    try:
        library()
    except NativeError as error:
        return str(error)
    return None


class Library(NamedTuple):
    """The compiled kernels."""

    functions: ctypes.CDLL
    has_threads: bool  # OpenMP's, which PyTorch shares


@functools.cache
def library() -> Library:
    """Compile and load `kernels.c`; raises `NativeError` where that is not possible."""
    # For this very processor, so what the compiler knows of it is a part of the library's name.
    processor = run([*compiler(), "-march=native", "-dM", "-E", "-x", "c", os.devnull])
    flags = (*FLAGS, "-march=native", *(openmp() or ("-fopenmp-simd",)))
    if "__AVX512F__" in processor:
        flags += ("-mprefer-vector-width=512",)
    flags += (f"-DPROCESSOR={zlib.crc32(processor.encode())}",)
    functions = load([SOURCE], flags, "its training kernels")
    for name, types in ARGUMENTS.items():
        function = getattr(functions, name)
        function.restype, function.argtypes = None, types
    return Library(functions, has_threads=bool(openmp()))


def rms_norm(x: Float[Tensor, "*B C"], weight: Float[Tensor, "C"], eps: float) -> Float[Tensor, "*B C"]:
    """`RMSNorm.forward`; under autocast in its format, which the products that follow would round to anyway.

    >>> x = torch.tensor([[3.0, 4.0]])
    >>> with enabled():
    ...     normed = rms_norm(x, torch.ones(2), eps=1e-5) if usable(x) else torch.tensor([[0.8485, 1.1314]])
    >>> normed
    tensor([[0.8485, 1.1314]])
    """
    autocast = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    return _RMSNorm.apply(x, weight, eps, torch.bfloat16 if autocast else x.dtype)


class _RMSNorm(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype) -> Tensor:
        x = _dense(x)
        y = torch.empty_like(x, dtype=dtype)
        _call("rms_norm", x, weight, y, x.numel() // len(weight), len(weight), eps, formats=(x, y))
        ctx.save_for_backward(x, weight)
        ctx.eps, ctx.strides = eps, y.stride()
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        if dy.stride() != ctx.strides:  # rows are taken in the order of memory
            dy = torch.empty_strided(dy.shape, ctx.strides, dtype=dy.dtype).copy_(dy)
        dx, C = torch.empty_like(x), len(weight)
        d_weight = torch.zeros(torch.get_num_threads(), C)
        _call("rms_norm_backward", x, weight, dy, dx, d_weight, x.numel() // C, C, ctx.eps, formats=(x, dy))
        return dx, d_weight.sum(0), None, None


def rotate(
    x: Float[Tensor, "B H T D"], cos: Float[Tensor, "*B T half"], sin: Float[Tensor, "*B T half"]
) -> Float[Tensor, "B H T D"]:
    """`position.rotate` for all heads of a batch."""
    return _Rotate.apply(x, cos.contiguous(), sin.contiguous())


class _Rotate(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _rotated(x, cos, sin, 1.0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        cos, sin = ctx.saved_tensors
        return _rotated(dy, cos, sin, -1.0), None, None


def _rotated(x: Tensor, cos: Tensor, sin: Tensor, sign: float) -> Tensor:
    x = x if x.stride(-1) == 1 else x.contiguous()
    y = torch.empty(x.shape, dtype=x.dtype)
    strides = [(c_int64 * 3)(*tensor.stride()[:3]) for tensor in (x, y)]
    angle_stride = cos.stride(0) if cos.dim() == 3 else 0
    _call("rotate", x, y, cos, sin, *x.shape, *strides, angle_stride, sign, formats=(x,))
    return y


def swiglu(gate: Float[Tensor, "*B F"], up: Float[Tensor, "*B F"]) -> Float[Tensor, "*B F"]:
    """silu(gate) * up."""
    return _SwiGLU.apply(gate.contiguous(), up.contiguous())


class _SwiGLU(Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        y = torch.empty_like(gate)
        _call("swiglu", gate, up, y, y.numel(), formats=(y,))
        ctx.save_for_backward(gate, up)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        d_gate, d_up = torch.empty_like(gate), torch.empty_like(up)
        _call("swiglu_backward", gate, up, dy.contiguous(), d_gate, d_up, dy.numel(), formats=(dy,))
        return d_gate, d_up


def cross_entropy_(logits: Float[Tensor, "N V"], targets: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    """The cross-entropy of each row in nats; `logits` become its gradient, softmax minus one-hot.

    >>> logits = torch.tensor([[0.5, 0.25, 0.25]]).log()
    >>> with enabled():
    ...     loss = cross_entropy_(logits, torch.tensor([0])) if usable(logits) else torch.tensor([0.6931])
    >>> loss                                                                     # -log 0.5
    tensor([0.6931])
    """
    losses = torch.empty(len(logits))
    _call("cross_entropy", logits, targets.contiguous(), losses, *logits.shape, formats=(logits,))
    return losses


def attention(
    query: Float[Tensor, "B H T D"],
    key: Float[Tensor, "B H S D"],
    value: Float[Tensor, "B H S D"],
    mask: Bool[Tensor, "*B T S"] | None = None,
) -> Float[Tensor, "B H T D"]:
    """`attention_by_matmul`, with one pass for scale, mask and softmax; without a mask it is causal."""
    return _Attention.apply(query, key, value, None if mask is None else mask.contiguous())


class _Attention(Function):
    QUERIES = 128  # of a block, whose last query sees the most keys: later keys are left out of its products

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        (B, H, T, D), S = query.shape, key.shape[2]
        ctx.blocks = [(0, T, S)]  # queries from and to, and the number of keys
        if mask is None:
            ends = [min(start + _Attention.QUERIES, T) for start in range(0, T, _Attention.QUERIES)]
            ctx.blocks = [(start, end, S - T + end) for start, end in zip([0, *ends], ends, strict=False)]
        mask_stride = mask.stride(0) if mask is not None and mask.dim() == 3 else 0
        out, kept = torch.empty(B, H, T, D, dtype=query.dtype), []
        for start, end, n in ctx.blocks:
            weights = query[:, :, start:end] @ key[:, :, :n].mT
            _call("attention_softmax", weights, mask, *weights.shape, mask_stride, D**-0.5, formats=(weights,))
            out[:, :, start:end] = weights @ value[:, :, :n]
            kept.append(weights)
        ctx.save_for_backward(query, key, value, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *kept = ctx.saved_tensors
        scale, S = query.shape[-1] ** -0.5, key.shape[2]
        d_query, d_key, d_value = torch.empty_like(query), key, value  # the last block has gradients for all keys
        for weights, (start, end, n) in reversed([*zip(kept, ctx.blocks, strict=True)]):
            d_scores = d_out[:, :, start:end] @ value[:, :, :n].mT
            _call("attention_softmax_backward", weights, d_scores, weights.numel() // n, n, scale, formats=(weights,))
            d_query[:, :, start:end] = d_scores @ key[:, :, :n]
            parts = d_scores.mT @ query[:, :, start:end], weights.mT @ d_out[:, :, start:end]
            if n == S:
                d_key, d_value = parts
            else:
                d_key[:, :, :n] += parts[0]
                d_value[:, :, :n] += parts[1]
        return d_query, d_key, d_value, None


def _call(name: str, *arguments: Any, formats: tuple[Tensor, ...]) -> None:
    """Call a kernel: tensors as pointers, then the number of threads and the formats, which all kernels end with."""
    given = [x.data_ptr() if isinstance(x, Tensor) else x for x in arguments]
    getattr(library().functions, name)(*given, torch.get_num_threads(), *[FORMATS[x.dtype] for x in formats])


def _dense(x: Tensor) -> Tensor:
    """`x`, with its rows one after another in memory, in any order of the other dimensions."""
    filled = sorted((stride, size) for stride, size in zip(x.stride()[:-1], x.shape[:-1], strict=True) if size > 1)
    expected = x.shape[-1]
    for stride, size in filled:
        if stride != expected:
            return x.contiguous()
        expected *= size
    return x if x.stride(-1) == 1 else x.contiguous()
