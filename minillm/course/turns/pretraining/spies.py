"""What the probes of `train` give it: a model of three numbers, a stream of batches, a loss and a schedule."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

TOLD = ("half the squared distance to the batch", "SGD, momentum 0.5, lr 0.5 at first; two groups of weights: 1 and 2")


class Batches:
    """Batches that can be gone through once, in order, as a stream of text can."""

    def __init__(self, batches: list[Tensor]):
        self._left = iter(batches)

    def __iter__(self) -> Iterator[Tensor]:
        return self._left

    def __getitem__(self, index: int) -> Tensor:
        raise TypeError("`batches` is a stream: loop over it, as it has no indices")

    def __len__(self) -> int:
        raise TypeError("`batches` is a stream: loop over it, as it has no length")


class Spy(nn.Module):
    """The model of the probes: three numbers, in two parameters, that should become those of the batches."""

    def __init__(self, start: Tensor):
        super().__init__()
        self.first, self.rest = (nn.Parameter(part.clone()) for part in (start[:1], start[1:]))

    def weights(self) -> Tensor:
        """The three numbers, as one tensor (3,)."""
        return torch.cat([self.first, self.rest])

    def optimizer(self) -> torch.optim.Optimizer:
        """One group per parameter, as a real run has; with momentum, so that no step by hand gives the same."""
        groups = [{"params": [self.first]}, {"params": [self.rest]}]
        return torch.optim.SGD(groups, lr=0.5, momentum=0.5)

    def forward(self, *_: Any) -> Tensor:
        raise TypeError("`loss(model, batch)` calls the model: give it the model itself")


def loss_of(model: Any, batch: Tensor) -> Tensor:
    """A quadratic: half the squared distance from the batch."""
    if not isinstance(model, Spy):
        raise TypeError(f"`loss` takes the model and a batch; its first argument is a {type(model).__name__}")
    return 0.5 * (model.weights() - batch).square().sum()


class Schedule:
    """The rate of each update; far above any for those that do not exist."""

    def __init__(self, rates: list[float]):
        self.rates = rates

    def __call__(self, step: int) -> float:
        if type(step) is not int:
            raise TypeError(f"`schedule` takes the number of the update, from 0; it got a {type(step).__name__}")
        return self.rates[step] if 0 <= step < len(self.rates) else 0.77
