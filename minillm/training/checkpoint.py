"""Everything that a killed run needs to go on as if nothing had happened, in one file.

One file, because replacing one file is atomic: weights and optimizer state can never come from different steps.
safetensors, because loading it runs no code.
"""

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

CHECKPOINT = "checkpoint.safetensors"
Progress = dict[str, int | float]  # steps, tokens and seconds so far


def save_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: dict[str, int | float]
) -> None:
    """Write weights, optimizer state, torch's random state and how far the run has come, atomically."""
    tensors = {f"model/{name}": value for name, value in model.named_parameters()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{key}": value for key, value in state.items()}
    tensors["random/torch"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    temporary = path.with_name(path.name + ".partial")
    save_file(
        {name: value.detach().contiguous().cpu() for name, value in tensors.items()},
        temporary,
        metadata={"training": json.dumps(progress), "optimizer": type(optimizer).__name__},
    )
    os.replace(temporary, path)


def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Restore what `save_checkpoint` wrote into `model` and `optimizer`; returns its `progress`.

    Raises `FileNotFoundError` where there is none and `ValueError` for a damaged file or one of another model,
    naming the first tensor that does not fit. Nothing is changed in either case.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint at {path}; start the run without resuming")
    tensors, name, progress = _read(path)
    if name != type(optimizer).__name__:
        raise ValueError(f"{path} was written by {name}, and now the optimizer is {type(optimizer).__name__}")
    weights = {name.removeprefix("model/"): value for name, value in tensors.items() if name.startswith("model/")}
    own = dict(model.named_parameters())
    for name in sorted(own.keys() | weights.keys()):
        found = tuple(weights[name].shape) if name in weights else "missing"
        wanted = tuple(own[name].shape) if name in own else "unknown"
        if found != wanted:
            raise ValueError(f"{path} belongs to another model: {name} is {found} there and {wanted} here")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(weights[name])
    optimizer.load_state_dict(
        {"state": _optimizer_state(tensors), "param_groups": optimizer.state_dict()["param_groups"]}
    )
    torch.set_rng_state(tensors["random/torch"])
    if torch.cuda.is_available() and "random/cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random/cuda"])
    return progress


def _read(path: Path) -> tuple[dict[str, Tensor], str, Progress]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            metadata = file.metadata()
            return tensors, metadata["optimizer"], dict(json.loads(metadata["training"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is not a whole checkpoint ({error}); delete it and start again") from None


def _optimizer_state(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer/"):
            _, index, key = name.split("/")
            state.setdefault(int(index), {})[key] = value
    return state
