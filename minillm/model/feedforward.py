"""The feed-forward network: the same two or three matrices at each position by itself.

C -> F, a nonlinearity, F -> C. Read as a key-value memory, a row of `gate` or `up` is a pattern to match, and a column
of `down` is what to write when it matches (Geva et al. 2021).
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from minillm import kernels
from minillm.errors import UserError
from minillm.model.linear import Linear


class FeedForward(nn.Module):
    """(..., C) -> (..., C) with one of three activations.

    - `gelu`:   down(GELU(up(x))), the tanh form that GPT-2 uses (Hendrycks & Gimpel 2016)
    - `relu2`:  down(ReLU(up(x))^2), cheap and sparse (So et al. 2021)
    - `swiglu`: down(SiLU(gate(x)) * up(x)), a gate times a value (Shazeer 2020, eq. 6)

    >>> sum(p.numel() for p in FeedForward(d_model=6, d_ff=16, activation="swiglu").parameters())
    288
    """

    def __init__(self, d_model: int, d_ff: int, activation: str = "swiglu", bias: bool = False):
        super().__init__()
        if activation not in ("swiglu", "gelu", "relu2"):
            raise UserError(f"activation is {activation!r}; choose one of swiglu, gelu, relu2")
        self.activation = activation
        self.gate = Linear(d_model, d_ff, bias=bias) if activation == "swiglu" else None
        self.up = Linear(d_model, d_ff, bias=bias)
        self.down = Linear(d_ff, d_model, bias=bias)

    def forward(self, x: Float[Tensor, "*B C"]) -> Float[Tensor, "*B C"]:
        if self.gate is not None:
            gate, up = self.gate(x), self.up(x)
            return self.down(kernels.swiglu(gate, up) if kernels.usable(gate, up) else F.silu(gate) * up)
        if self.activation == "gelu":
            return self.down(F.gelu(self.up(x), approximate="tanh"))
        return self.down(F.relu(self.up(x)).square())
