"""The logit lens: what would the model say if it stopped after this block?"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.analysis.tracing import trace
from minillm.model.transformer import Transformer


def logit_lens(model: Transformer, ids: Int[Tensor, "B T"]) -> Float[Tensor, "depth B T V"]:
    """Logits read off the residual stream before the first block and after each one (nostalgebraist 2020).

    The last row holds the model's own logits. The earlier ones are an interpretation, not something that the model
    computes: nothing taught its middle layers to speak the head's language, and in some models they do not
    (Belrose et al. 2023, section 3, train a translator for each layer).
    They take (L + 1) B T V numbers; for a few positions of a long text use `read_off(model, trace(...).stream[...])`.

    >>> from minillm.config import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=4, max_seq_len=16))
    >>> ids = torch.tensor([[1, 2, 3]])
    >>> lens = logit_lens(model, ids)
    >>> lens.shape, torch.allclose(lens[-1], model(ids))
    (torch.Size([3, 1, 3, 10]), True)
    """
    return read_off(model, trace(model, ids, weights=False).stream)


def read_off(model: Transformer, stream: Float[Tensor, "*B C"]) -> Float[Tensor, "*B V"]:
    """The logits of vectors of the residual stream, through the final norm and the head, without gradients."""
    with torch.no_grad():
        return model.head(model.final_norm(stream))
