"""Wrong answers to the turns of lesson 04, copied from elsewhere without the import of `F`, which the page lacks."""

import math

import torch
from torch import nn
from turn_answers import wrong


@wrong("04.attention", "name 'F' is not defined")
class SoftmaxOfF:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        return F.softmax(scores.masked_fill(~visible, -math.inf), dim=-1) @ value  # noqa: F821


@wrong("04.heads", "name 'F' is not defined")
class KernelOfF:
    class MultiHead(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.n_heads = n_heads
            self.query = nn.Linear(d_model, d_model, bias=False)
            self.key = nn.Linear(d_model, d_model, bias=False)
            self.value = nn.Linear(d_model, d_model, bias=False)
            self.output = nn.Linear(d_model, d_model, bias=False)

        def forward(self, x, visible):
            q, k, v = (f(x).unflatten(-1, (self.n_heads, -1)).movedim(1, 0) for f in (self.query, self.key, self.value))
            return self.output(F.scaled_dot_product_attention(q, k, v, visible).movedim(0, 1).flatten(1))  # noqa: F821


@wrong("04.grouped", "name 'F' is not defined")
class GroupedKernelOfF:
    def grouped_attention(query, key, value, visible):
        heads = F.scaled_dot_product_attention(query, key, value, visible, enable_gqa=True)  # noqa: F821
        return torch.cat(list(heads), dim=-1)
