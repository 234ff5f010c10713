"""Less memory for more time: what a block computed on the way forward is forgotten, and computed again on the way back.

The backward pass needs what each operation saw, so a step remembers dozens of tensors a block. With recomputation (Chen
et al. 2016, "Training deep nets with sublinear memory cost") it remembers only what went into each block, and pays one
more forward pass, about a third of the arithmetic of a step. The gradients are the same.
"""

import functools

from torch.utils.checkpoint import checkpoint

from minillm.model.transformer import Transformer


def recompute_blocks(model: Transformer) -> Transformer:
    """Let every block of `model` (changed in place, and returned) recompute its inside when gradients need it.

    >>> import torch
    >>> from minillm import ModelConfig
    >>> plain = Transformer(ModelConfig(vocab_size=9, d_model=8, n_layers=2, n_heads=2, max_seq_len=4))
    >>> thrifty = Transformer(plain.config)
    >>> _ = recompute_blocks(thrifty).load_state_dict(plain.state_dict())
    >>> for model in (plain, thrifty):
    ...     model(torch.tensor([[1, 2, 3]])).logsumexp(-1).sum().backward()
    >>> torch.equal(plain.embedding.weight.grad, thrifty.embedding.weight.grad)
    True
    """
    for block in model.blocks:
        block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False)
    return model
