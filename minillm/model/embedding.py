"""The embedding table: one learned vector per token."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor  # no public name has the same answer

from minillm.errors import UserError


class UnknownTokenError(UserError, IndexError):
    """A token id is outside the vocabulary: bad input, and an index that a table does not have."""


class TokenEmbedding(nn.Module):
    """A table with one learned vector per token: `ids` (..., T) -> vectors (..., T, C).

    Looking a row up equals multiplying a one-hot vector by the table, without the multiplications by zero.
    Raises `UnknownTokenError` naming the first id that is not in the table.

    >>> table = TokenEmbedding(vocab_size=3, d_model=2)
    >>> ids = torch.tensor([2, 0])
    >>> torch.equal(table(ids), torch.eye(3)[ids] @ table.weight)
    True
    """

    def __init__(self, vocab_size: int, d_model: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocab_size, d_model))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, ids: Int[Tensor, "*B T"]) -> Float[Tensor, "*B T C"]:
        if are_known(ids):  # on a GPU, the kernel itself checks
            check_ids(ids, len(self.weight))
        return nn.functional.embedding(ids, self.weight)


def are_known(ids: Int[Tensor, "..."]) -> bool:
    """Whether these numbers can be checked: on a GPU that would wait for the device.

    A compiler that traces the code (`torch.compile`, `torch.export`) and `torch.func.vmap` know no numbers.

    >>> are_known(torch.tensor([7, 9])), torch.func.vmap(lambda ids: ids * are_known(ids))(torch.tensor([7, 9]))
    (True, tensor([0, 0]))
    """
    return ids.device.type == "cpu" and not torch.compiler.is_compiling() and not is_functorch_wrapped_tensor(ids)


def check_ids(ids: Int[Tensor, "..."], vocab_size: int) -> None:
    """Raise `UnknownTokenError` naming the first id outside 0 .. vocab_size - 1.

    >>> check_ids(torch.tensor([7, 9]), vocab_size=8)
    Traceback (most recent call last):
    minillm.model.embedding.UnknownTokenError: token id 9 is outside the vocabulary (0 to 7); was the text...
    """
    outside = (ids < 0) | (ids >= vocab_size)
    if outside.any():
        raise UnknownTokenError(
            f"token id {ids[outside][0].item()} is outside the vocabulary (0 to {vocab_size - 1}); "
            "was the text encoded with this model's tokenizer?"
        )
