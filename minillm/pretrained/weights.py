"""From a file's tensors to a model: what every file format needs.

Formats differ in how they name and pack their tensors. The condition afterwards is the same: every parameter of the
model got its tensor, of its shape, and no tensor was left over. A model that is filled "as far as possible" runs and
writes nonsense; so names and shapes are compared first, and numbers are read only if they all agree.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from minillm.config import ModelConfig
from minillm.errors import UserError
from minillm.model.accounting import count_parameters
from minillm.model.transformer import Transformer

Model = TypeVar("Model", bound=nn.Module)  # a transformer, or a module that has one

MAX_PARAMETERS = 2**40  # 1e12: more than any published model; a configuration that asks for more is damaged


class Transposed(str):
    """A file's name for a matrix that it keeps as (in, out), where torch's Linear has (out, in)."""


def rename(parameter: str, table: Mapping[str, str]) -> str:
    """A file's name for one of our parameters, from a table of module names in which `*` stands for the layer.

    Raises `UserError` for a parameter that the table does not know.

    >>> rename("blocks.7.attention.query.weight", {"blocks.*.attention.query": "blk.*.attn_q"})
    'blk.7.attn_q.weight'
    """
    module, kind = parameter.rsplit(".", 1)
    if kind in ("codes", "scale", "zero"):
        raise UserError(f"{parameter!r} is quantized; save the float32 model, and quantize it again when it is loaded")
    layer = re.search(r"\d+", module)
    try:
        name = table[re.sub(r"\d+", "*", module)]
    except KeyError:
        raise UserError(
            f"{parameter!r} has no name in this file format; merge corrections (LoRA) before the model is saved"
        ) from None
    return type(name)(f"{name.replace('*', layer[0]) if layer else name}.{kind}")


def pack(tensors: Mapping[str, Tensor], table: Mapping[str, str]) -> dict[str, Tensor]:
    """Our tensors under a file's names and in its form; those that have one name there are joined by rows.

    >>> table = {"query": Transposed("qk"), "key": Transposed("qk")}
    >>> pack({"query.weight": torch.zeros(2, 3), "key.weight": torch.ones(1, 3)}, table)
    {'qk.weight': tensor([[0., 0., 1.],
            [0., 0., 1.],
            [0., 0., 1.]])}
    """
    packed = {}
    for name, ours in _grouped(tensors, table).items():
        joined = torch.cat([tensors[part] for part in ours]) if len(ours) > 1 else tensors[ours[0]]
        packed[str(name)] = _transposed(joined, name).contiguous()
    return packed


def _grouped(parameters: Iterable[str], table: Mapping[str, str]) -> dict[str, list[str]]:
    """Which of our parameters a tensor of the file holds: mostly one, in GPT-2 query, key and value together."""
    groups = defaultdict(list)
    for parameter in parameters:
        groups[rename(parameter, table)].append(parameter)
    return groups


def _transposed(tensor: Tensor, name: str) -> Tensor:
    return tensor.mT if isinstance(name, Transposed) and tensor.dim() == 2 else tensor


def assemble(
    config: ModelConfig,
    table: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...]],
    read: Callable[[str], Tensor],
    build: Callable[[ModelConfig], Model] = Transformer,
) -> Model:
    """Build the model of `config` out of a file's tensors, in evaluation mode.

    `table` maps our module names to the file's, `shapes` lists every tensor of the file, and `read` gives one of them
    by its name in the file. Raises `UserError` naming tensors that are missing, left over or of another shape.
    """
    if config.n_layers > len(shapes) or count_parameters(config) > MAX_PARAMETERS:
        raise UserError(
            f"its configuration asks for {config.n_layers:,} layers and {count_parameters(config):,} parameters, "
            f"but the file holds {len(shapes):,} tensors: one of the two is damaged"
        )
    with torch.device("meta"):  # shapes without storage: no random numbers are drawn only to be overwritten
        model = build(config)
    parameters = dict(model.named_parameters())  # a tied head and its embedding count once
    account({name: tuple(tensor.shape) for name, tensor in pack(parameters, table).items()}, shapes)
    state = {}
    for name, ours in _grouped(parameters, table).items():
        parts = _transposed(read(name), name).split([len(parameters[parameter]) for parameter in ours])
        for parameter, part in zip(ours, parts, strict=True):  # each owns its memory: parts of one tensor are copied
            if len(parts) > 1:
                part = part.clone(memory_format=torch.contiguous_format)
            state[parameter] = part.contiguous()
    # assign: the tensors become the parameters, without a copy; not strict: the tied head is tied again below.
    model.load_state_dict(state, assign=True, strict=False)
    if isinstance(model, Transformer) and config.tie_embeddings:
        model.head.weight = model.embedding.weight
    return model.eval()


def account(wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> None:
    """Raise `UserError` where the tensors of a file, by name and shape, are not exactly those that are wanted.

    >>> account({"norm": (2,)}, {"norm": (3,)})
    Traceback (most recent call last):
    minillm.errors.UserError: tensor 'norm' has the shape (3,), its configuration asks for (2,): ...
    """
    if missing := wanted.keys() - found.keys():
        raise UserError(f"tensors are missing: {_some(missing)}")
    if extra := found.keys() - wanted.keys():
        raise UserError(f"it holds tensors that its configuration has no place for: {_some(extra)}")
    for name, shape in wanted.items():
        if found[name] != shape:
            raise UserError(
                f"tensor {name!r} has the shape {found[name]}, its configuration asks for {shape}: "
                "this is a checkpoint of another shape"
            )


def _some(names: Collection[str], limit: int = 3) -> str:
    """The first few names, and how many more there are."""
    first, more = sorted(names)[:limit], len(names) - limit
    return ", ".join(repr(name[:80]) for name in first) + (f" and {more} more" if more > 0 else "")
