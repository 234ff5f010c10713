"""One step of writing, fast: the model's own arithmetic on plain tensors, for quantised models of Llama's shape.

`Transformer` with a cache computes the same; it is the form to read. With weights of 4 bits, though, its products take
only a third of a step, and the rest goes into hundreds of small operations between them, a few microseconds each.
So this form has fewer: queries, keys and values are one product, gate and up are another, a norm is four operations,
and the heads that share keys are handed to the attention kernel as its queries.
"""

import math
import weakref

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from minillm.model.kv_cache import KVCache
from minillm.model.position import rotary_angles
from minillm.model.quantized_linear import QuantizedLinear, join
from minillm.model.transformer import Block, Transformer

_DECODERS: "weakref.WeakKeyDictionary[Transformer, Decoder]" = weakref.WeakKeyDictionary()


def decoder(model: Transformer) -> "Decoder | None":
    """The fast form of this model, made once for each; None where only the readable one will do."""
    if model not in _DECODERS and fits(model):
        _DECODERS[model] = Decoder(model)
    return _DECODERS.get(model)


def fits(model: Transformer) -> bool:
    """Whether `Decoder` can stand for `model`: Llama's shape, matrices quantised alike, with a kernel."""
    c = model.config
    plain = (c.norm, c.activation, c.position, c.qk_norm, c.bias, c.causal)
    if plain != ("rmsnorm", "swiglu", "rotary", False, False, True):
        return False
    inside = [module for block in model.blocks for module in _matrices(block)]
    return (
        len({type(module) for module in inside}) == 1
        and all(isinstance(module, QuantizedLinear) and module.has_kernel(model.device) for module in inside)
        and isinstance(model.head, QuantizedLinear)
    )


class Decoder:
    """Logits of one new token in every row, as `Transformer` computes them from the same cache.

    >>> from minillm import ModelConfig, quantize
    >>> config = ModelConfig(vocab_size=48, d_model=32, n_layers=1, n_heads=2, d_ff=64, max_seq_len=16)
    >>> model = quantize(Transformer(config), "int4")
    >>> Decoder(model)(torch.tensor([7]), model.new_cache()).shape
    torch.Size([1, 48])
    """

    def __init__(self, model: Transformer):
        c = model.config
        self.embedding, self.head, self.layers = model.embedding, model.head, [_Layer(block) for block in model.blocks]
        self.final_norm = model.final_norm.weight * math.sqrt(c.d_model)
        self.n_heads, self.n_kv_heads, self.d_head, self.rope_theta = c.n_heads, c.n_kv_heads, c.d_head, c.rope_theta
        # |x|^2 = C mean(x^2), so x / sqrt(mean(x^2) + eps) is sqrt(C) x / hypot(|x|, sqrt(C eps)).
        self.floor = torch.tensor(math.sqrt(c.d_model * c.norm_eps))

    @torch.inference_mode()
    def __call__(self, tokens: Int[Tensor, "B"], cache: KVCache) -> Float[Tensor, "B V"]:
        """Append one token to every row of `cache`; raises `ValueError` when it is full, as the cache does."""
        cache.check_room(1)
        here, end, heads = cache.length, cache.length + 1, (len(tokens), self.n_kv_heads, -1, self.d_head)
        turned = self.n_heads + self.n_kv_heads  # rotary turns queries and keys alike
        cos, sin = (part.repeat(1, 2) for part in rotary_angles(torch.tensor([here]), self.d_head, self.rope_theta))
        sin[:, : self.d_head // 2].neg_()
        keys, values = cache.keys[:, :, :, :end].unbind(0), cache.values[:, :, :, :end].unbind(0)
        new_keys, new_values = cache.keys[:, :, :, here].unbind(0), cache.values[:, :, :, here].unbind(0)
        x = self.embedding(tokens)
        for number, layer in enumerate(self.layers):
            qkv = layer.qkv.multiply(self.normed(x, layer.attention_norm)).to(x.dtype)
            qkv = qkv.unflatten(1, (-1, self.d_head))  # (B, H + 2 K, D)
            qk = qkv[:, :turned]
            qk = torch.addcmul(qk * cos, qk.roll(self.d_head // 2, -1), sin)  # both halves of `rotate` at once
            new_keys[number].copy_(qk[:, self.n_heads :])
            new_values[number].copy_(qkv[:, turned:])
            query = qk[:, : self.n_heads].reshape(heads)  # (B, K, H / K, D): all that one key/value head serves
            mixed = F.scaled_dot_product_attention(query, keys[number], values[number])
            x += layer.output.multiply(mixed.reshape(len(tokens), -1).bfloat16())
            gate, up = layer.gate_up.multiply(self.normed(x, layer.feedforward_norm)).to(x.dtype).chunk(2, -1)
            x += layer.down.multiply(F.silu(gate).mul_(up).bfloat16())
        cache.advance(1)
        return self.head.multiply(self.normed(x, self.final_norm)).to(x.dtype)

    def normed(self, x: Float[Tensor, "B C"], weight: Float[Tensor, "C"]) -> Float[Tensor, "B C"]:
        """`RMSNorm`, in bfloat16 for the product that follows; `weight` holds the factor sqrt(C)."""
        size = torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True), self.floor)
        return (x / size).mul_(weight).bfloat16()


class _Layer:
    """A block's tensors, joined."""

    def __init__(self, block: Block):
        query, key, value, self.output, gate, up, self.down = _matrices(block)
        self.qkv, self.gate_up = join([query, key, value]), join([gate, up])
        factor = math.sqrt(len(block.attention_norm.weight))
        self.attention_norm = block.attention_norm.weight.detach() * factor
        self.feedforward_norm = block.feedforward_norm.weight.detach() * factor


def _matrices(block: Block) -> list:
    a, f = block.attention, block.feedforward
    return [a.query, a.key, a.value, a.output, f.gate, f.up, f.down]
