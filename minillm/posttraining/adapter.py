"""Adapters: the corrections of `lora` alone, in the files of the PEFT library, under Hugging Face's names.

    adapter_config.json          rank and alpha, which layers, and the layers that differ in rank or alpha
    adapter_model.safetensors    A and B of each layer

GPT-2's files hold query, key and value as one matrix, which PEFT gives one correction. Three of rank r are one of rank
3r: their A below each other, their B along a diagonal.

    (B_q        ) (A_q)   (B_q A_q)
    (    B_k    ) (A_k) = (B_k A_k)
    (        B_v) (A_v)   (B_v A_v)

The other way round, query, key and value each take all of A, their own rows of B, and leave out what is zero there.
"""

import copy
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from minillm.errors import UserError
from minillm.files import replacing
from minillm.model.transformer import Transformer
from minillm.posttraining.adapter_config import AdapterConfig
from minillm.posttraining.lora import LoRALinear, add_corrections, lora_layers, merge_lora, select
from minillm.pretrained import save
from minillm.pretrained.families import names_of
from minillm.pretrained.family_config import write_family
from minillm.pretrained.shards import to_float32
from minillm.pretrained.weights import Transposed, account, rename
from minillm.tokenizer import Tokenizer

ADAPTER, ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"
ADAPTER_DIR = "adapter"  # in the folder of a run with LoRA, beside the merged model
PREFIX = "base_model.model."  # what PEFT writes before every name
# Tables of the base that PEFT copies into an adapter's file where the head is a target, or on demand.
COPIES = {"lm_head.base_layer.weight": "head.weight", "lm_head.weight": "head.weight"} | dict.fromkeys(
    ("model.embed_tokens.weight", "embed_tokens.weight", "transformer.wte.weight", "wte.weight"), "embedding.weight"
)
OLDER = "adapter_model.bin"
OLDER_REMEDY = (
    f". Its {OLDER} is not read, since such a file may run any program when it is opened; open the adapter with peft, "
    f"whose save_pretrained writes {ADAPTER}"
)


def save_adapter(model: Transformer, dir: str | Path, base_name: str | None = None) -> None:
    """Write the LoRA layers alone into the directory `dir`, in PEFT's format, so that `PeftModel` opens them.

    `base_name` tells which model they belong to. Raises `UserError` for a model without LoRA layers, and `OSError` if
    the directory cannot be written.

    >>> import tempfile
    >>> from minillm import ModelConfig, add_lora
    >>> model = Transformer(ModelConfig(vocab_size=9, d_model=8, n_layers=1, n_heads=2, max_seq_len=4))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_adapter(add_lora(model, rank=2, alpha=4.0), folder)
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['adapter_config.json', 'adapter_model.safetensors']
    """
    layers, groups = lora_layers(model), _groups(model)
    corrected = {theirs: ours for theirs, ours in groups.items() if layers.keys() & ours}
    if not corrected:
        raise UserError("the model has no LoRA layers to save; add_lora makes them, and merge_lora ends them")
    targets = sorted({name.rsplit(".", 1)[-1] for name in corrected})
    if select(groups, targets) != list(corrected):
        targets = sorted(corrected)  # some layers of a kind and not others: only their whole names tell
    tensors, sizes = {}, {}
    for theirs, ours in corrected.items():
        A, B = join([model.get_submodule(name) for name in ours])
        tensors |= {f"{PREFIX}{theirs}.lora_A.weight": A.cpu(), f"{PREFIX}{theirs}.lora_B.weight": B.cpu()}
        sizes[theirs] = (len(A), sum(layers[name].alpha for name in ours if name in layers))
    rank, alpha = min(sizes.values())
    values = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": {str(name): size[0] for name, size in sizes.items() if size[0] != rank},
        "alpha_pattern": {str(name): size[1] for name, size in sizes.items() if size[1] != alpha},
        "target_modules": targets,
        "fan_in_fan_out": any(isinstance(name, Transposed) for name in corrected),  # how the base keeps its matrices
        "bias": "none",
        "lora_dropout": 0.0,
        "inference_mode": True,
    }
    folder = Path(dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / ADAPTER_CONFIG) as config, replacing(folder / ADAPTER) as weights:
            save_file(tensors, weights, metadata={"format": "pt"})
            config.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise OSError(f"cannot save to {folder}: {error}. What was there before is as it was") from error


def save_merged(model: Transformer, tokenizer: Tokenizer, folder: Path, base_name: str | None = None) -> None:
    """Save the merged model and, if it has LoRA layers, the adapter beside it."""
    if lora_layers(model):
        save_adapter(model, folder / ADAPTER_DIR, base_name)
        model = merge_lora(copy.deepcopy(model))
    save(model, tokenizer, folder)


def load_adapter(model: Transformer, dir: str | Path) -> Transformer:
    """Add the LoRA layers that `save_adapter` or `peft` wrote into the directory `dir`; returns the model.

    Raises `FileNotFoundError` for a missing file. Raises `UserError`, and changes nothing, for damaged files, for
    tensors that are missing, left over or of another shape, for layers that the model does not have, for anything
    beyond plain LoRA, and for a model that has LoRA layers already.

    >>> import tempfile
    >>> from minillm import ModelConfig, add_lora
    >>> config = ModelConfig(vocab_size=9, d_model=8, n_layers=1, n_heads=2, max_seq_len=4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_adapter(add_lora(Transformer(config), rank=2, alpha=4.0), folder)
    ...     model = load_adapter(Transformer(config), folder)
    >>> len(lora_layers(model)) > 0
    True
    """
    if lora_layers(model):
        raise UserError("the model has LoRA layers already; merge_lora makes them part of it, or start from the base")
    folder = Path(dir)
    for file in (ADAPTER_CONFIG, ADAPTER):
        if not (folder / file).is_file():
            remedy = OLDER_REMEDY if file == ADAPTER and (folder / OLDER).is_file() else ""
            raise FileNotFoundError(f"{folder} holds no adapter: it has no {file}{remedy}")
    config = AdapterConfig.read(folder / ADAPTER_CONFIG)
    corrections: dict[str, tuple[Tensor, Tensor]] = {}
    sizes: dict[str, tuple[int, float]] = {}
    try:
        groups = _groups(model)
        with safe_open(folder / ADAPTER, framework="pt") as file:
            groups = _as_in_file(groups, file.keys())
        shapes = {
            theirs: [tuple(model.get_parameter(f"{name}.weight").shape) for name in ours]
            for theirs, ours in groups.items()
        }
        tensors = _read_tensors(folder / ADAPTER, config, shapes, model)
        for theirs, (A, B) in tensors.items():
            alpha_per_rank = config.alpha_of(theirs, len(A)) / len(A)
            parts = split(A, B, [rows for rows, _ in shapes[theirs]])
            for name, part in zip(groups[theirs], parts, strict=True):
                if len(part[0]):
                    corrections[name], sizes[name] = part, (len(part[0]), alpha_per_rank * len(part[0]))
        add_corrections(model, sizes)
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{folder / ADAPTER}: {error}") from error
    with torch.no_grad():
        for name, layer in lora_layers(model).items():
            layer.lora_A.copy_(corrections[name][0])
            layer.lora_B.copy_(corrections[name][1])
    return model


def join(layers: Sequence[nn.Module]) -> tuple[Float[Tensor, "r columns"], Float[Tensor, "rows r"]]:
    """A and B of one correction to the matrix that has the rows of all these layers; some of them may have none.

    It has one alpha / r, the sum of theirs over the sum of theirs; a B that had another one is scaled by the quotient.

    >>> corrected, plain = LoRALinear(nn.Linear(6, 4), rank=2, alpha=4), nn.Linear(6, 3)
    >>> A, B = join([corrected, plain, corrected])
    >>> A.shape, B.shape, B[4:7].any().item()
    (torch.Size([4, 6]), torch.Size([11, 4]), False)
    """
    corrected = [layer for layer in layers if isinstance(layer, LoRALinear)]
    joint = sum(layer.alpha for layer in corrected) / sum(layer.rank for layer in corrected)
    columns = [
        layer.lora_B * (layer.alpha / layer.rank / joint)
        if isinstance(layer, LoRALinear)
        else layer.get_parameter("weight")[:, :0]
        for layer in layers
    ]
    return torch.cat([layer.lora_A.detach() for layer in corrected]), torch.block_diag(*columns).detach()


def split(
    A: Float[Tensor, "r columns"], B: Float[Tensor, "rows r"], rows: Sequence[int]
) -> list[tuple[Float[Tensor, "_ columns"], Float[Tensor, "_rows _"]]]:
    """The opposite of `join`: A and B of the corrections to matrices of so many rows each.

    Where several share a correction, each keeps only those of its ranks that do something to it; a B that is zero
    throughout is at its start, and all are kept.

    >>> A, B = torch.eye(3), torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
    >>> [own_B.tolist() for own_A, own_B in split(A, B, rows=[1, 1, 1])]
    [[[1.0, 2.0]], [[]], [[3.0]]]
    """
    parts = []
    for own in B.split(list(rows)):
        used = own.any(dim=0) if len(rows) > 1 and B.any() else torch.ones(len(A), dtype=torch.bool)
        parts.append((A[used], own[:, used]))
    return parts


def _groups(model: Transformer) -> dict[str, list[str]]:
    """The name that a file has for each linear layer -> our layers whose rows stand under it, in their order."""
    family = write_family(model.config)
    names = names_of(None if family is None else family["model_type"])
    groups = defaultdict(list)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            ours = name.removesuffix(".base")  # where it has a correction
            theirs = rename(f"{ours}.weight", names)
            groups[type(theirs)(theirs.removesuffix(".weight"))].append(ours)
    return groups


def _as_in_file(groups: dict[str, list[str]], keys: Sequence[str]) -> dict[str, list[str]]:
    """The groups under the names that these keys have: without "model." in an adapter of transformers' AutoModel."""
    lists = {name.split(".")[1] for name in groups if "." in name}  # "layers", or "h"
    if not any(key.removeprefix(PREFIX).split(".")[0] in lists for key in keys):
        return groups
    return {type(name)(name.partition(".")[2]): ours for name, ours in groups.items() if "." in name}


def _read_tensors(
    path: Path, config: AdapterConfig, shapes: Mapping[str, list[tuple[int, ...]]], model: Transformer
) -> dict[str, tuple[Tensor, Tensor]]:
    """A and B of the layers that are corrected; only read when their shapes, and that there are no others, are sure.

    `shapes` are those of every linear layer, by its name in files.
    """
    with safe_open(path, framework="pt") as file:
        found = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        for key in [key for key in found if key.removeprefix(PREFIX) in COPIES]:
            _check_copy(key, found.pop(key), file, model)
        stored = {key.removeprefix(PREFIX).rsplit(".lora_", 1)[0] for key in found}
        names = config.select(shapes, stored)
        keys = {name: [f"{PREFIX}{name}.lora_{part}.weight" for part in "AB"] for name in names}
        wanted: dict[str, tuple[int, ...]] = {}
        for name, (of_A, of_B) in keys.items():
            rank, matrices = config.rank_of(name, stored=next(iter(found.get(of_A, ())), 0)), shapes[name]
            wanted |= {of_A: (rank, matrices[0][1]), of_B: (sum(rows for rows, _ in matrices), rank)}
        account(wanted, found)

        def read(key: str) -> Tensor:
            return to_float32(key, file.get_tensor(key))

        return {name: (read(of_A), read(of_B)) for name, (of_A, of_B) in keys.items()}


def _check_copy(key: str, shape: tuple[int, ...], file: Any, model: Transformer) -> None:
    """PEFT adds the tables of the base where `lm_head` is a target. Raise `UserError` for one that was trained."""
    own = model.get_parameter(COPIES[key.removeprefix(PREFIX)])
    if shape != tuple(own.shape) or not torch.equal(to_float32(key, file.get_tensor(key)), own.detach().cpu().float()):
        raise UserError(f"it holds {key!r}, which differs from the base model's: only plain LoRA can be read")
