"""LoRA: leave the trained matrices alone and learn a small correction beside each of them.

A correction of rank r to a matrix of rows x columns has r (rows + columns) numbers instead of rows x columns. So the
optimizer's state is small, what is learnt is a file of a few megabytes, and the model that was there before is one
subtraction away. Adapters are kept in the format of the PEFT library, under Hugging Face's names.
"""

import json
import math
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from minillm.model.transformer import Transformer
from minillm.pretrained.families import LLAMA
from minillm.pretrained.shards import read_json, to_float32
from minillm.pretrained.weights import account, rename

TARGETS = ("query", "key", "value", "output", "gate", "up", "down")  # every linear layer inside a block
ADAPTER, ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"
PREFIX = "base_model.model."  # what PEFT writes before every name
PARTS = ("lora_A", "lora_B")
# What an adapter_config.json may ask for beyond plain LoRA; absent, null, false and empty are plain too.
PLAIN = {"bias": "none", "use_dora": False, "use_rslora": False, "fan_in_fan_out": False, "modules_to_save": None}
PLAIN |= {"rank_pattern": {}, "alpha_pattern": {}, "layers_to_transform": None, "lora_bias": False}
PLAIN |= {"exclude_modules": None, "layer_replication": None, "trainable_token_indices": None}

Model = TypeVar("Model", bound=nn.Module)


class LoRALinear(nn.Module):
    """A linear layer with a correction of low rank: W x + alpha / r B A x (Hu et al. 2021, eq. 3 and section 4.1).

    W (and its bias) stays as it is. A starts as a linear layer does and B with zeros, so at first nothing is changed.

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
        """The matrix that this layer amounts to, for whoever multiplies by it himself."""
        return self.base.weight + self.lora_B @ self.lora_A * (self.alpha / self.rank)


def add_lora(model: Model, rank: int = 8, alpha: float = 16.0, targets: Sequence[str] = TARGETS) -> Model:
    """Freeze `model` and give every linear layer that is named in `targets` a correction to learn; returns the model.

    A target is a layer's name or the end of it: "query" means that of every block. Raises `ValueError` for a target
    that the model has not or whose matrix is tied to another, for a rank that would save nothing, and for a model that
    has corrections already. Nothing is changed then.

    >>> from minillm import ModelConfig, Transformer
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> model = add_lora(model, rank=2, targets=["query", "value"])
    >>> sum(p.numel() for p in model.parameters() if p.requires_grad)    # 2 layers x 2 matrices x 2 x (8 + 8)
    128
    """
    chosen = _choose(model, rank, alpha, targets)
    model.requires_grad_(False)
    for name, layer in chosen.items():
        _replace(model, name, LoRALinear(layer, rank, alpha))
    return model


def _choose(model: nn.Module, rank: int, alpha: float, targets: Sequence[str]) -> dict[str, nn.Linear]:
    """The layers that `targets` name, if all of them can have such a correction."""
    if lora_layers(model):
        raise ValueError("the model has LoRA layers already; merge them (merge_lora), or start from the base")
    if isinstance(targets, str) or not targets:
        raise ValueError(f"targets is {targets!r}; give a list of names, such as {list(TARGETS[:3])}")
    if not 0 < alpha < math.inf:
        raise ValueError(f"alpha is {alpha}; it must be positive")
    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    for target in targets:
        if not any(_is_meant(name, [target]) for name in linear):
            known = ", ".join(dict.fromkeys(name.rsplit(".", 1)[-1] for name in linear))
            raise ValueError(f"the model has no linear layer {target!r}; its linear layers are {known}")
    owners = Counter(id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False))
    chosen = {name: layer for name, layer in linear.items() if _is_meant(name, targets)}
    for name, layer in chosen.items():
        rows, columns = layer.weight.shape
        if owners[id(layer.weight)] > 1:
            raise ValueError(f"{name} shares its matrix with another layer and a correction would part them")
        if not 1 <= rank < min(rows, columns):
            most = min(rows, columns) - 1
            raise ValueError(f"rank is {rank}; for {name}, a matrix of {rows} x {columns}, it must be from 1 to {most}")
    return chosen


def _is_meant(name: str, targets: Sequence[str]) -> bool:
    return any(name == target or name.endswith(f".{target}") for target in targets)


def merge_lora(model: Model) -> Model:
    """Add every correction to its matrix, after which the model is a plain one again; returns it, trainable as a whole.

    >>> model = merge_lora(nn.Sequential(LoRALinear(nn.Linear(6, 4), rank=2, alpha=4)))
    >>> model
    Sequential(
      (0): Linear(in_features=6, out_features=4, bias=True)
    )
    """
    for name, layer in lora_layers(model).items():
        with torch.no_grad():
            layer.base.weight.copy_(layer.weight)
        _replace(model, name, layer.base)
    return model.requires_grad_(True)


def lora_layers(model: nn.Module) -> dict[str, LoRALinear]:
    """The layers with a correction that is not merged, by their names in the model."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LoRALinear)}


def _replace(model: nn.Module, name: str, layer: nn.Module) -> None:
    above, _, own = name.rpartition(".")
    setattr(model.get_submodule(above), own, layer)


def save_adapter(model: Transformer, dir: str | Path, base_name: str | None = None) -> None:
    """Write the corrections alone into the directory `dir`, as `peft` does, so that `PeftModel` can open them.

    `base_name` tells which model they belong to. Raises `ValueError` for a model without corrections, `OSError` where
    the disk refuses.
    """
    layers = {_theirs(name): layer for name, layer in lora_layers(model).items()}
    if not layers:
        raise ValueError("the model has no LoRA layers to save; add_lora makes them, and merge_lora ends them")
    linear = [name.removesuffix(".base") for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    targets = sorted({name.rsplit(".", 1)[-1] for name in layers})
    if {name for name in map(_theirs, linear) if _is_meant(name, targets)} != layers.keys():
        targets = sorted(layers)  # some layers of a kind and not others: only their whole names tell
    layer = next(iter(layers.values()))
    values = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": layer.rank,
        "lora_alpha": layer.alpha,
        "target_modules": targets,
        "bias": "none",
        "lora_dropout": 0.0,
        "inference_mode": True,
    }
    tensors = {
        f"{PREFIX}{name}.{part}.weight": getattr(layer, part).detach().cpu().contiguous()
        for name, layer in layers.items()
        for part in PARTS
    }
    folder = Path(dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / f"{ADAPTER}.partial", metadata={"format": "pt"})
        (folder / f"{ADAPTER_CONFIG}.partial").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise OSError(f"cannot save to {folder}: {error}. What was there before is as it was") from error
    for file in (ADAPTER, ADAPTER_CONFIG):
        os.replace(folder / f"{file}.partial", folder / file)


def load_adapter(model: Transformer, dir: str | Path) -> Transformer:
    """Add the corrections that `save_adapter` or `peft` wrote into the directory `dir`; returns the model.

    Raises `FileNotFoundError` for a file that is missing. Raises `ValueError`, and changes nothing, for files that are
    damaged, tensors that are missing, left over or of another shape, layers that the model has not, and for what is
    more than plain LoRA.
    """
    folder = Path(dir)
    for file in (ADAPTER_CONFIG, ADAPTER):
        if not (folder / file).is_file():
            raise FileNotFoundError(f"{folder} holds no adapter: it has no {file}")
    rank, alpha, targets = _read_adapter_config(folder / ADAPTER_CONFIG)
    try:
        ours = {_theirs(name): name for name, module in model.named_modules() if isinstance(module, nn.Linear)}
        for target in targets:
            if not any(_is_meant(theirs, [target]) for theirs in ours):
                known = ", ".join(dict.fromkeys(theirs.rsplit(".", 1)[-1] for theirs in ours))
                raise ValueError(f"the model has no linear layer {target!r}; its linear layers are {known}")
        chosen = _choose(model, rank, alpha, [name for theirs, name in ours.items() if _is_meant(theirs, targets)])
        wanted = {}
        for name, layer in chosen.items():
            wanted[f"{PREFIX}{_theirs(name)}.lora_A.weight"] = (rank, layer.in_features)
            wanted[f"{PREFIX}{_theirs(name)}.lora_B.weight"] = (layer.out_features, rank)
        with safe_open(folder / ADAPTER, framework="pt") as file:
            account(wanted, {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()})  # noqa: SIM118
            tensors = {name: to_float32(name, file.get_tensor(name)) for name in wanted}
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{folder / ADAPTER}: {error}") from error
    add_lora(model, rank, alpha, list(chosen))
    with torch.no_grad():
        for name, layer in lora_layers(model).items():
            for part in PARTS:
                getattr(layer, part).copy_(tensors[f"{PREFIX}{_theirs(name)}.{part}.weight"])
    return model


def _theirs(name: str) -> str:
    return rename(f"{name}.weight", LLAMA).removesuffix(".weight")


def _read_adapter_config(path: Path) -> tuple[int, float, list[str]]:
    """Rank, alpha and target modules, if they are all there is to it."""
    try:
        values = read_json(path)
        if values.get("peft_type") != "LORA":
            raise ValueError(f"peft_type is {values.get('peft_type')!r}; only LORA can be read")
        for name, plain in PLAIN.items():
            if (value := values.get(name)) and value != plain:
                raise ValueError(f"{name} is {str(value)[:80]!r}; only plain LoRA can be read, without it")
        rank, alpha, targets = (values.get(name) for name in ("r", "lora_alpha", "target_modules"))
        if not isinstance(rank, int) or isinstance(rank, bool):
            raise ValueError(f"r is {str(rank)[:80]!r}; the rank is a whole number")
        if not isinstance(alpha, int | float) or isinstance(alpha, bool):
            raise ValueError(f"lora_alpha is {str(alpha)[:80]!r}; it is a number")
        if not isinstance(targets, list) or not all(isinstance(target, str) for target in targets) or not targets:
            raise ValueError(f"target_modules is {str(targets)[:80]!r}; it must be a list of names")
        return rank, alpha, targets
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
