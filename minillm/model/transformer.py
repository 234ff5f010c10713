"""The whole model: embed, pass through L blocks, normalise, and score every token of the vocabulary."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from minillm.config import ModelConfig
from minillm.model.attention import MultiHeadAttention, causal_mask
from minillm.model.embedding import TokenEmbedding
from minillm.model.feedforward import FeedForward
from minillm.model.kv_cache import KVCache
from minillm.model.norm import make_norm
from minillm.model.position import LearnedPosition, SinusoidalPosition, rotary_angles


class Block(nn.Module):
    """One layer: attention moves information between positions, the feed-forward works on each by itself.

    Both read a normalised copy and *add* what they find to the residual stream (pre-norm, Xiong et al. 2020).
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        c = config
        self.attention_norm = make_norm(c.norm, c.d_model, c.norm_eps, c.bias)
        self.attention = MultiHeadAttention(c.d_model, c.n_heads, c.n_kv_heads, c.d_head, c.bias, c.qk_norm, c.norm_eps)
        self.feedforward_norm = make_norm(c.norm, c.d_model, c.norm_eps, c.bias)
        self.feedforward = FeedForward(c.d_model, c.d_ff, c.activation, c.bias)

    def forward(self, x: Float[Tensor, "B T C"], **attention) -> Float[Tensor, "B T C"]:
        x = x + self.attention(self.attention_norm(x), **attention)
        return x + self.feedforward(self.feedforward_norm(x))


class Transformer(nn.Module):
    """Token ids (B, T) -> logits (B, T, V): row t scores every candidate for position t + 1.

    Raises `IndexError` for an id outside the vocabulary and `ValueError` for an empty or too long sequence.

    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> model(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 10])
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.embedding = TokenEmbedding(config.vocab_size, config.d_model)
        self.position = None  # rotary and none add nothing to the stream
        if config.position == "learned":
            self.position = LearnedPosition(config.max_seq_len, config.d_model)
        elif config.position == "sinusoidal":
            self.position = SinusoidalPosition(config.d_model)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.final_norm = make_norm(config.norm, config.d_model, config.norm_eps, config.bias)
        self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self._initialise()
        if config.tie_embeddings:
            self.head.weight = self.embedding.weight

    def _initialise(self) -> None:
        """Normal(0, 0.02) as in GPT-2; what writes to the residual stream is smaller by sqrt(2 L).

        The stream is a sum of 2 L writes, so its variance would otherwise grow with depth (Radford et al. 2019,
        section 2.3). Logits then start near zero, and the first loss is near ln V.
        """
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                writes = name.endswith(("attention.output.weight", "feedforward.down.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * self.config.n_layers) if writes else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, ids: Int[Tensor, "B T"], cache: KVCache | None = None) -> Float[Tensor, "B T V"]:
        """With a `cache`, `ids` are only the new tokens; the past is read from the cache."""
        return self.head(self.hidden(ids, cache))

    def hidden(self, ids: Int[Tensor, "B T"], cache: KVCache | None = None) -> Float[Tensor, "B T C"]:
        """The normalised vectors that the head turns into logits: all of `forward` but its largest matmul."""
        start = 0 if cache is None else cache.length
        self.check_length(ids.shape[1], start)
        positions = torch.arange(start, start + ids.shape[1], device=ids.device)
        x = self.embedding(ids)
        if self.position is not None:
            x = x + self.position(positions)
        angles = None
        if self.config.position == "rotary":
            angles = rotary_angles(positions, self.config.d_head, self.config.rope_theta)
        mask, is_causal = self._visibility(ids.shape[1], start, ids.device)
        for layer, block in enumerate(self.blocks):
            x = block(x, mask=mask, is_causal=is_causal, angles=angles, cache=cache, layer=layer)
        if cache is not None:
            cache.advance(ids.shape[1])
        return self.final_norm(x)

    def _visibility(self, T: int, start: int, device: torch.device) -> tuple[Bool[Tensor, "T S"] | None, bool]:
        """The mask, or the promise that it is the plain causal one. One new token may see all: no mask at all."""
        if not self.config.causal or T == 1:
            return None, False
        return (None, True) if start == 0 else (causal_mask(T, start + T, device), False)

    def check_length(self, T: int, start: int = 0) -> None:
        """Raise `ValueError` if T tokens after the first `start` are none, or more than the context holds."""
        if T == 0:
            raise ValueError("the sequence is empty; give at least one token, for example the end-of-text token")
        if start and not self.config.causal:
            raise ValueError("a model with causal=False cannot use a KV cache: later tokens would change earlier ones")
        if start + T > self.config.max_seq_len:
            raise ValueError(
                f"the sequence has {start + T} tokens, this model was built for {self.config.max_seq_len} "
                "(max_seq_len); shorten the text"
            )

    def new_cache(self, batch: int = 1, max_seq_len: int | None = None) -> KVCache:
        """An empty cache that fits this model, on its device and in its number format."""
        c, weight = self.config, self.embedding.weight
        length = max_seq_len or c.max_seq_len
        return KVCache(c.n_layers, batch, c.n_kv_heads, length, c.d_head, weight.dtype, weight.device)

    @property
    def device(self) -> torch.device:
        return self.embedding.weight.device


def count_parameters(config: ModelConfig) -> int:
    """How many numbers the model learns, from the formula; tests hold it against `Transformer` itself.

    >>> count_parameters(ModelConfig.preset("gpt2"))
    124439808
    """
    c = config
    qkv_width = (c.n_heads + 2 * c.n_kv_heads) * c.d_head
    attention = c.d_model * (qkv_width + c.n_heads * c.d_head) + (2 * c.d_head if c.qk_norm else 0)
    feedforward = c.d_model * c.d_ff * (3 if c.activation == "swiglu" else 2)
    norm = c.d_model * (2 if c.norm == "layernorm" and c.bias else 1)
    biases = 0
    if c.bias:
        biases = qkv_width + c.d_model + c.d_ff * (2 if c.activation == "swiglu" else 1) + c.d_model
    tables = c.vocab_size * c.d_model * (1 if c.tie_embeddings else 2)
    positions = c.max_seq_len * c.d_model if c.position == "learned" else 0
    return tables + positions + c.n_layers * (attention + feedforward + biases + 2 * norm) + norm


def count_flops(config: ModelConfig, n_tokens: int) -> int:
    """Floating-point operations of one forward pass over a sequence of `n_tokens`, a multiply-add counted as 2.

    Every weight that multiplies costs 2 per token (the embedding look-up costs none, the head does). Attention
    adds 4 C per pair of query and key it looks at: half of all pairs when causal, which is what is counted here
    although a plain kernel computes them all. Training costs three times this (Kaplan et al. 2020, section 2.1).

    >>> count_flops(ModelConfig.preset("gpt3"), n_tokens=1) / 1e9        # about 2 x 175 billion
    349.1...
    """
    c = config
    attention = c.d_model * c.d_head * (2 * c.n_heads + 2 * c.n_kv_heads)
    feedforward = c.d_model * c.d_ff * (3 if c.activation == "swiglu" else 2)
    weights = c.n_layers * (attention + feedforward) + c.vocab_size * c.d_model
    pairs = n_tokens * (n_tokens + 1) // 2 if c.causal else n_tokens**2
    return 2 * weights * n_tokens + 4 * c.n_layers * c.n_heads * c.d_head * pairs
