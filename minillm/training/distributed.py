"""Several processes, one model: data-parallel training on PyTorch's own engines, under `torchrun`.

Each process works on its share of every batch, and the gradients are averaged, so all take the same step. With
DistributedDataParallel (Li et al. 2020) each holds the whole model. With FSDP2 (`fully_shard`; Zhao et al. 2023) each
holds only its rows of every matrix, of its gradient and of its optimizer state, and the others' rows come for as long
as a block is at work: a model may then be larger than one card. A `Team` of one does nothing at all, which lets the
training loop be written once.
"""

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


@dataclass(frozen=True)
class Team:
    """Which of how many processes this is.

    >>> Team(rank=1, size=2).share((torch.arange(6),))
    (tensor([1, 3, 5]),)
    >>> Team().sum(2.5), Team().most(0.1, 0.2)
    (2.5, (0.1, 0.2))
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    sharded: bool = False  # FSDP2 instead of DDP

    @property
    def leads(self) -> bool:
        """Whether this process writes the files and speaks to the user."""
        return self.rank == 0

    def check(self, batch_size: int) -> None:
        """Raise `ValueError` for a batch that cannot be shared out evenly."""
        if batch_size % self.size:
            raise UserError(
                f"a batch of {batch_size} rows cannot be shared out evenly among {self.size} processes; "
                f"choose a batch size that {self.size} divides"
            )

    def share(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The rows of a batch that this process works on: every `size`-th, so that long and short ones spread."""
        return tuple(part[self.rank :: self.size] for part in batch)

    def with_loss(self, model: nn.Module, loss_function: Callable) -> nn.Module:
        """The loss as a module of its batch. The gradients of all processes are averaged when it is differentiated."""
        module = ModelWithLoss(model, loss_function)
        if self.sharded:
            return self._shard(model, module)
        return module if self.size == 1 else DistributedDataParallel(module)

    def _shard(self, model: nn.Module, module: nn.Module) -> nn.Module:
        """Block by block; what is around the blocks (embedding, head) belongs to the root, since a loss may use it."""
        if self.device.type == "cpu" and not hasattr(torch.cpu.Stream, "record_event"):
            raise UserError(
                f"PyTorch {torch.__version__} cannot shard a model on the CPU; take a newer one, or --parallel ddp"
            )
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(self.device.type, (self.size,))
        for block in model.get_submodule("blocks").children():
            fully_shard(block, mesh=mesh)
        fully_shard(module, mesh=mesh)
        return module

    @contextmanager
    def measuring(self, module: Any) -> Iterator[bool]:
        """Whether this process validates: the leading one alone, or where the model is sharded, all together.

        Validation calls the model itself, not `module`; so the root's weights, the embedding and the head, are made
        whole here. The blocks see to themselves.
        """
        if self.sharded:
            module.unshard()
        yield self.leads or self.sharded
        if self.sharded:
            module.reshard()

    def whole(self, model: Any) -> Any:
        """The model to be saved: itself, or where it is sharded a whole copy on the leader's CPU, None for the others.

        The copy has the weights alone, without gradients and optimizer state, a quarter of what training holds.
        """
        if not self.sharded:
            return model
        weights = {}
        for name, parameter in model.named_parameters():
            weight = whole(parameter.detach())  # every process takes part
            if self.leads:
                weights[name] = weight.cpu()
        if not self.leads:
            return None
        with torch.device("meta"):
            copy = type(model)(model.config)
        copy.load_state_dict(weights, strict=False, assign=True)
        if model.head.weight is model.embedding.weight:
            copy.head.weight = copy.embedding.weight
        return copy

    def sum(self, value: float) -> float:
        """The sum of every process's value."""
        return self._reduced([value], dist.ReduceOp.SUM)[0] if self.size > 1 else value

    def most(self, *values: float) -> tuple[float, ...]:
        """The largest of every process's values, place by place: who is stopped by one is stopped by all."""
        return tuple(self._reduced(values, dist.ReduceOp.MAX)) if self.size > 1 else values

    def _reduced(self, values: Any, operation: Any) -> list[float]:
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor, operation)
        return tensor.tolist()

    def agreed(self, value: Any) -> Any:
        """What the leading process says, for all."""
        if self.size > 1:
            box = [value]
            dist.broadcast_object_list(box, device=self.device)
            value = box[0]
        return value

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """Raise `OSError` in every process where one of them meets it: none may wait for one that has given up."""
        error = None
        try:
            yield
        except OSError as met:
            error = met
        if any(self.most(error is not None)):
            raise error or OSError("another process could not write its part")

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Let the leading process do this before the others, which then find its files in the cache."""
        if self.size > 1 and not self.leads:
            dist.barrier()
        yield
        if self.size > 1 and self.leads:
            dist.barrier()


class ModelWithLoss(nn.Module):
    """DDP watches one call of `forward`, and a loss may use more of the model than its `forward`."""

    def __init__(self, model: nn.Module, loss_function: Callable):
        super().__init__()
        self.model, self.loss_function = model, loss_function

    def forward(self, batch: Any) -> Tensor:
        return self.loss_function(self.model, batch)


def not_yet_averaged(module: nn.Module, more_to_come: bool) -> Any:
    """A context for forward and backward in which gradients only add up: with several parts to a batch, one exchange
    at the last is enough. (DDP decides in `forward` whether the next backward exchanges.)"""
    set_sync = getattr(module, "set_requires_gradient_sync", None)
    if set_sync is not None:  # FSDP2; it then keeps the whole gradient of its rows' matrices
        set_sync(not more_to_come)
    return module.no_sync() if more_to_come and isinstance(module, DistributedDataParallel) else nullcontext()


# A sharded tensor is a DTensor. It is known here by what it can do, since importing its package takes half a second.


def whole(tensor: Tensor) -> Tensor:
    """All of a sharded tensor, which every process must ask for at once; any other tensor as it is."""
    gather = getattr(tensor, "full_tensor", None)
    return tensor if gather is None else gather()


def own_part(tensor: Tensor) -> Tensor:
    """The rows of a sharded tensor that this process holds; any other tensor as it is."""
    to_local = getattr(tensor, "to_local", None)
    return tensor if to_local is None else to_local()


def sharded_like(example: Tensor, tensor: Tensor) -> Tensor:
    """`tensor`, which every process has whole, cut as `example` is; as it is where that is not sharded."""
    if not hasattr(example, "device_mesh"):
        return tensor
    from torch.distributed.tensor import DTensor, Replicate

    assert isinstance(example, DTensor)
    everywhere = DTensor.from_local(tensor.to(example.device), example.device_mesh, [Replicate()], run_check=False)
    return everywhere.redistribute(placements=example.placements)  # of what it has already, a process keeps a part


@contextmanager
def join_team(device: torch.device, sharded: bool = False) -> Iterator[Team]:
    """Join the processes that `torchrun` started, for the time of a `with`; a team of one where it did not.

    Talks by NCCL between CUDA cards and by Gloo between CPUs; with cards, each process takes that of its local rank.
    With `sharded` the team shares the model out by FSDP2. Raises `ConnectionError` where another process has ended.
    """
    if "RANK" not in os.environ:
        yield Team(device=device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    store, rank, size = next(dist.rendezvous("env://"))
    # The store outlives a restart, and with it the addresses of the dead (seen with torch 2.13): a page for each start.
    store = dist.PrefixStore(f"attempt {attempt()}", store)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", store=store, rank=rank, world_size=size)
    try:
        yield Team(rank, size, device, sharded and size > 1)
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise ConnectionError(
            f"process {rank} of {size} stops, since another one has ended (the log of that one, or the line of "
            f"torchrun below, says how). Go on from the last checkpoint with --resume; with torchrun --max-restarts 3 "
            "a job does so by itself"
        ) from error
    finally:
        dist.destroy_process_group()
    # A thread of Gloo that has yet to let go of a tensor when Python ends is ended in C++, and aborts the process
    # (seen with torch 2.13, in one FSDP2 job of twenty). Asleep, we leave the interpreter's lock to it.
    time.sleep(0.2)


def attempt() -> int:
    """How often `torchrun --max-restarts` has started these processes anew, after one of them had died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
