"""Attention heads one by one: what each hands on, and what a model does without some of them.

A head's output is its weighted mean of the values, before the layer's output matrix. An ablated head gives the same
vector at every position. Take the head's mean over reference texts; zero would be out of distribution for the later
layers (Wang et al. 2023, section 3).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from minillm.analysis.surgery.writing import prompt_ids
from minillm.analysis.tracing import Trace, trace
from minillm.errors import UserError
from minillm.model.position import rotary_angles
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

Head = tuple[int, int]  # a layer and a query head, both counted from 0


@torch.no_grad()
def head_outputs(model: Transformer, ids: Int[Tensor, "B T"]) -> Float[Tensor, "L B H T D"]:
    """Run the model on `ids` and keep the output of every head.

    >>> from minillm.config import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=4, max_seq_len=16))
    >>> head_outputs(model, torch.tensor([[1, 2, 3]])).shape
    torch.Size([2, 1, 4, 3, 2])
    """
    kept: list[Tensor] = []

    def keep(output: nn.Module, inputs: tuple[Tensor]) -> None:
        kept.append(inputs[0].unflatten(-1, (model.config.n_heads, -1)).transpose(1, 2))

    with ExitStack() as hooks:
        for block in model.blocks:
            hooks.callback(block.attention.output.register_forward_pre_hook(keep).remove)
        model(ids)
    return torch.stack(kept)


@torch.no_grad()
def projected(
    model: Transformer, seen: Trace, layer: int
) -> tuple[Float[Tensor, "H T D"], Float[Tensor, "K T D"], Float[Tensor, "K T D"]]:
    """The queries, keys and values of a layer for the first traced text, as its heads get them: rotated.

    Raises `UserError` for a layer that there is not and for a model without rotary positions.

    >>> from minillm.config import ModelConfig
    >>> config = ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=4, n_kv_heads=2, max_seq_len=16)
    >>> model = Transformer(config)
    >>> query, key, value = projected(model, trace(model, torch.tensor([[1, 2, 3]])), layer=0)
    >>> query.shape, key.shape
    (torch.Size([4, 3, 2]), torch.Size([2, 3, 2]))
    """
    if not 0 <= layer < len(model.blocks):
        raise UserError(f"there is no layer {layer}; this model's are 0 to {len(model.blocks) - 1}")
    if model.config.position != "rotary":
        raise UserError(f"this model has position={model.config.position!r}; take one with rotary positions")
    block, x = model.blocks[layer], seen.stream[layer, :1]
    angles = rotary_angles(torch.arange(x.shape[1], device=x.device), model.config.d_head, model.config.rope_theta)
    query, key, value = block.attention.project(block.attention_norm(x), angles)
    return query[0], key[0], value[0]


def reading(
    model: Transformer, tokenizer: Tokenizer, frame: str, places: Sequence[str], words: Sequence[str]
) -> Float[Tensor, "L H places words"]:
    """What every head reads from a place when it comes to a word, in a text that ends with the word.

    `frame` has two gaps: "the {} has a {}". Of a place or word of several tokens, the last one counts. Raises
    `UserError` for a frame that does not end with its second gap.

    >>> from minillm.config import ModelConfig
    >>> tokenizer = Tokenizer.train(["the river has a bank"], vocab_size=300)
    >>> model = Transformer(ModelConfig(vocab_size=300, d_model=8, n_layers=2, n_heads=4, max_seq_len=64))
    >>> reading(model, tokenizer, "the {} has a {}", ["river", "street"], ["bank"]).shape
    torch.Size([2, 4, 2, 1])
    """
    if frame.count("{}") != 2 or not frame.endswith("{}"):
        raise UserError(
            f"the frame {frame!r} must have a gap for a place and end with one for a word, as in 'a {{}} {{}}'"
        )
    found = []
    for place in places:
        position = len(prompt_ids(tokenizer, frame.partition("{}")[0] + place)) - 1
        rows = [prompt_ids(tokenizer, frame.format(place, word)) for word in words]
        ends = torch.tensor([len(row) - 1 for row in rows])
        longest = max(map(len, rows))  # shorter rows are filled up on the right, where no query looks
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=model.device)
        weights = trace(model, ids).weights
        assert weights is not None  # they were asked for
        found.append(weights[:, torch.arange(len(rows)), :, ends, position].permute(1, 2, 0))
    return torch.stack(found, dim=2)


@contextmanager
def ablate_heads(model: Transformer, replacements: Mapping[Head, Float[Tensor, "D"]]) -> Iterator[Transformer]:
    """Replace the outputs of heads, at every position, inside a `with` block; afterwards the model is unchanged.

    Raises `UserError` for a head that the model does not have and for a vector of the wrong width.

    >>> from minillm.config import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=4, max_seq_len=16))
    >>> ids = torch.tensor([[1, 2, 3]])
    >>> with ablate_heads(model, {(1, 3): torch.ones(2)}):
    ...     head_outputs(model, ids)[1, 0, 3].tolist()
    [[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]
    """
    L, H = model.config.n_layers, model.config.n_heads
    for (layer, head), vector in replacements.items():
        if not (0 <= layer < L and 0 <= head < H):
            raise UserError(f"there is no head {(layer, head)}; layers are 0 to {L - 1}, heads 0 to {H - 1}")
        D = model.blocks[layer].attention.d_head
        if vector.shape != (D,):
            raise UserError(f"the vector for head {(layer, head)} has shape {tuple(vector.shape)}; it must be ({D},)")
    with ExitStack() as hooks:
        for layer in {layer for layer, _ in replacements}:
            vectors = {head: vector for (its_layer, head), vector in replacements.items() if its_layer == layer}
            output = model.blocks[layer].attention.output
            hooks.callback(output.register_forward_pre_hook(_replace(vectors), prepend=True).remove)
        yield model


def _replace(vectors: Mapping[int, Float[Tensor, "D"]]) -> Any:
    def hook(output: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        joined = inputs[0].clone()  # (B, T, H·D)
        for head, vector in vectors.items():
            joined[..., head * len(vector) : (head + 1) * len(vector)] = vector.to(joined)
        return (joined,)

    return hook
