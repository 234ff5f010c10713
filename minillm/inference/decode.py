"""A fast decoding step: the model's own arithmetic on plain tensors, for quantized models of Llama's shape.

`Transformer` with a cache computes the same and is the form to read. With weights of 4 bits, its matrix products take
only a third of a step; the rest goes into hundreds of small operations between them, a few microseconds each. This form
has fewer of them: queries, keys and values are one product, gate and up are another, a norm is four operations, and the
heads that share keys are passed to the attention kernel as queries of one head.
"""

import math
import weakref
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from minillm.model.attention import causal_mask
from minillm.model.context import Context
from minillm.model.kv_cache import Cache, KVCache
from minillm.model.quantized_linear import MOST_VECTORS, QuantizedLinear, join
from minillm.model.transformer import Block, Transformer


@runtime_checkable
class Step(Protocol):
    """A fast form of a model's forward pass over the new tokens of a cache."""

    most_vectors: int | None  # up to so many tokens in all rows together it is fast; None: any number

    def __call__(
        self,
        ids: Int[Tensor, "B T"],
        cache: KVCache,
        segments: Int[Tensor, "B T"] | None = None,
        last_only: bool = False,
    ) -> Float[Tensor, "B T1 V"]:
        """Append T tokens to every row of the cache; the logits after each, or after the last one only."""
        ...


_DECODERS: "weakref.WeakKeyDictionary[Transformer, Step | None]" = weakref.WeakKeyDictionary()


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
    model: Transformer, ids: Int[Tensor, "B T"], cache: Cache | None, segments: Int[Tensor, "B T"] | None = None
) -> Float[Tensor, "B V"]:
    """The logits after the last token of each prompt: by an installed step that takes prompts of any length, else by
    the model itself.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> last_logits(model, torch.tensor([[7, 3]]), model.new_cache()).shape
    torch.Size([1, 10])
    """
    step = _DECODERS.get(model) if model.device.type == "cpu" else None
    if step is not None and step.most_vectors is None and isinstance(cache, KVCache):
        return step(ids, cache, segments, last_only=True)[:, -1]
    return model.head(model.hidden(ids, cache, segments)[:, -1])


def install(model: Transformer, step: Step | None) -> None:
    """Let `next_logits` take this step for the model from now on, or the model itself (None).

    >>> from minillm import ModelConfig, quantize
    >>> config = ModelConfig(vocab_size=48, d_model=32, n_layers=1, n_heads=2, d_ff=64, max_seq_len=16)
    >>> model = quantize(Transformer(config), "int4")
    >>> install(model, step := Decoder(model))
    >>> decoder(model) is step
    True
    """
    _DECODERS[model] = step


def decoder(model: Transformer) -> Step | None:
    """The fast step of this model: what was installed, else a `Decoder`, made once; None where `fits` is False.

    >>> from minillm import ModelConfig
    >>> decoder(Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))) is None
    True
    """
    if model.device.type != "cpu":  # it was moved after a decoder was made
        return None
    if model not in _DECODERS:
        _DECODERS[model] = Decoder(model) if fits(model) else None
    return _DECODERS[model]


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
        self.model = weakref.ref(model)  # a strong reference would keep it in `_DECODERS` forever
        # |x|^2 = C mean(x^2), so x / sqrt(mean(x^2) + eps) is sqrt(C) x / hypot(|x|, sqrt(C eps)).
        self.sqrt_eps = torch.tensor(math.sqrt(c.d_model * c.norm_eps))

    @torch.inference_mode()
    def __call__(
        self,
        ids: Int[Tensor, "B T"],
        cache: KVCache,
        segments: Int[Tensor, "B T"] | None = None,
        last_only: bool = False,
    ) -> Float[Tensor, "B T1 V"]:
        """Append T tokens to every row of `cache`; raises `ValueError` where it or the model's context is full.

        `segments` as in `Transformer`: 0 where a row's new token is padding.
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
        x = x.view(B, T, -1)[:, -1] if last_only else x
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
