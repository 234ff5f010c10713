"""Bugs in how the parts are put together: residuals, the order of steps, what stands before and after the blocks."""

import math
from typing import Any

from torch import Tensor, nn

from minillm.course.bug_zoo.entry import module, part
from minillm.model.transformer import Block


@module("no residuals")
def no_residuals(block: Block, x: Tensor, **attention: Any) -> Tensor:
    """Both `x +` are forgotten."""
    return block.feedforward(block.feedforward_norm(block.attention(block.attention_norm(x), **attention)))


@module("no residual around attention")
def no_attention_residual(block: Block, x: Tensor, **attention: Any) -> Tensor:
    """The `x +` of attention is forgotten."""
    x = block.attention(block.attention_norm(x), **attention)
    return x + block.feedforward(block.feedforward_norm(x))


@module("no residual around the feed-forward network")
def no_feedforward_residual(block: Block, x: Tensor, **attention: Any) -> Tensor:
    """The `x +` of the feed-forward network is forgotten."""
    x = x + block.attention(block.attention_norm(x), **attention)
    return block.feedforward(block.feedforward_norm(x))


@module("shortcut after the norm")
def late_shortcut(block: Block, x: Tensor, **attention: Any) -> Tensor:
    """`x = norm(x); shortcut = x`: what is added back is the normalized vector."""
    x = block.attention_norm(x)
    x = block.feedforward_norm(x + block.attention(x, **attention))
    return x + block.feedforward(x)


@module("parallel")
def parallel(block: Block, x: Tensor, **attention: Any) -> Tensor:
    """The feed-forward network reads what attention reads, not what it wrote, as in GPT-J."""
    return x + block.attention(block.attention_norm(x), **attention) + block.feedforward(block.feedforward_norm(x))


@module("feed-forward network first")
def feedforward_first(block: Block, x: Tensor, **attention: Any) -> Tensor:
    """The feed-forward network comes before attention."""
    x = x + block.feedforward(block.feedforward_norm(x))
    return x + block.attention(block.attention_norm(x), **attention)


@module("post-norm")
def post_norm(block: Block, x: Tensor, **attention: Any) -> Tensor:
    """The norms come after the sums, as in the transformer of 2017."""
    x = block.attention_norm(x + block.attention(x, **attention))
    return block.feedforward_norm(x + block.feedforward(x))


@module("one norm for both")
def one_norm(block: Block, x: Tensor, **attention: Any) -> Tensor:
    """The feed-forward network uses the norm of attention."""
    x = x + block.attention(block.attention_norm(x), **attention)
    return x + block.feedforward(block.attention_norm(x))


# Before and after the blocks


@part("embedding times sqrt(C)", "embedding")
def scaled_embedding(ids: Tensor, table: Tensor) -> Tensor:
    """The embedding is multiplied by sqrt(C), as in Gemma."""
    return table[ids] * math.sqrt(table.shape[1])


@module("no final norm", "final_norm")
def no_final_norm(norm: nn.Module, x: Tensor) -> Tensor:
    """The head reads the stream without the last norm."""
    return x
