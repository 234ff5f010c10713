"""What a machine of the lab can be told to do: one function per instruction.

Layers and micro-batches count from 0. A schedule is a list of instructions per machine.
"""

from typing import Literal, NamedTuple, TypeAlias

ABSENT = -1  # what an instruction doesn't have
Split: TypeAlias = Literal["none", "optimizer", "all"]


class Instruction(NamedTuple):
    """An instruction; written with the functions of this module.

    >>> print(send_activation(2, 0, to=1))
    send_activation(2, 0, to=1)
    """

    name: str
    layer: int = ABSENT
    batch: int = ABSENT
    to: int = ABSENT
    split: Split = "none"

    def __str__(self) -> str:
        arguments = [str(value) for value in (self.layer, self.batch) if value != ABSENT]
        arguments += [f"to={self.to}"] if self.to != ABSENT else []
        arguments += [f'split="{self.split}"'] if self.split != "none" else []
        return f"{self.name}({', '.join(arguments)})"


def load(layer: int, split: Split = "none") -> Instruction:
    """Put a layer's weights and optimizer state into memory.

    `split="optimizer"` keeps only this machine's part of the optimizer state (ZeRO-1 and 2), `split="all"` only its
    part of the weights as well (ZeRO-3; Rajbhandari et al. 2020).

    >>> print(load(3, split="all"))
    load(3, split="all")
    """
    return Instruction("load", layer, split=split)


def read(batch: int) -> Instruction:
    """Read a micro-batch: the input of layer 0."""
    return Instruction("read", batch=batch)


def forward(layer: int, batch: int) -> Instruction:
    """Run a layer forward: needs its whole weights and its input, makes the input of the next layer."""
    return Instruction("forward", layer, batch)


def backward(layer: int, batch: int) -> Instruction:
    """Run a layer backward: needs its input and the gradient from the next layer; adds to the layer's gradient."""
    return Instruction("backward", layer, batch)


def send_activation(layer: int, batch: int, to: int) -> Instruction:
    """Send the input of a layer to another machine, and forget it here."""
    return Instruction("send_activation", layer, batch, to)


def send_gradient(layer: int, batch: int, to: int) -> Instruction:
    """Send the gradient that a layer's backward made for the layer below, and forget it here.

    `layer` is the layer whose backward made it, so `backward(layer - 1, batch)` needs it.
    """
    return Instruction("send_gradient", layer, batch, to)


def all_reduce(layer: int) -> Instruction:
    """Sum a layer's gradient over all machines that ask for it; each gets the whole sum."""
    return Instruction("all_reduce", layer)


def reduce_scatter(layer: int) -> Instruction:
    """Sum a layer's gradient over all machines; each keeps only its own part of the sum."""
    return Instruction("reduce_scatter", layer)


def all_gather(layer: int) -> Instruction:
    """Fetch the other machines' parts of a layer's weights."""
    return Instruction("all_gather", layer)


def free(layer: int) -> Instruction:
    """Forget the parts of a layer's weights that are other machines'."""
    return Instruction("free", layer)


def step(layer: int) -> Instruction:
    """Update a layer, or this machine's part of it, with the gradient of the whole batch; then forget the gradient."""
    return Instruction("step", layer)
