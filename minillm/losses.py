"""The one loss of language modelling: how surprised was the model by the token that came?

Training goes through `next_token_loss_of_hidden`; who asks for single tokens reads `token_log_probs`.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from minillm.errors import UserError

IGNORE = -100  # a target that does not count: padding, or a prompt in SFT (torch's own convention)


def next_token_loss(logits: Float[Tensor, "*B T V"], targets: Int[Tensor, "*B T"]) -> Float[Tensor, ""]:
    """The mean of -log p(target) in nats, over the targets that are not `IGNORE`.

    The targets are already shifted: `targets[t]` is the token *after* position t. A mean over nothing is NaN, so
    a batch in which every target is ignored raises `ValueError`.

    >>> import torch
    >>> logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
    >>> round(next_token_loss(logits, torch.tensor([0, 2])).item(), 4)   # -(log 0.5 + log 0.8) / 2
    0.4581
    """
    if not (targets != IGNORE).any():
        raise UserError(f"all {targets.numel()} targets are ignored: there is nothing to learn from in this batch")
    # float32: a log-sum-exp over thousands of bfloat16 logits loses the digits that a loss curve is read by.
    return F.cross_entropy(logits.flatten(0, -2).float(), targets.flatten(), ignore_index=IGNORE)


def next_token_loss_of_hidden(
    hidden: Float[Tensor, "*B T C"], head: Float[Tensor, "V C"], targets: Int[Tensor, "*B T"]
) -> Float[Tensor, ""]:
    """`next_token_loss(hidden @ head.T, targets)`, without ever holding all the logits.

    B x T x V float32 numbers, and their gradient, are the largest tensors of a training step: 400 MB for 1,024 tokens
    of a vocabulary of 49,152. Here a chunk of rows goes all the way, to its logits, its loss and its gradient (softmax
    minus one-hot), while it lies in the cache, and its logits are forgotten. Rows without a target, as a prompt in SFT,
    cost nothing. The gradient is computed together with the loss, so only a first derivative exists.
    Raises `ValueError` where every target is ignored.

    >>> hidden, head = torch.eye(2), torch.log(torch.tensor([[0.5, 0.1], [0.25, 0.1], [0.25, 0.8]]))
    >>> round(next_token_loss_of_hidden(hidden, head, torch.tensor([0, 2])).item(), 4)   # the example above
    0.4581
    """
    counts = targets != IGNORE
    if not counts.any():
        raise UserError(f"all {targets.numel()} targets are ignored: there is nothing to learn from in this batch")
    return _LossOfHidden.apply(hidden[counts], head, targets[counts], torch.is_grad_enabled())


class _LossOfHidden(torch.autograd.Function):
    CHUNK = 2**18  # logits at once: 1 MB, what a core's cache holds
    FEWEST_ROWS = 128  # with less, the matrix product is slow

    @staticmethod
    def forward(
        ctx: Any, hidden: Float[Tensor, "N C"], head: Float[Tensor, "V C"], targets: Int[Tensor, "N"], learn: bool
    ) -> Float[Tensor, ""]:
        rows = max(_LossOfHidden.CHUNK // len(head), _LossOfHidden.FEWEST_ROWS)
        total = torch.zeros((), device=hidden.device)
        learn_head = learn and ctx.needs_input_grad[1]  # LoRA and others leave it as it is
        d_hidden = torch.empty_like(hidden)
        d_head = torch.zeros_like(head, dtype=torch.float32) if learn_head else None
        kind = hidden.device.type  # of the products: bfloat16 under autocast, which would copy the head for each chunk
        autocast = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)  # "meta" has none
        dtype = torch.get_autocast_dtype(kind) if autocast else head.dtype
        weight = head.to(dtype)
        for start in range(0, len(hidden), rows):
            x, target = hidden[start : start + rows].to(dtype), targets[start : start + rows, None]
            logits = F.linear(x, weight)
            log_probs = logits.float().log_softmax(-1)
            total -= log_probs.gather(-1, target).sum()
            if learn:
                d_logits = log_probs.exp_()
                d_logits.scatter_add_(-1, target, torch.full_like(target, -1.0, dtype=torch.float32))
                d_logits = d_logits.to(dtype)
                d_hidden[start : start + rows] = d_logits @ weight
                if d_head is not None:
                    d_head += d_logits.mT @ x
        if learn:
            d_head = None if d_head is None else d_head.div_(len(hidden)).to(head.dtype)
            ctx.save_for_backward(d_hidden.div_(len(hidden)), d_head)
        return total / len(hidden)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, ""]) -> tuple[Tensor | None, ...]:
        d_hidden, d_head = ctx.saved_tensors
        return d_hidden * gradient, None if d_head is None else d_head * gradient, None, None


def token_log_probs(logits: Float[Tensor, "*B T V"], targets: Int[Tensor, "*B T"]) -> Float[Tensor, "*B T"]:
    """log p(target) in nats at every position; 0 where the target is `IGNORE`.

    >>> import torch
    >>> logits = torch.log(torch.tensor([[0.5, 0.25, 0.25]]))
    >>> round(token_log_probs(logits, torch.tensor([1])).item(), 4)      # log 0.25
    -1.3863
    """
    counts = targets != IGNORE
    chosen = logits.float().log_softmax(-1).gather(-1, targets.where(counts, 0).unsqueeze(-1)).squeeze(-1)
    return chosen.where(counts, 0.0)
