"""Self-attention: every position asks all earlier ones a question and takes a weighted mean of their answers.

One idea, three forms: `attention_by_loops` (to read), `attention_by_matmul` (the textbook's
matrices) and `attention_by_sdpa` (torch's fused kernel, which the model uses). Tests hold them equal.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from minillm.errors import UserError
from minillm.model.kv_cache import Cache
from minillm.model.norm import RMSNorm
from minillm.model.position import rotate


def causal_mask(T: int, S: int, device: torch.device | None = None, window: int | None = None) -> Bool[Tensor, "T S"]:
    """True where query t may see key s. The T queries are the last T of the S positions.

    With a sliding `window` a query sees so many keys at most, the last of them its own (Jiang et al. 2023, "Mistral
    7B", section 2).

    >>> causal_mask(2, 3)
    tensor([[ True,  True, False],
            [ True,  True,  True]])
    >>> causal_mask(2, 3, window=2)
    tensor([[ True,  True, False],
            [False,  True,  True]])
    """
    visible = torch.ones(T, S, dtype=torch.bool, device=device).tril(S - T)
    return visible if window is None else visible.triu(S - T - window + 1)


def attention_by_loops(
    query: Float[Tensor, "B H T D"],
    key: Float[Tensor, "B K S D"],
    value: Float[Tensor, "B K S D"],
    mask: Bool[Tensor, "*#B #T S"] | None = None,
    bias: Float[Tensor, "H T S"] | None = None,
) -> Float[Tensor, "B H T D"]:
    """Attention one query at a time: score, softmax, weighted mean (Vaswani et al. 2017, eq. 1).

    `mask` is True where a query may look, in all heads: (T, S), or (B, T, S) or (B, 1, T, S) where rows differ.
    Query head h reads key/value head h // (H / K): with K = H that is ordinary multi-head attention, with K < H
    grouped-query attention (Ainslie et al. 2023). Scores are divided by sqrt(D), so that their spread does not grow
    with the head's width. `bias` is added to the scores after that (ALiBi).
    """
    (B, H, T, D), (K, S) = query.shape, key.shape[1:3]
    mask = torch.ones(T, S, dtype=torch.bool) if mask is None else mask
    allowed = _for_all_heads(mask).expand(B, 1, T, S)
    out = torch.empty_like(query)
    for b in range(B):
        for h in range(H):
            group = h // (H // K)
            for t in range(T):
                visible = [s for s in range(S) if allowed[b, 0, t, s]]
                scores = torch.stack([query[b, h, t] @ key[b, group, s] / math.sqrt(D) for s in visible])
                if bias is not None:
                    scores = scores + bias[h, t, visible]
                weights = scores.softmax(0)
                out[b, h, t] = sum(w * value[b, group, s] for w, s in zip(weights, visible, strict=True))
    return out


def attention_weights(
    query: Float[Tensor, "B H T D"],
    key: Float[Tensor, "B K S D"],
    mask: Bool[Tensor, "*#B #T S"] | None = None,
    bias: Float[Tensor, "H T S"] | None = None,
) -> Float[Tensor, "B H T S"]:
    """softmax(Q K^T / sqrt(D) + bias): how much each query takes from each key; every row sums to 1."""
    scores = query @ _repeat_heads(key, query.shape[1]).mT / math.sqrt(query.shape[-1])
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    if mask is not None:
        # minus infinity: exactly 0 after softmax, in any number format
        scores = scores.masked_fill(~_for_all_heads(mask), -math.inf)
    return scores.softmax(-1)


def attention_by_matmul(
    query: Float[Tensor, "B H T D"],
    key: Float[Tensor, "B K S D"],
    value: Float[Tensor, "B K S D"],
    mask: Bool[Tensor, "*#B #T S"] | None = None,
    bias: Float[Tensor, "H T S"] | None = None,
) -> Float[Tensor, "B H T D"]:
    """The same for all queries at once, as matrix products; it holds all H x T x S weights in memory."""
    return attention_weights(query, key, mask, bias) @ _repeat_heads(value, query.shape[1])


def attention_by_sdpa(
    query: Float[Tensor, "B H T D"],
    key: Float[Tensor, "B K S D"],
    value: Float[Tensor, "B K S D"],
    mask: Bool[Tensor, "*#B #T S"] | None = None,
    is_causal: bool = False,
    bias: Float[Tensor, "H T S"] | None = None,
) -> Float[Tensor, "B H T D"]:
    """The same through torch's fused kernel, which never stores the weights (Dao et al. 2022; on a card it
    does where heads share keys and there is a mask).

    `is_causal` promises that the mask would be `causal_mask(T, T)`; the kernel then skips the hidden half.
    It takes one table, so a `bias` and what is hidden become one: minus infinity where the mask is False.
    """
    table = mask = None if mask is None else _for_all_heads(mask)
    if bias is not None:
        table = bias.to(query.dtype).unsqueeze(0)
        if is_causal:
            mask, is_causal = causal_mask(query.shape[2], key.shape[2], query.device), False
        if mask is not None:
            table = table.where(mask, -math.inf)
    grouped = query.shape[1] != key.shape[1]
    return F.scaled_dot_product_attention(query, key, value, attn_mask=table, is_causal=is_causal, enable_gqa=grouped)


def _for_all_heads(mask: Bool[Tensor, "... T S"]) -> Bool[Tensor, "... T S"]:
    """(B, T, S) as (B, 1, T, S); as it is, it would be read as a mask per head."""
    return mask.unsqueeze(1) if mask.dim() == 3 else mask


def _repeat_heads(x: Float[Tensor, "B K S D"], n_heads: int) -> Float[Tensor, "B H S D"]:
    return x.repeat_interleave(n_heads // x.shape[1], dim=1)


class MultiHeadAttention(nn.Module):
    """Project to queries, keys and values, attend in H heads, project back: (B, T, C) -> (B, T, C).

    >>> attention = MultiHeadAttention(d_model=8, n_heads=4, n_kv_heads=2)
    >>> attention(torch.zeros(1, 5, 8), is_causal=True).shape
    torch.Size([1, 5, 8])
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        n_kv_heads: int | None = None,
        d_head: int | None = None,
        bias: bool = False,
        qk_norm: bool = False,
        norm_eps: float = 1e-5,
        output_bias: bool | None = None,  # None: as `bias`
    ):
        super().__init__()
        if d_head is None and d_model % n_heads:
            raise UserError(f"d_model ({d_model}) must be a multiple of n_heads ({n_heads}), or give d_head")
        self.d_head = int(d_head or d_model // n_heads)
        n_kv_heads = n_kv_heads or n_heads
        if n_heads % n_kv_heads:
            raise UserError(f"n_heads ({n_heads}) must be a multiple of n_kv_heads ({n_kv_heads})")
        self.query = nn.Linear(d_model, n_heads * self.d_head, bias=bias)
        self.key = nn.Linear(d_model, n_kv_heads * self.d_head, bias=bias)
        self.value = nn.Linear(d_model, n_kv_heads * self.d_head, bias=bias)
        self.output = nn.Linear(n_heads * self.d_head, d_model, bias=bias if output_bias is None else output_bias)
        # Normalised queries and keys keep the scores bounded, so training bears a larger learning rate.
        self.query_norm = RMSNorm(self.d_head, norm_eps) if qk_norm else None
        self.key_norm = RMSNorm(self.d_head, norm_eps) if qk_norm else None

    def forward(
        self,
        x: Float[Tensor, "B T C"],
        mask: Bool[Tensor, "*#B #T S"] | None = None,
        is_causal: bool = False,
        angles: tuple[Float[Tensor, "*B1 T half"], Float[Tensor, "*B1 T half"]] | None = None,
        bias: Float[Tensor, "H T S"] | None = None,
        cache: Cache | None = None,
        layer: int = 0,
    ) -> Float[Tensor, "B T C"]:
        """`angles` turns queries and keys (rotary), `bias` is added to the scores (ALiBi).

        With `cache`, keys and values of the past are reused.
        """
        query, key, value = self.project(x, angles)
        if cache is not None:
            key, value = cache.append(layer, key, value)
        heads = attention_by_sdpa(query, key, value, mask, is_causal, bias)  # (B, H, T, D)
        return self.output(heads.transpose(1, 2).flatten(2))

    def project(
        self,
        x: Float[Tensor, "B T C"],
        angles: tuple[Float[Tensor, "*B1 T half"], Float[Tensor, "*B1 T half"]] | None = None,
    ) -> tuple[Float[Tensor, "B H T D"], Float[Tensor, "B K T D"], Float[Tensor, "B K T D"]]:
        """The queries, keys and values of x as the attention uses them: cut into heads, normalised, turned."""
        query, key, value = (self._heads(project(x)) for project in (self.query, self.key, self.value))
        if self.query_norm is not None and self.key_norm is not None:
            query, key = self.query_norm(query), self.key_norm(key)
        if angles is not None:
            query, key = rotate(query, *angles), rotate(key, *angles)
        return query, key, value

    def _heads(self, x: Float[Tensor, "B T HD"]) -> Float[Tensor, "B H T D"]:
        return x.unflatten(-1, (-1, self.d_head)).transpose(1, 2)
