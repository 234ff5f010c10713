"""LoRA: freeze the trained matrices and learn a correction of low rank beside each of them.

A correction of rank r to a matrix of rows x columns has r (rows + columns) numbers instead of rows x columns. So the
optimizer's state is small, and what is learned is a file of a few megabytes (`adapter`).
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from minillm.errors import UserError
from minillm.model.transformer import Transformer

Model = TypeVar("Model", bound=nn.Module)


class LoRALinear(nn.Module):
    """Linear layer with a low-rank correction: W x + alpha / r B A x (Hu et al. 2021, eq. 3 and section 4.1).

    W (and its bias) is frozen. A starts as a linear layer does and B with zeros, so at first nothing is changed.

    >>> layer = LoRALinear(nn.Linear(6, 4), rank=2, alpha=4)
    >>> x = torch.ones(3, 6)
    >>> torch.equal(layer(x), layer.base(x)), sum(p.numel() for p in layer.parameters() if p.requires_grad)
    (True, 20)
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float):
        super().__init__()
        self.base, self.rank, self.alpha = base.requires_grad_(False), rank, alpha
        like = {"device": base.weight.device, "dtype": base.weight.dtype}
        self.lora_A = nn.Parameter(torch.empty(rank, base.in_features, **like))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank, **like))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, x: Float[Tensor, "*B columns"]) -> Float[Tensor, "*B rows"]:
        return self.base(x) + F.linear(F.linear(x, self.lora_A), self.lora_B) * (self.alpha / self.rank)

    @property
    def weight(self) -> Float[Tensor, "rows columns"]:
        """The matrix W + alpha / r B A that this layer multiplies by."""
        return self.base.weight + self.lora_B @ self.lora_A * (self.alpha / self.rank)


def add_lora(model: Model, rank: int = 8, alpha: float = 16.0, targets: Sequence[str] | None = None) -> Model:
    """Freeze `model` and give linear layers a trainable correction; returns the model.

    `targets` are ends of layer names: "query" means that of every block. The default is all layers in the blocks.
    Raises `UserError` for a target that the model does not have, for a rank that saves nothing, for a layer whose
    matrix is tied to another, and as `add_corrections` does; nothing is changed then.

    >>> from minillm import ModelConfig, Transformer
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> model = add_lora(model, rank=2, targets=["query", "value"])
    >>> sum(p.numel() for p in model.parameters() if p.requires_grad)    # 2 layers x 2 matrices x 2 x (8 + 8)
    128
    """
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    chosen = [name for name in linear if name.startswith("blocks.")] if targets is None else select(linear, targets)
    owners = _owners(model)
    for name in chosen:
        weight = model.get_parameter(f"{name}.weight")
        rows, columns = weight.shape
        if owners[id(weight)] > 1:
            raise UserError(f"{name} shares its matrix with another layer, which merging would untie; leave it out")
        if not 1 <= rank < min(rows, columns):
            most = min(rows, columns) - 1
            raise UserError(f"rank is {rank}; for {name}, a matrix of {rows} x {columns}, it must be from 1 to {most}")
    add_corrections(model, dict.fromkeys(chosen, (rank, alpha)))
    return model


def add_corrections(model: nn.Module, sizes: Mapping[str, tuple[int, float]]) -> None:
    """Freeze `model` and give each linear layer in `sizes` a correction of its own rank and alpha.

    Raises `UserError` where `sizes` is empty, for a rank or an alpha that is not positive, and for a model that has
    corrections already. Nothing is changed then.

    >>> model = nn.Sequential(nn.Linear(6, 4))
    >>> add_corrections(model, {"0": (0, 1.0)})
    Traceback (most recent call last):
    minillm.errors.UserError: rank is 0; for 0, a matrix of 4 x 6, it must be at least 1
    """
    if lora_layers(model):
        raise UserError("the model has LoRA layers already; merge them (merge_lora), or start from the base")
    if not sizes:
        raise UserError(
            "the model has no linear layer to correct; a quantised one cannot be trained, load it in float32"
        )
    layers: dict[str, nn.Linear] = {}
    for name, (rank, alpha) in sizes.items():
        layer = model.get_submodule(name)
        if not isinstance(layer, nn.Linear):
            raise UserError(f"{name} is a {type(layer).__name__}; only linear layers in float32 can be corrected")
        layers[name] = layer
        rows, columns = layer.weight.shape
        if not 0 < alpha < math.inf:
            raise UserError(f"alpha is {alpha}; it must be positive")
        if rank < 1:
            raise UserError(f"rank is {rank}; for {name}, a matrix of {rows} x {columns}, it must be at least 1")
    model.requires_grad_(False)
    for name, (rank, alpha) in sizes.items():
        _replace(model, name, LoRALinear(layers[name], rank, alpha))


def select(names: Iterable[str], targets: Sequence[str]) -> list[str]:
    """The layers that `targets` name, whole or by an end; raises `UserError` for a target that names none.

    >>> select(["blocks.0.up", "blocks.0.down", "blocks.1.up"], ["up"])
    ['blocks.0.up', 'blocks.1.up']
    """
    if isinstance(targets, str) or not targets:
        raise UserError(f"targets is {targets!r}; give a list of names, such as ['query', 'value']")
    names = list(names)
    for target in targets:
        if not any(is_meant(name, target) for name in names):
            known = ", ".join(dict.fromkeys(name.rsplit(".", 1)[-1] for name in names))
            raise UserError(f"the model has no linear layer {target!r}; its linear layers are {known}")
    return [name for name in names if any(is_meant(name, target) for target in targets)]


def is_meant(name: str, target: str) -> bool:
    """Whether `target` is a layer's whole name or the end of it.

    >>> is_meant("blocks.0.up", "up"), is_meant("blocks.0.group", "up")
    (True, False)
    """
    return name == target or name.endswith(f".{target}")


def merge_lora(model: Model) -> Model:
    """Add every correction to its matrix; returns the model, a plain one again and trainable as a whole.

    A corrected head that was tied to the embedding is untied. Raises `UserError` for a layer by itself, since no
    module holds it.

    >>> model = merge_lora(nn.Sequential(LoRALinear(nn.Linear(6, 4), rank=2, alpha=4)))
    >>> model
    Sequential(
      (0): Linear(in_features=6, out_features=4, bias=True)
    )
    """
    if isinstance(model, LoRALinear):
        raise UserError("this is one layer and not a model that holds it; merge nn.Sequential(layer)")
    owners = _owners(model)
    for name, layer in lora_layers(model).items():
        with torch.no_grad():
            if owners[id(layer.base.weight)] > 1:
                layer.base.weight = nn.Parameter(layer.weight)
                if isinstance(model, Transformer):
                    model.config = model.config.replace(tie_embeddings=False)
            else:
                layer.base.weight.copy_(layer.weight)
        _replace(model, name, layer.base)
    return model.requires_grad_(True)


def lora_layers(model: nn.Module) -> dict[str, LoRALinear]:
    """The layers with a correction that is not merged, by their names in the model."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LoRALinear)}


def _owners(model: nn.Module) -> Counter[int]:
    """How many modules hold each parameter, by its id."""
    return Counter(id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False))


def _replace(model: nn.Module, name: str, layer: nn.Module) -> None:
    above, _, own = name.rpartition(".")
    setattr(model.get_submodule(above), own, layer)
