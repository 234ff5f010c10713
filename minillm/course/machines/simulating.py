"""Run a schedule on machines that exist on paper: its time, its memory, or what is wrong with it.

Each machine has one processor and one network card that work side by side, each in the order of the program. An
instruction for the network is handed over when the program gets there, and the program goes on at once; what needs its
result waits. Nothing depends on the order in which the simulation visits the machines, since every item is made once
and every processor and card works in order (Kahn 1974).
"""

from collections import Counter
from collections.abc import Callable, Sequence

from minillm.course.machines.cluster import (
    ACTIVATION,
    BACKWARD,
    DEFAULT,
    FORWARD,
    GRADIENT,
    OPTIMIZER,
    STEP,
    WEIGHTS,
    Cluster,
    Result,
    ScheduleError,
    peak,
)
from minillm.course.machines.explaining import checked, unfinished, why_stuck
from minillm.course.machines.instructions import Instruction
from minillm.course.machines.machine import Gradient, Machine
from minillm.course.machines.network import COLLECTIVES, SENDS, communicate, hand_over, join

Schedule = Callable[[int], Sequence[Instruction]]


def run(schedule: Schedule | Sequence[Sequence[Instruction]], cluster: Cluster = DEFAULT) -> Result:
    """Run a schedule: a function from a machine's number to its instructions, or one list of them per machine.

    Raises `ScheduleError`, whose `kind` names what is wrong: deadlock, wrong order, missing activation, missing
    gradient, missing weights, counted twice, incomplete gradient, never updated, old weights, out of memory, or bad
    instruction.

    >>> from minillm.course.machines import backward, forward, load, read, step
    >>> one = Cluster(machines=1, layers=1, batches=1)
    >>> print(run([[load(0), read(0), forward(0, 0), backward(0, 0), step(0)]], one))
    time 3.2, memory 9.0, busy 100%, traffic 0.0
    """
    programs = [schedule(rank) for rank in range(cluster.machines)] if callable(schedule) else schedule
    machines = [Machine(rank, program) for rank, program in enumerate(checked(programs, cluster))]
    moves = [move for machine in machines for move in _moves(machine, machines, cluster)]
    while any([move() for move in moves]):  # a list: every machine gets its turn
        pass
    if not all(machine.done for machine in machines):
        raise why_stuck(machines, cluster)
    if error := unfinished(machines, cluster):
        raise error
    return _result(machines, cluster)


def _moves(machine: Machine, machines: list[Machine], cluster: Cluster) -> list[Callable[[], bool]]:
    """The two things that a machine does side by side; each says whether it got further."""
    return [
        lambda: machine.at < len(machine.program) and _advance(machine, machines, cluster),
        lambda: bool(machine.queue) and communicate(machine, machines, cluster),
    ]


def _advance(machine: Machine, machines: list[Machine], cluster: Cluster) -> bool:
    """Carry out a machine's next instruction, or hand it to its network card; False if something is missing."""
    instruction = machine.program[machine.at]
    if instruction.name in SENDS:
        done = hand_over(machine, instruction)
    elif instruction.name in COLLECTIVES:
        done = join(machine, instruction)
    else:
        done = globals()[f"_{instruction.name}"](machine, instruction, cluster)
    machine.at += done
    return done


def _load(machine: Machine, instruction: Instruction, cluster: Cluster) -> bool:
    layer, split = instruction.layer, instruction.split
    if layer in machine.splits:
        raise machine.wrong("bad instruction", f"layer {layer} is here already; load it once")
    machine.splits[layer] = split
    share = 1 / cluster.machines
    machine.note(machine.clock, WEIGHTS * (share if split == "all" else 1), "weights")
    machine.note(machine.clock, OPTIMIZER * (1 if split == "none" else share), "optimizer")
    if split != "all":
        machine.whole[layer] = machine.clock
    return True


def _read(machine: Machine, instruction: Instruction, cluster: Cluster) -> bool:
    item = 0, instruction.batch
    if item in machine.inputs:
        raise machine.wrong("counted twice", f"micro-batch {instruction.batch} is here already; read it once")
    machine.inputs[item] = machine.clock
    machine.note(machine.clock, ACTIVATION, "activations")
    return True


def _weights(machine: Machine, layer: int) -> float | None:
    """Since when a layer's whole weights are here; None while they are on their way."""
    if layer not in machine.splits:
        raise machine.wrong("missing weights", f"the weights of layer {layer} were never loaded here")
    if layer not in machine.whole and not machine.pending["all_gather", layer]:
        raise machine.wrong("missing weights", f"only a part of layer {layer} is here; all_gather it first")
    return machine.whole.get(layer)


def _forward(machine: Machine, instruction: Instruction, cluster: Cluster) -> bool:
    layer, batch = instruction.layer, instruction.batch
    weights, here = _weights(machine, layer), machine.inputs.get((layer, batch))
    if layer in machine.updated:
        raise machine.wrong(
            "counted twice", f"layer {layer} is updated already; run all forward passes before its step"
        )
    if weights is None or here is None:
        return False
    if (layer + 1, batch) in machine.inputs:
        raise machine.wrong("counted twice", f"micro-batch {batch} went through layer {layer} already")
    start = max(machine.clock, weights, here)
    machine.note(start, ACTIVATION, "activations")
    machine.inputs[layer + 1, batch] = machine.compute(start, FORWARD, instruction)
    return True


def _backward(machine: Machine, instruction: Instruction, cluster: Cluster) -> bool:
    layer, batch = instruction.layer, instruction.batch
    above = machine.inputs if layer == cluster.layers - 1 else machine.gradients_above  # the loss is taken in place
    weights, below, after = _weights(machine, layer), machine.inputs.get((layer, batch)), above.get((layer + 1, batch))
    if weights is None or below is None or after is None or machine.pending["all_reduce", layer]:
        return False
    gradient = machine.gradients.get(layer)
    start = max(machine.clock, weights, gradient.ready if gradient else 0.0, below, after)
    if gradient is None:
        machine.note(start, GRADIENT, "gradients")
    if layer:
        machine.note(start, ACTIVATION, "activations")
    end = machine.compute(start, BACKWARD, instruction)
    machine.note(end, -2 * ACTIVATION, "activations")
    del machine.inputs[layer, batch], above[layer + 1, batch]
    if layer:
        machine.gradients_above[layer, batch] = end
    machine.gradients[layer] = Gradient((gradient.batches if gradient else Counter()) + Counter([batch]), end)
    return True


def _free(machine: Machine, instruction: Instruction, cluster: Cluster) -> bool:
    layer = instruction.layer
    if machine.splits.get(layer) != "all":
        raise machine.wrong("bad instruction", f'layer {layer} isn\'t loaded with split="all", so no part can go')
    weights = _weights(machine, layer)
    if weights is None:
        return False
    machine.note(max(machine.clock, weights), -WEIGHTS * (1 - 1 / cluster.machines), "weights")
    del machine.whole[layer]
    return True


def _step(machine: Machine, instruction: Instruction, cluster: Cluster) -> bool:
    layer = instruction.layer
    if layer not in machine.splits:
        raise machine.wrong("missing weights", f"the weights of layer {layer} were never loaded here")
    if machine.pending["all_reduce", layer] or machine.pending["reduce_scatter", layer]:
        return False
    split = machine.splits[layer] != "none"
    part = split and layer in machine.parts
    gradient = (machine.parts if part else machine.gradients).pop(layer, None)
    if gradient is None:
        if layer in machine.parts:
            raise machine.wrong(
                "incomplete gradient", "the optimizer state is whole, the gradient is a part; all_reduce it"
            )
        raise machine.wrong("missing gradient", f"there is no gradient of layer {layer} here")
    if twice := [batch for batch, count in gradient.batches.items() if count > 1]:
        raise machine.wrong("counted twice", f"the gradient of layer {layer} holds micro-batches {sorted(twice)} twice")
    if len(gradient.batches) < cluster.batches:
        raise machine.wrong(
            "incomplete gradient",
            f"the gradient of layer {layer} holds micro-batches {sorted(gradient.batches)}, not all {cluster.batches}",
        )
    start = max(machine.clock, gradient.ready)
    end = machine.compute(start, STEP / cluster.machines if split else STEP, instruction)
    machine.note(end, -GRADIENT / cluster.machines if part else -GRADIENT, "gradients")
    machine.updated[layer] = end
    return True


def _result(machines: list[Machine], cluster: Cluster) -> Result:
    time = max(box.end for machine in machines for box in (*machine.computing, *machine.sending))
    changes = [tuple(sorted(machine.changes, key=lambda change: change[:2])) for machine in machines]
    for machine, each in zip(machines, changes, strict=True):
        most, when, of = peak(each)
        if most > cluster.memory + 1e-9:
            parts = ", ".join(f"{kind} {amount:g}" for kind, amount in of.items())
            sentence = f"machine {machine.rank} holds {most:g} at time {when:g} ({parts}); it has {cluster.memory:g}"
            raise ScheduleError("out of memory", sentence)
    busy = sum(box.end - box.start for machine in machines for box in machine.computing) / time / len(machines)
    return Result(
        time,
        max(peak(each)[0] for each in changes),
        sum(machine.traffic for machine in machines),
        busy,
        tuple(tuple(machine.computing) for machine in machines),
        tuple(tuple(machine.sending) for machine in machines),
        tuple(changes),
    )
