"""A vector in place of a word: what a model reads in it, and how it goes on."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.analysis.surgery.parts import replaced
from minillm.analysis.surgery.writing import prompt_ids
from minillm.analysis.tracing import trace
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

HOLE = "???"  # where the vector stands in a prompt
PLACEHOLDER = "<empty_output>"  # a token that no text here has; the vector takes its place
ROWS = 64  # texts in one forward pass


def ids_around(tokenizer: Tokenizer, prompt: str) -> list[int]:
    """The ids of a prompt that has `???` in place of a word: there stands a token that no text has.

    Raises `UserError` for a prompt without `???`, or with two, and for a tokenizer without such a token.
    """
    if prompt.count(HOLE) != 1:
        raise UserError(f"{prompt!r} has {prompt.count(HOLE)} times {HOLE!r}; put it once, for the vector")
    if PLACEHOLDER not in tokenizer.special_tokens:
        raise UserError(f"this tokenizer has no token {PLACEHOLDER!r}, whose place the vector would take")
    before, after = prompt.split(HOLE)
    hole = tokenizer.special_tokens[PLACEHOLDER]
    return [*prompt_ids(tokenizer, before.rstrip(" ")), hole, *tokenizer.encode(after)]


def embedding_with(tokenizer: Tokenizer, vector: Float[Tensor, "C"]) -> Callable[[Tensor, Tensor], Tensor]:
    """A lookup, `embedding(ids, table)`, that gives the placeholder this vector and all other ids their row."""
    hole = tokenizer.special_tokens[PLACEHOLDER]

    def embedding(ids: Tensor, table: Tensor) -> Tensor:
        x = table[ids].clone()
        x[ids == hole] = vector.to(table)
        return x

    return embedding


@torch.no_grad()
def read_vectors(
    model: Transformer, tokenizer: Tokenizer, prompt: str, vectors: Float[Tensor, "N C"]
) -> Float[Tensor, "N V"]:
    """The next token's logits after a prompt, with each of these vectors in place of `???`.

    >>> from minillm import ModelConfig
    >>> tokenizer = Tokenizer.train(["hi hi"], vocab_size=258, special_tokens=[PLACEHOLDER])
    >>> model = Transformer(ModelConfig(vocab_size=258, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> read_vectors(model, tokenizer, "a ??? hi", torch.ones(3, 8)).shape
    torch.Size([3, 258])
    """

    def logits(ids: Tensor) -> Tensor:
        return model.head(model.hidden(ids)[:, -1]).float().cpu()

    return _with_each(model, tokenizer, prompt, vectors, logits)


def vector_states(
    model: Transformer, tokenizer: Tokenizer, prompt: str, vectors: Float[Tensor, "N C"]
) -> Float[Tensor, "N depth C"]:
    """What the layers make of each vector in place of `???`: the residual stream there, before and after each block.

    >>> from minillm import ModelConfig
    >>> tokenizer = Tokenizer.train(["hi hi"], vocab_size=258, special_tokens=[PLACEHOLDER])
    >>> model = Transformer(ModelConfig(vocab_size=258, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> vector_states(model, tokenizer, "a ??? hi", torch.ones(3, 8)).shape
    torch.Size([3, 3, 8])
    """
    here = ids_around(tokenizer, prompt).index(tokenizer.special_tokens[PLACEHOLDER])

    def states(ids: Tensor) -> Tensor:
        return trace(model, ids, weights=False).stream[:, :, here].transpose(0, 1).cpu()

    return _with_each(model, tokenizer, prompt, vectors, states)


def _with_each(
    model: Transformer, tokenizer: Tokenizer, prompt: str, vectors: Tensor, read: Callable[[Tensor], Tensor]
) -> Tensor:
    """What `read(ids)` returns for each vector, in their order; equal vectors are read once."""
    ids = torch.tensor(ids_around(tokenizer, prompt), device=model.device)
    model.check_length(len(ids))
    different, inverse = vectors.unique(dim=0, return_inverse=True)
    found = []
    for some in different.split(ROWS):
        waiting = iter(some)

        def embedding(text: Tensor, table: Tensor, waiting=waiting) -> Tensor:
            return embedding_with(tokenizer, next(waiting))(text, table)

        with replaced(model, embedding=embedding):
            found.append(read(ids.expand(len(some), -1)))
    return torch.cat(found)[inverse.cpu()]
