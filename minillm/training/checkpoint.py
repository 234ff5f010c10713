"""Everything that a killed run needs to go on as if nothing had happened, in one file.

One file, because replacing one file is atomic: weights and optimizer state can never come from different steps.
The one before it is kept beside it, for the day on which a disk spoils the newest. safetensors, because loading it
runs no code.
"""

import json
import os
import shutil
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

CHECKPOINT = "checkpoint.safetensors"
Progress = dict[str, int | float]  # steps, tokens and seconds so far


def save_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Write weights, optimizer state, torch's random state and how far the run has come, atomically.

    A file that is there already becomes `previous(path)`; at no moment is there none. Raises `OSError` where the disk
    is full or cannot be written to, and leaves both files as they were.
    """
    tensors = {f"model/{name}": value for name, value in model.named_parameters()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{key}": value for key, value in state.items()}
    tensors["random/torch"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    temporary = path.with_name(path.name + ".partial")
    tensors = {name: value.detach().contiguous().cpu() for name, value in tensors.items()}
    metadata = {"training": json.dumps(progress), "optimizer": type(optimizer).__name__}
    try:
        save_file(tensors, temporary, metadata=metadata)
        if path.exists():
            _copy(path, previous(path))
    except (OSError, SafetensorError) as error:  # safetensors wraps what the system says
        temporary.unlink(missing_ok=True)
        raise OSError(f"{path} could not be written ({error}); what was saved before is whole") from None
    os.replace(temporary, path)


def previous(path: Path) -> Path:
    """Where the checkpoint before this one is kept."""
    return path.with_name(f"previous.{path.name}")


def _copy(path: Path, to: Path) -> None:
    temporary = to.with_name(to.name + ".partial")
    temporary.unlink(missing_ok=True)
    try:
        os.link(path, temporary)  # a second name costs no space and no time
    except OSError:  # not on every file system
        shutil.copyfile(path, temporary)
    os.replace(temporary, to)


class DamagedCheckpoint(ValueError):
    """A file that is no whole checkpoint."""


def load_latest(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """`load_checkpoint`, or the checkpoint before it, with a warning, where the newest is damaged."""
    try:
        return load_checkpoint(path, model, optimizer)
    except DamagedCheckpoint as damage:
        if not previous(path).exists():
            raise
        progress = load_checkpoint(previous(path), model, optimizer)
        warnings.warn(f"{damage}. Going on from the one before, step {progress['step']}.", stacklevel=2)
        return progress


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
        raise DamagedCheckpoint(f"{path} is not a whole checkpoint ({error}); delete it and start again") from None


def _optimizer_state(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer/"):
            _, index, key = name.split("/")
            state.setdefault(int(index), {})[key] = value
    return state
