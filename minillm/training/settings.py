"""How a run is driven: how long, how hard, by which optimizer, along which schedule."""

import math
from dataclasses import dataclass
from typing import Literal

from minillm.config import check_types
from minillm.errors import UserError
from minillm.training.schedule import learning_rate

Optimizer = Literal["adamw", "muon"]
Schedule = Literal["cosine", "wsd"]


@dataclass(frozen=True)
class TrainConfig:
    """How long and how hard to train. Raises `UserError` for a number that means nothing.

    The run is as long as `steps` or `minutes` say; with both, as the one that is reached first.

    >>> TrainConfig(steps=100).progress(step=25, seconds=3.0)
    0.25
    >>> TrainConfig(minutes=2).progress(step=25, seconds=3.0)
    0.025
    """

    steps: int | None = None  # optimizer updates
    minutes: float | None = None  # of wall-clock time, validation and saving included
    optimizer: Optimizer = "adamw"
    learning_rate: float = 3e-3  # at its peak
    schedule: Schedule = "cosine"
    warmup_steps: int = 50
    final_fraction: float = 0.05  # of the peak, at the end of the schedule
    decay_fraction: float = 0.4  # of the run, over which the rate of "wsd" falls
    weight_decay: float = 0.1
    momentum: float = 0.9  # of Muon: how much of the mean gradient is kept from step to step
    clip_norm: float = 1.0  # maximum gradient norm
    accumulate: int = 1  # batches whose gradients make one update
    log_every: int = 10  # steps between two lines of metrics
    eval_every: int = 250  # steps between two validations; the last step always has one
    save_every: int = 250  # steps between two checkpoints; the last step always has one
    bf16: bool | None = None  # matmuls of both passes in bfloat16 (Muon's follow the machine); None: if it is faster
    compile: bool = False  # layers by torch.compile: half a minute at first, then faster steps; needs a C++ compiler

    def __post_init__(self) -> None:
        check_types(self)
        if self.steps is None and self.minutes is None:
            raise UserError("neither steps nor minutes is given; say how long to train")
        for name in ("steps", "accumulate", "log_every", "eval_every", "save_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} is {value}; it must be at least 1")
        for name in ("minutes", "learning_rate", "clip_norm"):
            if getattr(self, name) is not None and not 0 < getattr(self, name) < math.inf:
                raise UserError(f"{name} is {getattr(self, name)}; it must be positive")
        if not 0 <= self.momentum < 1:
            raise UserError(f"momentum is {self.momentum}; it must be at least 0 and below 1")
        for name in ("warmup_steps", "weight_decay", "final_fraction"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UserError(f"{name} is {getattr(self, name)}; it cannot be negative")
        if self.final_fraction > 1:
            raise UserError(f"final_fraction is {self.final_fraction}; the rate cannot end above where it was")
        if not 0 < self.decay_fraction <= 1:
            raise UserError(f"decay_fraction is {self.decay_fraction}; give a part of the run: above 0, at most 1")

    def learning_rate_at(self, step: int, progress: float) -> float:
        """The rate of update `step` (from 0), when the fraction `progress` of the run is over.

        >>> TrainConfig(steps=100, learning_rate=1.0, warmup_steps=10).learning_rate_at(step=4, progress=0.04)
        0.5
        """
        shape = self.warmup_steps, self.final_fraction, self.decay_fraction
        return learning_rate(self.schedule, self.learning_rate, step, progress, *shape)

    def progress(self, step: int, seconds: float) -> float:
        """The share of the run that is over after `step` updates and `seconds`; at 1 the run ends."""
        by_steps = step / self.steps if self.steps else 0.0
        by_time = seconds / (60 * self.minutes) if self.minutes else 0.0
        return max(by_steps, by_time)
