"""Shared by benchmarks that change late blocks: forward passes that go on from a stored residual stream."""

from collections.abc import Sequence

import torch
from torch import Tensor

from minillm.losses import next_token_loss
from minillm.model.transformer import Transformer


class Resumable:
    """Texts of one or several lengths, and the residual stream of the model as it is now before each of its blocks.

    A change in block 27 leaves what blocks 0 to 26 compute, so it is enough to go on from there.
    """

    @torch.no_grad()
    def __init__(self, model: Transformer, rows: Sequence[Sequence[int]]):
        self.model, self.count = model, len(rows)
        lengths: dict[int, list[int]] = {}
        for index, row in enumerate(rows):
            lengths.setdefault(len(row), []).append(index)
        self.places = list(lengths.values())  # the rows of each batch
        self.batches = [torch.tensor([list(rows[index]) for index in places]) for places in self.places]
        self.streams = [self._stream(ids) for ids in self.batches]

    def _stream(self, ids: Tensor) -> list[Tensor]:
        """Before each block: L tensors (B, T, C)."""
        context, x, streams = self.model.context(ids), self.model.embedding(ids), []
        for layer, block in enumerate(self.model.blocks):
            streams.append(x)
            x = block(x, **context.for_layer(layer))
        return streams

    @torch.no_grad()
    def hidden(self, batch: int, layer: int, only: Sequence[int] | None = None) -> Tensor:
        """The normalized vectors (B, T, C) of a batch, if the stream before this layer is the stored one.

        `only` are rows of the batch; without it, all.
        """
        rows = slice(None) if only is None else list(only)
        context, x = self.model.context(self.batches[batch][rows]), self.streams[batch][layer][rows]
        for number, block in enumerate(list(self.model.blocks)[layer:], start=layer):
            x = block(x, **context.for_layer(number))
        return self.model.final_norm(x)

    @torch.no_grad()
    def losses(self, layer: int = 0, count: int | None = None) -> list[float]:
        """The loss of each text in nats per token, or of the first `count`."""
        found: dict[int, float] = {}
        for batch, (places, ids) in enumerate(zip(self.places, self.batches, strict=True)):
            if count is not None and min(places) >= count:
                continue
            logits = self.model.head(self.hidden(batch, layer)[:, :-1])
            for index, row, targets in zip(places, logits, ids[:, 1:], strict=True):
                found[index] = next_token_loss(row[None], targets[None]).item()
        return [found[index] for index in range(self.count if count is None else count)]

    @torch.no_grad()
    def last_logits(self, layer: int = 0, only: Sequence[int] | None = None) -> Tensor:
        """The next token's logits after each text: (texts, V); or after some of them, where all are of one length."""
        if only is not None:
            return self.model.head(self.hidden(0, layer, only)[:, -1])
        last = torch.empty(self.count, self.model.config.d_model)
        for batch, places in enumerate(self.places):
            last[places] = self.hidden(batch, layer)[:, -1]
        return self.model.head(last)
