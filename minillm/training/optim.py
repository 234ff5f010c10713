"""Which parameters are pulled towards zero, and the optimizer that moves them all."""

import torch
from torch import nn


def adamw(
    model: nn.Module, learning_rate: float, weight_decay: float, betas: tuple[float, float] = (0.9, 0.95)
) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019, algorithm 2) with weight decay on matrices only.

    Decay keeps a matrix from growing where the data do not ask for it. Norm weights and biases (one dimension) are
    left out: pulling a scale towards zero is not regularisation, it just dims the layer.
    `fused` does the whole update in one kernel.

    >>> optimizer = adamw(nn.Linear(3, 2), learning_rate=0.1, weight_decay=0.5)
    >>> [(len(group["params"]), group["weight_decay"]) for group in optimizer.param_groups]
    [(1, 0.5), (1, 0.0)]
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    fused = all(p.device.type in ("cpu", "cuda") for p in parameters)
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, fused=fused)
