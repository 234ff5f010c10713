"""What is wrong with a schedule before it runs, when it gets stuck, and after its last instruction."""

from collections.abc import Sequence
from typing import Any

from minillm.course.machines.cluster import Cluster, ScheduleError
from minillm.course.machines.instructions import Instruction
from minillm.course.machines.machine import Machine

TAKES = {  # all others take a layer
    "read": ("batch",),
    "forward": ("layer", "batch"),
    "backward": ("layer", "batch"),
    "send_activation": ("layer", "batch", "to"),
    "send_gradient": ("layer", "batch", "to"),
}


def checked(programs: Sequence[Sequence[Any]], cluster: Cluster) -> list[list[Instruction]]:
    """The programs as lists; raises `ScheduleError` for what is no instruction, and for numbers out of range."""
    if len(programs) != cluster.machines:
        raise ScheduleError("bad instruction", f"there are {len(programs)} programs for {cluster.machines} machines")
    for rank, program in enumerate(programs):
        if not isinstance(program, (list, tuple)):
            said = "Does the function return its list?" if program is None else "Return a list of instructions."
            raise ScheduleError("bad instruction", f"machine {rank} has no list, but {type(program).__name__}. {said}")
        for at, instruction in enumerate(program):
            if error := _error_of(instruction, cluster, rank):
                raise ScheduleError("bad instruction", f"machine {rank}, instruction {at}, {instruction}: {error}")
    return [list(program) for program in programs]


def _error_of(instruction: Any, cluster: Cluster, rank: int) -> str | None:
    if not isinstance(instruction, Instruction):
        return "write instructions with forward(...), backward(...), and so on; is a list inside a list?"
    top = cluster.layers - 1
    limits = {"layer": (1 if instruction.name == "send_gradient" else 0, top), "batch": (0, cluster.batches - 1)}
    limits |= {"to": (0, cluster.machines - 1)}
    for name, (low, high) in ((name, limits[name]) for name in TAKES.get(instruction.name, ("layer",))):
        value = getattr(instruction, name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            return f"{name} must be a whole number from {low} to {high}"
    if instruction.to == rank:
        return "a machine can't send to itself"
    if instruction.split not in ("none", "optimizer", "all"):
        return 'split is "none", "optimizer" or "all"'
    return None


def why_stuck(machines: list[Machine], cluster: Cluster) -> ScheduleError:
    """Why nothing moves: something that nobody will make, or else machines that wait for each other."""
    waits = [_wait(machine, machines, cluster) for machine in machines if not machine.done]
    for error, _ in waits:
        if error is not None:
            return error
    return ScheduleError("deadlock", "; ".join(said for _, said in waits))


def _wait(machine: Machine, machines: list[Machine], cluster: Cluster) -> tuple[ScheduleError | None, str]:
    """What a machine waits for; an error if it can't come any more."""
    if machine.at == len(machine.program) or _waits_for_network(machine):
        head = machine.queue[0]
        name, layer = head.instruction.name, head.instruction.layer
        late = [
            each.rank for each in machines
            if each is not machine and any(i.name == name and i.layer == layer for i in each.program)
            and not (each.queue and each.queue[0].instruction == head.instruction)
        ]  # fmt: skip
        sentence = f"machine {machine.rank} waits in {head.instruction} for machines {late}"
        if not any(head.instruction in _left(machines[rank]) for rank in late):
            said = f"machines {late} don't join; every machine that uses {name}({layer}) must call it equally often"
            return machine.wrong("deadlock", said, head.at), sentence
        return None, sentence
    instruction = machine.program[machine.at]
    for kind, layer, what, makers in _needs(instruction, machine, cluster):
        item = layer, instruction.batch
        makes = [each for each in machines for maker in _left(each) if _is(maker, makers, item, each, machine)]
        sentence = f"machine {machine.rank} waits in {instruction} for {what}"
        if not makes:
            gone = machine.sent.get(("inputs" if kind == "missing activation" else "gradients_above", item))
            why = f"it went to machine {gone}" if gone is not None else "it isn't here, and nobody sends or makes it"
            return machine.wrong(kind, f"{what} is missing; {why}"), sentence
        if all(each is machine for each in makes):
            return machine.wrong("wrong order", f"{what} comes later in this machine's own list"), sentence
        return None, sentence
    return None, f"machine {machine.rank} waits in {instruction}"


def _waits_for_network(machine: Machine) -> bool:
    layer = machine.program[machine.at].layer
    return any(count and asked == layer for (_, asked), count in machine.pending.items())


def _left(machine: Machine) -> list[Instruction]:
    """What a machine hasn't done yet, on its processor or its network card."""
    return [each.instruction for each in machine.queue] + machine.program[machine.at :]


def _needs(instruction: Instruction, machine: Machine, cluster: Cluster) -> list[tuple[str, int, str, tuple[str, str]]]:
    """What an instruction needs that isn't here: kind of error, layer, words, and what makes it."""
    name, layer, batch = instruction.name, instruction.layer, instruction.batch
    needs: list[tuple[str, int, str, tuple[str, str]]] = []
    activation, gradient = ("forward", "send_activation"), ("backward", "send_gradient")
    if name in ("forward", "backward", "send_activation") and (layer, batch) not in machine.inputs:
        words = f"the input of layer {layer} for micro-batch {batch}"
        needs.append(("missing activation", layer, words, activation))
    if name == "send_gradient" and (layer, batch) not in machine.gradients_above:
        needs.append(("missing gradient", layer, f"the gradient from layer {layer} for micro-batch {batch}", gradient))
    if name == "backward" and layer < cluster.layers - 1 and (layer + 1, batch) not in machine.gradients_above:
        words = f"the gradient from layer {layer + 1} for micro-batch {batch}"
        needs.append(("missing gradient", layer + 1, words, gradient))
    if name == "backward" and layer == cluster.layers - 1 and (layer + 1, batch) not in machine.inputs:
        words = f"the output of layer {layer} for micro-batch {batch}"
        needs.append(("missing activation", layer + 1, words, activation))
    return needs


def _is(maker: Instruction, makers: tuple[str, str], item: tuple, each: Machine, machine: Machine) -> bool:
    """Whether an instruction of machine `each` makes an item for `machine`."""
    layer, batch = item
    if maker.batch != batch:
        return False
    if each is not machine:
        return maker.name == makers[1] and maker.layer == layer and maker.to == machine.rank
    if maker.name == "read":
        return makers[0] == "forward" and layer == 0
    return maker.name == makers[0] and maker.layer == (layer - 1 if makers[0] == "forward" else layer)


def unfinished(machines: list[Machine], cluster: Cluster) -> ScheduleError | None:
    """What a schedule that ran to its end has left undone."""
    for layer in range(cluster.layers):
        holders = [machine for machine in machines if layer in machine.splits]
        if not holders:
            return ScheduleError("never updated", f"layer {layer} is loaded nowhere")
        for machine in holders:
            if layer not in machine.updated:
                return ScheduleError(
                    "never updated", f"machine {machine.rank} holds layer {layer} and has no step for it"
                )
            if machine.splits[layer] == "optimizer" and layer not in machine.fresh:
                said = f"machine {machine.rank} ends with old weights in layer {layer}; all_gather it after its step"
                return ScheduleError("old weights", said)
        splits = {machine.splits[layer] for machine in holders}
        if splits != {"none"} and (len(splits) > 1 or len(holders) < cluster.machines):
            return ScheduleError("never updated", f"layer {layer} is split, but not all machines hold a part of it")
    return None
