"""What the questions about attention share: what they forbid, and the search for a leak."""

from typing import Any

from minillm.course.checks.plain import apart, as_tensor

READY_MADE = (
    "minillm",
    "torch.nn.functional.scaled_dot_product_attention",
    "torch.nn.functional.multi_head_attention_forward",
    "torch.nn.MultiheadAttention",
)


def moved(one: Any, other: Any) -> list[int]:
    """The rows in which two tensors (T, D) differ by more than rounding; none where they are no such tensors.

    >>> import torch
    >>> moved(torch.zeros(3, 2), torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
    [1]
    """
    one, other = as_tensor(one), as_tensor(other)
    if one is None or other is None or one.shape != other.shape or one.dim() != 2:
        return []
    return apart(one, other).any(-1).nonzero().flatten().tolist()
