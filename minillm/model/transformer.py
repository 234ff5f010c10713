"""The whole model: embed the tokens, apply L blocks, normalize, and score every token of the vocabulary.

All but the last step is the `Trunk`, which a reward model has too; `Transformer` is the language model on it.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from minillm.config import ModelConfig
from minillm.errors import UserError
from minillm.model.attention import MultiHeadAttention
from minillm.model.context import Context, check_length, make_context
from minillm.model.embedding import TokenEmbedding
from minillm.model.feedforward import FeedForward
from minillm.model.kv_cache import Cache, KVCache
from minillm.model.linear import Linear
from minillm.model.norm import make_norm
from minillm.model.position import LearnedPosition, SinusoidalPosition


class Block(nn.Module):
    """One layer: attention moves information between positions, the feed-forward network works on each by itself.

    Both read a normalized copy of the residual stream and add their output to it (pre-norm, Xiong et al. 2020).
    `attention` are the keyword arguments of `MultiHeadAttention`, from `Context.for_layer`.

    >>> block = Block(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> block(torch.zeros(1, 3, 8), is_causal=True).shape
    torch.Size([1, 3, 8])
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        c, everywhere = config, config.bias is True
        self.attention_norm = make_norm(c.norm, c.d_model, c.norm_eps, everywhere)
        self.attention = MultiHeadAttention(
            c.d_model, c.n_heads, c.n_kv_heads, c.d_head, bool(c.bias), c.qk_norm, c.norm_eps,
            output_bias=c.bias in (True, "attention"),
        )  # fmt: skip
        self.feedforward_norm = make_norm(c.norm, c.d_model, c.norm_eps, everywhere)
        self.feedforward = FeedForward(c.d_model, c.d_ff, c.activation, everywhere)

    def forward(self, x: Float[Tensor, "B T C"], **attention) -> Float[Tensor, "B T C"]:
        x = x + self.attention(self.attention_norm(x), **attention)
        return x + self.feedforward(self.feedforward_norm(x))


class Trunk(nn.Module):
    """Token ids (B, T) -> one vector per token (B, T, C): a language model without its head.

    Raises `UserError` for an id outside the vocabulary, and for an empty or too long sequence.

    >>> trunk = Trunk(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> trunk(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 8])
    """

    blocks: Sequence[Block]  # a ModuleList, which has no element type

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self._build(config)
        self._initialize()

    def _build(self, config: ModelConfig) -> None:
        """Make the layers, in the order of the forward pass."""
        self.embedding = TokenEmbedding(config.vocab_size, config.d_model)
        self.position = None  # rotary, alibi and none add nothing to the stream
        if config.position == "learned":
            self.position = LearnedPosition(config.max_seq_len, config.d_model)
        elif config.position == "sinusoidal":
            self.position = SinusoidalPosition(config.d_model)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))  # pyright: ignore
        self.final_norm = make_norm(config.norm, config.d_model, config.norm_eps, config.bias is True)

    def _initialize(self) -> None:
        """Normal(0, 0.02) as in GPT-2; matrices that write to the residual stream are smaller by sqrt(2 L).

        The stream is a sum of 2 L writes, so its variance would otherwise grow with depth (Radford et al. 2019,
        section 2.3). Logits start near zero, and the first loss is near ln V. The embedding has its own
        `embedding_std`.
        """
        for name, parameter in self.named_parameters():
            if name == "embedding.weight":
                nn.init.normal_(parameter, std=self.config.embedding_std)
            elif parameter.dim() == 2:
                writes = name.endswith(("attention.output.weight", "feedforward.down.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * self.config.n_layers) if writes else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def hidden(
        self, ids: Int[Tensor, "B T"], cache: Cache | None = None, segments: Int[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T C"]:
        """The normalized vectors at the end of the stream; with a `cache`, `ids` are only the new tokens.

        The cache holds what came before them. With `segments`, a row holds several texts, or padding: 0 is padding,
        1, 2, 3, ... are the texts from left to right. A token sees its own text only, and its position counts from
        there. What follows in a cache without `segments` continues the last text of its row. Raises `UserError` for
        segments out of order.
        """
        context = self.context(ids, cache, segments)
        x = self.embedding(ids)
        if self.position is not None:
            x = x + self.position(context.positions).to(x.dtype)  # sines are float32 in a bfloat16 model too
        for layer, block in enumerate(self.blocks):
            x = block(x, **context.for_layer(layer))
        context.advance_cache()
        return self.final_norm(x)

    forward = hidden

    def context(
        self, ids: Int[Tensor, "B T"], cache: Cache | None = None, segments: Int[Tensor, "B T"] | None = None
    ) -> Context:
        """Positions, mask, angles or bias, and cache of a forward pass over `ids`: the same for all layers."""
        return make_context(self.config, ids, cache, segments)

    def check_length(self, n_tokens: int) -> None:
        """Raise `UserError` for a text of no tokens, or of more than the context holds."""
        check_length(self.config, n_tokens)

    def extend_context(self, max_seq_len: int) -> None:
        """Accept sequences of up to `max_seq_len` tokens from now on, whatever the model was built for.

        Rotary, sinusoidal and ALiBi positions are formulas and exist at any length. Quality beyond the training length
        is not guaranteed (Press et al. 2022 measure it), so you have to ask for it. Raises `UserError` where positions
        are learned, since their table ends at `max_seq_len`.

        >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=4))
        >>> model.extend_context(16)
        >>> model(torch.zeros(1, 16, dtype=torch.long)).shape
        torch.Size([1, 16, 10])
        """
        if self.config.position == "learned":
            raise UserError(
                f"this model has learned {self.config.max_seq_len} positions and cannot go to {max_seq_len}: there is "
                'no vector for the others; train it longer, or with position="rotary", "alibi", "sinusoidal" or "none"'
            )
        self.config = self.config.replace(max_seq_len=max_seq_len)

    def new_cache(self, batch: int = 1, max_seq_len: int | None = None) -> KVCache:
        """An empty cache that fits this model, on its device and in its number format."""
        c, weight = self.config, self.final_norm.weight  # a plain tensor also in a quantized model
        length, n_layers = max_seq_len or c.max_seq_len, len(self.blocks)  # as they are, even if one was repeated
        return KVCache(n_layers, batch, c.n_kv_heads, length, c.d_head, weight.dtype, weight.device)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.final_norm.weight.device


class Transformer(Trunk):
    """The language model, token ids (B, T) -> logits (B, T, V): row t scores every candidate for position t + 1.

    Raises what `Trunk` raises.

    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> model(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 10])
    """

    def __init__(self, config: ModelConfig):
        super().__init__(config)
        if config.tie_embeddings:
            self.head.weight = self.embedding.weight

    def _build(self, config: ModelConfig) -> None:
        super()._build(config)
        self.head = Linear(config.d_model, config.vocab_size, bias=False)

    def forward(
        self, ids: Int[Tensor, "B T"], cache: Cache | None = None, segments: Int[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T V"]:
        """Logits; `cache` and `segments` as in `hidden`, whose vectors the head, the largest matmul, scores."""
        return self.head(self.hidden(ids, cache, segments))

    def trunk(self) -> Trunk:
        """The model without its head; both share their weights.

        >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
        >>> ids = torch.tensor([[1, 2, 3]])
        >>> torch.equal(model.head(model.trunk()(ids)), model(ids))
        True
        """
        with torch.device("meta"):  # its own layers take no memory; the model's replace them
            trunk = Trunk(self.config)
        for name, part in self.named_children():
            if name != "head":
                setattr(trunk, name, part)
        return trunk


def check_language_model(model: object) -> None:
    """Raise `UserError` for anything but a `Transformer`: a reward model, say, does not predict the next token.

    >>> check_language_model(Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=4)))
    """
    if not isinstance(model, Transformer):
        raise UserError(
            f"the model is a {type(model).__name__}; give a language model, which predicts the next token (Transformer)"
        )
