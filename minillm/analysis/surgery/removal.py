"""What a part is worth: the loss without it, beside the size of what it adds.

A part that adds a long vector need not matter, and one that adds a short vector may matter most. So both are measured:
the size on the intact model, and the cost by taking the part away and reading the same texts again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from minillm.analysis.surgery.writing import prompt_ids
from minillm.errors import UserError
from minillm.losses import IGNORE
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

SORTS = ("attention", "feed-forward")  # the second axis of `size` and `cost`


@dataclass(frozen=True)
class Removal:
    """The attention and the feed-forward network of each layer, `SORTS`, taken away one at a time."""

    loss: Float[Tensor, "texts"]  # nats per token of the intact model
    size: Float[Tensor, "L 2"]  # mean norm of what the part adds to the stream, over all tokens but the first
    relative: Float[Tensor, "L 2"]  # the same norm over that of the stream that the part adds to, before averaging
    cost: Float[Tensor, "L 2 texts"]  # nats per token that are added without it

    def agreement(self, relative: bool = False, sort: str | None = None) -> Float[Tensor, "texts"]:
        """The rank correlation of size and cost, for each text: 1 if the larger part always costs more.

        It is over all parts, or over those of one of the `SORTS`.
        """
        sorts = slice(None) if sort is None else slice(SORTS.index(sort), SORTS.index(sort) + 1)
        size = (self.relative if relative else self.size)[:, sorts].flatten()
        return rank_correlation(size.expand(len(self.loss), -1), self.cost[:, sorts].flatten(0, 1).T)


@torch.no_grad()
def removal(model: Transformer, tokenizer: Tokenizer, texts: Sequence[str]) -> Removal:
    """Take the parts of a model away one at a time, and read these texts without each.

    A part that is left out adds nothing to the residual stream. What comes before it is computed once, so a model of L
    layers takes about L forward passes. The norms leave out the first token, which carries huge numbers in a trained
    model (Sun et al. 2024). Raises `UserError` for no text, or an empty one.

    >>> from minillm import ModelConfig
    >>> tokenizer = Tokenizer.train(["hi hi"], vocab_size=256)
    >>> model = Transformer(ModelConfig(vocab_size=256, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> found = removal(model, tokenizer, ["hi", "hello"])
    >>> found.size.shape, found.cost.shape
    (torch.Size([2, 2]), torch.Size([2, 2, 2]))
    """
    rows = [prompt_ids(tokenizer, text) for text in texts]
    if not rows or min(map(len, rows)) < 2:
        raise UserError("give at least one text, each of at least two tokens")
    width = max(map(len, rows))
    ids = torch.zeros(len(rows), width, dtype=torch.long, device=model.device)
    targets = torch.full_like(ids, IGNORE)
    for row, text in enumerate(rows):
        ids[row, : len(text)] = torch.tensor(text)
        targets[row, : len(text) - 1] = torch.tensor(text[1:])
    seen = torch.arange(width, device=ids.device) < torch.tensor([[len(text)] for text in rows], device=ids.device)
    seen[:, 0] = False

    context = model.context(ids)
    x = model.embedding(ids)
    if model.position is not None:
        x = x + model.position(context.positions).to(x.dtype)

    def losses(x: Tensor, layer: int) -> Tensor:
        """The loss of each text if the stream before this layer is x."""
        for number, block in enumerate(list(model.blocks)[layer:], start=layer):
            x = block(x, **context.for_layer(number))
        logits = model.head(model.final_norm(x)).float()
        each = F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=IGNORE, reduction="none")
        return each.sum(1) / (targets != IGNORE).sum(1)

    intact = losses(x, 0)
    size, relative, cost = [], [], []
    for layer, block in enumerate(model.blocks):
        attended = block.attention(block.attention_norm(x), **context.for_layer(layer))
        fed = block.feedforward(block.feedforward_norm(x + attended))
        alone = block.feedforward(block.feedforward_norm(x))  # what the layer adds without its attention
        norms = torch.stack([part.norm(dim=-1)[seen] for part in (attended, fed)])  # (2, tokens)
        below = torch.stack([stream.norm(dim=-1)[seen] for stream in (x, x + attended)])
        size.append(norms.mean(1))
        relative.append((norms / below).mean(1))
        cost.append(torch.stack([losses(rest, layer + 1) - intact for rest in (x + alone, x + attended)]))
        x = x + attended + fed
    return Removal(intact, torch.stack(size), torch.stack(relative), torch.stack(cost))


def rank_correlation(first: Float[Tensor, "*B n"], second: Float[Tensor, "*B n"]) -> Float[Tensor, "*B"]:
    """Spearman's rank correlation along the last axis; numbers that are equal share the mean of their ranks.

    >>> rank_correlation(torch.tensor([1.0, 2.0, 9.0]), torch.tensor([0.1, 0.2, 0.3])).item()
    1.0
    """
    signs = [(values[..., :, None] - values[..., None, :]).sign() for values in (first, second)]
    centered = [each.sum(-1).double() for each in signs]  # how many are smaller, minus how many are larger
    products = [(a * b).sum(-1) for a, b in ((centered[0], centered[1]), *((each, each) for each in centered))]
    return (products[0] / (products[1] * products[2]).sqrt()).float()
