"""Keys and values of prompts that several continuations share, with gradients: read once, learned from by all."""

import copy
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


class PrefixCache:
    """A `Cache` that grows by concatenation, so gradients flow through it; it has no fixed capacity.

    `KVCache` writes into one tensor instead, which autograd would refuse.

    >>> prefix_cache = PrefixCache()
    >>> keys, _ = prefix_cache.append(0, torch.ones(2, 1, 3, 2), torch.ones(2, 1, 3, 2))    # two prompts of 3 tokens
    >>> prefix_cache.advance(3)
    >>> answers = prefix_cache.rows(torch.tensor([0, 0, 1]))                     # three answers, two to the first
    >>> keys, _ = answers.append(0, torch.zeros(3, 1, 1, 2), torch.zeros(3, 1, 1, 2))
    >>> keys.shape
    torch.Size([3, 1, 4, 2])
    """

    def __init__(self) -> None:
        self.layers: dict[int, tuple[Tensor, Tensor]] = {}
        self.length = 0
        self.segments: Tensor | None = None

    def append(
        self, layer: int, key: Float[Tensor, "B K T D"], value: Float[Tensor, "B K T D"]
    ) -> tuple[Float[Tensor, "B K S D"], Float[Tensor, "B K S D"]]:
        """Add T new positions of one layer and return all S = length + T of them."""
        if layer in self.layers:
            past_key, past_value = self.layers[layer]
            key, value = torch.cat((past_key, key), dim=2), torch.cat((past_value, value), dim=2)
        self.layers[layer] = key, value
        return key, value

    def advance(self, n_new: int, segments: Int[Tensor, "B S"] | None = None) -> None:
        """Count `n_new` positions as filled, after every layer has appended them; `segments` are those of all."""
        self.length += n_new
        self.segments = segments

    def rows(self, picked: Int[Tensor, "_B"]) -> "PrefixCache":
        """A cache of the picked rows, in any order and as often as they are picked; it shares nothing that grows."""
        cache = copy.copy(self)
        cache.layers = {
            layer: (pick_rows(key, picked), pick_rows(value, picked)) for layer, (key, value) in self.layers.items()
        }
        cache.segments = None if self.segments is None else self.segments[picked]
        return cache


def pick_rows(x: Float[Tensor, "N *rest"], picked: Int[Tensor, "_B"]) -> Float[Tensor, "_B *rest"]:
    """`x[picked]`, whose gradient is fast and always the same: a product adds up what a row picked twice receives.

    The gradient of indexing adds in any order, and that of `index_select` one number at a time.

    >>> x = torch.ones(2, 3, requires_grad=True)
    >>> pick_rows(x, torch.tensor([0, 1, 1])).sum().backward()
    >>> x.grad
    tensor([[1., 1., 1.],
            [2., 2., 2.]])
    """
    return _PickRows.apply(x, picked)


class _PickRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, picked: Tensor) -> Tensor:
        ctx.save_for_backward(picked)
        ctx.n_rows = len(x)
        return x.index_select(0, picked)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (picked,) = ctx.saved_tensors
        picks = torch.nn.functional.one_hot(picked, ctx.n_rows).to(gradient.dtype)
        return (picks.T @ gradient.flatten(1)).view(ctx.n_rows, *gradient.shape[1:]), None
