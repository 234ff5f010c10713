"""The decoding step in C (`native.c`), for Llama-shaped models in float32, in bfloat16 or with quantized matrices.

The third form of the same computation: `Transformer` is the one to read, `Decoder` has fewer operations, and this one
is a single call. In float32 and bfloat16 it computes the model's own logits up to float32's rounding. The input of a
product with a quantized matrix is rounded to integers, 16,256 for the largest number in a block of 32.
`decode.decoder` takes it for every model that fits (`misfit`) and is not in float32, so generate, stream, Engine and
speculate use it. Small models in float32 use it where many answers are sampled (`decode.in_float32`), as in PPO and
GRPO, which compile it.
Without a C compiler, or with `MINILLM_NATIVE=0` in the environment, they do without, and `unavailable` says why.
"""

import copy
import ctypes
import os
import weakref
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm import kernels
from minillm.c_library import NativeError, is_switched_off
from minillm.config import ModelConfig
from minillm.errors import UserError
from minillm.inference.native_library import PATHS, Call, Layer, Matrix, Model, load_library
from minillm.inference.native_weights import GROUP, ROWS, Arena, misfit, pack, vector
from minillm.model.kv_cache import KVCache
from minillm.model.quantized_linear import Int4Linear, Int8Linear
from minillm.model.transformer import Transformer, Trunk

CACHE_FORMATS = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}  # numbers in native.c
VECTORS = 128  # in one call; a longer prompt takes several, so that what a call writes stays in the processor's cache
MOST_THREADS = 64  # as in native.c
WORK = 2**19  # products per thread that pay for starting it
_is_forked = False  # then OpenMP's threads are gone, and waiting for them would never end
TOLERANCE = 0.001  # of the self-test, as a share of the logits' spread: 0.0005 is from rounding inputs to integers


def _in_child() -> None:
    global _is_forked
    _is_forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def compile_native() -> Path:
    """Compile the C code now, unless it is in the cache; returns the path of the decoding step's library.

    Without this call, the first model in 4 or 8 bits or bfloat16 that generates text compiles the decoding step, and
    the first model that is trained on a CPU compiles the kernels of training (`minillm.kernels`); stderr says so.
    Raises `UserError` where models are not decoded in C, with the reason: no C compiler, a compiler that fails, or
    `MINILLM_NATIVE=0` in the environment. Call it again when that has changed, and load your models anew.

    >>> try:
    ...     compiled = compile_native().is_file()
    ... except UserError as error:
    ...     compiled = str(error).startswith("models are decoded by PyTorch, not in C: ")  # and why
    >>> compiled
    True
    """
    _reason.cache_clear()
    kernels.unavailable()
    if reason := unavailable():
        raise UserError(reason)
    return Path(load_library()._name)


def unavailable() -> str | None:
    """Why models are not decoded in C on this computer, as a sentence; None where they are.

    The answer is kept for the process, except for `MINILLM_NATIVE`, which is read at each call.

    >>> reason = unavailable()
    >>> reason is None or reason.startswith("models are decoded by PyTorch")
    True
    """
    return _reason(is_switched_off())


@cache
def _reason(switched_off: bool) -> str | None:
    otherwise = "models are decoded by PyTorch, not in C"
    try:
        if paths() == [PATHS[0]]:
            return f"{otherwise}: for this processor there is only the slow form in plain C"
        difference = self_test()
    except NativeError as error:
        return f"{otherwise}: {error}"
    if not difference <= TOLERANCE:  # also where it is not a number
        return f"{otherwise}: the logits of the self-test are {difference:.2g} of their spread off; update the compiler"
    return None


def paths() -> list[str]:
    """Those of `PATHS` that this processor can run, the fastest last; raises `NativeError` without a compiler."""
    library = load_library()
    return [path for number, path in enumerate(PATHS) if library.minillm_has_path(number)]


class NativeStep:
    """Logits of new tokens in every row, in float32: what `Transformer` computes from the same cache.

    `path` is one of `PATHS`, by default the best that this processor can run; `n_threads` is by default as many as
    torch has, or fewer where there is little to compute. May be called by several threads at once, each with a cache of
    its own. Raises `UserError` for a model that does not fit and `NativeError` without a compiler.

    >>> from minillm import ModelConfig, quantize
    >>> config = ModelConfig(vocab_size=48, d_model=32, n_layers=1, n_heads=2, d_ff=64, max_seq_len=16)
    >>> model = quantize(Transformer(config), "int4")
    >>> if unavailable() is None:
    ...     assert NativeStep(model)(torch.tensor([[7, 3]]), model.new_cache()).shape == (1, 2, 48)
    """

    most_vectors: int | None = None  # any number

    def __init__(self, model: Trunk, path: str | None = None, n_threads: int | None = None):
        if reason := misfit(model):
            raise UserError(f"the C step cannot compute this model: {reason}")
        self._library, possible = load_library(), paths()
        path = path or possible[-1]
        if path not in possible:
            raise UserError(f"the path is {path!r}; this processor can run {', '.join(possible)}")
        if n_threads is not None and not 1 <= n_threads <= MOST_THREADS:
            raise UserError(f"n_threads is {n_threads}; choose 1 to {MOST_THREADS}")
        self.path, self.n_threads = path, n_threads
        self.model = weakref.ref(model)  # a strong reference would keep it in `decode._STEPS` forever
        self.config = copy.copy(model.config)  # that of the packed weights, whatever becomes of the model's
        self._has_head = isinstance(model, Transformer)
        self._kept: list[Tensor] = []  # what the structures point to
        self._arena = Arena()
        self._layers = (Layer * model.config.n_layers)()
        self._struct = self._pack(model)
        self.nbytes = sum(tensor.nbytes for tensor in self._kept)  # what a step reads of the weights

    @torch.inference_mode()
    def __call__(
        self,
        ids: Int[Tensor, "B T"],
        cache: KVCache,
        segments: Int[Tensor, "B T"] | None = None,
        n_last: int | None = None,
    ) -> Float[Tensor, "B n_last V"]:
        """Append T tokens to every row of `cache`; the logits after the last `n_last` of them, or after each.

        Raises `UserError` where the cache or the model's context is full, and for a cache of another shape.
        """
        if not self._has_head:
            raise UserError("this model has no language head; take its hidden(ids)")
        return self._compute(ids, cache, segments, n_last, with_head=True)

    @torch.inference_mode()
    def hidden(
        self, ids: Int[Tensor, "B T"], cache: KVCache, segments: Int[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T C"]:
        """As `Transformer.hidden`: the normalized vectors that the head turns into logits."""
        return self._compute(ids, cache, segments, None, with_head=False)

    def _compute(
        self, ids: Tensor, cache: KVCache, segments: Tensor | None, n_last: int | None, with_head: bool
    ) -> Tensor:
        model = self.model()
        assert model is not None, "the model of this step was deleted"
        (B, T), n_past = ids.shape, cache.length
        self._check_cache(cache, B)
        context = model.context(ids, cache, segments)
        cache.check_capacity(T)
        assert context.angles is not None, "`misfit` takes rotary positions only"
        x, mask = model.embedding(ids).float(), context.mask
        cos, sin = (part.float() for part in context.angles)
        self._check_inputs((B, T, n_past + T), x, cos, sin, mask)
        width, first, found = max(1, VECTORS // max(B, 1)), T - min(n_last or T, T), []
        for start in range(0, T, width):
            columns = slice(start, end := min(start + width, T))
            new, some_cos, some_sin = (part[..., columns, :].contiguous() for part in (x, cos, sin))
            seen = None if mask is None else mask[..., columns, : n_past + end].contiguous()
            n_wanted = max(0, end - max(start, first))
            found.append(self._step(new, some_cos, some_sin, seen, cache, n_past + start, n_wanted, with_head))
        context.advance_cache()
        return torch.cat(found, dim=1)

    def _step(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        mask: Tensor | None,
        cache: KVCache,
        n_past: int,
        n_last: int,
        with_head: bool,
    ) -> Tensor:
        """One call of the C function, for tensors whose sizes were checked; `x` is overwritten."""
        (B, T, C), c = x.shape, self.config
        N, S, HD, KD = B * T, n_past + T, c.n_heads * c.d_head, c.n_kv_heads * c.d_head
        n_threads = self.n_threads or min(torch.get_num_threads(), MOST_THREADS, 1 + N * self.nbytes // WORK)
        widest = max(C, HD, c.d_ff)
        sizes = dict(normed=N * C, query=N * HD, key=N * KD, value=N * KD, mixed=N * HD, gate=N * c.d_ff, up=N * c.d_ff)
        buffers = {name: torch.empty(size) for name, size in sizes.items()}
        buffers |= dict(scores=torch.empty(n_threads * S), scale=torch.empty(N * widest // GROUP))
        buffers |= dict(codes=torch.empty(2 * N * widest, dtype=torch.int8))
        buffers |= dict(sum=torch.empty(N * widest // GROUP, dtype=torch.int32))
        logits = torch.empty(B, n_last, -(-c.vocab_size // ROWS) * ROWS if with_head else 0)
        layer_stride, row_stride, head_stride, position_stride, _ = cache.keys.stride()
        call = Call(
            B=B, T=T, n_past=n_past, n_threads=n_threads, own_threads=_is_forked, path=PATHS.index(self.path),
            n_last=n_last,
            x=x.data_ptr(), cos=cos.data_ptr(), sin=sin.data_ptr(), angle_stride=T * c.d_head // 2 * (cos.dim() == 3),
            mask=None if mask is None else mask.data_ptr(),
            mask_stride=0 if mask is None or mask.dim() == 2 or len(mask) == 1 else T * S,
            keys=cache.keys.data_ptr(), values=cache.values.data_ptr(), cache_format=CACHE_FORMATS[cache.keys.dtype],
            layer_stride=layer_stride, row_stride=row_stride, head_stride=head_stride, position_stride=position_stride,
            logits=logits.data_ptr() if with_head else None,
            **{name: buffer.data_ptr() for name, buffer in buffers.items()},
        )  # fmt: skip
        self._library.minillm_step(ctypes.byref(self._struct), ctypes.byref(call))
        if not with_head:
            return buffers["normed"][: B * n_last * C].view(B, n_last, C)
        return logits[..., : c.vocab_size]

    def _check_inputs(
        self, sizes: tuple[int, int, int], x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None
    ) -> None:
        """C reads as many numbers as these sizes say, whatever the model's parts returned."""
        (B, T, S), c = sizes, self.config
        angles = {(T, c.d_head // 2), (B, T, c.d_head // 2)}
        for name, tensor, shapes in (
            ("embeddings are", x, {(B, T, c.d_model)}),
            ("cosines are", cos, angles),
            ("sines are", sin, angles & {tuple(cos.shape)}),
            ("mask is", mask, {(T, S), (1, T, S), (B, T, S), (B, 1, T, S), (1, 1, T, S)}),
        ):
            if tensor is not None and (tuple(tensor.shape) not in shapes or tensor.device.type != "cpu"):
                found = f"the {name} {tuple(tensor.shape)} on {tensor.device}"
                raise UserError(f"{found}, and the C step was made for {min(shapes)} on cpu; load the model anew")

    def _check_cache(self, cache: KVCache, B: int) -> None:
        c, (keys, values) = self.config, (cache.keys, cache.values)
        expected = (c.n_layers, B, c.n_kv_heads, keys.shape[3] if keys.dim() == 5 else "S", c.d_head)
        for part in (keys, values):
            if part.shape != expected:
                raise UserError(f"the cache is {tuple(part.shape)}, and this model needs {expected}; make it anew")
            if part.dtype not in CACHE_FORMATS or part.dtype != keys.dtype or part.device.type != "cpu":
                raise UserError(f"the cache is in {part.dtype} on {part.device}; take float32, bfloat16 or float16")
        if keys.stride() != values.stride() or keys.stride(4) != 1:
            raise UserError(f"the cache has the strides {keys.stride()} and {values.stride()}; make it contiguous")
        if not 0 <= cache.length <= cache.max_seq_len:
            raise UserError(f"the cache says that it holds {cache.length} of {cache.max_seq_len} positions")

    def _pack(self, model: Trunk) -> Model:
        """The structures that C reads, which point to tensors in `_kept`."""
        c = model.config
        C, F, HD, KD = c.d_model, c.d_ff, c.n_heads * c.d_head, c.n_kv_heads * c.d_head
        if len(model.blocks) != c.n_layers:
            raise UserError(f"the model has {len(model.blocks)} blocks, and its configuration says {c.n_layers}")
        for index, block in enumerate(model.blocks):
            layer, name = self._layers[index], f"blocks.{index}"
            a, f = block.attention, block.feedforward
            for part, module, rows, columns in (
                ("query", a.query, HD, C),
                ("key", a.key, KD, C),
                ("value", a.value, KD, C),
                ("output", a.output, C, HD),
                ("gate", f.gate, F, C),
                ("up", f.up, F, C),
                ("down", f.down, C, F),
            ):
                setattr(layer, part, self._matrix(f"{name}.{part}", module, rows, columns))
            layer.attention_norm = self._vector(f"{name}.attention_norm", block.attention_norm, C)
            layer.feedforward_norm = self._vector(f"{name}.feedforward_norm", block.feedforward_norm, C)
            if c.qk_norm:
                layer.query_norm = self._vector(f"{name}.query_norm", a.query_norm, c.d_head)
                layer.key_norm = self._vector(f"{name}.key_norm", a.key_norm, c.d_head)
        return Model(
            C=C, L=c.n_layers, H=c.n_heads, K=c.n_kv_heads, D=c.d_head, F=F, eps=c.norm_eps, layers=self._layers,
            final_norm=self._vector("final_norm", model.final_norm, C),
            head=self._matrix("head", model.head, c.vocab_size, C) if isinstance(model, Transformer) else Matrix(),
        )  # fmt: skip

    def _matrix(self, name: str, module: Any, rows: int, columns: int) -> Matrix:
        blocks, bias, bits = pack(name, module, rows, columns)
        bias_pointer = None if bias is None else self._keep(bias)
        return Matrix(blocks=self._keep(blocks), bias=bias_pointer, rows=rows, columns=columns, bits=bits)

    def _vector(self, name: str, norm: Any, size: int) -> int:
        return self._keep(vector(name, getattr(norm, "weight", None), size))

    def _keep(self, tensor: Tensor) -> int:
        assert tensor.is_contiguous()
        assert tensor.device.type == "cpu"
        self._kept.append(tensor := self._arena.keep(tensor))
        return tensor.data_ptr()


def self_test() -> float:
    """How far the logits of a small model are off, as a share of their spread; raises `NativeError` without a compiler.

    Six tokens at once and one more after them, with grouped heads, through 4-bit layers and an 8-bit head.
    """
    config = ModelConfig(vocab_size=40, d_model=64, n_layers=2, n_heads=4, n_kv_heads=2, d_ff=96, max_seq_len=8)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        readable, packed = Transformer(config), Transformer(config)
        for name, layer in list(readable.named_modules()):
            if isinstance(layer, torch.nn.Linear):
                layer.weight = torch.nn.Parameter(torch.randn_like(layer.weight) / layer.in_features**0.5)
                quantized = (Int8Linear if name == "head" else Int4Linear).from_linear(layer)
                layer.weight.copy_(quantized.weight)
                packed.set_submodule(name, quantized)
        packed.embedding = readable.embedding
        ids, cache, step = torch.arange(7).unsqueeze(0), packed.new_cache(), NativeStep(packed)
        logits = torch.cat([step(ids[:, :6], cache), step(ids[:, 6:], cache)], dim=1)
        expected = readable(ids)
        return float((logits - expected).abs().max() / expected.std())
