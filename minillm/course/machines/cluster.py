"""The machines of the lab, what an instruction costs on them, and what a schedule's run gives.

Time is in forward passes of one layer on one micro-batch. Memory is in layers' weights of 2 bytes per parameter: a
layer's gradients are 1, and AdamW's state with its 4-byte copy of the weights is 6 (Rajbhandari et al. 2020, section
3.1).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from minillm.errors import UserError

FORWARD, BACKWARD, STEP = 1.0, 2.0, 0.2  # time: one micro-batch through one layer; the update of one layer
WEIGHTS, GRADIENT, OPTIMIZER, ACTIVATION = 1.0, 1.0, 6.0, 0.5  # memory: of one layer; of one micro-batch


class ScheduleError(UserError):
    """A schedule that doesn't work; `kind` is the name of what is wrong."""

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(f"{kind}: {sentence}")
        self.kind = kind


@dataclass(frozen=True)
class Cluster:
    """Some machines, and the job that they share: one update of a model on one batch.

    Raises `UserError` for numbers that aren't positive.
    """

    machines: int = 4
    layers: int = 8
    batches: int = 8  # micro-batches that make up the batch
    bandwidth: float = 1.0  # layers' weights per unit of time that a machine sends
    memory: float = math.inf  # of each machine

    def __post_init__(self) -> None:
        for name in ("machines", "layers", "batches", "bandwidth", "memory"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} is {getattr(self, name)}; it must be positive")


DEFAULT = Cluster()  # the job of the lab


class Box(NamedTuple):
    """Something that a machine did, from `start` to `end`."""

    start: float
    end: float
    kind: str  # the instruction's name
    layer: int
    batch: int | None = None


class Change(NamedTuple):
    """A change of a machine's memory."""

    time: float
    amount: float
    kind: str  # weights, gradients, optimizer or activations


@dataclass(frozen=True)
class Result:
    """What a valid schedule takes."""

    time: float
    memory: float  # the peak, of the machine that needs most
    traffic: float  # sent by all machines together, in layers' weights
    busy: float  # share of the time that an average machine computes
    computing: tuple[tuple[Box, ...], ...]  # per machine
    network: tuple[tuple[Box, ...], ...]
    changes: tuple[tuple[Change, ...], ...]

    def __str__(self) -> str:
        return f"time {self.time:.1f}, memory {self.memory:.1f}, busy {self.busy:.0%}, traffic {self.traffic:.1f}"

    def curve(self, machine: int) -> tuple[list[float], list[float]]:
        """The times at which a machine's memory changes, and what it holds from each on."""
        times, held, total = [0.0], [0.0], 0.0
        for change in self.changes[machine]:
            total += change.amount
            if change.time != times[-1]:
                times.append(change.time)
                held.append(0.0)
            held[-1] = total
        return times, held


def peak(changes: tuple[Change, ...]) -> tuple[float, float, dict[str, float]]:
    """The most that a machine holds, since when, and how much of it is what; changes in order of time.

    >>> peak((Change(0, 7, "weights"), Change(1, 0.5, "activations"), Change(2, -0.5, "activations")))
    (7.5, 1, {'weights': 7.0, 'activations': 0.5})
    """
    held: dict[str, float] = {}
    most, when, of = 0.0, 0.0, held
    for change in changes:
        held = held | {change.kind: held.get(change.kind, 0.0) + change.amount}
        if sum(held.values()) > most + 1e-9:
            most, when, of = sum(held.values()), change.time, held
    return most, when, {kind: amount for kind, amount in of.items() if amount > 1e-9}
