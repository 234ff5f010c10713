"""The advantages of 10b.gae with one thing done differently, for the mistakes that the turn knows."""

from collections.abc import Callable

import torch
from torch import Tensor


def after(table: Tensor, last: Tensor | None = None) -> Tensor:
    """The table a column further; `last` fills its last column."""
    return torch.cat([table[:, 1:], torch.zeros_like(table[:, :1]) if last is None else last], 1)


Step = Callable[[Tensor, Tensor, float, float], Tensor]


def _usual(delta: Tensor, following: Tensor, gamma: float, lam: float) -> Tensor:
    return delta + gamma * lam * following


def delta_of(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> Tensor:
    """delta_t of each token, (B, T); the padding has any."""
    return rewards + gamma * after(values * mask) - values


def credited(
    rewards: Tensor,
    values: Tensor,
    mask: Tensor,
    gamma: float,
    lam: float,
    *,
    step: Step = _usual,
    deltas: Tensor | None = None,
    forward: bool = False,
    kept: bool = True,
) -> Tensor:
    """The advantages with one thing done differently."""
    if deltas is None:
        deltas = delta_of(rewards, values, mask, gamma, lam)
    table, following = torch.zeros_like(rewards), torch.zeros(len(rewards))
    for t in range(rewards.shape[1]) if forward else reversed(range(rewards.shape[1])):
        following = step(deltas[:, t], following, gamma, lam) * (mask[:, t] if kept else 1)
        table[:, t] = following
    return table


def at_ends(mask: Tensor) -> Tensor:
    """True at the last token of each answer."""
    return mask & ~after(mask)
