"""The one loss of language modelling: how surprised was the model by the token that came?

Pretraining, SFT, DPO and PPO all start from `token_log_probs`; they differ in which tokens count.
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

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
        raise ValueError(f"all {targets.numel()} targets are ignored: there is nothing to learn from in this batch")
    # float32: a log-sum-exp over thousands of bfloat16 logits loses the digits that a loss curve is read by.
    return F.cross_entropy(logits.flatten(0, -2).float(), targets.flatten(), ignore_index=IGNORE)


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
