"""A whole model that computes with what the learner wrote, on any weights: those of SmolLM2, or of a run of their own.

So far this is the attention of every layer. The course's code projects, rotates and caches; each head is then one call
of `mine.attention`, with rows of `mine.causal_mask`. (`mine.MultiHead` neither rotates nor caches, so it stays in its
lesson.)
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course import mine
from minillm.course.checks.asking import describe_error
from minillm.course.learner.saved import file_of
from minillm.course.turns import all_turns
from minillm.errors import UserError
from minillm.inference.decode import install
from minillm.model.attention import MultiHeadAttention
from minillm.model.kv_cache import Cache
from minillm.model.transformer import Transformer

PARTS = ("causal_mask", "attention")  # the turns that run in a model


def whose() -> str:
    """One line that says whose parts a model of `use_mine` runs.

    >>> whose().startswith("In this model ")
    True
    """
    course = {turn.name: turn.course for turn in all_turns()}
    yours = [name for name in PARTS if getattr(mine, name) is not course[name]]
    theirs = [name for name in PARTS if name not in yours]
    if not yours:
        return f"In this model everything is the course's so far. In lesson 04 you write {' and '.join(theirs)}."
    included = f", {theirs[0]} included," if theirs else ""
    return f"In this model {_are(yours)} yours. The rest{included} is the course's."


def _are(names: list[str]) -> str:
    return f"{' and '.join(names)} {'are' if len(names) > 1 else 'is'}"


def use_mine(model: Transformer) -> Transformer:
    """Let every layer of a model compute its heads by `mine.attention` from now on; returns the model.

    The model can still be trained, saved and cached; it is slower, since each head of each text is a call of its own.
    Raises `UserError` for a model whose attention needs more than queries, keys, values and a causal mask.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> ids = torch.tensor([[1, 2, 3]])
    >>> expected = model(ids)
    >>> torch.allclose(use_mine(model)(ids), expected, atol=1e-6)
    True
    """
    if model.config.position == "alibi" or not model.config.causal:
        kind = "position='alibi'" if model.config.causal else "causal=False"
        raise UserError(f"this model has {kind}, which your attention knows nothing of; take one with rotary positions")
    own, rows = _checked(mine.attention), _MaskRows()
    for block in model.blocks:
        block.attention.forward = _forward(block.attention, own, rows)
    install(model, None)  # no fast step: it would compute attention in its own way
    return model


def _forward(theirs: MultiHeadAttention, attention: Callable[..., Tensor], rows: "_MaskRows") -> Callable[..., Tensor]:
    """The forward pass of a layer, with its arguments, by the learner's function."""

    def forward(
        x: Tensor, mask: Tensor | None = None, angles: Any = None, cache: Cache | None = None, layer: int = 0, **_: Any
    ) -> Tensor:
        query, key, value = theirs.project(x, angles)
        if cache is not None:
            key, value = cache.append(layer, key, value)
        (B, H, T, _D), (K, S) = query.shape, key.shape[1:3]
        visible = rows(T, S, x.device)
        if mask is not None:  # texts side by side in a row, or a sliding window
            visible = visible & (mask.squeeze(1) if mask.dim() == 4 else mask)
        visible = visible.expand(B, T, S)
        heads = [
            attention(query[b, h], key[b, h // (H // K)], value[b, h // (H // K)], visible[b])
            for b in range(B)
            for h in range(H)
        ]
        return theirs.output(torch.stack(heads).unflatten(0, (B, H)).transpose(1, 2).flatten(2))

    return forward


class _MaskRows:
    """The last T rows of the learner's mask of S positions; a mask is made for twice as many as were asked for."""

    def __init__(self):
        self.table = torch.empty(0, 0)

    def __call__(self, T: int, S: int, device: torch.device) -> Tensor:
        if len(self.table) < S:
            self.table = _checked(mine.causal_mask)(2 * S)
        return self.table[S - T : S, :S].to(device)


def _checked(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function whose errors are sentences that name the file to look at."""

    def call(*arguments: Any) -> Tensor:
        try:
            return function(*arguments)
        except Exception as error:
            path = file_of("attention")
            how = describe_error(error, str(path))
            raise UserError(f"`{function.__name__}` in {path} {how}; mend it there, or in lesson 04") from error

    return call
