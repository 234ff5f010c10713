"""What the questions about feed-forward networks share: the hidden layer of SwiGLU."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def hidden(x: Float[Tensor, "T C"], gate: Float[Tensor, "F C"], up: Float[Tensor, "F C"]) -> Float[Tensor, "T F"]:
    """The activations of the neurons: SiLU(gate(x)) · up(x) (Shazeer 2020, eq. 6).

    >>> one = torch.ones(1, 1)
    >>> hidden(one, gate=one, up=-one).round(decimals=4)
    tensor([[-0.7311]])
    """
    return F.silu(x @ gate.T) * (x @ up.T)


def told_apart(one: Float[Tensor, "n"], other: Float[Tensor, "n"]) -> tuple[str, str]:
    """Two vectors as text, with as many decimals as it takes to see that they differ, 2 at least.

    >>> told_apart(torch.tensor([0.6, 0.1]), torch.tensor([0.6, 0.1004]))
    ('(0.6000, 0.1000)', '(0.6000, 0.1004)')
    """
    for decimals in (2, 4, 6, 8):
        parts = [[f"{number:.{decimals}f}" for number in vector.tolist()] for vector in (one, other)]
        texts = [f"({', '.join(numbers)})".replace(f"-{0:.{decimals}f}", f"{0:.{decimals}f}") for numbers in parts]
        if texts[0] != texts[1]:
            break
    return texts[0], texts[1]


OTHER_ACTIVATIONS = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "gelu, approximated": lambda x: F.gelu(x, approximate="tanh"),
    "softplus": F.softplus,
    "softmax": lambda x: x.softmax(-1),
    "leaky relu": F.leaky_relu,
    "elu": F.elu,
    "squared relu": lambda x: x.relu().square(),
    "quick gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "SiLU twice": lambda x: F.silu(F.silu(x)),
    "x tanh(x)": lambda x: x * x.tanh(),
    "abs": torch.abs,
}  # mistakes for SiLU
