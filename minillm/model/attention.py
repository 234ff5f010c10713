"""Self-attention: every position takes a weighted mean of the values at the positions that it may see.

One function in three forms: `attention_by_loops` (to read), `attention_by_matmul` (as matrix products) and
`attention_by_sdpa` (torch's fused kernel). Tests hold them equal; the model takes the faster of the last two
(`attention`).
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from minillm import kernels
from minillm.errors import UserError
from minillm.model.kv_cache import Cache
from minillm.model.linear import Linear
from minillm.model.norm import RMSNorm
from minillm.model.position import rotate

MOST_WEIGHTS = 512 * 512  # of one head of one text, that `attention` stores


def causal_mask(T: int, S: int, device: torch.device | None = None, window: int | None = None) -> Bool[Tensor, "T S"]:
    """True where query t may see key s; the T queries are the last T of the S positions.

    With a sliding `window` a query sees at most that many keys, up to its own (Jiang et al. 2023, "Mistral 7B",
    section 2).

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

    `mask` is True where a query may see a key: (T, S), or (B, T, S) or (B, 1, T, S) where the rows of the batch
    differ; it is the same for all heads. Every query must see a key, which only this form checks. Query head h reads
    key/value head h // (H / K): with K = H that is multi-head attention, with K < H grouped-query attention (Ainslie et
    al. 2023). Scores are divided by sqrt(D), so that their spread does not grow with D. `bias` is added to the scores
    after that (ALiBi). Raises `UserError` for a mask that is not bool, as the other forms do.

    >>> query, key, value = torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 2, 2), torch.eye(2).view(1, 1, 2, 2)
    >>> attention_by_loops(query, key, value)                      # equal scores: the mean of both values
    tensor([[[[0.5000, 0.5000]]]])
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
                if not visible:
                    raise UserError(f"query {t} of row {b} may see no key; let a padding token see itself")
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
    """softmax(Q K^T / sqrt(D) + bias): the weight of each key for each query; every row sums to 1.

    >>> attention_weights(torch.zeros(1, 1, 2, 4), torch.zeros(1, 1, 2, 4), causal_mask(2, 2))
    tensor([[[[1.0000, 0.0000],
              [0.5000, 0.5000]]]])
    """
    scores = (query / math.sqrt(query.shape[-1])) @ _repeat_heads(key, query.shape[1]).mT
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    if mask is not None:
        mask = _for_all_heads(mask)
        # plus minus infinity: exactly 0 after softmax, in any number format
        scores = scores + torch.zeros_like(mask, dtype=scores.dtype).masked_fill_(~mask, -math.inf)
    return scores.softmax(-1)


def attention_by_matmul(
    query: Float[Tensor, "B H T D"],
    key: Float[Tensor, "B K S D"],
    value: Float[Tensor, "B K S D"],
    mask: Bool[Tensor, "*#B #T S"] | None = None,
    bias: Float[Tensor, "H T S"] | None = None,
) -> Float[Tensor, "B H T D"]:
    """`attention_by_loops` for all queries at once, as matrix products; all H x T x S weights are in memory.

    >>> query, key, value = torch.randn(3, 1, 2, 5, 4)
    >>> by_loops = attention_by_loops(query, key, value, causal_mask(5, 5))
    >>> torch.allclose(attention_by_matmul(query, key, value, causal_mask(5, 5)), by_loops, atol=1e-5)
    True
    """
    return attention_weights(query, key, mask, bias) @ _repeat_heads(value, query.shape[1])


def attention_by_sdpa(
    query: Float[Tensor, "B H T D"],
    key: Float[Tensor, "B K S D"],
    value: Float[Tensor, "B K S D"],
    mask: Bool[Tensor, "*#B #T S"] | None = None,
    is_causal: bool = False,
    bias: Float[Tensor, "H T S"] | None = None,
) -> Float[Tensor, "B H T D"]:
    """`attention_by_loops` through torch's fused kernel, which never stores the weights (Dao et al. 2022).

    (On a GPU it does store them where heads share keys and there is a mask.) `is_causal` means that the mask would be
    `causal_mask(T, T)`; the kernel then skips the hidden half. The kernel takes either a mask or numbers to add, so a
    `bias` and a mask are joined: minus infinity where the mask is False.

    >>> query, key, value = torch.randn(3, 1, 2, 5, 4)
    >>> by_loops = attention_by_loops(query, key, value, causal_mask(5, 5))
    >>> torch.allclose(attention_by_sdpa(query, key, value, is_causal=True), by_loops, atol=1e-5)
    True
    """
    mask_or_bias = mask = None if mask is None else _for_all_heads(mask)
    if bias is not None:
        mask_or_bias = bias.to(query.dtype).unsqueeze(0)
        if is_causal:
            mask, is_causal = causal_mask(query.shape[2], key.shape[2], query.device), False
        if mask is not None:
            mask_or_bias = mask_or_bias.where(mask, -math.inf)
    shares_keys = query.shape[1] != key.shape[1]
    return F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask_or_bias, is_causal=is_causal, enable_gqa=shares_keys
    )


def attention(
    query: Float[Tensor, "B H T D"],
    key: Float[Tensor, "B K S D"],
    value: Float[Tensor, "B K S D"],
    mask: Bool[Tensor, "*#B #T S"] | None = None,
    is_causal: bool = False,
    bias: Float[Tensor, "H T S"] | None = None,
) -> Float[Tensor, "B H T D"]:
    """`attention_by_sdpa`, or a faster form: in training on a CPU, where short texts have few weights to store.

    With the fused `kernels`, that is `kernels.attention`. Without them it is `attention_by_matmul` in bfloat16: there
    torch's kernel, forward and backward, takes 1.5 to 5 times as long.

    >>> query, key, value = torch.randn(3, 1, 2, 5, 4)
    >>> with torch.autocast("cpu", torch.bfloat16): attention(query, key, value).dtype
    torch.bfloat16
    """
    T, S, H = query.shape[2], key.shape[2], query.shape[1]
    if query.device.type == "cpu" and T * S <= MOST_WEIGHTS:
        if bias is None and (is_causal or mask is not None) and kernels.usable(query, key, value):
            mask = None if is_causal or mask is None else _for_all_heads(mask).squeeze(1)
            return kernels.attention(query, _repeat_heads(key, H), _repeat_heads(value, H), mask)
        if torch.is_autocast_enabled("cpu"):
            return attention_by_matmul(query, key, value, causal_mask(T, S) if is_causal else mask, bias)
    return attention_by_sdpa(query, key, value, mask, is_causal, bias)


def _for_all_heads(mask: Bool[Tensor, "... T S"]) -> Bool[Tensor, "... T S"]:
    """(B, T, S) as (B, 1, T, S), since broadcasting would read its first dimension as heads."""
    if mask.dtype != torch.bool:  # torch's kernel would add the numbers to the scores
        raise UserError(f"the mask is of {mask.dtype}; give mask.bool(), True where a query may see a key, or a bias")
    return mask.unsqueeze(1) if mask.dim() == 3 else mask


def _repeat_heads(x: Float[Tensor, "B K S D"], n_heads: int) -> Float[Tensor, "B H S D"]:
    return x if x.shape[1] == n_heads else x.repeat_interleave(n_heads // x.shape[1], dim=1)


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
        self.query = Linear(d_model, n_heads * self.d_head, bias=bias)
        self.key = Linear(d_model, n_kv_heads * self.d_head, bias=bias)
        self.value = Linear(d_model, n_kv_heads * self.d_head, bias=bias)
        self.output = Linear(n_heads * self.d_head, d_model, bias=bias if output_bias is None else output_bias)
        # Normalized queries and keys keep the scores bounded, so training tolerates a larger learning rate.
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
        """Attend from the positions of `x` to those before it in `cache` and to its own, as far as `mask` allows.

        `mask`, `is_causal` and `bias` are those of `attention_by_sdpa`; `angles` are those of `rotate`. `layer` says
        whose keys and values the cache should store.
        """
        query, key, value = self.project(x, angles)
        if cache is not None:
            key, value = cache.append(layer, key, value)
        heads = attention(query, key, value, mask, is_causal, bias)  # (B, H, T, D)
        return self.output(heads.transpose(1, 2).flatten(2))

    def project(
        self,
        x: Float[Tensor, "B T C"],
        angles: tuple[Float[Tensor, "*B1 T half"], Float[Tensor, "*B1 T half"]] | None = None,
    ) -> tuple[Float[Tensor, "B H T D"], Float[Tensor, "B K T D"], Float[Tensor, "B K T D"]]:
        """Queries, keys and values of `x`: projected, split into heads, normalized, rotated."""
        query, key, value = (self._heads(project(x)) for project in (self.query, self.key, self.value))
        if self.query_norm is not None and self.key_norm is not None:
            query, key = self.query_norm(query), self.key_norm(key)
        if angles is not None:
            query, key = rotate(query, *angles), rotate(key, *angles)
        return query, key, value

    def _heads(self, x: Float[Tensor, "B T HD"]) -> Float[Tensor, "B H T D"]:
        return x.unflatten(-1, (-1, self.d_head)).transpose(1, 2)
