"""One machine of the lab: its program, its clocks, and what it holds."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from minillm.course.machines.cluster import Box, Change, ScheduleError
from minillm.course.machines.instructions import Instruction, Split

Item = tuple[int, int]  # layer, micro-batch


class Gradient(NamedTuple):
    """A layer's gradient: how often it holds each micro-batch, and since when it is whole."""

    batches: Counter
    ready: float


class Queued(NamedTuple):
    """An instruction that waits for the network."""

    instruction: Instruction
    at: int  # in the program
    issued: float
    ready: float = 0.0  # since when its data is there
    batches: Counter | None = None  # in the gradient that is to be summed


@dataclass
class Machine:
    """The state of a machine while a schedule runs."""

    rank: int
    program: list[Instruction]
    at: int = 0  # the next instruction
    clock: float = 0.0  # when its processor is free
    network: float = 0.0  # when its network card is free
    queue: deque[Queued] = field(default_factory=deque)
    splits: dict[int, Split] = field(default_factory=dict)  # layer: what is split
    whole: dict[int, float] = field(default_factory=dict)  # layer: since when its whole weights are here
    inputs: dict[Item, float] = field(default_factory=dict)  # of layers
    gradients_above: dict[Item, float] = field(default_factory=dict)  # made by backward(layer, batch)
    sent: dict[tuple[str, Item], int] = field(default_factory=dict)
    gradients: dict[int, Gradient] = field(default_factory=dict)
    parts: dict[int, Gradient] = field(default_factory=dict)  # this machine's part of a summed gradient
    pending: Counter = field(default_factory=Counter)  # (collective, layer): how many are on their way
    updated: dict[int, float] = field(default_factory=dict)
    fresh: dict[int, float] = field(default_factory=dict)  # layers gathered after their update
    computing: list[Box] = field(default_factory=list)
    sending: list[Box] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    traffic: float = 0.0

    @property
    def done(self) -> bool:
        """Whether all instructions are done, and none of its messages is on its way."""
        return self.at == len(self.program) and not self.queue

    def note(self, time: float, amount: float, kind: str) -> None:
        """Record a change of memory."""
        self.changes.append(Change(round(time, 9), amount, kind))

    def compute(self, start: float, cost: float, instruction: Instruction) -> float:
        """Occupy the processor; returns the end."""
        end = start + cost
        self.computing.append(Box(start, end, instruction.name, instruction.layer, instruction.batch))
        self.clock = end
        return end

    def wrong(self, kind: str, sentence: str, at: int | None = None) -> ScheduleError:
        """The error of this machine's next instruction, or of instruction `at`."""
        at = self.at if at is None else at
        return ScheduleError(kind, f"machine {self.rank}, instruction {at}, {self.program[at]}: {sentence}")
