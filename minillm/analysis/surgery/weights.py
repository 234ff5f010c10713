"""Single weights: set to zero, drawn at random, and found where one of them writes more than all others."""

import random
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from minillm.analysis.surgery.parts import chosen
from minillm.analysis.surgery.writing import prompt_ids
from minillm.errors import UserError
from minillm.model.feedforward import FeedForward
from minillm.model.linear import Linear
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer


@contextmanager
def zeroed(model: Transformer, name: str, *positions: tuple[int, ...]) -> Iterator[Transformer]:
    """The model with some entries of a weight set to 0, inside a `with` block; afterwards they are what they were.

    `name` is the weight's name in `model.state_dict()`, and a position is (row, column), counted from 0. Raises
    `UserError` for a weight or a position that there is not, and for quantized weights.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> with zeroed(model, "blocks.0.feedforward.down.weight", (7, 3), (7, 5)):
    ...     int((model.blocks[0].feedforward.down.weight == 0).sum())
    2
    """
    weight = dict(model.named_parameters()).get(name)
    if weight is None:
        raise UserError(f"there is no weight {name!r} to change; take a name of model.state_dict(), not quantized")
    for place in positions:
        ok = len(place) == weight.dim() and all(0 <= i < n for i, n in zip(place, weight.shape, strict=True))
        if not ok:
            raise UserError(f"{name} has shape {tuple(weight.shape)}, so there is no position {tuple(place)}")
    with _set_to_zero([(weight, [tuple(place) for place in positions])]):
        yield model


@contextmanager
def zeroed_at_random(model: Transformer, count: int, seed: int = 0) -> Iterator[Transformer]:
    """The model with this many weights of its feed-forward networks set to 0, drawn without replacement.

    All matrices of all layers take part, in proportion to their size; the seed decides which weights. Raises
    `UserError` for more than there are, and for quantized weights.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> with zeroed_at_random(model, 100, seed=1):
    ...     sum(int((block.feedforward.up.weight == 0).sum()) for block in model.blocks) < 100
    True
    """
    weights = [layer.weight for block in model.blocks for layer in float_layers(block.feedforward)]
    total = sum(weight.numel() for weight in weights)
    if not 0 <= count <= total:
        raise UserError(f"count is {count}; the feed-forward networks have {total:,} weights")
    drawn = sorted(random.Random(seed).sample(range(total), count))
    places, start = [], 0
    for weight in weights:
        end = start + weight.numel()
        inside = drawn[bisect_left(drawn, start) : bisect_left(drawn, end)]
        places.append((weight, [divmod(index - start, weight.shape[1]) for index in inside]))
        start = end
    with _set_to_zero(places):
        yield model


@contextmanager
def without_neurons(model: Transformer, *neurons: tuple[int, int]) -> Iterator[Transformer]:
    """The model without some neurons of its feed-forward networks, inside a `with` block.

    A neuron is (layer, number), both counted from 0. Its column of `down` is 0, so it writes nothing. Raises
    `UserError` for a neuron that there is not, and for quantized weights.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> with without_neurons(model, (1, 3)):
    ...     model.blocks[1].feedforward.down.weight[:, 3].abs().sum().item()
    0.0
    """
    places = []
    for layer, number in neurons:
        weight = float_layers(chosen(model, layer)[0].feedforward)[-1].weight
        (C, F) = weight.shape
        if not 0 <= number < F:
            raise UserError(f"there is no neuron {number}; this model's are 0 to {F - 1}")
        places.append((weight, [(row, number) for row in range(C)]))
    with _set_to_zero(places):
        yield model


def float_layers(network: FeedForward) -> list[Linear]:
    """The matrices of a feed-forward network, `down` last; raises `UserError` where they are quantized."""
    layers = [layer for layer in (network.gate, network.up, network.down) if layer is not None]
    if any(type(layer) is not Linear for layer in layers):
        raise UserError("this model's feed-forward networks have quantized weights; load it in float32")
    return layers


@contextmanager
def _set_to_zero(places: Sequence[tuple[nn.Parameter, Sequence[tuple[int, ...]]]]) -> Iterator[None]:
    """Zeros at these positions of each weight, inside a `with` block."""
    entries = [(weight, torch.tensor(where, device=weight.device).unbind(1)) for weight, where in places if len(where)]
    before = [weight[where].detach().clone() for weight, where in entries]

    @torch.no_grad()
    def write(values: Sequence[Tensor | float]) -> None:
        for (weight, where), value in zip(entries, values, strict=True):
            weight[where] = value

    try:
        write([0.0] * len(entries))
        yield
    finally:
        write(before)


class Candidate(NamedTuple):
    """An entry of `down`, `blocks[layer].feedforward.down.weight[row, column]`, and the most that it writes."""

    layer: int
    row: int  # the coordinate of the residual stream that it writes to
    column: int  # the neuron that it reads
    weight: float
    activation: float  # of the neuron, where that is largest
    token: int  # the position in the text where that is, counted from 0

    @property
    def written(self) -> float:
        """What this weight adds to its coordinate at that token."""
        return self.weight * self.activation

    @property
    def name(self) -> str:
        """The name of the weight in `state_dict()`, as `zeroed` takes it."""
        return f"blocks.{self.layer}.feedforward.down.weight"


@torch.no_grad()
def super_weight_candidates(model: Transformer, tokenizer: Tokenizer, text: str, n: int = 5) -> list[Candidate]:
    """The n weights that write the largest numbers on a text, the largest first, found in one forward pass.

    A neuron that is active times one large weight of `down` can write a number that the rest of the model depends on (a
    super weight, Yu et al. 2024). These are candidates: zero them and measure (`zeroed`), since some do nothing. Raises
    `UserError` for quantized weights, and for an n below 1 or beyond the weights of one layer.

    >>> from minillm import ModelConfig
    >>> tokenizer = Tokenizer.train(["hi hi"], vocab_size=256)
    >>> model = Transformer(ModelConfig(vocab_size=256, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> largest, second = super_weight_candidates(model, tokenizer, "hello", n=2)
    >>> abs(largest.written) >= abs(second.written)
    True
    """
    ids = prompt_ids(tokenizer, text)
    model.check_length(len(ids))
    downs = [float_layers(block.feedforward)[-1] for block in model.blocks]
    if not 1 <= n <= downs[0].weight.numel():
        raise UserError(f"n is {n}; ask for 1 to {downs[0].weight.numel():,} weights")
    found: list[Candidate] = []

    def look(layer: int, activations: Float[Tensor, "T F"]) -> None:
        """The n largest writes of one layer."""
        weight = downs[layer].weight
        most, token = activations.abs().max(dim=0)
        places = (most * weight.abs()).flatten().topk(n).indices.tolist()  # (C, F), flat
        for row, column in (divmod(place, weight.shape[1]) for place in places):
            at = int(token[column])
            value = activations[at, column].item()
            found.append(Candidate(layer, row, column, weight[row, column].item(), value, at))

    def looking(layer: int) -> Callable[..., None]:
        return lambda _module, inputs: look(layer, inputs[0][0])

    hooks = [down.register_forward_pre_hook(looking(layer)) for layer, down in enumerate(downs)]
    try:
        model.hidden(torch.tensor([ids], device=model.device))
    finally:
        for hook in hooks:
            hook.remove()
    return sorted(found, key=lambda candidate: -abs(candidate.written))[:n]
