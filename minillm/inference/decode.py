"""The fast decoding step: which form computes new tokens, and the form for computers without a C compiler.

`Transformer` with a cache is the form to read. For a model of Llama's shape in bfloat16 or with quantized weights,
`decoder` finds a faster one: `NativeStep` in C (`native`) where it works and `MINILLM_NATIVE` is not 0, else, for
quantized weights, `Decoder`. Neither is used while the model is trained or has hooks, nor after its weights were
changed: then a new one is made (`snapshot`). A model in float32 has a fast step within `in_float32` only.

With weights of 4 bits, the matrix products of `Transformer` take only a third of a step; the rest goes into hundreds of
small operations between them, a few microseconds each. `Decoder` has fewer of them: queries, keys and values are one
product, gate and up are another, a norm is four operations, and the heads that share keys are passed to the attention
kernel as queries of one head.
"""

import math
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from minillm.c_library import was_compiled
from minillm.inference.native import NativeStep, unavailable
from minillm.inference.native_library import SOURCE
from minillm.inference.native_weights import misfit
from minillm.inference.snapshot import Snapshot
from minillm.model.attention import causal_mask
from minillm.model.context import Context
from minillm.model.kv_cache import Cache, KVCache
from minillm.model.quantized_linear import MOST_VECTORS, QuantizedLinear, join
from minillm.model.transformer import Block, Transformer, Trunk

MOST_COPIED = 2**26  # bytes of float32 weights that the C step may copy; a larger model spends its time reading them


@runtime_checkable
class Step(Protocol):
    """A fast form of a model's forward pass over the new tokens of a cache."""

    most_vectors: int | None  # up to so many tokens in all rows together it is fast; None: any number

    def __call__(
        self,
        ids: Int[Tensor, "B T"],
        cache: KVCache,
        segments: Int[Tensor, "B T"] | None = None,
        n_last: int | None = None,
    ) -> Float[Tensor, "B n_last V"]:
        """Append T tokens to every row of the cache; the logits after the last `n_last` of them (None: after each)."""
        ...


# Of each model that was decoded: its step, and the weights that this was made from.
_STEPS: "weakref.WeakKeyDictionary[Trunk, tuple[Snapshot, Step] | None]" = weakref.WeakKeyDictionary()

# Inside `steady`: the model whose weights do not change, and its step.
_STEADY: ContextVar[tuple[Trunk, Step | None] | None] = ContextVar("_STEADY", default=None)


@torch.no_grad()
def next_logits(
    model: Transformer, ids: Int[Tensor, "B T"], cache: KVCache, segments: Int[Tensor, "B T"] | None = None
) -> Float[Tensor, "B T V"]:
    """The logits of new tokens after those in `cache`: by the model's fast step if it has one, else by itself.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> next_logits(model, torch.tensor([[7], [3]]), model.new_cache(2)).shape
    torch.Size([2, 1, 10])
    """
    fast = decoder(model)
    if fast is not None and (fast.most_vectors is None or ids.numel() <= fast.most_vectors):
        return fast(ids, cache, segments)
    return model(ids, cache, segments)


def last_logits(
    model: Transformer,
    ids: Int[Tensor, "B T"],
    cache: Cache | None,
    segments: Int[Tensor, "B T"] | None = None,
    n_last: int = 1,
) -> Float[Tensor, "B n_last V"]:
    """The logits after the last tokens of each prompt: by a step that takes prompts of any length, else by the model.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> last_logits(model, torch.tensor([[7, 3]]), model.new_cache()).shape
    torch.Size([1, 1, 10])
    """
    fast = decoder(model) if isinstance(cache, KVCache) else None
    if fast is not None and fast.most_vectors is None:
        assert isinstance(cache, KVCache)
        return fast(ids, cache, segments, n_last)
    return model.head(model.hidden(ids, cache, segments)[:, -n_last:])


def hidden_step(model: Trunk) -> Callable[..., Float[Tensor, "B T C"]] | None:
    """`Transformer.hidden` in C, for a `KVCache`, where the model's fast step is in C; None where it is not.

    >>> from minillm import ModelConfig
    >>> hidden_step(Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))) is None
    True
    """
    fast = decoder(model)
    return fast.hidden if isinstance(fast, NativeStep) else None


def install(model: Trunk, step: Step | None) -> None:
    """Let the model be computed by this step from now on, or by itself (None), until its weights change.

    >>> from minillm import ModelConfig, quantize
    >>> config = ModelConfig(vocab_size=48, d_model=32, n_layers=1, n_heads=2, d_ff=64, max_seq_len=16)
    >>> model = quantize(Transformer(config), "int4")
    >>> install(model, step := Decoder(model))
    >>> decoder(model) is step
    True
    """
    _STEPS[model] = None if step is None else (Snapshot(model), step)


@contextmanager
def steady(model: Trunk) -> Iterator[None]:
    """Within the block the model stays as it is, so `decoder` does not look at its weights before each token.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> with steady(model): next_logits(model, torch.tensor([[7]]), model.new_cache()).shape
    torch.Size([1, 1, 10])
    """
    with _steady(model, decoder(model)):
        yield


@contextmanager
def in_float32(model: Trunk) -> Iterator[None]:
    """`steady`, and a small model in float32 is decoded in C too, where the library is compiled.

    Its weights are packed at the beginning, which takes some milliseconds. Elsewhere a model in float32 is not: it may
    be trained, and `Snapshot` does not see what fused optimizers write.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=32, n_layers=1, n_heads=2, d_ff=32, max_seq_len=16))
    >>> with in_float32(model.eval()): step = decoder(model)
    >>> step is None or isinstance(step, NativeStep), decoder(model) is None
    (True, True)
    """
    fitting = (
        model.device.type == "cpu" and _is_small_in_float32(model) and was_compiled(SOURCE) and misfit(model) is None
    )
    step = NativeStep(model) if fitting and unavailable() is None else decoder(model)
    with _steady(model, step):
        yield


@contextmanager
def _steady(model: Trunk, step: Step | None) -> Iterator[None]:
    token = _STEADY.set((model, step))
    try:
        yield
    finally:
        _STEADY.reset(token)


def decoder(model: Trunk) -> Step | None:
    """The fast step of this model, made at first use; None where there is none, in training, and with hooks.

    >>> from minillm import ModelConfig
    >>> decoder(Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))) is None
    True
    """
    if model.training or model.device.type != "cpu":
        return None
    if (known := _STEADY.get()) is not None and known[0] is model:
        return known[1]
    if model not in _STEPS:
        install(model, _fastest(model))
    if (made := _STEPS[model]) is None:
        return None
    snapshot, step = made
    if not snapshot.holds():  # the step has copies of weights that were changed
        del _STEPS[model]
        return decoder(model)
    return None if snapshot.has_hooks() else step


def _fastest(model: Trunk) -> Step | None:
    if any(parameter.is_inference() for parameter in model.parameters()):  # torch does not count their changes
        return None
    if not _linear_in_float32(model) and misfit(model) is None and unavailable() is None:
        return NativeStep(model)
    return Decoder(model) if isinstance(model, Transformer) and fits(model) else None


def _linear_in_float32(model: Trunk) -> list[nn.Linear]:
    return [part for part in model.modules() if isinstance(part, nn.Linear) and part.weight.dtype == torch.float32]


def _is_small_in_float32(model: Trunk) -> bool:
    return 0 < sum(part.weight.nbytes for part in _linear_in_float32(model)) <= MOST_COPIED


def fits(model: Transformer) -> bool:
    """Whether `Decoder` can replace `model`: Llama's shape, all matrices of one quantized format, with a kernel.

    >>> from minillm import ModelConfig
    >>> fits(Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16)))
    False
    """
    c = model.config
    shape = (c.norm, c.activation, c.position, c.qk_norm, c.bias, c.causal)
    if shape != ("rmsnorm", "swiglu", "rotary", False, False, True):
        return False
    inside = [module for block in model.blocks for module in _matrices(block)]
    same_format = len({type(module) for module in inside}) == 1  # or they could not be joined
    return same_format and all(
        isinstance(matrix, QuantizedLinear) and matrix.has_kernel(model.device) for matrix in [*inside, model.head]
    )


class Decoder:
    """Logits of a few new tokens in every row, as `Transformer` computes them from the same cache.

    >>> from minillm import ModelConfig, quantize
    >>> config = ModelConfig(vocab_size=48, d_model=32, n_layers=1, n_heads=2, d_ff=64, max_seq_len=16)
    >>> model = quantize(Transformer(config), "int4")
    >>> Decoder(model)(torch.tensor([[7]]), model.new_cache()).shape
    torch.Size([1, 1, 48])
    """

    most_vectors: int | None = MOST_VECTORS

    def __init__(self, model: Transformer):
        c = model.config
        head: Any = model.head  # a QuantizedLinear, as `fits` requires
        self.embedding, self.head = model.embedding, head.product()
        self.layers = [_Layer(block) for block in model.blocks]
        self.final_norm = model.final_norm.weight.detach() * math.sqrt(c.d_model)
        self.n_heads, self.n_kv_heads, self.d_head = c.n_heads, c.n_kv_heads, c.d_head
        self.model = weakref.ref(model)  # a strong reference would keep it in `_STEPS` forever
        # |x|^2 = C mean(x^2), so x / sqrt(mean(x^2) + eps) is sqrt(C) x / hypot(|x|, sqrt(C eps)).
        self.sqrt_eps = torch.tensor(math.sqrt(c.d_model * c.norm_eps))

    @torch.inference_mode()
    def __call__(
        self,
        ids: Int[Tensor, "B T"],
        cache: KVCache,
        segments: Int[Tensor, "B T"] | None = None,
        n_last: int | None = None,
    ) -> Float[Tensor, "B n_last V"]:
        """Append T tokens to every row of `cache`; raises `UserError` where it or the model's context is full.

        `segments` as in `Transformer`: 0 where a row's new token is padding. `n_last`: see `Step`.
        """
        model = self.model()
        assert model is not None, "the model of this decoder was deleted"
        # 1. positions, angles and mask, as the model makes them
        context = model.context(ids, cache, segments)
        cache.check_capacity(T := ids.shape[1])
        B, K, D, n_past = len(ids), self.n_kv_heads, self.d_head, cache.length
        mask = self._mask(context, T)
        assert context.angles is not None, "`fits` takes rotary positions only"
        cos, sin = (torch.cat((part, part), -1).unsqueeze(-2) for part in context.angles)
        sin[..., : D // 2].neg_()
        keys, values = (part[:, :, :, : n_past + T].unbind(0) for part in (cache.keys, cache.values))
        new_keys, new_values = (part[:, :, :, n_past : n_past + T].unbind(0) for part in (cache.keys, cache.values))
        n_rotated, grouped = self.n_heads + K, (B, T, K, self.n_heads // K, D)  # queries and keys are rotated alike
        # 2. the blocks
        x = self.embedding(ids).flatten(0, 1)
        for index, layer in enumerate(self.layers):
            qkv = layer.qkv(self.normed(x, layer.attention_norm)).to(x.dtype).view(B, T, -1, D)
            qk, value = qkv.split((n_rotated, K), 2)
            # Both halves of `rotate` at once: x cos + (second half, first half) (-sin, sin).
            query, key = torch.addcmul(qk * cos, qk.roll(D // 2, -1), sin).split((self.n_heads, K), 2)
            new_keys[index].copy_(key.transpose(1, 2))
            new_values[index].copy_(value.transpose(1, 2))
            query = query.reshape(grouped).permute(0, 2, 3, 1, 4).flatten(2, 3)  # heads that share keys as rows of one
            mixed = F.scaled_dot_product_attention(query, keys[index], values[index], mask)
            mixed = mixed.unflatten(2, (-1, T)).permute(0, 3, 1, 2, 4).reshape(B * T, -1)
            x += layer.output(mixed.bfloat16())
            gate, up = layer.gate_up(self.normed(x, layer.feedforward_norm)).to(x.dtype).chunk(2, -1)
            x += layer.down(F.silu(gate).mul_(up).bfloat16())
        # 3. count what was appended, and score
        context.advance_cache()
        x = x.view(B, T, -1)[:, -(n_last or T) :].flatten(0, 1)
        return self.head(self.normed(x, self.final_norm)).to(x.dtype).unflatten(0, (B, -1))

    def _mask(self, context: Context, T: int) -> Float[Tensor, "*B1 rows S"] | None:
        """The context's mask as numbers to add to scores, once for each query head of a key/value head."""
        visible = causal_mask(T, T) if context.is_causal else context.mask
        if visible is None:
            return None
        mask = torch.zeros(visible.shape).masked_fill_(~visible, -math.inf)
        return torch.cat([mask] * (self.n_heads // self.n_kv_heads), -2)

    def normed(self, x: Float[Tensor, "N C"], weight: Float[Tensor, "C"]) -> Float[Tensor, "N C"]:
        """`RMSNorm`, in bfloat16 for the product that follows; `weight` includes the factor sqrt(C)."""
        norm = torch.hypot(torch.linalg.vector_norm(x, 2, -1, True), self.sqrt_eps)
        return (x / norm).mul_(weight).bfloat16()


class _Layer:
    """The products and norms of one block; the norms' weights include the factor sqrt(C)."""

    def __init__(self, block: Block):
        query, key, value, output, gate, up, down = _matrices(block)
        self.qkv, self.output = join([query, key, value]).product(), output.product()
        self.gate_up, self.down = join([gate, up]).product(), down.product()
        factor = math.sqrt(len(block.attention_norm.weight))
        self.attention_norm = block.attention_norm.weight.detach() * factor
        self.feedforward_norm = block.feedforward_norm.weight.detach() * factor


def _matrices(block: Block) -> list:
    a, f = block.attention, block.feedforward
    return [a.query, a.key, a.value, a.output, f.gate, f.up, f.down]
