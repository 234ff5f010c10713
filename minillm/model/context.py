"""What one forward pass knows about its tokens: positions, mask, rotary angles or ALiBi bias, cache.

Every forward pass makes it here, once, and all layers share it: the readable `Transformer` and the fast `Decoder` of
`minillm/inference/decode.py` read the same `Context`.
"""

from dataclasses import dataclass
from reprlib import repr as shortened
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from minillm.config import ModelConfig
from minillm.errors import UserError
from minillm.model.attention import causal_mask
from minillm.model.embedding import are_known
from minillm.model.kv_cache import Cache
from minillm.model.position import alibi_bias, rotary_angles
from minillm.model.segments import check_segments, segment_mask, segment_positions


@dataclass(frozen=True)
class Context:
    """T new tokens in each row, after the `cache.length` that a cache holds; S tokens in all.

    - `positions`: (T,), or (B, T) where rows differ; each counts from the beginning of its own text
    - `mask`: True where a query may see a key; None where `is_causal` holds, or every query sees every key
    - `is_causal`: the mask would be `causal_mask(T, T)`, and a kernel can skip the hidden half
    - `angles`: cosines and sines for `rotate`; rotary positions only
    - `bias`: added to the scores; ALiBi only
    - `segments`: which text of its row each token belongs to; None where each row is one text
    """

    positions: Int[Tensor, "*B T"]
    mask: Bool[Tensor, "*B1 T S"] | None = None
    is_causal: bool = False
    angles: tuple[Float[Tensor, "*B T half"], Float[Tensor, "*B T half"]] | None = None
    bias: Float[Tensor, "H T S"] | None = None
    segments: Int[Tensor, "B S"] | None = None
    cache: Cache | None = None

    def for_layer(self, layer: int) -> dict[str, Any]:
        """The keyword arguments of `MultiHeadAttention` in one layer.

        >>> Context(torch.arange(3), is_causal=True).for_layer(0)["is_causal"]
        True
        """
        return dict(
            mask=self.mask, is_causal=self.is_causal, angles=self.angles, bias=self.bias, cache=self.cache, layer=layer
        )

    def advance_cache(self) -> None:
        """Count the T tokens as cached, after every layer has appended their keys and values."""
        if self.cache is not None:
            self.cache.advance(self.positions.shape[-1], self.segments)


def make_context(
    config: ModelConfig,
    ids: Int[Tensor, "B T"],
    cache: Cache | None = None,
    segments: Int[Tensor, "B T"] | None = None,
) -> Context:
    """The context of `ids` as new tokens after those in `cache`, with the arguments of `Transformer.forward`.

    Raises `UserError` for ids that are not (B, T), a wrong length (`check_length`), and segments of another shape or
    out of order.

    >>> config = ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16)
    >>> ids = torch.tensor([[4, 5, 6]])
    >>> make_context(config, ids).is_causal
    True
    >>> make_context(config, ids, segments=torch.tensor([[1, 2, 2]])).positions
    tensor([[0, 0, 1]])
    """
    if not isinstance(ids, Tensor) or ids.dim() != 2 or ids.is_floating_point():
        raise UserError(f"ids is {shortened(ids)}; give token ids as a tensor of integers, (B, T)")
    if segments is not None and segments.shape != ids.shape:
        raise UserError(f"ids are {tuple(ids.shape)} and segments {tuple(segments.shape)}; each id needs its own")
    T, n_past = ids.shape[1], 0 if cache is None else cache.length
    if cache is not None:
        segments = _with_past(cache, segments, T)  # (B, S)
    # 1. positions, and which keys each query may see
    if segments is None:
        check_length(config, T, n_past)
        positions = torch.arange(n_past, n_past + T, device=ids.device)
        mask, is_causal = _plain_mask(config, T, n_past, ids.device)
    else:
        if are_known(segments):
            check_segments(segments)
        positions = segment_positions(segments)
        fits = n_past + T <= config.max_seq_len  # else, only the longest text has to
        longest = n_past + T if fits else int(positions.max()) + 1
        check_length(config, T, n_past, longest)
        positions = positions[:, n_past:]
        mask, is_causal = segment_mask(segments, T, config.causal, config.sliding_window), False
    # 2. what attention does with the positions
    angles = bias = None
    if config.position == "rotary":
        angles = rotary_angles(positions, config.d_head, config.rope_theta, config.rope_scaling)
    elif config.position == "alibi":  # within a text, columns are as far apart as positions
        bias = alibi_bias(config.n_heads, T, n_past + T, ids.device)
    return Context(positions, mask, is_causal, angles, bias, segments, cache)


def check_length(config: ModelConfig, T: int, n_past: int = 0, longest: int | None = None) -> None:
    """Raise `UserError` if T tokens after `n_past` cached ones are none, or more than the model's context holds.

    Where a row holds more than one text, only the `longest` must fit.

    >>> check_length(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16), T=16)
    """
    longest = n_past + T if longest is None else longest
    if T == 0:
        raise UserError("the sequence is empty; give at least one token, for example the end-of-text token")
    if n_past and not config.causal:
        raise UserError(
            "a model with causal=False cannot use a KV cache: later tokens would change earlier ones. Read the "
            "whole sequence each time (generate: use_cache=False)"
        )
    if longest > config.max_seq_len:
        way_out = "" if config.position == "learned" else f", or call extend_context({longest}) first"
        raise UserError(
            f"the sequence has {longest} tokens, this model was built for {config.max_seq_len} "
            f"(max_seq_len); shorten the text{way_out}"
        )


def _with_past(cache: Cache, new: Int[Tensor, "B T"] | None, T: int) -> Int[Tensor, "B S"] | None:
    """The segments of the cached and of T new tokens; None where each row is one text.

    New tokens without segments continue the last text of their row. Cached ones without segments are segment 1.
    """
    if cache.segments is None:
        return None if new is None else torch.cat((new.new_ones(len(new), cache.length), new), dim=1)
    new = cache.segments[:, -1:].expand(-1, T) if new is None else new
    return torch.cat((cache.segments, new), dim=1)


def _plain_mask(
    config: ModelConfig, T: int, n_past: int, device: torch.device
) -> tuple[Bool[Tensor, "T S"] | None, bool]:
    """`mask` and `is_causal` where each row is one text: no mask where the kernel needs none."""
    window = config.sliding_window
    if window is None or n_past + T <= window:  # no key is too far back
        if not config.causal or T == 1:
            return None, False  # every query sees every key
        if n_past == 0:
            return None, True
    return causal_mask(T, n_past + T, device, window), False
