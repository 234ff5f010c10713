"""From a file's tensors to a model: what every file format needs.

Formats differ in how they name and pack their tensors. What must be true afterwards does not: every parameter of the
model got its tensor, of its shape, and no tensor was left over. A model that is filled "as far as possible" runs, and
talks nonsense; so the account is made first, and a single number is read only when it comes out even.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

import torch
from torch import Tensor

from minillm.config import ModelConfig
from minillm.model.accounting import count_parameters
from minillm.model.transformer import Transformer

Model = TypeVar("Model", bound=Transformer)  # a transformer, perhaps with another head

MAX_PARAMETERS = 2**40  # a million million: a configuration that asks for more was not written by a person


def rename(parameter: str, table: Mapping[str, str]) -> str:
    """A file's name for one of our parameters, from a table of module names in which `*` stands for the layer.

    Raises `ValueError` for a parameter that the table does not know.

    >>> rename("blocks.7.attention.query.weight", {"blocks.*.attention.query": "blk.*.attn_q"})
    'blk.7.attn_q.weight'
    """
    module, kind = parameter.rsplit(".", 1)
    if kind in ("codes", "scale", "zero"):
        raise ValueError(f"{parameter!r} is quantised; save the float32 model, and quantise it again when it is loaded")
    layer = re.search(r"\d+", module)
    try:
        name = table[re.sub(r"\d+", "*", module)]
    except KeyError:
        raise ValueError(
            f"{parameter!r} has no name in this file format; merge corrections (LoRA) before the model is saved"
        ) from None
    return f"{name.replace('*', layer[0]) if layer else name}.{kind}"


def assemble(
    config: ModelConfig,
    table: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...]],
    read: Callable[[str], Tensor],
    build: type[Model] = Transformer,
) -> Model:
    """Build the model of `config` out of a file's tensors, in evaluation mode.

    `table` maps our module names to the file's, `shapes` lists every tensor of the file, and `read` gives one of them
    by its name in the file. Raises `ValueError` naming tensors that are missing, left over or of another shape.
    """
    if config.n_layers > len(shapes) or count_parameters(config) > MAX_PARAMETERS:
        raise ValueError(
            f"its configuration asks for {config.n_layers:,} layers and {count_parameters(config):,} parameters, "
            f"but the file holds {len(shapes):,} tensors: one of the two is damaged"
        )
    with torch.device("meta"):  # shapes without storage: no random numbers are drawn only to be overwritten
        model = build(config)
    parameters = dict(model.named_parameters())  # a tied head and its embedding count once
    names = {ours: rename(ours, table) for ours in parameters}
    account({names[ours]: tuple(parameter.shape) for ours, parameter in parameters.items()}, shapes)
    # assign: the tensors become the parameters, without a copy; not strict: the tied head is tied again below.
    model.load_state_dict({ours: read(name) for ours, name in names.items()}, assign=True, strict=False)
    if config.tie_embeddings:
        model.head.weight = model.embedding.weight
    return model.eval()


def account(wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> None:
    """Raise `ValueError` where the tensors of a file, by name and shape, are not exactly those that are wanted."""
    if missing := wanted.keys() - found.keys():
        raise ValueError(f"tensors are missing: {_some(missing)}")
    if extra := found.keys() - wanted.keys():
        raise ValueError(f"it holds tensors that its configuration has no place for: {_some(extra)}")
    for name, shape in wanted.items():
        if found[name] != shape:
            raise ValueError(
                f"tensor {name!r} has the shape {found[name]}, its configuration asks for {shape}: "
                "this is a checkpoint of another shape"
            )


def _some(names: Collection[str], limit: int = 3) -> str:
    """The first few names, and how many more there are."""
    first, more = sorted(names)[:limit], len(names) - limit
    return ", ".join(repr(name[:80]) for name in first) + (f" and {more} more" if more > 0 else "")
