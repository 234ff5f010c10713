"""Several processes, one model: data-parallel training on PyTorch's own DistributedDataParallel under `torchrun`.

Every process holds the whole model and works on its share of each batch; DDP averages the gradients while they are
still being computed (Li et al. 2020), so all take the same step and stay equal. A `Team` of one does nothing at all,
which lets the training loop be written once.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


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

    @property
    def leads(self) -> bool:
        """Whether this process writes the files and speaks to the user."""
        return self.rank == 0

    def check(self, batch_size: int) -> None:
        """Raise `ValueError` for a batch that cannot be shared out evenly."""
        if batch_size % self.size:
            raise ValueError(
                f"a batch of {batch_size} rows cannot be shared out evenly among {self.size} processes; "
                f"choose a batch size that {self.size} divides"
            )

    def share(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The rows of a batch that this process works on: every `size`-th, so that long and short ones spread."""
        return tuple(part[self.rank :: self.size] for part in batch)

    def with_loss(self, model: nn.Module, loss_function: Callable) -> nn.Module:
        """The loss as a module of its batch. The gradients of all processes are averaged when it is differentiated."""
        module = ModelWithLoss(model, loss_function)
        return module if self.size == 1 else DistributedDataParallel(module)

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
    """A context in which gradients only add up: with several parts to a batch, one exchange at the last is enough."""
    return module.no_sync() if more_to_come and isinstance(module, DistributedDataParallel) else nullcontext()


@contextmanager
def join_team(device: torch.device) -> Iterator[Team]:
    """Join the processes that `torchrun` started, for the time of a `with`; a team of one where it did not.

    Talks by NCCL between CUDA cards and by Gloo between CPUs; with cards, each process takes that of its local rank.
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
        yield Team(rank, size, device)
    finally:
        dist.destroy_process_group()


def attempt() -> int:
    """How often `torchrun --max-restarts` has started these processes anew, after one of them had died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
