"""06.4: what each head adds to a logit (direct logit attribution; Elhage et al. 2021 split it by heads).

The lesson has one share for all of attention. Its heads' writes add up to it, since the output matrix is linear.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.question import Question

EPS = 1e-5


def head_shares(
    heads: Float[Tensor, "H D"],
    output_weight: Float[Tensor, "C HD"],
    stream: Float[Tensor, "C"],
    norm: str,
    norm_weight: Float[Tensor, "C"],
    direction: Float[Tensor, "C"],
) -> Float[Tensor, "H"]:
    """The right answer: each head's write by itself, through the last norm with its divisor held still.

    >>> one = torch.ones(2)
    >>> head_shares(torch.eye(2), torch.eye(2, 4), 2 * one, "rmsnorm", one, torch.tensor([1.0, 0.0]))
    tensor([0.5000, 0.0000])
    """
    return _shares(_writes(heads, output_weight), stream, norm, norm_weight, direction)


def _writes(heads: Tensor, output_weight: Tensor) -> Tensor:
    alone = torch.block_diag(*heads)  # row h: head h in its own columns, zeros elsewhere, (H, HD)
    return alone @ output_weight.T


def _shares(writes: Tensor, stream: Tensor, norm: str, norm_weight: Tensor, direction: Tensor) -> Tensor:
    if norm == "layernorm":
        writes, stream = (vector - vector.mean(-1, keepdim=True) for vector in (writes, stream))
    return writes / (stream.square().mean() + EPS).sqrt() @ (norm_weight * direction)


def _head_shares(heads, output_weight, *others, write=_writes, shares=_shares):
    """Shares with other writes, or with another way through the norm."""
    return shares(write(heads, output_weight), *others)


def _with_shares(shares: Callable[..., Any]) -> Callable[..., Any]:
    return partial(_head_shares, shares=shares)


def _size(stream: Tensor, norm: str) -> Tensor:
    stream = stream - stream.mean() if norm == "layernorm" else stream
    return (stream.square().mean() + EPS).sqrt()


def _divided(writes, stream, norm, norm_weight, direction, *, divisor: Callable[[Tensor], Tensor]) -> Tensor:
    """Shares with another divisor, by the mean square."""
    if norm == "layernorm":
        writes, stream = (vector - vector.mean(-1, keepdim=True) for vector in (writes, stream))
    return writes / divisor(stream.square().mean()) @ (norm_weight * direction)


def _writes_drawn(rng: random.Random, norm: str, *sizes: tuple[int, int], wider: int = 0) -> list[Call]:
    """A stream whose mean is not 0, and the heads of one attention, H of D numbers: (H, D); C is H · D, or wider."""
    calls = []
    for H, D in sizes:
        C = H * D + wider
        stream = numbers(rng, C, scale=2.0) + rng.choice((-2, -1, 1, 2))
        stream = stream / 1000 if sizes[-1] == (H, D) else stream  # so that eps counts
        weight = 1 + numbers(rng, C).abs()
        calls.append((numbers(rng, H, D), numbers(rng, C, H * D), stream, norm, weight, numbers(rng, C, scale=2.0)))
    return calls


def _do_not_add_up(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The sum is what the lesson computes for the whole attention; a learner can hold the answer against it."""
    for (heads, *_), wanted, answer in zip(calls, right, got, strict=True):
        shares = as_tensor(answer)
        if shares is None or shares.shape != wanted.shape:
            return None
        whole, total = wanted.sum().item(), shares.sum().item()
        if abs(whole - total) > 1e-3 * max(1, abs(whole)):
            sentence = f"The results of {len(heads)} heads sum to {total:.4g}; the whole layer adds {whole:.4g}."
            hint = "Compute the result for the whole output, `heads.flatten() @ output_weight.T`, and compare."
            return sentence, hint
    return None


question = Question("06.4", "Attribute a logit to heads", head_shares, forbidden=("minillm", "torch.nn.Module"))

one_head = question.probe(
    "one head",
    lambda rng: _writes_drawn(rng, "rmsnorm", (1, 2), (1, 4), (1, 6), (1, 5)),
    at_last=_do_not_add_up,
    kinds=("two coordinates", "four coordinates", "six coordinates", "a stream of small numbers"),
)
one_head.mistake(
    "The final norm is left out: nothing is divided.",
    "The model's head reads the normalized stream. Divide what each head writes by the same number.",
    partial(
        _head_shares, shares=lambda writes, stream, norm, norm_weight, direction: writes @ (norm_weight * direction)
    ),
)


@one_head.mistake(
    "The norm's learned weights are left out.",
    "After the division, the norm multiplies each coordinate by its weight. Then comes the direction.",
)
@_with_shares
def _without_weight(writes, stream, norm, norm_weight, direction):
    return _shares(writes, stream, norm, torch.ones_like(norm_weight), direction)


@one_head.mistake(
    "What a head writes is normalized by its own root mean square.",
    "The norm divides the whole stream. So all heads are divided by the root mean square of `stream`.",
)
@_with_shares
def _each_normalized(writes, stream, norm, norm_weight, direction):
    normed = F.layer_norm(writes, stream.shape, eps=EPS) if norm == "layernorm" else F.rms_norm(writes, stream.shape)
    return normed @ (norm_weight * direction)


@one_head.mistake(
    "The norm's eps is left out.",
    "The divisor is the root of (mean square + 1e-5).",
)
@_with_shares
def _without_eps(writes, stream, norm, norm_weight, direction):
    return writes / stream.square().mean().sqrt() @ (norm_weight * direction)


@one_head.mistake(
    "It is divided by the mean square, without the square root.", "RMSNorm divides by the *root* of the mean square."
)
@_with_shares
def _mean_square(writes, stream, norm, norm_weight, direction):
    return writes / (stream.square().mean() + EPS) @ (norm_weight * direction)


one_head.mistake(
    "It is divided by the norm of the stream, not by its root mean square.",
    "RMSNorm takes the root of the *mean* of the squares, not of their sum.",
    partial(
        _head_shares,
        shares=lambda writes, stream, norm, norm_weight, direction: writes / stream.norm() @ (norm_weight * direction),
    ),
)
one_head.mistake(
    "The output matrix is transposed.",
    "It is stored as in `nn.Linear`, outputs by inputs: what a head writes is `head @ columns.T`.",
    partial(_head_shares, write=lambda heads, output_weight: _writes(heads, output_weight.T)),
)
for _divisor in (
    lambda square: (square + 1e-6).sqrt(),
    lambda square: (square + 1e-8).sqrt(),
    lambda square: square.sqrt() + 1e-5,
    lambda square: square.sqrt() + 1e-6,
    lambda square: (square + 1e-3).sqrt(),
):
    one_head.mistake(
        "The norm's eps is not 1e-5, or it is added outside the root.",
        "The divisor is `(stream.square().mean() + 1e-5).sqrt()`.",
        partial(_head_shares, shares=partial(_divided, divisor=_divisor)),
    )
one_head.mistake(
    "The results are multiplied by the root mean square of the stream, not divided by it.",
    "RMSNorm divides by it.",
    partial(_head_shares, shares=partial(_divided, divisor=lambda square: 1 / (square + EPS).sqrt())),
)


@one_head.mistake(
    "The norm's weights multiply the stream before its root mean square is taken.",
    "The divisor is the root mean square of `stream` itself; the weights come after the division.",
)
@_with_shares
def _weighted_size(writes, stream, norm, norm_weight, direction):
    return (
        _shares(writes, stream, norm, norm_weight, direction) * _size(stream, norm) / _size(stream * norm_weight, norm)
    )


several_heads = question.probe(
    "several heads",
    lambda rng: _writes_drawn(rng, "rmsnorm", (2, 2), (3, 2), (2, 4), (2, 3), wider=2),
    at_last=_do_not_add_up,
    kinds=("two heads", "three heads", "heads of four numbers", "a stream of small numbers"),
)


def _every_hth(heads: Tensor, output_weight: Tensor) -> Tensor:
    H, D = heads.shape
    return torch.einsum("hd,cdh->hc", heads, output_weight.unflatten(1, (D, H)))


several_heads.mistake(
    "Head h gets every H-th column.",
    "Heads are concatenated. Head 0 uses the first D columns, head 1 the next D.",
    partial(_head_shares, write=_every_hth),
)
several_heads.mistake(
    "All heads use the first head's columns.",
    "Head h uses the columns h · D to (h + 1) · D - 1.",
    partial(_head_shares, write=lambda heads, output_weight: heads @ output_weight[:, : heads.shape[1]].T),
)
several_heads.mistake(
    "The result of the whole layer is divided evenly among the heads.",
    "The heads differ. Each writes through its own columns.",
    partial(
        _head_shares, write=lambda heads, output_weight: _writes(heads, output_weight).mean(0).expand(len(heads), -1)
    ),
)

layer_norm = question.probe(
    "a model with LayerNorm",
    lambda rng: _writes_drawn(rng, "layernorm", (1, 4), (2, 2), (3, 4), (2, 3)),
    at_last=_do_not_add_up,
    kinds=("one head", "two heads", "three heads", "a stream of small numbers"),
)


@layer_norm.mistake(
    "LayerNorm is treated as RMSNorm: no mean is subtracted.",
    "Subtract from what each head writes its own mean, and from the stream its mean.",
)
@_with_shares
def _as_rms(writes, stream, norm, norm_weight, direction):
    return _shares(writes, stream, "rmsnorm", norm_weight, direction)


@layer_norm.mistake(
    "The divisor is right, but the mean of what a head writes is not subtracted.",
    "Subtract from each row the mean of its own C numbers.",
)
@_with_shares
def _not_centered(writes, stream, norm, norm_weight, direction):
    return _shares(writes, stream - stream.mean(), "rmsnorm", norm_weight, direction)


@layer_norm.mistake(
    "The rows are centered, but divided by the stream's root mean square.",
    "LayerNorm divides by the standard deviation: center the stream before you square it.",
)
@_with_shares
def _stream_not_centered(writes, stream, norm, norm_weight, direction):
    return _shares(writes - writes.mean(-1, keepdim=True), stream, "rmsnorm", norm_weight, direction)


@layer_norm.mistake("The stream's mean is subtracted from every row.", "Subtract from each row its own mean.")
@_with_shares
def _streams_mean(writes, stream, norm, norm_weight, direction):
    return _shares(writes - stream.mean(), stream - stream.mean(), "rmsnorm", norm_weight, direction)


@layer_norm.mistake(
    "The standard deviation divides by C - 1.",
    "Both norms divide by C; torch's `std` and `var` do that with `correction=0`.",
)
@_with_shares
def _one_less(writes, stream, norm, norm_weight, direction):
    return (writes - writes.mean(-1, keepdim=True)) / (stream.var() + EPS).sqrt() @ (norm_weight * direction)


@layer_norm.mistake(
    "The norm's weights are multiplied in before the mean is subtracted.",
    "LayerNorm subtracts the mean and divides first; then come its weights.",
)
@_with_shares
def _weights_first(writes, stream, norm, norm_weight, direction):
    return _shares(writes * norm_weight, stream, norm, torch.ones_like(norm_weight), direction)


@layer_norm.mistake(
    "The mean is over the heads, not over each row's own numbers.",
    "The rows are (H, C), and each is centered by itself: `mean(-1, keepdim=True)`.",
)
@_with_shares
def _over_the_heads(writes, stream, norm, norm_weight, direction):
    return (writes - writes.mean(0)) / _size(stream, norm) @ (norm_weight * direction)


@layer_norm.mistake(
    "One mean is taken of all rows together.",
    "The rows are (H, C), and each is centered by itself: `mean(-1, keepdim=True)`.",
)
@_with_shares
def _one_mean(writes, stream, norm, norm_weight, direction):
    return (writes - writes.mean()) / _size(stream, norm) @ (norm_weight * direction)
