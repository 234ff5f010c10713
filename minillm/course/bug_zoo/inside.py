"""Bugs inside one part: positions, attention, norms and the nonlinearity."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minillm.course.bug_zoo.entry import Function, module, part, parts
from minillm.course.turns.positional_encoding import rotate
from minillm.model.transformer import Transformer

HARMLESS = "positions from 1,000"

# Positions


@part(HARMLESS, "rotation")
def from_1000(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """Positions count from 1,000. Harmless: only distances matter."""
    return rotate(x, positions + 1000, base)


@part("theta 10,000", "rotation")
def theta_10000(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """The rotation has the base 10,000 of the paper instead of the model's own."""
    return rotate(x, positions, 10_000.0)


@part("rotation in neighboring pairs", "rotation")
def neighboring_pairs(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """Coordinates 2i and 2i + 1 turn together instead of i and i + D / 2."""
    D = x.shape[-1]
    order = torch.arange(D).view(D // 2, 2).T.flatten()  # 0, 2, 4, ..., 1, 3, 5, ...
    return rotate(x[:, order], positions, base)[:, order.argsort()]


@part("rotation backwards", "rotation")
def backwards(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """The sine has the wrong sign, so positions count down."""
    return rotate(x, -positions, base)


@part("no rotation", "rotation")
def no_rotation(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """Queries and keys are not rotated at all."""
    return x


# Attention


@part("no mask", "causal_mask")
def no_mask(T: int) -> Tensor:
    """Every token sees all tokens, later ones too."""
    return torch.ones(T, T, dtype=torch.bool)


@part("mask one token too wide", "causal_mask")
def wide_mask(T: int) -> Tensor:
    """tril(1) in place of tril(0): a token sees the next one, which it should predict."""
    return torch.ones(T, T, dtype=torch.bool).tril(1)


@part("no sqrt(D)", "attention")
def no_scale(query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> Tensor:
    """The scores are not divided by sqrt(D)."""
    return (query @ key.T).masked_fill(~visible, -math.inf).softmax(-1) @ value


@part("plain average", "attention")
def plain_average(query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> Tensor:
    """All visible tokens get the same weight."""
    return visible.to(value) / visible.sum(-1, keepdim=True) @ value


@module("query not transposed", "attention.query")
def not_transposed(linear: nn.Linear, x: Tensor) -> Tensor:
    """The query is x @ W in place of x @ W.T; the matrix is square, so the shapes fit."""
    return x @ linear.weight


@part("heads by reshape", "split_heads")
def heads_by_reshape(x: Tensor, n_heads: int) -> Tensor:
    """Heads are cut by reshape(H, T, D) instead of view(T, H, D).transpose(0, 1)."""
    return x.reshape(n_heads, len(x), -1)


@module("no output matrix", "attention.output")
def no_output(linear: nn.Linear, x: Tensor) -> Tensor:
    """The heads are added to the stream side by side, without the output matrix."""
    return x


@parts("key head h % K", "split_heads")
def wrong_sharing(model: Transformer) -> dict[str, Function]:
    """Head h reads key head h % K in place of h // (H / K): repeat in place of repeat_interleave."""
    H, K = model.config.n_heads, model.config.n_kv_heads or model.config.n_heads
    order = torch.arange(H).view(H // K, K).T.flatten()  # the heads with h % K = 0, then those with 1, ...

    def split_heads(x: Tensor, n_heads: int) -> Tensor:
        heads = x.view(len(x), n_heads, -1).transpose(0, 1)
        return heads[order] if n_heads == H else heads

    def join_heads(heads: Tensor) -> Tensor:
        return heads[order.argsort()].transpose(0, 1).flatten(1)

    return {"split_heads": split_heads, "join_heads": join_heads}


# Norms


def _rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return x * (x.square().mean(-1, keepdim=True) + eps).rsqrt() * weight


@part("eps 1e-3", "norm")
def eps_1e_3(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """The norm's eps is 1e-3 instead of 1e-5."""
    return _rms_norm(x, weight, 1e-3)


@part("eps 1", "norm")
def eps_1(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """The norm's eps is 1 instead of 1e-5."""
    return _rms_norm(x, weight, 1.0)


@part("LayerNorm", "norm")
def layer_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """LayerNorm in place of RMSNorm: the mean is subtracted too."""
    return F.layer_norm(x, weight.shape, weight, eps=eps)


@part("norm without its weight", "norm")
def no_weight(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """The norm forgets its weight."""
    return _rms_norm(x, torch.ones_like(weight), eps)


@part("norm with 1 + weight", "norm")
def one_plus_weight(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """The norm multiplies by 1 + weight, as Gemma's does."""
    return _rms_norm(x, 1 + weight, eps)


@part("sum for mean in the norm", "norm")
def sum_for_mean(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """The norm divides by the vector's norm instead of its root mean square."""
    return x * (x.square().sum(-1, keepdim=True) + eps).rsqrt() * weight


@part("norm over tokens", "norm")
def over_tokens(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """The mean square is over the tokens instead of the coordinates: mean(0) for mean(-1)."""
    return x * (x.square().mean(0, keepdim=True) + eps).rsqrt() * weight


# The feed-forward network


@part("GELU for SiLU", "feed_forward")
def gelu(x: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """The gate goes through GELU instead of SiLU."""
    return (F.gelu(x @ gate.T) * (x @ up.T)) @ down.T


@part("ReLU for SiLU", "feed_forward")
def relu(x: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """The gate goes through ReLU instead of SiLU."""
    return (F.relu(x @ gate.T) * (x @ up.T)) @ down.T


@part("gate and up swapped", "feed_forward")
def swapped(x: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """SiLU is applied to `up` instead of `gate`."""
    return ((x @ gate.T) * F.silu(x @ up.T)) @ down.T
