"""The first token of a text: how large its stream is, and what a feed-forward network is worth there and elsewhere.

A part of `lens.py`. Texts begin with the token that separates texts, which sees only itself, so its stream is the same
in all of them.
"""

from collections.abc import Sequence
from statistics import fmean

import torch
from measures import bootstrap_interval, texts

from minillm.analysis.surgery import prompt_ids
from minillm.analysis.tracing import trace
from minillm.losses import next_token_loss
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

TEXTS = 6
SINGLE = (1, 2, 5, 10, 20)  # other tokens, one at a time
MASSIVE = 11  # the block whose feed-forward network makes the stream of the first token long


class Reader:
    """The loss of a text if a block's feed-forward network writes nothing at some of its tokens."""

    def __init__(self, model: Transformer, ids: Sequence[int]):
        row = torch.tensor([list(ids)])
        self.model, self.targets, self.context = model, row[:, 1:], model.context(row[:, :-1])
        self.seen = trace(model, row[:, :-1], weights=False)
        self.intact = next_token_loss(self.seen.logits, self.targets).item()

    def cost(self, layer: int, at: Sequence[int]) -> float:
        """What is added to the loss if the network of this block is silent at these tokens, in nats per token."""
        x = self.seen.stream[layer + 1].clone()
        x[:, at] = (self.seen.stream[layer] + self.seen.attention[layer])[:, at]
        for above in range(layer + 1, len(self.model.blocks)):
            x = self.model.blocks[above](x, **self.context.for_layer(above))
        return next_token_loss(self.model.head(self.model.final_norm(x)), self.targets).item() - self.intact


def norms_by_depth(model: Transformer, ids: Sequence[int]) -> tuple[list[float], list[float]]:
    """The norm of the stream at the first token, and its median over the other tokens, by depth."""
    stream = trace(model, torch.tensor([list(ids)]), weights=False).stream[:, 0].norm(dim=-1)
    return stream[:, 0].tolist(), stream[:, 1:].median(dim=1).values.tolist()


def told(costs: Sequence[float]) -> dict:
    low, high = bootstrap_interval(costs, fmean)
    return {"mean": fmean(costs), "low": low, "high": high, "costs": list(costs)}


@torch.no_grad()
def first_token_part(model: Transformer, tokenizer: Tokenizer) -> dict:
    """Norms by depth, with the token that separates texts and without it; removals at the first token and elsewhere."""
    written = [prompt_ids(tokenizer, text) for text in texts(TEXTS)]
    with_start, without_start = ([norms_by_depth(model, ids[cut:]) for ids in written] for cut in (0, 1))
    last = trace(model, torch.tensor([written[0][:1]]), weights=False).stream[:, 0, 0]
    readers = [Reader(model, ids) for ids in written]
    removed = []
    for layer in range(len(model.blocks)):
        first = [reader.cost(layer, [0]) for reader in readers]
        others = [reader.cost(layer, range(1, reader.targets.shape[1])) for reader in readers]
        removed.append({"block": layer, "first": told(first), "others": told(others)})
        print(f"feed-forward {layer}: first {fmean(first):+.2f}, others {fmean(others):+.2f}", flush=True)
    return {
        "texts": TEXTS,
        "norm, first token": with_start[0][0],
        "norm, other tokens": [fmean(of) for of in zip(*(row[1] for row in with_start), strict=True)],
        "norm, first word without the token": [row[0] for row in without_start],
        "largest coordinate": last.abs().argmax(-1).tolist(),
        "share of the largest": (last.abs().amax(-1) / last.norm(dim=-1)).tolist(),
        "removed": removed,
        "one other token": {str(at): told([reader.cost(MASSIVE, [at]) for reader in readers]) for at in SINGLE},
    }
