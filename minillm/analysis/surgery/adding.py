"""A feed-forward network with more neurons than it was trained with, and a part whose output is a given mean."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from minillm.analysis.surgery.parts import chosen
from minillm.analysis.surgery.weights import float_layers
from minillm.analysis.surgery.writing import prompt_ids
from minillm.errors import UserError
from minillm.model.transformer import Block, Transformer
from minillm.tokenizer import Tokenizer

BLURRED = ("attention", "feed_forward")


@contextmanager
def appended(model: Transformer, layer: int, gate: Tensor | None, up: Tensor, down: Tensor) -> Iterator[Transformer]:
    """The model with one neuron more in the feed-forward network of a layer, or several, inside a `with` block.

    Each neuron is a row of `gate`, a row of `up` and a column of `down`; several are rows of (n, C). `gate` is None
    where the model has none. A neuron like this can store a fact (Geva et al. 2021). Blocks can be nested. Raises
    `UserError` for vectors of another shape, for a network with biases, and for quantized weights.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> with appended(model, 1, torch.ones(8), torch.ones(8), torch.zeros(8)):
    ...     model.blocks[1].feedforward.down.weight.shape
    torch.Size([8, 22])
    """
    network, C = chosen(model, layer)[0].feedforward, model.config.d_model
    layers = float_layers(network)
    if any(part.bias is not None for part in layers):
        raise UserError("this model's feed-forward networks have biases, which a new neuron would lack")
    if (gate is None) != (network.gate is None):
        raise UserError(f"this model's neurons have {'no gate; give None' if gate is not None else 'a gate; give one'}")
    given = {"gate": gate, "up": up, "down": down}
    rows = {name: torch.as_tensor(part).detach() for name, part in given.items() if part is not None}
    rows = {name: part[None] if part.dim() == 1 else part for name, part in rows.items()}
    for name, part in rows.items():
        if part.dim() != 2 or part.shape != (len(rows["down"]), C):
            raise UserError(f"{name} has shape {tuple(part.shape)}; give ({C},), or (n, {C}) for n neurons, of each")
    with ExitStack() as undo:
        for part, name in zip(layers, rows, strict=True):
            undo.callback(setattr, part, "weight", part.weight)
            more = rows[name].to(part.weight)
            old = part.weight.detach()
            wider = torch.cat([old, more.T], dim=1) if name == "down" else torch.cat([old, more])
            part.weight = nn.Parameter(wider, requires_grad=part.weight.requires_grad)
        yield model


@contextmanager
def blurred(
    model: Transformer, part: str, means: Mapping[int, Tensor], tokens: Sequence[int] | None = None
) -> Iterator[Transformer]:
    """The model with the output of a part replaced by a given vector, inside a `with` block (mean ablation).

    `part` is "attention" or "feed_forward", and `means` has a vector by layer, or a row per position (T, C); later
    positions then stay as they are. `tokens` are the positions to replace, counted from the beginning of the text, so 0
    is the token that separates texts; without it, all. Raises `UserError` for another part, layer or shape.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> ids = torch.tensor([[1, 2, 3]])
    >>> with blurred(model, "feed_forward", {0: torch.zeros(8)}, tokens=[1, 2]):
    ...     changed = (model(ids) != model(ids[:, :1])).any(-1)
    """
    if part not in BLURRED:
        raise UserError(f"part is {part!r}; choose attention or feed_forward")
    C, latest = model.config.d_model, {}
    if tokens is not None and any(token < 0 for token in tokens):
        raise UserError("tokens are positions from the beginning of the text; give numbers from 0")
    for layer, mean in means.items():
        chosen(model, layer)
        if mean.dim() not in (1, 2) or mean.shape[-1] != C:
            raise UserError(f"the mean of layer {layer} has shape {tuple(mean.shape)}; give ({C},) or (T, {C})")
    wanted = None if tokens is None else torch.tensor(list(tokens), device=model.device)

    def replacing(mean: Tensor) -> Callable[..., Tensor]:
        def hook(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
            positions = latest["positions"].expand(output.shape[:2])
            hit = torch.ones_like(positions, dtype=torch.bool) if wanted is None else torch.isin(positions, wanted)
            if mean.dim() == 1:
                return torch.where(hit[..., None], mean.to(output), output)
            rows = mean.to(output)[positions.clamp(max=len(mean) - 1)]
            return torch.where((hit & (positions < len(mean)))[..., None], rows, output)

        return hook

    make_context = model.context

    def context(*arguments, **more):
        made = make_context(*arguments, **more)
        latest["positions"] = made.positions
        return made

    with ExitStack() as undo:
        before = vars(model).get("context")
        undo.callback(lambda: vars(model).update(context=before) if before else vars(model).pop("context"))
        vars(model)["context"] = context
        for layer, mean in means.items():
            undo.callback(_module(model.blocks[layer], part).register_forward_hook(replacing(mean)).remove)
        yield model


@torch.no_grad()
def output_means(
    model: Transformer, tokenizer: Tokenizer, texts: Sequence[str], part: str, by_position: bool = False
) -> dict[int, Float[Tensor, "*T C"]]:
    """The mean output of a part in each layer over texts, as `blurred` takes it.

    Left out is the first token of each text, which carries huge numbers in a trained model (Sun et al. 2024). With
    `by_position`, one mean per position (T, C) of texts with as many tokens, the first too. Raises `UserError` for
    another part, for no text or a text of one token, and for texts of several lengths with `by_position`.

    >>> from minillm import ModelConfig
    >>> tokenizer = Tokenizer.train(["hi hi"], vocab_size=256)
    >>> model = Transformer(ModelConfig(vocab_size=256, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> output_means(model, tokenizer, ["hi", "hello"], "attention")[1].shape
    torch.Size([8])
    >>> output_means(model, tokenizer, ["ho", "hi"], "attention", by_position=True)[1].shape
    torch.Size([2, 8])
    """
    if part not in BLURRED:
        raise UserError(f"part is {part!r}; choose attention or feed_forward")
    rows = [prompt_ids(tokenizer, text) for text in texts]
    lengths = {len(row) for row in rows}
    if not rows or min(lengths) < 2:
        raise UserError("give at least one text, each of at least two tokens")
    if by_position and len(lengths) > 1:
        raise UserError(f"the texts have {min(lengths)} to {max(lengths)} tokens; by_position needs equal lengths")
    first = 0 if by_position else 1
    sums: dict[int, Tensor] = {}

    def adding(layer: int) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: tuple, output: Float[Tensor, "1 T C"]) -> None:
            kept = output[0, first:].double()
            sums[layer] = sums.get(layer, 0) + (kept if by_position else kept.sum(0))

        return hook

    with ExitStack() as undo:
        for layer, block in enumerate(model.blocks):
            undo.callback(_module(block, part).register_forward_hook(adding(layer)).remove)
        for row in rows:
            model.hidden(torch.tensor([row], device=model.device))
    count = len(rows) if by_position else sum(len(row) - 1 for row in rows)
    return {layer: (total / count).float() for layer, total in sums.items()}


def _module(block: Block, part: str) -> nn.Module:
    return block.attention if part == "attention" else block.feedforward
