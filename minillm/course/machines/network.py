"""The network of the lab's machines: what is handed to a network card, and what the card does with it.

A network card takes what it is handed in order. A sum or a gathering starts when it is first in the queue of every
machine that takes part, as with NCCL: two machines that ask for two sums in different orders wait forever.
"""

from collections import Counter

from minillm.course.machines.cluster import ACTIVATION, GRADIENT, WEIGHTS, Box, Cluster
from minillm.course.machines.instructions import Instruction
from minillm.course.machines.machine import Gradient, Machine, Queued

SENDS = {"send_activation": "inputs", "send_gradient": "gradients_above"}
COLLECTIVES = ("all_reduce", "reduce_scatter", "all_gather")


def hand_over(machine: Machine, instruction: Instruction) -> bool:
    """Give something to the network card once it is here; from then on, it's gone for the processor."""
    item = instruction.layer, instruction.batch
    here = getattr(machine, SENDS[instruction.name])
    if item not in here:
        return False
    machine.queue.append(Queued(instruction, machine.at, machine.clock, ready=here.pop(item)))
    machine.sent[SENDS[instruction.name], item] = instruction.to
    return True


def join(machine: Machine, instruction: Instruction) -> bool:
    """Give a collective to the network card."""
    name, layer = instruction.name, instruction.layer
    if machine.pending["all_reduce", layer] or machine.pending["all_gather", layer]:
        return False
    ready, batches = 0.0, None
    if name == "all_gather":
        split = machine.splits.get(layer)
        if split == "optimizer" and layer in machine.updated:
            ready = machine.updated[layer]
        elif split != "all":
            said = "before its step, its whole weights are here" if split == "optimizer" else 'load it with split="all"'
            raise machine.wrong("bad instruction", f"there are no parts of layer {layer} to gather; {said}")
        else:
            ready = machine.updated.get(layer, 0.0)
        if split == "all" and layer in machine.whole:
            raise machine.wrong("bad instruction", f"layer {layer} is whole already; free it first")
    else:
        if layer not in machine.gradients:
            raise machine.wrong("missing gradient", f"there is no gradient of layer {layer} here yet")
        gradient = machine.gradients[layer]
        ready, batches = gradient.ready, gradient.batches
        if name == "reduce_scatter":
            if machine.splits.get(layer) == "none":
                said = f'layer {layer}\'s optimizer state is whole; load it with split="optimizer", or all_reduce'
                raise machine.wrong("bad instruction", said)
            del machine.gradients[layer]
    machine.pending[name, layer] += 1
    machine.queue.append(Queued(instruction, machine.at, machine.clock, ready, batches))
    return True


def communicate(machine: Machine, machines: list[Machine], cluster: Cluster) -> bool:
    """Let a machine's network card do the first thing that waits for it."""
    first = machine.queue[0]
    if first.instruction.name in SENDS:
        return _send(machine, machines[first.instruction.to], cluster)
    name, layer = first.instruction.name, first.instruction.layer
    group = [each for each in machines if any(i.name == name and i.layer == layer for i in each.program)]
    if not all(each.queue and each.queue[0].instruction == first.instruction for each in group):
        return False
    heads = [each.queue.popleft() for each in group]
    p, size = len(group), GRADIENT if name == "all_reduce" else WEIGHTS
    if name != "all_reduce" and p < cluster.machines:
        missing = sorted(set(range(cluster.machines)) - {each.rank for each in group})
        raise machine.wrong("deadlock", f"machines {missing} hold parts, too, and never join", first.at)
    amount = (2 if name == "all_reduce" else 1) * (p - 1) / p * size  # of a ring (Patarasuk and Yuan 2009)
    start = max(max(each.network, head.issued, head.ready) for each, head in zip(group, heads, strict=True))
    end = start + amount / cluster.bandwidth
    total = sum((head.batches for head in heads if head.batches), Counter())
    for each in group:
        each.network, each.traffic = end, each.traffic + amount
        each.sending.append(Box(start, end, name, layer))
        each.pending[name, layer] -= 1
        _receive(each, name, layer, Gradient(total, end), start, cluster)
    return True


def _receive(machine: Machine, name: str, layer: int, gradient: Gradient, start: float, cluster: Cluster) -> None:
    """What a collective leaves on a machine."""
    share = 1 / cluster.machines
    if name == "all_reduce":
        machine.gradients[layer] = gradient
    elif name == "reduce_scatter":
        before = machine.parts.get(layer)
        machine.note(gradient.ready, -GRADIENT if before else -GRADIENT * (1 - share), "gradients")
        batches = before.batches + gradient.batches if before else gradient.batches
        machine.parts[layer] = Gradient(batches, gradient.ready)
    else:
        if machine.splits[layer] == "all":
            machine.note(start, WEIGHTS * (1 - share), "weights")
        machine.whole[layer] = gradient.ready
        if layer in machine.updated:
            machine.fresh[layer] = gradient.ready


def _send(machine: Machine, other: Machine, cluster: Cluster) -> bool:
    """Send what is first in the queue to another machine."""
    first = machine.queue.popleft()
    name, layer, batch = first.instruction.name, first.instruction.layer, first.instruction.batch
    start = max(machine.network, first.issued, first.ready)
    end = start + ACTIVATION / cluster.bandwidth
    there = getattr(other, SENDS[name])
    if (layer, batch) in there:
        raise machine.wrong("counted twice", f"machine {other.rank} has it already", first.at)
    there[layer, batch] = machine.network = end
    machine.traffic += ACTIVATION
    machine.sending.append(Box(start, end, name, layer, batch))
    machine.note(end, -ACTIVATION, "activations")
    other.note(start, ACTIVATION, "activations")
    return True
