"""A checkpoint: everything needed to resume a run exactly, in one file.

One file, because replacing one file is atomic: weights and optimizer state can never come from different steps.
The one before it is kept beside it, for the day on which a disk spoils the newest. safetensors, because loading it
runs no code (torch.distributed.checkpoint, which could do much of this, keeps its index as a pickle).

Where the model is sharded, no process has all of it. Each writes the rows that it holds into a file of its own,
named after the step, and the leading one replaces `checkpoint.safetensors` last; that holds its rows and the names of
the other files. So replacing one file is still the moment at which the new checkpoint counts. Put one below the other,
the rows are the whole tensors again: any number of processes, sharded or not, may go on from there.
"""

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from minillm.errors import UserError
from minillm.files import replacing
from minillm.training.distributed import ALONE, Processes, own_part, sharded_like

CHECKPOINT = "checkpoint.safetensors"
Progress = dict[str, Any]  # steps, tokens and seconds so far


def save_checkpoint(
    path: str | Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    processes: Processes = ALONE,
) -> None:
    """Write weights, optimizer state, torch's random state and how far the run has come, atomically.

    Only trainable weights are saved; frozen ones (the base under LoRA) are not.
    A file that is there already becomes `previous(path)`; at no moment is there none. Every one of `processes` calls
    this; the folder must be one that all of them see. Raises `OSError`, in all, where the disk of one is full or cannot
    be written to, and leaves both checkpoints as they were.
    """
    path = Path(path)
    progress = processes.broadcast(progress)
    parts = [
        _part(path, progress["step"], number, processes.world_size)
        for number in range(1, processes.world_size)
        if processes.sharded
    ]
    own = path if processes.is_main or not processes.sharded else path.with_name(parts[processes.rank - 1])
    temporary = own.with_name(own.name + ".partial")
    metadata = {"training": json.dumps(progress), "optimizer": type(optimizer).__name__, "parts": json.dumps(parts)}
    with processes.all_or_none():
        if processes.is_main or processes.sharded:
            tensors = _state(model, optimizer)
            if not processes.is_main:  # what every process has, the leader's file holds
                tensors = {name: value for name, value in tensors.items() if own_part(value) is not value}
            tensors = {name: own_part(value).contiguous().cpu() for name, value in tensors.items()}
            with _whole_or_not_at_all(path, temporary):
                save_file(tensors, temporary, metadata=metadata)
        if parts and not processes.is_main:
            os.replace(temporary, own)
    with processes.all_or_none():
        if processes.is_main:
            with _whole_or_not_at_all(path, temporary):
                if _opens(path):  # a damaged one must not take the place of the whole one before it
                    _copy(path, previous(path))
            os.replace(temporary, path)
            _delete_parts_of_no_checkpoint(path)


def _state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {f"model/{name}": value.detach() for name, value in _trained(model).items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{key}": value.detach() for key, value in state.items()}
    tensors["random/torch"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    return tensors


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


@contextmanager
def _whole_or_not_at_all(path: Path, temporary: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:  # safetensors wraps what the system says
        temporary.unlink(missing_ok=True)
        raise OSError(f"{path} could not be written ({error}); what was saved before is whole") from None


def _part(path: Path, step: int | str, number: int | str, of: int | str) -> str:
    return f"{path.stem}.step-{step}.part-{number}-of-{of}{path.suffix}"


def _delete_parts_of_no_checkpoint(path: Path) -> None:
    kept = {part for file in (path, previous(path)) if file.exists() for part in _parts(file)}
    for file in path.parent.glob(_part(path, "*", "*", "*")):
        if file.name not in kept:
            file.unlink()


def _parts(path: Path) -> list[str]:
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads(file.metadata().get("parts", "[]"))
    except SafetensorError:  # damaged, and its parts with it
        return []


def _opens(path: Path) -> bool:
    with suppress(SafetensorError, FileNotFoundError), safe_open(path, framework="pt"):
        return True
    return False


def previous(path: Path) -> Path:
    """Where the checkpoint before this one is kept."""
    return path.with_name(f"previous.{path.name}")


def _copy(path: Path, to: Path) -> None:
    with replacing(to) as partial:
        partial.unlink(missing_ok=True)
        try:
            os.link(path, partial)  # a second name costs no space and no time
        except OSError:  # not on every file system
            shutil.copyfile(path, partial)


class DamagedCheckpoint(UserError):
    """A file that is no whole checkpoint."""


def load_latest(path: str | Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """`load_checkpoint`, or the checkpoint before it, with a warning, where the newest is damaged."""
    path = Path(path)
    try:
        return load_checkpoint(path, model, optimizer)
    except DamagedCheckpoint as damage:
        if not previous(path).exists():
            raise
        progress = load_checkpoint(previous(path), model, optimizer)
        warnings.warn(f"{damage}. Going on from the one before, step {progress['step']}.", stacklevel=2)
        return progress


def load_checkpoint(path: str | Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Restore what `save_checkpoint` wrote into `model` and `optimizer`; returns its `progress`.

    A checkpoint of sharded processes is put together, and cut again for the parameters that are sharded here.
    Raises `FileNotFoundError` where there is none and `UserError` for a damaged file or one of another model,
    naming the first tensor that does not fit. Nothing is changed in either case.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint at {path}; start the run without resuming")
    tensors, name, progress = _read(path)
    if name != type(optimizer).__name__:
        raise UserError(f"{path} was written by {name}, and now the optimizer is {type(optimizer).__name__}")
    weights = {name.removeprefix("model/"): value for name, value in tensors.items() if name.startswith("model/")}
    own = _trained(model)
    for name in sorted(own.keys() | weights.keys()):
        found = tuple(weights[name].shape) if name in weights else "missing"
        wanted = tuple(own[name].shape) if name in own else "unknown"
        if found != wanted:
            raise UserError(f"{path} belongs to another model: {name} is {found} there and {wanted} here")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, values in _optimizer_state(tensors).items():
        for key, value in values.items():
            wanted = tuple(parameters[index].shape) if index < len(parameters) else "unknown"
            if value.dim() and tuple(value.shape) != wanted:
                raise UserError(
                    f"{path} belongs to another model: {key} of parameter {index} is {tuple(value.shape)} there and "
                    f"{wanted} here"
                )
    try:
        torch.set_rng_state(tensors["random/torch"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise DamagedCheckpoint(f"{path} has no random state that could be restored ({error}); start again") from None
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(sharded_like(parameter, weights[name]))
    state = {
        index: {key: sharded_like(parameters[index], value) if value.dim() else value for key, value in values.items()}
        for index, values in _optimizer_state(tensors).items()
    }
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    if torch.cuda.is_available() and "random/cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random/cuda"])
    return progress


def _read(path: Path) -> tuple[dict[str, Tensor], str, Progress]:
    try:
        own, metadata = _read_file(path)
        rows = {name: [value] for name, value in own.items()}
        for part in json.loads(metadata.get("parts", "[]")):
            more, of = _read_file(path.with_name(part))
            if of["training"] != metadata["training"]:
                raise UserError(f"{part} was written at another step")
            for name, value in more.items():
                rows[name].append(value)
        tensors = {name: values[0] if len(values) == 1 else torch.cat(values) for name, values in rows.items()}
        return tensors, metadata["optimizer"], dict(json.loads(metadata["training"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DamagedCheckpoint(
            f"{path} is not a whole checkpoint ({str(error)[:200]}); delete it and start again"
        ) from None


def _read_file(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        # Copies: what the optimizer keeps of a mapped file would hold it open, and Windows then replaces it no more.
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a dict
        return tensors, file.metadata() or {}


def _optimizer_state(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer/"):
            _, index, key = name.split("/")
            state.setdefault(int(index), {})[key] = value
    return state
