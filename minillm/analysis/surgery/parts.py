"""A model with other parts inside a `with` block: replaced by a function, reordered, or left out.

A part is a function of plain tensors, as a lesson writes it (T tokens, S tokens seen, one text, one head):

    embedding(ids, table)                    (T,), (V, C)              -> (T, C)
    rotation(x, positions, base)             (T, D), (T,), number      -> (T, D), of queries and of keys, row by row
    causal_mask(T)                                                     -> (T, T), True where a query may see a key
    attention(query, key, value, visible)    (T, D), 2 x (S, D), (T, S)  -> (T, D)
    linear(x, weight)                        (T, C), (F, C)            -> (T, F), of all seven matrices of a block
    split_heads(x, n_heads)                  (T, H * D), number        -> (H, T, D), of queries, keys and values
    batched_product(a, b)                    (H, T, D), (H, D, S)      -> (H, T, S), of scores and of outputs
    softmax(scores)                          (H, T, S)                 -> (H, T, S)
    join_heads(heads)                        (H, T, D)                 -> (T, H * D)
    norm(x, weight, eps)                     (T, C), (C,), number      -> (T, C)
    feed_forward(x, gate, up, down)          (T, C), 2 x (F, C), (C, F)  -> (T, C); no `gate` where a model has none
    transformer(ids, weights, settings)      (T,), dictionaries        -> (T, V): the whole model (`whole`)
    order                                    numbers of blocks, such as [0, 1, 1, 3]

The rest of the model stays as it is: the weights, the cache, the head.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from minillm.analysis.surgery import whole
from minillm.analysis.surgery.attending import IN_A_LAYER, STEPS, forward_pass, linear, splitting
from minillm.analysis.surgery.calls import Function, MaskRows, by_text, call, rotated, set_until
from minillm.errors import UserError
from minillm.model.attention import causal_mask as plain_mask
from minillm.model.embedding import TokenEmbedding
from minillm.model.feedforward import FeedForward
from minillm.model.linear import Linear
from minillm.model.norm import LayerNorm, RMSNorm
from minillm.model.transformer import Block, Transformer

PARTS = (
    "embedding", "rotation", "causal_mask", "attention", "norm", "feed_forward", "order",
    "linear", "split_heads", "batched_product", "softmax", "join_heads", "transformer",
)  # fmt: skip
Layers = int | Sequence[int] | None


@contextmanager
def replaced(model: Transformer, *, layers: Layers = None, **parts: Any) -> Iterator[Transformer]:
    """The model with other parts, inside a `with` block; afterwards, even after an error, it is what it was.

    `parts` are functions by name (see above), and `order`. `layers` says in which blocks they stand, counted from 0;
    without it in all of them, and `norm` also before the head. With a `transformer`, the other
    parts run only where it cannot (padded rows). Blocks can be nested. Raises `UserError` for a part or
    layer that the model does not have, and where a part returns something of another shape or dtype.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> with replaced(model, order=[1, 0, 0]):
    ...     len(model.blocks)
    3
    >>> len(model.blocks)
    2
    """
    with replace(model, layers=layers, **parts):
        yield model


def replace(model: Transformer, *, layers: Layers = None, **parts: Any) -> ExitStack:
    """Replace parts as `replaced` does, until the returned stack is closed: `replace(...).close()` undoes it."""
    if unknown := [name for name in parts if name not in PARTS]:
        raise UserError(f"a model has no part {unknown[0]!r}; its parts are {', '.join(PARTS)}")
    given = {name: part for name, part in parts.items() if part is not None}
    for name, part in given.items():
        if name != "order" and not callable(part):
            raise UserError(f"{name} is of type {type(part).__name__}; give the function itself, without parentheses")
    blocks = chosen(model, layers)
    with ExitStack() as undo:
        set_until(undo, model, "forward", model.forward)  # no fast step: it would compute the parts in its own way
        if "embedding" in given:
            set_until(undo, model.embedding, "forward", _embedding(model, given["embedding"]))
        if "rotation" in given:
            _rotate(undo, model, blocks, given["rotation"])
        if "linear" in given:
            _multiply(undo, blocks, given["linear"])
        if "split_heads" in given:
            for block in blocks:
                set_until(undo, block.attention, "_heads", splitting(block.attention, given["split_heads"]))
        if given.keys() & {"causal_mask", *IN_A_LAYER}:
            _attend(undo, model, blocks, given)
        if "norm" in given:
            for norm in _norms(model, blocks, layers):
                set_until(undo, norm, "forward", _norm(norm, given["norm"]))
        if "feed_forward" in given:
            for block in blocks:
                set_until(undo, block.feedforward, "forward", _feed_forward(block.feedforward, given["feed_forward"]))
        if "order" in given:
            _reorder(undo, model, given["order"])
        if "transformer" in given:
            whole.compute(undo, model, given["transformer"])
        return undo.pop_all()


@contextmanager
def without(model: Transformer, part: str, layer: Layers = None) -> Iterator[Transformer]:
    """The model without a part, inside a `with` block: "attention", "feed_forward", "norm" or "positions".

    `layer` is one block or several, counted from 0; None means all, and for "norm" also the one before the head. An
    attention or feed-forward network that is left out adds nothing to the residual stream. Raises `UserError` for
    another part, for a layer that the model does not have, and for "positions" of a model that knows none.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> ids = torch.tensor([[1, 2, 3], [2, 1, 3]])
    >>> with without(model, "positions"):
    ...     logits = model(ids)[:, -1]
    >>> torch.allclose(logits[0], logits[1], atol=1e-6)  # one layer without positions reads words in any order
    True
    """
    blocks = chosen(model, layer)
    with ExitStack() as undo:
        set_until(undo, model, "forward", model.forward)
        if part in ("attention", "feed_forward"):
            for block in blocks:
                silent = block.attention if part == "attention" else block.feedforward
                set_until(undo, silent, "forward", lambda x, **_: torch.zeros_like(x))
        elif part == "norm":
            for norm in _norms(model, blocks, layer):
                set_until(undo, norm, "forward", lambda x: x)
        elif part == "positions":
            _forget_positions(undo, model, blocks, layer)
        else:
            raise UserError(f"without {part!r}? choose one of attention, feed_forward, norm, positions")
        yield model


def chosen(model: Transformer, layers: Layers) -> list[Block]:
    """The blocks of these layers, each once; raises `UserError` for a layer that there is not."""
    wanted = range(len(model.blocks)) if layers is None else [layers] if isinstance(layers, int) else list(layers)
    for layer in wanted:
        if not isinstance(layer, int) or not 0 <= layer < len(model.blocks):
            raise UserError(f"there is no layer {layer}; this model's are 0 to {len(model.blocks) - 1}")
    return list(dict.fromkeys(model.blocks[layer] for layer in wanted))


def _norms(model: Transformer, blocks: Sequence[Block], layers: Layers) -> list[RMSNorm | LayerNorm]:
    norms = [norm for block in blocks for norm in (block.attention_norm, block.feedforward_norm)]
    return norms if layers is not None else [*norms, model.final_norm]


def _embedding(model: Transformer, function: Function) -> Callable[[Tensor], Tensor]:
    if type(model.embedding) is not TokenEmbedding:
        raise UserError("this model's embedding table is quantized; load it in float32")
    table = model.embedding.weight

    def forward(ids: Tensor) -> Tensor:
        shape = (ids.shape[1], table.shape[1])
        return torch.stack([call("embedding", function, (text, table), shape, table.dtype) for text in ids])

    return forward


def _rotate(undo: ExitStack, model: Transformer, blocks: Sequence[Block], function: Function) -> None:
    """Let `project` of these blocks rotate by the function; the positions are those of the latest forward pass."""
    c = model.config
    if c.position != "rotary" or c.rope_scaling is not None:
        kind = f"position={c.position!r}" if c.position != "rotary" else "scaled frequencies"
        raise UserError(f"this model has {kind}, so rotation(x, positions, base) does not fit it")
    make_context, latest = model.context, {}

    def context(*arguments: Any, **more: Any) -> Any:
        made = make_context(*arguments, **more)
        latest["positions"] = made.positions
        return made

    def of(project: Function) -> Function:
        def forward(x: Tensor, angles: Any = None) -> tuple[Tensor, Tensor, Tensor]:
            query, key, value = project(x, None)
            where = latest["positions"], c.rope_theta
            return rotated(function, query, *where), rotated(function, key, *where), value

        return forward

    set_until(undo, model, "context", context)
    for block in blocks:
        set_until(undo, block.attention, "project", of(block.attention.project))


def _attend(undo: ExitStack, model: Transformer, blocks: Sequence[Block], given: dict[str, Function]) -> None:
    if model.config.position == "alibi" and (named := [part for part in given if part in ("attention", *STEPS)]):
        raise UserError(f"this model has position='alibi', which {named[0]} knows nothing of")
    if not model.config.causal:
        raise UserError("this model has causal=False, which a causal mask does not fit; take a model that writes")
    rows = MaskRows(given["causal_mask"]) if "causal_mask" in given else plain_mask
    for block in blocks:
        set_until(undo, block.attention, "forward", forward_pass(block.attention, given, rows))


def _multiply(undo: ExitStack, blocks: Sequence[Block], function: Function) -> None:
    for layer in (layer for block in blocks for layer in _matrices(block)):
        if type(layer) is not Linear:
            raise UserError("this model's weights are quantized; load it in float32")
        set_until(undo, layer, "forward", linear(layer, function))


def _matrices(block: Block) -> list[nn.Module]:
    """The layers that multiply by a matrix: seven, or six in a layer without a gate."""
    a, f = block.attention, block.feedforward
    return [layer for layer in (a.query, a.key, a.value, a.output, f.gate, f.up, f.down) if layer is not None]


def _norm(norm: RMSNorm | LayerNorm, function: Function) -> Callable[[Tensor], Tensor]:
    def forward(x: Tensor) -> Tensor:
        bias = getattr(norm, "bias", None)
        normed = by_text("norm", function, x, norm.weight, norm.eps)
        return normed if bias is None else normed + bias

    return forward


def _feed_forward(theirs: FeedForward, function: Function) -> Callable[[Tensor], Tensor]:
    layers = [layer for layer in (theirs.gate, theirs.up, theirs.down) if layer is not None]
    if any(type(layer) is not Linear or layer.bias is not None for layer in layers):
        raise UserError("this model's feed-forward networks have quantized weights or biases; load it in float32")
    return lambda x: by_text("feed_forward", function, x, *(layer.weight for layer in layers))


def _reorder(undo: ExitStack, model: Transformer, order: Sequence[int]) -> None:
    own, order = model.blocks, list(order)
    if not order or not all(isinstance(index, int) and 0 <= index < len(own) for index in order):
        raise UserError(f"order is {order}; it must list blocks of this model, by numbers from 0 to {len(own) - 1}")
    undo.callback(setattr, model, "blocks", own)
    model.blocks = nn.ModuleList([own[index] for index in order])  # pyright: ignore


def _forget_positions(undo: ExitStack, model: Transformer, blocks: Sequence[Block], layers: Layers) -> None:
    kind = model.config.position
    if kind == "none" or (kind in ("learned", "sinusoidal") and layers is not None):
        where = "has no positions" if kind == "none" else "adds its positions once, before the first layer"
        raise UserError(f"this model {where}; leave out something else" + (" or `layer`" if kind != "none" else ""))
    if kind in ("learned", "sinusoidal"):
        position: Any = model.position
        set_until(undo, position, "forward", lambda positions: torch.zeros(*positions.shape, model.config.d_model))
    for block in blocks if kind == "rotary" else ():
        set_until(undo, block.attention, "project", _unturned(block.attention.project))
    for block in blocks if kind == "alibi" else ():
        set_until(undo, block.attention, "forward", _unbiased(block.attention.forward))


def _unturned(project: Function) -> Function:
    return lambda x, angles=None: project(x, None)


def _unbiased(forward: Function) -> Function:
    return lambda x, **settings: forward(x, **settings | {"bias": None})
