"""What the questions about feed-forward networks share: the hidden layer of SwiGLU."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def hidden(x: Float[Tensor, "T C"], gate: Float[Tensor, "F C"], up: Float[Tensor, "F C"]) -> Float[Tensor, "T F"]:
    """What the neurons say: SiLU(gate(x)) · up(x) (Shazeer 2020, eq. 6).

    >>> import torch
    >>> one = torch.ones(1, 1)
    >>> hidden(one, gate=one, up=-one).round(decimals=4)
    tensor([[-0.7311]])
    """
    return F.silu(x @ gate.T) * (x @ up.T)
