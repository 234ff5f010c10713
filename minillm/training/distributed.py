"""Data-parallel training on several processes, with PyTorch's own engines under `torchrun`.

Each process works on its rows of every batch, and the gradients are averaged, so all take the same step. With
DistributedDataParallel (Li et al. 2020) each holds the whole model. With FSDP2 (`fully_shard`; Zhao et al. 2023) each
holds only its rows of every matrix, gradient and optimizer state, and gathers a block's other rows while that block
runs: a model may then be larger than one card. A single process (`ALONE`) skips all of this: its model is not wrapped.
"""

import functools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from minillm.errors import UserError

BatchLoss = Callable[[Any], Any]  # of a batch: its loss, or None (PPO and GRPO) for no further update


@dataclass(frozen=True)
class Processes:
    """The rank of this process among all that train together, and what they exchange.

    >>> Processes(rank=1, world_size=2).shard((torch.arange(6),))
    (tensor([1, 3, 5]),)
    >>> Processes().sum(2.5), Processes().max(0.1, 0.2)
    (2.5, (0.1, 0.2))
    """

    rank: int = 0
    world_size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    sharded: bool = False  # FSDP2 instead of DDP

    @property
    def is_main(self) -> bool:
        """Whether this process (rank 0) writes the files and prints."""
        return self.rank == 0

    def check(self, batch_size: int) -> None:
        """Raise `UserError` for a batch that the processes cannot divide evenly."""
        if batch_size % self.world_size:
            raise UserError(
                f"a batch of {batch_size} rows cannot be divided evenly among {self.world_size} processes; "
                f"choose a batch size that is a multiple of {self.world_size}"
            )

    def shard(self, batch: Any) -> Any:
        """The rows of a batch that this process works on: every `world_size`-th, so that long and short ones mix."""
        return batch if self.world_size == 1 else tuple(part[self.rank :: self.world_size] for part in batch)

    def batch_loss(self, model: nn.Module, loss: Callable[[Any, Any], Any]) -> BatchLoss:
        """`loss` of the model, as a function of the batch alone.

        With several processes it is the module of DDP or FSDP2, whose backward pass averages the gradients of all.

        >>> Processes().batch_loss(nn.Linear(2, 1), lambda model, x: model(x).mean())(torch.ones(3, 2)).shape
        torch.Size([])
        """
        if self.sharded:
            return self._shard(model, ModelWithLoss(model, loss))
        if self.world_size > 1:
            return DistributedDataParallel(ModelWithLoss(model, loss))
        return functools.partial(loss, model)

    def _shard(self, model: nn.Module, module: nn.Module) -> nn.Module:
        """Shard each block; embedding and head belong to the root module, since a loss may use them."""
        if self.device.type == "cpu" and not hasattr(torch.cpu.Stream, "record_event"):
            raise UserError(
                f"PyTorch {torch.__version__} cannot shard a model on the CPU; take a newer one, or --parallel ddp"
            )
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(self.device.type, (self.world_size,))
        for block in model.get_submodule("blocks").children():
            fully_shard(block, mesh=mesh)
        fully_shard(module, mesh=mesh)
        return module

    @contextmanager
    def measuring(self, batch_loss: Any) -> Iterator[bool]:
        """Yield whether this process validates: rank 0 alone, or all together where the model is sharded.

        Validation calls the model itself, so the root's weights (embedding and head) are gathered here; the blocks
        gather their own.
        """
        if self.sharded:
            batch_loss.unshard()
        yield self.is_main or self.sharded
        if self.sharded:
            batch_loss.reshard()

    def gather(self, model: Any) -> Any:
        """The model to save: itself, or if sharded a whole copy on rank 0's CPU and None on the other ranks.

        The copy holds weights alone, without gradients and optimizer state: a quarter of what training holds.
        """
        if not self.sharded:
            return model
        weights = {}
        for name, parameter in model.named_parameters():
            weight = whole(parameter.detach())  # every process takes part
            if self.is_main:
                weights[name] = weight.cpu()
        if not self.is_main:
            return None
        with torch.device("meta"):
            copy = type(model)(model.config)
        copy.load_state_dict(weights, strict=False, assign=True)
        if model.head.weight is model.embedding.weight:
            copy.head.weight = copy.embedding.weight
        return copy

    def sum(self, value: float) -> float:
        """The sum of all processes' values."""
        return self._reduced([value], dist.ReduceOp.SUM)[0] if self.world_size > 1 else value

    def max(self, *values: float) -> tuple[float, ...]:
        """The elementwise maximum over processes: if one is told to stop, all stop."""
        return tuple(self._reduced(values, dist.ReduceOp.MAX)) if self.world_size > 1 else values

    def _reduced(self, values: Any, operation: Any) -> list[float]:
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor, operation)
        return tensor.tolist()

    def broadcast(self, value: Any) -> Any:
        """Rank 0's value, on all ranks."""
        if self.world_size > 1:
            box = [value]
            dist.broadcast_object_list(box, device=self.device)
            value = box[0]
        return value

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """Raise `OSError` on every rank if it is raised on one, so that none waits for a rank that gave up."""
        error = None
        try:
            yield
        except OSError as met:
            error = met
        if any(self.max(error is not None)):
            raise error or OSError("another process could not write its part")

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Let rank 0 run the block before the others, which then find its files in the cache."""
        if self.world_size > 1 and not self.is_main:
            dist.barrier()
        yield
        if self.world_size > 1 and self.is_main:
            dist.barrier()


ALONE = Processes()


class ModelWithLoss(nn.Module):
    """A model and its loss in one `forward`, which is the call that DDP watches."""

    def __init__(self, model: nn.Module, loss: Callable[[Any, Any], Any]):
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Any) -> Tensor | None:
        return self.loss(self.model, batch)


def not_yet_averaged(batch_loss: BatchLoss, more_to_come: bool) -> Any:
    """A context for forward and backward in which gradients only accumulate, without an exchange.

    With several micro-batches one exchange, at the last, is enough. DDP decides in `forward` whether the next backward
    exchanges.
    """
    set_sync = getattr(batch_loss, "set_requires_gradient_sync", None)
    if set_sync is not None:  # FSDP2; it then keeps the whole gradient of its rows' matrices
        set_sync(not more_to_come)
    return batch_loss.no_sync() if more_to_come and isinstance(batch_loss, DistributedDataParallel) else nullcontext()


# A sharded tensor is a DTensor, recognized here by its methods, since importing its package takes half a second.


def whole(tensor: Tensor) -> Tensor:
    """All of a sharded tensor (a collective call: every rank must make it); any other tensor unchanged."""
    gather = getattr(tensor, "full_tensor", None)
    return tensor if gather is None else gather()


def own_part(tensor: Tensor) -> Tensor:
    """The rows of a sharded tensor that this process holds; any other tensor unchanged."""
    to_local = getattr(tensor, "to_local", None)
    return tensor if to_local is None else to_local()


def sharded_like(example: Tensor, tensor: Tensor) -> Tensor:
    """`tensor`, whole on every rank, sharded as `example` is; unchanged if `example` is not sharded."""
    if not hasattr(example, "device_mesh"):
        return tensor
    from torch.distributed.tensor import DTensor, Replicate

    assert isinstance(example, DTensor)
    everywhere = DTensor.from_local(tensor.to(example.device), example.device_mesh, [Replicate()], run_check=False)
    return everywhere.redistribute(placements=example.placements)  # of what it has already, a process keeps a part


@contextmanager
def join_processes(device: torch.device, sharded: bool = False) -> Iterator[Processes]:
    """Join the processes that `torchrun` started, for the length of a `with`; a single process otherwise.

    They communicate by NCCL between CUDA cards and by Gloo between CPUs; with cards, each takes that of its local rank.
    With `sharded` the model is sharded by FSDP2. Raises `ConnectionError` if another process has ended.
    """
    if "RANK" not in os.environ:
        yield Processes(device=device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    store, rank, size = next(dist.rendezvous("env://"))
    # The store survives a restart with the addresses of dead processes (seen with torch 2.13): one prefix per start.
    store = dist.PrefixStore(f"attempt {restart_count()}", store)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", store=store, rank=rank, world_size=size)
    try:
        yield Processes(rank, size, device, sharded and size > 1)
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise ConnectionError(
            f"process {rank} of {size} stops because another one ended (its log, or torchrun's line below, says why). "
            "Resume from the last checkpoint with --resume; torchrun --max-restarts 3 does so by itself"
        ) from error
    finally:
        dist.destroy_process_group()
    # A Gloo thread that still holds a tensor when Python exits aborts the process (seen with torch 2.13, in one FSDP2
    # job of twenty). Sleeping gives it the interpreter's lock.
    time.sleep(0.2)


def restart_count() -> int:
    """How often `torchrun --max-restarts` has restarted these processes after one of them died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
