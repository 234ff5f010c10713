"""The logit lens: what the model would predict if it stopped after a given block."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.analysis.tracing import trace
from minillm.model.transformer import Transformer


def logit_lens(model: Transformer, ids: Int[Tensor, "B T"]) -> Float[Tensor, "depth B T V"]:
    """Compute logits from the residual stream before the first block and after each one (nostalgebraist 2020).

    The last row holds the model's own logits. The earlier rows are an interpretation; the model does not compute them.
    Its middle layers were not trained for the output head, and in some models the result is meaningless (Belrose et al.
    2023, section 3, train a translator for each layer).
    The result has (L + 1) B T V numbers. For a few positions of a long text, use
    `read_off(model, trace(...).stream[...])`.

    >>> from minillm.config import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=4, max_seq_len=16))
    >>> ids = torch.tensor([[1, 2, 3]])
    >>> lens = logit_lens(model, ids)
    >>> lens.shape, torch.allclose(lens[-1], model(ids))
    (torch.Size([3, 1, 3, 10]), True)
    """
    return read_off(model, trace(model, ids, weights=False).stream)


def read_off(model: Transformer, stream: Float[Tensor, "*B C"]) -> Float[Tensor, "*B V"]:
    """Map residual stream vectors to logits with the final norm and the head, without gradients."""
    with torch.no_grad():
        return model.head(model.final_norm(stream))
